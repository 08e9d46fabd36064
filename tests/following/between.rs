//! Generations that nobody looked at: what came after the followed file and was rotated away before the next look.

use crate::faulty::bad_sector;
use crate::rig;
use crate::rig::{Logs, Rig, lines, messages};
use rustix::fs::inotify;
use shipper::discovery::From;
use shipper::packing::Format;
use std::mem::MaybeUninit;
use std::path::Path;

/// A log of which line 1 was read, four rotations with their lines while stopped, and history from before.
fn rotate(logs: &Logs, pattern: &str, how: impl Fn(usize)) -> Rig {
    logs.write("access.log.1", "history\n");
    logs.write("access.log.bak", "backup\n");
    logs.write("access.log", lines(1, 1));
    let mut rig = rig(logs, pattern);
    rig.settle_down();
    rig.arrived();
    let saved = rig.stop();
    for rotation in 1..=4 {
        logs.append("access.log", lines(rotation * 100, rotation * 100 + 1));
        for generation in (1..=rotation).rev() {
            for ending in ["", ".gz"] {
                let name = |number| format!("access.log.{number}{ending}");
                if logs.path(&name(generation)).exists() {
                    logs.rename(&name(generation), &name(generation + 1));
                }
            }
        }
        how(rotation);
    }
    logs.append("access.log", lines(900, 900));
    let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
    rig.pass(60);
    rig
}

fn check(pattern: &str, logs: &Logs, how: impl Fn(usize)) {
    let mut rig = rotate(logs, pattern, how);
    let mut all = rig.arrived();
    all.sort();
    let expected: Vec<String> =
        (1..=4).flat_map(|rotation| messages(rotation * 100, rotation * 100 + 1)).collect();
    assert_eq!(all, [expected, messages(900, 900)].concat(), "{pattern}");
    let mut rig = crate::restart(rig, logs, pattern);
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new(), "{pattern}");
}

#[test]
fn several_rotations_while_stopped_are_read_though_the_pattern_names_the_log_alone() {
    let logs = Logs::new();
    check("access.log", &logs, |_| {
        logs.rename("access.log", "access.log.1");
        logs.write("access.log", "");
    });
}

#[test]
fn several_compressed_rotations_while_stopped_are_read() {
    for pattern in ["access.log", "access.log*"] {
        let logs = Logs::new();
        // The pattern finds a backup as well: it is a log like any other.
        let backup = logs.path("access.log.bak");
        check(pattern, &logs, |_| {
            let _ = std::fs::remove_file(&backup);
            logs.rename("access.log", "access.log.1");
            logs.pack("access.log.1", Format::Gzip);
            logs.write("access.log", "");
        });
    }
}

#[test]
fn several_copytruncates_while_stopped_are_read() {
    let logs = Logs::new();
    check("access.log", &logs, |_| {
        logs.copy("access.log", "access.log.1");
        logs.truncate("access.log");
    });
}

#[test]
fn rotations_by_date_while_stopped_are_read() {
    let logs = Logs::new();
    logs.write("access.log-20261031", "history\n");
    check("access.log", &logs, |rotation| {
        logs.rename("access.log", &format!("access.log-2026110{rotation}"));
        logs.write("access.log", "");
    });
}

#[test]
fn log_that_was_empty_when_it_was_renamed_is_read() {
    let logs = Logs::new();
    logs.write("access.log", "");
    let mut rig = rig(&logs, "*.log");
    rig.pass_a_scan();
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", "");
    rig.pass_a_scan();
    logs.append("access.log.1", lines(1, 2));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(1, 2));
}

#[test]
fn log_that_came_and_was_renamed_before_any_look_is_read_where_an_event_tells_of_it() {
    let logs = Logs::new();
    let mut rig = rig(&logs, "*.log");
    rig.pass_a_scan();
    logs.write("access.log", lines(1, 2));
    logs.rename("access.log", "access.log.1");
    rig.hint_rename(&logs, "access.log", "access.log.1");
    // Twice, while others get its name.
    logs.rename("access.log.1", "access.log.2");
    rig.hint_rename(&logs, "access.log.1", "access.log.2");
    logs.write("access.log", lines(3, 4));
    logs.rename("access.log", "access.log.1");
    rig.hint_rename(&logs, "access.log", "access.log.1");
    logs.write("access.log", lines(5, 6));
    rig.pass(30);
    logs.append("access.log.2", lines(7, 8));
    rig.pass(30);
    let mut arrived = rig.arrived();
    arrived.sort();
    assert_eq!(arrived, messages(1, 8));
}

#[test]
fn log_truncated_refilled_and_renamed_while_stopped_is_read() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "*.log");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    let saved = rig.stop();
    logs.truncate("access.log");
    logs.append("access.log", lines(101, 110));
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", lines(201, 202));
    let mut rig = Rig::start(&[logs.pattern("*.log")], saved, From::Start);
    rig.pass(60);
    let mut all = rig.arrived();
    all.sort();
    assert_eq!(all, [messages(101, 110), messages(201, 202)].concat());
}

#[test]
fn rotations_while_stopped_that_have_removed_the_log_that_was_read_leave_the_others_to_be_read() {
    for is_packed in [false, true] {
        let logs = Logs::new();
        let mut rig = rotate(&logs, "access.log", |rotation| {
            if is_packed && logs.path("access.log.2").exists() {
                logs.pack("access.log.2", Format::Gzip);
            }
            for ending in ["", ".gz"] {
                // The history and the log of which line 1 was read are the fifth and the fourth one now.
                let _ = std::fs::remove_file(logs.path(&format!("access.log.3{ending}")));
                let _ = std::fs::remove_file(logs.path(&format!("access.log.4{ending}")));
            }
            assert!(rotation == 1 || !logs.path("access.log.4").exists());
            logs.rename("access.log", "access.log.1");
            logs.write("access.log", "");
        });
        let mut all = rig.arrived();
        all.sort();
        let expected: Vec<String> =
            (3..=4).flat_map(|rotation| messages(rotation * 100, rotation * 100 + 1)).collect();
        assert_eq!(all, [expected, messages(900, 900)].concat(), "packed: {is_packed}");
        let mut rig = crate::restart(rig, &logs, "access.log");
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new());
    }
}

#[test]
fn generation_that_nobody_saw_does_not_wait_for_an_older_one_that_cannot_be_read() {
    for is_packed in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        let mut rig = rig(&logs, "access.log");
        rig.settle_down();
        logs.rename("access.log", "access.log.1");
        logs.write("access.log", lines(301, 500));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(1, 500));
        rig.disk.fail(bad_sector("access.log.3", 0..512));
        logs.rename("access.log.1", "access.log.3");
        logs.rename("access.log", "access.log.2");
        logs.write("access.log.1", lines(501, 700));
        if is_packed {
            logs.pack("access.log.1", Format::Gzip);
        }
        logs.write("access.log", lines(701, 900));
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, messages(501, 900), "packed: {is_packed}");
    }
}

/// Logs of some servers begin with lines of what they hold. The log that was read has gone, and the one of today begins as all do.
fn behind_headers(headers: usize, packed: &[&str]) {
    const HEADER: &str = "line of a header";
    let logs = Logs::new();
    let log = |first, last| [format!("{HEADER}\n").repeat(headers), lines(first, last)].concat();
    logs.write("access.log", log(1, 300));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    assert_eq!(rig.arrived().len(), headers + 300);
    let saved = rig.stop();
    logs.remove("access.log");
    std::thread::sleep(std::time::Duration::from_millis(20));
    // Nothing came in its time.
    logs.write("access.log.2", log(2, 1));
    logs.write("access.log.1", log(301, 500));
    for name in packed {
        logs.pack(name, Format::Gzip);
    }
    logs.write("access.log", log(501, 700));
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.pass(60);
    let mut all = rig.arrived();
    all.sort();
    all.retain(|line| line != HEADER);
    assert_eq!(all, messages(301, 700), "{headers} lines");
}

#[test]
fn packed_generation_without_traffic_does_not_hide_that_an_older_one_has_gone() {
    behind_headers(1, &["access.log.2"]);
}

#[test]
fn packed_generation_that_nobody_saw_is_read_though_the_log_begins_with_the_same_kilobyte() {
    behind_headers(100, &["access.log.1", "access.log.2"]);
}

#[test]
fn log_that_was_removed_leaves_history_alone_that_was_written_on() {
    let logs = Logs::new();
    logs.write("access.log.1", "history\n");
    std::thread::sleep(std::time::Duration::from_millis(20));
    logs.write("access.log", lines(1, 1));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    rig.arrived();
    let saved = rig.stop();
    // As a server does that has not opened its new log yet; begun it was before.
    logs.append("access.log.1", "late\n");
    logs.remove("access.log");
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
}

#[test]
fn log_that_was_removed_leaves_history_alone() {
    for is_packed in [false, true] {
        let logs = Logs::new();
        logs.write("access.log.1", "history\n");
        std::thread::sleep(std::time::Duration::from_millis(20));
        logs.write("access.log", lines(1, 1));
        let mut rig = rig(&logs, "access.log");
        rig.settle_down();
        rig.arrived();
        let saved = rig.stop();
        logs.remove("access.log");
        if is_packed {
            let modified = std::fs::metadata(logs.path("access.log.1")).unwrap().modified();
            logs.pack("access.log.1", Format::Gzip);
            let packed = std::fs::File::options().write(true).open(logs.path("access.log.1.gz"));
            packed.unwrap().set_modified(modified.unwrap()).unwrap();
        }
        let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new());
    }
}

/// Returns how often files are opened in some scans, after so many rotations that were seen and a few empty ones that were not.
fn opens(seen: usize) -> usize {
    let logs = Logs::new();
    let rotate = |number: usize, text: String| {
        logs.rename("access.log", &format!("access.log-202611210{number:03}"));
        logs.write("access.log", text);
    };
    logs.write("access.log", lines(0, 0));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    for number in 1..=seen {
        rotate(number, lines(number, number));
        rig.pass_a_scan();
    }
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(0, seen));
    let saved = rig.stop();
    for number in seen + 1..=seen + 8 {
        rotate(number, String::new());
    }
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, logs.path(""), inotify::WatchFlags::OPEN).unwrap();
    for _ in 0..4 {
        rig.pass_a_scan();
    }
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut space);
    let is_open = |event: &inotify::Event<'_>| event.events().contains(inotify::ReadFlags::OPEN);
    let mut opens = 0;
    while let Ok(event) = events.next() {
        opens += usize::from(is_open(&event) && event.file_name().is_some());
    }
    opens
}

#[test]
fn each_generation_that_was_seen_costs_the_same_while_others_cannot_be_read_yet() {
    let (few, many) = (opens(4), opens(24));
    assert!(many < 6 * few, "{few} opens after 4 rotations, {many} after 24");
}

#[test]
fn what_is_sought_beside_a_directory_that_cannot_be_listed_does_not_grow_with_each_rotation() {
    let logs = Logs::new();
    std::fs::create_dir(logs.path("private")).unwrap();
    logs.write("access.log", lines(1, 10));
    let mut rig = rig(&logs, "access.log*");
    rig.disk.hide("private");
    rig.settle_down();
    for rotation in 1..=30 {
        for number in (1..=5).rev() {
            let name = |number| format!("access.log.{number}");
            if logs.path(&name(number)).exists() {
                logs.rename(&name(number), &name(number + 1));
            }
        }
        logs.rename("access.log", "access.log.1");
        logs.write("access.log", lines(10 * rotation + 1, 10 * rotation + 10));
        rig.pass_a_scan();
    }
    assert_eq!(rig.arrived(), messages(1, 310));
    let sought = rig.prospector.sought();
    assert!((1..=4).contains(&sought), "{sought} notes");
    rig.disk.heal();
    rig.pass_a_scan();
    assert_eq!(rig.prospector.sought(), 0);
}

#[test]
fn no_more_logs_than_so_many_are_sought_beside_a_directory_that_cannot_be_listed() {
    let logs = Logs::new();
    std::fs::create_dir(logs.path("private")).unwrap();
    let names: Vec<String> = (0..1100).map(|number| format!("{number}.log")).collect();
    for name in &names {
        logs.write(name, lines(1, 1));
    }
    let mut rig = rig(&logs, "*.log");
    rig.disk.hide("private");
    rig.settle_down();
    for name in &names {
        logs.remove(name);
    }
    rig.pass(60);
    assert_eq!(rig.arrived().len(), 1100);
    assert_eq!(rig.prospector.sought(), 1024);
}

#[test]
fn packed_generation_does_not_wait_for_a_log_of_its_name_whose_directory_is_away() {
    let (logs, elsewhere) = (Logs::new(), tempfile::tempdir().unwrap());
    for directory in ["a", "b"] {
        std::fs::create_dir(logs.path(directory)).unwrap();
    }
    logs.write("a/access.log", lines(1, 200));
    logs.write("b/access.log", lines(301, 303));
    let mut rig = rig(&logs, "*/access.log");
    rig.pass_a_scan();
    assert_eq!(rig.arrived().len(), 203);
    std::fs::rename(logs.path("a"), elsewhere.path().join("a")).unwrap();
    rig.pass_a_scan();
    logs.rename("b/access.log", "b/access.log.2");
    logs.write("b/access.log.1", lines(304, 306));
    logs.pack("b/access.log.1", Format::Gzip);
    logs.write("b/access.log", lines(307, 309));
    rig.pass(60);
    let mut arrived = rig.arrived();
    arrived.sort();
    assert_eq!(arrived, messages(304, 309));
    assert!(rig.prospector.has_assigned_all());
}

/// A server that does not append writes on where it was after a truncation: both logs begin with a thousand NULs and more.
#[test]
fn what_stands_behind_a_hole_and_was_renamed_unseen_is_read_beside_a_log_that_begins_alike() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    let behind_a_hole = |text: String| [vec![0; lines(1, 300).len()], text.into_bytes()].concat();
    logs.truncate("access.log");
    logs.append("access.log", behind_a_hole(lines(301, 310)));
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", behind_a_hole(lines(311, 320)));
    rig.pass(30);
    let mut all = rig.arrived();
    all.sort();
    assert_eq!(all, messages(301, 320));
}

/// What a drain reads where the rescue holds lines 101 to 300, whose packed copy alone leads to lines 301 to 310.
fn drained_beside_a_rescue(is_readable: bool) -> Vec<String> {
    let logs = Logs::new();
    for directory in ["www", "archive"] {
        std::fs::create_dir(logs.path(directory)).unwrap();
    }
    logs.write("www/access.log", lines(101, 300));
    let patterns = [logs.pattern("www/access.log")];
    let mut rig = Rig::start_rescuing(&patterns, Vec::new(), &logs.path("data"));
    rig.withholds = true;
    rig.settle_down();
    logs.copy("www/access.log", "archive/access.log.3");
    logs.remove("www/access.log");
    rig.pass(60);
    assert_eq!(rig.stats.reading.rescued.get(), 1);
    // The one after the next, so that it is known where logs are put.
    logs.write("www/access.log", lines(311, 400));
    rig.pass(30);
    logs.rename("www/access.log", "archive/access.log.1");
    rig.pass(30);
    let saved = rig.kill();
    logs.pack("archive/access.log.3", Format::Gzip);
    logs.write("archive/access.log.2", lines(301, 310));
    logs.write("www/access.log", lines(401, 420));
    let mut rig = Rig::start_rescuing(&patterns, saved, &logs.path("data"));
    if !is_readable {
        let is_rescue = |path: &Path| path.extension().is_some_and(|ending| ending == "rescue");
        rig.disk.fail(move |path, _, wanted| if is_rescue(path) { Err(5) } else { Ok(wanted) });
    }
    for _ in 0..60 {
        if rig.prospector.has_assigned_all() {
            break;
        }
        rig.pass(1);
    }
    assert!(rig.prospector.has_assigned_all());
    rig.prospector.drain();
    rig.step(100);
    rig.step(1);
    if !is_readable {
        // What cannot be read is tried again a few times.
        rig.pass(10);
    }
    assert!(rig.prospector.drained().is_some());
    let mut all = rig.arrived();
    all.sort();
    all
}

#[test]
fn drain_waits_for_what_was_rescued_because_its_copy_leads_to_others() {
    assert_eq!(drained_beside_a_rescue(true), messages(101, 420));
}

#[test]
fn drain_does_not_wait_for_a_rescue_that_cannot_be_read() {
    assert_eq!(drained_beside_a_rescue(false), messages(311, 420));
}
