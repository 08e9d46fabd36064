//! Reads single values at dotted paths; what does not fit becomes a problem with its place.

use std::cell::RefCell;
use std::time::Duration;

use crate::config::check;
use crate::config::mask::is_secret_key;
use crate::config::problems::{Place, Problem};
use crate::config::tree::{Map, Node, Scalar, Value};
use crate::units::{self, ByteSize};

/// Collects what reading yields beside values.
#[derive(Debug, Default)]
pub struct Notes {
    /// What is wrong.
    pub problems: RefCell<Vec<Problem>>,
    /// What is odd, yet works.
    pub warnings: RefCell<Vec<String>>,
}

/// One place in the tree, there or not, and the path that leads to it.
#[derive(Debug, Clone)]
pub struct At<'a> {
    node: Option<&'a Node>,
    /// Dotted, with `[0]` for items of lists, as the operator knows it.
    path: String,
    /// Where the value stands; of null, which counts as absent, as well.
    place: Option<Place>,
    notes: &'a Notes,
}

impl<'a> At<'a> {
    /// Starts at the root.
    #[must_use]
    pub fn root(node: &'a Node, notes: &'a Notes) -> Self {
        Self { node: Some(node), path: String::new(), place: Some(node.place), notes }
    }

    /// Stands at another value, under a path of its own; null counts as absent.
    #[must_use]
    pub fn standing_at<'b>(&self, node: &'b Node, path: String) -> At<'b>
    where
        'a: 'b,
    {
        let place = Some(node.place);
        let node = Some(node).filter(|node| !matches!(node.value, Value::Null));
        At { node, path, place, notes: self.notes }
    }

    /// Gives what was noted since there were so many problems to a function that may change it.
    pub fn rewrite(&self, since: usize, change: impl FnMut(&mut Problem)) {
        self.notes.problems.borrow_mut()[since..].iter_mut().for_each(change);
    }

    /// Returns how many problems were noted so far.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.notes.problems.borrow().len()
    }

    /// Goes down a dotted path; null counts as absent.
    #[must_use]
    pub fn get(&self, path: &str) -> Self {
        let node = self.node.and_then(|node| node.find(path));
        let place = node.map(|node| node.place);
        let node = node.filter(|node| !matches!(node.value, Value::Null));
        let path =
            if self.path.is_empty() { path.to_owned() } else { format!("{}.{path}", self.path) };
        Self { node, path, place, notes: self.notes }
    }

    /// Goes to the first of several spellings of one key that is there; a second one is a problem.
    #[must_use]
    pub fn first_of(&self, paths: &[&str]) -> Self {
        let mut found: Option<Self> = None;
        for path in paths {
            let at = self.get(path);
            match &found {
                Some(first) if at.is_there() => {
                    at.problem(format!("`{}` means the same as `{}`", at.path, first.path));
                }
                _ if at.is_there() => found = Some(at),
                _ => {}
            }
        }
        found.unwrap_or_else(|| self.get(paths[0]))
    }

    /// Tells whether there is a value.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.node.is_some()
    }

    /// Returns the value's node.
    #[must_use]
    pub fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// Returns the path as the operator knows it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns where the value stands.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Tells whether nothing was found wrong so far.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.notes.problems.borrow().is_empty()
    }

    /// Tells whether an unknown key was told of which this text is in the hint: a key that is missing was probably meant.
    #[must_use]
    pub fn is_meant(&self, hint: &str) -> bool {
        let is_one = |problem: &Problem| {
            problem.message.starts_with("unknown key")
                && problem.hint.as_deref().is_some_and(|said| said.contains(hint))
        };
        self.notes.problems.borrow().iter().any(is_one)
    }

    /// Notes a problem at this value.
    pub fn problem(&self, message: impl Into<String>) {
        self.push(self.new_problem(message));
    }

    /// Notes a problem at this value, with advice.
    pub fn problem_with(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.push(self.new_problem(message).hint(hint));
    }

    /// Notes a problem that has its own place.
    pub fn push(&self, problem: Problem) {
        self.notes.problems.borrow_mut().push(problem);
    }

    /// Notes a warning.
    pub fn warn(&self, message: impl Into<String>) {
        self.notes.warnings.borrow_mut().push(message.into());
    }

    fn new_problem(&self, message: impl Into<String>) -> Problem {
        match self.place() {
            // Of the whole configuration no line is worth showing.
            Some(_) if self.path.is_empty() => Problem::new(Place::default(), message),
            Some(place) => Problem::new(place, message),
            None => Problem::general(message),
        }
    }

    fn scalar(&self, expected: &str) -> Option<&'a Scalar> {
        let node = self.node?;
        if let Value::Scalar(scalar) = &node.value {
            return Some(scalar);
        }
        self.problem(format!("`{}` takes {expected}, found {}", self.path, node.kind()));
        None
    }

    /// Notes that a value is not what its key takes; a secret is not repeated.
    pub fn wrong(&self, expected: &str, text: &str) {
        self.push(self.wrong_value(expected, text));
    }

    /// Notes that a value is not what its key takes, with advice; a secret is not repeated.
    pub fn wrong_with(&self, expected: &str, text: &str, hint: impl Into<String>) {
        self.push(self.wrong_value(expected, text).hint(hint));
    }

    fn wrong_value(&self, expected: &str, text: &str) -> Problem {
        let shown = if is_secret_key(&self.path) {
            String::new()
        } else {
            format!(", found `{}`", text.chars().take(80).collect::<String>())
        };
        self.new_problem(format!("`{}` takes {expected}{shown}", self.path))
    }

    /// Reads a text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.scalar("a text").map(|scalar| scalar.text.clone())
    }

    /// Reads a text of one line: the line end behind a block scalar (`|`) is no part of it.
    #[must_use]
    pub fn text_of_line(&self) -> Option<String> {
        let mut text = self.text()?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        Some(text)
    }

    /// Reads a text; an empty one counts as absent.
    #[must_use]
    pub fn text_if_any(&self) -> Option<String> {
        self.text().filter(|text| !text.is_empty())
    }

    /// Reads a boolean.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        let scalar = self.scalar("`true` or `false`")?;
        let value = self.node.and_then(Node::boolean);
        if value.is_none() {
            self.wrong("`true` or `false`", &scalar.text);
        }
        value
    }

    /// Reads one of several words and returns which.
    #[must_use]
    pub fn word(&self, allowed: &[&str]) -> Option<usize> {
        let scalar = self.scalar("a word")?;
        let found = allowed.iter().position(|word| *word == scalar.text);
        if found.is_none()
            && let Some(place) = self.place()
        {
            self.push(check::not_one_of(place, &self.path, &scalar.text, allowed));
        }
        found
    }

    /// Reads a whole number from a range.
    #[must_use]
    pub fn integer(&self, least: i64, most: i64) -> Option<i64> {
        let expected = if most == i64::MAX {
            format!("a whole number from {least}")
        } else {
            format!("a whole number from {least} to {most}")
        };
        let scalar = self.scalar(&expected)?;
        let value = go_integer(&scalar.text).filter(|value| (least..=most).contains(value));
        if value.is_none() {
            self.wrong(&expected, &scalar.text);
        }
        value
    }

    /// Reads the mode of a file: `0600`, also quoted; Go reads a leading zero as octal.
    #[must_use]
    pub fn file_mode(&self) -> Option<u32> {
        let scalar = self.scalar("a file mode such as 0600")?;
        let value = go_integer(&scalar.text).and_then(|value| u32::try_from(value).ok());
        let Some(value) = value.filter(|value| *value <= 0o777) else {
            self.wrong("a file mode such as 0600", &scalar.text);
            return None;
        };
        if !scalar.text.starts_with('0') && value != 0 {
            let hint = format!("octal modes begin with a zero: 0{}", scalar.text);
            self.push(self.wrong_value("a file mode such as 0600", &scalar.text).hint(hint));
            return None;
        }
        Some(value)
    }

    /// Reads a duration.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let expected = "a duration such as `10s` or `1m30s`";
        let scalar = self.scalar(expected)?;
        match units::parse_duration(&scalar.text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.push(self.wrong_value(expected, &scalar.text).hint(error.to_string()));
                None
            }
        }
    }

    /// Reads a duration that is longer than nothing.
    #[must_use]
    pub fn positive_duration(&self) -> Option<Duration> {
        let duration = self.duration()?;
        if duration.is_zero() {
            self.problem(format!("`{}` has to be more than 0", self.path));
            return None;
        }
        Some(duration)
    }

    /// Reads a number of bytes from a range.
    #[must_use]
    pub fn bytes(&self, least: u64, most: u64) -> Option<u64> {
        let expected = "a size such as `10MiB`";
        let scalar = self.scalar(expected)?;
        let size = match go_integer(&scalar.text).and_then(|value| u64::try_from(value).ok()) {
            Some(value) => Ok(ByteSize(value)),
            None => ByteSize::parse(&scalar.text),
        };
        match size {
            Ok(ByteSize(size)) if (least..=most).contains(&size) => Some(size),
            Ok(_) => {
                let expected = format!("a size from {least} to {most} bytes");
                self.wrong(&expected, &scalar.text);
                None
            }
            Err(error) => {
                self.push(self.wrong_value(expected, &scalar.text).hint(error.to_string()));
                None
            }
        }
    }

    /// Reads the items of a list; a single value is a list of one, and one from a variable or the
    /// command line is split at its commas.
    #[must_use]
    pub fn items(&self) -> Vec<At<'a>> {
        let Some(node) = self.node else { return Vec::new() };
        match &node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| {
                    let place = Some(node.place);
                    let node = Some(node).filter(|node| !matches!(node.value, Value::Null));
                    let path = format!("{}[{index}]", self.path);
                    At { node, path, place, notes: self.notes }
                })
                .collect(),
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Map(_) => vec![self.clone()],
        }
    }

    /// Reads a list of texts, each with its place; empty ones are problems.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, At<'a>)> {
        let mut texts = Vec::new();
        for item in self.items() {
            let Some(scalar) = item.scalar("a list of texts") else { continue };
            let before = texts.len();
            if scalar.expanded {
                let list = scalar.text.trim();
                let inner = list.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
                for part in inner.unwrap_or(list).split(',') {
                    let part = part.trim().trim_matches(['"', '\'']);
                    if !part.is_empty() {
                        texts.push((part.to_owned(), item.clone()));
                    }
                }
            } else if !scalar.text.is_empty() {
                texts.push((scalar.text.clone(), item.clone()));
            }
            if texts.len() == before && !scalar.expanded {
                item.problem(format!("`{}` is empty", item.path));
            }
        }
        texts
    }

    /// Returns the map that stands here.
    #[must_use]
    pub fn map(&self) -> Option<&'a Map> {
        let node = self.node?;
        if let Value::Map(map) = &node.value {
            return Some(map);
        }
        self.problem(format!("`{}` takes keys below it, found {}", self.path, node.kind()));
        None
    }

    /// Returns all single values below as dotted names and texts.
    #[must_use]
    pub fn flat_texts(&self) -> Vec<(String, String)> {
        let mut flat = Vec::new();
        if let Some(map) = self.map() {
            for entry in &map.entries {
                flatten(&entry.key, &entry.value, &mut flat);
            }
        }
        flat
    }
}

fn flatten(name: &str, node: &Node, flat: &mut Vec<(String, String)>) {
    match &node.value {
        Value::Null => flat.push((name.to_owned(), String::new())),
        Value::Scalar(scalar) => flat.push((name.to_owned(), scalar.text.clone())),
        Value::Map(map) => {
            for entry in &map.entries {
                flatten(&format!("{name}.{}", entry.key), &entry.value, flat);
            }
        }
        Value::List(items) => {
            for item in items {
                flatten(name, item, flat);
            }
        }
    }
}

/// Reads a whole number as Go's YAML does: `0600` and `0o600` octal, `0x1f`, `0b1`, `1e3`, `1_000`.
#[must_use]
pub fn go_integer(text: &str) -> Option<i64> {
    let text = text.trim().replace('_', "");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let value = if let Some(hex) = lower.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()?
    } else if let Some(octal) = lower.strip_prefix("0o") {
        i64::from_str_radix(octal, 8).ok()?
    } else if let Some(binary) = lower.strip_prefix("0b") {
        i64::from_str_radix(binary, 2).ok()?
    } else if 1 < lower.len() && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit())
    {
        i64::from_str_radix(&lower, 8).ok()?
    } else {
        decimal(&lower)?
    };
    Some(if negative { -value } else { value })
}

/// Reads `1600`, `1600.0` or `1.6e3`, when it is whole.
fn decimal(text: &str) -> Option<i64> {
    if let Ok(value) = text.parse::<i64>() {
        return Some(value);
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let shift = exponent - i32::try_from(fraction.len()).ok()?;
    let digits: i64 = format!("{whole}{fraction}").parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let factor = 10_i64.checked_pow(u32::try_from(shift).ok()?)?;
    digits.checked_mul(factor)
}
