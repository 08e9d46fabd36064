//! The lock of a data path: one shipper at a time.

use super::trouble::unusable;
use crate::disk::{AppendFile as _, Disk};
use crate::hint::Advised;
use crate::identity::same_inode;
use crate::position::Inode;
use std::path::{Path, PathBuf};

/// Holds a data path until dropped.
pub(super) struct DataLock<D: Disk> {
    disk: D,
    path: PathBuf,
    _held: D::Lock,
    /// Which file is locked; `None` where that could not be learned.
    inode: Option<Inode>,
}

impl<D: Disk> DataLock<D> {
    /// Takes the lock of a data path; `busy` says what to do when another process has it.
    pub(super) fn take(disk: &D, data: &Path, busy: &str) -> Result<Self, Advised> {
        disk.create_directory(data, 0o750).map_err(|error| unusable(data, &error))?;
        let path = data.join("shipper.lock");
        let Some(held) = disk.lock(&path).map_err(|error| unusable(&path, &error))? else {
            let pid = disk.read_all(&path, 32).unwrap_or_default();
            let pid = String::from_utf8_lossy(&pid).trim().to_owned();
            let who = if pid.is_empty() { String::new() } else { format!(" (pid {pid})") };
            return Err(Advised::new(
                format!("another shipper{who} uses the data path `{}`", data.display()),
                busy,
            ));
        };
        if let Ok(mut file) = disk.create(&path, 0o640) {
            // Only for the message above; the lock holds without it.
            let _ = file.append(format!("{}\n", std::process::id()).as_bytes());
        }
        let inode = disk.stat(&path).ok().map(|stat| stat.inode);
        Ok(Self { disk: disk.clone(), path, _held: held, inode })
    }

    /// Takes it again when its file was removed, which keeps nobody out any more.
    pub(super) fn renew(&mut self) -> Result<(), Advised> {
        let is_there = match (self.disk.stat(&self.path), self.inode) {
            (Ok(stat), Some(own)) => same_inode(stat.inode, own),
            (Ok(_), None) => true,
            (Err(_), _) => false,
        };
        if !is_there {
            let data = self.path.parent().unwrap_or(Path::new("/"));
            let busy = "stop one of the two: the registry of this one was removed while it ran";
            *self = Self::take(&self.disk, data, busy)?;
        }
        Ok(())
    }
}
