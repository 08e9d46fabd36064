//! JSON lines of which a format knows the members: one pass finds them, a table says what each is.
//!
//! Members of objects within are named with dots (`request.host`), as are those that a server writes so. Nothing is
//! allocated for a line: which row of the table a member has is remembered by its place, for the lines of a log mostly have
//! the same members in the same order. What the table does not know stays in the line, which is kept then.

use super::address::Address;
use super::forwarded::{is_list, set_behind_proxies, set_last_untrusted};
use super::url::set_target;
use super::values::{self, To};
use super::zone::Zone;
use crate::assembly::object::{Object, push_unescaped};
use crate::event::{EventBuf, Field, Span};
use crate::json_text::push_string;
use crate::settings::network::Network;
use std::sync::Arc;

/// Most members of a line whose rows are remembered.
const REMEMBERED_MAX: usize = 64;

/// Objects within each other whose members a table may name.
const DEPTH_MAX: usize = 4;

/// What a member is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Take<O: 'static> {
    /// Another one says it as well.
    Nothing,
    /// The text of a known field.
    Known(Field),
    /// The text of a field of the parser's own.
    Text(O),
    /// A number of digits.
    Number(O),
    /// The same of a known field.
    KnownNumber(Field),
    /// Texts, as nginx lists one for each server behind: `10.0.0.1:80, 10.0.0.2:80 : unix:/tmp/x`.
    Texts(O),
    /// Decimal numbers, as nginx lists one for each server behind: `0.001, 0.002 : 0.003`.
    Decimals(O),
    /// A decimal number of units, of which one has ten to this power nanoseconds.
    Duration(O, usize),
    /// The client's address.
    Client,
    /// The same, where nothing says it better.
    LaterClient,
    /// The same with a port.
    ClientWithPort(O),
    /// A text that is an IP address.
    Ip(O),
    /// A list of addresses beside the client's; the field is for one that is alone.
    Forwarded(Option<O>),
    /// The host that was asked, and perhaps its port.
    Host,
    /// The target of the request as it was sent.
    Target,
    /// The query alone.
    Query,
    /// Method, target and version.
    Request,
    /// `HTTP/1.1`, or the version alone.
    Protocol,
    /// Status of the response.
    Status,
    /// Bytes of the response's body.
    Bytes,
    /// When it happened.
    Time,
    /// The same, where nothing says it better.
    LaterTime,
    /// `TLSv1.3`, or `1.3`, for the fields of protocol and version.
    TlsName(O, O),
    /// A version of TLS by its number, and the field of its name.
    TlsVersion(O, O),
    /// A cipher of TLS by its number.
    TlsCipher(O),
}

impl<O> Take<O> {
    fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::Status | Self::Request | Self::Target | Self::Known(Field::RequestMethod)
        )
    }
}

/// Reads JSON lines by a table.
#[derive(Debug, Clone)]
pub(super) struct JsonLines<O: 'static> {
    /// Sorted by name.
    table: Vec<(&'static str, Take<O>)>,
    timezone: O,
    /// The port from which somebody connected.
    port: O,
    /// Networks whose word on who the client is counts.
    trusted: Arc<[Network]>,
    /// The list of addresses of this line, as it is written.
    forwarded: Option<Span>,
    /// The members of the last line, and their rows.
    known: Vec<(Vec<u8>, Found)>,
    objects: [Object; DEPTH_MAX],
    path: Vec<u8>,
    /// Whether a member was there that only requests have.
    is_request: bool,
}

/// What the table says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    row: Option<usize>,
    /// Whether it is the beginning of names.
    is_outer: bool,
}

impl<O: Copy + Into<To>> JsonLines<O> {
    pub(super) fn new(rows: &[(&'static str, Take<O>)], timezone: O, port: O) -> Self {
        let mut table = rows.to_vec();
        table.sort_by_key(|(name, _)| *name);
        Self {
            table,
            timezone,
            port,
            trusted: Arc::default(),
            forwarded: None,
            known: Vec::new(),
            objects: std::array::from_fn(|_| Object::default()),
            path: Vec::new(),
            is_request: false,
        }
    }

    /// Says of which networks proxies are whose word on who the client is counts.
    pub(super) fn trust(&mut self, proxies: &[Network]) {
        self.trusted = proxies.into();
    }

    /// Reads a line; `None` when it is no object, or none of a request.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        zone: &mut Zone,
        event: &mut EventBuf,
    ) -> Option<()> {
        self.path.clear();
        self.is_request = false;
        self.forwarded = None;
        let mut number = 0;
        self.walk(line, Span::line(0, line.len()), 0, &mut number, zone, event)?;
        if !self.trusted.is_empty() {
            self.find_client(line, event);
        }
        self.is_request.then_some(())
    }

    /// Has a list of addresses say who the client is: one beside it, or one in its place.
    #[cold]
    fn find_client(&self, line: &[u8], event: &mut EventBuf) {
        let client = event.get(Field::SourceAddress);
        let in_place = client.filter(|client| is_list(event.bytes(line, *client)));
        let is_found = match (in_place, self.forwarded) {
            (Some(list), _) => set_last_untrusted(line, list, &self.trusted, event),
            (None, Some(list)) => set_behind_proxies(line, list, &self.trusted, false, event),
            (None, None) => false,
        };
        // The port is that of whoever connected.
        if let To::Extra(port) = self.port.into()
            && is_found
            && event.extra(port).is_some()
        {
            event.unset_extra(port);
            event.leave_residue();
        }
    }

    /// Goes through the members of an object in the line; `number` counts all of them.
    fn walk(
        &mut self,
        line: &[u8],
        span: Span,
        depth: usize,
        number: &mut usize,
        zone: &mut Zone,
        event: &mut EventBuf,
    ) -> Option<()> {
        let mut object = std::mem::take(self.objects.get_mut(depth)?);
        let text = &line[span.start()..span.end()];
        let is_object = object.read_bytes(text);
        let outer = self.path.len();
        for member in object.members.iter().filter(|_| is_object) {
            if outer != 0 {
                self.path.push(b'.');
            }
            self.path.extend_from_slice(object.name_in(text, member));
            let value = span.part(member.value.start, member.value.end);
            let found = self.find(*number);
            *number += 1;
            let taken = if found.is_outer && text[member.value.start] == b'{' {
                self.walk(line, value, depth + 1, number, zone, event)
            } else if let Some(row) = found.row {
                let (_, take) = self.table[row];
                self.is_request |= take.is_of_request();
                if let Take::Forwarded(_) = take {
                    self.forwarded = Some(inside_array(line, value));
                }
                self.take(take, line, value, zone, event)
            } else {
                None
            };
            if taken.is_none() {
                event.leave_residue();
            }
            self.path.truncate(outer);
        }
        self.objects[depth] = object;
        is_object.then_some(())
    }

    /// Returns what the table says of the path; that of the member of the same number of the line before is tried first.
    fn find(&mut self, number: usize) -> Found {
        if let Some((name, found)) = self.known.get(number)
            && *name == self.path
        {
            return *found;
        }
        let path = self.path.as_slice();
        let found = Found {
            row: self.table.binary_search_by(|(name, _)| name.as_bytes().cmp(path)).ok(),
            is_outer: self.table.iter().any(|(name, _)| is_within(name.as_bytes(), path)),
        };
        if let Some(known) = self.known.get_mut(number) {
            known.0.clone_from(&self.path);
            known.1 = found;
        } else if number < REMEMBERED_MAX {
            self.known.push((self.path.clone(), found));
        }
        found
    }

    /// Takes a value; `None` when it is not what it should be.
    fn take(
        &self,
        take: Take<O>,
        line: &[u8],
        value: Span,
        zone: &mut Zone,
        event: &mut EventBuf,
    ) -> Option<()> {
        let Some(value) = text_of(line, value, event)? else { return Some(()) };
        let is_set = match take {
            Take::Nothing => true,
            Take::Known(field) => values::text(event, line, field, value),
            Take::Text(own) => values::text(event, line, own, value),
            Take::Number(own) => values::number(event, line, own, value).is_some(),
            Take::KnownNumber(field) => values::number(event, line, field, value).is_some(),
            Take::Texts(own) => texts(event, line, own, value),
            Take::Decimals(own) => decimals(event, line, own, value),
            Take::Duration(own, power) => values::duration(event, line, own, value, power),
            Take::Client => {
                values::client(event, line, value);
                true
            }
            Take::LaterClient => {
                if event.get(Field::SourceAddress).is_none() {
                    values::client(event, line, value);
                }
                true
            }
            Take::ClientWithPort(port) => {
                event.get(Field::SourceAddress).is_some()
                    || values::client_with_port(event, line, port, value).is_some()
            }
            Take::Forwarded(None) => false,
            Take::Ip(own) | Take::Forwarded(Some(own)) => {
                let is_ip = Address::of(event.bytes(line, value)) == Address::Ip;
                is_ip && values::text(event, line, own, value)
            }
            Take::Time => values::time(event, line, value, zone, self.timezone).is_some(),
            Take::LaterTime => {
                event.timestamp().is_some()
                    || values::time(event, line, value, zone, self.timezone).is_some()
            }
            Take::TlsName(protocol, version) => values::tls(event, line, value, protocol, version),
            Take::TlsVersion(protocol, version) => {
                tls_version(event, line, value, protocol, version)
            }
            Take::TlsCipher(own) => tls_cipher(event, line, value, own),
            of_request => take_of_request(of_request, line, value, event),
        };
        is_set.then_some(())
    }
}

/// Takes what requests and responses alone have; tells whether the value is what it should be.
fn take_of_request<O>(take: Take<O>, line: &[u8], value: Span, event: &mut EventBuf) -> bool {
    match take {
        Take::Host => {
            values::host(event, line, value);
            true
        }
        Take::Target => set_url(event, line, value),
        Take::Query => {
            if event.get(Field::UrlQuery).is_none() {
                let query = super::escapes::percent_decoded(event, line, value);
                values::text(event, line, Field::UrlQuery, query);
            }
            true
        }
        Take::Request => {
            forget_url(event);
            if event.bytes(line, value).first() == Some(&b'/')
                && memchr::memchr(b' ', event.bytes(line, value)).is_none()
            {
                // The target alone, as some call it.
                set_target(event, line, value);
                return true;
            }
            values::request(event, line, value)
        }
        Take::Protocol => set_version(event, line, value),
        Take::Status => values::status(event, line, value),
        Take::Bytes => {
            values::body_bytes(event, line, value);
            event.get(Field::BodyBytes).is_some()
        }
        _ => false,
    }
}

/// Returns what is between the brackets of an array, or the value.
fn inside_array(line: &[u8], value: Span) -> Span {
    match line[value.start()..value.end()] {
        [b'[', .., b']'] => value.part(1, value.len() - 1),
        _ => value,
    }
}

/// Tells whether `path` is the beginning of a dotted name.
fn is_within(name: &[u8], path: &[u8]) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.first() == Some(&b'.'))
}

/// Returns the text of a string, a number or a word, or of the first of an array; `Some(None)` when it says that there is
/// no value, and `None` for an object and for an array of several.
#[expect(clippy::option_option, reason = "none that could be taken, none there, or a value")]
fn text_of(line: &[u8], value: Span, event: &mut EventBuf) -> Option<Option<Span>> {
    let mut value = value;
    let bytes = &line[value.start()..value.end()];
    if let [b'[', inside @ .., b']'] = bytes {
        let blanks = |bytes: &mut dyn Iterator<Item = &u8>| {
            bytes.take_while(|byte| byte.is_ascii_whitespace()).count()
        };
        let (front, back) = (blanks(&mut inside.iter()), blanks(&mut inside.iter().rev()));
        if front == inside.len() {
            return Some(None);
        }
        value = value.part(1 + front, 1 + inside.len() - back);
    }
    let bytes = &line[value.start()..value.end()];
    match bytes {
        [b'"', inside @ .., b'"'] => {
            let span = value.part(1, value.len() - 1);
            match memchr::memchr2(b'"', b'\\', inside).map(|at| inside[at]) {
                Some(b'"') => return None,
                Some(_) if !is_one_string(inside) => return None,
                Some(_) => {
                    // Of half a surrogate pair U+FFFD is left; the line is not worse for it.
                    value = values::scratch(event, |out| {
                        let _ = push_unescaped(inside, out);
                    });
                }
                None => value = span,
            }
        }
        [b'{' | b'[', ..] => return None,
        b"null" => return Some(None),
        _ if bytes.contains(&b',') => return None,
        _ => {}
    }
    let is_absent = values::is_absent(event.bytes(line, value));
    Some((!is_absent).then_some(value))
}

/// Tells whether no quote without a backslash stands in what is between two quotes.
fn is_one_string(inside: &[u8]) -> bool {
    let mut from = 0;
    while let Some(found) = inside.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        if inside[from + found] == b'"' {
            return false;
        }
        from += found + 2;
    }
    true
}

/// Sets the target, unless a whole request has.
fn set_url(event: &mut EventBuf, line: &[u8], target: Span) -> bool {
    if event.get(Field::UrlOriginal).is_none() {
        set_target(event, line, target);
    }
    true
}

/// Takes away what a target has said: a whole request says it better.
fn forget_url(event: &mut EventBuf) {
    for field in [
        Field::UrlOriginal,
        Field::UrlPath,
        Field::UrlQuery,
        Field::UrlExtension,
        Field::UrlFragment,
    ] {
        event.unset(field);
    }
}

fn set_version(event: &mut EventBuf, line: &[u8], value: Span) -> bool {
    let text = event.bytes(line, value);
    if text.first().is_some_and(u8::is_ascii_digit)
        && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    {
        event.set(Field::HttpVersion, value);
    } else {
        values::protocol(event, line, value);
    }
    event.get(Field::HttpVersion).is_some()
}

/// Sets one number, or an array of several; those that are not there are left out.
fn decimals<O: Into<To>>(event: &mut EventBuf, line: &[u8], own: O, value: Span) -> bool {
    let text = event.bytes(line, value);
    if !of_servers(text).all(values::is_decimal) {
        return false;
    }
    set_servers(event, line, own, value, Vec::extend_from_slice);
    true
}

/// Sets one text, or an array of several.
fn texts<O: Into<To>>(event: &mut EventBuf, line: &[u8], own: O, value: Span) -> bool {
    set_servers(event, line, own, value, push_string);
    true
}

/// Sets what there is of each server, written by `push`.
fn set_servers<O: Into<To>>(
    event: &mut EventBuf,
    line: &[u8],
    own: O,
    value: Span,
    push: impl Fn(&mut Vec<u8>, &[u8]),
) {
    // What is written goes where a value with escapes already is.
    let copy = if value.is_scratch() { event.bytes(line, value).to_vec() } else { Vec::new() };
    let text = if value.is_scratch() { &copy } else { &line[value.start()..value.end()] };
    let mut many = 0;
    let span = values::scratch(event, |out| {
        for part in of_servers(text) {
            out.push(if many == 0 { b'[' } else { b',' });
            push(out, part);
            many += 1;
        }
        out.push(b']');
    });
    match many {
        0 => {}
        1 => values::set(event, own, span.part(1, span.len() - 1)),
        _ => values::set(event, own, span),
    }
}

/// Returns what nginx lists for each server behind; what is not there is left out.
fn of_servers(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    let parts = std::iter::from_fn(move || {
        let text = rest?;
        let comma = memchr::memmem::find(text, b", ");
        let colon = memchr::memmem::find(text, b" : ");
        let (end, next) = match (comma, colon) {
            (Some(comma), Some(colon)) if colon < comma => (colon, Some(colon + 3)),
            (Some(comma), _) => (comma, Some(comma + 2)),
            (None, Some(colon)) => (colon, Some(colon + 3)),
            (None, None) => (text.len(), None),
        };
        rest = next.map(|next| &text[next..]);
        Some(&text[..end])
    });
    parts.filter(|part| !values::is_absent(part))
}

/// Sets protocol and version of TLS, by the number that the protocol has for it.
fn tls_version<O: Into<To>>(
    event: &mut EventBuf,
    line: &[u8],
    value: Span,
    protocol: O,
    version: O,
) -> bool {
    let name: &[u8] = match event.bytes(line, value) {
        b"769" => b"1.0",
        b"770" => b"1.1",
        b"771" => b"1.2",
        b"772" => b"1.3",
        _ => return false,
    };
    values::literal(event, protocol, b"tls");
    values::literal(event, version, name);
    true
}

/// Sets the name of a cipher, by its number in IANA's registry: those that today's servers agree on.
fn tls_cipher<O: Into<To>>(event: &mut EventBuf, line: &[u8], value: Span, own: O) -> bool {
    let name: &[u8] = match event.bytes(line, value) {
        b"4865" => b"TLS_AES_128_GCM_SHA256",
        b"4866" => b"TLS_AES_256_GCM_SHA384",
        b"4867" => b"TLS_CHACHA20_POLY1305_SHA256",
        b"49171" => b"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        b"49172" => b"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        b"49195" => b"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        b"49196" => b"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        b"49199" => b"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        b"49200" => b"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        b"52392" => b"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        b"52393" => b"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        _ => return false,
    };
    values::literal(event, own, name);
    true
}
