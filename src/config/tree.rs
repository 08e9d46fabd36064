//! The tree of a configuration: every key and value with its place, dotted keys taken apart.

use crate::config::problems::{Place, Problem};

/// Parts that one dotted key may have; more is no configuration.
const KEY_PARTS_MAX: usize = 16;

/// A value and where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where the value starts.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// What stands behind a key or in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`: as if the key were not there.
    Null,
    /// A single text; what it means is for the reader to say.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Keys and values.
    Map(Map),
}

/// A single text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes and escapes.
    pub text: String,
    /// Whether it stood without quotes, so that `1` is a number and `no` is false.
    pub plain: bool,
    /// Whether it came from a variable or the command line, where `a,b` may mean a list.
    pub expanded: bool,
}

/// Keys and values in the order of the text; no key twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One key, without dots, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands; of a dotted key, this part of it.
    pub place: Place,
    /// The value.
    pub value: Node,
}

/// Says what happens when a key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Two values of one key are a problem.
    Strict,
    /// The value that is there stays.
    Fill,
    /// The new value replaces the one that is there.
    Override,
}

/// Reads a boolean as Go's YAML does: `true`, `yes`, `on` and their opposites.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            Some(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            Some(false)
        }
        _ => None,
    }
}

impl Node {
    /// Finds a value by its dotted path; `None` when a part is missing. Parts that are numbers find
    /// items of lists.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for part in path.split('.') {
            node = match &node.value {
                Value::Map(map) => &map.get(part)?.value,
                Value::List(items) => items.get(part.parse::<usize>().ok()?)?,
                Value::Null | Value::Scalar(_) => return None,
            };
        }
        Some(node)
    }

    /// Returns the text of a single value.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Tells whether there is nothing in it: null, an empty text, an empty list, no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(scalar) => scalar.text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(map) => map.entries.is_empty(),
        }
    }

    /// Tells whether it is a map that says `enabled: false`.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        let Value::Map(map) = &self.value else { return false };
        map.get("enabled").is_some_and(|entry| entry.value.boolean() == Some(false))
    }

    /// Reads a boolean, also a quoted one.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        boolean(self.text()?)
    }

    /// Counts the values in it, itself included.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(map) => map.entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }

    /// Counts the levels of it: 1 for a single value.
    #[must_use]
    pub fn depth(&self) -> usize {
        let deepest = match &self.value {
            Value::Null | Value::Scalar(_) => None,
            Value::List(items) => items.iter().map(Self::depth).max(),
            Value::Map(map) => map.entries.iter().map(|entry| entry.value.depth()).max(),
        };
        1 + deepest.unwrap_or(0)
    }

    /// Says what kind of value this is, with an article.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map of keys",
        }
    }
}

impl Map {
    /// Finds an entry by one part of a key.
    #[must_use]
    pub fn get(&self, part: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == part)
    }

    /// Puts a value at a dotted key.
    pub fn insert(
        &mut self,
        key: &KeyText,
        value: Node,
        merge: Merge,
        problems: &mut Vec<Problem>,
    ) {
        let parts: Vec<&str> = key.text.split('.').collect();
        if KEY_PARTS_MAX < parts.len() {
            problems.push(Problem::new(key.place, "this key has too many parts"));
            return;
        }
        if parts.iter().any(|part| part.is_empty()) {
            let message = format!("the key `{}` has an empty part", key.text);
            let problem = Problem::new(key.place, message);
            problems.push(problem.hint("write one dot between two parts of a key"));
            return;
        }
        // From the last part outwards, so that only merging has to walk down.
        let mut offset = key.text.chars().count();
        let mut value = value;
        for part in parts[1..].iter().rev() {
            offset -= part.chars().count();
            let place = key.part_place(offset, part);
            let entry = Entry { key: (*part).to_owned(), place, value };
            value = Node { place, value: Value::Map(Map { entries: vec![entry] }) };
            offset -= 1;
        }
        let place = key.part_place(0, parts[0]);
        let entry = Entry { key: parts[0].to_owned(), place, value };
        self.merge_entry(entry, merge, "", problems);
    }

    fn merge_entry(&mut self, new: Entry, merge: Merge, above: &str, out: &mut Vec<Problem>) {
        let path = if above.is_empty() { new.key.clone() } else { format!("{above}.{}", new.key) };
        match self.entries.iter_mut().find(|entry| entry.key == new.key) {
            Some(old) => merge_values(old, new, merge, &path, out),
            None => self.entries.push(new),
        }
    }
}

/// The text of a key as it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyText {
    /// The text, dots included.
    pub text: String,
    /// Where it starts, quotes included.
    pub place: Place,
    /// Whether it stands in quotes.
    pub quoted: bool,
}

impl KeyText {
    fn part_place(&self, offset: usize, part: &str) -> Place {
        let column = self.place.column + offset + usize::from(self.quoted);
        Place { column, length: part.chars().count(), ..self.place }
    }
}

fn merge_values(old: &mut Entry, new: Entry, merge: Merge, path: &str, out: &mut Vec<Problem>) {
    let Entry { value, place, key: _ } = new;
    match (&mut old.value.value, value.value) {
        (Value::Map(map), Value::Map(more)) => {
            for entry in more.entries {
                map.merge_entry(entry, merge, path, out);
            }
        }
        (Value::List(items), Value::Map(more))
            if more.entries.iter().all(|entry| entry.key.parse::<usize>().is_ok()) =>
        {
            for entry in more.entries {
                merge_item(items, entry, merge, path, out);
            }
        }
        (Value::Null, Value::Null) => {}
        (Value::Null, value_new) => {
            old.place = place;
            old.value = Node { place: value.place, value: value_new };
        }
        (_, Value::Null) if merge != Merge::Override => {}
        (_, value_new) => match merge {
            Merge::Fill => {}
            Merge::Override => {
                old.place = place;
                old.value = Node { place: value.place, value: value_new };
            }
            Merge::Strict => {
                let problem = Problem::new(place, format!("`{path}` is set twice"))
                    .other(old.place, "it is set first here");
                out.push(problem.hint("keep one of the two"));
            }
        },
    }
}

fn merge_item(
    items: &mut Vec<Node>,
    entry: Entry,
    merge: Merge,
    path: &str,
    out: &mut Vec<Problem>,
) {
    let index = entry.key.parse::<usize>().expect("checked by the caller");
    let length = items.len();
    match items.get_mut(index) {
        Some(item) => {
            let null = Node { place: item.place, value: Value::Null };
            let value = std::mem::replace(item, null);
            let mut old = Entry { key: entry.key.clone(), place: value.place, value };
            merge_values(&mut old, entry, merge, &format!("{path}.{index}"), out);
            *item = old.value;
        }
        None if index == length => items.push(entry.value),
        None => {
            let message = format!("`{path}` has no item {index}, only {length} from 0");
            let problem = Problem::new(entry.place, message);
            out.push(problem.hint(format!("the next one to add is `{path}.{length}`")));
        }
    }
}
