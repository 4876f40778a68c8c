//! The settings: one file a page or a subject.

mod isolation;
mod issuer;
mod keys;
mod member;
mod pages;
mod session;
mod sign_in;
mod sign_out;
mod token;
mod usage;

use crate::test_settings::{Page, SettingsClient};

/// Nobody was signed in.
#[track_caller]
pub fn refused(page: &Page, status: u16, browser: &SettingsClient) {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(!browser.cookies.contains_key("__Host-session"), "{:?}", browser.cookies);
}
