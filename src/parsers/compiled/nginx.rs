//! nginx's `log_format` strings.
//!
//! A string is taken as it stands in nginx's configuration between its quotes. A variable that is not known is legal:
//! `set`, `map` and modules make them; it becomes `nginx.access.<name>`.

use super::clock::Pattern;
use super::names;
use super::pieces::{Begins, Directive, Fault, How, Other, Piece, Role, Shape};

/// Variables that are whole numbers, beside those of `meaning`, and their fields.
const NUMBERS: &[(&str, &str)] = &[
    ("request_length", "http.request.bytes"),
    ("content_length", "http.request.body.bytes"),
    ("remote_port", "source.port"),
    ("pid", "process.pid"),
    ("connection", "nginx.access.connection_id"),
    ("connection_requests", "nginx.access.connection_requests"),
    ("connections_active", "nginx.access.connections_active"),
    ("connections_reading", "nginx.access.connections_reading"),
    ("connections_waiting", "nginx.access.connections_waiting"),
    ("connections_writing", "nginx.access.connections_writing"),
    ("limit_rate", "nginx.access.limit_rate"),
    ("proxy_port", "nginx.access.proxy_port"),
    ("proxy_protocol_port", "nginx.access.proxy_protocol_port"),
    ("proxy_protocol_server_port", "nginx.access.proxy_protocol_server_port"),
    ("realip_remote_port", "nginx.access.realip_remote_port"),
    ("tcpinfo_rtt", "nginx.access.tcpinfo_rtt"),
    ("tcpinfo_rttvar", "nginx.access.tcpinfo_rttvar"),
    ("tcpinfo_snd_cwnd", "nginx.access.tcpinfo_snd_cwnd"),
    ("tcpinfo_rcv_space", "nginx.access.tcpinfo_rcv_space"),
    ("ssl_client_v_remain", "nginx.access.ssl_client_v_remain"),
];

/// Variables that are words or texts with a field of ECS.
const TEXTS: &[(&str, &str)] = &[
    ("request_id", "http.request.id"),
    ("server_name", "server.domain"),
    ("request_filename", "file.path"),
    ("ssl_cipher", "tls.cipher"),
    ("ssl_curve", "tls.curve"),
    ("ssl_server_name", "tls.client.server_name"),
    ("ssl_alpn_protocol", "tls.next_protocol"),
    ("ssl_client_s_dn", "tls.client.subject"),
    ("ssl_client_i_dn", "tls.client.issuer"),
    ("ssl_client_serial", "tls.client.x509.serial_number"),
    ("otel_trace_id", "trace.id"),
    ("opentelemetry_trace_id", "trace.id"),
    ("otel_span_id", "span.id"),
    ("opentelemetry_span_id", "span.id"),
    ("req_id", "http.request.id"),
];

/// Those among the texts that hold no blank.
const WORDS: &[&str] = &[
    "request_id",
    "ssl_cipher",
    "ssl_curve",
    "ssl_server_name",
    "ssl_alpn_protocol",
    "ssl_client_serial",
    "ssl_session_id",
    "otel_trace_id",
    "otel_span_id",
    "opentelemetry_trace_id",
    "opentelemetry_span_id",
    "req_id",
    "hostname",
    "nginx_version",
    "https",
    "request_completion",
    "ssl_client_fingerprint",
    "realip_remote_addr",
    "proxy_protocol_addr",
    "proxy_protocol_server_addr",
    "http2",
    "http3",
    "ssl_early_data",
    "limit_req_status",
    "limit_conn_status",
    "proxy_host",
    "server_name",
    "invalid_referer",
];

/// Times and sizes of upstreams: one for each server that was asked.
const UPSTREAM_NUMBERS: &[&str] = &[
    "response_time",
    "connect_time",
    "header_time",
    "queue_time",
    "first_byte_time",
    "session_time",
    "status",
    "response_length",
    "bytes_received",
    "bytes_sent",
    "cache_age",
];

/// Reads a format string.
///
/// # Errors
/// When a variable's name is missing, or its brace is not closed.
pub(super) fn read(text: &str) -> Result<Vec<Piece>, Fault> {
    let bytes = text.as_bytes();
    let (mut pieces, mut literal, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'$', _) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                let directive = variable(text, at)?;
                at = directive.range.end;
                pieces.push(Piece::Directive(directive));
                continue;
            }
            (b'\\', Some(quoted @ (b'"' | b'\'' | b'\\'))) => {
                literal.push(*quoted);
                at += 1;
            }
            (b'\\', Some(b't')) => {
                literal.push(b'\t');
                at += 1;
            }
            (b'\\', Some(b'n' | b'r')) => return Err(Fault::line_end(at..at + 2)),
            (b'\n' | b'\r', _) => return Err(Fault::line_end(at..at + 1)),
            (other, _) => literal.push(*other),
        }
        at += 1;
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Reads a variable, from its dollar sign on.
fn variable(text: &str, start: usize) -> Result<Directive, Fault> {
    let bytes = text.as_bytes();
    let has_brace = bytes.get(start + 1) == Some(&b'{');
    let from = start + 1 + usize::from(has_brace);
    let length = bytes[from..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let mut end = from + length;
    if has_brace {
        if bytes.get(end) != Some(&b'}') {
            return Err(Fault::new(
                start + 1..start + 2,
                format!("the brace of `{}` is not closed", &text[start..end]),
                format!("write `${{{}}}`", &text[from..end]),
            ));
        }
        end += 1;
    }
    if length == 0 {
        return Err(Fault::new(
            start..end.max(start + 1),
            "a dollar sign without the name of a variable",
            "nginx knows no dollar sign that stands for itself; write the name, as in `$status`",
        ));
    }
    let name = text[from..from + length].to_lowercase();
    let (shape, role) = meaning(&name);
    let begins = match name.as_str() {
        "uri" | "document_uri" | "request_uri" => Some(Begins { with: b'/', is_optional: false }),
        "is_args" => Some(Begins { with: b'?', is_optional: true }),
        _ => None,
    };
    Ok(Directive { range: start..end, text: text[start..end].to_owned(), shape, begins, role })
}

/// Says what a variable means.
fn meaning(name: &str) -> (Shape, Role) {
    let other = |name: &str, how| Role::Other(Other::new(name, how));
    match name {
        "remote_addr" => (Shape::Name, Role::Client { rank: 0, other: "nginx.access.remote_addr" }),
        "proxy_add_x_forwarded_for" => (
            Shape::List,
            Role::Forwarded { other: "nginx.access.proxy_add_x_forwarded_for".to_owned() },
        ),
        "remote_user" => (Shape::Text, Role::User),
        "time_local" => (Shape::Time(Pattern::clf()), Role::Time { is_end: false }),
        "time_iso8601" => (Shape::Time(Pattern::iso8601()), Role::Time { is_end: false }),
        "msec" => (Shape::Time(Pattern::epoch_with_fraction()), Role::Time { is_end: false }),
        "request" => (Shape::Text, Role::Request),
        "request_method" => (Shape::Word, Role::Method),
        "request_uri" => (Shape::Text, Role::Target),
        "uri" | "document_uri" => (Shape::Text, Role::Path),
        "args" | "query_string" => (Shape::Text, Role::Query { has_mark: false }),
        "is_args" => (Shape::Word, Role::Mark),
        "server_protocol" => (Shape::Word, Role::Protocol),
        "scheme" => (Shape::Name, Role::Scheme),
        "host" => (Shape::Name, Role::Host { rank: 0, other: "nginx.access.host" }),
        "server_addr" => (Shape::Name, other("server.ip", How::Ip)),
        "server_port" => (Shape::Number, Role::Port),
        "status" => (Shape::Number, Role::Status { is_final: true }),
        "body_bytes_sent" => (Shape::Number, Role::BodyBytes),
        "bytes_sent" => (Shape::Number, other("http.response.bytes", How::Number)),
        "request_time" => (Shape::Number, Role::Duration(1_000_000_000)),
        "gzip_ratio" | "connection_time" => {
            (Shape::Number, other(&format!("nginx.access.{name}"), How::Decimal))
        }
        "pipe" => (Shape::Byte, other("nginx.access.pipelined", How::Is(b'p'))),
        "ssl_session_reused" => (Shape::Word, other("tls.resumed", How::IsWord("r"))),
        "ssl_protocol" => (Shape::Word, other("tls.version", How::Tls)),
        "content_type" => names::request_header("nginx", "content_type"),
        _ => by_table(name),
    }
}

fn by_table(name: &str) -> (Shape, Role) {
    let own = format!("nginx.access.{}", names::part(name));
    if let Some((_, field)) = NUMBERS.iter().find(|(known, _)| *known == name) {
        return (Shape::Number, Role::Other(Other::new(*field, How::Number).or(own)));
    }
    if let Some((_, field)) = TEXTS.iter().find(|(known, _)| *known == name) {
        let shape = if WORDS.contains(&name) { Shape::Word } else { Shape::Text };
        return (shape, Role::Other(Other::new(*field, How::Text).or(own)));
    }
    if WORDS.contains(&name) {
        return (Shape::Word, Role::Other(Other::new(own, How::Text)));
    }
    by_prefix(name, own)
}

/// Variables whose names begin as those of a family.
fn by_prefix(name: &str, own: String) -> (Shape, Role) {
    let text = |name: String| (Shape::Text, Role::Other(Other::new(name, How::Text)));
    if let Some(header) = name.strip_prefix("http_") {
        return names::request_header("nginx", header);
    }
    if let Some(header) = name.strip_prefix("sent_http_") {
        return names::response_header("nginx", header);
    }
    let families = [
        ("sent_trailer_", "nginx.access.response.trailers"),
        ("cookie_", "nginx.access.cookies"),
        ("arg_", "nginx.access.args"),
        ("upstream_http_", "nginx.access.upstream.headers"),
        ("upstream_cookie_", "nginx.access.upstream.cookies"),
        ("upstream_trailer_", "nginx.access.upstream.trailers"),
    ];
    for (prefix, object) in families {
        if let Some(member) = name.strip_prefix(prefix).filter(|member| !member.is_empty()) {
            return text(format!("{object}.{}", names::part(member)));
        }
    }
    let Some(member) = name.strip_prefix("upstream_").filter(|member| !member.is_empty()) else {
        return text(own);
    };
    let field = format!("nginx.access.upstream.{}", names::part(member));
    let how = match member {
        _ if UPSTREAM_NUMBERS.contains(&member) => How::Numbers,
        "addr" => How::Texts,
        _ => return (Shape::Text, Role::Other(Other::new(field, How::Text))),
    };
    (Shape::List, Role::Other(Other::new(field, how)))
}
