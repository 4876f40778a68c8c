//! Late attempts: the SDK gives up an attempt that takes too long and sends another. The first is still on its way, and DynamoDB may execute it
//! after anything else has happened: then it must change nothing.
//!
//! Every write is sent again, to the byte, after each step that follows it, and both tables are compared. Only counts are left out: a request
//! that DynamoDB counts late is one more in its minute, its day and its month, which errs on the safe side, and the settings' counts of uses of
//! ended secrets are close, not exact.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws_sdk_dynamodb::types::AttributeValue;
use local::database::Embedded;
use serde_json::{Value, json};
use shared::{
    model::{key::ApiKey, plan::Plan, role::Role, value::Email},
    store::{
        activity::Actor,
        api_key::{self, Rotation},
        db::Db,
        member,
        organization::{self, PlanChange},
    },
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    every_route::{Objects, ROUTES, Row},
    test_app::{
        ORIGIN, TestApp, database, gateway,
        proxy::{Proxy, is_to, message},
        request, send,
    },
    test_settings::{SettingsClient, TestSettings, id},
};

const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
const TOKEN: &str = "\"ClientRequestToken\":\"";

/// Sends a request to DynamoDB again, as an attempt that was held up on its way: for so long that DynamoDB has forgotten the token by which it
/// recognizes a transaction.
pub async fn arrive_late(endpoint: &str, attempt: &[u8]) -> String {
    let mut attempt = String::from_utf8(attempt.to_vec()).unwrap();
    if let Some(at) = attempt.find(TOKEN) {
        let token = at + TOKEN.len();
        attempt.replace_range(token..token + 8, "forgotte");
    }
    arrive(endpoint, attempt.as_bytes()).await
}

/// Sends a request to DynamoDB again, within the ten minutes in which it recognizes a transaction.
async fn arrive(endpoint: &str, attempt: &[u8]) -> String {
    let mut upstream = TcpStream::connect(endpoint.trim_start_matches("http://")).await.unwrap();
    upstream.write_all(attempt).await.unwrap();
    String::from_utf8(message(&mut upstream).await.unwrap()).unwrap()
}

/// Everything in both tables, by table and key.
type Tables = BTreeMap<String, BTreeMap<String, AttributeValue>>;

/// A database of its own, and every write that was sent to it.
struct Late {
    /// Holds the database.
    _database: Embedded,
    endpoint: String,
    proxy: Proxy,
    client: aws_sdk_dynamodb::Client,
    writes: Vec<Vec<u8>>,
}

impl Late {
    async fn new() -> (Self, TestApp) {
        let database = database();
        let endpoint = database.endpoint().to_owned();
        let app = TestApp::in_database(&endpoint, Plan::Enterprise).await;
        let (client, proxy) = (app.client.clone(), Proxy::default());
        (Self { _database: database, endpoint, proxy, client, writes: Vec::new() }, app)
    }

    async fn tables(&self) -> Tables {
        let mut all = Tables::new();
        for table in [Embedded::tables().access, Embedded::tables().records] {
            #[expect(clippy::disallowed_methods, reason = "a test that looks everywhere")]
            let scan = self.client.scan().table_name(&table).consistent_read(true);
            let items = scan.into_paginator().items().send();
            let items: Vec<HashMap<_, _>> = items.collect::<Result<_, _>>().await.unwrap();
            let key = |item: &HashMap<String, AttributeValue>| format!("{table} {:?} {:?}", item["pk"], item["sk"]);
            all.extend(items.into_iter().map(|item| (key(&item), item.into_iter().collect())));
        }
        all
    }

    /// Lets the markers of idempotency keys expire.
    async fn expire_markers(&self) {
        for (_, item) in self.tables().await.into_iter().filter(|(key, _)| key.contains("#IDEMPOTENCY#")) {
            let delete = self.client.delete_item().table_name(Embedded::tables().records);
            delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).send().await.unwrap();
        }
    }

    /// Every write since the beginning arrives once more, and no token is remembered. `step` is what happened last.
    async fn all_arrive(&mut self, step: &str) {
        self.arrive_all(step, async |endpoint, write| arrive_late(endpoint, write).await).await;
    }

    /// The same, within minutes.
    async fn all_arrive_soon(&mut self, step: &str) {
        self.arrive_all(step, async |endpoint, write| arrive(endpoint, write).await).await;
    }

    async fn arrive_all(&mut self, step: &str, arrive: impl AsyncFn(&str, &[u8]) -> String) {
        let is_write = |request: &Vec<u8>| WRITES.iter().any(|operation| is_to(request, operation));
        // Requests, and the uses of ended secrets.
        let counts = ["ADD #minute :one", "ADD #uses :uses"];
        let is_count = |request: &Vec<u8>| counts.iter().any(|add| String::from_utf8_lossy(request).contains(add));
        let sent = self.proxy.take_sent();
        self.writes.extend(sent.into_iter().filter(|request| is_write(request) && !is_count(request)));
        let before = self.tables().await;
        for write in &self.writes {
            let answer = arrive(&self.endpoint, write).await;
            let after = self.tables().await;
            if after != before {
                let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
                let changed: Vec<_> = keys.map(|key| (key, before.get(key), after.get(key))).collect();
                panic!("after {step}: {}\n{answer}\nchanged {changed:#?}", String::from_utf8_lossy(write));
            }
        }
    }
}

/// Every body that makes the route write in a way of its own.
fn bodies(objects: &Objects, row: &Row, stages: &[String]) -> Vec<Option<Value>> {
    let mut bodies = vec![objects.body(row)];
    match (row.method, row.path) {
        ("POST", "/api/v1/candidates") => bodies.push(Some(json!({ "firstName": "Ada" }))),
        ("PUT", "/api/v1/candidates/{id}") => {
            bodies.extend([Some(json!({ "headline": "Nurse" })), Some(json!({ "email": null }))]);
        }
        ("PUT", "/api/v1/pipeline/candidates/{id}/move") => {
            bodies.push(Some(json!({ "stageId": stages[3], "fromStageId": stages[0] })));
        }
        _ => {}
    }
    bodies
}

/// What a client does after the write: changes the object, and changes it back.
async fn go_on(app: &TestApp, objects: &Objects, row: &Row, location: Option<&str>, stages: &[String]) {
    if let Some(path) = location.and_then(|location| location.strip_prefix(ORIGIN)) {
        let bodies = match path.split('/').nth(3).unwrap() {
            "candidates" => vec![json!({ "email": "later@example.com" }), json!({ "email": null, "firstName": "X" })],
            _ if path.contains("/applications/") => vec![json!({ "status": "hired" })],
            "jobs" => vec![json!({ "title": "Later", "status": "closed" })],
            other => panic!("no later change of {other}"),
        };
        for body in bodies {
            app.put(path, body).await.ok(200);
        }
    } else if row.method == "PUT" {
        let path = objects.path(row);
        let back = match row.path {
            "/api/v1/pipeline/candidates/{id}/move" => json!({ "stageId": stages[0] }),
            "/api/v1/candidates/{id}" => json!({ "email": "ada@example.com", "headline": null }),
            "/api/v1/jobs/{id}" => json!({ "title": "Engineer" }),
            "/api/v1/jobs/{jobId}/applications/{id}" => json!({ "status": "new" }),
            other => panic!("no way back for {other}"),
        };
        app.put(&path, objects.earlier_body(row).unwrap()).await.ok(200);
        app.put(&path, back).await.ok(200);
    }
}

#[tokio::test]
async fn no_attempt_at_any_write_of_the_api_does_anything_when_it_arrives_late() {
    let mut written = 0;
    for row in ROUTES.iter().filter(|row| row.method != "GET") {
        for idempotency_key in [None, Some("once")] {
            for variant in 0.. {
                let (mut late, mut app) = Late::new().await;
                let config = local::database::config(&late.proxy.start(&late.endpoint).await);
                app.gateway = Arc::new(gateway(&Db::embedded(config, Embedded::tables()), &app.clock));
                let (objects, stages) = (Objects::of(&app).await, app.stages().await);
                let Some(body) = bodies(&objects, row, &stages).get(variant).cloned() else { break };
                late.proxy.take_sent();
                app.clock.advance(app.step_millis);
                let mut asked = request(row.method, &objects.path(row), Some(&app.key), body);
                if let Some(key) = idempotency_key {
                    asked.headers_mut().insert("idempotency-key", key.parse().unwrap());
                }
                let answer = send(&app.gateway, asked).await;
                answer.ok(row.status);
                let step = |then: &str| format!("{} {} {variant} {idempotency_key:?}, {then}", row.method, row.path);
                late.all_arrive(&step("at once")).await;
                written += late.writes.len();
                assert!(!late.writes.is_empty(), "{}", step("nothing"));
                go_on(&app, &objects, row, answer.header("location"), &stages).await;
                late.all_arrive(&step("then changes")).await;
                late.expire_markers().await;
                late.all_arrive(&step("then a day")).await;
                for candidate in app.get("/api/v1/candidates").await.ids() {
                    app.call("DELETE", &format!("/api/v1/candidates/{candidate}"), Some(&app.key), None).await.ok(200);
                }
                // Once somebody is gone, only the token shows that their creation is an old request.
                late.all_arrive_soon(&step("then the erasure of everybody")).await;
            }
        }
    }
    println!("{written} writes of {} routes", ROUTES.len());
}

#[tokio::test]
async fn an_attempt_at_an_erasure_in_several_requests_that_arrives_late_does_nothing() {
    let (mut late, mut app) = Late::new().await;
    let config = local::database::config(&late.proxy.start(&late.endpoint).await);
    app.gateway = Arc::new(gateway(&Db::embedded(config, Embedded::tables()), &app.clock));
    let candidate = app.candidate("ada@example.com").await;
    for _ in 0..101 {
        let job = app.job("open").await;
        let path = format!("/api/v1/jobs/{job}/applications");
        app.post(&path, json!({ "candidateId": candidate, "coverLetter": "Hello" })).await.ok(201);
    }
    late.proxy.take_sent();
    let erase = async || {
        let path = format!("/api/v1/candidates/{candidate}");
        app.call("DELETE", &path, Some(&app.key), None).await
    };
    erase().await.error(503, "service_unavailable");
    late.all_arrive("the first request").await;
    erase().await.ok(200);
    late.all_arrive("the second request").await;
}

async fn rotate(browser: &mut SettingsClient, key: &str, overlap: &str) -> String {
    let path = format!("/settings/keys/{}/rotate", id(key));
    let form = browser.get(&path).await;
    let (token, seen) = (form.field("token"), form.field("seen"));
    let mut fields = vec![("token", token.as_str()), ("seen", &seen), ("overlap", overlap), ("expiry", "same")];
    if form.body.contains("name=\"replaces\"") {
        fields.push(("replaces", "unused"));
    }
    browser.post(&path, &fields).await.secret()
}

async fn revoke(browser: &mut SettingsClient, key: &str) {
    let token = browser.token().await;
    let path = format!("/settings/keys/{}/revoke", id(key));
    assert_eq!(browser.post(&path, &[("token", &token)]).await.status, 303);
}

#[tokio::test]
async fn no_attempt_at_a_change_in_the_settings_or_by_the_operator_does_anything_when_it_arrives_late() {
    let (mut late, app) = Late::new().await;
    let mut test = TestSettings::with(TestApp { step_millis: 1_000, ..app }).await;
    test.behind_to(&late.proxy, &late.endpoint.clone()).await;
    let (org, actor) = (test.app.org, Actor::operator());
    let later = || test.app.clock.advance(1_000);
    let (db, now) = (&test.app.db, || test.app.clock.now());

    let mut browser = test.admin().await;
    late.all_arrive("a sign-in").await;
    later();
    let mut browser_again = test.admin().await;
    late.all_arrive("another sign-in").await;
    let first = browser.make("late", &["jobs:read"]).await.secret();
    late.all_arrive("a creation").await;
    assert_eq!(test.call(&first).await, 200);
    let second = rotate(&mut browser, &first, "24h").await;
    late.all_arrive("a rotation").await;
    let third = rotate(&mut browser, &first, "same").await;
    assert_ne!(second, third);
    late.all_arrive("a rotation that replaces an unused secret").await;
    assert_eq!((test.call(&third).await, test.call(&first).await), (200, 200));
    let new = ApiKey::with_id(&ApiKey::parse(&first).unwrap().id()).unwrap();
    api_key::rotate(db, &org, now(), &new, Rotation::default(), &actor).await.unwrap();
    late.all_arrive("a rotation without an overlap").await;
    rotate(&mut browser, &first, "1h").await;

    // What is tidied up once the day and the former secret are over.
    test.app.clock.advance(25 * 60 * 60 * 1_000);
    for _ in 0..3 {
        test.app.clock.advance(5 * 60 * 1_000);
        assert_eq!((test.call(new.reveal()).await, test.call(&test.app.key).await), (401, 200));
    }
    late.all_arrive("a new day").await;
    let mut browser = test.admin().await;
    revoke(&mut browser, &first).await;
    late.all_arrive("a revocation").await;
    let other = browser.make("after", &["jobs:read"]).await.secret();
    late.all_arrive("a creation after a revocation").await;
    revoke(&mut browser, &other).await;
    for plan in [Plan::Professional, Plan::Enterprise, Plan::Starter, Plan::Enterprise] {
        assert_eq!(organization::set_plan(db, &org, now(), plan, &actor).await.unwrap(), PlanChange::Done);
        late.all_arrive("a change of plan").await;
    }

    let email = Email::new("late@example.com").unwrap();
    for _ in 0..2 {
        later();
        member::add(db, &org, now(), &email, Role::Member, &actor).await.unwrap();
        late.all_arrive("a new member").await;
        for role in [Role::Admin, Role::Member, Role::Admin] {
            later();
            assert!(member::set_role(db, &org, now(), &email, role, &actor).await.unwrap());
            late.all_arrive("a change of role").await;
        }
        later();
        let identity = member::Identity { issuer: "https://issuer.example", subject: "late" };
        assert!(member::sign_in(db, &email, identity, now()).await.unwrap().is_some());
        // More than the clocks may differ.
        test.app.clock.advance(3 * 60 * 1_000);
        assert!(member::remove(db, &org, now(), &email, &actor).await.unwrap());
        late.all_arrive("a removal").await;
    }

    let token = browser.token().await;
    assert_eq!(browser.post("/settings/sign-out", &[("token", &token)]).await.status, 303);
    late.all_arrive("a sign-out").await;
    assert_eq!(browser.get("/settings/keys").await.status, 303);
    assert_eq!(browser_again.get("/settings/keys").await.status, 303, "it has expired");
    late.all_arrive("the end").await;
}
