//! The options that say how an input's bytes become events: encoding, line ends, parsers, filters.

use crate::assembly::charset::settings_of;
use crate::assembly::{Assembly, AssemblyError};
use crate::config::typed::files::{expressions, regex_message};
use crate::config::typed::listener;
use crate::config::typed::value::At;
use crate::settings::reading::{
    ContainerFormat, ContainerSettings, ContainerStream, EncodingSettings, LineParser,
    LineTerminator, MultilineRule, MultilineSettings, NdjsonSettings, ReadingSettings,
};
use regex::bytes::Regex;

/// All line ends, each with its name.
pub const TERMINATORS: [(&str, LineTerminator); 10] = [
    ("auto", LineTerminator::Auto),
    ("line_feed", LineTerminator::LineFeed),
    ("vertical_tab", LineTerminator::VerticalTab),
    ("form_feed", LineTerminator::FormFeed),
    ("carriage_return", LineTerminator::CarriageReturn),
    ("carriage_return_line_feed", LineTerminator::CarriageReturnLineFeed),
    ("next_line", LineTerminator::NextLine),
    ("line_separator", LineTerminator::LineSeparator),
    ("paragraph_separator", LineTerminator::ParagraphSeparator),
    ("null_terminator", LineTerminator::NullTerminator),
];

/// The parsers by name, each with its options.
pub const PARSERS: [(&str, &[&str]); 5] = [
    ("multiline", &MULTILINE),
    ("ndjson", &NDJSON),
    ("container", &["stream", "format"]),
    ("syslog", &["format", "timezone", "log_errors", "add_error_key"]),
    ("include_message", &["patterns"]),
];

const NDJSON: [&str; 8] = [
    "target",
    "overwrite_keys",
    "expand_keys",
    "add_error_key",
    "message_key",
    "document_id",
    "ignore_decoding_error",
    "keys_under_root",
];

const MULTILINE: [&str; 9] = [
    "type",
    "pattern",
    "negate",
    "match",
    "flush_pattern",
    "count_lines",
    "max_lines",
    "timeout",
    "skip_newline",
];

/// Reads how an input's bytes become events.
#[must_use]
pub fn reading(at: &At<'_>) -> ReadingSettings {
    let line_terminator = at.get("line_terminator");
    let terminator = line_terminator.word(&TERMINATORS.map(|(name, _)| name));
    let mut parsers = Vec::new();
    if at.get("json").is_there() {
        parsers.push(LineParser::Ndjson(json(&at.get("json"))));
    }
    if at.get("multiline").is_there() {
        let at = at.get("multiline");
        known(&at, &MULTILINE);
        parsers.extend(multiline(&at).map(LineParser::Multiline));
    }
    parsers.extend(at.get("parsers").items().iter().filter_map(parser));
    let is_syslog = |parser: &&LineParser| matches!(parser, LineParser::Syslog(_));
    if 1 < parsers.iter().filter(is_syslog).count() {
        at.get("parsers").problem_with(
            "`syslog` is there more than once, and a line has one header",
            "leave the others out",
        );
    }
    let keep_null = at.get("keep_null").boolean().unwrap_or(false);
    for parser in &mut parsers {
        if let LineParser::Ndjson(settings) = parser {
            settings.keep_null = keep_null;
        }
    }
    let settings = ReadingSettings {
        encoding: encoding(&at.get("encoding")),
        line_terminator: terminator.map(|index| TERMINATORS[index].1).unwrap_or_default(),
        parsers,
        include_lines: expressions(&at.get("include_lines")),
        exclude_lines: expressions(&at.get("exclude_lines")),
        flush_partial_after: at.get("flush_partial_after").positive_duration(),
    };
    if let Err(AssemblyError::Terminator(error)) = Assembly::new(&settings, 1) {
        line_terminator.problem_with(error.to_string(), "choose another `line_terminator`");
    }
    settings
}

fn encoding(at: &At<'_>) -> EncodingSettings {
    let Some(name) = at.text_if_any() else { return EncodingSettings::default() };
    settings_of(&name).unwrap_or_else(|| {
        at.problem_with(
            format!("`{name}` is no encoding that is known here"),
            "names are those of the WHATWG Encoding Standard, for example `utf-8`, `latin1`, \
             `windows-1252`, `utf-16le`, `gbk`, `shift_jis`",
        );
        EncodingSettings::default()
    })
}

fn is_pattern(pattern: &str, at: &At<'_>) -> bool {
    let error = Regex::new(pattern).err();
    if let Some(error) = &error {
        at.problem(regex_message(pattern, error));
    }
    error.is_none()
}

fn pattern(at: &At<'_>) -> Option<String> {
    at.text_if_any().filter(|pattern| is_pattern(pattern, at))
}

/// Reads one item of `parsers`.
fn parser(at: &At<'_>) -> Option<LineParser> {
    let entries = &at.map()?.entries;
    let [entry] = &entries[..] else {
        let names: Vec<_> = entries.iter().map(|entry| format!("`{}`", entry.key)).collect();
        at.problem_with(
            format!("`{}` takes one parser, found {}", at.path(), names.join(", ")),
            "begin each parser with a `-` of its own, and write its options one level below its name",
        );
        return None;
    };
    let options = at.get(&entry.key);
    if let Some((_, keys)) = PARSERS.iter().find(|(name, _)| *name == entry.key) {
        known(&options, keys);
    }
    match entry.key.as_str() {
        "multiline" => multiline(&options).map(LineParser::Multiline),
        "include_message" => {
            let patterns = expressions(&options.get("patterns"));
            if patterns.is_empty() {
                at.problem_with(
                    format!("`{}` has no `patterns`", options.path()),
                    "name what is to be sent, for example `patterns: [\"^ERR\"]`",
                );
            }
            Some(LineParser::IncludeMessage(patterns))
        }
        "ndjson" => {
            let target = options.get("target").text_if_any().unwrap_or_default();
            Some(LineParser::Ndjson(NdjsonSettings { target, ..ndjson(&options, true) }))
        }
        "container" => Some(LineParser::Container(container(&options))),
        "syslog" => {
            let _ = options.get("format").word(&["auto", "rfc3164", "rfc5424"]);
            Some(LineParser::Syslog(listener::syslog(&options)))
        }
        name => {
            let names = PARSERS.map(|(name, _)| name);
            at.push(crate::config::check::not_one_of(entry.place, at.path(), name, &names));
            None
        }
    }
}

/// Notes keys that mean nothing.
fn known(at: &At<'_>, keys: &[&str]) {
    let Some(map) = at.node().is_some().then(|| at.map()).flatten() else { return };
    for entry in &map.entries {
        if !keys.contains(&entry.key.as_str()) {
            let path = format!("{}.{}", at.path(), entry.key);
            at.push(crate::config::check::unknown_key(entry.place, &path, &entry.key, keys));
        }
    }
}

/// Reads what `ndjson` and `json` have in common.
fn ndjson(at: &At<'_>, keeps_text: bool) -> NdjsonSettings {
    let is_on = |key: &str| at.get(key).boolean().unwrap_or(false);
    // Which lines are none is counted; that each is told or not is no question here.
    let _ = is_on("ignore_decoding_error");
    NdjsonSettings {
        target: String::new(),
        overwrite_keys: is_on("overwrite_keys"),
        expand_keys: is_on("expand_keys"),
        add_error_key: is_on("add_error_key"),
        message_key: at.get("message_key").text_if_any(),
        keeps_text,
        document_id: document_id(&at.get("document_id")),
        keep_null: false,
    }
}

/// Reads the name of the member that becomes `_id`.
fn document_id(at: &At<'_>) -> Option<String> {
    let name = at.text_if_any()?;
    if name.contains('.') {
        at.problem_with(
            format!("`{}` takes a member at the top of each line, and `{name}` is below one", at.path()),
            "name one at the top, or leave it out: each line has an `_id` that is the same when it is sent again",
        );
        return None;
    }
    Some(name)
}

/// Reads `json.*` of a `log` input.
fn json(at: &At<'_>) -> NdjsonSettings {
    let at_root = at.get("keys_under_root").boolean().unwrap_or(false);
    let target = if at_root { String::new() } else { "json".to_owned() };
    NdjsonSettings { target, ..ndjson(at, false) }
}

fn container(at: &At<'_>) -> ContainerSettings {
    let stream = match at.get("stream").word(&["all", "stdout", "stderr"]) {
        Some(1) => ContainerStream::Stdout,
        Some(2) => ContainerStream::Stderr,
        _ => ContainerStream::All,
    };
    let format = match at.get("format").word(&["auto", "docker", "cri"]) {
        Some(1) => ContainerFormat::Docker,
        Some(2) => ContainerFormat::Cri,
        _ => ContainerFormat::Auto,
    };
    ContainerSettings { stream, format }
}

fn multiline(at: &At<'_>) -> Option<MultilineSettings> {
    at.map()?;
    let negate = at.get("negate").boolean().unwrap_or(false);
    let before = at.get("match").word(&["after", "before"]) == Some(1);
    let kind = at.get("type").word(&["pattern", "count", "while_pattern"]).unwrap_or(0);
    let rule = if kind == 1 {
        let lines = at.get("count_lines");
        let Some(count) = lines.integer(1, i64::MAX) else {
            if !lines.is_there() {
                at.problem_with(
                    format!("`{}` has no `count_lines`", at.path()),
                    "say how many lines make an event, for example `count_lines: 3`",
                );
            }
            return None;
        };
        MultilineRule::Count(count.unsigned_abs())
    } else {
        if !at.get("pattern").is_there() {
            at.problem_with(
                format!("`{}` has no `pattern`", at.path()),
                "say which lines are meant, for example `pattern: '^\\['`",
            );
        }
        let pattern = pattern(&at.get("pattern"))?;
        if kind == 2 {
            MultilineRule::While { pattern, negate }
        } else {
            let flush_pattern = self::pattern(&at.get("flush_pattern"));
            MultilineRule::Pattern { pattern, negate, before, flush_pattern }
        }
    };
    let mut settings = MultilineSettings::new(rule);
    if let Some(lines) = at.get("max_lines").integer(0, i64::MAX) {
        settings.max_lines = lines.unsigned_abs();
    }
    if let Some(timeout) = at.get("timeout").duration() {
        settings.timeout = timeout;
    }
    settings.skip_newline = at.get("skip_newline").boolean().unwrap_or(false);
    Some(settings)
}
