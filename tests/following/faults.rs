//! Logs that cannot be read for a while, or in part: all that can be read is, once, and nothing is tried again and again.

use crate::faulty::bad_sector;
use crate::log::listener;
use crate::rig::{Logs, Rig, gzip, lines, messages, pack, watched};
use shipper::discovery::From;
use shipper::harvester::READ_BYTES;
use shipper::packing::{Compression, Format};
use shipper::position::{PREFIX_BYTES, TAIL_BYTES};
use shipper::settings::reading::{
    EncodingSettings, LineParser, MultilineRule, MultilineSettings, ReadingSettings,
};
use shipper::unpacked::SKIPPED_AT_ONCE;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The numbers of errors.
const AGAIN: i32 = 11;
const INPUT_OUTPUT: i32 = 5;
const STALE: i32 = 116;

fn start(logs: &Logs) -> Rig {
    Rig::start(&[logs.pattern("access.log")], Vec::new(), From::Start)
}

#[test]
fn read_that_ends_early_is_not_the_end_of_the_file() {
    for most in [1, 3, 63, 64, 65, 100, 1023, 5000] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 5));
        let mut rig = start(&logs);
        rig.disk.fail(move |_, _, wanted| Ok(wanted.min(most)));
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 5), "{most} bytes at once");
        logs.append("access.log", lines(6, 200));
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(6, 200), "{most} bytes at once");
        assert_eq!(rig.stop().len(), 1, "{most} bytes at once: it is one file");
    }
}

#[test]
fn log_is_skipped_to_its_end_where_reads_end_early() {
    for most in [1, 3, 100] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 200));
        let mut rig = Rig::start(&[logs.pattern("access.log")], Vec::new(), From::Now);
        rig.disk.fail(move |_, _, wanted| Ok(wanted.min(most)));
        rig.settle_down();
        logs.append("access.log", lines(201, 205));
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(201, 205), "{most} bytes at once");
    }
}

/// In UTF-16.
fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Reads one byte of what begins at an offset or behind it, and the rest in the next read.
fn part_reads(from: u64) -> impl FnMut(&Path, u64, usize) -> Result<usize, i32> + Send + 'static {
    let mut next = 0;
    move |_, offset, wanted| {
        let length = if offset < from || offset == next { wanted } else { wanted.min(1) };
        next = offset + length as u64;
        Ok(length)
    }
}

#[test]
fn read_that_ends_within_a_line_end_is_not_the_end_of_the_file() {
    let long = "x".repeat(READ_BYTES);
    let multiline = MultilineSettings::new(MultilineRule::Count(3));
    let parsers = vec![LineParser::Multiline(multiline)];
    for (parsers, expected) in [
        (parsers, vec![format!("one\n{long}\nthree"), format!("four\n{long}\nsix")]),
        (Vec::new(), ["one", &long, "three", "four", &long, "six"].map(str::to_owned).to_vec()),
    ] {
        for is_removed in [false, true] {
            let logs = Logs::new();
            logs.write("access.log", wide("a\nb\nc\n"));
            let encoding = EncodingSettings::Utf16 { big_endian: false, mark_decides: false };
            let parsers = parsers.clone();
            let reading = ReadingSettings { encoding, parsers, ..ReadingSettings::default() };
            let patterns = [logs.pattern("access.log")];
            let mut rig = Rig::start_reading(&patterns, Vec::new(), &reading);
            rig.settle_down();
            assert_eq!(rig.arrived().join("\n"), "a\nb\nc");
            logs.append("access.log", wide(&format!("one\n{long}\nthree\nfour\n{long}\nsix\n")));
            rig.disk.fail(part_reads(1000));
            if is_removed {
                logs.remove("access.log");
            }
            rig.pass(60);
            assert!(rig.arrived() == expected, "removed {is_removed}, {} at once", expected.len());
        }
    }
}

#[test]
fn sector_that_cannot_be_read_holds_up_what_stands_behind_it_alone_and_is_counted() {
    for at in [0, 100, 1024, 2000, 5000] {
        let logs = Logs::new();
        let text = lines(1, 500);
        logs.write("access.log", "");
        let mut rig = start(&logs);
        rig.settle_down();
        logs.append("access.log", &text);
        // A file is known by its first 1024 bytes.
        let known = if at < 1024 { 0 } else { at };
        let before = text.as_bytes()[..known].iter().filter(|byte| **byte == b'\n').count();
        rig.disk.fail(bad_sector("access.log", at as u64..at as u64 + 512));
        rig.pass(60);
        assert_eq!(rig.arrived(), messages(1, before), "fault at {at}");
        assert_eq!(rig.stats.reading.unreadable.get(), 1, "fault at {at}");
        rig.disk.heal();
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(before + 1, 500), "fault at {at}");
        assert_eq!(rig.stats.reading.unreadable.get(), 0, "fault at {at}");
    }
}

#[test]
fn sector_within_an_event_of_several_lines_does_not_end_the_event() {
    let multiline = MultilineSettings::new(MultilineRule::Count(100));
    let parsers = vec![LineParser::Multiline(multiline)];
    let reading = ReadingSettings { parsers, ..ReadingSettings::default() };
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    let mut rig = Rig::start_reading(&[logs.pattern("access.log")], Vec::new(), &reading);
    let sector = lines(1, 150).len() as u64;
    rig.disk.fail(bad_sector("access.log", sector..sector + 10));
    rig.pass(60);
    assert_eq!(rig.arrived(), [messages(1, 100).join("\n")]);
    rig.disk.heal();
    rig.pass(3);
    assert_eq!(rig.arrived(), [messages(101, 200).join("\n"), messages(201, 300).join("\n")]);
}

#[test]
fn compressed_file_that_cannot_be_read_to_its_end_is_not_done_with() {
    let logs = Logs::new();
    let (read, rest) = (lines(1, 10), lines(11, 60_000));
    logs.write("access.log", &read);
    let mut rig = Rig::start_packed(&[logs.pattern("access.log")], Vec::new(), Compression::All);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 10));
    let saved = rig.stop();
    let packed = gzip((read + &rest).as_bytes());
    logs.write("access.log.1.gz", &packed);
    logs.remove("access.log");
    let patterns = [logs.pattern("access.log")];
    let mut rig = Rig::start_packed(&patterns, saved, Compression::All);
    // It is examined to its end first; then a reader comes, who meets the fault three times.
    let (half, end) = (packed.len() as u64 / 2, packed.len() as u64);
    let mut sector = bad_sector("access.log.1.gz", half..half + 100);
    let (mut is_examined, mut faults) = (false, 0);
    rig.disk.fail(move |path, offset, wanted| {
        is_examined |= offset == end && path.ends_with("access.log.1.gz");
        let read =
            if is_examined && faults < 3 { sector(path, offset, wanted) } else { Ok(wanted) };
        faults += u32::from(read.is_err());
        read
    });
    rig.pass(120);
    assert_eq!(rig.arrived(), messages(11, 60_000));
}

/// Compressed files of 40,000 lines each that were examined to their ends, and of which no reader comes farther than to the
/// half; with their paths, and how often that was tried in vain.
fn half_unreadable(logs: &Logs, names: &[&str]) -> (Rig, Vec<PathBuf>, Arc<AtomicUsize>) {
    let mut ends: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for (name, first) in names.iter().zip((1..).step_by(40_000)) {
        let packed = gzip(lines(first, first + 39_999).as_bytes());
        logs.write(name, &packed);
        ends.insert(logs.path(name), packed.len() as u64);
    }
    let rig = Rig::start_packed(&[logs.pattern("*.gz")], Vec::new(), Compression::All);
    let paths = ends.keys().cloned().collect();
    let (tries, mut examined) = (Arc::new(AtomicUsize::new(0)), BTreeSet::new());
    let counted = Arc::clone(&tries);
    rig.disk.fail(move |path, offset, wanted| {
        let Some(end) = ends.get(path) else { return Ok(wanted) };
        if offset == *end {
            examined.insert(path.to_path_buf());
        }
        let fails = examined.contains(path) && (end / 2..*end).contains(&offset);
        counted.fetch_add(usize::from(fails), Ordering::Relaxed);
        if fails { Err(INPUT_OUTPUT) } else { Ok(wanted) }
    });
    (rig, paths, tries)
}

#[test]
fn compressed_file_that_cannot_be_read_is_unpacked_ever_more_rarely() {
    let logs = Logs::new();
    let (mut rig, _, tries) = half_unreadable(&logs, &["a.log.gz"]);
    rig.pass(3600);
    let tries = tries.load(Ordering::Relaxed);
    assert!((5..=30).contains(&tries), "{tries} tries in an hour");
    rig.disk.heal();
    rig.pass(700);
    assert_eq!(rig.arrived(), messages(1, 40_000));
}

#[test]
fn compressed_files_that_cannot_be_read_take_no_memory_and_are_held() {
    let logs = Logs::new();
    let (mut rig, paths, _) = half_unreadable(&logs, &["a.log.gz", "b.log.gz", "c.log.gz"]);
    rig.pass(30);
    assert_eq!((rig.stats.reading.unreadable.get(), rig.worker.unpacking()), (3, 0));
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
    rig.pass_a_scan();
    rig.disk.heal();
    rig.pass(60);
    let mut arrived = rig.arrived();
    arrived.sort();
    let mut expected = messages(1, 120_000);
    expected.sort();
    assert!(arrived == expected, "{} of {}", arrived.len(), expected.len());
}

#[test]
fn file_that_is_refused_is_tried_every_two_seconds_and_at_hints_and_told_once() {
    for number in [AGAIN, INPUT_OUTPUT, STALE] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        let mut rig = start(&logs);
        rig.settle_down();
        rig.arrived();
        rig.disk.fail(move |_, _, _| Err(number));
        for more in 4..=50 {
            logs.append("access.log", lines(more, more));
            rig.hint_all();
            rig.pass(0);
            rig.settle_down();
        }
        let hinted = rig.disk.reads();
        rig.pass(100);
        let tried = rig.disk.reads() - hinted;
        // 50 tries of its reader, each of which opens it anew and reads what is open; and looks of the scans.
        assert!((50..=250).contains(&tried), "{number}: {tried} reads in 100 s");
        assert_eq!(rig.stats.reading.unreadable.get(), 1, "{number}");
        rig.disk.heal();
        rig.pass(3);
        assert_eq!(rig.arrived(), messages(4, 50), "{number}");
        assert_eq!(rig.stats.reading.unreadable.get(), 0, "{number}");
    }
}

#[test]
fn file_that_was_removed_stays_open_while_it_cannot_be_read() {
    for number in [INPUT_OUTPUT, STALE] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        let mut rig = start(&logs);
        rig.settle_down();
        logs.append("access.log", lines(4, 6));
        rig.disk.fail(move |_, _, _| Err(number));
        rig.pass_a_scan();
        logs.remove("access.log");
        rig.pass_a_scan();
        rig.disk.heal();
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(1, 6), "{number}");
    }
}

/// Before it is rescued, its first bytes and those before the offset are compared: they may be refused as all others may.
#[test]
fn removed_file_is_rescued_later_where_it_cannot_be_proved_now() {
    for compared in [PREFIX_BYTES, TAIL_BYTES] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        let patterns = [logs.pattern("access.log")];
        let mut rig = Rig::start_rescuing(&patterns, Vec::new(), &logs.path("data"));
        rig.withholds = true;
        rig.settle_down();
        rig.disk.fail(move |path, _, wanted| {
            let is_compared = wanted == compared && path.ends_with("access.log");
            if is_compared { Err(INPUT_OUTPUT) } else { Ok(wanted) }
        });
        logs.remove("access.log");
        rig.pass(20);
        assert_eq!(rig.stats.reading.rescued.get(), 0, "{compared}");
        assert_eq!(rig.stats.reading.unrescued.get(), 1, "{compared}");
        rig.disk.heal();
        rig.pass(60);
        assert_eq!(rig.stats.reading.rescued.get(), 1, "{compared}");
        assert_eq!(rig.stats.reading.unrescued.get(), 0, "{compared}");
        assert_eq!(rig.arrived(), messages(1, 300), "{compared}");
        let ids = std::mem::take(&mut rig.ids);
        // Nothing of it is settled, and no file has it.
        let mut rig = Rig::start_rescuing(&patterns, rig.kill(), &logs.path("data"));
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(1, 300), "{compared}");
        assert!(rig.ids == ids, "{compared}: they are events of the same epoch");
    }
}

#[test]
fn copy_elsewhere_that_fails_to_be_read_is_waited_for() {
    let logs = Logs::new();
    for directory in ["www", "archive"] {
        std::fs::create_dir(logs.path(directory)).unwrap();
    }
    logs.write("www/access.log", lines(1, 300));
    let patterns = [logs.pattern("www/access.log")];
    let mut rig = Rig::start(&patterns, Vec::new(), From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    logs.append("www/access.log", lines(301, 310));
    logs.copy("www/access.log", "archive/access.log.1");
    logs.truncate("www/access.log");
    rig.disk.fail(|path, _, wanted| {
        if path.ends_with("archive/access.log.1") { Err(INPUT_OUTPUT) } else { Ok(wanted) }
    });
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
    rig.disk.heal();
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(301, 310));
}

/// A log of 300 lines that were read, which grew by ten, was copied to where a sector cannot be read, and truncated; with how
/// often that sector was read in vain.
fn copied_to_a_bad_sector() -> (Logs, Rig, Arc<AtomicUsize>) {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    let mut rig = Rig::start(&[logs.pattern("access.log*")], Vec::new(), From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    let sector = lines(1, 200).len() as u64;
    let tries = fail_in(&rig, "access.log.1", sector..sector + 10);
    logs.append("access.log", lines(301, 310));
    logs.copy("access.log", "access.log.1");
    logs.truncate("access.log");
    (logs, rig, tries)
}

#[test]
fn copy_that_cannot_be_read_now_is_not_taken_for_a_new_file() {
    let (_logs, mut rig, _) = copied_to_a_bad_sector();
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
    rig.disk.heal();
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(301, 310));
}

/// The first bytes of a packed file's content cannot be read by whoever looks at it; who unpacks it to its end is not disturbed.
fn unreadable_beginning(
    name: &'static str,
) -> impl FnMut(&Path, u64, usize) -> Result<usize, i32> + Send + 'static {
    let mut is_looked_at = false;
    move |path, offset, wanted| {
        if offset != 0 || !path.ends_with(name) {
            return Ok(wanted);
        }
        // A look reads so many of its own first bytes, and then begins to unpack.
        is_looked_at |= wanted == PREFIX_BYTES;
        let is_unpacked = PREFIX_BYTES < wanted && std::mem::take(&mut is_looked_at);
        if is_unpacked { Err(INPUT_OUTPUT) } else { Ok(wanted) }
    }
}

/// A log of which all lines, 1 to 300, were read, and nothing is settled.
fn unsettled(logs: &Logs, pattern: &str) -> Rig {
    logs.write("access.log", lines(1, 300));
    let mut rig = Rig::start(&[logs.pattern(pattern)], Vec::new(), From::Start);
    rig.withholds = true;
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    rig
}

#[test]
fn packed_copy_whose_beginning_cannot_be_read_for_a_while_is_known_after_a_crash() {
    let logs = Logs::new();
    let mut rig = unsettled(&logs, "access.log*");
    logs.pack("access.log", Format::Gzip);
    rig.disk.fail(unreadable_beginning("access.log.gz"));
    rig.pass(60);
    let ids = std::mem::take(&mut rig.ids);
    let mut rig = Rig::start(&[logs.pattern("access.log*")], rig.kill(), From::Start);
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(1, 300));
    assert!(rig.ids == ids, "they are events of the same epoch");
}

#[test]
fn log_whose_packed_copy_has_a_beginning_that_cannot_be_read_now_is_not_forgotten() {
    for is_living in [true, false] {
        let logs = Logs::new();
        let mut rig = unsettled(&logs, "access.log");
        let ids = std::mem::take(&mut rig.ids);
        let saved = rig.kill();
        logs.rename("access.log", "access.log.1");
        logs.pack("access.log.1", Format::Gzip);
        if is_living {
            logs.write("access.log", lines(301, 400));
        }
        let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
        rig.disk.fail(unreadable_beginning("access.log.1.gz"));
        rig.pass(60);
        let living = if is_living { messages(301, 400) } else { Vec::new() };
        assert_eq!(rig.arrived(), living, "living {is_living}");
        assert_eq!(rig.stats.reading.unreadable.get(), 1, "living {is_living}");
        rig.disk.heal();
        rig.ids.clear();
        rig.pass(60);
        assert_eq!(rig.stats.reading.unreadable.get(), 0, "living {is_living}");
        assert_eq!(rig.arrived(), messages(1, 300), "living {is_living}");
        assert!(rig.ids == ids, "living {is_living}: they are events of the same epoch");
    }
}

#[test]
fn copy_that_cannot_be_read_through_is_tried_ever_more_rarely() {
    let (_logs, mut rig, tries) = copied_to_a_bad_sector();
    rig.pass(3600);
    let tries = tries.load(Ordering::Relaxed);
    assert!((5..=20).contains(&tries), "{tries} tries in an hour");
    assert_eq!(rig.stats.reading.unreadable.get(), 1);
    rig.disk.heal();
    rig.pass(700);
    assert_eq!(rig.arrived(), messages(301, 310));
    assert_eq!(rig.stats.reading.unreadable.get(), 0);
}

/// Has a sector of a file fail; returns how often it was read in vain.
fn fail_in(rig: &Rig, name: &'static str, sector: Range<u64>) -> Arc<AtomicUsize> {
    let tries = Arc::new(AtomicUsize::new(0));
    let (counted, mut sector) = (Arc::clone(&tries), bad_sector(name, sector));
    rig.disk.fail(move |path, offset, wanted| {
        let read = sector(path, offset, wanted);
        counted.fetch_add(usize::from(read.is_err()), Ordering::Relaxed);
        read
    });
    tries
}

#[test]
fn drain_does_not_wait_for_what_cannot_be_read() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    let mut rig = start(&logs);
    rig.disk.fail(bad_sector("access.log", 2000..2010));
    rig.pass(1);
    rig.prospector.drain();
    rig.pass(30);
    assert!(rig.prospector.drained().is_some());
    assert_eq!(rig.stats.reading.unreadable.get(), 1);
}

#[test]
fn drain_does_not_wait_for_what_cannot_be_read_of_a_backlog() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3000));
    let watched = watched(&[logs.pattern("access.log")]);
    let mut rig = Rig::start_fresh(watched, Vec::new(), &ReadingSettings::default());
    rig.disk.fail(bad_sector("access.log", 20_000..20_010));
    rig.pass(1);
    rig.prospector.drain();
    rig.pass(30);
    assert!(rig.prospector.drained().is_some());
    assert_eq!(rig.stats.reading.unreadable.get(), 1);
}

#[test]
fn drain_does_not_wait_for_what_cannot_be_read_far_behind_in_a_compressed_file() {
    let logs = Logs::new();
    // So many that going there takes several turns.
    let text = lines(1, 200_000);
    assert!(2 * SKIPPED_AT_ONCE / Format::Bzip2.slowness() < text.len());
    let packed = pack(Format::Bzip2, text.as_bytes());
    let (half, end) = (packed.len() as u64 * 9 / 10, packed.len() as u64);
    logs.write("access.log.1.bz2", &packed);
    let patterns = [logs.pattern("access.log*")];
    let mut rig = Rig::start_packed(&patterns, Vec::new(), Compression::All);
    let mut sector = bad_sector("access.log.1.bz2", half..half + 100);
    let mut is_examined = false;
    rig.disk.fail(move |path, offset, wanted| {
        is_examined |= offset == end;
        if is_examined { sector(path, offset, wanted) } else { Ok(wanted) }
    });
    rig.pass(1);
    rig.prospector.drain();
    rig.pass(30);
    assert!(rig.prospector.drained().is_some());
}

#[test]
fn compressed_copy_that_cannot_be_read_is_told_and_unpacked_ever_more_rarely() {
    let logs = Logs::new();
    let (read, rest) = (lines(1, 10), lines(11, 60_000));
    logs.write("access.log", &read);
    let patterns = [logs.pattern("access.log")];
    let mut rig = Rig::start_packed(&patterns, Vec::new(), Compression::All);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 10));
    let packed = gzip((read + &rest).as_bytes());
    let half = packed.len() as u64 / 2;
    logs.write("access.log.1.gz", &packed);
    logs.remove("access.log");
    let tries = fail_in(&rig, "access.log.1.gz", half..half + 100);
    rig.pass(3600);
    let tries = tries.load(Ordering::Relaxed);
    assert!((5..=20).contains(&tries), "{tries} tries in an hour");
    assert_eq!(rig.stats.reading.unreadable.get(), 1);
    rig.disk.heal();
    rig.pass(700);
    assert_eq!(rig.arrived(), messages(11, 60_000));
    assert_eq!(rig.stats.reading.unreadable.get(), 0);
}

#[test]
fn file_that_cannot_be_rescued_is_written_ever_more_rarely() {
    let (logs, data) = (Logs::new(), tempfile::tempdir().unwrap());
    logs.write("access.log", lines(1, 200));
    let patterns = [logs.pattern("access.log")];
    let mut rig = Rig::start_rescuing(&patterns, Vec::new(), data.path());
    rig.settle_down();
    let wake = Arc::default();
    let held: Vec<_> = std::iter::from_fn(|| rig.pool.try_take(&wake)).collect();
    logs.append("access.log", lines(201, 400));
    rig.pass_a_scan();
    logs.remove("access.log");
    let sector = lines(1, 300).len() as u64;
    let tries = fail_in(&rig, "access.log", sector..sector + 10);
    rig.pass(3600);
    let tries = tries.load(Ordering::Relaxed);
    assert!((5..=15).contains(&tries), "{tries} tries in an hour");
    rig.disk.heal();
    rig.pass(600);
    assert_eq!(rig.stats.reading.rescued.get(), 1);
    drop(held);
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(1, 400));
}

/// A file that is in the rescue is held until nobody can have written to it since.
#[test]
fn line_that_comes_while_a_file_is_rescued_that_was_refused_before_is_not_lost() {
    let (logs, data) = (Logs::new(), tempfile::tempdir().unwrap());
    logs.write("access.log", lines(1, 200));
    let patterns = [logs.pattern("access.log")];
    let mut rig = Rig::start_rescuing(&patterns, Vec::new(), data.path());
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 200));
    logs.append("access.log", lines(201, 210));
    rig.disk.fail(|_, _, _| Err(INPUT_OUTPUT));
    rig.hint_all();
    rig.pass(1);
    let wake = Arc::default();
    let held: Vec<_> = std::iter::from_fn(|| rig.pool.try_take(&wake)).collect();
    let mut writer = std::fs::File::options().append(true).open(logs.path("access.log")).unwrap();
    logs.remove("access.log");
    let end = lines(1, 210).len() as u64;
    let (mut is_read, mut is_written) = (false, false);
    rig.disk.fail(move |path, offset, wanted| {
        if path.ends_with("access.log") {
            is_read |= offset == end;
            if is_read && offset == 0 && !is_written {
                is_written = true;
                writer.write_all(lines(211, 211).as_bytes()).unwrap();
            }
        }
        Ok(wanted)
    });
    rig.pass(30);
    assert!(1 <= rig.stats.reading.rescued.get());
    drop(held);
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(201, 211));
}

/// Two reads of one turn are not one: what a truncation has put between them is no part of what was there.
#[test]
fn file_that_is_refilled_between_two_reads_is_not_mixed_up() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 100));
    let mut rig = start(&logs);
    rig.settle_down();
    rig.arrived();
    logs.append("access.log", lines(101, 102));
    let (path, end) = (logs.path("access.log"), lines(1, 102).len() as u64);
    let mut refilled = false;
    rig.disk.fail(move |name: &Path, offset, wanted| {
        if offset == end && !refilled && name.ends_with("access.log") {
            refilled = true;
            std::fs::write(&path, lines(1000, 1300)).unwrap();
        }
        Ok(wanted)
    });
    rig.pass(60);
    let arrived = rig.arrived();
    assert_eq!(arrived, [messages(101, 102), messages(1000, 1300)].concat());
}

#[test]
fn long_line_whose_end_cannot_be_read_for_a_moment_has_its_text() {
    let logs = Logs::new();
    let long = "x".repeat(300_000);
    logs.write("access.log", format!("{long}\nnext\n"));
    let mut rig = start(&logs);
    // The last bytes, in which its end is looked for.
    let mut faults = 0;
    rig.disk.fail(move |_, _, wanted| {
        faults += u32::from(wanted == 8);
        if wanted == 8 && faults == 1 { Err(INPUT_OUTPUT) } else { Ok(wanted) }
    });
    rig.pass(10);
    assert_eq!(rig.arrived(), [long.as_str(), "next"]);
}

/// Returns how often it was told meanwhile that a file or a directory cannot be read, or can be again.
fn refusals_told(act: impl FnOnce()) -> usize {
    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    let listener = listener(move |metadata, text| {
        let is_refusal = metadata.target() == "shipper::advice";
        let is_told = is_refusal || text.ends_with("can be looked at again");
        counted.fetch_add(usize::from(is_told), Ordering::Relaxed);
    });
    tracing::subscriber::with_default(listener, act);
    told.load(Ordering::Relaxed)
}

#[test]
fn reads_that_fail_now_and_then_are_told_once() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 200));
    let mut rig = start(&logs);
    rig.settle_down();
    rig.arrived();
    let mut reads = 0;
    rig.disk.fail(move |_, _, wanted| {
        reads += 1;
        if reads % 7 == 0 { Err(INPUT_OUTPUT) } else { Ok(wanted) }
    });
    let told = refusals_told(|| {
        for more in 201..=400 {
            logs.append("access.log", lines(more, more));
            rig.hint_all();
            rig.pass(1);
        }
        rig.disk.heal();
        rig.pass_a_scan();
    });
    assert_eq!(rig.arrived(), messages(201, 400));
    assert!(20 < rig.stats.reading.errors.get());
    assert_eq!(told, 1);
}

/// Of too little to be followed each scan sees whether it can be read.
#[test]
fn file_that_some_scans_can_read_is_told_once() {
    let logs = Logs::new();
    logs.write("access.log", "1");
    let mut rig = start(&logs);
    let told = refusals_told(|| {
        for _ in 0..5 {
            rig.disk.fail(|_, _, _| Err(INPUT_OUTPUT));
            rig.pass_a_scan();
            assert_eq!(rig.stats.reading.unreadable.get(), 1);
            rig.disk.heal();
            rig.pass_a_scan();
            assert_eq!(rig.stats.reading.unreadable.get(), 0);
        }
    });
    assert_eq!((told, rig.stats.reading.errors.get()), (1, 5));
    let told = refusals_told(|| {
        // What could be read for long is news again.
        rig.pass(200);
        rig.disk.fail(|_, _, _| Err(INPUT_OUTPUT));
        rig.pass_a_scan();
    });
    assert_eq!(told, 1);
}

#[test]
fn directory_that_some_scans_can_list_is_told_once_as_such_and_once_as_readable() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 10));
    let mut rig = Rig::start(&[logs.pattern("*.log")], Vec::new(), From::Start);
    rig.settle_down();
    let told = refusals_told(|| {
        for _ in 0..5 {
            rig.disk.fail_lists();
            rig.pass_a_scan();
            assert_eq!(rig.stats.reading.unreadable.get(), 1);
            rig.disk.heal();
            rig.pass_a_scan();
            assert_eq!(rig.stats.reading.unreadable.get(), 0);
        }
    });
    assert_eq!((told, rig.stats.reading.errors.get()), (2, 5));
    // What lasts is told, whatever was before.
    for fails in [true, false, true] {
        let told = refusals_told(|| {
            rig.disk.heal();
            if fails {
                rig.disk.fail_lists();
            }
            rig.pass(200);
        });
        assert_eq!(told, 1, "fails: {fails}");
    }
    assert_eq!(rig.arrived(), messages(1, 10));
}

#[test]
fn rest_of_a_log_that_a_scan_saw_shorter_before_its_reader_did_is_told_as_lost() {
    for is_refilled in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        let mut rig = start(&logs);
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 3));
        rig.disk.fail(|_, _, _| Err(INPUT_OUTPUT));
        logs.append("access.log", lines(4, 9));
        rig.pass_a_scan();
        logs.truncate("access.log");
        if is_refilled {
            // Beyond what was read.
            logs.append("access.log", lines(21, 24));
        }
        rig.pass_a_scan();
        rig.disk.heal();
        rig.pass(60);
        assert_eq!(rig.stats.reading.lost_bytes.get(), lines(4, 9).len() as u64, "{is_refilled}");
        let expected = if is_refilled { messages(21, 24) } else { Vec::new() };
        assert_eq!(rig.arrived(), expected, "{is_refilled}");
    }
}

#[test]
fn rest_of_a_truncated_log_is_told_as_lost_where_no_copy_has_it() {
    // The last line that a copy has, and whether shipper is stopped as soon as it has seen the truncation.
    for (copied, is_stopped) in
        [(0, false), (0, true), (2, false), (7, false), (7, true), (9, false), (9, true)]
    {
        let case = format!("{copied} copied, stopped: {is_stopped}");
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        let mut rig = start(&logs);
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 3));
        rig.disk.fail(|_, _, _| Err(INPUT_OUTPUT));
        logs.append("access.log", lines(4, 9));
        rig.pass_a_scan();
        logs.truncate("access.log");
        rig.disk.heal();
        if is_stopped {
            rig.pass(1);
            let saved = rig.stop();
            assert_eq!(saved.len(), 1, "{case}");
            rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
        }
        if copied != 0 {
            logs.write("access.log.1", lines(1, copied));
        }
        rig.pass(60);
        let lost = lines(copied.max(3) + 1, 9).len() as u64;
        assert_eq!(rig.stats.reading.lost_bytes.get(), lost, "{case}");
        assert_eq!(rig.arrived(), messages(4, copied), "{case}");
        logs.append("access.log", lines(10, 11));
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(10, 11), "{case}");
    }
}

#[test]
fn copy_of_a_log_that_cannot_be_read_waits_until_it_stands_still() {
    for heals in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        logs.write("access.log.1", lines(1, 100));
        let mut rig = Rig::start(&[logs.pattern("access.log*")], Vec::new(), From::Start);
        rig.disk
            .fail(|path, _, wanted| if path.ends_with("access.log") { Err(5) } else { Ok(wanted) });
        rig.pass(2);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "heals: {heals}");
        if heals {
            rig.disk.heal();
            rig.pass(2);
            logs.append("access.log.1", lines(101, 300));
            logs.truncate("access.log");
            rig.pass(60);
            assert_eq!(rig.arrived(), messages(1, 300), "heals: {heals}");
        } else {
            for line in 101..=110 {
                logs.append("access.log.1", lines(line, line));
                rig.pass(1);
            }
            assert!(100 < rig.messages.len(), "it may grow for ever");
            rig.pass(15);
            assert_eq!(rig.arrived(), messages(1, 110));
        }
    }
}
