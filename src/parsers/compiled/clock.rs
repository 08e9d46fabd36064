//! Times in the patterns of `strftime`, as a format string has them, in one directive or in several that make one time
//! together.

use crate::parsers::timestamp::{
    Rendered, civil_from_days, days_from_civil, digits, month_of, render, time_of_day,
};

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(Vec<u8>),
    Year,
    YearOfCentury,
    Century,
    Month,
    MonthName {
        is_long: bool,
    },
    Day,
    DayOfYear,
    Hour,
    HourOfHalf,
    Half,
    Minute,
    Second,
    /// `+0100`, or with a colon.
    Zone {
        has_colon: bool,
    },
    ZoneName,
    /// Digits: units since 1970, so many in a second.
    Epoch {
        per_second: i64,
    },
    /// So many digits of a second's fraction.
    Fraction(usize),
    Weekday {
        is_long: bool,
    },
    /// Digits that say nothing new.
    Ignored(usize),
}

/// Year, month and so on of a pattern, in the order in which they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    items: Vec<Item>,
    /// Its length, where it is always the same, and the bytes that are known of it.
    fixed: Option<(usize, Vec<(usize, u8)>)>,
}

impl Pattern {
    fn new(items: Vec<Item>) -> Self {
        let mut fixed = Some((0, Vec::new()));
        for item in &items {
            fixed = fixed.zip(item.width()).map(|((at, mut known), width)| {
                if let Item::Text(text) = item {
                    known.extend((at..).zip(text.iter().copied()));
                }
                (at + width, known)
            });
        }
        Self { items, fixed }
    }

    /// `21/Nov/2026:03:20:13 +0000`.
    pub(super) fn clf() -> Self {
        Self::strftime("%d/%b/%Y:%H:%M:%S %z").unwrap_or_else(|_| Self::new(Vec::new()))
    }

    /// The same in brackets.
    pub(super) fn bracketed_clf() -> Self {
        Self::strftime("[%d/%b/%Y:%H:%M:%S %z]").unwrap_or_else(|_| Self::new(Vec::new()))
    }

    /// `2026-11-21T03:20:13+00:00`.
    pub(super) fn iso8601() -> Self {
        let mut pattern =
            Self::strftime("%Y-%m-%dT%H:%M:%S").map_or_else(|_| Vec::new(), |p| p.items);
        pattern.push(Item::Zone { has_colon: true });
        Self::new(pattern)
    }

    /// Whole units since 1970.
    pub(super) fn epoch(per_second: i64) -> Self {
        Self::new(vec![Item::Epoch { per_second }])
    }

    /// Seconds since 1970 and three digits behind a point.
    pub(super) fn epoch_with_fraction() -> Self {
        Self::new(vec![Item::Epoch { per_second: 1 }, Item::Text(vec![b'.']), Item::Fraction(3)])
    }

    /// Digits of a fraction.
    pub(super) fn fraction(count: usize) -> Self {
        Self::new(vec![Item::Fraction(count)])
    }

    /// Reads a pattern of `strftime`, as the C locale has it.
    ///
    /// # Errors
    /// Where in it a conversion stands that is not known.
    pub(super) fn strftime(text: &str) -> Result<Self, usize> {
        let mut items = Vec::new();
        read_strftime(text, &mut items)?;
        Ok(Self::new(items))
    }

    /// Tells whether its end is known without what follows.
    pub(super) fn is_delimited(&self) -> bool {
        self.items.last().is_some_and(|item| item.width().is_some())
    }

    /// Returns where the time ends that begins at `at`.
    pub(super) fn end(&self, line: &[u8], at: usize) -> Option<usize> {
        if let Some((width, known)) = &self.fixed {
            let text = line.get(at..at + width)?;
            return known.iter().all(|(at, byte)| text[*at] == *byte).then_some(at + width);
        }
        self.read(line.get(at..)?, &mut Parts::default()).map(|length| at + length)
    }

    /// Reads a time from the beginning of `text`; returns its length.
    fn read(&self, text: &[u8], parts: &mut Parts) -> Option<usize> {
        let mut at = 0;
        for item in &self.items {
            at += item.read(text.get(at..)?, parts)?;
        }
        Some(at)
    }

    /// Tells which parts of a time it has.
    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        for item in &self.items {
            item.fill(&mut parts);
        }
        parts
    }
}

fn read_strftime(text: &str, items: &mut Vec<Item>) -> Result<(), usize> {
    let push_text = |items: &mut Vec<Item>, byte: u8| match items.last_mut() {
        Some(Item::Text(text)) => text.push(byte),
        _ => items.push(Item::Text(vec![byte])),
    };
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte != b'%' {
            push_text(items, byte);
            continue;
        }
        let mut letter = bytes.next().ok_or(at)?.1;
        if matches!(letter, b'E' | b'O') {
            letter = bytes.next().ok_or(at)?.1;
        }
        let composed = match letter {
            b'D' | b'x' => "%m/%d/%y",
            b'F' => "%Y-%m-%d",
            b'T' | b'X' => "%H:%M:%S",
            b'R' => "%H:%M",
            b'r' => "%I:%M:%S %p",
            b'c' => "%a %b %e %H:%M:%S %Y",
            b'+' => "%a %b %e %H:%M:%S %Z %Y",
            _ => "",
        };
        if !composed.is_empty() {
            read_strftime(composed, items)?;
            continue;
        }
        items.push(match letter {
            b'%' | b'n' | b't' => {
                push_text(
                    items,
                    match letter {
                        b'%' => b'%',
                        b'n' => b'\n',
                        _ => b'\t',
                    },
                );
                continue;
            }
            b'Y' => Item::Year,
            b'y' => Item::YearOfCentury,
            b'C' => Item::Century,
            b'm' => Item::Month,
            b'b' | b'h' => Item::MonthName { is_long: false },
            b'B' => Item::MonthName { is_long: true },
            b'd' | b'e' => Item::Day,
            b'j' => Item::DayOfYear,
            b'H' | b'k' => Item::Hour,
            b'I' | b'l' => Item::HourOfHalf,
            b'p' | b'P' => Item::Half,
            b'M' => Item::Minute,
            b'S' => Item::Second,
            b'z' => Item::Zone { has_colon: false },
            b'Z' => Item::ZoneName,
            b's' => Item::Epoch { per_second: 1 },
            b'a' => Item::Weekday { is_long: false },
            b'A' => Item::Weekday { is_long: true },
            b'u' | b'w' => Item::Ignored(1),
            b'U' | b'V' | b'W' | b'g' => Item::Ignored(2),
            b'G' => Item::Ignored(4),
            _ => return Err(at),
        });
    }
    Ok(())
}

impl Item {
    fn width(&self) -> Option<usize> {
        Some(match self {
            Self::Text(text) => text.len(),
            Self::Year => 4,
            Self::YearOfCentury | Self::Century | Self::Month | Self::Day => 2,
            Self::Hour | Self::HourOfHalf | Self::Half | Self::Minute | Self::Second => 2,
            Self::DayOfYear => 3,
            Self::MonthName { is_long: false } | Self::Weekday { is_long: false } => 3,
            Self::Zone { has_colon } => 5 + usize::from(*has_colon),
            Self::Fraction(count) | Self::Ignored(count) => *count,
            Self::MonthName { .. } | Self::Weekday { .. } | Self::ZoneName | Self::Epoch { .. } => {
                return None;
            }
        })
    }

    /// Reads its value from the beginning of `text`; returns the length.
    fn read(&self, text: &[u8], parts: &mut Parts) -> Option<usize> {
        let width = match self.width() {
            Some(width) => width,
            None if matches!(self, Self::Epoch { .. }) => {
                text.iter().take_while(|byte| byte.is_ascii_digit()).count()
            }
            None => text.iter().take_while(|byte| is_name_byte(**byte)).count(),
        };
        let value = text.get(..width)?;
        let number = || digits(value);
        match self {
            Self::Text(expected) => return (value == expected).then_some(width),
            Self::Year => parts.year = Some(number()?),
            Self::YearOfCentury => parts.year_of_century = Some(number()?),
            Self::Century => parts.century = Some(number()?),
            Self::Month => parts.month = Some(number()?),
            Self::MonthName { .. } => parts.month = Some(month_of(*value.first_chunk::<3>()?)?),
            Self::Day => parts.day = Some(padded(value)?),
            Self::DayOfYear => parts.day_of_year = Some(number()?),
            Self::Hour => parts.hour = Some(padded(value)?),
            Self::HourOfHalf => parts.hour_of_half = Some(padded(value)?),
            Self::Half => parts.is_second_half = Some(matches!(value.first()?, b'P' | b'p')),
            Self::Minute => parts.minute = Some(number()?),
            Self::Second => parts.second = Some(number()?),
            Self::Zone { .. } => parts.offset = Some(zone_offset(value)?),
            // Other names mean other zones in other countries.
            Self::ZoneName if matches!(value, b"UTC" | b"GMT" | b"Z") => parts.offset = Some(0),
            Self::ZoneName if value.is_empty() => return None,
            Self::ZoneName => parts.offset = parts.offset.or(zone_offset(value)),
            Self::Epoch { per_second } => {
                let known = !value.is_empty() && value.len() <= EPOCH_DIGITS_MAX;
                parts.epoch = Some((known.then(number)??, *per_second));
            }
            Self::Fraction(count) => {
                let power = 10_i64.pow(u32::try_from(*count).ok()?.min(9));
                parts.thousandths = Some(number()? * 1000 / power);
            }
            Self::Weekday { .. } if value.len() < 3 => return None,
            Self::Ignored(_) if !value.iter().all(u8::is_ascii_digit) => return None,
            Self::Weekday { .. } | Self::Ignored(_) => {}
        }
        Some(width)
    }

    /// Says that it is there.
    fn fill(&self, parts: &mut Parts) {
        match self {
            Self::Year => parts.year = Some(1970),
            Self::YearOfCentury => parts.year_of_century = Some(70),
            Self::Century => parts.century = Some(19),
            Self::Month | Self::MonthName { .. } => parts.month = Some(1),
            Self::Day => parts.day = Some(1),
            Self::DayOfYear => parts.day_of_year = Some(1),
            Self::Hour => parts.hour = Some(1),
            Self::HourOfHalf => parts.hour_of_half = Some(1),
            Self::Half => parts.is_second_half = Some(false),
            Self::Minute => parts.minute = Some(0),
            Self::Epoch { per_second } => parts.epoch = Some((0, *per_second)),
            Self::Fraction(_) => parts.thousandths = Some(0),
            Self::Zone { .. } | Self::ZoneName => parts.offset = Some(0),
            Self::Text(_) | Self::Second => {}
            Self::Weekday { .. } | Self::Ignored(_) => {}
        }
    }
}

/// Most digits of a number of microseconds since 1970.
const EPOCH_DIGITS_MAX: usize = 17;

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-')
}

/// Reads two digits, of which the first may be a blank.
fn padded(text: &[u8]) -> Option<i64> {
    match text {
        [b' ', digit] => digits(&[*digit]),
        text => digits(text),
    }
}

/// Reads `+0100` or `+01:00`, in seconds.
fn zone_offset(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => {
            (*sign, digits(&[*h1, *h2])?, digits(&[*m1, *m2])?)
        }
        _ => return None,
    };
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        b'+' if hours < 24 && minutes < 60 => Some(seconds),
        b'-' if hours < 24 && minutes < 60 => Some(-seconds),
        _ => None,
    }
}

/// What is known of a time.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    year: Option<i64>,
    year_of_century: Option<i64>,
    century: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    is_second_half: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    offset: Option<i64>,
    epoch: Option<(i64, i64)>,
    thousandths: Option<i64>,
}

impl Parts {
    /// Returns milliseconds since 1970. A time without a zone is one of `local`, which takes milliseconds as if of UTC.
    fn milliseconds(&self, local: impl FnOnce(i64) -> Option<i64>) -> Option<i64> {
        let fraction = self.thousandths.unwrap_or(0);
        match self.epoch {
            Some((seconds, 1)) => return seconds.checked_mul(1000)?.checked_add(fraction),
            Some((units, per_second)) => return Some(units / (per_second / 1000)),
            None => {}
        }
        let days = match (self.month, self.day, self.day_of_year) {
            (Some(month), Some(day), _) => days_from_civil(self.year()?, month, day)?,
            (_, _, Some(day)) if (1..=366).contains(&day) => {
                days_from_civil(self.year()?, 1, 1)? + day - 1
            }
            _ => return None,
        };
        let seconds = time_of_day(self.hour()?, self.minute?, self.second.unwrap_or(0))?;
        let civil = (days * 86_400 + seconds) * 1000;
        let unix = match self.offset {
            Some(offset) => civil - offset * 1000,
            None => local(civil)?,
        };
        Some(unix + fraction)
    }

    fn year(&self) -> Option<i64> {
        match (self.year, self.century, self.year_of_century) {
            (Some(year), _, _) => Some(year),
            (None, Some(century), Some(year)) => Some(century * 100 + year),
            // As POSIX has it.
            (None, None, Some(year)) => Some(if year < 69 { 2000 + year } else { 1900 + year }),
            _ => None,
        }
    }

    fn hour(&self) -> Option<i64> {
        match (self.hour, self.hour_of_half, self.is_second_half) {
            (Some(hour), _, _) => Some(hour),
            (None, Some(hour @ 1..=12), Some(second)) => Some(hour % 12 + 12 * i64::from(second)),
            _ => None,
        }
    }
}

/// Puts the time of a line together from its directives, and remembers the last one.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    patterns: Vec<Pattern>,
    text: Vec<u8>,
    rendered: Option<Rendered>,
}

impl Clock {
    pub(super) fn push(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
    }

    /// Tells whether its directives say together when it was, and how well: 0 not at all, 1 to the second or minute, one
    /// more where to less than a second, two more where in which zone.
    pub(super) fn precision(&self) -> u8 {
        let mut known = Parts::default();
        for pattern in &self.patterns {
            let parts = pattern.parts();
            known.year = known.year.or(parts.year);
            known.year_of_century = known.year_of_century.or(parts.year_of_century);
            known.century = known.century.or(parts.century);
            known.month = known.month.or(parts.month);
            known.day = known.day.or(parts.day);
            known.day_of_year = known.day_of_year.or(parts.day_of_year);
            known.hour = known.hour.or(parts.hour);
            known.hour_of_half = known.hour_of_half.or(parts.hour_of_half);
            known.is_second_half = known.is_second_half.or(parts.is_second_half);
            known.minute = known.minute.or(parts.minute);
            known.offset = known.offset.or(parts.offset);
            known.thousandths = known.thousandths.or(parts.thousandths);
            known.epoch = finer(known.epoch, parts.epoch);
        }
        let is_fine = known.thousandths.is_some() || known.epoch.is_some_and(|(_, many)| 1 < many);
        let has_zone = known.offset.is_some() || known.epoch.is_some();
        match known.milliseconds(Some) {
            Some(_) => 1 + u8::from(is_fine) + 2 * u8::from(has_zone),
            None => 0,
        }
    }

    /// Renders the time that the directives' texts say; `None` when it is none.
    pub(super) fn render<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
        local: impl FnOnce(i64) -> Option<i64>,
    ) -> Option<Rendered> {
        let mut rest = self.text.as_slice();
        let is_same = texts.clone().all(|text| match rest.strip_prefix(text) {
            Some(behind) => {
                rest = behind;
                true
            }
            None => false,
        });
        if is_same && rest.is_empty() && self.rendered.is_some() {
            return self.rendered;
        }
        self.text.clear();
        self.rendered = None;
        let mut parts = Parts::default();
        for (pattern, text) in self.patterns.iter().zip(texts) {
            let before = parts.epoch;
            pattern.read(text, &mut parts)?;
            parts.epoch = finer(before, parts.epoch);
            self.text.extend_from_slice(text);
        }
        let time = parts.milliseconds(local)?;
        let days = time.div_euclid(86_400_000);
        if !(0..=9999).contains(&civil_from_days(days).0) {
            return None;
        }
        self.rendered = Some(render(time));
        self.rendered
    }
}

fn finer(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.1 < one.1 { one } else { other }),
        (one, other) => one.or(other),
    }
}
