//! The file system of this machine.

#![allow(clippy::disallowed_methods, reason = "this is the door to the file system")]

use super::{AppendFile, Disk, Kind, Listed, ReadFile, Stat};
use crate::position::Inode;
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Statx,
    StatxFlags,
};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// A file open to read.
#[derive(Debug)]
pub struct RealFile(File);

/// A file open to append.
#[derive(Debug)]
pub struct RealWriter(File);

/// A locked file; the lock ends with the value, or with the process.
#[derive(Debug)]
pub struct RealLock {
    _file: File,
}

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

impl ReadFile for RealFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::statx(&self.0, "", AtFlags::EMPTY_PATH, WANTED)?))
    }

    fn is_unlinked(&self) -> io::Result<bool> {
        Ok(rustix::fs::fstat(&self.0)?.st_nlink == 0)
    }

    /// As proc_pid_fd(5) has it: without a name it ends with ` (deleted)`. Under a name that begins with `.nfs` a file server
    /// keeps a removed file for as long as it is open.
    fn name(&self) -> io::Result<Option<PathBuf>> {
        let name = fs::read_link(format!("/proc/self/fd/{}", self.0.as_raw_fd()))?;
        let is_removed = name.as_os_str().as_bytes().ends_with(b" (deleted)")
            || name.file_name().is_some_and(|base| base.as_bytes().starts_with(b".nfs"));
        Ok((!is_removed).then_some(name))
    }
}

impl AppendFile for RealWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn reserve(&mut self, from: u64, bytes: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, from, bytes)?)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

impl Disk for RealDisk {
    type File = RealFile;
    type Writer = RealWriter;
    type Lock = RealLock;

    fn list(&self, directory: &Path) -> io::Result<Vec<Listed>> {
        self.list_some(directory, usize::MAX)
    }

    fn list_some(&self, directory: &Path, most: usize) -> io::Result<Vec<Listed>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)?.take(most) {
            let entry = entry?;
            let kind = match entry.file_type() {
                // Where the listing does not say it, it is asked for, and the name may be gone by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                kind => kind?,
            };
            let kind = if kind.is_file() {
                Kind::File
            } else if kind.is_dir() {
                Kind::Directory
            } else if kind.is_symlink() {
                Kind::Link
            } else {
                Kind::Other
            };
            names.push(Listed { name: entry.file_name(), kind });
        }
        Ok(names)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::statx(CWD, path, AtFlags::empty(), WANTED)?))
    }

    fn link_stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, WANTED)?))
    }

    fn file_system(&self, path: &Path) -> io::Result<u64> {
        let magic = i128::from(rustix::fs::statfs(path)?.f_type);
        // Of 32 bits everywhere, but on some machines they come as a negative number.
        Ok(u64::try_from(magic & 0xFFFF_FFFF).unwrap_or_default())
    }

    fn open(&self, path: &Path) -> io::Result<RealFile> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // A log that grows would have its inode written after each read, for a time of access that nobody asks for. Only
        // its owner and root may leave that out.
        let file = match rustix::fs::open(path, flags | OFlags::NOATIME, Mode::empty()) {
            Err(rustix::io::Errno::PERM) => rustix::fs::open(path, flags, Mode::empty())?,
            opened => opened?,
        };
        Ok(RealFile(File::from(file)))
    }

    fn read_all(&self, path: &Path, longest: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(longest + 1).read_to_end(&mut bytes)?;
        if longest < bytes.len() as u64 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(bytes)
    }

    fn append(&self, path: &Path, mode: u32) -> io::Result<RealWriter> {
        let file = fs::OpenOptions::new().append(true).create(true).mode(mode).open(path)?;
        Ok(RealWriter(file))
    }

    fn create(&self, path: &Path, mode: u32) -> io::Result<RealWriter> {
        let mut options = fs::OpenOptions::new();
        let file = options.append(true).create(true).mode(mode).open(path)?;
        file.set_len(0)?;
        Ok(RealWriter(file))
    }

    fn create_directory(&self, path: &Path, mode: u32) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(mode).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::empty())?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // A file system that knows no such thing: it is as it is.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            synced => synced,
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Option<RealLock>> {
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).mode(0o600).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(RealLock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn stat_of(told: &Statx) -> Stat {
    let kind = match FileType::from_raw_mode(told.stx_mode.into()) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    let birth = if told.stx_mask & StatxFlags::BTIME.bits() == 0 {
        0
    } else {
        u64::try_from(nanoseconds(told.stx_btime.tv_sec, told.stx_btime.tv_nsec)).unwrap_or(0)
    };
    Stat {
        kind,
        inode: Inode {
            device: rustix::fs::makedev(told.stx_dev_major, told.stx_dev_minor),
            number: told.stx_ino,
            birth,
        },
        size: told.stx_size,
        modified: nanoseconds(told.stx_mtime.tv_sec, told.stx_mtime.tv_nsec),
        mode: u32::from(told.stx_mode) & 0o7777,
        user: told.stx_uid,
        group: told.stx_gid,
    }
}

fn nanoseconds(seconds: i64, nanoseconds: u32) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_file_has_the_name_it_was_moved_to_until_it_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let [first, moved, kept] = ["a", "b", ".nfs0001"].map(|name| directory.path().join(name));
        fs::write(&first, "one\n").expect("it is written");
        let open = RealDisk.open(&first).expect("it is there");
        let named = |open: &RealFile| open.name().expect("it can be read");
        assert_eq!(named(&open), Some(first.clone()));
        fs::rename(&first, &moved).expect("it is moved");
        assert_eq!(named(&open), Some(moved.clone()));
        fs::rename(&moved, &kept).expect("it is moved");
        assert_eq!(named(&open), None, "as a file server keeps it");
        fs::remove_file(&kept).expect("it is removed");
        assert_eq!(named(&open), None);
    }
}
