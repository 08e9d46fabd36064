//! Where the file of an entry is now.

use crate::disk::{Disk, Kind, Stat};
use crate::identity::same_inode;
use crate::ledger::Entry;
use crate::packing::without_ending;
use crate::position::Epoch;
use crate::rescue::{end_of, path_in};
use crate::status::{Hidden, HiddenFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// How an entry stands to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum State {
    /// Its inode is there.
    Open,
    /// Its inode was truncated or replaced: what is left of it can only come from a copy.
    Ended,
    /// Its inode is there and shorter than what was read.
    Shorter,
    /// It was removed, and what was left of it is rescued.
    Rescued,
    /// Its inode is not where it was, nor beside it, and the running shipper has it open.
    Held,
    /// Its inode is not where it was, nor beside it.
    Gone,
    /// A directory could not be read: nothing is known.
    Unknown,
}

impl State {
    /// Returns its name for people, who may know that nothing is open where no shipper runs.
    pub(super) fn text(self) -> &'static str {
        if self == Self::Open { "there" } else { self.name() }
    }

    /// Returns its name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ended => "ended",
            Self::Shorter => "shorter",
            Self::Rescued => "rescued",
            Self::Held => "gone, open",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

/// An entry and what the disk says to it.
#[derive(Debug)]
pub(in crate::commands) struct Standing {
    pub(in crate::commands) state: State,
    /// Where its inode is now; the name under which it was seen last where that is not known.
    pub(in crate::commands) name: PathBuf,
    /// Size of that inode; `None` where it says nothing about the epoch's bytes.
    pub(in crate::commands) size: Option<u64>,
    /// Bytes that are not settled, as the running shipper says.
    told_behind: Option<u64>,
}

impl Standing {
    /// Returns how many bytes are there that are not settled.
    pub(in crate::commands) fn behind(&self, entry: &Entry) -> Option<u64> {
        // What was truncated is read from its start.
        let settled = if self.state == State::Shorter { 0 } else { entry.settled_bytes() };
        self.size.map(|size| size.saturating_sub(settled)).max(self.told_behind)
    }
}

/// Inodes of one directory by device and number; `None` when it could not be read.
type Directory = Option<BTreeMap<(u64, u64), PathBuf>>;

/// Finds files by inode; reads each directory once at most.
pub(in crate::commands) struct Finder<D> {
    disk: D,
    directories: BTreeMap<PathBuf, Directory>,
    /// Where removed files are rescued to, and what is there.
    rescue: PathBuf,
    rescued: BTreeSet<PathBuf>,
    /// What the running shipper says of files that are not found, or whose size says nothing.
    hidden: BTreeMap<Epoch, HiddenFile>,
}

impl<D: Disk> Finder<D> {
    /// Makes one that knows what the running shipper says.
    pub(in crate::commands) fn new(disk: D, rescue: PathBuf, hidden: Hidden) -> Self {
        let listed = disk.list(&rescue).unwrap_or_default();
        let rescued = listed.into_iter().map(|listed| rescue.join(listed.name)).collect();
        let hidden = hidden.files.into_iter();
        let hidden = hidden.filter_map(|file| Some((Epoch::from_text(&file.epoch)?, file)));
        Self { disk, directories: BTreeMap::new(), rescue, rescued, hidden: hidden.collect() }
    }

    /// Says how an entry stands.
    pub(in crate::commands) fn standing(&mut self, entry: &Entry) -> Standing {
        let hidden = self.hidden.get(&entry.epoch).cloned();
        let told_behind = hidden.as_ref().map(|file| file.behind);
        let rescued = path_in(&self.rescue, entry.epoch);
        if self.rescued.contains(&rescued) {
            let size = end_of(&self.disk, &rescued).ok();
            return Standing {
                state: State::Rescued,
                name: entry.name.to_path_buf(),
                size,
                told_behind,
            };
        }
        let (found, barred) = self.find(entry);
        let (name, stat) = match found {
            Some((name, stat)) => (name, Some(stat)),
            None => (entry.name.to_path_buf(), None),
        };
        let state = match stat {
            _ if entry.ended => State::Ended,
            Some(stat) if stat.size < entry.reach() && !is_compressed(&name) => State::Shorter,
            Some(_) => State::Open,
            None if hidden.as_ref().is_some_and(|file| file.is_held) => State::Held,
            None if barred => State::Unknown,
            None => State::Gone,
        };
        let size = match hidden.filter(|_| state == State::Held) {
            Some(held) => Some(held.size),
            None => stat.filter(|_| !entry.ended && !is_compressed(&name)).map(|stat| stat.size),
        };
        Standing { state, name, size, told_behind }
    }

    /// Looks where it was, then beside it; the second value says that a look was refused.
    fn find(&mut self, entry: &Entry) -> (Option<(PathBuf, Stat)>, bool) {
        let mut barred = false;
        for name in [&entry.name, &entry.path] {
            match self.disk.stat(name) {
                Ok(stat) if same_inode(stat.inode, entry.inode) => {
                    return (Some((name.to_path_buf(), stat)), false);
                }
                Ok(_) => {}
                Err(error) => barred |= error.kind() != io::ErrorKind::NotFound,
            }
        }
        let directory = entry.name.parent().unwrap_or(Path::new("/"));
        let key = (entry.inode.device, entry.inode.number);
        let name = match self.directory(directory) {
            Some(inodes) => inodes.get(&key).cloned(),
            None => return (None, true),
        };
        let found = name.and_then(|name| self.disk.stat(&name).ok().map(|stat| (name, stat)));
        (found.filter(|(_, stat)| same_inode(stat.inode, entry.inode)), barred)
    }

    fn directory(&mut self, path: &Path) -> &Directory {
        if !self.directories.contains_key(path) {
            let read = self.read(path);
            self.directories.insert(path.to_path_buf(), read);
        }
        &self.directories[path]
    }

    fn read(&self, path: &Path) -> Directory {
        let listed = match self.disk.list(path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(BTreeMap::new()),
            Err(_) => return None,
        };
        let files = listed.into_iter().filter(|listed| listed.kind == Kind::File);
        let names = files.map(|listed| path.join(listed.name));
        let stated = names.filter_map(|name| Some((self.disk.link_stat(&name).ok()?, name)));
        Some(stated.map(|(stat, name)| ((stat.inode.device, stat.inode.number), name)).collect())
    }
}

/// Tells whether a file's size says nothing about the bytes that it holds.
pub(super) fn is_compressed(name: &Path) -> bool {
    let name = name.as_os_str().as_encoded_bytes();
    without_ending(name) != name
}
