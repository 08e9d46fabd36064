//! Duplicates under whose id the document of another line is stored.

use super::rig::{Rig, answer, greeting, lines};
use super::server::{Reply, Request, Server};
use serde_json::json;
use shipper::position::{Epoch, Outcome, Part};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What ids of ours begin with here; the number of a line follows.
const OURS: &str = "AAAAAAAAAAAAAAAA.A.";

/// Answer to items that are all there, in the index `.ds-1`.
fn all_there(request: &Request) -> Reply {
    let there = json!({"create": {"status": 409, "error":
        {"type": "version_conflict_engine_exception", "reason": "exists", "index": ".ds-1"}}});
    let items = vec![there; request.ids().len()];
    Reply::json(200, json!({"errors": true, "items": items}).to_string())
}

/// A server that has `messages` under the ids of the first batch, answers its index's settings so, and `renamed` to
/// what is sent under other ids.
fn server_with(stored: Reply, settings: &'static str, renamed: u16) -> Server {
    let tries = AtomicUsize::new(0);
    Server::start(move |request| {
        if let Some(reply) = greeting(request) {
            return reply;
        }
        match request.path.as_str() {
            "/_mget" => asked_for(&stored, &request.body),
            "/.ds-1/_settings/index.default_pipeline,index.final_pipeline" => {
                Reply::json(200, settings)
            }
            path if path.ends_with("/_bulk") => {
                if request.ids().iter().all(|id| id.len() == OURS.len() + 1) {
                    return all_there(request);
                }
                let status = if tries.fetch_add(1, Ordering::SeqCst) == 0 { renamed } else { 201 };
                let kind = if status < 300 { "" } else { "some_exception" };
                Reply::json(200, answer(&vec![(status, kind); request.ids().len()]))
            }
            other => panic!("{other}"),
        }
    })
}

/// Leaves out of an answer what was not asked for.
fn asked_for(stored: &Reply, question: &str) -> Reply {
    let Reply::Whole(200, _, body) = stored else { return stored.clone() };
    let Ok(mut answer) = serde_json::from_str::<serde_json::Value>(body) else {
        return stored.clone();
    };
    let docs = answer["docs"].as_array_mut().unwrap();
    docs.retain(|stored| question.contains(&stored["_id"].to_string()));
    Reply::json(200, answer.to_string())
}

fn stored(messages: [Option<&str>; 2]) -> Reply {
    let docs: Vec<_> = (0..)
        .zip(messages)
        .map(|(number, message): (u32, _)| match message {
            Some(message) => {
                json!({"_id": format!("{OURS}{number}"), "_source": {"message": message}})
            }
            None => json!({"_id": format!("{OURS}{number}")}),
        })
        .collect();
    Reply::json(200, json!({"docs": docs}).to_string())
}

/// Id of the second line below.
const SECOND: &str = "AAAAAAAAAAAAAAAA.A.1";

/// The same with the hash of its message.
const RENAMED: &str = "AAAAAAAAAAAAAAAA.A.1.GwFYL3LKZmL";

const PLAIN: &str = "{}";
const CHANGING: &str = r#"{".ds-1":{"settings":{"index":{"default_pipeline":"p"}}}}"#;
const NONE: &str = r#"{".ds-1":{"settings":{"index":{"final_pipeline":"_none"}}}}"#;

#[test]
fn line_that_another_document_hides_is_sent_under_an_id_of_its_own_and_nothing_else_is() {
    let hidden = || stored([Some("one"), Some("another")]);
    let both: &[&str] = &["AAAAAAAAAAAAAAAA.A.0", SECOND];
    let page = || Reply::json(200, "<html>");
    // What is stored, the settings, the answer to what is sent under another id; requests, stored, duplicates.
    for (what, stored, settings, renamed, requests, acked, duplicates) in [
        ("the same", stored([Some("one"), Some("two")]), PLAIN, 201, vec![both], 0, 2),
        ("another", hidden(), PLAIN, 201, vec![both, &[RENAMED]], 1, 1),
        ("another, no pipeline", hidden(), NONE, 201, vec![both, &[RENAMED]], 1, 1),
        ("another, there before", hidden(), PLAIN, 409, vec![both, &[RENAMED]], 0, 2),
        (
            "another, busy",
            hidden(),
            PLAIN,
            429,
            vec![both, &[RENAMED], &[SECOND], &[RENAMED]],
            1,
            1,
        ),
        ("changed by a pipeline", hidden(), CHANGING, 201, vec![both], 0, 2),
        ("without a message", stored([None, Some("two")]), PLAIN, 201, vec![both], 0, 2),
        ("not to be read", stored([None, None]), PLAIN, 201, vec![both], 0, 2),
        ("no privilege", Reply::json(403, "{}"), PLAIN, 201, vec![both], 0, 2),
        ("a page", page(), PLAIN, 201, vec![both], 0, 2),
        (
            "one of two",
            Reply::json(200, r#"{"docs":[{"_id":"AAAAAAAAAAAAAAAA.A.0"}]}"#),
            PLAIN,
            201,
            vec![both],
            0,
            2,
        ),
        ("no answer", Reply::Close, PLAIN, 201, vec![both], 0, 2),
    ] {
        let server = server_with(stored, settings, renamed);
        let mut rig = Rig::to(&server.url());
        rig.ids = OURS;
        let (_, range) = rig.send(&[r#"{"message":"one"}"#, r#"{"message":"two"}"#]);
        assert_eq!(rig.settled(), [range], "{what}");
        rig.finish();
        let sent: Vec<Vec<String>> = server.bulks().iter().map(Request::ids).collect();
        assert_eq!(sent, requests, "{what}");
        let sending = rig.stats.snapshot().sending;
        assert_eq!((sending.acked, sending.duplicates), (acked, duplicates), "{what}");
        let told = lines().iter().any(|line| {
            line.starts_with(&format!(
                "ERROR in `.ds-1` another document is stored under the id `{SECOND}`"
            )) && line.contains("two machines go on with one registry")
        });
        assert!(told || sent.len() == 1, "{what}");
    }
}

#[test]
fn server_that_lets_nothing_be_read_is_not_asked_each_time() {
    let server = server_with(Reply::json(403, "{}"), PLAIN, 201);
    let mut rig = Rig::to(&server.url());
    rig.ids = OURS;
    for _ in 0..3 {
        let (_, range) = rig.send(&[r#"{"message":"one"}"#]);
        assert_eq!(rig.settled(), [range]);
    }
    rig.finish();
    let asked = server.requests().iter().filter(|request| request.path == "/_mget").count();
    assert_eq!(asked, 1);
}

#[test]
fn many_duplicates_are_looked_at_in_pieces() {
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&largest);
    let server = Server::start(move |request| {
        if let Some(reply) = greeting(request) {
            return reply;
        }
        if request.is_bulk() {
            return all_there(request);
        }
        let asked: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let docs: Vec<_> = asked["docs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| json!({"_id": one["_id"], "_source": {"message": "x".repeat(900)}}))
            .collect();
        seen.fetch_max(docs.len(), Ordering::SeqCst);
        Reply::json(200, json!({"docs": docs}).to_string())
    });
    let mut rig = Rig::to(&server.url());
    rig.ids = OURS;
    let document = json!({"message": "x".repeat(900)}).to_string();
    let (_, range) = rig.send(&vec![document.as_str(); 1_000]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.stats.snapshot().sending.duplicates, 1_000);
    let asked = server.requests().iter().filter(|request| request.path == "/_mget").count();
    assert!((8..=10).contains(&asked) && largest.load(Ordering::SeqCst) <= 140, "{asked}");
}

#[test]
fn line_that_brings_its_id_is_stored_when_that_is_there() {
    let server = server_with(stored([Some("one"), Some("another")]), PLAIN, 201);
    let mut rig = Rig::to(&server.url());
    // Of as many characters as ours here.
    rig.ids = "0123456789-abcdefgh";
    let (_, range) = rig.send(&[r#"{"message":"new"}"#]);
    assert_eq!(rig.settled(), [range]);
    rig.finish();
    assert_eq!(rig.stats.snapshot().sending.duplicates, 1);
    assert!(server.requests().iter().all(|request| request.path != "/_mget"));
}

#[test]
fn only_ids_of_the_batch_say_how_many_bytes_were_stored_before() {
    let exists = (409, "version_conflict_engine_exception");
    let epoch = Epoch::from_random([7; 12]);
    let before = Part { epoch, outcome: Outcome::AlreadyStored, bytes: 0 };
    // What a line brings as its id may be the id of a line elsewhere.
    for (ids, parts) in [(format!("{epoch}.A.A"), vec![before]), (OURS.to_owned(), vec![])] {
        let server = Server::start(move |request| {
            greeting(request).unwrap_or_else(|| Reply::json(200, answer(&[exists])))
        });
        let mut rig = Rig::to(&server.url());
        rig.ids = ids.leak();
        let (_, range) = rig.send(&["{}"]);
        let (ranges, others) = rig.settled_and_others();
        let others: Vec<Part> = others.into_iter().map(|part| Part { bytes: 0, ..part }).collect();
        assert_eq!((ranges, others), (vec![range], parts));
        rig.finish();
        assert_eq!(rig.stats.snapshot().sending.duplicates, 1);
    }
}
