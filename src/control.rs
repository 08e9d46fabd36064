//! The socket in the data path: answers how the process fares, and takes the order to drain.
//!
//! One connection at a time, with a short time for each and a bound on what is read, so that no client can hold up
//! another for long, nor the process at all. Only the user that runs it, and root, may connect.

use crate::disk::{Disk, Kind};
use crate::status::{Answer, Audit, Hidden, QUESTION_BYTES_MAX, Question, SOCKET, Status};
use rustix::fs::Mode;
use std::io;
use std::os::unix::net::UnixStream as Asker;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::mpsc;
use tracing::debug;

/// Longest time for one connection.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Clients that may wait for their turn.
const BACKLOG: u32 = 16;

/// Pause after a failure to accept, as without free descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// An order to drain.
#[derive(Debug)]
pub struct DrainAsked {
    /// Who is to be told how it goes; does not block.
    pub asker: Asker,
    /// Longest time for it.
    pub deadline: Option<Duration>,
}

/// Knows the answers.
pub trait Teller: Send + Sync + 'static {
    /// Returns how the process fares.
    fn status(&self) -> Status;

    /// Returns how far behind the files are of which a look at the disk does not say it.
    fn hidden(&self) -> Hidden;

    /// Has what was read compared with what is settled and on its way; `None` when that takes too long.
    fn audit(&self) -> Option<Audit>;
}

/// The socket; its name is removed when it is dropped.
#[derive(Debug)]
pub struct Control<D: Disk> {
    listener: UnixListener,
    disk: D,
    path: PathBuf,
}

impl<D: Disk> Drop for Control<D> {
    fn drop(&mut self) {
        // What is left is replaced at the next start.
        let _ = self.disk.remove(&self.path);
    }
}

impl<D: Disk> Control<D> {
    /// Listens in a data path whose lock the caller holds: a socket that is there belongs to nobody. Must be called
    /// within the runtime.
    ///
    /// # Errors
    /// When the path is too long for a socket, the name is taken by something else, or the system refuses.
    pub fn listen(disk: D, data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET);
        match disk.link_stat(&path) {
            Ok(stat) if stat.kind == Kind::Other => disk.remove(&path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
        let socket = UnixSocket::new_stream()?;
        socket.bind(&path)?;
        // Before it listens nobody can connect.
        rustix::fs::chmod(&path, Mode::RUSR | Mode::WUSR)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Self { listener, disk, path })
    }

    /// Serves for ever.
    pub async fn serve(self, teller: impl Teller, drains: mpsc::Sender<DrainAsked>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let served = converse(stream, &teller, &drains);
                    if tokio::time::timeout(TIME_MAX, served).await.is_err() {
                        debug!("a client of the control socket took too long");
                    }
                }
                Err(error) => {
                    debug!("cannot accept a client of the control socket: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn converse(mut stream: UnixStream, teller: &impl Teller, drains: &mpsc::Sender<DrainAsked>) {
    let answer = match question(&mut stream).await {
        Some(Question::Status) => Answer::Status(Box::new(teller.status())),
        Some(Question::Hidden) => Answer::Hidden(teller.hidden()),
        Some(Question::Audit) => match tokio::task::block_in_place(|| teller.audit()) {
            Some(audit) => Answer::Audit(audit),
            // Its asker sees the connection closed.
            None => return,
        },
        Some(Question::Drain { deadline_ms }) => {
            let deadline = deadline_ms.map(Duration::from_millis);
            if let Ok(asker) = stream.into_std() {
                // One order too many while others wait: its asker sees the connection closed.
                let _ = drains.try_send(DrainAsked { asker, deadline });
            }
            return;
        }
        None => Answer::NotUnderstood,
    };
    // A client that has gone needs no answer.
    let _ = stream.write_all(&line(&answer)).await;
}

/// Returns an answer as it is sent.
#[must_use]
pub fn line(answer: &Answer) -> Vec<u8> {
    let mut line = serde_json::to_vec(answer).expect("answers have string keys");
    line.push(b'\n');
    line
}

/// Reads one line; `None` when it is too long or no question.
async fn question(stream: &mut UnixStream) -> Option<Question> {
    let mut bytes = [0; QUESTION_BYTES_MAX];
    let mut length = 0;
    loop {
        let more = stream.read(&mut bytes[length..]).await.ok()?;
        let end = memchr::memchr(b'\n', &bytes[length..length + more]);
        length += more;
        if let Some(end) = end {
            return serde_json::from_slice(&bytes[..length - more + end]).ok();
        }
        if more == 0 || length == bytes.len() {
            return None;
        }
    }
}
