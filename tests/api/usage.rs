//! What a key can read about itself, and that daily counts cost nothing extra and lose nothing.

use futures::future::join_all;
use local::database::{Embedded, config};
use serde_json::{Value, json};
use shared::{
    model::{clock::Timestamp, key::ApiKey, plan::Plan, scope::Scope},
    store::{
        activity::Actor,
        api_key::{self, NewKey},
        db::Db,
    },
};

use crate::test_app::{ENDPOINT, TestApp, TestClock, gateway, request, send, short_text};

async fn usage(app: &TestApp) -> Value {
    app.get("/api/v1/usage").await.ok(200).clone()
}

/// How often the key was used today and on the days before.
fn days(usage: &Value, count: usize) -> Vec<u64> {
    usage["days"].as_array().unwrap()[..count].iter().map(|day| day["requests"].as_u64().unwrap()).collect()
}

/// The counters of days on the account's item, by name.
async fn day_counters(app: &TestApp) -> Vec<String> {
    app.account_item().await.into_keys().filter(|name| name.starts_with("d1.")).collect()
}

#[tokio::test]
async fn usage_returns_the_keys_scopes_limits_and_counts() {
    let app = TestApp::frozen(Plan::Professional).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.get("/api/v1/jobs").await.ok(200);
    let data = usage(&app).await;
    let id = ApiKey::parse(&app.key).unwrap().id().to_string();
    assert_eq!(
        data["key"],
        json!({
            "id": id,
            "name": "test",
            "scopes": Scope::ALL,
            "createdAt": "2026-11-24T12:00:00.000Z",
            "expiresAt": null,
        })
    );
    assert_eq!(data["plan"], "professional");
    assert_eq!(
        data["burst"],
        json!({ "limit": 60, "used": 2, "remaining": 58, "resetsAt": "2026-11-24T12:01:00.000Z" })
    );
    assert_eq!(
        data["month"],
        json!({ "limit": 10_000, "used": 2, "remaining": 9_998, "resetsAt": "2026-12-01T00:00:00.000Z" })
    );
    let all = data["days"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]), (30, &json!({ "date": "2026-11-24", "requests": 2 })));
    assert_eq!(all[29], json!({ "date": "2026-10-26", "requests": 0 }));
    assert!(!data.to_string().contains(&app.key));
}

#[tokio::test]
async fn an_unlimited_month_has_no_limit_and_a_plan_without_api_access_still_returns_usage() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let month = json!({ "limit": null, "used": 0, "remaining": null, "resetsAt": "2026-12-01T00:00:00.000Z" });
    assert_eq!(usage(&app).await["month"], month);
    app.set_plan(Plan::Free).await;
    assert_eq!(usage(&app).await["month"]["remaining"], 0);
}

#[tokio::test]
async fn usage_needs_no_scope_counts_toward_neither_limit_and_has_one_of_its_own() {
    let app = TestApp::frozen(Plan::Starter).await;
    for _ in 0..60 {
        let answer = app.get("/api/v1/usage").await;
        assert_eq!((&answer.ok(200)["burst"]["used"], &answer.ok(200)["month"]["used"]), (&json!(0), &json!(0)));
        assert_eq!(answer.header("ratelimit"), Some("\"burst\";r=60;t=60, \"month\";r=1000;t=561600"));
    }
    let rejected = app.get("/api/v1/usage").await;
    rejected.error(429, "rate_limit_exceeded");
    assert!(rejected.body["error"]["message"].as_str().unwrap().contains("GET /usage"), "{}", rejected.body);
    assert_eq!(rejected.header("ratelimit-policy"), Some("\"usage\";q=60;w=60, \"burst\";q=60;w=60, \"month\";q=1000"));
    assert_eq!(
        rejected.header("ratelimit"),
        Some("\"usage\";r=0;t=60, \"burst\";r=60;t=60, \"month\";r=1000;t=561600")
    );
    assert_eq!((rejected.header("retry-after"), rejected.header("x-ratelimit-remaining")), (Some("60"), Some("60")));
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.advance(60_000);
    assert_eq!(usage(&app).await["month"]["used"], 1);
}

#[tokio::test]
async fn usage_explains_a_burst_a_month_and_a_plan_that_reject_everything_else() {
    let app = TestApp::frozen(Plan::Starter).await;
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
    assert_eq!(usage(&app).await["burst"]["remaining"], 0);
    app.use_up_month(1_000).await;
    app.clock.advance(60_000);
    app.get("/api/v1/jobs").await.error(429, "monthly_quota_exceeded");
    assert_eq!(usage(&app).await["month"]["remaining"], 0);
    app.set_plan(Plan::Free).await;
    assert_eq!(usage(&app).await["plan"], "free");
}

#[tokio::test]
async fn a_day_counts_the_requests_that_were_served() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..3 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.set_plan(Plan::Free).await;
    for _ in 0..5 {
        app.get("/api/v1/jobs").await.error(403, "plan_no_api_access");
    }
    assert_eq!(days(&usage(&app).await, 1), [3]);
}

#[tokio::test]
async fn a_past_day_moves_to_its_own_item_once_and_other_requests_cost_no_more() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let get = async || {
        app.get("/api/v1/jobs").await.ok(200);
        app.tally.take()
    };
    let before = get().await;
    get().await;
    let yesterday = day_counters(&app).await;
    assert_eq!(yesterday.len(), 1);
    // An instance whose clock is behind may still be counting yesterday.
    app.clock.set("2026-11-25T00:01:59.999Z");
    assert_eq!(get().await.total(), before.total());
    assert_eq!(day_counters(&app).await.len(), 2);
    app.clock.set("2026-11-25T00:02:00.000Z");
    // One call files the count, and one removes the counter.
    assert_eq!(get().await.total(), before.total() + 2);
    let today = day_counters(&app).await;
    assert!(today.len() == 1 && today != yesterday, "{today:?}");
    let after = get().await;
    assert_eq!((after.calls, after.write_units), (before.calls, before.write_units));
    assert_eq!(days(&usage(&app).await, 3), [3, 2, 0]);
}

#[tokio::test]
async fn a_day_that_is_filed_but_still_on_the_account_is_shown_once() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    let counter = day_counters(&app).await.remove(0);
    app.clock.set("2026-11-25T00:02:00.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    // As if the instance had stopped between its two calls.
    let update = app.client.update_item().table_name("AccessTable");
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let update = update.key("pk", text(app.account())).key("sk", text("ACCOUNT".to_owned()));
    let one = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    let update = update.update_expression("SET #day = :one").expression_attribute_names("#day", &counter);
    update.expression_attribute_values(":one", one).send().await.unwrap();
    assert_eq!(days(&usage(&app).await, 2), [1, 1]);
    send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
    assert!(!day_counters(&app).await.contains(&counter));
    assert_eq!(days(&usage(&app).await, 2), [2, 1]);
}

#[tokio::test]
async fn concurrent_requests_on_a_new_day_are_each_counted_exactly_once() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..7 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.clock.set("2026-11-25T00:02:00.000Z");
    let gateways: Vec<_> = (0..4).map(|_| app.fresh_gateway()).collect();
    let requests = (0..24).map(|i| send(&gateways[i % 4], request("GET", "/api/v1/jobs", Some(&app.key), None)));
    for answer in join_all(requests).await {
        answer.ok(200);
    }
    assert_eq!(days(&usage(&app).await, 3), [24, 7, 0]);
}

#[tokio::test]
async fn an_instance_whose_clock_is_behind_still_counts_in_its_own_day() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let late = TestClock::at("2026-11-24T23:59:59.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.set("2026-11-25T00:01:58.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    let behind = gateway(&app.db, &late);
    for _ in 0..2 {
        send(&behind, request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
    }
    assert_eq!(days(&usage(&app).await, 2), [1, 3]);
    app.clock.set("2026-11-25T00:02:00.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    assert_eq!((day_counters(&app).await.len(), days(&usage(&app).await, 2)), (1, vec![2, 3]));
}

#[tokio::test]
async fn days_without_requests_are_zero_and_older_days_are_omitted() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.set("2026-12-20T08:00:00.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    let data = usage(&app).await;
    assert_eq!(data["days"].as_array().unwrap().iter().filter(|day| day["requests"] != 0).count(), 2);
    assert_eq!(data["days"][26], json!({ "date": "2026-11-24", "requests": 1 }));
    app.clock.set("2026-12-24T08:00:00.000Z");
    let later = usage(&app).await;
    assert!(!later["days"].to_string().contains("2026-11-24"));
    assert_eq!(later["days"][4], json!({ "date": "2026-12-20", "requests": 1 }));
}

#[tokio::test]
async fn the_time_of_the_last_use_is_stored_with_the_key() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    // Without the tally, which does not know this call.
    let db = Db::embedded(config(&ENDPOINT), Embedded::tables());
    let last = async || api_key::list(&db, &app.org, None).await.unwrap().0[0].last_used_at;
    assert_eq!(last().await, None);
    app.get("/api/v1/jobs").await.ok(200);
    assert_eq!(last().await, Some(app.clock.now()));
    let used = app.clock.now();
    app.clock.advance(1_000);
    let forged = ApiKey::with_id(&ApiKey::parse(&app.key).unwrap().id()).unwrap();
    app.call("GET", "/api/v1/jobs", Some(forged.reveal()), None).await.error(401, "invalid_api_key");
    assert_eq!(last().await, Some(used), "a request with another secret does not count as use");
}

#[tokio::test]
async fn every_response_to_a_key_in_its_last_14_days_says_when_it_expires() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let expires = "2026-12-24T12:00:00.000Z";
    let new = NewKey {
        name: short_text("ends"),
        scopes: vec![Scope::JobsRead],
        expires_at: Some(expires.parse::<Timestamp>().unwrap()),
    };
    let key = api_key::create(&app.db, &app.org, app.clock.now(), new, &Actor::operator()).await.unwrap();
    let expiry = async |path: &str| {
        let answer = app.call("GET", path, Some(key.reveal()), None).await;
        (answer.status.as_u16(), answer.header("x-api-key-expires-at").map(str::to_owned))
    };
    app.clock.set("2026-12-10T11:59:59.999Z");
    assert_eq!(expiry("/api/v1/jobs").await, (200, None));
    app.clock.set("2026-12-10T12:00:00.000Z");
    assert_eq!(expiry("/api/v1/jobs").await, (200, Some(expires.to_owned())));
    assert_eq!(expiry("/api/v1/candidates").await, (403, Some(expires.to_owned())));
    assert_eq!(expiry("/api/v1/usage").await, (200, Some(expires.to_owned())));
    for _ in 0..59 {
        expiry("/api/v1/jobs").await;
    }
    assert_eq!(expiry("/api/v1/jobs").await, (429, Some(expires.to_owned())));
    assert_eq!(expiry("/api/v1/jobs").await, (429, Some(expires.to_owned())), "also from memory");
    app.clock.set(expires);
    assert_eq!(expiry("/api/v1/jobs").await, (401, None), "a stranger learns nothing");
}
