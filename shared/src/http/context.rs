//! What one request leaves behind for its answer's headers and its log line.
//!
//! It is bound to the request's task, not to the process: a process may serve several requests at once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    http::limit_headers::limit_headers,
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{self, KeyId},
        window::Limits,
    },
};

const EXPIRES_AT_HEADER: &str = "x-api-key-expires-at";

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

/// The notes of one request.
#[derive(Debug, Default)]
pub(crate) struct RequestContext {
    notes: Mutex<Notes>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The route's pattern, such as `/api/v1/jobs/{id}`: a path would name objects, and make the log's routes endless.
    pub(crate) route: Option<String>,
    /// Whose request it is.
    pub(crate) organization: Option<OrgId>,
    /// The key that it came with.
    pub(crate) key: Option<KeyId>,
    /// What happened beside what was asked for, such as `signed_in`.
    pub(crate) event: Option<&'static str>,
    /// The limit headers of the answer.
    pub(crate) limit_headers: Vec<(HeaderName, String)>,
    /// When the key expires, where that is soon.
    pub(crate) expires_at: Option<Timestamp>,
}

impl RequestContext {
    /// Runs `work` with notes of its own.
    pub(crate) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    pub(crate) fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Notes {
    /// Adds what an answer tells of its key: how its limits stand, and that it expires soon.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        let expires = self.expires_at.map(|at| (HeaderName::from_static(EXPIRES_AT_HEADER), at.to_string()));
        for (name, value) in self.limit_headers.iter().chain(&expires) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

fn note(change: impl FnOnce(&mut Notes)) {
    // Outside a request (a seed, an operator's command) there is nothing to note for.
    let _ = CURRENT.try_with(|context| change(&mut context.notes.lock().unwrap_or_else(PoisonError::into_inner)));
}

pub(crate) fn note_route(route: &str) {
    note(|notes| notes.route = Some(route.to_owned()));
}

/// Notes whose request it is: for the log.
pub fn note_organization(org: OrgId) {
    note(|notes| notes.organization = Some(org));
}

pub(crate) fn note_key(key: KeyId) {
    note(|notes| notes.key = Some(key));
}

/// Notes what happened beside what was asked for: for the log.
pub fn note_event(event: &'static str) {
    note(|notes| notes.event = Some(event));
}

/// Notes when the key expires, so that its answers tell of it in its last days.
pub(crate) fn note_expiry(expires_at: Option<Timestamp>, now: Timestamp) {
    note(|notes| notes.expires_at = expires_at.filter(|at| key::expires_soon(*at, now)));
}

pub(crate) fn note_limits(limits: &Limits) {
    note(|notes| notes.limit_headers = limit_headers(limits));
}
