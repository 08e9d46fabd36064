//! Values of lines into those of documents: numbers, lists, escapes. What is not what its field takes is left out, for
//! the server would refuse the whole document.

use crate::event::{EventBuf, LineText, Span};
use crate::json_text::{push_string, push_u64};
use crate::parsers::escapes::unescaped;
use crate::parsers::url::leading_zeros;
use crate::settings::Escape;

/// Most digits of a number: more does not fit a `long`.
pub(super) const DIGITS_MAX: usize = 18;

/// Returns a value with its escapes decoded.
#[inline]
pub(super) fn decoded(event: &mut EventBuf, line: &[u8], raw: Span, escape: Escape) -> Span {
    if event.text() == LineText::Plain {
        return raw;
    }
    match escape {
        Escape::Default => unescaped(event, line, raw),
        Escape::Json => json_unescaped(event, line, raw),
        Escape::None => raw,
    }
}

/// Decodes the inside of a JSON string; as it stands where it is none.
fn json_unescaped(event: &mut EventBuf, line: &[u8], raw: Span) -> Span {
    let text = &line[raw.start()..raw.end()];
    if memchr::memchr(b'\\', text).is_none() {
        return raw;
    }
    let start = event.scratch().len();
    if push_json_unescaped(event.scratch_mut(), text).is_none() {
        event.scratch_mut().truncate(start);
        return raw;
    }
    Span::scratch(start, event.scratch().len())
}

fn push_json_unescaped(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let mut rest = text;
    while let [byte, more @ ..] = rest {
        rest = more;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let (escape, more) = rest.split_first()?;
        rest = more;
        out.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => *escape,
            b'u' => {
                let mut unit = hex4(rest)?;
                rest = &rest[4..];
                if (0xd800..0xdc00).contains(&unit) {
                    let low = hex4(rest.strip_prefix(b"\\u")?)?;
                    rest = &rest[6..];
                    unit = 0x1_0000 + ((unit - 0xd800) << 10) + low.checked_sub(0xdc00)?;
                }
                let letter = char::from_u32(unit)?;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    Some(())
}

fn hex4(text: &[u8]) -> Option<u32> {
    let text = text.first_chunk::<4>()?;
    if !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Returns the part of a text that is a whole number as JSON has it.
#[inline]
pub(super) fn whole_number(text: &[u8], span: Span) -> Option<Span> {
    let is_number =
        !text.is_empty() && text.len() <= DIGITS_MAX && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| span.part(leading_zeros(text), span.len()))
}

/// Returns its value.
#[inline]
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0_u64, |sum, digit| {
        sum.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
    })
}

/// Returns the part of a text that is a number as JSON has it, with a fraction or without.
pub(super) fn decimal(text: &[u8], span: Span) -> Option<Span> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    whole_number(&text[..point], span.part(0, point))?;
    let fraction = text.get(point + 1..);
    let is_fraction = |digits: &[u8]| {
        !digits.is_empty() && digits.len() <= DIGITS_MAX && digits.iter().all(u8::is_ascii_digit)
    };
    if fraction.is_some_and(|digits| !is_fraction(digits)) {
        return None;
    }
    Some(span.part(leading_zeros(&text[..point]), span.len()))
}

/// Returns how many nanoseconds a number of units with so many is.
#[inline]
pub(super) fn nanoseconds(text: &[u8], unit: u64) -> Option<u64> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let whole = &text[..point];
    if whole.is_empty() || DIGITS_MAX < whole.len() || !whole.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut sum = number(whole).checked_mul(unit)?;
    let mut place = unit;
    for digit in text.get(point + 1..).unwrap_or_default() {
        if !digit.is_ascii_digit() {
            return None;
        }
        place /= 10;
        sum = sum.checked_add(u64::from(digit - b'0') * place)?;
    }
    (sum <= i64::MAX.unsigned_abs()).then_some(sum)
}

/// Appends a number to the scratch bytes.
#[inline]
pub(super) fn scratch_number(event: &mut EventBuf, number: u64) -> Span {
    let start = event.scratch().len();
    push_u64(event.scratch_mut(), number);
    Span::scratch(start, event.scratch().len())
}

/// Appends a text to the scratch bytes.
pub(super) fn scratch_text(event: &mut EventBuf, text: &[u8]) -> Span {
    let start = event.scratch().len();
    event.scratch_mut().extend_from_slice(text);
    Span::scratch(start, event.scratch().len())
}

/// Returns the parts of a list, `-` and empty ones left out.
pub(super) fn parts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    let parts = std::iter::from_fn(move || {
        let text = rest?;
        let (end, behind) = separator(text).unwrap_or((text.len(), text.len() + 1));
        rest = text.get(behind..);
        Some(&text[..end])
    });
    parts.map(<[u8]>::trim_ascii).filter(|part| !matches!(*part, b"" | b"-"))
}

/// Finds the first `,` or ` : `: where it begins, and what follows it. It is one pass: a line may hold many of either.
fn separator(text: &[u8]) -> Option<(usize, usize)> {
    memchr::memchr2_iter(b',', b':', text).find_map(|at| {
        if text[at] == b',' {
            return Some((at, at + 1));
        }
        let before = at.checked_sub(1)?;
        (text[before] == b' ' && text.get(at + 1) == Some(&b' ')).then_some((before, at + 2))
    })
}

/// Writes a list as JSON: one value as it is, several as an array; nothing of an empty one, or where a part is no number
/// although it is to be one.
pub(super) fn json_list(
    event: &mut EventBuf,
    line: &[u8],
    raw: Span,
    is_text: bool,
) -> Option<Span> {
    if !is_text && let Some(one) = decimal(&line[raw.start()..raw.end()], raw) {
        return Some(one);
    }
    let text = &line[raw.start()..raw.end()];
    let start = event.scratch().len();
    let out = event.scratch_mut();
    out.push(b'[');
    let mut count = 0;
    for part in parts(text) {
        if 0 < count {
            out.push(b',');
        }
        if is_text {
            push_string(out, part);
        } else {
            let number = decimal(part, Span::line(0, part.len()));
            let Some(number) = number else {
                out.truncate(start);
                return None;
            };
            out.extend_from_slice(&part[number.start()..]);
        }
        count += 1;
    }
    out.push(b']');
    if count == 0 {
        out.truncate(start);
        return None;
    }
    let array = Span::scratch(start, event.scratch().len());
    Some(if count == 1 { array.part(1, array.len() - 1) } else { array })
}
