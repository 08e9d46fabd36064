//! The journal's file: appended to and synced, replaced as a whole when it has grown or is in doubt.

use super::format::{self, Damage};
use crate::account::Account;
use crate::disk::{AppendFile, Disk};
use crate::identity::same_inode;
use crate::ledger::Entry;
use crate::pool::Memory;
use crate::position::Inode;
use std::io;
use std::path::{Path, PathBuf};
use tracing::error;

/// A journal is replaced when it is larger than this many times what a snapshot has.
const GROWTH_MAX: u64 = 4;

/// Smallest journal that is replaced for its size, in bytes.
const COMPACT_BYTES_MIN: u64 = 64 << 10;

/// Space reserved behind the end of the file, so that a full disk can still record offsets, in bytes.
const RESERVE_BYTES: u64 = 256 << 10;

/// The journal.
///
/// Invariant: while `writer` is there, the file is `length` bytes of whole lines, all of them synced but what was jotted down
/// since the last sync.
pub(super) struct Journal<D: Disk> {
    disk: D,
    path: PathBuf,
    mode: u32,
    machine: String,
    /// The account of entries that are no more.
    forgotten: Account,
    writer: Option<D::Writer>,
    /// Which file `writer` writes; `None` where that could not be learned.
    inode: Option<Inode>,
    length: u64,
    unsynced: bool,
    snapshot_bytes: u64,
    reserved_to: u64,
    was_in_doubt: bool,
}

impl<D: Disk> Journal<D> {
    pub(super) fn new(disk: D, path: PathBuf, mode: u32) -> Self {
        Self {
            disk,
            path,
            mode,
            machine: String::new(),
            forgotten: Account::default(),
            writer: None,
            inode: None,
            length: 0,
            unsynced: false,
            snapshot_bytes: 0,
            reserved_to: 0,
            was_in_doubt: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_machine(&mut self, machine: String) {
        self.machine = machine;
    }

    /// Adds the account of entries that are no more.
    pub(super) fn forget(&mut self, account: &Account) {
        self.forgotten.add_all(account);
    }

    /// Tells whether the last write failed, so that there is no hurry for the next one.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.was_in_doubt
    }

    /// Tells, once, that a write has succeeded after one that failed.
    pub(super) fn has_recovered(&mut self) -> bool {
        self.writer.is_some() && std::mem::take(&mut self.was_in_doubt)
    }

    /// Goes on with the file that is there, whose first `length` bytes are whole; a snapshot would have about
    /// `snapshot_bytes`.
    pub(super) fn go_on(&mut self, length: u64, snapshot_bytes: u64) -> io::Result<()> {
        let mut writer = self.disk.append(&self.path, self.mode)?;
        writer.truncate(length)?;
        writer.sync()?;
        self.length = length;
        self.snapshot_bytes = snapshot_bytes;
        self.write_on(writer);
        self.reserve();
        Ok(())
    }

    /// Saves records; `entries` are everything, for the case that a new file is needed.
    pub(super) fn save<'a>(
        &mut self,
        records: &[u8],
        entries: impl Iterator<Item = &'a Entry>,
    ) -> io::Result<()> {
        if self.writer.is_some() && self.has_room_for(records) {
            return self.append(records);
        }
        let replaced = self.write_snapshot(entries);
        if replaced.is_err() && self.writer.is_some() {
            // No room for a second file: the old one is good, and has its reserve.
            return self.append(records);
        }
        self.was_in_doubt |= replaced.is_err();
        replaced
    }

    /// Tells whether records were written that are not synced.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Writes records without a sync; `false` where that is to be left to the next [`Journal::save`].
    pub(super) fn jot(&mut self, records: &[u8]) -> io::Result<bool> {
        // The other half of the reserve is for what is synced: on a full disk nothing is added to it.
        let end = self.length + records.len() as u64 + RESERVE_BYTES / 2;
        let takes_reserve = self.reserved_to != 0 && self.reserved_to < end;
        if self.writer.is_none() || takes_reserve || !self.has_room_for(records) {
            return Ok(false);
        }
        self.write(records)?;
        self.unsynced = true;
        Ok(true)
    }

    /// Tells whether so much more needs no new file.
    fn has_room_for(&self, records: &[u8]) -> bool {
        let limit = (self.snapshot_bytes * GROWTH_MAX).max(COMPACT_BYTES_MIN);
        self.length + records.len() as u64 <= limit
    }

    /// Writes records behind the last ones.
    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::NotConnected.into()) };
        if let Err(error) = writer.append(records) {
            // A full disk: cut off what came through, and the file is as before.
            if writer.truncate(self.length).is_err() {
                self.writer = None;
            }
            self.was_in_doubt = true;
            return Err(error);
        }
        self.length += records.len() as u64;
        Ok(())
    }

    fn append(&mut self, records: &[u8]) -> io::Result<()> {
        self.write(records)?;
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::NotConnected.into()) };
        if let Err(error) = writer.sync() {
            // Nobody knows what is on the disk now: the next write is a new file.
            self.writer = None;
            self.was_in_doubt = true;
            return Err(error);
        }
        self.unsynced = false;
        self.reserve();
        Ok(())
    }

    /// Writes everything into a new file that takes the old one's place.
    pub(super) fn write_snapshot<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> io::Result<()> {
        let (mut bytes, mut piece) = (Memory::default(), Vec::new());
        format::push_header(&mut piece, &self.machine, &self.forgotten);
        for entry in entries {
            format::push_entry(&mut piece, entry);
            bytes.extend_from_slice(&piece);
            piece.clear();
        }
        bytes.extend_from_slice(&piece);
        let temporary = self.path.with_extension("new");
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let mut writer = self.disk.create(&temporary, self.mode)?;
        let written = writer.append(bytes.as_slice()).and_then(|()| writer.sync());
        if let Err(error) = written {
            drop(writer);
            // The space is needed more than the half of a file.
            let _ = self.disk.remove(&temporary);
            return Err(error);
        }
        self.disk.rename(&temporary, &self.path)?;
        if let Err(error) = self.disk.sync_directory(directory) {
            // The old file has no name any more, and the new one may have none after a power cut.
            self.writer = None;
            return Err(error);
        }
        (self.length, self.unsynced) = (bytes.len() as u64, false);
        self.snapshot_bytes = self.length;
        self.reserved_to = 0;
        self.write_on(writer);
        self.reserve();
        Ok(())
    }

    fn write_on(&mut self, writer: D::Writer) {
        self.writer = Some(writer);
        self.inode = self.disk.stat(&self.path).ok().map(|stat| stat.inode);
    }

    /// Tells whether somebody removed the file that is written, or put another in its place.
    pub(super) fn is_displaced(&self) -> bool {
        let (Some(_), Some(own)) = (&self.writer, self.inode) else { return false };
        match self.disk.stat(&self.path) {
            Ok(stat) => !same_inode(stat.inode, own),
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        }
    }

    /// Has the next write begin a new file, in a directory that may be gone.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        self.disk.create_directory(directory, 0o750)?;
        self.writer = None;
        Ok(())
    }

    /// Keeps space behind the end; a file system that cannot is no worse off than without.
    fn reserve(&mut self) {
        if self.reserved_to < self.length + RESERVE_BYTES / 2
            && let Some(writer) = &mut self.writer
            && writer.reserve(self.length, RESERVE_BYTES).is_ok()
        {
            self.reserved_to = self.length + RESERVE_BYTES;
        }
    }

    /// Puts damaged lines into a file of their own.
    pub(super) fn set_aside(&self, damage: &[Damage]) {
        let mut bytes = Vec::new();
        for damaged in damage {
            bytes.extend_from_slice(&damaged.bytes);
            bytes.push(b'\n');
        }
        let path = self.path.with_extension("damaged");
        let kept = self.disk.append(&path, self.mode).and_then(|mut writer| {
            writer.append(&bytes)?;
            writer.sync()
        });
        let (path, lines) = (path.display().to_string(), damage.len());
        match kept {
            Ok(()) => error!(lines, "damaged lines of the registry were set aside in `{path}`"),
            Err(error) => {
                error!(
                    lines,
                    "damaged lines of the registry could not be kept in `{path}`: {error}"
                );
            }
        }
    }
}
