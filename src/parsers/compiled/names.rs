//! Which fields headers and variables become: those of ECS where it has one, else members of the module's object.

use super::pieces::{How, Other, Role, Shape};
use crate::event::Field;

/// Makes a member's name of a header's or a variable's: lower case, and `_` for anything but letters and digits, so that
/// both servers have the same name for the same header.
pub(super) fn part(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Says what a header of the request becomes.
pub(super) fn request_header(module: &str, name: &str) -> (Shape, Role) {
    let name = part(name);
    let own = format!("{module}.access.request.headers.{name}");
    let other = |name: &str, how| Role::Other(Other::new(name, how).or(&own));
    let role = match name.as_str() {
        "referer" => Role::Known(Field::Referrer),
        "user_agent" => Role::Known(Field::UserAgent),
        "host" => {
            let other = if module == "nginx" {
                "nginx.access.http_host"
            } else {
                "apache.access.http_host"
            };
            return (Shape::Word, Role::Host { rank: 2, other });
        }
        "x_forwarded_for" => return (Shape::List, Role::Forwarded { other: own }),
        "x_request_id" | "x_correlation_id" => other("http.request.id", How::Text),
        "traceparent" => other("trace.id", How::Trace),
        "x_b3_traceid" => other("trace.id", How::Text),
        "x_b3_spanid" => other("span.id", How::Text),
        "content_type" => other("http.request.mime_type", How::Mime),
        "content_length" => {
            return (Shape::Text, other("http.request.body.bytes", How::Number));
        }
        _ => Role::Other(Other::new(own, How::Text)),
    };
    (Shape::Text, role)
}

/// Says what a header of the answer becomes.
pub(super) fn response_header(module: &str, name: &str) -> (Shape, Role) {
    let name = part(name);
    let own = format!("{module}.access.response.headers.{name}");
    let other = match name.as_str() {
        "content_type" => Other::new("http.response.mime_type", How::Mime).or(own),
        "x_request_id" => Other::new("http.request.id", How::Text).or(own),
        _ => Other::new(own, How::Text),
    };
    (Shape::Text, Role::Other(other))
}

/// Says what a variable of Apache's environment becomes.
pub(super) fn environment(name: &str) -> (Shape, Role) {
    if name.starts_with("SSL_") {
        return ssl_variable(name);
    }
    let own = format!("apache.access.env.{}", part(name));
    let other = match name {
        "UNIQUE_ID" => Other::new("http.request.id", How::Text).or(own),
        _ => Other::new(own, How::Text),
    };
    (Shape::Text, Role::Other(other))
}

/// Says what a variable of `mod_ssl` becomes.
pub(super) fn ssl_variable(name: &str) -> (Shape, Role) {
    let own = format!("apache.access.{}", part(name));
    let other = |name: &str, how| Role::Other(Other::new(name, how).or(&own));
    match name {
        "SSL_PROTOCOL" => (Shape::Word, other("tls.version", How::Tls)),
        "SSL_CIPHER" => (Shape::Word, other("tls.cipher", How::Text)),
        "SSL_TLS_SNI" => (Shape::Word, other("tls.client.server_name", How::Text)),
        "SSL_CLIENT_S_DN" => (Shape::Text, other("tls.client.subject", How::Text)),
        "SSL_CLIENT_I_DN" => (Shape::Text, other("tls.client.issuer", How::Text)),
        "SSL_CLIENT_M_SERIAL" => (Shape::Word, other("tls.client.x509.serial_number", How::Text)),
        "SSL_SERVER_S_DN" => (Shape::Text, other("tls.server.subject", How::Text)),
        "SSL_SERVER_I_DN" => (Shape::Text, other("tls.server.issuer", How::Text)),
        "SSL_SESSION_RESUMED" => (Shape::Word, other("tls.resumed", How::IsWord("Resumed"))),
        _ => (Shape::Text, Role::Other(Other::new(own, How::Text))),
    }
}
