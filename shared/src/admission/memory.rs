//! What this instance remembers about the keys that were presented to it, to save calls. What it rejects for a reason of the key, DynamoDB
//! would reject too, or would have a moment ago. It admits nothing.

use std::sync::{Mutex, PoisonError};

use crate::{
    admission::{
        bounded::Bounded,
        decision::{Decision, Rejected, Rejection, Seen},
        reports::Reports,
        strangers::{Strangers, TRUST_MILLIS},
    },
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{AccountId, KeyHash, KeyId},
        scope::Scope,
        window::{Limits, Minute, Month, Standing},
    },
    store::account::{Account, Attribute, Chores, Counting},
};

/// How long a used-up month is remembered, which is also how long an instance takes to notice a change of plan.
const USED_UP_MONTH_MILLIS: i64 = 5_000;
/// A limit is nearly used up when no more than one part in this many is left.
const SCARCE: u64 = 10;
/// The most counters that an update removes on its way: DynamoDB accepts an expression of at most 4 KB.
const MAX_REMOVED: usize = 24;
/// Counters are normally removed by the next update. An account whose every request reaches a fresh instance would accumulate them, so
/// above this number they are removed at once.
const MAX_STALE: usize = 10;

/// What this instance knows of the keys that it has served, of secrets that were invalid, and what it has yet to write about denials.
///
/// Entries about a valid key are found by the hash of the whole key, so only its holder gets a response from memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    served: Bounded<KeyHash, Known>,
    strangers: Strangers,
    chores: Bounded<AccountId, Chores>,
    reports: Reports,
}

/// A key, as this instance last saw it.
#[derive(Debug)]
struct Known {
    seen: Seen,
    /// The minute in which the whole account was read.
    read: Minute,
    /// Counters that the key's next update is to remove.
    stale: Vec<Attribute>,
    /// The scopes for which this instance has admitted the key since it last rejected it.
    admitted: Vec<Scope>,
}

impl Known {
    /// The limits at `now`, as far as this instance knows.
    fn limits(&self, now: Timestamp) -> Limits {
        let Limits { now: seen_at, burst, month, .. } = self.seen.limits;
        // Not by when they reset: a clock can step back into an earlier window.
        let is_same_minute = Minute::of(seen_at) == Minute::of(now);
        let burst = if is_same_minute { burst } else { Standing::of_burst(0, now) };
        Limits { now, burst, month: month.filter(|_| Month::of(seen_at) == Month::of(now)), usage: None }
    }

    /// Whether there is so much left of both limits that a request is expected to be admitted.
    fn has_room(&self, now: Timestamp) -> bool {
        let Limits { burst, month, .. } = self.limits(now);
        let has_room = |standing: Standing| standing.remaining() > standing.limit / SCARCE;
        has_room(burst) && month.is_none_or(has_room)
    }

    /// Whether it was seen less than `millis` ago. A clock may step back.
    fn is_younger(&self, millis: i64, now: Timestamp) -> bool {
        (0..millis).contains(&(now.as_millis() - self.seen.limits.now.as_millis()))
    }
}

impl Remembered {
    fn note_rejection(&mut self, key: &KeyId, hash: &KeyHash, reason: &Rejection, now: Timestamp) {
        if let Rejection::InvalidKey = reason {
            self.served.0.remove(hash);
            self.strangers.note(key, hash, now);
        }
        self.reports.note(key, hash, reason, now);
    }
}

impl Memory {
    fn with<T>(&self, work: impl FnOnce(&mut Remembered) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A rejection that needs no call.
    ///
    /// A used-up minute is exact, because a count never falls within its window. A used-up month may be out of date for
    /// [`USED_UP_MONTH_MILLIS`], since the plan can change. A key that is revoked meanwhile is still rejected, but with the limit's error.
    pub(crate) fn rejects(&self, request: &Counting<'_>) -> Option<Box<Rejected>> {
        let Counting { key, hash, scope, now } = *request;
        self.with(|memory| {
            let Some(known) = memory.served.0.get(&hash).filter(|known| !known.seen.grant.has_expired(now)) else {
                let reason = memory.strangers.rejects(&key.id(), &hash, now)?;
                return Some(Box::new(Rejected { standing: None, reason }));
            };
            let limits = known.limits(now);
            let minute_is_used_up = limits.burst.is_exhausted();
            let month_is_used_up = limits.month.is_some_and(Standing::is_exhausted)
                && known.seen.plan.has_api_access()
                && known.is_younger(USED_UP_MONTH_MILLIS, now);
            let lacks_scope = !known.seen.grant.scopes.contains(&scope);
            let reason = if lacks_scope && (minute_is_used_up || known.is_younger(TRUST_MILLIS, now)) {
                Rejection::Scope(scope)
            } else if minute_is_used_up {
                Rejection::Burst
            } else if month_is_used_up && !lacks_scope {
                Rejection::Month
            } else {
                return None;
            };
            Some(Box::new(Rejected { standing: Some((known.seen.grant.clone(), limits)), reason }))
        })
    }

    /// The organization that a request is expected to be admitted for, because the last one with this secret and scope was.
    pub(crate) fn expects(&self, request: &Counting<'_>) -> Option<OrgId> {
        self.with(|memory| {
            let known = memory.served.0.get(&request.hash)?;
            let grant = &known.seen.grant;
            let is_expected = known.admitted.contains(&request.scope)
                && known.has_room(request.now)
                && !grant.has_expired(request.now);
            is_expected.then_some(grant.org)
        })
    }

    /// What is known of the key, unless the whole account is to be read again, and the counters that the update is to remove.
    pub(crate) fn recall(&self, request: &Counting<'_>) -> (Option<Seen>, Vec<Attribute>) {
        self.with(|memory| {
            let Some(known) = memory.served.0.get_mut(&request.hash) else { return (None, Vec::new()) };
            // Check again, because a clock can step back, and the counter of a current minute must not be removed.
            let mut stale = std::mem::take(&mut known.stale);
            stale.retain(|attribute| attribute.may_go(request.now));
            let is_recent = known.read == Minute::of(request.now);
            (is_recent.then(|| known.seen.clone()), stale)
        })
    }

    /// Remembers an account that was read.
    pub(crate) fn learn(&self, request: &Counting<'_>, account: &Account, seen: &Seen) {
        let mut stale = account.stale(request.now);
        let too_many = if stale.len() > MAX_STALE { std::mem::take(&mut stale) } else { Vec::new() };
        let (days, ended) = (account.past_days(request.now), account.ended(request.now));
        let chores = Chores { days, ended, stale: too_many };
        self.with(|memory| {
            if !chores.is_empty() {
                memory.chores.insert(account.id.clone(), chores);
            }
            stale.truncate(MAX_REMOVED);
            let admitted = memory.served.0.remove(&request.hash).map(|known| known.admitted).unwrap_or_default();
            let known = Known { seen: seen.clone(), read: Minute::of(request.now), stale, admitted };
            memory.served.insert(request.hash, known);
        });
    }

    /// Remembers a decision.
    pub(crate) fn note(&self, request: &Counting<'_>, decision: &Decision) {
        let Counting { key, hash, now, .. } = *request;
        self.with(|memory| match decision {
            Ok(admitted) => {
                if let Some(known) = memory.served.0.get_mut(&hash) {
                    known.seen.limits = admitted.limits;
                    if !known.admitted.contains(&request.scope) {
                        known.admitted.push(request.scope);
                    }
                }
            }
            Err(rejected) => {
                if let Some(known) = memory.served.0.get_mut(&hash) {
                    known.admitted.clear();
                }
                memory.note_rejection(&key.id(), &hash, &rejected.reason, now);
            }
        });
    }

    /// Remembers that an account refused the secret: it may have been valid once.
    pub(crate) fn watch(&self, request: &Counting<'_>) {
        self.with(|memory| memory.reports.watch(&request.key.id(), &request.hash, request.now));
    }

    /// Why a secret is not looked up for its holder.
    pub(super) fn rejects_stranger(&self, request: &Counting<'_>) -> Option<Rejection> {
        self.with(|memory| memory.strangers.rejects(&request.key.id(), &request.hash, request.now))
    }

    /// Remembers whether a key was found for its holder. `None`: it was.
    pub(super) fn note_holder(&self, request: &Counting<'_>, rejected: Option<&Rejection>) {
        let (id, Counting { hash, now, .. }) = (request.key.id(), *request);
        self.with(|memory| match rejected {
            None => memory.strangers.note_valid(&id, &hash),
            Some(reason) => memory.note_rejection(&id, &hash, reason, now),
        });
    }

    /// What is to be tidied up on the account.
    pub(super) fn take_chores(&self, account: &AccountId) -> Option<Chores> {
        self.with(|memory| memory.chores.0.remove(account))
    }

    /// Works on what is to be written about denials.
    pub(super) fn with_reports<T>(&self, work: impl FnOnce(&mut Reports) -> T) -> T {
        self.with(|memory| work(&mut memory.reports))
    }
}
