//! Counters of the whole process: written by the data path, never read by it.

use crate::account::OUTCOMES;
pub use counter::{Counter, Gauge};
use histogram::Histogram;
use inputs::{InputName, Inputs};
use retries::Retries;
use snapshot::{ListeningFigures, ReadingFigures, RegisteringFigures, SendingFigures, Snapshot};

pub mod backfill;
pub mod counter;
pub mod exposition;
pub mod files;
pub mod health;
pub mod histogram;
pub mod inputs;
pub mod metrics;
pub mod prometheus;
pub mod rate;
pub mod retries;
pub mod rollup;
pub mod snapshot;

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
    /// Removed files that cannot be rescued now, and keep their disk space.
    pub unrescued: Gauge,
    /// Removed files that were rescued, each time.
    pub rescued: Counter,
    /// Bytes that rescues take on the disk now.
    pub rescue_bytes: Gauge,
    /// Files that match, and directories, that cannot be read now.
    pub unreadable: Gauge,
    /// Bytes on disk that are not read yet, at the last look.
    pub lag_bytes: Gauge,
    /// The files of which a look at the disk does not say how far behind they are.
    pub hidden: files::Hidden,
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
    /// Events to be sent again, each time, and why.
    pub retries: Retries,
    /// Events that the server had already.
    pub duplicates: Counter,
    /// Events written to the dead letters.
    pub dead_letters: Counter,
    /// Events that the server refused for ever and that are dropped, as the configuration says.
    pub dropped: Counter,
    /// Documents spooled because their target takes none now.
    pub spooled: Counter,
    /// Targets of which documents are spooled now.
    pub blocked_targets: Gauge,
    /// 1 while certificates or keys have changed and cannot be used.
    pub unusable_certificates: Gauge,
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
    /// Time from a request to its answer, or to its failure.
    pub latency: Histogram,
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
    /// Bytes settled, by `position::Outcome`.
    pub settled: [Counter; OUTCOMES],
    /// Bytes on their way, at the last audit.
    pub in_flight_bytes: Gauge,
    /// Bytes read that are neither settled nor on their way, at the last audit.
    pub missing_bytes: Gauge,
    /// Bytes lost of all files that the registry ever had an account of.
    pub lost_ever_bytes: Gauge,
    /// Files of which nothing is read yet because their entries are not saved.
    pub waiting: Gauge,
}

/// What listeners count.
#[derive(Debug, Default)]
pub struct Listening {
    /// Messages that became events.
    pub messages: Counter,
    /// Their bytes.
    pub bytes: Counter,
    /// Messages of which a part was left out.
    pub truncated: Counter,
    /// Bytes of these parts, as far as they came.
    pub skipped_bytes: Counter,
    /// Datagrams that the kernel had no room for.
    pub dropped: Counter,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections now.
    pub connections: Gauge,
    /// Connections that were ended because no message was completed for too long.
    pub timeouts: Counter,
    /// Times when no more connections were accepted because there were as many as there may be.
    pub full: Counter,
    /// Connections that failed, and failures to accept or to receive.
    pub errors: Counter,
}

/// All counters of the process.
#[derive(Debug, Default)]
pub struct Stats {
    /// Reading.
    pub reading: Reading,
    /// Listening.
    pub listening: Listening,
    /// Sending.
    pub sending: Sending,
    /// Registering.
    pub registering: Registering,
    /// What each input counts.
    pub inputs: Inputs,
    /// How the output's hosts fare.
    pub health: health::Health,
    /// What was there to be read at the start.
    pub backfill: backfill::Backfill,
}

impl Stats {
    /// Makes counters for a process with these inputs.
    #[must_use]
    pub fn of_inputs(names: impl IntoIterator<Item = InputName>) -> Self {
        Self { inputs: Inputs::new(names), ..Self::default() }
    }

    /// Returns all numbers as they are now.
    ///
    /// Writers go on meanwhile. What ends an event is read before what begins one, so that never
    /// more events are seen settled than made.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let registering = self.registering.figures();
        let sending = self.sending.figures();
        let reading = self.reading.figures();
        let listening = self.listening.figures();
        let inputs = self.inputs.figures();
        Snapshot { reading, listening, sending, registering, inputs }
    }
}

impl Reading {
    fn figures(&self) -> ReadingFigures {
        ReadingFigures {
            bytes: self.bytes.get(),
            events: self.events.get(),
            unparsed: self.unparsed.get(),
            filtered: self.filtered.get(),
            skipped_bytes: self.skipped_bytes.get(),
            lost_bytes: self.lost_bytes.get(),
            hole_bytes: self.hole_bytes.get(),
            status: self.status.each_ref().map(Counter::get),
            response_bytes: self.response_bytes.get(),
            started: self.started.get(),
            closed: self.closed.get(),
            running: self.running.get(),
            unrescued: self.unrescued.get(),
            rescued: self.rescued.get(),
            rescue_bytes: self.rescue_bytes.get(),
            open_files: self.open_files.get(),
            unreadable: self.unreadable.get(),
            lag_bytes: self.lag_bytes.get(),
            rotations: self.rotations.get(),
            errors: self.errors.get(),
        }
    }
}

impl Listening {
    fn figures(&self) -> ListeningFigures {
        ListeningFigures {
            messages: self.messages.get(),
            bytes: self.bytes.get(),
            truncated: self.truncated.get(),
            skipped_bytes: self.skipped_bytes.get(),
            dropped: self.dropped.get(),
            accepted: self.accepted.get(),
            connections: self.connections.get(),
            timeouts: self.timeouts.get(),
            full: self.full.get(),
            errors: self.errors.get(),
        }
    }
}

impl Sending {
    fn figures(&self) -> SendingFigures {
        SendingFigures {
            acked: self.acked.get(),
            duplicates: self.duplicates.get(),
            dead_letters: self.dead_letters.get(),
            dropped: self.dropped.get(),
            spooled: self.spooled.get(),
            blocked_targets: self.blocked_targets.get(),
            unusable_certificates: self.unusable_certificates.get(),
            total: self.total.get(),
            retries: self.retries.figures(),
            batches: self.batches.get(),
            toomany: self.toomany.get(),
            active: self.active.get(),
            write_bytes: self.write_bytes.get(),
            write_errors: self.write_errors.get(),
            read_bytes: self.read_bytes.get(),
            read_errors: self.read_errors.get(),
            blocked: self.blocked.get(),
            reconnects: self.reconnects.get(),
            latency: self.latency.figures(),
        }
    }
}

impl Registering {
    fn figures(&self) -> RegisteringFigures {
        RegisteringFigures {
            current: self.current.get(),
            updates: self.updates.get(),
            writes_succeeded: self.writes_succeeded.get(),
            writes: self.writes.get(),
            degraded: self.degraded.get(),
            settled: self.settled.each_ref().map(Counter::get),
            in_flight_bytes: self.in_flight_bytes.get(),
            missing_bytes: self.missing_bytes.get(),
            lost_ever_bytes: self.lost_ever_bytes.get(),
            waiting: self.waiting.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_holds_what_was_counted() {
        let stats = Stats::default();
        stats.reading.events.add(7);
        stats.reading.status[2].add(6);
        stats.reading.open_files.add(2);
        stats.sending.acked.add(4);
        stats.sending.active.add(3);
        stats.registering.current.set(1);
        let mut expected = Snapshot::default();
        expected.reading.events = 7;
        expected.reading.status = [0, 0, 6, 0, 0, 0];
        expected.reading.open_files = 2;
        expected.sending.acked = 4;
        expected.sending.active = 3;
        expected.registering.current = 1;
        assert_eq!(stats.snapshot(), expected);
    }
}
