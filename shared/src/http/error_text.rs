//! The parts of error messages that depend on the request. It knows no status.

use crate::model::{field::Detail, text::shown};

/// Says what may be wrong with a path that does not exist.
pub(super) fn unknown_path(path: &str) -> String {
    let shown = shown(path);
    if path.len() > 1 && path.ends_with('/') {
        format!("Unknown endpoint: {shown}. Paths have no trailing slash.")
    } else if !path.starts_with("/api/v1/") {
        format!("Unknown endpoint: {shown}. Paths start with /api/v1/.")
    } else {
        format!("Unknown endpoint: {shown}.")
    }
}

/// `1 second`, `2 seconds`
pub(super) fn seconds(count: u64) -> String {
    format!("{count} {}", if count == 1 { "second" } else { "seconds" })
}

/// The first problem, and how many more there are, because many clients show nothing but the message.
pub(super) fn wrong_fields(details: &[Detail]) -> String {
    match details {
        [] => "The body has invalid fields.".to_owned(),
        [one] => one.message.clone(),
        [first, others @ ..] => {
            let problems = if others.len() == 1 { "problem" } else { "problems" };
            format!("{} See `details` for {} more {problems}.", first.message, others.len())
        }
    }
}
