//! The only door to the file system.
//!
//! Everything that reads logs or writes state goes through [`Disk`], so that a test can put a model below the
//! production code. Nothing here waits, retries or interprets: an error is the caller's to judge.

use crate::position::Inode;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

mod real;

pub use real::{RealDisk, RealFile, RealLock, RealWriter};

/// What a file is, as far as a shipper cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only where links are not followed).
    Link,
    /// A socket, pipe or device: never opened.
    Other,
}

/// What `stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Which inode.
    pub inode: Inode,
    /// Size in bytes.
    pub size: u64,
    /// Last change of content, in nanoseconds since 1970.
    pub modified: i64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name alone.
    pub name: OsString,
    /// What it is; links are not followed.
    pub kind: Kind,
}

/// An open file to read.
pub trait ReadFile: Send + 'static {
    /// Reads up to `bytes.len()` bytes at `offset`; 0 at the end.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads at `offset` until `bytes` is full or the file ends; returns how many bytes there were.
    ///
    /// # Errors
    /// As the system says.
    fn read_fully(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut length = 0;
        while length < bytes.len() {
            match self.read_at(&mut bytes[length..], offset + length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        Ok(length)
    }

    /// Tells about the open file, whatever its name is now.
    ///
    /// # Errors
    /// As the system says.
    fn stat(&self) -> io::Result<Stat>;

    /// Tells whether the open file has no name any more, on any path; `false` where that is not known.
    ///
    /// # Errors
    /// As the system says.
    fn is_unlinked(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Returns the name that the open file has now, wherever it was moved to; `None` where that is not known.
    ///
    /// # Errors
    /// As the system says.
    fn name(&self) -> io::Result<Option<PathBuf>> {
        Ok(None)
    }
}

/// An open file to append to.
pub trait AppendFile: Send + 'static {
    /// Appends all of `bytes`; after an error the end of the file is not known.
    ///
    /// # Errors
    /// As the system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended outlive a power cut.
    ///
    /// # Errors
    /// As the system says; after one, nothing appended so far is to be trusted.
    fn sync(&mut self) -> io::Result<()>;

    /// Reserves `bytes` of space from `from` on without changing the length.
    ///
    /// # Errors
    /// As the system says; many file systems cannot.
    fn reserve(&mut self, from: u64, bytes: u64) -> io::Result<()>;

    /// Sets the length, cutting or reserving nothing beyond it.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A file system.
pub trait Disk: Clone + Send + 'static {
    /// A file open to read.
    type File: ReadFile;
    /// A file open to append.
    type Writer: AppendFile;
    /// Holds a lock until dropped.
    type Lock: Send + 'static;

    /// Lists a directory, without `.` and `..`, in no order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, directory: &Path) -> io::Result<Vec<Listed>>;

    /// Tells about a path, following links.
    ///
    /// # Errors
    /// As the system says.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Lists up to `most` names of a directory, in no order; which ones is the system's choice where there are more.
    ///
    /// # Errors
    /// As the system says.
    fn list_some(&self, directory: &Path, most: usize) -> io::Result<Vec<Listed>> {
        let mut names = self.list(directory)?;
        names.truncate(most);
        Ok(names)
    }

    /// Tells about a path, not following a link at its end.
    ///
    /// # Errors
    /// As the system says.
    fn link_stat(&self, path: &Path) -> io::Result<Stat>;

    /// Returns the magic number of the file system that a path lies on.
    ///
    /// # Errors
    /// As the system says.
    fn file_system(&self, path: &Path) -> io::Result<u64>;

    /// Opens a file to read, never blocking on a pipe.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Reads a whole file of at most `longest` bytes.
    ///
    /// # Errors
    /// As the system says; a longer file is an error of kind `FileTooLarge`.
    fn read_all(&self, path: &Path, longest: u64) -> io::Result<Vec<u8>>;

    /// Opens a file to append, making it with `mode` when it is missing.
    ///
    /// # Errors
    /// As the system says.
    fn append(&self, path: &Path, mode: u32) -> io::Result<Self::Writer>;

    /// Makes a new empty file with `mode`, replacing one of that name.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Self::Writer>;

    /// Makes a directory and its parents; one that is there is fine.
    ///
    /// # Errors
    /// As the system says.
    fn create_directory(&self, path: &Path, mode: u32) -> io::Result<()>;

    /// Renames a file, replacing the target.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory outlive a power cut.
    ///
    /// # Errors
    /// As the system says.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Takes an exclusive lock on a file (made when missing) for the life of the returned value; `None` when
    /// another process holds it.
    ///
    /// # Errors
    /// As the system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;
}
