//! Keys of the inputs that are sent to. Each type has its own: what would be ignored is unknown.

use super::Class::{self, Branch, NotYet, Supported, Unneeded};

/// Types of these inputs.
pub const LISTENERS: [&str; 5] = ["stdin", "syslog", "tcp", "udp", "unix"];

/// Keys of all of them; what ends in `.**` stands for itself and all below it.
const COMMON: &[&str] = &[
    "type",
    "id",
    "enabled",
    "format.**",
    "keep_original",
    "pipeline",
    "index",
    "tags",
    "enrich.user_agent",
    "enrich.bots",
    "enrich.related",
    "enrich.geoip",
    "enrich.query",
    "fields.**",
    "fields_under_root",
    "timezone",
    "trusted_proxies",
    "dataset",
];

const STREAM: &[&str] =
    &["max_message_size", "line_delimiter", "framing", "max_connections", "timeout"];

const TCP: &[&str] = &[
    "host",
    "network",
    "ssl.enabled",
    "ssl.certificate",
    "ssl.key",
    "ssl.key_passphrase",
    "ssl.key_passphrase_path",
    "ssl.certificate_authorities",
    "ssl.client_authentication",
    "ssl.verification_mode",
    "ssl.supported_protocols",
    "ssl.cipher_suites",
    "ssl.curve_types",
    "ssl.certificate_reload.enabled",
    "ssl.certificate_reload.reload_interval",
    "ssl.restart_on_cert_change.enabled",
    "ssl.restart_on_cert_change.period",
];

const UDP: &[&str] = &["host", "network", "max_message_size", "read_buffer"];

const UNIX: &[&str] = &["path", "mode", "group", "socket_type"];

const STDIN: &[&str] = &[
    "message_max_bytes",
    "max_bytes",
    "json.keys_under_root",
    "json.overwrite_keys",
    "json.expand_keys",
    "json.add_error_key",
    "json.message_key",
    "json.document_id",
    "json.ignore_decoding_error",
    "multiline.**",
];

/// How a message, or the text in a syslog message, becomes an event.
const READING: &[&str] = &["encoding", "parsers.**", "include_lines", "exclude_lines", "keep_null"];

/// What is done otherwise here.
const UNNEEDED: &[&str] = &["number_of_workers", "harvester_buffer_size", "buffer_size", "timeout"];

const OFF: &[&str] = &["false"];
const NOT_YET_OFF: &[&str] = &["publisher_pipeline.disable_host"];
const NOT_YET: &[&str] = &["processors.**", "ssl.ca_sha256"];

/// Returns the keys that an input of a type reads.
fn read_keys(kind: &str) -> Vec<String> {
    let mut keys: Vec<String> = COMMON.iter().map(|key| (*key).to_owned()).collect();
    for (protocol, tables) in
        [("tcp", [TCP, STREAM]), ("udp", [UDP, &[]]), ("unix", [UNIX, STREAM])]
    {
        for key in tables.into_iter().flatten() {
            if kind == protocol {
                keys.push((*key).to_owned());
            } else if kind == "syslog" {
                keys.push(format!("protocol.{protocol}.{key}"));
            }
        }
    }
    let own = match kind {
        "stdin" => [STDIN, READING],
        _ => [READING, &[]],
    };
    keys.extend(own.into_iter().flatten().map(|key| (*key).to_owned()));
    keys
}

/// Returns what becomes of a key of an input of a type, `type.key`; `None` when it is not known.
pub(super) fn class_of(path: &str) -> Option<Class> {
    let (kind, key) = path.split_once('.')?;
    let keys = read_keys(kind);
    if keys.iter().any(|known| covers(known, key)) {
        return Some(Supported);
    }
    if keys.iter().any(|known| below(known, key)) {
        return Some(Branch);
    }
    let bare = ["protocol.tcp.", "protocol.udp.", "protocol.unix."]
        .iter()
        .find_map(|prefix| key.strip_prefix(prefix).filter(|_| kind == "syslog"))
        .unwrap_or(key);
    let among = |table: &[&str]| table.iter().any(|known| covers(known, bare));
    if among(UNNEEDED) {
        Some(Unneeded)
    } else if among(NOT_YET_OFF) {
        Some(NotYet(OFF))
    } else if among(NOT_YET) {
        Some(NotYet(&[]))
    } else {
        let tables = [UNNEEDED, NOT_YET_OFF, NOT_YET];
        tables.into_iter().flatten().any(|known| below(known, bare)).then_some(Branch)
    }
}

fn covers(known: &str, key: &str) -> bool {
    match known.strip_suffix(".**") {
        Some(stem) => key == stem || below(key, stem),
        None => known == key,
    }
}

fn below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
}

/// Returns the keys of an input of a type, for advice.
#[must_use]
pub fn of_listener(kind: &str) -> Vec<String> {
    let keys = read_keys(kind).into_iter();
    keys.map(|key| key.strip_suffix(".**").unwrap_or(&key).to_owned()).collect()
}
