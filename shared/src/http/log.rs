//! The log: one JSON line per request, and another if something went wrong on our side.
//!
//! It contains ids, and never a key, a body, a name or an email address. It knows no route.

use std::{io, panic, time::Duration};

use axum::http::{Method, StatusCode};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{self, MakeWriter},
    layer::{Layer, SubscriberExt},
};

use crate::http::{
    context::Notes,
    error::{ApiError, OwnBody},
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
