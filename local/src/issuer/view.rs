//! The pages of the development issuer. They know nobody and no client.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use shared::{
    html::{Forms, protect},
    http::security_headers,
};

/// The page to pick somebody from, each a title and an e-mail. `authorize` is where it leads, with the query that led here.
pub(super) fn people<'a>(people: impl Iterator<Item = (&'a str, &'a str)>, authorize: &str) -> Markup {
    html! {
        h1 { "Who are you?" }
        p { "This is the sign-in of your own machine: it takes no password, and exists nowhere else." }
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

/// Adds what the browser must mind.
pub(super) fn add_headers(response: &mut Response) {
    let headers = response.headers_mut();
    security_headers::secure(headers);
    protect(headers, Forms::Nowhere);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Nobody is sent to an address that could be anybody's.
pub(super) fn rejected(objection: &str) -> Response {
    (StatusCode::BAD_REQUEST, page(&html! { h1 { "Not here" } p { (objection) } })).into_response()
}
