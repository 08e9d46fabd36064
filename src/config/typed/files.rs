//! What a stanza says about its files: which, in which order, and until when.

use std::time::Duration;

use regex::Regex;

use crate::config::tree::Value;
use crate::config::typed::value::At;
use crate::document::path::Template;
use crate::settings::{
    BacklogOrder, CleanSettings, CloseSettings, FileSettings, FingerprintSettings, OwnerSettings,
    ReadBy, ReadOrder, Since, SkipSettings,
};
use crate::units::{duration_text, parse_duration};

/// Reads what concerns finding files, which are looked for at the `interval` that `scan` names.
#[must_use]
pub fn files(at: &At<'_>, scan: &At<'_>, interval: Duration) -> FileSettings {
    let recursive = at.first_of(&["prospector.scanner.recursive_glob", "recursive_glob.enabled"]);
    let touch = at.first_of(&["prospector.scanner.resend_on_touch", "resend_on_touch"]);
    let include = at.first_of(&["prospector.scanner.include_files", "include_files"]);
    let backlog = backlog(at);
    FileSettings {
        include_files: expressions(&include),
        recursive_glob: recursive.boolean().unwrap_or(true),
        resend_on_touch: touch.boolean().unwrap_or(false),
        delete_after: delete_after(at),
        path_fields: path_fields(&at.get("path_fields")),
        owner: OwnerSettings {
            user: at.get("include_file_owner_name").boolean().unwrap_or(false),
            group: at.get("include_file_owner_group_name").boolean().unwrap_or(false),
        },
        fingerprint: fingerprint(at),
        clean: clean(at, scan, interval),
        skip: skip(at),
        order: order(at, backlog),
        backlog,
    }
}

fn skip(at: &At<'_>) -> SkipSettings {
    let since = at.get("ignore_inactive");
    let since =
        since.text_if_any().and_then(|_| since.word(&["since_first_start", "since_last_start"]));
    let tail = at.first_of(&["seek_to_tail", "tail_files"]);
    SkipSettings {
        older: duration_or_off(&at.get("ignore_older")),
        inactive: since.map(|word| if word == 0 { Since::FirstStart } else { Since::LastStart }),
        tail: tail.boolean().unwrap_or(false),
    }
}

fn path_fields(list: &At<'_>) -> Vec<String> {
    let mut templates = Vec::new();
    for (text, item) in list.texts() {
        match Template::parse(&text) {
            Ok(_) => templates.push(text),
            Err(error) => item.problem(error.to_string()),
        }
    }
    templates
}

/// Reads which bytes are hashed for documents; which file is which does not hang on them.
fn fingerprint(at: &At<'_>) -> Option<FingerprintSettings> {
    let default = FingerprintSettings::default();
    let of = at.get("prospector.scanner.fingerprint");
    let offset = of.get("offset").bytes(0, 1 << 40).unwrap_or(default.offset);
    let length = of.get("length").bytes(64, 10 << 20).unwrap_or(default.length);
    let is_wanted = at.get("include_file_fingerprint").boolean() == Some(true);
    is_wanted.then_some(FingerprintSettings { offset, length })
}

fn delete_after(at: &At<'_>) -> Option<Duration> {
    let grace = at.get("delete.grace_period").duration().unwrap_or(Duration::from_mins(30));
    (at.get("delete.enabled").boolean() == Some(true)).then_some(grace)
}

fn clean(at: &At<'_>, scan: &At<'_>, interval: Duration) -> CleanSettings {
    let inactive_at = at.get("clean_inactive");
    let mut inactive = duration_or_off(&inactive_at);
    if let Some(clean) = inactive
        && let Some((message, hint)) = too_early(at, clean, scan, interval)
    {
        // As before Filebeat 9.2, which let it pass.
        if at.get("legacy_clean_inactive").boolean() == Some(true) {
            at.warn(format!("{message}: it is not applied, because files would be read again"));
            inactive = None;
        } else {
            inactive_at.problem_with(message, hint);
        }
    }
    CleanSettings { inactive, removed: at.get("clean_removed").boolean().unwrap_or(true) }
}

/// Says why files would be forgotten while they may still be read: they would be read again from their start.
fn too_early(
    at: &At<'_>,
    clean: Duration,
    scan: &At<'_>,
    interval: Duration,
) -> Option<(String, String)> {
    let written = scan.path().trim_start_matches(at.path()).trim_start_matches('.');
    let is_log = at.get("type").text().as_deref() == Some("log");
    let name = if is_log && !scan.is_there() { "scan_frequency" } else { written };
    let path = at.get("clean_inactive").path().to_owned();
    let Some(older) = duration_or_off(&at.get("ignore_older")) else {
        let hint = "set `ignore_older` as well, to less than `clean_inactive`: a file that is forgotten and not ignored \
                    would be read again from its start";
        return Some((format!("`{path}` needs `ignore_older`"), hint.to_owned()));
    };
    if older.saturating_add(interval) < clean {
        return None;
    }
    let sum = duration_text(older.saturating_add(interval));
    let message = format!("`{path}` has to be more than `ignore_older` + `{name}`, which is {sum}");
    Some((message, "so that a file is forgotten only when it is ignored".to_owned()))
}

/// Reads a duration that is off when it is 0 or, as Filebeat has it, negative.
fn duration_or_off(at: &At<'_>) -> Option<Duration> {
    let is_negative =
        |text: &str| text.trim().strip_prefix('-').is_some_and(|rest| parse_duration(rest).is_ok());
    if let Some(Value::Scalar(scalar)) = at.node().map(|node| &node.value)
        && is_negative(&scalar.text)
    {
        return None;
    }
    at.duration().filter(|duration| !duration.is_zero())
}

/// Reads when a file is let go of.
#[must_use]
pub fn close(at: &At<'_>) -> CloseSettings {
    let default = CloseSettings::default();
    let inactive = at.first_of(&["close.on_state_change.inactive", "close_inactive"]);
    let eof = at.first_of(&["close.reader.on_eof", "close_eof"]);
    let renamed = at.first_of(&["close.on_state_change.renamed", "close_renamed"]);
    let limit = at.get("harvester_limit").integer(0, i64::from(u32::MAX));
    CloseSettings {
        inactive: inactive.positive_duration().unwrap_or(default.inactive),
        on_eof: eof.boolean().unwrap_or(default.on_eof),
        renamed: renamed.boolean().unwrap_or(default.renamed),
        after: duration_or_off(&at.first_of(&["close.reader.after_interval", "close_timeout"])),
        limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default.limit),
    }
}

fn backlog(at: &At<'_>) -> BacklogOrder {
    match at.get("order").word(&["sequential", "fresh_first"]) {
        Some(1) => BacklogOrder::FreshFirst,
        _ => BacklogOrder::Sequential,
    }
}

fn order(at: &At<'_>, backlog: BacklogOrder) -> ReadOrder {
    let (by, order) = (at.get("scan.sort"), at.get("scan.order"));
    // Both may be written and empty, as Filebeat has them when nothing is set.
    let word = |at: &At<'_>, words: [&str; 2]| {
        at.text_if_any().and_then(|_| at.word(&words)).unwrap_or_default()
    };
    // Where new lines come first, so do newer files, unless something else is asked for.
    let is_asked_for = by.text_if_any().is_some() || order.text_if_any().is_some();
    let is_newest_first = !is_asked_for && backlog == BacklogOrder::FreshFirst;
    ReadOrder {
        by: if word(&by, ["modtime", "filename"]) == 1 { ReadBy::Name } else { ReadBy::Modified },
        descending: is_newest_first || word(&order, ["asc", "desc"]) == 1,
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
