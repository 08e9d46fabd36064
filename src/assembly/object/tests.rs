use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Names and values of an object as this module sees them.
fn seen(text: &str) -> Option<Vec<(String, String)>> {
    let mut object = Object::default();
    object.read(text).then(|| {
        let member = |member: &Member| {
            let name = String::from_utf8(object.name(text, member).to_vec()).unwrap();
            let whole = &text[member.whole.clone()];
            let value = &text[member.value.clone()];
            assert!(whole.starts_with('"') && whole.ends_with(value));
            (name, value.to_owned())
        };
        object.members.iter().map(member).collect()
    })
}

/// The same as `serde_json` sees them; of a name that comes twice, the last one.
fn expected(text: &str) -> Option<BTreeMap<String, String>> {
    let map: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    Some(map.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect())
}

fn check(text: &str) {
    let seen = seen(text);
    let last = seen.map(|members| members.into_iter().collect::<BTreeMap<_, _>>());
    assert_eq!(last, expected(text), "{text:?}");
}

#[test]
fn what_is_an_object_is_what_it_is_to_serde() {
    for text in [
        "{}",
        " \t\r\n{ \n} \r",
        "{\"a\":1}",
        "{\"a\" : 1 , \"b\":[ ] , \"c\":{ }}",
        "{\"a\":[1,[2,{\"b\":{\"c\":null}}],true,false]}",
        "{\"\":\"\"}",
        "{\"a\":1,\"a\":2}",
        r#"{"\u0061\n\/\b\f\r\t\"\\":"\u00e9\ud83d\ude00 😀"}"#,
        r#"{"\ud83d\ude00":1}"#,
        r#"{"\ud83d":1}"#,
        r#"{"\ude00\ud83d":1}"#,
        r#"{"\ud83dx":1}"#,
        r#"{"\ud83d\u0041":1}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":"\u12g4"}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\"#,
        r#"{"a":"b}"#,
        "{\"a\":\"\u{7f}\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":0}",
        "{\"a\":-0}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.1}",
        "{\"a\":1.5e}",
        "{\"a\":1e+5}",
        "{\"a\":1E-05}",
        "{\"a\":1e400}",
        "{\"a\":123456789012345678901234567890}",
        "{\"a\":-1.50000000000000000000000000001e-400}",
        "{\"a\":NaN}",
        "{\"a\":nul}",
        "{\"a\":nulll}",
        "{\"a\":true,}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1}",
        "{\"a\":{\"b\":1]}",
        "{\"a\":{1:2}}",
        "{\"a\":{\"b\"}}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\":1}\u{feff}",
        "\u{feff}{\"a\":1}",
        "{\"a\":1",
        "{\"a\":1,",
        "{",
        "}",
        "",
        " ",
        "[]",
        "[{}]",
        "null",
        "\"a\"",
        "1",
        "{\"a\":/**/1}",
    ] {
        check(text);
        for (at, _) in text.char_indices() {
            check(&text[..at]);
            check(&text[at..]);
        }
    }
}

#[test]
fn nothing_is_nested_deeper_than_a_value_can_be() {
    for depth in [1, 2, 126, 127, 128, 129, 500, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            let times = (depth - 1) / (open.len() / 3 + 1);
            let text = format!("{{\"x\":{}1{}}}", open.repeat(times), close.repeat(times));
            assert_eq!(seen(&text).is_some(), serde_json::from_str::<Value>(&text).is_ok());
        }
        let text = format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(seen(&text).is_some(), serde_json::from_str::<Value>(&text).is_ok());
    }
}

#[test]
fn a_name_that_comes_twice_is_seen_among_few_and_many() {
    for count in [1, 2, COMPARED_MAX, COMPARED_MAX + 1, 500] {
        let members: Vec<_> = (0..count).map(|number| format!("\"a{number}\":1")).collect();
        let mut object = Object::default();
        assert!(object.read(&format!("{{{}}}", members.join(","))));
        assert!(!object.repeats_a_name());
        assert!(object.read(&format!("{{{},\"\\u0061{}\":2}}", members.join(","), count / 2)));
        assert!(object.repeats_a_name());
    }
}

#[test]
fn half_a_surrogate_pair_is_replaced() {
    for (inside, is_whole, expected) in [
        (r"a\u0041\ud83d\ude00", true, "aA😀"),
        (r"\ud83d", false, "\u{fffd}"),
        (r"\ud83d\u0041", false, "\u{fffd}A"),
        (r"\ud83d\ud83d\ude00", false, "\u{fffd}😀"),
        (r"\ude00x", false, "\u{fffd}x"),
        (r"\ufffd", true, "\u{fffd}"),
    ] {
        let mut out = Vec::new();
        assert_eq!(push_unescaped(inside.as_bytes(), &mut out), is_whole, "{inside}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(?s).{0,12}[\"\\\\\u{0}-\u{20}]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("(?s).{0,5}", inner, 0..4)
                .prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

/// What a text of JSON may be damaged with.
const DAMAGE: &str = " \t\n\r{}[]:,\"\\/bfnrtu0123456789aefdDls+-.Ex\u{1}\u{7f}é😀";

proptest! {
    /// For every object, written in either way, its members are those that were put in.
    #[test]
    fn property_members_are_found(
        map in proptest::collection::btree_map("(?s).{0,8}", value(), 0..8), is_pretty in any::<bool>(),
    ) {
        let text = if is_pretty { serde_json::to_string_pretty(&map) } else { serde_json::to_string(&map) };
        let text = text.unwrap();
        let mut back = BTreeMap::new();
        for (name, value) in seen(&text).expect("it is an object") {
            back.insert(name, serde_json::from_str::<Value>(&value).unwrap());
        }
        // A number may be a neighbour when it was read; what is compared is what was written.
        let map: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, map);
    }

    /// For every text that was an object until some characters of it were changed, what is accepted is what `serde_json`
    /// accepts, with the same members.
    #[test]
    fn property_damaged_objects_are_seen_as_by_serde(
        map in proptest::collection::btree_map("[a-c\\\\\"é]{0,3}", value(), 0..4),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), 0..3), 0..4),
    ) {
        let mut text: Vec<char> = serde_json::to_string(&map).unwrap().chars().collect();
        let damage: Vec<char> = DAMAGE.chars().collect();
        for (place, with, how) in changes {
            let at = place.index(text.len());
            match how {
                0 => text[at] = damage[with.index(damage.len())],
                1 => text.insert(at, damage[with.index(damage.len())]),
                _ if text.len() > 1 => drop(text.remove(at)),
                _ => {}
            }
        }
        check(&text.into_iter().collect::<String>());
    }

    /// For every text of the characters of JSON, the same.
    #[test]
    fn property_any_text_is_seen_as_by_serde(inside in "[{}\\[\\]:,\"\\\\u0-9.eE+ tralsn-]{0,16}") {
        check(&inside);
        check(&format!("{{\"a\":{inside}}}"));
        check(&format!("{{\"a\":\"{inside}\"}}"));
        check(&format!("{{{inside}:1}}"));
    }

    /// For every string, what is unescaped is what was escaped.
    #[test]
    fn property_escapes_are_undone(text in "(?s).{0,30}[\"\\\\\u{0}-\u{20}]{0,3}.{0,30}", is_ascii in any::<bool>()) {
        let mut escaped = serde_json::to_string(&text).unwrap();
        if is_ascii {
            escaped.clear();
            for unit in text.encode_utf16() {
                write!(escaped, "\\u{unit:04x}").unwrap();
            }
            escaped = format!("\"{escaped}\"");
        }
        let mut out = Vec::new();
        prop_assert!(push_unescaped(&escaped.as_bytes()[1..escaped.len() - 1], &mut out));
        prop_assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
