//! Short searches: eight bytes at a time, made part of the caller.
//!
//! memchr is faster over long distances, but a call of it costs as much as looking through forty bytes here, and the
//! parts of a log line are shorter than that.

#![expect(
    clippy::inline_always,
    reason = "a cursor lives in registers only if none of these is called; counted"
)]

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Width of the blocks of [`Look`].
const WIDTH: usize = 32;

/// Longest text whose quotes are counted: more could overflow the count of one lane.
const COUNTED_BYTES_MAX: usize = 255 * WIDTH;

/// Marks, by its high bit, at least the first byte of `word` that is `byte`; bytes behind it may be marked wrongly,
/// because subtracting borrows only into higher bytes.
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    let zeros = word ^ (ONES * byte as u64);
    zeros.wrapping_sub(ONES) & !zeros
}

/// Finds the first of some bytes in `text[from..]` and returns its position in `text`.
#[must_use]
#[inline(always)]
pub fn find<const COUNT: usize>(text: &[u8], from: usize, bytes: [u8; COUNT]) -> Option<usize> {
    let mut at = from;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let mut found = 0;
        for byte in bytes {
            found |= equal(word, byte);
        }
        found &= HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    while at < text.len() {
        if bytes.contains(&text[at]) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Finds the first byte in `text[from..]` that a JSON string cannot hold as it stands: a quote, a backslash or a control
/// character.
#[must_use]
#[inline]
pub fn find_special(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (controls | equal(word, b'"') | equal(word, b'\\')) & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    while at < text.len() {
        if text[at] < 0x20 || text[at] == b'"' || text[at] == b'\\' {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// What a look at all bytes of a text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// No byte has its high bit set.
    pub is_ascii: bool,
    /// There are neither control characters nor backslashes.
    pub is_plain: bool,
    /// Number of quotes; `None` for a text of more than eight thousand bytes.
    pub quotes: Option<usize>,
}

/// Looks at all bytes of a text once.
#[must_use]
#[inline]
pub fn look(text: &[u8]) -> Look {
    let mut lanes = Lanes::new();
    let (blocks, rest) = text.as_chunks::<WIDTH>();
    for block in blocks {
        lanes.take(block, 0);
    }
    if rest.is_empty() {
    } else if let Some(last) = text.last_chunk::<WIDTH>() {
        lanes.take(last, WIDTH - rest.len());
    } else {
        let mut last = [b' '; WIDTH];
        last[..rest.len()].copy_from_slice(rest);
        lanes.take(&last, 0);
    }
    let low = lanes.low.iter().fold(0xff, |low, byte| low.min(*byte));
    let high = lanes.high.iter().fold(0, |high, byte| high | byte);
    let backslash = lanes.backslash.iter().fold(0, |found, byte| found | byte);
    let quotes = lanes.quotes.iter().fold(0_u16, |sum, count| sum + u16::from(*count));
    Look {
        is_ascii: high < 0x80,
        is_plain: 0x20 <= low && backslash == 0,
        quotes: (text.len() <= COUNTED_BYTES_MAX).then_some(usize::from(quotes)),
    }
}

/// One lane for each byte of a block.
struct Lanes {
    low: [u8; WIDTH],
    high: [u8; WIDTH],
    backslash: [u8; WIDTH],
    quotes: [u8; WIDTH],
}

impl Lanes {
    #[inline(always)]
    const fn new() -> Self {
        Self { low: [0xff; WIDTH], high: [0; WIDTH], backslash: [0; WIDTH], quotes: [0; WIDTH] }
    }

    /// Takes a block whose first `seen` bytes were in another one: looking twice does no harm but to the count.
    #[inline(always)]
    fn take(&mut self, block: &[u8; WIDTH], seen: usize) {
        for (lane, byte) in block.iter().enumerate() {
            self.low[lane] = self.low[lane].min(*byte);
            self.high[lane] |= byte;
            self.backslash[lane] |= if *byte == b'\\' { 0xff } else { 0 };
            let is_quote = *byte == b'"' && seen <= lane;
            self.quotes[lane] = self.quotes[lane].wrapping_add(u8::from(is_quote));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// For every text and place, a search finds what looking at each byte finds.
        #[test]
        fn property_searches_find_the_first(
            text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b' '), any::<u8>()], 0..80),
            from in 0_usize..80, one in any::<u8>(), two in any::<u8>(),
        ) {
            let from = from.min(text.len());
            let first = |wanted: &dyn Fn(u8) -> bool| {
                text[from..].iter().position(|byte| wanted(*byte)).map(|at| at + from)
            };
            prop_assert_eq!(find(&text, from, [b' ']), first(&|byte| byte == b' '));
            prop_assert_eq!(find(&text, from, [one, two]), first(&|byte| byte == one || byte == two));
            let special = |byte| byte < 0x20 || byte == b'"' || byte == b'\\';
            prop_assert_eq!(find_special(&text, from), first(&special));
        }

        /// For every text, one look sees what looking for each thing sees.
        #[test]
        fn property_look_sees_everything(
            mut text in "[ -!#-\\[\\]-~\"]{0,150}", special in 0_u8..=255, place in 0_usize..150,
        ) {
            let place = place.min(text.len());
            text.insert(place, ' ');
            let mut text = text.into_bytes();
            text[place] = special;
            let expected = Look {
                is_ascii: text.is_ascii(),
                is_plain: !text.iter().any(|byte| *byte < 0x20 || *byte == b'\\'),
                quotes: Some(text.iter().filter(|byte| **byte == b'"').count()),
            };
            prop_assert_eq!(look(&text), expected);
        }
    }

    #[test]
    fn many_quotes_are_not_counted_rather_than_counted_wrongly() {
        let text = vec![b'"'; COUNTED_BYTES_MAX];
        assert_eq!(look(&text).quotes, Some(COUNTED_BYTES_MAX));
        let text = vec![b'"'; COUNTED_BYTES_MAX + 1];
        assert_eq!(look(&text).quotes, None);
    }
}
