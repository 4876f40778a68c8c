//! What this instance has yet to write about keys: denials, and uses of secrets that have ended. It writes nothing itself.

use std::collections::BTreeMap;

use crate::{
    admission::{bounded::Bounded, decision::Rejection},
    model::{
        clock::Timestamp,
        denial::Denial,
        key::{KeyHash, KeyId},
        window::Day,
    },
    store::key_day::{Denials, LAST_DENIALS, LastDenial},
};

/// How often an instance writes about a key.
const INTERVAL_MILLIS: i64 = 60_000;
/// For how many secrets of a key uses are counted until the next write.
const MAX_SECRETS: usize = 8;

/// What is to be written about each key.
#[derive(Debug, Default)]
pub(super) struct Reports(Bounded<KeyId, Report>);

#[derive(Debug, Default)]
struct Report {
    written: Option<Timestamp>,
    /// Denials that have not been written yet.
    denials: BTreeMap<Day, BTreeMap<Denial, u64>>,
    /// The last few denials, latest first, whether or not they have been written.
    last: Vec<LastDenial>,
    /// Uses of secrets that were refused as invalid.
    late: Vec<(KeyHash, u64, Timestamp)>,
}

/// One write.
#[derive(Debug)]
pub(super) enum Write {
    Denials(Day, Denials),
    LateUses(KeyHash, u64, Timestamp),
}

impl Reports {
    /// Counts a rejection.
    pub(super) fn note(&mut self, key: &KeyId, hash: &KeyHash, reason: &Rejection, now: Timestamp) {
        if let Some(denial) = reason.denial() {
            let report = self.0.entry(key.clone());
            *report.denials.entry(Day::of(now)).or_default().entry(denial).or_default() += 1;
            report.last.insert(0, LastDenial { at: now, denial });
            report.last.truncate(LAST_DENIALS);
        } else if let (Rejection::InvalidKey, Some(report)) = (reason, self.0.0.get_mut(key))
            && let Some((_, uses, last)) = report.late.iter_mut().find(|(known, ..)| known == hash)
        {
            (*uses, *last) = (*uses + 1, now);
        }
    }

    /// Counts the uses of this secret from now on: its key's account exists, so it may have been valid once.
    pub(super) fn watch(&mut self, key: &KeyId, hash: &KeyHash, now: Timestamp) {
        let late = &mut self.0.entry(key.clone()).late;
        if late.len() < MAX_SECRETS && !late.iter().any(|(known, ..)| known == hash) {
            late.push((*hash, 0, now));
        }
    }

    /// What may be written about a key now.
    pub(super) fn take(&mut self, key: &KeyId, now: Timestamp) -> Option<Write> {
        let report = self.0.0.get_mut(key)?;
        if report.written.is_some_and(|at| (0..INTERVAL_MILLIS).contains(&(now.as_millis() - at.as_millis()))) {
            return None;
        }
        let write = if let Some((hash, uses, last)) = report.late.pop() {
            Write::LateUses(hash, uses, last)
        } else {
            let (day, counts) = report.denials.pop_first()?;
            Write::Denials(day, Denials { counts, last: report.last.clone() })
        };
        report.written = Some(now);
        Some(write)
    }
}
