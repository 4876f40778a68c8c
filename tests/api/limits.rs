//! The burst and the month: exact under real concurrency, on any number of instances, and at every rollover.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use shared::model::{plan::Plan, scope::Scope};

use crate::test_app::{self, Answer, TestApp, TestClock, by_status, request, send, storm};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_60_of_200_parallel_requests_in_one_minute_are_served() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway()];
    let answers = storm(&instances, &[&app.key], 200).await;
    assert_eq!(by_status(&answers), BTreeMap::from([(200, 60), (429, 140)]));
    for rejected in answers.iter().filter(|answer| answer.status == 429) {
        rejected.error(429, "rate_limit_exceeded");
        assert_eq!(rejected.header("retry-after"), Some("60"));
        assert_eq!(rejected.header("ratelimit"), Some("\"burst\";r=0;t=60"));
        assert_eq!(rejected.header("x-ratelimit-remaining"), Some("0"));
    }
    // Each served response has a different count: none was counted twice, and none was served uncounted.
    let mut remaining: Vec<u64> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.header("x-ratelimit-remaining").unwrap().parse().unwrap())
        .collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..60).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_10_of_30_parallel_requests_are_served_with_10_left_in_the_month() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.use_up_month(990).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway()];
    let answers = storm(&instances, &[&app.key], 30).await;
    assert_eq!(by_status(&answers), BTreeMap::from([(200, 10), (429, 20)]));
    for rejected in answers.iter().filter(|answer| answer.status == 429) {
        rejected.error(429, "monthly_quota_exceeded");
        // From noon on the 24th to the end of the 30th: six and a half days.
        assert_eq!(rejected.header("retry-after"), Some("561600"));
        assert!(rejected.header("ratelimit").unwrap().ends_with(", \"month\";r=0;t=561600"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_rollover_each_minute_serves_60_whichever_clock_is_ahead() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (late, early) = (TestClock::at("2026-11-24T12:00:59.999Z"), TestClock::at("2026-11-24T12:01:00.000Z"));
    let late = Arc::new(test_app::gateway(&app.db, &late));
    let early = Arc::new(test_app::gateway(&app.db, &early));
    let (late, early) = (&[late], &[early]);
    let keys = [app.key.as_str()];
    let (late, early) = tokio::join!(storm(late, &keys, 80), storm(early, &keys, 80));
    let expected = BTreeMap::from([(200, 60), (429, 20)]);
    assert_eq!((by_status(&late), by_status(&early)), (expected.clone(), expected));
}

#[tokio::test]
async fn a_new_minute_serves_requests_from_its_first_millisecond() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.clock.set("2026-11-24T12:00:59.999Z");
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    let rejected = app.get("/api/v1/jobs").await;
    rejected.error(429, "rate_limit_exceeded");
    assert_eq!(rejected.header("retry-after"), Some("1"));
    app.clock.set("2026-11-24T12:01:00.000Z");
    let served = app.get("/api/v1/jobs").await;
    served.ok(200);
    assert_eq!(served.header("ratelimit"), Some("\"burst\";r=59;t=60"));
    assert_eq!(served.header("x-ratelimit-reset"), Some("1795521720"));
}

#[tokio::test]
async fn a_new_month_serves_requests_from_its_first_millisecond() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.use_up_month(1_000).await;
    app.clock.set("2026-11-30T23:59:59.999Z");
    let rejected = app.get("/api/v1/jobs").await;
    rejected.error(429, "monthly_quota_exceeded");
    assert_eq!(rejected.header("retry-after"), Some("1"));
    app.clock.set("2026-12-01T00:00:00.000Z");
    let served = app.get("/api/v1/jobs").await;
    served.ok(200);
    assert_eq!(served.header("ratelimit"), Some("\"burst\";r=59;t=60, \"month\";r=999;t=2678400"));
}

#[tokio::test]
async fn a_response_reports_both_limits() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.clock.set("2026-11-24T12:00:48.000Z");
    let answer = app.get("/api/v1/jobs").await;
    let headers = ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    let values: Vec<&str> = headers.iter().map(|name| answer.header(name).unwrap()).collect();
    assert_eq!(
        values,
        [
            "\"burst\";q=60;w=60, \"month\";q=1000",
            "\"burst\";r=59;t=12, \"month\";r=999;t=561552",
            "60",
            "59",
            "1795521660",
        ]
    );
    let enterprise = TestApp::frozen(Plan::Enterprise).await.get("/api/v1/jobs").await;
    assert_eq!(enterprise.header("ratelimit-policy"), Some("\"burst\";q=60;w=60"));
}

#[tokio::test]
async fn an_instance_that_knows_a_limit_is_used_up_rejects_requests_without_calling_dynamodb() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.tally.take();
    // The first rejection is counted for the key, as one of each minute.
    for calls in [1, 0, 0, 0] {
        app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
        assert_eq!(app.tally.take().total(), calls);
    }
    // Another instance asks once.
    let other = app.fresh_gateway();
    for calls in [2, 0] {
        let answer = send(&other, request("GET", "/api/v1/jobs", Some(&app.key), None)).await;
        answer.error(429, "rate_limit_exceeded");
        assert_eq!(app.tally.take().total(), calls);
    }
}

#[tokio::test]
async fn a_used_up_month_is_remembered_for_five_seconds_and_then_an_upgrade_takes_effect() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.use_up_month(999).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.get("/api/v1/jobs").await.error(429, "monthly_quota_exceeded");
    app.tally.take();
    app.get("/api/v1/jobs").await.error(429, "monthly_quota_exceeded");
    assert_eq!(app.tally.take().total(), 0);
    app.set_plan(Plan::Professional).await;
    app.tally.take();
    // An instance that has not seen the 429 serves at once.
    send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
    app.clock.advance(4_999);
    app.get("/api/v1/jobs").await.error(429, "monthly_quota_exceeded");
    app.clock.advance(1);
    let served = app.get("/api/v1/jobs").await;
    served.ok(200);
    assert!(served.header("ratelimit").unwrap().contains("\"month\";r=8998;"));
}

#[tokio::test]
async fn with_the_month_known_to_be_used_up_a_missing_scope_is_still_reported_first() {
    let app = TestApp::frozen(Plan::Professional).await;
    let key = app.new_key(&[Scope::JobsRead]).await;
    app.use_up_month(10_000).await;
    app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.error(429, "monthly_quota_exceeded");
    let answer = app.call("POST", "/api/v1/jobs", Some(key.reveal()), Some(json!({}))).await;
    answer.error(403, "insufficient_scope");
}

#[tokio::test]
async fn a_request_rejected_for_key_scope_plan_or_burst_does_not_count_toward_the_month_and_every_other_does() {
    let app = TestApp::frozen(Plan::Professional).await;
    let jobs_only = app.new_key(&[Scope::JobsRead]).await;
    let left = async || {
        let answer = app.call("GET", "/api/v1/jobs", Some(&app.key), None).await;
        let month = answer.header("ratelimit").unwrap().split("\"month\";r=").nth(1).unwrap();
        month.split(';').next().unwrap().parse::<u64>().unwrap()
    };
    let mut before = left().await;
    let mut costs = async |expected: u64, answer: Answer| {
        let after = left().await;
        // `left` costs one itself.
        assert_eq!(before - after - 1, expected, "{}", answer.body);
        before = after;
    };
    costs(0, app.call("GET", "/api/v1/jobs", None, None).await).await;
    costs(0, app.call("GET", "/api/v1/jobs", Some("junk"), None).await).await;
    costs(0, app.call("GET", "/api/v1/candidates", Some(jobs_only.reveal()), None).await).await;
    costs(0, app.get("/api/v1/unknown").await).await;
    costs(0, app.call("DELETE", "/api/v1/jobs", Some(&app.key), None).await).await;
    costs(1, app.get("/api/v1/jobs/unknown").await).await;
    costs(1, app.get("/api/v1/jobs?limit=0").await).await;
    costs(1, app.post("/api/v1/jobs", json!({})).await).await;
    costs(1, app.post("/api/v1/jobs", json!({ "title": "Nurse" })).await).await;
    let answers = storm(&[app.fresh_gateway()], &[jobs_only.reveal()], 70).await;
    let served = by_status(&answers)[&200];
    // The one that was rejected for its scope did not count toward the burst, either.
    assert_eq!(served, 60);
    costs(60, answers[0].clone()).await;
    app.set_plan(Plan::Free).await;
    let rejected = app.get("/api/v1/jobs").await;
    rejected.error(403, "plan_no_api_access");
    app.set_plan(Plan::Professional).await;
    costs(0, rejected).await;
}

#[tokio::test]
async fn a_downgrade_to_free_rejects_the_next_request() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.set_plan(Plan::Free).await;
    let rejected = app.get("/api/v1/jobs").await;
    rejected.error(403, "plan_no_api_access");
    // The request did not count toward the burst, and the plan has no requests in a month.
    assert_eq!(rejected.header("ratelimit"), Some("\"burst\";r=59;t=60, \"month\";r=0;t=561600"));
    app.set_plan(Plan::Starter).await;
    app.get("/api/v1/jobs").await.ok(200);
    // Also in a month that has no requests yet.
    let app = TestApp::frozen(Plan::Starter).await;
    app.set_plan(Plan::Free).await;
    app.get("/api/v1/jobs").await.error(403, "plan_no_api_access");
}

#[tokio::test]
async fn later_requests_remove_the_counters_of_past_minutes() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let counters = async || app.account_item().await.keys().filter(|name| name.starts_with("m1.")).count();
    app.tally.take();
    for _ in 0..10 {
        app.clock.advance(60_000);
        app.get("/api/v1/jobs").await.ok(200);
        // This minute's counter, those of the two minutes before, which an instance may still be counting, and the one that the next
        // request removes.
        assert!(counters().await <= 4);
    }
    assert_eq!(app.tally.take().calls["UpdateItem"], 10, "removing costs no further call");
    // Every request uses a new instance, which has seen no counters: the item stays small even so.
    for _ in 0..30 {
        app.clock.advance(3_600_000);
        send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
        assert!(counters().await <= 12);
    }
}

#[tokio::test]
async fn a_clock_that_steps_back_removes_no_counter_still_in_use() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..30 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.clock.advance(5 * 60_000);
    // This request sees the old counter, which the next one would remove.
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.set(test_app::START);
    let answer = app.get("/api/v1/jobs").await;
    answer.ok(200);
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("29"));
}

#[tokio::test]
async fn a_clock_that_steps_back_into_an_earlier_minute_is_served_there() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.clock.advance(5 * 60_000);
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
    app.clock.set(test_app::START);
    assert_eq!(app.get("/api/v1/jobs").await.header("x-ratelimit-remaining"), Some("59"));
}

#[tokio::test]
async fn a_rejected_request_reports_both_limits_and_counts_toward_neither() {
    let app = TestApp::frozen(Plan::Professional).await;
    let read = app.new_key(&[Scope::JobsRead]).await;
    let call = async |method: &str| app.call(method, "/api/v1/jobs", Some(read.reveal()), Some(json!({}))).await;
    let rejected = call("POST").await;
    rejected.error(403, "insufficient_scope");
    assert_eq!(rejected.header("ratelimit"), Some("\"burst\";r=60;t=60, \"month\";r=10000;t=561600"));
    call("GET").await.ok(200);
    let rejected = call("POST").await;
    rejected.error(403, "insufficient_scope");
    assert_eq!(rejected.header("ratelimit-policy"), Some("\"burst\";q=60;w=60, \"month\";q=10000"));
    assert_eq!(rejected.header("ratelimit"), Some("\"burst\";r=59;t=60, \"month\";r=9999;t=561600"));
}
