//! Revoking a key: the confirmation page and the change. It knows no table.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use maud::html;
use shared::store::api_key;

use crate::{
    Settings,
    error::{Change, SettingsError},
    key_path::KeyPath,
    keys::{facts, state},
    layout::{self, Section},
    path::HOME,
    visitor::{Admin, AdminPosted},
};

/// `GET /settings/keys/{id}/revoke`
pub(crate) async fn ask(
    Admin(visitor): Admin,
    State(Settings { app, .. }): State<Settings>,
    path: KeyPath,
) -> Result<Response, SettingsError> {
    let key = path.find(&app, &visitor).await?;
    if key.revoked_at.is_some() {
        return Ok(Redirect::to(&format!("{HOME}?revoked={}", key.id)).into_response());
    }
    let now = app.clock.now();
    let content = html! {
        h1 { "Revoke “" (key.name) "”?" }
        p { "Every program that uses it is refused from its next request on. This can't be undone." }
        p { (state(&key, now)) }
        (facts(&key, now))
        form class="fields" method="post" action=(format!("{HOME}/{}/revoke", key.id)) {
            (layout::token(&visitor))
            p class="actions" {
                button type="submit" class="button danger" { "Revoke this key" } " " a href=(HOME) { "Keep it" }
            }
        }
    };
    Ok(layout::within(&visitor, Section::Keys, "Revoke a key", &content).into_response())
}

/// `POST /settings/keys/{id}/revoke`
pub(crate) async fn revoke(
    path: KeyPath,
    State(Settings { app, .. }): State<Settings>,
    AdminPosted { visitor, .. }: AdminPosted,
) -> Result<Redirect, SettingsError> {
    let key = path.find(&app, &visitor).await?;
    // If it is already revoked, the result is the same.
    let actor = visitor.actor();
    Change::Revoke.make(api_key::revoke(&app.db, visitor.org(), &key.id, app.clock.now(), &actor)).await?;
    Ok(Redirect::to(&format!("{HOME}?revoked={}", key.id)))
}
