//! Extracts the idempotency key of a write, with or without a body. It knows no key's form and no fingerprint: [`Idempotency`] does.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, request::Parts},
};
use serde_json::Value;

use crate::{
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{app::App, error::ApiError, extract::json},
    model::{field::FromFields, idempotency::Idempotency},
};

/// The header with the key.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The idempotency key of a write without a body, if it has one.
#[derive(Debug)]
pub struct Once(pub Option<Idempotency>);

/// The body of a write, as JSON, and its idempotency key, if it has one.
#[derive(Debug)]
pub struct Sent<T> {
    /// The body.
    pub body: T,
    /// The idempotency key.
    pub once: Option<Idempotency>,
}

/// What makes the fingerprint of a request, besides its body. `None`: it has no idempotency key.
struct Keyed {
    key: String,
    method: Method,
    uri: Uri,
}

impl Keyed {
    fn read(headers: &HeaderMap, method: &Method, uri: &Uri) -> Result<Option<Self>, ApiError> {
        let values: Vec<&[u8]> = headers.get_all(IDEMPOTENCY_KEY).iter().map(HeaderValue::as_bytes).collect();
        let key = Idempotency::read_key(&values).map_err(ApiError::InvalidIdempotencyKey)?;
        Ok(key.map(|key| Self { key, method: method.clone(), uri: uri.clone() }))
    }

    fn with(&self, body: &Value) -> Idempotency {
        Idempotency::new(&self.key, self.method.as_str(), self.uri.path(), body)
    }
}

impl FromRequestParts<App> for Once {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let keyed = Keyed::read(&parts.headers, &parts.method, &parts.uri)?;
        Ok(Self(keyed.map(|keyed| keyed.with(&Value::Null))))
    }
}

impl<T: FromFields> FromRequest<App> for Sent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let keyed = Keyed::read(request.headers(), request.method(), request.uri())?;
        let (body, value) = json::read(request).await?;
        Ok(Self { body, once: keyed.map(|keyed| keyed.with(&value)) })
    }
}

impl Part for Once {
    fn describe(operation: &mut Operation) {
        operation.idempotency_key = true;
        operation.errors.extend([ErrorCode::InvalidIdempotencyKey, ErrorCode::IdempotencyKeyReused]);
    }
}

impl<T: FromFields> Part for Sent<T> {
    fn describe(operation: &mut Operation) {
        Once::describe(operation);
        json::describe::<T>(operation);
    }
}
