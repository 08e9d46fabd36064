//! What a stanza says about its files: defaults, both spellings, values at the edge, and what is said of a wrong one.

use shipper::settings::InputSettings;

use crate::values::{check, input, settings};

fn filestream(line: &str) -> Result<InputSettings, String> {
    settings(&format!(
        "output.elasticsearch.hosts: [a]\nfilebeat.inputs:\n  - type: filestream\n    id: x\n    paths: [/a]\n    {line}\n"
    ))
    .map(|settings| settings.inputs[0].clone())
}

#[test]
fn files_are_included_by_expressions() {
    check(
        input,
        |i| i.files.include_files,
        &[
            ("", "[]"),
            ("include_files: ['a$', b]", r#"["a$", "b"]"#),
            ("prospector.scanner.include_files: /srv/", r#"["/srv/"]"#),
            ("prospector: {scanner: {include_files: [a]}}", r#"["a"]"#),
            ("include_files: []", "[]"),
            ("include_files: ['']", "`filebeat.inputs[0].include_files[0]` is empty"),
            ("include_files: ['a(']", "`a(` is no regular expression: unclosed group"),
            (
                "include_files: [a]\n    prospector.scanner.include_files: [a]",
                "`filebeat.inputs[0].include_files` means the same as `filebeat.inputs[0].prospector.scanner.include_files`",
            ),
        ],
    );
}

#[test]
fn two_stars_reach_any_depth_unless_that_is_switched_off() {
    check(
        input,
        |i| i.files.recursive_glob,
        &[
            ("", "true"),
            ("recursive_glob.enabled: false", "false"),
            ("recursive_glob: {enabled: true}", "true"),
            ("prospector.scanner.recursive_glob: off", "false"),
            (
                "recursive_glob.enabled: 0",
                "`filebeat.inputs[0].recursive_glob.enabled` takes `true` or `false`, found `0`",
            ),
        ],
    );
}

#[test]
fn touched_files_are_sent_again_only_when_asked_for() {
    check(
        filestream,
        |i| i.files.resend_on_touch,
        &[
            ("", "false"),
            ("prospector.scanner.resend_on_touch: true", "true"),
            ("resend_on_touch: true", "true"),
            (
                "prospector.scanner.resend_on_touch: maybe",
                "`filebeat.inputs[0].prospector.scanner.resend_on_touch` takes `true` or `false`, found `maybe`",
            ),
        ],
    );
}

#[test]
fn files_have_an_order() {
    let default = "ReadOrder { by: Modified, descending: false }";
    check(
        input,
        |i| i.files.order,
        &[
            ("", default),
            ("scan.sort: modtime", default),
            ("scan.sort: ''\n    scan.order: asc", default),
            ("scan.sort: filename", "ReadOrder { by: Name, descending: false }"),
            ("scan: {sort: filename, order: desc}", "ReadOrder { by: Name, descending: true }"),
            ("order: fresh_first", "ReadOrder { by: Modified, descending: true }"),
            ("order: fresh_first\n    scan.sort: modtime", default),
            ("order: sequential", default),
            (
                "scan.sort: size",
                "`filebeat.inputs[0].scan.sort` cannot be `size`, only `modtime`, `filename`",
            ),
            (
                "scan.order: up",
                "`filebeat.inputs[0].scan.order` cannot be `up`, only `asc`, `desc`",
            ),
        ],
    );
}

#[test]
fn new_lines_come_first_where_that_is_asked_for() {
    check(
        input,
        |i| i.files.backlog,
        &[
            ("", "Sequential"),
            ("order: sequential", "Sequential"),
            ("order: fresh_first", "FreshFirst"),
            (
                "order: newest",
                "`filebeat.inputs[0].order` cannot be `newest`, only `sequential`, `fresh_first`",
            ),
        ],
    );
}

#[test]
fn files_are_left_out_by_age() {
    check(
        input,
        |i| i.files.skip.older,
        &[
            ("", "None"),
            ("ignore_older: 0", "None"),
            ("ignore_older: 0s", "None"),
            ("ignore_older: -1", "None"),
            ("ignore_older: 24h", "Some(86400s)"),
            ("ignore_older: 1ns", "Some(1ns)"),
            (
                "ignore_older: '-'",
                "`filebeat.inputs[0].ignore_older` takes a duration such as `10s` or `1m30s`, found `-`",
            ),
            (
                "ignore_older: yesterday",
                "`filebeat.inputs[0].ignore_older` takes a duration such as `10s` or `1m30s`, found `yesterday`",
            ),
        ],
    );
    check(
        filestream,
        |i| i.files.skip.inactive,
        &[
            ("", "None"),
            ("ignore_inactive: ''", "None"),
            ("ignore_inactive: since_first_start", "Some(FirstStart)"),
            ("ignore_inactive: since_last_start", "Some(LastStart)"),
            (
                "ignore_inactive: 5m",
                "`filebeat.inputs[0].ignore_inactive` cannot be `5m`, only `since_first_start`, `since_last_start`",
            ),
        ],
    );
}

#[test]
fn reading_begins_at_the_end_when_asked_for() {
    let expected = [
        ("", "false"),
        ("tail_files: true", "true"),
        ("seek_to_tail: true", "true"),
        ("tail_files: false", "false"),
        ("tail_files: end", "`filebeat.inputs[0].tail_files` takes `true` or `false`, found `end`"),
        (
            "tail_files: true\n    seek_to_tail: true",
            "`filebeat.inputs[0].tail_files` means the same as `filebeat.inputs[0].seek_to_tail`",
        ),
    ];
    check(input, |i| i.files.skip.tail, &expected);
    check(filestream, |i| i.files.skip.tail, &expected);
}

#[test]
fn files_are_let_go_of_as_either_spelling_says() {
    let flag = |key: &'static str| {
        [
            (String::new(), "false".to_owned()),
            (format!("{key}: true"), "true".to_owned()),
            (format!("{key}: no"), "false".to_owned()),
            (
                format!("{key}: 1s"),
                format!("`filebeat.inputs[0].{key}` takes `true` or `false`, found `1s`"),
            ),
        ]
    };
    for key in ["close_eof", "close.reader.on_eof"] {
        for (text, expected) in flag(key) {
            check(input, |i| i.close.on_eof, &[(text.as_str(), expected.as_str())]);
        }
    }
    for key in ["close_renamed", "close.on_state_change.renamed"] {
        for (text, expected) in flag(key) {
            check(filestream, |i| i.close.renamed, &[(text.as_str(), expected.as_str())]);
        }
    }
    check(
        input,
        |i| i.close.after,
        &[
            ("", "None"),
            ("close_timeout: 0", "None"),
            ("close_timeout: 5m", "Some(300s)"),
            ("close.reader.after_interval: 1s", "Some(1s)"),
            ("close: {reader: {after_interval: 0s}}", "None"),
            (
                "close_timeout: later",
                "`filebeat.inputs[0].close_timeout` takes a duration such as `10s` or `1m30s`, found `later`",
            ),
        ],
    );
    check(
        input,
        |i| i.close.limit,
        &[
            ("", "0"),
            ("harvester_limit: 0", "0"),
            ("harvester_limit: 1", "1"),
            ("harvester_limit: 4294967295", "4294967295"),
            (
                "harvester_limit: -1",
                "`filebeat.inputs[0].harvester_limit` takes a whole number from 0 to 4294967295, found `-1`",
            ),
        ],
    );
}

#[test]
fn files_are_forgotten_only_when_they_are_ignored() {
    let log = "`filebeat.inputs[0].clean_inactive` has to be more than `ignore_older` + `scan_frequency`, which is 610s";
    let scanner = "`filebeat.inputs[0].clean_inactive` has to be more than `ignore_older` + `prospector.scanner.check_interval`, which is 610s";
    let needs = "`filebeat.inputs[0].clean_inactive` needs `ignore_older`";
    let cases = |sum: &'static str| {
        [
            ("", "None"),
            ("clean_inactive: 0", "None"),
            ("clean_inactive: -1", "None"),
            ("clean_inactive: 1h", needs),
            ("clean_inactive: 1h\n    ignore_older: 0", needs),
            ("clean_inactive: 610.001s\n    ignore_older: 10m", "Some(610.001s)"),
            ("clean_inactive: 610s\n    ignore_older: 10m", sum),
            ("clean_inactive: 1h\n    legacy_clean_inactive: true", "None"),
            (
                "clean_inactive: 1h\n    legacy_clean_inactive: true\n    ignore_older: 5m",
                "Some(3600s)",
            ),
            (
                "clean_inactive: never",
                "`filebeat.inputs[0].clean_inactive` takes a duration such as `10s` or `1m30s`, found `never`",
            ),
        ]
    };
    check(input, |i| i.files.clean.inactive, &cases(log));
    check(filestream, |i| i.files.clean.inactive, &cases(scanner));
    let removed = [
        ("", "true"),
        ("clean_removed: false", "false"),
        (
            "clean_removed: 2",
            "`filebeat.inputs[0].clean_removed` takes `true` or `false`, found `2`",
        ),
    ];
    check(input, |i| i.files.clean.removed, &removed);
    check(filestream, |i| i.files.clean.removed, &removed);
}

#[test]
fn files_are_removed_after_a_grace_period_when_asked_for() {
    check(
        filestream,
        |i| i.files.delete_after,
        &[
            ("", "None"),
            ("delete.grace_period: 1h", "None"),
            ("delete.enabled: true", "Some(1800s)"),
            ("delete: {enabled: true, grace_period: 0}", "Some(0ns)"),
            ("delete: {enabled: true, grace_period: 1h}", "Some(3600s)"),
            (
                "delete.enabled: 1",
                "`filebeat.inputs[0].delete.enabled` takes `true` or `false`, found `1`",
            ),
        ],
    );
}

#[test]
fn paths_and_owners_become_fields_when_asked_for() {
    check(
        input,
        |i| i.files.path_fields,
        &[
            ("", "[]"),
            (
                "path_fields: '/srv/%{tenant}/logs/%{vhost}-access.log'",
                r#"["/srv/%{tenant}/logs/%{vhost}-access.log"]"#,
            ),
            ("path_fields: ['/a/%{x}', '/b/%{y.z}']", r#"["/a/%{x}", "/b/%{y.z}"]"#),
            ("path_fields: /srv/x", "`/srv/x` names no part of the path, such as `%{vhost}`"),
            ("path_fields: ['/%{message}']", "`message` is not the name of a field"),
        ],
    );
    let owner =
        |user: bool, group: bool| format!("OwnerSettings {{ user: {user}, group: {group} }}");
    for (text, expected) in [
        ("", owner(false, false)),
        ("include_file_owner_name: true", owner(true, false)),
        ("include_file_owner_group_name: true", owner(false, true)),
        (
            "include_file_owner_name: root",
            "`filebeat.inputs[0].include_file_owner_name` takes `true` or `false`, found `root`"
                .to_owned(),
        ),
    ] {
        check(filestream, |i| i.files.owner, &[(text, &expected)]);
    }
}

#[test]
fn the_first_bytes_become_a_field_when_asked_for() {
    let part = |offset: u64, length: u64| {
        format!("Some(FingerprintSettings {{ offset: {offset}, length: {length} }})")
    };
    let at = "filebeat.inputs[0].prospector.scanner.fingerprint";
    for (text, expected) in [
        ("", "None".to_owned()),
        ("include_file_fingerprint: false", "None".to_owned()),
        ("prospector.scanner.fingerprint: {offset: 1, length: 64}", "None".to_owned()),
        ("include_file_fingerprint: true", part(0, 1024)),
        (
            "include_file_fingerprint: true\n    prospector.scanner.fingerprint: {enabled: true, offset: 7, length: 10MiB}",
            part(7, 10 << 20),
        ),
        (
            "prospector.scanner.fingerprint.length: 63",
            format!("`{at}.length` takes a size from 64 to 10485760 bytes, found `63`"),
        ),
        (
            "prospector.scanner.fingerprint.offset: -1",
            format!("`{at}.offset` takes a size such as `10MiB`, found `-1`"),
        ),
        (
            "include_file_fingerprint: sha256",
            "`filebeat.inputs[0].include_file_fingerprint` takes `true` or `false`, found `sha256`"
                .to_owned(),
        ),
    ] {
        check(filestream, |i| i.files.fingerprint, &[(text, &expected)]);
        check(input, |i| i.files.fingerprint, &[(text, &expected)]);
    }
}

#[test]
fn what_has_become_unnecessary_is_accepted_and_named_once() {
    for line in [
        "file_identity.inode_marker.path: /logs/.marker",
        "file_identity.fingerprint: {growing: true}",
        "prospector.scanner.fingerprint: {enabled: true}",
        "rotation.external.strategy.copytruncate: {suffix_regex: '[0-9]$'}",
        "close_removed: false",
        "close.on_state_change.removed: true",
        "close.on_state_change.check_interval: 5s",
        "take_over: true",
        "take_over: {enabled: true, from_ids: [a]}",
        "backoff: {init: 1s, max: 10s}",
        "max_backoff: 10s",
        "backoff_factor: 2",
        "read_until_eof: {enabled: true, timeout: 1m}",
    ] {
        let text = format!(
            "output.console: {{}}\ninputs:\n  - {{type: log, paths: [/a], {line}}}\n  - {{type: log, paths: [/b], {line}}}\n"
        );
        let unneeded = crate::load_text(&text).unwrap().unneeded;
        let key = line.split(':').next().unwrap();
        let said = unneeded.iter().filter(|said| {
            let said = said.strip_prefix("filebeat.inputs.").unwrap();
            said.starts_with(key) || key.starts_with(said)
        });
        assert_eq!(
            (said.count(), unneeded.is_empty()),
            (unneeded.len(), false),
            "{line}: {unneeded:?}"
        );
        let mut once = unneeded.clone();
        once.dedup();
        assert_eq!(once, unneeded, "{line}");
    }
}
