//! What one request leaves behind for its answer's headers and its log line.
//!
//! It is bound to the request's task, not to the process: a process may serve several requests at once.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{id::OrgId, key::KeyId, limits::Limits};

tokio::task_local! {
    static CURRENT: Arc<Exchange>;
}

/// The notes of one request.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    db_calls: AtomicU32,
    notes: Mutex<Notes>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The route's pattern, such as `/api/v1/jobs/{id}`: a path would name objects, and make the log's routes endless.
    pub(crate) route: Option<String>,
    /// Who asks.
    pub(crate) caller: Option<(OrgId, KeyId)>,
    /// The limit headers of the answer.
    pub(crate) limit_headers: Vec<(HeaderName, String)>,
}

impl Exchange {
    /// Runs `work` with notes of its own.
    pub(crate) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    /// Calls made to DynamoDB, attempts counted singly.
    pub(crate) fn db_calls(&self) -> u32 {
        self.db_calls.load(Ordering::Relaxed)
    }

    pub(crate) fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Notes {
    pub(crate) fn add_limit_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.limit_headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

fn note(change: impl FnOnce(&mut Notes)) {
    // Outside a request (a seed, an operator's command) there is nothing to note for.
    let _ = CURRENT.try_with(|exchange| change(&mut exchange.notes.lock().unwrap_or_else(PoisonError::into_inner)));
}

pub(crate) fn count_db_call() {
    let _ = CURRENT.try_with(|exchange| exchange.db_calls.fetch_add(1, Ordering::Relaxed));
}

pub(crate) fn note_route(route: &str) {
    note(|notes| notes.route = Some(route.to_owned()));
}

pub(crate) fn note_caller(org: OrgId, key: KeyId) {
    note(|notes| notes.caller = Some((org, key)));
}

pub(crate) fn note_limits(limits: &Limits) {
    note(|notes| notes.limit_headers = limits.headers());
}
