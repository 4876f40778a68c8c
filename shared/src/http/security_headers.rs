//! The security headers that every response has. It knows no page.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Set on every response, because a JSON body opened in a browser is a document too.
const EVERYWHERE: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=31536000"),
    // Other sites can't embed our responses. This does not affect CORS requests from allowed origins.
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// Adds the headers that every response has.
pub fn secure(headers: &mut HeaderMap) {
    for (name, value) in EVERYWHERE {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
