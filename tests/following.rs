//! Following: every complete line once, whatever happens to the files, running and over a restart.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    clippy::format_collect,
    dead_code,
    reason = "a test may fail, and has real files; of the shared disk that fails it uses a part"
)]

#[path = "following/between.rs"]
mod between;
#[path = "following/devices.rs"]
mod devices;
#[path = "following/elsewhere.rs"]
mod elsewhere;
#[path = "following/events.rs"]
mod events;
#[path = "following/exchange.rs"]
mod exchange;
#[path = "following/faults.rs"]
mod faults;
#[path = "following/faulty.rs"]
#[expect(dead_code, reason = "no registry is kept here")]
mod faulty;
#[path = "following/fresh.rs"]
mod fresh;
#[path = "following/headers.rs"]
mod headers;
#[path = "support/log.rs"]
mod log;
#[path = "following/moved.rs"]
mod moved;
#[path = "following/options.rs"]
mod options;
#[path = "following/packed.rs"]
mod packed;
#[path = "following/rig.rs"]
mod rig;
#[path = "following/short.rs"]
mod short;

use rig::{Logs, Rig, lines, messages};
use shipper::discovery::From;
use shipper::ledger::{Entry, Interval};
use thin_vec::thin_vec;

fn rig(logs: &Logs, pattern: &str) -> Rig {
    Rig::start(&[logs.pattern(pattern)], Vec::new(), From::Start)
}

fn restart(rig: Rig, logs: &Logs, pattern: &str) -> Rig {
    Rig::start(&[logs.pattern(pattern)], rig.stop(), From::Start)
}

#[test]
fn lines_that_are_there_and_lines_that_come_are_read_once() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    logs.append("access.log", lines(4, 5));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(4, 5));
}

#[test]
fn partial_last_line_waits_for_its_end() {
    let logs = Logs::new();
    logs.write("access.log", "whole\npart");
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    assert_eq!(rig.arrived(), ["whole"]);
    logs.append("access.log", "ial\nnext");
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["partial"]);
}

#[test]
fn restart_goes_on_where_it_was() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    let saved = rig.stop();
    logs.append("access.log", lines(4, 4));
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(4, 4));
}

#[test]
fn rename_and_create_while_running_loses_and_repeats_nothing() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    logs.append("access.log", lines(4, 5));
    logs.rename("access.log", "access.log.1");
    logs.append("access.log.1", lines(6, 6));
    logs.write("access.log", lines(7, 9));
    rig.pass_a_scan();
    logs.append("access.log.1", lines(10, 10));
    rig.pass_a_scan();
    let mut all = rig.arrived();
    all.sort_by_key(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(all, messages(1, 10));
}

#[test]
fn rename_out_of_the_pattern_while_stopped_is_read_to_its_end() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    let saved = rig.stop();
    logs.append("access.log", lines(4, 5));
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", lines(6, 7));
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.settle_down();
    let mut all = rig.arrived();
    all.sort();
    assert_eq!(all, messages(4, 7));
}

#[test]
fn rename_into_a_directory_below_is_read_to_its_end() {
    let logs = Logs::new();
    std::fs::create_dir(logs.path("old")).unwrap();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "*.log");
    rig.settle_down();
    let saved = rig.stop();
    logs.append("access.log", lines(4, 4));
    logs.rename("access.log", "old/access.log-20261120");
    let mut rig = Rig::start(&[logs.pattern("*.log")], saved, From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(4, 4));
}

#[test]
fn copytruncate_takes_the_unread_rest_from_the_copy_and_nothing_twice() {
    for pattern in ["access.log", "access.log*"] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        let mut rig = rig(&logs, pattern);
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(1, 300));
        logs.append("access.log", lines(301, 310));
        logs.copy("access.log", "access.log.1");
        logs.truncate("access.log");
        logs.append("access.log", lines(311, 312));
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, messages(301, 312), "{pattern}");
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{pattern}");
    }
}

#[test]
fn copytruncate_while_stopped_takes_the_unread_rest_from_the_copy() {
    for pattern in ["access.log", "access.log*"] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        let mut rig = rig(&logs, pattern);
        rig.settle_down();
        let saved = rig.stop();
        logs.append("access.log", lines(301, 310));
        logs.copy("access.log", "access.log.1");
        logs.truncate("access.log");
        logs.append("access.log", lines(311, 312));
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        assert_eq!(all, messages(301, 312), "{pattern}");
    }
}

#[test]
fn copy_that_is_still_growing_waits_for_the_truncation() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    let mut rig = rig(&logs, "access.log*");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    let whole = lines(1, 300);
    logs.write("access.log.1", &whole[..whole.len() / 2]);
    rig.pass_a_scan();
    logs.write("access.log.1", &whole);
    rig.pass(1);
    logs.truncate("access.log");
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
}

#[test]
fn copy_that_ended_before_the_last_lines_were_read_is_not_read_again() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    let mut rig = rig(&logs, "access.log*");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    rig.pass(9);
    logs.copy("access.log", "access.log.1");
    logs.append("access.log", lines(301, 303));
    rig.pass(3);
    assert_eq!(rig.arrived(), messages(301, 303));
    logs.truncate("access.log");
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
    let mut rig = restart(rig, &logs, "access.log*");
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
}

#[test]
fn truncated_and_refilled_beyond_the_old_offset_is_read_from_its_start() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    logs.write("access.log", lines(100, 140));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(100, 140));
}

#[test]
fn truncated_and_refilled_while_stopped_is_read_from_its_start() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    let saved = rig.stop();
    logs.write("access.log", lines(100, 140));
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(100, 140));
}

#[test]
fn replaced_file_of_the_same_length_is_read_from_its_start() {
    let logs = Logs::new();
    logs.write("access.log", "aaaa\nbbbb\n");
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    let saved = rig.stop();
    logs.write("access.log", "cccc\ndddd\n");
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), ["cccc", "dddd"]);
}

#[test]
fn hole_that_a_writer_leaves_after_a_truncation_is_skipped() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 50));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    rig.arrived();
    let length = lines(1, 50).len();
    let mut refilled = vec![0; length];
    refilled.extend_from_slice(b"after the hole\n");
    logs.write("access.log", refilled);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["after the hole"]);
    assert_eq!(rig.stats.reading.hole_bytes.get(), length as u64);
}

#[test]
fn files_with_the_same_first_lines_are_two_files() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 200));
    logs.write("b.log", lines(1, 200));
    let mut rig = rig(&logs, "*.log");
    rig.settle_down();
    assert_eq!(rig.arrived().len(), 400);
}

#[test]
fn hard_link_is_read_once() {
    let logs = Logs::new();
    logs.write("a.log", lines(1, 2));
    std::fs::hard_link(logs.path("a.log"), logs.path("b.log")).unwrap();
    let mut rig = rig(&logs, "*.log");
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(1, 2));
}

#[test]
fn removed_file_is_read_to_its_end_through_the_open_descriptor() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 2));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    logs.append("access.log", lines(3, 4));
    logs.remove("access.log");
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(1, 4));
    assert_eq!(rig.stats.reading.lost_bytes.get(), 0);
    assert!(rig.stop().is_empty(), "a file that is gone and settled is forgotten");
}

#[test]
fn what_is_settled_beyond_the_offset_is_not_sent_again() {
    let logs = Logs::new();
    let mut ends = Vec::new();
    let mut saved = Vec::new();
    for last in [3, 6, 9] {
        logs.append("access.log", lines(last - 2, last));
        let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
        rig.settle_down();
        assert_eq!(rig.arrived(), messages(last - 2, last));
        saved = rig.stop();
        ends.push(saved[0].clone());
    }
    logs.append("access.log", lines(10, 12));
    let [mut first, second, third] = <[Entry; 3]>::try_from(ends).unwrap();
    first.beyond = thin_vec![Interval {
        start: second.committed,
        end: third.committed,
        before: Some(second.proof.running),
        proof: third.proof,
    }];
    let mut rig = Rig::start(&[logs.pattern("access.log")], vec![first], From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), [messages(4, 6), messages(10, 12)].concat());
}

#[test]
fn backlog_is_told_and_from_now_skips_it() {
    let logs = Logs::new();
    logs.write("access.log", format!("{}part", lines(1, 9)));
    let mut rig = Rig::start(&[logs.pattern("access.log")], Vec::new(), From::Now);
    rig.settle_down();
    logs.append("access.log", "ial\n");
    logs.append("access.log", lines(10, 11));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), ["partial", "line number 10", "line number 11"]);
}

#[test]
fn line_longer_than_the_read_buffer_arrives_whole() {
    let logs = Logs::new();
    let long = "x\u{e4}\"".repeat(300_000);
    logs.write("access.log", format!("before\n{long}\nafter\n"));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    let arrived = rig.arrived();
    assert_eq!(arrived.len(), 3);
    assert!(arrived[0] == "before" && arrived[2] == "after");
    assert!(arrived[1] == long, "the long line is whole");
}

#[test]
fn long_line_that_comes_in_pieces_is_searched_once_and_arrives_whole() {
    let logs = Logs::new();
    let piece = "y".repeat(200_000);
    logs.write("access.log", &piece);
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    for _ in 0..4 {
        logs.append("access.log", &piece);
        rig.pass_a_scan();
        assert!(rig.arrived().is_empty());
    }
    logs.append("access.log", "\nnext\n");
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [piece.repeat(5), "next".to_owned()]);
}

#[test]
fn rest_of_an_over_long_line_is_skipped() {
    let logs = Logs::new();
    logs.write("access.log", format!("{}\nshort\n", "z".repeat(2_000_000)));
    let mut rig = Rig::start_with(
        &[logs.pattern("access.log")],
        Vec::new(),
        From::Start,
        16 << 20,
        1_000_000,
    );
    rig.settle_down();
    assert_eq!(rig.arrived(), ["z".repeat(1_000_000), "short".to_owned()]);
    assert_eq!(rig.stats.reading.skipped_bytes.get(), 1_000_000);
}

#[test]
fn pool_is_the_bound_however_much_there_is_to_read() {
    let logs = Logs::new();
    for file in 0..20 {
        logs.write(&format!("{file}.log"), lines(1, 20_000));
    }
    let mut rig =
        Rig::start_with(&[logs.pattern("*.log")], Vec::new(), From::Start, 2 << 20, 10 << 20);
    rig.settle_down();
    assert_eq!(rig.arrived().len(), 400_000);
    assert!(rig.pool.peak() <= 2);
}
