//! Documents of lines that come in syslog messages and go through other parsers, in the order that is given.

use crate::rig::{NOW, batch, epoch, input, read_item, run, shared};
use serde_json::{Value, json};
use shipper::batch::BatchLimits;
use shipper::pipeline::{Message, Pipeline};
use shipper::settings::reading::{
    LineParser, MultilineRule, MultilineSettings, NdjsonSettings, SyslogFormat, SyslogSettings,
};
use shipper::settings::{Format, InputSettings};
use std::path::Path;

fn syslog() -> SyslogSettings {
    SyslogSettings { format: SyslogFormat::Auto, zone: jiff::tz::TimeZone::UTC }
}

fn ndjson(message_key: Option<&str>) -> LineParser {
    let message_key = message_key.map(str::to_owned);
    LineParser::Ndjson(NdjsonSettings { keeps_text: true, message_key, ..Default::default() })
}

/// An input of lines whose parsers are these.
fn with(parsers: Vec<LineParser>) -> InputSettings {
    let mut input = input(Format::Auto);
    input.reading.parsers = parsers;
    input.syslog = input.reading.take_syslog();
    input
}

/// What the documents of some lines say, without what all documents have.
fn documents(input: &InputSettings, log: &str) -> Vec<Value> {
    let mut pipeline = Pipeline::new(input, &shared()).expect("it is there");
    let (batches, _) =
        run(&mut pipeline, "/var/log/app.log", log.as_bytes(), BatchLimits::default());
    let items = batches.iter().flat_map(|batch| (0..batch.items()).map(|item| batch.item(item)));
    items.map(|item| told(&read_item(item).1)).collect()
}

fn told(document: &Value) -> Value {
    let of_interest = [
        ("message", &document["message"]),
        ("hostname", &document["hostname"]),
        ("process", &document["process"]),
        ("priority", &document["log"]["syslog"]["priority"]),
        ("flags", &document["log"]["flags"]),
        ("n", &document["n"]),
        ("path", &document["url"]["path"]),
        ("dataset", &document["event"]["dataset"]),
    ];
    let there = of_interest.into_iter().filter(|(_, value)| !value.is_null());
    there
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn what_stands_behind_syslog_reads_the_text_of_its_messages() {
    let json = with(vec![LineParser::Syslog(syslog()), ndjson(Some("msg"))]);
    let head = "<13>Nov 21 03:20:13 web1 ";
    let from = json!({ "hostname": "web1", "priority": 13 });
    let and = |more: Value| {
        let mut all = from.as_object().expect("an object").clone();
        all.extend(more.as_object().expect("an object").clone());
        Value::Object(all)
    };
    // What the text is now may look like a header, and is none.
    let lines = format!(
        "{head}{{\"msg\":\"tag: x\",\"n\":1}}\n{head}app[7]: {{\"msg\":\"y\",\"n\":2}}\n{head}app: {{\"n\":3}}\n{head}app: no object\n{{\"msg\":\"no header\"}}\n"
    );
    assert_eq!(
        documents(&json, &lines),
        [
            and(json!({ "message": "tag: x", "n": 1 })),
            and(json!({ "message": "y", "n": 2, "process": { "name": "app", "pid": 7 } })),
            and(json!({ "n": 3, "process": { "name": "app" } })),
            and(json!({ "message": "no object", "process": { "name": "app" } })),
            json!({ "message": "no header" }),
        ]
    );
    // The other way round, the header stands in the member.
    let inside = with(vec![ndjson(Some("msg")), LineParser::Syslog(syslog())]);
    assert_eq!(inside.reading.parsers.len(), 1, "header and text are read at once");
    assert_eq!(
        documents(&inside, "{\"msg\":\"<13>Nov 21 03:20:13 web1 tag: x\",\"n\":1}\n"),
        [and(json!({ "message": "x", "n": 1, "process": { "name": "tag" } }))]
    );
}

#[test]
fn texts_of_syslog_messages_are_joined_and_filtered() {
    let rule = MultilineRule::Pattern {
        pattern: "^[[:space:]]".to_owned(),
        negate: false,
        before: false,
        flush_pattern: None,
    };
    let multiline = LineParser::Multiline(MultilineSettings::new(rule));
    let mut joined = with(vec![LineParser::Syslog(syslog()), multiline]);
    joined.reading.exclude_lines.push("^debug".to_owned());
    let lines = "<11>Nov 21 03:20:13 web1 app: error\n<12>Nov 21 03:20:13 web1 app:  at a\n\
                 <15>Nov 21 03:20:14 web1 app: debug\n<13>Nov 21 03:20:14 web1 app: end\n\
                 <13>Nov 21 03:20:14 web1 app: next\n";
    let app = json!({ "name": "app" });
    assert_eq!(
        documents(&joined, lines),
        [
            json!({ "message": "error\n at a", "hostname": "web1", "process": app, "priority": 11,
                    "flags": ["multiline"] }),
            json!({ "message": "end", "hostname": "web1", "process": app, "priority": 13 }),
        ]
    );
    let mut filtered = input(Format::Auto);
    filtered.reading.parsers = vec![LineParser::Syslog(syslog())];
    filtered.reading.include_lines.push("^next$".to_owned());
    filtered.syslog = filtered.reading.take_syslog();
    assert_eq!(
        documents(&filtered, lines),
        [json!({ "message": "next", "hostname": "web1", "process": app, "priority": 13 })]
    );
}

#[test]
fn an_access_line_in_a_member_in_a_syslog_message_is_one() {
    let input = with(vec![LineParser::Syslog(syslog()), ndjson(Some("log"))]);
    let line = r#"192.0.2.1 - - [21/Nov/2026:03:20:13 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8""#;
    let object = json!({ "log": line, "n": 1 });
    let message = format!("<190>1 - web1 nginx - - - {object}");
    let expected = json!({ "message": line, "hostname": "web1", "process": { "name": "nginx" },
        "priority": 190, "n": 1, "path": "/a", "dataset": "nginx.access" });
    let [found] = &documents(&input, &format!("{message}\n"))[..] else { panic!("one event") };
    assert_eq!(*found, expected);
    // So it is with messages that are sent.
    let mut pipeline = Pipeline::new(&input, &shared()).expect("it is there");
    let source = pipeline.source(Path::new("192.0.2.7:514"), epoch());
    let mut batch = batch(BatchLimits::default());
    let message = Message { text: message.as_bytes(), start: 0, raw_length: 99, truncated: false };
    assert_eq!(pipeline.run_message(&source, message, NOW, &mut batch).events, 1);
    assert_eq!(told(&read_item(batch.seal().item(0)).1), expected);
}
