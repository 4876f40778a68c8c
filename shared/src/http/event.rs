//! Converts API Gateway's events (HTTP API, payload format 2.0) to HTTP requests. It knows no route.
//!
//! `lambda_http`'s own conversion panics on several malformed events, and resolves dot segments before routing, so that a path could
//! reach a different route from the one the gateway saw. Here the path is either used unchanged or rejected: anything malformed is a
//! 400, and nothing panics. The stage is not stripped from the path, because the API is served on `$default`.

use std::{borrow::Cow, fmt};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Uri, header, uri::PathAndQuery},
};
use data_encoding::BASE64;
use lambda_http::{aws_lambda_events::apigw::ApiGatewayV2httpRequest, http::HeaderMap};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;

use crate::{
    http::error::ApiError,
    model::{
        body::MAX_BODY_BYTES,
        text::{Found, shown},
    },
};

/// Every character except those that a path may contain literally (RFC 3986, section 3.3). They are percent-encoded again, because
/// the gateway passes the path decoded.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b',')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$');

/// Reads an event. One that is not from an HTTP API is a `BadRequest`.
pub(crate) fn read(event: &RawValue) -> Result<ApiGatewayV2httpRequest, ApiError> {
    let event: ApiGatewayV2httpRequest =
        serde_json::from_str(event.get()).map_err(|_| bad("The event is not an HTTP API event."))?;
    match event.version.as_deref() {
        Some("2.0") => Ok(event),
        _ => Err(bad("The event does not use payload format 2.0.")),
    }
}

/// The gateway's request id, if it is safe for a header and the log.
pub(crate) fn request_id(event: &ApiGatewayV2httpRequest) -> Option<&str> {
    let id = event.request_context.request_id.as_deref()?;
    let fine = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then_some(id)
}

/// Where clients reach the API: the stage's `publicOrigin`, or else the gateway's own name. It is used in links and by the settings, whose
/// forms must come from it and whose sign-in returns to it. A request extension, turned into text only where it is needed.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    host: Option<String>,
    plain: bool,
}

/// The stage variable that names the public origin: `https://` and the host of a custom domain or CDN, or `gateway` for the gateway's own
/// name. It is a stage variable rather than an environment variable because it comes with the event, so a change takes effect without a
/// new version of the function.
const PUBLIC_ORIGIN: &str = "publicOrigin";

impl Origin {
    pub(crate) fn of(event: &ApiGatewayV2httpRequest) -> Self {
        if let Some(host) = event.stage_variables.get(PUBLIC_ORIGIN).and_then(|origin| origin.strip_prefix("https://"))
        {
            return Self { host: Some(host.to_owned()), plain: false };
        }
        let header = |name: &str| event.headers.get(name).and_then(|value| value.to_str().ok());
        // `sam local` reports this name without its port, so use the client's `Host` there.
        let domain = event.request_context.domain_name.as_deref();
        let host = if domain == Some("localhost") { header("host") } else { domain };
        Self {
            host: host.map(str::to_owned),
            plain: header("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")),
        }
    }
}

/// `https://api.example.com`, or empty if the event does not say.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref().filter(|host| !host.is_empty() && is_host(host)) {
            Some(host) => write!(f, "{}://{host}", if self.plain { "http" } else { "https" }),
            None => Ok(()),
        }
    }
}

/// The network address that the gateway received the request from. A request extension.
#[derive(Clone, Debug)]
pub struct SourceAddress(pub String);

/// Converts an event to a request.
pub(crate) fn into_request(event: ApiGatewayV2httpRequest) -> Result<Request<Body>, ApiError> {
    check_proxy_headers(&event.headers)?;
    let path = checked_path(event.raw_path.as_deref().unwrap_or_default())?;
    let query = event.raw_query_string.as_deref().unwrap_or_default();
    let target = if query.is_empty() { path.to_string() } else { format!("{path}?{query}") };
    let target: PathAndQuery = target.parse().map_err(|_| bad_query(query))?;
    let body = body(event.body.unwrap_or_default(), event.is_base64_encoded)?;
    if body.len() > MAX_BODY_BYTES {
        return Err(ApiError::PayloadTooLarge { bytes: Some(body.len()) });
    }

    let mut request = Request::new(Body::from(body));
    *request.method_mut() = event.request_context.http.method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = event.headers;
    if let Some(address) = event.request_context.http.source_ip {
        request.extensions_mut().insert(SourceAddress(address));
    }
    // Payload format 2.0 keeps cookies out of the headers.
    if let Some(cookies) = event.cookies.filter(|cookies| !cookies.is_empty()) {
        let cookies =
            HeaderValue::from_bytes(cookies.join("; ").as_bytes()).map_err(|_| bad("A cookie is malformed."))?;
        request.headers_mut().insert(header::COOKIE, cookies);
    }
    Ok(request)
}

/// Encodes the path. One that something along the way could interpret differently is rejected rather than resolved.
fn checked_path(path: &str) -> Result<Cow<'_, str>, ApiError> {
    let strange = Found::first(path, |c| c.is_control() || matches!(c, '\\' | '?' | '#' | '%'));
    if let Some(found) = strange {
        Err(ApiError::BadRequest(format!("The path contains {found}, which is not allowed.").into()))
    } else if !path.starts_with('/') {
        Err(bad("The path must start with a slash."))
    } else if path.contains("//") {
        Err(bad("The path contains two slashes in a row. A variable in your script may be empty."))
    } else if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        Err(bad("The path contains a dot segment (. or ..). Send the resolved path."))
    } else {
        Ok(utf8_percent_encode(path, PATH).into())
    }
}

fn is_host(host: &str) -> bool {
    // The parser would treat these as the end of the host, or drop them.
    let beside = |c: char| c.is_whitespace() || matches!(c, '/' | '\\' | '@' | '?' | '#');
    !host.contains(beside) && url::Url::parse(&format!("https://{host}/")).is_ok()
}

/// API Gateway sets both headers. If they are malformed, something is in between that shouldn't be.
fn check_proxy_headers(headers: &HeaderMap) -> Result<(), ApiError> {
    let parses =
        |name: &str, check: fn(&str) -> bool| headers.get(name).is_none_or(|value| value.to_str().is_ok_and(check));
    if !parses("host", is_host) {
        return Err(bad_header("Host", "a valid host", headers));
    }
    if !parses("x-forwarded-proto", |proto| matches!(proto.to_ascii_lowercase().as_str(), "https" | "http")) {
        return Err(bad_header("X-Forwarded-Proto", "http or https", headers));
    }
    Ok(())
}

fn bad_header(name: &'static str, wanted: &str, headers: &HeaderMap) -> ApiError {
    let given = headers.get(name).map(|value| shown(&String::from_utf8_lossy(value.as_bytes()))).unwrap_or_default();
    ApiError::BadRequest(format!("The {name} header must be {wanted} (got \"{given}\").").into())
}

fn body(body: String, base64: bool) -> Result<Vec<u8>, ApiError> {
    if base64 {
        BASE64.decode(body.as_bytes()).map_err(|_| bad("The event says that the body is base64, but it is not."))
    } else {
        Ok(body.into_bytes())
    }
}

fn bad_query(query: &str) -> ApiError {
    let found = Found::first(query, |c| {
        !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    });
    let found = found.map(|found| format!(": it contains {found}")).unwrap_or_default();
    ApiError::BadRequest(format!("The query string is not URL-encoded{found}.").into())
}

fn bad(message: &'static str) -> ApiError {
    ApiError::BadRequest(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_used_unchanged_or_rejected() {
        for fine in ["/", "/api/v1/jobs", "/api/v1/jobs/", "/api/v1/jobs/a b", "/a.b/..c", "/$default", "/jobs/é"] {
            let path = checked_path(fine).unwrap();
            assert_eq!(percent_encoding::percent_decode_str(&path).decode_utf8().unwrap(), fine);
        }
        let strange = ["", "api", "//", "/a//b", "/a/../b", "/..", "/a/.", "/a\\b", "/a\nb", "/a\0", "http://host/a"];
        for strange in strange.into_iter().chain(["/jobs?status=open", "/jobs#x", "/jobs%2F1", "/%2e%2e/jobs"]) {
            assert!(checked_path(strange).is_err(), "{strange:?}");
        }
        let told = |path: &str| match checked_path(path) {
            Err(ApiError::BadRequest(message)) => message.into_owned(),
            taken => panic!("{taken:?}"),
        };
        assert_eq!(
            told("/api/v1/\0"),
            "The path contains a control character (U+0000) at character 9, which is not allowed."
        );
        assert_eq!(told("/jobs#x"), "The path contains \"#\" (U+0023) at character 6, which is not allowed.");
        assert!(told("/a//b").starts_with("The path contains two slashes in a row."));
        assert!(told("/a/../b").starts_with("The path contains a dot segment"));
    }
}
