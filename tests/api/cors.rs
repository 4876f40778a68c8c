//! CORS: what a page of another origin may send and read, and that a preflight costs nothing.

use std::collections::BTreeSet;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, Response},
};
use local::{cors::Cors, gateway::Gateway, template::Template};
use serde_json::Value;
use shared::http::app::App;

use crate::{
    openapi::{DOCUMENT, resolved},
    test_app::{TEMPLATE, TestApp, no_issuer, request},
};

const APP: &str = "https://app.example.com";

/// A browser's preflight for a PUT from a page of `origin`.
fn preflight(path: &str, origin: &str) -> Request<Body> {
    let mut request = request("OPTIONS", path, None, None);
    for (name, value) in [
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type,if-match,x-api-key"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

async fn ask(gateway: &Gateway, request: Request<Body>) -> Response<Body> {
    gateway.handle(request, ([192, 0, 2, 1], 443).into()).await
}

/// A gateway that allows pages of [`APP`].
fn gateway_for_app(app: &TestApp) -> Gateway {
    let template = Template {
        routes: TEMPLATE.routes.clone(),
        schedules: Vec::new(),
        tables: Vec::new(),
        cors: Cors { origins: vec![APP.to_owned()], ..TEMPLATE.cors.clone() },
    };
    Gateway::new(&template, || App::new(app.db.clone(), app.clock.clock()), no_issuer()).unwrap()
}

fn cors_headers(headers: &HeaderMap) -> BTreeSet<&str> {
    headers.keys().map(axum::http::HeaderName::as_str).filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn every_function_responds_to_a_preflight_with_204_without_key_limits_or_tables() {
    let app = TestApp::new().await;
    for path in TEMPLATE.routes.iter().map(|route| route.path.replace("{proxy+}", "x").replace("{jobId}", "x")) {
        let path = if path == "$default" { "/api/v1/nothing" } else { &path };
        app.tally.take();
        let response = ask(&app.gateway, preflight(path, APP)).await;
        assert_eq!(response.status(), 204, "{path}");
        assert_eq!(app.tally.take().total(), 0, "{path}");
        let headers = response.headers();
        assert!(headers.contains_key("x-request-id") && !headers.contains_key("ratelimit"), "{path}: {headers:?}");
        assert_eq!(cors_headers(headers), BTreeSet::new(), "no origin is allowed by default");
        assert!(to_bytes(response.into_body(), 1).await.unwrap().is_empty(), "{path}");
    }
    let plain = app.call("OPTIONS", "/api/v1/jobs", Some(&app.key), None).await;
    plain.error(405, "method_not_allowed");
    assert_eq!(plain.header("allow"), Some("GET,HEAD,POST"));
}

#[tokio::test]
async fn the_gateway_allows_pages_of_configured_origins_and_no_others() {
    let app = TestApp::new().await;
    let gateway = gateway_for_app(&app);
    let response = ask(&gateway, preflight("/api/v1/jobs", APP)).await;
    let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!((response.status().as_u16(), header("access-control-allow-origin")), (204, APP));
    assert_eq!(header("access-control-allow-methods"), TEMPLATE.cors.methods.join(","));
    assert_eq!(header("access-control-allow-headers"), TEMPLATE.cors.request_headers.join(","));
    assert_eq!(header("access-control-max-age"), "600");

    for (origin, wanted) in [
        (Some(APP), vec!["access-control-allow-origin", "access-control-expose-headers"]),
        (Some("https://other.example.com"), vec![]),
        (Some("https://app.example.com.evil.example"), vec![]),
        (Some("null"), vec![]),
        (None, vec![]),
    ] {
        let mut read = request("GET", "/api/v1/jobs", Some(&app.key), None);
        if let Some(origin) = origin {
            read.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let response = ask(&gateway, read).await;
        assert_eq!((response.status().as_u16(), cors_headers(response.headers())), (200, wanted.into_iter().collect()));
    }
    let rejected = ask(&gateway, preflight("/api/v1/jobs", "https://other.example.com")).await;
    assert_eq!((rejected.status().as_u16(), cors_headers(rejected.headers())), (204, BTreeSet::new()));
}

/// Headers that browsers let every page read (Fetch, section 2.2.2).
const SAFELISTED: [&str; 7] =
    ["cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"];

#[test]
fn the_template_lists_the_methods_and_headers_of_the_contract() {
    let operations = || {
        let paths = DOCUMENT["paths"].as_object().unwrap().values();
        paths.flat_map(|methods| methods.as_object().unwrap())
    };
    let sorted = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>();
    let Cors { methods, request_headers, exposed_headers, .. } = &TEMPLATE.cors;

    assert_eq!(sorted(methods), operations().map(|(method, _)| method.clone()).collect());

    let schemes = DOCUMENT["components"]["securitySchemes"].as_object().unwrap().values();
    let mut sent: BTreeSet<String> = schemes.map(|scheme| scheme["name"].as_str().unwrap().to_lowercase()).collect();
    let parameters = operations().flat_map(|(_, operation)| operation["parameters"].as_array().into_iter().flatten());
    let headers = parameters.map(resolved).filter(|parameter| parameter["in"] == "header");
    sent.extend(headers.map(|parameter| parameter["name"].as_str().unwrap().to_lowercase()));
    sent.insert("content-type".to_owned());
    assert_eq!(sorted(request_headers), sent);

    let responses = operations().flat_map(|(_, operation)| operation["responses"].as_object().unwrap().values());
    let returned = responses.map(resolved).filter_map(|response| response.get("headers")).filter_map(Value::as_object);
    let returned = returned.flat_map(serde_json::Map::keys).map(|name| name.to_lowercase());
    assert_eq!(sorted(exposed_headers), returned.filter(|name| !SAFELISTED.contains(&name.as_str())).collect());
}
