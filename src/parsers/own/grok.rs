//! Lines that are matched by patterns with names, as Logstash's and Elasticsearch's `grok`.
//!
//! The standard definitions are those of the crate `grok`; a pattern is written out into one expression (`expand`) for the
//! `regex` crate, which reads any bytes and never goes back, whatever the pattern. What it cannot know (look-around) has a
//! definition of ours (`standard`).

mod access;
mod expand;
mod standard;

use super::fields::Fields;
use super::{OwnError, Part};
use crate::event::{EventBuf, Span};
use crate::parsers::captures::Captures;
use crate::settings::own::GrokFormat;
use access::Access;
use expand::{Expanded, Expander};

/// Matches lines.
#[derive(Debug, Clone)]
pub(super) struct Grok {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    captures: Captures,
    /// Finds the groups of most lines, if it is a pattern of access lines.
    access: Option<Access>,
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
        for Pattern { captures, access, groups } in &mut self.patterns {
            if let Some(found) = access.as_ref().and_then(|access| access.read(line)) {
                return set_all(groups, |number| found[number], line, fields, event);
            }
            if captures.read(line) {
                return set_all(groups, |number| captures.get(number + 1), line, fields, event);
            }
        }
        None
    }
}

/// Sets the fields of groups, of which `place` says where they lie.
fn set_all(
    groups: &[usize],
    place: impl Fn(usize) -> Option<(usize, usize)>,
    line: &[u8],
    fields: &mut Fields,
    event: &mut EventBuf,
) -> Option<()> {
    for (number, field) in groups.iter().enumerate() {
        let Some((start, end)) = place(number) else { continue };
        // Where a name is in several places, the first value stays.
        if !fields.is_set(*field, event) {
            fields.set(*field, line, Span::line(start, end), event)?;
        }
    }
    Some(())
}

impl Pattern {
    fn new(expanded: &Expanded, text: &str, fields: &mut Fields) -> Result<Self, OwnError> {
        let mut groups = Vec::new();
        for group in &expanded.groups {
            // An operator may know a standard pattern's field by the name that it has there.
            let old = group.old.as_deref().filter(|old| fields.is_renamed(old));
            let added = fields.add(old.unwrap_or(&group.name), group.value);
            groups.push(added.map_err(|fault| {
                OwnError::of_field(group.part.clone(), fault).at(group.range.clone())
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
        Ok(Self { captures, access: Access::new(&expanded.regex), groups })
    }
}
