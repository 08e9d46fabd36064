//! Times of log lines, to milliseconds since 1970 and on to RFC 3339 in UTC, without allocation.

/// Length of a rendered time: `2026-11-21T03:20:13.000Z`.
pub const RENDERED_BYTES: usize = 24;

/// Length of a time in the common log format: `21/Nov/2026:03:20:13 +0000`.
pub const CLF_BYTES: usize = 26;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// 0000-01-01T00:00:00Z.
const YEAR_0_MS: i64 = -62_167_219_200_000;

/// 9999-12-31T23:59:59.999Z.
const YEAR_9999_MS: i64 = 253_402_300_799_999;

/// A time as text, RFC 3339 in UTC with milliseconds.
pub type Rendered = [u8; RENDERED_BYTES];

/// Reads a time of the common log format, `dd/Mon/yyyy:HH:MM:SS ±hhmm`; `None` when it is none or cannot be.
#[must_use]
pub fn parse_clf(text: &[u8]) -> Option<i64> {
    let text: &[u8; CLF_BYTES] = text.try_into().ok()?;
    if text[2] != b'/'
        || text[6] != b'/'
        || text[11] != b':'
        || text[14] != b':'
        || text[17] != b':'
        || text[20] != b' '
    {
        return None;
    }
    let month = month_of([text[3], text[4], text[5]])?;
    let year = digits(&text[7..11])?;
    let day = digits(&text[0..2])?;
    let seconds =
        time_of_day(digits(&text[12..14])?, digits(&text[15..17])?, digits(&text[18..20])?)?;
    let offset = zone(text[21], digits(&text[22..24])?, digits(&text[24..26])?)?;
    let days = days_from_civil(year, month, day)?;
    Some(days * DAY_MS + (seconds - offset) * 1000).filter(|time| can_be_rendered(*time))
}

/// Reads a time of RFC 3339, with any number of fractional digits (cut after three), `T` or a blank between date and
/// time, and `Z` or `±hh:mm`.
#[must_use]
pub fn parse_rfc3339(text: &[u8]) -> Option<i64> {
    let at = |position: usize| text.get(position).copied();
    if at(4)? != b'-'
        || at(7)? != b'-'
        || !matches!(at(10)?, b'T' | b't' | b' ')
        || at(13)? != b':'
        || at(16)? != b':'
    {
        return None;
    }
    let days = days_from_civil(digits(&text[0..4])?, digits(&text[5..7])?, digits(&text[8..10])?)?;
    let seconds = time_of_day(
        digits(text.get(11..13)?)?,
        digits(text.get(14..16)?)?,
        digits(text.get(17..19)?)?,
    )?;
    let mut rest = text.get(19..)?;
    let mut fraction = 0;
    if let [b'.' | b',', behind @ ..] = rest {
        let length = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        let thousandths = behind[..length].iter().map(|digit| i64::from(digit - b'0'));
        for digit in thousandths.chain([0, 0, 0]).take(3) {
            fraction = fraction * 10 + digit;
        }
        rest = &behind[length..];
    }
    let offset = match rest {
        [b'Z' | b'z'] => 0,
        [sign, hours @ .., b':', m1, m2] if hours.len() == 2 => {
            zone(*sign, digits(hours)?, digits(&[*m1, *m2])?)?
        }
        _ => return None,
    };
    Some(days * DAY_MS + (seconds - offset) * 1000 + fraction).filter(|time| can_be_rendered(*time))
}

/// Tells whether a time lies, in UTC, in a year of four digits.
fn can_be_rendered(milliseconds: i64) -> bool {
    (YEAR_0_MS..=YEAR_9999_MS).contains(&milliseconds)
}

/// Renders milliseconds since 1970, of the years 0 to 9999, as RFC 3339 in UTC; other years come out as their border.
#[must_use]
pub fn render(milliseconds: i64) -> Rendered {
    let milliseconds = milliseconds.clamp(YEAR_0_MS, YEAR_9999_MS);
    let (year, month, day) = civil_from_days(milliseconds.div_euclid(DAY_MS));
    let in_day = milliseconds.rem_euclid(DAY_MS);
    let (seconds, fraction) = (in_day / 1000, in_day % 1000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], seconds / 3600);
    put(&mut text[14..16], seconds / 60 % 60);
    put(&mut text[17..19], seconds % 60);
    put(&mut text[20..23], fraction);
    text
}

/// Remembers the last time that was read: lines that follow each other mostly have the same one.
#[derive(Debug, Clone)]
pub struct ClfCache {
    text: [u8; CLF_BYTES],
    rendered: Rendered,
}

impl Default for ClfCache {
    fn default() -> Self {
        Self { text: [0; CLF_BYTES], rendered: *b"1970-01-01T00:00:00.000Z" }
    }
}

impl ClfCache {
    /// Reads and renders a time of the common log format; `None` when it is none.
    #[inline]
    pub fn render(&mut self, text: &[u8; CLF_BYTES]) -> Option<Rendered> {
        if *text != self.text {
            self.rendered = render(parse_clf(text)?);
            self.text = *text;
        }
        Some(self.rendered)
    }
}

pub(super) fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
    })
}

pub(super) fn month_of(name: [u8; 3]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    (1..).zip(NAMES).find(|(_, known)| **known == name).map(|(number, _)| number)
}

pub(super) fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    // A leap second is the last one of its minute again.
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second.min(59))
}

fn zone(sign: u8, hours: i64, minutes: i64) -> Option<i64> {
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        b'+' if hours < 24 && minutes < 60 => Some(seconds),
        b'-' if hours < 24 && minutes < 60 => Some(-seconds),
        _ => None,
    }
}

fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("a remainder of ten is a digit");
        number /= 10;
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; the algorithm is `days_from_civil` of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms".
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The inverse of [`days_from_civil`], from the same source.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clf(text: &str) -> Option<String> {
        parse_clf(text.as_bytes()).map(|time| String::from_utf8(render(time).to_vec()).unwrap())
    }

    #[test]
    fn clf_times_are_read_with_their_zone() {
        for (text, expected) in [
            ("21/Nov/2026:03:20:13 +0000", Some("2026-11-21T03:20:13.000Z")),
            ("01/Jan/2026:00:30:00 +0200", Some("2025-12-31T22:30:00.000Z")),
            ("31/Dec/2025:23:30:00 -0130", Some("2026-01-01T01:00:00.000Z")),
            ("29/Feb/2024:12:00:00 +0000", Some("2024-02-29T12:00:00.000Z")),
            ("29/Feb/2026:12:00:00 +0000", None),
            ("31/Apr/2026:12:00:00 +0000", None),
            ("00/Apr/2026:12:00:00 +0000", None),
            ("21/Foo/2026:12:00:00 +0000", None),
            ("21/Nov/2026:24:00:00 +0000", None),
            ("21/Nov/2026:23:60:00 +0000", None),
            ("31/Dec/2016:23:59:60 +0000", Some("2016-12-31T23:59:59.000Z")),
            ("21/Nov/2026:03:20:13 00000", None),
            ("21/Nov/2026:03:20:13 +00", None),
            ("2x/Nov/2026:03:20:13 +0000", None),
            ("01/Jan/0000:00:00:00 +0001", None),
            ("31/Dec/9999:23:59:59 -0001", None),
        ] {
            assert_eq!(clf(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn rfc3339_times_are_read() {
        for (text, expected) in [
            ("2026-11-21T03:20:13Z", Some("2026-11-21T03:20:13.000Z")),
            ("2026-11-21T03:20:13.5+01:00", Some("2026-11-21T02:20:13.500Z")),
            ("2026-11-21 03:20:13.123456-05:30", Some("2026-11-21T08:50:13.123Z")),
            ("2026-11-21T03:20:13", None),
            ("2026-11-21T03:20:13.Z", None),
            ("2026-11-21T03:20", None),
            ("", None),
        ] {
            let seen = parse_rfc3339(text.as_bytes())
                .map(|time| String::from_utf8(render(time).to_vec()).unwrap());
            assert_eq!(seen.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        /// For every time of the years 1 to 9998, another library renders the same, and reading inverts rendering.
        #[test]
        fn property_rendering_agrees_with_jiff(time in -62_104_060_800_000_i64..253_370_764_800_000) {
            let rendered = String::from_utf8(render(time).to_vec()).unwrap();
            let other = jiff::Timestamp::from_millisecond(time).unwrap();
            prop_assert_eq!(&rendered, &format!("{other:.3}"));
            prop_assert_eq!(parse_rfc3339(rendered.as_bytes()), Some(time));
        }

        /// For every bytes, reading a time never panics.
        #[test]
        fn property_reading_never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_clf(&text);
            let _ = parse_rfc3339(&text);
        }
    }
}
