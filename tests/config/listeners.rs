//! Stanzas whose lines are sent to them.

use crate::load_text;
use crate::values::settings;
use shipper::settings::reading::{EncodingSettings, LineParser, NdjsonSettings};
use shipper::settings::{Listen, ListenerSettings, SyslogFormat};
use std::time::Duration;

fn listener(stanza: &str) -> ListenerSettings {
    let text = format!("output.elasticsearch.hosts: [a]\nfilebeat.inputs: [{stanza}]\n");
    let listener = settings(&text).unwrap().listeners.remove(0);
    // What is exported says the same.
    let again = settings(&shipper::config::export(&load_text(&text).unwrap())).unwrap();
    let tls = |of: &ListenerSettings| format!("{:?}", of.tls).replace("xxxxx", "");
    assert_eq!(tls(&again.listeners[0]), tls(&listener));
    assert_eq!(format!("{:?}", again.listeners[0].listen), format!("{:?}", listener.listen));
    assert_eq!(format!("{:?}", again.listeners[0].framing), format!("{:?}", listener.framing));
    // What is exported of `json` is `ndjson`, which keeps the text.
    let reading = |of: &ListenerSettings| {
        format!("{:?} {:?}", of.input.reading, of.input.syslog)
            .replace("keeps_text: false", "keeps_text: true")
    };
    assert_eq!(reading(&again.listeners[0]), reading(&listener));
    let sizes =
        |of: &ListenerSettings| (of.input.message_max_bytes, of.connections_max, of.timeout);
    assert_eq!(sizes(&again.listeners[0]), sizes(&listener));
    listener
}

#[test]
fn a_listener_that_says_only_where_gets_the_defaults() {
    let tcp = listener("{type: tcp, host: 'localhost:9000'}");
    assert_eq!(tcp.listen, Listen::Tcp("localhost:9000".to_owned()));
    assert_eq!(tcp.input.message_max_bytes, 20 << 20);
    assert_eq!((tcp.connections_max, tcp.timeout), (1024, Duration::from_mins(5)));
    assert_eq!((&*tcp.framing.delimiter, tcp.framing.octet_counted), (&b"\n"[..], false));
    assert!(tcp.tls.is_none() && tcp.input.syslog.is_none());
    let udp = listener("{type: udp, host: ':514'}");
    assert_eq!(udp.listen, Listen::Udp(":514".to_owned(), None));
    assert_eq!(udp.input.message_max_bytes, 10 << 10);
    let syslog = listener("{type: syslog, protocol.udp.host: ':514'}");
    assert_eq!(syslog.listen, Listen::Udp(":514".to_owned(), None));
    assert_eq!(syslog.input.syslog.unwrap().format, SyslogFormat::Auto);
    assert_eq!(listener("{type: stdin}").listen, Listen::Stdin);
}

#[test]
fn what_a_listener_says_is_read_in_both_spellings() {
    let tcp = listener(
        r#"{type: syslog, format: rfc5424, timezone: "+02:00", protocol: {tcp: {host: "[::1]:9000",
        max_message_size: 2KiB, line_delimiter: "\0", framing: rfc6587, max_connections: 7, timeout: 3s}}}"#,
    );
    assert_eq!(tcp.listen, Listen::Tcp("[::1]:9000".to_owned()));
    assert_eq!(tcp.input.message_max_bytes, 2048);
    assert_eq!((&*tcp.framing.delimiter, tcp.framing.octet_counted), (&b"\0"[..], true));
    assert_eq!((tcp.connections_max, tcp.timeout), (7, Duration::from_secs(3)));
    let syslog = tcp.input.syslog.unwrap();
    assert_eq!(tcp.input.zone, syslog.zone, "the text in the messages has it as well");
    assert_eq!(syslog.format, SyslogFormat::Rfc5424);
    assert_eq!(syslog.zone.to_fixed_offset().unwrap().seconds(), 7200);
    let Listen::UnixDatagram(socket) = listener(
        "{type: unix, path: /run/a.sock, socket_type: datagram, mode: '0660', group: adm}",
    )
    .listen
    else {
        panic!("it is a socket for datagrams");
    };
    assert_eq!((socket.mode, socket.group.as_deref()), (Some(0o660), Some("adm")));
}

#[test]
fn parsers_encodings_and_filters_of_a_listener_are_read() {
    let both = [
        "{type: tcp, host: ':1', encoding: latin1, exclude_lines: [x], parsers: [{ndjson: {target: '', message_key: m}}]}",
        "{type: stdin, encoding: latin1, exclude_lines: [x], parsers: [{ndjson: {message_key: m}}]}",
    ];
    for stanza in both {
        let reading = listener(stanza).input.reading;
        assert_eq!(reading.encoding, EncodingSettings::Label("windows-1252".to_owned()));
        assert_eq!(reading.exclude_lines, ["x"]);
        let message_key = Some("m".to_owned());
        let ndjson = NdjsonSettings { message_key, keeps_text: true, ..Default::default() };
        assert_eq!(reading.parsers, [LineParser::Ndjson(ndjson)]);
    }
    let texts = "{type: syslog, protocol.udp.host: ':1', timezone: '+02:00', encoding: latin1, keep_null: true,
        include_lines: [x], parsers: [{ndjson: {target: a}}]}";
    let input = listener(texts).input;
    let [LineParser::Syslog(syslog), LineParser::Ndjson(ndjson)] = &input.reading.parsers[..]
    else {
        panic!("the header, then the text: {:?}", input.reading.parsers);
    };
    assert_eq!(Some(syslog), input.syslog.as_ref());
    assert_eq!((ndjson.target.as_str(), ndjson.keep_null), ("a", true));
    let first = "{type: tcp, host: ':1', parsers: [{syslog: {format: rfc5424}}, {ndjson: {}}]}";
    assert!(matches!(listener(first).input.reading.parsers[0], LineParser::Syslog(_)));
    let last = "{type: tcp, host: ':1', parsers: [{ndjson: {}}, {syslog: {format: rfc5424}}]}";
    assert_eq!(listener(last).input.reading.parsers.len(), 1);
    let joined = "{type: stdin, multiline.pattern: a}";
    assert!(matches!(listener(joined).input.reading.parsers[..], [LineParser::Multiline(_)]));
    let json = listener("{type: stdin, json.keys_under_root: true}").input.reading.parsers;
    assert_eq!(json, [LineParser::Ndjson(NdjsonSettings::default())]);
}

#[test]
fn what_a_listener_says_of_tls_is_read() {
    let with = |ssl: &str| {
        let own = "certificate: /c, key: /k";
        let text = format!("{{type: tcp, host: ':1', ssl: {{{own}{ssl}}}}}");
        let tls = listener(&text).tls.expect("it is there");
        let (common, required) = (tls.common, tls.client_required);
        let suites: Vec<&str> = common.cipher_suites.iter().map(|suite| suite.name).collect();
        let client = common.client.expect("it has a certificate");
        let (passphrase, interval) = (client.passphrase, common.reload_interval);
        let authorities = common.certificate_authorities;
        format!(
            "{passphrase:?} {authorities:?} {required} {:?} {suites:?} {interval:?}",
            common.versions
        )
    };
    let spelled = listener("{type: tcp, host: ':1', ssl.certificate: /c, ssl.key: /k}");
    assert!(spelled.tls.is_some());
    assert!(listener("{type: tcp, host: ':1', ssl.enabled: false, ssl.key: /k}").tls.is_none());
    let nested = "{type: syslog, protocol.tcp: {host: ':1', ssl: {certificate: /c, key: /k}}}";
    assert!(listener(nested).tls.is_some());
    for (ssl, expected) in [
        ("", "None [] false Both [] Some(60s)"),
        (", key_passphrase: x", "Some(Text(xxxxx)) [] false Both [] Some(60s)"),
        (", key_passphrase_path: /x", r#"Some(File("/x")) [] false Both [] Some(60s)"#),
        (", certificate_authorities: /a", r#"None [File("/a")] true Both [] Some(60s)"#),
        (
            ", certificate_authorities: [/a], client_authentication: optional",
            r#"None [File("/a")] false Both [] Some(60s)"#,
        ),
        (
            ", certificate_authorities: [/a], client_authentication: none",
            "None [] false Both [] Some(60s)",
        ),
        (", verification_mode: certificate", "None [] false Both [] Some(60s)"),
        (", supported_protocols: [TLSv1.3]", "None [] false Only13 [] Some(60s)"),
        (
            ", cipher_suites: [TLS-AES-128-GCM-SHA256]",
            r#"None [] false Both ["TLS-AES-128-GCM-SHA256"] Some(60s)"#,
        ),
        (", certificate_reload.enabled: false", "None [] false Both [] None"),
        (", restart_on_cert_change.period: 5s", "None [] false Both [] Some(5s)"),
    ] {
        assert_eq!(with(ssl), expected, "{ssl}");
    }
}

#[test]
fn what_is_wrong_with_a_listener_is_said() {
    for (stanza, expected) in [
        ("{type: tcp}", "`filebeat.inputs[0]` has no `host`"),
        ("{type: tcp, host: here}", "`here` is not an address and a port"),
        ("{type: unix}", "`filebeat.inputs[0]` has no `path`"),
        ("{type: syslog}", "`filebeat.inputs[0]` has no `protocol`"),
        (
            "{type: syslog, protocol: {tcp.host: ':1', udp.host: ':1'}}",
            "an input has one protocol, and here are several",
        ),
        (
            "{type: syslog, timezone: Nowhere, protocol.udp.host: ':1'}",
            "there is no time zone `Nowhere`",
        ),
        (
            "{type: udp, host: ':1', max_connections: 1}",
            "unknown key `filebeat.inputs[0].max_connections`",
        ),
        ("{type: tcp, host: ':1', paths: [/a]}", "unknown key `filebeat.inputs[0].paths`"),
        (
            "{type: tcp, host: ':1', ssl.enabled: true}",
            "`filebeat.inputs[0].ssl` needs a certificate and its key",
        ),
        (
            "{type: tcp, host: ':1', ssl.certificate: /c}",
            "`filebeat.inputs[0].ssl.certificate` has no key",
        ),
        (
            "{type: tcp, host: ':1', ssl: {certificate: /c, key: /k, client_authentication: required}}",
            "clients cannot be known without authorities",
        ),
        (
            "{type: tcp, host: ':1', ssl: {certificate: /c, key: /k, client_authentication: some}}",
            "`filebeat.inputs[0].ssl.client_authentication` cannot be `some`, only `none`, `optional`, `required`",
        ),
        (
            "{type: tcp, host: ':1', ssl: {certificate: /c, key: /k, verification_mode: none}}",
            "certificates of clients are not taken unchecked",
        ),
        (
            "{type: tcp, host: ':1', ssl: {certificate: /c, key: /k, supported_protocols: TLSv2}}",
            "`filebeat.inputs[0].ssl.supported_protocols` takes `TLSv1.2` or `TLSv1.3`, found `TLSv2`",
        ),
        (
            "{type: udp, host: ':1', ssl.certificate: /c}",
            "unknown key `filebeat.inputs[0].ssl.certificate`",
        ),
        (
            "{type: tcp, host: ':1', parsers: [{multiline: {pattern: a}}]}",
            "`multiline` joins lines, and each message that is sent is an event of its own",
        ),
        (
            "{type: unix, path: /run/a, parsers: [{container: {}}]}",
            "`container` joins lines, and each message that is sent is an event of its own",
        ),
        (
            "{type: udp, host: ':1', encoding: utf-16le}",
            "messages that are sent cannot be UTF-16: what ends them is looked for byte by byte",
        ),
        (
            "{type: syslog, protocol.udp.host: ':1', parsers: [{multiline: {pattern: a}}]}",
            "`multiline` joins lines, and each message that is sent is an event of its own",
        ),
        (
            "{type: syslog, protocol.udp.host: ':1', parsers: [{syslog: {}}]}",
            "an input of type `syslog` reads the header before its `parsers` see the text",
        ),
        (
            "{type: syslog, protocol.udp.host: ':1', multiline.pattern: a}",
            "unknown key `filebeat.inputs[0].multiline`; `multiline` joins lines, and each message that is sent is an event of its own",
        ),
        ("{type: stdin}, {type: tcp, host: ':1'}", "an input of type `stdin` is beside others"),
    ] {
        let text = format!("output.elasticsearch.hosts: [a]\nfilebeat.inputs: [{stanza}]\n");
        assert_eq!(settings(&text).unwrap_err(), expected, "{stanza}");
    }
}
