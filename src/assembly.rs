//! From raw bytes to the text of events: encoding, line ends, and the parsers that drop lines or join them.
//!
//! Nothing is kept from one call to the next: an event that is not complete in the bytes that are given is left there, and
//! the next call begins at its first byte. So what an event is depends on the file alone, and not on when it was read. The
//! exceptions are the cuts: offsets at which a pause in the writing ended an event, which the registry keeps.

mod chain;
pub mod charset;
pub mod container;
mod lines;
pub mod multiline;
pub mod ndjson;
pub mod nulls;
pub mod object;
mod seeking;
pub mod terminator;

use crate::parsers::syslog::Syslog;
use crate::settings::reading::{LineParser, ReadingSettings, SyslogSettings};
use chain::{Join, Step, pull};
use charset::Charset;
pub use lines::{
    Behind, HOLE_BYTES_MIN, LineRules, Lines, Message, Pulled, Whole, begins_with_hole,
};
use multiline::{Joined, Multiline};
use ndjson::Ndjson;
use regex::bytes::RegexSet;
use std::sync::Arc;
use terminator::{NoSuchCharacter, Terminator};

/// Why an input's lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// Its line end.
    #[error("line_terminator: {0}")]
    Terminator(#[from] NoSuchCharacter),
    /// One of its expressions.
    #[error(transparent)]
    Pattern(#[from] Box<regex::Error>),
}

/// How an input's bytes become events.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// For each encoding that its files may have.
    rules: Vec<Arc<LineRules>>,
    steps: Vec<Step>,
    include: Option<RegexSet>,
    exclude: Option<RegexSet>,
    /// How lines begin that go through the filters.
    header: Option<&'static [u8]>,
    message_bytes_max: usize,
    /// Whether one of the steps takes syslog headers off.
    takes_heads: bool,
}

/// A large event whose end is sought over several calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenEvent {
    /// The search goes on here.
    pub scanned: u64,
    /// What is before this offset belongs to it.
    pub end: u64,
    /// What is behind this offset is not sent.
    pub kept: u64,
    /// Whether its end is found.
    pub is_complete: bool,
    joined: Option<Joined>,
}

/// What a look for the end of a large event found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// It ends where it was seen to.
    Complete,
    /// More has to be seen.
    Open,
}

impl OpenEvent {
    /// Begins the search at an event's first byte.
    #[must_use]
    pub fn at(offset: u64) -> Self {
        Self { scanned: offset, end: offset, kept: offset, is_complete: false, joined: None }
    }
}

/// Returns what ends a line of an input, for each encoding that its files may have.
///
/// # Errors
/// When an encoding lacks the line end.
pub fn terminators(settings: &ReadingSettings) -> Result<Vec<Terminator>, AssemblyError> {
    let charsets = Charset::all_of(&settings.encoding);
    let terminator =
        |charset: &Charset| Ok(Terminator::new(settings.line_terminator, charset.encoding())?);
    charsets.iter().map(terminator).collect()
}

impl Assembly {
    /// Makes the assembly of an input whose events have at most so many bytes.
    ///
    /// # Errors
    /// When an expression is none, or the encoding lacks the line end.
    pub fn new(settings: &ReadingSettings, bytes_max: usize) -> Result<Self, AssemblyError> {
        let charsets = Charset::all_of(&settings.encoding).into_iter();
        let rules = charsets.zip(terminators(settings)?);
        let rules = rules.map(|(charset, terminator)| Arc::new(LineRules { charset, terminator }));
        let rules = rules.collect();
        let mut steps = Vec::new();
        for parser in &settings.parsers {
            steps.push(match parser {
                LineParser::Multiline(settings) => Step::Multiline {
                    rule: Multiline::new(settings).map_err(Box::new)?,
                    join: Join::default(),
                },
                LineParser::Ndjson(settings) => {
                    Step::Ndjson { parser: Box::new(Ndjson::new(settings)), text: Vec::new() }
                }
                LineParser::Container(settings) => {
                    Step::Container { settings: *settings, merges: false, join: Join::default() }
                }
                LineParser::Syslog(SyslogSettings { format, zone }) => {
                    Step::Syslog(Box::new(Syslog::new(*format, zone.clone())))
                }
                LineParser::IncludeMessage(patterns) => {
                    Step::Include(RegexSet::new(patterns).map_err(Box::new)?)
                }
            });
        }
        let set = |patterns: &[String]| {
            let set = (!patterns.is_empty()).then(|| RegexSet::new(patterns));
            set.transpose().map_err(Box::new)
        };
        Ok(Self {
            takes_heads: steps.iter().any(|step| matches!(step, Step::Syslog(_))),
            rules,
            steps,
            include: set(&settings.include_lines)?,
            exclude: set(&settings.exclude_lines)?,
            header: None,
            message_bytes_max: bytes_max,
        })
    }

    /// Tells whether each line is an event as it stands.
    #[must_use]
    pub fn is_trivial(&self, settings: &ReadingSettings) -> bool {
        self.steps.is_empty()
            && self.include.is_none()
            && self.exclude.is_none()
            && self.rules.iter().all(|rules| rules.is_plain(settings.line_terminator))
    }

    /// Says which names our documents have at their top level, and whether members always have to be merged with ours.
    pub fn reserve(&mut self, names: &[String], always: bool) {
        for step in &mut self.steps {
            match step {
                Step::Ndjson { parser, .. } => parser.reserve(names, always),
                Step::Container { merges, .. } => *merges = always,
                Step::Multiline { .. } | Step::Include(_) | Step::Syslog(_) => {}
            }
        }
    }

    /// Tells whether lines, or parts of texts, are joined.
    #[must_use]
    pub fn joins(&self) -> bool {
        let joins = |step: &Step| matches!(step, Step::Multiline { .. } | Step::Container { .. });
        self.steps.iter().any(joins)
    }

    /// Tells whether lines are joined.
    #[must_use]
    pub fn joins_lines(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Multiline { .. }))
    }

    /// Tells whether there is anything between raw lines and events.
    #[must_use]
    pub fn has_steps(&self) -> bool {
        !self.steps.is_empty() || self.include.is_some() || self.exclude.is_some()
    }

    /// Tells whether a file's first bytes decide its encoding.
    #[must_use]
    pub fn mark_decides(&self) -> bool {
        1 < self.rules.len()
    }

    /// Returns which of the rules hold for a file that begins with `first`.
    #[must_use]
    pub fn variant(&self, first: &[u8]) -> usize {
        let marked = |rules: &Arc<LineRules>| 0 < rules.charset.mark_length(first);
        self.rules.iter().position(marked).unwrap_or(0)
    }

    /// Returns how lines of a file are found; the first of the encodings holds while it is not known.
    #[must_use]
    pub fn rules(&self, variant: Option<usize>) -> &Arc<LineRules> {
        &self.rules[variant.unwrap_or(0).min(self.rules.len() - 1)]
    }

    /// Forgets what was seen beyond the last event: the next call begins anew.
    pub fn begin(&mut self) {
        for step in &mut self.steps {
            match step {
                Step::Multiline { join, .. } => join.begin(),
                Step::Container { join, .. } => join.begin(),
                Step::Ndjson { .. } | Step::Include(_) | Step::Syslog(_) => {}
            }
        }
    }

    /// Tells whether something is kept that is not complete: lines came one by one, and more may belong to the last.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Multiline { join, .. } => join.is_open(),
            Step::Container { join, .. } => join.is_open(),
            Step::Ndjson { .. } | Step::Include(_) | Step::Syslog(_) => false,
        })
    }

    /// Says when the lines that come next were read, in milliseconds since 1970.
    pub fn set_now(&mut self, unix_ms: u64) {
        for step in &mut self.steps {
            if let Step::Syslog(syslog) = step {
                syslog.set_now(unix_ms);
            }
        }
    }

    /// Puts the next event that is to be sent into `out`; counts those that are not.
    pub fn next(&mut self, lines: &mut Lines<'_>, out: &mut Message, filtered: &mut u64) -> Pulled {
        loop {
            let pulled = pull(&mut self.steps, lines, out, filtered);
            if pulled != Pulled::Message {
                return pulled;
            }
            if self.is_sent(out, lines.bytes) {
                if self.takes_heads {
                    out.join_head(lines.bytes);
                }
                return pulled;
            }
            *filtered += 1;
        }
    }

    /// Has what begins so go on to the parser whatever `include_lines` and `exclude_lines` say: it is for the parser alone.
    pub fn let_through(&mut self, header: Option<&'static [u8]>) {
        self.header = header;
    }

    /// Tells whether an event is sent. One of whose lines only empty ones are kept is no empty one.
    fn is_sent(&self, message: &Message, bytes: &[u8]) -> bool {
        let text = message.text(bytes);
        let has_more = message.skipped_bytes != 0 || !message.head.is_empty();
        let is_empty = text.is_empty() && message.members.is_empty() && !has_more;
        let is_wanted = || {
            self.include.as_ref().is_none_or(|set| set.is_match(text))
                && self.exclude.as_ref().is_none_or(|set| !set.is_match(text))
        };
        let is_header = || self.header.is_some_and(|header| text.starts_with(header));
        !is_empty && (is_wanted() || is_header())
    }

    /// Returns how many bytes an event has at most.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }
}

#[cfg(test)]
mod tests;
