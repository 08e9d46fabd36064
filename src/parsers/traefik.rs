//! Traefik's access lines: its common log format, which goes on behind the user agent with the number of the request, the
//! router (or frontend), the URL of the server behind and the milliseconds; and JSON.

use super::json_lines::{JsonLines, Take};
use super::timestamp::CLF_BYTES;
use super::values::{
    self, OF_MILLISECONDS, body_bytes, client, duration, enclosed, escaped, extras, line_parser,
    number, text, word,
};
use super::zone::Zone;
use crate::dataset::TRAEFIK_ACCESS;
use crate::event::{EventBuf, Field, Span};

extras! {
    Timezone = "event.timezone" Text,
    Duration = "event.duration" Raw,
    Port = "source.port" Raw,
    RequestBytes = "http.request.body.bytes" Raw,
    Identifier = "traefik.access.user_identifier" Text,
    RequestCount = "traefik.access.request_count" Raw,
    Frontend = "traefik.access.frontend_name" Text,
    BackendUrl = "traefik.access.backend_url" Text,
    BackendName = "traefik.access.backend_name" Text,
    BackendAddress = "traefik.access.backend_address" Text,
    EntryPoint = "traefik.access.entry_point" Text,
    OriginStatus = "traefik.access.origin.status_code" Raw,
    OriginDuration = "traefik.access.origin.duration" Raw,
    OriginBytes = "traefik.access.origin.bytes" Raw,
    Overhead = "traefik.access.overhead" Raw,
    Retries = "traefik.access.retry_attempts" Raw,
    Level = "log.level" Text,
    TlsProtocol = "tls.version_protocol" Text,
    TlsVersion = "tls.version" Text,
    TlsCipher = "tls.cipher" Text,
    TlsSubject = "tls.client.subject" Text,
    Trace = "trace.id" Text,
    SpanId = "span.id" Text,
}

/// Members of a JSON line, and what they are.
const MEMBERS: &[(&str, Take<Own>)] = &[
    ("ClientAddr", Take::ClientWithPort(Own::Port)),
    ("ClientHost", Take::Client),
    ("ClientPort", Take::Number(Own::Port)),
    ("ClientUsername", Take::Known(Field::UserName)),
    ("DownstreamContentSize", Take::Bytes),
    ("DownstreamStatus", Take::Status),
    ("Duration", Take::Duration(Own::Duration, 0)),
    ("FrontendName", Take::Text(Own::Frontend)),
    ("RouterName", Take::Text(Own::Frontend)),
    ("BackendName", Take::Text(Own::BackendName)),
    ("ServiceName", Take::Text(Own::BackendName)),
    ("BackendURL", Take::Text(Own::BackendUrl)),
    ("ServiceURL", Take::Text(Own::BackendUrl)),
    ("BackendAddr", Take::Text(Own::BackendAddress)),
    ("ServiceAddr", Take::Text(Own::BackendAddress)),
    ("entryPointName", Take::Text(Own::EntryPoint)),
    ("OriginContentSize", Take::Number(Own::OriginBytes)),
    ("OriginDuration", Take::Number(Own::OriginDuration)),
    ("OriginStatus", Take::Number(Own::OriginStatus)),
    ("Overhead", Take::Number(Own::Overhead)),
    ("RequestContentSize", Take::Number(Own::RequestBytes)),
    ("RequestCount", Take::Number(Own::RequestCount)),
    ("RequestHost", Take::Host),
    ("RequestAddr", Take::Host),
    ("RequestMethod", Take::Known(Field::RequestMethod)),
    ("RequestPath", Take::Target),
    ("RequestPort", Take::Nothing),
    ("RequestProtocol", Take::Protocol),
    ("RequestScheme", Take::Known(Field::UrlScheme)),
    ("RequestLine", Take::Nothing),
    ("RetryAttempts", Take::Number(Own::Retries)),
    ("StartUTC", Take::Time),
    ("StartLocal", Take::Nothing),
    ("time", Take::LaterTime),
    ("level", Take::Text(Own::Level)),
    ("msg", Take::Nothing),
    ("request_User-Agent", Take::Known(Field::UserAgent)),
    ("request_Referer", Take::Known(Field::Referrer)),
    ("request_X-Forwarded-For", Take::Forwarded(None)),
    ("TLSVersion", Take::TlsName(Own::TlsProtocol, Own::TlsVersion)),
    ("TLSCipher", Take::Text(Own::TlsCipher)),
    ("TLSClientSubject", Take::Text(Own::TlsSubject)),
    ("TraceId", Take::Text(Own::Trace)),
    ("SpanId", Take::Text(Own::SpanId)),
];

/// Reads access lines of Traefik.
#[derive(Debug, Clone)]
pub struct Traefik {
    zone: Zone,
    json: JsonLines<Own>,
}

impl Default for Traefik {
    fn default() -> Self {
        Self { zone: Zone::default(), json: JsonLines::new(MEMBERS, Own::Timezone, Own::Port) }
    }
}

line_parser!(Traefik, |_| &TRAEFIK_ACCESS, zone => json);

impl Traefik {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        if line.first() == Some(&b'{') {
            self.json.read(line, &mut self.zone, event)?;
        } else {
            self.read_common(line, event)?;
        }
        if event.get(Field::SourceIp).is_some_and(|ip| !ip.is_scratch()) {
            values::related(event, line);
        }
        Some(())
    }

    fn read_common(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        let (address, at) = word(line, 0)?;
        client(event, line, address);
        let (identifier, at) = word(line, at)?;
        // Traefik writes one client: a list there is another server's.
        if memchr::memchr2(b',', b'"', &line[..at]).is_some() {
            return None;
        }
        text(event, line, Own::Identifier, identifier);
        // A user may hold blanks.
        let bracket = at + memchr::memmem::find(&line[at..], b" [")?;
        // What stands there in a line behind a syslog header is another server's, too.
        if memchr::memmem::find(&line[at..bracket], b" - ").is_some() {
            return None;
        }
        text(event, line, Field::UserName, Span::line(at, bracket));
        let (time, at) =
            enclosed(line, bracket + 1, b"[", b']').filter(|(time, _)| time.len() == CLF_BYTES)?;
        values::time(event, line, time, &mut self.zone, Own::Timezone)?;
        let (request, at) = request(line, at)?;
        if !values::request(event, line, request) && !values::is_absent(event.bytes(line, request))
        {
            event.leave_residue();
        }
        let (status, at) = word(line, at)?;
        if !values::status(event, line, status) && !matches!(event.bytes(line, status), b"-" | b"0")
        {
            return None;
        }
        let (bytes, at) = word(line, at)?;
        body_bytes(event, line, bytes);
        if event.get(Field::BodyBytes).is_none() {
            keep(line, bytes, event);
        }
        read_rest(line, at, event)
    }
}

/// Says that a value has no field, because it is not what its field takes.
fn keep(line: &[u8], value: Span, event: &mut EventBuf) {
    if !values::is_absent(event.bytes(line, value)) {
        event.leave_residue();
    }
}

/// Returns the request, whose quotes are not escaped: it ends where a status follows; and where that is.
fn request(line: &[u8], at: usize) -> Option<(Span, usize)> {
    let start = at + 2;
    if line.get(at..start)? != b" \"" {
        return None;
    }
    let is_end = |quote: &usize| match line.get(*quote..) {
        Some([_, b' ', status, ..]) => status.is_ascii_digit() || *status == b'-',
        _ => false,
    };
    let end = memchr::memchr_iter(b'"', &line[start..]).map(|quote| start + quote).find(is_end)?;
    Some((Span::line(start, end), end + 2))
}

/// Reads referrer, user agent, number of the request, router, URL and milliseconds; any of them may be the last.
fn read_rest(line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
    let mut at = at;
    for number_of_field in 0..6 {
        if at == line.len() {
            return Some(());
        }
        let (value, next) = item(line, at)?;
        match number_of_field {
            0 => escaped(event, line, Field::Referrer, value),
            1 => escaped(event, line, Field::UserAgent, value),
            2 => {
                if number(event, line, Own::RequestCount, value).is_none() {
                    keep(line, value, event);
                }
            }
            3 => escaped(event, line, Own::Frontend, value),
            4 => escaped(event, line, Own::BackendUrl, value),
            _ => {
                let digits = event.bytes(line, value).strip_suffix(b"ms")?.len();
                let digits = value.part(0, digits);
                if !duration(event, line, Own::Duration, digits, OF_MILLISECONDS) {
                    keep(line, digits, event);
                }
            }
        }
        at = next;
    }
    if at < line.len() {
        event.leave_residue();
    }
    Some(())
}

/// Returns a word, or what is between quotes, and where the next one begins.
fn item(line: &[u8], at: usize) -> Option<(Span, usize)> {
    if line[at] != b'"' {
        return word(line, at);
    }
    let end = super::access_log::closing_escaped_quote(line, at + 1)?;
    match line.get(end + 1) {
        None => Some((Span::line(at + 1, end), end + 1)),
        Some(b' ') => Some((Span::line(at + 1, end), end + 2)),
        Some(_) => None,
    }
}
