//! Counts a request: one conditional update of the account's item checks everything that admission requires, and counts the request in its
//! key's minute and its organization's month. It decides nothing: it says what DynamoDB found.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ReturnValue},
};

use crate::{
    model::{
        clock::Timestamp,
        key::{ApiKey, KeyHash},
        plan::Plan,
        scope::Scope,
        window::{BURST_LIMIT, Day, Minute, Month},
    },
    store::{
        account::{
            attribute::{Attribute, PLAN, REVISION, letter},
            change::{allows, stored_hash},
            item::Account,
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string},
        table::{self, Table},
    },
};

const TAG_BYTES: usize = 6;

/// A request to count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting<'a> {
    pub(crate) key: &'a ApiKey,
    pub(crate) hash: KeyHash,
    /// The scope that the request needs.
    pub(crate) scope: Scope,
    pub(crate) now: Timestamp,
}

/// What DynamoDB found.
#[derive(Debug)]
pub(crate) enum Counted {
    /// The request was counted. Only the attributes that it changed were asked for.
    Changed(Counts),
    /// The request was counted, and this is the account with it.
    Whole(Account),
    /// The request was not counted, and this is the account's state. `None`: there is no such account.
    Refused(Option<Account>),
}

/// What a counted request shows of its account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// It changes when an admin or the operator changes the account.
    pub(crate) revision: u64,
    /// Requests of the key in this minute.
    pub(crate) burst: u64,
    /// Requests of the account in this month.
    pub(crate) month: u64,
}

/// Counts the request if its key is valid and has the scope, the plan has API access, and neither the minute nor the month is used up.
///
/// The update also removes `stale` counters, and leaves a random tag. When the SDK repeats an update whose response was lost, the tag is
/// found: the request is refused here, and [`Account::has_counted`] says that it was counted. `whole`: the whole item is returned, which
/// takes longer to read.
pub(crate) async fn count(
    db: &Db,
    counting: &Counting<'_>,
    stale: &[Attribute],
    whole: bool,
) -> Result<(Counted, Tag), DbError> {
    let tag = Tag::random()?;
    let account = table::account(&counting.key.id().account());
    let values = if whole { ReturnValue::AllNew } else { ReturnValue::UpdatedNew };
    let counted = match db.update(Table::Access, account, update(counting, tag, stale), values).await? {
        Ok(item) if whole => Counted::Whole(Account::read(&item)?),
        Ok(item) => Counted::Changed(counts(counting, &item).ok_or(DbError::Unreadable("a count"))?),
        Err(item) => Counted::Refused(item.as_ref().map(Account::read).transpose()?),
    };
    Ok((counted, tag))
}

fn counts(Counting { key, now, .. }: &Counting<'_>, item: &Item) -> Option<Counts> {
    let minute = Attribute::Minute(key.id().number(), Minute::of(*now)).to_string();
    Some(Counts {
        revision: integer(item, REVISION)?,
        burst: integer(item, &minute)?,
        month: integer(item, &Attribute::Month(Month::of(*now)).to_string())?,
    })
}

fn update(counting: &Counting<'_>, tag: Tag, stale: &[Attribute]) -> Expression {
    let Counting { key, hash, scope, now } = counting;
    let number_of_key = key.id().number();
    let (within_plan, limits) = allows(Plan::monthly_requests, None);
    Expression::update(
        "SET #lastUse = :now, #tag = :tag, #revision = #revision ADD #minute :one, #day :one, #uses :one, #used :one",
    )
    .removing(stale.iter().copied())
    .only_if(format!(
        "(#hash = :hash OR (#former = :hash AND #formerEnd > :now)) \
         AND (attribute_not_exists(#expiry) OR #expiry > :now) \
         AND contains(#scopes, :scope) \
         AND (attribute_not_exists(#minute) OR #minute < :burst) \
         AND ({within_plan}) \
         AND (attribute_not_exists(#tag) OR #tag <> :tag)",
    ))
    .names([("#plan", PLAN), ("#revision", REVISION)])
    .names([
        ("#hash", Attribute::Hash(number_of_key)),
        ("#former", Attribute::FormerHash(number_of_key)),
        ("#formerEnd", Attribute::FormerEnd(number_of_key)),
        ("#expiry", Attribute::Expiry(number_of_key)),
        ("#scopes", Attribute::Scopes(number_of_key)),
        ("#lastUse", Attribute::LastUse(number_of_key)),
        ("#tag", Attribute::Tag(number_of_key)),
        ("#minute", Attribute::Minute(number_of_key, Minute::of(*now))),
        ("#day", Attribute::Day(number_of_key, Day::of(*now))),
        ("#uses", Attribute::uses(number_of_key, hash)),
        ("#used", Attribute::Month(Month::of(*now))),
    ])
    .values(limits)
    .values([
        (":hash", stored_hash(hash)),
        (":scope", string(letter(*scope))),
        (":now", number(now.as_millis())),
        (":burst", number(BURST_LIMIT)),
        (":tag", AttributeValue::B(Blob::new(tag.0))),
        (":one", number(1)),
    ])
}

/// Distinguishes a counted request from every other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag([u8; TAG_BYTES]);

impl Tag {
    fn random() -> Result<Self, DbError> {
        let mut bytes = [0; TAG_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| DbError::Unavailable(error.to_string()))?;
        Ok(Self(bytes))
    }
}

impl Account {
    /// Whether the last request that was counted for this key has this tag.
    pub(crate) fn has_counted(&self, key: &ApiKey, tag: Tag) -> bool {
        let key = self.keys.get(&key.id().number());
        key.and_then(|key| key.tag.as_ref()).is_some_and(|last| last.as_ref() == tag.0)
    }

    /// What it shows of the request's limits.
    pub(crate) fn counts(&self, Counting { key, now, .. }: &Counting<'_>) -> Counts {
        let minutes = self.keys.get(&key.id().number()).map(|key| &key.minutes);
        let burst = minutes.and_then(|minutes| minutes.get(&Minute::of(*now)).copied()).unwrap_or(0);
        Counts { revision: self.revision, burst, month: self.in_month(Month::of(*now)) }
    }
}
