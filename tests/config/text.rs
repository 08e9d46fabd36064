//! What holds for every text: spellings that mean the same, references, and no panic.

use std::path::PathBuf;

use proptest::prelude::*;
use shipper::config::files::Strictness;
use shipper::config::options::numbered;
use shipper::config::{Loaded, Sources, export, load, load_to_look};
use shipper::settings::{OutputSettings, Settings};

use crate::load_text;

fn shown(text: &str) -> String {
    match load_text(text) {
        Ok(loaded) => format!("{:#?}", loaded.settings),
        Err(problems) => problems.to_string(),
    }
}

fn load_with(
    text: &str,
    overrides: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<Loaded, String> {
    let overrides: Vec<String> = overrides.iter().map(|(k, v)| format!("{k}={v}")).collect();
    load_options(text, &overrides, variables)
}

fn load_options(
    text: &str,
    options: &[String],
    variables: &[(&str, &str)],
) -> Result<Loaded, String> {
    let sources = Sources {
        files: vec![(PathBuf::from("shipper.yml"), text.to_owned())],
        overrides: numbered(options),
    };
    let environment = |name: &str| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    load(&sources, &environment).map_err(|problems| problems.to_string())
}

const NESTED: &str = "
filebeat:
  inputs:
    - type: filestream
      id: a
      paths: [/a]
      prospector:
        scanner:
          check_interval: 3s
          symlinks: true
      close:
        on_state_change:
          inactive: 1m
output:
  elasticsearch:
    hosts: [a]
    backoff:
      init: 2s
      max: 9s
    ssl:
      verification_mode: certificate
queue:
  mem:
    flush:
      timeout: 2s
";

#[test]
fn dotted_and_nested_keys_are_the_same_at_every_depth() {
    let nested = shown(NESTED);
    assert!(nested.starts_with("Settings {"), "{nested}");
    let dotted = "
filebeat.inputs:
  - {type: filestream, id: a, paths: [/a], prospector.scanner.check_interval: 3s,
     prospector.scanner.symlinks: true, close.on_state_change.inactive: 1m}
output.elasticsearch.hosts: [a]
output.elasticsearch.backoff.init: 2s
output.elasticsearch.backoff.max: 9s
output.elasticsearch.ssl.verification_mode: certificate
queue.mem.flush.timeout: 2s
";
    let mixed = "
output:
  elasticsearch.backoff: {init: 2s}
filebeat.inputs:
  - type: filestream
    prospector: {scanner.symlinks: true}
    prospector.scanner: {check_interval: 3s}
    id: a
    \"close.on_state_change\":
      'inactive': 1m
    paths: [/a]
output.elasticsearch:
  hosts: [a]
  backoff.max: 9s
  ssl.verification_mode: certificate
queue.mem: {flush.timeout: 2s}
";
    assert_eq!(shown(dotted), nested);
    assert_eq!(shown(mixed), nested);
}

#[test]
fn aliases_and_merge_keys_stand_for_what_they_name() {
    let plain = "
inputs:
  - {type: log, paths: [/a], tags: [x], close_inactive: 1m, fields: {a: 1}}
  - {type: log, paths: [/b], tags: [x], close_inactive: 2m, fields: {b: 2}}
output.console: {}
";
    let aliased = "
inputs:
  - &first
    type: log
    paths: [/a]
    tags: &tags [x]
    close_inactive: 1m
    fields: {a: 1}
  - <<: *first
    paths: [/b]
    tags: *tags
    close_inactive: 2m
    fields: {b: 2}
output.console: {}
";
    assert_eq!(shown(aliased), shown(plain));
}

#[test]
fn variables_and_other_keys_are_expanded() {
    let hosts = |value: &str, variables: &[(&str, &str)]| {
        let text = format!(
            "inputs: [{{type: log, paths: [/a]}}]\npath.data: /d\nname: web\noutput.elasticsearch.hosts: {value}\n"
        );
        load_with(&text, &[], variables).map(|loaded| match loaded.settings.output {
            shipper::settings::OutputSettings::Elasticsearch(e) => e.hosts.join(" "),
            shipper::settings::OutputSettings::Console => panic!(),
        })
    };
    for (value, variables, expected) in [
        ("['${H}']", &[("H", "a")][..], "http://a:9200"),
        ("'${H}'", &[("H", "a:1, b:2")], "http://a:1 http://b:2"),
        ("'${H}'", &[("H", "[\"a:1\", 'b:2']")], "http://a:1 http://b:2"),
        ("['x-${H}.${D:org}:1']", &[("H", "a")], "http://x-a.org:1"),
        ("['${H:a}']", &[("H", "")], "http://a:9200"),
        ("['${H:${I:b}}']", &[], "http://b:9200"),
        ("['${name}']", &[], "http://web:9200"),
        ("['a${H:+.org}']", &[("H", "1")], "http://a.org:9200"),
        ("['a${H:+.org}']", &[], "http://a:9200"),
        ("['http://a${path.data}']", &[], "http://a:9200/d"),
    ] {
        assert_eq!(hosts(value, variables).as_deref(), Ok(expected), "{value}");
    }
    for (value, expected) in [
        (
            "['${H}']",
            "shipper.yml:4:31: `H` is no key and no variable of the environment\n  4 | output.elasticsearch.hosts: ['${H}']\n    |                               ^^^^\n  hint: set it, or give a default: `${H:default}`\n",
        ),
        (
            "['${H:?name a host}']",
            "shipper.yml:4:31: `${H}`: name a host\n  4 | output.elasticsearch.hosts: ['${H:?name a host}']\n    |                               ^^^^\n",
        ),
        (
            "['${H']",
            "shipper.yml:4:31: `${` has no `}`\n  4 | output.elasticsearch.hosts: ['${H']\n    |                               ^^\n  hint: write `$${` where `${` itself is meant\n",
        ),
    ] {
        let error = hosts(value, &[]).expect_err(value);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn an_unset_variable_stops_the_start_except_in_sections_that_filebeat_does_not_read() {
    let warnings = |lines: &str| {
        let text = format!("inputs: [{{type: log, paths: [/a]}}]\noutput.console: {{}}\n{lines}\n");
        load_with(&text, &[], &[]).map(|loaded| loaded.warnings)
    };
    let warning = |line: u32, section: &str| {
        format!(
            "line {line}: `NOPE` is no key and no variable of the environment; it does not matter, since \
             `{section}` is not read"
        )
    };
    for (lines, expected) in [
        ("setup.kibana.host: '${NOPE}'", warning(3, "setup.kibana")),
        ("setup:\n  kibana:\n    host: '${NOPE}:5601'", warning(5, "setup.kibana")),
        ("monitoring: {cluster_uuid: '${NOPE}'}", warning(3, "monitoring")),
    ] {
        assert_eq!(warnings(lines), Ok(vec![expected]), "{lines}");
    }
    for lines in [
        "monitoring: {cluster_uuid: '${NOPE}', enabled: true}",
        "max_procs: ${NOPE}",
        "queue.mem.events: ${NOPE}",
        "setup.ilm.policy_name: ${NOPE}",
    ] {
        let error = warnings(lines).expect_err(lines);
        assert!(error.contains("`NOPE` is no key and no variable of the environment\n"), "{error}");
    }
}

#[test]
fn who_only_looks_needs_no_variables_of_who_delivers() {
    let text = |lines: &str| format!("inputs: [{{type: log, paths: [/a]}}]\n{lines}\n");
    let unknown = |lines: &str| {
        let files = vec![(PathBuf::from("shipper.yml"), text(lines))];
        let sources = Sources { files, overrides: Vec::new() };
        assert!(load(&sources, &|_| None).is_err(), "{lines}");
        let loaded = load_to_look(&sources, Strictness::Lax, &|_| None);
        let settings = loaded.map_err(|problems| problems.to_string())?.settings;
        let OutputSettings::Elasticsearch(output) = settings.output else { panic!("{lines}") };
        Ok::<_, String>(output.unknown.join(" "))
    };
    for (lines, expected) in [
        ("output.elasticsearch: {hosts: [a], api_key: '${KEY}'}", "output.elasticsearch.api_key"),
        (
            "output.elasticsearch: {hosts: ['${A}', 'http://${B}'], username: u, password: '${KEY}'}",
            "output.elasticsearch.hosts output.elasticsearch.password",
        ),
        (
            "output.elasticsearch:\n  hosts: [a]\n  ssl.certificate: /a\n  ssl.key: '${KEY}'",
            "output.elasticsearch.ssl",
        ),
        ("cloud: {id: '${CLOUD}', auth: '${KEY}'}", "cloud"),
    ] {
        assert_eq!(unknown(lines).as_deref(), Ok(expected), "{lines}");
    }
    for lines in [
        "output.elasticsearch: {hosts: [a], dead_letter.path: '${DIR}'}",
        "output.elasticsearch.hosts: [a]\npath.data: '${DIR}'",
        "output.elasticsearch: {hosts: [a], api_key: '${KEY}', worker: '${WORKER}'}",
    ] {
        let told = unknown(lines).expect_err(lines);
        assert!(told.contains("is no key and no variable of the environment"), "{told}");
        assert!(!told.contains("`KEY`"), "{told}");
    }
}

#[test]
fn error_logs_that_are_read_as_access_logs_are_told() {
    let warnings = |input: &str| {
        let text = format!("inputs: [{{type: log, {input}}}]\noutput.console: {{}}\n");
        load_with(&text, &[], &[]).map(|loaded| loaded.warnings)
    };
    let told = |path: &str, format: &str| {
        vec![format!(
            "`inputs[0]` reads `{path}` as an access log, so its lines become `message` alone: give it an input of its own \
             with `format: {format}`"
        )]
    };
    for (input, expected) in [
        (
            "paths: [/a.log, /var/log/nginx/error.log*]",
            told("/var/log/nginx/error.log*", "nginx_error"),
        ),
        ("paths: /var/log/apache2/error.log", told("/var/log/apache2/error.log", "apache_error")),
        ("paths: /var/log/httpd/error_log", told("/var/log/httpd/error_log", "apache_error")),
        ("paths: /var/log/nginx/*.log", Vec::new()),
        ("paths: /srv/app/error.log", Vec::new()),
        ("paths: /var/log/nginx/error.log, format: nginx_error", Vec::new()),
        ("paths: /var/log/nginx/error.log, format: raw", Vec::new()),
        ("paths: /var/log/nginx/error.log, pipeline: p", Vec::new()),
    ] {
        assert_eq!(warnings(input), Ok(expected), "{input}");
    }
}

#[test]
fn proxies_that_decide_nothing_are_told() {
    let warnings = |format: &str| {
        let text = format!(
            "inputs: [{{type: log, paths: [/a], trusted_proxies: 10.0.0.0/8{format}}}]\noutput.console: {{}}\n"
        );
        load_with(&text, &[], &[]).map(|loaded| loaded.warnings)
    };
    let told = "`inputs[0].trusted_proxies` decides nothing: what the `format` of this input reads brings no list of addresses";
    for (format, is_told) in [
        ("", false),
        (", format: nginx", false),
        (", format: caddy", false),
        (", format: {nginx: '$remote_addr $http_x_forwarded_for'}", false),
        (", format: {nginx: '$remote_addr $status'}", true),
        (", format: nginx_error", true),
        (", format: apache_error", true),
        (", format: haproxy", true),
        (", format: raw", true),
        (", pipeline: p", true),
        (", format: {dissect: '%{source.ip} %{message}'}", true),
        (", format: {regex: {pattern: '(?<a>.*)'}}", true),
    ] {
        let expected = if is_told { vec![told.to_owned()] } else { Vec::new() };
        assert_eq!(warnings(format), Ok(expected), "{format}");
    }
}

#[test]
fn own_values_beside_a_preset_stand_and_that_is_told_once() {
    let warnings = |lines: &str| {
        let text = format!("inputs: [{{type: log, paths: [/a]}}]\noutput.elasticsearch: {lines}\n");
        load_with(&text, &[], &[]).map(|loaded| loaded.warnings)
    };
    let told = |keys: &str, preset: &str| {
        format!(
            "your own {keys} stands, and `preset: {preset}` gives the rest; Filebeat would take the preset's value"
        )
    };
    for (lines, expected) in [
        ("{hosts: [a], preset: throughput}", vec![]),
        ("{hosts: [a], preset: custom, worker: 2}", vec![]),
        (
            "{hosts: [a], preset: latency, worker: 2, bulk_max_size: 7}",
            vec![told("`bulk_max_size`, `worker`", "latency")],
        ),
        ("{hosts: [a], preset: latency, backoff.init: 2s}", vec![]),
        ("{hosts: [a], preset: scale, backoff.init: 2s}", vec![told("`backoff.init`", "scale")]),
    ] {
        assert_eq!(warnings(lines), Ok(expected), "{lines}");
    }
}

#[test]
fn references_in_a_circle_are_told_and_end() {
    let text = "inputs: [{type: log, paths: [/a]}]\noutput.console: {}\nname: ${path.data}\npath.data: ${name}\n";
    let error = load_with(text, &[], &[]).expect_err("a circle");
    assert_eq!(
        error.lines().filter(|line| line.contains("refers to itself")).count(),
        2,
        "{error}"
    );
}

#[test]
fn what_is_escaped_or_disabled_is_not_expanded() {
    let text = "inputs: [{type: log, paths: ['/a/$${b}'], exclude_files: ['gz$']}]
output: {console: {}, kafka: {enabled: false, hosts: '${NOPE}'}}\n";
    let loaded = load_with(text, &[], &[]).expect("valid");
    assert_eq!(loaded.settings.inputs[0].paths, ["/a/${b}"]);
    assert_eq!(loaded.settings.inputs[0].exclude_files, ["gz$"]);
}

#[test]
fn single_values_of_the_command_line_win() {
    let text = "filebeat.inputs: [{type: log, paths: [/a], tags: [x]}]\noutput.elasticsearch: {hosts: [a], worker: 2}\n";
    let overrides = [
        ("output.elasticsearch.worker", "3"),
        ("output.elasticsearch.hosts", "b,c:1"),
        ("filebeat.inputs.0.tags", "[y, z]"),
        ("name", "\"a: b\""),
        ("logging.level", "debug"),
    ];
    let same = "filebeat.inputs: [{type: log, paths: [/a], tags: [y, z]}]\noutput.elasticsearch: {hosts: [b, 'c:1'], worker: 3}\nname: 'a: b'\nlogging.level: debug";
    let loaded = load_with(text, &overrides, &[]).expect("valid");
    assert_eq!(format!("{:#?}", loaded.settings), shown(same));
    let error = load_with(text, &[("output.elasticsearch.password", "geheim"), ("nam", "x")], &[]);
    assert_eq!(
        error.expect_err("two problems"),
        "-E option 1: a `password` without a `username`
  | output.elasticsearch.password=xxxxx
  |                               ^^^^^
  hint: add the user's name
-E option 2: unknown key `nam`
  | nam=x
  | ^^^
  hint: did you mean `name`?
"
    );
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_with_its_number_and_a_caret() {
    let text = "inputs: [{type: log, paths: [/a]}]\noutput.console: {}\n";
    let told = |options: &[&str]| {
        let options: Vec<String> = options.iter().map(|&text| text.to_owned()).collect();
        load_options(text, &options, &[]).expect_err("wrong")
    };
    let syntax = told(&["name=a", "name", "=a", "a..b=1", "tags=[a, b", "tags={a: 1, a: 2}"]);
    assert_eq!(
        syntax,
        "-E option 2: there is no `=` between a key and a value
  | name
  | ^^^^
  hint: write -E key=value, such as -E name=web1
-E option 3: there is no key before the `=`
  | =a
  | ^
  hint: write -E key=value, such as -E name=web1
-E option 4: the key `a..b` has an empty part
  | a..b=1
  | ^^^^
  hint: write one dot between two parts of a key
-E option 5: this is not YAML: a bracket is not closed
  | tags=[a, b
  |      ^
  hint: close this `[` with `]`
-E option 6: the key `a` stands twice
  | tags={a: 1, a: 2}
  |             ^
  -E option 6: it stands first here
  | tags={a: 1, a: 2}
  |       ^
  hint: keep one of the two
"
    );
    let values = told(&["name=a", "logging.level=laut", "fields={x: '${NOPE}'}"]);
    assert_eq!(
        values,
        "-E option 2: `logging.level` cannot be `laut`, only `debug`, `info`, `warning`, `error`, `warn`, `critical`
  | logging.level=laut
  |               ^^^^
-E option 3: `NOPE` is no key and no variable of the environment
  | fields={x: '${NOPE}'}
  |             ^^^^^^^
  hint: set it, or give a default: `${NOPE:default}`
"
    );
}

#[test]
fn every_unknown_key_is_told_with_what_to_do() {
    for (lines, expected) in [
        ("shutdown_timeout: 5s", "it belongs under `filebeat`"),
        ("filebeat.shutdown.timeout: 5s", "did you mean `filebeat.shutdown_timeout`?"),
        ("filebeat:\n  shutdown:\n    timeout: 5s", "did you mean `filebeat.shutdown_timeout`?"),
        ("filebeat.registry_flush: 5s", "did you mean `filebeat.registry.flush`?"),
        (
            "filebeat.inputs: [{type: log, paths: [/a], file_identity.inode_markr.path: /m}]",
            "did you mean `inode_marker`?",
        ),
        ("shutdwn_timeout: 5s", "did you mean `filebeat.shutdown_timeout`?"),
        ("filebeat.cloud: {id: x}", "it belongs to the top level, as `cloud.id`"),
        (
            "gibberish: 5s",
            "leave it out: no known key is spelt nearly so (shipper.yml.example names all)",
        ),
    ] {
        let text = format!("inputs: [{{type: log, paths: [/a]}}]\noutput.console: {{}}\n{lines}");
        let problems = load_text(&text).expect_err(lines);
        let [problem] = problems.list() else { panic!("{lines}: {problems}") };
        assert_eq!(problem.hint.as_deref(), Some(expected), "{lines}");
    }
}

#[test]
fn what_is_not_built_is_told_with_what_to_do_instead() {
    let logs = "name the logs in `filebeat.inputs` instead: access lines of Apache and nginx are \
                understood there";
    for (lines, expected) in [
        ("filebeat.autodiscover.providers: [a]", logs),
        ("inputs.0.merge: a", "leave it out"),
        ("inputs.0.paths: ['~/a']", "write the home directory out, for example `/home/web/a`"),
        (
            "inputs.0.paths: ['C:\\a']",
            "write it from the root and with `/`: paths of Windows are not known here",
        ),
    ] {
        let (key, value) = lines.split_once(": ").expect("a key");
        let text = "inputs: [{type: log, paths: [/a]}]\noutput.console: {}\n";
        let error = load_with(text, &[(key, value)], &[]).expect_err(lines);
        let hint = error.lines().find_map(|line| line.strip_prefix("  hint: "));
        assert_eq!(hint, Some(expected), "{error}");
    }
}

#[test]
fn later_files_win_over_earlier_ones() {
    let one = "inputs: [{type: log, paths: [/a]}]\noutput.elasticsearch: {hosts: [a], worker: 2}\n";
    let two = "output: {elasticsearch.hosts: [b]}\n";
    let sources = Sources {
        files: vec![(PathBuf::from("1"), one.to_owned()), (PathBuf::from("2"), two.to_owned())],
        overrides: Vec::new(),
    };
    let loaded = load(&sources, &|_| None).expect("valid");
    let same =
        "inputs: [{type: log, paths: [/a]}]\noutput.elasticsearch: {hosts: [b], worker: 2}\n";
    assert_eq!(format!("{:#?}", loaded.settings), shown(same));
}

/// Settings whose texts look like other types, so that a careless export would change them.
const TRICKY: &str = r#"
name: 'yes'
filebeat.inputs:
  - type: filestream
    id: '0600'
    paths: ['/a/$${b}/#x', "/ä: \"'"]
    exclude_files: ['\.gz$', '^ ']
    format.regex: {pattern: '^(?<a__b>\S+) #', rename: {a__b: c.d}}
    pipeline: p
    index: 'i-%{[agent.name]}-%{+yyyy}'
    tags: ['no', '1', '~', '']
    encoding: utf-16le-bom
    line_terminator: next_line
    include_lines: ['^ ']
    exclude_lines: ['no', '#']
    flush_partial_after: 30s
    parsers:
      - multiline: {pattern: '^ ', negate: true, match: before, flush_pattern: '#', max_lines: 0, timeout: 0}
      - include_message.patterns: ['1']
      - ndjson: {target: 'a.b', overwrite_keys: true, expand_keys: true, add_error_key: true, message_key: 'no'}
      - container: {stream: stderr, format: cri}
      - syslog: {format: rfc5424, timezone: Europe/Berlin}
      - multiline: {type: count, count_lines: 3, skip_newline: true}
      - multiline: {type: while_pattern, pattern: ': '}
    fields: {a: 'yes', b: '0600', c: '1_000', d: '0x1f', e: '~', f: 'null', g: 1.0, h: 1e3, i: off,
             j: [1, '1', {k: 'y'}], l: "tab\there\u0001", m: '1e3', n: '0b1', o: '+1', p: '.5', q: 'on'}
inputs:
  - {type: log, paths: [/b], keep_original: false, fields: {x: {y: z}}, fields_under_root: true}
output.elasticsearch:
  hosts: ['https://b:1/x', 'a']
  index: 'x'
  parameters: {a.b: '1'}
  compression_level: 0
  document_id: none
  ssl: {certificate_authorities: [/a.pem, "-----BEGIN A\nB\n"], verification_mode: certificate,
        certificate: c.pem, key: k.pem, key_passphrase_path: p, supported_protocols: TLSv1.3, curve_types: [P-384],
        cipher_suites: [TLS-AES-256-GCM-SHA384], ca_sha256: [AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=],
        ca_trusted_fingerprint: 00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF,
        certificate_reload.reload_interval: 7s}
  backoff: {init: 10ms, max: 1m30s}
setup.template: {name: n, pattern: 'n*', settings: {index: {a: 'yes', b: 2}}}
path: {home: /h, config: /etc, data: 'null'}
logging: {level: error, to_files: true, metrics.enabled: false, selectors: ['*'], files.permissions: 0640}
queue.mem: {bytes: 9MiB, flush.timeout: 0s}
"#;

#[test]
fn an_exported_configuration_loads_as_the_same() {
    let text = TRICKY.replace("'~', '']", "'~']");
    let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let exported = export(&loaded);
    let again = load_text(&exported).unwrap_or_else(|problems| panic!("{problems}\n{exported}"));
    let debug = |settings: &Settings| format!("{settings:#?}");
    assert_eq!(debug(&again.settings), debug(&loaded.settings), "{exported}");
    assert_eq!(export(&again), exported);
}

#[test]
fn an_exported_configuration_has_no_secrets() {
    let text = "
inputs: [{type: log, paths: [/a]}]
output.elasticsearch:
  hosts: ['http://user:geheim@a']
  headers: {Authorization: geheim}
  proxy_url: 'http://u:geheim@proxy:1'
";
    let exported = export(&load_text(text).expect("valid"));
    let golden = include_str!("../../fixtures/config/export.yml");
    assert_eq!(exported, golden);
    let key = "inputs: [{type: log, paths: [/a]}]\noutput.elasticsearch: {hosts: a, api_key: 'id:geheim'}";
    let exported = export(&load_text(key).expect("valid"));
    assert!(exported.contains("    api_key: xxxxx:xxxxx\n"), "{exported}");
    assert!(!exported.contains("geheim"), "{exported}");
}

#[test]
fn deep_and_wide_texts_are_refused_in_time() {
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "a:\n".repeat(3),
        format!("{}: 1", "a.".repeat(100_000)),
        "- ".repeat(50_000),
        bomb(),
        "a: &a [*a]".to_owned(),
        "a: &a\n  <<: *a".to_owned(),
        "name: ${name}${name}".to_owned(),
        "a: ${b}${b}\nb: ${c}${c}\nc: ${d}${d}\nd: ${e}${e}\ne: ${f:x}".to_owned(),
        "a: {b: '${a}'}".to_owned(),
    ] {
        let problems = load_text(&text).expect_err("no configuration");
        assert!(!problems.list().is_empty());
        assert!(problems.to_string().len() < 20_000);
    }
}

/// Nine lines that mean a thousand million values.
fn bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let below = format!("*a{}", level - 1);
        let items = vec![below; 10].join(", ");
        text.extend([format!("a{level}: &a{level} [{items}]\n")]);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// For every text, loading ends with settings or with problems that can be shown.
    #[test]
    fn property_no_text_makes_the_load_panic(text in "(?s:.){0,80}|\\PC*") {
        let _ = shown(&text);
    }

    /// The same for texts that are nearly configurations.
    #[test]
    fn property_no_near_configuration_makes_the_load_panic(
        lines in proptest::collection::vec(
            "( {0,6})(- )?(filebeat\\.inputs|inputs|type|paths|output|elasticsearch|hosts|password|fields|format|a\\.b|<<|enabled)?(:|: |)(log|\\[/a\\]|'|\"|\\$\\{|\\$\\{a:b\\}|&x|\\*x|\\{|\\}|\\]|true|~|%|\t|é|- |\\||>)?",
            0..12,
        )
    ) {
        let _ = shown(&lines.join("\n"));
    }

    /// Cutting a valid text anywhere, or changing a byte of it, never panics.
    #[test]
    fn property_no_damaged_configuration_makes_the_load_panic(
        at in 0..TRICKY.len(),
        inserted in "[\\[\\]{}:,'\"#&*!|>%@`\\-\\? \n\t\\$.]{0,3}",
        cut in any::<bool>(),
    ) {
        let at = (0..=at).rev().find(|at| TRICKY.is_char_boundary(*at)).unwrap_or(0);
        let rest = if cut { "" } else { &TRICKY[at..] };
        let _ = shown(&format!("{}{inserted}{rest}", &TRICKY[..at]));
    }

    /// No text on the command line makes the load panic.
    #[test]
    fn property_no_option_makes_the_load_panic(
        option in "(name|fields|tags|a\\.b|\\.)?[= ]{0,2}([\\[{'\"]?(\\PC|[\\[\\]{}:,'\"\n\t -]){0,12})",
    ) {
        let text = "inputs: [{type: log, paths: [/a]}]\noutput.console: {}\n";
        let _ = load_options(text, &[option], &[]);
    }

    /// Every line of a text that is wrong is told with a place inside of the text.
    #[test]
    fn property_every_place_lies_in_the_text(
        lines in proptest::collection::vec(
            " {0,4}(- ?)?(name|paths|hosts|type|tags)?(: |:|=| = )?[\\[{'\"“]?(a|/b)?[\\]}'\"]?\r?",
            1..6,
        )
    ) {
        let text = lines.join("\n");
        let Err(problems) = load_text(&text) else { return Ok(()) };
        for place in problems.list().iter().filter_map(|problem| problem.place) {
            let line = text.lines().nth(place.line.max(1) - 1).unwrap_or_default();
            prop_assert!(place.line <= text.lines().count().max(1), "{text:?} {problems}");
            prop_assert!(place.column <= line.chars().count() + 1, "{text:?} {problems}");
        }
    }
}

#[test]
fn no_secret_is_shown_whatever_is_wrong_around_it() {
    let inputs = "inputs: [{type: log, paths: [/a]}]\n";
    for text in [
        "output.elasticsearch:\n  hosts: a\n  pasword: hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  password hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  pass: hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  bearer: hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  headers2: {a: [hunter2]}\n",
        "output.elasticsearch:\n  hosts: a\n  ssl.certificat_key: hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  pasword hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  passwrd:hunter2\n",
        "output.elasticsearch:\n  hosts: a\n  apikey: 'id:hunter2'\n",
        "output.elasticsearch:\n  password:hunter2\n",
        "output.elasticsearch:\n  password=hunter2\n",
        "output.elasticsearch:\n  password: “hunter2”\n",
        "output.elasticsearch:\n  hosts: a\n  password = hunter2\n",
        "output.elasticsearch:\n  -password: hunter2\n",
        "password=hunter2\n",
        "output.elasticsearch: {hosts: a, username: u, password: hunter2}\nnonsense: hunter2\n",
        "output.elasticsearch: {hosts: a, username: u, password: hunter2, worker: hunter2}\n",
        "output.elasticsearch: {hosts: 'http://u:hunter2@a', worker: hunter2}\n",
        "cloud:\n  auth: u:hunter2\noutput.elasticsearch: {hosts: a, worker: hunter2}\n",
        "cloud:\n  auth: u:hunter2\n broken\n",
        "cloud.auth: hunter2\noutput.elasticsearch.hosts: a\n",
        "output.elasticsearch:\n  hosts: a\n  headers:\n    X-A: hunter2\n   X: [\n",
        "output.elasticsearch:\n  hosts: a\n  proxy_headers: {X-A: hunter2, 'b c': hunter2}\n",
        "output.elasticsearch:\n  hosts: a\n  ssl: {key_passphrase: hunter2, supported_protocols: hunter2}\n",
        "output.elasticsearch:\n  hosts: a\n  ssl:\n    key: |\n      -----BEGIN PRIVATE KEY-----\n      hunter2\n   x: [\n",
        "output.elasticsearch:\n  hosts: a\n  ssl.key: \"-----BEGIN PRIVATE KEY-----\\nhunter2\"\n  worker: hunter2\n",
    ] {
        let problems = load_text(&format!("{inputs}{text}")).expect_err(text);
        assert!(!problems.to_string().contains("hunter2"), "{text}{problems}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{text}{problems:?}");
    }
    for option in
        ["password:hunter2", "password hunter2", "a={password: hunter2", "password=[hunter2"]
    {
        let text = format!("{inputs}output.elasticsearch.hosts: a\n");
        let error = load_options(&text, &[option.to_owned()], &[]).expect_err(option);
        assert!(!error.contains("hunter2"), "{error}");
    }
    for key in ["pasword", "output.elasticsearch.pasword"] {
        let text = format!("{inputs}output.elasticsearch.hosts: a\n");
        let error = load_with(&text, &[(key, "hunter2")], &[]).expect_err(key);
        assert!(!error.contains("hunter2"), "{error}");
    }
    let text = format!(
        "{inputs}output.elasticsearch: {{hosts: a, username: u, password: '${{P}}', worker: '${{P}}'}}\n"
    );
    let error = load_with(&text, &[], &[("P", "hunter2")]).expect_err("a worker is a number");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn an_export_masks_secrets_wherever_they_are_repeated() {
    let text = "
inputs: [{type: log, paths: [/a], fields: {note: 'it is hunter2', api_key: other}}]
output.elasticsearch: {hosts: a, username: u, password: hunter2}
";
    let exported = export(&load_text(text).expect("valid"));
    assert!(!exported.contains("hunter2") && !exported.contains("other"), "{exported}");
}
