//! Standard input: read to its end, and then the run ends.

use crate::rig::Rig;
use crate::shipper::wait_until;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

fn start(rig: &Rig, stdin: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_shipper"))
        .current_dir(rig.place.path())
        .args(["run", "-c", "shipper.yml", "-e", "--path.data", "data"])
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn run(rig: &Rig, stdin: Stdio, feed: &str) -> (i32, String) {
    let mut child = start(rig, stdin);
    if let Some(mut stdin) = child.stdin.take() {
        for piece in feed.as_bytes().chunks(4099) {
            stdin.write_all(piece).unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

const ACCESS: &str =
    r#"192.0.2.1 - - [21/Nov/2026:03:20:13 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8""#;

#[test]
fn what_is_piped_in_is_acknowledged_before_the_run_ends() {
    let rig = Rig::at_rest("  - {type: stdin}");
    let lines: String = (0..20_000).map(|number| format!("line {number:05}\n")).collect();
    let (code, told) = run(&rig, Stdio::piped(), &format!("{lines}{ACCESS}"));
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("everything was read and acknowledged"), "{told}");
    let mut expected: Vec<&str> = lines.lines().collect();
    expected.insert(0, ACCESS);
    assert_eq!(rig.receiver.messages(), expected);
    let documents = rig.receiver.documents();
    let access = documents.iter().find(|document| document["message"] == ACCESS).unwrap();
    assert_eq!(access["url"]["path"], "/");
    assert_eq!(access["input"]["type"], "stdin");
    assert_eq!((access["log"].get("file"), access["log"].get("source")), (None, None));
}

#[test]
fn a_file_and_nothing_are_standard_inputs_too() {
    let rig = Rig::at_rest("  - {type: stdin, format: raw}");
    let file = rig.place.path().join("feed");
    std::fs::write(&file, "one\ntwo\nthree").unwrap();
    let (code, told) = run(&rig, Stdio::from(std::fs::File::open(&file).unwrap()), "");
    assert_eq!(code, 0, "{told}");
    assert_eq!(rig.receiver.messages(), ["one", "three", "two"]);
    let (code, told) = run(&rig, Stdio::null(), "");
    assert_eq!(code, 0, "{told}");
    assert_eq!(rig.receiver.count(), 3);
}

/// Starts a shipper that joins the lines of its standard input which begin with a blank.
fn joining(options: &str, more: &str) -> (Rig, Child, ChildStdin) {
    let rig = Rig::at_rest(&format!(
        "  - {{type: stdin, format: raw{more}, multiline: {{pattern: '^ ', {options}}}}}"
    ));
    let mut child = start(&rig, Stdio::piped());
    let stdin = child.stdin.take().unwrap();
    (rig, child, stdin)
}

fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    told
}

/// What an event says of how it was put together.
fn flags(rig: &Rig, message: &str) -> Value {
    let documents = rig.receiver.documents();
    let document = documents.iter().find(|document| document["message"] == message).unwrap();
    document["log"]["flags"].clone()
}

#[test]
fn lines_of_standard_input_are_joined() {
    let (rig, child, mut stdin) = joining("timeout: 1m", "");
    let event = |number: usize| format!("event {number:05}\n at {number}\n  at the end");
    let lines: String = (0..5000).map(|number| format!("{}\n", event(number))).collect();
    for piece in lines.trim_end().as_bytes().chunks(4099) {
        stdin.write_all(piece).unwrap();
    }
    drop(stdin);
    let told = end(child);
    assert!(told.contains("everything was read and acknowledged"), "{told}");
    let expected: Vec<String> = (0..5000).map(event).collect();
    assert!(rig.receiver.messages() == expected, "each event once, the last one too");
    assert_eq!(flags(&rig, &event(17)), json!(["multiline"]));
}

#[test]
fn a_pause_ends_what_is_joined_and_a_stop_sends_what_has_begun() {
    let (rig, child, mut stdin) = joining("timeout: 300ms", "");
    stdin.write_all(b"a\n b\n").unwrap();
    rig.receiver.wait_for(1);
    // Without another byte after it, and with half a line.
    stdin.write_all(b" c\nd\n e\n f").unwrap();
    rig.receiver.wait_for(3);
    assert_eq!(rig.receiver.messages(), [" c", "a\n b", "d\n e"]);
    drop(stdin);
    end(child);
    assert_eq!(rig.receiver.messages(), [" c", " f", "a\n b", "d\n e"]);

    let (rig, child, mut stdin) = joining("timeout: 0", "");
    stdin.write_all(b"a\nb\n c\n").unwrap();
    rig.receiver.wait_for(1);
    assert_eq!(rig.receiver.messages(), ["a"], "b waits for more, for ever");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    end(child);
    assert_eq!(rig.receiver.messages(), ["a", "b\n c"]);
    drop(stdin);
}

#[test]
fn joined_lines_wait_for_a_stopped_output_and_take_little_memory() {
    const EVENTS: usize = 60_000;
    let (rig, child, mut stdin) = joining("timeout: 1s", "");
    rig.receiver.set_blocked(true);
    let event = |number: usize| format!("{number:0>60}\n at {number:0>99}\n at {number:0>99}");
    let sender = std::thread::spawn(move || {
        for number in 0..EVENTS {
            writeln!(stdin, "{}", event(number)).unwrap();
        }
    });
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    };
    // Longer than the pause that ends an event: nobody is to blame for having waited.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    wait_until("time goes by", || until < std::time::Instant::now());
    assert!(!sender.is_finished(), "the sender waits");
    assert!(resident() < 60 << 20, "{} bytes are resident", resident());
    rig.receiver.set_blocked(false);
    sender.join().unwrap();
    end(child);
    let expected: Vec<String> = (0..EVENTS).map(event).collect();
    assert!(rig.receiver.messages() == expected, "each event once, and whole");
}

#[test]
fn an_event_without_an_end_is_cut_and_one_larger_than_a_batch_arrives_whole() {
    let (rig, child, mut stdin) = joining("timeout: 1m, max_lines: 0", ", message_max_bytes: 3MiB");
    let piece = " a line of forty bytes, of some million.\n".repeat(1 << 13);
    let large = format!("large\n{}", " \u{1}\"é\n".repeat(1 << 18));
    stdin.write_all(large.as_bytes()).unwrap();
    stdin.write_all(b"endless\n").unwrap();
    let mut grown = 0;
    for _ in 0..256 {
        stdin.write_all(piece.as_bytes()).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        grown = grown.max(line.split_whitespace().next().unwrap().parse::<u64>().unwrap());
    }
    stdin.write_all(b"next\n").unwrap();
    drop(stdin);
    end(child);
    assert!(grown < 60 << 10, "{grown} KiB are resident");
    let messages = rig.receiver.messages();
    assert_eq!(messages.len(), 3);
    assert!(messages[0].starts_with("endless\n a line") && messages[0].len() == 3 << 20);
    assert!(messages[1] == large.trim_end(), "{} bytes", messages[1].len());
    assert_eq!(flags(&rig, &messages[0]), json!(["truncated", "multiline"]));
    assert_eq!(flags(&rig, "next"), Value::Null);
}

#[test]
fn members_of_joined_lines_that_are_larger_than_a_batch_arrive_whole() {
    let rig = Rig::at_rest(
        "  - type: stdin\n    format: raw\n    parsers: [{multiline: {pattern: '^[^{]'}}, {ndjson: {}}]",
    );
    let text = "\u{1}é\"".repeat(1 << 18);
    let object = json!({ "text": text, "n": 1 }).to_string();
    let (first, rest) = object.split_at(1);
    let (code, told) = run(&rig, Stdio::piped(), &format!("{first}\n{rest}\n{{\n\"n\":2}}\n"));
    assert_eq!(code, 0, "{told}");
    let documents = rig.receiver.documents();
    assert_eq!(documents.iter().map(|document| &document["n"]).collect::<Vec<_>>(), [1, 2]);
    assert!(documents[0]["text"] == text);
    assert_eq!(documents[1]["log"]["flags"], json!(["multiline"]));
    assert_eq!(documents[1].get("message"), None);
}
