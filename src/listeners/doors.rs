//! Where messages come in: the sockets that are bound at the start.

use super::advised::{cannot_listen, in_use};
use crate::disk::{Disk, Kind};
use crate::hint::Advised;
use crate::settings::{Listen, SocketSettings};
use rustix::fs::{Gid, Mode};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

/// Size of the kernel's buffer of a datagram socket that is asked for when the operator asks for none: what comes while a
/// batch is written has room there. The system allows what it allows.
const DATAGRAM_BUFFER_BYTES: usize = 4 << 20;

/// A place where messages come in.
pub(super) enum Door {
    Tcp(TcpListener),
    Udp(UdpSocket),
    UnixStream(UnixListener),
    UnixDatagram(UnixDatagram),
    Stdin,
}

impl Door {
    /// Opens it.
    pub(super) fn open<D: Disk>(listen: &Listen, disk: &D) -> Result<Self, Advised> {
        match listen {
            Listen::Tcp(host) => {
                let socket = bind(host, TcpListener::bind)?;
                nonblocking(host, socket.set_nonblocking(true))?;
                Ok(Self::Tcp(socket))
            }
            Listen::Udp(host, buffer) => {
                let socket = bind(host, UdpSocket::bind)?;
                nonblocking(host, socket.set_nonblocking(true))?;
                enlarge(socket.as_fd(), buffer.unwrap_or(DATAGRAM_BUFFER_BYTES));
                Ok(Self::Udp(socket))
            }
            Listen::UnixStream(settings) => {
                let socket = bind_path(settings, disk, |path| UnixListener::bind(path))?;
                nonblocking(&settings.path.display(), socket.set_nonblocking(true))?;
                Ok(Self::UnixStream(socket))
            }
            Listen::UnixDatagram(settings) => {
                let socket = bind_path(settings, disk, |path| UnixDatagram::bind(path))?;
                nonblocking(&settings.path.display(), socket.set_nonblocking(true))?;
                enlarge(socket.as_fd(), DATAGRAM_BUFFER_BYTES);
                Ok(Self::UnixDatagram(socket))
            }
            Listen::Stdin => Ok(Self::Stdin),
        }
    }

    /// Returns the socket.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::UnixStream(socket) => socket.as_fd(),
            Self::UnixDatagram(socket) => socket.as_fd(),
            Self::Stdin => rustix::stdio::stdin(),
        }
    }

    /// Returns the address, for the log.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Udp(socket) => socket.local_addr().ok(),
            Self::UnixStream(_) | Self::UnixDatagram(_) | Self::Stdin => None,
        }
    }
}

fn nonblocking(name: &dyn std::fmt::Display, set: io::Result<()>) -> Result<(), Advised> {
    set.map_err(|error| cannot_listen(name, &error))
}

fn enlarge(socket: BorrowedFd<'_>, bytes: usize) {
    // The system may allow less, and says in its counter of drops when that is too little.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, bytes);
}

/// Binds a socket to the first address of a name that can be, those of IPv4 first, as Filebeat does.
fn bind<T>(host: &str, open: impl Fn(SocketAddr) -> io::Result<T>) -> Result<T, Advised> {
    let refused = |error: io::Error| cannot_listen(&host, &error);
    let mut addresses: Vec<SocketAddr> = match host.strip_prefix(':') {
        Some(port) => ["[::]", "0.0.0.0"]
            .iter()
            .filter_map(|any| format!("{any}:{port}").parse().ok())
            .collect(),
        None => host.to_socket_addrs().map_err(refused)?.collect(),
    };
    if !host.starts_with(':') {
        addresses.sort_by_key(SocketAddr::is_ipv6);
    }
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match open(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(refused(last))
}

/// Binds a socket to a name in the file system, in place of one that nobody listens to any more.
fn bind_path<D: Disk, T>(
    settings: &SocketSettings,
    disk: &D,
    open: impl Fn(&Path) -> io::Result<T>,
) -> Result<T, Advised> {
    let path = &*settings.path;
    let refused = |error: io::Error| cannot_listen(&path.display(), &error);
    if let Ok(stat) = disk.link_stat(path) {
        if stat.kind != Kind::Other || is_heard(path) {
            return Err(in_use(path));
        }
        disk.remove(path).map_err(refused)?;
    }
    let socket = open(path).map_err(refused)?;
    if let Some(group) = &settings.group {
        let group = group_number(group, disk).ok_or_else(|| {
            Advised::new(
                format!("cannot listen at `{}`: there is no group `{group}`", path.display()),
                "name a group of this system in `group`, or its number",
            )
        })?;
        rustix::fs::chown(path, None, Some(group)).map_err(|error| refused(error.into()))?;
    }
    if let Some(mode) = settings.mode {
        let mode = Mode::from_raw_mode(mode);
        rustix::fs::chmod(path, mode).map_err(|error| refused(error.into()))?;
    }
    Ok(socket)
}

/// Tells whether somebody listens to a socket.
fn is_heard(path: &Path) -> bool {
    let probe = || UnixDatagram::unbound()?.connect(path);
    UnixStream::connect(path).is_ok() || probe().is_ok()
}

fn group_number<D: Disk>(group: &str, disk: &D) -> Option<Gid> {
    if let Ok(number) = group.parse() {
        return Some(Gid::from_raw(number));
    }
    let groups = disk.read_all(Path::new("/etc/group"), 8 << 20).ok()?;
    let groups = String::from_utf8_lossy(&groups);
    let named = groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next() == Some(group)).then(|| parts.nth(1)?.parse().ok()).flatten()
    });
    named.map(Gid::from_raw)
}
