//! Lines that are JSON objects: their members go into the document as they stand.
//!
//! The rules are those of Filebeat's `ndjson` parser and `json.*` options (documentation of the filestream and log
//! inputs): which text is the message, what happens to `@timestamp`, and who wins where both have a member. A line is
//! gone through once, to find its members; they are copied as text, neighbours together. Only where a member has a name
//! that our documents have, too, two objects have to be put together, which costs ten times as much.

use super::nulls::without_nulls;
use super::object::{Member, Object, push_unescaped};
use crate::json_text::{push_lossy, push_string};
use crate::parsers::timestamp::{Rendered, parse_rfc3339, render};
use crate::settings::reading::NdjsonSettings;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::ops::Range;

/// Longest `_id` that Elasticsearch takes, in bytes.
const ID_BYTES_MAX: usize = 512;

/// The parser of one input.
#[derive(Debug, Clone)]
pub struct Ndjson {
    settings: NdjsonSettings,
    /// Names that our documents have at their top level, in order, and where those with a first byte are among them.
    reserved: Vec<Box<str>>,
    begins: Box<[(u16, u16); 256]>,
    /// Whether members always have to be merged with ours.
    always: bool,
    /// What the last line was found to be.
    object: Object,
}

/// What a line holds.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Members as JSON, each with a comma before it.
    pub json: Vec<u8>,
    /// Whether they have to be put together with ours, and how.
    pub merge: Option<Merge>,
    /// When it happened, where the line may say so.
    pub time: Option<Rendered>,
    /// The `_id` of the document, as the inside of a JSON string; empty where it is ours to give.
    pub id: Vec<u8>,
    /// Whether there were members that are left out because they are `null`: the line is no empty one.
    pub had_nulls: bool,
}

/// How members are put together with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// Whether theirs win.
    pub overwrites: bool,
    /// Whether dots in names are levels.
    pub expands: bool,
}

/// What the text of the event is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// What it was: the line is no object.
    Kept,
    /// What was written.
    Written,
}

impl Members {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.json.clear();
        self.merge = None;
        self.time = None;
        self.id.clear();
        self.had_nulls = false;
    }

    /// Tells whether the line had none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.json.is_empty() && self.id.is_empty() && !self.had_nulls
    }

    /// Appends a member.
    pub fn push(&mut self, name: &str, json: &str) {
        self.json.push(b',');
        push_string(&mut self.json, name.as_bytes());
        self.json.push(b':');
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Appends neighbours of an object's as they stand, but without line ends, which would end a document.
    fn push_run(&mut self, line: &str, run: &Range<usize>, has_line_ends: bool) {
        let run = &line.as_bytes()[run.clone()];
        if has_line_ends {
            let spaced = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
            self.json.extend(run.iter().map(spaced));
        } else {
            self.json.extend_from_slice(run);
        }
    }

    /// Appends the members of an object's that are not left out, neighbours together.
    #[inline]
    fn push_kept(
        &mut self,
        object: &Object,
        line: &str,
        mut is_left_out: impl FnMut(&Member, &[u8]) -> bool,
    ) {
        let mut run = 0..0;
        for member in &object.members {
            if is_left_out(member, object.name(line, member)) {
                self.push_run(line, &run, object.has_line_ends);
                run = 0..0;
            } else {
                if run.is_empty() {
                    run.start = member.whole.start;
                    self.json.push(b',');
                }
                run.end = member.whole.end;
            }
        }
        self.push_run(line, &run, object.has_line_ends);
    }

    fn push_error(&mut self, message: &str) {
        let error = serde_json::json!({ "message": message, "type": "json" });
        self.push("error", &error.to_string());
    }
}

impl Ndjson {
    /// Makes the parser.
    #[must_use]
    pub fn new(settings: &NdjsonSettings) -> Self {
        Self {
            settings: settings.clone(),
            reserved: Vec::new(),
            begins: Box::new([(0, 0); 256]),
            always: false,
            object: Object::default(),
        }
    }

    /// Says which names our documents have at their top level, and whether members always have to be merged with ours.
    pub fn reserve(&mut self, names: &[String], always: bool) {
        self.always = always;
        self.reserved.extend(names.iter().map(|name| name.as_str().into()));
        self.reserved.sort();
        for (index, name) in self.reserved.iter().enumerate() {
            let (from, upto) = &mut self.begins[first_byte(name.as_bytes())];
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            if *upto == 0 {
                *from = index;
            }
            *upto = index.saturating_add(1);
        }
    }

    /// Reads a line: its members go to `members`, and the text that the event has now to `text`.
    pub fn read(&mut self, line: &[u8], members: &mut Members, text: &mut Vec<u8>) -> Text {
        text.clear();
        if line.is_empty() {
            // It is no event, and no fault.
            return Text::Kept;
        }
        // Checked so, valid text costs a third of what it does when it is gone through for what has to be replaced.
        let line = match std::str::from_utf8(line) {
            Ok(line) => Cow::Borrowed(line),
            Err(_) => String::from_utf8_lossy(line),
        };
        let mut object = std::mem::take(&mut self.object);
        let done = if object.read(&line) {
            let line = if self.settings.keep_null {
                line
            } else {
                let spared = self.settings.target.is_empty().then_some("@timestamp");
                let is_ours = |name: &[u8]| matches!(name, b"@timestamp" | b"@metadata");
                let had = object.members.iter().any(|one| !is_ours(object.name(&line, one)));
                let line = without_nulls(line, &mut object, spared);
                members.had_nulls = had && matches!(line, Cow::Owned(_));
                line
            };
            self.take(&mut object, &line, members, text)
        } else {
            if self.settings.add_error_key {
                let error = serde_json::from_str::<Map<String, Value>>(&line).err();
                let error = error.map_or_else(String::new, |error| error.to_string());
                self.tell(&format!("Error decoding JSON: {error}"), members);
            }
            Text::Kept
        };
        self.object = object;
        done
    }

    fn take(
        &self,
        object: &mut Object,
        line: &str,
        members: &mut Members,
        text: &mut Vec<u8>,
    ) -> Text {
        let settings = &self.settings;
        let mut error = None;
        let taken = self.take_id(object, line, members);
        if let Some(key) = &settings.message_key {
            let is_it = |member: &&_| object.name(line, member) == key.as_bytes();
            let found = object.members.iter().rev().find(is_it);
            match found.and_then(|member| inside_of(&line[member.value.clone()])) {
                Some(inside) => drop(push_unescaped(inside, text)),
                None if settings.add_error_key => error = Some(format!("Key '{key}' not found")),
                None => {}
            }
        }
        if settings.target.is_empty() {
            let has_text = settings.keeps_text && !text.is_empty();
            self.take_at_root(object, line, (has_text, taken), members, &mut error);
        } else {
            self.take_below(object, line, taken, members);
        }
        if let Some(error) = error {
            let is_error = |member| object.name(line, member) == b"error";
            let is_taken = match settings.target.split('.').next() {
                Some("") | None => object.members.iter().any(is_error),
                Some(first) => first == "error",
            };
            if is_taken {
                members.merge.get_or_insert(self.merge());
            }
            self.tell(&error, members);
        }
        let is_value = |value: Range<usize>| serde_json::from_str::<Value>(&line[value]).is_ok();
        let mut values = object.members.iter().map(|member| member.value.clone());
        if members.merge.is_some() && !values.all(is_value) {
            // A number too large to be one, or half a surrogate pair: the line stays as it is.
            members.clear();
            return Text::Kept;
        }
        if !settings.keeps_text {
            text.clear();
        }
        Text::Written
    }

    /// Adds what is wrong with a line.
    fn tell(&self, error: &str, members: &mut Members) {
        if self.always || self.is_reserved(b"error") {
            members.merge.get_or_insert(Merge { overwrites: true, expands: false });
        }
        members.push_error(error);
    }

    /// Makes the `_id` of the member that is named for it; returns the name when it did.
    ///
    /// What Elasticsearch would not take as one stays where it is.
    fn take_id(&self, object: &Object, line: &str, members: &mut Members) -> Option<&str> {
        let name = self.settings.document_id.as_deref()?;
        let is_it = |member: &&_| object.name(line, member) == name.as_bytes();
        let member = object.members.iter().rev().find(is_it)?;
        let mut id = Vec::new();
        let is_whole = push_unescaped(inside_of(&line[member.value.clone()])?, &mut id);
        if !is_whole || id.is_empty() || ID_BYTES_MAX < id.len() {
            return None;
        }
        members.id.clear();
        push_lossy(&mut members.id, &id);
        Some(name)
    }

    fn merge(&self) -> Merge {
        let NdjsonSettings { target, overwrite_keys, expand_keys, .. } = &self.settings;
        Merge { overwrites: *overwrite_keys, expands: *expand_keys && target.is_empty() }
    }

    fn take_at_root(
        &self,
        object: &mut Object,
        line: &str,
        (has_text, taken): (bool, Option<&str>),
        members: &mut Members,
        error: &mut Option<String>,
    ) {
        let mut clashes = self.always || object.repeats_a_name();
        let mut time = None;
        members.push_kept(object, line, |member, name| {
            match name {
                _ if taken.is_some_and(|taken| taken.as_bytes() == name) => true,
                b"@metadata" => true,
                b"@timestamp" => {
                    time = Some(&line[member.value.clone()]);
                    true
                }
                // The event's own text is written there.
                b"message" => has_text,
                _ => {
                    clashes |= self.is_reserved(name)
                        || (self.settings.expand_keys && name.contains(&b'.'));
                    false
                }
            }
        });
        if let Some(time) = time.filter(|_| self.settings.overwrite_keys) {
            self.take_time(time, members, error);
        }
        if clashes {
            members.merge = Some(self.merge());
        }
    }

    fn take_below(
        &self,
        object: &mut Object,
        line: &str,
        taken: Option<&str>,
        members: &mut Members,
    ) {
        let (first, rest) = match self.settings.target.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (&*self.settings.target, None),
        };
        members.push(first, "");
        let mut depth = 0;
        for name in rest.into_iter().flat_map(|rest| rest.split('.')) {
            members.json.push(b'{');
            push_string(&mut members.json, name.as_bytes());
            members.json.push(b':');
            depth += 1;
        }
        if self.settings.expand_keys || object.repeats_a_name() {
            let mut inner = Map::new();
            for member in &object.members {
                if let Ok(value) = serde_json::from_str(&line[member.value.clone()]) {
                    let name = String::from_utf8_lossy(object.name(line, member)).into_owned();
                    if taken.is_none_or(|taken| taken != name) {
                        inner.insert(name, value);
                    }
                }
            }
            if self.settings.expand_keys {
                inner = expanded(inner);
            }
            members.json.extend_from_slice(Value::Object(inner).to_string().as_bytes());
        } else {
            let from = members.json.len();
            members.push_kept(object, line, |_, name| {
                taken.is_some_and(|taken| taken.as_bytes() == name)
            });
            match members.json.get_mut(from) {
                Some(comma) => *comma = b'{',
                None => members.json.push(b'{'),
            }
            members.json.push(b'}');
        }
        members.json.extend(std::iter::repeat_n(b'}', depth));
        if self.always || self.is_reserved(first.as_bytes()) {
            members.merge = Some(self.merge());
        }
    }

    #[inline]
    fn is_reserved(&self, name: &[u8]) -> bool {
        let (from, upto) = self.begins[first_byte(name)];
        let alike = &self.reserved[usize::from(from)..usize::from(upto)];
        alike.iter().any(|reserved| reserved.as_bytes() == name)
    }

    fn take_time(&self, value: &str, members: &mut Members, error: &mut Option<String>) {
        members.time = inside_of(value).and_then(|inside| {
            if !inside.contains(&b'\\') {
                return parse_rfc3339(inside).map(render);
            }
            let mut text = Vec::new();
            push_unescaped(inside, &mut text);
            parse_rfc3339(&text).map(render)
        });
        if members.time.is_none() && self.settings.add_error_key {
            *error = Some(format!("@timestamp not overwritten (parse error on {value})"));
        }
    }
}

#[inline]
fn first_byte(name: &[u8]) -> usize {
    usize::from(name.first().copied().unwrap_or(0))
}

/// Returns what is between the quotes of a string.
fn inside_of(value: &str) -> Option<&[u8]> {
    value.as_bytes().strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Makes levels of the dots in names.
#[must_use]
pub fn expanded(object: Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in object {
        let value = match value {
            Value::Object(inner) => Value::Object(expanded(inner)),
            value => value,
        };
        let (first, rest) =
            name.split_once('.').map_or((&*name, None), |(first, rest)| (first, Some(rest)));
        let nested = rest.into_iter().flat_map(|rest| rest.rsplit('.'));
        let value = nested
            .fold(value, |value, part| Value::Object(Map::from_iter([(part.to_owned(), value)])));
        merge(&mut all, Map::from_iter([(first.to_owned(), value)]), true);
    }
    all
}

/// Puts members among others; where both have one that is no object, `overwrites` says whose stays.
pub fn merge(ours: &mut Map<String, Value>, theirs: Map<String, Value>, overwrites: bool) {
    for (name, value) in theirs {
        match (ours.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value, overwrites),
            (Some(_), _) if !overwrites => {}
            (_, value) => drop(ours.insert(name, value)),
        }
    }
}
