//! `format: {grok: …}`, `dissect`, `csv`, `kv` and `regex`: formats that an operator describes, checked by making their parsers.

use crate::config::check::unknown_key;
use crate::config::problems::{Place, Problem};
use crate::config::tree::Value;
use crate::config::typed::compiled::{drawn, tell_within};
use crate::config::typed::files::regex_message;
use crate::config::typed::value::At;
use crate::parsers::own::{OwnError, OwnLines, Part};
use crate::parsers::regex::{RegexParser, hint_of_pattern};
use crate::settings::own::{
    CsvFormat, DissectFormat, GrokFormat, Header, How, KvFormat, OwnFormat, Trim, ValueType,
};
use crate::settings::reading::ReadingSettings;
use crate::settings::{Format, RegexFormat};
use regex::Regex;

/// Keys of `format` that this file reads.
pub(super) const KEYS: [&str; 4] = ["grok", "dissect", "csv", "kv"];

/// Keys that all of these have.
const OF_ALL: [&str; 2] = ["rename", "timestamp_format"];

/// Keys of each of [`KEYS`].
const OF_EACH: [&[&str]; 4] = [
    &["pattern", "patterns", "definitions"],
    &["tokenizer", "trim_values", "trim_chars"],
    &[
        "columns",
        "target_fields",
        "separator",
        "quote",
        "trim_leading_space",
        "trim",
        "types",
        "skip_header",
    ],
    &[
        "field_split",
        "value_split",
        "fields",
        "prefix",
        "include_keys",
        "exclude_keys",
        "others",
        "trim_key",
        "trim_value",
        "strip_brackets",
        "types",
    ],
];

/// Formats that need more than their name, and how they are written.
const WORDS: [(&str, &str); 7] = [
    ("grok", "give it a pattern: `format: {grok: '%{COMBINEDAPACHELOG}'}`"),
    ("dissect", "give it a tokenizer: `format: {dissect: '%{source.ip} %{message}'}`"),
    ("csv", "name its columns in their order: `format: {csv: [\"@timestamp\", source.ip]}`"),
    ("kv", "list the keys that become fields: `format: {kv: [level, {msg: message}]}`"),
    ("regex", "give it an expression: `format: {regex: '^(?<source__ip>\\S+) (?<message>.*)$'}`"),
    ("json", JSON_HINT),
    ("ndjson", JSON_HINT),
];

const JSON_HINT: &str = "`parsers: [{ndjson: {}}]` makes fields of all members; access lines in JSON are \
                         `format: json_access`";

/// Tells how a format is written that stands there as a plain word; `false` where it is none of these.
pub(super) fn is_plain_word(at: &At<'_>) -> bool {
    let Some(Value::Scalar(scalar)) = at.node().map(|node| &node.value) else { return false };
    let found = WORDS.iter().find(|(word, _)| *word == scalar.text);
    if let Some((word, hint)) = found {
        at.problem_with(format!("`{}` cannot be the word `{word}` alone", at.path()), *hint);
    }
    found.is_some()
}

/// Reads the one of [`KEYS`] that stands below `format`.
pub(super) fn format(at: &At<'_>) -> Option<Format> {
    let there: Vec<usize> = (0..KEYS.len()).filter(|key| at.get(KEYS[*key]).is_there()).collect();
    let (first, others) = there.split_first()?;
    let is_regex = at.get("regex").is_there();
    if let Some(other) = others.first().map(|other| KEYS[*other]).or(is_regex.then_some("regex")) {
        let other = at.get(other);
        other.problem(format!("`{}` is there as well: a format is one of them", KEYS[*first]));
        return None;
    }
    let at = at.get(KEYS[*first]);
    let before = at.problems();
    if let Some(Value::Map(map)) = at.node().map(|node| &node.value) {
        let known = [OF_EACH[*first], &OF_ALL].concat();
        for entry in map.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let path = format!("{}.{}", at.path(), entry.key);
            at.push(unknown_key(entry.place, &path, &entry.key, &known));
        }
    }
    let (how, columns) = match first {
        0 => (grok(&at)?, Vec::new()),
        1 => (dissect(&at)?, Vec::new()),
        2 => csv(&at)?,
        _ => kv(&at)?,
    };
    let is_short = matches!(at.node()?.value, Value::Scalar(_));
    let rename_at = at.get("rename");
    let own = OwnFormat {
        how,
        rename: if rename_at.is_there() { rename_at.flat_texts() } else { Vec::new() },
        timestamp_formats: texts(&at.get("timestamp_format")),
    };
    if before != at.problems() {
        return None;
    }
    match OwnLines::new(&own) {
        Ok(_) => Some(Format::Own(Box::new(own))),
        Err(error) => {
            let place = place_of(&at, &error.part, &columns, is_short);
            match place_of_name(&place, &error.part) {
                Some(name) => place.push(Problem::new(name, error.message).hint(error.hint)),
                None => tell(&place, error),
            }
            None
        }
    }
}

/// Leaves lines out that name the columns of a table.
pub(super) fn skip_header(format: &Format, reading: &mut ReadingSettings) {
    let Format::Own(own) = format else { return };
    if let How::Csv(csv) = &own.how
        && let Some(pattern) = csv.header_pattern()
        && !reading.exclude_lines.contains(&pattern)
    {
        reading.exclude_lines.push(pattern);
    }
}

fn grok(at: &At<'_>) -> Option<How> {
    let definitions = at.get("definitions");
    let patterns = match at.node()?.value {
        Value::Scalar(_) => vec![at.text_of_line()?],
        _ => texts(&at.first_of(&["patterns", "pattern"])),
    };
    Some(How::Grok(GrokFormat {
        patterns,
        definitions: if definitions.is_there() { definitions.flat_texts() } else { Vec::new() },
    }))
}

fn dissect(at: &At<'_>) -> Option<How> {
    let mut dissect = DissectFormat {
        tokenizer: String::new(),
        trim_values: Trim::None,
        trim_chars: " ".to_owned(),
    };
    if matches!(at.node()?.value, Value::Scalar(_)) {
        dissect.tokenizer = at.text_of_line()?;
        return Some(How::Dissect(dissect));
    }
    let tokenizer = at.get("tokenizer");
    if !tokenizer.is_there() {
        at.problem(format!("`{}` has no `tokenizer`", at.path()));
        return None;
    }
    dissect.tokenizer = tokenizer.text_of_line()?;
    let trim = at.get("trim_values");
    if trim.is_there() {
        dissect.trim_values = Trim::WORDS[trim.word(&Trim::WORDS.map(|(word, _)| word))?].1;
    }
    let characters = at.get("trim_chars");
    if characters.is_there() {
        dissect.trim_chars = characters.text()?;
    }
    Some(How::Dissect(dissect))
}

/// Returns the format, and where its columns stand.
fn csv<'a>(at: &At<'a>) -> Option<(How, Vec<At<'a>>)> {
    let columns = listed(at, &["columns", "target_fields"])?;
    let names = columns.iter().map(|item| match item.node() {
        Some(_) => item.text(),
        None => Some(String::new()),
    });
    let mut csv = CsvFormat::new(names.collect::<Option<Vec<String>>>()?);
    let separator = at.get("separator");
    if separator.is_there() {
        csv.separator = character(&separator)??;
    }
    let quote = at.get("quote");
    if quote.is_there() {
        csv.quote = character(&quote)?;
    }
    if let Some(trims) = at.get("trim_leading_space").boolean() {
        csv.trim_leading_space = trims;
    }
    if let Some(trims) = at.get("trim").boolean() {
        csv.trim = trims;
    }
    csv.types = types(&at.get("types"));
    let header = at.get("skip_header");
    if header.is_there() {
        let text = header.text()?;
        csv.header = match header.node().and_then(crate::config::tree::Node::boolean) {
            Some(true) => Header::Columns,
            Some(false) => Header::None,
            None => Header::Line(text),
        };
    }
    Some((How::Csv(csv), columns))
}

/// Returns the items of the first of some keys, or, in the short form of a format, those that stand here.
fn listed<'a>(at: &At<'a>, keys: &[&str]) -> Option<Vec<At<'a>>> {
    if matches!(at.node()?.value, Value::List(_)) {
        return Some(at.items());
    }
    if let Value::Scalar(scalar) = &at.node()?.value {
        let names: Vec<&str> = scalar.text.split(',').map(str::trim_ascii).collect();
        let key = at.path().rsplit('.').next().unwrap_or_default();
        at.problem_with(
            format!("`{}` takes a list, or keys below it, found a single value", at.path()),
            format!("write `{key}: [{}]`", names.join(", ")),
        );
        return None;
    }
    at.map()?;
    Some(at.first_of(keys).items())
}

/// Reads one ASCII character, or nothing.
#[expect(clippy::option_option, reason = "a problem, nothing, or a character")]
fn character(at: &At<'_>) -> Option<Option<u8>> {
    let text = at.text()?;
    match text.as_bytes() {
        [] => Some(None),
        b"\\t" => Some(Some(b'\t')),
        [byte] if byte.is_ascii() && *byte != b'\n' => Some(Some(*byte)),
        _ => {
            at.wrong("one ASCII character", &text);
            None
        }
    }
}

fn kv<'a>(at: &At<'a>) -> Option<(How, Vec<At<'a>>)> {
    let prefix = at.get("prefix");
    let prefix = if prefix.is_there() { prefix.text()? } else { String::new() };
    let (mut fields, mut places) = (Vec::new(), Vec::new());
    for item in listed(at, &["fields"])?.into_iter().chain(at.get("include_keys").items()) {
        let pairs = if let Some(Value::Map(_)) = item.node().map(|node| &node.value) {
            item.flat_texts()
        } else {
            let key = item.text()?;
            vec![(key.clone(), format!("{prefix}{key}"))]
        };
        places.extend(pairs.iter().map(|_| item.clone()));
        fields.extend(pairs);
    }
    let mut kv = KvFormat::new(fields);
    for (key, text, is_between) in [
        ("field_split", &mut kv.field_split, true),
        ("value_split", &mut kv.value_split, true),
        ("trim_key", &mut kv.trim_key, false),
        ("trim_value", &mut kv.trim_value, false),
    ] {
        let at = at.get(key);
        if at.is_there() {
            *text = at.text()?;
            if is_between {
                *text = text.replace("\\t", "\t");
                if text.contains('\\') {
                    at.problem_with(
                        format!("`{text}` is taken as it stands, not as an expression"),
                        "write the text itself; any number of `field_split` may stand between pairs",
                    );
                }
            }
        }
    }
    if let Some(strips) = at.get("strip_brackets").boolean() {
        kv.strip_brackets = strips;
    }
    kv.exclude_keys = texts(&at.get("exclude_keys"));
    kv.others = at.get("others").text_if_any();
    kv.types = types(&at.get("types"));
    Some((How::Kv(kv), places))
}

fn types(at: &At<'_>) -> Vec<(String, ValueType)> {
    if !at.is_there() {
        return Vec::new();
    }
    let mut types = Vec::new();
    for (name, word) in at.flat_texts() {
        if let Some(value) = ValueType::of_word(&word) {
            types.push((name, value));
        } else {
            let message = format!("`{word}` is no type of `{name}`");
            at.get(&name).problem_with(message, ValueType::known());
        }
    }
    types
}

fn texts(at: &At<'_>) -> Vec<String> {
    at.texts().into_iter().map(|(text, _)| text).collect()
}

/// Finds the text in which something is wrong.
fn place_of<'a>(at: &At<'a>, part: &Part, columns: &[At<'a>], is_short: bool) -> At<'a> {
    let item = |at: At<'a>, number: usize| at.items().get(number).cloned().unwrap_or(at);
    let there = |key: &str| Some(at.get(key)).filter(At::is_there).unwrap_or_else(|| at.clone());
    match part {
        Part::Pattern(_) | Part::Tokenizer if is_short => at.clone(),
        Part::Pattern(number) => {
            let key = if at.get("patterns").is_there() { "patterns" } else { "pattern" };
            item(there(key), *number)
        }
        Part::Definition(name) => there(&format!("definitions.{name}")),
        Part::Tokenizer => there("tokenizer"),
        Part::Column(number) => columns.get(*number).cloned().unwrap_or_else(|| at.clone()),
        Part::Others => there("others"),
        Part::ValueSplit => there("value_split"),
        Part::Trim(key) => there(key),
        Part::Type(name) => there(&format!("types.{name}")),
        Part::Name(key, _) => there(key),
        Part::Timestamp(number) => item(there("timestamp_format"), *number),
    }
}

/// Finds where a name stands that is wrong itself, rather than what it has.
fn place_of_name(at: &At<'_>, part: &Part) -> Option<Place> {
    let Part::Name(_, name) = part else { return None };
    let (mut node, mut place) = (at.node()?, None);
    for part in name.split('.') {
        let Value::Map(map) = &node.value else { return None };
        let entry = map.get(part)?;
        (node, place) = (&entry.value, Some(entry.place));
    }
    place
}

/// Tells an error where it is: with a caret under it, if its text stands in one line.
fn tell(at: &At<'_>, error: OwnError) {
    let OwnError { range, message, hint, .. } = error;
    let text = match at.node().map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => scalar.text.as_str(),
        _ => return at.problem_with(message, hint),
    };
    let Some(range) = range.filter(|range| text.get(range.clone()).is_some()) else {
        return at.problem_with(message, hint);
    };
    let before = text[..range.start].chars().count();
    let length = text[range.clone()].chars().count().max(1);
    tell_within(at, before, length, (message, hint), drawn(text, &range));
}

/// Returns where the expression stands that has keys beside it.
fn pattern_of<'a>(at: &At<'a>) -> Option<At<'a>> {
    let known = ["pattern", "rename"];
    for entry in at.map()?.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let path = format!("{}.{}", at.path(), entry.key);
        at.push(unknown_key(entry.place, &path, &entry.key, &known));
    }
    let pattern_at = at.get("pattern");
    if !pattern_at.is_there() {
        at.problem(format!("`{}` has no `pattern`", at.path()));
        return None;
    }
    Some(pattern_at)
}

/// Reads `regex`: an expression, or a map with it and what its groups are called.
pub(super) fn regex(at: &At<'_>) -> Option<Format> {
    let is_short = at.node().is_some_and(|node| matches!(node.value, Value::Scalar(_)));
    let pattern_at = if is_short { at.clone() } else { pattern_of(at)? };
    let pattern = pattern_at.text_of_line()?;
    let regex = match Regex::new(&pattern) {
        Ok(regex) => regex,
        Err(error) => {
            let message = regex_message(&pattern, &error);
            match hint_of_pattern(&pattern) {
                Some(hint) => pattern_at.problem_with(message, hint),
                None => pattern_at.problem(message),
            }
            return None;
        }
    };
    let groups: Vec<&str> = regex.capture_names().flatten().collect();
    if groups.is_empty() {
        pattern_at.problem_with(
            format!("`{pattern}` has no named group"),
            "name what becomes a field: `(?<client_ip>\\S+)`",
        );
    }
    let rename_at = at.get("rename");
    let rename = rename_at.flat_texts();
    for (group, _) in &rename {
        if !groups.contains(&group.as_str()) {
            rename_at.problem(format!("`{pattern}` has no group `{group}`"));
        }
    }
    let format = RegexFormat { pattern, rename };
    if !groups.is_empty()
        && let Err(error) = RegexParser::new(&format)
    {
        pattern_at.problem_with(
            error.to_string(),
            "name the group otherwise, or say in `rename` of which field it is",
        );
    }
    Some(Format::Regex(format))
}
