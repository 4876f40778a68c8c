//! Rotating a key: the form and the change. It knows no table.

use std::time::Duration;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use shared::{
    model::{clock::Timestamp, key::ApiKey},
    store::api_key::{self, KeyState, KeySummary, Rotated, Rotation},
};

use crate::{
    Settings,
    error::{Code, SettingsError},
    fields::Fields,
    key_path::KeyPath,
    keys::{facts, state, used_since},
    layout::{self, Section, moment},
    new_key::{EXPIRIES, secret},
    path::HOME,
    visitor::{Admin, AdminPosted, Visitor},
};

/// The choices for how long the old secret stays valid.
const OVERLAPS: [(&str, &str, Option<Duration>); 4] = [
    ("none", "It ends now", None),
    ("1h", "1 hour", Some(Duration::from_hours(1))),
    ("24h", "24 hours", Some(Duration::from_hours(24))),
    ("7d", "7 days", Some(Duration::from_hours(7 * 24))),
];
/// The choice that leaves the key's expiry as it is.
const SAME_EXPIRY: &str = "same";

/// The path at which the key is rotated.
fn path(key: &KeySummary) -> String {
    format!("{HOME}/{}/rotate", key.id)
}

/// `GET /settings/keys/{id}/rotate`
pub(crate) async fn ask(
    Admin(visitor): Admin,
    State(Settings { app, .. }): State<Settings>,
    path: KeyPath,
) -> Result<Response, SettingsError> {
    let key = path.find(&app, &visitor).await?;
    let now = app.clock.now();
    if !key.state(now).is_served() {
        return Ok(not_served(&visitor, &key, now));
    }
    Ok(form(&visitor, &key, now).into_response())
}

fn form(visitor: &Visitor, key: &KeySummary, now: Timestamp) -> Markup {
    let content = html! {
        h1 { "Rotate “" (key.name) "”" }
        p { "The key gets a new secret. Its name, scopes, limits and history stay; the old secret goes on for as long as you choose." }
        p { (state(key, now)) }
        (facts(key, now))
        @if let (KeyState::Rotating { until }, Some(previous)) = (key.state(now), &key.previous) {
            p class="notice" {
                "It was rotated before. The secret …" (previous.last_four) ", valid until " (moment(until)) ", "
                (used_since(previous.uses)) "; it ends with this rotation, whatever you choose."
            }
        }
        form class="fields" method="post" action=(path(key)) {
            (layout::token(visitor))
            input type="hidden" name="seen" value=(key.rotations);
            fieldset {
                legend { "How long …" (key.last_four) " stays valid" }
                @for (value, title, _) in OVERLAPS { (layout::radio("overlap", value, title, value == "none", value == "24h")) }
                @if key.expires_at.is_some() { p class="presets" { "But no longer than the key would have been." } }
            }
            fieldset {
                legend { "The key expires" }
                (layout::radio("expiry", SAME_EXPIRY, if key.expires_at.is_some() { "When it does so far" } else { "Never, as so far" }, true, true))
                @for (value, title, _) in EXPIRIES.iter().filter(|(.., after)| after.is_some() || key.expires_at.is_some()) {
                    (layout::radio("expiry", value, title, false, false))
                }
            }
            p { "While there are two secrets, both count on one burst and one month." }
            p class="actions" { button type="submit" class="button" { "Rotate" } " " a href=(HOME) { "Cancel" } }
        }
    };
    layout::within(visitor, Section::Keys, "Rotate a key", &content)
}

/// `POST /settings/keys/{id}/rotate`
pub(crate) async fn rotate(
    path: KeyPath,
    State(Settings { app, .. }): State<Settings>,
    AdminPosted { visitor, fields }: AdminPosted,
) -> Result<Response, SettingsError> {
    let before = path.find(&app, &visitor).await?;
    let now = app.clock.now();
    if !before.state(now).is_served() {
        return Ok(not_served(&visitor, &before, now));
    }
    let rotation = chosen(&fields, now)?;
    let key = ApiKey::with_id(&before.id)?;
    match api_key::rotate(&app.db, visitor.org(), now, &key, rotation, &visitor.actor()).await? {
        // From here on, nothing may fail: the old secret may be gone, and this is the only time the new one can be shown.
        Rotated::Done => {
            let what = html! {
                "The key “" (before.name) "” has a new secret. The old one, …" (before.last_four) ", "
                @match rotation.old_until(before.expires_at) {
                    Some(until) => { "is valid until " (moment(until)) "." }
                    None => "is refused from now on.",
                }
            };
            Ok(secret(&visitor, &what, &key, &before.scopes).into_response())
        }
        Rotated::Overtaken => Ok(overtaken(&visitor, &before)),
        Rotated::Unknown => Err(SettingsError::Unknown),
    }
}

/// The rotation that the form requests.
fn chosen(fields: &Fields, now: Timestamp) -> Result<Rotation, SettingsError> {
    let seen = fields.get("seen").parse().map_err(|_| SettingsError::Forged)?;
    let overlap = OVERLAPS.iter().find(|(value, ..)| *value == fields.get("overlap"));
    let (.., overlap) = overlap.ok_or(SettingsError::Malformed("Choose how long the old secret stays valid."))?;
    let expires_at = match fields.get("expiry") {
        SAME_EXPIRY => None,
        expiry => {
            let expiry = EXPIRIES.iter().find(|(value, ..)| *value == expiry);
            let (.., after) = expiry.ok_or(SettingsError::Malformed("Choose when the key expires."))?;
            Some(after.map(|after| now.plus(after)))
        }
    };
    Ok(Rotation { seen: Some(seen), keep_until: overlap.map(|overlap| now.plus(overlap)), expires_at })
}

/// The page for a key that can't be rotated because it is no longer valid.
fn not_served(visitor: &Visitor, key: &KeySummary, now: Timestamp) -> Response {
    let content = html! {
        h1 { "This key can't be rotated" }
        p {
            "The key “" (key.name) "” is " (key.state(now).as_str()) ". "
            @if key.revoked_at.is_none() { "Revoke it, which frees its place in the plan, then create a new one." }
            @else { "Create a new one instead." }
        }
        p { a class="button" href=(HOME) { "To the API keys" } }
    };
    Code::NotServed.on((StatusCode::CONFLICT, layout::within(visitor, Section::Keys, "Not rotated", &content)))
}

fn overtaken(visitor: &Visitor, key: &KeySummary) -> Response {
    let content = html! {
        h1 { "The key was rotated meanwhile" }
        p { "Nothing was changed by this: somebody, or this form sent twice, was quicker. Look at the key before you rotate it again." }
        p { a class="button" href=(path(key)) { "Look again" } }
    };
    Code::Overtaken.on((StatusCode::CONFLICT, layout::within(visitor, Section::Keys, "Not rotated", &content)))
}
