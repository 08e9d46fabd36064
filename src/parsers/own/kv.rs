//! Lines of keys and values: `level=info msg="it \"works\"" user=alice` and the like.
//!
//! Documents are laid out before the first line is read, and a field for any key that a line may have would make the
//! server's mapping grow without end. So the keys that become fields are named; all others stand, as texts, in one list.

use super::fields::Fields;
use super::{OwnError, Part, check_types};
use crate::event::{EventBuf, Span};
use crate::json_text::push_string;
use crate::scan::find;
use crate::settings::own::{KvFormat, ValueType};
use memchr::memmem;
use std::ops::Range;

/// Most bytes of the list of other pairs, as text; what goes beyond it is in the line alone.
const OTHERS_BYTES_MAX: usize = 32 << 10;

/// Takes keys and values apart.
#[derive(Debug, Clone)]
pub(super) struct Kv {
    field_split: Vec<u8>,
    value_split: Vec<u8>,
    keys: Vec<(Vec<u8>, usize)>,
    excluded: Vec<Vec<u8>>,
    others: Option<usize>,
    trim_key: Vec<u8>,
    trim: Vec<u8>,
    strips_brackets: bool,
    /// The list of other pairs of a line, as JSON.
    list: Vec<u8>,
    /// Another pair as text.
    pair: Vec<u8>,
}

impl Kv {
    pub(super) fn new(format: &KvFormat, fields: &mut Fields) -> Result<Self, OwnError> {
        let names: Vec<&str> = format.fields.iter().map(|(_, name)| name.as_str()).collect();
        if format.fields.is_empty() && format.others.is_none() {
            let hint = "list the keys that become fields: `fields: [level, {msg: message}]`";
            return Err(OwnError::new(Part::Column(0), "no key becomes a field", hint));
        }
        check_types(&format.types, &names, "field")?;
        let splits = [&format.field_split, &format.value_split];
        if splits.iter().any(|split| split.is_empty()) || splits[1].contains(splits[0]) {
            let message = format!("`{}` cannot stand between key and value", splits[1]);
            let hint = "both need a text, and that between pairs is no part of the other";
            return Err(OwnError::new(Part::ValueSplit, message, hint));
        }
        let trims = [("trim_key", &format.trim_key), ("trim_value", &format.trim_value)];
        if let Some((key, characters)) = trims.into_iter().find(|(_, all)| !all.is_ascii()) {
            let message = format!("`{characters}` cannot be trimmed");
            return Err(OwnError::new(Part::Trim(key), message, "ASCII characters can"));
        }
        let mut keys: Vec<(Vec<u8>, usize)> = Vec::new();
        for (number, (key, name)) in format.fields.iter().enumerate() {
            let part = Part::Column(number);
            if keys.iter().any(|(other, _)| other == key.as_bytes()) || key.is_empty() {
                let message = format!("`{key}` stands twice, or is empty");
                return Err(OwnError::new(part, message, "list each key once"));
            }
            let typed = format.types.iter().find(|(typed, _)| typed == name);
            let value = typed.map_or(ValueType::Text, |(_, value)| *value);
            let added = fields.add(name, value);
            let field = added.map_err(|fault| OwnError::of_typed_field(part, name, fault))?;
            keys.push((key.as_bytes().to_vec(), field));
        }
        let others = format.others.as_deref().map(|name| fields.add_json(name)).transpose();
        Ok(Self {
            field_split: format.field_split.as_bytes().to_vec(),
            value_split: format.value_split.as_bytes().to_vec(),
            keys,
            excluded: format.exclude_keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
            others: others.map_err(|fault| OwnError::of_field(Part::Others, fault))?,
            trim_key: format.trim_key.as_bytes().to_vec(),
            trim: format.trim_value.as_bytes().to_vec(),
            strips_brackets: format.strip_brackets,
            list: Vec::new(),
            pair: Vec::new(),
        })
    }

    pub(super) fn read(
        &mut self,
        line: &[u8],
        fields: &mut Fields,
        event: &mut EventBuf,
    ) -> Option<()> {
        self.list.clear();
        let (mut at, mut found) = (0, false);
        while at < line.len() {
            if line[at..].starts_with(&self.field_split) {
                at += self.field_split.len();
                continue;
            }
            let end = self.end_of(line, at);
            let Some(split) = memmem::find(&line[at..end], &self.value_split) else {
                // A word without a value.
                event.leave_residue();
                at = end;
                continue;
            };
            let key = line[at..at + split].trim_ascii();
            let key = &key[trimmed(key, &self.trim_key)];
            let start = at + split + self.value_split.len();
            let (value, end) = self.value(line, start, event);
            at = end;
            if self.excluded.iter().any(|excluded| excluded == key) {
                continue;
            }
            let value = self.trimmed(line, value, event);
            if let Some((_, field)) = self.keys.iter().find(|(name, _)| name == key) {
                if fields.is_set(*field, event) {
                    event.leave_residue();
                }
                fields.set(*field, line, value, event)?;
                found = true;
            } else if self.others.is_some() {
                self.put_other(key, line, value, event);
                found = true;
            } else {
                event.leave_residue();
            }
        }
        if let Some(others) = self.others.filter(|_| !self.list.is_empty()) {
            self.list.push(b']');
            let start = event.scratch().len();
            event.scratch_mut().extend_from_slice(&self.list);
            fields.found = true;
            event.set_extra(others, Span::scratch(start, event.scratch().len()));
        }
        found.then_some(())
    }

    /// Returns where what begins at `at` ends, unless it is in quotes.
    fn end_of(&self, line: &[u8], at: usize) -> usize {
        let found = match self.field_split.as_slice() {
            [byte] => find(line, at, [*byte]),
            text => memmem::find(&line[at..], text).map(|end| at + end),
        };
        found.unwrap_or(line.len())
    }

    /// Reads a value, and returns where it ends. A quote that is not closed, or behind which the value goes on, is a
    /// character of it.
    fn value(&self, line: &[u8], start: usize, event: &mut EventBuf) -> (Span, usize) {
        if let Some(quote) = line.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''))
            && let Some(close) = closing(line, start + 1, quote)
            && (close + 1 == line.len() || line[close + 1..].starts_with(&self.field_split))
        {
            return (unescaped(line, start + 1, close, event), close + 1);
        }
        let end = self.end_of(line, start.min(line.len()));
        (Span::line(start, end), end)
    }

    fn trimmed(&self, line: &[u8], value: Span, event: &EventBuf) -> Span {
        let text = event.bytes(line, value);
        let kept = trimmed(text, &self.trim);
        let is_in_brackets = self.strips_brackets
            && matches!(
                &text[kept.clone()],
                [b'(', .., b')'] | [b'[', .., b']'] | [b'<', .., b'>']
            );
        let inside = usize::from(is_in_brackets);
        value.part(kept.start + inside, kept.end - inside)
    }

    /// Adds a pair to the list.
    fn put_other(&mut self, key: &[u8], line: &[u8], value: Span, event: &mut EventBuf) {
        let text = event.bytes(line, value);
        self.pair.clear();
        for part in [key, b"=", text] {
            self.pair.extend_from_slice(part);
        }
        let before = self.list.len();
        self.list.push(if before == 0 { b'[' } else { b',' });
        push_string(&mut self.list, &self.pair);
        if OTHERS_BYTES_MAX < self.list.len() {
            self.list.truncate(before);
            event.leave_residue();
        }
    }
}

/// Returns what is left of a text without some characters at its ends.
fn trimmed(text: &[u8], characters: &[u8]) -> Range<usize> {
    let is_kept = |byte: &u8| !characters.contains(byte);
    let Some(first) = text.iter().position(is_kept) else { return 0..0 };
    first..text.iter().rposition(is_kept).map_or(first, |last| last + 1)
}

/// Finds the quote that closes a value.
fn closing(line: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from;
    loop {
        at = find(line, at, [quote, b'\\'])?;
        if line[at] == quote {
            return Some(at);
        }
        at += 2;
        if line.len() < at {
            return None;
        }
    }
}

/// Decodes the escapes of a value: those of JSON, and any other character as itself.
fn unescaped(line: &[u8], start: usize, end: usize, event: &mut EventBuf) -> Span {
    let text = &line[start..end];
    if !text.contains(&b'\\') {
        return Span::line(start, end);
    }
    let scratch = event.scratch_mut();
    let first = scratch.len();
    let mut rest = text;
    while let Some(at) = find(rest, 0, [b'\\']) {
        scratch.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((escape, behind)) = rest.split_first() else { break };
        rest = behind;
        match escape {
            b'n' => scratch.push(b'\n'),
            b't' => scratch.push(b'\t'),
            b'r' => scratch.push(b'\r'),
            b'b' => scratch.push(8),
            b'f' => scratch.push(12),
            b'u' => rest = push_character(scratch, behind),
            other => scratch.push(*other),
        }
    }
    scratch.extend_from_slice(rest);
    Span::scratch(first, scratch.len())
}

/// Appends the character of `\u` and four digits, with which `rest` begins, and returns what is behind it.
fn push_character<'a>(out: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    let mut buffer = [0; 4];
    let Some((unit, behind)) = unit(rest) else {
        out.push(b'u');
        return rest;
    };
    let second = behind.strip_prefix(b"\\u").and_then(unit_of_pair);
    if let Some((low, after)) = second
        && let Some(Ok(character)) = char::decode_utf16([unit, low]).next()
        && 0xffff < u32::from(character)
    {
        out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        return after;
    }
    let character = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    behind
}

fn unit_of_pair(rest: &[u8]) -> Option<(u16, &[u8])> {
    unit(rest).filter(|(unit, _)| (0xdc00..0xe000).contains(unit))
}

fn unit(rest: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, behind) = rest.split_first_chunk::<4>()?;
    let mut unit = 0;
    for digit in digits {
        unit = unit * 16 + char::from(*digit).to_digit(16)?;
    }
    u16::try_from(unit).ok().map(|unit| (unit, behind))
}
