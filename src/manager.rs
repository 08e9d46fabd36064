//! The service manager: told by datagrams when shipper is ready, what it does, that it lives and that it stops.
//!
//! The protocol is systemd's `sd_notify`. Without `NOTIFY_SOCKET` there is nobody to be told.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Longest status, in bytes.
const STATUS_BYTES_MAX: usize = 512;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    /// What was said last.
    status: Mutex<String>,
}

/// The manager cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the service manager at `{socket}` how it goes")]
pub struct ManagerError {
    socket: String,
    source: io::Error,
}

impl Manager {
    /// Finds the manager by what it has put into the environment.
    ///
    /// # Errors
    /// When `NOTIFY_SOCKET` is no address of a socket, or the system gives no socket.
    pub fn of_environment(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ManagerError> {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let failed = |source| ManagerError { socket: name.to_string_lossy().into_owned(), source };
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name),
            [b'/', ..] => SocketAddr::from_pathname(&name),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        let address = address.map_err(failed)?;
        let socket = UnixDatagram::unbound().map_err(failed)?;
        // A manager that does not read must not hold anybody up.
        socket.set_nonblocking(true).map_err(failed)?;
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_ours = match variable("WATCHDOG_PID").filter(|pid| !pid.is_empty()) {
            Some(_) => number("WATCHDOG_PID") == Some(std::process::id().into()),
            None => true,
        };
        let watchdog = number("WATCHDOG_USEC").filter(|us| is_ours && 0 < *us);
        Ok(Self {
            socket: Some((socket, address)),
            watchdog: watchdog.map(Duration::from_micros),
            ..Self::default()
        })
    }

    /// Returns the time within which the manager wants to hear that shipper lives, if it does.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells whether there is a manager.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Says that everything runs.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Says that it stops.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says that it lives.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// Says in one line what it does; not again what was said last.
    pub fn status(&self, status: &str) {
        if !self.is_there() {
            return;
        }
        let line: String =
            status.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let line = &line[..line.floor_char_boundary(STATUS_BYTES_MAX)];
        let mut last = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != line {
            line.clone_into(&mut last);
            self.tell(&format!("STATUS={line}"));
        }
    }

    fn tell(&self, what: &str) {
        if let Some((socket, address)) = &self.socket {
            // A manager that has gone, or has no room, hears the next one.
            let _ = socket.send_to_addr(what.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(variables: &[(&str, &str)]) -> Result<Manager, ManagerError> {
        Manager::of_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn manager_hears_each_word_in_a_datagram_of_its_own_and_no_status_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = manager(&[("NOTIFY_SOCKET", path.to_str().unwrap())]).unwrap();
        assert_eq!(manager.watchdog(), None);
        manager.ready();
        manager.status("delivers\nWATCHDOG=1");
        manager.status("delivers\nWATCHDOG=1");
        manager.status(&"ü".repeat(400));
        manager.alive();
        manager.stopping();
        let all: Vec<String> = (0..5).map(|_| heard(&socket)).collect();
        let long = format!("STATUS={}", "ü".repeat(256));
        let expected = ["READY=1", "STATUS=delivers WATCHDOG=1", &long, "WATCHDOG=1", "STOPPING=1"];
        assert_eq!(all, expected);
    }

    #[test]
    fn abstract_sockets_are_reached() {
        let name = format!("shipper-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        manager(&[("NOTIFY_SOCKET", &format!("@{name}"))]).unwrap().ready();
        assert_eq!(heard(&socket), "READY=1");
    }

    #[test]
    fn watchdog_is_this_process_or_anybodys() {
        let pid = std::process::id().to_string();
        for (usec, watched, expected) in [
            ("30000000", None, Some(30)),
            ("30000000", Some(pid.as_str()), Some(30)),
            ("30000000", Some("1"), None),
            ("30000000", Some("x"), None),
            ("0", None, None),
            ("x", None, None),
        ] {
            let mut variables = vec![("NOTIFY_SOCKET", "@a"), ("WATCHDOG_USEC", usec)];
            variables.extend(watched.map(|pid| ("WATCHDOG_PID", pid)));
            let found = manager(&variables).unwrap().watchdog();
            assert_eq!(found, expected.map(Duration::from_secs), "{usec} {watched:?}");
        }
    }

    #[test]
    fn without_a_socket_nobody_is_told_and_another_kind_of_address_is_refused() {
        for variables in [&[][..], &[("NOTIFY_SOCKET", ""), ("WATCHDOG_USEC", "1")]] {
            let manager = manager(variables).unwrap();
            manager.ready();
            manager.status("a");
            assert_eq!((manager.is_there(), manager.watchdog()), (false, None));
        }
        let error = manager(&[("NOTIFY_SOCKET", "vsock:2:1")]).unwrap_err();
        let text = crate::hint::chain_text(&error);
        assert_eq!(text, "cannot tell the service manager at `vsock:2:1` how it goes: unsupported");
    }
}
