//! Syslog headers: RFC 3164 as it is written in practice, and RFC 5424.
//!
//! A header becomes spans over its message; nothing is copied or allocated. What differs from both formats is not
//! recognised rather than half understood. Times without a year or a zone are read with the help of what the caller says:
//! the zone, and the time at which the message came.

use super::timestamp::{DAY_MS, days_from_civil, digits, month_of, parse_clock, parse_rfc3339};
use super::zone::Zone;
use crate::event::Span;
use crate::json_text::{Sink, push_lossy};
use crate::settings::SyslogFormat;
use jiff::tz::TimeZone;

/// Largest priority: facility 23, severity 7.
const PRIORITY_MAX: u16 = 191;

/// Longest name of a program: RFC 5424 allows 48, and nothing longer is one.
const TAG_BYTES_MAX: usize = 64;

/// Most parameters of structured data in one message.
const PARAMETERS_MAX: usize = 256;

/// Names of the severities, by their numbers.
pub const SEVERITIES: [&str; 8] =
    ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

/// Names of the facilities, by their numbers.
pub const FACILITIES: [&str; 24] = [
    "kernel",
    "user-level",
    "mail",
    "system",
    "security/authorization",
    "syslogd",
    "line printer",
    "network news",
    "UUCP",
    "clock",
    "security/authorization",
    "FTP",
    "NTP",
    "log audit",
    "log alert",
    "clock",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// What a message says before its text; values that are not there, or nil, are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// Facility × 8 + severity, 0 to 191.
    pub priority: Option<u8>,
    /// Version of the format, of RFC 5424.
    pub version: Option<Span>,
    /// When it happened: milliseconds since 1970.
    pub time: Option<i64>,
    /// The offset of the zone that it was taken for, in seconds, where it names none.
    pub offset: Option<i32>,
    /// Who sent it.
    pub hostname: Option<Span>,
    /// The program.
    pub app_name: Option<Span>,
    /// Its process.
    pub proc_id: Option<Span>,
    /// Kind of message, of RFC 5424.
    pub msg_id: Option<Span>,
    /// Structured data, of RFC 5424, brackets included; what [`push_structured_data`] takes.
    pub structured_data: Option<Span>,
    /// The text.
    pub message: Span,
}

impl Header {
    /// Returns the number of the facility, 0 to 23.
    #[must_use]
    pub fn facility(&self) -> Option<u8> {
        self.priority.map(|priority| priority >> 3)
    }

    /// Returns the number of the severity, 0 to 7.
    #[must_use]
    pub fn severity(&self) -> Option<u8> {
        self.priority.map(|priority| priority & 7)
    }
}

/// Reads headers.
#[derive(Debug, Clone)]
pub struct Syslog {
    format: SyslogFormat,
    clock: Clock,
}

impl Syslog {
    /// Makes a reader; `zone` is that of times that name none.
    #[must_use]
    pub fn new(format: SyslogFormat, zone: TimeZone) -> Self {
        let clock = Clock { zone: Zone::new(zone), known: [0; CLOCK_BYTES], time: 0, offset: 0 };
        Self { format, clock }
    }

    /// Says when the messages that follow came, in milliseconds since 1970: a time without a year is near it.
    pub fn set_now(&mut self, unix_ms: u64) {
        let before = self.clock.zone.now();
        self.clock.zone.set_now(unix_ms);
        if self.clock.zone.now() / REMEMBERED_MS != before / REMEMBERED_MS {
            self.clock.known = [0; CLOCK_BYTES];
        }
    }

    /// Says which zone times are of that name none.
    pub fn set_zone(&mut self, zone: &Zone) {
        self.clock.zone.set_zone(zone);
        self.clock.known = [0; CLOCK_BYTES];
    }

    /// Reads the header of a message; `None` when it has none.
    #[must_use]
    pub fn read(&mut self, line: &[u8]) -> Option<Header> {
        let (priority, at) = match priority(line) {
            Some((priority, at)) => (Some(priority), at),
            None => (None, 0),
        };
        let header = Header { priority, ..Header::default() };
        if self.format != SyslogFormat::Rfc3164
            && priority.is_some()
            && let Some(header) = read_5424(line, at, header)
        {
            return Some(header);
        }
        if self.format == SyslogFormat::Rfc5424 {
            return None;
        }
        self.clock.read_3164(line, at, header)
    }
}

/// Reads `<0>` to `<191>`; returns where it ends.
fn priority(line: &[u8]) -> Option<(u8, usize)> {
    let rest = line.strip_prefix(b"<")?;
    let length = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=3).contains(&length) || rest.get(length) != Some(&b'>') {
        return None;
    }
    let number = rest[..length].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let number = u8::try_from(number).ok().filter(|_| number <= PRIORITY_MAX)?;
    Some((number, length + 2))
}

// RFC 5424.

/// Reads what follows the priority.
fn read_5424(line: &[u8], at: usize, mut header: Header) -> Option<Header> {
    let (version, at) = word(line, at)?;
    if !matches!(line[version.start()..version.end()], [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9']) {
        return None;
    }
    header.version = Some(version);
    let (time, at) = word(line, at)?;
    let time_text = &line[time.start()..time.end()];
    if time_text != b"-" {
        header.time = Some(parse_rfc3339(time_text)?);
    }
    let (hostname, at) = word(line, at)?;
    let (app_name, at) = word(line, at)?;
    let (proc_id, at) = word(line, at)?;
    let (msg_id, at) = word(line, at)?;
    let filled = |span: Span| (&line[span.start()..span.end()] != b"-").then_some(span);
    header.hostname = filled(hostname);
    header.app_name = filled(app_name);
    header.proc_id = filled(proc_id);
    header.msg_id = filled(msg_id);
    let mut end = at;
    match line.get(at)? {
        b'-' => end += 1,
        b'[' => {
            end = structured_end(line, at)?;
            header.structured_data = Some(Span::line(at, end));
        }
        _ => return None,
    }
    let mut message = match line.get(end) {
        None => end,
        Some(b' ') => end + 1,
        Some(_) => return None,
    };
    if line[message..].starts_with(b"\xef\xbb\xbf") {
        message += 3;
    }
    header.message = Span::line(message, line.len());
    Some(header)
}

/// Returns the word at `at`, which a blank follows, and where the next one begins.
fn word(line: &[u8], at: usize) -> Option<(Span, usize)> {
    let length = memchr::memchr(b' ', line.get(at..)?)?;
    (length != 0).then(|| (Span::line(at, at + length), at + length + 1))
}

/// Returns where structured data ends that begins at `at`.
fn structured_end(line: &[u8], at: usize) -> Option<usize> {
    let mut elements = Elements { text: line, at, left: PARAMETERS_MAX };
    let (mut ids, mut many) = ([(0, 0); 16], 0);
    while let Some(id) = elements.next_element()? {
        // An id stands once: as a JSON object's key it could not stand twice.
        let text = &line[id.0..id.1];
        if ids[..many].iter().any(|(start, end)| &line[*start..*end] == text) {
            return None;
        }
        *ids.get_mut(many)? = id;
        many += 1;
        while elements.next_parameter()?.is_some() {}
    }
    Some(elements.at)
}

/// A value as it stands between its quotes, and the name before it.
#[derive(Debug, Clone, Copy)]
struct Parameter {
    name: (usize, usize),
    value: (usize, usize),
}

/// Walks through structured data; `None` where it is malformed.
#[derive(Clone, Copy)]
struct Elements<'a> {
    text: &'a [u8],
    at: usize,
    left: usize,
}

impl Elements<'_> {
    /// Returns the id of the next element; `Some(None)` behind the last.
    #[expect(clippy::option_option, reason = "malformed, at the end, or an element")]
    fn next_element(&mut self) -> Option<Option<(usize, usize)>> {
        if self.text.get(self.at) != Some(&b'[') {
            return Some(None);
        }
        let id = self.name(self.at + 1)?;
        self.at = id.1;
        Some(Some(id))
    }

    /// Returns the next parameter of the element; `Some(None)` at its end, which is behind its bracket then.
    #[expect(clippy::option_option, reason = "malformed, at the end, or a parameter")]
    fn next_parameter(&mut self) -> Option<Option<Parameter>> {
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Some(None);
        }
        let blanks = self.text[self.at..].iter().take_while(|byte| **byte == b' ').count();
        if blanks == 0 {
            return None;
        }
        let name = self.name(self.at + blanks)?;
        if self.text.get(name.1..name.1 + 2) != Some(b"=\"") {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let start = name.1 + 2;
        let mut from = start;
        loop {
            from += memchr::memchr2(b'"', b'\\', self.text.get(from..)?)?;
            if self.text[from] == b'"' {
                break;
            }
            from += 2;
        }
        self.at = from + 1;
        Some(Some(Parameter { name, value: (start, from) }))
    }

    fn name(&self, start: usize) -> Option<(usize, usize)> {
        let rest = self.text.get(start..)?;
        let is_end = |byte: &u8| matches!(byte, b'=' | b' ' | b']' | b'"');
        let length = rest.iter().position(is_end)?;
        (length != 0).then_some((start, start + length))
    }
}

/// Appends structured data, as [`Header::structured_data`] has it, as a JSON object of objects. Values of one name become
/// an array.
pub fn push_structured_data(sink: &mut impl Sink, text: &[u8]) {
    let mut elements = Elements { text, at: 0, left: PARAMETERS_MAX };
    sink.push(b"{");
    let mut is_first = true;
    while let Some(Some(id)) = elements.next_element() {
        sink.push(if is_first { b"\"" } else { b",\"" });
        is_first = false;
        push_lossy(sink, &text[id.0..id.1]);
        sink.push(b"\":{");
        let begin = elements;
        let mut number = 0;
        while let Some(Some(parameter)) = elements.next_parameter() {
            push_parameter(sink, begin, number, parameter);
            number += 1;
        }
        sink.push(b"}");
    }
    sink.push(b"}");
}

/// Appends the parameter `number` of an element, and all later ones of its name; nothing when an earlier one has it.
fn push_parameter(sink: &mut impl Sink, element: Elements<'_>, number: usize, first: Parameter) {
    let text = element.text;
    let name = &text[first.name.0..first.name.1];
    let (mut others, mut at, mut many) = (element, 0, 0);
    while let Some(Some(other)) = others.next_parameter() {
        if &text[other.name.0..other.name.1] == name {
            if at < number {
                return;
            }
            many += 1;
        }
        at += 1;
    }
    sink.push(if number == 0 { b"\"" } else { b",\"" });
    push_lossy(sink, name);
    sink.push(b"\":");
    if many == 1 {
        return push_value(sink, text, first);
    }
    let (mut others, mut at, mut is_first) = (element, 0, true);
    while let Some(Some(other)) = others.next_parameter() {
        if number <= at && &text[other.name.0..other.name.1] == name {
            sink.push(if is_first { b"[" } else { b"," });
            is_first = false;
            push_value(sink, text, other);
        }
        at += 1;
    }
    sink.push(b"]");
}

fn push_value(sink: &mut impl Sink, text: &[u8], parameter: Parameter) {
    let value = &text[parameter.value.0..parameter.value.1];
    sink.push(b"\"");
    let mut start = 0;
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'\\', &value[from..]) {
        let backslash = from + found;
        from = backslash + 1;
        // Only these three are escapes; before anything else a backslash is itself.
        if matches!(value.get(from), Some(b'"' | b'\\' | b']')) {
            push_lossy(sink, &value[start..backslash]);
            start = from;
            from += 1;
        }
    }
    push_lossy(sink, &value[start..]);
    sink.push(b"\"");
}

// RFC 3164.

/// For how long a time is remembered: what it means depends on when it is read.
const REMEMBERED_MS: i64 = 60_000;

/// Longest time without a zone that is remembered: `Nov 21 03:20:13 2026`.
const CLOCK_BYTES: usize = 20;

/// Reads times that need to be told year or zone, and remembers the last of them: messages that follow each other mostly
/// have the same one.
#[derive(Debug, Clone)]
struct Clock {
    zone: Zone,
    known: [u8; CLOCK_BYTES],
    time: i64,
    offset: i32,
}

impl Clock {
    /// Reads what follows the priority, if there is one: a time, a host perhaps, and a program perhaps.
    fn read_3164(&mut self, line: &[u8], at: usize, mut header: Header) -> Option<Header> {
        header.message = Span::line(at, line.len());
        let Some((time, offset, end)) = self.time(line, at) else {
            // A priority and no time: the rest is the text (RFC 3164, section 4.3.2).
            return header.priority.map(|_| header);
        };
        (header.time, header.offset) = (Some(time), offset);
        let mut at = end;
        if !read_tag(line, at, &mut header) {
            if let Some((hostname, next)) = word(line, at) {
                header.hostname = Some(hostname);
                at = next;
            }
            if !read_tag(line, at, &mut header) {
                header.message = Span::line(at, line.len());
            }
        }
        Some(header)
    }

    /// Reads a time; returns it, the zone's offset where it names none, and where the next word begins.
    fn time(&mut self, line: &[u8], at: usize) -> Option<(i64, Option<i32>, usize)> {
        let rest = line.get(at..)?;
        if rest.first()?.is_ascii_digit() {
            let length = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            let time = parse_rfc3339(&rest[..length])?;
            return Some((time, None, (at + length + 1).min(line.len())));
        }
        let (civil, length) = civil_time(rest)?;
        let end = match rest.get(length..) {
            Some([b' ', ..]) => length + 1,
            // Some write `Nov 21 03:20:13: text`.
            Some([b':', b' ', ..]) => length + 2,
            Some([]) => length,
            _ => return None,
        };
        let mut key = [0; CLOCK_BYTES];
        let is_short = length <= CLOCK_BYTES;
        if is_short {
            key[..length].copy_from_slice(&rest[..length]);
            if key == self.known {
                return Some((self.time, Some(self.offset), at + end));
            }
        }
        let (time, offset) = self.resolve(civil)?;
        if is_short {
            (self.known, self.time, self.offset) = (key, time, offset);
        }
        Some((time, Some(offset), at + end))
    }

    /// Returns when it was that the clocks of the zone said so, and its offset.
    fn resolve(&mut self, civil: Civil) -> Option<(i64, i32)> {
        let Civil { year, month, day, in_day } = civil;
        let Some(year) = year else { return self.zone.last(month, day, in_day) };
        let days = days_from_civil(year, month, day)?;
        self.zone.utc(days * DAY_MS + in_day)
    }
}

/// A time as it is written.
#[derive(Debug, Clone, Copy)]
struct Civil {
    year: Option<i64>,
    month: i64,
    day: i64,
    /// Milliseconds of the day.
    in_day: i64,
}

/// Reads `Nov 21 03:20:13`, `Nov  1 …` or `Nov 1 …`, with a year before or behind the time of day, with or without a
/// fraction; returns its length.
fn civil_time(text: &[u8]) -> Option<(Civil, usize)> {
    let month = month_of(*text.first_chunk::<3>()?)?;
    let at = |position: usize| text.get(position).copied();
    let mut position = 3;
    while at(position)? == b' ' && position < 5 {
        position += 1;
    }
    let day_length = text.get(position..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if position == 3 || !(1..=2).contains(&day_length) || at(position + day_length)? != b' ' {
        return None;
    }
    let day = digits(&text[position..position + day_length])?;
    position += day_length + 1;
    let mut year = None;
    if let Some(four) = text.get(position..position + 4).filter(|_| at(position + 4) == Some(b' '))
        && let Some(number) = digits(four)
    {
        year = Some(number);
        position += 5;
    }
    let (in_day, rest) = parse_clock(text.get(position..)?)?;
    position = text.len() - rest.len();
    if year.is_none()
        && at(position) == Some(b' ')
        && matches!(at(position + 5), Some(b' ' | b':'))
        && let Some(number) = text.get(position + 1..position + 5).and_then(digits)
    {
        year = Some(number);
        position += 5;
    }
    Some((Civil { year, month, day, in_day }, position))
}

/// Reads `program: ` or `program[process]: `; `false` when none stands at `at`.
fn read_tag(line: &[u8], at: usize, header: &mut Header) -> bool {
    let rest = &line[at..];
    let window = &rest[..rest.len().min(TAG_BYTES_MAX + 1)];
    let is_end = |byte: &u8| matches!(byte, b':' | b'[' | b' ');
    let Some(length) = window.iter().position(is_end).filter(|length| *length != 0) else {
        return false;
    };
    let mut end = length;
    let mut process = None;
    if rest[length] == b'[' {
        let window = &rest[length..rest.len().min(length + TAG_BYTES_MAX)];
        let Some(close) = window.iter().position(|byte| matches!(byte, b']' | b' ')) else {
            return false;
        };
        if window[close] != b']' {
            return false;
        }
        process = (1 < close).then(|| Span::line(at + length + 1, at + length + close));
        end = length + close + 1;
    }
    match &rest[end..] {
        [b':', ..] => end += 1,
        // `program[process] text`, as some write it.
        [b' ', ..] if process.is_some() => {}
        _ => return false,
    }
    match rest.get(end) {
        Some(b' ') => end += 1,
        None => {}
        // `host:text` or an address is no program's name; behind `]:` anything may come.
        Some(_) if process.is_some() => {}
        Some(_) => return false,
    }
    header.app_name = Some(Span::line(at, at + length));
    header.proc_id = process;
    header.message = Span::line(at + end, line.len());
    true
}

#[cfg(test)]
mod tests;
