//! Which lines make one event: the rules of Filebeat's `multiline`, as a state that keeps no bytes.
//!
//! Semantics from Filebeat's documentation ("Manage multiline messages"): `pattern` with `negate` and `match`,
//! `flush_pattern`, `count`, `while_pattern`. An event's lines are always decided from its first one on, so that a reader
//! that begins anew at an event's beginning comes to the same events.

use crate::settings::reading::{MultilineRule, MultilineSettings};
use regex::bytes::Regex;

/// A rule, ready for use.
#[derive(Debug, Clone)]
pub struct Multiline {
    rule: Rule,
    max_lines: u64,
    /// Whether lines are joined without anything between them.
    pub skip_newline: bool,
}

#[derive(Debug, Clone)]
enum Rule {
    /// A line continues the event when this holds of it.
    After {
        pattern: Regex,
        negate: bool,
        flush: Option<Regex>,
    },
    /// A line continues the event when this holds of the line before it.
    Before {
        pattern: Regex,
        negate: bool,
        flush: Option<Regex>,
    },
    Count(u64),
    While {
        pattern: Regex,
        negate: bool,
    },
}

/// An event that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// Its lines so far.
    pub lines: u64,
    /// Whether its last line calls for another one (`match: before`, `while_pattern`).
    calls: bool,
}

/// What a further line is to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It belongs to it.
    Belongs,
    /// It belongs to it and is its last one.
    Ends,
    /// It begins the next one.
    BeginsNext,
}

impl Joined {
    /// Makes one of which nothing else is known.
    #[must_use]
    pub fn begun() -> Self {
        Self { lines: 1, calls: false }
    }
}

impl Multiline {
    /// Makes the rule.
    ///
    /// # Errors
    /// When an expression is none.
    pub fn new(settings: &MultilineSettings) -> Result<Self, regex::Error> {
        let flush = |pattern: &Option<String>| pattern.as_deref().map(Regex::new).transpose();
        let rule = match &settings.rule {
            MultilineRule::Pattern { pattern, negate, before, flush_pattern } => {
                let (pattern, flush) = (Regex::new(pattern)?, flush(flush_pattern)?);
                if *before {
                    Rule::Before { pattern, negate: *negate, flush }
                } else {
                    Rule::After { pattern, negate: *negate, flush }
                }
            }
            MultilineRule::Count(lines) => Rule::Count((*lines).max(1)),
            MultilineRule::While { pattern, negate } => {
                Rule::While { pattern: Regex::new(pattern)?, negate: *negate }
            }
        };
        let max_lines = if settings.max_lines == 0 { u64::MAX } else { settings.max_lines };
        Ok(Self { rule, max_lines, skip_newline: settings.skip_newline })
    }

    /// Begins an event with its first line; the second value tells whether it is complete with it.
    #[must_use]
    pub fn begin(&self, line: &[u8]) -> (Joined, bool) {
        let (calls, is_complete) = match &self.rule {
            Rule::After { .. } => (false, false),
            Rule::Before { pattern, negate, .. } => (pattern.is_match(line) != *negate, false),
            Rule::Count(lines) => (false, *lines == 1),
            Rule::While { pattern, negate } => {
                let calls = pattern.is_match(line) != *negate;
                (calls, !calls)
            }
        };
        (Joined { lines: 1, calls }, is_complete)
    }

    /// Decides about the next line; unless it begins the next event, the event has it now.
    #[must_use]
    pub fn next(&self, joined: &mut Joined, line: &[u8]) -> Line {
        let (belongs, ends) = match &self.rule {
            Rule::After { pattern, negate, flush } => {
                let ends = flush.as_ref().is_some_and(|flush| flush.is_match(line));
                (ends || pattern.is_match(line) != *negate, ends)
            }
            Rule::Before { pattern, negate, flush } => {
                let ends = flush.as_ref().is_some_and(|flush| flush.is_match(line));
                let belongs = ends || joined.calls;
                joined.calls = pattern.is_match(line) != *negate;
                (belongs, ends)
            }
            Rule::Count(lines) => (true, joined.lines + 1 == *lines),
            Rule::While { pattern, negate } => (pattern.is_match(line) != *negate, false),
        };
        if !belongs {
            return Line::BeginsNext;
        }
        joined.lines += 1;
        if ends { Line::Ends } else { Line::Belongs }
    }

    /// Tells whether the event's last line is one that is sent, not one too many.
    #[must_use]
    pub fn is_kept(&self, joined: &Joined) -> bool {
        joined.lines <= self.max_lines
    }
}
