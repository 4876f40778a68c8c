//! What the clients and the admins know for sure: which writes were done, which were not, and which may have been.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
};

use serde_json::Value;
use shared::model::{key::ApiKey, plan::Plan};
use tokio::time::Instant;

/// A write, however often the client has sent it.
#[derive(Clone, Debug)]
pub struct Deed {
    /// It had an idempotency key.
    pub is_keyed: bool,
    /// It may have had nothing to change.
    pub may_be_idle: bool,
    pub attempts: u64,
    pub end: End,
    pub begun: Instant,
    pub ended: Instant,
}

/// What the client has heard.
#[derive(Clone, Debug)]
pub enum End {
    Done(Value),
    Refused(String),
    /// Nothing, or that the service is not available.
    Unknown,
}

impl Deed {
    /// How often it may have taken effect.
    pub fn times(&self) -> RangeInclusive<u64> {
        let most = if self.is_keyed { 1 } else { self.attempts };
        match &self.end {
            End::Done(_) => u64::from(!self.may_be_idle)..=most,
            // The attempts before may have been done.
            End::Refused(_) => 0..=most.min(self.attempts - 1),
            End::Unknown => 0..=most,
        }
    }

    /// Whether it is known how often it took effect.
    pub fn is_certain(&self) -> bool {
        self.times().start() == self.times().end()
    }

    pub fn is_done(&self) -> bool {
        matches!(self.end, End::Done(_))
    }

    /// The version that the response to its only attempt shows: the one that it wrote, or a later one.
    pub fn version(&self) -> Option<u64> {
        let End::Done(object) = &self.end else { return None };
        object["version"].as_u64().filter(|_| self.attempts == 1 && !self.may_be_idle)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Job,
    Candidate,
    Application,
}

/// What has happened to an object that a client knows.
#[derive(Debug)]
pub struct Known {
    pub kind: Kind,
    pub path: String,
    /// Updates, each with the value that it writes into the object's one changing field.
    pub updates: Vec<(String, Deed)>,
    /// Changes of another field, and moves that changed the stage, or may have.
    pub others: Vec<Deed>,
    /// Someone has begun to erase it.
    pub is_leaving: bool,
    pub erasures: Vec<Deed>,
}

impl Known {
    pub fn deeds(&self) -> impl Iterator<Item = &Deed> {
        self.updates.iter().map(|(_, deed)| deed).chain(&self.others)
    }
}

/// Whether a secret is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    Valid,
    /// Somebody is changing that, or has tried to and does not know whether it worked.
    Unclear,
    Ended,
}

#[derive(Clone, Debug)]
pub struct HeldKey {
    pub secret: ApiKey,
    pub validity: Validity,
    /// How often the validity has changed.
    pub changes: u64,
}

#[derive(Debug)]
pub struct Truth {
    /// Creations, by the unique external id that they wrote.
    pub creations: BTreeMap<String, (Kind, Deed)>,
    pub objects: BTreeMap<String, Known>,
    /// Their ids in the order in which the clients learned of them: the ids themselves are random.
    ids: Vec<String>,
    pub keys: Vec<HeldKey>,
    /// How many keys there are at least, and at most.
    pub key_count: (usize, usize),
    /// The plan, unless somebody is changing it or does not know whether they have, and how often that has changed.
    pub plan: (Option<Plan>, u64),
    /// It was another plan for a while.
    pub plan_has_changed: bool,
    /// Requests by key and by the minute of the clock of the instance that got them: how many were sent, and how many were served.
    pub minutes: HashMap<(String, String), (u64, u64)>,
    /// How often each thing has happened, to show that the simulation makes it happen.
    pub outcomes: BTreeMap<String, u64>,
    /// What should not have happened.
    pub wrong: BTreeSet<String>,
}

impl Truth {
    pub fn new(key: ApiKey, plan: Plan) -> Self {
        Self {
            creations: BTreeMap::new(),
            objects: BTreeMap::new(),
            ids: Vec::new(),
            keys: vec![HeldKey { secret: key, validity: Validity::Valid, changes: 0 }],
            key_count: (1, 1),
            plan: (Some(plan), 0),
            plan_has_changed: false,
            minutes: HashMap::new(),
            outcomes: BTreeMap::new(),
            wrong: BTreeSet::new(),
        }
    }

    /// Counts a key that was created, or may have been.
    pub fn made_key(&mut self, is_certain: bool) {
        self.key_count.0 += usize::from(is_certain);
        self.key_count.1 += 1;
    }

    pub fn count(&mut self, outcome: impl Into<String>) {
        *self.outcomes.entry(outcome.into()).or_default() += 1;
    }

    pub fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.insert(otherwise());
        }
    }

    pub fn ids(&self, kind: Kind) -> Vec<String> {
        self.ids.iter().filter(|id| self.objects[*id].kind == kind).cloned().collect()
    }

    pub fn know(&mut self, kind: Kind, id: &str, path: String) {
        if self.objects.contains_key(id) {
            return;
        }
        self.ids.push(id.to_owned());
        let known =
            Known { kind, path, updates: Vec::new(), others: Vec::new(), is_leaving: false, erasures: Vec::new() };
        self.objects.insert(id.to_owned(), known);
    }

    pub fn object(&mut self, id: &str) -> &mut Known {
        self.objects.get_mut(id).unwrap()
    }

    /// Notes how a write to a known object ended. Of two that were done one after the other, the second shows the higher version.
    pub fn note(&mut self, id: &str, value: Option<String>, deed: Deed) {
        if let Some(version) = deed.version() {
            let mut wrong = None;
            for other in self.object(id).deeds() {
                let Some(earlier) = other.version() else { continue };
                if other.ended <= deed.begun && earlier >= version {
                    wrong = Some(format!("{id}: version {version} follows version {earlier}"));
                }
            }
            self.expect(wrong.is_none(), || wrong.clone().unwrap_or_default());
        }
        match value {
            Some(value) => self.object(id).updates.push((value, deed)),
            None => self.object(id).others.push(deed),
        }
    }

    /// Checks a read that began at `begun`: it shows at least what was written before, and never an erased person. `seen` is the version,
    /// or `None` if there is no such object.
    pub fn saw(&mut self, id: &str, begun: Instant, seen: Option<u64>) {
        let known = self.object(id);
        let written = known.deeds().filter(|deed| deed.ended <= begun).filter_map(Deed::version).max().unwrap_or(1);
        let is_erased = known.erasures.iter().any(|deed| deed.is_done() && deed.ended <= begun);
        let is_leaving = known.is_leaving;
        self.expect(seen.is_some() || is_leaving, || format!("{id} was written and is not found"));
        self.expect(seen.is_none() || !is_erased, || format!("{id} was erased and is there"));
        self.expect(seen.is_none_or(|seen| seen >= written), || {
            format!("{id}: version {seen:?}, {written} was written")
        });
    }

    /// Marks a key's secrets as unclear while an admin changes it.
    pub fn unclear(&mut self, secret: &ApiKey) {
        for held in self.keys.iter_mut().filter(|held| held.secret.id() == secret.id()) {
            if held.validity == Validity::Valid {
                held.validity = Validity::Unclear;
                held.changes += 1;
            }
        }
    }

    /// Says what the secrets of a key are, as far as they have not ended.
    pub fn clear(&mut self, secret: &ApiKey, validity: Validity) {
        for held in self.keys.iter_mut().filter(|held| held.secret.id() == secret.id()) {
            if held.validity != Validity::Ended {
                held.validity = validity;
                held.changes += 1;
            }
        }
    }
}
