//! nginx's error log: `2026/11/21 03:20:13 [error] 1234#5678: *99 message, client: …, server: …, request: "…", …`.
//!
//! What follows the message is read as fields, and stays in `message`, where Filebeat's module leaves it. nginx escapes
//! nothing in it, so a client may write what looks like fields: the first `, client: ` outside quotes is taken for
//! nginx's.

use super::values::{self, client, extras, host, line_parser, number, text};
use super::zone::Zone;
use crate::dataset::NGINX_ERROR;
use crate::event::{EventBuf, Field, Span};

extras! {
    Timezone = "event.timezone" Text,
    Level = "log.level" Text,
    Pid = "process.pid" Raw,
    Tid = "process.thread.id" Raw,
    Connection = "nginx.error.connection_id" Raw,
    Server = "nginx.error.server" Text,
    Subrequest = "nginx.error.subrequest" Text,
    Upstream = "nginx.error.upstream" Text,
    Path = "file.path" Text,
}

/// Reads error lines of nginx; one message may have several lines.
#[derive(Debug, Clone, Default)]
pub struct NginxError {
    zone: Zone,
}

line_parser!(NginxError, |_| &NGINX_ERROR, zone);

/// Length of `2026/11/21 03:20:13`.
const TIME_BYTES: usize = 19;

const LEVELS: [&[u8]; 8] =
    [b"debug", b"info", b"notice", b"warn", b"error", b"crit", b"alert", b"emerg"];

const CLIENT: &[u8] = b", client: ";

/// What may follow the client, with the quote before its value where it has one.
const KEYS: [&[u8]; 7] = [
    b", server: ",
    b", login: \"",
    b", request: \"",
    b", subrequest: \"",
    b", upstream: \"",
    b", host: \"",
    b", referrer: \"",
];

impl NginxError {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        line.get(TIME_BYTES..)?;
        let time = Span::line(0, TIME_BYTES);
        values::time(event, line, time, &mut self.zone, Own::Timezone)?;
        let (level, at) = values::enclosed(line, TIME_BYTES, b" [", b']')?;
        if !LEVELS.contains(&event.bytes(line, level)) {
            return None;
        }
        values::set(event, Own::Level, level);
        let (process, mut at) = values::word(line, at + 1).filter(|_| line[at] == b' ')?;
        let process = process.part(0, process.len().checked_sub(1)?);
        let hash = memchr::memchr(b'#', event.bytes(line, process))?;
        if line[process.end()] != b':' {
            return None;
        }
        number(event, line, Own::Pid, process.part(0, hash))?;
        number(event, line, Own::Tid, process.part(hash + 1, process.len()))?;
        if line.get(at) == Some(&b'*')
            && let Some((connection, next)) = values::word(line, at + 1)
            && number(event, line, Own::Connection, connection).is_some()
        {
            at = next;
        }
        event.set(Field::Message, Span::line(0, line.len()));
        event.set_text_part(Span::line(at, line.len()));
        read_path(line, at, event);
        if let Some(found) = find_client(&line[at..]) {
            read_context(line, at + found, event);
        }
        Some(())
    }
}

/// Reads the file of `open() "/path" failed (2: No such file or directory)`.
fn read_path(line: &[u8], at: usize, event: &mut EventBuf) {
    let rest = &line[at..];
    let name =
        rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if name != 0
        && let Some((path, end)) = values::enclosed(line, at + name, b"() \"", b'"')
        && line[end..].starts_with(b" failed (")
    {
        text(event, line, Own::Path, path);
    }
}

/// Finds the first `, client: ` outside quotes; the last one where quotes do not end.
fn find_client(message: &[u8]) -> Option<usize> {
    let mut quoted_upto = 0;
    for found in memchr::memmem::find_iter(message, CLIENT) {
        while let Some(open) =
            message.get(quoted_upto..found).and_then(|text| memchr::memchr(b'"', text))
        {
            let open = quoted_upto + open;
            match memchr::memchr(b'"', &message[open + 1..]) {
                Some(length) => quoted_upto = open + length + 2,
                None => return memchr::memmem::rfind(message, CLIENT),
            }
        }
        if quoted_upto <= found {
            return Some(found);
        }
    }
    memchr::memmem::rfind(message, CLIENT)
}

/// Reads `, client: …, server: …` and so on from `at`; ends where something else stands.
fn read_context(line: &[u8], at: usize, event: &mut EventBuf) {
    let start = at + CLIENT.len();
    let end = unquoted_end(line, start);
    let address = Span::line(start, end);
    client(event, line, address);
    let mut at = end;
    // Each of them stands once, in this order.
    for (number, key) in KEYS.into_iter().enumerate() {
        if !line[at..].starts_with(key) {
            continue;
        }
        let start = at + key.len();
        let is_quoted = key.ends_with(b"\"");
        let end = if is_quoted { quoted_end(line, start) } else { Some(unquoted_end(line, start)) };
        let Some(end) = end else { return };
        let value = Span::line(start, end);
        match number {
            0 => drop(text(event, line, Own::Server, value)),
            1 => drop(text(event, line, Field::UserName, value)),
            2 => drop(values::request(event, line, value)),
            3 => drop(text(event, line, Own::Subrequest, value)),
            4 => drop(text(event, line, Own::Upstream, value)),
            5 => host(event, line, value),
            _ => drop(text(event, line, Field::Referrer, value)),
        }
        at = end + usize::from(is_quoted);
    }
}

/// Tells whether the context goes on, or ends, here.
fn is_end(rest: &[u8]) -> bool {
    rest.is_empty() || KEYS.iter().any(|key| rest.starts_with(key))
}

/// Finds the end of a value without quotes.
fn unquoted_end(line: &[u8], start: usize) -> usize {
    let commas = memchr::memchr_iter(b',', &line[start..]).map(|comma| start + comma);
    commas.into_iter().find(|comma| is_end(&line[*comma..])).unwrap_or(line.len())
}

/// Finds the quote that ends a value: the first one behind which the context goes on or ends.
fn quoted_end(line: &[u8], start: usize) -> Option<usize> {
    let quotes = memchr::memchr_iter(b'"', &line[start..]).map(|quote| start + quote);
    quotes.into_iter().find(|quote| is_end(&line[quote + 1..]))
}
