//! Each protocol, and what its documents carry.

use crate::rig::Rig;
use crate::shipper::wait_until;
use serde_json::json;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number:05}")).collect()
}

#[test]
fn lines_of_connections_are_documents_with_their_sender() {
    let mut rig = Rig::start("  - {type: tcp, host: '127.0.0.1:0', format: raw}");
    let mut senders = Vec::new();
    for sender in 0..4 {
        let mut stream = TcpStream::connect(rig.address()).unwrap();
        let lines: String =
            numbered(&format!("s{sender}-"), 2000).iter().map(|line| format!("{line}\n")).collect();
        // Cut anywhere, and without a last line end.
        for piece in lines.trim_end().as_bytes().chunks(777) {
            stream.write_all(piece).unwrap();
        }
        senders.push(stream.local_addr().unwrap().to_string());
    }
    rig.receiver.wait_for(8000);
    let expected: Vec<String> =
        (0..4).flat_map(|sender| numbered(&format!("s{sender}-"), 2000)).collect();
    assert_eq!(rig.receiver.messages(), expected);
    for document in rig.receiver.documents() {
        let sender = document["message"].as_str().unwrap()[1..2].parse::<usize>().unwrap();
        assert_eq!(document["log"]["source"]["address"], json!(senders[sender]));
        assert_eq!(document["log"].get("file"), None);
        assert_eq!(document["input"], json!({ "type": "tcp" }));
    }
    let told = rig.stop();
    assert!(!told.contains("audit found a gap"), "{told}");
}

#[test]
fn datagrams_are_documents_with_their_sender() {
    let rig = Rig::start("  - {type: udp, host: '127.0.0.1:0', format: raw, max_message_size: 20}");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for text in ["one\n", "two\nlines", "", "a text of more than twenty bytes"] {
        socket.send_to(text.as_bytes(), rig.address()).unwrap();
    }
    rig.receiver.wait_for(3);
    assert_eq!(rig.receiver.messages(), ["a text of more than ", "one", "two\nlines"]);
    for document in rig.receiver.documents() {
        let sender = socket.local_addr().unwrap().to_string();
        assert_eq!(document["log"]["source"]["address"], json!(sender));
        let flags = document["message"].as_str().unwrap().starts_with("a text");
        assert_eq!(document["log"].get("flags"), flags.then(|| json!(["truncated"])).as_ref());
    }
    wait_until("it is counted", || rig.figure("truncated") == 1);
}

#[test]
fn both_kinds_of_unix_sockets_take_messages_and_go_with_the_process() {
    let inputs = "  - {type: unix, path: '{place}/stream.sock', mode: '0600', format: raw}\n  \
                  - {type: unix, path: '{place}/datagram.sock', socket_type: datagram, format: raw}";
    let mut rig = Rig::start(inputs);
    let (stream, datagram) =
        (rig.place.path().join("stream.sock"), rig.place.path().join("datagram.sock"));
    wait_until("both listen", || stream.exists() && datagram.exists());
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&stream).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    UnixStream::connect(&stream).unwrap().write_all(b"one\ntwo\nthree").unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    for text in ["four", "five\n"] {
        socket.send_to(text.as_bytes(), &datagram).unwrap();
    }
    rig.receiver.wait_for(5);
    assert_eq!(rig.receiver.messages(), ["five", "four", "one", "three", "two"]);
    assert_eq!(rig.receiver.documents()[0]["log"].get("source"), None, "they have no address");
    rig.stop();
    assert!(!stream.exists() && !datagram.exists());

    // What a killed process left is replaced; what somebody listens to is not.
    drop(std::os::unix::net::UnixListener::bind(&stream).unwrap());
    let running = rig.place.start(&[]);
    wait_until("it listens again", || running.told().contains("datagram.sock"));
    let (code, told) = rig.place.start_in("other", &[]).wait();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("something else has that name"), "{told}");
}

#[test]
fn syslog_headers_become_fields_and_access_lines_in_them_are_parsed() {
    let rig = Rig::start(
        "  - {type: syslog, protocol.udp.host: '127.0.0.1:0', timezone: UTC, tags: [edge]}",
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let access =
        r#"192.0.2.1 - - [21/Nov/2026:03:20:13 +0000] "GET /a?b=c HTTP/1.1" 404 5 "-" "curl/8""#;
    let messages = [
        format!("<190>Nov 21 03:20:14 web1 nginx: {access}"),
        format!("<134>1 2026-11-21T03:20:15.25Z web2 httpd 0042 - [x@1 k=\"v\"] {access}"),
        "<86>Nov 21 03:20:13 web3 sudo[77]: session \"opened\"".to_owned(),
        "what is \"this\"?".to_owned(),
    ];
    for message in &messages {
        socket.send_to(message.as_bytes(), rig.address()).unwrap();
    }
    rig.receiver.wait_for(4);
    let documents = rig.receiver.documents();
    let of = |host: &str| {
        let mut found = documents.iter().filter(|document| document["hostname"] == json!(host));
        found.next().unwrap().clone()
    };
    let nginx = of("web1");
    assert_eq!(nginx["@timestamp"], json!("2026-11-21T03:20:13.000Z"), "the request's own time");
    assert_eq!(nginx["message"], json!(access));
    assert_eq!(nginx["event"]["dataset"], json!("nginx.access"));
    assert_eq!(nginx["event"]["severity"], json!(6));
    assert_eq!(nginx["event"]["outcome"], json!("failure"));
    assert_eq!(nginx["url"]["path"], json!("/a"));
    assert_eq!(nginx["source"]["ip"], json!("192.0.2.1"));
    assert_eq!(nginx["process"], json!({ "name": "nginx" }));
    assert_eq!(nginx["tags"], json!(["edge"]));
    assert_eq!(
        nginx["log"]["syslog"],
        json!({
            "priority": 190, "hostname": "web1", "appname": "nginx",
            "facility": { "code": 23, "name": "local7" },
            "severity": { "code": 6, "name": "Informational" },
        })
    );
    let apache = of("web2");
    assert_eq!(apache["event"]["dataset"], json!("apache.access"));
    assert_eq!(apache["http"]["response"]["status_code"], json!(404));
    assert_eq!(apache["process"], json!({ "name": "httpd", "pid": 42 }));
    assert_eq!(apache["log"]["syslog"]["procid"], json!("0042"));
    assert_eq!(apache["log"]["syslog"]["version"], json!("1"));
    assert_eq!(apache["log"]["syslog"]["structured_data"], json!({ "x@1": { "k": "v" } }));
    let other = of("web3");
    assert_eq!(other["message"], json!("session \"opened\""));
    assert_eq!(other["process"], json!({ "name": "sudo", "pid": 77 }));
    assert_eq!(other["event"], json!({ "severity": 6 }));
    assert!(other["@timestamp"].as_str().unwrap().ends_with("-11-21T03:20:13.000Z"));
    let whole = documents.iter().find(|document| document.get("hostname").is_none()).unwrap();
    assert_eq!(whole["message"], json!("what is \"this\"?"));
    assert_eq!(whole["log"].get("syslog"), None);
    assert_eq!(whole["log"]["source"]["address"], json!(socket.local_addr().unwrap().to_string()));
    wait_until("it is counted", || rig.figure_of("reading", "unparsed") == 1);
}

#[test]
fn counted_and_delimited_messages_may_follow_each_other() {
    let rig = Rig::start(
        "  - type: syslog\n    format: rfc5424\n    protocol.tcp: {host: '127.0.0.1:0', framing: rfc6587}",
    );
    let mut stream = TcpStream::connect(rig.address()).unwrap();
    let message = |text: &str| format!("<13>1 - h a - - - {text}");
    let (one, two) = (message("two\nlines"), message("a line"));
    write!(stream, "{} {one}{two}\n{} {two}", one.len(), two.len()).unwrap();
    drop(stream);
    rig.receiver.wait_for(3);
    assert_eq!(rig.receiver.messages(), ["a line", "a line", "two\nlines"]);
}

#[test]
fn messages_go_through_the_parsers_and_filters_of_their_input() {
    let rig = Rig::start(
        "  - {type: tcp, host: '127.0.0.1:0', format: raw, framing: rfc6587, exclude_lines: ['debug'],\n     \
         parsers: [{ndjson: {target: '', overwrite_keys: true, message_key: text}}]}\n  \
         - {type: udp, host: '127.0.0.1:0', format: raw, encoding: latin1, include_lines: ['^b']}",
    );
    let addresses = rig.addresses();
    let objects = [
        "{\"text\":\"debug: no\",\"n\":1}",
        "{\"text\":\"yes\",\n \"n\":2, \"agent\":{\"type\":\"theirs\"}}",
        "no object",
    ];
    let mut stream = TcpStream::connect(addresses[0]).unwrap();
    for object in objects {
        // Counted, so that one of them can hold a line end.
        stream.write_all(format!("{} {object}", object.len()).as_bytes()).unwrap();
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for text in [&b"a"[..], b"b\xfcrger"] {
        socket.send_to(text, addresses[1]).unwrap();
    }
    rig.receiver.wait_for(3);
    assert_eq!(rig.receiver.messages(), ["bürger", "no object", "yes"]);
    let documents = rig.receiver.documents();
    let object = documents.iter().find(|document| document["message"] == "yes").unwrap();
    assert_eq!((&object["n"], &object["text"]), (&json!(2), &json!("yes")));
    assert_eq!(object["agent"]["type"], "filebeat");
    assert_eq!(object["log"]["source"]["address"], stream.local_addr().unwrap().to_string());
    assert_eq!(object["log"].get("flags"), None);
    wait_until("what is left out is counted", || rig.figure_of("events", "filtered") == 2);
}

#[test]
fn texts_of_syslog_messages_go_through_the_parsers_and_filters_of_their_input() {
    let rig = Rig::start(
        "  - {type: syslog, protocol.udp.host: '127.0.0.1:0', encoding: latin1, exclude_lines: ['^debug'],\n     \
         parsers: [{ndjson: {target: '', message_key: text}}]}",
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for text in [
        &b"<13>Nov 21 03:20:13 web1 app[7]: {\"text\":\"B\xfcrger\",\"n\":1}"[..],
        b"<13>Nov 21 03:20:13 web2 app: {\"text\":\"debug\",\"n\":2}",
        b"<13>Nov 21 03:20:13 web3 app: no object",
    ] {
        socket.send_to(text, rig.address()).unwrap();
    }
    rig.receiver.wait_for(2);
    assert_eq!(rig.receiver.messages(), ["Bürger", "no object"]);
    let documents = rig.receiver.documents();
    let object = documents.iter().find(|document| document["message"] == "Bürger").unwrap();
    assert_eq!((&object["n"], &object["hostname"]), (&json!(1), &json!("web1")));
    assert_eq!(object["process"], json!({ "name": "app", "pid": 7 }));
    assert_eq!(object["log"]["syslog"]["severity"]["name"], json!("Notice"));
    assert_eq!(object["log"]["source"]["address"], json!(socket.local_addr().unwrap().to_string()));
    wait_until("what is left out is counted", || rig.figure_of("events", "filtered") == 1);
}
