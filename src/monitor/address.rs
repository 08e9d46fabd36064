//! Where the endpoint listens.

use crate::advice;
use crate::disk::{Disk, Kind};
use crate::hint::Advised;
use crate::settings::HttpSettings;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};

/// Mode of the socket: as Filebeat's, to which only its owner may connect.
const SOCKET_MODE: Mode = Mode::from_raw_mode(0o740);

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The same within a runtime.
pub(super) enum AsyncListener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// Either kind of connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where the endpoint listens; the name of a socket is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Place<D: Disk> {
    disk: D,
    at: At,
}

#[derive(Debug)]
enum At {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl<D: Disk> Drop for Place<D> {
    fn drop(&mut self) {
        if let At::Unix(path) = &self.at {
            // What is left is replaced at the next start.
            let _ = self.disk.remove(path);
        }
    }
}

impl<D: Disk> Place<D> {
    /// Tells whether others than this machine may ask.
    pub(super) fn is_open_to_others(&self) -> bool {
        matches!(self.at, At::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }
}

impl<D: Disk> fmt::Display for Place<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Tcp(address) => address.fmt(formatter),
            At::Unix(path) => write!(formatter, "unix://{}", path.display()),
        }
    }
}

pub(super) fn listen<D: Disk>(
    disk: D,
    settings: &HttpSettings,
) -> Result<(Listener, Place<D>), Advised> {
    match settings {
        HttpSettings::Tcp { host, port } => {
            let (listener, address) =
                listen_tcp(host, *port).map_err(|error| refused(settings, &error))?;
            Ok((Listener::Tcp(listener), Place { disk, at: At::Tcp(address) }))
        }
        HttpSettings::Unix(path) => {
            let listener = listen_unix(&disk, path).map_err(|error| refused(settings, &error))?;
            Ok((Listener::Unix(listener), Place { disk, at: At::Unix(path.clone()) }))
        }
    }
}

/// Listens at the first address of a name, one of IPv4 if it has any, as Filebeat does.
fn listen_tcp(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let first = addresses.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let listener = TcpListener::bind(first)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Listens at a socket; one of that name on which nobody listens is replaced.
fn listen_unix<D: Disk>(disk: &D, path: &Path) -> io::Result<UnixListener> {
    match disk.link_stat(path) {
        Ok(stat) if stat.kind == Kind::Other => {
            match rustix::net::connect(unix_socket()?, &SocketAddrUnix::new(path)?) {
                Err(Errno::CONNREFUSED) => disk.remove(path)?,
                Ok(()) | Err(Errno::AGAIN) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            }
        }
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => {}
    }
    let socket = unix_socket()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Before it listens nobody can connect.
    rustix::fs::chmod(path, SOCKET_MODE)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

fn unix_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn refused(settings: &HttpSettings, error: &io::Error) -> Advised {
    let at = match settings {
        HttpSettings::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        HttpSettings::Tcp { host, port } => format!("{host}:{port}"),
        HttpSettings::Unix(path) => format!("unix://{}", path.display()),
    };
    let hint = match (settings, error.kind()) {
        (HttpSettings::Tcp { .. }, io::ErrorKind::AddrInUse) => {
            "something else listens there, perhaps a Filebeat or another shipper: stop it, or set another `http.port`"
        }
        (HttpSettings::Tcp { .. }, io::ErrorKind::PermissionDenied) => {
            "ports below 1024 are for root: set another `http.port`"
        }
        (HttpSettings::Tcp { .. }, _) => {
            "`http.host` has to be a name or an address of this machine, such as `localhost`"
        }
        (HttpSettings::Unix(_), io::ErrorKind::AddrInUse) => {
            "another process answers there: stop it, or set another path in `http.host`"
        }
        (HttpSettings::Unix(_), io::ErrorKind::AlreadyExists) => {
            "something else has that name: move it away, or set another path in `http.host`"
        }
        (HttpSettings::Unix(_), io::ErrorKind::NotFound) => {
            "make its directory, or set another path in `http.host`"
        }
        (HttpSettings::Unix(_), io::ErrorKind::InvalidInput) => {
            "a socket's path is at most 107 bytes long: set a shorter one in `http.host`"
        }
        (HttpSettings::Unix(_), _) => "set a path in `http.host` where this user may make a socket",
    };
    let reason = advice::reason(error);
    Advised::new(format!("cannot listen at `{at}` for the http endpoint: {reason}"), hint)
        .hint("or set `http.enabled: false`; nothing was read")
}

impl Listener {
    pub(super) fn into_tokio(self) -> io::Result<AsyncListener> {
        Ok(match self {
            Self::Tcp(listener) => AsyncListener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Self::Unix(listener) => {
                AsyncListener::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        })
    }
}

impl AsyncListener {
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::hint;
    use std::os::unix::fs::PermissionsExt as _;

    fn tcp(host: &str, port: u16) -> HttpSettings {
        HttpSettings::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn localhost_is_this_machine_and_all_addresses_are_not() {
        for (host, begin, open) in
            [("localhost", "127.0.0.1:", false), ("0.0.0.0", "0.0.0.0:", true)]
        {
            let (_listener, place) = listen(RealDisk, &tcp(host, 0)).unwrap();
            assert!(place.to_string().starts_with(begin), "{place}");
            assert_eq!(place.is_open_to_others(), open, "{host}");
        }
    }

    #[test]
    fn port_in_use_is_told_with_what_to_do() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let error = listen(RealDisk, &tcp("127.0.0.1", port)).unwrap_err();
        let expected = format!(
            "error: cannot listen at `127.0.0.1:{port}` for the http endpoint: address already in use\n\
             hint: something else listens there, perhaps a Filebeat or another shipper: stop it, or set another \
             `http.port`\n\
             hint: or set `http.enabled: false`; nothing was read\n"
        );
        assert_eq!(hint::report(&error, &[]), expected);
    }

    #[test]
    fn socket_replaces_a_dead_one_and_nothing_else_and_goes_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("http.sock");
        let settings = HttpSettings::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        let (listener, place) = listen(RealDisk, &settings).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o740);
        let second = listen(RealDisk, &settings).unwrap_err().to_string();
        assert!(second.ends_with("address in use"), "{second}");
        drop((listener, place));
        assert!(!path.exists());
        std::fs::write(&path, "not a socket").unwrap();
        let error = listen(RealDisk, &settings).unwrap_err().to_string();
        assert!(error.ends_with("entity already exists"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a socket");
    }
}
