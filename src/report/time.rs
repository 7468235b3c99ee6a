//! Times as RFC 3339 in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799_000;

/// The time, or the last second of the year 9999 for a later one: RFC 3339 has years of four digits.
pub fn clamped(millis: u64) -> String {
    let millis = if millis < LAST_SECOND + 1000 { millis } else { LAST_SECOND };
    let mut text = Vec::new();
    millis_into(millis, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The current second.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    clamped(since.as_secs().saturating_mul(1000))
}

/// Appends a time in Unix milliseconds: trailing zeros of the fraction are dropped, years above 9999 have five digits (as in the public
/// decoder).
pub fn millis_into(millis: u64, out: &mut Vec<u8>) {
    let (days, in_day) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        text += format!(".{fraction:03}").trim_end_matches('0');
    }
    out.extend_from_slice(text.as_bytes());
    out.push(b'Z');
}

/// The time of a text that [`millis_into`] gives; `None` for any other text.
pub fn millis_of(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut numbers = date.split('-').chain(time.split(['.', ':'])).map(|part| part.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    let digits = time.split_once('.').map_or("", |(_, digits)| digits);
    let fraction: u64 = format!("{digits:0<3}").parse().ok()?;
    let is_moment = (1970..1 << 20).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_moment || hour > 23 || minute > 59 || second > 59 || fraction > 999 {
        return None;
    }
    let millis = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction;
    let mut again = Vec::new();
    millis_into(millis, &mut again);
    (again == text.as_bytes()).then_some(millis)
}

/// The counterpart of [`civil`].
const fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let year = year - (month <= 2) as u64;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let in_year = (153 * shifted + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

/// Year, month and day of a day number since 1970-01-01, in the Gregorian calendar.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day ends a year; 400 years have 146097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year + (month <= 2) as u64;
    (year, month, day - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "Z",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00.0Z",
            "1970-02-30T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-1-01T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.0001Z",
            "99999999999999999999-01-01T00:00:00Z",
        ] {
            assert_eq!(millis_of(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn moments_are_read(millis in 0u64..1 << 48) {
            let mut text = Vec::new();
            millis_into(millis, &mut text);
            prop_assert_eq!(millis_of(std::str::from_utf8(&text).unwrap()), Some(millis));
        }
    }

    #[test]
    fn times() {
        for (ms, want, clamp) in [
            (0, "1970-01-01T00:00:00Z", false),
            (1, "1970-01-01T00:00:00.001Z", false),
            (1_700_000_000_000, "2023-11-14T22:13:20Z", false),
            (1_700_000_000_100, "2023-11-14T22:13:20.1Z", false),
            (951_782_399_999, "2000-02-28T23:59:59.999Z", false),
            (951_782_400_000, "2000-02-29T00:00:00Z", false),
            (4_107_542_400_000, "2100-03-01T00:00:00Z", false),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z", false),
            (253_402_300_800_000, "10000-01-01T00:00:00Z", true),
            ((1 << 48) - 1, "10889-08-02T05:31:50.655Z", true),
        ] {
            let mut text = Vec::new();
            millis_into(ms, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), want);
            assert_eq!(millis_of(want), Some(ms));
            assert_eq!(clamped(ms), if clamp { "9999-12-31T23:59:59Z" } else { want });
        }
    }
}
