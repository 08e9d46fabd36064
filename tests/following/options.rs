//! What an input says about its files: which are read, from where, and what becomes of them.

use crate::rig::{Logs, Rig, input, lines, messages, watched};
use regex::Regex;
use shipper::account::Account;
use shipper::assembly::terminators;
use shipper::certificates::{hex, sha256};
use shipper::discovery::glob::Pattern;
use shipper::discovery::{From, Skip, Watched};
use shipper::packing::Compression;
use shipper::position::Outcome;
use shipper::settings::reading::{EncodingSettings, LineTerminator, ReadingSettings};
use shipper::settings::{
    CleanSettings, CloseSettings, FingerprintSettings, InputSettings, ReadBy, ReadOrder,
};
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

const HOUR: Duration = Duration::from_hours(1);

fn older() -> Skip {
    Skip { older: Some(HOUR), ..Skip::default() }
}

fn tail() -> Skip {
    Skip { tail: true, ..Skip::default() }
}

#[test]
fn what_stands_in_an_old_file_is_settled_as_skipped_and_what_comes_is_read() {
    let logs = Logs::new();
    logs.write("old.log", lines(1, 3));
    age(&logs, "old.log", 3601);
    logs.write("young.log", lines(10, 11));
    age(&logs, "young.log", 3500);
    let watched = || Watched { skip: older(), ..watched(&[logs.pattern("*.log")]) };
    let mut rig = Rig::start_input(watched(), Vec::new());
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(10, 11));
    assert_eq!(rig.stats.reading.skipped_bytes.get(), lines(1, 3).len() as u64);
    let saved = rig.stop();
    let old = saved.iter().find(|entry| entry.name.ends_with("old.log")).unwrap();
    let mut account = Account::default();
    account.add(Outcome::Skipped, lines(1, 3).len() as u64);
    assert_eq!((old.committed, &old.account), (account.sum(), &account));
    logs.append("old.log", lines(4, 5));
    let mut rig = Rig::start_input(watched(), saved);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(4, 5));
    logs.append("old.log", lines(6, 6));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(6, 6));
}

#[test]
fn line_that_is_being_written_to_a_skipped_file_is_not_cut() {
    let logs = Logs::new();
    logs.write("a.log", "one\ntwo\nthr");
    age(&logs, "a.log", 7200);
    let mut rig = Rig::start_input(
        Watched { skip: older(), ..watched(&[logs.pattern("*.log")]) },
        Vec::new(),
    );
    rig.settle_down();
    logs.append("a.log", "ee\n");
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["three"]);
}

#[test]
fn what_stands_there_is_skipped_to_a_line_end_of_the_files_encoding() {
    let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let utf16 = EncodingSettings::Utf16 { big_endian: false, mark_decides: true };
    let nul = LineTerminator::NullTerminator;
    let long = "x".repeat(40_000);
    for (encoding, line_terminator, before, more, arrive) in [
        (utf16.clone(), LineTerminator::Auto, little("one\n"), little("two\n"), "two"),
        // The line end stands where what is searched at once begins: one byte of it before that, one behind.
        (
            utf16,
            LineTerminator::Auto,
            [little("one\n"), little(&long)[..0xffff].to_vec()].concat(),
            [little(&long)[0xffff..].to_vec(), little("\n")].concat(),
            &*long,
        ),
        (EncodingSettings::Utf8, nul, b"one\ntwo\0".to_vec(), b"thr\nee\0".to_vec(), "thr\nee"),
    ] {
        let logs = Logs::new();
        logs.write("a.log", before);
        let reading = ReadingSettings { encoding, line_terminator, ..ReadingSettings::default() };
        let terminators = terminators(&reading).unwrap();
        let watched = Watched { skip: tail(), terminators, ..watched(&[logs.pattern("*.log")]) };
        let input = InputSettings { reading, ..input(10 << 20) };
        let mut rig = Rig::start_watching(watched, Vec::new(), From::Start, 16 << 20, &input);
        rig.settle_down();
        logs.append("a.log", more);
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), [arrive]);
    }
}

/// Filebeat would go to the end of it.
#[test]
fn rest_of_a_file_that_is_known_is_read_however_old_it_is() {
    for skip in [older(), tail(), Skip { unchanged_since: Some(i64::MAX), ..Skip::default() }] {
        let logs = Logs::new();
        logs.write("a.log", lines(1, 3));
        let pattern = [logs.pattern("*.log")];
        let mut rig = Rig::start_input(watched(&pattern), Vec::new());
        rig.settle_down();
        let saved = rig.stop();
        logs.append("a.log", lines(4, 5));
        age(&logs, "a.log", 7200);
        let mut rig = Rig::start_input(Watched { skip, ..watched(&pattern) }, saved);
        rig.settle_down();
        assert_eq!(rig.messages, messages(4, 5), "{skip:?}");
    }
}

#[test]
fn rotations_while_nothing_runs_skip_nothing_of_a_log_that_is_read() {
    for (skip, has_history) in [(older(), true), (tail(), true), (older(), false), (tail(), false)]
    {
        let logs = Logs::new();
        if has_history {
            logs.write("access.log.1", lines(900, 901));
            age(&logs, "access.log.1", 90_000);
        }
        logs.write("access.log", lines(1, 300));
        let pattern = [logs.pattern("access.log*")];
        let mut rig = Rig::start_input(Watched { skip: older(), ..watched(&pattern) }, Vec::new());
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 300));
        let saved = rig.stop();
        logs.append("access.log", lines(301, 301));
        if has_history {
            logs.rename("access.log.1", "access.log.3");
        }
        logs.rename("access.log", "access.log.2");
        age(&logs, "access.log.2", 9000);
        logs.write("access.log.1", lines(302, 303));
        age(&logs, "access.log.1", 8000);
        logs.write("access.log", lines(304, 305));
        age(&logs, "access.log", 7000);
        let mut rig = Rig::start_input(Watched { skip, ..watched(&pattern) }, saved);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, messages(301, 305), "{skip:?} {has_history}");
    }
}

#[test]
fn tail_skips_what_is_there_at_the_start_and_nothing_that_comes_later() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 3));
    let watched = || Watched { skip: tail(), ..watched(&[logs.pattern("*.log")]) };
    let mut rig = Rig::start_input(watched(), Vec::new());
    rig.settle_down();
    logs.append("a.log", lines(4, 4));
    logs.write("b.log", lines(5, 6));
    rig.pass_a_scan();
    let mut all = rig.arrived();
    all.sort();
    assert_eq!(all, messages(4, 6));
    let saved = rig.stop();
    logs.append("a.log", lines(7, 7));
    logs.write("c.log", lines(90, 91));
    let mut rig = Rig::start_input(watched(), saved);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(7, 7), "c.log was there at this start");
}

#[test]
fn file_that_was_not_changed_since_a_start_is_skipped_until_it_is() {
    let logs = Logs::new();
    for (name, seconds) in [("a.log", 100), ("b.log", 50)] {
        logs.write(name, format!("{name}\n"));
        age(&logs, name, seconds);
    }
    let then = SystemTime::now() - Duration::from_secs(75);
    let then = then.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let since = i64::try_from(then.as_nanos()).unwrap();
    let skip = Skip { unchanged_since: Some(since), ..Skip::default() };
    let mut rig =
        Rig::start_input(Watched { skip, ..watched(&[logs.pattern("*.log")]) }, Vec::new());
    rig.settle_down();
    assert_eq!(rig.arrived(), ["b.log"]);
    logs.append("a.log", "more\n");
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["more"]);
}

#[test]
fn compressed_history_that_is_too_old_is_not_read() {
    let logs = Logs::new();
    for (name, seconds) in [("old.log.gz", 7200), ("young.log.gz", 60)] {
        logs.write(name, crate::rig::gzip(format!("{name}\n").repeat(9).as_bytes()));
        age(&logs, name, seconds);
    }
    let watched =
        Watched { skip: older(), packed: Compression::All, ..watched(&[logs.pattern("*.gz")]) };
    let mut rig = Rig::start_input(watched, Vec::new());
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), vec!["young.log.gz"; 9]);
}

#[test]
fn file_is_closed_when_its_input_says_so_and_nothing_of_it_is_lost() {
    let default = CloseSettings::default();
    let after = |seconds| Some(Duration::from_secs(seconds));
    // What is open after the first lines, after 12 s with a line in each of eight, and 12 s after a rename.
    for (close, expected) in [
        (default, [1, 1, 1]),
        (CloseSettings { on_eof: true, ..default }, [0, 0, 0]),
        (CloseSettings { renamed: true, ..default }, [1, 1, 0]),
        (CloseSettings { after: after(10), ..default }, [1, 0, 0]),
        (CloseSettings { after: after(100), ..default }, [1, 1, 1]),
        (CloseSettings { inactive: Duration::from_secs(5), ..default }, [1, 1, 0]),
        (CloseSettings { limit: 1, ..default }, [0, 0, 0]),
    ] {
        let logs = Logs::new();
        logs.write("a.log", lines(1, 3));
        let scan_interval = Duration::from_secs(1);
        let watched = Watched { scan_interval, ..watched(&[logs.pattern("*.log*")]) };
        let mut rig = Rig::start_closing(watched, Vec::new(), close);
        rig.settle_down();
        let mut open = vec![rig.stats.reading.open_files.get()];
        for number in 4..12 {
            logs.append("a.log", lines(number, number));
            rig.pass(1);
        }
        rig.pass(4);
        open.push(rig.stats.reading.open_files.get());
        logs.rename("a.log", "a.log.1");
        rig.pass(12);
        open.push(rig.stats.reading.open_files.get());
        logs.append("a.log.1", lines(12, 13));
        rig.pass_a_scan();
        assert_eq!(open, expected, "{close:?}");
        assert_eq!(rig.arrived(), messages(1, 13), "{close:?}");
    }
}

#[test]
fn no_more_files_are_open_than_the_limit_says_and_each_is_read_to_its_end() {
    let logs = Logs::new();
    let long = lines(1, 40_000);
    for name in ["a.log", "b.log", "c.log"] {
        logs.write(name, &long);
    }
    let order = ReadOrder { by: ReadBy::Name, descending: false };
    let watched = || Watched { order, ..watched(&[logs.pattern("*.log")]) };
    let ends = |rig: &mut Rig| {
        rig.settle_down();
        let last = messages(40_000, 40_000).remove(0);
        let arrived = rig.arrived();
        assert_eq!(arrived.len(), 120_000);
        let ends = arrived.iter().enumerate().filter(|(_, message)| **message == last);
        ends.map(|(index, _)| index + 1).collect::<Vec<_>>()
    };
    let close = CloseSettings { limit: 1, ..CloseSettings::default() };
    let mut rig = Rig::start_closing(watched(), Vec::new(), close);
    assert_eq!(ends(&mut rig), [40_000, 80_000, 120_000], "one after the other");
    assert_eq!(rig.stats.reading.open_files.get(), 0);
    let mut rig = Rig::start_input(watched(), Vec::new());
    assert_ne!(ends(&mut rig), [40_000, 80_000, 120_000], "in turns");
    assert_eq!(rig.stats.reading.open_files.get(), 3);
}

fn deleting(logs: &Logs) -> Watched {
    let delete_after = Some(Duration::from_mins(1));
    Watched { delete_after, ..watched(&[logs.pattern("*.log")]) }
}

#[test]
fn file_is_removed_when_it_was_settled_and_unchanged_for_the_grace_period() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 3));
    logs.write("partial.log", "whole\npart");
    let mut rig = Rig::start_input(deleting(&logs), Vec::new());
    rig.pass(40);
    logs.append("a.log", lines(4, 4));
    rig.pass(45);
    assert!(logs.path("a.log").exists(), "the period begins anew with each change");
    rig.pass(40);
    assert!(!logs.path("a.log").exists());
    assert!(logs.path("partial.log").exists(), "its last line is not settled");
    let mut all = rig.arrived();
    all.sort();
    assert_eq!(all, [messages(1, 4), vec!["whole".to_owned()]].concat());
    rig.pass(60);
    let names: Vec<_> = rig.stop().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn file_is_not_removed_before_the_output_has_all_of_it() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 3));
    let mut rig = Rig::start_input(deleting(&logs), Vec::new());
    rig.withholds = true;
    rig.pass(600);
    assert!(logs.path("a.log").exists());
    rig.withholds = false;
    rig.pass(80);
    assert!(!logs.path("a.log").exists());
}

#[test]
fn neither_link_nor_file_is_removed_where_a_link_leads_to_it() {
    let logs = Logs::new();
    logs.write("target", lines(1, 3));
    std::os::unix::fs::symlink(logs.path("target"), logs.path("a.log")).unwrap();
    let watched = Watched { symlinks: true, ..deleting(&logs) };
    let mut rig = Rig::start_input(watched, Vec::new());
    rig.pass(200);
    assert_eq!(rig.arrived(), messages(1, 3));
    assert!(logs.path("a.log").exists() && logs.path("target").exists());
}

/// Of a file that is open it is known where it is.
fn closing_at_the_end() -> CloseSettings {
    CloseSettings { on_eof: true, ..CloseSettings::default() }
}

#[test]
fn log_that_is_moved_out_of_its_tree_is_followed_where_it_is() {
    let (logs, elsewhere) = (Logs::new(), Logs::new());
    logs.write("a.log", lines(1, 3));
    let start = |saved| Rig::start(&[logs.pattern("*.log")], saved, From::Start);
    let mut rig = start(Vec::new());
    rig.settle_down();
    let away = elsewhere.path("a.1");
    std::fs::rename(logs.path("a.log"), &away).unwrap();
    logs.write("a.log", lines(11, 13));
    rig.pass(30);
    elsewhere.append("a.1", lines(4, 5));
    rig.pass(30);
    assert_eq!(rig.arrived(), [messages(1, 3), messages(11, 13), messages(4, 5)].concat());
    let saved = rig.stop();
    assert!(saved.iter().any(|entry| *entry.name == *away));
    elsewhere.append("a.1", lines(6, 6));
    let mut rig = start(saved);
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(6, 6));
    elsewhere.remove("a.1");
    rig.pass(60);
    assert_eq!(rig.stop().len(), 1, "what is removed there is forgotten");
}

#[test]
fn log_that_is_moved_out_of_its_tree_just_before_a_stop_is_read_on_where_it_is() {
    for unread in [0, 2] {
        let (logs, elsewhere) = (Logs::new(), Logs::new());
        logs.write("a.log", lines(1, 3));
        let start = |saved| Rig::start(&[logs.pattern("*.log")], saved, From::Start);
        let mut rig = start(Vec::new());
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 3));
        logs.append("a.log", lines(4, 3 + unread));
        std::fs::rename(logs.path("a.log"), elsewhere.path("a.1")).unwrap();
        let saved = rig.leave();
        elsewhere.append("a.1", lines(4 + unread, 9));
        let mut rig = start(saved);
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(4, 9), "{unread} lines were not read");
    }
}

#[test]
fn file_that_was_away_goes_on_where_it_was_unless_it_is_forgotten() {
    let clean = |removed, inactive| CleanSettings { removed, inactive };
    let minute = Some(Duration::from_mins(1));
    for (clean, kept) in [
        (CleanSettings::default(), 0),
        (clean(false, None), 1),
        (clean(false, minute), 0),
        (clean(false, Some(HOUR)), 1),
    ] {
        let (logs, elsewhere) = (Logs::new(), Logs::new());
        logs.write("a.log", lines(1, 3));
        let watched = Watched { clean, ..watched(&[logs.pattern("*.log")]) };
        let mut rig = Rig::start_closing(watched, Vec::new(), closing_at_the_end());
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 3));
        // Farther than it is sought.
        std::fs::create_dir_all(elsewhere.path("far/away")).unwrap();
        let away = elsewhere.path("far/away/a.log");
        std::fs::rename(logs.path("a.log"), &away).unwrap();
        rig.pass(120);
        elsewhere.append("far/away/a.log", lines(4, 5));
        std::fs::rename(&away, logs.path("a.log")).unwrap();
        rig.pass(30);
        let expected = if kept == 1 { messages(4, 5) } else { messages(1, 5) };
        assert_eq!(rig.arrived(), expected, "{clean:?}");
    }
}

#[test]
fn file_that_has_not_changed_for_long_is_forgotten_and_goes_on_when_it_does() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 3));
    logs.write("b.log", lines(11, 13));
    let clean = CleanSettings { inactive: Some(2 * HOUR), removed: true };
    let watched = || Watched { clean, skip: older(), ..watched(&[logs.pattern("*.log")]) };
    let mut rig = Rig::start_input(watched(), Vec::new());
    rig.settle_down();
    assert_eq!(rig.arrived().len(), 6);
    age(&logs, "a.log", 3 * 3600);
    rig.pass(30);
    let saved = rig.stop();
    let names: Vec<_> = saved.iter().map(|entry| entry.name.to_path_buf()).collect();
    assert_eq!(names, [logs.path("b.log")]);
    let mut rig = Rig::start_input(watched(), saved);
    rig.pass(30);
    assert_eq!(rig.arrived(), Vec::<String>::new(), "it is ignored now");
    logs.append("a.log", lines(4, 5));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(4, 5));
    assert_eq!(rig.stop().len(), 2);
}

#[test]
fn documents_tell_the_hash_of_the_first_bytes_once_they_are_there() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 1));
    let mut watched_input = InputSettings::default();
    watched_input.files.fingerprint = Some(FingerprintSettings { offset: 3, length: 64 });
    let mut rig = Rig::start_watching(
        watched(&[logs.pattern("*.log")]),
        Vec::new(),
        From::Start,
        16 << 20,
        &watched_input,
    );
    rig.settle_down();
    assert_eq!(rig.log_file.get("fingerprint"), None);
    // As far as a byte is missing, and then that one.
    let short = 66 - lines(1, 1).len();
    logs.append("a.log", format!("{}\n", "x".repeat(short - 1)));
    rig.pass_a_scan();
    assert_eq!(rig.arrived().len(), 2);
    assert_eq!(rig.log_file.get("fingerprint"), None);
    logs.append("a.log", "y\n");
    rig.pass_a_scan();
    let content = std::fs::read(logs.path("a.log")).unwrap();
    let expected = hex(&sha256(&content[3..67]));
    assert_eq!(rig.log_file["fingerprint"], serde_json::json!(expected));
    assert_eq!(rig.log_file["path"], serde_json::json!(logs.path("a.log")));
    // It is that of the same bytes for all that follows, and told once.
    logs.append("a.log", lines(2, 100));
    rig.pass_a_scan();
    assert_eq!(rig.log_file["fingerprint"], serde_json::json!(expected));
    assert_eq!(rig.log_file.as_object().unwrap().len(), 4, "{}", rig.log_file);
}

#[test]
fn documents_name_the_owner_of_their_file() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 1));
    let mut rig = Rig::start_input(watched(&[logs.pattern("*.log")]), Vec::new());
    rig.settle_down();
    let path = logs.path("a.log");
    let told = |format: &str| {
        let stat = std::process::Command::new("stat").args(["-c", format]).arg(&path).output();
        String::from_utf8(stat.unwrap().stdout).unwrap().trim().to_owned()
    };
    let expected = serde_json::json!({"path": path, "owner": told("%U"), "group": told("%G")});
    assert_eq!(rig.log_file, expected);
}

#[test]
fn what_is_behind_is_counted_between_scans_that_are_far_apart() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let scan_interval = Duration::from_mins(10);
    let watched = Watched { scan_interval, ..watched(&[logs.pattern("*.log")]) };
    let mut rig = Rig::start_input(watched, Vec::new());
    rig.withholds = true;
    rig.pass(11);
    let size = i64::try_from(lines(1, 3).len()).unwrap();
    assert_eq!(rig.stats.reading.lag_bytes.get(), size);
    rig.withholds = false;
    rig.pass(11);
    assert_eq!(rig.stats.reading.lag_bytes.get(), 0);
    rig.withholds = true;
    logs.append("access.log", lines(4, 6));
    rig.hint_all();
    rig.pass(11);
    assert_eq!(rig.stats.reading.lag_bytes.get(), size);
}
