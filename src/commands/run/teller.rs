//! Puts together how the process fares.

use crate::app::{self, Auditor};
use crate::control;
use crate::ledger::AuditedEpoch;
use crate::logging::LastError;
use crate::settings::{OutputSettings, Settings};
use crate::stats::Stats;
use crate::stats::rate::Rate;
use crate::status::{
    self, Audit, CertificateFault, Hidden, HiddenFile, HostFault, Output, OutputState, Registry,
    Status,
};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for an audit: less than a client of the socket has.
const AUDIT_TIME_MAX: Duration = Duration::from_secs(1);

/// Most gaps of one epoch that are told.
const GAPS_MAX: usize = 8;

/// Most files that are told of one by one; a line of so many is shorter than an asker reads.
const HIDDEN_MAX: usize = 5000;

/// Tells how the process fares.
pub(super) struct Teller {
    stats: Arc<Stats>,
    last_error: LastError,
    output: &'static str,
    has_hosts: bool,
    started: Instant,
    rate: Mutex<Rate>,
    auditor: Auditor,
    /// When a drain began, if one did.
    drains_since: OnceLock<Instant>,
}

impl control::Teller for Arc<Teller> {
    fn status(&self) -> Status {
        Teller::status(self)
    }

    fn hidden(&self) -> Hidden {
        Teller::hidden(self)
    }

    fn audit(&self) -> Option<Audit> {
        let audit = self.auditor.audit(AUDIT_TIME_MAX)?;
        let ranges = |gap: &Range<u64>| (gap.start, gap.end);
        let epoch = |audited: &AuditedEpoch| status::AuditedEpoch {
            epoch: audited.epoch.to_string(),
            account: audited.account.columns().to_vec(),
            in_flight_bytes: audited.in_flight_bytes,
            missing: audited.missing.iter().take(GAPS_MAX).map(ranges).collect(),
        };
        Some(Audit {
            in_flight_bytes: audit.in_flight_bytes,
            missing_bytes: audit.missing_bytes,
            epochs: audit.epochs.iter().map(epoch).collect(),
        })
    }
}

impl Teller {
    pub(super) fn new(
        settings: &Settings,
        stats: Arc<Stats>,
        last_error: LastError,
        started: Instant,
        auditor: Auditor,
    ) -> Self {
        Self {
            auditor,
            stats,
            last_error,
            output: app::output_name(&settings.output),
            has_hosts: !matches!(settings.output, OutputSettings::Console),
            started,
            rate: Mutex::new(Rate::new(started)),
            drains_since: OnceLock::new(),
        }
    }

    /// Returns when to be called again.
    pub(super) fn due(&self) -> Instant {
        self.rate().due()
    }

    /// Notes that a drain is under way.
    pub(super) fn drains(&self, now: Instant) {
        let _ = self.drains_since.set(now);
    }

    pub(super) fn step(&self, now: Instant) {
        self.rate().step(now, self.stats.snapshot().sending.delivered());
    }

    /// Returns how the process fares now.
    pub(super) fn status(&self) -> Status {
        let now = Instant::now();
        let figures = self.stats.snapshot();
        let last_error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: milliseconds(now.saturating_duration_since(self.started)),
            output: self.output(now),
            events_in_flight: figures.reading.events.saturating_sub(figures.sending.settled()),
            events_per_second: self.rate().per_second(now, figures.sending.delivered()),
            files_open: count(figures.reading.open_files),
            files_followed: count(figures.reading.running),
            registry: Registry {
                entries: count(figures.registering.current),
                degraded: figures.registering.degraded != 0,
                missing_bytes: count(figures.registering.missing_bytes),
                lost_bytes: count(figures.registering.lost_ever_bytes),
                waiting: count(figures.registering.waiting),
            },
            dead_letters: figures.sending.dead_letters,
            unreadable_files: count(figures.reading.unreadable),
            unrescued_files: count(figures.reading.unrescued),
            rescue_bytes: count(figures.reading.rescue_bytes),
            drains_for_ms: self
                .drains_since
                .get()
                .map_or(0, |since| milliseconds(now.saturating_duration_since(*since)).max(1)),
            last_error: last_error.map(|(time, message)| status::LastError { time, message }),
        }
    }

    /// Returns how far behind the files are of which a look at the disk does not say it.
    pub(super) fn hidden(&self) -> Hidden {
        let files = self.stats.reading.hidden.files();
        let mut files: Vec<HiddenFile> = files
            .iter()
            .map(|file| HiddenFile {
                epoch: file.epoch.to_string(),
                size: file.size(),
                behind: file.behind(),
                is_held: file.is_held,
            })
            .collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.behind));
        let others = files.split_off(files.len().min(HIDDEN_MAX));
        Hidden { other_bytes: others.iter().map(|file| file.behind).sum(), files }
    }

    fn output(&self, now: Instant) -> Output {
        let hosts = self.stats.health.hosts();
        let state = if !self.has_hosts || hosts.values().any(|host| host.since.is_none()) {
            OutputState::Connected
        } else if hosts.is_empty() {
            OutputState::Connecting
        } else {
            OutputState::Failing
        };
        let fault = |(host, health): (String, crate::stats::health::HostHealth)| {
            let since = health.since?;
            let for_ms = milliseconds(now.saturating_duration_since(since));
            Some(HostFault { host, for_ms, reason: health.reason })
        };
        let faults = hosts.into_iter().filter_map(fault).collect();
        let certificates = self.stats.health.certificates();
        let certificates = certificates.since.map(|since| CertificateFault {
            for_ms: milliseconds(now.saturating_duration_since(since)),
            reason: certificates.reason,
        });
        Output { kind: self.output.to_owned(), state, faults, certificates }
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
