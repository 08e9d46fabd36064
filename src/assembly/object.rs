//! The members of a JSON object, found in one pass: where they stand, and nothing of what they hold.
//!
//! RFC 8259, as strict as it is: what is accepted here is what `serde_json` accepts (a property holds the two together),
//! and not nested deeper than that could make a value of. Nothing is allocated once the list of members has grown.

use crate::scan::find_special;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Objects and arrays in one another, the object itself among them: as many as `serde_json` follows.
const DEPTH_MAX: u32 = 127;

/// Members whose names are compared each with each; of more the hashes are sorted.
const COMPARED_MAX: usize = 24;

/// A member, by where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// From the quote before its name to the end of its value.
    pub whole: Range<usize>,
    /// Its value.
    pub value: Range<usize>,
    name: Range<usize>,
    /// Whether the name is in the object's own bytes, because it has escapes.
    is_decoded: bool,
}

/// What a text was found to be.
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// In their order.
    pub members: Vec<Member>,
    /// Whether line ends stand between its parts.
    pub has_line_ends: bool,
    /// Hashes of the names.
    hashes: Vec<u64>,
    sorted: Vec<u64>,
    decoded: Vec<u8>,
}

impl Object {
    /// Finds the members of an object; `false` where the text is none.
    pub fn read(&mut self, text: &str) -> bool {
        self.read_bytes(text.as_bytes())
    }

    /// The same for a text whose strings may hold what is not UTF-8.
    pub fn read_bytes(&mut self, text: &[u8]) -> bool {
        self.members.clear();
        self.hashes.clear();
        self.decoded.clear();
        let mut walk = Walk { text, at: 0, has_line_ends: false };
        let is_object = self.walk(&mut walk).is_some();
        self.has_line_ends = walk.has_line_ends;
        is_object
    }

    /// Returns a member's name; `text` is the one that was read.
    #[must_use]
    #[inline]
    pub fn name<'a>(&'a self, text: &'a str, member: &Member) -> &'a [u8] {
        self.name_in(text.as_bytes(), member)
    }

    /// The same for what [`Object::read_bytes`] was given.
    #[must_use]
    #[inline]
    pub fn name_in<'a>(&'a self, text: &'a [u8], member: &Member) -> &'a [u8] {
        let bytes = if member.is_decoded { &self.decoded } else { text };
        &bytes[member.name.clone()]
    }

    /// Tells whether a name seems to occur twice: their hashes do.
    pub fn repeats_a_name(&mut self) -> bool {
        if self.hashes.len() <= COMPARED_MAX {
            let before = |index: usize| &self.hashes[..index];
            return self
                .hashes
                .iter()
                .enumerate()
                .any(|(index, hash)| before(index).contains(hash));
        }
        self.sorted.clone_from(&self.hashes);
        self.sorted.sort_unstable();
        self.sorted.windows(2).any(|pair| pair[0] == pair[1])
    }

    fn walk(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        walk.space();
        walk.expect(b'{')?;
        walk.space();
        if walk.peek()? == b'}' {
            walk.at += 1;
        } else {
            loop {
                self.member(walk)?;
                walk.space();
                match walk.next()? {
                    b',' => walk.space(),
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        walk.space();
        (walk.at == walk.text.len()).then_some(())
    }

    fn member(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        let start = walk.at;
        let has_escapes = walk.string()?;
        let mut name = start + 1..walk.at - 1;
        if has_escapes {
            let from = self.decoded.len();
            if !push_unescaped(&walk.text[name], &mut self.decoded) {
                return None;
            }
            name = from..self.decoded.len();
            self.hashes.push(xxh3_64(&self.decoded[name.clone()]));
        } else {
            self.hashes.push(xxh3_64(&walk.text[name.clone()]));
        }
        walk.colon()?;
        let value = walk.at;
        walk.value()?;
        let (whole, value) = (start..walk.at, value..walk.at);
        self.members.push(Member { whole, value, name, is_decoded: has_escapes });
        Some(())
    }
}

/// A way through a text.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    has_line_ends: bool,
}

impl Walk<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    #[inline]
    fn space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek() {
            self.has_line_ends |= matches!(byte, b'\n' | b'\r');
            self.at += 1;
        }
    }

    /// Passes a colon and the space around it.
    #[inline]
    fn colon(&mut self) -> Option<()> {
        self.space();
        self.expect(b':')?;
        self.space();
        Some(())
    }

    /// Passes a string; tells whether it has escapes.
    #[inline]
    fn string(&mut self) -> Option<bool> {
        self.expect(b'"')?;
        let mut has_escapes = false;
        loop {
            self.at = find_special(self.text, self.at)?;
            match self.next()? {
                b'"' => return Some(has_escapes),
                b'\\' => {
                    has_escapes = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 4;
            }
            _ => return None,
        }
        Some(())
    }

    /// Passes a value with all that is in it.
    fn value(&mut self) -> Option<()> {
        // What is open, the innermost in the lowest bit: 1 for an object.
        let (mut open, mut depth) = (0_u128, 1);
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'-' | b'0'..=b'9' => self.number()?,
                opening @ (b'{' | b'[') => {
                    if depth == DEPTH_MAX {
                        return None;
                    }
                    self.at += 1;
                    self.space();
                    // `}` and `]` stand two behind their openings in ASCII.
                    if self.peek()? == opening + 2 {
                        self.at += 1;
                    } else {
                        depth += 1;
                        open = open << 1 | u128::from(opening == b'{');
                        if opening == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => self.word()?,
            }
            loop {
                if depth == 1 {
                    return Some(());
                }
                self.space();
                match (self.next()?, open & 1) {
                    (b',', 0) => break self.space(),
                    (b',', _) => {
                        self.space();
                        self.name()?;
                        break;
                    }
                    (b']', 0) | (b'}', 1) => {
                        depth -= 1;
                        open >>= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    #[inline]
    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.colon()
    }

    #[inline]
    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Some(())
    }

    #[inline]
    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (start < self.at).then_some(())
    }

    fn word(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let word =
            [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(())
    }
}

/// Appends what a string that was found stands for; `inside` is what is between its quotes.
///
/// Returns `false` where half a surrogate pair stands alone; U+FFFD is written for it.
pub fn push_unescaped(inside: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut rest, mut is_whole) = (inside, true);
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let letter = rest.get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        let short = match letter {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (unit, behind) = unit(rest);
                rest = behind;
                let second = rest.strip_prefix(b"\\u").map(self::unit);
                let pair = second.map(|(second, behind)| ([unit, second], behind));
                let joined = pair.and_then(|(pair, behind)| {
                    let character = char::decode_utf16(pair).next()?.ok()?;
                    (0xffff < u32::from(character)).then_some((character, behind))
                });
                let alone = char::from_u32(u32::from(unit));
                is_whole &= joined.is_some() || alone.is_some();
                let character = joined.map(|(character, _)| character).or(alone);
                rest = joined.map_or(rest, |(_, behind)| behind);
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            byte => byte,
        };
        out.push(short);
    }
    out.extend_from_slice(rest);
    is_whole
}

/// Returns the number of four hexadecimal digits, and what is behind them.
fn unit(text: &[u8]) -> (u16, &[u8]) {
    let (digits, behind) = text.split_at(text.len().min(4));
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    (u16::from_str_radix(digits, 16).unwrap_or(0xfffd), behind)
}

#[cfg(test)]
mod tests;
