//! Lost responses: DynamoDB executes a request, but its response does not arrive. The SDK retries, and the client must see one success with
//! one effect.

use std::sync::Arc;

use local::database::Embedded;
use serde_json::{Value, json};
use shared::{
    model::{key::ApiKey, plan::Plan, scope::Scope, secret::Secret, value::Email},
    store::{
        activity::{self, Act, Actor},
        api_key::{self, NewKey, Rotated, Rotation},
        db::Db,
        member::{self, Identity},
        session,
    },
};

use crate::{
    late::arrive_late,
    test_app::{
        ENDPOINT, TestApp, gateway,
        proxy::{Fault, Proxy},
        request, send, short_text,
    },
    test_settings::TestSettings,
};

/// An app whose connection to DynamoDB can lose responses.
pub async fn app() -> (TestApp, Proxy) {
    let mut app = TestApp::frozen(Plan::Enterprise).await;
    let proxy = Proxy::default();
    let endpoint = proxy.start(&ENDPOINT).await;
    let config = local::database::config(&endpoint).interceptor(app.tally.clone());
    app.gateway = Arc::new(gateway(&Db::embedded(config, Embedded::tables()), &app.clock));
    (app, proxy)
}

#[tokio::test]
async fn a_write_whose_response_is_lost_succeeds_once() {
    let (app, proxy) = app().await;
    let lose = |operation| proxy.lose(operation, "RecordsTable");
    let happened = || proxy.assert_failed();

    lose("PutItem");
    let job = app.job("open").await;
    happened();
    assert_eq!(app.get("/api/v1/jobs").await.ids(), std::slice::from_ref(&job));

    lose("UpdateItem");
    let path = format!("/api/v1/jobs/{job}");
    assert_eq!(app.put(&path, json!({ "title": "Nurse" })).await.ok(200)["version"], 2);
    happened();
    assert_eq!(app.get(&path).await.ok(200)["version"], 2);

    lose("TransactWriteItems");
    let candidate = app.candidate("ada@example.com").await;
    happened();
    assert_eq!(app.get("/api/v1/candidates").await.ids(), std::slice::from_ref(&candidate));

    lose("TransactWriteItems");
    let path = format!("/api/v1/candidates/{candidate}");
    assert_eq!(app.put(&path, json!({ "email": "augusta@example.com" })).await.ok(200)["version"], 2);
    happened();

    let stages = app.stages().await;
    lose("UpdateItem");
    let path = format!("/api/v1/pipeline/candidates/{candidate}/move");
    let moved = app.put(&path, json!({ "stageId": stages[1], "fromStageId": stages[0] })).await;
    happened();
    let moved = moved.ok(200);
    assert_eq!((&moved["changed"], &moved["previousStageId"]), (&json!(true), &json!(stages[0])));
    assert_eq!(app.get(&format!("/api/v1/candidates/{candidate}")).await.ok(200)["version"], 3);

    lose("TransactWriteItems");
    let application = app.application(&job, &candidate).await;
    happened();
    let path = format!("/api/v1/jobs/{job}/applications");
    assert_eq!(app.get(&path).await.ids(), std::slice::from_ref(&application));

    lose("UpdateItem");
    let updated = app.put(&format!("{path}/{application}"), json!({ "status": "hired" })).await;
    happened();
    assert_eq!(updated.ok(200)["version"], 2);
}

#[tokio::test]
async fn an_update_with_if_match_whose_response_is_lost_is_not_a_conflict() {
    let (app, proxy) = app().await;
    let path = format!("/api/v1/jobs/{}", app.job("open").await);
    proxy.lose("UpdateItem", "RecordsTable");
    let updated = app.put_if_match(&path, "\"1\"", json!({ "title": "Nurse" })).await;
    proxy.assert_failed();
    assert_eq!(updated.ok(200)["version"], 2);
}

/// What DynamoDB answers to a transaction that meets another write.
fn conflict(_: &[u8]) -> Vec<u8> {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"Transaction cancelled","CancellationReasons":[{"Code":"TransactionConflict"}]}"#;
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
    format!("{head} {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_transaction_that_is_repeated_after_a_conflict_knows_its_own_write() {
    let (app, proxy) = app().await;
    // The transaction is applied, but what arrives is the conflict that a repeated attempt meets.
    let meet = |table| {
        proxy.fail(Fault { operation: "TransactWriteItems", table, times: 1, change: conflict });
    };
    meet("RecordsTable");
    let candidate = app.candidate("ada@example.com").await;
    proxy.assert_failed();
    let job = app.job("open").await;
    meet("RecordsTable");
    app.application(&job, &candidate).await;
    proxy.assert_failed();
    meet("RecordsTable");
    let path = format!("/api/v1/candidates/{candidate}");
    assert_eq!(app.put(&path, json!({ "email": "augusta@example.com" })).await.ok(200)["version"], 2);
    proxy.assert_failed();

    // Keys, whose secret is shown once.
    let db = Db::embedded(local::database::config(&proxy.start(&ENDPOINT).await), Embedded::tables());
    let (org, now, actor) = (&app.org, app.clock.now(), Actor::operator());
    meet("AccessTable");
    let new = NewKey { name: short_text("met"), scopes: vec![Scope::JobsRead], expires_at: None };
    let key = api_key::create(&db, org, now, new, &actor).await.unwrap();
    proxy.assert_failed();
    app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
    meet("AccessTable");
    let successor = ApiKey::with_id(&key.id()).unwrap();
    let rotated = api_key::rotate(&db, org, now, &successor, Rotation::default(), &actor).await.unwrap();
    proxy.assert_failed();
    assert_eq!(rotated, Rotated::Done);
    app.call("GET", "/api/v1/jobs", Some(successor.reveal()), None).await.ok(200);
    assert_eq!(api_key::list(&db, org, None).await.unwrap().0.len(), 2);
}

/// Sends a request through another instance while the next attempt's response is on its way.
fn meanwhile(app: &TestApp, proxy: &Proxy, path: &str, body: &Value) {
    let (instance, request) = (app.fresh_gateway(), request("PUT", path, Some(&app.key), Some(body.clone())));
    proxy.meanwhile(async move {
        send(&instance, request).await.ok(200);
    });
}

#[tokio::test]
async fn an_update_whose_response_is_lost_happens_once_even_if_others_change_the_object_before_the_retry() {
    let (app, proxy) = app().await;
    let (job, candidate, stages) = (app.job("open").await, app.candidate("ada@example.com").await, app.stages().await);
    let application = app.application(&job, &candidate).await;
    let candidate_path = format!("/api/v1/candidates/{candidate}");
    let job_path = format!("/api/v1/jobs/{job}");
    for (path, own, others) in [
        (&job_path, json!({ "title": "Nurse" }), json!({ "title": "Doctor" })),
        (&candidate_path, json!({ "headline": "Nurse" }), json!({ "headline": "Doctor" })),
        (
            &format!("{job_path}/applications/{application}"),
            json!({ "status": "hired" }),
            json!({ "status": "rejected" }),
        ),
    ] {
        for if_match in ["\"1\"", "*"] {
            let before = app.get(path).await.ok(200)["version"].as_u64().unwrap();
            proxy.lose("UpdateItem", "RecordsTable");
            meanwhile(&app, &proxy, path, &others);
            app.put_if_match(path, if_match, own.clone()).await.ok(200);
            proxy.assert_failed();
            let now = app.get(path).await.ok(200).clone();
            assert_eq!(now["version"], before + 2, "{path}");
            for (name, value) in others.as_object().unwrap() {
                assert_eq!(now[name], *value, "the last write is the others'");
            }
        }
    }

    let path = format!("/api/v1/pipeline/candidates/{candidate}/move");
    let before = app.get(&candidate_path).await.ok(200)["version"].as_u64().unwrap();
    proxy.lose("UpdateItem", "RecordsTable");
    meanwhile(&app, &proxy, &path, &json!({ "stageId": stages[2] }));
    let moved = app.put(&path, json!({ "stageId": stages[1], "fromStageId": stages[0] })).await;
    proxy.assert_failed();
    let moved = moved.ok(200);
    assert_eq!((&moved["changed"], &moved["stageId"]), (&json!(true), &json!(stages[1])));
    assert_eq!(moved["previousStageId"], stages[0]);
    let now = app.get(&candidate_path).await.ok(200).clone();
    assert_eq!((&now["version"], &now["stageId"]), (&json!(before + 2), &json!(stages[2])));
}

#[tokio::test]
async fn a_write_is_not_called_rejected_while_an_attempt_that_may_succeed_is_under_way() {
    let (app, proxy) = app().await;
    let job = app.job("open").await;
    let job_path = format!("/api/v1/jobs/{job}");
    let other = app.candidate("other@example.com").await;
    let other_path = format!("/api/v1/candidates/{other}");
    let ada = app.candidate("ada@example.com").await;
    // What others do makes the second attempt fail. Once it is undone, the first could still succeed.
    for (method, path, body, others_path, others) in [
        (
            "POST",
            "/api/v1/candidates".to_owned(),
            json!({ "firstName": "Bea", "email": "bea@example.com" }),
            &other_path,
            json!({ "email": "bea@example.com" }),
        ),
        (
            "PUT",
            format!("/api/v1/candidates/{ada}"),
            json!({ "email": "cy@example.com" }),
            &other_path,
            json!({ "email": "cy@example.com" }),
        ),
        (
            "POST",
            format!("{job_path}/applications"),
            json!({ "candidateId": ada }),
            &job_path,
            json!({ "status": "closed" }),
        ),
    ] {
        proxy.hold_back("TransactWriteItems");
        meanwhile(&app, &proxy, others_path, &others);
        app.call(method, &path, Some(&app.key), Some(body.clone())).await.error(503, "service_unavailable");
        let again = app.call(method, &path, Some(&app.key), Some(body)).await;
        assert_eq!(again.status, 409, "nothing else is under way: {}", again.body);
    }
}

#[tokio::test]
async fn a_session_begins_once_even_if_a_response_is_lost_and_a_late_retry_revives_no_session() {
    let test = TestSettings::new().await;
    let proxy = Proxy::default();
    let endpoint = proxy.start(&ENDPOINT).await;
    let db = Db::embedded(local::database::config(&endpoint), Embedded::tables());
    let email = Email::new(&test.admin).unwrap();
    let identity = Identity { issuer: "https://issuer.example", subject: "ada" };
    let now = test.app.clock.now();
    let member = member::sign_in(&test.app.db, &email, identity, now).await.unwrap().unwrap();
    let actor = Actor::member(&test.admin, None);
    for ends in ["signed out", "replaced"] {
        let id = Secret::generate().unwrap();
        proxy.lose("TransactWriteItems", "AccessTable");
        proxy.take_sent();
        session::begin(&db, &member, &id, now, &actor).await.unwrap();
        proxy.assert_failed();
        let attempts = proxy.take_sent();
        assert_eq!(attempts.len(), 2, "the SDK has retried");
        // A new request for the same session, as after a conflict, finds the same session; one with another member's data fails.
        session::begin(&db, &member, &id, now, &actor).await.unwrap();
        let later = shared::model::clock::Timestamp::from_millis(now.as_millis() + 1);
        assert!(session::begin(&db, &member, &id, later, &actor).await.is_err());
        assert!(session::resume(&db, &id, now).await.unwrap().is_some());

        if ends == "replaced" {
            session::end(&db, &id, now).await.unwrap();
        } else {
            session::sign_out(&db, &id, now, None).await.unwrap();
        }
        assert!(session::resume(&db, &id, now).await.unwrap().is_none());
        // The marker contains nothing about the member, and outlives any late attempt at a session that has not expired.
        let string = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
        let get = test.app.client.get_item().table_name(Embedded::tables().access).consistent_read(true);
        let get = get.key("pk", string(format!("SESSION#{}", id.derive("stored"))));
        let marker = get.key("sk", string("SESSION".to_owned())).send().await.unwrap().item.unwrap();
        let mut names: Vec<_> = marker.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["deleteAt", "pk", "sk"]);
        let until: i64 = marker["deleteAt"].as_n().unwrap().parse().unwrap();
        assert!(until > now.as_secs() + 8 * 60 * 60);
        for attempt in attempts {
            let answer = arrive_late(&ENDPOINT, &attempt).await;
            assert!(answer.contains("ConditionalCheckFailed"), "{answer}");
            assert!(session::resume(&db, &id, now).await.unwrap().is_none(), "{ends}");
        }
        // None of this writes an activity entry, either.
        let entries = activity::page(&db, &test.app.org, None, 50, now).await.unwrap().0;
        let (signed_in, signed_out) = if ends == "replaced" { (2, 1) } else { (1, 1) };
        let count = |act| entries.iter().filter(|entry| entry.act == act).count();
        assert_eq!((count(Act::SignedIn), count(Act::SignedOut)), (signed_in, signed_out));
    }
    // A session that never began leaves no marker: a stranger could fill the table.
    let never = Secret::generate().unwrap();
    session::end(&db, &never, now).await.unwrap();
    session::sign_out(&db, &never, now, None).await.unwrap();
    assert!(!test.whole_access_table().await.contains(&never.derive("stored")));
}

#[tokio::test]
async fn a_sign_out_whose_response_is_lost_happens_once() {
    let test = TestSettings::new().await;
    let proxy = Proxy::default();
    let endpoint = proxy.start(&ENDPOINT).await;
    let db = Db::embedded(local::database::config(&endpoint), Embedded::tables());
    let browser = test.admin().await;
    let id = Secret::parse(&browser.cookies["__Host-session"]).unwrap();
    let now = test.app.clock.now();
    proxy.lose("TransactWriteItems", "AccessTable");
    session::sign_out(&db, &id, now, None).await.unwrap();
    proxy.assert_failed();
    let entries = activity::page(&db, &test.app.org, None, 50, now).await.unwrap().0;
    assert_eq!(entries.iter().filter(|entry| entry.act == Act::SignedOut).count(), 1);
}
