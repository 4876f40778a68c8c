//! Key rotation: a new secret for the same key, while the old one can stay valid for a time. It generates no secret.

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{ApiKey, KeyHash},
    },
    store::{
        account::{self, AccountKey, Attribute},
        activity::{self, Act, Actor, Subject},
        api_key::{
            item::{
                LAST_FOUR, ORGANIZATION, PREVIOUS_EXPIRES_AT, PREVIOUS_LAST_FOUR, REVOKED_AT, ROTATED_AT, ROTATIONS,
                SECRETS, secret, usage_uses,
            },
            summary::{KeySummary, Seen, find_with_account},
        },
        backoff::Backoff,
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
    /// What was seen of the key when this rotation was requested. If that has changed since, this rotation fails. `None`: it does not.
    pub seen: Option<Seen>,
    /// Until when the secret in use stays valid: the current one, or if that is replaced unused, the former one. `None`: it is rejected
    /// from the next request on.
    pub keep_until: Option<Timestamp>,
    /// The key's new expiry. `None`: unchanged. `Some(None)`: it never expires.
    pub expires_at: Option<Option<Timestamp>>,
}

/// The outcome of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The key has the new secret.
    Done,
    /// The key has changed since it was seen: by another rotation, or by the first use of its current secret.
    Overtaken,
    /// The organization has no such key that is not revoked.
    Unknown,
}

/// Replaces the secret of the key's id with that of `key`. The key stays one key, so both secrets, while there are two, share one burst and
/// one month, and the plan's limit on keys does not matter. Of two concurrent rotations, one succeeds.
///
/// While a former secret is valid and the current one was never used, nobody may have seen the current one: the response that shows it
/// can get lost. So only the current one is replaced, and the former one, which programs use, goes on. The transaction's conditions decide
/// whether the current one was used, not what was read before.
pub async fn rotate(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    key: &ApiKey,
    rotation: Rotation,
    actor: &Actor,
) -> Result<Rotated, DbError> {
    let id = key.id();
    let mut backoff = Backoff::new();
    let mut rotations = rotation.seen.map(|seen| seen.rotations);
    loop {
        let Some((before, account)) = find_with_account(db, &id).await? else { return Ok(Rotated::Unknown) };
        let hot = account.as_ref().and_then(|account| account.keys.get(&id.number()));
        let (Some(hot), true) = (hot, before.org == *org && before.revoked_at.is_none()) else {
            return Ok(Rotated::Unknown);
        };
        let seen = before.seen(now);
        if rotations.is_some_and(|rotations| rotations != seen.rotations)
            || rotation.seen.is_some_and(|expected| expected != seen)
        {
            return Ok(Rotated::Overtaken);
        }
        rotations = Some(seen.rotations);
        let change = Change { before: &before, hot, key, rotation, unused: seen.replaces_unused };
        let subject = Subject::Key { id: id.clone(), name: before.name.clone(), last_four: key.last_four().to_owned() };
        let mut transaction = Transaction::new(db);
        transaction.update(Table::Access, table::account(&id.account()), change.of_account())?;
        let of_key = transaction.update(Table::Access, table::api_key(&id), change.of_key(now))?;
        activity::add(&mut transaction, org, now, Act::Rotated, &subject, actor)?;
        let Err(cancelled) = transaction.commit().await? else { return Ok(Rotated::Done) };
        match cancelled.failed(of_key) {
            Some(Some(item)) if item.contains_key(REVOKED_AT) => return Ok(Rotated::Unknown),
            Some(None) => return Ok(Rotated::Unknown),
            // The current secret was used since it was read, or the former one has ended.
            _ if seen.replaces_unused => backoff.pause().await?,
            _ => return Ok(Rotated::Overtaken),
        }
    }
}

/// One rotation, of a key as it was read.
struct Change<'a> {
    before: &'a KeySummary,
    hot: &'a AccountKey,
    key: &'a ApiKey,
    rotation: Rotation,
    /// Whether the current secret is replaced unused, and the former one stays.
    unused: bool,
}

impl Change<'_> {
    /// Until when the secret in use stays valid. `None`: it ends.
    fn until(&self) -> Option<Timestamp> {
        self.before.kept_until(self.rotation.keep_until, self.unused)
    }

    /// The update that gives the account's key the new secret, on the condition that it still has the same ones.
    fn of_account(&self) -> Expression {
        let key_number = self.key.id().number();
        let mut set = "SET #hash = :hash".to_owned();
        let mut condition = "#hash = :old".to_owned();
        let mut names = vec![("#hash", Attribute::Hash(key_number))];
        let mut values = Vec::new();
        let mut remove = Vec::new();
        let (former, end) =
            (("#former", Attribute::FormerHash(key_number)), ("#end", Attribute::FormerEnd(key_number)));
        let uses = Attribute::uses(key_number, &self.hot.hash);
        if let Some(older) = self.hot.former.filter(|_| self.unused) {
            condition += " AND attribute_not_exists(#uses) AND #former = :former AND #end = :end";
            names.extend([former, end, ("#uses", uses)]);
            values.extend([(":former", account::stored_hash(&older.hash)), (":end", number(older.until.as_millis()))]);
        } else {
            // From now on, the uses of a kept secret are those since the rotation.
            remove.push(uses);
        }
        if let Some(until) = self.until() {
            set += if self.unused { ", #end = :until" } else { ", #former = :old, #end = :until" };
            names.extend([former, end]);
            values.push((":until", number(until.as_millis())));
        } else {
            remove.extend([former.1, end.1]);
        }
        let expiry = ("#expiry", Attribute::Expiry(key_number));
        match self.rotation.expires_at {
            Some(Some(expires_at)) => {
                set += ", #expiry = :expiry";
                names.push(expiry);
                values.push((":expiry", number(expires_at.as_millis())));
            }
            Some(None) => remove.push(expiry.1),
            None => {}
        }
        // A secret that is no longer valid needs no counter.
        remove.extend(self.ended_former().map(|ended| Attribute::uses(key_number, ended)));
        Expression::update(set + " ADD #revision :one")
            .removing(remove)
            .only_if(condition)
            .names([account::REVISION_NAME])
            .names(names)
            .values(values)
            .values([
                (":hash", account::stored_hash(&self.key.hash())),
                (":old", account::stored_hash(&self.hot.hash)),
                (":one", number(1)),
            ])
    }

    /// The former secret, if it ends with this rotation.
    fn ended_former(&self) -> Option<&KeyHash> {
        let former = self.hot.former.as_ref().filter(|_| !self.unused || self.until().is_none());
        former.map(|former| &former.hash)
    }

    /// The update of the key's own item, on the condition that it has not been rotated or revoked.
    fn of_key(&self, now: Timestamp) -> Expression {
        let Self { before, hot, key, .. } = self;
        let mut set = "SET #lastFour = :lastFour, #rotations = :rotations, #rotatedAt = :now".to_owned();
        let mut condition = "#org = :org AND attribute_not_exists(#revoked) \
             AND (attribute_not_exists(#rotations) OR #rotations = :seen)"
            .to_owned();
        let mut names: Vec<(&str, String)> = Vec::new();
        let mut values = Vec::new();
        let mut remove: Vec<String> = self.ended_former().map(usage_uses).into_iter().collect();
        if self.unused {
            condition += " AND attribute_not_exists(#uses)";
            names.push(("#uses", usage_uses(&hot.hash)));
        } else {
            remove.push(usage_uses(&hot.hash));
        }
        match (self.until(), self.unused, before.expires_at) {
            (Some(_), true, _) => {}
            (Some(_), false, limit) => {
                set += ", #previousFour = #lastFour";
                names.push(("#previousFour", PREVIOUS_LAST_FOUR.to_owned()));
                if let Some(limit) = limit {
                    set += ", #previousExpiry = :previousExpiry";
                    names.push(("#previousExpiry", PREVIOUS_EXPIRES_AT.to_owned()));
                    values.push((":previousExpiry", number(limit.as_millis())));
                } else {
                    remove.push(PREVIOUS_EXPIRES_AT.to_owned());
                }
            }
            (None, ..) => remove.extend([PREVIOUS_LAST_FOUR.to_owned(), PREVIOUS_EXPIRES_AT.to_owned()]),
        }
        Expression::update(set + " ADD #secrets :secret")
            .removing(remove)
            .only_if(condition)
            .names([
                ("#lastFour", LAST_FOUR),
                ("#rotations", ROTATIONS),
                ("#rotatedAt", ROTATED_AT),
                ("#secrets", SECRETS),
                ("#org", ORGANIZATION),
                ("#revoked", REVOKED_AT),
            ])
            .names(names)
            .values(values)
            .values([
                (":lastFour", string(key.last_four())),
                (":rotations", number(before.rotations + 1)),
                (":seen", number(before.rotations)),
                (":now", string(now)),
                (":secret", secret(key)),
                (":org", string(before.org)),
            ])
    }
}
