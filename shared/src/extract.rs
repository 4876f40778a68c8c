//! What a handler takes from a request besides its caller: path, query and body, each failing in our envelope.

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Uri, header, request::Parts},
};
use serde::de::DeserializeOwned;

use crate::{
    app::App,
    body::{self, FromFields, Problems, Strict},
    error::{ApiError, Problem},
    event::MAX_BODY_BYTES,
    page::{DEFAULT_LIMIT, MAX_LIMIT, PageRequest},
    value::{Choice, Email},
};

/// The ids in the path. One that has no id's form names nothing, so it is a `NotFound`.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        #[expect(clippy::disallowed_types, reason = "wrapped here")]
        let path = axum::extract::Path::from_request_parts(parts, app).await;
        path.map(|path| Self(path.0)).map_err(|_| ApiError::NotFound)
    }
}

/// The versions that an object may be at for an update to be made: the `If-Match` header (RFC 9110, section 13.1.1). Without
/// it, any.
#[derive(Debug)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// Any version will do.
    pub const ANY: Self = Self(None);

    /// Whether an object at this version may be updated. A tag that is none of ours, or weak, matches nothing.
    pub(crate) fn allows(&self, version: u64) -> bool {
        let Some(header) = &self.0 else { return true };
        header.trim() == "*" || header.split(',').any(|tag| tag.trim() == format!("\"{version}\""))
    }
}

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let header = parts.headers.get(header::IF_MATCH);
        Ok(Self(header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())))
    }
}

/// The body, as JSON (RFC 8259) that is declared as such.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: FromFields> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let declared = declares_json(request.headers());
        let bytes = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| ApiError::PayloadTooLarge)?;
        if bytes.is_empty() {
            return Err(ApiError::MalformedJson("it is empty".to_owned()));
        }
        if !declared {
            return Err(ApiError::UnsupportedMediaType);
        }
        let Strict(value) =
            serde_json::from_slice(&bytes).map_err(|error| ApiError::MalformedJson(error.to_string()))?;
        body::parse(&value).map(Self)
    }
}

/// `application/json`, or a merge patch (RFC 7396), which is what a partial update is; in UTF-8, which JSON always is; and
/// not compressed.
fn declares_json(headers: &HeaderMap) -> bool {
    let compressed = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    let Some(declared) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let declared = declared.to_ascii_lowercase();
    let mut parts = declared.split(';').map(str::trim);
    let json = matches!(parts.next(), Some("application/json" | "application/merge-patch+json"));
    !compressed
        && json
        && parts
            .filter_map(|parameter| parameter.strip_prefix("charset="))
            .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8"))
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
            let message = format!("is no parameter of this list; it takes {}", self.known.join(", "));
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
                self.note("limit", Problem::OutOfRange, format!("must be a whole number from 1 to {MAX_LIMIT}"));
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
        let choice = T::find(self.value(name)?);
        if choice.is_none() {
            self.note(name, Problem::InvalidValue, format!("must be one of {}", T::TEXTS.join(", ")));
        }
        choice
    }

    /// A space, which no address has, is a plus sign that was not encoded as `%2B`.
    fn email(&mut self, name: &'static str) -> Option<Email> {
        let email = Email::new(&self.value(name)?.replace(' ', "+"));
        if email.is_none() {
            self.note(name, Problem::InvalidFormat, "must be an e-mail address");
        }
        email
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_allows_the_versions_it_names() {
        let allows = |header: &str, version| IfMatch(Some(header.to_owned())).allows(version);
        assert!(IfMatch::ANY.allows(7) && allows("*", 7) && allows("\"7\"", 7) && allows("\"6\" , \"7\"", 7));
        assert!(!allows("\"6\"", 7) && !allows("7", 7) && !allows("W/\"7\"", 7) && !allows("", 7));
    }

    #[test]
    fn only_what_is_declared_as_json_in_utf_8_is_read() {
        let declared = |value: &'static str| {
            declares_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]))
        };
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(declared(json), "{json}");
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/json-patch+json",
            "",
        ] {
            assert!(!declared(other), "{other}");
        }
        assert!(!declares_json(&HeaderMap::new()));
        let mut compressed = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        compressed.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!declares_json(&compressed));
    }
}
