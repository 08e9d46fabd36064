//! How an input's bytes become events, as YAML.

use super::listener::put_syslog;
use super::{duration, list, map, put};
use crate::assembly::charset::name_of;
use crate::config::typed::reading::TERMINATORS;
use crate::parsers::known::known;
use crate::settings::reading::{
    ContainerFormat, ContainerSettings, ContainerStream, LineParser, MultilineRule,
    MultilineSettings, NdjsonSettings, ReadingSettings,
};
use crate::settings::{Format, InputSettings};
use serde_yaml::{Mapping, Value};

/// Adds what differs from the defaults.
pub(super) fn put_reading(out: &mut Mapping, input: &InputSettings) {
    let reading = &input.reading;
    let default = ReadingSettings::default();
    if reading.encoding != default.encoding {
        put(out, "encoding", name_of(&reading.encoding));
    }
    let terminator = TERMINATORS.iter().find(|(_, kind)| *kind == reading.line_terminator);
    if let Some((name, _)) = terminator.filter(|(_, kind)| *kind != default.line_terminator) {
        put(out, "line_terminator", *name);
    }
    let mut all = reading.parsers.clone();
    if input.kind == "syslog" {
        // The input reads it.
        all.retain(|parser| !matches!(parser, LineParser::Syslog(_)));
    } else if let Some(settings) = &input.syslog
        && !all.iter().any(|parser| matches!(parser, LineParser::Syslog(_)))
    {
        all.push(LineParser::Syslog(settings.clone()));
    }
    let parsers: Vec<Value> = all.iter().map(parser).collect();
    // Lines of some formats are joined where nothing is said.
    let is_joined_else = match &input.format {
        Format::Known(name) => known(name).is_some_and(|known| known.begins.is_some()),
        _ => false,
    };
    if !parsers.is_empty() || is_joined_else {
        put(out, "parsers", Value::Sequence(parsers));
    }
    let keeps_null =
        |parser: &LineParser| matches!(parser, LineParser::Ndjson(settings) if settings.keep_null);
    if reading.parsers.iter().any(keeps_null) {
        put(out, "keep_null", true);
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
        LineParser::Ndjson(settings) => map([("ndjson", ndjson(settings))]),
        LineParser::Container(ContainerSettings { stream, format }) => {
            let stream = match stream {
                ContainerStream::All => "all",
                ContainerStream::Stdout => "stdout",
                ContainerStream::Stderr => "stderr",
            };
            let format = match format {
                ContainerFormat::Auto => "auto",
                ContainerFormat::Docker => "docker",
                ContainerFormat::Cri => "cri",
            };
            map([("container", map([("stream", stream.into()), ("format", format.into())]))])
        }
        LineParser::Syslog(settings) => {
            let mut syslog = Mapping::new();
            put_syslog(&mut syslog, settings);
            map([("syslog", Value::Mapping(syslog))])
        }
        LineParser::IncludeMessage(patterns) => {
            map([("include_message", map([("patterns", list(patterns))]))])
        }
    }
}

fn ndjson(settings: &NdjsonSettings) -> Value {
    let mut out = Mapping::new();
    put(&mut out, "target", settings.target.as_str());
    put(&mut out, "overwrite_keys", settings.overwrite_keys);
    put(&mut out, "expand_keys", settings.expand_keys);
    put(&mut out, "add_error_key", settings.add_error_key);
    if let Some(key) = &settings.message_key {
        put(&mut out, "message_key", key.as_str());
    }
    if let Some(name) = &settings.document_id {
        put(&mut out, "document_id", name.as_str());
    }
    Value::Mapping(out)
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
