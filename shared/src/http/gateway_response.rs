//! API Gateway's response (HTTP API, payload format 2.0), and the conversion to it. It knows no route.

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode, header},
};
use data_encoding::BASE64;
use http_body_util::BodyExt;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// What Lambda returns to API Gateway.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    /// The HTTP status.
    pub status_code: u16,
    /// The headers, each once.
    #[serde(serialize_with = "plain")]
    pub headers: HeaderMap,
    /// The values of `Set-Cookie`, because API Gateway joins repeated headers with a comma.
    pub cookies: Vec<String>,
    /// Whether the body is base64, which API Gateway decodes.
    pub is_base64_encoded: bool,
    /// A text, as JSON.
    body: Box<RawValue>,
}

impl GatewayResponse {
    /// The body: text, or base64.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::from_str(self.body.get()).unwrap_or_default()
    }

    /// Converts a response. Text is sent as it is. A body that is compressed or not UTF-8 is sent as base64.
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (mut parts, body) = response.into_parts();
        // Every body is in memory, so reading one can't fail.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let is_empty = bytes.is_empty();
        let is_escaped = parts.extensions.get::<IsEscaped>().is_some() && !is_empty;
        let is_compressed = parts.headers.contains_key(header::CONTENT_ENCODING);
        let text = String::from_utf8(bytes.into());
        let is_base64_encoded = is_compressed || text.is_err();
        let encoded = |bytes: &[u8]| to_raw_value(&BASE64.encode(bytes));
        let body = match text {
            Ok(text) if is_escaped => RawValue::from_string(text),
            Ok(text) if is_compressed => encoded(text.as_bytes()),
            Ok(text) => to_raw_value(&text),
            Err(error) => encoded(error.as_bytes()),
        };
        if !is_empty || parts.status == StatusCode::NOT_MODIFIED {
            // API Gateway sets its own. A response to HEAD keeps the length that GET would have.
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        let cookies = parts.headers.get_all(header::SET_COOKIE).iter();
        let cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)).collect();
        parts.headers.remove(header::SET_COOKIE);
        match body {
            Ok(body) => {
                Self { status_code: parts.status.as_u16(), headers: parts.headers, cookies, is_base64_encoded, body }
            }
            Err(_) => Self::failed(),
        }
    }

    /// The body can't be written, which can't happen.
    fn failed() -> Self {
        Self {
            status_code: StatusCode::INTERNAL_SERVER_ERROR.as_u16(),
            headers: HeaderMap::new(),
            cookies: Vec::new(),
            is_base64_encoded: false,
            body: RawValue::NULL.to_owned(),
        }
    }
}

/// A response extension: the body, unless it was removed since, is a JSON text already ([`escaped`](crate::http::escaped)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsEscaped;

fn plain<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().filter_map(|name| Some((name.as_str(), headers[name].to_str().ok()?))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn converted(response: Response<Body>) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        serde_json::to_value(runtime.block_on(GatewayResponse::of(response))).unwrap()
    }

    #[test]
    fn a_compressed_body_is_sent_as_base64_and_cookies_apart_from_headers() {
        let response = Response::builder()
            .header(header::CONTENT_ENCODING, "gzip")
            .header(header::SET_COOKIE, "a=1")
            .header(header::SET_COOKIE, "b=2")
            .body(Body::from("text"))
            .unwrap();
        let expected = json!({
            "statusCode": 200,
            "headers": { "content-encoding": "gzip" },
            "cookies": ["a=1", "b=2"],
            "isBase64Encoded": true,
            "body": "dGV4dA==",
        });
        assert_eq!(converted(response), expected);
    }

    #[test]
    fn a_body_is_sent_as_the_text_that_it_is_or_as_base64() {
        for (bytes, is_escaped, body, is_base64) in [
            (&b"a \"text\"\n"[..], false, "a \"text\"\n", false),
            (b"\"a \\\"text\\\"\"", true, "a \"text\"", false),
            (b"", true, "", false),
            (b"\xff", false, "/w==", true),
        ] {
            let mut response = Response::new(Body::from(bytes));
            response.headers_mut().insert(header::CONTENT_LENGTH, 7.into());
            if is_escaped {
                response.extensions_mut().insert(IsEscaped);
            }
            let converted = converted(response);
            assert_eq!((&converted["body"], &converted["isBase64Encoded"]), (&json!(body), &json!(is_base64)));
            assert_eq!(converted["headers"].get("content-length").is_some(), bytes.is_empty());
        }
    }
}
