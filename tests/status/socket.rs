//! The socket: whose it is, and what clients can and cannot do.

use crate::rig::{CONSOLE, with_two_logs};
use crate::shipper::{Place, wait_until};
use crate::telling::{started, status};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

fn socket(place: &Place) -> PathBuf {
    place.path().join("data/shipper.sock")
}

/// Sends bytes and returns the whole answer.
fn exchange(place: &Place, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(place)).unwrap();
    // A client that is cut off while it writes sees an error, not an answer.
    let _ = stream.write_all(bytes);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn socket_is_its_users_alone_and_goes_with_the_process() {
    let place = with_two_logs();
    let running = started(&place);
    let file = std::fs::metadata(socket(&place)).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.mode() & 0o777, 0o600);
    assert_eq!(running.stop().0, 0);
    assert!(!socket(&place).exists());
}

#[test]
fn socket_left_by_a_crash_is_nobody_and_is_replaced() {
    let place = with_two_logs();
    started(&place).kill();
    assert!(socket(&place).exists());
    let told = place.shipper(&["status", "--check"]);
    assert_eq!(told, (2, "CRITICAL: shipper does not run\n".to_owned(), String::new()));
    let running = started(&place);
    assert_eq!(status(&place)["pid"], running.pid());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn garbage_gets_an_answer_and_harms_nobody() {
    let place = with_two_logs();
    let running = started(&place);
    for garbage in [&b"\n"[..], b"{\"ask\":\"riddle\"}\n", b"\0\xff\n", &[b'x'; 1024]] {
        assert_eq!(exchange(&place, garbage), "\"not_understood\"\n");
    }
    let long = vec![b'x'; 4 << 20];
    exchange(&place, &long);
    assert_eq!(place.shipper(&["status"]).0, 0);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn clients_that_hang_hold_up_nobody_for_long() {
    let place = with_two_logs();
    let running = started(&place);
    let hanging: Vec<UnixStream> =
        (0..2).map(|_| UnixStream::connect(socket(&place)).unwrap()).collect();
    let mut half = UnixStream::connect(socket(&place)).unwrap();
    half.write_all(b"{\"ask\":").unwrap();
    let begun = Instant::now();
    assert_eq!(place.shipper(&["status"]).0, 0);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "", "it was cut off");
    drop(hanging);
    assert_eq!(running.stop().0, 0);
}

#[test]
fn shipper_that_does_not_answer_is_not_known() {
    let place = with_two_logs();
    let listener = UnixListener::bind(socket(&place)).unwrap();
    let closing = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        assert_eq!(client.read(&mut [0; 100]).unwrap(), 17);
    });
    let (code, out, _) = place.shipper(&["status", "--check"]);
    let expected = "CRITICAL: no answer at `data/shipper.sock`: it has closed the connection\n";
    assert_eq!((code, out.as_str()), (2, expected));
    closing.join().unwrap();
}

#[test]
fn data_path_too_long_for_a_socket_is_told_and_shipper_runs_all_the_same() {
    let place = Place::new(CONSOLE);
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let data = "d".repeat(120);
    let asked = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
        command.current_dir(place.path()).args(arguments);
        let output = command.args(["-c", "shipper.yml", "--path.data", &data]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let running = place.start_in(&data, &[]);
    wait_until("it runs", || running.told().contains("no socket `"));
    let (code, told) = asked(&["status"]);
    let expected = format!(
        "error: a shipper runs (pid {}) without its socket `{data}/shipper.sock`",
        running.pid()
    );
    assert_eq!((code, told.lines().next()), (2, Some(&*expected)));
    let (code, told) = asked(&["drain"]);
    assert_eq!((code, told.lines().next()), (1, Some(&*expected)));
    let (code, log) = running.stop();
    assert_eq!((code, log.matches("too long for a socket").count()), (0, 1), "{log}");
    let (code, told) = asked(&["status"]);
    assert_eq!((code, told.as_str()), (2, "error: shipper does not run\n"));
}
