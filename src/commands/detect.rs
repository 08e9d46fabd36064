//! `shipper detect`: which format files have.
//!
//! The first lines of a file go through the production pipeline once for each format that is known. The one that
//! recognises the most is it, where a line of which fields hold only a part counts half, and of several the one whose
//! documents tell more. Where an event has several lines, it counts as one.

mod candidates;
mod inputs;
mod sample;
mod wrapping;

use super::pretty::{Colours, Ink};
use super::report::{err, out};
use super::trial::{Found, Trial, Viewer};
use super::{BAD_USAGE, FAILED};
use crate::advice;
use crate::assembly::charset;
use crate::cli::DetectArgs;
use crate::enrich::GeoTables;
use crate::hint::{self, Advised};
use crate::packing::Format as Packing;
use crate::settings::Settings;
use crate::settings::reading::EncodingSettings;
use candidates::{Candidate, candidates};
use inputs::Inputs;
use sample::{is_binary, is_stdin, sample};
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Exit code when a file has no format that is known.
const NOT_KNOWN: u8 = FAILED;

/// Exit code when a file cannot be read, or holds no lines.
const UNREADABLE: u8 = BAD_USAGE;

/// Lines that were not recognised that are shown.
const SHOWN_MAX: usize = 3;

/// Longest part of such a line that is shown, in characters: it fits a narrow terminal.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Longest part of such a line for programs.
const JSON_CHARACTERS_MAX: usize = 1000;

/// Documents of which it is weighed how much they tell.
const WEIGHED_MAX: u64 = 100;

/// One document of so many has to prove its format, where that takes lines of others as well.
const PROOFS_OF: u64 = 4;

/// Weight of a format that is told beside the best one, in percent of that one's.
const NEAR_PERCENT: u64 = 90;

/// The byte order mark, which is no part of a text.
const MARK: char = '\u{feff}';

/// Stands before the inputs of a configuration.
const INPUTS: &str = "filebeat.inputs:\n";

/// Says which format each file has.
pub(super) fn run(args: &DetectArgs) -> ExitCode {
    let mut worst = 0;
    let mut results = Vec::new();
    let mut inputs = Inputs::default();
    for (number, file) in args.files.iter().enumerate() {
        let result = detect(file, args.lines);
        worst = worst.max(match &result {
            Ok(found) if found.fault.is_some() => UNREADABLE,
            Ok(found) if found.is_known() => 0,
            Ok(_) => NOT_KNOWN,
            Err(_) => UNREADABLE,
        });
        if let Ok(found) = &result
            && found.is_known()
        {
            inputs.take(number, &found.best, &found.path, found.is_packed);
        }
        if args.json {
            results.push(result);
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
    let items = inputs.items();
    if args.json {
        let told = results.iter().zip(&args.files).enumerate();
        let told = told.map(|(number, (result, file))| match result {
            Ok(found) => {
                let item = items.iter().find(|(first, _)| *first == number);
                found.json(item.map(|(_, text)| &**text))
            }
            Err(error) => fault_json(file, error),
        });
        out(&format!("{}\n", told.collect::<Value>()));
    } else if !items.is_empty() {
        let all: String = items.into_iter().map(|(_, text)| text).collect();
        show(&format!("\n{INPUTS}{all}"));
    }
    ExitCode::from(worst)
}

/// Prints what may have colours, in which all else is escaped already.
fn show(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// What was found of a file.
struct Detected {
    path: PathBuf,
    best: Candidate,
    score: Score,
    near: Option<Near>,
    fault: Option<String>,
    is_packed: bool,
}

/// A format that fits nearly as well, and lines that the best one does not.
struct Near {
    name: String,
    score: Score,
}

/// How a format fits.
#[derive(Debug, Default, Clone)]
struct Score {
    events: u64,
    recognised: u64,
    /// Those among them of which fields hold only a part.
    partial: u64,
    /// The lines with which those begin that were recognised, a bit for each.
    lines: Vec<u64>,
    /// Fields of the first that were, all together.
    fields: usize,
    /// The first that were not recognised.
    others: Vec<(u64, String)>,
}

/// Judges documents of one format.
struct Judge {
    proof: Option<fn(&Value) -> bool>,
    /// Documents of which that is so.
    proofs: u64,
    encoding: EncodingSettings,
    score: Score,
}

impl Viewer for Judge {
    fn take(&mut self, found: &Found<'_>) -> ControlFlow<()> {
        let Self { proof, proofs, encoding, score } = self;
        let is_weighed = found.is_recognised && score.recognised < WEIGHED_MAX;
        let document: Value = if is_weighed || (found.is_recognised && proof.is_some()) {
            serde_json::from_slice(found.document).unwrap_or_default()
        } else {
            Value::Null
        };
        score.events += 1;
        if found.is_recognised {
            score.recognised += 1;
            score.partial += u64::from(!found.is_whole);
            score.mark(found.line);
            *proofs += u64::from(proof.is_some_and(|proves| proves(&document)));
            score.fields += if is_weighed { fields(&document) } else { 0 };
        } else if score.others.len() < SHOWN_MAX {
            let line = text_of(found.raw, encoding);
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
    let path = if is_stdin(file) {
        PathBuf::new()
    } else {
        std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
    };
    let mut tried: Vec<(Candidate, Score)> = Vec::new();
    for candidate in candidates(&path, &sample.encoding) {
        let score = score(&candidate, &sample.bytes, &path);
        tried.push((candidate, score));
    }
    // Of those that are as good the first stays first.
    tried.sort_by_key(|(_, score)| std::cmp::Reverse(score.rank()));
    let mut tried = tried.into_iter();
    let (best, score) = tried.next().expect("there are formats");
    let near = tried
        .find(|(_, other)| other.is_near(&score))
        .map(|(candidate, score)| Near { name: candidate.name, score });
    let is_text = sample.encoding != EncodingSettings::Utf8 || !is_binary(&sample.bytes);
    if score.recognised == 0 && is_stdin(file) && Packing::of(&sample.bytes).is_some() {
        return Err(Advised::new(
            "what comes from standard input is compressed",
            "name the file, which is unpacked then, or unpack it before: `zcat FILE | shipper detect -`",
        ));
    }
    if score.recognised == 0 && !is_text {
        return Err(Advised::new(
            format!("`{shown}` holds no lines of text: it is a binary file"),
            "name a log; compressed ones (gzip, zstd, bzip2, xz) are read as what they unpack to",
        ));
    }
    if score.events == 0 {
        return Err(Advised::new(
            format!("`{shown}` holds nothing but empty lines"),
            "name one that has others, such as the one before it was rotated",
        ));
    }
    let fault = sample.fault.map(|error| advice::reason(&error));
    Ok(Detected { path, best, score, near, fault, is_packed: sample.is_packed })
}

/// Returns the text of a line.
fn text_of(raw: &[u8], encoding: &EncodingSettings) -> String {
    let EncodingSettings::Utf16 { big_endian, .. } = encoding else {
        return String::from_utf8_lossy(raw).into_owned();
    };
    let unit = |bytes: &[u8]| match (bytes, big_endian) {
        ([one, two], true) => u16::from_be_bytes([*one, *two]),
        ([one, two], false) => u16::from_le_bytes([*one, *two]),
        _ => 0xfffd,
    };
    let letters = char::decode_utf16(raw.chunks(2).map(unit));
    let mut text: String =
        letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if text.starts_with(MARK) {
        text.remove(0);
    }
    text
}

fn score(candidate: &Candidate, mut sample: &[u8], path: &Path) -> Score {
    let proof = candidate.proof;
    let encoding = candidate.input.reading.encoding.clone();
    let mut judge = Judge { proof, proofs: 0, encoding, score: Score::default() };
    let geo = Arc::new(GeoTables::new([]));
    // One that makes no pipeline recognises nothing.
    if let Ok(mut trial) = Trial::new(&Settings::default(), &candidate.input, path, geo) {
        let _ = trial.run(&mut sample, &mut judge);
    }
    if proof.is_some() && judge.proofs * PROOFS_OF < judge.score.recognised {
        judge.score =
            Score { recognised: 0, partial: 0, lines: Vec::new(), fields: 0, ..judge.score };
    }
    judge.score
}

impl Score {
    /// Returns what is larger of the format that fits better.
    fn rank(&self) -> (bool, u64, usize, usize) {
        // Where none fits, one that shows the lines.
        (self.is_known(), self.weight(), self.fields, self.others.len())
    }

    /// Tells whether it recognises at least half of the lines.
    fn is_known(&self) -> bool {
        0 < self.recognised && self.events <= 2 * self.recognised
    }

    /// Counts what was recognised: a line twice, and once where fields hold only a part of it.
    fn weight(&self) -> u64 {
        2 * self.recognised - self.partial
    }

    /// Notes that the event which begins with a line, counted from 1, was recognised.
    fn mark(&mut self, line: u64) {
        let at = usize::try_from(line / 64).expect("a sample's lines fit");
        if self.lines.len() <= at {
            self.lines.resize(at + 1, 0);
        }
        self.lines[at] |= 1 << (line % 64);
    }

    /// Tells whether it recognises lines that the best does not, and more than that, or nearly as well.
    fn is_near(&self, best: &Self) -> bool {
        let others = best.lines.iter().copied().chain(std::iter::repeat(0));
        self.lines.iter().zip(others).any(|(own, other)| own & !other != 0)
            && (best.recognised < self.recognised
                || best.weight() * NEAR_PERCENT <= self.weight() * 100)
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

impl Detected {
    /// Tells whether the format fits at least half of the lines.
    fn is_known(&self) -> bool {
        self.score.is_known()
    }

    fn is_stdin(&self) -> bool {
        self.path.as_os_str().is_empty()
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
        let path = if self.is_stdin() {
            "standard input".to_owned()
        } else {
            hint::one_line(&self.path.to_string_lossy())
        };
        let what = if self.best.joins { "events" } else { "lines" };
        let share = format!("{recognised} of {events} {what} ({:.1} %)", self.percent());
        text.push_str(&format!("{path}: "));
        if self.is_known() {
            colours.push(&mut text, Ink::Good, &self.best.name);
            text.push_str(&format!("\n  {}\n  {share}\n", self.best.about));
            let encoding = &self.best.input.reading.encoding;
            if *encoding != EncodingSettings::Utf8 {
                text.push_str(&format!("  in `{}`\n", charset::name_of(encoding)));
            }
        } else {
            colours.push(&mut text, Ink::Bad, "no format that is known");
            if *recognised == 0 {
                text.push_str(&format!("\n  0 of {events} lines\n"));
            } else {
                text.push_str(&format!("\n  at best {}: {share}\n", self.best.name));
            }
        }
        self.push_near(&mut text);
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
        if !self.is_known() {
            let line = others.first().map_or("", |(_, line)| line);
            text.push_str(&format!("\nhint: {}\n", wrapping::advice(line)));
        }
        text
    }

    fn push_near(&self, text: &mut String) {
        let Some(Near { name, score }) = &self.near else { return };
        let Score { events, recognised, partial, .. } = score;
        text.push_str(&format!("  near: {name}, {recognised} of {events}"));
        if *partial != 0 {
            text.push_str(&format!(", {partial} of them only in part"));
        }
        text.push('\n');
    }

    fn json(&self, input: Option<&str>) -> Value {
        let Score { events, recognised, others, .. } = &self.score;
        let is_known = self.is_known();
        let others: Vec<Value> =
            others.iter().map(|(line, text)| json!({"line": line, "text": text})).collect();
        json!({
            "file": if self.is_stdin() { "-".into() } else { self.path.to_string_lossy() },
            "format": is_known.then_some(&self.best.name),
            "events": events,
            "recognised": recognised,
            "near": self.near.as_ref().map(|near| &near.name),
            "percent": (self.percent() * 10.0).round() / 10.0,
            "not_recognised": others,
            "configuration": input.map(|input| format!("{INPUTS}{input}")),
            "error": self.fault,
        })
    }
}

fn fault_json(file: &Path, error: &Advised) -> Value {
    json!({"file": file.to_string_lossy(), "format": null, "error": error.to_string()})
}
