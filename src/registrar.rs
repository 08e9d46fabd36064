//! The registrar: keeps what is known of every epoch on disk, and says from where a restart goes on.
//!
//! A journal of checksummed lines ([`format`]). Ids of epochs are synced before they are answered, grouped; offsets at
//! the pace of `registry.flush`. What could not be synced is never trusted again: the next write is a new file with
//! everything. Deliberately not here: any opinion about files.

pub mod format;

mod audit;
mod journal;
mod lock;
mod offline;
mod trouble;

use crate::account::Account;
use crate::acker::Tracker;
use crate::advice;
use crate::disk::Disk;
use crate::hint::Advised;
use crate::ledger::{Entry, Inbox, Known, Note, Progress, length_of};
use crate::logging::limiter::Limiter;
use crate::pool::Memory;
use crate::position::{Epoch, Outcome, Settled};
use crate::settings::RegistrySettings;
use crate::stats::Stats;
use crate::wake::Wake;
use journal::Journal;
use lock::DataLock;
pub use offline::{Editing, Place, Stored, edit, look};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};
use trouble::{is_older, read, remedy, tell_torn, unusable};

/// Longest registry that is read: some 3 million entries.
const BYTES_MAX: u64 = 1 << 30;

/// Pause between two lines of the log about the same fault.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Pause before settled offsets are written without a sync: whoever kills the process has only so much repeated.
const JOT: Duration = Duration::from_millis(100);

/// Longest wait of a cut to be saved: its event waits for it, and others may come to be saved with it.
const CUTS_FLUSH: Duration = Duration::from_millis(50);

/// What a registrar is opened with.
pub struct Opening {
    /// Where and how it writes.
    pub settings: RegistrySettings,
    /// The data path: its lock is there.
    pub data: PathBuf,
    /// The output whose offsets these are.
    pub output: String,
    /// The machine's id; empty where it has none.
    pub machine: String,
    /// Gives random bytes for epochs that get new ids.
    pub random: Box<dyn FnMut() -> [u8; 12] + Send>,
}

/// One epoch.
struct Slot {
    tracker: Tracker,
    progress: Arc<Progress>,
}

/// New epochs that wait to be saved.
struct Registration {
    epochs: Vec<Epoch>,
    reply: mpsc::Sender<Vec<Epoch>>,
    wake: Arc<Wake>,
}

/// Keeps the registry.
pub struct Registrar<D: Disk> {
    inbox: Inbox,
    slots: BTreeMap<Epoch, Box<Slot>>,
    journal: Journal<D>,
    /// Records that are not in the journal yet, and the epochs whose offset is not.
    unsaved: Vec<u8>,
    moved: BTreeSet<Epoch>,
    waiting: Vec<Registration>,
    /// Who waits for which cut to be saved.
    cutting: Vec<(Epoch, u64, Arc<Wake>)>,
    flush: Duration,
    flush_at: Option<Instant>,
    /// When to look for offsets to be written without a sync.
    jot_at: Option<Instant>,
    /// Epochs whose offsets were written since the last sync.
    jotted: BTreeSet<Epoch>,
    faults: Limiter,
    displacements: Limiter,
    /// Where gaps begin that were told.
    told_missing: BTreeSet<(Epoch, u64)>,
    stats: Arc<Stats>,
    /// Whether the journal was found to be gone, or replaced, while nothing was to be saved.
    is_displaced: bool,
    lock: DataLock<D>,
}

impl<D: Disk> Registrar<D> {
    /// Takes the lock of the data path and reads the registry.
    ///
    /// # Errors
    /// When another process has the lock, the data path cannot be written, the registry cannot be read, or a later
    /// version wrote it.
    pub fn open(
        disk: D,
        opening: Opening,
        inbox: Inbox,
        stats: Arc<Stats>,
    ) -> Result<(Self, Vec<Known>), Advised> {
        let busy = "stop it, or give this one a data path of its own with --path.data";
        let lock = DataLock::take(&disk, &opening.data, busy)?;
        let directory = opening.settings.path.join(&opening.output);
        disk.create_directory(&directory, 0o750).map_err(|error| unusable(&directory, &error))?;
        let path = directory.join("journal.log");
        let bytes = match disk.read_all(&path, BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unusable(&path, &error)),
        };
        let decoded = match &bytes {
            Some(bytes) => read(&path, bytes)?,
            None => format::Decoded::default(),
        };
        let fresh = decoded.whole_bytes == 0;
        let mut journal = Journal::new(disk, path, opening.settings.file_permissions);
        let snapshot_bytes = decoded.snapshot_bytes();
        let mut entries = decoded.entries;
        let mut rewrite = fresh || !decoded.damage.is_empty() || is_older(decoded.version);
        if !decoded.damage.is_empty() {
            stats.registering.degraded.set(1);
            journal.set_aside(&decoded.damage);
        }
        if !fresh && decoded.machine != opening.machine {
            rewrite = true;
            entries = with_new_ids(entries, opening.random, &decoded.machine);
        }
        journal.set_machine(opening.machine);
        journal.forget(&decoded.forgotten);
        count_lost(
            &stats,
            entries.values().map(|entry| &entry.account).chain([&decoded.forgotten]),
        );
        let slots = slots_of(entries);
        let saved = if rewrite {
            journal.write_snapshot(slots.values().map(|slot| slot.tracker.entry()))
        } else {
            tell_torn(&journal, decoded.torn_bytes);
            journal.go_on(decoded.whole_bytes as u64, snapshot_bytes)
        };
        saved.map_err(|error| unusable(&directory, &error))?;
        let known = known_of(&slots);
        stats.registering.current.set(i64::try_from(slots.len()).unwrap_or(i64::MAX));
        let registrar = Self {
            inbox,
            slots,
            journal,
            unsaved: Vec::new(),
            moved: BTreeSet::new(),
            waiting: Vec::new(),
            cutting: Vec::new(),
            flush: opening.settings.flush,
            flush_at: None,
            jot_at: None,
            jotted: BTreeSet::new(),
            faults: Limiter::once_per(TELL_EVERY),
            displacements: Limiter::once_per(TELL_EVERY),
            told_missing: BTreeSet::new(),
            stats,
            is_displaced: false,
            lock,
        };
        Ok((registrar, known))
    }

    /// Takes notes, saves what is due, and returns when to be called again; `None`: when the bell rings.
    pub fn step(&mut self, now: Instant) -> Option<Instant> {
        loop {
            self.take_all();
            if self.is_dirty() {
                let at = *self.flush_at.get_or_insert(now + self.flush);
                if !self.cutting.is_empty() && !self.journal.is_in_doubt() {
                    self.flush_at = Some(at.min(now + CUTS_FLUSH.min(self.flush)));
                }
            }
            self.jot(now);
            let new_epochs = self.waiting.iter().any(|waiting| !waiting.epochs.is_empty());
            let due = self.flush_at.is_some_and(|at| at <= now);
            if due || (new_epochs && !self.journal.is_in_doubt()) {
                self.save(now);
            }
            self.tell_waiting();
            if self.is_dirty() {
                self.inbox.rise();
                let jot_at = self.jot_at.or(self.flush_at);
                return self.flush_at.min(jot_at);
            }
            (self.flush_at, self.jot_at) = (None, None);
            if self.inbox.rest() {
                return None;
            }
        }
    }

    /// Saves everything; for the stop.
    pub fn close(mut self, now: Instant) {
        self.take_all();
        // What was on its way is settled, or given up and read again.
        self.stats.registering.in_flight_bytes.set(0);
        self.is_displaced |= self.journal.is_displaced();
        if self.is_dirty() {
            self.save(now);
        }
        if self.is_dirty() {
            error!(
                "the last offsets could not be saved: some lines are sent again at the next start"
            );
        }
    }

    /// Says how many files wait to be saved before anything of them is read.
    fn tell_waiting(&self) {
        let count: usize = self.waiting.iter().map(|waiting| waiting.epochs.len()).sum();
        self.stats.registering.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn is_dirty(&self) -> bool {
        self.is_displaced
            || !self.unsaved.is_empty()
            || !self.moved.is_empty()
            || !self.waiting.is_empty()
            || !self.cutting.is_empty()
            || self.journal.is_unsynced()
    }

    /// Writes what has come, at its pace, without waiting for the disk: a crash of the machine may undo that until the next
    /// flush, the death of this process alone does not.
    ///
    /// Where nothing has come it does not look again before the flush.
    fn jot(&mut self, now: Instant) {
        if self.flush <= JOT || self.journal.is_in_doubt() {
            return;
        }
        let at = *self.jot_at.get_or_insert(now + JOT);
        if now < at || self.flush_at.is_some_and(|flush_at| flush_at <= now) {
            return;
        }
        if self.moved.is_empty() {
            self.jot_at = self.flush_at;
            return;
        }
        self.jot_at = Some(now + JOT);
        let records = self.records();
        // What fails is tried again by the flush, which tells it.
        if self.journal.jot(records.as_slice()).is_ok_and(|written| written) {
            self.unsaved = Vec::new();
            self.jotted.append(&mut self.moved);
        }
    }

    /// Returns the records that are not in the journal yet.
    fn records(&self) -> Memory {
        let (mut records, mut piece) = (Memory::default(), Vec::new());
        records.extend_from_slice(&self.unsaved);
        for epoch in &self.moved {
            if let Some(slot) = self.slots.get(epoch) {
                format::push_position(&mut piece, slot.tracker.entry());
                records.extend_from_slice(&piece);
                piece.clear();
            }
        }
        records
    }

    /// Takes all notes that are there; who asks for an audit is answered when they are taken.
    fn take_all(&mut self) {
        let mut askers = Vec::new();
        while let Ok(note) = self.inbox.try_recv() {
            match note {
                Note::Audit(reply) => askers.push(reply),
                note => self.take(note),
            }
        }
        if !askers.is_empty() {
            self.is_displaced |= self.journal.is_displaced();
            let audit = self.audit();
            for asker in askers {
                // One that has gone needs no answer.
                let _ = asker.send(audit.clone());
            }
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Audit(_) => return,
            Note::Register { known, reply, wake } => {
                let epochs = known.iter().map(|known| known.entry.epoch).collect();
                for Known { entry, progress } in known {
                    format::push_entry(&mut self.unsaved, &entry);
                    let epoch = entry.epoch;
                    let slot = Slot { tracker: Tracker::of(entry), progress };
                    self.slots.insert(epoch, Box::new(slot));
                }
                self.waiting.push(Registration { epochs, reply, wake });
            }
            Note::Settled(settled) => self.settle(&settled),
            Note::Seen { epoch, name, inode, prefix, ended } => {
                if let Some(slot) = self.slots.get_mut(&epoch) {
                    slot.tracker.seen(name, inode, prefix, ended);
                    format::push_seen(&mut self.unsaved, slot.tracker.entry());
                }
            }
            Note::Left { epoch, size } => {
                if let Some(slot) = self.slots.get_mut(&epoch) {
                    slot.tracker.leave(size);
                    format::push_left(&mut self.unsaved, epoch, size);
                }
            }
            Note::Owned { epoch, owner } => {
                if let Some(slot) = self.slots.get_mut(&epoch) {
                    slot.tracker.owned_by(owner);
                    format::push_seen(&mut self.unsaved, slot.tracker.entry());
                }
            }
            Note::Cut { epoch, at, wake } => {
                if let Some(slot) = self.slots.get_mut(&epoch) {
                    if slot.tracker.cut(at) {
                        format::push_cut(&mut self.unsaved, epoch, at);
                    }
                    self.cutting.push((epoch, at, wake));
                }
            }
            Note::Ended(epoch) => {
                if let Some(slot) = self.slots.get_mut(&epoch) {
                    slot.tracker.end();
                    format::push_ended(&mut self.unsaved, epoch);
                }
            }
            Note::Forget(epoch) => {
                if let Some(slot) = self.slots.remove(&epoch) {
                    let entry = slot.tracker.entry();
                    if self.moved.remove(&epoch) {
                        // Its account is kept with those of all that are gone.
                        format::push_position(&mut self.unsaved, entry);
                    }
                    self.journal.forget(&entry.kept_account());
                    format::push_gone(&mut self.unsaved, epoch);
                }
            }
        }
        self.stats.registering.updates.add(1);
        let count = i64::try_from(self.slots.len()).unwrap_or(i64::MAX);
        self.stats.registering.current.set(count);
    }

    fn settle(&mut self, settled: &Settled) {
        let mut fresh: BTreeMap<Epoch, u64> = BTreeMap::new();
        for range in &settled.ranges {
            let Some(slot) = self.slots.get_mut(&range.epoch) else { continue };
            let change = slot.tracker.settle(range);
            if change.fresh_bytes == 0 {
                continue;
            }
            if let Some((committed, _)) = change.committed {
                slot.progress.commit(committed);
            }
            slot.progress.settle_beyond(length_of(slot.tracker.beyond()));
            self.moved.insert(range.epoch);
            *fresh.entry(range.epoch).or_default() += change.fresh_bytes;
        }
        for part in &settled.others {
            if let Some(bytes) = fresh.get_mut(&part.epoch) {
                let counted = part.bytes.min(*bytes);
                *bytes -= counted;
                self.count(part.epoch, part.outcome, counted);
            }
        }
        for (epoch, bytes) in fresh {
            self.count(epoch, settled.outcome, bytes);
        }
    }

    /// Notes how bytes came to their end.
    fn count(&mut self, epoch: Epoch, outcome: Outcome, bytes: u64) {
        if let Some(slot) = self.slots.get_mut(&epoch) {
            slot.tracker.count(outcome, bytes);
            self.stats.registering.settled[outcome as usize].add(bytes);
            if outcome == Outcome::Lost {
                self.stats.registering.lost_ever_bytes.add(gauge(bytes));
            }
        }
    }

    /// Sees to it that the journal is where a restart looks for it: its directory may have been removed meanwhile.
    fn keep_place(&mut self, now: Instant) -> io::Result<()> {
        if !self.journal.is_displaced() {
            return Ok(());
        }
        self.lock.renew().map_err(io::Error::other)?;
        self.journal.begin_anew()?;
        if let Some(suppressed) = self.displacements.admit(now) {
            error!(
                hint = "stop shipper before the registry is changed, or use `shipper registry`",
                "the registry `{}` was removed or replaced by something else while shipper ran; it is written anew{suppressed}",
                self.journal.path().display()
            );
        }
        Ok(())
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        self.journal.save(records, self.slots.values().map(|slot| slot.tracker.entry()))
    }

    /// Writes and syncs everything that is not saved; what fails is tried again at the next flush.
    fn save(&mut self, now: Instant) {
        (self.flush_at, self.jot_at) = (Some(now + self.flush), None);
        let records = self.records();
        self.stats.registering.writes.add(1);
        match self.keep_place(now).and_then(|()| self.write(records.as_slice())) {
            Ok(()) => {
                self.unsaved = Vec::new();
                self.jotted.append(&mut self.moved);
                for epoch in std::mem::take(&mut self.jotted) {
                    if let Some(slot) = self.slots.get(&epoch) {
                        slot.progress.save(slot.tracker.entry().committed);
                    }
                }
                self.is_displaced = false;
                self.stats.registering.writes_succeeded.add(1);
                for registration in self.waiting.drain(..) {
                    // A prospector that has gone needs no answer.
                    let _ = registration.reply.send(registration.epochs);
                    registration.wake.ring();
                }
                for (epoch, at, wake) in self.cutting.drain(..) {
                    if let Some(slot) = self.slots.get(&epoch) {
                        slot.progress.cut(at);
                    }
                    wake.ring();
                }
                if self.journal.has_recovered() {
                    self.stats.registering.degraded.set(0);
                    info!("the registry is saved again");
                }
            }
            Err(error) => {
                self.stats.registering.degraded.set(1);
                if let Some(suppressed) = self.faults.admit(now) {
                    error!(
                        hint = format!(
                            "{}; delivery goes on, new files wait, and it is tried again by itself",
                            remedy(&error)
                        ),
                        "cannot save the registry `{}`: {}{suppressed}",
                        self.journal.path().display(),
                        advice::reason(&error)
                    );
                }
            }
        }
    }
}

/// Begins the count of what was ever lost.
fn count_lost<'a>(stats: &Stats, accounts: impl Iterator<Item = &'a Account>) {
    let lost = |account: &Account| account.columns()[Outcome::Lost as usize];
    let lost = accounts.map(lost).fold(0, u64::saturating_add);
    stats.registering.lost_ever_bytes.set(gauge(lost));
}

fn gauge(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn slots_of(entries: BTreeMap<Epoch, Entry>) -> BTreeMap<Epoch, Box<Slot>> {
    let slot = |entry: Entry| {
        let progress = Progress::at(entry.committed);
        progress.settle_beyond(length_of(&entry.beyond));
        for cut in &entry.cuts {
            progress.cut(*cut);
        }
        Box::new(Slot { tracker: Tracker::of(entry), progress })
    };
    entries.into_iter().map(|(epoch, entry)| (epoch, slot(entry))).collect()
}

fn known_of(slots: &BTreeMap<Epoch, Box<Slot>>) -> Vec<Known> {
    let known = |slot: &Slot| {
        let entry = slot.tracker.entry().clone();
        Known { entry, progress: Arc::clone(&slot.progress) }
    };
    slots.values().map(|slot| known(slot)).collect()
}

/// Gives every epoch a new id at the same offset: another machine goes on with its own files.
fn with_new_ids(
    entries: BTreeMap<Epoch, Entry>,
    mut random: Box<dyn FnMut() -> [u8; 12] + Send>,
    before: &str,
) -> BTreeMap<Epoch, Entry> {
    if entries.is_empty() {
        return entries;
    }
    let count = entries.len();
    let machine = if before.is_empty() {
        "does not say any more on which machine it was written".to_owned()
    } else {
        format!("was written on another machine ({before})")
    };
    warn!(entries = count, "the registry {machine}: files go on at their offsets, under new ids");
    entries
        .into_values()
        .map(|mut entry| {
            entry.epoch = Epoch::from_random(random());
            (entry.epoch, entry)
        })
        .collect()
}
