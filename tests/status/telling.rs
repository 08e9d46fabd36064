//! What `status` says.

use crate::rig::{CONSOLE, append, to_port, with_two_logs};
use crate::shipper::{Place, Running, wait_until};
use serde_json::{Value, json};
use shipper::demo::receiver::{Mode, Options, Receiver};

/// Starts shipper and waits until it can be asked.
pub fn started(place: &Place) -> Running {
    let running = place.start(&[]);
    wait_until("it answers", || place.shipper(&["status"]).0 != 2);
    running
}

pub fn status(place: &Place) -> Value {
    let (_, out, told) = place.shipper(&["status", "--json"]);
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"))
}

#[test]
fn running_shipper_says_how_it_fares() {
    let place = with_two_logs();
    let running = started(&place);
    wait_until("both files are followed", || status(&place)["files_followed"] == 2);
    let (code, out, told) = place.shipper(&["status"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, told.as_str(), lines.len()), (0, "", 8), "{out}");
    let version = env!("CARGO_PKG_VERSION");
    let begins = format!("shipper      {version}, pid {}, up for ", running.pid());
    assert!(lines[0].starts_with(&begins), "{out}");
    let expected = [
        "output       console: connected",
        // The half line at the end of `b.log`.
        "backlog      2 bytes, 0 events in flight",
        "events       0.0 delivered a second over the last 30 s",
    ];
    assert_eq!(lines[1..4], expected);
    assert!(lines[4].starts_with("files        2 followed, "), "{out}");
    let expected = ["registry     2 entries", "dead letters 0", "last error   none"];
    assert_eq!(lines[5..], expected);
    let (code, out, told) = place.shipper(&["status", "--check"]);
    let expected = "OK: backlog 2 bytes, 0.0 events delivered a second\n";
    assert_eq!((code, out.as_str(), told.as_str()), (0, expected, ""));
    let mut json = status(&place);
    json["uptime_ms"].take();
    json["files_open"].take();
    let expected = json!({
        "version": version, "pid": running.pid(), "uptime_ms": null,
        "output": {"kind": "console", "state": "connected", "faults": []},
        "events_in_flight": 0, "events_per_second": 0.0, "files_open": null, "files_followed": 2,
        "registry": {"entries": 2, "degraded": false, "missing_bytes": 0, "lost_bytes": 0, "waiting": 0}, "dead_letters": 0, "last_error": null,
        "running": "yes", "fine": true, "faults": [], "backlog_bytes": 2,
        "dead_letter_bytes": 0,
    });
    assert_eq!(json, expected);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn without_a_running_shipper_the_registry_is_read() {
    let place = with_two_logs();
    append(&place.log("a.log"), "more\n");
    let hint = "error: shipper does not run\n";
    let out = "backlog      7 bytes\nregistry     2 entries\n";
    assert_eq!(place.shipper(&["status"]), (2, out.to_owned(), hint.to_owned()));
    let (code, out, _) = place.shipper(&["status", "--check", "--max-lag", "6"]);
    let expected =
        "CRITICAL: shipper does not run; the backlog of 7 bytes is larger than --max-lag 6\n";
    assert_eq!((code, out.as_str()), (2, expected));
    let expected = json!({
        "running": "no", "fine": false, "faults": ["shipper does not run"], "backlog_bytes": 7, "dead_letter_bytes": 0,
        "registry": {"entries": 2},
    });
    assert_eq!(status(&place), expected);
    let nothing = Place::new(CONSOLE);
    assert_eq!(nothing.shipper(&["status"]), (2, String::new(), hint.to_owned()));
    assert!(!nothing.path().join("data").exists(), "asking makes nothing");
}

#[test]
fn bad_configuration_is_not_known() {
    let place = Place::new("inputs: 5\n");
    let (code, out, told) = place.shipper(&["status", "--check"]);
    assert!(code == 2 && out.starts_with("CRITICAL: ") && told.is_empty(), "{out}{told}");
    assert_eq!(status(&place)["running"], "not_known");
}

#[test]
fn backlog_beyond_its_limit_is_a_warning() {
    let place = with_two_logs();
    let running = started(&place);
    let fine = "OK: backlog 2 bytes, 0.0 events delivered a second\n".to_owned();
    let check = ["status", "--check", "--max-lag"];
    assert_eq!(place.shipper(&[&check[..], &["2"]].concat()), (0, fine, String::new()));
    let late = "WARNING: the backlog of 2 bytes is larger than --max-lag 1\n".to_owned();
    assert_eq!(place.shipper(&[&check[..], &["1B"]].concat()), (1, late, String::new()));
    let (code, out, _) = place.shipper(&["status", "--max-lag", "1"]);
    let expected = "warning: the backlog of 2 bytes is larger than --max-lag 1";
    assert_eq!((code, out.lines().last()), (1, Some(expected)));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn output_that_fails_is_a_warning_until_it_takes_something() {
    let port = crate::http_port();
    let place = Place::new(&to_port(port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = place.start(&[]);
    let mut out = String::new();
    wait_until("it fails", || {
        let (code, text, _) = place.shipper(&["status", "--check"]);
        out = text;
        code == 1
    });
    let begins = format!("WARNING: the output http://127.0.0.1:{port} fails for ");
    assert!(out.starts_with(&begins) && out.contains("onnect"), "{out}");
    let json = status(&place);
    assert_eq!(json["output"]["state"], "failing");
    assert_eq!(json["events_in_flight"], 1);
    let receiver = Receiver::start(Options::new(port, Mode::Look)).unwrap();
    wait_until("it is fine", || place.shipper(&["status", "--check"]).0 == 0);
    assert_eq!(receiver.counts().documents, 1);
    let json = status(&place);
    assert_eq!(
        json["output"],
        json!({"kind": "elasticsearch", "state": "connected", "faults": []})
    );
    assert_eq!(json["events_in_flight"], 0);
    assert!(json["last_error"]["message"].as_str().unwrap().contains("127.0.0.1"), "{json}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn damaged_registry_is_a_warning() {
    let place = with_two_logs();
    let journal = crate::rig::journal(&place);
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("a.log", "A.log", 1)).unwrap();
    let running = started(&place);
    let (code, out, _) = place.shipper(&["status", "--check"]);
    let expected = "WARNING: the registry is degraded: see the log, and `shipper registry check`\n";
    assert_eq!((code, out.as_str()), (1, expected));
    assert_eq!(running.stop().0, 0);
}
