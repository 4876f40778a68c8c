//! The holder of a key, who asks for the usage of the key itself. It knows no route.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    admission::{Rejection, Seen},
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{
        app::App,
        caller::{note, presented_key},
        error::ApiError,
    },
    model::{
        scope::Scope,
        window::{BURST_LIMIT, Standing},
    },
    store::{
        account::Counting,
        api_key,
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
        let (id, hash, now) = (key.id(), key.hash(), app.clock.now());
        match app.memory.rejects_stranger(&id, &hash, now) {
            Some(Rejection::UnknownSecrets) => return Err(ApiError::UnknownSecrets),
            Some(_) => return Err(ApiError::InvalidApiKey),
            None => {}
        }
        let found = api_key::find_with_account(&app.db, &id).await?;
        // The scope is not looked at.
        let request = Counting { key: &key, hash, scope: Scope::ALL[0], now };
        let seen = found.and_then(|(summary, account)| {
            let account = account?;
            Some((summary, Seen::of(&account, &request)?, account))
        });
        let Some((mut summary, mut seen, account)) = seen else {
            app.memory.note_stranger(&id, &hash, now);
            return Err(ApiError::InvalidApiKey);
        };
        app.memory.note_valid(&id, &hash);
        // A rotated secret can expire before its key does.
        summary.expires_at = seen.grant.expires_at;
        let usage = Box::pin(usage::read(&app.db, summary, &account, &hash, seen.limits, now)).await?;
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
