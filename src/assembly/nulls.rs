//! JSON without the members of objects that are `null`. Elements of lists stay, or others would take their place.

use super::object::Object;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Levels below which a `null` stays: each is gone through once more.
const DEPTH_MAX: u8 = 32;

/// Returns an object's text without its members that are `null`, but for one of the name `spared`; `object` is what the text
/// was found to be, and then what the new one is. Of a name that comes twice the last counts.
#[must_use]
pub fn without_nulls<'a>(
    text: Cow<'a, str>,
    object: &mut Object,
    spared: Option<&str>,
) -> Cow<'a, str> {
    if !may_have_null(&text) {
        return text;
    }
    let kept = members_without(&text, object, spared, DEPTH_MAX);
    object.read(&kept);
    Cow::Owned(kept)
}

fn may_have_null(text: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), b"null").is_some()
}

fn members_without(text: &str, object: &mut Object, spared: Option<&str>, depth: u8) -> String {
    let repeats = object.repeats_a_name();
    let is_null = |value: &str| value == "null";
    let mut last: BTreeMap<&[u8], bool> = BTreeMap::new();
    if repeats {
        let members = object.members.iter();
        last.extend(members.map(|one| (object.name(text, one), is_null(&text[one.value.clone()]))));
    }
    let mut kept = String::with_capacity(text.len());
    kept.push('{');
    for member in &object.members {
        let (name, value) = (object.name(text, member), &text[member.value.clone()]);
        let is_spared = spared.is_some_and(|spared| spared.as_bytes() == name);
        let is_gone = is_null(value) || last.get(name).is_some_and(|is_null| *is_null);
        if is_gone && !is_spared {
            continue;
        }
        if 1 < kept.len() {
            kept.push(',');
        }
        kept.push_str(&text[member.whole.start..member.value.start]);
        let value = if is_spared { Cow::Borrowed(value) } else { value_without(value, depth - 1) };
        kept.push_str(&value);
    }
    kept.push('}');
    kept
}

fn value_without(text: &str, depth: u8) -> Cow<'_, str> {
    let mut object = Object::default();
    match text.as_bytes().first() {
        _ if depth == 0 || !may_have_null(text) => {}
        Some(b'{') if object.read(text) => {
            return Cow::Owned(members_without(text, &mut object, None, depth));
        }
        Some(b'[') => {
            if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) {
                let elements = elements.iter().map(|one| value_without(one.get(), depth - 1));
                return Cow::Owned(format!("[{}]", elements.collect::<Vec<_>>().join(",")));
            }
        }
        _ => {}
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, spared: Option<&str>) -> String {
        let mut object = Object::default();
        assert!(object.read(text), "{text}");
        let kept = without_nulls(Cow::Borrowed(text), &mut object, spared).into_owned();
        let names: Vec<_> = object.members.iter().map(|one| object.name(&kept, one)).collect();
        assert!(names.iter().all(|name| kept.contains(std::str::from_utf8(name).unwrap())));
        kept
    }

    #[test]
    fn members_that_are_null_are_left_out_at_every_level_and_elements_stay() {
        for (text, kept) in [
            ("{}", "{}"),
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":null,"b":1.50 , "c" : null}"#, r#"{"b":1.50}"#),
            (
                r#"{"b":{"c":null,"d":[null,{"e":null,"f":1.50}],"g":{}}}"#,
                r#"{"b":{"d":[null,{"f":1.50}],"g":{}}}"#,
            ),
            (r#"{"a":"null","null":[[]]}"#, r#"{"a":"null","null":[[]]}"#),
            (r#"{"a":1,"a":null,"b":null,"b":2}"#, r#"{"b":2}"#),
            (r#"{"x":{"a":1,"\u0061":null,"b":null}}"#, r#"{"x":{}}"#),
        ] {
            assert_eq!(without(text, None), kept, "{text}");
        }
    }

    #[test]
    fn one_name_may_be_spared() {
        let text = r#"{"@timestamp" : null,"a":{"@timestamp":null}}"#;
        assert_eq!(without(text, Some("@timestamp")), r#"{"@timestamp" : null,"a":{}}"#);
    }

    #[test]
    fn nulls_below_many_levels_stay() {
        let nested = |levels: usize| {
            let inner = r#"{"b":null}"#;
            format!("{}{inner}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
        };
        let levels = usize::from(DEPTH_MAX);
        assert_eq!(without(&nested(levels), None), nested(levels));
        assert_eq!(
            without(&nested(levels - 1), None),
            nested(levels - 1).replace(r#""b":null"#, "")
        );
        assert_eq!(without(&nested(100), None), nested(100));
    }
}
