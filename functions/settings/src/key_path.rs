//! The key in a page's path: `/settings/keys/{id}/…`. It knows no page.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use shared::{
    http::app::App,
    model::key::KeyId,
    store::api_key::{self, KeySummary},
};

use crate::{Settings, error::SettingsError, visitor::Visitor};

/// The key id in the path. `None`: it is malformed, which is an error only once the visitor is known.
#[derive(Debug)]
pub(crate) struct KeyPath(Option<KeyId>);

impl KeyPath {
    /// The key, if it belongs to the organization.
    pub(crate) async fn find(&self, app: &App, visitor: &Visitor) -> Result<KeySummary, SettingsError> {
        let id = self.0.as_ref().ok_or(SettingsError::Unknown)?;
        api_key::find(&app.db, visitor.org(), id).await?.ok_or(SettingsError::Unknown)
    }
}

impl FromRequestParts<Settings> for KeyPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, settings: &Settings) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, settings).await.ok();
        let id = params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "id"));
        Ok(Self(id.and_then(|(_, id)| KeyId::parse(id))))
    }
}
