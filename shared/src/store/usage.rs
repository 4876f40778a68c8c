//! What the holder of a key sees of its usage.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        object::Object,
        plan::Plan,
        scope::Scope,
        window::{Day, Month, Standing},
    },
    store::{
        api_key::KeySummary,
        db::Db,
        error::{DbError, StoreError},
        key_day::{self, KeyDay},
        organization::Organization,
    },
};

/// What a key may do, and how much of that was done.
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
    key: UsedKey,
    /// The organization's plan.
    plan: Plan,
    /// The requests of this minute, of this key.
    burst: UsageWindow,
    /// The requests of this month (UTC), of all keys of the organization.
    month: UsageWindow,
    /// The requests of this key on each of the last 30 days (UTC), today first.
    days: Vec<DayUse>,
}

impl Object for Usage {}

/// The key that asks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsedKey {
    /// Its public id: the ten characters after `hh_live_`.
    id: String,
    /// What you call it.
    name: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// When it was made.
    created_at: Timestamp,
    /// From when on it is refused; `null`: never.
    expires_at: Option<Timestamp>,
}

/// How much of a limit is used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageWindow {
    /// How many requests are served; `null`: as many as wanted.
    limit: Option<u64>,
    /// How many were.
    used: u64,
    /// How many are left; `null`: as many as wanted.
    remaining: Option<u64>,
    /// When it starts anew.
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

/// How often a key was used on a day.
#[derive(Debug, Serialize, ToSchema)]
struct DayUse {
    /// The day, in UTC.
    date: Day,
    /// Requests that counted for the burst.
    requests: u64,
}

/// The last 30 days of a key (UTC), today first.
pub async fn history(db: &Db, key: &KeySummary, now: Timestamp) -> Result<Vec<KeyDay>, DbError> {
    key_day::history(db, &key.id, key.days.clone(), now).await
}

/// The usage of a key: `burst` and `month` are how much of the limits is used, `None` where the plan is unlimited.
pub async fn read(
    db: &Db,
    key: KeySummary,
    organization: Organization,
    burst: Standing,
    month: Option<Standing>,
    now: Timestamp,
) -> Result<Usage, StoreError> {
    let days = history(db, &key, now).await?;
    let KeySummary { id, name, scopes, created_at, expires_at, .. } = key;
    let used = organization.requests_this_month;
    let unlimited = UsageWindow { limit: None, used, remaining: None, resets_at: Month::of(now).ends() };
    Ok(Usage {
        key: UsedKey { id: id.to_string(), name, scopes, created_at, expires_at },
        plan: organization.plan,
        burst: burst.into(),
        month: month.map_or(unlimited, UsageWindow::from),
        days: days.into_iter().map(|KeyDay { date, requests, .. }| DayUse { date, requests }).collect(),
    })
}
