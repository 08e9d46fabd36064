//! Formats that an operator describes: every element of their syntax, what is wrong with some, and what holds for all.

use super::*;
use crate::event::LineText;
use crate::settings::own::{
    CsvFormat, DissectFormat, GrokFormat, Header, KvFormat, Trim, ValueType,
};
use std::collections::HashMap;

/// What a line's fields are, `name=value` in the order of documents; nothing when it is not recognised.
pub(super) fn fields_of(parser: &mut OwnLines, line: &[u8]) -> Option<String> {
    let mut event = EventBuf::with_extras(parser.extras().len());
    let text = match std::str::from_utf8(line) {
        Ok(_) => LineText::Valid,
        Err(_) => LineText::Broken,
    };
    parser.set_now(1_795_234_354_567);
    event.begin(text, None);
    if parser.parse(line, &mut event) == Parsed::Unrecognised {
        return None;
    }
    let mut all = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| {
        all.push(format!("{name}={}", String::from_utf8_lossy(bytes)));
    };
    if let Some(time) = event.timestamp() {
        put("@timestamp", time);
    }
    for field in Field::ALL.iter().filter(|field| **field != Field::Message) {
        if let Some(span) = event.get(*field) {
            put(field.name(), event.bytes(line, span));
        }
    }
    for (number, extra) in parser.extras().iter().enumerate() {
        let is_ours = matches!(&*extra.name, "event.original" | "event.timezone");
        if let Some(span) = event.extra(number).filter(|_| !is_ours) {
            put(&extra.name, event.bytes(line, span));
        }
    }
    if let Some(part) = event.text_part() {
        put("message", event.bytes(line, part));
    }
    if event.has_residue() {
        put("+", b"");
    }
    Some(all.join(" | "))
}

pub(super) fn lines(how: How) -> OwnLines {
    OwnLines::new(&OwnFormat::new(how)).unwrap()
}

fn check(parser: &mut OwnLines, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let seen = fields_of(parser, line.as_bytes());
        assert_eq!(seen.as_deref().unwrap_or("nothing"), *expected, "{line}");
    }
}

/// What is wrong, with the text that is underlined.
fn fault(format: &OwnFormat) -> String {
    let error = OwnLines::new(format).expect_err("something is wrong");
    let text = match (&format.how, &error.part) {
        (How::Grok(grok), Part::Pattern(number)) => grok.patterns.get(*number).cloned(),
        (How::Grok(grok), Part::Definition(name)) => {
            grok.definitions.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
        }
        (How::Dissect(dissect), Part::Tokenizer) => Some(dissect.tokenizer.clone()),
        _ => None,
    };
    let shown = error.range.and_then(|range| Some(text?[range].to_owned()));
    format!("{} ‹{}› {}", error.message, shown.unwrap_or_default(), error.hint)
}

pub(super) fn grok(pattern: &str, definitions: &[(&str, &str)]) -> How {
    let definitions = definitions.iter().map(|(name, text)| ((*name).into(), (*text).into()));
    How::Grok(GrokFormat { patterns: vec![pattern.to_owned()], definitions: definitions.collect() })
}

pub(super) fn dissect(tokenizer: &str) -> How {
    How::Dissect(DissectFormat {
        tokenizer: tokenizer.to_owned(),
        trim_values: Trim::None,
        trim_chars: " ".to_owned(),
    })
}

pub(super) fn csv(columns: &[&str]) -> CsvFormat {
    CsvFormat::new(columns.iter().map(|name| (*name).to_owned()).collect())
}

pub(super) fn kv(fields: &[&str]) -> KvFormat {
    KvFormat::new(fields.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect())
}

#[test]
fn grok_patterns_become_fields() {
    for (pattern, line, expected) in [
        ("%{IP:source.ip}", "from 192.0.2.7!", "source.ip=192.0.2.7"),
        ("%{IP:[source][ip]} %{WORD:[a][b-c]}", "2001:db8::1 x", "source.ip=2001:db8::1 | a.b-c=x"),
        (
            "^%{IPORHOST:host.name}:%{POSINT:n:int}$",
            "web-1.example:80",
            "host.name=web-1.example | n=80",
        ),
        ("%{NUMBER:n:int} %{NUMBER:f:float}", "0042 -.50", "n=42 | f=-0.5"),
        ("%{NUMBER:n:long} %{NUMBER:f:double}", "-007 +3", "n=-7 | f=3"),
        ("%{NUMBER:n:int}", "4.5", "+="),
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
        ("%{WORD:w}(?: %{WORD:w})?", "x y", "w=x"),
        ("(?:x%{WORD:w}|y%{INT:w})", "y7", "w=7"),
        ("%{WORD:a} %{NOTSPACE:b}", "x -", "a=x"),
        ("%{GREEDYDATA:message}", "all of it", "message=all of it"),
        ("%{WORD:log.level}: %{GREEDYDATA:message}", "info: it", "log.level=info | message=it"),
        ("%{UNIXPATH:p}", "/a/b~1.x", "p=/a/b~1.x"),
        ("100%% %{WORD:w}", "100%% x", "w=x"),
        (r"{%{WORD:w}} a{2}(?u:\p{Alpha})\x{41}{", "{x} aaäA{", "w=x"),
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
    let expected = "@timestamp=2026-11-21T03:20:13.000Z | source.address=2001:db8::7 | user.name=frank | \
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
fn grok_definitions_stand_before_standard_ones() {
    let definitions = &[
        ("ORDER", "[A-Z]-%{INT:order.number:int}"),
        ("NUMBER", "<%{NUMBER}>"),
        ("BOTH", "%{ORDER:order.id} %{NUMBER:n}"),
    ];
    check(
        &mut lines(grok("^%{BOTH} %{ORDER}$", definitions)),
        &[("A-7 <1.5> B-8", "order.id=A-7 | order.number=7 | n=<1.5>"), ("A-7 1.5 B-8", "nothing")],
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
            "`number` is no type ‹%{INT:a:number}› known are `int`, `long`, \
            `float`, `double`, `boolean`",
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
            "%{IP:a} %{INT:a:int}",
            &[],
            "field `a` is a text and a long ‹%{INT:a:int}› `rename` gives a \
            field another name: `rename: {agent: user_agent.original}`",
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
    let expected = "`tomorrow` is no format of times: it has no part such as `%Y` ‹› write it as for \
                    `strptime`: `%Y-%m-%d %H:%M:%S%.f`";
    assert_eq!(fault(&format), expected);
}

#[test]
fn tokenizers_take_lines_apart() {
    let all = "%{source.ip} - %{user.name} [%{@timestamp}] \"%{http.request.method} %{url.original} \
               %{?x}\" %{http.response.status_code|integer}";
    for (tokenizer, line, expected) in [
        (
            all,
            "192.0.2.7 - - [21/Nov/2026:03:20:13 +0000] \"GET /a HTTP/1.1\" 0200",
            "@timestamp=2026-11-21T03:20:13.000Z | source.ip=192.0.2.7 | http.request.method=GET | \
             http.response.status_code=200 | url.original=/a",
        ),
        (
            all,
            "here - - [21/Nov/2026:03:20:13 +0000] \"GET /a HTTP/1.1\" ok",
            "@timestamp=2026-11-21T03:20:13.000Z | http.request.method=GET | url.original=/a | +=",
        ),
        (all, "192.0.2.7 - - [soon] \"GET /a HTTP/1.1\" 200", "nothing"),
        ("%{a} %{b}", "x y z", "a=x | b=y z"),
        ("%{a} %{b}", "x", "nothing"),
        ("%{a} %{b}", "x ", "a=x"),
        ("%{a} %{} %{c}", "x y z", "a=x | c=z"),
        ("<%{a}> %{b}", "<x> y", "a=x | b=y"),
        ("<%{a}> %{b}", " <x> y", "nothing"),
        ("%{a}, %{b}; end", "x, y; end", "a=x | b=y"),
        ("%{a}, %{b};", "x, y; more", "a=x | b=y | +="),
        ("%{a->} %{b}", "x    y", "a=x | b=y"),
        ("%{a->}, %{b}", "x, , y", "a=x | b=y"),
        ("%{a} %{b}", "x  y", "a=x | b= y"),
        ("[%{a->} ] %{b}", "[x ] ] y", "a=x | b=] y"),
        ("%{+t} %{+t} %{b}", "x y z", "t=x y | b=z"),
        ("%{t} %{a} %{+t}", "x y z", "t=x z | a=y"),
        (
            "%{+t/2},%{+t/4},%{+t/3},%{+t/1}",
            "john,jacob,jingle,schmidt",
            "t=schmidt,john,jingle,jacob",
        ),
        ("%{+t},%{+t}", "x,", "t=x"),
        ("%{+t},%{+t}", ",", "+="),
        (
            "%{+@timestamp} %{+@timestamp} %{a}",
            "2026-11-21 03:20:13 x",
            "@timestamp=2026-11-21T03:20:13.000Z | a=x",
        ),
        ("%{a#3}%{b}", "xyz1", "a=xyz | b=1"),
        ("%{a#3}-%{b}", "xyz-1", "a=xyz | b=1"),
        ("%{a#3}-%{b}", "xy-1", "nothing"),
        ("%{a#3}%{b}", "xy", "nothing"),
        ("%{a#1}%{b}", "äb", "nothing"),
        (
            "%{a|long} %{b|float} %{c|boolean} %{d|ip}",
            "7 1e3 false ::1",
            "a=7 | b=1000 | c=false | d=::1",
        ),
        ("%{a|integer} %{b|double} %{c|boolean} %{d|ip}", "7.5 nan yes 7", "+="),
        ("%{a|long}", "12345678901234567890", "+="),
        ("%{log.level}: %{message}", "warn: it: is", "log.level=warn | message=it: is"),
        ("%{log.level}: %{+message}; %{+message}", "warn: a; b", "log.level=warn | message=a; b"),
        ("%{a}=%{}%%{b}", "1=2%3", "a=1 | b=3"),
    ] {
        check(&mut lines(dissect(tokenizer)), &[(line, expected)]);
    }
}

#[test]
fn values_of_dissect_are_trimmed() {
    for (trim, characters, expected) in [
        (Trim::None, " ", "a= x  | b=__y_"),
        (Trim::Left, " ", "a=x  | b=__y_"),
        (Trim::Right, " _", "a= x | b=__y"),
        (Trim::All, " _", "a=x | b=y"),
        (Trim::All, "", "a= x  | b=__y_"),
        (Trim::All, "äx ", "b=__y_"),
    ] {
        let how = How::Dissect(DissectFormat {
            tokenizer: "%{a},%{b}".to_owned(),
            trim_values: trim,
            trim_chars: characters.to_owned(),
        });
        check(&mut lines(how), &[(" x ,__y_", expected)]);
    }
}

#[test]
fn wrong_tokenizers_are_told_with_their_place() {
    for (tokenizer, expected) in [
        ("", "`` has no key ‹› write `%{key}` where a value stands"),
        ("a b", "`a b` has no key ‹a b› write `%{key}` where a value stands"),
        (
            "%{} %{?x}",
            "`%{} %{?x}` has no key with a name ‹%{} %{?x}› name what becomes a field: \
            `%{source.ip} %{}`",
        ),
        ("%{a} %{b", "this key has no `}` ‹%{b› write `%{key}`"),
        (
            "%{a}%{b}",
            "nothing stands between two keys, so that nobody knows where the first value ends \
            ‹%{b}› write what is between them, or how many bytes the first one has: `%{key#3}`",
        ),
        (
            "%{*a} %{&a}",
            "a field's name cannot stand in the line: documents are laid out before ‹%{*a}› \
            name the field; for keys and values there is `kv`",
        ),
        ("%{a} %{a}", "`a` is the name of two keys ‹%{a}› `%{+a}` puts a value behind another one"),
        ("%{+t/x} %{b}", "`x` is no place ‹%{+t/x}› write `%{+key/2}`"),
        ("%{+} %{b}", "this key has no name ‹%{+}› write `%{+key}`"),
        ("%{a#0} %{b}", "`0` is no number of bytes ‹%{a#0}› write `%{key#3}`"),
        (
            "%{a|date}",
            "`date` is no type ‹%{a|date}› known are `integer`, `long`, `float`, `double`, \
            `boolean` and `ip`",
        ),
        (
            "%{a} %{a.b}",
            "field `a` cannot be a value and hold `a.b` as well ‹%{a.b}› `rename` gives a \
            field another name: `rename: {agent: user_agent.original}`",
        ),
    ] {
        assert_eq!(fault(&OwnFormat::new(dissect(tokenizer))), expected, "{tokenizer}");
    }
}

#[test]
fn rows_become_fields() {
    let usual = csv(&["a", "", "c"]);
    let trimmed = CsvFormat { trim_leading_space: true, ..usual.clone() };
    let semicolon = CsvFormat { separator: b';', quote: None, ..usual.clone() };
    let single = CsvFormat { separator: b'\t', quote: Some(b'\''), ..usual.clone() };
    let typed = CsvFormat {
        types: vec![("a".to_owned(), ValueType::Integer), ("c".to_owned(), ValueType::Ip)],
        ..usual.clone()
    };
    for (format, line, expected) in [
        (&usual, "1,2,3", "a=1 | c=3"),
        (&usual, "1,2", "a=1"),
        (&usual, "1", "a=1"),
        (&usual, "", "+="),
        (&usual, ",,", "+="),
        (&usual, "1,2,3,4", "a=1 | c=3 | +="),
        (&usual, "1,2,3,", "a=1 | c=3 | +="),
        (&usual, r#""1","2","3""#, "a=1 | c=3"),
        (&usual, r#""a,b","x","say ""hi"" ""#, r#"a=a,b | c=say "hi" "#),
        (&usual, r#""a,b","x","say ""hi""""#, r#"a=a,b | c=say "hi""#),
        (&usual, r#""""",2,"""x""#, r#"a=" | c="x"#),
        (&usual, r#"x"y,2,"z"1"#, r#"a=x"y | c=z1"#),
        (&usual, r#""x"y"z,2,3"#, r#"a=xy"z | c=3"#),
        (&usual, r#"1,2,"open"#, "nothing"),
        (&usual, r#"1,2,3,"open"#, "nothing"),
        (&usual, r#" "1",2, 3"#, r#"a= "1" | c= 3"#),
        (&trimmed, " \"1\",2,\t 3 ", "a=1 | c=3 "),
        (&semicolon, r#""1;2;"3"#, r#"a="1 | c="3"#),
        (&single, "'1\t'\t2\tit's", "a=1\t | c=it's"),
        (&typed, "7,x,192.0.2.7", "a=7 | c=192.0.2.7"),
        (&typed, "x,x,x", "+="),
        (&typed, "-,x,", "+="),
    ] {
        check(&mut lines(How::Csv(format.clone())), &[(line, expected)]);
    }
}

#[test]
fn lines_that_name_columns_are_told_from_others() {
    let columns = CsvFormat { header: Header::Columns, ..csv(&["@timestamp", "", "a.b"]) };
    let line = CsvFormat { header: Header::Line("Time;What (s)".to_owned()), ..csv(&["a"]) };
    for (format, text, expected) in [
        (&columns, "@timestamp,x,a.b", true),
        (&columns, "\"@timestamp\", ,\"a.b\"", true),
        (&columns, "@timestamp,x,aXb", false),
        (&columns, "@timestamp,x,a.b,c", false),
        (&line, "Time;What (s)", true),
        (&line, "Time;What s", false),
    ] {
        let pattern = format.header_pattern().unwrap();
        assert_eq!(regex::Regex::new(&pattern).unwrap().is_match(text), expected, "{text}");
    }
    assert_eq!(csv(&["a"]).header_pattern(), None);
}

#[test]
fn keys_and_values_become_fields() {
    let usual = kv(&["level", "message", "n", "source.ip", "ts"]);
    let all = KvFormat {
        others: Some("app.others".to_owned()),
        exclude_keys: vec!["secret".to_owned()],
        types: vec![("n".to_owned(), ValueType::Integer)],
        ..usual.clone()
    };
    let query =
        KvFormat { field_split: "&".to_owned(), trim_value: "[]".to_owned(), ..kv(&["a", "b"]) };
    let wide =
        KvFormat { field_split: ", ".to_owned(), value_split: ": ".to_owned(), ..kv(&["a", "b"]) };
    for (format, line, expected) in [
        (&usual, "level=info n=7", "level=info | n=7"),
        (&usual, "  level=info   n=7 ", "level=info | n=7"),
        (
            &usual,
            r#"level=warn message="a \"b\" \\ c" n=1"#,
            r#"level=warn | n=1 | message=a "b" \ c"#,
        ),
        (
            &usual,
            r#"message="x\ty\nz \u00e4\ud83d\ude00\ud83d \u12" n=1"#,
            "n=1 | message=x\ty\nz ä😀\u{fffd} u12",
        ),
        (&usual, r#"level="open n=1"#, r#"level="open | n=1"#),
        (&usual, r#"level="a"b n=1"#, r#"level="a"b | n=1"#),
        (&usual, r#"level="" n=1"#, "n=1"),
        (&usual, r#"level="\" n=1"#, r#"level="\" | n=1"#),
        (&usual, "source.ip=here level=info", "level=info | +="),
        (&usual, "source.ip=::1 other=2", "source.ip=::1 | +="),
        (&usual, "level=info alone", "level=info | +="),
        (&usual, "level=info level=warn", "level=warn | +="),
        (&usual, "level=a=b =c", "level=a=b | +="),
        (&usual, "nothing to see", "nothing"),
        (&usual, "x=y", "nothing"),
        (&usual, "", "nothing"),
        (
            &all,
            r#"n=007 user="a b" secret=x k=1 n=2"#,
            r#"n=2 | app.others=["user=a b","k=1"] | +="#,
        ),
        (&all, "n=x", "+="),
        (&all, r#"q="a\"b""#, r#"app.others=["q=a\"b"]"#),
        (&query, "a=[1]&b=2 3&a", "a=1 | b=2 3 | +="),
        (&query, "a=[]", "+="),
        (&wide, "a: 1, b: x, y", "a=1 | b=x | +="),
    ] {
        check(&mut lines(How::Kv(format.clone())), &[(line, expected)]);
    }
}

#[test]
fn tables_and_pairs_that_make_no_format_are_refused() {
    let typed = vec![("x".to_owned(), ValueType::Integer)];
    let rename = "`rename` gives a field another name: `rename: {agent: user_agent.original}`";
    for (how, expected) in [
        (
            How::Csv(csv(&[])),
            "no column has a name ‹› name them in their order: `columns: \
            [\"@timestamp\", source.ip]`"
                .to_owned(),
        ),
        (
            How::Csv(csv(&["a", "a"])),
            "`a` is the name of two columns ‹› a column without a name is \
            passed over: `\"\"`"
                .to_owned(),
        ),
        (
            How::Csv(csv(&["a", "host"])),
            format!(
                "`host` is an object, which holds `host.name`, and no \
            value ‹› {rename}"
            ),
        ),
        (
            How::Csv(CsvFormat { separator: b'"', ..csv(&["a"]) }),
            "separator and quote are the same ‹› \
            usual are `,` and `\"`"
                .to_owned(),
        ),
        (
            How::Csv(CsvFormat { types: typed.clone(), ..csv(&["a"]) }),
            "`types` has `x`, which is no \
            column ‹› name a column as in `columns`"
                .to_owned(),
        ),
        (
            How::Kv(kv(&[])),
            "no key becomes a field ‹› list the keys that become fields: `fields: \
            [level, {msg: message}]`"
                .to_owned(),
        ),
        (
            How::Kv(kv(&["a", "a"])),
            "`a` stands twice, or is empty ‹› list each key once".to_owned(),
        ),
        (
            How::Kv(KvFormat { types: typed, ..kv(&["a"]) }),
            "`types` has `x`, which is no field ‹› name \
            it as in `fields`"
                .to_owned(),
        ),
        (
            How::Kv(KvFormat { value_split: ": ".to_owned(), ..kv(&["a"]) }),
            "`: ` cannot stand between \
            key and value ‹› both need a text, and that between pairs is no part of the other"
                .to_owned(),
        ),
        (
            How::Kv(KvFormat { trim_value: "ä".to_owned(), ..kv(&["a"]) }),
            "`ä` cannot be trimmed ‹› ASCII \
            characters can"
                .to_owned(),
        ),
        (
            How::Kv(KvFormat { others: Some("message".to_owned()), ..kv(&["a"]) }),
            format!(
                "`message` is no \
            list ‹› {rename}"
            ),
        ),
        (
            How::Kv(KvFormat { others: Some("a.b".to_owned()), ..kv(&["a"]) }),
            format!(
                "field `a` cannot be \
            a value and hold `a.b` as well ‹› {rename}"
            ),
        ),
    ] {
        assert_eq!(fault(&OwnFormat::new(how)), expected);
    }
    let many: Vec<String> = (0..65).map(|number| format!("f{number}")).collect();
    let how = How::Csv(CsvFormat::new(many));
    let expected = format!("more than the 64 fields that a format may have ‹› {rename}");
    assert_eq!(fault(&OwnFormat::new(how)), expected);
}
