//! Parsers and documents: every line that is not empty becomes one item of valid JSON that holds the line and where it
//! stands, whatever the format and however the lines are cut into chunks.

use super::input::Input;
use shipper::batch::{Batch, BatchBuilder, BatchLimits};
use shipper::document::Shared;
use shipper::pipeline::{Chunk, HOLE_BYTES_MIN, Moment, Pipeline};
use shipper::pool::Pool;
use shipper::position::Epoch;
use shipper::settings::{Format, InputSettings, RegexFormat};
use shipper::wake::Wake;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/var/log/nginx/access.log";

thread_local! {
    static PIPELINES: Vec<(bool, Pipeline)> = pipelines();
}

/// An input of that format.
pub fn input(format: Format, keep_original: bool, message_max_bytes: u64) -> InputSettings {
    InputSettings {
        kind: "log".to_owned(),
        format,
        keep_original,
        message_max_bytes,
        ..InputSettings::default()
    }
}

/// The same process for all.
pub fn shared() -> Shared {
    Shared {
        host_name: "web1".to_owned(),
        document_id: true,
        batch_wide: Some("filebeat-8.19.0".to_owned()),
        ..Shared::default()
    }
}

/// Reads an item: its action line, then its document.
pub fn read_item(item: &[u8]) -> [serde_json::Value; 2] {
    let lines: Vec<&[u8]> = item.split(|byte| *byte == b'\n').collect();
    let [action, document, b""] = lines.as_slice() else { panic!("an item is two lines") };
    [action, document].map(|line| serde_json::from_slice(line).expect("it is JSON"))
}

fn pipelines() -> Vec<(bool, Pipeline)> {
    let regex = RegexFormat {
        pattern: r"^(?<source__address>\S+) (?<log__level>.*?) \[(?<host__zone>[^\]]*)".to_owned(),
        rename: Vec::new(),
    };
    let formats = [
        Format::Raw,
        Format::Auto,
        Format::Common,
        Format::Combined,
        Format::VhostCombined,
        Format::Nginx,
        Format::Regex(regex),
    ];
    let both = formats.into_iter().flat_map(|format| [(format.clone(), true), (format, false)]);
    both.map(|(format, keep)| {
        let input = input(format, keep, 10 << 20);
        (keep, Pipeline::new(&input, &shared()).expect("it is understood"))
    })
    .collect()
}

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (keep_original, pipeline) = PIPELINES.with(|pipelines| {
        let index = usize::from(input.byte()) % pipelines.len();
        pipelines[index].clone()
    });
    let most = usize::from(input.byte()) + 1;
    check_lines(pipeline, keep_original, most, input.0);
}

/// Checks lines, of which the last has no end; batches take at most so many items.
pub fn check_lines(pipeline: Pipeline, keep_original: bool, most: usize, lines: &[u8]) {
    let mut log = lines.to_vec();
    log.push(b'\n');
    let hole = [0; HOLE_BYTES_MIN];
    if log.split(|byte| *byte == b'\n').any(|line| line.starts_with(&hole)) {
        // That is left to the harvester.
        return;
    }
    let whole = run(pipeline.clone(), &log, BatchLimits::default());
    assert_eq!(run(pipeline, &log, BatchLimits { items: most, ..BatchLimits::default() }), whole);

    let mut items = whole.into_iter();
    let mut at = 0;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let content = &line[..line.len() - 1];
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        if !content.is_empty() {
            let [_, document] = read_item(&items.next().expect("one item for each line"));
            assert_eq!(document["log"]["offset"], at);
            match document["message"].as_str() {
                Some(message) => assert_eq!(message, String::from_utf8_lossy(content)),
                None => assert!(!keep_original, "the line is kept"),
            }
        }
        at += line.len();
    }
    assert_eq!(items.next(), None);
}

/// Runs a log through a pipeline, batch by batch; returns its items.
pub fn run(mut pipeline: Pipeline, log: &[u8], limits: BatchLimits) -> Vec<Vec<u8>> {
    let source = pipeline.source(Path::new(PATH), Epoch::from_random([7; 12]));
    let pool = Pool::new(1 << 20);
    let (mut items, mut at) = (Vec::new(), 0);
    while at < log.len() {
        let buffer = pool.try_take(&Arc::new(Wake::default())).expect("the pool has one");
        let mut builder = BatchBuilder::new(buffer, limits);
        let moment = Moment(1_795_234_354_567);
        let chunk = Chunk { bytes: &log[at..], at: at as u64, cuts: &[] };
        let consumed = pipeline.run_chunk(&source, chunk, moment, &mut builder);
        let batch: Batch = builder.seal();
        items.extend((0..batch.items()).map(|item| batch.item(item).to_vec()));
        assert!(0 < consumed.bytes, "it goes on");
        at += consumed.bytes;
    }
    items
}
