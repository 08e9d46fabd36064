//! Formats that an operator defines by a regular expression: named groups become fields.
//!
//! Rust allows no dots in a group's name, so `__` in it means a dot, and `rename` says the rest. A group named
//! `timestamp` gives the event's time. This is the only parser with regular expressions: it costs ten times a parser
//! written by hand.

use super::address::{Address, ips_of, set_ips};
use super::captures::rest::{Kept, Role, WithRest, is_nothing};
use super::ecs::{is_metadata, kind_of, type_of, typed, whole};
use super::timestamp::{CLF_BYTES, Rendered, parse_clf, parse_rfc3339, render};
use super::url::leading_zeros;
use crate::event::{EXTRAS_MAX, EventBuf, Extra, Field, Kind, Parse, Parsed, Span};
use crate::settings::RegexFormat;
use crate::settings::own::ValueType;
use regex::bytes::{CaptureLocations, Regex};
use regex_syntax::ast::ErrorKind;
use regex_syntax::ast::parse::Parser;

/// Names of the groups that hold the event's time.
const TIMESTAMPS: [&str; 2] = ["timestamp", "@timestamp"];

/// Where the whole line stands when a group has its text.
const ORIGINAL: &str = "event.original";

/// Why an expression makes no format.
#[derive(Debug, thiserror::Error)]
pub enum RegexError {
    /// It cannot be read.
    #[error("pattern is no regular expression: {0}")]
    Syntax(#[source] Box<regex::Error>),
    /// It names no group.
    #[error("pattern has no named group such as `(?<url__original>\\S+)`")]
    NoGroup,
    /// It names too many.
    #[error("{0} fields are more than the {EXTRAS_MAX} that a format may have of its own")]
    TooMany(usize),
    /// Two groups are one field.
    #[error("field `{0}` is the name of two groups")]
    Twice(String),
    /// A name is empty, or has an empty part.
    #[error("field name `{0}` has an empty part")]
    EmptyPart(String),
    /// A field is written by us, or is an object in all documents.
    #[error(
        "field `{0}` is written by shipper itself, or an object, and can be no value of a line"
    )]
    Ours(String),
    /// A field is one that the server keeps beside documents.
    #[error("field `{0}` is metadata of the server, which takes it in no document")]
    Metadata(String),
    /// A field is a value and an object at once.
    #[error("field `{0}` cannot be a value and hold `{1}` as well")]
    ValueAndObject(String, String),
}

/// Reads lines by a regular expression.
#[derive(Debug, Clone)]
pub struct RegexParser {
    regex: Regex,
    locations: CaptureLocations,
    groups: Vec<(usize, Meaning)>,
    /// Groups around what is in no field.
    rest: Vec<usize>,
    extras: Vec<Extra>,
    /// Number of `event.original`, where a group has the text.
    original: Option<usize>,
}

/// What a group's text becomes.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Time,
    /// The text of the event; the whole line is `event.original` then.
    Message,
    Known(Field),
    /// One of the format's own, by its number, and its type.
    Extra(usize, ValueType),
}

impl RegexParser {
    /// Makes a parser.
    ///
    /// # Errors
    /// When the pattern cannot be read, has no named group, or names fields that do not go together.
    pub fn new(format: &RegexFormat) -> Result<Self, RegexError> {
        let syntax = |error| RegexError::Syntax(Box::new(error));
        // What is wrong is told of the expression as it is written.
        Regex::new(&format.pattern).map_err(syntax)?;
        let WithRest { expression, roles } = WithRest::new(&format.pattern, Kept::Named);
        let regex = Regex::new(&expression).map_err(syntax)?;
        let rest = (1..).zip(roles).filter(|(_, role)| *role == Role::Rest);
        let mut names: Vec<String> = Vec::new();
        let mut parser = Self {
            locations: regex.capture_locations(),
            groups: Vec::new(),
            rest: rest.map(|(group, _)| group).collect(),
            extras: Vec::new(),
            original: None,
            regex,
        };
        for (group, name) in parser.regex.capture_names().enumerate() {
            let Some(name) = name.map(|name| field_of(name, format)) else { continue };
            check_name(&name, &names)?;
            let meaning = if TIMESTAMPS.contains(&name.as_str()) {
                Meaning::Time
            } else if name == Field::Message.name() {
                Meaning::Message
            } else if let Some(field) = Field::from_name(&name) {
                Meaning::Known(field)
            } else {
                let value = type_of(&name).unwrap_or_default();
                parser.extras.push(Extra::new(&name, kind_of(value)));
                Meaning::Extra(parser.extras.len() - 1, value)
            };
            parser.groups.push((group, meaning));
            names.push(name);
        }
        let has_text = parser.groups.iter().any(|(_, meaning)| matches!(meaning, Meaning::Message));
        if has_text && !names.iter().any(|name| name == ORIGINAL) {
            parser.original = Some(parser.extras.len());
            parser.extras.push(Extra::new(ORIGINAL, Kind::Text));
        }
        match parser.extras.len() {
            _ if parser.groups.is_empty() => Err(RegexError::NoGroup),
            many if EXTRAS_MAX < many => Err(RegexError::TooMany(many)),
            _ => Ok(parser),
        }
    }

    /// Returns the fields that are not in [`Field`], in the order of their numbers.
    #[must_use]
    pub fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// Returns the known fields that it may set.
    #[must_use]
    pub fn known(&self) -> Vec<Field> {
        let named = self.groups.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::Known(field) => Some(*field),
            Meaning::Time | Meaning::Message | Meaning::Extra(..) => None,
        });
        let mut known: Vec<Field> = named.collect();
        let more: Vec<Field> = ips_of(&known).collect();
        known.extend(more);
        known
    }

    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        event.forget_marks();
        self.regex.captures_read(&mut self.locations, line)?;
        for (group, meaning) in &self.groups {
            let Some((start, end)) = self.locations.get(*group) else { continue };
            let text = &line[start..end];
            if matches!(text, b"-" | b"") {
                continue;
            }
            match meaning {
                Meaning::Time => event.set_timestamp(time(text)?),
                Meaning::Message => {
                    event.set_text_part(Span::line(start, end));
                    event.set(Field::Message, Span::line(0, line.len()));
                    if let Some(original) = self.original {
                        event.set_extra(original, Span::line(0, line.len()));
                    }
                }
                Meaning::Extra(number, value) => {
                    match typed(*value, line, Span::line(start, end), event) {
                        Some(span) => event.set_extra(*number, span),
                        None => event.leave_residue(),
                    }
                }
                Meaning::Known(field) => set_known(*field, line, Span::line(start, end), event)?,
            }
        }
        set_ips(line, event);
        let part = |group: usize| self.locations.get(group);
        let (start, end) = part(0).unwrap_or_default();
        let is_left = |(start, end): (usize, usize)| !is_nothing(&line[start..end]);
        if is_left((0, start))
            || is_left((end, line.len()))
            || self.rest.iter().any(|group| part(*group).is_some_and(is_left))
        {
            event.leave_residue();
        }
        Some(())
    }
}

impl Parse for RegexParser {
    fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed {
        self.read(line, event).into()
    }
}

/// Sets a field that a template gives a type; `None` for a value that is not of that type, because the server would
/// refuse the whole document.
fn set_known(field: Field, line: &[u8], span: Span, event: &mut EventBuf) -> Option<()> {
    let text = &line[span.start()..span.end()];
    let mut value = span;
    if field.kind() == Kind::Raw {
        let number = whole(text)?;
        value = span.part(leading_zeros(text), span.len());
        let class = if number < 600 { u8::try_from(number / 100).unwrap_or(0) } else { 0 };
        match field {
            Field::StatusCode => event.set_status_class(class),
            Field::BodyBytes => event.set_body_bytes(number),
            _ => {}
        }
    }
    let is_address = matches!(
        field,
        Field::SourceIp | Field::SourceNatIp | Field::DestinationIp | Field::RelatedIp
    );
    if is_address && Address::of(text) != Address::Ip {
        return None;
    }
    event.set(field, value);
    Some(())
}

fn time(text: &[u8]) -> Option<Rendered> {
    let clf = <&[u8; CLF_BYTES]>::try_from(text).ok().and_then(|text| parse_clf(text));
    clf.or_else(|| parse_rfc3339(text)).map(render)
}

fn field_of(group: &str, format: &RegexFormat) -> String {
    let renamed = format.rename.iter().find(|(from, _)| from == group);
    renamed.map_or_else(|| group.replace("__", "."), |(_, to)| to.clone())
}

/// Says what to do instead of what expressions cannot have here.
#[must_use]
pub fn hint_of(fault: &ErrorKind) -> Option<&'static str> {
    match fault {
        ErrorKind::UnsupportedLookAround => {
            Some("match what stands there instead, or `\\b` where a word begins or ends")
        }
        ErrorKind::UnsupportedBackreference => Some("write out what is to stand there again"),
        _ => None,
    }
}

/// Says the same of a whole expression.
#[must_use]
pub fn hint_of_pattern(pattern: &str) -> Option<&'static str> {
    let fault = Parser::new().parse(pattern).err()?;
    hint_of(fault.kind())
}

/// What documents have beside the fields of a line, and what lies in it.
pub const OURS: [&str; 7] =
    ["agent", "ecs", "input", "tags", "log.file", "log.offset", "log.flags"];

/// Objects that are no value.
pub const OBJECTS: [&str; 5] = ["event", "fileset", "host", "log", "service"];

fn check_name(name: &str, others: &[String]) -> Result<(), RegexError> {
    let is_in = |outer: &str| {
        name.strip_prefix(outer).is_some_and(|behind| behind.is_empty() || behind.starts_with('.'))
    };
    let holds =
        |known: &str| known.strip_prefix(name).is_some_and(|behind| behind.starts_with('.'));
    if OURS.into_iter().any(is_in)
        || OBJECTS.contains(&name)
        || Field::ALL.iter().any(|field| holds(field.name()))
    {
        return Err(RegexError::Ours(name.to_owned()));
    }
    if is_metadata(name) {
        return Err(RegexError::Metadata(name.to_owned()));
    }
    if name.split('.').any(str::is_empty) {
        return Err(RegexError::EmptyPart(name.to_owned()));
    }
    for other in others {
        if name == other {
            return Err(RegexError::Twice(name.to_owned()));
        }
        for (outer, inner) in [(name, other.as_str()), (other.as_str(), name)] {
            if inner.strip_prefix(outer).is_some_and(|behind| behind.starts_with('.')) {
                return Err(RegexError::ValueAndObject(outer.to_owned(), inner.to_owned()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pattern: &str) -> String {
        let format = RegexFormat { pattern: pattern.to_owned(), rename: Vec::new() };
        RegexParser::new(&format).unwrap_err().to_string()
    }

    #[test]
    fn expressions_that_make_no_format_are_refused() {
        assert!(error("(").starts_with("pattern is no regular expression: "));
        for (pattern, expected) in [
            ("(.*)", "pattern has no named group such as `(?<url__original>\\S+)`"),
            ("(?<a__>.*)", "field name `a.` has an empty part"),
            (
                "(?<host>.)",
                "field `host` is written by shipper itself, or an object, and can be no value of a line",
            ),
            (
                "(?<log__offset>.)",
                "field `log.offset` is written by shipper itself, or an object, and can be no value of a line",
            ),
            (
                "(?<url>.)",
                "field `url` is written by shipper itself, or an object, and can be no value of a line",
            ),
            ("(?<_id>.)", "field `_id` is metadata of the server, which takes it in no document"),
            ("(?<a>.)(?<a__b>.)", "field `a` cannot be a value and hold `a.b` as well"),
            ("(?<a__b>.)(?<a>.)", "field `a` cannot be a value and hold `a.b` as well"),
        ] {
            assert_eq!(error(pattern), expected);
        }
        let format = RegexFormat {
            pattern: "(?<x>.)(?<y>.)".to_owned(),
            rename: vec![("x".to_owned(), "y".to_owned())],
        };
        let twice = RegexParser::new(&format).unwrap_err().to_string();
        assert_eq!(twice, "field `y` is the name of two groups");
    }

    #[test]
    fn fields_of_ecs_have_their_types() {
        let pattern = "^(?<client__ip>\\S+) (?<server__port>\\S+)$".to_owned();
        let mut parser = RegexParser::new(&RegexFormat { pattern, rename: Vec::new() }).unwrap();
        let kinds: Vec<Kind> = parser.extras().iter().map(|extra| extra.kind).collect();
        assert_eq!(kinds, [Kind::Text, Kind::Raw]);
        for (line, expected) in [
            ("::1 0443", [Some("::1"), Some("443")]),
            ("web https", [None, None]),
            ("- 443", [None, Some("443")]),
        ] {
            let mut event = EventBuf::with_extras(2);
            assert_eq!(parser.parse(line.as_bytes(), &mut event), Parsed::Recognised);
            let seen = [0, 1].map(|number| {
                event.extra(number).map(|span| event.bytes(line.as_bytes(), span).to_vec())
            });
            assert_eq!(
                seen,
                expected.map(|text| text.map(|text| text.as_bytes().to_vec())),
                "{line}"
            );
            assert_eq!(event.has_residue(), expected == [None, None], "{line}");
        }
    }

    #[test]
    fn what_no_group_has_is_left() {
        for (pattern, line, expected) in [
            ("^(?<a>[0-9]+) x", "1 x tail", true),
            ("^(?<a>[0-9]+) x", "1 x ", false),
            ("(?<a>[0-9]+) x", "0ther 1 x", true),
            ("^(?<a>[0-9]+) .*$", "1 x", true),
            ("^(?<a>[0-9]+) .*$", "1 -", false),
            ("^(?<a>[0-9]+) (?:is (?<b>.)|.*)$", "1 is 2", false),
            ("^(?<a>[0-9]+) (?:is (?<b>.)|.*)$", "1 was 2", true),
            ("^(\\w+) (?<a>.*)$", "x 1", true),
            ("^(x|y) (?<a>.*)$", "x 1", false),
        ] {
            let format = RegexFormat { pattern: pattern.to_owned(), rename: Vec::new() };
            let mut event = EventBuf::with_extras(2);
            let parsed = RegexParser::new(&format).unwrap().parse(line.as_bytes(), &mut event);
            assert_eq!(parsed, Parsed::Recognised);
            assert_eq!(event.has_residue(), expected, "{pattern} of {line}");
        }
    }

    #[test]
    fn ip_is_that_of_the_address_where_no_group_has_it() {
        for (pattern, line, expected) in [
            ("(?<source__address>.*)", "::1", Some("::1")),
            ("(?<source__address>.*)", "web", None),
            ("(?<source__address>.*) (?<source__ip>.*)", "::1 ::2", Some("::2")),
            ("(?<source__address>.*) (?<source__ip>.*)", "::1 -", Some("::1")),
        ] {
            let format = RegexFormat { pattern: pattern.to_owned(), rename: Vec::new() };
            let mut parser = RegexParser::new(&format).unwrap();
            assert_eq!(parser.known().iter().filter(|field| **field == Field::SourceIp).count(), 1);
            let mut event = EventBuf::default();
            assert_eq!(parser.parse(line.as_bytes(), &mut event), Parsed::Recognised);
            let ip = event.get(Field::SourceIp).map(|ip| event.bytes(line.as_bytes(), ip));
            assert_eq!(ip, expected.map(str::as_bytes), "{pattern} of {line}");
        }
    }
}
