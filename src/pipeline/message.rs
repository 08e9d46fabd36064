//! Messages that come one by one, each from anybody: whatever bytes they have, each is one event.

use super::{Assembled, Chunk, Consumed, Encoder, Fit, Moment, Pipeline, Source, Stop, lines_of};
use crate::assembly::{Lines, Pulled, Whole};
use crate::batch::BatchBuilder;
use crate::document::item::{Content, Flags, Place};
use crate::event::{LineText, Parse};
use crate::parsers::Parser;

/// A message as it came.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its text, at most as much of it as there may be.
    pub text: &'a [u8],
    /// Where it begins, in what its listener was sent.
    pub start: u64,
    /// How many bytes it took there.
    pub raw_length: usize,
    /// Whether it had more.
    pub truncated: bool,
}

impl Pipeline {
    /// Writes a message; when it is not in the batch and [`Consumed::stop`] says so, it did not fit. An empty one needs no
    /// event.
    pub fn run_message(
        &mut self,
        source: &Source,
        message: Message<'_>,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        if message.text.is_empty() {
            let filtered_bytes = message.raw_length as u64;
            return Consumed { filtered: 1, filtered_bytes, ..Consumed::default() };
        }
        self.begin_message(source, moment);
        let Self { parser, assembly, encoder, message: found, .. } = self;
        let consumed = if self.is_trivial {
            with_parser!(parser, parser => encoder.run_message(parser, message, batch))
        } else {
            let rules = assembly.rules(None).clone();
            let chunk = Chunk { bytes: message.text, at: message.start, cuts: &[] };
            let lines = lines_of(chunk, &rules, assembly.message_bytes_max());
            let (start, raw_length) = (0, message.raw_length);
            let whole = Some(Whole { start, raw_length, is_truncated: message.truncated });
            let lines = Lines { whole, ..lines };
            let mut run = Assembled { assembly, message: found, lines };
            with_parser!(parser, parser => encoder.run_found(parser, &mut run, message, batch))
        };
        self.without_raw(consumed)
    }

    /// Makes ready for messages of a source that came at a moment.
    pub(super) fn begin_message(&mut self, source: &Source, moment: Moment) {
        let encoder = &mut self.encoder;
        let is_rendered = encoder.writer.is_rendered(&encoder.frame, &encoder.action, source);
        if self.rendered == Some(moment) && is_rendered {
            return;
        }
        encoder.writer.render(&mut encoder.frame, &mut encoder.action, source, moment.0);
        self.parser.set_server(source.server());
        self.parser.set_file(source.epoch());
        self.parser.set_now(moment.0);
        self.assembly.set_now(moment.0);
        self.rendered = Some(moment);
    }
}

impl Encoder {
    fn run_message<P: Parse + ?Sized>(
        &mut self,
        parser: &mut P,
        message: Message<'_>,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let Message { text, start, raw_length, truncated } = message;
        let mut consumed = Consumed::default();
        let flags = Flags { is_truncated: truncated, is_multiline: false };
        let place = Place { start, raw_length: raw_length as u64, length: text.len(), flags };
        let content = if truncated {
            self.event.begin(LineText::Broken, None);
            Some(Content::Line)
        } else {
            self.parse(parser, text)
        };
        let Some(content) = content else {
            (consumed.filtered, consumed.filtered_bytes) = (1, raw_length as u64);
            return consumed;
        };
        if self.append(text, place, content, batch) == Fit::Full {
            consumed.stop = Stop::Full;
            return consumed;
        }
        consumed.bytes = raw_length;
        self.count(content, &mut consumed);
        consumed
    }

    /// Writes a message that goes through parsers and filters of its input.
    fn run_found<P: Parse + ?Sized>(
        &mut self,
        parser: &mut P,
        run: &mut Assembled<'_>,
        message: Message<'_>,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let Assembled { assembly, message: found, lines } = run;
        let mut consumed = Consumed::default();
        assembly.begin();
        if assembly.next(lines, found, &mut consumed.filtered) != Pulled::Message {
            consumed.filtered_bytes = message.raw_length as u64;
            return consumed;
        }
        let is_truncated = found.is_truncated;
        let place = Place {
            start: message.start,
            raw_length: message.raw_length as u64,
            length: found.text(lines.bytes).len(),
            flags: Flags { is_truncated, is_multiline: false },
        };
        match self.append_found(parser, lines.bytes, found, place, batch) {
            Some((_, Fit::Full)) => consumed.stop = Stop::Full,
            Some((content, _)) => {
                consumed.bytes = message.raw_length;
                self.count(content, &mut consumed);
            }
            None => {
                consumed.filtered += 1;
                consumed.filtered_bytes = message.raw_length as u64;
            }
        }
        consumed
    }
}
