//! A key's usage, as its holder sees it. It counts nothing.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        key::KeyHash,
        object::Object,
        plan::{Allowance, Plan},
        scope::Scope,
        window::{Day, Limits, Month, Standing},
    },
    store::{
        account::Account,
        api_key::{self, KeySummary},
        db::Db,
        error::DbError,
        key_day::{self, KeyDay},
        organization,
    },
};

/// What a key can do, and how much of its limits is used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "key": {
        "id": "DemoPro001",
        "name": "all",
        "scopes": ["jobs:read", "candidates:read"],
        "createdAt": "2026-01-05T09:00:00.000Z",
        "expiresAt": null,
    },
    "plan": "professional",
    "burst": { "limit": 60, "used": 3, "remaining": 57, "resetsAt": "2026-11-24T12:01:00.000Z" },
    "month": { "limit": 10_000, "used": 188, "remaining": 9_812, "resetsAt": "2026-12-01T00:00:00.000Z" },
    "days": [{ "date": "2026-11-24", "requests": 12 }, { "date": "2026-11-23", "requests": 176 }],
}))]
pub struct Usage {
    /// The calling key.
    key: UsedKey,
    /// Your organization's plan.
    plan: Plan,
    /// This key's requests in the current minute.
    burst: UsageWindow,
    /// Requests by all keys of your organization in the current month (UTC).
    month: UsageWindow,
    /// This key's requests on each of the last 30 days (UTC), today first.
    days: Vec<DayUse>,
}

impl Object for Usage {}

/// The calling key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsedKey {
    /// The key's public ID: the ten characters after `hh_live_`.
    id: String,
    /// Name of the key.
    name: String,
    /// Scopes of the key.
    scopes: Vec<Scope>,
    /// When the key was created.
    created_at: Timestamp,
    /// When the key expires; `null` if it never does.
    expires_at: Option<Timestamp>,
}

/// Usage of a limit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageWindow {
    /// Maximum number of requests; `null` means unlimited.
    limit: Option<u64>,
    /// Requests used.
    used: u64,
    /// Requests left; `null` means unlimited.
    remaining: Option<u64>,
    /// When the limit resets.
    resets_at: Timestamp,
}

impl From<Standing> for UsageWindow {
    fn from(standing: Standing) -> Self {
        Self {
            limit: Some(standing.limit),
            used: standing.used,
            remaining: Some(standing.remaining()),
            resets_at: standing.resets_at,
        }
    }
}

/// A key's requests on one day.
#[derive(Debug, Serialize, ToSchema)]
struct DayUse {
    /// The day (UTC).
    date: Day,
    /// Requests that counted toward the rate limit and the quota.
    requests: u64,
}

/// The last 30 days of a key (UTC), today first.
pub async fn history(db: &Db, key: &KeySummary, now: Timestamp) -> Result<Vec<KeyDay>, DbError> {
    key_day::history(db, &key.id, &key.days, now).await
}

/// Counts a request for the usage of a key, and answers it. `None`: there were too many in this minute.
pub(crate) async fn read(
    db: &Db,
    key: KeySummary,
    account: &Account,
    hash: &KeyHash,
    limits: Limits,
    now: Timestamp,
) -> Result<Option<Usage>, DbError> {
    let (counted, days, used) = tokio::try_join!(
        api_key::count_usage_request(db, &key, hash, now),
        history(db, &key, now),
        used_this_month(db, account, now),
    )?;
    if !counted {
        return Ok(None);
    }
    let KeySummary { id, name, scopes, created_at, expires_at, .. } = key;
    let unlimited = UsageWindow { limit: None, used, remaining: None, resets_at: Month::of(now).ends() };
    Ok(Some(Usage {
        key: UsedKey { id: id.to_string(), name, scopes, created_at, expires_at },
        plan: account.plan,
        burst: limits.burst.into(),
        month: limits.month.map_or(unlimited, UsageWindow::from),
        days: days.into_iter().map(|KeyDay { date, requests, .. }| DayUse { date, requests }).collect(),
    }))
}

/// Requests by all keys of the organization in this month. Where a plan limits the month, there is one account.
async fn used_this_month(db: &Db, account: &Account, now: Timestamp) -> Result<u64, DbError> {
    match account.plan.monthly_requests() {
        Allowance::Limited(limit) if limit > 0 => Ok(account.in_month(Month::of(now))),
        _ => Ok(organization::get(db, &account.org, now).await?.requests_this_month),
    }
}
