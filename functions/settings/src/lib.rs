//! `/settings…`: where an organization's people sign in, and create, watch, rotate and revoke its keys.
//!
//! Pages are made here and work without scripts. Who signs in is told by an OpenID issuer ([`issuer`]); who is signed in is a cookie
//! and a session in the table ([`visitor`]). None of the issuer's tokens reaches the browser. A change is a form that is posted, with
//! an `Origin` that is ours and a token of the session.

mod activity;
mod error;
mod error_view;
mod fields;
mod issuer;
mod key_path;
mod keys;
mod layout;
mod new_key;
mod path;
mod plan;
mod revoke;
mod rotate;
mod sign_in;
mod usage;
pub mod vendor;
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
    html::{self, Forms},
    http::{app::App, serve::Api},
};

use error::SettingsError;
pub use issuer::Issuer;
use layout::Section;
use path::HOME;
pub use path::{CALLBACK, SIGNED_OUT};

/// The state that every handler can take.
#[derive(Clone, Debug)]
struct Settings {
    app: App,
    issuer: Arc<Issuer>,
}

/// What this function serves.
#[must_use]
pub fn api(app: App, issuer: impl Into<Arc<Issuer>>) -> Api {
    Api::pages(router(Settings { app, issuer: issuer.into() }), |error| error_view::of(SettingsError::Failed(error)))
}

fn router(settings: Settings) -> Router {
    Router::new()
        .route("/settings", get(async || Redirect::to(HOME)))
        .route("/settings/", get(async || Redirect::to(HOME)))
        .route(path::SIGN_IN, get(sign_in::start))
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
        .route("/settings/assets/{name}", get(layout::asset))
        .route("/settings/{*rest}", get(async || SettingsError::Unknown))
        .method_not_allowed_fallback(async || SettingsError::MethodNotAllowed)
        .layer(middleware::from_fn(protect))
        .with_state(settings)
}

/// Shows an error as a page, and adds what the browser must mind to every response.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(error) = SettingsError::take_from(&mut response) {
        response = error_view::of(error);
    }
    html::protect(response.headers_mut(), Forms::Home);
    response
}
