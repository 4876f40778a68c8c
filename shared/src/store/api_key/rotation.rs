//! Key rotation: a new secret for the same key, while the old one can stay valid for a time. It generates no secret.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{ApiKey, Grant},
    },
    store::{
        activity::{self, Act, Actor, Subject},
        api_key::item::{
            EXPIRES_AT, HASH, LAST_FOUR, NAME, ORGANIZATION, PREVIOUS_HASH, PREVIOUS_LAST_FOUR, PREVIOUS_UNTIL,
            PREVIOUS_USES_BEFORE, REVOKED_AT, ROTATED_AT, ROTATIONS, grant, stored_hash, uses_attribute,
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string, text},
        table::{self, Table},
        transaction::Transaction,
    },
};

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// How often the key had been rotated when this rotation was requested. If it has been rotated since, this rotation fails. `None`: it
    /// does not.
    pub seen: Option<u64>,
    /// Until when the current secret stays valid. `None`: it is rejected from the next request on.
    pub keep_until: Option<Timestamp>,
    /// The key's new expiry. `None`: unchanged. `Some(None)`: it never expires.
    pub expires_at: Option<Option<Timestamp>>,
}

impl Rotation {
    /// Until when the current secret stays valid, which is never beyond the key's current `expires_at`.
    #[must_use]
    pub fn old_until(&self, expires_at: Option<Timestamp>) -> Option<Timestamp> {
        self.keep_until.map(|until| expires_at.map_or(until, |expires_at| until.min(expires_at)))
    }
}

/// The outcome of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The key has the new secret.
    Done,
    /// Another rotation was faster, and the key has that one's secret.
    Overtaken,
    /// The organization has no such key that is not revoked.
    Unknown,
}

/// Replaces the secret of the key's id with that of `key`. The key stays one item, so both secrets, while there are two, share one burst
/// and one month, and the plan's limit on keys does not matter. Of two concurrent rotations, one succeeds.
pub async fn rotate(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    key: &ApiKey,
    rotation: Rotation,
    actor: &Actor,
) -> Result<Rotated, DbError> {
    let Some(item) = db.get_access(table::api_key(&key.id())).await? else { return Ok(Rotated::Unknown) };
    if grant(&item)?.org != *org || item.contains_key(REVOKED_AT) {
        return Ok(Rotated::Unknown);
    }
    if rotation.seen.is_some_and(|seen| seen != rotations(&item)) {
        return Ok(Rotated::Overtaken);
    }

    let change = new_secret(&item, key, rotation, now)?;
    let name = text(&item, NAME).unwrap_or_default().to_owned();
    let subject = Subject::Key { id: key.id(), name, last_four: key.last_four().to_owned() };
    let mut transaction = Transaction::new(db);
    let rotated = transaction.update(Table::Access, table::api_key(&key.id()), change)?;
    activity::add(&mut transaction, org, now, Act::Rotated, &subject, actor)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(Rotated::Done) };
    match cancelled.failed(rotated) {
        Some(Some(item)) if !item.contains_key(REVOKED_AT) => Ok(Rotated::Overtaken),
        _ => Ok(Rotated::Unknown),
    }
}

/// How often the key of this item has been rotated.
fn rotations(item: &Item) -> u64 {
    integer(item, ROTATIONS).unwrap_or(0)
}

/// The update that gives this item the secret of `key`, on the condition that it still has the same secret and is not revoked.
fn new_secret(item: &Item, key: &ApiKey, rotation: Rotation, now: Timestamp) -> Result<Expression, DbError> {
    let old =
        item.get(HASH).and_then(|value| value.as_b().ok()).ok_or(DbError::Unreadable("a key without its hash"))?;
    let Grant { org, expires_at, .. } = grant(item)?;
    let mut set = "SET #hash = :hash, #lastFour = :lastFour, #rotations = :rotations, #rotatedAt = :now".to_owned();
    let mut remove: Vec<&str> = Vec::new();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    if let Some(until) = rotation.old_until(expires_at) {
        set +=
            ", #previous = #hash, #previousFour = #lastFour, #until = :until, #before = if_not_exists(#oldUses, :zero)";
        names.push(("#before", PREVIOUS_USES_BEFORE.to_owned()));
        values.extend([(":until", number(until.as_millis())), (":zero", number(0))]);
    } else {
        remove.extend(["#previous", "#previousFour", "#until", "#oldUses"]);
    }
    if let Some(expires_at) = rotation.expires_at {
        names.push(("#expires", EXPIRES_AT.to_owned()));
        match expires_at {
            Some(expires_at) => {
                set += ", #expires = :expires";
                values.push((":expires", number(expires_at.as_millis())));
            }
            None => remove.push("#expires"),
        }
    }
    // The secret before the previous one is no longer valid, so its counter goes.
    if let Some(older) = item.get(PREVIOUS_HASH).and_then(|value| value.as_b().ok()).filter(|older| *older != old) {
        remove.push("#olderUses");
        names.push(("#olderUses", uses_attribute(older.as_ref())));
    }
    let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
    Ok(Expression::update(set + &remove)
        .only_if("#org = :org AND attribute_not_exists(#revoked) AND #hash = :old")
        .names(names)
        .names([("#oldUses", uses_attribute(old.as_ref()))])
        .names([
            ("#hash", HASH),
            ("#lastFour", LAST_FOUR),
            ("#rotations", ROTATIONS),
            ("#rotatedAt", ROTATED_AT),
            ("#previous", PREVIOUS_HASH),
            ("#previousFour", PREVIOUS_LAST_FOUR),
            ("#until", PREVIOUS_UNTIL),
            ("#org", ORGANIZATION),
            ("#revoked", REVOKED_AT),
        ])
        .values(values)
        .values([
            (":hash", stored_hash(key)),
            (":lastFour", string(key.last_four())),
            (":rotations", number(rotations(item) + 1)),
            (":now", string(now)),
            (":old", AttributeValue::B(old.clone())),
            (":org", string(org)),
        ]))
}
