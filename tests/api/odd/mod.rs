//! Odd input by the thousands: whatever is sent, nothing panics, no response is a failure of ours, and an error is in the envelope with a
//! documented code. `scripts/try-odd-input` tries a million.
//!
//! Each test tries [`EACH`] times `PROPTEST_CASES`, which is 256 unless it is set. What fails is printed in its smallest form; it becomes a
//! test with a name rather than a stored seed, so that what went wrong stays readable.

mod input;

use std::{collections::BTreeMap, num::NonZero, thread};

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::{get, put},
};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json, value::RawValue};
use shared::{
    contract::error_code::ErrorCode,
    http::{
        extract::{IfMatch, IfNoneMatch, Once, Path, Query, Sent},
        gateway_response::GatewayResponse,
        serve::Api,
    },
    model::{
        id::{ApplicationId, CandidateId, JobId, StageId},
        key::ApiKey,
        page::PageRequest,
    },
    store::{
        application::{ApplicationPatch, ListApplications, ListJobApplications, NewApplication},
        candidate::{CandidatePatch, ListCandidates, NewCandidate},
        job::{JobPatch, ListJobs, NewJob},
        position::NewMove,
    },
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    every_route::ROUTES,
    openapi,
    test_app::{Answer, TestApp, unknown_key, unused_app},
};
use input::{Right, event};

/// How many cases of a test there are for each of `PROPTEST_CASES`, without a database and with one.
const EACH: u32 = 16;
const EACH_WITH_DATABASE: u32 = 2;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

const DONE: StatusCode = StatusCode::NO_CONTENT;

/// Every route of the API, with what it reads of a request except the key, and no effect.
fn readers() -> Api {
    let router = Router::new()
        .route("/api/v1/jobs", get(async |_: Query<ListJobs>| DONE).post(async |_: Sent<NewJob>| DONE))
        .route(
            "/api/v1/jobs/{id}",
            get(async |_: Path<JobId>, _: IfNoneMatch| DONE)
                .put(async |_: Path<JobId>, _: IfMatch, _: Sent<JobPatch>| DONE),
        )
        .route(
            "/api/v1/candidates",
            get(async |_: Query<ListCandidates>| DONE).post(async |_: Sent<NewCandidate>| DONE),
        )
        .route(
            "/api/v1/candidates/{id}",
            get(async |_: Path<CandidateId>, _: IfNoneMatch| DONE)
                .put(async |_: Path<CandidateId>, _: IfMatch, _: Sent<CandidatePatch>| DONE)
                .delete(async |_: Path<CandidateId>, _: Once| DONE),
        )
        .route("/api/v1/pipeline/stages", get(async |_: Query<PageRequest>| DONE))
        .route(
            "/api/v1/pipeline/stages/{stageId}/candidates",
            get(async |_: Path<StageId>, _: Query<PageRequest>| DONE),
        )
        .route("/api/v1/pipeline/candidates/{id}/move", put(async |_: Path<CandidateId>, _: Sent<NewMove>| DONE))
        .route("/api/v1/applications", get(async |_: Query<ListApplications>| DONE))
        .route(
            "/api/v1/jobs/{jobId}/applications",
            get(async |_: Path<JobId>, _: Query<ListJobApplications>| DONE)
                .post(async |_: Path<JobId>, _: Sent<NewApplication>| DONE),
        )
        .route(
            "/api/v1/jobs/{jobId}/applications/{id}",
            get(async |_: Path<(JobId, ApplicationId)>, _: IfNoneMatch| DONE)
                .put(async |_: Path<(JobId, ApplicationId)>, _: IfMatch, _: Sent<ApplicationPatch>| DONE),
        )
        .route("/api/v1/usage", get(async || DONE));
    Api::open(router.with_state(unused_app()))
}

async fn answer(api: &Api, event: &Value) -> GatewayResponse {
    let raw: Box<RawValue> = serde_json::value::to_raw_value(event).unwrap();
    api.answer(&raw, "lambda-request-id").await
}

/// Fails unless the response is a success, or an error of the client's as it is documented.
fn check(answer: &GatewayResponse) -> Result<(), TestCaseError> {
    let (status, text) = (answer.status_code, answer.body());
    if status < 400 {
        prop_assert!(matches!(status, 200 | 201 | 204 | 304), "{status}");
        return Ok(());
    }
    prop_assert!(status < 500, "{status} {text}");
    let length = answer.headers.get("content-length");
    if text.is_empty() && length.is_some() {
        // To a HEAD request.
        return Ok(());
    }
    let body: Value = serde_json::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    let error = &body["error"];
    let code = ErrorCode::ALL.iter().find(|code| error["code"] == code.as_str());
    prop_assert_eq!(code.map(|code| code.status().as_u16()), Some(status), "{}", text);
    prop_assert_eq!(&body["success"], &json!(false));
    prop_assert!(error["message"].as_str().is_some_and(|message| message.ends_with('.')), "{}", text);
    let id = error["requestId"].as_str().unwrap_or_default();
    prop_assert!(!id.is_empty() && answer.headers["x-request-id"] == id, "{}", text);
    prop_assert!(error["docsUrl"].as_str().is_some_and(|url| url.contains("/docs/errors#")), "{}", text);
    Ok(())
}

/// Tries so many events, on all cores.
fn try_each(each: u32, right: &Right, attempt: impl Fn(&'static str, &Value) -> Result<u16, TestCaseError> + Sync) {
    let threads = u32::try_from(thread::available_parallelism().map_or(1, NonZero::get)).unwrap();
    let default = ProptestConfig::default();
    let cases = (default.cases * each).div_ceil(threads);
    let config = ProptestConfig { cases, failure_persistence: None, ..default };
    let begun = std::time::Instant::now();
    let seen = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let seen = std::cell::RefCell::new(BTreeMap::<u16, u32>::new());
                    let outcome = TestRunner::new(config.clone()).run(&event(right), |(row, event)| {
                        let status = attempt(row.function, &event)?;
                        *seen.borrow_mut().entry(status).or_default() += 1;
                        Ok(())
                    });
                    outcome.unwrap_or_else(|failure| panic!("{failure}"));
                    seen.into_inner()
                })
            })
            .collect();
        let mut all = BTreeMap::<u16, u32>::new();
        for (status, count) in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
            *all.entry(status).or_default() += count;
        }
        all
    });
    let total: u32 = seen.values().sum();
    println!("{total} events in {:.1?}, by status: {seen:?}", begun.elapsed());
    // Enough of them get past each check to the next one.
    let reached = |status: u16| seen.get(&status).copied().unwrap_or_default();
    let accepted = seen.iter().filter(|(status, _)| **status < 400).map(|(_, count)| count).sum::<u32>();
    assert!(accepted > total / 20 && reached(400) > total / 20 && reached(422) > total / 50, "{seen:?}");
}

#[test]
fn whatever_is_sent_is_read_or_rejected_with_a_documented_error() {
    let right = Right {
        keys: vec![unknown_key().reveal().to_owned()],
        ids: vec!["019b8d62-7a81-7421-b5aa-2482ac8bd336".to_owned(), "01A1D455-E078-7C1F-BAC9-A1E8FECE8006".to_owned()],
        cursors: vec!["AQIDBAUGBwgwMTliOGQ2Mi03YTgx".to_owned()],
    };
    let api = readers();
    try_each(EACH, &right, |_, event| {
        if let Some(text) = event["headers"]["x-api-key"].as_str() {
            let key = ApiKey::parse(text);
            prop_assert!(key.is_none_or(|key| key.reveal() == text));
        }
        let answer = RUNTIME.with(|runtime| runtime.block_on(answer(&api, event)));
        check(&answer)?;
        Ok(answer.status_code)
    });
}

#[tokio::test]
async fn the_readers_are_those_of_every_route() {
    let api = readers();
    for row in ROUTES {
        let path = row.path.replace("{id}", "019b8d62-7a81-7421-b5aa-2482ac8bd336");
        let path = path.replace("{jobId}", "x").replace("{stageId}", "x");
        let event = json!({
            "version": "2.0", "rawPath": path, "headers": {},
            "requestContext": { "http": { "method": row.method } },
        });
        let answer = answer(&api, &event).await;
        let is_known = !answer.body().contains("There is no endpoint") && answer.status_code != 405;
        assert!(is_known, "{} {}: {}", row.method, row.path, answer.body());
    }
}

#[test]
fn whatever_is_sent_with_a_valid_key_is_done_or_rejected_with_a_documented_error() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::new());
    let right = runtime.block_on(async {
        let (job, candidate) = (app.job("open").await, app.candidate("ada@example.com").await);
        let application = app.application(&job, &candidate).await;
        app.job("open").await;
        let cursor = app.get("/api/v1/jobs?limit=1").await.next().unwrap().to_owned();
        let stage = app.stages().await.swap_remove(1);
        Right { keys: vec![app.key.clone()], ids: vec![job, candidate, application, stage], cursors: vec![cursor] }
    });
    let functions =
        local::apis(|| shared::http::app::App::new(app.db.clone(), app.clock.clock()), crate::test_app::no_issuer());
    try_each(EACH_WITH_DATABASE, &right, |function, event| {
        app.clock.advance(1_100);
        let answer = runtime.block_on(answer(&functions[function], event));
        check(&answer)?;
        let (method, path) = (event["requestContext"]["http"]["method"].as_str(), event["rawPath"].as_str());
        if let Some((Ok(method), path)) = method.map(str::parse::<Method>).zip(path) {
            let (text, status) = (answer.body(), StatusCode::from_u16(answer.status_code).unwrap());
            let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
            if answer.status_code != 400 {
                openapi::check(&method, path, &Answer { status, headers: answer.headers.clone(), body });
            }
        }
        Ok(answer.status_code)
    });
}
