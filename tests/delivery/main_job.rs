//! The main job: logs of files, and of a real Apache and a real nginx, in a real server.

use crate::shared;
use crate::support::http;
use crate::support::shipper::{Place, wait_until};
use crate::support::web_server::WebServer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

fn config(path: &str, index: &str) -> String {
    format!(
        "filebeat.inputs:\n  - type: log\n    paths: [\"{{logs}}/{path}\"]\n\
         output.elasticsearch:\n  hosts: [\"{}\"]\n  index: {index}\n  backoff.init: 100ms\n",
        shared().url()
    )
}

fn line(number: usize) -> String {
    format!(
        "203.0.113.{} - - [21/Nov/2026:03:20:13 +0100] \"GET /page/{number}?a=1 HTTP/1.1\" 200 {number} \
         \"-\" \"curl/7.88 \\\"quoted\\\"\"\n",
        number % 250
    )
}

pub fn lines(first: usize, last: usize) -> String {
    (first..=last).fold(String::new(), |mut text, number| {
        text.push_str(&line(number));
        text
    })
}

/// Counts documents by their path.
pub fn paths(documents: &[Value]) -> BTreeMap<String, usize> {
    let mut paths = BTreeMap::new();
    for document in documents {
        *paths.entry(document["url"]["path"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
    }
    paths
}

pub fn each_once(first: usize, last: usize) -> BTreeMap<String, usize> {
    (first..=last).map(|number| (format!("/page/{number}"), 1)).collect()
}

#[test]
fn every_line_of_a_file_is_found_with_its_fields() {
    let place = Place::new(&config("access.log", "fields-test"));
    std::fs::write(place.log("access.log"), lines(1, 2000)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let documents = shared().documents("fields-test");
    assert_eq!(paths(&documents), each_once(1, 2000));
    let mut seventh =
        documents.iter().find(|document| document["url"]["path"] == "/page/7").unwrap().clone();
    for changing in ["agent", "host"] {
        assert!(seventh[changing]["name"].is_string());
        seventh.as_object_mut().unwrap().remove(changing);
    }
    assert!(seventh["event"].as_object_mut().unwrap().remove("created").is_some());
    assert_eq!(
        seventh,
        json!({
            "@timestamp": "2026-11-21T02:20:13.000Z",
            "ecs": {"version": "8.0.0"},
            "event": {"category": ["web"], "dataset": "apache.access", "kind": "event", "module": "apache",
                "outcome": "success", "type": ["access"]},
            "fileset": {"name": "access"},
            "http": {"request": {"method": "GET"},
                "response": {"body": {"bytes": 7}, "status_code": 200}, "version": "1.1"},
            "input": {"type": "log"},
            "log": {"file": {"path": place.log("access.log").to_str().unwrap()},
                "offset": lines(1, 6).len()},
            "message": line(7).trim_end(),
            "service": {"type": "apache"},
            "source": {"address": "203.0.113.7", "ip": "203.0.113.7"},
            "url": {"original": "/page/7?a=1", "path": "/page/7", "query": "a=1"},
            "user_agent": {"original": "curl/7.88 \"quoted\""},
        })
    );
    // The template is in place: an address is an address, and can be asked for by network.
    let found = shared().json("GET", "/fields-test/_count?q=source.ip:%22203.0.113.0/29%22", "");
    assert_eq!(found["count"], (1..=2000).filter(|number| number % 250 < 8).count());
}

#[test]
fn second_run_sends_only_what_is_new() {
    let place = Place::new(&config("access.log", "restart-test"));
    std::fs::write(place.log("access.log"), lines(1, 10)).unwrap();
    assert_eq!(place.run(&["--once"]).0, 0);
    let mut log = std::fs::OpenOptions::new().append(true).open(place.log("access.log")).unwrap();
    log.write_all(lines(11, 15).as_bytes()).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\"acked\":5,"), "{told}");
    assert_eq!(paths(&shared().documents("restart-test")), each_once(1, 15));
}

#[test]
fn kill_in_a_loop_while_files_rotate_loses_and_repeats_nothing() {
    let place = Place::new(&config("access.log", "kill-test"));
    let mut written = 0;
    for round in 0..12_u64 {
        let running = place.start(&[]);
        for _ in 0..5 {
            let mut log = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(place.log("access.log"))
                .unwrap();
            log.write_all(lines(written + 1, written + 80).as_bytes()).unwrap();
            written += 80;
            std::thread::sleep(std::time::Duration::from_millis(20 + round * 7 % 60));
        }
        if round % 5 == 3 {
            std::fs::rename(place.log("access.log"), place.log(&format!("access.log.{round}")))
                .unwrap();
        }
        running.kill();
    }
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&shared().documents("kill-test")), each_once(1, written));
}

#[test]
fn server_that_comes_late_gets_everything() {
    let port = http::free_port();
    let place = Place::new(
        &config("access.log", "late-test").replace(&shared().port.to_string(), &port.to_string()),
    );
    std::fs::write(place.log("access.log"), lines(1, 50)).unwrap();
    let running = place.start(&[]);
    let name = format!("backoff(elasticsearch(http://127.0.0.1:{port}))");
    wait_until("it says that it cannot connect", || {
        running.told().contains(&format!("Failed to connect to {name}: "))
    });
    wait_until("it says that it tries again", || {
        running.told().contains(&format!("Attempting to reconnect to {name} with "))
    });
    forward(port, shared().port);
    wait_until("it says that it is connected", || {
        running.told().contains(&format!("Connection to {name} established"))
    });
    wait_until("all lines are there", || shared().documents("late-test").len() == 50);
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&shared().documents("late-test")), each_once(1, 50));
}

/// Forwards connections to another port until the test ends.
fn forward(from: u16, to: u16) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", from)).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
            let pairs =
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (mut from, mut to) in pairs {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
}

#[test]
fn document_that_is_never_taken_becomes_a_dead_letter_and_the_rest_goes_on() {
    let template = json!({
        "index_patterns": ["dead-test"], "data_stream": {}, "priority": 900,
        "template": {"mappings": {"properties": {"http": {"properties": {"response": {"properties":
            {"body": {"properties": {"bytes": {"type": "byte"}}}}}}}}}},
    });
    shared().json("PUT", "/_index_template/dead-test-own", &template.to_string());
    let place = Place::new(&config("access.log", "dead-test"));
    std::fs::write(place.log("access.log"), lines(100, 130)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&shared().documents("dead-test")), each_once(100, 127));
    let letters = place.path().join("data/dead_letters/00000001.ndjson");
    let letters = std::fs::read_to_string(letters).unwrap();
    let kept: Vec<String> = letters
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|letter| {
            format!("{} {} {}", letter["status"], letter["type"], letter["document"]["url"]["path"])
        })
        .collect();
    let expected: Vec<String> = (128..=130)
        .map(|number| format!("400 \"{}\" \"/page/{number}\"", shared().product.misfit()))
        .collect();
    assert_eq!(kept, expected);
    let audit = ["registry", "audit", "--json", "-c", "shipper.yml", "--path.data", "data"];
    let audit: Value = serde_json::from_str(&place.command(&audit)).unwrap();
    let (dead, stored) = (lines(128, 130).len(), lines(100, 127).len());
    assert_eq!(audit["sum"]["dead_lettered"], dead, "{audit}");
    assert_eq!((&audit["sum"]["stored"], &audit["sum"]["missing"]), (&stored.into(), &0.into()));
}

#[test]
fn dead_letter_is_stored_once_when_the_mapping_is_mended_and_it_is_replayed() {
    let template = |kind: &str| {
        json!({
            "index_patterns": ["replay-test"], "data_stream": {}, "priority": 901,
            "template": {"mappings": {"properties": {"http": {"properties": {"response": {"properties":
                {"body": {"properties": {"bytes": {"type": kind}}}}}}}}}},
        })
    };
    shared().json("PUT", "/_index_template/replay-test-own", &template("byte").to_string());
    let place = Place::new(&config("access.log", "replay-test"));
    std::fs::write(place.log("access.log"), lines(100, 130)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let dlq = |arguments: &[&str]| {
        let paths = ["-c", "shipper.yml", "--path.data", "data"];
        place.command(&[&["dlq"], arguments, &paths].concat())
    };
    let list: Value = serde_json::from_str(&dlq(&["list", "--json"])).unwrap();
    assert_eq!(
        (&list["letters"], &list["groups"][0]["target"]),
        (&3.into(), &"replay-test".into())
    );
    // The mapping is mended as operators do it: the template first, then a rollover.
    shared().json("PUT", "/_index_template/replay-test-own", &template("long").to_string());
    shared().json("POST", "/replay-test/_rollover", "");
    assert_eq!(dlq(&["replay"]), "3 stored, 0 were there already, 0 refused again\n");
    assert_eq!(dlq(&["replay"]), "0 stored, 0 were there already, 0 refused again\n");
    assert_eq!(paths(&shared().documents("replay-test")), each_once(100, 130));
}

#[test]
fn dead_letter_is_stored_in_the_data_stream_that_is_named_for_it() {
    let template = json!({
        "index_patterns": ["refused-test"], "data_stream": {}, "priority": 902,
        "template": {"mappings": {"properties": {"http": {"properties": {"response": {"properties":
            {"body": {"properties": {"bytes": {"type": "byte"}}}}}}}}}},
    });
    shared().json("PUT", "/_index_template/refused-test-own", &template.to_string());
    let stream = json!({"index_patterns": ["refused-dead"], "data_stream": {}, "priority": 903});
    shared().json("PUT", "/_index_template/refused-dead-own", &stream.to_string());
    let more = "  non_indexable_policy.dead_letter_index.index: refused-dead\n";
    let place = Place::new(&(config("access.log", "refused-test") + more));
    std::fs::write(place.log("access.log"), lines(120, 130)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(paths(&shared().documents("refused-test")), each_once(120, 127));
    let dead = shared().documents("refused-dead");
    let mut messages: Vec<String> = dead
        .iter()
        .map(|letter| {
            let document: Value =
                serde_json::from_str(letter["message"].as_str().unwrap()).unwrap();
            let source = &letter["dead_letter"]["source"];
            assert_eq!(source["file"], place.log("access.log").to_str().unwrap());
            assert_eq!(letter["@timestamp"], document["@timestamp"]);
            format!("{} {}", letter["error"]["type"], document["url"]["path"].as_str().unwrap())
        })
        .collect();
    messages.sort();
    assert_eq!(messages, ["400 /page/128", "400 /page/129", "400 /page/130"]);
    assert!(!place.path().join("data/dead_letters").exists());
}

#[test]
fn template_of_ours_wins_over_the_one_that_servers_have_for_all_logs() {
    // As servers with all modules have it: the name, the pattern and the priority are Elasticsearch's.
    let builtin = json!({
        "index_patterns": ["logs-*-*"], "data_stream": {}, "priority": 100,
        "template": {"mappings": {"properties": {"source": {"properties": {"ip": {"type": "keyword"}}}}}},
    });
    shared().json("PUT", "/_index_template/logs", &builtin.to_string());
    let place = Place::new(&format!(
        "inputs:\n  - type: log\n    paths: [\"{{logs}}/access.log\"]\n\
         output.elasticsearch.hosts: [\"{}\"]\n",
        shared().url()
    ));
    std::fs::write(place.log("access.log"), lines(1, 20)).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
    let stream = "logs-apache.access-default";
    assert_eq!(paths(&shared().documents(stream)), each_once(1, 20));
    let mapping = shared().json("GET", &format!("/{stream}/_mapping"), "");
    let (backing, mapping) = mapping.as_object().unwrap().iter().next().unwrap();
    assert!(backing.starts_with(".ds-logs-apache.access-default-"), "{backing}");
    assert_eq!(mapping["mappings"]["properties"]["source"]["properties"]["ip"]["type"], "ip");
}

/// Sends requests as real clients, and worse ones, send them.
fn serve_requests(port: u16) {
    let requests: [&[u8]; 9] = [
        b"GET /index.html?q=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux) \"odd\"\r\nReferer: https://a.example/\r\nConnection: close\r\n\r\n",
        b"GET /missing/caf%C3%A9.PNG HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: h\xc3\xa9t\xc3\xa9\r\nConnection: close\r\n\r\n",
        b"POST /form HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b",
        b"GET / HTTP/1.0\r\n\r\n",
        b"this is no request\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: \x80\x81\r\nConnection: close\r\n\r\n",
        b"GET /a\\b\"c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
    ];
    for round in 0..10 {
        for request in requests {
            http::raw(port, request).unwrap();
        }
        let one = format!("GET /page/{round} HTTP/1.0\r\n\r\n");
        http::raw(port, one.as_bytes()).unwrap();
    }
}

/// Follows `log` while `port` serves, and finds every line of it, each once.
fn follow_while_serving(place: &Place, log: &Path, index: &str, port: u16) -> Vec<Value> {
    let running = place.start(&[]);
    serve_requests(port);
    let written = || {
        let bytes = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    wait_until("every request is logged and found", || {
        let lines = written();
        100 < lines.len() && shared().documents(index).len() == lines.len()
    });
    let (code, told) = running.stop();
    assert_eq!(code, 0, "{told}");
    let documents = shared().documents(index);
    let mut messages: Vec<String> =
        documents.iter().map(|document| document["message"].as_str().unwrap().to_owned()).collect();
    messages.sort();
    assert_eq!(messages, written());
    documents
}

#[test]
fn every_request_to_a_real_nginx_is_found() {
    let place = Place::new(&config("nginx-access.log", "nginx-test"));
    let port = http::free_port();
    std::fs::create_dir(place.path().join("www")).unwrap();
    std::fs::write(place.path().join("www/index.html"), "hello").unwrap();
    let base = place.path().display();
    let http = format!(
        "access_log {base}/logs/nginx-access.log combined;\n\
         server {{ listen 127.0.0.1:{port}; root {base}/www; }}"
    );
    let _server = WebServer::nginx(place.path(), port, &http);
    let documents =
        follow_while_serving(&place, &place.log("nginx-access.log"), "nginx-test", port);
    let page =
        documents.iter().find(|document| document["url"]["original"] == "/index.html?q=1").unwrap();
    assert_eq!(page["event"]["dataset"], "nginx.access");
    assert_eq!(page["http"]["response"], json!({"status_code": 200, "body": {"bytes": 5}}));
    assert_eq!(page["user_agent"]["original"], "Mozilla/5.0 (X11; Linux) \"odd\"");
    assert_eq!(page["http"]["request"], json!({"method": "GET", "referrer": "https://a.example/"}));
    assert_eq!(page["related"]["ip"], json!(["127.0.0.1"]));
    let picture = documents.iter().find(|document| document["url"]["extension"] == "PNG").unwrap();
    assert_eq!(picture["url"]["path"], "/missing/caf\u{e9}.PNG");
    assert_eq!(picture["event"]["outcome"], "failure");
}

#[test]
fn every_request_to_a_real_apache_is_found() {
    let formats = [
        ("combined", r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#),
        ("common", r#"%h %l %u %t \"%r\" %>s %b"#),
        ("vhost", r#"%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""#),
    ];
    for (name, format) in formats {
        let index = format!("apache-{name}-test");
        let place = Place::new(&config("access.log", &index));
        let port = http::free_port();
        let base = place.path().display().to_string();
        std::fs::create_dir(place.path().join("www")).unwrap();
        std::fs::write(place.path().join("www/index.html"), "hello").unwrap();
        let modules = "/usr/lib/apache2/modules";
        let conf = format!(
            "ServerRoot {base}\nServerName shop.example\nListen 127.0.0.1:{port}\nPidFile {base}/httpd.pid\n\
             DefaultRuntimeDir {base}\nLoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
             LoadModule authz_core_module {modules}/mod_authz_core.so\n\
             User www-data\nGroup www-data\nDocumentRoot {base}/www\nErrorLog {base}/error.log\n\
             LogFormat \"{format}\" own\nCustomLog {base}/logs/access.log own\n"
        );
        std::fs::write(place.path().join("httpd.conf"), conf).unwrap();
        open_to_all(place.path());
        let arguments = ["-X", "-f", &format!("{base}/httpd.conf")];
        let _server = WebServer::start("/usr/sbin/apache2", &arguments, port);
        let documents = follow_while_serving(&place, &place.log("access.log"), &index, port);
        let page = documents
            .iter()
            .find(|document| document["url"]["original"] == "/index.html?q=1")
            .unwrap_or_else(|| panic!("{name}: the page was not understood"));
        assert_eq!(page["event"]["dataset"], "apache.access", "{name}");
        assert_eq!(page["http"]["response"]["status_code"], 200, "{name}");
        assert_eq!(page["source"]["ip"], "127.0.0.1", "{name}");
        if name != "common" {
            assert_eq!(
                page["user_agent"]["original"], "Mozilla/5.0 (X11; Linux) \"odd\"",
                "{name}"
            );
        }
        if name == "vhost" {
            assert_eq!(
                page["destination"],
                json!({"domain": "shop.example", "port": 80}),
                "{name}"
            );
        }
    }
}

/// Lets the web server's own user pass a directory.
pub fn open_to_all(directory: &Path) {
    assert!(Command::new("chmod").args(["-R", "a+rX"]).arg(directory).status().unwrap().success());
}
