//! `fields` and other parts of the tree that become JSON as they stand.

use serde_json::{Map as JsonMap, Number, Value as Json};

use crate::config::tree::{Map, Node, Value, boolean};
use crate::config::typed::value::go_integer;

/// Turns keys and values into a JSON object; null members are left out.
#[must_use]
pub fn json_object(map: &Map) -> JsonMap<String, Json> {
    map.entries
        .iter()
        .filter(|entry| !matches!(entry.value.value, Value::Null))
        .map(|entry| (entry.key.clone(), json(&entry.value)))
        .collect()
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(scalar) if scalar.plain => plain(&scalar.text),
        Value::Scalar(scalar) => Json::String(scalar.text.clone()),
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(map) => Json::Object(json_object(map)),
    }
}

/// Gives a text without quotes the type that Go's YAML gives it: a boolean, a number or a text.
#[must_use]
pub fn plain(text: &str) -> Json {
    if let Some(value) = boolean(text) {
        return Json::Bool(value);
    }
    // A number with a point or an exponent stays a float, as it was written.
    let is_float = text.contains(['.', 'e', 'E']) && !text.starts_with("0x");
    if is_float
        && text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && let Ok(value) = text.replace('_', "").parse::<f64>()
        && let Some(number) = Number::from_f64(value)
    {
        return Json::Number(number);
    }
    match go_integer(text) {
        Some(value) if !is_float => Json::Number(value.into()),
        _ => Json::String(text.to_owned()),
    }
}

/// Puts what is missing in one object from another, objects inside of them included.
pub fn fill(into: &mut JsonMap<String, Json>, from: &JsonMap<String, Json>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Json::Object(inner)), Json::Object(more)) => fill(inner, more),
            (Some(_), _) => {}
            (None, _) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
