//! Access lines that Apache or nginx was told to write as JSON, with the names that people give their members: those of the
//! servers' variables, of Logstash's examples, of ECS.

use super::json_lines::{JsonLines, Take};
use super::values::{OF_MILLISECONDS, OF_SECONDS, extras, line_parser};
use super::zone::Zone;
use crate::dataset::{APACHE_ACCESS, Dataset, JSON_ACCESS, NGINX_ACCESS};
use crate::event::{EventBuf, Field};

extras! {
    Timezone = "event.timezone" Text,
    Duration = "event.duration" Raw,
    Port = "source.port" Raw,
    DestinationAddress = "destination.address" Text,
    RequestId = "http.request.id" Text,
    RequestBytes = "http.request.bytes" Raw,
    RequestBodyBytes = "http.request.body.bytes" Raw,
    RequestType = "http.request.mime_type" Text,
    ResponseBytes = "http.response.bytes" Raw,
    ResponseType = "http.response.mime_type" Text,
    ForwardedIp = "network.forwarded_ip" Text,
    Connection = "nginx.access.connection_id" Raw,
    ConnectionRequests = "nginx.access.connection_requests" Raw,
    UpstreamAddress = "nginx.access.upstream.addr" Raw,
    UpstreamStatus = "nginx.access.upstream.status" Raw,
    UpstreamTime = "nginx.access.upstream.response_time" Raw,
    UpstreamConnect = "nginx.access.upstream.connect_time" Raw,
    UpstreamHeader = "nginx.access.upstream.header_time" Raw,
    UpstreamCache = "nginx.access.upstream.cache_status" Text,
    TlsProtocol = "tls.version_protocol" Text,
    TlsVersion = "tls.version" Text,
    TlsCipher = "tls.cipher" Text,
    TlsName = "tls.client.server_name" Text,
    Pid = "process.pid" Raw,
    Trace = "trace.id" Text,
    SpanId = "span.id" Text,
    Transaction = "transaction.id" Text,
    Level = "log.level" Text,
}

/// Names and what they are, with those of ECS behind the ones that people give.
const MEMBERS: &[(&str, Take<Own>)] = &[
    // Who asked.
    ("remote_addr", Take::Client),
    ("remote_ip", Take::Client),
    ("remoteip", Take::Client),
    ("remote_host", Take::LaterClient),
    ("remoteIP", Take::Client),
    ("client", Take::Client),
    ("client_ip", Take::Client),
    ("clientip", Take::Client),
    ("clientIp", Take::Client),
    ("clientIP", Take::Client),
    ("client_addr", Take::Client),
    ("ip", Take::Client),
    ("source.ip", Take::Client),
    ("source.address", Take::LaterClient),
    ("source.domain", Take::LaterClient),
    ("client.ip", Take::LaterClient),
    ("client.address", Take::LaterClient),
    ("remote_port", Take::Number(Own::Port)),
    ("source.port", Take::Number(Own::Port)),
    ("http_x_forwarded_for", Take::Forwarded(Some(Own::ForwardedIp))),
    ("x_forwarded_for", Take::Forwarded(Some(Own::ForwardedIp))),
    ("xff", Take::Forwarded(Some(Own::ForwardedIp))),
    ("network.forwarded_ip", Take::Ip(Own::ForwardedIp)),
    ("remote_user", Take::Known(Field::UserName)),
    ("remoteUser", Take::Known(Field::UserName)),
    ("user", Take::Known(Field::UserName)),
    ("username", Take::Known(Field::UserName)),
    ("user.name", Take::Known(Field::UserName)),
    // When.
    ("time", Take::Time),
    ("time_local", Take::LaterTime),
    ("time_iso8601", Take::Time),
    ("timestamp", Take::Time),
    ("@timestamp", Take::Time),
    ("ts", Take::Time),
    ("date", Take::LaterTime),
    ("datetime", Take::Time),
    ("msec", Take::Time),
    // What was asked.
    ("request", Take::Request),
    ("request_line", Take::Request),
    ("requestLine", Take::Request),
    ("method", Take::Known(Field::RequestMethod)),
    ("request_method", Take::Known(Field::RequestMethod)),
    ("requestMethod", Take::Known(Field::RequestMethod)),
    ("verb", Take::Known(Field::RequestMethod)),
    ("http.request.method", Take::Known(Field::RequestMethod)),
    ("request_uri", Take::Target),
    ("requestUri", Take::Target),
    ("uri", Take::Target),
    ("url", Take::Target),
    ("path", Take::Target),
    ("request_path", Take::Target),
    ("document_uri", Take::Target),
    ("url.original", Take::Target),
    ("url.path", Take::Target),
    ("args", Take::Query),
    ("query", Take::Query),
    ("query_string", Take::Query),
    ("url.query", Take::Query),
    ("protocol", Take::Protocol),
    ("server_protocol", Take::Protocol),
    ("http_version", Take::Protocol),
    ("httpversion", Take::Protocol),
    ("http.version", Take::Protocol),
    ("scheme", Take::Known(Field::UrlScheme)),
    ("url.scheme", Take::Known(Field::UrlScheme)),
    ("host", Take::Host),
    ("http_host", Take::Host),
    ("vhost", Take::Host),
    ("virtual_host", Take::Host),
    ("server_name", Take::Host),
    ("domain", Take::Host),
    ("url.domain", Take::Host),
    ("server_port", Take::KnownNumber(Field::DestinationPort)),
    ("destination.port", Take::KnownNumber(Field::DestinationPort)),
    ("server_addr", Take::Text(Own::DestinationAddress)),
    ("destination.address", Take::Text(Own::DestinationAddress)),
    ("referer", Take::Known(Field::Referrer)),
    ("referrer", Take::Known(Field::Referrer)),
    ("http_referer", Take::Known(Field::Referrer)),
    ("http_referrer", Take::Known(Field::Referrer)),
    ("http.request.referrer", Take::Known(Field::Referrer)),
    ("user_agent", Take::Known(Field::UserAgent)),
    ("userAgent", Take::Known(Field::UserAgent)),
    ("useragent", Take::Known(Field::UserAgent)),
    ("http_user_agent", Take::Known(Field::UserAgent)),
    ("agent", Take::Known(Field::UserAgent)),
    ("user_agent.original", Take::Known(Field::UserAgent)),
    ("content_type", Take::Text(Own::RequestType)),
    ("http.request.mime_type", Take::Text(Own::RequestType)),
    ("request_length", Take::Number(Own::RequestBytes)),
    ("bytes_received", Take::Number(Own::RequestBytes)),
    ("http.request.bytes", Take::Number(Own::RequestBytes)),
    ("content_length", Take::Number(Own::RequestBodyBytes)),
    ("http.request.body.bytes", Take::Number(Own::RequestBodyBytes)),
    ("request_id", Take::Text(Own::RequestId)),
    ("req_id", Take::Text(Own::RequestId)),
    ("requestId", Take::Text(Own::RequestId)),
    ("http_x_request_id", Take::Text(Own::RequestId)),
    ("unique_id", Take::Text(Own::RequestId)),
    ("http.request.id", Take::Text(Own::RequestId)),
    // What was answered.
    ("status", Take::Status),
    ("status_code", Take::Status),
    ("statusCode", Take::Status),
    ("response", Take::Status),
    ("response_code", Take::Status),
    ("response_status", Take::Status),
    ("code", Take::Status),
    ("http.response.status_code", Take::Status),
    ("body_bytes_sent", Take::Bytes),
    ("bytes", Take::Bytes),
    ("size", Take::Bytes),
    ("response_size", Take::Bytes),
    ("http.response.body.bytes", Take::Bytes),
    ("bytes_sent", Take::Number(Own::ResponseBytes)),
    ("http.response.bytes", Take::Number(Own::ResponseBytes)),
    ("sent_http_content_type", Take::Text(Own::ResponseType)),
    ("http.response.mime_type", Take::Text(Own::ResponseType)),
    ("request_time", Take::Duration(Own::Duration, OF_SECONDS)),
    ("requestTime", Take::Duration(Own::Duration, OF_SECONDS)),
    ("duration", Take::Duration(Own::Duration, OF_SECONDS)),
    ("duration_ms", Take::Duration(Own::Duration, OF_MILLISECONDS)),
    ("request_time_ms", Take::Duration(Own::Duration, OF_MILLISECONDS)),
    ("duration_us", Take::Duration(Own::Duration, 3)),
    ("request_time_us", Take::Duration(Own::Duration, 3)),
    ("event.duration", Take::Number(Own::Duration)),
    // How.
    ("upstream_addr", Take::Texts(Own::UpstreamAddress)),
    ("upstream_status", Take::Decimals(Own::UpstreamStatus)),
    ("upstream_response_time", Take::Decimals(Own::UpstreamTime)),
    ("upstream_connect_time", Take::Decimals(Own::UpstreamConnect)),
    ("upstream_header_time", Take::Decimals(Own::UpstreamHeader)),
    ("upstream_cache_status", Take::Text(Own::UpstreamCache)),
    ("connection", Take::Number(Own::Connection)),
    ("connection_requests", Take::Number(Own::ConnectionRequests)),
    ("ssl_protocol", Take::TlsName(Own::TlsProtocol, Own::TlsVersion)),
    ("ssl_cipher", Take::Text(Own::TlsCipher)),
    ("ssl_server_name", Take::Text(Own::TlsName)),
    ("tls.version", Take::Text(Own::TlsVersion)),
    ("tls.version_protocol", Take::Text(Own::TlsProtocol)),
    ("tls.cipher", Take::Text(Own::TlsCipher)),
    ("tls.client.server_name", Take::Text(Own::TlsName)),
    ("pid", Take::Number(Own::Pid)),
    ("process.pid", Take::Number(Own::Pid)),
    ("trace_id", Take::Text(Own::Trace)),
    ("trace.id", Take::Text(Own::Trace)),
    ("span_id", Take::Text(Own::SpanId)),
    ("span.id", Take::Text(Own::SpanId)),
    ("transaction.id", Take::Text(Own::Transaction)),
    ("level", Take::Text(Own::Level)),
    ("log.level", Take::Text(Own::Level)),
];

/// Reads access lines in JSON.
#[derive(Debug, Clone)]
pub struct JsonAccess {
    zone: Zone,
    json: JsonLines<Own>,
    dataset: &'static Dataset,
}

impl Default for JsonAccess {
    fn default() -> Self {
        Self::of(&JSON_ACCESS)
    }
}

line_parser!(JsonAccess, |this| this.dataset, zone => json);

impl JsonAccess {
    /// Makes the parser of lines that Apache writes.
    #[must_use]
    pub fn of_apache() -> Self {
        Self::of(&APACHE_ACCESS)
    }

    /// Makes the parser of lines that nginx writes.
    #[must_use]
    pub fn of_nginx() -> Self {
        Self::of(&NGINX_ACCESS)
    }

    fn of(dataset: &'static Dataset) -> Self {
        Self {
            zone: Zone::default(),
            json: JsonLines::new(MEMBERS, Own::Timezone, Own::Port),
            dataset,
        }
    }

    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        self.json.read(line, &mut self.zone, event)
    }
}
