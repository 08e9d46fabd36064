//! A server with security: HTTPS by an authority of its own, users and API keys.

use crate::delivery::main_job::{each_once, lines, paths};
use crate::support::secured::{PASSWORD, secured};
use crate::support::shipper::{Place, wait_until};
use base64::Engine as _;
use serde_json::json;

/// A configuration for the server with security; `credentials` are lines below `output.elasticsearch`.
fn config(index: &str, credentials: &str) -> String {
    format!(
        "filebeat.inputs:\n  - type: log\n    paths: [\"{{logs}}/access.log\"]\n\
         output.elasticsearch:\n  hosts: [\"{}\"]\n  index: {index}\n  backoff.init: 100ms\n  \
         ssl.certificate_authorities: [\"{}\"]\n{credentials}",
        secured().url(),
        secured().config("ca.crt").display(),
    )
}

/// Makes a key that may write documents to `index` and nothing else; returns `id:key`.
fn writing_key(index: &str) -> String {
    let body = json!({
        "name": index,
        "role_descriptors": {"writer": {"indices": [
            {"names": [index], "privileges": ["create_doc", "auto_configure"]}
        ]}},
    });
    let key = secured().json("POST", "/_security/api_key", &body.to_string());
    format!("{}:{}", key["id"].as_str().unwrap(), key["api_key"].as_str().unwrap())
}

/// Asserts that neither a log nor `export config` shows any of these, in plain or encoded.
fn shows_none(place: &Place, told: &str, secrets: &[&str]) {
    let exported = place.command(&["export", "config", "-c", "shipper.yml"]);
    assert!(exported.contains("xxxxx"), "{exported}");
    for secret in secrets {
        let code = base64::prelude::BASE64_STANDARD.encode(secret);
        for text in [told, &exported] {
            assert!(!text.contains(secret) && !text.contains(&code), "{secret}: {text}");
        }
    }
}

#[test]
fn every_line_is_stored_with_an_api_key_that_may_only_write() {
    let key = writing_key("api-key-test");
    let place = Place::new(&config("api-key-test", &format!("  api_key: \"{key}\"\n")));
    std::fs::write(place.log("access.log"), lines(1, 500)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&secured().documents("api-key-test")), each_once(1, 500));
    assert!(told.contains("cannot be installed by this user (403)"), "{told}");
    shows_none(&place, &told, &[&key, key.split_once(':').unwrap().1]);
}

#[test]
fn every_line_is_stored_with_a_user_and_a_password() {
    let credentials = format!("  username: elastic\n  password: \"{PASSWORD}\"\n");
    let place = Place::new(&config("user-test", &credentials));
    std::fs::write(place.log("access.log"), lines(1, 500)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&secured().documents("user-test")), each_once(1, 500));
    let streams = secured().json("GET", "/user-test/_settings", "");
    let names: Vec<&String> = streams.as_object().unwrap().keys().collect();
    assert!(names.len() == 1 && names[0].starts_with(".ds-user-test-"), "{names:?}");
    shows_none(&place, &told, &[&format!("elastic:{PASSWORD}"), PASSWORD]);
}

#[test]
fn wrong_key_is_told_with_what_to_do_and_nothing_is_lost() {
    let good = writing_key("wrong-key-test");
    let (id, _) = good.split_once(':').unwrap();
    let wrong = format!("{id}:thisisnotthesecret_atall");
    let place = Place::new(&config("wrong-key-test", &format!("  api_key: \"{wrong}\"\n")));
    std::fs::write(place.log("access.log"), lines(1, 300)).unwrap();
    let running = place.start(&[]);
    wait_until("it says what is wrong and what to do", || {
        running.told().lines().any(|line| {
            line.contains("ERROR")
                && line.contains("401 security_exception: unable to authenticate")
                && line.contains("hint=\"check username and password, or api_key, of ")
        })
    });
    let (_, told) = running.stop();
    assert!(!told.contains("\"acked\":300"), "{told}");
    shows_none(&place, &told, &[&wrong, "thisisnotthesecret_atall"]);
    place.configure(&config("wrong-key-test", &format!("  api_key: \"{good}\"\n")));
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&secured().documents("wrong-key-test")), each_once(1, 300));
}

/// Runs `test output` and returns its exit code and what it printed.
fn trial(place: &Place) -> (i32, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shipper"));
    let output = command.current_dir(place.path()).args(["test", "output"]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn trial_of_the_output_tells_privileges_and_writes_nothing() {
    let key = writing_key("trial-test");
    let place = Place::new(&config("trial-test", &format!("  api_key: \"{key}\"\n")));
    let (code, told) = trial(&place);
    assert_eq!(code, 0, "{told}");
    let end = "  authentication... OK
    user: elastic
    API key: trial-test
  privileges...
    create documents in trial-test... OK
    create trial-test where it is missing... OK
    install index templates... WARN no privilege `manage_index_templates`: they must be there already
  index template trial-test... WARN not known (403)
";
    assert!(told.ends_with(end), "{told}");
    assert!(told.contains("    handshake... OK\n    TLS version: TLSv1.3\n"), "{told}");
    assert!(told.contains("      for: 127.0.0.1\n"), "{told}");
    let elsewhere = Place::new(&config("another-index", &format!("  api_key: \"{key}\"\n")));
    let (code, told) = trial(&elsewhere);
    assert_eq!(code, 1, "{told}");
    let error = "create documents in another-index... ERROR give the user or API key the privilege `create_doc`";
    assert!(told.contains(error), "{told}");
    let wrong = Place::new(&config("trial-test", "  api_key: \"abc:thisisnotthesecret_atall\"\n"));
    let (code, told) = trial(&wrong);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("  talk to server... ERROR 401 security_exception: "), "{told}");
    assert!(!told.contains("thisisnotthesecret"), "{told}");
    assert!(secured().documents("trial-test").is_empty());
}

#[test]
fn client_certificate_is_shown_and_one_of_another_authority_is_refused() {
    let (certificate, key) = (secured().config("client.crt"), secured().config("client.key"));
    let credentials = |certificate: &std::path::Path, key: &std::path::Path| {
        format!(
            "  username: elastic\n  password: \"{PASSWORD}\"\n  ssl.certificate: {}\n  ssl.key: {}\n",
            certificate.display(),
            key.display()
        )
    };
    let place = Place::new(&config("client-test", &credentials(&certificate, &key)));
    std::fs::write(place.log("access.log"), lines(1, 200)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&secured().documents("client-test")), each_once(1, 200));
    let own = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["stranger.example".to_owned()]).unwrap();
    let stranger = params.self_signed(&own).unwrap();
    let (certificate, key) = (place.path().join("own.crt"), place.path().join("own.key"));
    std::fs::write(&certificate, stranger.pem()).unwrap();
    std::fs::write(&key, own.serialize_pem()).unwrap();
    place.configure(&config("client-test", &credentials(&certificate, &key)));
    let (code, told) = trial(&place);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains(" refuses the client certificate"), "{told}");
    assert!(told.contains("for stranger.example, "), "{told}");
}

#[test]
fn plain_http_to_the_port_of_tls_is_told_what_to_write() {
    let plain = config("plain-test", "").replace("https://", "http://");
    let (code, told) = trial(&Place::new(&plain));
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("if it speaks TLS, write https:// in hosts"), "{told}");
}
