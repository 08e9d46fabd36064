//! The ECS document of an event, and the bulk action before it, straight into the batch.
//!
//! Everything that is the same for all lines of a file is one text, made when the file is opened; the rest is written
//! in the order of the schema. Field names: Elastic Common Schema 8 and Filebeat's modules.

use crate::event::{EventBuf, Key, Schema, Value};
use crate::json_text::{push_escaped, push_string, push_u64, string};
use crate::parsers::Parsed;
use crate::parsers::access_log::Server;
use crate::parsers::timestamp::Rendered;
use crate::position::{DIGITS, EPOCH_TEXT_BYTES, Epoch};
use crate::settings::{FieldsSettings, Format, InputSettings};
use crate::target::{FILEBEAT_VERSION, FormatString, default_target};
use std::path::Path;

/// `ecs.version` of our documents: what Filebeat 8 writes.
const ECS_VERSION: &str = "8.0.0";

/// Room for what one event adds beside its line and its file's texts, in bytes: id, times, numbers and field names.
const EVENT_OVERHEAD: usize = 1536;

/// What is the same for all events of a process.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// `agent.name` and `host.name`.
    pub host_name: String,
    /// `agent.id`: kept over restarts.
    pub agent_id: String,
    /// `agent.ephemeral_id`: drawn at every start.
    pub ephemeral_id: String,
    /// Whether events carry an `_id`.
    pub document_id: bool,
    /// `output.elasticsearch.index`.
    pub index: Option<FormatString>,
    /// The index or data stream of the URL: events that go there do not name it.
    pub batch_wide: Option<String>,
}

/// What is the same for all lines of an open file.
#[derive(Debug, Clone)]
pub struct Source {
    epoch: [u8; EPOCH_TEXT_BYTES],
    server: Server,
    /// `{"create":{` and, where they are constant, `"_index":"…",`, `"pipeline":"…",`.
    action: Vec<u8>,
    /// From behind the time to the offset, for all lines.
    head: Vec<u8>,
    /// From behind the offset to the outcome, for recognised lines.
    recognised: Vec<u8>,
    target: Option<FormatString>,
}

impl Source {
    /// Returns whose lines they are.
    #[must_use]
    pub fn server(&self) -> Server {
        self.server
    }
}

/// A place where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Name of its template.
    pub name: String,
    /// Names that it matches: a data stream's own, or a pattern of dated indices.
    pub pattern: String,
    /// Whether it is a data stream.
    pub data_stream: bool,
}

/// One event to be written.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The line, valid UTF-8, without its end.
    pub line: &'a [u8],
    /// Offset of its first byte.
    pub start: u64,
    /// Its bytes on disk, line end included.
    pub length: u64,
    /// When it was read.
    pub read_at: &'a Rendered,
    /// What it says; `None` when it was not recognised.
    pub parsed: Option<&'a Parsed>,
}

/// Writes actions and documents for one input.
#[derive(Debug, Clone)]
pub struct Writer {
    schema: Schema,
    shared: Shared,
    format: Format,
    dataset: Option<&'static str>,
    input_kind: String,
    keep_original: bool,
    tags: Vec<String>,
    fields: Option<FieldsSettings>,
    target: Result<FormatString, crate::settings::Namespace>,
    pipeline: Option<String>,
}

impl Writer {
    /// Makes a writer for an input whose parser sets the fields of `schema`.
    #[must_use]
    pub fn new(
        input: &InputSettings,
        index: Option<FormatString>,
        schema: Schema,
        shared: Shared,
    ) -> Self {
        let dataset = match input.format {
            Format::Raw | Format::Regex(_) => Some("generic"),
            Format::Auto => None,
            Format::Nginx => Some("nginx.access"),
            _ => Some("apache.access"),
        };
        let target = index.or_else(|| shared.index.clone()).ok_or(input.namespace);
        Self {
            schema,
            format: input.format.clone(),
            dataset,
            input_kind: input.kind.clone(),
            keep_original: input.keep_original,
            tags: input.tags.clone(),
            fields: input.fields.clone(),
            target,
            pipeline: input.pipeline.clone(),
            shared,
        }
    }

    /// Makes the texts for a file; a few hundred bytes for as long as it is open.
    #[must_use]
    pub fn source(&self, path: &Path, epoch: Epoch) -> Source {
        let nginx = path.as_os_str().as_encoded_bytes().windows(5).any(|part| part == b"nginx");
        let dataset = self.dataset.unwrap_or(if nginx { "nginx.access" } else { "apache.access" });
        let server = if dataset == "nginx.access" { Server::Nginx } else { Server::Apache };
        let target = self.target_of(dataset);
        let mut action = b"{\"create\":{".to_vec();
        let dynamic = target.constant().is_none();
        if let Some(index) = target.constant()
            && self.shared.batch_wide.as_deref() != Some(&index)
        {
            action.extend_from_slice(format!("\"_index\":{},", string(&index)).as_bytes());
        }
        if let Some(pipeline) = &self.pipeline {
            action.extend_from_slice(format!("\"pipeline\":{},", string(pipeline)).as_bytes());
        }
        Source {
            epoch: epoch.text(),
            server,
            action,
            head: self.head(path),
            recognised: self.recognised(dataset),
            target: dynamic.then_some(target),
        }
    }

    /// Returns where events of this input may go, as far as that is known before there are any.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let datasets = match self.dataset {
            Some(dataset) => vec![dataset],
            None => vec!["apache.access", "nginx.access"],
        };
        let mut targets: Vec<Target> = Vec::new();
        for dataset in datasets {
            let format = self.target_of(dataset);
            let target = if let Some(name) = format.constant() {
                Target { pattern: name.clone(), name, data_stream: true }
            } else {
                let pattern = format.pattern();
                let name = pattern.replace('*', "").trim_matches(['-', '.', '_']).to_owned();
                Target { name, pattern, data_stream: false }
            };
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }

    /// Returns an upper bound of what an event with a line of `length` bytes adds to the buffer.
    #[must_use]
    pub fn most_bytes(&self, source: &Source, length: usize) -> usize {
        // The message, and fields that repeat the client's address and the target up to three times.
        let times = if self.schema.names().is_empty() { 1 } else { 4 };
        source.head.len()
            + source.recognised.len()
            + source.action.len()
            + EVENT_OVERHEAD
            + length.saturating_mul(times * crate::json_text::ESCAPED_BYTES_MAX)
    }

    /// Appends action and document of an event.
    pub fn write(&self, out: &mut Vec<u8>, source: &Source, item: &Item<'_>, event: &EventBuf) {
        let time = item.parsed.and_then(|parsed| parsed.time.as_ref()).unwrap_or(item.read_at);
        self.write_action(out, source, item, time, event);
        Self::write_head(out, source, item.start, time);
        if let Some(parsed) = item.parsed {
            self.write_recognised(out, source, item, parsed, event);
        }
        if self.keep_original || item.parsed.is_none() {
            out.extend_from_slice(b",\"message\":\"");
            push_escaped(out, item.line);
            out.extend_from_slice(b"\"}\n");
        } else {
            out.extend_from_slice(b"}\n");
        }
    }

    /// Appends everything up to the inside of `message`; the caller appends that and then [`Writer::end_message`].
    pub fn begin_message(
        &self,
        out: &mut Vec<u8>,
        source: &Source,
        item: &Item<'_>,
        truncated: bool,
    ) {
        self.write_action(out, source, item, item.read_at, &EventBuf::default());
        Self::write_head(out, source, item.start, item.read_at);
        if truncated {
            // Behind the offset, inside of `log`.
            out.truncate(out.len() - 1);
            out.extend_from_slice(b",\"flags\":[\"truncated\"]}");
        }
        out.extend_from_slice(b",\"message\":\"");
    }

    /// Appends what stands behind `message`.
    pub fn end_message(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"}\n");
    }

    fn write_action(
        &self,
        out: &mut Vec<u8>,
        source: &Source,
        item: &Item<'_>,
        time: &Rendered,
        event: &EventBuf,
    ) {
        out.extend_from_slice(&source.action);
        if let Some(target) = &source.target {
            out.extend_from_slice(b"\"_index\":\"");
            let mut index = Vec::new();
            target.push(&mut index, time, |name, index| {
                item.parsed.is_some() && self.push_field(index, name, item.line, event)
            });
            push_escaped(out, &index);
            out.extend_from_slice(b"\",");
        }
        if self.shared.document_id {
            out.extend_from_slice(b"\"_id\":\"");
            out.extend_from_slice(&source.epoch);
            out.push(b'.');
            push_digits(out, item.start);
            out.push(b'.');
            push_digits(out, item.length);
            out.extend_from_slice(b"\"}}\n");
        } else {
            if out.last() == Some(&b',') {
                out.pop();
            }
            out.extend_from_slice(b"}}\n");
        }
    }

    fn write_head(out: &mut Vec<u8>, source: &Source, start: u64, time: &Rendered) {
        out.extend_from_slice(b"{\"@timestamp\":\"");
        out.extend_from_slice(time);
        out.extend_from_slice(&source.head);
        push_u64(out, start);
        out.push(b'}');
    }

    fn write_recognised(
        &self,
        out: &mut Vec<u8>,
        source: &Source,
        item: &Item<'_>,
        parsed: &Parsed,
        event: &EventBuf,
    ) {
        if !source.recognised.is_empty() {
            out.extend_from_slice(&source.recognised);
            out.extend_from_slice(item.read_at);
            let outcome: &[u8] = if parsed.status < 400 {
                b"\",\"outcome\":\"success\"}"
            } else {
                b"\",\"outcome\":\"failure\"}"
            };
            out.extend_from_slice(outcome);
        }
        let mut previous: Option<Key> = None;
        for (key, value) in event.iter() {
            out.extend_from_slice(self.schema.between(previous, Some(key)));
            match value {
                Value::Line(span) => push_string(out, span.of(item.line)),
                Value::Scratch(span) => push_string(out, span.of(event.scratch())),
                Value::Number(number) => push_u64(out, number),
                Value::ListOfOne(span) => {
                    out.push(b'[');
                    push_string(out, span.of(item.line));
                    out.push(b']');
                }
            }
            previous = Some(key);
        }
        out.extend_from_slice(self.schema.between(previous, None));
    }

    /// Appends the text of an event's field; `false` when it has none.
    fn push_field(&self, out: &mut Vec<u8>, name: &str, line: &[u8], event: &EventBuf) -> bool {
        match self.schema.key(name).and_then(|key| event.get(key)) {
            Some(Value::Line(span) | Value::ListOfOne(span)) => {
                out.extend_from_slice(span.of(line));
            }
            Some(Value::Scratch(span)) => out.extend_from_slice(span.of(event.scratch())),
            Some(Value::Number(number)) => push_u64(out, number),
            None => return false,
        }
        true
    }

    fn target_of(&self, dataset: &str) -> FormatString {
        let format = match &self.target {
            Ok(format) => format.clone(),
            Err(namespace) => {
                let text = default_target(*namespace, dataset);
                FormatString::parse(&text).expect("our own default is a format string")
            }
        };
        format.resolve(|name| match name {
            "agent.version" | "beat.version" => Some(FILEBEAT_VERSION.to_owned()),
            "agent.name" | "beat.name" | "host.name" => Some(self.shared.host_name.clone()),
            "agent.type" | "beat.type" => Some("filebeat".to_owned()),
            "event.dataset" => Some(dataset.to_owned()),
            "input.type" => Some(self.input_kind.clone()),
            _ => self.custom_field(name),
        })
    }

    /// Returns the text of a constant that the operator set under `fields`.
    fn custom_field(&self, name: &str) -> Option<String> {
        let fields = self.fields.as_ref()?;
        let path = if fields.under_root { name } else { name.strip_prefix("fields.")? };
        let mut value: &serde_json::Value =
            &serde_json::from_str::<serde_json::Value>(&fields.json_object).ok()?;
        for part in path.split('.') {
            value = value.get(part)?;
        }
        value.as_str().map(str::to_owned).or_else(|| Some(value.to_string()))
    }

    /// Makes the text from behind the time up to the offset's number.
    fn head(&self, path: &Path) -> Vec<u8> {
        let shared = &self.shared;
        let name = string(&shared.host_name);
        // `agent.type` is Filebeat's: templates, dashboards and alerts of operators ask for it.
        let mut head = format!(
            "\",\"agent\":{{\"ephemeral_id\":{},\"id\":{},\"name\":{name},\"type\":\"filebeat\",\
             \"version\":\"{FILEBEAT_VERSION}\"}},\"ecs\":{{\"version\":\"{ECS_VERSION}\"}},\
             \"host\":{{\"name\":{name}}},\"input\":{{\"type\":{}}}",
            string(&shared.ephemeral_id),
            string(&shared.agent_id),
            string(&self.input_kind),
        );
        if !self.tags.is_empty() {
            let tags: Vec<String> = self.tags.iter().map(|tag| string(tag)).collect();
            head.push_str(&format!(",\"tags\":[{}]", tags.join(",")));
        }
        if let Some(fields) = &self.fields {
            let object = fields.json_object.trim();
            let inside = object.trim_start_matches('{').trim_end_matches('}').trim();
            if fields.under_root && !inside.is_empty() {
                let inside = &object[1..object.len() - 1];
                head.push_str(&format!(",{inside}"));
            } else if !inside.is_empty() {
                head.push_str(&format!(",\"fields\":{object}"));
            }
        }
        let path = string(&path.to_string_lossy());
        head.push_str(&format!(",\"log\":{{\"file\":{{\"path\":{path}}},\"offset\":"));
        head.into_bytes()
    }

    /// Makes the text of a recognised line's event fields up to the time it was read.
    fn recognised(&self, dataset: &str) -> Vec<u8> {
        if matches!(self.format, Format::Raw | Format::Regex(_)) {
            return Vec::new();
        }
        let module = dataset.split('.').next().unwrap_or(dataset);
        format!(
            ",\"fileset\":{{\"name\":\"access\"}},\"service\":{{\"type\":\"{module}\"}},\
             \"event\":{{\"category\":[\"web\"],\"dataset\":\"{dataset}\",\"kind\":\"event\",\
             \"module\":\"{module}\",\"type\":[\"access\"],\"created\":\""
        )
        .into_bytes()
    }
}

/// Appends a number in URL-safe base-64 digits, the highest first.
fn push_digits(out: &mut Vec<u8>, mut number: u64) {
    // 64 bits make eleven digits of six.
    let mut digits = [0; 11];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = DIGITS[(number & 63) as usize];
        number >>= 6;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}
