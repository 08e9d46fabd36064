//! What is still to be delivered of files whose names do not say it: removed ones, ones that were moved away, and ones that
//! hold something else now.

use crate::rig::to_port;
use crate::shipper::{Place, wait_until};
use crate::telling::status;
use serde_json::{Value, json};
use shipper::demo::receiver::{Mode, Options, Receiver};
use std::path::Path;

/// More than the queue takes: the rest is only in the file.
const LINES: usize = 30_000;
const BYTES: u64 = 100 * LINES as u64;

fn lines() -> String {
    format!("{:099}\n", 7).repeat(LINES)
}

fn entries(place: &Place) -> Vec<Value> {
    let (_, out, told) = place.shipper(&["registry", "list", "--json"]);
    let list: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    list["entries"].as_array().unwrap().clone()
}

#[test]
fn removed_and_moved_files_that_are_held_open_are_in_the_backlog() {
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = |log: &Path| std::fs::rename(log, elsewhere.path().join("a.log")).unwrap();
    let removed = |log: &Path| std::fs::remove_file(log).unwrap();
    // The directory may come back: for a while nothing is concluded.
    let all_moved = |log: &Path| {
        std::fs::rename(log.parent().unwrap(), elsewhere.path().join("logs")).unwrap();
    };
    let ways: [&dyn Fn(&Path); 3] = [&removed, &moved, &all_moved];
    // A moved one has its new name with the next scan.
    let states = [&["gone, open"][..], &["gone, open", "there"], &["gone"]];
    for (take_away, states) in ways.into_iter().zip(states) {
        let port = crate::http_port();
        let config = to_port(port)
            + "  backoff: {init: 20ms, max: 100ms}\nrescue.max_size: 0\nqueue.mem.bytes: 2MiB\n";
        let place = Place::new(&config);
        let log = place.log("a.log");
        std::fs::write(&log, lines()).unwrap();
        let running = place.start(&[]);
        wait_until("it is open", || status(&place)["files_open"] == 1);
        take_away(&log);
        wait_until("it is known", || {
            let entry = &entries(&place)[0];
            states.iter().any(|state| entry["state"] == *state) && entry["behind"] == BYTES
        });
        assert_eq!(status(&place)["backlog_bytes"], BYTES);
        let (code, out, _) = place.shipper(&["status", "--check", "--max-lag", "1MiB"]);
        let fault = format!("the backlog of {BYTES} bytes is larger than --max-lag 1048576");
        assert!(code == 1 && out.contains(&fault), "{out}");
        let (_, out, _) = place.shipper(&["registry", "show", log.to_str().unwrap()]);
        assert!(out.contains(&format!("behind          {BYTES}\n")), "{out}");
        let is_told = |state: &&str| out.contains(&format!("state           {state}\n"));
        assert!(states.iter().any(is_told), "{out}");
        let receiver = Receiver::start(Options::new(port, Mode::Look)).unwrap();
        wait_until("all is delivered", || status(&place)["backlog_bytes"] == 0);
        assert_eq!(receiver.counts().documents, LINES as u64);
        assert_eq!(running.stop().0, 0);
    }
}

#[test]
fn drain_says_what_is_to_go_of_a_removed_file() {
    let place = Place::new(&format!("{}rescue.max_size: 0\n", to_port(crate::http_port())));
    std::fs::write(place.log("a.log"), "one\ntwo\n").unwrap();
    let running = place.start(&[]);
    wait_until("it is open", || status(&place)["files_open"] == 1);
    std::fs::remove_file(place.log("a.log")).unwrap();
    wait_until("it is known", || entries(&place)[0]["state"] != "open");
    let (code, _, told) = place.shipper(&["drain", "--deadline", "1500ms"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.starts_with("8 bytes to go, 2 events in flight"), "{told}");
    assert_eq!(running.wait().0, 0);
}

#[test]
fn bytes_in_flight_of_a_truncated_file_are_in_the_backlog() {
    let place = Place::new(&to_port(crate::http_port()));
    let log = place.log("a.log");
    std::fs::write(&log, "one\ntwo\n").unwrap();
    let running = place.start(&[]);
    wait_until("it is in flight", || status(&place)["events_in_flight"] == 2);
    std::fs::write(&log, "new\n").unwrap();
    wait_until("it is known", || status(&place)["events_in_flight"] == 3);
    wait_until("both are in the backlog", || status(&place)["backlog_bytes"] == 12);
    let ended = entries(&place).into_iter().find(|entry| entry["state"] == "ended").unwrap();
    assert_eq!(ended["behind"], 8, "{ended}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn bytes_in_flight_of_a_file_that_was_given_up_are_no_problem_of_the_registry() {
    let port = crate::http_port();
    let more = "rescue: {max_size: 1KiB, on_full: drop}\nqueue.mem.bytes: 2MiB\n";
    let config = to_port(port) + "  backoff: {init: 20ms, max: 100ms}\n" + more;
    let place = Place::new(&config);
    std::fs::write(place.log("a.log"), lines()).unwrap();
    let running = place.start(&[]);
    wait_until("it is open", || status(&place)["files_open"] == 1);
    std::fs::remove_file(place.log("a.log")).unwrap();
    wait_until("its rest is given up", || entries(&place)[0]["settled_beyond"] != json!([]));
    let entry = &entries(&place)[0];
    assert_eq!(entry["state"], "gone");
    // What is lost is settled; what was read before it is not.
    let read = &entry["settled_beyond"][0][0];
    wait_until("what was read is behind", || entries(&place)[0]["behind"] == *read);
    assert_eq!(status(&place)["backlog_bytes"], *read);
    let (code, out, _) = place.shipper(&["registry", "check"]);
    let told = "1 files that are gone have bytes before settled ones that are not settled: the running shipper has them \
                on their way, or looks for a copy\n";
    assert!(code == 0 && out.starts_with(told) && out.ends_with(" entries: fine\n"), "{out}");
    running.kill();
    let (code, out, _) = place.shipper(&["registry", "check"]);
    assert!(code == 1 && out.contains("hint: start shipper"), "{out}");
}
