//! Writes the configuration that is in force as YAML; the only place that knows `serde_yaml`.

mod dead_letters;
mod listener;
mod own;
mod reading;
mod tls;

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_yaml::{Mapping, Value};

use crate::config::mask::{self, MASK, urls};
use crate::config::typed::fields;
use crate::packing::Compression;
use crate::settings::enrich::EnrichSettings;
use crate::settings::{
    Auth, BacklogOrder, CloseSettings, ComesFrom, ElasticsearchSettings, Escape, FieldsSettings,
    FileSettings, Format, HttpSettings, InputSettings, LogLevel, LoggingSettings, Namespace,
    OnFull, OutputSettings, ReadBy, ReadOrder, RescueSettings, ServerFormat, Settings, Since,
    WebServer,
};
use crate::units::duration_text;

/// Returns settings as nested YAML with every key that is read, secrets masked.
///
/// Loaded again, it gives the same settings but for the secrets.
///
/// # Panics
/// If settings hold a text that should be JSON and is not: the load made it.
#[must_use]
pub fn render(settings: &Settings, config_directory: &Path) -> String {
    let mut root = Mapping::new();
    if let Some(name) = &settings.name {
        put(&mut root, "name", name.as_str());
    }
    put(&mut root, "path", paths(settings, config_directory));
    let mut filebeat = Mapping::new();
    let own = stanzas(settings, Namespace::Own);
    let shared = stanzas(settings, Namespace::Filebeat);
    if !shared.is_empty() {
        put(&mut filebeat, "inputs", Value::Sequence(shared));
    }
    let registry = map([
        ("path", path(&settings.registry.path)),
        ("file_permissions", mode(settings.registry.file_permissions)),
        ("flush", duration(settings.registry.flush)),
    ]);
    put(&mut filebeat, "registry", registry);
    put(&mut filebeat, "shutdown_timeout", duration(settings.shutdown_timeout));
    put(&mut root, "filebeat", filebeat);
    if !own.is_empty() {
        put(&mut root, "inputs", Value::Sequence(own));
    }
    let mem = map([
        ("bytes", number(settings.queue.bytes)),
        ("flush", map([("timeout", duration(settings.queue.flush_timeout))])),
    ]);
    put(&mut root, "queue", map([("mem", mem)]));
    match &settings.output {
        OutputSettings::Console => {
            let console = map([("enabled", true.into())]);
            put(&mut root, "output", map([("console", console)]));
        }
        OutputSettings::Elasticsearch(output) => {
            put(&mut root, "output", map([("elasticsearch", elasticsearch(output))]));
            put(&mut root, "setup", map([("template", template(output))]));
        }
    }
    let mut limits = Mapping::new();
    if let Some(rate) = settings.limits.bandwidth {
        put(&mut limits, "bandwidth", rate);
    }
    if let Some(share) = settings.limits.cpu {
        put(&mut limits, "cpu", format!("{}%", share * 100.0).as_str());
    }
    if !limits.is_empty() {
        put(&mut root, "limits", Value::Mapping(limits));
    }
    if settings.rescue != RescueSettings::default() {
        put(&mut root, "rescue", rescue(&settings.rescue));
    }
    put(&mut root, "logging", logging(&settings.logging));
    if let Some(settings) = &settings.http {
        put(&mut root, "http", http(settings));
    }
    let mut root = Value::Mapping(root);
    hide(&mut root, &secrets_of(settings));
    protect(&mut root);
    quote_marked(&serde_yaml::to_string(&root).expect("maps with text keys are YAML"))
}

fn put(map: &mut Mapping, key: &str, value: impl Into<Value>) {
    map.insert(key.into(), value.into());
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn list<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
    Value::Sequence(texts.into_iter().map(|text| text.as_str().into()).collect())
}

fn path(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

fn duration(duration: Duration) -> Value {
    duration_text(duration).into()
}

fn mode(mode: u32) -> Value {
    format!("0{mode:o}").into()
}

fn number(value: usize) -> Value {
    u64::try_from(value).unwrap_or(u64::MAX).into()
}

/// Turns a JSON text that the load made into YAML.
fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("the load writes valid JSON")
}

/// Returns the texts that must not be shown, wherever they are repeated.
fn secrets_of(settings: &Settings) -> Vec<String> {
    let mut secrets = Vec::new();
    if let OutputSettings::Elasticsearch(output) = &settings.output {
        match &output.auth {
            Auth::None => {}
            Auth::Basic { password, .. } => mask::add_secret(password.expose(), &mut secrets),
            Auth::ApiKey(key) => mask::add_secret(key.expose(), &mut secrets),
        }
        for (_, value) in output.headers.iter().chain(&output.proxy_headers) {
            mask::add_secret(value.expose(), &mut secrets);
        }
    }
    secrets
}

/// Masks secrets in all texts, and the values of keys that are named like secrets.
fn hide(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) if text.contains("PRIVATE KEY") => MASK.clone_into(text),
        Value::String(text) => *text = mask::repeated(text, secrets),
        Value::Sequence(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Mapping(map) => {
            for (key, value) in map {
                let is_secret = key.as_str().is_some_and(mask::is_secret_key);
                match value {
                    Value::Mapping(_) | Value::Sequence(_) => hide(value, secrets),
                    _ if is_secret && !value.as_str().is_some_and(|t| t.contains(MASK)) => {
                        *value = MASK.into();
                    }
                    _ => hide(value, secrets),
                }
            }
        }
        _ => {}
    }
}

/// Stands before a text that has to be quoted; for private use, so that no ordinary text has it.
const QUOTE_MARK: char = '\u{e000}';

/// Changes texts so that they are read again as the same: `${` is no reference, and what Go's YAML
/// takes for a boolean or a number, other than `serde_yaml`, is marked to be quoted.
fn protect(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains("${") {
                *text = text.replace("${", "$${");
            }
            if !fields::plain(text).is_string() {
                text.insert(0, QUOTE_MARK);
            }
        }
        Value::Sequence(items) => items.iter_mut().for_each(protect),
        Value::Mapping(map) => map.values_mut().for_each(protect),
        _ => {}
    }
}

/// Puts quotes where [`protect`] left its mark at the start of a value.
fn quote_marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line.split_once(QUOTE_MARK) {
            Some((before, value))
                if before.ends_with([' ']) && !fields::plain(value).is_string() =>
            {
                out.extend([before, "'", value, "'"]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

fn paths(settings: &Settings, config_directory: &Path) -> Value {
    map([
        ("home", path(&settings.paths.home)),
        ("config", path(config_directory)),
        ("data", path(&settings.paths.data)),
        ("logs", path(&settings.paths.logs)),
    ])
}

fn rescue(rescue: &RescueSettings) -> Value {
    let on_full = if rescue.on_full == OnFull::Keep { "keep" } else { "drop" };
    map([
        ("max_size", rescue.bytes_max.into()),
        ("path", path(&rescue.path)),
        ("on_full", on_full.into()),
    ])
}

fn stanzas(settings: &Settings, namespace: Namespace) -> Vec<Value> {
    let of_namespace = settings.inputs.iter().filter(|input| input.namespace == namespace);
    let listeners = settings.listeners.iter().filter(|one| one.input.namespace == namespace);
    of_namespace
        .map(|input| Value::Mapping(stanza(input)))
        .chain(listeners.map(|listener| Value::Mapping(listener::stanza(listener))))
        .collect()
}

fn stanza(input: &InputSettings) -> Mapping {
    let mut out = Mapping::new();
    put(&mut out, "type", input.kind.as_str());
    if let Some(id) = &input.id {
        put(&mut out, "id", id.as_str());
    }
    if !input.paths.is_empty() {
        put(&mut out, "paths", list(&input.paths));
    }
    put(&mut out, "format", format(&input.format));
    if let Some(dataset) = input.dataset {
        put(&mut out, "dataset", dataset.name);
    }
    put(&mut out, "keep_original", input.keep_original);
    if input.kind != "syslog" && input.zone != TimeZone::system() {
        listener::put_zone(&mut out, &input.zone);
    }
    if input.comes_from == ComesFrom::Files {
        put(&mut out, "message_max_bytes", input.message_max_bytes);
        if input.compression != Compression::default() {
            put(&mut out, "compression", input.compression.word());
        }
        files(&mut out, input);
    }
    reading::put_reading(&mut out, input);
    if !input.trusted_proxies.is_empty() {
        let networks: Vec<String> = input.trusted_proxies.iter().map(ToString::to_string).collect();
        put(&mut out, "trusted_proxies", list(&networks));
    }
    if let Some(pipeline) = &input.pipeline {
        put(&mut out, "pipeline", pipeline.as_str());
    }
    if let Some(index) = &input.index {
        put(&mut out, "index", index.as_str());
    }
    if !input.tags.is_empty() {
        put(&mut out, "tags", list(&input.tags));
    }
    put_enrich(&mut out, &input.enrich);
    if let Some(FieldsSettings { json_object, under_root }) = &input.fields {
        put(&mut out, "fields", json(json_object));
        put(&mut out, "fields_under_root", *under_root);
    }
    out
}

fn files(out: &mut Mapping, input: &InputSettings) {
    let files = &input.files;
    let mut scanner = Mapping::new();
    put(&mut scanner, "check_interval", duration(input.scan_interval));
    put(&mut scanner, "symlinks", input.symlinks);
    put(&mut scanner, "exclude_files", list(&input.exclude_files));
    if !files.include_files.is_empty() {
        put(&mut scanner, "include_files", list(&files.include_files));
    }
    if !files.recursive_glob {
        put(&mut scanner, "recursive_glob", false);
    }
    if files.resend_on_touch {
        put(&mut scanner, "resend_on_touch", true);
    }
    if let Some(part) = files.fingerprint {
        let part = [("offset", part.offset.into()), ("length", part.length.into())];
        put(&mut scanner, "fingerprint", map(part));
    }
    put(out, "prospector", map([("scanner", Value::Mapping(scanner))]));
    let is_fresh_first = files.backlog == BacklogOrder::FreshFirst;
    if files.order != ReadOrder::default() || is_fresh_first {
        let sort = if files.order.by == ReadBy::Name { "filename" } else { "modtime" };
        let order = if files.order.descending { "desc" } else { "asc" };
        put(out, "scan", map([("sort", sort.into()), ("order", order.into())]));
    }
    if is_fresh_first {
        put(out, "order", "fresh_first");
    }
    done(out, files);
    put_close(out, &input.close);
}

fn done(out: &mut Mapping, files: &FileSettings) {
    if let Some(older) = files.skip.older {
        put(out, "ignore_older", duration(older));
    }
    if let Some(since) = files.skip.inactive {
        let first = since == Since::FirstStart;
        put(out, "ignore_inactive", if first { "since_first_start" } else { "since_last_start" });
    }
    if files.skip.tail {
        put(out, "seek_to_tail", true);
    }
    for (key, is_on) in [
        ("include_file_owner_name", files.owner.user),
        ("include_file_owner_group_name", files.owner.group),
        ("include_file_fingerprint", files.fingerprint.is_some()),
    ] {
        if is_on {
            put(out, key, true);
        }
    }
    if !files.path_fields.is_empty() {
        put(out, "path_fields", list(&files.path_fields));
    }
    if let Some(inactive) = files.clean.inactive {
        put(out, "clean_inactive", duration(inactive));
    }
    if !files.clean.removed {
        put(out, "clean_removed", false);
    }
    if let Some(grace) = files.delete_after {
        put(out, "delete", map([("enabled", true.into()), ("grace_period", duration(grace))]));
    }
}

fn put_close(out: &mut Mapping, settings: &CloseSettings) {
    let mut close = Mapping::new();
    put(&mut close, "inactive", duration(settings.inactive));
    if settings.renamed {
        put(&mut close, "renamed", true);
    }
    let mut all = map([("on_state_change", Value::Mapping(close))]);
    let mut reader = Mapping::new();
    if settings.on_eof {
        put(&mut reader, "on_eof", true);
    }
    if let Some(after) = settings.after {
        put(&mut reader, "after_interval", duration(after));
    }
    if let Value::Mapping(all) = &mut all
        && !reader.is_empty()
    {
        put(all, "reader", Value::Mapping(reader));
    }
    put(out, "close", all);
    if settings.limit != 0 {
        put(out, "harvester_limit", number(settings.limit));
    }
}

fn put_enrich(out: &mut Mapping, enrich: &EnrichSettings) {
    if enrich.is_empty() {
        return;
    }
    let paths: Vec<String> = enrich.geoip.iter().map(|path| path.display().to_string()).collect();
    put(
        out,
        "enrich",
        map([
            ("user_agent", enrich.user_agent.into()),
            ("bots", enrich.bots.into()),
            ("related", enrich.related.into()),
            ("geoip", list(&paths)),
            ("query", list(&enrich.query)),
        ]),
    );
}

fn compiled(format: &ServerFormat) -> Value {
    let escape = match format.escape {
        Escape::Default => "",
        Escape::Json => "escape=json ",
        Escape::None => "escape=none ",
    };
    let key = match format.server {
        WebServer::Apache => "apache",
        WebServer::Nginx => "nginx",
    };
    map([(key, format!("{escape}{}", format.text).into())])
}

fn format(format: &Format) -> Value {
    match format {
        Format::Raw => "raw".into(),
        Format::Auto => "auto".into(),
        Format::Apache => "apache".into(),
        Format::Common => "common".into(),
        Format::Combined => "combined".into(),
        Format::VhostCombined => "vhost_combined".into(),
        Format::Nginx => "nginx".into(),
        Format::Known(name) => (*name).into(),
        Format::Compiled(format) => compiled(format),
        Format::Own(format) => own::own(format),
        Format::Regex(regex) => {
            let mut inner = Mapping::new();
            put(&mut inner, "pattern", regex.pattern.as_str());
            if !regex.rename.is_empty() {
                put(&mut inner, "rename", pairs(regex.rename.iter().map(|(k, v)| (k, v.as_str()))));
            }
            map([("regex", Value::Mapping(inner))])
        }
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a str)>) -> Value {
    let mut out = Mapping::new();
    for (key, value) in pairs {
        put(&mut out, key, value);
    }
    Value::Mapping(out)
}

fn elasticsearch(output: &ElasticsearchSettings) -> Value {
    let mut out = Mapping::new();
    put(&mut out, "hosts", list(&output.hosts));
    match &output.auth {
        Auth::None => {}
        Auth::Basic { username, .. } => {
            put(&mut out, "username", username.as_str());
            put(&mut out, "password", MASK);
        }
        Auth::ApiKey(_) => put(&mut out, "api_key", format!("{MASK}:{MASK}")),
    }
    if !output.parameters.is_empty() {
        let parameters = output.parameters.iter().map(|(key, value)| (key, value.as_str()));
        put(&mut out, "parameters", pairs(parameters));
    }
    if !output.headers.is_empty() {
        put(&mut out, "headers", pairs(output.headers.iter().map(|(key, _)| (key, MASK))));
    }
    if let Some(index) = &output.index {
        put(&mut out, "index", index.as_str());
    }
    if let Some(pipeline) = &output.pipeline {
        put(&mut out, "pipeline", pipeline.as_str());
    }
    put(&mut out, "document_id", if output.document_id { "auto" } else { "none" });
    put(&mut out, "worker", number(output.worker));
    put(&mut out, "loadbalance", output.loadbalance);
    put(&mut out, "bulk_max_size", number(output.bulk_max_size));
    let mut blocked = Mapping::new();
    put(&mut blocked, "max_size", output.blocked_bytes_max);
    put(&mut out, "blocked", blocked);
    put(&mut out, "bulk_max_bytes", number(output.bulk_max_bytes));
    put(&mut out, "compression_level", output.compression_level);
    put(&mut out, "timeout", duration(output.timeout));
    put(&mut out, "idle_connection_timeout", duration(output.idle_connection_timeout));
    let backoff =
        map([("init", duration(output.backoff.init)), ("max", duration(output.backoff.max))]);
    put(&mut out, "backoff", backoff);
    if let Some(proxy) = &output.proxy_url {
        put(&mut out, "proxy_url", urls(proxy.expose()));
    }
    if !output.proxy_headers.is_empty() {
        let headers = output.proxy_headers.iter().map(|(key, _)| (key, MASK));
        put(&mut out, "proxy_headers", pairs(headers));
    }
    put(&mut out, "proxy_disable", output.proxy_disable);
    put(&mut out, "ssl", Value::Mapping(tls::tls(&output.tls)));
    dead_letters::put_dead_letters(&mut out, &output.dead_letters);
    Value::Mapping(out)
}

fn template(output: &ElasticsearchSettings) -> Value {
    let template = &output.template;
    let mut out = Mapping::new();
    put(&mut out, "enabled", template.enabled);
    put(&mut out, "overwrite", template.overwrite);
    if let Some(name) = &template.name {
        put(&mut out, "name", name.as_str());
    }
    if let Some(pattern) = &template.pattern {
        put(&mut out, "pattern", pattern.as_str());
    }
    if let Some(settings) = &template.settings_json {
        put(&mut out, "settings", json(settings));
    }
    Value::Mapping(out)
}

fn http(http: &HttpSettings) -> Value {
    match http {
        HttpSettings::Tcp { host, port } => map([
            ("enabled", true.into()),
            ("host", host.as_str().into()),
            ("port", Value::from(*port)),
        ]),
        HttpSettings::Unix(path) => {
            map([("enabled", true.into()), ("host", format!("unix://{}", path.display()).into())])
        }
    }
}

fn logging(logging: &LoggingSettings) -> Value {
    let mut out = Mapping::new();
    let level = match logging.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    };
    put(&mut out, "level", level);
    put(&mut out, "to_stderr", logging.to_stderr);
    put(&mut out, "to_files", logging.files.is_some());
    put(&mut out, "json", logging.json);
    if !logging.selectors.is_empty() {
        put(&mut out, "selectors", list(&logging.selectors));
    }
    if let Some(files) = &logging.files {
        let files = map([
            ("path", path(&files.path)),
            ("name", files.name.as_str().into()),
            ("rotateeverybytes", files.rotate_every_bytes.into()),
            ("keepfiles", number(files.keep_files)),
            ("permissions", mode(files.permissions)),
        ]);
        put(&mut out, "files", files);
    }
    let metrics = match logging.metrics_period {
        Some(period) => map([("enabled", true.into()), ("period", duration(period))]),
        None => map([("enabled", false.into())]),
    };
    put(&mut out, "metrics", metrics);
    Value::Mapping(out)
}
