//! From whole messages into the open batch, and from there to the queue.

use crate::account::Held;
use crate::batch::{BatchBuilder, BatchLimits};
use crate::ledger::Ledger;
use crate::pipeline::{Consumed, Message, Moment, Pipeline, Source, Stop};
use crate::pool::{BUFFER_BYTES, JUMBO_BYTES_MAX, Pool};
use crate::position::{AckRange, Epoch, Point, Proof};
use crate::queue::Sender;
use crate::stats::Stats;
use crate::wake::Wake;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Room in a jumbo buffer beside the escaped message, in bytes.
const ROOM_FOR_FIELDS: usize = 64 << 10;

/// Bytes that one byte of a message can become in JSON.
const ESCAPED_BYTES_MAX: usize = 6;

/// The time of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: Instant,
    pub(super) moment: Moment,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in a batch, or needs no event.
    Done,
    /// There is no buffer for it.
    Starved,
    /// The outputs have gone.
    Closed,
}

/// What is on its way to the output and not settled yet.
#[derive(Debug, Clone, Default)]
pub struct OnTheWay(Arc<Mutex<Vec<Weak<Held>>>>);

impl OnTheWay {
    /// Tells whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.strong_count() != 0);
        held.is_empty()
    }

    fn add(&self, added: Weak<Held>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.strong_count() != 0);
        held.push(added);
    }
}

/// What the messages of one listener become.
pub(super) struct Lane {
    /// Index of its input.
    input: usize,
    pub(super) pipeline: Pipeline,
    pub(super) epoch: Epoch,
    /// Bytes of messages so far: where the next one begins.
    at: u64,
}

impl Lane {
    pub(super) fn new(input: usize, pipeline: Pipeline, epoch: Epoch) -> Self {
        Self { input, pipeline, epoch, at: 0 }
    }
}

/// A message and where it came from.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub(super) source: &'a Source,
    pub(super) text: &'a [u8],
    /// Bytes that it took.
    pub(super) raw_length: usize,
    pub(super) truncated: bool,
}

/// The open batch, and where it goes.
pub(super) struct Flow {
    pub(super) wake: Arc<Wake>,
    pub(super) pool: Pool,
    pub(super) queue: Sender,
    pub(super) ledger: Ledger,
    pub(super) stats: Arc<Stats>,
    pub(super) limits: BatchLimits,
    pub(super) flush_timeout: Duration,
    pub(super) on_the_way: OnTheWay,
    pub(super) batch: Option<BatchBuilder>,
}

impl Flow {
    /// Tells whether there is an open batch, after trying to open one.
    pub(super) fn has_batch(&mut self) -> bool {
        if self.batch.is_none() {
            let buffer = self.pool.try_take(&self.wake);
            self.batch = buffer.map(|buffer| self.builder(buffer, self.limits));
        }
        self.batch.is_some()
    }

    fn builder(&self, buffer: crate::pool::Buffer, limits: BatchLimits) -> BatchBuilder {
        let held = self.ledger.hold();
        self.on_the_way.add(Arc::downgrade(&held));
        BatchBuilder::new(buffer, limits).held(held)
    }

    /// Puts a message into the open batch, or one that follows it.
    pub(super) fn put(&mut self, lane: &mut Lane, sent: Sent<'_>, clock: Clock) -> Put {
        loop {
            if !self.has_batch() {
                return Put::Starved;
            }
            let batch = self.batch.as_mut().expect("a batch was opened just above");
            let was_empty = batch.items() == 0;
            let consumed = run(lane, sent, clock, batch);
            if consumed.stop != Stop::Full {
                self.count(lane.input, &consumed, sent.truncated);
                return Put::Done;
            }
            if was_empty {
                return self.put_large(lane, sent, clock);
            }
            if !self.send_batch() {
                return Put::Closed;
            }
        }
    }

    /// Puts a message that is too large for an empty batch into one of its own.
    fn put_large(&mut self, lane: &mut Lane, sent: Sent<'_>, clock: Clock) -> Put {
        let bytes = sent.text.len().saturating_mul(ESCAPED_BYTES_MAX) + ROOM_FOR_FIELDS;
        let bytes = bytes.clamp(BUFFER_BYTES + 1, JUMBO_BYTES_MAX);
        let Some(jumbo) = self.pool.try_take_jumbo(bytes, &self.wake) else {
            return Put::Starved;
        };
        let mut batch = self.builder(jumbo, BatchLimits { bytes, items: 1 });
        let mut consumed = run(lane, sent, clock, &mut batch);
        let mut truncated = sent.truncated;
        if consumed.stop == Stop::Full {
            // Even so it has no room: as much of it as surely has some.
            let most = (JUMBO_BYTES_MAX - ROOM_FOR_FIELDS) / ESCAPED_BYTES_MAX;
            truncated = true;
            let text = &sent.text[..sent.text.len().min(most)];
            consumed = run(lane, Sent { text, truncated, ..sent }, clock, &mut batch);
        }
        self.count(lane.input, &consumed, truncated);
        if self.queue.send(batch.seal()).is_err() { Put::Closed } else { Put::Done }
    }

    /// Seals the open batch and hands it over; `false` when the outputs have gone.
    pub(super) fn send_batch(&mut self) -> bool {
        match self.batch.take() {
            Some(batch) if 0 < batch.items() => self.queue.send(batch.seal()).is_ok(),
            _ => true,
        }
    }

    /// Lets the open batch go when its time has come; `false` when the outputs have gone.
    pub(super) fn let_batch_go(&mut self, now: Instant) -> bool {
        let due = self.flush_at().is_some_and(|at| at <= now);
        if due && self.queue.output_is_free() {
            return self.send_batch();
        }
        true
    }

    /// Returns when the open batch is to go.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        Some(self.batch.as_ref()?.opened_at()? + self.flush_timeout)
    }

    /// Gives an empty batch's buffer back.
    pub(super) fn rest(&mut self) {
        if self.batch.as_ref().is_some_and(|batch| batch.items() == 0) {
            self.batch = None;
        }
    }

    fn count(&self, input: usize, consumed: &Consumed, truncated: bool) {
        self.stats.inputs.count(input, |input| {
            input.bytes.add(consumed.bytes as u64);
            input.events.add(consumed.events);
            input.filtered.add(consumed.filtered);
        });
        let reading = &self.stats.reading;
        reading.events.add(consumed.events);
        reading.unparsed.add(consumed.unparsed);
        reading.filtered.add(consumed.filtered);
        reading.response_bytes.add(consumed.response_bytes);
        for (counter, seen) in reading.status.iter().zip(consumed.status) {
            counter.add(seen);
        }
        let listening = &self.stats.listening;
        listening.messages.add(consumed.events);
        listening.bytes.add(consumed.bytes as u64);
        listening.truncated.add(u64::from(truncated));
    }
}

/// Writes a message; the lane goes on behind it only when it is in.
fn run(lane: &mut Lane, sent: Sent<'_>, clock: Clock, batch: &mut BatchBuilder) -> Consumed {
    let Sent { source, text, raw_length, truncated } = sent;
    let message = Message { text, start: lane.at, raw_length, truncated };
    let consumed = lane.pipeline.run_message(source, message, clock.moment, batch);
    if consumed.events != 0 {
        let end = lane.at + raw_length as u64;
        let middle = Point { offset: lane.at, running: 0 };
        let (epoch, start, proof) = (lane.epoch, lane.at, Proof::EMPTY);
        batch.cover(AckRange { epoch, start, end, before: 0, proof, middle }, clock.now);
        lane.at = end;
    }
    consumed
}
