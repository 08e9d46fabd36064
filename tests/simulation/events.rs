//! Inputs whose lines are joined to events, or not in UTF-8, or sent without their ends: what such files hold, and
//! which documents may come of them, by a small model of the rules that shares nothing with `shipper::assembly`.

use crate::disk::Stream;
use crate::server::Events;
use fastrand::Rng;
use shipper::position::Epoch;
use shipper::settings::reading::{
    EncodingSettings, LineParser, MultilineRule, MultilineSettings, ReadingSettings,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// Which lines belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// None.
    Single,
    /// A line that begins with a blank goes on with the event before it; one with `END` at its end may end it.
    After {
        negate: bool,
        flush: bool,
    },
    /// A line that ends with a backslash is gone on with by the next one.
    Before {
        negate: bool,
        flush: bool,
    },
    Count(usize),
    /// Neighbours that begin with a blank.
    While {
        negate: bool,
    },
}

/// How the files of a schedule are read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    joins: Joins,
    max_lines: usize,
    skip_newline: bool,
    /// In milliseconds; 0: never.
    timeout: u64,
    partial: Option<u64>,
    /// Whether files are in UTF-16, and then whether big end first.
    big_endian: Option<bool>,
    /// Whether some lines are empty.
    pub empty_lines: bool,
    /// Whether events are left out that have `DROP` somewhere.
    pub drops: bool,
}

/// Offsets at which an event may end whatever its lines say.
type Cuts = BTreeSet<usize>;

/// What events hold that are left out.
const DROP: &str = "DROP";

impl Reading {
    /// Draws how the files of a schedule are read; `None`: each line as it stands.
    pub fn draw(rng: &mut Rng) -> Option<Self> {
        if rng.u8(..4) != 0 {
            return None;
        }
        let (negate, flush) = (rng.u8(..3) == 0, rng.u8(..3) == 0);
        let joins = match rng.u8(..8) {
            0 => Joins::Single,
            1..=3 => Joins::After { negate, flush },
            4 | 5 => Joins::Before { negate, flush },
            6 => Joins::Count(rng.usize(1..5)),
            _ => Joins::While { negate },
        };
        let big_endian = (rng.u8(..4) == 0).then(|| rng.bool());
        let partial = rng.u8(..if joins == Joins::Single { 1 } else { 4 }) == 0;
        let max_lines = [0, 500, 2, 3][rng.usize(..4)];
        let mut reading = Self {
            joins,
            max_lines,
            skip_newline: rng.u8(..6) == 0,
            timeout: rng.u64(1_000..6_000),
            partial: partial.then(|| rng.u64(1_000..6_000)),
            big_endian,
            // An event of which only empty lines are kept is not sent.
            empty_lines: !(1..9).contains(&max_lines) && rng.u8(..3) == 0,
            drops: rng.u8(..4) == 0,
        };
        // Where lines without their ends are sent, an event that nothing ends would keep them.
        if rng.u8(..5) == 0 && !partial && joins != Joins::Single {
            reading.timeout = 0;
        }
        Some(reading)
    }

    pub fn is_utf_16(&self) -> bool {
        self.big_endian.is_some()
    }

    /// Tells whether a stored line need not be a written one.
    pub fn changes_lines(&self) -> bool {
        self.partial.is_some() || self.skip_newline
    }

    /// Returns how many bytes the smallest character has.
    pub fn unit(&self) -> usize {
        1 + usize::from(self.is_utf_16())
    }

    pub fn settings(&self) -> ReadingSettings {
        let pattern = |pattern: &str, negate, before, flush: bool| MultilineRule::Pattern {
            pattern: pattern.to_owned(),
            negate,
            before,
            flush_pattern: flush.then(|| "END$".to_owned()),
        };
        let rule = match self.joins {
            Joins::Single => None,
            Joins::After { negate, flush } => Some(pattern("^ ", negate, false, flush)),
            Joins::Before { negate, flush } => Some(pattern(r"\\$", negate, true, flush)),
            Joins::Count(lines) => Some(MultilineRule::Count(lines as u64)),
            Joins::While { negate } => {
                Some(MultilineRule::While { pattern: "^ ".to_owned(), negate })
            }
        };
        let parser = rule.map(|rule| {
            LineParser::Multiline(MultilineSettings {
                max_lines: self.max_lines as u64,
                timeout: Duration::from_millis(self.timeout),
                skip_newline: self.skip_newline,
                ..MultilineSettings::new(rule)
            })
        });
        let encoding = match self.big_endian {
            // The mark decides, whatever is said.
            Some(_) => EncodingSettings::Utf16 {
                big_endian: self.timeout.is_multiple_of(2),
                mark_decides: true,
            },
            None => EncodingSettings::Utf8,
        };
        ReadingSettings {
            encoding,
            parsers: parser.into_iter().collect(),
            flush_partial_after: self.partial.map(Duration::from_millis),
            exclude_lines: self.drops.then(|| DROP.to_owned()).into_iter().collect(),
            ..ReadingSettings::default()
        }
    }

    /// Makes a line of what its writer has to say one that may go on with another, or be gone on with.
    pub fn dress(&self, rng: &mut Rng, line: &str) -> String {
        let before = if rng.bool() { " " } else { "" };
        // In UTF-16 these hold the bytes of line ends.
        let strange = if self.is_utf_16() && rng.bool() { "\u{a0d}\u{d0a}\u{a00}" } else { "" };
        let behind = ["", "", "\\", "\\", " END"][rng.usize(..5)];
        let dropped = if self.drops && rng.u8(..4) == 0 { DROP } else { "" };
        format!("{before}{line}{strange}{dropped}{behind}")
    }

    /// Returns text as its files have it.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        match self.big_endian {
            None => text.as_bytes().to_vec(),
            Some(true) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Some(false) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        }
    }

    fn decode<'a>(&self, bytes: &'a [u8], at: usize) -> Cow<'a, str> {
        let Some(big_endian) = self.big_endian else { return String::from_utf8_lossy(bytes) };
        let read = if big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        let units: Vec<u16> = bytes.chunks_exact(2).map(|two| read([two[0], two[1]])).collect();
        let text = String::from_utf16_lossy(&units);
        match text.strip_prefix('\u{feff}').filter(|_| at == 0) {
            Some(text) => Cow::Owned(text.to_owned()),
            None => Cow::Owned(text),
        }
    }

    /// Returns where the last line that ends before `upto` does so.
    fn lines_end(&self, content: &[u8], upto: usize) -> usize {
        let newline = self.encode("\n");
        let unit = self.unit();
        let mut end = upto / unit * unit;
        while unit <= end && content[end - unit..end] != newline[..] {
            end -= unit;
        }
        if end < unit { 0 } else { end }
    }

    /// Returns the first whole line from `at` on.
    fn line_at<'a>(&self, content: &'a [u8], at: usize) -> Option<Cow<'a, str>> {
        let newline = self.encode("\n");
        let rest = &content[at..];
        let mut units = rest.chunks_exact(self.unit());
        let length = units.position(|unit| unit == &newline[..])? * self.unit();
        Some(self.decode(&rest[..length], at))
    }

    fn flushes(&self, line: &str) -> bool {
        matches!(self.joins, Joins::After { flush: true, .. } | Joins::Before { flush: true, .. })
            && line.ends_with("END")
    }

    /// Tells whether `next` belongs to an event that has these lines.
    fn goes_on(&self, lines: &[&str], next: &str) -> bool {
        let (first, last) = (lines[0], lines[lines.len() - 1]);
        if 1 < lines.len() && self.flushes(last) {
            return false;
        }
        let is_blank = |line: &str| line.starts_with(' ');
        match self.joins {
            Joins::Single => false,
            Joins::After { negate, .. } => is_blank(next) != negate || self.flushes(next),
            Joins::Before { negate, .. } => last.ends_with('\\') != negate || self.flushes(next),
            Joins::Count(count) => lines.len() < count,
            Joins::While { negate } => is_blank(first) != negate && is_blank(next) != negate,
        }
    }

    /// Returns what is sent of an event.
    fn text_of(&self, lines: &[&str]) -> String {
        let most = if self.max_lines == 0 || self.joins == Joins::Single {
            usize::MAX
        } else {
            self.max_lines
        };
        let mut text = String::new();
        for line in lines.iter().take(most) {
            if !text.is_empty() && !self.skip_newline {
                text.push('\n');
            }
            text.push_str(line);
        }
        text
    }

    /// Tells whether a document says of some bytes what the rule makes of them; `Err` says what is wrong.
    fn judge_text(&self, content: &[u8], at: usize, end: usize, text: &str) -> Result<(), String> {
        let Some(bytes) = content.get(at..end) else { return Err("it ends behind them".into()) };
        let decoded = self.decode(bytes, at);
        let lines = split(&decoded);
        let expected = self.text_of(&lines);
        if expected.trim_start_matches('\0') != text.trim_start_matches('\0') {
            let widths: Vec<usize> = lines.iter().map(|line| line.len()).collect();
            let stored: Vec<usize> = text.split('\n').map(str::len).collect();
            return Err(format!("its text of {stored:?} bytes is not of {widths:?}"));
        }
        if self.drops && text.contains(DROP) {
            return Err("it is one that is left out".to_owned());
        }
        for more in 1..lines.len() {
            if !self.goes_on(&lines[..more], lines[more]) {
                return Err(format!("line {more} is not of it: `{:.60}`", lines[more]));
            }
        }
        Ok(())
    }

    /// Tells whether an event may end where it does, in a stream among all `streams`.
    fn may_end(&self, stream: &Stream, streams: &[Stream], at: usize, end: usize) -> bool {
        let content = &stream.content[..];
        if self.lines_end(content, end) == end {
            let decoded = self.decode(&content[at..end], at);
            let lines = split(&decoded);
            let next = self.line_at(content, end);
            if next.is_some_and(|next| !self.goes_on(&lines, &next)) || self.is_full(&lines) {
                return true;
            }
        }
        for other in related(streams, content, end) {
            let content = &other.content;
            let is_end = self.lines_end(content, content.len()) == end;
            let has_paused = other.pauses.iter().any(|(upto, pause)| {
                (1..=*pause).contains(&self.timeout)
                    && self.joins != Joins::Single
                    && self.lines_end(content, *upto) == end
            });
            let is_last = self.partial.is_some() && content.len() == end;
            let mut stops = other.pauses.iter().filter_map(|(upto, pause)| {
                self.partial.filter(|partial| partial <= pause).map(|_| *upto)
            });
            let has_stopped = stops.any(|upto| {
                // What was there of the next line when its writer stopped may not say that it goes on.
                upto == end
                    || (end < upto && self.lines_end(content, upto) == end && {
                        let decoded = self.decode(&content[at..end], at);
                        !self.goes_on(&split(&decoded), &self.decode(&content[end..upto], end))
                    })
            });
            if is_end || has_paused || is_last || has_stopped {
                return true;
            }
        }
        false
    }

    /// Tells whether an event is complete by itself.
    fn is_full(&self, lines: &[&str]) -> bool {
        !self.goes_on(lines, " x") && !self.goes_on(lines, "x")
    }

    /// Compares every document with the bytes of a stream that it may be of.
    pub fn judge(&self, events: &Events, streams: &[Stream]) -> Result<(), String> {
        for (epoch, documents) in events {
            let mut nearest = (0, "there is nothing".to_owned());
            let mut is_sound = false;
            for stream in streams {
                let judged = documents.iter().enumerate().try_for_each(|(index, (at, event))| {
                    let (length, text) = event;
                    let (at, end) = (*at, *at + *length);
                    self.judge_text(&stream.content, at, end, text)
                        .and_then(|()| {
                            let early = || format!("it ends too early; {:?}", stream.pauses);
                            self.may_end(stream, streams, at, end).then_some(()).ok_or_else(early)
                        })
                        .map_err(|what| (index + 1, format!("{at}..{end} `{text:.60}`: {what}")))
                });
                match judged {
                    Ok(()) => is_sound = true,
                    Err(told) if nearest.0 < told.0 => nearest = told,
                    Err(_) => {}
                }
                if is_sound {
                    break;
                }
            }
            if !is_sound {
                return Err(format!("of {epoch} no bytes give these events: {}", nearest.1));
            }
        }
        Ok(())
    }

    /// Tells whether documents of an epoch are all of `content` as far as it goes, and whether any is its alone.
    fn is_of(&self, documents: &BTreeMap<usize, (usize, String)>, content: &[u8]) -> (bool, bool) {
        let mut own = false;
        for (at, (length, text)) in documents.range(..content.len()) {
            let end = at + length;
            if end <= content.len() {
                if self.judge_text(content, *at, end, text).is_err() {
                    return (false, false);
                }
                own |= !text.contains("common");
            }
        }
        (true, own)
    }

    /// Tells whether something of a file's content is stored.
    pub fn knows(&self, events: &Events, content: &[u8]) -> bool {
        events.values().any(|documents| self.is_of(documents, content) == (true, true))
    }

    /// Tells whether bytes of an epoch are a line end alone: it came after a pause had ended its line, and is no event.
    pub fn is_lone_line_end(
        &self,
        events: &Events,
        epoch: Epoch,
        streams: &[Stream],
        bytes: Range<u64>,
    ) -> bool {
        let Some(documents) = events.get(&epoch).filter(|_| self.partial.is_some()) else {
            return false;
        };
        let bytes = usize::try_from(bytes.start).unwrap()..usize::try_from(bytes.end).unwrap();
        let before = documents.range(..bytes.start).next_back();
        before.is_some_and(|(at, (length, _))| at + length == bytes.start)
            && streams.iter().any(|stream| {
                stream.content.get(bytes.clone()) == Some(&self.encode("\n")[..])
                    && self.is_of(documents, &stream.content).0
            })
    }

    /// For every file, finds an epoch of its own whose documents have each of its lines.
    pub fn cover(
        &self,
        events: &Events,
        streams: &[Stream],
        files: Vec<(PathBuf, Vec<u8>)>,
    ) -> Result<(), String> {
        let mut choices: Vec<Vec<Epoch>> = Vec::new();
        let mut taken: BTreeMap<Epoch, usize> = BTreeMap::new();
        for (path, content) in files {
            let end = self.lines_end(&content, content.len());
            let cuts = self.cuts(&content, streams);
            // Blank lines behind an event need none of their own, and may belong to one that is left out.
            let needs_nothing = |upto: usize| {
                end <= self.blanks(&content, upto)
                    || self.leaves_out(&content, &cuts, upto, end)
                    || self.waits(&content, &cuts, upto)
            };
            if needs_nothing(0) {
                continue;
            }
            let (mut found, mut furthest) = (Vec::new(), 0);
            for (epoch, documents) in events {
                if !self.is_of(documents, &content).0 {
                    continue;
                }
                let mut upto = 0;
                for (at, (length, _)) in documents {
                    let is_next = *at <= self.blanks(&content, upto);
                    if !is_next && !self.leaves_out(&content, &cuts, upto, *at) {
                        break;
                    }
                    upto = upto.max(at + length);
                }
                furthest = furthest.max(upto);
                if needs_nothing(upto) {
                    found.push(*epoch);
                }
            }
            choices.push(found);
            if !take(&choices, choices.len() - 1, &mut taken, &mut BTreeSet::new()) {
                let path = path.display();
                let from = furthest.min(end);
                let lost = self.decode(&content[from..end], from);
                let lost: Vec<&str> = split(&lost).into_iter().take(20).collect();
                return Err(format!(
                    "{path} has whole lines up to {end}, stored to {furthest}, if not for others; there stand {lost:#?}"
                ));
            }
        }
        Ok(())
    }

    /// Returns where in `content` something else than its lines may have ended an event: a pause, or the end of a file.
    fn cuts(&self, content: &[u8], streams: &[Stream]) -> Cuts {
        let mut cuts = Cuts::new();
        for other in related(streams, content, 0) {
            let others = &other.content[..];
            cuts.insert(self.lines_end(others, others.len()));
            cuts.extend(self.partial.map(|_| others.len()));
            for (upto, pause) in &other.pauses {
                if (1..=*pause).contains(&self.timeout) && self.joins != Joins::Single {
                    cuts.insert(self.lines_end(others, *upto));
                }
                cuts.extend(self.partial.filter(|partial| partial <= pause).map(|_| *upto));
            }
        }
        cuts
    }

    /// Returns all offsets of `content` in `from + 1..=upto` at which an event may end.
    fn ends(&self, content: &[u8], cuts: &Cuts, from: usize, upto: usize) -> Vec<usize> {
        let newline = self.encode("\n");
        let ends_line =
            |end: usize| end.is_multiple_of(newline.len()) && content[..end].ends_with(&newline);
        (from + 1..=upto).filter(|end| ends_line(*end) || cuts.contains(end)).collect()
    }

    fn ends_line(&self, content: &[u8], end: usize) -> bool {
        end.is_multiple_of(self.unit()) && content[..end].ends_with(&self.encode("\n"))
    }

    /// Tells whether the bytes `from..upto` can be nothing but events that are left out.
    fn leaves_out(&self, content: &[u8], cuts: &Cuts, from: usize, upto: usize) -> bool {
        if content.len() < upto {
            return false;
        }
        let ends = self.ends(content, cuts, from, upto);
        let mut reached = BTreeSet::from([from]);
        while let Some(at) = reached.pop_first() {
            if at == upto {
                return true;
            }
            for end in ends.iter().copied().filter(|end| at < *end) {
                let decoded = self.decode(&content[at..end], at);
                let lines = split(decoded.trim_start_matches('\0'));
                if !self.is_one(&lines) {
                    // Within a line it is not known yet how that ends.
                    if self.ends_line(content, end) {
                        break;
                    }
                    continue;
                }
                let next = || self.line_at(content, end);
                let is_end =
                    cuts.contains(&end) || next().is_none_or(|next| !self.goes_on(&lines, &next));
                let text = self.text_of(&lines);
                if is_end && (text.is_empty() || (self.drops && text.contains(DROP))) {
                    reached.insert(end);
                }
            }
        }
        false
    }

    /// Tells whether from `at` on there is one event that nothing has ended, and before it only what is left out.
    fn waits(&self, content: &[u8], cuts: &Cuts, at: usize) -> bool {
        let end = self.lines_end(content, content.len());
        if self.timeout != 0 || end <= at {
            return false;
        }
        let blanks = self.blanks(content, at);
        let mut firsts = vec![at, blanks];
        firsts.extend(self.ends(content, cuts, at, end - 1));
        firsts.into_iter().filter(|first| *first < end).any(|first| {
            let decoded = self.decode(&content[first..end], first);
            self.is_one(&split(decoded.trim_start_matches('\0')))
                && (first <= blanks || self.leaves_out(content, cuts, at, first))
        })
    }

    /// Tells whether all lines go on with the first.
    fn is_one(&self, lines: &[&str]) -> bool {
        (1..lines.len()).all(|next| self.goes_on(&lines[..next], lines[next]))
    }

    /// Returns where what needs no event ends: empty lines and holes.
    fn blanks(&self, content: &[u8], at: usize) -> usize {
        let rest = content.get(at..).unwrap_or(&[]);
        let skipped: [Vec<u8>; 3] = [self.encode("\n"), self.encode("\0"), self.encode("\u{feff}")];
        let mut units = rest.chunks_exact(self.unit());
        let length = units.position(|unit| !skipped.iter().any(|skipped| skipped == unit));
        at + length.unwrap_or(rest.len() / self.unit()) * self.unit()
    }
}

/// Gives a file one of the epochs that have all of it, if need be one of another file that can do with another one: of files that
/// begin alike, the one may need what is enough for both. (A matching that is augmented by paths: H. W. Kuhn, 1955.)
fn take(
    choices: &[Vec<Epoch>],
    file: usize,
    taken: &mut BTreeMap<Epoch, usize>,
    tried: &mut BTreeSet<Epoch>,
) -> bool {
    for epoch in &choices[file] {
        if !tried.insert(*epoch) {
            continue;
        }
        let other = taken.get(epoch).copied();
        if other.is_none_or(|other| take(choices, other, taken, tried)) {
            taken.insert(*epoch, file);
            return true;
        }
    }
    false
}

/// Returns those of the streams that agree with `content` as far as both go, and have at least `least` bytes.
fn related<'a>(
    streams: &'a [Stream],
    content: &[u8],
    least: usize,
) -> impl Iterator<Item = &'a Stream> {
    streams.iter().filter(move |other| {
        let length = other.content.len().min(content.len());
        least <= other.content.len() && other.content[..length] == content[..length]
    })
}

fn split(text: &str) -> Vec<&str> {
    text.strip_suffix('\n').unwrap_or(text).split('\n').collect()
}
