//! Every way a request can fail, with its message and body. Its code and status are an [`ErrorCode`]. It knows no handler.
//!
//! Handlers and extractors return an [`ApiError`]. The layers in [`serve`](crate::http::serve) write it as the envelope, with the
//! request's id, and log its inner cause, which never reaches the client.

use std::{borrow::Cow, sync::Arc};

use axum::{
    http::Method,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    contract::{
        error_code::ErrorCode,
        operation::{Answer, Operation, WriteAnswer},
    },
    http::{
        error_text::{seconds, unknown_path, wrong_fields},
        media_type::UnsupportedMedia,
    },
    model::{
        body::{InvalidBody, MAX_BODY_BYTES},
        field::Detail,
        id::{ApplicationId, CandidateId, StageId},
        page::InvalidCursor,
        scope::Scope,
    },
    store::error::{DbError, StoreError},
};

/// Why a request was not served.
#[derive(Debug)]
pub enum ApiError {
    /// The request is malformed: an invalid path, header or encoding.
    BadRequest(Cow<'static, str>),
    /// A query parameter is unknown, repeated or out of range.
    InvalidParameter(Vec<Detail>),
    /// The cursor is damaged, or belongs to another list or filter.
    InvalidCursor(InvalidCursor),
    /// The body is not JSON (RFC 8259), or an object in it has a duplicate name.
    MalformedJson(String),
    /// The `Idempotency-Key` header is malformed. Holds the whole message.
    InvalidIdempotencyKey(String),
    /// There is no `X-API-Key` header, or it is empty.
    MissingApiKey(MissingKey),
    /// The key is unknown, malformed, revoked or expired. All four get the same response.
    InvalidApiKey,
    /// The key lacks the scope.
    InsufficientScope(Scope),
    /// The organization's plan has no API access.
    PlanNoApiAccess,
    /// The object is missing, or belongs to another organization. Both get the same response.
    NotFound,
    /// The object that an earlier request with the same idempotency key has written was erased.
    Erased,
    /// Something in the path is not an id, though it should be. Holds the whole message.
    NotAnId(String),
    /// There is no such path.
    UnknownPath(String),
    /// The path does not support this method.
    MethodNotAllowed(Method),
    /// Another candidate of the organization has this email address.
    EmailTaken {
        /// Who has it.
        existing_id: CandidateId,
    },
    /// The candidate has already applied to this job.
    AlreadyApplied {
        /// The existing application.
        existing_id: ApplicationId,
    },
    /// The job is not open.
    JobNotOpen,
    /// The candidate is not at the move's `fromStageId`.
    StageConflict {
        /// The candidate's stage. `None`: the key may not read the pipeline.
        current_stage_id: Option<StageId>,
    },
    /// The object is not at a version that `If-Match` names, or it kept changing during the update.
    VersionConflict {
        /// The object's version. `None`: it kept changing.
        current: Option<u64>,
    },
    /// The body is larger than [`MAX_BODY_BYTES`].
    PayloadTooLarge {
        /// Its size. `None`: it was not read to the end.
        bytes: Option<usize>,
    },
    /// The body is not declared as JSON, or is compressed.
    UnsupportedMediaType(UnsupportedMedia),
    /// Some of the body's fields are wrong. Every one of them is listed.
    ValidationError(Vec<Detail>),
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// The key's requests of this minute are used up.
    RateLimitExceeded {
        /// Seconds until the next minute.
        retry_after: u64,
    },
    /// The key's requests of this minute to `GET /usage` are used up.
    UsageLimitExceeded {
        /// Seconds until the next minute.
        retry_after: u64,
    },
    /// The organization's requests of this month are used up.
    MonthlyQuotaExceeded {
        /// Seconds until the next month.
        retry_after: u64,
    },
    /// So many unknown secrets of a key or its account were presented that this one was not looked up.
    UnknownSecrets,
    /// A fault on our side.
    Internal(Cause),
    /// There is more to do than one request can. The same request continues.
    Unfinished,
    /// DynamoDB, or the request as a whole, took too long or failed temporarily. A retry may help.
    Unavailable(Cause),
}

/// How a request lacks a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissingKey {
    /// There is no such header.
    #[error("The request has no X-API-Key header. Send your API key in that header.")]
    Absent,
    /// There is an `Authorization` header instead, as for other APIs.
    #[error("The request has an Authorization header but no X-API-Key header. Send your API key in X-API-Key.")]
    Elsewhere,
    /// The header is empty.
    #[error(
        "The X-API-Key header is empty. Send your API key in it; the variable that should hold the key may be unset."
    )]
    Empty,
}

/// The inner cause of a fault, for the log only.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl ApiError {
    /// The stable code that clients match on.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::BadRequest,
            Self::InvalidParameter(_) => ErrorCode::InvalidParameter,
            Self::InvalidCursor(_) => ErrorCode::InvalidCursor,
            Self::MalformedJson(_) => ErrorCode::MalformedJson,
            Self::InvalidIdempotencyKey(_) => ErrorCode::InvalidIdempotencyKey,
            Self::MissingApiKey(_) => ErrorCode::MissingApiKey,
            Self::InvalidApiKey => ErrorCode::InvalidApiKey,
            Self::InsufficientScope(_) => ErrorCode::InsufficientScope,
            Self::PlanNoApiAccess => ErrorCode::PlanNoApiAccess,
            Self::NotFound | Self::Erased | Self::NotAnId(_) | Self::UnknownPath(_) => ErrorCode::NotFound,
            Self::MethodNotAllowed(_) => ErrorCode::MethodNotAllowed,
            Self::EmailTaken { .. } => ErrorCode::EmailTaken,
            Self::AlreadyApplied { .. } => ErrorCode::AlreadyApplied,
            Self::JobNotOpen => ErrorCode::JobNotOpen,
            Self::StageConflict { .. } => ErrorCode::StageConflict,
            Self::VersionConflict { .. } => ErrorCode::VersionConflict,
            Self::PayloadTooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::UnsupportedMediaType(_) => ErrorCode::UnsupportedMediaType,
            Self::ValidationError(_) => ErrorCode::ValidationError,
            Self::IdempotencyKeyReused => ErrorCode::IdempotencyKeyReused,
            Self::RateLimitExceeded { .. } | Self::UsageLimitExceeded { .. } => ErrorCode::RateLimitExceeded,
            Self::MonthlyQuotaExceeded { .. } => ErrorCode::MonthlyQuotaExceeded,
            Self::Internal(_) => ErrorCode::InternalError,
            Self::UnknownSecrets | Self::Unfinished | Self::Unavailable(_) => ErrorCode::ServiceUnavailable,
        }
    }

    /// The code in the log, which sets apart what a client caused and no alarm should count.
    #[must_use]
    pub fn logged_code(&self) -> &'static str {
        match self {
            Self::UnknownSecrets => "unknown_secrets",
            Self::Unfinished => "unfinished",
            _ => self.code().as_str(),
        }
    }

    /// The message for people.
    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::BadRequest(message) => message.clone(),
            Self::InvalidParameter(details) => {
                details.iter().map(|detail| detail.message.as_str()).collect::<Vec<_>>().join(" ").into()
            }
            Self::InvalidCursor(wrong) => wrong.to_string().into(),
            Self::MalformedJson(message) => format!("The body is not valid JSON: {message}.").into(),
            Self::MissingApiKey(missing) => missing.to_string().into(),
            Self::InvalidApiKey => "This API key is not valid.".into(),
            Self::InsufficientScope(scope) => format!("This API key doesn't have the `{scope}` scope.").into(),
            Self::PlanNoApiAccess => "Your plan doesn't include API access.".into(),
            Self::NotFound => "Not found in your organization.".into(),
            Self::Erased => "An earlier request with this Idempotency-Key created the object, but it has been erased since. Nothing was created.".into(),
            Self::InvalidIdempotencyKey(wrong) | Self::NotAnId(wrong) => wrong.clone().into(),
            Self::UnknownPath(path) => unknown_path(path).into(),
            Self::MethodNotAllowed(method) => {
                format!("Method not allowed: {method}. See the Allow header.").into()
            }
            Self::EmailTaken { .. } => "A candidate with this email already exists (`existingId`).".into(),
            Self::AlreadyApplied { .. } => {
                "This candidate has already applied to this job (`existingId`).".into()
            }
            Self::JobNotOpen => "This job isn't accepting applications: its status is not `open`.".into(),
            Self::StageConflict { current_stage_id: Some(_) } => {
                "The candidate has left `fromStageId` and is now in `currentStageId`. Nothing was changed.".into()
            }
            Self::StageConflict { current_stage_id: None } => {
                "The candidate has left `fromStageId`. Nothing was changed. `currentStageId` is shown only to keys with the `pipeline:read` scope.".into()
            }
            Self::VersionConflict { current: Some(version) } => format!(
                "The object has changed since you read it: it is now at version {version}. Fetch it again and retry with its new ETag."
            )
            .into(),
            Self::VersionConflict { current: None } => {
                "The object kept changing during the update, so nothing was saved. Send the update again.".into()
            }
            Self::PayloadTooLarge { bytes } => {
                let size = bytes.map(|bytes| format!(" (got {bytes} bytes)")).unwrap_or_default();
                format!("The body is larger than {} KiB{size}.", MAX_BODY_BYTES / 1024).into()
            }
            Self::UnsupportedMediaType(wrong) => wrong.to_string().into(),
            Self::ValidationError(details) => wrong_fields(details).into(),
            Self::IdempotencyKeyReused => {
                "This Idempotency-Key was used for another request: the method, the path or the body differs. Nothing was changed.".into()
            }
            Self::RateLimitExceeded { retry_after } => {
                format!("Rate limit exceeded for this key. Retry in {}.", seconds(*retry_after)).into()
            }
            Self::UsageLimitExceeded { retry_after } => format!(
                "Rate limit exceeded for this key's requests to GET /usage, which has a limit of its own. Retry in {}.",
                seconds(*retry_after)
            )
            .into(),
            Self::MonthlyQuotaExceeded { .. } => {
                "Monthly quota exceeded. It resets on the 1st (UTC).".into()
            }
            Self::Internal(_) => "Something went wrong on our side. It was logged under this `requestId`.".into(),
            Self::Unfinished => {
                "The candidate was erased, but not yet from all applications. Send the same request again to continue.".into()
            }
            Self::UnknownSecrets | Self::Unavailable(_) => "The service is temporarily unavailable. Retry shortly.".into(),
        }
    }

    /// The same error without the object's content, for a key that may not read it. `existingId` stays, because a client can't recover
    /// without it.
    pub(crate) fn for_writer_only(self) -> Self {
        match self {
            Self::StageConflict { .. } => Self::StageConflict { current_stage_id: None },
            other => other,
        }
    }

    /// Seconds to wait before a retry, if waiting helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimitExceeded { retry_after }
            | Self::UsageLimitExceeded { retry_after }
            | Self::MonthlyQuotaExceeded { retry_after } => Some(*retry_after),
            Self::UnknownSecrets | Self::Unfinished | Self::Unavailable(_) => Some(1),
            _ => None,
        }
    }

    /// The inner cause, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) => Some(cause),
            _ => None,
        }
    }

    /// The envelope, as JSON. `origin` is that of the API and the developer pages, such as `https://api.example.com`. It may be empty.
    #[must_use]
    pub fn body(&self, request_id: &str, origin: &str) -> Vec<u8> {
        let mut error = ErrorBody {
            code: self.code().as_str(),
            message: self.message(),
            request_id,
            docs_url: format!("{origin}{ERRORS_PAGE}#{}", self.code().as_str()),
            details: None,
            existing_id: None,
            current_stage_id: None,
        };
        match self {
            Self::ValidationError(details) | Self::InvalidParameter(details) => error.details = Some(details),
            Self::EmailTaken { existing_id } => error.existing_id = Some(existing_id.to_string()),
            Self::AlreadyApplied { existing_id } => error.existing_id = Some(existing_id.to_string()),
            Self::StageConflict { current_stage_id } => error.current_stage_id = Some(*current_stage_id),
            _ => {}
        }
        serde_json::to_vec(&Envelope { success: false, error }).unwrap_or_default()
    }
}

/// The page that explains every code, each under its own heading.
pub const ERRORS_PAGE: &str = "/docs/errors";

#[derive(Serialize)]
struct Envelope<'a> {
    success: bool,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    code: &'static str,
    message: Cow<'static, str>,
    request_id: &'a str,
    docs_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a [Detail]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_id: Option<String>,
    /// `Some(None)` is written as `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_stage_id: Option<Option<StageId>>,
}

/// Puts the error into the response's extensions, because only the outermost layer knows the request's id.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code().status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<InvalidCursor> for ApiError {
    fn from(wrong: InvalidCursor) -> Self {
        Self::InvalidCursor(wrong)
    }
}

impl From<InvalidBody> for ApiError {
    fn from(wrong: InvalidBody) -> Self {
        match wrong {
            InvalidBody::Malformed(words) => Self::MalformedJson(words),
            InvalidBody::Fields(details) => Self::ValidationError(details),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Db(error) => error.into(),
            StoreError::InvalidCursor(wrong) => Self::InvalidCursor(wrong),
            StoreError::InvalidField(detail) => Self::ValidationError(vec![detail]),
            StoreError::EmailTaken { existing_id } => Self::EmailTaken { existing_id },
            StoreError::AlreadyApplied { existing_id } => Self::AlreadyApplied { existing_id },
            StoreError::JobNotOpen => Self::JobNotOpen,
            StoreError::StageConflict { current_stage_id } => {
                Self::StageConflict { current_stage_id: Some(current_stage_id) }
            }
            StoreError::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            StoreError::Erased => Self::Erased,
            StoreError::Unfinished => Self::Unfinished,
            StoreError::VersionConflict { current } => Self::VersionConflict { current },
        }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::Unavailable(Box::new(error)),
            DbError::Rejected(_) | DbError::Unreadable(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl<T: Answer> Answer for Result<T, ApiError> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.errors.extend([ErrorCode::BadRequest, ErrorCode::InternalError, ErrorCode::ServiceUnavailable]);
    }
}

impl<T: WriteAnswer> WriteAnswer for Result<T, ApiError> {}

/// A response extension for an error with its own body, such as a page, which the envelope must not replace.
#[derive(Clone, Copy, Debug)]
pub struct OwnBody {
    /// The error's code in the log.
    pub code: &'static str,
    /// Which of several reasons for this code applies, for the log.
    pub reason: Option<&'static str>,
}
