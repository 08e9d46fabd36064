//! Lines that are matched by patterns with names, as Logstash's and Elasticsearch's `grok`.
//!
//! The standard definitions are those of the crate `grok`; a pattern is written out into one expression (`expand`) for the
//! `regex` crate, which reads any bytes and never goes back, whatever the pattern. What it cannot know (look-around) has a
//! definition of ours (`standard`).

mod expand;
mod standard;

use super::fields::Fields;
use super::{OwnError, Part};
use crate::event::{EventBuf, Span};
use crate::parsers::captures::Captures;
use crate::settings::own::GrokFormat;
use expand::{Expanded, Expander};

/// Matches lines.
#[derive(Debug, Clone)]
pub(super) struct Grok {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    captures: Captures,
    /// For each group from the first on: the number of its field.
    groups: Vec<usize>,
}

impl Grok {
    pub(super) fn new(format: &GrokFormat, fields: &mut Fields) -> Result<Self, OwnError> {
        let expander = Expander::new(&format.definitions);
        expander.check()?;
        let mut patterns = Vec::new();
        for (number, text) in format.patterns.iter().enumerate() {
            let written = expander.expand(text, Part::Pattern(number))?;
            patterns.push(Pattern::new(&written, text, fields)?);
        }
        if patterns.is_empty() {
            let hint = "write `pattern: '%{COMBINEDAPACHELOG}'`";
            return Err(OwnError::new(Part::Pattern(0), "there is no pattern", hint));
        }
        Ok(Self { patterns })
    }

    pub(super) fn read(
        &mut self,
        line: &[u8],
        fields: &mut Fields,
        event: &mut EventBuf,
    ) -> Option<()> {
        let mut found = None;
        for pattern in &mut self.patterns {
            if pattern.captures.read(line) {
                found = Some(pattern);
                break;
            }
        }
        let Pattern { captures, groups } = found?;
        for (number, field) in groups.iter().enumerate() {
            let Some((start, end)) = captures.get(number + 1) else { continue };
            // Where a name is in several places, the first value stays.
            if !fields.is_set(*field, event) {
                fields.set(*field, line, Span::line(start, end), event)?;
            }
        }
        Some(())
    }
}

impl Pattern {
    fn new(expanded: &Expanded, text: &str, fields: &mut Fields) -> Result<Self, OwnError> {
        let mut groups = Vec::new();
        for group in &expanded.groups {
            let added = fields.add(&group.name, group.value);
            groups.push(added.map_err(|message| {
                OwnError::of_field(group.part.clone(), message).at(group.range.clone())
            })?);
        }
        if groups.is_empty() {
            return Err(OwnError::new(
                expanded.part.clone(),
                format!("`{text}` names no field"),
                "name what becomes one: `%{IP:source.ip}`",
            ));
        }
        let captures = Captures::new(&expanded.regex).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{text}` makes no expression: {reason}");
            OwnError::new(expanded.part.clone(), message, "make it shorter")
        })?;
        Ok(Self { captures, groups })
    }
}
