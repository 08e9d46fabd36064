//! Logs that are moved out of their tree: whoever has them open says where they are; others are looked for.

use crate::rig::{Logs, Rig, input, lines, messages, watched};
use shipper::ledger::Entry;
use shipper::settings::CloseSettings;

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

#[test]
fn log_is_sought_where_others_were_moved_to() {
    for is_stopped in [false, true] {
        let (logs, far) = (logs(), Logs::new());
        std::fs::create_dir_all(far.path("in/the/archive")).unwrap();
        let away = |name: &str| far.path("in/the/archive").join(name);
        logs.write("var/log/web/a.log", lines(1, 3));
        let mut rig = start(&logs, false, Vec::new());
        rig.settle_down();
        std::fs::rename(logs.path("var/log/web/a.log"), away("a.log.1")).unwrap();
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(1, 3));
        logs.write("var/log/web/a.log", lines(4, 6));
        let mut rig = start(&logs, true, rig.stop());
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(4, 6));
        let mut saved = Vec::new();
        if is_stopped {
            saved = rig.stop();
            rig = start(&logs, true, Vec::new());
        }
        logs.append("var/log/web/a.log", lines(7, 8));
        std::fs::rename(logs.path("var/log/web/a.log"), away("a.log.2")).unwrap();
        far.append("in/the/archive/a.log.2", lines(9, 9));
        if is_stopped {
            rig = start(&logs, true, saved);
        }
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(7, 9), "stopped: {is_stopped}");
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
    assert_eq!(beside(&rig), 1);
    rig.pass(60);
    assert_eq!(beside(&rig), 1, "it waits for what is not settled, and is not sought again");
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
