//! Several hosts, and how many requests each of them gets at once.

use super::all_created;
use super::rig::{Rig, answer, greeting, quick, scripted};
use super::server::{Reply, Request, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many requests a server has in its hands, and the most that it had at once.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let result = act();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Sends as many batches as a time lasts, never with an idle output; returns how many.
fn pump(rig: &mut Rig, long: Duration) -> usize {
    let end = Instant::now() + long;
    let (mut sent, mut settled) = (0, 0);
    while Instant::now() < end {
        if rig.pool.in_use() < rig.pool.capacity() {
            let _ = rig.send(&["{}"]);
            sent += 1;
        } else {
            settled += rig.settled().len();
        }
    }
    while settled < sent {
        settled += rig.settled().len();
    }
    sent
}

#[test]
fn requests_at_once_grow_to_the_workers_while_that_helps_and_never_further() {
    let crowd = Arc::new(Crowd::default());
    let inside = Arc::clone(&crowd);
    let server = scripted(move |_, request| {
        inside.during(|| std::thread::sleep(Duration::from_millis(20)));
        all_created(request)
    });
    let mut settings = quick(&[server.url()]);
    settings.worker = 3;
    let mut rig = Rig::start(settings);
    let _ = rig.send(&["{}"]);
    let _ = rig.settled();
    assert_eq!(crowd.most(), 1);
    let sent = pump(&mut rig, Duration::from_secs(2));
    rig.finish();
    assert_eq!(crowd.most(), 3);
    assert!(150 < sent, "{sent} batches in 2 s, each 20 ms, three at once");
}

#[test]
fn requests_at_once_grow_also_while_some_documents_wait_for_their_target() {
    let crowd = Arc::new(Crowd::default());
    let inside = Arc::clone(&crowd);
    let server = scripted(move |_, request| {
        inside.during(|| std::thread::sleep(Duration::from_millis(20)));
        let sick = |action: &str| action.contains(r#""_index":"sick""#);
        let verdict = |action| {
            if sick(action) { (403, "cluster_block_exception") } else { (201, "") }
        };
        let actions = request.body.lines().step_by(2);
        Reply::json(200, answer(&actions.map(verdict).collect::<Vec<_>>()))
    });
    let mut settings = quick(&[server.url()]);
    settings.worker = 3;
    settings.backoff.init = Duration::from_mins(1);
    settings.backoff.max = Duration::from_mins(1);
    let mut rig = Rig::start(settings);
    let items = [(Some("sick"), "{}"), (Some("well"), "{}")];
    let _ = rig.send_to(&items);
    let _ = rig.settled();
    let (end, mut open) = (Instant::now() + Duration::from_secs(2), 0);
    while Instant::now() < end && crowd.most() < 3 {
        if rig.pool.in_use() < rig.pool.capacity() {
            let _ = rig.send_to(&items);
            open += 1;
        } else {
            open -= rig.settled().len();
        }
    }
    while 0 < open {
        open -= rig.settled().len();
    }
    rig.stop(Duration::from_secs(5));
    assert_eq!(crowd.most(), 3);
}

#[test]
fn too_many_requests_halve_what_is_on_its_way_at_once() {
    let (crowd, refuse) = (Arc::new(Crowd::default()), Arc::new(AtomicBool::new(false)));
    let (inside, refuses) = (Arc::clone(&crowd), Arc::clone(&refuse));
    let server = scripted(move |_, request| {
        inside.during(|| std::thread::sleep(Duration::from_millis(20)));
        if refuses.swap(false, Ordering::SeqCst) {
            return Reply::json(429, r#"{"error":{"type":"es_rejected_execution_exception"}}"#);
        }
        all_created(request)
    });
    let mut settings = quick(&[server.url()]);
    settings.worker = 4;
    let mut rig = Rig::start(settings);
    pump(&mut rig, Duration::from_secs(2));
    assert_eq!(crowd.most(), 4);
    refuse.store(true, Ordering::SeqCst);
    pump(&mut rig, Duration::from_millis(500));
    crowd.most.store(0, Ordering::SeqCst);
    pump(&mut rig, Duration::from_secs(1));
    assert_eq!(crowd.most(), 2, "halved, and left alone for a while");
    pump(&mut rig, Duration::from_secs(3));
    assert_eq!(crowd.most(), 4, "and it grows again");
    rig.finish();
}

#[test]
fn server_for_which_every_body_is_too_much_gets_smaller_ones() {
    let server = scripted(|_, request| {
        if 600 < request.body.len() {
            return Reply::json(429, r#"{"error":{"type":"es_rejected_execution_exception"}}"#);
        }
        all_created(request)
    });
    let mut rig = Rig::to(&server.url());
    let documents = vec![r#"{"message":"a document of some forty bytes"}"#; 100];
    let (_, range) = rig.send(&documents);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0]);
}

/// Documents of 1 KiB.
fn kibibytes(count: usize, index: &'static str) -> Vec<(Option<&'static str>, String)> {
    vec![(Some(index), format!(r#"{{"message":"{}"}}"#, "x".repeat(960))); count]
}

/// Answers each item of an index with 429 of which there are more than so many in a request.
fn refuses_many(most: usize, index: &'static str) -> Server {
    scripted(move |_, request| {
        let is_its = |line: &str| line.contains(&format!(r#""_index":"{index}""#));
        let actions = || request.body.lines().step_by(2);
        let is_too_much = most < actions().filter(|line| is_its(line)).count();
        let statuses: Vec<(u16, &str)> = actions()
            .map(|line| {
                let is_refused = is_too_much && is_its(line);
                if is_refused { (429, "es_rejected_execution_exception") } else { (201, "") }
            })
            .collect();
        Reply::json(200, answer(&statuses))
    })
}

fn settles(server: &Server, documents: &[(Option<&str>, String)]) {
    let mut rig = Rig::to(&server.url());
    let documents: Vec<(Option<&str>, &str)> =
        documents.iter().map(|(index, document)| (*index, document.as_str())).collect();
    let (_, range) = rig.send_to(&documents);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
}

#[test]
fn server_that_refuses_each_item_of_bodies_that_are_too_much_gets_smaller_ones() {
    settles(&refuses_many(20, "a"), &kibibytes(200, "a"));
}

#[test]
fn rest_of_a_batch_that_is_too_much_for_its_index_is_parted() {
    let documents = [kibibytes(10, "a"), kibibytes(600, "b")].concat();
    settles(&refuses_many(100, "b"), &documents);
}

#[test]
fn server_that_refuses_some_requests_whatever_their_size_still_gets_large_ones() {
    let server = scripted(|number, request| match number % 8 {
        4 => Reply::json(503, "{}"),
        5 => Reply::json(429, r#"{"error":{"type":"es_rejected_execution_exception"}}"#),
        _ => all_created(request),
    });
    let mut rig = Rig::to(&server.url());
    let document = format!(r#"{{"message":"{}"}}"#, "x".repeat(200));
    let documents = vec![document.as_str(); 1000];
    for _ in 0..40 {
        let (_, range) = rig.send(&documents);
        assert_eq!(rig.settled(), [range]);
    }
    rig.finish();
    let requests = server.bulks().len();
    assert!(requests < 40 * 6, "{requests} requests for 40 batches of a quarter of a megabyte");
}

#[test]
fn part_of_a_batch_that_fails_alone_holds_up_no_other_part() {
    let taken = AtomicUsize::new(0);
    let server = scripted(move |_, request| {
        if 50_000 < request.body.len() {
            return Reply::json(413, "");
        }
        if request.ids().contains(&"id0".to_owned()) && taken.load(Ordering::SeqCst) < 900 {
            return Reply::json(503, "{}");
        }
        taken.fetch_add(request.ids().len(), Ordering::SeqCst);
        all_created(request)
    });
    let mut rig = Rig::to(&server.url());
    let document = format!(r#"{{"message":"{}"}}"#, "x".repeat(400));
    let (_, range) = rig.send(&vec![document.as_str(); 1000]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
}

#[test]
fn body_for_which_the_connection_breaks_time_and_again_comes_in_smaller_ones() {
    let server =
        scripted(
            |_, request| {
                if 100_000 < request.body.len() { Reply::Close } else { all_created(request) }
            },
        );
    let mut rig = Rig::to(&server.url());
    let document = format!(r#"{{"message":"{}"}}"#, "x".repeat(400));
    for _ in 0..4 {
        let (_, range) = rig.send(&vec![document.as_str(); 1000]);
        assert_eq!(rig.settled(), [range]);
    }
    rig.finish();
    let requests = server.bulks().len();
    assert!(requests < 60, "{requests} requests for 4 batches of half a megabyte");
}

#[test]
fn without_load_balancing_one_host_is_asked_until_it_fails() {
    let down = [Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false))];
    let start = |down: &Arc<AtomicBool>| {
        let down = Arc::clone(down);
        scripted(
            move |_, request| {
                if down.load(Ordering::SeqCst) { Reply::Close } else { all_created(request) }
            },
        )
    };
    let servers = [start(&down[0]), start(&down[1])];
    let mut settings = quick(&[servers[0].url(), servers[1].url()]);
    settings.loadbalance = false;
    let mut rig = Rig::start(settings);
    let counts = || servers.each_ref().map(|server| server.bulks().len());
    pump(&mut rig, Duration::from_millis(200));
    let [first, second] = counts();
    assert!(0 < first.max(second) && first.min(second) == 0, "{first} and {second}");
    let used = usize::from(first < second);
    down[used].store(true, Ordering::SeqCst);
    pump(&mut rig, Duration::from_millis(400));
    down[used].store(false, Ordering::SeqCst);
    let before = counts();
    pump(&mut rig, Duration::from_millis(200));
    let after = counts();
    assert_eq!(after[used], before[used], "it stays with the one that took over");
    assert!(before[1 - used] < after[1 - used]);
    rig.finish();
}

#[test]
fn host_that_falls_silent_is_given_up_for_another_long_before_the_timeout() {
    let silent = Arc::new(AtomicBool::new(false));
    let falls = Arc::clone(&silent);
    let dead = Server::start(move |request| {
        if request.is_bulk() {
            falls.store(true, Ordering::SeqCst);
        }
        if falls.load(Ordering::SeqCst) {
            return Reply::Hang;
        }
        greeting(request).expect("bulk requests get nothing")
    });
    let living = scripted(|_, request| all_created(request));
    let mut settings = quick(&[dead.url(), living.url()]);
    settings.timeout = Duration::from_secs(40);
    let begun = Instant::now();
    let mut rig = Rig::start(settings);
    rig.wait_for("both are there", |rig| rig.stats.health.hosts().len() == 2);
    let ranges: Vec<_> = (0..4).map(|_| rig.send(&["{}"]).1).collect();
    let mut settled: Vec<_> = (0..4).flat_map(|_| rig.settled()).collect();
    settled.sort_by_key(|range| range.start);
    assert_eq!(settled, ranges);
    assert!(silent.load(Ordering::SeqCst));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    rig.finish();
}

#[test]
fn host_that_is_slow_to_answer_is_not_given_up() {
    let server = scripted(|_, request| {
        std::thread::sleep(Duration::from_secs(3));
        all_created(request)
    });
    let mut settings = quick(&[server.url(), server.url().replace("127.0.0.1", "localhost")]);
    settings.timeout = Duration::from_secs(16);
    let mut rig = Rig::start(settings);
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(server.bulks().len(), 1);
}

#[test]
fn slow_host_takes_what_it_can_and_holds_up_nobody() {
    let slow = scripted(|_, request| {
        std::thread::sleep(Duration::from_millis(400));
        all_created(request)
    });
    let quick_one = scripted(|_, request| {
        std::thread::sleep(Duration::from_millis(5));
        all_created(request)
    });
    let mut settings = quick(&[slow.url(), quick_one.url()]);
    settings.worker = 1;
    let mut rig = Rig::start(settings);
    pump(&mut rig, Duration::from_secs(2));
    rig.finish();
    let (few, many) = (slow.bulks().len(), quick_one.bulks().len());
    assert!(0 < few && few < 10 && 100 < many, "{few} and {many}");
}

#[test]
fn host_that_keeps_failing_gets_one_request_at_a_time_until_it_takes_one() {
    let crowd = Arc::new(Crowd::default());
    let (inside, down) = (Arc::clone(&crowd), Arc::new(AtomicBool::new(false)));
    let is_down = Arc::clone(&down);
    let server = scripted(move |_, request: &Request| {
        inside.during(|| {
            std::thread::sleep(Duration::from_millis(20));
            if is_down.load(Ordering::SeqCst) {
                return Reply::json(503, "no");
            }
            all_created(request)
        })
    });
    let mut settings = quick(&[server.url()]);
    settings.worker = 4;
    let mut rig = Rig::start(settings);
    pump(&mut rig, Duration::from_secs(2));
    assert_eq!(crowd.most(), 4);
    down.store(true, Ordering::SeqCst);
    let before = server.bulks().len();
    for _ in 0..4 {
        let _ = rig.send(&["{}"]);
    }
    // Those that were under way with others when it began to fail have ended by then.
    server.wait_for_bulks(before + 9);
    crowd.most.store(0, Ordering::SeqCst);
    server.wait_for_bulks(before + 16);
    assert_eq!(crowd.most(), 1);
    down.store(false, Ordering::SeqCst);
    for _ in 0..4 {
        let _ = rig.settled();
    }
    pump(&mut rig, Duration::from_millis(500));
    assert_eq!(crowd.most(), 4, "at full pace as soon as it has taken one");
    rig.finish();
}
