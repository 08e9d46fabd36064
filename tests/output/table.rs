//! Rows of the table of bulk answers that no other test has.

use super::rig::{Rig, quick, scripted};
use super::server::{PATIENCE, Reply, Request, Server};
use super::{CREATED, all_created, answer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn item_that_the_server_has_no_time_for_is_stored_in_the_end_however_long_that_takes() {
    for busy in [(429, "es_rejected_execution_exception"), (503, "unavailable_shards_exception")] {
        let tries = AtomicUsize::new(0);
        let server = scripted(move |_, request| {
            let statuses: Vec<(u16, &str)> = request
                .ids()
                .iter()
                .map(|id| match id.as_str() {
                    "id0" if tries.fetch_add(1, Ordering::SeqCst) < 14 => busy,
                    _ => CREATED,
                })
                .collect();
            Reply::json(200, answer(&statuses))
        });
        let mut rig = Rig::to(&server.url());
        let (_, range) = rig.send(&["{}", "{}"]);
        assert_eq!(rig.settled(), [range], "{busy:?}");
        rig.finish();
        assert_eq!(server.bulks().len(), 15, "{busy:?}");
        assert_eq!(rig.dead_letters(), [] as [Value; 0], "{busy:?}");
        assert_eq!(rig.stats.snapshot().sending.acked, 2, "{busy:?}");
    }
}

#[test]
fn status_of_each_item_counts_whatever_the_flag_of_errors_says() {
    let server = scripted(|number, _| {
        let refused = json!({"create": {"status": 400, "error":
            {"type": "document_parsing_exception", "reason": "because"}}});
        let busy = json!({"create": {"status": 429}});
        let stored = json!({"create": {"status": 201, "error": {"type": "odd"}}});
        Reply::json(
            200,
            match number {
                0 => json!({"errors": false, "items": [refused, busy, stored]}).to_string(),
                _ => json!({"errors": true, "items": [stored]}).to_string(),
            },
        )
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}", "{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let sent: Vec<Vec<String>> = server.bulks().iter().map(Request::ids).collect();
    assert_eq!(sent, [vec!["id0", "id1", "id2"], vec!["id1"]]);
    let dead: Vec<Value> = rig.dead_letters().iter().map(|letter| letter["id"].clone()).collect();
    assert_eq!(dead, ["id0"]);
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.acked, sending.dead_letters), (2, 1));
}

#[test]
fn refusal_that_is_of_no_document_pauses_and_seeks_no_culprit() {
    let no_handler = r#"{"error":"no handler found for uri [/x/_bulk] and method [POST]"}"#;
    let gateway = r#"{"error":"invalid request"}"#;
    for (body, words) in [
        (no_handler, "400: no handler found for uri [/x/_bulk] and method [POST]"),
        (gateway, "400: invalid request"),
    ] {
        let mended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&mended);
        let server = scripted(move |number, request| {
            // One of two servers behind an address is wrong: neighbours pass.
            if number == 0 || seen.load(Ordering::SeqCst) {
                return all_created(request);
            }
            Reply::json(400, body)
        });
        let mut rig = Rig::to(&server.url());
        let (_, first) = rig.send(&["{}"]);
        assert_eq!(rig.settled(), [first]);
        let (text, second) = rig.send(&["{}", "{}"]);
        let trouble = rig.wait_for_trouble();
        assert!(trouble.contains(&format!("nothing is dropped: {words}")), "{trouble}");
        server.wait_for_bulks(4);
        rig.nothing_settled();
        mended.store(true, Ordering::SeqCst);
        assert_eq!(rig.settled(), [second]);
        rig.finish();
        assert!(server.bulks()[1..].iter().all(|bulk| bulk.body == text));
        assert_eq!(rig.dead_letters(), [] as [Value; 0]);
    }
}

#[test]
fn document_whose_target_had_no_time_for_long_has_all_its_strikes_left() {
    let server = scripted(move |number, request| {
        let verdict = |id: &String| match (id.as_str(), number) {
            ("id0", _) | (_, 21..) => (201, ""),
            (_, 12..21) => (500, "null_pointer_exception"),
            _ => (503, "unavailable_shards_exception"),
        };
        let statuses: Vec<(u16, &str)> = request.ids().iter().map(verdict).collect();
        Reply::json(200, answer(&statuses))
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0], "nine of ten");
    assert_eq!(server.bulks().len(), 22);
}

#[test]
fn server_that_takes_no_body_at_all_gets_no_document_into_the_dead_letters() {
    let mended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&mended);
    let server = scripted(move |_, request| {
        if seen.load(Ordering::SeqCst) {
            super::all_created(request)
        } else {
            Reply::json(413, "<html>Request Entity Too Large</html>")
        }
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}"; 100]);
    server.wait_for_bulks(300);
    rig.nothing_settled();
    mended.store(true, Ordering::SeqCst);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [serde_json::Value; 0]);
}

#[test]
fn one_large_document_alone_that_is_too_large_is_a_dead_letter_at_once() {
    let server = scripted(|_, _| Reply::json(413, ""));
    let mut rig = Rig::to(&server.url());
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(64 << 10));
    let (_, range) = rig.send(&[&large]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!((rig.dead_letters().len(), server.bulks().len()), (1, 1));
}

#[test]
fn what_was_on_its_way_when_a_fault_of_the_set_up_began_makes_no_document_its_culprit() {
    let (mended, arrived) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let taken = Arc::new(AtomicUsize::new(0));
    let refusal = r#"{"error":{"type":"parse_exception","reason":"request body is required"}}"#;
    let serve = || {
        let (mended, arrived, taken) =
            (Arc::clone(&mended), Arc::clone(&arrived), Arc::clone(&taken));
        scripted(move |_, request| {
            if request.body.contains("early") {
                arrived.store(true, Ordering::SeqCst);
                let until = Instant::now() + PATIENCE;
                while taken.load(Ordering::SeqCst) == 0 && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(2));
                }
                return Reply::Late(Duration::from_millis(100), answer(&[CREATED]));
            }
            if mended.load(Ordering::SeqCst) {
                return all_created(request);
            }
            taken.fetch_add(1, Ordering::SeqCst);
            Reply::json(400, refusal)
        })
    };
    let servers = [serve(), serve()];
    let mut rig = Rig::start(quick(&servers.each_ref().map(Server::url)));
    let (_, early) = rig.send(&[r#"{"x":"early"}"#]);
    rig.wait_for("one host is busy", |_| arrived.load(Ordering::SeqCst));
    let (_, late) = rig.send(&["{}"; 4]);
    assert_eq!(rig.settled(), [early]);
    let before = taken.load(Ordering::SeqCst);
    rig.wait_for("they are sent again", |_| before + 20 < taken.load(Ordering::SeqCst));
    mended.store(true, Ordering::SeqCst);
    assert_eq!(rig.settled(), [late]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [Value; 0]);
}

#[test]
fn fault_of_the_set_up_that_begins_under_load_makes_no_document_of_a_request_on_its_way_its_culprit()
 {
    let (mended, arrived) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (taken, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let serve = || {
        let (mended, arrived) = (Arc::clone(&mended), Arc::clone(&arrived));
        let (taken, asked) = (Arc::clone(&taken), Arc::clone(&asked));
        scripted(move |_, request| {
            if request.body.contains("later") {
                taken.fetch_add(1, Ordering::SeqCst);
                return all_created(request);
            }
            asked.fetch_add(1, Ordering::SeqCst);
            arrived.store(true, Ordering::SeqCst);
            let until = Instant::now() + PATIENCE;
            while taken.load(Ordering::SeqCst) == 0 && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(2));
            }
            if mended.load(Ordering::SeqCst) {
                return all_created(request);
            }
            let failed = (500, "null_pointer_exception");
            Reply::Late(Duration::from_millis(20), answer(&vec![failed; request.ids().len()]))
        })
    };
    let servers = [serve(), serve()];
    let mut rig = Rig::start(quick(&servers.each_ref().map(Server::url)));
    let (_, first) = rig.send(&["{}"; 4]);
    rig.wait_for("one host is busy", |_| arrived.load(Ordering::SeqCst));
    let (_, later) = rig.send(&[r#"{"x":"later"}"#]);
    assert_eq!(rig.settled(), [later]);
    rig.wait_for("they are sent again", |_| 25 < asked.load(Ordering::SeqCst));
    mended.store(true, Ordering::SeqCst);
    assert_eq!(rig.settled(), [first]);
    rig.finish();
    assert_eq!(rig.dead_letters(), [] as [Value; 0]);
}
