//! Lines that are JSON objects: their members go into the document as they stand.
//!
//! The rules are those of Filebeat's `ndjson` parser and `json.*` options (documentation of the filestream and log
//! inputs): which text is the message, what happens to `@timestamp`, and who wins where both have a member. A line is
//! read once, to find its members; they are copied as text. Only where a member has a name that our documents have, too,
//! two objects have to be put together, which costs ten times as much.

use crate::json_text::push_string;
use crate::parsers::timestamp::{Rendered, parse_rfc3339, render};
use crate::settings::reading::NdjsonSettings;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Members more than these are looked up in a map.
const MEMBERS_MAX: usize = 48;

/// The parser of one input.
#[derive(Debug, Clone)]
pub struct Ndjson {
    settings: NdjsonSettings,
    /// Names that our documents have at their top level, and whether any begins with a byte.
    reserved: Vec<Box<str>>,
    begins: [bool; 256],
    /// Whether members always have to be merged with ours.
    always: bool,
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
    }

    /// Tells whether there is anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// Appends a member.
    pub fn push(&mut self, name: &str, json: &str) {
        self.json.push(b',');
        push_string(&mut self.json, name.as_bytes());
        self.json.push(b':');
        self.json.extend_from_slice(json.as_bytes());
    }
}

/// An object's members in their order.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(Object(members))
    }
}

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Ndjson {
    /// Makes the parser.
    #[must_use]
    pub fn new(settings: &NdjsonSettings) -> Self {
        Self {
            settings: settings.clone(),
            reserved: Vec::new(),
            begins: [false; 256],
            always: false,
        }
    }

    /// Says which names our documents have at their top level, and whether members always have to be merged with ours.
    pub fn reserve(&mut self, names: &[String], always: bool) {
        self.always = always;
        for name in names {
            self.begins[usize::from(name.as_bytes().first().copied().unwrap_or(0))] = true;
            self.reserved.push(name.as_str().into());
        }
    }

    /// Reads a line: its members go to `members`, and the text that the event has now to `text`.
    pub fn read(&self, line: &[u8], members: &mut Members, text: &mut Vec<u8>) -> Text {
        text.clear();
        let line = String::from_utf8_lossy(line);
        match serde_json::from_str(&line) {
            Ok(Object(object)) => self.take(object, members, text),
            Err(error) => {
                if self.settings.add_error_key {
                    push_error(members, &format!("Error decoding JSON: {error}"));
                }
                Text::Kept
            }
        }
    }

    fn take(
        &self,
        object: Vec<(Cow<'_, str>, &RawValue)>,
        members: &mut Members,
        text: &mut Vec<u8>,
    ) -> Text {
        let settings = &self.settings;
        if let Some(key) = &settings.message_key {
            let value = object.iter().rev().find(|(name, _)| name == key);
            let value =
                value.and_then(|(_, value)| serde_json::from_str::<Name<'_>>(value.get()).ok());
            match value {
                Some(Name(value)) => text.extend_from_slice(value.as_bytes()),
                None if settings.add_error_key => {
                    push_error(members, &format!("Key '{key}' not found"));
                }
                None => {}
            }
        }
        if settings.target.is_empty() {
            let has_text = settings.keeps_text && !text.is_empty();
            self.take_at_root(&object, has_text, members);
        } else {
            self.take_below(&object, members);
        }
        let is_value =
            |(_, value): &(_, &RawValue)| serde_json::from_str::<Value>(value.get()).is_ok();
        if members.merge.is_some() && !object.iter().all(is_value) {
            // Nested deeper than can be merged: the line stays as it is.
            members.clear();
            return Text::Kept;
        }
        if !settings.keeps_text {
            text.clear();
        }
        Text::Written
    }

    fn take_at_root(
        &self,
        object: &[(Cow<'_, str>, &RawValue)],
        has_text: bool,
        members: &mut Members,
    ) {
        let merge =
            Merge { overwrites: self.settings.overwrite_keys, expands: self.settings.expand_keys };
        let mut clashes = self.always || MEMBERS_MAX < object.len();
        for (index, (name, value)) in object.iter().enumerate() {
            match &**name {
                "@metadata" => continue,
                "@timestamp" => {
                    self.take_time(value.get(), members);
                    continue;
                }
                // The event's own text is written there.
                "message" if has_text => continue,
                _ => {}
            }
            clashes |= (merge.expands && name.contains('.'))
                || (name != "message" && self.is_reserved(name))
                || (index < MEMBERS_MAX && object[..index].iter().any(|(other, _)| other == name));
            members.push(name, value.get());
        }
        if clashes {
            members.merge = Some(merge);
        }
    }

    fn take_below(&self, object: &[(Cow<'_, str>, &RawValue)], members: &mut Members) {
        let mut inner = Map::new();
        let mut below = Members::default();
        let twice = |index: usize| object[..index].iter().any(|(name, _)| *name == object[index].0);
        let is_plain = !self.settings.expand_keys
            && !self.settings.target.contains('.')
            && object.len() <= MEMBERS_MAX
            && !(0..object.len()).any(twice);
        for (name, value) in object {
            if is_plain {
                below.push(name, value.get());
            } else if let Ok(value) = serde_json::from_str::<Value>(value.get()) {
                inner.insert(name.clone().into_owned(), value);
            }
        }
        if is_plain {
            let json = String::from_utf8_lossy(below.json.strip_prefix(b",").unwrap_or_default());
            members.push(&self.settings.target, &format!("{{{json}}}"));
        } else {
            if self.settings.expand_keys {
                inner = expanded(inner);
            }
            members.push(&self.settings.target, &Value::Object(inner).to_string());
        }
        let first = self.settings.target.split('.').next().unwrap_or_default();
        if self.always || self.settings.target.contains('.') || self.is_reserved(first) {
            let overwrites = self.settings.overwrite_keys;
            members.merge = Some(Merge { overwrites, expands: true });
        }
    }

    fn is_reserved(&self, name: &str) -> bool {
        self.begins[usize::from(name.as_bytes().first().copied().unwrap_or(0))]
            && self.reserved.iter().any(|reserved| **reserved == *name)
    }

    fn take_time(&self, value: &str, members: &mut Members) {
        if !self.settings.overwrite_keys {
            return;
        }
        let text = serde_json::from_str::<Name<'_>>(value).ok();
        members.time =
            text.as_ref().and_then(|Name(text)| parse_rfc3339(text.as_bytes())).map(render);
        if members.time.is_none() && self.settings.add_error_key {
            push_error(members, &format!("@timestamp not overwritten (parse error on {value})"));
        }
    }
}

fn push_error(members: &mut Members, message: &str) {
    let error = serde_json::json!({ "message": message, "type": "json" });
    members.push("error", &error.to_string());
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
