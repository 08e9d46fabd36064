//! From whole lines of a file to items of the open batch.

use crate::batch::{BatchBuilder, Fit};
use crate::document::{Item, Shared, Target, Writer};
use crate::event::EventBuf;
use crate::json_text::push_escaped;
use crate::parsers::timestamp::{Rendered, render};
use crate::parsers::{Parser, ParserError};
use crate::position::Epoch;
use crate::settings::InputSettings;
use crate::target::{FormatError, FormatString};
use std::path::Path;

pub use crate::document::Source;

/// A moment of the wall clock: milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub u64);

/// What became of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Bytes of whole lines that are in the batch, or need not be.
    pub bytes: usize,
    /// Whether the next line did not fit. When it is not set and bytes are left, the next line is too long.
    pub full: bool,
    /// Events written.
    pub events: u64,
    /// Events among them whose line was not recognised although a format is set.
    pub unparsed: u64,
    /// Empty lines.
    pub filtered: u64,
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
    Parser(#[from] ParserError),
    /// Its index.
    #[error("index: {0}")]
    Index(#[from] FormatError),
}

/// Parser, event and writer of one input, for one worker.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parser: Parser,
    writer: Writer,
    event: EventBuf,
    message_bytes_max: usize,
    jumbo: Jumbo,
    moment: Moment,
    rendered: Rendered,
}

/// The end of a piece of a long line that may be the beginning of a character.
#[derive(Debug, Clone, Default)]
struct Jumbo {
    carried: Vec<u8>,
}

impl Pipeline {
    /// Makes the pipeline of an input.
    ///
    /// # Errors
    /// When its format or its index cannot be understood.
    pub fn new(input: &InputSettings, shared: &Shared) -> Result<Self, PipelineError> {
        let (parser, schema) = Parser::new(&input.format)?;
        let index = input.index.as_deref().map(FormatString::parse).transpose()?;
        Ok(Self {
            parser,
            writer: Writer::new(input, index, schema, shared.clone()),
            event: EventBuf::default(),
            message_bytes_max: usize::try_from(input.message_max_bytes).unwrap_or(usize::MAX),
            jumbo: Jumbo::default(),
            moment: Moment(0),
            rendered: render(0),
        })
    }

    /// Returns where its events may go.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        self.writer.targets()
    }

    /// Makes what all lines of a file have in common.
    #[must_use]
    pub fn source(&self, path: &Path, epoch: Epoch) -> Source {
        self.writer.source(path, epoch)
    }

    /// Writes the lines of `chunk`, each ended by `\n`, the first one standing at `at`; stops before the first line that
    /// does not fit or is too long.
    pub fn run_chunk(
        &mut self,
        source: &Source,
        chunk: &[u8],
        at: u64,
        moment: Moment,
        batch: &mut BatchBuilder,
    ) -> Consumed {
        self.set_moment(moment);
        self.parser.set_server(source.server());
        let mut consumed = Consumed::default();
        let valid = std::str::from_utf8(chunk).is_ok();
        for newline in memchr::memchr_iter(b'\n', chunk) {
            let raw = &chunk[consumed.bytes..newline];
            let line = raw.strip_suffix(b"\r").unwrap_or(raw);
            let length = raw.len() + 1;
            if line.is_empty() {
                consumed.filtered += 1;
                consumed.bytes += length;
                continue;
            }
            if self.message_bytes_max < line.len() {
                return consumed;
            }
            let start = at + consumed.bytes as u64;
            let position = (start, length as u64);
            let fit = if valid || std::str::from_utf8(line).is_ok() {
                self.write_line(source, line, position, batch, &mut consumed)
            } else {
                let text = String::from_utf8_lossy(line);
                self.write_line(source, text.as_bytes(), position, batch, &mut consumed)
            };
            if fit == Fit::Full {
                consumed.full = true;
                return consumed;
            }
            consumed.bytes += length;
        }
        consumed
    }

    fn write_line(
        &mut self,
        source: &Source,
        line: &[u8],
        (start, length): (u64, u64),
        batch: &mut BatchBuilder,
        consumed: &mut Consumed,
    ) -> Fit {
        let Some(out) = batch.open_item() else { return Fit::Full };
        if out.capacity() - out.len() < self.writer.most_bytes(source, line.len()) {
            return Fit::Full;
        }
        let parsed = self.parser.parse(line, &mut self.event);
        let item = Item { line, start, length, read_at: &self.rendered, parsed: parsed.as_ref() };
        self.writer.write(out, source, &item, &self.event);
        if batch.close_item() == Fit::Full {
            return Fit::Full;
        }
        consumed.events += 1;
        match parsed {
            Some(parsed) => {
                let class = usize::from(parsed.status / 100);
                consumed.status[if class < 6 { class } else { 0 }] += 1;
                consumed.response_bytes += parsed.bytes;
            }
            None if matches!(self.parser, Parser::Raw) => {}
            None => consumed.unparsed += 1,
        }
        Fit::Fitted
    }

    /// Begins the event of a line of `length` raw bytes that goes into a batch of its own, piece by piece.
    pub fn begin_jumbo(
        &mut self,
        source: &Source,
        position: (u64, u64),
        moment: Moment,
        truncated: bool,
        batch: &mut BatchBuilder,
    ) {
        self.set_moment(moment);
        self.jumbo.carried.clear();
        let Some(out) = batch.open_item() else { return };
        let (start, length) = position;
        let item = Item { line: b"", start, length, read_at: &self.rendered, parsed: None };
        self.writer.begin_message(out, source, &item, truncated);
    }

    /// Appends a piece of the line, cut anywhere.
    pub fn push_jumbo(&mut self, piece: &[u8], batch: &mut BatchBuilder) {
        let Some(out) = batch.open_item() else { return };
        let mut joined = Vec::new();
        let piece = if self.jumbo.carried.is_empty() {
            piece
        } else {
            joined.append(&mut self.jumbo.carried);
            joined.extend_from_slice(piece);
            &joined
        };
        let whole = whole_characters(piece);
        push_escaped(out, String::from_utf8_lossy(&piece[..whole]).as_bytes());
        self.jumbo.carried.extend_from_slice(&piece[whole..]);
    }

    /// Ends the event.
    pub fn end_jumbo(&mut self, batch: &mut BatchBuilder) -> Fit {
        let Some(out) = batch.open_item() else { return Fit::Full };
        push_escaped(out, String::from_utf8_lossy(&self.jumbo.carried).as_bytes());
        Writer::end_message(out);
        batch.close_item()
    }

    fn set_moment(&mut self, moment: Moment) {
        if self.moment != moment {
            self.moment = moment;
            self.rendered = render(i64::try_from(moment.0).unwrap_or(i64::MAX));
        }
    }
}

/// Returns the length of `piece` without a character at its end whose rest is still to come.
fn whole_characters(piece: &[u8]) -> usize {
    for back in 1..=piece.len().min(3) {
        let byte = piece[piece.len() - back];
        let length = match byte {
            0b1100_0000..=0b1101_1111 => 2,
            0b1110_0000..=0b1110_1111 => 3,
            0b1111_0000..=0b1111_0111 => 4,
            0b1000_0000..=0b1011_1111 => continue,
            _ => 1,
        };
        return if back < length { piece.len() - back } else { piece.len() };
    }
    piece.len()
}
