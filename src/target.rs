//! Where documents go: index and data stream names, and the format strings that make them.
//!
//! The namespace of the YAML decides (`ARCHITECTURE.md`, Where documents go). Format strings are Filebeat's:
//! `%{[field]}` and `%{+yyyy.MM.dd}`, the date taken from the event's own time in UTC, so that a replay goes where the
//! first try went.

use crate::parsers::timestamp::Rendered;
use crate::settings::Namespace;

/// The version of Filebeat whose documents and data stream we write: the last of the eights, which servers of the
/// eighth and ninth generation take.
pub const FILEBEAT_VERSION: &str = "8.19.0";

/// What stands for a field that an event does not have: a name that is legal in an index.
const MISSING: &str = "unknown";

/// Longest name of an index that Elasticsearch takes, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Why a text is no format string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// `%{` without `}`.
    #[error("`%{{` is not closed")]
    NotClosed,
    /// Neither `[field]` nor `+date`.
    #[error(
        "`%{{{0}}}` is neither a field (`%{{[agent.version]}}`) nor a date (`%{{+yyyy.MM.dd}}`)"
    )]
    Unknown(String),
    /// A letter that means nothing in a date.
    #[error("`{0}` means nothing in a date; known are yyyy, yy, xxxx, MM, dd, DDD, HH, mm, ss, ww")]
    DateLetter(String),
}

/// A format string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatString(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(String, Option<String>),
    Date(Vec<DatePart>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DatePart {
    Text(String),
    /// A piece of the rendered time.
    Slice(usize, usize),
    DayOfYear,
    IsoWeek,
    IsoWeekYear,
}

impl FormatString {
    /// Reads a format string.
    ///
    /// # Errors
    /// When a `%{…}` in it cannot be understood.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("%{") {
            if 0 < start {
                pieces.push(Piece::Text(rest[..start].to_owned()));
            }
            let inner = &rest[start + 2..];
            let end = inner.find('}').ok_or(FormatError::NotClosed)?;
            pieces.push(piece(&inner[..end])?);
            rest = &inner[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Puts the values of fields in that are the same for every event.
    #[must_use]
    pub fn resolve(self, constant: impl Fn(&str) -> Option<String>) -> Self {
        let resolved = self.0.into_iter().map(|piece| match piece {
            Piece::Field(name, default) => match constant(&name) {
                Some(value) => Piece::Text(value),
                None => Piece::Field(name, default),
            },
            other => other,
        });
        Self(resolved.collect())
    }

    /// Returns the text when it is the same for every event, in lower case as index names are.
    #[must_use]
    pub fn constant(&self) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            let Piece::Text(piece) = piece else { return None };
            text.push_str(piece);
        }
        Some(text.to_lowercase())
    }

    /// Returns the pattern of all texts that it can make: `*` for what differs.
    #[must_use]
    pub fn pattern(&self) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                _ if text.ends_with('*') => {}
                _ => text.push('*'),
            }
        }
        text.to_lowercase()
    }

    /// Appends the text for one event, in lower case; a field that the event does not have becomes its default
    /// (`%{[a]:default}`) or `unknown`.
    pub fn push(
        &self,
        out: &mut Vec<u8>,
        time: &Rendered,
        field: impl Fn(&str, &mut Vec<u8>) -> bool,
    ) {
        let start = out.len();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(name, default) => {
                    let before = out.len();
                    if !field(name, out) {
                        out.truncate(before);
                        let default = default.as_deref().unwrap_or(MISSING);
                        out.extend_from_slice(default.as_bytes());
                    }
                    replace_illegal(&mut out[before..], before == start);
                }
                Piece::Date(parts) => push_date(out, parts, time),
            }
        }
        out[start..].make_ascii_lowercase();
        out.truncate(start + NAME_BYTES_MAX);
    }

    /// Tells whether an event's fields take part in it.
    #[must_use]
    pub fn has_fields(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Field(..)))
    }
}

/// Replaces what no name of an index may hold: a client could otherwise stop the output by what it asks for.
fn replace_illegal(value: &mut [u8], begins_name: bool) {
    for (place, byte) in value.iter_mut().enumerate() {
        let first = begins_name && place == 0;
        *byte = match *byte {
            b'\\' | b'/' | b'*' | b'?' | b'"' | b'<' | b'>' | b'|' | b',' | b'#' | b':' => b'_',
            0..=b' ' | 0x7f.. => b'_',
            other => other,
        };
        if first && matches!(*byte, b'-' | b'_' | b'+' | b'.') {
            *byte = b'x';
        }
    }
}

fn piece(inner: &str) -> Result<Piece, FormatError> {
    if let Some(date) = inner.strip_prefix('+') {
        return date_parts(date).map(Piece::Date);
    }
    let unknown = || FormatError::Unknown(inner.to_owned());
    let behind = inner.strip_prefix('[').ok_or_else(unknown)?;
    let (name, rest) = behind.split_once(']').ok_or_else(unknown)?;
    match rest.strip_prefix(':') {
        _ if name.is_empty() => Err(unknown()),
        Some(default) => Ok(Piece::Field(name.to_owned(), Some(default.to_owned()))),
        None if rest.is_empty() => Ok(Piece::Field(name.to_owned(), None)),
        None => Err(unknown()),
    }
}

/// Reads a date pattern in the letters of Java, of which those are known that index names use.
fn date_parts(pattern: &str) -> Result<Vec<DatePart>, FormatError> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let end = rest.find(|other| other != letter).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        parts.push(match run {
            "yyyy" | "YYYY" | "uuuu" => DatePart::Slice(0, 4),
            "yy" | "YY" | "uu" => DatePart::Slice(2, 4),
            "MM" => DatePart::Slice(5, 7),
            "dd" => DatePart::Slice(8, 10),
            "HH" => DatePart::Slice(11, 13),
            "mm" => DatePart::Slice(14, 16),
            "ss" => DatePart::Slice(17, 19),
            "DDD" => DatePart::DayOfYear,
            "ww" => DatePart::IsoWeek,
            "xxxx" => DatePart::IsoWeekYear,
            _ if letter.is_ascii_alphabetic() => {
                return Err(FormatError::DateLetter(run.to_owned()));
            }
            _ => DatePart::Text(run.replace('\'', "")),
        });
        rest = behind;
    }
    Ok(parts)
}

fn push_date(out: &mut Vec<u8>, parts: &[DatePart], time: &Rendered) {
    for part in parts {
        match part {
            DatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
            DatePart::Slice(start, end) => out.extend_from_slice(&time[*start..*end]),
            DatePart::DayOfYear => {
                out.extend_from_slice(format!("{:03}", date_of(time).day_of_year()).as_bytes());
            }
            DatePart::IsoWeek => {
                let week = date_of(time).iso_week_date().week();
                out.extend_from_slice(format!("{week:02}").as_bytes());
            }
            DatePart::IsoWeekYear => {
                let year = date_of(time).iso_week_date().year();
                out.extend_from_slice(format!("{year:04}").as_bytes());
            }
        }
    }
}

fn date_of(time: &Rendered) -> jiff::civil::Date {
    let text = std::str::from_utf8(&time[..10]).unwrap_or_default();
    text.parse().unwrap_or(jiff::civil::Date::ZERO)
}

/// Returns where events of an input go for which nothing else is said.
#[must_use]
pub fn default_target(namespace: Namespace, dataset: &str) -> String {
    match namespace {
        Namespace::Filebeat => format!("filebeat-{FILEBEAT_VERSION}"),
        Namespace::Own => format!("logs-{dataset}-default"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let format = FormatString::parse(text)
            .unwrap()
            .resolve(|name| (name == "agent.version").then(|| "8.19.0".to_owned()));
        let mut out = Vec::new();
        format.push(&mut out, b"2026-01-01T03:04:05.000Z", |name, out| {
            if name == "url.domain" {
                out.extend_from_slice(b"Shop.Example");
            }
            if name == "url.path" {
                out.extend_from_slice(b"/A b\xff*");
            }
            name.starts_with("url.")
        });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn format_strings_are_rendered() {
        for (text, expected) in [
            ("logs", "logs"),
            ("filebeat-%{[agent.version]}-%{+yyyy.MM.dd}", "filebeat-8.19.0-2026.01.01"),
            ("w-%{+xxxx.ww}-%{+DDD}", "w-2026.01-001"),
            ("h-%{+yy-MM-dd-HH.mm.ss}", "h-26-01-01-03.04.05"),
            ("Site-%{[url.domain]}", "site-shop.example"),
            ("x-%{[url.path]}", "x-_a_b__"),
            ("%{[url.path]}", "xa_b__"),
            ("x-%{[no.such]}", "x-unknown"),
            ("x-%{[no.such]:other}", "x-other"),
        ] {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn bad_format_strings_are_refused() {
        for (text, expected) in [
            ("a-%{[x]", "`%{` is not closed"),
            (
                "a-%{x}",
                "`%{x}` is neither a field (`%{[agent.version]}`) nor a date (`%{+yyyy.MM.dd}`)",
            ),
            (
                "a-%{+yyyy.QQ}",
                "`QQ` means nothing in a date; known are yyyy, yy, xxxx, MM, dd, DDD, HH, mm, ss, ww",
            ),
        ] {
            assert_eq!(FormatString::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn constant_targets_are_told_from_others() {
        let parse = |text| FormatString::parse(text).unwrap();
        assert_eq!(parse("Logs-A").constant().as_deref(), Some("logs-a"));
        assert_eq!(parse("logs-%{+yyyy}").constant(), None);
    }
}
