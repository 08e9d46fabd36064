//! The zone of times that say none: what clocks of a place show, to milliseconds since 1970 and back.
//!
//! A zone's offset is looked up once for an hour of the clock, so that lines of the same hour cost none. When clocks go
//! forward, a time that they never showed is the one as long after the change as it says (02:30 becomes 03:30). When they
//! go back and show an hour twice, a time in it is the earlier one, unless that makes it a late reading and the other one a
//! fresh one: what was read at most half an hour after the later of the two happened then. So a log that is followed
//! keeps its order, without anything to be remembered for a file.

use super::timestamp::{DAY_MS, can_be_rendered, civil_from_days, days_from_civil};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

const HOUR_MS: i64 = 3_600_000;

/// How far ahead of our clock another one may be: what seems to be later was in the last year.
const AHEAD_MS: i64 = DAY_MS;

/// How far ahead of our clock the writer's may be where an hour is shown twice.
const SKEW_MS: i64 = 60_000;

/// How late a line of an hour that is shown twice may be read so that it is one of the second time.
const FRESH_MS: i64 = 1_800_000;

/// A zone, and what is known of the last hour that was asked for.
#[derive(Debug, Clone)]
pub struct Zone {
    rules: TimeZone,
    /// When the lines that come next were read.
    now: i64,
    /// The hour of the clock for which `offset` holds, counted since 1970.
    hour: i64,
    offset: AmbiguousOffset,
}

impl Default for Zone {
    fn default() -> Self {
        Self::new(TimeZone::UTC)
    }
}

impl Zone {
    /// Makes one of which nothing is known yet.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        let offset = AmbiguousOffset::Unambiguous { offset: Offset::UTC };
        Self { rules: zone, now: 0, hour: i64::MIN, offset }
    }

    /// Says when the lines that come next were read, in milliseconds since 1970.
    pub fn set_now(&mut self, unix_ms: u64) {
        self.now = i64::try_from(unix_ms).unwrap_or(i64::MAX / 2);
    }

    /// Goes on as another zone.
    pub fn set_zone(&mut self, zone: &Self) {
        *self = Self { now: self.now, ..zone.clone() };
    }

    /// Returns when that was, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Returns when clocks of the zone showed `local`, both in milliseconds since 1970, and the zone's offset then, in
    /// seconds; `None` outside the years 0 to 9999.
    #[inline]
    pub fn utc(&mut self, local: i64) -> Option<(i64, i32)> {
        let offset =
            if self.hour == local.div_euclid(HOUR_MS) { self.offset } else { self.look_up(local)? };
        let at = |offset: Offset| (local - i64::from(offset.seconds()) * 1000, offset.seconds());
        let time = match offset {
            AmbiguousOffset::Unambiguous { offset } => at(offset),
            AmbiguousOffset::Gap { before, .. } => at(before),
            AmbiguousOffset::Fold { before, after } => {
                let second = at(after);
                let lateness = self.now - second.0;
                let is_second = (-SKEW_MS..=FRESH_MS).contains(&lateness);
                if is_second { second } else { at(before) }
            }
        };
        can_be_rendered(time.0).then_some(time)
    }

    /// Returns when clocks of the zone last showed a time of day, in milliseconds, on a day of a year that is not said:
    /// the latest such time that is not more than a day ahead of the time of reading; and the zone's offset then, in seconds.
    pub fn last(&mut self, month: i64, day: i64, in_day: i64) -> Option<(i64, i32)> {
        let (this, ..) = civil_from_days(self.now.div_euclid(DAY_MS));
        let latest = self.now.saturating_add(AHEAD_MS);
        // 29 February was up to eight years ago.
        let mut years = std::iter::once(this + 1).chain((this - 8..=this).rev());
        years.find_map(|year| {
            let days = days_from_civil(year, month, day)?;
            let (time, offset) = self.utc(days * DAY_MS + in_day)?;
            (time <= latest).then_some((time, offset))
        })
    }

    fn look_up(&mut self, local: i64) -> Option<AmbiguousOffset> {
        let hour = local.div_euclid(HOUR_MS);
        let first = self.offset_at(hour * HOUR_MS)?;
        // Where it changes within the hour, each time is asked for.
        if first == self.offset_at(hour * HOUR_MS + HOUR_MS - 1)? {
            (self.hour, self.offset) = (hour, first);
            return Some(first);
        }
        self.offset_at(local)
    }

    fn offset_at(&self, local: i64) -> Option<AmbiguousOffset> {
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_MS));
        let in_day = local.rem_euclid(DAY_MS) / 1000;
        let part = |number: i64| i8::try_from(number).ok();
        let (year, fraction) = (i16::try_from(year).ok()?, local.rem_euclid(1000) * 1_000_000);
        let shown = DateTime::new(
            year,
            part(month)?,
            part(day)?,
            part(in_day / 3600)?,
            part(in_day / 60 % 60)?,
            part(in_day % 60)?,
            i32::try_from(fraction).ok()?,
        );
        Some(self.rules.to_ambiguous_timestamp(shown.ok()?).offset())
    }
}

/// Appends an offset in seconds as `+01:00`; one with odd seconds has these as well.
pub fn push_offset(out: &mut Vec<u8>, seconds: i32) {
    let size = seconds.unsigned_abs();
    out.push(if seconds < 0 { b'-' } else { b'+' });
    let mut parts = [size / 3600, size / 60 % 60, size % 60].into_iter();
    let many = if size.is_multiple_of(60) { 2 } else { 3 };
    for (number, part) in parts.by_ref().take(many).enumerate() {
        if number != 0 {
            out.push(b':');
        }
        let digit = |number: u32| b'0' + (number % 10) as u8;
        out.extend_from_slice(&[digit(part / 10), digit(part)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parsers::timestamp::{parse_rfc3339, render};
    use proptest::prelude::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("the tests have a time zone database")
    }

    fn ms(text: &str) -> i64 {
        parse_rfc3339(text.as_bytes()).expect("a time")
    }

    fn text(time: i64) -> String {
        String::from_utf8(render(time).to_vec()).expect("ASCII")
    }

    #[test]
    fn clocks_that_change_are_read_right() {
        // Read long after it, and one time after the other: the hour before must not hold for the next one.
        let mut zone = Zone::new(berlin());
        zone.set_now(u64::try_from(ms("2027-06-01T00:00:00Z")).expect("it is positive"));
        for (shown, happened, offset) in [
            ("2026-07-01T12:00:00Z", "2026-07-01T10:00:00.000Z", 7200),
            ("2026-07-01T12:59:59.999Z", "2026-07-01T10:59:59.999Z", 7200),
            ("2026-11-21T03:20:13Z", "2026-11-21T02:20:13.000Z", 3600),
            // Clocks go forward at two.
            ("2026-03-29T01:59:59Z", "2026-03-29T00:59:59.000Z", 3600),
            ("2026-03-29T02:30:00Z", "2026-03-29T01:30:00.000Z", 3600),
            ("2026-03-29T03:00:00Z", "2026-03-29T01:00:00.000Z", 7200),
            // They go back at three.
            ("2026-10-25T01:59:59Z", "2026-10-24T23:59:59.000Z", 7200),
            ("2026-10-25T02:30:00Z", "2026-10-25T00:30:00.000Z", 7200),
            ("2026-10-25T03:00:00Z", "2026-10-25T02:00:00.000Z", 3600),
        ] {
            let (time, seconds) = zone.utc(ms(shown)).expect("a time");
            assert_eq!((text(time).as_str(), seconds), (happened, offset), "{shown}");
        }
    }

    #[test]
    fn hour_that_is_shown_twice_is_told_by_the_time_of_reading() {
        let mut zone = Zone::new(berlin());
        for (read, happened) in [
            ("2026-10-25T00:30:05Z", "2026-10-25T00:30:00.000Z"),
            ("2026-10-25T01:10:00Z", "2026-10-25T00:30:00.000Z"),
            ("2026-10-25T01:29:50Z", "2026-10-25T01:30:00.000Z"),
            ("2026-10-25T01:30:05Z", "2026-10-25T01:30:00.000Z"),
            ("2026-10-25T01:59:00Z", "2026-10-25T01:30:00.000Z"),
            ("2026-10-25T02:01:00Z", "2026-10-25T00:30:00.000Z"),
        ] {
            zone.set_now(u64::try_from(ms(read)).expect("it is positive"));
            let (time, _) = zone.utc(ms("2026-10-25T02:30:00Z")).expect("a time");
            assert_eq!(text(time), happened, "read at {read}");
        }
    }

    #[test]
    fn clocks_that_change_within_an_hour_are_read_right() {
        let mut zone = Zone::new(TimeZone::get("Australia/Lord_Howe").expect("it is known"));
        for (shown, offset) in [
            ("2026-10-04T01:59:59Z", 37_800),
            ("2026-10-04T02:10:00Z", 37_800),
            ("2026-10-04T02:30:00Z", 39_600),
            ("2026-10-04T02:10:00Z", 37_800),
            ("2026-04-05T01:29:59Z", 39_600),
            ("2026-04-05T01:30:00Z", 39_600),
            ("2026-04-05T02:00:00Z", 37_800),
        ] {
            assert_eq!(zone.utc(ms(shown)).map(|(_, offset)| offset), Some(offset), "{shown}");
        }
    }

    #[test]
    fn year_that_is_not_said_is_the_last_one() {
        let mut zone = Zone::new(berlin());
        for (read, (month, day), happened) in [
            ("2027-01-01T00:00:30Z", (12, 31), Some("2026-12-31T11:00:00.000Z")),
            ("2026-12-31T23:30:00Z", (1, 1), Some("2027-01-01T11:00:00.000Z")),
            ("2026-11-21T00:00:00Z", (11, 21), Some("2026-11-21T11:00:00.000Z")),
            ("2026-11-21T00:00:00Z", (11, 23), Some("2025-11-23T11:00:00.000Z")),
            ("2026-11-21T00:00:00Z", (2, 29), Some("2024-02-29T11:00:00.000Z")),
            ("2026-11-21T00:00:00Z", (2, 30), None),
        ] {
            zone.set_now(u64::try_from(ms(read)).expect("it is positive"));
            let time = zone.last(month, day, DAY_MS / 2).map(|(time, _)| text(time));
            assert_eq!(time.as_deref(), happened, "{month}-{day}, read at {read}");
        }
    }

    #[test]
    fn offsets_are_written_as_hours_and_minutes() {
        for (seconds, expected) in [
            (0, "+00:00"),
            (3600, "+01:00"),
            (-12_600, "-03:30"),
            (49_500, "+13:45"),
            (1172, "+00:19:32"),
        ] {
            let mut out = Vec::new();
            push_offset(&mut out, seconds);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    proptest! {
        /// For every time of the clock, in any order, the remembered hour changes nothing; and outside the hours that are
        /// shown twice, what clocks show at that moment is what was read, or never was shown.
        #[test]
        fn property_remembered_hours_change_nothing(
            times in proptest::collection::vec(1_774_000_000_000_i64..1_795_000_000_000, 1..20),
            near in proptest::collection::vec(-7_200_000_i64..7_200_000, 0..20),
        ) {
            let mut remembering = Zone::new(berlin());
            // 2026-03-29 and 2026-10-25, two o'clock.
            let near = near.iter().flat_map(|by| [1_774_749_600_000 + by, 1_792_893_600_000 + by]);
            for local in times.into_iter().chain(near) {
                let (time, offset) = remembering.utc(local).unwrap();
                prop_assert_eq!(Zone::new(berlin()).utc(local).unwrap(), (time, offset));
                prop_assert_eq!(time, local - i64::from(offset) * 1000);
                let shown = berlin().to_offset(jiff::Timestamp::from_millisecond(time).unwrap());
                let is_gap = (1_774_749_600_000..1_774_753_200_000).contains(&local);
                prop_assert_eq!(shown.seconds() == offset, !is_gap);
            }
        }
    }
}
