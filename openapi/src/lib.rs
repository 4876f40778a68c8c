//! The OpenAPI document of the API, generated from the functions' routes: each handler's signature says what its operation takes and
//! returns (`shared::contract::operation`), so the document and the code can't disagree.
//!
//! `cargo run -p openapi` writes it to `openapi.json`, which is committed; a test fails when the two differ. It also holds what the
//! developer pages say beyond the operations (scopes, plans, limits, error codes), under `x-` names.

mod link;
mod response;
mod schema;

use std::collections::BTreeMap;

use functions::{FUNCTIONS, Group};
use serde_json::{Map, Value, json};
use shared::{
    contract::{
        error_code::{ErrorCode, Retry},
        operation::Operation,
        schemas::Schemas,
    },
    http::route::Route,
    model::{
        body::MAX_BODY_BYTES,
        field::Problem,
        idempotency::{MAX_KEY_CHARS, REMEMBERED_HOURS},
        page::{DEFAULT_LIMIT, MAX_CURSOR_BYTES, MAX_LIMIT},
        plan::{Allowance, Plan},
        scope::Scope,
        window::{BURST_LIMIT, BURST_WINDOW_SECS},
    },
};

/// Path of the committed document.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi.json");

const ABOUT: &str = "\
The public API of a recruiting platform: an organization's jobs, candidates, pipeline and applications.

Send your API key in the `X-API-Key` header. Every response is JSON: `{\"success\":true,\"data\":…}`, with `pagination` for a \
list, or an `error` with a stable `code` and the matching HTTP status. Field names are in camelCase, timestamps in RFC 3339 \
(UTC), IDs are UUIDs, and a missing value is `null`, never omitted. Responses may gain new fields: ignore fields you don't \
recognize.

The guides are at [/docs](/docs).";

/// The document's text, as committed.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut tags = Vec::new();
    let mut schemas = Schemas::default();
    let mut operations = Vec::new();
    for function in &FUNCTIONS {
        let Some(Group { tag, about }) = function.group else { continue };
        tags.push(json!({ "name": tag, "description": about }));
        for route in (function.routes)().list() {
            let mut operation = Operation::default();
            (route.describe)(&mut operation);
            operation.errors.extend(route.doc.refusals);
            operation.errors.sort_unstable();
            schemas.0.append(&mut operation.schemas.0);
            operations.push((tag, route.clone(), operation));
        }
    }
    schemas.0.extend(response::error_schemas().map(|(name, schema)| (name.to_owned(), schema)));
    for (_, _, operation) in &operations {
        schema::add_envelope(&mut schemas.0, operation);
    }
    let links = link::all(&operations, &schemas.0);
    let schemas = schema::Finished::of(schemas.0);
    let mut responses = BTreeMap::new();
    let mut paths = Map::new();
    for ((tag, route, operation), links) in operations.iter().zip(links) {
        let method = route.method.as_str().to_lowercase();
        let described = describe(tag, route, operation, &links, &schemas, &mut responses);
        paths.entry(route.path).or_insert_with(|| json!({}))[method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Head Honta API",
            "version": "1",
            "summary": "Jobs, candidates, pipeline and applications of a recruiting organization.",
            "description": ABOUT,
            "license": { "name": "Proprietary", "identifier": "LicenseRef-Proprietary" },
        },
        "servers": [{ "url": "/", "description": "The host that serves this document." }],
        "security": [{ "ApiKey": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": { "ApiKey": {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": "An API key of your organization (`hh_live_…`), created in Settings → Developer → API Keys. It has exactly \
                    the scopes that it was given: write does not imply read.",
            } },
            "schemas": schemas.components(),
            "responses": responses,
            "headers": response::headers(),
        },
        "x-scopes": Scope::ALL.iter().map(|scope| json!({ "name": scope, "description": scope.about() })).collect::<Vec<_>>(),
        "x-plans": Plan::ALL.map(plan),
        "x-burst": { "requests": BURST_LIMIT, "seconds": BURST_WINDOW_SECS },
        "x-error-codes": ErrorCode::ALL.iter().map(|code| json!({
            "code": code,
            "status": code.status().as_u16(),
            "cause": code.about(),
            "retry": code.retry(),
            "remedy": code.remedy(),
        })).collect::<Vec<_>>(),
        "x-retries": Retry::ALL.iter().map(|retry| json!({ "name": retry, "about": retry.about() })).collect::<Vec<_>>(),
        "x-field-problems": Problem::ALL.iter().map(|problem| json!({ "code": problem, "about": problem.about() })).collect::<Vec<_>>(),
    })
}

fn plan(plan: Plan) -> Value {
    let count = |allowance| match allowance {
        Allowance::Limited(count) => json!(count),
        Allowance::Unlimited => Value::Null,
    };
    json!({
        "name": plan,
        "apiAccess": plan.has_api_access(),
        "keys": count(plan.keys()),
        "monthlyRequests": count(plan.monthly_requests()),
    })
}

fn describe(
    tag: &str,
    route: &Route,
    operation: &Operation,
    links: &Value,
    schemas: &schema::Finished,
    responses: &mut BTreeMap<&'static str, Value>,
) -> Value {
    let needs =
        operation.scope.map_or("Any valid API key works.".to_owned(), |scope| format!("Requires the `{scope}` scope."));
    let about = format!("{}\n\n{needs}", route.doc.about);
    let mut described = json!({
        "operationId": route.doc.id,
        "tags": [tag],
        "summary": route.doc.summary,
        "description": about.trim_start(),
        "security": [{ "ApiKey": operation.scope.into_iter().collect::<Vec<_>>() }],
        "responses": response::all(operation, links, schemas, responses),
    });
    let parameters = parameters(route, operation, schemas);
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some((name, example)) = &operation.body {
        described["requestBody"] = json!({
            "required": true,
            "description": format!("JSON, at most {} KiB.", MAX_BODY_BYTES / 1024),
            "content": { "application/json": { "schema": schema::refer(name), "example": example } },
        });
    }
    described
}

fn parameters(route: &Route, operation: &Operation, schemas: &schema::Finished) -> Vec<Value> {
    let mut parameters = Vec::new();
    for (name, kind) in link::path_parameters(route.path).zip(&operation.path) {
        let object = kind.trim_end_matches("Id");
        parameters.push(json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": format!("The {}'s ID.", object.to_lowercase()),
            "schema": schemas.inline(&schema::refer(kind)),
            "example": schemas.example_id(object),
        }));
    }
    for (name, kind) in &operation.query {
        parameters.push(json!({
            "name": name,
            "in": "query",
            "description": filter(name),
            "schema": schemas.inline(kind),
        }));
    }
    if let Some(kind) = &operation.ids {
        parameters.push(json!({
            "name": "ids",
            "in": "query",
            "description": format!(
                "Return the objects with these IDs, at most {MAX_LIMIT}, in this order and each once. Can't be combined with another \
                 parameter. The response lists the IDs of objects that don't exist in `missing`, and of those that didn't fit in \
                 `remaining`: request these again."
            ),
            "style": "form",
            "explode": false,
            "schema": { "type": "array", "items": schemas.inline(&schema::refer(kind)), "maxItems": MAX_LIMIT },
        }));
    }
    if operation.answer.as_ref().is_some_and(|answer| answer.is_list) {
        parameters.push(json!({
            "name": "limit",
            "in": "query",
            "description": "Maximum items per page.",
            "schema": { "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT },
        }));
        parameters.push(json!({
            "name": "cursor",
            "in": "query",
            "description": "Where to continue: `nextCursor` from the previous page, unchanged and with the same filters.",
            "schema": { "type": "string", "maxLength": MAX_CURSOR_BYTES },
        }));
    }
    if operation.if_match {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "description": "Update the object only if its `ETag` matches. Separate several tags with commas, or send `*` for any \
                version. If omitted, any version is updated.",
            "schema": { "type": "string" },
            "example": "\"1\"",
        }));
    }
    if operation.if_none_match {
        parameters.push(json!({
            "name": "If-None-Match",
            "in": "header",
            "description": "The `ETag` of the version that you have, or several, separated by commas. If the object is still at that \
                version, the response is `304` without a body.",
            "schema": { "type": "string" },
            "example": "\"1\"",
        }));
    }
    if operation.idempotency_key {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": format!(
                "A unique text for this write, such as a UUID: 1 to {MAX_KEY_CHARS} printable ASCII characters. A request that repeats \
                 one with the same key within {REMEMBERED_HOURS} hours does nothing and gets the same response, so a retry is always safe."
            ),
            "schema": { "type": "string", "minLength": 1 },
            "example": "7f9c2ba4-e88f-4b1e-9c2a-3f1d5d0e6a11",
        }));
    }
    parameters
}

/// What a filter does.
fn filter(name: &str) -> String {
    match name {
        "email" => "Only return the candidate with this email (case-insensitive).".to_owned(),
        "externalId" => "Only return items with this `externalId`. Several can have the same.".to_owned(),
        "candidateId" => "Only return the applications of this candidate.".to_owned(),
        other => format!("Only return items with this {other}."),
    }
}
