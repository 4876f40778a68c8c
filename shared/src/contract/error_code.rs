//! Every code that an error can have: its text, its status, why it happens and what to do about it. The words are those of
//! the developer pages.

use axum::http::StatusCode;
use serde::Serialize;

use crate::model::{closed_set::closed_set, denial::Denial};

macro_rules! error_codes {
    ($(#[doc = $cause:literal] $name:ident = $text:literal, $status:ident, $remedy:literal;)*) => {
        closed_set! {
            /// The stable code of an error, which clients match on.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
            ErrorCode { $(#[doc = $cause] $name = $text,)* }
        }

        impl ErrorCode {
            /// The HTTP status that it comes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What to do about it, in a sentence or two.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

error_codes! {
    /// The path, the query or a header is malformed: the message says where and how. An `If-Match` that is weak, unquoted or empty is one.
    BadRequest = "bad_request", BAD_REQUEST, "Build the URL and the headers with an HTTP library rather than by hand, and send an `ETag` back as it stands.";
    /// A query parameter is unknown, given twice, or has a value outside its range; `details` lists each.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "Mend the parameters that `details` names; each message lists what is allowed.";
    /// The cursor is damaged, or belongs to another list or filter.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "Pass `nextCursor` of the last answer as it stands, with the same filters, or start without a cursor.";
    /// The body is not JSON (RFC 8259), or an object in it has a name twice.
    MalformedJson = "malformed_json", BAD_REQUEST, "Let a JSON library write the body. The message has the fault, its line and character, and the field.";
    /// The request has no `X-API-Key` header, or an empty one.
    MissingApiKey = "missing_api_key", UNAUTHORIZED, "Send your key in the `X-API-Key` header. An empty one is often an unset variable.";
    /// The key is unknown, malformed, revoked or expired: these read the same.
    InvalidApiKey = "invalid_api_key", UNAUTHORIZED, "Check that the whole key was copied; if it was, create a new one. Trying again does not help.";
    /// The key lacks the scope that the operation needs; the message names it.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "Use a key that has the scope. A key's scopes are given when it is created.";
    /// The organization's plan has no API access.
    PlanNoApiAccess = "plan_no_api_access", FORBIDDEN, "Change to a plan with API access; your keys work again at once.";
    /// There is no such object in your organization, or no such path.
    NotFound = "not_found", NOT_FOUND, "Check the id and the path. Another organization's object reads exactly like a missing one.";
    /// The path does not take this method; the `Allow` header lists those it takes.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Use one of the methods in `Allow`. Updates are `PUT`; nothing is deleted.";
    /// Another candidate of your organization has this e-mail; `existingId` is theirs.
    EmailTaken = "email_taken", CONFLICT, "Update the candidate that `existingId` names instead of creating another.";
    /// The candidate has applied to this job already; `existingId` is that application.
    AlreadyApplied = "already_applied", CONFLICT, "Take it as done, or update the application that `existingId` names.";
    /// The job is not open, so it takes no applications.
    JobNotOpen = "job_not_open", CONFLICT, "Open the job first, by setting its status to `open`.";
    /// The candidate is not at the stage that the move named as `fromStageId`; nothing was moved. `currentStageId` is where they are, or `null` for a key without the scope `pipeline:read`.
    StageConflict = "stage_conflict", CONFLICT, "Somebody else has moved the candidate. Decide again, from `currentStageId`.";
    /// The object is at another version than `If-Match` names, or kept changing while it was updated.
    VersionConflict = "version_conflict", PRECONDITION_FAILED, "Read the object again, apply your change to it, and send it with the new `ETag`.";
    /// The body is larger than 256 KiB.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "Send less; no object needs that much. Files are kept elsewhere, as a `resumeUrl`.";
    /// The body is not declared as JSON, is declared twice, has another charset than UTF-8, or is compressed; the message says which.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Send `Content-Type: application/json`, in UTF-8, without `Content-Encoding`.";
    /// Fields of the body are wrong; `details` lists every one of them.
    ValidationError = "validation_error", UNPROCESSABLE_ENTITY, "Mend the fields that `details` names. Nothing was written.";
    /// The key's requests of this minute are used up.
    RateLimitExceeded = "rate_limit_exceeded", TOO_MANY_REQUESTS, "Wait for the seconds in `Retry-After`, then go on where you were.";
    /// Your organization's requests of this month are used up.
    MonthlyQuotaExceeded = "monthly_quota_exceeded", TOO_MANY_REQUESTS, "Wait for the first of the month (UTC), or change to a larger plan. `Retry-After` has the seconds.";
    /// Something went wrong on our side; it was logged under `requestId`.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Try again once. If it stays, tell us the `requestId`.";
    /// The service did not answer in time.
    ServiceUnavailable = "service_unavailable", SERVICE_UNAVAILABLE, "Try again after the seconds in `Retry-After`. A write may or may not have been made: read before you repeat it.";
}

/// The error that a denied request is answered with.
impl From<Denial> for ErrorCode {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Burst => Self::RateLimitExceeded,
            Denial::Month => Self::MonthlyQuotaExceeded,
            Denial::Scope => Self::InsufficientScope,
            Denial::Plan => Self::PlanNoApiAccess,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_counted_under_the_code_of_its_error() {
        for denial in Denial::ALL {
            assert_eq!(denial.as_str(), ErrorCode::from(denial).as_str());
        }
    }
}
