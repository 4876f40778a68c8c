//! Conflicts and throttling: DynamoDB does not execute a write because another one is under way on the item, or there are too many. The write
//! is sent again, also if an earlier attempt was executed and its response was lost: then it meets its own effect, and knows it.

use std::sync::Arc;

use local::database::Embedded;
use serde_json::{Value, json};
use shared::{model::plan::Plan, store::db::Db};

use crate::{
    every_route::{Objects, ROUTES},
    test_app::{
        Answer, ENDPOINT, TestApp, gateway,
        proxy::{Proxy, error, is_to},
    },
    test_settings::{TestSettings, id},
};

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Conflict,
    LostThenConflict,
    LostThenThrottled,
}

impl Fate {
    const ALL: [Self; 3] = [Self::Conflict, Self::LostThenConflict, Self::LostThenThrottled];

    /// Lets this happen to the next call of this operation on this table.
    fn befall(self, proxy: &Proxy, operation: &'static str, table: &'static str) {
        if self != Self::Conflict {
            proxy.lose(operation, table);
        }
        let code = match (self, operation) {
            (Self::LostThenThrottled, _) => "ThrottlingException",
            (_, "TransactWriteItems") => "TransactionCanceledException",
            _ => "TransactionConflictException",
        };
        let response = String::from_utf8(error("400 Bad Request", code)).unwrap();
        let reasons = r#""CancellationReasons":[{"Code":"TransactionConflict"}]"#;
        let response = if code == "TransactionCanceledException" {
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            let body = body.replace(r#""message":"no""#, reasons);
            let head = head.rsplit_once(' ').unwrap().0;
            format!("{head} {}\r\n\r\n{body}", body.len())
        } else {
            response
        };
        proxy.refuse(operation, table, response.into_bytes());
    }
}

async fn app() -> (TestApp, Proxy) {
    let (mut app, proxy) = (TestApp::frozen(Plan::Enterprise).await, Proxy::default());
    let endpoint = proxy.start(&ENDPOINT).await;
    app.gateway = Arc::new(gateway(&Db::embedded(local::database::config(&endpoint), Embedded::tables()), &app.clock));
    (app, proxy)
}

/// The operation that the write to the Records table of the last request was.
fn operation(proxy: &Proxy) -> &'static str {
    let sent = proxy.take_sent();
    let is_record = |request: &&Vec<u8>| String::from_utf8_lossy(request).contains("RecordsTable");
    let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"];
    let mut found = writes.into_iter().filter(|write| sent.iter().filter(is_record).any(|sent| is_to(sent, write)));
    found.next().expect("a write to the Records table")
}

/// The version that a write has left, as its response says.
fn version(answer: &Answer) -> Value {
    answer.body["data"]["version"].clone()
}

#[tokio::test]
async fn every_write_of_the_api_that_meets_another_is_sent_again_and_done_once() {
    for row in ROUTES.iter().filter(|row| row.method != "GET") {
        for from_stage in [false, true] {
            let is_move = row.path.ends_with("/move");
            if from_stage && !is_move {
                continue;
            }
            // What it does undisturbed.
            let (app, proxy) = app().await;
            let objects = Objects::of(&app).await;
            let stages = app.stages().await;
            let body = |objects: &Objects, stages: &[String]| {
                let mut body = objects.body(row);
                if from_stage {
                    body.as_mut().unwrap()["fromStageId"] = json!(stages[0]);
                }
                body
            };
            proxy.take_sent();
            let plain = app.call(row.method, &objects.path(row), Some(&app.key), body(&objects, &stages)).await;
            plain.ok(row.status);
            let operation = operation(&proxy);

            for fate in Fate::ALL {
                let (app, proxy) = self::app().await;
                let objects = Objects::of(&app).await;
                let stages = app.stages().await;
                fate.befall(&proxy, operation, "RecordsTable");
                let answer = app.call(row.method, &objects.path(row), Some(&app.key), body(&objects, &stages)).await;
                proxy.assert_failed();
                answer.ok(row.status);
                assert_eq!(version(&answer), version(&plain), "{} {} {fate:?}", row.method, row.path);
                if is_move {
                    let told = (&answer.body["data"]["changed"], &answer.body["data"]["previousStageId"]);
                    assert_eq!(told, (&json!(true), &json!(stages[0])), "{fate:?}");
                }
                // The admission counts each request once, too.
                fate.befall(&proxy, "UpdateItem", "AccessTable");
                let left = |answer: &Answer| answer.header("x-ratelimit-remaining").unwrap().parse::<u64>().unwrap();
                let served = app.get("/api/v1/jobs").await;
                proxy.assert_failed();
                assert_eq!((served.status.as_u16(), left(&served)), (200, left(&answer) - 1), "{fate:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_update_of_a_candidate_without_another_email_and_the_clearing_of_a_letter_are_sent_again() {
    for fate in Fate::ALL {
        let (app, proxy) = app().await;
        let (candidate, job) = (app.candidate("ada@example.com").await, app.job("open").await);
        let path = format!("/api/v1/candidates/{candidate}");
        fate.befall(&proxy, "UpdateItem", "RecordsTable");
        assert_eq!(app.put_if_match(&path, "\"1\"", json!({ "headline": "Nurse" })).await.ok(200)["version"], 2);
        proxy.assert_failed();

        let applications = format!("/api/v1/jobs/{job}/applications");
        app.post(&applications, json!({ "candidateId": candidate, "coverLetter": "Hello" })).await.ok(201);
        fate.befall(&proxy, "UpdateItem", "RecordsTable");
        let erased = app.call("DELETE", &path, Some(&app.key), None).await;
        proxy.assert_failed();
        assert_eq!(erased.ok(200)["applicationsCleared"], 1);
        let cleared = app.get(&applications).await;
        assert_eq!((&cleared.rows()[0]["coverLetter"], &cleared.rows()[0]["version"]), (&Value::Null, &json!(2)));
    }
}

#[tokio::test]
async fn every_change_in_the_settings_that_meets_another_is_sent_again_and_done_once() {
    for fate in Fate::ALL {
        let (mut test, proxy) = (TestSettings::new().await, Proxy::default());
        test.behind(&proxy).await;
        // Of a sign-in: the member's update, and the session's transaction.
        for operation in ["UpdateItem", "TransactWriteItems"] {
            fate.befall(&proxy, operation, "AccessTable");
            test.admin().await;
            proxy.assert_failed();
        }
        let mut browser = test.admin().await;
        // The use of a session.
        fate.befall(&proxy, "UpdateItem", "AccessTable");
        browser.get("/settings/plan").await.shown(200);
        proxy.assert_failed();
        let token = browser.token().await;
        let form = browser.get("/settings/keys/new").await;
        fate.befall(&proxy, "TransactWriteItems", "AccessTable");
        let key = browser.fill(&form, "met", &["jobs:read"]).await.secret();
        proxy.assert_failed();
        let path = format!("/settings/keys/{}", id(&key));
        let fields = [("token", token.as_str()), ("seen", "0"), ("overlap", "none"), ("expiry", "same")];
        fate.befall(&proxy, "TransactWriteItems", "AccessTable");
        let rotated = browser.post(&format!("{path}/rotate"), &fields).await.secret();
        proxy.assert_failed();
        assert_eq!((test.call(&key).await, test.call(&rotated).await), (401, 200));
        fate.befall(&proxy, "TransactWriteItems", "AccessTable");
        assert_eq!(browser.post(&format!("{path}/revoke"), &fields).await.status, 303);
        proxy.assert_failed();
        let activity = browser.get("/settings/activity").await;
        for act in ["created", "rotated", "revoked"] {
            // The app's first key was created, too.
            let count = if act == "created" { 2 } else { 1 };
            assert_eq!(activity.shown(200).matches(&format!("<td>{act}</td>")).count(), count, "{act} {fate:?}");
        }
        fate.befall(&proxy, "TransactWriteItems", "AccessTable");
        assert_eq!(browser.post("/settings/sign-out", &fields).await.location(), "/settings/signed-out");
        proxy.assert_failed();
    }
}
