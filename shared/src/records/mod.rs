//! The records: one file each, with its shape, its rules, how it lies in the table, and what reads and writes it.
//!
//! Every function on a tenant's records takes the [`OrgId`] whose they are, which two can tell: [`api_key`] of a key, for
//! [`auth`](crate::auth), and [`member`] of whoever signs in, for [`session`]. Absence is an `Option`; a handler decides that
//! it is an error.

pub mod activity;
pub mod api_key;
pub mod application;
pub mod candidate;
pub mod job;
pub mod member;
pub mod organization;
pub mod position;
pub mod session;
pub mod stage;
pub mod usage;

use serde::de::DeserializeOwned;

use crate::{
    db::{Change, Db, DbError, Item, Patience},
    envelope::Object,
    error::ApiError,
    extract::IfMatch,
    id::OrgId,
    table::Key,
};

/// A record that is updated field by field, each change under the condition that nobody else made one meanwhile.
///
/// Its [`version`](Object::version) is raised with every change.
trait Record: Object + DeserializeOwned + PartialEq {
    /// As it lies in the table.
    fn item(&self, org: &OrgId) -> Result<Item, DbError>;

    /// Writes `new` over `self`, which was read. `false`: `self` is not what is there any more.
    async fn replace(&self, db: &Db, org: &OrgId, key: Key, new: &Self) -> Result<bool, ApiError> {
        Ok(Change::between(&self.item(org)?, &new.item(org)?).make(db.update_record(key)).await?)
    }
}

/// Reads the record, changes it and writes it, as often as somebody else is quicker. A change that changes nothing writes
/// nothing. `None`: the organization has no such record. `VersionConflict`: it is at a version that `if_match` does not
/// allow, or others were quicker for too long.
async fn revise<T: Record>(
    db: &Db,
    org: &OrgId,
    key: Key,
    if_match: &IfMatch,
    change: impl Fn(&T) -> T,
) -> Result<Option<T>, ApiError> {
    let mut patience = Patience::new();
    let mut tried = false;
    loop {
        let Some(old) = db.get::<T>(key.clone()).await? else { return Ok(None) };
        let new = change(&old);
        // After a lost answer, the SDK's second attempt finds the version that the first has written: it was this change.
        if tried && new == old {
            return Ok(Some(old));
        }
        if !old.version().is_some_and(|version| if_match.allows(version)) {
            return Err(ApiError::VersionConflict { current: old.version() });
        }
        if new == old {
            return Ok(Some(old));
        }
        if old.replace(db, org, key.clone(), &new).await? {
            return Ok(Some(new));
        }
        tried = true;
        patience.pause().await.map_err(|_| ApiError::VersionConflict { current: None })?;
    }
}
