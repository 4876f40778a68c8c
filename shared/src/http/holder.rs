//! The holder of a key, who asks for the usage of the key itself. It knows no route.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    admission::{self, holder::Held},
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{
        app::App,
        caller::{note, presented_key, rejected},
        error::ApiError,
    },
    model::{
        scope::Scope,
        window::{BURST_LIMIT, Standing},
    },
    store::{
        account::Counting,
        usage::{self, Usage},
    },
};

/// What the holder of a valid key may know about it, whatever its scopes and plan. Such a request counts toward neither the key's minute nor
/// the organization's month, which it explains, but there are only 60 of them a minute. That a key is valid is checked in the database each
/// time.
#[derive(Debug)]
pub struct Holder {
    /// The key's usage.
    pub usage: Usage,
}

impl FromRequestParts<App> for Holder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let key = presented_key(&parts.headers)?;
        let now = app.clock.now();
        let request = Counting { key: &key, hash: key.hash(), scope: Scope::JobsRead, now };
        let found = admission::holder::find(&app.db, &app.memory, &request).await;
        admission::tidy(&app.db, &app.memory, &request).await;
        let Held { key, account, mut seen } = found.map_err(|not| rejected(*not))?;
        let usage = Box::pin(usage::read(&app.db, key, &account, &request.hash, seen.limits, now)).await?;
        if usage.is_none() {
            seen.limits.usage = Some(Standing::of_burst(BURST_LIMIT, now));
        }
        note(&seen.grant, &seen.limits);
        let retry_after = seen.limits.burst.seconds_left(now);
        usage.map(|usage| Self { usage }).ok_or(ApiError::UsageLimitExceeded { retry_after })
    }
}

impl Part for Holder {
    fn describe(operation: &mut Operation) {
        operation.errors.extend([ErrorCode::MissingApiKey, ErrorCode::InvalidApiKey, ErrorCode::RateLimitExceeded]);
    }
}
