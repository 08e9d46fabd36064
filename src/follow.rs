//! The words between the prospector, which knows which files there are, and the harvesters, which read them.

use crate::ledger::{Interval, Prefix, Progress};
use crate::position::{Epoch, Inode, Proof};
use crate::trail::Trail;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thin_vec::ThinVec;

/// A followed file, for as long as it is followed: never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey(pub u32);

/// Everything that a harvester must know to read a file.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Which file.
    pub key: FileKey,
    /// Index of its input.
    pub input: u16,
    /// The name under which to open it.
    pub name: Arc<Path>,
    /// The name that its documents carry.
    pub path: Arc<Path>,
    /// The inode that it must be.
    pub inode: Inode,
    /// Whether its content is what it unpacks to.
    pub is_packed: bool,
    /// Whether that is read as far as it goes, because the file is known to be damaged.
    pub is_damaged: bool,
    /// The first bytes that its content must have.
    pub prefix: Prefix,
    /// Which epoch its bytes belong to.
    pub epoch: Epoch,
    /// Where to go on; the worker moves it on, with what belongs to it.
    pub offset: u64,
    /// What proves the bytes before `offset`.
    pub proof: Proof,
    /// Points before `offset`.
    pub earlier: Trail,
    /// Bytes beyond `offset` that are settled already, or handed over, in order: not to be read again.
    pub settled: ThinVec<Interval>,
    /// When it was changed last, in nanoseconds since 1970, as far as is known.
    pub modified: i64,
    /// How far it is settled.
    pub progress: Arc<Progress>,
    /// Where its bytes are, once it was removed and rescued; then `name` and `inode` lead nowhere.
    pub rescued: Option<Arc<Path>>,
}

/// What the prospector tells a worker.
#[derive(Debug)]
pub enum Order {
    /// Follow a file.
    Follow(Box<Assignment>),
    /// Bytes may have come.
    Dirty(FileKey),
    /// The same of so many files at once that those of which more is known are not to wait for them.
    Look(FileKey),
    /// It cannot be reached by its name for now: if it is open, read what has come.
    Away(FileKey),
    /// It has another name now.
    Renamed(FileKey, Arc<Path>),
    /// It has more first bytes now.
    Prefix(FileKey, Prefix),
    /// No name of it was found: say where the open file is, with [`Report::Elsewhere`]; else it is removed.
    Missed(FileKey),
    /// It has no name any more: read what the open file still holds, then close.
    Removed(FileKey),
    /// It is known to be rescued up to that offset: let go of the removed file, and read on from the rescue.
    Release(FileKey, u64),
    /// Nothing of it is left to be done: if that is so, remove it.
    Delete(FileKey),
    /// Do not follow it any more.
    Leave(FileKey),
    /// These inputs get no more files: what they need is given back when the last of theirs is let go of.
    Retire(Vec<u16>),
    /// Read everything to its end, hand it over, and report [`Report::Drained`].
    Drain,
}

/// Why a worker does not go on with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is shorter than what was read.
    Truncated,
    /// Other bytes stand where known ones stood.
    Replaced,
    /// Its name leads to another file, or to none.
    Moved,
}

/// How far a file was read.
#[derive(Debug, Clone)]
pub struct Reached {
    /// First byte that was not handed over.
    pub offset: u64,
    /// What proves the bytes before it.
    pub proof: Proof,
    /// Points before it that prove a copy which ended earlier.
    pub earlier: Trail,
    /// What was handed over, or settled before, further on; in order.
    pub beyond: ThinVec<Interval>,
}

/// What a worker tells the prospector.
#[derive(Debug)]
pub enum Report {
    /// A file is not what it was; the worker has let go of it.
    Broken {
        /// Which.
        key: FileKey,
        /// Why.
        why: Broken,
        /// How far it was read.
        reached: Reached,
    },
    /// A file cannot be opened or read for the time being; the worker tries again by itself.
    Refused {
        /// Which.
        key: FileKey,
    },
    /// A file that was missed has a name where nobody has looked.
    Elsewhere {
        /// Which.
        key: FileKey,
        /// The name.
        name: PathBuf,
    },
    /// What is left of a removed file is in the rescue; the worker holds it until [`Order::Release`].
    Rescued {
        /// Which.
        key: FileKey,
        /// Up to which offset.
        end: u64,
    },
    /// No more files can be opened for the time being; the worker has closed what it could spare and tries again.
    Short(std::io::Error),
    /// A removed, left or compressed file was read as far as it could be and is closed.
    Finished {
        /// Which.
        key: FileKey,
        /// How far it was read.
        reached: Reached,
        /// Its size at the last look; more than was read when an unfinished last line is left.
        size: u64,
        /// Whether what was not read of it was given up: it is lost, unless a copy is found.
        is_given_up: bool,
        /// Whether it was open to the end, and has no name anywhere; else it may be where nobody has looked.
        is_unlinked: bool,
    },
    /// Everything that a worker had was read and handed over, up to these offsets.
    Drained(Vec<(Arc<Progress>, u64)>),
}
