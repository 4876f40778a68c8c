//! A request, counted on its key's item: the one call that finds the key, checks it, and counts.

use std::time::Duration;

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ReturnValue},
};

use super::{
    EXPIRES_AT, HASH, KeySummary, LAST_USED_AT, REVOKED_AT, grant, has_hash,
    rotation::{PREVIOUS_HASH, PREVIOUS_UNTIL, uses_attribute},
};
use crate::{
    clock::Timestamp,
    db::{self, Db, DbError, Item, integer, number, string},
    key::{ApiKey, Grant, KeyHash},
    limits::{BURST_LIMIT, Minute, Riding, Standing},
    records::usage::{self, Day},
    table,
};

/// Removing old counters normally rides along with the next request. A key whose every request meets a fresh instance
/// would gather them, so that each of its updates is charged for a larger item: at so many they are removed at once.
const MAX_STALE_WINDOWS: usize = 24;

/// Moving the counts of a day that is over may keep its request waiting for so long; then the next one moves them.
const FILING_PATIENCE: Duration = Duration::from_millis(300);

/// What the counting of a request showed.
#[derive(Debug)]
pub(crate) struct KeyUse {
    pub(crate) grant: Grant,
    pub(crate) burst: Standing,
    /// The burst had room for the request, which is counted now.
    pub(crate) admitted: bool,
    /// Counters of minutes long over.
    pub(crate) stale: Vec<Minute>,
    /// The key's item, as it is now.
    item: Item,
}

impl KeyUse {
    /// The key, as its organization sees it.
    pub(crate) fn summary(&self) -> Result<KeySummary, DbError> {
        KeySummary::read(&self.item)
    }
}

/// Counts a request on the key, in one conditional update that finds the key by its id, compares the hash of the whole
/// key (or of the secret before a rotation, while that is kept), refuses a revoked or expired one, and raises the minute's
/// counter only below [`BURST_LIMIT`]; the day's counter, the secret's, the last use and what else is `riding` go along.
/// `None`: the key is not valid, whatever the reason.
pub(crate) async fn count_request(
    db: &Db,
    key: &ApiKey,
    hash: KeyHash,
    now: Timestamp,
    riding: &Riding,
) -> Result<Option<KeyUse>, DbError> {
    let hash = Blob::new(hash.as_bytes());
    // Asked again, because a clock can step back: a counter that is removed must be of no minute that still counts.
    let stale: Vec<Minute> = riding.stale.iter().copied().filter(|minute| minute.is_stale(now)).collect();
    let mut refusals = String::new();
    let mut request = db
        .update_access(table::api_key(&key.id()))
        .condition_expression(
            "(#hash = :hash OR (#previous = :hash AND #until > :now)) AND attribute_not_exists(#revoked) \
             AND (attribute_not_exists(#expires) OR #expires > :now) \
             AND (attribute_not_exists(#window) OR #window < :limit)",
        )
        .expression_attribute_names("#window", Minute::of(now).attribute())
        .expression_attribute_names("#day", Day::of(now).attribute())
        .expression_attribute_names("#lastUsed", LAST_USED_AT)
        .expression_attribute_names("#uses", uses_attribute(hash.as_ref()))
        .expression_attribute_names("#previous", PREVIOUS_HASH)
        .expression_attribute_names("#until", PREVIOUS_UNTIL)
        .expression_attribute_names("#hash", HASH)
        .expression_attribute_names("#revoked", REVOKED_AT)
        .expression_attribute_names("#expires", EXPIRES_AT)
        .expression_attribute_values(":lastUsed", string(now))
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":hash", AttributeValue::B(hash.clone()))
        .expression_attribute_values(":now", number(now.as_millis()))
        .expression_attribute_values(":limit", number(BURST_LIMIT));
    for (i, minute) in stale.iter().enumerate() {
        request = request.expression_attribute_names(format!("#s{i}"), minute.attribute());
    }
    for (i, ((day, refusal), count)) in riding.refusals.iter().enumerate() {
        refusals += &format!(", #r{i} :r{i}");
        request = request
            .expression_attribute_names(format!("#r{i}"), refusal.attribute(*day))
            .expression_attribute_values(format!(":r{i}"), number(count));
    }
    let request = request.update_expression(format!(
        "SET #lastUsed = :lastUsed ADD #window :one, #day :one, #uses :one{refusals}{}",
        remove(&stale)
    ));

    let (item, admitted) = match db::update(request, ReturnValue::AllNew).await? {
        Ok(item) => (item, true),
        Err(Some(item)) if is_valid(&item, &hash, now) => (item, false),
        Err(_) => return Ok(None),
    };
    let used = integer(&item, &Minute::of(now).attribute()).unwrap_or(BURST_LIMIT);
    let mut stale: Vec<Minute> = item.keys().filter_map(|name| Minute::counted_by(name)).collect();
    stale.retain(|minute| minute.is_stale(now));
    // The request is counted: that its counters could not be tidied up is no reason to fail it.
    if stale.len() > MAX_STALE_WINDOWS && sweep(db, key, &stale).await.is_ok() {
        stale.clear();
    }
    stale.truncate(MAX_STALE_WINDOWS);
    let mut grant = grant(&item)?;
    if !has_hash(&item, HASH, &hash) {
        // The secret from before a rotation ends before the key does.
        let until = integer(&item, PREVIOUS_UNTIL).map(Timestamp::from_millis);
        grant.expires_at = grant.expires_at.into_iter().chain(until).min();
    }
    let mut used = KeyUse { grant, burst: Standing::of_burst(used, now), admitted, stale, item };
    if admitted {
        file_day(db, key, &mut used, now).await;
    }
    Ok(Some(used))
}

/// Moves the counts of a day that is over to an item of its own. Once a day, since the next request finds none.
async fn file_day(db: &Db, key: &ApiKey, used: &mut KeyUse, now: Timestamp) {
    let Some((day, counts)) = usage::first_before(&used.item, Day::of(now)) else { return };
    // The request is counted. What could not be moved now is moved by the next.
    let filed = tokio::time::timeout(FILING_PATIENCE, usage::file(db, &key.id(), day, &counts)).await;
    for attribute in filed.unwrap_or(Ok(Vec::new())).unwrap_or_default() {
        used.item.remove(&attribute);
    }
}

/// Whether a refused update was refused for the burst alone.
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
    // DynamoDB takes an expression of at most 4 KB; what is left over goes the next time.
    let stale = &stale[..stale.len().min(200)];
    let mut request = db
        .update_access(table::api_key(&key.id()))
        .update_expression(remove(stale))
        .condition_expression(table::PRESENT);
    for (i, minute) in stale.iter().enumerate() {
        request = request.expression_attribute_names(format!("#s{i}"), minute.attribute());
    }
    // Whether there still is such a key is no matter: then there is nothing to tidy up.
    db::update(request, ReturnValue::None).await.map(drop)
}
