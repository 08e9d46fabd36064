//! `${VAR}`, `${VAR:default}`, `${VAR:?text}`, `${VAR:+text}` and references to other keys
//! (`${path.data}/x`); `$${` stands for `${`.

use crate::config::problems::{Place, Problem};
use crate::config::tree::{Entry, Map, Node, Scalar, Value};

/// Looks up one variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// References that refer to references, at most.
const CHAIN_MAX: usize = 16;
/// References that are followed in one configuration; stops a few lines that mean gigabytes.
const FOLLOWED_MAX: usize = 10_000;
/// Levels of a list or map that a reference may stand for.
const WHOLE_DEPTH_MAX: usize = 8;
/// Longest text of one value, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// Sections that Filebeat does not read when it ships, unless they say `enabled: true`. It replaces
/// a reference when it reads the value: an unset variable stops it everywhere else, below a key that
/// only tunes as well, and so it does here; in these sections it is worth a warning only.
const NOT_READ: [&str; 5] =
    ["http", "instrumentation", "monitoring", "setup.dashboards", "setup.kibana"];

/// What only who delivers needs: where it goes, and who may write there. A service may have it from an environment that
/// others have not.
const DELIVERING: [&str; 13] = [
    "cloud",
    "filebeat.inputs.ssl",
    "inputs.ssl",
    "output.elasticsearch.api_key",
    "output.elasticsearch.headers",
    "output.elasticsearch.hosts",
    "output.elasticsearch.parameters",
    "output.elasticsearch.password",
    "output.elasticsearch.protocol",
    "output.elasticsearch.proxy_headers",
    "output.elasticsearch.proxy_url",
    "output.elasticsearch.ssl",
    "output.elasticsearch.username",
];

/// Whom a configuration is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Who delivers: every reference has to lead somewhere.
    Delivers,
    /// Who only looks at what is there: what is needed for delivering may be unknown.
    Looks,
}

/// A tree after its references were replaced.
#[derive(Debug)]
pub struct Expanded {
    /// The tree; values with a reference that leads nowhere stand as they were.
    pub root: Node,
    /// Where those values stand: what else is wrong with them is not worth telling.
    pub failed: Vec<Place>,
    /// What is odd about references in sections that nobody reads.
    pub warnings: Vec<String>,
    /// Keys whose references lead nowhere, which is no problem for who only looks.
    pub unknown: Vec<String>,
}

/// Returns the tree with every reference replaced; one that leads nowhere is a problem, except
/// below a key that says `enabled: false`, and for who only looks.
pub fn expand(
    root: &Node,
    reader: Reader,
    environment: Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Expanded {
    expand_for(root, root, reader, environment, problems)
}

/// Returns a list that stands in a file of its own with every reference replaced; other keys are those of `root`.
pub fn expand_list(
    root: &Node,
    list: &Node,
    environment: Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Expanded {
    expand_for(root, list, Reader::Delivers, environment, problems)
}

fn expand_for(
    root: &Node,
    list: &Node,
    reader: Reader,
    environment: Environment<'_>,
    problems: &mut Vec<Problem>,
) -> Expanded {
    let mut expander = Expander {
        root,
        reader,
        environment,
        problems,
        open: Vec::new(),
        failed: Vec::new(),
        followed: 0,
        path: Vec::new(),
        warnings: Vec::new(),
        unknown: Vec::new(),
    };
    let root = expander.node(list);
    let Expander { failed, warnings, unknown, .. } = expander;
    Expanded { root, failed, warnings, unknown }
}

struct Expander<'a> {
    root: &'a Node,
    reader: Reader,
    environment: Environment<'a>,
    problems: &'a mut Vec<Problem>,
    open: Vec<String>,
    failed: Vec<Place>,
    followed: usize,
    /// Keys that lead to what is being replaced.
    path: Vec<String>,
    warnings: Vec<String>,
    unknown: Vec<String>,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Literal(&'t str),
    /// Characters before the reference, its name, and what follows the name.
    Reference {
        offset: usize,
        name: &'t str,
        otherwise: Otherwise<'t>,
    },
    /// A reference without its end.
    Unclosed {
        offset: usize,
    },
}

/// What a reference says for the case that its name is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Otherwise<'t> {
    Fail,
    FailWith(&'t str),
    Default(&'t str),
    /// The text if the name is known, else nothing.
    TextIfKnown(&'t str),
}

/// What a name stands for.
enum Known {
    Text(String),
    /// Something, but a problem with it was told.
    Told,
    Not,
}

impl Known {
    fn of(text: Option<String>) -> Self {
        text.map_or(Self::Told, Self::Text)
    }
}

impl Expander<'_> {
    fn node(&mut self, node: &Node) -> Node {
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Scalar(scalar) if scalar.text.contains("${") => {
                return self.scalar(scalar, node.place);
            }
            Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
            Value::List(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            Value::Map(map) => Value::Map(self.map(map)),
        };
        Node { place: node.place, value }
    }

    fn map(&mut self, map: &Map) -> Map {
        let enabled = map.get("enabled").map(|entry| self.node(&entry.value));
        if enabled.as_ref().is_some_and(|node| node.boolean() == Some(false)) {
            let mut same = map.clone();
            for entry in &mut same.entries {
                if entry.key == "enabled" {
                    entry.value = enabled.clone().expect("just looked at");
                }
            }
            return same;
        }
        let mut entries = Vec::with_capacity(map.entries.len());
        for Entry { key, place, value } in &map.entries {
            let value = match &enabled {
                Some(enabled) if key == "enabled" => enabled.clone(),
                _ => self.entry(key, value),
            };
            entries.push(Entry { key: key.clone(), place: *place, value });
        }
        Map { entries }
    }

    fn entry(&mut self, key: &str, value: &Node) -> Node {
        self.path.push(key.to_owned());
        let before = self.problems.len();
        let replaced = self.node(value);
        let path = self.path.join(".");
        let enabled = || replaced.find("enabled").and_then(Node::boolean) == Some(true);
        if NOT_READ.contains(&path.as_str()) && !enabled() {
            for problem in self.problems.drain(before..) {
                let line = problem.place.map_or(0, |place| place.line);
                self.warnings.push(format!(
                    "line {line}: {}; it does not matter, since `{path}` is not read",
                    problem.message
                ));
            }
        }
        if self.reader == Reader::Looks
            && before < self.problems.len()
            && DELIVERING.contains(&path.as_str())
        {
            self.problems.truncate(before);
            self.unknown.push(path);
        }
        self.path.pop();
        replaced
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place) -> Node {
        let pieces = pieces(&scalar.text);
        if let [Piece::Reference { name, .. }] = pieces.as_slice()
            && let Some(node) = self.whole(name)
        {
            return Node { place, value: node };
        }
        let alone = matches!(pieces.as_slice(), [Piece::Reference { .. }]);
        let Some(text) = self.text(&scalar.text, place, scalar.plain) else {
            self.failed.push(place);
            return Node { place, value: Value::Scalar(scalar.clone()) };
        };
        let plain = scalar.plain || alone;
        Node { place, value: Value::Scalar(Scalar { text, plain, expanded: alone }) }
    }

    /// Follows a reference to a list or map.
    fn whole(&mut self, name: &str) -> Option<Value> {
        let node = self.root.find(name)?;
        if !matches!(node.value, Value::List(_) | Value::Map(_)) || self.open.len() == CHAIN_MAX {
            return None;
        }
        if FOLLOWED_MAX <= self.followed || self.open.iter().any(|open| open == name) {
            return None;
        }
        if WHOLE_DEPTH_MAX < node.depth() {
            return None;
        }
        self.followed += node.size();
        self.open.push(name.to_owned());
        let value = self.node(node).value;
        self.open.pop();
        Some(value)
    }

    /// Returns a text with its references replaced; `None` when one leads nowhere.
    fn text(&mut self, text: &str, place: Place, plain: bool) -> Option<String> {
        let mut out = String::new();
        let mut complete = true;
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Unclosed { offset } => {
                    let problem = Problem::new(inside(place, plain, offset, 2), "`${` has no `}`");
                    self.problems.push(problem.hint("write `$${` where `${` itself is meant"));
                    complete = false;
                }
                Piece::Reference { offset, name, otherwise } => {
                    let at = inside(place, plain, offset, name.chars().count() + 3);
                    match self.reference(name, otherwise, at) {
                        Some(replaced) => out.push_str(&replaced),
                        None => complete = false,
                    }
                }
            }
            if TEXT_MAX < out.len() {
                self.problems.push(Problem::new(place, "the references make too long a text"));
                return None;
            }
        }
        complete.then_some(out)
    }

    fn reference(&mut self, name: &str, otherwise: Otherwise<'_>, place: Place) -> Option<String> {
        self.followed += 1;
        if CHAIN_MAX <= self.open.len() || FOLLOWED_MAX < self.followed {
            self.problems.push(Problem::new(place, "too many references refer to each other"));
            return None;
        }
        if self.open.iter().any(|open| open == name) {
            let message = format!("`${{{name}}}` refers to itself");
            self.problems.push(Problem::new(place, message));
            return None;
        }
        self.open.push(name.to_owned());
        let found = self.known(name, place);
        let result = match (found, otherwise) {
            (Known::Text(_), Otherwise::TextIfKnown(text))
            | (Known::Not, Otherwise::Default(text)) => self.text(text, place, true),
            (Known::Text(found), _) => Some(found),
            (Known::Told, _) => None,
            (Known::Not, Otherwise::TextIfKnown(_)) => Some(String::new()),
            (Known::Not, Otherwise::FailWith(text)) => {
                self.problems.push(Problem::new(place, format!("`${{{name}}}`: {text}")));
                None
            }
            (Known::Not, Otherwise::Fail) => {
                let message = format!("`{name}` is no key and no variable of the environment");
                let hint = format!("set it, or give a default: `${{{name}:default}}`");
                self.problems.push(Problem::new(place, message).hint(hint));
                None
            }
        };
        self.open.pop();
        result
    }

    /// Looks a name up among the keys, then the directories' defaults, then the environment; an
    /// empty variable counts as not set, as in Filebeat.
    fn known(&mut self, name: &str, place: Place) -> Known {
        let root = self.root;
        if let Some(node) = root.find(name) {
            match &node.value {
                Value::Scalar(scalar) => {
                    return Known::of(self.text(&scalar.text, node.place, scalar.plain));
                }
                Value::List(_) | Value::Map(_) => {
                    let message = format!("`{name}` is {}, not a single value", node.kind());
                    self.problems.push(Problem::new(place, message));
                    return Known::Told;
                }
                Value::Null => {}
            }
        }
        let default = match name {
            "path.home" => Some("."),
            "path.config" => Some("${path.home}"),
            "path.data" => Some("${path.home}/data"),
            "path.logs" => Some("${path.home}/logs"),
            _ => None,
        };
        if let Some(default) = default {
            return Known::of(self.text(default, place, true));
        }
        match (self.environment)(name) {
            Some(value) if !value.is_empty() => Known::Text(value),
            _ => Known::Not,
        }
    }
}

fn inside(place: Place, plain: bool, offset: usize, length: usize) -> Place {
    let column = place.column + offset + usize::from(!plain);
    if place.column + place.length < column + length {
        return place;
    }
    Place { column, length, ..place }
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut literal = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("${").map(|found| at + found) {
        if found
            .checked_sub(1)
            .is_some_and(|before| literal <= before && text.as_bytes()[before] == b'$')
        {
            // `$${`: one of the two dollars goes, the rest stands as it is.
            pieces.push(Piece::Literal(&text[literal..found - 1]));
            literal = found;
            at = found + 2;
            continue;
        }
        if literal < found {
            pieces.push(Piece::Literal(&text[literal..found]));
        }
        let offset = text[..found].chars().count();
        let Some(end) = closing(text, found + 2) else {
            pieces.push(Piece::Unclosed { offset });
            return pieces;
        };
        pieces.push(reference(&text[found + 2..end], offset));
        literal = end + 1;
        at = end + 1;
    }
    if literal < text.len() {
        pieces.push(Piece::Literal(&text[literal..]));
    }
    pieces
}

/// Finds the brace that closes a reference, over references in its default.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut level = 1;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'{' if bytes[at - 1] == b'$' => level += 1,
            b'}' => level -= 1,
            _ => {}
        }
        if level == 0 {
            return Some(at);
        }
    }
    None
}

fn reference(inner: &str, offset: usize) -> Piece<'_> {
    let (name, otherwise) = match inner.split_once(':') {
        None => (inner, Otherwise::Fail),
        Some((name, rest)) => match (rest.strip_prefix('?'), rest.strip_prefix('+')) {
            (Some(text), _) => (name, Otherwise::FailWith(text)),
            (_, Some(text)) => (name, Otherwise::TextIfKnown(text)),
            (None, None) => (name, Otherwise::Default(rest)),
        },
    };
    Piece::Reference { offset, name: name.trim(), otherwise }
}
