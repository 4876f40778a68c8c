//! What the records that are updated field by field have in common. It knows no record's fields.

use aws_sdk_dynamodb::types::ReturnValue;

use crate::{
    model::{
        id::OrgId,
        if_match::IfMatch,
        object::Object,
        write::{Write, Written},
    },
    store::{
        backoff::Backoff,
        change,
        db::Db,
        error::{DbError, StoreError},
        item::{self, Item},
        response::Readable,
        table::{Key, Table},
        transaction::{Part, Transaction},
        write::{self, Effect},
    },
};

/// A record that is updated field by field, each time on the condition that it has not changed meanwhile.
///
/// Every change increments its [`version`](Object::version).
pub(crate) trait Record: Object + Readable + PartialEq {
    /// The key of its item.
    fn key(&self, org: &OrgId) -> Key;

    /// Its item in the table, with the key.
    fn item(&self, org: &OrgId) -> Result<Item, DbError>;

    /// Whether other items have to change together with its own.
    fn has_markers_to_change(&self, _new: &Self) -> bool {
        false
    }

    /// Adds the changes of those items to the transaction. The part is one whose failure is an error of its own.
    fn change_markers(
        &self,
        _new: &Self,
        _org: &OrgId,
        _transaction: &mut Transaction<'_>,
    ) -> Result<Option<Part>, DbError> {
        Ok(None)
    }

    /// The error for the failure of that part, given the item that failed it. `Ok`: the record has changed, and the update starts over.
    fn marker_failed(&self, _marker: &Item) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How the attempt to replace a record ended.
enum Replaced<T> {
    /// Holds the record: as it was written, or as it has become since.
    Done(T),
    /// The stored record had changed since it was read.
    Changed,
    /// An earlier request with the same idempotency key made the change.
    Before,
}

/// Replaces a record, as it was read, with `new`, which may be the same: the marker of an idempotency key is written all the same.
async fn replace<T: Record>(db: &Db, write: &Write, old: &T, new: T) -> Result<Replaced<T>, StoreError> {
    let (org, key) = (write.org(), old.key(write.org()));
    let change = change::between(&old.item(org)?, &write::sign_change(write, new.item(org)?));
    if write.idempotency().is_none() && !old.has_markers_to_change(&new) {
        return Ok(match db.update(Table::Records, key, change, ReturnValue::None).await? {
            Ok(_) => Replaced::Done(new),
            Err(Some(item)) if write::has_changed(write, &item) => Replaced::Done(item::read(item)?),
            Err(_) => Replaced::Changed,
        });
    }
    let mut transaction = Transaction::new(db);
    let effect = Effect::new(key.sort_key(), new.version().unwrap_or_default(), write.now());
    let marked = write::mark(&mut transaction, write, effect)?;
    let claimed = if old.has_markers_to_change(&new) { old.change_markers(&new, org, &mut transaction)? } else { None };
    if new == *old {
        transaction.check(Table::Records, key, change::unchanged(&old.item(org)?))?;
    } else {
        transaction.update(Table::Records, key, change)?;
    }
    let Err(cancelled) = transaction.commit().await? else { return Ok(Replaced::Done(new)) };
    if write::earlier(write, marked, &cancelled)?.is_some() {
        return Ok(Replaced::Before);
    }
    if let Some(marker) = claimed.and_then(|part| cancelled.failed(part).flatten()) {
        old.marker_failed(marker).map_err(|error| cancelled.reject(error))?;
    }
    Ok(Replaced::Changed)
}

/// Changes a record, as it was read, and writes it. If another write was faster, reads it again and starts over. If the change has no
/// effect, the record is left alone. `None`: the record is gone. `VersionConflict`: it is at a version that `if_match` does not allow, or
/// other writes were faster for too long.
pub(crate) async fn revise<T: Record>(
    db: &Db,
    write: &Write,
    mut old: T,
    if_match: &IfMatch,
    change: impl Fn(&T) -> T,
) -> Result<Option<Written<T>>, StoreError> {
    let key = old.key(write.org());
    let is_idempotent = write.idempotency().is_some();
    let mut backoff = Backoff::new();
    loop {
        let new = change(&old);
        if !old.version().is_some_and(|version| if_match.allows(version)) {
            return match write::find(db, write).await? {
                Some(_) => Ok(Some(Written::before(old))),
                None => Err(StoreError::VersionConflict { current: old.version() }),
            };
        }
        if new == old && !is_idempotent {
            return Ok(Some(Written::now(old)));
        }
        match replace(db, write, &old, new).await? {
            Replaced::Done(now) => return Ok(Some(Written::now(now))),
            Replaced::Before => return Ok(db.get::<T>(key).await?.map(Written::before)),
            Replaced::Changed => {}
        }
        backoff.pause().await.map_err(|_| StoreError::VersionConflict { current: None })?;
        match db.get::<T>(key.clone()).await? {
            Some(now) => old = now,
            None => return Ok(None),
        }
    }
}
