//! `shipper detect`: which format files have.
//!
//! The first lines of a file go through the production pipeline once for each format that is known. The one that
//! recognises the most is it, and of several the one whose documents tell more. Where an event has several lines, it counts as one.

mod candidates;

use super::pretty::{Colours, Ink};
use super::report::{err, out};
use super::trial::{Found, Opened, Trial, Viewer};
use super::{BAD_USAGE, FAILED};
use crate::advice;
use crate::cli::DetectArgs;
use crate::hint::{self, Advised};
use crate::settings::Settings;
use candidates::{Candidate, candidates, stanza};
use serde_json::{Value, json};
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

/// Exit code when a file has no format that is known.
const NOT_KNOWN: u8 = FAILED;

/// Exit code when a file cannot be read, or holds no lines.
const UNREADABLE: u8 = BAD_USAGE;

/// Most bytes of a file that are looked at.
const SAMPLE_BYTES_MAX: usize = 16 << 20;

/// Lines that were not recognised that are shown.
const SHOWN_MAX: usize = 3;

/// Longest part of such a line that is shown, in characters: it fits a narrow terminal.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Longest part of such a line for programs.
const JSON_CHARACTERS_MAX: usize = 1000;

/// Documents of which it is weighed how much they tell.
const WEIGHED_MAX: u64 = 100;

/// One document of so many has to have what only lines of its format have.
const PROOFS_OF: u64 = 4;

/// Bytes by which it is judged whether a file holds lines at all.
const JUDGED_BYTES: usize = 8 << 10;

/// Says which format each file has.
pub(super) fn run(args: &DetectArgs) -> ExitCode {
    let mut worst = 0;
    let mut told = Vec::new();
    for (number, file) in args.files.iter().enumerate() {
        let result = detect(file, args.lines);
        worst = worst.max(match &result {
            Ok(found) if found.is_known() => 0,
            Ok(_) => NOT_KNOWN,
            Err(_) => UNREADABLE,
        });
        if args.json {
            told.push(result.map_or_else(|error| fault_json(file, &error), |found| found.json()));
            continue;
        }
        if 0 < number {
            out("\n");
        }
        match result {
            Ok(found) => show(&found.text(Colours::of(&io::stdout()))),
            Err(error) => err(&hint::report(&error, &[])),
        }
    }
    if args.json {
        out(&format!("{}\n", Value::from(told)));
    }
    ExitCode::from(worst)
}

/// Prints what may have colours, in which all else is escaped already.
fn show(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The beginning of a file.
struct Sample {
    bytes: Vec<u8>,
    /// Why there is no more of it, where that is no end.
    fault: Option<io::Error>,
}

/// What was found of a file.
struct Detected {
    path: std::path::PathBuf,
    best: Candidate,
    score: Score,
    fault: Option<String>,
}

/// How a format fits.
#[derive(Debug, Default, Clone)]
struct Score {
    events: u64,
    recognised: u64,
    /// Fields of the first that were, all together.
    fields: usize,
    /// The first that were not recognised.
    others: Vec<(u64, String)>,
}

/// Judges documents of one format.
struct Judge {
    needs: Option<&'static str>,
    /// Documents with that member.
    proofs: u64,
    score: Score,
}

impl Viewer for Judge {
    fn take(&mut self, found: &Found<'_>) -> ControlFlow<()> {
        let Self { needs, proofs, score } = self;
        let is_weighed = found.is_recognised && score.recognised < WEIGHED_MAX;
        let document: Value = if is_weighed || (found.is_recognised && needs.is_some()) {
            serde_json::from_slice(found.document).unwrap_or_default()
        } else {
            Value::Null
        };
        score.events += 1;
        *proofs += u64::from(needs.is_some_and(|member| document.get(member).is_some()));
        if found.is_recognised {
            score.recognised += 1;
            score.fields += if is_weighed { fields(&document) } else { 0 };
        } else if score.others.len() < SHOWN_MAX {
            let line = String::from_utf8_lossy(found.raw);
            let line = line.trim_end_matches(['\n', '\r']);
            score.others.push((found.line, line.chars().take(JSON_CHARACTERS_MAX).collect()));
        }
        ControlFlow::Continue(())
    }

    fn flush(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn detect(file: &Path, lines: u64) -> Result<Detected, Advised> {
    let sample = sample(file, lines)?;
    let shown = file.display();
    if sample.bytes.is_empty() {
        return Err(match sample.fault {
            Some(error) => Advised::new(
                format!("cannot read `{shown}`: {}", advice::reason(&error)),
                "fetch or pack it again",
            ),
            None => Advised::new(
                format!("`{shown}` is empty"),
                "name one that has lines, such as the one before it was rotated",
            ),
        });
    }
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut best: Option<(Candidate, Score)> = None;
    for candidate in candidates(&path) {
        let score = score(&candidate, &sample.bytes, &path);
        // Of those that are as good the first stays.
        let is_better = best.as_ref().is_none_or(|(_, best)| best.rank() < score.rank());
        if is_better {
            best = Some((candidate, score));
        }
    }
    let (best, score) = best.expect("there are formats");
    if score.recognised == 0 && is_binary(&sample.bytes) {
        return Err(Advised::new(
            format!("`{shown}` holds no lines of text: it is a binary file"),
            "name a log; compressed ones (gzip, zstd, bzip2, xz) are read as what they unpack to",
        ));
    }
    let fault = sample.fault.map(|error| advice::reason(&error));
    Ok(Detected { path, best, score, fault })
}

/// Reads the first lines of a file.
fn sample(file: &Path, lines: u64) -> Result<Sample, Advised> {
    let mut opened = Opened::open(file)?;
    let mut sample = Sample { bytes: Vec::new(), fault: None };
    let mut piece = vec![0; 64 << 10];
    let mut left = lines;
    while 0 < left && sample.bytes.len() < SAMPLE_BYTES_MAX {
        let length = match opened.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                sample.fault = Some(error);
                break;
            }
        };
        let piece = &piece[..length];
        let last = usize::try_from(left - 1).ok();
        let mut ends = memchr::memchr_iter(b'\n', piece);
        let end = last.and_then(|last| ends.nth(last)).map(|end| end + 1);
        sample.bytes.extend_from_slice(&piece[..end.unwrap_or(length)]);
        if end.is_some() {
            break;
        }
        left -= memchr::memchr_iter(b'\n', piece).count() as u64;
    }
    if sample.bytes.len() == SAMPLE_BYTES_MAX
        && let Some(end) = memchr::memrchr(b'\n', &sample.bytes)
    {
        sample.bytes.truncate(end + 1);
    }
    Ok(sample)
}

fn score(candidate: &Candidate, mut sample: &[u8], path: &Path) -> Score {
    let needs = candidate.needs;
    let mut judge = Judge { needs, proofs: 0, score: Score::default() };
    // One that makes no pipeline recognises nothing.
    if let Ok(mut trial) = Trial::new(&Settings::default(), &candidate.input, path) {
        let _ = trial.run(&mut sample, &mut judge);
    }
    if needs.is_some() && judge.proofs * PROOFS_OF < judge.score.recognised {
        judge.score.recognised = 0;
    }
    judge.score
}

impl Score {
    /// Returns what is larger of the format that fits better.
    fn rank(&self) -> (u64, usize) {
        (self.recognised, self.fields)
    }
}

/// Counts the values in a document, but for those that only say again what stands elsewhere in it.
fn fields(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "related");
            members.map(|(_, value)| fields(value)).sum()
        }
        Value::Array(items) => items.iter().map(fields).sum(),
        _ => 1,
    }
}

/// Tells whether much of a file's beginning is no text. A hole that a truncation left is no part of it.
fn is_binary(sample: &[u8]) -> bool {
    let text = sample.iter().position(|byte| *byte != 0).map_or(&[][..], |start| &sample[start..]);
    let text = &text[..text.len().min(JUDGED_BYTES)];
    let is_odd = |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x1b);
    text.is_empty() || text.len() < 20 * text.iter().filter(is_odd).count()
}

impl Detected {
    /// Tells whether the format fits at least half of the lines.
    fn is_known(&self) -> bool {
        0 < self.score.recognised && self.score.events <= 2 * self.score.recognised
    }

    fn percent(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "of at most a million")]
        let percent = self.score.recognised as f64 * 100.0 / self.score.events.max(1) as f64;
        // All are only all when none is missing.
        if self.score.recognised < self.score.events { percent.min(99.9) } else { percent }
    }

    fn text(&self, colours: Colours) -> String {
        let Score { events, recognised, others, .. } = &self.score;
        let mut text = String::new();
        let path = hint::one_line(&self.path.to_string_lossy());
        let what = if self.best.joins { "events" } else { "lines" };
        let share = format!("{recognised} of {events} {what} ({:.1} %)", self.percent());
        text.push_str(&format!("{path}: "));
        if self.is_known() {
            colours.push(&mut text, Ink::Good, &self.best.name);
            text.push_str(&format!("\n  {}\n  {share}\n", self.best.about));
        } else {
            colours.push(&mut text, Ink::Bad, "no format that is known");
            if *recognised == 0 {
                text.push_str(&format!("\n  0 of {events} lines\n"));
            } else {
                text.push_str(&format!("\n  at best {}: {share}\n", self.best.name));
            }
        }
        if !others.is_empty() {
            let first = if others.len() as u64 == events - recognised { "" } else { ", the first" };
            text.push_str(&format!("  not recognised{first}:\n"));
        }
        for (line, bytes) in others {
            let is_whole = bytes.chars().count() <= SHOWN_CHARACTERS_MAX;
            let shown: String = bytes.chars().take(SHOWN_CHARACTERS_MAX).collect();
            let more = if is_whole { "" } else { "…" };
            text.push_str(&format!("    line {line}: "));
            colours.push(&mut text, Ink::Dim, &format!("{}{more}", hint::one_line(&shown)));
            text.push('\n');
        }
        if let Some(fault) = &self.fault {
            text.push_str(&format!("  what comes behind these lines cannot be read: {fault}\n"));
        }
        text.push('\n');
        if self.is_known() {
            text.push_str(&stanza(&self.best, &self.path));
        } else {
            text.push_str(
                "hint: say what its lines are like with `format: {regex: {pattern: …}}`, or send them as they are with \
                 `format: raw`\n",
            );
        }
        text
    }

    fn json(&self) -> Value {
        let Score { events, recognised, others, .. } = &self.score;
        let is_known = self.is_known();
        let others: Vec<Value> =
            others.iter().map(|(line, text)| json!({"line": line, "text": text})).collect();
        json!({
            "file": self.path.to_string_lossy(),
            "format": is_known.then_some(&self.best.name),
            "events": events,
            "recognised": recognised,
            "percent": (self.percent() * 10.0).round() / 10.0,
            "not_recognised": others,
            "configuration": is_known.then(|| stanza(&self.best, &self.path)),
            "error": self.fault,
        })
    }
}

fn fault_json(file: &Path, error: &Advised) -> Value {
    json!({"file": file.to_string_lossy(), "format": null, "error": error.to_string()})
}
