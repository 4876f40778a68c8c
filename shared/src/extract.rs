//! What a handler takes from a request besides its caller: path, query and body, each failing in our envelope.

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, Uri, header, request::Parts},
};
use serde::de::DeserializeOwned;

use crate::{
    app::App,
    body::{self, FromFields, Problems},
    error::{ApiError, Problem},
    event::MAX_BODY_BYTES,
    id,
    page::{DEFAULT_LIMIT, MAX_LIMIT, PageRequest},
    text::shown,
    value::{Choice, Email, not_one_of},
};

/// The ids in the path. One that has no id's form names nothing, so it is a 404 like any other.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        #[expect(clippy::disallowed_types, reason = "wrapped here")]
        let path = axum::extract::Path::from_request_parts(parts, app).await;
        if let Ok(path) = path {
            return Ok(Self(path.0));
        }
        let Ok(params) = RawPathParams::from_request_parts(parts, app).await else {
            return Err(ApiError::NotAnId("The path has bytes in it that are not UTF-8.".to_owned()));
        };
        let wrong = params.iter().find_map(|(_, given)| Some((shown(given), id::invalid(given)?)));
        Err(wrong.map_or(ApiError::NotFound, |(given, wrong)| {
            ApiError::NotAnId(format!("There is no object with the id \"{given}\": an id {wrong}."))
        }))
    }
}

/// The versions that an object may be at for an update to be made: the `If-Match` header (RFC 9110, section 13.1.1). Without
/// it, any.
#[derive(Debug, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Any version will do.
    pub const ANY: Self = Self(None);

    /// Whether an object at this version may be updated.
    pub(crate) fn allows(&self, version: u64) -> bool {
        self.0.as_ref().is_none_or(|versions| versions.contains(&version.to_string()))
    }

    /// Reads the header. A tag that can be none of ours is an error: no retry would make it match.
    fn read(headers: &HeaderMap) -> Result<Self, String> {
        let headers: Vec<_> = headers.get_all(header::IF_MATCH).iter().collect();
        if headers.is_empty() {
            return Ok(Self::ANY);
        }
        let header: Vec<_> = headers.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let header = header.join(",");
        let tags: Vec<&str> = header.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        match tags[..] {
            [] => Err(
                "The If-Match header is empty. Send the ETag of the object as it stands, such as \"3\", or leave the \
                       header out."
                    .to_owned(),
            ),
            ["*"] => Ok(Self::ANY),
            _ => tags.iter().map(|tag| version(tag)).collect::<Result<_, _>>().map(|versions| Self(Some(versions))),
        }
    }
}

/// The version that a tag is of, or what is wrong with the tag.
fn version(tag: &str) -> Result<String, String> {
    let is_version = |text: &str| {
        (1..=20).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let told = shown(tag);
    if tag == "*" {
        return Err("The If-Match header has * beside other tags. Send either.".to_owned());
    }
    if let Some(strong) = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")) {
        return Err(format!(
            "The If-Match tag {told} is weak, and If-Match compares strong tags only (RFC 9110, section 13.1.1). Send the ETag \
             without the W/ before it: {}.",
            shown(strong)
        ));
    }
    let Some(inner) = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        let bare = tag.trim_matches(['"', '\'']);
        let send = if is_version(bare) { bare } else { "3" };
        let such = if is_version(bare) { "" } else { "the ETag of the object as it stands, such as " };
        return Err(format!("The If-Match tag {told} is not in double quotes. Send {such}\"{send}\"."));
    };
    if is_version(inner) {
        return Ok(inner.to_owned());
    }
    let digits = inner.find(|c: char| !c.is_ascii_digit()).map_or(inner, |end| &inner[..end]);
    if is_version(digits) {
        return Err(format!(
            "The If-Match tag {told} is not one that this API gives: a proxy that compresses has probably changed it. Send \
             \"{digits}\"."
        ));
    }
    Err(format!(
        "The If-Match tag {told} is not one that this API gives. Send the ETag of the object as it stands: its version in double \
         quotes, such as \"3\"."
    ))
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        Self::read(&parts.headers).map_err(|wrong| ApiError::BadRequest(wrong.into()))
    }
}

/// The body, as JSON (RFC 8259) that is declared as such.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: FromFields> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let declared = check_declared(request.headers());
        // A larger one was refused when the event was read.
        let bytes = to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::PayloadTooLarge { bytes: None })?;
        if !bytes.is_empty() {
            declared.map_err(ApiError::UnsupportedMediaType)?;
        }
        body::read(&bytes).map(Self)
    }
}

/// Why a body is not read as JSON: what its headers declare it as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedMedia {
    /// As nothing.
    #[error("The body has no Content-Type. Send Content-Type: application/json.")]
    Undeclared,
    /// As two things, or as one twice.
    #[error("The Content-Type header is given more than once ({0}). Send it once, as application/json.")]
    Twice(String),
    /// As something else.
    #[error("The body is declared as {0}. Send JSON, with Content-Type: application/json.")]
    Type(String),
    /// As JSON in another encoding than UTF-8.
    #[error("The body is declared to have the charset {0}. Send it in UTF-8.")]
    Charset(String),
    /// As compressed.
    #[error("The body is compressed (Content-Encoding: {0}). Send it uncompressed.")]
    Compressed(String),
}

/// `application/json`, or a merge patch (RFC 7396), which is what a partial update is; in UTF-8, which JSON always is; and
/// not compressed.
fn check_declared(headers: &HeaderMap) -> Result<(), UnsupportedMedia> {
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
    // The gateway joins what is repeated, and no parameter of JSON has a comma.
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

/// The query of a list.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// What a query can be read as.
pub trait FromParams: Sized {
    /// Reads the filters that the list knows, besides `limit` and `cursor`. A value that is wrong is noted, and the request
    /// fails after all were read.
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self;
}

/// The filters of a list: of a query that is read, or of one that is described.
pub trait Params {
    /// A filter out of a closed set.
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T>;

    /// A filter that is an e-mail address.
    fn email(&mut self, name: &'static str) -> Option<Email>;
}

impl<T: FromParams> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let mut params = Given::read(&parts.uri);
        let limit = params.limit();
        let cursor = params.value("cursor").map(str::parse);
        let target = params.target(&parts.uri);
        // A cursor that is none is told after the parameters that are wrong: those are the client's own words.
        let (cursor, damaged) = match cursor.transpose() {
            Ok(cursor) => (cursor, None),
            Err(error) => (None, Some(error)),
        };
        let query = T::from_params(&mut params, PageRequest::new(limit, cursor, target));
        params.note_unknown();
        match (params.problems.into_details(), damaged) {
            (details, _) if !details.is_empty() => Err(ApiError::InvalidParameter(details)),
            (_, Some(damaged)) => Err(damaged),
            (_, None) => Ok(Self(query)),
        }
    }
}

/// The parameters that a query gives, which of them were asked for, and what is wrong with them.
#[derive(Debug)]
struct Given {
    all: Vec<(String, String)>,
    known: Vec<&'static str>,
    problems: Problems,
}

impl Given {
    fn read(uri: &Uri) -> Self {
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut params = Self { all: Vec::new(), known: Vec::new(), problems: Problems::default() };
        for (name, value) in query.into_owned() {
            if params.all.iter().any(|(given, _)| *given == name) {
                params.note(&name, Problem::Duplicate, "is given more than once");
            } else {
                params.all.push((name, value));
            }
        }
        params
    }

    fn note(&mut self, name: &str, code: Problem, message: impl Into<String>) {
        self.problems.note::<()>(if name.is_empty() { "(empty)" } else { name }, code, message);
    }

    /// Notes the parameters that nobody has asked for.
    fn note_unknown(&mut self) {
        let unknown: Vec<String> = self
            .all
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !self.known.contains(&name.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            let message = format!("is not a parameter here; the parameters are {}", self.known.join(", "));
            self.note(&name, Problem::Unknown, message);
        }
    }

    fn value(&mut self, name: &'static str) -> Option<&str> {
        self.known.push(name);
        self.all.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn limit(&mut self) -> u8 {
        let Some(text) = self.value("limit") else { return DEFAULT_LIMIT };
        // `parse` alone would also take `+5`, which a client has meant to encode otherwise.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) if digits => limit,
            _ => {
                let message = format!("must be a whole number from 1 to {MAX_LIMIT} (got \"{}\")", shown(text));
                self.note("limit", Problem::OutOfRange, message);
                DEFAULT_LIMIT
            }
        }
    }

    /// The list's path with its filters: what a link to another page of it begins with.
    fn target(&self, uri: &Uri) -> String {
        let filters = self.all.iter().filter(|(name, _)| !matches!(name.as_str(), "limit" | "cursor"));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
        if query.is_empty() { uri.path().to_owned() } else { format!("{}?{query}", uri.path()) }
    }
}

impl Params for Given {
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T> {
        let text = self.value(name)?;
        let (choice, message) = (T::find(text), not_one_of::<T>(text));
        if choice.is_none() {
            self.note(name, Problem::InvalidValue, message);
        }
        choice
    }

    /// A space, which no address has, is a plus sign that was not encoded as `%2B`.
    fn email(&mut self, name: &'static str) -> Option<Email> {
        match Email::new(&self.value(name)?.replace(' ', "+")) {
            Ok(email) => Some(email),
            Err(wrong) => {
                self.note(name, Problem::InvalidFormat, wrong.to_string());
                None
            }
        }
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
    fn if_match_allows_the_versions_it_names() {
        let allows =
            |values: &[&str], version| IfMatch::read(&headers(&header::IF_MATCH, values)).unwrap().allows(version);
        assert!(allows(&[], 7) && allows(&["*"], 7) && allows(&["\"7\""], 7) && allows(&["\"6\" ,, \"7\""], 7));
        assert!(allows(&["\"6\"", "\"7\""], 7));
        assert!(!allows(&["\"6\""], 7) && !allows(&["\"70\", \"17\""], 7) && !allows(&["\"18446744073709551616\""], 7));
    }

    #[test]
    fn a_tag_that_can_never_match_is_told_what_is_wrong_with_it() {
        let weak = |tag: &str, strong: &str| {
            format!(
                "The If-Match tag {tag} is weak, and If-Match compares strong tags only (RFC 9110, section 13.1.1). Send the \
                 ETag without the W/ before it: {strong}."
            )
        };
        let unquoted = |tag: &str| format!("The If-Match tag {tag} is not in double quotes. Send \"1\".");
        let changed = |tag: &str| {
            format!(
                "The If-Match tag {tag} is not one that this API gives: a proxy that compresses has probably changed it. Send \
                 \"1\"."
            )
        };
        let strange = |tag: &str| {
            format!(
                "The If-Match tag {tag} is not one that this API gives. Send the ETag of the object as it stands: its version in \
                 double quotes, such as \"3\"."
            )
        };
        let empty = "The If-Match header is empty. Send the ETag of the object as it stands, such as \"3\", or leave the header out.";
        for (tags, words) in [
            ("", empty.to_owned()),
            (" , ", empty.to_owned()),
            ("W/\"1\"", weak("W/\"1\"", "\"1\"")),
            ("\"2\", w/\"1\"", weak("w/\"1\"", "\"1\"")),
            ("1", unquoted("1")),
            ("'1'", unquoted("'1'")),
            ("\"1", unquoted("\"1")),
            ("2, \"1\"", "The If-Match tag 2 is not in double quotes. Send \"2\".".to_owned()),
            (
                "abc",
                "The If-Match tag abc is not in double quotes. Send the ETag of the object as it stands, such as \"3\".".to_owned(),
            ),
            ("\"1-gzip\"", changed("\"1-gzip\"")),
            ("\"1;br\"", changed("\"1;br\"")),
            ("\"\"", strange("\"\"")),
            ("\"abc\"", strange("\"abc\"")),
            ("\"01\"", strange("\"01\"")),
            ("*, \"1\"", "The If-Match header has * beside other tags. Send either.".to_owned()),
        ] {
            assert_eq!(IfMatch::read(&headers(&header::IF_MATCH, &[tags])).unwrap_err(), words, "{tags}");
        }
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
        assert_eq!(told(&[]), "The body has no Content-Type. Send Content-Type: application/json.");
        assert_eq!(told(&[""]), told(&[]));
        for (other, kind) in [
            ("text/plain", "text/plain"),
            ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
            ("application/json-patch+json", "application/json-patch+json"),
            ("text/json; charset=utf-16", "text/json"),
        ] {
            let words = format!("The body is declared as {kind}. Send JSON, with Content-Type: application/json.");
            assert_eq!(told(&[other]), words);
        }
        for charset in ["utf-16", "iso-8859-1"] {
            let words = format!("The body is declared to have the charset {charset}. Send it in UTF-8.");
            assert_eq!(told(&[&format!("application/json; charset=utf-8; Charset = {charset}")]), words);
        }
        let twice = "The Content-Type header is given more than once (application/json, text/plain). Send it once, as \
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
