//! Escapes that servers and clients write: back to what was sent, where that is text.

use crate::event::{EventBuf, Span};

/// Returns the value of a quoted field: `\"`, `\\`, `\n`, `\xHH` … decoded, as Apache and nginx write them.
///
/// Decoded bytes that are not UTF-8 say less than the escapes do; these are kept then. A backslash before
/// anything else stands for itself.
pub fn unescaped(event: &mut EventBuf, line: &[u8], span: Span) -> Span {
    let text = event.bytes(line, span);
    if memchr::memchr(b'\\', text).is_none() {
        return span;
    }
    decoded(event, line, span, |text| match text {
        [b'\\', b'x', high, low, ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, 4),
            _ => (b'\\', 1),
        },
        [b'\\', letter, ..] => match letter {
            b'"' | b'\\' => (*letter, 2),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'b' => (8, 2),
            b'v' => (11, 2),
            b'f' => (12, 2),
            b'a' => (7, 2),
            _ => (b'\\', 1),
        },
        [byte, ..] => (*byte, 1),
        [] => (0, 1),
    })
    .unwrap_or(span)
}

/// Returns a part of a URL with `%HH` decoded; as it stands when one of them is no escape or the result not UTF-8.
pub fn percent_decoded(event: &mut EventBuf, line: &[u8], span: Span) -> Span {
    let text = event.bytes(line, span);
    let mut escapes = memchr::memchr_iter(b'%', text).peekable();
    if escapes.peek().is_none() || !escapes.all(|at| percent_escape(&text[at..]).is_some()) {
        return span;
    }
    decoded(event, line, span, |text| match percent_escape(text) {
        Some(byte) => (byte, 3),
        None => (text[0], 1),
    })
    .unwrap_or(span)
}

/// Returns a form's value: `+` is a blank, and `%HH` decoded where all of it can be.
pub fn form_decoded(event: &mut EventBuf, line: &[u8], span: Span) -> Span {
    let text = event.bytes(line, span);
    if memchr::memchr2(b'+', b'%', text).is_none() {
        return span;
    }
    let is_whole = memchr::memchr_iter(b'%', text).all(|at| percent_escape(&text[at..]).is_some());
    decoded(event, line, span, |text| match (text[0], percent_escape(text)) {
        (b'+', _) => (b' ', 1),
        (_, Some(byte)) if is_whole => (byte, 3),
        (byte, _) => (byte, 1),
    })
    .unwrap_or(span)
}

/// Tells whether a part of a URL, `%HH` decoded, is a text.
#[must_use]
pub fn is_percent_encoded_of(part: &[u8], text: &[u8]) -> bool {
    let mut rest = part;
    for byte in text {
        let Some(first) = rest.first() else { return false };
        let (decoded, length) = percent_escape(rest).map_or((*first, 1), |byte| (byte, 3));
        if decoded != *byte {
            return false;
        }
        rest = &rest[length..];
    }
    rest.is_empty()
}

fn percent_escape(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Decodes into the scratch bytes; `next` returns a byte and how many it stood for.
fn decoded(
    event: &mut EventBuf,
    line: &[u8],
    span: Span,
    next: impl Fn(&[u8]) -> (u8, usize),
) -> Option<Span> {
    let start = event.scratch().len();
    let mut rest = span;
    while !rest.is_empty() {
        let (byte, length) = next(event.bytes(line, rest));
        event.scratch_mut().push(byte);
        rest = rest.part(length, rest.len());
    }
    let end = event.scratch().len();
    if std::str::from_utf8(&event.scratch()[start..]).is_err() {
        event.scratch_mut().truncate(start);
        return None;
    }
    Some(Span::scratch(start, end))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
