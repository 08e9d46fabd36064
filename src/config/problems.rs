//! All that is wrong with a configuration, at once: each problem with its place, the line, a caret
//! and a hint. Secrets are masked in what is shown.

use std::fmt;

use crate::config::mask;
use crate::hint;

/// Longest part of a line that is shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 160;
/// Problems that are shown; a file that is no configuration at all would fill the screen.
const SHOWN_PROBLEMS_MAX: usize = 50;

/// Says where a key or a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Which source: an index into the sources of the load.
    pub source: usize,
    /// Line, from 1; 0 where only the source is known.
    pub line: usize,
    /// Column in characters, from 1; 0 where only the line is known.
    pub column: usize,
    /// Characters that the caret underlines; at least one is shown.
    pub length: usize,
}

/// Some characters of a text that may stand in several lines, as behind `|` and `>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The text as it was read.
    pub text: String,
    /// Characters before those that are meant.
    pub before: usize,
    /// How many these are.
    pub length: usize,
    /// The part with carets under it, for a text that is written otherwise than it is read.
    pub drawn: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` for what is missing altogether.
    pub place: Option<Place>,
    /// What, in one sentence.
    pub message: String,
    /// A second place, with what is to be seen there.
    pub other: Option<(Place, String)>,
    /// What to do.
    pub hint: Option<String>,
    /// Which characters at `place` are meant, where the text may go on in the lines below.
    part: Option<Part>,
    /// What is not to be shown, here and elsewhere.
    secrets: Vec<String>,
}

impl Problem {
    /// Makes a problem at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), message: message.into(), ..Self::general("") }
    }

    /// Makes a problem of the whole configuration.
    pub fn general(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { place: None, message, other: None, hint: None, part: None, secrets: Vec::new() }
    }

    fn mask(&mut self, secrets: &[String]) {
        let masked = |text: &str| mask::repeated(&mask::urls(text), secrets);
        self.message = masked(&self.message);
        self.hint = self.hint.as_deref().map(masked);
        if let Some((_, message)) = &mut self.other {
            *message = masked(message);
        }
    }

    /// Says which characters of the text at its place are meant; `place` is where that begins.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.part = Some(part);
        self
    }

    /// Finds the place of the characters that are meant in its source; else they are shown below the advice.
    fn find_part(&mut self, sources: &[Source]) {
        let (Some(part), Some(place)) = (self.part.take(), self.place) else { return };
        let text = sources.get(place.source).map_or("", |source| &source.text);
        if let Some(found) = part.place_in(text, place) {
            self.place = Some(found);
        } else {
            let hint = self.hint.get_or_insert_default();
            hint.push('\n');
            hint.push_str(&part.drawn);
        }
    }

    /// Hides these texts, wherever they stand.
    #[must_use]
    pub fn hiding(mut self, texts: Vec<String>) -> Self {
        self.secrets = texts;
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn other(mut self, place: Place, message: impl Into<String>) -> Self {
        self.other = Some((place, message.into()));
        self
    }
}

impl Part {
    /// Finds its characters in a source where its text begins at a place: each line of it stands in one of the source,
    /// whatever is between them.
    fn place_in(&self, source: &str, at: Place) -> Option<Place> {
        let byte = |characters: usize| {
            let found = self.text.char_indices().nth(characters).map(|(byte, _)| byte);
            found.unwrap_or(self.text.len())
        };
        let (start, end) = (byte(self.before), byte(self.before + self.length));
        let (mut done, mut line_before) = (0, at);
        for (number, line) in (1..).zip(source.lines()).skip(at.line.checked_sub(1)?) {
            let skipped = if number == at.line { at.column.checked_sub(1)? } else { 0 };
            let from = line.char_indices().nth(skipped).map_or(line.len(), |(byte, _)| byte);
            let written = line[from..].trim();
            let blank = |text: &str| text.len() - text.trim_start().len();
            done += blank(&self.text[done..]);
            if start < done {
                // What is between two lines is shown behind the first.
                return Some(line_before);
            }
            if !self.text[done..].starts_with(written) {
                return None;
            }
            let line_end = done + written.len();
            if start < line_end || self.text[line_end..].trim_start().is_empty() {
                let before = from + blank(&line[from..]) + start.checked_sub(done)?;
                let column = line.get(..before)?.chars().count() + 1;
                let length = self.text.get(start..end.min(line_end)).unwrap_or_default();
                let length = length.chars().count().max(1);
                return Some(Place { line: number, column, length, ..at });
            }
            done = line_end;
            let column = line.trim_end().chars().count() + 1;
            line_before = Place { line: number, column, length: 1, ..at };
        }
        None
    }
}

/// One text that places point into.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Name as shown: a path, or `-E option 2`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where it comes from.
    pub kind: SourceKind,
}

/// Says where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A file, whose lines have numbers.
    File,
    /// The command line: one text, whose caret says enough.
    CommandLine,
}

/// All problems of one load, in the order of their places, ready to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    sources: Vec<Source>,
    secrets: Vec<String>,
}

/// Leaves the sources out: they hold secrets.
impl fmt::Debug for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Problems").field("list", &self.list).finish_non_exhaustive()
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// Takes the problems of a load together with the texts that they point into; at least one.
    ///
    /// `secrets` are hidden wherever they stand; what looks like one in the texts is so by itself.
    #[must_use]
    pub fn new(mut list: Vec<Problem>, sources: Vec<Source>, mut secrets: Vec<String>) -> Self {
        for problem in &mut list {
            problem.find_part(&sources);
        }
        for source in &sources {
            for secret in mask::secrets_in(&source.text) {
                mask::add_secret(&secret, &mut secrets);
            }
        }
        for secret in list.iter_mut().flat_map(|problem| std::mem::take(&mut problem.secrets)) {
            mask::add_secret(&secret, &mut secrets);
        }
        for problem in &mut list {
            problem.mask(&secrets);
        }
        list.sort_by_key(|problem| match problem.place {
            Some(place) => (0, place.source, place.line, place.column),
            None => (1, 0, 0, 0),
        });
        list.dedup();
        Self { list, sources, secrets }
    }

    /// Returns the problems, in the order of their places.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Returns each problem in one line, with its place, and its advice.
    pub fn lines(&self) -> impl Iterator<Item = (String, Option<&str>)> {
        self.list.iter().take(SHOWN_PROBLEMS_MAX).map(|problem| {
            let mut line = String::new();
            if let Some(place) = problem.place
                && self.write_place(&mut line, place).is_ok()
            {
                line.push_str(": ");
            }
            line.push_str(&hint::visible(&problem.message));
            (line, problem.hint.as_deref())
        })
    }

    fn write_place(&self, out: &mut impl fmt::Write, place: Place) -> fmt::Result {
        let source = self.sources.get(place.source);
        let name = source.map_or("configuration", |source| source.name.as_str());
        write!(out, "{}", hint::visible(name))?;
        if source.is_some_and(|source| source.kind == SourceKind::CommandLine) {
            return Ok(());
        }
        if 0 < place.line {
            write!(out, ":{}", place.line)?;
        }
        if 0 < place.column {
            write!(out, ":{}", place.column)?;
        }
        Ok(())
    }

    fn write_line(&self, out: &mut impl fmt::Write, place: Place) -> fmt::Result {
        let Some(source) = self.sources.get(place.source) else { return Ok(()) };
        if place.line == 0 {
            return Ok(());
        }
        let lines: Vec<&str> = source.text.lines().collect();
        let Some(line) = lines.get(place.line - 1) else { return Ok(()) };
        let (shown, masked_from) = mask::line(&lines[..place.line - 1], line);
        let before = shown;
        let shown = mask::repeated(&before, &self.secrets);
        let same = shown.chars().zip(before.chars()).take_while(|(a, b)| a == b).count();
        let repeated_from = (shown != before).then_some(same);
        let masked_from = match (masked_from, repeated_from) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let mut column = place.column.max(1) - 1;
        let mut length = place.length.max(1);
        if let Some(from) = masked_from
            && from < column + length
        {
            column = column.min(from);
            length = shown.chars().count().saturating_sub(column).max(1);
        }
        let skipped = column.saturating_sub(SHOWN_CHARACTERS_MAX / 2);
        let shown: String = shown.chars().skip(skipped).take(SHOWN_CHARACTERS_MAX).collect();
        let number = match source.kind {
            SourceKind::File => format!("{} ", place.line),
            SourceKind::CommandLine => String::new(),
        };
        let width = number.len();
        writeln!(out, "  {number}| {}", hint::visible(shown.trim_end()))?;
        if place.column == 0 {
            return Ok(());
        }
        // A tab before the caret stays one, so that both lines are indented alike.
        let before = column - skipped;
        let padding: String = shown
            .chars()
            .chain(std::iter::repeat(' '))
            .take(before)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let room = shown.trim_end().chars().count().saturating_sub(before).max(1);
        writeln!(out, "  {:width$}| {padding}{}", "", "^".repeat(length.min(room)))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.list.iter().take(SHOWN_PROBLEMS_MAX) {
            if let Some(place) = problem.place {
                self.write_place(formatter, place)?;
                write!(formatter, ": ")?;
            }
            writeln!(formatter, "{}", hint::visible(&problem.message))?;
            if let Some(place) = problem.place {
                self.write_line(formatter, place)?;
            }
            if let Some((place, message)) = &problem.other {
                write!(formatter, "  ")?;
                self.write_place(formatter, *place)?;
                writeln!(formatter, ": {}", hint::visible(message))?;
                self.write_line(formatter, *place)?;
            }
            if let Some(hint) = &problem.hint {
                for line in hint.lines().enumerate() {
                    let lead = if line.0 == 0 { "hint:" } else { "     " };
                    writeln!(formatter, "  {lead} {}", hint::visible(line.1))?;
                }
            }
        }
        if SHOWN_PROBLEMS_MAX < self.list.len() {
            writeln!(formatter, "and {} more problems", self.list.len() - SHOWN_PROBLEMS_MAX)?;
        }
        Ok(())
    }
}
