//! Which fields the documents of an input may have, and in which order.

use super::FieldsError;
use super::columns::Columns;
use super::constants::flatten;
use super::dataset::{KindOfLines, members_of, members_of_all};
use super::layout::{Entry, Layout, Origin};
use crate::dataset::Dataset;
use crate::event::{Extra, Field};
use crate::parsers::Parser;
use crate::settings::InputSettings;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Objects that are not constant: `fields_under_root` cannot simply be put beside them.
const WRITTEN_BY_LINE: [&str; 14] = [
    "@timestamp",
    "destination",
    "event",
    "fileset",
    "http",
    "log",
    "message",
    "nginx",
    "related",
    "service",
    "source",
    "url",
    "user",
    "user_agent",
];

/// The same where lines are not taken apart.
const OF_RAW_LINES: [&str; 3] = ["@timestamp", "log", "message"];

/// Returns the objects that are not constant in documents of a parser's lines.
pub(super) fn written_by_line(
    parser: &Parser,
    kinds: &[KindOfLines],
    are_labelled: bool,
) -> Vec<&'static str> {
    if matches!(parser, Parser::Raw(_)) && !kinds.iter().any(|kind| kind.dataset.is_known()) {
        return OF_RAW_LINES.to_vec();
    }
    let labels = are_labelled.then(|| first_part(Field::LabelClient.name()));
    WRITTEN_BY_LINE.into_iter().chain(labels).collect()
}

/// Returns the names at the top level of all that documents may have, `more` among them.
pub(super) fn top_level<'a>(
    by_lines: &[&str],
    more: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let more = more.map(|name| first_part(name));
    let all: BTreeSet<&str> = by_lines.iter().copied().chain(more).collect();
    all.into_iter().map(str::to_owned).collect()
}

pub(super) fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Returns what the operator adds at the top level; what lies below `fields` goes to the constants.
pub(super) fn operators(
    input: &InputSettings,
    constants: &mut Map<String, Value>,
) -> Result<Map<String, Value>, FieldsError> {
    let Some(fields) = &input.fields else { return Ok(Map::new()) };
    let object: Map<String, Value> =
        serde_json::from_str(&fields.json_object).map_err(FieldsError::NoObject)?;
    if fields.under_root {
        return Ok(object);
    }
    if !object.is_empty() {
        constants.insert("fields".to_owned(), Value::Object(object));
    }
    Ok(Map::new())
}

/// Tells whether one of these fields lies in an object of ours, or of others.
pub(super) fn lies_among<'a>(
    names: &[String],
    others: impl Iterator<Item = &'a String> + Clone,
) -> bool {
    names.iter().any(|name| {
        let same = |other: &str| first_part(other) == first_part(name);
        Field::ALL.iter().any(|field| same(field.name()))
            || WRITTEN_BY_LINE.iter().any(|other| same(other))
            || others.clone().any(|key| same(key))
    })
}

/// Orders the fields of the lines' parser among the known ones, if that can be done for all kinds.
pub(super) fn order(
    kinds: &mut [KindOfLines],
    extras: &[Extra],
    constants: &Map<String, Value>,
) -> bool {
    let closed: Vec<&str> = constants.keys().map(String::as_str).collect();
    for kind in kinds.iter_mut() {
        let members = members_of(kind.dataset);
        let same: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        kind.columns = Columns::new(extras, &closed, &same).map(Arc::new);
    }
    kinds.iter().all(|kind| kind.columns.is_some())
}

/// Our constants, apart by whether fields of a parser or of the operator lie in the same objects.
pub(super) struct Groups {
    pub(super) inside: Map<String, Value>,
    pub(super) outside: Map<String, Value>,
}

pub(super) fn groups(
    constants: Map<String, Value>,
    operators: &Map<String, Value>,
    extras: &[String],
) -> Groups {
    let others: Vec<&String> = operators.keys().chain(extras).collect();
    let touched = |key: &str| others.iter().any(|name| first_part(name) == key);
    let (inside, outside) = constants.into_iter().partition(|(key, _)| touched(key));
    Groups { inside, outside }
}

/// Orders all fields that documents of an input may have; those before others win where they exclude each other.
pub(super) fn layout(
    dataset: &Dataset,
    operators: &Map<String, Value>,
    path_fields: &[String],
    constants: &Map<String, Value>,
    parser: &Parser,
    of_lines: &[Extra],
    (is_sent, is_found_out): (bool, bool),
) -> Layout {
    let mut entries = Vec::new();
    flatten("", operators, &mut entries);
    for (number, name) in path_fields.iter().enumerate() {
        entries.push(Entry { name: name.clone(), origin: Origin::Path(number) });
    }
    entries.retain(|entry| !matches!(first_part(&entry.name), "@timestamp" | "message"));
    let known =
        |field: &Field| Entry { name: field.name().to_owned(), origin: Origin::Known(*field) };
    for (number, Extra { name, kind }) in of_lines.iter().enumerate() {
        entries.push(Entry { name: name.clone(), origin: Origin::Extra(number, *kind) });
    }
    let named = |name: &str, origin| Entry { name: name.to_owned(), origin };
    entries.push(named("log.offset", Origin::Offset));
    let put_of_all = |entries: &mut Vec<Entry>| {
        for (name, value) in members_of_all(dataset) {
            entries.push(named(name, Origin::Constant(value.to_string().into_bytes())));
        }
    };
    let place = if is_sent { "log.source.address" } else { "log.file.path" };
    entries.push(named(place, Origin::FilePath));
    entries.push(named("log.flags", Origin::Flags));
    let of_operator: Option<Vec<Field>> = match parser.inner() {
        Parser::Regex(regex) => Some(regex.known()),
        Parser::Other(other) => other.known().map(<[Field]>::to_vec),
        _ => None,
    };
    if let Some(of_operator) = of_operator {
        entries.extend(of_operator.into_iter().chain(Field::added()).map(|field| known(&field)));
        entries.push(known(&Field::Message));
        put_of_all(&mut entries);
    } else {
        entries.extend(Field::ALL.iter().map(known));
        if !is_found_out {
            put_of_all(&mut entries);
        }
        for (name, value) in members_of(dataset) {
            let text = value.to_string().into_bytes();
            entries.push(named(name, Origin::ConstantOfRecognised(text)));
        }
        entries.push(named("event.created", Origin::Created));
    }
    flatten("", constants, &mut entries);
    Layout::new(entries)
}
