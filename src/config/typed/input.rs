//! The stanzas of `filebeat.inputs` and `inputs`.

use std::collections::HashMap;
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::{Map as JsonMap, Value as Json};

use crate::config::check::{nearest, not_one_of, unknown_key};
use crate::config::keys::LISTENERS;
use crate::config::problems::{Place, Problem};
use crate::config::tree::{Node, Value};
use crate::config::typed::compiled;
use crate::config::typed::enrich::enrich;
use crate::config::typed::fields;
use crate::config::typed::files::{self, expressions};
use crate::config::typed::listener;
use crate::config::typed::modules;
use crate::config::typed::own;
use crate::config::typed::proxies::trusted_proxies;
use crate::config::typed::reading::reading;
use crate::config::typed::value::At;
use crate::dataset::{DATASETS, Dataset};
use crate::packing::{Compression, Format as Packing};
use crate::parsers::known::{KNOWN, known};
use crate::settings::enrich::EnrichSettings;
use crate::settings::reading::{LineParser, MultilineRule, MultilineSettings, ReadingSettings};
use crate::settings::{FieldsSettings, Format, InputSettings, ListenerSettings, Namespace};
use crate::target::{FILEBEAT_VERSION, FormatString};

/// Largest line that can be asked for: 64 MiB, so that an escaped one still has a buffer.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

/// The formats by name, in the order of [`named_format`].
const FORMATS: [&str; 7] =
    ["raw", "auto", "common", "combined", "vhost_combined", "nginx", "apache"];

/// The stanzas of both spellings.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Those of files.
    pub files: Vec<InputSettings>,
    /// Where each of these stands.
    pub places: Vec<Place>,
    /// Those that are sent to.
    pub listeners: Vec<ListenerSettings>,
    /// Where each of these stands.
    pub listener_places: Vec<Place>,
}

/// Reads all stanzas of both spellings, and the filesets of all modules, that are not disabled; those of `module_files` as
/// well. Names of files in them are relative to `config_directory`. Whether there `may_be_none`, as where some may come later.
#[must_use]
pub fn inputs(
    root: &At<'_>,
    module_files: &[At<'_>],
    config_directory: &Path,
    may_be_none: bool,
) -> Inputs {
    let mut reader = Reader {
        shared: Shared::read(root),
        config_directory,
        ids: HashMap::new(),
        inputs: Inputs::default(),
    };
    let mut stanzas = 0;
    for (path, namespace) in [("filebeat.inputs", Namespace::Filebeat), ("inputs", Namespace::Own)]
    {
        let list = root.get(path);
        if !matches!(list.node().map(|node| &node.value), Some(Value::List(_))) {
            continue;
        }
        for item in list.items() {
            stanzas += usize::from(item.is_there());
            let is_map = matches!(item.node().map(|node| &node.value), Some(Value::Map(_)));
            if !is_map || item.get("enabled").boolean() == Some(false) {
                continue;
            }
            reader.take(&item, namespace);
        }
    }
    let mut ids = Vec::new();
    for (list, namespace) in modules::lists(root, module_files) {
        for module in list.items() {
            stanzas += usize::from(module.is_there());
            modules::filesets(&module, &mut ids, &mut |at| reader.take(at, namespace));
        }
    }
    let inputs = reader.inputs;
    listener::alone(root, &inputs.listeners, inputs.files.len());
    if may_be_none {
        return inputs;
    }
    if 0 < stanzas && inputs.files.is_empty() && inputs.listeners.is_empty() && root.is_sound() {
        root.problem_with("every input is disabled", "set `enabled: true` in one of them");
    } else if stanzas == 0 && !has_other_inputs(root) {
        root.problem_with("there is no input", EXAMPLE);
    }
    inputs
}

/// What stanzas are read with, and what comes of them.
struct Reader<'a> {
    shared: Shared,
    config_directory: &'a Path,
    ids: HashMap<String, Option<Place>>,
    inputs: Inputs,
}

impl Reader<'_> {
    fn take(&mut self, at: &At<'_>, namespace: Namespace) {
        let Some(input) = input(at, namespace, &self.shared, self.config_directory) else { return };
        if is_listener(&input.kind) {
            if let Some(listener) = listener::listener(at, input, self.config_directory) {
                self.inputs.listeners.push(listener);
                self.inputs.listener_places.push(at.place().unwrap_or_default());
            }
        } else {
            unique_id(at, &input, &mut self.ids);
            self.inputs.files.push(input);
            self.inputs.places.push(at.place().unwrap_or_default());
        }
    }
}

const EXAMPLE: &str = "for example:
filebeat.inputs:
  - type: filestream
    id: apache
    paths: [/var/log/apache2/*.log]";

/// Inputs that come from elsewhere have their own problem; that there is none here need not be
/// said.
fn has_other_inputs(root: &At<'_>) -> bool {
    [
        "filebeat.modules",
        "modules",
        "filebeat.autodiscover",
        "filebeat.config",
        "filebeat.inputs",
        "inputs",
    ]
    .iter()
    .any(|path| root.get(path).node().is_some_and(|node| !node.is_empty()))
        && !root.is_sound()
}

fn is_listener(kind: &str) -> bool {
    LISTENERS.contains(&kind)
}

/// What the top level says for all inputs.
struct Shared {
    tags: Vec<String>,
    fields: Option<(JsonMap<String, Json>, Root)>,
    enrich: EnrichSettings,
}

/// Where `fields` go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Top,
    BelowFields,
}

impl Shared {
    fn read(root: &At<'_>) -> Self {
        Self {
            tags: texts(&root.get("tags")),
            fields: own_fields(root),
            enrich: enrich(&root.get("enrich"), &EnrichSettings::default()),
        }
    }
}

fn own_fields(at: &At<'_>) -> Option<(JsonMap<String, Json>, Root)> {
    let top = at.get("fields_under_root");
    let root = if top.boolean() == Some(true) { Root::Top } else { Root::BelowFields };
    let object = fields::json_object(at.get("fields").map()?);
    (!object.is_empty()).then_some((object, root))
}

fn texts(at: &At<'_>) -> Vec<String> {
    at.texts().into_iter().map(|(text, _)| text).collect()
}

fn input(
    at: &At<'_>,
    namespace: Namespace,
    shared: &Shared,
    config_directory: &Path,
) -> Option<InputSettings> {
    let kind = kind(at)?;
    let is_listener = is_listener(&kind);
    let fields = merged_fields(at, shared);
    let pipeline = pipeline(&at.get("pipeline"), fields.as_ref());
    let paths = if is_listener { Vec::new() } else { paths(at) };
    let format = format_of(at, &kind, &paths, config_directory);
    let default = InputSettings::default();
    let scan = at.first_of(&["prospector.scanner.check_interval", "scan_frequency"]);
    let scan_interval = scan.positive_duration().unwrap_or(default.scan_interval);
    let message = at.first_of(&["message_max_bytes", "max_bytes"]);
    let id = at.get("id").text_if_any();
    if id.is_none() && kind == "filestream" {
        at.warn(format!(
            "`{}` has no `id`: a filestream input should have one of its own",
            at.path()
        ));
    }
    let mut reading = reading(at);
    let format =
        format.unwrap_or(if pipeline.is_some() { Format::Raw } else { default.format.clone() });
    own::skip_header(&format, &mut reading);
    let syslog = reading.take_syslog();
    let is_read_by_line = (!is_listener || kind == "stdin") && syslog.is_none();
    let is_said = ["parsers", "multiline"].iter().any(|key| at.get(key).is_there());
    if let Format::Known(name) = &format
        && is_read_by_line
        && !is_said
    {
        join_lines(name, &mut reading);
    }
    tell_error_logs(at, &format, &paths);
    let zone = if kind == "syslog" { TimeZone::UTC } else { listener::zone(at) };
    Some(InputSettings {
        id,
        kind,
        namespace,
        paths,
        exclude_files: expressions(
            &at.first_of(&["prospector.scanner.exclude_files", "exclude_files"]),
        ),
        trusted_proxies: trusted_proxies(at, &format),
        format,
        keep_original: at.get("keep_original").boolean().unwrap_or(default.keep_original),
        syslog,
        reading,
        zone,
        message_max_bytes: message.bytes(1, MESSAGE_BYTES_MAX).unwrap_or(default.message_max_bytes),
        symlinks: at
            .first_of(&["prospector.scanner.symlinks", "symlinks"])
            .boolean()
            .unwrap_or(default.symlinks),
        compression: compression(at),
        scan_interval,
        files: files::files(at, &scan, scan_interval),
        close: files::close(at),
        pipeline,
        index: format_string(&at.get("index")),
        tags: tags(at, shared),
        enrich: enrich(&at.get("enrich"), &shared.enrich),
        fields,
        dataset: dataset(&at.get("dataset")),
        ..InputSettings::default()
    })
}

fn tags(at: &At<'_>, shared: &Shared) -> Vec<String> {
    let own = texts(&at.get("tags")).into_iter().filter(|tag| !shared.tags.contains(tag));
    shared.tags.iter().cloned().chain(own).collect()
}

fn dataset(at: &At<'_>) -> Option<&'static Dataset> {
    let name = at.text_if_any()?;
    let found = DATASETS.into_iter().find(|dataset| dataset.name == name);
    if found.is_none() {
        let names: Vec<&str> = DATASETS.iter().map(|dataset| dataset.name).collect();
        let hint = match nearest(&name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are `{}`", names.join("`, `")),
        };
        at.problem_with(format!("there is no dataset `{name}`"), hint);
    }
    found
}

/// Joins the lines of formats whose events have several.
fn join_lines(format: &str, reading: &mut ReadingSettings) {
    if let Some(pattern) = known(format).and_then(|known| known.begins) {
        let rule = MultilineRule::Pattern {
            pattern: pattern.to_owned(),
            negate: true,
            before: false,
            flush_pattern: None,
        };
        reading.parsers.push(LineParser::Multiline(MultilineSettings::new(rule)));
    }
}

fn kind(at: &At<'_>) -> Option<String> {
    let kind = at.get("type");
    if !kind.is_there() {
        at.problem_with(
            format!("`{}` has no `type`", at.path()),
            "add `type: filestream` or `type: log`",
        );
        return None;
    }
    let text = kind.text()?;
    if matches!(text.as_str(), "log" | "filestream") || is_listener(&text) {
        return Some(text);
    }
    if OTHER_TYPES.contains(&text.as_str()) {
        let message = format!("the input type `{text}` is not supported yet");
        kind.problem_with(
            message,
            "`filestream`, `log`, `stdin`, `syslog`, `tcp`, `udp` and `unix` are; `enabled: false` switches it off",
        );
    } else {
        let allowed = ["filestream", "log", "stdin", "syslog", "tcp", "udp", "unix"];
        let place = kind.place().expect("a text has a place");
        kind.push(not_one_of(place, kind.path(), &text, &allowed));
    }
    None
}

/// Types of Filebeat's inputs that are not built.
#[rustfmt::skip]
const OTHER_TYPES: [&str; 25] = [
    "aws-cloudwatch", "aws-s3", "azure-blob-storage", "azure-eventhub", "benchmark", "cel",
    "cloudfoundry", "cometd", "container", "docker", "entity-analytics", "etw", "gcp-pubsub", "gcs",
    "http_endpoint", "httpjson", "journald", "kafka", "lumberjack", "mqtt", "netflow", "o365audit",
    "redis", "salesforce", "streaming",
];

fn unique_id(at: &At<'_>, input: &InputSettings, ids: &mut HashMap<String, Option<Place>>) {
    let Some(id) = input.id.as_ref().filter(|_| input.kind == "filestream") else { return };
    let at = at.get("id");
    let Some(first) = ids.get(id) else {
        ids.insert(id.clone(), at.place());
        return;
    };
    let place = at.place().unwrap_or_default();
    let mut problem = Problem::new(place, format!("two filestream inputs have the id `{id}`"));
    if let Some(first) = first {
        problem = problem.other(*first, "the first one is here");
    }
    at.push(problem.hint("give each input an id of its own: it is what its state is kept under"));
}

fn paths(at: &At<'_>) -> Vec<String> {
    let paths = at.get("paths");
    let texts = paths.texts();
    if texts.is_empty() && (!paths.is_there() || paths.node().is_some_and(Node::is_empty)) {
        at.problem_with(
            format!("`{}` has no `paths`", at.path()),
            "add them, for example `paths: [/var/log/apache2/*.log]`",
        );
    }
    let mut all = Vec::new();
    for (path, item) in texts {
        if path.starts_with('/') {
            if let Err(error) = globset::GlobBuilder::new(&path).literal_separator(true).build() {
                item.problem(format!("`{path}` is no pattern of paths: {}", error.kind()));
                continue;
            }
            all.push(path);
        } else {
            item.problem_with(format!("`{path}` is not an absolute path"), absolute_hint(&path));
        }
    }
    all
}

/// Warns of error logs that are read as if they were access logs.
fn tell_error_logs(at: &At<'_>, format: &Format, paths: &[String]) {
    let format_of = |path: &str| match path.rsplit_once('/')? {
        (_, name) if !name.contains("error") => None,
        _ if path.contains("nginx") => Some("nginx_error"),
        (above, _) if ["apache", "httpd"].iter().any(|name| above.contains(name)) => {
            Some("apache_error")
        }
        _ => None,
    };
    if *format == Format::Auto
        && let Some((path, name)) = paths.iter().find_map(|path| Some((path, format_of(path)?)))
    {
        at.warn(format!(
            "`{}` reads `{path}` as an access log, so its lines become `message` alone: give it an input of its own with \
             `format: {name}`",
            at.path()
        ));
    }
}

fn absolute_hint(path: &str) -> String {
    if let Some(below) = path.strip_prefix("~/") {
        return format!("write the home directory out, for example `/home/web/{below}`");
    }
    if path.contains('\\') {
        return "write it from the root and with `/`: paths of Windows are not known here"
            .to_owned();
    }
    let absolute = if path.contains('/') { "/" } else { "/var/log/" };
    format!("write it from the root, for example `{absolute}{path}`")
}

/// Says which compressed files are read. A plain file is read as such whatever is asked for.
fn compression(at: &At<'_>) -> Compression {
    let at_key = at.get("compression");
    let Some(word) = at_key.text_if_any() else {
        let all = at.get("gzip_experimental").boolean().unwrap_or(false);
        return if all { Compression::Only(Packing::Gzip) } else { Compression::Continued };
    };
    let only = Packing::ALL.map(Compression::Only);
    let known = [Compression::All, Compression::Continued, Compression::Never];
    let mut all = known.into_iter().chain(only);
    all.clone().find(|known| known.word() == word).unwrap_or_else(|| {
        let place = at_key.place().expect("a text has a place");
        let words: Vec<&str> = all.by_ref().map(Compression::word).collect();
        at_key.push(not_one_of(place, at_key.path(), &word, &words));
        Compression::Continued
    })
}

fn format(at: &At<'_>) -> Option<Format> {
    match &at.node()?.value {
        Value::Map(map) => {
            for entry in &map.entries {
                let is_known = |keys: &[&str]| keys.contains(&entry.key.as_str());
                if entry.key != "regex" && !is_known(&compiled::KEYS) && !is_known(&own::KEYS) {
                    let known = [&["regex"], &compiled::KEYS[..], &own::KEYS[..]].concat();
                    let path = format!("{}.{}", at.path(), entry.key);
                    at.push(unknown_key(entry.place, &path, &entry.key, &known));
                }
            }
            if compiled::KEYS.iter().any(|key| at.get(key).is_there()) {
                return compiled::format(at);
            }
            if own::KEYS.iter().any(|key| at.get(key).is_there()) {
                return own::format(at);
            }
            at.get("regex").is_there().then(|| own::regex(&at.get("regex")))?
        }
        Value::Scalar(_) if own::is_plain_word(at) => None,
        Value::Null | Value::Scalar(_) | Value::List(_) => {
            let names = KNOWN.iter().map(|known| known.name);
            let words: Vec<&str> = FORMATS.into_iter().chain(names).collect();
            Some(match at.word(&words)? {
                0 => Format::Raw,
                1 => Format::Auto,
                2 => Format::Common,
                3 => Format::Combined,
                4 => Format::VhostCombined,
                5 => Format::Nginx,
                6 => Format::Apache,
                other => Format::Known(words[other]),
            })
        }
    }
}

/// Reads what says how lines are understood.
fn format_of(at: &At<'_>, kind: &str, paths: &[String], config_directory: &Path) -> Option<Format> {
    let own = at.get("format");
    let of_text = (kind == "syslog").then(|| listener::text_format(&own)).flatten();
    if at.get("format_from").is_there() {
        return format_from(at, paths, config_directory);
    }
    of_text.or_else(|| format(&own))
}

fn format_from(at: &At<'_>, paths: &[String], config_directory: &Path) -> Option<Format> {
    let from = at.get("format_from");
    if at.get("format").is_there() {
        from.problem_with(
            format!("`{}` is there as well", at.get("format").path()),
            "leave out one of them",
        );
        return None;
    }
    compiled::format_from(&from, paths, config_directory)
}

/// Reads a format string of an index; an empty one counts as absent.
#[must_use]
pub fn format_string(at: &At<'_>) -> Option<String> {
    let text = at.text_if_any()?;
    if let Err(error) = FormatString::parse(&text) {
        at.problem(error.to_string());
        return None;
    }
    Some(text)
}

/// Reads the name of a pipeline; an empty one counts as absent.
///
/// As in Filebeat it is a format string whose result is in lower case, while the names of fields in
/// it stay as they are. Known are the fields that all events of an input share.
#[must_use]
pub fn pipeline(at: &At<'_>, fields: Option<&FieldsSettings>) -> Option<String> {
    let text = at.text_if_any()?;
    let format = match FormatString::parse(&text) {
        Ok(format) => format,
        Err(error) => {
            at.problem_with(error.to_string(), "write the name of one pipeline");
            return None;
        }
    };
    let constant = |name: &str| match name {
        "agent.version" => Some(FILEBEAT_VERSION.to_owned()),
        name => shared_field(fields?, name),
    };
    let name = format.resolve(constant).constant();
    if name.is_none() {
        at.problem_with(
            format!("`{}` cannot differ from event to event yet, as `{text}` does", at.path()),
            "name one pipeline for each input; only `fields` of that input and `agent.version` can \
             stand in it",
        );
    }
    name
}

/// Returns the single value of a field that an input adds to all its events.
fn shared_field(fields: &FieldsSettings, name: &str) -> Option<String> {
    let name = if fields.under_root { name } else { name.strip_prefix("fields.")? };
    let mut value: &Json = &serde_json::from_str(&fields.json_object).ok()?;
    for part in name.split('.') {
        value = value.get(part)?;
    }
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn merged_fields(at: &At<'_>, shared: &Shared) -> Option<FieldsSettings> {
    let (object, root) = match (own_fields(at), &shared.fields) {
        (None, None) => return None,
        (Some(own), None) => own,
        (None, Some(shared)) => shared.clone(),
        (Some((mut own, Root::BelowFields)), Some((more, Root::BelowFields))) => {
            fields::fill(&mut own, more);
            (own, Root::BelowFields)
        }
        // One of the two goes to the top level: the other becomes its member `fields` or joins it.
        (Some((own, own_root)), Some((more, more_root))) => {
            let mut object = at_top(own, own_root);
            fields::fill(&mut object, &at_top(more.clone(), *more_root));
            (object, Root::Top)
        }
    };
    let json_object = Json::Object(object).to_string();
    Some(FieldsSettings { json_object, under_root: root == Root::Top })
}

fn at_top(object: JsonMap<String, Json>, root: Root) -> JsonMap<String, Json> {
    match root {
        Root::Top => object,
        Root::BelowFields => JsonMap::from_iter([("fields".to_owned(), Json::Object(object))]),
    }
}
