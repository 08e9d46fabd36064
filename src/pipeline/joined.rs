//! Messages that come one by one from one sender, of which several make an event.
//!
//! Nothing of them can be read again, so what is not complete is kept: an event's text as far as it is sent, never its
//! lines.

use super::{Chunk, Consumed, Encoder, Fit, Message, Moment, Pipeline, Source, Stop, lines_of};
use crate::assembly::{self, Behind, Lines, Pulled, Whole};
use crate::batch::BatchBuilder;
use crate::document::item::{Flags, Place};
use crate::event::Parse;
use crate::parsers::{Parser, Raw};
use std::collections::VecDeque;

/// What was joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Joined {
    /// Events that are complete and in no batch yet: at most those that one message has ended.
    ready: VecDeque<assembly::Message>,
}

impl Pipeline {
    /// Tells whether several messages may make one event.
    #[must_use]
    pub fn joins(&self) -> bool {
        self.assembly.joins()
    }

    /// Tells whether an event has begun that is not complete.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.assembly.is_open()
    }

    /// Takes a message; events that it completes are ready then. Without one, what has begun is complete as it is.
    ///
    /// Returns how many messages and events need not be sent.
    pub fn join(&mut self, message: Option<Message<'_>>, moment: Moment) -> u64 {
        self.assembly.set_now(moment.0);
        let rules = self.assembly.rules(None).clone();
        let (bytes, at) = message.map_or((&[][..], 0), |message| (message.text, message.start));
        let lines =
            lines_of(Chunk { bytes, at, cuts: &[] }, &rules, self.encoder.message_bytes_max);
        let whole = message.map(|message| Whole {
            start: usize::try_from(message.start).expect("nobody sends so much"),
            raw_length: message.raw_length,
            is_truncated: message.truncated,
        });
        let behind = if message.is_some() { Behind::Later } else { Behind::Nothing };
        let mut lines = Lines { whole, behind, ..lines };
        let mut filtered = 0;
        loop {
            let mut found = assembly::Message::default();
            match self.assembly.next(&mut lines, &mut found, &mut filtered) {
                Pulled::Message => {
                    found.keep(bytes);
                    self.joined.ready.push_back(found);
                }
                Pulled::End(_) | Pulled::Hole(_) => return filtered,
            }
        }
    }

    /// Returns how many bytes the next event has that is ready: its text, and what else its lines hold.
    #[must_use]
    pub fn ready(&self) -> Option<usize> {
        let event = self.joined.ready.front()?;
        Some(event.text(&[]).len() + event.members.json.len())
    }

    /// Forgets the events that are ready, and what has begun; returns how many bytes of text are given up.
    pub fn give_up(&mut self) -> usize {
        self.join(None, Moment(0));
        self.joined.ready.drain(..).map(|event| event.text(&[]).len()).sum()
    }

    /// Writes the next event that is ready; when it is not in the batch and [`Consumed::stop`] says so, it did not fit.
    ///
    /// With `most`, only so many bytes of its text, and nothing of what it says.
    pub fn run_ready(
        &mut self,
        source: &Source,
        most: Option<usize>,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) -> (Consumed, Place) {
        self.begin_message(source, moment);
        let mut event =
            self.joined.ready.pop_front().expect("the caller asked whether one is ready");
        let length = event.text(&[]).len();
        let place = Place {
            start: event.start as u64,
            raw_length: (event.end - event.start) as u64,
            length: most.map_or(length, |most| length.min(most)),
            flags: Flags {
                is_truncated: event.is_truncated || most.is_some(),
                is_multiline: event.is_multiline,
            },
        };
        let Self { parser, encoder, .. } = self;
        let consumed = if most.is_some() {
            event.members.clear();
            encoder.run_ready(&mut Raw, &mut event, place, batch)
        } else {
            with_parser!(parser, parser => encoder.run_ready(parser, &mut event, place, batch))
        };
        if consumed.stop == Stop::Full {
            self.joined.ready.push_front(event);
        }
        (self.without_raw(consumed), place)
    }
}

impl Encoder {
    fn run_ready<P: Parse + ?Sized>(
        &mut self,
        parser: &mut P,
        event: &mut assembly::Message,
        place: Place,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let mut consumed = Consumed::default();
        match self.append_found(parser, &[], event, place, batch) {
            Some((_, Fit::Full)) => consumed.stop = Stop::Full,
            Some((content, _)) => {
                consumed.bytes = usize::try_from(place.raw_length).unwrap_or(usize::MAX);
                self.count(content, &mut consumed);
            }
            None => (consumed.filtered, consumed.filtered_bytes) = (1, place.raw_length),
        }
        consumed
    }
}
