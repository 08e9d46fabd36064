//! One item: action line and document of one event, from its first byte to its last.
//!
//! What does not change from line to line is in the [`Frame`], rendered before.

#![expect(
    clippy::inline_always,
    reason = "a cursor lives in registers only if none of these is called; counted"
)]

use super::columns::Columns;
use super::glue::{AT_ROOT, IN_EVENT, TABLE};
use super::layout::Layout;
use crate::event::{EventBuf, Field, LineText};
use crate::json_text::{BLOCK_BYTES, Faults, Sink, push_clean, push_digits, push_plain, push_u64};
use crate::parsers::timestamp::Rendered;
use crate::position::EPOCH_TEXT_BYTES;
use std::sync::Arc;

/// What stands around the fields of all documents of a chunk.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The action line as far as the dot before the offset's digits, or all of it where there are no ids.
    pub action: Padded,
    /// From behind the id to the time.
    pub before_time: Padded,
    /// From behind the number of `log.offset` on: the rest of `log`, and all constants. Its last member is `event`,
    /// which is left open, so it is cut where there is no `event`.
    pub run: Vec<u8>,
    /// Length of `run` as far as the end of the object `log`.
    pub run_log: usize,
    /// Length of `run` without `event` and what else only recognised lines have.
    pub run_generic: usize,
    /// What lines have that are not recognised, each member with a comma before it; only where there is no `layout`.
    pub unrecognised: Vec<u8>,
    /// Whether the action carries an id.
    pub ids: Ids,
    /// The id that an event brings, as the inside of a JSON string; empty where it brings none.
    pub id: Vec<u8>,
    /// Time of reading.
    pub read_at: Option<Rendered>,
    /// `log.file.path`, or `log.source.address`, as JSON; empty where there is none.
    pub path: Vec<u8>,
    /// What the file's path says, as JSON, where that is among the fields of a layout.
    pub path_fields: Arc<[Option<Box<[u8]>>]>,
    /// Members of the event's own, each with a comma before it; only where there is no `layout`.
    pub members: Vec<u8>,
    /// How documents are laid out whose fields are not the known ones alone.
    pub layout: Option<Arc<Layout>>,
    /// How those are ordered that have fields of a parser's among the known ones, and no layout.
    pub columns: Option<Arc<Columns>>,
}

/// A text with room behind it, so that it is copied in blocks.
#[derive(Debug, Clone, Default)]
pub struct Padded {
    bytes: Vec<u8>,
    length: usize,
}

impl Padded {
    /// Makes it anew.
    pub fn render(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        write(&mut self.bytes);
        self.length = self.bytes.len();
        self.bytes.resize(self.length + BLOCK_BYTES, 0);
    }

    #[inline(always)]
    fn push_to(&self, sink: &mut impl Sink) {
        push_clean(sink, &self.bytes, 0, self.length);
    }
}

/// Whether documents carry an `_id`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ids {
    /// Epoch, start and length.
    #[default]
    Position,
    /// None: the server draws one.
    None,
}

/// Where a line lies.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Offset of its first byte in its epoch.
    pub start: u64,
    /// Its bytes, line end included.
    pub raw_length: u64,
    /// Its bytes that go into `message`, line end left out.
    pub length: usize,
    /// What there is to say about how it was read.
    pub flags: Flags,
}

/// `log.flags` of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Some of it was left out.
    pub is_truncated: bool,
    /// It has several lines.
    pub is_multiline: bool,
}

impl Flags {
    /// Returns the JSON text of the list, if there is one.
    #[must_use]
    pub fn json(self) -> Option<&'static [u8]> {
        match (self.is_truncated, self.is_multiline) {
            (false, false) => None,
            (true, false) => Some(b"[\"truncated\"]"),
            (false, true) => Some(b"[\"multiline\"]"),
            (true, true) => Some(b"[\"truncated\",\"multiline\"]"),
        }
    }
}

/// What a document has beside the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The event's fields, `message` among them or not.
    Fields,
    /// The fields of what the line came in, and its text.
    Envelope,
    /// The line alone.
    Line,
}

/// Ends an action without an id.
const END_OF_ACTION: &[u8] = b"}}\n";

/// What stands between time and offset, and room to copy it as a block.
const BEFORE_OFFSET: &[u8; 32] = b"\",\"log\":{\"offset\":              ";
const BEFORE_OFFSET_BYTES: usize = 18;

const FLAGS: &[u8] = b",\"flags\":";

/// Appends one item. `text` begins with the line and may go on behind it.
#[inline(always)]
pub fn push_item(
    sink: &mut impl Sink,
    frame: &Frame,
    text: &[u8],
    place: Place,
    event: &EventBuf,
    content: Content,
) {
    push_action(sink, frame, place);
    let has_time = matches!(content, Content::Fields | Content::Envelope);
    let time = event.timestamp().filter(|_| has_time);
    if let Some(time) = time.or(frame.read_at.as_ref()) {
        sink.push_window(time, time.len());
    }
    if let Some(layout) = &frame.layout {
        return layout.push_document(sink, frame, text, place, event, content);
    }
    sink.push_window(BEFORE_OFFSET, BEFORE_OFFSET_BYTES);
    push_u64(sink, place.start);
    if let Some(flags) = place.flags.json() {
        sink.push(FLAGS);
        sink.push(flags);
    }
    if content == Content::Fields {
        if frame.members.is_empty() {
            sink.push(&frame.run);
        } else {
            sink.push(&frame.run[..frame.run_generic]);
            sink.push(&frame.members);
            sink.push(&frame.run[frame.run_generic..]);
        }
        if let Some(columns) = &frame.columns {
            return push_columns(sink, columns, text, place.length, event);
        }
        return push_fields(sink, text, place.length, event);
    }
    sink.push(&frame.run[..frame.run_generic]);
    if !frame.unrecognised.is_empty() {
        sink.push(&frame.unrecognised);
    }
    if !frame.members.is_empty() {
        sink.push(&frame.members);
        if place.length == 0 {
            return sink.push(b"}\n");
        }
    }
    let glue = TABLE.between(AT_ROOT, Field::Message as usize);
    sink.push_window(&glue.text, glue.length);
    push_line(sink, text, place.length, event.text());
    let glue = TABLE.after(Field::Message as usize);
    sink.push_window(&glue.text, glue.length);
}

#[inline(always)]
fn push_action(sink: &mut impl Sink, frame: &Frame, place: Place) {
    if !frame.id.is_empty() {
        return push_own_action(sink, frame);
    }
    frame.action.push_to(sink);
    if frame.ids == Ids::Position {
        push_digits(sink, place.start);
        sink.push_window(b".", 1);
        push_digits(sink, place.raw_length);
    }
    frame.before_time.push_to(sink);
}

/// Appends an action with the event's own id.
#[cold]
fn push_own_action(sink: &mut impl Sink, frame: &Frame) {
    let action = &frame.action.bytes[..frame.action.length];
    let own = match frame.ids {
        // As far as the quote before our id.
        Ids::Position => &action[..action.len() - EPOCH_TEXT_BYTES - 1],
        Ids::None => {
            let open = &action[..action.len() - END_OF_ACTION.len()];
            sink.push(open);
            sink.push(if open.ends_with(b"{") { b"" } else { b"," });
            b"\"_id\":\""
        }
    };
    sink.push(own);
    sink.push(&frame.id);
    if frame.ids == Ids::None {
        sink.push(b"\"");
        sink.push(END_OF_ACTION);
    }
    frame.before_time.push_to(sink);
}

/// Appends all fields of an event and ends the document.
#[inline(always)]
fn push_fields(sink: &mut impl Sink, text: &[u8], line_length: usize, event: &EventBuf) {
    let table = &*TABLE;
    let clean = event.marks().is_some();
    let mut before = IN_EVENT;
    let mut left = event.present() & !(1 << Field::Message as u32);
    while left != 0 {
        let number = left.trailing_zeros() as usize;
        left &= left - 1;
        let glue = table.between(before, number);
        sink.push_window(&glue.text, glue.length);
        before = number;
        let span = event.span(number);
        if clean && !span.is_scratch() {
            push_clean(sink, text, span.start(), span.len());
        } else if Field::MADE_BITS >> number & 1 == 1 {
            sink.push(event.bytes(text, span));
        } else {
            sink.push_text(event.bytes(text, span), faults(event.text()));
        }
    }
    if event.get(Field::Message).is_some() {
        let glue = table.between(before, Field::Message as usize);
        sink.push_window(&glue.text, glue.length);
        before = Field::Message as usize;
        push_message(sink, text, line_length, event);
    }
    let glue = table.after(before);
    sink.push_window(&glue.text, glue.length);
}

/// The same of an event that has fields of its parser's.
#[inline(always)]
fn push_columns(
    sink: &mut impl Sink,
    columns: &Columns,
    text: &[u8],
    line_length: usize,
    event: &EventBuf,
) {
    let mut row = columns.push_fields(sink, text, event, faults(event.text()));
    if event.get(Field::Message).is_some() {
        row = columns.push_glue_of_line(sink, row);
        push_message(sink, text, line_length, event);
    }
    columns.push_end(sink, row);
}

/// Appends a line whose quotes the parser has found; or any other.
#[inline(always)]
fn push_message(sink: &mut impl Sink, text: &[u8], length: usize, event: &EventBuf) {
    let Some(marks) = event.marks() else {
        return push_line(sink, text, length, event.text());
    };
    let mut from = 0;
    for mark in marks {
        let quote = *mark as usize;
        push_clean(sink, text, from, quote - from);
        sink.push_window(b"\\\"", 2);
        from = quote + 1;
    }
    push_clean(sink, text, from, length - from);
}

/// Appends the inside of `message`.
#[inline(always)]
pub fn push_line(sink: &mut impl Sink, text: &[u8], length: usize, known: LineText) {
    if known == LineText::Plain {
        push_plain(sink, text, length);
    } else {
        sink.push_text(&text[..length], faults(known));
    }
}

/// Returns what a value of a line may hold.
#[must_use]
#[inline]
pub fn faults(text: LineText) -> Faults {
    if text == LineText::Broken { Faults::Replaced } else { Faults::None }
}

/// Appends the beginning of an item whose line comes in pieces.
///
/// `log` stands behind the line there, because only then it is known how the line ended.
pub fn push_piecewise_head(sink: &mut impl Sink, frame: &Frame, place: Place) {
    push_action(sink, frame, place);
    if let Some(time) = &frame.read_at {
        sink.push(time);
    }
    sink.push(b"\"");
    sink.push(&frame.run[frame.run_log..frame.run_generic]);
    sink.push(&frame.unrecognised);
    if let Some(layout) = &frame.layout {
        layout.push_constants(sink, frame);
    }
    sink.push(b",\"message\":\"");
}

/// Appends the end of an item whose line came in pieces.
pub fn push_piecewise_end(sink: &mut impl Sink, frame: &Frame, place: Place) {
    sink.push(b"\",\"log\":{\"offset\":");
    push_u64(sink, place.start);
    if let Some(flags) = place.flags.json() {
        sink.push(FLAGS);
        sink.push(flags);
    }
    sink.push(&frame.run[..frame.run_log]);
    sink.push(b"}\n");
}
