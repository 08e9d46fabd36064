//! `dissect`: every part of a tokenizer, and what is wrong with some.

use super::tests::{check, dissect, fault, lines};
use super::*;
use crate::settings::own::{DissectFormat, Trim};

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
        ("%{source.address} %{a}", "::1 x", "source.address=::1 | source.ip=::1 | a=x"),
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
            "`date` is no type ‹%{a|date}› known are `text`, `string`, `keyword`, `long`, `int`, `integer`, \
            `double`, `float`, `boolean`, `bool`, `ip`",
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
