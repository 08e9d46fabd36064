//! Short generations: what holds a line or two is told from a copy of another one that begins alike, and known again.

use crate::rig;
use crate::rig::{Logs, Rig};
use shipper::discovery::From;
use shipper::packing::{Compression, Format};

const PATTERN: &str = "access.log*";

/// Less than proves a log of which nothing is settled.
const SHORT: &str = "one short line\n";

fn sorted(rig: &mut Rig) -> Vec<String> {
    let mut all = rig.arrived();
    all.sort();
    all
}

fn line(number: usize, end: &str) -> String {
    format!("head that all lines have in common, {number}{end}")
}

fn all(first: usize, last: usize) -> String {
    (first..=last).map(|number| line(number, "\n")).collect()
}

fn numbered(first: usize, last: usize) -> Vec<String> {
    (first..=last).map(|number| line(number, "")).collect()
}

/// A log of which forty lines were read, the first of them as long as two; then shipper stopped.
fn stopped(logs: &Logs, pattern: &str) -> crate::rig::Saved {
    let first = line(1, " and more of the first one");
    logs.write("access.log", format!("{first}\n"));
    let mut rig = rig(logs, pattern);
    rig.settle_down();
    logs.append("access.log", all(2, 40));
    rig.pass(30);
    assert_eq!(rig.arrived().len(), 40, "{pattern}");
    rig.stop()
}

#[test]
fn short_generation_that_begins_as_an_older_one_is_no_copy_of_it() {
    for pattern in ["access.log", PATTERN, "*.log"] {
        let logs = Logs::new();
        let saved = stopped(&logs, pattern);
        logs.append("access.log", all(41, 50));
        logs.rename("access.log", "access.log.2");
        logs.pack("access.log.2", Format::Gzip);
        logs.write("access.log.1", line(51, "\n"));
        logs.write("access.log", line(52, "\n"));
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), numbered(41, 52), "{pattern}");
    }
}

#[test]
fn short_generation_that_begins_as_one_that_was_truncated_is_no_copy_of_it() {
    for more in ["", "and no whole line"] {
        let logs = Logs::new();
        let saved = stopped(&logs, PATTERN);
        logs.truncate("access.log");
        logs.append("access.log", all(41, 41) + more);
        logs.copy("access.log", "access.log.1");
        logs.truncate("access.log");
        logs.append("access.log", all(42, 42));
        let mut rig = Rig::start(&[logs.pattern(PATTERN)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), numbered(41, 42), "{more}");
    }
}

#[test]
fn copy_of_one_that_was_truncated_is_known_by_its_first_line() {
    for ends_with in [1, 2, 3, 4, 39] {
        let logs = Logs::new();
        let saved = stopped(&logs, PATTERN);
        let content = std::fs::read_to_string(logs.path("access.log")).unwrap();
        let lines = content.split_inclusive('\n').take(ends_with);
        logs.write("access.log.1", lines.collect::<String>());
        logs.truncate("access.log");
        logs.append("access.log", all(41, 41));
        let mut rig = Rig::start(&[logs.pattern(PATTERN)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), numbered(41, 41), "{ends_with}");
    }
}

#[test]
fn packed_line_is_known_again_before_it_is_acknowledged() {
    let logs = Logs::new();
    logs.write("access.log.1", SHORT);
    logs.pack("access.log.1", Format::Gzip);
    let start = |saved| Rig::start_packed(&[logs.pattern(PATTERN)], saved, Compression::All);
    let mut rig = start(Vec::new());
    rig.withholds = true;
    rig.pass(30);
    assert_eq!(rig.arrived(), [SHORT.trim_end()]);
    let ids = std::mem::take(&mut rig.ids);
    let mut rig = start(rig.kill());
    rig.pass(30);
    assert_eq!(rig.arrived(), [SHORT.trim_end()]);
    assert_eq!(rig.ids, ids);
}

#[test]
fn line_that_is_rotated_before_it_is_acknowledged_is_known_again() {
    for is_packed in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", SHORT);
        let mut rig = rig(&logs, PATTERN);
        rig.withholds = true;
        rig.pass(30);
        assert_eq!(rig.arrived(), [SHORT.trim_end()]);
        let ids = std::mem::take(&mut rig.ids);
        let saved = rig.kill();
        logs.copy("access.log", "access.log.1");
        logs.remove("access.log");
        if is_packed {
            logs.pack("access.log.1", Format::Gzip);
        }
        let mut rig = Rig::start(&[logs.pattern(PATTERN)], saved, From::Start);
        rig.pass(30);
        assert_eq!(rig.arrived(), [SHORT.trim_end()], "{is_packed}");
        assert_eq!(rig.ids, ids, "{is_packed}");
    }
}

#[test]
fn log_that_begins_with_the_same_line_is_another_one() {
    let logs = Logs::new();
    logs.write("access.log", SHORT);
    let mut rig = rig(&logs, PATTERN);
    rig.withholds = true;
    rig.pass(30);
    let ids = std::mem::take(&mut rig.ids);
    let saved = rig.kill();
    // While the first one is there, its inode is not given away.
    logs.write("other", SHORT);
    logs.remove("access.log");
    logs.rename("other", "access.log");
    let mut rig = Rig::start(&[logs.pattern(PATTERN)], saved, From::Start);
    rig.pass(30);
    assert_eq!(rig.arrived(), [SHORT.trim_end()]);
    assert_ne!(rig.ids, ids);
}

#[test]
fn entry_of_an_older_version_gets_the_hashes_of_its_first_lines() {
    let logs = Logs::new();
    let saved = stopped(&logs, PATTERN);
    let mut older = saved.clone();
    older[0].prefix.lines = [0; 3];
    let rig = Rig::start(&[logs.pattern(PATTERN)], older, From::Start);
    assert_eq!(rig.stop()[0].prefix, saved[0].prefix);
}

#[test]
fn few_bytes_that_tell_a_moment_prove_a_copy_of_which_nothing_was_acknowledged() {
    for is_beside in [false, true] {
        let logs = Logs::new();
        for directory in ["www", "archive"] {
            std::fs::create_dir(logs.path(directory)).unwrap();
        }
        let pattern = "www/access.log*";
        let more: String =
            (10..20).map(|number| format!("2026-11-20 10:11:{number} line\n")).collect();
        logs.write("www/access.log", "2026-11-20 10:11:09 line\n");
        let mut rig = rig(&logs, pattern);
        rig.withholds = true;
        rig.pass(30);
        let saved = rig.kill();
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved.clone(), From::Start);
        rig.withholds = true;
        logs.append("www/access.log", more);
        rig.pass(30);
        assert_eq!(rig.arrived().len(), 11);
        let mut ids = std::mem::take(&mut rig.ids);
        drop(rig);
        let copy = if is_beside { "archive/access.log.1" } else { "www/access.log.1" };
        logs.copy("www/access.log", copy);
        logs.truncate("www/access.log");
        // As a crash does that comes before the entry is saved with more of its first bytes.
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(rig.arrived().len(), 11, "{is_beside}");
        ids.sort();
        rig.ids.sort();
        assert_eq!(rig.ids, ids, "{is_beside}");
    }
}
