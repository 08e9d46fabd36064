//! Takes a line apart: walks from literal to literal and notes where the values lie.

use super::program::{End, Inner, Step, Steps};
use crate::event::{EventBuf, LineText, Span};
use crate::scan::find;

/// Most places of one line at which it is tried whether a value ends there. A line with more is not understood, rather
/// than looked through for ever.
const TRIES_MAX: usize = 256;

/// What is looked through.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    line: &'a [u8],
    /// No byte of it is a backslash.
    is_plain: bool,
}

/// Where a walk stands.
#[derive(Clone, Copy)]
struct Stand {
    step: usize,
    at: usize,
}

impl Steps {
    /// Fills `spans`, one for each value of a line from `at` on; `None` for a line that differs from the format.
    #[inline]
    pub(super) fn split(
        &self,
        line: &[u8],
        at: usize,
        known: LineText,
        spans: &mut [Span],
    ) -> Option<()> {
        let text = Text { line, is_plain: known == LineText::Plain };
        let mut stand = self.walk(text, Stand { step: 0, at }, spans)?;
        let mut tries = 0;
        while stand.step < self.steps.len() {
            stand = self.walk_open(text, stand, spans, &mut tries)?;
        }
        (stand.at == line.len()).then_some(())
    }

    /// Notes in an event where the quotes of the format stand, in a line that has no others.
    #[inline]
    pub(super) fn mark(&self, at: usize, spans: &[Span], event: &mut EventBuf) {
        for quote in &self.quotes {
            let from = quote.behind.map_or(at, |slot| spans[slot].end());
            event.mark(from + quote.bytes);
        }
    }

    /// Walks as far as there is only one way: to the end, or to a value of which several ends are to be tried.
    #[inline]
    fn walk(&self, text: Text<'_>, from: Stand, spans: &mut [Span]) -> Option<Stand> {
        let Stand { mut step, mut at } = from;
        while let Some(next) = self.steps.get(step) {
            match next {
                Step::Literal(literal) => {
                    if !begins_with(text.line, at, literal) {
                        return None;
                    }
                    at += literal.len();
                }
                Step::Time(slot, pattern) => {
                    let end = pattern.end(text.line, at)?;
                    spans[*slot] = Span::line(at, end);
                    at = end;
                }
                Step::Byte(slot) => {
                    text.line.get(at)?;
                    spans[*slot] = Span::line(at, at + 1);
                    at += 1;
                }
                Step::Value { end: End::Open { .. }, .. } => return Some(Stand { step, at }),
                Step::Value { end, inner } => {
                    let end = text.end_of(at, *end)?;
                    text.part(inner, at, end, spans)?;
                    at = end;
                }
            }
            step += 1;
        }
        (at == text.line.len()).then_some(Stand { step, at })
    }

    /// Finds the first end of an open value behind which the line fits until the next one.
    fn walk_open(
        &self,
        text: Text<'_>,
        from: Stand,
        spans: &mut [Span],
        tries: &mut usize,
    ) -> Option<Stand> {
        let Stand { step, at } = from;
        let (Step::Value { end: End::Open { is_word }, inner }, Step::Literal(literal)) =
            (self.steps.get(step)?, self.steps.get(step + 1)?)
        else {
            return None;
        };
        let first = *literal.first()?;
        let limit = if *is_word { find(text.line, at, [b' ']) } else { None };
        let limit = limit.unwrap_or(text.line.len());
        let mut from = at;
        while let Some(end) = find(text.line, from, [first]).filter(|end| *end <= limit) {
            from = end + 1;
            if !begins_with(text.line, end, literal) {
                continue;
            }
            *tries += 1;
            if TRIES_MAX < *tries {
                return None;
            }
            if text.part(inner, at, end, spans).is_some()
                && let Some(stand) = self.walk(text, Stand { step: step + 1, at: end }, spans)
            {
                return Some(stand);
            }
        }
        None
    }
}

impl Text<'_> {
    /// Finds the end of a value that begins at `at` and has only one.
    #[inline]
    fn end_of(self, at: usize, end: End) -> Option<usize> {
        let line = self.line;
        match end {
            End::Line => Some(line.len()),
            End::At(b' ') => Some(find(line, at, [b' ']).unwrap_or(line.len())),
            End::At(byte) => find(line, at, [byte, b' ']),
            End::Digits => {
                let digits = line.get(at..)?.iter();
                Some(at + digits.take_while(|byte| is_digit(**byte)).count())
            }
            End::Quote if self.is_plain => find(line, at, [b'"']),
            End::Quote => escaped_end(line, at),
            End::List => Some(list_end(line, at)),
            End::Open { .. } => None,
        }
    }

    /// Notes the values of one step.
    #[inline]
    fn part(self, inner: &[Inner], at: usize, end: usize, spans: &mut [Span]) -> Option<()> {
        if let [one] = inner {
            spans[one.slot] = Span::line(at, end);
            return Some(());
        }
        let mut from = at;
        for (number, one) in inner.iter().enumerate() {
            let upto = match inner.get(number + 1).and_then(|next| next.begins) {
                None => end,
                Some(begins) => match find(&self.line[..end], from, [begins.with]) {
                    Some(upto) => upto,
                    None if begins.is_optional => end,
                    // What a server writes that knows no path, or `OPTIONS *`.
                    None if self.line[from..end].ends_with(b"-") => end - 1,
                    None if self.line[from..end].ends_with(b"*") => end - 1,
                    None => return None,
                },
            };
            spans[one.slot] = Span::line(from, upto);
            from = upto;
        }
        Some(())
    }
}

/// Tells whether a literal stands at a place; most have one to three bytes, for which no function is called.
#[inline]
fn begins_with(line: &[u8], at: usize, literal: &[u8]) -> bool {
    let Some(here) = line.get(at..at + literal.len()) else { return false };
    match (here, literal) {
        ([seen], [expected]) => seen == expected,
        ([_, _], [_, _]) => here[0] == literal[0] && here[1] == literal[1],
        ([_, _, _], [_, _, _]) => here[..2] == literal[..2] && here[2] == literal[2],
        (here, literal) => here == literal,
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
}

/// Finds the next quote before which no backslash stands that means it.
fn escaped_end(line: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', line.get(from..)?)?;
        if line[found] == b'"' {
            return Some(found);
        }
        from = found + 2;
    }
}

/// Finds the blank that ends a list, or the line's end.
fn list_end(line: &[u8], at: usize) -> usize {
    let mut from = at;
    while let Some(blank) = find(line, from, [b' ']) {
        let is_behind_comma = at < blank && line[blank - 1] == b',';
        if is_behind_comma {
            from = blank + 1;
        } else if at < blank && line[blank..].starts_with(b" : ") {
            from = blank + 3;
        } else {
            return blank;
        }
    }
    line.len()
}
