//! The lock of a data path: one shipper at a time.

use super::trouble::unusable;
use crate::disk::{AppendFile as _, Disk};
use crate::hint::Advised;
use crate::identity::same_inode;
use crate::position::Inode;
use std::io;
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
        let Some(held) = disk.lock(&path).map_err(|error| refused(disk, &path, &error))? else {
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

/// Says why a lock cannot be taken: where its file is not there, it is the directory that does not let it be made.
fn refused<D: Disk>(disk: &D, path: &Path, error: &io::Error) -> Advised {
    let is_there = disk.stat(path).is_ok();
    unusable(path.parent().filter(|_| !is_there).unwrap_or(path), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn what_is_to_be_made_writable_is_there() {
        let data = tempfile::tempdir().unwrap();
        let lock = data.path().join("shipper.lock");
        let told = || refused(&RealDisk, &lock, &io::ErrorKind::PermissionDenied.into());
        let expected = |path: &Path| unusable(path, &io::ErrorKind::PermissionDenied.into());
        assert_eq!(told().to_string(), expected(data.path()).to_string());
        RealDisk.create(&lock, 0o600).unwrap();
        assert_eq!(told().to_string(), expected(&lock).to_string());
    }
}
