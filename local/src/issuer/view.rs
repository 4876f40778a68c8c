//! The pages of the development issuer. They know no person and no client.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use shared::{
    html::{Forms, protect},
    http::security_headers,
};

/// The page to pick a person from, each with a title and an email. `authorize` is the link's target, with the query of the original
/// request.
pub(super) fn people<'a>(people: impl Iterator<Item = (&'a str, &'a str)>, authorize: &str) -> Markup {
    html! {
        h1 { "Who are you?" }
        p { "This sign-in page exists only on your machine. It needs no password." }
        ul {
            @for (at, (title, email)) in people.enumerate() {
                li { a href=(format!("{authorize}&person={at}")) { (title) } " " (email) }
            }
        }
        p { a href=(format!("{authorize}&person=none")) { "Cancel" } }
    }
}

/// The frame around every page.
pub(super) fn page(content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { "Sign in · development" }
            }
            body { main { (content) } }
        }
    }
}

/// Adds the security headers, and forbids caching.
pub(super) fn add_headers(response: &mut Response) {
    let headers = response.headers_mut();
    security_headers::secure(headers);
    protect(headers, Forms::Nowhere);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// An error page rather than a redirect: an unregistered address could be anyone's.
pub(super) fn rejected(objection: &str) -> Response {
    (StatusCode::BAD_REQUEST, page(&html! { h1 { "Invalid request" } p { (objection) } })).into_response()
}
