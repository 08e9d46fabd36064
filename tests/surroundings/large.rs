//! Lines without an end: little memory, and no byte looked at again and again.

use crate::shipper::{Place, Running, wait_until};
use ::shipper::demo::receiver::{Mode, Options, Receiver};
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// Length of the line. What lies behind the most that is sent of it is a hole: it takes no room, and is read as any bytes.
const LINE_BYTES: u64 = 256 << 20;

/// Most memory that the process may have had at once.
const PEAK_BYTES: u64 = 60 << 20;

/// Reads a figure of a running process.
fn figure(shipper: &Running, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/{file}", shipper.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn long_line(path: &Path) {
    let mut log = File::create(path).unwrap();
    log.write_all(&vec![b'x'; 12 << 20]).unwrap();
    log.set_len(LINE_BYTES).unwrap();
    log.seek(SeekFrom::End(0)).unwrap();
    log.write_all(b"\nnext\nlast\n").unwrap();
}

/// One event of many lines.
fn many_lines(path: &Path) {
    let mut log = File::create(path).unwrap();
    let line = [b" ".as_slice(), &[b'x'; 4094], b"\n"].concat();
    let lines = line.repeat(256);
    log.write_all(b"first\n").unwrap();
    for _ in 0..64 {
        log.write_all(&lines).unwrap();
    }
    log.write_all(b"next\nlast\n").unwrap();
}

fn check(input: &str, write: fn(&Path)) {
    let mut options = Options::new(0, Mode::Count);
    options.inflate = None;
    let receiver = Receiver::start(options).unwrap();
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - type: filestream\n    id: large\n    paths: ['{{logs}}/app.log']\n    {input}\n\
         output.elasticsearch: {{hosts: ['http://{}'], compression_level: 0}}\n",
        receiver.address()
    ));
    let path = place.log("app.log");
    write(&path);
    let length = std::fs::metadata(&path).unwrap().len();
    let shipper = place.start(&[]);
    wait_until("all three events have come", || receiver.counts().documents == 3);
    let peak = figure(&shipper, "status", "VmHWM:") << 10;
    let read = figure(&shipper, "io", "rchar:");
    println!("{input}: peak {} MiB, read {} of {} MiB", peak >> 20, read >> 20, length >> 20);
    assert!(peak < PEAK_BYTES, "{input}: {peak} bytes");
    // Once to find its end, once more to send and to prove it.
    assert!(read < 2 * length + (24 << 20), "{input}: {read} bytes were read");
    let (code, told) = shipper.stop();
    assert_eq!(code, 0, "{told}");
}

#[test]
fn a_line_of_many_mebibytes_takes_little_memory_and_is_read_twice_at_most() {
    for input in [
        "format: raw",
        "format: auto",
        "parsers: [{ndjson: {target: ''}}]",
        "parsers: [{multiline: {pattern: '^ ', timeout: 100ms}}]",
        "parsers: [{container: {}}]",
        "encoding: latin1",
    ] {
        check(input, long_line);
    }
}

#[test]
fn an_event_of_many_mebibytes_takes_little_memory_and_is_read_twice_at_most() {
    check("parsers: [{multiline: {pattern: '^ ', timeout: 100ms, max_lines: 0}}]", many_lines);
}
