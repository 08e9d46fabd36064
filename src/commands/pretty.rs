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

/// Appends a JSON text, a member on each line, `indent` levels deep; what is no JSON stays as it is.
pub(super) fn push_json(out: &mut String, json: &[u8], colours: Colours) {
    match serde_json::from_slice::<Value>(json) {
        Ok(value) => push_value(out, &value, 0, colours),
        Err(_) => push_shown(out, &String::from_utf8_lossy(json)),
    }
}

fn push_value(out: &mut String, value: &Value, depth: usize, colours: Colours) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('{');
            for (number, (name, value)) in members.iter().enumerate() {
                out.push_str(if number == 0 { "\n" } else { ",\n" });
                push_indent(out, depth + 1);
                colours.push(out, Ink::Name, &quoted(name));
                out.push_str(": ");
                push_value(out, value, depth + 1, colours);
            }
            out.push('\n');
            push_indent(out, depth);
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                out.push_str(if number == 0 { "" } else { ", " });
                push_value(out, item, depth, colours);
            }
            out.push(']');
        }
        Value::String(text) => colours.push(out, Ink::Text, &quoted(text)),
        other => colours.push(out, Ink::Number, &other.to_string()),
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

    #[test]
    fn each_member_has_a_line_and_lists_have_one() {
        let json = r#"{"a":{"b":[1,"x",{"c":null}],"d":{}},"e":1.50,"f":[]}"#;
        let mut out = String::new();
        push_json(&mut out, json.as_bytes(), Colours::No);
        let expected = "{\n  \"a\": {\n    \"b\": [1, \"x\", {\n      \"c\": null\n    }],\n    \"d\": {}\n  },\n  \
                        \"e\": 1.5,\n  \"f\": []\n}";
        assert_eq!(out, expected);
    }

    #[test]
    fn colours_are_around_names_and_values_alone() {
        let mut out = String::new();
        push_json(&mut out, br#"{"a":"b","c":2}"#, Colours::Yes);
        let expected = "{\n  \u{1b}[36m\"a\"\u{1b}[0m: \u{1b}[32m\"b\"\u{1b}[0m,\n  \
                        \u{1b}[36m\"c\"\u{1b}[0m: \u{1b}[33m2\u{1b}[0m\n}";
        assert_eq!(out, expected);
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
