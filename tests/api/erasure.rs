//! `DELETE /api/v1/candidates/{id}`: nothing says any more who the person was.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::join_all;
use local::database::Embedded;
use serde_json::{Value, json};
use shared::{
    model::{id::CandidateId, plan::Plan, scope::Scope},
    store::{activity, db::Db, erasure},
};

use crate::{
    failures::Log,
    test_app::{Gateway, TestApp, gateway, proxy::Proxy},
};

/// What is known of the person, each of which occurs nowhere else.
const PERSONAL: [&str; 9] = [
    "Zenobia",
    "Quillfeather",
    "zenobia.quillfeather",
    "+49 40 7777777",
    "Elbgasse",
    "lighthouse keeper",
    "Fresnel & Sons",
    "zq-resume",
    "I kept the light",
];

fn person() -> Value {
    json!({
        "firstName": "Zenobia", "lastName": "Quillfeather", "email": "Zenobia.Quillfeather@example.com",
        "phone": "+49 40 7777777", "location": "Elbgasse, Hamburg", "headline": "lighthouse keeper",
        "company": "Fresnel & Sons", "resumeUrl": "https://example.com/zq-resume.pdf", "externalId": "zq-resume-7",
    })
}

/// The person with two applications, a move and an update behind them; and someone else, who has applied too.
pub struct Story {
    path: String,
    pub id: String,
    jobs: Vec<String>,
    applications: Vec<String>,
    others: String,
}

impl Story {
    pub async fn of(app: &TestApp) -> Self {
        Self::again(app, "").await
    }

    /// The same once more, after the person was erased. `time` distinguishes it from the times before.
    pub async fn again(app: &TestApp, time: &str) -> Self {
        let created = app.call_once("POST", "/api/v1/candidates", &format!("create{time}"), Some(person())).await;
        let id = created.ok(201)["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/candidates/{id}");
        let (mut jobs, mut applications) = (Vec::new(), Vec::new());
        for n in 0..2 {
            let job = app.job("open").await;
            let list = format!("/api/v1/jobs/{job}/applications");
            let body = json!({ "candidateId": id, "coverLetter": "I kept the light for years.", "source": "website" });
            let application = app.call_once("POST", &list, &format!("apply {n}{time}"), Some(body)).await;
            applications.push(format!("{list}/{}", application.ok(201)["id"].as_str().unwrap()));
            jobs.push(job);
        }
        let stages = app.stages().await;
        app.put(&format!("/api/v1/pipeline/candidates/{id}/move"), json!({ "stageId": stages[1] })).await.ok(200);
        app.call_once("PUT", &path, &format!("update{time}"), Some(json!({ "tags": ["keeper"] }))).await.ok(200);
        let other = app.candidate(&format!("other{time}@example.com")).await;
        let list = format!("/api/v1/jobs/{}/applications", jobs[0]);
        let body = json!({ "candidateId": other, "coverLetter": "A letter of my own." });
        let others = app.post(&list, body).await.ok(201)["id"].as_str().unwrap().to_owned();
        Self { path, id, jobs, applications, others: format!("{list}/{others}") }
    }

    /// The person, whose erasure has begun and was not finished: they are gone, and their applications still have cover letters.
    pub async fn unfinished(app: &mut TestApp, time: &str) -> Self {
        let story = Self::again(app, time).await;
        let (behind, proxy) = behind_proxy(app).await;
        let healthy = std::mem::replace(&mut app.gateway, behind);
        // The count, two reads, the first transaction.
        proxy.pass_on(Some(4));
        app.call("DELETE", &story.path, Some(&app.key), None).await.error(503, "service_unavailable");
        app.gateway = healthy;
        app.get(&story.path).await.error(404, "not_found");
        assert!(app.get(&story.applications[0]).await.ok(200)["coverLetter"].is_string());
        story
    }
}

/// Every table and every index.
const PLACES: [(&str, Option<&str>); 6] = [
    ("AccessTable", None),
    ("RecordsTable", None),
    ("RecordsTable", Some("ByExternalId")),
    ("RecordsTable", Some("ByJob")),
    ("RecordsTable", Some("ByStage")),
    ("RecordsTable", Some("ByStatus")),
];

pub fn is_personal(text: &str) -> bool {
    let text = text.to_lowercase();
    PERSONAL.iter().any(|word| text.contains(&word.to_lowercase()))
}

/// The items of the organization that contain a text about the person: how many in each table or index, by type of partition.
async fn traces(app: &TestApp) -> BTreeMap<String, usize> {
    let org = app.org.to_string();
    let mut traces = BTreeMap::new();
    for (table, index) in PLACES {
        #[expect(clippy::disallowed_methods, reason = "a search that must miss nothing")]
        let scan = app.client.scan().table_name(table).set_index_name(index.map(str::to_owned));
        let mut items = scan.consistent_read(index.is_none()).into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.unwrap();
            let text = format!("{item:?}");
            if text.contains(&org) && is_personal(&text) {
                let partition = item["pk"].as_s().unwrap().replace(&org, "org");
                let kind = partition.split('#').take(3).collect::<Vec<_>>().join("#");
                *traces.entry(format!("{table} {} {kind}", index.unwrap_or("itself"))).or_default() += 1;
            }
        }
    }
    traces
}

/// Asserts that nothing is left of the person but numbers.
pub async fn assert_erased(app: &TestApp, story: &Story) {
    assert_eq!(traces(app).await, BTreeMap::new());
    app.get(&story.path).await.error(404, "not_found");
    for path in &story.applications {
        let application = app.get(path).await;
        let application = application.ok(200);
        assert_eq!((&application["coverLetter"], &application["candidateId"]), (&Value::Null, &json!(story.id)));
    }
    assert_eq!(app.get(&story.others).await.ok(200)["coverLetter"], "A letter of my own.");
    let (pending, _) = erasure::pending(&app.db, None, 100).await.unwrap();
    assert!(pending.iter().flatten().all(|erasure| erasure.organization != app.org), "{pending:?}");
}

#[tokio::test]
async fn an_erased_person_is_nowhere_and_their_applications_stay_as_numbers() {
    let log = Log::listen();
    let app = TestApp::new().await;
    let story = Story::of(&app).await;
    // Every place that has the person's data. A new one has to be erased too.
    let places = traces(&app).await;
    let kinds: Vec<&str> = places.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "RecordsTable ByExternalId ORG#org#CANDIDATE",
            "RecordsTable ByJob ORG#org#APPLICATION",
            "RecordsTable ByStage ORG#org#CANDIDATE",
            "RecordsTable ByStatus ORG#org#APPLICATION",
            "RecordsTable itself ORG#org#APPLICATION",
            "RecordsTable itself ORG#org#CANDIDATE",
            "RecordsTable itself ORG#org#EMAIL",
        ]
    );
    let erased = app.call("DELETE", &story.path, Some(&app.key), None).await;
    let at = app.clock.now().to_string();
    let receipt = json!({ "candidateId": story.id, "erasedAt": at, "applicationsCleared": 2 });
    assert_eq!(*erased.ok(200), receipt);
    assert_erased(&app, &story).await;
    // The same again.
    app.clock.advance(60_000);
    assert_eq!(*app.call("DELETE", &story.path, Some(&app.key), None).await.ok(200), receipt);

    for list in [
        "/api/v1/candidates",
        "/api/v1/candidates?email=zenobia.quillfeather@example.com",
        "/api/v1/candidates?externalId=zq-resume-7",
    ] {
        assert!(!app.get(list).await.ids().contains(&story.id), "{list}");
    }
    let by_id = app.get(&format!("/api/v1/candidates?ids={}", story.id)).await;
    assert_eq!(by_id.body["missing"], json!([story.id]));
    for stage in app.stages().await {
        let positions = app.get(&format!("/api/v1/pipeline/stages/{stage}/candidates")).await;
        assert!(positions.rows().iter().all(|position| position["candidateId"] != story.id.as_str()));
    }
    app.put(&story.path, json!({ "tags": [] })).await.error(404, "not_found");
    let stage = app.stages().await.swap_remove(2);
    let moves = format!("/api/v1/pipeline/candidates/{}/move", story.id);
    app.put(&moves, json!({ "stageId": stage })).await.error(404, "not_found");
    let job = app.job("open").await;
    let apply = app.post(&format!("/api/v1/jobs/{job}/applications"), json!({ "candidateId": story.id })).await;
    assert_eq!(apply.problems(), ["candidateId: not_found"]);
    // The applications are still found by the id, and can be decided.
    let list = format!("/api/v1/applications?candidateId={}", story.id);
    assert_eq!(app.get(&list).await.rows().len(), 2);
    app.put(&story.applications[0], json!({ "status": "rejected" })).await.ok(200);
    let logged = log.text();
    assert!(logged.contains("/api/v1/candidates/{id}") && !is_personal(&logged), "{logged}");
    // The address is free.
    app.post("/api/v1/candidates", json!({ "firstName": "Z", "email": "zenobia.quillfeather@example.com" }))
        .await
        .ok(201);
}

#[tokio::test]
async fn what_was_written_before_an_erasure_is_not_replayed_after_it() {
    let app = TestApp::new().await;
    let story = Story::of(&app).await;
    let erased = app.call_once("DELETE", &story.path, "erase", None).await;
    erased.ok(200);
    let again = app.call_once("DELETE", &story.path, "erase", None).await;
    assert_eq!((again.ok(200), again.header("idempotent-replayed")), (erased.ok(200), Some("true")));
    let created = app.call_once("POST", "/api/v1/candidates", "create", Some(person())).await;
    let words = "An earlier request with this Idempotency-Key created the object, but it has been erased since. Nothing was created.";
    assert_eq!(created.error(404, "not_found")["message"], words);
    app.call_once("PUT", &story.path, "update", Some(json!({ "tags": ["keeper"] }))).await.error(404, "not_found");
    assert_erased(&app, &story).await;
}

#[tokio::test]
async fn a_person_who_never_was_or_is_another_organizations_is_not_found_and_leaves_no_tombstone() {
    let app = TestApp::new().await;
    let stranger = TestApp::new().await;
    let theirs = Story::of(&stranger).await;
    app.call("DELETE", &theirs.path, Some(&app.key), None).await.error(404, "not_found");
    stranger.get(&theirs.path).await.ok(200);
    assert!(erasure::page(&app.db, &app.org, None, 10).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn an_erasure_is_in_the_activity_log_with_the_key_and_its_copy_is_kept() {
    let app = TestApp::new().await;
    let story = Story::of(&app).await;
    let key = app.new_key(&[Scope::CandidatesDelete]).await;
    app.call("DELETE", &story.path, Some(key.reveal()), None).await.ok(200);
    let (entries, _) = activity::page(&app.db, &app.org, None, 1, app.clock.now()).await.unwrap();
    let id: CandidateId = story.id.parse().unwrap();
    assert_eq!(
        (entries[0].act.as_str(), &entries[0].subject, entries[0].actor.name()),
        ("candidate-erased", &activity::Subject::Candidate { id }, format!("key {}", key.id()).as_str())
    );
    let (copies, _) = erasure::page(&app.db, &app.org, None, 10).await.unwrap();
    let [copy] = copies.as_slice() else { panic!("one erasure") };
    assert_eq!(
        (copy.candidate_id, copy.erased_at, copy.by.as_deref()),
        (id, app.clock.now(), Some(key.id().to_string().as_str()))
    );
}

#[tokio::test]
async fn a_tombstone_has_the_version_after_the_candidates_last() {
    let app = TestApp::new().await;
    let story = Story::of(&app).await;
    let last = app.get(&story.path).await.ok(200)["version"].as_u64().unwrap();
    app.call("DELETE", &story.path, Some(&app.key), None).await.ok(200);
    let get = app.client.get_item().table_name(Embedded::tables().records).consistent_read(true);
    let get = get.key("pk", AttributeValue::S(format!("ORG#{}#TOMBSTONE", app.org)));
    let tombstone = get.key("sk", AttributeValue::S(story.id)).send().await.unwrap().item.unwrap();
    assert_eq!(tombstone["version"], AttributeValue::N((last + 1).to_string()));
}

/// The app's functions behind a proxy that can end every call to DynamoDB.
async fn behind_proxy(app: &TestApp) -> (Arc<Gateway>, Proxy) {
    let proxy = Proxy::default();
    let endpoint = proxy.start(&app.endpoint).await;
    let db = Db::embedded(local::database::config(&endpoint), Embedded::tables());
    (Arc::new(gateway(&db, &app.clock)), proxy)
}

#[tokio::test]
async fn an_erasure_that_stops_after_any_call_is_finished_by_the_same_request() {
    for once in [None, Some("erase")] {
        let mut stopped = 0;
        for calls in 0.. {
            let mut app = TestApp::frozen(Plan::Enterprise).await;
            let (behind, proxy) = behind_proxy(&app).await;
            let story = Story::of(&app).await;
            let healthy = std::mem::replace(&mut app.gateway, behind);
            proxy.pass_on(Some(calls));
            let erase = async |app: &TestApp| match once {
                Some(once) => app.call_once("DELETE", &story.path, once, None).await,
                None => app.call("DELETE", &story.path, Some(&app.key), None).await,
            };
            let first = erase(&app).await;
            app.gateway = healthy;
            let is_done = first.status == 200;
            if !is_done {
                first.error(503, "service_unavailable");
                stopped += 1;
            }
            let second = erase(&app).await;
            assert_eq!(second.ok(200)["applicationsCleared"], 2, "after {calls} calls");
            assert_erased(&app, &story).await;
            if is_done {
                break;
            }
        }
        // The count, two reads, the first transaction, the markers, two applications, the last transaction.
        assert_eq!(stopped, 8, "{once:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_commits_during_an_erasure_is_cleared_too() {
    for _ in 0..5 {
        let app = TestApp::frozen(Plan::Enterprise).await;
        let story = Story::of(&app).await;
        let jobs = join_all((0..8).map(|_| app.job("open"))).await;
        let apply = async |job: &String| {
            let body = json!({ "candidateId": story.id, "coverLetter": "I kept the light." });
            app.post(&format!("/api/v1/jobs/{job}/applications"), body).await
        };
        let erase = async { app.call("DELETE", &story.path, Some(&app.key), None).await };
        let (erased, answers) = tokio::join!(erase, join_all(jobs.iter().map(apply)));
        let accepted = answers.iter().filter(|answer| answer.status == 201).count();
        assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 422));
        assert_eq!(erased.ok(200)["applicationsCleared"], 2 + accepted);
        assert_erased(&app, &story).await;
    }
}

#[tokio::test]
async fn more_applications_than_one_request_clears_are_left_to_the_next() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let story = Story::of(&app).await;
    // What 200 more jobs would leave. Only the markers and the letters matter.
    for n in 0..199 {
        let id = format!("01a20000-0000-7000-8000-{n:012}");
        let put = |pk: String, sk: &str, other: [(&str, &str); 1]| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            let mut put = app.client.put_item().table_name(Embedded::tables().records);
            for (name, value) in [("pk", pk.as_str()), ("sk", sk)].into_iter().chain(other) {
                put = put.item(name, text(value));
            }
            put.item("version", AttributeValue::N("1".to_owned())).send()
        };
        let marker = format!("ORG#{}#CANDIDATE#{}#APPLICATION", app.org, story.id);
        put(marker, &id, [("applicationId", &id)]).await.unwrap();
        put(format!("ORG#{}#APPLICATION", app.org), &id, [("coverLetter", "I kept the light.")]).await.unwrap();
    }
    for _ in 0..2 {
        let first = app.call_once("DELETE", &story.path, "erase", None).await;
        let error = first.error(503, "service_unavailable");
        assert_eq!(
            error["message"],
            "The candidate was erased, but not yet from all applications. Send the same request again to continue."
        );
        assert_eq!(first.header("retry-after"), Some("1"));
        app.get(&story.path).await.error(404, "not_found");
    }
    assert!(!traces(&app).await.is_empty());
    assert_eq!(app.call_once("DELETE", &story.path, "erase", None).await.ok(200)["applicationsCleared"], 201);
    assert_eq!(traces(&app).await, BTreeMap::new());
    assert_eq!(story.jobs.len(), 2);
}
