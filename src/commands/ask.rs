//! Asks a running shipper over its socket.

use super::report::err;
use crate::advice;
use crate::disk::{Disk, RealDisk};
use crate::hint::Advised;
use crate::status::{Answer, Hidden, Question, SOCKET};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Most that is read of `/proc/locks`.
const LOCKS_BYTES_MAX: u64 = 16 << 20;

/// Longest wait for what can be done without.
const HIDDEN_PATIENCE: Duration = Duration::from_secs(5);

/// Why nobody answers.
#[derive(Debug)]
pub(super) enum Silence {
    /// No shipper runs on this data path.
    NotRunning,
    /// One runs, or may run, and cannot be asked.
    CannotTell(Advised),
}

/// A connection to a running shipper.
pub(super) struct Conversation(BufReader<UnixStream>);

impl Conversation {
    /// Asks the shipper that uses a data path; every answer is waited for at most `patience`.
    pub(super) fn begin(
        data: &Path,
        question: &Question,
        patience: Duration,
    ) -> Result<Self, Silence> {
        let mut stream =
            UnixStream::connect(data.join(SOCKET)).map_err(|error| unreached(data, &error))?;
        let mut line = serde_json::to_vec(question).expect("questions have string keys");
        line.push(b'\n');
        stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(patience)))
            .and_then(|()| stream.write_all(&line))
            .map_err(|error| Silence::CannotTell(silent(data, &error)))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Waits for the next answer.
    pub(super) fn next(&mut self) -> io::Result<Answer> {
        let mut line = Vec::new();
        (&mut self.0).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_slice(&line).map_err(|_| ErrorKind::InvalidData.into())
    }
}

/// Asks the shipper that uses a data path how far behind those files are of which a look at the disk does not say it. One of an
/// earlier version does not know either.
pub(super) fn hidden(data: &Path) -> Result<Hidden, Silence> {
    let mut conversation = Conversation::begin(data, &Question::Hidden, HIDDEN_PATIENCE)?;
    match conversation.next() {
        Ok(Answer::Hidden(hidden)) => Ok(hidden),
        Ok(_) => Ok(Hidden::default()),
        Err(error) => Err(Silence::CannotTell(silent(data, &error))),
    }
}

/// Says why a socket could not be reached.
fn unreached(data: &Path, error: &io::Error) -> Silence {
    let socket = data.join(SOCKET);
    match error.kind() {
        // Not there, left behind by a crash, or with a path that no socket can have: the lock says whether one runs.
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::ConnectionRefused
        | ErrorKind::InvalidInput => match holder(data) {
            None => Silence::NotRunning,
            Some(pid) => Silence::CannotTell(Advised::new(
                format!("a shipper runs (pid {pid}) without its socket `{}`", socket.display()),
                "it starts or stops just now, or its log says why it has none",
            )),
        },
        ErrorKind::PermissionDenied => Silence::CannotTell(Advised::new(
            format!("cannot ask at `{}`: {}", socket.display(), advice::reason(error)),
            "run this as root, or as the user that runs shipper",
        )),
        _ => Silence::CannotTell(silent(data, error)),
    }
}

/// Says that a running shipper does not answer.
pub(super) fn silent(data: &Path, error: &io::Error) -> Advised {
    let reason = match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it takes too long".to_owned(),
        ErrorKind::UnexpectedEof => "it has closed the connection".to_owned(),
        ErrorKind::InvalidData => "the answer is not understood".to_owned(),
        _ => advice::reason(error),
    };
    Advised::new(
        format!("no answer at `{}`: {reason}", data.join(SOCKET).display()),
        "look at its log; another version of it may run, or it may be stopping",
    )
}

/// Returns the process that holds the lock of a data path. The lock is not tried: that would hinder a start.
fn holder(data: &Path) -> Option<u32> {
    let path = data.join("shipper.lock");
    let pid = RealDisk.read_all(&path, 32).ok()?;
    let pid: u32 = String::from_utf8_lossy(&pid).trim().parse().ok()?;
    let inode = format!(":{}", RealDisk.stat(&path).ok()?.inode.number);
    let locks = match RealDisk.read_all(Path::new("/proc/locks"), LOCKS_BYTES_MAX) {
        Ok(locks) => locks,
        Err(error) => {
            err(&format!("warning: cannot read `/proc/locks`: {}", advice::reason(&error)));
            return None;
        }
    };
    let is_held = String::from_utf8_lossy(&locks).lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words[..], [_, "FLOCK", _, _, owner, place, ..]
            if owner == pid.to_string() && place.ends_with(&inode))
    });
    is_held.then_some(pid)
}
