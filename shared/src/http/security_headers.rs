//! The headers that every response has, whatever it is.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// With every response, whatever it is: a JSON body that is opened in a browser is a document too.
const EVERYWHERE: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=31536000"),
    // Another site embeds nothing of ours. Pages of allowed origins (CORS) are not concerned.
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// Adds the headers that every response has.
pub fn secure(headers: &mut HeaderMap) {
    for (name, value) in EVERYWHERE {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
