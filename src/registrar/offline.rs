//! The registry without a registrar: looked at as it stands, also while a shipper runs.

use super::format::{self, Decoded};
use super::{BYTES_MAX, advice};
use crate::disk::Disk;
use crate::hint::Advised;
use crate::settings::RegistrySettings;
use std::io;
use std::path::{Path, PathBuf};

/// Where a registry is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where and how it is written.
    pub settings: RegistrySettings,
    /// The data path: its lock is there.
    pub data: PathBuf,
    /// The output whose offsets these are.
    pub output: String,
}

/// A registry as it stood at one moment.
#[derive(Debug)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// Size of that file in bytes.
    pub bytes: u64,
    /// What it says; damage and a torn tail are for the caller to judge.
    pub decoded: Decoded,
}

impl Place {
    /// Returns the file that holds the registry.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.settings.path.join(&self.output).join("journal.log")
    }
}

/// Reads a registry without the lock and without changing anything.
///
/// # Errors
/// When there is none, it cannot be read, or a later version wrote it.
pub fn look<D: Disk>(disk: &D, place: &Place) -> Result<Stored, Advised> {
    let path = place.journal();
    let bytes = disk.read_all(&path, BYTES_MAX).map_err(|error| unseen(&path, &error))?;
    let decoded = format::decode(&bytes).map_err(|later| super::refused(&path, later))?;
    Ok(Stored { path, bytes: bytes.len() as u64, decoded })
}

fn unseen(path: &Path, error: &io::Error) -> Advised {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            return Advised::new(
                format!("there is no registry `{}`", path.display()),
                "name the configuration that shipper runs with (-c), or its data path (--path.data); where it has never \
                 run, nothing was read yet",
            );
        }
        io::ErrorKind::PermissionDenied => {
            "run this as root, or as the user that runs shipper".to_owned()
        }
        io::ErrorKind::NotADirectory => {
            "a file stands where a directory is needed: name another --path.data".to_owned()
        }
        _ => "look at the path and at the disk (dmesg)".to_owned(),
    };
    let reason = advice::reason(error);
    Advised::new(format!("cannot read the registry `{}`: {reason}", path.display()), hint)
}
