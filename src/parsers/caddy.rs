//! Caddy's access lines, which are JSON.

use super::json_lines::{JsonLines, Take};
use super::values::{OF_SECONDS, extras, line_parser};
use super::zone::Zone;
use crate::dataset::CADDY_ACCESS;
use crate::event::{EventBuf, Field};

extras! {
    Timezone = "event.timezone" Text,
    Duration = "event.duration" Raw,
    Level = "log.level" Text,
    Logger = "log.logger" Text,
    Port = "source.port" Raw,
    RequestBytes = "http.request.body.bytes" Raw,
    RequestType = "http.request.mime_type" Text,
    ResponseType = "http.response.mime_type" Text,
    ForwardedIp = "network.forwarded_ip" Text,
    RequestId = "http.request.id" Text,
    TlsProtocol = "tls.version_protocol" Text,
    TlsVersion = "tls.version" Text,
    TlsCipher = "tls.cipher" Text,
    TlsNext = "tls.next_protocol" Text,
    TlsName = "tls.client.server_name" Text,
    Trace = "trace.id" Text,
    SpanId = "span.id" Text,
    ErrorId = "error.id" Text,
    ErrorTrace = "error.stack_trace" Text,
}

const MEMBERS: &[(&str, Take<Own>)] = &[
    ("level", Take::Text(Own::Level)),
    ("logger", Take::Text(Own::Logger)),
    ("msg", Take::Nothing),
    ("ts", Take::Time),
    ("time", Take::LaterTime),
    // Since 2.7 `client_ip` is who `trusted_proxies` says that it is; `remote_ip` is whoever connected.
    ("request.client_ip", Take::Client),
    ("request.remote_ip", Take::LaterClient),
    ("request.remote_addr", Take::ClientWithPort(Own::Port)),
    ("request.remote_port", Take::Number(Own::Port)),
    ("request.proto", Take::Protocol),
    ("request.method", Take::Known(Field::RequestMethod)),
    ("request.host", Take::Host),
    ("request.uri", Take::Target),
    ("request.headers.User-Agent", Take::Known(Field::UserAgent)),
    ("request.headers.Referer", Take::Known(Field::Referrer)),
    ("request.headers.Content-Type", Take::Text(Own::RequestType)),
    ("request.headers.X-Forwarded-For", Take::Forwarded(Some(Own::ForwardedIp))),
    ("request.headers.X-Request-Id", Take::Text(Own::RequestId)),
    ("request.tls.version", Take::TlsVersion(Own::TlsProtocol, Own::TlsVersion)),
    ("request.tls.cipher_suite", Take::TlsCipher(Own::TlsCipher)),
    ("request.tls.proto", Take::Text(Own::TlsNext)),
    ("request.tls.server_name", Take::Text(Own::TlsName)),
    ("resp_headers.Content-Type", Take::Text(Own::ResponseType)),
    ("bytes_read", Take::Number(Own::RequestBytes)),
    ("user_id", Take::Known(Field::UserName)),
    ("duration", Take::Duration(Own::Duration, OF_SECONDS)),
    ("size", Take::Bytes),
    ("status", Take::Status),
    ("traceID", Take::Text(Own::Trace)),
    ("spanID", Take::Text(Own::SpanId)),
    ("err_id", Take::Text(Own::ErrorId)),
    ("err_trace", Take::Text(Own::ErrorTrace)),
];

/// Reads access lines of Caddy.
#[derive(Debug, Clone)]
pub struct Caddy {
    zone: Zone,
    json: JsonLines<Own>,
}

impl Default for Caddy {
    fn default() -> Self {
        Self { zone: Zone::default(), json: JsonLines::new(MEMBERS, Own::Timezone, Own::Port) }
    }
}

line_parser!(Caddy, |_| &CADDY_ACCESS, zone => json);

impl Caddy {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        self.json.read(line, &mut self.zone, event)
    }
}
