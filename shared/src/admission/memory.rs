//! What this instance remembers about the keys that it has served, to save calls. It decides nothing: [`admit`](super::admit) does.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    model::{
        clock::Timestamp,
        denial::Denial,
        key::{Grant, KeyHash},
        window::{Day, Limits, Minute, Standing},
    },
    store::api_key::Backlog,
};

/// How long a used-up month is cached, which is also how long an instance takes to notice a change of plan.
const USED_UP_MONTH_MILLIS: i64 = 5_000;
/// Maximum keys remembered. Beyond it, the memory starts again from empty: it only saves calls, and holds nothing that is needed.
const MAX_REMEMBERED_KEYS: usize = 10_000;

/// What this instance knows about the keys it has served: which windows are used up, which old counters to remove, and which denials to
/// count.
///
/// A used-up burst is exact, because a count never falls within its window. A used-up month may be out of date for
/// [`USED_UP_MONTH_MILLIS`], since the plan can change. A key that is revoked meanwhile is still denied, but with the limit's error until
/// the entry expires. Entries are keyed by the hash of the whole key, so only its holder gets a response from memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<KeyHash, Known>>);

#[derive(Debug, Default)]
struct Known {
    backlog: Backlog,
    burst: Option<(Minute, Grant)>,
    month: Option<UsedUpMonth>,
    last_month: Option<Standing>,
}

#[derive(Debug)]
struct UsedUpMonth {
    grant: Grant,
    month: Standing,
    /// The burst at the time.
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
    pub(crate) fn used_up_burst(&self, key: &KeyHash, now: Timestamp) -> Option<Grant> {
        self.with(|known| {
            let (minute, grant) = known.get(key)?.burst.as_ref()?;
            (*minute == Minute::of(now) && !grant.has_expired(now)).then(|| grant.clone())
        })
    }

    /// The grant and limits of a key whose organization's month was used up when last seen, less than [`USED_UP_MONTH_MILLIS`] ago.
    pub(crate) fn used_up_month(&self, key: &KeyHash, now: Timestamp) -> Option<(Grant, Limits)> {
        self.with(|known| {
            let month = known.get(key)?.month.as_ref()?;
            let age = now.as_millis() - month.seen_at.as_millis();
            let fresh = (0..USED_UP_MONTH_MILLIS).contains(&age)
                && now < month.month.resets_at
                && !month.grant.has_expired(now);
            // In a new minute, none of the burst is used: a request denied from memory is not counted.
            let burst = if now < month.burst.resets_at { month.burst } else { Standing::of_burst(0, now) };
            fresh.then(|| (month.grant.clone(), Limits { now, burst, month: Some(month.month) }))
        })
    }

    /// The current month, as last seen.
    pub(crate) fn last_month(&self, key: &KeyHash, now: Timestamp) -> Option<Standing> {
        self.with(|known| known.get(key)?.last_month.filter(|month| now < month.resets_at))
    }

    /// Takes what the key's next update is to write as well.
    pub(crate) fn take_backlog(&self, key: &KeyHash) -> Backlog {
        self.with(|known| known.get_mut(key).map(|known| std::mem::take(&mut known.backlog)).unwrap_or_default())
    }

    /// Returns the denials that an update did not write, for the next one.
    pub(crate) fn give_back(&self, key: KeyHash, backlog: Backlog) {
        if !backlog.denials.is_empty() {
            self.change(key, |known| {
                for (denial, count) in backlog.denials {
                    *known.backlog.denials.entry(denial).or_default() += count;
                }
            });
        }
    }

    /// Remembers that a request with the key was denied.
    pub(crate) fn note_denial(&self, key: KeyHash, now: Timestamp, denial: Denial) {
        self.change(key, |known| *known.backlog.denials.entry((Day::of(now), denial)).or_default() += 1);
    }

    /// Remembers what the key's update showed.
    pub(crate) fn note_burst(&self, key: KeyHash, grant: &Grant, limits: &Limits, stale: Vec<Minute>) {
        if !stale.is_empty() || limits.burst.is_exhausted() {
            self.change(key, |known| {
                known.backlog.stale = stale;
                if limits.burst.is_exhausted() {
                    known.burst = Some((Minute::of(limits.now), grant.clone()));
                }
            });
        }
    }

    /// Remembers how much of the month is used, and whether it is used up.
    pub(crate) fn note_month(&self, key: KeyHash, grant: &Grant, limits: &Limits) {
        self.change(key, |known| {
            known.last_month = limits.month;
            known.month = limits.month.filter(|month| month.is_exhausted()).map(|month| UsedUpMonth {
                grant: grant.clone(),
                month,
                burst: limits.burst,
                seen_at: limits.now,
            });
        });
    }
}
