//! The page of the organization's keys. It changes none.

use axum::extract::State;
use maud::{Markup, html};
use shared::{
    model::{clock::Timestamp, key::KeyId, plan::Allowance},
    store::{
        api_key::{self, KeyState, KeySummary},
        organization::Organization,
    },
};

use crate::{
    Settings,
    error::SettingsError,
    fields::Fields,
    layout::{self, Section, display_form, moment},
    path::{HOME, rotate_path},
    visitor::Visitor,
};

/// Keys per page.
const LIMIT: u8 = 20;

/// `GET /settings/keys`
pub(crate) async fn list(
    visitor: Visitor,
    State(Settings { app, .. }): State<Settings>,
    query: Fields,
) -> Result<Markup, SettingsError> {
    let now = app.clock.now();
    let cursor = query.cursor()?;
    let organization = &visitor.organization;
    let (keys, next) = api_key::page(&app.db, visitor.org(), cursor.as_ref(), LIMIT).await?;
    let revoked = match KeyId::parse(query.get("revoked")) {
        Some(id) => api_key::find(&app.db, visitor.org(), &id).await?.filter(|key| key.revoked_at.is_some()),
        None => None,
    };
    let content = html! {
        h1 { "API keys" }
        p { "With a key your programs call the API for " (organization.name) "." }
        @if let Some(key) = revoked {
            p class="notice" role="status" { "The key “" (key.name) "” is revoked. It is refused from now on." }
        }
        (layout::no_api_access(organization.plan))
        (room(&visitor, organization))
        @if keys.is_empty() && cursor.is_none() {
            (no_keys(&visitor, organization))
        } @else {
            (cards(&visitor, &keys, now))
        }
        (layout::pages(HOME, cursor.is_none(), next.as_ref()))
    };
    Ok(layout::within(&visitor, Section::Keys, "API keys", &content))
}

/// How many more keys can be created. `None`: any number.
pub(crate) fn left(organization: &Organization) -> Option<u64> {
    organization.plan.keys().left(organization.keys)
}

/// How many keys the plan allows, how many are left, and a link to create one.
fn room(visitor: &Visitor, organization: &Organization) -> Markup {
    let plan = organization.plan;
    let used = layout::thousands(organization.keys);
    let told = match (plan.keys(), left(organization)) {
        (Allowance::Limited(limit), _) if organization.keys > limit => {
            format!("{used} used, where the plan allows {limit}. They all stay, but no other can be created.")
        }
        (Allowance::Limited(limit), Some(left)) => format!("{used} of {limit} used, {left} left."),
        _ => format!("{used} used; there is no limit."),
    };
    let has_room = left(organization) != Some(0);
    html! {
        @if plan.has_api_access() {
            p { "Keys on the " a href=(Section::Plan.path()) { (layout::plan_name(plan)) " plan" } ": " (told) }
            @if visitor.is_admin() && has_room { p { a class="button" href="/settings/keys/new" { "New key" } } }
            @if visitor.is_admin() && !has_room {
                p { "To create another, revoke one, or look at the " a href=(Section::Plan.path()) { "plans" } ". Rotating needs no room." }
            }
        }
    }
}

fn no_keys(visitor: &Visitor, organization: &Organization) -> Markup {
    html! {
        @if organization.plan.has_api_access() {
            div class="empty" {
                h2 { "No keys yet" }
                @if visitor.is_admin() {
                    p { "Create the first one, then follow the " a href="/docs" { "quick start" } ": three steps to your first answer." }
                } @else {
                    p { "An admin of your organization can create the first one. Meanwhile, there is the " a href="/docs" { "quick start" } "." }
                }
            }
        }
    }
}

/// The keys as a list: a table with eight columns would not fit on a phone.
fn cards(visitor: &Visitor, keys: &[KeySummary], now: Timestamp) -> Markup {
    html! {
        ul class="keys" aria-label="Keys" {
            @for key in keys {
                li {
                    h2 { (key.name) }
                    p { (state(key, now)) }
                    (facts(key, now))
                    @if visitor.is_admin() { (changes(key, now)) }
                }
            }
        }
    }
}

/// The properties of a key.
pub(crate) fn facts(key: &KeySummary, now: Timestamp) -> Markup {
    html! {
        dl {
            div { dt { "Key" } dd { (display_form(key)) } }
            div { dt { "Last used" } dd { @match key.last_used_at { Some(at) => (moment(at)), None => "never" } } }
            div { dt { "Expires" } dd {
                @match key.expires_at { Some(at) => (moment(at)), None => "never" }
                @if key.expires_soon(now) { strong { " soon" } }
            } }
            div { dt { "Created" } dd { (moment(key.created_at)) " by " (key.created_by) } }
            @if let Some(at) = key.rotated_at { div { dt { "Rotated" } dd { (moment(at)) } } }
            @if key.late_uses > 0 {
                div class="wide" { dt { "Used after its end" } dd { (late_uses(key)) } }
            }
            div class="wide" { dt { "Scopes" } dd { @for scope in &key.scopes { code { (scope) } " " } } }
        }
    }
}

/// The key's state and, while it is rotating, how often the old secret is still used, and whether the new one ever was.
pub(crate) fn state(key: &KeySummary, now: Timestamp) -> Markup {
    let state = key.state(now);
    html! {
        span class=(format!("state {}", state.as_str())) { (state.as_str()) }
        @match state {
            KeyState::Rotating { until } => {
                " until " (moment(until))
                @if let Some(previous) = &key.previous {
                    br; "The old secret, …" (previous.last_four) ", " (used_since(previous.uses)) "."
                    @if key.uses == 0 { " The new one, …" (key.last_four) ", has never been used." }
                }
            }
            KeyState::Revoked => { @if let Some(at) = key.revoked_at { " " (moment(at)) } }
            KeyState::Active | KeyState::Expired => {}
        }
    }
}

/// How often the old secret has been used since the rotation.
pub(crate) fn used_since(uses: u64) -> String {
    match uses {
        0 => "has not been used since".to_owned(),
        uses => format!("was used {} since", layout::times(uses)),
    }
}

/// How often a secret of the key was refused because it had been revoked, replaced or had expired.
fn late_uses(key: &KeySummary) -> Markup {
    html! {
        "A secret that has ended was used " (layout::times(key.late_uses)) ", and refused."
        @if let Some(at) = key.late_use_at { " Last on " (moment(at)) "." }
    }
}

fn changes(key: &KeySummary, now: Timestamp) -> Markup {
    html! {
        @if key.revoked_at.is_none() {
            p class="changes" {
                @if key.state(now).is_served() {
                    a href=(rotate_path(&key.id)) aria-label=(format!("Rotate {}", key.name)) { "Rotate" } " "
                }
                a href=(format!("/settings/keys/{}/revoke", key.id)) aria-label=(format!("Revoke {}", key.name)) { "Revoke" }
            }
        }
    }
}
