//! What only HTML pages need: the headers that keep a page to itself, and the names of assets. It knows no page.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PAGES: [(&str, &str); 2] = [("x-frame-options", "DENY"), ("cross-origin-opener-policy", "same-origin")];

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

/// Adds the headers that keep a page to itself (Content Security Policy, level 3), beside those that every response has.
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
