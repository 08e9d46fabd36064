//! What the server knows of fields by their names: the types that ECS gives them, and those that no document may have; and
//! values as JSON of their types.
//!
//! A value that is not of its field's type would make the server refuse the whole document.

use super::address::Address;
use super::url::leading_zeros;
use crate::event::{EventBuf, Kind, Span};
use crate::settings::own::ValueType;
use std::io::Write as _;

/// Most digits of a whole number: more does not fit a `long`.
const DIGITS_MAX: usize = 18;

/// Most bytes of a number with a fraction.
const FLOAT_BYTES_MAX: usize = 64;

/// What the server keeps beside documents, and refuses in them.
const METADATA: [&str; 18] = [
    "_data_stream_timestamp",
    "_doc_count",
    "_feature",
    "_field_names",
    "_id",
    "_ignored",
    "_ignored_source",
    "_index",
    "_nested_path",
    "_primary_term",
    "_recovery_source",
    "_routing",
    "_seq_no",
    "_size",
    "_source",
    "_tier",
    "_type",
    "_version",
];

/// Objects that are an end of a connection: they have [`OF_ENDS`].
const ENDS: [&str; 4] = ["client", "destination", "server", "source"];

/// Fields of [`ENDS`] that are no text.
const OF_ENDS: [(&str, ValueType); 7] = [
    ("as.number", ValueType::Integer),
    ("bytes", ValueType::Integer),
    ("ip", ValueType::Ip),
    ("nat.ip", ValueType::Ip),
    ("nat.port", ValueType::Integer),
    ("packets", ValueType::Integer),
    ("port", ValueType::Integer),
];

/// Objects that are a process: they have [`OF_PROCESSES`].
const PROCESSES: [&str; 2] = ["process", "process.parent"];

/// Fields of [`PROCESSES`] that are no text.
const OF_PROCESSES: [(&str, ValueType); 6] = [
    ("exit_code", ValueType::Integer),
    ("pgid", ValueType::Integer),
    ("pid", ValueType::Integer),
    ("ppid", ValueType::Integer),
    ("thread.id", ValueType::Integer),
    ("uptime", ValueType::Integer),
];

/// Other fields that are no text.
const OTHERS: [(&str, ValueType); 31] = [
    ("dns.resolved_ip", ValueType::Ip),
    ("event.duration", ValueType::Integer),
    ("event.risk_score", ValueType::Float),
    ("event.risk_score_norm", ValueType::Float),
    ("event.sequence", ValueType::Integer),
    ("event.severity", ValueType::Integer),
    ("faas.coldstart", ValueType::Boolean),
    ("file.size", ValueType::Integer),
    ("host.cpu.usage", ValueType::Float),
    ("host.disk.read.bytes", ValueType::Integer),
    ("host.disk.write.bytes", ValueType::Integer),
    ("host.ip", ValueType::Ip),
    ("host.network.egress.bytes", ValueType::Integer),
    ("host.network.ingress.bytes", ValueType::Integer),
    ("host.uptime", ValueType::Integer),
    ("http.request.body.bytes", ValueType::Integer),
    ("http.request.bytes", ValueType::Integer),
    ("http.response.body.bytes", ValueType::Integer),
    ("http.response.bytes", ValueType::Integer),
    ("http.response.status_code", ValueType::Integer),
    ("log.origin.file.line", ValueType::Integer),
    ("log.syslog.facility.code", ValueType::Integer),
    ("log.syslog.priority", ValueType::Integer),
    ("log.syslog.severity.code", ValueType::Integer),
    ("network.bytes", ValueType::Integer),
    ("network.packets", ValueType::Integer),
    ("observer.ip", ValueType::Ip),
    ("related.ip", ValueType::Ip),
    ("tls.established", ValueType::Boolean),
    ("tls.resumed", ValueType::Boolean),
    ("url.port", ValueType::Integer),
];

/// Returns the type that ECS gives a field; nothing for texts, and names that it does not know.
#[must_use]
pub fn type_of(name: &str) -> Option<ValueType> {
    let within = |outer: &[&str], inner: &[(&str, ValueType)]| {
        let inner = inner.iter().find(|(inner, _)| {
            let outer_of = name.strip_suffix(inner).and_then(|rest| rest.strip_suffix('.'));
            outer_of.is_some_and(|found| outer.contains(&found))
        });
        inner.map(|(_, value)| *value)
    };
    let other = OTHERS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    other.or_else(|| within(&ENDS, &OF_ENDS)).or_else(|| within(&PROCESSES, &OF_PROCESSES))
}

/// Tells whether a field is one that the server keeps beside documents, or lies in one.
#[must_use]
pub fn is_metadata(name: &str) -> bool {
    METADATA.contains(&name.split('.').next().unwrap_or_default())
}

/// Returns how values of a type stand in JSON.
#[must_use]
pub fn kind_of(value: ValueType) -> Kind {
    match value {
        ValueType::Text | ValueType::Ip => Kind::Text,
        ValueType::Integer | ValueType::Float | ValueType::Boolean => Kind::Raw,
    }
}

/// Returns where a value is as JSON, or its text; `None` when it is not of its type.
#[must_use]
pub fn typed(value: ValueType, line: &[u8], span: Span, event: &mut EventBuf) -> Option<Span> {
    let text = event.bytes(line, span);
    match value {
        ValueType::Text => Some(span),
        ValueType::Ip => (Address::of(text) == Address::Ip).then_some(span),
        ValueType::Boolean => match text {
            b"true" | b"false" => Some(span),
            _ if text.eq_ignore_ascii_case(b"true") => Some(literal(event, b"true")),
            _ if text.eq_ignore_ascii_case(b"false") => Some(literal(event, b"false")),
            _ => None,
        },
        ValueType::Integer => {
            let (sign, rest) = match text {
                [b'-', rest @ ..] => (1, rest),
                [b'+', rest @ ..] => (0, rest),
                _ => (0, text),
            };
            let number = whole(rest)?;
            let zeros = leading_zeros(rest);
            if sign == 0 || number == 0 {
                return Some(span.part(span.len() - rest.len() + zeros, span.len()));
            }
            if zeros == 0 {
                return Some(span);
            }
            let start = event.scratch().len();
            write!(event.scratch_mut(), "-{number}").ok()?;
            Some(Span::scratch(start, event.scratch().len()))
        }
        ValueType::Float => {
            let number = float(text)?;
            let start = event.scratch().len();
            write!(event.scratch_mut(), "{number}").ok()?;
            Some(Span::scratch(start, event.scratch().len()))
        }
    }
}

fn literal(event: &mut EventBuf, text: &[u8]) -> Span {
    let start = event.scratch().len();
    event.scratch_mut().extend_from_slice(text);
    Span::scratch(start, event.scratch().len())
}

/// Reads a whole number that fits a `long`: digits alone, 18 at most.
#[must_use]
pub fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || DIGITS_MAX < text.len() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a number that the server takes for a `float`.
fn float(text: &[u8]) -> Option<f64> {
    let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    if FLOAT_BYTES_MAX < text.len() || !text.iter().all(is_of_number) {
        return None;
    }
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.abs() <= f64::from(f32::MAX)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_fields_are_those_of_ecs() {
        for (name, expected) in [
            ("client.ip", Some(ValueType::Ip)),
            ("source.nat.ip", Some(ValueType::Ip)),
            ("server.port", Some(ValueType::Integer)),
            ("source.as.number", Some(ValueType::Integer)),
            ("process.parent.thread.id", Some(ValueType::Integer)),
            ("event.duration", Some(ValueType::Integer)),
            ("event.risk_score", Some(ValueType::Float)),
            ("tls.resumed", Some(ValueType::Boolean)),
            ("user.name", None),
            ("sourceport", None),
            ("app.source.port", None),
            ("port", None),
        ] {
            assert_eq!(type_of(name), expected, "{name}");
        }
    }

    #[test]
    fn names_of_metadata_are_at_the_top() {
        for (name, expected) in
            [("_id", true), ("_source.a", true), ("a._id", false), ("_ids", false), ("id", false)]
        {
            assert_eq!(is_metadata(name), expected, "{name}");
        }
    }
}
