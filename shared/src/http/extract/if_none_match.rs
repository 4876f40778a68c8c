//! Extracts the precondition of a read. It knows no tag's format: [`IfNoneMatch`] does.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{
    contract::operation::{Operation, Part},
    http::app::App,
    model::if_none_match::IfNoneMatch,
};

impl FromRequestParts<App> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(header::IF_NONE_MATCH).iter();
        Ok(Self::read(values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())))
    }
}

impl Part for IfNoneMatch {
    fn describe(operation: &mut Operation) {
        operation.if_none_match = true;
    }
}
