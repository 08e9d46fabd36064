//! What holds for all formats and lines; the expression that a line is compared with is made of the format's parts by
//! themselves, not by what compiles it.

use super::*;
use crate::scan::look;
use proptest::prelude::*;
use regex::bytes::Regex;

/// A directive, and what its values are.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Number,
    Name,
    Word,
    Text,
    /// Each value matches this expression, and this is one.
    Fixed(&'static str, &'static str),
}

use Kind::{Fixed, Name, Number, Text, Word};

const CLF: &str = r"\[..\/...\/....:..:..:.. .....\]";

const APACHE: &[(&str, Kind)] = &[
    ("%h", Name),
    ("%a", Name),
    ("%v", Name),
    ("%b", Number),
    ("%>s", Number),
    ("%D", Number),
    ("%I", Number),
    ("%{us}T", Number),
    ("%k", Number),
    ("%l", Word),
    ("%m", Word),
    ("%H", Word),
    ("%{SSL_CIPHER}x", Word),
    ("%u", Text),
    ("%r", Text),
    ("%U", Text),
    ("%{User-Agent}i", Text),
    ("%{X-Any}o", Text),
    ("%{a}C", Text),
    ("%{b}n", Text),
    ("%t", Fixed(CLF, "[21/Nov/2026:03:20:13 +0000]")),
    ("%{%F %T}t", Fixed("....-..-.. ..:..:..", "2026-11-21 03:20:13")),
    ("%{sec}t", Fixed("[0-9]{1,17}", "1795231213")),
    ("%X", Fixed("(?s-u:.)", "+")),
];

const NGINX: &[(&str, Kind)] = &[
    ("$remote_addr", Name),
    ("$host", Name),
    ("$scheme", Name),
    ("$status", Number),
    ("$request_time", Number),
    ("$body_bytes_sent", Number),
    ("$connection", Number),
    ("$ssl_cipher", Word),
    ("$request_method", Word),
    ("$request_id", Word),
    ("$remote_user", Text),
    ("$request", Text),
    ("$http_user_agent", Text),
    ("$custom", Text),
    ("$uri", Text),
    ("${cookie_a}", Text),
    ("$time_local", Fixed(r"..\/...\/....:..:..:.. .....", "21/Nov/2026:03:20:13 +0000")),
    ("$time_iso8601", Fixed("....-..-..T..:..:........", "2026-11-21T03:20:13+00:00")),
    ("$msec", Fixed(r"[0-9]{1,17}\.[0-9]{3}", "1795231213.123")),
    ("$pipe", Fixed("(?s-u:.)", "p")),
];

const SEPARATORS: [&str; 5] = [" ", " | ", ";", "] [", ","];

/// A part of a format: a directive, whether it is in quotes, what stands behind it, and a value.
#[derive(Debug, Clone)]
struct Part {
    text: &'static str,
    kind: Kind,
    is_quoted: bool,
    separator: &'static str,
    value: String,
}

fn part(directives: &'static [(&'static str, Kind)]) -> impl Strategy<Value = Part> {
    let directive = proptest::sample::select(directives);
    let separator = proptest::sample::select(&SEPARATORS[..]);
    (directive, any::<bool>(), separator).prop_flat_map(|((text, kind), is_quoted, separator)| {
        let value: BoxedStrategy<String> = match kind {
            Number => "[0-9]{1,6}|-".boxed(),
            Name => "[a-z0-9.]{1,9}".boxed(),
            Word => "[A-Za-z0-9/_]{0,9}".boxed(),
            Text if is_quoted => r#"([ -!#-\[\]-~]|\\"|\\\\|\\x[0-9a-f]{2}){0,9}"#.boxed(),
            Text => "[a-z/]{1,9}".boxed(),
            Fixed(_, value) => Just(value.to_owned()).boxed(),
        };
        value.prop_map(move |value| Part { text, kind, is_quoted, separator, value })
    })
}

fn parts() -> impl Strategy<Value = (WebServer, Vec<Part>)> {
    prop_oneof![
        proptest::collection::vec(part(APACHE), 1..7).prop_map(|parts| (WebServer::Apache, parts)),
        proptest::collection::vec(part(NGINX), 1..7).prop_map(|parts| (WebServer::Nginx, parts)),
    ]
}

/// Puts the parts of a format together, each by `one`, and what stands between them by `between`.
fn together(
    parts: &[Part],
    one: impl Fn(&Part, Option<char>) -> String,
    between: impl Fn(&str) -> String,
) -> String {
    let mut out = String::new();
    for (number, part) in parts.iter().enumerate() {
        let separator = if number + 1 < parts.len() { part.separator } else { "" };
        let quote = if part.is_quoted { "\"" } else { "" };
        let next = format!("{quote}{separator}").chars().next();
        out.push_str(quote);
        out.push_str(&one(part, next));
        out.push_str(quote);
        out.push_str(&between(separator));
    }
    out
}

fn expression(parts: &[Part]) -> Regex {
    let value = |part: &Part, next: Option<char>| {
        let inner = match (part.kind, next) {
            (Fixed(pattern, _), _) => pattern.to_owned(),
            (Number, _) => "[0-9.-]*".to_owned(),
            (_, Some('"')) => r#"(?:[^"\\]|\\(?s-u:.))*"#.to_owned(),
            (Text, None) => "(?s-u:.)*".to_owned(),
            (Text, Some(_)) => "(?s-u:.)*?".to_owned(),
            (_, None | Some(' ')) => "[^ ]*".to_owned(),
            // A name has brackets, for addresses have.
            (Name, Some(next @ (';' | ','))) => format!("[^{next} ]*"),
            (_, Some(_)) => "[^ ]*?".to_owned(),
        };
        format!("({inner})")
    };
    let text = together(parts, value, regex::escape);
    Regex::new(&format!(r"(?s-u)\A{text}\z")).expect("an expression")
}

fn known(line: &[u8]) -> LineText {
    match (std::str::from_utf8(line).is_err(), look(line).is_plain) {
        (true, _) => LineText::Broken,
        (false, true) => LineText::Plain,
        (false, false) => LineText::Valid,
    }
}

fn compiled(server: WebServer, text: &str, escape: Escape) -> Result<Compiled, Fault> {
    Compiled::new(&ServerFormat { server, text: text.to_owned(), escape })
}

/// Changes a line in some places.
fn changed(line: &str, changes: &[(u16, u8, u8)]) -> Vec<u8> {
    let mut bytes = line.as_bytes().to_vec();
    for (at, kind, byte) in changes {
        let at = usize::from(*at) % (bytes.len() + 1);
        match kind % 4 {
            0 => bytes.insert(at, *byte),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] = b" \"\\|;,[]-01239"[usize::from(*byte) % 14],
            _ => bytes.truncate(at.max(bytes.len().saturating_sub(8))),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// For every format and values, the line of them is taken apart into these values again; and whatever becomes of the
    /// line by changes, where it is taken apart the expression of the same format finds the same.
    #[test]
    fn property_a_compiled_format_agrees_with_an_expression(
        (server, parts) in parts(), changes in proptest::collection::vec(any::<(u16, u8, u8)>(), 0..5),
    ) {
        let text = together(&parts, |part, _| part.text.to_owned(), str::to_owned);
        let mut format = compiled(server, &text, Escape::Default).expect("a format");
        let line = together(&parts, |part, _| part.value.clone(), str::to_owned);
        let regex = expression(&parts);
        let whole = format.split(line.as_bytes(), known(line.as_bytes()));
        let seen: Option<Vec<&str>> =
            whole.map(|spans| spans.iter().map(|span| &line[span.start()..span.end()]).collect());
        let values: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        prop_assert_eq!(seen, Some(values), "{} of {}", line, text);

        let line = changed(&line, &changes);
        if let Some(spans) = format.split(&line, known(&line)) {
            let found = regex.captures(&line);
            prop_assert!(found.is_some(), "{} matches no line of {}: {:?}", regex, text, line);
            let found = found.expect("it was found");
            for (number, span) in spans.iter().enumerate() {
                let group = found.get(number + 1).expect("a group for each value");
                prop_assert_eq!((span.start(), span.end()), (group.start(), group.end()), "{} {:?}", text, line);
            }
        }
    }

    /// For every format and lines near ones of it, a line is read as if no other had come before it.
    #[test]
    fn property_what_came_before_changes_no_line(
        (server, parts) in parts(),
        changes in proptest::collection::vec(proptest::collection::vec(any::<(u16, u8, u8)>(), 0..3), 1..6),
    ) {
        let text = together(&parts, |part, _| part.text.to_owned(), str::to_owned);
        let line = together(&parts, |part, _| part.value.clone(), str::to_owned);
        let fresh = compiled(server, &text, Escape::Default).expect("a format");
        let mut used = fresh.clone();
        for changes in changes {
            // Most changes of a time make it none: those that come twice as well.
            let line = changed(&line, &changes);
            for _ in 0..2 {
                let expected = super::tests::fields(&mut fresh.clone(), &line);
                let seen = super::tests::fields(&mut used, &line);
                prop_assert_eq!(seen, expected, "{:?} of {}", String::from_utf8_lossy(&line), text);
            }
        }
    }

    /// For every text, compiling it never panics; what is refused has a place in it; and for every line, nothing panics,
    /// and all values lie in the line, one behind the other.
    #[test]
    fn property_any_text_and_line_is_survived(
        server in prop_oneof![Just(WebServer::Apache), Just(WebServer::Nginx)],
        escape in prop_oneof![Just(Escape::Default), Just(Escape::Json), Just(Escape::None)],
        pieces in proptest::collection::vec(prop_oneof![
            6 => proptest::sample::select(&["%h", "%t", "%{", "}", "%", "$", "${", "$a", "%U%q", "%r", "$request",
                "$status", "%>s", "%{%H:%M", "}t", "\"", " ", "\\", "|", "$is_args$args", "$uri", "%X", "ä",
                "$upstream_addr", "%{User-Agent}i", "$msec", "%{begin:%", "]", "["][..]).prop_map(str::to_owned),
            1 => ".{0,4}",
        ], 0..9),
        line in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "[ -~]{0,60}".prop_map(String::into_bytes),
            r#"(192\.0\.2\.7|-| |"|GET /a\?b HTTP/1\.1|200|\[21/Nov/2026:03:20:13 \+0000\]|, | : |\\|\||p){0,12}"#
                .prop_map(String::into_bytes),
        ],
    ) {
        let text = pieces.concat();
        match compiled(server, &text, escape) {
            Err(fault) => {
                prop_assert!(text.get(fault.range.clone()).is_some(), "{:?} of {}", fault, text);
            }
            Ok(mut format) => {
                let mut event = EventBuf::with_extras(format.extras().len());
                event.begin(known(&line), look(&line).quotes);
                let parsed = format.parse(&line, &mut event);
                let mut at = 0;
                if let Some(spans) = format.split(&line, known(&line)) {
                    for span in spans {
                        prop_assert!(at <= span.start() && span.end() <= line.len(), "{:?}", spans);
                        at = span.end();
                    }
                } else {
                    prop_assert_eq!(parsed, Parsed::Unrecognised);
                }
            }
        }
    }

    /// For every line near one of access lines with more behind it, what is read by parts is what is read as a whole.
    #[test]
    fn property_a_beginning_is_read_as_the_whole_is(
        is_nginx in any::<bool>(), has_headers in any::<bool>(),
        client in r"192\.0\.2\.7|::1|host\.example|unix:|-",
        user in r#"-|frank|a b|x \[y|"""#,
        request in r#"GET /a\?b=%20c HTTP/1\.[01]|-||\\x16\\x03|GET http://h:80/x HTTP/2|\\"x\\" y|[ -!#-\[\]-~]{0,20}"#,
        status in "[1-5][0-9]{2}", bytes in "0|5|00|12345|-",
        referrer in r#"-||http://a/|\\"|ä"#, agent in r"curl/8|-|Mozilla/5\.0 \(X11; x\) y|\xff",
        id in "[a-z0-9]{0,8}", extra in "-|[0-9]{1,19}", changes in proptest::collection::vec(any::<(u16, u8, u8)>(), 0..3),
    ) {
        let (server, head) = if is_nginx { (WebServer::Nginx, "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent") } else { (WebServer::Apache, r#"%h %l %u %t "%r" %>s %b"#) };
        let headers = match (has_headers, is_nginx) {
            (false, _) => "",
            (true, true) => r#" "$http_referer" "$http_user_agent""#,
            (true, false) => r#" "%{Referer}i" "%{User-Agent}i""#,
        };
        let more = if is_nginx { " $connection \"$request_id\"" } else { " %k \"%{X-Request-Id}i\"" };
        let format = super::tests::format(server, &format!("{head}{headers}{more}"));
        let mut parts = Compiled::make(&format, true).expect("a format");
        let mut whole = Compiled::make(&format, false).expect("a format");
        prop_assert!(parts.beginning.is_some() && whole.beginning.is_none());
        let headers = if has_headers { format!(" \"{referrer}\" \"{agent}\"") } else { String::new() };
        let line = format!(
            "{client} - {user} [21/Nov/2026:03:20:13 +0100] \"{request}\" {status} {bytes}{headers} {extra} \"{id}\""
        );
        let by_parts = super::tests::fields(&mut parts, line.as_bytes());
        prop_assert_eq!(&by_parts, &super::tests::fields(&mut whole, line.as_bytes()), "{}", line);
        prop_assert!(by_parts.is_some(), "{}", line);
        // Of what is changed, only the identity and lists of clients are read otherwise.
        let line = changed(&line, &changes);
        let Some(seen) = super::tests::fields(&mut parts, &line) else { return Ok(()) };
        let head = line.split(|byte| *byte == b'[').next().unwrap_or_default();
        if head.contains(&b',') || memchr::memmem::find(head, b" - ").is_none() {
            return Ok(());
        }
        // What `identd` says has a field, or is left in the line.
        let without = |mut fields: Vec<String>| {
            fields.retain(|field| field != "+residue" && !field.starts_with("apache.access.identity"));
            fields
        };
        if let Some(other) = super::tests::fields(&mut whole, &line) {
            prop_assert_eq!(without(seen), without(other), "{:?}", String::from_utf8_lossy(&line));
        }
    }
}
