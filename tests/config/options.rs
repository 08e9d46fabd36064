//! One table of all options of files: each with its spellings, its default, values at the edges, and what is said of a
//! wrong one, in both types of input. Where options meet, see the tables beside this one.

use std::fmt::Debug;

use shipper::config::keys::{self, Class};
use shipper::config::typed::reading::PARSERS;
use shipper::settings::InputSettings;
use shipper::settings::reading::{ContainerSettings, LineParser, MultilineRule, NdjsonSettings};

use crate::load_text;
use crate::values::settings;

/// One option.
struct Row {
    /// Its spellings; `parsers.x.y` is `y` of the parser `x`.
    keys: &'static [&'static str],
    /// What has to stand beside it, in the same place, or from `/` on in the stanza itself.
    beside: &'static [(&'static str, &'static str)],
    /// What it decides; nothing when it is not needed.
    decides: Option<fn(&InputSettings) -> String>,
    default: &'static str,
    /// Values, and what they decide.
    taken: &'static [(&'static str, &'static str)],
    /// Wrong values, and what is said of them; `{key}` and `{value}` are these, `*` is anything.
    refused: &'static [(&'static str, &'static str)],
}

const BOOLEAN: &[(&str, &str)] = &[
    ("2", "{key} takes `true` or `false`, found `{value}`"),
    ("[true]", "{key} takes `true` or `false`, found a list"),
];
const DURATION: &[(&str, &str)] = &[
    ("soon", "{key} takes a duration such as `10s` or `1m30s`, found `{value}`"),
    ("{a: 1s}", "{key} takes a duration such as `10s` or `1m30s`, found a map of keys"),
];
const ABOVE_ZERO: &[(&str, &str)] = &[
    ("0s", "{key} has to be more than 0"),
    ("-1s", "{key} takes a duration such as `10s` or `1m30s`, found `{value}`"),
    ("soon", "{key} takes a duration such as `10s` or `1m30s`, found `{value}`"),
];
const EXPRESSIONS: &[(&str, &str)] = &[
    ("['(']", "`(` is no regular expression: unclosed group"),
    ("['']", "{key}[0] is empty"),
    ("{a: b}", "{key} takes a list of texts, found a map of keys"),
];
const EXPRESSION: &[(&str, &str)] = &[
    ("'('", "`(` is no regular expression: unclosed group"),
    ("[a]", "{key} takes a text, found a list"),
];
const TEXT: &[(&str, &str)] = &[("[a]", "{key} takes a text, found a list")];
const OFF_OR_ON: &[(&str, &str)] = &[("true", "true"), ("no", "false"), ("'on'", "true")];
const ON_OR_OFF: &[(&str, &str)] = &[("false", "false"), ("yes", "true")];
const LISTS: &[(&str, &str)] =
    &[("[]", "[]"), ("[a, 'b$']", r#"["a", "b$"]"#), ("'a'", r#"["a"]"#)];
const NOTHING: &[(&str, &str)] = &[];

fn shown(value: impl Debug) -> String {
    format!("{value:?}")
}

fn ndjson<V: Debug>(input: &InputSettings, of: impl Fn(&NdjsonSettings) -> V) -> String {
    match &input.reading.parsers[..] {
        [LineParser::Ndjson(settings)] => shown(of(settings)),
        other => shown(other),
    }
}

fn container(input: &InputSettings) -> ContainerSettings {
    match input.reading.parsers[..] {
        [LineParser::Container(settings)] => settings,
        _ => panic!("a container: {:?}", input.reading.parsers),
    }
}

fn rule(input: &InputSettings) -> String {
    match &input.reading.parsers[..] {
        [LineParser::Multiline(settings)] => shown(&settings.rule),
        other => shown(other),
    }
}

fn multiline<V: Debug>(
    input: &InputSettings,
    of: impl Fn(&shipper::settings::reading::MultilineSettings) -> V,
) -> String {
    match &input.reading.parsers[..] {
        [LineParser::Multiline(settings)] => shown(of(settings)),
        other => shown(other),
    }
}

fn is_negated(input: &InputSettings) -> String {
    multiline(input, |settings| match settings.rule {
        MultilineRule::Pattern { negate, .. } | MultilineRule::While { negate, .. } => negate,
        MultilineRule::Count(_) => false,
    })
}

fn is_before(input: &InputSettings) -> String {
    multiline(input, |settings| {
        matches!(settings.rule, MultilineRule::Pattern { before: true, .. })
    })
}

const A_PATTERN: &[(&str, &str)] = &[("pattern", "x")];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Which files.
    Row { keys: &["id"], beside: NOTHING, decides: Some(|i| shown(&i.id)), default: "Some(\"x\")",
        taken: &[("a b", "Some(\"a b\")")], refused: TEXT },
    Row { keys: &["enabled"], beside: NOTHING, decides: Some(|i| shown(i.paths.len())), default: "1",
        taken: &[("true", "1")],
        refused: &[("false", "every input is disabled"), ("2", "{key} takes `true` or `false`, found `2`")] },
    Row { keys: &["paths"], beside: NOTHING, decides: Some(|i| shown(&i.paths)), default: r#"["/a"]"#,
        taken: &[("/b", r#"["/b"]"#), ("['/a/*.log', '/b/**']", r#"["/a/*.log", "/b/**"]"#)],
        refused: &[("[]", "`filebeat.inputs[0]` has no `paths`"), ("[a.log]", "`a.log` is not an absolute path"),
            ("['/a[']", "`/a[` is no pattern of paths: unclosed character class; missing ']'")] },
    Row { keys: &["prospector.scanner.exclude_files", "exclude_files"], beside: NOTHING,
        decides: Some(|i| shown(&i.exclude_files)), default: "[]", taken: LISTS, refused: EXPRESSIONS },
    Row { keys: &["prospector.scanner.include_files", "include_files"], beside: NOTHING,
        decides: Some(|i| shown(&i.files.include_files)), default: "[]", taken: LISTS, refused: EXPRESSIONS },
    Row { keys: &["prospector.scanner.symlinks", "symlinks"], beside: NOTHING,
        decides: Some(|i| shown(i.symlinks)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["prospector.scanner.recursive_glob", "recursive_glob.enabled"], beside: NOTHING,
        decides: Some(|i| shown(i.files.recursive_glob)), default: "true", taken: ON_OR_OFF, refused: BOOLEAN },
    Row { keys: &["prospector.scanner.check_interval", "scan_frequency"], beside: NOTHING,
        decides: Some(|i| shown(i.scan_interval)), default: "10s",
        taken: &[("1ns", "1ns"), ("1.5s", "1.5s"), ("3", "3s"), ("1h30m", "5400s")], refused: ABOVE_ZERO },
    Row { keys: &["prospector.scanner.resend_on_touch", "resend_on_touch"], beside: NOTHING,
        decides: Some(|i| shown(i.files.resend_on_touch)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["scan.sort"], beside: NOTHING, decides: Some(|i| shown(i.files.order.by)), default: "Modified",
        taken: &[("''", "Modified"), ("modtime", "Modified"), ("filename", "Name")],
        refused: &[("size", "{key} cannot be `size`, only `modtime`, `filename`")] },
    Row { keys: &["scan.order"], beside: NOTHING, decides: Some(|i| shown(i.files.order.descending)), default: "false",
        taken: &[("''", "false"), ("asc", "false"), ("desc", "true")],
        refused: &[("up", "{key} cannot be `up`, only `asc`, `desc`")] },
    Row { keys: &["order"], beside: NOTHING, decides: Some(|i| shown(i.files.backlog)), default: "Sequential",
        taken: &[("sequential", "Sequential"), ("fresh_first", "FreshFirst")],
        refused: &[("newest", "{key} cannot be `newest`, only `sequential`, `fresh_first`")] },
    Row { keys: &["compression"], beside: NOTHING, decides: Some(|i| shown(i.compression)), default: "Continued",
        taken: &[("''", "Continued"), ("auto", "All"), ("none", "Never"), ("gzip", "Only(Gzip)"), ("zstd", "Only(Zstd)"),
            ("bzip2", "Only(Bzip2)"), ("xz", "Only(Xz)")],
        refused: &[("zip", "{key} cannot be `zip`, only `auto`, ``, `none`, `gzip`, `zstd`, `bzip2`, `xz`")] },
    Row { keys: &["gzip_experimental"], beside: NOTHING, decides: Some(|i| shown(i.compression)), default: "Continued",
        taken: &[("true", "Only(Gzip)"), ("false", "Continued")], refused: BOOLEAN },
    // From where on.
    Row { keys: &["ignore_older"], beside: NOTHING, decides: Some(|i| shown(i.files.skip.older)), default: "None",
        taken: &[("0", "None"), ("-1", "None"), ("1ns", "Some(1ns)"), ("24h", "Some(86400s)")], refused: DURATION },
    Row { keys: &["ignore_inactive"], beside: NOTHING, decides: Some(|i| shown(i.files.skip.inactive)), default: "None",
        taken: &[("''", "None"), ("since_first_start", "Some(FirstStart)"), ("since_last_start", "Some(LastStart)")],
        refused: &[("5m", "{key} cannot be `5m`, only `since_first_start`, `since_last_start`")] },
    Row { keys: &["seek_to_tail", "tail_files"], beside: NOTHING,
        decides: Some(|i| shown(i.files.skip.tail)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    // Until when.
    Row { keys: &["close.on_state_change.inactive", "close_inactive"], beside: NOTHING,
        decides: Some(|i| shown(i.close.inactive)), default: "300s",
        taken: &[("1ms", "1ms"), ("2d", "172800s")], refused: ABOVE_ZERO },
    Row { keys: &["close.on_state_change.renamed", "close_renamed"], beside: NOTHING,
        decides: Some(|i| shown(i.close.renamed)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["close.reader.on_eof", "close_eof"], beside: NOTHING,
        decides: Some(|i| shown(i.close.on_eof)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["close.reader.after_interval", "close_timeout"], beside: NOTHING,
        decides: Some(|i| shown(i.close.after)), default: "None",
        taken: &[("0", "None"), ("0s", "None"), ("1ns", "Some(1ns)"), ("5m", "Some(300s)")], refused: DURATION },
    Row { keys: &["harvester_limit"], beside: NOTHING, decides: Some(|i| shown(i.close.limit)), default: "0",
        taken: &[("0", "0"), ("1", "1"), ("4294967295", "4294967295")],
        refused: &[("-1", "{key} takes a whole number from 0 to 4294967295, found `-1`"),
            ("4294967296", "{key} takes a whole number from 0 to 4294967295, found `4294967296`"),
            ("many", "{key} takes a whole number from 0 to 4294967295, found `many`")] },
    Row { keys: &["clean_inactive"], beside: &[("ignore_older", "10m")],
        decides: Some(|i| shown(i.files.clean.inactive)), default: "None",
        taken: &[("0", "None"), ("-1", "None"), ("610.001s", "Some(610.001s)"), ("1d", "Some(86400s)")],
        refused: &[("never", "{key} takes a duration such as `10s` or `1m30s`, found `never`")] },
    Row { keys: &["legacy_clean_inactive"], beside: &[("clean_inactive", "1h"), ("ignore_older", "2h")],
        decides: Some(|i| shown(i.files.clean.inactive)), default: "",
        taken: &[("true", "None")], refused: &[("2", "*{key} takes `true` or `false`, found `2`")] },
    Row { keys: &["clean_removed"], beside: NOTHING, decides: Some(|i| shown(i.files.clean.removed)), default: "true",
        taken: ON_OR_OFF, refused: BOOLEAN },
    Row { keys: &["delete.enabled"], beside: NOTHING, decides: Some(|i| shown(i.files.delete_after)), default: "None",
        taken: &[("true", "Some(1800s)"), ("false", "None")], refused: BOOLEAN },
    Row { keys: &["delete.grace_period"], beside: &[("enabled", "true")],
        decides: Some(|i| shown(i.files.delete_after)), default: "Some(1800s)",
        taken: &[("0", "Some(0ns)"), ("1h", "Some(3600s)")],
        refused: &[("-1s", "{key} takes a duration such as `10s` or `1m30s`, found `-1s`"),
            ("soon", "{key} takes a duration such as `10s` or `1m30s`, found `soon`")] },
    // Bytes.
    Row { keys: &["message_max_bytes", "max_bytes"], beside: NOTHING,
        decides: Some(|i| shown(i.message_max_bytes)), default: "10485760",
        taken: &[("1", "1"), ("1e3", "1000"), ("20 KiB", "20480"), ("64MiB", "67108864")],
        refused: &[("0", "{key} takes a size from 1 to 67108864 bytes, found `0`"),
            ("67108865", "{key} takes a size from 1 to 67108864 bytes, found `67108865`"),
            ("big", "{key} takes a size such as `10MiB`, found `big`")] },
    Row { keys: &["encoding"], beside: NOTHING, decides: Some(|i| shown(&i.reading.encoding)), default: "Utf8",
        taken: &[("''", "Utf8"), ("plain", "Utf8"), ("latin1", "Label(\"windows-1252\")"),
            ("utf-16le-bom", "Utf16 { big_endian: false, mark_decides: true }")],
        refused: &[("klingon", "`klingon` is no encoding that is known here"), ("[a]", "{key} takes a text, found a list")] },
    Row { keys: &["line_terminator"], beside: NOTHING,
        decides: Some(|i| shown(i.reading.line_terminator)), default: "Auto",
        taken: &[("auto", "Auto"), ("line_feed", "LineFeed"), ("vertical_tab", "VerticalTab"), ("form_feed", "FormFeed"),
            ("carriage_return", "CarriageReturn"), ("carriage_return_line_feed", "CarriageReturnLineFeed"),
            ("next_line", "NextLine"), ("line_separator", "LineSeparator"), ("paragraph_separator", "ParagraphSeparator"),
            ("null_terminator", "NullTerminator")],
        refused: &[("lf", "{key} cannot be `lf`, only `auto`, `line_feed`, `vertical_tab`, `form_feed`, `carriage_return`, \
            `carriage_return_line_feed`, `next_line`, `line_separator`, `paragraph_separator`, `null_terminator`")] },
    Row { keys: &["flush_partial_after"], beside: NOTHING,
        decides: Some(|i| shown(i.reading.flush_partial_after)), default: "None",
        taken: &[("1ms", "Some(1ms)"), ("1m", "Some(60s)")], refused: ABOVE_ZERO },
    Row { keys: &["include_lines"], beside: NOTHING, decides: Some(|i| shown(&i.reading.include_lines)), default: "[]",
        taken: LISTS, refused: EXPRESSIONS },
    Row { keys: &["exclude_lines"], beside: NOTHING, decides: Some(|i| shown(&i.reading.exclude_lines)), default: "[]",
        taken: LISTS, refused: EXPRESSIONS },
    // Parsers.
    Row { keys: &["parsers"], beside: NOTHING, decides: Some(|i| shown(&i.reading.parsers)), default: "[]",
        taken: &[("[]", "[]"), ("[{include_message: {patterns: [a]}}]", r#"[IncludeMessage(["a"])]"#)],
        refused: &[("[{multilin: {}}]",
                "{key}[0] cannot be `multilin`, only `multiline`, `ndjson`, `container`, `syslog`, `include_message`"),
            ("[multiline]", "{key}[0] takes keys below it, found a single value"),
            ("[{ndjson: {}, container: {}}]", "{key}[0] takes one parser, found `ndjson`, `container`")] },
    Row { keys: &["multiline.type", "parsers.multiline.type"], beside: &[("pattern", "x"), ("count_lines", "2")],
        decides: Some(rule),
        default: "Pattern { pattern: \"x\", negate: false, before: false, flush_pattern: None }",
        taken: &[("pattern", "Pattern { pattern: \"x\", negate: false, before: false, flush_pattern: None }"),
            ("count", "Count(2)"), ("while_pattern", "While { pattern: \"x\", negate: false }")],
        refused: &[("lines", "{key} cannot be `lines`, only `pattern`, `count`, `while_pattern`")] },
    Row { keys: &["multiline.pattern", "parsers.multiline.pattern"], beside: &[("type", "while_pattern")],
        decides: Some(rule), default: "", taken: &[("'^ '", "While { pattern: \"^ \", negate: false }")],
        refused: EXPRESSION },
    Row { keys: &["multiline.negate", "parsers.multiline.negate"], beside: A_PATTERN, decides: Some(is_negated),
        default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["multiline.match", "parsers.multiline.match"], beside: A_PATTERN, decides: Some(is_before),
        default: "false", taken: &[("after", "false"), ("before", "true")],
        refused: &[("behind", "{key} cannot be `behind`, only `after`, `before`")] },
    Row { keys: &["multiline.flush_pattern", "parsers.multiline.flush_pattern"], beside: A_PATTERN, decides: Some(rule),
        default: "Pattern { pattern: \"x\", negate: false, before: false, flush_pattern: None }",
        taken: &[("''", "Pattern { pattern: \"x\", negate: false, before: false, flush_pattern: None }"),
            ("end", "Pattern { pattern: \"x\", negate: false, before: false, flush_pattern: Some(\"end\") }")],
        refused: EXPRESSION },
    Row { keys: &["multiline.count_lines", "parsers.multiline.count_lines"], beside: &[("type", "count")],
        decides: Some(rule), default: "", taken: &[("1", "Count(1)"), ("500", "Count(500)")],
        refused: &[("0", "{key} takes a whole number from 1, found `0`"), ("x", "{key} takes a whole number from 1, found `x`")] },
    Row { keys: &["multiline.max_lines", "parsers.multiline.max_lines"], beside: A_PATTERN,
        decides: Some(|i| multiline(i, |m| m.max_lines)), default: "500", taken: &[("0", "0"), ("1", "1")],
        refused: &[("-1", "{key} takes a whole number from 0, found `-1`")] },
    Row { keys: &["multiline.timeout", "parsers.multiline.timeout"], beside: A_PATTERN,
        decides: Some(|i| multiline(i, |m| m.timeout)), default: "5s", taken: &[("0", "0ns"), ("1m", "60s")],
        refused: DURATION },
    Row { keys: &["multiline.skip_newline", "parsers.multiline.skip_newline"], beside: A_PATTERN,
        decides: Some(|i| multiline(i, |m| m.skip_newline)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["parsers.ndjson.target"], beside: NOTHING, decides: Some(|i| ndjson(i, |n| n.target.clone())),
        default: "\"\"", taken: &[("''", "\"\""), ("a.b", "\"a.b\"")], refused: TEXT },
    Row { keys: &["json.keys_under_root"], beside: &[("expand_keys", "false")],
        decides: Some(|i| ndjson(i, |n| n.target.clone())), default: "\"json\"",
        taken: &[("true", "\"\""), ("false", "\"json\"")], refused: BOOLEAN },
    Row { keys: &["parsers.ndjson.keys_under_root"], beside: NOTHING,
        decides: Some(|i| ndjson(i, |n| n.target.clone())), default: "\"\"",
        taken: &[("true", "\"\""), ("false", "\"\"")], refused: NOTHING },
    Row { keys: &["json.overwrite_keys", "parsers.ndjson.overwrite_keys"], beside: &[("expand_keys", "false")],
        decides: Some(|i| ndjson(i, |n| n.overwrite_keys)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["json.expand_keys", "parsers.ndjson.expand_keys"], beside: &[("overwrite_keys", "false")],
        decides: Some(|i| ndjson(i, |n| n.expand_keys)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["json.add_error_key", "parsers.ndjson.add_error_key"], beside: &[("expand_keys", "false")],
        decides: Some(|i| ndjson(i, |n| n.add_error_key)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["json.message_key", "parsers.ndjson.message_key"], beside: &[("expand_keys", "false")],
        decides: Some(|i| ndjson(i, |n| n.message_key.clone())), default: "None",
        taken: &[("''", "None"), ("m", "Some(\"m\")")], refused: TEXT },
    Row { keys: &["json.document_id", "parsers.ndjson.document_id"], beside: &[("expand_keys", "false")],
        decides: Some(|i| ndjson(i, |n| n.document_id.clone())), default: "None",
        taken: &[("''", "None"), ("_id", "Some(\"_id\")")],
        refused: &[("a.b", "{key} takes a member at the top of each line, and `a.b` is below one"),
            ("[a]", "{key} takes a text, found a list")] },
    Row { keys: &["json.ignore_decoding_error", "parsers.ndjson.ignore_decoding_error"],
        beside: &[("expand_keys", "false")], decides: Some(|i| shown(i.reading.parsers.len())), default: "1",
        taken: &[("true", "1")], refused: BOOLEAN },
    Row { keys: &["dataset"], beside: &[], decides: Some(|i| shown(i.dataset.map(|dataset| dataset.name))),
        default: "None", taken: &[("''", "None"), ("nginx.access", "Some(\"nginx.access\")"), ("haproxy.log", "Some(\"haproxy.log\")")],
        refused: &[("nginx.acess", "there is no dataset `nginx.acess`"), ("[a]", "{key} takes a text, found a list")] },
    Row { keys: &["trusted_proxies"], beside: &[], decides: Some(|i| shown(&i.trusted_proxies)), default: "[]",
        taken: &[("[]", "[]"), ("10.1.2.3/8", "[Network { first: 10.0.0.0, bits: 8 }]"),
            ("['::1', 192.0.2.7]", "[Network { first: ::1, bits: 128 }, Network { first: 192.0.2.7, bits: 32 }]")],
        refused: &[("localhost", "`localhost` is no address and no network"),
            ("[10.0.0.0/33]", "`10.0.0.0/33` has no length of a prefix from 0 to 32 behind its slash"),
            ("['']", "{key}[0] is empty"),
            ("{a: b}", "{key} takes a list of texts, found a map of keys")] },
    Row { keys: &["keep_null"], beside: &[("parsers", "[{ndjson: {}}]")],
        decides: Some(|i| ndjson(i, |n| n.keep_null)), default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["parsers.container.stream"], beside: NOTHING, decides: Some(|i| shown(container(i).stream)),
        default: "All", taken: &[("all", "All"), ("stdout", "Stdout"), ("stderr", "Stderr")],
        refused: &[("both", "{key} cannot be `both`, only `all`, `stdout`, `stderr`")] },
    Row { keys: &["parsers.container.format"], beside: NOTHING, decides: Some(|i| shown(container(i).format)),
        default: "Auto", taken: &[("auto", "Auto"), ("docker", "Docker"), ("cri", "Cri")],
        refused: &[("json", "{key} cannot be `json`, only `auto`, `docker`, `cri`")] },
    Row { keys: &["parsers.syslog.format"], beside: NOTHING,
        decides: Some(|i| shown(i.syslog.as_ref().map(|syslog| syslog.format))), default: "Some(Auto)",
        taken: &[("auto", "Some(Auto)"), ("rfc3164", "Some(Rfc3164)"), ("rfc5424", "Some(Rfc5424)")],
        refused: &[("rfc1", "{key} cannot be `rfc1`, only `auto`, `rfc3164`, `rfc5424`")] },
    Row { keys: &["parsers.syslog.timezone"], beside: NOTHING,
        decides: Some(|i| shown(i.syslog.as_ref().map(|syslog| syslog.zone == jiff::tz::TimeZone::system()))),
        default: "Some(true)",
        taken: &[("Local", "Some(true)"), ("+13:30", "Some(false)"), ("Asia/Kathmandu", "Some(false)")],
        refused: &[("Nowhere", "there is no time zone `Nowhere`"), ("[a]", "{key} takes a text, found a list")] },
    Row { keys: &["parsers.syslog.log_errors"], beside: NOTHING, decides: Some(|i| shown(i.syslog.is_some())),
        default: "true", taken: &[("true", "true")], refused: NOTHING },
    Row { keys: &["parsers.syslog.add_error_key"], beside: NOTHING, decides: Some(|i| shown(i.syslog.is_some())),
        default: "true", taken: &[("true", "true")], refused: NOTHING },
    Row { keys: &["parsers.include_message.patterns"], beside: NOTHING, decides: Some(|i| shown(&i.reading.parsers)),
        default: "", taken: &[("[a, b]", r#"[IncludeMessage(["a", "b"])]"#)],
        refused: &[("['(']", "*`(` is no regular expression: unclosed group*")] },
    // What documents say.
    Row { keys: &["format"], beside: NOTHING, decides: Some(|i| shown(&i.format)), default: "Auto",
        taken: &[("raw", "Raw"), ("auto", "Auto"), ("common", "Common"), ("combined", "Combined"),
            ("vhost_combined", "VhostCombined"), ("nginx", "Nginx"), ("apache", "Apache"),
            ("iis", r#"Known("iis")"#)],
        refused: &[("combind", "{key} cannot be `combind`, only `raw`, `auto`, `common`, `combined`, `vhost_combined`, `nginx`, *")] },
    Row { keys: &["format_from"], beside: NOTHING, decides: Some(|i| shown(&i.format)), default: "Auto",
        taken: &[], refused: &[
            ("/nowhere/nginx.conf", "`{value}` cannot be read: No such file or directory*"),
            ("[a]", "{key} takes a text, found a list"),
        ] },
    Row { keys: &["format.regex.pattern"], beside: NOTHING, decides: Some(|i| shown(&i.format)), default: "Auto",
        taken: &[("'(?<a>.)'", "Regex(RegexFormat { pattern: \"(?<a>.)\", rename: [] })")],
        refused: &[("'('", "`(` is no regular expression: unclosed group"), ("x", "`x` has no named group")] },
    Row { keys: &["format.regex.rename"], beside: &[("pattern", "'(?<a>.)'")], decides: Some(|i| shown(&i.format)),
        default: "Regex(RegexFormat { pattern: \"(?<a>.)\", rename: [] })",
        taken: &[("{a: b.c}", "Regex(RegexFormat { pattern: \"(?<a>.)\", rename: [(\"a\", \"b.c\")] })")],
        refused: &[("{b: c}", "`(?<a>.)` has no group `b`"), ("x", "{key} takes keys below it, found a single value")] },
    Row { keys: &["timezone"], beside: NOTHING,
        decides: Some(|i| shown(i.zone == jiff::tz::TimeZone::system())), default: "true",
        taken: &[("local", "true"), ("+13:30", "false"), ("Asia/Kathmandu", "false")],
        refused: &[("Nowhere", "there is no time zone `Nowhere`"), ("'+25:00'", "there is no time zone `+25:00`"), ("[a]", "{key} takes a text, found a list")] },
    Row { keys: &["keep_original"], beside: NOTHING, decides: Some(|i| shown(i.keep_original)), default: "true",
        taken: ON_OR_OFF, refused: BOOLEAN },
    Row { keys: &["path_fields"], beside: NOTHING, decides: Some(|i| shown(&i.files.path_fields)), default: "[]",
        taken: &[("[]", "[]"), ("'/srv/%{a}/%{}.log'", r#"["/srv/%{a}/%{}.log"]"#)],
        refused: &[("/srv/x", "`/srv/x` names no part of the path, such as `%{vhost}`"),
            ("{a: b}", "{key} takes a list of texts, found a map of keys")] },
    Row { keys: &["enrich.user_agent"], beside: NOTHING, decides: Some(|i| shown(i.enrich.user_agent)), default: "false",
        taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["enrich.bots"], beside: NOTHING, decides: Some(|i| shown(i.enrich.bots)), default: "false",
        taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["enrich.related"], beside: NOTHING, decides: Some(|i| shown(i.enrich.related)), default: "false",
        taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["enrich.geoip"], beside: NOTHING, decides: Some(|i| shown(&i.enrich.geoip)), default: "[]",
        taken: &[("[]", "[]"), ("[/a.mmdb, /b.mmdb]", r#"["/a.mmdb", "/b.mmdb"]"#)],
        refused: &[("[City.mmdb]", "`City.mmdb` is no absolute path"),
            ("{a: b}", "{key} takes a list of texts, found a map of keys")] },
    Row { keys: &["enrich.query"], beside: NOTHING, decides: Some(|i| shown(&i.enrich.query)), default: "[]",
        taken: &[("[]", "[]"), ("[utm_source, id, id]", r#"["utm_source", "id"]"#),
            ("['a[b]', a.c, 'd[]']", r#"["a[b]", "a.c", "d[]"]"#)],
        refused: &[("[a/b]", "`a/b` cannot be the name of a field"), ("['[]']", "`[]` cannot be the name of a field"),
            ("[a.b, 'a[b]']", "`a[b]` and `a.b` are both `url.params.a_b`"),
            ("[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]", "17 parameters are more than 16")] },
    Row { keys: &["include_file_owner_name"], beside: NOTHING, decides: Some(|i| shown(i.files.owner.user)),
        default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["include_file_owner_group_name"], beside: NOTHING, decides: Some(|i| shown(i.files.owner.group)),
        default: "false", taken: OFF_OR_ON, refused: BOOLEAN },
    Row { keys: &["include_file_fingerprint"], beside: NOTHING, decides: Some(|i| shown(i.files.fingerprint)),
        default: "None",
        taken: &[("true", "Some(FingerprintSettings { offset: 0, length: 1024 })"), ("false", "None")], refused: BOOLEAN },
    Row { keys: &["prospector.scanner.fingerprint.offset"], beside: &[("/include_file_fingerprint", "true")],
        decides: Some(|i| shown(i.files.fingerprint.unwrap().offset)), default: "0", taken: &[("0", "0"), ("1KiB", "1024")],
        refused: &[("-1", "{key} takes a size such as `10MiB`, found `-1`")] },
    Row { keys: &["prospector.scanner.fingerprint.length"], beside: &[("/include_file_fingerprint", "true")],
        decides: Some(|i| shown(i.files.fingerprint.unwrap().length)), default: "1024",
        taken: &[("64", "64"), ("10MiB", "10485760")],
        refused: &[("63", "{key} takes a size from 64 to 10485760 bytes, found `63`"),
            ("10485761", "{key} takes a size from 64 to 10485760 bytes, found `10485761`")] },
    Row { keys: &["tags"], beside: NOTHING, decides: Some(|i| shown(&i.tags)), default: "[]", taken: LISTS,
        refused: &[("{a: b}", "{key} takes a list of texts, found a map of keys"), ("['']", "{key}[0] is empty")] },
    Row { keys: &["fields"], beside: NOTHING,
        decides: Some(|i| shown(i.fields.as_ref().map(|fields| (&fields.json_object, fields.under_root)))),
        default: "None", taken: &[("{}", "None"), ("{a: {b: 1}}", r#"Some(("{\"a\":{\"b\":1}}", false))"#)],
        refused: &[("a", "{key} takes keys below it, found a single value")] },
    Row { keys: &["fields_under_root"], beside: &[("fields", "{a: 1}")],
        decides: Some(|i| shown(i.fields.as_ref().map(|fields| fields.under_root))), default: "Some(false)",
        taken: &[("true", "Some(true)"), ("no", "Some(false)")], refused: BOOLEAN },
    Row { keys: &["pipeline"], beside: NOTHING, decides: Some(|i| shown(&i.pipeline)), default: "None",
        taken: &[("''", "None"), ("My-Pipe", "Some(\"my-pipe\")")],
        refused: &[("'%{[b]'", "`%{` is not closed"), ("[a]", "{key} takes a text, found a list"),
            ("'%{[a]}'", "{key} cannot differ from event to event yet, as `%{[a]}` does")] },
    Row { keys: &["index"], beside: NOTHING, decides: Some(|i| shown(&i.index)), default: "None",
        taken: &[("''", "None"), ("'web-%{+yyyy.MM.dd}'", "Some(\"web-%{+yyyy.MM.dd}\")")],
        refused: &[("'%{[b]'", "`%{` is not closed"), ("[a]", "{key} takes a text, found a list")] },
    // What is not needed.
    Row { keys: &["harvester_buffer_size", "buffer_size"], beside: NOTHING, decides: None, default: "",
        taken: &[("16384", "")], refused: NOTHING },
    Row { keys: &["backoff.init", "backoff.max", "backoff", "max_backoff", "backoff_factor"], beside: NOTHING,
        decides: None, default: "", taken: &[("2s", "")], refused: NOTHING },
    Row { keys: &["close_removed", "close.on_state_change.removed"], beside: NOTHING, decides: None, default: "",
        taken: &[("true", ""), ("false", "")], refused: NOTHING },
    Row { keys: &["close.on_state_change.check_interval"], beside: NOTHING, decides: None, default: "",
        taken: &[("5s", "")], refused: NOTHING },
    Row { keys: &["file_identity.native", "file_identity.path", "file_identity.inode_deviceid"], beside: NOTHING,
        decides: None, default: "", taken: &[("true", "")], refused: NOTHING },
    Row { keys: &["file_identity.inode_marker.path"], beside: NOTHING, decides: None, default: "",
        taken: &[("/a/.marker", "")], refused: NOTHING },
    Row { keys: &["file_identity.fingerprint", "file_identity.fingerprint.growing"], beside: NOTHING, decides: None,
        default: "", taken: &[("true", "")], refused: NOTHING },
    Row { keys: &["prospector.scanner.fingerprint.enabled"], beside: NOTHING, decides: None, default: "",
        taken: &[("true", ""), ("false", "")], refused: NOTHING },
    Row { keys: &["rotation.external.strategy.copytruncate.suffix_regex",
            "rotation.external.strategy.copytruncate.dateformat"], beside: NOTHING,
        decides: None, default: "", taken: &[("x", "")], refused: NOTHING },
    Row { keys: &["allow_deprecated_id_duplication"], beside: NOTHING, decides: None, default: "",
        taken: &[("true", "")], refused: NOTHING },
    Row { keys: &["read_until_eof.enabled", "read_until_eof.timeout"], beside: NOTHING, decides: None, default: "",
        taken: &[("true", ""), ("1m", "")], refused: NOTHING },
    Row { keys: &["take_over", "take_over.enabled"], beside: NOTHING, decides: None, default: "", taken: &[("true", "")],
        refused: NOTHING },
    Row { keys: &["take_over.from_ids"], beside: NOTHING, decides: None, default: "", taken: &[("[a]", "")],
        refused: NOTHING },
];

/// Of these a stanza is nothing without them: `stanzas_are_of_a_known_type_and_disabled_ones_are_left_out`.
const ELSEWHERE: [&str; 1] = ["type"];

/// A stanza in which some options are set.
struct Stanza {
    text: String,
    /// How the option is named in what is told.
    key: String,
}

fn stanza(kind: &str, key: &str, nested: bool, options: &[(&str, &str)]) -> Stanza {
    let mut text = format!("type: {kind}");
    for (base, value) in [("id", "x"), ("paths", "[/a]")] {
        if key != base || options.iter().all(|(option, _)| *option != key) {
            text.push_str(&format!(", {base}: {value}"));
        }
    }
    let (parent, last) = key.rsplit_once('.').unwrap_or(("", key));
    if let Some(parser) = parent.strip_prefix("parsers.") {
        let inside: Vec<String> = options
            .iter()
            .map(|(option, value)| {
                format!("{}: {value}", option.rsplit('.').next().expect("a name"))
            })
            .collect();
        text.push_str(&format!(", parsers: [{{{parser}: {{{}}}}}]", inside.join(", ")));
        return Stanza { text, key: format!("`filebeat.inputs[0].parsers[0].{parser}.{last}`") };
    }
    for (option, value) in options {
        let name = match option.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None if *option == key || parent.is_empty() => (*option).to_owned(),
            None => format!("{parent}.{option}"),
        };
        let parts: Vec<&str> = if nested { name.split('.').collect() } else { vec![&name] };
        let open = parts.join(": {");
        text.push_str(&format!(", {open}: {value}{}", "}".repeat(parts.len() - 1)));
    }
    Stanza { text, key: format!("`filebeat.inputs[0].{key}`") }
}

fn whole(stanza: &str) -> String {
    format!("output.elasticsearch.hosts: [a]\nfilebeat.inputs: [{{{stanza}}}]\n")
}

fn input(stanza: &str) -> Result<InputSettings, String> {
    settings(&whole(stanza)).map(|settings| settings.inputs[0].clone())
}

/// Calls `does` with every way in which an option of a row can be written.
fn spelled(row: &Row, mut does: impl FnMut(&str, &str, bool)) {
    for kind in ["log", "filestream"] {
        for key in row.keys {
            for nested in [false, true] {
                // Two maps of one name in one stanza are another thing.
                let is_alone = row.beside.iter().all(|(option, _)| option.starts_with('/'))
                    || !key.contains('.');
                if !nested || is_alone {
                    does(kind, key, nested);
                }
            }
        }
    }
}

#[test]
fn every_option_has_its_default_and_takes_its_values_in_every_spelling_of_both_inputs() {
    for row in ROWS {
        let Some(decides) = row.decides else { continue };
        spelled(row, |kind, key, nested| {
            let without = stanza(kind, key, nested, row.beside).text;
            if !row.default.is_empty() {
                let found = input(&without).map(|input| decides(&input));
                assert_eq!(found.as_deref(), Ok(row.default), "the default of {key}: {without}");
            }
            for (value, expected) in row.taken {
                let mut options = row.beside.to_vec();
                options.push((key, value));
                let text = stanza(kind, key, nested, &options).text;
                let found = input(&text).unwrap_or_else(|said| panic!("{text}: {said}"));
                assert_eq!(decides(&found), *expected, "{text}");
                // What is exported says the same.
                let exported = shipper::config::export(&load_text(&whole(&text)).unwrap());
                let again = settings(&exported).unwrap().inputs[0].clone();
                assert_eq!(decides(&again), *expected, "{text} exported as\n{exported}");
            }
        });
    }
}

#[test]
fn every_wrong_value_is_refused_with_the_name_of_its_option() {
    for row in ROWS {
        spelled(row, |kind, key, nested| {
            for (value, expected) in row.refused {
                let mut options = row.beside.to_vec();
                options.push((key, value));
                let stanza = stanza(kind, key, nested, &options);
                let key = stanza.key.trim_matches('`');
                let expected = expected.replace("{key}[0]", &format!("`{key}[0]`"));
                let expected = expected.replace("{key}", &stanza.key).replace("{value}", value);
                let said = input(&stanza.text).map(|_| ()).unwrap_err();
                if expected.contains('*') {
                    // Other problems come of it, or more words.
                    assert!(said.contains(expected.trim_matches('*')), "{}: {said}", stanza.text);
                } else {
                    assert_eq!(said, expected, "{}", stanza.text);
                }
            }
        });
    }
}

#[test]
fn two_spellings_of_one_option_are_not_taken_together() {
    let mut pairs = 0;
    for row in ROWS.iter().filter(|row| row.decides.is_some()) {
        let [first, second] = row.keys else { continue };
        if second.starts_with("parsers.") {
            // One stands in the stanza, the other is a parser of its own.
            continue;
        }
        let value = row.taken[0].0;
        let text = format!("type: log, paths: [/a], {first}: {value}, {second}: {value}");
        let expected =
            format!("`filebeat.inputs[0].{second}` means the same as `filebeat.inputs[0].{first}`");
        assert_eq!(input(&text).map(|_| ()), Err(expected), "{text}");
        pairs += 1;
    }
    assert_eq!(pairs, 12);
}

#[test]
fn what_is_not_needed_is_taken_whatever_it_says_and_named_once() {
    for row in ROWS.iter().filter(|row| row.decides.is_none()) {
        spelled(row, |kind, key, nested| {
            for (value, _) in row.taken {
                let text = stanza(kind, key, nested, &[(key, value)]).text;
                let loaded =
                    load_text(&whole(&text)).unwrap_or_else(|said| panic!("{text}: {said}"));
                let [named] = &loaded.unneeded[..] else { panic!("{text}: {:?}", loaded.unneeded) };
                let named = named.strip_prefix("filebeat.inputs.").unwrap();
                let is_it = key == named || key.starts_with(&format!("{named}."));
                assert!(is_it, "{text}: {named}");
            }
        });
    }
}

/// Here somebody who adds an option learns that it has no row.
#[test]
fn every_option_that_is_known_has_a_row() {
    let mut options: Vec<String> = Vec::new();
    for (key, class) in keys::all() {
        let of_inputs = key.strip_prefix("filebeat.inputs.").map(str::to_owned);
        if matches!(class, Class::Supported | Class::Unneeded) {
            options.extend(of_inputs);
        }
    }
    for (parser, keys) in PARSERS {
        options.extend(keys.iter().map(|key| format!("parsers.{parser}.{key}")));
    }
    options.retain(|option| !ELSEWHERE.contains(&option.as_str()));
    assert!(100 < options.len(), "{}", options.len());
    let has_row = |option: &String| {
        let mut keys = ROWS.iter().flat_map(|row| row.keys);
        keys.any(|key| key == option || key.starts_with(&format!("{option}.")))
    };
    let missing: Vec<_> = options.iter().filter(|option| !has_row(option)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "add a row to `ROWS`");
    // And no row is of an option that is none.
    for key in ROWS.iter().flat_map(|row| row.keys).filter(|key| !key.starts_with("parsers.")) {
        let class = keys::class_of(&format!("filebeat.inputs.{key}"));
        assert!(matches!(class, Some(Class::Supported | Class::Unneeded)), "{key}: {class:?}");
    }
}
