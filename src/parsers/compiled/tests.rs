//! What is refused and what is not understood; tables of directives lie beside this file.

use super::*;
use crate::event::{Field, Kind};
use crate::scan::look;

pub(super) fn format(server: WebServer, text: &str) -> ServerFormat {
    let (escape, text) = match text.split_once(' ') {
        Some(("escape=json", text)) => (Escape::Json, text),
        Some(("escape=none", text)) => (Escape::None, text),
        _ => (Escape::Default, text),
    };
    ServerFormat { server, text: text.to_owned(), escape }
}

fn begin(event: &mut EventBuf, line: &[u8]) {
    let look = look(line);
    let known = if std::str::from_utf8(line).is_err() {
        LineText::Broken
    } else if look.is_plain {
        LineText::Plain
    } else {
        LineText::Valid
    };
    event.begin(known, look.quotes);
}

/// Reads a line into `name=value`, sorted; `@timestamp` and `+residue` among them.
pub(super) fn fields(parser: &mut dyn LineParser, line: &[u8]) -> Option<Vec<String>> {
    let mut event = EventBuf::with_extras(parser.extras().len());
    begin(&mut event, line);
    if parser.parse(line, &mut event) == Parsed::Unrecognised {
        return None;
    }
    let text = |span: Span| String::from_utf8_lossy(event.bytes(line, span)).into_owned();
    let mut all = Vec::new();
    for field in Field::ALL {
        if let Some(span) = event.get(*field) {
            let constant = field.constant().trim_matches('"');
            let value = if constant.is_empty() { text(span) } else { constant.to_owned() };
            all.push(format!("{}={value}", field.name()));
        }
    }
    for (number, extra) in parser.extras().iter().enumerate() {
        if let Some(span) = event.extra(number) {
            if extra.kind == Kind::Raw {
                serde_json::from_str::<serde_json::Value>(&text(span)).expect("it is JSON");
            }
            all.push(format!("{}={}", extra.name, text(span)));
        }
    }
    if let Some(time) = event.timestamp() {
        all.push(format!("@timestamp={}", String::from_utf8_lossy(time)));
    }
    if event.has_residue() {
        all.push("+residue".to_owned());
    }
    all.sort();
    Some(all)
}

/// Checks that a line of a format has these fields, each `name=value`, and no other.
pub(super) fn check(server: WebServer, text: &str, line: &str, expected: &[&str]) {
    let mut parser = Compiled::new(&format(server, text)).expect("a format");
    let seen = fields(&mut parser, line.as_bytes());
    let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    assert_eq!(seen, Some(expected), "`{text}` of `{line}`");
}
#[test]
fn what_cannot_be_split_is_refused_with_its_place() {
    use WebServer::{Apache, Nginx};
    for (server, text, spot, message) in [
        (
            Apache,
            "%t %h%l %u",
            "%h%l",
            "nothing stands between `%h` and `%l`, so nobody can tell where one ends",
        ),
        (
            Apache,
            "%r%>s",
            "%r%>s",
            "nothing stands between `%r` and `%>s`, so nobody can tell where one ends",
        ),
        (Apache, "%h %y", "%y", "Apache has no directive `%y`"),
        (Apache, "%h %^zz", "%^zz", "Apache has no directive `%^zz`"),
        (Apache, "%h %ä", "%ä", "Apache has no directive `%ä`"),
        (Apache, "%h %{User-Agent", "{", "the brace of `%{User-Agent` is not closed"),
        (Apache, "%h 5%", "%", "`%` ends within a directive"),
        (Apache, "%h %i", "%i", "`%i` does not say of what"),
        (Apache, "%{days}T", "%{days}T", "`days` is nothing that this directive knows"),
        (Apache, "%{x}p", "%{x}p", "`x` is nothing that this directive knows"),
        (Apache, "%{x}P", "%{x}P", "`x` is nothing that this directive knows"),
        (Apache, "%{%H:%Q}t", "%Q", "strftime has no such conversion"),
        (Apache, "%{begin:%H:%Q}t", "%Q", "strftime has no such conversion"),
        (Apache, "%!200,302{%H:%Q}t", "%Q", "strftime has no such conversion"),
        (Apache, "ä %!{d %Ä}t", "%Ä", "strftime has no such conversion"),
        (Apache, "%h\\n%s", "\\n", "a line end within a format makes several lines of one request"),
        (Apache, "%h\n%s", "\n", "a line end within a format makes several lines of one request"),
        (Nginx, "$a\n$b", "\n", "a line end within a format makes several lines of one request"),
        (Nginx, "$a\\n$b", "\\n", "a line end within a format makes several lines of one request"),
        (Apache, "hello", "", "the format has no directive"),
        (
            Nginx,
            "$a $status$request",
            "$status$request",
            "nothing stands between `$status` and `$request`, so nobody can tell where one ends",
        ),
        (Nginx, "a ${status", "{", "the brace of `${status` is not closed"),
        (Nginx, "a $ b", "$", "a dollar sign without the name of a variable"),
        (Nginx, "a ${} b", "${}", "a dollar sign without the name of a variable"),
        (Nginx, "", "", "the format has no directive"),
    ] {
        let fault = Compiled::new(&format(server, text)).expect_err(text);
        assert_eq!((&text[fault.range.clone()], fault.message.as_str()), (spot, message), "{text}");
        assert!(!fault.hint.is_empty(), "{text}");
    }
    let many: Vec<String> = (0..65).map(|number| format!("$v{number}")).collect();
    let fault = Compiled::new(&format(Nginx, &many.join(" "))).expect_err("too many");
    assert_eq!(fault.message, "65 fields are more than the 64 of a format");
}

#[test]
fn formats_of_access_lines_are_known_again() {
    use WebServer::{Apache, Nginx};
    let nicknamed = |name: &str| nicknamed(name).expect("it is known");
    for (server, text, expected) in [
        (Apache, nicknamed("common"), Some(Shape::Common)),
        (Apache, nicknamed("combined"), Some(Shape::Combined)),
        (Apache, nicknamed("vhost_combined"), Some(Shape::VhostCombined)),
        (
            Apache,
            r#"%a %l %u %t \"%r\" %s %O \"%{referer}i\" \"%{user-agent}i\""#,
            Some(Shape::Combined),
        ),
        (Apache, nicknamed("combinedio"), None),
        (
            Nginx,
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#,
            Some(Shape::Combined),
        ),
        (
            Nginx,
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#,
            Some(Shape::Common),
        ),
        (
            Nginx,
            r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent"#,
            None,
        ),
    ] {
        let compiled = Compiled::new(&format(server, text)).expect(text);
        assert_eq!(compiled.shape(), expected, "{text}");
    }
}

#[test]
fn lines_of_other_formats_are_not_understood() {
    for (server, text, line) in [
        (WebServer::Apache, "%h %>s", "192.0.2.7 200 x"),
        (WebServer::Apache, "%h %>s", "192.0.2.7"),
        (WebServer::Apache, "%h %>s|", "192.0.2.7 200"),
        (WebServer::Apache, "%t", "[99/Nov/2026:03:20:13 +0100]"),
        (WebServer::Apache, "%{sec}t", "99999999999999999"),
        (WebServer::Apache, "%{msec}t", "99999999999999999"),
        (WebServer::Nginx, "$msec", "99999999999999999.999"),
        (WebServer::Apache, "%t", "[21/Nov/2026:03:20:13 +0100"),
        (WebServer::Apache, "\"%r\" %s", "\"GET / HTTP/1.1 200"),
        (WebServer::Nginx, "$status $pipe", "200 "),
        (WebServer::Nginx, "$host$request_uri", "web.example"),
    ] {
        let mut parser = Compiled::new(&format(server, text)).expect(text);
        assert_eq!(fields(&mut parser, line.as_bytes()), None, "{text}: {line}");
    }
}

#[test]
fn a_line_of_ends_without_end_is_given_up() {
    let mut parser = Compiled::new(&format(WebServer::Nginx, "$http_a $status")).expect("a format");
    let line = "x ".repeat(100_000) + "200";
    assert_eq!(fields(&mut parser, line.as_bytes()), None);
}

#[test]
fn a_time_that_is_none_is_none_however_often_it_comes() {
    let text = "%{%F %T}t %{%z}t";
    let mut parser = Compiled::new(&format(WebServer::Apache, text)).expect("a format");
    let line = |day: &str, zone: &str| format!("{day} 03:20:13 {zone}");
    for (line, expected) in [
        (line("2026-02-28", "+0000"), Some("@timestamp=2026-02-28T03:20:13.000Z")),
        (line("2026-02-30", "+0000"), None),
        (line("2026-02-30", "+0000"), None),
        (line("2026-02-28", "+9900"), None),
        (line("2026-02-28", "+9900"), None),
        (line("2026-02-28", "+0100"), Some("@timestamp=2026-02-28T02:20:13.000Z")),
    ] {
        let seen = fields(&mut parser, line.as_bytes());
        assert_eq!(seen, expected.map(|time| vec![time.to_owned()]), "{line}");
    }
}

#[test]
fn no_two_fields_of_a_format_have_one_name() {
    check(
        WebServer::Nginx,
        "$cookies $cookies_value $cookie_a",
        "a b c",
        &[
            "nginx.access.cookies.a=c",
            "nginx.access.cookies_value=b",
            "nginx.access.cookies_value_value=a",
        ],
    );
}

#[test]
fn variables_that_nginx_has_not_are_known() {
    let own = |server, text: &str| -> Vec<String> {
        let compiled = Compiled::new(&format(server, text)).expect(text);
        compiled.own_variables().map(str::to_owned).collect()
    };
    let text = "$remote_adr ${tenant} $STATUS $1 $arg_x $http_referrer $http_x_forwarded_for \
                $sent_http_any $uri$is_args$args $upstream_reponse_time";
    assert_eq!(
        own(WebServer::Nginx, text),
        ["remote_adr", "tenant", "http_referrer", "upstream_reponse_time"]
    );
    assert_eq!(own(WebServer::Apache, "%h $x %s"), [""; 0]);
}

#[test]
fn lists_are_taken_apart_in_one_pass() {
    let parts = |text: &str| -> Vec<String> {
        let parts = values::parts(text.as_bytes());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    };
    for (text, expected) in [
        ("", &[][..]),
        ("a", &["a"]),
        ("a, b : c,-,, d", &["a", "b", "c", "d"]),
        ("[::1]:80 : unix:/x", &["[::1]:80", "unix:/x"]),
        (" : a:b :c", &["a:b :c"]),
        (":", &[":"]),
        ("a :", &["a :"]),
    ] {
        assert_eq!(parts(text), expected, "{text}");
    }
    assert_eq!(parts(&", : :".repeat(200_000)).len(), 200_000);
}
