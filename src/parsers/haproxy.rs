//! HAProxy's HTTP and TCP lines, its errors of connections and its `Connect from` lines, with or without a syslog header.
//!
//! Names of fields are those of Filebeat's module. A clock of `-1` says that it did not come to that.

use super::syslog::Syslog;
use super::values::{
    self, OF_MILLISECONDS, client_with_port, duration, enclosed, extras, is_absent, line_parser,
    number, signed, text, word,
};
use super::zone::Zone;
use crate::dataset::HAPROXY_LOG;
use crate::event::{EventBuf, Field, Span};
use crate::parsers::address::Address;
use crate::settings::SyslogFormat;
use jiff::tz::TimeZone;

extras! {
    Timezone = "event.timezone" Text,
    Duration = "event.duration" Raw,
    Category = "event.category" List,
    ProcessName = "process.name" Text,
    Pid = "process.pid" Raw,
    HostName = "haproxy.source" Text,
    Port = "source.port" Raw,
    DestinationAddress = "destination.address" Text,
    Frontend = "haproxy.frontend_name" Text,
    Backend = "haproxy.backend_name" Text,
    ServerName = "haproxy.server_name" Text,
    Bind = "haproxy.bind_name" Text,
    Mode = "haproxy.mode" Text,
    Error = "haproxy.error_message" Text,
    TimeWait = "haproxy.http.request.time_wait_ms" Raw,
    TotalWaiting = "haproxy.total_waiting_time_ms" Raw,
    ConnectionWait = "haproxy.connection_wait_time_ms" Raw,
    WithoutData = "haproxy.http.request.time_wait_without_data_ms" Raw,
    BytesRead = "haproxy.bytes_read" Raw,
    ResponseBytes = "http.response.bytes" Raw,
    RequestCookie = "haproxy.http.request.captured_cookie" Text,
    ResponseCookie = "haproxy.http.response.captured_cookie" Text,
    RequestHeaders = "haproxy.http.request.captured_headers" Raw,
    ResponseHeaders = "haproxy.http.response.captured_headers" Raw,
    RawRequest = "haproxy.http.request.raw_request_line" Text,
    Termination = "haproxy.termination_state" Text,
    Active = "haproxy.connections.active" Raw,
    AtFrontend = "haproxy.connections.frontend" Raw,
    AtBackend = "haproxy.connections.backend" Raw,
    AtServer = "haproxy.connections.server" Raw,
    Retries = "haproxy.connections.retries" Raw,
    ServerQueue = "haproxy.server_queue" Raw,
    BackendQueue = "haproxy.backend_queue" Raw,
    TlsProtocol = "tls.version_protocol" Text,
    TlsVersion = "tls.version" Text,
    TlsCipher = "tls.cipher" Text,
    TlsName = "tls.client.server_name" Text,
    RequestId = "http.request.id" Text,
}

/// Reads lines of HAProxy.
#[derive(Debug, Clone)]
pub struct HaProxy {
    zone: Zone,
    header: Syslog,
}

impl Default for HaProxy {
    fn default() -> Self {
        let header = Syslog::new(SyslogFormat::Auto, TimeZone::UTC);
        Self { zone: Zone::default(), header }
    }
}

line_parser!(HaProxy, |_| &HAPROXY_LOG, zone, header);

/// Begins a line of a connection without a request.
const CONNECT: &[u8] = b"Connect from ";

/// What connections there are, behind the termination state: active, of frontend, backend and server, retries.
const CONNECTIONS: [Own; 5] =
    [Own::Active, Own::AtFrontend, Own::AtBackend, Own::AtServer, Own::Retries];

impl HaProxy {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        let mut at = 0;
        if let Some(header) = self.header.read(line) {
            at = header.message.start();
            if let Some(time) = header.time {
                event.set_timestamp(super::timestamp::render(time));
            }
            // All others say themselves when it was.
            if let Some(offset) = header.offset.filter(|_| line[at..].starts_with(CONNECT)) {
                values::timezone(event, Own::Timezone, offset);
            }
            let mut set = |own: Own, span: Option<Span>| {
                if let Some(span) = span {
                    values::set(event, own, span);
                }
            };
            set(Own::HostName, header.hostname);
            set(Own::ProcessName, header.app_name);
            if let Some(pid) = header.proc_id {
                number(event, line, Own::Pid, pid);
            }
        } else if let Some((name, end)) = word(line, 0)
            && let Some(open) =
                memchr::memchr(b'[', event.bytes(line, name)).filter(|open| 0 < *open)
            && line[..name.end()].ends_with(b"]:")
            && number(event, line, Own::Pid, name.part(open + 1, name.len() - 2)).is_some()
        {
            values::set(event, Own::ProcessName, name.part(0, open));
            at = end;
        }
        self.read_message(line, at, event)?;
        values::related(event, line);
        Some(())
    }

    fn read_message(&mut self, line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
        if line[at..].starts_with(CONNECT) {
            return read_connect(line, at, event);
        }
        let (address, at) = word(line, at)?;
        if event.bytes(line, address).first() == Some(&b'-') {
            number(event, line, Own::Port, address.part(2.min(address.len()), address.len()))?;
        } else {
            client_with_port(event, line, Own::Port, address)?;
        }
        let (time, at) = enclosed(line, at, b"[", b']')?;
        values::time(event, line, time, &mut self.zone, Own::Timezone)?;
        let (frontend, at) = word(line, at + 1).filter(|_| line[at] == b' ')?;
        let slash = memchr::memchr(b'/', event.bytes(line, frontend));
        if let Some(slash) = slash {
            return read_error(line, frontend, slash, at, event);
        }
        values::set(event, Own::Frontend, frontend);
        read_session(line, at, event)
    }
}

/// Reads `frontend/bind: message`.
fn read_error(
    line: &[u8],
    listener: Span,
    slash: usize,
    at: usize,
    event: &mut EventBuf,
) -> Option<()> {
    let bind = listener.part(slash + 1, listener.len());
    let bind = match event.bytes(line, bind) {
        [.., b':'] => bind.part(0, bind.len() - 1),
        _ => bind,
    };
    if at == line.len() {
        return None;
    }
    values::set(event, Own::Frontend, listener.part(0, slash));
    text(event, line, Own::Bind, bind);
    values::set(event, Own::Error, Span::line(at, line.len()));
    values::literal(event, Own::Category, b"network");
    Some(())
}

/// Reads `Connect from address:port to address:port (frontend/mode)`.
fn read_connect(line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
    let mut at = at + CONNECT.len();
    let (source, next) = word(line, at)?;
    client_with_port(event, line, Own::Port, source)?;
    let (to, next) = word(line, next)?;
    at = next;
    if event.bytes(line, to) != b"to" {
        return None;
    }
    let (destination, next) = word(line, at)?;
    let colon = memchr::memrchr(b':', event.bytes(line, destination))?;
    let address = destination.part(0, colon);
    if Address::of(event.bytes(line, address)) == Address::Ip {
        event.set(Field::DestinationIp, address);
    }
    let port = destination.part(colon + 1, destination.len());
    number(event, line, Field::DestinationPort, port)?;
    let (listener, _) = enclosed(line, next, b"(", b')')?;
    let slash = memchr::memrchr(b'/', event.bytes(line, listener))?;
    let mode = listener.part(slash + 1, listener.len());
    values::set(event, Own::Frontend, listener.part(0, slash));
    values::set(event, Own::Mode, mode);
    let is_http = event.bytes(line, mode) == b"HTTP";
    values::literal(event, Own::Category, if is_http { b"web" } else { b"network" });
    event.get(Field::SourceAddress).map(|_| ())
}

/// Reads `backend/server clocks … "request"` or what a TCP session has of it.
fn read_session(line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
    let (server, at) = word(line, at)?;
    let slash = memchr::memchr(b'/', event.bytes(line, server))?;
    values::set(event, Own::Backend, server.part(0, slash));
    text(event, line, Own::ServerName, server.part(slash + 1, server.len()));
    let (mut clocks, mut at) = word(line, at)?;
    if memchr::memchr(b'/', event.bytes(line, clocks)).is_none() {
        set_destination(line, clocks, event);
        (clocks, at) = word(line, at)?;
    }
    let many = memchr::memchr_iter(b'/', event.bytes(line, clocks)).count() + 1;
    let is_http = match many {
        5 => true,
        3 => false,
        _ => return None,
    };
    let owns: &[Own] = if is_http {
        &[Own::TimeWait, Own::TotalWaiting, Own::ConnectionWait, Own::WithoutData]
    } else {
        &[Own::TotalWaiting, Own::ConnectionWait]
    };
    let last = read_numbers(line, clocks, owns, event)?;
    let last = if event.bytes(line, last).first() == Some(&b'+') {
        last.part(1, last.len())
    } else {
        last
    };
    duration(event, line, Own::Duration, last, OF_MILLISECONDS);
    if is_http {
        let (status, next) = word(line, at)?;
        if !values::status(event, line, status) && event.bytes(line, status) != b"-1" {
            return None;
        }
        at = next;
    }
    let (bytes, mut at) = word(line, at)?;
    if !signed(event, line, Own::BytesRead, bytes) {
        return None;
    }
    if is_http {
        signed(event, line, Own::ResponseBytes, bytes);
        let digits = event.bytes(line, bytes);
        event.set_body_bytes(values::parse_number(digits).unwrap_or_default());
        for own in [Own::RequestCookie, Own::ResponseCookie] {
            let (cookie, next) = word(line, at)?;
            text(event, line, own, cookie);
            at = next;
        }
    }
    let (state, at) = word(line, at)?;
    values::set(event, Own::Termination, state);
    let (connections, at) = word(line, at)?;
    let retries = read_numbers(line, connections, &CONNECTIONS[..4], event)?;
    signed(event, line, CONNECTIONS[4], retries);
    let (queues, at) = word(line, at)?;
    let backend = read_numbers(line, queues, &[Own::ServerQueue], event)?;
    signed(event, line, Own::BackendQueue, backend);
    values::literal(event, Own::Category, if is_http { b"web" } else { b"network" });
    if is_http { read_request(line, at, event) } else { Some(()) }
}

fn set_destination(line: &[u8], span: Span, event: &mut EventBuf) {
    let address = Address::of(event.bytes(line, span));
    if text(event, line, Own::DestinationAddress, span) {
        match address {
            Address::Ip => event.set(Field::DestinationIp, span),
            Address::Name => event.set(Field::DestinationDomain, span),
            Address::Other => {}
        }
    }
}

/// Sets the numbers between slashes; returns the one behind the last of them. `None` when one is no number.
fn read_numbers(line: &[u8], span: Span, owns: &[Own], event: &mut EventBuf) -> Option<Span> {
    let mut rest = span;
    for own in owns {
        let slash = memchr::memchr(b'/', event.bytes(line, rest))?;
        if !signed(event, line, *own, rest.part(0, slash)) {
            return None;
        }
        rest = rest.part(slash + 1, rest.len());
    }
    let last = event.bytes(line, rest);
    let digits = last.strip_prefix(b"-").or_else(|| last.strip_prefix(b"+")).unwrap_or(last);
    values::parse_number(digits).map(|_| rest)
}

/// Reads captured headers and the request, which may be cut off with the line.
fn read_request(line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
    let mut at = at;
    let mut captured = [None; 2];
    for headers in &mut captured {
        if let Some((inside, end)) = enclosed(line, at, b"{", b'}') {
            *headers = Some(inside);
            at = (end + 1).min(line.len());
        }
    }
    match captured {
        [Some(request), Some(response)] => {
            for (own, span) in [(Own::RequestHeaders, request), (Own::ResponseHeaders, response)] {
                let items = line[span.start()..span.end()].split(|byte| *byte == b'|');
                // Those at the end that are empty are left out, as Filebeat's module does.
                let many = items.clone().enumerate().filter(|(_, item)| !item.is_empty()).last();
                if let Some((last, _)) = many {
                    values::list(event, own, items.take(last + 1));
                }
            }
        }
        // Nothing tells of which of the two they are.
        [Some(_), None] => event.leave_residue(),
        _ => {}
    }
    if line.get(at) != Some(&b'"') {
        return None;
    }
    let end = memchr::memchr(b'"', &line[at + 1..]).map(|length| at + 1 + length);
    let request = Span::line(at + 1, end.unwrap_or(line.len()));
    if !is_absent(event.bytes(line, request)) {
        values::set(event, Own::RawRequest, request);
        values::request(event, line, request);
    }
    if let Some(end) = end {
        read_tls(line, (end + 2).min(line.len()), event);
    }
    Some(())
}

/// Reads what may stand behind the request: `TLSv1.3 CIPHER id`, or the words of `option httpslog`, whose last is
/// `name/TLSv1.3/CIPHER`.
fn read_tls(line: &[u8], at: usize, event: &mut EventBuf) {
    let mut at = at;
    while let Some((item, next)) = word(line, at) {
        at = next;
        let bytes = event.bytes(line, item);
        let begins =
            |from: usize| bytes[from..].starts_with(b"TLSv") || bytes[from..].starts_with(b"SSLv");
        let version = if begins(0) {
            Some(0)
        } else {
            memchr::memchr_iter(b'/', bytes).map(|slash| slash + 1).find(|from| begins(*from))
        };
        if let Some(from) = version {
            let end = memchr::memchr(b'/', &bytes[from..]).map_or(item.len(), |slash| from + slash);
            if 1 < from {
                text(event, line, Own::TlsName, item.part(0, from - 1));
            }
            let version = item.part(from, end);
            if !values::tls(event, line, version, Own::TlsProtocol, Own::TlsVersion) {
                event.leave_residue();
            }
            if end < item.len() {
                text(event, line, Own::TlsCipher, item.part(end + 1, item.len()));
            }
        } else if is_cipher(bytes) && event.extra(Own::TlsCipher as usize).is_none() {
            values::set(event, Own::TlsCipher, item);
        } else if next == line.len() && memchr::memchr(b'/', bytes).is_none() {
            text(event, line, Own::RequestId, item);
        } else {
            event.leave_residue();
        }
    }
}

/// Tells whether a word is the name of a cipher, as OpenSSL writes them: `ECDHE-RSA-AES128-GCM-SHA256`.
fn is_cipher(text: &[u8]) -> bool {
    let is_part = |part: &[u8]| {
        part.first().is_some_and(u8::is_ascii_uppercase)
            && part.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let is_tls13 = text.starts_with(b"TLS_")
        && text
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    is_tls13
        || (memchr::memchr(b'-', text).is_some() && text.split(|byte| *byte == b'-').all(is_part))
}
