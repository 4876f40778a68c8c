//! The log: one JSON line per request, and another if something went wrong on our side. A function that runs on a schedule has one line per
//! run, which `schedule` writes, and one per unfinished erasure.
//!
//! It contains ids, and never a key, a body, a name or an email address. It knows no route.

use std::{io, panic, time::Duration};

use axum::http::{Method, StatusCode};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::{Layer, SubscriberExt},
};

use crate::{
    http::{
        context::Notes,
        error::{ApiError, OwnBody},
    },
    store::erasure::Copy,
};

/// What a request's log line contains.
pub(crate) struct Request<'a> {
    pub(crate) id: &'a str,
    /// Lambda's own id of the invocation, as in its `REPORT` line.
    pub(crate) lambda_id: &'a str,
    /// The function's version, by which a deployment's alarm finds the failures of that version.
    pub(crate) version: &'a str,
    /// Whether it is this instance's first request.
    pub(crate) cold_start: bool,
    pub(crate) method: &'a Method,
    pub(crate) status: StatusCode,
    pub(crate) error: Option<&'a ApiError>,
    pub(crate) own: Option<OwnBody>,
    pub(crate) notes: &'a Notes,
    pub(crate) db_calls: u32,
    pub(crate) duration: Duration,
}

/// Writes a request's log line.
pub(crate) fn request(request: &Request<'_>) {
    let Request { id, lambda_id, version, cold_start, method, status, error, own, notes, db_calls, duration } = request;
    if let Some(cause) = error.and_then(ApiError::cause) {
        tracing::error!(requestId = id, cause = %cause, "a request failed");
    }
    tracing::info!(
        requestId = id,
        %method,
        route = notes.route.as_deref().unwrap_or("none"),
        status = status.as_u16(),
        code = own.map(|own| own.code).or(error.map(ApiError::logged_code)),
        reason = own.and_then(|own| own.reason),
        event = notes.event,
        organization = notes.organization.map(tracing::field::display),
        keyId = notes.key.as_ref().map(tracing::field::display),
        dbCalls = db_calls,
        durationMs = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        version,
        coldStart = cold_start,
        lambdaRequestId = lambda_id,
        "request"
    );
}

/// What became of an erasure that was not finished in time.
#[derive(Debug)]
pub enum Unfinished {
    /// It is finished now.
    Finished,
    /// It had been finished in the meantime.
    FinishedBefore,
    /// It is not finished, and the next run continues.
    Left,
    /// It can't be finished, for this reason, which has no tenant's value in it.
    Failed(String),
}

/// Writes the log line of an erasure that was not finished in time. `None`: it can't be read. An alarm counts the lines with this `event`.
pub fn unfinished_erasure(erasure: Option<&Copy>, became: &Unfinished) {
    macro_rules! line {
        ($level:ident, $outcome:expr, $cause:expr) => {
            tracing::$level!(
                event = "unfinished_erasure",
                outcome = $outcome,
                organization = erasure.map(|erasure| tracing::field::display(erasure.organization)),
                candidateId = erasure.map(|erasure| tracing::field::display(erasure.candidate_id)),
                erasedAt = erasure.map(|erasure| tracing::field::display(erasure.erased_at)),
                keyId = erasure.and_then(|erasure| erasure.by.as_deref()),
                cause = $cause,
                "an erasure was not finished in time"
            )
        };
    }
    match became {
        Unfinished::Finished => line!(warn, "finished", None::<&str>),
        Unfinished::FinishedBefore => line!(warn, "finished before", None::<&str>),
        Unfinished::Left => line!(warn, "left to the next run", None::<&str>),
        Unfinished::Failed(cause) => line!(error, "failed", Some(cause.as_str())),
    }
}

/// Writes the log to `writer` as JSON: this crate's events from `info` up, and other crates' from `error` up.
pub fn subscriber<W>(writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(writer);
    let wanted = Targets::new().with_default(LevelFilter::ERROR).with_target("shared", LevelFilter::INFO);
    tracing_subscriber::registry().with(lines.with_filter(wanted))
}

/// Starts the log of a process, on its standard output. A panic is logged with its location only, because its message may contain what the
/// log must not.
pub fn start() {
    // A second start changes nothing.
    let _ = tracing::subscriber::set_global_default(subscriber(io::stdout));
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
}
