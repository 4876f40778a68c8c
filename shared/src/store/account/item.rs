//! An account as it is read from its item. It makes no call.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{AccountId, Grant, KeyHash, KeyNumber},
        plan::Plan,
        scope::Scope,
        window::{Day, Minute, Month, is_stale},
    },
    store::{
        account::attribute::{Attribute, LIVE, NEXT, ORGANIZATION, PLAN, REVISION, scopes_of},
        error::DbError,
        item::{Item, integer, text},
        table,
    },
};

/// An account, as its item has it.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    pub(crate) org: OrgId,
    pub(crate) plan: Plan,
    pub(crate) revision: u64,
    /// The number that the next key gets. `None`: every number has been given out.
    pub(crate) next: Option<KeyNumber>,
    /// How many keys there are.
    pub(crate) live: u64,
    pub(crate) months: BTreeMap<Month, u64>,
    pub(crate) keys: BTreeMap<KeyNumber, AccountKey>,
    /// What is left of keys that are gone.
    left_over: Vec<(Attribute, u64)>,
}

/// A key, as its account's item has it.
#[derive(Clone, Debug)]
pub(crate) struct AccountKey {
    pub(crate) hash: KeyHash,
    pub(crate) former: Option<Former>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
    /// The tag of the last request that was counted.
    pub(crate) tag: Option<Blob>,
    pub(crate) minutes: BTreeMap<Minute, u64>,
    pub(crate) days: BTreeMap<Day, u64>,
    /// The uses of each secret since it became the current or the former one.
    uses: BTreeMap<[u8; 3], u64>,
}

/// The secret that a key had before its last rotation, while it is still valid or was never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Former {
    pub(crate) hash: KeyHash,
    pub(crate) until: Timestamp,
}

impl Account {
    /// Reads an item.
    pub(crate) fn read(item: &Item) -> Result<Self, DbError> {
        let whole = || {
            let mut account = Self {
                id: table::account_of(item)?,
                org: OrgId::stored(text(item, ORGANIZATION)?).ok()?,
                plan: text(item, PLAN)?.parse().ok()?,
                revision: integer(item, REVISION)?,
                next: KeyNumber::parse(text(item, NEXT)?),
                live: integer(item, LIVE)?,
                months: BTreeMap::new(),
                keys: BTreeMap::new(),
                left_over: Vec::new(),
            };
            // Hashes come first, so that every other attribute finds its key.
            let mut named: Vec<(Attribute, &AttributeValue)> =
                item.iter().filter_map(|(name, value)| Some((Attribute::named(name)?, value))).collect();
            named.sort_unstable_by_key(|(attribute, _)| *attribute);
            for (attribute, value) in named {
                account.take(attribute, value)?;
            }
            Some(account)
        };
        whole().ok_or(DbError::Unreadable("an account"))
    }

    fn take(&mut self, attribute: Attribute, value: &AttributeValue) -> Option<()> {
        let count = || value.as_n().ok()?.parse::<u64>().ok();
        let moment = || value.as_n().ok()?.parse().ok().map(Timestamp::from_millis);
        let hash = || KeyHash::stored(value.as_b().ok()?.as_ref());
        let number = match attribute {
            Attribute::Month(month) => {
                self.months.insert(month, count()?);
                return Some(());
            }
            Attribute::Hash(number) => {
                self.keys.insert(number, AccountKey::new(hash()?));
                return Some(());
            }
            Attribute::Scopes(number)
            | Attribute::Expiry(number)
            | Attribute::FormerHash(number)
            | Attribute::FormerEnd(number)
            | Attribute::LastUse(number)
            | Attribute::Tag(number)
            | Attribute::Minute(number, _)
            | Attribute::Day(number, _)
            | Attribute::Uses(number, _) => number,
        };
        let Some(key) = self.keys.get_mut(&number) else {
            self.left_over.push((attribute, count().unwrap_or(0)));
            return Some(());
        };
        match attribute {
            Attribute::Month(_) | Attribute::Hash(_) => {}
            Attribute::Scopes(_) => key.scopes = scopes_of(value.as_s().ok()?),
            Attribute::Expiry(_) => key.expires_at = Some(moment()?),
            Attribute::FormerHash(_) => {
                key.former = Some(Former { hash: hash()?, until: Timestamp::from_millis(0) });
            }
            Attribute::FormerEnd(_) => {
                if let Some(former) = &mut key.former {
                    former.until = moment()?;
                }
            }
            Attribute::LastUse(_) => key.last_used_at = Some(moment()?),
            Attribute::Tag(_) => key.tag = value.as_b().ok().cloned(),
            Attribute::Minute(_, minute) => drop(key.minutes.insert(minute, count()?)),
            Attribute::Day(_, day) => drop(key.days.insert(day, count()?)),
            Attribute::Uses(_, secret) => drop(key.uses.insert(secret, count()?)),
        }
        Some(())
    }

    /// What the presented key grants. `None`: the account has no such key, or it is not valid at `now`.
    pub(crate) fn grant(&self, number: KeyNumber, hash: &KeyHash, now: Timestamp) -> Option<Grant> {
        let key = self.keys.get(&number)?;
        let former_end = match key.former {
            _ if key.hash == *hash => None,
            Some(former) if former.hash == *hash => Some(former.until),
            _ => return None,
        };
        // The former secret may end before the key does.
        let expires_at = key.expires_at.into_iter().chain(former_end).min();
        let grant = Grant { org: self.org, scopes: key.scopes.clone(), expires_at };
        (!grant.has_expired(now)).then_some(grant)
    }

    /// Requests in this month.
    pub(crate) fn in_month(&self, month: Month) -> u64 {
        self.months.get(&month).copied().unwrap_or(0)
    }

    /// What is to be removed: the counters of past minutes and months, and whatever is left of keys that are gone.
    pub(crate) fn stale(&self, now: Timestamp) -> Vec<Attribute> {
        let minutes = self
            .keys
            .iter()
            .flat_map(|(number, key)| key.minutes.keys().map(|minute| Attribute::Minute(*number, *minute)));
        let months = self.months.keys().copied().map(Attribute::Month);
        let left = self.left_over.iter().map(|(attribute, _)| *attribute);
        let over = minutes.chain(months).filter(|attribute| attribute.is_stale(now));
        over.chain(left.filter(|attribute| !matches!(attribute, Attribute::Day(..)))).collect()
    }

    /// Former secrets that have ended on every instance's clock.
    pub(crate) fn ended(&self, now: Timestamp) -> Vec<(KeyNumber, Former)> {
        let formers = self.keys.iter().filter_map(|(number, key)| Some((*number, key.former?)));
        formers.filter(|(_, former)| is_stale(former.until, now)).collect()
    }

    /// The counts of past days, to be filed, of keys that are there and of those that are gone.
    pub(crate) fn past_days(&self, now: Timestamp) -> Vec<(KeyNumber, Day, u64)> {
        let left = self.left_over.iter().filter_map(|(attribute, count)| match attribute {
            Attribute::Day(number, day) => Some((*number, *day, *count)),
            _ => None,
        });
        let days =
            self.keys.iter().flat_map(|(number, key)| key.days.iter().map(|(day, count)| (*number, *day, *count)));
        days.chain(left).filter(|(_, day, _)| day.is_stale(now)).collect()
    }

    /// The counts of this key that are still on the item, although it may be gone.
    pub(crate) fn days_of(&self, number: KeyNumber) -> BTreeMap<Day, u64> {
        let left = self.left_over.iter().filter_map(|(attribute, count)| match attribute {
            Attribute::Day(of, day) if *of == number => Some((*day, *count)),
            _ => None,
        });
        self.keys.get(&number).map(|key| key.days.clone()).unwrap_or_default().into_iter().chain(left).collect()
    }
}

impl AccountKey {
    fn new(hash: KeyHash) -> Self {
        Self {
            hash,
            former: None,
            scopes: Vec::new(),
            expires_at: None,
            last_used_at: None,
            tag: None,
            minutes: BTreeMap::new(),
            days: BTreeMap::new(),
            uses: BTreeMap::new(),
        }
    }

    /// How often a secret of the key was used since it became the current or the former one.
    pub(crate) fn uses_of(&self, hash: &KeyHash) -> u64 {
        let [a, b, c, ..] = *hash.as_bytes() else { return 0 };
        self.uses.get(&[a, b, c]).copied().unwrap_or(0)
    }

    /// Every attribute that the item has of this key, except the counts of its days.
    pub(super) fn attributes(&self, number: KeyNumber) -> Vec<Attribute> {
        let fixed = [
            Attribute::Hash,
            Attribute::Scopes,
            Attribute::Expiry,
            Attribute::FormerHash,
            Attribute::FormerEnd,
            Attribute::LastUse,
            Attribute::Tag,
        ];
        let minutes = self.minutes.keys().map(|minute| Attribute::Minute(number, *minute));
        let uses = self.uses.keys().map(|secret| Attribute::Uses(number, *secret));
        fixed.map(|attribute| attribute(number)).into_iter().chain(minutes).chain(uses).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{account::change::new_account, item::number};

    #[test]
    fn what_is_left_of_keys_that_are_gone_stays_apart_by_key() {
        let (id, org) = (AccountId::parse("DemoPro").unwrap(), OrgId::stored("019b8d62-7a81-7421-b5aa-2482ac8bd336"));
        let mut item = new_account(&id, &org.unwrap(), Plan::Starter, Vec::new());
        let (first, second) = (KeyNumber::FIRST, KeyNumber::FIRST.next().unwrap());
        let day: Day = "2026-11-24".parse().unwrap();
        for (key, count) in [(first, 7), (second, 9)] {
            item.insert(Attribute::Day(key, day).to_string(), number(count));
        }
        let account = Account::read(&item).unwrap();
        let counts =
            [first, second, second.next().unwrap()].map(|key| account.days_of(key).into_iter().collect::<Vec<_>>());
        assert_eq!(counts, [vec![(day, 7)], vec![(day, 9)], vec![]]);
        let (today, later) = ("2026-11-24T12:00:00.000Z".parse().unwrap(), "2026-11-25T00:02:00.000Z".parse().unwrap());
        assert_eq!(account.past_days(today), []);
        assert_eq!(account.past_days(later), [(first, day, 7), (second, day, 9)]);
        assert_eq!(account.stale(later), [], "a count is filed before it is removed");
    }
}
