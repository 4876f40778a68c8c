//! The key that a page's path names: `/settings/keys/{id}/…`.

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

/// What the path has for a key's id; `None`: it does not have the form of one. That is an error only once it is known who asks.
#[derive(Debug)]
pub(crate) struct KeyPath(Option<KeyId>);

impl KeyPath {
    /// The key, if it is one of the organization's.
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
