//! From the `X-API-Key` header to a [`Caller`]: the key, its burst, its scope, the plan and the month, in this order.
//!
//! A handler that takes a `Caller<JobsRead>` is served only for a key that has `jobs:read` and whose limits have room.
//! A function of the API has no other way to an organization's id, so a handler that forgets the key does not compile. (The settings
//! have one of their own: whose [session](crate::records::session) it is.)

use std::marker::PhantomData;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use crate::{
    app::App,
    clock::Timestamp,
    error::{ApiError, MissingKey},
    exchange,
    id::OrgId,
    key::{ApiKey, Grant, KeyHash},
    limits::{BURST_LIMIT, Limits, Standing},
    records::{
        api_key::{self, KeySummary, KeyUse},
        organization::{self, MonthUse, Organization},
        usage::RefusalReason,
    },
    scope::{RequiredScope, Scope},
};

/// The header that carries the key.
pub const API_KEY_HEADER: &str = "x-api-key";

/// Who makes a request: an organization, through a key that has the scope `S`.
#[derive(Debug)]
pub struct Caller<S> {
    org: OrgId,
    may_read: bool,
    scope: PhantomData<S>,
}

impl<S> Caller<S> {
    /// The organization that the key belongs to.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// Whether the key may also read what its scope `S` changes. Write does not imply read.
    pub(crate) fn may_read(&self) -> bool {
        self.may_read
    }
}

impl<S: RequiredScope> FromRequestParts<App> for Caller<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let key = presented_key(&parts.headers)?;
        let Grant { org, scopes, .. } = admit(app, &key, S::SCOPE).await?;
        let may_read = S::SCOPE.read().is_some_and(|read| scopes.contains(&read));
        Ok(Self { org, may_read, scope: PhantomData })
    }
}

fn presented_key(headers: &HeaderMap) -> Result<ApiKey, ApiError> {
    let mut presented = headers.get_all(API_KEY_HEADER).iter();
    let key = match presented.next() {
        // An unset variable in somebody's script.
        Some(empty) if empty.as_bytes().trim_ascii().is_empty() => {
            return Err(ApiError::MissingApiKey(MissingKey::Empty));
        }
        Some(key) => key,
        None if headers.contains_key(header::AUTHORIZATION) => {
            return Err(ApiError::MissingApiKey(MissingKey::Elsewhere));
        }
        None => return Err(ApiError::MissingApiKey(MissingKey::Absent)),
    };
    if presented.next().is_some() {
        return Err(ApiError::InvalidApiKey);
    }
    let key = key.to_str().ok().and_then(ApiKey::parse).ok_or(ApiError::InvalidApiKey)?;
    // Whether or not it is valid: whose revoked key is still in use somewhere is found by its id, which is no secret.
    exchange::note_key(key.id());
    Ok(key)
}

/// Whoever has a valid key, whatever its scopes and its plan: to be told about the key itself. It counts for the burst, and
/// costs nothing of the month. Whether the key is valid is asked each time: nothing of it is told from memory.
#[derive(Debug)]
pub struct Holder {
    pub(crate) key: KeySummary,
    pub(crate) organization: Organization,
    pub(crate) burst: Standing,
    /// `None`: the plan is unlimited.
    pub(crate) month: Option<Standing>,
}

impl FromRequestParts<App> for Holder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let key = presented_key(&parts.headers)?;
        let now = app.clock.now();
        let (used, mut limits) = count_burst(app, &key, key.hash(), now).await?;
        let organization = organization::get(&app.db, &used.grant.org, now).await?;
        limits.month = Standing::of_plan(organization.plan, organization.requests_this_month, now);
        exchange::note_limits(&limits);
        let (burst, month) = (limits.burst, limits.month);
        let mut key = used.summary()?;
        // Which may be a secret that ends before its key does.
        key.expires_at = used.grant.expires_at;
        Ok(Self { key, organization, burst, month })
    }
}

/// Admits a request or says why not. What is refused before the month costs no monthly quota.
async fn admit(app: &App, key: &ApiKey, scope: Scope) -> Result<Grant, ApiError> {
    let now = app.clock.now();
    let hash = key.hash();

    if let Some((grant, limits)) = app.memory.month_refusal(&hash, now)
        && app.memory.burst_refusal(&hash, now).is_none()
        && grant.scopes.contains(&scope)
    {
        note(&grant, &limits);
        app.memory.note_refusal(hash, now, RefusalReason::Month);
        return Err(limits.monthly_quota_exceeded());
    }

    if let Some(grant) = app.memory.burst_refusal(&hash, now) {
        let month = app.memory.last_month(&hash, now);
        let limits = Limits { now, burst: Standing::of_burst(BURST_LIMIT, now), month };
        note(&grant, &limits);
        app.memory.note_refusal(hash, now, RefusalReason::Burst);
        return Err(limits.rate_limit_exceeded());
    }
    let (KeyUse { grant, .. }, mut limits) = count_burst(app, key, hash, now).await?;
    if !grant.scopes.contains(&scope) {
        app.memory.note_refusal(hash, now, RefusalReason::Scope);
        return Err(ApiError::InsufficientScope(scope));
    }

    let Some(MonthUse { month, admitted }) = organization::count_request(&app.db, &grant.org, now).await? else {
        app.memory.note_refusal(hash, now, RefusalReason::Plan);
        return Err(ApiError::PlanNoApiAccess);
    };
    limits.month = month;
    app.memory.note_month(hash, &grant, &limits);
    exchange::note_limits(&limits);
    if !admitted {
        app.memory.note_refusal(hash, now, RefusalReason::Month);
        return Err(limits.monthly_quota_exceeded());
    }
    Ok(grant)
}

/// Finds the key and counts the request in its minute, or says why not.
async fn count_burst(app: &App, key: &ApiKey, hash: KeyHash, now: Timestamp) -> Result<(KeyUse, Limits), ApiError> {
    let riding = app.memory.take_riding(&hash);
    let used = api_key::count_request(&app.db, key, hash, now, &riding).await?;
    let mut used = used.ok_or(ApiError::InvalidApiKey)?;
    let limits = Limits { now, burst: used.burst, month: app.memory.last_month(&hash, now) };
    app.memory.note_burst(hash, &used.grant, &limits, std::mem::take(&mut used.stale));
    note(&used.grant, &limits);
    if !used.admitted {
        // Nothing was written: what was to ride along waits for the next.
        app.memory.give_back(hash, riding);
        app.memory.note_refusal(hash, now, RefusalReason::Burst);
        return Err(limits.rate_limit_exceeded());
    }
    Ok((used, limits))
}

/// Leaves for the answer and the log who asks, and how they stand.
fn note(grant: &Grant, limits: &Limits) {
    exchange::note_organization(grant.org);
    exchange::note_expiry(grant.expires_at, limits.now);
    exchange::note_limits(limits);
}
