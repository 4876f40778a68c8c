//! Lost answers: DynamoDB does what it is asked, and its answer does not arrive. The SDK asks again, and the client must
//! hear of one success with one effect.

use std::sync::{Arc, Mutex};

use local::database::Embedded;
use serde_json::json;
use shared::{
    model::{plan::Plan, secret::Secret, value::Email},
    store::{
        activity::{self, Act, Actor},
        db::Db,
        member::{self, Identity},
        session,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    test_app::{ENDPOINT, TestApp, gateway},
    test_settings::TestSettings,
};

/// Which answer is lost: the next one to a call of this operation on this table.
type Loses = Arc<Mutex<Option<(&'static str, &'static str)>>>;

/// What was sent to DynamoDB, as it was.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// Stands between the API and DynamoDB, and loses an answer when it is told to.
async fn between(upstream: String, loses: Loses, sent: Sent) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, upstream.clone(), Arc::clone(&loses), Arc::clone(&sent)));
        }
    });
    endpoint
}

async fn carry(mut client: TcpStream, upstream: String, loses: Loses, sent: Sent) {
    let mut upstream = TcpStream::connect(upstream.trim_start_matches("http://")).await.unwrap();
    while let Some(request) = message(&mut client).await {
        sent.lock().unwrap().push(request.clone());
        upstream.write_all(&request).await.unwrap();
        let answer = message(&mut upstream).await.unwrap();
        if is_lost(&request, &loses) || client.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn is_lost(request: &[u8], loses: &Loses) -> bool {
    let text = String::from_utf8_lossy(request);
    let mut loses = loses.lock().unwrap();
    let lost = loses.is_some_and(|(operation, table)| text.contains(&format!(".{operation}")) && text.contains(table));
    if lost {
        *loses = None;
    }
    lost
}

/// One HTTP message with a length, as it came.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if bytes.len() == end + 4 + length.map_or(0, |length| length.trim().parse().unwrap()) {
            return Some(bytes);
        }
    }
}

/// A app whose way to DynamoDB can lose answers.
async fn app() -> (TestApp, Loses) {
    let mut app = TestApp::frozen(Plan::Enterprise).await;
    let loses = Loses::default();
    let endpoint = between(ENDPOINT.clone(), Arc::clone(&loses), Sent::default()).await;
    let config = local::database::config(&endpoint).interceptor(app.tally.clone());
    app.gateway = Arc::new(gateway(&Db::with(config, Embedded::tables()), &app.clock));
    (app, loses)
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_succeeds_once() {
    let (app, loses) = app().await;
    let lose = |operation| *loses.lock().unwrap() = Some((operation, "RecordsTable"));
    let happened = || assert_eq!(*loses.lock().unwrap(), None, "an answer was to be lost");

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
async fn an_update_under_if_match_whose_answer_is_lost_is_no_conflict() {
    let (app, loses) = app().await;
    let path = format!("/api/v1/jobs/{}", app.job("open").await);
    *loses.lock().unwrap() = Some(("UpdateItem", "RecordsTable"));
    let updated = app.put_if_match(&path, "\"1\"", json!({ "title": "Nurse" })).await;
    assert_eq!(*loses.lock().unwrap(), None);
    assert_eq!(updated.ok(200)["version"], 2);
}

#[tokio::test]
async fn a_count_whose_answer_is_lost_counts_too_much_rather_than_too_little() {
    let (app, loses) = app().await;
    for _ in 0..2 {
        *loses.lock().unwrap() = Some(("UpdateItem", "AccessTable"));
        app.get("/api/v1/jobs").await.ok(200);
        assert_eq!(*loses.lock().unwrap(), None);
    }
    // Three requests, five counts.
    assert_eq!(app.get("/api/v1/jobs").await.header("x-ratelimit-remaining"), Some("55"));
}

#[tokio::test]
async fn a_session_begins_once_whatever_is_lost_and_an_attempt_that_comes_late_revives_none() {
    let test = TestSettings::new().await;
    let (loses, sent) = (Loses::default(), Sent::default());
    let endpoint = between(ENDPOINT.clone(), Arc::clone(&loses), Arc::clone(&sent)).await;
    let db = Db::with(local::database::config(&endpoint), Embedded::tables());
    let email = Email::new(&test.admin).unwrap();
    let identity = Identity { issuer: "https://issuer.example", subject: "ada" };
    let now = test.app.clock.now();
    let member = member::sign_in(&test.app.db, &email, identity, now).await.unwrap().unwrap();
    let actor = Actor::member(&test.admin, None);
    for ends in ["signed out", "replaced"] {
        let id = Secret::generate().unwrap();
        *loses.lock().unwrap() = Some(("TransactWriteItems", "AccessTable"));
        sent.lock().unwrap().clear();
        session::begin(&db, &member, &id, now, &actor).await.unwrap();
        assert_eq!(*loses.lock().unwrap(), None);
        let attempts = sent.lock().unwrap().clone();
        assert_eq!(attempts.len(), 2, "the SDK has asked again");
        // Begun by a request of its own, as after a conflict, it is the same session; by another member it is nobody's.
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
        // A marker has nothing of the member, and goes after any late attempt could begin a session that is not over.
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
            // By a token of its own, so that it is not DynamoDB that knows it again.
            let text = String::from_utf8(attempt).unwrap();
            let (before, token) = text.split_once("\"ClientRequestToken\":\"").unwrap();
            let late = format!("{before}\"ClientRequestToken\":\"{}{}", "0".repeat(8), &token[8..]);
            let mut upstream = TcpStream::connect(ENDPOINT.trim_start_matches("http://")).await.unwrap();
            upstream.write_all(late.as_bytes()).await.unwrap();
            let answer = String::from_utf8(message(&mut upstream).await.unwrap()).unwrap();
            assert!(answer.contains("ConditionalCheckFailed"), "{answer}");
            assert!(session::resume(&db, &id, now).await.unwrap().is_none(), "{ends}");
        }
        // Nor is an entry written by any of that.
        let entries = activity::page(&db, &test.app.org, None, 50, now).await.unwrap().0;
        let (signed_in, signed_out) = if ends == "replaced" { (2, 1) } else { (1, 1) };
        let count = |act| entries.iter().filter(|entry| entry.act == act).count();
        assert_eq!((count(Act::SignedIn), count(Act::SignedOut)), (signed_in, signed_out));
    }
    // What was never begun leaves no marker: a stranger could fill the table.
    let never = Secret::generate().unwrap();
    session::end(&db, &never, now).await.unwrap();
    session::sign_out(&db, &never, now, None).await.unwrap();
    assert!(!test.whole_access_table().await.contains(&never.derive("stored")));
}

#[tokio::test]
async fn signing_out_whose_answer_is_lost_is_done_once() {
    let test = TestSettings::new().await;
    let (loses, sent) = (Loses::default(), Sent::default());
    let endpoint = between(ENDPOINT.clone(), Arc::clone(&loses), sent).await;
    let db = Db::with(local::database::config(&endpoint), Embedded::tables());
    let browser = test.admin().await;
    let id = Secret::parse(&browser.cookies["__Host-session"]).unwrap();
    let now = test.app.clock.now();
    *loses.lock().unwrap() = Some(("TransactWriteItems", "AccessTable"));
    session::sign_out(&db, &id, now, None).await.unwrap();
    assert_eq!(*loses.lock().unwrap(), None);
    let entries = activity::page(&db, &test.app.org, None, 50, now).await.unwrap().0;
    assert_eq!(entries.iter().filter(|entry| entry.act == Act::SignedOut).count(), 1);
}
