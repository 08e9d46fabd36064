//! Logs that are rotated into a directory to which no pattern leads, beside their own or anywhere else.

use crate::faulty::bad_sector;
use crate::rig::{Logs, Rig, lines, messages, watched};
use shipper::discovery::From;
use shipper::packing::Format;
use shipper::settings::CloseSettings;
use std::time::Duration;

/// A log, and where it is rotated to: line 1 is in its first generation there, which was found while it was open, and line 2
/// in the log.
struct Moved {
    logs: Logs,
    old: Logs,
}

impl Moved {
    fn start() -> (Self, Rig) {
        let moved = Self { logs: Logs::new(), old: Logs::new() };
        let rig = moved.follow();
        (moved, rig)
    }

    fn follow(&self) -> Rig {
        self.logs.write("access.log", lines(1, 1));
        let mut rig = Rig::start(&[self.logs.pattern("*.log")], Vec::new(), From::Start);
        rig.settle_down();
        self.rotate(None);
        self.logs.write("access.log", lines(2, 2));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(1, 2));
        rig
    }

    fn rotate(&self, packed: Option<Format>) {
        for generation in (1..5).rev() {
            for ending in ["", ".gz"] {
                let name = |number| format!("access.log.{number}{ending}");
                if self.old.path(&name(generation)).exists() {
                    self.old.rename(&name(generation), &name(generation + 1));
                }
            }
        }
        std::fs::rename(self.logs.path("access.log"), self.old.path("access.log.1")).unwrap();
        if let Some(format) = packed {
            self.old.pack("access.log.1", format);
        }
    }

    fn start_again(&self, rig: Rig) -> Rig {
        let mut rig = Rig::start(&[self.logs.pattern("*.log")], rig.stop(), From::Start);
        rig.pass(60);
        rig
    }
}

#[test]
fn log_that_is_moved_while_stopped_to_where_earlier_ones_are_is_read_on_there() {
    for packed in [None, Some(Format::Gzip)] {
        for rotations in 1..=3 {
            let (moved, rig) = Moved::start();
            let saved = rig.stop();
            for rotation in 1..=rotations {
                moved.logs.append("access.log", lines(10 * rotation, 10 * rotation));
                moved.rotate(packed);
            }
            moved.logs.write("access.log", lines(90, 90));
            let mut rig = Rig::start(&[moved.logs.pattern("*.log")], saved, From::Start);
            rig.pass(60);
            let mut all = rig.arrived();
            all.sort();
            let expected: Vec<String> =
                (1..=rotations).flat_map(|one| messages(10 * one, 10 * one)).collect();
            assert_eq!(all, [expected, messages(90, 90)].concat(), "{packed:?}, {rotations} times");
            let mut rig = moved.start_again(rig);
            assert_eq!(rig.arrived(), Vec::<String>::new(), "{packed:?}, {rotations} times");
        }
    }
}

#[test]
fn closed_log_that_is_moved_to_where_earlier_ones_are_is_read_on_there() {
    for packed in [None, Some(Format::Gzip)] {
        let (moved, rig) = Moved::start();
        let close = CloseSettings { on_eof: true, ..CloseSettings::default() };
        let mut rig =
            Rig::start_closing(watched(&[moved.logs.pattern("*.log")]), rig.stop(), close);
        rig.pass(30);
        moved.logs.append("access.log", lines(3, 3));
        moved.rotate(packed);
        moved.logs.write("access.log", lines(9, 9));
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, [messages(3, 3), messages(9, 9)].concat(), "{packed:?}");
    }
}

#[test]
fn those_that_came_after_a_log_that_has_gone_are_read_where_earlier_ones_were() {
    for packed in [None, Some(Format::Gzip)] {
        let (moved, rig) = Moved::start();
        let saved = rig.stop();
        for rotation in 1..=3 {
            std::thread::sleep(Duration::from_millis(20));
            moved.rotate(packed);
            moved.logs.write("access.log", lines(10 * rotation, 10 * rotation));
        }
        // Of lines 1 and 2.
        let ending = if packed.is_some() { ".gz" } else { "" };
        for name in ["access.log.4".to_owned(), format!("access.log.3{ending}")] {
            moved.old.remove(&name);
        }
        let mut rig = Rig::start(&[moved.logs.pattern("*.log")], saved, From::Start);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        let expected: Vec<String> = (1..=3).flat_map(|one| messages(10 * one, 10 * one)).collect();
        assert_eq!(all, expected, "{packed:?}");
        let mut rig = moved.start_again(rig);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{packed:?}");
    }
}

#[test]
fn history_where_logs_are_moved_to_is_left_alone() {
    let moved = Moved { logs: Logs::new(), old: Logs::new() };
    moved.old.write("access.log.1", "history\n");
    moved.old.write("other.log.1", "of another log\n");
    let saved = moved.follow().stop();
    moved.logs.append("access.log", lines(3, 3));
    moved.rotate(None);
    let mut rig = Rig::start(&[moved.logs.pattern("*.log")], saved, From::Start);
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(3, 3));
}

#[test]
fn logs_of_one_name_that_are_moved_to_one_place_are_read_once() {
    for packed in [None, Some(Format::Gzip)] {
        let (logs, old) = (Logs::new(), Logs::new());
        let sites = ["one", "two", "three"].map(|site| format!("{site}/access.log"));
        let rotate = |generation: usize, packed: Option<Format>| {
            for (site, number) in sites.iter().zip(0..) {
                let name = format!("access.log.{}", 3 * generation + number);
                std::fs::rename(logs.path(site), old.path(&name)).unwrap();
                if let Some(format) = packed {
                    old.pack(&name, format);
                }
            }
        };
        let write = |first: usize| {
            for (site, number) in sites.iter().zip(0..) {
                logs.append(site, lines(first + number, first + number));
            }
        };
        for site in &sites {
            std::fs::create_dir(logs.path(site).parent().unwrap()).unwrap();
        }
        write(1);
        let mut rig = Rig::start(&[logs.pattern("*/access.log")], Vec::new(), From::Start);
        rig.settle_down();
        // The larger number is the older one: those of the first rotation are known there.
        rotate(9, None);
        write(11);
        rig.pass(30);
        let saved = rig.stop();
        for (generation, first) in [(5, 21), (2, 31), (1, 41)] {
            rotate(generation, packed);
            write(first);
        }
        let mut rig = Rig::start(&[logs.pattern("*/access.log")], saved, From::Start);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        let expected = [21, 31, 41].map(|first| messages(first, first + 2)).concat();
        assert_eq!(all, expected, "{packed:?}");
        let mut rig = Rig::start(&[logs.pattern("*/access.log")], rig.stop(), From::Start);
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{packed:?}");
    }
}

#[test]
fn logs_of_one_name_that_begin_alike_are_no_copies_of_each_other() {
    let logs = Logs::new();
    let sites = ["one", "two"].map(|site| format!("{site}/access.log"));
    for site in &sites {
        std::fs::create_dir(logs.path(site).parent().unwrap()).unwrap();
    }
    let pattern = [logs.pattern("*/access.log")];
    // What was read of one of them, and what is there of the other: the first line is of a monitor that asks both.
    for (read, other) in [(1, 0), (1, 2), (5, 0), (5, 2)] {
        logs.write(&sites[0], lines(1, 1));
        let mut rig = Rig::start(&pattern, Vec::new(), From::Start);
        rig.settle_down();
        logs.append(&sites[0], lines(2, read));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(1, read));
        let saved = rig.stop();
        logs.copy(&sites[0], "one/access.log.1");
        logs.truncate(&sites[0]);
        logs.write(&sites[1], lines(1, 1) + &lines(11, 10 + other));
        let mut rig = Rig::start(&pattern, saved, From::Start);
        rig.pass(60);
        let expected = [messages(1, 1), messages(11, 10 + other)].concat();
        assert_eq!(rig.arrived(), expected, "{read} {other}");
        logs.remove(&sites[1]);
        logs.remove("one/access.log.1");
    }
}

#[test]
fn log_does_not_wait_because_another_one_of_its_name_begins_alike() {
    let logs = Logs::new();
    let pattern = [logs.pattern("*/access.log")];
    for site in ["one", "two"] {
        std::fs::create_dir(logs.path(site)).unwrap();
        logs.write(&format!("{site}/access.log"), lines(1, 1));
    }
    let mut rig = Rig::start(&pattern, Vec::new(), From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), [messages(1, 1), messages(1, 1)].concat());
}

#[test]
fn log_does_not_wait_because_another_one_of_its_name_cannot_be_read() {
    let logs = Logs::new();
    for directory in ["one", "two"] {
        std::fs::create_dir(logs.path(directory)).unwrap();
    }
    logs.write("one/access.log", lines(1, 300));
    let mut rig = Rig::start(&[logs.pattern("*/access.log*")], Vec::new(), From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    rig.disk.fail(bad_sector("one/access.log", 0..512));
    logs.write("two/access.log", lines(301, 600));
    logs.write("two/access.log.1", lines(601, 900));
    rig.pass(60);
    let mut all = rig.arrived();
    all.sort();
    assert_eq!(all, messages(301, 900));
}

#[test]
fn copy_of_another_log_of_the_name_is_none_of_a_log_that_begins_alike() {
    for (one, two) in [("one", "two"), ("two", "one")] {
        let logs = Logs::new();
        let name = |site: &str, ending: &str| format!("{site}/access.log{ending}");
        std::fs::create_dir(logs.path("one")).unwrap();
        std::fs::create_dir(logs.path("two")).unwrap();
        let pattern = [logs.pattern("*/access.log")];
        logs.write(&name(one, ""), lines(1, 1));
        let mut rig = Rig::start(&pattern, Vec::new(), From::Start);
        rig.settle_down();
        logs.write(&name(two, ""), lines(1, 1) + &lines(11, 12));
        rig.pass(30);
        assert_eq!(rig.arrived(), [messages(1, 1), messages(1, 1), messages(11, 12)].concat());
        let saved = rig.stop();
        logs.append(&name(one, ""), lines(2, 3));
        logs.append(&name(two, ""), lines(13, 13));
        for site in [one, two] {
            logs.copy(&name(site, ""), &name(site, ".1"));
            logs.truncate(&name(site, ""));
        }
        let mut rig = Rig::start(&pattern, saved, From::Start);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        let mut expected = [messages(2, 3), messages(13, 13)].concat();
        expected.sort();
        assert_eq!(all, expected, "{one}");
    }
}

#[test]
fn copy_in_a_directory_that_nobody_may_look_into_is_waited_for() {
    let logs = Logs::new();
    std::fs::create_dir(logs.path("old")).unwrap();
    logs.write("access.log", lines(1, 60));
    let mut rig = Rig::start(&[logs.pattern("access.log")], Vec::new(), From::Start);
    rig.settle_down();
    let saved = rig.stop();
    logs.append("access.log", lines(61, 62));
    logs.copy("access.log", "old/access.log.1");
    logs.truncate("access.log");
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.disk.close_up("old");
    rig.pass(120);
    assert_eq!(rig.arrived(), Vec::<String>::new());
    rig.disk.heal();
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(61, 62));
}
