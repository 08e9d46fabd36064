//! JSON text into a byte buffer: strings escaped eight bytes at a time, numbers without formatting machinery.

/// Bytes that one byte of a string can become: a control character is `\u0000`.
pub const ESCAPED_BYTES_MAX: usize = 6;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as the inside of a JSON string (RFC 8259, section 7). `text` is valid UTF-8, which the caller has
/// checked; it comes out valid.
pub fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut clean_from = 0;
    let mut at = 0;
    while let Some(next) = next_special(text, at) {
        out.extend_from_slice(&text[clean_from..next]);
        push_special(out, text[next]);
        at = next + 1;
        clean_from = at;
    }
    out.extend_from_slice(&text[clean_from..]);
}

/// Appends `text` as a JSON string, quotes included.
pub fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends a number.
pub fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Returns `text` as a JSON string.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text.as_bytes());
    String::from_utf8(out).expect("escaping keeps UTF-8 valid")
}

/// Finds the first byte from `at` on that must be escaped: a quote, a backslash or a control character.
fn next_special(text: &[u8], mut at: usize) -> Option<usize> {
    while let Some(eight) = text.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes were taken"));
        let special = specials(word);
        if special != 0 {
            return Some(at + special.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    text[at..].iter().position(|byte| is_special(*byte)).map(|position| at + position)
}

/// Marks, by its high bit, at least the first byte of `word` that is special; bytes behind it may be marked wrongly.
fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let below_space = word.wrapping_sub(ONES * 0x20);
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    ((below_space & !word) | zero(quote) | zero(backslash)) & HIGHS
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_special(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
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

    proptest! {
        /// For every text, a JSON parser reads back what was escaped.
        #[test]
        fn property_escaped_text_is_read_back(text in "(?s).{0,60}[\"\\\\\u{0}-\u{20}]{0,3}.{0,30}") {
            let back: String = serde_json::from_str(&string(&text)).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
