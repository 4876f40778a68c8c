//! Why a page is not shown or a change not made, each as a page of its own.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use form_urlencoded::byte_serialize;
use maud::{Markup, html};
use shared::{
    contract::error_code::ErrorCode,
    http::error::{ApiError, Cause, OwnBody},
    model::{key::NoRandomness, page::InvalidCursor},
    store::error::{DbError, StoreError},
};

use crate::{page, sign_in::SIGN_IN};

/// Why not.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody is signed in; the page that was asked for comes after the sign-in.
    SignInFirst(String),
    /// Nobody is signed in any more, and a form was posted.
    SignedOut,
    /// A form that no page of ours has sent, or one of another session.
    Forged,
    /// A member asks for what an admin does.
    NotAdmin,
    /// There is no such page, or no such key in the organization.
    Unknown,
    /// The page does not take the method.
    MethodNotAllowed,
    /// The request has a form that no page of ours makes.
    Malformed(&'static str),
    /// What came back from the issuer belongs to no sign-in of this browser.
    SignInOver,
    /// The person did not want to sign in.
    SignInCancelled,
    /// The browser came back with an error. For the log: which.
    SignInFailed(&'static str),
    /// The code that the browser brought is not good, or not any more. For the log: what it is called.
    CodeRefused(&'static str),
    /// What the issuer told can't be verified. For the log: why.
    UnverifiedToken(Cause),
    /// The issuer can't be reached, or does not take us for its client. For the log: why.
    IssuerUnavailable(Cause),
    /// The person is no member.
    NoMember,
    /// Something failed that the API's errors have a word for.
    Failed(ApiError),
}

/// What the log calls a refusal; none is told to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NotSignedIn,
    SignedOut,
    ForgedForm,
    NotAdmin,
    NotFound,
    MethodNotAllowed,
    MalformedRequest,
    SignInOver,
    SignInCancelled,
    SignInFailed,
    GrantRefused,
    UnverifiedToken,
    IssuerUnavailable,
    NoMember,
    WrongFields,
    AlreadyCreated,
    PlanLimit,
    NoApiAccess,
    NotServed,
    Overtaken,
    /// One of the API's errors.
    Api(ErrorCode),
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotSignedIn => "not_signed_in",
            Self::SignedOut => "signed_out",
            Self::ForgedForm => "forged_form",
            Self::NotAdmin => "not_admin",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MalformedRequest => "malformed_request",
            Self::SignInOver => "sign_in_over",
            Self::SignInCancelled => "sign_in_cancelled",
            Self::SignInFailed => "sign_in_failed",
            Self::GrantRefused => "code_refused",
            Self::UnverifiedToken => "unverified_token",
            Self::IssuerUnavailable => "issuer_unavailable",
            Self::NoMember => "no_member",
            Self::WrongFields => "wrong_fields",
            Self::AlreadyCreated => "already_created",
            Self::PlanLimit => "plan_limit",
            Self::NoApiAccess => "no_api_access",
            Self::NotServed => "key_not_served",
            Self::Overtaken => "already_rotated",
            Self::Api(code) => code.as_str(),
        }
    }

    /// The response, with the code for the log.
    pub(crate) fn on(self, response: impl IntoResponse) -> Response {
        self.because(None, response)
    }

    fn because(self, reason: Option<&'static str>, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        response.extensions_mut().insert(OwnBody { code: self.as_str(), reason });
        response
    }
}

impl Refusal {
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::SignInFirst(_) => Code::NotSignedIn,
            Self::SignedOut => Code::SignedOut,
            Self::Forged => Code::ForgedForm,
            Self::NotAdmin => Code::NotAdmin,
            Self::Unknown => Code::NotFound,
            Self::MethodNotAllowed => Code::MethodNotAllowed,
            Self::Malformed(_) => Code::MalformedRequest,
            Self::SignInOver => Code::SignInOver,
            Self::SignInCancelled => Code::SignInCancelled,
            Self::SignInFailed(_) => Code::SignInFailed,
            Self::CodeRefused(_) => Code::GrantRefused,
            Self::UnverifiedToken(_) => Code::UnverifiedToken,
            Self::IssuerUnavailable(_) => Code::IssuerUnavailable,
            Self::NoMember => Code::NoMember,
            Self::Failed(error) => Code::Api(error.code()),
        }
    }

    /// What came through the browser is a 4xx, whatever it says: anybody can send it. A 5xx is a failure of ours, or of the issuer when
    /// we ask it ourselves.
    fn status(&self) -> StatusCode {
        match self {
            Self::SignInFirst(_) => StatusCode::SEE_OTHER,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Forged | Self::NotAdmin | Self::NoMember => StatusCode::FORBIDDEN,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed(_)
            | Self::SignInOver
            | Self::SignInCancelled
            | Self::SignInFailed(_)
            | Self::CodeRefused(_)
            | Self::UnverifiedToken(_) => StatusCode::BAD_REQUEST,
            Self::IssuerUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(error) => error.code().status(),
        }
    }

    /// The title and the words of its page.
    fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::SignInFirst(_) | Self::SignedOut => (
                "You are signed out",
                "Nothing was changed. A session ends half an hour after its last use, and after eight hours.",
            ),
            Self::Forged => (
                "This page is out of date",
                "Nothing was changed. You may have signed in anew since it was opened: open it again, and try again.",
            ),
            Self::NotAdmin => (
                "Admins only",
                "Nothing was changed. Creating, rotating and revoking keys is for your organization's admins.",
            ),
            Self::Unknown => ("Not found", "There is no such page, or your organization has no such key."),
            Self::MethodNotAllowed => ("Not like this", "This address does not take that kind of request."),
            Self::Malformed(what) => ("This link or form is not valid", what),
            Self::SignInOver => (
                "Not signed in",
                "This sign-in was begun in another browser, too long ago, or before another one. Begin it again.",
            ),
            Self::SignInCancelled => ("Not signed in", "The sign-in was cancelled. You can begin it again."),
            Self::SignInFailed(_) => (
                "Not signed in",
                "The sign-in service sent you back without signing you in. Begin again; if it stays, ask whoever runs this service.",
            ),
            Self::CodeRefused(_) => {
                ("Not signed in", "The sign-in took too long, or this page was opened twice. You can begin it again.")
            }
            Self::UnverifiedToken(_) => {
                ("Not signed in", "What the sign-in told us could not be verified, so nobody was signed in.")
            }
            Self::IssuerUnavailable(_) => (
                "Signing in is not possible at the moment",
                "It has been logged. Whoever is signed in already stays so. Try again shortly.",
            ),
            Self::NoMember => (
                "No organization",
                "Your sign-in is fine, but it belongs to no organization here. Ask whoever runs this service to add your e-mail, or \
                 to add it anew if it worked before.",
            ),
            Self::Failed(ApiError::InvalidCursor(_)) => {
                ("Not found", "This page of the list is no longer there. Begin at the first.")
            }
            Self::Failed(_) => (
                "Something went wrong",
                "It has been logged. Try again; if it stays, tell whoever runs this service when it happened.",
            ),
        }
    }

    fn way_on(&self) -> Markup {
        match self {
            Self::SignInFirst(_)
            | Self::SignedOut
            | Self::SignInOver
            | Self::SignInCancelled
            | Self::SignInFailed(_)
            | Self::CodeRefused(_)
            | Self::UnverifiedToken(_) => html! { p { a class="button" href=(SIGN_IN) { "Sign in" } } },
            Self::NoMember | Self::IssuerUnavailable(_) => html! { p { a href="/docs" { "To the guides" } } },
            _ => html! { p { a class="button" href=(crate::HOME) { "To the API keys" } } },
        }
    }

    /// What the log is told.
    fn into_logged(self) -> Option<ApiError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::UnverifiedToken(cause) | Self::IssuerUnavailable(cause) => Some(ApiError::Unavailable(cause)),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::SignInFirst(path) = &self {
            let path: String = byte_serialize(path.as_bytes()).collect();
            return self.code().on(Redirect::to(&format!("{SIGN_IN}?return={path}")));
        }
        let (title, text) = self.words();
        let content = html! {
            h1 { (title) }
            p { (text) }
            (self.way_on())
        };
        let reason = match self {
            Self::SignInFailed(reason) | Self::CodeRefused(reason) => Some(reason),
            _ => None,
        };
        let mut response = self.code().because(reason, (self.status(), page::alone(title, &content)));
        if let Some(error) = self.into_logged() {
            response.extensions_mut().insert(Arc::new(error));
        }
        response
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<InvalidCursor> for Refusal {
    fn from(wrong: InvalidCursor) -> Self {
        Self::Failed(wrong.into())
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NoRandomness> for Refusal {
    fn from(error: NoRandomness) -> Self {
        Self::Failed(ApiError::Internal(Box::new(error)))
    }
}
