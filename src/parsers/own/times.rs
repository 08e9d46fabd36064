//! Times of lines in formats that an operator describes.

use crate::parsers::timestamp::{
    Rendered, When, can_be_rendered, digits, month_of, parse_any, parse_clock, render,
};
use crate::parsers::zone::Zone;
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

/// Longest time that is remembered, in bytes.
const REMEMBERED_BYTES_MAX: usize = 64;

/// A moment by which formats are tried: 2026-11-21T13:20:33.456Z.
const TRIED_MS: i64 = 1_795_267_233_456;

/// A time as documents have it, and the offset of the zone that was taken, in seconds, if it says none.
pub(super) type Time = (Rendered, Option<i32>);

/// Reads times.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    formats: Vec<String>,
    zone: Zone,
    /// The last time that was read, and what it is.
    last: (Vec<u8>, Time),
}

impl Clock {
    /// Makes one of formats of `strptime`; without any, the usual forms are read.
    ///
    /// # Errors
    /// With the number of a format that is none, and why.
    pub(super) fn new(formats: &[String]) -> Result<Self, (usize, String)> {
        for (number, format) in formats.iter().enumerate() {
            check(format).map_err(|why| (number, why))?;
        }
        Ok(Self {
            formats: formats.to_vec(),
            zone: Zone::default(),
            last: (Vec::with_capacity(REMEMBERED_BYTES_MAX), (render(0), None)),
        })
    }

    pub(super) fn set_now(&mut self, unix_ms: u64) {
        self.last.0.clear();
        self.zone.set_now(unix_ms);
    }

    pub(super) fn set_zone(&mut self, zone: &Zone) {
        self.last.0.clear();
        self.zone.set_zone(zone);
    }

    /// Reads a time; `None` when it is none.
    pub(super) fn read(&mut self, text: &[u8]) -> Option<Time> {
        if text.is_empty() {
            return None;
        }
        if self.last.0 == text {
            return Some(self.last.1);
        }
        let (time, offset) = if self.formats.is_empty() {
            match parse_any(text) {
                Some(When::Utc(time)) => (time, None),
                Some(When::Local(time)) => of_zone(self.zone.utc(time)?),
                None => of_syslog(text, &mut self.zone)?,
            }
        } else {
            self.formats.iter().find_map(|format| by_format(format, text, &mut self.zone))?
        };
        let read = (render(time), offset);
        self.last.0.clear();
        if text.len() <= REMEMBERED_BYTES_MAX {
            self.last.0.extend_from_slice(text);
            self.last.1 = read;
        }
        Some(read)
    }
}

/// A time and the offset that was taken for it.
type Found = (i64, Option<i32>);

fn of_zone((time, offset): (i64, i32)) -> Found {
    (time, Some(offset))
}

/// Returns when a time was that says no year, and the offset of the zone then.
fn last(zone: &mut Zone, month: i64, day: i64, in_day: i64) -> Option<Found> {
    zone.last(month, day, in_day).map(of_zone)
}

/// Reads `Nov 21 03:20:13`, which says no year.
fn of_syslog(text: &[u8], zone: &mut Zone) -> Option<Found> {
    let [m1, m2, m3, b' ', rest @ ..] = text else { return None };
    let rest = rest.trim_ascii_start();
    let blank = rest.iter().position(|byte| *byte == b' ')?;
    let (day, clock) = rest.split_at(blank);
    if 2 < day.len() {
        return None;
    }
    let (in_day, behind) = parse_clock(clock.trim_ascii_start())?;
    behind.is_empty().then_some(())?;
    last(zone, month_of([*m1, *m2, *m3])?, digits(day)?, in_day)
}

/// Reads a time as `strptime` does, in milliseconds since 1970.
fn by_format(format: &str, text: &[u8], zone: &mut Zone) -> Option<Found> {
    let parts = strtime::parse(format, text).ok()?;
    if let Ok(time) = parts.to_timestamp() {
        let time = time.as_millisecond();
        return can_be_rendered(time).then_some((time, None));
    }
    let of_day = |time: jiff::civil::Time| {
        let [hour, minute, second] = [time.hour(), time.minute(), time.second()].map(i64::from);
        ((hour * 60 + minute) * 60 + second) * 1000 + i64::from(time.millisecond())
    };
    if let (None, Some(month), Some(day)) = (parts.year(), parts.month(), parts.day()) {
        let in_day = of_day(parts.to_time().ok()?);
        return last(zone, i64::from(month), i64::from(day), in_day);
    }
    let local = parts.to_datetime().ok()?;
    let local = Offset::UTC.to_timestamp(local).ok()?.as_millisecond();
    zone.utc(local).map(of_zone)
}

/// Tells why a text is no format of times.
fn check(format: &str) -> Result<(), String> {
    if !format.contains('%') {
        return Err("it has no part such as `%Y`".to_owned());
    }
    if ["%Q", "%:Q"].iter().any(|zone| format.contains(zone)) {
        return Err("zones by name are not read; `timezone` says the zone of the input".to_owned());
    }
    let moment = jiff::Timestamp::from_millisecond(TRIED_MS).map_err(|error| error.to_string())?;
    let zoned = moment.to_zoned(TimeZone::UTC);
    let text = strtime::format(format, &zoned).map_err(|error| error.to_string())?;
    strtime::parse(format, &text).map_err(|error| error.to_string())?;
    let mut zone = Zone::default();
    zone.set_now(TRIED_MS.unsigned_abs());
    match by_format(format, text.as_bytes(), &mut zone) {
        Some(_) => Ok(()),
        None => Err("it says no day and time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(formats: &[&str], text: &str) -> Option<String> {
        let formats: Vec<String> = formats.iter().map(|text| (*text).to_owned()).collect();
        let mut clock = Clock::new(&formats).unwrap();
        clock.set_now(TRIED_MS.unsigned_abs());
        clock.set_zone(&Zone::new(TimeZone::fixed(jiff::tz::offset(2))));
        let first = clock.read(text.as_bytes());
        assert_eq!(clock.read(text.as_bytes()), first, "what is remembered is the same");
        first.map(|(time, offset)| {
            assert_eq!(offset.unwrap_or(7200), 7200);
            String::from_utf8(time.to_vec()).unwrap()
        })
    }

    #[test]
    fn times_are_read_in_the_usual_forms() {
        for (text, expected) in [
            ("21/Nov/2026:03:20:13 +0000", Some("2026-11-21T03:20:13.000Z")),
            ("2026-11-21T03:20:13.5Z", Some("2026-11-21T03:20:13.500Z")),
            ("2026-11-21 03:20:13", Some("2026-11-21T01:20:13.000Z")),
            ("1795231213", Some("2026-11-21T03:20:13.000Z")),
            ("1795231213123", Some("2026-11-21T03:20:13.123Z")),
            ("Nov 21 03:20:13", Some("2026-11-21T01:20:13.000Z")),
            ("Nov  1 03:20:13", Some("2026-11-01T01:20:13.000Z")),
            ("Dec 24 03:20:13", Some("2025-12-24T01:20:13.000Z")),
            ("Nov 21 00:20:13", Some("2026-11-20T22:20:13.000Z")),
            ("Nov 211 03:20:13", None),
            ("Nov 21 03:20:13 x", None),
            ("Nov 21", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(read(&[], text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_the_operator_says() {
        for (formats, text, expected) in [
            (&["%d.%m.%Y %H:%M:%S"][..], "21.11.2026 03:20:13", Some("2026-11-21T01:20:13.000Z")),
            (&["%d.%m.%Y %H:%M:%S"], "2026-11-21T03:20:13Z", None),
            (&["%d.%m.%Y %H:%M:%S"], "31.02.2026 03:20:13", None),
            (&["%Y%m%d%H%M%S%z"], "20261121032013-0130", Some("2026-11-21T04:50:13.000Z")),
            (&["%Y-%m-%d %H:%M:%S%.f"], "2026-11-21 03:20:13.25", Some("2026-11-21T01:20:13.250Z")),
            (&["%s"], "1795231213", Some("2026-11-21T03:20:13.000Z")),
            (&["%Y-%m-%d", "%d/%m/%Y"], "21/11/2026", Some("2026-11-20T22:00:00.000Z")),
            (&["%b %d %H:%M:%S"], "Dec 24 03:20:13", Some("2025-12-24T01:20:13.000Z")),
        ] {
            assert_eq!(read(formats, text).as_deref(), expected, "{formats:?} {text}");
        }
    }

    #[test]
    fn what_is_no_format_of_times_is_refused() {
        for (format, expected) in [
            ("soon", "it has no part such as `%Y`"),
            ("%H:%M", "it says no day and time"),
            (
                "%Y-%m-%d %H:%M %Q",
                "zones by name are not read; `timezone` says the zone of the input",
            ),
        ] {
            assert_eq!(Clock::new(&[format.to_owned()]).unwrap_err(), (0, expected.to_owned()));
        }
        assert!(Clock::new(&["%Y".to_owned(), "%!".to_owned()]).is_err());
    }
}
