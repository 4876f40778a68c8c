//! Revokes a key. It knows nothing about who may.

use crate::{
    model::{clock::Timestamp, id::OrgId, key::KeyId},
    store::{
        account::{self, Account, AccountKey},
        activity::{self, Act, Actor, Subject},
        api_key::{
            item::{EXPIRES_AT, LAST_USED_AT, ORGANIZATION, PREVIOUS_UNTIL, PREVIOUS_USES, REVOKED_AT, SCOPES},
            summary::{KeySummary, find_with_account},
        },
        backoff::Backoff,
        db::Db,
        error::DbError,
        expression::Expression,
        item::{number, string},
        key_day,
        table::{self, Table},
        transaction::Transaction,
    },
};

/// Revokes the key permanently, from the next request on, and frees its place in the plan. `false`: the organization has no such key that
/// is not already revoked.
pub async fn revoke(db: &Db, org: &OrgId, id: &KeyId, now: Timestamp, actor: &Actor) -> Result<bool, DbError> {
    let mut backoff = Backoff::new();
    loop {
        let Some((key, account)) = find_with_account(db, id).await? else { return Ok(false) };
        let hot = account.as_ref().and_then(|account| Some((account, account.keys.get(&id.number())?)));
        let (Some((account, hot)), true) = (hot, key.org == *org && key.revoked_at.is_none()) else {
            return Ok(false);
        };
        let subject = Subject::Key { id: id.clone(), name: key.name.clone(), last_four: key.last_four.clone() };
        let mut transaction = Transaction::new(db);
        remove(&mut transaction, account, hot, &key, now)?;
        activity::add(&mut transaction, org, now, Act::Revoked, &subject, actor)?;
        if transaction.commit().await?.is_ok() {
            return Ok(true);
        }
        // A request was counted, or the key has changed since it was read. The limit on requests bounds how often the former happens.
        backoff.pause().await?;
    }
}

/// Moves the key from its account to its own item. The account keeps nothing of it: the counts of its days are filed in the same
/// transaction.
fn remove(
    transaction: &mut Transaction<'_>,
    account: &Account,
    hot: &AccountKey,
    key: &KeySummary,
    now: Timestamp,
) -> Result<(), DbError> {
    let days: Vec<_> = hot.days.iter().map(|(day, count)| (*day, *count)).collect();
    let remove = account::remove_key(key.id.number(), hot, &days);
    transaction.update(Table::Access, table::account(&account.id), remove)?;
    for (day, count) in days {
        key_day::file_in(transaction, &key.id, day, count)?;
    }
    let moments = [
        (EXPIRES_AT, hot.expires_at.map(|at| number(at.as_millis()))),
        (PREVIOUS_UNTIL, hot.former.map(|former| number(former.until.as_millis()))),
        (PREVIOUS_USES, key.previous.as_ref().map(|previous| number(previous.uses))),
        (LAST_USED_AT, key.last_used_at.map(string)),
    ];
    let kept: Vec<_> = moments.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let sets: Vec<String> = (0..kept.len()).map(|i| format!(", #k{i} = :k{i}")).collect();
    let keep = Expression::update(format!("SET #revoked = :now, #scopes = :scopes{}", sets.concat()))
        .only_if("#org = :org AND attribute_not_exists(#revoked)")
        .names([("#revoked", REVOKED_AT), ("#org", ORGANIZATION), ("#scopes", SCOPES)])
        .names(kept.iter().enumerate().map(|(i, (name, _))| (format!("#k{i}"), *name)))
        .values([
            (":now", string(now)),
            (":org", string(key.org)),
            (":scopes", string(account::scope_letters(&hot.scopes))),
        ])
        .values(kept.into_iter().enumerate().map(|(i, (_, value))| (format!(":k{i}"), value)));
    transaction.update(Table::Access, table::api_key(&key.id), keep).map(drop)
}
