//! The output against a server that says whatever a test wants: what is settled, when, and what is sent again.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make real files and wait for real answers, and end where they cannot go on"
)]

#[path = "output/answers.rs"]
mod answers;
#[path = "output/authority.rs"]
mod authority;
#[path = "output/blocked.rs"]
mod blocked;
#[path = "output/collision.rs"]
mod collision;
#[path = "output/dead_letters.rs"]
mod dead_letters;
#[path = "output/ends.rs"]
mod ends;
#[path = "output/hosts.rs"]
mod hosts;
#[path = "output/limits.rs"]
mod limits;
#[path = "support/log.rs"]
mod log;
#[path = "output/named.rs"]
mod named;
#[path = "output/random.rs"]
mod random;
#[path = "output/reload.rs"]
mod reload;
#[path = "output/rig.rs"]
mod rig;
#[path = "output/secrets.rs"]
mod secrets;
#[path = "output/server.rs"]
mod server;
#[path = "output/table.rs"]
mod table;
#[path = "output/tls.rs"]
mod tls;
#[path = "output/trial.rs"]
mod trial;

use rig::{BANNER, Rig, Store, answer, greeting, lines, quick, scripted};
use serde_json::json;
use server::{Reply, Request, Server};
use shipper::settings::{Auth, Secret};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CREATED: (u16, &str) = (201, "");

fn all_created(request: &Request) -> Reply {
    Reply::json(200, answer(&vec![CREATED; request.ids().len()]))
}

#[test]
fn stored_batch_is_settled_and_was_sent_as_it_stands() {
    let server = scripted(|_, request| all_created(request));
    let mut rig = Rig::to(&server.url());
    let (body, range) = rig.send(&[r#"{"a":1}"#, r#"{"a":"ü"}"#]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let bulks = server.bulks();
    assert_eq!(bulks.len(), 1);
    assert_eq!(bulks[0].body, body);
    assert_eq!((bulks[0].method.as_str(), bulks[0].path.as_str()), ("POST", "/logs/_bulk"));
    assert_eq!(bulks[0].header("content-type"), Some("application/x-ndjson"));
    assert_eq!(bulks[0].header("user-agent"), Some("shipper/0.1.0"));
    let sending = rig.stats.snapshot().sending;
    assert_eq!(
        (sending.total, sending.acked, sending.retries.sum(), sending.batches),
        (2, 2, 0, 1)
    );
    assert_eq!(sending.write_bytes, body.len() as u64);
}

#[test]
fn duplicate_counts_as_stored() {
    let server =
        scripted(|_, _| Reply::json(200, answer(&[(409, "version_conflict_engine_exception")])));
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.acked, sending.duplicates, sending.retries.sum()), (0, 1, 0));
}

#[test]
fn item_that_the_server_cannot_take_now_is_sent_again_alone_and_unchanged() {
    for (status, kind, reason) in [
        (429, "es_rejected_execution_exception", "too_many_requests"),
        (503, "unavailable_shards_exception", "busy"),
        (500, "something_exception", "item"),
    ] {
        let server = scripted(move |number, request| {
            if number == 0 {
                Reply::json(200, answer(&[CREATED, (status, kind), CREATED, (status, kind)]))
            } else {
                all_created(request)
            }
        });
        let mut rig = Rig::to(&server.url());
        let (body, range) = rig.send(&[r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        let lines: Vec<&str> = body.split_inclusive('\n').collect();
        let again = format!("{}{}{}{}", lines[2], lines[3], lines[6], lines[7]);
        let bodies: Vec<String> = server.bulks().into_iter().map(|bulk| bulk.body).collect();
        assert_eq!(bodies, [body, again], "{status}");
        let sending = rig.stats.snapshot().sending;
        assert_eq!((sending.total, sending.acked), (4, 4));
        assert_eq!(sending.retries.named(), [(reason, 2)]);
    }
}

#[test]
fn partial_retry_does_not_hold_up_other_batches() {
    let server = scripted(|_, request| {
        let busy = (429, "es_rejected_execution_exception");
        let statuses: Vec<(u16, &str)> =
            request.ids().iter().map(|id| if id == "id0" { busy } else { CREATED }).collect();
        Reply::json(200, answer(&statuses))
    });
    let mut settings = quick(&[server.url()]);
    settings.backoff.init = Duration::from_mins(1);
    settings.backoff.max = Duration::from_mins(1);
    let mut rig = Rig::start(settings);
    let _ = rig.send(&["{}", "{}"]);
    let mut ranges = Vec::new();
    for _ in 0..5 {
        ranges.push(rig.send(&["{}"]).1);
        assert_eq!(rig.settled(), &ranges[ranges.len() - 1..]);
    }
    rig.stop(Duration::from_secs(5));
    rig.nothing_settled();
}

#[test]
fn document_that_the_server_refuses_goes_to_the_dead_letters() {
    let server = scripted(|_, _| {
        Reply::json(200, answer(&[CREATED, (400, "document_parsing_exception"), CREATED]))
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}", r#"{"x":"1e5"}"#, "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(server.bulks().len(), 1);
    let letter = json!({
        "status": 400,
        "type": "document_parsing_exception",
        "reason": "because",
        "id": "id1",
        "target": "logs",
        "source": {},
        "action": { "create": { "_id": "id1" } },
        "document": { "x": "1e5" },
    });
    assert_eq!(rig.dead_letters(), [letter]);
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.acked, sending.dead_letters, sending.retries.sum()), (2, 1, 0));
}

#[test]
fn dead_letter_that_cannot_be_written_pauses_and_is_not_lost() {
    let server = scripted(|_, request| {
        let refused = (400, "document_parsing_exception");
        let ids = request.ids();
        let statuses: Vec<_> =
            ids.iter().map(|id| if id == "id1" { refused } else { CREATED }).collect();
        Reply::json(200, answer(&statuses))
    });
    let mut rig = Rig::to(&server.url());
    let in_the_way = rig.data.path().join("dead_letters");
    std::fs::write(&in_the_way, "").unwrap();
    let (_, first) = rig.send(&["{}", "{}"]);
    let trouble = rig.wait_for_trouble();
    assert!(trouble.contains("cannot keep dead letters in `"), "{trouble}");
    server.wait_for_bulks(4);
    let health = rig.stats.health.hosts()[&server.url()].clone();
    assert!(health.since.is_some() && health.reason.contains("cannot keep"), "{health:?}");
    rig.nothing_settled();
    std::fs::remove_file(&in_the_way).unwrap();
    assert_eq!(rig.settled(), [first]);
    assert_eq!(rig.dead_letters().len(), 1);
    rig.finish();
}

#[test]
fn host_that_takes_nothing_of_a_batch_over_and_over_fails_all_the_while() {
    let mended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&mended);
    let server = scripted(move |_, request| {
        if seen.load(Ordering::SeqCst) {
            return all_created(request);
        }
        Reply::json(200, answer(&[(429, "es_rejected_execution_exception"); 2]))
    });
    let mut rig = Rig::to(&server.url());
    let (_, first) = rig.send(&["{}", "{}"]);
    server.wait_for_bulks(4);
    let health = rig.stats.health.hosts()[&server.url()].clone();
    assert!(health.since.is_some(), "{health:?}");
    mended.store(true, Ordering::SeqCst);
    assert_eq!(rig.settled(), [first]);
    assert_eq!(rig.stats.health.hosts()[&server.url()].since, None);
    rig.finish();
}

#[test]
fn fault_of_the_set_up_pauses_the_output_until_it_is_mended() {
    for (status, kind) in [
        (403, "cluster_block_exception"),
        (403, "security_exception"),
        (404, "index_not_found_exception"),
        (400, "index_closed_exception"),
        (400, "unheard_of_exception"),
        (401, "security_exception"),
        (418, "teapot_exception"),
    ] {
        let mended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&mended);
        let server = scripted(move |_, request| {
            if seen.load(Ordering::SeqCst) {
                return all_created(request);
            }
            let blocked = request.ids().into_iter().map(|id| match id.as_str() {
                "id0" => CREATED,
                _ => (status, kind),
            });
            Reply::json(200, answer(&blocked.collect::<Vec<_>>()))
        });
        let mut rig = Rig::to(&server.url());
        let (_, first) = rig.send(&["{}", "{}"]);
        let trouble = rig.wait_for_trouble();
        let expected = format!("pauses, nothing is dropped: {status} {kind}: because");
        assert!(trouble.contains(&expected), "{trouble}");
        // Only what is blocked is tried again.
        server.wait_for_bulks(3);
        let ids: Vec<Vec<String>> = server.bulks().iter().map(Request::ids).collect();
        assert_eq!(ids[..3], [vec!["id0", "id1"], vec!["id1"], vec!["id1"]], "{status} {kind}");
        let (_, second) = rig.send(&["{}"]);
        rig.nothing_settled();
        mended.store(true, Ordering::SeqCst);
        let mut settled = [rig.settled(), rig.settled()].concat();
        settled.sort_by_key(|range| range.start);
        assert_eq!(settled, [first, second]);
        rig.finish();
        assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0]);
    }
}

#[test]
fn item_that_fails_ten_times_while_others_pass_is_a_dead_letter() {
    let server = scripted(|_, request| {
        let statuses: Vec<(u16, &str)> = request
            .ids()
            .iter()
            .map(|id| if id == "id1" { (500, "fail_processor_exception") } else { CREATED })
            .collect();
        Reply::json(200, answer(&statuses))
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}", "{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(server.bulks().len(), 10);
    assert_eq!(rig.dead_letters().len(), 1);
    assert_eq!(rig.dead_letters()[0]["action"]["create"]["_id"], "id1");
}

#[test]
fn items_that_all_fail_are_tried_for_ever() {
    let server = scripted(|number, request| {
        let failing = vec![(500, "something_exception"); request.ids().len()];
        if number < 14 { Reply::json(200, answer(&failing)) } else { all_created(request) }
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(server.bulks().len(), 15);
    assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0]);
}

#[test]
fn request_that_gets_no_usable_answer_is_sent_again_unchanged() {
    let html = "<html><body><h1>It works!</h1></body></html>";
    let whole = answer(&[CREATED, CREATED]);
    let no_status = r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{}}]}"#;
    for (reply, reason) in [
        (Reply::json(429, ""), "too_many_requests"),
        (Reply::json(500, "oops"), "busy"),
        (Reply::json(502, html), "busy"),
        (Reply::json(503, r#"{"error":{"type":"x"},"status":503}"#), "busy"),
        (Reply::json(200, html), "answer"),
        (Reply::json(200, ""), "answer"),
        (Reply::json(200, "{}"), "answer"),
        (Reply::json(204, ""), "answer"),
        (Reply::json(200, answer(&[CREATED])), "answer"),
        (Reply::json(200, answer(&[CREATED, CREATED, CREATED])), "answer"),
        (Reply::json(200, &whole[..whole.len() - 3]), "answer"),
        (Reply::json(200, no_status), "answer"),
        (Reply::json(200, format!("{whole}{whole}")), "answer"),
        (Reply::json(200, whole.replace("201", "\"201\"")), "answer"),
        (Reply::json(200, whole.replace("create", "upsert")), "answer"),
        (Reply::json(200, r#"{"errors":false,"items":[null,null]}"#), "answer"),
        (Reply::json(206, &whole[..whole.len() / 2]), "answer"),
        (Reply::json(504, whole.clone()), "busy"),
        (Reply::Cut(whole.clone(), 20), "connection"),
        (Reply::Cut(whole.clone(), 0), "connection"),
        (Reply::Close, "connection"),
    ] {
        let told = format!("{reply:?}");
        let server = scripted(move |number, request| match number {
            0 => reply.clone(),
            _ => all_created(request),
        });
        let mut rig = Rig::to(&server.url());
        let (body, range) = rig.send(&["{}", "{}"]);
        assert_eq!(rig.settled(), [range], "{told}");
        rig.finish();
        let bodies: Vec<String> = server.bulks().into_iter().map(|bulk| bulk.body).collect();
        assert_eq!(bodies, [body.clone(), body], "{told}");
        assert_eq!(rig.stats.snapshot().sending.retries.named(), [(reason, 2)], "{told}");
    }
}

#[test]
fn batch_that_was_stored_before_the_connection_broke_is_settled_once() {
    let store = Arc::new(Store::default());
    let taking = Arc::clone(&store);
    let server = scripted(move |number, request| {
        let body = taking.take(request);
        if number == 0 { Reply::Cut(body, 10) } else { Reply::json(200, body) }
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}", "{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(store.len(), 3);
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.acked, sending.duplicates), (0, 3));
}

#[test]
fn answer_that_does_not_come_is_waited_for_no_longer_than_the_timeout() {
    let server = scripted(|number, request| match number {
        0 => Reply::Hang,
        _ => all_created(request),
    });
    let mut settings = quick(&[server.url()]);
    settings.timeout = Duration::from_millis(200);
    let mut rig = Rig::start(settings);
    let (body, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let bodies: Vec<String> = server.bulks().into_iter().map(|bulk| bulk.body).collect();
    assert_eq!(bodies, [body.clone(), body]);
}

#[test]
fn server_that_asks_for_a_wait_gets_it() {
    for item in [false, true] {
        let server = scripted(move |number, request| {
            let busy = answer(&[(429, "es_rejected_execution_exception")]);
            let header = "Retry-After: 1\r\n".to_owned();
            match number {
                0 if item => Reply::Whole(200, header, busy),
                0 => Reply::Whole(429, header, String::new()),
                _ => all_created(request),
            }
        });
        let mut rig = Rig::to(&server.url());
        let begun = Instant::now();
        let (_, range) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [range]);
        assert!(Duration::from_secs(1) <= begun.elapsed(), "{:?}", begun.elapsed());
        rig.finish();
    }
}

#[test]
fn request_that_is_too_large_is_halved_and_one_event_too_large_is_a_dead_letter() {
    const LIMIT: usize = 120;
    let server = scripted(|_, request| {
        if LIMIT < request.body.len() {
            return Reply::json(413, "<html>Request Entity Too Large</html>");
        }
        all_created(request)
    });
    let mut rig = Rig::to(&server.url());
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(LIMIT));
    let (body, range) = rig.send(&["{}", "{}", "{}", &large, "{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let taken: String = server
        .bulks()
        .into_iter()
        .map(|bulk| bulk.body)
        .filter(|body| body.len() <= LIMIT)
        .collect();
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    assert_eq!(taken, [&lines[..6], &lines[8..]].concat().concat());
    assert_eq!(rig.dead_letters().len(), 1);
    assert_eq!(rig.dead_letters()[0]["document"]["x"], "y".repeat(LIMIT));
    assert_eq!(rig.dead_letters()[0]["status"], 413);
}

#[test]
fn size_that_a_server_takes_is_learned_once_and_not_for_each_batch() {
    const LIMIT: usize = 12_000;
    for compression_level in [0, 1] {
        let server = scripted(|_, request| {
            if LIMIT < request.body.len() {
                return Reply::json(413, "");
            }
            all_created(request)
        });
        let mut settings = quick(&[server.url()]);
        settings.compression_level = compression_level;
        let mut rig = Rig::start(settings);
        let document = format!(r#"{{"x":"{}"}}"#, "y".repeat(250));
        let mut requests = Vec::new();
        let mut sent = String::new();
        for _ in 0..3 {
            let before = server.bulks().len();
            // Of 29 kB.
            let (body, range) = rig.send(&[document.as_str(); 100]);
            assert_eq!(rig.settled(), [range]);
            requests.push(server.bulks().len() - before);
            sent.push_str(&body);
        }
        rig.finish();
        // The first is refused whole and as a half.
        assert_eq!(requests, [2 + 4, 4, 4], "level {compression_level}");
        let taken: String = server
            .bulks()
            .into_iter()
            .map(|bulk| bulk.body)
            .filter(|body| body.len() <= LIMIT)
            .collect();
        assert_eq!(taken, sent);
    }
}

const OWN_ERROR: &str =
    r#"{"error":{"type":"illegal_argument_exception","reason":"Malformed action"},"status":400}"#;

#[test]
fn document_that_spoils_its_request_is_found_by_halving() {
    for culprits in [&["id5"][..], &["id0"], &["id0", "id1", "id2", "id3", "id9"]] {
        let server = scripted(move |_, request| {
            let spoilt = request.ids().iter().any(|id| culprits.contains(&id.as_str()));
            if spoilt { Reply::json(400, OWN_ERROR) } else { all_created(request) }
        });
        let mut rig = Rig::to(&server.url());
        let (_, range) = rig.send(&["{}"; 12]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        let mut letters: Vec<String> = rig
            .dead_letters()
            .iter()
            .map(|letter| letter["action"]["create"]["_id"].as_str().unwrap().to_owned())
            .collect();
        letters.sort();
        assert_eq!(letters, culprits);
        assert_eq!(rig.dead_letters()[0]["reason"], "Malformed action");
        assert_eq!(rig.stats.snapshot().sending.acked, 12 - culprits.len() as u64);
    }
}

#[test]
fn server_that_refuses_every_request_gets_no_document_into_the_dead_letters() {
    let mended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&mended);
    let server = scripted(move |_, request| {
        if seen.load(Ordering::SeqCst) { all_created(request) } else { Reply::json(400, OWN_ERROR) }
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}"; 1_000]);
    server.wait_for_bulks(300);
    // A round tries some items alone and the rest in pieces of doubling size: not two thousand requests.
    let first_round = server.bulks().iter().skip(1).position(|bulk| bulk.ids().len() == 1_000);
    assert!(first_round.is_some_and(|requests| requests < 150), "{first_round:?}");
    mended.store(true, Ordering::SeqCst);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0]);
}

#[test]
fn answer_that_elasticsearch_did_not_write_pauses_the_output() {
    let html =
        "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>";
    for (status, header, body) in [
        (301, "Location: http://elsewhere/\r\n", ""),
        (302, "Location: http://127.0.0.1:9/login\r\n", "<html>Sign in</html>"),
        (400, "", html),
        (401, "", r#"{"error":{"type":"security_exception","reason":"no"},"status":401}"#),
        (403, "", "Forbidden by proxy"),
        (404, "", "<html>Not Found</html>"),
        (405, "", ""),
        (400, "", r#"{"error":{"type":"invalid_index_name_exception","reason":"x"},"status":400}"#),
    ] {
        let mended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&mended);
        let server = scripted(move |_, request| {
            if seen.load(Ordering::SeqCst) {
                all_created(request)
            } else {
                Reply::Whole(status, header.to_owned(), body.to_owned())
            }
        });
        let mut rig = Rig::to(&server.url());
        let (text, range) = rig.send(&["{}", "{}"]);
        let trouble = rig.wait_for_trouble();
        assert!(trouble.contains(&format!("nothing is dropped: {status} ")), "{trouble}");
        server.wait_for_bulks(3);
        rig.nothing_settled();
        mended.store(true, Ordering::SeqCst);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        assert!(server.bulks().iter().all(|bulk| bulk.body == text));
        assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0]);
    }
}

#[test]
fn batch_goes_to_another_host_when_its_own_fails() {
    let store = Arc::new(Store::default());
    let taking = Arc::clone(&store);
    let good = scripted(move |_, request| Reply::json(200, taking.take(request)));
    for bad in [
        scripted(|_, _| Reply::Close),
        scripted(|_, _| Reply::json(503, "")),
        scripted(|_, _| Reply::json(200, "<html></html>")),
    ] {
        let mut settings = quick(&[bad.url(), good.url()]);
        // Long enough that only the other host can be quick.
        settings.backoff.init = Duration::from_mins(1);
        settings.backoff.max = Duration::from_mins(1);
        let mut rig = Rig::start(settings);
        for _ in 0..8 {
            let (_, range) = rig.send(&["{}"]);
            assert_eq!(rig.settled(), [range]);
        }
        rig.finish();
    }
}

#[test]
fn dead_host_is_no_obstacle_while_another_lives() {
    let nobody = Server::start(|_| Reply::Close).address();
    let server = scripted(|_, request| all_created(request));
    let mut rig = Rig::start(quick(&[format!("http://{nobody}"), server.url()]));
    for _ in 0..4 {
        let (_, range) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [range]);
    }
    rig.finish();
}

#[test]
fn server_that_comes_late_is_waited_for_and_told_in_the_words_operators_know() {
    let address = Server::start(|_| Reply::Close).address();
    let mut rig = Rig::to(&format!("http://{address}"));
    let (_, range) = rig.send(&["{}"]);
    rig.wait_for("two attempts", |_| {
        let wanted =
            format!("backoff(elasticsearch(http://{address})) with 1 reconnect attempt(s)");
        lines().iter().any(|line| line.contains(&wanted))
    });
    let server = Server::at(address, None, |request| {
        greeting(request).unwrap_or_else(|| all_created(request))
    });
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    drop(server);
    let name = format!("backoff(elasticsearch(http://{address}))");
    for wanted in [
        format!("ERROR Failed to connect to {name}: "),
        format!("INFO Attempting to reconnect to {name} with 1 reconnect attempt(s)"),
        format!("INFO Connection to {name} established"),
    ] {
        assert!(lines().iter().any(|line| line.starts_with(&wanted)), "{wanted}");
    }
    let failed = format!("ERROR Failed to connect to {name}: ");
    let reason = lines().into_iter().find_map(|line| Some(line.strip_prefix(&failed)?.to_owned()));
    assert!(reason.clone().unwrap().contains("Connection refused (os error 111)"), "{reason:?}");
}

#[test]
fn something_else_than_elasticsearch_is_not_sent_to() {
    for (status, body, expected) in [
        (
            200,
            "<html><body>It works!</body></html>",
            "what answers is not Elasticsearch: <html><body>It works!</body></html>",
        ),
        (200, r#"{"hello":"world"}"#, r#"what answers is not Elasticsearch: {"hello":"world"}"#),
        (301, "", "301 no answer of Elasticsearch: (an empty body)"),
        (502, "Bad Gateway", "502: Bad Gateway"),
        (401, r#"{"error":"no"}"#, "401: no"),
    ] {
        let server = Server::start(move |_| Reply::json(status, body));
        let mut rig = Rig::to(&server.url());
        let _ = rig.send(&["{}"]);
        let told =
            format!("Failed to connect to backoff(elasticsearch({})): {expected}", server.url());
        let trouble = rig.wait_for_trouble();
        assert!(trouble.contains(&told), "{trouble}");
        rig.stop(Duration::from_secs(5));
        rig.nothing_settled();
        assert_eq!(server.bulks(), []);
    }
}

#[test]
fn opensearch_and_servers_that_keep_silent_about_themselves_are_taken() {
    let opensearch = r#"{"version":{"number":"2.19.6","distribution":"opensearch"}}"#;
    for (status, body) in [(200, opensearch), (403, "")] {
        let server = Server::start(move |request| {
            if request.path == "/" {
                return Reply::json(status, body);
            }
            greeting(request).unwrap_or_else(|| all_created(request))
        });
        let mut rig = Rig::to(&server.url());
        let (_, range) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
    }
}

#[test]
fn proxy_that_lets_only_bulk_requests_through_is_taken_with_one_warning() {
    for status in [404, 405] {
        let broken = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            if !request.is_bulk() {
                return Reply::json(status, "<html>no such thing</html>");
            }
            if request.body.contains("again") && broken.fetch_add(1, Ordering::SeqCst) < 5 {
                return Reply::Close;
            }
            all_created(request)
        });
        let mut rig = Rig::to(&server.url());
        let (_, range) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [range]);
        // The connection breaks, again and again: the host is asked again who it is.
        let (_, range) = rig.send(&[r#"{"x":"again"}"#]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        let asked = server.requests().iter().filter(|request| request.path == "/").count();
        assert!(1 < asked, "{:#?}", server.requests());
        let told = format!("WARN {} does not say what it is ({status})", server.url());
        let warnings = lines().into_iter().filter(|line| line.starts_with(&told));
        assert_eq!(warnings.count(), 1, "{:#?}", lines());
        assert!(lines().iter().any(|line| line.contains(&format!("by this user ({status})"))));
        assert!(0 < rig.stats.snapshot().sending.reconnects);
    }
}

#[test]
fn address_whose_path_leads_nowhere_is_told_by_the_bulk_request() {
    let server = Server::start(|_| Reply::json(404, r#"{"error":"no handler found"}"#));
    let mut rig = Rig::to(&format!("{}/wrong", server.url()));
    let _ = rig.send(&["{}"]);
    let trouble = rig.wait_for_trouble();
    assert!(trouble.contains("pauses, nothing is dropped: 404: no handler found"), "{trouble}");
    assert!(trouble.contains("check index, path"), "{trouble}");
    rig.stop(Duration::from_secs(5));
    rig.nothing_settled();
}

#[test]
fn stop_does_not_wait_for_a_backoff() {
    for reply in [Reply::json(503, ""), Reply::json(429, ""), Reply::json(401, ""), Reply::Close] {
        let server = scripted(move |_, _| reply.clone());
        let mut settings = quick(&[server.url()]);
        settings.backoff.init = Duration::from_mins(1);
        let mut rig = Rig::start(settings);
        for _ in 0..3 {
            let _ = rig.send(&["{}"]);
        }
        server.wait_for_bulks(1);
        let begun = Instant::now();
        rig.stop(Duration::from_secs(15));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        rig.nothing_settled();
    }
}

#[test]
fn stop_does_not_wait_for_a_host_that_was_never_there() {
    let nobody = Server::start(|_| Reply::Close).address();
    let mut rig = Rig::to(&format!("http://{nobody}"));
    let _ = rig.send(&["{}"]);
    let _ = rig.wait_for_trouble();
    let begun = Instant::now();
    rig.stop(Duration::from_secs(15));
    assert!(begun.elapsed() < Duration::from_secs(5));
    rig.nothing_settled();
}

#[test]
fn stop_waits_for_requests_in_flight_and_sends_what_is_sealed() {
    let server = scripted(|_, request| {
        let body = answer(&vec![CREATED; request.ids().len()]);
        Reply::Late(Duration::from_millis(150), body)
    });
    let mut rig = Rig::to(&server.url());
    let ranges: Vec<_> = (0..3).map(|_| rig.send(&["{}"]).1).collect();
    server.wait_for_bulks(1);
    rig.stop(Duration::from_secs(15));
    let settled: Vec<_> = (0..3).flat_map(|_| rig.settled()).collect();
    assert_eq!(settled, ranges);
}

#[test]
fn request_in_flight_is_given_up_at_the_deadline_and_not_settled() {
    let server = scripted(|_, _| Reply::Hang);
    let mut rig = Rig::to(&server.url());
    let _ = rig.send(&["{}"]);
    server.wait_for_bulks(1);
    let begun = Instant::now();
    rig.stop(Duration::from_millis(200));
    assert!(Duration::from_millis(190) <= begun.elapsed(), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    rig.nothing_settled();
}

#[test]
fn compressed_requests_hold_the_same_bytes_also_when_sent_again() {
    let server = scripted(|number, request| match number {
        0 => Reply::Close,
        1 => Reply::json(200, answer(&[CREATED, (429, "x"), CREATED])),
        _ => all_created(request),
    });
    let mut settings = quick(&[server.url()]);
    settings.compression_level = 1;
    let mut rig = Rig::start(settings);
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(100_000));
    let (body, range) = rig.send(&["{}", &large, "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let bulks = server.bulks();
    assert!(bulks.iter().all(|bulk| bulk.header("content-encoding") == Some("gzip")));
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    let bodies: Vec<String> = bulks.into_iter().map(|bulk| bulk.body).collect();
    assert_eq!(bodies, [body.clone(), body.clone(), lines[2..4].concat()]);
    assert!(rig.stats.snapshot().sending.write_bytes < 5_000);
}

#[test]
fn credentials_headers_parameters_and_pipeline_are_sent() {
    for (auth, expected) in [
        (Auth::None, None),
        (
            Auth::Basic { username: "Aladdin".to_owned(), password: Secret::new("open sesame") },
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        (Auth::ApiKey(Secret::new("id:key")), Some("ApiKey aWQ6a2V5")),
    ] {
        let server = scripted(|_, request| all_created(request));
        let mut settings = quick(&[server.url()]);
        settings.auth = auth;
        settings.headers = vec![("X-Own".to_owned(), Secret::new("mine"))];
        settings.parameters = vec![("timeout".to_owned(), "5 m".to_owned())];
        settings.pipeline = Some("web".to_owned());
        let mut rig = Rig::start(settings);
        let (_, range) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        for request in server.requests() {
            assert_eq!(request.header("authorization"), expected, "{request:?}");
            assert_eq!(request.header("x-own"), Some("mine"));
        }
        let query = &server.bulks()[0].query;
        assert!(query.ends_with("&timeout=5+m&pipeline=web"), "{query}");
    }
}

#[test]
fn no_secret_gets_into_logs_even_when_an_answer_repeats_it() {
    let server = Server::start(|request| {
        let seen = request.header("authorization").unwrap_or_default();
        let decoded = "elastic:hunter2-secret";
        match greeting(request) {
            Some(reply) => reply,
            // As a debugging proxy does.
            None => Reply::json(401, format!("denied: {seen} {decoded}")),
        }
    });
    let mut settings = quick(&[server.url()]);
    settings.auth =
        Auth::Basic { username: "elastic".to_owned(), password: Secret::new("hunter2-secret") };
    let mut rig = Rig::start(settings);
    let _ = rig.send(&["{}"]);
    let trouble = rig.wait_for_trouble();
    assert!(trouble.contains("401"), "{trouble}");
    rig.stop(Duration::from_secs(5));
    let code = "ZWxhc3RpYzpodW50ZXIyLXNlY3JldA==";
    for line in lines() {
        assert!(!line.contains("hunter2-secret") && !line.contains(code), "{line}");
    }
}

#[test]
fn missing_template_is_installed_before_the_first_bulk_and_an_existing_one_is_kept() {
    for (exists, overwrite, expected) in [
        (false, false, &["GET /", "HEAD /_index_template/logs", "PUT /_index_template/logs"][..]),
        (true, false, &["GET /", "HEAD /_index_template/logs"]),
        (true, true, &["GET /", "PUT /_index_template/logs"]),
    ] {
        let server = Server::start(move |request| match request.method.as_str() {
            "HEAD" if exists => Reply::json(200, ""),
            "HEAD" => Reply::json(404, ""),
            "PUT" => Reply::json(200, r#"{"acknowledged":true}"#),
            "GET" => Reply::json(200, BANNER),
            _ => all_created(request),
        });
        let mut settings = quick(&[server.url()]);
        settings.template.overwrite = overwrite;
        let mut rig = Rig::start(settings);
        let (_, range) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [range]);
        rig.finish();
        let seen: Vec<String> = server
            .requests()
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect();
        assert_eq!(seen, [expected, &["POST /logs/_bulk"]].concat());
    }
}

#[test]
fn template_that_may_not_be_installed_is_a_warning_and_no_obstacle() {
    let server = Server::start(move |request| match request.method.as_str() {
        "HEAD" | "PUT" => Reply::json(403, ""),
        "GET" => Reply::json(200, BANNER),
        _ => all_created(request),
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert!(lines().iter().any(|line| line.starts_with("WARN index template `logs`")));
}

#[test]
fn server_that_is_not_ready_for_templates_gets_no_document_yet() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |request| match request.method.as_str() {
        "HEAD" => Reply::json(404, ""),
        "PUT" => {
            let status = if tries.fetch_add(1, Ordering::SeqCst) < 2 { 503 } else { 200 };
            Reply::json(status, "")
        }
        "GET" => Reply::json(200, BANNER),
        _ => all_created(request),
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let puts = server.requests().iter().filter(|request| request.method == "PUT").count();
    assert_eq!((puts, server.bulks().len()), (3, 1));
}
