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
    /// When the last message came that may be part of an event, where several make one.
    pub(super) joined_at: Option<Instant>,
}

impl Lane {
    pub(super) fn new(input: usize, pipeline: Pipeline, epoch: Epoch) -> Self {
        Self { input, pipeline, epoch, at: 0, joined_at: None }
    }

    /// Returns when what has begun is complete because nothing more came.
    pub(super) fn pause_ends(&self) -> Option<Instant> {
        let pause = self.pipeline.pauses().event.filter(|_| self.pipeline.is_open())?;
        Some(self.joined_at? + pause)
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
        let (input, length) = (lane.input, sent.text.len());
        self.put_with(input, length, |batch, most| {
            let text = &sent.text[..most.map_or(length, |most| length.min(most))];
            let truncated = sent.truncated || most.is_some();
            (run(lane, Sent { text, truncated, ..sent }, clock, batch), truncated)
        })
    }

    /// Takes a message of which several may make an event; what they make goes by [`Flow::put_ready`].
    pub(super) fn join(&mut self, lane: &mut Lane, sent: Option<Sent<'_>>, clock: Clock) {
        let message = sent.map(|sent| {
            let Sent { text, raw_length, truncated, .. } = sent;
            let start = lane.at;
            lane.at += raw_length as u64;
            lane.joined_at = Some(clock.now);
            Message { text, start, raw_length, truncated }
        });
        let filtered = lane.pipeline.join(message, clock.moment);
        self.count(lane.input, &Consumed { filtered, ..Consumed::default() }, false);
    }

    /// Puts the events that were joined into the open batch, or one that follows it.
    pub(super) fn put_ready(&mut self, lane: &mut Lane, source: &Source, clock: Clock) -> Put {
        while let Some(length) = lane.pipeline.ready() {
            let put = self.put_with(lane.input, length, |batch, most| {
                let (consumed, place) = lane.pipeline.run_ready(source, most, clock.moment, batch);
                if consumed.events != 0 {
                    cover(lane.epoch, place.start, place.raw_length, batch, clock.now);
                }
                (consumed, place.flags.is_truncated)
            });
            if put != Put::Done {
                return put;
            }
        }
        Put::Done
    }

    /// Puts an event of so many bytes where there is room for it; `write` does, and is told how many of them may be where
    /// there is not enough for all that it says.
    fn put_with(
        &mut self,
        input: usize,
        length: usize,
        mut write: impl FnMut(&mut BatchBuilder, Option<usize>) -> (Consumed, bool),
    ) -> Put {
        loop {
            if !self.has_batch() {
                return Put::Starved;
            }
            let batch = self.batch.as_mut().expect("a batch was opened just above");
            let was_empty = batch.items() == 0;
            let (consumed, truncated) = write(batch, None);
            if consumed.stop != Stop::Full {
                self.count(input, &consumed, truncated);
                return Put::Done;
            }
            if was_empty {
                return self.put_large(input, length, write);
            }
            if !self.send_batch() {
                return Put::Closed;
            }
        }
    }

    /// Puts a message that is too large for an empty batch into one of its own.
    fn put_large(
        &mut self,
        input: usize,
        length: usize,
        mut write: impl FnMut(&mut BatchBuilder, Option<usize>) -> (Consumed, bool),
    ) -> Put {
        let bytes = length.saturating_mul(ESCAPED_BYTES_MAX) + ROOM_FOR_FIELDS;
        let bytes = bytes.clamp(BUFFER_BYTES + 1, JUMBO_BYTES_MAX);
        let Some(jumbo) = self.pool.try_take_jumbo(bytes, &self.wake) else {
            return Put::Starved;
        };
        let mut batch = self.builder(jumbo, BatchLimits { bytes, items: 1 });
        let (mut consumed, mut truncated) = write(&mut batch, None);
        if consumed.stop == Stop::Full {
            // Even so it has no room: as much of it as surely has some.
            let most = (JUMBO_BYTES_MAX - ROOM_FOR_FIELDS) / ESCAPED_BYTES_MAX;
            (consumed, truncated) = write(&mut batch, Some(most));
        }
        self.count(input, &consumed, truncated);
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
        cover(lane.epoch, lane.at, raw_length as u64, batch, clock.now);
        lane.at += raw_length as u64;
    }
    consumed
}

/// Says in a batch that the last event in it has these bytes.
fn cover(epoch: Epoch, start: u64, length: u64, batch: &mut BatchBuilder, now: Instant) {
    let middle = Point { offset: start, running: 0 };
    let (end, proof) = (start + length, Proof::EMPTY);
    batch.cover(AckRange { epoch, start, end, before: 0, proof, middle }, now);
}
