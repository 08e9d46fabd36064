//! Values of the command line: `-E key=value` and flags that set one key.

use crate::config::problems::{Place, Problem};
use crate::config::read;
use crate::config::tree::{KeyText, Map, Merge, Node, Scalar, Value};

/// One value of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLineValue {
    /// How it is told from the others: `-E option 2`, `--path.data`.
    pub name: String,
    /// `key=value`; the value alone of [`Reading::Of`].
    pub text: String,
    /// How the value is to be read.
    pub reading: Reading,
}

/// Says how a value of the command line is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Lists, maps and quoted texts in YAML's short form, all else as it stands.
    ShortForm,
    /// As it stands: a path may begin with a bracket.
    AsItStands,
    /// As [`Reading::ShortForm`], for this key, which the command line does not name.
    Of(&'static str),
}

/// Gives the values of `-E` the numbers that they have on the command line, from 1.
#[must_use]
pub fn numbered(texts: &[String]) -> Vec<CommandLineValue> {
    let named = texts.iter().enumerate().map(|(index, text)| CommandLineValue {
        name: format!("-E option {}", index + 1),
        text: text.clone(),
        reading: Reading::ShortForm,
    });
    named.collect()
}

/// Puts one value into the tree, over what stands there.
pub fn insert(
    root: &mut Map,
    source: usize,
    given: &CommandLineValue,
    problems: &mut Vec<Problem>,
) {
    let text = given.text.as_str();
    let whole = Place { source, line: 1, column: 1, length: text.chars().count() };
    if let Reading::Of(key) = given.reading {
        let key = KeyText { text: key.to_owned(), place: whole, quoted: false };
        if let Some(value) = read_value(text, source, 0, problems) {
            root.insert(&key, value, Merge::Override, problems);
        }
        return;
    }
    let Some((key, value)) = text.split_once('=') else {
        let problem = Problem::new(whole, "there is no `=` between a key and a value");
        problems.push(problem.hint("write -E key=value, such as -E name=web1"));
        return;
    };
    let length = key.chars().count();
    let spaces = length - key.trim_start().chars().count();
    if key.trim().is_empty() {
        let problem = Problem::new(Place { length: 1, ..whole }, "there is no key before the `=`");
        problems.push(problem.hint("write -E key=value, such as -E name=web1"));
        return;
    }
    let key = key.trim();
    let place = Place { column: spaces + 1, length: key.chars().count(), ..whole };
    let key = KeyText { text: key.to_owned(), place, quoted: false };
    let value = match given.reading {
        Reading::ShortForm | Reading::Of(_) => read_value(value, source, length + 1, problems),
        Reading::AsItStands => Some(as_it_stands(value, source, length + 1)),
    };
    if let Some(value) = value {
        root.insert(&key, value, Merge::Override, problems);
    }
}

/// Reads a value behind `offset` characters: a list, a map or a quoted text in YAML's short form,
/// else a text as it stands.
fn read_value(
    text: &str,
    source: usize,
    offset: usize,
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    if text.trim_start().starts_with(['[', '{', '"', '\'']) {
        let mut own = Vec::new();
        let mut node = read::read_any(source, text, &mut own);
        for problem in &mut own {
            for place in problem.place.iter_mut().chain(problem.other.iter_mut().map(|o| &mut o.0))
            {
                shift(place, offset);
            }
        }
        problems.append(&mut own);
        if let Some(node) = &mut node {
            shift_all(node, offset);
        }
        return node;
    }
    Some(as_it_stands(text, source, offset))
}

fn as_it_stands(text: &str, source: usize, offset: usize) -> Node {
    let length = text.chars().count().max(1);
    let value = match text.trim() {
        "" | "~" | "null" => Value::Null,
        text => Value::Scalar(Scalar { text: text.to_owned(), plain: true, expanded: true }),
    };
    Node { place: Place { source, line: 1, column: offset + 1, length }, value }
}

/// Moves a place of the value to where it is in `key=value`.
fn shift(place: &mut Place, offset: usize) {
    if place.line == 1 {
        place.column += offset;
    }
}

fn shift_all(node: &mut Node, offset: usize) {
    shift(&mut node.place, offset);
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| shift_all(item, offset)),
        Value::Map(map) => {
            for entry in &mut map.entries {
                shift(&mut entry.place, offset);
                shift_all(&mut entry.value, offset);
            }
        }
    }
}
