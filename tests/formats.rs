//! Logs of the Apache and the nginx of Debian, each with ten formats of its own configuration, which is read for them:
//! every request is one line in each, every line is recognised, and its fields are what was sent and answered.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test may fail, and has real files and programs"
)]

#[path = "support/http.rs"]
mod http;
#[path = "golden/rig.rs"]
mod rig;
#[path = "formats/web.rs"]
mod web;

use serde_json::Value;
use web::{Request, Site};

/// What a format says of each request.
struct Said {
    /// Name of the log.
    name: &'static str,
    /// Fields that are to be compared with what is known of the request.
    fields: &'static [&'static str],
    /// Fields that every document of an ordinary request has, whatever their values.
    present: &'static [&'static str],
}

/// The format, as the server's configuration defines it, and what is to be known by it.
type Case = (&'static str, Said);

const LINE: [&str; 4] = [
    "http.request.method",
    "url.original",
    "http.response.status_code",
    "http.response.body.bytes",
];
const ALL: &[&str] = &[
    "http.request.method",
    "url.original",
    "http.response.status_code",
    "http.response.body.bytes",
    "http.request.referrer",
    "user_agent.original",
];

fn said(
    name: &'static str,
    fields: &'static [&'static str],
    present: &'static [&'static str],
) -> Said {
    Said { name, fields, present }
}

fn apache() -> Vec<Case> {
    const PARTS: &[&str] =
        &["http.request.method", "http.response.status_code", "http.response.body.bytes"];
    vec![
        (
            r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#,
            said("combined", ALL, &["source.ip", "@timestamp"]),
        ),
        (
            r#"%v:%p %h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#,
            said("vhost_combined", ALL, &["destination.domain", "destination.port", "source.ip"]),
        ),
        (r#"%h %l %u %t \"%r\" %>s %b"#, said("common", &LINE, &["source.ip"])),
        (
            r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %I %O"#,
            said("combinedio", ALL, &["http.request.bytes", "http.response.bytes"]),
        ),
        (
            r#"%t %h %{SSL_PROTOCOL}x %{SSL_CIPHER}x \"%r\" %b"#,
            said(
                "ssl_request_log",
                &["http.request.method", "url.original", "http.response.body.bytes"],
                &["source.ip"],
            ),
        ),
        (
            r#"%a %{remote}p %A %{local}p %P %{tid}P %k %X %D %{ms}T %^FB \"%m %U%q %H\" %>s %B %S \"%{UNIQUE_ID}e\" \"%{X-Request-Id}i\""#,
            said(
                "extras",
                PARTS,
                &[
                    "source.port",
                    "server.ip",
                    "server.port",
                    "process.pid",
                    "process.thread.id",
                    "apache.access.keepalive_requests",
                    "apache.access.connection_status",
                    "event.duration",
                    "network.bytes",
                    "http.request.id",
                    "url.path",
                    "http.version",
                ],
            ),
        ),
        (
            r#"{\"t\":\"%{%Y-%m-%dT%H:%M:%S}t.%{msec_frac}t%{%z}t\",\"c\":\"%h\",\"r\":\"%r\",\"s\":%>s,\"b\":\"%b\",\"ref\":\"%{Referer}i\",\"ua\":\"%{User-Agent}i\",\"trace\":\"%{traceparent}i\"}"#,
            said("json", ALL, &["source.ip"]),
        ),
        (
            r"%h\t%u\t%{sec}t.%{usec_frac}t\t%>s\t%b\t%r\t%{Referer}i\t%{User-Agent}i",
            said("tabs", ALL, &["source.ip"]),
        ),
        (
            r#"%h %t \"%!200,304{X-Not-Ok}i\" \"%400{User-Agent}i\" \"%r\" %<s %>s %l %L %R %f"#,
            said(
                "conditions",
                &["http.request.method", "url.original", "http.response.status_code"],
                &["apache.access.original_status"],
            ),
        ),
        (
            r#"%v %V %p %{end:msec}t %{begin:usec}t %I %O \"%{Content-Type}o\" \"%{c}a\" \"%q\" \"%H\" %T/%D %u \"%r\""#,
            said(
                "mixed",
                &["http.request.method", "url.original"],
                &[
                    "destination.domain",
                    "server.port",
                    "event.end",
                    "http.response.bytes",
                    "event.duration",
                    "source.ip",
                ],
            ),
        ),
    ]
}

fn nginx() -> Vec<Case> {
    vec![
        ("", said("combined", ALL, &["source.ip", "related.ip"])),
        (
            r#"'$remote_addr - $remote_user [$time_local] "$request" '
            '$status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"'"#,
            said("main", ALL, &["source.ip"]),
        ),
        (
            r#"'$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'"#,
            said("vhost", ALL, &["destination.domain"]),
        ),
        (
            r#"'$remote_addr [$time_iso8601] "$request" $status $body_bytes_sent $request_length $bytes_sent $request_time $upstream_response_time $upstream_connect_time $upstream_addr $upstream_status $pipe $connection $connection_requests $request_id'"#,
            said(
                "timed",
                &LINE,
                &[
                    "http.request.bytes",
                    "http.response.bytes",
                    "event.duration",
                    "nginx.access.pipelined",
                    "nginx.access.connection_id",
                    "nginx.access.connection_requests",
                    "http.request.id",
                ],
            ),
        ),
        (
            r#"escape=json '{"t":"$time_iso8601","c":"$remote_addr","r":"$request","s":$status,"b":$body_bytes_sent,"ref":"$http_referer","ua":"$http_user_agent","up":"$upstream_response_time"}'"#,
            said("json", ALL, &["source.ip"]),
        ),
        (
            "escape=none '$status|$body_bytes_sent|$request_method|$server_port|$http_referer|$http_user_agent'",
            said(
                "none",
                &[
                    "http.response.status_code",
                    "http.response.body.bytes",
                    "http.request.method",
                    "http.request.referrer",
                    "user_agent.original",
                ],
                &["server.port"],
            ),
        ),
        (
            r#"'$msec $scheme://$host:$server_port$request_uri $server_protocol $status $body_bytes_sent "$http_referer" $request_method'"#,
            said(
                "parts",
                &[
                    "http.request.method",
                    "url.original",
                    "http.response.status_code",
                    "http.response.body.bytes",
                    "http.request.referrer",
                ],
                &["url.scheme", "destination.domain", "destination.port", "http.version"],
            ),
        ),
        (
            r#"'$ssl_protocol $ssl_cipher $ssl_session_reused "$ssl_server_name" $remote_addr $remote_port $server_addr $server_name "$request" $status $gzip_ratio $body_bytes_sent'"#,
            said("tls", &LINE, &["source.port", "server.ip", "server.domain"]),
        ),
        (
            r#"'$tenant "$loud" $remote_addr "$request" $status $body_bytes_sent ${plain}.'"#,
            said("own", &LINE, &["nginx.access.tenant", "nginx.access.loud", "nginx.access.plain"]),
        ),
        (
            r#"'$proxy_add_x_forwarded_for - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time "$sent_http_content_type" "$cookie_sid" "$arg_a"'"#,
            said("forwarded", ALL, &["nginx.access.remote_ip_list", "event.duration"]),
        ),
    ]
}

fn field<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    name.split('.').try_fold(document, |value, part| value.get(part))
}

/// Compares all documents of a log with the requests.
fn compare(said: &Said, documents: &[Value], requests: &[Request]) {
    assert_eq!(documents.len(), requests.len(), "{}: a line for each request", said.name);
    for (document, request) in documents.iter().zip(requests) {
        let name = said.name;
        for field_name in said.fields {
            // Of what is no request each server says something else in each directive.
            let is_of_line = ["http.request.method", "url.original"].contains(field_name);
            if !request.is_understood && is_of_line {
                continue;
            }
            let seen = field(document, field_name).cloned().unwrap_or(Value::Null);
            let expected = request.expected(field_name);
            if expected == Value::Null && *field_name == "http.response.body.bytes" {
                assert!(seen.is_null() || seen == 0, "{name}: {field_name} of {document}");
                continue;
            }
            assert_eq!(seen, expected, "{name}: {field_name} of {document}");
        }
        for field_name in said.present.iter().filter(|_| request.is_understood) {
            assert!(
                field(document, field_name).is_some(),
                "{name}: {field_name} is not in {document}"
            );
        }
        let dataset = field(document, "event.dataset").and_then(Value::as_str).unwrap_or_default();
        assert!(dataset.ends_with(".access"), "{name}: not recognised: {document}");
    }
}

#[test]
fn ten_formats_of_a_real_apache_are_read_from_its_configuration() {
    let cases = apache();
    let site =
        Site::apache(&cases.iter().map(|(text, said)| (said.name, *text)).collect::<Vec<_>>());
    let requests = site.ask();
    for (_, said) in &cases {
        compare(said, &site.documents(said.name, requests.len()), &requests);
    }
    let tls = site.documents("ssl_request_log", requests.len());
    let last = tls.last().unwrap();
    assert_eq!(field(last, "tls.version_protocol").unwrap(), "tls", "{last}");
    assert_eq!(field(last, "tls.version").unwrap(), "1.3", "{last}");
    assert!(field(last, "tls.cipher").is_some(), "{last}");
}

#[test]
fn ten_formats_of_a_real_nginx_are_read_from_its_configuration() {
    let cases = nginx();
    let site =
        Site::nginx(&cases.iter().map(|(text, said)| (said.name, *text)).collect::<Vec<_>>());
    let requests = site.ask();
    for (_, said) in &cases {
        compare(said, &site.documents(said.name, requests.len()), &requests);
    }
    let timed = site.documents("timed", requests.len());
    let up = requests.iter().position(|request| request.target == "/up?x").unwrap();
    let statuses = field(&timed[up], "nginx.access.upstream.status").unwrap();
    assert_eq!(*statuses, serde_json::json!([502, 200]), "{}", timed[up]);
    assert_eq!(
        field(&timed[up], "nginx.access.upstream.addr").unwrap().as_array().unwrap().len(),
        2
    );
    let tls = site.documents("tls", requests.len());
    let last = tls.last().unwrap();
    assert_eq!(field(last, "tls.version").unwrap(), "1.3", "{last}");
    assert!(field(last, "tls.cipher").is_some(), "{last}");
}

#[test]
fn logs_of_several_formats_are_told_apart_before_anything_is_read() {
    let site = Site::nginx(&[("main", "'$remote_addr $status'"), ("other", "'$status'")]);
    let error = site.load("*").unwrap_err();
    assert!(error.contains("the logs that `paths` leads to have several formats in"), "{error}");
    assert!(
        error.contains("make an input for each of them: ") && error.contains("formats.conf:"),
        "{error}"
    );
    let error = site.load("nothing").unwrap_err();
    assert!(error.contains("has no log of requests that `paths` leads to"), "{error}");
    let site = Site::nginx(&[("main", "'$remote_addr$status'")]);
    let error = site.load("main").unwrap_err();
    assert!(
        error.contains("formats.conf:1: nothing stands between `$remote_addr` and `$status`"),
        "{error}"
    );
    assert!(error.contains("  ^^^^^^^^^^^^^^^^^^^\n"), "{error}");
}
