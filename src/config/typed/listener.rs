//! The stanzas whose lines are sent to them: `tcp`, `udp`, `unix`, `syslog`, `stdin`.

use crate::config::typed::tls::common;
use crate::config::typed::value::At;
use crate::settings::reading::{EncodingSettings, LineParser};
use crate::settings::{
    ComesFrom, Format, FramingSettings, InputSettings, Listen, ListenerSettings, ServerTlsSettings,
    SocketSettings, SyslogFormat, SyslogSettings,
};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest message that can be asked for.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

/// Largest datagram that there is.
const DATAGRAM_BYTES_MAX: u64 = 64 << 10;

/// Most connections when the operator sets no limit.
const CONNECTIONS: usize = 1024;

/// Default of a stream's `timeout`.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Default of `max_message_size`: of streams, and of datagrams.
const STREAM_BYTES: u64 = 20 << 20;
const DATAGRAM_BYTES: u64 = 10 << 10;

const SYSLOG_FORMATS: [&str; 2] = ["rfc3164", "rfc5424"];

/// Reads what follows a stanza's type; `input` is what it has in common with files. `None` when it says nowhere to listen.
pub(super) fn listener(
    at: &At<'_>,
    mut input: InputSettings,
    config_directory: &Path,
) -> Option<ListenerSettings> {
    input.comes_from = ComesFrom::Senders;
    whole_messages(at, &input);
    let (kind, at_protocol) = match input.kind.as_str() {
        "syslog" => {
            // What else reads a message, reads its text.
            let syslog = syslog(at);
            input.zone = syslog.zone.clone();
            input.reading.parsers.insert(0, LineParser::Syslog(syslog));
            input.syslog = input.reading.take_syslog();
            protocol(at)?
        }
        kind => (kind.to_owned(), at.clone()),
    };
    let at = &at_protocol;
    let size = at.get("max_message_size");
    let connections = at.get("max_connections").integer(0, 65_536).unwrap_or(0);
    let connections_max = match usize::try_from(connections) {
        Ok(0) | Err(_) => CONNECTIONS,
        Ok(most) => most,
    };
    let (listen, bytes) = match kind.as_str() {
        "tcp" => (Listen::Tcp(host(at, "tcp")?), size.bytes(1, MESSAGE_BYTES_MAX)),
        "udp" => {
            let buffer = at.get("read_buffer").bytes(1, 1 << 30);
            let buffer = buffer.and_then(|bytes| usize::try_from(bytes).ok());
            let bytes = size.bytes(1, DATAGRAM_BYTES_MAX).or(Some(DATAGRAM_BYTES));
            (Listen::Udp(host(at, "udp")?, buffer), bytes)
        }
        "unix" => (unix(at)?, size.bytes(1, MESSAGE_BYTES_MAX)),
        _ => {
            let most = at.first_of(&["message_max_bytes", "max_bytes"]);
            (Listen::Stdin, most.bytes(1, MESSAGE_BYTES_MAX).or(Some(10 << 20)))
        }
    };
    input.message_max_bytes = bytes.unwrap_or(STREAM_BYTES);
    let has_tls = matches!(listen, Listen::Tcp(_));
    Some(ListenerSettings {
        input,
        listen,
        framing: framing(at),
        connections_max,
        timeout: at.get("timeout").positive_duration().unwrap_or(TIMEOUT),
        tls: has_tls.then(|| tls(&at.get("ssl"), config_directory)).flatten(),
    })
}

/// Says what cannot be done with messages; but for lines of standard input each is an event.
fn whole_messages(at: &At<'_>, input: &InputSettings) {
    let reading = &input.reading;
    if input.kind == "syslog" && input.syslog.is_some() {
        at.get("parsers").problem_with(
            "an input of type `syslog` reads the header before its `parsers` see the text",
            "leave `syslog` out of them",
        );
    }
    if matches!(reading.encoding, EncodingSettings::Utf16 { .. }) {
        at.get("encoding").problem_with(
            "messages that are sent cannot be UTF-16: what ends them is looked for byte by byte",
            "let the sender write UTF-8, or another encoding that has ASCII in it",
        );
    }
    for parser in reading.parsers.iter().filter(|_| input.kind != "stdin") {
        let name = match parser {
            LineParser::Multiline(_) => "multiline",
            LineParser::Container(_) => "container",
            LineParser::Ndjson(_) | LineParser::IncludeMessage(_) | LineParser::Syslog(_) => {
                continue;
            }
        };
        at.get("parsers").problem_with(
            format!("`{name}` joins lines, and each message that is sent is an event of its own"),
            "send whole events (`framing: rfc6587`, or another `line_delimiter`), or let them be \
             written to a file that is read, or to standard input",
        );
    }
}

/// Says that standard input is beside other inputs, which `files` and the others are.
pub(super) fn alone(root: &At<'_>, listeners: &[ListenerSettings], files: usize) {
    let has_stdin = listeners.iter().any(|input| input.listen == Listen::Stdin);
    if has_stdin && 1 < files + listeners.len() {
        root.problem_with(
            "an input of type `stdin` is beside others",
            "let it be the only one: the run ends with standard input",
        );
    }
}

/// Reads `format` of a syslog stanza: of the messages, or of the text in them.
pub(super) fn text_format(at: &At<'_>) -> Option<Format> {
    let text = at.node()?.text()?;
    SYSLOG_FORMATS.contains(&text).then_some(Format::Auto)
}

/// Reads how syslog messages are read.
pub(super) fn syslog(at: &At<'_>) -> SyslogSettings {
    SyslogSettings { format: syslog_format(at), zone: zone(at) }
}

fn syslog_format(at: &At<'_>) -> SyslogFormat {
    match at.get("format").node().and_then(|node| node.text()) {
        Some("rfc3164") => SyslogFormat::Rfc3164,
        Some("rfc5424") => SyslogFormat::Rfc5424,
        _ => SyslogFormat::Auto,
    }
}

/// Reads `timezone`: `Local`, a name as `Europe/Berlin`, or `+02:00`.
pub(super) fn zone(at: &At<'_>) -> TimeZone {
    let at = at.get("timezone");
    let Some(text) = at.text_if_any().filter(|text| !text.eq_ignore_ascii_case("local")) else {
        return TimeZone::system();
    };
    let known = fixed_zone(&text).or_else(|| TimeZone::get(&text).ok());
    known.unwrap_or_else(|| {
        let hint = "write `Local`, a name such as `Europe/Berlin`, or an offset such as `+02:00`";
        at.problem_with(format!("there is no time zone `{text}`"), hint);
        TimeZone::UTC
    })
}

fn fixed_zone(text: &str) -> Option<TimeZone> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|letter| *letter != ':').collect();
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    // No place on earth is further from UTC.
    let seconds = Some(sign * seconds).filter(|seconds| seconds.abs() <= 15 * 3600)?;
    jiff::tz::Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

/// Returns the one protocol of a syslog stanza, and where its keys are.
fn protocol<'a>(at: &At<'a>) -> Option<(String, At<'a>)> {
    let all = at.get("protocol");
    let names: Vec<String> = all
        .map()
        .map(|map| map.entries.iter().map(|entry| entry.key.clone()).collect())
        .unwrap_or_default();
    match names.as_slice() {
        [name] => Some((name.clone(), all.get(name))),
        [] => {
            at.problem_with(
                format!("`{}` has no `protocol`", at.path()),
                "add one, for example `protocol.udp.host: localhost:514`",
            );
            None
        }
        _ => {
            all.problem_with(
                "an input has one protocol, and here are several",
                "write one input for each",
            );
            None
        }
    }
}

fn host(at: &At<'_>, kind: &str) -> Option<String> {
    let at_host = at.get("host");
    if !at_host.is_there() {
        let example = format!("add it, for example `host: localhost:9000` ({kind})");
        at.problem_with(format!("`{}` has no `host`", at.path()), example);
        return None;
    }
    let text = at_host.text()?;
    let network = at.get("network");
    let allowed = [kind.to_owned(), format!("{kind}4"), format!("{kind}6")];
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let family = network.is_there().then(|| network.word(&allowed)).flatten();
    let port = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none() {
        at_host.problem_with(
            format!("`{text}` is not an address and a port"),
            "write it as `localhost:9000`, or `:9000` for all addresses",
        );
        return None;
    }
    // Which addresses all of them are.
    Some(match (family, text.strip_prefix(':')) {
        (Some(1), Some(port)) => format!("0.0.0.0:{port}"),
        (Some(2), Some(port)) => format!("[::]:{port}"),
        _ => text,
    })
}

fn unix(at: &At<'_>) -> Option<Listen> {
    let path = at.get("path");
    if !path.is_there() {
        at.problem_with(
            format!("`{}` has no `path`", at.path()),
            "add it, for example `path: /run/shipper/log.sock`",
        );
        return None;
    }
    let socket = SocketSettings {
        path: PathBuf::from(path.text()?),
        mode: at.get("mode").is_there().then(|| at.get("mode").file_mode()).flatten(),
        group: at.get("group").text_if_any(),
    };
    let kind = at.get("socket_type");
    let is_datagram = kind.is_there() && kind.word(&["stream", "datagram"]) == Some(1);
    Some(if is_datagram { Listen::UnixDatagram(socket) } else { Listen::UnixStream(socket) })
}

fn framing(at: &At<'_>) -> FramingSettings {
    let mut framing = FramingSettings::default();
    if let Some(text) = at.get("line_delimiter").text_if_any() {
        framing.delimiter = text.into_bytes().into();
    }
    let kind = at.get("framing");
    framing.octet_counted = kind.is_there() && kind.word(&["delimiter", "rfc6587"]) == Some(1);
    framing
}

fn tls(at: &At<'_>, config_directory: &Path) -> Option<ServerTlsSettings> {
    if !at.is_there() || at.get("enabled").boolean() == Some(false) {
        return None;
    }
    let mut common = common(at, config_directory);
    if common.client.is_none() {
        // Of one without the other is said already.
        if !at.get("certificate").is_there() && !at.get("key").is_there() {
            at.problem_with(
                format!("`{}` needs a certificate and its key", at.path()),
                "set `ssl.certificate` and `ssl.key`",
            );
        }
        return None;
    }
    let mode = at.get("verification_mode");
    if mode.word(&["full", "strict", "certificate", "none"]) == Some(3) {
        mode.problem_with(
            "certificates of clients are not taken unchecked",
            "set `ssl.client_authentication: none` where clients need none",
        );
    }
    let wanted = at.get("client_authentication");
    let wanted =
        wanted.is_there().then(|| wanted.word(&["none", "optional", "required"])).flatten();
    let has_authorities = !common.certificate_authorities.is_empty();
    let client_required = wanted.map_or(has_authorities, |word| word == 2);
    if client_required && !has_authorities {
        at.problem_with(
            "clients cannot be known without authorities",
            "set `ssl.certificate_authorities`, or `ssl.client_authentication: none`",
        );
    }
    if wanted == Some(0) {
        common.certificate_authorities.clear();
    }
    Some(ServerTlsSettings { common, client_required })
}
