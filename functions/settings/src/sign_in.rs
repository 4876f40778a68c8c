//! Signing in and out. Each sign-in begins a new session and ends the browser's previous one. It knows nothing about the issuer's protocol.

use axum::{
    extract::State,
    http::{header, request::Parts},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use shared::{
    http::context,
    model::secret::Secret,
    store::{
        activity::Actor,
        member::{self, Identity},
        session,
    },
};

use crate::{
    Settings,
    error::SettingsError,
    fields::Fields,
    issuer::{self, SignedIn},
    layout,
    path::{HOME, SIGN_IN, SIGNED_OUT, is_ours},
    visitor::{Leaving, SESSION_COOKIE, Visitor, address, cookie, is_same, origin, session_id, set_cookie},
};

/// The cookie that the browser keeps while it is at the issuer: a secret, and the page to return to.
const SIGN_IN_COOKIE: &str = "__Host-sign-in";
/// How long it is kept.
const SIGN_IN_SECS: i64 = 10 * 60;
/// The cookie that the browser has between signing out here and being forwarded to the issuer.
const SIGNED_OUT_COOKIE: &str = "__Host-signed-out";
/// How long it is kept.
const SIGNED_OUT_SECS: i64 = 60;

/// The errors with which an issuer may return a browser (RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section 3.1.2.6), except
/// `access_denied`. Anything else is arbitrary text, and stays out of the log.
const ERRORS: [&str; 15] = [
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "login_required",
    "registration_not_supported",
    "request_not_supported",
    "request_uri_not_supported",
    "server_error",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_response_type",
];

/// `GET /settings/sign-in?return=/settings/usage`: redirects to the issuer.
pub(crate) async fn start(
    State(settings): State<Settings>,
    query: Fields,
    parts: Parts,
) -> Result<impl IntoResponse, SettingsError> {
    let back = match query.get("return") {
        "" => HOME,
        path if is_ours(path) => path,
        _ => return Err(SettingsError::Malformed("After signing in, only a page of these settings can be shown.")),
    };
    let secret = Secret::generate()?;
    let url = settings.issuer.sign_in_url(&settings.app.clock, &origin(&parts)?, &secret).await?;
    let kept = set_cookie(SIGN_IN_COOKIE, format!("{}.{back}", secret.reveal()), SIGN_IN_SECS);
    Ok((AppendHeaders([(header::SET_COOKIE, kept)]), Redirect::to(&url)))
}

/// `GET /settings/callback`: the browser returns from the issuer, with a code.
pub(crate) async fn callback(
    State(settings): State<Settings>,
    query: Fields,
    parts: Parts,
) -> Result<impl IntoResponse, SettingsError> {
    let kept = cookie(&parts.headers, SIGN_IN_COOKIE).unwrap_or_default();
    let (secret, back) = kept.split_once('.').ok_or(SettingsError::SignInOver)?;
    let secret = Secret::parse(secret).ok_or(SettingsError::SignInOver)?;
    if !is_same(query.get("state"), &issuer::state(&secret)) || !is_ours(back) {
        return Err(SettingsError::SignInOver);
    }
    match (query.get("error"), query.get("code")) {
        ("access_denied", _) => return Err(SettingsError::SignInCancelled),
        ("", "") => return Err(SettingsError::SignInFailed("no_code")),
        ("", _) => {}
        (error, _) => {
            return Err(SettingsError::SignInFailed(
                ERRORS.into_iter().find(|known| *known == error).unwrap_or("unknown"),
            ));
        }
    }
    let (db, clock) = (&settings.app.db, &settings.app.clock);
    let code = query.get("code").to_owned();
    let SignedIn { email, issuer, subject } = settings.issuer.signed_in(clock, &origin(&parts)?, &secret, code).await?;
    let identity = Identity { issuer: &issuer, subject: &subject };
    let member = member::sign_in(db, &email, identity, clock.now()).await?.ok_or(SettingsError::NoMember)?;

    if let Some(before) = session_id(&parts.headers) {
        session::end(db, &before, clock.now()).await?;
    }
    let id = Secret::generate()?;
    let actor = Actor::member(member.email.as_str(), address(&parts));
    session::begin(db, &member, &id, clock.now(), &actor).await?;
    context::note_organization(*member.org());
    context::note_event("signed_in");
    let cookies = [
        (header::SET_COOKIE, set_cookie(SESSION_COOKIE, id.reveal(), session::ABSOLUTE_MILLIS / 1_000)),
        (header::SET_COOKIE, set_cookie(SIGN_IN_COOKIE, String::new(), 0)),
    ];
    Ok((AppendHeaders(cookies), Redirect::to(back)))
}

/// `POST /settings/sign-out`
pub(crate) async fn end(
    State(settings): State<Settings>,
    leaving: Leaving,
) -> Result<impl IntoResponse, SettingsError> {
    let Leaving { session, address } = leaving;
    let ended = session::sign_out(&settings.app.db, &session, settings.app.clock.now(), address).await?;
    if let Some(member) = ended {
        context::note_organization(*member.org());
        context::note_event("signed_out");
    }
    let cookies = [
        (header::SET_COOKIE, set_cookie(SESSION_COOKIE, String::new(), 0)),
        (header::SET_COOKIE, set_cookie(SIGNED_OUT_COOKIE, "now".to_owned(), SIGNED_OUT_SECS)),
    ];
    Ok((AppendHeaders(cookies), Redirect::to(SIGNED_OUT)))
}

/// `GET /settings/signed-out`: shown only to people who are signed out. A person who has just signed out is forwarded to the issuer, once,
/// to sign out there too, and then returns here. A page does the forwarding, because `form-action 'self'` does not allow a form's response
/// to redirect to another host. Even if the issuer fails, the person is signed out here, and the page says so.
pub(crate) async fn ended(State(settings): State<Settings>, parts: Parts) -> Result<Response, SettingsError> {
    if Visitor::of(&parts, &settings).await?.is_some() {
        return Ok(Redirect::to(HOME).into_response());
    }
    if cookie(&parts.headers, SIGNED_OUT_COOKIE).is_none() {
        return Ok(signed_out(false).into_response());
    }
    let forgotten = AppendHeaders([(header::SET_COOKIE, set_cookie(SIGNED_OUT_COOKIE, String::new(), 0))]);
    let page = match settings.issuer.sign_out_url(&settings.app.clock, &origin(&parts)?).await {
        Ok(Some(url)) => leads_on(&url),
        Ok(None) => signed_out(true),
        Err(error) => return Ok(error.code().on((forgotten, signed_out(true)))),
    };
    Ok((forgotten, page).into_response())
}

fn leads_on(url: &str) -> Markup {
    let content = html! {
        h1 { "Signing you out" }
        p { "Your session here is over. Next, the sign-in service ends the one that you have there." }
        p { a class="button" href=(url) { "Sign out there" } }
    };
    layout::leading_to(url, "Signing you out", &content)
}

/// `still_known`: the person may still be signed in at the issuer.
fn signed_out(still_known: bool) -> Markup {
    let content = html! {
        h1 { "You are signed out" }
        p { "This session is over, also for whoever may have kept its cookie." }
        @if still_known {
            p { "Where you signed in may still know you: on a computer that is not yours alone, sign out there too." }
        }
        p { a class="button" href=(SIGN_IN) { "Sign in again" } }
    };
    layout::alone("You are signed out", &content)
}
