//! Events that are not just lines: joined, cut by a pause, encoded, longer than any buffer.

use crate::rig::{Logs, Rig};
use shipper::settings::reading::{
    ContainerSettings, EncodingSettings, LineParser, MultilineRule, MultilineSettings,
    ReadingSettings,
};
use std::collections::BTreeMap;
use std::time::Duration;

fn traces() -> ReadingSettings {
    let rule = MultilineRule::Pattern {
        pattern: "^[ \t]".to_owned(),
        negate: false,
        before: false,
        flush_pattern: None,
    };
    let parsers = vec![LineParser::Multiline(MultilineSettings::new(rule))];
    ReadingSettings { parsers, ..ReadingSettings::default() }
}

#[test]
fn the_last_event_waits_for_more_and_goes_after_the_timeout() {
    let logs = Logs::new();
    logs.write("a.log", "one\n 1\ntwo\n 2\n");
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &traces());
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["one\n 1", "two\n 2"]);
    logs.append("a.log", "three\n");
    rig.pass(3);
    rig.hint_all();
    rig.pass(4);
    assert_eq!(rig.arrived(), [""; 0], "it may go on");
    logs.append("a.log", " 3\n");
    rig.hint_all();
    rig.pass(4);
    assert_eq!(rig.arrived(), [""; 0], "the timeout counts from its last line");
    rig.pass(2);
    assert_eq!(rig.arrived(), ["three\n 3"]);
    logs.append("a.log", " late\nfour\n");
    rig.hint_all();
    rig.pass(1);
    assert_eq!(rig.arrived(), [" late"], "what comes after a pause is an event of its own");
    let entry = &rig.stop()[0];
    assert_eq!((entry.committed, &entry.cuts[..]), (29, &[14, 23][..]), "`four` was not cut");
}

/// The file is written byte by byte, and shipper is stopped at each of them: events are whole, and each is there once.
#[test]
fn an_event_survives_a_restart_at_every_byte() {
    let text = "one\n 1\n\n 1b\ntwo\nthree\n 3\n";
    // As in Filebeat, no line end stands before the first line that is not empty.
    let expected = ["one\n 1", " 1b", "two", "three\n 3"];
    for crash in [false, true] {
        for stop in 0..=text.len() {
            let logs = Logs::new();
            logs.write("a.log", &text[..stop]);
            let patterns = [logs.pattern("*.log")];
            let mut first = Rig::start_reading(&patterns, Vec::new(), &traces());
            first.pass(2);
            let ids = std::mem::take(&mut first.ids);
            let mut events: BTreeMap<String, String> =
                ids.into_iter().zip(first.arrived()).collect();
            let saved = if crash { first.crash(Vec::new()) } else { first.stop() };
            logs.append("a.log", &text[stop..]);
            let mut second = Rig::start_reading(&patterns, saved, &traces());
            second.pass_a_scan();
            let ids = std::mem::take(&mut second.ids);
            events.extend(ids.into_iter().zip(second.arrived()));
            let mut texts: Vec<_> = events.into_values().collect();
            texts.sort_unstable();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(texts, expected, "stopped at byte {stop}, crash {crash}");
        }
    }
}

/// The boundary that a pause made is saved before its event leaves, so a crash before the acknowledgement makes no second
/// document of the same lines.
#[test]
fn after_a_crash_an_event_is_cut_where_a_pause_had_cut_it() {
    let logs = Logs::new();
    logs.write("a.log", "one\n 1\n");
    let patterns = [logs.pattern("*.log")];
    let mut first = Rig::start_reading(&patterns, Vec::new(), &traces());
    first.pass_a_scan();
    assert_eq!(first.arrived(), ["one\n 1"]);
    logs.append("a.log", " 1b\ntwo\n");
    first.pass_a_scan();
    first.pass_a_scan();
    assert_eq!(first.arrived(), [" 1b", "two"]);
    let ids = first.ids.clone();
    let saved = first.crash(Vec::new());
    assert_eq!(saved[0].committed, 0);
    let mut second = Rig::start_reading(&patterns, saved, &traces());
    second.pass_a_scan();
    assert_eq!(second.arrived(), ["one\n 1", " 1b", "two"]);
    assert_eq!(second.ids, ids);
}

#[test]
fn a_removed_file_need_not_wait_for_the_timeout() {
    let logs = Logs::new();
    logs.write("a.log", "one\n");
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &traces());
    rig.pass(1);
    logs.append("a.log", "two\n 2\n");
    rig.hint_all();
    rig.pass(1);
    assert_eq!(rig.arrived(), ["one"]);
    logs.remove("a.log");
    rig.hint_all();
    rig.pass(2);
    assert_eq!(rig.arrived(), ["two\n 2"]);
}

/// Nobody tells of the second line before the next scan.
#[test]
fn before_an_event_is_cut_its_file_is_looked_at() {
    let logs = Logs::new();
    logs.write("a.log", "one\n");
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &traces());
    rig.pass(2);
    logs.append("a.log", " 1\n");
    rig.pass(4);
    assert_eq!(rig.arrived(), [""; 0], "four seconds are no pause of five");
    rig.pass(5);
    assert_eq!(rig.arrived(), ["one\n 1"]);
}

/// A cut that may be saved holds: what comes before that is known goes into the next event, in this life as in another.
#[test]
fn what_comes_while_a_cut_is_saved_is_an_event_of_its_own() {
    let logs = Logs::new();
    logs.write("a.log", "one\n");
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &traces());
    rig.holds_cuts = true;
    rig.pass(7);
    logs.append("a.log", " 1\ntwo\n");
    rig.hint_all();
    rig.pass(2);
    assert_eq!(rig.arrived(), [""; 0]);
    rig.holds_cuts = false;
    rig.pass(1);
    assert_eq!(rig.arrived(), ["one", " 1"]);
}

#[test]
fn an_event_before_a_long_line_without_its_end_goes_after_the_timeout() {
    let logs = Logs::new();
    logs.write("a.log", format!("one\n 1\n{}", "x".repeat(600_000)));
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &traces());
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["one\n 1"]);
}

#[test]
fn events_longer_than_any_buffer_are_whole() {
    let logs = Logs::new();
    for (lines, width) in [(3000, 100), (3, 200_000), (2, 300_000), (499, 5000), (40, 70_000)] {
        let mut settings = traces();
        let LineParser::Multiline(multiline) = &mut settings.parsers[0] else { unreachable!() };
        multiline.max_lines = 0;
        let large = std::iter::repeat_n(format!(" {}", "x".repeat(width)), lines);
        let large = format!("head\n{}", large.collect::<Vec<_>>().join("\n"));
        logs.write("a.log", format!("before\n{large}\nafter\n 1\nlast\n"));
        let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
        rig.pass(2);
        assert!(rig.arrived() == ["before", &large, "after\n 1"], "{lines} lines of {width}");
        assert_eq!(rig.pool.in_use(), 0);
        // It grows while it is read.
        logs.write("b.log", "");
        for piece in format!("{large}\nnext\n").as_bytes().chunks(150_001) {
            logs.append("b.log", piece);
            rig.hint_all();
            rig.pass(1);
        }
        rig.pass_a_scan();
        let mut arrived = rig.arrived();
        arrived.sort_unstable_by_key(String::len);
        assert!(arrived == ["last", "next", &large], "{lines} lines of {width}, in pieces");
        logs.remove("b.log");
    }
}

/// The search for the end of an event that is longer than any buffer goes on where it was, in whatever is there by then.
#[test]
fn a_pause_in_what_has_replaced_a_log_ends_no_event_of_it() {
    let logs = Logs::new();
    let many = |count: usize| format!(" {}\n", "x".repeat(99)).repeat(count);
    logs.write("a.log", format!("one\n{}", many(4_000)));
    let mut settings = traces();
    let LineParser::Multiline(multiline) = &mut settings.parsers[0] else { unreachable!() };
    multiline.max_lines = 0;
    let mut rig = Rig::start_reading(&[logs.pattern("a.log")], Vec::new(), &settings);
    rig.pass(1);
    logs.append("a.log", format!("{}two\n", many(4_000)));
    logs.copy("a.log", "a.log.1");
    logs.write("a.log", format!("uno\n{}", many(6_000)));
    rig.pass(60);
    let mut arrived = rig.arrived();
    arrived.sort();
    let lengths: Vec<usize> = arrived.iter().map(String::len).collect();
    let whole = |first: &str, count| format!("{first}{}", many(count)).len() - 1;
    assert_eq!(lengths, [whole("one\n", 8_000), 3, whole("uno\n", 6_000)]);
}

#[test]
fn of_an_event_that_is_too_long_the_beginning_is_sent() {
    let logs = Logs::new();
    let line = format!(" {}\n", "y".repeat(99_999));
    // 16 MB by 10 MiB; and 501 lines by 500.
    logs.write("a.log", format!("head\n{}next\n", line.repeat(160)));
    logs.write("b.log", format!("head\n{}next\n", " short\n".repeat(60_000)));
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &traces());
    rig.pass_a_scan();
    let mut arrived = rig.arrived();
    arrived.sort_unstable_by_key(String::len);
    let lengths: Vec<usize> = arrived.iter().map(String::len).collect();
    assert_eq!(lengths, [4, 4, 4 + 499 * 7, 10 << 20]);
    assert!(arrived[2] == format!("head{}", "\n short".repeat(499)));
    let read = rig.stop();
    let ends: Vec<u64> = read.iter().map(|entry| entry.committed).collect();
    let sizes = ["a.log", "b.log"].map(|name| std::fs::metadata(logs.path(name)).unwrap().len());
    assert!(sizes.iter().all(|size| ends.contains(size)), "{ends:?} are not {sizes:?}");
}

#[test]
fn a_file_in_utf_16_is_read_however_it_grows() {
    let logs = Logs::new();
    let settings = ReadingSettings {
        encoding: EncodingSettings::Utf16 { big_endian: true, mark_decides: true },
        ..ReadingSettings::default()
    };
    // U+0A0D and U+0D0A hold the bytes of line ends.
    let long = "Ж".repeat(200_000);
    let text = format!("\u{feff}größe\r\n\u{a0d}\u{d0a}\n{long}\nend\n");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    logs.write("a.log", "");
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
    rig.pass(1);
    let (head, tail) = bytes.split_at(30);
    for piece in head.chunks(1).chain(tail.chunks(90_001)) {
        logs.append("a.log", piece);
        rig.hint_all();
        rig.settle_down();
    }
    rig.pass_a_scan();
    assert!(rig.arrived() == ["größe", "\u{a0d}\u{d0a}", &long, "end"]);
    // Another life has to look at the first bytes again.
    let saved = rig.stop();
    logs.append("a.log", "neu\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], saved, &settings);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["neu"]);
}

#[test]
fn a_byte_order_mark_is_no_text_of_a_long_line() {
    let text = "y".repeat(400_000);
    let utf16: Vec<u8> =
        format!("\u{feff}{text}\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encoding = EncodingSettings::Utf16 { big_endian: true, mark_decides: true };
    let utf16 = (utf16, ReadingSettings { encoding, ..ReadingSettings::default() });
    let utf8 = (format!("\u{feff}{text}\n").into_bytes(), ReadingSettings::default());
    for (bytes, settings) in [utf16, utf8] {
        let logs = Logs::new();
        logs.write("a.log", bytes);
        let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
        rig.pass(2);
        assert!(rig.arrived() == [&text[..]], "{:?}", settings.encoding);
    }
}

#[test]
fn a_last_line_without_its_end_goes_after_a_while_if_that_is_asked_for() {
    for (after, expected) in
        [(Some(Duration::from_secs(3)), vec!["one", "part"]), (None, vec!["one"])]
    {
        let logs = Logs::new();
        logs.write("a.log", "one\npart");
        let settings = ReadingSettings { flush_partial_after: after, ..Default::default() };
        let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
        rig.pass(2);
        assert_eq!(rig.arrived(), ["one"]);
        rig.pass(2);
        assert_eq!(rig.arrived(), expected[1..]);
        logs.append("a.log", "ial\n");
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), [if after.is_some() { "ial" } else { "partial" }]);
    }
}

#[test]
fn a_last_line_is_not_cut_within_a_character() {
    let text: Vec<u8> = "one\na😀".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let encoding = EncodingSettings::Utf16 { big_endian: false, mark_decides: false };
    let after = Some(Duration::from_secs(3));
    let settings =
        ReadingSettings { encoding, flush_partial_after: after, ..ReadingSettings::default() };
    for missing in 1..=4 {
        let logs = Logs::new();
        let (there, rest) = text.split_at(text.len() - missing);
        logs.write("a.log", there);
        let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
        rig.pass(5);
        assert_eq!(rig.arrived(), ["one", "a"], "{missing} bytes are missing");
        logs.append("a.log", rest);
        rig.pass_a_scan();
        rig.pass(5);
        assert_eq!(rig.arrived(), ["😀"], "{missing} bytes were missing");
    }
}

#[test]
fn an_event_whose_kept_lines_are_empty_is_sent() {
    let logs = Logs::new();
    let rule = MultilineRule::Pattern {
        pattern: "^ ".to_owned(),
        negate: false,
        before: false,
        flush_pattern: None,
    };
    let multiline = MultilineSettings { max_lines: 1, ..MultilineSettings::new(rule) };
    let parsers = vec![LineParser::Multiline(multiline)];
    let settings = ReadingSettings { parsers, ..ReadingSettings::default() };
    logs.write("a.log", "\n left out\n\n\nnext\n");
    let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
    rig.pass(10);
    assert_eq!(rig.arrived(), ["", "next"], "of lines that are just empty nothing is sent");
}

#[test]
fn text_of_a_container_is_put_together_whatever_its_length() {
    let part = "x".repeat(16_000);
    let line = |text: &str, stream: &str| {
        let log = serde_json::json!({ "log": text, "stream": stream });
        format!("{log}\n")
    };
    let parsers = || vec![LineParser::Container(ContainerSettings::default())];
    let joined = MultilineSettings::new(MultilineRule::Count(1));
    for (parsers, is_one) in [
        (parsers(), true),
        // What joins the joined ones is ended with a whole read buffer: nothing is lost, and nothing stands still.
        ([parsers(), vec![LineParser::Multiline(joined)]].concat(), false),
    ] {
        let logs = Logs::new();
        let settings = ReadingSettings { parsers, ..ReadingSettings::default() };
        let parts = line(&part, "stdout").repeat(50);
        logs.write("a.log", line("first\n", "stdout") + &parts + &line("end\n", "stdout"));
        logs.append("a.log", line("last\n", "stdout"));
        let mut rig = Rig::start_reading(&[logs.pattern("*.log")], Vec::new(), &settings);
        rig.pass(10);
        let arrived = rig.arrived();
        assert_eq!(arrived.concat(), format!("first{}endlast", part.repeat(50)));
        assert_eq!((arrived.len() == 3, arrived.last().unwrap().as_str()), (is_one, "last"));
    }
}
