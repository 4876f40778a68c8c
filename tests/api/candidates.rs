//! `/api/v1/candidates`.

use futures::future::join_all;
use serde_json::{Value, json};
use shared::model::{plan::Plan, scope::Scope};

use crate::test_app::TestApp;

fn ada(email: &str) -> Value {
    json!({ "firstName": "Ada", "lastName": "Byron", "email": email })
}

#[tokio::test]
async fn a_new_candidate_has_every_field_with_its_default_and_enters_the_first_stage() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let answer = app.post("/api/v1/candidates", ada("Ada@Example.com")).await;
    let candidate = answer.ok(201);
    let at = app.clock.now().to_string();
    assert_eq!(
        *candidate,
        json!({
            "id": candidate["id"], "firstName": "Ada", "lastName": "Byron", "email": "Ada@Example.com", "phone": null,
            "location": null, "headline": null, "company": null, "linkedinUrl": null, "resumeUrl": null, "skills": [],
            "tags": [], "source": null, "externalId": null, "stageId": stages[0], "stageEnteredAt": at, "createdAt": at,
            "updatedAt": at, "version": 1,
        })
    );
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(app.get(&location).await.ok(200), candidate);
}

#[tokio::test]
async fn a_new_candidate_enters_the_stage_in_the_body_if_the_organization_owns_it() {
    let app = TestApp::new().await;
    let (stages, theirs) = (app.stages().await, TestApp::new().await.stages().await);
    let mut body = ada("ada@example.com");
    body["stageId"] = theirs[2].clone().into();
    assert_eq!(app.post("/api/v1/candidates", body.clone()).await.problems(), ["stageId: not_found"]);
    body["stageId"] = "first".into();
    assert_eq!(app.post("/api/v1/candidates", body.clone()).await.problems(), ["stageId: invalid_format"]);
    body["stageId"] = stages[2].clone().into();
    assert_eq!(app.post("/api/v1/candidates", body).await.ok(201)["stageId"], stages[2]);
}

#[tokio::test]
async fn every_invalid_field_is_reported_at_once() {
    let app = TestApp::new().await;
    let answer = app
        .post(
            "/api/v1/candidates",
            json!({
                "firstName": "", "email": "ada@", "phone": "x\ny", "linkedinUrl": "javascript:alert(1)",
                "resumeUrl": "https://example.com/a b", "skills": ["Rust", "", 7], "tags": vec!["x"; 51],
                "stageEnteredAt": "2026-01-01T00:00:00.000Z",
            }),
        )
        .await;
    assert_eq!(
        answer.problems(),
        [
            "firstName: too_short",
            "email: invalid_format",
            "phone: invalid_format",
            "linkedinUrl: invalid_format",
            "resumeUrl: invalid_format",
            "skills[1]: too_short",
            "skills[2]: invalid_type",
            "tags: too_long",
            "stageEnteredAt: read_only",
        ]
    );
}

#[tokio::test]
async fn only_urls_that_are_safe_on_a_page_are_accepted() {
    let app = TestApp::new().await;
    for url in [
        "https:example.com",
        "https:\\\\example.com",
        "https://example.com/\"><script>",
        "https://u:p@example.com/",
        "ftp://example.com",
        "//example.com",
        "https://",
    ] {
        let mut body = ada("ada@example.com");
        body["resumeUrl"] = url.into();
        assert_eq!(app.post("/api/v1/candidates", body).await.problems(), ["resumeUrl: invalid_format"], "{url}");
    }
    let mut body = ada("ada@example.com");
    body["resumeUrl"] = format!("HTTPS://files.example.com/a%20b.pdf?signature={}", "x".repeat(1_900)).into();
    app.post("/api/v1/candidates", body).await.ok(201);
}

#[tokio::test]
async fn only_internet_email_addresses_are_accepted() {
    let app = TestApp::new().await;
    for email in [
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "\"ada\"@example.com",
        "Ada <ada@example.com>",
        " ada@example.com",
        "ada@[192.0.2.1]",
        "a b@example.com",
    ] {
        assert_eq!(app.post("/api/v1/candidates", ada(email)).await.problems(), ["email: invalid_format"], "{email}");
    }
    let long = format!("{}@{}.example.com", "a".repeat(60), "b".repeat(60));
    for email in ["ada+jobs@example.co.uk", "o'brien@example.com", "ada@bücher.example", "a..b.@docomo.ne.jp", &long] {
        app.post("/api/v1/candidates", ada(email)).await.ok(201);
    }
}

#[tokio::test]
async fn an_error_says_which_part_of_an_email_is_wrong() {
    let app = TestApp::new().await;
    let answer = app.post("/api/v1/candidates", ada("ada@exam_ple.com")).await;
    let words = "email must not contain \"_\" (U+005F) at character 9 (in the domain).";
    assert_eq!(answer.error(422, "validation_error")["details"][0]["message"], words);
    let filtered = app.get("/api/v1/candidates?email=ada@exam_ple.com").await;
    assert_eq!(filtered.error(400, "invalid_parameter")["details"][0]["message"], words);
}

#[tokio::test]
async fn one_mailbox_belongs_to_one_candidate_however_it_is_written() {
    let app = TestApp::new().await;
    let domain = app.candidate("d@bücher.example").await;
    let local = app.candidate("Jose\u{301}@example.com").await;
    let dots = app.candidate("a..b@docomo.ne.jp").await;
    assert_eq!(app.get(&format!("/api/v1/candidates/{local}")).await.ok(200)["email"], "José@example.com");
    for (id, stored, ways) in [
        (
            &domain,
            "d@bücher.example",
            vec!["D@xn--bcher-kva.example", "d@BÜCHER.EXAMPLE", "d@bu\u{308}cher.example", "d@ｂücher．example"],
        ),
        (
            &local,
            "José@example.com",
            vec!["jos\u{e9}@example.com", "JOSÉ@example.com", "\u{200f}José@Example.com\u{200f}"],
        ),
        (&dots, "a..b@docomo.ne.jp", vec!["A..B@Docomo.ne.jp"]),
    ] {
        for way in ways {
            let taken = app.post("/api/v1/candidates", ada(way)).await;
            assert_eq!(taken.error(409, "email_taken")["existingId"], **id, "{way}");
            let query: String = form_urlencoded::byte_serialize(way.as_bytes()).collect();
            let found = app.get(&format!("/api/v1/candidates?email={query}")).await;
            assert_eq!((found.ids(), &found.rows()[0]["email"]), (vec![id.clone()], &json!(stored)), "{way}");
        }
    }
    let path = format!("/api/v1/candidates/{domain}");
    let rewritten = app.put(&path, json!({ "email": "d@xn--bcher-kva.example" })).await;
    assert_eq!(rewritten.ok(200)["email"], "d@xn--bcher-kva.example");
    app.post("/api/v1/candidates", ada("d@bücher.example")).await.error(409, "email_taken");
    app.put(&path, json!({ "email": "elsewhere@example.com" })).await.ok(200);
    app.candidate("d@bücher.example").await;
}

#[tokio::test]
async fn an_email_is_unique_in_an_organization_whatever_its_case() {
    let app = TestApp::new().await;
    let first = app.candidate("Ada@Example.com").await;
    let second = app.post("/api/v1/candidates", ada("aDA@example.COM")).await;
    assert_eq!(second.error(409, "email_taken")["existingId"], first);
    TestApp::new().await.candidate("ada@example.com").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_parallel_creates_with_one_email_create_one_candidate() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let creates = (0..16).map(|_| app.post("/api/v1/candidates", ada("ada@example.com")));
    let answers = join_all(creates).await;
    let created: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(created.len(), 1);
    let id = &created[0].body["data"]["id"];
    let rejected: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert!(rejected.iter().all(|answer| answer.error(409, "email_taken")["existingId"] == *id));
    assert_eq!(app.get("/api/v1/candidates").await.rows().len(), 1);
}

#[tokio::test]
async fn the_email_filter_finds_its_candidate_whatever_the_case() {
    let app = TestApp::new().await;
    let id = app.candidate("Ada+jobs@Example.com").await;
    app.candidate("alan@example.com").await;
    let found = app.get("/api/v1/candidates?email=ada%2BJOBS@example.com").await;
    assert_eq!(found.ids(), [id]);
    let unencoded = app.get("/api/v1/candidates?email=ada+jobs@example.com").await;
    assert_eq!(unencoded.ids(), found.ids(), "a plus sign that was not encoded");
    assert_eq!(found.body["pagination"], json!({ "hasMore": false, "nextCursor": null, "limit": 20 }));
    assert!(app.get("/api/v1/candidates?email=nobody@example.com").await.rows().is_empty());
    let invalid = app.get("/api/v1/candidates?email=nobody").await;
    assert_eq!(
        invalid.error(400, "invalid_parameter")["message"],
        "email must have an @ between the name and the domain."
    );
}

#[tokio::test]
async fn changing_an_email_frees_the_old_one_and_takes_the_new_one() {
    let app = TestApp::new().await;
    let (ada_id, alan_id) = (app.candidate("ada@example.com").await, app.candidate("alan@example.com").await);
    let path = format!("/api/v1/candidates/{ada_id}");
    let taken = app.put(&path, json!({ "email": "ALAN@example.com" })).await;
    assert_eq!(taken.error(409, "email_taken")["existingId"], alan_id);
    assert_eq!(app.get(&path).await.ok(200)["version"], 1);
    assert_eq!(app.put(&path, json!({ "email": "augusta@example.com" })).await.ok(200)["version"], 2);
    assert!(app.get("/api/v1/candidates?email=ada@example.com").await.rows().is_empty());
    assert_eq!(app.get("/api/v1/candidates?email=augusta@example.com").await.ids(), [ada_id]);
    app.candidate("ada@example.com").await;
}

#[tokio::test]
async fn a_write_only_key_learns_who_has_a_taken_email_by_id_and_nothing_else() {
    let app = TestApp::new().await;
    let id = app.candidate("ada@example.com").await;
    let writer = app.new_key(&[Scope::CandidatesWrite]).await;
    let body = json!({ "firstName": "A", "lastName": "B", "email": "ADA@example.com" });
    let taken = app.call("POST", "/api/v1/candidates", Some(writer.reveal()), Some(body)).await;
    assert_eq!(taken.error(409, "email_taken")["existingId"], id);
    assert!(!taken.body.to_string().contains("Byron"));
    let path = format!("/api/v1/candidates/{id}");
    for body in [json!({}), json!({ "headline": "Countess" })] {
        let updated = app.call("PUT", &path, Some(writer.reveal()), Some(body)).await;
        assert_eq!((updated.status.as_u16(), updated.body), (204, Value::Null));
    }
    assert_eq!(app.get(&path).await.ok(200)["headline"], "Countess");
}

#[tokio::test]
async fn a_change_of_case_alone_keeps_the_email_taken() {
    let app = TestApp::new().await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/candidates/{id}");
    assert_eq!(app.put(&path, json!({ "email": "Ada@Example.com" })).await.ok(200)["email"], "Ada@Example.com");
    app.post("/api/v1/candidates", ada("ada@example.com")).await.error(409, "email_taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_of_two_concurrent_updates_gets_an_email() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let ids = [app.candidate("a@example.com").await, app.candidate("b@example.com").await];
    let updates = ids.iter().map(|id| {
        let path = format!("/api/v1/candidates/{id}");
        let app = &app;
        async move { app.put(&path, json!({ "email": "wanted@example.com" })).await }
    });
    let answers = join_all(updates).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let holders = app.get("/api/v1/candidates").await;
    assert_eq!(holders.rows().iter().filter(|row| row["email"] == "wanted@example.com").count(), 1);
}

#[tokio::test]
async fn an_update_clears_lists_to_empty_and_cannot_move_the_candidate() {
    let app = TestApp::new().await;
    let mut body = ada("ada@example.com");
    body["skills"] = json!(["Rust", "SQL"]);
    body["phone"] = "+44 20 7946 0000".into();
    let id = app.post("/api/v1/candidates", body).await.ok(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/candidates/{id}");
    let updated = app.put(&path, json!({ "skills": null, "tags": ["vip"], "lastName": "Lovelace" })).await;
    let candidate = updated.ok(200);
    assert_eq!(
        (&candidate["skills"], &candidate["tags"], &candidate["lastName"]),
        (&json!([]), &json!(["vip"]), &json!("Lovelace"))
    );
    assert_eq!(candidate["phone"], "+44 20 7946 0000");
    let stage = app.stages().await.swap_remove(1);
    let moved = app.put(&path, json!({ "stageId": stage, "email": null })).await;
    assert_eq!(moved.problems(), ["stageId: read_only"]);
}
