//! Instants and lengths of time: whole microseconds, so that both databases hold exactly the same value.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: microseconds since 1970-01-01T00:00:00Z. Shown and serialised as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A length of time in microseconds, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;

impl Timestamp {
    /// From microseconds since the epoch, as stored.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch, for storing.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `span` later, ending at the largest one there is.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The instant `span` earlier.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long after `earlier` this is; nothing if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0))
    }

    /// The start of the minute, hour or whatever `step` long it lies in, counted from the epoch.
    #[must_use]
    pub const fn floor(self, step: Span) -> Self {
        if step.0 == 0 { self } else { Self(self.0.saturating_sub(self.0.rem_euclid(step.0))) }
    }

    /// Parses RFC 3339 (`2026-11-21T14:00:00Z`) or a plain date, which means its last moment in UTC.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(date) = text.parse::<jiff::civil::Date>()
            && text.len() == 10
        {
            return date
                .at(23, 59, 59, 0)
                .to_zoned(jiff::tz::TimeZone::UTC)
                .map(|zoned| Self(zoned.timestamp().as_microsecond()))
                .map_err(|_| format!("{text} is not a date."));
        }
        text.parse::<jiff::Timestamp>()
            .map(|stamp| Self(stamp.as_microsecond()))
            .map_err(|_| "Write a date like 2027-02-19 or a time like 2027-02-19T12:00:00Z.".to_owned())
    }

    /// Lends its text in RFC 3339 to `take`.
    pub fn with_text<T>(self, take: impl FnOnce(&str) -> T) -> T {
        match rfc3339(self.0, &mut [0; RFC3339]) {
            Some(text) => take(text),
            None => take(&self.stamp().to_string()),
        }
    }

    fn stamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Year, month, day, hour and minute in UTC; the epoch's where a calendar of four digits has no place for it.
    fn civil(self) -> (u32, &'static str, u32, u32, u32) {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil(seconds.div_euclid(DAY)).unwrap_or((1970, 1, 1));
        let minute = u32::try_from(seconds.rem_euclid(DAY) / 60).unwrap_or_default();
        let month = (month as usize).checked_sub(1).and_then(|at| MONTHS.get(at)).copied().unwrap_or_default();
        (year, month, day, minute / 60, minute % 60)
    }

    /// For people, exact: `22 Nov 2026 14:05 UTC`.
    #[must_use]
    pub fn human(self) -> String {
        let (year, month, day, hour, minute) = self.civil();
        format!("{day} {month} {year} {hour:02}:{minute:02} UTC")
    }

    /// For people, the day: `22 Nov 2026`.
    #[must_use]
    pub fn day(self) -> String {
        let (year, month, day, ..) = self.civil();
        format!("{day} {month} {year}")
    }

    /// For people, the time of day: `14:05`.
    #[must_use]
    pub fn time_of_day(self) -> String {
        let (.., hour, minute) = self.civil();
        format!("{hour:02}:{minute:02}")
    }

    /// The calendar day as `2026-11-22`, in UTC.
    #[must_use]
    pub fn iso_day(self) -> String {
        self.with_text(|text| text.split('T').next().unwrap_or_default().to_owned())
    }

    /// `5 min ago`, `2 h ago`, or the day when it is longer ago than a week.
    #[must_use]
    pub fn ago(self, now: Self) -> String {
        match now.since(self).as_seconds() {
            0..60 => "Just now".to_owned(),
            seconds @ 60..3600 => format!("{} min ago", seconds / 60),
            seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
            seconds @ 86_400..604_800 => match seconds / 86_400 {
                1 => "Yesterday".to_owned(),
                days => format!("{days} days ago"),
            },
            _ => self.day(),
        }
    }
}

/// Seconds in a day.
const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The longest that [`rfc3339`] writes.
const RFC3339: usize = "2026-11-21T14:00:00.123456Z".len();

/// RFC 3339, written into `room`: several times faster than by way of a calendar, and asked for on every check. Nothing for
/// years other than 0 to 9999.
fn rfc3339(micros: i64, room: &mut [u8; RFC3339]) -> Option<&str> {
    let (seconds, fraction) = (micros.div_euclid(MICROS_PER_SECOND), micros.rem_euclid(MICROS_PER_SECOND));
    let (year, month, day) = civil(seconds.div_euclid(DAY))?;
    let second = u32::try_from(seconds.rem_euclid(DAY)).ok()?;
    let fraction = u32::try_from(fraction).ok()?;
    *room = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |at: usize, number: u32| {
        room[at] = b'0' + (number / 10) as u8;
        room[at + 1] = b'0' + (number % 10) as u8;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, second / 3600);
    put(14, second / 60 % 60);
    put(17, second % 60);
    put(20, fraction / 10_000);
    put(22, fraction / 100 % 100);
    put(24, fraction % 100);
    let mut length = 26;
    while length > 20 && room[length - 1] == b'0' {
        length -= 1;
    }
    // Without a fraction there is no point either.
    let length = if length == 20 { 19 } else { length };
    room[length] = b'Z';
    std::str::from_utf8(&room[..=length]).ok()
}

/// Year, month and day of a day since the epoch, for the years 0 to 9999. Years are counted from March here, so that the
/// day that some of them have more is their last; 400 of them have 146 097 days
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil(day: i64) -> Option<(u32, u32, u32)> {
    let day = u32::try_from(day + 719_468).ok()?;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u32::from(month <= 2);
    (year <= 9999).then_some((year, month, day))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From microseconds.
    #[must_use]
    pub const fn micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds.
    #[must_use]
    pub const fn millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// The same as the standard library has it; a negative one is none.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0).unwrap_or(0))
    }

    /// In microseconds.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// From whole seconds.
    #[must_use]
    pub const fn seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// From whole minutes.
    #[must_use]
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// From whole hours.
    #[must_use]
    pub const fn hours(hours: i64) -> Self {
        Self::minutes(hours.saturating_mul(60))
    }

    /// From days of 24 hours.
    #[must_use]
    pub const fn days(days: i64) -> Self {
        Self::hours(days.saturating_mul(24))
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0 / MICROS_PER_SECOND
    }

    /// Whole seconds, rounded up: what `Retry-After` needs, so that it is never too early.
    #[must_use]
    pub const fn as_seconds_up(self) -> i64 {
        (self.0 + MICROS_PER_SECOND - 1) / MICROS_PER_SECOND
    }

    /// For people: `21 h 10 min`, `3 days`, `40 s`.
    #[must_use]
    pub fn human(self) -> String {
        let seconds = self.as_seconds();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
        match (days, hours, minutes) {
            (0, 0, 0) => format!("{seconds} s"),
            (0, 0, _) => format!("{minutes} min"),
            (0, _, _) if minutes % 60 == 0 => format!("{hours} h"),
            (0, _, _) => format!("{hours} h {} min", minutes % 60),
            (1, _, _) => "1 day".to_owned(),
            _ => format!("{days} days"),
        }
    }
}

/// Parses `90d`, `24h`, `30m`, `45s` or `1y` (365 days).
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse_duration(text: &str) -> Result<Span, String> {
    let text = text.trim();
    let wrong = || format!("“{text}” is not a length of time. Write it like 30m, 24h, 90d or 1y.");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(split);
    let count: i64 = digits.parse().map_err(|_| wrong())?;
    // A hundred years is longer than any key should live, and keeps the arithmetic far from its ends.
    let span = match unit {
        "s" => Span::seconds(count),
        "m" | "min" => Span::minutes(count),
        "h" => Span::hours(count),
        "d" => Span::days(count),
        "y" => Span::days(count.saturating_mul(365)),
        _ => return Err(wrong()),
    };
    if span > Span::days(36_500) { Err(wrong()) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_parse_with_their_unit() {
        assert_eq!(parse_duration("24h"), Ok(Span::hours(24)));
        assert_eq!(parse_duration("90d"), Ok(Span::days(90)));
        assert_eq!(parse_duration("1y"), Ok(Span::days(365)));
        for wrong in ["", "24", "h", "-1h", "1w", "99999999999999d", "1.5h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn instants_survive_writing_and_reading() {
        let at = Timestamp::from_micros(1_795_255_200_123_456);
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        assert_eq!(Timestamp::parse("2027-02-19").map(|t| t.human()), Ok("19 Feb 2027 23:59 UTC".to_owned()));
        assert!(Timestamp::parse("tomorrow").is_err());
    }

    #[test]
    fn instants_are_written_as_the_calendar_says() {
        let check = |micros: i64| {
            let expected = jiff::Timestamp::from_microsecond(micros).unwrap().to_string();
            let at = Timestamp::from_micros(micros);
            assert_eq!(
                (at.to_string(), serde_json::to_string(&at).unwrap()),
                (expected.clone(), format!("\"{expected}\""))
            );
        };
        let (first, last) = (-377_705_023_201_000_000, 253_402_207_200_000_000);
        let day = Span::days(1).as_micros();
        for edge in [first, 0, last, -62_162_208_000_000_000, -62_167_219_200_000_000] {
            for off in [-day, -1_000_000, -1, 0, 1, 10, 1_000_000, day] {
                check((edge + off).clamp(first, last));
            }
        }
        // Every day of 800 years, at another moment of it.
        (0..292_200).for_each(|at: i64| check((at - 146_100) * day + at * 295_679 % day));
    }

    #[test]
    fn an_instant_lies_in_the_minute_and_hour_that_began_last() {
        let at = Timestamp::parse("2026-11-21T14:05:59.999999Z").unwrap();
        assert_eq!(at.floor(Span::minutes(1)).to_string(), "2026-11-21T14:05:00Z");
        assert_eq!(at.floor(Span::hours(1)).to_string(), "2026-11-21T14:00:00Z");
        assert_eq!(Timestamp::from_micros(-1).floor(Span::hours(1)).to_string(), "1969-12-31T23:00:00Z");
        assert_eq!(at.floor(Span::ZERO), at);
    }

    #[test]
    fn ages_read_as_people_say_them() {
        let now = Timestamp::from_micros(1_795_255_200_000_000);
        let ago = |span| now.minus(span).ago(now);
        assert_eq!(ago(Span::seconds(5)), "Just now");
        assert_eq!(ago(Span::minutes(5)), "5 min ago");
        assert_eq!(ago(Span::hours(23)), "23 h ago");
        assert_eq!(ago(Span::hours(25)), "Yesterday");
        assert_eq!(ago(Span::days(3)), "3 days ago");
    }
}
