//! A key's usage by day. Today's requests are counted on the account's item, by the update that admits them. Once the day is over, the
//! count is filed on an item of the day. Denials are counted there from the start. It decides on no request.
//!
//! A denial writes nothing by itself: the instance remembers it, and writes what it remembers at most once a minute. So the counts of
//! denials are approximate: those of an instance that ends first are lost.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::{
    model::{clock::Timestamp, denial::Denial, key::KeyId, window::Day},
    store::{
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string, text},
        list::List,
        table::{self, Table},
        transaction::Transaction,
    },
};

/// How many days are reported.
const DAYS: usize = 30;
/// How long a day's item is kept.
const KEPT_DAYS: i64 = 400;
/// How many of a key's last denials are shown.
pub(crate) const LAST_DENIALS: usize = 3;

const REQUESTS: &str = "requests";
/// The last denials, as several instances know them. Each write takes one of these at random, so that one instance seldom replaces what
/// another has just written.
const LAST: [&str; 8] = ["last0", "last1", "last2", "last3", "last4", "last5", "last6", "last7"];
const CODE: &str = "code";
const AT: &str = "at";

/// A denied request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastDenial {
    /// When it was denied.
    pub at: Timestamp,
    /// Why.
    pub denial: Denial,
}

/// Denials of a key on one day that have not been written yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Denials {
    pub(crate) counts: BTreeMap<Denial, u64>,
    /// The last few, latest first, also of earlier days.
    pub(crate) last: Vec<LastDenial>,
}

/// Files the count of a day that is over. It can be called any number of times: the largest count is the day's.
pub(crate) async fn file(db: &Db, key: &KeyId, day: Day, count: u64) -> Result<(), DbError> {
    let put = filing(day, count).only_if("attribute_not_exists(#requests) OR #requests < :count");
    // A failed condition: it has been filed.
    db.update(Table::Access, table::api_key_day(key, day), put, ReturnValue::None).await.map(drop)
}

/// Files the count of a day, even of today, when the key leaves its account. It is part of the transaction that removes the count there.
pub(crate) fn file_in(transaction: &mut Transaction<'_>, key: &KeyId, day: Day, count: u64) -> Result<(), DbError> {
    transaction.update(Table::Access, table::api_key_day(key, day), filing(day, count)).map(drop)
}

fn filing(day: Day, count: u64) -> Expression {
    Expression::update("SET #requests = :count, #deleteAt = :deleteAt")
        .names([("#requests", REQUESTS), ("#deleteAt", table::DELETE_AT)])
        .values([(":count", number(count)), (":deleteAt", number(day.secs_after(KEPT_DAYS)))])
}

/// Adds denials to a day.
pub(crate) async fn add_denials(db: &Db, key: &KeyId, day: Day, denials: &Denials) -> Result<(), DbError> {
    let counts = || denials.counts.iter().enumerate();
    let adds: Vec<String> = counts().map(|(i, _)| format!("#d{i} :d{i}")).collect();
    let last = denials.last.iter().map(|LastDenial { at, denial }| {
        let denial = [(CODE.to_owned(), string(denial.as_str())), (AT.to_owned(), number(at.as_millis()))];
        AttributeValue::M(denial.into())
    });
    let slot = usize::try_from(getrandom::u32().unwrap_or(0)).unwrap_or(0) % LAST.len();
    let add = Expression::update(format!("SET #last = :last, #deleteAt = :deleteAt ADD {}", adds.join(", ")))
        .names([("#last", LAST[slot]), ("#deleteAt", table::DELETE_AT)])
        .names(counts().map(|(i, (denial, _))| (format!("#d{i}"), denial.as_str())))
        .values([(":last", AttributeValue::L(last.collect())), (":deleteAt", number(day.secs_after(KEPT_DAYS)))])
        .values(counts().map(|(i, (_, count))| (format!(":d{i}"), number(count))));
    db.update(Table::Access, table::api_key_day(key, day), add, ReturnValue::None).await.map(drop)
}

/// A key's usage on one day.
#[derive(Debug)]
pub struct KeyDay {
    /// The day, in UTC.
    pub date: Day,
    /// Requests within the limits.
    pub requests: u64,
    /// Denied requests, as far as they were counted.
    pub denials: BTreeMap<Denial, u64>,
    /// The day's last denials, as far as they were written, in any order, and some more than once.
    pub last_denials: Vec<LastDenial>,
}

impl KeyDay {
    fn empty(date: Day) -> Self {
        Self { date, requests: 0, denials: BTreeMap::new(), last_denials: Vec::new() }
    }

    fn read(item: &Item) -> Option<Self> {
        let denial = |denial: &AttributeValue| {
            let denial = denial.as_m().ok()?;
            Some(LastDenial {
                at: Timestamp::from_millis(integer(denial, AT)?),
                denial: Denial::named(text(denial, CODE)?)?,
            })
        };
        let last = LAST.iter().filter_map(|slot| item.get(*slot)?.as_l().ok());
        Some(Self {
            date: table::day_of(item)?,
            requests: integer(item, REQUESTS).unwrap_or(0),
            denials: Denial::ALL.into_iter().filter_map(|it| Some((it, integer(item, it.as_str())?))).collect(),
            last_denials: last.flatten().filter_map(denial).collect(),
        })
    }
}

/// The last 30 days of a key (UTC), today first. `counted` are the requests that are still counted on the account's item.
pub(crate) async fn history(
    db: &Db,
    key: &KeyId,
    counted: &BTreeMap<Day, u64>,
    now: Timestamp,
) -> Result<Vec<KeyDay>, DbError> {
    let (filed, _) = db.query(&List::api_key_days(key), None, DAYS).await?;
    let mut days: BTreeMap<Day, KeyDay> = BTreeMap::new();
    for item in &filed {
        let day = KeyDay::read(item).ok_or(DbError::Unreadable("a day of a key"))?;
        days.insert(day.date, day);
    }
    for (date, requests) in counted {
        let day = days.entry(*date).or_insert_with(|| KeyDay::empty(*date));
        // A day that has just been filed is on both items.
        day.requests = day.requests.max(*requests);
    }
    let today = Day::of(now);
    let dates = (0..DAYS).map(|back| today.back(back));
    Ok(dates.map(|date| days.remove(&date).unwrap_or_else(|| KeyDay::empty(date))).collect())
}
