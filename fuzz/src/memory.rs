//! One growing file in memory, as a disk.

use shipper::disk::{AppendFile, Disk, Kind, Listed, ReadFile, Stat};
use shipper::position::Inode;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The inode of the file.
pub const INODE: Inode = Inode { device: 1, number: 2, birth: 3 };

/// A disk with one file, which every name leads to; clones are the same.
#[derive(Clone, Default)]
pub struct OneFile(Arc<Mutex<Vec<u8>>>);

impl OneFile {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(bytes.to_vec())))
    }

    pub fn grow(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

impl ReadFile for OneFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let length = bytes.len().min(content.len() - from);
        bytes[..length].copy_from_slice(&content[from..from + length]);
        Ok(length)
    }

    fn stat(&self) -> io::Result<Stat> {
        let size = self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        Ok(Stat {
            kind: Kind::File,
            inode: INODE,
            size,
            modified: 0,
            mode: 0o640,
            user: 0,
            group: 0,
        })
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl AppendFile for OneFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.grow(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&mut self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, _: u64) -> io::Result<()> {
        unsupported()
    }
}

impl Disk for OneFile {
    type File = Self;
    type Writer = Self;
    type Lock = ();

    fn list(&self, _: &Path) -> io::Result<Vec<Listed>> {
        unsupported()
    }

    fn stat(&self, _: &Path) -> io::Result<Stat> {
        ReadFile::stat(self)
    }

    fn link_stat(&self, _: &Path) -> io::Result<Stat> {
        ReadFile::stat(self)
    }

    fn file_system(&self, _: &Path) -> io::Result<u64> {
        unsupported()
    }

    fn open(&self, _: &Path) -> io::Result<Self> {
        Ok(self.clone())
    }

    fn read_all(&self, _: &Path, _: u64) -> io::Result<Vec<u8>> {
        unsupported()
    }

    fn append(&self, _: &Path, _: u32) -> io::Result<Self> {
        unsupported()
    }

    fn create(&self, _: &Path, _: u32) -> io::Result<Self> {
        unsupported()
    }

    fn create_directory(&self, _: &Path, _: u32) -> io::Result<()> {
        unsupported()
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        unsupported()
    }

    fn lock(&self, _: &Path) -> io::Result<Option<()>> {
        Ok(Some(()))
    }
}
