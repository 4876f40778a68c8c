//! Notes that a request leaves for its response's headers and its log line. It knows no handler.
//!
//! They belong to the request's task, not to the process, which may serve several requests at once.

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

/// A request extension: the request's id, as in the `X-Request-Id` of its response.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// The notes of one request.
#[derive(Debug, Default)]
pub(crate) struct RequestContext {
    notes: Mutex<Notes>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The route's pattern, such as `/api/v1/jobs/{id}`. A path would name objects, and make the number of routes in the log unbounded.
    pub(crate) route: Option<String>,
    /// The organization that sent the request.
    pub(crate) organization: Option<OrgId>,
    /// The key that it was sent with.
    pub(crate) key: Option<KeyId>,
    /// A side effect of the request, such as `signed_in`.
    pub(crate) event: Option<&'static str>,
    /// The response's limit headers.
    pub(crate) limit_headers: Vec<(HeaderName, String)>,
    /// When the key expires, if that is soon.
    pub(crate) expires_at: Option<Timestamp>,
}

impl RequestContext {
    /// Runs `work` with these notes as its own.
    pub(crate) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), work).await
    }

    pub(crate) fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Notes {
    /// Adds the headers about the key: its limits, and when it expires, if that is soon.
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
    // Outside a request (a seed, an operator's command), there is nothing to add a note to.
    let _ = CURRENT.try_with(|context| change(&mut context.notes.lock().unwrap_or_else(PoisonError::into_inner)));
}

pub(crate) fn note_route(route: &str) {
    note(|notes| notes.route = Some(route.to_owned()));
}

/// Notes the organization, for the log.
pub fn note_organization(org: OrgId) {
    note(|notes| notes.organization = Some(org));
}

pub(crate) fn note_key(key: KeyId) {
    note(|notes| notes.key = Some(key));
}

/// Notes a side effect of the request, for the log.
pub fn note_event(event: &'static str) {
    note(|notes| notes.event = Some(event));
}

/// Notes when the key expires, so that responses announce it during the key's last days.
pub(crate) fn note_expiry(expires_at: Option<Timestamp>, now: Timestamp) {
    note(|notes| notes.expires_at = expires_at.filter(|at| key::expires_soon(*at, now)));
}

pub(crate) fn note_limits(limits: &Limits) {
    note(|notes| notes.limit_headers = limit_headers(limits));
}
