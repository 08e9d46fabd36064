//! `registry audit`.

use crate::rig::{append, epoch, journal, shipped, to_port, with_fixture, with_two_logs};
use crate::shipper::{Place, wait_until};
use serde_json::{Value, json};
use shipper::demo::receiver::{Mode, Options, Receiver};
use std::fmt::Write;

/// The audit as programs read it: its exit code and what it says.
fn audit(place: &Place) -> (i32, Value) {
    let (code, out, told) = place.shipper(&["registry", "audit", "--json"]);
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}")))
}

/// Columns with bytes in them.
fn columns(row: &Value) -> Value {
    let full = |(name, value): (&String, &Value)| {
        (value.is_u64() && *value != 0).then(|| (name.clone(), value.clone()))
    };
    Value::Object(row.as_object().unwrap().iter().filter_map(full).collect())
}

#[test]
fn every_byte_is_in_a_column() {
    let place = with_two_logs();
    append(&place.log("a.log"), "\n\r\nthree\n");
    assert_eq!(shipped(&place), ["three"]);
    let (epoch_a, epoch_b) =
        (epoch(&place, &place.log("a.log")), epoch(&place, &place.log("b.log")));
    let (a, b) =
        (place.log("a.log").display().to_string(), place.log("b.log").display().to_string());
    let width = a.len();
    let expected = format!(
        "{:<width$}  EPOCH             READ  STORED  BEFORE  FILTERED  SKIPPED  DEAD  LOST  UNKNOWN  IN FLIGHT  MISSING\n\
         {a}  {epoch_a}    17      14       0         3        0     0     0        0          0        0\n\
         {b}  {epoch_b}     6       6       0         0        0     0     0        0          0        0\n\
         {:<width$}                      23      20       0         3        0     0     0        0          0        0\n",
        "FILE", "sum"
    );
    assert_eq!(place.shipper(&["registry", "audit"]), (0, expected, String::new()));
    let (code, json) = audit(&place);
    assert_eq!((code, &json["running"]), (0, &json!(false)));
    let first = json!({
        "file": a, "epoch": epoch_a, "read": 17, "stored": 14, "already_stored": 0, "filtered": 3,
        "skipped": 0, "dead_lettered": 0, "lost": 0, "unknown": 0, "in_flight": 0, "missing": 0,
        "missing_ranges": [],
    });
    assert_eq!(json["epochs"][0], first);
    assert_eq!(columns(&json["sum"]), json!({"read": 23, "stored": 20, "filtered": 3}));
}

#[test]
fn what_was_settled_before_accounts_were_kept_is_unknown_and_goes_on() {
    let place = with_fixture();
    let (code, json) = audit(&place);
    assert_eq!((code, columns(&json["sum"])), (0, json!({"read": 8292, "unknown": 8292})));
}

#[test]
fn lines_that_were_stored_before_and_the_rest_of_long_ones_have_their_columns() {
    let receiver = Receiver::start(Options::new(0, Mode::Look)).unwrap();
    let config = to_port(receiver.address().port());
    let config = config.replace("format: raw\n", "format: raw\n    max_bytes: 16\n");
    let place = Place::new(&config);
    let log = place.log("a.log");
    std::fs::write(&log, "one\ntwo\n").unwrap();
    assert_eq!(place.run(&["--once", "--from", "now"]).0, 0);
    append(&log, "three\n");
    assert_eq!(place.run(&["--once"]).0, 0);
    assert_eq!(columns(&audit(&place).1["sum"]), json!({"read": 14, "skipped": 8, "stored": 6}));
    assert_eq!(place.shipper(&["registry", "set", "logs/a.log", "--offset", "8"]).0, 0);
    append(&log, &format!("\n{}\n", "x".repeat(100)));
    assert_eq!(place.run(&["--once"]).0, 0);
    let expected = json!({
        "read": 116, "stored": 17, "already_stored": 6, "filtered": 1, "skipped": 92,
    });
    assert_eq!(columns(&audit(&place).1["sum"]), expected);
    // Skipped by hand.
    append(&log, "four\n");
    assert_eq!(place.shipper(&["registry", "set", "logs/a.log", "--end"]).0, 0);
    let (code, json) = audit(&place);
    assert_eq!((code, &json["sum"]["skipped"], &json["sum"]["read"]), (0, &json!(97), &json!(121)));
}

#[test]
fn running_shipper_says_what_is_on_its_way() {
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let place = Place::new(&to_port(port));
    std::fs::write(place.log("a.log"), "one\ntwo\n").unwrap();
    let running = place.start(&["-E", "logging.metrics.period=1s"]);
    wait_until("it is on its way", || {
        let (code, out, _) = place.shipper(&["registry", "audit", "--json"]);
        code == 0 && out.contains("\"in_flight\":8")
    });
    let (_, json) = audit(&place);
    assert_eq!(json["running"], true);
    assert_eq!(columns(&json["epochs"][0]), json!({"read": 8, "in_flight": 8}));
    let receiver = Receiver::start(Options::new(port, Mode::Look)).unwrap();
    wait_until("it is stored", || {
        columns(&audit(&place).1["sum"]) == json!({"read": 8, "stored": 8})
    });
    wait_until("the metrics say so", || running.told().contains("\"in_flight_bytes\":0,"));
    let (code, log) = running.stop();
    assert_eq!((code, receiver.counts().documents), (0, 2));
    assert!(log.contains("\"in_flight_bytes\":8,"), "{log}");
    let total = log.lines().find(|line| line.contains("Total metrics")).unwrap();
    let total = &total[total.find("\"audit\":").unwrap() + 8..];
    let total: Value =
        serde_json::Deserializer::from_str(total).into_iter().next().unwrap().unwrap();
    assert_eq!((&total["read_bytes"], &total["stored_bytes"]), (&json!(8), &json!(8)));
}

#[test]
fn account_that_differs_from_what_is_settled_is_told() {
    let place = with_two_logs();
    let text = std::fs::read_to_string(journal(&place)).unwrap();
    let rewritten = text.lines().fold(String::new(), |mut rewritten, line| {
        let record = line[9..].replace("\"account\":[8]", "\"account\":[7]");
        let _ = writeln!(rewritten, "{:08x} {record}", crc32fast::hash(record.as_bytes()));
        rewritten
    });
    assert_ne!(text, rewritten);
    std::fs::write(journal(&place), rewritten).unwrap();
    let (code, out, _) = place.shipper(&["registry", "audit"]);
    let expected = format!(
        "(epoch {}): its account and what is settled differ by 1 bytes",
        epoch(&place, &place.log("a.log"))
    );
    assert!(code == 1 && out.contains(&expected), "{out}");
}

#[test]
fn bytes_of_forgotten_files_are_told_for_ever() {
    let place = with_two_logs();
    let sum_before = audit(&place).1["sum"].clone();
    let (epoch_a, mut text) =
        (epoch(&place, &place.log("a.log")), std::fs::read_to_string(journal(&place)).unwrap());
    let mut push = |record: String| {
        let _ = writeln!(text, "{:08x} {record}", crc32fast::hash(record.as_bytes()));
    };
    push(format!(
        r#"{{"at":{{"epoch":"{epoch_a}","committed":8,"proof":[0,0],"account":[3,0,0,0,0,5]}}}}"#
    ));
    push(format!(r#"{{"gone":"{epoch_a}"}}"#));
    std::fs::write(journal(&place), text).unwrap();
    let check = || {
        let (code, json) = audit(&place);
        assert_eq!((code, json["epochs"].as_array().unwrap().len()), (0, 1));
        assert_eq!(columns(&json["forgotten"]), json!({"read": 8, "stored": 3, "lost": 5}));
        assert_eq!(json["sum"]["read"], sum_before["read"]);
        assert_eq!(json["sum"]["lost"], 5);
        let (_, out, _) = place.shipper(&["registry", "audit"]);
        let line = out.lines().find(|line| line.starts_with("forgotten files ")).unwrap();
        let numbers: Vec<&str> = line.split_whitespace().skip(2).collect();
        assert_eq!(numbers, ["8", "3", "0", "0", "0", "0", "5", "0", "0", "0"], "{out}");
    };
    check();
    std::fs::remove_file(place.log("a.log")).unwrap();
    let running = place.start(&["-E", "logging.metrics.period=1s"]);
    wait_until("the metrics say so", || running.told().contains("\"lost_ever_bytes\":5,"));
    let (_, out, _) = place.shipper(&["status"]);
    let expected = "lost         5 bytes since the registry began: see the log\n";
    assert!(out.contains(expected), "{out}");
    assert_eq!(running.stop().0, 0);
    check();
}

#[test]
fn audit_without_a_registry_is_not_known() {
    let place = Place::new(crate::rig::CONSOLE);
    let (code, out, told) = place.shipper(&["registry", "audit"]);
    assert!(code == 2 && out.is_empty() && told.contains("there is no registry"), "{told}");
}
