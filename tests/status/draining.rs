//! `drain`.

use crate::rig::{append, to_port};
use crate::shipper::{Place, wait_until};
use crate::telling::{started, status};
use shipper::demo::receiver::{Mode, Options, Receiver};
use std::fmt::Write;
use std::time::{Duration, Instant};

fn lines(from: usize, to: usize) -> String {
    (from..to).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "line {number}");
        text
    })
}

#[test]
fn drain_has_the_running_shipper_deliver_everything_and_end() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let place = Place::new(&to_port(receiver.address().port()));
    std::fs::write(place.log("a.log"), lines(0, 10)).unwrap();
    let running = started(&place);
    append(&place.log("a.log"), &lines(10, 50_000));
    // A file that nobody has seen yet.
    std::fs::write(place.log("b.log"), lines(0, 1000)).unwrap();
    let (code, out, told) = place.shipper(&["drain"]);
    let expected = "everything was read and acknowledged; shipper has ended\n";
    assert_eq!((code, out.as_str()), (0, expected), "{told}");
    let (code, log) = running.wait();
    assert_eq!(code, 0, "{log}");
    assert_eq!((receiver.counts().documents, receiver.counts().duplicates), (51_000, 0));
    let json = status(&place);
    assert_eq!((&json["running"], &json["backlog_bytes"]), (&"no".into(), &0.into()));
}

#[test]
fn drain_that_comes_to_its_deadline_says_so_and_shipper_ends_all_the_same() {
    let port = crate::http_port();
    let place = Place::new(&to_port(port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = place.start(&[]);
    wait_until("it fails", || place.shipper(&["status"]).0 == 1);
    let begun = Instant::now();
    let (code, out, told) = place.shipper(&["drain", "--deadline", "2500ms"]);
    assert!(Duration::from_millis(2500) <= begun.elapsed());
    assert_eq!((code, out.as_str()), (4, ""));
    let told: Vec<&str> = told.lines().collect();
    let begins =
        format!("4 bytes to go, 1 events in flight; the output http://127.0.0.1:{port} fails");
    assert!(told[0].starts_with(&begins) && told[1].starts_with(&begins), "{told:?}");
    let expected = [
        "error: not everything was acknowledged: the deadline has come before",
        "hint: the next run goes on where this one was acknowledged",
    ];
    assert_eq!(told[2..], expected);
    assert_eq!(running.wait().0, 0);
    // What was not acknowledged is delivered by the next one.
    let receiver = Receiver::start(Options::new(port, Mode::Look)).unwrap();
    let (code, out, _) = place.shipper(&["drain", "-e"]);
    assert_eq!((code, out.as_str()), (0, "everything was read and acknowledged\n"));
    assert_eq!(receiver.counts().documents, 1);
}

#[test]
fn without_a_running_shipper_drain_does_it_itself() {
    let port = crate::http_port();
    let place = Place::new(&to_port(port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    assert_eq!(place.run(&["--once", "--deadline", "100ms"]).0, 4);
    let (code, out, told) = place.shipper(&["drain", "--deadline", "1500ms"]);
    assert_eq!((code, out.as_str()), (4, ""), "{told}");
    let first = "no shipper runs on this data path: everything is read and delivered from here\n";
    assert!(
        told.starts_with(first) && told.contains("\n4 bytes to go, 1 events in flight"),
        "{told}"
    );
}

#[test]
fn drain_of_a_data_path_without_a_registry_sends_nothing() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let place = Place::new(&to_port(receiver.address().port()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (code, out, told) = place.shipper(&["drain"]);
    assert_eq!((code, out.as_str()), (1, ""), "{told}");
    let hint = "hint: `shipper --once` ships all that is there, from its start";
    assert!(told.starts_with("error: there is no registry `") && told.contains(hint), "{told}");
    assert_eq!(receiver.counts().documents, 0);
    assert!(!place.path().join("data").exists());
}

#[test]
fn drain_that_a_signal_ends_was_not_acknowledged() {
    let place = Place::new(&to_port(crate::http_port()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = place.start(&[]);
    wait_until("it fails", || place.shipper(&["status"]).0 == 1);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| place.shipper(&["drain"]));
        wait_until("it drains", || running.told().contains("asked to read everything"));
        assert_eq!(running.stop().0, 0);
        let (code, _, told) = asked.join().unwrap();
        assert_eq!(code, 4, "{told}");
        assert!(told.contains("a signal has stopped it before"), "{told}");
    });
}

#[test]
fn run_until_all_is_acknowledged_that_a_signal_ends_was_not() {
    let place = Place::new(&to_port(crate::http_port()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = place.start(&["--once"]);
    wait_until("it fails", || place.shipper(&["status"]).0 == 1);
    let (code, told) = running.stop();
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("a signal has come before all was read and acknowledged"), "{told}");
}

/// Its first byte cannot be read, by nobody.
const UNREADABLE: &str = "/proc/self/mem";

#[test]
fn what_matches_and_cannot_be_read_is_a_fault_and_no_drain_calls_it_acknowledged() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let config = to_port(receiver.address().port());
    let place = Place::new(&config.replace("*.log\"]", &format!("*.log\", \"{UNREADABLE}\"]")));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("cannot read `/proc/self/mem`"), "{told}");
    assert!(told.contains("not all that matches could be read"), "{told}");
    assert_eq!(receiver.counts().documents, 1);
    let running = started(&place);
    let fault = "1 matching files or directories cannot be read: see the log";
    wait_until("it is a fault", || status(&place)["faults"][0] == fault);
    assert_eq!(place.shipper(&["status", "--check"]).0, 1);
    let (code, out, told) = place.shipper(&["drain"]);
    assert_eq!((code, out.as_str()), (4, ""), "{told}");
    assert!(told.contains("files or directories that match cannot be read"), "{told}");
    assert_eq!(running.wait().0, 0);
    place.configure(&config);
    assert_eq!(place.run(&["--once"]).0, 0);
}

#[test]
fn last_line_without_an_end_is_told_of_by_a_drain() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let place = Place::new(&to_port(receiver.address().port()));
    std::fs::write(place.log("a.log"), "one\ntwo").unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let line = told.lines().find(|line| line.contains("the last line has no end and is not sent"));
    let line = line.unwrap_or_else(|| panic!("{told}"));
    assert!(line.contains("/a.log ") && line.contains("bytes=3"), "{line}");
    assert_eq!(receiver.counts().documents, 1);
    append(&place.log("a.log"), "\n");
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert!(!told.contains("has no end"), "{told}");
    assert_eq!(receiver.counts().documents, 2);
}

#[test]
fn truncation_while_nothing_ran_is_told_by_a_run_that_ends_at_once() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let place = Place::new(&to_port(receiver.address().port()));
    std::fs::write(place.log("a.log"), lines(0, 10)).unwrap();
    assert_eq!(place.run(&["--once"]).0, 0);
    std::fs::write(place.log("a.log"), "new\n").unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let line = told.lines().find(|line| line.contains("file was truncated while nothing read it"));
    let line = line.unwrap_or_else(|| panic!("{told}"));
    assert!(
        line.contains("WARN") && line.contains("/a.log ") && line.contains("let `paths` lead"),
        "{line}"
    );
    assert_eq!(told.matches("file was truncated").count(), 1, "{told}");
    assert_eq!(receiver.counts().documents, 11);
}

#[test]
fn lines_of_a_file_that_is_gone_are_waited_for_as_well() {
    let place = Place::new(&to_port(crate::http_port()));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = place.start(&[]);
    wait_until("it is read", || {
        place.shipper(&["status"]).0 == 1 && status(&place)["events_in_flight"] == 1
    });
    std::fs::remove_file(place.log("a.log")).unwrap();
    wait_until("it is gone", || running.told().contains("file was removed"));
    let (code, _, told) = place.shipper(&["drain", "--deadline", "1500ms"]);
    assert_eq!(code, 4, "{told}");
    assert_eq!(running.wait().0, 0);
}
