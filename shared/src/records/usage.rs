//! How much a key is used, by day. Today's counts ride on the key's item, in the update that authenticates; when the day is
//! over, they move to an item of their own, once.
//!
//! A refusal writes nothing: the instance that refused remembers it, and it rides on the key's next update there. So what is told of
//! refusals is near the truth: those of an instance that ends before are missing, and an update that is sent again after a lost
//! answer counts its own twice.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, str::FromStr};
use utoipa::{
    ToSchema,
    openapi::schema::{KnownFormat, SchemaFormat, Type},
};

use super::api_key::KeySummary;
use crate::{
    auth::Holder,
    clock::Timestamp,
    db::{Db, DbError, Item, built, integer, number},
    envelope::Object,
    error::{ApiError, ErrorCode},
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
pub struct Day(i64);

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

/// Why a request with a valid key was refused, as far as that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// The minute's requests were used up.
    Burst,
    /// The month's requests were used up.
    Month,
    /// The key lacks the scope.
    Scope,
    /// The plan has no API access.
    Plan,
}

impl RefusalReason {
    /// Every reason there is.
    pub const ALL: [Self; 4] = [Self::Burst, Self::Month, Self::Scope, Self::Plan];
    const PREFIX: &str = "r";

    /// The error that the request was answered with.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Burst => ErrorCode::RateLimitExceeded,
            Self::Month => ErrorCode::MonthlyQuotaExceeded,
            Self::Scope => ErrorCode::InsufficientScope,
            Self::Plan => ErrorCode::PlanNoApiAccess,
        }
    }

    /// Short, because a key's item is charged for every byte with every request.
    const fn letter(self) -> &'static str {
        match self {
            Self::Burst => "b",
            Self::Month => "m",
            Self::Scope => "s",
            Self::Plan => "p",
        }
    }

    /// The attribute of a key's item that counts it on a day.
    pub(crate) fn attribute(self, day: Day) -> String {
        format!("{}{day}{}", Self::PREFIX, self.letter())
    }

    /// The day and the reason that an attribute counts, if it counts one.
    fn counted_by(attribute: &str) -> Option<(Day, Self)> {
        let rest = attribute.strip_prefix(Self::PREFIX)?;
        let reason = Self::ALL.into_iter().find(|reason| rest.ends_with(reason.letter()))?;
        Some((rest.strip_suffix(reason.letter())?.parse().ok()?, reason))
    }
}

/// What happened on a day, or is to be added to what did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) refusals: BTreeMap<RefusalReason, u64>,
}

/// The day that an attribute of a key's item counts something of.
fn day_counted_by(attribute: &str) -> Option<Day> {
    Day::counted_by(attribute).or_else(|| RefusalReason::counted_by(attribute).map(|(day, _)| day))
}

/// The first day before `today` that a key's item counts, with its counts. As a rule there is none, and then nothing is gathered.
pub(crate) fn first_before(item: &Item, today: Day) -> Option<(Day, Counts)> {
    let day = item.keys().filter_map(|name| day_counted_by(name)).filter(|day| *day < today).min()?;
    Some((day, counted(item).remove(&day)?))
}

/// The days that a key's item counts: today, and those that were not moved yet.
pub(crate) fn counted(item: &Item) -> BTreeMap<Day, Counts> {
    let mut days: BTreeMap<Day, Counts> = BTreeMap::new();
    for name in item.keys() {
        if let Some(day) = Day::counted_by(name) {
            days.entry(day).or_default().requests = integer(item, name).unwrap_or(0);
        } else if let Some((day, reason)) = RefusalReason::counted_by(name) {
            days.entry(day).or_default().refusals.insert(reason, integer(item, name).unwrap_or(0));
        }
    }
    days
}

/// Moves the counts of a day that is over from the key's item to the day's own. Nothing is lost or counted twice: the two are one
/// transaction, under the condition that the counts are still those. An instance whose clock is late may begin them anew, and then
/// they are moved again. Answers the attributes that are gone.
pub(crate) async fn file(db: &Db, key: &KeyId, day: Day, counts: &Counts) -> Result<Vec<String>, DbError> {
    let counted = [(day.attribute(), REQUESTS, counts.requests)].into_iter().filter(|(.., count)| *count > 0);
    let refused = counts.refusals.iter().map(|(reason, count)| (reason.attribute(day), reason.code().as_str(), *count));
    let counted: Vec<(String, &str, u64)> = counted.chain(refused).collect();
    let (mut removed, mut conditions, mut added) = (Vec::new(), Vec::new(), Vec::new());
    let mut take = Update::builder().table_name(db.access()).set_key(Some(table::api_key(key).into_item()));
    let mut put = Update::builder()
        .table_name(db.access())
        .set_key(Some(table::api_key_day(key, day).into_item()))
        .expression_attribute_names("#deleteAt", table::DELETE_AT)
        .expression_attribute_values(":deleteAt", number((day.0 + KEPT_DAYS) * DAY_MILLIS / 1_000));
    for (i, (attribute, kept, count)) in counted.iter().enumerate() {
        removed.push(format!("#c{i}"));
        conditions.push(format!("#c{i} = :c{i}"));
        added.push(format!("#c{i} :c{i}"));
        take = take
            .expression_attribute_names(format!("#c{i}"), attribute)
            .expression_attribute_values(format!(":c{i}"), number(count));
        put = put
            .expression_attribute_names(format!("#c{i}"), *kept)
            .expression_attribute_values(format!(":c{i}"), number(count));
    }
    let take =
        take.update_expression(format!("REMOVE {}", removed.join(", "))).condition_expression(conditions.join(" AND "));
    let put = put.update_expression(format!("ADD {} SET #deleteAt = :deleteAt", added.join(", ")));
    let writes = [take, put].map(|update| Ok(TransactWriteItem::builder().update(built(update.build())?).build()));
    // Refused: another instance was quicker.
    db.transact(writes.into_iter().collect::<Result<_, DbError>>()?).await.map(drop)?;
    Ok(counted.into_iter().map(|(attribute, ..)| attribute).collect())
}

/// What happened on a day with a key.
#[derive(Debug)]
pub struct KeyDay {
    /// The day, in UTC.
    pub date: Day,
    /// Requests that had room in their minute.
    pub requests: u64,
    /// Requests that were refused, as far as that was counted.
    pub refusals: BTreeMap<RefusalReason, u64>,
}

/// The last 30 days of a key (UTC), today first.
pub async fn history(db: &Db, key: &KeySummary, now: Timestamp) -> Result<Vec<KeyDay>, DbError> {
    let mut days = key.days.clone();
    let (filed, _) = db.query(&List::api_key_days(&key.id), None, DAYS).await?;
    for item in &filed {
        let day = days.entry(table::day_of(item).ok_or(DbError::Unreadable("a day of a key"))?).or_default();
        day.requests += integer(item, REQUESTS).unwrap_or(0);
        for reason in RefusalReason::ALL {
            if let Some(count) = integer::<u64>(item, reason.code().as_str()) {
                *day.refusals.entry(reason).or_default() += count;
            }
        }
    }
    let today = Day::of(now);
    let dates = (0..DAYS).map(|back| today.back(back));
    Ok(dates
        .map(|date| {
            let Counts { requests, refusals } = days.remove(&date).unwrap_or_default();
            KeyDay { date, requests, refusals }
        })
        .collect())
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

/// The usage of the key that asks.
pub async fn read(db: &Db, holder: Holder, now: Timestamp) -> Result<Usage, ApiError> {
    let Holder { key, organization, burst, month } = holder;
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
