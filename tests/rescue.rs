//! Files that are removed while the server is away: they give their space back, and nothing of them is lost.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files and servers; of the shared support it uses a part"
)]

mod support {
    pub mod http;
    pub mod shipper;
}
#[path = "output/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Reply, Server};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use support::http::free_port;
use support::shipper::{PATIENCE, Place, Running, wait_until};

/// What a server has: messages by id, and how often the same came.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<BTreeMap<String, String>>>);

impl Store {
    fn serve(&self, port: u16) -> Server {
        let store = self.clone();
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        Server::at(address, None, move |request| {
            if !request.is_bulk() {
                return Reply::version();
            }
            let mut known = store.0.lock().unwrap();
            let lines: Vec<&str> = request.body.lines().collect();
            let mut items = Vec::new();
            for pair in lines.chunks(2) {
                let action: Value = serde_json::from_str(pair[0]).unwrap();
                let document: Value = serde_json::from_str(pair[1]).unwrap();
                let id = action["create"]["_id"].as_str().unwrap().to_owned();
                let message = document["message"].as_str().unwrap().to_owned();
                let is_new = known.insert(id, message).is_none();
                items.push(json!({"create": {"status": if is_new { 201 } else { 409 }}}));
            }
            Reply::items(&items)
        })
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Asserts that every line is there once.
    fn has_each_once(&self, count: usize) {
        let mut messages: Vec<String> = self.0.lock().unwrap().values().cloned().collect();
        messages.sort();
        assert_eq!(messages.len(), count);
        for (number, message) in messages.iter().enumerate() {
            assert_eq!(*message, line(number).trim_end_matches('\n'));
        }
    }
}

fn line(number: usize) -> String {
    format!("line {number:06} {}\n", "0123456789 ".repeat(8))
}

fn lines(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        write!(text, "{}", line(number)).unwrap();
        text
    })
}

/// A place for a server that is away; its logs are on a file system of their own when `size` is said.
struct Host {
    mount: Option<PathBuf>,
    place: Place,
    port: u16,
}

impl Host {
    fn new(size: Option<&str>, input: &str, more: &str) -> Self {
        let port = free_port();
        let place = Place::new(&format!(
            "filebeat.inputs:\n  - type: filestream\n    id: one\n    paths: [\"{{logs}}/*.log\"]\n    format: raw\n\
             \x20   prospector.scanner.check_interval: 1s\n{input}\
             setup.template.enabled: false\nqueue.mem.bytes: 2MiB\n{more}\
             output.elasticsearch:\n  hosts: [\"http://127.0.0.1:{port}\"]\n  index: web\n\
             \x20 backoff: {{init: 50ms, max: 200ms}}\n"
        ));
        let logs = place.log("");
        let mount = size.map(|size| {
            let options = format!("size={size}");
            let arguments = ["-t", "tmpfs", "-o", &options, "shipper-test"];
            let status = Command::new("mount").args(arguments).arg(&logs).status().unwrap();
            assert!(status.success(), "mounting a tmpfs needs root, which this test runs as");
            logs
        });
        Self { mount, place, port }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.place.log(name), text).unwrap();
    }

    /// Starts it and waits until it has read what fits into its memory.
    fn start(&self) -> Running {
        let running = self.place.start(&[]);
        wait_until("it has read as much as it can", || {
            let status = self.status();
            status["events_in_flight"].as_u64().is_some_and(|events| 0 < events)
        });
        running
    }

    fn status(&self) -> Value {
        let output = self.dlq(&["status", "--json"]);
        serde_json::from_str(&output).unwrap_or_default()
    }

    fn dlq(&self, arguments: &[&str]) -> String {
        self.place.shipper(arguments).1
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.place.log(name)).unwrap();
    }

    fn audit(&self) -> Value {
        serde_json::from_str(&self.dlq(&["registry", "audit", "--json"])).unwrap()
    }

    fn rescued(&self) -> usize {
        self.rescue_files("rescue")
    }

    /// Returns how many files of that ending the directory of the rescue holds.
    fn rescue_files(&self, ending: &str) -> usize {
        let Ok(files) = std::fs::read_dir(self.place.path().join("data/rescue")) else { return 0 };
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|known| known == ending)).count()
    }

    /// Tells whether so many bytes can be written beside the logs.
    fn has_room_for(&self, bytes: usize) -> bool {
        let path = self.place.log("filler");
        let written = std::fs::write(&path, vec![b'x'; bytes]);
        let _ = std::fs::remove_file(&path);
        written.is_ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mount) = &self.mount {
            let _ = Command::new("umount").arg("-l").arg(mount).status();
        }
    }
}

/// Waits until a running shipper has given a removed file's space back.
fn wait_for_rescue(running: &Running) {
    wait_until("its space is given back", || running.told().contains("its space is given back"));
}

/// Tells whether a process has a file open whose name ends so.
fn holds(running: &Running, ending: &str) -> bool {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", running.pid())).unwrap();
    let mut targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target.display().to_string().ends_with(ending))
}

fn holds_removed(running: &Running) -> bool {
    holds(running, "/logs/a.log (deleted)")
}

const MULTILINE: &str =
    "    parsers: [{multiline: {type: pattern, pattern: '^line', negate: true, match: after}}]\n";

const COUNT: usize = 50_000;

#[test]
fn full_host_gets_its_space_back_and_a_kill_loses_nothing() {
    for input in ["", MULTILINE, "    order: fresh_first\n"] {
        let host = Host::new(Some("7m"), input, "");
        host.write("a.log", &lines(0..COUNT));
        let running = host.start();
        host.remove("a.log");
        assert!(!host.has_room_for(4 << 20), "an open file keeps its space");
        assert!(holds_removed(&running));
        wait_for_rescue(&running);
        wait_until("there is room", || host.has_room_for(6 << 20));
        assert!(!holds_removed(&running));
        running.kill();
        assert_eq!(host.rescued(), 1);
        let store = Store::default();
        let _server = store.serve(host.port);
        let running = host.place.start(&[]);
        wait_until("every line is stored", || COUNT <= store.len());
        wait_until("what was rescued is removed", || host.rescued() == 0);
        let (code, told) = running.stop();
        assert_eq!(code, 0, "{told}");
        store.has_each_once(COUNT);
        let audit = host.audit();
        assert_eq!(
            (&audit["sum"]["lost"], &audit["sum"]["missing"]),
            (&json!(0), &json!(0)),
            "{audit}"
        );
    }
}

#[test]
fn rescued_file_is_delivered_by_the_same_process_and_a_new_one_of_its_name_as_well() {
    let host = Host::new(None, "", "");
    host.write("a.log", &lines(0..COUNT));
    let running = host.start();
    host.remove("a.log");
    wait_for_rescue(&running);
    host.write("a.log", &lines(COUNT..COUNT + 10));
    let store = Store::default();
    let _server = store.serve(host.port);
    wait_until("every line is stored", || COUNT + 10 <= store.len());
    wait_until("what was rescued is removed", || host.rescued() == 0);
    assert_eq!(running.stop().0, 0);
    store.has_each_once(COUNT + 10);
}

#[test]
fn removed_file_that_is_in_memory_alone_outlives_a_kill() {
    let host = Host::new(None, "", "");
    let all = lines(0..100);
    host.write("a.log", &all);
    let running = host.start();
    host.remove("a.log");
    wait_for_rescue(&running);
    // It is not delivered, whether a shipper runs or not.
    let backlog = json!(all.len());
    assert_eq!(host.status()["backlog_bytes"], backlog);
    running.kill();
    assert_eq!(host.status()["backlog_bytes"], backlog);
    let listed: Value = serde_json::from_str(&host.dlq(&["registry", "list", "--json"])).unwrap();
    let [entry] = &listed["entries"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&entry["state"], &entry["behind"]), (&json!("rescued"), &backlog));
    let store = Store::default();
    let _server = store.serve(host.port);
    let (code, told) = host.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    store.has_each_once(100);
}

#[test]
fn file_that_is_removed_right_before_a_stop_is_delivered_by_the_next_start() {
    let host = Host::new(None, "", "");
    host.write("a.log", &lines(0..COUNT));
    let running = host.start();
    host.remove("a.log");
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    assert_eq!(host.rescued(), 1, "{told}");
    let store = Store::default();
    let _server = store.serve(host.port);
    let (code, told) = host.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    store.has_each_once(COUNT);
}

#[test]
fn killed_again_and_again_while_it_reads_from_the_rescue_it_repeats_nothing() {
    let host = Host::new(None, "", "");
    host.write("a.log", &lines(0..COUNT));
    let running = host.start();
    host.remove("a.log");
    wait_for_rescue(&running);
    running.kill();
    let store = Store::default();
    let _server = store.serve(host.port);
    for round in 1..6 {
        let running = host.place.start(&[]);
        wait_until("some more is stored", || round * 8_000 <= store.len());
        running.kill();
    }
    let (code, told) = host.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    store.has_each_once(COUNT);
}

#[test]
fn file_without_room_for_it_keeps_its_space_and_an_alarm_is_raised() {
    let host = Host::new(Some("7m"), "", "rescue.max_size: 1KiB\n");
    host.write("a.log", &lines(0..COUNT));
    let running = host.start();
    host.remove("a.log");
    let told = "was removed and keeps its disk space until it is delivered: the 1024 bytes of `rescue.max_size` are used up";
    wait_until("an alarm", || running.told().contains(told));
    let fault = "1 removed files keep their disk space: what is left of them cannot be rescued, see the log";
    wait_until("it is not as it should be", || {
        host.status()["faults"].as_array().is_some_and(|faults| faults.contains(&json!(fault)))
    });
    assert!(!host.has_room_for(4 << 20));
    assert_eq!(host.rescued(), 0);
    let store = Store::default();
    let _server = store.serve(host.port);
    wait_until("every line is stored", || COUNT <= store.len());
    wait_until("the alarm is over", || host.status()["unrescued_files"].is_null());
    wait_until("there is room", || host.has_room_for(6 << 20));
    assert_eq!(running.stop().0, 0);
    store.has_each_once(COUNT);
}

#[test]
fn file_without_room_for_it_is_given_up_when_that_is_asked_for() {
    let host = Host::new(Some("7m"), "", "rescue: {max_size: 1KiB, on_full: drop}\n");
    host.write("a.log", &lines(0..COUNT));
    let running = host.start();
    host.remove("a.log");
    wait_until("there is room", || host.has_room_for(6 << 20));
    assert!(running.told().contains("as `rescue.on_full: drop` says"), "{}", running.told());
    assert!(!holds_removed(&running));
    wait_until("what is lost is told", || host.audit()["sum"]["lost"] != json!(0));
    let lost = host.audit()["sum"]["lost"].clone();
    assert_eq!(host.status()["registry"]["lost_bytes"], lost);
    assert!(running.told().contains(&format!("bytes={lost}")), "{}", running.told());
    let store = Store::default();
    let _server = store.serve(host.port);
    wait_until("what was read is stored", || host.status()["events_in_flight"] == json!(0));
    assert_eq!(running.stop().0, 0);
    let stored = store.len();
    assert!(0 < stored && stored < COUNT, "{stored}");
    store.has_each_once(stored);
    assert_eq!(host.audit()["sum"]["lost"], lost, "told once");
    assert_eq!(lost, lines(stored..COUNT).len());
}

#[test]
fn killed_while_it_rescues_it_leaves_no_torn_rescue_and_repeats_nothing() {
    let count = 3 * COUNT;
    let host = Host::new(None, "", "");
    let text = lines(0..count);
    host.write("a.log", &text);
    let running = host.start();
    host.remove("a.log");
    let drafts = || host.rescue_files("draft");
    let deadline = Instant::now() + PATIENCE;
    while drafts() == 0 {
        assert!(Instant::now() < deadline && host.rescued() == 0, "no rescue was seen to begin");
    }
    running.kill();
    assert_eq!((drafts(), host.rescued()), (1, 0), "it was killed in the middle");
    // What nobody holds any more comes back from a copy.
    host.write("a.log", &text);
    let store = Store::default();
    let _server = store.serve(host.port);
    let running = host.place.start(&[]);
    wait_until("every line is stored", || count <= store.len());
    assert_eq!((drafts(), host.rescued()), (0, 0));
    assert_eq!(running.stop().0, 0);
    store.has_each_once(count);
}

#[test]
fn log_that_waits_for_a_buffer_is_held_and_rescued() {
    let host = Host::new(None, "", "");
    host.write("a.log", &lines(0..COUNT));
    let running = host.start();
    host.write("b.log", &lines(COUNT..COUNT + 10));
    // The prospector opens it as well, for a moment, to know it again.
    wait_until("its harvester has it open", || host.status()["files_open"] == json!(2));
    assert!(holds(&running, "/logs/b.log"));
    host.remove("b.log");
    wait_for_rescue(&running);
    wait_until("it is closed", || !holds(&running, "/logs/b.log (deleted)"));
    running.kill();
    let store = Store::default();
    let _server = store.serve(host.port);
    let (code, told) = host.place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    store.has_each_once(COUNT + 10);
}

#[test]
fn compressed_log_that_is_removed_is_rescued_as_well() {
    let host = Host::new(None, "    compression: auto\n", "");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines(0..COUNT).as_bytes()).unwrap();
    std::fs::write(host.place.log("a.log"), gzip.finish().unwrap()).unwrap();
    let running = host.start();
    host.remove("a.log");
    wait_for_rescue(&running);
    wait_until("it is closed", || !holds_removed(&running));
    running.kill();
    let store = Store::default();
    let _server = store.serve(host.port);
    let running = host.place.start(&[]);
    wait_until("every line is stored", || COUNT <= store.len());
    wait_until("what was rescued is removed", || host.rescued() == 0);
    assert_eq!(running.stop().0, 0);
    store.has_each_once(COUNT);
}

#[test]
fn file_that_has_a_name_elsewhere_is_not_rescued() {
    let host = Host::new(None, "", "");
    host.write("b.log", &lines(COUNT..COUNT + 10));
    let running = host.start();
    host.write("a.log", &lines(0..COUNT));
    wait_until("it has read of both", || host.status()["events_in_flight"].as_u64() > Some(1000));
    let elsewhere = host.place.path().join("elsewhere");
    std::fs::rename(host.place.log("a.log"), &elsewhere).unwrap();
    host.remove("b.log");
    wait_for_rescue(&running);
    assert_eq!(host.rescued(), 1, "that of the other file");
    std::fs::rename(&elsewhere, host.place.log("a.log")).unwrap();
    let store = Store::default();
    let _server = store.serve(host.port);
    wait_until("every line is stored", || COUNT + 10 <= store.len());
    assert_eq!(running.stop().0, 0);
    store.has_each_once(COUNT + 10);
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is stopped before it can have noticed anything.
    StopAtOnce,
    Stop,
    Kill,
}

#[test]
fn log_that_was_moved_out_of_its_tree_is_read_on_where_it_is() {
    for end in [End::StopAtOnce, End::Stop, End::Kill] {
        let host = Host::new(None, "", "");
        let archive = tempfile::tempdir().unwrap();
        host.write("a.log", &lines(0..COUNT));
        let running = host.start();
        std::fs::rename(host.place.log("a.log"), archive.path().join("a.1")).unwrap();
        host.write("a.log", &lines(COUNT..COUNT + 10));
        if end != End::StopAtOnce {
            wait_until("it is told", || running.told().contains("file was renamed"));
            wait_until("it is saved", || {
                host.dlq(&["registry", "list", "--json"]).contains(archive.path().to_str().unwrap())
            });
        }
        if end == End::Kill {
            running.kill();
        } else {
            drop(running.stop());
        }
        assert_eq!(host.rescued(), 0, "it has a name");
        let store = Store::default();
        let _server = store.serve(host.port);
        let running = host.place.start(&[]);
        wait_until("every line is stored", || COUNT + 10 <= store.len());
        assert_eq!(running.stop().0, 0, "{end:?}");
        store.has_each_once(COUNT + 10);
    }
}

#[test]
fn what_a_removed_log_has_lost_over_a_stop_or_a_kill_is_told_and_counted() {
    let text = lines(0..COUNT);
    for (rescue, end) in [
        ("rescue: {max_size: 0}\n", End::StopAtOnce),
        ("rescue: {max_size: 0}\n", End::Kill),
        ("rescue: {max_size: 100KB}\n", End::Stop),
    ] {
        let host = Host::new(None, "", rescue);
        host.write("a.log", &text);
        let running = host.start();
        host.remove("a.log");
        match end {
            End::StopAtOnce => {}
            End::Stop => {
                wait_until("it is told", || running.told().contains("keeps its disk space"));
            }
            End::Kill => wait_until("it is saved", || {
                let path = host.place.path().join("data/registry/elasticsearch");
                let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
                files
                    .filter_map(|path| std::fs::read_to_string(path).ok())
                    .any(|text| text.contains("\"left\""))
            }),
        }
        if end == End::Kill {
            running.kill();
        } else {
            let (_, told) = running.stop();
            assert!(told.contains("removed file ") && told.contains("bytes="), "{end:?}: {told}");
        }
        let store = Store::default();
        let _server = store.serve(host.port);
        let running = host.place.start(&[]);
        wait_until("it is told", || running.told().contains("bytes are lost"));
        wait_until("it is counted", || host.audit()["sum"]["lost"] == json!(text.len()));
        assert_eq!(running.stop().0, 0, "{end:?}");
        assert_eq!(store.len(), 0);
    }
}

#[test]
fn rescue_of_an_epoch_that_nobody_knows_is_put_aside() {
    let host = Host::new(None, "", "");
    let store = Store::default();
    let _server = store.serve(host.port);
    let directory = host.place.path().join("data/rescue");
    std::fs::create_dir_all(&directory).unwrap();
    let mut file = std::fs::File::create(directory.join("AAAAAAAAAAAAAAAA.rescue")).unwrap();
    file.write_all(b"something").unwrap();
    let running = host.place.start(&[]);
    wait_until("it is told", || {
        running.told().contains("the registry does not know what was rescued")
    });
    assert_eq!(running.stop().0, 0);
    let aside = std::fs::read(directory.join("AAAAAAAAAAAAAAAA.unknown")).unwrap();
    assert_eq!(aside, b"something");
}
