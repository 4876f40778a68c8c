//! The page that shows an error.

use std::sync::Arc;

use axum::response::{Redirect, Response};
use form_urlencoded::byte_serialize;
use maud::{Markup, html};
use shared::{
    html::{Forms, protect},
    http::error::ApiError,
};

use crate::{
    page,
    page_error::PageError,
    path::{HOME, SIGN_IN},
};

/// The error's page, or the way to the sign-in where that comes first.
pub(crate) fn of(error: PageError) -> Response {
    if let PageError::SignInFirst(path) = &error {
        let path: String = byte_serialize(path.as_bytes()).collect();
        return error.code().on(Redirect::to(&format!("{SIGN_IN}?return={path}")));
    }
    let (title, text) = words(&error);
    let content = html! {
        h1 { (title) }
        p { (text) }
        (way_on(&error))
    };
    let reason = match error {
        PageError::SignInFailed(reason) | PageError::CodeRefused(reason) => Some(reason),
        _ => None,
    };
    let mut response = error.code().because(reason, (error.status(), page::alone(title, &content)));
    if let Some(logged) = error.into_logged() {
        response.extensions_mut().insert(Arc::new(logged));
    }
    protect(response.headers_mut(), Forms::Home);
    response
}

/// The title and the words of its page.
fn words(error: &PageError) -> (&'static str, &'static str) {
    match error {
        PageError::SignInFirst(_) | PageError::SignedOut => (
            "You are signed out",
            "Nothing was changed. A session ends half an hour after its last use, and after eight hours.",
        ),
        PageError::Forged => (
            "This page is out of date",
            "Nothing was changed. You may have signed in anew since it was opened: open it again, and try again.",
        ),
        PageError::NotAdmin => (
            "Admins only",
            "Nothing was changed. Creating, rotating and revoking keys is for your organization's admins.",
        ),
        PageError::Unknown => ("Not found", "There is no such page, or your organization has no such key."),
        PageError::MethodNotAllowed => ("Not like this", "This address does not take that kind of request."),
        PageError::Malformed(what) => ("This link or form is not valid", what),
        PageError::SignInOver => (
            "Not signed in",
            "This sign-in was begun in another browser, too long ago, or before another one. Begin it again.",
        ),
        PageError::SignInCancelled => ("Not signed in", "The sign-in was cancelled. You can begin it again."),
        PageError::SignInFailed(_) => (
            "Not signed in",
            "The sign-in service sent you back without signing you in. Begin again; if it stays, ask whoever runs this service.",
        ),
        PageError::CodeRefused(_) => {
            ("Not signed in", "The sign-in took too long, or this page was opened twice. You can begin it again.")
        }
        PageError::UnverifiedToken(_) => {
            ("Not signed in", "What the sign-in told us could not be verified, so nobody was signed in.")
        }
        PageError::IssuerUnavailable(_) => (
            "Signing in is not possible at the moment",
            "It has been logged. Whoever is signed in already stays so. Try again shortly.",
        ),
        PageError::NoMember => (
            "No organization",
            "Your sign-in is fine, but it belongs to no organization here. Ask whoever runs this service to add your e-mail, or \
                 to add it anew if it worked before.",
        ),
        PageError::Failed(ApiError::InvalidCursor(_)) => {
            ("Not found", "This page of the list is no longer there. Begin at the first.")
        }
        PageError::Failed(_) => (
            "Something went wrong",
            "It has been logged. Try again; if it stays, tell whoever runs this service when it happened.",
        ),
    }
}

fn way_on(error: &PageError) -> Markup {
    match error {
        PageError::SignInFirst(_)
        | PageError::SignedOut
        | PageError::SignInOver
        | PageError::SignInCancelled
        | PageError::SignInFailed(_)
        | PageError::CodeRefused(_)
        | PageError::UnverifiedToken(_) => html! { p { a class="button" href=(SIGN_IN) { "Sign in" } } },
        PageError::NoMember | PageError::IssuerUnavailable(_) => html! { p { a href="/docs" { "To the guides" } } },
        _ => html! { p { a class="button" href=(HOME) { "To the API keys" } } },
    }
}
