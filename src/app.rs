//! Builds the stages, owns their threads and the runtime, and stops them in order.
//!
//! This is the only file that knows every stage. Threads are started below it, beside those of `commands::run` (the log and
//! the endpoint) and of the demo.

mod descriptors;
mod ending;
mod exchange;
mod governor;
mod offline;
mod plan;
mod threads;

pub mod pulse;

use crate::advice;
use crate::discovery::watch::{Hint, Inotify};
use crate::discovery::{From, Prospector, ProspectorLinks, WorkerLink};
use crate::disk::RealDisk;
use crate::follow::Report;
use crate::geoip::GeoFiles;
use crate::harvester::{Worker, WorkerExchange, WorkerLinks};
use crate::host::{self, HostFacts};
use crate::ledger::{Audit, Ledger, Note, Progress};
use crate::listeners::{Listeners, ListenersLinks, ListenersSettings, OnTheWay, Poller};
use crate::outputs;
use crate::outputs::links::{CannotGoOn, OutputLinks, Shutdown};
use crate::pool::Pool;
use crate::position::Epoch;
use crate::queue::{Receiver, Sender, queue};
use crate::registrar::{Opening, Registrar};
use crate::rescue::Rescue;
use crate::settings::{InputSettings, OutputSettings, Settings};
use crate::stats::Stats;
use crate::stats::files::Laggards;
use crate::stats::inputs::InputName;
use crate::wake::Wake;
use exchange::Inputs;
pub use exchange::{ExchangeError, Exchanged};
pub use offline::{targets, trial};
use plan::{Plan, PlanError, Starts};
use pulse::Pulses;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tracing::error;

/// Threads that read and encode. One fills two cores' worth of output; more would only take from the web server.
const WORKERS: usize = 1;

/// Threads of the runtime that carries network and compression.
const RUNTIME_THREADS: usize = 2;

/// All threads of a run: the main one's, `notify`, log, prospector, registrar, listener, endpoint, databases of places, and a
/// few that look up names and compress.
const THREADS: usize = WORKERS + RUNTIME_THREADS + 9;

/// Why the stages could not be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The data path cannot be used.
    #[error("cannot use data path `{path}`")]
    DataPath {
        /// The path.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The registry; the advice stays in the chain of causes.
    #[error("{0}")]
    Registry(#[from] crate::hint::Advised),
    /// An input.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// A listener cannot listen; the advice stays in the chain of causes.
    #[error("{0}")]
    Listen(#[source] crate::hint::Advised),
    /// The system gives no thread or no runtime; the advice stays in the chain of causes.
    #[error("{0}")]
    Threads(#[source] crate::hint::Advised),
}

impl std::convert::From<std::io::Error> for AppError {
    fn from(error: std::io::Error) -> Self {
        let what = format!("cannot start the threads: {}", advice::reason(&error));
        let hint = "let it have more of them: `TasksMax=` in the unit, `ulimit -u`, the container's limit of processes";
        Self::Threads(crate::hint::Advised::new(what, hint))
    }
}

/// What a caller decides beside the settings.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where files begin that were never read before.
    pub from: From,
    /// Whether inputs may come and go.
    pub exchanges: bool,
}

/// How far every file was read when all was drained.
type Drained = Arc<Mutex<Option<Vec<(Arc<Progress>, u64)>>>>;

/// What threads are told, and what they tell.
#[derive(Debug, Default)]
struct Signals {
    stop_reading: AtomicBool,
    stop_registrar: AtomicBool,
    drain: AtomicBool,
    drained: Drained,
    /// Whether there are no listeners, or they have handed over all that had come.
    listeners_drained: AtomicBool,
    /// Whether standard input was read and has ended.
    input_ended: watch::Sender<bool>,
    /// Whether all files that there were at the start are with the workers.
    begun: watch::Sender<bool>,
    pulses: Pulses,
    /// The files that are most behind, where somebody wants to know.
    laggards: Laggards,
    /// The thread that has ended with a panic, the first if there are more.
    fallen: watch::Sender<Option<String>>,
    fallen_told: AtomicBool,
}

impl Signals {
    /// Says, once, that a thread has ended with a panic; tells whether one has.
    fn tell_fallen(&self) -> bool {
        let fallen = self.fallen.borrow().clone();
        if let Some(thread) = &fallen
            && !self.fallen_told.swap(true, Ordering::AcqRel)
        {
            error!(
                hint = "what is not acknowledged is read again; if the system has memory enough, report this",
                "the thread `{thread}` has ended with a panic: shipper ends, for the service manager to start it again"
            );
        }
        fallen.is_some()
    }
}

/// The running stages.
pub struct App {
    signals: Arc<Signals>,
    stats: Arc<Stats>,
    pool: Pool,
    host: HostFacts,
    wakes: Vec<Arc<Wake>>,
    registrar_wake: Arc<Wake>,
    readers: Vec<JoinHandle<()>>,
    registrar: JoinHandle<()>,
    outputs: tokio::task::JoinHandle<Result<(), CannotGoOn>>,
    output_ended: watch::Receiver<()>,
    shutdown: watch::Sender<Shutdown>,
    runtime: tokio::runtime::Runtime,
    shutdown_timeout: Duration,
    auditor: Auditor,
    /// What listeners have sent and nobody has settled yet.
    on_the_way: OnTheWay,
    inputs: Mutex<Inputs>,
}

/// Has the registrar compare what was read with what is settled and on its way.
#[derive(Debug, Clone)]
pub struct Auditor(Ledger);

impl Auditor {
    /// Waits for the audit, at most `longest`; a gap is told in the log.
    #[must_use]
    pub fn audit(&self, longest: Duration) -> Option<Audit> {
        let (reply, answer) = mpsc::channel();
        self.0.tell(Note::Audit(reply));
        answer.recv_timeout(longest).ok()
    }
}

/// How the stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything that was read is acknowledged.
    Settled,
    /// The output was given up; what is not acknowledged is read again at the next start.
    GivenUp,
    /// A thread had ended with a panic, as the log says.
    Fallen,
}

impl App {
    /// Builds all stages and starts them.
    ///
    /// # Errors
    /// When the data path or the registry cannot be used, or an input cannot be understood.
    pub fn start(
        settings: &Settings,
        options: Options,
        stats: Arc<Stats>,
    ) -> Result<Self, AppError> {
        let disk = RealDisk;
        let data = &settings.paths.data;
        let data_path = |source: Box<dyn std::error::Error + Send + Sync>| AppError::DataPath {
            path: data.display().to_string(),
            source,
        };
        let registrar_wake = Arc::new(Wake::default());
        let (ledger, notes) = Ledger::inbox(Arc::clone(&registrar_wake));
        let opening = Opening {
            settings: settings.registry.clone(),
            data: data.clone(),
            output: output_name(&settings.output).to_owned(),
            machine: host::machine_id(&disk).unwrap_or_default(),
            random: Box::new(host::random_bytes),
        };
        let (registrar, known) = Registrar::open(disk, opening, notes, Arc::clone(&stats))?;
        let this_start = jiff::Timestamp::now();
        let agent =
            host::agent_id(&disk, data, this_start).map_err(|error| data_path(Box::new(error)))?;
        let mut host = host::host_facts(&disk, agent.text());
        if let Some(name) = &settings.name {
            host.name.clone_from(name);
        }
        let times = Starts {
            first: nanoseconds(host::first_start(&disk, data).unwrap_or(this_start)),
            this: nanoseconds(this_start),
        };
        let open_files_max = descriptors::provide(settings);
        let mut plan = Plan::new(settings, &host, open_files_max, times, options.exchanges)?;
        plan.tell(settings);
        let (rescue, rescued) = open_rescue(settings)?;
        plan.worker.rescue = (0 < settings.rescue.bytes_max).then(|| rescue.clone());
        Self::assemble(
            settings,
            options,
            stats,
            plan,
            host,
            Parts { ledger, registrar, registrar_wake, known, rescue, rescued },
        )
    }

    fn assemble(
        settings: &Settings,
        options: Options,
        stats: Arc<Stats>,
        mut plan: Plan,
        host: HostFacts,
        parts: Parts,
    ) -> Result<Self, AppError> {
        let signals = Arc::new(Signals::default());
        let pool = Pool::new(settings.queue.bytes);
        let prospector_wake = Arc::new(Wake::default());
        let worker_wakes: Vec<Arc<Wake>> = (0..WORKERS).map(|_| Arc::default()).collect();
        let poller = plan.listeners.as_ref().map(|_| Poller::new()).transpose()?;
        let bell = poller.as_ref().map(|poller| Arc::clone(poller.wake()));
        let (sender, receiver) = queue(worker_wakes.iter().chain(&bell).cloned().collect());
        let (reports_sender, reports) = mpsc::channel();
        let (hints_sender, hints) = mpsc::channel::<Hint>();
        let runtime = start_runtime()?;
        let (shutdown, shutdown_seen) = watch::channel(Shutdown::Running);
        let links = output_links(settings, &plan, &parts.ledger, &stats, receiver, shutdown_seen);
        let (ledger, cpu) = (parts.ledger.clone(), settings.limits.cpu);
        let common = Common { ledger, stats: Arc::clone(&stats), pool, sender, cpu };
        let opened = open_listeners(plan.listeners.take().zip(poller), &common, &signals)?;
        let on_the_way = opened.as_ref().map(Listeners::on_the_way).unwrap_or_default();
        let (outputs, output_ended) = start_output(&runtime, settings, links);
        let to_prospector = (&reports_sender, &prospector_wake);
        let (workers, exchanges, mut readers) =
            start_workers(&plan, &worker_wakes, &common, to_prospector, &signals)?;
        let (inputs, exchanges) = Inputs::new(settings, &plan, exchanges, &prospector_wake, &stats);
        let geo_wake = start_geoip(&plan, &signals)?;
        let Common { pool, ledger, .. } = common;
        let links = ProspectorLinks {
            workers,
            reports,
            hints,
            exchanges,
            watch: Box::new(Inotify::start(hints_sender, Arc::clone(&prospector_wake))),
            ledger: parts.ledger,
            wake: Arc::clone(&prospector_wake),
            stats: Arc::clone(&stats),
            laggards: settings.http.is_some().then(|| signals.laggards.clone()),
            random: Box::new(host::random_bytes),
            wall: Box::new(|| nanoseconds(jiff::Timestamp::now())),
        };
        let prospector = Prospector::new(RealDisk, plan.watched, options.from, parts.known, links)
            .with_rescue(parts.rescue, &parts.rescued);
        readers.push(threads::prospector(prospector, &prospector_wake, &signals)?);
        if let Some((listeners, bell)) = opened.zip(bell.as_ref()) {
            readers.push(threads::listener(listeners, bell, &pool, &signals)?);
        }
        let bells = [Some(prospector_wake), bell, geo_wake].into_iter().flatten();
        Ok(Self {
            registrar: threads::registrar(parts.registrar, &parts.registrar_wake, &signals)?,
            signals,
            stats,
            pool,
            host,
            wakes: worker_wakes.into_iter().chain(bells).collect(),
            registrar_wake: parts.registrar_wake,
            readers,
            outputs,
            output_ended,
            shutdown,
            runtime,
            shutdown_timeout: settings.shutdown_timeout,
            auditor: Auditor(ledger),
            on_the_way,
            inputs: Mutex::new(inputs),
        })
    }

    /// Returns who this host is in documents.
    #[must_use]
    pub fn host(&self) -> &HostFacts {
        &self.host
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns the runtime's handle.
    #[must_use]
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// Returns who has the bytes counted.
    #[must_use]
    pub fn auditor(&self) -> &Auditor {
        &self.auditor
    }

    /// Returns the files that are most behind; none where no endpoint is configured that tells them.
    #[must_use]
    pub fn laggards(&self) -> &Laggards {
        &self.signals.laggards
    }

    /// Returns the loops of the threads.
    #[must_use]
    pub fn pulses(&self) -> &Pulses {
        &self.signals.pulses
    }

    /// Has exactly these inputs of files from now on; what was read of a file is known to whichever input wants it then.
    ///
    /// # Errors
    /// When one of them needs what is made at the start only: then all is as it was.
    pub fn exchange(&self, inputs: &[InputSettings]) -> Result<Exchanged, ExchangeError> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner).exchange(inputs)
    }

    /// Returns when all files that there were at the start are with the workers.
    pub async fn begun(&self) {
        let mut begun = self.signals.begun.subscribe();
        // It lives as long as its sender does, which is here.
        let _ = begun.wait_for(|begun| *begun).await;
    }

    /// Returns when the output has ended by itself, which it only does when it cannot go on.
    pub async fn output_ended(&self) {
        // Nothing is ever sent: the channel closes with the output.
        let _ = self.output_ended.clone().changed().await;
    }

    /// Returns when a thread that reads or keeps the registry has ended with a panic, which the log then tells.
    pub async fn thread_fallen(&self) {
        let mut fallen = self.signals.fallen.subscribe();
        // It lives as long as its sender does, which is here.
        let _ = fallen.wait_for(Option::is_some).await;
        self.signals.tell_fallen();
    }

    /// Returns when standard input was read to its end, if that is an input.
    pub async fn input_ended(&self) {
        let mut ended = self.signals.input_ended.subscribe();
        // It lives as long as its sender does, which is here.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Asks for everything to be read to its end and handed over.
    pub fn drain(&self) {
        self.signals.drain.store(true, Ordering::Release);
        self.wakes.iter().for_each(|wake| wake.ring());
    }

    /// Tells, after [`App::drain`], whether everything was read and acknowledged.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        if !self.signals.listeners_drained.load(Ordering::Acquire) || !self.on_the_way.is_empty() {
            return false;
        }
        if self.stats.sending.blocked_targets.get() != 0 {
            return false;
        }
        let drained = self.signals.drained.lock().unwrap_or_else(PoisonError::into_inner);
        drained
            .as_ref()
            .is_some_and(|ends| ends.iter().all(|(progress, end)| *end <= progress.committed()))
    }
}

/// A time as files have it: in nanoseconds since 1970.
fn nanoseconds(time: jiff::Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// What every worker has in common.
struct Common {
    ledger: Ledger,
    stats: Arc<Stats>,
    pool: Pool,
    sender: Sender,
    /// Share of one core that may be taken.
    cpu: Option<f64>,
}

fn output_links(
    settings: &Settings,
    plan: &Plan,
    ledger: &Ledger,
    stats: &Arc<Stats>,
    receiver: Receiver,
    shutdown: watch::Receiver<Shutdown>,
) -> OutputLinks<RealDisk> {
    OutputLinks {
        target: plan.shared.batch_wide.clone(),
        templates: plan.templates.clone(),
        receiver,
        ledger: ledger.clone(),
        stats: Arc::clone(stats),
        disk: RealDisk,
        data: settings.paths.data.clone(),
        bandwidth: settings.limits.bandwidth,
        shutdown,
    }
}

/// Looks at what earlier runs have rescued; also where nothing more is to be rescued.
fn open_rescue(settings: &Settings) -> Result<(Rescue, Vec<Epoch>), AppError> {
    let data = &settings.paths.data;
    Rescue::open(&RealDisk, &settings.rescue, data).map_err(|error| AppError::DataPath {
        path: data.join(&settings.rescue.path).display().to_string(),
        source: Box::new(error),
    })
}

/// Opens the listeners, if there are any.
fn open_listeners(
    listeners: Option<(ListenersSettings, Poller)>,
    common: &Common,
    signals: &Signals,
) -> Result<Option<Listeners<RealDisk>>, AppError> {
    signals.listeners_drained.store(listeners.is_none(), Ordering::Release);
    let Some((settings, poller)) = listeners else { return Ok(None) };
    let links = ListenersLinks {
        poller,
        pool: common.pool.clone(),
        queue: common.sender.clone(),
        ledger: common.ledger.clone(),
        stats: Arc::clone(&common.stats),
        random: Box::new(host::random_bytes),
    };
    Listeners::open(RealDisk, settings, links).map(Some).map_err(AppError::Listen)
}

/// Starts the runtime that carries network, compression, timers and signals.
fn start_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("output")
        .enable_all()
        .build()
}

/// Starts the output; the second value closes when it has ended.
fn start_output(
    runtime: &tokio::runtime::Runtime,
    settings: &Settings,
    links: OutputLinks<RealDisk>,
) -> (tokio::task::JoinHandle<Result<(), CannotGoOn>>, watch::Receiver<()>) {
    let (lives, ended) = watch::channel(());
    let delivering = outputs::run(settings.output.clone(), links);
    let task = runtime.spawn(async move {
        let ended = delivering.await;
        drop(lives);
        ended
    });
    (task, ended)
}

/// How to reach workers, how to tell them of inputs, and their threads.
type StartedWorkers = (Vec<WorkerLink>, Vec<mpsc::Sender<WorkerExchange>>, Vec<JoinHandle<()>>);

/// Starts the workers.
fn start_workers(
    plan: &Plan,
    wakes: &[Arc<Wake>],
    common: &Common,
    (reports, prospector): (&mpsc::Sender<Report>, &Arc<Wake>),
    signals: &Arc<Signals>,
) -> std::io::Result<StartedWorkers> {
    let mut workers = Vec::new();
    let mut exchanges = Vec::new();
    let mut threads = Vec::new();
    for (number, wake) in wakes.iter().enumerate() {
        let (orders, worker_orders) = mpsc::channel();
        workers.push(WorkerLink { orders, wake: Arc::clone(wake) });
        let (exchange, worker_exchanges) = mpsc::channel();
        exchanges.push(exchange);
        let links = WorkerLinks {
            orders: worker_orders,
            exchanges: worker_exchanges,
            reports: reports.clone(),
            prospector: Arc::clone(prospector),
            wake: Arc::clone(wake),
            pool: common.pool.clone(),
            queue: common.sender.clone(),
            ledger: common.ledger.clone(),
            stats: Arc::clone(&common.stats),
        };
        let worker = Worker::new(RealDisk, plan.worker.clone(), links, plan.pipelines.clone());
        threads.push(threads::harvester(number, worker, wake, common, signals)?);
    }
    Ok((workers, exchanges, threads))
}

/// Reads the databases of places, before any line is, and has them looked after. Nobody waits for the end of that: they may be
/// on a disk that does not answer.
fn start_geoip(plan: &Plan, signals: &Arc<Signals>) -> std::io::Result<Option<Arc<Wake>>> {
    let files = GeoFiles::new(Arc::clone(&plan.shared.geo));
    if files.is_empty() {
        return Ok(None);
    }
    let wake = Arc::default();
    drop(threads::geoip(files, &wake, signals)?);
    Ok(Some(wake))
}

/// What is made before the threads.
struct Parts {
    ledger: Ledger,
    registrar: Registrar<RealDisk>,
    registrar_wake: Arc<Wake>,
    known: Vec<crate::ledger::Known>,
    rescue: Rescue,
    rescued: Vec<Epoch>,
}

/// Tells whether there are threads enough: the runtime ends with a panic where it gets none, or hangs.
///
/// # Errors
/// When there are not.
pub fn seek_threads() -> Result<(), AppError> {
    Ok(threads::seek(THREADS)?)
}

/// Returns the names of all inputs, by their numbers.
pub fn input_names(settings: &Settings) -> impl Iterator<Item = InputName> {
    plan::names(settings)
}

/// Returns the name of an output as logs and metrics have it.
#[must_use]
pub fn output_name(output: &OutputSettings) -> &'static str {
    match output {
        OutputSettings::Elasticsearch(_) => "elasticsearch",
        OutputSettings::Console => "console",
    }
}
