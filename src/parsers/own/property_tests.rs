//! What holds for all lines and all formats of operators.

use super::tests::{csv, dissect, fields_of, grok, kv, lines};
use super::*;
use crate::settings::own::{CsvFormat, DissectFormat, KvFormat, Trim, ValueType};
use proptest::prelude::*;

/// Text that is almost what the formats here expect, or anything.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const TEXTS: &[&str] = &[
        "a",
        "bc",
        "7",
        "-",
        ",",
        ";",
        " ",
        "=",
        "\"",
        "\"\"",
        "\\",
        "\\\"",
        "\\u00e4",
        "\\ud83d",
        "ä",
        "€",
        "192.0.2.7",
        "::1",
        "2026-11-21 03:20:13",
        "[",
        "]",
        "true",
        "1e9",
        "%",
        "{",
        "}",
        "a=",
        "b=\"",
    ];
    prop_oneof![
        8 => proptest::sample::select(TEXTS).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

/// One of each kind, with all types and all that is put together.
fn some() -> impl Strategy<Value = OwnLines> {
    let types = || vec![("a".to_owned(), ValueType::Integer), ("b".to_owned(), ValueType::Float)];
    let csv =
        CsvFormat { types: types(), trim_leading_space: true, ..csv(&["a", "b", "@timestamp"]) };
    let kv = KvFormat {
        types: types(),
        others: Some("kv.others".to_owned()),
        trim_value: "[]".to_owned(),
        ..kv(&["a", "b", "message", "source.ip"])
    };
    let tokenizer = "%{+m},%{a|integer}=%{b->} %{+m}\"%{c#2}%{d|boolean}";
    let dissect = DissectFormat {
        tokenizer: tokenizer.to_owned(),
        trim_values: Trim::All,
        trim_chars: " ä€".to_owned(),
    };
    let pattern =
        "(?<x>.)%{INT:a:int}|%{QS:q}%{DATA:m}%{IP:source.ip}|%{WORD:w} %{GREEDYDATA:message}";
    proptest::sample::select(vec![
        lines(How::Csv(csv)),
        lines(How::Kv(kv)),
        lines(How::Dissect(dissect)),
        lines(grok(pattern, &[])),
    ])
}

/// A tokenizer's texts between keys: some are one byte, some are more, some are in values as well.
fn between() -> impl Strategy<Value = String> {
    proptest::sample::select(&[" ", ",", "=", "\"", ", ", "] [", "aa", "ä", " - "][..])
        .prop_map(str::to_owned)
}

proptest! {
    /// For every line, no format panics, and what it says of a line that is UTF-8 is UTF-8.
    #[test]
    fn property_any_line_is_read_without_panics(mut parser in some(), line in line()) {
        let seen = fields_of(&mut parser, &line);
        if std::str::from_utf8(&line).is_ok() {
            let has_fault = seen.unwrap_or_default().contains(char::REPLACEMENT_CHARACTER);
            prop_assert!(!has_fault || line.contains(&b'u'));
        }
    }

    /// For every tokenizer without modifiers, the values are those of an expression that is made of the same texts.
    #[test]
    fn property_dissect_agrees_with_a_regex(
        first in proptest::sample::select(&["", "<", "a "][..]),
        between in proptest::collection::vec(between(), 0..4),
        last in proptest::sample::select(&["", "]", " end"][..]),
        values in proptest::collection::vec("[ a,=äx\\-\"\\[\\]]{0,6}", 5),
        cut in 0_usize..40,
    ) {
        let (mut tokenizer, mut pattern) = (first.to_owned(), format!("^{}", regex::escape(first)));
        let mut line = first.to_owned();
        for number in 0..=between.len() {
            let is_last = number == between.len();
            let text = if is_last { last } else { &between[number] };
            tokenizer.push_str(&format!("%{{k{number}}}{text}"));
            let value = if is_last && last.is_empty() { "(.*)$" } else { "(.*?)" };
            pattern.push_str(&format!("{value}{}", regex::escape(text)));
            line.push_str(&values[number]);
            line.push_str(text);
        }
        if cut < line.len() && line.is_char_boundary(cut) && cut % 3 == 0 {
            line.truncate(cut);
        }
        let expected = regex::Regex::new(&pattern).unwrap().captures(&line).map(|found| {
            let values = found.iter().skip(1).flatten().map(|value| value.as_str()).enumerate();
            let there = values.filter(|(_, value)| !matches!(*value, "" | "-"));
            let mut all: Vec<String> =
                there.map(|(number, value)| format!("k{number}={value}")).collect();
            if found.get(0).unwrap().end() < line.len() || all.is_empty() {
                all.push("+=".to_owned());
            }
            all.join(" | ")
        });
        let mut parser = lines(dissect(&tokenizer));
        prop_assert_eq!(fields_of(&mut parser, line.as_bytes()), expected, "{} {}", tokenizer, line);
    }

    /// For every row, what was written is read.
    #[test]
    fn property_rows_are_read_as_they_were_written(
        values in proptest::collection::vec("[ a,\"ä\\n]{0,6}", 3), quotes in any::<[bool; 3]>(),
    ) {
        let written = values.iter().zip(quotes).map(|(value, quoted)| {
            if quoted || value.starts_with('"') || value.contains(',') {
                format!("\"{}\"", value.replace('"', "\"\""))
            } else {
                value.clone()
            }
        });
        let line = written.collect::<Vec<_>>().join(",");
        let there = values.iter().enumerate().filter(|(_, value)| !value.is_empty());
        let mut expected: Vec<String> =
            there.map(|(number, value)| format!("{}={value}", ["a", "b", "c"][number])).collect();
        if expected.is_empty() {
            expected.push("+=".to_owned());
        }
        let seen = fields_of(&mut lines(How::Csv(csv(&["a", "b", "c"]))), line.as_bytes());
        prop_assert_eq!(seen, Some(expected.join(" | ")), "{}", line);
    }

    /// For every line that is no open row, another library reads the same values.
    #[test]
    fn property_rows_agree_with_another_library(
        pieces in proptest::collection::vec(
            proptest::sample::select(&["\"", "\"\"", ",", "a", " ", "ä", "\",", ",\""][..]), 1..12),
    ) {
        let line = pieces.concat();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true)
            .terminator(::csv::Terminator::Any(b'\n')).from_reader(line.as_bytes());
        let record = reader.byte_records().next().unwrap().unwrap();
        let names: Vec<String> = (0..12).map(|number| format!("k{number:02}")).collect();
        let values = names.iter().zip(&record).filter(|(_, value)| !value.is_empty());
        let mut expected: Vec<String> =
            values.map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
        if 12 < record.len() || expected.is_empty() {
            expected.push("+=".to_owned());
        }
        if let Some(seen) = fields_of(&mut lines(How::Csv(CsvFormat::new(names))), line.as_bytes()) {
            prop_assert_eq!(seen, expected.join(" | "), "{}", line);
        } else {
            let closed = format!("{line}\"");
            let mut parser = lines(How::Csv(csv(&["a"])));
            prop_assert!(fields_of(&mut parser, closed.as_bytes()).is_some(), "{}", line);
        }
    }

    /// For every pairs, what was written is read, whatever their order.
    #[test]
    fn property_pairs_are_read_as_they_were_written(
        values in proptest::collection::vec("[ a=\"\\\\ä\\n]{1,6}", 3), turned in any::<bool>(),
    ) {
        let names = ["a", "b", "c"];
        let mut written: Vec<String> = names.iter().zip(&values).map(|(name, value)| {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{name}=\"{escaped}\"")
        }).collect();
        if turned {
            written.reverse();
        }
        let line = written.join("  ");
        let expected: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
        let seen = fields_of(&mut lines(How::Kv(kv(&names))), line.as_bytes());
        prop_assert_eq!(seen, Some(expected.join(" | ")), "{}", line);
    }
}
