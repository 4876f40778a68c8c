//! Extracts the precondition of an update. It knows no tag's format: [`IfMatch`] does.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{app::App, error::ApiError},
    model::if_match::IfMatch,
};

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let values = parts.headers.get_all(header::IF_MATCH).iter();
        let values: Vec<String> = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        Self::read(&values).map_err(|wrong| ApiError::BadRequest(wrong.into()))
    }
}

impl Part for IfMatch {
    fn describe(operation: &mut Operation) {
        operation.if_match = true;
        operation.errors.push(ErrorCode::VersionConflict);
    }
}
