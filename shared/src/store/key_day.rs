//! A key's usage by day. Today's counts are on the key's item, and are part of the update that authenticates. Once the day is over, they
//! move to an item of their own. It decides on no request.
//!
//! A denial writes nothing: the instance remembers it, and adds it to its next update of the key. So the counts of denials are
//! approximate: those of an instance that ends first are lost, and an update that is retried after a lost response counts its denials
//! twice.

use std::collections::BTreeMap;

use crate::{
    model::{clock::Timestamp, denial::Denial, key::KeyId, window::Day},
    store::{
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number},
        list::List,
        table::{self, Table},
        transaction::Transaction,
    },
};

/// How many days are reported.
const DAYS: usize = 30;
/// How long a day's item is kept.
const KEPT_DAYS: i64 = 400;

const REQUESTS: &str = "requests";

/// The counts of a day, or counts to add to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) denials: BTreeMap<Denial, u64>,
}

/// The day that an attribute of a key's item counts. `None`: it is not a day's counter.
fn day_counted_by(attribute: &str) -> Option<Day> {
    Day::counted_by(attribute).or_else(|| Denial::counted_by(attribute).map(|(day, _)| day))
}

/// The first day before `today` that is still on a key's item, with its counts. Usually there is none, and then nothing is collected.
pub(crate) fn first_before(item: &Item, today: Day) -> Option<(Day, Counts)> {
    let day = item.keys().filter_map(|name| day_counted_by(name)).filter(|day| *day < today).min()?;
    Some((day, counted(item).remove(&day)?))
}

/// The days on a key's item: today, and those that have not been moved yet.
pub(crate) fn counted(item: &Item) -> BTreeMap<Day, Counts> {
    let mut days: BTreeMap<Day, Counts> = BTreeMap::new();
    for name in item.keys() {
        if let Some(day) = Day::counted_by(name) {
            days.entry(day).or_default().requests = integer(item, name).unwrap_or(0);
        } else if let Some((day, denial)) = Denial::counted_by(name) {
            days.entry(day).or_default().denials.insert(denial, integer(item, name).unwrap_or(0));
        }
    }
    days
}

/// Moves the counts of a past day from the key's item to the day's own. Nothing is lost or counted twice, because both writes are in one
/// transaction, on the condition that the counts have not changed. An instance whose clock is slow may start the counts again, and then
/// they are moved again. Returns the attributes that were removed.
pub(crate) async fn file(db: &Db, key: &KeyId, day: Day, counts: &Counts) -> Result<Vec<String>, DbError> {
    let requests = [(day.attribute(), REQUESTS, counts.requests)].into_iter().filter(|(.., count)| *count > 0);
    let denials = counts.denials.iter().map(|(denial, count)| (denial.attribute(day), denial.as_str(), *count));
    let counted: Vec<(String, &str, u64)> = requests.chain(denials).collect();
    let each =
        |form: fn(usize) -> String, between: &str| (0..counted.len()).map(form).collect::<Vec<_>>().join(between);
    let values = || counted.iter().enumerate().map(|(i, (.., count))| (format!(":c{i}"), number(count)));
    let take = Expression::update(format!("REMOVE {}", each(|i| format!("#c{i}"), ", ")))
        .only_if(each(|i| format!("#c{i} = :c{i}"), " AND "))
        .names(counted.iter().enumerate().map(|(i, (attribute, ..))| (format!("#c{i}"), attribute)))
        .values(values());
    let put = Expression::update(format!("ADD {} SET #deleteAt = :deleteAt", each(|i| format!("#c{i} :c{i}"), ", ")))
        .names(counted.iter().enumerate().map(|(i, (_, kept, _))| (format!("#c{i}"), *kept)))
        .names([("#deleteAt", table::DELETE_AT)])
        .values(values())
        .values([(":deleteAt", number(day.secs_after(KEPT_DAYS)))]);
    let mut transaction = Transaction::new(db);
    transaction.update(Table::Access, table::api_key(key), take)?;
    transaction.update(Table::Access, table::api_key_day(key, day), put)?;
    // Cancelled: another instance was faster.
    transaction.commit().await.map(drop)?;
    Ok(counted.into_iter().map(|(attribute, ..)| attribute).collect())
}

/// A key's usage on one day.
#[derive(Debug)]
pub struct KeyDay {
    /// The day, in UTC.
    pub date: Day,
    /// Requests within the burst limit.
    pub requests: u64,
    /// Denied requests, as far as they were counted.
    pub denials: BTreeMap<Denial, u64>,
}

/// The last 30 days of a key (UTC), today first.
///
/// `days` are those that are still on the key's item.
pub(crate) async fn history(
    db: &Db,
    key: &KeyId,
    mut days: BTreeMap<Day, Counts>,
    now: Timestamp,
) -> Result<Vec<KeyDay>, DbError> {
    let (filed, _) = db.query(&List::api_key_days(key), None, DAYS).await?;
    for item in &filed {
        let day = days.entry(table::day_of(item).ok_or(DbError::Unreadable("a day of a key"))?).or_default();
        day.requests += integer(item, REQUESTS).unwrap_or(0);
        for denial in Denial::ALL {
            if let Some(count) = integer::<u64>(item, denial.as_str()) {
                *day.denials.entry(denial).or_default() += count;
            }
        }
    }
    let today = Day::of(now);
    let dates = (0..DAYS).map(|back| today.back(back));
    Ok(dates
        .map(|date| {
            let Counts { requests, denials } = days.remove(&date).unwrap_or_default();
            KeyDay { date, requests, denials }
        })
        .collect())
}
