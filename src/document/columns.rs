//! Documents whose parser has fields of its own beside the known ones, written as fast as those that have none.
//!
//! The known fields keep their order and each of the others is put to the members of its object, so that the beginning of
//! a document may be what it is for all formats. Where fields of the operator's lie among ours, or a parser's fields among
//! the constants, that order is not to be had, and [`Layout`](super::layout::Layout) writes the document.

#![expect(
    clippy::inline_always,
    reason = "a cursor lives in registers only if none of these is called; counted"
)]

use super::glue::glue;
use crate::event::{EventBuf, Extra, FIELDS, Field, Kind};
use crate::json_text::{Faults, Sink, push_clean};

/// Objects that the beginning of every document has closed.
const CLOSED: [&str; 6] = ["@timestamp", "fileset", "input", "log", "message", "service"];

/// Most bytes of the text between two fields that are kept with it.
const NEAR_BYTES: usize = 48;

/// Text between two fields.
#[derive(Debug, Clone)]
struct Between {
    near: [u8; NEAR_BYTES],
    length: usize,
    /// All of it, where it is longer.
    far: Vec<u8>,
}

/// A field beside the known ones.
#[derive(Debug, Clone, Copy)]
struct More {
    /// Its number.
    extra: usize,
    /// The known field before which it stands.
    before: usize,
    /// Whether it is written as it stands.
    is_json: bool,
}

/// An order of fields, and the text between any two.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The fields that are not known, in their order.
    more: Vec<More>,
    /// Bit set of the known fields, but for the line.
    known: u64,
    /// For `[before * width + next]`, in which the known fields are first, then `more`, then the beginning or the end.
    between: Vec<Between>,
    width: usize,
}

impl Columns {
    /// Makes the order of a parser's fields among the known ones. `None` where one of them lies in an object that is closed
    /// before: one of `closed`, or is one of `constants`, or of those that every document has.
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
        let mut known = 0;
        // Each with the number of its known field, or behind these its own.
        let mut order: Vec<(usize, &str)> = Vec::new();
        for (number, field) in Field::ALL.iter().enumerate() {
            let is_other = extras.iter().any(|extra| extra.name == field.name());
            if *field != Field::Message && !is_other {
                known |= 1 << number;
                order.push((number, field.name()));
            }
        }
        for (number, extra) in extras.iter().enumerate() {
            let shared = |other: &(usize, &str)| shared_parts(other.1, &extra.name);
            let most = order.iter().map(shared).max().unwrap_or(0);
            let last = order.iter().rposition(|other| shared(other) == most && 0 < most);
            // `event` is open when the fields begin.
            let is_first = most == 0 && extra.name.starts_with("event.");
            let place = if is_first { 0 } else { last.map_or(order.len(), |last| last + 1) };
            order.insert(place, (FIELDS + number, &extra.name));
        }
        let mut more = Vec::new();
        for (place, (number, _)) in order.iter().enumerate() {
            if let Some(extra) = number.checked_sub(FIELDS) {
                let behind = order[place..].iter().find(|(number, _)| *number < FIELDS);
                let before = behind.map_or(FIELDS, |(number, _)| *number);
                more.push(More { extra, before, is_json: extras[extra].kind == Kind::Raw });
            }
        }
        Some(Self::of(extras, more, known))
    }

    fn of(extras: &[Extra], more: Vec<More>, known: u64) -> Self {
        let fields = Field::ALL.iter().map(|field| (field.name(), field.kind(), field.constant()));
        let others = more.iter().map(|more| {
            let extra = &extras[more.extra];
            (extra.name.as_str(), extra.kind, "")
        });
        let all: Vec<(&str, Kind, &str)> = fields.chain(others).collect();
        let width = all.len() + 1;
        let mut between = Vec::new();
        for before in 0..width {
            let from =
                all.get(before).map_or(("event.created", Kind::Raw), |field| (field.0, field.1));
            for next in 0..width {
                let to = all.get(next);
                let mut text = glue(Some(from), to.map(|field| (field.0, field.1)));
                text.extend_from_slice(to.map_or("", |field| field.2).as_bytes());
                let (mut near, length) = ([0; NEAR_BYTES], text.len());
                let is_near = length <= NEAR_BYTES;
                if is_near {
                    near[..length].copy_from_slice(&text);
                    text.clear();
                }
                between.push(Between { near, length, far: text });
            }
        }
        Self { more, known, between, width }
    }

    /// Appends all fields of an event but the line; returns where it stands for [`Columns::push_glue_of_line`].
    #[inline(always)]
    pub fn push_fields(
        &self,
        sink: &mut impl Sink,
        text: &[u8],
        event: &EventBuf,
        faults: Faults,
    ) -> usize {
        let clean = event.marks().is_some();
        let mut row = self.width - 1;
        let (mut at, mut left) = (0, event.present() & self.known);
        loop {
            let number = if left == 0 { FIELDS } else { left.trailing_zeros() as usize };
            let more = self.more.get(at).filter(|more| more.before <= number);
            let (next, span, is_json) = if let Some(more) = more {
                at += 1;
                if event.extras_present() >> more.extra & 1 == 0 {
                    continue;
                }
                (FIELDS + at - 1, event.span_of_extra(more.extra), more.is_json)
            } else if left == 0 {
                return row;
            } else {
                left &= left - 1;
                (number, event.span(number), Field::MADE_BITS >> number & 1 == 1)
            };
            self.push_glue(sink, row, next);
            row = next;
            // One place for all values: the sink's cursor lives in registers only within one function.
            if (clean || is_json) && !span.is_scratch() {
                push_clean(sink, text, span.start(), span.len());
            } else if is_json {
                sink.push(event.bytes(text, span));
            } else {
                sink.push_text(event.bytes(text, span), faults);
            }
        }
    }

    /// Appends what stands before the line; returns where it stands for [`Columns::push_end`].
    #[inline(always)]
    pub fn push_glue_of_line(&self, sink: &mut impl Sink, row: usize) -> usize {
        self.push_glue(sink, row, Field::Message as usize);
        Field::Message as usize
    }

    /// Appends what ends a document.
    #[inline(always)]
    pub fn push_end(&self, sink: &mut impl Sink, row: usize) {
        self.push_glue(sink, row, self.width - 1);
    }

    #[inline(always)]
    fn push_glue(&self, sink: &mut impl Sink, row: usize, next: usize) {
        let between = &self.between[row * self.width + next];
        if between.length <= NEAR_BYTES {
            sink.push_window(&between.near, between.length);
        } else {
            sink.push(&between.far);
        }
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
                    // Of one value, which stands in the text before it.
                    let length = if field.constant().is_empty() { 2 } else { 0 };
                    event.set(*field, Span::line(0, length));
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
