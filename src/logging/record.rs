//! One log line as bytes: JSON in the shape of Filebeat's own log, or text for a person.
//!
//! Whatever a value holds, the line stays one line and obeys no terminal: control characters, line
//! separators and marks that turn the direction of writing are shown as escapes.

use crate::settings::LogLevel;
use std::fmt::Write;

/// Longest text of one value, in bytes; the rest is cut, because an answer of a server can be a
/// whole page.
const VALUE_BYTES_MAX: usize = 8 << 10;

/// Version of ECS that the lines follow, as Filebeat's own do.
const ECS_VERSION: &str = "1.6.0";

/// What one line says.
#[derive(Debug)]
pub struct Record<'a> {
    /// When, as it is to be written.
    pub time: &'a str,
    /// How severe.
    pub level: LogLevel,
    /// Which part of the program speaks.
    pub logger: &'a str,
    /// Where in its source.
    pub origin: Option<Origin<'a>>,
    /// What happened.
    pub message: &'a str,
    /// The data.
    pub fields: &'a [(&'a str, FieldValue)],
}

/// A place in the source.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// File, below `src`.
    pub file: &'a str,
    /// Line.
    pub line: u32,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// A text, to be quoted and escaped.
    Text(String),
    /// A number, a truth value or an object: JSON on one line, as it stands.
    Json(String),
}

impl FieldValue {
    /// Takes JSON as it stands; anything that is not JSON on one line becomes a text.
    #[must_use]
    pub fn json(text: String) -> Self {
        let is_plain = !text.contains(is_hidden);
        if is_plain && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
            Self::Json(text)
        } else {
            Self::Text(text)
        }
    }
}

/// Whether a character could end a line, command a terminal or turn the text around it.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Appends a line of JSON, its newline included.
pub fn push_json_line(out: &mut String, service: &str, record: &Record<'_>) {
    out.push_str("{\"log.level\":\"");
    out.push_str(level_name(record.level));
    out.push_str("\",\"@timestamp\":");
    push_quoted(out, record.time);
    out.push_str(",\"log.logger\":");
    push_quoted(out, record.logger);
    if let Some(origin) = record.origin {
        out.push_str(",\"log.origin\":{\"file.name\":");
        push_quoted(out, origin.file);
        push_display(out, format_args!(",\"file.line\":{}}}", origin.line));
    }
    out.push_str(",\"message\":");
    push_quoted(out, record.message);
    out.push_str(",\"service.name\":");
    push_quoted(out, service);
    for (name, value) in record.fields {
        out.push(',');
        push_quoted(out, name);
        out.push(':');
        match value {
            FieldValue::Text(text) => push_quoted(out, text),
            FieldValue::Json(json) => out.push_str(json),
        }
    }
    push_display(out, format_args!(",\"ecs.version\":\"{ECS_VERSION}\"}}\n"));
}

/// Appends a line of text, its newline included: time, level, logger, message, `name=value`.
pub fn push_text_line(out: &mut String, record: &Record<'_>) {
    let level = level_name(record.level).to_ascii_uppercase();
    push_display(out, format_args!("{} {level:<5} [", record.time));
    push_visible(out, record.logger);
    out.push_str("] ");
    push_visible(out, record.message);
    for (name, value) in record.fields {
        out.push(' ');
        push_visible(out, name);
        out.push('=');
        match value {
            FieldValue::Text(text) if is_bare(text) => out.push_str(text),
            FieldValue::Text(text) => push_quoted(out, text),
            FieldValue::Json(json) => out.push_str(json),
        }
    }
    out.push('\n');
}

fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warn",
        LogLevel::Error => "error",
    }
}

/// Whether a value needs no quotes behind `name=`.
fn is_bare(text: &str) -> bool {
    let spoils = |character: char| {
        character.is_whitespace() || matches!(character, '"' | '=' | '\\') || is_hidden(character)
    };
    !text.is_empty() && text.len() <= VALUE_BYTES_MAX && !text.contains(spoils)
}

/// Returns the beginning of a text that is short enough to be written, and whether that is all of
/// it.
fn cut(text: &str) -> (&str, bool) {
    if text.len() <= VALUE_BYTES_MAX {
        return (text, true);
    }
    (&text[..text.floor_char_boundary(VALUE_BYTES_MAX)], false)
}

/// Appends a JSON string.
fn push_quoted(out: &mut String, text: &str) {
    let (text, is_whole) = cut(text);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            character => push_shown(out, character),
        }
    }
    out.push_str(if is_whole { "\"" } else { "…\"" });
}

/// Appends a text without quotes, hidden characters as escapes.
fn push_visible(out: &mut String, text: &str) {
    let (text, is_whole) = cut(text);
    for character in text.chars() {
        push_shown(out, character);
    }
    if !is_whole {
        out.push('…');
    }
}

fn push_shown(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        hidden if is_hidden(hidden) => push_display(out, format_args!("\\u{:04x}", hidden as u32)),
        shown => out.push(shown),
    }
}

fn push_display(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json_line(message: &str, fields: &[(&str, FieldValue)]) -> String {
        let mut out = String::new();
        let origin = Some(Origin { file: "outputs/elasticsearch.rs", line: 42 });
        let record = Record {
            time: "2026-11-21T03:20:13.123Z",
            level: LogLevel::Warning,
            logger: "outputs.elasticsearch",
            origin,
            message,
            fields,
        };
        push_json_line(&mut out, "shipper", &record);
        out
    }

    fn text_line(message: &str, fields: &[(&str, FieldValue)]) -> String {
        let mut out = String::new();
        let record = Record {
            time: "2026-11-21T03:20:13.123Z",
            level: LogLevel::Info,
            logger: "monitoring",
            origin: None,
            message,
            fields,
        };
        push_text_line(&mut out, &record);
        out
    }

    fn text(value: &str) -> FieldValue {
        FieldValue::Text(value.to_owned())
    }

    #[test]
    fn json_line_has_the_shape_of_filebeats_log() {
        let fields = [
            ("attempt", FieldValue::Json("3".to_owned())),
            ("host", text("http://localhost:9200")),
            ("monitoring", FieldValue::json(r#"{"metrics":{"beat":{}}}"#.to_owned())),
        ];
        assert_eq!(
            json_line("bulk request refused, retrying", &fields),
            concat!(
                r#"{"log.level":"warn","@timestamp":"2026-11-21T03:20:13.123Z","#,
                r#""log.logger":"outputs.elasticsearch","#,
                r#""log.origin":{"file.name":"outputs/elasticsearch.rs","file.line":42},"#,
                r#""message":"bulk request refused, retrying","service.name":"shipper","#,
                r#""attempt":3,"host":"http://localhost:9200","#,
                r#""monitoring":{"metrics":{"beat":{}}},"ecs.version":"1.6.0"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn text_line_is_time_level_logger_message_and_fields() {
        let fields = [
            ("attempt", FieldValue::Json("3".to_owned())),
            ("path", text("/var/log/nginx/access.log")),
            ("reason", text("no \"such\" file")),
            ("empty", text("")),
        ];
        assert_eq!(
            text_line("cannot read", &fields),
            "2026-11-21T03:20:13.123Z INFO  [monitoring] cannot read attempt=3 \
             path=/var/log/nginx/access.log reason=\"no \\\"such\\\" file\" empty=\"\"\n"
        );
    }

    #[test]
    fn a_value_cannot_begin_a_line_or_command_a_terminal() {
        let evil = "a\n2026 ERROR forged\r\t\u{1b}[2J\u{9b}\u{7f}\u{2028}\u{202e}";
        let shown = "a\\n2026 ERROR forged\\r\\t\\u001b[2J\\u009b\\u007f\\u2028\\u202e";
        assert_eq!(
            text_line(evil, &[("path", text(evil))]),
            format!("2026-11-21T03:20:13.123Z INFO  [monitoring] {shown} path=\"{shown}\"\n")
        );
        let line = json_line(evil, &[("path", text(evil))]);
        assert!(line.contains(&format!("\"message\":\"{shown}\"")), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["path"], evil);
    }

    #[test]
    fn json_that_is_none_or_has_more_than_one_line_becomes_a_text() {
        for (given, expected) in [
            ("{\"a\":1}", FieldValue::Json("{\"a\":1}".to_owned())),
            ("{\"a\":1", text("{\"a\":1")),
            ("{\"a\":\n1}", text("{\"a\":\n1}")),
            ("1} {", text("1} {")),
        ] {
            assert_eq!(FieldValue::json(given.to_owned()), expected);
        }
    }

    #[test]
    fn long_values_are_cut() {
        let long = "ä".repeat(VALUE_BYTES_MAX);
        let line = json_line(&long, &[("body", text(&long))]);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let cut = format!("{}…", "ä".repeat(VALUE_BYTES_MAX / 2));
        assert_eq!((&value["message"], &value["body"]), (&cut.clone().into(), &cut.into()));
    }

    proptest! {
        /// For all texts, a JSON line is one line, is JSON, and gives the text back.
        #[test]
        fn property_json_line_gives_back_what_it_was_given(
            message in any::<String>(),
            value in any::<String>(),
        ) {
            let line = json_line(&message, &[("value", text(&value))]);
            prop_assert_eq!(line.find(is_hidden), Some(line.len() - 1));
            let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(read["message"].as_str(), Some(message.as_str()));
            prop_assert_eq!(read["value"].as_str(), Some(value.as_str()));
        }

        /// For all texts, a line of text is one line.
        #[test]
        fn property_text_line_is_one_line(message in any::<String>(), value in any::<String>()) {
            let line = text_line(&message, &[("value", text(&value))]);
            prop_assert_eq!(line.find(is_hidden), Some(line.len() - 1));
        }
    }
}
