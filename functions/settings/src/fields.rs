//! The fields of a form or of a query. It knows no page.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use http_body_util::BodyExt;
use shared::model::page::Cursor;

use crate::error::SettingsError;

/// Names and values, in the order in which they were sent.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, SettingsError> {
        let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = declared.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(SettingsError::Malformed("The form is not URL-encoded."));
        }
        let body = body.collect().await.map_err(|_| SettingsError::Malformed("The form can't be read."))?;
        Ok(Self::parse(&body.to_bytes()))
    }

    /// The first field with this name. Empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The cursor of a list's next page, if there is one.
    pub(crate) fn cursor(&self) -> Result<Option<Cursor>, SettingsError> {
        Some(self.get("cursor")).filter(|cursor| !cursor.is_empty()).map(|cursor| Ok(cursor.parse()?)).transpose()
    }

    /// Every field with this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = SettingsError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SettingsError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}
