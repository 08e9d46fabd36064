//! Documents with fields that are not known before the configuration is read.
//!
//! The names come from an operator's expression, or from `fields_under_root`. They may lie in the same objects as our
//! own, and JSON of which one object is opened twice is refused by the server. So all fields of such a document are
//! put into one order, in which the members of an object are neighbours. This costs a look at each possible field.

use super::glue::glue;
use super::item::{Content, Flags, Frame, Place, faults, push_line};
use crate::event::{EventBuf, Field, Kind};
use crate::json_text::{Sink, push_u64};
use std::collections::HashMap;

/// Where the value of an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration: JSON text.
    Constant(Vec<u8>),
    /// The same, for recognised lines only.
    ConstantOfRecognised(Vec<u8>),
    /// Where the line begins.
    Offset,
    /// The file's path, or the sender's address.
    FilePath,
    /// What there is to say about how a line was read.
    Flags,
    /// A part of the file's path.
    Path(usize),
    /// When a recognised line was read.
    Created,
    /// A field of the event.
    Known(Field),
    /// A field of the event that has no [`Field`].
    Extra(usize, Kind),
}

/// A field that documents may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Dotted name.
    pub name: String,
    /// Where its value comes from.
    pub origin: Origin,
}

impl Entry {
    fn kind(&self) -> Kind {
        match self.origin {
            Origin::Known(field) => field.kind(),
            Origin::Extra(_, kind) => kind,
            _ => Kind::Raw,
        }
    }

    fn described(&self) -> (&str, Kind) {
        (&self.name, self.kind())
    }
}

/// An order of fields, and the text between any two.
#[derive(Debug, Clone)]
pub struct Layout {
    entries: Vec<Entry>,
    /// Which of `texts`, for `[previous + 1][next]`; row 0 is the top level, the last column the document's end.
    between: Vec<Vec<u16>>,
    /// What stands between two fields, each once: most of it is the same for many.
    texts: Vec<Vec<u8>>,
}

impl Layout {
    /// Puts entries into an order. Where two names exclude each other, because they are equal or one lies in the other,
    /// the one that is given first stays, unless both can never be in one document.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            if !kept.iter().any(|other| exclude(other, &entry)) {
                kept.push(entry);
            }
        }
        // By parts, so that what nests together stands together (`a.b` before `a-c`).
        kept.sort_by(|left, right| left.name.split('.').cmp(right.name.split('.')));
        let (mut between, mut numbers) = (Vec::new(), HashMap::new());
        for row in 0..=kept.len() {
            let before = row.checked_sub(1).map(|row| kept[row].described());
            let texts = (0..=kept.len()).map(|column| match kept.get(column) {
                Some(_) if column < row => Vec::new(),
                next => glue(before, next.map(Entry::described)),
            });
            let numbered = texts.map(|text| {
                let next = u16::try_from(numbers.len()).expect("there are a few fields");
                *numbers.entry(text).or_insert(next)
            });
            between.push(numbered.collect());
        }
        let mut texts: Vec<(Vec<u8>, u16)> = numbers.into_iter().collect();
        texts.sort_unstable_by_key(|(_, number)| *number);
        let texts = texts.into_iter().map(|(text, _)| text).collect();
        Self { entries: kept, between, texts }
    }

    /// Appends a document from behind its time.
    #[inline(never)]
    pub fn push_document(
        &self,
        sink: &mut impl Sink,
        frame: &Frame,
        text: &[u8],
        place: Place,
        event: &EventBuf,
        content: Content,
    ) {
        sink.push(b"\"");
        sink.push(&frame.run[frame.run_log..frame.run_generic]);
        let mut row = 0;
        for (column, entry) in self.entries.iter().enumerate() {
            let fields = matches!(content, Content::Fields | Content::Envelope);
            let span = match &entry.origin {
                Origin::Known(Field::Message) => {
                    if fields && event.get(Field::Message).is_none() {
                        continue;
                    }
                    self.push_glue(sink, row, column);
                    match event.text_part().filter(|_| fields) {
                        Some(part) => {
                            sink.push_text(event.bytes(text, part), faults(event.text()));
                        }
                        None => push_line(sink, text, place.length, event.text()),
                    }
                    row = column + 1;
                    continue;
                }
                Origin::Known(field) if fields => event.get(*field),
                Origin::Extra(number, _) if fields => event.extra(*number),
                Origin::Known(_) | Origin::Extra(..) => None,
                constant => {
                    if present(constant, frame, place, content) {
                        self.push_glue(sink, row, column);
                        push_constant(sink, constant, frame, place);
                        row = column + 1;
                    }
                    continue;
                }
            };
            let Some(span) = span else { continue };
            self.push_glue(sink, row, column);
            match &entry.origin {
                Origin::Known(field) if !field.constant().is_empty() => {
                    sink.push(field.constant().as_bytes());
                }
                Origin::Known(field) if Field::MADE_BITS >> *field as u32 & 1 == 1 => {
                    sink.push(event.bytes(text, span));
                }
                Origin::Extra(_, Kind::Raw) => sink.push(event.bytes(text, span)),
                _ => sink.push_text(event.bytes(text, span), faults(event.text())),
            }
            row = column + 1;
        }
        self.push_glue(sink, row, self.entries.len());
    }

    /// Appends what is the same in all documents, each with a comma before it; the members of `log` are left out,
    /// because this is for documents whose `log` stands elsewhere.
    pub fn push_constants(&self, sink: &mut impl Sink, frame: &Frame) {
        let mut row = 0;
        for (column, entry) in self.entries.iter().enumerate() {
            let value = match &entry.origin {
                Origin::Constant(value) => Some(&**value),
                Origin::Path(number) => path_field(frame, *number),
                _ => None,
            };
            if let Some(value) = value
                && entry.name != "log"
                && !entry.name.starts_with("log.")
            {
                self.push_glue(sink, row, column);
                sink.push(value);
                row = column + 1;
            }
        }
        let end = &self.texts[usize::from(self.between[row][self.entries.len()])];
        sink.push(end.strip_suffix(b"}\n").unwrap_or(end));
    }

    fn push_glue(&self, sink: &mut impl Sink, row: usize, column: usize) {
        sink.push(&self.texts[usize::from(self.between[row][column])]);
    }
}

/// Tells whether a document has a value that is not of its event.
fn present(origin: &Origin, frame: &Frame, place: Place, content: Content) -> bool {
    match origin {
        Origin::ConstantOfRecognised(_) => content == Content::Fields,
        Origin::Created => content == Content::Fields && frame.read_at.is_some(),
        Origin::Path(number) => path_field(frame, *number).is_some(),
        Origin::Flags => place.flags != Flags::default(),
        Origin::FilePath => !frame.path.is_empty(),
        _ => true,
    }
}

fn path_field(frame: &Frame, number: usize) -> Option<&[u8]> {
    frame.path_fields.get(number)?.as_deref()
}

fn push_constant(sink: &mut impl Sink, origin: &Origin, frame: &Frame, place: Place) {
    match origin {
        Origin::Constant(value) | Origin::ConstantOfRecognised(value) => sink.push(value),
        Origin::Offset => push_u64(sink, place.start),
        Origin::FilePath => sink.push(&frame.path),
        Origin::Path(number) => sink.push(path_field(frame, *number).unwrap_or_default()),
        Origin::Flags => sink.push(place.flags.json().unwrap_or_default()),
        Origin::Created => {
            sink.push(b"\"");
            if let Some(read_at) = &frame.read_at {
                sink.push(read_at);
            }
            sink.push(b"\"");
        }
        Origin::Known(_) | Origin::Extra(..) => {}
    }
}

/// Tells whether a name cannot be in a layout together with another one.
fn exclude(kept: &Entry, entry: &Entry) -> bool {
    // Known fields of one name are never both in one document.
    let are_known = matches!((&kept.origin, &entry.origin), (Origin::Known(_), Origin::Known(_)));
    if are_known && kept.name == entry.name {
        return kept.origin == entry.origin;
    }
    let within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|behind| behind.is_empty() || behind.starts_with('.'))
    };
    within(&kept.name, &entry.name) || within(&entry.name, &kept.name)
}
