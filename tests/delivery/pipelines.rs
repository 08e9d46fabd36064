//! Real ingest pipelines, with processors that change, drop and refuse documents.

use super::main_job::{each_once, lines, paths};
use crate::shared;
use crate::support::shipper::{Place, wait_until};
use serde_json::{Value, json};

fn config(index: &str, pipeline: &str) -> String {
    format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/access.log\"]}}\n\
         output.elasticsearch: {{hosts: [\"{}\"], index: {index}, pipeline: {pipeline}, \
         backoff: {{init: 20ms, max: 100ms}}}}\n",
        shared().url()
    )
}

fn put_pipeline(name: &str, processors: Value) {
    let body = json!({"processors": processors}).to_string();
    shared().json("PUT", &format!("/_ingest/pipeline/{name}"), &body);
}

#[test]
fn pipeline_changes_every_document_and_those_it_drops_are_done_with() {
    put_pipeline(
        "changing",
        json!([
            {"set": {"field": "labels.site", "value": "shop"}},
            {"grok": {"field": "url.path", "patterns": ["/page/%{INT:labels.page:int}"]}},
            {"drop": {"if": "ctx.labels.page % 10 == 0"}},
        ]),
    );
    let place = Place::new(&config("changed-test", "changing"));
    std::fs::write(place.log("access.log"), lines(1, 500)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let mut expected = each_once(1, 500);
    expected.retain(|path, _| !path.ends_with('0'));
    let documents = shared().documents("changed-test");
    assert_eq!(paths(&documents), expected);
    for document in documents {
        let page = &document["labels"]["page"];
        assert_eq!(document["url"]["path"], format!("/page/{page}"));
        assert_eq!(document["labels"]["site"], "shop");
    }
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\"acked\":0,"), "{told}");
}

#[test]
fn document_that_its_pipeline_fails_with_becomes_a_dead_letter_and_the_rest_goes_on() {
    let odd = "ctx.url.path == '/page/7' || ctx.url.path == '/page/200'";
    put_pipeline("failing", json!([{"fail": {"if": odd, "message": "not this one"}}]));
    let place = Place::new(&config("failed-test", "failing"));
    std::fs::write(place.log("access.log"), lines(1, 300)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let mut expected = each_once(1, 300);
    expected.retain(|path, _| path != "/page/7" && path != "/page/200");
    assert_eq!(paths(&shared().documents("failed-test")), expected);
    let letters = ["dlq", "list", "--json", "-c", "shipper.yml", "--path.data", "data"];
    let list: Value = serde_json::from_str(&place.command(&letters)).unwrap();
    assert_eq!(list["letters"], 2, "{list}");
    assert_eq!(list["groups"][0]["type"], "fail_processor_exception", "{list}");
}

#[test]
fn pipeline_that_is_missing_is_told_and_delivery_goes_on_when_it_is_there() {
    let place = Place::new(&config("missing-pipeline", "later"));
    std::fs::write(place.log("access.log"), lines(1, 200)).unwrap();
    let running = place.start(&[]);
    wait_until("it is told with what to do", || {
        let told = running.told();
        told.contains("pipeline with id [later] does not exist")
            && told.contains("check the pipeline, the index and the server's limits")
    });
    put_pipeline("later", json!([{"set": {"field": "labels.site", "value": "shop"}}]));
    wait_until("all is there", || shared().documents("missing-pipeline").len() == 200);
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    let documents = shared().documents("missing-pipeline");
    assert_eq!(paths(&documents), each_once(1, 200));
    assert!(documents.iter().all(|document| document["labels"]["site"] == "shop"));
}
