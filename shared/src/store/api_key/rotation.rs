//! Key rotation: a new secret for the same key, while the old one can stay valid for a time. It generates no secret.

use crate::{
    model::{clock::Timestamp, id::OrgId, key::ApiKey},
    store::{
        account::{self, AccountKey, Attribute},
        activity::{self, Act, Actor, Subject},
        api_key::{
            item::{
                LAST_FOUR, ORGANIZATION, PREVIOUS_LAST_FOUR, REVOKED_AT, ROTATED_AT, ROTATIONS, SECRETS, secret,
                usage_uses,
            },
            summary::{KeySummary, find_with_account},
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::{number, string},
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

/// Replaces the secret of the key's id with that of `key`. The key stays one key, so both secrets, while there are two, share one burst and
/// one month, and the plan's limit on keys does not matter. Of two concurrent rotations, one succeeds.
pub async fn rotate(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    key: &ApiKey,
    rotation: Rotation,
    actor: &Actor,
) -> Result<Rotated, DbError> {
    let id = key.id();
    let Some((before, account)) = find_with_account(db, &id).await? else { return Ok(Rotated::Unknown) };
    let hot = account.as_ref().and_then(|account| account.keys.get(&id.number()));
    let (Some(hot), true) = (hot, before.org == *org && before.revoked_at.is_none()) else {
        return Ok(Rotated::Unknown);
    };
    if rotation.seen.is_some_and(|seen| seen != before.rotations) {
        return Ok(Rotated::Overtaken);
    }
    let until = rotation.old_until(before.expires_at);
    let subject = Subject::Key { id: id.clone(), name: before.name.clone(), last_four: key.last_four().to_owned() };
    let mut transaction = Transaction::new(db);
    transaction.update(Table::Access, table::account(&id.account()), new_secret(hot, key, rotation, until))?;
    let rotated =
        transaction.update(Table::Access, table::api_key(&id), rotated(&before, hot, key, until.is_some(), now))?;
    activity::add(&mut transaction, org, now, Act::Rotated, &subject, actor)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(Rotated::Done) };
    match cancelled.failed(rotated) {
        Some(Some(item)) if item.contains_key(REVOKED_AT) => Ok(Rotated::Unknown),
        Some(None) => Ok(Rotated::Unknown),
        _ => Ok(Rotated::Overtaken),
    }
}

/// The update that gives the account's key the secret of `key`, on the condition that it still has the same secret.
fn new_secret(hot: &AccountKey, key: &ApiKey, rotation: Rotation, until: Option<Timestamp>) -> Expression {
    let key_number = key.id().number();
    let mut set = "SET #hash = :hash".to_owned();
    // From now on, the uses of a kept secret are those since the rotation.
    let mut remove = vec![Attribute::uses(key_number, &hot.hash)];
    let mut names = vec![("#hash", Attribute::Hash(key_number))];
    let mut values = Vec::new();
    let (former, end) = (("#former", Attribute::FormerHash(key_number)), ("#end", Attribute::FormerEnd(key_number)));
    if let Some(until) = until {
        set += ", #former = :old, #end = :until";
        names.extend([former, end]);
        values.push((":until", number(until.as_millis())));
    } else {
        remove.extend([former.1, end.1]);
    }
    let expiry = ("#expiry", Attribute::Expiry(key_number));
    match rotation.expires_at {
        Some(Some(expires_at)) => {
            set += ", #expiry = :expiry";
            names.push(expiry);
            values.push((":expiry", number(expires_at.as_millis())));
        }
        Some(None) => remove.push(expiry.1),
        None => {}
    }
    // The secret before the former one is no longer valid, so its counter goes.
    if let Some(older) = hot.former {
        remove.push(Attribute::uses(key_number, &older.hash));
    }
    Expression::update(set + " ADD #revision :one")
        .removing(remove)
        .only_if("#hash = :old")
        .names([account::REVISION_NAME])
        .names(names)
        .values(values)
        .values([
            (":hash", account::stored_hash(&key.hash())),
            (":old", account::stored_hash(&hot.hash)),
            (":one", number(1)),
        ])
}

/// The update of the key's own item, on the condition that it has not been rotated or revoked.
fn rotated(before: &KeySummary, hot: &AccountKey, key: &ApiKey, kept: bool, now: Timestamp) -> Expression {
    let previous = if kept { ", #previousFour = #lastFour" } else { "" };
    let ended_four = (!kept).then(|| PREVIOUS_LAST_FOUR.to_owned());
    let older_uses = hot.former.map(|older| usage_uses(&older.hash));
    Expression::update(format!(
        "SET #lastFour = :lastFour, #rotations = :rotations, #rotatedAt = :now{previous} ADD #secrets :secret"
    ))
    .removing([usage_uses(&hot.hash)].into_iter().chain(ended_four).chain(older_uses))
    .only_if(
        "#org = :org AND attribute_not_exists(#revoked) AND (attribute_not_exists(#rotations) OR #rotations = :seen)",
    )
    .names([
        ("#lastFour", LAST_FOUR),
        ("#rotations", ROTATIONS),
        ("#rotatedAt", ROTATED_AT),
        ("#secrets", SECRETS),
        ("#org", ORGANIZATION),
        ("#revoked", REVOKED_AT),
    ])
    .names(kept.then_some(("#previousFour", PREVIOUS_LAST_FOUR)))
    .values([
        (":lastFour", string(key.last_four())),
        (":rotations", number(before.rotations + 1)),
        (":seen", number(before.rotations)),
        (":now", string(now)),
        (":secret", secret(key)),
        (":org", string(before.org)),
    ])
}
