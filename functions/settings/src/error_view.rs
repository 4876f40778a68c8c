//! The page that shows an error. It decides neither its status nor its log code: [`error`](crate::error) does.

use std::sync::Arc;

use axum::response::{Redirect, Response};
use form_urlencoded::byte_serialize;
use maud::{Markup, html};
use shared::http::error::ApiError;

use crate::{
    error::{Change, SettingsError},
    layout,
    path::{HOME, SIGN_IN, rotate_path},
};

/// The error's page, or a redirect to the sign-in if that must come first.
pub(crate) fn of(error: SettingsError) -> Response {
    if let SettingsError::SignInFirst(path) = &error {
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
        SettingsError::SignInFailed(reason) | SettingsError::CodeRefused(reason) => Some(reason),
        _ => None,
    };
    let mut response = error.code().because(reason, (error.status(), layout::alone(title, &content)));
    if let Some(logged) = error.into_logged() {
        response.extensions_mut().insert(Arc::new(logged));
    }
    response
}

/// The title and the text of its page.
fn words(error: &SettingsError) -> (&'static str, &'static str) {
    match error {
        SettingsError::SignInFirst(_) | SettingsError::SignedOut => (
            "You are signed out",
            "Nothing was changed. A session ends half an hour after its last use, and after eight hours.",
        ),
        SettingsError::Forged => (
            "This page is out of date",
            "Nothing was changed. You may have signed in anew since it was opened: open it again, and try again.",
        ),
        SettingsError::NotAdmin => (
            "Admins only",
            "Nothing was changed. Creating, rotating and revoking keys is for your organization's admins.",
        ),
        SettingsError::Unknown => ("Not found", "There is no such page, or your organization has no such key."),
        SettingsError::MethodNotAllowed => ("Not like this", "This address does not take that kind of request."),
        SettingsError::Malformed(what) => ("This link or form is not valid", what),
        SettingsError::SignInOver => (
            "Not signed in",
            "This sign-in was begun in another browser, too long ago, or before another one. Begin it again.",
        ),
        SettingsError::SignInCancelled => ("Not signed in", "The sign-in was cancelled. You can begin it again."),
        SettingsError::SignInFailed(_) => (
            "Not signed in",
            "The sign-in service sent you back without signing you in. Begin again; if it stays, ask whoever runs this service.",
        ),
        SettingsError::CodeRefused(_) => {
            ("Not signed in", "The sign-in took too long, or this page was opened twice. You can begin it again.")
        }
        SettingsError::UnverifiedToken(_) => {
            ("Not signed in", "What the sign-in told us could not be verified, so nobody was signed in.")
        }
        SettingsError::IssuerUnavailable(_) => (
            "Signing in is not possible at the moment",
            "It has been logged. Whoever is signed in already stays so. Try again shortly.",
        ),
        SettingsError::NoMember => (
            "No organization",
            "Your sign-in is fine, but it belongs to no organization here. Ask whoever runs this service to add your e-mail, or \
                 to add it anew if it worked before.",
        ),
        SettingsError::Failed(ApiError::InvalidCursor(_)) => {
            ("Not found", "This page of the list is no longer there. Begin at the first.")
        }
        SettingsError::Uncertain(Change::Create, _) => (
            "The key may have been created",
            "Something went wrong, and it has been logged. Look at the list. If the key is there, nobody has seen its secret: rotate it for \
                 a new one, which needs no room in the plan, or revoke it. If it is not there, create it again.",
        ),
        SettingsError::Uncertain(Change::Rotate(_), _) => (
            "The key may have been rotated",
            "Something went wrong, and it has been logged. Look at the key. If it has been rotated, nobody has seen the new secret: rotate \
                 it again. That replaces only the secret that was never used. The one before it stays as long as you choose, unless you \
                 had it end at once.",
        ),
        SettingsError::Uncertain(Change::Revoke, _) => (
            "The key may have been revoked",
            "Something went wrong, and it has been logged. Look at the list. If the key is not revoked, revoke it again.",
        ),
        SettingsError::Failed(_) => (
            "Something went wrong",
            "It has been logged. Try again; if it stays, tell whoever runs this service when it happened.",
        ),
    }
}

fn way_on(error: &SettingsError) -> Markup {
    match error {
        SettingsError::SignInFirst(_)
        | SettingsError::SignedOut
        | SettingsError::SignInOver
        | SettingsError::SignInCancelled
        | SettingsError::SignInFailed(_)
        | SettingsError::CodeRefused(_)
        | SettingsError::UnverifiedToken(_) => html! { p { a class="button" href=(SIGN_IN) { "Sign in" } } },
        SettingsError::NoMember | SettingsError::IssuerUnavailable(_) => {
            html! { p { a href="/docs" { "To the guides" } } }
        }
        SettingsError::Uncertain(Change::Rotate(id), _) => {
            html! { p { a class="button" href=(rotate_path(id)) { "Look at the key" } } }
        }
        _ => html! { p { a class="button" href=(HOME) { "To the API keys" } } },
    }
}
