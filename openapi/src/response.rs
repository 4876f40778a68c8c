//! Responses: one for success, and one for each status that an operation can fail with, with an example of every code.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Map, Value, json};
use shared::{
    contract::{error_code::ErrorCode, operation::Operation},
    http::{
        error::{ApiError, MissingKey},
        media_type::UnsupportedMedia,
    },
    model::{
        clock::Stamp,
        clock::Timestamp,
        field::{Detail, Problem},
        page::InvalidCursor,
        scope::Scope,
    },
};

use crate::schema::{self, Finished, described, success};

const REQUEST_ID: &str = "f6Q2fhH9oAMEJ1g=";
const ORIGIN: &str = "https://api.example.com";

/// All responses of an operation. Responses that operations have in common go to `shared`.
pub fn all(
    operation: &Operation,
    links: &Value,
    schemas: &Finished,
    shared: &mut BTreeMap<&'static str, Value>,
) -> Value {
    let mut responses = Map::new();
    if let Some(answer) = &operation.answer {
        let schema = schema::refer(&schema::envelope_name(&answer.data, answer.is_list));
        let mut headers = vec!["X-Request-Id"];
        headers.extend(LIMITS);
        if answer.has_version {
            headers.push("ETag");
        }
        if answer.status == 201 {
            headers.push("Location");
        }
        if answer.is_list {
            headers.push("Link");
        }
        if operation.idempotency_key {
            headers.push("Idempotent-Replayed");
        }
        let mut response = json!({
            "description": match (answer.status, answer.is_list) {
                (201, _) => "The new object.",
                (_, true) => "A page of results.",
                (_, false) => "The object.",
            },
            "headers": refer(&headers),
            "content": { "application/json": { "schema": schema, "example": schemas.example(&schema) } },
        });
        if links.as_object().is_some_and(|links| !links.is_empty()) {
            response["links"] = links.clone();
        }
        responses.insert(answer.status.to_string(), response);
        if let Some(unread) = unread(operation) {
            responses.insert("204".to_owned(), unread);
        }
        if operation.if_none_match {
            let mut headers = vec!["X-Request-Id", "ETag"];
            headers.extend(LIMITS);
            let about = "You have this version already: `If-None-Match` names it. There is no body.";
            responses.insert("304".to_owned(), json!({ "description": about, "headers": refer(&headers) }));
        }
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in &operation.errors {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let refused = if status == 409 { failure(status, &codes) } else { shared_failure(status, &codes, shared) };
        responses.insert(status.to_string(), refused);
    }
    responses.into()
}

/// The response for a key that may write but not read.
fn unread(operation: &Operation) -> Option<Value> {
    let has_version = operation.answer.as_ref().filter(|answer| answer.needs_read)?.has_version;
    let read = operation.scope.and_then(Scope::read)?;
    let mut headers = vec!["X-Request-Id"];
    headers.extend(LIMITS);
    if operation.idempotency_key {
        headers.push("Idempotent-Replayed");
    }
    let etag = if has_version {
        headers.push("ETag");
        ", only the `ETag`"
    } else {
        ""
    };
    Some(json!({
        "description": format!("Success. A key without the `{read}` scope gets no body{etag}."),
        "headers": refer(&headers),
    }))
}

/// A reference to a response that operations have in common, where there is one.
fn shared_failure(status: u16, codes: &[ErrorCode], shared: &mut BTreeMap<&'static str, Value>) -> Value {
    let name = match codes {
        codes if codes.contains(&ErrorCode::InvalidParameter) => "BadQuery",
        codes if codes.contains(&ErrorCode::MalformedJson) => "BadBody",
        codes if codes.contains(&ErrorCode::InvalidIdempotencyKey) => "BadWrite",
        [first, ..] => match first.status().as_u16() {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            412 => "PreconditionFailed",
            413 => "ContentTooLarge",
            415 => "UnsupportedMediaType",
            422 => "UnprocessableContent",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "InternalServerError",
        },
        [] => "InternalServerError",
    };
    let failure = failure(status, codes);
    if *shared.entry(name).or_insert_with(|| failure.clone()) == failure {
        json!({ "$ref": format!("#/components/responses/{name}") })
    } else {
        // Other codes than most operations have under this status.
        failure
    }
}

fn failure(status: u16, codes: &[ErrorCode]) -> Value {
    let mut headers = vec!["X-Request-Id"];
    match status {
        401 => headers.push("WWW-Authenticate"),
        429 | 503 => headers.push("Retry-After"),
        _ => {}
    }
    if !matches!(status, 401 | 413) {
        headers.extend(LIMITS);
    }
    let examples = codes.iter().map(|code| {
        let body = sample(*code).body(REQUEST_ID, ORIGIN);
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        (code.as_str().to_owned(), json!({ "summary": code.about(), "value": value }))
    });
    let about: Vec<String> = codes.iter().map(|code| format!("- `{}`: {}", code.as_str(), code.about())).collect();
    json!({
        "description": about.join("\n"),
        "headers": refer(&headers),
        "content": { "application/json": {
            "schema": schema::refer("ErrorResponse"),
            "examples": examples.collect::<Map<_, _>>(),
        } },
    })
}

/// The schemas of every error, each under its name.
pub fn error_schemas() -> [(&'static str, Value); 5] {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let id = |about: &str| json!({ "type": "string", "format": "uuid", "description": about });
    let detail = described(
        "A problem with one field or parameter.",
        &json!({
            "field": text("The field or parameter, as a path: `title`, `salary.min`, `skills[3]`; empty for the body itself."),
            "code": schema::refer("ProblemCode"),
            "message": text("Human-readable explanation. It may change."),
        }),
    );
    let mut current_stage =
        id("With `stage_conflict`: the candidate's current stage; `null` for a key without the `pipeline:read` scope.");
    current_stage["type"] = json!(["string", "null"]);
    // Optional properties are omitted when they don't apply: only errors do this.
    let error = json!({
        "type": "object",
        "description": "What went wrong.",
        "properties": {
            "code": schema::refer("ErrorCode"),
            "message": text("Human-readable explanation. It may change."),
            "requestId": text("The request's ID, as in the `X-Request-Id` header. Include it when you contact support."),
            "docsUrl": { "type": "string", "format": "uri-reference", "description": "Page that explains the code." },
            "details": { "type": "array", "items": schema::refer("ErrorDetail"), "description": "Every invalid field or parameter." },
            "existingId": id("With `email_taken` and `already_applied`: ID of the existing object."),
            "currentStageId": current_stage,
        },
        "required": ["code", "message", "requestId", "docsUrl"],
        "additionalProperties": true,
    });
    [
        (
            "ErrorResponse",
            described("An error.", &json!({ "success": success(false), "error": schema::refer("ErrorBody") })),
        ),
        ("ErrorBody", error),
        ("ErrorDetail", detail),
        (
            "ErrorCode",
            closed_set(
                "Stable error code. Match on this, not on the message.",
                ErrorCode::ALL.iter().map(|code| (code.as_str(), code.about())),
            ),
        ),
        (
            "ProblemCode",
            closed_set(
                "What is wrong with a field or parameter. Match on this, not on the message.",
                Problem::ALL.iter().map(|code| (code.as_str(), code.about())),
            ),
        ),
    ]
}

/// A string enum, with the meaning of each value.
fn closed_set(about: &str, values: impl Iterator<Item = (&'static str, &'static str)>) -> Value {
    let values: Vec<(&str, &str)> = values.collect();
    let meanings: Vec<String> = values.iter().map(|(value, meaning)| format!("- `{value}`: {meaning}")).collect();
    json!({
        "type": "string",
        "enum": values.iter().map(|(value, _)| value).collect::<Vec<_>>(),
        "description": format!("{about}\n\n{}", meanings.join("\n")),
    })
}

/// An example error for each code.
fn sample(code: ErrorCode) -> ApiError {
    let detail =
        |field: &str, code, message: &str| vec![Detail { field: field.to_owned(), code, message: message.to_owned() }];
    let cause = || "an example".into();
    let stamp = Stamp::seeded(Timestamp::from_millis(1_795_521_600_000), [7; 10]);
    match code {
        ErrorCode::BadRequest => ApiError::BadRequest(
            "The query string is not URL-encoded: it contains a space (U+0020) at character 14.".into(),
        ),
        ErrorCode::InvalidParameter => ApiError::InvalidParameter(detail(
            "limit",
            Problem::OutOfRange,
            "limit must be an integer from 1 to 100 (got \"500\").",
        )),
        ErrorCode::InvalidCursor => ApiError::InvalidCursor(InvalidCursor::Foreign),
        ErrorCode::MalformedJson => {
            ApiError::MalformedJson("expected value at \"}\" (U+007D), line 1, character 11, in title".to_owned())
        }
        ErrorCode::InvalidIdempotencyKey => ApiError::InvalidIdempotencyKey(
            "The Idempotency-Key header must have at most 255 characters (got 300).".to_owned(),
        ),
        ErrorCode::MissingApiKey => ApiError::MissingApiKey(MissingKey::Absent),
        ErrorCode::InvalidApiKey => ApiError::InvalidApiKey,
        ErrorCode::InsufficientScope => ApiError::InsufficientScope(Scope::JobsWrite),
        ErrorCode::PlanNoApiAccess => ApiError::PlanNoApiAccess,
        ErrorCode::NotFound => ApiError::NotFound,
        ErrorCode::MethodNotAllowed => ApiError::MethodNotAllowed(Method::PATCH),
        ErrorCode::EmailTaken => ApiError::EmailTaken { existing_id: stamp.into() },
        ErrorCode::AlreadyApplied => ApiError::AlreadyApplied { existing_id: stamp.into() },
        ErrorCode::JobNotOpen => ApiError::JobNotOpen,
        ErrorCode::StageConflict => ApiError::StageConflict { current_stage_id: Some(stamp.into()) },
        ErrorCode::VersionConflict => ApiError::VersionConflict { current: Some(4) },
        ErrorCode::PayloadTooLarge => ApiError::PayloadTooLarge { bytes: Some(300_000) },
        ErrorCode::UnsupportedMediaType => {
            ApiError::UnsupportedMediaType(UnsupportedMedia::Type("text/plain".to_owned()))
        }
        ErrorCode::ValidationError => {
            ApiError::ValidationError(detail("title", Problem::Required, "title is required."))
        }
        ErrorCode::IdempotencyKeyReused => ApiError::IdempotencyKeyReused,
        ErrorCode::RateLimitExceeded => ApiError::RateLimitExceeded { retry_after: 12 },
        ErrorCode::MonthlyQuotaExceeded => ApiError::MonthlyQuotaExceeded { retry_after: 523_400 },
        ErrorCode::InternalError => ApiError::Internal(cause()),
        ErrorCode::ServiceUnavailable => ApiError::Unavailable(cause()),
    }
}

/// Headers about the key's limits and expiry.
const LIMITS: [&str; 6] = [
    "RateLimit-Policy",
    "RateLimit",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Api-Key-Expires-At",
];

fn refer(headers: &[&str]) -> Map<String, Value> {
    let refer = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    headers.iter().map(refer).collect()
}

/// Every response header.
pub fn headers() -> Value {
    let text = |about: &str, example: &str| json!({ "description": about, "schema": { "type": "string" }, "example": example });
    let number = |about: &str, example: u64| json!({ "description": about, "schema": { "type": "integer" }, "example": example });
    json!({
        "X-Request-Id": text("The request's ID, in every response. Include it when you contact support.", REQUEST_ID),
        "RateLimit-Policy": text(
            "The limits: `burst` (`q` requests per window of `w` seconds) and `month`. An unlimited plan has no `month`. The response to \
             too many requests for the key's usage begins with its own limit, `usage`.",
            "\"burst\";q=60;w=60, \"month\";q=1000",
        ),
        "RateLimit": text(
            "Requests left of each limit (`r`), and seconds until it resets (`t`).",
            "\"burst\";r=57;t=12, \"month\";r=812;t=523400",
        ),
        "X-RateLimit-Limit": number("Requests allowed per minute.", 60),
        "X-RateLimit-Remaining": number("Requests left in the current minute.", 57),
        "X-RateLimit-Reset": number("When the next minute starts, in Unix seconds.", 1_795_521_660),
        "X-Api-Key-Expires-At": text("When the key expires. Sent during its last 14 days.", "2026-12-01T00:00:00.000Z"),
        "Retry-After": number("Seconds to wait before retrying.", 12),
        "WWW-Authenticate": text("How to authenticate.", "ApiKey realm=\"Head Honta API\", header=\"X-API-Key\""),
        "ETag": text("The object's version, for `If-Match` and `If-None-Match`.", "\"1\""),
        "Location": text("URL of the new object.", "https://api.example.com/api/v1/jobs/01a1abbe-a37a-7adc-8e2e-5bdf99fc6a1b"),
        "Idempotent-Replayed": text(
            "Sent as `true` if an earlier request with the same `Idempotency-Key` did the write, and this one did nothing.",
            "true",
        ),
        "Link": text(
            "The next page, if there is one (RFC 8288).",
            "<https://api.example.com/api/v1/jobs?limit=20&cursor=AVvX…>; rel=\"next\"",
        ),
    })
}
