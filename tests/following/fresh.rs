//! `order: fresh_first`: new lines before the backlog, and every line once whatever comes between.

use crate::rig::{FRESH_READ_BYTES, Logs, Rig, Saved, lines, messages, watched};
use shipper::packing::{Compression, Format};
use shipper::settings::reading::{
    EncodingSettings, LineParser, MultilineRule, MultilineSettings, ReadingSettings,
};

/// As many lines as take about ten turns.
const BACKLOG: usize = 1000;

fn start(logs: &Logs, pattern: &str, saved: Saved) -> Rig {
    Rig::start_fresh(watched(&[logs.pattern(pattern)]), saved, &ReadingSettings::default())
}

/// A log with a backlog of which some was read, then new lines came and were read.
fn begun(logs: &Logs) -> Rig {
    logs.write("access.log", lines(1, BACKLOG));
    let mut rig = start(logs, "access.log", Vec::new());
    rig.step(3);
    logs.append("access.log", lines(BACKLOG + 1, BACKLOG + 10));
    rig.look();
    rig.step(1);
    rig
}

/// Tells that each line up to `last` has come once, in any order.
fn assert_each_once(arrived: Vec<String>, last: usize) {
    let mut arrived = arrived;
    arrived.sort();
    let mut expected = messages(1, last);
    expected.sort();
    assert_eq!(arrived, expected);
}

#[test]
fn new_lines_come_before_the_backlog() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    let arrived = rig.arrived();
    let new = messages(BACKLOG + 1, BACKLOG + 10);
    assert!(arrived.ends_with(&new), "the last to come: {:?}", arrived.last());
    let old = arrived.len() - new.len();
    assert!(0 < old && old < BACKLOG / 2, "{old} old lines came before");
    assert_eq!(arrived[..old], messages(1, old), "the backlog is read in order");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(old + 1, BACKLOG));
    logs.append("access.log", lines(BACKLOG + 11, BACKLOG + 12));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(BACKLOG + 11, BACKLOG + 12));
    let saved = rig.stop();
    assert_eq!(saved[0].committed, std::fs::metadata(logs.path("access.log")).unwrap().len());
}

#[test]
fn unfinished_line_at_the_start_is_a_new_one() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, BACKLOG) + "line number 10");
    let mut rig = start(&logs, "access.log", Vec::new());
    rig.step(2);
    logs.append("access.log", "01\n");
    rig.look();
    rig.step(1);
    assert_eq!(rig.arrived().last(), messages(1001, 1001).last());
    rig.settle_down();
    assert_eq!(rig.stop()[0].beyond, []);
}

/// Stopped hard after any number of turns, and again: what was settled is not sent again, and all of it comes.
#[test]
fn hard_stops_anywhere_lose_and_repeat_nothing() {
    let logs = Logs::new();
    for turns in 0..30 {
        logs.write("access.log", lines(1, BACKLOG));
        let mut rig = start(&logs, "access.log", Vec::new());
        rig.step(turns % 12);
        logs.append("access.log", lines(BACKLOG + 1, BACKLOG + 200));
        rig.look();
        rig.step(turns % 5);
        let (mut arrived, saved) = (rig.arrived(), rig.kill());
        logs.append("access.log", lines(BACKLOG + 201, BACKLOG + 500));
        let mut rig = start(&logs, "access.log", saved);
        rig.step(turns % 7);
        logs.append("access.log", lines(BACKLOG + 501, BACKLOG + 510));
        rig.look();
        rig.step(turns % 3);
        arrived.extend(rig.arrived());
        let mut rig = start(&logs, "access.log", rig.kill());
        rig.settle_down();
        arrived.extend(rig.arrived());
        assert_each_once(arrived, BACKLOG + 510);
        rig.stop();
        logs.remove("access.log");
    }
}

/// Lines of many read buffers stand in the backlog and come behind it; whatever turn a stop falls in, each comes once.
#[test]
fn lines_longer_than_the_read_buffer_are_read_at_both_places() {
    let logs = Logs::new();
    let text = |numbers: std::ops::Range<usize>| -> Vec<String> {
        let long = |number: usize| FRESH_READ_BYTES * [0, 3, 0, 17, 1][number % 5];
        numbers.map(|number| format!("{number} {}", "x".repeat(long(number)))).collect()
    };
    let ended = |numbers| text(numbers).iter().map(|line| format!("{line}\n")).collect::<String>();
    for turns in 0..60 {
        logs.write("access.log", ended(0..20));
        let mut rig = start(&logs, "access.log", Vec::new());
        rig.step(turns);
        let new = ended(20..30);
        let (first, rest) = new.split_at(30_000);
        logs.append("access.log", first);
        rig.look();
        // Mostly so long that the backlog has turns again while the end of a new line is sought.
        rig.step(turns % 41);
        let (mut arrived, saved) = (rig.arrived(), rig.kill());
        logs.append("access.log", rest);
        let mut rig = start(&logs, "access.log", saved);
        rig.settle_down();
        arrived.extend(rig.arrived());
        arrived.sort();
        let mut expected = text(0..30);
        expected.sort();
        assert!(arrived == expected, "{} of 30 lines after {turns} turns", arrived.len());
        rig.stop();
        logs.remove("access.log");
    }
}

#[test]
fn stop_before_anything_is_acknowledged_sends_the_same_events_again() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, BACKLOG));
    let mut rig = start(&logs, "access.log", Vec::new());
    rig.withholds = true;
    rig.step(8);
    logs.append("access.log", lines(BACKLOG + 1, BACKLOG + 100));
    rig.look();
    rig.step(2);
    let mut first = std::mem::take(&mut rig.ids);
    assert!(200 < first.len());
    let mut rig = start(&logs, "access.log", rig.kill());
    rig.settle_down();
    let ids = std::mem::take(&mut rig.ids);
    first.retain(|id| !ids.contains(id));
    assert_eq!((first, ids.len()), (Vec::new(), BACKLOG + 100));
}

#[test]
fn starts_leave_at_most_eight_intervals_and_a_file_then_goes_in_order() {
    let logs = Logs::new();
    let (mut saved, mut arrived, mut last) = (Vec::new(), Vec::new(), 200);
    logs.write("access.log", lines(1, last));
    for _ in 0..12 {
        let mut rig = start(&logs, "access.log", saved);
        rig.step(1);
        logs.append("access.log", lines(last + 1, last + 10));
        rig.look();
        rig.step(1);
        arrived.extend(rig.arrived());
        saved = rig.kill();
        assert!(saved[0].beyond.len() <= 8, "{}", saved[0].beyond.len());
        logs.append("access.log", lines(last + 11, last + 200));
        last += 200;
    }
    assert_eq!(saved[0].beyond.len(), 8, "so many were needed");
    let mut rig = start(&logs, "access.log", saved);
    rig.settle_down();
    arrived.extend(rig.arrived());
    assert_each_once(arrived, last);
    rig.stop();
}

#[test]
fn backlog_is_read_on_under_another_name() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", lines(BACKLOG + 11, BACKLOG + 12));
    rig.pass_a_scan();
    let arrived = rig.arrived();
    assert_each_once(arrived, BACKLOG + 12);
    assert_eq!(rig.stop().len(), 2);
}

#[test]
fn backlog_of_a_log_that_was_renamed_while_stopped_is_read() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    let mut arrived = rig.arrived();
    let saved = rig.kill();
    assert_eq!(saved[0].beyond.len(), 1);
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", lines(BACKLOG + 11, BACKLOG + 12));
    let mut rig = start(&logs, "access.log", saved);
    rig.pass_a_scan();
    arrived.extend(rig.arrived());
    assert_each_once(arrived, BACKLOG + 12);
}

#[test]
fn backlog_is_read_on_in_a_copy() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    logs.copy("access.log", "access.log.1");
    // Lines that were read and that the copy lacks.
    logs.append("access.log", lines(BACKLOG + 11, BACKLOG + 20));
    rig.look();
    rig.step(1);
    logs.truncate("access.log");
    logs.append("access.log", lines(BACKLOG + 21, BACKLOG + 22));
    rig.pass(60);
    assert_each_once(rig.arrived(), BACKLOG + 22);
    rig.stop();
}

#[test]
fn backlog_is_read_on_in_a_copy_that_was_made_while_stopped() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    let mut arrived = rig.arrived();
    let saved = rig.kill();
    logs.copy("access.log", "access.log.1");
    logs.truncate("access.log");
    logs.append("access.log", lines(BACKLOG + 11, BACKLOG + 11));
    let mut rig = start(&logs, "access.log*", saved);
    rig.pass(60);
    arrived.extend(rig.arrived());
    assert_each_once(arrived, BACKLOG + 11);
    rig.stop();
}

#[test]
fn backlog_is_read_on_in_a_compressed_file() {
    for format in [Format::Gzip, Format::Zstd] {
        let logs = Logs::new();
        let mut rig = begun(&logs);
        let mut arrived = rig.arrived();
        let saved = rig.kill();
        logs.rename("access.log", "access.log.1");
        logs.pack("access.log.1", format);
        logs.write("access.log", lines(BACKLOG + 11, BACKLOG + 12));
        let watched = shipper::discovery::Watched {
            packed: Compression::All,
            ..watched(&[logs.pattern("access.log*")])
        };
        let mut rig = Rig::start_fresh(watched, saved, &ReadingSettings::default());
        rig.pass(60);
        arrived.extend(rig.arrived());
        assert_each_once(arrived, BACKLOG + 12);
        rig.stop();
    }
}

#[test]
fn backlog_of_a_removed_file_is_read_to_its_end() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    logs.remove("access.log");
    rig.pass_a_scan();
    assert_each_once(rig.arrived(), BACKLOG + 10);
    rig.pass(60);
    assert_eq!((rig.stats.snapshot().reading.lost_bytes, rig.stop().len()), (0, 0));
}

#[test]
fn backlog_that_was_truncated_away_is_counted_as_lost() {
    let logs = Logs::new();
    let mut rig = begun(&logs);
    let read = rig.arrived().len();
    let (all, unread) = (lines(1, BACKLOG), lines(read - 9, BACKLOG));
    assert!(all.ends_with(&unread));
    logs.truncate("access.log");
    logs.append("access.log", lines(BACKLOG + 11, BACKLOG + 12));
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(BACKLOG + 11, BACKLOG + 12));
    assert_eq!(rig.stats.snapshot().reading.lost_bytes, unread.len() as u64);
    assert_eq!(rig.stop().len(), 1, "the epoch of the truncated file is forgotten");
}

#[test]
fn file_that_was_refilled_while_stopped_is_read_from_its_start() {
    let logs = Logs::new();
    let rig = begun(&logs);
    let saved = rig.kill();
    let end = saved[0].reach();
    let mut other = std::fs::read(logs.path("access.log")).unwrap();
    // The same up to the backlog's offset, and other lines where the new ones were.
    let at = usize::try_from(end).unwrap() - 30;
    other[at] = b'X';
    logs.write("access.log", &other);
    let mut rig = start(&logs, "access.log", saved);
    rig.pass_a_scan();
    assert_eq!(rig.arrived().len(), BACKLOG + 10);
}

#[test]
fn whole_files_come_newest_first_where_lines_are_joined() {
    let logs = Logs::new();
    // Each line is an event that could go on.
    let multiline = MultilineSettings::new(MultilineRule::Pattern {
        pattern: "^ ".to_owned(),
        negate: false,
        before: false,
        flush_pattern: None,
    });
    let reading =
        ReadingSettings { parsers: vec![LineParser::Multiline(multiline)], ..Default::default() };
    check_newest_first(&logs, &reading, |text| text.as_bytes().to_vec());
}

#[test]
fn utf_16_is_parted_between_characters() {
    let logs = Logs::new();
    let encoding = EncodingSettings::Utf16 { big_endian: false, mark_decides: true };
    let reading = ReadingSettings { encoding, ..ReadingSettings::default() };
    let text = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    logs.write("access.log", [&[0xff, 0xfe][..], &text(&lines(1, BACKLOG))].concat());
    let pattern = watched(&[logs.pattern("access.log")]);
    let mut rig = Rig::start_fresh(pattern, Vec::new(), &reading);
    rig.step(3);
    // Half a character, and its other half.
    let new = text(&lines(BACKLOG + 1, BACKLOG + 10));
    logs.append("access.log", &new[..101]);
    rig.look();
    rig.step(1);
    logs.append("access.log", &new[101..]);
    rig.look();
    rig.step(1);
    let arrived = rig.arrived();
    assert!(arrived.ends_with(&messages(BACKLOG + 1, BACKLOG + 10)));
    assert!(arrived.len() < BACKLOG);
    rig.settle_down();
    assert_each_once([arrived, rig.arrived()].concat(), BACKLOG + 10);
}

/// Of three files that are read whole, the one that changed last comes first.
fn check_newest_first(logs: &Logs, reading: &ReadingSettings, encode: impl Fn(&str) -> Vec<u8>) {
    let third = BACKLOG / 2;
    for (index, name) in ["a.log", "c.log", "b.log"].into_iter().enumerate() {
        logs.write(name, encode(&lines(index * third + 1, (index + 1) * third)));
        let age = std::time::Duration::from_secs(3600 * (3 - index as u64));
        let modified = std::time::SystemTime::now() - age;
        std::fs::File::options()
            .write(true)
            .open(logs.path(name))
            .unwrap()
            .set_modified(modified)
            .unwrap();
    }
    let mut rig = Rig::start_fresh(watched(&[logs.pattern("*.log")]), Vec::new(), reading);
    rig.settle_down();
    // The last event of each waits for more.
    let newest_first = [2, 1, 0].map(|index| messages(index * third + 1, (index + 1) * third - 1));
    assert_eq!(rig.arrived(), newest_first.concat());
    rig.pass(6);
    assert_eq!(rig.arrived().len(), 3);
    assert!(FRESH_READ_BYTES < third * 10, "each takes several turns");
}
