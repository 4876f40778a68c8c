//! `/`, `/docs…`, `/llms.txt` and `/api/v1/openapi.json`: the developer pages, for people and for programs.
//!
//! All of it is made when this is built (`build/`) of `openapi.json`, `pages/` and `site/`, and lies here compressed. It needs no
//! key, and links no handler.

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

/// One file, as it was made.
#[derive(Debug)]
pub struct File {
    /// Where it is served.
    pub path: &'static str,
    media_type: &'static str,
    /// A digest of what it holds.
    etag: &'static str,
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Assets: their names have a digest of what they hold, so that they can be kept for ever.
const ASSETS: &str = "/docs/assets/";
const NOT_FOUND: &str = "/docs/404";

/// What this function serves.
pub fn router() -> Router {
    ["/", "/docs", "/docs/", "/docs/{*page}", "/llms.txt", "/api/v1/openapi.json"]
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(serve)))
}

/// Every file that is served.
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

/// The asset that has this name but for the digest.
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
            // With its type, so that nobody on the way makes one up.
            return (StatusCode::NOT_MODIFIED, head).into_response();
        }
        if takes_gzip(asked) {
            let coding = [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))];
            return (status, head, coding, self.gzip).into_response();
        }
        (status, head, self.text()).into_response()
    }

    /// What it holds.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // It was compressed by the build.
        let _ = GzDecoder::new(self.gzip).read_to_end(&mut text);
        text
    }

    /// The client has it as it is (RFC 9110, section 13.1.2): the tags are weak, since one stands for both encodings.
    fn is_known(&self, asked: &HeaderMap) -> bool {
        let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
        known
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag.trim_start_matches("W/"))
    }
}

/// Whether `Accept-Encoding` names gzip, or anything, and not with a weight of nothing (RFC 9110, section 12.5.3).
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
