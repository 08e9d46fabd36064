//! JSON lines: what is an object is what it is to `serde_json`, and its members stand in the document as if both had been put
//! together as values; its `_id` is what the line says where `document_id` is set; whatever the options, an item is two
//! lines of JSON.

use super::documents::{input, read_item, shared};
use super::input::Input;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use shipper::batch::{BatchBuilder, BatchLimits};
use shipper::parsers::timestamp::{parse_rfc3339, render};
use shipper::pipeline::{Chunk, Moment, Pipeline};
use shipper::pool::Pool;
use shipper::position::Epoch;
use shipper::settings::reading::{LineParser, NdjsonSettings};
use shipper::settings::{FieldsSettings, Format, InputSettings};
use shipper::wake::Wake;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const OURS: [&str; 4] = ["agent", "ecs", "host", "input"];

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let flags = input.byte();
    let is = |bit: u8| flags >> bit & 1 == 1;
    let choice = input.byte();
    let target = ["", "", "app", "log", "a.b", "host"][usize::from(choice % 6)].to_owned();
    let key = ["message", "msg", "a.b", "log"][usize::from(choice / 6 % 4)];
    let id = ["id", "message", "a.b", "@timestamp", "host"][usize::from(choice / 24 % 5)];
    let settings = NdjsonSettings {
        target,
        overwrite_keys: is(0),
        expand_keys: is(1),
        add_error_key: is(2),
        message_key: is(3).then(|| key.to_owned()),
        keeps_text: is(4),
        document_id: is(7).then(|| id.to_owned()),
        keep_null: is(6),
    };
    let line: Vec<u8> =
        input.0.iter().map(|byte| if matches!(byte, b'\n' | 0) { b' ' } else { *byte }).collect();
    let mut plain = self::input(Format::Raw, true, 10 << 20);
    if is(5) {
        plain.fields = Some(FieldsSettings {
            json_object: r#"{"log":{"env":"x"},"zone":"b"}"#.to_owned(),
            under_root: true,
        });
    }
    let mut with = plain.clone();
    with.reading.parsers = vec![LineParser::Ndjson(settings.clone())];
    let text = String::from_utf8_lossy(&line);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let Some(found) = document(&with, &line) else {
        let has_nothing = |map: Map<String, Value>| {
            map.keys().all(|name| matches!(&**name, "@timestamp" | "@metadata"))
        };
        let is_without_id = |map: &Map<String, Value>| taken_id(&settings, map).is_none();
        let is_left_out = settings.target.is_empty()
            && serde_json::from_str(text).is_ok_and(|map| is_without_id(&map) && has_nothing(map));
        return assert!(text.is_empty() || is_left_out, "only what has nothing is left out");
    };
    let (own_id, base) = document(&plain, &line).expect("a line that is not empty is an event");
    let (found_id, found) = found;
    let Ok(raw) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) else {
        assert_eq!(found_id, own_id);
        return check_refused(&settings, base, found);
    };
    let is_value = |value: &RawValue| serde_json::from_str::<Value>(value.get()).is_ok();
    if !raw.values().all(|value| is_value(value)) {
        // Numbers that are too large for a value, half surrogate pairs, depth: as text or not at all.
        return;
    }
    let Ok(object) = serde_json::from_str::<Map<String, Value>>(text) else {
        assert_eq!(found_id, own_id);
        return check_refused(&settings, base, found);
    };
    let time = raw.get("@timestamp").map(|value| value.get());
    let object = sent(&settings, object);
    assert_eq!(found_id, taken_id(&settings, &object).unwrap_or(own_id), "{text}");
    assert_eq!(found, expected(&settings, base, object, time), "{text}");
}

fn check_refused(settings: &NdjsonSettings, mut base: Value, mut found: Value) {
    if settings.add_error_key {
        let error = found["error"].take();
        let message = error["message"].as_str().expect("it says why");
        assert!(message.starts_with("Error decoding JSON: ") && 21 < message.len(), "{message}");
        assert_eq!(error["type"], "json");
        base["error"] = Value::Null;
    }
    assert_eq!(found, base, "the line stays as it is");
}

/// Returns what is sent of an object: without members that are `null`, unless they are to be kept.
fn sent(settings: &NdjsonSettings, mut object: Map<String, Value>) -> Map<String, Value> {
    if settings.keep_null {
        return object;
    }
    let time = object.get("@timestamp").cloned().filter(|_| settings.target.is_empty());
    drop_nulls(&mut object, 32);
    object.extend(time.map(|time| ("@timestamp".to_owned(), time)));
    object
}

fn drop_nulls(object: &mut Map<String, Value>, levels: u8) {
    object.retain(|_, value| !value.is_null());
    object.values_mut().for_each(|value| drop_nulls_below(value, levels - 1));
}

fn drop_nulls_below(value: &mut Value, levels: u8) {
    match value {
        _ if levels == 0 => {}
        Value::Object(object) => drop_nulls(object, levels),
        Value::Array(list) => list.iter_mut().for_each(|one| drop_nulls_below(one, levels - 1)),
        _ => {}
    }
}

/// Returns the `_id` that a line brings.
fn taken_id(settings: &NdjsonSettings, object: &Map<String, Value>) -> Option<String> {
    let id = object.get(settings.document_id.as_deref()?)?.as_str()?;
    (1..=512).contains(&id.len()).then(|| id.to_owned())
}

/// Puts an object among what documents have, as values.
fn expected(
    settings: &NdjsonSettings,
    base: Value,
    mut object: Map<String, Value>,
    raw_time: Option<&str>,
) -> Value {
    let Value::Object(mut document) = base else { panic!("a document is an object") };
    let ours: Map<String, Value> = OURS
        .iter()
        .filter_map(|name| document.get(*name).map(|value| ((*name).to_owned(), value.clone())))
        .collect();
    let mut error = None;
    let mut text = String::new();
    if let Some(key) = &settings.message_key {
        match object.get(key).and_then(Value::as_str) {
            Some(value) => value.clone_into(&mut text),
            None => error = Some(format!("Key '{key}' not found")),
        }
    }
    if let Some(name) = &settings.document_id
        && taken_id(settings, &object).is_some()
    {
        object.remove(name);
    }
    document.remove("message");
    if settings.keeps_text && !text.is_empty() {
        document.insert("message".to_owned(), text.as_str().into());
    }
    let is_root = settings.target.is_empty();
    if is_root {
        object.remove("@metadata");
        if let Some(time) = object.remove("@timestamp")
            && settings.overwrite_keys
        {
            let read = time.as_str().and_then(|time| parse_rfc3339(time.as_bytes()));
            if let Some(time) = read {
                let time = String::from_utf8(render(time).to_vec()).expect("digits");
                document.insert("@timestamp".to_owned(), time.into());
            } else {
                let why = format!("parse error on {}", raw_time.unwrap_or_default());
                error = Some(format!("@timestamp not overwritten ({why})"));
            }
        }
        if document.contains_key("message") {
            object.remove("message");
        }
    }
    let error = error.filter(|_| settings.add_error_key);
    let error = error.map(|message| json!({ "message": message, "type": "json" }));
    if let Some(error) = error.clone().filter(|_| is_root) {
        object.insert("error".to_owned(), error);
    }
    if is_root && object.is_empty() && !document.contains_key("message") {
        document.insert("message".to_owned(), "".into());
    }
    if settings.expand_keys {
        object = levels(object);
    }
    if !is_root {
        for name in settings.target.rsplit('.') {
            object = Map::from_iter([(name.to_owned(), Value::Object(object))]);
        }
        if let Some(error) = error {
            object.insert("error".to_owned(), error);
        }
    }
    put(&mut document, object, settings.overwrite_keys);
    put(&mut document, ours, true);
    Value::Object(document)
}

/// Makes levels of the dots in names.
fn levels(object: Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in object {
        let mut value = match value {
            Value::Object(inner) => Value::Object(levels(inner)),
            value => value,
        };
        let mut names: Vec<&str> = name.split('.').collect();
        while 1 < names.len() {
            let name = names.pop().unwrap_or_default().to_owned();
            value = Value::Object(Map::from_iter([(name, value)]));
        }
        put(&mut all, Map::from_iter([(names[0].to_owned(), value)]), true);
    }
    all
}

/// Puts members among others.
fn put(ours: &mut Map<String, Value>, theirs: Map<String, Value>, wins: bool) {
    for (name, value) in theirs {
        let both = matches!((ours.get(&name), &value), (Some(Value::Object(_)), Value::Object(_)));
        if both {
            if let (Some(Value::Object(inner)), Value::Object(value)) = (ours.get_mut(&name), value)
            {
                put(inner, value, wins);
            }
        } else if wins || !ours.contains_key(&name) {
            ours.insert(name, value);
        }
    }
}

/// The `_id` and the document of a log's only line.
fn document(settings: &InputSettings, line: &[u8]) -> Option<(String, Value)> {
    let mut pipeline = Pipeline::new(settings, &shared()).expect("it is understood");
    let source = pipeline.source(Path::new("/var/log/app.log"), Epoch::from_random([7; 12]));
    let pool = Pool::new(2 << 20);
    let buffer = pool.try_take(&Arc::new(Wake::default())).expect("the pool has one");
    let mut builder = BatchBuilder::new(buffer, BatchLimits::default());
    let log = [line, b"\n"].concat();
    let chunk = Chunk { bytes: &log, at: 0, cuts: &[] };
    let consumed = pipeline.run_chunk(&source, chunk, Moment(1_795_234_354_567), &mut builder);
    assert_eq!(consumed.bytes, log.len(), "all of it is done with");
    let batch = builder.seal();
    assert_eq!(batch.items() as u64, consumed.events);
    assert!(batch.items() <= 1);
    (batch.items() == 1).then(|| {
        let [action, document] = read_item(batch.item(0));
        let id = action["create"]["_id"].as_str().expect("it has one");
        (id.to_owned(), document)
    })
}
