//! What each page says.

use crate::http::{self, free_port};
use crate::rig::{
    bulk, configuration, get, json, metrics, sample, send, started, storing, wait_for_done,
};
use crate::server::{Reply, Server};
use crate::shipper::{Place, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Puts the dotted names of all figures into a set.
fn names(value: &Value, prefix: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                names(inner, &format!("{prefix}{dot}{key}"), into);
            }
        }
        _ => {
            into.insert(prefix.to_owned());
        }
    }
}

#[test]
fn stats_have_the_names_of_filebeat_and_own_ones_apart() {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = started(&place, port);
    wait_for_done(port, 1);
    let mut found = BTreeSet::new();
    names(&json(port, "/stats"), "", &mut found);
    let fixture = include_str!("../../fixtures/http/filebeat-stats.txt");
    let lines = || fixture.lines().filter(|line| !line.starts_with('#'));
    let expected: BTreeSet<String> =
        lines().filter(|line| !line.starts_with("- ")).map(str::to_owned).collect();
    let own = |name: &String| name.starts_with("shipper.") || name == "beat.runtime.threads";
    let told: BTreeSet<String> = found.iter().filter(|name| !own(name)).cloned().collect();
    assert_eq!(told, expected);
    assert!(found.iter().any(|name| name.starts_with("shipper.audit.")), "{found:?}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn counts_are_exact_after_a_known_run() {
    let rejected = AtomicUsize::new(0);
    // Every line says what becomes of it; one of them only the second time.
    let server = Server::start(move |request| {
        bulk(request, |_, document| {
            if document.contains("busy") && rejected.fetch_add(1, Ordering::SeqCst) == 0 {
                429
            } else if document.contains("there") {
                409
            } else if document.contains("bad") {
                400
            } else {
                201
            }
        })
    });
    let port = free_port();
    let place = Place::new(&configuration(&server.url(), port));
    std::fs::write(place.log("a.log"), "good\nbusy\nthere\nbad\n\ngood\n").unwrap();
    std::fs::write(place.log("b.log"), "good\nhalf").unwrap();
    let running = started(&place, port);
    wait_for_done(port, 6);
    let stats = json(port, "/stats");
    assert_eq!(stats["filebeat"]["events"], json!({"active": 0, "added": 6, "done": 6}));
    assert_eq!(stats["filebeat"]["harvester"]["started"], 2);
    assert_eq!(stats["filebeat"]["harvester"]["running"], 2);
    let output = &stats["libbeat"]["output"];
    let mut events = output["events"].clone();
    events["batches"].take();
    assert_eq!(
        events,
        json!({
            "acked": 4, "active": 0, "batches": null, "dead_letter": 1, "dropped": 0,
            "duplicates": 1, "failed": 1, "toomany": 1, "total": 6
        })
    );
    assert_eq!(output["type"], "elasticsearch");
    assert_eq!(
        stats["libbeat"]["pipeline"]["events"],
        json!({"active": 0, "filtered": 1, "published": 6, "retry": 1, "total": 7})
    );
    let text = metrics(port);
    for (series, value) in [
        ("shipper_events_total", 6.0),
        ("shipper_lines_filtered_total", 1.0),
        ("shipper_read_bytes_total", 31.0),
        (r#"shipper_output_events_total{output="elasticsearch",outcome="stored"}"#, 4.0),
        (r#"shipper_output_events_total{output="elasticsearch",outcome="already_stored"}"#, 1.0),
        (r#"shipper_output_events_total{output="elasticsearch",outcome="dead_lettered"}"#, 1.0),
        (r#"shipper_output_retries_total{output="elasticsearch",reason="too_many_requests"}"#, 1.0),
        (r#"shipper_output_retries_total{output="elasticsearch",reason="connection"}"#, 0.0),
        (r#"shipper_output_events_in_flight{output="elasticsearch"}"#, 0.0),
        (r#"shipper_input_events_total{input="web",type="filestream"}"#, 6.0),
        (r#"shipper_input_bytes_total{input="web",type="filestream"}"#, 31.0),
        ("shipper_files_followed", 2.0),
        ("shipper_ready", 1.0),
    ] {
        assert_eq!(sample(&text, series), Some(value), "{series}\n{text}");
    }
    let requests = sample(&text, r#"shipper_output_requests_total{output="elasticsearch"}"#);
    let answered =
        sample(&text, r#"shipper_output_request_duration_seconds_count{output="elasticsearch"}"#);
    assert_eq!(
        (requests, answered),
        (Some(f64::from(u32::try_from(server.bulks().len()).unwrap())), requests)
    );
    assert_eq!(running.stop().0, 0);
}

#[test]
fn every_file_says_how_far_it_is_and_how_far_behind() {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    let odd = place.path().join("logs/o\"d\\d.log");
    std::fs::write(&odd, "one\n").unwrap();
    std::fs::write(place.log("half.log"), "one\nhalf").unwrap();
    let running = started(&place, port);
    wait_for_done(port, 2);
    let logs = place.path().join("logs").display().to_string();
    let series = |name: &str, file: &str| {
        let text = metrics(port);
        sample(&text, &format!(r#"shipper_file_{name}{{input="web",path="{logs}/{file}"}}"#))
    };
    wait_until("the files are told", || series("offset_bytes", "half.log") == Some(4.0));
    wait_until("all is settled", || series("offset_bytes", r#"o\"d\\d.log"#) == Some(4.0));
    assert_eq!(series("lag_bytes", r#"o\"d\\d.log"#), Some(0.0));
    assert_eq!(series("lag_seconds", r#"o\"d\\d.log"#), Some(0.0));
    assert_eq!(series("size_bytes", "half.log"), Some(8.0));
    assert_eq!(series("read_bytes", "half.log"), Some(4.0));
    assert_eq!(series("lag_bytes", "half.log"), Some(4.0));
    let before = series("lag_seconds", "half.log").unwrap();
    wait_until("the lag grows", || before < series("lag_seconds", "half.log").unwrap());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn inputs_are_told_by_type() {
    let (server, port, syslog) = (storing(), free_port(), free_port());
    let mut text = configuration(&server.url(), port);
    text = text.replace(
        "output.elasticsearch",
        &format!("  - type: tcp\n    host: 127.0.0.1:{syslog}\noutput.elasticsearch"),
    );
    let place = Place::new(&text);
    std::fs::write(place.log("a.log"), "one\n\nthree\n").unwrap();
    let running = started(&place, port);
    let mut sender = std::net::TcpStream::connect(("127.0.0.1", syslog)).unwrap();
    sender.write_all(b"hello\n").unwrap();
    wait_for_done(port, 3);
    let files = json!({
        "bytes_processed_total": 11, "events_processed_total": 2, "files_active": 1,
        "files_closed_total": 0, "files_opened_total": 1, "id": "web", "input": "filestream",
        "messages_read_total": 3, "processing_errors_total": 0,
    });
    let sent = json!({
        "id": "inputs[1]", "input": "tcp", "received_bytes_total": 6, "received_events_total": 1,
    });
    assert_eq!(json(port, "/inputs/"), json!([files, sent]));
    assert_eq!(json(port, "/inputs/?type=TCP"), json!([sent]));
    assert_eq!(json(port, "/inputs?type=udp"), json!([]));
    assert_eq!(get(port, "/inputs/?type=").status, 400);
    let pretty = get(port, "/inputs/?pretty&type=tcp").body;
    assert!(pretty.starts_with("[\n  {\n    \"id\": \"inputs[1]\",\n"), "{pretty}");
    assert_eq!(sample(&metrics(port), "shipper_listener_messages_total"), Some(1.0));
    assert_eq!(running.stop().0, 0);
}

#[test]
fn program_and_its_state_are_told_in_the_words_of_filebeat() {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    let running = started(&place, port);
    let (info, state) = (json(port, "/"), json(port, "/state"));
    let mut found = BTreeSet::new();
    names(&info, "", &mut found);
    let expected = [
        "beat",
        "binary_arch",
        "elastic_licensed",
        "ephemeral_id",
        "gid",
        "hostname",
        "name",
        "uid",
        "uuid",
        "version",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
    assert_eq!(
        (&info["beat"], &info["version"]),
        (&json!("shipper"), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(state["input"], json!({"count": 1, "names": ["filestream"]}));
    assert_eq!(state["output"]["name"], "elasticsearch");
    assert_eq!(state["queue"], json!({"name": "mem"}));
    assert_eq!(state["service"]["id"], info["uuid"]);
    assert_eq!(state["host"]["hostname"], info["hostname"]);
    assert!(state["host"]["os"]["kernel"].is_string(), "{state}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn ready_is_who_delivers_and_alive_is_who_does_not() {
    let (server, port) = (free_port(), free_port());
    let place = Place::new(&configuration(&format!("http://127.0.0.1:{server}"), port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = started(&place, port);
    wait_until("the output fails", || get(port, "/ready").body.contains(" fails for "));
    let ready = get(port, "/ready");
    assert_eq!(ready.status, 503);
    let begins = format!("the output http://127.0.0.1:{server} fails for ");
    assert!(ready.body.starts_with(&begins), "{ready:?}");
    let health = get(port, "/health");
    assert_eq!((health.status, health.body.as_str()), (200, "alive\n"));
    let host = format!(
        r#"shipper_output_host_up{{output="elasticsearch",host="http://127.0.0.1:{server}"}}"#
    );
    assert_eq!(sample(&metrics(port), &host), Some(0.0));
    assert_eq!(sample(&metrics(port), "shipper_ready"), Some(0.0));
    let address = format!("127.0.0.1:{server}").parse().unwrap();
    let server = Server::at(address, None, |request| bulk(request, |_, _| 201));
    wait_until("it is ready", || get(port, "/ready").status == 200);
    assert_eq!(get(port, "/ready").body, "ready\n");
    assert_eq!(sample(&metrics(port), &host), Some(1.0));
    assert_eq!(running.stop().0, 0);
    drop(server);
}

#[test]
fn target_that_takes_nothing_is_told_while_others_go_on() {
    let server = Server::start(|request| {
        bulk(request, |action, _| if action.contains(r#""_index":"sick""#) { 403 } else { 201 })
    });
    let port = free_port();
    let text = configuration(&server.url(), port).replace("/*.log", "/well.log").replace(
        "output.elasticsearch",
        "  - type: filestream\n    id: sick\n    paths: [\"{logs}/sick.log\"]\n    format: raw\n    index: sick\n\
         output.elasticsearch",
    );
    let place = Place::new(&text);
    std::fs::write(place.log("sick.log"), "one\ntwo\n").unwrap();
    let running = started(&place, port);
    let paused = r#"shipper_output_paused_targets{output="elasticsearch"}"#;
    wait_until("the target pauses", || sample(&metrics(port), paused) == Some(1.0));
    std::fs::write(place.log("well.log"), "one\n").unwrap();
    let stored = r#"shipper_output_events_total{output="elasticsearch",outcome="stored"}"#;
    wait_until("the other goes on", || sample(&metrics(port), stored) == Some(1.0));
    let text = metrics(port);
    let spooled = r#"shipper_output_spooled_events_total{output="elasticsearch"}"#;
    assert_eq!(sample(&text, spooled), Some(2.0), "{text}");
    assert_eq!(text.matches("shipper_output_host_up{").count(), 1, "{text}");
    assert_eq!(json(port, "/stats")["shipper"]["output"]["blocked_targets"], 1);
    let ready = get(port, "/ready");
    assert_eq!(ready.status, 200);
    assert!(ready.body.starts_with("ready\nthe output target sick fails for "), "{ready:?}");
    assert_eq!(running.stop().0, 0);
}

#[test]
fn who_stops_is_not_ready() {
    let server =
        Server::start(
            |request| {
                if request.is_bulk() { Reply::Hang } else { bulk(request, |_, _| 201) }
            },
        );
    let port = free_port();
    let place = Place::new(&configuration(&server.url(), port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let running = started(&place, port);
    server.wait_for_bulks(0);
    wait_until("the event is on its way", || {
        json(port, "/stats")["libbeat"]["output"]["events"]["active"] == 1
    });
    let pid = rustix::process::Pid::from_raw(running.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_until("it stops", || get(port, "/ready").body == "it stops\n");
    assert_eq!(get(port, "/health").status, 200);
    running.kill();
}

#[test]
fn no_page_tells_a_secret() {
    let (server, port) = (storing(), free_port());
    let place = Place::new(&configuration(&server.url(), port));
    let running = started(&place, port);
    for path in ["/", "/stats", "/state", "/inputs/", "/metrics", "/health", "/ready", "/other"] {
        let answer = get(port, path);
        for secret in ["opensesame", "password", "api_key", "elastic:"] {
            assert!(!answer.body.contains(secret), "{path}: {answer:?}");
        }
    }
    assert_eq!(running.stop().0, 0);
}

#[test]
fn port_in_use_ends_the_start_before_anything_is_read() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let place = Place::new(&configuration("http://127.0.0.1:1", port));
    std::fs::write(place.log("a.log"), "one\n").unwrap();
    let (code, told) = place.run(&[]);
    assert_eq!(code, 1, "{told}");
    let expected = format!(
        "error: cannot listen at `localhost:{port}` for the http endpoint: address already in use\n\
         hint: something else listens there, perhaps a Filebeat or another shipper: stop it, or set another \
         `http.port`\nhint: or set `http.enabled: false`; nothing was read\n"
    );
    assert!(told.ends_with(&expected), "{told}");
    assert!(!place.path().join("data").exists(), "nothing was made");
}

#[test]
fn unix_socket_is_for_its_owner_alone_and_goes_with_the_process() {
    let server = storing();
    let mut text = configuration(&server.url(), 5066);
    text.push_str("  host: unix://{logs}/http.sock\n");
    let place = Place::new(&text);
    let path = place.log("http.sock");
    // One that is left of a process that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let running = place.start(&[]);
    let ask = || {
        let mut stream = UnixStream::connect(&path).ok()?;
        stream.write_all(b"GET /stats/?pretty HTTP/1.1\r\nHost: a\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    wait_until("it answers", || ask().is_some());
    let answer = ask().unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"filebeat\": {"),
        "{answer}"
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o740);
    assert_eq!(running.stop().0, 0);
    assert!(!path.exists());
}

#[test]
fn without_the_option_nobody_listens() {
    let port = free_port();
    let text = configuration("http://127.0.0.1:1", port).replace("enabled: true", "enabled: false");
    let place = Place::new(&text);
    let running = place.start(&[]);
    wait_until("it runs", || place.path().join("data/shipper.sock").exists());
    assert!(http::raw(port, b"GET / HTTP/1.0\r\n\r\n").is_err());
    assert_eq!(running.stop().0, 0);
}

#[test]
fn other_machines_are_let_in_only_with_a_warning() {
    let port = free_port();
    let mut text = configuration("http://127.0.0.1:1", port);
    text.push_str("  host: 0.0.0.0\n");
    let place = Place::new(&text);
    let running = started(&place, port);
    assert_eq!(send(port, "GET /health HTTP/1.0\r\n\r\n").status, 200);
    let told = running.told();
    assert!(told.contains(&format!("Metrics endpoint listening on: 0.0.0.0:{port}")), "{told}");
    assert!(told.contains("asks nobody for a password"), "{told}");
    assert_eq!(running.stop().0, 0);
}
