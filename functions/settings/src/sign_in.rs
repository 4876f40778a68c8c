//! Signing in and out. Each sign-in begins a session of its own; the one that the browser had is ended.

use axum::{
    extract::State,
    http::{header, request::Parts},
    response::{AppendHeaders, IntoResponse, Redirect},
};
use maud::{Markup, html};
use shared::records::{
    member::{self, Identity},
    session::{self, SessionId},
};

use crate::{
    HOME, Settings,
    issuer::{self, SignedIn},
    page,
    refusal::Refusal,
    visitor::{Fields, Posted, SESSION_COOKIE, cookie, is_same, origin, session_id, set_cookie},
};

/// What the browser keeps while it is at the issuer: a secret, and the page to come back to.
const SIGN_IN_COOKIE: &str = "__Host-sign-in";
/// For so long.
const SIGN_IN_SECS: i64 = 10 * 60;

/// `GET /settings/sign-in?return=/settings/usage`: to the issuer.
pub(crate) async fn start(
    State(settings): State<Settings>,
    query: Fields,
    parts: Parts,
) -> Result<impl IntoResponse, Refusal> {
    let back = match query.get("return") {
        "" => HOME,
        path if is_ours(path) => path,
        _ => return Err(Refusal::Malformed("After signing in, only a page of these settings can be shown.")),
    };
    let secret = SessionId::generate()?;
    let url = settings.issuer.sign_in_url(&settings.app.clock, &origin(&parts)?, &secret).await?;
    let kept = set_cookie(SIGN_IN_COOKIE, format!("{}.{back}", secret.reveal()), SIGN_IN_SECS);
    Ok((AppendHeaders([(header::SET_COOKIE, kept)]), Redirect::to(&url)))
}

/// `GET /settings/callback`: from the issuer, with a code.
pub(crate) async fn callback(
    State(settings): State<Settings>,
    query: Fields,
    parts: Parts,
) -> Result<impl IntoResponse, Refusal> {
    let kept = cookie(&parts.headers, SIGN_IN_COOKIE).unwrap_or_default();
    let (secret, back) = kept.split_once('.').ok_or(Refusal::SignInOver)?;
    let secret = SessionId::parse(secret).ok_or(Refusal::SignInOver)?;
    if !is_same(query.get("state"), &issuer::state(&secret)) || !is_ours(back) {
        return Err(Refusal::SignInOver);
    }
    if query.get("code").is_empty() {
        return Err(Refusal::SignInRefused);
    }
    let (db, clock) = (&settings.app.db, &settings.app.clock);
    let code = query.get("code").to_owned();
    let SignedIn { email, issuer, subject } = settings.issuer.signed_in(clock, &origin(&parts)?, &secret, code).await?;
    let identity = Identity { issuer: &issuer, subject: &subject };
    let member = member::sign_in(db, &email, identity, clock.now()).await?.ok_or(Refusal::NoMember)?;

    if let Some(before) = session_id(&parts.headers) {
        session::end(db, &before).await?;
    }
    let id = SessionId::generate()?;
    session::begin(db, &member, &id, clock.now()).await?;
    let cookies = [
        (header::SET_COOKIE, set_cookie(SESSION_COOKIE, id.reveal(), session::WHOLE_MILLIS / 1_000)),
        (header::SET_COOKIE, set_cookie(SIGN_IN_COOKIE, String::new(), 0)),
    ];
    Ok((AppendHeaders(cookies), Redirect::to(back)))
}

/// `POST /settings/sign-out`
pub(crate) async fn end(State(settings): State<Settings>, posted: Posted) -> Result<impl IntoResponse, Refusal> {
    session::end(&settings.app.db, &posted.visitor.session).await?;
    let forgotten = [(header::SET_COOKIE, set_cookie(SESSION_COOKIE, String::new(), 0))];
    Ok((AppendHeaders(forgotten), Redirect::to("/settings/signed-out")))
}

/// `GET /settings/signed-out`
pub(crate) async fn ended() -> Markup {
    let content = html! {
        h1 { "You are signed out" }
        p { "This session is over, also for whoever may have kept its cookie." }
        p { a class="button" href="/settings/sign-in" { "Sign in again" } }
    };
    page::alone("You are signed out", &content)
}

/// A page of the settings: a path, with nothing in it that could lead to another host.
fn is_ours(path: &str) -> bool {
    let rest = path.strip_prefix("/settings");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    rest.is_some_and(|rest| {
        path.len() <= 200
            && (rest.is_empty() || rest.starts_with('/'))
            && rest.chars().all(plain)
            && !rest.contains("//")
    })
}
