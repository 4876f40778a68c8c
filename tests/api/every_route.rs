//! The table of all routes, and what must hold for each of them.

use std::collections::BTreeSet;

use functions::FUNCTIONS;
use serde_json::{Value, json};
use shared::{
    model::{key::ApiKey, plan::Plan, scope::Scope},
    store::{activity::Actor, api_key},
};

use crate::test_app::{Answer, TestApp, request, send, unknown_key};

#[derive(Debug)]
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
    /// `None`: any valid key works.
    pub scope: Option<Scope>,
    /// The `CodeUri` of the function that serves it.
    pub function: &'static str,
    pub status: u16,
}

impl Row {
    /// Whether this is a write whose response contains data that the caller did not send: an update or a move.
    fn shows_what_was_there(&self) -> bool {
        self.method == "PUT"
    }
}

const fn row(method: &'static str, path: &'static str, scope: Scope, function: &'static str, status: u16) -> Row {
    Row { method, path, scope: Some(scope), function, status }
}

pub const ROUTES: &[Row] = &[
    row("GET", "/api/v1/jobs", Scope::JobsRead, "functions/jobs", 200),
    row("POST", "/api/v1/jobs", Scope::JobsWrite, "functions/jobs", 201),
    row("GET", "/api/v1/jobs/{id}", Scope::JobsRead, "functions/jobs", 200),
    row("PUT", "/api/v1/jobs/{id}", Scope::JobsWrite, "functions/jobs", 200),
    row("GET", "/api/v1/candidates", Scope::CandidatesRead, "functions/candidates", 200),
    row("POST", "/api/v1/candidates", Scope::CandidatesWrite, "functions/candidates", 201),
    row("GET", "/api/v1/candidates/{id}", Scope::CandidatesRead, "functions/candidates", 200),
    row("PUT", "/api/v1/candidates/{id}", Scope::CandidatesWrite, "functions/candidates", 200),
    row("GET", "/api/v1/pipeline/stages", Scope::PipelineRead, "functions/pipeline", 200),
    row("GET", "/api/v1/pipeline/stages/{stageId}/candidates", Scope::PipelineRead, "functions/pipeline", 200),
    row("PUT", "/api/v1/pipeline/candidates/{id}/move", Scope::PipelineWrite, "functions/pipeline", 200),
    row("GET", "/api/v1/applications", Scope::ApplicationsRead, "functions/applications", 200),
    row("GET", "/api/v1/jobs/{jobId}/applications", Scope::ApplicationsRead, "functions/applications", 200),
    row("POST", "/api/v1/jobs/{jobId}/applications", Scope::ApplicationsWrite, "functions/applications", 201),
    row("GET", "/api/v1/jobs/{jobId}/applications/{id}", Scope::ApplicationsRead, "functions/applications", 200),
    row("PUT", "/api/v1/jobs/{jobId}/applications/{id}", Scope::ApplicationsWrite, "functions/applications", 200),
    // Last, because nothing is left of the candidate.
    row("DELETE", "/api/v1/candidates/{id}", Scope::CandidatesDelete, "functions/candidates", 200),
    Row { method: "GET", path: "/api/v1/usage", scope: None, function: "functions/usage", status: 200 },
];

/// Whether a path matches a pattern such as `/api/v1/jobs/{id}`.
pub fn matches(pattern: &str, path: &str) -> bool {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted.iter().zip(given).all(|(wanted, given)| wanted.starts_with('{') || *wanted == given)
}

/// An organization's objects, whose ids go into paths and bodies.
pub struct Objects {
    job: String,
    candidate: String,
    /// Has not applied to any job.
    other_candidate: String,
    /// The second stage.
    pub stage: String,
    /// The third stage.
    other_stage: String,
    application: String,
}

impl Objects {
    pub async fn of(app: &TestApp) -> Self {
        let job = app.job("open").await;
        let candidate = app.candidate("ada@example.com").await;
        let application = app.application(&job, &candidate).await;
        let other_candidate = app.candidate("alan@example.com").await;
        let [_, stage, other_stage, ..]: [String; 6] = app.stages().await.try_into().unwrap();
        Self { job, candidate, other_candidate, stage, other_stage, application }
    }

    pub fn job(&self) -> &str {
        &self.job
    }

    pub fn candidate(&self) -> &str {
        &self.candidate
    }

    /// The row's path with these objects' ids.
    pub fn path(&self, row: &Row) -> String {
        // Every new resource needs an entry here: with a wrong id, a test would see a 404 and not the missing entry.
        let id = match row.path.split("/{id}").next().unwrap() {
            "/api/v1/jobs" => &self.job,
            "/api/v1/candidates" | "/api/v1/pipeline/candidates" => &self.candidate,
            "/api/v1/pipeline/stages" => &self.stage,
            "/api/v1/jobs/{jobId}/applications" => &self.application,
            _ if row.path.contains("{id}") => panic!("no object for {}", row.path),
            _ => "",
        };
        row.path.replace("{jobId}", &self.job).replace("{stageId}", &self.stage).replace("{id}", id)
    }

    /// A valid body for the row, which changes something.
    pub fn body(&self, row: &Row) -> Option<Value> {
        match (row.method, row.path) {
            ("POST", "/api/v1/jobs") => Some(json!({ "title": "Nurse" })),
            ("PUT", "/api/v1/jobs/{id}") => Some(json!({ "title": "Head nurse" })),
            ("POST", "/api/v1/candidates") => {
                Some(json!({ "firstName": "Grace", "lastName": "Murray", "email": "grace@example.com" }))
            }
            ("PUT", "/api/v1/candidates/{id}") => Some(json!({ "email": "augusta@example.com" })),
            ("PUT", "/api/v1/pipeline/candidates/{id}/move") => Some(json!({ "stageId": self.stage })),
            ("POST", "/api/v1/jobs/{jobId}/applications") => Some(json!({ "candidateId": self.other_candidate })),
            ("PUT", "/api/v1/jobs/{jobId}/applications/{id}") => Some(json!({ "status": "shortlisted" })),
            _ => None,
        }
    }
}

impl Objects {
    /// A path for the same route whose object the real one does not depend on.
    pub fn earlier_path(&self, row: &Row) -> String {
        let path = self.path(row);
        if row.method == "DELETE" { path.replace(&self.candidate, &self.other_candidate) } else { path }
    }

    /// A body for the same route that does something else, so that the real one still has an effect.
    pub fn earlier_body(&self, row: &Row) -> Option<Value> {
        match (row.method, row.path) {
            ("POST", "/api/v1/candidates") => {
                Some(json!({ "firstName": "Ada", "lastName": "Byron", "email": "x@example.com" }))
            }
            ("PUT", "/api/v1/candidates/{id}") => Some(json!({ "email": "earlier@example.com" })),
            ("PUT", "/api/v1/jobs/{id}") => Some(json!({ "title": "Nurse of the night" })),
            // Applies nobody.
            ("POST", "/api/v1/jobs/{jobId}/applications") => Some(json!({ "candidateId": self.stage })),
            ("PUT", "/api/v1/jobs/{jobId}/applications/{id}") => Some(json!({ "status": "in-review" })),
            ("PUT", "/api/v1/pipeline/candidates/{id}/move") => Some(json!({ "stageId": self.other_stage })),
            _ => self.body(row),
        }
    }
}

async fn call(app: &TestApp, objects: &Objects, row: &Row, key: Option<&str>) -> Answer {
    app.call(row.method, &objects.path(row), key, objects.body(row)).await
}

#[tokio::test]
async fn the_table_has_every_route_and_the_template_routes_each_to_its_function() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let mut served = BTreeSet::new();
    for function in &FUNCTIONS {
        for route in (function.routes)().list() {
            served.insert(format!("{} {} by {}", route.method, route.path, function.code_uri));
        }
    }
    let listed: BTreeSet<_> =
        ROUTES.iter().map(|row| format!("{} {} by {}", row.method, row.path, row.function)).collect();
    assert_eq!(served, listed);
    for row in ROUTES {
        let (function, ..) = app.gateway.route(row.method, &objects.path(row)).unwrap();
        assert_eq!(function, row.function, "{} {}", row.method, row.path);
    }
}

#[tokio::test]
async fn a_key_with_only_the_routes_scope_is_served_and_write_does_not_imply_read() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES {
        let key = app.new_key(&[row.scope.unwrap_or(Scope::JobsRead)]).await;
        let answer = call(&app, &objects, row, Some(key.reveal())).await;
        if row.shows_what_was_there() {
            assert_eq!((answer.status.as_u16(), &answer.body), (204, &Value::Null), "{} {}", row.method, row.path);
            assert_eq!(answer.header("content-type"), None);
        } else {
            answer.ok(row.status);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(answer.header("x-ratelimit-limit"), Some("60"));
    }
}

#[tokio::test]
async fn an_update_returns_the_object_only_to_keys_with_the_read_scope() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES.iter().filter(|row| row.shows_what_was_there()) {
        let write = row.scope.unwrap();
        let read = write.read().unwrap();
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|scope| *scope != read).collect();
        let unread = call(&app, &objects, row, Some(app.new_key(&others).await.reveal())).await;
        assert_eq!((unread.status.as_u16(), &unread.body), (204, &Value::Null), "{} {}", row.method, row.path);
        // The second update changes nothing, so both responses have the same version.
        let shown = call(&app, &objects, row, Some(app.new_key(&[write, read]).await.reveal())).await;
        let version = shown.ok(row.status).get("version").map(|version| format!("\"{version}\""));
        assert_eq!((unread.header("etag"), shown.header("etag")), (version.as_deref(), version.as_deref()));
    }
}

#[tokio::test]
async fn without_a_valid_key_a_route_returns_401_with_the_same_error_for_all_invalid_keys() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let revoked = app.new_key(Scope::ALL).await;
    assert!(api_key::revoke(&app.db, &app.org, &revoked.id(), app.clock.now(), &Actor::operator()).await.unwrap());
    let unknown = unknown_key();
    // Has an existing key's id with another secret.
    let forged = ApiKey::with_id(&ApiKey::parse(&app.key).unwrap().id()).unwrap();
    for row in ROUTES {
        for missing in [None, Some("")] {
            call(&app, &objects, row, missing).await.error(401, "missing_api_key");
        }
        let mut messages = BTreeSet::new();
        for key in ["junk", "hh_live_", revoked.reveal(), unknown.reveal(), forged.reveal()] {
            let answer = call(&app, &objects, row, Some(key)).await;
            messages.insert(answer.error(401, "invalid_api_key")["message"].to_string());
            assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("ApiKey ")));
            assert!(answer.header("ratelimit").is_none(), "a stranger learns nothing of limits");
        }
        assert_eq!(messages.len(), 1);
    }
}

#[tokio::test]
async fn without_the_scope_a_route_returns_403_that_names_it_whether_or_not_the_object_exists() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES {
        let Some(wanted) = row.scope else { continue };
        let others: Vec<Scope> = Scope::ALL.iter().copied().filter(|scope| *scope != wanted).collect();
        let key = app.new_key(&others).await;
        let answer = call(&app, &objects, row, Some(key.reveal())).await;
        let error = answer.error(403, "insufficient_scope");
        assert!(error["message"].as_str().unwrap().contains(wanted.as_str()));
        let nowhere = row.path.replace("{jobId}", "x").replace("{stageId}", "x").replace("{id}", "x");
        // Nor does it matter what else is wrong with the request.
        for wrong in [nowhere.clone(), format!("{nowhere}?limit=0&unknown=1")] {
            let mut wrong = request(row.method, &wrong, Some(key.reveal()), None);
            wrong.headers_mut().insert("if-match", "W/x".parse().unwrap());
            send(&app.gateway, wrong).await.error(403, "insufficient_scope");
        }
    }
}

#[tokio::test]
async fn on_the_free_plan_every_route_but_usage_returns_403() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    app.set_plan(Plan::Free).await;
    for row in ROUTES.iter().filter(|row| row.scope.is_some()) {
        call(&app, &objects, row, Some(&app.key)).await.error(403, "plan_no_api_access");
    }
    assert_eq!(app.get("/api/v1/usage").await.ok(200)["plan"], "free");
}

#[tokio::test]
async fn another_organizations_object_reads_exactly_like_a_missing_one() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let stranger = TestApp::new().await;
    let theirs = Objects::of(&stranger).await;
    for row in ROUTES.iter().filter(|row| row.path.contains('{')) {
        let mut body = theirs.body(row);
        if let Some(Value::Object(fields)) = &mut body
            && fields.contains_key("stageId")
        {
            // The stage is the caller's own; the candidate in the path is not.
            fields.insert("stageId".to_owned(), objects.stage.clone().into());
        }
        let foreign = app.call(row.method, &theirs.path(row), Some(&app.key), body.clone()).await;
        let missing_path = row.path.replace("{jobId}", MISSING).replace("{stageId}", MISSING).replace("{id}", MISSING);
        let missing = app.call(row.method, &missing_path, Some(&app.key), body.clone()).await;
        let malformed_path = row.path.replace("{jobId}", "1").replace("{stageId}", "1").replace("{id}", "1");
        let malformed = app.call(row.method, &malformed_path, Some(&app.key), body).await;
        for answer in [&foreign, &missing, &malformed] {
            answer.error(404, "not_found");
            let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
            assert_eq!(names(answer), names(&missing));
        }
        assert_eq!(foreign.body["error"]["message"], missing.body["error"]["message"]);
        let words = "\"1\" is not a valid ID: it must be a UUID with hyphens, 36 characters long (got 1).";
        assert_eq!(malformed.body["error"]["message"], words);
    }
}

/// An id that no object has.
const MISSING: &str = "01900000-0000-7000-8000-000000000000";

#[tokio::test]
async fn an_unsupported_method_is_405_with_the_allowed_methods_and_costs_nothing() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    app.tally.take();
    for row in ROUTES {
        let answer = app.call("PATCH", &objects.path(row), Some(&app.key), None).await;
        answer.error(405, "method_not_allowed");
        let allowed: Vec<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
        assert!(allowed.contains(&row.method), "{allowed:?}");
    }
    assert_eq!(app.tally.take().total(), 0);
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_415_and_one_that_is_not_json_is_400() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES.iter().filter(|row| objects.body(row).is_some()) {
        let mut form = request(row.method, &objects.path(row), Some(&app.key), objects.body(row));
        form.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        send(&app.gateway, form).await.error(415, "unsupported_media_type");
        app.clock.advance(2_200);
        for text in ["", "\u{feff}", "{", "{\"title\":}", "\u{feff}\u{feff}{}", "nonsense"] {
            let mut broken = request(row.method, &objects.path(row), Some(&app.key), Some(json!({})));
            *broken.body_mut() = text.into();
            send(&app.gateway, broken).await.error(400, "malformed_json");
            app.clock.advance(1_100);
        }
        let mut marked = request(row.method, &objects.path(row), Some(&app.key), Some(json!({})));
        *marked.body_mut() = "\u{feff}[]".into();
        assert_eq!(send(&app.gateway, marked).await.problems(), [": invalid_type"], "a byte order mark is ignored");
        app.clock.advance(1_100);
        let list = app.call(row.method, &objects.path(row), Some(&app.key), Some(json!([]))).await;
        assert_eq!(list.problems(), [": invalid_type"]);
    }
}

#[tokio::test]
async fn an_oversized_body_is_413_before_the_key_is_checked() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    app.tally.take();
    for row in ROUTES.iter().filter(|row| row.method != "GET") {
        let body = json!({ "title": "x".repeat(256 * 1024) });
        let answer = app.call(row.method, &objects.path(row), Some(&app.key), Some(body)).await;
        answer.error(413, "payload_too_large");
    }
    assert_eq!(app.tally.take().total(), 0);
}

#[tokio::test]
async fn head_works_like_get_without_a_body() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES.iter().filter(|row| row.method == "GET") {
        let answer = app.call("HEAD", &objects.path(row), Some(&app.key), None).await;
        assert_eq!((answer.status.as_u16(), answer.body), (200, Value::Null));
        let rejected = app.call("HEAD", &objects.path(row), None, None).await;
        assert_eq!((rejected.status.as_u16(), rejected.body), (401, Value::Null));
    }
}

#[tokio::test]
async fn the_response_to_head_has_the_length_that_get_would_have() {
    let app = TestApp::new().await;
    app.post("/api/v1/jobs", json!({ "title": "\"Nurse\" \\ é" })).await.ok(201);
    let whole = app.get("/api/v1/jobs").await.body.to_string();
    let head = app.call("HEAD", "/api/v1/jobs", Some(&app.key), None).await;
    assert_eq!(head.header("content-length"), Some(whole.len().to_string().as_str()));
}
