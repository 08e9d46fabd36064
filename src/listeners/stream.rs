//! One connection: its socket, its TLS, and what of a message has come.

use super::framing::Framer;
use crate::pipeline::Source;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConnection;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// A socket that a connection goes through.
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<ServerConnection>, TcpStream),
    Unix(UnixStream),
    Stdin,
}

impl Socket {
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) | Self::Tls(_, socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
            Self::Stdin => rustix::stdio::stdin(),
        }
    }

    /// Reads what is there; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
            Self::Stdin => read_stdin(buffer),
            Self::Tls(session, socket) => read_tls(session, socket, buffer),
        }
    }

    /// Tells whether it may hold what was read from its socket and is not given out yet.
    pub(super) fn may_hold(&self) -> bool {
        matches!(self, Self::Tls(..))
    }
}

/// Reads standard input, whose descriptor others share: so it stays one that blocks, and is asked first.
fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    let stdin = rustix::stdio::stdin();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    if poll(&mut watched, Some(&now))? == 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(rustix::io::read(stdin, buffer)?)
}

fn read_tls(
    session: &mut ServerConnection,
    socket: &mut TcpStream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match session.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A client that goes without saying so has ended all the same: each message says where it ends.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            read => return read,
        }
        let read = session.read_tls(socket);
        let worked = match &read {
            Ok(_) => session.process_new_packets().map(drop),
            Err(_) => Ok(()),
        };
        // An alert tells the client what is wrong; a handshake's few bytes fit the socket's buffer.
        while session.wants_write() {
            if session.write_tls(&mut *socket).is_err() {
                break;
            }
        }
        let _ = socket.flush();
        worked.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if read? == 0 && !session.wants_read() {
            return Ok(0);
        }
    }
}

/// A connection.
pub(super) struct Stream {
    pub(super) socket: Socket,
    /// Which door it came through.
    pub(super) door: usize,
    pub(super) source: Source,
    pub(super) framer: Framer,
    /// What came and is in no batch yet: the beginning of a message, unless a buffer was missing.
    pub(super) pending: Vec<u8>,
    /// When its last message was complete, or it began.
    pub(super) since: Instant,
    /// No more will come.
    pub(super) ended: bool,
    /// It is cut off within a message, which counts as cut.
    pub(super) broken_off: bool,
    /// Whether the poller tells when there is something to read.
    pub(super) polled: bool,
}
