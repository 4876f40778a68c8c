//! Extracts the body, as JSON. It knows no field.

use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
};

use crate::{
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{app::App, error::ApiError, media_type::check_declared},
    model::{
        body::{self, MAX_BODY_BYTES},
        field::{Describer, FromFields},
    },
};

/// A body of JSON (RFC 8259), declared as such.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: FromFields> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let declared = check_declared(request.headers());
        // A larger one was rejected when the event was read.
        let bytes = to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::PayloadTooLarge { bytes: None })?;
        if !bytes.is_empty() {
            declared.map_err(ApiError::UnsupportedMediaType)?;
        }
        Ok(Self(body::read(&bytes)?))
    }
}

impl<T: FromFields> Part for Json<T> {
    fn describe(operation: &mut Operation) {
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
}

/// A type's name without its path.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}
