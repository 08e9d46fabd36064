//! Clients that mean no good, or do not know better.

use crate::http::free_port;
use crate::rig::{Answer, answer, configuration, get, json, send, started, storing, wait_for_done};
use crate::server::Server;
use crate::shipper::{Place, Running};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

struct Asked {
    running: Running,
    port: u16,
    place: Place,
    _server: Server,
}

fn asked() -> Asked {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    let running = started(&place, port);
    Asked { running, port, place, _server: server }
}

impl Asked {
    /// It still answers, and delivers.
    fn end_well(self) {
        let before = json(self.port, "/stats")["filebeat"]["events"]["done"].as_u64().unwrap();
        std::fs::write(self.place.log("well.log"), "one\n").unwrap();
        wait_for_done(self.port, before + 1);
        assert_eq!(self.running.stop().0, 0);
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads to the end; a connection that is reset has ended as well.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn methods_paths_and_versions_are_answered_as_they_should_be() {
    let asked = asked();
    let port = asked.port;
    for (request, status) in [
        ("GET /stats HTTP/1.0\r\n\r\n", 200),
        ("GET /stats HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET http://a/stats HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /stats?pretty&a=b#c HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("GET /stats/../metrics HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("GET /debug/pprof/ HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("POST /stats HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", 405),
        ("DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("PUT /inputs/?type= HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
        ("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 404),
    ] {
        let answer = send(port, request);
        assert_eq!(answer.status, status, "{request} {answer:?}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{answer:?}");
        assert_eq!(answer.head.contains("allow: get, head"), status == 405, "{answer:?}");
    }
    asked.end_well();
}

#[test]
fn head_is_answered_without_a_body() {
    let asked = asked();
    let head = send(asked.port, "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
    let whole = get(asked.port, "/health");
    let without_date = |answer: &Answer| {
        let lines = answer.head.lines().filter(|line| !line.starts_with("date:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(without_date(&head), without_date(&whole));
    assert!(head.head.contains("content-length: 6"), "{head:?}");
    asked.end_well();
}

#[test]
fn garbage_and_huge_heads_are_refused() {
    let asked = asked();
    let long = "a".repeat(100_000);
    let many = "A: b\r\n".repeat(1000);
    for (request, statuses) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &[400][..]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400, 505]),
        (b"\r\n\0\0\0nothing\r\n\r\n".to_vec(), &[400]),
        (b"GET /stats HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(), &[414, 431, 404]),
        (format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n").into_bytes(), &[431]),
        (format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes(), &[431, 400]),
    ] {
        let mut stream = connect(asked.port);
        // It may be refused before all of it was sent, and then be reset.
        let _ = stream.write_all(&request);
        let bytes = rest(stream);
        if !bytes.is_empty() {
            let answer = answer(&bytes);
            assert!(statuses.contains(&answer.status), "{answer:?}");
        }
    }
    asked.end_well();
}

#[test]
fn slow_clients_are_cut_off() {
    let asked = asked();
    let began = Instant::now();
    let silent = connect(asked.port);
    let mut slow = connect(asked.port);
    let sender = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let mut sender = sender;
        let letters = "GET /stats HTTP/1.1\r\nA: ".bytes().chain(std::iter::repeat(b'a'));
        for letter in letters {
            if sender.write_all(&[letter]).is_err() || Duration::from_secs(25) < began.elapsed() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    // Takes nothing of its answer.
    let mut deaf = connect(asked.port);
    deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let _ = slow.read_to_end(&mut bytes);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let _ = rest(silent);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(deaf);
    dripping.join().unwrap();
    asked.end_well();
}

#[test]
fn ten_thousand_connections_keep_nobody_out_and_take_no_memory() {
    const CONNECTIONS: usize = 10_000;
    let asked = asked();
    let rss = |port| json(port, "/stats")["beat"]["memstats"]["rss"].as_u64().unwrap();
    let before = rss(asked.port);
    // As many at once as this process may have open, then others instead of them.
    let mut open = std::collections::VecDeque::new();
    for number in 0..CONNECTIONS {
        let mut stream = connect(asked.port);
        let _ = stream.write_all(b"GET /stats HTTP/1.1\r\nHost: a\r\n");
        open.push_back(stream);
        if 500 < open.len() {
            open.pop_front();
        }
        if number % 1000 == 999 {
            let stats = json(asked.port, "/stats");
            let handles = stats["beat"]["handles"]["open"].as_u64().unwrap();
            assert!(handles < 120, "{handles}");
        }
    }
    let after = rss(asked.port);
    assert!(after < before + (8 << 20), "{before} {after}");
    drop(open);
    asked.end_well();
}
