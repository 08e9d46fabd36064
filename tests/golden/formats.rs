//! The formats that are known by a name: what their lines become, and what holds for all of them.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use super::check;
use super::rig::{NOW, batch, chunk, input, read_item, run, run_cut, shared};
use proptest::prelude::*;
use serde_json::Value;
use shipper::batch::BatchLimits;
use shipper::parsers::known::{KNOWN, known};
use shipper::pipeline::{Message, Pipeline};
use shipper::position::Epoch;
use shipper::settings::reading::{LineParser, MultilineRule, MultilineSettings};
use shipper::settings::{Format, InputSettings, SyslogFormat, SyslogSettings};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// An input as an operator of a host in Berlin gets it who sets only a format.
fn of(name: &str) -> InputSettings {
    let known = known(name).expect("the format is known");
    let mut input = input(Format::Known(known.name));
    input.zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("it is a zone");
    if let Some(pattern) = known.begins {
        let rule = MultilineRule::Pattern {
            pattern: pattern.to_owned(),
            negate: true,
            before: false,
            flush_pattern: None,
        };
        input.reading.parsers.push(LineParser::Multiline(MultilineSettings::new(rule)));
    }
    input
}

/// Formats, their files and paths, and how many lines are not recognised.
const CASES: [(&str, &str, &str, u64); 20] = [
    ("apache_error", "apache_error/both", "/var/log/apache2/error.log", 0),
    ("apache_error", "apache_error/hostile", "/var/log/apache2/error.log", 9),
    ("nginx_error", "nginx_error/lines", "/var/log/nginx/error.log", 0),
    ("nginx_error", "nginx_error/hostile", "/var/log/nginx/error.log", 6),
    ("haproxy", "haproxy/lines", "/var/log/haproxy.log", 0),
    ("haproxy", "haproxy/hostile", "/var/log/haproxy.log", 10),
    ("traefik", "traefik/lines", "/var/log/traefik/access.log", 0),
    ("nginx_ingress", "nginx_ingress/lines", "/var/log/nginx/ingress.log", 0),
    ("nginx_ingress", "nginx_ingress/hostile", "/var/log/nginx/ingress.log", 10),
    ("traefik", "traefik/hostile", "/var/log/traefik/access.log", 8),
    ("caddy", "caddy/lines", "/var/log/caddy/access.log", 0),
    ("caddy", "caddy/hostile", "/var/log/caddy/access.log", 4),
    ("iis", "iis/lines", "/srv/iis/u_ex261121.log", 1),
    ("iis", "iis/headless", "/srv/iis/u_ex261121.log", 0),
    ("iis", "iis/hostile", "/srv/iis/u_ex261121.log", 8),
    ("php_fpm_access", "php_fpm/access", "/var/log/php8.2-fpm.access.log", 3),
    ("php_fpm_slow", "php_fpm/slow", "/var/log/php8.2-fpm.slow.log", 2),
    ("json_access", "json_access/lines", "/var/log/nginx/access.json", 0),
    ("nginx_json", "json_access/hostile", "/var/log/nginx/access.json", 5),
    ("apache_json", "json_access/apache", "/var/log/apache2/access.json", 0),
];

#[test]
fn lines_of_every_format_become_these_documents() {
    let seen = CASES.map(|(name, case, path, _)| {
        (case, check(case, case, path, &of(name), &shared()).unparsed)
    });
    assert_eq!(seen, CASES.map(|(_, case, _, unparsed)| (case, unparsed)));
    for known in KNOWN {
        assert!(CASES.iter().any(|(name, ..)| *name == known.name), "{}", known.name);
    }
}

#[test]
fn value_that_no_field_takes_keeps_the_line() {
    const TRAEFIK: &str = "192.0.2.7 - - [21/Nov/2026:03:20:13 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\" 7 \"r\" \"http://b\" 2ms";
    const IIS: &str = "#Fields: time c-ip cs-version sc-status\n03:20:13 192.0.2.7 HTTP/1.1 200";
    const HAPROXY: &str = "192.0.2.7:1 [21/Nov/2026:03:20:13.003] fe be/s1 1/2/3/4/5 200 9 - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\" TLSv1.3 -";
    const PHP_FPM: &str =
        "192.0.2.7 -  21/Nov/2026:03:20:13 +0000 \"GET /\" 200 /srv/a.php 0.1 2 3.5%";
    for (name, good, part, bad) in [
        ("traefik", TRAEFIK, " 200 1 ", " 200 1x "),
        ("traefik", TRAEFIK, " 7 ", " 7x "),
        ("traefik", TRAEFIK, " 2ms", " -2ms"),
        ("iis", IIS, "HTTP/1.1 200", "HTTP/x 200"),
        ("iis", IIS, " 200", " 20"),
        ("iis", IIS, "192.0.2.7", "192.0.2.777"),
        ("haproxy", HAPROXY, "TLSv1.3", "TLSv1.x"),
        ("php_fpm_access", PHP_FPM, " 3.5%", " 3.5% more"),
        ("php_fpm_access", PHP_FPM, " 0.1 ", " 99999999999999999999 "),
    ] {
        let input = InputSettings { keep_original: false, ..of(name) };
        for (log, is_kept) in [(good.to_owned(), false), (good.replace(part, bad), true)] {
            let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
            let log = format!("{log}\n");
            let (batches, consumed) =
                run(&mut pipeline, "/x.log", log.as_bytes(), BatchLimits::default());
            assert_eq!((consumed.events, consumed.unparsed), (1, 0), "{log}");
            let (_, document) = read_item(batches[0].item(0));
            assert_eq!(document["message"].is_string(), is_kept, "{log}");
        }
    }
}

#[test]
fn lines_that_are_no_events_are_settled_whichever_way_they_go() {
    let log = b"#Fields: time c-ip sc-status\n#Date: today\n03:20:16 192.0.2.7 304\n#Remark\n";
    let joined = {
        let rule = MultilineRule::Count(1);
        let mut input = of("iis");
        input.reading.parsers.push(LineParser::Multiline(MultilineSettings::new(rule)));
        input
    };
    let filtered = |include: &[&str], exclude: &[&str]| {
        let mut input = of("iis");
        input.reading.include_lines = include.iter().map(ToString::to_string).collect();
        input.reading.exclude_lines = exclude.iter().map(ToString::to_string).collect();
        input
    };
    let (included, excluded) = (filtered(&["^[0-9]"], &[]), filtered(&[], &["^#"]));
    for input in [of("iis"), joined, included, excluded] {
        let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
        let cuts = [log.len() as u64];
        let (batches, consumed) =
            run_cut(&mut pipeline, "/x.log", log, &cuts, BatchLimits::default());
        let seen = (consumed.bytes, consumed.events, consumed.filtered, consumed.unparsed);
        assert_eq!(seen, (log.len(), 1, 3, 0));
        assert_eq!(consumed.filtered_bytes, log.len() as u64 - 23);
        let (_, document) = read_item(batches[0].item(0));
        assert_eq!(document["source"]["ip"], "192.0.2.7", "the columns were read");
    }
    // The same that somebody sends, by syslog or not.
    let syslog = InputSettings {
        syslog: Some(SyslogSettings { format: SyslogFormat::Auto, zone: jiff::tz::TimeZone::UTC }),
        ..of("iis")
    };
    for (input, head) in [(of("iis"), ""), (syslog, "<134>Nov 21 03:20:15 web1 iis: ")] {
        let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
        let source = pipeline.source(Path::new(""), Epoch::from_random(*b"golden-epoch"));
        let mut builder = batch(BatchLimits::default());
        for (text, events) in [("#Fields: time c-ip sc-status", 0), ("03:20:16 192.0.2.7 304", 1)] {
            let text = format!("{head}{text}");
            let message = Message {
                text: text.as_bytes(),
                start: 0,
                raw_length: text.len() + 1,
                truncated: false,
            };
            let consumed = pipeline.run_message(&source, message, NOW, &mut builder);
            assert_eq!((consumed.events, consumed.filtered), (events, 1 - events), "{text}");
            let settled = consumed.bytes as u64 + consumed.filtered_bytes;
            assert_eq!(settled, message.raw_length as u64, "{text}");
        }
        let (_, document) = read_item(builder.seal().item(0));
        assert_eq!(document["source"]["ip"], "192.0.2.7", "{head}");
    }
}

/// A good line of each format, in whose place of `URL` a target may stand.
const TEMPLATES: [(&str, &str); 11] = [
    (
        "apache_error",
        "[Sat Nov 21 03:20:13.5 2026] [core:error] [pid 1:tid 2] [client 192.0.2.7:1] AH00128: File does not exist: URL, \
         referer: http://a/",
    ),
    (
        "nginx_error",
        "2026/11/21 03:20:13 [error] 1#2: *3 open() \"/srv\" failed (2: x), client: 192.0.2.7, server: s, request: \"GET \
         URL HTTP/1.1\", upstream: \"http://u\", host: \"h\"",
    ),
    (
        "haproxy",
        "192.0.2.7:1 [21/Nov/2026:03:20:13.003] fe be/s1 1/2/3/4/5 200 9 - - ---- 1/1/0/0/0 0/0 {a|b} {c} \"GET URL \
         HTTP/1.1\"",
    ),
    (
        "traefik",
        "192.0.2.7 - - [21/Nov/2026:03:20:13 +0000] \"GET URL HTTP/1.1\" 200 1 \"-\" \"-\" 1 \"r\" \"http://b\" 2ms",
    ),
    (
        "caddy",
        r#"{"ts":1795231213.5,"request":{"remote_ip":"192.0.2.7","method":"GET","uri":"URL"},"status":200,"duration":0.1}"#,
    ),
    ("iis", "2026-11-21 03:20:13 10.0.0.1 GET URL a=b 80 - 192.0.2.7 ua - 200 0 0 15"),
    (
        "php_fpm_access",
        "192.0.2.7 -  21/Nov/2026:03:20:13 +0000 \"GET URL\" 200 /srv/a.php 0.1 2 3.5%",
    ),
    (
        "php_fpm_slow",
        "[21-Nov-2026 03:20:13]  [pool www] pid 1\nscript_filename = URL\n[0x1] f() /srv/a.php:3",
    ),
    (
        "json_access",
        r#"{"request":"GET URL HTTP/1.1","status":"200","remote_addr":"192.0.2.7","time_local":"never"}"#,
    ),
    ("apache_json", r#"{"method":"GET","uri":"URL","status":200,"client":"192.0.2.7"}"#),
    (
        "nginx_json",
        r#"{"request_uri":"URL","status":200,"upstream_addr":"10.0.0.1:80, 10.0.0.2:80","upstream_status":"502, 200"}"#,
    ),
];

/// Runs one event of a format through its pipeline; returns its document and whether it was recognised.
fn document(name: &str, event: &str) -> (Value, bool) {
    let mut pipeline = Pipeline::new(&of(name), &shared()).expect("a pipeline");
    let log = format!("{event}\n").into_bytes();
    let cuts = [log.len() as u64];
    let (batches, consumed) =
        run_cut(&mut pipeline, "/var/log/x.log", &log, &cuts, BatchLimits::default());
    assert_eq!((batches[0].items(), consumed.bytes), (1, log.len()), "{name}");
    (read_item(batches[0].item(0)).1, consumed.unparsed == 0)
}

#[test]
fn lines_of_other_servers_are_left_to_their_formats() {
    let common = r#"192.0.2.1 - - [21/Nov/2026:03:20:13 +0000] "GET / HTTP/1.1" 200 2326"#;
    let sent = r#"Nov 21 03:20:13 web nginx: 192.0.2.1 - - [21/Nov/2026:03:20:13 +0000] "GET / HTTP/1.1" 200 6 "-" "curl/8""#;
    let list = r#"10.0.0.1, 192.0.2.1 - - [21/Nov/2026:03:20:13 +0000] "GET / HTTP/1.1" 200 6 "-" "curl/8""#;
    for (name, line) in [("php_fpm_access", common), ("traefik", sent), ("traefik", list)] {
        let (document, _) = document(name, line);
        assert_eq!(document["source"], Value::Null, "{name}: {line}");
        assert_eq!(document["message"], line);
    }
}

#[test]
fn target_alone_may_be_called_the_request() {
    for (line, path, query) in [
        (r#"{"clientip":"192.0.2.1","verb":"GET","request":"/x?a=1","response":200}"#, "/x", "a=1"),
        (r#"{"clientip":"192.0.2.1","request":"GET /y HTTP/1.1","response":200}"#, "/y", ""),
    ] {
        let (document, _) = document("json_access", line);
        let url = &document["url"];
        assert_eq!((&url["path"], url["query"].as_str().unwrap_or("")), (&path.into(), query));
        assert_eq!(document["http"]["request"]["method"], "GET");
    }
}

#[test]
fn very_long_targets_are_read_whole() {
    let target = format!("/{}?q={}", "a/".repeat(16 << 10), "%20".repeat(11 << 10));
    for (name, template) in TEMPLATES {
        let (document, is_recognised) = document(name, &template.replace("URL", &target));
        assert!(is_recognised, "{name}");
        let value = match name {
            "apache_error" | "php_fpm_slow" => &document["file"]["path"],
            _ => &document["url"]["original"],
        };
        assert_eq!(value.as_str().map(str::len), Some(target.len()), "{name}");
    }
}

#[test]
fn message_alone_holds_the_line_where_it_is_not_kept_twice() {
    for (name, template) in TEMPLATES {
        let mut input = of(name);
        input.keep_original = false;
        let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
        let log = format!("{template}\n").into_bytes();
        let cuts = [log.len() as u64];
        let (batches, _) = run_cut(&mut pipeline, "/x.log", &log, &cuts, BatchLimits::default());
        let (_, document) = read_item(batches[0].item(0));
        assert_eq!(document["event"]["original"], Value::Null, "{name}");
        let is_error = matches!(name, "apache_error" | "nginx_error");
        let has_residue = name == "json_access";
        assert_eq!(document["message"].is_string(), is_error || has_residue, "{name}");
    }
}

#[test]
fn texts_of_syslog_messages_have_these_formats_too() {
    let syslog = SyslogSettings { format: SyslogFormat::Auto, zone: jiff::tz::TimeZone::UTC };
    for (name, template) in TEMPLATES {
        let mut input = of(name);
        input.reading.parsers.clear();
        input.syslog = Some(syslog.clone());
        let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
        let event = template.replace('\n', " ");
        let log = format!("<134>Nov 21 03:20:14 web1 app[7]: {event}\n").into_bytes();
        let (batches, _) = run(&mut pipeline, "/x.log", &log, BatchLimits::default());
        let (_, document) = read_item(batches[0].item(0));
        let message = document["message"].as_str().expect("it has a message");
        let text = match name {
            "apache_error" => &event[event.find("AH").expect("a code")..],
            "nginx_error" => &event[event.find("open").expect("a text")..],
            _ => &event,
        };
        assert_eq!(message, text, "{name}");
        assert_eq!(document["hostname"], "web1", "{name}");
        let path = document["url"]["original"].as_str().or(document["file"]["path"].as_str());
        if name != "php_fpm_slow" {
            assert_eq!(path, Some("URL"), "{name}");
        }
    }
}

#[test]
fn columns_of_iis_are_those_of_the_file() {
    let mut pipeline = Pipeline::new(&of("iis"), &shared()).expect("a pipeline");
    let mut bytes_of = |file: u8, log: &str| {
        let epoch = Epoch::from_random([file; 12]);
        let source = pipeline.source(Path::new("/srv/iis/x.log"), epoch);
        let mut builder = batch(BatchLimits::default());
        pipeline.run_chunk(&source, chunk(log.as_bytes(), 0), NOW, &mut builder);
        let batch = builder.seal();
        let (_, document) = read_item(batch.item(batch.items() - 1));
        let http = &document["http"];
        (http["response"]["body"]["bytes"].as_u64(), http["request"]["body"]["bytes"].as_u64())
    };
    let lines = "2026-11-21 03:20:13 GET / 200 1 2\n";
    assert_eq!(bytes_of(1, lines), (None, None), "no columns fit yet");
    let sent = "#Fields: date time cs-method cs-uri-stem sc-status sc-bytes cs-bytes\n";
    let received = "#Fields: date time cs-method cs-uri-stem sc-status cs-bytes sc-bytes\n";
    assert_eq!(bytes_of(1, &format!("{sent}{lines}")), (Some(1), Some(2)));
    assert_eq!(bytes_of(2, &format!("{received}{lines}")), (Some(2), Some(1)));
    assert_eq!(bytes_of(1, lines), (Some(1), Some(2)), "it goes on");
    assert_eq!(bytes_of(2, lines), (Some(2), Some(1)));
    assert_eq!(bytes_of(3, lines), (Some(2), Some(1)), "as the file read last");
    for file in 10..80 {
        bytes_of(file, &format!("{received}{lines}"));
    }
    assert_eq!(bytes_of(1, lines), (Some(2), Some(1)), "forgotten");
}

/// All lines of the fixtures, each with the number of its format.
fn lines() -> Vec<(usize, Vec<u8>)> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all = Vec::new();
    for (name, case, ..) in CASES {
        let format = KNOWN.iter().position(|known| known.name == name).expect("it is known");
        let log = std::fs::read(fixtures.join(case).with_extension("log")).expect("a fixture");
        all.extend(log.split(|byte| *byte == b'\n').map(|line| (format, line.to_vec())));
    }
    all.retain(|(_, line)| !line.is_empty());
    all
}

/// One change of a line.
#[derive(Debug, Clone)]
enum Change {
    Cut(usize, usize),
    Put(usize, Vec<u8>),
    Copy(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    const PIECES: [&str; 24] = [
        " ",
        "-",
        "\"",
        "\\",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "/",
        "0",
        "-1",
        "+",
        "\t",
        "\\x16",
        "\u{e4}",
        ", client: ",
        "null",
        "\\u0000",
        "\r",
        "99999999999999999999",
        "http://[::1]:80/",
        "#Fields: date time sc-status c-ip",
    ];
    prop_oneof![
        (0..400_usize, 0..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (0..400_usize, proptest::sample::select(&PIECES[..]))
            .prop_map(|(at, piece)| Change::Put(at, piece.as_bytes().to_vec())),
        (0..400_usize, proptest::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(at, bytes)| Change::Put(at, bytes)),
        (0..400_usize, 0..40_usize, 0..400_usize)
            .prop_map(|(from, length, to)| Change::Copy(from, length, to)),
    ]
}

fn changed(mut line: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        match change {
            Change::Cut(at, length) => {
                let at = at % (line.len() + 1);
                line.drain(at..(at + length).min(line.len()));
            }
            Change::Put(at, bytes) => {
                let at = at % (line.len() + 1);
                line.splice(at..at, bytes.iter().copied());
            }
            Change::Copy(from, length, to) => {
                let from = from % (line.len() + 1);
                let piece = line[from..(from + length).min(line.len())].to_vec();
                let to = to % (line.len() + 1);
                line.splice(to..to, piece);
            }
        }
    }
    line.retain(|byte| *byte != b'\n');
    line
}

/// Checks what a server would refuse: numbers that fit no `long`, addresses that are none.
fn check_values(name: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                check_values(name, value);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_values(name, item)),
        Value::Number(number) => assert!(number.is_i64() || number.is_f64(), "{name}: {number}"),
        Value::String(text) if name == "ip" || name == "forwarded_ip" => {
            assert!(text.parse::<IpAddr>().is_ok(), "{name}: {text}");
        }
        _ => {}
    }
}

proptest! {
    /// For every line like one of a format, and for any bytes, there is one document, strict JSON without a member twice,
    /// that holds the line or what is told of it; and no value is of a type that its field has not.
    #[test]
    fn property_every_line_becomes_a_document_that_a_server_takes(
        picks in proptest::collection::vec((any::<proptest::sample::Index>(), proptest::collection::vec(change(), 0..5)), 1..12),
        other in proptest::collection::vec(any::<u8>(), 0..80),
        keep_original in any::<bool>(),
    ) {
        let lines = lines();
        let format = lines[picks[0].0.index(lines.len())].0;
        let known = &KNOWN[format];
        let mut input = of(known.name);
        input.reading.parsers.clear();
        input.keep_original = keep_original;
        let mut pipeline = Pipeline::new(&input, &shared()).expect("a pipeline");
        let of_format: Vec<&Vec<u8>> =
            lines.iter().filter(|(number, _)| *number == format).map(|(_, line)| line).collect();
        let mut made: Vec<Vec<u8>> = picks
            .iter()
            .map(|(pick, changes)| changed((*pick.get(&of_format)).clone(), changes))
            .collect();
        made.push(changed(other, &[]));
        for line in made {
            let content = line.strip_suffix(b"\r").unwrap_or(&line);
            let log = [&line[..], b"\n"].concat();
            let (batches, consumed) = run(&mut pipeline, "/x.log", &log, BatchLimits::default());
            prop_assert_eq!(consumed.bytes, log.len());
            let is_none = content.is_empty() || (known.name == "iis" && content[0] == b'#');
            prop_assert_eq!(batches[0].items(), usize::from(!is_none));
            if is_none {
                prop_assert_eq!((consumed.events, consumed.filtered), (0, 1));
                continue;
            }
            let (_, document) = read_item(batches[0].item(0));
            check_values("", &document);
            let text = String::from_utf8_lossy(content);
            let message = document["message"].as_str();
            let original = document["event"]["original"].as_str();
            if consumed.unparsed == 1 {
                prop_assert_eq!(message, Some(&*text));
            } else if keep_original {
                let is_error = matches!(known.name, "apache_error" | "nginx_error");
                let expected = |message: &str| message == text || (is_error && text.ends_with(message));
                prop_assert!(message.is_some_and(expected), "{message:?}");
                prop_assert!(original.is_none_or(|original| original == text));
            }
        }
    }
}
