//! Logs that are rotated into a directory to which no pattern leads, beside their own or anywhere else.

use crate::rig::{Logs, Rig, lines, messages, watched};
use shipper::discovery::From;
use shipper::packing::Format;
use shipper::settings::CloseSettings;

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
