//! Signing in and out. Each sign-in begins a session of its own; the one that the browser had is ended.

use axum::{
    extract::State,
    http::{header, request::Parts},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use maud::html;
use shared::{
    records::{
        member::{self, Identity},
        session,
    },
    secret::Secret,
};

use crate::{
    HOME, Settings,
    fields::Fields,
    issuer::{self, SignedIn},
    page,
    refusal::Refusal,
    visitor::{Posted, SESSION_COOKIE, Visitor, cookie, is_same, origin, session_id, set_cookie},
};

/// Where a sign-in begins.
pub(crate) const SIGN_IN: &str = "/settings/sign-in";
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
    let secret = Secret::generate()?;
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
    let secret = Secret::parse(secret).ok_or(Refusal::SignInOver)?;
    if !is_same(query.get("state"), &issuer::state(&secret)) || !is_ours(back) {
        return Err(Refusal::SignInOver);
    }
    match (query.get("error"), query.get("code")) {
        ("access_denied", _) | ("", "") => return Err(Refusal::SignInRefused),
        ("", _) => {}
        (error, _) => {
            let error: String = error.chars().filter(char::is_ascii_graphic).take(100).collect();
            return Err(Refusal::IssuerUnavailable(format!("the sign-in came back with {error}").into()));
        }
    }
    let (db, clock) = (&settings.app.db, &settings.app.clock);
    let code = query.get("code").to_owned();
    let SignedIn { email, issuer, subject } = settings.issuer.signed_in(clock, &origin(&parts)?, &secret, code).await?;
    let identity = Identity { issuer: &issuer, subject: &subject };
    let member = member::sign_in(db, &email, identity, clock.now()).await?.ok_or(Refusal::NoMember)?;

    if let Some(before) = session_id(&parts.headers) {
        session::end(db, &before).await?;
    }
    let id = Secret::generate()?;
    session::begin(db, &member, &id, clock.now()).await?;
    let cookies = [
        (header::SET_COOKIE, set_cookie(SESSION_COOKIE, id.reveal(), session::ABSOLUTE_MILLIS / 1_000)),
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

/// `GET /settings/signed-out`: what it says is true only of whoever is.
pub(crate) async fn ended(State(settings): State<Settings>, parts: Parts) -> Result<Response, Refusal> {
    if Visitor::of(&parts, &settings).await?.is_some() {
        return Ok(Redirect::to(HOME).into_response());
    }
    let content = html! {
        h1 { "You are signed out" }
        p { "This session is over, also for whoever may have kept its cookie." }
        p { "Where you signed in may still know you: on a computer that is not yours alone, sign out there too." }
        p { a class="button" href=(SIGN_IN) { "Sign in again" } }
    };
    Ok(page::alone("You are signed out", &content).into_response())
}

/// A page of the settings: a path, with nothing in it that could lead to another host.
pub(crate) fn is_ours(path: &str) -> bool {
    let rest = path.strip_prefix("/settings");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    rest.is_some_and(|rest| {
        path.len() <= 200
            && (rest.is_empty() || rest.starts_with('/'))
            && rest.chars().all(plain)
            && !rest.contains("//")
    })
}
