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
    store::api_key::{self, KeyState, KeySummary, Rotated, Rotation, Seen},
};

use crate::{
    Settings,
    error::{Change, Code, SettingsError},
    fields::Fields,
    key_path::KeyPath,
    keys::{facts, state, used_since},
    layout::{self, Section, moment},
    new_key::{EXPIRIES, secret},
    path::{HOME, rotate_path},
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
/// The choice that leaves the end of a former secret as it is.
const AS_NOW: &str = "same";
/// What the form says if the current secret, when the form was shown, had never been used.
const UNUSED: &str = "unused";

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
    let in_use = InUse::of(key, now);
    let is_kept = |value: &str| value == if in_use.until.is_some() { AS_NOW } else { "24h" };
    let content = html! {
        h1 { "Rotate “" (key.name) "”" }
        p { "The key gets a new secret. Its name, scopes, limits and history stay; the old secret goes on for as long as you choose." }
        p { (state(key, now)) }
        (facts(key, now))
        @if in_use.until.is_some() {
            p class="notice" {
                "It was rotated before, and its secret …" (key.last_four) " has never been used: perhaps nobody has it. "
                "This rotation replaces only that one, and …" (in_use.last_four) " stays the old secret."
            }
        } @else if let (KeyState::Rotating { until }, Some(previous)) = (key.state(now), &key.previous) {
            p class="notice" {
                "It was rotated before. The secret …" (previous.last_four) ", valid until " (moment(until)) ", "
                (used_since(previous.uses)) "; it ends with this rotation, whatever you choose."
            }
        }
        form class="fields" method="post" action=(rotate_path(&key.id)) {
            (layout::token(visitor))
            input type="hidden" name="seen" value=(key.rotations);
            @if in_use.until.is_some() { input type="hidden" name="replaces" value=(UNUSED); }
            fieldset {
                legend { "How long …" (in_use.last_four) " stays valid" }
                @if let Some(until) = in_use.until {
                    (layout::radio_with("overlap", AS_NOW, &html! { "Until " (moment(until)) ", as it is" }, true, true))
                }
                @for (value, title, _) in OVERLAPS {
                    (layout::radio("overlap", value, title, value == "none" && in_use.until.is_none(), is_kept(value)))
                }
                @if in_use.is_limited { p class="presets" { "But no longer than the key would have been." } }
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

/// The secret that programs use, which a rotation can keep.
struct InUse<'a> {
    last_four: &'a str,
    /// If it is the former one, which stays because the current one was never used: until when it is valid.
    until: Option<Timestamp>,
    is_limited: bool,
}

impl<'a> InUse<'a> {
    fn of(key: &'a KeySummary, now: Timestamp) -> Self {
        let former = key.previous.as_ref().filter(|_| key.seen(now).replaces_unused);
        let (last_four, until) = former.map_or((&key.last_four, None), |it| (&it.last_four, Some(it.until)));
        let is_limited = key.latest_end(until.is_some()).is_some();
        Self { last_four, until, is_limited }
    }
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
    let rotation = chosen(&before, &fields, now)?;
    let (key, actor) = (ApiKey::with_id(&before.id)?, visitor.actor());
    let rotate = api_key::rotate(&app.db, visitor.org(), now, &key, rotation, &actor);
    match Change::Rotate(before.id.clone()).make(rotate).await? {
        // From here on, nothing may fail: the old secret may be gone, and this is the only time the new one can be shown.
        Rotated::Done => Ok(secret(&visitor, &done(&before, rotation, now), &key, &before.scopes).into_response()),
        Rotated::Overtaken => Ok(overtaken(&visitor, &before)),
        Rotated::Unknown => Err(SettingsError::Unknown),
    }
}

/// What the rotation of a key, which was seen so, has done.
fn done(before: &KeySummary, rotation: Rotation, now: Timestamp) -> Markup {
    let in_use = InUse::of(before, now);
    let is_former = in_use.until.is_some();
    html! {
        "The key “" (before.name) "” has a new secret. "
        @if is_former { "It replaces …" (before.last_four) ", which was never used. " }
        "The old one, …" (in_use.last_four) ", "
        @match before.kept_until(rotation.keep_until, is_former) {
            Some(until) => { "is valid until " (moment(until)) "." }
            None => "is refused from now on.",
        }
    }
}

/// The rotation that the form requests.
fn chosen(before: &KeySummary, fields: &Fields, now: Timestamp) -> Result<Rotation, SettingsError> {
    let rotations = fields.get("seen").parse().map_err(|_| SettingsError::Forged)?;
    let replaces_unused = fields.get("replaces") == UNUSED;
    let keep_until = match fields.get("overlap") {
        AS_NOW if replaces_unused => before.previous.as_ref().map(|previous| previous.until),
        overlap => {
            let overlap = OVERLAPS.iter().find(|(value, ..)| *value == overlap);
            let (.., overlap) =
                overlap.ok_or(SettingsError::Malformed("Choose how long the old secret stays valid."))?;
            overlap.map(|overlap| now.plus(overlap))
        }
    };
    let expires_at = match fields.get("expiry") {
        SAME_EXPIRY => None,
        expiry => {
            let expiry = EXPIRIES.iter().find(|(value, ..)| *value == expiry);
            let (.., after) = expiry.ok_or(SettingsError::Malformed("Choose when the key expires."))?;
            Some(after.map(|after| now.plus(after)))
        }
    };
    Ok(Rotation { seen: Some(Seen { rotations, replaces_unused }), keep_until, expires_at })
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
        h1 { "The key has changed meanwhile" }
        p {
            "This form did not rotate it now. Since the form was opened, the key was rotated, by somebody else or by this form if it was "
            "sent before, or its new secret was used for the first time."
        }
        p {
            "If the new secret was never shown to you, rotate the key again: that replaces a secret which was never used, and the one "
            "before it stays for as long as you choose."
        }
        p { a class="button" href=(rotate_path(&key.id)) { "Look at the key" } }
    };
    Code::Overtaken.on((StatusCode::CONFLICT, layout::within(visitor, Section::Keys, "Not rotated", &content)))
}
