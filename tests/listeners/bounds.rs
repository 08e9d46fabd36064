//! What bounds a listener: memory, connections, time.

use crate::rig::Rig;
use crate::shipper::wait_until;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// A line of a hundred bytes, its end included.
fn line(number: usize) -> String {
    format!("{number:0>99}\n")
}

#[test]
fn a_stopped_output_stops_reading_and_nothing_is_lost_when_it_goes_on() {
    const LINES: usize = 400_000;
    let mut rig = Rig::start("  - {type: tcp, host: '127.0.0.1:0', format: raw}");
    rig.receiver.set_blocked(true);
    let address = rig.address();
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut sent = 0;
        for thousand in 0..LINES / 1000 {
            let lines: String = (thousand * 1000..(thousand + 1) * 1000).map(line).collect();
            stream.write_all(lines.as_bytes()).unwrap();
            sent += 1000;
        }
        sent
    });
    // The pool has four buffers; what is not read stays in the sockets.
    let read = || rig.figure("messages");
    wait_until("the pool is full", || 5000 < read());
    let before = read();
    let until = Instant::now() + Duration::from_secs(3);
    wait_until("time goes by", || until < Instant::now());
    assert!(read() < LINES as u64 / 4 && !sender.is_finished(), "{before} and then {}", read());
    assert!(rig.resident() < 60 << 20, "{} bytes are resident", rig.resident());
    rig.receiver.set_blocked(false);
    assert_eq!(sender.join().unwrap(), LINES);
    rig.receiver.wait_for(LINES);
    let expected: Vec<String> =
        (0..LINES).map(|number| line(number).trim_end().to_owned()).collect();
    assert!(rig.receiver.messages() == expected, "each line once");
    rig.stop();
}

#[test]
fn datagrams_that_the_kernel_dropped_are_counted_and_told() {
    let rig = Rig::start("  - {type: udp, host: '127.0.0.1:0', format: raw, read_buffer: 8KiB}");
    rig.receiver.set_blocked(true);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    wait_until("the kernel drops", || {
        for _ in 0..5000 {
            socket.send_to(line(sent).as_bytes(), rig.address()).unwrap();
            sent += 1;
        }
        0 < rig.figure("dropped")
    });
    wait_until("it is told", || rig.told().contains("the kernel has dropped datagrams"));
    rig.receiver.set_blocked(false);
    // The last look comes five seconds after the last datagram.
    wait_until("all are accounted for", || {
        rig.receiver.count() as u64 + rig.figure("dropped") == sent as u64
    });
}

#[test]
fn a_message_without_an_end_is_cut_and_its_rest_skipped() {
    let rig =
        Rig::start("  - {type: tcp, host: '127.0.0.1:0', format: raw, max_message_size: 100KiB}");
    let mut stream = TcpStream::connect(rig.address()).unwrap();
    stream.write_all(b"before\n").unwrap();
    rig.receiver.wait_for(1);
    let before = rig.resident();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        stream.write_all(&piece).unwrap();
    }
    stream.write_all(b"\nafter\n").unwrap();
    rig.receiver.wait_for(3);
    let documents = rig.receiver.documents();
    let cut: Vec<_> =
        documents.iter().filter(|document| document["log"].get("flags").is_some()).collect();
    assert_eq!(cut.len(), 1);
    assert_eq!(cut[0]["message"].as_str().unwrap().len(), 100 << 10);
    let grown = rig.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more are resident");
    wait_until("it is counted", || rig.figure("truncated") == 1);
    wait_until("so is the rest", || rig.figure("skipped_bytes") == (64 << 20) - (100 << 10) + 1);
}

#[test]
fn a_message_larger_than_a_batch_arrives_whole() {
    let rig = Rig::start("  - {type: tcp, host: '127.0.0.1:0', format: raw}");
    let mut stream = TcpStream::connect(rig.address()).unwrap();
    let text = "\u{1}é\"".repeat(3 << 18);
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(b"\nafter\n").unwrap();
    rig.receiver.wait_for(2);
    assert!(rig.receiver.messages() == [text, "after".to_owned()]);
}

#[test]
fn many_beginnings_of_messages_take_no_more_than_their_share() {
    let rig =
        Rig::start("  - {type: tcp, host: '127.0.0.1:0', format: raw, max_message_size: 1MiB}");
    let piece = vec![b'x'; 1000 << 10];
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(rig.address()).unwrap();
        stream.write_all(&piece).unwrap();
        streams.push(stream);
    }
    wait_until("some were cut", || 50 < rig.receiver.count());
    assert!(rig.resident() < 60 << 20, "{} bytes are resident", rig.resident());
    for stream in &mut streams {
        stream.write_all(b"\nafter\n").unwrap();
    }
    rig.receiver.wait_for(128);
    let messages = rig.receiver.messages();
    assert_eq!(messages.iter().filter(|message| *message == "after").count(), 64);
}

#[test]
fn a_connection_that_completes_no_message_is_ended_and_makes_room_for_another() {
    let rig = Rig::start(
        "  - {type: tcp, host: '127.0.0.1:0', format: raw, max_connections: 1, timeout: 1s}",
    );
    let mut slow = TcpStream::connect(rig.address()).unwrap();
    slow.write_all(b"whole\nbegun").unwrap();
    rig.receiver.wait_for(1);
    // It waits in the kernel until the slow one is ended, although that goes on sending.
    let mut other = TcpStream::connect(rig.address()).unwrap();
    other.write_all(b"other\n").unwrap();
    wait_until("the slow one is ended", || {
        let _ = slow.write_all(b".");
        3 <= rig.receiver.count()
    });
    let messages = rig.receiver.messages();
    assert!(
        messages[0].starts_with("begun.") && messages[1..] == ["other", "whole"],
        "{messages:?}"
    );
    slow.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert!(!matches!(slow.read(&mut [0]), Ok(1..)), "it was closed");
    assert!(rig.told().contains("has its 1 connections"), "{}", rig.told());
    wait_until("it is counted", || rig.figure("timeouts") == 1);
}
