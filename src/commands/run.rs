//! `shipper run`: follow, ship, stop in order.

mod bars;
mod drain;
mod endpoint;
mod life;
mod pages;
mod reload;
mod teller;

use super::NOT_ACKNOWLEDGED;
use super::certificates;
use super::report::{self, Failure};
use crate::advice;
use crate::app::{self, App, Options, Stopped};
use crate::cli::{Cli, FromArg, RunArgs};
use crate::config::Loaded;
use crate::control::{Control, DrainAsked};
use crate::discovery::From;
use crate::disk::RealDisk;
use crate::logging::{self, LastError};
use crate::manager::Manager;
use crate::reporter::MetricsReporter;
use crate::settings::{LogLevel, OutputSettings, Settings};
use crate::stats::Stats;
use crate::stats::metrics::Constants;
use crate::status::{Drained, Hidden, Status};
use bars::Bars;
use drain::Drain;
use endpoint::Endpoint;
use life::Life;
use pages::{About, Answers};
use reload::Reload;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use teller::Teller;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

/// Pause between two looks whether a drain is done.
const LOOK: Duration = Duration::from_millis(10);

/// Pause between two audits where no metrics are told.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// Longest wait for an audit, during which no signal is heard; what comes later is told with the next line.
const AUDIT_TIME_MAX: Duration = Duration::from_millis(200);

/// Orders to drain that may wait for the loop to take them.
const ORDERS_MAX: usize = 8;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A signal asked for it.
    Signal,
    /// It was to drain, and all is acknowledged.
    Drained,
    /// It was to drain, and all is acknowledged that can be read: something else matches, and cannot.
    Unreadable,
    /// It was to drain, and the time is over.
    Deadline,
    /// The output cannot go on.
    Output,
    /// A thread has ended with a panic.
    Thread,
}

/// Told every second how a drain goes.
type Progress<'a> = &'a dyn Fn(&Settings, &Status, Hidden);

/// How long it runs.
#[derive(Clone, Copy)]
struct Mode<'a> {
    /// Until all is acknowledged, which the exit code tells.
    once: bool,
    /// Longest time for that.
    deadline: Option<Duration>,
    progress: Option<Progress<'a>>,
}

/// Runs until a signal, or with `--once` until all is acknowledged.
pub(super) fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let RunArgs { once, deadline, .. } = cli.run;
    run_as(cli, Mode { once, deadline, progress: None })
}

/// Runs until all is acknowledged.
pub(super) fn run_once(
    cli: &Cli,
    deadline: Option<Duration>,
    progress: Progress<'_>,
) -> Result<ExitCode, Failure> {
    run_as(cli, Mode { once: true, deadline, progress: Some(progress) })
}

fn run_as(cli: &Cli, mode: Mode<'_>) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let sources = report::sources(&cli.config)?;
    let strictness = report::strictness(&cli.config);
    let modules = reload::checksum(&sources, strictness);
    let loaded = report::load_sources(&sources, &cli.config)?;
    certificates::check(&loaded)?;
    let reload = Reload::new((sources, strictness), &loaded, modules, started);
    let Loaded { mut settings, unneeded, warnings, stands, .. } = loaded;
    drop(stands);
    if cli.config.to_stderr {
        settings.logging.to_stderr = true;
        settings.logging.files = None;
    }
    let mut selectors = settings.logging.selectors.clone();
    if let Some(debug) = &cli.config.debug {
        selectors.extend(debug.split(',').map(|part| part.trim().to_owned()));
        settings.logging.level = LogLevel::Debug;
    }
    let stats = Arc::new(Stats::of_inputs(app::input_names(&settings)));
    let is_console = matches!(settings.output, OutputSettings::Console);
    let bars = Bars::new(started, &stats.backfill, is_console);
    let (logging, writer) = logging::init(&settings.logging, &selectors, bars.stderr())?;
    app::seek_threads()?;
    let log_thread =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
    tell_start(&settings, &unneeded, &warnings);
    let last_error = logging.last_error();
    let surroundings = Surroundings { started, stats, bars, last_error, reload };
    let result = supervise(cli, mode, &settings, surroundings);
    drop(logging);
    drop(log_thread);
    result
}

fn tell_start(settings: &Settings, unneeded: &[String], warnings: &[String]) {
    info!(
        "shipper {} starts, data path `{}`",
        env!("CARGO_PKG_VERSION"),
        settings.paths.data.display()
    );
    for warning in warnings {
        warn!("{warning}");
    }
    if !unneeded.is_empty() {
        info!("accepted, and not needed here: {}", unneeded.join(", "));
    }
}

/// What a run has around it.
struct Surroundings {
    started: Instant,
    stats: Arc<Stats>,
    bars: Bars,
    last_error: LastError,
    reload: Option<Reload>,
}

fn supervise(
    cli: &Cli,
    mode: Mode<'_>,
    settings: &Settings,
    surroundings: Surroundings,
) -> Result<ExitCode, Failure> {
    let Surroundings { started, stats, bars, last_error, reload } = surroundings;
    let life = Arc::new(Life::new(manager()));
    let endpoint = Endpoint::listen(settings)?;
    let options = Options { from: from(cli), exchanges: reload.is_some() };
    let app = App::start(settings, options, Arc::clone(&stats))?;
    let counted = Arc::clone(&stats);
    let mut signals = {
        let _within = app.runtime().enter();
        Signals::listen()?
    };
    let constants = constants(settings, &app);
    let teller = Arc::new(Teller::new(
        settings,
        Arc::clone(&stats),
        last_error,
        started,
        app.auditor().clone(),
    ));
    let orders = open_control(&app, &settings.paths.data, &teller);
    let answers = || Answers {
        teller: Arc::clone(&teller),
        life: Arc::clone(&life),
        about: About::new(settings, &app, &constants, started),
        constants: constants.clone(),
        started,
    };
    let endpoint = endpoint.map(|endpoint| endpoint.serve(answers())).transpose()?;
    start_watchdog(&app, &life);
    let period = settings.logging.metrics_period;
    let pool = Some(app.pool().clone());
    let reporter = MetricsReporter::new(RealDisk, stats, pool, constants, period, started);
    let drain = mode.once.then(|| Drain::new(mode.deadline, started));
    // Where there are bars they say how it goes.
    let progress = mode.progress.filter(|_| !bars.is_seen());
    let audit_at = started + audit_pause(settings);
    let mut run = Run {
        settings,
        app: &app,
        reporter,
        teller,
        life,
        orders,
        drain,
        progress,
        audit_at,
        bars,
        reload,
    };
    let end = app.runtime().clone().block_on(run.wait(&mut signals));
    let Run { mut reporter, drain, life, mut bars, .. } = run;
    bars.end(&counted.backfill);
    life.stopping();
    let stopped = app.stop(async {
        signals.next().await;
        warn!("a second signal: what is in flight is not waited for");
    });
    drop(endpoint);
    reporter.finish(Instant::now());
    if let Some(drain) = drain {
        drain.end(&drained(end));
    }
    tell_dead_letters(counted.sending.dead_letters.get(), counted.sending.dropped.get());
    Ok(finish(end, stopped, unacknowledged(&counted), mode.once))
}

/// Finds the service manager; without one, shipper runs all the same.
fn manager() -> Manager {
    Manager::of_environment(|name| std::env::var_os(name)).unwrap_or_else(|error| {
        warn!(hint = "it has to be a path or `@name`", "{}", crate::hint::chain_text(&error));
        Manager::default()
    })
}

fn start_watchdog(app: &App, life: &Arc<Life>) {
    let (life, pulses) = (Arc::clone(life), app.pulses().clone());
    app.runtime().spawn(async move { life.watchdog(&pulses).await });
}

fn from(cli: &Cli) -> From {
    match cli.run.from {
        FromArg::Start => From::Start,
        FromArg::Now => From::Now,
    }
}

fn constants(settings: &Settings, app: &App) -> Constants {
    Constants {
        name: "shipper",
        version: env!("CARGO_PKG_VERSION"),
        ephemeral_id: app.host().ephemeral_id.clone(),
        output: app::output_name(&settings.output),
        inputs: (settings.inputs.len() + settings.listeners.len()) as u64,
        cores: crate::reporter::process::cores(),
    }
}

fn audit_pause(settings: &Settings) -> Duration {
    settings.logging.metrics_period.filter(|period| !period.is_zero()).unwrap_or(AUDIT_EVERY)
}

/// Opens the control socket; without one, shipper runs all the same.
fn open_control(app: &App, data: &Path, teller: &Arc<Teller>) -> mpsc::Receiver<DrainAsked> {
    let (asked, orders) = mpsc::channel(ORDERS_MAX);
    let _within = app.runtime().enter();
    match Control::listen(RealDisk, data) {
        Ok(control) => {
            let teller = Arc::clone(teller);
            app.runtime().spawn(control.serve(teller, asked));
        }
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::InvalidInput => {
                    "its path is too long for a socket: give it a shorter --path.data"
                }
                std::io::ErrorKind::AlreadyExists => "something else has its name: move that away",
                _ => "the file system of the data path may know no sockets",
            };
            warn!(
                hint,
                "no socket `{}`: {}; `shipper status` can only read the registry, and `shipper drain` not be used",
                data.join(crate::status::SOCKET).display(),
                advice::reason(&error)
            );
        }
    }
    orders
}

/// The signals that ask for the end.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        // What has nginx open its logs again is sent to others as well, by mistake, and would end them: it has no effect.
        for kind in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
            drop(signal(kind)?);
        }
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Returns when there is one.
    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The loop of a run.
struct Run<'a> {
    settings: &'a Settings,
    app: &'a App,
    reporter: MetricsReporter<RealDisk>,
    teller: Arc<Teller>,
    life: Arc<Life>,
    orders: mpsc::Receiver<DrainAsked>,
    drain: Option<Drain>,
    progress: Option<Progress<'a>>,
    audit_at: Instant,
    bars: Bars,
    reload: Option<Reload>,
}

impl Run<'_> {
    /// Waits for the end, and has the metrics told meanwhile.
    async fn wait(&mut self, signals: &mut Signals) -> End {
        if self.drain.is_some() {
            self.drain_app();
        }
        loop {
            let next = self.next();
            tokio::select! {
                () = signals.next() => return End::Signal,
                () = self.app.thread_fallen() => return End::Thread,
                () = self.app.output_ended() => return End::Output,
                () = self.app.begun(), if self.life.is_starting() => {
                    self.life.begun();
                    self.tell_manager();
                }
                () = self.app.input_ended(), if self.drain.is_none() => {
                    info!("standard input has ended: the rest is handed over");
                    self.drain = Some(Drain::new(None, Instant::now()));
                    self.drain_app();
                }
                Some(asked) = self.orders.recv() => self.take(asked),
                () = tokio::time::sleep_until(next.into()) => {}
            }
            if let Some(end) = self.step(Instant::now()) {
                return end;
            }
        }
    }

    /// Returns when there is something to do at the latest.
    fn next(&self) -> Instant {
        let drain = self.drain.as_ref();
        let look = drain.map(|_| Instant::now() + LOOK);
        let deadline = drain.and_then(|drain| drain.deadline);
        let own = self.teller.due().min(self.audit_at);
        let reload = self.reload.as_ref().map(Reload::due).filter(|_| drain.is_none());
        let others = [self.reporter.due(), look, deadline, self.bars.due(), reload];
        others.into_iter().flatten().fold(own, Instant::min)
    }

    fn drain_app(&self) {
        self.app.drain();
        self.teller.drains(Instant::now());
    }

    fn take(&mut self, asked: DrainAsked) {
        if self.drain.is_none() {
            info!("asked to read everything to its end, and then to end");
            self.drain = Some(Drain::new(asked.deadline, Instant::now()));
            self.drain_app();
        }
        if let Some(drain) = &mut self.drain {
            drain.join(asked);
        }
    }

    /// Tells the service manager what is done now. A registry that cannot be saved is no reason to call it not ready:
    /// what is known already is delivered.
    fn tell_manager(&self) {
        if self.life.is_starting() && self.app.stats().registering.waiting.get() != 0 {
            self.life.begun();
        }
        if self.life.has_manager() {
            self.life.tell(&self.teller.status());
        }
    }

    fn step(&mut self, now: Instant) -> Option<End> {
        if self.teller.due() <= now {
            self.teller.step(now);
            self.tell_manager();
        }
        self.bars.step(now, &self.app.stats().backfill);
        if self.audit_at <= now {
            self.audit_at = now + audit_pause(self.settings);
            // Before the line of metrics, which tells what it found.
            let _ = self.app.auditor().audit(AUDIT_TIME_MAX);
        }
        self.reporter.step(now);
        if let Some(reload) = self.reload.as_mut().filter(|_| self.drain.is_none()) {
            reload.step(now, self.app);
        }
        let drain = self.drain.as_mut()?;
        let told = drain.step(now, || self.teller.status());
        if let (Some(status), Some(progress)) = (told, self.progress) {
            progress(self.settings, &status, self.teller.hidden());
        }
        if self.app.is_drained() {
            let unreadable = self.app.stats().reading.unreadable.get();
            return Some(if unreadable == 0 { End::Drained } else { End::Unreadable });
        }
        drain.deadline.is_some_and(|deadline| deadline <= now).then_some(End::Deadline)
    }
}

/// Says how a drain ended to those who asked for it.
fn drained(end: End) -> Drained {
    let reason = match end {
        End::Drained => "",
        End::Unreadable => "files or directories that match cannot be read, as the log says",
        End::Signal => "a signal has stopped it before",
        End::Deadline => "the deadline has come before",
        End::Output => "the output has ended before, and its log says why",
        End::Thread => "a thread has ended with a panic before, as its log says",
    };
    Drained { acknowledged: end == End::Drained, reason: reason.to_owned() }
}

/// Says that not all that was acknowledged was stored: who reads only the exit code is to find it in the last lines.
fn tell_dead_letters(documents: u64, dropped: u64) {
    if 0 < documents {
        let hint = "`shipper dlq list` says why, `shipper dlq replay` sends them again when that is mended";
        warn!(
            hint,
            documents,
            "the server refused documents for ever: they are kept as dead letters, and were not stored"
        );
    }
    if 0 < dropped {
        warn!(
            documents = dropped,
            "the server refused documents for ever: they were dropped, as the configuration says"
        );
    }
}

/// Counts the events that have not come to their end. What is spooled for a target that takes nothing has, as far as its file
/// is concerned.
fn unacknowledged(stats: &Stats) -> u64 {
    let figures = stats.snapshot();
    let ended = figures.sending.settled().saturating_add(figures.sending.spooled);
    figures.reading.events.saturating_sub(ended)
}

/// Says how it ended, with so many events `open`; `once`: the exit code is to tell whether all was acknowledged.
fn finish(end: End, stopped: Stopped, open: u64, once: bool) -> ExitCode {
    let incomplete = if once { ExitCode::from(NOT_ACKNOWLEDGED) } else { ExitCode::SUCCESS };
    match (end, stopped) {
        (End::Thread, _) | (_, Stopped::Fallen) => ExitCode::from(super::FAILED),
        (End::Drained, _) => {
            info!("everything was read and acknowledged");
            ExitCode::SUCCESS
        }
        (End::Unreadable, _) => {
            error!(
                hint = "the lines before say which, and why",
                "what could be read was acknowledged, but not all that matches could be read"
            );
            incomplete
        }
        (End::Signal, stopped) => {
            if once {
                warn!(
                    "a signal has come before all was read and acknowledged; the next start goes on there"
                );
            } else if stopped == Stopped::GivenUp || open != 0 {
                warn!(
                    events = open,
                    "stopped before all was acknowledged; the rest is read again at the next start"
                );
            }
            incomplete
        }
        (End::Deadline, _) => {
            error!(
                hint = "the next run goes on where this one was acknowledged",
                "the deadline has come before all was acknowledged"
            );
            incomplete
        }
        (End::Output, _) => {
            error!("the output has ended; nothing more can be delivered");
            ExitCode::from(super::FAILED)
        }
    }
}
