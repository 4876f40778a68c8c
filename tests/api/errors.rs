//! An error names what broke the rule: which character, which header, which of several reasons.

use axum::{body::Body, http::header::HeaderName};
use serde_json::{Value, json};

use crate::test_app::{Answer, TestApp, request, send};

fn message(answer: &Answer, status: u16, code: &str) -> String {
    answer.error(status, code)["message"].as_str().unwrap().to_owned()
}

/// Creates a job with this raw body.
async fn post(app: &TestApp, body: impl Into<Body>) -> Answer {
    app.clock.advance(1_100);
    let mut raw = request("POST", "/api/v1/jobs", Some(&app.key), Some(json!({})));
    *raw.body_mut() = body.into();
    send(&app.gateway, raw).await
}

#[tokio::test]
async fn an_error_for_malformed_json_names_the_fault_its_position_and_its_field() {
    let app = TestApp::new().await;
    for (body, expected) in [
        (
            &br#"{"title":"Nurse \ud83d"}"#[..],
            r"\ud83d is a lone surrogate: a low surrogate must follow it, line 1, character 17, in title",
        ),
        (
            b"{\"title\":\"a\",\n\"salary\":{\"currency\":\"E\x07R\"}}",
            "a control character (U+0007) in a string must be escaped, line 2, character 24, in salary.currency",
        ),
        (b"{\"title\":\"J\xf6rg\"}", "byte 0xF6 is not valid UTF-8, line 1, character 12, in title"),
        (b"\xff\xfe{\0}\0", "it is encoded in UTF-16 or UTF-32, not UTF-8"),
        (b"{\"title\":\"a\",}", "trailing comma at \"}\" (U+007D), line 1, character 14, in title"),
    ] {
        let answer = post(&app, body.to_vec()).await;
        assert_eq!(message(&answer, 400, "malformed_json"), format!("The body is not valid JSON: {expected}."));
    }
    assert_eq!(post(&app, "\u{feff}{\"title\":\"Nurse\"}").await.ok(201)["title"], "Nurse");
}

#[tokio::test]
async fn a_number_that_would_lose_a_digit_is_reported_once_by_field_with_all_other_problems() {
    let app = TestApp::new().await;
    let salary = |max: &str| format!(r#"{{"titel":1,"salary":{{"max":{max},"currency":"EUR","period":"year"}}}}"#);
    for (max, expected) in [
        ("50000.000000000000001", "must have at most 15 significant digits (got 20 in 50000.000000000000001)"),
        ("99999999999999.999999", "must have at most 15 significant digits (got 20 in 99999999999999.999999)"),
        ("1234567890123456789", "must have at most 15 significant digits (got 19 in 1234567890123456789)"),
        ("0.30000000000000004", "must have at most 15 significant digits (got 17 in 0.30000000000000004)"),
    ] {
        let answer = post(&app, salary(max)).await;
        assert_eq!(answer.problems(), ["salary.max: out_of_range", "title: required", "titel: unknown"], "{max}");
        assert_eq!(answer.body["error"]["details"][0]["message"], format!("salary.max {expected}."));
        let first = format!("salary.max {expected}. See `details` for 2 more problems.");
        assert_eq!(message(&answer, 422, "validation_error"), first);
    }
    let beyond = post(&app, salary("1E400")).await;
    assert_eq!(beyond.problems(), ["salary.max: out_of_range"]);
    let expected = "salary.max must be within the range of a double (got 1E400).";
    assert_eq!(message(&beyond, 422, "validation_error"), expected);
}

#[tokio::test]
async fn an_error_for_a_value_of_the_wrong_type_names_both_types() {
    let app = TestApp::new().await;
    let job = json!({
        "title": 7, "description": null, "location": ["Köln"], "openings": "2", "salary": [], "employmentType": true,
    });
    let answer = app.post("/api/v1/jobs", job).await;
    let details = answer.error(422, "validation_error")["details"].as_array().unwrap();
    let messages: Vec<&str> = details.iter().map(|detail| detail["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "title must be a string, not a number.",
            "location must be a string, not an array.",
            "employmentType must be a string, not a boolean.",
            "salary must be an object, not an array.",
            "openings must be an integer, not a string.",
        ]
    );
    let null = app.post("/api/v1/jobs", json!({ "title": null })).await;
    assert_eq!(null.error(422, "validation_error")["message"], "title must not be null.");
}

#[tokio::test]
async fn an_error_for_an_unreadable_body_names_the_header_at_fault() {
    let app = TestApp::new().await;
    for (name, values, expected) in [
        (
            "content-type",
            vec!["text/plain"],
            "Unsupported Content-Type: text/plain. Send JSON with Content-Type: application/json.",
        ),
        (
            "content-type",
            vec!["application/json; charset=utf-16"],
            "Unsupported charset: utf-16. Send the body in UTF-8.",
        ),
        (
            "content-type",
            vec!["application/json", "application/json"],
            "The Content-Type header is repeated (application/json, application/json). Send it once, as \
             application/json.",
        ),
        ("content-type", vec![], "The Content-Type header is missing. Send Content-Type: application/json."),
        ("content-encoding", vec!["gzip"], "The body is compressed (Content-Encoding: gzip). Send it uncompressed."),
    ] {
        app.clock.advance(1_100);
        let mut sent = request("POST", "/api/v1/jobs", Some(&app.key), Some(json!({ "title": "Nurse" })));
        sent.headers_mut().remove(name);
        for value in values {
            sent.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let answer = send(&app.gateway, sent).await;
        // The gateway joins repeated headers with a comma, with or without a space.
        let words = message(&answer, 415, "unsupported_media_type").replace("json,app", "json, app");
        assert_eq!(words, expected);
    }
}

#[tokio::test]
async fn an_error_quotes_a_reference_or_an_id_as_sent() {
    let app = TestApp::new().await;
    let (candidate, missing) = (app.candidate("ada@example.com").await, "01900000-0000-7000-8000-000000000000");
    let path = format!("/api/v1/pipeline/candidates/{candidate}/move");
    let unknown = app.put(&path, json!({ "stageId": missing })).await;
    assert_eq!(
        message(&unknown, 422, "validation_error"),
        format!("stageId does not match any stage in your pipeline (got {missing}).")
    );
    let strange = app.put(&path, json!({ "stageId": "screening" })).await;
    let expected = "stageId must be a UUID with hyphens, 36 characters long (got 9).";
    assert_eq!(message(&strange, 422, "validation_error"), expected);
    let job = app.job("open").await;
    let applied = app.post(&format!("/api/v1/jobs/{job}/applications"), json!({ "candidateId": missing })).await;
    let expected = format!("candidateId does not match any candidate in your organization (got {missing}).");
    assert_eq!(message(&applied, 422, "validation_error"), expected);
    let id = app.get(&format!("/api/v1/jobs/{}", job.replacen('-', "_", 1))).await;
    let expected = format!(
        "\"{}\" is not a valid ID: it must be a UUID with hyphens: unexpected \"_\" (U+005F) at character 9.",
        job.replacen('-', "_", 1)
    );
    assert_eq!(message(&id, 404, "not_found"), expected);
}

#[tokio::test]
async fn an_error_says_what_is_wrong_with_a_path_a_method_a_key_or_a_cursor() {
    let app = TestApp::new().await;
    for (path, expected) in [
        ("/api/v1/jobs/", "Unknown endpoint: /api/v1/jobs/. Paths have no trailing slash."),
        ("/v1/jobs", "Unknown endpoint: /v1/jobs. Paths start with /api/v1/."),
        ("/api/v1/job", "Unknown endpoint: /api/v1/job."),
    ] {
        assert_eq!(message(&app.get(path).await, 404, "not_found"), expected);
    }
    let patch = app.call("PATCH", "/api/v1/jobs", Some(&app.key), None).await;
    let expected = "Method not allowed: PATCH. See the Allow header.";
    assert_eq!(message(&patch, 405, "method_not_allowed"), expected);

    let with = |name: &'static str, value: &str| {
        let mut sent = request("GET", "/api/v1/jobs", None, None);
        sent.headers_mut().insert(name, value.parse().unwrap());
        sent
    };
    let bearer = send(&app.gateway, with("authorization", &format!("Bearer {}", app.key))).await;
    let expected = "The request has an Authorization header but no X-API-Key header. Send your API key in X-API-Key.";
    assert_eq!(message(&bearer, 401, "missing_api_key"), expected);
    let empty = message(&send(&app.gateway, with("x-api-key", "")).await, 401, "missing_api_key");
    assert!(empty.starts_with("The X-API-Key header is empty."), "{empty}");

    let too_large = post(&app, Value::from("x".repeat(300_000)).to_string()).await;
    assert_eq!(message(&too_large, 413, "payload_too_large"), "The body is larger than 256 KiB (got 300002 bytes).");
    let cursor = app.get("/api/v1/jobs?cursor=AV%20vX").await;
    let expected = "The cursor contains a space (U+0020) at character 3, which is not allowed.";
    assert!(message(&cursor, 400, "invalid_cursor").starts_with(expected));
    app.candidate("ada@example.com").await;
    app.candidate("alan@example.com").await;
    let first = app.get("/api/v1/candidates?limit=1").await;
    let next = first.next().unwrap();
    let other = message(&app.get(&format!("/api/v1/jobs?cursor={next}")).await, 400, "invalid_cursor");
    assert!(other.starts_with("The cursor is invalid, or belongs to another list or filter."), "{other}");
    let filtered = app.get(&format!("/api/v1/candidates?email=ada@example.com&cursor={next}")).await;
    let expected = "This filter returns a single page, so it takes no cursor. Omit the parameter.";
    assert_eq!(message(&filtered, 400, "invalid_cursor"), expected);
}
