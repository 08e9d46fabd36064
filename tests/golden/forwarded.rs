//! Lists of addresses where the client stands.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use crate::rig::{input, read_item, run, shared};
use serde_json::{Value, json};
use shipper::batch::BatchLimits;
use shipper::pipeline::Pipeline;
use shipper::settings::network::Network;
use shipper::settings::{Format, InputSettings};

fn document(format: Format, path: &str, trusted: &[&str], head: &str) -> Value {
    let trusted_proxies = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
    let settings = InputSettings { trusted_proxies, ..input(format) };
    let mut pipeline = Pipeline::new(&settings, &shared()).unwrap();
    let log = format!("{head} [21/Nov/2026:03:20:13 +0000] \"GET / HTTP/1.1\" 200 7 \"-\" \"x\"\n");
    let (batches, _) = run(&mut pipeline, path, log.as_bytes(), BatchLimits::default());
    read_item(batches[0].item(0)).1
}

const APACHE: &str = "/var/log/apache2/access.log";
const NGINX: &str = "/var/log/nginx/access.log";

#[test]
fn client_of_a_list_is_the_first_that_is_not_private_or_the_last_that_is_not_trusted() {
    let none: &[&str] = &[];
    let proxies: &[&str] = &["10.0.0.0/8", "2001:db8:ffff::/48", "203.0.113.250"];
    for (head, trusted, client, list) in [
        (
            "10.0.0.2, 10.0.0.1, 127.0.0.1 - -",
            none,
            "10.0.0.2",
            json!(["10.0.0.2", "10.0.0.1", "127.0.0.1"]),
        ),
        (
            "10.0.0.2, 198.51.100.7, 203.0.113.9 - alice",
            none,
            "198.51.100.7",
            json!(["10.0.0.2", "198.51.100.7", "203.0.113.9"]),
        ),
        (
            "10.0.0.2,192.168.0.1,172.16.9.9 - -",
            none,
            "10.0.0.2",
            json!(["10.0.0.2", "192.168.0.1", "172.16.9.9"]),
        ),
        (
            "\"10.5.1.2, 198.51.100.7\" 10.2.1.185 - -",
            none,
            "198.51.100.7",
            json!(["10.5.1.2", "198.51.100.7", "10.2.1.185"]),
        ),
        (
            "2001:db8::7, 10.0.0.1 10.2.2.1 - -",
            none,
            "2001:db8::7",
            json!(["2001:db8::7", "10.0.0.1", "10.2.2.1"]),
        ),
        (
            "198.51.100.66, 198.51.100.7, 10.0.0.1 - -",
            proxies,
            "198.51.100.7",
            json!(["198.51.100.66", "198.51.100.7", "10.0.0.1"]),
        ),
        (
            "198.51.100.7, 2001:db8:ffff::1, 203.0.113.250 - -",
            proxies,
            "198.51.100.7",
            json!(["198.51.100.7", "2001:db8:ffff::1", "203.0.113.250"]),
        ),
        ("10.0.0.9, 10.0.0.1 - -", proxies, "10.0.0.9", json!(["10.0.0.9", "10.0.0.1"])),
        ("unknown, 10.0.0.1 - -", proxies, "unknown", json!(["unknown", "10.0.0.1"])),
    ] {
        let seen = document(Format::Auto, NGINX, trusted, head);
        assert_eq!(seen["source"]["address"], client, "{head}");
        assert_eq!(seen["nginx"]["access"]["remote_ip_list"], list, "{head}");
        let ip = seen["source"]["ip"].clone();
        let related = if ip.is_null() { Value::Null } else { json!([ip]) };
        assert_eq!(seen["related"]["ip"], related, "{head}");
        let seen = document(Format::Auto, APACHE, trusted, head);
        assert_eq!(
            (&seen["source"]["address"], &seen["nginx"]),
            (&json!(client), &Value::Null),
            "{head}"
        );
    }
}

#[test]
fn lists_may_have_ports_hosts_before_them_and_users_behind_them() {
    let seen = document(Format::Nginx, NGINX, &[], "198.51.100.7:4711, 10.0.0.1 - alice");
    assert_eq!(seen["source"], json!({"address": "198.51.100.7:4711", "ip": "198.51.100.7"}));
    assert_eq!(seen["user"]["name"], "alice");
    let seen = document(Format::Nginx, NGINX, &[], "[2001:db8::7]:4711, 10.0.0.1 - -");
    assert_eq!(seen["source"], json!({"address": "[2001:db8::7]:4711", "ip": "2001:db8::7"}));
    let seen = document(
        Format::VhostCombined,
        APACHE,
        &[],
        "www.example.org:443 198.51.100.7, 10.0.0.1 - bob",
    );
    assert_eq!(seen["source"]["ip"], "198.51.100.7");
    assert_eq!(seen["destination"], json!({"domain": "www.example.org", "port": 443}));
    assert_eq!(seen["user"]["name"], "bob");
}

#[test]
fn lines_of_nginx_may_begin_with_the_host_that_was_asked() {
    for (head, destination) in [
        ("example.org 192.0.2.1 - -", json!({"domain": "example.org"})),
        ("example.org:443 192.0.2.1 - alice", json!({"domain": "example.org", "port": 443})),
        ("10.1.1.1:80 192.0.2.1 - -", json!({"domain": "10.1.1.1", "ip": "10.1.1.1", "port": 80})),
        ("192.0.2.1 - -", Value::Null),
    ] {
        let seen = document(Format::Nginx, NGINX, &[], head);
        assert_eq!(seen["event"]["dataset"], "nginx.access", "{head}");
        assert_eq!(
            (&seen["source"]["ip"], &seen["destination"]),
            (&json!("192.0.2.1"), &destination)
        );
    }
    for head in ["- 192.0.2.1 - -", ":80 192.0.2.1 - -"] {
        let seen = document(Format::VhostCombined, APACHE, &[], head);
        assert_eq!(
            (&seen["source"]["ip"], &seen["destination"]),
            (&json!("192.0.2.1"), &Value::Null)
        );
        assert_eq!(seen["url"]["domain"], Value::Null);
    }
}

#[test]
fn what_is_no_list_goes_out_as_it_is() {
    let many = vec!["10.0.0.1"; 101].join(", ") + " - -";
    for head in [",, - -", ", - -", "a, b -", many.as_str()] {
        let seen = document(Format::Nginx, NGINX, &[], head);
        let event = json!({"module": "nginx", "dataset": "nginx.access"});
        assert_eq!((&seen["source"], &seen["event"]), (&Value::Null, &event), "{head}");
        assert!(seen["message"].as_str().unwrap().starts_with(head));
    }
}
