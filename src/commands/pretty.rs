//! JSON for people: a member on each line, in colours where the terminal has them.

use serde_json::Value;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::IsTerminal;

/// Whether what is written has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// As a terminal has them.
    Yes,
    /// None.
    No,
}

/// What a text is, by which it has its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// The name of a member.
    Name,
    /// A text.
    Text,
    /// A number, a truth, or nothing.
    Number,
    /// What is less worth a look.
    Dim,
    /// What is as it should be.
    Good,
    /// What is not as it should be.
    Bad,
}

impl Colours {
    /// Decides for an output: a terminal has them, unless `NO_COLOR` is any text but the empty one, or it is a dumb one.
    pub(super) fn of(output: &impl IsTerminal) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").as_deref() == Some(OsStr::new("dumb"));
        if output.is_terminal() && !no_color && !is_dumb { Self::Yes } else { Self::No }
    }

    /// Appends a text in a colour.
    pub(super) fn push(self, out: &mut String, ink: Ink, text: &str) {
        if self == Self::No {
            return out.push_str(text);
        }
        let code = match ink {
            Ink::Name => "36",
            Ink::Text => "32",
            Ink::Number => "33",
            Ink::Dim => "2",
            Ink::Good => "1;32",
            Ink::Bad => "1;31",
        };
        let _ = write!(out, "\u{1b}[{code}m{text}\u{1b}[0m");
    }
}

/// Appends a JSON text, a member on each line but for objects that fit on one; what is no JSON stays as it is.
pub(super) fn push_json(out: &mut String, json: &[u8], colours: Colours) {
    match serde_json::from_slice::<Value>(json) {
        Ok(value) => push_value(out, &value, At { depth: 0, column: COLUMNS }, colours),
        Err(_) => push_shown(out, &String::from_utf8_lossy(json)),
    }
}

/// Columns of a line that an object may fill.
const COLUMNS: usize = 78;

/// Where a value stands.
#[derive(Clone, Copy)]
struct At {
    depth: usize,
    /// Columns before it.
    column: usize,
}

fn push_value(out: &mut String, value: &Value, at: At, colours: Colours) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let on_one_line = at.column + width(value) <= COLUMNS;
            let (first, next, last) =
                if on_one_line { ("", ", ", "") } else { ("\n", ",\n", "\n") };
            let indent = if on_one_line { 0 } else { at.depth + 1 };
            out.push('{');
            for (number, (name, value)) in members.iter().enumerate() {
                out.push_str(if number == 0 { first } else { next });
                push_indent(out, indent);
                let name = quoted(name);
                colours.push(out, Ink::Name, &name);
                out.push_str(": ");
                let before = if on_one_line { 0 } else { 2 * indent + name.chars().count() + 2 };
                push_value(out, value, At { depth: at.depth + 1, column: before }, colours);
            }
            out.push_str(last);
            push_indent(out, if on_one_line { 0 } else { at.depth });
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                out.push_str(if number == 0 { "" } else { ", " });
                push_value(out, item, at, colours);
            }
            out.push(']');
        }
        Value::String(text) => colours.push(out, Ink::Text, &quoted(text)),
        other => colours.push(out, Ink::Number, &other.to_string()),
    }
}

/// Returns how many columns a value takes on one line.
fn width(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            2 + members
                .map(|(name, value)| quoted(name).chars().count() + 4 + width(value))
                .sum::<usize>()
        }
        Value::Array(items) => 2 + items.iter().map(|item| 2 + width(item)).sum::<usize>(),
        Value::String(text) => quoted(text).chars().count(),
        other => other.to_string().len(),
    }
}

fn push_indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    push_shown(&mut quoted, &Value::from(text).to_string());
    quoted
}

/// Appends a text in which what would control a terminal is a JSON escape.
fn push_shown(out: &mut String, text: &str) {
    for letter in text.chars() {
        if crate::hint::controls_terminal(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty(json: &str, colours: Colours) -> String {
        let mut out = String::new();
        push_json(&mut out, json.as_bytes(), colours);
        out
    }

    #[test]
    fn each_member_has_a_line_and_what_fits_has_one() {
        let json = r#"{"a":{"b":[1,"x",{"c":null}],"d":{}},"e":1.50,"f":[]}"#;
        let expected = "{\n  \"a\": {\"b\": [1, \"x\", {\"c\": null}], \"d\": {}},\n  \"e\": 1.5,\n  \"f\": []\n}";
        assert_eq!(pretty(json, Colours::No), expected);
        let long = "x".repeat(60);
        let json = format!(r#"{{"a":{{"b":{{"c":1}},"d":"{long}"}}}}"#);
        let expected =
            format!("{{\n  \"a\": {{\n    \"b\": {{\"c\": 1}},\n    \"d\": \"{long}\"\n  }}\n}}");
        assert_eq!(pretty(&json, Colours::No), expected);
        for line in pretty(&json, Colours::No).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn colours_are_around_names_and_values_alone() {
        let expected = "{\n  \u{1b}[36m\"a\"\u{1b}[0m: \u{1b}[32m\"b\"\u{1b}[0m,\n  \
                        \u{1b}[36m\"c\"\u{1b}[0m: {\u{1b}[36m\"d\"\u{1b}[0m: \u{1b}[33m2\u{1b}[0m}\n}";
        assert_eq!(pretty(r#"{"a":"b","c":{"d":2}}"#, Colours::Yes), expected);
    }

    #[test]
    fn nothing_in_a_text_reaches_the_terminal() {
        for (text, expected) in [
            ("\u{1b}[2J", r#""\u001b[2J""#),
            ("\u{9b}2J", r#""\u009b2J""#),
            ("a\u{202e}b", r#""a\u202eb""#),
            ("\u{7f}", r#""\u007f""#),
            ("tab\tend\n", r#""tab\tend\n""#),
            ("é \u{1f980}", "\"é \u{1f980}\""),
        ] {
            let mut out = String::new();
            push_json(&mut out, Value::from(text).to_string().as_bytes(), Colours::No);
            assert_eq!(out, expected);
        }
    }
}
