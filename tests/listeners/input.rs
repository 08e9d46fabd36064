//! Standard input: read to its end, and then the run ends.

use crate::rig::Rig;
use std::io::Write;
use std::process::{Command, Stdio};

fn run(rig: &Rig, stdin: Stdio, feed: &str) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_shipper"))
        .current_dir(rig.place.path())
        .args(["run", "-c", "shipper.yml", "-e", "--path.data", "data"])
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
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
