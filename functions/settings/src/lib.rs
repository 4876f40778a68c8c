//! `/settings…`: where an organization's people sign in, and create, watch, rotate and revoke its keys.
//!
//! Pages are made here and work without scripts. Who signs in is told by an OpenID issuer ([`issuer`]); who is signed in is a cookie
//! and a session in the table ([`visitor`]). None of the issuer's tokens reaches the browser. A change is a form that is posted, with
//! an `Origin` that is ours and a token of the session.

mod activity;
mod fields;
mod issuer;
mod keys;
mod new_key;
mod page;
mod plan;
mod refusal;
mod revoke;
mod rotate;
mod sign_in;
mod usage;
pub mod vendor;
mod visitor;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use shared::{
    html::{self, Forms},
    http::{app::App, error::ApiError},
};
use tower_http::catch_panic::CatchPanicLayer;

pub use issuer::{CALLBACK, Issuer, SIGNED_OUT};
use page::Section;
use refusal::Refusal;

/// Where who has signed in arrives.
const HOME: &str = Section::Keys.path();
/// A page that takes longer is none, and says so itself: before the request's own time is over, which has no words for people.
const DEADLINE: Duration = Duration::from_secs(4);

/// The state that every handler can take.
#[derive(Clone, Debug)]
struct Settings {
    app: App,
    issuer: Arc<Issuer>,
}

/// What this function serves.
pub fn router(app: App, issuer: Issuer) -> Router {
    Router::new()
        .route("/settings", get(async || Redirect::to(HOME)))
        .route("/settings/", get(async || Redirect::to(HOME)))
        .route(sign_in::SIGN_IN, get(sign_in::start))
        .route(CALLBACK, get(sign_in::callback))
        .route("/settings/sign-out", post(sign_in::end))
        .route(SIGNED_OUT, get(sign_in::ended))
        .route(Section::Keys.path(), get(keys::list).post(new_key::create))
        .route("/settings/keys/new", get(new_key::new))
        .route("/settings/keys/{id}/rotate", get(rotate::ask).post(rotate::rotate))
        .route("/settings/keys/{id}/revoke", get(revoke::ask).post(revoke::revoke))
        .route(Section::Usage.path(), get(usage::show))
        .route(Section::Activity.path(), get(activity::list))
        .route(Section::Plan.path(), get(plan::show))
        .route("/settings/assets/{name}", get(page::asset))
        .route("/settings/{*rest}", get(async || Refusal::Unknown))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| {
            Refusal::Failed(ApiError::Internal("a handler panicked".into())).into_response()
        }))
        .layer(middleware::from_fn(protect))
        .with_state(Settings { app, issuer: Arc::new(issuer) })
}

/// Adds what the browser must mind to every answer, and answers in time.
async fn protect(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(DEADLINE, next.run(request)).await;
    let mut response =
        answered.unwrap_or_else(|late| Refusal::Failed(ApiError::Unavailable(Box::new(late))).into_response());
    html::protect(response.headers_mut(), Forms::Home);
    response
}
