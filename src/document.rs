//! Items for the output: for each event an action line and an ECS document.
//!
//! A [`Writer`] belongs to one input. It renders whatever is the same for all lines: of the input at the start, of a
//! file and the time of reading for each chunk. What is left for a line is in [`item`]. Field names are those of the
//! Elastic Common Schema 8 and of Filebeat's modules.

pub mod columns;
mod dataset;
pub mod glue;
pub mod item;
pub mod layout;
pub mod path;

mod arrangement;
mod constants;
mod source;

use crate::dataset::Dataset;
use crate::enrich::GeoTables;
use crate::event::{EventBuf, Extra, Field};
use crate::json_text::push_string;
use crate::parsers::Parser;
use crate::parsers::access_log::Server;
use crate::parsers::timestamp::{Rendered, render};
use crate::position::{EPOCH_TEXT_BYTES, Epoch};
use crate::settings::{ComesFrom, Format, InputSettings, Namespace, ServerFormat, WebServer};
use crate::target::{FILEBEAT_VERSION, FormatString, default_target};
use arrangement::{
    first_part, groups, layout, lies_among, operators, order, top_level, written_by_line,
};
use constants::{constants, leaf, members, merge, nested};
use dataset::{KindOfLines, OF_NO_SERVER, datasets, number_of, recognised, unrecognised};
use item::{Content, Frame, Ids};
use path::{PathFields, TemplateError};
use serde_json::{Map, Value};
pub use source::Source;
use std::path::Path;
use std::sync::Arc;

/// `ecs.version` of our documents: what Filebeat 8 writes.
const ECS_VERSION: &str = "8.0.0";

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
    /// Databases of places and networks.
    pub geo: Arc<GeoTables>,
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

/// Why an input's `fields` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FieldsError {
    /// They are no JSON object.
    #[error("fields are no object: {0}")]
    NoObject(#[source] serde_json::Error),
    /// What is to be taken from paths.
    #[error("path_fields: {0}")]
    Path(#[from] TemplateError),
}

/// Renders what documents of one input have in common.
#[derive(Debug, Clone)]
pub struct Writer {
    format: Format,
    ids: Ids,
    /// For each kind of lines that it may have.
    kinds: Vec<KindOfLines>,
    batch_wide: Option<String>,
    pipeline: Option<String>,
    extras: Vec<Extra>,
    /// Constant members behind `log`, each with a comma before it.
    constants: Vec<u8>,
    /// Whether lines come from senders rather than from files.
    is_sent: bool,
    path_fields: PathFields,
    /// Names that documents may have at their top level.
    names: Vec<String>,
}

impl Writer {
    /// Makes the writer of an input whose lines `parser` reads, and whose events may have `of_lines` beside the known fields.
    ///
    /// # Errors
    /// When `fields` is no JSON object.
    pub fn new(
        input: &InputSettings,
        index: Option<FormatString>,
        parser: &Parser,
        of_lines: &[Extra],
        shared: &Shared,
    ) -> Result<Self, FieldsError> {
        let mut constants = constants(input, shared);
        let mut operators = operators(input, &mut constants)?;
        let index = index.or_else(|| shared.index.clone());
        let extras: Vec<String> = of_lines.iter().map(|extra| extra.name.clone()).collect();
        let kinds = datasets(input, parser).into_iter().map(|dataset| {
            let format = index.clone().unwrap_or_else(|| own_target(input.namespace, dataset));
            let target = resolve(format, dataset, &constants, &operators, &extras);
            KindOfLines {
                dataset,
                target,
                recognised: recognised(dataset),
                unrecognised: if is_found_out(input) { Vec::new() } else { unrecognised(dataset) },
                layout: None,
                columns: None,
            }
        });
        let mut kinds: Vec<KindOfLines> = kinds.collect();
        let mut path_fields = PathFields::new(&input.files.path_fields)?;
        let own = constants.keys().chain(operators.keys()).chain(&extras);
        path_fields.in_layout = lies_among(&path_fields.names, own);
        let names = path_fields.names.iter().chain(&extras);
        let by_lines = written_by_line(parser, &kinds, input.enrich.bots);
        let names = names.chain(constants.keys()).chain(operators.keys());
        let names = top_level(&by_lines, names);
        let in_layout: &[String] = if path_fields.in_layout { &path_fields.names } else { &[] };
        let by_line = operators.keys().any(|key| by_lines.contains(&first_part(key)));
        let is_sent = input.comes_from == ComesFrom::Senders;
        let is_ordered = !by_line
            && !path_fields.in_layout
            && matches!((&input.format, parser), (Format::Compiled(_), Parser::Other(_)))
            && order(&mut kinds, of_lines, &constants);
        if by_line
            || path_fields.in_layout
            || !is_ordered && !of_lines.is_empty()
            || !is_ordered && matches!(parser, Parser::Regex(_) | Parser::Other(_))
        {
            let more = [in_layout, &extras].concat();
            let groups = groups(constants, &operators, &more);
            for kind in &mut kinds {
                let (dataset, inside) = (kind.dataset, &groups.inside);
                let manner = (is_sent, is_found_out(input));
                let layout =
                    layout(dataset, &operators, in_layout, inside, parser, of_lines, manner);
                kind.layout = Some(Arc::new(layout));
            }
            constants = groups.outside;
            operators.clear();
        }
        merge(&mut constants, operators);
        Ok(Self {
            format: input.format.clone(),
            ids: if shared.document_id { Ids::Position } else { Ids::None },
            kinds,
            batch_wide: shared.batch_wide.clone(),
            pipeline: input.pipeline.clone(),
            extras: of_lines.to_vec(),
            constants: members(&constants),
            is_sent,
            path_fields,
            names,
        })
    }

    /// Returns what is kept of a file while it is open.
    ///
    /// An `auto` input's file is nginx's if its path says so anywhere, else Apache's.
    #[must_use]
    pub fn source(&self, path: &Path, epoch: Epoch) -> Source {
        let path = path.as_os_str().as_encoded_bytes();
        let server = match &self.format {
            Format::Nginx => Server::Nginx,
            Format::Compiled(ServerFormat { server: WebServer::Nginx, .. }) => Server::Nginx,
            Format::Auto if memchr::memmem::find(path, b"nginx").is_some() => Server::Nginx,
            _ => Server::Apache,
        };
        let mut path_json = Vec::new();
        if !path.is_empty() {
            push_string(&mut path_json, path);
        }
        let values = self.path_fields.values(path);
        let (mut path_members, mut path_fields) = (Vec::new(), Vec::new());
        if self.path_fields.in_layout {
            path_fields = values;
        } else {
            path_members = members(&nested(&self.path_fields.names, &values));
        }
        Source {
            epoch: epoch.text(),
            server,
            path_json,
            path_fields: path_fields.into(),
            path_members: path_members.into_boxed_slice(),
            charset: None,
        }
    }

    /// Returns where events of this input may go, as far as that is known before there are any.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for KindOfLines { target: format, .. } in &self.kinds {
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

    /// Renders into `frame` what the lines of one chunk have in common, read at `unix_ms`.
    pub fn render(&self, frame: &mut Frame, action: &mut Action, source: &Source, unix_ms: u64) {
        let read_at = render(i64::try_from(unix_ms).unwrap_or(i64::MAX));
        let kind = &self.kinds[number_of(&self.format, source.server)];
        frame.read_at = Some(read_at);
        frame.ids = self.ids;
        frame.before_time.render(|text| {
            if self.ids == Ids::Position {
                text.extend_from_slice(b"\"}}\n");
            }
            text.extend_from_slice(b"{\"@timestamp\":\"");
        });
        frame.path.clear();
        frame.path.extend_from_slice(&source.path_json);
        frame.path_fields = Arc::clone(&source.path_fields);
        frame.layout.clone_from(&kind.layout);
        frame.columns.clone_from(&kind.columns);
        frame.unrecognised.clear();
        if kind.layout.is_none() {
            frame.unrecognised.extend_from_slice(&kind.unrecognised);
        }
        let run = &mut frame.run;
        run.clear();
        if !source.path_json.is_empty() {
            let name: &[u8] =
                if self.is_sent { b",\"source\":{\"address\":" } else { b",\"file\":{\"path\":" };
            run.extend_from_slice(name);
            run.extend_from_slice(&source.path_json);
            run.push(b'}');
        }
        run.push(b'}');
        frame.run_log = run.len();
        run.extend_from_slice(&self.constants);
        run.extend_from_slice(&source.path_members);
        frame.run_generic = run.len();
        run.extend_from_slice(&kind.recognised);
        run.extend_from_slice(&read_at);
        run.push(b'"');
        action.begin(source);
        self.prepare(frame, action, b"", &EventBuf::default(), Content::Line);
    }

    /// Returns the names that its documents may have at their top level.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Tells whether fields of the operator's lie among ours.
    #[must_use]
    pub fn has_layouts(&self) -> bool {
        self.kinds[0].layout.is_some()
    }

    /// Tells whether a frame is that of a source.
    #[must_use]
    pub fn is_rendered(&self, frame: &Frame, action: &Action, source: &Source) -> bool {
        *frame.path == *source.path_json && action.epoch == source.epoch
    }

    /// Makes a frame that has a layout right for lines of a server.
    #[inline]
    pub fn set_server(&self, frame: &mut Frame, action: &mut Action, server: Server) {
        if action.server == server {
            return;
        }
        frame.layout.clone_from(&self.kinds[number_of(&self.format, server)].layout);
        action.server = server;
        action.settled = Settled::No;
    }

    /// Makes the action line right for an event.
    #[inline]
    pub fn prepare(
        &self,
        frame: &mut Frame,
        action: &mut Action,
        text: &[u8],
        event: &EventBuf,
        content: Content,
    ) {
        if action.settled == Settled::ForFile {
            return;
        }
        self.prepare_target(frame, action, text, event, content);
    }

    fn prepare_target(
        &self,
        frame: &mut Frame,
        action: &mut Action,
        text: &[u8],
        event: &EventBuf,
        content: Content,
    ) {
        let number = self.kind_of(action.server, content);
        let format = &self.kinds[number].target;
        let recognised = matches!(content, Content::Fields | Content::Envelope);
        let time = event.timestamp().filter(|_| recognised).or(frame.read_at.as_ref());
        let Some(time) = time.copied() else { return };
        if action.settled == Settled::For(number, time) {
            return;
        }
        action.name.clear();
        format.push(&mut action.name, &time, |name, out| {
            recognised && self.push_field(out, name, text, event)
        });
        let index = String::from_utf8_lossy(&action.name);
        let named = self.batch_wide.as_deref() != Some(&*index);
        let epoch = action.epoch;
        frame.action.render(|line| {
            self.push_action(line, named.then_some(&*index), &epoch);
        });
        let is_constant = |format: &FormatString| format.constant().is_some();
        action.settled =
            if self.kinds.iter().all(|kind| kind.target == *format && is_constant(format)) {
                Settled::ForFile
            } else if format.has_fields() {
                Settled::No
            } else {
                Settled::For(number, time)
            };
    }

    fn kind_of(&self, server: Server, content: Content) -> usize {
        match self.format {
            Format::Auto if content != Content::Fields => OF_NO_SERVER,
            _ => number_of(&self.format, server),
        }
    }

    fn push_action(&self, line: &mut Vec<u8>, index: Option<&str>, epoch: &[u8]) {
        line.extend_from_slice(b"{\"create\":{");
        let mut separator = "";
        for (key, value) in [("_index", index), ("pipeline", self.pipeline.as_deref())] {
            if let Some(value) = value {
                line.extend_from_slice(format!("{separator}\"{key}\":").as_bytes());
                push_string(line, value.as_bytes());
                separator = ",";
            }
        }
        if self.ids == Ids::None {
            return line.extend_from_slice(b"}}\n");
        }
        line.extend_from_slice(format!("{separator}\"_id\":\"").as_bytes());
        line.extend_from_slice(epoch);
        line.push(b'.');
    }

    /// Appends the text of an event's field; `false` when it has none.
    fn push_field(&self, out: &mut Vec<u8>, name: &str, text: &[u8], event: &EventBuf) -> bool {
        let extra = self.extras.iter().position(|extra| extra.name == name);
        let span = match extra {
            Some(number) => event.extra(number),
            None => Field::from_name(name).and_then(|field| event.get(field)),
        };
        let Some(span) = span else { return false };
        out.extend_from_slice(event.bytes(text, span));
        true
    }
}

/// The action line that is in the frame, and for what it is right.
#[derive(Debug, Clone)]
pub struct Action {
    epoch: [u8; EPOCH_TEXT_BYTES],
    server: Server,
    settled: Settled,
    name: Vec<u8>,
}

impl Default for Action {
    fn default() -> Self {
        Self {
            epoch: [b'A'; EPOCH_TEXT_BYTES],
            server: Server::Apache,
            settled: Settled::No,
            name: Vec::new(),
        }
    }
}

impl Action {
    fn begin(&mut self, source: &Source) {
        self.epoch = source.epoch;
        self.server = source.server;
        self.settled = Settled::No;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    No,
    For(usize, Rendered),
    ForFile,
}

/// Tells whether it is only known of recognised lines from which log they are.
fn is_found_out(input: &InputSettings) -> bool {
    input.format == Format::Auto && input.dataset.is_none()
}

fn own_target(namespace: Namespace, dataset: &Dataset) -> FormatString {
    let text = default_target(namespace, dataset.name);
    FormatString::parse(&text).expect("our own default is a format string")
}

/// Puts into a target's name what is the same for all lines of a dataset.
fn resolve(
    format: FormatString,
    dataset: &Dataset,
    constants: &Map<String, Value>,
    operators: &Map<String, Value>,
    extras: &[String],
) -> FormatString {
    format.resolve(|name| match name {
        _ if extras.iter().any(|extra| extra == name) => None,
        "event.dataset" => Some(dataset.name.to_owned()),
        "event.module" | "service.type" if dataset.is_known() => Some(dataset.module.to_owned()),
        "beat.version" => Some(FILEBEAT_VERSION.to_owned()),
        "beat.name" | "agent.hostname" => leaf(constants, "agent.name"),
        _ => leaf(operators, name).or_else(|| leaf(constants, name)),
    })
}
