//! Access lines of Apache (common, combined, `vhost_combined`) and nginx (combined), byte by byte.
//!
//! Walks from delimiter to delimiter and notes spans; nothing is copied but values with escapes. A line that
//! differs from the format anywhere before its end is not recognised, rather than half understood.

use super::address::{Address, IPV4_WINDOW_BYTES, ipv4_length, split_port};
use super::escapes::unescaped;
use super::forwarded::{is_list, set_behind_proxies, set_list};
use super::timestamp::{CLF_BYTES, ClfCache};
use super::url::{leading_zeros, set_target};
use crate::event::{EventBuf, Field, LineText, Parse, Parsed, Span};
use crate::scan::find;
use crate::settings::network::Network;
use std::sync::Arc;

/// Which of the formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Whichever it is.
    Any,
    /// Nothing is read after the number of bytes.
    Common,
    /// Referrer and user agent follow, whatever comes then.
    Combined,
    /// Combined, with the host in front or without.
    CombinedOrVhost,
    /// Combined, with the host in front.
    VhostCombined,
}

/// Who wrote the lines: decides what is added to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Apache httpd.
    Apache,
    /// nginx.
    Nginx,
}

/// Most digits of a number of bytes: more does not fit the field's `long`.
const DIGITS_MAX: usize = 18;

/// Reads access lines.
#[derive(Debug, Clone)]
pub struct AccessLog {
    shape: Shape,
    server: Server,
    clock: ClfCache,
    /// Networks whose word on who the client is counts.
    trusted: Arc<[Network]>,
}

impl AccessLog {
    /// Makes a parser for lines of one shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let (server, clock) = (Server::Apache, ClfCache::default());
        Self { shape, server, clock, trusted: Arc::default() }
    }

    /// Says of which networks proxies are whose word on who the client is counts.
    pub fn trust(&mut self, proxies: &[Network]) {
        self.trusted = proxies.into();
    }

    /// Says who wrote the lines that follow.
    pub fn set_server(&mut self, server: Server) {
        self.server = server;
    }

    /// Tells whether lines of all shapes are understood.
    #[must_use]
    pub fn recognises_all(&self) -> bool {
        self.shape == Shape::Any
    }

    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        let bytes_end = self.read_as_far_as_bytes(line, event)?;
        self.read_headers(line, bytes_end, event)?;
        if self.server == Server::Nginx {
            add_related(event);
        } else {
            event.unset(Field::RemoteIps);
        }
        Some(())
    }

    /// Reads what all lines of the shape have, of a line that goes on; returns where the rest begins.
    #[inline]
    pub(super) fn read_beginning(&mut self, line: &[u8], event: &mut EventBuf) -> Option<usize> {
        let bytes_end = self.read_as_far_as_bytes(line, event)?;
        if self.shape == Shape::Common {
            return Some(bytes_end);
        }
        let mut at = bytes_end;
        for field in [Field::Referrer, Field::UserAgent] {
            if line.get(at..at + 2)? != b" \"" {
                return None;
            }
            let end = closing_quote(line, at + 2, event)?;
            set_quoted(line, field, Span::line(at + 2, end), event);
            at = end + 1;
        }
        Some(at)
    }

    /// Reads a line as far as the number of bytes; returns where that ends.
    #[inline]
    fn read_as_far_as_bytes(&mut self, line: &[u8], event: &mut EventBuf) -> Option<usize> {
        let time_at = self.read_head(line, event)?;
        let time = line.get(time_at..)?.first_chunk::<CLF_BYTES>()?;
        event.set_timestamp(self.clock.render(time)?);
        let request_at = time_at + CLF_BYTES + 3;
        if line.get(time_at + CLF_BYTES..request_at)? != b"] \"" {
            return None;
        }
        let request_end = closing_quote(line, request_at, event)?;
        read_request(line, Span::line(request_at, request_end), event);
        read_response(line, request_end + 1, event)
    }

    /// Reads what stands before the time; returns where that begins.
    #[inline]
    fn read_head(&self, line: &[u8], event: &mut EventBuf) -> Option<usize> {
        const NO_USER: &[u8] = b" - - [";
        if self.shape == Shape::VhostCombined {
            return self.read_long_head(line, event);
        }
        if let Some(window) = line.first_chunk::<IPV4_WINDOW_BYTES>()
            && let Some(length) = ipv4_length(window)
            && line[length..].starts_with(NO_USER)
        {
            event.set(Field::SourceAddress, Span::line(0, length));
            event.set(Field::SourceIp, Span::line(0, length));
            return Some(length + NO_USER.len());
        }
        let space = find(line, 0, [b' '])?;
        if line[space..].starts_with(NO_USER) && !is_list(&line[..space]) {
            set_client(line, Span::line(0, space), event)?;
            return Some(space + NO_USER.len());
        }
        self.read_long_head(line, event)
    }

    /// Reads a head with a host, an identity or a user.
    ///
    /// A user may hold spaces and brackets, but not a quote, so the first time with a quote after it is the time.
    fn read_long_head(&self, line: &[u8], event: &mut EventBuf) -> Option<usize> {
        let bracket = memchr::memmem::find_iter(line, b" [").find(|bracket| {
            line.get(bracket + 2 + CLF_BYTES..).is_some_and(|rest| rest.starts_with(b"] \""))
        })?;
        let head = &line[..bracket];
        if memchr::memchr(b'"', head).is_some() {
            event.forget_marks();
        }
        let first = memchr::memchr(b' ', head)?;
        let list_at = if self.shape == Shape::VhostCombined { first + 1 } else { 0 };
        let dash = list_at + memchr::memmem::find(&head[list_at..], b" - ").unwrap_or(0);
        if is_list(&head[list_at..dash.max(list_at)]) {
            if self.shape == Shape::VhostCombined {
                set_host(line, Span::line(0, first), event);
            }
            set_list(line, Span::line(list_at, dash), &self.trusted, event)?;
            set_user(line, Span::line(dash + 3, bracket), event)?;
            return Some(bracket + 2);
        }
        let rest_has_host = match self.shape {
            Shape::VhostCombined => true,
            Shape::Any | Shape::CombinedOrVhost => begins_with_host(head, first),
            Shape::Common | Shape::Combined => false,
        };
        if rest_has_host {
            set_host(line, Span::line(0, first), event);
            read_client(line, first + 1, bracket, event)?;
        } else {
            read_client(line, 0, bracket, event)?;
        }
        Some(bracket + 2)
    }

    /// Reads referrer and user agent from `at`, which is the line's end or a space.
    #[inline]
    fn read_headers(&self, line: &[u8], at: usize, event: &mut EventBuf) -> Option<()> {
        let optional = matches!(self.shape, Shape::Any | Shape::Common);
        if at == line.len() {
            return optional.then_some(());
        }
        if self.shape == Shape::Common || line.get(at..at + 2)? != b" \"" {
            return optional.then(|| leave_rest(line, at, event));
        }
        let referrer_end = closing_quote(line, at + 2, event)?;
        set_quoted(line, Field::Referrer, Span::line(at + 2, referrer_end), event);
        let next = referrer_end + 1;
        if !line[next..].starts_with(b" \"") {
            if next != line.len() && line[next] != b' ' {
                return None;
            }
            return optional.then(|| leave_rest(line, next, event));
        }
        let agent_end = closing_agent_quote(line, next + 2, event)?;
        set_quoted(line, Field::UserAgent, Span::line(next + 2, agent_end), event);
        match line.get(agent_end + 1) {
            None => Some(()),
            Some(b' ') => {
                leave_rest(line, agent_end + 1, event);
                if !self.trusted.is_empty() {
                    self.read_forwarded(line, agent_end + 1, event);
                }
                Some(())
            }
            Some(_) => None,
        }
    }
}

impl AccessLog {
    /// Has the list that may stand in quotes behind the user agent, as nginx's `main` has it, say who the client is.
    #[cold]
    fn read_forwarded(&self, line: &[u8], at: usize, event: &mut EventBuf) {
        let start = at + 2;
        if line.get(at..start) == Some(b" \"")
            && let Some(end) = closing_escaped_quote(line, start)
            && matches!(line.get(end + 1), None | Some(b' '))
            && event.get(Field::RemoteIps).is_none()
        {
            let is_nginx = self.server == Server::Nginx;
            set_behind_proxies(line, Span::line(start, end), &self.trusted, is_nginx, event);
        }
    }
}

impl Parse for AccessLog {
    #[inline]
    fn parse(&mut self, line: &[u8], event: &mut EventBuf) -> Parsed {
        self.read(line, event).into()
    }
}

/// Notes that there is more on the line than fields take.
fn leave_rest(line: &[u8], at: usize, event: &mut EventBuf) {
    if at == line.len() {
        return;
    }
    event.leave_residue();
    for quote in memchr::memchr_iter(b'"', &line[at..]) {
        event.mark(at + quote);
    }
}

/// Finds the quote that closes a field which begins at `at`, and notes both quotes.
#[inline]
fn closing_quote(line: &[u8], at: usize, event: &mut EventBuf) -> Option<usize> {
    event.mark(at - 1);
    let end = if event.text() == LineText::Plain {
        find(line, at, [b'"'])?
    } else {
        closing_escaped_quote(line, at)?
    };
    event.mark(end);
    Some(end)
}

/// Quotes of a combined line: two around each of request, referrer and user agent.
const COMBINED_QUOTES: usize = 6;

/// Finds the quote that closes the user agent. In a plain line with no quotes but those of its three fields it is the
/// last of them, and the line's end, without looking for it.
#[inline]
fn closing_agent_quote(line: &[u8], at: usize, event: &mut EventBuf) -> Option<usize> {
    let counted = event.quotes() == Some(COMBINED_QUOTES)
        && event.text() == LineText::Plain
        && event.marks().is_some_and(|marks| marks.len() + 2 == COMBINED_QUOTES);
    if counted && at < line.len() && line.last() == Some(&b'"') {
        event.mark(at - 1);
        event.mark(line.len() - 1);
        return Some(line.len() - 1);
    }
    closing_quote(line, at, event)
}

pub(super) fn closing_escaped_quote(line: &[u8], at: usize) -> Option<usize> {
    let mut from = at;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', line.get(from..)?)?;
        if line[found] == b'"' {
            return Some(found);
        }
        from = found + 2;
    }
}

/// Tells whether the head of a line, whose first word ends at `first`, begins with a host and not with the client.
///
/// A name with a port is a host. A name without one is, if the identity, which no server fills in, would
/// otherwise be the client; an address is not, because it may be the first of a client list.
fn begins_with_host(head: &[u8], first: usize) -> bool {
    let mut words = head[first + 1..].split(|byte| *byte == b' ');
    let (second, third) = (words.next(), words.next());
    let is_client = |word: Option<&[u8]>| word.is_some_and(|word| word != b"-");
    if !is_client(second) || third.is_none() || words.next().is_none() {
        return false;
    }
    split_port(&head[..first]).is_some()
        || third == Some(b"-") && Address::of(&head[..first]) == Address::Name
}

/// Reads `client identity user` from `start..end`.
fn read_client(line: &[u8], start: usize, end: usize, event: &mut EventBuf) -> Option<()> {
    let client = start + memchr::memchr(b' ', &line[start..end])?;
    let identity = client + 1 + memchr::memchr(b' ', &line[client + 1..end])?;
    let user = &line[identity + 1..end];
    if &line[client + 1..identity] != b"-" {
        if memchr::memchr(b' ', user).is_some() {
            return None;
        }
        event.leave_residue();
    }
    set_client(line, Span::line(start, client), event)?;
    set_user(line, Span::line(identity + 1, end), event)
}

/// Sets the user; `None` when nothing stands there, not even that there is none.
fn set_user(line: &[u8], span: Span, event: &mut EventBuf) -> Option<()> {
    if span.is_empty() {
        return None;
    }
    if event.bytes(line, span) != b"\"\"" {
        set_quoted(line, Field::UserName, span, event);
    }
    Some(())
}

/// Sets the client; `None` for what is part of a list of clients.
#[inline]
pub(super) fn set_client(line: &[u8], span: Span, event: &mut EventBuf) -> Option<()> {
    let text = event.bytes(line, span);
    if text.is_empty() || text.first() == Some(&b'"') || text.last() == Some(&b',') {
        return None;
    }
    if text == b"-" {
        return Some(());
    }
    let address = Address::of(text);
    let quoted = address == Address::Other && text.contains(&b'"');
    event.set(Field::SourceAddress, span);
    match address {
        Address::Ip => event.set(Field::SourceIp, span),
        Address::Name => event.set(Field::SourceDomain, span),
        Address::Other => {}
    }
    if quoted {
        event.forget_marks();
    }
    Some(())
}

/// Sets the host that was asked: its name, its port, and its address where it is one.
pub(super) fn set_host(line: &[u8], host: Span, event: &mut EventBuf) {
    let text = event.bytes(line, host);
    if text == b"-" || text.first() == Some(&b':') && text[1..].iter().all(u8::is_ascii_digit) {
        return;
    }
    let split = split_port(text).map(|(length, digits)| (length, leading_zeros(digits)));
    let name = split.map_or(host, |(length, _)| host.part(0, length));
    let is_address = Address::of(event.bytes(line, name)) == Address::Ip;
    event.set(Field::DestinationDomain, name);
    if is_address {
        event.set(Field::DestinationIp, name);
    }
    if let Some((length, zeros)) = split {
        event.set(Field::DestinationPort, host.part(length + 1 + zeros, host.len()));
    }
}

#[inline]
fn set_quoted(line: &[u8], field: Field, raw: Span, event: &mut EventBuf) {
    let span = if event.text() == LineText::Plain { raw } else { unescaped(event, line, raw) };
    if !(span.is_empty() || span.len() == 1 && event.bytes(line, span) == b"-") {
        event.set(field, span);
    }
}

/// Reads `METHOD target HTTP/version`; anything else leaves only the rest of the line to be told.
#[inline]
fn read_request(line: &[u8], raw: Span, event: &mut EventBuf) {
    let request = if event.text() == LineText::Plain { raw } else { unescaped(event, line, raw) };
    if set_request(line, request, event).is_none() && !matches!(event.bytes(line, raw), b"-" | b"")
    {
        event.leave_residue();
    }
}

#[inline]
pub(super) fn set_request(line: &[u8], request: Span, event: &mut EventBuf) -> Option<()> {
    let text = event.bytes(line, request);
    let method = text.iter().position(|byte| !is_method_byte(*byte))?;
    let version = match text.last_chunk::<9>() {
        Some(last) if last.starts_with(b" HTTP/") && last[7] == b'.' => text.len() - 3,
        _ => long_version(text)?,
    };
    let target = method + 1..version - 6;
    let digits = text[version..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let numbered = digits && text[version] != b'.';
    if method == 0 || text[method] != b' ' || target.is_empty() || !numbered {
        return None;
    }
    event.set(Field::RequestMethod, request.part(0, method));
    event.set(Field::HttpVersion, request.part(version, request.len()));
    set_target(event, line, request.part(target.start, target.end));
    if let (Some(host), None) = (event.get(Field::DestinationDomain), event.get(Field::UrlDomain)) {
        event.set(Field::UrlDomain, host);
    }
    Some(())
}

/// Finds the version of a request whose version is not of three bytes.
fn long_version(text: &[u8]) -> Option<usize> {
    let space = memchr::memrchr(b' ', text)?;
    let version = space + 6;
    (text[space + 1..].starts_with(b"HTTP/") && version < text.len()).then_some(version)
}

fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Reads ` status bytes` from `at`; returns where that ends: at a space or the line's end.
#[inline]
fn read_response(line: &[u8], at: usize, event: &mut EventBuf) -> Option<usize> {
    let mut start = at + 5;
    let rest = line.get(at..)?;
    if let Some([b' ', status @ .., b' ']) = rest.first_chunk::<5>()
        && status.iter().all(u8::is_ascii_digit)
    {
        set_status(*status, Span::line(at + 1, at + 4), event);
    } else if rest.starts_with(b" - ") {
        // No status was sent.
        start = at + 3;
    } else {
        return None;
    }
    let (mut end, mut bytes) = (start, 0_u64);
    while let Some(digit) = line.get(end).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        bytes = bytes.wrapping_mul(10).wrapping_add(u64::from(digit));
        end += 1;
    }
    if start == end {
        if line.get(end) != Some(&b'-') {
            return None;
        }
        end += 1;
    } else if DIGITS_MAX < end - start {
        bytes = 0;
        event.leave_residue();
    } else {
        let zeros = leading_zeros(&line[start..end]);
        event.set(Field::BodyBytes, Span::line(start + zeros, end));
    }
    event.set_body_bytes(bytes);
    matches!(line.get(end), None | Some(b' ')).then_some(end)
}

/// Sets the status, three digits, and what it says of the outcome.
#[inline]
pub(super) fn set_status(digits: [u8; 3], span: Span, event: &mut EventBuf) {
    let class = digits[0] - b'0';
    event.set(Field::StatusCode, span.part(leading_zeros(&digits), span.len()));
    event.set(
        if class < 4 { Field::OutcomeSuccess } else { Field::OutcomeFailure },
        Span::line(0, 0),
    );
    event.set_status_class(if class < 6 { class } else { 0 });
}

/// Adds what nginx's documents have beside the others'.
pub(super) fn add_related(event: &mut EventBuf) {
    if let Some(ip) = event.get(Field::SourceIp) {
        event.set(Field::RelatedIp, ip);
    }
    if event.get(Field::RemoteIps).is_some() {
        // Several clients stand there.
    } else if let Some(ip) = event.get(Field::SourceIp) {
        event.set(Field::RemoteIpList, ip);
    } else if let Some(name) = event.get(Field::SourceDomain) {
        event.set(Field::RemoteIpList, name);
    }
    if let Some(user) = event.get(Field::UserName) {
        event.set(Field::RelatedUser, user);
    }
}
