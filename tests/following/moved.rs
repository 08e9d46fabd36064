//! Logs that are moved out of their tree: whoever has them open says where they are; others are looked for.

use crate::rig::{Logs, Rig, input, lines, messages, watched};
use shipper::ledger::Entry;
use shipper::packing::Format;
use shipper::settings::CloseSettings;
use std::time::Duration;

/// A tree in which logs are, beside others.
fn logs() -> Logs {
    let logs = Logs::new();
    for directory in ["var/log/web", "var/log/old", "var/log/zebra"] {
        std::fs::create_dir_all(logs.path(directory)).unwrap();
    }
    logs
}

/// Whether a log is open when it is moved.
fn start(logs: &Logs, is_closed: bool, saved: Vec<Entry>) -> Rig {
    let close = CloseSettings { on_eof: is_closed, ..CloseSettings::default() };
    Rig::start_closing(watched(&[logs.pattern("var/log/web/*.log")]), saved, close)
}

/// Where a log is found: beside its directory, above it, and below what is beside.
const BESIDE: [&str; 4] =
    ["var/log/old/a.log.1", "var/log/a.log.1", "var/log/zebra/web/x", "var/log/old/a.log"];

#[test]
fn closed_log_that_is_moved_beside_its_tree_is_read_on() {
    for away in BESIDE {
        let logs = logs();
        std::fs::create_dir_all(logs.path("var/log/zebra/web")).unwrap();
        logs.write("var/log/web/a.log", lines(1, 3));
        let mut rig = start(&logs, true, Vec::new());
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 3));
        logs.rename("var/log/web/a.log", away);
        logs.append(away, lines(4, 4));
        logs.write("var/log/web/a.log", lines(11, 13));
        rig.pass(30);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, [messages(11, 13), messages(4, 4)].concat(), "{away}");
        logs.append(away, lines(5, 6));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(5, 6), "{away}");
        let saved = rig.stop();
        assert!(saved.iter().any(|entry| *entry.name == logs.path(away)));
        logs.append(away, lines(7, 7));
        let mut rig = start(&logs, true, saved);
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(7, 7), "{away}");
    }
}

#[test]
fn log_that_is_moved_beside_its_tree_while_stopped_is_read_on() {
    for away in BESIDE {
        let logs = logs();
        std::fs::create_dir_all(logs.path("var/log/zebra/web")).unwrap();
        logs.write("var/log/web/a.log", lines(1, 3));
        let mut rig = start(&logs, false, Vec::new());
        rig.settle_down();
        let saved = rig.stop();
        logs.append("var/log/web/a.log", lines(4, 5));
        logs.rename("var/log/web/a.log", away);
        logs.write("var/log/web/a.log", lines(11, 13));
        let mut rig = start(&logs, false, saved);
        rig.pass(30);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, [messages(11, 13), messages(4, 5)].concat(), "{away}");
    }
}

/// A place far from the tree, to which a log was moved while it was open; returns what the registry holds then.
fn archive(logs: &Logs, far: &Logs) -> Vec<Entry> {
    std::fs::create_dir_all(far.path("in/the/archive")).unwrap();
    logs.write("var/log/web/a.log", lines(1, 3));
    let mut rig = start(logs, false, Vec::new());
    rig.settle_down();
    let away = far.path("in/the/archive/a.log.1");
    std::fs::rename(logs.path("var/log/web/a.log"), away).unwrap();
    rig.pass(30);
    logs.write("var/log/web/a.log", lines(4, 6));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(1, 6));
    rig.stop()
}

#[test]
fn log_is_sought_where_others_were_moved_to() {
    for how in ["moved", "copied", "packed"] {
        for is_stopped in [false, true] {
            let (logs, far) = (logs(), Logs::new());
            let mut saved = archive(&logs, &far);
            let mut rig = None;
            if !is_stopped {
                let mut running = start(&logs, true, std::mem::take(&mut saved));
                running.pass(30);
                rig = Some(running);
            }
            logs.append("var/log/web/a.log", lines(7, 8));
            let away = "in/the/archive/a.log.2";
            if how == "moved" {
                std::fs::rename(logs.path("var/log/web/a.log"), far.path(away)).unwrap();
            } else {
                std::fs::copy(logs.path("var/log/web/a.log"), far.path(away)).unwrap();
                logs.remove("var/log/web/a.log");
            }
            if how == "packed" {
                far.pack(away, Format::Gzip);
            } else {
                far.append(away, lines(9, 9));
            }
            let mut rig = rig.unwrap_or_else(|| start(&logs, true, saved));
            rig.pass(60);
            let last = if how == "packed" { 8 } else { 9 };
            assert_eq!(rig.arrived(), messages(7, last), "{how}, stopped: {is_stopped}");
        }
    }
}

#[test]
fn generations_that_nobody_saw_are_read_where_logs_are_moved_to() {
    for packed in [false, true] {
        let (logs, far) = (logs(), Logs::new());
        let saved = archive(&logs, &far);
        let away = |number: usize| format!("in/the/archive/a.log.{number}");
        let rotate = || std::fs::rename(logs.path("var/log/web/a.log"), far.path(&away(1)));
        logs.append("var/log/web/a.log", lines(7, 7));
        for (first, last) in [(8, 9), (10, 12)] {
            for number in (1..4).rev().filter(|number| far.path(&away(*number)).exists()) {
                far.rename(&away(number), &away(number + 1));
            }
            rotate().unwrap();
            logs.write("var/log/web/a.log", lines(first, last));
        }
        if packed {
            far.pack(&away(1), Format::Gzip);
        }
        let mut rig = start(&logs, true, saved);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort_by_key(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
        assert_eq!(all, messages(7, 12), "packed: {packed}");
    }
}

#[test]
fn log_that_was_removed_is_sought_once() {
    let logs = logs();
    logs.write("var/log/web/a.log", lines(1, 3));
    let mut rig = start(&logs, true, Vec::new());
    rig.settle_down();
    rig.withholds = true;
    logs.append("var/log/web/a.log", lines(4, 5));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(1, 5));
    logs.remove("var/log/web/a.log");
    rig.pass(30);
    let beside = |rig: &Rig| rig.disk.lists_of("zebra");
    // For its inode in the first scan; for a copy, there and below, in that and the next one.
    assert_eq!(beside(&rig), 5);
    rig.pass(60);
    assert_eq!(beside(&rig), 5, "it waits for what is not settled, and is not sought again");
}

#[test]
fn log_that_is_moved_to_where_nobody_may_look_is_read_for_as_long_as_it_is_open() {
    let logs = logs();
    logs.write("var/log/web/a.log", lines(1, 3));
    let mut rig = start(&logs, false, Vec::new());
    rig.settle_down();
    rig.disk.close_up("old");
    logs.rename("var/log/web/a.log", "var/log/old/a.log.1");
    rig.pass(30);
    logs.append("var/log/old/a.log.1", lines(4, 5));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(1, 5));
    rig.disk.heal();
    rig.pass(30);
    logs.append("var/log/old/a.log.1", lines(6, 6));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(6, 6));
    assert!(*rig.stop()[0].name == logs.path("var/log/old/a.log.1"));
}

#[test]
fn log_that_is_moved_back_while_it_is_sought_is_not_rescued_at_the_stop() {
    let (logs, far) = (logs(), Logs::new());
    let patterns = [logs.pattern("var/log/web/*.log*")];
    logs.write("var/log/web/a.log", lines(1, 3));
    let mut rig = Rig::start_rescuing(&patterns, Vec::new(), &logs.path("data"));
    rig.withholds = true;
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    std::fs::rename(logs.path("var/log/web/a.log"), far.path("a")).unwrap();
    // The scan misses it, and the worker says where it is.
    (0..11).for_each(|_| rig.look());
    rig.step(1);
    std::fs::rename(far.path("a"), logs.path("var/log/web/a.log.1")).unwrap();
    // It is there no more.
    rig.step(1);
    let saved = rig.leave();
    assert_eq!(*saved[0].name, logs.path("var/log/web/a.log.1"));
    let mut rig = Rig::start_rescuing(&patterns, saved, &logs.path("data"));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(1, 3));
}

#[test]
fn log_whose_input_goes_while_it_is_sought_goes_on_with_the_next_one() {
    for back in [false, true] {
        let logs = logs();
        logs.write("var/log/web/a.log", lines(1, 3));
        let mut rig = start(&logs, false, Vec::new());
        rig.settle_down();
        logs.rename("var/log/web/a.log", "var/log/old/a.log.1");
        // The prospector has asked where it is, and hears it after the exchange.
        rig.look();
        rig.look();
        let next = watched(&[logs.pattern("var/log/web/*.log")]);
        rig.exchange(&[0], 1, vec![(next, input(10 << 20))]);
        rig.settle_down();
        rig.settle_down();
        let place = if back { "var/log/web/a.log" } else { "var/log/old/a.log.1" };
        if back {
            logs.rename("var/log/old/a.log.1", place);
        }
        logs.append(place, lines(4, 5));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(1, 5), "back: {back}");
    }
}

#[test]
fn closed_log_that_cannot_be_read_where_it_was_moved_to_waits() {
    for is_stopped in [false, true] {
        let logs = logs();
        logs.write("var/log/web/a.log", lines(1, 3));
        let mut rig = start(&logs, true, Vec::new());
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 3));
        rig.disk.fail(|path, _, wanted| if path.ends_with("old/b") { Err(5) } else { Ok(wanted) });
        logs.append("var/log/web/a.log", lines(4, 5));
        logs.rename("var/log/web/a.log", "var/log/old/b");
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new());
        if is_stopped {
            rig = start(&logs, true, rig.stop());
        }
        rig.disk.heal();
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(4, 5), "stopped: {is_stopped}");
    }
}

/// More than is ever looked at for one file.
#[test]
fn closed_log_that_is_removed_is_forgotten_beside_however_many_files() {
    let logs = logs();
    logs.write("var/log/web/a.log", lines(1, 3));
    let mut rig = start(&logs, true, Vec::new());
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    for directory in 0..17 {
        let directory = logs.path(&format!("var/log/{directory}"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("0"), "").unwrap();
        for name in 1..4096 {
            std::fs::hard_link(directory.join("0"), directory.join(name.to_string())).unwrap();
        }
    }
    logs.remove("var/log/web/a.log");
    rig.pass(60);
    assert_eq!(rig.stop().len(), 0);
}

#[test]
fn closed_log_is_sought_beside_a_server_that_does_not_answer_without_touching_that() {
    let logs = logs();
    logs.write("var/log/web/a.log", lines(1, 3));
    let mut rig = start(&logs, true, Vec::new());
    rig.settle_down();
    rig.disk.mount(logs.path("var/log/old"));
    logs.rename("var/log/web/a.log", "var/log/zebra/a.log.1");
    logs.append("var/log/zebra/a.log.1", lines(4, 4));
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(1, 4));
}

/// Where `copytruncate` puts copies with an `olddir` outside of the tree.
const COPIES: [&str; 4] = [
    "var/log/old/a.log.1",
    "var/log/a.log-20261122",
    "var/log/zebra/web/a.log.1",
    "var/log/old/a.log.old",
];

/// Copies a log and empties it, as `copytruncate` does.
fn copy_and_truncate(logs: &Logs, copy: &str, packed: Option<Format>) {
    std::fs::copy(logs.path("var/log/web/a.log"), logs.path(copy)).unwrap();
    if let Some(format) = packed {
        logs.pack(copy, format);
    }
    logs.write("var/log/web/a.log", "");
}

#[test]
fn copy_beside_the_tree_of_a_truncated_log_is_read_on() {
    for copy in COPIES {
        for packed in [None, Some(Format::Gzip)] {
            for is_stopped in [false, true] {
                let what = format!("{copy}, {packed:?}, stopped: {is_stopped}");
                let logs = logs();
                std::fs::create_dir_all(logs.path("var/log/zebra/web")).unwrap();
                logs.write("var/log/web/a.log", lines(1, 5));
                let mut rig = start(&logs, true, Vec::new());
                rig.settle_down();
                assert_eq!(rig.arrived(), messages(1, 5));
                let stopped = if is_stopped { Err(rig.stop()) } else { Ok(rig) };
                logs.append("var/log/web/a.log", lines(6, 7));
                copy_and_truncate(&logs, copy, packed);
                logs.append("var/log/web/a.log", lines(11, 13));
                let mut rig = stopped.unwrap_or_else(|saved| start(&logs, false, saved));
                rig.pass(60);
                let mut all = rig.arrived();
                all.sort();
                assert_eq!(all, [messages(11, 13), messages(6, 7)].concat(), "{what}");
            }
        }
    }
}

#[test]
fn copy_beside_a_log_of_the_same_name_needs_a_kilobyte_of_proof() {
    for (copy, other) in
        [("var/log/old/a.log", None), ("var/log/old/a.log.1", Some("var/log/old/a.log"))]
    {
        for last in [60, 100] {
            let logs = logs();
            logs.write("var/log/web/a.log", lines(1, last));
            if let Some(other) = other {
                logs.write(other, lines(400, 401));
            }
            let saved = {
                let mut rig = start(&logs, false, Vec::new());
                rig.settle_down();
                rig.stop()
            };
            logs.append("var/log/web/a.log", lines(last + 1, last + 2));
            copy_and_truncate(&logs, copy, None);
            let mut rig = start(&logs, false, saved);
            rig.pass(60);
            let expected = if last == 60 { Vec::new() } else { messages(last + 1, last + 2) };
            assert_eq!(rig.arrived(), expected, "{copy}, {last} lines");
        }
    }
}

#[test]
fn copy_beside_the_tree_of_another_log_is_read_on_too() {
    let logs = logs();
    std::fs::create_dir_all(logs.path("var/srv/web")).unwrap();
    logs.write("var/log/web/a.log", lines(1, 3));
    logs.write("var/srv/web/b.log", lines(11, 15));
    let patterns = [logs.pattern("var/log/web/*.log"), logs.pattern("var/srv/web/*.log")];
    let follow = |saved| Rig::start_closing(watched(&patterns), saved, CloseSettings::default());
    let mut rig = follow(Vec::new());
    rig.settle_down();
    let saved = rig.stop();
    logs.append("var/srv/web/b.log", lines(16, 17));
    logs.copy("var/srv/web/b.log", "var/log/old/b.log.1");
    logs.truncate("var/srv/web/b.log");
    logs.truncate("var/log/web/a.log");
    let mut rig = follow(saved);
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(16, 17));
}

/// Starts beside a log that was truncated while nothing ran, of which lines 1 to 60 were read; its copy has two more.
fn truncated(prepare: impl Fn(&Logs, &mut Rig)) -> Vec<String> {
    let logs = logs();
    logs.write("var/log/web/a.log", lines(1, 60));
    let mut rig = start(&logs, false, Vec::new());
    rig.settle_down();
    let saved = rig.stop();
    logs.append("var/log/web/a.log", lines(61, 62));
    copy_and_truncate(&logs, "var/log/zebra/a.log.1", None);
    let mut rig = start(&logs, false, saved);
    prepare(&logs, &mut rig);
    rig.pass(60);
    rig.arrived()
}

#[test]
fn file_near_a_log_that_cannot_be_read_holds_no_search_beside_its_tree_up() {
    let arrived = truncated(|logs, rig| {
        logs.write("var/log/web/a.log.save", lines(1, 9));
        rig.disk.fail(
            |path, _, wanted| {
                if path.ends_with("web/a.log.save") { Err(5) } else { Ok(wanted) }
            },
        );
    });
    assert_eq!(arrived, messages(61, 62));
}

#[test]
fn file_beside_the_tree_that_cannot_be_read_keeps_nothing_waiting_for_long() {
    let logs = logs();
    logs.write("var/log/web/a.log", lines(1, 60));
    let mut rig = start(&logs, false, Vec::new());
    rig.settle_down();
    logs.write("var/log/old/a.log.1", lines(1, 9));
    rig.disk.fail(
        |path, _, wanted| {
            if path.ends_with("old/a.log.1") { Err(5) } else { Ok(wanted) }
        },
    );
    logs.write("var/log/web/a.log", lines(71, 75));
    rig.pass(60);
    assert_eq!(rig.arrived(), [messages(1, 60), messages(71, 75)].concat());
    assert_eq!(rig.stats.reading.unreadable.get(), 0, "no pattern leads there");
    rig.jump(Duration::from_hours(1));
    rig.pass(60);
    assert_eq!(rig.stop().len(), 1, "what was truncated is forgotten");
}

#[test]
fn packed_generation_of_another_site_is_no_copy_however_alike() {
    let arrived = truncated(|logs, _| {
        logs.write("var/log/old/a.log", lines(400, 401));
        logs.write("var/log/old/a.log.1", lines(1, 60));
        logs.pack("var/log/old/a.log.1", Format::Gzip);
    });
    assert_eq!(arrived, messages(61, 62));
}
