//! The demo as a person starts it: the real binary, no server, with and without a terminal.

#![allow(clippy::disallowed_methods, reason = "a test has real files")]

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// After which time a demo that does not end is taken for one that never does.
const NEVER: Duration = Duration::from_mins(1);

/// The demo with a place of its own for its files.
fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipper"));
    command.arg("demo").args(arguments).env("TMPDIR", temporary);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the demo on a terminal, of which it returns the other end; what it says of errors can be read from a pipe.
fn demo_on_terminal(temporary: &Path, arguments: &[&str]) -> (Child, File) {
    demo_with(temporary, arguments, |_| Stdio::piped())
}

/// The same with another place for what it says of errors, given the terminal.
fn demo_with(
    temporary: &Path,
    arguments: &[&str],
    errors: impl FnOnce(&OwnedFd) -> Stdio,
) -> (Child, File) {
    let other_end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let other_end = other_end.expect("a terminal");
    grantpt(&other_end).expect("it is ours");
    unlockpt(&other_end).expect("it is ours");
    let name = ptsname(&other_end, Vec::new()).expect("its name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = open(&name, flags, Mode::empty()).expect("the terminal");
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).expect("it is ours");
    let mut command = demo(temporary, arguments);
    command.stderr(errors(&terminal));
    command.stdin(terminal.try_clone().expect("a descriptor")).stdout(terminal);
    (command.spawn().expect("it starts"), File::from(other_end))
}

/// Waits until what a thread of its own does has come to its end, which it does when the demo ends.
fn within_reason(child: &mut Child, wait: impl FnOnce() + Send + 'static) -> ExitStatus {
    let (ended, waiting) = mpsc::channel();
    thread::spawn(move || {
        wait();
        let _ = ended.send(());
    });
    if waiting.recv_timeout(NEVER).is_err() {
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        panic!("it did not end");
    }
    child.wait().expect("it ends")
}

/// Reads what is shown until `wanted` is, or all of it.
fn read_until(terminal: &mut File, wanted: &str) -> String {
    let mut shown = Vec::new();
    let mut part = [0; 4096];
    // A terminal that nobody has open any more is told as an error.
    while let Ok(count @ 1..) = terminal.read(&mut part) {
        shown.extend_from_slice(&part[..count]);
        if text(&shown).contains(wanted) {
            break;
        }
    }
    text(&shown)
}

/// Reads the figures of the summary.
fn figures(stdout: &str) -> BTreeMap<&str, u64> {
    let names = ["lines written", "delivered", "lost", "duplicates", "retries", "rotations"];
    let figure = |name: &'static str| {
        let line = stdout.lines().find(|line| line.starts_with(&format!("{name} ")))?;
        line[name.len()..].trim().replace(',', "").parse().ok().map(|figure| (name, figure))
    };
    names.into_iter().filter_map(figure).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).expect("it is there").next().is_none()
}

#[test]
fn a_demo_over_a_rotation_delivers_each_line_once_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = demo(temporary.path(), &["--for", "9s", "--rate", "2000"]).output();
    let Output { status, stdout, stderr } = output.expect("it starts");
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    let figures = figures(&stdout);
    let written = figures.get("lines written").copied().unwrap_or(0);
    // 9 s of the first half of a wave of 2,000 lines/s; a busy machine may write fewer.
    assert!((2_000..40_000).contains(&written), "{stdout}{stderr}");
    let expected = [
        ("lines written", written),
        ("delivered", written),
        ("lost", 0),
        ("duplicates", 0),
        ("retries", 0),
        ("rotations", 1),
    ];
    assert_eq!(figures, BTreeMap::from(expected), "{stdout}{stderr}");
    assert_eq!(status.code(), Some(0), "{stdout}{stderr}");
    assert_eq!(stderr, "");
    let seconds = stdout.lines().filter(|line| line.contains(" requests/min, ")).count();
    assert!((8..=10).contains(&seconds), "a line each second: {stdout}");
    let told = stdout.lines().filter(|line| line.contains(", the log was rotated: ")).count();
    assert!((1..=3).contains(&told), "the rotation is told while it is new: {stdout}");
    assert!(!stdout.contains('\u{1b}'), "no escapes where there is no terminal: {stdout}");
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_signal_ends_the_demo_with_its_summary() {
    for signal in [Signal::INT, Signal::TERM] {
        let temporary = tempfile::tempdir().expect("a directory");
        let mut child = demo(temporary.path(), &[]).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("a first line");
        assert!(first.starts_with("1 s: "), "{first}");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("an id");
        kill_process(pid, signal).expect("it runs");
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{rest}");
        let figures = figures(&rest);
        assert!(0 < figures["delivered"], "{rest}");
        assert_eq!((figures["lost"], figures["duplicates"]), (0, 0), "{rest}");
        assert!(is_empty(temporary.path()));
    }
}

#[test]
fn a_terminal_that_goes_away_ends_the_demo() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (mut child, mut terminal) = demo_on_terminal(temporary.path(), &["--for", "1h"]);
    let mut stderr = child.stderr.take().expect("it is piped");
    within_reason(&mut child, move || {
        read_until(&mut terminal, "Ctrl-C");
        drop(terminal);
        let _ = stderr.read_to_end(&mut Vec::new());
    });
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_terminal_that_goes_away_leaves_nothing_behind_where_errors_go_there_as_well() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (mut child, mut terminal) = demo_with(temporary.path(), &["--for", "1h"], |terminal| {
        Stdio::from(terminal.try_clone().expect("a descriptor"))
    });
    read_until(&mut terminal, "Ctrl-C");
    drop(terminal);
    let deadline = Instant::now() + NEVER;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        if deadline <= Instant::now() {
            child.kill().expect("it runs");
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert!(status.code().is_some(), "it ends by itself: {status}");
    assert!(is_empty(temporary.path()));
}

#[test]
fn half_a_key_does_not_hold_up_the_end() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (mut child, mut terminal) = demo_on_terminal(temporary.path(), &["--for", "2s"]);
    let (told, summary) = mpsc::channel();
    let status = within_reason(&mut child, move || {
        read_until(&mut terminal, "Ctrl-C");
        let _ = terminal.write_all(b"\x1b[");
        let _ = told.send(read_until(&mut terminal, "rotations"));
    });
    let summary = summary.recv().expect("it ended");
    assert_eq!(status.code(), Some(0), "{summary}");
    assert!(summary.contains("lost                      0"), "{summary}");
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_taken_port_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let temporary = tempfile::tempdir().expect("a directory");
    let output = demo(temporary.path(), &["--for", "1s", "--port", &port]).output();
    let Output { status, stdout, stderr } = output.expect("it starts");
    assert_eq!((status.code(), text(&stdout)), (Some(1), String::new()));
    assert_eq!(
        text(&stderr),
        format!(
            "error: cannot start the demo's receiver: cannot listen on `127.0.0.1:{port}`: \
             Address already in use (os error 98)\n\
             hint: another program has this port: choose another one with --port, or leave --port \
             out to get any that is free\n"
        )
    );
    assert!(is_empty(temporary.path()));
}

#[test]
fn a_place_that_cannot_be_written_is_told_with_what_to_do() {
    let temporary = tempfile::tempdir().expect("a directory");
    let missing = temporary.path().join("missing");
    let output = demo(&missing, &["--for", "1s"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(
        lines[0].starts_with(
            "error: cannot make a directory for the demo: No such file or directory (os error 2)"
        ),
        "{stderr}"
    );
    assert_eq!(lines[1], "hint: set TMPDIR to a directory that can be written and has room");
}
