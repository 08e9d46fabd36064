//! Keys that are revoked and renewed.

use crate::delivery::main_job::{each_once, lines, paths};
use crate::delivery::trouble::append;
use crate::support::secured::secured;
use crate::support::shipper::{Place, wait_until};
use serde_json::json;

#[test]
fn key_that_is_revoked_pauses_delivery_and_a_new_one_goes_on_where_it_was() {
    let key = || {
        let index =
            json!({"names": ["revoked-test"], "privileges": ["create_doc", "auto_configure"]});
        let body = json!({"name": "k", "role_descriptors": {"w": {"cluster": ["monitor"], "index": [index]}}});
        secured().json("POST", "/_security/api_key", &body.to_string())
    };
    let config = |key: &serde_json::Value| {
        format!(
            "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/access.log\"]}}\n\
             setup.template.enabled: false\n\
             output.elasticsearch: {{hosts: [\"{}\"], index: revoked-test, api_key: \"{}:{}\", \
             backoff: {{init: 100ms, max: 500ms}}, ssl.certificate_authorities: [\"{}\"]}}\n",
            secured().url(),
            key["id"].as_str().unwrap(),
            key["api_key"].as_str().unwrap(),
            secured().config("ca.crt").display()
        )
    };
    let first = key();
    let place = Place::new(&config(&first));
    append(&place.log("access.log"), &lines(1, 200));
    let running = place.start(&[]);
    let count = || secured().documents("revoked-test").len();
    wait_until("the first lines are there", || count() == 200);
    let revoke = json!({"ids": [first["id"]]}).to_string();
    let revoked = secured().json("DELETE", "/_security/api_key", &revoke);
    assert_eq!(revoked["invalidated_api_keys"], json!([first["id"]]), "{revoked}");
    append(&place.log("access.log"), &lines(201, 900));
    wait_until("it is told with what to do", || {
        let told = running.told();
        told.contains("pauses, nothing is dropped: 401 security_exception")
            && told.contains("check username and password, or api_key")
    });
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    assert_eq!(count(), 200);
    place.configure(&config(&key()));
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&secured().documents("revoked-test")), each_once(1, 900));
}

#[test]
fn key_that_may_not_read_is_answered_that_a_line_is_stored_and_nothing_is_told() {
    let index = json!({"names": ["blind-test"], "privileges": ["create_doc", "auto_configure"]});
    let body = json!({"name": "k", "role_descriptors": {"w": {"index": [index]}}}).to_string();
    let key = secured().json("POST", "/_security/api_key", &body);
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/access.log\"]}}\n\
         setup.template.enabled: false\n\
         output.elasticsearch: {{hosts: [\"{}\"], index: blind-test, api_key: \"{}:{}\", \
         ssl.certificate_authorities: [\"{}\"]}}\n",
        secured().url(),
        key["id"].as_str().unwrap(),
        key["api_key"].as_str().unwrap(),
        secured().config("ca.crt").display()
    ));
    append(&place.log("access.log"), &lines(1, 10));
    let run = |data: &str| {
        let (code, told) = place.start_in(data, &["--once"]).wait();
        assert_eq!(code, 0, "{told}");
        told
    };
    run("data");
    let copied = std::process::Command::new("cp")
        .args(["-r", "data", "clone"])
        .current_dir(place.path())
        .status();
    assert!(copied.unwrap().success());
    append(&place.log("access.log"), &lines(11, 15));
    run("data");
    let told = run("clone");
    assert!(told.contains("\"duplicates\":5,") && !told.contains("ERROR"), "{told}");
    assert_eq!(paths(&secured().documents("blind-test")), each_once(1, 15));
}
