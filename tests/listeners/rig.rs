//! A listening shipper, and a server that keeps what it sends.

use crate::server::{Reply, Request, Server};
use crate::shipper::{Place, Running, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const BANNER: &str =
    r#"{"name":"n","version":{"number":"8.19.0"},"tagline":"You Know, for Search"}"#;

/// Documents by id.
type Stored = Arc<Mutex<BTreeMap<String, Value>>>;

pub struct Receiver {
    server: Server,
    stored: Stored,
    blocked: Arc<AtomicBool>,
}

impl Receiver {
    pub fn start() -> Self {
        let (stored, blocked) = (Stored::default(), Arc::<AtomicBool>::default());
        let (storing, blocking) = (Arc::clone(&stored), Arc::clone(&blocked));
        let server = Server::forgetful(move |request| {
            if !request.is_bulk() {
                return Reply::json(200, if request.path == "/" { BANNER } else { "" });
            }
            if blocking.load(Ordering::Relaxed) {
                return Reply::json(429, "{}");
            }
            Reply::json(200, store(&storing, request))
        });
        Self { server, stored, blocked }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// From now on, or no longer, nothing is taken.
    pub fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    pub fn count(&self) -> usize {
        self.stored.lock().unwrap().len()
    }

    pub fn documents(&self) -> Vec<Value> {
        self.stored.lock().unwrap().values().cloned().collect()
    }

    /// Returns all messages, sorted.
    pub fn messages(&self) -> Vec<String> {
        let text = |document: &Value| document["message"].as_str().unwrap().to_owned();
        let mut messages: Vec<String> = self.stored.lock().unwrap().values().map(text).collect();
        messages.sort();
        messages
    }

    pub fn wait_for(&self, count: usize) {
        wait_until(&format!("{count} documents"), || count <= self.count());
    }
}

fn store(stored: &Stored, request: &Request) -> String {
    let mut stored = stored.lock().unwrap();
    let mut items = Vec::new();
    let mut lines = request.body.lines();
    while let (Some(action), Some(document)) = (lines.next(), lines.next()) {
        let action: Value = serde_json::from_str(action).unwrap();
        let id = action["create"]["_id"].as_str().unwrap().to_owned();
        let document: Value = serde_json::from_str(document).unwrap();
        let status = if stored.contains_key(&id) { 409 } else { 201 };
        assert!(status == 201 || stored[&id] == document, "two messages have the id {id}");
        stored.insert(id, document);
        items.push(format!(r#"{{"create":{{"status":{status}}}}}"#));
    }
    format!(r#"{{"errors":false,"items":[{}]}}"#, items.join(","))
}

/// A shipper with inputs, and where it sends.
pub struct Rig {
    pub receiver: Receiver,
    pub place: Place,
    /// How many inputs it has.
    inputs: usize,
    pub running: Option<Running>,
}

impl Rig {
    /// Starts one with `inputs`, in which `{place}` stands for its directory.
    pub fn start(inputs: &str) -> Self {
        Self::at_rest(inputs).started()
    }

    /// Starts one that was at rest, and waits until all its inputs listen.
    pub fn started(self) -> Self {
        let running = self.place.start(&[]);
        wait_until("all inputs listen", || {
            running.told().matches("listens at").count() == self.inputs
        });
        Self { running: Some(running), ..self }
    }

    /// Makes one that is not started.
    pub fn at_rest(inputs: &str) -> Self {
        let receiver = Receiver::start();
        let place = Place::new("");
        let config = format!(
            "filebeat.inputs:\n{}\noutput.elasticsearch.hosts: [\"{}\"]\n\
             output.elasticsearch.backoff: {{init: 20ms, max: 100ms}}\n\
             queue.mem.flush.timeout: 50ms\nqueue.mem.bytes: 4MiB\nlogging.metrics.period: 1s\n",
            inputs.replace("{place}", &place.path().display().to_string()),
            receiver.url()
        );
        place.configure(&config);
        let inputs = inputs.matches("- {type: ").count() + inputs.matches("- type: ").count();
        Self { receiver, place, inputs, running: None }
    }

    pub fn told(&self) -> String {
        self.running.as_ref().unwrap().told()
    }

    /// Returns where it listens, in the order of its inputs that have an address.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let told = self.told();
        let lines = told.lines().filter_map(|line| line.split("listens at ").nth(1));
        lines.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).collect()
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Returns the resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let pid = self.running.as_ref().unwrap().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    }

    /// Returns the sum of a figure of the listeners over all lines of metrics so far.
    pub fn figure(&self, name: &str) -> u64 {
        self.figure_of("listening", name)
    }

    pub fn figure_of(&self, group: &str, name: &str) -> u64 {
        let told = self.told();
        // Only what is ours: others have some of these names, too.
        let (group, key) = (format!("\"{group}\":{{"), format!("\"{name}\":"));
        let parts = told.split(&group).skip(1);
        let own = parts.filter_map(|part| part.split('}').next());
        own.flat_map(|part| part.split(&key).skip(1))
            .filter_map(|rest| {
                rest.split(|digit: char| !digit.is_ascii_digit()).next()?.parse::<u64>().ok()
            })
            .sum()
    }

    /// Stops it and returns what it told; it must end well.
    pub fn stop(&mut self) -> String {
        let (code, told) = self.running.take().unwrap().stop();
        assert_eq!(code, 0, "{told}");
        told
    }
}
