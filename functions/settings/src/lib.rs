//! `/settings…`: pages where an organization's members sign in, and create, monitor, rotate and revoke its keys. It knows no table.
//!
//! Pages are rendered on the server and work without scripts. An OpenID issuer identifies who signs in ([`issuer`]), and a cookie and a
//! stored session say who is signed in ([`visitor`]). None of the issuer's tokens reaches the browser. A change is a posted form, with
//! our own `Origin` and the session's token.

mod activity;
mod change;
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

/// The whole function.
#[must_use]
pub fn api(app: App, issuer: impl Into<Arc<Issuer>>) -> Api {
    Api::pages(router(Settings { app, issuer: issuer.into() }), |error| {
        protected(error_view::of(SettingsError::Failed(error)))
    })
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

/// Renders an error as a page, and adds the security headers to every response.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(error) = SettingsError::take_from(&mut response) {
        response = error_view::of(error);
    }
    protected(response)
}

/// The response with the headers that isolate a page.
fn protected(mut response: Response) -> Response {
    html::protect(response.headers_mut(), Forms::Home);
    response
}
