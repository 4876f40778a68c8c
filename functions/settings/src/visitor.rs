//! Who is signed in: from the cookie to the member, and for a change the checks that it was asked for on a page of ours.

use axum::{
    RequestPartsExt,
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};
use cookie::{Cookie, SameSite};
use data_encoding::BASE64URL_NOPAD;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use shared::{
    event::{Origin, SourceAddress},
    id::OrgId,
    records::{
        activity::Actor,
        member::{Member, Role},
        session::{self, SessionId},
    },
};

use crate::{Settings, refusal::Refusal};

/// `__Host-`: a browser takes and sends it over HTTPS (or loopback) alone, to this host alone, for every path.
pub(crate) const SESSION_COOKIE: &str = "__Host-session";

/// A cookie that scripts can't read, and that other sites' forms don't send.
pub(crate) fn set_cookie(name: &'static str, value: String, max_age_secs: i64) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(max_age_secs))
        .build();
    // Every value is ours, and has no character that a header can't.
    HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The value of the request's cookie of this name.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = all.flat_map(|cookies| Cookie::split_parse(cookies.to_owned())).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// The session that the request's cookie names, whether or not there is one.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<SessionId> {
    cookie(headers, SESSION_COOKIE).as_deref().and_then(SessionId::parse)
}

/// Where the browser reached us: `https://api.example.com`.
pub(crate) fn origin(parts: &Parts) -> Result<String, Refusal> {
    let origin = parts.extensions.get::<Origin>().map(ToString::to_string).unwrap_or_default();
    if origin.is_empty() {
        Err(Refusal::Malformed("The request does not say which host it is for."))
    } else {
        Ok(origin)
    }
}

/// A person who is signed in.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) member: Member,
    pub(crate) session: SessionId,
    /// Where the browser reached us.
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

    /// As the activity names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor::member(&self.member.email, self.address.clone())
    }

    /// What a form must have, so that it is one of this session.
    pub(crate) fn form_token(&self) -> String {
        BASE64URL_NOPAD.encode(&self.session.derive("form"))
    }

    async fn of(parts: &Parts, settings: &Settings) -> Result<Option<Self>, Refusal> {
        let origin = origin(parts)?;
        let Some(session) = session_id(&parts.headers) else { return Ok(None) };
        let member = session::resume(&settings.app.db, &session, settings.app.clock.now()).await?;
        let address = parts.extensions.get::<SourceAddress>().map(|address| address.0.clone());
        Ok(member.map(|member| Self { member, session, origin, address }))
    }
}

impl FromRequestParts<Settings> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, settings: &Settings) -> Result<Self, Refusal> {
        let visitor = Self::of(parts, settings).await?;
        visitor.ok_or_else(|| {
            // What was about to be posted can't be gone on with after a sign-in.
            if parts.method == Method::POST {
                Refusal::SignedOut
            } else {
                Refusal::SignInFirst(parts.uri.path().to_owned())
            }
        })
    }
}

/// A signed-in admin, who may be shown what only admins do.
#[derive(Debug)]
pub(crate) struct Admin(pub(crate) Visitor);

impl FromRequestParts<Settings> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, settings: &Settings) -> Result<Self, Refusal> {
        let visitor: Visitor = parts.extract_with_state(settings).await?;
        if visitor.is_admin() { Ok(Self(visitor)) } else { Err(Refusal::NotAdmin) }
    }
}

/// A change that a signed-in person asks for, with a form of a page of ours.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) visitor: Visitor,
    pub(crate) fields: Fields,
}

impl FromRequest<Settings> for Posted {
    type Rejection = Refusal;

    async fn from_request(request: Request, settings: &Settings) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        // Browsers tell with every POST which site it is from. Who does not tell is none.
        let from = parts.headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
        if from != Some(origin(&parts)?.as_bytes()) {
            return Err(Refusal::Forged);
        }
        let visitor: Visitor = parts.extract_with_state(settings).await?;
        let fields = Fields::read(&parts.headers, body).await?;
        if !is_same(fields.get("token"), &visitor.form_token()) {
            return Err(Refusal::Forged);
        }
        Ok(Self { visitor, fields })
    }
}

/// A change that an admin asks for.
#[derive(Debug)]
pub(crate) struct AdminPosted {
    pub(crate) visitor: Visitor,
    pub(crate) fields: Fields,
}

impl FromRequest<Settings> for AdminPosted {
    type Rejection = Refusal;

    async fn from_request(request: Request, settings: &Settings) -> Result<Self, Refusal> {
        let Posted { visitor, fields } = Posted::from_request(request, settings).await?;
        if visitor.is_admin() { Ok(Self { visitor, fields }) } else { Err(Refusal::NotAdmin) }
    }
}

/// Compares secrets by their digests, so that the time it takes tells nothing of them.
pub(crate) fn is_same(told: &str, wanted: &str) -> bool {
    Sha256::digest(told) == Sha256::digest(wanted)
}

/// The fields of a form or of a query.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refusal> {
        let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = declared.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::Malformed("The form is not URL-encoded."));
        }
        let body = body.collect().await.map_err(|_| Refusal::Malformed("The form can't be read."))?;
        Ok(Self::parse(&body.to_bytes()))
    }

    /// The first field of this name; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Every field of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}
