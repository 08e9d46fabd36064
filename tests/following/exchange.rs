//! Inputs that come and go while everything runs: each line once for each input that wants it.

use crate::rig::{FRESH_READ_BYTES, Logs, Rig, gzip, input, lines, messages, watched};
use shipper::discovery::{From, Skip, Watched};
use shipper::ledger::owner_of;
use shipper::packing::Compression;
use shipper::packing::Format;
use shipper::settings::reading::ReadingSettings;
use shipper::settings::{BacklogOrder, CleanSettings, InputSettings};
use std::collections::BTreeMap;
use std::time::Duration;

fn added(logs: &Logs, pattern: &str) -> Vec<(Watched, InputSettings)> {
    vec![(watched(&[logs.pattern(pattern)]), input(10 << 20))]
}

fn rig(logs: &Logs, pattern: &str) -> Rig {
    Rig::start(&[logs.pattern(pattern)], Vec::new(), From::Start)
}

#[test]
fn changed_input_goes_on_where_the_one_before_was_also_while_nothing_is_acknowledged() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3) + "part");
    let mut rig = rig(&logs, "access.log");
    rig.withholds = true;
    rig.settle_down();
    rig.exchange(&[0], 1, added(&logs, "access.log"));
    rig.settle_down();
    logs.append("access.log", "ial\n".to_owned() + &lines(4, 5));
    rig.pass_a_scan();
    rig.withholds = false;
    logs.append("access.log", lines(6, 6));
    rig.pass_a_scan();
    let expected = [messages(1, 3), vec!["partial".to_owned()], messages(4, 6)].concat();
    assert_eq!(rig.arrived(), expected);
    // All is kept under one epoch, and a start goes on there.
    let saved = rig.stop();
    assert_eq!(saved.len(), 1);
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [""; 0]);
}

#[test]
fn input_that_goes_and_comes_back_finds_what_was_written_and_rotated_meanwhile() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log*");
    rig.settle_down();
    rig.exchange(&[0], 1, Vec::new());
    logs.append("access.log", lines(4, 6));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(1, 3));
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", lines(7, 8));
    rig.pass_a_scan();
    rig.exchange(&[], 1, added(&logs, "access.log*"));
    rig.pass_a_scan();
    let mut arrived = rig.arrived();
    arrived.sort();
    assert_eq!(arrived, messages(4, 8));
}

#[test]
fn input_that_comes_reads_its_files_as_at_a_start() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 1));
    logs.write("error.log", lines(11, 13));
    logs.write("other.log", lines(21, 23));
    let mut rig = rig(&logs, "access.log");
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(1, 1));
    let tail = Watched {
        skip: Skip { tail: true, ..Skip::default() },
        ..watched(&[logs.pattern("other.log")])
    };
    // Numbers between are those of what listens.
    rig.exchange(&[], 5, added(&logs, "error.log"));
    rig.exchange(&[], 6, vec![(tail, input(10 << 20))]);
    rig.pass_a_scan();
    logs.append("other.log", lines(24, 24));
    rig.pass_a_scan();
    let mut arrived = rig.arrived();
    arrived.sort();
    assert_eq!(arrived, [messages(11, 13), messages(24, 24)].concat());
}

#[test]
fn each_of_two_inputs_of_one_file_keeps_its_own_place_when_the_other_changes() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.settle_down();
    rig.exchange(&[], 1, added(&logs, "access.log"));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [messages(1, 3), messages(1, 3)].concat());
    for (retired, first) in [(0, 2), (2, 3), (1, 4), (4, 5)] {
        rig.exchange(&[retired], first, added(&logs, "access.log"));
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), [""; 0], "{retired}");
    }
    logs.append("access.log", lines(4, 4));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [messages(4, 4), messages(4, 4)].concat());
}

#[test]
fn copies_and_files_that_are_done_with_are_not_read_again_by_a_changed_input() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 30));
    logs.write("done.log", lines(101, 130));
    let clean = CleanSettings { inactive: Some(Duration::ZERO), removed: true };
    let all = || Watched { clean, ..watched(&[logs.pattern("*.log*")]) };
    let mut rig = Rig::start_input(all(), Vec::new());
    rig.settle_down();
    logs.copy("access.log", "access.log.1");
    logs.truncate("access.log");
    rig.pass(30);
    logs.append("access.log", lines(31, 31));
    rig.pass(30);
    let mut before = rig.arrived();
    before.sort();
    let mut expected = [messages(1, 31), messages(101, 130)].concat();
    expected.sort();
    assert_eq!(before, expected);
    for number in 0..3 {
        rig.exchange(&[number], number + 1, vec![(all(), input(10 << 20))]);
        rig.pass(30);
        assert_eq!(rig.arrived(), [""; 0], "{number}");
    }
    logs.append("done.log", lines(131, 131));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(131, 131));
}

#[test]
fn backlog_goes_on_behind_new_lines() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3_000));
    let fresh = || {
        let mut input = input(10 << 20);
        input.files.backlog = BacklogOrder::FreshFirst;
        input
    };
    assert!(FRESH_READ_BYTES * 4 < lines(1, 3_000).len());
    let watched = || watched(&[logs.pattern("access.log")]);
    let mut rig = Rig::start_fresh(watched(), Vec::new(), &ReadingSettings::default());
    for number in 0..4 {
        rig.step(3);
        rig.exchange(&[number], number + 1, vec![(watched(), fresh())]);
    }
    logs.append("access.log", lines(3_001, 3_002));
    rig.pass_a_scan();
    let mut arrived = rig.arrived();
    arrived.sort();
    let mut expected = messages(1, 3_002);
    expected.sort();
    assert_eq!(arrived, expected);
}

/// An input of that name.
fn named(logs: &Logs, name: &str) -> (Watched, InputSettings) {
    let watched = watched(&[logs.pattern("access.log")]);
    (Watched { owner: owner_of(name), ..watched }, input(10 << 20))
}

#[test]
fn of_two_inputs_of_one_file_each_goes_on_where_it_was_whoever_goes_first() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = Rig::start_input(named(&logs, "a").0, Vec::new());
    rig.settle_down();
    rig.exchange(&[], 1, vec![named(&logs, "b")]);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [messages(1, 3), messages(1, 3)].concat());
    // The first one goes, and what comes is the second's alone.
    rig.exchange(&[0], 2, Vec::new());
    logs.append("access.log", lines(4, 6));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(4, 6));
    // The second one changes.
    rig.exchange(&[1], 2, vec![named(&logs, "b")]);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [""; 0]);
    // A start with the second one alone.
    let saved = rig.stop();
    assert_eq!(saved.len(), 2);
    let mut rig = Rig::start_input(named(&logs, "b").0, saved);
    logs.append("access.log", lines(7, 7));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(7, 7));
    // And the first one is back.
    rig.exchange(&[], 1, vec![named(&logs, "a")]);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(4, 7));
}

#[test]
fn a_copy_is_known_to_each_of_two_inputs_also_after_a_restart() {
    let both = |logs: &Logs, name: &str| {
        let (watched, input) = named(logs, name);
        (
            Watched { patterns: self::watched(&[logs.pattern("access.log*")]).patterns, ..watched },
            input,
        )
    };
    for is_restarted in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 100));
        let mut rig = Rig::start_input(both(&logs, "a").0, Vec::new());
        rig.settle_down();
        rig.exchange(&[], 1, vec![both(&logs, "b")]);
        rig.pass_a_scan();
        assert_eq!(rig.arrived().len(), 200);
        if is_restarted {
            let saved = rig.stop();
            logs.copy("access.log", "access.log.1");
            logs.write("access.log", lines(101, 101));
            rig = Rig::start_input(both(&logs, "b").0, saved);
            rig.settle_down();
            rig.exchange(&[], 1, vec![both(&logs, "a")]);
        } else {
            logs.copy("access.log", "access.log.1");
            logs.write("access.log", lines(101, 101));
        }
        rig.pass(30);
        assert_eq!(rig.arrived(), [messages(101, 101), messages(101, 101)].concat());
    }
}

#[test]
fn input_of_another_name_goes_on_where_the_one_before_was() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = Rig::start_input(named(&logs, "a").0, Vec::new());
    rig.settle_down();
    let saved = rig.stop();
    let mut rig = Rig::start_input(named(&logs, "renamed").0, saved);
    logs.append("access.log", lines(4, 4));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(4, 4));
    // It is known by its name from now on.
    rig.exchange(&[], 1, vec![named(&logs, "a")]);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(1, 4));
    rig.exchange(&[0, 1], 2, vec![named(&logs, "a"), named(&logs, "renamed")]);
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), [""; 0]);
}

#[test]
fn what_an_input_was_read_with_goes_with_it() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let mut rig = rig(&logs, "access.log");
    rig.pass_a_scan();
    for number in 0..4 {
        rig.exchange(&[number], number + 1, added(&logs, "access.log"));
        rig.pass_a_scan();
        assert_eq!(rig.worker.pipelines(), 1, "{number}");
    }
    // One that comes and goes without a file, and the last.
    rig.exchange(&[], 5, added(&logs, "other.log"));
    rig.exchange(&[5], 6, Vec::new());
    rig.pass_a_scan();
    assert_eq!(rig.worker.pipelines(), 1);
    rig.exchange(&[4], 6, Vec::new());
    rig.pass_a_scan();
    assert_eq!(rig.worker.pipelines(), 0);
    rig.exchange(&[], 6, added(&logs, "access.log"));
    logs.append("access.log", lines(4, 4));
    rig.pass_a_scan();
    assert_eq!(rig.arrived(), messages(1, 4));
}

#[test]
fn removed_file_is_read_to_its_end_when_its_input_goes() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3_000));
    let all = watched(&[logs.pattern("access.log")]);
    let mut rig = Rig::start_fresh(all, Vec::new(), &ReadingSettings::default());
    rig.step(3);
    logs.remove("access.log");
    rig.look();
    rig.exchange(&[0], 1, Vec::new());
    rig.step(3);
    assert!(rig.messages.len() < 3_000);
    assert_eq!(rig.worker.pipelines(), 1, "there is a file to be read");
    rig.pass(60);
    let mut arrived = rig.arrived();
    arrived.sort();
    let mut expected = messages(1, 3_000);
    expected.sort();
    assert_eq!((arrived, rig.worker.pipelines()), (expected, 0));
}

/// A removed log of which lines 51 to 100 cannot be read yet, and whose input is no more by now.
fn removed_and_retired(logs: &Logs, packed: Compression) -> Rig {
    let all = || Watched { packed, ..watched(&[logs.pattern("access.log")]) };
    logs.write("access.log", lines(1, 50));
    let mut rig = Rig::start_input(all(), Vec::new());
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 50));
    rig.disk.fail(|path, _, wanted| if path.ends_with("access.log") { Err(5) } else { Ok(wanted) });
    logs.append("access.log", lines(51, 100));
    rig.pass_a_scan();
    logs.remove("access.log");
    rig.pass_a_scan();
    rig.exchange(&[0], 1, vec![(all(), input(10 << 20))]);
    rig.pass_a_scan();
    rig
}

#[test]
fn copy_of_a_removed_file_whose_input_has_gone_is_known() {
    for (is_packed, is_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let logs = Logs::new();
        let mut rig = removed_and_retired(&logs, Compression::All);
        let text = lines(1, 110);
        let copy = || {
            if is_packed {
                logs.write("access.log.1.gz", gzip(text.as_bytes()));
            } else {
                logs.write("access.log.1", &text);
            }
        };
        if is_first {
            copy();
            rig.pass(30);
        }
        rig.disk.heal();
        rig.pass(5);
        if !is_first {
            copy();
        }
        rig.pass(60);
        let mut arrived = rig.arrived();
        arrived.sort();
        let mut expected = messages(51, 110);
        expected.sort();
        assert_eq!(arrived, expected, "packed: {is_packed}, first: {is_first}");
        assert_eq!(rig.worker.pipelines(), 1, "packed: {is_packed}, first: {is_first}");
    }
}

/// Draws numbers from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn whatever_happens_in_whichever_order_each_line_arrives_once() {
    for seed in 1..=30 {
        let mut draw = Draw(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let logs = Logs::new();
        logs.write("access.log", "");
        let mut rig = rig(&logs, "access.log*");
        let (mut last, mut generations, mut current) = (0, 0, Some(0));
        for _ in 0..60 {
            match draw.below(12) {
                0..=2 => {
                    let count = 1 + usize::try_from(draw.below(20)).unwrap();
                    logs.append("access.log", lines(last + 1, last + count));
                    last += count;
                }
                3 => {
                    for number in (1..=generations).rev() {
                        for ending in ["", ".gz"] {
                            let name = |number| format!("access.log.{number}{ending}");
                            if logs.path(&name(number)).exists() {
                                logs.rename(&name(number), &name(number + 1));
                            }
                        }
                    }
                    generations += 1;
                    logs.rename("access.log", "access.log.1");
                    logs.write("access.log", "");
                }
                4 => {
                    let name = format!("access.log.{}", 1 + draw.below(generations + 1));
                    // What is compressed while no input wants it is history, then or later.
                    if logs.path(&name).exists() && current.is_some() {
                        rig.pass_a_scan();
                        let bytes = std::fs::read(logs.path(&name)).unwrap();
                        logs.write(&format!("{name}.gz"), gzip(&bytes));
                        logs.remove(&name);
                        rig.pass_a_scan();
                    }
                }
                5..=6 => {
                    let next = u16::try_from(rig.inputs).unwrap();
                    let comes = current.is_none() || draw.below(3) != 0;
                    let added = if comes { added(&logs, "access.log*") } else { Vec::new() };
                    rig.exchange(&current.map_or(vec![], |one| vec![one]), next, added);
                    current = comes.then_some(next);
                }
                7 => rig.withholds = !rig.withholds,
                8 => rig.step(usize::try_from(draw.below(4)).unwrap()),
                9 => rig.settle_down(),
                _ => rig.pass(draw.below(15)),
            }
        }
        let next = u16::try_from(rig.inputs).unwrap();
        rig.exchange(&current.map_or(vec![], |one| vec![one]), next, added(&logs, "access.log*"));
        rig.withholds = false;
        rig.pass(60);
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        rig.arrived().into_iter().for_each(|message| *times.entry(message).or_default() += 1);
        let wrong: Vec<_> = messages(1, last)
            .into_iter()
            .map(|message| (times.get(&message).copied().unwrap_or_default(), message))
            .filter(|(count, _)| *count != 1)
            .collect();
        assert_eq!(wrong, [], "seed {seed}, {last} lines");
    }
}

#[test]
fn generations_that_came_while_stopped_are_read_by_each_of_two_inputs() {
    for is_copied in [false, true] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        let mut rig = Rig::start_input(named(&logs, "a").0, Vec::new());
        rig.settle_down();
        rig.exchange(&[], 1, vec![named(&logs, "b")]);
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), [messages(1, 3), messages(1, 3)].concat());
        let saved = rig.stop();
        for (line, generation) in [(4, 2), (5, 1)] {
            logs.append("access.log", lines(line, line));
            let name = format!("access.log.{generation}");
            if is_copied {
                logs.copy("access.log", &name);
                logs.truncate("access.log");
            } else {
                logs.rename("access.log", &name);
            }
            logs.pack(&name, Format::Gzip);
        }
        logs.append("access.log", lines(6, 6));
        let mut rig = Rig::start_input(named(&logs, "a").0, saved);
        rig.exchange(&[], 1, vec![named(&logs, "b")]);
        rig.pass(60);
        let mut all = rig.arrived();
        all.sort();
        let expected: Vec<String> =
            messages(4, 6).into_iter().flat_map(|line| [line.clone(), line]).collect();
        assert_eq!(all, expected, "copied: {is_copied}");
    }
}
