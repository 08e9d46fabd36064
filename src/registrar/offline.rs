//! The registry without a registrar: looked at as it stands, also while a shipper runs; changed only under the lock.

use super::format::{self, Damage, Decoded};
use super::journal::Journal;
use super::lock::DataLock;
use super::{BYTES_MAX, advice};
use crate::disk::{Disk, Stat};
use crate::hint::Advised;
use crate::ledger::Entry;
use crate::position::Epoch;
use crate::settings::RegistrySettings;
use rustix::fs::{Gid, Uid};
use std::collections::BTreeMap;
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
    let decoded = format::decode(&bytes).map_err(|later| super::trouble::refused(&path, later))?;
    Ok(Stored { path, bytes: bytes.len() as u64, decoded })
}

/// A registry that is being changed; nothing is changed on disk until it is saved.
pub struct Editing<D: Disk> {
    disk: D,
    journal: Journal<D>,
    entries: BTreeMap<Epoch, Entry>,
    damage: Vec<Damage>,
    owner: Stat,
    _lock: DataLock<D>,
}

/// Takes the lock and reads a registry, to change it.
///
/// # Errors
/// When there is none, a shipper runs, or it cannot be read.
pub fn edit<D: Disk>(disk: D, place: &Place) -> Result<Editing<D>, Advised> {
    // A look first: where there is no registry, none is to be begun.
    look(&disk, place)?;
    let busy = "stop it first: it would write over what is changed here";
    let lock = DataLock::take(&disk, &place.data, busy)?;
    let path = place.journal();
    let unusable = |path: &Path, error: io::Error| super::trouble::unusable(path, &error);
    let data = disk.stat(&place.data).map_err(|error| unusable(&place.data, error))?;
    let lock_file = place.data.join("shipper.lock");
    keep_owner(&disk, &lock_file, data).map_err(|error| unusable(&lock_file, error))?;
    let owner = disk.stat(&path).map_err(|error| unusable(&path, error))?;
    let Stored { path, decoded, .. } = look(&disk, place)?;
    let mut journal = Journal::new(disk.clone(), path, place.settings.file_permissions);
    // Not this machine's id: whether epochs get new ones is for the next start to decide.
    journal.set_machine(decoded.machine);
    journal.forget(&decoded.forgotten);
    let Decoded { entries, damage, .. } = decoded;
    Ok(Editing { disk, journal, entries, damage, owner, _lock: lock })
}

impl<D: Disk> Editing<D> {
    /// Returns the entries, to be changed.
    pub fn entries(&mut self) -> &mut BTreeMap<Epoch, Entry> {
        &mut self.entries
    }

    /// Writes all of it into a new file that takes the old one's place, synced; damaged lines go to `journal.damaged`.
    ///
    /// # Errors
    /// When that cannot be; then the registry is as it was.
    pub fn save(mut self) -> Result<(), Advised> {
        if !self.damage.is_empty() {
            self.journal.set_aside(&self.damage);
        }
        let path = self.journal.path().to_path_buf();
        self.journal
            .write_snapshot(self.entries.values())
            .and_then(|()| keep_owner(&self.disk, &path, self.owner))
            .map_err(|error| super::trouble::unusable(&path, &error))
    }
}

/// Gives a file that root wrote back to the user that runs shipper.
fn keep_owner<D: Disk>(disk: &D, path: &Path, owner: Stat) -> io::Result<()> {
    let now = disk.stat(path)?;
    if (now.user, now.group) == (owner.user, owner.group) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(owner.user), Gid::from_raw(owner.group));
    Ok(rustix::fs::chown(path, Some(user), Some(group))?)
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
