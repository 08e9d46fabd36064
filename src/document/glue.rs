//! The text between two fields of a document: what the first leaves open is closed, what the second lies in is opened.
//!
//! It depends on the two alone, so it is made once for any two. A field then costs two copies, and any set of fields in
//! the order of the table makes a well-formed document in which each object is opened once.

use crate::event::{FIELDS, Field, Kind};
use crate::json_text::push_string;
use std::sync::LazyLock;

/// Room for the longest text between two known fields; the table's making checks it.
const GLUE_BYTES: usize = 48;

/// State before the first field: at the top level, behind another member.
pub const AT_ROOT: usize = FIELDS;

/// State before the first field: within the object `event`, behind another member.
pub const IN_EVENT: usize = FIELDS + 1;

/// Text between two fields.
#[derive(Debug, Clone, Copy)]
pub struct Glue {
    /// The text and what else is in the room.
    pub text: [u8; GLUE_BYTES],
    /// Length of the text.
    pub length: usize,
}

impl Glue {
    fn new(bytes: &[u8]) -> Self {
        let mut text = [0; GLUE_BYTES];
        text[..bytes.len()].copy_from_slice(bytes);
        Self { text, length: bytes.len() }
    }
}

/// Text between any two known fields.
#[derive(Debug)]
pub struct GlueTable {
    between: Vec<[Glue; FIELDS]>,
    after: Vec<Glue>,
}

/// The table of all known fields.
pub static TABLE: LazyLock<GlueTable> = LazyLock::new(GlueTable::new);

impl GlueTable {
    fn new() -> Self {
        let mut befores: Vec<Option<(&str, Kind)>> =
            Field::ALL.iter().map(|field| Some((field.name(), field.kind()))).collect();
        befores.push(None);
        befores.push(Some(("event.created", Kind::Raw)));
        let mut table = Self { between: Vec::new(), after: Vec::new() };
        for before in befores {
            table.between.push(std::array::from_fn(|next| {
                let next = Field::ALL[next];
                let mut text = glue(before, Some((next.name(), next.kind())));
                text.extend_from_slice(next.constant().as_bytes());
                Glue::new(&text)
            }));
            table.after.push(Glue::new(&glue(before, None)));
        }
        table
    }

    /// Returns the text before the field number `next`, behind the field or state number `before`.
    #[must_use]
    #[inline]
    pub fn between(&self, before: usize, next: usize) -> &Glue {
        &self.between[before][next]
    }

    /// Returns the text that ends a document behind the field or state number `before`.
    #[must_use]
    #[inline]
    pub fn after(&self, before: usize) -> &Glue {
        &self.after[before]
    }
}

/// Returns the text between two fields; `None` stands for the top level before, and for the document's end behind.
///
/// It ends within the second's string, and begins within the first's.
#[must_use]
pub fn glue(before: Option<(&str, Kind)>, next: Option<(&str, Kind)>) -> Vec<u8> {
    let parts = |field: Option<(&str, Kind)>| -> Vec<String> {
        field.map_or_else(Vec::new, |(name, _)| name.split('.').map(str::to_owned).collect())
    };
    let (open, wanted) = (parts(before), parts(next));
    let depth = open.len().saturating_sub(1);
    let shared = open.iter().zip(&wanted).take(depth.min(wanted.len().saturating_sub(1)));
    let common = shared.take_while(|(open, wanted)| open == wanted).count();
    let mut text = match before {
        Some((_, Kind::Text)) => b"\"".to_vec(),
        Some((_, Kind::List)) => b"\"]".to_vec(),
        Some((_, Kind::Raw)) | None => Vec::new(),
    };
    text.resize(text.len() + depth - common, b'}');
    let Some((_, kind)) = next else {
        text.extend_from_slice(b"}\n");
        return text;
    };
    text.push(b',');
    for (level, part) in wanted.iter().enumerate().skip(common) {
        push_string(&mut text, part.as_bytes());
        text.extend_from_slice(if level + 1 == wanted.len() { b":" } else { b":{" });
    }
    text.extend_from_slice(match kind {
        Kind::Text => b"\"",
        Kind::List => b"[\"",
        Kind::Raw => b"",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn value(field: Field) -> &'static str {
        match field.kind() {
            Kind::Raw if field.constant().is_empty() => "1",
            Kind::Raw => "",
            Kind::Text | Kind::List => "x",
        }
    }

    proptest! {
        /// For every set of fields, the document is JSON and has exactly these fields, in objects opened once.
        #[test]
        fn property_any_fields_make_a_document(chosen in any::<u64>(), in_event in any::<bool>()) {
            let (mut before, mut text) = if in_event {
                (IN_EVENT, String::from("{\"first\":0,\"event\":{\"created\":0"))
            } else {
                (AT_ROOT, String::from("{\"first\":0"))
            };
            let mut count = 0;
            for (number, field) in Field::ALL.iter().enumerate() {
                // Of fields of one name a parser sets one.
                let twice = Field::ALL[..number].iter().enumerate().any(|(other, earlier)| {
                    earlier.name() == field.name() && chosen >> other & 1 != 0
                });
                if chosen >> number & 1 == 0 || twice {
                    continue;
                }
                let glue = TABLE.between(before, number);
                text.push_str(std::str::from_utf8(&glue.text[..glue.length]).unwrap());
                text.push_str(value(*field));
                before = number;
                count += 1;
            }
            let glue = TABLE.after(before);
            text.push_str(std::str::from_utf8(&glue.text[..glue.length]).unwrap());
            let document: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(leaves(&document), count + 1 + usize::from(in_event), "{}", text);
            for (number, field) in Field::ALL.iter().enumerate() {
                if chosen >> number & 1 != 0 {
                    let pointer = format!("/{}", field.name().replace('.', "/"));
                    prop_assert!(document.pointer(&pointer).is_some(), "{} in {}", pointer, text);
                }
            }
        }
    }

    fn leaves(value: &Value) -> usize {
        match value {
            Value::Object(members) => members.values().map(leaves).sum(),
            _ => 1,
        }
    }
}
