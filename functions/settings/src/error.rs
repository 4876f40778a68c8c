//! Why a page is not shown or a change not made. It knows no page: [`error_view`](crate::error_view) renders the error.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use shared::{
    contract::error_code::ErrorCode,
    http::error::{ApiError, Cause, OwnBody},
    model::{
        key::{KeyId, NoRandomness},
        page::InvalidCursor,
    },
    store::error::{DbError, StoreError},
};

/// Why a request fails.
#[derive(Debug)]
pub(crate) enum SettingsError {
    /// No one is signed in. Holds the page to return to after the sign-in.
    SignInFirst(String),
    /// A form was posted, but no one is signed in any more.
    SignedOut,
    /// The form was not sent by one of our pages, or belongs to another session.
    Forged,
    /// The member is not an admin, and only admins may do this.
    NotAdmin,
    /// There is no such page, or the organization has no such key.
    Unknown,
    /// The page does not support the method.
    MethodNotAllowed,
    /// The request is one that none of our pages sends.
    Malformed(&'static str),
    /// The callback does not belong to a sign-in of this browser.
    SignInOver,
    /// The person cancelled the sign-in.
    SignInCancelled,
    /// The browser returned with an error. Holds the error, for the log.
    SignInFailed(&'static str),
    /// The authorization code is invalid or has expired. Holds the error, for the log.
    CodeRefused(&'static str),
    /// The issuer's token can't be verified. Holds the cause, for the log.
    UnverifiedToken(Cause),
    /// The issuer can't be reached, or does not accept us as a client. Holds the cause, for the log.
    IssuerUnavailable(Cause),
    /// The person is not a member.
    NoMember,
    /// A change failed, and it is unknown whether it was made.
    Uncertain(Change, ApiError),
    /// The failure is one of the API's errors.
    Failed(ApiError),
}

/// A change to a key, whose outcome can stay unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Rotate(KeyId),
    Revoke,
}

/// The code of an error in the log. It is never shown to anyone.
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

    pub(crate) fn because(self, reason: Option<&'static str>, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        response.extensions_mut().insert(OwnBody { code: self.as_str(), reason });
        response
    }
}

impl SettingsError {
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
            Self::Uncertain(_, error) | Self::Failed(error) => Code::Api(error.code()),
        }
    }

    /// Whatever came through the browser is a 4xx, because anyone can send it. A 5xx is a failure on our side, or on the issuer's when we
    /// call it ourselves.
    pub(crate) fn status(&self) -> StatusCode {
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
            Self::Uncertain(_, error) | Self::Failed(error) => error.code().status(),
        }
    }

    /// The error that a handler left in its response.
    pub(crate) fn take_from(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove::<Arc<Self>>().and_then(Arc::into_inner)
    }

    /// The error to log, with its cause.
    pub(crate) fn into_logged(self) -> Option<ApiError> {
        match self {
            Self::Uncertain(_, error) | Self::Failed(error) => Some(error),
            Self::UnverifiedToken(cause) | Self::IssuerUnavailable(cause) => Some(ApiError::Unavailable(cause)),
            _ => None,
        }
    }
}

/// Puts the error into the response's extensions. The layer around all pages renders it, so a handler that fails needs no page.
impl IntoResponse for SettingsError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<ApiError> for SettingsError {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for SettingsError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<InvalidCursor> for SettingsError {
    fn from(wrong: InvalidCursor) -> Self {
        Self::Failed(wrong.into())
    }
}

impl From<DbError> for SettingsError {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NoRandomness> for SettingsError {
    fn from(error: NoRandomness) -> Self {
        Self::Failed(ApiError::Internal(Box::new(error)))
    }
}
