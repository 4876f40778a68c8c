//! The attributes of an account's item, and the only place that names them. Their names are short, because every request pays for every
//! byte of the item, and the whole must fit into one write unit (1,024 bytes). It makes no call.
//!
//! | Attribute | Holds |
//! |---|---|
//! | `o`, `p`, `v` | organization, plan, revision: how often an admin or the operator has changed the item |
//! | `k`, `n` | the number that the next key gets, and how many keys there are |
//! | `q2026-11` | requests in a month |
//! | `h1`, `g1`, `x1` | of key number 1 (in base62): hash, scopes, and when it expires |
//! | `f1`, `e1` | the hash of its former secret, and when that ends |
//! | `l1`, `t1` | when it was last used, and the tag of that request |
//! | `m1.1zQYy`, `d1.5PB` | its requests in a minute and on a day (both in base62) |
//! | `u1.9fk2` | uses of one of its secrets |

use std::{collections::BTreeMap, fmt};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{AccountId, ApiKey, Grant, KeyHash, KeyNumber},
        plan::{Allowance, Plan},
        scope::Scope,
        window::{Day, Minute, Month},
    },
    store::{
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string, text},
        table,
    },
};

/// The most keys in one account: what the largest limited plan allows, so that its limits are in one item.
pub(crate) const MAX_KEYS: u64 = 5;
const ORGANIZATION: &str = "o";
pub(super) const PLAN: &str = "p";
pub(super) const REVISION: &str = "v";
/// What the expressions of other files call the revision, which every change of an admin or the operator raises.
pub(crate) const REVISION_NAME: (&str, &str) = ("#revision", REVISION);
const NEXT: &str = "k";
const LIVE: &str = "n";
const MONTH: char = 'q';

/// An attribute of one key, or the counter of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attribute {
    Month(Month),
    Hash(KeyNumber),
    Scopes(KeyNumber),
    Expiry(KeyNumber),
    FormerHash(KeyNumber),
    FormerEnd(KeyNumber),
    LastUse(KeyNumber),
    Tag(KeyNumber),
    Minute(KeyNumber, Minute),
    Day(KeyNumber, Day),
    /// The uses of the secret whose hash begins with these bytes.
    Uses(KeyNumber, [u8; 3]),
}

impl Attribute {
    /// The counter of the uses of the secret with this hash.
    pub(crate) fn uses(number: KeyNumber, hash: &KeyHash) -> Self {
        let bytes = hash.as_bytes();
        Self::Uses(number, [bytes[0], bytes[1], bytes[2]])
    }

    /// The attribute with this name. `None`: it is the account's own, or part of the key.
    fn named(name: &str) -> Option<Self> {
        let mut rest = name.chars();
        let kind = rest.next()?;
        let rest = rest.as_str();
        if kind == MONTH {
            return rest.parse().ok().map(Self::Month);
        }
        let (number, code) = rest.split_once('.').map_or((rest, None), |(number, code)| (number, Some(code)));
        let number = KeyNumber::parse(number)?;
        match (kind, code) {
            ('h', None) => Some(Self::Hash(number)),
            ('g', None) => Some(Self::Scopes(number)),
            ('x', None) => Some(Self::Expiry(number)),
            ('f', None) => Some(Self::FormerHash(number)),
            ('e', None) => Some(Self::FormerEnd(number)),
            ('l', None) => Some(Self::LastUse(number)),
            ('t', None) => Some(Self::Tag(number)),
            ('m', Some(code)) => Minute::of_code(code).map(|minute| Self::Minute(number, minute)),
            ('d', Some(code)) => Day::of_code(code).map(|day| Self::Day(number, day)),
            ('u', Some(code)) => {
                let bytes = data_encoding::BASE64URL_NOPAD.decode(code.as_bytes()).ok()?;
                bytes.try_into().ok().map(|bytes| Self::Uses(number, bytes))
            }
            _ => None,
        }
    }

    /// Whether it counts a minute or a month that no instance is counting any more. A day's count is filed before it is removed.
    fn is_stale(self, now: Timestamp) -> bool {
        match self {
            Self::Minute(_, minute) => minute.is_stale(now),
            Self::Month(month) => month.is_stale(now),
            _ => false,
        }
    }

    /// Whether what was to be removed a while ago still is. A clock may have stepped back since.
    pub(crate) fn may_go(self, now: Timestamp) -> bool {
        !matches!(self, Self::Minute(..) | Self::Month(_)) || self.is_stale(now)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(month) => write!(f, "{MONTH}{month}"),
            Self::Hash(number) => write!(f, "h{number}"),
            Self::Scopes(number) => write!(f, "g{number}"),
            Self::Expiry(number) => write!(f, "x{number}"),
            Self::FormerHash(number) => write!(f, "f{number}"),
            Self::FormerEnd(number) => write!(f, "e{number}"),
            Self::LastUse(number) => write!(f, "l{number}"),
            Self::Tag(number) => write!(f, "t{number}"),
            Self::Minute(number, minute) => write!(f, "m{number}.{}", minute.code()),
            Self::Day(number, day) => write!(f, "d{number}.{}", day.code()),
            Self::Uses(number, bytes) => {
                write!(f, "u{number}.{}", data_encoding::BASE64URL_NOPAD.encode(bytes))
            }
        }
    }
}

impl From<Attribute> for String {
    fn from(attribute: Attribute) -> Self {
        attribute.to_string()
    }
}

/// A scope's letter in the item.
pub(super) const fn letter(scope: Scope) -> char {
    match scope {
        Scope::JobsRead => 'j',
        Scope::JobsWrite => 'J',
        Scope::CandidatesRead => 'c',
        Scope::CandidatesWrite => 'C',
        Scope::PipelineRead => 'p',
        Scope::PipelineWrite => 'P',
        Scope::ApplicationsRead => 'a',
        Scope::ApplicationsWrite => 'A',
    }
}

/// Scopes as they are stored: one letter each.
pub(crate) fn scope_letters(scopes: &[Scope]) -> String {
    scopes.iter().copied().map(letter).collect()
}

/// The scopes that are stored as these letters.
pub(crate) fn scopes_of(letters: &str) -> Vec<Scope> {
    Scope::ALL.iter().copied().filter(|scope| letters.contains(letter(*scope))).collect()
}

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
    fn attributes(&self, number: KeyNumber) -> Vec<Attribute> {
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

/// The item of a new account. `first`: the attributes of its first key, if it begins with one.
pub(crate) fn new_account(id: &AccountId, org: &OrgId, plan: Plan, first: Vec<(Attribute, AttributeValue)>) -> Item {
    let next = if first.is_empty() { Some(KeyNumber::FIRST) } else { KeyNumber::FIRST.next() };
    let mut item = Item::from([
        (ORGANIZATION.to_owned(), string(org)),
        (PLAN.to_owned(), string(plan)),
        (REVISION.to_owned(), number(1)),
        (NEXT.to_owned(), next_number(next)),
        (LIVE.to_owned(), number(u8::from(!first.is_empty()))),
    ]);
    item.extend(first.into_iter().map(|(attribute, value)| (attribute.to_string(), value)));
    table::account(id).with(item)
}

/// The attributes of a new key.
pub(crate) fn key_attributes(
    key: &ApiKey,
    scopes: &[Scope],
    expires_at: Option<Timestamp>,
) -> Vec<(Attribute, AttributeValue)> {
    let key_number = key.id().number();
    let expiry = expires_at.map(|at| (Attribute::Expiry(key_number), number(at.as_millis())));
    let attributes = [
        (Attribute::Hash(key_number), stored_hash(&key.hash())),
        (Attribute::Scopes(key_number), string(scope_letters(scopes))),
    ];
    attributes.into_iter().chain(expiry).collect()
}

/// The update that adds a key with this number, if it is the next one and the plan has room for it.
pub(crate) fn add_key(key_number: KeyNumber, attributes: Vec<(Attribute, AttributeValue)>) -> Expression {
    let (has_room, limits) = allows(Plan::keys, Some(MAX_KEYS));
    let sets: Vec<String> = (0..attributes.len()).map(|i| format!(", #a{i} = :a{i}")).collect();
    let names = attributes.iter().enumerate().map(|(i, (attribute, _))| (format!("#a{i}"), attribute.to_string()));
    Expression::update(format!("SET #next = :next{} ADD #used :one, #revision :one", sets.concat()))
        .only_if(format!("#next = :number AND ({has_room})"))
        .names([("#next", NEXT), ("#used", LIVE), ("#revision", REVISION), ("#plan", PLAN)])
        .names(names)
        .values(limits)
        .values([(":number", string(key_number)), (":next", next_number(key_number.next())), (":one", number(1))])
        .values(attributes.into_iter().enumerate().map(|(i, (_, value))| (format!(":a{i}"), value)))
}

/// The update that removes a key, on the condition that it has this secret, and these counts of days, which are filed.
pub(crate) fn remove_key(key_number: KeyNumber, key: &AccountKey, days: &[(Day, u64)]) -> Expression {
    let attributes = key.attributes(key_number);
    let names: Vec<String> = (0..attributes.len()).map(|i| format!("#a{i}")).collect();
    let days = || days.iter().enumerate();
    let counted: Vec<String> = days().map(|(i, _)| format!(" AND #d{i} = :d{i}")).collect();
    let day_names: Vec<String> = days().map(|(i, _)| format!(", #d{i}")).collect();
    Expression::update(format!("ADD #live :less, #revision :one REMOVE {}{}", names.join(", "), day_names.concat()))
        .only_if(format!("#hash = :hash{}", counted.concat()))
        .names([("#live", LIVE), ("#revision", REVISION)])
        .names([("#hash", Attribute::Hash(key_number))])
        .names(attributes.iter().enumerate().map(|(i, attribute)| (format!("#a{i}"), *attribute)))
        .names(days().map(|(i, (day, _))| (format!("#d{i}"), Attribute::Day(key_number, *day))))
        .values([(":less", number(-1)), (":one", number(1)), (":hash", stored_hash(&key.hash))])
        .values(days().map(|(i, (_, count))| (format!(":d{i}"), number(count))))
}

/// The update that changes the plan, and adds requests to the month, if the account has not been changed.
pub(crate) fn set_plan(account: &Account, plan: Plan, add: &BTreeMap<Month, u64>) -> Expression {
    let adds: Vec<String> = (0..add.len()).map(|i| format!(", #q{i} :q{i}")).collect();
    Expression::update(format!("SET #plan = :plan ADD #revision :one{}", adds.concat()))
        .only_if("#revision = :seen")
        .names([("#plan", PLAN), ("#revision", REVISION)])
        .names(add.keys().enumerate().map(|(i, month)| (format!("#q{i}"), Attribute::Month(*month))))
        .values([(":plan", string(plan)), (":one", number(1)), (":seen", number(account.revision))])
        .values(add.values().enumerate().map(|(i, count)| (format!(":q{i}"), number(count))))
}

/// The condition that the account has not been changed.
pub(crate) fn unchanged(account: &Account) -> Expression {
    Expression::condition("#revision = :seen")
        .names([("#revision", REVISION)])
        .values([(":seen", number(account.revision))])
}

/// A hash as it is stored.
pub(crate) fn stored_hash(hash: &KeyHash) -> AttributeValue {
    AttributeValue::B(Blob::new(hash.as_bytes()))
}

/// The number that the next key gets, as it is stored. `None`: there is none.
fn next_number(next: Option<KeyNumber>) -> AttributeValue {
    string(next.map(|next| next.to_string()).unwrap_or_default())
}

/// The condition that the counter `#used` is below what the account's `#plan` allows, and below `most`, with its values:
/// `(#plan = :starter AND (attribute_not_exists(#used) OR #used < :starterMax)) OR … OR #plan = :enterprise`.
pub(crate) fn allows(allowance: fn(Plan) -> Allowance, most: Option<u64>) -> (String, Item) {
    let mut values = Item::new();
    let mut cases = Vec::new();
    for plan in Plan::ALL {
        let limit = match (allowance(plan), most) {
            (Allowance::Limited(limit), most) => Some(limit.min(most.unwrap_or(limit))),
            (Allowance::Unlimited, most) => most,
        };
        match limit {
            Some(0) => continue,
            Some(limit) => {
                values.insert(format!(":{plan}Max"), number(limit));
                cases.push(format!("(#plan = :{plan} AND (attribute_not_exists(#used) OR #used < :{plan}Max))"));
            }
            None => cases.push(format!("#plan = :{plan}")),
        }
        values.insert(format!(":{plan}"), string(plan));
    }
    (cases.join(" OR "), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_names_every_plan_with_its_limit() {
        let (condition, values) = allows(Plan::monthly_requests, None);
        assert_eq!(
            condition,
            "(#plan = :starter AND (attribute_not_exists(#used) OR #used < :starterMax)) OR \
             (#plan = :professional AND (attribute_not_exists(#used) OR #used < :professionalMax)) OR \
             #plan = :enterprise"
        );
        assert_eq!(values[":starterMax"], number(1_000));
        assert!(!values.contains_key(":free"));
        assert_eq!(allows(Plan::keys, Some(MAX_KEYS)).1[":enterpriseMax"], number(MAX_KEYS));
    }

    #[test]
    fn an_attributes_name_is_read_as_the_attribute() {
        let now: Timestamp = "2026-11-24T10:02:00.000Z".parse().unwrap();
        for number in [KeyNumber::FIRST, KeyNumber::parse("zzz").unwrap()] {
            for attribute in [
                Attribute::Month(Month::of(now)),
                Attribute::Hash(number),
                Attribute::Scopes(number),
                Attribute::Expiry(number),
                Attribute::FormerHash(number),
                Attribute::FormerEnd(number),
                Attribute::LastUse(number),
                Attribute::Tag(number),
                Attribute::Minute(number, Minute::of(now)),
                Attribute::Day(number, Day::of(now)),
                Attribute::Uses(number, [0, 1, 255]),
            ] {
                assert_eq!(Attribute::named(&attribute.to_string()), Some(attribute));
            }
        }
        for name in [ORGANIZATION, PLAN, REVISION, NEXT, LIVE, "pk", "sk", "", "q", "m1", "h1.2", "é1"] {
            assert_eq!(Attribute::named(name), None, "{name}");
        }
    }

    #[test]
    fn every_scope_has_a_letter_of_its_own() {
        let letters: std::collections::BTreeSet<char> = Scope::ALL.iter().copied().map(letter).collect();
        assert_eq!(letters.len(), Scope::ALL.len());
    }
}
