//! What only HTML pages need: the headers that isolate a page, and the names of assets. It knows no page.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PAGES: [(&str, &str); 2] = [("x-frame-options", "DENY"), ("cross-origin-opener-policy", "same-origin")];

fn add(headers: &mut HeaderMap, added: impl IntoIterator<Item = (&'static str, &'static str)>) {
    for (name, value) in added {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// `Cache-Control` for an asset whose name contains a digest of its content: cache it for a year, and never revalidate it.
pub const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Removes the digest from `name.digest.css`. During a rollout, pages of the new version request assets from the old one, and vice
/// versa, so a name that differs only in its digest has to match.
#[must_use]
pub fn without_digest(path: &str) -> Option<String> {
    let (name, kind) = path.rsplit_once('.')?;
    Some(format!("{}.{kind}", name.rsplit_once('.')?.0))
}

/// Where a page may submit its forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// The page has no forms.
    Nowhere,
    /// To the page's own origin.
    Home,
}

/// Adds the headers that isolate a page (Content Security Policy, level 3) to those that every response has.
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
            // Under `no-referrer`, a browser would also withhold the `Origin` of a form (Fetch, section 3.2).
            "same-origin",
        ),
    };
    add(headers, PAGES.into_iter().chain([("content-security-policy", policy), ("referrer-policy", referrer)]));
}
