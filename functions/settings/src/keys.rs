//! The organization's keys, and the making of one.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use shared::{
    clock::Timestamp,
    key::{ApiKey, KeyId},
    page::Cursor,
    plan::Allowance,
    records::{
        api_key::{self, CreateKeyError, KeyState, KeySummary, NewKey},
        organization::{self, Organization},
        session::SessionId,
    },
    scope::Scope,
    value::ShortText,
};

use crate::{
    HOME, Settings,
    page::{self, Section, display_form, moment},
    refusal::Refusal,
    visitor::{Admin, AdminPosted, Fields, Visitor},
};

/// Keys of a page.
const LIMIT: u8 = 20;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// What can be chosen as a key's life, in days.
const LIVES: [(&str, &str); 4] =
    [("none", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In 365 days")];
/// Scopes that often go together.
const PRESETS: [(&str, &str, &[Scope]); 2] = [
    (
        "read",
        "Read everything",
        &[Scope::JobsRead, Scope::CandidatesRead, Scope::PipelineRead, Scope::ApplicationsRead],
    ),
    ("sync", "Sync candidates", &[Scope::CandidatesRead, Scope::CandidatesWrite]),
];

/// The cursor of the query, if it has one.
pub(crate) fn cursor(query: &Fields) -> Result<Option<Cursor>, Refusal> {
    Some(query.get("cursor")).filter(|cursor| !cursor.is_empty()).map(|cursor| Ok(cursor.parse()?)).transpose()
}

/// `GET /settings/keys`
pub(crate) async fn list(
    visitor: Visitor,
    State(Settings { app, .. }): State<Settings>,
    query: Fields,
) -> Result<Markup, Refusal> {
    let now = app.clock.now();
    let cursor = cursor(&query)?;
    let organization = organization::get(&app.db, visitor.org(), now).await?;
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
        (room(&visitor, &organization))
        @if keys.is_empty() && cursor.is_none() {
            (no_keys(&visitor, &organization))
        } @else {
            (cards(&visitor, &keys, now))
        }
        (page::pages(HOME, cursor.is_none(), next.as_ref()))
    };
    Ok(page::within(&visitor, Section::Keys, "API keys", &organization.name, &content))
}

/// How many keys can still be made; `None`: any number.
fn left(organization: &Organization) -> Option<u64> {
    match organization.plan.keys() {
        Allowance::Limited(limit) => Some(limit.saturating_sub(organization.keys)),
        Allowance::Unlimited => None,
    }
}

/// How many keys the plan allows, how many are left, and the way to a new one.
fn room(visitor: &Visitor, organization: &Organization) -> Markup {
    let used = page::thousands(organization.keys);
    let told = match (organization.plan.keys(), left(organization)) {
        (Allowance::Limited(limit), Some(left)) => format!("{used} of {limit} used, {left} left."),
        _ => format!("{used} used; there is no limit."),
    };
    let has_room = left(organization) != Some(0);
    html! {
        p { "Keys on the plan " a href="/settings/plan" { (organization.plan) } ": " (told) }
        @if visitor.is_admin() && has_room { p { a class="button" href="/settings/keys/new" { "New key" } } }
        @if visitor.is_admin() && !has_room && organization.plan.has_api_access() {
            p { "To make another, revoke one, or look at the " a href="/settings/plan" { "plans" } ". Rotating needs no room." }
        }
    }
}

fn no_keys(visitor: &Visitor, organization: &Organization) -> Markup {
    html! {
        div class="empty" {
            h2 { "No keys yet" }
            @if !organization.plan.has_api_access() {
                p { "The plan " (organization.plan) " has no API access. The " a href="/settings/plan" { "other plans" } " do." }
            } @else if visitor.is_admin() {
                p { "Make the first one, then follow the " a href="/docs" { "quick start" } ": three steps to your first answer." }
            } @else {
                p { "An admin of your organization can make the first one. Meanwhile, there is the " a href="/docs" { "quick start" } "." }
            }
        }
    }
}

/// The keys, one below the other: what a table of eight columns holds would fit no phone.
fn cards(visitor: &Visitor, keys: &[KeySummary], now: Timestamp) -> Markup {
    html! {
        ul class="keys" aria-label="Keys" {
            @for key in keys {
                li {
                    h2 { (key.name) }
                    p { (state(key, now)) }
                    dl {
                        div { dt { "Key" } dd { (display_form(key)) } }
                        div { dt { "Last used" } dd { (last_used(key)) } }
                        div { dt { "Expires" } dd { @match key.expires_at { Some(at) => (moment(at)), None => "never" } } }
                        div { dt { "Made" } dd { (moment(key.created_at)) " by " (key.created_by) } }
                        div class="wide" { dt { "Scopes" } dd { @for scope in &key.scopes { code { (scope) } " " } } }
                    }
                    @if visitor.is_admin() { (changes(key, now)) }
                }
            }
        }
    }
}

pub(crate) fn last_used(key: &KeySummary) -> Markup {
    html! { @match key.last_used_at { Some(at) => (moment(at)), None => "never" } }
}

/// What has become of the key, and while it is rotating, how often the secret from before is still used.
pub(crate) fn state(key: &KeySummary, now: Timestamp) -> Markup {
    let state = key.state(now);
    html! {
        span class=(format!("state {}", state.as_str())) { (state.as_str()) }
        @match state {
            KeyState::Rotating { until } => {
                " until " (moment(until))
                @if let Some(previous) = &key.previous {
                    br; "The old one, …" (previous.last_four) ", was used " (times(previous.uses)) " since."
                }
            }
            KeyState::Revoked => { @if let Some(at) = key.revoked_at { " " (moment(at)) } }
            KeyState::Active | KeyState::Expired => {}
        }
    }
}

pub(crate) fn times(uses: u64) -> String {
    match uses {
        0 => "not once".to_owned(),
        1 => "once".to_owned(),
        uses => format!("{} times", page::thousands(uses)),
    }
}

fn changes(key: &KeySummary, now: Timestamp) -> Markup {
    html! {
        @if key.revoked_at.is_none() {
            p class="changes" {
                @if key.state(now).is_served() {
                    a href=(format!("/settings/keys/{}/rotate", key.id)) aria-label=(format!("Rotate {}", key.name)) { "Rotate" } " "
                }
                a href=(format!("/settings/keys/{}/revoke", key.id)) aria-label=(format!("Revoke {}", key.name)) { "Revoke" }
            }
        }
    }
}

/// What is in the form of a new key.
struct Draft {
    name: String,
    scopes: Vec<Scope>,
    life: String,
    /// Makes the form one key, however often it is sent.
    nonce: String,
}

impl Draft {
    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.get("name").to_owned(),
            scopes: fields.all("scope").filter_map(|scope| scope.parse().ok()).collect(),
            life: fields.get("life").to_owned(),
            nonce: fields.get("nonce").to_owned(),
        }
    }

    /// The key that it asks for, or what is wrong with which field.
    fn check(&self, fields: &Fields, now: Timestamp) -> Result<NewKey, Vec<(&'static str, String)>> {
        let mut wrong = Vec::new();
        if let Err(problem) = ShortText::new(&self.name, "The name") {
            wrong.push(("name", problem));
        }
        if self.scopes.is_empty() || fields.all("scope").count() != self.scopes.len() {
            wrong.push(("scope", "Choose at least one thing that the key may do.".to_owned()));
        }
        let expires_at = match self.life.as_str() {
            "none" => None,
            days if LIVES.iter().any(|(life, _)| *life == days) => {
                let days: i64 = days.parse().unwrap_or_default();
                Some(Timestamp::from_millis(now.as_millis() + days * DAY_MILLIS))
            }
            _ => {
                wrong.push(("life", "Choose when the key expires.".to_owned()));
                None
            }
        };
        let mut scopes = self.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        if wrong.is_empty() { Ok(NewKey { name: self.name.clone(), scopes, expires_at }) } else { Err(wrong) }
    }
}

/// `GET /settings/keys/new`
pub(crate) async fn new(
    Admin(visitor): Admin,
    State(Settings { app, .. }): State<Settings>,
    query: Fields,
) -> Result<Response, Refusal> {
    let organization = organization::get(&app.db, visitor.org(), app.clock.now()).await?;
    if left(&organization) == Some(0) {
        return Ok(not_made(&visitor, &organization, None));
    }
    let preset = PRESETS.iter().find(|(name, ..)| *name == query.get("preset"));
    let draft = Draft {
        name: String::new(),
        scopes: preset.map(|(.., scopes)| scopes.to_vec()).unwrap_or_default(),
        life: "90".to_owned(),
        nonce: SessionId::generate()?.reveal(),
    };
    Ok(form(&visitor, &organization, &draft, &[]).into_response())
}

fn form(visitor: &Visitor, organization: &Organization, draft: &Draft, wrong: &[(&str, String)]) -> Markup {
    let problem = |field: &str| wrong.iter().find(|(of, _)| *of == field).map(|(_, text)| text);
    let told = |field: &str| problem(field).map(|_| format!("{field}-problem"));
    let problem_text = |field: &str| {
        html! {
            @if let Some(text) = problem(field) { p class="problem" id=(format!("{field}-problem")) { (text) } }
        }
    };
    let content = html! {
        h1 { "New key" }
        p { "Give it a name that tells what uses it, and only what that needs." }
        @if !wrong.is_empty() {
            div class="notice wrong" role="alert" {
                p { "The key was not made:" }
                ul { @for (field, text) in wrong { li { a href=(format!("#{field}")) { (text) } } } }
            }
        }
        form class="fields" method="post" action=(HOME) {
            (page::token(visitor))
            input type="hidden" name="nonce" value=(draft.nonce);
            div class="field" {
                label for="name" { "Name" }
                input type="text" id="name" name="name" value=(draft.name) required maxlength="200" autocomplete="off"
                    aria-invalid=[problem("name").map(|_| "true")] aria-describedby=[told("name")];
                (problem_text("name"))
            }
            fieldset id="scope" aria-describedby=[told("scope")] {
                legend { "What it may do" }
                p class="presets" {
                    "Tick what you need, or begin with: "
                    @for (name, title, scopes) in PRESETS {
                        a href=(format!("/settings/keys/new?preset={name}"))
                            data-scopes=(scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")) { (title) } " "
                    }
                }
                @for scope in Scope::ALL {
                    label class="choice" {
                        input type="checkbox" name="scope" value=(scope) checked[draft.scopes.contains(scope)];
                        span { (scope.about()) " " code { (scope) } }
                    }
                }
                (problem_text("scope"))
            }
            fieldset id="life" aria-describedby=[told("life")] {
                legend { "Expires" }
                @for (life, title) in LIVES {
                    label class="choice" {
                        input type="radio" name="life" value=(life) checked[draft.life == life];
                        span { (title) }
                    }
                }
                (problem_text("life"))
            }
            p class="actions" { button type="submit" class="button" { "Create key" } " " a href=(HOME) { "Cancel" } }
        }
    };
    page::within(visitor, Section::Keys, "New key", &organization.name, &content)
}

/// `POST /settings/keys`
pub(crate) async fn create(
    State(Settings { app, .. }): State<Settings>,
    AdminPosted { visitor, fields }: AdminPosted,
) -> Result<Response, Refusal> {
    let now = app.clock.now();
    let organization = organization::get(&app.db, visitor.org(), now).await?;
    let draft = Draft::read(&fields);
    if SessionId::parse(&draft.nonce).is_none() {
        return Err(Refusal::Forged);
    }
    let new = match draft.check(&fields, now) {
        Ok(new) => new,
        Err(wrong) => {
            let page = form(&visitor, &organization, &draft, &wrong);
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    // The same form has the same id: sent twice, it makes one key.
    let id = visitor.session.key_id(&draft.nonce);
    let key = ApiKey::with_id(&id)?;
    let (name, scopes) = (new.name.clone(), new.scopes.clone());
    let made = api_key::create(&app.db, visitor.org(), now, &key, new, &visitor.actor()).await;
    match made {
        Ok(()) => {
            let what = html! { "The key “" (name) "” is made." };
            Ok(secret(&visitor, &organization.name, &what, &key, &scopes).into_response())
        }
        Err(CreateKeyError::Db(error)) => Err(error.into()),
        Err(_) => {
            let before = api_key::find(&app.db, visitor.org(), &id).await?;
            Ok(not_made(&visitor, &organization, before.as_ref()))
        }
    }
}

/// The one page that shows a key. It is the answer of a POST, so that neither Back nor reload shows it again.
pub(crate) fn secret(visitor: &Visitor, organization: &str, what: &Markup, key: &ApiKey, scopes: &[Scope]) -> Markup {
    let path = match scopes.iter().find(|scope| !scope.as_str().ends_with(":write")) {
        Some(Scope::JobsRead) => "/api/v1/jobs",
        Some(Scope::CandidatesRead) => "/api/v1/candidates",
        Some(Scope::PipelineRead) => "/api/v1/pipeline/stages",
        _ => "/api/v1/usage",
    };
    let curl = format!("curl -H \"X-API-Key: {}\" \\\n  \"{}{path}\"", key.reveal(), visitor.origin);
    let content = html! {
        h1 { "Save this key now" }
        p { (what) " It is shown this once: we keep only a digest of it." }
        div class="secret" {
            h2 { "The key" }
            pre { code class="language-text" id="secret" { (key.reveal()) } }
            h2 { "Try it" }
            pre { code class="language-shell" { (curl) } }
        }
        p { a class="button" href=(HOME) { "I have saved it" } }
    };
    page::within(visitor, Section::Keys, "Save this key now", organization, &content)
}

/// Why no key is made: the form has made one `before`, or there is no room.
fn not_made(visitor: &Visitor, organization: &Organization, before: Option<&KeySummary>) -> Response {
    let content = html! {
        @if let Some(key) = before {
            h1 { "This key is made already" }
            p { "The form was sent before, and made the key “" (key.name) "” (" (display_form(key)) "). It was shown that once." }
            @if key.revoked_at.is_none() {
                p { "If you could not save it, " a href=(format!("/settings/keys/{}/rotate", key.id)) { "rotate it" } " for a new secret." }
            }
        } @else {
            h1 { "No room for another key" }
            p { "The plan " (organization.plan) " allows no more keys than there are. Revoke one, or look at the " a href="/settings/plan" { "plans" } "." }
        }
        p { a class="button" href=(HOME) { "To the API keys" } }
    };
    let page = page::within(visitor, Section::Keys, "No key was made", &organization.name, &content);
    (StatusCode::CONFLICT, page).into_response()
}
