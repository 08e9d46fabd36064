//! A stanza whose lines are sent to it, as YAML.

use super::{duration, map, put};
use crate::settings::{
    FramingSettings, Listen, ListenerSettings, ServerTlsSettings, SocketSettings, SyslogFormat,
    SyslogSettings,
};
use jiff::tz::TimeZone;
use serde_yaml::{Mapping, Value};

/// Renders a stanza.
pub(super) fn stanza(listener: &ListenerSettings) -> Mapping {
    let mut out = super::stanza(&listener.input);
    let mut own = Mapping::new();
    let protocol = match &listener.listen {
        Listen::Tcp(host) => {
            put(&mut own, "host", host.as_str());
            "tcp"
        }
        Listen::Udp(host, buffer) => {
            put(&mut own, "host", host.as_str());
            if let Some(bytes) = buffer {
                put(&mut own, "read_buffer", *bytes as u64);
            }
            "udp"
        }
        Listen::UnixStream(socket_settings) => {
            socket(&mut own, socket_settings, "stream");
            "unix"
        }
        Listen::UnixDatagram(socket_settings) => {
            socket(&mut own, socket_settings, "datagram");
            "unix"
        }
        Listen::Stdin => "",
    };
    let bytes = listener.input.message_max_bytes;
    let size = if protocol.is_empty() { "message_max_bytes" } else { "max_message_size" };
    put(&mut own, size, bytes);
    if matches!(listener.listen, Listen::Tcp(_) | Listen::UnixStream(_)) {
        stream(&mut own, listener);
    }
    if let Some(syslog) = listener.input.syslog.as_ref().filter(|_| listener.input.kind == "syslog")
    {
        put_syslog(&mut out, syslog);
        put(&mut out, "protocol", map([(protocol, Value::Mapping(own))]));
    } else {
        out.extend(own);
    }
    out
}

fn socket(out: &mut Mapping, socket: &SocketSettings, kind: &str) {
    put(out, "path", socket.path.display().to_string());
    put(out, "socket_type", kind);
    if let Some(mode) = socket.mode {
        put(out, "mode", format!("{mode:04o}"));
    }
    if let Some(group) = &socket.group {
        put(out, "group", group.as_str());
    }
}

fn stream(out: &mut Mapping, listener: &ListenerSettings) {
    let FramingSettings { delimiter, octet_counted } = &listener.framing;
    put(out, "line_delimiter", String::from_utf8_lossy(delimiter).into_owned());
    put(out, "framing", if *octet_counted { "rfc6587" } else { "delimiter" });
    put(out, "max_connections", listener.connections_max as u64);
    put(out, "timeout", duration(listener.timeout));
    if let Some(ssl) = &listener.tls {
        put(out, "ssl", Value::Mapping(tls(ssl)));
    }
}

fn tls(settings: &ServerTlsSettings) -> Mapping {
    let mut out = super::tls::tls(&settings.common);
    out.remove("verification_mode");
    let wanted =
        match (settings.common.certificate_authorities.is_empty(), settings.client_required) {
            (true, _) => "none",
            (false, true) => "required",
            (false, false) => "optional",
        };
    put(&mut out, "client_authentication", wanted);
    out
}

/// Adds how syslog messages are read.
pub(super) fn put_syslog(out: &mut Mapping, syslog: &SyslogSettings) {
    match syslog.format {
        SyslogFormat::Auto => {}
        SyslogFormat::Rfc3164 => put(out, "format", "rfc3164"),
        SyslogFormat::Rfc5424 => put(out, "format", "rfc5424"),
    }
    put_zone(out, &syslog.zone);
}

/// Adds a zone, where it has a name.
pub(super) fn put_zone(out: &mut Mapping, zone: &TimeZone) {
    if let Some(name) = zone.iana_name() {
        put(out, "timezone", name);
    } else if let Ok(offset) = zone.to_fixed_offset() {
        put(out, "timezone", offset.to_string());
    }
}
