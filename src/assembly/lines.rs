//! Raw lines of a file, and the text of what they become.

use super::charset::Charset;
use super::ndjson::Members;
use super::terminator::Terminator;
use crate::settings::reading::LineTerminator;

/// NULs at the start of a line from which on they are a hole that a truncation or a power cut left, and no content.
pub const HOLE_BYTES_MIN: usize = 64;

/// How the raw lines of a file are found and read.
#[derive(Debug, Clone)]
pub struct LineRules {
    /// Its encoding.
    pub charset: Charset,
    /// What ends its lines.
    pub terminator: Terminator,
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
    /// What it holds beside its text.
    pub members: Members,
    /// The syslog header that stood before its text; empty where there was none.
    pub(super) head: Vec<u8>,
    /// How many bytes of its text are such a header, where one was looked for.
    pub head_length: Option<usize>,
    pub(super) text: Text,
    pub(super) own: Vec<u8>,
}

/// Where the text of a message is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Text {
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
    /// What is said of a line that comes by itself: all of `bytes` are its content, whatever they hold.
    pub whole: Option<Whole>,
    /// What comes behind the last line.
    pub behind: Behind,
}

/// A line that comes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Where it begins, in what its sender sent.
    pub start: usize,
    /// How many bytes it took there.
    pub raw_length: usize,
    /// Whether it had more than is given.
    pub is_truncated: bool,
}

/// What comes behind the last line that is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behind {
    /// The rest of a file: what is not complete stays there, and is given again.
    #[default]
    File,
    /// Lines that come later: what is not complete is kept.
    Later,
    /// Nothing for now: what is not complete is taken as it is.
    Nothing,
}

impl LineRules {
    /// Tells whether the bytes of a line are its text, and a line feed ends it.
    #[must_use]
    pub(super) fn is_plain(&self, terminator: LineTerminator) -> bool {
        self.charset.is_utf8() && terminator == LineTerminator::Auto
    }
}

impl Lines<'_> {
    /// Puts the next raw line into `out`.
    pub(super) fn next(&mut self, out: &mut Message) -> Pulled {
        let start = self.position;
        let rest = &self.bytes[start..];
        if let Some(whole) = self.whole.take() {
            self.give(0, self.bytes.len(), self.bytes.len(), out);
            (out.start, out.end) = (whole.start, whole.start + whole.raw_length);
            out.is_truncated |= whole.is_truncated;
            return Pulled::Message;
        }
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
        let content = self.rules.terminator.content(&self.bytes[start..end]).len();
        self.give(start, start + content, end, out);
        Pulled::Message
    }

    /// Puts a line into `out` whose content ends before it does.
    #[inline]
    fn give(&mut self, start: usize, content_end: usize, end: usize, out: &mut Message) {
        let mut line = &self.bytes[start..content_end];
        let mut from = start;
        if self.at == 0 && start == 0 {
            let mark = self.rules.charset.mark_length(line);
            line = &line[mark..];
            from += mark;
        }
        self.position = end;
        (out.start, out.end) = (start, end);
        out.members.clear();
        out.head.clear();
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
    }

    /// Returns the first cut behind a position.
    fn cut_behind(&self, position: usize) -> Option<usize> {
        let offset = self.at + position as u64;
        let cut = self.cuts.iter().copied().find(|cut| offset < *cut)?;
        usize::try_from(cut - self.at).ok()
    }

    /// Tells whether an event that ends at a position ends there for good, when there are no lines up to another one.
    pub(super) fn ends_at(&self, from: usize, upto: usize) -> bool {
        match self.behind {
            Behind::File => self.is_cut(from, upto),
            Behind::Later => false,
            Behind::Nothing => true,
        }
    }

    /// Tells whether an event ends between two positions, both included.
    pub(super) fn is_cut(&self, from: usize, upto: usize) -> bool {
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
    pub(super) fn append(&mut self, next: &Message, separator: &str, lines: &Lines<'_>) {
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
        self.keep(lines.bytes);
        self.own.extend_from_slice(separator.as_bytes());
        self.own.extend_from_slice(&text[..kept]);
    }

    /// Takes its text for its own, as what was given will not be there any more.
    pub fn keep(&mut self, bytes: &[u8]) {
        if let Text::Given(start, end) = self.text {
            self.own.clear();
            self.own.extend_from_slice(&bytes[start..end]);
            self.text = Text::Own;
        }
    }

    /// Takes the first bytes of the text off, as its head.
    pub(super) fn take_head(&mut self, length: usize, bytes: &[u8]) {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        head.extend_from_slice(&self.text(bytes)[..length]);
        self.head = head;
        match &mut self.text {
            Text::Own => drop(self.own.drain(..length)),
            Text::Given(start, _) => *start += length,
        }
    }

    /// Puts the head before the text again.
    pub(super) fn join_head(&mut self, bytes: &[u8]) {
        self.head_length = Some(self.head.len());
        if self.head.is_empty() {
            return;
        }
        let mut whole = std::mem::take(&mut self.head);
        whole.extend_from_slice(self.text(bytes));
        std::mem::swap(&mut self.own, &mut whole);
        self.text = Text::Own;
        self.head = whole;
        self.head.clear();
    }

    pub(super) fn leave_out(&mut self, bytes: usize) {
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
