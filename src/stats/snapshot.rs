//! The numbers of one moment: plain data that the metrics line, the live view and the endpoint
//! read.

use crate::account::OUTCOMES;
use crate::stats::histogram::HistogramFigures;
use crate::stats::inputs::InputFigures;
use crate::stats::retries::RetryFigures;

/// All numbers of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Of the readers.
    pub reading: ReadingFigures,
    /// Of the listeners.
    pub listening: ListeningFigures,
    /// Of the output.
    pub sending: SendingFigures,
    /// Of the registrar.
    pub registering: RegisteringFigures,
    /// Of each input.
    pub inputs: Vec<InputFigures>,
}

/// What readers counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadingFigures {
    /// Bytes read and consumed, in whole lines.
    pub bytes: u64,
    /// Events made.
    pub events: u64,
    /// Events whose line no parser recognised.
    pub unparsed: u64,
    /// Lines that needed no event.
    pub filtered: u64,
    /// Bytes skipped by an option.
    pub skipped_bytes: u64,
    /// Bytes known to be lost.
    pub lost_bytes: u64,
    /// NUL bytes of holes that were skipped.
    pub hole_bytes: u64,
    /// Requests by status class: `[0]` unknown, `[1]` 1xx … `[5]` 5xx.
    pub status: [u64; 6],
    /// Response bytes of the requests seen.
    pub response_bytes: u64,
    /// Files begun.
    pub started: u64,
    /// Files closed.
    pub closed: u64,
    /// Files followed at that moment.
    pub running: i64,
    /// Removed files that keep their disk space.
    pub unrescued: i64,
    /// Removed files that were rescued.
    pub rescued: u64,
    /// Bytes that rescues took on the disk.
    pub rescue_bytes: i64,
    /// Files open at that moment.
    pub open_files: i64,
    /// Files and directories that could not be read then.
    pub unreadable: i64,
    /// Bytes on disk that were not read yet.
    pub lag_bytes: i64,
    /// Rotations seen.
    pub rotations: u64,
    /// Errors of reading, listing or opening.
    pub errors: u64,
}

/// What listeners counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListeningFigures {
    /// Messages that became events.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages of which a part was left out.
    pub truncated: u64,
    /// Bytes of these parts, as far as they came.
    pub skipped_bytes: u64,
    /// Datagrams that the kernel had no room for.
    pub dropped: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections at that moment.
    pub connections: i64,
    /// Connections that were ended because no message was completed for too long.
    pub timeouts: u64,
    /// Times when no more connections were accepted.
    pub full: u64,
    /// Connections that failed, and failures to accept or to receive.
    pub errors: u64,
}

/// What the output counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendingFigures {
    /// Bulk requests begun.
    pub batches: u64,
    /// Events handed to the output.
    pub total: u64,
    /// Events that the server took.
    pub acked: u64,
    /// Events to be sent again, each time, and why.
    pub retries: RetryFigures,
    /// Events that the server had already.
    pub duplicates: u64,
    /// Events written to the dead letters.
    pub dead_letters: u64,
    /// Events dropped because the server refused them for ever.
    pub dropped: u64,
    /// Documents spooled because their target took none.
    pub spooled: u64,
    /// Targets of which documents were spooled at that moment.
    pub blocked_targets: i64,
    /// 1 while certificates or keys have changed and cannot be used.
    pub unusable_certificates: i64,
    /// Items answered 429.
    pub toomany: u64,
    /// Events in the output's hands at that moment.
    pub active: i64,
    /// Bytes written to the network.
    pub write_bytes: u64,
    /// Requests that failed before an answer came.
    pub write_errors: u64,
    /// Bytes of answers.
    pub read_bytes: u64,
    /// Answers that could not be understood.
    pub read_errors: u64,
    /// Batches waiting for a retry or a pause at that moment.
    pub blocked: i64,
    /// Connections established again after a failure.
    pub reconnects: u64,
    /// Time from a request to its answer, or to its failure.
    pub latency: HistogramFigures,
}

impl SendingFigures {
    /// Returns how many events the server has: stored, or stored before.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.acked + self.duplicates
    }

    /// Returns how many events are done with: stored, stored before, or written to the dead
    /// letters.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.acked + self.duplicates + self.dead_letters + self.dropped
    }
}

/// What the registrar counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisteringFigures {
    /// Entries at that moment.
    pub current: i64,
    /// Entries changed.
    pub updates: u64,
    /// Writes tried.
    pub writes: u64,
    /// Writes that succeeded.
    pub writes_succeeded: u64,
    /// 1 while offsets could not be saved or the registry was damaged.
    pub degraded: i64,
    /// Bytes settled, by `position::Outcome`.
    pub settled: [u64; OUTCOMES],
    /// Bytes on their way, at the last audit.
    pub in_flight_bytes: i64,
    /// Bytes read that are neither settled nor on their way, at the last audit.
    pub missing_bytes: i64,
    /// Bytes lost of all files that the registry ever had an account of.
    pub lost_ever_bytes: i64,
    /// Files that waited for their entries to be saved.
    pub waiting: i64,
}
