//! Lambda's Runtime API for one function's process: sends it events and receives its responses.
//!
//! It knows no function and no event: the tests and measurements of the release binaries supply both.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify, mpsc},
};

/// The id of every invocation.
pub const INVOCATION_ID: &str = "lambda-request-id";

/// How long a function may take, as in Lambda.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The part of the Runtime API that a function uses: next, response, error.
struct Api {
    events: Mutex<mpsc::Receiver<String>>,
    responses: mpsc::Sender<Result<Value, String>>,
    asked: Arc<Notify>,
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    api.asked.notify_one();
    let Some(event) = api.events.lock().await.recv().await else {
        return std::future::pending().await;
    };
    let headers = [
        ("lambda-runtime-aws-request-id", INVOCATION_ID),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:000000000000:function:local"),
    ];
    (headers, event).into_response()
}

async fn respond(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    take(&api, serde_json::from_slice(&body).map_err(|error| format!("a response that is not JSON: {error}"))).await
}

async fn fail(State(api): State<Arc<Api>>, body: String) -> StatusCode {
    take(&api, Err(body)).await
}

async fn take(api: &Api, response: Result<Value, String>) -> StatusCode {
    // The receiver may be gone.
    let _ = api.responses.send(response).await;
    StatusCode::ACCEPTED
}

/// The path of a release binary.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release").join(name)
}

/// Gives a command the environment that Lambda gives a function, and nothing else, with a Runtime API and a DynamoDB at these addresses.
pub fn set_environment(command: &mut Command, runtime_api: &str, dynamodb: &str) {
    command.env_clear().stdin(Stdio::null()).envs([
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_FUNCTION_NAME", "local"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "7"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "local"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
        ("AWS_REGION", "local"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
        ("ACCESS_TABLE", "AccessTable"),
        ("RECORDS_TABLE", "RecordsTable"),
        ("OIDC_ISSUER", "http://127.0.0.1:1"),
        ("OIDC_CLIENT_ID", "settings"),
    ]);
}

/// A function's process, and the channels to and from it. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    /// The process.
    pub child: Child,
    events: mpsc::Sender<String>,
    responses: mpsc::Receiver<Result<Value, String>>,
    asked: Arc<Notify>,
}

impl Process {
    /// Starts `command` with its own Runtime API and the DynamoDB at this address.
    pub async fn start(mut command: Command, dynamodb: &str) -> io::Result<Self> {
        let (events, received) = mpsc::channel(1);
        let (sent, responses) = mpsc::channel(1);
        let asked = Arc::new(Notify::new());
        let state = Api { events: Mutex::new(received), responses: sent, asked: Arc::clone(&asked) };
        let api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(respond))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(fail))
            .route("/2018-06-01/runtime/init/error", post(fail))
            .with_state(Arc::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move { axum::serve(listener, api).await });
        set_environment(&mut command, &address, dynamodb);
        let child = command.spawn()?;
        Ok(Self { child, events, responses, asked })
    }

    /// Waits until the function asks for an invocation. An error if it takes longer than `patience`.
    pub async fn is_ready(&self, patience: Duration) -> io::Result<()> {
        tokio::time::timeout(patience, self.asked.notified()).await.map_err(io::Error::other)
    }

    /// Returns the response to an event. Fails if the function reports an error, exits, or takes longer than Lambda allows.
    pub async fn invoke(&mut self, event: &Value) -> io::Result<Value> {
        self.events.send(event.to_string()).await.map_err(io::Error::other)?;
        let response = tokio::time::timeout(TIMEOUT, self.responses.recv()).await.map_err(io::Error::other)?;
        if let Some(status) = self.child.try_wait()? {
            return Err(io::Error::other(format!("the process ended with {status}")));
        }
        match response {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(io::Error::other(format!("a function error: {error}"))),
            None => Err(io::Error::other("the Runtime API has ended")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
