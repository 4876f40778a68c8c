//! What an admin does to one key: rotate it, revoke it.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use shared::{
    app::App,
    clock::Timestamp,
    key::{ApiKey, KeyId},
    records::{
        api_key::{self, KeyState, KeySummary, Rotated, Rotation},
        organization,
    },
};

use crate::{
    HOME, Settings,
    keys::{last_used, secret, state, times},
    page::{self, Section, display_form, moment},
    refusal::Refusal,
    visitor::{Admin, AdminPosted, Visitor},
};

const HOUR_MILLIS: i64 = 60 * 60 * 1_000;
/// For how many hours the old secret can stay valid.
const OVERLAPS: [(&str, &str, i64); 4] =
    [("0", "It ends now", 0), ("1", "1 hour", 1), ("24", "24 hours", 24), ("168", "7 days", 168)];

/// The key of `/settings/keys/{id}/…`, if it is one of the organization's.
async fn of_path(app: &App, visitor: &Visitor, uri: &Uri) -> Result<KeySummary, Refusal> {
    let id = uri.path().split('/').nth(3).and_then(KeyId::parse).ok_or(Refusal::Unknown)?;
    api_key::find(&app.db, visitor.org(), &id).await?.ok_or(Refusal::Unknown)
}

async fn page_of(app: &App, visitor: &Visitor, title: &str, content: &Markup) -> Result<Markup, Refusal> {
    let organization = organization::get(&app.db, visitor.org(), app.clock.now()).await?;
    Ok(page::within(visitor, Section::Keys, title, &organization.name, content))
}

/// Why a key is not rotated: it is not served.
async fn not_served(app: &App, visitor: &Visitor, key: &KeySummary) -> Result<Response, Refusal> {
    let content = html! {
        h1 { "This key can't be rotated" }
        p { "The key “" (key.name) "” is " (key.state(app.clock.now()).as_str()) ". Make a new one instead." }
        p { a class="button" href=(HOME) { "To the API keys" } }
    };
    Ok((StatusCode::CONFLICT, page_of(app, visitor, "Not rotated", &content).await?).into_response())
}

/// `GET /settings/keys/{id}/rotate`
pub(crate) async fn ask_rotate(
    Admin(visitor): Admin,
    State(Settings { app, .. }): State<Settings>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let key = of_path(&app, &visitor, &uri).await?;
    let now = app.clock.now();
    if !key.state(now).is_served() {
        return not_served(&app, &visitor, &key).await;
    }
    let content = html! {
        h1 { "Rotate “" (key.name) "”" }
        p { "The key gets a new secret. Name, scopes, limits and history stay; the old secret goes on for as long as you choose." }
        (about(&key, now))
        @if let (KeyState::Rotating { until }, Some(previous)) = (key.state(now), &key.previous) {
            p class="notice" {
                "It was rotated before: the secret …" (previous.last_four) ", valid until " (moment(until)) " and used "
                (times(previous.uses)) " since, ends with this rotation, whatever you choose."
            }
        }
        form class="fields" method="post" action=(uri.path()) {
            (page::token(&visitor))
            input type="hidden" name="seen" value=(key.rotations);
            fieldset {
                legend { "How long …" (key.last_four) " stays valid" }
                @for (value, title, _) in OVERLAPS {
                    label class="choice" {
                        input type="radio" name="overlap" value=(value) checked[value == "24"];
                        span { (title) }
                    }
                }
            }
            p { "Meanwhile both secrets count on one burst and one month." }
            p class="actions" { button type="submit" class="button" { "Rotate" } " " a href=(HOME) { "Cancel" } }
        }
    };
    Ok(page_of(&app, &visitor, "Rotate a key", &content).await?.into_response())
}

/// `POST /settings/keys/{id}/rotate`
pub(crate) async fn rotate(
    uri: Uri,
    State(Settings { app, .. }): State<Settings>,
    AdminPosted { visitor, fields }: AdminPosted,
) -> Result<Response, Refusal> {
    let before = of_path(&app, &visitor, &uri).await?;
    let now = app.clock.now();
    if !before.state(now).is_served() {
        return not_served(&app, &visitor, &before).await;
    }
    let overlap = OVERLAPS.iter().find(|(value, ..)| *value == fields.get("overlap"));
    let (.., hours) = overlap.ok_or(Refusal::Malformed("Choose how long the old secret stays valid."))?;
    let seen = fields.get("seen").parse().map_err(|_| Refusal::Forged)?;
    let keep_until = (*hours > 0).then(|| Timestamp::from_millis(now.as_millis() + hours * HOUR_MILLIS));
    let key = ApiKey::with_id(&before.id)?;
    let rotation = Rotation { seen: Some(seen), keep_until };
    match api_key::rotate(&app.db, visitor.org(), now, &key, rotation, &visitor.actor()).await? {
        Rotated::Done => {
            let organization = organization::get(&app.db, visitor.org(), now).await?;
            let what = html! {
                "The key “" (before.name) "” has a new secret. The old one, …" (before.last_four) ", "
                @match keep_until { Some(until) => { "is valid until " (moment(until)) "." } None => "is refused from now on." }
            };
            Ok(secret(&visitor, &organization.name, &what, &key, &before.scopes).into_response())
        }
        Rotated::Overtaken => {
            let content = html! {
                h1 { "The key was rotated meanwhile" }
                p { "Nothing was changed by this: somebody, or this form sent twice, was quicker. Look at the key before you rotate it again." }
                p { a class="button" href=(uri.path()) { "Look again" } }
            };
            Ok((StatusCode::CONFLICT, page_of(&app, &visitor, "Not rotated", &content).await?).into_response())
        }
        Rotated::Unknown => Err(Refusal::Unknown),
    }
}

/// `GET /settings/keys/{id}/revoke`
pub(crate) async fn ask_revoke(
    Admin(visitor): Admin,
    State(Settings { app, .. }): State<Settings>,
    uri: Uri,
) -> Result<Markup, Refusal> {
    let key = of_path(&app, &visitor, &uri).await?;
    if key.revoked_at.is_some() {
        return Err(Refusal::Unknown);
    }
    let content = html! {
        h1 { "Revoke “" (key.name) "”?" }
        p { "Every program that uses it is refused from its next request on. This can't be undone." }
        (about(&key, app.clock.now()))
        form class="fields" method="post" action=(uri.path()) {
            (page::token(&visitor))
            p class="actions" {
                button type="submit" class="button danger" { "Revoke this key" } " " a href=(HOME) { "Keep it" }
            }
        }
    };
    page_of(&app, &visitor, "Revoke a key", &content).await
}

/// `POST /settings/keys/{id}/revoke`
pub(crate) async fn revoke(
    uri: Uri,
    State(Settings { app, .. }): State<Settings>,
    AdminPosted { visitor, .. }: AdminPosted,
) -> Result<Redirect, Refusal> {
    let key = of_path(&app, &visitor, &uri).await?;
    // Revoked twice, it is revoked.
    api_key::revoke(&app.db, visitor.org(), &key.id, app.clock.now(), &visitor.actor()).await?;
    Ok(Redirect::to(&format!("{HOME}?revoked={}", key.id)))
}

fn about(key: &KeySummary, now: Timestamp) -> Markup {
    html! {
        dl {
            div { dt { "Key" } dd { (display_form(key)) } }
            div { dt { "State" } dd { (state(key, now)) } }
            div { dt { "Last used" } dd { (last_used(key)) } }
            div { dt { "Made" } dd { (moment(key.created_at)) " by " (key.created_by) } }
        }
    }
}
