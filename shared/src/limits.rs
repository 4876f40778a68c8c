//! The two limits: the burst of a key and the month of an organization, their windows, and how an answer tells them.
//!
//! Both are exact because each is one counter attribute, named after its window, that only a conditional update raises.
//! A window that begins needs no reset: its attribute is not there yet. See [`records::api_key`](crate::records::api_key)
//! and [`records::organization`](crate::records::organization) for the updates.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use axum::http::HeaderName;

use crate::{
    clock::Timestamp,
    error::ApiError,
    key::{Grant, KeyHash},
    plan::{Allowance, Plan},
    records::usage::{Day, RefusalReason},
};

/// Requests a key may make in one minute of the clock.
pub const BURST_LIMIT: u64 = 60;
/// The length of the burst's window.
pub const BURST_WINDOW_SECS: i64 = 60;
/// A month's refusal is believed for so long: an instance that has seen it takes notice of another plan within it.
const MONTH_REFUSAL_MILLIS: i64 = 5_000;
/// So many keys are remembered; then memory starts anew. It saves calls, and holds nothing that is needed.
const MAX_REMEMBERED_KEYS: usize = 10_000;

/// A minute of the clock, counted since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minute(i64);

impl Minute {
    const PREFIX: &str = "m";

    pub(crate) fn of(now: Timestamp) -> Self {
        Self(now.as_secs() / BURST_WINDOW_SECS)
    }

    /// The attribute that counts this minute.
    pub(crate) fn attribute(self) -> String {
        format!("{}{}", Self::PREFIX, self.0)
    }

    /// The minute that an attribute counts, if it counts one.
    pub(crate) fn counted_by(attribute: &str) -> Option<Self> {
        attribute.strip_prefix(Self::PREFIX)?.parse().ok().map(Self)
    }

    /// Over for at least a minute, so that an instance whose clock is late by less than that is not counting it still.
    pub(crate) fn is_stale(self, now: Timestamp) -> bool {
        self.0 + 1 < Self::of(now).0
    }

    fn ends(self) -> Timestamp {
        Timestamp::from_millis((self.0 + 1) * BURST_WINDOW_SECS * 1_000)
    }
}

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Month {
    year: i32,
    month: u8,
}

impl Month {
    pub(crate) fn of(now: Timestamp) -> Self {
        let (year, month) = now.year_month();
        Self { year, month }
    }

    /// The attribute that counts this month. Past months stay, twelve small numbers a year.
    pub(crate) fn attribute(self) -> String {
        format!("requests{self}")
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

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// How much of one limit is used in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
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

    fn is_exhausted(self) -> bool {
        self.remaining() == 0
    }

    /// Whole seconds until the window is over, rounded up: never 0 while it lasts.
    fn seconds_left(self, now: Timestamp) -> u64 {
        let millis = (self.resets_at.as_millis() - now.as_millis()).max(1);
        millis.unsigned_abs().div_ceil(1_000)
    }
}

/// Where a caller stands. The month is missing where it is unlimited. Where the request was refused before the month, it is
/// what this instance last saw of it, if anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) now: Timestamp,
    pub(crate) burst: Standing,
    pub(crate) month: Option<Standing>,
}

impl Limits {
    /// The headers of an answer: `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-09, and the
    /// older `X-RateLimit-…` for the burst, whose reset is in Unix seconds.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, String)> {
        let Self { now, burst, month } = *self;
        let mut policy = format!("\"burst\";q={};w={BURST_WINDOW_SECS}", burst.limit);
        let mut standing = format!("\"burst\";r={};t={}", burst.remaining(), burst.seconds_left(now));
        if let Some(month) = month {
            policy = format!("{policy}, \"month\";q={}", month.limit);
            standing = format!("{standing}, \"month\";r={};t={}", month.remaining(), month.seconds_left(now));
        }
        vec![
            (HeaderName::from_static("ratelimit-policy"), policy),
            (HeaderName::from_static("ratelimit"), standing),
            (HeaderName::from_static("x-ratelimit-limit"), burst.limit.to_string()),
            (HeaderName::from_static("x-ratelimit-remaining"), burst.remaining().to_string()),
            (HeaderName::from_static("x-ratelimit-reset"), burst.resets_at.as_secs().to_string()),
        ]
    }

    pub(crate) fn rate_limit_exceeded(&self) -> ApiError {
        ApiError::RateLimitExceeded { retry_after: self.burst.seconds_left(self.now) }
    }

    pub(crate) fn monthly_quota_exceeded(&self) -> ApiError {
        let retry_after = self.month.map_or(1, |month| month.seconds_left(self.now));
        ApiError::MonthlyQuotaExceeded { retry_after }
    }
}

/// What this instance knows of keys it has served: which windows are used up, which old counters are to be removed, and which
/// refusals are to be counted.
///
/// A burst's refusal is exact: a count never falls inside its window. A month's may be out of date for
/// [`MONTH_REFUSAL_MILLIS`], since the plan can change. A key revoked meanwhile is still refused, but hears of its limit
/// until the minute is over. Everything is found by the hash of the whole key: only who holds it is answered from here.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<KeyHash, Known>>);

#[derive(Debug, Default)]
struct Known {
    riding: Riding,
    burst: Option<(Minute, Grant)>,
    month: Option<MonthRefusal>,
    last_month: Option<Standing>,
}

/// What rides along with a key's next update, so that it costs nothing: counters to remove, and refusals to count.
#[derive(Debug, Default)]
pub(crate) struct Riding {
    pub(crate) stale: Vec<Minute>,
    pub(crate) refusals: BTreeMap<(Day, RefusalReason), u64>,
}

#[derive(Debug)]
struct MonthRefusal {
    grant: Grant,
    month: Standing,
    /// The burst when the month was found used up.
    burst: Standing,
    seen_at: Timestamp,
}

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<KeyHash, Known>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, key: KeyHash, work: impl FnOnce(&mut Known)) {
        self.with(|known| {
            if known.len() >= MAX_REMEMBERED_KEYS && !known.contains_key(&key) {
                known.clear();
            }
            work(known.entry(key).or_default());
        });
    }

    /// The grant of a key whose burst is known to be used up in the minute of `now`.
    pub(crate) fn burst_refusal(&self, key: &KeyHash, now: Timestamp) -> Option<Grant> {
        self.with(|known| {
            let (minute, grant) = known.get(key)?.burst.as_ref()?;
            (*minute == Minute::of(now) && !grant.has_expired(now)).then(|| grant.clone())
        })
    }

    /// The grant and limits of a key whose organization's month was found used up a moment ago.
    pub(crate) fn month_refusal(&self, key: &KeyHash, now: Timestamp) -> Option<(Grant, Limits)> {
        self.with(|known| {
            let refusal = known.get(key)?.month.as_ref()?;
            let age = now.as_millis() - refusal.seen_at.as_millis();
            let fresh = (0..MONTH_REFUSAL_MILLIS).contains(&age)
                && now < refusal.month.resets_at
                && !refusal.grant.has_expired(now);
            // In a new minute nothing of the burst is used: a request refused from here is not counted.
            let burst = if now < refusal.burst.resets_at { refusal.burst } else { Standing::of_burst(0, now) };
            fresh.then(|| (refusal.grant.clone(), Limits { now, burst, month: Some(refusal.month) }))
        })
    }

    /// What was last seen of the month that it still is.
    pub(crate) fn last_month(&self, key: &KeyHash, now: Timestamp) -> Option<Standing> {
        self.with(|known| known.get(key)?.last_month.filter(|month| now < month.resets_at))
    }

    /// What rides along with the key's next update.
    pub(crate) fn take_riding(&self, key: &KeyHash) -> Riding {
        self.with(|known| known.get_mut(key).map(|known| std::mem::take(&mut known.riding)).unwrap_or_default())
    }

    /// Keeps for the next update the refusals that this one did not write.
    pub(crate) fn give_back(&self, key: KeyHash, riding: Riding) {
        if !riding.refusals.is_empty() {
            self.change(key, |known| {
                for (refusal, count) in riding.refusals {
                    *known.riding.refusals.entry(refusal).or_default() += count;
                }
            });
        }
    }

    /// Remembers that a request of the key was refused.
    pub(crate) fn note_refusal(&self, key: KeyHash, now: Timestamp, refusal: RefusalReason) {
        self.change(key, |known| *known.riding.refusals.entry((Day::of(now), refusal)).or_default() += 1);
    }

    /// Remembers what the key's update showed.
    pub(crate) fn note_burst(&self, key: KeyHash, grant: &Grant, limits: &Limits, stale: Vec<Minute>) {
        if !stale.is_empty() || limits.burst.is_exhausted() {
            self.change(key, |known| {
                known.riding.stale = stale;
                if limits.burst.is_exhausted() {
                    known.burst = Some((Minute::of(limits.now), grant.clone()));
                }
            });
        }
    }

    /// Remembers how much of the month is used, and that it is used up, if it is.
    pub(crate) fn note_month(&self, key: KeyHash, grant: &Grant, limits: &Limits) {
        self.change(key, |known| {
            known.last_month = limits.month;
            known.month = limits.month.filter(|month| month.is_exhausted()).map(|month| MonthRefusal {
                grant: grant.clone(),
                month,
                burst: limits.burst,
                seen_at: limits.now,
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn headers_tell_both_limits_and_round_seconds_up() {
        let now = at("2026-11-24T10:00:47.001Z");
        let limits =
            Limits { now, burst: Standing::of_burst(3, now), month: Some(Standing::of_month(1_000, 188, now)) };
        let headers: Vec<_> = limits.headers().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            headers,
            [
                "ratelimit-policy: \"burst\";q=60;w=60, \"month\";q=1000",
                "ratelimit: \"burst\";r=57;t=13, \"month\";r=812;t=568753",
                "x-ratelimit-limit: 60",
                "x-ratelimit-remaining: 57",
                "x-ratelimit-reset: 1795514460",
            ]
        );
    }

    #[test]
    fn an_unlimited_plan_has_no_month_member() {
        let now = at("2026-11-24T10:00:00.000Z");
        let limits = Limits { now, burst: Standing::of_burst(1, now), month: None };
        assert!(limits.headers().iter().all(|(_, value)| !value.contains("month")));
        assert_eq!(limits.headers()[1].1, "\"burst\";r=59;t=60");
    }

    #[test]
    fn a_month_ends_with_its_last_millisecond_also_in_december() {
        let now = at("2026-12-31T23:59:59.999Z");
        assert_eq!(Month::of(now).attribute(), "requests2026-12");
        assert_eq!(Month::of(now).ends(), at("2027-01-01T00:00:00.000Z"));
        assert_eq!(Standing::of_month(10, 0, now).seconds_left(now), 1);
    }

    #[test]
    fn only_minutes_over_for_a_minute_are_stale() {
        let now = at("2026-11-24T10:02:00.000Z");
        assert!(Minute::of(at("2026-11-24T10:00:59.999Z")).is_stale(now));
        assert!(!Minute::of(at("2026-11-24T10:01:00.000Z")).is_stale(now));
        assert!(!Minute::of(at("2026-11-24T10:03:00.000Z")).is_stale(now));
        let minute = Minute::of(now);
        assert_eq!(Minute::counted_by(&minute.attribute()), Some(minute));
        assert_eq!(Minute::counted_by("createdAt"), None);
    }
}
