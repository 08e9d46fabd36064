//! Harvesters: one worker reads its files in fair turns and fills the open batch.
//!
//! Everything is driven by [`Worker::step`]; nothing here sleeps, spawns or reads a clock. The file is the buffer: a
//! worker keeps no partial line, only the offset before it, and without a free batch buffer it does not read.

mod closing;
mod deletion;
mod file;
mod filling;
mod fingerprint;
mod fresh;
mod header;
mod holding;
mod large_event;
mod limit;
mod long_line;
mod missed;
mod obstacles;
mod owners;
mod pauses;
mod piece;
mod pipelines;
mod ready;
mod rescuing;

use crate::batch::{BatchBuilder, BatchLimits};
use crate::disk::{Disk, ReadFile};
use crate::follow::{Broken, FileKey, Order, Report};
use crate::ledger::Ledger;
use crate::pipeline::{Moment, Pipeline};
use crate::pool::Pool;
use crate::queue::Sender;
use crate::rescue::Rescue;
use crate::settings::{BacklogOrder, CloseSettings, FingerprintSettings, OwnerSettings};
use crate::stats::Stats;
use crate::wake::Wake;
use closing::close;
use file::Harvester;
use filling::Clock;
use fresh::Half;
use header::Header;
pub use limit::OpenLimit;
use owners::Names;
use pauses::Waits;
use pipelines::Pipelines;
use ready::{Queued, Ready};
use rescuing::{Spooling, Watch};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Size of a worker's read buffer in bytes: large enough that a system call costs little for each line, small enough
/// to stay in a core's cache.
pub const READ_BYTES: usize = 256 << 10;

/// Pause before a file that could not be opened is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Pause before a file that waits for others to be closed is tried again: another worker may have closed one.
const HELD_BACK_PAUSE: Duration = Duration::from_millis(50);

/// How a worker is set up.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Bounds of a batch.
    pub limits: BatchLimits,
    /// Longest wait of an event for its batch to fill.
    pub flush_timeout: Duration,
    /// How the files of each input are read.
    pub inputs: Vec<WorkerInput>,
    /// Most bytes of a file that are unread when its reading begins and are no backlog; [`READ_BYTES`] unless a test wants
    /// less.
    pub backlog_bytes_min: u64,
    /// Most files held open.
    pub open_files_max: usize,
    /// Where removed files are rescued to; `None` when they are not.
    pub rescue: Option<Rescue>,
    /// Size of the read buffer in bytes, at least 2048; [`READ_BYTES`] unless a test wants its borders nearer.
    pub read_bytes: usize,
}

/// How a worker reads the files of one input.
#[derive(Debug, Clone)]
pub struct WorkerInput {
    /// When a file is let go of.
    pub closing: CloseSettings,
    /// What documents say of who owns the file.
    pub owner: OwnerSettings,
    /// What of its files is hashed for documents.
    pub fingerprint: Option<FingerprintSettings>,
    /// How many of its files may be open at once.
    pub open_limit: Option<OpenLimit>,
    /// Largest content of a line, in bytes.
    pub message_max_bytes: u64,
    /// In which order it reads what it finds unread.
    pub backlog: BacklogOrder,
}

/// Inputs that come while a worker runs; of those that go it hears by [`Order::Retire`], behind the last of their files.
#[derive(Debug)]
pub struct WorkerExchange {
    /// Those that come, with the numbers that follow the highest one.
    pub added: Vec<(WorkerInput, Pipeline)>,
}

/// Whom a worker talks to.
#[derive(Debug)]
pub struct WorkerLinks {
    /// Orders of the prospector.
    pub orders: mpsc::Receiver<Order>,
    /// Inputs that come: told before the prospector hears of them.
    pub exchanges: mpsc::Receiver<WorkerExchange>,
    /// Reports to the prospector.
    pub reports: mpsc::Sender<Report>,
    /// Rung after a report.
    pub prospector: Arc<Wake>,
    /// The worker's own bell.
    pub wake: Arc<Wake>,
    /// Buffers.
    pub pool: Pool,
    /// Where sealed batches go.
    pub queue: Sender,
    /// The registrar.
    pub ledger: Ledger,
    /// Counters.
    pub stats: Arc<Stats>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to do at once.
    Busy,
    /// Nothing to do before the bell rings or this instant has come.
    Idle(Option<Instant>),
    /// No buffer is free; the bell rings when one is.
    Starved,
    /// The outputs have gone.
    Closed,
}

/// One worker and its files.
pub struct Worker<D: Disk> {
    disk: D,
    settings: WorkerSettings,
    links: WorkerLinks,
    pipelines: Pipelines,
    files: BTreeMap<FileKey, Box<Harvester<D>>>,
    /// Files with something to read, or to be looked at.
    ready: Ready,
    /// Files with a backlog, to be read when nothing else is; what changed last comes first. May name files that have none
    /// by now.
    behind: BTreeSet<(Reverse<i64>, FileKey)>,
    /// Open files, longest open first; may name files that were closed since.
    open: VecDeque<FileKey>,
    /// Files to be tried again, and when.
    refused: BTreeSet<(Instant, FileKey)>,
    /// Files that wait until fewer of their input are open.
    held_back: VecDeque<FileKey>,
    /// The compressed file that is read, and those that wait for it: one at a time, for each takes memory.
    unpacking: Option<FileKey>,
    packed: VecDeque<FileKey>,
    buffer: Vec<u8>,
    batch: Option<BatchBuilder>,
    drain: Drain,
    waits: Waits,
    /// Removed files, for as long as something of them is not settled; and the one that is being rescued.
    removed: Vec<Watch>,
    spooling: Option<Spooling<D>>,
    /// When files that are not open are to be looked for again while no buffer is free.
    hold_at: Option<Instant>,
    sweep_at: Option<Instant>,
    users: Names,
    groups: Names,
    /// Most files held open for now: fewer than the settings allow after descriptors have run out.
    open_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    Off,
    Asked,
    Told,
}

/// How a turn on one file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// There is more to read.
    More,
    /// It is at its end.
    End,
    /// A buffer is missing.
    Starved,
    /// The file is not what it was.
    Broken(Broken),
    /// It cannot be opened or read for now.
    Refused,
    /// The outputs have gone.
    Closed,
}

impl<D: Disk> Worker<D> {
    /// Makes a worker without files; `pipelines` has one for each input.
    #[must_use]
    pub fn new(
        disk: D,
        settings: WorkerSettings,
        links: WorkerLinks,
        pipelines: Vec<Pipeline>,
    ) -> Self {
        Self {
            disk,
            open_max: settings.open_files_max,
            settings,
            links,
            pipelines: Pipelines::new(pipelines),
            files: BTreeMap::new(),
            ready: Ready::default(),
            behind: BTreeSet::new(),
            open: VecDeque::new(),
            refused: BTreeSet::new(),
            held_back: VecDeque::new(),
            unpacking: None,
            packed: VecDeque::new(),
            buffer: Vec::new(),
            batch: None,
            drain: Drain::Off,
            waits: Waits::default(),
            removed: Vec::new(),
            spooling: None,
            hold_at: None,
            sweep_at: None,
            users: Names::of_users(),
            groups: Names::of_groups(),
        }
    }

    /// Gives memory back that is needed only while something is read.
    pub fn trim(&mut self) {
        self.buffer = Vec::new();
    }

    /// Takes orders, gives the next ready file its turn, and lets the open batch go when it is time.
    pub fn step(&mut self, now: Instant, moment: Moment) -> Step {
        self.take_orders(now);
        self.retry_refused(now);
        self.admit_held_back();
        self.tend_pauses(now);
        self.tend_removed(now);
        let clock = Clock { now, moment };
        let turn = if let Some((key, queued)) = self.next_ready() {
            self.turn(key, Half::Front, queued, clock)
        } else if let Some((_, key)) = self.behind.pop_first() {
            self.turn(key, Half::Backlog, Queued::Hinted, clock)
        } else {
            Turn::End
        };
        if turn == Turn::Closed || !self.let_batch_go(now) {
            return Step::Closed;
        }
        if let Some(step) = self.rest_of_rescue(turn, now) {
            return step;
        }
        if turn == Turn::Starved {
            return Step::Starved;
        }
        if !self.ready.is_empty() || !self.behind.is_empty() {
            return Step::Busy;
        }
        if !self.tell_drained() {
            return Step::Closed;
        }
        self.sweep(now);
        if self.batch.as_ref().is_some_and(BatchBuilder::is_empty) {
            self.batch = None;
        }
        Step::Idle(self.next_deadline(now))
    }

    /// Hands over what is in the open batch; for the stop.
    pub fn close(mut self) {
        self.send_batch();
        self.leave_all();
    }

    /// Takes over inputs that have come.
    fn take_exchanges(&mut self) {
        while let Ok(WorkerExchange { added }) = self.links.exchanges.try_recv() {
            for (input, pipeline) in added {
                self.settings.inputs.push(input);
                self.pipelines.push(pipeline);
            }
        }
    }

    fn take_orders(&mut self, now: Instant) {
        while let Ok(order) = self.links.orders.try_recv() {
            match order {
                Order::Follow(assignment) => self.follow(Box::new(Harvester::new(assignment))),
                Order::Dirty(key) => self.mark_ready(key),
                Order::Look(key) => self.queue(key, Queued::Unsure),
                Order::Away(key) => {
                    if self.files.get(&key).is_some_and(|file| file.file.is_some()) {
                        self.mark_ready(key);
                    }
                }
                Order::Renamed(key, name) => {
                    if let Some(file) = self.files.get_mut(&key) {
                        file.rename(name);
                        let input = usize::from(file.assignment.input);
                        file.at_end.close |= self.settings.inputs[input].closing.renamed;
                        self.mark_ready(key);
                    }
                }
                Order::Prefix(key, prefix) => {
                    if let Some(file) = self.files.get_mut(&key) {
                        file.assignment.prefix = prefix;
                    }
                }
                Order::Missed(key) => self.missed(key, now),
                Order::Removed(key) => self.removed(key, now),
                Order::Delete(key) => {
                    if let Some(file) = self.files.get_mut(&key) {
                        file.at_end.delete = true;
                        self.mark_ready(key);
                    }
                }
                Order::Leave(key) => self.finish(key),
                Order::Retire(inputs) => self.retire(inputs),
                Order::Release(key, end) => self.release(key, end, now),
                Order::Drain => {
                    self.drain = Drain::Asked;
                    let keys: Vec<FileKey> = self.files.keys().copied().collect();
                    for key in keys {
                        self.mark_ready(key);
                    }
                }
            }
        }
    }

    fn follow(&mut self, file: Box<Harvester<D>>) {
        let key = file.assignment.key;
        if self.pipelines.len() <= usize::from(file.assignment.input) {
            self.take_exchanges();
        }
        let is_known = self.pipelines.has(usize::from(file.assignment.input));
        self.files.insert(key, file);
        self.links.stats.reading.started.add(1);
        self.links.stats.reading.running.add(1);
        if is_known {
            self.queue(key, Queued::Unsure);
        } else {
            self.finish(key);
        }
    }

    fn turn(&mut self, key: FileKey, half: Half, queued: Queued, clock: Clock) -> Turn {
        if self.is_spooled(key) || self.waits_to_unpack(key) {
            return Turn::End;
        }
        let Some(mut file) = self.files.remove(&key) else { return Turn::End };
        if !self.may_open(&mut file) {
            self.files.insert(key, file);
            self.held_back.push_back(key);
            return Turn::End;
        }
        let turn = match half {
            Half::Front => {
                file.queued = Queued::No;
                self.read_turn(&mut file, clock)
            }
            Half::Backlog => self.read_backlog(&mut file, clock),
        };
        if let Turn::Broken(why) = turn {
            if file.removed {
                self.finish_file(file, false);
            } else {
                let report = Report::Broken { key, why, reached: file.reached() };
                self.let_go(file);
                self.report(report);
            }
            return turn;
        }
        if matches!(turn, Turn::More | Turn::End) {
            self.count_readable(&mut file, turn);
        }
        let ends = file.removed || file.assignment.is_packed;
        let is_behind = file.is_behind();
        let in_backlog = (Reverse(file.assignment.modified), key);
        self.files.insert(key, file);
        match turn {
            Turn::More | Turn::Starved if half == Half::Backlog && is_behind => {
                self.behind.insert(in_backlog);
            }
            Turn::More => self.queue(key, queued),
            Turn::Starved => {
                if let Some(file) = self.files.get_mut(&key) {
                    file.queued = queued;
                    self.ready.put_back(key, queued);
                }
            }
            Turn::Refused => self.plan_retry(key, clock.now),
            Turn::End if is_behind => drop(self.behind.insert(in_backlog)),
            Turn::End if ends => {
                if !self.cut_at_end(key) && !self.lingers(key) {
                    self.finish(key);
                }
            }
            Turn::End if self.delete_at_end(key) => self.mark_ready(key),
            Turn::End => {
                self.plan_pause(key, clock.now);
                self.close_at_end(key);
            }
            Turn::Broken(_) | Turn::Closed => {}
        }
        turn
    }

    /// Tells whether a compressed file must wait for another one.
    fn waits_to_unpack(&mut self, key: FileKey) -> bool {
        if !self.files.get(&key).is_some_and(|file| file.assignment.is_packed) {
            return false;
        }
        let waits = *self.unpacking.get_or_insert(key) != key;
        if waits {
            self.packed.push_back(key);
        }
        waits
    }

    /// Lets the next compressed file be read.
    fn unpack_next(&mut self, key: FileKey) {
        if self.unpacking == Some(key) {
            self.unpacking = None;
            while let Some(next) = self.packed.pop_front() {
                if self.files.contains_key(&next) {
                    self.ready.push(next, Queued::Hinted);
                    break;
                }
            }
        }
    }

    /// Notes that a file was opened: gives it its source, and closes others when too many are open.
    fn opened(&mut self, file: &mut Harvester<D>) {
        let pipeline = &self.pipelines[usize::from(file.assignment.input)];
        let mut source = pipeline.source(&file.assignment.path, file.assignment.epoch);
        let owner = self.settings.inputs[usize::from(file.assignment.input)].owner;
        if owner != OwnerSettings::default()
            && let Some(Ok(stat)) = file.file.as_ref().map(ReadFile::stat)
        {
            if let Some(name) = self.users.name(&self.disk, stat.user).filter(|_| owner.user) {
                source.add_file_member("owner", name);
            }
            if let Some(name) = self.groups.name(&self.disk, stat.group).filter(|_| owner.group) {
                source.add_file_member("group", name);
            }
        }
        file.source = Some(Box::new(source));
        file.header = Header::default();
        self.links.stats.reading.open_files.add(1);
        self.links.stats.inputs.count(file.assignment.input.into(), |input| input.opened.add(1));
        self.open.push_back(file.assignment.key);
        self.close_down_to(self.open_max, file.assignment.key);
    }

    /// Lets the open batch go when its time has come; `false` when the outputs have gone.
    fn let_batch_go(&mut self, now: Instant) -> bool {
        let Some(batch) = &self.batch else { return true };
        let Some(opened_at) = batch.opened_at() else { return true };
        if now < opened_at + self.settings.flush_timeout {
            return true;
        }
        if batch.items() == 0 || self.links.queue.output_is_free() {
            return self.send_batch();
        }
        true
    }

    /// When all was asked for and all is read: hands over the rest and reports how far each file was read.
    fn tell_drained(&mut self) -> bool {
        if self.drain != Drain::Asked || self.has_hopes() || !self.held_back.is_empty() {
            return true;
        }
        let keys: Vec<FileKey> = self.files.keys().copied().collect();
        let waits = keys.into_iter().filter(|key| self.cut_at_end(*key)).count();
        if 0 < waits {
            return true;
        }
        if !self.send_batch() {
            return false;
        }
        let ends = self
            .files
            .values()
            .map(|file| (Arc::clone(&file.assignment.progress), file.assignment.offset))
            .collect();
        self.tell_unfinished();
        self.drain = Drain::Told;
        self.report(Report::Drained(ends));
        true
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let flush = self.batch.as_ref().and_then(BatchBuilder::opened_at);
        let flush = flush
            .map(|opened_at| opened_at + self.settings.flush_timeout)
            .filter(|_| self.links.queue.output_is_free());
        let retry = self.refused.first().map(|(at, _)| *at);
        let held_back = (!self.held_back.is_empty()).then_some(now + HELD_BACK_PAUSE);
        [flush, retry, self.sweep_at, held_back, self.next_pause(), self.next_removed()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes a removed or left file and reports how far it was read.
    fn finish(&mut self, key: FileKey) {
        if let Some(file) = self.files.remove(&key) {
            self.finish_file(file, false);
        }
    }

    fn finish_file(&mut self, file: Box<Harvester<D>>, is_given_up: bool) {
        let (key, reached, size) = (file.assignment.key, file.reached(), file.size);
        let open = file.file.as_ref();
        let is_unlinked = open.is_some_and(|open| open.is_unlinked().unwrap_or(false));
        let report = Report::Finished { key, reached, size, is_given_up, is_unlinked };
        self.let_go(file);
        self.report(report);
    }

    fn let_go(&mut self, mut file: Box<Harvester<D>>) {
        self.count_readable(&mut file, Turn::End);
        close(&mut file, &self.links.stats);
        self.unpack_next(file.assignment.key);
        self.links.stats.reading.running.add(-1);
        self.links.stats.reading.closed.add(1);
        drop(file);
        self.give_pipelines_back();
    }

    fn report(&self, report: Report) {
        // A prospector that has gone means that the process is ending.
        let _ = self.links.reports.send(report);
        self.links.prospector.ring();
    }
}
