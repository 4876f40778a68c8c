//! What a key is told about itself, and that counting by day costs nothing and loses nothing.

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

/// How often the key was used today, and on the days before.
fn days(usage: &Value, count: usize) -> Vec<u64> {
    usage["days"].as_array().unwrap()[..count].iter().map(|day| day["requests"].as_u64().unwrap()).collect()
}

/// The key's item, past the API.
async fn item(app: &TestApp) -> String {
    let id = ApiKey::parse(&app.key).unwrap().id();
    let get = app.client.get_item().table_name("AccessTable").consistent_read(true);
    let key = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let get = get.key("pk", key(format!("KEY#{id}"))).key("sk", key("KEY".to_owned()));
    format!("{:?}", get.send().await.unwrap().item.unwrap())
}

#[tokio::test]
async fn a_key_is_told_what_it_may_do_and_how_much_of_that_was_done() {
    let app = TestApp::frozen(Plan::Professional).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.get("/api/v1/jobs").await.ok(200);
    let told = usage(&app).await;
    let id = ApiKey::parse(&app.key).unwrap().id().to_string();
    assert_eq!(
        told["key"],
        json!({
            "id": id,
            "name": "test",
            "scopes": Scope::ALL,
            "createdAt": "2026-11-24T12:00:00.000Z",
            "expiresAt": null,
        })
    );
    assert_eq!(told["plan"], "professional");
    assert_eq!(
        told["burst"],
        json!({ "limit": 60, "used": 3, "remaining": 57, "resetsAt": "2026-11-24T12:01:00.000Z" })
    );
    assert_eq!(
        told["month"],
        json!({ "limit": 10_000, "used": 2, "remaining": 9_998, "resetsAt": "2026-12-01T00:00:00.000Z" })
    );
    let all = told["days"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]), (30, &json!({ "date": "2026-11-24", "requests": 3 })));
    assert_eq!(all[29], json!({ "date": "2026-10-26", "requests": 0 }));
    assert!(!told.to_string().contains(&app.key));
}

#[tokio::test]
async fn an_unlimited_month_has_no_limit_and_a_plan_without_access_still_tells() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let month = json!({ "limit": null, "used": 0, "remaining": null, "resetsAt": "2026-12-01T00:00:00.000Z" });
    assert_eq!(usage(&app).await["month"], month);
    app.set_plan(Plan::Free).await;
    assert_eq!(usage(&app).await["month"]["remaining"], 0);
}

#[tokio::test]
async fn it_needs_no_scope_costs_no_month_and_counts_for_the_burst() {
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
async fn what_is_refused_for_scope_plan_or_month_counts_for_the_day_and_for_the_burst_does_not() {
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
async fn a_day_that_is_over_moves_to_an_item_of_its_own_once_and_every_other_request_costs_what_it_did() {
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
async fn when_many_requests_meet_a_new_day_at_once_none_is_lost_and_none_is_counted_twice() {
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
async fn an_instance_whose_clock_is_late_adds_to_the_day_that_was_moved_already() {
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
async fn days_without_a_request_are_told_as_such_and_older_ones_not_at_all() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    app.clock.set("2026-12-20T08:00:00.000Z");
    app.get("/api/v1/jobs").await.ok(200);
    let told = usage(&app).await;
    assert_eq!(told["days"].as_array().unwrap().iter().filter(|day| day["requests"] != 0).count(), 2);
    assert_eq!(told["days"][26], json!({ "date": "2026-11-24", "requests": 1 }));
    app.clock.set("2026-12-24T08:00:00.000Z");
    let later = usage(&app).await;
    assert!(!later["days"].to_string().contains("2026-11-24"));
    assert_eq!(later["days"][4], json!({ "date": "2026-12-20", "requests": 2 }));
}

#[tokio::test]
async fn the_last_use_is_kept_with_the_key() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    // Past the tally, which knows no such call.
    let db = Db::with(config(&ENDPOINT), Embedded::tables());
    let last = async || api_key::list(&db, &app.org, None).await.unwrap().0[0].last_used_at;
    assert_eq!(last().await, None);
    app.get("/api/v1/jobs").await.ok(200);
    assert_eq!(last().await, Some(app.clock.now()));
    let used = app.clock.now();
    app.clock.advance(1_000);
    let forged = ApiKey::with_id(&ApiKey::parse(&app.key).unwrap().id()).unwrap();
    app.call("GET", "/api/v1/jobs", Some(forged.reveal()), None).await.error(401, "invalid_api_key");
    assert_eq!(last().await, Some(used), "who has another secret does not use the key");
}

#[tokio::test]
async fn a_key_in_its_last_14_days_is_told_when_it_expires_with_every_answer() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let expires = "2026-12-24T12:00:00.000Z";
    let key = ApiKey::generate().unwrap();
    let new = NewKey {
        name: short_text("ends"),
        scopes: vec![Scope::JobsRead],
        expires_at: Some(expires.parse::<Timestamp>().unwrap()),
    };
    api_key::create(&app.db, &app.org, app.clock.now(), &key, new, &Actor::operator()).await.unwrap();
    let told = async |path: &str| {
        let answer = app.call("GET", path, Some(key.reveal()), None).await;
        (answer.status.as_u16(), answer.header("x-api-key-expires-at").map(str::to_owned))
    };
    app.clock.set("2026-12-10T11:59:59.999Z");
    assert_eq!(told("/api/v1/jobs").await, (200, None));
    app.clock.set("2026-12-10T12:00:00.000Z");
    assert_eq!(told("/api/v1/jobs").await, (200, Some(expires.to_owned())));
    assert_eq!(told("/api/v1/candidates").await, (403, Some(expires.to_owned())));
    assert_eq!(told("/api/v1/usage").await, (200, Some(expires.to_owned())));
    for _ in 0..57 {
        told("/api/v1/jobs").await;
    }
    assert_eq!(told("/api/v1/jobs").await, (429, Some(expires.to_owned())));
    assert_eq!(told("/api/v1/jobs").await, (429, Some(expires.to_owned())), "also from memory");
    app.clock.set(expires);
    assert_eq!(told("/api/v1/jobs").await, (401, None), "a stranger learns nothing");
}
