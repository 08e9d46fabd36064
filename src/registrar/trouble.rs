//! What is wrong with the files of a registry, and what to do about it.

use super::format;
use super::journal::Journal;
use crate::advice;
use crate::disk::Disk;
use crate::hint::Advised;
use std::io;
use std::path::Path;
use tracing::{error, info, warn};

/// Reads the registry; damage is told, a later version refused.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<format::Decoded, Advised> {
    let decoded = format::decode(bytes).map_err(|later| refused(path, later))?;
    for damage in decoded.damage.iter().take(5) {
        error!(
            "registry `{}` is damaged at line {} (checksum differs); a file whose entry is gone is read again",
            path.display(),
            damage.line
        );
    }
    if decoded.is_unreadable() {
        error!(
            hint = "if a copy of it is there, stop shipper and put that back",
            "registry `{}` holds nothing that can be read: all files are read again, as new ones",
            path.display()
        );
    }
    Ok(decoded)
}

pub(super) fn refused(path: &Path, later: format::LaterVersion) -> Advised {
    Advised::new(
        format!("registry `{}`: {later}", path.display()),
        "start the version of shipper that wrote it, or give this one another --path.data",
    )
}

/// Tells whether a registry is of an earlier format, and says so in the log.
pub(super) fn is_older(version: u32) -> bool {
    if version < format::VERSION {
        info!(
            "the registry is of format {version}; it is written anew in format {}",
            format::VERSION
        );
    }
    version < format::VERSION
}

pub(super) fn tell_torn<D: Disk>(journal: &Journal<D>, torn_bytes: usize) {
    if 0 < torn_bytes {
        warn!(
            torn_bytes,
            "registry `{}` ends in a torn line, as after a crash; it is cut off",
            journal.path().display()
        );
    }
}

/// Says what to do about a registry that cannot be saved.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "make room on the disk of path.data",
        io::ErrorKind::QuotaExceeded => {
            "make room on the disk of path.data, or raise the quota of shipper's user there"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "have the file system of path.data mounted for writing again, which the kernel ends when a disk fails: dmesg \
             says why"
        }
        io::ErrorKind::PermissionDenied => "let the user that runs shipper write to path.data",
        _ => "look at the disk of path.data, and for what dmesg says of it",
    }
}

pub(super) fn unusable(path: &Path, error: &io::Error) -> Advised {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "let the user that runs shipper write there (chown, chmod u+rwx {}), or name another --path.data",
            path.display()
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            "have that file system mounted for writing, or name another --path.data".to_owned()
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on that disk, or name another --path.data".to_owned()
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where a directory is needed: move it away, or name another --path.data"
                .to_owned()
        }
        _ => "look at the path and at the disk, or name another --path.data".to_owned(),
    };
    Advised::new(format!("cannot use `{}`: {}", path.display(), advice::reason(error)), hint)
}
