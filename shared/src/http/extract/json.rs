//! Reads the body, as JSON. It knows no field.

use axum::{body::to_bytes, extract::Request};
use serde_json::Value;

use crate::{
    contract::{error_code::ErrorCode, operation::Operation},
    http::{error::ApiError, media_type::check_declared},
    model::{
        body::{self, MAX_BODY_BYTES},
        field::{Describer, FromFields},
    },
};

/// Reads a request's body, which must be JSON (RFC 8259) and declared as such. Returns it with the value that it was read from.
pub(super) async fn read<T: FromFields>(request: Request) -> Result<(T, Value), ApiError> {
    let declared = check_declared(request.headers());
    // A larger one was rejected when the event was read.
    let bytes =
        to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| ApiError::PayloadTooLarge { bytes: None })?;
    if !bytes.is_empty() {
        declared.map_err(ApiError::UnsupportedMediaType)?;
    }
    Ok(body::read(&bytes)?)
}

/// Describes a body of JSON.
pub(super) fn describe<T: FromFields>(operation: &mut Operation) {
    let name = short_name::<T>();
    operation.schemas.refer_fields::<T>(name);
    operation.body = Some((name, T::example()));
    operation.errors.extend([
        ErrorCode::MalformedJson,
        ErrorCode::PayloadTooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::ValidationError,
    ]);
}

/// A type's name without its path.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}
