//! Failures on our side: what the client sees, what the log says, and that the response does not take long.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::Once,
    time::Duration,
};

use axum::{Router, routing::get};
use local::database::Embedded;
use serde_json::{Value, json, value::RawValue};
use shared::{
    http::{error::ApiError, log, serve::Api},
    store::db::Db,
};
use tokio::net::TcpListener;

use crate::test_app::{TestApp, TestClock, gateway, request, send, unknown_key};

thread_local! {
    /// What the test on this thread has logged since it started listening.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Sends the process's log to the test on the current thread. There is one subscriber for all tests: `tracing` caches for each line whether
/// anyone wants it, so subscribers that come and go in parallel would lose lines.
struct ToThread;

impl Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.as_mut().map(|log| log.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log of one test, from `listen` on.
pub struct Log;

impl Log {
    pub fn listen() -> Self {
        static START: Once = Once::new();
        START.call_once(|| tracing::subscriber::set_global_default(log::subscriber(|| ToThread)).unwrap());
        LOG.set(Some(Vec::new()));
        Self
    }

    pub fn text(&self) -> String {
        let Self = self;
        LOG.with_borrow(|log| String::from_utf8(log.clone().unwrap()).unwrap())
    }

    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

async fn panicking() -> Result<(), ApiError> {
    panic!("ada@example.com");
}

async fn failing() -> Result<(), ApiError> {
    Err(ApiError::Internal("the inner cause".into()))
}

async fn hanging() -> Result<(), ApiError> {
    std::future::pending().await
}

/// The status and body of a response from a function with these routes.
async fn call(router: Router, path: &str) -> (u16, Value) {
    let api = Api::open(router);
    let mut event: Value = serde_json::from_str(include_str!("../../events/jobs-list.json")).unwrap();
    event["rawPath"] = path.into();
    let raw: Box<RawValue> = serde_json::from_value(event).unwrap();
    let answer = api.answer(&raw, "lambda-request-id").await;
    (answer.status_code, serde_json::from_str(&answer.body()).unwrap())
}

#[tokio::test]
async fn a_panic_is_a_500_in_the_envelope_and_the_next_request_is_served() {
    let log = Log::listen();
    for _ in 0..2 {
        let (status, body) = call(Router::new().route("/panic", get(panicking)), "/panic").await;
        assert_eq!((status, &body["error"]["code"]), (500, &json!("internal_error")));
        assert!(!body.to_string().contains("ada@"));
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["level"], &lines[0]["cause"]), (&json!("ERROR"), &json!("a handler panicked")));
    assert_eq!((&lines[1]["route"], &lines[1]["status"]), (&json!("/panic"), &json!(500)));
    assert!(!log.text().contains("ada@"));
}

#[tokio::test]
async fn an_inner_cause_is_in_the_log_once_and_never_in_the_response() {
    let log = Log::listen();
    let (status, body) = call(Router::new().route("/fail", get(failing)), "/fail").await;
    assert_eq!((status, &body["error"]["code"]), (500, &json!("internal_error")));
    assert!(!body.to_string().contains("inner cause"));
    assert_eq!(log.text().matches("the inner cause").count(), 1);
    assert_eq!(log.lines()[0]["requestId"], body["error"]["requestId"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_a_503() {
    // The clock is paused and the runtime advances it, so no one waits.
    let api = Api::open(Router::new().route("/hang", get(hanging)));
    let mut event: Value = serde_json::from_str(include_str!("../../events/jobs-list.json")).unwrap();
    event["rawPath"] = "/hang".into();
    let raw: Box<RawValue> = serde_json::from_value(event).unwrap();
    assert_eq!(api.answer(&raw, "id").await.status_code, 503);
}

fn config(endpoint: &str) -> aws_sdk_dynamodb::config::Builder {
    local::database::config(endpoint)
}

/// Sends a valid request with DynamoDB at `endpoint`, and expects a 503 in time.
async fn answer_from(endpoint: &str) {
    let db = Db::with(config(endpoint), Embedded::tables());
    let gateway = gateway(&db, &TestClock::at(crate::test_app::START));
    let key = unknown_key();
    let request = request("GET", "/api/v1/jobs", Some(key.reveal()), None);
    let answer =
        tokio::time::timeout(Duration::from_secs(5), send(&gateway, request)).await.expect("within five seconds");
    answer.error(503, "service_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn an_unreachable_dynamodb_is_a_503_within_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let log = Log::listen();
    answer_from(&endpoint).await;
    // The log has the cause of the causes.
    assert!(log.text().contains("no connection: ") && log.text().contains("Connection refused"), "{}", log.text());
}

#[tokio::test]
async fn a_dynamodb_that_accepts_but_never_responds_is_a_503_within_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    answer_from(&endpoint).await;
    silent.abort();
}

#[tokio::test]
async fn a_rejected_body_is_logged_with_its_own_method() {
    let app = TestApp::new().await;
    let log = Log::listen();
    let body = json!({ "title": "x".repeat(300_000) });
    app.post("/api/v1/jobs", body).await.error(413, "payload_too_large");
    assert_eq!((&log.lines()[0]["method"], &log.lines()[0]["status"]), (&json!("POST"), &json!(413)));
}

#[tokio::test]
async fn the_log_line_for_a_rejected_key_has_its_id_if_the_key_is_well_formed() {
    let app = TestApp::frozen(shared::model::plan::Plan::Enterprise).await;
    let log = Log::listen();
    let id = |key: &str| shared::model::key::ApiKey::parse(key).unwrap().id();
    let revoked = app.new_key(shared::model::scope::Scope::ALL).await;
    let actor = shared::store::activity::Actor::operator();
    shared::store::api_key::revoke(&app.db, &app.org, &revoked.id(), app.clock.now(), &actor).await.unwrap();
    let forged = shared::model::key::ApiKey::with_id(&id(&app.key)).unwrap();
    let unknown = unknown_key();
    let mistyped = app.key.replace("hh_live_", "hh_live-");
    for path in ["/api/v1/jobs", "/api/v1/usage", "/api/v1/candidates"] {
        for (key, logged) in [
            (revoked.reveal(), Some(revoked.id())),
            (forged.reveal(), Some(id(&app.key))),
            (unknown.reveal(), Some(unknown.id())),
            (&mistyped, None),
            ("junk", None),
        ] {
            app.call("GET", path, Some(key), None).await.error(401, "invalid_api_key");
            let line = log.lines().pop().unwrap();
            assert_eq!(line.get("keyId").and_then(Value::as_str), logged.map(|id| id.to_string()).as_deref());
            assert_eq!(line.get("organization"), None, "only a valid key reveals its organization");
            assert!(!log.text().contains(&key[key.len().min(18)..]) || key.len() < 18);
        }
    }
}

#[tokio::test]
async fn each_request_is_one_log_line_without_key_email_or_name() {
    let app = TestApp::new().await;
    let log = Log::listen();
    let body =
        json!({ "firstName": "Adalbert", "lastName": "Stifter", "email": "adalbert@example.com", "phone": "0049123" });
    let created = app.post("/api/v1/candidates", body.clone()).await;
    let id = created.ok(201)["id"].as_str().unwrap().to_owned();
    app.post("/api/v1/candidates", body).await.error(409, "email_taken");
    app.get("/api/v1/candidates?email=adalbert@example.com").await.ok(200);
    app.get("/api/v1/candidates?email=adalbert@").await.error(400, "invalid_parameter");
    app.put(&format!("/api/v1/candidates/{id}"), json!({ "lastName": 7 })).await.error(422, "validation_error");
    app.get("/api/v1/Adalbert").await.error(404, "not_found");
    app.call("GET", "/api/v1/jobs", Some("hh_live_adalbert"), None).await.error(401, "invalid_api_key");

    let text = log.text();
    for secret in [&app.key, "hh_live", "dalbert", "tifter", "0049123", &id] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 7);
    let line = &lines[0];
    assert_eq!(line["requestId"], created.header("x-request-id").unwrap());
    assert_eq!(
        (&line["route"], &line["method"], &line["status"]),
        (&json!("/api/v1/candidates"), &json!("POST"), &json!(201))
    );
    assert_eq!((&line["organization"], &line["dbCalls"]), (&json!(app.org.to_string()), &json!(3)));
    let key_id = shared::model::key::ApiKey::parse(&app.key).unwrap().id();
    assert_eq!(line["keyId"], key_id.to_string());
    assert!(line["durationMs"].is_u64());
    assert_eq!((&line["lambdaRequestId"], &line["version"]), (&json!("local"), &json!("")));
    // Each function has its own instances: listing the jobs was another function's first request.
    let cold: Vec<_> = lines.iter().map(|line| line["coldStart"].as_bool().unwrap()).collect();
    assert_eq!(cold, [true, false, false, false, false, true, false]);
    assert_eq!(
        (&lines[5]["route"], &lines[5]["code"], &lines[5].get("keyId")),
        (&json!("none"), &json!("not_found"), &None)
    );
}
