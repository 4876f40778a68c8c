//! Why a page is not shown or a change not made, each as a page of its own.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use form_urlencoded::byte_serialize;
use maud::{Markup, html};
use shared::{
    db::DbError,
    error::{ApiError, Cause},
    key::NoRandomness,
    serve::OwnBody,
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
    /// The person did not want to sign in, or the code was not good any more.
    SignInRefused,
    /// What the issuer told can't be verified. For the log: why.
    UnverifiedToken(Cause),
    /// The issuer can't be reached, or does not take us for its client. For the log: why.
    IssuerUnavailable(Cause),
    /// The person is no member.
    NoMember,
    /// Something failed that the API's errors have a word for.
    Failed(ApiError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignInFirst(_) => StatusCode::SEE_OTHER,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Forged | Self::NotAdmin | Self::NoMember => StatusCode::FORBIDDEN,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed(_) | Self::SignInOver | Self::SignInRefused | Self::UnverifiedToken(_) => {
                StatusCode::BAD_REQUEST
            }
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
            Self::SignInRefused => {
                ("Not signed in", "The sign-in was cancelled, or took too long. You can begin it again.")
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
            | Self::SignInRefused
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
            return Redirect::to(&format!("{SIGN_IN}?return={path}")).into_response();
        }
        let (title, text) = self.words();
        let content = html! {
            h1 { (title) }
            p { (text) }
            (self.way_on())
        };
        let mut response = (self.status(), page::alone(title, &content)).into_response();
        if let Some(error) = self.into_logged() {
            response.extensions_mut().insert(OwnBody);
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
