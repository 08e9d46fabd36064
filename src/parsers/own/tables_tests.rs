//! `csv` and `kv`: rows and pairs, and what is wrong with descriptions of them.

use super::tests::{check, csv, dissect, fault, kv, lines};
use super::*;
use crate::event::Kind;
use crate::settings::own::{CsvFormat, Header, KvFormat, ValueType};

#[test]
fn rows_become_fields() {
    let usual = csv(&["a", "", "c"]);
    let trimmed = CsvFormat { trim_leading_space: true, ..usual.clone() };
    let both = CsvFormat { trim: true, ..usual.clone() };
    let address = csv(&["source.address", "c"]);
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
        (&both, " 1 ,2, \"3 \"\t", "a=1 | c=3 "),
        (&both, " 1 2 , \t ,\"3\" x ", "a=1 2 | c=3 x "),
        (&address, "192.0.2.7,x", "source.address=192.0.2.7 | source.ip=192.0.2.7 | c=x"),
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
    let stripped = KvFormat {
        trim_key: "<>".to_owned(),
        trim_value: ",".to_owned(),
        strip_brackets: true,
        ..kv(&["a", "b", "source.address"])
    };
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
        (&stripped, "<a>=[1], <b=(x) y=1", "a=1 | b=x | +="),
        (&stripped, "a=<> b=[x", "b=[x"),
        (&stripped, "a=(x] source.address=[::1]", "source.address=::1 | source.ip=::1 | a=(x]"),
        (
            &usual,
            "level='a b' n='it''s' message='it\\'s \"x\"'",
            "level=a b | n='it''s' | message=it's \"x\"",
        ),
        (&usual, "level='open n=1", "level='open | n=1"),
        (&wide, "a: 1, b: x, y", "a=1 | b=x | +="),
    ] {
        check(&mut lines(How::Kv(format.clone())), &[(line, expected)]);
    }
}

#[test]
fn fields_of_ecs_have_their_types() {
    let columns = ["client.ip", "server.port", "event.duration", "tls.resumed", "process.pid"];
    check(
        &mut lines(How::Csv(csv(&columns))),
        &[
            (
                "::1,0443,7,TRUE,-",
                "client.ip=::1 | server.port=443 | event.duration=7 | tls.resumed=true",
            ),
            ("web,443,0.5,no,7", "server.port=443 | process.pid=7 | +="),
            ("::1,https,9999999999999999999,,", "client.ip=::1 | +="),
        ],
    );
    let parser = lines(How::Csv(csv(&columns)));
    let kinds: Vec<Kind> = parser.extras().iter().map(|extra| extra.kind).collect();
    assert_eq!(kinds, [Kind::Text, Kind::Raw, Kind::Raw, Kind::Raw, Kind::Raw]);
    let typed = |name: &str, value| {
        let types = vec![(name.to_owned(), value)];
        How::Kv(KvFormat { types, ..kv(&[name]) })
    };
    let mut risk = lines(typed("event.risk_score", ValueType::Integer));
    check(&mut risk, &[("event.risk_score=7", "event.risk_score=7")]);
    let hint = "‹› give it one type, its own or none";
    for (name, value, expected) in [
        ("client.ip", ValueType::Integer, "is an IP address and cannot be of the type `long`"),
        ("server.port", ValueType::Float, "is a whole number and cannot be of the type `double`"),
        ("tls.resumed", ValueType::Ip, "is `true` or `false` and cannot be of the type `ip`"),
        ("user.name", ValueType::Integer, "is a text and cannot be of the type `long`"),
        ("timestamp", ValueType::Integer, "is the event's time and cannot be of the type `long`"),
    ] {
        let seen = fault(&OwnFormat::new(typed(name, value)));
        assert_eq!(seen, format!("`{name}` {expected} {hint}"));
    }
    let others = KvFormat { others: Some("host.ip".to_owned()), ..kv(&["a"]) };
    assert!(fault(&OwnFormat::new(How::Kv(others))).starts_with("`host.ip` is no list"));
}

#[test]
fn names_of_metadata_are_refused() {
    let rename = "`rename` gives a field another name: `rename: {agent: user_agent.original}`";
    for (how, name, shown) in [
        (How::Csv(csv(&["a", "_id"])), "_id", ""),
        (dissect("%{_index} %{a}"), "_index", "%{_index}"),
        (How::Kv(kv(&["_source.a"])), "_source.a", ""),
        (How::Kv(KvFormat { others: Some("_routing".to_owned()), ..kv(&["a"]) }), "_routing", ""),
    ] {
        let expected = format!(
            "`{name}` is metadata of the server, which takes it in no document ‹{shown}› {rename}"
        );
        assert_eq!(fault(&OwnFormat::new(how)), expected);
    }
    let renamed = vec![("_id".to_owned(), "app.id".to_owned())];
    let format = OwnFormat { rename: renamed, ..OwnFormat::new(How::Csv(csv(&["_id"]))) };
    check(&mut OwnLines::new(&format).unwrap(), &[("7", "app.id=7")]);
}

#[test]
fn columns_and_keys_that_are_renamed_alike_are_refused() {
    let rename = vec![("b".to_owned(), "a".to_owned())];
    for (how, expected) in [
        (
            How::Csv(csv(&["a", "b"])),
            "`b` is the field of another column as well ‹› give each column a field of its own",
        ),
        (
            dissect("%{a} %{b}"),
            "`b` is the field of another key as well ‹%{b}› give each key a field of its own",
        ),
    ] {
        assert_eq!(fault(&OwnFormat { rename: rename.clone(), ..OwnFormat::new(how) }), expected);
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
            column ‹› there are `a`"
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
            How::Kv(KvFormat { types: typed, ..kv(&["agent.x", "level"]) }),
            "`types` has `x`, which is no field ‹› there \
            are `agent.x`, `level`"
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
            How::Kv(KvFormat { others: Some("a".to_owned()), ..kv(&["a"]) }),
            format!("`a` is the name of two fields ‹› {rename}"),
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
