//! Lines that are taken apart at the text between their values, by Filebeat's `dissect`.
//!
//! The first text stands at the line's start; each other one is sought from where the one before ended. So a line costs
//! one search for each value, and memory only for values that are put together of several.

use super::fields::Fields;
use super::{OwnError, Part};
use crate::event::{EventBuf, Span};
use crate::scan::find;
use crate::settings::own::{DissectFormat, Trim, ValueType};
use memchr::memmem::Finder;
use std::ops::Range;

/// Takes lines apart.
#[derive(Debug, Clone)]
pub(super) struct Dissect {
    /// What lines begin with.
    first: Vec<u8>,
    keys: Vec<Key>,
    /// Values that are put together, each of several keys in their order.
    joined: Vec<Joined>,
    trim: Trim,
    trim_chars: Vec<char>,
    /// Where the values of a line lie.
    spans: Vec<Span>,
}

/// A key and what stands behind its value.
#[derive(Debug, Clone)]
struct Key {
    /// Number of its field, where that is its value alone.
    field: Option<usize>,
    /// Bytes that the value has, where it is said.
    length: Option<usize>,
    /// Whether what is behind it may stand there more than once.
    is_padded: bool,
    until: Until,
}

/// What stands behind a value.
#[derive(Debug, Clone)]
enum Until {
    /// The line's end, or nothing that is sought.
    End,
    Byte(u8),
    Text(Box<Finder<'static>>),
}

impl Until {
    fn new(text: &str) -> Self {
        match text.as_bytes() {
            [] => Self::End,
            [byte] => Self::Byte(*byte),
            text => Self::Text(Box::new(Finder::new(text).into_owned())),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::End => 0,
            Self::Byte(_) => 1,
            Self::Text(finder) => finder.needle().len(),
        }
    }

    fn find(&self, line: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::End => Some(line.len()),
            Self::Byte(byte) => find(line, from, [*byte]),
            Self::Text(finder) => finder.find(line.get(from..)?).map(|at| from + at),
        }
    }

    fn is_at(&self, line: &[u8], at: usize) -> bool {
        match self {
            Self::End => false,
            Self::Byte(byte) => line.get(at) == Some(byte),
            Self::Text(finder) => {
                line.get(at..).is_some_and(|rest| rest.starts_with(finder.needle()))
            }
        }
    }
}

/// A value of several keys.
#[derive(Debug, Clone)]
struct Joined {
    field: usize,
    /// The keys, and what stands before each but the first.
    parts: Vec<(usize, Vec<u8>)>,
}

/// A key as it is written.
#[derive(Debug)]
struct Written<'a> {
    name: &'a str,
    is_appended: bool,
    order: Option<usize>,
    length: Option<usize>,
    is_padded: bool,
    value: ValueType,
    range: Range<usize>,
    /// What stands before it, and behind it.
    before: &'a str,
    behind: &'a str,
}

impl Dissect {
    pub(super) fn new(format: &DissectFormat, fields: &mut Fields) -> Result<Self, OwnError> {
        let (first, written) = keys_of(&format.tokenizer)?;
        let mut keys = Vec::new();
        let mut appended: Vec<(&str, usize)> = Vec::new();
        let mut names: Vec<(&str, usize)> = Vec::new();
        for (number, key) in written.iter().enumerate() {
            let is_last = number + 1 == written.len();
            if key.behind.is_empty() && key.length.is_none() && !is_last {
                let next = &written[number + 1];
                return Err(wrong(
                    next.range.clone(),
                    "nothing stands between two keys, so that nobody knows where the first value ends",
                    "write what is between them, or how many bytes the first one has: `%{key#3}`",
                ));
            }
            let is_joined = written.iter().any(|other| other.name == key.name && other.is_appended);
            let mut field = None;
            if !key.name.is_empty() {
                let added = fields.add(key.name, key.value);
                let added = added.map_err(|fault| {
                    OwnError::of_field(Part::Tokenizer, fault).at(key.range.clone())
                })?;
                if names.iter().any(|(name, field)| *field == added && *name != key.name) {
                    return Err(wrong(
                        key.range.clone(),
                        format!("`{}` is the field of another key as well", key.name),
                        "give each key a field of its own",
                    ));
                }
                names.push((key.name, added));
                if is_joined {
                    appended.push((key.name, added));
                } else {
                    field = Some(added);
                }
                let before = written[..number].iter().filter(|other| other.name == key.name);
                if !key.is_appended && before.clone().any(|other| !other.is_appended) {
                    return Err(wrong(
                        key.range.clone(),
                        format!("`{}` is the name of two keys", key.name),
                        format!("`%{{+{}}}` puts a value behind another one", key.name),
                    ));
                }
            }
            let (length, is_padded) = (key.length, key.is_padded);
            keys.push(Key { field, length, is_padded, until: Until::new(key.behind) });
        }
        if written.iter().all(|key| key.name.is_empty()) {
            return Err(wrong(
                0..format.tokenizer.len(),
                format!("`{}` has no key with a name", format.tokenizer),
                "name what becomes a field: `%{source.ip} %{}`",
            ));
        }
        appended.dedup();
        let joined = joined_of(&written, &appended);
        Ok(Self {
            first: first.as_bytes().to_vec(),
            spans: vec![Span::default(); keys.len()],
            keys,
            joined,
            trim: format.trim_values,
            trim_chars: format.trim_chars.chars().collect(),
        })
    }

    pub(super) fn read(
        &mut self,
        line: &[u8],
        fields: &mut Fields,
        event: &mut EventBuf,
    ) -> Option<()> {
        let end = self.split(line)?;
        if end < line.len() {
            event.leave_residue();
        }
        for (key, span) in self.keys.iter().zip(&self.spans) {
            if let Some(field) = key.field {
                fields.set(field, line, *span, event)?;
            }
        }
        for joined in &self.joined {
            let span = joined.put_together(line, &self.spans, event);
            fields.set(joined.field, line, span, event)?;
        }
        Some(())
    }

    /// Finds all values, and where the last text behind one ended.
    fn split(&mut self, line: &[u8]) -> Option<usize> {
        if !line.starts_with(&self.first) {
            return None;
        }
        let mut at = self.first.len();
        for (key, span) in self.keys.iter().zip(&mut self.spans) {
            let until = &key.until;
            let end = match key.length {
                Some(length) => at.checked_add(length).filter(|end| *end <= line.len())?,
                None => until.find(line, at)?,
            };
            let cuts = || line.get(end).is_some_and(|byte| byte & 0xc0 == 0x80);
            let is_other = || until.len() != 0 && !until.is_at(line, end);
            if key.length.is_some() && (cuts() || is_other()) {
                return None;
            }
            *span = trimmed(line, Span::line(at, end), self.trim, &self.trim_chars);
            at = end + until.len();
            while key.is_padded && until.is_at(line, at) {
                at += until.len();
            }
        }
        Some(at)
    }
}

impl Joined {
    /// Puts a value together; one that has only one part stays where it is.
    fn put_together(&self, line: &[u8], spans: &[Span], event: &mut EventBuf) -> Span {
        let mut there = self.parts.iter().filter(|(key, _)| !spans[*key].is_empty());
        let Some((key, _)) = there.next() else { return Span::default() };
        if there.next().is_none() {
            return spans[*key];
        }
        let start = event.scratch().len();
        for (number, (key, before)) in self.parts.iter().enumerate() {
            let span = spans[*key];
            let scratch = event.scratch_mut();
            if number != 0 {
                scratch.extend_from_slice(before);
            }
            scratch.extend_from_slice(&line[span.start()..span.end()]);
        }
        Span::scratch(start, event.scratch().len())
    }
}

fn joined_of(written: &[Written<'_>], appended: &[(&str, usize)]) -> Vec<Joined> {
    let mut all: Vec<Joined> = Vec::new();
    for (name, field) in appended {
        if all.iter().any(|joined| joined.field == *field) {
            continue;
        }
        let mut parts: Vec<usize> =
            (0..written.len()).filter(|key| written[*key].name == *name).collect();
        // A key that is not appended begins; those without a number keep their place behind those with one.
        parts.sort_by_key(|key| {
            let key = &written[*key];
            (key.is_appended, key.order.unwrap_or(usize::MAX))
        });
        let parts = parts.into_iter().map(|key| {
            let Written { before, behind, .. } = written[key];
            // Before the first key of a line nothing stands that would part values.
            let between = if key == 0 { behind } else { before };
            (key, between.as_bytes().to_vec())
        });
        all.push(Joined { field: *field, parts: parts.collect() });
    }
    all
}

/// Takes characters off a value's ends. A character that would be cut is none of them.
fn trimmed(line: &[u8], span: Span, trim: Trim, characters: &[char]) -> Span {
    if trim == Trim::None {
        return span;
    }
    let mut text = &line[span.start()..span.end()];
    let mut start = span.start();
    let mut buffer = [0; 4];
    if matches!(trim, Trim::Left | Trim::All) {
        while let Some(length) = characters.iter().find_map(|character| {
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            text.starts_with(bytes).then_some(bytes.len())
        }) {
            (start, text) = (start + length, &text[length..]);
        }
    }
    if matches!(trim, Trim::Right | Trim::All) {
        while let Some(length) = characters.iter().find_map(|character| {
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            text.ends_with(bytes).then_some(bytes.len())
        }) {
            text = &text[..text.len() - length];
        }
    }
    Span::line(start, start + text.len())
}

fn wrong(range: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> OwnError {
    OwnError::new(Part::Tokenizer, message, hint).at(range)
}

/// Takes a tokenizer apart: the text before the first key, and the keys.
fn keys_of(tokenizer: &str) -> Result<(&str, Vec<Written<'_>>), OwnError> {
    let mut keys: Vec<Written<'_>> = Vec::new();
    let (mut at, mut first, mut before) = (0, tokenizer, "");
    while let Some(open) = tokenizer[at..].find("%{").map(|open| at + open) {
        let text = &tokenizer[at..open];
        match keys.last_mut() {
            Some(last) => last.behind = text,
            None => first = text,
        }
        if !keys.is_empty() {
            before = text;
        }
        let Some(close) = tokenizer[open..].find('}').map(|close| open + close) else {
            return Err(wrong(open..tokenizer.len(), "this key has no `}`", "write `%{key}`"));
        };
        let mut key = key_of(tokenizer, open + 2..close)?;
        key.before = before;
        keys.push(key);
        at = close + 1;
    }
    match keys.last_mut() {
        Some(last) => last.behind = &tokenizer[at..],
        None => {
            return Err(wrong(
                0..tokenizer.len(),
                format!("`{tokenizer}` has no key"),
                "write `%{key}` where a value stands",
            ));
        }
    }
    Ok((first, keys))
}

fn key_of(tokenizer: &str, inner: Range<usize>) -> Result<Written<'_>, OwnError> {
    let range = inner.start - 2..inner.end + 1;
    let mut text = &tokenizer[inner];
    let mut value = ValueType::Text;
    if let Some((key, word)) = text.split_once('|') {
        value = ValueType::of_word(word).ok_or_else(|| {
            wrong(range.clone(), format!("`{word}` is no type"), ValueType::known())
        })?;
        text = key;
    }
    let is_padded = text.ends_with("->");
    text = text.strip_suffix("->").unwrap_or(text);
    let mut length = None;
    if let Some((key, digits)) = text.rsplit_once('#') {
        length = digits.parse().ok().filter(|length| 0 < *length);
        if length.is_none() {
            let message = format!("`{digits}` is no number of bytes");
            return Err(wrong(range, message, "write `%{key#3}`"));
        }
        text = key;
    }
    if text.contains(['*', '&']) {
        return Err(wrong(
            range,
            "a field's name cannot stand in the line: documents are laid out before",
            "name the field; for keys and values there is `kv`",
        ));
    }
    let is_appended = text.starts_with('+');
    text = text.strip_prefix('+').unwrap_or(text);
    let mut order = None;
    if let Some((key, digits)) = text.rsplit_once('/').filter(|_| is_appended) {
        order = digits.parse().ok();
        if order.is_none() {
            return Err(wrong(range, format!("`{digits}` is no place"), "write `%{+key/2}`"));
        }
        text = key;
    }
    if is_appended && text.is_empty() {
        return Err(wrong(range, "this key has no name", "write `%{+key}`"));
    }
    let name = if text.starts_with('?') { "" } else { text };
    let (before, behind) = ("", "");
    Ok(Written { name, is_appended, order, length, is_padded, value, range, before, behind })
}
