//! `shipper run`: follow, ship, stop in order.

use super::NOT_ACKNOWLEDGED;
use super::report::{self, Failure};
use crate::app::{self, App, Options, Stopped};
use crate::cli::{Cli, FromArg};
use crate::config::Loaded;
use crate::discovery::From;
use crate::disk::RealDisk;
use crate::logging;
use crate::reporter::MetricsReporter;
use crate::settings::{LogLevel, Settings};
use crate::stats::Stats;
use crate::stats::metrics::Constants;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

/// Pause between two looks whether `--once` is done.
const LOOK: Duration = Duration::from_millis(10);

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A signal asked for it.
    Signal,
    /// `--once`: all is acknowledged.
    Drained,
    /// `--once`: the time is over.
    Deadline,
    /// The output cannot go on.
    Output,
}

/// Runs until a signal, or with `--once` until all is acknowledged.
pub(super) fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let Loaded { mut settings, unneeded, warnings, .. } = report::load(&cli.config)?;
    if cli.config.to_stderr {
        settings.logging.to_stderr = true;
        settings.logging.files = None;
    }
    let mut selectors = settings.logging.selectors.clone();
    if let Some(debug) = &cli.config.debug {
        selectors.extend(debug.split(',').map(|part| part.trim().to_owned()));
        settings.logging.level = LogLevel::Debug;
    }
    let (logging, writer) = logging::init(&settings.logging, &selectors)?;
    let log_thread =
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
    let result = supervise(cli, &settings, started, &unneeded, &warnings);
    drop(logging);
    drop(log_thread);
    result
}

fn supervise(
    cli: &Cli,
    settings: &Settings,
    started: Instant,
    unneeded: &[String],
    warnings: &[String],
) -> Result<ExitCode, Failure> {
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
    let stats = Arc::new(Stats::default());
    let from = match cli.run.from {
        FromArg::Start => From::Start,
        FromArg::Now => From::Now,
    };
    let app = App::start(settings, Options { from }, Arc::clone(&stats))?;
    let constants = Constants {
        name: "shipper",
        version: env!("CARGO_PKG_VERSION"),
        ephemeral_id: app.host().ephemeral_id.clone(),
        output: app::output_name(&settings.output),
        inputs: settings.inputs.len() as u64,
        cores: crate::reporter::process::cores(),
    };
    let period = settings.logging.metrics_period;
    let mut reporter =
        MetricsReporter::new(RealDisk, stats, Some(app.pool().clone()), constants, period, started);
    let end = app.runtime().clone().block_on(wait(cli, &app, &mut reporter, started))?;
    let stopped = app.stop();
    reporter.finish(Instant::now());
    Ok(finish(end, stopped))
}

/// Waits for the end, and has the metrics told meanwhile.
async fn wait(
    cli: &Cli,
    app: &App,
    reporter: &mut MetricsReporter<RealDisk>,
    started: Instant,
) -> std::io::Result<End> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    if cli.run.once {
        app.drain();
    }
    let deadline = cli.run.deadline.map(|longest| started + longest);
    loop {
        let look = cli.run.once.then(|| Instant::now() + LOOK);
        let next = [reporter.due(), look, deadline].into_iter().flatten().min();
        let sleep = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => return Ok(End::Signal),
            _ = terminate.recv() => return Ok(End::Signal),
            _ = hangup.recv() => return Ok(End::Signal),
            () = app.output_ended() => return Ok(End::Output),
            () = sleep => {}
        }
        let now = Instant::now();
        if reporter.due().is_some_and(|due| due <= now) {
            reporter.step(now);
        }
        if cli.run.once && app.is_drained() {
            return Ok(End::Drained);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(End::Deadline);
        }
    }
}

fn finish(end: End, stopped: Stopped) -> ExitCode {
    match (end, stopped) {
        (End::Drained, _) => {
            info!("everything was read and acknowledged");
            ExitCode::SUCCESS
        }
        (End::Signal, Stopped::Settled) => ExitCode::SUCCESS,
        (End::Signal, Stopped::GivenUp) => {
            warn!("stopped before all was acknowledged; the rest is read again at the next start");
            ExitCode::SUCCESS
        }
        (End::Deadline, _) => {
            error!(
                hint = "the next run goes on where this one was acknowledged",
                "the deadline has come before all was acknowledged"
            );
            ExitCode::from(NOT_ACKNOWLEDGED)
        }
        (End::Output, _) => {
            error!("the output has ended; nothing more can be delivered");
            ExitCode::from(super::FAILED)
        }
    }
}
