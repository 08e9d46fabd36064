//! The demo: the real pipeline between a generator of traffic and a receiver on loopback.
//!
//! A real file is written and rotated, followed, parsed and sent as bulk requests over HTTP; only
//! the web server and Elasticsearch are played. Nothing outlives the demo: its files are in a
//! directory of its own that is removed at the end.

pub mod generator;
mod keys;
mod meter;
mod notice;
pub mod receiver;
mod screen;
mod traffic;
pub mod view;

use crate::app::{self, App, AppError};
use crate::discovery;
use crate::hint::Advised;
use crate::settings::{
    ElasticsearchSettings, InputSettings, OutputSettings, PathSettings, QueueSettings,
    RegistrySettings, Settings,
};
use crate::wake::Wake;
use keys::Wish;
use meter::Meter;
use notice::Moment;
use receiver::{Counts, Mode, Receiver, ReceiverError};
use screen::Screen;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use traffic::{Plan, Traffic, TrafficError, Written};
use view::{Snapshot, grouped};

/// Time between two rotations of the log: even a demo of ten seconds has one.
const ROTATE_EVERY: Duration = Duration::from_secs(7);
/// Longest wait of a line for its batch: short, so that the view is lively.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(100);
/// Longest wait, at the end, for the last lines to arrive.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pause between two looks at the end, and for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// What helps where files cannot be written.
const ELSEWHERE: &str = "set TMPDIR to a directory that can be written and has room";

/// What the person who starts the demo can choose.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Lines written each second, on average; at least 1.
    pub rate: u32,
    /// Port of the receiver; 0 for any that is free.
    pub port: u16,
    /// Ends by itself after this time; `None`: when the person ends it.
    pub run_for: Option<Duration>,
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines written to the log.
    pub written: u64,
    /// Of these, documents stored by the receiver.
    pub delivered: u64,
    /// Documents that came again and were recognised by their id.
    pub duplicates: u64,
    /// Documents that the receiver could not read.
    pub rejected: u64,
    /// Documents sent again after a failure.
    pub retries: u64,
    /// Rotations of the log.
    pub rotations: u64,
    /// From the first line to the last document.
    pub elapsed: Duration,
}

impl Summary {
    /// Returns how many lines did not arrive.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.written.saturating_sub(self.delivered)
    }

    /// Tells whether each line was delivered, and once.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.written == self.delivered && self.duplicates == 0 && self.rejected == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = u128::from(self.delivered) * 1000 / self.elapsed.as_millis().max(1);
        writeln!(formatter, "lines written  {:>12}", grouped(self.written))?;
        writeln!(formatter, "delivered      {:>12}", grouped(self.delivered))?;
        writeln!(formatter, "lost           {:>12}", grouped(self.lost()))?;
        writeln!(formatter, "duplicates     {:>12}", grouped(self.duplicates))?;
        writeln!(formatter, "retries        {:>12}", grouped(self.retries))?;
        if 0 < self.rejected {
            writeln!(formatter, "rejected       {:>12}", grouped(self.rejected))?;
        }
        write!(
            formatter,
            "rotations      {:>12}\nin {}.{} s, {per_second} lines/s",
            grouped(self.rotations),
            self.elapsed.as_secs(),
            self.elapsed.subsec_millis() / 100
        )
    }
}

/// Why the demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The receiver cannot listen.
    #[error("cannot start the demo's receiver")]
    Receiver(#[source] Advised),
    /// There is no place for the demo's files.
    #[error("cannot make a directory for the demo")]
    Directory(#[source] Advised),
    /// The log cannot be written.
    #[error("cannot play the web server")]
    Traffic(#[source] Advised),
    /// The terminal or the output is gone.
    #[error("cannot write to the terminal")]
    Screen(#[source] io::Error),
    /// No thread or no signal handler is to be had.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The pipeline cannot start.
    #[error("cannot start the pipeline")]
    Pipeline(#[from] AppError),
}

impl From<ReceiverError> for DemoError {
    fn from(error: ReceiverError) -> Self {
        let hint = error.hint();
        Self::Receiver(Advised::new(error, hint))
    }
}

impl From<TrafficError> for DemoError {
    fn from(error: TrafficError) -> Self {
        Self::Traffic(Advised::new(error, ELSEWHERE))
    }
}

/// Runs the demo until its time is over or someone ends it.
///
/// Draws to standard output when that is a terminal, else writes a line each second. Logs nothing
/// itself, and what the pipeline logs goes where the caller has it go.
///
/// # Errors
/// If anything that it plays or shows cannot be had.
pub fn run(options: &Options) -> Result<Summary, DemoError> {
    let stop = Arc::new(Stop::default());
    listen_to_signals(Arc::clone(&stop)).map_err(DemoError::Signals)?;
    let directory = tempfile::Builder::new()
        .prefix("shipper-demo-")
        .tempdir()
        .map_err(|error| DemoError::Directory(Advised::new(error, ELSEWHERE)))?;
    let receiver = Receiver::start(receiver::Options::new(options.port, Mode::Look))?;
    let log = directory.path().join("access.log");
    let settings = settings(directory.path(), &log, &receiver.url());
    let from_start = app::Options { from: discovery::From::Start, exchanges: false };
    let pipeline = App::start(&settings, from_start, Arc::default())?;
    let traffic = Traffic::start(Plan {
        path: log.clone(),
        rate: options.rate.max(1),
        rotate_every: ROTATE_EVERY,
        seed: u64::from(std::process::id()),
    })?;
    let start = Instant::now();
    let mut stage = Stage {
        start,
        log,
        receiver,
        pipeline,
        traffic,
        delivered: Meter::default(),
        written: Meter::default(),
        rotated: None,
        ending: false,
    };
    let mut screen = Screen::open(start).map_err(DemoError::Screen)?;
    let played = stage.play(&mut screen, options.run_for, &stop);
    drop(screen);
    let summary = stage.end();
    played.map(|()| summary)
}

/// Returns the settings of the pipeline: those of a short `shipper.yml`, with a shorter flush time.
fn settings(directory: &Path, log: &Path, receiver: &str) -> Settings {
    let data = directory.join("data");
    let input = InputSettings {
        id: Some("demo".to_owned()),
        paths: vec![log.to_string_lossy().into_owned()],
        scan_interval: Duration::from_secs(1),
        ..InputSettings::default()
    };
    let output = ElasticsearchSettings {
        hosts: vec![receiver.to_owned()],
        proxy_disable: true,
        ..ElasticsearchSettings::default()
    };
    Settings {
        inputs: vec![input],
        output: OutputSettings::Elasticsearch(Box::new(output)),
        queue: QueueSettings { flush_timeout: FLUSH_TIMEOUT, ..QueueSettings::default() },
        registry: RegistrySettings { path: data.join("registry"), ..RegistrySettings::default() },
        paths: PathSettings { home: directory.to_owned(), data, logs: directory.join("logs") },
        shutdown_timeout: PATIENCE,
        ..Settings::default()
    }
}

/// Everything that runs.
struct Stage {
    start: Instant,
    log: PathBuf,
    receiver: Receiver,
    pipeline: App,
    traffic: Traffic,
    delivered: Meter,
    written: Meter,
    /// How many rotations were seen, and when the last one was.
    rotated: Option<(u64, Instant)>,
    /// Whether nothing more is written.
    ending: bool,
}

impl Stage {
    /// Shows the figures until it is time to end and all that was written has arrived.
    fn play(
        &mut self,
        screen: &mut Screen,
        run_for: Option<Duration>,
        stop: &Stop,
    ) -> Result<(), DemoError> {
        self.watch(screen, run_for, stop)?;
        let written = self.traffic.stop()?;
        self.ending = true;
        self.drain(screen, written)
    }

    /// Shows the figures until it is time to end.
    fn watch(
        &mut self,
        screen: &mut Screen,
        run_for: Option<Duration>,
        stop: &Stop,
    ) -> Result<(), DemoError> {
        loop {
            let now = Instant::now();
            let left = run_for.map(|run_for| run_for.saturating_sub(now - self.start));
            if left == Some(Duration::ZERO) || stop.is_asked() || self.traffic.has_failed() {
                return Ok(());
            }
            screen.show(&self.snapshot(now), now).map_err(DemoError::Screen)?;
            let pause = screen.pause(now).min(left.unwrap_or(Duration::MAX));
            match screen.wish(pause).map_err(DemoError::Screen)? {
                Some(Wish::End) => return Ok(()),
                Some(Wish::Watch) => {}
                None => stop.wait(pause),
            }
        }
    }

    /// Waits until all that was written has arrived, and shows that.
    fn drain(&mut self, screen: &mut Screen, written: Written) -> Result<(), DemoError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            screen.show(&self.snapshot(now), now).map_err(DemoError::Screen)?;
            if written.lines <= self.receiver.counts().documents || deadline <= now {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
    }

    /// Stops everything, in the order in which lines go.
    fn end(mut self) -> Summary {
        // An error of the log was told by `play`.
        drop(self.traffic.stop());
        let written = self.traffic.written();
        let elapsed = self.start.elapsed();
        let retries = self.pipeline.stats().sending.retries.figures().sum();
        // What is not acknowledged shows in the summary as lost.
        let _ = self.pipeline.stop(std::future::pending());
        let Counts { documents, duplicates, rejected, .. } = self.receiver.stop();
        Summary {
            written: written.lines,
            delivered: documents,
            duplicates,
            rejected,
            retries,
            rotations: written.rotations,
            elapsed,
        }
    }

    fn snapshot(&mut self, now: Instant) -> Snapshot {
        let elapsed = now - self.start;
        let counts = self.receiver.counts();
        // After the counts, so that never more is delivered than written.
        let written = self.traffic.written();
        self.delivered.take(elapsed, counts.documents);
        self.written.take(elapsed, written.lines);
        let lag = self.traffic.delivered(counts.documents, now);
        if self.rotated.map_or(0, |(rotations, _)| rotations) < written.rotations {
            self.rotated = Some((written.rotations, now));
        }
        let moment = Moment {
            rejected: counts.rejected,
            since_rotation: self.rotated.map(|(_, at)| now - at),
            ending: self.ending,
        };
        let mut snapshot = Snapshot {
            elapsed,
            written: written.lines,
            delivered: counts.documents,
            duplicates: counts.duplicates,
            retries: self.pipeline.stats().sending.retries.figures().sum(),
            lag_bytes: lag.bytes,
            lag: lag.age,
            status: counts.status,
            requests_per_minute: self.delivered.per_minute(),
            lines_per_second: self.written.last_second(),
            history: self.delivered.history(),
            file: self.log.display().to_string(),
            rotations: written.rotations,
            receiver: self.receiver.url(),
            notice: None,
        };
        snapshot.notice = notice::notice(&snapshot, moment);
        snapshot
    }
}

/// Whether someone asked for the end.
#[derive(Debug, Default)]
struct Stop {
    asked: AtomicBool,
    wake: Wake,
}

impl Stop {
    fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.wake.ring();
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn wait(&self, longest: Duration) {
        self.wake.wait(longest);
    }
}

/// Takes Ctrl-C, a hang-up and the signal to terminate for the wish to end.
fn listen_to_signals(stop: Arc<Stop>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(guard);
    // The thread lives as long as the process: the signals stay caught until its end.
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
                stop.ask();
            }
        });
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::receiver::{Mode, Options, Receiver};
    use super::{DemoError, Summary};
    use crate::hint::report;
    use std::time::Duration;

    fn clean() -> Summary {
        Summary {
            written: 5_021,
            delivered: 5_021,
            rotations: 1,
            elapsed: Duration::from_millis(10_040),
            ..Summary::default()
        }
    }

    #[test]
    fn only_a_demo_that_delivered_each_line_once_is_clean() {
        assert!(clean().is_clean());
        for unclean in [
            Summary { delivered: 5_020, ..clean() },
            Summary { delivered: 5_022, ..clean() },
            Summary { duplicates: 1, ..clean() },
            Summary { rejected: 1, ..clean() },
        ] {
            assert!(!unclean.is_clean(), "{unclean:?}");
        }
        assert!(Summary { retries: 7, ..clean() }.is_clean());
    }

    #[test]
    fn the_summary_tells_what_was_lost_and_what_came_twice() {
        let text = Summary { written: 6_000, duplicates: 2, ..clean() }.to_string();
        let expected = "\
            lines written         6,000\n\
            delivered             5,021\n\
            lost                    979\n\
            duplicates                2\n\
            retries                   0\n\
            rotations                 1\n\
            in 10.0 s, 500 lines/s";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_taken_port_ends_the_demo_with_what_to_do() {
        let first = Receiver::start(Options::new(0, Mode::Count)).unwrap();
        let port = first.address().port();
        let error = DemoError::from(Receiver::start(Options::new(port, Mode::Look)).unwrap_err());
        let expected = format!(
            "error: cannot start the demo's receiver: cannot listen on `127.0.0.1:{port}`: \
             Address already in use (os error 98)\n\
             hint: another program has this port: choose another one with --port, or leave --port \
             out to get any that is free\n"
        );
        assert_eq!(report(&error, &[]), expected);
    }
}
