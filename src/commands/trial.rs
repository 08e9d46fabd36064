//! Lines through the production pipeline, one document after another, with nothing behind it: for `try` and `detect`.
//!
//! Memory is bounded: by one read buffer, or by the longest event that the input takes where one is longer.

use super::report::Failure;
use crate::advice;
use crate::app;
use crate::assembly::OpenEvent;
use crate::assembly::terminator::Terminator;
use crate::batch::{BatchBuilder, BatchLimits};
use crate::disk::{Disk as _, Kind, ReadFile, RealDisk, RealFile};
use crate::document::item::{Flags, Place};
use crate::enrich::GeoTables;
use crate::harvester::READ_BYTES;
use crate::hint::Advised;
use crate::outputs::dead_letters::letter;
use crate::packing::Format as Packing;
use crate::pipeline::{
    Chunk, Consumed, HOLE_BYTES_MIN, LargeEvent, Moment, Pipeline, Source, Stop,
};
use crate::pool::{BUFFER_BYTES, JUMBO_BYTES_MAX, Pool};
use crate::position::Epoch;
use crate::settings::{Format, InputSettings, Settings};
use crate::unpacked::Unpacked;
use crate::wake::Wake;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// The file that all lines are said to be of.
const EPOCH: [u8; 12] = *b"shipper-try!";

/// Room of a batch for one event beside its text, in bytes.
const ROOM_FOR_FIELDS: usize = 64 << 10;

/// Most bytes that a byte of a text becomes in JSON.
const ESCAPED_BYTES_MAX: usize = 6;

/// Who looks at documents.
pub(super) trait Viewer {
    /// Takes a document; breaks when it wants no more.
    fn take(&mut self, found: &Found<'_>) -> ControlFlow<()>;

    /// Shows what it has: the next line may take its time.
    fn flush(&mut self) -> ControlFlow<()>;
}

/// A document.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// The number of the line that it begins with, from 1.
    pub(super) line: u64,
    /// The bytes of its lines.
    pub(super) raw: &'a [u8],
    /// The index or data stream that it would go to.
    pub(super) target: Option<String>,
    /// The document, without a line end.
    pub(super) document: &'a [u8],
    /// Whether its format was understood.
    pub(super) is_recognised: bool,
    /// Whether fields hold all that its lines say.
    pub(super) is_whole: bool,
}

/// What there was.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Lines that were read.
    pub(super) lines: u64,
    /// Those among them that documents were made of.
    pub(super) sent_lines: u64,
    /// Documents.
    pub(super) documents: u64,
    /// Those among them whose format was not understood.
    pub(super) unrecognised: u64,
}

/// One pass of lines through a pipeline.
#[expect(
    clippy::struct_excessive_bools,
    reason = "two are of the input, two change with what is read"
)]
pub(super) struct Trial {
    pipeline: Pipeline,
    source: Source,
    moment: Moment,
    pool: Pool,
    wake: Arc<Wake>,
    terminator: Terminator,
    /// Each line is an event as it stands.
    is_trivial: bool,
    is_raw: bool,
    message_bytes_max: usize,
    /// What was read; an event begins at the first byte.
    bytes: Vec<u8>,
    filled: usize,
    /// Offset of the first byte.
    at: u64,
    /// Up to here lines are counted.
    counted: usize,
    /// The rest of a line that was too long is passed over.
    is_passing: bool,
    knows_charset: bool,
    counts: Counts,
}

/// Where an item comes from.
struct Origin {
    /// Where it begins in `bytes`, as far as that is known.
    start: usize,
    /// How many bytes its event has there.
    length: usize,
    is_recognised: bool,
    is_whole: bool,
}

impl Trial {
    /// Makes one of lines that stand at `path`; of standard input that is empty. `geo` has the databases of the input.
    pub(super) fn new(
        settings: &Settings,
        input: &InputSettings,
        path: &Path,
        geo: Arc<GeoTables>,
    ) -> Result<Self, Failure> {
        let pipeline = app::trial(settings, input, geo)?;
        let source = pipeline.source(path, Epoch::from_random(EPOCH));
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        Ok(Self {
            terminator: pipeline.terminator(&source).clone(),
            is_trivial: pipeline.assembly().is_trivial(&input.reading),
            is_raw: input.format == Format::Raw,
            message_bytes_max: pipeline.assembly().message_bytes_max(),
            knows_charset: !pipeline.assembly().mark_decides(),
            pipeline,
            source,
            moment: Moment(now),
            pool: Pool::new(2 * BUFFER_BYTES),
            wake: Arc::default(),
            bytes: vec![0; READ_BYTES],
            filled: 0,
            at: 0,
            counted: 0,
            is_passing: false,
            counts: Counts::default(),
        })
    }

    /// Returns what there was so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Hands all documents of `input` on.
    ///
    /// # Errors
    /// As `input` says; what was read before is handed on.
    pub(super) fn run(&mut self, input: &mut dyn Read, viewer: &mut dyn Viewer) -> io::Result<()> {
        loop {
            if viewer.flush().is_break() {
                return Ok(());
            }
            if self.filled == self.bytes.len() {
                let longer = (2 * self.bytes.len()).min(self.bytes_max());
                self.bytes.resize(longer.max(self.bytes.len()), 0);
            }
            let read = read_some(input, &mut self.bytes[self.filled..]);
            self.filled += *read.as_ref().unwrap_or(&0);
            let is_at_end = !matches!(read, Ok(1..));
            self.learn_charset(is_at_end);
            let flow = if self.knows_charset {
                self.take_events(is_at_end, viewer)
            } else {
                ControlFlow::Continue(())
            };
            read?;
            if is_at_end || flow.is_break() {
                let _ = viewer.flush();
                return Ok(());
            }
        }
    }

    /// Returns how many bytes are kept for one event.
    fn bytes_max(&self) -> usize {
        // A character of UTF-16 has two bytes, and a line has an end.
        self.message_bytes_max.saturating_mul(2).saturating_add(READ_BYTES).min(JUMBO_BYTES_MAX)
    }

    fn learn_charset(&mut self, is_at_end: bool) {
        if self.knows_charset || (self.filled < 4 && !is_at_end) {
            return;
        }
        let first = &self.bytes[..self.filled.min(4)];
        self.source.set_charset(self.pipeline.assembly().variant(first));
        self.terminator = self.pipeline.terminator(&self.source).clone();
        self.knows_charset = true;
    }

    /// Hands the events on that are whole, or all at the end.
    fn take_events(&mut self, is_at_end: bool, viewer: &mut dyn Viewer) -> ControlFlow<()> {
        let mut from = if self.is_passing { self.pass() } else { 0 };
        // What is longer than all that is kept ends there.
        let is_cut = is_at_end || (self.filled == self.bytes.len() && self.is_at_most());
        let upto = if is_cut {
            self.filled
        } else {
            let rest = &self.bytes[from..self.filled];
            from + self.terminator.find_last(rest, self.at + from as u64).unwrap_or(0)
        };
        let mut flow = ControlFlow::Continue(());
        while from < upto && !self.is_passing {
            let hole = leading_nuls(&self.bytes[from..upto]);
            if HOLE_BYTES_MIN <= hole {
                from += hole;
                continue;
            }
            let next = self.take_event(from, upto, is_cut, viewer, &mut flow);
            if next == from || flow.is_break() {
                from = next;
                break;
            }
            from = next;
        }
        self.count_lines(from);
        if is_at_end && 0 < from && self.has_no_end(&self.bytes[..from]) {
            self.counts.lines += 1;
        }
        self.bytes.copy_within(from..self.filled, 0);
        self.filled -= from;
        self.at += from as u64;
        self.counted = 0;
        flow
    }

    fn is_at_most(&self) -> bool {
        self.bytes_max() <= self.bytes.len()
    }

    /// Passes over the rest of a line that was too long; returns where the next one begins.
    fn pass(&mut self) -> usize {
        let bytes = &self.bytes[..self.filled];
        if let Some(end) = self.terminator.find(bytes, self.at) {
            self.is_passing = false;
            return end;
        }
        // A line end may stand across the border.
        self.filled.saturating_sub(self.terminator.len() - 1)
    }

    /// Hands the next event on; returns where the one behind it begins, which is the same when it is not whole.
    fn take_event(
        &mut self,
        from: usize,
        upto: usize,
        is_cut: bool,
        viewer: &mut dyn Viewer,
        flow: &mut ControlFlow<()>,
    ) -> usize {
        let mut end = upto;
        if self.is_trivial {
            let newline = memchr::memchr(b'\n', &self.bytes[from..upto]);
            end = newline.map_or(upto, |newline| from + newline + 1);
        }
        if !self.pipeline.assembly().has_steps() {
            let line = &self.bytes[from..upto];
            let found = self.terminator.find(line, self.at + from as u64);
            let length = found.unwrap_or(line.len());
            if READ_BYTES < length {
                return self.take_large_line(from, from + length, viewer, flow);
            }
        }
        let cut = [self.at + upto as u64];
        let cuts: &[u64] = if is_cut { &cut } else { &[] };
        let mut batch = self.batch(BUFFER_BYTES);
        let chunk = Chunk { bytes: &self.bytes[from..end], at: self.at + from as u64, cuts };
        let consumed = self.pipeline.run_chunk(&self.source, chunk, self.moment, &mut batch);
        match consumed.stop {
            Stop::Full | Stop::Large if consumed.bytes == 0 => {
                if self.pipeline.assembly().has_steps() {
                    return self.take_large_event(from, upto, is_cut, viewer, flow);
                }
                return self.take_large_line(from, end, viewer, flow);
            }
            _ => {}
        }
        self.hand_on(from, &consumed, batch, viewer, flow);
        let next = from + consumed.bytes;
        if consumed.stop == Stop::Hole {
            return next + leading_nuls(&self.bytes[next..upto]);
        }
        next
    }

    fn batch(&self, bytes: usize) -> BatchBuilder {
        let limits = BatchLimits { bytes: bytes.min(BUFFER_BYTES), items: 1 };
        let buffer = if bytes <= BUFFER_BYTES {
            self.pool.try_take(&self.wake)
        } else {
            self.pool.try_take_jumbo(bytes, &self.wake)
        };
        BatchBuilder::new(buffer.expect("one batch is in use at a time"), limits)
    }

    /// Hands on what a batch holds, if anything.
    fn hand_on(
        &mut self,
        from: usize,
        consumed: &Consumed,
        batch: BatchBuilder,
        viewer: &mut dyn Viewer,
        flow: &mut ControlFlow<()>,
    ) {
        let batch = batch.seal();
        if batch.items() == 0 {
            return;
        }
        let item = batch.item(0);
        let split = memchr::memchr(b'\n', item).unwrap_or(0);
        let (action, document) = (&item[..split], item[split..].trim_ascii());
        let is_recognised = consumed.unparsed == 0;
        let is_whole = is_recognised && consumed.partial == 0;
        let mut origin = Origin { start: from, length: consumed.bytes, is_recognised, is_whole };
        let action: serde_json::Value = serde_json::from_slice(action).unwrap_or_default();
        let action = &action["create"];
        let id = action["_id"].as_str().and_then(letter::place);
        if let Some((_, start, length)) = id {
            origin.start = usize::try_from(start.saturating_sub(self.at)).unwrap_or(from);
            origin.length = usize::try_from(length).unwrap_or(0);
        }
        self.count_lines(origin.start);
        let end = (origin.start + origin.length).min(self.filled);
        let raw = &self.bytes[origin.start.min(end)..end];
        let ends = memchr::memchr_iter(b'\n', raw).count() as u64;
        self.counts.sent_lines += ends + u64::from(self.has_no_end(raw));
        self.counts.documents += 1;
        self.counts.unrecognised += u64::from(!origin.is_recognised);
        let found = Found {
            line: self.counts.lines + 1,
            raw,
            target: action["_index"].as_str().map(str::to_owned),
            document,
            is_recognised: origin.is_recognised,
            is_whole: origin.is_whole,
        };
        *flow = viewer.take(&found);
    }

    /// Hands on a line that goes into a batch of its own: it has no fields.
    fn take_large_line(
        &mut self,
        from: usize,
        end: usize,
        viewer: &mut dyn Viewer,
        flow: &mut ControlFlow<()>,
    ) -> usize {
        let raw = &self.bytes[from..end];
        let content = self.terminator.content(raw);
        self.is_passing = content.len() == raw.len() && self.message_bytes_max < raw.len();
        let kept = &content[..content.len().min(self.message_bytes_max)];
        let flags = Flags { is_truncated: kept.len() < content.len(), is_multiline: false };
        let start = self.at + from as u64;
        let place = Place { start, raw_length: raw.len() as u64, length: 0, flags };
        let mut batch = self.batch(jumbo_bytes(kept.len()));
        let mark = if start == 0 {
            let charset = self.pipeline.assembly().rules(self.source.charset()).charset;
            charset.mark_length(kept)
        } else {
            0
        };
        self.pipeline.begin_jumbo(&self.source, place, self.moment, &mut batch);
        self.pipeline.push_jumbo(&kept[mark..], &mut batch);
        self.pipeline.end_jumbo(&mut batch);
        let unparsed = u64::from(!self.is_raw);
        let consumed = Consumed { bytes: raw.len(), events: 1, unparsed, ..Consumed::default() };
        self.hand_on(from, &consumed, batch, viewer, flow);
        end
    }

    /// Hands on an event of several lines, or of one that passes through parsers, that takes a batch of its own.
    fn take_large_event(
        &mut self,
        from: usize,
        upto: usize,
        is_cut: bool,
        viewer: &mut dyn Viewer,
        flow: &mut ControlFlow<()>,
    ) -> usize {
        let start = self.at + from as u64;
        let cut = [self.at + upto as u64];
        let cuts: &[u64] = if is_cut { &cut } else { &[] };
        let mut open = OpenEvent::at(start);
        let chunk = Chunk { bytes: &self.bytes[from..upto], at: start, cuts };
        let _ = self.pipeline.seek_end(&self.source, chunk, &mut open);
        let end = if start < open.end { open.end } else { self.at + upto as u64 };
        let kept = open.kept.clamp(start, end);
        let length = |offset: u64| usize::try_from(offset - start).unwrap_or(usize::MAX);
        let bytes = &self.bytes[from..from + length(kept).max(1)];
        let mut batch = self.batch(jumbo_bytes(bytes.len()));
        let event = LargeEvent { bytes, at: start, end };
        let consumed = self.pipeline.run_large(&self.source, event, self.moment, &mut batch);
        self.hand_on(from, &consumed, batch, viewer, flow);
        from + length(end)
    }

    /// Tells whether lines end without a line end.
    fn has_no_end(&self, lines: &[u8]) -> bool {
        self.terminator.content(lines).len() == lines.len()
    }

    /// Counts the lines that end before a position.
    fn count_lines(&mut self, upto: usize) {
        if self.counted < upto {
            let ends = memchr::memchr_iter(b'\n', &self.bytes[self.counted..upto]).count();
            self.counts.lines += ends as u64;
            self.counted = upto;
        }
    }
}

/// Returns the size of a buffer for a text of so many bytes alone.
fn jumbo_bytes(text: usize) -> usize {
    let bytes = text.saturating_mul(ESCAPED_BYTES_MAX).saturating_add(ROOM_FOR_FIELDS);
    bytes.clamp(BUFFER_BYTES + 1, JUMBO_BYTES_MAX)
}

fn leading_nuls(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len())
}

fn read_some(input: &mut dyn Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(bytes) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) => {}
            read => return read,
        }
    }
}

/// An open file read from its start to its end; a compressed one as what it unpacks to.
pub(super) struct Opened {
    file: Box<dyn ReadAt>,
    at: u64,
    is_packed: bool,
}

/// What [`Opened`] asks of a file.
trait ReadAt {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl<F: ReadFile> ReadAt for F {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadFile::read_at(self, bytes, offset)
    }
}

impl Opened {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, or is none, with what to do.
    pub(super) fn open(path: &Path) -> Result<Self, Advised> {
        let disk = RealDisk;
        let shown = path.display();
        let unreadable = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => "look at its name".to_owned(),
                io::ErrorKind::PermissionDenied => {
                    "run this as root, or as a user that may read it".to_owned()
                }
                _ => "look at the file and its disk".to_owned(),
            };
            Advised::new(format!("cannot read `{shown}`: {}", advice::reason(&error)), hint)
        };
        let kind = disk.stat(path).map_err(unreadable)?.kind;
        match kind {
            Kind::File => {}
            Kind::Directory => {
                let message = format!("`{shown}` is a directory");
                return Err(Advised::new(message, format!("name the files in it: {shown}/*.log")));
            }
            Kind::Link | Kind::Other => {
                let message = format!("`{shown}` is no regular file");
                let hint =
                    "have what comes out of it written to a file, or give it to `shipper try -`";
                return Err(Advised::new(message, hint));
            }
        }
        let file: RealFile = disk.open(path).map_err(unreadable)?;
        let mut first = [0; Packing::MAGIC_BYTES];
        let length = file.read_fully(&mut first, 0).map_err(unreadable)?;
        let is_packed = Packing::of(&first[..length]).is_some();
        let file: Box<dyn ReadAt> =
            if is_packed { Box::new(Unpacked::new(file)) } else { Box::new(file) };
        Ok(Self { file, at: 0, is_packed })
    }

    /// Tells whether the file is compressed.
    pub(super) fn is_packed(&self) -> bool {
        self.is_packed
    }
}

impl Read for Opened {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(bytes, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}
