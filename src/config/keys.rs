//! Every key that is known: Filebeat's and this program's own, with what becomes of each.
//!
//! Keys are dotted; an item of a list counts as its list, and `inputs` as `filebeat.inputs`. A key
//! that ends in `.**` stands for itself and all below it.

mod listener;

pub use listener::{LISTENERS, of_listener};

/// Says what becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is read.
    Supported,
    /// It tunes or decorates what is done otherwise here; accepted, and named once at start.
    Unneeded,
    /// It changes what is sent or how it is protected, and is not built yet: refused, unless its
    /// value is one of these, which mean what happens anyway.
    NotYet(&'static [&'static str]),
    /// Known keys are below it.
    Branch,
}

use Class::{NotYet, Supported, Unneeded};

/// Classes, each with its keys.
type Table = &'static [(Class, &'static [&'static str])];

const NONE: &[&str] = &[];
const OFF: &[&str] = &["false"];
const ZERO: &[&str] = &["0", "0s", "-1"];

/// Keys of a stanza of `filebeat.inputs`, without that prefix.
#[rustfmt::skip]
const INPUT: Table = &[
    (
        Supported,
        &[
            "type", "id", "enabled", "paths", "exclude_files", "prospector.scanner.exclude_files",
            "encoding", "format.**", "format_from", "keep_original", "max_bytes", "message_max_bytes", "symlinks",
            "prospector.scanner.symlinks", "scan_frequency", "prospector.scanner.check_interval",
            "close_inactive", "close.on_state_change.inactive", "include_files",
            "prospector.scanner.include_files", "recursive_glob.enabled",
            "prospector.scanner.recursive_glob", "resend_on_touch",
            "prospector.scanner.resend_on_touch", "scan.sort", "scan.order", "order",
            "clean_inactive", "clean_removed", "legacy_clean_inactive", "delete.enabled",
            "delete.grace_period", "harvester_limit", "close_eof", "close.reader.on_eof",
            "close_timeout", "close.reader.after_interval", "close_renamed",
            "close.on_state_change.renamed", "ignore_older", "ignore_inactive", "tail_files",
            "seek_to_tail", "include_file_owner_name", "include_file_owner_group_name",
            "include_file_fingerprint", "prospector.scanner.fingerprint.offset",
            "prospector.scanner.fingerprint.length",
            "path_fields", "pipeline", "index", "tags",
            "enrich.user_agent", "enrich.bots", "enrich.related", "enrich.geoip", "enrich.query",
            "fields.**", "fields_under_root", "compression", "gzip_experimental",
            "line_terminator", "include_lines", "exclude_lines", "flush_partial_after",
            "multiline.type", "multiline.pattern", "multiline.negate", "multiline.match",
            "multiline.flush_pattern", "multiline.count_lines", "multiline.max_lines",
            "multiline.timeout", "multiline.skip_newline", "parsers.**", "json.keys_under_root",
            "json.overwrite_keys", "json.expand_keys", "json.add_error_key", "json.message_key",
            "json.document_id", "json.ignore_decoding_error", "keep_null", "trusted_proxies", "timezone", "dataset",
        ],
    ),
    (
        Unneeded,
        &[
            "harvester_buffer_size", "buffer_size", "backoff.**", "max_backoff", "backoff_factor",
            "close_removed", "close.on_state_change.removed",
            "close.on_state_change.check_interval", "file_identity.native", "file_identity.path",
            "file_identity.inode_marker.path", "file_identity.inode_deviceid",
            "file_identity.fingerprint.**", "prospector.scanner.fingerprint.**", "rotation.**",
            "allow_deprecated_id_duplication", "read_until_eof.**",
            "take_over.**",
        ],
    ),
    (
        NotYet(OFF),
        &["publisher_pipeline.disable_host"],
    ),
    (
        NotYet(NONE),
        &[
            "processors.**",
            // Keys of inputs that are not built.
            "hosts", "host", "timeout", "network", "maxconn", "password", "number_of_workers",
            "max_message_size", "read_buffer", "line_delimiter", "framing", "max_connections",
            "ssl.**", "topics", "group_id", "client_id", "version", "initial_offset",
            "connect_backoff", "consume_backoff", "keep_alive", "session_timeout",
            "heartbeat_interval", "group_instance_id", "max_wait_time", "isolation_level",
            "expand_event_list_from_field", "fetch.**", "rebalance.**", "sasl.**", "protocol.**",
            "stream", "chroot", "journalctl_path", "merge", "seek", "since", "units",
            "syslog_identifiers", "transports", "facilities", "include_matches.**",
            "save_remote_hostname",
        ],
    ),
];

/// Keys of `output.elasticsearch`, without that prefix.
#[rustfmt::skip]
const ELASTICSEARCH: Table = &[
    (
        Supported,
        &[
            "enabled", "hosts", "preset", "compression_level", "protocol", "path", "api_key",
            "username", "password", "parameters.**", "headers.**", "worker", "workers", "loadbalance", "blocked.max_size",
            "index",
            "pipeline", "proxy_url", "proxy_disable", "bulk_max_size", "bulk_max_bytes",
            "backoff.init", "backoff.max", "timeout", "idle_connection_timeout", "document_id",
            "dead_letter.path", "dead_letter.max_size", "dead_letter.max_age", "dead_letter.index",
            "non_indexable_policy.drop.**", "non_indexable_policy.dead_letter_index.index",
            "proxy_headers.**", "ssl.enabled", "ssl.certificate_authorities", "ssl.verification_mode",
            "ssl.certificate", "ssl.key", "ssl.key_passphrase", "ssl.key_passphrase_path",
            "ssl.supported_protocols", "ssl.cipher_suites", "ssl.curve_types", "ssl.ca_sha256",
            "ssl.ca_trusted_fingerprint", "ssl.certificate_reload.enabled",
            "ssl.certificate_reload.reload_interval", "ssl.restart_on_cert_change.enabled",
            "ssl.restart_on_cert_change.period",
        ],
    ),
    (
        Unneeded,
        &[
            "max_retries", "allow_older_versions",
        ],
    ),
    (NotYet(OFF), &["escape_html", "kerberos.**"]),
    (NotYet(&["never"]), &["ssl.renegotiation"]),
    (
        NotYet(NONE),
        &[
            "indices", "pipelines", "queue.**",
        ],
    ),
];

/// All other keys.
#[rustfmt::skip]
const REST: Table = &[
    (
        Supported,
        &[
            "filebeat.registry.path", "filebeat.registry.file_permissions",
            "filebeat.registry.flush", "filebeat.shutdown_timeout",
            "filebeat.config.inputs.enabled", "filebeat.config.inputs.path",
            "filebeat.config.modules.enabled", "filebeat.config.modules.path",
            "filebeat.config.modules.reload.enabled", "filebeat.config.modules.reload.period", "name", "tags",
            "fields.**", "fields_under_root", "queue.mem.bytes", "queue.mem.flush.timeout",
            "output.console.enabled", "path.home", "path.config", "path.data", "path.logs",
            "setup.template.enabled", "setup.template.overwrite", "setup.template.name",
            "setup.template.pattern", "setup.template.settings.**", "setup.dashboards.enabled",
            "logging.level", "logging.to_stderr", "logging.to_files", "logging.json",
            "logging.selectors", "logging.files.path", "logging.files.name",
            "logging.files.rotateeverybytes", "logging.files.keepfiles",
            "logging.files.permissions", "logging.metrics.enabled", "logging.metrics.period",
            "http.enabled", "http.host", "http.port", "limits.bandwidth", "limits.cpu",
            "cloud.id", "cloud.auth",
            "rescue.max_size", "rescue.path", "rescue.on_full", "enrich.user_agent", "enrich.bots",
            "enrich.related", "enrich.geoip", "enrich.query",
            "filebeat.modules", "modules",
        ],
    ),
    (
        Unneeded,
        &[
            "filebeat.registry.cleanup_interval", "filebeat.registry.migrate_file",
            "filebeat.registry.backend", "filebeat.registry.otel_file_storage.**",
            "filebeat.overwrite_pipelines", "filebeat.config.inputs.reload.**",
            "queue.mem.events", "queue.mem.flush.min_events",
            "max_procs", "output.console.bulk_max_size", "setup.dashboards.**",
            "setup.template.fields", "setup.template.type", "setup.template.priority",
            "setup.template.json.**", "setup.ilm.**", "setup.dsl.**", "setup.kibana.**",
            "logging.to_eventlog", "logging.metrics.namespaces", "logging.event_data.**",
            "logging.files.rotateonstartup", "logging.files.redirect_stderr", "monitoring.**",
            "http.named_pipe.**", "http.pprof.**", "http.debug.**",
            "seccomp.**", "instrumentation.**", "migration.**",
        ],
    ),
    (
        NotYet(OFF),
        &[
            "setup.template.json.enabled", "logging.to_syslog", "output.console.codec.json.**",
        ],
    ),
    (NotYet(ZERO), &["logging.files.interval"]),
    (NotYet(&["millisecond"]), &["timestamp.precision"]),
    (
        NotYet(NONE),
        &[
            "filebeat.autodiscover.**", "queue.disk.**",
            "processors.**", "output.logstash.**", "output.kafka.**",
            "output.redis.**", "output.file.**", "output.discard.**", "output.console.codec.**",
            "keystore.path", "setup.template.append_fields.**", "features.**",
        ],
    ),
];

/// Each table with the prefix of its keys.
const TABLES: [(&str, Table); 3] =
    [("filebeat.inputs.", INPUT), ("output.elasticsearch.", ELASTICSEARCH), ("", REST)];

/// Returns what becomes of a dotted key; `None` when it is not known.
#[must_use]
pub fn class_of(path: &str) -> Option<Class> {
    if let Some(key) = path.strip_prefix("listener.") {
        return listener::class_of(key);
    }
    let mut best: Option<(usize, Class)> = None;
    for (prefix, table) in TABLES {
        let Some(rest) = path.strip_prefix(prefix) else {
            if below(prefix, path) {
                return Some(Class::Branch);
            }
            continue;
        };
        for (class, keys) in table {
            for key in *keys {
                let stem = key.strip_suffix(".**");
                let key = stem.unwrap_or(key);
                if below(key, rest) {
                    return Some(Class::Branch);
                }
                if (key == rest || (stem.is_some() && below(rest, key)))
                    && best.is_none_or(|(longest, _)| longest <= key.len())
                {
                    best = Some((key.len(), *class));
                }
            }
        }
    }
    best.map(|(_, class)| class)
}

/// Tells whether a dotted key lies below another.
fn below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
}

/// Returns every known key with its class, `.**` left out.
pub fn all() -> impl Iterator<Item = (String, Class)> {
    TABLES.iter().flat_map(|(prefix, table)| {
        table.iter().flat_map(move |(class, keys)| {
            keys.iter().map(move |key| {
                let key = key.strip_suffix(".**").unwrap_or(key);
                (format!("{prefix}{key}"), *class)
            })
        })
    })
}
