//! What a stanza says about how bytes become events: defaults, both spellings, values at the edge, and what is said of a
//! wrong one.

use crate::values::{check, input};
use shipper::settings::InputSettings;
use shipper::settings::reading::{LineParser, MultilineRule};

#[test]
fn encodings_have_the_names_of_the_standard() {
    check(
        input,
        |i| i.reading.encoding,
        &[
            ("", "Utf8"),
            ("encoding: plain", "Utf8"),
            ("encoding: UTF-8", "Utf8"),
            ("encoding: ''", "Utf8"),
            ("encoding: latin1", r#"Label("windows-1252")"#),
            ("encoding: Shift_JIS", r#"Label("Shift_JIS")"#),
            ("encoding: utf-16be", "Utf16 { big_endian: true, mark_decides: false }"),
            ("encoding: utf-16le-bom", "Utf16 { big_endian: false, mark_decides: true }"),
            ("encoding: klingon", "`klingon` is no encoding that is known here"),
            ("encoding: [a]", "`filebeat.inputs[0].encoding` takes a text, found a list"),
        ],
    );
}

#[test]
fn line_ends_have_filebeats_names() {
    check(
        input,
        |i| i.reading.line_terminator,
        &[
            ("", "Auto"),
            ("line_terminator: auto", "Auto"),
            ("line_terminator: line_feed", "LineFeed"),
            ("line_terminator: null_terminator", "NullTerminator"),
            ("line_terminator: line_separator\n    encoding: utf-16le", "LineSeparator"),
            (
                "line_terminator: line_separator\n    encoding: latin1",
                "the encoding `windows-1252` has no such character",
            ),
            (
                "line_terminator: linefeed",
                "`filebeat.inputs[0].line_terminator` cannot be `linefeed`, only `auto`, `line_feed`, `vertical_tab`, `form_feed`, `carriage_return`, `carriage_return_line_feed`, `next_line`, `line_separator`, `paragraph_separator`, `null_terminator`",
            ),
        ],
    );
}

#[test]
fn lines_are_joined_as_either_spelling_says() {
    let one = |rule: &str, rest: &str| {
        format!("[Multiline(MultilineSettings {{ rule: {rule}, {rest} }})]")
    };
    let rest = "max_lines: 500, timeout: 5s, skip_newline: false";
    let after = r#"Pattern { pattern: "^ ", negate: false, before: false, flush_pattern: None }"#;
    let all =
        r#"Pattern { pattern: "^ ", negate: true, before: true, flush_pattern: Some("^END") }"#;
    check(
        input,
        |i| i.reading.parsers,
        &[
            ("", "[]"),
            ("multiline.pattern: '^ '", &one(after, rest)),
            ("multiline: {pattern: '^ ', match: after, negate: no}", &one(after, rest)),
            ("parsers: [{multiline: {pattern: '^ '}}]", &one(after, rest)),
            ("parsers:\n      - multiline.pattern: '^ '", &one(after, rest)),
            (
                "parsers:\n      - multiline:\n          type: pattern\n          pattern: '^ '\n          negate: true\n          match: before\n          flush_pattern: ^END\n          max_lines: 0\n          timeout: 0\n          skip_newline: true",
                &one(all, "max_lines: 0, timeout: 0ns, skip_newline: true"),
            ),
            ("multiline: {type: count, count_lines: 3}", &one("Count(3)", rest)),
            (
                "multiline: {type: while_pattern, pattern: x}",
                &one(r#"While { pattern: "x", negate: false }"#, rest),
            ),
            ("parsers: [{include_message: {patterns: [a, b]}}]", r#"[IncludeMessage(["a", "b"])]"#),
        ],
    );
}

#[test]
fn json_and_containers_are_read_as_either_spelling_says() {
    let ndjson = |target: &str, key: &str, rest: &str| {
        format!(
            "[Ndjson(NdjsonSettings {{ target: {target:?}, {rest}, message_key: {key}, keeps_text: true, document_id: None, keep_null: false }})]"
        )
    };
    let off = "overwrite_keys: false, expand_keys: false, add_error_key: false";
    let on = "overwrite_keys: true, expand_keys: true, add_error_key: true";
    let old = |settings: String| settings.replace("keeps_text: true", "keeps_text: false");
    let message = r#"Some("m")"#;
    check(
        input,
        |i| i.reading.parsers,
        &[
            ("parsers: [{ndjson: {}}]", &ndjson("", "None", off)),
            (
                "keep_null: true\n    parsers: [{ndjson: {}}]",
                &ndjson("", "None", off).replace("keep_null: false", "keep_null: true"),
            ),
            ("parsers:\n      - ndjson:", &ndjson("", "None", off)),
            (
                "parsers: [{ndjson: {target: a, overwrite_keys: 1, expand_keys: true, add_error_key: true, message_key: m}}]",
                "`filebeat.inputs[0].parsers[0].ndjson.overwrite_keys` takes `true` or `false`, found `1`",
            ),
            (
                "parsers: [{ndjson: {target: a, overwrite_keys: yes, expand_keys: true, add_error_key: true, message_key: m, ignore_decoding_error: true}}]",
                &ndjson("a", message, on),
            ),
            (
                "parsers: [{ndjson: {document_id: id}}]",
                &ndjson("", "None", off).replace("id: None", r#"id: Some("id")"#),
            ),
            (
                "json.document_id: _id",
                &old(ndjson("json", "None", off)).replace("id: None", r#"id: Some("_id")"#),
            ),
            ("parsers: [{ndjson: {document_id: ''}}]", &ndjson("", "None", off)),
            (
                "parsers: [{ndjson: {document_id: a.b}}]",
                "`filebeat.inputs[0].parsers[0].ndjson.document_id` takes a member at the top of each line, and `a.b` is below one",
            ),
            (
                "parsers: [{ndjson: {document_id: [a]}}]",
                "`filebeat.inputs[0].parsers[0].ndjson.document_id` takes a text, found a list",
            ),
            ("json.message_key: m", &old(ndjson("json", message, off))),
            ("json: {keys_under_root: true}", &old(ndjson("", "None", off))),
            (
                "parsers: [{container: {stream: stderr, format: cri}}]",
                "[Container(ContainerSettings { stream: Stderr, format: Cri })]",
            ),
            (
                "parsers:\n      - container: ~",
                "[Container(ContainerSettings { stream: All, format: Auto })]",
            ),
            (
                "parsers: [{container: {stream: both}}]",
                "`filebeat.inputs[0].parsers[0].container.stream` cannot be `both`, only `all`, `stdout`, `stderr`",
            ),
            (
                "parsers: [{ndjson: {targt: a}}]",
                "unknown key `filebeat.inputs[0].parsers[0].ndjson.targt`",
            ),
            ("json.keys_under_rot: true", "unknown key `filebeat.inputs[0].json.keys_under_rot`"),
        ],
    );
    check(
        input,
        |i| i.syslog.map(|syslog| (syslog.format, syslog.zone.iana_name().map(str::to_owned))),
        &[
            ("", "None"),
            (
                "parsers: [{syslog: {format: rfc3164, timezone: Europe/Berlin}}]",
                r#"Some((Rfc3164, Some("Europe/Berlin")))"#,
            ),
            (
                "parsers: [{syslog: {}}, {ndjson: {}}, {syslog: {}}]",
                "`syslog` is there more than once, and a line has one header",
            ),
            (
                "parsers: [{syslog: {format: rfc1}}]",
                "`filebeat.inputs[0].parsers[0].syslog.format` cannot be `rfc1`, only `auto`, `rfc3164`, `rfc5424`",
            ),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_parser_is_said_at_its_place() {
    check(
        input,
        |i| i.reading.parsers,
        &[
            ("multiline: {negate: true}", "`filebeat.inputs[0].multiline` has no `pattern`"),
            ("multiline.pattern: '('", "`(` is no regular expression: unclosed group"),
            ("multiline: {type: count}", "`filebeat.inputs[0].multiline` has no `count_lines`"),
            (
                "multiline: {type: count, count_lines: 0}",
                "`filebeat.inputs[0].multiline.count_lines` takes a whole number from 1, found `0`",
            ),
            (
                "multiline: {pattern: a, match: behind}",
                "`filebeat.inputs[0].multiline.match` cannot be `behind`, only `after`, `before`",
            ),
            (
                "multiline: {pattern: a, timeout: -1s}",
                "`filebeat.inputs[0].multiline.timeout` takes a duration such as `10s` or `1m30s`, found `-1s`",
            ),
            (
                "parsers: [{multiline: {patern: a}}]",
                "`filebeat.inputs[0].parsers[0].multiline` has no `pattern`; unknown key `filebeat.inputs[0].parsers[0].multiline.patern`",
            ),
            (
                "parsers: [{multilin: {pattern: a}}]",
                "`filebeat.inputs[0].parsers[0]` cannot be `multilin`, only `multiline`, `ndjson`, `container`, `syslog`, `include_message`",
            ),
            (
                "parsers:\n      - multiline:\n        pattern: a",
                "`filebeat.inputs[0].parsers[0]` takes one parser, found `multiline`, `pattern`",
            ),
            (
                "parsers: [{include_message: {}}]",
                "`filebeat.inputs[0].parsers[0].include_message` has no `patterns`",
            ),
            (
                "parsers: [multiline]",
                "`filebeat.inputs[0].parsers[0]` takes keys below it, found a single value",
            ),
        ],
    );
}

#[test]
fn filters_are_expressions() {
    check(
        input,
        |i| (i.reading.include_lines, i.reading.exclude_lines),
        &[
            ("", "([], [])"),
            ("include_lines: ['^a', b]\n    exclude_lines: c", r#"(["^a", "b"], ["c"])"#),
            ("include_lines: []", "([], [])"),
            ("exclude_lines: ['[']", "`[` is no regular expression: unclosed character class"),
        ],
    );
    check(
        input,
        |i| i.reading.flush_partial_after,
        &[
            ("", "None"),
            ("flush_partial_after: 30s", "Some(30s)"),
            (
                "flush_partial_after: 0",
                "`filebeat.inputs[0].flush_partial_after` has to be more than 0",
            ),
        ],
    );
}

/// What begins an event: the expression, or the rule.
fn joined(settings: InputSettings) -> Vec<String> {
    let rule = |parser: &LineParser| match parser {
        LineParser::Multiline(settings) => match &settings.rule {
            MultilineRule::Pattern { pattern, negate: true, before: false, .. } => pattern.clone(),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    };
    settings.reading.parsers.iter().map(rule).collect()
}

#[test]
fn lines_of_some_formats_are_joined_where_nothing_else_is_said() {
    check(
        input,
        joined,
        &[
            ("format: nginx_error", r#"["^\\d{4}/\\d{2}/\\d{2} "]"#),
            ("format: php_fpm_slow", r#"["^\\[\\d{2}-[A-Z][a-z]{2}-\\d{4} "]"#),
            ("format: apache_error", "[]"),
            ("format: nginx_error\n    parsers: []", "[]"),
            (
                "format: nginx_error\n    parsers: [{multiline: {type: count, count_lines: 2}}]",
                r#"["Count(2)"]"#,
            ),
        ],
    );
    let nothing = "output.console: {}\nfilebeat.inputs:\n  - type: filestream\n    id: a\n    paths: [/a]\n    \
                   format: nginx_error\n    parsers: []\n";
    for (text, many) in [(nothing, 0), (&nothing.replace("    parsers: []\n", ""), 1)] {
        let exported = shipper::config::export(&crate::load_text(text).expect("valid"));
        let again = crate::values::settings(&exported).expect("it loads again");
        assert_eq!(joined(again.inputs[0].clone()).len(), many, "{exported}");
    }
}
