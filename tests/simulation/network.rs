//! What lies between the functions and DynamoDB: it delays, loses, doubles, reorders, refuses and damages, as its seed says.
//!
//! It takes the place of the SDK's HTTP client. A request that is on its way goes on when its sender gives up.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::config::{
    RuntimeComponents,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{engine::Engine, weather::Weather};

/// DynamoDB forgets a transaction's token after so long.
const TOKEN_REMEMBERED: Duration = Duration::from_mins(10);
/// The longest that an attempt is under way.
pub const LATEST: Duration = Duration::from_mins(20);

/// Takes a protection away, to show that the invariants would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// An update of a record is not bound to the state that was read.
    UnconditionalUpdates,
    /// Each attempt at a transaction has a token of its own.
    FreshTokens,
    /// A write that was lost is answered as if it were done.
    HollowAnswers,
    /// The instances' clocks are further apart than they may be.
    ClocksApart,
}

#[derive(Clone, Debug)]
pub struct Network(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    planted: Option<Planted>,
    state: Mutex<(Rng, Weather)>,
    script: Mutex<Option<Script>>,
    begun: Instant,
    /// Sums up every call, to tell whether two runs are the same.
    trace: AtomicU64,
    calls: AtomicU64,
}

/// One fault, instead of the weather's.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// How many calls come before it.
    pub after: usize,
    /// How many calls it strikes.
    pub times: usize,
    pub fate: Fate,
}

/// What becomes of one attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    pub there: Duration,
    pub back: Duration,
    /// It does not arrive.
    pub is_lost: bool,
    pub refusal: Option<Refusal>,
    /// It arrives a second time, so much later.
    pub again: Option<Duration>,
    pub answer: Answer,
    /// If there is no answer, the connection breaks, rather than being silent until the sender gives up.
    pub breaks: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    Fault,
    Throttled,
    Conflict,
}

#[derive(Clone, Copy, Debug, Default)]
pub enum Answer {
    #[default]
    Whole,
    Lost,
    Empty,
    Cut,
    Page,
}

impl Network {
    pub fn new(engine: Engine, rng: Rng, weather: Weather, planted: Option<Planted>) -> Self {
        let state = Mutex::new((rng, weather));
        let begun = Instant::now();
        let (trace, calls) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { engine, planted, state, script: Mutex::default(), begun, trace, calls }))
    }

    /// The HTTP client that sends everything this way.
    pub fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    pub fn begun(&self) -> Instant {
        self.0.begun
    }

    pub fn set_weather(&self, weather: Weather) {
        self.0.state.lock().unwrap().1 = weather;
    }

    /// Lets one fault strike, and returns what is left of the one before.
    pub fn play(&self, script: Option<Script>) -> Option<Script> {
        std::mem::replace(&mut self.0.script.lock().unwrap(), script)
    }

    fn scripted(&self, is_write: bool) -> Option<Fate> {
        let mut script = self.0.script.lock().unwrap();
        let Script { after, times, fate } = script.as_mut()?;
        if *after > 0 {
            *after -= 1;
            return None;
        }
        // A read meets no conflict, and to make it twice is no fault.
        let strikes = is_write || !(matches!(fate.refusal, Some(Refusal::Conflict)) || fate.again.is_some());
        *times = times.checked_sub(1)?;
        strikes.then_some(*fate)
    }

    /// A number that is the same for two runs exactly if they made the same calls at the same times.
    pub fn trace(&self) -> u64 {
        self.0.trace.load(Ordering::Relaxed)
    }

    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    fn fate(&self, operation: &str) -> Fate {
        let (rng, weather) = &mut *self.0.state.lock().unwrap();
        let at = self.0.begun.elapsed();
        let trace = self.0.trace.load(Ordering::Relaxed);
        let step = operation.bytes().fold(at.as_millis().try_into().unwrap_or(0), |sum: u64, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.0.trace.store(trace.rotate_left(5) ^ step, Ordering::Relaxed);
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let is_write = !matches!(operation, "GetItem" | "BatchGetItem" | "Query");
        if let Some(fate) = self.scripted(is_write) {
            return fate;
        }
        if weather.is_out(at) {
            return Fate { is_lost: true, breaks: rng.bool(), ..Fate::default() };
        }
        let mut fate =
            Fate { there: weather.delay(rng), back: weather.delay(rng), breaks: rng.bool(), ..Fate::default() };
        fate.is_lost = weather.strikes(rng);
        if weather.strikes(rng) {
            let refusals = [Refusal::Fault, Refusal::Throttled, Refusal::Conflict];
            fate.refusal = Some(refusals[rng.usize(..if is_write { 3 } else { 2 })]);
        }
        if is_write && weather.strikes(rng) {
            // Each order of magnitude is as likely as another.
            fate.again = Some(LATEST.div_f64(2_f64.powf(rng.f64() * 20.0)));
        }
        if weather.strikes(rng) {
            fate.answer = [Answer::Lost, Answer::Lost, Answer::Empty, Answer::Cut, Answer::Page][rng.usize(..5)];
        }
        fate
    }

    /// Carries one attempt there and back. `None`: there is no answer.
    async fn carry(self, operation: String, body: String, fate: Fate) -> Option<(u16, String)> {
        sleep(fate.there).await;
        let (status, answer) = if fate.is_lost {
            let is_hollow = self.0.planted == Some(Planted::HollowAnswers) && operation == "TransactWriteItems";
            return is_hollow.then(|| (200, "{}".to_owned()));
        } else if let Some(refusal) = fate.refusal {
            refuse(refusal, &operation, &body)
        } else {
            self.0.engine.execute(&operation, &self.sent(&operation, &body))
        };
        // A copy of what was refused could not be told from a new request.
        if let Some(later) = fate.again.filter(|_| status == 200) {
            let (this, operation, body) = (self.clone(), operation.clone(), self.sent(&operation, &body));
            tokio::spawn(async move {
                sleep(later).await;
                let body = if later > TOKEN_REMEMBERED { with_token(&body, &this.number()) } else { body };
                this.0.engine.execute(&operation, &body);
            });
        }
        sleep(fate.back).await;
        match fate.answer {
            Answer::Whole => Some((status, answer)),
            Answer::Lost => None,
            Answer::Empty => Some((status, String::new())),
            Answer::Cut => Some((status, answer[..answer.len() / 2].to_owned())),
            Answer::Page => Some((status, "<html>Please sign in</html>".to_owned())),
        }
    }

    /// The request as it arrives.
    fn sent(&self, operation: &str, body: &str) -> String {
        match self.0.planted {
            Some(Planted::UnconditionalUpdates) if operation == "UpdateItem" && body.contains("\"RecordsTable\"") => {
                let mut body: Value = serde_json::from_str(body).unwrap();
                // As long as the item exists, it may be at any version.
                let condition = format!("({}) OR attribute_exists(pk)", body["ConditionExpression"].as_str().unwrap());
                body["ConditionExpression"] = condition.into();
                body.to_string()
            }
            Some(Planted::FreshTokens) => with_token(body, &self.number()),
            _ => body.to_owned(),
        }
    }

    fn number(&self) -> String {
        format!("{:016x}", self.0.state.lock().unwrap().0.u64(..))
    }
}

/// The request with another token, if it has one.
fn with_token(body: &str, token: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap();
    if let Some(old) = body.get_mut("ClientRequestToken") {
        *old = token.into();
    }
    body.to_string()
}

/// What DynamoDB says without having done anything.
fn refuse(refusal: Refusal, operation: &str, body: &str) -> (u16, String) {
    let error = |name: &str| json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "" });
    let body = match (refusal, operation) {
        (Refusal::Fault, _) => return (500, error("InternalServerError").to_string()),
        (Refusal::Throttled, _) => error("ThrottlingException"),
        (Refusal::Conflict, "TransactWriteItems") => {
            let sent: Value = serde_json::from_str(body).unwrap();
            let mut reasons = vec![json!({ "Code": "None" }); sent["TransactItems"].as_array().unwrap().len()];
            reasons[0] = json!({ "Code": "TransactionConflict" });
            let mut error = error("TransactionCanceledException");
            error["CancellationReasons"] = reasons.into();
            error
        }
        (Refusal::Conflict, _) => error("TransactionConflictException"),
    };
    (400, body.to_string())
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8(request.body().bytes().unwrap_or_default().to_vec()).unwrap();
        let fate = self.fate(&operation);
        let (sender, receiver) = oneshot::channel();
        let carried = self.clone().carry(operation, body, fate);
        tokio::spawn(async move { sender.send(carried.await) });
        HttpConnectorFuture::new(async move {
            match receiver.await {
                Ok(Some((status, body))) => {
                    let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
                    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
                    Ok(response)
                }
                _ if fate.breaks => Err(ConnectorError::io("the connection broke".into())),
                _ => std::future::pending().await,
            }
        })
    }
}

impl HttpClient for Network {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
