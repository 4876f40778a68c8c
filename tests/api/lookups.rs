//! Finding objects by their ids and by one's own, reading one only if it has changed, and people without a last name or an email.

use serde_json::{Value, json};

use crate::test_app::{Answer, TestApp, request, send};

/// The path and the ids of three objects of each resource.
async fn three_of_each(app: &TestApp) -> [(&'static str, Vec<String>); 3] {
    let (mut jobs, mut candidates, mut applications) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..3 {
        jobs.push(app.job("open").await);
        candidates.push(app.candidate(&format!("{n}@example.com")).await);
        applications.push(app.application(&jobs[n], &candidates[n]).await);
    }
    [("/api/v1/jobs", jobs), ("/api/v1/candidates", candidates), ("/api/v1/applications", applications)]
}

#[tokio::test]
async fn objects_are_returned_by_their_ids_in_the_order_asked_and_once_with_the_missing_ones_named() {
    let app = TestApp::new().await;
    let own = three_of_each(&app).await;
    let stranger = TestApp::new().await;
    for ((path, ids), (_, theirs)) in own.iter().zip(three_of_each(&stranger).await) {
        let asked = [&ids[2], &theirs[0], &ids[0], &ids[2], &ids[0].to_uppercase()].map(String::as_str).join(",");
        app.tally.take();
        let answer = app.get(&format!("{path}?ids={asked}")).await;
        assert_eq!(answer.ids(), [ids[2].clone(), ids[0].clone()], "{path}");
        assert_eq!(app.tally.take().total(), 2, "the count, and one BatchGetItem");
        assert_eq!((&answer.body["missing"], &answer.body["remaining"]), (&json!([theirs[0]]), &json!([])));
        assert_eq!(answer.body["pagination"], json!({ "hasMore": false, "nextCursor": null, "limit": 100 }));
        // Encoded, a comma is the same.
        assert_eq!(app.get(&format!("{path}?ids={}%2C{}", ids[0], ids[1])).await.ids(), ids[..2]);
        // Without ids, the lists are as they were.
        let plain = app.get(path).await;
        assert!(plain.body.get("missing").is_none() && plain.body.get("remaining").is_none());
        let one = ids[0].as_str();
        for (query, problems) in [
            ("ids=".to_owned(), vec!["ids: invalid_format"]),
            ("ids=x".to_owned(), vec!["ids: invalid_format"]),
            (format!("ids={one},"), vec!["ids: invalid_format"]),
            (format!("ids={one}&limit=5"), vec!["limit: unknown"]),
            (format!("ids={one}&cursor=abc&limit=5"), vec!["limit: unknown", "cursor: unknown"]),
            (format!("ids={one}&ids={one}"), vec!["ids: duplicate"]),
            (format!("ids={}", vec![one; 101].join(",")), vec!["ids: too_long"]),
        ] {
            let answer = app.get(&format!("{path}?{query}")).await;
            answer.error(400, "invalid_parameter");
            assert_eq!(problems_of(&answer), problems, "{path}?{query}");
        }
        assert_eq!(app.get(&format!("{path}?ids={}", vec![one; 100].join(","))).await.ids(), [one]);
    }
    let (jobs, candidates) = (&own[0].1, &own[1].1);
    for path in [
        format!("/api/v1/jobs?ids={}&status=open", jobs[0]),
        format!("/api/v1/jobs?externalId=7&ids={}", jobs[0]),
        format!("/api/v1/candidates?email=0@example.com&ids={}", candidates[0]),
        format!("/api/v1/applications?candidateId={}&ids={}", candidates[0], own[2].1[0]),
        "/api/v1/jobs?status=open&externalId=7".to_owned(),
        "/api/v1/candidates?email=0@example.com&externalId=7".to_owned(),
    ] {
        let answer = app.get(&path).await;
        let message = answer.error(400, "invalid_parameter")["message"].as_str().unwrap().to_owned();
        assert!(message.contains("can't be combined with"), "{path}: {message}");
    }
}

/// The problems of a query.
fn problems_of(answer: &Answer) -> Vec<String> {
    let details = answer.body["error"]["details"].as_array().unwrap().iter();
    details.map(|d| format!("{}: {}", d["field"].as_str().unwrap(), d["code"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn objects_that_do_not_fit_into_one_response_remain() {
    let app = TestApp::new().await;
    let mut ids = Vec::new();
    // Each takes 80,000 bytes in Lambda's response.
    for _ in 0..65 {
        let body = json!({ "title": "Engineer", "description": "\"".repeat(20_000) });
        ids.push(app.post("/api/v1/jobs", body).await.ok(201)["id"].as_str().unwrap().to_owned());
        app.clock.advance(1_000);
    }
    let mut found = Vec::new();
    let mut asked = ids.clone();
    let mut requests = 0;
    while !asked.is_empty() {
        let answer = app.get(&format!("/api/v1/jobs?ids={}", asked.join(","))).await;
        found.extend(answer.ids());
        assert_eq!(answer.body["missing"], json!([]));
        let remaining = answer.body["remaining"].as_array().unwrap().iter();
        asked = remaining.map(|id| id.as_str().unwrap().to_owned()).collect();
        requests += 1;
    }
    assert_eq!((found, requests), (ids, 2));
}

#[tokio::test]
async fn several_objects_with_one_external_id_are_found_newest_first_and_only_the_organizations_own() {
    let app = TestApp::new().await;
    let stranger = TestApp::new().await;
    for (path, extra) in
        [("/api/v1/jobs", json!({ "title": "Nurse" })), ("/api/v1/candidates", json!({ "firstName": "Ada" }))]
    {
        let create = async |app: &TestApp, external: Value| {
            let mut body = extra.clone();
            body["externalId"] = external;
            app.post(path, body).await.ok(201)["id"].as_str().unwrap().to_owned()
        };
        let find = async |id: &str| app.get(&format!("{path}?externalId={id}")).await;
        let first = create(&app, "REQ #7/é".into()).await;
        create(&app, "REQ #7/é2".into()).await;
        create(&app, Value::Null).await;
        create(&stranger, "REQ #7/é".into()).await;
        let second = create(&app, "REQ #7/é".into()).await;
        assert_eq!(find("REQ+%237%2F%C3%A9").await.ids(), [second.clone(), first.clone()]);
        let page = app.get(&format!("{path}?externalId=REQ+%237%2F%C3%A9&limit=1")).await;
        let cursor = page.body["pagination"]["nextCursor"].as_str().unwrap();
        let rest = app.get(&format!("{path}?externalId=REQ+%237%2F%C3%A9&cursor={cursor}")).await;
        assert_eq!(rest.ids(), std::slice::from_ref(&first));
        app.get(&format!("{path}?cursor={cursor}")).await.error(400, "invalid_cursor");
        // It follows a change.
        app.put(&format!("{path}/{first}"), json!({ "externalId": null })).await.ok(200);
        app.put(&format!("{path}/{second}"), json!({ "externalId": "8" })).await.ok(200);
        assert!(find("REQ+%237%2F%C3%A9").await.ids().is_empty());
        assert_eq!(find("8").await.ids(), [second]);
        assert_eq!(problems_of(&find("").await), ["externalId: too_short"]);
        assert_eq!(problems_of(&find(&"x".repeat(201)).await), ["externalId: too_long"]);
    }
}

#[tokio::test]
async fn an_object_that_has_not_changed_is_304_without_a_body() {
    let app = TestApp::new().await;
    let (job, candidate) = (app.job("open").await, app.candidate("ada@example.com").await);
    let application = app.application(&job, &candidate).await;
    for (path, change) in [
        (format!("/api/v1/jobs/{job}"), json!({ "title": "Nurse" })),
        (format!("/api/v1/candidates/{candidate}"), json!({ "tags": ["x"] })),
        (format!("/api/v1/jobs/{job}/applications/{application}"), json!({ "status": "hired" })),
    ] {
        let get = async |tags: &str| {
            let mut request = request("GET", &path, Some(&app.key), None);
            request.headers_mut().insert("if-none-match", tags.parse().unwrap());
            send(&app.gateway, request).await
        };
        for known in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
            let answer = get(known).await;
            assert_eq!((answer.status.as_u16(), &answer.body), (304, &Value::Null), "{path} {known}");
            assert_eq!(answer.header("etag"), Some("\"1\""));
            assert!(answer.header("ratelimit").is_some());
        }
        for other in ["\"2\"", "1", "\"abc\"", "", "\"1-gzip\""] {
            assert_eq!(get(other).await.ok(200)["version"], 1, "{path} {other}");
        }
        app.put(&path, change).await.ok(200);
        assert_eq!(get("\"1\"").await.ok(200)["version"], 2);
    }
    let missing = "/api/v1/jobs/01900000-0000-7000-8000-000000000000";
    let mut request = request("GET", missing, Some(&app.key), None);
    request.headers_mut().insert("if-none-match", "*".parse().unwrap());
    send(&app.gateway, request).await.error(404, "not_found");
}

#[tokio::test]
async fn an_application_is_read_at_its_location_and_only_below_its_job() {
    let app = TestApp::new().await;
    let (job, other, candidate) =
        (app.job("open").await, app.job("open").await, app.candidate("ada@example.com").await);
    let created = app.post(&format!("/api/v1/jobs/{job}/applications"), json!({ "candidateId": candidate })).await;
    let application = created.ok(201);
    let id = application["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/v1/jobs/{job}/applications/{id}")).await.ok(200), application);
    app.get(&format!("/api/v1/jobs/{other}/applications/{id}")).await.error(404, "not_found");
    let update = app.put(&format!("/api/v1/jobs/{other}/applications/{id}"), json!({ "status": "hired" })).await;
    update.error(404, "not_found");
    assert_eq!(app.get(&format!("/api/v1/jobs/{job}/applications/{id}")).await.ok(200)["version"], 1);
}

#[tokio::test]
async fn all_applications_and_a_candidates_are_listed_newest_first_page_by_page() {
    let app = TestApp::new().await;
    let (ada, alan) = (app.candidate("ada@example.com").await, app.candidate("alan@example.com").await);
    let (mut all, mut adas) = (Vec::new(), Vec::new());
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(app.job("open").await);
    }
    // The markers are sorted by job, so the jobs are taken in another order than they were created in.
    for n in [3, 0, 4, 1, 2] {
        let id = app.application(&jobs[n], &ada).await;
        adas.insert(0, id.clone());
        all.insert(0, id);
        if n % 2 == 0 {
            all.insert(0, app.application(&jobs[n], &alan).await);
        }
    }
    for (path, expected) in [
        ("/api/v1/applications?limit=2".to_owned(), &all),
        (format!("/api/v1/applications?candidateId={ada}&limit=2"), &adas),
    ] {
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let page = app.get(&format!("{path}{next}")).await;
            found.extend(page.ids());
            let Some(cursor) = page.body["pagination"]["nextCursor"].as_str() else { break };
            assert_eq!(page.ids().len(), 2);
            next = format!("&cursor={cursor}");
        }
        assert_eq!(found, *expected, "{path}");
    }
    // A cursor belongs to one candidate's list.
    let page = app.get(&format!("/api/v1/applications?candidateId={ada}&limit=2")).await;
    let cursor = page.body["pagination"]["nextCursor"].as_str().unwrap();
    for other in [format!("candidateId={alan}&"), String::new()] {
        app.get(&format!("/api/v1/applications?{other}cursor={cursor}")).await.error(400, "invalid_cursor");
    }
    let nobody = app.get("/api/v1/applications?candidateId=01900000-0000-7000-8000-000000000000").await;
    assert!(nobody.rows().is_empty());
}

#[tokio::test]
async fn a_person_may_have_one_name_and_no_email_and_several_may_have_none() {
    let app = TestApp::new().await;
    let first = app.post("/api/v1/candidates", json!({ "firstName": "Madonna" })).await;
    let first = first.ok(201);
    assert_eq!((&first["lastName"], &first["email"]), (&Value::Null, &Value::Null));
    let path = format!("/api/v1/candidates/{}", first["id"].as_str().unwrap());
    let second = app.post("/api/v1/candidates", json!({ "firstName": "Cher", "lastName": null, "email": null })).await;
    second.ok(201);
    let stage = app.stages().await.swap_remove(0);
    let positions = app.get(&format!("/api/v1/pipeline/stages/{stage}/candidates")).await;
    assert_eq!(positions.rows()[0]["lastName"], Value::Null);
    // Set, change and clear: the address is taken only while someone has it.
    let other = async || app.post("/api/v1/candidates", json!({ "firstName": "X", "email": "m@example.com" })).await;
    app.put(&path, json!({ "email": "m@example.com", "lastName": "Ciccone" })).await.ok(200);
    assert_eq!(other().await.error(409, "email_taken")["existingId"], first["id"]);
    app.put(&path, json!({ "email": "n@example.com" })).await.ok(200);
    let taken = other().await.ok(201)["id"].clone();
    assert_eq!(
        app.put(&path, json!({ "email": "m@example.com" })).await.error(409, "email_taken")["existingId"],
        taken
    );
    let cleared = app.put(&path, json!({ "email": null, "lastName": null })).await;
    assert_eq!((&cleared.ok(200)["email"], &cleared.ok(200)["lastName"]), (&Value::Null, &Value::Null));
    assert!(app.get("/api/v1/candidates?email=n@example.com").await.rows().is_empty());
    app.put(&format!("/api/v1/candidates/{}", taken.as_str().unwrap()), json!({ "email": "n@example.com" }))
        .await
        .ok(200);
}
