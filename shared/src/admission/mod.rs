//! Decides whether a presented key's request is admitted: its key must be valid and have the scope, its organization's plan must have API
//! access, and neither the key's minute nor the organization's month may be used up. The first of these that fails is the reason.
//!
//! It knows no header, status or route: [`http::caller`](crate::http::caller) reads the key and reports the [`Decision`].

mod bounded;
mod decision;
pub(crate) mod memory;
mod reports;
mod strangers;
mod tidy;

use crate::model::{
    key::Grant,
    window::{Limits, Standing},
};
use crate::store::{
    account::{self, Account, Counted, Counting},
    db::Db,
    error::DbError,
};
use decision::limits;
pub(crate) use decision::{Admitted, Decision, Rejected, Rejection, Seen};
use memory::Memory;
pub(crate) use tidy::tidy;

/// Decides on a request, and counts it if it is admitted. What this instance knows to be used up is rejected without a call.
pub(crate) async fn admit(db: &Db, memory: &Memory, request: &Counting<'_>) -> Decision {
    let decision = match memory.rejects(request) {
        Some(rejected) => Err(rejected),
        None => ask(db, memory, request).await.unwrap_or_else(|error| reject(None, Rejection::Failed(error))),
    };
    memory.note(request, &decision);
    decision
}

/// Has DynamoDB check everything and count the request in one update. Only if it refuses does the old item tell why.
async fn ask(db: &Db, memory: &Memory, request: &Counting<'_>) -> Result<Decision, DbError> {
    let (known, stale) = memory.recall(request);
    let (counted, tag) = account::count(db, request, &stale, known.is_none()).await?;
    let account = match (counted, known) {
        (Counted::Changed(counts), Some(known)) if counts.revision == known.revision => {
            let limits = limits(known.plan, counts, request.now);
            return Ok(Ok(Admitted { grant: known.grant, limits }));
        }
        // Somebody has changed the account since this instance read it.
        (Counted::Changed(_), _) => account::get(db, &request.key.id().account()).await?,
        (Counted::Whole(account), _) => Some(account),
        (Counted::Refused(account), _) => {
            let counted = account.as_ref().is_some_and(|account| account.has_counted(request.key, tag));
            if !counted {
                return Ok(refused(memory, account.as_ref(), request));
            }
            account
        }
    };
    let Some((account, seen)) = account.and_then(|account| Seen::of(&account, request).map(|seen| (account, seen)))
    else {
        return Ok(reject(None, Rejection::InvalidKey));
    };
    memory.learn(request, &account, &seen);
    Ok(Ok(Admitted { grant: seen.grant, limits: seen.limits }))
}

/// Why the account refused the request.
fn refused(memory: &Memory, account: Option<&Account>, request: &Counting<'_>) -> Decision {
    let Some(account) = account else { return reject(None, Rejection::InvalidKey) };
    let Some(seen) = Seen::of(account, request) else {
        memory.watch(request);
        return reject(None, Rejection::InvalidKey);
    };
    memory.learn(request, account, &seen);
    let Seen { grant, plan, limits, .. } = seen;
    let reason = if !grant.scopes.contains(&request.scope) {
        Rejection::Scope(request.scope)
    } else if !plan.has_api_access() {
        Rejection::Plan
    } else if limits.burst.is_exhausted() {
        Rejection::Burst
    } else if limits.month.is_some_and(Standing::is_exhausted) {
        Rejection::Month
    } else {
        Rejection::Failed(DbError::Unreadable("an account that refused a request for no reason"))
    };
    reject(Some((grant, limits)), reason)
}

fn reject(standing: Option<(Grant, Limits)>, reason: Rejection) -> Decision {
    Err(Box::new(Rejected { standing, reason }))
}
