//! Finds the key that a request is about: its own. Such a request is counted toward no limit of the account, and needs neither a scope nor a
//! plan.

use crate::{
    admission::{
        decision::{Rejected, Rejection, Seen},
        memory::Memory,
    },
    store::{
        account::{Account, Counting},
        api_key::{self, KeySummary},
        db::Db,
        error::DbError,
    },
};

/// A valid key, as its holder may see it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) key: KeySummary,
    pub(crate) account: Account,
    pub(crate) seen: Seen,
}

/// Finds the presented key, with a look into the database each time. `request.scope` does not matter.
pub(crate) async fn find(db: &Db, memory: &Memory, request: &Counting<'_>) -> Result<Held, Box<Rejected>> {
    let found = match memory.rejects_stranger(request) {
        Some(reason) => Err(reason),
        None => look_up(db, memory, request).await.unwrap_or_else(|error| Err(Rejection::Failed(error))),
    };
    memory.note_holder(request, found.as_ref().err());
    found.map_err(|reason| Box::new(Rejected { standing: None, reason }))
}

async fn look_up(db: &Db, memory: &Memory, request: &Counting<'_>) -> Result<Result<Held, Rejection>, DbError> {
    let Some((mut key, account)) = api_key::find_with_account(db, &request.key.id()).await? else {
        return Ok(Err(Rejection::InvalidKey));
    };
    let seen = account.as_ref().and_then(|account| Seen::of(account, request));
    let (Some(account), Some(seen)) = (account, seen) else {
        memory.watch(request);
        return Ok(Err(Rejection::InvalidKey));
    };
    // A rotated secret can expire before its key does.
    key.expires_at = seen.grant.expires_at;
    Ok(Ok(Held { key, account, seen }))
}
