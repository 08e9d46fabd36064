//! Formats that an operator defines by a regular expression: named groups become fields.
//!
//! Rust allows no dots in a group's name, so `__` in it means a dot, and `rename` says the rest. Groups named
//! `timestamp` give the event's time. This is the only parser with regular expressions: it costs ten times a parser
//! written by hand.

use super::timestamp::{Rendered, parse_clf, parse_rfc3339, render};
use crate::event::{EventBuf, Key, Schema, SchemaError, Span, Value};
use crate::settings::RegexFormat;
use regex::bytes::{CaptureLocations, Regex};

/// Name of the group that holds the event's time.
const TIMESTAMP: &str = "timestamp";

/// Fields whose value is a number.
const NUMBERS: [&str; 4] =
    ["http.response.status_code", "http.response.body.bytes", "url.port", "destination.port"];

/// Status code of a request, for counting.
const STATUS: &str = "http.response.status_code";

/// Why an expression makes no format.
#[derive(Debug, thiserror::Error)]
pub enum RegexError {
    /// It cannot be read.
    #[error("pattern is no regular expression: {0}")]
    Syntax(#[source] Box<regex::Error>),
    /// It names no group.
    #[error("pattern has no named group such as `(?<url__original>\\S+)`")]
    NoGroup,
    /// Its groups make no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// Reads lines by a regular expression.
#[derive(Debug, Clone)]
pub struct RegexParser {
    regex: Regex,
    locations: CaptureLocations,
    groups: Vec<(usize, Group)>,
    schema: Schema,
}

#[derive(Debug, Clone, Copy)]
enum Group {
    Time,
    Text(Key),
    Number(Key),
    Status(Key),
}

/// What a matched line says beside its fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Matched {
    /// When, if the line says so.
    pub time: Option<Rendered>,
    /// Status code, if the line has one.
    pub status: Option<u16>,
}

impl RegexParser {
    /// Makes a parser.
    ///
    /// # Errors
    /// When the pattern cannot be read, has no named group, or names fields that do not go together.
    pub fn new(format: &RegexFormat) -> Result<Self, RegexError> {
        let regex =
            Regex::new(&format.pattern).map_err(|error| RegexError::Syntax(Box::new(error)))?;
        let fields: Vec<(usize, String)> = regex
            .capture_names()
            .enumerate()
            .filter_map(|(group, name)| Some((group, field_of(name?, format))))
            .collect();
        if fields.is_empty() {
            return Err(RegexError::NoGroup);
        }
        let names = fields.iter().map(|(_, name)| name.as_str());
        let schema = Schema::new(names.filter(|name| *name != TIMESTAMP))?;
        let groups = fields
            .iter()
            .map(|(group, name)| {
                let key = schema.key(name);
                let meaning = match key {
                    None => Group::Time,
                    Some(key) if name == STATUS => Group::Status(key),
                    Some(key) if NUMBERS.contains(&name.as_str()) => Group::Number(key),
                    Some(key) => Group::Text(key),
                };
                (*group, meaning)
            })
            .collect();
        Ok(Self { locations: regex.capture_locations(), regex, groups, schema })
    }

    /// Returns the fields that it may set.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Reads a line into `event`; `None` when the expression does not match, or a time or number in it is none.
    pub fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Option<Matched> {
        event.clear();
        self.regex.captures_read(&mut self.locations, line)?;
        let mut matched = Matched::default();
        for (group, meaning) in &self.groups {
            let Some((start, end)) = self.locations.get(*group) else { continue };
            let text = &line[start..end];
            if matches!(text, b"-" | b"") {
                continue;
            }
            match meaning {
                Group::Time => {
                    let time = parse_clf(text).or_else(|| parse_rfc3339(text))?;
                    matched.time = Some(render(time));
                }
                Group::Text(key) => event.set(*key, Value::Line(Span::new(start, end))),
                Group::Number(key) => event.set(*key, Value::Number(number(text)?)),
                Group::Status(key) => {
                    let status = number(text)?;
                    event.set(*key, Value::Number(status));
                    matched.status = u16::try_from(status).ok();
                }
            }
        }
        Some(matched)
    }
}

fn field_of(group: &str, format: &RegexFormat) -> String {
    let renamed = format.rename.iter().find(|(from, _)| from == group);
    renamed.map_or_else(|| group.replace("__", "."), |(_, to)| to.clone())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text)
        .ok()?
        .parse::<i64>()
        .ok()
        .and_then(|number| u64::try_from(number).ok())
}
