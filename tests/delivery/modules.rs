//! What Filebeat's modules leave to ingest pipelines, done by such pipelines in a real server and by us: the documents are
//! the same, field by field.
//!
//! The pipelines do what those of Filebeat's modules do, as far as the server has processors for it: it has none for user
//! agents, places and the parts of a URL.

use crate::shared;
use crate::support::shipper::Place;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What only we have, or only the pipelines: fields, each with the reason.
const OURS: &[(&str, &str)] = &[
    ("url.path", "the server has no processor for the parts of a URL"),
    ("url.query", "the same"),
    ("url.extension", "the same"),
    ("url.fragment", "the same"),
    ("url.domain", "the same"),
    ("url.port", "the same"),
    ("url.scheme", "the same"),
    ("event.original", "the whole line stays in `message`"),
    ("event.created", "the time of reading differs"),
    ("log.offset", "both have it, and lines are told apart by it"),
    ("log.file.path", "both have it"),
    ("log.flags", "both have it"),
    ("error.message", "a pipeline tells there that it did not understand a line"),
];

/// Constants that Filebeat itself adds, not its pipelines.
const OF_FILEBEAT: [&str; 5] =
    ["event.module", "event.dataset", "event.timezone", "fileset.name", "service.type"];

fn http_date() -> Value {
    json!({"date": {"field": "at", "formats": ["dd/MMM/yyyy:HH:mm:ss Z"], "target_field": "@timestamp"}})
}

fn request_and_outcome() -> Vec<Value> {
    vec![
        json!({"grok": {
            "field": "asked", "ignore_missing": true, "ignore_failure": true,
            "patterns": ["^%{WORD:http.request.method} %{DATA:url.original} HTTP/%{NUMBER:http.version}$"],
        }}),
        json!({"set": {"field": "event.outcome", "value": "success", "if": "ctx?.http?.response?.status_code < 400"}}),
        json!({"set": {"field": "event.outcome", "value": "failure", "if": "ctx?.http?.response?.status_code >= 400"}}),
        json!({"set": {"field": "event.kind", "value": "event"}}),
        json!({"set": {"field": "event.category", "value": ["web"]}}),
        json!({"set": {"field": "event.type", "value": ["access"]}}),
        json!({"remove": {"field": ["at", "asked"], "ignore_missing": true}}),
    ]
}

fn is_address() -> Value {
    json!({"grok": {
        "field": "source.address", "ignore_failure": true, "ignore_missing": true,
        "patterns": ["^%{IP:source.ip}$", "^(?<source.domain>[A-Za-z0-9._-]+)$"],
    }})
}

fn nginx_access() -> Value {
    let mut processors = vec![
        json!({"grok": {
            "field": "message",
            "patterns": [
                "^\"?(?<clients>[^\\[]+?) - (?:-|(?<user.name>[^\\[]+)) \\[%{HTTPDATE:at}\\] \"%{DATA:asked}\" %{NUMBER:http.response.status_code:long} %{NUMBER:http.response.body.bytes:long} \"(?:-|%{DATA:http.request.referrer})\" \"(?:-|%{DATA:user_agent.original})\"",
            ],
        }}),
        json!({"script": {"source": "def all = new ArrayList(); for (def one : ctx.clients.splitOnToken(' ')) { def word = one.replace(',', '').replace('\"', ''); if (word != '') { all.add(word) } } def client = null; for (def one : all) { boolean hidden = one.startsWith('10.') || one.startsWith('127.') || one.startsWith('192.168.') || (one.startsWith('172.') && Integer.parseInt(one.splitOnToken('.')[1]) >= 16 && Integer.parseInt(one.splitOnToken('.')[1]) <= 31); if (!hidden) { client = one; break } } if (client == null) { client = all[0] } ctx.source = ['address': client]; if (client != 'unix:') { ctx.nginx = ['access': ['remote_ip_list': all]] }"}}),
        is_address(),
        http_date(),
        json!({"script": {"source": "def all = [:]; if (ctx.source.ip != null) { all.ip = [ctx.source.ip] } if (ctx.user != null) { all.user = [ctx.user.name] } if (!all.isEmpty()) { ctx.related = all }"}}),
        // Escapes that nginx writes are undone by us.
        json!({"gsub": {"field": "http.request.referrer", "pattern": "\\\\x22", "replacement": "\"", "ignore_missing": true}}),
        json!({"remove": {"field": "clients", "ignore_missing": true}}),
    ];
    processors.extend(request_and_outcome());
    Value::Array(processors)
}

fn nginx_ingress() -> Value {
    const LIST: &str = "[^ ,]+(?:(?:, | : )[^ ,]+)*";
    let list = |name: &str| format!("(?:-|(?<{name}>{LIST}))");
    let lists = ["upstream_address_list", "length_list", "time_list", "status_code_list"].map(list);
    let pattern = format!(
        "^(?:%{{IPORHOST:destination.domain}}:%{{POSINT:destination.port:long}} )?(?<clients>[^\\[]+?) - (?:-|(?<user.name>[^\\[]+)) \\[%{{HTTPDATE:at}}\\] \"%{{DATA:asked}}\" %{{NUMBER:http.response.status_code:long}} %{{NUMBER:http.response.body.bytes:long}} \"(?:-|%{{DATA:http.request.referrer}})\" \"(?:-|%{{DATA:user_agent.original}})\" %{{NUMBER:own.http.request.length:long}} %{{NUMBER:own.http.request.time:double}} \\[%{{DATA:own.upstream.name}}\\] \\[%{{DATA:own.upstream.alternative_name}}\\] {} %{{GREEDYDATA:own.http.request.id}}$",
        lists.join(" "),
    );
    let mut processors = vec![
        json!({"grok": {"field": "message", "patterns": [pattern]}}),
        json!({"script": {"source": "def list(def text) { def all = new ArrayList(); for (def one : text.replace(' : ', ', ').splitOnToken(', ')) { all.add(one) } return all } def own = ctx.remove('own'); own.remote_ip_list = list(ctx.remove('clients')); ctx.source = ['address': own.remote_ip_list.stream().filter(one -> !one.startsWith('10.')).findFirst().orElse(own.remote_ip_list[0])]; def addresses = ctx.remove('upstream_address_list'); if (addresses != null) { own.upstream_address_list = list(addresses); def last = own.upstream_address_list[own.upstream_address_list.size() - 1]; int colon = last.lastIndexOf(':'); if (!last.startsWith('unix:')) { own.upstream.ip = last.substring(0, colon).replace('[', '').replace(']', ''); own.upstream.port = Integer.parseInt(last.substring(colon + 1)) } own.upstream.response = [:]; for (def name : ['length', 'status_code', 'time']) { def all = list(ctx.remove(name + '_list')); own.upstream.response[name + '_list'] = all; if (name == 'time') { BigDecimal sum = BigDecimal.ZERO; for (def one : all) { if (one != '-') { sum = sum.add(new BigDecimal(one)) } } own.upstream.response.time = sum.doubleValue() } else { own.upstream.response[name] = Integer.parseInt(all[all.size() - 1]) } } } ctx.nginx = ['ingress_controller': own]; if (ctx.user != null) { ctx.related = ['user': [ctx.user.name]] } else { ctx.related = [:] }"}}),
        is_address(),
        http_date(),
        json!({"script": {"source": "ctx.related.ip = [ctx.source.ip]"}}),
    ];
    processors.extend(request_and_outcome());
    processors.push(json!({"set": {"field": "event.type", "value": ["info"]}}));
    Value::Array(processors)
}

fn apache_access() -> Value {
    let mut processors = vec![
        json!({"grok": {
            "field": "message",
            "patterns": [
                "^(?:%{IPORHOST:destination.domain}:%{POSINT:destination.port:long} )?(?<source.address>[^ ]+) - (?:-|%{DATA:user.name}) \\[%{HTTPDATE:at}\\] \"%{DATA:asked}\" %{NUMBER:http.response.status_code:long} (?:-|%{NUMBER:http.response.body.bytes:long})(?: \"(?:-|%{DATA:http.request.referrer})\" \"(?:-|(?<user_agent.original>(?:[^\"\\\\]|\\\\.)*))\")?$",
            ],
        }}),
        is_address(),
        http_date(),
        json!({"gsub": {"field": "user_agent.original", "pattern": "\\\\\"", "replacement": "\"", "ignore_missing": true}}),
    ];
    processors.extend(request_and_outcome());
    Value::Array(processors)
}

fn of_errors(level_is_error: &str) -> Vec<Value> {
    vec![
        json!({"set": {"field": "event.kind", "value": "event"}}),
        json!({"set": {"field": "event.category", "value": ["web"]}}),
        json!({"set": {"field": "event.type", "value": ["error"], "if": level_is_error}}),
        json!({"set": {"field": "event.type", "value": ["info"], "if": format!("!({level_is_error})")}}),
    ]
}

fn apache_error() -> Value {
    let mut processors = vec![
        json!({"grok": {
            "field": "message",
            "patterns": [
                "^\\[(?<at>[^\\]]+)\\] \\[%{LOGLEVEL:log.level}\\] (?:\\[client %{IP:source.address}\\] )?(?<text>.*)$",
                "^\\[(?<at>[^\\]]+)\\] \\[%{WORD:apache.error.module}:(?<log.level>[a-z0-9]+)\\] \\[pid %{NUMBER:process.pid:long}(?::tid %{NUMBER:process.thread.id:long})?\\] (?:\\[client %{IP:source.address}(?::%{POSINT:source.port:long})?\\] )?(?<text>.*)$",
            ],
        }}),
        json!({"date": {
            "field": "at", "target_field": "@timestamp", "timezone": "UTC",
            "formats": ["EEE MMM dd H:m:s yyyy", "EEE MMM dd H:m:s.SSSSSS yyyy"],
        }}),
        json!({"grok": {
            "field": "text", "ignore_failure": true, "patterns": ["File does not exist: %{GREEDYDATA:file.path}$"],
        }}),
        is_address(),
        json!({"script": {"source": "ctx.message = ctx.remove('text')"}}),
        json!({"remove": {"field": "at"}}),
    ];
    processors
        .extend(of_errors("['emerg', 'alert', 'crit', 'error', 'warn'].contains(ctx.log.level)"));
    Value::Array(processors)
}

fn nginx_error() -> Value {
    let mut processors = vec![
        json!({"grok": {
            "field": "message",
            "patterns": [
                "^(?<at>[0-9/]+ [0-9:]+) \\[%{LOGLEVEL:log.level}\\] %{NUMBER:process.pid:long}#%{NUMBER:process.thread.id:long}: (?:\\*%{NUMBER:nginx.error.connection_id:long} )?(?<words>.*)$",
            ],
        }}),
        json!({"date": {
            "field": "at", "target_field": "@timestamp", "timezone": "UTC", "formats": ["yyyy/MM/dd H:m:s"],
        }}),
        json!({"script": {"source": "ctx.message = ctx.remove('words')"}}),
        json!({"remove": {"field": "at"}}),
    ];
    // The module calls all of them errors.
    processors.extend(of_errors("true"));
    Value::Array(processors)
}

/// A module's fileset: its pipeline, and where its lines lie.
struct Case {
    name: &'static str,
    pipeline: Value,
    fixture: &'static str,
    path: &'static str,
    /// The format that reads the lines.
    format: &'static str,
    /// What only we have here, because we read more of a line.
    more: &'static [&'static str],
}

fn flat(prefix: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            flat(&name, value, out);
        }),
        // A list of one is what a single value is, to the server.
        Value::Array(items) if items.len() == 1 => flat(prefix, &items[0], out),
        other => drop(out.insert(prefix.to_owned(), other.clone())),
    }
}

/// What stands in nginx's error lines behind the text.
const OF_NGINX_ERRORS: &[&str] = &[
    "source.address",
    "source.ip",
    "nginx.error.server",
    "url.original",
    "http.request.method",
    "http.version",
    "http.request.referrer",
    "nginx.error.host",
    "related.ip",
    "file.path",
];

/// Returns the documents of an index by where their lines begin.
fn by_offset(index: &str) -> BTreeMap<u64, BTreeMap<String, Value>> {
    let flatten = |document: Value| {
        let mut fields = BTreeMap::new();
        flat("", &document, &mut fields);
        (fields["log.offset"].as_u64().unwrap(), fields)
    };
    shared().documents(index).into_iter().map(flatten).collect()
}

fn ship(case: &Case, index: &str, more: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let place = Place::new(&format!(
        "filebeat.inputs:\n  - {{type: log, paths: [\"{{logs}}/{path}\"], timezone: UTC, {more}}}\n\
         setup.template.enabled: false\n\
         output.elasticsearch: {{hosts: [\"{url}\"], index: {index}}}\n",
        path = case.path,
        url = shared().url()
    ));
    let log = place.log(case.path);
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::copy(fixtures.join(case.fixture), &log).unwrap();
    let (code, told) = place.run(&["--once"]);
    assert_eq!(code, 0, "{told}");
}

fn compare(case: &Case) {
    let failure =
        json!([{"set": {"field": "error.message", "value": "{{_ingest.on_failure_message}}"}}]);
    let body = json!({"processors": case.pipeline, "on_failure": failure}).to_string();
    shared().json("PUT", &format!("/_ingest/pipeline/module-{}", case.name), &body);
    let (theirs, ours) = (format!("theirs-{}", case.name), format!("ours-{}", case.name));
    ship(case, &theirs, &format!("format: raw, pipeline: module-{}", case.name));
    ship(case, &ours, &format!("format: {}", case.format));
    let (theirs, ours) = (by_offset(&theirs), by_offset(&ours));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{}", case.name);
    let ignored: BTreeSet<&str> = OURS
        .iter()
        .map(|(name, _)| *name)
        .chain(OF_FILEBEAT)
        .chain(case.more.iter().copied())
        .collect();
    let (mut compared, mut recognised) = (0, 0);
    for (offset, theirs) in &theirs {
        let ours = &ours[offset];
        let line = &ours["message"];
        let failed = theirs.contains_key("error.message");
        assert_eq!(!failed, ours.contains_key("event.kind"), "{}: {line}: {theirs:#?}", case.name);
        recognised += usize::from(!failed);
        if failed {
            continue;
        }
        let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        let mut differences = Map::new();
        for name in names.into_iter().filter(|name| !is_ignored(name, &ignored)) {
            compared += 1;
            if theirs.get(name) != ours.get(name) {
                differences.insert(
                    name.clone(),
                    json!({"theirs": theirs.get(name), "ours": ours.get(name)}),
                );
            }
        }
        assert!(differences.is_empty(), "{}: {line}: {:#}", case.name, Value::Object(differences));
    }
    assert!(1 < recognised && 8 * recognised < compared, "{recognised} lines, {compared} fields");
}

fn is_ignored(name: &str, ignored: &BTreeSet<&str>) -> bool {
    let is_constant = ["agent.", "host.", "ecs.", "input."].iter().any(|of| name.starts_with(of));
    is_constant || ignored.contains(name)
}

#[test]
fn error_lines_are_what_pipelines_of_the_modules_make_of_them() {
    for case in [
        Case {
            name: "apache-error",
            pipeline: apache_error(),
            fixture: "apache/compared_error.log",
            path: "apache2/error.log",
            format: "apache_error",
            more: &["apache.error.code"],
        },
        Case {
            name: "nginx-error",
            pipeline: nginx_error(),
            fixture: "nginx/compared_error.log",
            path: "nginx/error.log",
            format: "nginx_error",
            more: OF_NGINX_ERRORS,
        },
    ] {
        compare(&case);
    }
}

#[test]
fn access_lines_are_what_pipelines_of_the_modules_make_of_them() {
    for case in [
        Case {
            name: "nginx-access",
            pipeline: nginx_access(),
            fixture: "nginx/compared.log",
            path: "nginx/access.log",
            format: "nginx",
            more: &["message"],
        },
        Case {
            name: "nginx-ingress",
            pipeline: nginx_ingress(),
            fixture: "nginx_ingress/lines.log",
            path: "nginx/ingress.log",
            format: "nginx_ingress",
            more: &["message", "event.duration", "http.request.bytes", "http.request.id"],
        },
        Case {
            name: "apache-access",
            pipeline: apache_access(),
            fixture: "apache/compared.log",
            path: "apache2/access.log",
            format: "auto",
            more: &["message"],
        },
    ] {
        compare(&case);
    }
}
