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
