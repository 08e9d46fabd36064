//! From raw bytes to the text of events: encoding, line ends, and the parsers that drop lines or join them.
//!
//! Nothing is kept from one call to the next: an event that is not complete in the bytes that are given is left there, and
//! the next call begins at its first byte. So what an event is depends on the file alone, and not on when it was read. The
//! exceptions are the cuts: offsets at which a pause in the writing ended an event, which the registry keeps.

pub mod charset;
pub mod multiline;
pub mod terminator;

use crate::settings::reading::{LineParser, LineTerminator, ReadingSettings};
use charset::Charset;
use multiline::{Joined, Line, Multiline};
use regex::bytes::RegexSet;
use std::sync::Arc;
use terminator::{NoSuchCharacter, Terminator};

/// NULs at the start of a line from which on they are a hole that a truncation or a power cut left, and no content.
pub const HOLE_BYTES_MIN: usize = 64;

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
    message_bytes_max: usize,
}

/// How the raw lines of a file are found and read.
#[derive(Debug, Clone)]
pub struct LineRules {
    /// Its encoding.
    pub charset: Charset,
    /// What ends its lines.
    pub terminator: Terminator,
}

#[derive(Debug, Clone)]
enum Step {
    Multiline { rule: Multiline, next: Message, has_next: bool },
    Include(RegexSet),
}

/// The text of an event, or of what may become one.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Where it begins in the bytes that were given.
    pub start: usize,
    /// Where it ends there, its last line end included.
    pub end: usize,
    /// Whether some of it was left out because it was too long.
    pub is_truncated: bool,
    /// Whether it has several lines.
    pub is_multiline: bool,
    /// Bytes that were left out.
    pub skipped_bytes: u64,
    text: Text,
    own: Vec<u8>,
}

/// Where the text of a message is.
#[derive(Debug, Clone, Copy, Default)]
enum Text {
    /// In its own buffer.
    #[default]
    Own,
    /// In the bytes that were given, from one position up to another.
    Given(usize, usize),
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// A message.
    Message,
    /// Nothing that is complete; everything before this position is done with.
    End(usize),
    /// A hole of NULs stands at this position.
    Hole(usize),
}

/// Raw lines, one after another.
#[derive(Debug)]
pub struct Lines<'a> {
    /// Bytes that begin where an event begins.
    pub bytes: &'a [u8],
    /// Offset of their first one.
    pub at: u64,
    /// Offsets at which an event ends whatever follows, in order.
    pub cuts: &'a [u64],
    /// How to find and read them.
    pub rules: &'a LineRules,
    /// Most bytes of a line's content.
    pub message_bytes_max: usize,
    /// Where the next line begins.
    pub position: usize,
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
        Self { scanned: offset, end: offset, kept: offset, joined: None }
    }
}

impl LineRules {
    /// Tells whether the bytes of a line are its text, and a line feed ends it.
    #[must_use]
    fn is_plain(&self, settings: &ReadingSettings) -> bool {
        self.charset.is_utf8() && settings.line_terminator == LineTerminator::Auto
    }
}

impl Assembly {
    /// Makes the assembly of an input whose events have at most so many bytes.
    ///
    /// # Errors
    /// When an expression is none, or the encoding lacks the line end.
    pub fn new(settings: &ReadingSettings, bytes_max: usize) -> Result<Self, AssemblyError> {
        let mut rules = Vec::new();
        for charset in Charset::all_of(&settings.encoding) {
            let terminator = Terminator::new(settings.line_terminator, charset.encoding())?;
            rules.push(Arc::new(LineRules { charset, terminator }));
        }
        let mut steps = Vec::new();
        for parser in &settings.parsers {
            steps.push(match parser {
                LineParser::Multiline(settings) => Step::Multiline {
                    rule: Multiline::new(settings).map_err(Box::new)?,
                    next: Message::default(),
                    has_next: false,
                },
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
            rules,
            steps,
            include: set(&settings.include_lines)?,
            exclude: set(&settings.exclude_lines)?,
            message_bytes_max: bytes_max,
        })
    }

    /// Tells whether each line is an event as it stands.
    #[must_use]
    pub fn is_trivial(&self, settings: &ReadingSettings) -> bool {
        self.steps.is_empty()
            && self.include.is_none()
            && self.exclude.is_none()
            && self.rules.iter().all(|rules| rules.is_plain(settings))
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
            if let Step::Multiline { has_next, .. } = step {
                *has_next = false;
            }
        }
    }

    /// Puts the next event that is to be sent into `out`; counts those that are not.
    pub fn next(&mut self, lines: &mut Lines<'_>, out: &mut Message, filtered: &mut u64) -> Pulled {
        loop {
            let pulled = pull(&mut self.steps, lines, out, filtered);
            if pulled != Pulled::Message || self.is_sent(out.text(lines.bytes)) {
                return pulled;
            }
            *filtered += 1;
        }
    }

    /// Tells whether an event is sent.
    #[must_use]
    pub fn is_sent(&self, text: &[u8]) -> bool {
        !text.is_empty()
            && self.include.as_ref().is_none_or(|set| set.is_match(text))
            && self.exclude.as_ref().is_none_or(|set| !set.is_match(text))
    }

    /// Looks on for the end of a large event; `lines` begin at `open.scanned`.
    pub fn seek_end(&mut self, lines: &mut Lines<'_>, open: &mut OpenEvent) -> Sought {
        self.begin();
        let last = self.steps.iter().rposition(|step| matches!(step, Step::Multiline { .. }));
        let (below, rule) = match last {
            Some(last) => {
                let (below, above) = self.steps.split_at_mut(last);
                let Step::Multiline { rule, .. } = &above[0] else { return Sought::Complete };
                (below, Some(rule))
            }
            None => (&mut self.steps[..0], None),
        };
        let mut line = Message::default();
        let mut dropped = 0;
        let base = lines.at;
        let mut upto = 0;
        loop {
            match pull(below, lines, &mut line, &mut dropped) {
                Pulled::Message => {}
                Pulled::Hole(_) if open.joined.is_some() => return Sought::Complete,
                Pulled::Hole(end) | Pulled::End(end) => {
                    if open.joined.is_some() && lines.is_cut(upto, end) {
                        return Sought::Complete;
                    }
                    open.scanned = open.scanned.max(base + end as u64);
                    return Sought::Open;
                }
            }
            let text = line.text(lines.bytes);
            let verdict = match (&mut open.joined, rule) {
                (None, None) => Line::Ends,
                (joined @ None, Some(rule)) => {
                    let (begun, is_complete) = rule.begin(text);
                    *joined = Some(begun);
                    if is_complete { Line::Ends } else { Line::Belongs }
                }
                (Some(_), _) if lines.is_cut(upto, line.start) => Line::BeginsNext,
                (Some(joined), Some(rule)) => rule.next(joined, text),
                (Some(_), None) => Line::BeginsNext,
            };
            if verdict == Line::BeginsNext {
                return Sought::Complete;
            }
            upto = line.end;
            open.scanned = base + line.end as u64;
            open.end = open.scanned;
            let kept =
                rule.is_none_or(|rule| open.joined.is_none_or(|joined| rule.is_kept(&joined)));
            if kept {
                open.kept = open.scanned;
            }
            if verdict == Line::Ends {
                return Sought::Complete;
            }
        }
    }

    /// Returns how many bytes an event has at most.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }
}

/// Puts the next message that leaves the last step into `out`.
fn pull(
    steps: &mut [Step],
    lines: &mut Lines<'_>,
    out: &mut Message,
    filtered: &mut u64,
) -> Pulled {
    let Some((step, below)) = steps.split_last_mut() else { return lines.next(out) };
    match step {
        Step::Include(patterns) => loop {
            let pulled = pull(below, lines, out, filtered);
            if pulled != Pulled::Message || patterns.is_match(out.text(lines.bytes)) {
                return pulled;
            }
            *filtered += 1;
        },
        Step::Multiline { rule, next, has_next } => {
            if std::mem::take(has_next) {
                std::mem::swap(next, out);
            } else {
                match pull(below, lines, out, filtered) {
                    Pulled::Message => {}
                    other => return other,
                }
            }
            let (mut joined, is_complete) = rule.begin(out.text(lines.bytes));
            if is_complete {
                return Pulled::Message;
            }
            loop {
                match pull(below, lines, next, filtered) {
                    Pulled::Message => {}
                    Pulled::End(end) if !lines.is_cut(out.end, end) => {
                        return Pulled::End(out.start);
                    }
                    Pulled::End(_) | Pulled::Hole(_) => return Pulled::Message,
                }
                let verdict = if lines.is_cut(out.end, next.start) {
                    Line::BeginsNext
                } else {
                    rule.next(&mut joined, next.text(lines.bytes))
                };
                if verdict == Line::BeginsNext {
                    *has_next = true;
                    return Pulled::Message;
                }
                let separator = if rule.skip_newline { "" } else { "\n" };
                if rule.is_kept(&joined) {
                    out.append(next, separator, lines);
                } else {
                    out.leave_out(next.text(lines.bytes).len());
                    out.end = next.end;
                }
                if verdict == Line::Ends {
                    return Pulled::Message;
                }
            }
        }
    }
}

impl Lines<'_> {
    /// Puts the next raw line into `out`.
    fn next(&mut self, out: &mut Message) -> Pulled {
        let start = self.position;
        let rest = &self.bytes[start..];
        let found = self.rules.terminator.find(rest, self.at + start as u64);
        let cut = self.cut_behind(start).filter(|cut| *cut <= self.bytes.len());
        let end = match (found.map(|end| start + end), cut) {
            (Some(end), Some(cut)) => end.min(cut),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => return Pulled::End(start),
        };
        if begins_with_hole(rest) {
            return Pulled::Hole(start);
        }
        let mut line = self.rules.terminator.content(&self.bytes[start..end]);
        let mut from = start;
        if self.at == 0 && start == 0 {
            let mark = self.rules.charset.mark_length(line);
            line = &line[mark..];
            from += mark;
        }
        self.position = end;
        (out.start, out.end) = (start, end);
        out.is_multiline = false;
        out.is_truncated = self.message_bytes_max < line.len();
        let kept = line.len().min(self.message_bytes_max);
        out.skipped_bytes = (line.len() - kept) as u64;
        if self.rules.charset.is_utf8() {
            out.text = Text::Given(from, from + kept);
        } else {
            out.text = Text::Own;
            out.own.clear();
            self.rules.charset.decode(&line[..kept], &mut out.own);
        }
        Pulled::Message
    }

    /// Returns the first cut behind a position.
    fn cut_behind(&self, position: usize) -> Option<usize> {
        let offset = self.at + position as u64;
        let cut = self.cuts.iter().copied().find(|cut| offset < *cut)?;
        usize::try_from(cut - self.at).ok()
    }

    /// Tells whether an event ends between two positions, both included.
    fn is_cut(&self, from: usize, upto: usize) -> bool {
        let (from, upto) = (self.at + from as u64, self.at + upto as u64);
        self.cuts.iter().any(|cut| from <= *cut && *cut <= upto)
    }
}

impl Message {
    /// Returns the text; `bytes` are those that were given.
    #[must_use]
    pub fn text<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        match self.text {
            Text::Own => &self.own,
            Text::Given(start, end) => &bytes[start..end],
        }
    }

    /// Returns where in the bytes that were given the text is, when it is there.
    #[must_use]
    pub fn given(&self) -> Option<(usize, usize)> {
        match self.text {
            Text::Own => None,
            Text::Given(start, end) => Some((start, end)),
        }
    }

    /// Appends a line as far as there is room for it.
    fn append(&mut self, next: &Message, separator: &str, lines: &Lines<'_>) {
        let text = next.text(lines.bytes);
        let length = self.text(lines.bytes).len();
        let separator = if length == 0 { "" } else { separator };
        let room = lines.message_bytes_max.saturating_sub(length + separator.len());
        self.end = next.end;
        self.is_truncated |= next.is_truncated;
        self.skipped_bytes += next.skipped_bytes;
        if room == 0 {
            return self.leave_out(text.len());
        }
        self.is_multiline = true;
        let kept = text.len().min(room);
        if kept < text.len() {
            self.leave_out(text.len() - kept);
        }
        if let (Text::Given(start, end), Text::Given(from, _)) = (self.text, next.text)
            && &lines.bytes[end..from] == separator.as_bytes()
        {
            self.text = Text::Given(start, from + kept);
            return;
        }
        if let Text::Given(start, end) = self.text {
            self.own.clear();
            self.own.extend_from_slice(&lines.bytes[start..end]);
            self.text = Text::Own;
        }
        self.own.extend_from_slice(separator.as_bytes());
        self.own.extend_from_slice(&text[..kept]);
    }

    fn leave_out(&mut self, bytes: usize) {
        self.is_truncated = true;
        self.skipped_bytes += bytes as u64;
    }
}

/// Tells whether NULs that are no content stand before a line.
#[must_use]
#[inline]
pub fn begins_with_hole(line: &[u8]) -> bool {
    line.first() == Some(&0)
        && line.get(..HOLE_BYTES_MIN).is_some_and(|nuls| nuls.iter().all(|nul| *nul == 0))
}

#[cfg(test)]
mod tests;
