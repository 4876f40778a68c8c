//! The settings: one file for each page or subject.

mod isolation;
mod issuer;
mod keys;
mod member;
mod pages;
mod session;
mod sign_in;
mod sign_out;
mod token;
mod unseen;
mod usage;

use crate::test_settings::{Page, SettingsClient};

/// Asserts the status, and that no one was signed in.
#[track_caller]
pub fn rejected(page: &Page, status: u16, browser: &SettingsClient) {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(!browser.cookies.contains_key("__Host-session"), "{:?}", browser.cookies);
}
