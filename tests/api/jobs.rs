//! `/api/v1/jobs`.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::test_app::{ORIGIN, TestApp, request, send};

#[tokio::test]
async fn a_new_job_has_every_field_with_its_default_and_its_location() {
    let app = TestApp::new().await;
    let answer = app.post("/api/v1/jobs", json!({ "title": "Engineer" })).await;
    let job = answer.ok(201);
    let at = app.clock.now().to_string();
    assert_eq!(
        *job,
        json!({
            "id": job["id"], "title": "Engineer", "description": null, "location": null, "department": null,
            "employmentType": "full-time", "workplaceType": null, "status": "draft", "salary": null, "openings": null,
            "externalId": null, "openedAt": null, "closedAt": null, "createdAt": at, "updatedAt": at, "version": 1,
        })
    );
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(location, format!("{ORIGIN}/api/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(app.get(&location).await.ok(200), job);
}

#[tokio::test]
async fn a_job_reads_back_as_it_was_sent() {
    let app = TestApp::new().await;
    let sent = json!({
        "title": " Pflegefachkraft (m/w/d) – Nacht 🌙 ", "description": "Zeile eins\n\tZeile zwei", "location": "Köln",
        "department": "Station 3", "employmentType": "part-time", "workplaceType": "on-site", "status": "open",
        "salary": { "min": 18.5, "max": 60_000, "currency": "EUR", "period": "hour" }, "openings": 2,
        "externalId": "REQ-1",
    });
    let answer = app.post("/api/v1/jobs", sent.clone()).await;
    let id = answer.ok(201)["id"].as_str().unwrap().to_owned();
    let got = app.get(&format!("/api/v1/jobs/{id}")).await;
    for (field, value) in sent.as_object().unwrap() {
        assert_eq!(got.ok(200)[field], *value, "{field}");
    }
}

#[tokio::test]
async fn every_invalid_field_is_reported_at_once_and_nothing_is_written() {
    let app = TestApp::new().await;
    let answer = app
        .post(
            "/api/v1/jobs",
            json!({
                "title": "   ", "description": "x".repeat(20_001), "location": "", "department": 7,
                "employmentType": "fulltime", "workplaceType": null, "status": null,
                "salary": { "min": 2, "max": 1, "currency": "eur", "tip": 1 }, "openings": 0,
                "externalId": "x".repeat(201), "id": "mine", "colour": "red",
            }),
        )
        .await;
    assert_eq!(
        answer.problems(),
        [
            "title: too_short",
            "description: too_long",
            "location: too_short",
            "department: invalid_type",
            "employmentType: invalid_value",
            "salary.currency: invalid_format",
            "salary.period: required",
            "salary.max: out_of_range",
            "salary.tip: unknown",
            "openings: out_of_range",
            "externalId: too_long",
            "id: read_only",
            "colour: unknown",
        ]
    );
    let details = &answer.body["error"]["details"];
    assert_eq!(
        details[4]["message"],
        "employmentType must be one of full-time, part-time, contract, temporary, internship (got \"fulltime\")."
    );
    assert!(app.get("/api/v1/jobs").await.rows().is_empty());
    assert_eq!(app.post("/api/v1/jobs", json!({})).await.problems(), ["title: required"]);
}

#[tokio::test]
async fn lengths_are_counted_in_characters_up_to_the_limit() {
    let app = TestApp::new().await;
    let body = json!({ "title": "ü".repeat(200), "description": "🌙".repeat(20_000) });
    let job = app.post("/api/v1/jobs", body).await.ok(201)["id"].as_str().unwrap().to_owned();
    let got = app.get(&format!("/api/v1/jobs/{job}")).await;
    assert_eq!(got.ok(200)["description"].as_str().unwrap().chars().count(), 20_000);
}

#[tokio::test]
async fn a_salary_needs_an_amount_in_a_currency_with_no_more_decimals_than_it_has() {
    let app = TestApp::new().await;
    for (salary, problem) in [
        (json!({ "currency": "EUR", "period": "year" }), "salary.min: required"),
        (json!({ "min": 1.005, "currency": "EUR", "period": "year" }), "salary.min: out_of_range"),
        (json!({ "min": -1, "currency": "EUR", "period": "year" }), "salary.min: out_of_range"),
        (json!({ "max": 1e15, "currency": "EUR", "period": "year" }), "salary.max: out_of_range"),
        (json!({ "max": 0.5, "currency": "JPY", "period": "year" }), "salary.max: out_of_range"),
        (json!({ "max": 0.1 + 0.2, "currency": "EUR", "period": "year" }), "salary.max: out_of_range"),
        (json!({ "max": 1, "currency": "XYZ", "period": "year" }), "salary.currency: invalid_value"),
        (json!({ "max": "60000", "currency": "EUR", "period": "year" }), "salary.max: invalid_type"),
        (json!({ "max": 1, "currency": "EURO", "period": "year" }), "salary.currency: invalid_format"),
        (json!({ "max": 1, "currency": "EUR", "period": "century" }), "salary.period: invalid_value"),
        (json!([]), "salary: invalid_type"),
    ] {
        let answer = app.post("/api/v1/jobs", json!({ "title": "Engineer", "salary": salary })).await;
        assert_eq!(answer.problems(), [problem]);
    }
    for salary in [
        json!({ "min": 0, "max": null, "currency": "EUR", "period": "year" }),
        json!({ "min": null, "max": 999_999_999_999_999_u64, "currency": "IRR", "period": "month" }),
        json!({ "min": 0.001, "max": 9_999_999_999_999.99, "currency": "KWD", "period": "month" }),
        json!({ "min": 35_000_000_000_u64, "max": null, "currency": "VND", "period": "month" }),
        json!({ "min": 0.1, "max": 0.3, "currency": "EUR", "period": "hour" }),
    ] {
        let answer = app.post("/api/v1/jobs", json!({ "title": "Engineer", "salary": salary })).await;
        assert_eq!(answer.ok(201)["salary"], salary);
    }
}

#[tokio::test]
async fn an_update_keeps_absent_fields_clears_null_ones_and_raises_the_version() {
    let app = TestApp::new().await;
    let new = json!({ "title": "Engineer", "location": "Berlin", "department": "R&D" });
    let id = app.post("/api/v1/jobs", new).await.ok(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/jobs/{id}");
    let updated = app.put(&path, json!({ "title": "Senior engineer", "location": null })).await;
    let job = updated.ok(200);
    assert_eq!(
        (&job["title"], &job["location"], &job["department"]),
        (&json!("Senior engineer"), &Value::Null, &json!("R&D"))
    );
    assert_eq!(job["version"], 2);
    assert_eq!(job["updatedAt"], app.clock.now().to_string());
    assert_ne!(job["createdAt"], job["updatedAt"]);
    assert_eq!(app.get(&path).await.ok(200), job);
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let app = TestApp::new().await;
    let id = app.job("open").await;
    let path = format!("/api/v1/jobs/{id}");
    let before = app.get(&path).await;
    app.tally.take();
    for body in [json!({}), json!({ "title": "Engineer", "status": "open", "location": null })] {
        assert_eq!(app.put(&path, body).await.ok(200), before.ok(200));
    }
    assert!(!app.tally.take().calls.contains_key("PutItem"));
}

#[tokio::test]
async fn an_update_rejects_fields_that_it_cannot_set() {
    let app = TestApp::new().await;
    let path = format!("/api/v1/jobs/{}", app.job("open").await);
    let answer = app.put(&path, json!({ "title": null, "status": null, "openedAt": null, "version": 3, "x": 1 })).await;
    let mut problems = answer.problems();
    problems.sort();
    assert_eq!(
        problems,
        ["openedAt: read_only", "status: required", "title: required", "version: read_only", "x: unknown"]
    );
    assert_eq!(app.get(&path).await.ok(200)["version"], 1);
}

#[tokio::test]
async fn an_update_with_if_match_succeeds_only_at_that_version() {
    let app = TestApp::new().await;
    let path = format!("/api/v1/jobs/{}", app.job("open").await);
    assert_eq!(app.get(&path).await.header("etag"), Some("\"1\""));
    let updated = app.put_if_match(&path, "\"1\"", json!({ "title": "Nurse" })).await;
    assert_eq!((updated.ok(200)["version"].as_u64(), updated.header("etag")), (Some(2), Some("\"2\"")));
    for title in ["Midwife", "Nurse"] {
        let late = app.put_if_match(&path, "\"1\"", json!({ "title": title })).await;
        let words = "The object has changed since you read it: it is now at version 2. Fetch it again and retry with its new ETag.";
        assert_eq!(late.error(412, "version_conflict")["message"], words);
    }
    for (tags, words) in [
        ("W/\"2\"", "The If-Match tag W/\"2\" is weak"),
        ("2", "The If-Match tag 2 is not in double quotes. Send \"2\"."),
        ("", "The If-Match header is empty."),
        ("\"2-gzip\"", "The If-Match tag \"2-gzip\" was not issued by this API"),
    ] {
        let answer = app.put_if_match(&path, tags, json!({ "title": "Midwife" })).await;
        let message = answer.error(400, "bad_request")["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{message}");
    }
    assert_eq!(app.get(&path).await.ok(200), updated.ok(200));
    app.put_if_match(&path, "\"1\", \"2\"", json!({ "title": "Midwife" })).await.ok(200);
    app.put_if_match(&path, "*", json!({ "title": "Doctor" })).await.ok(200);
}

#[tokio::test]
async fn an_update_keeps_attributes_from_a_later_version_of_this_code() {
    let app = TestApp::new().await;
    let id = app.job("open").await;
    let key = || {
        app.client
            .update_item()
            .table_name("RecordsTable")
            .key("pk", text(&format!("ORG#{}#JOB", app.org)))
            .key("sk", text(&id))
    };
    key()
        .update_expression("SET #new = :new")
        .expression_attribute_names("#new", "remoteCountries")
        .expression_attribute_values(":new", text("DE"))
        .send()
        .await
        .unwrap();
    app.put(&format!("/api/v1/jobs/{id}"), json!({ "title": "Nurse", "status": "closed" })).await.ok(200);
    let item = app.client.get_item().table_name("RecordsTable").consistent_read(true);
    let item = item.key("pk", text(&format!("ORG#{}#JOB", app.org))).key("sk", text(&id)).send().await.unwrap();
    assert_eq!(item.item.unwrap()["remoteCountries"], text("DE"));
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::test]
async fn a_duplicate_name_in_a_body_is_rejected_at_any_depth() {
    let app = TestApp::new().await;
    for body in
        [r#"{"title":"a","title":"b"}"#, r#"{"title":"a","salary":{"min":1,"min":2,"currency":"EUR","period":"day"}}"#]
    {
        let mut twice = request("POST", "/api/v1/jobs", Some(&app.key), Some(json!({})));
        *twice.body_mut() = body.into();
        let error = send(&app.gateway, twice).await;
        let message = error.error(400, "malformed_json")["message"].as_str().unwrap();
        assert!(message.contains("duplicate key"), "{message}");
    }
}

#[tokio::test]
async fn numbers_are_read_by_value_and_ids_whatever_their_case() {
    let app = TestApp::new().await;
    let job = app.post("/api/v1/jobs", json!({ "title": "Nurse", "openings": 5.0, "status": null })).await;
    assert_eq!((&job.ok(201)["openings"], &job.ok(201)["status"]), (&json!(5), &json!("draft")));
    let half = app.post("/api/v1/jobs", json!({ "title": "Nurse", "openings": 0.5 })).await;
    assert_eq!(half.problems(), ["openings: invalid_type"]);
    let id = job.ok(201)["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/v1/jobs/{}", id.to_uppercase())).await.ok(200)["id"], *id);
}

#[tokio::test]
async fn a_single_line_text_cannot_hide_characters() {
    let app = TestApp::new().await;
    for title in ["a\u{200b}b", "a\u{202e}b", "a\u{61c}b", "a\u{2028}b", "a\tb", "a\u{b}b", "a\u{e0041}b"] {
        assert_eq!(app.post("/api/v1/jobs", json!({ "title": title })).await.problems(), ["title: invalid_format"]);
    }
    for title in ["\u{200b}", "\u{feff}", "\u{3164}", "\u{180e}", "\u{e0041}\u{e0064}", " \u{a0}", "\u{2800}"] {
        assert_eq!(app.post("/api/v1/jobs", json!({ "title": title })).await.problems(), ["title: too_short"]);
    }
    let answer = app.post("/api/v1/jobs", json!({ "title": "\u{200f}ab\u{7}c" })).await;
    let message = &answer.error(422, "validation_error")["details"][0]["message"];
    assert_eq!(message, "title must not contain a control character (U+0007) at character 4.");
    for title in ["👩\u{200d}👩\u{200d}👧 نرس", "می\u{200c}خواهم", "❤\u{fe0f}", " Nurse "] {
        assert_eq!(app.post("/api/v1/jobs", json!({ "title": title })).await.ok(201)["title"], title);
    }
}

#[tokio::test]
async fn marks_that_imports_put_around_a_text_are_removed() {
    let app = TestApp::new().await;
    let job = json!({ "title": "\u{200f}אחות\u{200f}", "description": "\u{feff}a\u{200f}b\u{200b}", "location": "\u{2068}Köln\u{2069}" });
    let answer = app.post("/api/v1/jobs", job).await;
    let job = answer.ok(201);
    assert_eq!((&job["title"], &job["description"]), (&json!("אחות"), &json!("a\u{200f}b")));
    assert_eq!(job["location"], "Köln");
    let marks = "\u{200e}".repeat(50);
    let long = json!({ "title": format!("{marks}{}{marks}", "x".repeat(200)) });
    assert_eq!(app.post("/api/v1/jobs", long).await.ok(201)["title"], "x".repeat(200));
}

#[tokio::test]
async fn a_line_break_in_word_is_a_line_break_here() {
    let app = TestApp::new().await;
    let job = json!({ "title": "Nurse", "description": "a\u{b}b\u{85}c\u{c}d\r\n\te\u{2028}f" });
    assert_eq!(app.post("/api/v1/jobs", job).await.ok(201)["description"], "a\nb\nc\nd\r\n\te\u{2028}f");
    let answer = app.post("/api/v1/jobs", json!({ "title": "Nurse", "description": "a\n\u{0}" })).await;
    let message = &answer.error(422, "validation_error")["details"][0]["message"];
    assert_eq!(message, "description must not contain a control character (U+0000) at character 3.");
}

#[tokio::test]
async fn an_error_lists_at_most_100_problems() {
    let app = TestApp::new().await;
    let nonsense: serde_json::Map<String, Value> = (0..15_000).map(|i| (format!("f{i}"), Value::Null)).collect();
    assert_eq!(app.post("/api/v1/jobs", nonsense.into()).await.problems().len(), 100);
    let unknown: Vec<String> = (0..500).map(|i| format!("a{i}=1")).collect();
    let answer = app.get(&format!("/api/v1/jobs?{}", unknown.join("&"))).await;
    assert_eq!(answer.error(400, "invalid_parameter")["details"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn opened_at_and_closed_at_follow_the_status() {
    let app = TestApp::new().await;
    let path = format!("/api/v1/jobs/{}", app.job("draft").await);
    let mut opened = Value::Null;
    let mut closed = Value::Null;
    for status in ["open", "on-hold", "open", "closed", "archived", "open", "draft"] {
        let answer = app.put(&path, json!({ "status": status })).await;
        let now = Value::from(app.clock.now().to_string());
        match status {
            "open" => (opened, closed) = (now, Value::Null),
            "closed" => closed = now,
            "archived" => {}
            _ => closed = Value::Null,
        }
        let job = answer.ok(200);
        assert_eq!((&job["openedAt"], &job["closedAt"]), (&opened, &closed), "{status}");
    }
    let closed = app.post("/api/v1/jobs", json!({ "title": "Filled long ago", "status": "closed" })).await;
    assert_eq!(closed.ok(201)["closedAt"], closed.ok(201)["createdAt"]);
}

#[tokio::test]
async fn the_status_filter_follows_a_change_of_status() {
    let app = TestApp::new().await;
    let (first, second) = (app.job("open").await, app.job("open").await);
    assert_eq!(app.get("/api/v1/jobs?status=open").await.ids(), [second.clone(), first.clone()]);
    app.put(&format!("/api/v1/jobs/{second}"), json!({ "status": "closed" })).await.ok(200);
    assert_eq!(app.get("/api/v1/jobs?status=open").await.ids(), std::slice::from_ref(&first));
    assert_eq!(app.get("/api/v1/jobs?status=closed").await.ids(), std::slice::from_ref(&second));
    assert_eq!(app.get("/api/v1/jobs").await.ids(), [second, first]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_updates_of_different_fields_all_take_effect() {
    let app = TestApp::frozen(shared::model::plan::Plan::Enterprise).await;
    let path = format!("/api/v1/jobs/{}", app.job("open").await);
    let bodies =
        [json!({ "title": "A" }), json!({ "location": "B" }), json!({ "department": "C" }), json!({ "openings": 4 })];
    let answers = futures::future::join_all(bodies.map(|body| app.put(&path, body))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let job = app.get(&path).await.ok(200).clone();
    assert_eq!(
        (&job["title"], &job["location"], &job["department"], &job["openings"]),
        (&json!("A"), &json!("B"), &json!("C"), &json!(4))
    );
    assert_eq!(job["version"], 5);
}
