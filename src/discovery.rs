//! The prospector: says which files there are, which epoch each is in, and who reads it.
//!
//! It alone decides about identity. Hints of inotify only say where to look; what is true is found by looking. It
//! never reads lines: a harvester that finds a file changed lets go of it and reports, and the decision falls here.

pub mod glob;
pub mod watch;

mod archived;
mod beside;
mod between;
mod claim;
mod clean;
mod copies;
mod exchange;
mod files;
mod hints;
mod lag;
mod listing;
mod living;
mod moved;
mod orphan;
mod orphans;
mod packed;
mod places;
mod readers;
mod reports;
mod rescued;
mod retry;
mod scan;
mod skipped;
mod watched;

pub use exchange::Exchange;
pub use skipped::Skip;
pub use watched::Watched;

use crate::advice;
use crate::disk::Disk;
use crate::follow::{Assignment, FileKey, Order, Reached, Report};
use crate::ledger::{Interval, Known, Ledger, Prefix, Progress};
use crate::logging::limiter::Limiter;
use crate::position::{Epoch, Inode, Proof};
use crate::rescue::Rescue;
use crate::stats::Stats;
use crate::stats::files::Laggards;
use crate::trail::Trail;
use crate::wake::Wake;
use files::Files;
use hints::Held;
use lag::Lags;
use moved::Archives;
use orphan::Orphan;
use orphans::Orphans;
use places::Places;
use skipped::Skipped;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use thin_vec::ThinVec;
use watch::{Hint, Watch};

/// Least pause between two scans that hints ask for, in addition to [`PAUSE_PER_FILE`]: keeps a storm of renames from
/// becoming a storm of scans.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Pause after a scan that hints ask for, for each file known: ten times what looking at it costs.
const PAUSE_PER_FILE: Duration = Duration::from_micros(30);

/// Least pause between two scans for safety's sake, for each file known: keeps ten thousand files under 0.1 % of a
/// core.
const RESCAN_PER_FILE: Duration = Duration::from_millis(6);

/// Pause before the next look at copies that may still be growing.
const WAITING_PAUSE: Duration = Duration::from_secs(1);

/// Pause between two lines of the log about a lack of file descriptors.
const TELL_SHORTAGE_EVERY: Duration = Duration::from_mins(10);

/// Where reading of a file begins that was never seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At its first byte.
    Start,
    /// At its end, for files that are there at the first scan.
    Now,
}

/// One worker's inbox and bell.
#[derive(Debug, Clone)]
pub struct WorkerLink {
    /// Its inbox.
    pub orders: mpsc::Sender<Order>,
    /// Its bell.
    pub wake: Arc<Wake>,
}

/// Whom the prospector talks to.
pub struct ProspectorLinks {
    /// The workers, at least one.
    pub workers: Vec<WorkerLink>,
    /// What they report.
    pub reports: mpsc::Receiver<Report>,
    /// What inotify hints at.
    pub hints: mpsc::Receiver<Hint>,
    /// Inputs that come and go.
    pub exchanges: mpsc::Receiver<Exchange>,
    /// Where hints are asked for.
    pub watch: Box<dyn Watch>,
    /// The registrar.
    pub ledger: Ledger,
    /// The prospector's own bell.
    pub wake: Arc<Wake>,
    /// Counters.
    pub stats: Arc<Stats>,
    /// Where to tell which files are most behind, if somebody wants to know.
    pub laggards: Option<Laggards>,
    /// Gives 12 random bytes for a new epoch.
    pub random: Box<dyn FnMut() -> [u8; 12] + Send>,
    /// Tells the time in nanoseconds since 1970, as files have it.
    pub wall: Box<dyn Fn() -> i64 + Send>,
}

/// A followed file.
struct File {
    input: u16,
    reader: u8,
    owner: u32,
    path: Arc<Path>,
    name: Arc<Path>,
    inode: Inode,
    prefix: Prefix,
    epoch: Epoch,
    progress: Arc<Progress>,
    base: u64,
    /// Size and time of change at the last look.
    size: u64,
    modified: i64,
    /// The size that it had when it was seen to have become shorter, until its worker says what that means; else 0.
    cut_from: u64,
    /// The time of change of a look at which it had grown older only: it was touched, or is being written.
    touched: i64,
    /// Since when it is as it is and nothing of it is left to be done.
    done_since: Option<Instant>,
    /// Whether its content is what it unpacks to; `size` is that of the content.
    is_packed: bool,
    /// Whether that can be unpacked to some point only.
    is_damaged: bool,
    /// The last scan that saw its inode, and whether it was under its name.
    seen: u64,
    at_home: u64,
    stage: Stage,
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its epoch is being saved; then it is assigned.
    Registering,
    /// A worker has it.
    Assigned,
    /// It has no name any more; the worker reads what it still holds.
    Removed,
    /// It was touched: once the worker has let go of it, it is read again as a new file.
    Touched,
    /// It has not changed for long: once the worker has let go of it, it is forgotten.
    Cleaned,
    /// Its input is no more: once the worker has let go of it, it waits for one that wants it.
    Left,
}

/// Where a harvester is to begin.
#[derive(Debug, Clone)]
struct Start {
    offset: u64,
    proof: Proof,
    earlier: Trail,
    settled: ThinVec<Interval>,
}

impl Start {
    /// Returns how far a file was read that nobody has begun to read from here.
    fn reached(&self) -> Reached {
        let beyond = self.settled.clone();
        Reached { offset: self.offset, proof: self.proof, earlier: self.earlier.clone(), beyond }
    }
}

/// What is still to be read at the first scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Files with something to read.
    pub files: usize,
    /// Bytes to read.
    pub bytes: u64,
}

/// What the registry held and no file was found for yet, by device and inode number.
type Unclaimed = BTreeMap<(u64, u64), Vec<Orphan>>;

/// Adds one; almost always it is the only one with its inode.
fn keep_unclaimed(unclaimed: &mut Unclaimed, orphan: Orphan) {
    let inode = orphan.entry.inode;
    let alone = || Vec::with_capacity(1);
    unclaimed.entry((inode.device, inode.number)).or_insert_with(alone).push(orphan);
}

/// Finds files and hands them to the workers.
pub struct Prospector<D: Disk> {
    disk: D,
    inputs: Vec<Watched>,
    exchanged: exchange::Exchanged,
    from: From,
    links: ProspectorLinks,
    files: Files,
    /// Epochs that are not saved yet, whose file is to be read then, and from where; none while it is an orphan's.
    registering: HashMap<Epoch, Option<(FileKey, Start)>>,
    registered: mpsc::Receiver<Vec<Epoch>>,
    registered_reply: mpsc::Sender<Vec<Epoch>>,
    /// What the registry held and no file was found for yet, by device and inode number.
    unclaimed: Unclaimed,
    /// Where these are found by the hashes of their names, while newcomers are claimed.
    unclaimed_names: BTreeSet<(u64, (u64, u64))>,
    /// Epochs whose inode is gone or holds other content now.
    orphans: Orphans,
    archives: Archives,
    /// Epochs of files that were touched: to be forgotten when they are settled.
    touched: Vec<Orphan>,
    /// Where files were read to that are forgotten, with the hash of the bytes before.
    cleaned: BTreeMap<(u16, u64, u64), (u64, u64)>,
    skipped: Skipped,
    /// Copies that may still be growing.
    waiting: BTreeMap<(u64, u64), copies::Waiting>,
    /// Files that are not read: compressed ones, finished copies.
    passed_over: BTreeMap<(u16, u64, u64), scan::PassedOver>,
    /// Logs that were rotated, of which the generations between are to be sought; and whether one of these waits, because it
    /// may be what a followed file became.
    rotated: BTreeSet<between::Rotated>,
    renames: between::Renames,
    generations_wait: bool,
    /// What was rescued and could not be read when that was tried.
    refused_rescues: BTreeSet<FileKey>,
    /// Compressed files that are unpacked to learn what they hold, by device and inode number.
    examining: BTreeMap<(u64, u64), packed::Examination<D::File>>,
    /// Copies that could not be read through.
    undecided: BTreeMap<Inode, retry::Retry>,
    /// Compressed files that this scan passed over without a word so far.
    packed_files: u64,
    /// What was told, and the scan that could not read it last; how many of it, and of directories, the gauge counts.
    told: BTreeMap<PathBuf, u64>,
    unreadable: i64,
    /// What was there and could not be looked at a while ago.
    blind: BTreeMap<PathBuf, scan::Blind>,
    places: Places,
    held: Held,
    overflows: Limiter,
    shortages: Limiter,
    /// Whether the last scan had too few descriptors to look at everything.
    is_short: bool,
    round: u64,
    scan_at: Option<Instant>,
    last_scan: Option<Instant>,
    events: bool,
    backlog: Backlog,
    lags: Lags,
    drained: Vec<Vec<(Arc<Progress>, u64)>>,
    /// Where removed files are rescued to, of which epochs something is there, and those of earlier runs.
    rescue: Option<Rescue>,
    rescued: BTreeSet<Epoch>,
    to_read: Vec<Orphan>,
}

impl<D: Disk> Prospector<D> {
    /// Makes a prospector that knows what the registry held.
    #[must_use]
    pub fn new(
        disk: D,
        inputs: Vec<Watched>,
        from: From,
        known: Vec<Known>,
        mut links: ProspectorLinks,
    ) -> Self {
        let (registered_reply, registered) = mpsc::channel();
        let skipped = Skipped::new(&inputs, &known);
        let archives = Archives::of(&known);
        let mut unclaimed = Unclaimed::default();
        for known in known {
            keep_unclaimed(&mut unclaimed, Orphan::from_registry(known));
        }
        Self {
            disk,
            inputs,
            exchanged: exchange::Exchanged::default(),
            from,
            lags: Lags::new(links.laggards.take()),
            links,
            files: Files::default(),
            registering: HashMap::new(),
            registered,
            registered_reply,
            unclaimed,
            unclaimed_names: BTreeSet::new(),
            orphans: Orphans::default(),
            archives,
            touched: Vec::new(),
            cleaned: BTreeMap::new(),
            skipped,
            waiting: BTreeMap::new(),
            passed_over: BTreeMap::new(),
            rotated: BTreeSet::new(),
            renames: between::Renames::default(),
            generations_wait: false,
            refused_rescues: BTreeSet::new(),
            examining: BTreeMap::new(),
            undecided: BTreeMap::new(),
            packed_files: 0,
            told: BTreeMap::new(),
            unreadable: 0,
            blind: BTreeMap::new(),
            places: Places::default(),
            held: Held::default(),
            overflows: Limiter::once_per(hints::TELL_OVERFLOW_EVERY),
            shortages: Limiter::once_per(TELL_SHORTAGE_EVERY),
            is_short: false,
            round: 0,
            scan_at: None,
            last_scan: None,
            events: false,
            backlog: Backlog::default(),
            drained: Vec::new(),
            rescue: None,
            rescued: BTreeSet::new(),
            to_read: Vec::new(),
        }
    }

    /// Takes answers, reports and hints, scans when it is time, and returns when to be called again at the latest.
    pub fn step(&mut self, now: Instant) -> Option<Instant> {
        self.follow_rescued();
        self.take_registered();
        self.take_reports(now);
        self.take_exchanges(now);
        if self.is_exchanging() {
            return None;
        }
        self.take_hints(now);
        self.poll(now);
        if self.examine_on(now) {
            self.ask_scan(now);
        }
        if self.round == 0 || self.scan_at.is_some_and(|at| at <= now) {
            self.scan_at = None;
            self.last_scan = Some(now);
            self.scan(now);
            self.plan_rescan(now);
            self.take_hints(now);
        }
        if self.is_examining() {
            return Some(now);
        }
        [self.scan_at, self.places.poll_at].into_iter().flatten().chain([self.tend_lags(now)]).min()
    }

    /// Tells whether the first scan is done and every file that it found is with a worker.
    #[must_use]
    pub fn has_assigned_all(&self) -> bool {
        let is_busy = self.copies_wait()
            || self.is_examining()
            || self.is_exchanging()
            || self.reads_rescued();
        0 < self.round && self.registering.is_empty() && !is_busy
    }

    /// Tells whether the first scan is done, and no file that it found waits for its entry to be saved.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        0 < self.round && self.registering.is_empty()
    }

    /// Returns what the first scan found to be read.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.backlog
    }

    /// Asks for a scan at once, so that what came just now is drained as well.
    pub fn look_at_once(&mut self, now: Instant) {
        self.scan_at = Some(now);
    }

    /// Asks the workers to read everything to its end and hand it over.
    pub fn drain(&mut self) {
        self.tell_all_untold();
        for worker in &self.links.workers {
            // A worker that has gone has reported its files before.
            let _ = worker.orders.send(Order::Drain);
            worker.wake.ring();
        }
    }

    /// Returns, once all workers are drained, how far each file was read, also those that are gone by now.
    #[must_use]
    pub fn drained(&self) -> Option<Vec<(Arc<Progress>, u64)>> {
        if self.drained.len() < self.links.workers.len() {
            return None;
        }
        let mut ends = self.drained.concat();
        let orphan = |orphan: &Orphan| (Arc::clone(&orphan.progress), orphan.entry.committed);
        ends.extend(self.orphans.iter().map(|(_, known)| orphan(known)));
        ends.extend(self.touched.iter().chain(self.unclaimed.values().flatten()).map(orphan));
        ends.extend(self.passed_over.values().filter_map(|passed| passed.copy_of()).map(orphan));
        Some(ends)
    }

    fn plan_rescan(&mut self, now: Instant) {
        let count = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let inputs = self.inputs.iter().filter(|input| !input.patterns.is_empty());
        let interval = inputs.map(|input| input.scan_interval).min();
        let mut pause = interval.unwrap_or(Duration::from_secs(10));
        if self.events {
            pause = pause.max(RESCAN_PER_FILE * count);
        }
        if self.copies_wait() || self.is_short {
            pause = pause.min(WAITING_PAUSE);
        }
        self.ask_scan(now + pause);
    }

    /// Asks for a scan soon: as soon as the pause after the last one is over.
    fn ask_scan_soon(&mut self, now: Instant) {
        let count = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let pause = PAUSE_MIN + PAUSE_PER_FILE * count;
        let at = self.last_scan.map_or(now, |last| now.max(last + pause));
        self.ask_scan(at);
    }

    fn ask_scan(&mut self, at: Instant) {
        self.scan_at = Some(self.scan_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn take_registered(&mut self) {
        while let Ok(epochs) = self.registered.try_recv() {
            for epoch in epochs {
                let Some(Some((key, start))) = self.registering.remove(&epoch) else { continue };
                if self.files.get(key).is_some_and(|file| file.stage == Stage::Registering) {
                    self.assign(key, start);
                }
            }
        }
        if self.registering.is_empty() {
            // One table for all, so that many new files leave no holes between what they keep.
            self.registering = HashMap::new();
        }
    }

    /// Says, once in a while, that file descriptors have run out.
    fn tell_short(&mut self, error: &std::io::Error, now: Instant) {
        if let Some(suppressed) = self.shortages.admit(now) {
            advice::tell_short(error, suppressed);
        }
    }

    /// Tells whether a file waits that may have something to read.
    fn copies_wait(&self) -> bool {
        self.generations_wait || self.waiting.values().any(|waiting| waiting.may_be_copy)
    }

    fn order(&self, key: FileKey, order: Order) {
        hints::send(&self.links.workers, key, order);
    }

    fn assign(&mut self, key: FileKey, start: Start) {
        let Some(file) = self.files.get(key) else { return };
        let rescued = self.rescued_place(file);
        let Some(file) = self.files.get_mut(key) else { return };
        file.stage = Stage::Assigned;
        let assignment = Assignment {
            key,
            input: file.input,
            name: Arc::clone(&file.name),
            path: Arc::clone(&file.path),
            inode: file.inode,
            is_packed: file.is_packed,
            is_damaged: file.is_damaged,
            prefix: file.prefix,
            epoch: file.epoch,
            offset: start.offset,
            proof: start.proof,
            earlier: start.earlier,
            settled: start.settled,
            modified: file.modified,
            progress: Arc::clone(&file.progress),
            rescued,
        };
        self.order(key, Order::Follow(Box::new(assignment)));
    }

    /// Takes a file out of all tables.
    fn take_file(&mut self, key: FileKey) -> Option<File> {
        let file = self.files.take(key)?;
        if let Some(waiting) = self.registering.get_mut(&file.epoch) {
            *waiting = None;
        }
        Some(file)
    }
}
