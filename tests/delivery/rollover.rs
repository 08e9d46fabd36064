//! A data stream that is rolled over: what is promised, and what is not.

use super::main_job::lines;
use super::trouble::{append, losing_answers};
use crate::shared;
use crate::support::shipper::Place;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// Lines of a request.
const BULK: usize = 100;

fn rolled_over(stream: &str) {
    let answer = shared().json("POST", &format!("/{stream}/_rollover"), "");
    assert_eq!(answer["rolled_over"], true, "{answer}");
}

/// Returns in which backing indices each line is, and under which ids.
fn found(stream: &str) -> BTreeMap<String, (Vec<String>, BTreeSet<String>)> {
    shared().json("POST", &format!("/{stream}/_refresh"), "");
    let answer = shared().json("GET", &format!("/{stream}/_search?size=10000"), "");
    let mut found: BTreeMap<String, (Vec<String>, BTreeSet<String>)> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for hit in answer["hits"]["hits"].as_array().unwrap() {
        let (indices, ids) = found.entry(text(&hit["_source"]["url"]["path"])).or_default();
        indices.push(text(&hit["_index"]));
        ids.insert(text(&hit["_id"]));
    }
    for (indices, _) in found.values_mut() {
        indices.sort();
    }
    found
}

/// Ships 1,000 lines while an answer is lost and `meanwhile` happens between that and the replay.
fn ship(stream: &'static str, meanwhile: impl Fn() + Send + Sync + 'static) {
    let (port, lost) = losing_answers(shared().port, move |number| {
        let loses = number == 3;
        if loses {
            meanwhile();
        }
        loses
    });
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/*.log\"]}}\n\
         output.elasticsearch: {{hosts: [\"http://127.0.0.1:{port}\"], index: {stream}, worker: 1, \
         bulk_max_size: {BULK}, backoff: {{init: 100ms, max: 300ms}}}}\n"
    ));
    append(&place.log("access.log"), &lines(1, 1_000));
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(lost.load(Ordering::SeqCst), 1);
}

#[test]
fn only_the_request_that_is_repeated_across_a_rollover_is_there_twice_with_the_same_ids() {
    ship("rolled-between", || rolled_over("rolled-between"));
    let found = found("rolled-between");
    assert_eq!(found.len(), 1_000);
    let twice: Vec<_> = found.values().filter(|(indices, _)| indices.len() != 1).collect();
    assert_eq!(twice.len(), BULK);
    for (indices, ids) in twice {
        let different: BTreeSet<&String> = indices.iter().collect();
        assert_eq!((indices.len(), different.len(), ids.len()), (2, 2, 1), "{indices:?} {ids:?}");
    }
}

#[test]
fn rollover_before_or_after_a_replay_repeats_nothing() {
    ship("rolled-around", || {});
    rolled_over("rolled-around");
    ship("rolled-around", || {});
    let found = found("rolled-around");
    assert_eq!(found.len(), 1_000);
    // Two files with the same lines, one on each side of the rollover.
    for (indices, ids) in found.values() {
        let different: BTreeSet<&String> = indices.iter().collect();
        assert_eq!((indices.len(), different.len(), ids.len()), (2, 2, 2), "{indices:?} {ids:?}");
    }
}
