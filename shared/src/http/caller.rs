//! Turns the `X-API-Key` header into a [`Caller`]. It knows no route and no record.
//!
//! A handler that takes a `Caller<JobsRead>` only runs for a key that has `jobs:read` and is within its limits. A function of the API
//! has no other way to get an organization's id, so a handler that forgets the key does not compile. (The settings have their own way,
//! the [session](crate::store::session).)

use std::marker::PhantomData;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};

use crate::{
    admission::{self, Admitted, Rejected, Rejection},
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{
        app::App,
        context::{self, RequestId},
        error::{ApiError, MissingKey},
    },
    model::{
        clock::Stamp,
        id::OrgId,
        idempotency::Idempotency,
        key::{ApiKey, Grant},
        scope::RequiredScope,
        window::Limits,
        write::{Author, Write},
    },
    store::{account::Counting, activity::Actor},
};

/// The header that carries the key.
pub const API_KEY_HEADER: &str = "x-api-key";

/// Who sent a request: an organization, with a key that has the scope `S`.
#[derive(Debug)]
pub struct Caller<S> {
    org: OrgId,
    author: Author,
    may_read: bool,
    scope: PhantomData<S>,
}

impl<S> Caller<S> {
    /// The organization that the key belongs to.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The caller of an admitted request. The response will show the caller's limits and the key's expiry.
    pub(super) fn of(Admitted { grant, limits }: Admitted, author: Author) -> Self
    where
        S: RequiredScope,
    {
        note(&grant, &limits);
        let Grant { org, scopes, .. } = grant;
        let may_read = S::SCOPE.read().is_some_and(|read| scopes.contains(&read));
        Self { org, author, may_read, scope: PhantomData }
    }

    /// A write of this caller, at the moment and with the id of `stamp`.
    #[must_use]
    pub fn write(&self, stamp: Stamp, once: Option<Idempotency>) -> Write {
        Write::of(self.org, stamp, self.author.clone(), self.may_read, once)
    }

    /// The key as an actor of the activity log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::key(&self.author.key)
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
        let request = Counting { key: &key, hash: key.hash(), scope: S::SCOPE, now: app.clock.now() };
        let decision = admission::admit(&app.db, &app.memory, &request).await;
        admission::tidy(&app.db, &app.memory, &request).await;
        decision.map(|admitted| Self::of(admitted, author(&key, parts))).map_err(|not| rejected(*not))
    }
}

/// Who sends the request.
pub(super) fn author(key: &ApiKey, parts: &Parts) -> Author {
    let RequestId(request_id) = parts.extensions.get().cloned().unwrap_or_default();
    Author { key: key.id(), request_id }
}

/// The key in the request's header, if it has the form of one.
pub(super) fn presented_key(headers: &HeaderMap) -> Result<ApiKey, ApiError> {
    let mut presented = headers.get_all(API_KEY_HEADER).iter();
    let key = match presented.next() {
        // Usually an unset variable in a script.
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
    // Even if it is not valid: the id, which is not a secret, shows where a revoked key is still in use.
    context::note_key(key.id());
    Ok(key)
}

impl<S: RequiredScope> Part for Caller<S> {
    fn describe(operation: &mut Operation) {
        operation.scope = Some(S::SCOPE);
        operation.errors.extend([
            ErrorCode::MissingApiKey,
            ErrorCode::InvalidApiKey,
            ErrorCode::InsufficientScope,
            ErrorCode::PlanNoApiAccess,
            ErrorCode::RateLimitExceeded,
            ErrorCode::MonthlyQuotaExceeded,
        ]);
    }
}

/// The error for a request that was not admitted. The response shows the key's limits, if they are known.
pub(super) fn rejected(rejected: Rejected) -> ApiError {
    let Rejected { standing, reason } = rejected;
    if let Some((grant, limits)) = &standing {
        note(grant, limits);
    }
    let limits = standing.map(|(_, limits)| limits);
    let burst_ends = limits.map_or(1, |limits| limits.burst.seconds_left(limits.now));
    let month_ends = limits.and_then(|limits| Some(limits.month?.seconds_left(limits.now)));
    match reason {
        Rejection::InvalidKey => ApiError::InvalidApiKey,
        Rejection::Scope(scope) => ApiError::InsufficientScope(scope),
        Rejection::Plan => ApiError::PlanNoApiAccess,
        Rejection::Burst => ApiError::RateLimitExceeded { retry_after: burst_ends },
        Rejection::Month => ApiError::MonthlyQuotaExceeded { retry_after: month_ends.unwrap_or(1) },
        Rejection::UnknownSecrets => ApiError::UnknownSecrets,
        Rejection::Failed(error) => error.into(),
    }
}

/// Notes the caller and its limits for the response and the log.
pub(super) fn note(grant: &Grant, limits: &Limits) {
    context::note_organization(grant.org);
    context::note_expiry(grant.expires_at, limits.now);
    context::note_limits(limits);
}
