//! Delivery to three nodes of a real cluster, which die, hang and come back while lines are written.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, has real files and servers, and shares its tools with others"
)]

mod support {
    pub mod http;
    pub mod servers;
    pub mod shipper;
}

use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::http::{self, Access};
use support::servers::{Product, Server};
use support::shipper::{Place, Running, wait_until};

const INDEX: &str = "cluster-test";

/// So many more lines than were written before an event have to arrive after it.
const STEP: u64 = 500;

/// Longest wait for the cluster to be whole again, which is its own business.
const PATIENCE: Duration = Duration::from_mins(3);

/// Time without anything new after which it is asked who is at fault.
const SUSPICIOUS: Duration = Duration::from_secs(45);

/// Failures are noticed in seconds here, and writes without a master are refused, as Elasticsearch does by default.
const SETTINGS: &str = "cluster.name: three\ncluster.initial_master_nodes: [n0, n1, n2]\n\
                        cluster.no_master_block: write\ncluster.publish.timeout: 10s\n\
                        cluster.fault_detection.follower_check.timeout: 4s\n\
                        cluster.fault_detection.leader_check.timeout: 4s\n";

/// Three nodes.
struct Cluster(Vec<Server>);

impl Cluster {
    fn start() -> Self {
        let ports: Vec<(u16, u16)> =
            (0..3).map(|_| (http::free_port(), http::free_port())).collect();
        let seeds: Vec<String> =
            ports.iter().map(|(_, transport)| format!("\"127.0.0.1:{transport}\"")).collect();
        let nodes = ports.iter().enumerate().map(|(number, ports)| {
            let settings = format!(
                "{SETTINGS}node.name: n{number}\ndiscovery.seed_hosts: [{}]\n",
                seeds.join(", ")
            );
            Server::begin(Product::OpenSearch, *ports, &settings, |_, _| Access::default())
        });
        let mut cluster = Self(nodes.collect());
        for node in &mut cluster.0 {
            node.wait(|status| status == 200);
        }
        cluster.wait_for_all();
        cluster
    }

    /// Waits until all nodes are one cluster and there is a primary of each shard. How soon there are all copies again is
    /// no business of whoever writes.
    fn wait_for_all(&self) {
        let path = "/_cluster/health?wait_for_nodes=3&wait_for_status=yellow&timeout=1s";
        let deadline = Instant::now() + PATIENCE;
        while !self.0[0].call("GET", path, "").is_ok_and(|(status, _)| status == 200) {
            assert!(Instant::now() < deadline, "the cluster is not whole");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until two nodes have the shard whole, so that any of them may die; a recovery may take a while.
    fn wait_for_copies(&self) {
        let path = format!("/_cluster/health/{INDEX}?wait_for_active_shards=2&timeout=1s");
        let deadline = Instant::now() + PATIENCE;
        while !self.0[0].call("GET", &path, "").is_ok_and(|(status, _)| status == 200) {
            assert!(Instant::now() < deadline, "no two nodes have the shard");
            self.retry_copies(0);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A node that was short of time has the cluster give up a copy after five tries; whoever writes only waits.
    fn retry_copies(&self, node: usize) {
        let _ = self.0[node].call("POST", "/_cluster/reroute?retry_failed=true", "");
    }

    /// Returns how many documents a node finds, if it can say so.
    fn count(&self, node: usize) -> u64 {
        let answer = self.0[node].call("GET", &format!("/{INDEX}/_count?preference=_local"), "");
        let Ok((200, answer)) = answer else { return 0 };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["count"].as_u64().unwrap()
    }

    /// Tells whether any node takes a write of anybody's: one that changes nothing. A primary may come out of a change of
    /// masters "not in primary mode" and stay so (OpenSearch 2.19): no shipper can help that.
    fn takes_writes(&self) -> bool {
        let path = format!("/{INDEX}/_doc/nobody?timeout=2s");
        let is_taken = |node: &Server| {
            node.call("DELETE", &path, "").is_ok_and(|(status, _)| matches!(status, 200 | 404))
        };
        self.0.iter().any(is_taken)
    }

    /// Starts all nodes anew, as a person does whose cluster takes nothing from anybody.
    fn restart(&mut self) {
        for node in &mut self.0 {
            node.kill();
        }
        for node in &mut self.0 {
            node.begin_again();
        }
        for node in &mut self.0 {
            node.wait(|status| status == 200);
        }
        self.wait_for_all();
    }

    /// Shows what a node says of the shard.
    fn explain(&self, node: usize) {
        for path in ["/_cat/nodes?v", "/_cat/shards?v", "/_cat/recovery?v&active_only"] {
            if let Ok((_, answer)) = self.0[node].call("GET", path, "") {
                println!("node {node}, {path}:\n{answer}");
            }
        }
    }

    /// Waits until this node finds what was written so far, and more.
    fn goes_on(&mut self, node: usize, writer: &Writer, what: &str) {
        let (begun, before) = (Instant::now(), self.count(node));
        let mut suspected = false;
        let expected = writer.written.load(Ordering::SeqCst) + STEP;
        let mut first = None;
        while self.count(node) < expected {
            if self.count(node) == before {
                self.retry_copies(node);
            } else {
                first.get_or_insert_with(|| begun.elapsed());
            }
            if SUSPICIOUS < begun.elapsed() && first.is_none() && !suspected {
                suspected = true;
                self.explain(node);
                if !self.takes_writes() {
                    println!("{what}: the cluster takes no writes of anybody, and is started anew");
                    self.restart();
                }
            }
            if PATIENCE < begun.elapsed() {
                self.explain(node);
                panic!("waited in vain: {what}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{what}: something new after {first:?}, everything after {:?}", begun.elapsed());
    }
}

/// Writes 250 lines a second.
struct Writer {
    ends: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(log: PathBuf) -> Self {
        let (ends, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (told, counted) = (Arc::clone(&ends), Arc::clone(&written));
        let thread = std::thread::spawn(move || {
            let mut log = std::fs::File::options().create(true).append(true).open(log).unwrap();
            while !told.load(Ordering::SeqCst) {
                for _ in 0..10 {
                    let number = counted.load(Ordering::SeqCst) + 1;
                    log.write_all(line(number).as_bytes()).unwrap();
                    counted.store(number, Ordering::SeqCst);
                }
                std::thread::sleep(Duration::from_millis(40));
            }
        });
        Self { ends, written, thread }
    }

    /// Ends it; returns how many lines were written.
    fn end(self) -> u64 {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.written.load(Ordering::SeqCst)
    }
}

fn line(number: u64) -> String {
    format!(
        "203.0.113.9 - - [21/Nov/2026:03:20:13 +0100] \"GET /{number} HTTP/1.1\" 200 1 \"-\" \"-\"\n"
    )
}

fn place(cluster: &Cluster) -> Place {
    let hosts: Vec<String> = cluster.0.iter().map(|node| format!("\"{}\"", node.url())).collect();
    Place::new(&format!(
        "filebeat.inputs:\n  - {{type: filestream, id: a, paths: [\"{{logs}}/access.log\"]}}\n\
         setup.template.settings.index: {{number_of_replicas: 2, max_result_window: 200000, refresh_interval: 200ms, \
         unassigned.node_left.delayed_timeout: 0}}\n\
         output.elasticsearch: {{hosts: [{}], index: {INDEX}, timeout: 30, parameters.timeout: 2s, \
         backoff: {{init: 100ms, max: 1s}}}}\n",
        hosts.join(", ")
    ))
}

/// Lets nodes die and hang, one after the other, and then two at once.
fn trouble(cluster: &mut Cluster, writer: &Writer, shipper: &Running) {
    for node in 0..2 {
        let other = node + 1;
        cluster.wait_for_copies();
        cluster.0[node].kill();
        cluster.goes_on(other, writer, &format!("node {node} was killed"));
        cluster.0[node].begin_again();
        cluster.0[node].wait(|status| status == 200);
        cluster.wait_for_all();
    }
    cluster.wait_for_copies();
    cluster.0[1].signal(Signal::STOP);
    cluster.goes_on(2, writer, "node 1 hangs");
    cluster.0[1].signal(Signal::CONT);
    cluster.wait_for_all();
    cluster.goes_on(1, writer, "node 1 is back");
    for node in [1, 2] {
        cluster.0[node].kill();
    }
    wait_until("it says that there is no master", || {
        shipper.told().contains("cluster_block_exception")
    });
    let before = cluster.count(0);
    for node in [1, 2] {
        cluster.0[node].begin_again();
    }
    for node in [1, 2] {
        cluster.0[node].wait(|status| status == 200);
    }
    cluster.wait_for_all();
    cluster.goes_on(0, writer, "there was no master");
    assert!(before < cluster.count(0));
}

#[test]
fn every_line_is_stored_once_while_nodes_die_hang_and_come_back() {
    let mut cluster = Cluster::start();
    let place = place(&cluster);
    let writer = Writer::start(place.log("access.log"));
    let shipper = place.start(&[]);
    cluster.goes_on(0, &writer, "all nodes are there");
    trouble(&mut cluster, &writer, &shipper);
    let written = writer.end();
    let node = &cluster.0[0];
    wait_until("all is there", || written <= cluster.count(0));
    let (code, told) = shipper.stop();
    assert_eq!(code, 0, "{told}");
    node.json("POST", &format!("/{INDEX}/_refresh"), "");
    let found = node.json("GET", &format!("/{INDEX}/_search?size=200000&_source=message"), "");
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    for hit in found["hits"]["hits"].as_array().unwrap() {
        *messages.entry(hit["_source"]["message"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> =
        (1..=written).map(|number| (line(number).trim_end().to_owned(), 1)).collect();
    let wrong: Vec<_> = expected
        .keys()
        .chain(messages.keys())
        .filter(|line| messages.get(*line) != expected.get(*line))
        .collect();
    assert!(wrong.is_empty(), "{} of {written}: {wrong:#?}", wrong.len());
    println!("{written} lines, each found once");
}
