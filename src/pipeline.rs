//! From whole lines of a file to items of the open batch.
//!
//! A pipeline belongs to one input and one worker; it keeps the scratch of the hot path and nothing of any file. There
//! is no allocation for a line, no clock and no file access here.

/// Does the same with whichever parser it is, each time as if it were known.
macro_rules! with_parser {
    ($any:expr, $parser:ident => $does:expr) => {
        match $any {
            Parser::Raw($parser) => $does,
            Parser::Access($parser) => {
                let $parser = $parser.as_mut();
                $does
            }
            Parser::Regex($parser) => {
                let $parser = $parser.as_mut();
                $does
            }
            Parser::Syslog($parser) => {
                let $parser = $parser.as_mut();
                $does
            }
            Parser::Other($parser) => {
                let $parser = &mut **$parser;
                $does
            }
        }
    };
}

mod consumed;
mod header;
mod joined;
mod members;
mod message;
mod piecewise;

use crate::assembly::terminator::Terminator;
use crate::assembly::{
    self, Assembly, AssemblyError, LineRules, Lines, OpenEvent, Pulled, Sought, begins_with_hole,
};
use crate::batch::{BatchBuilder, Fit};
use crate::document::item::{Content, Flags, Frame, Place, push_item};
use crate::document::{Action, FieldsError, Shared, Target, Writer};
use crate::enrich::Enricher;
use crate::event::{EventBuf, Field, LineText, Parse, Parsed, Span};
use crate::json_text::{Cursor, Measure};
use crate::parsers::access_log::Server;
use crate::parsers::zone::Zone;
use crate::parsers::{Parser, ParserError, Raw};
use crate::position::Epoch;
use crate::scan::look;
use crate::settings::InputSettings;
use crate::settings::reading::Pauses;
use crate::target::{FormatError, FormatString};
use std::path::Path;

pub use crate::assembly::HOLE_BYTES_MIN;
pub use crate::document::Source;
pub use consumed::{Consumed, Stop};
use joined::Joined;
pub use message::Message;
use piecewise::Piecewise;

/// Largest item that is put together beside the batch and then copied there, in bytes; a larger one is measured first.
const SCRATCH_BYTES: usize = 16 << 10;

/// Longest line whose item is tried in the scratch, in bytes.
const SHORT_LINE_BYTES: usize = 6 << 10;

/// U+FEFF as UTF-8.
const UTF8_MARK: &[u8] = "\u{feff}".as_bytes();

/// A moment of the wall clock: milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub u64);

/// Bytes of a file that begin where an event begins, and end with a line.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Offset of the first one.
    pub at: u64,
    /// Offsets at which an event ends whatever follows, in order.
    pub cuts: &'a [u64],
}

impl Chunk<'_> {
    /// Tells whether a line of it ends where no line end is.
    fn has_cut_line(&self) -> bool {
        let end = self.at + self.bytes.len() as u64;
        let ends_a_line = self.bytes.last() == Some(&b'\n');
        let is_inside = |cut: u64| self.at < cut && (cut < end || (cut == end && !ends_a_line));
        self.cuts.iter().any(|cut| is_inside(*cut))
    }
}

/// An event that takes a batch of its own.
#[derive(Debug, Clone, Copy)]
pub struct LargeEvent<'a> {
    /// As much of its bytes as is sent.
    pub bytes: &'a [u8],
    /// Offset of the first one.
    pub at: u64,
    /// Offset behind its last one.
    pub end: u64,
}

/// Why an input has no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Its format.
    #[error(transparent)]
    Parser(#[from] ParserError),
    /// How its lines are read.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
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
    assembly: Assembly,
    /// Whether each line is an event as it stands.
    is_trivial: bool,
    pauses: Pauses,
    encoder: Encoder,
    message: assembly::Message,
    piecewise: Piecewise,
    /// What was joined of messages.
    joined: Joined,
    /// For which moment the frame is right, where messages come one by one.
    rendered: Option<Moment>,
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
        parser.trust(&input.trusted_proxies);
        let bytes_max = usize::try_from(input.message_max_bytes).unwrap_or(usize::MAX);
        let mut assembly = Assembly::new(&input.reading, bytes_max)?;
        let index = input.index.as_deref().map(FormatString::parse).transpose()?;
        let enricher = Enricher::new(&input.enrich, &shared.geo, parser.extras().len());
        let extras = [parser.extras(), enricher.as_ref().map_or(&[], Enricher::extras)].concat();
        let encoder = Encoder {
            writer: Writer::new(input, index, &parser, &extras, shared)?,
            frame: Frame::default(),
            action: Action::default(),
            event: EventBuf::with_extras(extras.len()),
            enricher,
            scratch: Scratch(Box::new([0; SCRATCH_BYTES])),
            keep_original: input.keep_original,
            message_bytes_max: bytes_max,
            original: parser.extras().iter().position(|extra| extra.name == "event.original"),
        };
        parser.set_zone(&Zone::new(input.zone.clone()));
        assembly.let_through(parser.header_prefix());
        assembly.reserve(encoder.writer.names(), encoder.writer.has_layouts());
        Ok(Self {
            is_trivial: assembly.is_trivial(&input.reading),
            pauses: input.reading.pauses(),
            parser,
            assembly,
            encoder,
            message: assembly::Message::default(),
            piecewise: Piecewise::default(),
            joined: Joined::default(),
            rendered: None,
        })
    }

    /// Returns how its lines are put together.
    #[must_use]
    pub fn assembly(&self) -> &Assembly {
        &self.assembly
    }

    /// Returns after which silence something that is not complete is sent as it is.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        self.pauses
    }

    /// Returns what ends the lines of a file.
    #[must_use]
    pub fn terminator(&self, source: &Source) -> &Terminator {
        &self.assembly.rules(source.charset()).terminator
    }

    /// Looks on for the end of a large event; `chunk` begins where the search stands and ends with a line.
    pub fn seek_end(&mut self, source: &Source, chunk: Chunk<'_>, open: &mut OpenEvent) -> Sought {
        let rules = self.assembly.rules(source.charset()).clone();
        let mut lines = lines_of(chunk, &rules, self.assembly.message_bytes_max());
        self.assembly.seek_end(&mut lines, open)
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

    /// Writes the events of `chunk`; stops before the first one that does not fit, is too long, is not known to be complete
    /// or begins with a hole.
    pub fn run_chunk(
        &mut self,
        source: &Source,
        chunk: Chunk<'_>,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        self.begin_chunk(source, moment);
        let Self { parser, assembly, encoder, message, .. } = self;
        let consumed = if self.is_trivial && (chunk.cuts.is_empty() || !chunk.has_cut_line()) {
            with_parser!(parser, parser => encoder.run(parser, chunk, batch))
        } else {
            let rules = assembly.rules(source.charset()).clone();
            let lines = lines_of(chunk, &rules, assembly.message_bytes_max());
            let mut run = Assembled { assembly, message, lines };
            with_parser!(parser, parser => encoder.run_assembled(parser, &mut run, None, batch))
        };
        self.without_raw(consumed)
    }

    /// Writes one large event into a batch of its own, unless it is not to be sent.
    pub fn run_large(
        &mut self,
        source: &Source,
        event: LargeEvent<'_>,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        self.begin_chunk(source, moment);
        let Self { parser, assembly, encoder, message, .. } = self;
        let rules = assembly.rules(source.charset()).clone();
        let cut = event.at + event.bytes.len() as u64;
        let chunk = Chunk { bytes: event.bytes, at: event.at, cuts: &[cut] };
        let lines = lines_of(chunk, &rules, assembly.message_bytes_max());
        let mut run = Assembled { assembly, message, lines };
        let end = Some(event.end);
        let mut consumed =
            with_parser!(parser, parser => encoder.run_assembled(parser, &mut run, end, batch));
        if consumed.stop == Stop::Full {
            // Its fields repeat so much of it that the largest buffer is too small: its text alone is not.
            run.lines.position = 0;
            consumed = encoder.run_assembled(&mut Raw, &mut run, end, batch);
        }
        self.without_raw(consumed)
    }

    fn begin_chunk(&mut self, source: &Source, moment: Moment) {
        let encoder = &mut self.encoder;
        encoder.writer.render(&mut encoder.frame, &mut encoder.action, source, moment.0);
        self.rendered = None;
        self.parser.set_server(source.server());
        self.parser.set_file(source.epoch());
        self.parser.set_now(moment.0);
        encoder.enricher.iter_mut().for_each(Enricher::refresh);
        self.assembly.set_now(moment.0);
    }

    /// Where no format is set, no line is one that was not recognised.
    fn without_raw(&self, consumed: Consumed) -> Consumed {
        if matches!(self.parser, Parser::Raw(_)) {
            Consumed { unparsed: 0, ..consumed }
        } else {
            consumed
        }
    }
}

fn lines_of<'a>(chunk: Chunk<'a>, rules: &'a LineRules, message_bytes_max: usize) -> Lines<'a> {
    let Chunk { bytes, at, cuts } = chunk;
    let behind = assembly::Behind::File;
    Lines { bytes, at, cuts, rules, message_bytes_max, position: 0, whole: None, behind }
}

/// What a chunk is read with when events are not just lines.
struct Assembled<'a> {
    assembly: &'a mut Assembly,
    message: &'a mut assembly::Message,
    lines: Lines<'a>,
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
    enricher: Option<Enricher>,
    scratch: Scratch,
    keep_original: bool,
    message_bytes_max: usize,
    /// Number of the field that has the whole line where `message` is a part of it, if there is one.
    original: Option<usize>,
}

impl Encoder {
    fn run<P: Parse + ?Sized>(
        &mut self,
        parser: &mut P,
        chunk: Chunk<'_>,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let mut consumed = Consumed::default();
        let Chunk { bytes, at, .. } = chunk;
        // A byte order mark is no part of the first line's text.
        let mut mark = if at == 0 && bytes.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 };
        for newline in memchr::memchr_iter(b'\n', bytes) {
            let text = &bytes[consumed.bytes + mark..];
            let raw_length = newline + 1 - consumed.bytes;
            let line = line_of(&text[..raw_length - mark]);
            mark = 0;
            if line.is_empty() {
                consumed.filtered += 1;
                consumed.filtered_bytes += raw_length as u64;
                consumed.bytes += raw_length;
                continue;
            }
            if self.message_bytes_max < line.len() || begins_with_hole(line) {
                consumed.stop =
                    if self.message_bytes_max < line.len() { Stop::Large } else { Stop::Hole };
                break;
            }
            let place = Place {
                start: at + consumed.bytes as u64,
                raw_length: raw_length as u64,
                length: line.len(),
                flags: Flags::default(),
            };
            let Some(content) = self.parse(parser, line) else {
                consumed.filtered += 1;
                consumed.filtered_bytes += raw_length as u64;
                consumed.bytes += raw_length;
                continue;
            };
            if self.append(text, place, content, batch) == Fit::Full {
                consumed.stop = Stop::Full;
                break;
            }
            consumed.bytes += raw_length;
            self.count(content, &mut consumed);
        }
        consumed
    }

    /// Writes events that are not just lines; of a large one, `large_end` is the offset at which it ends.
    fn run_assembled<P: Parse + ?Sized>(
        &mut self,
        parser: &mut P,
        run: &mut Assembled<'_>,
        large_end: Option<u64>,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        let Assembled { assembly, message, lines } = run;
        let mut consumed = Consumed::default();
        assembly.begin();
        loop {
            let (upto, stop) = match assembly.next(lines, message, &mut consumed.filtered) {
                Pulled::Message => {
                    let start = lines.at + message.start as u64;
                    let end = large_end.unwrap_or(lines.at + message.end as u64);
                    let length = message.text(lines.bytes).len();
                    let is_cut_off = lines.at + (message.end as u64) < end;
                    let flags = Flags {
                        is_truncated: message.is_truncated || is_cut_off,
                        is_multiline: message.is_multiline,
                    };
                    let place = Place { start, raw_length: end - start, length, flags };
                    match self.append_found(parser, lines.bytes, message, place, batch) {
                        Some((_, Fit::Full)) => {
                            consumed.stop = Stop::Full;
                            return consumed;
                        }
                        Some((content, _)) => {
                            consumed.filtered_bytes += (message.start - consumed.bytes) as u64;
                            consumed.skipped_bytes += message.skipped_bytes;
                            self.count(content, &mut consumed);
                        }
                        None => {
                            consumed.filtered += 1;
                            consumed.filtered_bytes += (message.end - consumed.bytes) as u64;
                        }
                    }
                    consumed.bytes = message.end;
                    if large_end.is_some() {
                        return consumed;
                    }
                    continue;
                }
                Pulled::End(upto) if upto == lines.bytes.len() => (upto, Stop::End),
                Pulled::End(upto) => (upto, Stop::Open),
                Pulled::Hole(upto) => (upto, Stop::Hole),
            };
            consumed.filtered_bytes += (upto - consumed.bytes) as u64;
            consumed.bytes = upto;
            consumed.stop = stop;
            return consumed;
        }
    }

    /// Appends what was found in `bytes`; `None` when that is no event.
    fn append_found<P: Parse + ?Sized>(
        &mut self,
        parser: &mut P,
        bytes: &[u8],
        message: &mut assembly::Message,
        place: Place,
        batch: &mut BatchBuilder,
    ) -> Option<(Content, Fit)> {
        if let Some(length) = message.head_length {
            parser.set_head(length);
        }
        let mut members = std::mem::take(&mut message.members);
        let text = match message.given() {
            Some((from, _)) => &bytes[from..],
            None => message.text(bytes),
        };
        let Some(mut content) = self.parse(parser, &text[..place.length]) else {
            message.members = members;
            return None;
        };
        // That a line says something of itself does not make its text one that is understood.
        let is_unparsed = content == Content::Line && 0 < place.length;
        let fit = if members.is_empty() {
            self.append(text, place, content, batch)
        } else {
            self.append_members(text, place, &mut content, &mut members, batch)
        };
        message.members = members;
        Some((if is_unparsed { Content::Line } else { content }, fit))
    }

    /// Counts an event that is in the batch.
    #[inline]
    fn count(&self, content: Content, consumed: &mut Consumed) {
        consumed.events += 1;
        match content {
            Content::Fields => {
                consumed.status[self.event.status_class()] += 1;
                consumed.partial += u64::from(self.event.has_residue());
                consumed.response_bytes =
                    consumed.response_bytes.saturating_add(self.event.body_bytes());
            }
            Content::Envelope => {}
            Content::Line => consumed.unparsed += 1,
        }
    }

    /// Parses a line into the event; `None` when it is none.
    #[inline]
    fn parse<P: Parse + ?Sized>(&mut self, parser: &mut P, line: &[u8]) -> Option<Content> {
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
                return Some(Content::Envelope);
            }
            Parsed::Unrecognised => {
                self.event.clear_fields();
                return Some(Content::Line);
            }
            Parsed::NoEvent => return None,
        }
        if self.keep_original || self.event.has_residue() {
            self.event.set(Field::Message, Span::line(0, line.len()));
        } else if let Some(original) = self.original {
            self.event.unset_extra(original);
        }
        if let Some(enricher) = &mut self.enricher {
            enricher.apply(line, &mut self.event);
        }
        Some(Content::Fields)
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
