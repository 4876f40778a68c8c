//! One run: instances of the functions with clocks of their own, a network, and those who use them. Time passes only while everyone waits.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
use aws_smithy_async::time::TimeSource;
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use fastrand::Rng;
use local::{
    database::Embedded,
    gateway::Gateway,
    template::{REPOSITORY_TEMPLATE, Template},
};
use serde_json::Value;
use shared::{
    http::app::App,
    model::{
        clock::{Clock, Timestamp},
        id::OrgId,
        key::{AccountId, ApiKey},
        plan::Plan,
        scope::Scope,
        value::ShortText,
    },
    store::{
        activity::Actor,
        api_key::{self, NewKey},
        db::Db,
        organization,
    },
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    engine::Engine,
    invariants,
    network::{Network, Planted},
    truth::{HeldKey, Truth, Validity},
    weather::Weather,
};

pub static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read(Path::new(REPOSITORY_TEMPLATE)).unwrap());

/// The clocks begin around here.
const START: &str = "2026-11-24T12:00:30.000Z";
/// How far an instance's clock may be from the true time: two instances may be two minutes apart.
const SKEW: i64 = 60_000;
/// Further than the limits allow for.
const PLANTED_SKEW: i64 = 400_000;
/// How long a client waits for a response.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Instance {
    gateway: Arc<Gateway>,
    clock: Clock,
}

pub struct World {
    pub network: Network,
    pub engine: Engine,
    pub org: OrgId,
    begun: Instant,
    instances: Mutex<Vec<Instance>>,
    truth: Mutex<Truth>,
    skew: i64,
    /// Whether an instance may die while it serves a request.
    is_mortal: bool,
    names: AtomicU64,
}

/// What a client sends.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    pub once: Option<String>,
    pub if_match: Option<u64>,
}

impl Call {
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, once: None, if_match: None }
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

impl World {
    pub async fn new(rng: &mut Rng, plan: Plan, planted: Option<Planted>) -> Arc<Self> {
        Arc::new(Self::with(rng, plan, planted, true).await)
    }

    /// An organization on the Enterprise plan, on a network without faults, with instances that don't die.
    pub async fn calm(rng: &mut Rng) -> Self {
        let world = Self::with(rng, Plan::Enterprise, None, false).await;
        world.network.set_weather(Weather::CALM);
        world
    }

    async fn with(rng: &mut Rng, plan: Plan, planted: Option<Planted>, is_mortal: bool) -> Self {
        let engine = Engine::new();
        let weather = match planted {
            Some(Planted::ClocksApart) => Weather::CALM,
            Some(_) => Weather::STORM,
            None => Weather::random(rng),
        };
        let network = Network::new(engine.clone(), rng.fork(), Weather::CALM, planted);
        let begun = Instant::now();
        let clock = clock(begun, 0);
        let db = db(&network);
        let account = AccountId::generate().unwrap();
        let name = ShortText::new("Simulation", "The name").unwrap();
        let org = organization::create(&db, &name, plan, &account, || clock.stamp()).await.unwrap();
        let key = api_key::create(&db, &org, clock.now(), new_key(), &Actor::operator()).await.unwrap();
        network.set_weather(weather);
        let skew = if planted == Some(Planted::ClocksApart) { PLANTED_SKEW } else { SKEW };
        let truth = Mutex::new(Truth::new(key, plan));
        let instances = Mutex::default();
        let world = Self { network, engine, org, begun, instances, truth, skew, is_mortal, names: AtomicU64::new(0) };
        let instances = (0..rng.usize(2..4)).map(|_| world.instance(rng)).collect();
        *world.instances.lock().unwrap() = instances;
        world
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        let clock = clock(self.begun, rng.i64(-self.skew..=self.skew));
        let issuer = settings::Issuer::new("http://127.0.0.1:1", "settings", None);
        let db = self.db();
        let gateway = Gateway::new(&TEMPLATE, || App::new(db.clone(), clock.clone()), issuer).unwrap();
        Instance { gateway: Arc::new(gateway), clock }
    }

    /// The tables, by way of the network.
    pub fn db(&self) -> Db {
        db(&self.network)
    }

    /// A clock that is off by a random amount.
    pub fn clock(&self, rng: &mut Rng) -> Clock {
        clock(self.begun, rng.i64(-self.skew..=self.skew))
    }

    pub fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    /// A text that nobody else has.
    pub fn name(&self, kind: &str) -> String {
        format!("{kind}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// One of the keys, mostly one that is valid.
    pub fn key(&self, rng: &mut Rng) -> HeldKey {
        let truth = self.truth();
        let wants = if rng.u8(..20) == 0 { Validity::Ended } else { Validity::Valid };
        let fitting: Vec<&HeldKey> = truth.keys.iter().filter(|held| held.validity == wants).collect();
        let all: Vec<&HeldKey> = if fitting.is_empty() { truth.keys.iter().collect() } else { fitting };
        all[rng.usize(..all.len())].clone()
    }

    /// Sends a request to one of the instances, which may die meanwhile. `None`: no response.
    pub async fn send(&self, rng: &mut Rng, key: &HeldKey, call: &Call) -> Option<Answer> {
        let number = rng.usize(..self.instances.lock().unwrap().len());
        let instance = self.instances.lock().unwrap()[number].clone();
        let minute = (key.secret.id().to_string(), instance.clock.now().to_string()[..16].to_owned());
        self.truth().minutes.entry(minute.clone()).or_default().0 += 1;
        let (validity, plan) = (self.validity(&key.secret), self.truth().plan);
        let request = request(call, &key.secret);
        let gateway = Arc::clone(&instance.gateway);
        let mut serving = tokio::spawn(async move {
            let response = gateway.handle(request, SocketAddr::from(([192, 0, 2, 1], 443))).await;
            let (parts, body) = response.into_parts();
            let bytes = to_bytes(body, usize::MAX).await.unwrap();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            Answer { status: parts.status, body }
        });
        let lives = if self.is_mortal && rng.u8(..60) == 0 { Duration::from_millis(rng.u64(..60)) } else { PATIENCE };
        let Ok(answer) = timeout(lives, &mut serving).await else {
            serving.abort();
            let fresh = self.instance(rng);
            self.instances.lock().unwrap()[number] = fresh;
            let mut truth = self.truth();
            truth.expect(lives < PATIENCE, || format!("no response to {} {}", call.method, call.path));
            truth.count("died");
            return None;
        };
        let answer = answer.unwrap();
        self.check(call, key, &answer, &minute, validity, plan);
        Some(answer)
    }

    fn validity(&self, secret: &ApiKey) -> (Validity, u64) {
        let truth = self.truth();
        let held = truth.keys.iter().find(|held| held.secret == *secret).unwrap();
        (held.validity, held.changes)
    }

    /// Checks what every response must be, given what was known when the request was sent.
    fn check(
        &self,
        call: &Call,
        key: &HeldKey,
        answer: &Answer,
        minute: &(String, String),
        (validity, changes): (Validity, u64),
        (plan, plan_changes): (Option<Plan>, u64),
    ) {
        let is_as_before = self.validity(&key.secret).1 == changes;
        let (status, code) = (answer.status.as_u16(), answer.code().to_owned());
        let of = || format!("{status} {code} to {} {}", call.method, call.path);
        let mut truth = self.truth();
        truth.count(format!("{} {status} {code}", call.method));
        truth.expect(status != 500, of);
        let is_admitted = !matches!(status, 401 | 403 | 429 | 503);
        match validity {
            // What this instance remembers of the key's limits may come first.
            Validity::Ended => truth.expect(!is_admitted, || format!("an ended secret: {}", of())),
            Validity::Valid if is_as_before => truth.expect(status != 401, || format!("a valid secret: {}", of())),
            _ => {}
        }
        if truth.plan.1 == plan_changes && validity == Validity::Valid && is_as_before {
            let has_access = plan.map(Plan::has_api_access);
            truth.expect(has_access != Some(true) || status != 403, || format!("a plan with access: {}", of()));
            truth.expect(has_access != Some(false) || matches!(status, 403 | 429 | 503), || {
                format!("no access: {}", of())
            });
        }
        let counts = truth.minutes.entry(minute.clone()).or_default();
        counts.1 += u64::from(is_admitted);
        let (sent, served) = *counts;
        truth.expect(served <= 60, || format!("{served} requests of {minute:?} were served"));
        // An attempt that comes twice may count twice, and no more.
        truth
            .expect(code != "rate_limit_exceeded" || sent * 2 > 60, || format!("a refusal after {sent} of {minute:?}"));
        let number = truth.outcomes.values().sum::<u64>();
        drop(truth);
        if number.is_multiple_of(4) {
            self.inspect();
        }
    }

    /// Checks what must hold of the tables at every moment.
    pub fn inspect(&self) {
        let wrong = invariants::of_tables(&self.engine.access(), &self.engine.records());
        self.truth().wrong.extend(wrong);
    }

    /// Waits for a random while, at most so many milliseconds.
    pub async fn pause(&self, rng: &mut Rng, most: u64) {
        sleep(Duration::from_millis(rng.u64(..=most))).await;
    }
}

pub fn new_key() -> NewKey {
    let name = ShortText::new("simulated", "The name").unwrap();
    NewKey { name, scopes: Scope::ALL.to_vec(), expires_at: None }
}

fn clock(begun: Instant, skew: i64) -> Clock {
    let start = START.parse::<Timestamp>().unwrap().as_millis() + skew;
    Clock::new(move || Timestamp::from_millis(start + i64::try_from(begun.elapsed().as_millis()).unwrap()))
}

/// The SDK's clock.
#[derive(Clone, Debug)]
struct Elapsed(Instant);

impl TimeSource for Elapsed {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 56) + self.0.elapsed()
    }
}

fn db(network: &Network) -> Db {
    let config = Builder::new()
        .time_source(Elapsed(network.begun()))
        .region(Region::from_static("local"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url("http://dynamodb.local")
        .http_client(network.client());
    Db::with(config, Embedded::tables())
}

fn request(call: &Call, secret: &ApiKey) -> Request<Body> {
    let mut request = Request::builder().method(call.method).uri(&call.path).header("host", "api.example.com");
    request = request.header("x-api-key", secret.reveal());
    if let Some(once) = &call.once {
        request = request.header("idempotency-key", once);
    }
    if let Some(version) = call.if_match {
        request = request.header("if-match", format!("\"{version}\""));
    }
    match &call.body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap(),
        None => request.body(Body::empty()).unwrap(),
    }
}
