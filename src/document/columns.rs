//! Documents whose parser has fields of its own beside the known ones, written as fast as those that have none.
//!
//! The known fields keep their order and each of the others is put to the members of its object, so that the beginning of
//! a document may be what it is for all formats. Where fields of the operator's lie among ours, or a parser's fields among
//! the constants, that order is not to be had, and [`Layout`](super::layout::Layout) writes the document.

use super::glue::glue;
use crate::event::{EventBuf, Extra, FIELDS, Field, Kind};
use crate::json_text::{BLOCK_BYTES, Faults, Sink, push_clean};

/// Objects that the beginning of every document has closed.
const CLOSED: [&str; 6] = ["@timestamp", "fileset", "input", "log", "message", "service"];

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Known(Field),
    Extra(usize),
}

/// A field.
#[derive(Debug, Clone, Copy)]
struct Column {
    origin: Origin,
    kind: Kind,
    /// Whether the text before it has the value as well.
    is_constant: bool,
    /// Whether it is written as it stands.
    is_json: bool,
}

/// An order of fields, and the text between any two.
#[derive(Debug, Clone)]
pub struct Columns {
    /// All but the line.
    columns: Vec<Column>,
    /// Bit set of the known fields that have a column, and the columns of all fields by their numbers.
    known: u64,
    of_known: [u8; FIELDS],
    of_extra: Vec<u8>,
    /// For `[before * width + next]`: where in `text` what stands between the two lies.
    between: Vec<(u32, u32)>,
    width: usize,
    /// All of it, and room to copy it in blocks.
    text: Vec<u8>,
}

impl Columns {
    /// Makes the order of a parser's fields among the known ones. `None` where one of them lies in an object that is closed
    /// before: one of `closed`, or one that every document has.
    #[must_use]
    pub fn new(extras: &[Extra], closed: &[&str], constants: &[&str]) -> Option<Self> {
        let is_closed = |extra: &Extra| {
            let first = extra.name.split('.').next().unwrap_or_default();
            CLOSED.contains(&first)
                || closed.contains(&first)
                || constants.contains(&extra.name.as_str())
        };
        if extras.iter().any(is_closed) {
            return None;
        }
        let named = |origin: &Origin| match origin {
            Origin::Known(field) => field.name(),
            Origin::Extra(number) => extras[*number].name.as_str(),
        };
        let known = Field::ALL.iter().filter(|field| {
            **field != Field::Message && !extras.iter().any(|extra| extra.name == field.name())
        });
        let mut order: Vec<Origin> = known.map(|field| Origin::Known(*field)).collect();
        for number in 0..extras.len() {
            let shared = |origin: &Origin| shared_parts(named(origin), &extras[number].name);
            let most = order.iter().map(shared).max().unwrap_or(0);
            let last = order.iter().rposition(|origin| shared(origin) == most && 0 < most);
            // `event` is open when the fields begin.
            let is_first = most == 0 && extras[number].name.starts_with("event.");
            let place = if is_first { 0 } else { last.map_or(order.len(), |last| last + 1) };
            order.insert(place, Origin::Extra(number));
        }
        let columns = order.iter().map(|origin| match origin {
            Origin::Known(field) => Column {
                origin: *origin,
                kind: field.kind(),
                is_constant: !field.constant().is_empty(),
                is_json: field.kind() == Kind::Raw || Field::MADE_BITS >> *field as u32 & 1 == 1,
            },
            Origin::Extra(number) => {
                let kind = extras[*number].kind;
                Column { origin: *origin, kind, is_constant: false, is_json: kind == Kind::Raw }
            }
        });
        let columns: Vec<Column> = columns.collect();
        let names: Vec<&str> = order.iter().map(named).collect();
        Some(Self::of(columns, &names, extras.len()))
    }

    fn of(columns: Vec<Column>, names: &[&str], extras: usize) -> Self {
        let (mut known, mut of_known, mut of_extra) = (0, [0; FIELDS], vec![0; extras]);
        for (number, column) in (0..).zip(&columns) {
            match column.origin {
                Origin::Known(field) => {
                    known |= 1 << field as u32;
                    of_known[field as usize] = number;
                }
                Origin::Extra(extra) => of_extra[extra] = number,
            }
        }
        // Behind the fields come the line, and the document's end.
        let width = columns.len() + 2;
        let (mut between, mut text) = (Vec::new(), Vec::new());
        let described = |at: usize| match columns.get(at) {
            Some(column) => (names[at], column.kind),
            None => (Field::Message.name(), Field::Message.kind()),
        };
        for before in 0..width {
            let from = before.checked_sub(1).map_or(("event.created", Kind::Raw), described);
            for next in 0..width {
                let start = text.len();
                if before <= next {
                    let to = (next + 1 < width).then(|| described(next));
                    text.extend_from_slice(&glue(Some(from), to));
                    if let Some(Column { origin: Origin::Known(field), .. }) = columns.get(next) {
                        text.extend_from_slice(field.constant().as_bytes());
                    }
                }
                let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
                between.push((number(start), number(text.len() - start)));
            }
        }
        text.resize(text.len() + BLOCK_BYTES, 0);
        Self { columns, known, of_known, of_extra, between, width, text }
    }

    /// Appends all fields of an event but the line; returns where it stands for [`Columns::push_glue_of_line`].
    #[inline]
    pub fn push_fields(
        &self,
        sink: &mut impl Sink,
        text: &[u8],
        event: &EventBuf,
        faults: Faults,
    ) -> usize {
        let clean = event.marks().is_some();
        let mut row = 0;
        let mut left = self.present(event);
        while left != 0 {
            let number = left.trailing_zeros() as usize;
            left &= left - 1;
            let column = self.columns[number];
            let span = match column.origin {
                Origin::Known(field) => event.span(field as usize),
                Origin::Extra(extra) => event.span_of_extra(extra),
            };
            self.push_glue(sink, row, number);
            row = number + 1;
            if column.is_constant {
                continue;
            }
            let is_clean = clean || column.is_json;
            if is_clean && !span.is_scratch() {
                push_clean(sink, text, span.start(), span.len());
            } else if column.is_json {
                sink.push(event.bytes(text, span));
            } else {
                sink.push_text(event.bytes(text, span), faults);
            }
        }
        row
    }

    /// Returns the bit set of the columns that an event has.
    #[inline]
    fn present(&self, event: &EventBuf) -> u128 {
        let mut columns = 0;
        let mut left = event.present() & self.known;
        while left != 0 {
            columns |= 1 << self.of_known[left.trailing_zeros() as usize];
            left &= left - 1;
        }
        let mut left = event.extras_present();
        while left != 0 {
            columns |= 1 << self.of_extra[left.trailing_zeros() as usize];
            left &= left - 1;
        }
        columns
    }

    /// Appends what stands before the line; returns where it stands for [`Columns::push_end`].
    #[inline]
    pub fn push_glue_of_line(&self, sink: &mut impl Sink, row: usize) -> usize {
        self.push_glue(sink, row, self.columns.len());
        self.columns.len() + 1
    }

    /// Appends what ends a document.
    #[inline]
    pub fn push_end(&self, sink: &mut impl Sink, row: usize) {
        self.push_glue(sink, row, self.columns.len() + 1);
    }

    #[inline]
    fn push_glue(&self, sink: &mut impl Sink, row: usize, next: usize) {
        let (start, length) = self.between[row * self.width + next];
        push_clean(sink, &self.text, start as usize, length as usize);
    }
}

/// Counts the objects, from the top level on, that two fields lie in together.
fn shared_parts(one: &str, other: &str) -> usize {
    let depth = |name: &str| name.matches('.').count();
    let parts = one.split('.').zip(other.split('.'));
    let shared = parts.take_while(|(one, other)| one == other).count();
    shared.min(depth(one)).min(depth(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{LineText, Span};
    use proptest::prelude::*;
    use serde_json::Value;

    fn extras() -> Vec<Extra> {
        [
            ("apache.access.identity", Kind::Text),
            ("event.duration", Kind::Raw),
            ("apache.access.request.headers.x", Kind::Text),
            ("http.response.bytes", Kind::Raw),
            ("apache.access.args.a", Kind::List),
            ("tls.version", Kind::Text),
            ("http.request.id", Kind::Text),
            ("apache.access.request.trailers.y", Kind::Text),
            ("nginx.access.remote_ip_list", Kind::Raw),
            ("tls.client.subject", Kind::Text),
            ("apache.access.request.headers.z", Kind::Text),
            ("source.port", Kind::Raw),
            ("lone", Kind::Text),
        ]
        .map(|(name, kind)| Extra::new(name, kind))
        .to_vec()
    }

    proptest! {
        /// For every fields of an event, the document is JSON in which no object is opened twice and each field stands where
        /// its name says.
        #[test]
        fn property_any_fields_make_a_document(chosen in any::<u64>(), more in any::<u16>(), line in any::<bool>()) {
            let extras = extras();
            let columns = Columns::new(&extras, &["agent"], &[]).expect("none lies in a closed object");
            let mut event = EventBuf::with_extras(extras.len());
            event.begin(LineText::Plain, Some(0));
            let text = [&b"12"[..], &[b' '; 100]].concat();
            let mut expected = Vec::new();
            for (number, field) in Field::ALL.iter().enumerate() {
                let is_other = *field == Field::Message
                    || extras.iter().any(|extra| extra.name == field.name())
                    || Field::ALL[..number].iter().any(|other| other.name() == field.name());
                if !is_other && chosen >> number & 1 == 1 {
                    event.set(*field, Span::line(0, 2));
                    expected.push(field.name().to_owned());
                }
            }
            for (number, extra) in extras.iter().enumerate() {
                if more >> number & 1 == 1 {
                    event.set_extra(number, Span::line(0, 2));
                    expected.push(extra.name.clone());
                }
            }
            let mut out = b"{\"a\":0,\"event\":{\"created\":0".to_vec();
            let mut row = columns.push_fields(&mut out, &text, &event, Faults::None);
            if line {
                row = columns.push_glue_of_line(&mut out, row);
                out.extend_from_slice(b"text");
                expected.push("message".to_owned());
            }
            columns.push_end(&mut out, row);
            let document: Value = serde_json::from_slice(&out).expect("it is JSON");
            for name in &expected {
                let pointer = format!("/{}", name.replace('.', "/"));
                prop_assert!(document.pointer(&pointer).is_some(), "{} in {}", pointer, document);
            }
            prop_assert_eq!(leaves(&document), expected.len() + 2, "{}", document);
        }
    }

    fn leaves(value: &Value) -> usize {
        match value {
            Value::Object(members) => members.values().map(leaves).sum(),
            _ => 1,
        }
    }

    #[test]
    fn fields_in_what_is_closed_have_no_columns() {
        for (name, closed, constants) in [
            ("log.level", &[][..], &[][..]),
            ("host.zone", &["host"], &[]),
            ("event.kind", &[], &["event.kind"]),
        ] {
            assert!(Columns::new(&[Extra::new(name, Kind::Text)], closed, constants).is_none());
        }
    }
}
