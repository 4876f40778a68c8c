//! Revokes a key. It knows nothing about who may.

use crate::{
    model::{clock::Timestamp, id::OrgId, key::KeyId},
    store::{
        activity::{self, Act, Actor, Subject},
        api_key::{
            item::{ORGANIZATION, REVOKED_AT},
            summary::find,
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::string,
        organization,
        table::{self, Table},
        transaction::Transaction,
    },
};

/// Revokes the key permanently, from the next request on, and frees its place in the plan. `false`: the organization has no such key that
/// is not already revoked.
pub async fn revoke(db: &Db, org: &OrgId, id: &KeyId, now: Timestamp, actor: &Actor) -> Result<bool, DbError> {
    let Some(key) = find(db, org, id).await?.filter(|key| key.revoked_at.is_none()) else { return Ok(false) };
    let revoke = Expression::update("SET #revoked = :now")
        .only_if("#org = :org AND attribute_not_exists(#revoked)")
        .names([("#revoked", REVOKED_AT), ("#org", ORGANIZATION)])
        .values([(":now", string(now)), (":org", string(org))]);
    let subject = Subject::Key { id: id.clone(), name: key.name, last_four: key.last_four };
    let mut transaction = Transaction::new(db);
    transaction.update(Table::Access, table::api_key(id), revoke)?;
    organization::release_key(&mut transaction, org)?;
    activity::add(&mut transaction, org, now, Act::Revoked, &subject, actor)?;
    Ok(transaction.commit().await?.is_ok())
}
