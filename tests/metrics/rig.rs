//! A shipper with an endpoint, and how it is asked.

use crate::http;
use crate::server::{Reply, Request, Server};
use crate::shipper::{Place, Running, wait_until};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

const BANNER: &str =
    r#"{"name":"n","version":{"number":"8.19.0"},"tagline":"You Know, for Search"}"#;

/// Answers a bulk request whose items each get the status that `status` says of their action and document.
pub fn bulk(request: &Request, status: impl Fn(&str, &str) -> u16) -> Reply {
    if !request.is_bulk() {
        return Reply::json(200, BANNER);
    }
    let lines: Vec<&str> = request.body.lines().collect();
    let mut items = String::new();
    let mut errors = false;
    for (index, pair) in lines.chunks(2).enumerate() {
        let status = status(pair[0], pair[1]);
        let error = match status {
            400 => r#","error":{"type":"document_parsing_exception","reason":"no number"}"#,
            403 => r#","error":{"type":"cluster_block_exception","reason":"disk full"}"#,
            409 => r#","error":{"type":"version_conflict_engine_exception","reason":"there"}"#,
            429 => r#","error":{"type":"es_rejected_execution_exception","reason":"full"}"#,
            _ => "",
        };
        errors |= !error.is_empty();
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(items, r#"{comma}{{"create":{{"_index":"a","status":{status}{error}}}}}"#);
    }
    Reply::json(200, format!(r#"{{"took":1,"errors":{errors},"items":[{items}]}}"#))
}

/// A server that stores everything.
pub fn storing() -> Server {
    Server::start(|request| bulk(request, |_, _| 201))
}

/// Follows `{logs}/*.log`, delivers to a server and is asked at a port.
pub fn configuration(url: &str, port: u16) -> String {
    format!(
        "inputs:\n  - type: filestream\n    id: web\n    paths: [\"{{logs}}/*.log\"]\n    format: raw\n\
         output.elasticsearch:\n  hosts: [\"{url}\"]\n  username: elastic\n  password: opensesame\n\
         setup.template.enabled: false\nqueue.mem.flush.timeout: 0s\n\
         http:\n  enabled: true\n  port: {port}\n"
    )
}

/// Starts shipper and waits until its endpoint answers.
pub fn started(place: &Place, port: u16) -> Running {
    let running = place.start(&[]);
    wait_until("the endpoint answers", || http::raw(port, b"GET / HTTP/1.0\r\n\r\n").is_ok());
    running
}

/// An answer of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends what stands there and returns the answer.
pub fn send(port: u16, request: &str) -> Answer {
    answer(&http::raw(port, request.as_bytes()).unwrap())
}

pub fn answer(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

pub fn get(port: u16, path: &str) -> Answer {
    send(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

pub fn json(port: u16, path: &str) -> Value {
    let answer = get(port, path);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: application/json; charset=utf-8"), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// Returns the value of a sample, as `name{labels}`.
pub fn sample(metrics: &str, series: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

pub fn metrics(port: u16) -> String {
    let answer = get(port, "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{answer:?}");
    answer.body
}

/// Waits until so many events have come to their end.
pub fn wait_for_done(port: u16, events: u64) {
    wait_until("the events are done", || {
        json(port, "/stats")["filebeat"]["events"]["done"] == events
    });
}

/// A pause that is no wait for anything: for what must not happen meanwhile.
pub fn while_nothing_happens(pause: Duration) {
    std::thread::sleep(pause);
}
