//! A key's rotation: a new secret for the same key, while the old one may go on for a while.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::{EXPIRES_AT, HASH, LAST_FOUR, NAME, ORGANIZATION, REVOKED_AT, grant};
use crate::{
    clock::Timestamp,
    db::{Db, DbError, Item, built, integer, number, string, text},
    id::OrgId,
    key::ApiKey,
    records::activity::{self, Act, Actor, Subject},
    table,
};

pub(super) const ROTATIONS: &str = "rotations";
pub(super) const ROTATED_AT: &str = "rotatedAt";
pub(super) const PREVIOUS_HASH: &str = "previousHash";
const PREVIOUS_LAST_FOUR: &str = "previousLastFour";
/// Milliseconds since 1970, so that a condition can compare it.
pub(super) const PREVIOUS_UNTIL: &str = "previousUntil";
/// Uses of the previous secret from before it was rotated.
const PREVIOUS_USES_BEFORE: &str = "previousUsesBefore";

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// How often the key had been rotated when this was decided on: a rotation since then stands in the way of this one. `None`:
    /// none does.
    pub seen: Option<u64>,
    /// Until when the secret there was so far stays valid; `None`: it is refused from the next request on.
    pub keep_until: Option<Timestamp>,
    /// From when on the key is refused from now on, if that is to change; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
}

impl Rotation {
    /// Until when the secret there was so far stays valid, of a key that expires at `expires_at` so far.
    #[must_use]
    pub fn old_until(&self, expires_at: Option<Timestamp>) -> Option<Timestamp> {
        self.keep_until.map(|until| expires_at.map_or(until, |expires_at| until.min(expires_at)))
    }
}

/// What came of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The key has the new secret.
    Done,
    /// Somebody else was quicker: the key has the secret that they were shown.
    Overtaken,
    /// The organization has no such key that is not revoked.
    Unknown,
}

/// Gives the key's id a new secret: that of `key`. The key stays one item, so that both secrets, while there are two, count on
/// one burst and one month, and the plan's number of keys is not in the way. Of two rotations at once, one is done.
pub async fn rotate(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    key: &ApiKey,
    rotation: Rotation,
    actor: &Actor,
) -> Result<Rotated, DbError> {
    let Rotation { seen, expires_at, .. } = rotation;
    let Some(item) = db.get_access(table::api_key(&key.id())).await? else { return Ok(Rotated::Unknown) };
    let old =
        item.get(HASH).and_then(|value| value.as_b().ok()).ok_or(DbError::Unreadable("a key without its hash"))?;
    let before = grant(&item)?;
    if before.org != *org || item.contains_key(REVOKED_AT) {
        return Ok(Rotated::Unknown);
    }
    let rotations = integer(&item, ROTATIONS).unwrap_or(0);
    if seen.is_some_and(|seen| seen != rotations) {
        return Ok(Rotated::Overtaken);
    }

    let mut request = Update::builder().table_name(db.access()).set_key(Some(table::api_key(&key.id()).into_item()));
    let mut set = "SET #hash = :hash, #lastFour = :lastFour, #rotations = :rotations, #rotatedAt = :now".to_owned();
    let mut remove: Vec<String> = Vec::new();
    if let Some(until) = rotation.old_until(before.expires_at) {
        set +=
            ", #previous = #hash, #previousFour = #lastFour, #until = :until, #before = if_not_exists(#oldUses, :zero)";
        request = request
            .expression_attribute_names("#before", PREVIOUS_USES_BEFORE)
            .expression_attribute_values(":until", number(until.as_millis()))
            .expression_attribute_values(":zero", number(0));
    } else {
        remove.extend(["#previous", "#previousFour", "#until", "#oldUses"].map(str::to_owned));
    }
    match expires_at {
        None => {}
        Some(Some(expires_at)) => {
            set += ", #expires = :expires";
            request = request.expression_attribute_values(":expires", number(expires_at.as_millis()));
        }
        Some(None) => remove.push("#expires".to_owned()),
    }
    if expires_at.is_some() {
        request = request.expression_attribute_names("#expires", EXPIRES_AT);
    }
    // The secret before the last one has had its time.
    if let Some(older) = item.get(PREVIOUS_HASH).and_then(|value| value.as_b().ok()).filter(|older| *older != old) {
        remove.push("#olderUses".to_owned());
        request = request.expression_attribute_names("#olderUses", uses_attribute(older.as_ref()));
    }
    let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
    let request = request
        .update_expression(set + &remove)
        .condition_expression("#org = :org AND attribute_not_exists(#revoked) AND #hash = :old")
        .expression_attribute_names("#hash", HASH)
        .expression_attribute_names("#lastFour", LAST_FOUR)
        .expression_attribute_names("#rotations", ROTATIONS)
        .expression_attribute_names("#rotatedAt", ROTATED_AT)
        .expression_attribute_names("#previous", PREVIOUS_HASH)
        .expression_attribute_names("#previousFour", PREVIOUS_LAST_FOUR)
        .expression_attribute_names("#until", PREVIOUS_UNTIL)
        .expression_attribute_names("#oldUses", uses_attribute(old.as_ref()))
        .expression_attribute_names("#org", ORGANIZATION)
        .expression_attribute_names("#revoked", REVOKED_AT)
        .expression_attribute_values(":hash", AttributeValue::B(Blob::new(key.hash().as_bytes())))
        .expression_attribute_values(":lastFour", string(key.last_four()))
        .expression_attribute_values(":rotations", number(rotations + 1))
        .expression_attribute_values(":now", string(now))
        .expression_attribute_values(":old", AttributeValue::B(old.clone()))
        .expression_attribute_values(":org", string(org));
    let request = request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let name = text(&item, NAME).unwrap_or_default();
    let writes = vec![
        TransactWriteItem::builder().update(built(request.build())?).build(),
        activity::written(
            db,
            org,
            now,
            Act::Rotated,
            &Subject::Key { id: key.id(), name: name.to_owned(), last_four: key.last_four().to_owned() },
            actor,
        )?,
    ];
    let Err(refused) = db.transact(writes).await? else { return Ok(Rotated::Done) };
    match refused.write(0) {
        Some(Some(item)) if !item.contains_key(REVOKED_AT) => Ok(Rotated::Overtaken),
        _ => Ok(Rotated::Unknown),
    }
}

/// The attribute that counts the uses of one secret, by which is told how often a rotated one is still used.
pub(super) fn uses_attribute(hash: &[u8]) -> String {
    format!("s{}", HEXLOWER.encode(&hash[..hash.len().min(4)]))
}

/// The secret that a key had before it was rotated.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSecret {
    /// The last four characters of the whole key.
    pub last_four: String,
    /// From when on it is refused.
    pub until: Timestamp,
    /// How often it was used since the rotation.
    pub uses: u64,
}

impl PreviousSecret {
    pub(super) fn read(item: &Item) -> Option<Self> {
        let hash = item.get(PREVIOUS_HASH)?.as_b().ok()?;
        let uses: u64 = integer(item, &uses_attribute(hash.as_ref())).unwrap_or(0);
        Some(Self {
            last_four: text(item, PREVIOUS_LAST_FOUR)?.to_owned(),
            until: Timestamp::from_millis(integer(item, PREVIOUS_UNTIL)?),
            uses: uses.saturating_sub(integer(item, PREVIOUS_USES_BEFORE).unwrap_or(0)),
        })
    }
}
