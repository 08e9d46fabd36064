//! PHP-FPM's access lines: those of its default format, and of the longer one that its configuration suggests.
//!
//! `%R - %u %t "%m %r%Q%q" %s`, and behind it `%f %{milliseconds}d %{kilobytes}M %C%%` or the first of these.

use super::timestamp::{CLF_BYTES, parse_any};
use super::url::set_target;
use super::values::{
    self, OF_MILLISECONDS, client, duration, extras, line_parser, number, text, word,
};
use super::zone::Zone;
use crate::dataset::PHP_FPM_ACCESS;
use crate::event::{EventBuf, Field, Span};

extras! {
    Timezone = "event.timezone" Text,
    Duration = "event.duration" Raw,
    Script = "file.path" Text,
    Memory = "php_fpm.access.memory.kilobytes" Raw,
    Cpu = "php_fpm.access.cpu.pct" Raw,
}

/// Reads access lines of PHP-FPM.
#[derive(Debug, Clone, Default)]
pub struct PhpFpmAccess {
    zone: Zone,
}

line_parser!(PhpFpmAccess, |_| &PHP_FPM_ACCESS, zone);

impl PhpFpmAccess {
    fn read(&mut self, line: &[u8], event: &mut EventBuf) -> Option<()> {
        const DASH: &[u8] = b" - ";
        let dash = memchr::memmem::find(line, DASH)?;
        client(event, line, Span::line(0, dash));
        let user = dash + DASH.len();
        // The user may be empty or hold blanks: the first time with a quote behind it is the time.
        let quotes = memchr::memmem::find_iter(&line[user..], b" \"").map(|at| user + at);
        let (time, quote) = quotes.into_iter().find_map(|quote| {
            Some((time_before(line, quote).filter(|time| user < time.start())?, quote))
        })?;
        values::time(event, line, time, &mut self.zone, Own::Timezone)?;
        if user < time.start() {
            text(event, line, Field::UserName, Span::line(user, time.start() - 1));
        }
        let start = quote + 2;
        // A script's name may hold a quote: the last one with a status behind it ends the request.
        let mut quotes = memchr::memmem::rfind_iter(&line[start..], b"\" ").map(|at| start + at);
        let end = quotes.find(|end| is_status(&line[end + 2..]))?;
        // PHP-FPM writes no version: a line with one is another server's.
        if memchr::memmem::find(&line[start..end], b" HTTP/").is_some() {
            return None;
        }
        read_request(line, Span::line(start, end), event);
        let (status, at) = word(line, end + 2)?;
        if !values::status(event, line, status) {
            return None;
        }
        read_rest(line, at, event);
        Some(())
    }
}

fn is_status(rest: &[u8]) -> bool {
    rest.len() >= 3
        && rest[..3].iter().all(u8::is_ascii_digit)
        && matches!(rest.get(3), None | Some(b' '))
}

/// Returns the time that ends at `end`, with its brackets where it has some.
fn time_before(line: &[u8], end: usize) -> Option<Span> {
    let is_bracketed = line[..end].ends_with(b"]");
    let start = end.checked_sub(CLF_BYTES + if is_bracketed { 2 } else { 0 })?;
    let is_word = 0 < start && line[start - 1] == b' ';
    (is_word && parse_any(&line[start..end]).is_some()).then(|| Span::line(start, end))
}

/// Reads `METHOD target`.
fn read_request(line: &[u8], request: Span, event: &mut EventBuf) {
    let text = event.bytes(line, request);
    if values::is_absent(text) {
        return;
    }
    let Some(blank) = memchr::memchr(b' ', text).filter(|blank| *blank + 1 < text.len()) else {
        return event.leave_residue();
    };
    let is_method = text[..blank].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if blank != 0 && is_method {
        values::text(event, line, Field::RequestMethod, request.part(0, blank));
        set_target(event, line, request.part(blank + 1, request.len()));
    } else {
        event.leave_residue();
    }
}

/// Reads script, milliseconds, kilobytes and per cent; any but the script may be missing.
fn read_rest(line: &[u8], at: usize, event: &mut EventBuf) {
    if at == line.len() {
        return;
    }
    let Some(length) = script_length(&line[at..]) else { return event.leave_residue() };
    text(event, line, Own::Script, Span::line(at, at + length));
    let mut at = at + length + 1;
    for figure in 0.. {
        if line.len() <= at {
            break;
        }
        let Some((value, _)) = word(line, at) else { return event.leave_residue() };
        let is_taken = values::is_absent(event.bytes(line, value))
            || match figure {
                0 => duration(event, line, Own::Duration, value, OF_MILLISECONDS),
                1 => number(event, line, Own::Memory, value).is_some(),
                2 => read_per_cent(line, value, event),
                _ => false,
            };
        if !is_taken {
            event.leave_residue();
        }
        at = value.end() + 1;
    }
}

/// Finds where the script ends, which may hold blanks: before the figures, as many as may be, with which the line ends, or
/// behind the first word where all of them follow that. `None` where something else stands.
fn script_length(rest: &[u8]) -> Option<usize> {
    let are_figures = |from: usize, many: usize| {
        let mut words = rest[from..].split(|byte| *byte == b' ');
        (0..many).all(|figure| words.next().is_some_and(|word| may_be(figure, word)))
    };
    let mut found = None;
    let blanks = memchr::memrchr_iter(b' ', rest).take(FIGURES);
    for (many, blank) in (1..).zip(blanks) {
        if are_figures(blank + 1, many) {
            found = Some(blank);
        }
    }
    found.or_else(|| match memchr::memchr(b' ', rest) {
        None => Some(rest.len()),
        Some(blank) => are_figures(blank + 1, FIGURES).then_some(blank),
    })
}

/// What may stand behind the script: milliseconds, kilobytes and per cent.
const FIGURES: usize = 3;

/// Tells whether a word may be the figure of this number.
fn may_be(figure: usize, word: &[u8]) -> bool {
    let digits = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let is_decimal = |word: &[u8]| {
        let point = memchr::memchr(b'.', word);
        digits(&word[..point.unwrap_or(word.len())])
            && point.is_none_or(|point| digits(&word[point + 1..]))
    };
    match figure {
        _ if word == b"-" => true,
        0 => is_decimal(word),
        1 => digits(word),
        _ => is_decimal(word.strip_suffix(b"%").unwrap_or(word)),
    }
}

/// Reads `12.50%`.
fn read_per_cent(line: &[u8], value: Span, event: &mut EventBuf) -> bool {
    let text = event.bytes(line, value);
    let digits = text.strip_suffix(b"%").unwrap_or(text);
    let is_number = values::is_decimal(digits);
    if is_number {
        values::set(event, Own::Cpu, value.part(0, digits.len()));
    }
    is_number
}
