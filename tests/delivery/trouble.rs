//! Trouble on the way to a real server: blocked indices, answers that get lost.

use super::main_job::{each_once, lines, paths};
use crate::shared;
use crate::support::shipper::{Place, wait_until};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub fn append(log: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn block(index: &str, blocked: bool) {
    let settings = json!({"index.blocks.write": blocked}).to_string();
    let answer = shared().json("PUT", &format!("/{index}/_settings"), &settings);
    assert_eq!(answer["acknowledged"], true, "{answer}");
}

#[test]
fn index_that_is_blocked_holds_up_no_other_and_gets_all_when_the_block_is_lifted() {
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/sick.log\"], index: block-sick}}\n  \
         - {{type: log, paths: [\"{{logs}}/well.log\"], index: block-well}}\n\
         output.elasticsearch: {{hosts: [\"{}\"], backoff: {{init: 100ms, max: 500ms}}}}\n",
        shared().url()
    ));
    let (sick, well) = (place.log("sick.log"), place.log("well.log"));
    append(&sick, &lines(1, 100));
    append(&well, &lines(1, 100));
    let running = place.start(&[]);
    let count = |index: &str| shared().documents(index).len();
    wait_until("both are there", || count("block-sick") == 100 && count("block-well") == 100);
    block("block-sick", true);
    append(&sick, &lines(101, 3_000));
    append(&well, &lines(101, 3_000));
    wait_until("the other goes on", || count("block-well") == 3_000);
    wait_until("it is told", || {
        running.told().contains("target `block-sick` takes no documents; they are kept in `")
    });
    assert_eq!(count("block-sick"), 100);
    // What is kept outlives the process.
    running.kill();
    let running = place.start(&[]);
    append(&sick, &lines(3_001, 3_500));
    append(&well, &lines(3_001, 3_500));
    wait_until("the other goes on", || count("block-well") == 3_500);
    block("block-sick", false);
    wait_until("all is there", || count("block-sick") == 3_500);
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    for index in ["block-sick", "block-well"] {
        assert_eq!(paths(&shared().documents(index)), each_once(1, 3_500), "{index}");
    }
}

/// Stands before a server and lets an answer to a bulk request get lost where `loses`, which is asked with the number of
/// the request, says so: the server has stored what was in it. Returns its port, and how many were lost.
pub fn losing_answers(
    port: u16,
    loses: impl Fn(usize) -> bool + Send + Sync + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let (bulks, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, loses) = (Arc::clone(&lost), Arc::new(loses));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (bulks, lost, loses) = (Arc::clone(&bulks), Arc::clone(&lost), Arc::clone(&loses));
            let bulk_seen = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&bulk_seen);
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(read) = from.read(&mut bytes)
                    && read != 0
                {
                    if memchr::memmem::find(&bytes[..read], b"/_bulk").is_some() {
                        seen.store(1 + bulks.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    }
                    if to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (server, client);
            thread::spawn(move || {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(read) = from.read(&mut bytes)
                    && read != 0
                {
                    let number = bulk_seen.swap(0, Ordering::SeqCst);
                    if number != 0 && loses(number) {
                        lost.fetch_add(1, Ordering::SeqCst);
                        let _ = to.write_all(&bytes[..read.min(20)]);
                        break;
                    }
                    if to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
            });
        }
    });
    (own, counted)
}

#[test]
fn answers_that_get_lost_after_the_server_has_stored_the_batch_repeat_nothing() {
    let (port, lost) = losing_answers(shared().port, |number| number % 3 == 1);
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/*.log\"]}}\n\
         output.elasticsearch: {{hosts: [\"http://127.0.0.1:{port}\"], index: lost-answers, bulk_max_size: 100, \
         backoff: {{init: 100ms, max: 300ms}}}}\n"
    ));
    append(&place.log("access.log"), &lines(1, 1_500));
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert!(4 < lost.load(Ordering::SeqCst), "{lost:?} answers were lost");
    assert_eq!(paths(&shared().documents("lost-answers")), each_once(1, 1_500));
}
