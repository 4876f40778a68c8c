//! What the records that are updated field by field have in common. It knows no record's fields.

use aws_sdk_dynamodb::types::ReturnValue;

use crate::{
    model::{id::OrgId, if_match::IfMatch, object::Object},
    store::{
        backoff::Backoff,
        change,
        db::Db,
        error::{DbError, StoreError},
        item::Item,
        response::Readable,
        table::{Key, Table},
    },
};

/// A record that is updated field by field, each time on the condition that it has not changed meanwhile.
///
/// Every change increments its [`version`](Object::version).
pub(crate) trait Record: Object + Readable + PartialEq {
    /// Its item in the table.
    fn item(&self, org: &OrgId) -> Result<Item, DbError>;

    /// Replaces `self`, as it was read, with `new`. `false`: the stored record has changed meanwhile.
    async fn replace(&self, db: &Db, org: &OrgId, key: Key, new: &Self) -> Result<bool, StoreError> {
        let change = change::between(&self.item(org)?, &new.item(org)?);
        Ok(db.update(Table::Records, key, change, ReturnValue::None).await?.is_ok())
    }
}

/// Changes a record, as it was read, and writes it. If another write was faster, reads it again and starts over. If the change has no
/// effect, nothing is written. `None`: the record is gone. `VersionConflict`: it is at a version that `if_match` does not allow, or other
/// writes were faster for too long.
pub(crate) async fn revise<T: Record>(
    db: &Db,
    org: &OrgId,
    key: Key,
    mut old: T,
    if_match: &IfMatch,
    change: impl Fn(&T) -> T,
) -> Result<Option<T>, StoreError> {
    let mut backoff = Backoff::new();
    let mut tried = false;
    loop {
        let new = change(&old);
        // After a lost response, the SDK's retry fails on the version that the first attempt wrote: this change was made.
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
        match db.get::<T>(key.clone()).await? {
            Some(now) => old = now,
            None => return Ok(None),
        }
    }
}
