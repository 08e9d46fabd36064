//! Access lines of Apache (common, combined, vhost_combined) and nginx (combined), by hand.
//!
//! The parser walks from delimiter to delimiter and notes spans; it copies only what must be decoded. It errs on the
//! side of "not recognised": such a line is shipped as it is.
//!
//! Formats: Apache httpd 2.4, mod_log_config (`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`), and nginx,
//! ngx_http_log_module, `combined`. Field names: Elastic Common Schema 8.

use super::timestamp::{CLF_BYTES, ClfCache, Rendered};
use crate::event::{EventBuf, Key, Span, Value};
use std::net::IpAddr;

/// The fields of an access line in the order of their keys.
pub const FIELDS: [&str; 21] = [
    "destination.domain",
    "destination.port",
    "http.request.method",
    "http.request.referrer",
    "http.response.body.bytes",
    "http.response.status_code",
    "http.version",
    "related.ip",
    "related.user",
    "source.address",
    "source.domain",
    "source.ip",
    "url.domain",
    "url.extension",
    "url.fragment",
    "url.original",
    "url.path",
    "url.port",
    "url.query",
    "url.scheme",
    "user.name",
];

/// `user_agent.original`, apart because it sorts behind `user`.
pub const USER_AGENT: &str = "user_agent.original";

const DESTINATION_DOMAIN: Key = 0;
const DESTINATION_PORT: Key = 1;
const METHOD: Key = 2;
const REFERRER: Key = 3;
const BODY_BYTES: Key = 4;
const STATUS: Key = 5;
const VERSION: Key = 6;
const RELATED_IP: Key = 7;
const RELATED_USER: Key = 8;
const ADDRESS: Key = 9;
const SOURCE_DOMAIN: Key = 10;
const SOURCE_IP: Key = 11;
const URL_DOMAIN: Key = 12;
const URL_EXTENSION: Key = 13;
const URL_FRAGMENT: Key = 14;
const URL_ORIGINAL: Key = 15;
const URL_PATH: Key = 16;
const URL_PORT: Key = 17;
const URL_QUERY: Key = 18;
const URL_SCHEME: Key = 19;
const USER_NAME: Key = 20;
const AGENT: Key = 21;

/// Which lines are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any of them.
    Any,
    /// Apache common: nothing behind the size.
    Common,
    /// Apache or nginx combined.
    Combined,
    /// Apache `vhost_combined`: `name:port` in front.
    VhostCombined,
}

/// What a recognised line says beside its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// When, RFC 3339 in UTC.
    pub time: Rendered,
    /// Status code, 100 to 999.
    pub status: u16,
    /// Bytes of the answer, 0 when there are none.
    pub bytes: u64,
}

/// Reads access lines.
#[derive(Debug, Clone)]
pub struct AccessLog {
    shape: Shape,
    nginx: bool,
    times: ClfCache,
    decoded: Vec<u8>,
}

/// Whose lines they are, as far as fields differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Apache httpd.
    Apache,
    /// nginx: related addresses and users are listed.
    Nginx,
}

impl AccessLog {
    /// Makes a parser.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, nginx: false, times: ClfCache::default(), decoded: Vec::new() }
    }

    /// Says whose lines come next.
    pub fn set_server(&mut self, server: Server) {
        self.nginx = server == Server::Nginx;
    }

    /// Reads a line, which is valid UTF-8 without its end, into `event`; `None` when it is not recognised, and then
    /// the event's content means nothing.
    pub fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Option<Access> {
        event.clear();
        let bracket = memchr::memchr(b'[', line)?;
        let closing = bracket + 1 + CLF_BYTES;
        if bracket == 0 || line[bracket - 1] != b' ' || line.get(closing) != Some(&b']') {
            return None;
        }
        let time = self.times.render(&line[bracket + 1..closing])?;
        self.parse_client(line, bracket - 1, event)?;
        let request = quoted(line, after(line, closing + 1, b" \"")?)?;
        let rest = after(line, request.end as usize, b"\" ")?;
        let (status, rest) = number(line, rest)?;
        if !(100..1000).contains(&status) {
            return None;
        }
        let (bytes, end) = match after(line, rest, b" -") {
            Some(end) => (None, end),
            None => {
                number(line, after(line, rest, b" ")?).map(|(bytes, end)| (Some(bytes), end))?
            }
        };
        self.parse_tail(line, end, event)?;
        event.set(STATUS, Value::Number(status));
        if let Some(bytes) = bytes {
            event.set(BODY_BYTES, Value::Number(bytes));
        }
        self.parse_request(line, request, event);
        let status = u16::try_from(status).ok()?;
        Some(Access { time, status, bytes: bytes.unwrap_or(0) })
    }

    /// Reads what stands before the time: `[vhost] client ident user`.
    fn parse_client(&mut self, line: &[u8], end: usize, event: &mut EventBuf) -> Option<()> {
        let head = &line[..end];
        let mut at = 0;
        let first = word(head, at)?;
        let mut client = first;
        let vhost = match self.shape {
            Shape::VhostCombined => true,
            Shape::Any => is_vhost(head, first),
            Shape::Common | Shape::Combined => false,
        };
        if vhost {
            set_host(event, head, first, DESTINATION_DOMAIN, DESTINATION_PORT);
            at = first.end as usize + 1;
            client = word(head, at)?;
        }
        let ident = word(head, client.end as usize + 1)?;
        let user = Span::new(ident.end as usize + 1, end);
        if end <= user.start as usize || client.of(line).ends_with(b",") {
            return None;
        }
        self.set_client(line, client, event);
        if user.of(line) != b"-" && user.of(line) != b"\"\"" {
            self.set_text(line, user, USER_NAME, event);
            if self.nginx {
                event.set(RELATED_USER, Value::ListOfOne(user));
            }
        }
        Some(())
    }

    fn set_client(&mut self, line: &[u8], client: Span, event: &mut EventBuf) {
        event.set(ADDRESS, Value::Line(client));
        let text = client.of(line);
        if is_ip(text) {
            event.set(SOURCE_IP, Value::Line(client));
            if self.nginx {
                event.set(RELATED_IP, Value::ListOfOne(client));
            }
        } else if text != b"-" && !text.ends_with(b":") {
            event.set(SOURCE_DOMAIN, Value::Line(client));
        }
    }

    /// Reads what stands behind the size: nothing, or referrer and agent and whatever else was configured.
    fn parse_tail(&mut self, line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
        if at == line.len() {
            return (!matches!(self.shape, Shape::Combined | Shape::VhostCombined)).then_some(());
        }
        if self.shape == Shape::Common {
            return None;
        }
        let referrer = quoted(line, after(line, at, b" \"")?)?;
        let agent = quoted(line, after(line, referrer.end as usize, b"\" \"")?)?;
        let end = agent.end as usize + 1;
        if end < line.len() && line[end] != b' ' {
            return None;
        }
        for (span, key) in [(referrer, REFERRER), (agent, AGENT)] {
            if !matches!(span.of(line), b"-" | b"") {
                self.set_text(line, span, key, event);
            }
        }
        Some(())
    }

    /// Reads `METHOD target HTTP/version`; anything else stays in `message` alone.
    fn parse_request(&mut self, line: &[u8], request: Span, event: &mut EventBuf) {
        let text = request.of(line);
        let Some(first) = memchr::memchr(b' ', text) else { return };
        let Some(last) = memchr::memrchr(b' ', text) else { return };
        let method = &text[..first];
        let Some(version) = text[last + 1..].strip_prefix(b"HTTP/") else { return };
        if first == last
            || method.is_empty()
            || last == first + 1
            || !method.iter().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(byte))
            || version.is_empty()
            || !version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        {
            return;
        }
        let start = request.start as usize;
        event.set(METHOD, Value::Line(Span::new(start, start + first)));
        event.set(VERSION, Value::Line(Span::new(start + last + 6, start + text.len())));
        self.parse_target(line, Span::new(start + first + 1, start + last), event);
    }

    /// Takes a request target apart (RFC 9112, section 3.2; RFC 3986).
    fn parse_target(&mut self, line: &[u8], target: Span, event: &mut EventBuf) {
        self.set_text(line, target, URL_ORIGINAL, event);
        let mut at = target.start as usize;
        let mut end = target.end as usize;
        if let Some(hash) = memchr::memchr(b'#', &line[at..end]) {
            self.set_text(line, Span::new(at + hash + 1, end), URL_FRAGMENT, event);
            end = at + hash;
        }
        if let Some(question) = memchr::memchr(b'?', &line[at..end]) {
            if at + question + 1 < end {
                self.set_text(line, Span::new(at + question + 1, end), URL_QUERY, event);
            }
            end = at + question;
        }
        if line[at] != b'/' {
            let Some(colon) = memchr::memmem::find(&line[at..end], b"://") else { return };
            event.set(URL_SCHEME, Value::Line(Span::new(at, at + colon)));
            let host = at + colon + 3;
            let slash = memchr::memchr(b'/', &line[host..end]).map_or(end, |found| host + found);
            set_host(event, line, Span::new(host, slash), URL_DOMAIN, URL_PORT);
            at = slash;
        }
        if at < end {
            self.set_path(line, Span::new(at, end), event);
        }
    }

    /// Sets the path, percent-decoded where that gives text, and its extension.
    fn set_path(&mut self, line: &[u8], path: Span, event: &mut EventBuf) {
        let text = path.of(line);
        if memchr::memchr2(b'%', b'\\', text).is_none() {
            event.set(URL_PATH, Value::Line(path));
        } else {
            self.decoded.clear();
            percent_decode(text, &mut self.decoded);
            if std::str::from_utf8(&self.decoded).is_ok() {
                event.set_scratch(URL_PATH, &self.decoded);
            } else {
                event.set(URL_PATH, Value::Line(path));
            }
        }
        let name = memchr::memrchr(b'/', text).map_or(0, |slash| slash + 1);
        if let Some(dot) = memchr::memrchr(b'.', &text[name..]) {
            let extension = name + dot + 1;
            let known = &text[extension..];
            if !known.is_empty() && known.iter().all(u8::is_ascii_alphanumeric) {
                let start = path.start as usize + extension;
                event.set(URL_EXTENSION, Value::Line(Span::new(start, path.end as usize)));
            }
        }
    }

    /// Sets a text, with the server's escapes taken back where that gives text.
    fn set_text(&mut self, line: &[u8], span: Span, key: Key, event: &mut EventBuf) {
        let text = span.of(line);
        if memchr::memchr(b'\\', text).is_none() {
            event.set(key, Value::Line(span));
            return;
        }
        self.decoded.clear();
        unescape(text, &mut self.decoded);
        if std::str::from_utf8(&self.decoded).is_ok() {
            event.set_scratch(key, &self.decoded);
        } else {
            event.set(key, Value::Line(span));
        }
    }
}

/// Returns the offset behind `expected` when it stands at `at`.
fn after(line: &[u8], at: usize, expected: &[u8]) -> Option<usize> {
    line.get(at..)?.starts_with(expected).then_some(at + expected.len())
}

/// Returns the word at `at`, which a blank ends.
fn word(head: &[u8], at: usize) -> Option<Span> {
    let length = memchr::memchr(b' ', head.get(at..)?)?;
    (0 < length).then(|| Span::new(at, at + length))
}

/// Returns what stands between `at` and the next quote that is not escaped.
fn quoted(line: &[u8], at: usize) -> Option<Span> {
    let mut from = at;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', line.get(from..)?)?;
        if line[found] == b'"' {
            return Some(Span::new(at, found));
        }
        from = found + 2;
    }
}

/// Reads the digits at `at`; `None` when there are none or more than 19.
fn number(line: &[u8], at: usize) -> Option<(u64, usize)> {
    let digits = line.get(at..)?;
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=19).contains(&length) {
        return None;
    }
    let number = digits[..length]
        .iter()
        .fold(0_u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'));
    // Elasticsearch's `long` is signed.
    i64::try_from(number).is_ok().then_some((number, at + length))
}

/// Tells whether the first of four words is `name:port`.
fn is_vhost(head: &[u8], first: Span) -> bool {
    let text = first.of(head);
    let Some(colon) = memchr::memrchr(b':', text) else { return false };
    let port = &text[colon + 1..];
    0 < colon
        && (1..=5).contains(&port.len())
        && port.iter().all(u8::is_ascii_digit)
        && !is_ip(text)
        && head[first.end as usize + 1..].iter().filter(|byte| **byte == b' ').count() >= 2
}

/// Sets a host, and its port when it has one.
fn set_host(event: &mut EventBuf, line: &[u8], host: Span, domain: Key, port: Key) {
    let text = host.of(line);
    // User information goes before the host and never into a document's domain.
    let from = memchr::memrchr(b'@', text).map_or(0, |at| at + 1);
    let start = host.start as usize;
    let mut end = text.len();
    if let Some(colon) = memchr::memrchr(b':', &text[from..])
        && let Some((number, behind)) = number(text, from + colon + 1)
        && behind == text.len()
        && number <= 65_535
    {
        event.set(port, Value::Number(number));
        end = from + colon;
    }
    if from < end {
        event.set(domain, Value::Line(Span::new(start + from, start + end)));
    }
}

fn is_ip(text: &[u8]) -> bool {
    // Longest: an IPv6 address with an IPv4 one in its end.
    text.len() <= 45
        && text.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
        && std::str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

/// Takes back the escapes of Apache (`\"`, `\\`, `\n`, `\t`, `\xHH` …) and nginx (`\xHH`).
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[at..]) {
        out.extend_from_slice(&text[at..at + found]);
        at += found;
        let (byte, length) = match &text[at + 1..] {
            [b'x', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (b'\\', 1),
            },
            [b'n', ..] => (b'\n', 2),
            [b't', ..] => (b'\t', 2),
            [b'r', ..] => (b'\r', 2),
            [b'b', ..] => (8, 2),
            [b'v', ..] => (11, 2),
            [b'f', ..] => (12, 2),
            [byte @ (b'"' | b'\\'), ..] => (*byte, 2),
            _ => (b'\\', 1),
        };
        out.push(byte);
        at += length;
    }
    out.extend_from_slice(&text[at..]);
}

fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut unescaped = Vec::new();
    let text = if memchr::memchr(b'\\', text).is_some() {
        unescape(text, &mut unescaped);
        &unescaped
    } else {
        text
    };
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'%', &text[at..]) {
        out.extend_from_slice(&text[at..at + found]);
        at += found;
        let pair = text.get(at + 1..at + 3).and_then(|pair| Some((hex(pair[0])?, hex(pair[1])?)));
        if let Some((high, low)) = pair {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(b'%');
            at += 1;
        }
    }
    out.extend_from_slice(&text[at..]);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
