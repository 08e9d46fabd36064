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
use crate::parsers::captures::rest::{Kept, Role, WithRest, is_nothing};
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
    /// Groups of the pattern, and the number of the field of each.
    groups: Vec<(usize, usize)>,
    /// Groups around what is in no field.
    rest: Vec<usize>,
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
        for Pattern { captures, access, groups, rest } in &mut self.patterns {
            if let Some((found, end)) = access.as_ref().and_then(|access| access.read(line)) {
                leave_outside(line, (0, end), event);
                let found = groups.iter().map(|(_, field)| *field).zip(found);
                return set_all(found, line, fields, event);
            }
            if captures.read(line) {
                leave_outside(line, captures.whole(), event);
                let is_left = |group: &usize| {
                    captures.get(*group).is_some_and(|(start, end)| !is_nothing(&line[start..end]))
                };
                if rest.iter().any(is_left) {
                    event.leave_residue();
                }
                let found = groups.iter().map(|(group, field)| (*field, captures.get(*group)));
                return set_all(found, line, fields, event);
            }
        }
        None
    }
}

/// Keeps the line where a match is not all of it.
fn leave_outside(line: &[u8], (start, end): (usize, usize), event: &mut EventBuf) {
    if !is_nothing(&line[..start]) || !is_nothing(&line[end..]) {
        event.leave_residue();
    }
}

/// Sets fields, of whose groups it is known where they lie.
fn set_all(
    found: impl Iterator<Item = (usize, Option<(usize, usize)>)>,
    line: &[u8],
    fields: &mut Fields,
    event: &mut EventBuf,
) -> Option<()> {
    for (field, place) in found {
        let Some((start, end)) = place else { continue };
        if !fields.is_set(field, event) {
            fields.set(field, line, Span::line(start, end), event)?;
        } else if !is_nothing(&line[start..end]) {
            // Where a name is in several places, the first value stays.
            event.leave_residue();
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
        let WithRest { expression, roles } = WithRest::new(&expanded.regex, Kept::All);
        let captures = Captures::new(&expression).map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{text}` makes no expression: {reason}");
            OwnError::new(expanded.part.clone(), message, "make it shorter")
        })?;
        let of = |role: Role| {
            let all = (1..).zip(&roles);
            all.filter(move |(_, other)| **other == role).map(|(group, _)| group)
        };
        Ok(Self {
            captures,
            access: Access::new(&expanded.regex),
            groups: of(Role::Own).zip(groups).collect(),
            rest: of(Role::Rest).collect(),
        })
    }
}
