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
    let special = |text: &[u8]| memchr::memchr(b'\\', text);
    decoded(event, line, span, special, |text| match text {
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
    let special = |text: &[u8]| memchr::memchr(b'%', text);
    decoded(event, line, span, special, |text| match percent_escape(text) {
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
    let special = |text: &[u8]| memchr::memchr2(b'+', b'%', text);
    decoded(event, line, span, special, |text| match (text[0], percent_escape(text)) {
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

/// Decodes into the scratch bytes; `special` finds the next byte that does not stand for itself, and `next` returns for
/// what it stands, with how many others.
fn decoded(
    event: &mut EventBuf,
    line: &[u8],
    span: Span,
    special: impl Fn(&[u8]) -> Option<usize>,
    next: impl Fn(&[u8]) -> (u8, usize),
) -> Option<Span> {
    let start = event.scratch().len();
    let mut rest = span;
    while let Some(plain) = special(event.bytes(line, rest)) {
        push_part(event, line, rest.part(0, plain));
        rest = rest.part(plain, rest.len());
        let (byte, length) = next(event.bytes(line, rest));
        event.scratch_mut().push(byte);
        rest = rest.part(length, rest.len());
    }
    push_part(event, line, rest);
    let end = event.scratch().len();
    if std::str::from_utf8(&event.scratch()[start..]).is_err() {
        event.scratch_mut().truncate(start);
        return None;
    }
    Some(Span::scratch(start, end))
}

/// Appends a part of the line, or of the scratch bytes, to these.
fn push_part(event: &mut EventBuf, line: &[u8], part: Span) {
    if part.is_scratch() {
        event.scratch_mut().extend_from_within(part.start()..part.end());
    } else {
        event.scratch_mut().extend_from_slice(&line[part.start()..part.end()]);
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LineText;
    use proptest::prelude::*;

    type Decode = fn(&mut EventBuf, &[u8], Span) -> Span;

    #[test]
    fn escapes_become_what_they_stand_for() {
        let cases: [(Decode, &[u8], &[u8]); 14] = [
            (unescaped, b"plain", b"plain"),
            (unescaped, br#"a\"b\\c"#, br#"a"b\c"#),
            (unescaped, br"\x41\n\xc3\xa4", b"A\n\xc3\xa4"),
            (unescaped, br"\x4\q\", br"\x4\q\"),
            (unescaped, br"\x41\xff", br"\x41\xff"),
            (percent_decoded, b"", b""),
            (percent_decoded, b"a%20b%C3%A4", "a b\u{e4}".as_bytes()),
            (percent_decoded, b"%41%4", b"%41%4"),
            (percent_decoded, b"%41%ff", b"%41%ff"),
            (percent_decoded, b"%2525", b"%25"),
            (form_decoded, b"a+b%21+", b"a b! "),
            (form_decoded, b"a+%zz", b"a %zz"),
            (form_decoded, b"+%ff", b"+%ff"),
            (form_decoded, b"ab", b"ab"),
        ];
        for (decode, text, expected) in cases {
            let mut event = EventBuf::default();
            event.begin(LineText::Valid, None);
            let span = decode(&mut event, text, Span::line(0, text.len()));
            let shown = String::from_utf8_lossy(text);
            assert_eq!(event.bytes(text, span), expected, "{shown}");
        }
    }

    proptest! {
        /// For every text, it is the same whether it lies in the line or in the scratch bytes, and what was there stays.
        #[test]
        fn property_texts_are_decoded_alike_wherever_they_lie(
            text in r#"([\\%+"]|x|[0-9a-f]{2}|[nz]|[\PC]){0,12}"#,
            which in 0..3_usize,
        ) {
            let decode: Decode = [unescaped, percent_decoded, form_decoded][which];
            let line = text.as_bytes();
            let mut event = EventBuf::default();
            event.begin(LineText::Valid, None);
            event.scratch_mut().extend_from_slice(b"before");
            let start = event.scratch().len();
            event.scratch_mut().extend_from_slice(line);
            let copy = Span::scratch(start, event.scratch().len());
            let of_line = decode(&mut event, line, Span::line(0, line.len()));
            let of_copy = decode(&mut event, line, copy);
            prop_assert_eq!(event.bytes(line, of_line), event.bytes(line, of_copy));
            prop_assert!(event.scratch().starts_with(b"before"));
            prop_assert!(std::str::from_utf8(event.bytes(line, of_line)).is_ok());
        }
    }
}
