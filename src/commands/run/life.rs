//! Which part of its life the process is in, and the service manager who is told.

use crate::app::pulse::{Pulses, Silent};
use crate::manager::Manager;
use crate::status::{OutputState, Status};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tracing::{error, info};

/// Pauses between two looks whether all loops went round, in one half of the watchdog's time.
const LOOKS: u32 = 50;

/// Half of the time after which it is told that a thread makes no progress, where no service manager wants to hear of it.
const HALF: Duration = Duration::from_secs(30);

/// Least pause between two signs of life.
const HALF_MIN: Duration = Duration::from_millis(50);

/// A part of the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not all inputs have been looked at.
    Starting,
    /// It follows and delivers.
    Running,
    /// What is in flight is waited for.
    Stopping,
}

/// The life of the process.
#[derive(Debug)]
pub(super) struct Life {
    manager: Manager,
    phase: AtomicU8,
}

impl Life {
    pub(super) fn new(manager: Manager) -> Self {
        Self { manager, phase: AtomicU8::new(Phase::Starting as u8) }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Starting as u8 => Phase::Starting,
            phase if phase == Phase::Running as u8 => Phase::Running,
            _ => Phase::Stopping,
        }
    }

    pub(super) fn is_starting(&self) -> bool {
        self.phase() == Phase::Starting
    }

    /// Notes that everything runs.
    pub(super) fn begun(&self) {
        self.phase.store(Phase::Running as u8, Ordering::Release);
        self.manager.ready();
    }

    /// Notes that it stops.
    pub(super) fn stopping(&self) {
        self.phase.store(Phase::Stopping as u8, Ordering::Release);
        self.manager.stopping();
        self.manager.status("stopping: what is in flight is waited for");
    }

    pub(super) fn has_manager(&self) -> bool {
        self.manager.is_there()
    }

    /// Tells the manager what is done now.
    pub(super) fn tell(&self, status: &Status) {
        if self.phase() != Phase::Stopping {
            self.manager.status(&doing(self.phase(), status));
        }
    }

    /// Tells the manager, twice in the time in which it wants to hear it, that shipper lives: but only when every loop
    /// has gone round since it was told so last. Where one has not, that is in the log, whoever wants to hear it.
    pub(super) async fn watchdog(&self, pulses: &Pulses) {
        let within = self.manager.watchdog();
        let half = within.map_or(HALF, |within| (within / 2).max(HALF_MIN));
        let look = half / LOOKS;
        if within.is_some() {
            info!("the service manager is told every {half:?} that all threads make progress");
        }
        let mut watch = pulses.watch();
        let mut next = Instant::now();
        let mut told = None;
        loop {
            watch.ask(Instant::now());
            while let Some(silent) = watch.silent(Instant::now()) {
                tell_silent(&silent, half, within.is_some(), &mut told);
                tokio::time::sleep(look).await;
            }
            if let Some(thread) = told.take() {
                info!("the thread `{thread}` makes progress again");
            }
            if within.is_some() {
                self.manager.alive();
            }
            next = Instant::now().max(next + half);
            tokio::time::sleep_until(next.into()).await;
        }
    }
}

/// Says, once, that a loop has not gone round in time; where there is a service manager, it is about to end the process.
fn tell_silent(silent: &Silent, half: Duration, is_managed: bool, told: &mut Option<String>) {
    if half <= silent.since && told.as_ref() != Some(&silent.thread) {
        *told = Some(silent.thread.clone());
        let then = if is_managed {
            "the service manager is not told that shipper lives"
        } else {
            "what it does for all files waits"
        };
        error!(
            hint = "a file system that does not answer can be the cause; what is not acknowledged is read again",
            "the thread `{}` has made no progress for {:.0?}: {then}", silent.thread, silent.since
        );
    }
}

fn doing(phase: Phase, status: &Status) -> String {
    if phase == Phase::Starting {
        return "starting: looking at the inputs".to_owned();
    }
    let output = &status.output;
    let (files, flying) = (status.files_followed, status.events_in_flight);
    match (output.state, output.faults.first()) {
        (OutputState::Failing, Some(fault)) => {
            format!("{} fails: {}; {flying} events wait", fault.host, fault.reason)
        }
        (OutputState::Connecting, _) => {
            format!("connecting to {}; {files} files followed", output.kind)
        }
        _ => format!(
            "delivering to {}: {:.1} events a second, {flying} in flight, {files} files followed",
            output.kind, status.events_per_second
        ),
    }
}
