//! Counters of the whole process: written by the data path, never read by it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `more`.
    pub fn add(&self, more: u64) {
        if more != 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Returns the sum.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `change`, which may be negative.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns it.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What readers count.
#[derive(Debug, Default)]
pub struct Reading {
    /// Bytes read and consumed, in whole lines.
    pub bytes: Counter,
    /// Events made.
    pub events: Counter,
    /// Events whose line no parser recognised; shipped with `message` alone.
    pub unparsed: Counter,
    /// Lines that needed no event (empty ones).
    pub filtered: Counter,
    /// Bytes skipped by an option.
    pub skipped_bytes: Counter,
    /// Bytes known to be lost.
    pub lost_bytes: Counter,
    /// NUL bytes of holes that were skipped.
    pub hole_bytes: Counter,
    /// Requests by status class: `[0]` unknown, `[1]` 1xx … `[5]` 5xx.
    pub status: [Counter; 6],
    /// Response bytes of the requests seen.
    pub response_bytes: Counter,
    /// Files begun.
    pub started: Counter,
    /// Files closed.
    pub closed: Counter,
    /// Files followed now.
    pub running: Gauge,
    /// Files open now.
    pub open_files: Gauge,
    /// Bytes on disk that are not read yet, at the last look.
    pub lag_bytes: Gauge,
    /// Rotations seen (rename, replacement, truncation).
    pub rotations: Counter,
    /// Errors of reading, listing or opening.
    pub errors: Counter,
}

/// What outputs count.
#[derive(Debug, Default)]
pub struct Sending {
    /// Bulk requests begun.
    pub batches: Counter,
    /// Events handed to the output, each counted once.
    pub total: Counter,
    /// Events that the server took.
    pub acked: Counter,
    /// Events to be sent again, each time.
    pub failed: Counter,
    /// Events that the server had already.
    pub duplicates: Counter,
    /// Events written to the dead letters.
    pub dead_letters: Counter,
    /// Items answered 429.
    pub toomany: Counter,
    /// Events in the output's hands now.
    pub active: Gauge,
    /// Bytes written to the network, headers left out.
    pub write_bytes: Counter,
    /// Requests that failed before an answer came.
    pub write_errors: Counter,
    /// Bytes of answers.
    pub read_bytes: Counter,
    /// Answers that could not be understood.
    pub read_errors: Counter,
    /// Batches waiting for a retry or a pause now.
    pub blocked: Gauge,
    /// Connections established again after a failure.
    pub reconnects: Counter,
    /// Time between an answer and its request, summed, in microseconds.
    pub latency_us: Counter,
}

/// What the registrar counts.
#[derive(Debug, Default)]
pub struct Registering {
    /// Entries now.
    pub current: Gauge,
    /// Entries changed.
    pub updates: Counter,
    /// Writes tried.
    pub writes: Counter,
    /// Writes that succeeded.
    pub writes_succeeded: Counter,
    /// 1 while offsets cannot be saved or the registry was found damaged.
    pub degraded: Gauge,
}

/// All counters of the process.
#[derive(Debug, Default)]
pub struct Stats {
    /// Reading.
    pub reading: Reading,
    /// Sending.
    pub sending: Sending,
    /// Registering.
    pub registering: Registering,
}
