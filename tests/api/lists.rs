//! Pages and cursors, for every list.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::test_app::{Answer, ORIGIN, TestApp};

/// The paths of all lists of an organization, each with `rows` rows.
async fn lists(app: &TestApp, rows: usize) -> Vec<String> {
    let stages = app.stages().await;
    let job = app.job("open").await;
    for i in 1..rows {
        app.post("/api/v1/jobs", json!({ "title": format!("Job {i}"), "status": "open" })).await.ok(201);
    }
    for i in 0..rows {
        let candidate = app.candidate(&format!("c{i}@example.com")).await;
        app.application(&job, &candidate).await;
    }
    vec![
        "/api/v1/jobs".to_owned(),
        "/api/v1/jobs?status=open".to_owned(),
        "/api/v1/candidates".to_owned(),
        format!("/api/v1/pipeline/stages/{}/candidates", stages[0]),
        format!("/api/v1/jobs/{job}/applications"),
        format!("/api/v1/jobs/{job}/applications?status=new"),
    ]
}

fn with(path: &str, parameters: &str) -> String {
    format!("{path}{}{parameters}", if path.contains('?') { '&' } else { '?' })
}

/// A row's unique id, in any list.
fn id(row: &Value) -> String {
    row.get("id").or_else(|| row.get("candidateId")).unwrap().as_str().unwrap().to_owned()
}

/// All pages from `path` on, by cursor.
async fn walk(app: &TestApp, path: &str, limit: usize) -> Vec<Answer> {
    let mut pages = vec![app.get(&with(path, &format!("limit={limit}"))).await];
    while let Some(next) = pages.last().unwrap().next().map(str::to_owned) {
        pages.push(app.get(&with(path, &format!("limit={limit}&cursor={next}"))).await);
        assert!(pages.len() < 100, "paging never ends");
    }
    pages
}

#[tokio::test]
async fn paging_through_any_list_returns_every_row_once_in_full_pages_and_ends_exactly() {
    let app = TestApp::new().await;
    for path in lists(&app, 12).await {
        let whole: Vec<String> = app.get(&with(&path, "limit=100")).await.rows().iter().map(id).collect();
        assert_eq!(whole.len(), 12, "{path}");
        for limit in [1, 5, 6, 11, 12, 13] {
            let pages = walk(&app, &path, limit).await;
            let seen: Vec<String> = pages.iter().flat_map(|page| page.rows().iter().map(id)).collect();
            assert_eq!(seen, whole, "{path} by {limit}");
            // The last page says so even when its size equals the limit.
            assert_eq!(pages.len(), 12_usize.div_ceil(limit));
            for (i, page) in pages.iter().enumerate() {
                let last = i + 1 == pages.len();
                assert!(last || page.rows().len() == limit);
                assert_eq!(page.body["pagination"]["hasMore"], !last);
                assert_eq!(page.body["pagination"]["nextCursor"].is_null(), last);
                assert_eq!(page.body["pagination"]["limit"], limit);
            }
        }
    }
}

#[tokio::test]
async fn stages_are_listed_in_pipeline_order() {
    let app = TestApp::new().await;
    for limit in 1..=6 {
        let pages = walk(&app, "/api/v1/pipeline/stages", limit).await;
        let positions: Vec<u64> =
            pages.iter().flat_map(|page| page.rows().iter().map(|stage| stage["position"].as_u64().unwrap())).collect();
        assert_eq!(positions, [1, 2, 3, 4, 5, 6]);
    }
}

#[tokio::test]
async fn lists_are_sorted_newest_first() {
    let app = TestApp::new().await;
    for path in lists(&app, 3).await {
        let answer = app.get(&path).await;
        let ids: Vec<String> = answer.rows().iter().map(id).collect();
        assert!(ids.iter().rev().is_sorted(), "{path}");
    }
}

#[tokio::test]
async fn the_link_header_links_to_the_next_page_with_the_same_limit_and_filters() {
    let app = TestApp::new().await;
    for path in lists(&app, 3).await {
        let first = app.get(&with(&path, "limit=2")).await;
        let link = first.header("link").unwrap();
        let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
        assert!(target.starts_with(&format!("{ORIGIN}{}?", path.split('?').next().unwrap())), "{target}");
        let second = app.get(target).await;
        let by_cursor = app.get(&with(&path, &format!("limit=2&cursor={}", first.next().unwrap()))).await;
        assert_eq!(second.rows(), by_cursor.rows());
        assert_eq!((second.rows().len(), second.header("link")), (1, None));
    }
}

#[tokio::test]
async fn a_limit_outside_1_to_100_is_rejected_and_20_is_the_default() {
    let app = TestApp::new().await;
    for limit in ["0", "101", "-1", "+5", "1.5", "ten", "", "1e1", "99999999999999999999"] {
        let answer = app.get(&format!("/api/v1/jobs?limit={limit}")).await;
        let error = answer.error(400, "invalid_parameter");
        let sent = if limit == "+5" { " 5" } else { limit };
        assert_eq!(error["message"], format!("limit must be an integer from 1 to 100 (got \"{sent}\")."));
        assert_eq!(error["details"][0]["field"], "limit");
    }
    assert_eq!(app.get("/api/v1/jobs").await.body["pagination"]["limit"], 20);
    assert_eq!(app.get("/api/v1/jobs?limit=100").await.body["pagination"]["limit"], 100);
}

#[tokio::test]
async fn an_unknown_parameter_or_filter_value_is_rejected_with_a_list_of_the_allowed_ones() {
    let app = TestApp::new().await;
    let message =
        async |path: &str| app.get(path).await.error(400, "invalid_parameter")["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message("/api/v1/jobs?state=open").await,
        "state is not a supported parameter (supported: limit, cursor, status, externalId, ids)."
    );
    assert_eq!(
        message("/api/v1/jobs?status=opne").await,
        "status must be one of draft, open, on-hold, closed, archived (got \"opne\")."
    );
    assert_eq!(
        message("/api/v1/jobs?status=").await,
        "status must be one of draft, open, on-hold, closed, archived (got \"\")."
    );
    assert_eq!(message("/api/v1/jobs?status=open&status=open").await, "status must not be given more than once.");
    assert_eq!(
        message("/api/v1/candidates?status=open").await,
        "status is not a supported parameter (supported: limit, cursor, email, externalId, ids)."
    );
    assert_eq!(
        message("/api/v1/pipeline/stages?x=1").await,
        "x is not a supported parameter (supported: limit, cursor)."
    );
    assert_eq!(
        message("/api/v1/jobs?limit=0&page=2&status=x").await,
        "limit must be an integer from 1 to 100 (got \"0\"). status must be one of draft, open, on-hold, closed, archived (got \"x\"). \
         page is not a supported parameter (supported: limit, cursor, status, externalId, ids)."
    );
}

#[tokio::test]
async fn a_cursor_works_only_for_its_own_list_and_filters() {
    let app = TestApp::new().await;
    let paths = lists(&app, 3).await;
    let stages = "/api/v1/pipeline/stages".to_owned();
    let all: Vec<&String> = paths.iter().chain([&stages]).collect();
    let mut cursors = Vec::new();
    for path in &all {
        cursors.push(app.get(&with(path, "limit=1")).await.next().unwrap().to_owned());
    }
    for (i, cursor) in cursors.iter().enumerate() {
        for (j, path) in all.iter().enumerate() {
            let answer = app.get(&with(path, &format!("cursor={cursor}"))).await;
            if i == j {
                answer.ok(200)
            } else {
                answer.error(400, "invalid_cursor")
            };
        }
    }
    let stranger = TestApp::new().await;
    stranger.get(&format!("/api/v1/jobs?cursor={}", cursors[0])).await.error(400, "invalid_cursor");
    for cursor in ["", "abc", "%00", "null", &"A".repeat(513), &format!("{}A", cursors[0]), &cursors[0][1..]] {
        app.get(&format!("/api/v1/jobs?cursor={cursor}")).await.error(400, "invalid_cursor");
    }
    app.get(&format!("/api/v1/candidates?email=a@example.com&cursor={}", cursors[2]))
        .await
        .error(400, "invalid_cursor");
}

#[tokio::test]
async fn a_cursor_contains_no_partition_key() {
    let app = TestApp::new().await;
    for path in lists(&app, 2).await {
        let answer = app.get(&with(&path, "limit=1")).await;
        let bytes = data_encoding::BASE64URL_NOPAD.decode(answer.next().unwrap().as_bytes()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("ORG#") && !text.contains(&app.org.to_string()), "{text}");
    }
}

#[tokio::test]
async fn rows_created_or_changed_while_paging_never_make_it_skip_or_repeat_an_older_one() {
    let app = TestApp::new().await;
    for path in lists(&app, 9).await {
        let before: BTreeSet<String> = app.get(&with(&path, "limit=100")).await.rows().iter().map(id).collect();
        let mut seen = Vec::new();
        let mut next = with(&path, "limit=2");
        for i in 0.. {
            let page = app.get(&next).await;
            seen.extend(page.rows().iter().map(id));
            let Some(cursor) = page.next() else { break };
            next = with(&path, &format!("limit=2&cursor={cursor}"));
            // Change the row that the cursor points to, and add a new row.
            if path.starts_with("/api/v1/jobs?") || path == "/api/v1/jobs" {
                app.put(&format!("/api/v1/jobs/{}", seen.last().unwrap()), json!({ "title": format!("New {i}") }))
                    .await
                    .ok(200);
                app.job("open").await;
            }
            if path.ends_with("candidates") {
                app.put(&format!("/api/v1/candidates/{}", seen.last().unwrap()), json!({ "phone": i.to_string() }))
                    .await
                    .ok(200);
                app.candidate(&format!("new{i}-{}@example.com", path.len())).await;
            }
            if let Some((job, _)) = path.split_once("/applications") {
                let status = json!({ "status": if path.contains('?') { "new" } else { "in-review" } });
                app.put(&format!("{job}/applications/{}", seen.last().unwrap()), status).await.ok(200);
                let candidate = app.candidate(&format!("applies{i}-{}@example.com", path.len())).await;
                app.application(job.rsplit('/').next().unwrap(), &candidate).await;
            }
        }
        let old: Vec<&String> = seen.iter().filter(|id| before.contains(*id)).collect();
        assert_eq!(old.len(), before.len(), "{path}: {seen:?}");
        assert_eq!(old.into_iter().collect::<BTreeSet<_>>().len(), before.len(), "{path}");
    }
}

#[tokio::test]
async fn a_row_that_leaves_the_filter_while_paging_hides_no_other_row() {
    let app = TestApp::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(app.job("open").await);
    }
    ids.reverse();
    let first = app.get("/api/v1/jobs?status=open&limit=2").await;
    // Close the second row, which the cursor points to.
    app.put(&format!("/api/v1/jobs/{}", ids[1]), json!({ "status": "closed" })).await.ok(200);
    let rest = app.get(&format!("/api/v1/jobs?status=open&cursor={}", first.next().unwrap())).await;
    assert_eq!(rest.ids(), ids[2..]);
}

#[tokio::test]
async fn a_candidate_who_leaves_the_stage_and_returns_is_listed_first_and_hides_no_other() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let mut ids = Vec::new();
    for i in 0..5 {
        ids.push(app.candidate(&format!("c{i}@example.com")).await);
    }
    ids.reverse();
    let path = format!("/api/v1/pipeline/stages/{}/candidates", stages[0]);
    let first = app.get(&format!("{path}?limit=2")).await;
    for stage in [&stages[1], &stages[0]] {
        // This is the row that the cursor points to.
        app.put(&format!("/api/v1/pipeline/candidates/{}/move", ids[1]), json!({ "stageId": stage })).await.ok(200);
    }
    let rest = app.get(&format!("{path}?cursor={}", first.next().unwrap())).await;
    assert_eq!(rest.rows().iter().map(id).collect::<Vec<_>>(), ids[2..]);
    assert_eq!(id(&app.get(&path).await.rows()[0]), ids[1]);
}

/// A step of a client that pages through a list, or of other clients.
#[derive(Clone, Debug)]
enum Step {
    /// Reads the next page, of this size.
    Read(usize),
    /// Creates a job, which is open or not.
    Create(bool),
}

#[test]
fn paging_with_random_sizes_while_rows_are_added_returns_exactly_the_rows_from_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let step = prop_oneof![(1..=7_usize).prop_map(Step::Read), any::<bool>().prop_map(Step::Create)];
    let strategy = (0..25_usize, any::<bool>(), proptest::collection::vec(step, 0..25));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&strategy, |(rows, filtered, steps)| {
        runtime.block_on(model_walk(rows, filtered, steps));
        Ok(())
    });
    outcome.unwrap();
}

/// Pages through the list in the given steps, then to the end, and compares with a model: the rows that existed when paging began.
async fn model_walk(rows: usize, filtered: bool, steps: Vec<Step>) {
    let app = TestApp::new().await;
    let mut model = Vec::new();
    for i in 0..rows {
        let open = !i.is_multiple_of(3);
        let id = app.job(if open { "open" } else { "draft" }).await;
        if open || !filtered {
            model.push(id);
        }
    }
    model.reverse();
    let path = if filtered { "/api/v1/jobs?status=open" } else { "/api/v1/jobs" };
    let mut seen: Vec<String> = Vec::new();
    let mut cursor: Option<String> = None;
    let mut begun = false;
    let tail = std::iter::repeat_n(Step::Read(5), 10);
    for step in steps.into_iter().chain(tail) {
        match step {
            Step::Create(open) => {
                let id = app.job(if open { "open" } else { "draft" }).await;
                // Before the first page is read, paging has not begun: the row must be returned.
                if !begun && (open || !filtered) {
                    model.insert(0, id);
                }
            }
            Step::Read(size) => {
                if begun && cursor.is_none() {
                    continue;
                }
                begun = true;
                let cursor_parameter = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
                let page = app.get(&with(path, &format!("limit={size}{cursor_parameter}"))).await;
                seen.extend(page.ids());
                cursor = page.next().map(str::to_owned);
                assert!(cursor.is_none() || page.rows().len() == size);
            }
        }
    }
    assert_eq!(seen, model);
}

/// Creates `count` objects, a few at a time: the engine would time out if it got all the requests at once.
async fn create_all<F: Future<Output = Answer>>(count: usize, create: impl Fn(usize) -> F) {
    let answers: Vec<Answer> = stream::iter((0..count).map(create)).buffered(4).collect().await;
    assert!(answers.iter().all(|answer| answer.status == 201));
}

#[tokio::test]
async fn a_page_is_full_even_if_one_megabyte_holds_fewer_rows() {
    let app = TestApp::new().await;
    // 60 jobs of 20,000 characters at two bytes each: 2.4 MB, more than one Query reads.
    let create = |i: usize| {
        let body = json!({ "title": format!("Job {i}"), "description": "ü".repeat(20_000) });
        app.post("/api/v1/jobs", body)
    };
    create_all(60, create).await;
    app.tally.take();
    let page = app.get("/api/v1/jobs?limit=60").await;
    assert_eq!((page.rows().len(), &page.body["pagination"]["hasMore"]), (60, &json!(false)));
    assert_eq!(app.tally.take().calls["Query"], 3);
    let page = app.get("/api/v1/jobs?limit=20").await;
    assert_eq!((page.rows().len(), &page.body["pagination"]["hasMore"]), (20, &json!(true)));
}

#[tokio::test]
async fn a_page_too_large_for_lambda_ends_early_and_paging_continues() {
    let app = TestApp::new().await;
    // Each is 80,000 bytes as JSON within JSON, and 20,000 in DynamoDB.
    let create = |i: usize| {
        let body = json!({ "title": format!("Job {i}"), "description": "\"".repeat(20_000), "status": "open" });
        app.post("/api/v1/jobs", body)
    };
    create_all(100, create).await;
    for path in ["/api/v1/jobs", "/api/v1/jobs?status=open"] {
        let pages = walk(&app, path, 100).await;
        let sizes: Vec<usize> = pages.iter().map(|page| page.rows().len()).collect();
        assert_eq!(sizes, [62, 38]);
        assert_eq!(pages.iter().flat_map(Answer::ids).collect::<BTreeSet<_>>().len(), 100);
        let sent = serde_json::to_string(&pages[0].body.to_string()).unwrap();
        assert!(sent.len() < 6_291_556, "{}", sent.len());
    }
}
