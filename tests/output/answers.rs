//! Answers larger than they need to be: read no further than their items justify, and acted on all the same.

use super::rig::{BANNER, Rig, greeting, lines, scripted};
use super::secrets::Place;
use super::server::{Reply, Request, Server};
use super::{all_created, answer};
use serde_json::json;

const HUGE: usize = 5 << 20;

#[test]
fn page_without_end_does_not_hide_the_status() {
    let server = scripted(|number, request| match number {
        0 => Reply::json(503, "x".repeat(HUGE)),
        1 => Reply::json(413, "x".repeat(HUGE)),
        _ => all_created(request),
    });
    let mut rig = Rig::to(&server.url());
    let (body, range) = rig.send(&["{}", "{}"]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let sent: Vec<usize> = server.bulks().iter().map(|bulk| bulk.ids().len()).collect();
    assert_eq!(sent, [2, 2, 1, 1]);
    let read = rig.stats.snapshot().sending.read_bytes;
    assert!(read < 1 << 20, "{read}");
    assert_eq!(server.bulks()[0].body, body);
}

#[test]
fn what_the_server_says_of_items_that_it_cannot_take_now_is_told() {
    for (status, told) in [
        (503, "; the first one's answer: 503 unavailable_shards_exception: because"),
        (500, "; the first one's answer: 500 unavailable_shards_exception: because"),
        (429, " delay_ms="),
    ] {
        let server = scripted(move |_, request| {
            Reply::json(
                200,
                answer(&vec![(status, "unavailable_shards_exception"); request.ids().len()]),
            )
        });
        let place = Place::new(&format!("  hosts: [\"{}\"]\n", server.url()), "");
        let said = place.says(&["run", "--once", "--deadline", "700ms"]);
        let expected = format!("is to be repeated: 1 of 1 items are to be repeated{told}");
        assert!(said.contains(&expected), "{expected}\n{said}");
    }
}

#[test]
fn bulk_answer_that_is_too_long_is_asked_for_again_in_parts() {
    let reason = "because ".repeat(512);
    let refuse = move |request: &Request| {
        let item = json!({"create": {"status": 400, "error":
            {"type": "document_parsing_exception", "reason": reason}}});
        json!({"errors": true, "items": vec![item; request.ids().len()]}).to_string()
    };
    let server = scripted(move |_, request| Reply::json(200, refuse(request)));
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&["{}"; 200]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    let sent: Vec<usize> = server.bulks().iter().map(|bulk| bulk.ids().len()).collect();
    assert_eq!(sent, [200, 100, 50, 50, 100, 50, 50]);
    assert_eq!(rig.dead_letters().len(), 200);
    let sending = rig.stats.snapshot().sending;
    assert_eq!((sending.dead_letters, sending.acked), (200, 0));
    let told =
        format!("bulk request to elasticsearch({}) is to be repeated: the answer", server.url());
    assert!(lines().iter().any(|line| line.contains(&told)), "{:#?}", lines());
}

#[test]
fn answer_of_a_full_batch_of_errors_is_read_whole() {
    let exists = "version_conflict_engine_exception";
    let server = scripted(move |_, request| {
        Reply::json(200, answer(&vec![(409, exists); request.ids().len()]))
    });
    let mut rig = Rig::to(&server.url());
    let (_, range) = rig.send(&vec!["{}"; 16_000]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(server.bulks().len(), 1);
    assert!(1 << 20 < rig.stats.snapshot().sending.read_bytes);
    assert_eq!(rig.stats.snapshot().sending.duplicates, 16_000);
}

#[test]
fn greeting_without_end_is_nobody_to_send_to() {
    let server = Server::start(|request| match request.path.as_str() {
        "/" => Reply::json(200, format!("{}{BANNER}", " ".repeat(HUGE))),
        _ => greeting(request).unwrap_or_else(|| all_created(request)),
    });
    let mut rig = Rig::to(&server.url());
    let _ = rig.send(&["{}"]);
    let trouble = rig.wait_for_trouble();
    assert!(trouble.contains("what answers is not Elasticsearch: "), "{trouble}");
    rig.stop(std::time::Duration::from_secs(5));
    rig.nothing_settled();
}
