//! JSON text into bytes: strings escaped in blocks, numbers and ids without formatting machinery.
//!
//! Everything writes to a [`Sink`], so that the same code fills a batch, measures, or stops at a limit. There is
//! no value tree here; a document is written from its first byte to its last.

#![expect(
    clippy::inline_always,
    reason = "a cursor lives in registers only if none of these is called; counted"
)]

use crate::position::DIGITS;
use crate::scan::find_special;

/// Bytes that one byte of a string can become: a control character is `\u0000`.
pub const ESCAPED_BYTES_MAX: usize = 6;

/// Width of the blocks in which text is copied that needs no escape.
pub const BLOCK_BYTES: usize = 64;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Takes text.
pub trait Sink {
    /// Appends `bytes`.
    fn push(&mut self, bytes: &[u8]);

    /// Appends the first `length` bytes of `window`; bytes behind them may be touched, and are overwritten later.
    fn push_window<const WIDTH: usize>(&mut self, window: &[u8; WIDTH], length: usize);

    /// Appends the inside of a JSON string, by a function that is not made part of the caller.
    fn push_text(&mut self, text: &[u8], faults: Faults);
}

/// Whether a text may hold what is not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// It does not.
    None,
    /// It may, and that becomes U+FFFD.
    Replaced,
}

impl Sink for Vec<u8> {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn push_window<const WIDTH: usize>(&mut self, window: &[u8; WIDTH], length: usize) {
        self.extend_from_slice(&window[..length]);
    }

    fn push_text(&mut self, text: &[u8], faults: Faults) {
        push_inside(self, text, faults);
    }
}

/// Writes into an array; what does not fit is left out, and that is remembered.
#[derive(Debug)]
pub struct Cursor<'a, const SIZE: usize> {
    bytes: &'a mut [u8; SIZE],
    at: usize,
    overflowed: bool,
}

impl<'a, const SIZE: usize> Cursor<'a, SIZE> {
    /// Starts at the first byte.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a mut [u8; SIZE]) -> Self {
        Self { bytes, at: 0, overflowed: false }
    }

    /// Returns what was written, if all of it found room.
    #[must_use]
    #[inline]
    pub fn finish(self) -> Option<&'a [u8]> {
        if self.overflowed { None } else { self.bytes.get(..self.at) }
    }
}

impl<const SIZE: usize> Sink for Cursor<'_, SIZE> {
    #[inline(always)]
    fn push(&mut self, bytes: &[u8]) {
        if bytes.len() <= SIZE && self.at <= SIZE - bytes.len() {
            self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
            self.at += bytes.len();
        } else {
            self.overflowed = true;
        }
    }

    #[inline(always)]
    fn push_window<const WIDTH: usize>(&mut self, window: &[u8; WIDTH], length: usize) {
        if WIDTH <= SIZE && self.at <= SIZE - WIDTH {
            self.bytes[self.at..self.at + WIDTH].copy_from_slice(window);
            self.at += length;
        } else {
            self.overflowed = true;
        }
    }

    #[inline(always)]
    fn push_text(&mut self, text: &[u8], faults: Faults) {
        // A cursor of its own: one whose address is never given away can live in registers.
        let mut inner =
            Cursor { bytes: &mut *self.bytes, at: self.at, overflowed: self.overflowed };
        push_inside(&mut inner, text, faults);
        (self.at, self.overflowed) = (inner.at, inner.overflowed);
    }
}

/// Counts bytes.
#[derive(Debug, Default)]
pub struct Measure(pub usize);

impl Sink for Measure {
    fn push(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn push_window<const WIDTH: usize>(&mut self, _: &[u8; WIDTH], length: usize) {
        self.0 += length;
    }

    fn push_text(&mut self, text: &[u8], faults: Faults) {
        push_inside(self, text, faults);
    }
}

/// Appends the inside of a JSON string: the one that every [`Sink::push_text`] calls.
#[inline(never)]
pub fn push_inside(sink: &mut impl Sink, text: &[u8], faults: Faults) {
    match faults {
        Faults::None => push_escaped(sink, text),
        Faults::Replaced => push_lossy(sink, text),
    }
}

/// Appends `text[start..start + length]` as it stands.
///
/// Where `text` goes on for a while behind that, whole blocks are copied instead of calling for an odd length.
#[inline(always)]
pub fn push_clean(sink: &mut impl Sink, text: &[u8], start: usize, length: usize) {
    let (mut start, mut left) = (start, length);
    loop {
        match text.get(start..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>) {
            Some(block) if left <= BLOCK_BYTES => return sink.push_window(block, left),
            Some(block) => sink.push_window(block, BLOCK_BYTES),
            None => return sink.push(&text[start..start + left]),
        }
        start += BLOCK_BYTES;
        left -= BLOCK_BYTES;
    }
}

/// Appends `text`, valid UTF-8, as the inside of a JSON string (RFC 8259, section 7).
pub fn push_escaped(sink: &mut impl Sink, text: &[u8]) {
    let mut from = 0;
    while let Some(at) = find_special(text, from) {
        push_clean(sink, text, from, at - from);
        push_escape(sink, text[at]);
        from = at + 1;
    }
    push_clean(sink, text, from, text.len() - from);
}

/// Appends the line `text[..length]`, of which only quotes need an escape.
#[inline]
pub fn push_plain(sink: &mut impl Sink, text: &[u8], length: usize) {
    let mut from = 0;
    for quote in memchr::memchr_iter(b'"', &text[..length]) {
        push_clean(sink, text, from, quote - from);
        sink.push_window(b"\\\"", 2);
        from = quote + 1;
    }
    push_clean(sink, text, from, length - from);
}

/// Appends any bytes as the inside of a JSON string; what is not UTF-8 becomes U+FFFD.
pub fn push_lossy(sink: &mut impl Sink, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        push_escaped(sink, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            sink.push("\u{fffd}".as_bytes());
        }
    }
}

/// Appends any bytes as a whole JSON string, quotes included; what is not UTF-8 becomes U+FFFD.
pub fn push_string(sink: &mut impl Sink, text: &[u8]) {
    sink.push(b"\"");
    push_lossy(sink, text);
    sink.push(b"\"");
}

/// Returns `text` as a JSON string.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text.as_bytes());
    String::from_utf8(out).expect("escaping keeps UTF-8 valid")
}

/// Appends a number in decimal.
#[inline]
pub fn push_u64(sink: &mut impl Sink, number: u64) {
    let mut digits = [0_u8; 32];
    let length = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = number;
    for digit in digits[..length].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    sink.push_window(&digits, length);
}

/// Appends a number in the 64 digits of ids, the highest first.
#[inline]
pub fn push_digits(sink: &mut impl Sink, number: u64) {
    // 64 bits make eleven digits of six.
    let mut digits = [0_u8; 16];
    let length = ((u64::BITS - number.leading_zeros()).div_ceil(6) as usize).clamp(1, 11);
    let mut rest = number;
    for digit in digits[..length].iter_mut().rev() {
        *digit = DIGITS[(rest & 63) as usize];
        rest >>= 6;
    }
    sink.push_window(&digits, length);
}

#[inline]
fn push_escape(sink: &mut impl Sink, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            return sink.push(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
        }
    };
    sink.push(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_special_byte_is_escaped() {
        let all: String = (0_u8..128).map(char::from).collect();
        assert_eq!(
            string(&all),
            serde_json::to_string(&all)
                .unwrap()
                .replace("\\b", "\\u0008")
                .replace("\\f", "\\u000c")
        );
    }

    #[test]
    fn cursor_says_what_found_no_room() {
        let mut bytes = [0; 70];
        let mut cursor = Cursor::new(&mut bytes);
        push_clean(&mut cursor, &[b'a'; 200], 0, 5);
        cursor.push(&[b'b'; 65]);
        assert_eq!(cursor.finish().map(<[u8]>::len), Some(70));
        let mut cursor = Cursor::new(&mut bytes);
        cursor.push(&[b'b'; 71]);
        assert_eq!(cursor.finish(), None);
        let mut cursor = Cursor::new(&mut bytes);
        cursor.push(b"abcdefg");
        cursor.push_window(&[b'c'; 64], 1);
        assert_eq!(cursor.finish(), None);
    }

    proptest! {
        /// For every text, a JSON parser reads back what was escaped.
        #[test]
        fn property_escaped_text_is_read_back(text in "(?s).{0,60}[\"\\\\\u{0}-\u{20}]{0,3}.{0,30}") {
            let back: String = serde_json::from_str(&string(&text)).unwrap();
            prop_assert_eq!(back, text);
        }

        /// For every bytes, the lossy form is that of the standard library, measured right, and the same by any way.
        #[test]
        fn property_all_ways_of_writing_agree(
            text in proptest::collection::vec(any::<u8>(), 0..300), plain in "[ -~\u{80}-\u{ff}]{0,200}",
        ) {
            let mut lossy = Vec::new();
            push_string(&mut lossy, &text);
            let back: String = serde_json::from_slice(&lossy).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&text));
            let mut bytes = [0; 4096];
            let mut cursor = Cursor::new(&mut bytes);
            push_string(&mut cursor, &text);
            prop_assert_eq!(cursor.finish().unwrap(), lossy.as_slice());
            let mut measure = Measure::default();
            push_string(&mut measure, &text);
            prop_assert_eq!(measure.0, lossy.len());
            if crate::scan::look(plain.as_bytes()).is_plain {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                push_plain(&mut left, plain.as_bytes(), plain.len());
                push_escaped(&mut right, plain.as_bytes());
                prop_assert_eq!(left, right);
            }
        }

        /// For every number, the digits are those of a plain division.
        #[test]
        fn property_digits_are_those_of_division(number in prop_oneof![any::<u64>(), 0..5000_u64]) {
            let mut expected = Vec::new();
            let mut rest = number;
            loop {
                expected.insert(0, DIGITS[(rest % 64) as usize]);
                rest /= 64;
                if rest == 0 {
                    break;
                }
            }
            let mut seen = Vec::new();
            push_digits(&mut seen, number);
            prop_assert_eq!(seen, expected);
            let mut seen = Vec::new();
            push_u64(&mut seen, number);
            prop_assert_eq!(seen, number.to_string().into_bytes());
        }
    }
}
