//! Each key: its default, its spellings, values at the edge, and what is said of a wrong one.

use std::fmt::Debug;

use shipper::settings::{
    ElasticsearchSettings, FieldsSettings, InputSettings, OutputSettings, Settings,
};

use crate::load_text;

pub fn settings(text: &str) -> Result<Settings, String> {
    match load_text(text) {
        Ok(loaded) => Ok(loaded.settings),
        Err(problems) => {
            let messages: Vec<&str> = problems.list().iter().map(|p| p.message.as_str()).collect();
            Err(messages.join("; "))
        }
    }
}

fn top(lines: &str) -> Result<Settings, String> {
    settings(&format!(
        "inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch.hosts: [a]\n{lines}\n"
    ))
}

pub fn input(line: &str) -> Result<InputSettings, String> {
    let text = format!(
        "output.elasticsearch.hosts: [a]\nfilebeat.inputs:\n  - type: log\n    paths: [/a]\n    {line}\n"
    );
    settings(&text).map(|settings| settings.inputs[0].clone())
}

fn elasticsearch(line: &str) -> Result<ElasticsearchSettings, String> {
    let text = format!("inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch:\n  {line}\n");
    settings(&text).map(|settings| match settings.output {
        OutputSettings::Elasticsearch(output) => *output,
        OutputSettings::Console => panic!("not the console"),
    })
}

pub fn with_host(line: &str) -> Result<ElasticsearchSettings, String> {
    elasticsearch(&format!("hosts: [a]\n  {line}"))
}

/// Compares what each text yields, as `Debug` shows it, or the message.
pub fn check<T, V: Debug>(
    load: impl Fn(&str) -> Result<T, String>,
    value: impl Fn(T) -> V,
    cases: &[(&str, &str)],
) {
    for (text, expected) in cases {
        let shown = match load(text) {
            Ok(loaded) => format!("{:?}", value(loaded)),
            Err(message) => message,
        };
        assert_eq!(&shown, expected, "{text}");
    }
}

#[test]
fn inputs_scan_and_close_as_either_spelling_says() {
    check(
        input,
        |i| i.scan_interval,
        &[
            ("", "10s"),
            ("scan_frequency: 1.5s", "1.5s"),
            ("prospector.scanner.check_interval: 3", "3s"),
            ("prospector: {scanner.check_interval: 1m30s}", "90s"),
            ("scan_frequency: 0s", "`filebeat.inputs[0].scan_frequency` has to be more than 0"),
            (
                "scan_frequency: soon",
                "`filebeat.inputs[0].scan_frequency` takes a duration such as `10s` or `1m30s`, found `soon`",
            ),
            (
                "scan_frequency: [1s]",
                "`filebeat.inputs[0].scan_frequency` takes a duration such as `10s` or `1m30s`, found a list",
            ),
            (
                "scan_frequency: 1s\n    prospector.scanner.check_interval: 1s",
                "`filebeat.inputs[0].scan_frequency` means the same as `filebeat.inputs[0].prospector.scanner.check_interval`",
            ),
        ],
    );
    check(
        input,
        |i| i.close.inactive,
        &[
            ("", "300s"),
            ("close_inactive: 1h", "3600s"),
            ("close.on_state_change.inactive: 2d", "172800s"),
        ],
    );
    check(
        input,
        |i| i.symlinks,
        &[
            ("", "false"),
            ("symlinks: yes", "true"),
            ("prospector.scanner.symlinks: 'on'", "true"),
            ("symlinks: 1", "`filebeat.inputs[0].symlinks` takes `true` or `false`, found `1`"),
        ],
    );
    check(
        input,
        |i| i.compression,
        &[
            ("", "Continued"),
            ("compression: ''", "Continued"),
            ("compression: auto", "All"),
            ("compression: gzip", "Only(Gzip)"),
            ("compression: zstd", "Only(Zstd)"),
            ("compression: bzip2", "Only(Bzip2)"),
            ("compression: xz", "Only(Xz)"),
            ("compression: none", "Never"),
            ("gzip_experimental: true", "Only(Gzip)"),
            (
                "compression: zip",
                "`filebeat.inputs[0].compression` cannot be `zip`, only `auto`, ``, `none`, `gzip`, `zstd`, `bzip2`, \
                 `xz`",
            ),
        ],
    );
    check(
        input,
        |i| i.message_max_bytes,
        &[
            ("", "10485760"),
            ("max_bytes: 1e3", "1000"),
            ("max_bytes: 0x400", "1024"),
            ("message_max_bytes: 20 KiB", "20480"),
            (
                "max_bytes: 0",
                "`filebeat.inputs[0].max_bytes` takes a size from 1 to 67108864 bytes, found `0`",
            ),
            (
                "max_bytes: big",
                "`filebeat.inputs[0].max_bytes` takes a size such as `10MiB`, found `big`",
            ),
        ],
    );
}

#[test]
fn inputs_name_their_files() {
    let both = |text: &str| {
        settings(&format!("output.console: {{}}\ninputs: [{{type: log, {text}}}]")).map(
            |settings| (settings.inputs[0].paths.clone(), settings.inputs[0].exclude_files.clone()),
        )
    };
    check(
        both,
        |value| value,
        &[
            ("paths: /a", r#"(["/a"], [])"#),
            ("paths: [/a/*.log, '/b/**/c']", r#"(["/a/*.log", "/b/**/c"], [])"#),
            ("paths: [/a], exclude_files: '\\.gz$'", r#"(["/a"], ["\\.gz$"])"#),
            ("paths: [/a], prospector.scanner.exclude_files: [a, b]", r#"(["/a"], ["a", "b"])"#),
            ("paths: []", "`inputs[0]` has no `paths`"),
            ("id: x", "`inputs[0]` has no `paths`"),
            ("paths: ['']", "`inputs[0].paths[0]` is empty"),
            ("paths: [a.log]", "`a.log` is not an absolute path"),
            ("paths: {a: b}", "`inputs[0].paths` takes a list of texts, found a map of keys"),
            (
                "paths: ['/a[']",
                "`/a[` is no pattern of paths: unclosed character class; missing ']'",
            ),
            ("paths: [/a], exclude_files: ['(']", "`(` is no regular expression: unclosed group"),
        ],
    );
}

#[test]
fn inputs_understand_their_lines_in_one_format() {
    check(
        input,
        |i| i.format,
        &[
            ("", "Auto"),
            ("format: raw", "Raw"),
            ("format: nginx", "Nginx"),
            ("format: vhost_combined", "VhostCombined"),
            ("format: haproxy", "Known(\"haproxy\")"),
            ("pipeline: P", "Raw"),
            ("pipeline: P\n    format: auto", "Auto"),
            ("format: apache", "Apache"),
            (
                "format: {regex: {pattern: '^(?<a>.)', rename: {a: url.path}}}",
                r#"Regex(RegexFormat { pattern: "^(?<a>.)", rename: [("a", "url.path")] })"#,
            ),
            (
                "format: {regex: '^(?<a>.)'}",
                r#"Regex(RegexFormat { pattern: "^(?<a>.)", rename: [] })"#,
            ),
            ("format.regex.pattern: '^.'", "`^.` has no named group"),
            ("format.regex.pattern: '('", "`(` is no regular expression: unclosed group"),
            ("format.regex: {}", "`filebeat.inputs[0].format.regex` has no `pattern`"),
            ("format: {regex: {pattern: '(?<a>.)', rename: {b: c}}}", "`(?<a>.)` has no group `b`"),
            ("format: {regexp: a}", "unknown key `filebeat.inputs[0].format.regexp`"),
        ],
    );
    check(
        input,
        |i| (i.pipeline, i.keep_original),
        &[
            ("", "(None, true)"),
            ("pipeline: My-Pipe\n    keep_original: false", "(Some(\"my-pipe\"), false)"),
            ("pipeline: ''", "(None, true)"),
        ],
    );
    let varying = |name: &str, text: &str| {
        format!("`{name}` cannot differ from event to event yet, as `{text}` does")
    };
    check(
        input,
        |i| i.pipeline,
        &[
            (
                "pipeline: 'P-%{[fields.Kind]}-%{[agent.version]}'\n    fields: {Kind: WEB, kind: x}",
                "Some(\"p-web-8.19.0\")",
            ),
            (
                "pipeline: '%{[a.b]}'\n    fields: {a: {b: 1}}\n    fields_under_root: true",
                "Some(\"1\")",
            ),
            (
                "pipeline: '%{[fields.Kind]}'\n    fields: {kind: web}",
                &varying("filebeat.inputs[0].pipeline", "%{[fields.Kind]}"),
            ),
            ("pipeline: 'A-%{+yyyy}'", &varying("filebeat.inputs[0].pipeline", "A-%{+yyyy}")),
            ("pipeline: 'a-%{[b]'", "`%{` is not closed"),
            ("index: 'Web-%{[fields.Site]}'", "None"),
        ],
    );
    check(
        input,
        |i| i.index,
        &[("index: 'Web-%{[fields.Site]}'", "Some(\"Web-%{[fields.Site]}\")")],
    );
    check(
        with_host,
        |e| e.pipeline,
        &[
            ("pipeline: 'P-%{[agent.version]}'", "Some(\"p-8.19.0\")"),
            (
                "pipeline: '%{[fields.Kind]}'",
                &varying("output.elasticsearch.pipeline", "%{[fields.Kind]}"),
            ),
        ],
    );
}

#[test]
fn inputs_add_tags_and_fields_to_those_of_the_top() {
    let both = |text: &str| {
        let (above, below) = text.split_once('|').expect("two parts");
        settings(&format!(
            "output.console: {{}}\n{above}\ninputs: [{{type: log, paths: /a, {below}}}]"
        ))
    };
    let tags = |settings: Settings| settings.inputs[0].tags.clone();
    check(both, tags, &[("|", "[]"), ("tags: a|tags: [b, a, c]", r#"["a", "b", "c"]"#)]);
    let fields = |settings: Settings| match settings.inputs[0].fields.clone() {
        None => "none".to_owned(),
        Some(FieldsSettings { json_object, under_root }) => format!("{json_object} {under_root}"),
    };
    check(
        both,
        fields,
        &[
            ("|", "\"none\""),
            ("fields: {}|", "\"none\""),
            ("fields: {a: 1}|", r#""{\"a\":1} false""#),
            ("fields: {a: 1, b: 2}|fields: {a: 3}", r#""{\"a\":3,\"b\":2} false""#),
            (
                "fields: {a: 1}|fields: {b: 2}, fields_under_root: true",
                r#""{\"b\":2,\"fields\":{\"a\":1}} true""#,
            ),
            (
                "fields: {a: 1}\nfields_under_root: true|fields: {a: 2}",
                r#""{\"fields\":{\"a\":2},\"a\":1} true""#,
            ),
            (
                "|fields: {a: yes, b: 0600, c: '1', d: 1.5, e: [x, 2], f.g: null, h: ~, i.j: k}",
                r#""{\"a\":true,\"b\":384,\"c\":\"1\",\"d\":1.5,\"e\":[\"x\",2],\"f\":{},\"i\":{\"j\":\"k\"}} false""#,
            ),
        ],
    );
}

#[test]
fn stanzas_are_of_a_known_type_and_disabled_ones_are_left_out() {
    let ids = |text: &str| {
        settings(&format!("output.console: {{}}\n{text}")).map(|settings| {
            settings.inputs.iter().map(|i| i.id.clone().unwrap_or_default()).collect::<Vec<_>>()
        })
    };
    check(
        ids,
        |ids| ids,
        &[
            ("inputs: [{type: filestream, id: a, paths: /a}]", r#"["a"]"#),
            (
                "inputs: [{type: kafka, enabled: false, hosts: ['${NOPE}']}, {type: log, id: b, paths: /a}]",
                r#"["b"]"#,
            ),
            ("inputs: [{enabled: no, processors: [a]}, {type: log, id: b, paths: /a}]", r#"["b"]"#),
            (
                "filebeat.inputs: [{type: log, id: a, paths: /a}]\ninputs: [{type: log, id: b, paths: /b}]",
                r#"["a", "b"]"#,
            ),
            ("inputs: [{type: kafka, hosts: [a]}]", "the input type `kafka` is not supported yet"),
            ("inputs: [{paths: /a}]", "`inputs[0]` has no `type`"),
            (
                "inputs: [{type: lgo, paths: /a}]",
                "`inputs[0].type` cannot be `lgo`, only `filestream`, `log`, `stdin`, `syslog`, `tcp`, `udp`, `unix`",
            ),
            ("inputs: {type: log}", "`inputs` takes a list"),
            ("inputs: [log]", "`inputs[0]` takes keys, found a single value"),
            ("inputs: [{type: log, paths: /a, enabled: false}]", "every input is disabled"),
            ("inputs: []", "there is no input"),
            (
                "inputs: [{type: filestream, id: a, paths: /a}, {type: filestream, id: a, paths: /b}]",
                "two filestream inputs have the id `a`",
            ),
            (
                "inputs: [{type: log, id: a, paths: /a}, {type: log, id: a, paths: /b}]",
                r#"["a", "a"]"#,
            ),
        ],
    );
}

#[test]
fn hosts_are_completed_and_their_credentials_taken() {
    check(
        elasticsearch,
        |e| (e.hosts, e.auth),
        &[
            ("hosts: a", r#"(["http://a:9200"], None)"#),
            (
                "hosts: [a, 'b:1']\n  protocol: https\n  path: /es/",
                r#"(["https://a:9200/es", "https://b:1/es"], None)"#,
            ),
            (
                "hosts: ['http://u:p@a', 'http://u:p@b']",
                r#"(["http://a:9200", "http://b:9200"], Basic { username: "u", password: xxxxx })"#,
            ),
            (
                "hosts: [a]\n  username: u\n  password: p",
                r#"(["http://a:9200"], Basic { username: "u", password: xxxxx })"#,
            ),
            ("hosts: [a]\n  api_key: 'i:k'", r#"(["http://a:9200"], ApiKey(xxxxx))"#),
            ("worker: 1", "`output.elasticsearch` has no `hosts`"),
            ("hosts: []", "`output.elasticsearch` has no `hosts`"),
            ("hosts: ['a:x']", "`a:x` has no valid port"),
            (
                "hosts: [a]\n  protocol: ftp",
                "`output.elasticsearch.protocol` takes `http` or `https`, found `ftp`",
            ),
            (
                "hosts: ['http://u:p@a', 'http://v:p@b']",
                "the hosts have different credentials, one pair is used for all",
            ),
            ("hosts: [a]\n  api_key: geheim", "`output.elasticsearch.api_key` takes `id:key`"),
            ("hosts: [a]\n  password: geheim", "a `password` without a `username`"),
            (
                "hosts: ['http://u:p@a']\n  api_key: 'a:b'",
                "`api_key` and a user with a password cannot both be used",
            ),
        ],
    );
}

#[test]
fn requests_at_once_are_few_enough_for_the_hosts_and_the_memory() {
    check(
        elasticsearch,
        |e| (e.worker, e.loadbalance),
        &[
            ("hosts: [a, b]", "(4, true)"),
            ("hosts: [a, b, c]\n  loadbalance: false", "(2, false)"),
            ("hosts: [a, b, c, d, e, f, g, h, i]", "(1, true)"),
        ],
    );
    check(
        top,
        |settings| {
            let OutputSettings::Elasticsearch(e) = settings.output else { panic!() };
            e.worker
        },
        &[
            ("queue.mem.bytes: 3MiB", "2"),
            ("queue.mem.bytes: 2MiB", "1"),
            ("queue.mem.bytes: 32MiB", "4"),
        ],
    );
}

#[test]
fn the_output_is_tuned_within_bounds() {
    check(
        with_host,
        |e| e.worker,
        &[
            ("", "4"),
            ("preset: balanced", "1"),
            ("worker: 4", "4"),
            ("workers: 64", "64"),
            (
                "worker: 0",
                "`output.elasticsearch.worker` takes a whole number from 1 to 64, found `0`",
            ),
            (
                "worker: 65",
                "`output.elasticsearch.worker` takes a whole number from 1 to 64, found `65`",
            ),
            (
                "worker: 1\n  workers: 1",
                "`output.elasticsearch.workers` means the same as `output.elasticsearch.worker`",
            ),
        ],
    );
    check(
        with_host,
        |e| (e.bulk_max_size, e.bulk_max_bytes, e.compression_level),
        &[
            ("", "(1600, 1048576, 1)"),
            ("bulk_max_size: -1", "(0, 1048576, 1)"),
            ("bulk_max_size: 0", "(0, 1048576, 1)"),
            (
                "bulk_max_size: 0x10\n  bulk_max_bytes: 512KiB\n  compression_level: 9",
                "(16, 524288, 9)",
            ),
            (
                "compression_level: 10",
                "`output.elasticsearch.compression_level` takes a whole number from 0 to 9, found `10`",
            ),
            (
                "bulk_max_bytes: 2MiB",
                "`output.elasticsearch.bulk_max_bytes` takes a size from 16384 to 1048576 bytes, found `2MiB`",
            ),
        ],
    );
    check(
        with_host,
        |e| (e.timeout, e.idle_connection_timeout, e.backoff.init, e.backoff.max),
        &[
            ("", "(90s, 3s, 1s, 60s)"),
            (
                "timeout: 30\n  idle_connection_timeout: 0s\n  backoff: {init: 2s, max: 1m}",
                "(30s, 0ns, 2s, 60s)",
            ),
            ("backoff.init: 90s", "(90s, 3s, 90s, 90s)"),
            (
                "backoff: {init: 2s, max: 1s}",
                "`output.elasticsearch.backoff.init` is longer than `backoff.max`",
            ),
            ("timeout: 0", "`output.elasticsearch.timeout` has to be more than 0"),
        ],
    );
    check(
        with_host,
        |e| (e.document_id, e.index, e.pipeline),
        &[
            ("", "(true, None, None)"),
            ("document_id: none\n  pipeline: P", "(false, None, Some(\"p\"))"),
            (
                "index: 'a-%{[agent.version]}-%{+yyyy.MM.dd}'",
                "(true, Some(\"a-%{[agent.version]}-%{+yyyy.MM.dd}\"), None)",
            ),
            ("index: 'a-%{[x'", "`%{` is not closed"),
            (
                "document_id: no",
                "`output.elasticsearch.document_id` cannot be `no`, only `auto`, `none`",
            ),
        ],
    );
}

#[test]
fn limits_are_rates_and_shares() {
    check(
        top,
        |settings| (settings.limits.bandwidth, settings.limits.cpu),
        &[
            ("", "(None, None)"),
            ("limits: {bandwidth: 5MB/s, cpu: 20%}", "(Some(5000000), Some(0.2))"),
            ("limits: {bandwidth: 1MiB, cpu: 150}", "(Some(1048576), Some(1.5))"),
            (
                "limits.bandwidth: fast",
                "`limits.bandwidth` takes a rate such as `5MB/s`, at least 16 KiB a second, found `fast`",
            ),
            (
                "limits.bandwidth: 0",
                "`limits.bandwidth` takes a rate such as `5MB/s`, at least 16 KiB a second, found `0`",
            ),
            (
                "limits.cpu: 0%",
                "`limits.cpu` takes a share of one core such as `20%`, at least 1%, found `0%`",
            ),
            (
                "limits.cpu: NaN",
                "`limits.cpu` takes a share of one core such as `20%`, at least 1%, found `NaN`",
            ),
        ],
    );
}

#[test]
fn a_preset_stands_in_for_what_is_not_set() {
    let shown = |lines: &str| {
        top(lines).map(|settings| {
            let OutputSettings::Elasticsearch(e) = settings.output else { panic!() };
            let flush = settings.queue.flush_timeout;
            (
                e.worker,
                e.bulk_max_size,
                e.idle_connection_timeout,
                e.backoff.init,
                e.backoff.max,
                flush,
            )
        })
    };
    check(
        shown,
        |value| value,
        &[
            ("output.elasticsearch.preset: custom", "(4, 1600, 3s, 1s, 60s, 1s)"),
            ("output.elasticsearch.preset: balanced", "(1, 1600, 3s, 1s, 60s, 1s)"),
            ("output.elasticsearch.preset: throughput", "(4, 1600, 15s, 1s, 60s, 1s)"),
            ("output.elasticsearch.preset: scale", "(1, 1600, 1s, 5s, 300s, 1s)"),
            ("output.elasticsearch.preset: latency", "(1, 50, 60s, 1s, 60s, 10ms)"),
            (
                "output.elasticsearch: {preset: latency, bulk_max_size: 7, worker: 2}\nqueue.mem.flush.timeout: 3s",
                "(2, 7, 60s, 1s, 60s, 3s)",
            ),
            (
                "output.elasticsearch.preset: fast",
                "`output.elasticsearch.preset` cannot be `fast`, only `custom`, `balanced`, `throughput`, `scale`, `latency`",
            ),
        ],
    );
}

#[test]
fn connections_are_told_about_tls_proxies_and_headers() {
    check(
        with_host,
        |e| (e.tls.certificate_authorities, e.tls.verification),
        &[
            ("", "([], Full)"),
            ("ssl.certificate_authorities: /a.pem", "([File(\"/a.pem\")], Full)"),
            (
                "ssl: {certificate_authorities: [a.pem], verification_mode: none}",
                "([File(\"./a.pem\")], None)",
            ),
            ("ssl.certificate_authorities: ['-----BEGIN X']", "([Inline(\"-----BEGIN X\")], Full)"),
            ("ssl.verification_mode: strict", "([], Full)"),
            ("ssl.verification_mode: certificate", "([], Certificate)"),
            ("ssl: {enabled: false, certificate: /a, verification_mode: none}", "([], Full)"),
            (
                "ssl.renegotiation: freely",
                "`output.elasticsearch.ssl.renegotiation` is not supported yet",
            ),
            ("ssl: {certificate: '', cipher_suites: [], renegotiation: never}", "([], Full)"),
        ],
    );
    check(
        with_host,
        |e| (e.proxy_url, e.proxy_disable),
        &[
            ("", "(None, false)"),
            ("proxy_url: 'http://u:p@proxy:1'\n  proxy_disable: true", "(Some(xxxxx), true)"),
            ("proxy_url: 'proxy:1'", "(Some(xxxxx), false)"),
            (
                "proxy_url: 'socks5://a'",
                "`output.elasticsearch.proxy_url` takes the URL of an HTTP proxy",
            ),
        ],
    );
    check(
        with_host,
        |e| (e.headers, e.parameters),
        &[
            (
                "headers: {X-A: b}\n  parameters: {a.b: c, filter_path: took, d: 1}",
                r#"([("X-A", xxxxx)], [("a.b", "c"), ("d", "1")])"#,
            ),
            ("headers: {'X A': b}", "`X A` is no name of a header"),
            ("headers: {X: \"a\\nb\"}", "the value of the header `X` holds control characters"),
        ],
    );
    let template = |lines: &str| {
        top(lines).map(|settings| match settings.output {
            OutputSettings::Elasticsearch(e) => e.template,
            OutputSettings::Console => panic!(),
        })
    };
    check(
        template,
        |t| (t.enabled, t.overwrite, t.name, t.pattern, t.settings_json),
        &[
            ("", "(true, false, None, None, None)"),
            (
                "setup.template: {enabled: off, overwrite: on, name: n, pattern: 'n-*', settings: {index.number_of_shards: 1}}",
                r#"(false, true, Some("n"), Some("n-*"), Some("{\"index\":{\"number_of_shards\":1}}"))"#,
            ),
        ],
    );
}

#[test]
fn memory_holds_the_requests_in_flight() {
    check(
        top,
        |s| (s.queue.bytes, s.queue.flush_timeout),
        &[
            ("", "(16777216, 1s)"),
            ("queue.mem: {bytes: 2MiB, flush.timeout: 0s}", "(2097152, 0ns)"),
            ("queue.mem.bytes: 2000000", "`queue.mem.bytes` is too small for 1 requests in flight"),
            (
                "queue.mem.bytes: 4MiB\noutput.elasticsearch.worker: 4",
                "`queue.mem.bytes` is too small for 4 requests in flight",
            ),
            ("output.elasticsearch.worker: 40", "(42991616, 1s)"),
            ("queue.disk.max_size: 1GB", "`queue.disk` is not supported yet"),
            ("queue.disk: {}", "(16777216, 1s)"),
        ],
    );
}

#[test]
fn directories_and_the_registry_have_their_defaults_below_each_other() {
    check(
        top,
        |s| (s.paths.home, s.paths.data, s.paths.logs, s.registry.path),
        &[
            ("", r#"(".", "./data", "./logs", "./data/registry")"#),
            ("path.home: /h", r#"("/h", "/h/data", "/h/logs", "/h/data/registry")"#),
            ("path.data: /d\nfilebeat.registry.path: r", r#"(".", "/d", "./logs", "/d/r")"#),
            (
                "path.data: /d\nfilebeat.registry.path: ${path.data}/x",
                r#"(".", "/d", "./logs", "/d/x")"#,
            ),
            (
                "path.data: d\nfilebeat.registry.path: ${path.data}/x",
                r#"(".", "d", "./logs", "d/x")"#,
            ),
            ("path.data: ''", r#"(".", "./data", "./logs", "./data/registry")"#),
        ],
    );
    check(
        top,
        |s| (s.registry.file_permissions, s.registry.flush, s.shutdown_timeout),
        &[
            ("", "(384, 1s, 5s)"),
            (
                "filebeat.registry: {file_permissions: 0640, flush: 0s}\nfilebeat.shutdown_timeout: 1m",
                "(416, 0ns, 60s)",
            ),
            ("filebeat: {shutdown_timeout: 0}", "(384, 1s, 0ns)"),
            ("filebeat.registry.file_permissions: '0600'", "(384, 1s, 5s)"),
            (
                "filebeat.registry.file_permissions: 600",
                "`filebeat.registry.file_permissions` takes a file mode such as 0600, found `600`",
            ),
            (
                "filebeat.registry.file_permissions: 0999",
                "`filebeat.registry.file_permissions` takes a file mode such as 0600, found `0999`",
            ),
        ],
    );
}

#[test]
fn logging_goes_to_standard_error_unless_files_are_asked_for() {
    check(
        top,
        |s| (s.logging.level, s.logging.to_stderr, s.logging.json, s.logging.metrics_period),
        &[
            ("", "(Info, true, false, Some(30s))"),
            (
                "logging: {level: debug, json: true, metrics.period: 10s}",
                "(Debug, true, true, Some(10s))",
            ),
            (
                "logging: {level: warn, to_files: true, metrics.enabled: false}",
                "(Warning, false, false, None)",
            ),
            ("logging: {to_files: true, to_stderr: true}", "(Info, true, false, Some(30s))"),
            (
                "logging.level: inof",
                "`logging.level` cannot be `inof`, only `debug`, `info`, `warning`, `error`, `warn`, `critical`",
            ),
            ("logging.to_syslog: true", "`logging.to_syslog` is not supported yet"),
        ],
    );
    check(
        top,
        |s| (s.logging.files, s.logging.selectors),
        &[
            ("logging.files.path: /l", "(None, [])"),
            (
                "logging: {to_files: true, selectors: [a]}",
                r#"(Some(LogFileSettings { path: "./logs", name: "shipper", rotate_every_bytes: 10485760, keep_files: 7, permissions: 384 }), ["a"])"#,
            ),
            (
                "logging: {to_files: true, files: {path: /l, name: n, rotateeverybytes: 1MiB, keepfiles: 2, permissions: 0644}}",
                r#"(Some(LogFileSettings { path: "/l", name: "n", rotate_every_bytes: 1048576, keep_files: 2, permissions: 420 }), [])"#,
            ),
            (
                "logging.files.keepfiles: 0",
                "`logging.files.keepfiles` takes a whole number from 1 to 1024, found `0`",
            ),
            ("logging.files.name: a/b", "`logging.files.name` is a name without a directory"),
        ],
    );
}

#[test]
fn one_output_is_chosen() {
    let output = |lines: &str| {
        settings(&format!("inputs: [{{type: log, paths: [/a]}}]\n{lines}")).map(|s| {
            match s.output {
                OutputSettings::Elasticsearch(e) => e.hosts.join(" "),
                OutputSettings::Console => "console".to_owned(),
            }
        })
    };
    check(
        output,
        |value| value,
        &[
            ("output.console:", "\"console\""),
            ("output.console: {enabled: true, codec.json.pretty: false}", "\"console\""),
            ("output.console.pretty: true", "unknown key `output.console.pretty`"),
            ("output.elasticsearch:\noutput.console: {enabled: yes}", "\"console\""),
            ("output: {console: {enabled: false}, elasticsearch.hosts: a}", "\"http://a:9200\""),
            (
                "output: {kafka: {enabled: false, topic: a}, elasticsearch.hosts: a}",
                "\"http://a:9200\"",
            ),
            ("output.elasticsearch:", "`output.elasticsearch` has no `hosts`"),
            (
                "output: {elasticsearch.hosts: a, console.enabled: true}",
                "two outputs are enabled: `elasticsearch` and `console`",
            ),
            ("output.kafka.hosts: a", "`output.kafka` is not supported yet"),
            ("output.console.enabled: false", "every output is disabled"),
            ("", "there is no output"),
            (
                "output.console.enabled: maybe",
                "`output.console.enabled` takes `true` or `false`, found `maybe`",
            ),
        ],
    );
}

#[test]
fn keys_that_do_nothing_are_accepted_by_name_and_missing_parts_only_with_harmless_values() {
    let unneeded = |lines: &str| {
        let text = format!(
            "inputs: [{{type: log, paths: [/a], backoff: 1s, tail_files: false}}]\noutput.console: {{}}\n{lines}"
        );
        load_text(&text).map(|loaded| loaded.unneeded).map_err(|problems| {
            let messages: Vec<&str> = problems.list().iter().map(|p| p.message.as_str()).collect();
            messages.join("; ")
        })
    };
    check(
        unneeded,
        |value| value,
        &[
            ("", r#"["filebeat.inputs.backoff"]"#),
            (
                "max_procs: 1\nqueue.mem.events: 5\nsetup.kibana.host: a\nsetup.ilm.enabled: false",
                r#"["filebeat.inputs.backoff", "max_procs", "queue.mem.events", "setup.kibana", "setup.ilm"]"#,
            ),
            ("setup.kibana:", r#"["filebeat.inputs.backoff"]"#),
            ("setup.dashboards.enabled: false", r#"["filebeat.inputs.backoff"]"#),
            (
                "setup.dashboards.enabled: true",
                "`setup.dashboards.enabled: true` is not supported yet",
            ),
            ("http.enabled: false", r#"["filebeat.inputs.backoff"]"#),
            (
                "http: {enabled: true, port: 5067, named_pipe.user: a}",
                r#"["filebeat.inputs.backoff", "http.named_pipe"]"#,
            ),
            ("http: {enabled: false, host: 'npipe:///a'}", r#"["filebeat.inputs.backoff"]"#),
            (
                "http: {enabled: true, host: 'npipe:///a', port: 70000}",
                "`http.host` takes a name, an address or a socket, found `npipe:///a`; `http.port` takes a whole \
                 number from 0 to 65535, found `70000`",
            ),
            ("processors: []", r#"["filebeat.inputs.backoff"]"#),
            ("processors: [{drop_event: {}}]", "`processors` is not supported yet"),
            ("processors: [drop_event: ]", "`processors` is not supported yet"),
            (
                "filebeat.modules: [{module: nginx}]",
                "the module `nginx` has no fileset that is enabled",
            ),
            (
                "filebeat.config.modules: {path: '${path.config}/nowhere.d/*.yml', reload.enabled: false}",
                r#"["filebeat.inputs.backoff"]"#,
            ),
            (
                "filebeat.config.inputs: {path: 'fixtures/config/*.yml'}",
                "`filebeat.config.inputs` is not supported yet, and files match `fixtures/config/*.yml`",
            ),
            (
                "filebeat.config.inputs: {enabled: false, path: 'fixtures/config/*.yml'}",
                r#"["filebeat.inputs.backoff"]"#,
            ),
        ],
    );
}

#[test]
fn dead_letters_are_kept_unless_something_else_is_asked_for() {
    use shipper::settings::{DeadLetterSettings, DeadLetterTo};
    let read = |more: &str| {
        let text = format!(
            "filebeat.inputs: [{{type: log, paths: [/l/a]}}]\noutput.elasticsearch:\n  hosts: [a:1]\n{more}"
        );
        load_text(&text).map(|loaded| match loaded.settings.output {
            OutputSettings::Elasticsearch(settings) => {
                (settings.dead_letters, loaded.warnings.len())
            }
            OutputSettings::Console => panic!("another output"),
        })
    };
    let default = DeadLetterSettings::default();
    assert_eq!(read("").unwrap(), (default.clone(), 0));
    let own = DeadLetterSettings {
        to: DeadLetterTo::Index("dead-x".to_owned()),
        path: "/var/d".into(),
        bytes_max: 1 << 20,
        age_max: Some(std::time::Duration::from_hours(48)),
    };
    let text = "  dead_letter: {path: /var/d, max_size: 1MiB, max_age: 2d, index: dead-x}\n";
    assert_eq!(read(text).unwrap(), (own, 0));
    let index =
        DeadLetterSettings { to: DeadLetterTo::Index("dead-x".to_owned()), ..default.clone() };
    let text = "  non_indexable_policy.dead_letter_index.index: dead-x\n";
    assert_eq!(read(text).unwrap(), (index, 0));
    let nowhere = DeadLetterSettings { to: DeadLetterTo::Nowhere, ..default };
    for drop in ["~", "{}"] {
        let text = format!("  non_indexable_policy.drop: {drop}\n");
        assert_eq!(read(&text).unwrap(), (nowhere.clone(), 1), "{drop}");
    }
    for (text, problem) in [
        ("  dead_letter.index: Dead\n", "`Dead` is no name of an index or data stream"),
        (
            "  dead_letter.index: dead\n  non_indexable_policy.drop: ~\n",
            "`output.elasticsearch.non_indexable_policy.drop` and an index of dead letters cannot both be used",
        ),
        ("  dead_letter.max_size: 1KiB\n", "`output.elasticsearch.dead_letter.max_size` "),
    ] {
        let told = read(text).unwrap_err().to_string();
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn rescue_is_on_unless_its_size_is_zero() {
    use shipper::settings::{OnFull, RescueSettings};
    assert_eq!(top("").unwrap().rescue, RescueSettings::default());
    assert_eq!(RescueSettings::default().bytes_max, 1_000_000_000);
    let own = RescueSettings {
        bytes_max: 0,
        path: "/r".into(),
        on_full: OnFull::Drop,
        ..RescueSettings::default()
    };
    let text = "rescue: {max_size: 0, path: /r, on_full: drop}";
    assert_eq!(top(text).unwrap().rescue, own);
    let told = top("rescue.on_full: wait").unwrap_err();
    assert!(told.contains("`rescue.on_full`") && told.contains("`keep`"), "{told}");
}

/// Makes a pipe with a name, which whoever opens it waits at.
pub fn make_pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("`mkfifo` is there");
    assert!(made.success(), "{}", path.display());
}
