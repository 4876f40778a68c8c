//! How much a key is used, by day. Today's count rides on the key's item, in the update that authenticates; when the day is
//! over, it moves to an item of its own, once.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::Serialize;
use std::{fmt, str::FromStr};
use utoipa::{
    ToSchema,
    openapi::schema::{KnownFormat, SchemaFormat, Type},
};

use super::api_key::KeySummary;
use crate::{
    auth::Holder,
    clock::Timestamp,
    db::{Db, DbError, built, integer, number},
    envelope::Object,
    error::ApiError,
    key::KeyId,
    limits::{Month, Standing},
    operation::{schemas, simple},
    plan::Plan,
    scope::Scope,
    table::{self, List},
};

/// So many days are told.
const DAYS: usize = 30;
/// A day's item is kept for so long.
const KEPT_DAYS: i64 = 400;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

const REQUESTS: &str = "requests";

/// A calendar day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

impl Day {
    const PREFIX: &str = "d";

    pub(crate) fn of(now: Timestamp) -> Self {
        Self(now.as_millis() / DAY_MILLIS)
    }

    /// The attribute of a key's item that counts this day.
    pub(crate) fn attribute(self) -> String {
        format!("{}{self}", Self::PREFIX)
    }

    /// The day that an attribute counts, if it counts one.
    pub(crate) fn counted_by(attribute: &str) -> Option<Self> {
        attribute.strip_prefix(Self::PREFIX)?.parse().ok()
    }

    fn back(self, days: usize) -> Self {
        Self(self.0 - i64::try_from(days).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Timestamp::from_millis(self.0 * DAY_MILLIS).to_string()[..10])
    }
}

impl FromStr for Day {
    type Err = time::error::Parse;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}T00:00:00.000Z").parse().map(Self::of)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

schemas! {
    Day: simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));
}

/// Moves the count of a day that is over from the key's item to the day's own. Nothing is lost or counted twice: the two are one
/// transaction, under the condition that the count is still there. An instance whose clock is late may begin it anew, and then it
/// is moved again.
pub(crate) async fn file(db: &Db, key: &KeyId, day: Day, requests: u64) -> Result<(), DbError> {
    let take = Update::builder()
        .table_name(db.access())
        .set_key(Some(table::api_key(key).into_item()))
        .update_expression("REMOVE #day")
        .condition_expression("#day = :requests")
        .expression_attribute_names("#day", day.attribute())
        .expression_attribute_values(":requests", number(requests));
    let put = Update::builder()
        .table_name(db.access())
        .set_key(Some(table::api_key_day(key, day).into_item()))
        .update_expression("ADD #requests :requests SET #deleteAt = :deleteAt")
        .expression_attribute_names("#requests", REQUESTS)
        .expression_attribute_names("#deleteAt", table::DELETE_AT)
        .expression_attribute_values(":requests", number(requests))
        .expression_attribute_values(":deleteAt", number((day.0 + KEPT_DAYS) * DAY_MILLIS / 1_000));
    let writes = [take, put].map(|update| Ok(TransactWriteItem::builder().update(built(update.build())?).build()));
    // Refused: another instance was quicker.
    db.transact(writes.into_iter().collect::<Result<_, DbError>>()?).await.map(drop)
}

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
    burst: Window,
    /// The requests of this month (UTC), of all keys of the organization.
    month: Window,
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
struct Window {
    /// How many requests are served; `null`: as many as wanted.
    limit: Option<u64>,
    /// How many were.
    used: u64,
    /// How many are left; `null`: as many as wanted.
    remaining: Option<u64>,
    /// When it starts anew.
    resets_at: Timestamp,
}

impl From<Standing> for Window {
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

/// The usage of the key that asks.
pub async fn read(db: &Db, holder: Holder, now: Timestamp) -> Result<Usage, ApiError> {
    let Holder { key, organization, burst, month, mut days } = holder;
    let (filed, _) = db.query(&List::api_key_days(&key.id), None, DAYS).await?;
    for item in &filed {
        let day = table::day_of(item).ok_or(DbError::Unreadable("a day of a key"))?;
        *days.entry(day).or_default() += integer(item, REQUESTS).unwrap_or(0);
    }
    let KeySummary { id, name, scopes, created_at, expires_at, .. } = key;
    let used = organization.requests_this_month;
    let unlimited = Window { limit: None, used, remaining: None, resets_at: Month::of(now).ends() };
    let today = Day::of(now);
    Ok(Usage {
        key: UsedKey { id: id.to_string(), name, scopes, created_at, expires_at },
        plan: organization.plan,
        burst: burst.into(),
        month: month.map_or(unlimited, Window::from),
        days: (0..DAYS)
            .map(|back| today.back(back))
            .map(|date| DayUse { date, requests: days.get(&date).copied().unwrap_or(0) })
            .collect(),
    })
}
