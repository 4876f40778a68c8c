//! Counts the requests of a key about itself, `GET /usage`, which have a limit of their own so that they can explain the other. The counters
//! are on the key's own item, so that they cost the account nothing.

use aws_sdk_dynamodb::types::ReturnValue;

use crate::{
    model::{
        clock::Timestamp,
        key::KeyHash,
        window::{BURST_LIMIT, Minute},
    },
    store::{
        api_key::{
            item::{LAST_USAGE_AT, usage_minute, usage_uses},
            summary::KeySummary,
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::{number, string},
        table::{self, Table},
    },
};

/// Counts the request if the key's minute has room for it, and removes the counters of past minutes. `false`: it has none.
pub(crate) async fn count_usage_request(
    db: &Db,
    key: &KeySummary,
    hash: &KeyHash,
    now: Timestamp,
) -> Result<bool, DbError> {
    let stale = key.usage_minutes.iter().copied().filter(|minute| minute.is_stale(now));
    let count = Expression::update("SET #at = :now ADD #minute :one, #uses :one")
        .removing(stale.map(usage_minute))
        .only_if("attribute_exists(pk) AND (attribute_not_exists(#minute) OR #minute < :limit)")
        .names([("#at", LAST_USAGE_AT.to_owned()), ("#minute", usage_minute(Minute::of(now)))])
        .names([("#uses", usage_uses(hash))])
        .values([(":now", string(now)), (":one", number(1)), (":limit", number(BURST_LIMIT))]);
    let counted = db.update(Table::Access, table::api_key(&key.id), count, ReturnValue::None).await?;
    Ok(counted.is_ok())
}
