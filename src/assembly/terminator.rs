//! Line ends in raw bytes, in any encoding.
//!
//! Offsets are those of the file. In UTF-16 a line end stands at an even one, so the search is told where the bytes
//! that it is given stand.

use crate::settings::reading::LineTerminator;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memmem::Finder;

/// What ends a line, as the bytes of an encoding.
#[derive(Debug, Clone)]
pub struct Terminator {
    pattern: Finder<'static>,
    /// What belongs to it when it stands before it.
    optional: Box<[u8]>,
    /// Bytes of the smallest character.
    unit: usize,
}

/// A line end that has no bytes in an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encoding `{0}` has no such character")]
pub struct NoSuchCharacter(pub &'static str);

/// A line feed.
impl Default for Terminator {
    fn default() -> Self {
        Self { pattern: Finder::new(b"\n").into_owned(), optional: Box::from(*b"\r"), unit: 1 }
    }
}

impl Terminator {
    /// Returns the bytes of a line end in an encoding.
    ///
    /// # Errors
    /// When the encoding lacks the character.
    pub fn new(kind: LineTerminator, encoding: &'static Encoding) -> Result<Self, NoSuchCharacter> {
        let (text, optional) = match kind {
            LineTerminator::Auto => ("\n", "\r"),
            LineTerminator::LineFeed => ("\n", ""),
            LineTerminator::VerticalTab => ("\u{b}", ""),
            LineTerminator::FormFeed => ("\u{c}", ""),
            LineTerminator::CarriageReturn => ("\r", ""),
            LineTerminator::CarriageReturnLineFeed => ("\r\n", ""),
            LineTerminator::NextLine => ("\u{85}", ""),
            LineTerminator::LineSeparator => ("\u{2028}", ""),
            LineTerminator::ParagraphSeparator => ("\u{2029}", ""),
            LineTerminator::NullTerminator => ("\0", ""),
        };
        let unit = if is_utf_16(encoding) { 2 } else { 1 };
        let pattern = Finder::new(&encode(text, encoding)?).into_owned();
        Ok(Self { pattern, optional: encode(optional, encoding)?.into_boxed_slice(), unit })
    }

    /// Returns the length of a line end without what may stand before it, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a line end is never empty")]
    pub fn len(&self) -> usize {
        self.pattern.needle().len()
    }

    /// Returns its bytes, without what may stand before it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.pattern.needle()
    }

    /// Returns where the first line of `bytes` ends, its line end included; `at` is the offset of the first byte.
    #[must_use]
    #[inline]
    pub fn find(&self, bytes: &[u8], at: u64) -> Option<usize> {
        if let [byte] = self.pattern.needle() {
            return memchr::memchr(*byte, bytes).map(|start| start + 1);
        }
        let mut from = 0;
        while let Some(start) = self.pattern.find(&bytes[from..]) {
            let start = from + start;
            if self.is_aligned(start, at) {
                return Some(start + self.len());
            }
            from = start + 1;
        }
        None
    }

    /// Returns where the last whole line of `bytes` ends.
    #[must_use]
    pub fn find_last(&self, bytes: &[u8], at: u64) -> Option<usize> {
        if let [byte] = self.pattern.needle() {
            return memchr::memrchr(*byte, bytes).map(|start| start + 1);
        }
        let mut upto = bytes.len();
        while let Some(start) = memchr::memmem::rfind(&bytes[..upto], self.pattern.needle()) {
            if self.is_aligned(start, at) {
                return Some(start + self.len());
            }
            upto = start + self.len() - 1;
        }
        None
    }

    /// Returns a raw line without its end; a line that lacks one stays as it is.
    #[must_use]
    #[inline]
    pub fn content<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        let Some(line) = raw.strip_suffix(self.pattern.needle()) else { return raw };
        line.strip_suffix(&*self.optional).unwrap_or(line)
    }

    fn is_aligned(&self, start: usize, at: u64) -> bool {
        self.unit == 1 || (at + start as u64).is_multiple_of(self.unit as u64)
    }
}

fn is_utf_16(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

fn encode(text: &str, encoding: &'static Encoding) -> Result<Vec<u8>, NoSuchCharacter> {
    if is_utf_16(encoding) {
        let bytes = if encoding == UTF_16BE { u16::to_be_bytes } else { u16::to_le_bytes };
        return Ok(text.encode_utf16().flat_map(bytes).collect());
    }
    if encoding == UTF_8 {
        return Ok(text.as_bytes().to_vec());
    }
    let (bytes, _, has_failed) = encoding.encode(text);
    // What cannot be encoded is written as a reference of HTML.
    if has_failed { Err(NoSuchCharacter(encoding.name())) } else { Ok(bytes.into_owned()) }
}
