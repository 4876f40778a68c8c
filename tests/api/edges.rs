//! Where a limit begins: the last that is accepted, and the first that is not.

use axum::body::Body;
use futures::future::join_all;
use serde_json::json;
use shared::model::{body::MAX_BODY_BYTES, page::MAX_CURSOR_BYTES, plan::Plan};

use crate::test_app::{Answer, TestApp, request, send};

async fn post_raw(app: &TestApp, body: String) -> Answer {
    app.clock.advance(app.step_millis);
    let mut request = request("POST", "/api/v1/jobs", Some(&app.key), Some(json!({})));
    *request.body_mut() = Body::from(body);
    send(&app.gateway, request).await
}

#[tokio::test]
async fn a_body_of_256_kib_is_read_and_one_more_byte_is_too_large() {
    assert_eq!(MAX_BODY_BYTES, 262_144);
    let app = TestApp::new().await;
    let json = r#"{"title":"Nurse"}"#;
    let body = |bytes: usize| format!("{json}{}", " ".repeat(bytes - json.len()));
    post_raw(&app, body(MAX_BODY_BYTES)).await.ok(201);
    let larger = post_raw(&app, body(MAX_BODY_BYTES + 1)).await;
    let words = "The body is larger than 256 KiB (got 262145 bytes).";
    assert_eq!(larger.error(413, "payload_too_large")["message"], words);
    // Bytes count, not characters.
    let umlauts = |count: usize| format!("\"{}\"", "ü".repeat(count));
    post_raw(&app, umlauts(MAX_BODY_BYTES / 2 - 1)).await.error(422, "validation_error");
    post_raw(&app, umlauts(MAX_BODY_BYTES / 2)).await.error(413, "payload_too_large");
}

#[tokio::test]
async fn a_limit_is_one_to_100_in_digits_alone() {
    let app = TestApp::new().await;
    for limit in ["1", "100", "007"] {
        let page = app.get(&format!("/api/v1/jobs?limit={limit}")).await;
        assert_eq!(page.body["pagination"]["limit"].as_u64(), limit.parse().ok(), "{limit}");
    }
    for (limit, shown) in [("0", "0"), ("101", "101"), ("%2B5", "+5"), ("%20", " "), ("%D9%A3", "\u{663}")] {
        let answer = app.get(&format!("/api/v1/jobs?limit={limit}")).await;
        let words = format!("limit must be an integer from 1 to 100 (got \"{shown}\").");
        assert_eq!(answer.error(400, "invalid_parameter")["message"], words);
    }
}

#[tokio::test]
async fn a_cursor_is_read_up_to_512_bytes() {
    let app = TestApp::new().await;
    let message = async |bytes: usize| {
        let answer = app.get(&format!("/api/v1/jobs?cursor={}", "A".repeat(bytes))).await;
        answer.error(400, "invalid_cursor")["message"].as_str().unwrap().to_owned()
    };
    let longest = message(MAX_CURSOR_BYTES).await;
    assert!(longest.starts_with("The cursor is invalid, or belongs to another list"), "{longest}");
    let longer = message(MAX_CURSOR_BYTES + 1).await;
    assert!(longer.starts_with("The cursor must be at most 512 bytes (got 513)."), "{longer}");
}

#[tokio::test]
async fn with_the_minute_and_the_month_used_up_the_minute_is_the_reason_on_every_instance() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.use_up_month(940).await;
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    let other = app.fresh_gateway();
    let ask = async |instance: &_| send(instance, request("GET", "/api/v1/jobs", Some(&app.key), None)).await;
    // Twice on the instance that has served the requests, and on one that has seen none.
    for instance in [&app.gateway, &app.gateway, &other, &other] {
        let answer = ask(instance).await;
        answer.error(429, "rate_limit_exceeded");
        assert_eq!(answer.header("retry-after"), Some("60"));
        assert_eq!(answer.header("ratelimit"), Some("\"burst\";r=0;t=60, \"month\";r=0;t=561600"));
    }
    app.clock.advance(60_000);
    for instance in [&app.gateway, &app.gateway, &other, &app.fresh_gateway()] {
        let answer = ask(instance).await;
        answer.error(429, "monthly_quota_exceeded");
        assert_eq!(answer.header("ratelimit"), Some("\"burst\";r=60;t=60, \"month\";r=0;t=561540"));
    }
}

#[tokio::test]
async fn an_instance_removes_old_counters_at_once_when_there_are_more_than_ten() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let counters = async || app.account_item().await.keys().filter(|name| name.starts_with("m1.")).count();
    // Each request uses a new instance, which never makes the next update that would remove what it has seen.
    for old in 0..=10 {
        app.clock.advance(15 * 60_000);
        send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
        assert_eq!(counters().await, old + 1);
    }
    app.clock.advance(15 * 60_000);
    send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
    assert_eq!(counters().await, 1);
}

#[tokio::test]
async fn two_updates_at_once_that_give_a_candidate_the_same_new_email_both_succeed() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/candidates/{id}");
    for round in 0..12 {
        app.clock.advance(60_000);
        let email = json!({ "email": format!("ada{round}@example.com") });
        // The instance has admitted the key, so that it reads at once: both find the candidate as they were.
        let updates = (0..2).map(|_| app.put(&path, email.clone()));
        for answer in join_all(updates).await {
            let candidate = answer.ok(200);
            assert_eq!((&candidate["email"], &candidate["version"]), (&email["email"], &json!(round + 2)));
        }
    }
}
