//! Lines of formats that are compiled.

use super::rig::{input, read_item, run, shared};
use super::{APACHE, NGINX, check};
use serde_json::Value;
use shipper::batch::BatchLimits;
use shipper::parsers::compiled::nicknamed;
use shipper::pipeline::Pipeline;
use shipper::settings::{Escape, Format, InputSettings, ServerFormat, WebServer};

const EXTRAS: &str = concat!(
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D %{X-Request-Id}i %{SSL_PROTOCOL}x "#,
    r#"%{SSL_CIPHER}x "%{Cookie}i""#
);

fn compiled(server: WebServer, text: &str, escape: Escape) -> InputSettings {
    input(Format::Compiled(ServerFormat { server, text: text.to_owned(), escape }))
}

#[test]
fn lines_of_an_apache_format_become_these_documents() {
    let input = compiled(WebServer::Apache, EXTRAS, Escape::Default);
    let consumed = check("compiled/apache", "compiled/apache", APACHE, &input, &shared());
    assert_eq!((consumed.events, consumed.unparsed), (28, 10));
}

#[test]
fn lines_of_an_nginx_format_become_these_documents() {
    let text = r#"$remote_addr - $remote_user [$msec] "$request" $status $body_bytes_sent $request_time $upstream_response_time $upstream_addr $upstream_status $gzip_ratio "$http_x_forwarded_for" "$tenant""#;
    let input = compiled(WebServer::Nginx, text, Escape::Default);
    let consumed = check("compiled/nginx", "compiled/nginx", NGINX, &input, &shared());
    assert_eq!((consumed.events, consumed.unparsed), (20, 3));
}

#[test]
fn lines_of_a_format_that_writes_json_become_these_documents() {
    let text = r#"{"t":"$time_iso8601","c":"$remote_addr","r":"$request","s":$status,"b":$body_bytes_sent,"ua":"$http_user_agent","up":"$upstream_response_time"}"#;
    let input = compiled(WebServer::Nginx, text, Escape::Json);
    let input = InputSettings { keep_original: false, ..input };
    let consumed = check("compiled/json", "compiled/json", NGINX, &input, &shared());
    assert_eq!((consumed.events, consumed.unparsed), (7, 2));
}

#[test]
fn formats_of_access_lines_make_the_documents_that_their_names_make() {
    for (name, case) in [("common", "apache/common"), ("vhost_combined", "apache/vhost_combined")] {
        let input = compiled(WebServer::Apache, nicknamed(name).unwrap(), Escape::Default);
        check(case, case, APACHE, &input, &shared());
    }
}

/// Runs one line and returns its document.
fn document(input: &InputSettings, line: &[u8]) -> Value {
    let mut pipeline = Pipeline::new(input, &shared()).expect("the settings make a pipeline");
    let log = [line, b"\n"].concat();
    let (batches, _) = run(&mut pipeline, APACHE, &log, BatchLimits::default());
    read_item(batches[0].item(0)).1
}

#[test]
fn what_is_added_to_combined_is_added_to_its_documents() {
    let combined = input(Format::Combined);
    let text = format!("{} %k", nicknamed("combined").unwrap());
    let more = compiled(WebServer::Apache, &text, Escape::Default);
    let fixtures = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut compared = 0;
    for log in ["apache/auto.log", "apache/bytes.log"] {
        let log = std::fs::read(fixtures.join(log)).unwrap();
        for line in log.split(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\"")) {
            let mut expected = document(&combined, line);
            if expected["event"]["kind"].is_null() {
                continue;
            }
            let longer = [line, b" 7"].concat();
            expected["message"] = String::from_utf8_lossy(&longer).into_owned().into();
            let mut seen = document(&more, &longer);
            assert_eq!(seen["apache"]["access"]["keepalive_requests"], 7, "{seen}");
            seen.as_object_mut().unwrap().remove("apache");
            // What `identd` says has a field here.
            assert_eq!(seen, expected, "{}", String::from_utf8_lossy(line));
            compared += 1;
        }
    }
    assert!(10 < compared, "{compared} lines were compared");
}

#[test]
fn a_url_of_64_kib_is_one_value() {
    let path = format!("/{}.html", "x".repeat(64 << 10));
    let line = format!(
        "::1 - - [21/Nov/2026:03:20:13 +0000] \"GET {path} HTTP/1.1\" 414 1 \"-\" \"-\" 5 - - - \"-\""
    );
    let seen = document(&compiled(WebServer::Apache, EXTRAS, Escape::Default), line.as_bytes());
    assert_eq!(seen["url"]["original"], path);
    assert_eq!(seen["event"]["duration"], 5000);
    assert_eq!(seen["message"], line);
}
