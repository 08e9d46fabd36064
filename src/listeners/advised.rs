//! What to do when a listener cannot listen.

use crate::advice;
use crate::hint::Advised;
use std::fmt::Display;
use std::io;
use std::path::Path;

/// Makes the error of an address or a name at which the system does not let us listen.
pub(super) fn cannot_listen(name: &dyn Display, error: &io::Error) -> Advised {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "something else listens there: stop it, or name another port",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE, and a socket a directory that may be written"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: look with `ip addr`",
        io::ErrorKind::NotFound => "make the directory of the socket first",
        io::ErrorKind::InvalidInput => "write it as `address:port`, for example `localhost:9000`",
        _ => "write the address as `localhost:9000`, or `:9000` for all addresses",
    };
    Advised::new(format!("cannot listen at `{name}`: {}", advice::reason(error)), hint)
}

/// Makes the error of a name that is taken.
pub(super) fn in_use(path: &Path) -> Advised {
    Advised::new(
        format!("cannot listen at `{}`: something else has that name", path.display()),
        "stop who listens there, or move the file away",
    )
}
