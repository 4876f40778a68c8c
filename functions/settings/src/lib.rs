//! `/settings…`: where an organization's people sign in, and make, watch, rotate and revoke its keys.
//!
//! Pages are made here and work without scripts. Who signs in is told by an OpenID issuer ([`issuer`]); who is signed in is a cookie
//! and a session in the table ([`visitor`]). No token ever reaches the browser. A change is a form that is posted, with an `Origin`
//! that is ours and a token of the session.

mod activity;
mod issuer;
mod key;
mod keys;
mod page;
mod plan;
mod refusal;
mod sign_in;
mod usage;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::{Redirect, Response},
    routing::{get, post},
};
use shared::{
    app::App,
    browser::{self, Forms},
};

pub use issuer::{CALLBACK, Issuer};
use refusal::Refusal;

/// Where who has signed in arrives.
const HOME: &str = "/settings/keys";

/// The state that every handler can take.
#[derive(Clone, Debug)]
struct Settings {
    app: App,
    issuer: Arc<Issuer>,
}

/// What this function serves.
pub fn router(app: App, issuer: Issuer) -> Router {
    let settings = Settings { app, issuer: Arc::new(issuer) };
    Router::new()
        .route("/settings", get(async || Redirect::to(HOME)))
        .route("/settings/sign-in", get(sign_in::start))
        .route("/settings/callback", get(sign_in::callback))
        .route("/settings/sign-out", post(sign_in::end))
        .route("/settings/signed-out", get(sign_in::ended))
        .route("/settings/keys", get(keys::list).post(keys::create))
        .route("/settings/keys/new", get(keys::new))
        .route("/settings/keys/{id}/rotate", get(key::ask_rotate).post(key::rotate))
        .route("/settings/keys/{id}/revoke", get(key::ask_revoke).post(key::revoke))
        .route("/settings/usage", get(usage::show))
        .route("/settings/activity", get(activity::list))
        .route("/settings/plan", get(plan::show))
        .route("/settings/assets/{name}", get(page::asset))
        .route("/settings/{*rest}", get(async || Refusal::Unknown))
        .layer(middleware::from_fn(protect))
        .with_state(settings)
}

/// Adds what the browser must mind to every answer.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    browser::protect(response.headers_mut(), Forms::Home);
    response
}
