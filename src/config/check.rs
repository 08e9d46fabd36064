//! Goes over a tree and says of each key whether it is known; of one that is not, what was probably
//! meant.

mod modules;

use crate::config::keys::{self, Class};
use crate::config::mask;
use crate::config::problems::{Place, Problem};
use crate::config::spelling::distance;
use crate::config::syntax;
use crate::config::tree::{Entry, Map, Node, Value};

/// What going over the keys yields beside problems.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys that were accepted although they do nothing here, dotted, each once.
    pub unneeded: Vec<String>,
}

/// Classifies every key of a tree.
pub fn check(root: &Node, problems: &mut Vec<Problem>) -> Checked {
    let mut walk = Walk { problems, checked: Checked::default() };
    if let Value::Map(map) = &root.value {
        walk.map(map, "", "");
    }
    walk.checked
}

/// Classifies every key of a file of modules; `shown` stands before the number of a module in what is told.
pub fn check_modules(list: &Node, shown: &str, checked: &mut Checked, problems: &mut Vec<Problem>) {
    let mut walk = Walk { problems, checked: std::mem::take(checked) };
    walk.modules(list, shown);
    *checked = walk.checked;
}

struct Walk<'a> {
    problems: &'a mut Vec<Problem>,
    checked: Checked,
}

impl Walk<'_> {
    /// `shown` is the path as the operator knows it, `known` the one that the table has.
    fn map(&mut self, map: &Map, shown: &str, known: &str) {
        for entry in &map.entries {
            let shown = join(shown, &entry.key);
            let known = match join(known, &entry.key) {
                own if own == "inputs" => "filebeat.inputs".to_owned(),
                known => known,
            };
            match keys::class_of(&known) {
                Some(Class::Supported) if is_modules(&known) => self.modules(&entry.value, &shown),
                Some(Class::Supported) => {}
                Some(Class::Unneeded) => {
                    if !entry.value.is_empty() && !self.checked.unneeded.contains(&known) {
                        self.checked.unneeded.push(known);
                    }
                }
                Some(Class::NotYet(harmless)) => self.not_yet(entry, &shown, &known, harmless),
                Some(Class::Branch) => self.branch(entry, &shown, &known),
                None => self.unknown(entry, &shown, &known),
            }
        }
    }

    fn branch(&mut self, entry: &Entry, shown: &str, known: &str) {
        let is_inputs = known == "filebeat.inputs";
        match &entry.value.value {
            Value::Null => {}
            Value::List(items) if is_inputs => {
                for (index, item) in items.iter().enumerate() {
                    self.stanza(item, &format!("{shown}[{index}]"));
                }
            }
            Value::Map(_) if is_inputs => {
                let problem = Problem::new(entry.place, format!("`{shown}` takes a list"));
                self.problems.push(problem.hint("begin each input with `- ` before its first key"));
            }
            Value::Map(map) => {
                if !(entry.value.is_disabled() && known.starts_with("output.")) {
                    self.map(map, shown, known);
                }
            }
            Value::Scalar(_) | Value::List(_) => {
                let what = if is_inputs { "a list of inputs" } else { "keys below it" };
                let message = format!("`{shown}` takes {what}, found {}", entry.value.kind());
                let problem = Problem::new(entry.value.place, message);
                self.problems.push(problem.hint(no_keys_hint(&entry.value, known)));
            }
        }
    }

    fn stanza(&mut self, item: &Node, shown: &str) {
        let Value::Map(map) = &item.value else {
            if !matches!(item.value, Value::Null) {
                let message = format!("`{shown}` takes keys, found {}", item.kind());
                let problem = Problem::new(item.place, message);
                self.problems.push(problem.hint(no_keys_hint(item, "filebeat.inputs")));
            }
            return;
        };
        let kind = map.get("type").and_then(|entry| entry.value.text());
        // Of an input that is not built only the type is told, by who reads it.
        let built = kind.is_none_or(|kind| matches!(kind, "log" | "filestream"));
        if let Some(kind) = kind.filter(|kind| keys::LISTENERS.contains(kind))
            && !item.is_disabled()
        {
            self.map(map, shown, &format!("listener.{kind}"));
        } else if built && !item.is_disabled() {
            self.map(map, shown, "filebeat.inputs");
        }
    }

    fn not_yet(&mut self, entry: &Entry, shown: &str, known: &str, harmless: &[&str]) {
        let value = &entry.value;
        if value.is_empty() || value.is_disabled() || all_harmless(value, harmless) {
            return;
        }
        let message = format!("`{shown}` is not supported yet");
        let instead = INSTEAD.iter().find(|(key, _)| *key == known).map(|(_, hint)| *hint);
        let hint = match (instead, harmless.first()) {
            (Some(instead), _) => instead.to_owned(),
            (None, Some(only)) => format!("leave it out, or set it to `{only}`"),
            (None, None) if shown.starts_with("output.") && shown.matches('.').count() == 1 => {
                format!(
                    "send to `output.elasticsearch` instead, and leave this out or set \
                     `{shown}.enabled: false`"
                )
            }
            (None, None) => "leave it out".to_owned(),
        };
        self.problems.push(Problem::new(entry.place, message).hint(hint));
    }

    fn unknown(&mut self, entry: &Entry, shown: &str, known: &str) {
        if let Some((kind, key)) =
            known.strip_prefix("listener.").and_then(|known| known.split_once('.'))
        {
            if key == "format_from" {
                let message = format!(
                    "`{shown}` finds the format by `paths`, and what is sent to an input of type `{kind}` has none"
                );
                let hint = "write the server's own format: `format: {nginx: '$remote_addr …'}`, `format: {apache: '%h …'}`";
                return self.problems.push(Problem::new(entry.place, message).hint(hint));
            }
            let keys = keys::of_listener(kind);
            let hint = match nearest(key, keys.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("an input of type `{kind}` knows {}", keys.join(", ")),
            };
            let problem = Problem::new(entry.place, format!("unknown key `{shown}`"));
            self.problems.push(problem.hint(hint));
            return;
        }
        let hint = joined_otherwise(entry, known).or_else(|| suggestion(known));
        let hint = hint.unwrap_or_else(|| {
            "leave it out: no known key is spelt nearly so (shipper.yml.example names all)".into()
        });
        let mut problem = Problem::new(entry.place, format!("unknown key `{shown}`"));
        if may_hold_secret(shown) {
            problem = problem.hiding(mask::texts_of(&entry.value));
        }
        self.problems.push(problem.hint(hint));
    }
}

/// Tells whether a list of modules stands behind a key.
fn is_modules(known: &str) -> bool {
    matches!(known, "filebeat.modules" | "modules")
}

/// Tells whether a key that nobody knows stands where others hold secrets.
fn may_hold_secret(path: &str) -> bool {
    path.starts_with("output.") || path.split('.').any(|part| part == "ssl")
}

/// Finds the key that differs from an unknown one, or from what is below it, in nothing but dots
/// and underscores (`filebeat.shutdown.timeout`), or that stands below a key by mistake.
fn joined_otherwise(entry: &Entry, path: &str) -> Option<String> {
    let mut leaf = path.to_owned();
    let mut node = &entry.value;
    while let Value::Map(map) = &node.value
        && let [only] = map.entries.as_slice()
    {
        leaf = join(&leaf, &only.key);
        node = &only.value;
    }
    let plain = |path: &str| path.replace('.', "_");
    for (key, _) in keys::all() {
        // Of an input's key, the spelling of either kind of input might be meant.
        if plain(&key) == plain(&leaf) && !key.starts_with("filebeat.inputs.") {
            return Some(format!("did you mean `{key}`?"));
        }
        if key.contains('.') && leaf.strip_suffix(&key).is_some_and(|above| above.ends_with('.')) {
            return Some(format!("it belongs to the top level, as `{key}`"));
        }
    }
    let is_one_line = node.place.line == entry.place.line;
    if is_one_line && leaf.contains('.') && !path.contains('.') {
        let below = format!(".{leaf}");
        let mut known = keys::all().filter(|(_, class)| *class == Class::Supported);
        return known
            .find(|(key, _)| key.ends_with(&below) && !key.starts_with("filebeat.inputs."))
            .map(|(key, _)| format!("did you mean `{key}`?"));
    }
    None
}

/// Says what to do about a value that stands where keys should.
fn no_keys_hint(value: &Node, known: &str) -> String {
    let is_inputs = known == "filebeat.inputs";
    match value.text() {
        Some(text) if is_inputs && text.starts_with(['/', '*']) => {
            "if it is one of the `paths`, indent it deeper than `paths`".to_owned()
        }
        text => text.and_then(syntax::no_keys_advice).unwrap_or_else(|| {
            let says = match &value.value {
                _ if is_inputs => "an input begins with `- type: filestream`",
                Value::List(_) => "take away the `- ` before its first key: it is no list",
                _ => "write `key: value` lines below it, indented by two spaces",
            };
            says.to_owned()
        }),
    }
}

/// Tells whether a value is one of a few words, or a map of nothing else. What is merely named,
/// such as a processor without settings, is not harmless.
fn all_harmless(node: &Node, harmless: &[&str]) -> bool {
    match &node.value {
        Value::Null | Value::List(_) => false,
        Value::Scalar(scalar) => {
            let text = match node.boolean() {
                Some(true) => "true",
                Some(false) => "false",
                None => scalar.text.as_str(),
            };
            harmless.contains(&text)
        }
        Value::Map(map) => {
            !map.entries.is_empty() && map.entries.iter().all(|e| all_harmless(&e.value, harmless))
        }
    }
}

fn join(above: &str, key: &str) -> String {
    if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") }
}

/// Finds what was probably meant by an unknown key: a neighbour that is spelt nearly so, the same
/// key elsewhere, or the nearest key of all.
fn suggestion(path: &str) -> Option<String> {
    if let Some((_, now)) = RENAMED.iter().find(|(old, _)| *old == path) {
        return Some(format!("it is called `{now}` now"));
    }
    let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
    let known: Vec<(String, Class)> = keys::all().collect();
    let near = nearest(last, neighbours(&known, above));
    let elsewhere = elsewhere(&known, last);
    // At the top level stands what was not indented: there the same key elsewhere says more.
    match (near, elsewhere) {
        (_, Some(key)) if above.is_empty() => Some(belongs(key, last)),
        (_, None) if above.is_empty() && section(&known, last).is_some() => {
            let above = section(&known, last)?;
            Some(format!("indent it below `{above}`, or write `{above}.{last}`"))
        }
        (Some(near), _) => Some(format!("did you mean `{near}`?")),
        (None, Some(key)) => Some(belongs(key, last)),
        (None, None) => nearest(path, known.iter().map(|(key, _)| key.as_str()))
            .or_else(|| misspelt_elsewhere(&known, last))
            .map(|near| format!("did you mean `{near}`?")),
    }
}

/// Finds a supported key elsewhere whose last part is spelt nearly so; of a short word anything
/// would do.
fn misspelt_elsewhere<'k>(known: &'k [(String, Class)], last: &str) -> Option<&'k str> {
    let supported = || {
        let keys = known.iter().filter(|(_, class)| *class == Class::Supported);
        keys.map(|(key, _)| (key.as_str(), key.rsplit('.').next().unwrap_or(key)))
    };
    let near = nearest(last, supported().map(|(_, part)| part)).filter(|near| 5 < near.len())?;
    supported().find(|(_, part)| *part == near).map(|(key, _)| key)
}

/// Finds a key whose last part is this one, a supported one if there is any.
fn elsewhere<'k>(known: &'k [(String, Class)], last: &str) -> Option<&'k str> {
    let suffix = format!(".{last}");
    let mut found = known.iter().filter(|(key, _)| key == last || key.ends_with(&suffix));
    let supported = found.clone().find(|(_, class)| *class == Class::Supported);
    supported.or_else(|| found.next()).map(|(key, _)| key.as_str())
}

/// Finds below what a section of this name stands that has lost its indentation.
fn section<'k>(known: &'k [(String, Class)], name: &str) -> Option<&'k str> {
    let middle = format!(".{name}.");
    let mut supported = known.iter().filter(|(_, class)| *class == Class::Supported);
    supported.find_map(|(key, _)| Some(&key[..key.find(&middle)?])).filter(|above| {
        // What stands in an input has to stand in one of the list.
        !above.starts_with("filebeat.inputs")
    })
}

const ACCESS_LOGS: &str = "name the logs in `filebeat.inputs` instead: access lines of Apache and \
                           nginx are understood there";

/// What to do instead of setting keys that are not built yet.
const INSTEAD: [(&str, &str); 3] = [
    ("filebeat.autodiscover", ACCESS_LOGS),
    (
        "processors",
        "leave it out: `agent` and `host.name` are added without it; `fields` and `tags` add what is \
         the same for all events",
    ),
    ("queue.disk", "leave it out: what is not acknowledged is read again from its file"),
];

/// Keys of old versions that are still found in the field.
const RENAMED: [(&str, &str); 4] = [
    ("filebeat.prospectors", "filebeat.inputs"),
    ("filebeat.registry_file", "filebeat.registry.path"),
    ("filebeat.config_dir", "filebeat.config.inputs.path"),
    ("filebeat.inputs.document_type", "fields"),
];

fn belongs(key: &str, last: &str) -> String {
    let above = key.strip_suffix(last).unwrap_or_default().trim_end_matches('.');
    match above.strip_prefix("filebeat.inputs") {
        Some("") => "it belongs under `filebeat.inputs`, into an item of the list".to_owned(),
        Some(_) => format!("it belongs into an input, as `{}`", &key["filebeat.inputs.".len()..]),
        None if above.is_empty() => "it belongs to the top level, without indentation".to_owned(),
        None => format!("it belongs under `{above}`"),
    }
}

/// Returns the parts that may stand directly below a key.
fn neighbours<'k>(
    known: &'k [(String, Class)],
    above: &'k str,
) -> impl Iterator<Item = &'k str> + use<'k> {
    known.iter().filter_map(move |(key, _)| {
        let rest = if above.is_empty() {
            key.as_str()
        } else {
            key.strip_prefix(above)?.strip_prefix('.')?
        };
        rest.split('.').next()
    })
}

/// Returns the one that is spelt nearly as a word is, if there is one.
#[must_use]
pub fn nearest<'k>(word: &str, candidates: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Makes the problem of a word that is none of those that a key takes.
#[must_use]
pub fn not_one_of(place: Place, path: &str, word: &str, allowed: &[&str]) -> Problem {
    let list: Vec<String> = allowed.iter().map(|one| format!("`{one}`")).collect();
    let message = format!("`{path}` cannot be `{word}`, only {}", list.join(", "));
    let problem = Problem::new(place, message);
    match nearest(word, allowed.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// Makes the problem of a key that is none of those that there are.
#[must_use]
pub fn unknown_key(place: Place, path: &str, key: &str, known: &[&str]) -> Problem {
    let problem = Problem::new(place, format!("unknown key `{path}`"));
    match nearest(key, known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("known here are `{}`", known.join("`, `"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_gets_the_nearest_known_one() {
        for (path, expected) in [
            ("filebeat.inputs.path", Some("did you mean `paths`?")),
            ("filebeat.input", Some("did you mean `inputs`?")),
            ("output.elasticsearch.hots", Some("did you mean `hosts`?")),
            ("outptu", Some("did you mean `output`?")),
            ("hosts", Some("it belongs under `output.elasticsearch`")),
            ("paths", Some("it belongs under `filebeat.inputs`, into an item of the list")),
            (
                "filebeat.paths",
                Some("it belongs under `filebeat.inputs`, into an item of the list"),
            ),
            ("filebeat.inputs.bulk_max_size", Some("it belongs under `output.elasticsearch`")),
            (
                "filebeat.inputs.inactive",
                Some("it belongs into an input, as `close.on_state_change.inactive`"),
            ),
            ("filebeat.prospectors", Some("it is called `filebeat.inputs` now")),
            ("shutdown_timeout", Some("it belongs under `filebeat`")),
            ("filebeat.registry.shutdown_timeout", Some("it belongs under `filebeat`")),
            ("shutdwn_timeout", Some("did you mean `filebeat.shutdown_timeout`?")),
            ("filebeat.shutdown_timout", Some("did you mean `shutdown_timeout`?")),
            ("elasticsearch", Some("indent it below `output`, or write `output.elasticsearch`")),
            ("registry", Some("indent it below `filebeat`, or write `filebeat.registry`")),
            ("mem", Some("indent it below `queue`, or write `queue.mem`")),
            ("outputs", Some("did you mean `output`?")),
            ("zzzzzzzzz", None),
        ] {
            assert_eq!(suggestion(path).as_deref(), expected, "{path}");
        }
    }
}
