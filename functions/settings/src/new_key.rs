//! Creating a key: the form, and the only page that shows a key. It knows no table.

use std::time::Duration;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use shared::{
    http::error::ApiError,
    model::{clock::Timestamp, key::ApiKey, scope::Scope, secret::Secret, value::ShortText},
    store::api_key::{self, CreateKeyError, KeySummary, NewKey},
};

use crate::{
    Settings,
    error::{Change, Code, SettingsError},
    fields::Fields,
    keys::left,
    layout::{self, Section, display_form, plan_name},
    path::{HOME, rotate_path},
    visitor::{Admin, AdminPosted, Visitor},
};

/// The choices for a key's expiry.
pub(crate) const EXPIRIES: [(&str, &str, Option<Duration>); 4] = [
    ("none", "Never", None),
    ("30", "In 30 days", Some(Duration::from_hours(24 * 30))),
    ("90", "In 90 days", Some(Duration::from_hours(24 * 90))),
    ("365", "In 365 days", Some(Duration::from_hours(24 * 365))),
];

/// Scopes that are often used together.
const PRESETS: [(&str, &str, &[Scope]); 2] = [
    (
        "read",
        "Read everything",
        &[Scope::JobsRead, Scope::CandidatesRead, Scope::PipelineRead, Scope::ApplicationsRead],
    ),
    ("sync", "Sync candidates", &[Scope::CandidatesRead, Scope::CandidatesWrite]),
];

/// The content of a new key's form.
struct Draft {
    name: String,
    scopes: Vec<Scope>,
    expiry: String,
    /// Ensures that the form creates only one key, however often it is sent.
    nonce: String,
}

impl Draft {
    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.get("name").to_owned(),
            scopes: fields.all("scope").filter_map(|scope| scope.parse().ok()).collect(),
            expiry: fields.get("expiry").to_owned(),
            nonce: fields.get("nonce").to_owned(),
        }
    }

    /// What identifies the form. It is the same each time the form is sent, so that it creates only one key, and the sender can't choose
    /// it. `None`: the form is not from one of our pages.
    fn digest(&self, visitor: &Visitor) -> Option<String> {
        Secret::parse(&self.nonce)?;
        Some(visitor.session.derive(&format!("key {}", self.nonce)))
    }

    /// The requested key, or the problem with each field.
    fn check(&self, fields: &Fields, now: Timestamp) -> Result<NewKey, Vec<(&'static str, String)>> {
        let mut wrong = Vec::new();
        let name = ShortText::new(&self.name, "The name").map_err(|problem| wrong.push(("name", problem)));
        if self.scopes.is_empty() || fields.all("scope").count() != self.scopes.len() {
            wrong.push(("scope", "Choose at least one thing that the key may do.".to_owned()));
        }
        let chosen = EXPIRIES.iter().find(|(value, ..)| *value == self.expiry);
        if chosen.is_none() {
            wrong.push(("expiry", "Choose when the key expires.".to_owned()));
        }
        let expires_at = chosen.and_then(|(.., after)| *after).map(|after| now.plus(after));
        let mut scopes = self.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        match name {
            Ok(name) if wrong.is_empty() => Ok(NewKey { name, scopes, expires_at }),
            _ => Err(wrong),
        }
    }
}

/// `GET /settings/keys/new`
pub(crate) async fn new(Admin(visitor): Admin, query: Fields) -> Result<Response, SettingsError> {
    if left(&visitor.organization) == Some(0) {
        return Ok(not_created(&visitor, None));
    }
    let preset = PRESETS.iter().find(|(name, ..)| *name == query.get("preset"));
    let draft = Draft {
        name: String::new(),
        scopes: preset.map(|(.., scopes)| scopes.to_vec()).unwrap_or_default(),
        expiry: "90".to_owned(),
        nonce: Secret::generate()?.reveal(),
    };
    Ok(form(&visitor, &draft, &[]).into_response())
}

fn form(visitor: &Visitor, draft: &Draft, wrong: &[(&str, String)]) -> Markup {
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
            div class="notice wrong" role="alert" tabindex="-1" autofocus {
                p { "The key was not created:" }
                ul { @for (field, text) in wrong { li { a href=(format!("#{field}")) { (text) } } } }
            }
        }
        form class="fields" method="post" action=(HOME) {
            (layout::token(visitor))
            input type="hidden" name="nonce" value=(draft.nonce);
            div class="field" {
                label for="name" { "Name" }
                input type="text" id="name" name="name" value=(draft.name) required maxlength="200" autocomplete="off"
                    aria-invalid=[problem("name").map(|_| "true")] aria-describedby=[told("name")];
                (problem_text("name"))
            }
            fieldset aria-describedby=[told("scope")] {
                legend { "What it may do" }
                p class="presets" {
                    "Tick what you need, or begin with: "
                    @for (name, title, scopes) in PRESETS {
                        a href=(format!("/settings/keys/new?preset={name}"))
                            data-scopes=(scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")) { (title) } " "
                    }
                }
                @for (i, scope) in Scope::ALL.iter().enumerate() {
                    label class="choice" {
                        input type="checkbox" id=[(i == 0).then_some("scope")] name="scope" value=(scope) checked[draft.scopes.contains(scope)];
                        span {
                            (scope.about()) " " code { (scope) }
                            @if scope.destroys() { " What it deletes can't be brought back. Tick it only for a key that must do that." }
                        }
                    }
                }
                (problem_text("scope"))
            }
            fieldset aria-describedby=[told("expiry")] {
                legend { "Expires" }
                @for (i, (value, title, _)) in EXPIRIES.iter().enumerate() {
                    (layout::radio("expiry", value, title, i == 0, draft.expiry == *value))
                }
                (problem_text("expiry"))
            }
            p class="actions" { button type="submit" class="button" { "Create key" } " " a href=(HOME) { "Cancel" } }
        }
    };
    let title = if wrong.is_empty() { "New key" } else { "Error: New key" };
    layout::within(visitor, Section::Keys, title, &content)
}

/// `POST /settings/keys`
pub(crate) async fn create(
    State(Settings { app, .. }): State<Settings>,
    AdminPosted { visitor, fields }: AdminPosted,
) -> Result<Response, SettingsError> {
    let now = app.clock.now();
    let draft = Draft::read(&fields);
    let digest = draft.digest(&visitor).ok_or(SettingsError::Forged)?;
    let new = match draft.check(&fields, now) {
        Ok(new) => new,
        Err(wrong) => {
            let form = form(&visitor, &draft, &wrong);
            return Ok(Code::WrongFields.on((StatusCode::UNPROCESSABLE_ENTITY, form)));
        }
    };
    let scopes = new.scopes.clone();
    let create = async {
        match api_key::create_once(&app.db, visitor.org(), now, new, &visitor.actor(), &digest).await {
            // From here on, nothing may fail: the key exists, and this is the only time it can be shown.
            Ok(key) => {
                let what = html! { "The key “" (draft.name) "” is created." };
                Ok(secret(&visitor, &what, &key, &scopes).into_response())
            }
            Err(CreateKeyError::AlreadyCreated(id)) => {
                let before = api_key::find(&app.db, visitor.org(), &id).await?;
                Ok(not_created(&visitor, before.as_ref()))
            }
            Err(CreateKeyError::PlanLimit(_) | CreateKeyError::TooMany) => Ok(not_created(&visitor, None)),
            Err(CreateKeyError::Db(error)) => Err(error.into()),
            Err(CreateKeyError::NoRandomness(error)) => Err(error.into()),
            Err(error @ (CreateKeyError::NoScope | CreateKeyError::UnknownOrganization)) => {
                Err(SettingsError::from(ApiError::Internal(Box::new(error))))
            }
        }
    };
    Change::Create.make(create).await
}

/// The only page that shows a key. It is the response to a POST, so neither Back nor a reload shows it again.
pub(crate) fn secret(visitor: &Visitor, what: &Markup, key: &ApiKey, scopes: &[Scope]) -> Markup {
    let path = match scopes.iter().find(|scope| !scope.as_str().ends_with(":write")) {
        Some(Scope::JobsRead) => "/api/v1/jobs",
        Some(Scope::CandidatesRead) => "/api/v1/candidates",
        Some(Scope::PipelineRead) => "/api/v1/pipeline/stages",
        _ => "/api/v1/usage",
    };
    let curl = format!("printf 'X-API-Key: %s\\n' \"$HH_KEY\" |\n  curl -H @- \"{}{path}\"", visitor.origin);
    let content = html! {
        h1 { "Save this key now" }
        p { (what) " It is shown this once: we keep only a digest of it." }
        div class="secret" {
            h2 { "The key" }
            pre data-what="the key" { code class="language-text" id="secret" { (key.reveal()) } }
        }
        h2 { "Try it" }
        p { "In a shell (bash or zsh), this reads the key without showing it: run it, then paste the key and press Enter." }
        pre data-what="the line that reads the key" { code class="language-shell" { "read -rs HH_KEY" } }
        p { "Then call the API. The key is neither in the shell's history nor in the list of processes." }
        pre data-what="the command" { code class="language-shell" { (curl) } }
        p { a class="button" href=(HOME) { "Done" } }
    };
    layout::within(visitor, Section::Keys, "Save this key now", &content)
}

/// Why no key was created: the form has already created one (`before`), or the plan has no room.
fn not_created(visitor: &Visitor, before: Option<&KeySummary>) -> Response {
    let plan = visitor.organization.plan;
    let content = html! {
        @if let Some(key) = before {
            h1 { "This key is created already" }
            p { "The form was sent before, and created the key “" (key.name) "” (" (display_form(key)) "). It was shown that once." }
            @if key.revoked_at.is_none() {
                p { "If you could not save it, " a href=(rotate_path(&key.id)) { "rotate it" } " for a new secret." }
            }
        } @else if plan.has_api_access() {
            h1 { "No room for another key" }
            p { "The " (plan_name(plan)) " plan allows no more keys than there are. Revoke one, or look at the " a href=(Section::Plan.path()) { "plans" } "." }
        } @else {
            h1 { "No API access" }
            (layout::no_api_access(plan))
        }
        p { a class="button" href=(HOME) { "To the API keys" } }
    };
    let code = match before {
        Some(_) => Code::AlreadyCreated,
        None if plan.has_api_access() => Code::PlanLimit,
        None => Code::NoApiAccess,
    };
    code.on((StatusCode::CONFLICT, layout::within(visitor, Section::Keys, "No key was created", &content)))
}
