//! From whole lines of a file to items of the open batch.
//!
//! A pipeline belongs to one input and one worker; it keeps the scratch of the hot path and nothing of any file. There
//! is no allocation for a line, no clock and no file access here.

mod message;

use crate::batch::{BatchBuilder, Fit};
use crate::document::item::{
    Content, Frame, Place, push_item, push_piecewise_end, push_piecewise_head,
};
use crate::document::{Action, FieldsError, Shared, Target, Writer};
use crate::event::{EventBuf, Field, LineText, Parse, Parsed, Span};
use crate::json_text::{Cursor, Measure, push_lossy};
use crate::parsers::Parser;
use crate::parsers::access_log::Server;
use crate::parsers::regex::RegexError;
use crate::position::Epoch;
use crate::scan::look;
use crate::settings::InputSettings;
use crate::target::{FormatError, FormatString};
use std::path::Path;

pub use crate::document::Source;
pub use message::Message;

/// Largest item that is put together beside the batch and then copied there, in bytes; a larger one is measured first.
const SCRATCH_BYTES: usize = 16 << 10;

/// Longest line whose item is tried in the scratch, in bytes.
const SHORT_LINE_BYTES: usize = 6 << 10;

/// NULs at the start of a line from which on they are a hole that a truncation or a power cut left, and no content.
pub const HOLE_BYTES_MIN: usize = 64;

/// A moment of the wall clock: milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub u64);

/// What became of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Bytes of whole lines that are in the batch, or need not be.
    pub bytes: usize,
    /// Whether the next line did not fit. When it is not set and bytes are left, the next line is too long, or a hole
    /// stands before it.
    pub full: bool,
    /// Events written.
    pub events: u64,
    /// Events among them whose line was not recognised although a format is set.
    pub unparsed: u64,
    /// Empty lines.
    pub filtered: u64,
    /// Their bytes.
    pub filtered_bytes: u64,
    /// Requests by status class; `[0]` counts those without.
    pub status: [u64; 6],
    /// Response bytes of the requests.
    pub response_bytes: u64,
}

/// Why an input has no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Its format.
    #[error(transparent)]
    Parser(#[from] RegexError),
    /// Its index.
    #[error("index: {0}")]
    Index(#[from] FormatError),
    /// Its constants.
    #[error(transparent)]
    Fields(#[from] FieldsError),
}

/// Parser, event and writer of one input, for one worker.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parser: Parser,
    encoder: Encoder,
    piecewise: Piecewise,
    /// For which moment the frame is right, where messages come one by one.
    rendered: Option<Moment>,
}

/// A line that is given in pieces.
#[derive(Debug, Clone, Default)]
struct Piecewise {
    /// The end of the last piece that may be the beginning of a character.
    carried: Vec<u8>,
    start: u64,
    content: Option<Content>,
}

impl Pipeline {
    /// Makes the pipeline of an input.
    ///
    /// # Errors
    /// When its format, its index or its `fields` cannot be understood.
    pub fn new(input: &InputSettings, shared: &Shared) -> Result<Self, PipelineError> {
        let mut parser = Parser::new(&input.format)?;
        if let Some(syslog) = &input.syslog {
            parser = parser.in_syslog(syslog)?;
        }
        let index = input.index.as_deref().map(FormatString::parse).transpose()?;
        let encoder = Encoder {
            writer: Writer::new(input, index, &parser, shared)?,
            frame: Frame::default(),
            action: Action::default(),
            event: EventBuf::with_extras(parser.extras().len()),
            scratch: Scratch(Box::new([0; SCRATCH_BYTES])),
            keep_original: input.keep_original,
            message_bytes_max: usize::try_from(input.message_max_bytes).unwrap_or(usize::MAX),
        };
        Ok(Self { parser, encoder, piecewise: Piecewise::default(), rendered: None })
    }

    /// Returns where its events may go.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        self.encoder.writer.targets()
    }

    /// Makes what is kept of a file while it is open.
    #[must_use]
    pub fn source(&self, path: &Path, epoch: Epoch) -> Source {
        self.encoder.writer.source(path, epoch)
    }

    /// Writes the lines of `chunk`, each ended by `\n`, the first one standing at `at`; stops before the first line that
    /// does not fit, is too long or begins with a hole. A carriage return before the line end is no part of `message`.
    pub fn run_chunk(
        &mut self,
        source: &Source,
        chunk: &[u8],
        at: u64,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let encoder = &mut self.encoder;
        encoder.writer.render(&mut encoder.frame, &mut encoder.action, source, moment.0);
        self.rendered = None;
        self.parser.set_server(source.server());
        self.parser.set_now(moment.0);
        match &mut self.parser {
            Parser::Raw(parser) => {
                let consumed = encoder.run(parser, chunk, at, batch);
                Consumed { unparsed: 0, ..consumed }
            }
            Parser::Access(parser) => encoder.run(parser.as_mut(), chunk, at, batch),
            Parser::Regex(parser) => encoder.run(parser.as_mut(), chunk, at, batch),
            Parser::Syslog(parser) => encoder.run(parser.as_mut(), chunk, at, batch),
        }
    }

    /// Begins the event of a line that goes into a batch of its own, piece by piece; `position` is where it begins and
    /// how many raw bytes it has, line end included.
    pub fn begin_jumbo(
        &mut self,
        source: &Source,
        position: (u64, u64),
        moment: Moment,
        truncated: bool,
        batch: &mut BatchBuilder,
    ) {
        self.rendered = None;
        let encoder = &mut self.encoder;
        encoder.event.begin(LineText::Broken, None);
        encoder.writer.render(&mut encoder.frame, &mut encoder.action, source, moment.0);
        let content = if truncated { Content::Truncated } else { Content::Line };
        let (start, raw_length) = position;
        self.piecewise = Piecewise { carried: Vec::new(), start, content: Some(content) };
        let Some(out) = batch.open_item() else { return };
        push_piecewise_head(out, &encoder.frame, Place { start, raw_length, length: 0 });
    }

    /// Appends a piece of the line, cut anywhere.
    pub fn push_jumbo(&mut self, piece: &[u8], batch: &mut BatchBuilder) {
        let Some(out) = batch.open_item() else { return };
        let carried = &mut self.piecewise.carried;
        let mut piece = piece;
        // A character that began in the last piece is put together byte by byte.
        while !carried.is_empty() {
            let Some((first, rest)) = piece.split_first() else { return };
            carried.push(*first);
            piece = rest;
            let whole = whole_characters(carried);
            push_lossy(out, &carried[..whole]);
            carried.drain(..whole);
        }
        let whole = whole_characters(piece);
        push_lossy(out, &piece[..whole]);
        carried.extend_from_slice(&piece[whole..]);
    }

    /// Ends the event.
    pub fn end_jumbo(&mut self, batch: &mut BatchBuilder) -> Fit {
        let Piecewise { carried, start, content } = std::mem::take(&mut self.piecewise);
        let Some((out, content)) = batch.open_item().zip(content) else { return Fit::Full };
        if content != Content::Truncated {
            push_lossy(out, &carried);
        }
        push_piecewise_end(out, &self.encoder.frame, start, content);
        batch.close_item()
    }
}

/// Where an item is put together.
#[derive(Clone)]
struct Scratch(Box<[u8; SCRATCH_BYTES]>);

impl std::fmt::Debug for Scratch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Scratch")
    }
}

/// The part of a pipeline that does not depend on the parser.
#[derive(Debug, Clone)]
struct Encoder {
    writer: Writer,
    frame: Frame,
    action: Action,
    event: EventBuf,
    scratch: Scratch,
    keep_original: bool,
    message_bytes_max: usize,
}

impl Encoder {
    fn run<P: Parse>(
        &mut self,
        parser: &mut P,
        chunk: &[u8],
        at: u64,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let mut consumed = Consumed::default();
        for newline in memchr::memchr_iter(b'\n', chunk) {
            let text = &chunk[consumed.bytes..];
            let raw_length = newline + 1 - consumed.bytes;
            let line = line_of(&text[..raw_length]);
            if line.is_empty() {
                consumed.filtered += 1;
                consumed.filtered_bytes += raw_length as u64;
                consumed.bytes += raw_length;
                continue;
            }
            if self.message_bytes_max < line.len() || begins_with_hole(line) {
                break;
            }
            let place = Place {
                start: at + consumed.bytes as u64,
                raw_length: raw_length as u64,
                length: line.len(),
            };
            let content = self.parse(parser, line);
            if self.append(text, place, content, batch) == Fit::Full {
                consumed.full = true;
                break;
            }
            consumed.bytes += raw_length;
            self.count(content, &mut consumed);
        }
        consumed
    }

    /// Counts an event that is in the batch.
    #[inline]
    fn count(&self, content: Content, consumed: &mut Consumed) {
        consumed.events += 1;
        match content {
            Content::Fields => {
                consumed.status[self.event.status_class()] += 1;
                consumed.response_bytes =
                    consumed.response_bytes.saturating_add(self.event.body_bytes());
            }
            Content::Envelope => {}
            Content::Line | Content::Truncated => consumed.unparsed += 1,
        }
    }

    /// Parses a line into the event.
    #[inline]
    fn parse<P: Parse>(&mut self, parser: &mut P, line: &[u8]) -> Content {
        let look = look(line);
        let known = if !look.is_ascii && std::str::from_utf8(line).is_err() {
            LineText::Broken
        } else if look.is_plain {
            LineText::Plain
        } else {
            LineText::Valid
        };
        self.event.begin(known, look.quotes);
        let parsed = parser.parse(line, &mut self.event);
        if let Some(is_nginx) = parser.is_nginx() {
            let server = if is_nginx { Server::Nginx } else { Server::Apache };
            self.writer.set_server(&mut self.frame, &mut self.action, server);
        }
        match parsed {
            Parsed::Recognised => {}
            Parsed::Enveloped => {
                self.event.set(Field::Message, Span::line(0, line.len()));
                return Content::Envelope;
            }
            Parsed::Unrecognised => return Content::Line,
        }
        if self.keep_original || self.event.has_residue() {
            self.event.set(Field::Message, Span::line(0, line.len()));
        }
        Content::Fields
    }

    /// Appends one item to the batch.
    #[inline]
    fn append(
        &mut self,
        text: &[u8],
        place: Place,
        content: Content,
        batch: &mut BatchBuilder,
    ) -> Fit {
        let Self { writer, frame, action, event, scratch, .. } = self;
        writer.prepare(frame, action, text, event, content);
        let room = batch.room();
        if place.length <= SHORT_LINE_BYTES {
            let mut cursor = Cursor::new(&mut scratch.0);
            push_item(&mut cursor, frame, text, place, event, content);
            if let Some(item) = cursor.finish() {
                if room < item.len() {
                    return Fit::Full;
                }
                let Some(body) = batch.open_item() else { return Fit::Full };
                body.extend_from_slice(item);
                return batch.close_item();
            }
        }
        append_long(frame, text, place, event, content, batch)
    }
}

/// Appends an item that is too long for the scratch: measures it, then writes it straight into the batch.
#[cold]
fn append_long(
    frame: &Frame,
    text: &[u8],
    place: Place,
    event: &EventBuf,
    content: Content,
    batch: &mut BatchBuilder,
) -> Fit {
    let mut measure = Measure::default();
    push_item(&mut measure, frame, text, place, event, content);
    if batch.room() < measure.0 {
        return Fit::Full;
    }
    let Some(body) = batch.open_item() else { return Fit::Full };
    push_item(body, frame, text, place, event, content);
    batch.close_item()
}

/// Returns a raw line without its end.
#[inline]
fn line_of(raw: &[u8]) -> &[u8] {
    match raw {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => line,
        line => line,
    }
}

/// Tells whether NULs that are no content stand before a line.
#[inline]
fn begins_with_hole(line: &[u8]) -> bool {
    line[0] == 0 && line.get(..HOLE_BYTES_MIN).is_some_and(|nuls| nuls.iter().all(|nul| *nul == 0))
}

/// Returns the length of `piece` without a character at its end whose rest may still come.
fn whole_characters(piece: &[u8]) -> usize {
    for back in 1..=piece.len().min(3) {
        let length = match piece[piece.len() - back] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => 1,
        };
        return if back < length { piece.len() - back } else { piece.len() };
    }
    piece.len()
}
