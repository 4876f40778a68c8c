//! What the browser is told: with every response, what it must not make of it; with every page, to load nothing from elsewhere, no
//! inline script or style, and to stand in nobody's frame.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// With every response, whatever it is: a JSON body that is opened in a browser is a document too.
const EVERYWHERE: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=31536000"),
    // Another site embeds nothing of ours. Pages of allowed origins (CORS) are not concerned.
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

const PAGES: [(&str, &str); 2] = [("x-frame-options", "DENY"), ("cross-origin-opener-policy", "same-origin")];

/// Adds the headers that every response has.
pub fn secure(headers: &mut HeaderMap) {
    add(headers, EVERYWHERE);
}

fn add(headers: &mut HeaderMap, added: impl IntoIterator<Item = (&'static str, &'static str)>) {
    for (name, value) in added {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// How long an asset may be kept whose name has a digest of what it holds: for ever.
pub const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `name.digest.css` without its digest. While a new version is rolled out, its pages ask the old one for assets, and the other way
/// round: what is the same but for the digest is what they mean.
#[must_use]
pub fn without_digest(path: &str) -> Option<String> {
    let (name, kind) = path.rsplit_once('.')?;
    Some(format!("{}.{kind}", name.rsplit_once('.')?.0))
}

/// Where a page's forms may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// The page has none.
    Nowhere,
    /// To where the page is from.
    Home,
}

/// Adds the headers that keep a page to itself (Content Security Policy, level 3), beside those of [`secure`].
pub fn protect(headers: &mut HeaderMap, forms: Forms) {
    let (policy, referrer) = match forms {
        Forms::Nowhere => (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "no-referrer",
        ),
        Forms::Home => (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            // Under `no-referrer` a browser would not tell the origin of a form either (Fetch, section 3.2).
            "same-origin",
        ),
    };
    add(headers, PAGES.into_iter().chain([("content-security-policy", policy), ("referrer-policy", referrer)]));
}
