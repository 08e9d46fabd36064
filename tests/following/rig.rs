//! Prospector and harvester over real files, driven step by step, with a registrar and an output that only remember.

use crate::faulty::FaultyDisk;
use shipper::batch::{Batch, BatchLimits};

use shipper::acker::Tracker;
use shipper::discovery::glob::Pattern;
use shipper::discovery::watch::{Hint, NoWatch};
use shipper::discovery::{Exchange, From, Prospector, ProspectorLinks, Watched, WorkerLink};
use shipper::document::Shared;
use shipper::harvester::{
    OpenLimit, READ_BYTES, Step, Worker, WorkerExchange, WorkerInput, WorkerLinks, WorkerSettings,
};
use shipper::ledger::{Entry, Inbox, Known, Ledger, Note, Progress, length_of};
use shipper::packing::{Compression, Format as Packing};
use shipper::pipeline::{Moment, Pipeline};
use shipper::pool::Pool;
use shipper::position::{AckRange, Epoch, Outcome, Proof};
use shipper::queue::queue;
use shipper::rescue::Rescue;
use shipper::settings::reading::ReadingSettings;
use shipper::settings::{
    BacklogOrder, CloseSettings, Format, InputSettings, OwnerSettings, RescueSettings,
};
use shipper::stats::Stats;
use shipper::trail::Trail;
use shipper::wake::Wake;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Everything that a restart keeps: entries as a registry would hold them.
pub type Saved = Vec<Entry>;

/// Where new lines come first: size of the read buffer, and most bytes that are no backlog.
pub const FRESH_READ_BYTES: usize = 2048;
const BACKLOG_BYTES_MIN: u64 = 1000;

static DRAWN: AtomicU64 = AtomicU64::new(1);

/// One life of the reading side.
pub struct Rig {
    pub prospector: Prospector<FaultyDisk>,
    pub worker: Worker<FaultyDisk>,
    /// What both of them read.
    pub disk: FaultyDisk,
    pub stats: Arc<Stats>,
    pub pool: Pool,
    hint: mpsc::Sender<Hint>,
    worker_exchange: mpsc::Sender<WorkerExchange>,
    exchange: mpsc::Sender<Exchange>,
    /// How many inputs there ever were.
    pub inputs: usize,
    notes: Inbox,
    batches: mpsc::Receiver<Batch>,
    runtime: tokio::runtime::Runtime,
    now: Instant,
    known: BTreeMap<Epoch, Known>,
    /// Whether what the output got is not acknowledged for now, and what that is.
    pub withholds: bool,
    withheld: Vec<AckRange>,
    /// Whether no cut is saved for now, and which are to be.
    pub holds_cuts: bool,
    held_cuts: Vec<(Epoch, u64, Arc<Wake>)>,
    /// Messages in the order of their arrival.
    pub messages: Vec<String>,
    /// Their documents.
    pub documents: Vec<serde_json::Value>,
    /// `log.file` of the last message.
    pub log_file: serde_json::Value,
    /// `_id` of each message.
    pub ids: Vec<String>,
    /// Ranges that needed no output.
    pub skipped: Vec<AckRange>,
}

impl Rig {
    pub fn start(patterns: &[String], saved: Saved, from: From) -> Self {
        Self::start_with(patterns, saved, from, 16 << 20, 10 << 20)
    }

    /// The same for an input with `compression`.
    pub fn start_packed(patterns: &[String], saved: Saved, packed: Compression) -> Self {
        let watched = Watched { packed, ..watched(patterns) };
        Self::start_input(watched, saved)
    }

    /// The same for an input that reads its files so.
    pub fn start_reading(patterns: &[String], saved: Saved, reading: &ReadingSettings) -> Self {
        let input = InputSettings { reading: reading.clone(), ..input(10 << 20) };
        Self::start_watching(watched(patterns), saved, From::Start, 16 << 20, &input)
    }

    pub fn start_with(
        patterns: &[String],
        saved: Saved,
        from: From,
        pool_bytes: usize,
        message_max_bytes: u64,
    ) -> Self {
        let input = input(message_max_bytes);
        Self::start_watching(watched(patterns), saved, from, pool_bytes, &input)
    }

    /// The same for an input of which more is said.
    pub fn start_input(watched: Watched, saved: Saved) -> Self {
        Self::start_watching(watched, saved, From::Start, 16 << 20, &input(10 << 20))
    }

    /// The same where new lines come first.
    pub fn start_fresh(watched: Watched, saved: Saved, reading: &ReadingSettings) -> Self {
        let mut input = InputSettings { reading: reading.clone(), ..input(10 << 20) };
        input.files.backlog = BacklogOrder::FreshFirst;
        Self::start_watching(watched, saved, From::Start, 16 << 20, &input)
    }

    /// The same, with what it says about letting go of files.
    pub fn start_closing(watched: Watched, saved: Saved, close: CloseSettings) -> Self {
        let input = InputSettings { close, ..input(10 << 20) };
        Self::start_watching(watched, saved, From::Start, 16 << 20, &input)
    }

    /// The same with a rescue in a directory.
    pub fn start_rescuing(patterns: &[String], saved: Saved, directory: &Path) -> Self {
        let opened = Rescue::open(&FaultyDisk::default(), &RescueSettings::default(), directory);
        let (watched, input) = (watched(patterns), input(10 << 20));
        Self::start_all(watched, saved, From::Start, 16 << 20, &input, Some(opened.unwrap()))
    }

    pub fn start_watching(
        watched: Watched,
        saved: Saved,
        from: From,
        pool_bytes: usize,
        input: &InputSettings,
    ) -> Self {
        Self::start_all(watched, saved, from, pool_bytes, input, None)
    }

    fn start_all(
        watched: Watched,
        saved: Saved,
        from: From,
        pool_bytes: usize,
        input: &InputSettings,
        rescue: Option<(Rescue, Vec<Epoch>)>,
    ) -> Self {
        let (disk, stats) = (FaultyDisk::default(), Arc::new(Stats::default()));
        let (bell, worker_bell) = (Arc::new(Wake::default()), Arc::new(Wake::default()));
        let (ledger, notes) = Ledger::inbox(Arc::new(Wake::default()));
        let (sender, receiver) = queue(vec![Arc::clone(&worker_bell)]);
        let pool = Pool::new(pool_bytes);
        let (orders, worker_orders) = mpsc::channel();
        let (report, reports) = mpsc::channel();
        let (hint, hints) = mpsc::channel();
        let (worker_exchange, worker_exchanges) = mpsc::channel();
        let (exchange, exchanges) = mpsc::channel();
        let known: BTreeMap<Epoch, Known> = saved
            .into_iter()
            .map(|entry| {
                let progress = Progress::at(entry.committed);
                progress.settle_beyond(length_of(&entry.beyond));
                entry.cuts.iter().for_each(|cut| progress.cut(*cut));
                (entry.epoch, Known { entry, progress })
            })
            .collect();
        let links = ProspectorLinks {
            workers: vec![WorkerLink { orders, wake: Arc::clone(&worker_bell) }],
            reports,
            hints,
            exchanges,
            watch: Box::new(NoWatch),
            ledger: ledger.clone(),
            wake: Arc::clone(&bell),
            stats: Arc::clone(&stats),
            laggards: None,
            wall: Box::new(wall),
            random: Box::new(move || {
                // Never twice, also in the next life.
                let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
                let mut bytes = [7; 12];
                bytes[..8].copy_from_slice(&drawn.to_be_bytes());
                bytes
            }),
        };
        let mut prospector = Prospector::new(
            disk.clone(),
            vec![watched],
            from,
            known.values().cloned().collect(),
            links,
        );
        if let Some((rescue, rescued)) = &rescue {
            prospector = prospector.with_rescue(rescue.clone(), rescued);
        }
        let settings = worker_settings(input, rescue.map(|(rescue, _)| rescue));
        let links = WorkerLinks {
            orders: worker_orders,
            exchanges: worker_exchanges,
            reports: report,
            prospector: bell,
            wake: worker_bell,
            pool: pool.clone(),
            queue: sender,
            ledger,
            stats: Arc::clone(&stats),
        };
        let worker = Worker::new(disk.clone(), settings, links, vec![pipeline(input)]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (output, batches) = mpsc::channel();
        runtime.spawn(async move {
            while let Some(batch) = receiver.next().await {
                output.send(batch).unwrap();
            }
        });
        Self {
            prospector,
            worker,
            disk,
            stats,
            pool,
            hint,
            notes,
            batches,
            runtime,
            now: Instant::now(),
            known,
            worker_exchange,
            exchange,
            inputs: 1,
            withholds: false,
            withheld: Vec::new(),
            holds_cuts: false,
            held_cuts: Vec::new(),
            messages: Vec::new(),
            documents: Vec::new(),
            log_file: serde_json::Value::Null,
            ids: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Has inputs gone and come, which follow `first` ones in their numbers.
    pub fn exchange(&mut self, retired: &[u16], first: u16, added: Vec<(Watched, InputSettings)>) {
        let (watched, inputs): (Vec<_>, Vec<_>) = added.into_iter().unzip();
        // The worker knows all numbers, also of what listens.
        let listeners = vec![input(1); usize::from(first) - self.inputs];
        self.inputs = usize::from(first) + inputs.len();
        let inputs = listeners.iter().chain(&inputs);
        let added = inputs.map(|input| (worker_input(input), pipeline(input))).collect();
        let retired = retired.to_vec();
        self.worker_exchange.send(WorkerExchange { added }).unwrap();
        self.exchange.send(Exchange { retired, first, added: watched }).unwrap();
    }

    /// Lets `seconds` pass, in steps of one, and everybody do what there is to do.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.settle_down();
        }
    }

    /// Lets time pass at once, as while a machine sleeps, and everybody do what there is to do.
    pub fn jump(&mut self, by: Duration) {
        self.now += by;
        self.settle_down();
    }

    /// Has every file looked at, as events of the file system would.
    pub fn hint_all(&self) {
        self.hint.send(Hint::Overflow).unwrap();
    }

    /// Tells of a rename as events of the file system would.
    pub fn hint_rename(&self, logs: &Logs, from: &str, to: &str) {
        let (from, to) = (logs.path(from), logs.path(to));
        self.hint.send(Hint::Names(from.clone())).unwrap();
        self.hint.send(Hint::Names(to.clone())).unwrap();
        self.hint.send(Hint::Renamed(from, to)).unwrap();
    }

    /// A scan's interval.
    pub fn pass_a_scan(&mut self) {
        self.pass(11);
    }

    /// Steps everybody until nothing happens any more.
    pub fn settle_down(&mut self) {
        self.run_output();
        for _ in 0..1000 {
            let mut busy = self.prospector.step(self.now) == Some(self.now);
            busy |= self.take_notes();
            loop {
                let step = self.worker.step(self.now, Moment(1_700_000_000_000));
                busy |= self.take_batches();
                match step {
                    Step::Busy | Step::Starved => busy = true,
                    Step::Idle(_) => break,
                    Step::Closed => panic!("the queue was closed"),
                }
            }
            busy |= self.take_batches();
            busy |= self.take_notes();
            if !busy {
                return;
            }
        }
        panic!("it never settles down");
    }

    fn save_cuts(&mut self) -> bool {
        if self.holds_cuts || self.held_cuts.is_empty() {
            return false;
        }
        for (epoch, at, wake) in self.held_cuts.drain(..) {
            let known = self.known.get_mut(&epoch).unwrap();
            known.entry.cuts.push(at);
            known.progress.cut(at);
            wake.ring();
        }
        true
    }

    fn take_notes(&mut self) -> bool {
        let mut any = self.save_cuts();
        while let Ok(note) = self.notes.try_recv() {
            any = true;
            match note {
                Note::Register { known, reply, wake } => {
                    let epochs = known.iter().map(|known| known.entry.epoch).collect();
                    for one in known {
                        assert!(self.known.insert(one.entry.epoch, one).is_none());
                    }
                    reply.send(epochs).unwrap();
                    wake.ring();
                }
                Note::Settled(settled) => {
                    if settled.outcome == Outcome::Filtered {
                        self.skipped.extend(&settled.ranges);
                    }
                    settled.ranges.iter().for_each(|range| self.commit(range));
                }
                Note::Seen { epoch, name, inode, prefix, ended } => {
                    let entry = &mut self.known.get_mut(&epoch).unwrap().entry;
                    (entry.name, entry.inode, entry.prefix, entry.ended) =
                        (name, inode, prefix, ended);
                    entry.left = 0;
                }
                Note::Left { epoch, size } => {
                    self.known.get_mut(&epoch).unwrap().entry.left = size;
                }
                Note::Owned { epoch, owner } => {
                    self.known.get_mut(&epoch).unwrap().entry.owner = owner;
                }
                Note::Cut { epoch, at, wake } => self.held_cuts.push((epoch, at, wake)),
                Note::Ended(epoch) => self.known.get_mut(&epoch).unwrap().entry.ended = true,
                Note::Forget(epoch) => drop(self.known.remove(&epoch).unwrap()),
                Note::Audit(_) => unreachable!(),
            }
        }
        any
    }

    /// Commits what is settled, as the registrar does. Nothing is settled twice.
    fn commit(&mut self, range: &AckRange) {
        let known = self.known.get_mut(&range.epoch).unwrap();
        let mut tracker = Tracker::of(known.entry.clone());
        let change = tracker.settle(range);
        assert_eq!(change.fresh_bytes, range.end - range.start, "settled twice: {range:?}");
        // Tests look at the cuts that were made, also when they are settled.
        let cuts = std::mem::take(&mut known.entry.cuts);
        known.entry = Entry { cuts, ..tracker.entry().clone() };
        known.progress.commit(known.entry.committed);
        known.progress.settle_beyond(length_of(&known.entry.beyond));
    }

    /// Has the prospector look once, and the worker take so many turns.
    pub fn step(&mut self, turns: usize) {
        self.run_output();
        self.prospector.step(self.now);
        self.take_notes();
        self.prospector.step(self.now);
        for _ in 0..turns {
            self.worker.step(self.now, Moment(1_700_000_000_000));
            self.take_batches();
            self.take_notes();
        }
    }

    /// Has everybody look at once whether files have changed.
    pub fn look(&mut self) {
        self.hint_all();
        self.now += Duration::from_secs(1);
        self.prospector.step(self.now);
        self.take_notes();
        self.prospector.step(self.now);
    }

    /// Lets the output's task run until it waits again.
    fn run_output(&self) {
        self.runtime.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
    }

    fn take_batches(&mut self) -> bool {
        self.run_output();
        let mut any = false;
        while let Ok(batch) = self.batches.try_recv() {
            any = true;
            for index in 0..batch.items() {
                let text = std::str::from_utf8(batch.item(index)).unwrap();
                let (action, document) = text.trim_end().split_once('\n').unwrap();
                let action: serde_json::Value = serde_json::from_str(action).unwrap();
                let document: serde_json::Value = serde_json::from_str(document).unwrap();
                self.ids.push(action["create"]["_id"].as_str().unwrap().to_owned());
                self.log_file = document["log"]["file"].clone();
                self.messages.push(document["message"].as_str().unwrap().to_owned());
                self.documents.push(document);
            }
            self.withheld.extend(&batch.ranges);
        }
        if !self.withholds {
            for range in std::mem::take(&mut self.withheld) {
                any = true;
                self.commit(&range);
            }
        }
        any
    }

    /// Ends this life as a crash does that comes before anything of what was read is settled.
    pub fn crash(self, before: Saved) -> Saved {
        let mut entries: BTreeMap<Epoch, Entry> =
            before.into_iter().map(|entry| (entry.epoch, entry)).collect();
        for known in self.known.into_values() {
            let fresh = known.entry.cuts.clone();
            let entry = entries.entry(known.entry.epoch).or_insert_with(|| {
                let (base, committed) = (known.entry.base, known.entry.base);
                let (proof, earlier) = (Proof::EMPTY, Trail::default());
                Entry { base, committed, proof, earlier, ..known.entry }
            });
            entry.cuts = fresh;
        }
        entries.into_values().collect()
    }

    /// Ends this life and returns what a registry would hold.
    pub fn stop(mut self) -> Saved {
        self.settle_down();
        for known in self.known.values() {
            assert_eq!(known.entry.beyond, [], "ranges follow each other without a gap");
        }
        self.kill()
    }

    /// Ends this life without another step of the prospector, as a stop does that comes before it has looked.
    pub fn leave(self) -> Saved {
        let Self { worker, mut notes, mut known, .. } = self;
        worker.close();
        while let Ok(note) = notes.try_recv() {
            if let Note::Seen { epoch, name, .. } = note {
                known.get_mut(&epoch).unwrap().entry.name = name;
            }
        }
        known.into_values().map(|known| known.entry).collect()
    }

    /// Ends this life without another step and returns what a registry would hold.
    pub fn kill(self) -> Saved {
        let mut saved: Saved = self.known.into_values().map(|known| known.entry).collect();
        for entry in &mut saved {
            entry.beyond = entry.kept_beyond().as_ref().into();
        }
        saved
    }

    /// Takes the messages that arrived since the last call.
    pub fn arrived(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }
}

fn wall() -> i64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

pub fn input(message_max_bytes: u64) -> InputSettings {
    InputSettings { format: Format::Raw, message_max_bytes, ..InputSettings::default() }
}

fn worker_settings(input: &InputSettings, rescue: Option<Rescue>) -> WorkerSettings {
    WorkerSettings {
        rescue,
        limits: BatchLimits::default(),
        flush_timeout: Duration::ZERO,
        backlog_bytes_min: BACKLOG_BYTES_MIN,
        inputs: vec![worker_input(input)],
        open_files_max: 100,
        read_bytes: match input.files.backlog {
            BacklogOrder::Sequential => READ_BYTES,
            BacklogOrder::FreshFirst => FRESH_READ_BYTES,
        },
    }
}

fn worker_input(input: &InputSettings) -> WorkerInput {
    WorkerInput {
        closing: input.close,
        owner: OwnerSettings { user: true, group: true },
        fingerprint: input.files.fingerprint,
        open_limit: OpenLimit::new(input.close.limit),
        message_max_bytes: input.message_max_bytes,
        backlog: input.files.backlog,
    }
}

fn pipeline(input: &InputSettings) -> Pipeline {
    Pipeline::new(input, &Shared { document_id: true, ..Shared::default() }).unwrap()
}

/// A directory of its own for a test, with none of another one's beside it.
pub struct Logs {
    directory: tempfile::TempDir,
}

impl Logs {
    pub fn new() -> Self {
        let logs = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(logs.path("")).unwrap();
        logs
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("logs").join(name)
    }

    pub fn pattern(&self, pattern: &str) -> String {
        self.path(pattern).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        append(&self.path(name), text.as_ref());
    }

    pub fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub fn copy(&self, from: &str, to: &str) {
        std::fs::copy(self.path(from), self.path(to)).unwrap();
    }

    pub fn truncate(&self, name: &str) {
        std::fs::OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// Packs a file as the format's program does: the original goes when the packed one is complete.
    pub fn pack(&self, name: &str, format: Packing) {
        let packed = pack(format, &std::fs::read(self.path(name)).unwrap());
        self.write(&format!("{name}{}", format.ending()), packed);
        self.remove(name);
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }
}

pub fn watched(patterns: &[String]) -> Watched {
    Watched {
        patterns: patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect(),
        ..Watched::default()
    }
}

fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// What `bytes` are packed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// What `bytes` are packed in a format.
pub fn pack(format: Packing, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    match format {
        Packing::Gzip => gzip(bytes),
        Packing::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(bytes, level)
        }
        Packing::Bzip2 => {
            let level = bzip2::Compression::fast();
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Packing::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// `first..=last` as lines.
pub fn lines(first: usize, last: usize) -> String {
    (first..=last).map(|number| format!("line number {number}\n")).collect()
}

/// The messages of [`lines`].
pub fn messages(first: usize, last: usize) -> Vec<String> {
    (first..=last).map(|number| format!("line number {number}")).collect()
}
