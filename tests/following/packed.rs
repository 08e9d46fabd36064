//! Compressed files: what a rotation packed before it was read is read on inside, and nothing of it twice.

use crate::rig::{Logs, Rig, gzip, lines, messages};
use crate::{restart, rig};
use shipper::discovery::From;

fn sorted(rig: &mut Rig) -> Vec<String> {
    let mut all = rig.arrived();
    all.sort();
    all
}

/// A log of which lines 1 to 300 were read; then shipper stopped, and lines 301 to 350 came.
fn stopped(logs: &Logs, pattern: &str) -> crate::rig::Saved {
    logs.write("access.log", lines(1, 300));
    let mut rig = rig(logs, pattern);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 300));
    let saved = rig.stop();
    logs.append("access.log", lines(301, 350));
    saved
}

const PATTERNS: [&str; 3] = ["access.log", "access.log*", "*.log"];

#[test]
fn log_rotated_and_packed_while_stopped_is_read_on_inside() {
    for pattern in PATTERNS {
        let logs = Logs::new();
        let saved = stopped(&logs, pattern);
        logs.rename("access.log", "access.log.1");
        logs.pack("access.log.1");
        logs.write("access.log", lines(351, 352));
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), messages(301, 352), "{pattern}");
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern}");
        logs.rename("access.log.1.gz", "access.log.2.gz");
        rig.pass(60);
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern}");
    }
}

#[test]
fn packed_log_that_is_renamed_while_stopped_halfway_is_read_on() {
    for pattern in PATTERNS {
        let logs = Logs::new();
        let mut saved = stopped(&logs, pattern);
        logs.rename("access.log", "access.log.1");
        logs.pack("access.log.1");
        for rotation in 1..4 {
            // Each life reads a little: more than one batch is not let through.
            let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
            rig.settle_down();
            saved = rig.stop();
            let next = rotation + 1;
            logs.rename(&format!("access.log.{rotation}.gz"), &format!("access.log.{next}.gz"));
        }
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern}");
    }
}

#[test]
fn log_packed_while_running_is_not_read_again() {
    for pattern in PATTERNS {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        let mut rig = rig(&logs, pattern);
        rig.settle_down();
        logs.rename("access.log", "access.log.1");
        logs.write("access.log", lines(301, 310));
        rig.pass_a_scan();
        logs.pack("access.log.1");
        rig.pass(60);
        assert_eq!(
            sorted(&mut rig),
            {
                let mut all = messages(1, 310);
                all.sort();
                all
            },
            "{pattern}"
        );
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern}");
    }
}

#[test]
fn copytruncated_and_packed_log_is_read_on_inside() {
    for pattern in PATTERNS {
        let logs = Logs::new();
        let saved = stopped(&logs, pattern);
        logs.copy("access.log", "access.log.1");
        logs.truncate("access.log");
        logs.pack("access.log.1");
        logs.append("access.log", lines(351, 352));
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), messages(301, 352), "{pattern}");
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern}");
    }
}

#[test]
fn incomplete_packed_file_is_not_yet() {
    let logs = Logs::new();
    let saved = stopped(&logs, "access.log");
    let packed = gzip(&std::fs::read(logs.path("access.log")).unwrap());
    logs.remove("access.log");
    logs.write("access.log.1.gz", &packed[..packed.len() / 2]);
    let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
    rig.pass(120);
    assert_eq!(rig.arrived(), Vec::<String>::new());
    logs.append("access.log.1.gz", &packed[packed.len() / 2..]);
    rig.pass(60);
    assert_eq!(rig.arrived(), messages(301, 350));
    assert_eq!(rig.stats.reading.lost_bytes.get(), 0);
}

#[test]
fn damaged_packed_file_is_passed_over_and_what_is_lost_is_counted() {
    let logs = Logs::new();
    let saved = stopped(&logs, "access.log*");
    let mut packed = gzip(&std::fs::read(logs.path("access.log")).unwrap());
    let end = packed.len();
    packed[end - 6] ^= 1;
    logs.remove("access.log");
    logs.write("access.log.1.gz", packed);
    let mut rig = Rig::start(&[logs.pattern("access.log*")], saved, From::Start);
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
}

#[test]
fn packed_files_of_the_past_are_read_only_when_asked_for() {
    let logs = Logs::new();
    logs.write("access.log.3.gz", gzip(lines(1, 40_000).as_bytes()));
    logs.write(
        "access.log.2.gz",
        [gzip(lines(40_001, 40_500).as_bytes()), gzip(lines(40_501, 41_000).as_bytes())].concat(),
    );
    logs.write("access.log.1.zst", b"\x28\xb5\x2f\xfd and more\n");
    logs.write("access.log", lines(41_001, 41_002));
    let mut plain = rig(&logs, "access.log*");
    plain.pass(60);
    assert_eq!(plain.arrived(), messages(41_001, 41_002));
    let mut packed = Rig::start_packed(&[logs.pattern("access.log*")], plain.stop());
    packed.pass(60);
    let mut all = packed.arrived();
    all.sort_by_key(|line| line[12..].parse::<u32>().unwrap());
    assert_eq!(all, messages(1, 41_000));
    let saved = packed.stop();
    logs.rename("access.log.3.gz", "access.log.4.gz");
    let mut again = Rig::start_packed(&[logs.pattern("access.log*")], saved);
    again.pass(60);
    assert_eq!(again.arrived(), Vec::<String>::new());
}

#[test]
fn packed_copy_beside_its_living_original_is_not_read() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    logs.write("access.log.1", lines(301, 600));
    logs.write("access.log.1.gz", gzip(lines(301, 600).as_bytes()));
    let mut rig = Rig::start_packed(&[logs.pattern("access.log*")], Vec::new());
    rig.pass(60);
    assert_eq!(sorted(&mut rig), {
        let mut all = messages(1, 600);
        all.sort();
        all
    });
    logs.remove("access.log.1");
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
}
