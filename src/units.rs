//! Sizes and durations as people write them: `10MiB`, `1.5s`, `1m30s`.

use std::time::Duration;

/// Says why a text is no size or no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Nothing, or only a unit, was written.
    #[error("`{0}` has no number")]
    NoNumber(String),
    /// What follows the number is no unit of a size.
    #[error("`{unit}` in `{text}` is no unit of a size")]
    NoSizeUnit {
        /// The whole text.
        text: String,
        /// What stands where the unit should.
        unit: String,
    },
    /// What follows the number is no unit of a duration.
    #[error("`{unit}` in `{text}` is no unit of a duration")]
    NoDurationUnit {
        /// The whole text.
        text: String,
        /// What stands where the unit should.
        unit: String,
    },
    /// The text starts with `-`.
    #[error("`{0}` is negative")]
    Negative(String),
    /// The value does not fit.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

/// Holds a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Reads `4096`, `10MiB` (powers of 1024), `10MB` (powers of 1000); spaces before the unit and
    /// the unit's case do not matter, and a fraction is rounded down.
    ///
    /// # Errors
    /// When there is no number, no such unit, or more than fits in 64 bits.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let trimmed = text.trim();
        if trimmed.starts_with('-') {
            return Err(UnitError::Negative(text.to_owned()));
        }
        let (number, unit) = split_number(trimmed);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1000,
            "kib" => 1 << 10,
            "m" | "mb" => 1_000_000,
            "mib" => 1 << 20,
            "g" | "gb" => 1_000_000_000,
            "gib" => 1 << 30,
            "t" | "tb" => 1_000_000_000_000,
            "tib" => 1 << 40,
            _ => {
                let unit = unit.trim().to_owned();
                return Err(UnitError::NoSizeUnit { text: text.to_owned(), unit });
            }
        };
        let value = scaled(number, factor, text)?;
        u64::try_from(value).map(Self).map_err(|_| UnitError::TooLarge(text.to_owned()))
    }
}

/// Reads `1.5s`, `1m30s`, `250ms`, or a plain number of seconds (`90`, `0.5`).
///
/// Units are `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`, and `d` for 24 hours. A fraction of a
/// nanosecond is cut off.
///
/// # Errors
/// When a part has no number or no such unit, when it is negative, or more than 64 bits of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err(UnitError::Negative(text.to_owned()));
    }
    rest = rest.strip_prefix('+').unwrap_or(rest);
    let mut total_ns: u128 = 0;
    let plain = split_number(rest).1.is_empty();
    loop {
        let (number, after) = split_number(rest);
        let unit_length = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, next) = after.split_at(unit_length.unwrap_or(after.len()));
        let factor: u64 = match unit {
            "" if plain => 1_000_000_000,
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ if number.is_empty() => return Err(UnitError::NoNumber(text.to_owned())),
            _ => {
                let unit = unit.to_owned();
                return Err(UnitError::NoDurationUnit { text: text.to_owned(), unit });
            }
        };
        total_ns = total_ns
            .checked_add(scaled(number, factor, text)?)
            .ok_or_else(|| UnitError::TooLarge(text.to_owned()))?;
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    let seconds = u64::try_from(total_ns / 1_000_000_000)
        .map_err(|_| UnitError::TooLarge(text.to_owned()))?;
    let nanoseconds = u32::try_from(total_ns % 1_000_000_000).unwrap_or(0);
    Ok(Duration::new(seconds, nanoseconds))
}

/// Writes a duration the way [`parse_duration`] reads it, in the largest unit that needs no
/// fraction: `90s`, `10ms`, `5m`.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let ns = duration.as_nanos();
    for (unit, factor) in
        [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)]
    {
        if 0 < ns && ns.is_multiple_of(factor) {
            return format!("{}{unit}", ns / factor);
        }
    }
    if ns == 0 { "0s".to_owned() } else { format!("{ns}ns") }
}

/// Splits digits with at most one point from what follows.
fn split_number(text: &str) -> (&str, &str) {
    let mut seen_point = false;
    let end = text.find(|c: char| {
        let point = c == '.' && !seen_point;
        seen_point |= point;
        !(c.is_ascii_digit() || point)
    });
    text.split_at(end.unwrap_or(text.len()))
}

/// Returns `number × factor`, rounded down, without floating point.
fn scaled(number: &str, factor: u64, text: &str) -> Result<u128, UnitError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(UnitError::NoNumber(text.to_owned()));
    }
    let too_large = || UnitError::TooLarge(text.to_owned());
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
    let mut value = u128::from(whole) * u128::from(factor);
    // Twelve digits after the point are exact to the byte of a terabyte; more say nothing.
    let mut weight = u128::from(factor) * 1_000_000_000_000;
    let mut part: u128 = 0;
    for digit in fraction.bytes().take(12) {
        weight /= 10;
        part += weight * u128::from(digit - b'0');
    }
    value += part / 1_000_000_000_000;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_kinds_of_units() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("10485760", Ok(10_485_760)),
            ("10MiB", Ok(10 << 20)),
            ("10MB", Ok(10_000_000)),
            ("20 KiB", Ok(20 << 10)),
            ("1.5gib", Ok(3 << 29)),
            ("7b", Ok(7)),
            ("", Err("`` has no number")),
            ("MiB", Err("`MiB` has no number")),
            ("10 parsecs", Err("`parsecs` in `10 parsecs` is no unit of a size")),
            ("-1", Err("`-1` is negative")),
            ("99999999999TiB", Err("`99999999999TiB` is too large")),
            ("99999999999999999999", Err("`99999999999999999999` is too large")),
        ] {
            let read = ByteSize::parse(text).map(|size| size.0).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn durations_are_read_as_go_writes_them_and_plain_numbers_are_seconds() {
        for (text, expected_ms) in [
            ("0", Ok(0)),
            ("0s", Ok(0)),
            ("90", Ok(90_000)),
            ("0.5", Ok(500)),
            ("1.5s", Ok(1_500)),
            ("1m30s", Ok(90_000)),
            ("1h0.5m", Ok(3_630_000)),
            ("250ms", Ok(250)),
            ("2d", Ok(172_800_000)),
            ("1000µs", Ok(1)),
            ("", Err("`` has no number")),
            ("s", Err("`s` has no number")),
            ("10 s", Err("` s` in `10 s` is no unit of a duration")),
            ("1m30", Err("`` in `1m30` is no unit of a duration")),
            ("10 seconds", Err("` seconds` in `10 seconds` is no unit of a duration")),
            ("-1s", Err("`-1s` is negative")),
            ("99999999999999999999s", Err("`99999999999999999999s` is too large")),
        ] {
            let read = parse_duration(text).map(|d| d.as_millis()).map_err(|e| e.to_string());
            assert_eq!(read, expected_ms.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn a_written_duration_reads_the_same_again() {
        for (ns, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (10_000_000, "10ms"),
            (90_000_000_000, "90s"),
            (300_000_000_000, "5m"),
        ] {
            let text = duration_text(Duration::from_nanos(ns));
            assert_eq!(text, expected);
            assert_eq!(parse_duration(&text), Ok(Duration::from_nanos(ns)));
        }
    }
}
