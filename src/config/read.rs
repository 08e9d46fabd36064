//! YAML text to the tree, through the events of a parser that keeps positions.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use crate::config::problems::{Place, Problem};
use crate::config::syntax;
use crate::config::tree::{KeyText, Map, Merge, Node, Scalar, Value};

/// Levels of nesting; more is no configuration, and what walks the tree calls itself.
const DEPTH_MAX: usize = 64;
/// Values in one source, aliases written out; stops a few lines that mean gigabytes.
const VALUES_MAX: usize = 100_000;

/// Reads one YAML text into a node whose value is a map; adds what is wrong to `problems`.
///
/// Of a text that is no YAML, or not a map, an empty map comes back and one problem.
pub fn read(source: usize, text: &str, problems: &mut Vec<Problem>) -> Node {
    let start = Place { source, line: 1, column: 1, length: 1 };
    let empty = Node { place: start, value: Value::Map(Map::default()) };
    let Some(node) = read_any(source, text, problems) else { return empty };
    match node.value {
        Value::Map(_) => node,
        Value::Null => empty,
        Value::Scalar(_) | Value::List(_) => {
            let message = format!("expected `key: value` lines, found {}", node.kind());
            let (place, hint) = match syntax::advice(text, node.place) {
                Some(advice) => (advice.place, advice.hint),
                None => (
                    node.place,
                    "every line of a configuration begins with a key and a colon".to_owned(),
                ),
            };
            problems.push(Problem::new(place, message).hint(hint));
            empty
        }
    }
}

/// Reads one YAML text of any kind; `None` after a problem, null for an empty text.
pub fn read_any(source: usize, text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        source,
        open: Vec::new(),
        done: None,
        anchors: HashMap::new(),
        values: 0,
        problems,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let problem = syntax_problem(source, text, &error);
                // One of the same place that was told before says the same.
                let line =
                    |problem: &Problem| problem.place.map(|place| (place.source, place.line));
                builder.problems.retain(|told| line(told) != line(&problem));
                builder.problems.push(problem);
                return None;
            }
        };
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if 1 < documents {
                let problem = Problem::new(place(source, span), "a second document starts here");
                builder.problems.push(problem.hint("only one is read: remove the `---` line"));
                break;
            }
        }
        if let Err(problem) = builder.take(event, span) {
            builder.problems.push(*problem);
            return None;
        }
    }
    let start = Place { source, line: 1, column: 1, length: 1 };
    let node = builder.done.unwrap_or(Node { place: start, value: Value::Null });
    if DEPTH_MAX < node.depth() {
        problems.push(Problem::new(start, "the keys are nested too deeply"));
        return None;
    }
    Some(node)
}

fn syntax_problem(source: usize, text: &str, error: &ScanError) -> Problem {
    let marker = error.marker();
    let at = Place { source, line: marker.line(), column: marker.col() + 1, length: 1 };
    let problem = |place, what: &str| Problem::new(place, format!("this is not YAML: {what}"));
    match syntax::advice(text, at) {
        Some(advice) => problem(advice.place, advice.what).hint(advice.hint),
        None if error.info().contains("simple key") => {
            problem(syntax::within(text, at), "no colon follows a key, here or in the line above")
                .hint("write every key with a colon and a space: `key: value`")
        }
        None => problem(syntax::within(text, at), error.info())
            .hint("compare its indentation, quotes and brackets with the lines around it"),
    }
}

fn place(source: usize, span: Span) -> Place {
    let one_line = span.start.line() == span.end.line();
    let length = if one_line { span.len() } else { 1 };
    Place { source, line: span.start.line(), column: span.start.col() + 1, length }
}

/// A key with its value as written, before dots are taken apart; a merge key needs it so.
type RawEntry = (KeyText, Node);

struct Builder<'a> {
    source: usize,
    open: Vec<Open>,
    done: Option<Node>,
    anchors: HashMap<usize, (Node, Vec<RawEntry>)>,
    values: usize,
    problems: &'a mut Vec<Problem>,
}

/// A list or map whose end has not come.
struct Open {
    place: Place,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { entries: Vec<RawEntry>, merged: Vec<RawEntry>, key: Option<KeyText> },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        let place = place(self.source, span);
        match event {
            Event::SequenceStart(anchor, _) => {
                self.begin(Open { place, anchor, kind: OpenKind::List(Vec::new()) })
            }
            Event::MappingStart(anchor, _) => {
                let kind = OpenKind::Map { entries: Vec::new(), merged: Vec::new(), key: None };
                self.begin(Open { place, anchor, kind })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !tag.as_deref().is_some_and(is_string);
                let lines = span.end.line() + 1 - span.start.line();
                if style == ScalarStyle::Plain
                    && let Some((message, hint)) = syntax::plain_text_advice(&text, lines)
                {
                    self.problems.push(Problem::new(place, message).hint(hint));
                }
                let node = Node { place, value: scalar_value(&text, plain) };
                if anchor != 0 {
                    self.anchors.insert(anchor, (node.clone(), Vec::new()));
                }
                self.push(node, Vec::new(), &text)
            }
            Event::Alias(anchor) => {
                let Some((node, raw)) = self.anchors.get(&anchor) else {
                    return Err(Box::new(Problem::new(
                        place,
                        "this alias stands inside of what it names",
                    )));
                };
                let (mut node, raw) = (node.clone(), raw.clone());
                if DEPTH_MAX < self.open.len() + node.depth() {
                    return Err(Box::new(Problem::new(place, "this is nested too deeply")));
                }
                self.count(node.size(), place)?;
                node.place = place;
                let text = node.text().unwrap_or_default().to_owned();
                self.push(node, raw, &text)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn count(&mut self, values: usize, place: Place) -> Result<(), Box<Problem>> {
        self.values += values;
        if VALUES_MAX < self.values {
            return Err(Box::new(Problem::new(place, format!("more than {VALUES_MAX} values"))));
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) -> Result<(), Box<Problem>> {
        if DEPTH_MAX <= self.open.len() {
            return Err(Box::new(Problem::new(open.place, "this is nested too deeply")));
        }
        if self.waits_for_key() {
            return Err(Box::new(
                Problem::new(open.place, "a key has to be a single text")
                    .hint("does a value with `{` or `[` at its start need quotes?"),
            ));
        }
        self.open.push(open);
        Ok(())
    }

    fn waits_for_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: OpenKind::Map { key: None, .. }, .. }))
    }

    fn end(&mut self) -> Result<(), Box<Problem>> {
        let open = self.open.pop().expect("the parser balances starts and ends");
        let (value, raw) = match open.kind {
            OpenKind::List(items) => (Value::List(items), Vec::new()),
            OpenKind::Map { entries, merged, .. } => {
                let mut all = entries.clone();
                for (key, node) in &merged {
                    if !all.iter().any(|(known, _)| known.text == key.text) {
                        all.push((key.clone(), node.clone()));
                    }
                }
                (Value::Map(assemble(entries, merged, self.problems)), all)
            }
        };
        let node = Node { place: open.place, value };
        if open.anchor != 0 {
            self.anchors.insert(open.anchor, (node.clone(), raw.clone()));
        }
        self.push(node, raw, "")
    }

    /// Puts a finished value where it belongs; `text` is its text in case that it is a key.
    fn push(&mut self, node: Node, raw: Vec<RawEntry>, text: &str) -> Result<(), Box<Problem>> {
        let place = node.place;
        self.count(1, place)?;
        match self.open.last_mut() {
            None => self.done = Some(node),
            Some(Open { kind: OpenKind::List(items), .. }) => items.push(node),
            Some(Open { kind: OpenKind::Map { entries, merged, key }, .. }) => match key.take() {
                None if matches!(node.value, Value::List(_) | Value::Map(_)) => {
                    return Err(Box::new(Problem::new(place, "a key has to be a single text")));
                }
                None => {
                    let quoted = matches!(&node.value, Value::Scalar(s) if !s.plain);
                    *key = Some(KeyText { text: text.to_owned(), place, quoted });
                }
                Some(merge_key) if merge_key.text == "<<" && !merge_key.quoted => {
                    take_merged(merged, node, raw)?;
                }
                Some(known) => entries.push((known, node)),
            },
        }
        Ok(())
    }
}

fn is_string(tag: &Tag) -> bool {
    tag.suffix == "str" || tag.suffix == "binary"
}

fn scalar_value(text: &str, plain: bool) -> Value {
    if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar(Scalar { text: text.to_owned(), plain, expanded: false })
}

/// Collects what a merge key (`<<`) brings: a map, or a list of maps of which the earlier win.
fn take_merged(
    merged: &mut Vec<RawEntry>,
    node: Node,
    raw: Vec<RawEntry>,
) -> Result<(), Box<Problem>> {
    match node.value {
        Value::Map(_) => merged.extend(raw),
        Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
            for item in items {
                let Value::Map(map) = item.value else { continue };
                merged.extend(map.entries.into_iter().map(|entry| {
                    (KeyText { text: entry.key, place: entry.place, quoted: false }, entry.value)
                }));
            }
        }
        Value::Null | Value::Scalar(_) | Value::List(_) => {
            return Err(Box::new(Problem::new(node.place, "`<<` takes a map, or a list of maps")));
        }
    }
    Ok(())
}

/// Makes a map of entries as written: what stands there wins over what a merge key brings.
fn assemble(entries: Vec<RawEntry>, merged: Vec<RawEntry>, problems: &mut Vec<Problem>) -> Map {
    let mut map = Map::default();
    let mut first: HashMap<String, Place> = HashMap::new();
    for (key, node) in entries {
        if let Some(&known) = first.get(&key.text) {
            let problem = Problem::new(key.place, format!("the key `{}` stands twice", key.text))
                .other(known, "it stands first here");
            problems.push(problem.hint("keep one of the two"));
            continue;
        }
        first.insert(key.text.clone(), key.place);
        map.insert(&key, node, Merge::Strict, problems);
    }
    for (key, node) in merged {
        if !first.contains_key(&key.text) {
            map.insert(&key, node, Merge::Fill, problems);
        }
    }
    map
}
