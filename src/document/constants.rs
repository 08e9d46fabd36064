//! What is the same in all documents of an input or of a file: objects, merged and rendered.

use super::layout::{Entry, Origin};
use super::{ECS_VERSION, Shared};
use crate::json_text::string;
use crate::settings::InputSettings;
use crate::target::FILEBEAT_VERSION;
use serde_json::{Map, Value, json};

/// Returns the members that all documents of an input have, but those of the operator.
pub(super) fn constants(input: &InputSettings, shared: &Shared) -> Map<String, Value> {
    let mut constants = Map::new();
    constants.insert("input".to_owned(), json!({ "type": input.kind }));
    // `agent.type` is Filebeat's: templates, dashboards and alerts of operators ask for it.
    let agent = json!({
        "type": "filebeat",
        "version": FILEBEAT_VERSION,
        "name": shared.host_name,
        "id": shared.agent_id,
        "ephemeral_id": shared.ephemeral_id,
    });
    constants.insert("agent".to_owned(), agent);
    constants.insert("ecs".to_owned(), json!({ "version": ECS_VERSION }));
    constants.insert("host".to_owned(), json!({ "name": shared.host_name }));
    if !input.tags.is_empty() {
        constants.insert("tags".to_owned(), json!(input.tags));
    }
    constants
}

/// Puts the operator's members among ours; where both have one, theirs stays.
pub(super) fn merge(ours: &mut Map<String, Value>, theirs: Map<String, Value>) {
    for (key, value) in theirs {
        match (ours.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            (_, value) => {
                ours.insert(key, value);
            }
        }
    }
}

/// Renders the members of an object without its braces, each with a comma before it.
pub(super) fn members(object: &Map<String, Value>) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in object {
        text.push_str(&format!(",{}:{value}", string(key)));
    }
    text.into_bytes()
}

/// Makes an object of values with dotted names.
pub(super) fn nested(names: &[String], values: &[Option<Box<[u8]>>]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in names.iter().zip(values) {
        let Some(json) = value else { continue };
        let Ok(mut value) = serde_json::from_slice::<Value>(json) else { continue };
        let (first, rest) =
            name.split_once('.').map_or((&**name, None), |(first, rest)| (first, Some(rest)));
        for part in rest.into_iter().flat_map(|rest| rest.rsplit('.')) {
            value = Value::Object(Map::from_iter([(part.to_owned(), value)]));
        }
        merge(&mut object, Map::from_iter([(first.to_owned(), value)]));
    }
    object
}

/// Appends the leaves of an object under their dotted names.
pub(super) fn flatten(prefix: &str, object: &Map<String, Value>, entries: &mut Vec<Entry>) {
    for (key, value) in object {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) if !inner.is_empty() => flatten(&name, inner, entries),
            leaf => {
                let text = leaf.to_string().into_bytes();
                entries.push(Entry { name, origin: Origin::Constant(text) });
            }
        }
    }
}

/// Returns the text of a constant.
pub(super) fn leaf(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    if let Some(value) = object.get(name) {
        return text(value);
    }
    let (first, rest) = name.split_once('.')?;
    leaf(object.get(first)?.as_object()?, rest)
}
