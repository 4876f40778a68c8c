//! Functions that run on a schedule, not for a request. It knows no function's work.
//!
//! A run does what is overdue as far as its time allows, and leaves the rest to the next run. The event contains nothing that a run needs.

use std::{
    pin::Pin,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::{
    http::{
        app::{self, App},
        serve,
    },
    store::{calls::Calls, error::StoreError},
};

/// How long a run works: well below the functions' timeout (60 s), at which Lambda would end it in the middle of something.
pub const RUN_TIME: Duration = Duration::from_secs(45);

/// What a run did with what was overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How much was overdue.
    pub found: usize,
    /// How much of it could not be done.
    pub failed: usize,
    /// How much of it is left to the next run, for lack of time.
    pub left: usize,
    /// Whether there was more than one run looks at.
    pub more: bool,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not find out what was overdue.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It tried everything, and some of it failed.
    #[error("{} of {} failed", .0.failed, .0.found)]
    Failed(Done),
}

impl From<RunError> for Diagnostic {
    fn from(error: RunError) -> Self {
        Self { error_type: "RunError".to_owned(), error_message: error.to_string() }
    }
}

/// What a function does in a run, which should end at the given moment.
type Work = fn(App, Instant) -> Pin<Box<dyn Future<Output = Result<Done, StoreError>> + Send>>;

/// A whole function that runs on a schedule, with its state.
#[derive(Clone, Debug)]
pub struct Task {
    app: App,
    work: Work,
    /// The function's version, such as `7`. Empty outside Lambda.
    version: Arc<str>,
    has_run: Arc<AtomicBool>,
}

impl Task {
    /// A function that does this work.
    #[must_use]
    pub fn new(app: App, work: Work) -> Self {
        let version = app::optional("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_default();
        Self { app, work, version: version.into(), has_run: Arc::default() }
    }

    /// Runs once, and writes a log line about it. `lambda_id` is the invocation's id. An error if anything failed.
    pub async fn run(&self, lambda_id: &str) -> Result<Done, RunError> {
        let (started, calls) = (Instant::now(), Calls::default());
        let done = calls.count((self.work)(self.app.clone(), started + RUN_TIME)).await;
        let outcome = done.map_err(RunError::from).and_then(|done| match done.failed {
            0 => Ok(done),
            _ => Err(RunError::Failed(done)),
        });
        if let Err(error) = &outcome {
            tracing::error!(lambdaRequestId = lambda_id, cause = %error, "a run failed");
        }
        let done = match &outcome {
            Ok(done) | Err(RunError::Failed(done)) => Some(done),
            Err(RunError::Store(_)) => None,
        };
        tracing::info!(
            found = done.map(|done| done.found),
            failed = done.map(|done| done.failed),
            left = done.map(|done| done.left),
            more = done.map(|done| done.more),
            dbCalls = calls.number(),
            durationMs = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            version = &*self.version,
            coldStart = !self.has_run.swap(true, Ordering::Relaxed),
            lambdaRequestId = lambda_id,
            "run"
        );
        outcome
    }
}

/// Runs a function in Lambda: a run for each event, which fails if anything in it failed.
pub async fn run(make: impl FnOnce(App) -> Task) -> ExitCode {
    let task = match serve::start(|app| Ok(make(app))).await {
        Ok(task) => task,
        Err(failed) => return failed,
    };
    let run = lambda_runtime::service_fn(|event: LambdaEvent<IgnoredAny>| {
        let task = task.clone();
        async move { task.run(&event.context.request_id).await.map(drop) }
    });
    serve::ended(lambda_runtime::run(run).await)
}
