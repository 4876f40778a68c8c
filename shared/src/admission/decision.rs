//! What admission decides: whether a request is served, what is known of its key, and otherwise why it is not. It asks nobody.

use crate::{
    model::{
        clock::Timestamp,
        denial::Denial,
        key::Grant,
        plan::Plan,
        scope::Scope,
        window::{Limits, Standing},
    },
    store::{
        account::{Account, Counting, Counts},
        error::DbError,
    },
};

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

/// A request that is not served. It was not counted, either.
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
    /// So many unknown secrets were presented for the key or its account in this second that this one is not looked up.
    UnknownSecrets,
    /// The check failed.
    Failed(DbError),
}

impl Rejection {
    /// The reason as it is counted for the key. `None`: it says nothing about a valid key.
    pub(super) fn denial(&self) -> Option<Denial> {
        match self {
            Self::Scope(_) => Some(Denial::Scope),
            Self::Plan => Some(Denial::Plan),
            Self::Burst => Some(Denial::Burst),
            Self::Month => Some(Denial::Month),
            Self::InvalidKey | Self::UnknownSecrets | Self::Failed(_) => None,
        }
    }
}

/// What an account shows of a key and its limits.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) grant: Grant,
    pub(crate) plan: Plan,
    pub(crate) revision: u64,
    pub(crate) limits: Limits,
}

impl Seen {
    /// `None`: the account has no such key, or it is not valid.
    pub(crate) fn of(account: &Account, request: &Counting<'_>) -> Option<Self> {
        let grant = account.grant(request.key.id().number(), &request.hash, request.now)?;
        let limits = limits(account.plan, account.counts(request), request.now);
        Some(Self { grant, plan: account.plan, revision: account.revision, limits })
    }
}

/// How much of its limits a key has used.
pub(super) fn limits(plan: Plan, counts: Counts, now: Timestamp) -> Limits {
    Limits {
        now,
        burst: Standing::of_burst(counts.burst, now),
        month: Standing::of_plan(plan, counts.month, now),
        usage: None,
    }
}
