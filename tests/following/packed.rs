//! Compressed files: what a rotation packed before it was read is read on inside, and nothing of it twice.

use crate::rig::{Logs, Rig, input, lines, messages, pack, watched};
use crate::{restart, rig};
use shipper::discovery::{From, Watched};
use shipper::packing::{Compression, Format};
use shipper::settings::InputSettings;
use shipper::settings::reading::{LineParser, MultilineRule, MultilineSettings, ReadingSettings};
use shipper::unpacked::SKIPPED_AT_ONCE;

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

/// Each pattern with gzip, and one with each format.
fn cases() -> impl Iterator<Item = (&'static str, Format)> {
    let gzip = PATTERNS.map(|pattern| (pattern, Format::Gzip));
    let others = [Format::Zstd, Format::Bzip2, Format::Xz].map(|format| ("access.log*", format));
    gzip.into_iter().chain(others)
}

#[test]
fn log_rotated_and_packed_while_stopped_is_read_on_inside() {
    for (pattern, format) in cases() {
        let ending = format.ending();
        let logs = Logs::new();
        let saved = stopped(&logs, pattern);
        logs.rename("access.log", "access.log.1");
        logs.pack("access.log.1", format);
        logs.write("access.log", lines(351, 352));
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), messages(301, 352), "{pattern} {format:?}");
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern} {format:?}");
        logs.rename(&format!("access.log.1{ending}"), &format!("access.log.2{ending}"));
        rig.pass(60);
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern} {format:?}");
    }
}

/// Names that rotations give to a log's generations before they pack them.
const NAMES: [&str; 5] = [
    "access.log.N",
    "access.N.log",
    "access-2026112N.log",
    "access.log-2026112N",
    "access.log.N.old",
];

#[test]
fn log_is_read_on_whatever_its_rotation_calls_what_it_packs() {
    for name in NAMES {
        for is_copied in [false, true] {
            let logs = Logs::new();
            let saved = stopped(&logs, "access.log");
            // The larger number is the older one, but of dates.
            let order = if name.contains("2026") { [1, 2] } else { [2, 1] };
            for (generation, line) in order.into_iter().zip([351, 352]) {
                let packed = name.replace('N', &generation.to_string());
                if is_copied {
                    logs.copy("access.log", &packed);
                    logs.truncate("access.log");
                } else {
                    logs.rename("access.log", &packed);
                }
                logs.pack(&packed, Format::Gzip);
                logs.append("access.log", lines(line, line));
            }
            let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
            rig.pass(60);
            assert_eq!(sorted(&mut rig), messages(301, 352), "{name} {is_copied}");
            let mut rig = restart(rig, &logs, "access.log");
            rig.pass(60);
            assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{name} {is_copied}");
        }
    }
}

#[test]
fn packed_log_that_is_renamed_while_stopped_halfway_is_read_on() {
    for (pattern, format) in cases() {
        let ending = format.ending();
        let logs = Logs::new();
        let mut saved = stopped(&logs, pattern);
        logs.rename("access.log", "access.log.1");
        logs.pack("access.log.1", format);
        for rotation in 1..4 {
            // Each life reads a little: more than one batch is not let through.
            let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
            rig.settle_down();
            saved = rig.stop();
            let next = rotation + 1;
            logs.rename(
                &format!("access.log.{rotation}{ending}"),
                &format!("access.log.{next}{ending}"),
            );
        }
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern} {format:?}");
    }
}

#[test]
fn log_packed_while_running_is_not_read_again() {
    for (pattern, format) in cases() {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 300));
        let mut rig = rig(&logs, pattern);
        rig.settle_down();
        logs.rename("access.log", "access.log.1");
        logs.write("access.log", lines(301, 310));
        rig.pass_a_scan();
        logs.pack("access.log.1", format);
        rig.pass(60);
        assert_eq!(
            sorted(&mut rig),
            {
                let mut all = messages(1, 310);
                all.sort();
                all
            },
            "{pattern} {format:?}"
        );
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern} {format:?}");
    }
}

#[test]
fn copytruncated_and_packed_log_is_read_on_inside() {
    for (pattern, format) in cases() {
        let logs = Logs::new();
        let saved = stopped(&logs, pattern);
        logs.copy("access.log", "access.log.1");
        logs.truncate("access.log");
        logs.pack("access.log.1", format);
        logs.append("access.log", lines(351, 352));
        let mut rig = Rig::start(&[logs.pattern(pattern)], saved, From::Start);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), messages(301, 352), "{pattern} {format:?}");
        let mut rig = restart(rig, &logs, pattern);
        rig.pass(60);
        assert_eq!(sorted(&mut rig), Vec::<String>::new(), "{pattern} {format:?}");
    }
}

#[test]
fn incomplete_packed_file_is_not_yet() {
    for format in Format::ALL {
        let logs = Logs::new();
        let saved = stopped(&logs, "access.log");
        let packed = pack(format, &std::fs::read(logs.path("access.log")).unwrap());
        logs.remove("access.log");
        let name = format!("access.log.1{}", format.ending());
        logs.write(&name, &packed[..packed.len() / 2]);
        let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
        rig.pass(120);
        assert_eq!(rig.arrived(), Vec::<String>::new());
        logs.append(&name, &packed[packed.len() / 2..]);
        rig.pass(60);
        assert_eq!(rig.arrived(), messages(301, 350), "{format:?}");
        assert_eq!(rig.stats.reading.lost_bytes.get(), 0);
    }
}

/// What each format makes of lines 1 to 300 and then 301 to 350, with damage behind that.
fn damaged(format: Format) -> Vec<u8> {
    let mut packed = [
        pack(format, lines(1, 300).as_bytes()),
        pack(format, lines(301, 350).as_bytes()),
        pack(format, lines(351, 400).as_bytes()),
    ]
    .concat();
    let end = packed.len();
    // gzip tells at the end of a member only that something in it is not as it was.
    packed.truncate(end - 20);
    packed.extend([0x55; 40]);
    packed
}

#[test]
fn what_stands_before_the_damage_of_a_packed_file_is_read_on() {
    for format in Format::ALL {
        let logs = Logs::new();
        let saved = stopped(&logs, "access.log*");
        logs.remove("access.log");
        let name = format!("access.log.1{}", format.ending());
        logs.write(&name, damaged(format));
        let mut rig = Rig::start(&[logs.pattern("access.log*")], saved, From::Start);
        // Where the bytes of the damage mean something, the file seems to end too early.
        rig.pass(700);
        let arrived = rig.arrived();
        assert_eq!(arrived[..50.min(arrived.len())], messages(301, 350), "{format:?}");
        let mut rig = restart(rig, &logs, "access.log*");
        rig.pass(700);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn copy_damaged_within_its_first_bytes_is_known_after_a_crash() {
    for format in Format::ALL {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 5));
        let mut rig = rig(&logs, "access.log*");
        rig.settle_down();
        rig.withholds = true;
        logs.append("access.log", lines(6, 300));
        rig.pass_a_scan();
        assert_eq!(rig.arrived(), messages(1, 300));
        let saved = rig.kill();
        let mut packed =
            [pack(format, lines(1, 10).as_bytes()), pack(format, lines(11, 300).as_bytes())];
        packed[1].truncate(20);
        logs.remove("access.log");
        logs.write(&format!("access.log.1{}", format.ending()), packed.concat());
        let mut rig = Rig::start(&[logs.pattern("access.log*")], saved.clone(), From::Start);
        rig.withholds = true;
        rig.pass(1000);
        assert_eq!(rig.arrived(), messages(6, 10), "{format:?}");
        let ids = std::mem::take(&mut rig.ids);
        let mut rig = Rig::start(&[logs.pattern("access.log*")], rig.kill(), From::Start);
        rig.pass(1000);
        assert_eq!(rig.arrived(), messages(6, 10), "{format:?}");
        assert_eq!(rig.ids, ids, "{format:?}");
    }
}

#[test]
fn what_a_packed_file_that_stays_cut_holds_is_read_on_after_ten_minutes() {
    for format in Format::ALL {
        let logs = Logs::new();
        let saved = stopped(&logs, "access.log*");
        logs.remove("access.log");
        let name = format!("access.log.1{}", format.ending());
        let mut packed = pack(format, lines(1, 350).as_bytes());
        packed.extend(pack(format, lines(351, 400).as_bytes()));
        let last = packed.pop().unwrap();
        logs.write(&name, &packed);
        let mut rig = Rig::start(&[logs.pattern("access.log*")], saved, From::Start);
        rig.pass(500);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{format:?}");
        rig.pass(200);
        let arrived = rig.arrived();
        assert_eq!(arrived[..50.min(arrived.len())], messages(301, 350), "{format:?}");
        // What comes after all is read on as well.
        logs.append(&name, [last]);
        rig.pass(60);
        assert_eq!([arrived, rig.arrived()].concat(), messages(301, 400), "{format:?}");
    }
}

#[test]
fn damaged_packed_file_of_which_more_was_read_before_is_not_sent_again() {
    for format in Format::ALL {
        let logs = Logs::new();
        let saved = stopped(&logs, "access.log*");
        logs.remove("access.log");
        let name = format!("access.log.1{}", format.ending());
        let mut packed = pack(format, lines(1, 70).as_bytes());
        packed.extend([0x55; 40]);
        logs.write(&name, packed);
        let patterns = [logs.pattern("access.log*")];
        let mut rig = Rig::start_packed(&patterns, saved, Compression::All);
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn packed_files_of_the_past_are_read_only_when_asked_for() {
    let numbered = |mut all: Vec<String>| {
        all.sort_by_key(|line| line[12..].parse::<u32>().unwrap());
        all
    };
    for format in Format::ALL {
        let logs = Logs::new();
        let name = |number| format!("access.log.{number}{}", format.ending());
        logs.write(&name(3), pack(format, lines(1, 40_000).as_bytes()));
        let members = [lines(40_001, 40_500), lines(40_501, 41_000)];
        logs.write(&name(2), members.map(|lines| pack(format, lines.as_bytes())).concat());
        logs.write("access.log", lines(41_001, 41_002));
        let mut plain = rig(&logs, "access.log*");
        plain.pass(60);
        assert_eq!(plain.arrived(), messages(41_001, 41_002));
        let patterns = [logs.pattern("access.log*")];
        let others = Format::ALL.into_iter().filter(|other| *other != format);
        let mut saved = plain.stop();
        for not in others.map(Compression::Only).chain([Compression::Never]) {
            let mut rig = Rig::start_packed(&patterns, saved, not);
            rig.pass(60);
            assert_eq!(rig.arrived(), Vec::<String>::new(), "{not:?}");
            saved = rig.stop();
        }
        let asked_for =
            if format == Format::Gzip { Compression::All } else { Compression::Only(format) };
        let mut packed = Rig::start_packed(&patterns, saved, asked_for);
        packed.pass(60);
        assert_eq!(numbered(packed.arrived()), messages(1, 41_000), "{format:?}");
        let saved = packed.stop();
        logs.rename(&name(3), &name(4));
        let mut again = Rig::start_packed(&patterns, saved, asked_for);
        again.pass(60);
        assert_eq!(again.arrived(), Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn nothing_packed_is_read_where_that_is_asked_for() {
    let logs = Logs::new();
    let saved = stopped(&logs, "access.log*");
    logs.rename("access.log", "access.log.1");
    logs.pack("access.log.1", Format::Zstd);
    let mut rig = Rig::start_packed(&[logs.pattern("access.log*")], saved, Compression::Never);
    rig.pass(60);
    assert_eq!(rig.arrived(), Vec::<String>::new());
}

#[test]
fn log_packed_by_the_real_program_is_read_on_inside() {
    for format in Format::ALL {
        let logs = Logs::new();
        let saved = stopped(&logs, "access.log");
        logs.rename("access.log", "access.log.1");
        let mut program = std::process::Command::new(format.name());
        program.arg("-q").arg("-9").arg(logs.path("access.log.1"));
        if format == Format::Zstd {
            program.arg("--rm");
        }
        match program.status() {
            Ok(status) => assert!(status.success(), "{format:?}: {status}"),
            // What is not there packs nothing on this machine; gzip and logrotate are everywhere.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => panic!("{format:?}: {error}"),
        }
        let mut rig = Rig::start(&[logs.pattern("access.log")], saved, From::Start);
        rig.pass(60);
        assert_eq!(rig.arrived(), messages(301, 350), "{format:?}");
        let mut rig = restart(rig, &logs, "access.log");
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{format:?}");
    }
}

#[test]
fn packed_copy_beside_its_living_original_is_not_read() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 300));
    logs.write("access.log.1", lines(301, 600));
    logs.write("access.log.1.gz", pack(Format::Gzip, lines(301, 600).as_bytes()));
    let mut rig = Rig::start_packed(&[logs.pattern("access.log*")], Vec::new(), Compression::All);
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

/// Makes two files, and gives the one with the smaller inode the first name.
fn in_order_of_inodes(logs: &Logs, first: &str, second: &str) {
    use std::os::unix::fs::MetadataExt;
    let number = |name| std::fs::metadata(logs.path(name)).unwrap().ino();
    logs.write("one", "");
    logs.write("other", "");
    let names = if number("one") < number("other") { ["one", "other"] } else { ["other", "one"] };
    logs.rename(names[0], first);
    logs.rename(names[1], second);
}

#[test]
fn copy_that_is_packed_and_not_removed_yet_is_read_once() {
    for (first, second) in
        [("access.log.1.gz", "access.log.1"), ("access.log.1", "access.log.1.gz")]
    {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 100));
        let mut rig = rig(&logs, "access.log");
        rig.settle_down();
        logs.copy("access.log", "access.log.1");
        logs.pack("access.log.1", Format::Gzip);
        logs.truncate("access.log");
        rig.pass(30);
        logs.append("access.log", lines(101, 200));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(1, 200), "{first} first");
        logs.rename("access.log.1.gz", "access.log.2.gz");
        in_order_of_inodes(&logs, first, second);
        let content = std::fs::read(logs.path("access.log")).unwrap();
        logs.write("access.log.1", &content);
        logs.write("access.log.1.gz", pack(Format::Gzip, &content));
        logs.truncate("access.log");
        rig.pass(30);
        logs.remove("access.log.1");
        rig.pass(60);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{first} first");
    }
}

#[test]
fn long_event_far_behind_the_beginning_of_a_packed_file_is_read() {
    // What is unpacked slowly goes back to an event's beginning in several turns, and what is longer than what is kept of it does so.
    let long = "x".repeat(2 << 20);
    let multiline = MultilineSettings::new(MultilineRule::Count(3));
    for (parsers, expected) in [
        (vec![LineParser::Multiline(multiline)], vec![format!("one\n{long}\nthree")]),
        (Vec::new(), ["one", &long, "three"].map(str::to_owned).to_vec()),
    ] {
        for (format, lines_before) in [(Format::Bzip2, 90_000), (Format::Xz, 300_000)] {
            let logs = Logs::new();
            let before = lines(1, lines_before);
            assert!(SKIPPED_AT_ONCE / format.slowness() < before.len(), "{}", before.len());
            let name = format!("access.log.1{}", format.ending());
            logs.write(&name, pack(format, format!("{before}one\n{long}\nthree\n").as_bytes()));
            let watched =
                Watched { packed: Compression::All, ..watched(&[logs.pattern("access.log*")]) };
            let reading =
                ReadingSettings { parsers: parsers.clone(), ..ReadingSettings::default() };
            let input = InputSettings { reading, ..input(10 << 20) };
            let mut rig = Rig::start_watching(watched, Vec::new(), From::Start, 16 << 20, &input);
            rig.pass(10);
            let arrived = rig.arrived();
            assert!(arrived.ends_with(&expected), "{format:?}, {} at once", expected.len());
        }
    }
}
