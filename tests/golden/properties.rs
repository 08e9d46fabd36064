//! What holds for every input.

use super::rig::{self, NOW, batch, epoch, input, read_item, run, shared};
use proptest::prelude::*;
use shipper::batch::{Batch, BatchLimits, Fit};
use shipper::document::item::{Flags, Place};
use shipper::pipeline::{Pipeline, Stop};
use shipper::pool::Pool;
use shipper::settings::own::{
    CsvFormat, DissectFormat, GrokFormat, How, KvFormat, OwnFormat, Trim, ValueType,
};
use shipper::settings::{FieldsSettings, Format, InputSettings, RegexFormat};
use shipper::wake::Wake;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/var/log/nginx/access.log";

/// Pieces of which access lines are made, good and bad ones, so that many lines are almost right.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const TEXTS: &[&str] = &[
        "192.0.2.7",
        "2001:db8::1",
        "host.example",
        "www.example.org:80 ",
        " - - [",
        " - frank [",
        " ",
        "10/Oct/2026:13:55:36 +0000",
        "29/Feb/2027:00:00:00 +0000",
        "] \"",
        "\"",
        "\\\"",
        "\\",
        "\\x41",
        "GET /a/b.html?q=%20#f HTTP/1.1",
        "POST http://h:1/ HTTP/2",
        "-",
        "\" 200 5",
        "\" 404 - \"",
        "\" \"",
        "%",
        "%e2%82%ac",
        "\r",
        "\u{2028}",
        "ä",
    ];
    prop_oneof![
        8 => proptest::sample::select(TEXTS).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ]
}

/// A line without its end: near an access line, or anything.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let good =
        (piece(), piece(), piece(), 0_usize..4).prop_map(|(request, referrer, agent, spoil)| {
            let mut line = b"192.0.2.7 - - [10/Oct/2026:13:55:36 +0000] \"GET /".to_vec();
            line.extend_from_slice(&request);
            line.extend_from_slice(b" HTTP/1.1\" 200 5 \"");
            line.extend_from_slice(&referrer);
            line.extend_from_slice(b"\" \"");
            line.extend_from_slice(&agent);
            if spoil != 0 {
                line.push(b'"');
            }
            line
        });
    let any_pieces = proptest::collection::vec(piece(), 0..14).prop_map(|pieces| pieces.concat());
    prop_oneof![good, any_pieces].prop_map(|mut line| {
        line.retain(|byte| *byte != b'\n');
        line
    })
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(line(), 1..30)
}

fn own(how: How) -> Format {
    Format::Own(Box::new(OwnFormat::new(how)))
}

fn inputs() -> impl Strategy<Value = InputSettings> {
    let formats = vec![
        Format::Raw,
        Format::Auto,
        Format::Common,
        Format::Combined,
        Format::VhostCombined,
        Format::Nginx,
        own(How::Grok(GrokFormat {
            patterns: vec![
                "%{IPORHOST:source.ip} (?<log.level>.*?) \\[%{DATA:a:int}\\]|%{QS:url.path}"
                    .to_owned(),
            ],
            definitions: Vec::new(),
        })),
        own(How::Dissect(DissectFormat {
            tokenizer: "%{source.ip} %{+a} %{+a}[%{@timestamp}%".to_owned(),
            trim_values: Trim::All,
            trim_chars: " ä".to_owned(),
        })),
        own(How::Csv(CsvFormat {
            separator: b' ',
            types: vec![("url.port".to_owned(), ValueType::Integer)],
            ..CsvFormat::new(["source.ip", "url.port", "b"].map(str::to_owned).to_vec())
        })),
        own(How::Kv(KvFormat {
            value_split: ".".to_owned(),
            others: Some("log.others".to_owned()),
            ..KvFormat::new(vec![("www".to_owned(), "event.x".to_owned())])
        })),
        Format::Regex(RegexFormat {
            pattern: r"^(?<source__address>\S+) (?<log__level>.*?) \[(?<host__zone>[^\]]*)"
                .to_owned(),
            rename: Vec::new(),
        }),
    ];
    let fields = FieldsSettings {
        json_object: r#"{"url":{"port":"x"},"event":{"created":1,"x":2},"log":{"z":1}}"#.to_owned(),
        under_root: true,
    };
    let fields = prop_oneof![Just(None), Just(Some(fields))];
    (proptest::sample::select(formats), any::<bool>(), fields).prop_map(
        |(format, keep_original, fields)| InputSettings { keep_original, fields, ..input(format) },
    )
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
}

fn items(batches: &[Batch]) -> Vec<Vec<u8>> {
    let items =
        batches.iter().flat_map(|batch| (0..batch.items()).map(|item| batch.item(item).to_vec()));
    items.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// For every lines and settings: nothing panics, every line that is not empty becomes exactly one item, each is
    /// JSON without a key twice, its message is the line, its offset and id are where the line stands.
    #[test]
    fn property_every_line_becomes_one_document(input in inputs(), lines in lines()) {
        let log = joined(&lines);
        let mut pipeline = Pipeline::new(&input, &shared()).unwrap();
        let (batches, consumed) = run(&mut pipeline, PATH, &log, BatchLimits::default());
        prop_assert_eq!(consumed.bytes, log.len());
        let mut items = items(&batches).into_iter();
        let (mut at, mut ids) = (0, HashSet::new());
        for line in &lines {
            let content = line.strip_suffix(b"\r").unwrap_or(line);
            if !content.is_empty() {
                let (action, document) = read_item(&items.next().expect("one item for each line"));
                prop_assert!(ids.insert(action["create"]["_id"].to_string()));
                prop_assert_eq!(&document["log"]["offset"], &serde_json::json!(at));
                if let Some(message) = document.get("message") {
                    prop_assert_eq!(message.as_str(), Some(&*String::from_utf8_lossy(content)));
                } else {
                    prop_assert!(!input.keep_original);
                }
            }
            at += line.len() + 1;
        }
        prop_assert_eq!(items.next(), None);
    }

    /// For every lines and every way to cut them into chunks and batches, the items are the same.
    #[test]
    fn property_items_do_not_depend_on_chunks_and_batches(
        input in inputs(), lines in lines(), cuts in proptest::collection::vec(1_usize..8, 1..30),
        bytes in 3000_usize..20_000, most in 1_usize..9,
    ) {
        let log = joined(&lines);
        let mut pipeline = Pipeline::new(&input, &shared()).unwrap();
        let (whole, _) = run(&mut pipeline, PATH, &log, BatchLimits::default());
        let limits = BatchLimits { bytes, items: most };
        let source = pipeline.source(Path::new(PATH), epoch());
        let (mut parts, mut at, mut left) = (Vec::new(), 0, lines.as_slice());
        for cut in cuts.iter().cycle() {
            let (now, later) = left.split_at((*cut).min(left.len()));
            let chunk = joined(now);
            let mut done = 0;
            while done < chunk.len() {
                let mut builder = batch(limits);
                let start = (at + done) as u64;
                let consumed =
                    pipeline.run_chunk(&source, rig::chunk(&chunk[done..], start), NOW, &mut builder);
                prop_assert!(0 < consumed.bytes, "a line of this length fits an empty batch");
                prop_assert_eq!(consumed.stop == Stop::Full, done + consumed.bytes < chunk.len());
                done += consumed.bytes;
                let sealed = builder.seal();
                prop_assert!(sealed.buffer.bytes().len() <= bytes && sealed.items() <= most);
                parts.push(sealed);
            }
            at += chunk.len();
            left = later;
            if left.is_empty() {
                break;
            }
        }
        prop_assert_eq!(items(&parts), items(&whole));
    }

    /// For every line and every way to cut it into pieces, the item is that of the whole line, `message` alone.
    #[test]
    fn property_a_line_in_pieces_is_the_line(
        line in line(), cuts in proptest::collection::vec(1_usize..9, 1..20), truncated in any::<bool>(),
        (format, dataset) in prop_oneof![
            Just((Format::Raw, None)),
            Just((Format::Auto, None)),
            Just((Format::Nginx, Some("nginx.access"))),
            Just((Format::Known("haproxy"), Some("haproxy.log"))),
        ],
    ) {
        let input = input(format);
        let mut pipeline = Pipeline::new(&input, &shared()).unwrap();
        let source = pipeline.source(Path::new(PATH), epoch());
        let buffer = Pool::new(2 << 20).try_take_jumbo(2 << 20, &Arc::new(Wake::default()));
        let mut builder = shipper::batch::BatchBuilder::new(buffer.unwrap(), BatchLimits::default());
        let flags = Flags { is_truncated: truncated, is_multiline: false };
        let place = Place { start: 5, raw_length: 99, length: 0, flags };
        pipeline.begin_jumbo(&source, place, NOW, &mut builder);
        let mut rest = line.as_slice();
        for cut in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pipeline.push_jumbo(piece, &mut builder);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(pipeline.end_jumbo(&mut builder), Fit::Fitted);
        let sealed = builder.seal();
        let (action, document) = read_item(sealed.item(0));
        prop_assert_eq!(&action["create"]["_id"], "Z29sZGVuLWVwb2No.F.Bj");
        let message = document["message"].as_str().unwrap();
        let whole = String::from_utf8_lossy(&line);
        if truncated {
            // At most three bytes are the beginning of a character, or each a fault of its own.
            prop_assert!(whole.starts_with(message) && whole.len() - message.len() <= 9);
            prop_assert_eq!(&document["log"]["flags"], &serde_json::json!(["truncated"]));
        } else {
            prop_assert_eq!(message, whole);
        }
        prop_assert_eq!(&document["log"]["file"]["path"], PATH);
        prop_assert_eq!(document["event"]["dataset"].as_str(), dataset);
    }
}

#[test]
fn line_of_one_mebibyte_is_one_item_of_a_jumbo_batch_and_none_of_an_ordinary_one() {
    let mut log = vec![b'a'; 1 << 20];
    log.push(b'\n');
    let mut pipeline = Pipeline::new(&input(Format::Auto), &shared()).unwrap();
    let source = pipeline.source(Path::new(PATH), epoch());
    let mut ordinary = batch(BatchLimits::default());
    let consumed = pipeline.run_chunk(&source, rig::chunk(&log, 0), NOW, &mut ordinary);
    assert_eq!((consumed.bytes, consumed.stop, ordinary.items()), (0, Stop::Full, 0));
    let half = vec![b'"'; 500_000];
    let mut log = half.clone();
    log.push(b'\n');
    assert_eq!(pipeline.run_chunk(&source, rig::chunk(&log, 0), NOW, &mut ordinary).events, 1);
    let sealed = ordinary.seal();
    let (_, document) = read_item(sealed.item(0));
    assert_eq!(document["message"].as_str().map(str::as_bytes), Some(half.as_slice()));
}

#[test]
fn line_longer_than_the_limit_is_left_to_the_caller() {
    let input = InputSettings { message_max_bytes: 5, ..input(Format::Raw) };
    let mut pipeline = Pipeline::new(&input, &shared()).unwrap();
    let (batches, consumed) =
        run(&mut pipeline, PATH, b"12345\r\n123456\n1\n", BatchLimits::default());
    assert_eq!((consumed.bytes, consumed.stop, batches[0].items()), (7, Stop::Large, 1));
}
