//! A pipeline over given bytes, and JSON read as strictly as Elasticsearch does it.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use shipper::batch::{Batch, BatchBuilder, BatchLimits};
use shipper::document::Shared;
use shipper::pipeline::{Chunk, Consumed, Moment, Pipeline, Stop};
use shipper::pool::Pool;
use shipper::position::Epoch;
use shipper::settings::{Format, InputSettings};
use shipper::wake::Wake;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// 2026-11-21T04:12:34.567Z.
pub(crate) const NOW: Moment = Moment(1_795_234_354_567);

/// An input as an operator gets it who sets only a format.
pub(crate) fn input(format: Format) -> InputSettings {
    InputSettings { kind: "log".to_owned(), format, ..InputSettings::default() }
}

/// A process whose documents all go to the data stream of Filebeat.
pub(crate) fn shared() -> Shared {
    Shared {
        host_name: "web1".to_owned(),
        agent_id: "5b0c4d5e-6a2f-4f4e-9d0a-0123456789ab".to_owned(),
        ephemeral_id: "0f9e8d7c-1b2a-4c3d-8e4f-ba9876543210".to_owned(),
        document_id: true,
        index: None,
        batch_wide: Some("filebeat-8.19.0".to_owned()),
        ..Shared::default()
    }
}

/// The epoch of every file here.
pub(crate) fn epoch() -> Epoch {
    Epoch::from_random(*b"golden-epoch")
}

/// A batch in a buffer of its own.
pub(crate) fn batch(limits: BatchLimits) -> BatchBuilder {
    let buffer = Pool::new(2 << 20).try_take(&Arc::new(Wake::default()));
    BatchBuilder::new(buffer.expect("a fresh pool has a buffer"), limits)
}

/// Lines of a file of which no event was cut.
pub(crate) fn chunk(bytes: &[u8], at: u64) -> Chunk<'_> {
    Chunk { bytes, at, cuts: &[] }
}

/// Runs a whole file through a pipeline, as few batches as it needs.
pub(crate) fn run(
    pipeline: &mut Pipeline,
    path: &str,
    log: &[u8],
    limits: BatchLimits,
) -> (Vec<Batch>, Consumed) {
    run_cut(pipeline, path, log, &[], limits)
}

/// The same for a file of which events were cut at some offsets.
pub(crate) fn run_cut(
    pipeline: &mut Pipeline,
    path: &str,
    log: &[u8],
    cuts: &[u64],
    limits: BatchLimits,
) -> (Vec<Batch>, Consumed) {
    let source = pipeline.source(Path::new(path), epoch());
    let (mut batches, mut sum) = (Vec::new(), Consumed::default());
    loop {
        let mut builder = batch(limits);
        let at = sum.bytes;
        let chunk = Chunk { cuts, ..chunk(&log[at..], at as u64) };
        let consumed = pipeline.run_chunk(&source, chunk, NOW, &mut builder);
        batches.push(builder.seal());
        sum.bytes += consumed.bytes;
        sum.events += consumed.events;
        sum.unparsed += consumed.unparsed;
        sum.filtered += consumed.filtered;
        sum.filtered_bytes += consumed.filtered_bytes;
        sum.response_bytes += consumed.response_bytes;
        for (sum, more) in sum.status.iter_mut().zip(consumed.status) {
            *sum += more;
        }
        sum.stop = consumed.stop;
        if consumed.stop != Stop::Full || consumed.bytes == 0 {
            return (batches, sum);
        }
    }
}

/// A JSON value in which no object has a key twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strict(pub(crate) serde_json::Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = serde_json::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(serde_json::Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((key, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format!("`{key}` stands twice in one object")));
            }
        }
        Ok(object.into())
    }
}

/// Reads an item: its action line, then its document.
pub(crate) fn read_item(item: &[u8]) -> (serde_json::Value, serde_json::Value) {
    let lines: Vec<&[u8]> = item.split(|byte| *byte == b'\n').collect();
    let [action, document, end] = lines.as_slice() else {
        panic!("an item is two lines: {}", String::from_utf8_lossy(item));
    };
    assert!(end.is_empty(), "an item ends with a newline");
    let read = |line: &[u8]| match serde_json::from_slice::<Strict>(line) {
        Ok(Strict(value)) => value,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(line)),
    };
    (read(action), read(document))
}
