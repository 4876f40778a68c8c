//! What the records that are updated field by field have in common.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::de::DeserializeOwned;

use crate::{
    model::{id::OrgId, if_match::IfMatch, object::Object},
    store::{
        backoff::Backoff,
        change,
        db::Db,
        error::{DbError, StoreError},
        item::Item,
        table::{Key, Table},
    },
};

/// A record that is updated field by field, each change under the condition that nobody else made one meanwhile.
///
/// Its [`version`](Object::version) is raised with every change.
pub(crate) trait Record: Object + DeserializeOwned + PartialEq {
    /// As it lies in the table.
    fn item(&self, org: &OrgId) -> Result<Item, DbError>;

    /// Writes `new` over `self`, which was read. `false`: `self` is not what is there any more.
    async fn replace(&self, db: &Db, org: &OrgId, key: Key, new: &Self) -> Result<bool, StoreError> {
        let change = change::between(&self.item(org)?, &new.item(org)?);
        Ok(db.update(Table::Records, key, change, ReturnValue::None).await?.is_ok())
    }
}

/// Reads the record, changes it and writes it, as often as somebody else is quicker. A change that changes nothing writes
/// nothing. `None`: the organization has no such record. `VersionConflict`: it is at a version that `if_match` does not
/// allow, or others were quicker for too long.
pub(crate) async fn revise<T: Record>(
    db: &Db,
    org: &OrgId,
    key: Key,
    if_match: &IfMatch,
    change: impl Fn(&T) -> T,
) -> Result<Option<T>, StoreError> {
    let mut backoff = Backoff::new();
    let mut tried = false;
    loop {
        let Some(old) = db.get::<T>(key.clone()).await? else { return Ok(None) };
        let new = change(&old);
        // After a lost answer, the SDK's second attempt finds the version that the first has written: it was this change.
        if tried && new == old {
            return Ok(Some(old));
        }
        if !old.version().is_some_and(|version| if_match.allows(version)) {
            return Err(StoreError::VersionConflict { current: old.version() });
        }
        if new == old {
            return Ok(Some(old));
        }
        if old.replace(db, org, key.clone(), &new).await? {
            return Ok(Some(new));
        }
        tried = true;
        backoff.pause().await.map_err(|_| StoreError::VersionConflict { current: None })?;
    }
}
