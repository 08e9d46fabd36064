//! Registries that are copied: restored, or taken along by a clone.

use super::main_job::{each_once, lines, paths};
use super::trouble::append;
use crate::shared;
use crate::support::shipper::{Place, Running};
use std::path::Path;
use std::process::Command;

fn place(index: &str) -> Place {
    Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/*.log\"]}}\n\
         output.elasticsearch: {{hosts: [\"{}\"], index: {index}, backoff: {{init: 100ms, max: 300ms}}}}\n",
        shared().url()
    ))
}

/// Copies the data path `data`.
fn copy(place: &Place, to: &str) {
    let (from, to) = (place.path().join("data"), place.path().join(to));
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Writes other lines where the log went on in `length`.
fn go_on_otherwise(log: &Path, length: u64, text: &str) {
    std::fs::File::options().write(true).open(log).unwrap().set_len(length).unwrap();
    append(log, text);
}

/// Waits until all is acknowledged; returns what it told.
fn ended(running: Running) -> String {
    let (code, told) = running.wait();
    assert_eq!(code, 0, "{told}");
    told
}

#[test]
fn line_of_a_clone_is_stored_beside_the_one_that_has_its_id_and_a_replay_repeats_neither() {
    let place = place("clone-test");
    let log = place.log("access.log");
    let run = |data: &str| ended(place.start_in(data, &["--once"]));
    append(&log, &lines(1, 10));
    run("data");
    let length = std::fs::metadata(&log).unwrap().len();
    for to in ["clone", "clone-again", "restored"] {
        copy(&place, to);
    }
    append(&log, &lines(20, 25));
    run("data");
    // A registry that is restored: what is stored is the same, and stays alone.
    let told = run("restored");
    assert!(told.contains("\"duplicates\":6,") && !told.contains("ERROR"), "{told}");
    // A clone has other lines in the same place; two of them are the same.
    go_on_otherwise(&log, length, &(lines(20, 21) + &lines(32, 35)));
    let told = run("clone");
    assert!(told.contains("\"acked\":4,") && told.contains("\"duplicates\":2,"), "{told}");
    assert!(told.contains("another document is stored under the id"), "{told}");
    let told = run("clone-again");
    assert!(told.contains("\"acked\":0,") && told.contains("\"duplicates\":6,"), "{told}");
    let mut expected = each_once(1, 10);
    expected.extend(each_once(20, 25));
    expected.extend(each_once(32, 35));
    assert_eq!(paths(&shared().documents("clone-test")), expected);
}

#[test]
fn clone_with_a_machine_id_of_its_own_goes_on_with_ids_of_its_own() {
    let place = place("machine-test");
    let log = place.log("access.log");
    append(&log, &lines(1, 10));
    ended(place.start_in("data", &["--once"]));
    let length = std::fs::metadata(&log).unwrap().len();
    copy(&place, "clone");
    append(&log, &lines(20, 25));
    ended(place.start_in("data", &["--once"]));
    go_on_otherwise(&log, length, &lines(32, 37));
    std::fs::write(place.path().join("machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let script = "mount --bind machine-id /etc/machine-id && exec \"$@\"";
    let shipper = env!("CARGO_BIN_EXE_shipper");
    let apart = ["unshare", "--mount", "sh", "-c", script, "sh", shipper];
    let told = ended(place.start_by(&apart, "clone", &["--once"]));
    assert!(told.contains("\"acked\":6,") && told.contains("\"duplicates\":0,"), "{told}");
    assert!(!told.contains("ERROR"), "{told}");
    let mut expected = each_once(1, 10);
    expected.extend(each_once(20, 25));
    expected.extend(each_once(32, 37));
    assert_eq!(paths(&shared().documents("machine-test")), expected);
}
