//! `grok`: patterns, definitions and standard ones, and what is wrong with some.

use super::tests::{check, fault, fields_of, grok, lines};
use super::*;
use crate::settings::own::GrokFormat;
use std::collections::HashMap;

#[test]
fn grok_patterns_become_fields() {
    for (pattern, line, expected) in [
        ("%{IP:source.ip}", "from 192.0.2.7!", "source.ip=192.0.2.7 | +="),
        ("%{IP:[source][ip]} %{WORD:[a][b-c]}", "2001:db8::1 x", "source.ip=2001:db8::1 | a.b-c=x"),
        (
            "^%{IPORHOST:host.name}:%{POSINT:n:int}$",
            "web-1.example:80",
            "host.name=web-1.example | n=80",
        ),
        ("%{NUMBER:n:int} %{NUMBER:f:float}", "0042 -.50", "n=42 | f=-0.5"),
        ("%{NUMBER:n:long} %{NUMBER:f:double}", "-007 +3", "n=-7 | f=3"),
        ("%{NUMBER:n:int}", "4.5", "+="),
        ("%{IP:x:int}", "192.0.2.7", "+="),
        ("%{NOTSPACE:x:ip} %{NOTSPACE:y:ip}", "::1 x", "x=::1 | +="),
        ("%{INT:n:integer} %{WORD:w:string} %{WORD:k:keyword}", "1 2 3", "n=1 | w=2 | k=3"),
        (
            "%{INT:http.response.status_code:int} %{IP:source.ip:ip}",
            "200 ::1",
            "source.ip=::1 | http.response.status_code=200",
        ),
        (
            "%{INT:http.response.body.bytes:int}|%{WORD:http.response.body.bytes}",
            "7",
            "http.response.body.bytes=7",
        ),
        (
            "%{NOTSPACE:source.address}",
            "192.0.2.7",
            "source.address=192.0.2.7 | source.ip=192.0.2.7",
        ),
        ("%{NOTSPACE:source.address}", "web", "source.address=web"),
        (
            "%{NOTSPACE:source.address} %{NOTSPACE:source.ip}",
            "::1 ::2",
            "source.address=::1 | source.ip=::2",
        ),
        (
            "%{NOTSPACE:source.address} %{NOTSPACE:source.ip}",
            "::1 -",
            "source.address=::1 | source.ip=::1",
        ),
        ("%{NOTSPACE:destination.domain}", "::1", "destination.domain=::1 | destination.ip=::1"),
        ("%{WORD:b:boolean} %{WORD:c:boolean}", "True no", "b=true | +="),
        ("%{QS:q} %{DATA:d} %{GREEDYDATA:g}", r#""a \" b" x y z"#, r#"q="a \" b" | d=x | g=y z"#),
        (
            "%{TIMESTAMP_ISO8601:@timestamp} %{LOGLEVEL:log.level}",
            "2026-11-21T03:20:13Z WARN",
            "@timestamp=2026-11-21T03:20:13.000Z | log.level=WARN",
        ),
        (
            "%{HTTPDATE:timestamp}",
            "21/Nov/2026:03:20:13 +0100",
            "@timestamp=2026-11-21T02:20:13.000Z",
        ),
        ("%{HTTPDATE:timestamp}", "31/Feb/2026:03:20:13 +0100", "nothing"),
        ("(?<a>\\d+)-(?<b.c>\\d+)-(?P<d>\\d)(?'e'\\d)", "1-2-34", "a=1 | b.c=2 | d=3 | e=4"),
        (r"\((?<a>[(\])\[]+)\)", "([()])", "a=[()]"),
        (r"\((?<a>[[:digit:](]+)\)", "(1(2)", "a=1(2"),
        ("(?>a|ab)(?<c>c)|%{WORD:w}", "abc", "c=c"),
        ("(a|b)+ %{WORD:w}", "abab x", "w=x"),
        ("%{WORD:w}(?: %{WORD:w})?", "x y", "w=x | +="),
        ("(?:x%{WORD:w}|y%{INT:w})", "y7", "w=7"),
        ("%{WORD:a} %{NOTSPACE:b}", "x -", "a=x"),
        ("%{GREEDYDATA:message}", "all of it", "message=all of it"),
        ("%{WORD:log.level}: %{GREEDYDATA:message}", "info: it", "log.level=info | message=it"),
        ("%{UNIXPATH:p}", "/a/b~1.x", "p=/a/b~1.x"),
        ("100%% %{WORD:w}", "100%% x", "w=x"),
        (r"{%{WORD:w}} a{2}(?u:\p{Alpha})\x{41}{", "{x} aaäA{", "w=x | +="),
        (
            "%{CRONLOG}",
            "Nov 21 03:20:13 web cron[7]: (root) CMD (true)",
            "@timestamp=2026-11-21T03:20:13.000Z | user.name=root | logsource=web | program=cron | pid=7 \
             | action=CMD | message=true",
        ),
    ] {
        check(&mut lines(grok(pattern, &[])), &[(line, expected)]);
    }
}

#[test]
fn access_lines_by_grok_have_the_names_of_ecs() {
    let line = r#"2001:db8::7 - frank [21/Nov/2026:03:20:13 +0000] "GET /a?b HTTP/1.1" 200 42 "-" "curl/8""#;
    let expected = "@timestamp=2026-11-21T03:20:13.000Z | source.address=2001:db8::7 | source.ip=2001:db8::7 | \
                    user.name=frank | \
                    http.request.method=GET | http.response.status_code=200 | \
                    http.response.body.bytes=42 | http.version=1.1 | url.original=/a?b | \
                    user_agent.original=curl/8";
    for pattern in ["%{COMBINEDAPACHELOG}", "^%{HTTPD_COMBINEDLOG}$"] {
        check(&mut lines(grok(pattern, &[])), &[(line, expected)]);
    }
    let parser = &mut lines(grok("^%{COMMONAPACHELOG}$", &[]));
    check(parser, &[(line, "nothing")]);
}

#[test]
fn what_grok_puts_in_no_field_is_left() {
    for (pattern, line, expected) in [
        ("%{INT:a} x", "1 x tail", "a=1 | +="),
        ("%{INT:a} x", "see 1 x", "a=1 | +="),
        ("%{INT:a} x", "1 x \r", "a=1"),
        ("%{INT:a} %{WORD}", "1 x", "a=1 | +="),
        ("%{INT:a} %{NOTSPACE} x", "1 - x", "a=1"),
        ("%{WORD:w}(?: %{WORD:w})?", "x y", "w=x | +="),
        ("^(?:%{WORD:w} ?)+$", "x y", "w=y | +="),
    ] {
        check(&mut lines(grok(pattern, &[])), &[(line, expected)]);
    }
    let line = |request: &str| {
        format!(r#"192.0.2.7 - - [21/Nov/2026:03:20:13 +0000] "{request}" 200 42 "-" "curl/8""#)
    };
    let (usual, ipv6) =
        (line("GET / HTTP/1.1"), line("GET / HTTP/1.1").replace("192.0.2.7", "::1"));
    for (line, expected) in [
        (usual.clone(), false),
        (format!("{usual} 17"), true),
        (format!("web {usual}"), true),
        (ipv6.clone(), false),
        (format!("{ipv6} 17"), true),
        (line("GET /a b c HTTP/1.1"), true),
        (line(r"\x16"), true),
        (line("-"), false),
    ] {
        let parser = &mut lines(grok("%{COMBINEDAPACHELOG}", &[]));
        let seen = fields_of(parser, line.as_bytes()).unwrap();
        assert!(seen.contains("user_agent.original=curl/8"), "{seen}");
        assert_eq!(seen.ends_with("+="), expected, "{line}");
    }
}

#[test]
fn grok_definitions_stand_before_standard_ones() {
    let definitions = &[
        ("ORDER", "[A-Z]-%{INT:order.number:int}"),
        ("NUMBER", "<%{NUMBER}>"),
        ("BOTH", "%{ORDER:order.id} %{NUMBER:n}"),
    ];
    check(
        &mut lines(grok("^%{BOTH} %{ORDER}$", definitions)),
        &[
            ("A-7 <1.5> B-8", "order.id=A-7 | order.number=7 | n=<1.5> | +="),
            ("A-7 1.5 B-8", "nothing"),
        ],
    );
}

#[test]
fn first_grok_pattern_that_matches_is_taken() {
    let patterns = ["^a %{INT:n:int}$", "^a %{WORD:w}$", "%{WORD:last} %{IP:source.ip}"];
    let patterns = patterns.map(str::to_owned).to_vec();
    let mut parser = lines(How::Grok(GrokFormat { patterns, definitions: Vec::new() }));
    check(
        &mut parser,
        &[
            ("a 7", "n=7"),
            ("a b", "w=b"),
            ("x 192.0.2.7", "source.ip=192.0.2.7 | last=x"),
            ("", "nothing"),
        ],
    );
}

#[test]
fn all_of_the_standard_patterns_are_known() {
    let mut seen = HashMap::new();
    for (name, _) in ::grok::patterns() {
        let how = grok(&format!("%{{{name}:x.y}}"), &[]);
        match OwnLines::new(&OwnFormat::new(how)) {
            Ok(_) => {}
            Err(error) => drop(seen.insert(*name, error.message)),
        }
    }
    let mut seen: Vec<_> = seen.into_iter().collect();
    seen.sort();
    assert_eq!(seen, []);
}

#[test]
fn wrong_grok_patterns_are_told_with_their_place() {
    for (pattern, definitions, expected) in [
        ("%{IPP:a}", &[][..], "there is no pattern `IPP` ‹%{IPP:a}› did you mean `IP`?"),
        ("%{word:a}", &[], "there is no pattern `word` ‹%{word:a}› did you mean `WORD`?"),
        (
            "%{SHOPORDERNUMBER:a}",
            &[],
            "there is no pattern `SHOPORDERNUMBER` ‹%{SHOPORDERNUMBER:a}› \
            give it a definition under `definitions`",
        ),
        ("x %{IP:a", &[], "this `%{` has no `}` ‹%{IP:a› write `%{IP:source.ip}`"),
        (
            "%{INT:a:number}",
            &[],
            "`number` is no type ‹%{INT:a:number}› known are `text`, `string`, `keyword`, `long`, `int`, \
            `integer`, `double`, `float`, `boolean`, `bool`, `ip`",
        ),
        ("%{IP}", &[], "`%{IP}` names no field ‹› name what becomes one: `%{IP:source.ip}`"),
        (
            "%{IP:a} \\x",
            &[],
            "incomplete escape sequence, reached end of pattern prematurely ‹x› the syntax \
            is that of the `regex` crate",
        ),
        ("%{IP:a} (", &[], "unclosed group ‹(› the syntax is that of the `regex` crate"),
        (
            "%{IP:a} ä(?<b>x)(?=y)",
            &[],
            "look-around, including look-ahead and look-behind, is not \
            supported ‹(?=› match what stands there instead, or `\\b` where a word begins or ends",
        ),
        (
            "%{IP:a} \\1",
            &[],
            "backreferences are not supported ‹\\1› write out what is to stand there \
            again",
        ),
        (
            "%{X:a} y",
            &[("X", "%{Y}"), ("Y", "[z")],
            "unclosed character class ‹[› the syntax is that \
            of the `regex` crate",
        ),
        (
            "%{X:a}",
            &[("X", "%{Y}"), ("Y", "a%{X}")],
            "`X` → `Y` → `X` never ends ‹%{X}› let no \
            definition name itself",
        ),
        (
            "%{IP:a}",
            &[("X Y", ".")],
            "`X Y` cannot be the name of a pattern ‹› letters, digits and `_` \
            can",
        ),
        (
            "[ä]%{IP:a}",
            &[],
            "Unicode not allowed here ‹ä› bytes are matched; for characters beyond \
            ASCII write `(?u:…)`",
        ),
        (
            "%{IP:agent}",
            &[],
            "`agent` is written by shipper itself ‹%{IP:agent}› `rename` gives a \
            field another name: `rename: {agent: user_agent.original}`",
        ),
        (
            "%{IP:a} %{INT:a.b}",
            &[],
            "field `a` cannot be a value and hold `a.b` as well ‹%{INT:a.b}› \
            `rename` gives a field another name: `rename: {agent: user_agent.original}`",
        ),
        (
            "%{IP:url}",
            &[],
            "`url` is an object, which holds `url.original`, and no value ‹%{IP:url}› \
            `rename` gives a field another name: `rename: {agent: user_agent.original}`",
        ),
        (
            "%{IP:url.path.x}",
            &[],
            "`url.path` is a value, and cannot hold `url.path.x` \
            ‹%{IP:url.path.x}› `rename` gives a field another name: `rename: {agent: \
            user_agent.original}`",
        ),
        (
            "%{IP:a..b}",
            &[],
            "field name `a..b` has an empty part ‹%{IP:a..b}› `rename` gives a field \
            another name: `rename: {agent: user_agent.original}`",
        ),
    ] {
        assert_eq!(fault(&OwnFormat::new(grok(pattern, definitions))), expected, "{pattern}");
    }
}

#[test]
fn wrong_types_of_grok_are_told_with_their_place() {
    for (pattern, expected) in [
        (
            "%{IP:a} %{INT:a:int}",
            "field `a` is a text and a long ‹%{INT:a:int}› give it one type, its own or none",
        ),
        (
            "%{INT:a:}",
            "`` is no type ‹%{INT:a:}› known are `text`, `string`, `keyword`, `long`, `int`, \
            `integer`, `double`, `float`, `boolean`, `bool`, `ip`",
        ),
        (
            "%{IP:source.ip:int}",
            "`source.ip` is an IP address and cannot be of the type `long` ‹%{IP:source.ip:int}› give it \
            one type, its own or none",
        ),
        (
            "x %{INT:http.response.status_code:float}",
            "`http.response.status_code` is a whole number and cannot be of the type `double` \
            ‹%{INT:http.response.status_code:float}› give it one type, its own or none",
        ),
        (
            "%{NUMBER:http.version:float}",
            "`http.version` is a text and cannot be of the type `double` ‹%{NUMBER:http.version:float}› give \
            it one type, its own or none",
        ),
        (
            "%{INT:timestamp:long}",
            "`timestamp` is the event's time and cannot be of the type `long` ‹%{INT:timestamp:long}› give it \
            one type, its own or none",
        ),
        (
            "%{DATA:message:boolean}",
            "`message` is a text and cannot be of the type `boolean` ‹%{DATA:message:boolean}› give it one \
            type, its own or none",
        ),
    ] {
        assert_eq!(fault(&OwnFormat::new(grok(pattern, &[]))), expected, "{pattern}");
    }
}

#[test]
fn fields_are_renamed_and_times_read_as_is_said() {
    let mut format = OwnFormat::new(grok("%{DATA:agent}, %{DATA:at}$", &[]));
    format.rename = vec![
        ("agent".to_owned(), "user_agent.original".to_owned()),
        ("at".to_owned(), "@timestamp".to_owned()),
    ];
    format.timestamp_formats = vec!["%d.%m.%Y %H:%M".to_owned()];
    let mut parser = OwnLines::new(&format).unwrap();
    let expected = "@timestamp=2026-11-21T03:20:00.000Z | user_agent.original=curl";
    check(&mut parser, &[("curl, 21.11.2026 03:20", expected), ("curl, 2026-11-21", "nothing")]);
    format.timestamp_formats.push("tomorrow".to_owned());
    format.rename.push(("agnet".to_owned(), "x".to_owned()));
    let expected = "`rename` has `agnet`, which the format does not name ‹› did you mean `agent`?";
    let formats = std::mem::take(&mut format.timestamp_formats);
    assert_eq!(fault(&format), expected);
    format.rename = vec![("host".to_owned(), "x".to_owned())];
    let expected = "`rename` has `host`, which the format does not name ‹› there are `agent`, `at`";
    format.how = grok("%{DATA:x.agent}, %{DATA:at}$", &[]);
    assert_eq!(fault(&format), expected.replace("`agent`", "`x.agent`"));
    format.timestamp_formats = formats;
    let expected = "`tomorrow` is no format of times: it has no part such as `%Y` ‹› write it as for \
                    `strptime`: `%Y-%m-%d %H:%M:%S%.f`";
    assert_eq!(fault(&format), expected);
}

#[test]
fn fields_of_standard_patterns_are_renamed_by_either_name() {
    for from in ["user", "user.name"] {
        let mut format = OwnFormat::new(grok("^%{CRONLOG}$", &[]));
        format.rename = vec![(from.to_owned(), "cron.owner".to_owned())];
        let line = "Nov 21 03:20:13 web cron[7]: (root) CMD (true)";
        let seen = fields_of(&mut OwnLines::new(&format).unwrap(), line.as_bytes()).unwrap();
        assert!(seen.contains("cron.owner=root") && !seen.contains("user.name"), "{from}: {seen}");
    }
}
