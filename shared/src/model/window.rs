//! The windows in which requests are counted, and how much of a limit is used in each: the minute of a key's burst, the month of an
//! organization's quota, the day of a key's history. It does no counting itself.
//!
//! Both limits are exact, because each is one counter, named after its window, that only a conditional update increments. A new window
//! needs no reset: its counter does not exist yet.

use std::{fmt, str::FromStr};

use serde::Serialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};

use crate::model::{
    base62,
    clock::{InvalidTimestamp, Timestamp},
    plan::{Allowance, Plan},
    schema::{schemas, simple},
};

/// Requests that a key may make in one clock minute.
pub const BURST_LIMIT: u64 = 60;
/// The length of the burst's window.
pub const BURST_WINDOW_SECS: i64 = 60;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// How far the clocks of two instances may differ. A window that ended longer ago is counted by none.
pub const CLOCKS_DIFFER_MILLIS: i64 = 2 * 60 * 1_000;

/// Whether what `ends` then is over on the clock of every instance. No instance counts in such a window any more.
pub(crate) fn is_stale(ends: Timestamp, now: Timestamp) -> bool {
    now.as_millis() - ends.as_millis() >= CLOCKS_DIFFER_MILLIS
}

/// A clock minute, counted since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minute(i64);

impl Minute {
    pub(crate) fn of(now: Timestamp) -> Self {
        Self(now.as_secs() / BURST_WINDOW_SECS)
    }

    /// Its text in base62, which names its counter.
    pub(crate) fn code(self) -> String {
        base62::encode(self.0.unsigned_abs())
    }

    /// The minute with this text.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        base62::decode(code)?.try_into().ok().map(Self)
    }

    /// Whether it is so long over that no instance is counting it.
    pub(crate) fn is_stale(self, now: Timestamp) -> bool {
        is_stale(self.ends(), now)
    }

    fn ends(self) -> Timestamp {
        Timestamp::from_millis((self.0 + 1) * BURST_WINDOW_SECS * 1_000)
    }
}

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    year: i32,
    month: u8,
}

impl Month {
    pub(crate) fn of(now: Timestamp) -> Self {
        let (year, month) = now.year_month();
        Self { year, month }
    }

    /// Whether it is so long over that no instance is counting it.
    pub(crate) fn is_stale(self, now: Timestamp) -> bool {
        is_stale(self.ends(), now)
    }

    pub(crate) fn ends(self) -> Timestamp {
        let next = if self.month == 12 {
            Self { year: self.year + 1, month: 1 }
        } else {
            Self { year: self.year, month: self.month + 1 }
        };
        format!("{next}-01T00:00:00.000Z").parse().unwrap_or(Timestamp::from_millis(i64::MAX))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        format!("{text}-01T00:00:00.000Z").parse().map(Self::of)
    }
}

/// How much of one limit is used in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) resets_at: Timestamp,
}

impl Standing {
    pub(crate) fn of_burst(used: u64, now: Timestamp) -> Self {
        Self { limit: BURST_LIMIT, used, resets_at: Minute::of(now).ends() }
    }

    pub(crate) fn of_month(limit: u64, used: u64, now: Timestamp) -> Self {
        Self { limit, used, resets_at: Month::of(now).ends() }
    }

    /// `None`: the plan is unlimited.
    pub(crate) fn of_plan(plan: Plan, used: u64, now: Timestamp) -> Option<Self> {
        match plan.monthly_requests() {
            Allowance::Limited(limit) => Some(Self::of_month(limit, used, now)),
            Allowance::Unlimited => None,
        }
    }

    pub(crate) fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    pub(crate) fn is_exhausted(self) -> bool {
        self.remaining() == 0
    }

    /// Whole seconds until the window ends, rounded up, so never 0 while it lasts.
    pub(crate) fn seconds_left(self, now: Timestamp) -> u64 {
        let millis = (self.resets_at.as_millis() - now.as_millis()).max(1);
        millis.unsigned_abs().div_ceil(1_000)
    }
}

/// How much of its limits a caller has used. The month is `None` if it is unlimited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) now: Timestamp,
    pub(crate) burst: Standing,
    pub(crate) month: Option<Standing>,
    /// The minute of `GET /usage`, if that is used up.
    pub(crate) usage: Option<Standing>,
}

/// A calendar day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    pub(crate) fn of(now: Timestamp) -> Self {
        Self(now.as_millis() / DAY_MILLIS)
    }

    /// Its text in base62, which names its counter.
    pub(crate) fn code(self) -> String {
        base62::encode(self.0.unsigned_abs())
    }

    /// The day with this text.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        base62::decode(code)?.try_into().ok().map(Self)
    }

    /// Whether it is so long over that no instance is counting it.
    pub(crate) fn is_stale(self, now: Timestamp) -> bool {
        is_stale(Timestamp::from_millis((self.0 + 1) * DAY_MILLIS), now)
    }

    /// The day `days` earlier.
    pub(crate) fn back(self, days: usize) -> Self {
        Self(self.0 - i64::try_from(days).unwrap_or(i64::MAX))
    }

    /// The start of the day `days` later, in Unix seconds.
    pub(crate) fn secs_after(self, days: i64) -> i64 {
        (self.0 + days) * DAY_MILLIS / 1_000
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Timestamp::from_millis(self.0 * DAY_MILLIS).to_string()[..10])
    }
}

impl FromStr for Day {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        format!("{text}T00:00:00.000Z").parse().map(Self::of)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

schemas! {
    Day: simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_ends_with_its_last_millisecond_even_in_december() {
        let now = at("2026-12-31T23:59:59.999Z");
        assert_eq!(Month::of(now).to_string(), "2026-12");
        assert_eq!("2026-12".parse(), Ok(Month::of(now)));
        assert_eq!(Month::of(now).ends(), at("2027-01-01T00:00:00.000Z"));
        assert_eq!(Standing::of_month(10, 0, now).seconds_left(now), 1);
    }

    #[test]
    fn a_window_is_stale_once_it_has_been_over_for_two_minutes() {
        let (late, now) = (at("2026-12-01T00:01:59.999Z"), at("2026-12-01T00:02:00.000Z"));
        let last = at("2026-11-30T23:59:59.999Z");
        assert!(!Minute::of(last).is_stale(late) && Minute::of(last).is_stale(now));
        assert!(!Day::of(last).is_stale(late) && Day::of(last).is_stale(now));
        assert!(!Month::of(last).is_stale(late) && Month::of(last).is_stale(now));
        assert!(!Minute::of(at("2026-12-01T00:05:00.000Z")).is_stale(now), "a clock may step back");
    }

    #[test]
    fn a_day_reckons_in_whole_days() {
        let day: Day = "2026-11-24".parse().unwrap();
        assert_eq!((day.back(24).to_string(), day.back(0)), ("2026-10-31".to_owned(), day));
        assert_eq!(day.secs_after(0), at("2026-11-24T00:00:00.000Z").as_secs());
        assert_eq!(day.secs_after(37), at("2026-12-31T00:00:00.000Z").as_secs());
    }

    #[test]
    fn a_counters_name_tells_its_window() {
        let now = at("2026-11-24T10:02:00.000Z");
        assert_eq!(Minute::of_code(&Minute::of(now).code()), Some(Minute::of(now)));
        assert_eq!(Day::of_code(&Day::of(now).code()), Some(Day::of(now)));
        assert_eq!((Minute::of_code("created-at"), Day::of_code("")), (None, None));
    }
}
