//! The burst and the month: exact under real concurrency, on any number of instances, and at every roll-over.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use futures::future::join_all;
use local::gateway::Gateway;
use serde_json::json;
use shared::model::{key::ApiKey, plan::Plan, scope::Scope};

use crate::test_app::{self, Answer, TestApp, TestClock, request, send};

/// Sends `count` requests at once, in turn to each of `instances`, on all threads there are.
async fn storm(instances: &[Arc<Gateway>], key: &str, count: usize) -> Vec<Answer> {
    let requests = (0..count).map(|i| {
        let (instance, key) = (Arc::clone(&instances[i % instances.len()]), key.to_owned());
        tokio::spawn(async move { send(&instance, request("GET", "/api/v1/jobs", Some(&key), None)).await })
    });
    join_all(requests).await.into_iter().map(Result::unwrap).collect()
}

fn by_status(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status.as_u16()).or_default() += 1;
    }
    statuses
}

/// DynamoDB itself, to see and set what the API does not tell. The layout is documented in `shared/src/store/table.rs`.
fn items(app: &TestApp) -> (Client, String, String) {
    let key_id = ApiKey::parse(&app.key).unwrap().id();
    (app.client.clone(), format!("KEY#{key_id}"), format!("ORG#{}", app.org))
}

async fn set_month(app: &TestApp, month: &str, used: u64) {
    let (client, _, org) = items(app);
    let update = client.update_item().table_name("AccessTable");
    update
        .key("pk", AttributeValue::S(org))
        .key("sk", AttributeValue::S("ORG".to_owned()))
        .update_expression("SET #month = :used")
        .expression_attribute_names("#month", format!("requests{month}"))
        .expression_attribute_values(":used", AttributeValue::N(used.to_string()))
        .send()
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_parallel_requests_in_one_minute_exactly_60_are_served() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway()];
    let answers = storm(&instances, &app.key, 200).await;
    assert_eq!(by_status(&answers), BTreeMap::from([(200, 60), (429, 140)]));
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        refused.error(429, "rate_limit_exceeded");
        assert_eq!(refused.header("retry-after"), Some("60"));
        assert_eq!(refused.header("ratelimit"), Some("\"burst\";r=0;t=60"));
        assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    }
    // Each served request was told another count: none was counted twice, none was let through uncounted.
    let mut told: Vec<u64> = answers
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.header("x-ratelimit-remaining").unwrap().parse().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, (0..60).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_30_parallel_requests_with_10_left_of_the_month_exactly_10_are_served() {
    let app = TestApp::frozen(Plan::Starter).await;
    set_month(&app, "2026-11", 990).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway()];
    let answers = storm(&instances, &app.key, 30).await;
    assert_eq!(by_status(&answers), BTreeMap::from([(200, 10), (429, 20)]));
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        refused.error(429, "monthly_quota_exceeded");
        // From noon of the 24th to the end of the 30th: six and a half days.
        assert_eq!(refused.header("retry-after"), Some("561600"));
        assert!(refused.header("ratelimit").unwrap().ends_with(", \"month\";r=0;t=561600"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_roll_over_each_minute_serves_60_whoevers_clock_is_ahead() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (late, early) = (TestClock::at("2026-11-24T12:00:59.999Z"), TestClock::at("2026-11-24T12:01:00.000Z"));
    let late = Arc::new(test_app::gateway(&app.db, &late));
    let early = Arc::new(test_app::gateway(&app.db, &early));
    let (late, early) = (&[late], &[early]);
    let (late, early) = tokio::join!(storm(late, &app.key, 80), storm(early, &app.key, 80));
    let expected = BTreeMap::from([(200, 60), (429, 20)]);
    assert_eq!((by_status(&late), by_status(&early)), (expected.clone(), expected));
}

#[tokio::test]
async fn a_new_minute_serves_again_from_its_first_millisecond() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.clock.set("2026-11-24T12:00:59.999Z");
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    let refused = app.get("/api/v1/jobs").await;
    refused.error(429, "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    app.clock.set("2026-11-24T12:01:00.000Z");
    let served = app.get("/api/v1/jobs").await;
    served.ok(200);
    assert_eq!(served.header("ratelimit"), Some("\"burst\";r=59;t=60"));
    assert_eq!(served.header("x-ratelimit-reset"), Some("1795521720"));
}

#[tokio::test]
async fn a_new_month_serves_again_from_its_first_millisecond() {
    let app = TestApp::frozen(Plan::Starter).await;
    set_month(&app, "2026-11", 1_000).await;
    app.clock.set("2026-11-30T23:59:59.999Z");
    let refused = app.get("/api/v1/jobs").await;
    refused.error(429, "monthly_quota_exceeded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    app.clock.set("2026-12-01T00:00:00.000Z");
    let served = app.get("/api/v1/jobs").await;
    served.ok(200);
    assert_eq!(served.header("ratelimit"), Some("\"burst\";r=59;t=60, \"month\";r=999;t=2678400"));
}

#[tokio::test]
async fn an_answer_tells_both_limits() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.clock.set("2026-11-24T12:00:48.000Z");
    let answer = app.get("/api/v1/jobs").await;
    let headers = ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    let told: Vec<&str> = headers.iter().map(|name| answer.header(name).unwrap()).collect();
    assert_eq!(
        told,
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
async fn what_an_instance_knows_to_be_used_up_it_refuses_without_asking() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.tally.take();
    for _ in 0..5 {
        app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
    }
    assert_eq!(app.tally.take().total(), 0);
    // Another instance asks once.
    let other = app.fresh_gateway();
    for calls in [1, 0] {
        let answer = send(&other, request("GET", "/api/v1/jobs", Some(&app.key), None)).await;
        answer.error(429, "rate_limit_exceeded");
        assert_eq!(app.tally.take().total(), calls);
    }
}

#[tokio::test]
async fn a_months_refusal_is_believed_for_five_seconds_and_an_upgrade_then_takes_effect() {
    let app = TestApp::frozen(Plan::Starter).await;
    set_month(&app, "2026-11", 999).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.tally.take();
    app.get("/api/v1/jobs").await.error(429, "monthly_quota_exceeded");
    assert_eq!(app.tally.take().total(), 0);
    app.set_plan(Plan::Professional).await;
    app.tally.take();
    // An instance that has not seen the refusal serves at once.
    send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
    app.clock.advance(4_999);
    app.get("/api/v1/jobs").await.error(429, "monthly_quota_exceeded");
    app.clock.advance(1);
    let served = app.get("/api/v1/jobs").await;
    served.ok(200);
    assert!(served.header("ratelimit").unwrap().contains("\"month\";r=8998;"));
}

#[tokio::test]
async fn a_months_refusal_from_memory_still_tells_a_missing_scope_first() {
    let app = TestApp::frozen(Plan::Professional).await;
    let key = app.new_key(&[Scope::JobsRead]).await;
    set_month(&app, "2026-11", 10_000).await;
    app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.error(429, "monthly_quota_exceeded");
    let answer = app.call("POST", "/api/v1/jobs", Some(key.reveal()), Some(json!({}))).await;
    answer.error(403, "insufficient_scope");
}

#[tokio::test]
async fn a_request_refused_for_key_scope_plan_or_burst_costs_no_month_and_every_other_costs_one() {
    let app = TestApp::frozen(Plan::Professional).await;
    let jobs_only = app.new_key(&[Scope::JobsRead]).await;
    let left = async || {
        let answer = app.call("GET", "/api/v1/jobs", Some(&app.key), None).await;
        let told = answer.header("ratelimit").unwrap().split("\"month\";r=").nth(1).unwrap();
        told.split(';').next().unwrap().parse::<u64>().unwrap()
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
    let storm = storm(&[app.fresh_gateway()], jobs_only.reveal(), 70).await;
    let served = by_status(&storm)[&200];
    // Sixty, less the one that was refused for its scope: that one cost the burst alone.
    assert_eq!(served, 59);
    costs(59, storm[0].clone()).await;
    app.set_plan(Plan::Free).await;
    let refused = app.get("/api/v1/jobs").await;
    refused.error(403, "plan_no_api_access");
    app.set_plan(Plan::Professional).await;
    costs(0, refused).await;
}

#[tokio::test]
async fn a_downgrade_to_free_refuses_the_very_next_request() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.set_plan(Plan::Free).await;
    let refused = app.get("/api/v1/jobs").await;
    refused.error(403, "plan_no_api_access");
    // The key is a good one, and its burst was counted.
    assert_eq!(refused.header("ratelimit"), Some("\"burst\";r=58;t=60"));
    app.set_plan(Plan::Starter).await;
    app.get("/api/v1/jobs").await.ok(200);
}

#[tokio::test]
async fn counters_of_past_minutes_are_removed_on_the_way() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (client, key, _) = items(&app);
    let counters = async || {
        let item = client.get_item().table_name("AccessTable").consistent_read(true);
        let item = item.key("pk", AttributeValue::S(key.clone())).key("sk", AttributeValue::S("KEY".to_owned()));
        let item = item.send().await.unwrap().item.unwrap();
        item.keys().filter(|name| name.strip_prefix('m').is_some_and(|rest| rest.parse::<u64>().is_ok())).count()
    };
    app.tally.take();
    for _ in 0..10 {
        app.clock.advance(60_000);
        app.get("/api/v1/jobs").await.ok(200);
        // This minute's, the last one's, and the one that the next request removes.
        assert!(counters().await <= 3);
    }
    assert_eq!(app.tally.take().calls["UpdateItem"], 20, "removing costs no further call");
    // Every request on a fresh instance, which has seen nothing: the item stays small all the same.
    for _ in 0..100 {
        app.clock.advance(3_600_000);
        send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
        assert!(counters().await <= 27);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_clock_is_almost_a_minute_late_still_counts_in_a_minute_that_others_have_left() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (late, early) = (TestClock::at("2026-11-24T12:00:30.000Z"), TestClock::at("2026-11-24T12:01:29.000Z"));
    let late = Arc::new(test_app::gateway(&app.db, &late));
    let instance = Arc::new(test_app::gateway(&app.db, &early));
    let mut served = by_status(&storm(&[Arc::clone(&late)], &app.key, 40).await)[&200];
    // The other sees the late one's counter, and would remove it with its next request, were it stale for it.
    for _ in 0..3 {
        storm(&[Arc::clone(&instance)], &app.key, 1).await;
    }
    served += by_status(&storm(&[late], &app.key, 40).await)[&200];
    assert_eq!(served, 60);
}

#[tokio::test]
async fn a_clock_that_steps_back_removes_no_counter_that_still_counts() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..30 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.clock.advance(5 * 60_000);
    // This request sees the old counter, to be removed by the next one.
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.set(test_app::START);
    let answer = app.get("/api/v1/jobs").await;
    answer.ok(200);
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("29"));
}

#[tokio::test]
async fn a_refusal_before_the_month_tells_what_was_last_seen_of_it() {
    let app = TestApp::frozen(Plan::Professional).await;
    let read = app.new_key(&[Scope::JobsRead]).await;
    let call = async |method: &str| app.call(method, "/api/v1/jobs", Some(read.reveal()), Some(json!({}))).await;
    assert_eq!(call("POST").await.header("ratelimit"), Some("\"burst\";r=59;t=60"));
    call("GET").await.ok(200);
    let refused = call("POST").await;
    refused.error(403, "insufficient_scope");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"burst\";q=60;w=60, \"month\";q=10000"));
    assert_eq!(refused.header("ratelimit"), Some("\"burst\";r=57;t=60, \"month\";r=9999;t=561600"));
}
