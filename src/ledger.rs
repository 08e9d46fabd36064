//! What is known about every epoch, and the words in which the other stages tell the registrar about it.

use crate::disk::Inode;
use crate::position::{Epoch, Proof, Settled};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Most settled intervals beyond the committed offset that the registry keeps for an epoch.
pub const INTERVALS_MAX: usize = 8;

/// Most earlier points whose running checksum is kept, so that a copy that ended a little earlier is proved too.
pub const EARLIER_MAX: usize = 4;

/// The first bytes of a file, as a hash with their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefix {
    /// How many bytes are hashed, 0 to 1024.
    pub length: u16,
    /// Their xxh3-64.
    pub hash: u64,
}

/// Bytes beyond the committed offset that are settled already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What proves the bytes before `end`.
    pub proof: Proof,
}

/// A point before the committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The offset.
    pub offset: u64,
    /// Running checksum of everything before it.
    pub running: u64,
}

/// What the registry holds for one epoch.
///
/// Invariant: `proof` belongs to `committed`; intervals lie beyond it, in order, and do not touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which epoch.
    pub epoch: Epoch,
    /// The name under which it was found first: what its documents carry as `log.file.path`.
    pub path: Arc<Path>,
    /// The name under which it was seen last.
    pub name: Arc<Path>,
    /// Which of the inputs that match this file reads it: 0 for the first one in the order of the configuration.
    pub reader: u8,
    /// The inode that holds its bytes now.
    pub inode: Inode,
    /// Its first bytes.
    pub prefix: Prefix,
    /// Where its running checksums begin: 0, or the offset to which a start `--from now` skipped.
    pub base: u64,
    /// Everything before this offset is settled.
    pub committed: u64,
    /// What proves the bytes before `committed`.
    pub proof: Proof,
    /// Points before `committed`, rising, at most [`EARLIER_MAX`].
    pub earlier: Vec<Point>,
    /// Settled bytes beyond it, at most [`INTERVALS_MAX`].
    pub beyond: Vec<Interval>,
    /// Whether its inode was truncated or replaced: more bytes of it can only come from a copy.
    pub ended: bool,
}

/// How far an epoch is, shared by all who need to know without asking.
#[derive(Debug, Default)]
pub struct Progress {
    committed: AtomicU64,
}

impl Progress {
    /// Starts at `committed`.
    #[must_use]
    pub fn at(committed: u64) -> Arc<Self> {
        Arc::new(Self { committed: AtomicU64::new(committed) })
    }

    /// Returns the offset before which everything is settled.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Raises it; only the registrar does.
    pub fn commit(&self, offset: u64) {
        self.committed.fetch_max(offset, Ordering::AcqRel);
    }
}

/// An epoch as it came from the registry, or is to go there.
#[derive(Debug, Clone)]
pub struct Known {
    /// What is known.
    pub entry: Entry,
    /// How far it is.
    pub progress: Arc<Progress>,
}

/// What the other stages tell the registrar.
#[derive(Debug)]
pub enum Note {
    /// New epochs: to be saved and synced before any event of theirs leaves; then `reply` gets their ids. While they
    /// cannot be saved the registrar tries again by itself.
    Register {
        /// The epochs.
        known: Vec<Known>,
        /// Where to answer.
        reply: mpsc::Sender<Vec<Epoch>>,
        /// Rung after the answer.
        wake: Arc<crate::wake::Wake>,
    },
    /// Bytes that are settled.
    Settled(Settled),
    /// The epoch's bytes are seen under another name, inode or with more of a prefix.
    Seen {
        /// Which epoch.
        epoch: Epoch,
        /// Name now.
        name: Arc<Path>,
        /// Inode now.
        inode: Inode,
        /// Prefix now.
        prefix: Prefix,
        /// Whether no more bytes of it can come from this inode; takes back what [`Note::Ended`] said when not.
        ended: bool,
    },
    /// The inode of this epoch was truncated or replaced.
    Ended(Epoch),
    /// Nothing of it is on disk any more and all that was read is settled: the entry may go.
    Forget(Epoch),
}

/// The sending end of the registrar's inbox.
#[derive(Debug, Clone)]
pub struct Ledger {
    notes: mpsc::Sender<Note>,
    wake: Arc<crate::wake::Wake>,
}

impl Ledger {
    /// Makes an inbox; `wake` is the registrar's bell.
    #[must_use]
    pub fn inbox(wake: Arc<crate::wake::Wake>) -> (Self, mpsc::Receiver<Note>) {
        let (notes, inbox) = mpsc::channel();
        (Self { notes, wake }, inbox)
    }

    /// Tells the registrar something that it is to act on at once.
    pub fn tell(&self, note: Note) {
        // The registrar outlives every stage; when it has gone the process is ending and offsets stay where they are,
        // which repeats lines (their ids say so) and loses none.
        let _ = self.notes.send(note);
        self.wake.ring();
    }

    /// Tells the registrar something that can wait for its next flush; rings nothing, so that a busy output costs
    /// the registrar no wake-up for each batch.
    pub fn tell_quietly(&self, note: Note) {
        let _ = self.notes.send(note);
    }
}
