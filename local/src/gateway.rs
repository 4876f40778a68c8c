//! A stand-in for API Gateway's HTTP API: finds the function for a path, builds the event that AWS would send (payload format 2.0), and
//! turns the function's result back into an HTTP response.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Response, StatusCode, header, request::Parts},
    response::IntoResponse,
};
use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json, value::RawValue};
use shared::{
    http::{app::App, gateway_response::GatewayResponse, serve::Api},
    model::clock::Clock,
};

use crate::{StartError, apis, cors::Cors, template::Template};

/// API Gateway's limit for a request body: 10 MiB.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The routes of the template, and the functions behind them.
#[derive(Debug)]
pub struct Gateway {
    routes: Vec<(Pattern, String, String)>,
    functions: HashMap<&'static str, Api>,
    cors: Cors,
    clock: Clock,
}

impl Gateway {
    /// Serves the template's routes. `app` makes the state of each function, since every Lambda function has its own. `issuer` signs people
    /// in to the settings.
    pub fn new(template: &Template, app: impl Fn() -> App, issuer: settings::Issuer) -> Result<Self, StartError> {
        let functions = apis(&app, issuer);
        let missing = template.routes.iter().find(|route| !functions.contains_key(route.function.as_str()));
        if let Some(route) = missing {
            return Err(StartError::Template(format!("there is no function {}", route.function)));
        }
        let routes = template.routes.iter();
        let routes = routes.map(|route| (Pattern::new(&route.path), route.method.clone(), route.function.clone()));
        Ok(Self { routes: routes.collect(), functions, cors: template.cors.clone(), clock: app().clock })
    }

    /// The function's `CodeUri`, the route key and the path parameters for a path. As in API Gateway, the most specific matching pattern
    /// wins.
    #[must_use]
    pub fn route(&self, method: &str, path: &str) -> Option<(&str, String, HashMap<String, String>)> {
        self.routes
            .iter()
            .filter(|(_, of, _)| of == "ANY" || of == method)
            .filter_map(|(pattern, of, function)| Some((pattern, of, function, pattern.matches(path)?)))
            .max_by_key(|(pattern, of, ..)| (pattern.specificity(), of.as_str() != "ANY"))
            .map(|(pattern, of, function, parameters)| {
                let key =
                    if pattern.text == "$default" { "$default".to_owned() } else { format!("{of} {}", pattern.text) };
                (function.as_str(), key, parameters)
            })
    }

    /// Responds to a request as API Gateway and Lambda together would.
    pub async fn handle(&self, request: Request, client: SocketAddr) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            return gateway_error(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let Ok(path) = percent_decode_str(parts.uri.path()).decode_utf8() else {
            return gateway_error(StatusCode::BAD_REQUEST, "Bad Request");
        };
        let Some((function, key, parameters)) = self.route(parts.method.as_str(), &path) else {
            return gateway_error(StatusCode::NOT_FOUND, "Not Found");
        };
        let event = self.event(&parts, &path, &body, client, &key, &parameters);
        let Ok(event) = serde_json::from_value::<Box<RawValue>>(event) else {
            return gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        let mut response = into_response(self.functions[function].answer(&event, "local").await);
        self.cors.apply(&parts.method, &parts.headers, response.headers_mut());
        response
    }

    fn event(
        &self,
        parts: &Parts,
        path: &str,
        body: &[u8],
        client: SocketAddr,
        route_key: &str,
        parameters: &HashMap<String, String>,
    ) -> Value {
        let now = self.clock.now();
        let text = if is_text(&parts.headers) { std::str::from_utf8(body).ok() } else { None };
        let mut headers = joined(&parts.headers);
        headers.insert("x-forwarded-for", client.ip().to_string());
        headers.insert("x-forwarded-proto", "http".to_owned());
        let mut id = [0; 11];
        fastrand::fill(&mut id);
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": path,
            "rawQueryString": parts.uri.query().unwrap_or_default(),
            "headers": headers,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "local",
                "domainName": headers.get("host"),
                "domainPrefix": "local",
                "http": {
                    "method": parts.method.as_str(),
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": client.ip().to_string(),
                    "userAgent": headers.get("user-agent"),
                },
                "requestId": BASE64.encode(&id),
                "routeKey": route_key,
                "stage": "$default",
                "time": now.to_string(),
                "timeEpoch": now.as_millis(),
            },
            "isBase64Encoded": text.is_none() && !body.is_empty(),
        });
        if !body.is_empty() {
            event["body"] = text.map_or_else(|| BASE64.encode(body), str::to_owned).into();
        }
        let cookies = parts.headers.get_all(header::COOKIE).iter();
        let cookies: Vec<_> = cookies.map(|all| String::from_utf8_lossy(all.as_bytes())).collect();
        if !cookies.is_empty() {
            event["cookies"] = cookies.iter().flat_map(|all| all.split("; ")).collect();
        }
        if !parameters.is_empty() {
            event["pathParameters"] = json!(parameters);
        }
        event
    }
}

/// The axum handler for [`Gateway::handle`].
pub async fn serve(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    gateway.handle(request, client).await
}

/// Header names in lower case, with repeated values joined by a comma, as in an HTTP API event.
fn joined(headers: &HeaderMap) -> HashMap<&str, String> {
    let mut joined: HashMap<&str, String> = HashMap::new();
    // The event has cookies in a field of their own.
    for (name, value) in headers.iter().filter(|(name, _)| *name != header::COOKIE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined.entry(name.as_str()).and_modify(|all| *all = format!("{all},{value}")).or_insert(value.into_owned());
    }
    joined
}

/// API Gateway passes a body as text if its Content-Type says so, and as base64 otherwise.
fn is_text(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("text/plain");
    ["text/", "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded"]
        .iter()
        .any(|text| declared.to_ascii_lowercase().starts_with(text))
}

fn into_response(result: GatewayResponse) -> Response<Body> {
    let body = result.body();
    let body =
        if result.is_base64_encoded { BASE64.decode(body.as_bytes()).unwrap_or_default() } else { body.into_bytes() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(result.status_code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = result.headers;
    for cookie in result.cookies.iter().filter_map(|cookie| cookie.parse().ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// An error from API Gateway itself, in its own format.
pub(crate) fn gateway_error(status: StatusCode, message: &str) -> Response<Body> {
    let body = json!({ "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A route's path, matched as API Gateway does.
#[derive(Debug)]
struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    /// `jobs`
    Literal(String),
    /// `{jobId}`: one segment.
    Variable(String),
    /// `{proxy+}`: one segment or more.
    Greedy(String),
}

impl Pattern {
    fn new(text: &str) -> Self {
        let segments = text.trim_start_matches('/').split('/').map(|segment| {
            match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.to_owned()),
                    None => Segment::Variable(name.to_owned()),
                },
                None => Segment::Literal(segment.to_owned()),
            }
        });
        Self { text: text.to_owned(), segments: segments.collect() }
    }

    /// The path parameters, if the path matches.
    fn matches(&self, path: &str) -> Option<HashMap<String, String>> {
        let mut parameters = HashMap::new();
        if self.text == "$default" {
            return Some(parameters);
        }
        let mut rest = path.strip_prefix('/')?.split('/').peekable();
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => {
                    if rest.next()? != literal {
                        return None;
                    }
                }
                Segment::Variable(name) => {
                    let value = rest.next().filter(|value| !value.is_empty())?;
                    parameters.insert(name.clone(), value.to_owned());
                }
                Segment::Greedy(name) => {
                    rest.peek()?;
                    parameters.insert(name.clone(), rest.by_ref().collect::<Vec<_>>().join("/"));
                }
            }
        }
        rest.next().is_none().then_some(parameters)
    }

    /// Compared segment by segment: a literal is more specific than a variable, and a variable than a greedy one.
    fn specificity(&self) -> Vec<u8> {
        if self.text == "$default" {
            return Vec::new();
        }
        let weight = |segment: &Segment| match segment {
            Segment::Literal(_) => 3,
            Segment::Variable(_) => 2,
            Segment::Greedy(_) => 1,
        };
        self.segments.iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_route_wins() {
        let patterns: Vec<Pattern> = [
            "$default",
            "/api/v1/jobs",
            "/api/v1/jobs/{proxy+}",
            "/api/v1/jobs/{jobId}/applications",
            "/api/v1/jobs/{jobId}/applications/{proxy+}",
        ]
        .into_iter()
        .map(Pattern::new)
        .collect();
        let chosen = |path: &str| {
            let matching = patterns.iter().filter(|pattern| pattern.matches(path).is_some());
            matching.max_by_key(|pattern| pattern.specificity()).map(|pattern| pattern.text.as_str())
        };
        assert_eq!(chosen("/api/v1/jobs"), Some("/api/v1/jobs"));
        assert_eq!(chosen("/api/v1/jobs/1"), Some("/api/v1/jobs/{proxy+}"));
        assert_eq!(chosen("/api/v1/jobs/1/other"), Some("/api/v1/jobs/{proxy+}"));
        assert_eq!(chosen("/api/v1/jobs/1/applications"), Some("/api/v1/jobs/{jobId}/applications"));
        assert_eq!(chosen("/api/v1/jobs/1/applications/2"), Some("/api/v1/jobs/{jobId}/applications/{proxy+}"));
        assert_eq!(chosen("/api/v1/jobsx"), Some("$default"));
        assert_eq!(chosen("/"), Some("$default"));
    }
}
