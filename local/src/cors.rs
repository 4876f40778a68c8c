//! Applies a `CorsConfiguration` as an HTTP API does: it drops the functions' own CORS headers and adds the configured ones.
//!
//! It does not respond to preflights itself: every route of the template takes ANY, and such a route passes preflights to its function.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;

/// The `CorsConfiguration` of the template's API.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Origins whose pages may call the API, such as `https://app.example.com`; `*` allows any.
    pub origins: Vec<String>,
    /// Methods that these pages may use.
    pub methods: Vec<String>,
    /// Request headers that they may send.
    pub request_headers: Vec<String>,
    /// Response headers that they may read.
    pub exposed_headers: Vec<String>,
    /// How many seconds a browser may cache a preflight response.
    pub max_age_secs: Option<u64>,
}

impl Cors {
    /// Reads the properties of an `AWS::Serverless::HttpApi`. If the origins are a parameter, its default applies.
    pub(crate) fn read(api: &Value, parameters: &Value) -> Self {
        let cors = &api["CorsConfiguration"];
        let list = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let origins = match cors["AllowOrigins"].as_str() {
            Some(parameter) => {
                let default = parameters[parameter]["Default"].as_str().unwrap_or_default();
                default.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(str::to_owned).collect()
            }
            None => list(&cors["AllowOrigins"]),
        };
        Self {
            origins,
            methods: list(&cors["AllowMethods"]),
            request_headers: list(&cors["AllowHeaders"]),
            exposed_headers: list(&cors["ExposeHeaders"]),
            max_age_secs: cors["MaxAge"].as_u64(),
        }
    }

    /// Replaces the CORS headers of a response with those of this configuration.
    pub(crate) fn apply(&self, method: &Method, request: &HeaderMap, response: &mut HeaderMap) {
        let own: Vec<HeaderName> =
            response.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        for name in own {
            response.remove(name);
        }
        let origin = request.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        let allowed = self.origins.iter().find(|allowed| *allowed == "*" || Some(allowed.as_str()) == origin);
        let (Some(_), Some(allowed)) = (origin, allowed) else { return };
        let mut add = |name: HeaderName, value: String| {
            if let Some(value) = HeaderValue::from_str(&value).ok().filter(|value| !value.is_empty()) {
                response.insert(name, value);
            }
        };
        add(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        if *method == Method::OPTIONS && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            add(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.join(","));
            add(header::ACCESS_CONTROL_ALLOW_HEADERS, self.request_headers.join(","));
            add(header::ACCESS_CONTROL_MAX_AGE, self.max_age_secs.map_or(String::new(), |secs| secs.to_string()));
        } else {
            add(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed_headers.join(","));
        }
    }
}
