//! Who is signed in: turns the cookie into a member and, for a change, checks that it was requested on one of our pages. It knows no page.

use axum::{
    RequestPartsExt,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};
use cookie::{Cookie, SameSite};
use sha2::{Digest, Sha256};
use shared::{
    http::{
        context,
        event::{Origin, SourceAddress},
    },
    model::{id::OrgId, role::Role, secret::Secret},
    store::{
        activity::Actor,
        member::Member,
        organization::{self, Organization},
        session,
    },
};

use crate::{Settings, error::SettingsError, fields::Fields, path::is_ours};

/// `__Host-`: a browser accepts and sends it only over HTTPS (or loopback), only to this host, and for every path.
pub(crate) const SESSION_COOKIE: &str = "__Host-session";

/// A cookie that scripts can't read, and that is not sent with other sites' forms.
pub(crate) fn set_cookie(name: &'static str, value: String, max_age_secs: i64) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(max_age_secs))
        .build();
    // Every value is ours, and has only characters that a header allows.
    HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The value of the request's cookie with this name.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    // Another application's cookie may have bytes that ours never have.
    let all = headers.get_all(header::COOKIE).iter().map(|cookies| String::from_utf8_lossy(cookies.as_bytes()));
    let mut cookies = all.flat_map(|cookies| Cookie::split_parse(cookies.into_owned())).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// The session in the request's cookie, whether or not it exists.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<Secret> {
    cookie(headers, SESSION_COOKIE).as_deref().and_then(Secret::parse)
}

/// The origin at which the browser reached us: `https://api.example.com`.
pub(crate) fn origin(parts: &Parts) -> Result<String, SettingsError> {
    let origin = parts.extensions.get::<Origin>().map(ToString::to_string).unwrap_or_default();
    if origin.is_empty() {
        Err(SettingsError::Malformed("The request does not say which host it is for."))
    } else {
        Ok(origin)
    }
}

/// The network address that the gateway received the request from.
pub(crate) fn address(parts: &Parts) -> Option<String> {
    parts.extensions.get::<SourceAddress>().map(|address| address.0.clone())
}

/// A person who is signed in.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) member: Member,
    pub(crate) organization: Organization,
    pub(crate) session: Secret,
    /// The origin at which the browser reached us.
    pub(crate) origin: String,
    address: Option<String>,
}

impl Visitor {
    pub(crate) fn org(&self) -> &OrgId {
        self.member.org()
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.member.role == Role::Admin
    }

    /// The visitor, as an actor in the activity log.
    pub(crate) fn actor(&self) -> Actor {
        Actor::member(self.member.email.as_str(), self.address.clone())
    }

    /// The token that ties a form to this session.
    pub(crate) fn form_token(&self) -> String {
        form_token(&self.session)
    }

    /// The visitor whose session is in the request's cookie. `None`: no one is signed in.
    pub(crate) async fn of(parts: &Parts, Settings { app, .. }: &Settings) -> Result<Option<Self>, SettingsError> {
        let origin = origin(parts)?;
        let now = app.clock.now();
        let Some(session) = session_id(&parts.headers) else { return Ok(None) };
        let Some(member) = session::resume(&app.db, &session, now).await? else { return Ok(None) };
        context::note_organization(*member.org());
        let organization = organization::get(&app.db, member.org(), now).await?;
        Ok(Some(Self { member, organization, session, origin, address: address(parts) }))
    }
}

impl FromRequestParts<Settings> for Visitor {
    type Rejection = SettingsError;

    async fn from_request_parts(parts: &mut Parts, settings: &Settings) -> Result<Self, SettingsError> {
        let visitor = Self::of(parts, settings).await?;
        visitor.ok_or_else(|| {
            let path = parts.uri.path();
            match parts.method {
                // A posted form can't be resumed after a sign-in.
                Method::POST => SettingsError::SignedOut,
                _ if is_ours(path) => SettingsError::SignInFirst(path.to_owned()),
                // It is not a page, and would not be one after a sign-in either.
                _ => SettingsError::Unknown,
            }
        })
    }
}

/// A signed-in admin, for the pages that only admins may see.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Visitor);

impl FromRequestParts<Settings> for Admin {
    type Rejection = SettingsError;

    async fn from_request_parts(parts: &mut Parts, settings: &Settings) -> Result<Self, SettingsError> {
        let visitor: Visitor = parts.extract_with_state(settings).await?;
        if visitor.is_admin() { Ok(Self(visitor)) } else { Err(SettingsError::NotAdmin) }
    }
}

/// A change that a signed-in person requests, with a form from one of our pages.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) visitor: Visitor,
    pub(crate) fields: Fields,
}

impl FromRequest<Settings> for Posted {
    type Rejection = SettingsError;

    async fn from_request(request: Request, settings: &Settings) -> Result<Self, SettingsError> {
        let (mut parts, body) = request.into_parts();
        check_sender(&parts)?;
        let visitor: Visitor = parts.extract_with_state(settings).await?;
        let fields = Fields::read(&parts.headers, body).await?;
        if !is_same(fields.get("token"), &form_token(&visitor.session)) {
            return Err(SettingsError::Forged);
        }
        Ok(Self { visitor, fields })
    }
}

/// A request to sign out, from one of our pages. The session may already have expired, since the one at the issuer may not have.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) session: Secret,
    pub(crate) address: Option<String>,
}

impl FromRequest<Settings> for Leaving {
    type Rejection = SettingsError;

    async fn from_request(request: Request, _: &Settings) -> Result<Self, SettingsError> {
        let (parts, body) = request.into_parts();
        check_sender(&parts)?;
        let session = session_id(&parts.headers).ok_or(SettingsError::SignedOut)?;
        let fields = Fields::read(&parts.headers, body).await?;
        if !is_same(fields.get("token"), &form_token(&session)) {
            return Err(SettingsError::Forged);
        }
        Ok(Self { session, address: address(&parts) })
    }
}

/// Checks that a POST is from our origin. Browsers always send `Origin` with one, so a request without it is not from a browser.
fn check_sender(parts: &Parts) -> Result<(), SettingsError> {
    let from = parts.headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    if from == Some(origin(parts)?.as_bytes()) { Ok(()) } else { Err(SettingsError::Forged) }
}

/// The token that ties a form to this session.
fn form_token(session: &Secret) -> String {
    session.derive("form")
}

/// A change that an admin requests.
#[derive(Debug)]
pub(crate) struct AdminPosted {
    pub(crate) visitor: Visitor,
    pub(crate) fields: Fields,
}

impl FromRequest<Settings> for AdminPosted {
    type Rejection = SettingsError;

    async fn from_request(request: Request, settings: &Settings) -> Result<Self, SettingsError> {
        let Posted { visitor, fields } = Posted::from_request(request, settings).await?;
        if visitor.is_admin() { Ok(Self { visitor, fields }) } else { Err(SettingsError::NotAdmin) }
    }
}

/// Compares secrets by their digests, so that the time it takes reveals nothing about them.
pub(crate) fn is_same(told: &str, wanted: &str) -> bool {
    Sha256::digest(told) == Sha256::digest(wanted)
}
