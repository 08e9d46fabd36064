//! Files that are there again on another device, directories that are gone, and files that come back late.

use crate::rig::{Logs, Rig, Saved, lines, messages, watched};
use shipper::discovery::From;
use shipper::packing::{Compression, Format};
use shipper::settings::CloseSettings;
use std::time::Duration;

/// Gives entries another device number, as their file system had it before the restart.
fn elsewhere(mut saved: Saved) -> Saved {
    for entry in &mut saved {
        entry.inode.device += 1;
    }
    saved
}

#[test]
fn files_go_on_where_they_were_when_their_device_has_another_number_after_a_restart() {
    for rotation in ["none", "renamed", "packed", "copied and truncated"] {
        let logs = Logs::new();
        logs.write("access.log", lines(1, 3));
        logs.write("other.log", lines(100, 102));
        let patterns = [logs.pattern("access.log"), logs.pattern("other.log")];
        let start = |saved| Rig::start_packed(&patterns, saved, Compression::default());
        let mut rig = start(Vec::new());
        rig.settle_down();
        assert_eq!(rig.arrived().len(), 6, "{rotation}");
        let saved = elsewhere(rig.stop());
        logs.append("access.log", lines(4, 5));
        match rotation {
            "none" => logs.append("access.log", lines(6, 7)),
            "copied and truncated" => {
                logs.copy("access.log", "access.log.1");
                logs.truncate("access.log");
                logs.append("access.log", lines(6, 7));
            }
            _ => {
                logs.rename("access.log", "access.log.1");
                logs.write("access.log", lines(6, 7));
                if rotation == "packed" {
                    logs.pack("access.log.1", Format::Gzip);
                }
            }
        }
        let mut rig = start(saved);
        rig.pass(30);
        let mut arrived = rig.arrived();
        arrived.sort();
        assert_eq!(arrived, messages(4, 7), "{rotation}");
        let saved = rig.stop();
        let mut rig = start(saved);
        rig.pass(30);
        assert_eq!(rig.arrived(), Vec::<String>::new(), "{rotation}: the new number is saved");
    }
}

#[test]
fn log_that_alone_tells_of_the_new_number_is_found_where_a_rotation_put_it() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let pattern = [logs.pattern("access.log")];
    let mut rig = Rig::start(&pattern, Vec::new(), From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    let saved = elsewhere(rig.stop());
    logs.append("access.log", lines(4, 5));
    logs.rename("access.log", "access.log.1");
    logs.write("access.log", lines(6, 7));
    let mut rig = Rig::start(&pattern, saved, From::Start);
    rig.pass(30);
    let mut arrived = rig.arrived();
    arrived.sort();
    assert_eq!(arrived, messages(4, 7));
}

#[test]
fn other_content_with_the_number_of_an_inode_on_another_device_is_read_from_its_start() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let pattern = [logs.pattern("access.log")];
    let mut rig = Rig::start(&pattern, Vec::new(), From::Start);
    rig.settle_down();
    let saved = elsewhere(rig.stop());
    // The same inode.
    logs.write("access.log", lines(11, 16));
    let mut rig = Rig::start(&pattern, saved, From::Start);
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(11, 16));
}

#[test]
fn directory_that_is_gone_is_waited_for_a_day_and_then_its_files_are_forgotten() {
    let logs = Logs::new();
    std::fs::create_dir(logs.path("site")).unwrap();
    logs.write("site/access.log", lines(1, 3));
    // Of a file that is open it is known where it is.
    let close = CloseSettings { on_eof: true, ..CloseSettings::default() };
    let mut rig = Rig::start_closing(watched(&[logs.pattern("site/*.log")]), Vec::new(), close);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    logs.rename("site", "aside");
    rig.pass_a_scan();
    rig.jump(Duration::from_hours(23));
    rig.pass(30);
    logs.rename("aside", "site");
    logs.append("site/access.log", lines(4, 5));
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(4, 5));
    logs.rename("site", "aside");
    rig.pass_a_scan();
    rig.jump(Duration::from_hours(25));
    rig.pass(60);
    assert_eq!(rig.stop(), []);
}

#[test]
fn log_does_not_wait_for_one_of_its_name_whose_directory_is_gone() {
    for first in [50, 1] {
        let logs = Logs::new();
        for site in ["one", "two"] {
            std::fs::create_dir(logs.path(site)).unwrap();
        }
        logs.write("one/access.log", lines(101, 100 + first));
        logs.write("two/access.log", lines(1, 3));
        let mut rig = Rig::start(&[logs.pattern("*/access.log")], Vec::new(), From::Start);
        rig.settle_down();
        assert_eq!(rig.arrived().len(), first + 3);
        std::fs::remove_dir_all(logs.path("one")).unwrap();
        rig.pass_a_scan();
        logs.truncate("two/access.log");
        logs.append("two/access.log", lines(10, 14));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(10, 14), "{first} lines");
        logs.rename("two/access.log", "two/access.log.1");
        logs.write("two/access.log", lines(15, 16));
        rig.pass(30);
        assert_eq!(rig.arrived(), messages(15, 16), "{first} lines");
    }
}

#[test]
fn removed_file_is_not_forgotten_before_all_of_it_is_settled() {
    let logs = Logs::new();
    logs.write("access.log", lines(1, 3));
    let pattern = [logs.pattern("access.log*")];
    let mut rig = Rig::start(&pattern, Vec::new(), From::Start);
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(1, 3));
    rig.withholds = true;
    logs.append("access.log", lines(4, 5));
    rig.hint_all();
    rig.settle_down();
    assert_eq!(rig.arrived(), messages(4, 5));
    logs.copy("access.log", "kept");
    logs.remove("access.log");
    rig.pass(600);
    // The output has never answered; what was removed is brought back after a crash.
    let saved = rig.stop();
    logs.rename("kept", "access.log.1");
    let mut rig = Rig::start(&pattern, saved, From::Start);
    rig.pass(30);
    assert_eq!(rig.arrived(), messages(4, 5));
    assert_eq!(rig.stop().len(), 1);
}
