//! The inputs of the configuration that is printed: one for each log, under all names that rotation gives it.

use super::candidates::Candidate;
use crate::assembly::charset;
use crate::discovery::glob::Pattern;
use crate::packing::Format as Packing;
use crate::settings::reading::EncodingSettings;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What rotation puts before a date has at least so many digits.
const DATE_DIGITS_MIN: usize = 8;

/// Words that YAML takes for something else than a text.
const YAML_WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// The id of an input whose file has a name without a letter.
const NAMELESS: &str = "log";

/// The files whose format is known.
#[derive(Default)]
pub(super) struct Inputs(Vec<Named>);

/// One of them.
struct Named {
    /// Its place among all files that were named.
    number: usize,
    candidate: Candidate,
    path: PathBuf,
    is_packed: bool,
    /// The log that it is, or was before it was rotated.
    log: PathBuf,
    /// What rotation put between the log's name and its number or date.
    sign: Option<char>,
}

impl Inputs {
    /// Adds a file; one that is named twice counts once.
    pub(super) fn take(
        &mut self,
        number: usize,
        candidate: &Candidate,
        path: &Path,
        is_packed: bool,
    ) {
        if self.0.iter().any(|named| named.path == path) {
            return;
        }
        let (log, sign) = log_of(path);
        let (candidate, path) = (candidate.clone(), path.to_owned());
        self.0.push(Named { number, candidate, path, is_packed, log, sign });
    }

    /// Returns the items of `filebeat.inputs`, each with the place of the first file that it reads.
    pub(super) fn items(&self) -> Vec<(usize, String)> {
        let mut ids = Vec::new();
        let mut items = Vec::new();
        for first in &self.0 {
            let group: Vec<&Named> = self.0.iter().filter(|one| one.is_with(first)).collect();
            // An input of standard input is alone.
            let is_alone = self.0.len() == 1;
            if group[0].number != first.number || (first.is_stdin() && !is_alone) {
                continue;
            }
            let id = new_id(&first.log, &ids);
            items.push((first.number, self.item(&group, &id)));
            ids.push(id);
        }
        items
    }

    /// Returns the item that reads the files of a group.
    fn item(&self, group: &[&Named], id: &str) -> String {
        let candidate = &group[0].candidate;
        if group[0].is_stdin() {
            let mut text = "  - type: stdin\n    id: stdin\n".to_owned();
            push_reading(&mut text, candidate);
            return text;
        }
        let mut text = format!("  - type: filestream\n    id: {}\n", quoted(id));
        let paths: Vec<String> = self.paths(group).iter().map(|path| quoted(path)).collect();
        text.push_str(&format!("    paths: [{}]\n", paths.join(", ")));
        if group.iter().all(|named| named.is_packed) {
            text.push_str("    compression: auto\n");
        }
        push_reading(&mut text, candidate);
        text
    }

    /// Returns what leads to the files of a group, and to those that its log is rotated to later.
    fn paths(&self, group: &[&Named]) -> Vec<String> {
        let as_it_is = |named: &&Named| as_pattern(&named.path.to_string_lossy());
        let literal: Vec<String> = group.iter().map(as_it_is).collect();
        if group.len() == 1 {
            return literal;
        }
        let mut paths: Vec<String> = Vec::new();
        for named in group {
            let path = match named.sign {
                Some(sign) => {
                    format!("{}{sign}[0-9]*", as_pattern(&named.log.to_string_lossy()))
                }
                None => as_it_is(named),
            };
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        // What two inputs lead to is sent twice.
        let others = || self.0.iter().filter(|one| !one.is_with(group[0]));
        let takes_others = |path: &String| {
            let pattern = Pattern::parse_flat(path).ok();
            pattern.is_some_and(|pattern| others().any(|one| pattern.matches(&one.path)))
        };
        if paths.iter().any(takes_others) { literal } else { paths }
    }
}

impl Named {
    fn is_stdin(&self) -> bool {
        self.path.as_os_str().is_empty()
    }

    /// Tells whether one input reads both.
    fn is_with(&self, other: &Self) -> bool {
        let encoding = |named: &Self| named.candidate.input.reading.encoding.clone();
        self.log == other.log
            && self.candidate.name == other.candidate.name
            && encoding(self) == encoding(other)
    }
}

/// Adds how the lines of an input are read.
fn push_reading(text: &mut String, candidate: &Candidate) {
    let encoding = &candidate.input.reading.encoding;
    if *encoding != EncodingSettings::Utf8 {
        text.push_str(&format!("    encoding: {}\n", charset::name_of(encoding)));
    }
    let blank = if candidate.format.starts_with('\n') { "" } else { " " };
    text.push_str(&format!("    format:{blank}{}\n", candidate.format));
}

/// Returns the log that a file belongs to by its name, and what stands before the number or the date that rotation gave it:
/// `access.log` of `access.log`, `access.log.2.gz` and `access.log-20261121`.
fn log_of(path: &Path) -> (PathBuf, Option<char>) {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return (path.to_owned(), None);
    };
    let endings = Packing::ALL.map(Packing::ending);
    let plain = endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let plain = if plain.is_empty() { name } else { plain };
    let (log, sign) = match rotated(plain) {
        // An address, or a version, is no number of a rotation.
        Some((log, sign)) if rotated(log).is_none() => (log, Some(sign)),
        _ => (plain, None),
    };
    (path.with_file_name(log), sign)
}

/// Takes the number or the date of a rotation off a name.
fn rotated(name: &str) -> Option<(&str, char)> {
    let log = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
    let (log, sign) = match log.strip_suffix('.') {
        Some(log) => (log, '.'),
        None => (log, '-'),
    };
    let mark = name.get(log.len()..)?.strip_prefix(sign)?;
    let digits = mark.bytes().filter(u8::is_ascii_digit).count();
    let is_mark = mark.starts_with(|letter: char| letter.is_ascii_digit())
        && (sign == '.' || DATE_DIGITS_MIN <= digits);
    (is_mark && !log.is_empty()).then_some((log, sign))
}

/// Returns an id for a log that none of the others has: of its name, that of its directory, and a number, as far as it
/// takes.
fn new_id(path: &Path, others: &[String]) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let word = |name: Option<&OsStr>| -> String {
        let word: String = name.unwrap_or_default().to_string_lossy().chars().map(plain).collect();
        match word.trim_matches('-') {
            "" => NAMELESS.to_owned(),
            word => word.to_owned(),
        }
    };
    let name = word(path.file_stem());
    let above = word(path.parent().and_then(Path::file_name));
    let is_free = |id: &String| !others.contains(id);
    let first = [name.clone(), format!("{above}-{name}")].into_iter().find(is_free);
    let numbers = 2..=others.len() + 2;
    let numbered = || numbers.map(|number| format!("{above}-{name}-{number}")).find(is_free);
    first.or_else(numbered).unwrap_or(name)
}

/// Returns the pattern that matches a path and nothing else.
fn as_pattern(path: &str) -> String {
    let is_special = |letter: char| matches!(letter, '*' | '?' | '[');
    let one = |letter| if is_special(letter) { format!("[{letter}]") } else { letter.to_string() };
    path.chars().map(one).collect()
}

/// Returns a text as YAML reads it, also in a list between brackets.
fn quoted(text: &str) -> String {
    let is_plain =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_');
    let begins = |letter: char| letter.is_ascii_alphabetic() || letter == '/';
    let is_word = YAML_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    // As `$${` is `${`, so that no path is taken for a reference.
    let text = text.replace("${", "$${");
    let is_text = text.starts_with(begins) && text.chars().all(is_plain) && !is_word;
    if is_text { text } else { Value::from(text).to_string() }
}
