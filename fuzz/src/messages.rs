//! Messages: wherever a stream is cut on its way, its messages are the same; and each, whatever it holds, becomes one document.

use super::documents::shared;
use super::input::Input;
use shipper::batch::{BatchBuilder, BatchLimits};
use shipper::listeners::framing::{Framer, Next, datagram};
use shipper::parsers::syslog::{Header, Syslog, push_structured_data};
use shipper::pipeline::{Message, Moment, Pipeline, Stop};
use shipper::pool::Pool;
use shipper::position::Epoch;
use shipper::settings::{
    ComesFrom, Format, FramingSettings, InputSettings, SyslogFormat, SyslogSettings,
};
use shipper::wake::Wake;
use std::path::Path;
use std::sync::Arc;

/// 2026-11-21T12:00:00Z.
const NOW: u64 = 1_795_262_400_000;

const CONTENT_BYTES_MAX: usize = 64 << 10;

pub fn check(bytes: &[u8]) {
    let mut input = Input(bytes);
    let most = 1 + input.upto(5000) as usize;
    let delimiter: &[u8] = if input.bit() { b"\n" } else { b"\r\n\0" };
    let framing = FramingSettings { delimiter: delimiter.into(), octet_counted: input.bit() };
    let cuts: Vec<usize> = (0..input.byte() % 32).map(|_| input.upto(3000) as usize).collect();
    let format = match input.byte() % 3 {
        0 => SyslogFormat::Auto,
        1 => SyslogFormat::Rfc3164,
        _ => SyslogFormat::Rfc5424,
    };
    let stream = input.content(CONTENT_BYTES_MAX);
    let whole = messages(&framing, most, &stream, &[]);
    assert_eq!(messages(&framing, most, &stream, &cuts), whole, "cuts change nothing");
    let zone = jiff_zone();
    let mut syslog = Syslog::new(format, zone.clone());
    syslog.set_now(NOW);
    for (message, _) in &whole {
        assert!(message.len() <= most);
        if let Some(header) = syslog.read(message) {
            check_header(message, &header);
        }
    }
    check_documents(&whole, SyslogSettings { format, zone });
}

fn jiff_zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::fixed(jiff::tz::offset(2))
}

/// Returns the messages of a stream that comes in pieces.
fn messages(
    framing: &FramingSettings,
    most: usize,
    stream: &[u8],
    cuts: &[usize],
) -> Vec<(Vec<u8>, bool)> {
    let mut framer = Framer::new(framing.clone(), most);
    let (mut found, mut pending, mut at) = (Vec::new(), Vec::new(), 0);
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let end = (at + cut).min(stream.len());
        pending.extend_from_slice(&stream[at..end]);
        at = end;
        loop {
            let next = match framer.next(&pending) {
                Next::More if at == stream.len() => framer.last(&pending, false),
                next => {
                    // What is taken back is asked again, and answered the same.
                    framer.undo();
                    assert_eq!(framer.next(&pending), next);
                    next
                }
            };
            match next {
                Next::More => break,
                Next::Skip(bytes) => drop(pending.drain(..bytes)),
                Next::Message(piece) => {
                    assert!(0 < piece.consumed);
                    found.push((pending[piece.content].to_vec(), piece.truncated));
                    pending.drain(..piece.consumed);
                }
            }
        }
        assert!(pending.len() <= most + 16, "no more is kept than a message may have");
    }
    assert!(pending.is_empty(), "all of the stream is accounted for");
    found
}

fn check_header(message: &[u8], header: &Header) {
    let spans = [
        header.version,
        header.hostname,
        header.app_name,
        header.proc_id,
        header.msg_id,
        header.structured_data,
        Some(header.message),
    ];
    let mut end = 0;
    for span in spans.into_iter().flatten() {
        assert!(end <= span.start() && span.end() <= message.len());
        end = span.end();
    }
    assert_eq!(end, message.len(), "the text is the rest");
    if let Some(data) = header.structured_data {
        let mut json = Vec::new();
        push_structured_data(&mut json, &message[data.start()..data.end()]);
        let json: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
        assert!(json.is_object());
    }
}

fn check_documents(messages: &[(Vec<u8>, bool)], syslog: SyslogSettings) {
    let input = InputSettings {
        kind: "syslog".to_owned(),
        comes_from: ComesFrom::Senders,
        format: Format::Auto,
        syslog: Some(syslog),
        ..InputSettings::default()
    };
    let mut pipeline = Pipeline::new(&input, &shared()).expect("the settings are right");
    let source = pipeline.source(Path::new("192.0.2.1:514"), Epoch::from_random([7; 12]));
    let (pool, wake) = (Pool::new(2 << 20), Arc::new(Wake::default()));
    for (text, truncated) in messages {
        let text = datagram(text);
        let buffer = pool.try_take(&wake).expect("a buffer is free");
        let mut batch = BatchBuilder::new(buffer, BatchLimits::default());
        let message = Message { text, start: 9, raw_length: text.len() + 1, truncated: *truncated };
        let consumed = pipeline.run_message(&source, message, Moment(NOW), &mut batch);
        assert!(consumed.stop == Stop::End, "a message of a few KiB has room");
        assert_eq!(consumed.events, u64::from(!text.is_empty()));
        let batch = batch.seal();
        if text.is_empty() {
            continue;
        }
        let mut lines = batch.item(0).split(|byte| *byte == b'\n');
        lines.next().expect("there is an action");
        let document: serde_json::Value =
            serde_json::from_slice(lines.next().expect("there is a document")).expect("it is JSON");
        assert!(document["message"].is_string());
        assert_eq!(document["log"]["source"]["address"], "192.0.2.1:514");
    }
}
