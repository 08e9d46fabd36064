//! Lists of addresses where the client stands.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::check;
use crate::rig::{input, read_item, run, shared};
use serde_json::{Value, json};
use shipper::batch::BatchLimits;
use shipper::parsers::Parser;
use shipper::parsers::known::KNOWN;
use shipper::pipeline::Pipeline;
use shipper::settings::network::Network;
use shipper::settings::{Escape, Format, InputSettings, ServerFormat, WebServer};

fn trusting(format: Format, trusted: &[&str]) -> InputSettings {
    let trusted_proxies = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
    InputSettings { trusted_proxies, ..input(format) }
}

fn document(format: Format, path: &str, trusted: &[&str], head: &str) -> Value {
    let line = format!("{head} [21/Nov/2026:03:20:13 +0000] \"GET / HTTP/1.1\" 200 7 \"-\" \"x\"");
    document_of(format, path, trusted, &line)
}

/// Returns the document of the last line of several.
fn document_of(format: Format, path: &str, trusted: &[&str], lines: &str) -> Value {
    let mut pipeline = Pipeline::new(&trusting(format, trusted), &shared()).unwrap();
    let log = format!("{lines}\n");
    let (batches, _) = run(&mut pipeline, path, log.as_bytes(), BatchLimits::default());
    read_item(batches[0].item(batches[0].items() - 1)).1
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
fn list_behind_the_user_agent_counts_when_a_trusted_proxy_brings_it() {
    let proxies = ["10.0.0.0/8", "2001:db8:ffff::/48", "198.51.100.250"];
    for format in [Format::Nginx, Format::Auto, Format::Combined] {
        let settings = trusting(format.clone(), &proxies);
        let expected = if format == Format::Combined { "proxied_combined" } else { "proxied" };
        let path = if format == Format::Combined { APACHE } else { NGINX };
        let seen = check("nginx/proxied", &format!("nginx/{expected}"), path, &settings, &shared());
        assert_eq!((seen.events, seen.unparsed), (15, 0));
    }
}

const MAIN: &str = concat!(
    r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "#,
    r#""$http_user_agent" "$http_x_forwarded_for" $request_time"#
);

fn compiled(server: WebServer, text: &str) -> Format {
    Format::Compiled(ServerFormat { server, text: text.to_owned(), escape: Escape::Default })
}

#[test]
fn list_beside_the_client_counts_in_every_format_that_has_one() {
    const ACCESS: &str = r#"[21/Nov/2026:03:20:13 +0000] "GET / HTTP/1.1" 200 7 "-" "x""#;
    let nginx = |text: &str| compiled(WebServer::Nginx, text);
    let apache = |text: &str| compiled(WebServer::Apache, text);
    for (format, lines) in [
        (nginx(MAIN), format!(r#"PEER - - {ACCESS} "LIST" 0.1"#)),
        (nginx(r#"$remote_addr:$remote_port "$http_x_forwarded_for" $status"#), r#"PEER:4711 "LIST" 200"#.to_owned()),
        (nginx("$status $proxy_add_x_forwarded_for $remote_addr"), "200 LIST, PEER PEER".to_owned()),
        (apache(r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i""#), format!(r#"PEER - - {ACCESS} "LIST""#)),
        (apache("%{X-Forwarded-For}i %a %{remote}p %>s"), "LIST PEER 4711 200".to_owned()),
        (Format::Known("json_access"), r#"{"remote_addr":"PEER","remote_port":4711,"xff":"LIST","status":200}"#.to_owned()),
        (Format::Known("nginx_json"), r#"{"http_x_forwarded_for":"LIST","remote_addr":"PEER","status":"200"}"#.to_owned()),
        (Format::Known("caddy"), r#"{"request":{"remote_ip":"PEER","remote_port":"4711","client_ip":"PEER","method":"GET","uri":"/","headers":{"X-Forwarded-For":["LIST"]}},"status":200}"#.to_owned()),
        (Format::Known("caddy"), r#"{"request":{"remote_ip":"PEER","method":"GET","uri":"/","headers":{"X-Forwarded-For":["192.0.2.66","LIST"]}},"status":200}"#.to_owned()),
        (Format::Known("traefik"), r#"{"ClientAddr":"PEER:4711","ClientHost":"PEER","ClientPort":"4711","DownstreamStatus":200,"request_X-Forwarded-For":"LIST"}"#.to_owned()),
        (Format::Known("iis"), "#Fields: time c-ip sc-status X-Forwarded-For\n03:20:13 PEER 200 LIST".to_owned()),
    ] {
        let is_iis = format == Format::Known("iis");
        let list = if is_iis { "198.51.100.66,+198.51.100.7,+10.0.0.2" } else { "198.51.100.66, 198.51.100.7, 10.0.0.2" };
        for (trusted, peer, client) in [
            (&["10.0.0.0/8"][..], "10.0.0.1", "198.51.100.7"),
            (&["10.0.0.0/8"], "192.0.2.7", "192.0.2.7"),
            (&["10.0.0.1"], "10.0.0.1", "10.0.0.2"),
            (&[], "10.0.0.1", "10.0.0.1"),
        ] {
            let lines = lines.replace("PEER", peer).replace("LIST", list);
            let seen = document_of(format.clone(), "/var/log/x.log", trusted, &lines);
            let mut expected = json!({"address": client, "ip": client});
            if client != peer {
                expected["nat"] = json!({"ip": peer});
            } else if lines.contains("4711") {
                expected["port"] = json!(4711);
            }
            assert_eq!(seen["source"], expected, "{lines}, {trusted:?}");
            let related = &seen["related"]["ip"];
            assert!(related.is_null() || related[0] == client, "{lines}: {related}");
        }
    }
}

#[test]
fn all_addresses_stay_in_the_list_of_nginx() {
    let line = r#"10.0.0.1 - - [21/Nov/2026:03:20:13 +0000] "GET / HTTP/1.1" 200 7 "-" "x" "203.0.113.9, 10.0.0.2" 0.1"#;
    let format = compiled(WebServer::Nginx, MAIN);
    let list = |trusted: &[&str]| {
        document_of(format.clone(), NGINX, trusted, line)["nginx"]["access"]["remote_ip_list"]
            .clone()
    };
    assert_eq!(list(&["10.0.0.0/8"]), json!(["203.0.113.9", "10.0.0.2", "10.0.0.1"]));
    assert_eq!(list(&["10.9.0.0/16"]), json!(["10.0.0.1"]));
    assert_eq!(list(&[]), json!(["10.0.0.1"]));
}

#[test]
fn list_in_place_of_a_client_in_json_is_read_where_proxies_are_trusted() {
    let line = r#"{"ClientAddr":"10.0.0.1:4711","ClientHost":"203.0.113.9, 198.51.100.7, 10.0.0.2","DownstreamStatus":200}"#;
    let of = |trusted: &[&str]| {
        document_of(Format::Known("traefik"), "/x.log", trusted, line)["source"].clone()
    };
    assert_eq!(of(&["10.0.0.0/8"]), json!({"address": "198.51.100.7", "ip": "198.51.100.7"}));
    assert_eq!(of(&[]), json!({"address": "203.0.113.9, 198.51.100.7, 10.0.0.2", "port": 4711}));
}

#[test]
fn formats_without_such_lists_are_known() {
    let heeds = |format: &Format| Parser::new(format).unwrap().heeds_proxies();
    for known in KNOWN {
        let expected = matches!(
            known.name,
            "traefik"
                | "caddy"
                | "iis"
                | "json_access"
                | "apache_json"
                | "nginx_json"
                | "nginx_ingress"
        );
        assert_eq!(heeds(&Format::Known(known.name)), expected, "{}", known.name);
    }
    assert!(heeds(&Format::Auto) && heeds(&compiled(WebServer::Nginx, MAIN)));
    assert!(!heeds(&Format::Raw) && !heeds(&compiled(WebServer::Nginx, "$remote_addr $status")));
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
