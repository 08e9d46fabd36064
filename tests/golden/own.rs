//! Formats that an operator describes by grok, dissect, csv and kv: what their lines become.

use super::check;
use super::rig::{input, read_item, run, shared};
use serde_json::{Value, json};
use shipper::batch::BatchLimits;
use shipper::demo::generator::Generator;
use shipper::parsers::address::Address;
use shipper::pipeline::Pipeline;
use shipper::settings::own::{
    CsvFormat, DissectFormat, GrokFormat, Header, How, KvFormat, OwnFormat, Trim, ValueType,
};
use shipper::settings::{Format, InputSettings, SyslogFormat, SyslogSettings};

/// An input as an operator of a host in Berlin gets it who sets only a format.
fn of(format: OwnFormat) -> InputSettings {
    let mut input = input(Format::Own(Box::new(format)));
    input.zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("it is a zone");
    input
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

fn grok(patterns: &[&str], definitions: &[(&str, &str)]) -> OwnFormat {
    let (patterns, definitions) = (texts(patterns), pairs(definitions));
    OwnFormat::new(How::Grok(GrokFormat { patterns, definitions }))
}

fn dissect(tokenizer: &str, trim_values: Trim) -> OwnFormat {
    let (tokenizer, trim_chars) = (tokenizer.to_owned(), " ".to_owned());
    OwnFormat::new(How::Dissect(DissectFormat { tokenizer, trim_values, trim_chars }))
}

fn table() -> OwnFormat {
    let columns =
        ["@timestamp", "client", "", "http.response.status_code", "took", "note"].as_slice();
    let csv = CsvFormat {
        trim_leading_space: true,
        types: vec![("took".to_owned(), ValueType::Float)],
        header: Header::Columns,
        ..CsvFormat::new(texts(columns))
    };
    OwnFormat { rename: pairs(&[("client", "source.ip")]), ..OwnFormat::new(How::Csv(csv)) }
}

fn logfmt() -> OwnFormat {
    let fields = [
        ("ts", "@timestamp"),
        ("level", "log.level"),
        ("msg", "message"),
        ("took", "event.duration"),
        ("client", "source.ip"),
        ("order", "order"),
    ];
    OwnFormat::new(How::Kv(KvFormat {
        exclude_keys: texts(&["secret"]),
        others: Some("kv.others".to_owned()),
        types: vec![("event.duration".to_owned(), ValueType::Integer)],
        ..KvFormat::new(pairs(&fields))
    }))
}

#[test]
fn lines_by_grok_become_these_documents() {
    let format = grok(&["^%{COMBINEDAPACHELOG}$"], &[]);
    let seen =
        check("grok/combined", "grok/combined", "/var/log/access.log", &of(format), &shared());
    assert_eq!((seen.unparsed, seen.status), (4, [1, 0, 2, 1, 2, 1]));
    assert_eq!((seen.filtered, seen.response_bytes), (1, 2554));
    // Not read byte by byte: the documents are the same.
    let format = grok(&["^(?:%{COMBINEDAPACHELOG})$"], &[]);
    let again =
        check("grok/combined", "grok/combined", "/var/log/access.log", &of(format), &shared());
    assert_eq!(again, seen);
    let definitions = [("ORDER", "[A-Z]-%{INT:order.number:int}")];
    let format = grok(
        &[
            "^%{TIMESTAMP_ISO8601:@timestamp} +%{LOGLEVEL:log.level} +\\[%{DATA:process.thread.name}\\] \
             order=%{ORDER:order.id} took (?:%{NUMBER:took:float}|-) ms from %{NOTSPACE:source.ip}: \
             %{GREEDYDATA:message}",
            "^%{IP:source.ip} -> %{IP:destination.ip} up=%{WORD:up:boolean} load=(?<load>\\S+)$",
        ],
        &definitions,
    );
    assert_eq!(
        check("grok/shop", "grok/shop", "/srv/shop.log", &of(format), &shared()).unparsed,
        1
    );
}

#[test]
fn lines_by_dissect_become_these_documents() {
    let tokenizer = "%{source.ip} - %{user.name} [%{@timestamp}] \"%{http.request.method} \
                     %{url.original} %{?x}\" %{http.response.status_code|integer}";
    let format = dissect(tokenizer, Trim::None);
    let seen = check("dissect/combined", "dissect/combined", "/a.log", &of(format), &shared());
    assert_eq!((seen.unparsed, seen.status), (3, [1, 0, 2, 0, 0, 1]));
    let tokenizer =
        "%{+@timestamp} %{+@timestamp->} %{log.level}|%{process.name}|%{message}|%{ok|boolean}";
    let format = OwnFormat {
        timestamp_formats: texts(&["%d.%m.%Y %H:%M:%S"]),
        ..dissect(tokenizer, Trim::All)
    };
    assert_eq!(check("dissect/app", "dissect/app", "/a.log", &of(format), &shared()).unparsed, 2);
}

#[test]
fn rows_become_these_documents() {
    let mut input = of(table());
    let Format::Own(own) = &input.format else { panic!("it is one") };
    let How::Csv(csv) = &own.how else { panic!("it is one") };
    input.reading.exclude_lines.extend(csv.header_pattern());
    let seen = check("csv/table", "csv/table", "/srv/table.csv", &input, &shared());
    assert_eq!(
        (seen.events, seen.unparsed, seen.filtered),
        (9, 2, 2),
        "names of columns are no event"
    );
}

#[test]
fn keys_and_values_become_these_documents() {
    let seen = check("kv/logfmt", "kv/logfmt", "/srv/app.log", &of(logfmt()), &shared());
    assert_eq!(seen.unparsed, 2);
}

/// What documents of some lines say beside what all have.
fn documents(input: &InputSettings, log: &[u8]) -> Vec<Value> {
    let mut pipeline = Pipeline::new(input, &shared()).expect("it is understood");
    let (batches, _) = run(&mut pipeline, "/a.log", log, BatchLimits::default());
    let items = batches.iter().flat_map(|batch| (0..batch.items()).map(|item| batch.item(item)));
    items
        .map(|item| {
            let (_, mut document) = read_item(item);
            let members = document.as_object_mut().expect("an object");
            for ours in ["agent", "ecs", "host", "input"] {
                members.remove(ours);
            }
            if let Some(Value::Object(log)) = members.get_mut("log") {
                log.retain(|name, _| name == "level" || name == "syslog");
            }
            members.retain(|_, value| *value != json!({}));
            document
        })
        .collect()
}

#[test]
fn the_line_is_left_out_where_it_is_not_wanted_and_nothing_is_lost() {
    let log = b"took=5 msg=hi\ntook=x msg=hi\ntook=5\ntook=5 alone\n";
    let now = "2026-11-21T04:12:34.567Z";
    let kept = documents(&of(logfmt()), log);
    let original = |line: &str| json!({ "duration": 5, "original": line });
    assert_eq!(
        kept[0],
        json!({ "@timestamp": now, "event": original("took=5 msg=hi"), "message": "hi" })
    );
    assert_eq!(
        kept[2],
        json!({ "@timestamp": now, "event": { "duration": 5 }, "message": "took=5" })
    );
    let lean = documents(&InputSettings { keep_original: false, ..of(logfmt()) }, log);
    assert_eq!(
        lean,
        [
            json!({ "@timestamp": now, "event": { "duration": 5 }, "message": "hi" }),
            json!({ "@timestamp": now, "event": { "original": "took=x msg=hi" }, "message": "hi" }),
            json!({ "@timestamp": now, "event": { "duration": 5 } }),
            json!({ "@timestamp": now, "event": { "duration": 5 }, "message": "took=5 alone" }),
        ]
    );
}

#[test]
fn texts_of_syslog_messages_are_read_in_formats_of_operators() {
    let log = b"<13>Nov 21 03:20:13 web1 shop: took=5 msg=\"a \\\"b\\\"\" x=1\n<13>Nov 21 03:20:13 web1 shop: no\n";
    let zone = jiff::tz::TimeZone::UTC;
    let syslog = Some(SyslogSettings { format: SyslogFormat::Auto, zone });
    let seen = documents(&InputSettings { syslog, ..of(logfmt()) }, log);
    assert_eq!(seen[0]["message"], "a \"b\"");
    assert_eq!(seen[0]["event"]["duration"], 5);
    assert_eq!(seen[0]["event"]["original"], "took=5 msg=\"a \\\"b\\\"\" x=1");
    assert_eq!(seen[0]["kv"], json!({ "others": ["x=1"] }));
    assert_eq!(seen[0]["process"]["name"], "shop");
    assert_eq!((&seen[1]["message"], &seen[1]["event"]["duration"]), (&json!("no"), &Value::Null));
}

#[test]
fn long_values_are_read_whole() {
    let long = "x".repeat(64 << 10);
    for (format, line) in [
        (grok(&["^%{NOTSPACE:url.original} %{INT:n:int}$"], &[]), format!("/{long} 7")),
        (dissect("%{url.original} %{n|long}", Trim::None), format!("/{long} 7")),
        (
            OwnFormat::new(How::Csv(CsvFormat::new(texts(&["url.original", "n"])))),
            format!("\"/{long}\",7"),
        ),
        (
            OwnFormat::new(How::Kv(KvFormat::new(pairs(&[("u", "url.original"), ("n", "n")])))),
            format!("u=\"/{long}\" n=7"),
        ),
    ] {
        let seen = documents(&of(format), format!("{line}\n").as_bytes());
        assert_eq!(seen[0]["url"]["original"].as_str().map(str::len), Some(long.len() + 1));
        assert_eq!(seen[0]["n"].to_string().trim_matches('"'), "7");
        assert_eq!(seen[0]["message"], json!(line));
    }
}

/// The lines of the demo by grok and dissect say what the parser that is written by hand says, but for escapes, which it
/// decodes.
#[test]
fn access_lines_say_the_same_in_formats_of_operators() {
    let mut generator = Generator::new(7);
    let mut log = Vec::new();
    for number in 0..1500 {
        let before = log.len();
        generator.line(1_795_132_800 + number, &mut log);
        let client = log[before..].split(|byte| *byte == b' ').next().unwrap_or_default();
        if log[before..].contains(&b'\\') || Address::of(client) != Address::Ip {
            log.truncate(before);
        }
    }
    let tokenizer = "%{source.address} %{?ident} %{user.name} [%{@timestamp}] \"%{http.request.method} \
                     %{url.original} HTTP/%{http.version}\" %{http.response.status_code} \
                     %{http.response.body.bytes} \"%{http.request.referrer}\" \"%{user_agent.original}\"";
    let names = [
        "/@timestamp",
        "/source/address",
        "/user/name",
        "/http",
        "/url/original",
        "/user_agent/original",
        "/message",
    ];
    let told = |input: &InputSettings| -> Vec<Vec<Option<Value>>> {
        let all = documents(input, &log);
        all.iter().map(|one| names.map(|name| one.pointer(name).cloned()).to_vec()).collect()
    };
    let expected = told(&input(Format::Combined));
    assert!(1000 < expected.len() && expected.iter().all(|one| one[3].is_some()));
    for format in [grok(&["^%{COMBINEDAPACHELOG}$"], &[]), dissect(tokenizer, Trim::None)] {
        for (seen, expected) in told(&of(format)).iter().zip(&expected) {
            assert_eq!(seen, expected);
        }
    }
}
