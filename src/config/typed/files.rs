//! What a stanza says about its files: which, in which order, and until when.

use regex::Regex;

use crate::config::typed::value::At;
use crate::settings::{CloseSettings, FileSettings, ReadBy, ReadOrder};

/// Reads what concerns finding files.
#[must_use]
pub fn files(at: &At<'_>) -> FileSettings {
    let recursive = at.first_of(&["prospector.scanner.recursive_glob", "recursive_glob.enabled"]);
    let touch = at.first_of(&["prospector.scanner.resend_on_touch", "resend_on_touch"]);
    let include = at.first_of(&["prospector.scanner.include_files", "include_files"]);
    FileSettings {
        include_files: expressions(&include),
        recursive_glob: recursive.boolean().unwrap_or(true),
        resend_on_touch: touch.boolean().unwrap_or(false),
        order: order(at),
    }
}

/// Reads when a file is let go of.
#[must_use]
pub fn close(at: &At<'_>) -> CloseSettings {
    let default = CloseSettings::default();
    let inactive = at.first_of(&["close.on_state_change.inactive", "close_inactive"]);
    CloseSettings { inactive: inactive.positive_duration().unwrap_or(default.inactive) }
}

fn order(at: &At<'_>) -> ReadOrder {
    let (by, order) = (at.get("scan.sort"), at.get("scan.order"));
    // Both may be written and empty, as Filebeat has them when nothing is set.
    let word = |at: &At<'_>, words: [&str; 2]| {
        at.text_if_any().and_then(|_| at.word(&words)).unwrap_or_default()
    };
    ReadOrder {
        by: if word(&by, ["modtime", "filename"]) == 1 { ReadBy::Name } else { ReadBy::Modified },
        descending: word(&order, ["asc", "desc"]) == 1,
    }
}

/// Reads a list of regular expressions; one that is none is a problem.
#[must_use]
pub fn expressions(list: &At<'_>) -> Vec<String> {
    let mut patterns = Vec::new();
    for (pattern, item) in list.texts() {
        match Regex::new(&pattern) {
            Ok(_) => patterns.push(pattern),
            Err(error) => item.problem(regex_message(&pattern, &error)),
        }
    }
    patterns
}

/// Says what is wrong with a regular expression.
#[must_use]
pub fn regex_message(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    // The last line of the message says what is wrong; those before draw the pattern.
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("`{pattern}` is no regular expression: {reason}")
}
