//! What is known about every epoch, and the words in which the other stages tell the registrar about it.

use crate::account::{Account, Held, InFlight};
use crate::position::{Epoch, Inode, Proof, Settled, rebase};
use crate::trail::Trail;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use thin_vec::ThinVec;

/// Most settled intervals beyond the committed offset that the registry keeps for an epoch.
pub const INTERVALS_MAX: usize = 8;

/// The first bytes of a file, as a hash with their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prefix {
    /// How many bytes are hashed, 0 to 1024.
    pub length: u16,
    /// Of the first lines that end among them, each with all before it, the last 32 bits of xxh3-64; 0 where there is none. By
    /// these also what is shorter is told from the beginning of this file.
    pub lines: [u32; 3],
    /// Their xxh3-64.
    pub hash: u64,
}

impl Prefix {
    /// Tells whether `first` has as many bytes.
    #[must_use]
    pub fn is_within(self, first: &[u8]) -> bool {
        usize::from(self.length) <= first.len()
    }
}

/// Bytes beyond the committed offset that are settled already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Running checksum at `start` from which that of `proof` goes on; `None`, in what format 1 of the registry kept, for
    /// that of all bytes before.
    pub before: Option<u64>,
    /// What proves the bytes before `end`.
    pub proof: Proof,
}

impl Interval {
    /// Returns how many bytes it has.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Returns what proves the bytes before its end when the checksum of all bytes before its start is `running`.
    #[must_use]
    pub fn proof_after(&self, running: u64) -> Proof {
        let before = self.before.unwrap_or(running);
        let running = rebase(before, running, self.proof.running, self.length());
        Proof { tail: self.proof.tail, running }
    }
}

/// Returns what stands for an input in the registry: a checksum of what its operator calls it, never 0.
#[must_use]
pub fn owner_of(name: &str) -> u32 {
    crc32fast::hash(name.as_bytes()).max(1)
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
    /// The input that read it last, as [`owner_of`] has it; 0 where nobody knows.
    pub owner: u32,
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
    /// Points behind `base` and before `committed`.
    pub earlier: Trail,
    /// Settled bytes beyond it; the registry keeps [`Entry::kept_beyond`].
    pub beyond: ThinVec<Interval>,
    /// Whether its inode was truncated or replaced: more bytes of it can only come from a copy.
    pub ended: bool,
    /// How many bytes its file had when it was removed before all were settled; 0 where it was not.
    pub left: u64,
    /// Offsets behind `committed`, rising, at which an event ends because nothing came for a while.
    pub cuts: ThinVec<u64>,
    /// How its settled bytes came to their end, those before `base` among them; its sum is [`Entry::settled_bytes`].
    pub account: Account,
}

impl Entry {
    /// Returns those intervals that the registry keeps: the longest [`INTERVALS_MAX`], in order. What lies in the others
    /// is sent again and found stored.
    #[must_use]
    pub fn kept_beyond(&self) -> Cow<'_, [Interval]> {
        if self.beyond.len() <= INTERVALS_MAX {
            return Cow::Borrowed(&self.beyond);
        }
        let mut kept = self.beyond.to_vec();
        kept.sort_by_key(|interval| Reverse(interval.length()));
        kept.truncate(INTERVALS_MAX);
        kept.sort_by_key(|interval| interval.start);
        Cow::Owned(kept)
    }

    /// Returns the account of what the registry keeps: without the intervals that it does not.
    #[must_use]
    pub fn kept_account(&self) -> Account {
        let mut account = self.account.clone();
        account.take_out(length_of(&self.beyond) - length_of(&self.kept_beyond()));
        account
    }

    /// Returns where bytes were read last: the end of the last settled interval, or the committed offset.
    #[must_use]
    pub fn reach(&self) -> u64 {
        self.beyond.last().map_or(self.committed, |last| last.end)
    }

    /// Returns the unsettled bytes before settled ones, in order.
    #[must_use]
    pub fn gaps(&self) -> Vec<Range<u64>> {
        let starts = std::iter::once(self.committed).chain(self.beyond.iter().map(|one| one.end));
        let gaps = starts.zip(&self.beyond).map(|(start, one)| start..one.start);
        gaps.filter(|gap| !gap.is_empty()).collect()
    }

    /// Returns how many bytes are settled.
    #[must_use]
    pub fn settled_bytes(&self) -> u64 {
        self.committed.saturating_add(length_of(&self.beyond))
    }
}

/// Returns how many bytes intervals have.
#[must_use]
pub fn length_of(intervals: &[Interval]) -> u64 {
    intervals.iter().map(Interval::length).fold(0, u64::saturating_add)
}

/// How far an epoch is, shared by all who need to know without asking.
///
/// It is raised as soon as the registrar has heard that bytes are settled, up to one flush before that is saved. So it
/// answers "is everything settled that was read?" (may a file be closed, its epoch forgotten, `--once` end), never "from
/// where does a restart go on?": that is the registry's to say, and may be earlier.
#[derive(Debug, Default)]
pub struct Progress {
    committed: AtomicU64,
    /// How much of that is saved in the registry and synced.
    saved: AtomicU64,
    /// How far its reader is; for the audit alone.
    read: AtomicU64,
    /// What few files have; thousands of quiet ones have none.
    more: OnceLock<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// Bytes that are settled beyond the committed offset.
    beyond: AtomicU64,
    /// What its reader has read further on, where new lines are read first.
    front: Mutex<Range<u64>>,
    /// The saved ones of [`Entry::cuts`], and the last of them; 0 when there is none.
    cuts: Mutex<Vec<u64>>,
    last_cut: AtomicU64,
    /// The last one that its reader has asked for; 0 when there is none.
    asked_cut: AtomicU64,
}

impl Progress {
    /// Starts at `committed`.
    #[must_use]
    pub fn at(committed: u64) -> Arc<Self> {
        let [committed, saved, read] = [committed; 3].map(AtomicU64::new);
        Arc::new(Self { committed, saved, read, ..Self::default() })
    }

    fn more(&self) -> &More {
        self.more.get_or_init(Box::default)
    }

    /// Notes an offset at which an event ends, which is saved now; only the registrar does.
    pub fn cut(&self, offset: u64) {
        let more = self.more();
        let mut cuts = more.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let committed = self.committed();
        cuts.retain(|cut| committed < *cut);
        if let Err(place) = cuts.binary_search(&offset) {
            cuts.insert(place, offset);
        }
        more.last_cut.fetch_max(offset, Ordering::AcqRel);
    }

    /// Notes that a cut is going to be saved; only the reader does, before it asks for that.
    pub fn ask_cut(&self, offset: u64) {
        self.more().asked_cut.fetch_max(offset, Ordering::AcqRel);
    }

    /// Returns a cut that was asked for and may be saved already, or not: until that is known, nothing may leave that
    /// has the bytes on both sides of it.
    #[must_use]
    pub fn pending_cut(&self) -> Option<u64> {
        let asked = self.more.get()?.asked_cut.load(Ordering::Acquire);
        (self.last_cut() < asked).then_some(asked)
    }

    /// Returns the last offset at which an event ends by what is saved, 0 when there is none.
    #[must_use]
    pub fn last_cut(&self) -> u64 {
        self.more.get().map_or(0, |more| more.last_cut.load(Ordering::Acquire))
    }

    /// Returns the offsets behind `offset` at which an event ends.
    #[must_use]
    pub fn cuts_behind(&self, offset: u64) -> ThinVec<u64> {
        let Some(more) = self.more.get().filter(|_| offset < self.last_cut()) else {
            return ThinVec::new();
        };
        let cuts = more.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts[cuts.partition_point(|cut| *cut <= offset)..].into()
    }

    /// Notes how far its reader is: everything before `offset` is settled, or held by a batch. Only the reader does.
    pub fn read_to(&self, offset: u64) {
        self.read.store(offset, Ordering::Release);
    }

    /// Returns how far its reader is.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// Notes what its reader has read beyond [`Progress::read`]: it is settled, or held by a batch. Only the reader does.
    pub fn read_ahead(&self, front: Range<u64>) {
        *self.more().front.lock().unwrap_or_else(PoisonError::into_inner) = front;
    }

    /// Returns what was read, as two ranges of which the second may be empty.
    #[must_use]
    pub fn read_ranges(&self) -> [Range<u64>; 2] {
        // The second one first: when both become one, the first has grown before the second is given up.
        let front = |more: &More| more.front.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let front = self.more.get().map_or(0..0, |more| front(more));
        [0..self.read(), front]
    }

    /// Returns the offset before which everything is settled.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Returns the offset from which a restart goes on, also after a power cut, or an earlier one.
    #[must_use]
    pub fn saved(&self) -> u64 {
        self.saved.load(Ordering::Acquire)
    }

    /// Notes that an offset is saved and synced; only the registrar does.
    pub fn save(&self, offset: u64) {
        self.saved.fetch_max(offset, Ordering::AcqRel);
    }

    /// Raises it; only the registrar does.
    pub fn commit(&self, offset: u64) {
        self.committed.fetch_max(offset, Ordering::AcqRel);
    }

    /// Notes how many bytes are settled beyond the committed offset; only the registrar does, after it has raised that.
    pub fn settle_beyond(&self, bytes: u64) {
        if bytes != 0 || self.more.get().is_some() {
            self.more().beyond.store(bytes, Ordering::Release);
        }
    }

    /// Returns how many bytes are settled beyond the committed offset.
    #[must_use]
    pub fn beyond(&self) -> u64 {
        self.more.get().map_or(0, |more| more.beyond.load(Ordering::Acquire))
    }

    /// Returns how many bytes are settled.
    #[must_use]
    pub fn settled_bytes(&self) -> u64 {
        self.committed().saturating_add(self.beyond())
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
    /// The file of this epoch was removed when it had so many bytes, of which not all are settled.
    Left {
        /// Which epoch.
        epoch: Epoch,
        /// Its size in bytes.
        size: u64,
    },
    /// Another input reads the epoch's bytes on.
    Owned {
        /// Which epoch.
        epoch: Epoch,
        /// The input, as [`owner_of`] has it.
        owner: u32,
    },
    /// Nothing was written behind this offset for a while: an event ends there. To be saved and synced before the event
    /// leaves; then [`Progress::cut`] says so.
    Cut {
        /// Which epoch.
        epoch: Epoch,
        /// The offset.
        at: u64,
        /// Rung when it is saved.
        wake: Arc<crate::wake::Wake>,
    },
    /// The inode of this epoch was truncated or replaced.
    Ended(Epoch),
    /// Nothing of it is on disk any more and all that was read is settled: the entry may go.
    Forget(Epoch),
    /// To compare what was read with what is settled and what is on its way, and to say what comes of it.
    Audit(mpsc::Sender<Audit>),
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// Bytes on their way.
    pub in_flight_bytes: u64,
    /// Bytes that were read and are neither settled nor on their way.
    pub missing_bytes: u64,
    /// Epochs of which bytes are on their way or missing, those with missing ones first; a bounded number of them.
    pub epochs: Vec<AuditedEpoch>,
}

/// One epoch of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedEpoch {
    /// Which.
    pub epoch: Epoch,
    /// The name of its file.
    pub name: Arc<Path>,
    /// How its settled bytes came to their end.
    pub account: Account,
    /// Bytes on their way.
    pub in_flight_bytes: u64,
    /// What is neither settled nor on its way.
    pub missing: Vec<Range<u64>>,
}

/// The sending end of the registrar's inbox.
#[derive(Debug, Clone)]
pub struct Ledger {
    notes: mpsc::Sender<Note>,
    wake: Arc<crate::wake::Wake>,
    quiet: Arc<Quiet>,
    in_flight: InFlight,
}

/// The receiving end: the registrar's.
#[derive(Debug)]
pub struct Inbox {
    notes: mpsc::Receiver<Note>,
    /// A note that came while the registrar lay down to sleep.
    early: Option<Note>,
    quiet: Arc<Quiet>,
    in_flight: InFlight,
}

/// What both ends know about the registrar's sleep.
#[derive(Debug)]
struct Quiet {
    /// Whether the registrar sleeps without a deadline, so that even a quiet note has to ring.
    asleep: AtomicBool,
}

impl Ledger {
    /// Makes an inbox; `wake` is the registrar's bell.
    #[must_use]
    pub fn inbox(wake: Arc<crate::wake::Wake>) -> (Self, Inbox) {
        let (notes, received) = mpsc::channel();
        let quiet = Arc::new(Quiet { asleep: AtomicBool::new(true) });
        let in_flight = InFlight::default();
        let inbox = Inbox {
            notes: received,
            early: None,
            quiet: Arc::clone(&quiet),
            in_flight: in_flight.clone(),
        };
        (Self { notes, wake, quiet, in_flight }, inbox)
    }

    /// Returns where a batch says what it carries, for as long as it lives.
    #[must_use]
    pub fn hold(&self) -> Arc<Held> {
        self.in_flight.hold()
    }

    /// Tells the registrar something that it is to act on at once.
    pub fn tell(&self, note: Note) {
        // The registrar outlives every stage; when it has gone the process is ending and offsets stay where they are,
        // which repeats lines (their ids say so) and loses none.
        let _ = self.notes.send(note);
        self.wake.ring();
    }

    /// Tells the registrar something that can wait for its next flush, so that a busy output costs it no wake-up for
    /// each batch.
    ///
    /// Rings only when the registrar has no flush planned: the first note after a silence plans it.
    pub fn tell_quietly(&self, note: Note) {
        let _ = self.notes.send(note);
        // With the fence in `Inbox::rest` it is certain that one of both sees what the other did: either this sees the
        // registrar asleep, or the registrar sees this note before it sleeps.
        fence(Ordering::SeqCst);
        if self.quiet.asleep.load(Ordering::Relaxed)
            && self.quiet.asleep.swap(false, Ordering::Relaxed)
        {
            self.wake.ring();
        }
    }
}

impl Inbox {
    /// Returns what is on its way. What has come to its end since was told in a note that is there by now.
    #[must_use]
    pub fn in_flight(&self) -> BTreeMap<Epoch, Vec<Range<u64>>> {
        self.in_flight.ranges()
    }

    /// Takes the next note.
    ///
    /// # Errors
    /// When there is none, or none will ever come.
    pub fn try_recv(&mut self) -> Result<Note, mpsc::TryRecvError> {
        match self.early.take() {
            Some(note) => Ok(note),
            None => self.notes.try_recv(),
        }
    }

    /// Asks that the next note, even a quiet one, rings; `false` when a note is there already, which is to be taken
    /// first.
    pub fn rest(&mut self) -> bool {
        self.quiet.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.early = self.try_recv().ok();
        if self.early.is_some() {
            self.quiet.asleep.store(false, Ordering::Relaxed);
        }
        self.early.is_none()
    }

    /// Says that the registrar wakes up by itself: quiet notes need not ring.
    pub fn rise(&self) {
        self.quiet.asleep.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::Wake;
    use std::time::{Duration, Instant};

    fn epoch(number: u8) -> Epoch {
        Epoch::from_random([number; 12])
    }

    fn told(inbox: &mut Inbox) -> Option<Epoch> {
        match inbox.try_recv() {
            Ok(Note::Forget(epoch)) => Some(epoch),
            _ => None,
        }
    }

    /// Tells whether the bell was rung, and takes the ring down.
    fn rung(wake: &Wake) -> bool {
        let before = Instant::now();
        wake.wait(Duration::from_millis(20));
        before.elapsed() < Duration::from_millis(20)
    }

    #[test]
    fn only_the_first_quiet_note_after_a_rest_rings() {
        let wake = Arc::new(Wake::default());
        let (ledger, mut inbox) = Ledger::inbox(Arc::clone(&wake));
        assert!(inbox.rest());
        ledger.tell_quietly(Note::Forget(epoch(1)));
        assert!(rung(&wake));
        ledger.tell_quietly(Note::Forget(epoch(2)));
        assert!(!rung(&wake));
        assert_eq!([told(&mut inbox), told(&mut inbox)], [Some(epoch(1)), Some(epoch(2))]);
        inbox.rise();
        ledger.tell_quietly(Note::Forget(epoch(3)));
        assert!(!rung(&wake), "the registrar wakes up by itself");
        assert!(!inbox.rest(), "a note that came before the rest forbids it");
        ledger.tell_quietly(Note::Forget(epoch(4)));
        assert!(!rung(&wake));
        assert_eq!([told(&mut inbox), told(&mut inbox)], [Some(epoch(3)), Some(epoch(4))]);
    }

    #[test]
    fn what_is_read_at_two_places_is_told_as_two_ranges() {
        let progress = Progress::at(10);
        progress.read_to(20);
        assert_eq!(progress.read_ranges(), [0..20, 0..0]);
        progress.read_ahead(50..60);
        assert_eq!(progress.read_ranges(), [0..20, 50..60]);
        progress.settle_beyond(5);
        assert_eq!((progress.settled_bytes(), progress.committed()), (15, 10));
    }

    /// Every quiet note reaches a registrar that sleeps without a deadline whenever it may.
    #[test]
    fn quiet_notes_never_leave_a_resting_registrar_asleep() {
        const NOTES: usize = 20_000;
        let wake = Arc::new(Wake::default());
        let (ledger, mut inbox) = Ledger::inbox(Arc::clone(&wake));
        let sender = std::thread::spawn(move || {
            for _ in 0..NOTES {
                ledger.tell_quietly(Note::Forget(epoch(1)));
                std::hint::spin_loop();
            }
            ledger
        });
        let mut taken = 0;
        while taken < NOTES {
            while told(&mut inbox).is_some() {
                taken += 1;
            }
            if taken < NOTES && inbox.rest() {
                let slept = Instant::now();
                wake.wait(Duration::from_secs(30));
                assert!(slept.elapsed() < Duration::from_secs(20), "slept over a note");
            }
        }
        drop(sender.join());
    }
}
