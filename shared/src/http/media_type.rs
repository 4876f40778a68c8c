//! Checks how a request's headers declare its body. It does not read the body.

use axum::http::{HeaderMap, header};

use crate::model::text::shown;

/// Why a body is not read as JSON, judging by how its headers declare it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedMedia {
    /// Not at all.
    #[error("The Content-Type header is missing. Send Content-Type: application/json.")]
    Undeclared,
    /// More than once, whether differently or not.
    #[error("The Content-Type header is repeated ({0}). Send it once, as application/json.")]
    Twice(String),
    /// As another media type.
    #[error("Unsupported Content-Type: {0}. Send JSON with Content-Type: application/json.")]
    Type(String),
    /// As JSON in an encoding other than UTF-8.
    #[error("Unsupported charset: {0}. Send the body in UTF-8.")]
    Charset(String),
    /// As compressed.
    #[error("The body is compressed (Content-Encoding: {0}). Send it uncompressed.")]
    Compressed(String),
}

/// Accepts `application/json` or a merge patch (RFC 7396), which is what a partial update is. It must be in UTF-8, as JSON always is, and
/// not compressed.
pub(crate) fn check_declared(headers: &HeaderMap) -> Result<(), UnsupportedMedia> {
    let header = |name| {
        let all: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        all.join(", ")
    };
    let declared = header(header::CONTENT_TYPE);
    let mut parts = declared.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    if declared.trim().is_empty() {
        return Err(UnsupportedMedia::Undeclared);
    }
    // The gateway joins repeated headers with a comma, and no parameter of JSON contains one.
    if declared.contains(',') {
        return Err(UnsupportedMedia::Twice(shown(&declared)));
    }
    if !matches!(&*kind, "application/json" | "application/merge-patch+json") {
        return Err(UnsupportedMedia::Type(shown(&kind)));
    }
    for parameter in parts {
        let Some((name, charset)) = parameter.split_once('=') else { continue };
        let charset = charset.trim().trim_matches('"').to_ascii_lowercase();
        if name.trim().eq_ignore_ascii_case("charset") && !matches!(&*charset, "utf-8" | "utf8") {
            return Err(UnsupportedMedia::Charset(shown(&charset)));
        }
    }
    let coding = header(header::CONTENT_ENCODING);
    if matches!(&*coding.trim().to_ascii_lowercase(), "" | "identity") {
        Ok(())
    } else {
        Err(UnsupportedMedia::Compressed(shown(&coding)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_what_is_declared_as_json_in_utf_8_is_read() {
        let declared = |values: &[&str]| check_declared(&headers(&header::CONTENT_TYPE, values));
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
            "application/json;charset=\"UTF-8\"",
            "application/json; version=1",
        ] {
            assert_eq!(declared(&[json]), Ok(()), "{json}");
        }
        let told = |values: &[&str]| declared(values).unwrap_err().to_string();
        assert_eq!(told(&[]), "The Content-Type header is missing. Send Content-Type: application/json.");
        assert_eq!(told(&[""]), told(&[]));
        for (other, kind) in [
            ("text/plain", "text/plain"),
            ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
            ("application/json-patch+json", "application/json-patch+json"),
            ("text/json; charset=utf-16", "text/json"),
        ] {
            let words = format!("Unsupported Content-Type: {kind}. Send JSON with Content-Type: application/json.");
            assert_eq!(told(&[other]), words);
        }
        for charset in ["utf-16", "iso-8859-1"] {
            let words = format!("Unsupported charset: {charset}. Send the body in UTF-8.");
            assert_eq!(told(&[&format!("application/json; charset=utf-8; Charset = {charset}")]), words);
        }
        let twice = "The Content-Type header is repeated (application/json, text/plain). Send it once, as \
                     application/json.";
        assert_eq!(told(&["application/json", "text/plain"]), twice);
        assert_eq!(told(&["application/json, text/plain"]), twice);
        for (coding, is_plain) in
            [("gzip", false), ("br, gzip", false), ("identity", true), ("Identity", true), ("", true)]
        {
            let mut all = headers(&header::CONTENT_TYPE, &["application/json"]);
            all.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
            let words = format!("The body is compressed (Content-Encoding: {coding}). Send it uncompressed.");
            assert_eq!(
                check_declared(&all).map_err(|wrong| wrong.to_string()),
                if is_plain { Ok(()) } else { Err(words) }
            );
        }
    }
}
