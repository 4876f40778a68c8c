//! Decides whether a presented key's request is admitted. Checks the key, its burst, its scope, the plan and the month, in this order.
//!
//! It knows no header, status or route: [`http::caller`](crate::http::caller) reads the key and reports the [`Decision`].

pub(crate) mod memory;

use crate::{
    model::{
        clock::Timestamp,
        denial::Denial,
        key::{ApiKey, Grant, KeyHash},
        scope::Scope,
        window::{BURST_LIMIT, Limits, Standing},
    },
    store::{
        api_key::{self, KeyUse},
        db::Db,
        error::DbError,
        organization::{self, MonthUse},
    },
};
use memory::Memory;

/// Whether a request is served.
pub(crate) type Decision = Result<Admitted, Box<Rejected>>;

/// A request that is served.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// What the key grants.
    pub(crate) grant: Grant,
    /// How much of its limits is used, including this request.
    pub(crate) limits: Limits,
}

/// A request that is not served.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// What the key grants, and how much of its limits is used. `None`: the key is invalid, or the check failed.
    pub(crate) standing: Option<(Grant, Limits)>,
    /// The reason.
    pub(crate) reason: Rejection,
}

/// Why a request is not served.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// The key is unknown, revoked or expired. All three get the same response.
    InvalidKey,
    /// The key lacks the scope.
    Scope(Scope),
    /// The organization's plan has no API access.
    Plan,
    /// The key's minute is used up.
    Burst,
    /// The organization's month is used up.
    Month,
    /// The check failed.
    Failed(DbError),
}

fn reject(grant: Grant, limits: Limits, reason: Rejection) -> Box<Rejected> {
    Box::new(Rejected { standing: Some((grant, limits)), reason })
}

fn reject_unknown(reason: Rejection) -> Box<Rejected> {
    Box::new(Rejected { standing: None, reason })
}

/// Decides on a request that needs `scope`. A request rejected before the month is checked uses no monthly quota.
pub(crate) async fn admit(db: &Db, memory: &Memory, key: &ApiKey, scope: Scope, now: Timestamp) -> Decision {
    let hash = key.hash();
    if let Some((grant, limits)) = memory.used_up_month(&hash, now)
        && memory.used_up_burst(&hash, now).is_none()
        && grant.scopes.contains(&scope)
    {
        memory.note_denial(hash, now, Denial::Month);
        return Err(reject(grant, limits, Rejection::Month));
    }
    if let Some(grant) = memory.used_up_burst(&hash, now) {
        let month = memory.last_month(&hash, now);
        let limits = Limits { now, burst: Standing::of_burst(BURST_LIMIT, now), month };
        memory.note_denial(hash, now, Denial::Burst);
        return Err(reject(grant, limits, Rejection::Burst));
    }
    let (KeyUse { grant, .. }, mut limits) = count_burst(db, memory, key, hash, now).await?;
    if !grant.scopes.contains(&scope) {
        memory.note_denial(hash, now, Denial::Scope);
        return Err(reject(grant, limits, Rejection::Scope(scope)));
    }
    let MonthUse { month, admitted } = match organization::count_request(db, &grant.org, now).await {
        Ok(Some(used)) => used,
        Ok(None) => {
            memory.note_denial(hash, now, Denial::Plan);
            return Err(reject(grant, limits, Rejection::Plan));
        }
        Err(error) => return Err(reject(grant, limits, Rejection::Failed(error))),
    };
    limits.month = month;
    memory.note_month(hash, &grant, &limits);
    if !admitted {
        memory.note_denial(hash, now, Denial::Month);
        return Err(reject(grant, limits, Rejection::Month));
    }
    Ok(Admitted { grant, limits })
}

/// Finds the key and counts the request in the key's minute, or rejects it.
pub(crate) async fn count_burst(
    db: &Db,
    memory: &Memory,
    key: &ApiKey,
    hash: KeyHash,
    now: Timestamp,
) -> Result<(KeyUse, Limits), Box<Rejected>> {
    let backlog = memory.take_backlog(&hash);
    let mut used = match api_key::count_request(db, key, hash, now, &backlog).await {
        Ok(Some(used)) => used,
        Ok(None) => return Err(reject_unknown(Rejection::InvalidKey)),
        Err(error) => return Err(reject_unknown(Rejection::Failed(error))),
    };
    let limits = Limits { now, burst: used.burst, month: memory.last_month(&hash, now) };
    memory.note_burst(hash, &used.grant, &limits, std::mem::take(&mut used.stale));
    if !used.admitted {
        // Nothing was written, so the backlog waits for the next update.
        memory.give_back(hash, backlog);
        memory.note_denial(hash, now, Denial::Burst);
        return Err(reject(used.grant, limits, Rejection::Burst));
    }
    Ok((used, limits))
}
