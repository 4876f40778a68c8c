//! Counts the uses of secrets that have ended, so that an admin sees where one is still in use. It decides nothing.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ReturnValue},
};

use crate::{
    model::{
        clock::Timestamp,
        key::{KeyHash, KeyId},
    },
    store::{
        api_key::item::{LATE_USE_AT, LATE_USES, SECRETS},
        db::Db,
        error::DbError,
        expression::Expression,
        item::{number, string},
        table::{self, Table},
    },
};

/// Counts uses of the secret with this hash, which was refused, if the key has had it. A guess counts nothing.
pub(crate) async fn add_late_uses(
    db: &Db,
    key: &KeyId,
    hash: &KeyHash,
    uses: u64,
    last: Timestamp,
) -> Result<(), DbError> {
    let add = Expression::update("SET #at = :at ADD #uses :uses")
        .only_if("contains(#secrets, :hash)")
        .names([("#at", LATE_USE_AT), ("#uses", LATE_USES), ("#secrets", SECRETS)])
        .values([
            (":at", string(last)),
            (":uses", number(uses)),
            (":hash", AttributeValue::B(Blob::new(hash.as_bytes()))),
        ]);
    db.update(Table::Access, table::api_key(key), add, ReturnValue::None).await.map(drop)
}
