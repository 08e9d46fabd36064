//! Documents of lines that bring members of their own: JSON, and the lines of containers.

use crate::rig::{input, read_item, run, shared};
use serde_json::{Value, json};
use shipper::batch::{Batch, BatchLimits};
use shipper::document::Shared;
use shipper::pipeline::Pipeline;
use shipper::settings::reading::{
    ContainerFormat, ContainerSettings, ContainerStream, LineParser, MultilineRule,
    MultilineSettings, NdjsonSettings,
};
use shipper::settings::{FieldsSettings, Format, InputSettings, RegexFormat};

fn with(parsers: Vec<LineParser>) -> InputSettings {
    let mut input = input(Format::Raw);
    input.reading.parsers = parsers;
    input
}

fn ndjson() -> NdjsonSettings {
    NdjsonSettings { keeps_text: true, ..NdjsonSettings::default() }
}

/// The documents of some lines, without what all documents have.
fn documents(input: &InputSettings, log: &str) -> Vec<Value> {
    let mut pipeline = Pipeline::new(input, &shared()).expect("it is there");
    let (batches, _) =
        run(&mut pipeline, "/var/log/app.log", log.as_bytes(), BatchLimits::default());
    let items = batches.iter().flat_map(|batch| (0..batch.items()).map(|item| batch.item(item)));
    items
        .map(|item| {
            let (_, mut document) = read_item(item);
            let object = document.as_object_mut().expect("it is there");
            for (name, ours) in
                [("ecs", json!({ "version": "8.0.0" })), ("input", json!({ "type": input.kind }))]
            {
                assert_eq!(object.remove(name), Some(ours), "{name}");
            }
            assert_eq!(object.remove("agent").expect("it is there")["type"], "filebeat");
            let log = object["log"].as_object_mut().expect("it is there");
            assert_eq!(
                log.remove("file").expect("it is there"),
                json!({ "path": "/var/log/app.log" })
            );
            let _ = log.remove("offset").expect("it is there");
            if log.is_empty() {
                object.remove("log");
            }
            let host = object["host"].as_object_mut().expect("it is there");
            assert!(host.remove("name").is_some());
            if host.is_empty() {
                object.remove("host");
            }
            document
        })
        .collect()
}

/// The same for one line, without the time when it was read.
fn document(settings: NdjsonSettings, line: &str) -> Value {
    let mut all = documents(&with(vec![LineParser::Ndjson(settings)]), &format!("{line}\n"));
    assert_eq!(all.len(), 1);
    let mut document = all.remove(0);
    if document["@timestamp"] == READ_AT {
        document.as_object_mut().expect("it is there").remove("@timestamp");
    }
    document
}

/// The text of the first document, and how many there are.
fn texts(input: &InputSettings, log: &str) -> (String, usize) {
    let mut pipeline = Pipeline::new(input, &shared()).expect("it is there");
    let (batches, _) =
        run(&mut pipeline, "/var/log/app.log", log.as_bytes(), BatchLimits::default());
    let item = String::from_utf8(batches[0].item(0).to_vec()).expect("it is text");
    let (_, document) = item.split_once('\n').expect("there is an action");
    let document = document.strip_suffix('\n').expect("it ends with its line");
    (document.to_owned(), batches.iter().map(Batch::items).sum())
}

const READ_AT: &str = "2026-11-21T04:12:34.567Z";

#[test]
fn members_go_to_the_top_level_as_they_stand() {
    let line =
        r#"{"a":1, "b":{"c":[1.50, null]}, "d.e":"x\u00e9\n", "big":12345678901234567890123}"#;
    let expected: Value = serde_json::from_str(line).expect("it is there");
    assert_eq!(document(ndjson(), line), expected);
}

#[test]
fn members_go_below_the_target() {
    for (target, expected) in [
        ("app", json!({ "app": { "a": 1, "message": "m" } })),
        ("app.data", json!({ "app": { "data": { "a": 1, "message": "m" } } })),
        ("log", json!({ "log": { "a": 1, "message": "m" } })),
    ] {
        let settings = NdjsonSettings { target: target.to_owned(), ..ndjson() };
        assert_eq!(document(settings, r#"{"a":1,"message":"m"}"#), expected, "{target}");
    }
}

#[test]
fn a_member_can_be_the_message() {
    for (key, keeps_text, expected) in [
        ("msg", true, json!({ "msg": "a\"b", "x": 1, "message": "a\"b" })),
        ("msg", false, json!({ "msg": "a\"b", "x": 1 })),
        ("none", true, json!({ "msg": "a\"b", "x": 1 })),
        ("x", true, json!({ "msg": "a\"b", "x": 1 })),
    ] {
        let settings = NdjsonSettings { message_key: Some(key.to_owned()), keeps_text, ..ndjson() };
        assert_eq!(document(settings, r#"{"msg":"a\"b","x":1}"#), expected, "{key}");
    }
    let settings = NdjsonSettings { message_key: Some("message".to_owned()), ..ndjson() };
    let expected = json!({ "message": "m", "x": 1 });
    assert_eq!(document(settings, r#"{"message":"m","x":1}"#), expected);
}

/// Action and members of one line, with `document_id: id`.
fn with_id(settings: NdjsonSettings, has_ids: bool, line: &str) -> (Value, Value) {
    let settings = NdjsonSettings { document_id: Some("id".to_owned()), ..settings };
    let mut input = with(vec![LineParser::Ndjson(settings)]);
    input.pipeline = Some("p".to_owned()).filter(|_| !has_ids);
    let shared = Shared { document_id: has_ids, ..shared() };
    let mut pipeline = Pipeline::new(&input, &shared).expect("it is there");
    let log = format!("{line}\n");
    let (batches, _) = run(&mut pipeline, "/a.log", log.as_bytes(), BatchLimits::default());
    let (mut action, mut document) = read_item(batches[0].item(0));
    let document = document.as_object_mut().expect("it is there");
    for ours in ["@timestamp", "agent", "ecs", "host", "input", "log"] {
        assert!(document.remove(ours).is_some(), "{ours}");
    }
    (action["create"].take(), document.clone().into())
}

#[test]
fn a_member_can_be_the_id_and_is_none_of_the_document_then() {
    let long = "é".repeat(256);
    let below = || NdjsonSettings { target: "app".to_owned(), ..ndjson() };
    let expands = || NdjsonSettings { expand_keys: true, ..below() };
    let merged = || NdjsonSettings { overwrite_keys: true, ..ndjson() };
    for (settings, line, id, expected) in [
        (ndjson(), r#"{"id":"a1","x":1}"#, "a1", json!({ "x": 1 })),
        (ndjson(), r#"{"x":1,"id":"a1","y":2}"#, "a1", json!({ "x": 1, "y": 2 })),
        (ndjson(), r#"{"x":1, "id":"a\"\u000a\u00e9"}"#, "a\"\né", json!({ "x": 1 })),
        (ndjson(), r#"{"x":1,"id":"a","id":"b"}"#, "b", json!({ "x": 1 })),
        (ndjson(), r#"{"id":"a"}"#, "a", json!({ "message": "" })),
        (ndjson(), &format!(r#"{{"x":1,"id":"{long}"}}"#), &long, json!({ "x": 1 })),
        (below(), r#"{"x":1,"id":"a","y":2}"#, "a", json!({ "app": { "x": 1, "y": 2 } })),
        (below(), r#"{"id":"a"}"#, "a", json!({ "app": {} })),
        (expands(), r#"{"x.z":1,"id":"a"}"#, "a", json!({ "app": { "x": { "z": 1 } } })),
        (merged(), r#"{"id":"a","tags":["b"]}"#, "a", json!({ "tags": ["b"] })),
        (merged(), r#"{"id":"a"}"#, "a", json!({ "message": "" })),
    ] {
        for has_ids in [true, false] {
            let (action, document) = with_id(settings.clone(), has_ids, line);
            let of = |id: &str| {
                if has_ids { json!({ "_id": id }) } else { json!({ "pipeline": "p", "_id": id }) }
            };
            assert_eq!((action, document), (of(id), expected.clone()), "{line}");
        }
    }
}

#[test]
fn what_can_be_no_id_stays_in_the_document() {
    let long = format!(r#"{{"id":"{}"}}"#, "é".repeat(256) + "x");
    for line in [r#"{"id":1}"#, r#"{"id":""}"#, r#"{"x":"a"}"#, &long] {
        let expected: Value = serde_json::from_str(line).expect("it is JSON");
        let (action, document) = with_id(ndjson(), true, line);
        let id = action["_id"].as_str().expect("it is there");
        assert!(id.starts_with(&format!("{}.A.", crate::rig::epoch())), "{id}");
        assert_eq!(document, expected);
        assert_eq!(with_id(ndjson(), false, line), (json!({ "pipeline": "p" }), expected));
    }
}

#[test]
fn line_of_which_only_nulls_are_left_out_is_an_event() {
    let merged = || NdjsonSettings { overwrite_keys: true, expand_keys: true, ..ndjson() };
    for settings in [ndjson(), merged()] {
        for line in [r#"{"id":null}"#, r#"{"x":null,"message":null}"#] {
            let (action, document) = with_id(settings.clone(), true, line);
            assert!(action["_id"].is_string(), "{action}");
            assert_eq!(document, json!({ "message": "" }), "{line}");
        }
    }
}

#[test]
fn object_of_which_nothing_is_left_has_an_empty_message_beside_fields_at_the_root_too() {
    let settings = NdjsonSettings { document_id: Some("id".to_owned()), ..ndjson() };
    let mut input = with(vec![LineParser::Ndjson(settings)]);
    let json_object = r#"{"log":{"env":"x"},"zone":"b"}"#.to_owned();
    input.fields = Some(FieldsSettings { json_object, under_root: true });
    let mut pipeline = Pipeline::new(&input, &shared()).expect("it is there");
    for (line, message) in
        [(r#"{"id":"a"}"#, Some("")), (r#"{"x":null}"#, Some("")), (r#"{"id":"a","x":1}"#, None)]
    {
        let log = format!("{line}\n");
        let (batches, _) = run(&mut pipeline, "/a.log", log.as_bytes(), BatchLimits::default());
        let (_, document) = read_item(batches[0].item(0));
        assert_eq!(document.get("message").map(|text| text.as_str().unwrap()), message, "{line}");
        assert_eq!((&document["zone"], &document["log"]["env"]), (&json!("b"), &json!("x")));
    }
}

#[test]
fn the_id_of_a_line_is_not_that_of_the_next() {
    let settings = NdjsonSettings { document_id: Some("id".to_owned()), ..ndjson() };
    let input = with(vec![LineParser::Ndjson(settings)]);
    let mut pipeline = Pipeline::new(&input, &shared()).expect("it is there");
    let log = "{\"id\":\"a\",\"x\":1}\n{\"x\":2}\nplain\n{\"id\":\"b\",\"tags\":1}\nplain\n";
    let (batches, _) = run(&mut pipeline, "/a.log", log.as_bytes(), BatchLimits::default());
    let ids: Vec<String> = (0..5)
        .map(|item| {
            read_item(batches[0].item(item)).0["create"]["_id"].as_str().unwrap_or("").into()
        })
        .collect();
    let ours = |digits: &str| format!("{}.{digits}", crate::rig::epoch());
    assert_eq!(ids, ["a", &ours("R.I"), &ours("Z.G"), "b", &ours("z.G")]);
}

#[test]
fn ours_stay_unless_they_are_to_be_overwritten() {
    let line = r#"{"log":{"level":"info","offset":"x"},"agent":{"type":"evil","more":1},"host":{"ip":"::1"},"@timestamp":"2020-01-02T03:04:05+01:00","@metadata":{"a":1},"error":2}"#;
    let kept = json!({ "log": { "level": "info" }, "error": 2, "host": { "ip": "::1" } });
    assert_eq!(document(ndjson(), line), kept);
    let settings = NdjsonSettings { overwrite_keys: true, ..ndjson() };
    let mut expected = kept;
    expected["@timestamp"] = "2020-01-02T02:04:05.000Z".into();
    assert_eq!(document(settings.clone(), line), expected);
    let line = r#"{"@timestamp":"yesterday","tags":["a"]}"#;
    assert_eq!(document(settings.clone(), line), json!({ "tags": ["a"] }));
    let settings = NdjsonSettings { add_error_key: true, ..settings };
    let message = "@timestamp not overwritten (parse error on \"yesterday\")";
    let expected = json!({ "tags": ["a"], "error": { "message": message, "type": "json" } });
    assert_eq!(document(settings, line), expected);
}

#[test]
fn dots_become_levels_if_that_is_asked_for() {
    let line = r#"{"a.b.c":1,"a":{"d":2},"log.level":"warn"}"#;
    let settings = NdjsonSettings { expand_keys: true, ..ndjson() };
    let expected = json!({ "a": { "b": { "c": 1 }, "d": 2 }, "log": { "level": "warn" } });
    assert_eq!(document(settings.clone(), line), expected);
    let settings = NdjsonSettings { target: "j".to_owned(), ..settings };
    let expected = json!({ "j": { "a": { "b": { "c": 1 }, "d": 2 }, "log": { "level": "warn" } } });
    assert_eq!(document(settings, line), expected);
}

#[test]
fn of_a_name_that_comes_twice_the_last_one_stays() {
    let expected = json!({ "a": 3, "b": 2 });
    assert_eq!(
        document(NdjsonSettings { overwrite_keys: true, ..ndjson() }, r#"{"a":1,"b":2,"a":3}"#),
        expected
    );
    let many: Vec<_> = (0..60).map(|number| format!("\"k{}\":{number}", number % 50)).collect();
    let line = format!("{{{}}}", many.join(","));
    assert_eq!(document(ndjson(), &line).as_object().expect("it is there").len(), 50);
}

#[test]
fn a_line_that_is_no_object_stays_as_it_is() {
    let deep = format!("{{\"log\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    for line in ["plain text", "{\"a\":", "[1]", "null", "{} x", "{\"a\":01}", &deep] {
        assert_eq!(document(ndjson(), line), json!({ "message": line }));
    }
    let settings = NdjsonSettings { add_error_key: true, ..ndjson() };
    let document = document(settings, "{\"a\":");
    assert_eq!(document["message"], "{\"a\":");
    assert_eq!(document["error"]["type"], "json");
    let message = document["error"]["message"].as_str().expect("it is there");
    assert!(message.starts_with("Error decoding JSON: EOF while parsing"), "{message}");
}

#[test]
fn names_with_escapes_are_the_names_that_they_stand_for() {
    let line = r#"{"\u0061gent":{"type":"evil"},"\u006dessage":"m","a\"b":1,"\u0040timestamp":"2020-01-02T03:04:05Z"}"#;
    let settings = NdjsonSettings { overwrite_keys: true, ..ndjson() };
    let expected = json!({ "@timestamp": "2020-01-02T03:04:05.000Z", "message": "m", "a\"b": 1 });
    assert_eq!(document(settings, line), expected);
    let message_key = Some("a\"b".to_owned());
    let settings = NdjsonSettings { message_key, ..ndjson() };
    let line = r#"{"a\u0022b":"\ud83d\ude00\n\/","message":2}"#;
    let all = documents(&with(vec![LineParser::Ndjson(settings)]), &format!("{line}\n"));
    assert_eq!(all[0]["message"], "\u{1f600}\n/");
}

#[test]
fn what_cannot_be_merged_stays_a_line() {
    for line in [r#"{"log":{"a":1e400}}"#, r#"{"a":1e400,"log":1}"#, r#"{"log":"\ud800"}"#] {
        assert_eq!(document(ndjson(), line), json!({ "message": line }), "{line}");
    }
    // As text it can be anything that is JSON.
    let (item, _) =
        texts(&with(vec![LineParser::Ndjson(ndjson())]), "{\"a\" : 1e400, \"b\":\"\\ud800\" }\n");
    assert!(item.ends_with(r#","a" : 1e400, "b":"\ud800"}"#), "{item}");
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_in_members_too() {
    let settings = with(vec![LineParser::Ndjson(ndjson())]);
    let mut pipeline = Pipeline::new(&settings, &shared()).expect("it is there");
    let line = b"{\"a\xff\":\"b\xc3\"}\n";
    let (batches, _) = run(&mut pipeline, "/var/log/app.log", line, BatchLimits::default());
    let (_, document) = read_item(batches[0].item(0));
    assert_eq!(document["a\u{fffd}"], "b\u{fffd}");
}

#[test]
fn members_that_are_null_are_sent_where_they_are_to_be_kept() {
    let line = r#"{"a": null, "b": {"c": null, "d": [null, {"e": null, "f": 1.50}]}, "h": "null"}"#;
    let whole: Value = serde_json::from_str(line).expect("it is there");
    let sent = json!({ "b": { "d": [null, { "f": 1.5 }] }, "h": "null" });
    for target in ["", "app"] {
        let of = |object: &Value| match target {
            "" => object.clone(),
            target => json!({ target: object }),
        };
        let settings = NdjsonSettings { target: target.to_owned(), ..ndjson() };
        assert_eq!(document(settings.clone(), line), of(&sent));
        assert_eq!(document(NdjsonSettings { keep_null: true, ..settings }, line), of(&whole));
    }
    // No time is not the same as one that is none.
    let settings = NdjsonSettings { overwrite_keys: true, add_error_key: true, ..ndjson() };
    let message = "@timestamp not overwritten (parse error on null)";
    assert_eq!(
        document(settings, r#"{"@timestamp":null,"a":1}"#),
        json!({ "a": 1, "error": { "message": message, "type": "json" } })
    );
}

#[test]
fn line_ends_within_an_object_do_not_end_its_document() {
    let rule = MultilineRule::Pattern {
        pattern: "^\\{".to_owned(),
        negate: true,
        before: false,
        flush_pattern: Some("^\\}".to_owned()),
    };
    let multiline = LineParser::Multiline(MultilineSettings::new(rule));
    let object = json!({ "a": { "b": [1, { "c": "x\ny" }] }, "d": null });
    let pretty = serde_json::to_string_pretty(&object).expect("it is there");
    for (target, keep_null) in [("", true), ("app", true), ("", false), ("app", false)] {
        let settings = NdjsonSettings { target: target.to_owned(), keep_null, ..ndjson() };
        let input = with(vec![multiline.clone(), LineParser::Ndjson(settings)]);
        let mut expected = object.clone();
        if !keep_null {
            expected.as_object_mut().expect("it is one").remove("d");
        }
        if !target.is_empty() {
            expected = json!({ "app": expected });
        }
        expected["log"] = json!({ "flags": ["multiline"] });
        expected["@timestamp"] = READ_AT.into();
        assert_eq!(
            documents(&input, &format!("{pretty}\n{pretty}\r\n")),
            [expected.clone(), expected]
        );
        let (item, _) = texts(&input, &format!("{pretty}\n"));
        assert!(!item.contains(['\n', '\r']), "{item}");
    }
}

#[test]
fn an_error_of_ours_is_told_once() {
    let message_key = Some("none".to_owned());
    let settings = NdjsonSettings { message_key, add_error_key: true, ..ndjson() };
    let expected = json!({
        "a": 1, "error": { "message": "Key 'none' not found", "type": "json" },
    });
    assert_eq!(document(settings.clone(), r#"{"a":1,"error":"theirs"}"#), expected);
    let settings = NdjsonSettings { overwrite_keys: true, ..settings };
    let message = "@timestamp not overwritten (parse error on 5)";
    let (item, count) =
        texts(&with(vec![LineParser::Ndjson(settings)]), "{\"@timestamp\":5,\"error\":1}\n");
    assert_eq!((item.matches("\"error\"").count(), count), (1, 1));
    let document: Value = serde_json::from_str(&item).expect("it is JSON");
    assert_eq!(document["error"]["message"], message);
}

#[test]
fn an_empty_line_is_neither_an_event_nor_a_fault() {
    let settings = NdjsonSettings { add_error_key: true, ..ndjson() };
    let all = documents(&with(vec![LineParser::Ndjson(settings)]), "\n{\"a\":1}\n\r\n");
    assert_eq!(all, [json!({ "@timestamp": READ_AT, "a": 1 })]);
}

#[test]
fn fields_of_the_operator_and_formats_go_with_members() {
    let mut settings = with(vec![LineParser::Ndjson(NdjsonSettings {
        message_key: Some("log".to_owned()),
        target: "docker".to_owned(),
        ..ndjson()
    })]);
    settings.format = Format::Common;
    settings.fields = Some(FieldsSettings {
        json_object: r#"{"http":{"env":"x"},"docker":{"zone":"b"}}"#.to_owned(),
        under_root: true,
    });
    let line =
        r#"{"log":"192.0.2.1 - - [10/Oct/2026:13:55:36 +0000] \"GET /a HTTP/1.1\" 200 12","n":1}"#;
    let all = documents(&settings, &format!("{line}\n"));
    assert_eq!(all[0]["http"]["env"], "x");
    assert_eq!(all[0]["http"]["response"]["status_code"], 200);
    assert_eq!(all[0]["docker"]["n"], 1);
    assert_eq!(all[0]["docker"]["zone"], "b");
    assert_eq!(all[0]["url"]["path"], "/a");
    assert_eq!(all[0]["@timestamp"], "2026-10-10T13:55:36.000Z");
}

#[test]
fn text_that_a_format_does_not_understand_leaves_none_of_its_fields() {
    let settings = NdjsonSettings { message_key: Some("log".to_owned()), ..ndjson() };
    let mut settings = with(vec![LineParser::Ndjson(settings)]);
    let pattern = "^(?<source__address>\\S+) (?<own>\\S+) (?<timestamp>.+)$".to_owned();
    settings.format = Format::Regex(RegexFormat { pattern, rename: Vec::new() });
    let all = documents(&settings, "{\"log\":\"192.0.2.1 mine no time\",\"n\":1}\n");
    assert_eq!((&all[0]["source"], &all[0]["own"]), (&Value::Null, &Value::Null), "{:#}", all[0]);
    assert_eq!((&all[0]["n"], &all[0]["message"]), (&json!(1), &json!("192.0.2.1 mine no time")));
}

#[test]
fn group_with_the_text_of_a_line_is_its_message_and_the_line_stays_beside_it() {
    let mut settings = with(Vec::new());
    let pattern = "^(?<source__ip>\\S+) (?<message>.*)$".to_owned();
    settings.format = Format::Regex(RegexFormat { pattern, rename: Vec::new() });
    for keep_original in [true, false] {
        settings.keep_original = keep_original;
        let all = documents(&settings, "192.0.2.1 hello world\nno address\n");
        assert_eq!(all[0]["message"], "hello world", "{:#}", all[0]);
        let original = json!({ "original": "192.0.2.1 hello world" });
        assert_eq!(all[0]["event"], if keep_original { original } else { Value::Null });
        assert_eq!((&all[1]["message"], &all[1]["event"]), (&json!("no address"), &Value::Null));
    }
}

#[test]
fn texts_stay_beside_members_and_fields_of_the_operator() {
    let fields =
        Some(FieldsSettings { json_object: r#"{"log":{"env":"x"}}"#.to_owned(), under_root: true });
    let at_root = |parser: LineParser, line: &str| {
        let settings = InputSettings { fields: fields.clone(), ..with(vec![parser]) };
        let mut all = documents(&settings, &format!("{line}\n"));
        assert_eq!(all[0]["log"], json!({ "env": "x" }));
        let document = all.remove(0);
        (document["message"].clone(), document["stream"].clone(), document["n"].clone())
    };
    let docker = container(ContainerStream::All, ContainerFormat::Docker);
    let expected = (json!("text"), json!("stdout"), Value::Null);
    assert_eq!(at_root(docker, r#"{"log":"text\n","stream":"stdout"}"#), expected);
    let settings = NdjsonSettings { message_key: Some("m".to_owned()), ..ndjson() };
    let expected = (json!("text"), Value::Null, json!(1));
    assert_eq!(at_root(LineParser::Ndjson(settings), r#"{"m":"text","n":1}"#), expected);
    let settings = NdjsonSettings { add_error_key: true, ..ndjson() };
    let expected = (json!("no object"), Value::Null, Value::Null);
    assert_eq!(at_root(LineParser::Ndjson(settings), "no object"), expected);
}

fn container(stream: ContainerStream, format: ContainerFormat) -> LineParser {
    LineParser::Container(ContainerSettings { stream, format })
}

#[test]
fn lines_of_containers_are_put_together_and_told_apart() {
    let docker = concat!(
        r#"{"log":"one\r\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}"#,
        "\n",
        r#"{"log":"two ","stream":"stdout","time":"2026-01-02T03:04:06Z"}"#,
        "\n",
        r#"{"log":"noise\n","stream":"stderr","time":"2026-01-02T03:04:06Z"}"#,
        "\n",
        r#"{"log":"parts\n","stream":"stdout","time":"2026-01-02T03:04:07Z","attrs":{}}"#,
        "\n",
        "broken\n",
    );
    let cri = concat!(
        "2026-01-02T03:04:05.678901234Z stdout F one\n",
        "2026-01-02T03:04:06Z stdout P two \n",
        "2026-01-02T03:04:06Z stderr F noise\n",
        "2026-01-02T03:04:07Z stdout F parts\n",
        "broken\n",
    );
    let expected = [
        json!({ "@timestamp": "2026-01-02T03:04:05.678Z", "stream": "stdout", "message": "one" }),
        json!({ "@timestamp": "2026-01-02T03:04:06.000Z", "stream": "stdout", "message": "two parts" }),
        json!({ "@timestamp": READ_AT, "message": "broken" }),
    ];
    for (log, format) in [(docker, ContainerFormat::Docker), (cri, ContainerFormat::Cri)] {
        for format in [format, ContainerFormat::Auto] {
            let input = with(vec![container(ContainerStream::Stdout, format)]);
            assert_eq!(documents(&input, log), expected, "{format:?}");
        }
    }
    let input = with(vec![container(ContainerStream::Stderr, ContainerFormat::Auto)]);
    let messages: Vec<_> =
        documents(&input, cri).iter().map(|one| one["message"].clone()).collect();
    assert_eq!(messages, ["noise", "broken"]);
}

#[test]
fn parsers_work_in_their_order() {
    let rule = MultilineRule::Pattern {
        pattern: "^ ".to_owned(),
        negate: false,
        before: false,
        flush_pattern: None,
    };
    let multiline = LineParser::Multiline(MultilineSettings::new(rule));
    let input = with(vec![container(ContainerStream::All, ContainerFormat::Cri), multiline]);
    let log = "2026-01-02T03:04:05Z stdout F a\n2026-01-02T03:04:06Z stdout P  b\n\
               2026-01-02T03:04:06Z stdout F c\n2026-01-02T03:04:07Z stdout F d\n";
    let all = documents(&input, log);
    let expected = json!({
        "@timestamp": "2026-01-02T03:04:05.000Z", "stream": "stdout", "message": "a\n bc",
        "log": { "flags": ["multiline"] },
    });
    assert_eq!(all, [expected]);
    let message_key = Some("m".to_owned());
    let json = LineParser::Ndjson(NdjsonSettings { message_key, ..ndjson() });
    let input = with(vec![container(ContainerStream::All, ContainerFormat::Cri), json]);
    let log = "2026-01-02T03:04:05Z stderr F {\"m\":\"x\",\"level\":\"warn\"}\n";
    let expected = json!({
        "@timestamp": "2026-01-02T03:04:05.000Z", "stream": "stderr", "m": "x", "level": "warn",
        "message": "x",
    });
    assert_eq!(documents(&input, log), [expected]);
}
