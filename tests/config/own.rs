//! Formats that an operator describes by grok, dissect, csv and kv: every key, and what is said of wrong ones and where.

use crate::load_text;
use crate::values::{check, input};
use shipper::config::{Loaded, export};

const GROK: &str = "Own(OwnFormat { how: Grok(GrokFormat { patterns: [\"%{IP:a}\"], definitions: [] }), rename: [], \
                    timestamp_formats: [] })";

#[test]
fn formats_of_operators_are_read() {
    check(
        input,
        |i| i.format,
        &[
            ("format: {grok: '%{IP:a}'}", GROK),
            ("format.grok.pattern: '%{IP:a}'", GROK),
            ("format: {grok: {patterns: ['%{IP:a}']}}", GROK),
            (
                "format: {grok: {patterns: ['%{X:a}', '%{IP:a}'], definitions: {X: '%{INT:n:int}'}, \
                 rename: {n: a.b, a: b.c}, timestamp_format: '%Y-%m-%d'}}",
                "Own(OwnFormat { how: Grok(GrokFormat { patterns: [\"%{X:a}\", \"%{IP:a}\"], definitions: \
                 [(\"X\", \"%{INT:n:int}\")] }), rename: [(\"n\", \"a.b\"), (\"a\", \"b.c\")], \
                 timestamp_formats: [\"%Y-%m-%d\"] })",
            ),
            (
                "format: {dissect: '%{a} %{b}'}",
                "Own(OwnFormat { how: Dissect(DissectFormat { tokenizer: \"%{a} %{b}\", trim_values: None, \
                 trim_chars: \" \" }), rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {dissect: {tokenizer: '%{a} %{b}', trim_values: all, trim_chars: ' _'}}",
                "Own(OwnFormat { how: Dissect(DissectFormat { tokenizer: \"%{a} %{b}\", trim_values: All, \
                 trim_chars: \" _\" }), rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {csv: {columns: ['@timestamp', '', null, a.b]}}",
                "Own(OwnFormat { how: Csv(CsvFormat { columns: [\"@timestamp\", \"\", \"\", \"a.b\"], \
                 separator: 44, quote: Some(34), trim_leading_space: false, trim: false, types: [], header: None }), \
                 rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {csv: [a, b.c]}",
                "Own(OwnFormat { how: Csv(CsvFormat { columns: [\"a\", \"b.c\"], separator: 44, quote: Some(34), \
                 trim_leading_space: false, trim: false, types: [], header: None }), rename: [], \
                 timestamp_formats: [] })",
            ),
            (
                "format: {csv: {target_fields: [a], trim: true}}",
                "Own(OwnFormat { how: Csv(CsvFormat { columns: [\"a\"], separator: 44, quote: Some(34), \
                 trim_leading_space: false, trim: true, types: [], header: None }), rename: [], \
                 timestamp_formats: [] })",
            ),
            (
                "format: {kv: [level, {msg: message}]}",
                "Own(OwnFormat { how: Kv(KvFormat { field_split: \" \", value_split: \"=\", fields: \
                 [(\"level\", \"level\"), (\"msg\", \"message\")], exclude_keys: [], others: None, trim_key: \"\", \
                 trim_value: \"\", strip_brackets: false, types: [] }), rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {kv: {fields: [a], field_split: '\\t', trim_key: '<>', strip_brackets: yes}}",
                "Own(OwnFormat { how: Kv(KvFormat { field_split: \"\\t\", value_split: \"=\", fields: \
                 [(\"a\", \"a\")], exclude_keys: [], others: None, trim_key: \"<>\", trim_value: \"\", \
                 strip_brackets: true, types: [] }), rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {csv: {columns: [a, b.c], separator: '\\t', quote: '', trim_leading_space: true, \
                 types: {b.c: int, a: ip}, skip_header: 'A;B'}}",
                "Own(OwnFormat { how: Csv(CsvFormat { columns: [\"a\", \"b.c\"], separator: 9, quote: None, \
                 trim_leading_space: true, trim: false, types: [(\"b.c\", Integer), (\"a\", Ip)], header: Line(\"A;B\") }), \
                 rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {kv: {fields: [level, {msg: message, user.id: u.i}]}}",
                "Own(OwnFormat { how: Kv(KvFormat { field_split: \" \", value_split: \"=\", fields: \
                 [(\"level\", \"level\"), (\"msg\", \"message\"), (\"user.id\", \"u.i\")], exclude_keys: [], \
                 others: None, trim_key: \"\", trim_value: \"\", strip_brackets: false, types: [] }), rename: [], timestamp_formats: [] })",
            ),
            (
                "format: {kv: {field_split: '&', value_split: ':', prefix: app., include_keys: [a, b], \
                 exclude_keys: [c], others: app.others, trim_value: '[]', types: {app.a: long}}}",
                "Own(OwnFormat { how: Kv(KvFormat { field_split: \"&\", value_split: \":\", fields: \
                 [(\"a\", \"app.a\"), (\"b\", \"app.b\")], exclude_keys: [\"c\"], others: Some(\"app.others\"), \
                 trim_key: \"\", trim_value: \"[]\", strip_brackets: false, types: [(\"app.a\", Integer)] }), rename: [], timestamp_formats: [] })",
            ),
        ],
    );
    check(
        input,
        |i| i.reading.exclude_lines,
        &[
            ("format: {csv: {columns: [a]}}", "[]"),
            ("format: {csv: {columns: [a], skip_header: no}}", "[]"),
            (
                "format: {csv: {columns: [a, ''], skip_header: true}}",
                r#"["^[ \\t]*\"?a\"?,[^,]*$"]"#,
            ),
            (
                "exclude_lines: ['^x']\n    format: {csv: {columns: [a], skip_header: 'A.B'}}",
                r#"["^x", "^A\\.B$"]"#,
            ),
        ],
    );
}

#[test]
fn wrong_formats_of_operators_are_told() {
    check(
        input,
        |i| i.format,
        &[
            ("format: {grok: {}}", "there is no pattern"),
            ("format: {grok: '%{IPP:a}'}", "there is no pattern `IPP`"),
            (
                "format: {grok: {pattern: x, pattrn: y}}",
                "unknown key `filebeat.inputs[0].format.grok.pattrn`",
            ),
            (
                "format: {grok: '%{IP:a}', kv: {fields: [a]}}",
                "`grok` is there as well: a format is one of them",
            ),
            (
                "format: {csv: {columns: [a]}, regex: {}}",
                "`csv` is there as well: a format is one of them",
            ),
            ("format: {grog: x}", "unknown key `filebeat.inputs[0].format.grog`"),
            ("format: {dissect: {}}", "`filebeat.inputs[0].format.dissect` has no `tokenizer`"),
            (
                "format: {dissect: {tokenizer: '%{a}', trim_values: both}}",
                "`filebeat.inputs[0].format.dissect.trim_values` cannot be `both`, only `none`, `left`, `right`, `all`",
            ),
            ("format: {csv: {columns: []}}", "no column has a name"),
            (
                "format: {csv: 'a,b'}",
                "`filebeat.inputs[0].format.csv` takes a list, or keys below it, found a single value",
            ),
            (
                "format: {kv: a}",
                "`filebeat.inputs[0].format.kv` takes a list, or keys below it, found a single value",
            ),
            (
                "format: {csv: {columns: [a], separator: ';;'}}",
                "`filebeat.inputs[0].format.csv.separator` takes one ASCII character, found `;;`",
            ),
            ("format: {csv: {columns: [a], types: {a: date}}}", "`date` is no type of `a`"),
            (
                "format: {csv: {columns: [a], types: {b: long}}}",
                "`types` has `b`, which is no column",
            ),
            ("format: {kv: {field_split: ' '}}", "no key becomes a field"),
            (
                "format: {kv: {fields: [a], field_split: '\\s+'}}",
                "`\\s+` is taken as it stands, not as an expression",
            ),
            ("format: {kv: {fields: [a], trim_key: 'ä'}}", "`ä` cannot be trimmed"),
            (
                "format: {csv: {columns: [a], target_fields: [a]}}",
                "`filebeat.inputs[0].format.csv.target_fields` means the same as `filebeat.inputs[0].format.csv.columns`",
            ),
            (
                "format: {csv: {columns: [a, source.ip], types: {source.ip: long}}}",
                "`source.ip` is an IP address and cannot be of the type `long`",
            ),
            (
                "format: {csv: {columns: [client, x], rename: {clent: source.ip}}}",
                "`rename` has `clent`, which the format does not name",
            ),
            (
                "format: {kv: {fields: [a], value_split: ' = '}}",
                "` = ` cannot stand between key and value",
            ),
            (
                "format: {kv: {fields: [a], timestamp_format: soon}}",
                "`soon` is no format of times: it has no part such as `%Y`",
            ),
            (
                "format: {kv: {fields: [a], others: a.b}}",
                "field `a` cannot be a value and hold `a.b` as well",
            ),
        ],
    );
}

#[test]
fn exported_formats_of_operators_load_as_the_same() {
    for format in [
        "{grok: {patterns: ['%{X:a} ''\"', '%{IP:a}'], definitions: {X: '\\d{2}'}, rename: {a: b.c}, \
         timestamp_format: ['%s', '%Y-%m-%d']}}",
        "{dissect: {tokenizer: ' %{a} %{b} ', trim_values: left, trim_chars: ' '}}",
        "{csv: {columns: [a, '', 'yes'], separator: \"\\t\", quote: '', skip_header: true, trim: true, types: {a: long}}}",
        "{csv: {columns: [a], skip_header: ' A '}}",
        "{kv: {field_split: ' ', prefix: app., fields: [a, {b: c.d}, {e.f: g}], others: x, trim_value: ' ', \
         exclude_keys: [z], trim_key: '<', strip_brackets: true, types: {c.d: bool}}}",
    ] {
        let text = format!(
            "output.elasticsearch.hosts: [a]\ninputs: [{{type: log, paths: [/a], format: {format}}}]\n"
        );
        let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let exported = export(&loaded);
        let again =
            load_text(&exported).unwrap_or_else(|problems| panic!("{problems}\n{exported}"));
        let debug = |loaded: &Loaded| format!("{:#?}", loaded.settings.inputs);
        assert_eq!(debug(&again), debug(&loaded), "{exported}");
    }
}

/// What is shown of a wrong format.
fn shown(format: &str) -> String {
    let text = format!(
        "output.elasticsearch.hosts: [a]\nfilebeat.inputs:\n- type: log\n  paths: [/a]\n  format: {format}\n"
    );
    load_text(&text).expect_err("something is wrong").to_string()
}

#[test]
fn hints_say_how_formats_of_operators_are_written() {
    for (format, expected) in [
        ("grok", "`format: {grok: '%{COMBINEDAPACHELOG}'}`"),
        ("dissect", "`format: {dissect: '%{source.ip} %{message}'}`"),
        ("csv", "`format: {csv: [\"@timestamp\", source.ip]}`"),
        ("kv", "`format: {kv: [level, {msg: message}]}`"),
        ("regex", "`format: {regex: '^(?<source__ip>\\S+) (?<message>.*)$'}`"),
        ("json", "`parsers: [{ndjson: {}}]` makes fields"),
        ("ndjson", "`format: json_access`"),
        ("{csv: 'a, b'}", "write `csv: [a, b]`"),
        ("{kv: level}", "write `kv: [level]`"),
        ("{regex: {pattern: '(?<a>.)', rname: {a: b}}}", "did you mean `rename`?"),
        ("{regex: '(?<a>.)(?=x)'}", "match what stands there instead, or `\\b`"),
        ("{regex: '(?<a>.)\\1'}", "write out what is to stand there again"),
        ("{csv: [a, _id]}", "`rename` gives a field another name"),
        ("{regex: '(?<_id>.)'}", "say in `rename` of which field it is"),
    ] {
        let seen = shown(format);
        assert!(seen.contains(expected), "{format}: {seen}");
    }
}

#[test]
fn carets_stand_under_what_is_wrong_in_formats_of_operators() {
    let shown = [
        "{grok: '%{IP:a} it''s %{WRD:b}'}",
        "{grok: {definitions: {X: 'a(?=b)'}, pattern: \"%{IP:a} \\\"%{X}\\\"\"}}",
        "{dissect: 'x %{a}%{b}'}",
        "{csv: {columns: [a, host]}}",
        "{csv: [a, host]}",
        "{csv: {columns: [took, b.c], types: {took: date}}}",
        "{csv: {columns: [took, b.c], types: {took: long, tok: long}}}",
        "{csv: {columns: [took, b.c], types: {b: {d: long}}}}",
        "{csv: {columns: [took, source.ip], types: {source.ip: long}}}",
        "{kv: {fields: [level, {clent: c}], rename: {level: log.level, d: source.ip}}}",
        "{grok: {pattern: '%{IP:client} %{INT:n:nint}', rename: {clinet: source.ip}}}",
        "{grok: {pattern: '%{IP:client}', rename: {clinet: source.ip}}}",
        "{kv: {fields: [a], timestamp_format: ['%Y-%m-%d', soon]}}",
    ]
    .map(shown);
    let expected = include_str!("../../fixtures/config/own_formats.txt");
    let seen = shown.join("\n");
    if std::env::var_os("BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/config/own_formats.txt");
        std::fs::write(file, &seen).expect("the fixture can be written");
    }
    assert_eq!(seen, expected);
}
