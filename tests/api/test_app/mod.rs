//! What every test starts with: an organization on a plan, a key with every scope, a clock that the test sets, and a tally of the calls to
//! DynamoDB and their cost.

mod answer;
pub mod proxy;
mod tally;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
        mpsc,
    },
    thread,
};

use aws_sdk_dynamodb::{Client, config::BehaviorVersion, types::AttributeValue};
use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use futures::stream::{self, StreamExt};
use local::{
    database::{Embedded, config},
    template::{REPOSITORY_TEMPLATE, Template},
};
use serde_json::{Value, json};
use shared::{
    http::app::App,
    model::{
        clock::{Clock, Timestamp},
        id::OrgId,
        key::{AccountId, ApiKey, KeyId, KeyNumber},
        plan::Plan,
        scope::Scope,
        value::ShortText,
    },
    store::{
        activity::Actor,
        api_key::{self, NewKey},
        db::Db,
        organization::{self, PlanChange},
    },
};

pub use answer::Answer;
pub use local::gateway::Gateway;
pub use tally::{Tally, Touch};

use crate::openapi;

/// A Tuesday, at the start of a minute.
pub const START: &str = "2026-11-24T12:00:00.000Z";

pub static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read(Path::new(REPOSITORY_TEMPLATE)).unwrap());

/// The endpoint of this process's DynamoDB: another engine that was started for it with the tables in place, or the embedded one. The
/// embedded one runs on its own thread, because each test's runtime ends with the test.
#[expect(clippy::disallowed_methods, reason = "the one setting of the tests: scripts/test-on-dynamodb-local")]
pub static ENDPOINT: LazyLock<String> =
    LazyLock::new(|| std::env::var("TEST_DYNAMODB").unwrap_or_else(|_| database().endpoint().to_owned()));

/// Starts another DynamoDB, for a test that needs its own.
pub fn database() -> Embedded {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            sender.send(Embedded::start(None, Embedded::ANY_PORT, &TEMPLATE).await.unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// A clock that stands still until a test moves it.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn at(text: &str) -> Self {
        Self(Arc::new(AtomicI64::new(text.parse::<Timestamp>().unwrap().as_millis())))
    }

    pub fn set(&self, text: &str) {
        self.0.store(text.parse::<Timestamp>().unwrap().as_millis(), Ordering::SeqCst);
    }

    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn clock(&self) -> Clock {
        let this = self.clone();
        Clock::new(move || this.now())
    }
}

/// A key of an account that does not exist.
pub fn unknown_key() -> ApiKey {
    ApiKey::with_id(&KeyId::new(&AccountId::generate().unwrap(), KeyNumber::FIRST)).unwrap()
}

/// A valid text.
pub fn short_text(text: &str) -> ShortText {
    ShortText::new(text, "The text").unwrap()
}

/// An unreachable issuer, for tests without a sign-in.
pub fn no_issuer() -> settings::Issuer {
    settings::Issuer::new("http://127.0.0.1:1", "settings", None)
}

pub struct TestApp {
    pub gateway: Arc<Gateway>,
    pub clock: TestClock,
    pub db: Db,
    /// The address of its DynamoDB.
    pub endpoint: String,
    /// DynamoDB itself, bypassing the API.
    pub client: Client,
    pub tally: Tally,
    pub org: OrgId,
    /// A key with every scope.
    pub key: String,
    /// How far the clock moves with every request: far enough that a test never hits the rate limit.
    pub step_millis: i64,
}

impl TestApp {
    /// An organization on the Enterprise plan.
    pub async fn new() -> Self {
        Self::on(Plan::Enterprise).await
    }

    /// An organization on `plan`, which must allow a key.
    pub async fn on(plan: Plan) -> Self {
        Self::in_database(&ENDPOINT, plan).await
    }

    /// Like [`frozen`](Self::frozen), with a DynamoDB of its own, for what concerns all organizations.
    pub async fn alone() -> Self {
        Self { step_millis: 0, ..Self::in_database(database().endpoint(), Plan::Enterprise).await }
    }

    /// The same, in this database.
    pub async fn in_database(endpoint: &str, plan: Plan) -> Self {
        let clock = TestClock::at(START);
        let ids = clock.clock();
        let tally = Tally::default();
        let db = Db::embedded(config(endpoint).interceptor(tally.clone()), Embedded::tables());
        let account = AccountId::generate().unwrap();
        let org = organization::create(&db, &short_text("Test"), plan, &account, || ids.stamp()).await.unwrap();
        let mut app = Self {
            gateway: Arc::new(gateway(&db, &clock)),
            clock,
            db,
            endpoint: endpoint.to_owned(),
            client: Client::from_conf(config(endpoint).behavior_version(BehaviorVersion::latest()).build()),
            tally,
            org,
            key: String::new(),
            step_millis: 1_100,
        };
        app.new_key(Scope::ALL).await.reveal().clone_into(&mut app.key);
        app.tally.take();
        app
    }

    /// Like [`on`](Self::on), with a clock that only the test moves.
    pub async fn frozen(plan: Plan) -> Self {
        Self { step_millis: 0, ..Self::on(plan).await }
    }

    /// New instances of all functions, which have seen no earlier requests.
    pub fn fresh_gateway(&self) -> Arc<Gateway> {
        Arc::new(gateway(&self.db, &self.clock))
    }

    pub async fn new_key(&self, scopes: &[Scope]) -> ApiKey {
        let new = NewKey { name: short_text("test"), scopes: scopes.to_vec(), expires_at: None };
        api_key::create(&self.db, &self.org, self.clock.now(), new, &Actor::operator()).await.unwrap()
    }

    /// A key that replaces the first one, on a plan that has no room for both.
    pub async fn new_key_instead(&self, scopes: &[Scope]) -> ApiKey {
        let first = ApiKey::parse(&self.key).unwrap().id();
        assert!(api_key::revoke(&self.db, &self.org, &first, self.clock.now(), &Actor::operator()).await.unwrap());
        self.new_key(scopes).await
    }

    /// Moves the organization to another plan.
    pub async fn set_plan(&self, plan: Plan) {
        let now = self.clock.now();
        let changed = organization::set_plan(&self.db, &self.org, now, plan, &Actor::operator()).await.unwrap();
        assert_eq!(changed, PlanChange::Done);
    }

    /// Sets the number of requests made in the month of [`START`].
    pub async fn use_up_month(&self, requests: u64) {
        let update = self.client.update_item().table_name(Embedded::tables().access);
        let update = update
            .key("pk", AttributeValue::S(self.account()))
            .key("sk", AttributeValue::S("ACCOUNT".to_owned()))
            .update_expression("SET #month = :requests")
            .expression_attribute_names("#month", "q2026-11")
            .expression_attribute_values(":requests", AttributeValue::N(requests.to_string()));
        update.send().await.unwrap();
    }

    /// The partition key of the account of the app's key.
    pub fn account(&self) -> String {
        format!("ACCOUNT#{}", ApiKey::parse(&self.key).unwrap().id().account())
    }

    /// The item of that account, read directly from DynamoDB.
    pub async fn account_item(&self) -> HashMap<String, AttributeValue> {
        let get = self.client.get_item().table_name(Embedded::tables().access).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(self.account())).key("sk", AttributeValue::S("ACCOUNT".to_owned()));
        get.send().await.unwrap().item.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Some(&self.key), None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(&self.key), Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path, Some(&self.key), Some(body)).await
    }

    pub async fn put_if_match(&self, path: &str, tags: &str, body: Value) -> Answer {
        self.clock.advance(self.step_millis);
        let mut request = request("PUT", path, Some(&self.key), Some(body));
        request.headers_mut().insert("if-match", tags.parse().unwrap());
        send(&self.gateway, request).await
    }

    pub async fn call(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> Answer {
        self.clock.advance(self.step_millis);
        send(&self.gateway, request(method, path, key, body)).await
    }

    /// Sends a write with an idempotency key.
    pub async fn call_once(&self, method: &str, path: &str, once: &str, body: Option<Value>) -> Answer {
        self.clock.advance(self.step_millis);
        send(&self.gateway, self.request_once(method, path, once, body)).await
    }

    /// A write with an idempotency key.
    pub fn request_once(&self, method: &str, path: &str, once: &str, body: Option<Value>) -> Request<Body> {
        let mut request = request(method, path, Some(&self.key), body);
        request.headers_mut().insert("idempotency-key", once.parse().unwrap());
        request
    }

    /// The ids of the stages, in pipeline order.
    pub async fn stages(&self) -> Vec<String> {
        let answer = self.get("/api/v1/pipeline/stages").await;
        answer.rows().iter().map(|stage| stage["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A new job's id.
    pub async fn job(&self, status: &str) -> String {
        let answer = self.post("/api/v1/jobs", json!({ "title": "Engineer", "status": status })).await;
        answer.ok(201)["id"].as_str().unwrap().to_owned()
    }

    /// A new candidate's id.
    pub async fn candidate(&self, email: &str) -> String {
        let body = json!({ "firstName": "Ada", "lastName": "Byron", "email": email });
        self.post("/api/v1/candidates", body).await.ok(201)["id"].as_str().unwrap().to_owned()
    }

    /// A new application's id.
    pub async fn application(&self, job: &str, candidate: &str) -> String {
        let path = format!("/api/v1/jobs/{job}/applications");
        let answer = self.post(&path, json!({ "candidateId": candidate })).await;
        answer.ok(201)["id"].as_str().unwrap().to_owned()
    }
}

pub fn gateway(db: &Db, clock: &TestClock) -> Gateway {
    Gateway::new(&TEMPLATE, || App::new(db.clone(), clock.clock()), no_issuer()).unwrap()
}

/// How many requests of a storm are under way at once: as many as the embedded engine answers within a call's timeout on a busy machine. A
/// call that times out is repeated, and what the engine did meanwhile is no longer what a test expects.
pub const UNDER_WAY: usize = 32;

/// Sends `count` requests as fast as they are answered, on all threads, to each instance and with each key in turn.
pub async fn storm(instances: &[Arc<Gateway>], keys: &[&str], count: usize) -> Vec<Answer> {
    let requests = (0..count).map(|i| {
        let (instance, key) = (Arc::clone(&instances[i % instances.len()]), keys[i % keys.len()].to_owned());
        async move {
            let request = request("GET", "/api/v1/jobs", Some(&key), None);
            tokio::spawn(async move { send(&instance, request).await }).await.unwrap()
        }
    });
    stream::iter(requests).buffered(UNDER_WAY).collect().await
}

/// How many answers have each status.
pub fn by_status(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status.as_u16()).or_default() += 1;
    }
    statuses
}

/// The state of a function that uses no database.
pub fn unused_app() -> App {
    App::new(Db::with(config("http://127.0.0.1:1"), Embedded::tables()), Clock::system())
}

/// The API's origin in these tests.
pub const ORIGIN: &str = "http://api.example.com";

pub fn request(method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    match body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap(),
        None => request.body(Body::empty()).unwrap(),
    }
}

/// Sends a request, and checks the response against `openapi.json`.
pub async fn send(gateway: &Gateway, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = gateway.handle(request, SocketAddr::from(([192, 0, 2, 1], 443))).await;
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    let answer = Answer { status: parts.status, headers: parts.headers, body };
    openapi::check(&method, &path, &answer);
    answer
}
