//! What a write leaves besides its record: who wrote it, and the mark of the change, on the record's item; and if it has an idempotency key,
//! a marker by which a repeated request finds what was done. It knows no record's fields.
//!
//! The mark is for the SDK, which sends an update again when its response is lost. The repetition fails, because the first attempt has
//! already raised the version. DynamoDB returns the item with that failure, and the mark on it shows that the change was made, whatever
//! others have changed since.
//!
//! The marker is written in the same transaction as the record, so it exists exactly if the write was done. There is no state in between:
//! of two concurrent requests with the same key, one commits, and the other finds the marker. A rejected write leaves no marker.

use std::{str::FromStr, time::Duration};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use serde::{Deserialize, Serialize};

use crate::{
    model::{
        clock::Timestamp,
        id::StageId,
        idempotency::REMEMBERED_HOURS,
        write::{Author, Write, Written},
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        expression::Expression,
        item::{self, Item, integer, number, string},
        response::Readable,
        table::{self, DELETE_AT, Key, Table},
        transaction::{Cancelled, Part, Transaction},
    },
};

/// What a write did, as far as a repeated request needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Effect {
    /// The object's id.
    object: String,
    /// The object's version after the write.
    version: u64,
    /// When the write was made.
    pub(super) at: Timestamp,
    /// The stage that a candidate entered.
    pub(super) stage: Option<StageId>,
    /// The stage that a candidate was in before.
    pub(super) previous_stage: Option<StageId>,
}

impl Effect {
    #[expect(clippy::needless_pass_by_value, reason = "every id is `Copy`")]
    pub(super) fn new(object: impl ToString, version: u64, at: Timestamp) -> Self {
        Self { object: object.to_string(), version, at, stage: None, previous_stage: None }
    }

    /// The same, for a candidate who entered `stage`, perhaps from another.
    pub(super) fn entering(self, stage: StageId, previous: Option<StageId>) -> Self {
        Self { stage: Some(stage), previous_stage: previous, ..self }
    }

    /// The object's id.
    pub(super) fn object<I: FromStr>(&self) -> Result<I, DbError> {
        self.object.parse().map_err(|_| DbError::Unreadable("an idempotency marker's object"))
    }
}

/// The marker of an idempotency key.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    fingerprint: String,
    #[serde(flatten)]
    effect: Effect,
    /// Until when it counts, in Unix seconds. DynamoDB may delete it days later.
    delete_at: i64,
}

impl Marker {
    /// What the write did, if it was the same request. `None`: the marker has expired.
    fn effect(self, write: &Write) -> Result<Option<Effect>, StoreError> {
        if self.delete_at < write.now().as_secs() {
            return Ok(None);
        }
        match write.idempotency() {
            Some(own) if own.fingerprint() == self.fingerprint => Ok(Some(self.effect)),
            _ => Err(StoreError::IdempotencyKeyReused),
        }
    }
}

/// Adds the marker to a transaction, if the write has an idempotency key. The part is the first, because its condition goes before all
/// others: a repeated request is rejected for nothing else.
pub(super) fn mark(transaction: &mut Transaction<'_>, write: &Write, effect: Effect) -> Result<Option<Part>, DbError> {
    let Some(own) = write.idempotency() else { return Ok(None) };
    let kept = Duration::from_hours(REMEMBERED_HOURS);
    let marker =
        Marker { fingerprint: own.fingerprint().to_owned(), effect, delete_at: write.now().plus(kept).as_secs() };
    let item = table::idempotency_marker(write.org(), own.key()).with(item::write(&marker)?);
    let is_free = Expression::condition(format!("{} OR #deleteAt < :now", table::ABSENT))
        .names([("#deleteAt", DELETE_AT)])
        .values([(":now", number(write.now().as_secs()))]);
    Ok(Some(transaction.put_if(Table::Records, item, is_free)?))
}

/// What an earlier request with the same idempotency key did, if that is why the transaction was cancelled.
pub(super) fn earlier(
    write: &Write,
    marked: Option<Part>,
    cancelled: &Cancelled,
) -> Result<Option<Effect>, StoreError> {
    match marked.and_then(|part| cancelled.failed(part)) {
        Some(Some(marker)) => item::read::<Marker>(marker.clone())?.effect(write),
        _ => Ok(None),
    }
}

/// What an earlier request with the same idempotency key did, for a write that is about to be rejected without a transaction.
pub(super) async fn find(db: &Db, write: &Write) -> Result<Option<Effect>, StoreError> {
    let Some(own) = write.idempotency() else { return Ok(None) };
    match db.get::<Marker>(table::idempotency_marker(write.org(), own.key())).await? {
        Some(marker) => marker.effect(write),
        None => Ok(None),
    }
}

/// The response to a repeated creation: the object as it is now, or for a key that may not read it, as it was created.
pub(super) async fn created_before<T: Readable>(
    db: &Db,
    write: &Write,
    key: Key,
    as_created: impl FnOnce() -> T,
) -> Result<Written<T>, StoreError> {
    let now = db.get::<T>(key).await?.ok_or(StoreError::Erased)?;
    Ok(Written::before(if write.may_read() { now } else { as_created() }))
}

/// Who wrote an item, as its attributes. No response shows them.
fn signature(write: &Write) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let of = |Author { key, request_id }: &Author| [("by", string(key)), ("requestId", string(request_id))];
    write.author().map(of).into_iter().flatten()
}

/// How many changes of an item leave a mark at once: the mark of a change is replaced by that of the eighth after it. All of these would
/// have to be made within the seconds of one call.
const MARKS: u64 = 8;

/// Adds who changes an item, and the mark of the change.
pub(super) fn sign_change(write: &Write, item: Item) -> Item {
    let mut item = sign(write, item);
    let version: u64 = integer(&item, "version").unwrap_or_default();
    item.insert(mark_name(version), mark_of(write));
    item
}

/// Whether the write has changed the item, of which these are the attributes now.
pub(super) fn has_changed(write: &Write, item: &Item) -> bool {
    (0..MARKS).any(|version| item.get(&mark_name(version)) == Some(&mark_of(write)))
}

/// The attribute of the mark of the change that has led to a version.
fn mark_name(version: u64) -> String {
    format!("w{}", version % MARKS)
}

fn mark_of(write: &Write) -> AttributeValue {
    AttributeValue::B(Blob::new(write.stamp().tag().to_vec()))
}

/// Adds who wrote an item.
pub(super) fn sign(write: &Write, mut item: Item) -> Item {
    item.extend(signature(write).map(|(name, value)| (name.to_owned(), value)));
    item
}

/// An update that also sets who wrote the item. `rest` is everything but `SET`.
pub(super) fn signed(write: &Write, rest: &str) -> Expression {
    let mut expression = Expression::update(rest);
    for (i, (name, value)) in signature(write).enumerate() {
        let set = if i == 0 { " SET" } else { "," };
        *expression.update.get_or_insert_default() += &format!("{set} #w{i} = :w{i}");
        expression = expression.names([(format!("#w{i}"), name)]).values([(format!(":w{i}"), value)]);
    }
    expression
}
