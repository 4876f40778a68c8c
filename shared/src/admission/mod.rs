//! Decides whether a presented key's request is admitted: its key must be valid and have the scope, its organization's plan must have API
//! access, and neither the key's minute nor the organization's month may be used up. The first of these that fails is the reason.
//!
//! It knows no header, status or route: [`http::caller`](crate::http::caller) reads the key and reports the [`Decision`].

mod bounded;
mod decision;
pub(crate) mod holder;
pub(crate) mod memory;
mod reports;
mod strangers;
mod tidy;

use crate::{
    model::{
        id::OrgId,
        key::Grant,
        window::{Limits, Standing},
    },
    store::{
        account::{self, Account, Counted, Counting},
        db::Db,
        error::DbError,
    },
};
use decision::Seen;
use decision::limits;
pub(crate) use decision::{Admitted, Decision, Rejected, Rejection};
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

/// Like [`admit`], and reads for the caller's organization: at the same time where this instance expects the request to be admitted, else
/// afterwards. A read of a request that is rejected is dropped, whether or not it has ended.
pub(crate) async fn admit_and_read<T>(
    db: &Db,
    memory: &Memory,
    request: &Counting<'_>,
    read: impl AsyncFnOnce(OrgId) -> T,
) -> Result<(Admitted, T), Box<Rejected>> {
    // On the heap: a call to DynamoDB takes much room.
    let mut admitting = Box::pin(admit(db, memory, request));
    let Some(org) = memory.expects(request) else {
        let admitted = admitting.await?;
        let read = Box::pin(read(admitted.grant.org)).await;
        return Ok((admitted, read));
    };
    let mut reading = Box::pin(read(org));
    let mut early = None;
    let admitted = loop {
        tokio::select! {
            biased;
            decision = &mut admitting => break decision?,
            read = &mut reading, if early.is_none() => early = Some(read),
        }
    };
    let read = match early {
        Some(read) => read,
        None => reading.await,
    };
    Ok((admitted, read))
}

/// Has DynamoDB check everything and count the request in one update. Only if it refuses does the old item tell why.
async fn ask(db: &Db, memory: &Memory, request: &Counting<'_>) -> Result<Decision, DbError> {
    let (known, stale) = memory.recall(request);
    let (counted, tag) = account::count(db, request, &stale, known.is_none()).await?;
    let (account, known) = match (counted, known) {
        (Counted::Changed(counts), Some(known)) => {
            let is_current = counts.revision == known.revision;
            let limits = limits(known.plan, counts, request.now);
            let known = Admitted { grant: known.grant, limits };
            if is_current {
                return Ok(Ok(known));
            }
            // Somebody has changed the account since this instance read it. If it can't be read again, this is known well enough.
            (account::get(db, &request.key.id().account()).await.ok().flatten(), Some(known))
        }
        (Counted::Whole(account), _) => (Some(account), None),
        // The SDK has sent the update again after a lost response, and this request was counted. If the key has been rotated or revoked
        // since, what this instance knew of it still holds for this request; an instance that knew nothing rejects it.
        (Counted::Refused(Some(account)), known)
            if account.has_counted(request.key, tag) && (known.is_some() || Seen::of(&account, request).is_some()) =>
        {
            let counts = account.counts(request);
            let known =
                known.map(|known| Admitted { grant: known.grant, limits: limits(known.plan, counts, request.now) });
            (Some(account), known)
        }
        (Counted::Refused(account), _) => return Ok(refused(memory, account.as_ref(), request)),
        (Counted::Changed(_), None) => return Err(DbError::Unreadable("part of an account that was asked for whole")),
    };
    let seen = account.and_then(|account| Seen::of(&account, request).map(|seen| (account, seen)));
    match (seen, known) {
        (Some((account, seen)), _) => {
            memory.learn(request, &account, &seen);
            Ok(Ok(Admitted { grant: seen.grant, limits: seen.limits }))
        }
        (None, Some(known)) => Ok(Ok(known)),
        (None, None) => Err(DbError::Unreadable("an account that counted a request without its key")),
    }
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
