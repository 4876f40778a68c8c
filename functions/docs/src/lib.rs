//! `/`, `/docs…`, `/llms.txt` and `/api/v1/openapi.json`: the developer pages, for people and for programs. It needs no key, and links no
//! handler of the API.
//!
//! The build (`build/`) generates all of it from `openapi.json`, `pages/` and `site/`, and embeds it compressed.

use std::io::Read;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
    response::IntoResponse,
    routing::get,
};
use flate2::read::GzDecoder;
use shared::html::{self, Forms};

/// A file that the build generated.
#[derive(Debug)]
pub struct File {
    /// The path at which it is served.
    pub path: &'static str,
    media_type: &'static str,
    /// A weak tag: a digest of the content.
    etag: &'static str,
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Assets have a digest of their content in their names, so they can be cached forever.
const ASSETS: &str = "/docs/assets/";
const NOT_FOUND: &str = "/docs/404";

/// The routes of this function.
pub fn router() -> Router {
    ["/", "/docs", "/docs/", "/docs/{*page}", "/llms.txt", "/api/v1/openapi.json"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(serve)))
}

/// Every file served.
#[must_use]
pub fn files() -> &'static [File] {
    FILES
}

async fn serve(uri: Uri, headers: HeaderMap) -> Response<Body> {
    if let Some(file) = uri.path().strip_suffix('/').and_then(find) {
        return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, file.path)]).into_response();
    }
    let (file, status, caching) = match find(uri.path()) {
        Some(file) if file.path.starts_with(ASSETS) => (Some(file), StatusCode::OK, html::FOR_EVER),
        Some(file) => (Some(file), StatusCode::OK, "public, no-cache"),
        None => match renamed(uri.path()) {
            Some(file) => (Some(file), StatusCode::OK, "no-store"),
            None => (FILES.iter().find(|file| file.path == NOT_FOUND), StatusCode::NOT_FOUND, "no-store"),
        },
    };
    let mut response = file.map_or_else(|| status.into_response(), |file| file.answer(status, &headers));
    let headers = response.headers_mut();
    html::protect(headers, Forms::Nowhere);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path && path != NOT_FOUND)
}

/// The asset whose name differs only in the digest.
fn renamed(path: &str) -> Option<&'static File> {
    let plain = |path: &str| html::without_digest(path.strip_prefix(ASSETS)?);
    let wanted = plain(path)?;
    FILES.iter().find(|file| plain(file.path).as_ref() == Some(&wanted))
}

impl File {
    fn answer(&self, status: StatusCode, asked: &HeaderMap) -> Response<Body> {
        let head = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::ETAG, HeaderValue::from_static(self.etag)),
        ];
        if status == StatusCode::OK && self.is_known(asked) {
            // Include the media type, so that nothing along the way guesses one.
            return (StatusCode::NOT_MODIFIED, head).into_response();
        }
        if takes_gzip(asked) {
            let coding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
            return (status, head, coding, self.gzip).into_response();
        }
        (status, head, self.text()).into_response()
    }

    /// Its content, decompressed.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // This can't fail: the build compressed it.
        let _ = GzDecoder::new(self.gzip).read_to_end(&mut text);
        text
    }

    /// Whether the client has this version (RFC 9110, section 13.1.2). Tags are weak, since one is for both encodings.
    fn is_known(&self, asked: &HeaderMap) -> bool {
        let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
        known
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag.trim_start_matches("W/"))
    }
}

/// Whether `Accept-Encoding` includes gzip or `*` with a weight above 0 (RFC 9110, section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let codings = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let codings = codings.to_ascii_lowercase();
    let weight = |name: &str| {
        let coding =
            codings.split(',').map(str::trim).find(|coding| coding.split(';').next().map(str::trim) == Some(name))?;
        let weight = coding.split_once("q=").map_or("1", |(_, weight)| weight.trim());
        Some(weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(false)
}
