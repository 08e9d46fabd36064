//! `format: {apache: …}`, `format: {nginx: …}` and `format_from`: formats of web servers, checked by compiling them.

use std::ops::Range;
use std::path::Path;

use crate::config::check::{nearest, not_one_of};
use crate::config::files::ServerFiles;
use crate::config::problems::{Part, Place, Problem};
use crate::config::servers::{COMBINED, Log, chosen, logs};
use crate::config::tree::Value;
use crate::config::typed::value::At;
use crate::parsers::compiled::{Compiled, Fault, nicknamed, nicknames, variables};
use crate::settings::{Escape, Format, ServerFormat, WebServer};

/// Keys of `format` that this file reads.
pub(super) const KEYS: [&str; 3] = ["apache", "nginx", "escape"];

/// Reads `apache` or `nginx` below `format`, where one of them is.
pub(super) fn format(at: &At<'_>) -> Option<Format> {
    let (apache, nginx) = (at.get("apache"), at.get("nginx"));
    let escape = at.get("escape");
    if nginx.is_there() {
        if apache.is_there() {
            apache.problem(format!("`{}` is there as well: a format is of one", nginx.path()));
            return None;
        }
        return of_nginx(&nginx, &escape);
    }
    if escape.is_there() {
        escape.problem("`escape` is only known for `nginx`");
    }
    of_apache(&apache)
}

fn of_apache(at: &At<'_>) -> Option<Format> {
    let written = at.text_of_line()?;
    if is_directive(at, &written, "LogFormat") {
        return None;
    }
    let (text, skipped) = if written.contains('%') {
        without_quotes(&written)
    } else {
        let Some(text) = nicknamed(&written) else {
            let all: Vec<&str> = nicknames().collect();
            at.push(not_one_of(at.place()?, at.path(), &written, &all));
            return None;
        };
        (text, 0)
    };
    checked(at, WebServer::Apache, text, Escape::Default, skipped)
}

/// Refuses a directive that was copied whole.
fn is_directive(at: &At<'_>, text: &str, name: &str) -> bool {
    let is_it =
        text.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '\t']));
    if is_it {
        at.problem_with(
            format!("that is a whole `{name}` directive"),
            "write the format string alone, without the directive's name, its quotes and the format's name",
        );
    }
    is_it
}

/// Takes the quotes off a string that is copied with them: all that are in it have a backslash then.
fn without_quotes(text: &str) -> (&str, usize) {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match inner.filter(|inner| inner.matches('"').count() == inner.matches("\\\"").count()) {
        Some(inner) if !inner.ends_with('\\') => (inner, 1),
        _ => (text, 0),
    }
}

fn of_nginx(at: &At<'_>, escape_at: &At<'_>) -> Option<Format> {
    let text = at.text_of_line()?;
    if is_directive(at, &text, "log_format") {
        return None;
    }
    if text == "combined" {
        return checked(at, WebServer::Nginx, COMBINED, Escape::Default, 0);
    }
    let words = ["default", "json", "none"];
    let mut escape = escape_at.is_there().then(|| escape_at.word(&words)).flatten();
    let mut rest = text.as_str();
    for (number, word) in words.iter().enumerate() {
        let own = text.strip_prefix("escape=").and_then(|text| text.strip_prefix(word));
        if let Some(behind) = own.and_then(|text| text.strip_prefix(' ')) {
            (escape, rest) = (Some(number), behind.trim_start());
        }
    }
    let escape = match escape {
        Some(1) => Escape::Json,
        Some(2) => Escape::None,
        _ => Escape::Default,
    };
    checked(at, WebServer::Nginx, rest, escape, text.chars().count() - rest.chars().count())
}

/// Compiles a format of the configuration; `skipped` characters stand before it.
fn checked(
    at: &At<'_>,
    server: WebServer,
    text: &str,
    escape: Escape,
    skipped: usize,
) -> Option<Format> {
    let format = ServerFormat { server, text: text.to_owned(), escape };
    match Compiled::new(&format) {
        Ok(compiled) => {
            tell_of_slips(at, &compiled);
            Some(Format::Compiled(format))
        }
        Err(fault) => {
            let before = skipped + text[..fault.range.start].chars().count();
            let length = text[fault.range.clone()].chars().count().max(1);
            let drawn = drawn(text, &fault.range);
            tell_within(at, before, length, (fault.message, fault.hint), drawn);
            None
        }
    }
}

/// Warns of variables that nginx has not, and that are nearly one that it has. They may be meant all the same.
fn tell_of_slips(at: &At<'_>, compiled: &Compiled) {
    for name in compiled.own_variables() {
        if let Some(near) = nearest(&name.to_ascii_lowercase(), variables()) {
            at.warn(format!(
                "`{}` has `${name}`: did you mean `${near}`? If the server's configuration makes `${name}`, all is well",
                at.path()
            ));
        }
    }
}

/// Notes what is wrong with some characters of a text, and what to do: with a caret under them where the text stands in the
/// configuration as it is read, else below `drawn`.
pub(super) fn tell_within(
    at: &At<'_>,
    before: usize,
    length: usize,
    (message, hint): (String, String),
    drawn: String,
) {
    if let Some(place) = place_within(at, before, length) {
        return at.push(Problem::new(place, message).hint(hint));
    }
    let Some((place, Value::Scalar(scalar))) = at.place().zip(at.node().map(|node| &node.value))
    else {
        return at.problem_with(message, format!("{hint}\n{drawn}"));
    };
    let text = scalar.text.clone();
    let part = Part { text, before, length, drawn };
    at.push(Problem::new(place, message).hint(hint).part(part));
}

/// Finds the place of some characters of a text that stands in one line, by how many more it has there: quotes and
/// their escapes.
fn place_within(at: &At<'_>, before: usize, length: usize) -> Option<Place> {
    let place = at.place()?;
    let Value::Scalar(scalar) = &at.node()?.value else { return None };
    let characters: Vec<char> = scalar.text.chars().collect();
    let doubled: [&[char]; 3] = [&[], &['\''], &['"', '\\']];
    let more =
        |within: &[char], escaped: &[char]| within.iter().filter(|c| escaped.contains(c)).count();
    if place.length == characters.len() && scalar.plain {
        return Some(Place { column: place.column + before, length, ..place });
    }
    let escaped = doubled
        .into_iter()
        .find(|escaped| place.length == characters.len() + 2 + more(&characters, escaped))?;
    let upto = characters.get(..before)?;
    let within = characters.get(before..(before + length).min(characters.len()))?;
    Some(Place {
        column: place.column + 1 + before + more(upto, escaped),
        length: length + more(within, escaped),
        ..place
    })
}

/// Shows a text with carets under a part of it.
pub(super) fn drawn(text: &str, range: &Range<usize>) -> String {
    const BEFORE_MAX: usize = 60;
    let before = text[..range.start].chars().count();
    let skipped = before.saturating_sub(BEFORE_MAX);
    let shown: String = text.chars().skip(skipped).take(2 * BEFORE_MAX).collect();
    let length = text[range.clone()].chars().count().max(1);
    format!("  {shown}\n  {}{}", " ".repeat(before - skipped), "^".repeat(length))
}

/// Reads `format_from`: the format that a web server's configuration gives the logs at `paths`.
pub(super) fn format_from(
    at: &At<'_>,
    paths: &[String],
    config_directory: &Path,
) -> Option<Format> {
    let file = at.text_if_any()?;
    let file = config_directory.join(file);
    let logs = match logs(&file, &ServerFiles) {
        Ok(logs) => logs,
        Err(error) => {
            at.problem_with(error.to_string(), error.hint);
            return None;
        }
    };
    let written = chosen(&logs, paths);
    let Some(first) = written.first() else {
        let message = format!("`{}` has no log of requests that `paths` leads to", file.display());
        at.problem_with(
            message,
            if logs.is_empty() {
                "it writes none to files: name the file that has `access_log`, `CustomLog` or what includes them, or write \
                 the format itself, as in `format: {nginx: …}`"
                    .to_owned()
            } else {
                format!("let `paths` lead to one that it has: {}", listed(logs.iter()))
            },
        );
        return None;
    };
    let mut others = written.iter().filter(|log| log.format != first.format).peekable();
    if others.peek().is_some() {
        at.problem_with(
            format!("the logs that `paths` leads to have several formats in `{}`", file.display()),
            format!(
                "make an input for each of them: {}; of a module, an entry with `var.paths` for each",
                listed(written.iter().copied())
            ),
        );
        return None;
    }
    if let Err(fault) = Compiled::new(&first.format) {
        at.push(fault_of(at, first, &fault));
        return None;
    }
    Some(Format::Compiled(first.format.clone()))
}

fn fault_of(at: &At<'_>, log: &Log, fault: &Fault) -> Problem {
    let message = format!("{}: {}", log.spot, fault.message);
    let hint = format!("{}\n{}", fault.hint, drawn(&log.format.text, &fault.range));
    let problem = at.place().map(|place| Problem::new(place, message.clone()));
    problem.unwrap_or_else(|| Problem::general(message)).hint(hint)
}

fn listed<'a>(logs: impl Iterator<Item = &'a Log>) -> String {
    const SHOWN_MAX: usize = 12;
    let mut shown: Vec<String> = Vec::new();
    for log in logs {
        let name = if log.name.is_empty() { "a format of its own" } else { &log.name };
        let one = format!("{} ({name}, {})", log.path, log.spot);
        if !shown.contains(&one) {
            shown.push(one);
        }
    }
    let more = shown.len().saturating_sub(SHOWN_MAX);
    shown.truncate(SHOWN_MAX);
    if 0 < more {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}
