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

/// The key's item, read directly from DynamoDB.
async fn item(app: &TestApp) -> String {
    let id = ApiKey::parse(&app.key).unwrap().id();
    let get = app.client.get_item().table_name("AccessTable").consistent_read(true);
    let key = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let get = get.key("pk", key(format!("KEY#{id}"))).key("sk", key("KEY".to_owned()));
    format!("{:?}", get.send().await.unwrap().item.unwrap())
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
        json!({ "limit": 60, "used": 3, "remaining": 57, "resetsAt": "2026-11-24T12:01:00.000Z" })
    );
    assert_eq!(
        data["month"],
        json!({ "limit": 10_000, "used": 2, "remaining": 9_998, "resetsAt": "2026-12-01T00:00:00.000Z" })
    );
    let all = data["days"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]), (30, &json!({ "date": "2026-11-24", "requests": 3 })));
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
async fn usage_needs_no_scope_and_counts_toward_the_burst_but_not_the_month() {
    let app = TestApp::frozen(Plan::Starter).await;
    for used in 1..=60 {
        let answer = app.get("/api/v1/usage").await;
        assert_eq!(
            (answer.ok(200)["burst"]["used"].as_u64(), answer.ok(200)["month"]["used"].as_u64()),
            (Some(used), Some(0))
        );
        assert!(answer.header("ratelimit").unwrap().contains("\"month\";r=1000;"));
    }
    app.get("/api/v1/usage").await.error(429, "rate_limit_exceeded");
    app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn requests_rejected_for_scope_plan_or_month_count_toward_the_day_and_those_for_the_burst_do_not() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.set_plan(Plan::Free).await;
    for _ in 0..59 {
        app.get("/api/v1/jobs").await.error(403, "plan_no_api_access");
    }
    assert_eq!(days(&usage(&app).await, 1), [60]);
    for _ in 0..5 {
        send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None))
            .await
            .error(429, "rate_limit_exceeded");
    }
    app.clock.advance(60_000);
    assert_eq!(days(&usage(&app).await, 1), [61]);
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
    assert!(item(&app).await.contains("d2026-11-24"));
    app.clock.set("2026-11-25T00:00:00.000Z");
    let moving = get().await;
    assert_eq!(moving.calls.get("TransactWriteItems"), Some(&1));
    assert_eq!(moving.total(), before.total() + 1);
    let after = get().await;
    assert_eq!((after.calls, after.write_units), (before.calls, before.write_units));
    let item = item(&app).await;
    assert!(!item.contains("d2026-11-24") && item.contains("d2026-11-25"), "{item}");
    assert_eq!(days(&usage(&app).await, 3), [3, 2, 0]);
}

#[tokio::test]
async fn concurrent_requests_on_a_new_day_are_each_counted_exactly_once() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..7 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.clock.set("2026-11-25T00:00:00.000Z");
    let gateways: Vec<_> = (0..4).map(|_| app.fresh_gateway()).collect();
    let requests = (0..24).map(|i| send(&gateways[i % 4], request("GET", "/api/v1/jobs", Some(&app.key), None)));
    for answer in join_all(requests).await {
        answer.ok(200);
    }
    assert_eq!(days(&usage(&app).await, 3), [25, 7, 0]);
}

#[tokio::test]
async fn an_instance_whose_clock_is_behind_adds_to_the_day_that_was_already_moved() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let late = TestClock::at("2026-11-24T23:59:59.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.set("2026-11-25T00:00:01.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    let behind = gateway(&app.db, &late);
    for _ in 0..2 {
        send(&behind, request("GET", "/api/v1/jobs", Some(&app.key), None)).await.ok(200);
    }
    assert_eq!(days(&usage(&app).await, 2), [2, 3]);
    assert_eq!(days(&usage(&app).await, 2), [3, 3]);
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
    assert_eq!(later["days"][4], json!({ "date": "2026-12-20", "requests": 2 }));
}

#[tokio::test]
async fn the_time_of_the_last_use_is_stored_with_the_key() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    // Without the tally, which does not know this call.
    let db = Db::with(config(&ENDPOINT), Embedded::tables());
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
    let key = ApiKey::generate().unwrap();
    let new = NewKey {
        name: short_text("ends"),
        scopes: vec![Scope::JobsRead],
        expires_at: Some(expires.parse::<Timestamp>().unwrap()),
    };
    api_key::create(&app.db, &app.org, app.clock.now(), &key, new, &Actor::operator()).await.unwrap();
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
    for _ in 0..57 {
        expiry("/api/v1/jobs").await;
    }
    assert_eq!(expiry("/api/v1/jobs").await, (429, Some(expires.to_owned())));
    assert_eq!(expiry("/api/v1/jobs").await, (429, Some(expires.to_owned())), "also from memory");
    app.clock.set(expires);
    assert_eq!(expiry("/api/v1/jobs").await, (401, None), "a stranger learns nothing");
}
