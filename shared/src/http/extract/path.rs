//! Extracts the ids in the path. It knows no object.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use crate::{
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part, PathIds},
    },
    http::{app::App, error::ApiError},
    model::{id, text::shown},
};

/// The ids in the path. A malformed id identifies nothing, so it is a 404 like any other.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        #[expect(clippy::disallowed_types, reason = "wrapped here")]
        let path = axum::extract::Path::from_request_parts(parts, app).await;
        if let Ok(path) = path {
            return Ok(Self(path.0));
        }
        let Ok(params) = RawPathParams::from_request_parts(parts, app).await else {
            return Err(ApiError::NotAnId("The path contains bytes that are not UTF-8.".to_owned()));
        };
        let wrong = params.iter().find_map(|(_, given)| Some((shown(given), id::invalid(given)?)));
        Err(wrong.map_or(ApiError::NotFound, |(given, wrong)| {
            ApiError::NotAnId(format!("\"{given}\" is not a valid ID: it {wrong}."))
        }))
    }
}

impl<T: PathIds> Part for Path<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.errors.push(ErrorCode::NotFound);
    }
}
