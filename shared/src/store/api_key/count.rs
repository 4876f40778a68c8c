//! Counts a request on its key's item: one call finds the key, checks it, and counts. It knows neither scopes nor plans.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ReturnValue},
};

use crate::{
    model::{
        clock::Timestamp,
        denial::Denial,
        key::{ApiKey, Grant, KeyHash},
        window::{BURST_LIMIT, Day, Minute, Standing},
    },
    store::{
        api_key::{
            item::{
                EXPIRES_AT, HASH, LAST_USED_AT, PREVIOUS_HASH, PREVIOUS_UNTIL, REVOKED_AT, grant, has_hash,
                uses_attribute,
            },
            summary::KeySummary,
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string},
        key_day,
        table::{self, Table},
    },
};

/// Old counters are normally removed by the next request's update. A key whose every request reaches a fresh instance would accumulate
/// them, and each update would be charged for a larger item. Above this number, they are removed at once.
const MAX_STALE_WINDOWS: usize = 24;

/// How long a request may wait for a past day's counts to be moved. After that, the next request moves them.
const FILING_PATIENCE: Duration = Duration::from_millis(300);

/// What a key's next update writes as well, at no extra cost: counters to remove, and denials to count.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pub(crate) stale: Vec<Minute>,
    pub(crate) denials: BTreeMap<(Day, Denial), u64>,
}

/// The result of counting a request.
#[derive(Debug)]
pub(crate) struct KeyUse {
    pub(crate) grant: Grant,
    pub(crate) burst: Standing,
    /// Whether the burst had room for the request. If so, it has been counted.
    pub(crate) admitted: bool,
    /// Counters of past minutes, to be removed.
    pub(crate) stale: Vec<Minute>,
    /// The key's current item.
    item: Item,
}

impl KeyUse {
    /// The key's summary.
    pub(crate) fn summary(&self) -> Result<KeySummary, DbError> {
        KeySummary::read(&self.item)
    }
}

/// Counts a request on the key, with one conditional update. It finds the key by its id, compares the hash of the whole key (or of the
/// previous secret, while that is valid), rejects a revoked or expired key, and increments the minute's counter only while it is below
/// [`BURST_LIMIT`]. It also writes the day's counter, the secret's counter, the last use and the `backlog`. `None`: the key is invalid,
/// whatever the reason.
pub(crate) async fn count_request(
    db: &Db,
    key: &ApiKey,
    hash: KeyHash,
    now: Timestamp,
    backlog: &Backlog,
) -> Result<Option<KeyUse>, DbError> {
    let hash = Blob::new(hash.as_bytes());
    // Check again, because a clock can step back, and the counter of a current minute must not be removed.
    let stale: Vec<Minute> = backlog.stale.iter().copied().filter(|minute| minute.is_stale(now)).collect();
    let count = counting(&hash, now, &stale, backlog);
    let counted = db.update(Table::Access, table::api_key(&key.id()), count, ReturnValue::AllNew).await?;
    let (item, admitted) = match counted {
        Ok(item) => (item, true),
        Err(Some(item)) if is_valid(&item, &hash, now) => (item, false),
        Err(_) => return Ok(None),
    };
    let used = integer(&item, &Minute::of(now).attribute()).unwrap_or(BURST_LIMIT);
    let mut stale: Vec<Minute> = item.keys().filter_map(|name| Minute::counted_by(name)).collect();
    stale.retain(|minute| minute.is_stale(now));
    // The request has been counted. A failure to remove old counters is no reason to fail it.
    if stale.len() > MAX_STALE_WINDOWS && sweep(db, key, &stale).await.is_ok() {
        stale.clear();
    }
    stale.truncate(MAX_STALE_WINDOWS);
    let mut grant = grant(&item)?;
    if !has_hash(&item, HASH, &hash) {
        // The previous secret may expire before the key does.
        let until = integer(&item, PREVIOUS_UNTIL).map(Timestamp::from_millis);
        grant.expires_at = grant.expires_at.into_iter().chain(until).min();
    }
    let mut used = KeyUse { grant, burst: Standing::of_burst(used, now), admitted, stale, item };
    if admitted {
        file_day(db, key, &mut used, now).await;
    }
    Ok(Some(used))
}

/// The update. Its condition covers everything that admission requires, except the scope, the plan and the month.
fn counting(hash: &Blob, now: Timestamp, stale: &[Minute], backlog: &Backlog) -> Expression {
    let denials = || backlog.denials.iter().enumerate();
    let denied: Vec<String> = denials().map(|(i, _)| format!(", #r{i} :r{i}")).collect();
    Expression::update(format!(
        "SET #lastUsed = :lastUsed ADD #window :one, #day :one, #uses :one{}{}",
        denied.concat(),
        remove(stale)
    ))
    .only_if(
        "(#hash = :hash OR (#previous = :hash AND #until > :now)) AND attribute_not_exists(#revoked) \
         AND (attribute_not_exists(#expires) OR #expires > :now) \
         AND (attribute_not_exists(#window) OR #window < :limit)",
    )
    .names([
        ("#lastUsed", LAST_USED_AT),
        ("#previous", PREVIOUS_HASH),
        ("#until", PREVIOUS_UNTIL),
        ("#hash", HASH),
        ("#revoked", REVOKED_AT),
        ("#expires", EXPIRES_AT),
    ])
    .names([
        ("#window", Minute::of(now).attribute()),
        ("#day", Day::of(now).attribute()),
        ("#uses", uses_attribute(hash.as_ref())),
    ])
    .names(stale_names(stale))
    .names(denials().map(|(i, ((day, denial), _))| (format!("#r{i}"), denial.attribute(*day))))
    .values([
        (":lastUsed", string(now)),
        (":one", number(1)),
        (":hash", AttributeValue::B(hash.clone())),
        (":now", number(now.as_millis())),
        (":limit", number(BURST_LIMIT)),
    ])
    .values(denials().map(|(i, (_, count))| (format!(":r{i}"), number(count))))
}

/// Moves the counts of a past day to their own item. This happens once a day, since the next request finds none.
async fn file_day(db: &Db, key: &ApiKey, used: &mut KeyUse, now: Timestamp) {
    let Some((day, counts)) = key_day::first_before(&used.item, Day::of(now)) else { return };
    // The request has been counted. If the move fails, the next request tries again.
    let filed = tokio::time::timeout(FILING_PATIENCE, key_day::file(db, &key.id(), day, &counts)).await;
    for attribute in filed.unwrap_or(Ok(Vec::new())).unwrap_or_default() {
        used.item.remove(&attribute);
    }
}

/// Whether the key is valid, so that an update was rejected only because of the burst.
fn is_valid(item: &Item, hash: &Blob, now: Timestamp) -> bool {
    let is_over = |name| integer(item, name).is_some_and(|at| Timestamp::from_millis(at) <= now);
    let same = has_hash(item, HASH, hash) || (has_hash(item, PREVIOUS_HASH, hash) && !is_over(PREVIOUS_UNTIL));
    same && !is_over(EXPIRES_AT) && !item.contains_key(REVOKED_AT)
}

fn remove(stale: &[Minute]) -> String {
    if stale.is_empty() {
        return String::new();
    }
    let names: Vec<String> = (0..stale.len()).map(|i| format!("#s{i}")).collect();
    format!(" REMOVE {}", names.join(", "))
}

async fn sweep(db: &Db, key: &ApiKey, stale: &[Minute]) -> Result<(), DbError> {
    // DynamoDB accepts an expression of at most 4 KB. The rest is removed next time.
    let stale = &stale[..stale.len().min(200)];
    let tidy = Expression::update(remove(stale)).only_if(table::PRESENT).names(stale_names(stale));
    // It does not matter if the key is gone: then there is nothing to remove.
    db.update(Table::Access, table::api_key(&key.id()), tidy, ReturnValue::None).await.map(drop)
}

fn stale_names(stale: &[Minute]) -> impl Iterator<Item = (String, String)> {
    stale.iter().enumerate().map(|(i, minute)| (format!("#s{i}"), minute.attribute()))
}
