//! Every error code: its text, status, cause, whether to retry, and remedy, as shown on the developer pages. It knows no request.

use axum::http::StatusCode;
use serde::Serialize;

use crate::model::{closed_set::closed_set, denial::Denial};

closed_set! {
    /// What has to happen before a request is sent again. Only a request that may be sent again [`Later`](Self::Later) is worth repeating
    /// without a decision by someone.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    Retry {
        /// Wait, then send the same request again, a write with the same `Idempotency-Key`. Wait for the number of seconds in `Retry-After` if there is one, and a little longer each time.
        Later = "later",
        /// Don't retry: the request is wrong and would be rejected again. Fix what builds it, then send the new request with a new `Idempotency-Key`.
        AfterFix = "after-fix",
        /// Don't retry: the API key or the plan doesn't allow the request, nor others like it. Stop, and have an admin change that. Then send the same request again.
        AfterAccess = "after-access",
        /// Don't retry: the data is not as the request expects, because of another write. Read it and decide what to do now. That is a new request with a new `Idempotency-Key`.
        AfterDecision = "after-decision",
    }
}

macro_rules! error_codes {
    ($(#[doc = $cause:literal] $name:ident = $text:literal, $status:ident, $retry:ident, $remedy:literal;)*) => {
        closed_set! {
            /// The stable code of an error, which clients match on.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
            ErrorCode { $(#[doc = $cause] $name = $text,)* }
        }

        impl ErrorCode {
            /// The HTTP status of the response.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What has to happen before the request is sent again.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// How to fix it, in one or two sentences.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

error_codes! {
    /// The request is malformed: check its path, query, headers and encoding. The message says where and how. An `If-Match` that is weak, unquoted or empty is also malformed.
    BadRequest = "bad_request", BAD_REQUEST, AfterFix, "Build the URL and the headers with an HTTP library rather than by hand, and send an `ETag` back unchanged.";
    /// A query parameter is unknown, repeated or out of range; `details` lists each one.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, AfterFix, "Fix the parameters listed in `details`. Each message says what is allowed.";
    /// The cursor is invalid, or belongs to another list or filter.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, AfterFix, "Pass `nextCursor` from the previous response unchanged, with the same filters, or start without a cursor.";
    /// The body is not valid JSON (RFC 8259), or an object has a duplicate key.
    MalformedJson = "malformed_json", BAD_REQUEST, AfterFix, "Build the body with a JSON library. The message gives the error, its line and character, and the field.";
    /// The `Idempotency-Key` header is empty, too long, repeated, or not printable ASCII. The message says which.
    InvalidIdempotencyKey = "invalid_idempotency_key", BAD_REQUEST, AfterFix, "Send one key of 1 to 255 printable ASCII characters, such as a UUID.";
    /// The request has no `X-API-Key` header, or the header is empty.
    MissingApiKey = "missing_api_key", UNAUTHORIZED, AfterAccess, "Send your key in the `X-API-Key` header. An empty header often means an unset variable.";
    /// The key is unknown, malformed, revoked or expired. We return the same error for all four.
    InvalidApiKey = "invalid_api_key", UNAUTHORIZED, AfterAccess, "Check that you copied the whole key. If you did, create a new one: retrying won't help.";
    /// The key doesn't have the scope that the operation requires; the message names it.
    InsufficientScope = "insufficient_scope", FORBIDDEN, AfterAccess, "Use a key that has the scope. Scopes are set when a key is created.";
    /// Your plan doesn't include API access.
    PlanNoApiAccess = "plan_no_api_access", FORBIDDEN, AfterAccess, "Change to a plan with API access. Your keys work again immediately.";
    /// The object was not found in your organization, or the endpoint is unknown.
    NotFound = "not_found", NOT_FOUND, AfterFix, "Check the ID and the path. Another organization's objects also return 404, and so does an erased candidate.";
    /// Method not allowed. See the `Allow` header.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, AfterFix, "Use one of the methods in `Allow`. Updates use `PUT`, and only candidates can be deleted.";
    /// A candidate with this email already exists (`existingId`).
    EmailTaken = "email_taken", CONFLICT, AfterDecision, "Update the candidate in `existingId` instead of creating another.";
    /// The candidate has already applied to this job (`existingId`).
    AlreadyApplied = "already_applied", CONFLICT, AfterDecision, "Treat it as a success, or update the application in `existingId`.";
    /// The job isn't accepting applications: its status is not `open`.
    JobNotOpen = "job_not_open", CONFLICT, AfterDecision, "Open the job first by setting its `status` to `open`.";
    /// The candidate is not in `fromStageId`. Nothing was changed. `currentStageId` is their current stage, or `null` for a key without the `pipeline:read` scope.
    StageConflict = "stage_conflict", CONFLICT, AfterDecision, "Someone else has moved the candidate. Decide again based on `currentStageId`.";
    /// The object has changed since you read it and no longer matches `If-Match`, or it kept changing during the update.
    VersionConflict = "version_conflict", PRECONDITION_FAILED, AfterDecision, "Fetch the object again, reapply your change, and send it with the new `ETag`. If you sent no `If-Match`, send the update again.";
    /// The body is larger than 256 KiB.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, AfterFix, "Send less: no object needs that much. Store files elsewhere and link to them, as with `resumeUrl`.";
    /// The body is not declared as JSON, is declared twice, uses a charset other than UTF-8, or is compressed. The message says which.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, AfterFix, "Send `Content-Type: application/json`, in UTF-8, without `Content-Encoding`.";
    /// The body has invalid fields; see `details`.
    ValidationError = "validation_error", UNPROCESSABLE_ENTITY, AfterFix, "Fix the fields listed in `details`. Nothing was saved.";
    /// The `Idempotency-Key` was used for a request with another method, path or body. Nothing was saved.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, AfterFix, "Use one key for one write. If this write was sent before in another form, that form was saved: send what differs as an update. Either way, use a new key.";
    /// The key has exceeded its rate limit for this minute.
    RateLimitExceeded = "rate_limit_exceeded", TOO_MANY_REQUESTS, Later, "Wait for the number of seconds in `Retry-After`, then continue where you left off.";
    /// Your organization has exceeded its monthly quota.
    MonthlyQuotaExceeded = "monthly_quota_exceeded", TOO_MANY_REQUESTS, Later, "Wait until the 1st of the month (UTC), or change to a larger plan. `Retry-After` gives the seconds to wait.";
    /// Something went wrong on our side. It was logged under `requestId`.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, Later, "Send the request again, a write with the same `Idempotency-Key`: it may have been saved. If it keeps failing, contact us with the `requestId`.";
    /// The service can't respond at the moment.
    ServiceUnavailable = "service_unavailable", SERVICE_UNAVAILABLE, Later, "Send the request again after the number of seconds in `Retry-After`, a write with the same `Idempotency-Key`: it may have been saved.";
}

/// The error in the response to a denied request.
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
    fn only_a_limit_and_a_fault_of_ours_are_worth_repeating() {
        for code in ErrorCode::ALL {
            let passes = code.status() == StatusCode::TOO_MANY_REQUESTS || code.status().is_server_error();
            assert_eq!(code.retry() == Retry::Later, passes, "{code:?}");
        }
    }

    #[test]
    fn a_denial_is_counted_under_the_code_of_its_error() {
        for denial in Denial::ALL {
            assert_eq!(denial.as_str(), ErrorCode::from(denial).as_str());
        }
    }
}
