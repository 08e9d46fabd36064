//! What an input says about its files: which are read, from where, and what becomes of them.

use crate::rig::{Logs, Rig, lines, messages, watched};
use regex::Regex;
use shipper::discovery::Watched;
use shipper::discovery::glob::Pattern;
use shipper::settings::{ReadBy, ReadOrder};
use std::time::{Duration, SystemTime};

/// Sets the time of a file's last change to so many seconds ago.
fn age(logs: &Logs, name: &str, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::options().write(true).open(logs.path(name)).unwrap().set_modified(then).unwrap();
}

#[test]
fn only_what_is_included_and_not_excluded_is_read() {
    let logs = Logs::new();
    for name in ["a.access.log", "b.access.log", "a.error.log"] {
        logs.write(name, format!("{name}\n"));
    }
    let include = vec![Regex::new("access").unwrap(), Regex::new("nothing").unwrap()];
    let exclude = vec![Regex::new("/b[^/]*$").unwrap()];
    let watched = Watched { include, exclude, ..watched(&[logs.pattern("*.log")]) };
    let mut rig = Rig::start_input(watched, Vec::new());
    rig.settle_down();
    assert_eq!(rig.arrived(), ["a.access.log"]);
}

#[test]
fn two_stars_are_one_where_globs_are_not_recursive() {
    let logs = Logs::new();
    std::fs::create_dir_all(logs.path("one/two")).unwrap();
    for name in ["0.log", "one/1.log", "one/two/2.log"] {
        logs.write(name, format!("{name}\n"));
    }
    let pattern = logs.pattern("**/*.log");
    for (parsed, expected) in [
        (Pattern::parse(&pattern), vec!["0.log", "one/1.log", "one/two/2.log"]),
        (Pattern::parse_flat(&pattern), vec!["one/1.log"]),
    ] {
        let watched = Watched { patterns: vec![parsed.unwrap()], ..Watched::default() };
        let mut rig = Rig::start_input(watched, Vec::new());
        rig.settle_down();
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, expected);
    }
}

#[test]
fn files_found_at_once_are_read_in_the_order_asked_for() {
    let (by_time, by_name) = (ReadBy::Modified, ReadBy::Name);
    for (by, descending, expected) in [
        (by_time, false, ["b", "c", "a"]),
        (by_time, true, ["a", "c", "b"]),
        (by_name, false, ["a", "b", "c"]),
        (by_name, true, ["c", "b", "a"]),
    ] {
        let logs = Logs::new();
        for (name, seconds) in [("c", 200), ("b", 300), ("a", 100)] {
            logs.write(&format!("{name}.log"), format!("{name}\n"));
            age(&logs, &format!("{name}.log"), seconds);
        }
        let order = ReadOrder { by, descending };
        let watched = Watched { order, ..watched(&[logs.pattern("*.log")]) };
        let mut rig = Rig::start_input(watched, Vec::new());
        rig.settle_down();
        assert_eq!(rig.arrived(), expected, "{order:?}");
    }
}

#[test]
fn touched_file_is_sent_again_only_where_that_is_asked_for() {
    for resend_on_touch in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        age(&logs, "access.log", 100);
        let pattern = [logs.pattern("access.log")];
        let mut rig =
            Rig::start_input(Watched { resend_on_touch, ..watched(&pattern) }, Vec::new());
        rig.settle_down();
        let first_ids = std::mem::take(&mut rig.ids);
        assert_eq!(rig.arrived(), messages(1, 3));
        age(&logs, "access.log", 50);
        rig.pass_a_scan();
        assert_eq!(
            rig.arrived(),
            Vec::<String>::new(),
            "it may be a write of which the size is to come"
        );
        rig.pass_a_scan();
        rig.pass_a_scan();
        let expected = if resend_on_touch { messages(1, 3) } else { Vec::new() };
        assert_eq!(rig.arrived(), expected);
        assert!(rig.ids.iter().all(|id| !first_ids.contains(id)), "they are other documents");
        logs.append("access.log", lines(4, 5));
        rig.pass(60);
        assert_eq!(rig.arrived(), messages(4, 5), "what grows was not touched");
        let saved = rig.stop();
        assert_eq!(saved.len(), 1, "the epoch before is forgotten");
        let mut rig = Rig::start_input(Watched { resend_on_touch, ..watched(&pattern) }, saved);
        rig.pass(30);
        assert_eq!(rig.arrived(), Vec::<String>::new());
    }
}
