use super::*;
use crate::parsers::timestamp::render;
use proptest::prelude::*;

/// 2026-11-21T12:00:00Z.
const NOW: u64 = 1_795_262_400_000;

fn reader(format: SyslogFormat, zone: &str) -> Syslog {
    let zone = if zone == "UTC" { TimeZone::UTC } else { TimeZone::get(zone).unwrap() };
    let mut reader = Syslog::new(format, zone);
    reader.set_now(NOW);
    reader
}

/// Tells all that a header says on one line, absent values left out.
fn told(line: &[u8], header: &Header) -> String {
    let text = |span: Span| String::from_utf8_lossy(&line[span.start()..span.end()]).into_owned();
    let mut told = String::new();
    if let Some(priority) = header.priority {
        told += &format!("pri={priority} ");
    }
    if let Some(time) = header.time {
        told += &format!("time={} ", String::from_utf8_lossy(&render(time)));
    }
    for (name, span) in [
        ("version", header.version),
        ("host", header.hostname),
        ("app", header.app_name),
        ("proc", header.proc_id),
        ("id", header.msg_id),
    ] {
        if let Some(span) = span {
            told += &format!("{name}={} ", text(span));
        }
    }
    if let Some(span) = header.structured_data {
        let mut json = Vec::new();
        push_structured_data(&mut json, &line[span.start()..span.end()]);
        serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        told += &format!("data={} ", String::from_utf8(json).unwrap());
    }
    told + &format!("text={}", text(header.message))
}

fn read_in(zone: &str, format: SyslogFormat, line: &str) -> String {
    let header = reader(format, zone).read(line.as_bytes());
    header.map_or_else(|| "nothing".to_owned(), |header| told(line.as_bytes(), &header))
}

/// The committed cases: after each line what it says.
#[test]
fn headers_say_what_the_cases_expect() {
    let cases = include_str!("../../../fixtures/syslog/headers.txt");
    let mut lines = cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    while let Some(line) = lines.next() {
        let expected = lines.next().unwrap();
        assert_eq!(read_in("UTC", SyslogFormat::Auto, line), expected, "{line}");
        count += 1;
    }
    assert!(25 < count);
}

#[test]
fn a_format_that_is_named_excludes_the_other() {
    let old = "<13>Nov 21 03:20:13 web sshd: hi";
    let new = "<13>1 2026-11-21T03:20:13Z web sshd - - - hi";
    let in_utc = |format, line| read_in("UTC", format, line);
    assert_eq!(in_utc(SyslogFormat::Rfc5424, old), "nothing");
    assert_eq!(
        in_utc(SyslogFormat::Rfc5424, new),
        "pri=13 time=2026-11-21T03:20:13.000Z version=1 host=web app=sshd text=hi"
    );
    assert_eq!(
        in_utc(SyslogFormat::Rfc3164, new),
        "pri=13 text=1 2026-11-21T03:20:13Z web sshd - - - hi"
    );
}

#[test]
fn times_without_a_zone_are_those_of_the_zone() {
    let time = |zone, line| read_in(zone, SyslogFormat::Auto, line);
    assert_eq!(
        time("Europe/Berlin", "<13>Nov 21 03:20:13 web a: b"),
        "pri=13 time=2026-11-21T02:20:13.000Z host=web app=a text=b"
    );
    // Summer time, and an hour that was skipped.
    assert_eq!(
        time("Europe/Berlin", "<13>Jul  1 03:20:13 web a: b"),
        "pri=13 time=2026-07-01T01:20:13.000Z host=web app=a text=b"
    );
    assert_eq!(
        time("Europe/Berlin", "<13>Mar 29 02:30:00 web a: b"),
        "pri=13 time=2026-03-29T01:30:00.000Z host=web app=a text=b"
    );
}

#[test]
fn a_year_that_is_not_said_is_the_last_one_that_can_be() {
    let new_year = 1_767_225_600_000; // 2026-01-01T00:00:00Z
    for (now, line, expected) in [
        (new_year + 60_000, "Dec 31 23:59:58 h a: b", "2025-12-31T23:59:58.000Z"),
        (new_year - 60_000, "Jan  1 00:00:02 h a: b", "2026-01-01T00:00:02.000Z"),
        (new_year - 60_000, "Dec 31 23:59:00 h a: b", "2025-12-31T23:59:00.000Z"),
        (new_year, "Jan  3 00:00:00 h a: b", "2025-01-03T00:00:00.000Z"),
        (new_year, "Feb 29 12:00:00 h a: b", "2024-02-29T12:00:00.000Z"),
    ] {
        let mut reader = reader(SyslogFormat::Auto, "UTC");
        reader.set_now(now);
        for _ in 0..2 {
            let time = reader.read(line.as_bytes()).unwrap().time.unwrap();
            assert_eq!(String::from_utf8_lossy(&render(time)), expected, "{line}");
        }
    }
    let mut reader = reader(SyslogFormat::Auto, "UTC");
    let mut year_at = |now| {
        reader.set_now(now);
        reader.read(b"Nov 21 03:20:13 h a: b").unwrap().time.unwrap()
    };
    assert_eq!(year_at(NOW) - year_at(NOW - 86_400_000 * 3), 86_400_000 * 365, "a remembered time");
}

#[test]
fn bytes_that_are_no_text_stay_within_their_values() {
    let line = b"<13>1 - h a - - [x@1 v=\"\xff\\\"\xfe\"] \xff\xfe";
    let header = reader(SyslogFormat::Auto, "UTC").read(line).unwrap();
    let span = header.structured_data.unwrap();
    let mut json = Vec::new();
    push_structured_data(&mut json, &line[span.start()..span.end()]);
    assert_eq!(String::from_utf8(json).unwrap(), "{\"x@1\":{\"v\":\"\u{fffd}\\\"\u{fffd}\"}}");
    assert_eq!(&line[header.message.start()..], b"\xff\xfe");
}

#[test]
fn structured_data_has_bounds() {
    let line = |many: usize| format!("<13>1 - h a - - [x{}] t", " k=\"v\"".repeat(many));
    let read = |many| read_in("UTC", SyslogFormat::Rfc5424, &line(many));
    assert!(read(PARAMETERS_MAX).ends_with("text=t"));
    assert_eq!(read(PARAMETERS_MAX + 1), "nothing");
}

proptest! {
    /// Whatever comes, the spans lie in the line, in order, and structured data becomes a JSON object.
    #[test]
    fn property_spans_lie_in_the_line(
        line in "(<1?[0-9]{1,3}>)?(1 )?(2026-11-21T03:20:13Z |Nov 21 03:20:13 |- )?[a-z\\[\\]:\"= \\\\-]{0,60}",
    ) {
        if let Some(header) = reader(SyslogFormat::Auto, "UTC").read(line.as_bytes()) {
            let spans = [
                header.version, header.hostname, header.app_name, header.proc_id, header.msg_id,
                header.structured_data, Some(header.message),
            ];
            let mut end = 0;
            for span in spans.into_iter().flatten() {
                prop_assert!(end <= span.start() && span.end() <= line.len());
                end = span.end();
            }
            prop_assert_eq!(end, line.len(), "the text is the rest");
            told(line.as_bytes(), &header);
        }
    }

    /// What a sender following RFC 5424 writes is read back, its values unescaped.
    #[test]
    fn property_messages_of_the_rfc_are_read_back(
        priority in 0_u8..=191, host in "[a-z.]{1,12}", app in "[a-z]{1,12}", process in "[0-9]{1,6}",
        id in "[A-Z]{1,8}", values in proptest::collection::vec("[ -~é]{0,12}", 0..5), text in "[ -~é]{0,40}",
    ) {
        let mut data = String::new();
        let mut expected = serde_json::Map::new();
        for (number, value) in values.iter().enumerate() {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
            data += &format!(" k{number}=\"{escaped}\"");
            expected.insert(format!("k{number}"), value.clone().into());
        }
        let line = format!("<{priority}>1 2026-11-21T03:20:13.5Z {host} {app} {process} {id} [x@1{data}] {text}");
        let header = reader(SyslogFormat::Auto, "UTC").read(line.as_bytes()).unwrap();
        let of = |span: Option<Span>| span.map(|span| &line[span.start()..span.end()]);
        prop_assert_eq!(header.priority, Some(priority));
        prop_assert_eq!(header.time, Some(1_795_231_213_500));
        prop_assert_eq!(of(header.hostname), Some(&*host));
        prop_assert_eq!(of(header.app_name), Some(&*app));
        prop_assert_eq!(of(header.proc_id), Some(&*process));
        prop_assert_eq!(of(header.msg_id), Some(&*id));
        prop_assert_eq!(of(Some(header.message)), Some(&*text));
        let mut json = Vec::new();
        push_structured_data(&mut json, of(header.structured_data).unwrap().as_bytes());
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(json, serde_json::json!({ "x@1": expected }));
    }
}
