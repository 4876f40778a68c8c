//! `Idempotency-Key`: a write that is sent again does nothing and gets the same response.

use std::sync::Arc;

use axum::body::Body;
use futures::future::join_all;
use local::database::Embedded;
use serde_json::{Value, json};
use shared::{
    model::{plan::Plan, scope::Scope},
    store::db::Db,
};

use crate::{
    every_route::{Objects, ROUTES, Row},
    test_app::{
        Answer, ENDPOINT, ORIGIN, TestApp, gateway,
        proxy::{Fault, Proxy},
        request, send,
    },
};

const REPLAYED: &str = "idempotent-replayed";

fn writes() -> impl Iterator<Item = &'static Row> {
    ROUTES.iter().filter(|row| row.method != "GET")
}

/// Everything that the organization has, as its lists show it.
async fn state(app: &TestApp, objects: &Objects) -> Vec<Value> {
    let lists = ["/api/v1/jobs", "/api/v1/candidates", "/api/v1/applications"];
    let mut state = Vec::new();
    for list in lists {
        state.push(app.get(&format!("{list}?limit=100")).await.body["data"].clone());
    }
    state.push(app.get(&format!("/api/v1/candidates/{}", objects.candidate())).await.body["data"].clone());
    state
}

/// Asserts that the second response repeats the first.
fn assert_replayed(first: &Answer, second: &Answer) {
    assert_eq!((first.header(REPLAYED), second.header(REPLAYED)), (None, Some("true")));
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    for name in ["location", "etag"] {
        assert_eq!(first.header(name), second.header(name), "{name}");
    }
}

#[tokio::test]
async fn a_write_that_is_sent_again_does_nothing_and_gets_the_same_response() {
    for row in writes() {
        let app = TestApp::new().await;
        let objects = Objects::of(&app).await;
        let (path, body) = (objects.path(row), objects.body(row));
        let first = app.call_once(row.method, &path, "once", body.clone()).await;
        first.ok(row.status);
        let state_after_first = state(&app, &objects).await;
        // Quoted, it is the same key.
        for once in ["once", "\"once\""] {
            let again = app.call_once(row.method, &path, once, body.clone()).await;
            assert_replayed(&first, &again);
        }
        assert_eq!(state(&app, &objects).await, state_after_first, "{} {path}", row.method);
        // A replay is a request like any other.
        let left = |answer: &Answer| answer.header("x-ratelimit-remaining").unwrap().parse::<u64>().unwrap();
        let (one, other) = (app.get("/api/v1/jobs").await, app.call_once(row.method, &path, "once", body).await);
        assert_eq!(left(&one) - 1, left(&other));
    }
}

#[tokio::test]
async fn a_write_whose_responses_are_all_lost_is_done_once_when_it_is_sent_again() {
    for row in writes() {
        let mut app = TestApp::frozen(Plan::Enterprise).await;
        let proxy = Proxy::default();
        let endpoint = proxy.start(&ENDPOINT).await;
        let config = local::database::config(&endpoint).interceptor(app.tally.clone());
        app.gateway = Arc::new(gateway(&Db::embedded(config, Embedded::tables()), &app.clock));
        let objects = Objects::of(&app).await;
        let (path, body) = (objects.path(row), objects.body(row));
        // As often as the SDK tries.
        let lost = Fault { operation: "TransactWriteItems", table: "RecordsTable", times: 3, change: |_| Vec::new() };
        proxy.fail(lost);
        app.call_once(row.method, &path, "once", body.clone()).await.error(503, "service_unavailable");
        proxy.assert_failed();
        let done = state(&app, &objects).await;
        let again = app.call_once(row.method, &path, "once", body).await;
        again.ok(row.status);
        assert_eq!(again.header(REPLAYED), Some("true"), "{} {path}", row.method);
        assert_eq!(state(&app, &objects).await, done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_at_once_one_writes_and_all_get_the_same_response() {
    for row in writes() {
        let app = TestApp::frozen(Plan::Enterprise).await;
        let objects = Objects::of(&app).await;
        let (path, body) = (objects.path(row), objects.body(row));
        let before = state(&app, &objects).await;
        let answers = join_all((0..20).map(|_| app.call_once(row.method, &path, "once", body.clone()))).await;
        for answer in &answers {
            answer.ok(row.status);
            assert_eq!(answer.body, answers[0].body, "{} {path}", row.method);
        }
        assert_eq!(answers.iter().filter(|answer| answer.header(REPLAYED).is_none()).count(), 1);
        let rows = |state: &[Value]| state.iter().filter_map(Value::as_array).map(Vec::len).sum::<usize>();
        let (before, after) = (rows(&before), rows(&state(&app, &objects).await));
        let expected = match (row.method, row.status) {
            ("DELETE", _) => before - 1,
            (_, 201) => before + 1,
            _ => before,
        };
        assert_eq!(after, expected, "{} {path}", row.method);
    }
}

#[tokio::test]
async fn a_key_that_was_used_for_another_request_is_rejected_and_nothing_is_written() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    app.call_once("POST", "/api/v1/jobs", "once", Some(json!({ "title": "Nurse" }))).await.ok(201);
    let before = state(&app, &objects).await;
    for body in
        [json!({ "title": "Nurse." }), json!({ "title": "Nurse", "openings": null }), json!({ "title": "nurse" })]
    {
        app.call_once("POST", "/api/v1/jobs", "once", Some(body)).await.error(422, "idempotency_key_reused");
    }
    for row in writes().filter(|row| row.path != "/api/v1/jobs") {
        let answer = app.call_once(row.method, &objects.path(row), "once", objects.body(row)).await;
        answer.error(422, "idempotency_key_reused");
    }
    assert_eq!(state(&app, &objects).await, before);
    // It is another key, and so is another organization's.
    app.call_once("POST", "/api/v1/jobs", "Once", Some(json!({ "title": "Nurse." }))).await.ok(201);
    let stranger = TestApp::new().await;
    let theirs = stranger.call_once("POST", "/api/v1/jobs", "once", Some(json!({ "title": "Cook" }))).await;
    assert_eq!((theirs.ok(201)["title"].as_str(), theirs.header(REPLAYED)), (Some("Cook"), None));
}

#[tokio::test]
async fn a_request_in_another_layout_or_order_is_the_same() {
    let app = TestApp::new().await;
    let send_text = async |path: &str, text: &str| {
        let mut request = app.request_once("POST", path, "once", Some(Value::Null));
        *request.body_mut() = Body::from(text.to_owned());
        send(&app.gateway, request).await
    };
    let first =
        send_text("/api/v1/jobs", r#"{"title":"Köchin","salary":{"min":50000,"currency":"EUR","period":"year"}}"#)
            .await;
    first.ok(201);
    let again = send_text(
        "/api/v1/jobs",
        "{ \"salary\": { \"period\": \"year\", \"currency\": \"EUR\", \"min\": 5.0e4 },\n \"title\": \"K\\u00f6chin\" }",
    )
    .await;
    assert_replayed(&first, &again);
    // An id in the path is the same in upper case.
    let path = format!("/api/v1/jobs/{}", first.body["data"]["id"].as_str().unwrap());
    let update = Some(json!({ "title": "Cook" }));
    app.call_once("PUT", &path, "update", update.clone()).await.ok(200);
    let upper = format!("/api/v1/jobs/{}", first.body["data"]["id"].as_str().unwrap().to_uppercase());
    assert_eq!(app.call_once("PUT", &upper, "update", update).await.header(REPLAYED), Some("true"));
}

#[tokio::test]
async fn a_key_counts_for_24_hours_whether_or_not_the_marker_is_still_there() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let body = Some(json!({ "title": "Nurse" }));
    let first = app.call_once("POST", "/api/v1/jobs", "once", body.clone()).await;
    app.clock.advance(24 * 60 * 60 * 1_000);
    assert_replayed(&first, &app.call_once("POST", "/api/v1/jobs", "once", body.clone()).await);
    app.clock.advance(1_000);
    let second = app.call_once("POST", "/api/v1/jobs", "once", body.clone()).await;
    assert_eq!(second.header(REPLAYED), None);
    assert_ne!(second.ok(201)["id"], first.ok(201)["id"]);
    assert_replayed(&second, &app.call_once("POST", "/api/v1/jobs", "once", body).await);
    // For an update that would be refused without a transaction, too.
    let path = format!("/api/v1/jobs/{}", first.ok(201)["id"].as_str().unwrap());
    let update = async |once| {
        let mut request = app.request_once("PUT", &path, once, Some(json!({ "title": "Cook" })));
        request.headers_mut().insert("if-match", "\"1\"".parse().unwrap());
        send(&app.gateway, request).await
    };
    update("update").await.ok(200);
    assert_eq!(update("update").await.header(REPLAYED), Some("true"));
    app.clock.advance(24 * 60 * 60 * 1_000 + 1_000);
    update("update").await.error(412, "version_conflict");
}

#[tokio::test]
async fn a_replay_evaluates_no_condition() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let job = format!("/api/v1/jobs/{}", objects.job());
    let update = async |once| {
        let mut request = app.request_once("PUT", &job, once, Some(json!({ "title": "Cook" })));
        request.headers_mut().insert("if-match", "\"1\"".parse().unwrap());
        send(&app.gateway, request).await
    };
    let first = update("update").await;
    assert_replayed(&first, &update("update").await);
    // Meanwhile, another client changes the job: the response is the job as it is now.
    app.put(&job, json!({ "title": "Chef" })).await.ok(200);
    let again = update("update").await;
    assert_eq!((again.header(REPLAYED), &again.ok(200)["title"]), (Some("true"), &json!("Chef")));
    update("another").await.error(412, "version_conflict");

    let stages = app.stages().await;
    let moves = format!("/api/v1/pipeline/candidates/{}/move", objects.candidate());
    let there = Some(json!({ "stageId": stages[1], "fromStageId": stages[0] }));
    let first = app.call_once("PUT", &moves, "move", there.clone()).await;
    assert_replayed(&first, &app.call_once("PUT", &moves, "move", there.clone()).await);
    app.put(&moves, json!({ "stageId": stages[3] })).await.ok(200);
    assert_replayed(&first, &app.call_once("PUT", &moves, "move", there.clone()).await);
    app.call_once("PUT", &moves, "another", there).await.error(409, "stage_conflict");
    let candidate = app.get(&format!("/api/v1/candidates/{}", objects.candidate())).await;
    assert_eq!(candidate.ok(200)["stageId"], stages[3]);
}

#[tokio::test]
async fn a_write_without_an_effect_is_remembered_too() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let stages = app.stages().await;
    for (path, same, other) in [
        (format!("/api/v1/jobs/{}", objects.job()), json!({ "title": "Engineer" }), json!({ "title": "Chef" })),
        (
            format!("/api/v1/candidates/{}", objects.candidate()),
            json!({ "email": "ada@example.com" }),
            json!({ "email": "augusta@example.com" }),
        ),
        (
            format!("/api/v1/pipeline/candidates/{}/move", objects.candidate()),
            json!({ "stageId": stages[0] }),
            json!({ "stageId": stages[2] }),
        ),
    ] {
        let first = app.call_once("PUT", &path, &path, Some(same.clone())).await;
        first.ok(200);
        assert_eq!(first.header(REPLAYED), None);
        app.put(&path, other).await.ok(200);
        let before = state(&app, &objects).await;
        let again = app.call_once("PUT", &path, &path, Some(same)).await;
        assert_eq!((again.ok(200).is_object(), again.header(REPLAYED)), (true, Some("true")), "{path}");
        assert_eq!(state(&app, &objects).await, before);
    }
}

#[tokio::test]
async fn a_rejected_write_is_not_remembered() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let person = |email: &str| Some(json!({ "firstName": "Ada", "email": email }));
    app.call_once("POST", "/api/v1/candidates", "once", person("ada@example.com")).await.error(409, "email_taken");
    app.call_once("POST", "/api/v1/candidates", "once", person("new@example.com")).await.ok(201);
    let job = app.job("draft").await;
    let (path, body) =
        (format!("/api/v1/jobs/{job}/applications"), Some(json!({ "candidateId": objects.candidate() })));
    app.call_once("POST", &path, "apply", body.clone()).await.error(409, "job_not_open");
    app.put(&format!("/api/v1/jobs/{job}"), json!({ "status": "open" })).await.ok(200);
    let first = app.call_once("POST", &path, "apply", body.clone()).await;
    first.ok(201);
    // Without the key, it would be 409 by now.
    app.put(&format!("/api/v1/jobs/{job}"), json!({ "status": "closed" })).await.ok(200);
    assert_replayed(&first, &app.call_once("POST", &path, "apply", body).await);
}

#[tokio::test]
async fn a_replay_shows_what_the_present_key_may_read() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in writes() {
        let write = row.scope.unwrap();
        let writer = app.new_key(&[write]).await;
        let reader = app.new_key(&[write, write.read().unwrap()]).await;
        let (path, body) = (objects.path(row), objects.body(row));
        let by = async |key: &str| {
            let mut request = request(row.method, &path, Some(key), body.clone());
            request.headers_mut().insert("idempotency-key", format!("{} {path}", row.method).parse().unwrap());
            send(&app.gateway, request).await
        };
        let first = by(writer.reveal()).await;
        let shown = by(reader.reveal()).await;
        shown.ok(row.status);
        if row.status == 201 {
            assert_replayed(&first, &shown);
            // What another client has written since is not shown.
            let location = first.header("location").unwrap();
            let own = location.strip_prefix(ORIGIN).unwrap();
            let change = if row.path.ends_with("applications") {
                json!({ "status": "hired" })
            } else {
                json!({ "externalId": "7" })
            };
            let changed = app.put(own, change).await;
            assert_eq!(by(reader.reveal()).await.body, changed.body);
            assert_replayed(&first, &by(writer.reveal()).await);
        } else if row.method == "DELETE" {
            assert_replayed(&first, &shown);
        } else {
            let unread = by(writer.reveal()).await;
            assert_eq!((unread.status.as_u16(), unread.header(REPLAYED)), (204, Some("true")));
            assert_eq!(unread.header("etag"), shown.header("etag"));
        }
    }
}

#[tokio::test]
async fn a_malformed_key_is_rejected_on_every_write() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let before = state(&app, &objects).await;
    for row in writes() {
        for wrong in ["", " ", "\"\"", &"x".repeat(256), "a,a", "\"a", "é"] {
            let mut request = request(row.method, &objects.path(row), Some(&app.key), objects.body(row));
            request
                .headers_mut()
                .insert("idempotency-key", axum::http::HeaderValue::from_bytes(wrong.as_bytes()).unwrap());
            app.clock.advance(2_200);
            send(&app.gateway, request).await.error(400, "invalid_idempotency_key");
        }
        let mut doubled = request(row.method, &objects.path(row), Some(&app.key), objects.body(row));
        for _ in 0..2 {
            doubled.headers_mut().append("idempotency-key", "a".parse().unwrap());
        }
        send(&app.gateway, doubled).await.error(400, "invalid_idempotency_key");
        // A key without the scope learns only that.
        let other = if row.scope == Some(Scope::JobsWrite) { Scope::JobsRead } else { Scope::JobsWrite };
        let mut refused =
            request(row.method, &objects.path(row), Some(app.new_key(&[other]).await.reveal()), objects.body(row));
        refused.headers_mut().insert("idempotency-key", "".parse().unwrap());
        send(&app.gateway, refused).await.error(403, "insufficient_scope");
    }
    assert_eq!(state(&app, &objects).await, before);
}
