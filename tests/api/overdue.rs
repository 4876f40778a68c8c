//! The function `erasures`: an erasure that its client left unfinished is reported and finished.
//!
//! Pending erasures are in one list for all organizations, so each test has a DynamoDB of its own.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use erasures::{Limits, OVERDUE_AFTER};
use local::database::Embedded;
use serde_json::{Value, json};
use shared::{
    http::app::App,
    model::{id::CandidateId, key::ApiKey},
    schedule::{Done, RunError},
    store::{activity, db::Db, erasure},
};
use tokio::time::Instant;

use crate::{
    erasure::{Story, assert_erased, is_personal},
    failures::Log,
    test_app::{TestApp, TestClock},
};

type Item = HashMap<String, AttributeValue>;

#[expect(clippy::needless_pass_by_value, reason = "ids are `Copy`, and a reference is fine too")]
fn text(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

fn key(pk: &str, sk: impl ToString) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

async fn put(app: &TestApp, table: &str, item: Item) {
    app.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

/// The key of the person's tombstone.
fn tombstone(app: &TestApp, story: &Story) -> Item {
    key(&format!("ORG#{}#TOMBSTONE", app.org), &story.id)
}

fn state(db: &Db, clock: &TestClock) -> App {
    App::new(db.clone(), clock.clock())
}

/// One run of the whole function.
pub async fn run(app: &TestApp) -> Result<Done, RunError> {
    erasures::task(state(&app.db, &app.clock)).run("lambda-request-id").await
}

/// The person, whose erasure has begun, after a restore of the Records table to the moment before.
pub async fn restored(app: &TestApp) -> Story {
    let story = Story::again(app, "-restored").await;
    let mut item = key("ERASURES", format!("{}#{}", app.org, story.id));
    item.insert("erasedAt".to_owned(), text(app.clock.now()));
    put(app, "AccessTable", item).await;
    story
}

/// Lets the last erasure become overdue.
pub fn wait(app: &TestApp) {
    app.clock.advance(i64::try_from(OVERDUE_AFTER.as_millis()).unwrap() + 1);
}

fn done(found: usize, failed: usize, left: usize) -> Done {
    Done { found, failed, left, more: false }
}

/// The lines about unfinished erasures.
fn reported(log: &Log) -> Vec<Value> {
    log.lines().into_iter().filter(|line| line["event"] == "unfinished_erasure").collect()
}

/// The candidates of the erasures that are pending, of those that can be read.
async fn pending(app: &TestApp) -> Vec<String> {
    let (pending, _) = erasure::pending(&app.db, None, 250).await.unwrap();
    pending.iter().flatten().map(|erasure| erasure.candidate_id.to_string()).collect()
}

#[tokio::test]
async fn an_erasure_that_is_older_than_ten_minutes_is_finished_and_reported_once() {
    let log = Log::listen();
    let mut app = TestApp::alone().await;
    let story = Story::unfinished(&mut app, "").await;
    let begun = app.clock.now();
    wait(&app);
    assert_eq!(run(&app).await.unwrap(), done(1, 0, 0));
    assert_erased(&app, &story).await;
    // Its receipt is that of the client's request.
    let receipt = app.call("DELETE", &format!("/api/v1/candidates/{}", story.id), Some(&app.key), None).await;
    let wanted = json!({ "candidateId": story.id, "erasedAt": begun, "applicationsCleared": 2 });
    assert_eq!(*receipt.ok(200), wanted);
    assert_eq!(run(&app).await.unwrap(), done(0, 0, 0));

    let mut lines = reported(&log);
    assert_eq!(lines.len(), 1);
    let mut line = lines.remove(0);
    assert!(line.as_object_mut().unwrap().remove("timestamp").is_some());
    let by = ApiKey::parse(&app.key).unwrap().id().to_string();
    let wanted = json!({
        "level": "WARN", "message": "an erasure was not finished in time", "event": "unfinished_erasure", "outcome": "finished",
        "organization": app.org, "candidateId": story.id, "erasedAt": begun, "keyId": by,
    });
    assert_eq!(line, wanted);
    let runs: Vec<Value> = log.lines().into_iter().filter(|line| line["message"] == "run").collect();
    assert_eq!(runs.len(), 2);
    let fields = ["found", "failed", "left", "more", "version", "coldStart", "lambdaRequestId"];
    let logged = fields.map(|field| runs[0][field].clone());
    assert_eq!(json!(logged), json!([1, 0, 0, false, "", true, "lambda-request-id"]));
    assert!(runs[0]["dbCalls"].as_u64() > Some(5) && runs[0]["durationMs"].is_u64());
    assert!(!is_personal(&log.text()), "{}", log.text());
}

#[tokio::test]
async fn an_erasure_that_is_not_older_than_ten_minutes_is_left_to_its_client() {
    let log = Log::listen();
    let mut app = TestApp::alone().await;
    let story = Story::unfinished(&mut app, "").await;
    wait(&app);
    app.clock.advance(-1);
    app.tally.take();
    assert_eq!(run(&app).await.unwrap(), done(0, 0, 0));
    let bill = app.tally.take();
    assert_eq!((bill.total(), bill.write_units), (1, 0.0), "{bill}");
    assert_eq!(pending(&app).await, [story.id.as_str()]);
    assert!(reported(&log).is_empty());
    app.clock.advance(1);
    assert_eq!(run(&app).await.unwrap(), done(1, 0, 0));
    assert_erased(&app, &story).await;
}

#[tokio::test]
async fn with_nothing_pending_a_run_makes_one_query() {
    let app = TestApp::alone().await;
    app.tally.take();
    assert_eq!(run(&app).await.unwrap(), done(0, 0, 0));
    let bill = app.tally.take();
    assert_eq!((bill.calls["Query"], bill.total(), bill.write_units), (1, 1, 0.0), "{bill}");
}

#[tokio::test]
async fn one_that_cannot_be_finished_fails_the_run_but_keeps_no_other_from_being_finished() {
    let log = Log::listen();
    let mut app = TestApp::alone().await;
    let mut stories = Vec::new();
    for n in 0..3 {
        stories.push(Story::unfinished(&mut app, &n.to_string()).await);
        assert_eq!(pending(&app).await.len(), n + 1);
    }
    let damaged = tombstone(&app, &stories[1]);
    let get = app.client.get_item().table_name(Embedded::tables().records).set_key(Some(damaged.clone()));
    let whole = get.send().await.unwrap().item.unwrap();
    put(&app, "RecordsTable", damaged).await;
    // And two that can't even be read, before and after the others.
    let unreadable = [key("ERASURES", "!"), key("ERASURES", format!("{}#{}", app.org, "x"))];
    for item in &unreadable {
        put(&app, "AccessTable", item.clone()).await;
    }
    wait(&app);
    for _ in 0..2 {
        let Err(RunError::Failed(run)) = run(&app).await else { panic!("the run fails") };
        assert_eq!((run.failed, run.left), (3, 0));
        assert_erased_but_one(&app, &stories).await;
    }
    let lines = reported(&log);
    let failed: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "failed").collect();
    assert_eq!((lines.len(), failed.len()), (2 + 3 + 3, 6));
    assert!(failed.iter().all(|line| line["level"] == "ERROR" && line["cause"].is_string()), "{failed:?}");
    assert_eq!(failed.iter().filter(|line| line["candidateId"] == stories[1].id.as_str()).count(), 2);
    let text = log.text();
    assert_eq!(text.matches("\"message\":\"a run failed\"").count(), 2, "{text}");
    assert!(text.contains("3 of 5 failed") && text.contains("3 of 3 failed"), "{text}");
    assert!(!is_personal(&text), "{text}");

    put(&app, "RecordsTable", whole).await;
    for item in unreadable {
        app.client.delete_item().table_name("AccessTable").set_key(Some(item)).send().await.unwrap();
    }
    assert_eq!(run(&app).await.unwrap(), done(1, 0, 0));
    for story in &stories {
        assert_erased(&app, story).await;
    }
}

/// Asserts that of the three erasures all but the second are finished.
async fn assert_erased_but_one(app: &TestApp, stories: &[Story]) {
    assert_eq!(pending(app).await, [stories[1].id.as_str()]);
    for (n, story) in stories.iter().enumerate() {
        let get = app.client.get_item().table_name("RecordsTable").set_key(Some(tombstone(app, story)));
        let tombstone = get.send().await.unwrap().item.unwrap();
        assert_eq!(tombstone.contains_key("applicationsCleared"), n != 1);
    }
}

#[tokio::test]
async fn a_candidate_whom_a_restore_brought_back_is_erased_again_and_the_activity_log_says_by_whom() {
    let app = TestApp::alone().await;
    let story = restored(&app).await;
    wait(&app);
    assert_eq!(run(&app).await.unwrap(), done(1, 0, 0));
    assert_erased(&app, &story).await;
    let (entries, _) = activity::page(&app.db, &app.org, None, 1, app.clock.now()).await.unwrap();
    assert_eq!(
        (entries[0].act.as_str(), entries[0].actor.name(), entries[0].actor.caller()),
        ("candidate-erased", "system", None)
    );
}

#[tokio::test]
async fn every_page_of_the_list_is_read_up_to_a_limit_and_what_is_pending_for_nothing_is_removed() {
    let log = Log::listen();
    let app = TestApp::alone().await;
    let begun = app.clock.now();
    wait(&app);
    // A page of erasures that have just begun, and after them one that is overdue, of a person of whom nothing is left.
    for n in 0..=100 {
        let mut item = key("ERASURES", format!("{}#01a20000-0000-7000-8000-{n:012}", app.org));
        item.insert("erasedAt".to_owned(), text(if n < 100 { app.clock.now() } else { begun }));
        put(&app, "AccessTable", item).await;
    }
    let limits = Limits { listed: 100, ..Limits::until(Instant::now() + Duration::from_mins(1)) };
    let first = erasures::finish_overdue(state(&app.db, &app.clock), limits).await.unwrap();
    assert_eq!(first, Done { more: true, ..done(0, 0, 0) });
    assert_eq!(run(&app).await.unwrap(), done(1, 0, 0));
    let [line] = &reported(&log)[..] else { panic!("one line") };
    assert_eq!((&line["outcome"], &line["erasedAt"]), (&json!("finished before"), &json!(begun)));
    assert_eq!(pending(&app).await.len(), 100);
}

#[tokio::test]
async fn a_run_whose_time_is_up_leaves_the_rest_to_the_next_and_does_not_fail() {
    let log = Log::listen();
    let mut app = TestApp::alone().await;
    let story = Story::unfinished(&mut app, "").await;
    wait(&app);
    app.tally.take();
    let up = Limits::until(Instant::now());
    let left = erasures::finish_overdue(state(&app.db, &app.clock), up).await.unwrap();
    assert_eq!((left, app.tally.take().total()), (done(1, 0, 1), 1), "it only reads the list");
    assert!(reported(&log).is_empty());
    // In the middle of one.
    let (ends, clock) = (Limits::until(Instant::now() + Duration::from_millis(1)), state(&app.db, &app.clock));
    let run_out = erasures::finish_overdue(clock, ends).await.unwrap();
    assert_eq!((run_out.found, run_out.failed), (1, 0));
    run(&app).await.unwrap();
    assert_erased(&app, &story).await;
}

#[tokio::test]
async fn one_that_takes_too_long_fails_and_the_next_run_continues() {
    let log = Log::listen();
    let mut app = TestApp::alone().await;
    let story = Story::unfinished(&mut app, "").await;
    wait(&app);
    let limits = Limits { each: Duration::ZERO, ..Limits::until(Instant::now() + Duration::from_mins(1)) };
    let late = erasures::finish_overdue(state(&app.db, &app.clock), limits).await.unwrap();
    assert_eq!(late, done(1, 1, 0));
    let lines = reported(&log);
    assert_eq!((&lines[0]["outcome"], &lines[0]["cause"]), (&json!("failed"), &json!("it took longer than 0ns")));
    assert_eq!(run(&app).await.unwrap(), done(1, 0, 0));
    assert_erased(&app, &story).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runs_and_the_client_at_once_do_no_harm() {
    let mut app = TestApp::alone().await;
    for n in 1..=5 {
        let story = Story::unfinished(&mut app, &n.to_string()).await;
        wait(&app);
        let path = format!("/api/v1/candidates/{}", story.id);
        let client = app.call("DELETE", &path, Some(&app.key), None);
        let (first, second, receipt) = tokio::join!(run(&app), run(&app), client);
        for run in [first, second] {
            let run = run.unwrap();
            assert_eq!((run.failed, run.left), (0, 0), "{n}");
        }
        assert_eq!(receipt.ok(200)["applicationsCleared"], 2);
        assert_erased(&app, &story).await;
        let (copies, _) = erasure::page(&app.db, &app.org, None, 10).await.unwrap();
        let id: CandidateId = story.id.parse().unwrap();
        assert_eq!((copies.len(), copies.iter().filter(|copy| copy.candidate_id == id).count()), (n, 1));
    }
}

#[tokio::test]
async fn without_dynamodb_a_run_fails() {
    let log = Log::listen();
    let clock = TestClock::at("2026-11-24T12:00:00.000Z");
    let db = Db::with(local::database::config("http://127.0.0.1:1"), Embedded::tables());
    let error = erasures::task(state(&db, &clock)).run("lambda-request-id").await.unwrap_err();
    assert!(error.to_string().starts_with("DynamoDB is not available: "), "{error}");
    let lines = log.lines();
    let [failed, run] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&failed["level"], &failed["cause"]), (&json!("ERROR"), &json!(error.to_string())));
    assert_eq!((&run["message"], run.get("found")), (&json!("run"), None));
}
