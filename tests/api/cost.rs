//! What each route costs: calls to DynamoDB and the units that they consume. A test fails if a number grows.

use serde_json::json;
use shared::store::api_key;

use crate::{
    every_route::{Objects, ROUTES},
    test_app::{TestApp, request, send, unknown_key},
};

#[tokio::test]
async fn every_route_costs_what_this_table_says_with_a_key_that_the_instance_has_served() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let mut table = String::new();
    for row in ROUTES {
        // Use a stage with a candidate in it, so that the list is not empty.
        let first_stage = app.stages().await.swap_remove(0);
        let [earlier_path, path] =
            [objects.earlier_path(row), objects.path(row)].map(|path| path.replace(&objects.stage, &first_stage));
        // On an instance that has not served the key, and again.
        let instance = app.fresh_gateway();
        let mut bills = Vec::new();
        for (path, body) in [(earlier_path, objects.earlier_body(row)), (path, objects.body(row))] {
            app.clock.advance(app.step_millis);
            app.tally.take();
            let answer = send(&instance, request(row.method, &path, Some(&app.key), body)).await;
            bills.push((answer, app.tally.take()));
        }
        let [(_, first), (answer, again)] = bills.as_slice() else { panic!("two requests") };
        answer.ok(row.status);
        table += &format!("{} {}: {again}; on a new instance {} in a row\n", row.method, row.path, first.in_a_row);
    }
    println!("{table}");
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn with_an_idempotency_key_every_write_costs_what_this_table_says() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let mut table = String::new();
    for row in ROUTES.iter().filter(|row| row.method != "GET") {
        app.call(row.method, &objects.earlier_path(row), Some(&app.key), objects.earlier_body(row)).await;
        let (path, body) = (objects.path(row), objects.body(row));
        let mut bills = Vec::new();
        for _ in 0..2 {
            app.tally.take();
            app.call_once(row.method, &path, &format!("{} {path}", row.method), body.clone()).await.ok(row.status);
            bills.push(app.tally.take());
        }
        table += &format!("{} {}: {}; as a replay {}\n", row.method, row.path, bills[0], bills[1]);
    }
    println!("{table}");
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn the_email_filter_and_empty_lists_below_an_object_cost_one_read_more() {
    let app = TestApp::new().await;
    app.candidate("ada@example.com").await;
    let (job, stages) = (app.job("open").await, app.stages().await);
    for path in [
        "/api/v1/candidates?email=ada@example.com".to_owned(),
        format!("/api/v1/jobs/{job}/applications"),
        format!("/api/v1/pipeline/stages/{}/candidates", stages[5]),
    ] {
        app.tally.take();
        app.get(&path).await.ok(200);
        assert_eq!(app.tally.take().total(), 3, "{path}");
    }
}

#[tokio::test]
async fn a_refusal_costs_no_more_than_it_takes_to_know() {
    let app = TestApp::new().await;
    let jobs_only = app.new_key(&[shared::model::scope::Scope::JobsRead]).await;
    let revoked = app.new_key(&[shared::model::scope::Scope::JobsRead]).await;
    api_key::revoke(&app.db, &app.org, &revoked.id(), app.clock.now(), &shared::store::activity::Actor::operator())
        .await
        .unwrap();
    let mut mistyped = app.key.clone();
    mistyped.replace_range(20..21, if mistyped.as_bytes()[20] == b'a' { "b" } else { "a" });
    let unknown = unknown_key();
    for (what, key, path, calls) in [
        ("no key", None, "/api/v1/jobs", 0),
        ("a malformed key", Some("hh_live_x"), "/api/v1/jobs", 0),
        ("a mistyped key", Some(mistyped.as_str()), "/api/v1/jobs", 0),
        ("an unknown path", Some(app.key.as_str()), "/api/v1/job", 0),
        ("an unknown key", Some(unknown.reveal()), "/api/v1/jobs", 1),
        // The first of a minute is counted for its key.
        ("a revoked key", Some(revoked.reveal()), "/api/v1/jobs", 2),
        ("a revoked key again", Some(revoked.reveal()), "/api/v1/jobs", 1),
        ("a missing scope", Some(jobs_only.reveal()), "/api/v1/candidates", 2),
        ("a missing scope again", Some(jobs_only.reveal()), "/api/v1/candidates", 1),
        ("a wrong parameter", Some(app.key.as_str()), "/api/v1/jobs?limit=0", 1),
        ("an invalid ID", Some(app.key.as_str()), "/api/v1/jobs/1", 1),
    ] {
        app.tally.take();
        app.call("GET", path, key, None).await;
        assert_eq!(app.tally.take().total(), calls, "{what}");
    }
}

#[tokio::test]
async fn a_page_of_20_jobs_of_1_kb_costs_its_own_read_units_and_at_most_a_row_more() {
    let app = TestApp::new().await;
    for i in 0..25 {
        // With its other attributes, the item is about 1,024 bytes.
        let body = json!({ "title": format!("Job {i:02}"), "description": "x".repeat(600), "status": "open" });
        app.post("/api/v1/jobs", body).await.ok(201);
    }
    for path in ["/api/v1/jobs", "/api/v1/jobs?status=open"] {
        app.tally.take();
        app.get(path).await.ok(200);
        let bill = app.tally.take();
        println!("20 jobs of 1 KB, {path}: {bill}");
        // Twenty-one rows of 1 KB, at half a unit for each 4 KB begun: 20 would be 2.5.
        assert!((2.0..=3.0).contains(&bill.read_units), "{bill}");
        assert!((bill.write_units - 1.0).abs() < f64::EPSILON, "one unit counts the request: {bill}");
    }
}
