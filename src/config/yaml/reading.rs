//! How an input's bytes become events, as YAML.

use super::{duration, list, map, put};
use crate::assembly::charset::name_of;
use crate::config::typed::reading::TERMINATORS;
use crate::settings::reading::{LineParser, MultilineRule, MultilineSettings, ReadingSettings};
use serde_yaml::{Mapping, Value};

/// Adds what differs from the defaults.
pub(super) fn put_reading(out: &mut Mapping, reading: &ReadingSettings) {
    let default = ReadingSettings::default();
    if reading.encoding != default.encoding {
        put(out, "encoding", name_of(&reading.encoding));
    }
    let terminator = TERMINATORS.iter().find(|(_, kind)| *kind == reading.line_terminator);
    if let Some((name, _)) = terminator.filter(|(_, kind)| *kind != default.line_terminator) {
        put(out, "line_terminator", *name);
    }
    if !reading.parsers.is_empty() {
        put(out, "parsers", Value::Sequence(reading.parsers.iter().map(parser).collect()));
    }
    if !reading.include_lines.is_empty() {
        put(out, "include_lines", list(&reading.include_lines));
    }
    if !reading.exclude_lines.is_empty() {
        put(out, "exclude_lines", list(&reading.exclude_lines));
    }
    if let Some(after) = reading.flush_partial_after {
        put(out, "flush_partial_after", duration(after));
    }
}

fn parser(parser: &LineParser) -> Value {
    match parser {
        LineParser::Multiline(settings) => map([("multiline", multiline(settings))]),
        LineParser::IncludeMessage(patterns) => {
            map([("include_message", map([("patterns", list(patterns))]))])
        }
    }
}

fn multiline(settings: &MultilineSettings) -> Value {
    let mut out = Mapping::new();
    match &settings.rule {
        MultilineRule::Pattern { pattern, negate, before, flush_pattern } => {
            put(&mut out, "type", "pattern");
            put(&mut out, "pattern", pattern.as_str());
            put(&mut out, "negate", *negate);
            put(&mut out, "match", if *before { "before" } else { "after" });
            if let Some(flush) = flush_pattern {
                put(&mut out, "flush_pattern", flush.as_str());
            }
        }
        MultilineRule::Count(lines) => {
            put(&mut out, "type", "count");
            put(&mut out, "count_lines", *lines);
        }
        MultilineRule::While { pattern, negate } => {
            put(&mut out, "type", "while_pattern");
            put(&mut out, "pattern", pattern.as_str());
            put(&mut out, "negate", *negate);
        }
    }
    put(&mut out, "max_lines", settings.max_lines);
    put(&mut out, "timeout", duration(settings.timeout));
    put(&mut out, "skip_newline", settings.skip_newline);
    Value::Mapping(out)
}
