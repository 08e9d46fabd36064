//! Apache's error log: the default formats of 2.2 and 2.4.
//!
//! `[time] [level] [client address] message`, and
//! `[time] [module:level] [pid n:tid n] file.c(line): (code)text: [client address:port] AHnnnnn: message, referer: …`, of
//! which all behind the level may be missing. What a log with an `ErrorLogFormat` of its own has otherwise is not
//! recognised.

use super::values::{
    self, client, client_with_port, escaped, extras, line_parser, literal, number,
};
use super::zone::Zone;
use crate::dataset::APACHE_ERROR;
use crate::event::{EventBuf, Field, Span};

extras! {
    Original = "event.original" Text,
    Timezone = "event.timezone" Text,
    Type = "event.type" List,
    Level = "log.level" Text,
    Module = "apache.error.module" Text,
    Code = "apache.error.code" Text,
    Pid = "process.pid" Raw,
    Tid = "process.thread.id" Raw,
    Port = "source.port" Raw,
    Path = "file.path" Text,
    OriginFile = "log.origin.file.name" Text,
    OriginLine = "log.origin.file.line" Raw,
    ErrorCode = "error.code" Text,
}

/// Reads error lines of Apache.
#[derive(Debug, Clone, Default)]
pub struct ApacheError {
    zone: Zone,
}

line_parser!(ApacheError, |_| &APACHE_ERROR, zone);

/// Levels that are errors; all others say how it goes.
const ERRORS: [&[u8]; 5] = [b"emerg", b"alert", b"crit", b"error", b"warn"];

const OTHERS: [&[u8]; 3] = [b"notice", b"info", b"debug"];

/// Length of `AH00094`, and of the shortest and the longest code.
const CODE_BYTES: std::ops::RangeInclusive<usize> = 7..=8;

impl ApacheError {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        let (time, at) = bracket(line, 0, b"[")?;
        values::time(event, line, time, &mut self.zone, Own::Timezone)?;
        let (level, at) = bracket(line, at, b"[")?;
        read_level(line, level, event)?;
        let mut at = at;
        if let Some((process, next)) = bracket(line, at, b"[pid ") {
            read_process(line, process, event)?;
            at = next;
        }
        let mut message = at;
        let text = read_origin(line, at, event);
        if let Some((address, next)) = bracket(line, text, b"[client ") {
            read_client(line, address, event);
            // As Filebeat's module has it: what stands before the client is of the message.
            if text == at {
                message = next;
            }
            at = next;
        } else {
            at = text;
        }
        event.set(Field::Message, Span::line(0, line.len()));
        event.set_text_part(Span::line(message, line.len()));
        values::set(event, Own::Original, Span::line(0, line.len()));
        read_message(line, at, event);
        Some(())
    }
}

/// Returns what is between `open` and the first bracket that a blank follows, and where the text behind that begins.
fn bracket(line: &[u8], at: usize, open: &[u8]) -> Option<(Span, usize)> {
    let start = at + open.len();
    if line.get(at..start)? != open {
        return None;
    }
    let is_end = |bracket: &usize| matches!(line.get(start + bracket + 1), None | Some(b' '));
    let end = start + memchr::memchr_iter(b']', &line[start..]).find(is_end)?;
    Some((Span::line(start, end), (end + 2).min(line.len())))
}

/// Reads `level` or `module:level`.
fn read_level(line: &[u8], span: Span, event: &mut EventBuf) -> Option<()> {
    let text = event.bytes(line, span);
    let begin = memchr::memrchr(b':', text).map_or(0, |colon| colon + 1);
    let level = &text[begin..];
    let is_error = ERRORS.contains(&level);
    let is_trace = matches!(level, [b't', b'r', b'a', b'c', b'e', b'1'..=b'8']);
    if !(is_error || is_trace || OTHERS.contains(&level)) {
        return None;
    }
    values::set(event, Own::Level, span.part(begin, span.len()));
    if 0 < begin {
        values::text(event, line, Own::Module, span.part(0, begin - 1));
    }
    literal(event, Own::Type, if is_error { b"error" } else { b"info" });
    Some(())
}

/// Reads `1234` or `1234:tid 5678`.
fn read_process(line: &[u8], span: Span, event: &mut EventBuf) -> Option<()> {
    const TID: &[u8] = b":tid ";
    let text = event.bytes(line, span);
    let tid = memchr::memmem::find(text, TID);
    number(event, line, Own::Pid, span.part(0, tid.unwrap_or(span.len())))?;
    if let Some(tid) = tid {
        number(event, line, Own::Tid, span.part(tid + TID.len(), span.len()));
    }
    Some(())
}

/// Reads `file.c(123): ` and `(111)Connection refused: `; returns where the text behind them begins.
fn read_origin(line: &[u8], at: usize, event: &mut EventBuf) -> usize {
    let mut at = at;
    if let Some((name, end)) = values::word(line, at)
        && let Some(name) = line[name.start()..name.end()].strip_suffix(b"):")
        && let Some(open) = memchr::memchr(b'(', name).filter(|open| 0 < *open)
        && number(event, line, Own::OriginLine, Span::line(at + open + 1, at + name.len()))
            .is_some()
    {
        values::set(event, Own::OriginFile, Span::line(at, at + open));
        at = end;
    }
    if let Some((code, end)) = values::enclosed(line, at, b"(", b')')
        && values::parse_number(event.bytes(line, code)).is_some()
        && let Some(colon) = memchr::memmem::find(&line[end..], b": ")
    {
        values::set(event, Own::ErrorCode, code);
        at = end + colon + 2;
    }
    at
}

/// Reads an address with or without a port. Apache 2.4 puts a port even behind an IPv6 address without brackets.
fn read_client(line: &[u8], span: Span, event: &mut EventBuf) {
    let text = event.bytes(line, span);
    let is_address = |text| super::address::Address::of(text) == super::address::Address::Ip;
    let before = memchr::memrchr(b':', text).map(|colon| &text[..colon]);
    // `2001:db8::1` alone is one address: what is before its last colon is none.
    let has_port = before.is_some_and(|host| !is_address(text) || is_address(host));
    if !has_port || client_with_port(event, line, Own::Port, span).is_none() {
        client(event, line, span);
    }
}

/// Reads the code that a message begins with, the file that it is about, and the referrer behind it.
fn read_message(line: &[u8], at: usize, event: &mut EventBuf) {
    const MISSING: &[u8] = b"File does not exist: ";
    const REFERRER: &[u8] = b", referer: ";
    let mut at = at;
    let rest = &line[at..];
    if let Some(colon) = memchr::memmem::find(&rest[..rest.len().min(10)], b": ")
        && CODE_BYTES.contains(&colon)
        && rest.starts_with(b"AH")
        && rest[2..colon].iter().all(u8::is_ascii_digit)
    {
        values::set(event, Own::Code, Span::line(at, at + colon));
        at += colon + 2;
    }
    let mut end = line.len();
    if let Some(found) = memchr::memmem::rfind(&line[at..], REFERRER) {
        end = at + found;
        escaped(event, line, Field::Referrer, Span::line(end + REFERRER.len(), line.len()));
    }
    if line[at..end].starts_with(MISSING) {
        escaped(event, line, Own::Path, Span::line(at + MISSING.len(), end));
    }
}
