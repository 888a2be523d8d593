//! A calendar month in UTC, the unit of every count.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate};

use crate::Error;

/// A month between 0000-01 and 9999-12. Orders by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// Months since 0000-01, so that arithmetic and order are those of numbers.
    index: u32,
}

impl Month {
    /// The earliest month.
    pub const FIRST: Self = Self { index: 0 };

    /// The latest month.
    pub const LAST: Self = Self {
        index: 9999 * 12 + 11,
    };

    /// The month of a moment, in Unix seconds.
    ///
    /// # Errors
    ///
    /// The time is before 1970 or after 9999: no login happened then.
    pub fn of(seconds: i64) -> Result<Self, Error> {
        DateTime::from_timestamp(seconds, 0)
            .and_then(|moment| {
                let year = u32::try_from(moment.year()).ok()?;
                (1970..=9999).contains(&year).then_some(Self {
                    index: year * 12 + moment.month0(),
                })
            })
            .ok_or_else(|| Error::Argument("time is before 1970 or after 9999".into()))
    }

    /// The first moment of the month, in Unix seconds.
    #[must_use]
    pub fn start(self) -> i64 {
        let (year, month) = self.parts();
        i32::try_from(year)
            .ok()
            .and_then(|year| NaiveDate::from_ymd_opt(year, month, 1))
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            // Every month between FIRST and LAST is a date of chrono's.
            .map_or(i64::MIN, |moment| moment.and_utc().timestamp())
    }

    /// The first moment after the month, in Unix seconds.
    #[must_use]
    pub fn end(self) -> i64 {
        if self == Self::LAST {
            return i64::MAX;
        }
        self.plus(1).start()
    }

    /// The month `count` months earlier, or the first one if there are not
    /// that many.
    #[must_use]
    pub fn minus(self, count: u32) -> Self {
        Self {
            index: self.index.saturating_sub(count),
        }
    }

    /// The month `count` months later, or the last one if there are not that
    /// many.
    #[must_use]
    pub fn plus(self, count: u32) -> Self {
        Self {
            index: self.index.saturating_add(count).min(Self::LAST.index),
        }
    }

    fn parts(self) -> (u32, u32) {
        (self.index / 12, self.index % 12 + 1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = self.parts();
        write!(f, "{year:04}-{month:02}")
    }
}

impl fmt::Debug for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Month {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Argument("month is not written as YYYY-MM".into());
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        // `parse` also takes a sign, hence the check for digits.
        let number = |digits: &str, len: usize| {
            let plain = digits.len() == len && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u32>().ok().filter(|_| plain)
        };
        match (number(year, 4), number(month, 2)) {
            (Some(year), Some(month @ 1..=12)) => Ok(Self {
                index: year * 12 + month - 1,
            }),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_it_prints() {
        for text in ["0000-01", "1970-01", "2026-08", "9999-12"] {
            assert_eq!(month(text).to_string(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2026",
            "2026-8",
            "2026-00",
            "2026-13",
            "26-08",
            "2026-+8",
            "+026-08",
            " 2026-08",
            "2026-08 ",
            "2026-08-01",
            "２０２６-08",
        ] {
            assert!(text.parse::<Month>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn changes_at_midnight_utc_and_knows_leap_years() {
        for (seconds, expected) in [
            (0, "1970-01"),
            (1_709_251_199, "2024-02"), // 2024-02-29 23:59:59
            (1_709_251_200, "2024-03"),
            (1_798_761_599, "2026-12"), // 2026-12-31 23:59:59
            (1_798_761_600, "2027-01"),
            (253_402_300_799, "9999-12"),
        ] {
            assert_eq!(Month::of(seconds).unwrap(), month(expected), "{seconds}");
        }
    }

    #[test]
    fn refuses_times_that_no_login_has() {
        for seconds in [-1, i64::MIN, 253_402_300_800, i64::MAX] {
            assert!(Month::of(seconds).is_err(), "{seconds}");
        }
    }

    #[test]
    fn starts_at_its_first_second() {
        for text in ["1970-01", "2024-03", "2026-12", "9999-12"] {
            let start = month(text).start();
            assert_eq!(Month::of(start).unwrap(), month(text));
            if start > 0 {
                assert_eq!(Month::of(start - 1).unwrap(), month(text).minus(1));
                assert_eq!(month(text).minus(1).end(), start);
            }
        }
    }

    #[test]
    fn arithmetic_crosses_years_and_stops_at_the_ends() {
        assert_eq!(month("2026-01").minus(1), month("2025-12"));
        assert_eq!(month("2025-12").plus(1), month("2026-01"));
        assert_eq!(month("0000-03").minus(99), Month::FIRST);
        assert_eq!(month("9999-11").plus(u32::MAX), Month::LAST);
    }
}
