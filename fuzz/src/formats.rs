//! The formats that are known by a name: every line, but for empty ones and IIS's with `#`, becomes one item of valid JSON in which no value is of a type that its
//! field has not; a line that is not recognised is kept as it is; and how lines are cut into batches changes nothing.

use super::documents::{input, read_item, run, shared};
use super::input::Input;
use serde_json::Value;
use shipper::batch::BatchLimits;
use shipper::parsers::known::KNOWN;
use shipper::pipeline::{HOLE_BYTES_MIN, Pipeline};
use shipper::settings::Format;
use std::net::IpAddr;

thread_local! {
    static PIPELINES: Vec<(&'static str, bool, Pipeline)> = pipelines();
}

fn pipelines() -> Vec<(&'static str, bool, Pipeline)> {
    let both = KNOWN.iter().flat_map(|known| [(known, true), (known, false)]);
    both.map(|(known, keep)| {
        let mut input = input(Format::Known(known.name), keep, 10 << 20);
        input.zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
        (known.name, keep, Pipeline::new(&input, &shared()).expect("it is understood"))
    })
    .collect()
}

/// The first byte is the number of the format, twice, and whether the line is kept; the second how many items a batch has.
pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (name, keep_original, pipeline) = PIPELINES.with(|pipelines| {
        let index = usize::from(input.byte()) % pipelines.len();
        pipelines[index].clone()
    });
    let most = usize::from(input.byte()) + 1;
    let mut log = input.0.to_vec();
    log.push(b'\n');
    let hole = [0; HOLE_BYTES_MIN];
    if log.split(|byte| *byte == b'\n').any(|line| line.starts_with(&hole)) {
        return;
    }
    let whole = run(pipeline.clone(), &log, BatchLimits::default());
    assert_eq!(run(pipeline, &log, BatchLimits { items: most, ..BatchLimits::default() }), whole);
    let mut items = whole.into_iter();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let content = &line[..line.len() - 1];
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let says_columns = name == "iis" && content.starts_with(b"#");
        if content.is_empty() || says_columns {
            continue;
        }
        let [_, document] = read_item(&items.next().expect("one item for each line"));
        check_values("", &document);
        let text = String::from_utf8_lossy(content);
        match document["message"].as_str() {
            Some(message) if document["event"]["kind"].is_string() => {
                assert!(text.ends_with(message), "it is the line, or its end");
            }
            Some(message) => assert_eq!(message, text, "the line is kept as it is"),
            None => assert!(!keep_original, "the line is kept"),
        }
    }
    assert_eq!(items.next(), None);
}

/// Numbers fit a `long`, and addresses are some: the server would refuse the document.
fn check_values(name: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                check_values(name, value);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_values(name, item)),
        Value::Number(number) => assert!(number.is_i64() || number.is_f64()),
        Value::String(text) if name == "ip" => assert!(text.parse::<IpAddr>().is_ok()),
        _ => {}
    }
}
