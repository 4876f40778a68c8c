//! Malformed events, which no client should be able to cause: each is a 400 in our envelope, none panics, and none reaches a handler under
//! another path.

use proptest::prelude::*;
use serde_json::{Value, json, value::RawValue};
use shared::http::{app::App, serve::Api};

use crate::{
    test_app::{TestApp, request},
    test_settings::TestSettings,
};

/// Security headers of every response.
pub const SECURITY: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=31536000"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

async fn answer(app: &TestApp, event: &Value) -> (u16, Value) {
    let api = Api::new(jobs::router(), App::new(app.db.clone(), app.clock.clock()));
    let raw: Box<RawValue> = serde_json::from_value(event.clone()).unwrap();
    let answer = api.answer(&raw, "lambda-request-id").await;
    (answer.status_code, serde_json::from_str(&answer.body()).unwrap())
}

/// A valid event: lists the jobs.
fn good(app: &TestApp) -> Value {
    let text = include_str!("../../events/jobs-list.json").replace("{professional all}", &app.key);
    serde_json::from_str(&text).unwrap()
}

/// Events that differ from a valid one in one malformed part, and some that are not HTTP events at all.
pub fn strange_events(good: &Value) -> Vec<Value> {
    let with = |pointer: &str, value: Value| {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let without = |name: &str| {
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let mut encoded = with("/isBase64Encoded", true.into());
    encoded["body"] = "not base64!".into();
    let mut strange = vec![
        Value::Null,
        json!({}),
        json!([]),
        json!("event"),
        json!({ "Records": [{ "eventSource": "aws:sqs", "body": "{}" }] }),
        json!({ "httpMethod": "GET", "path": "/api/v1/jobs", "requestContext": { "stage": "prod" } }),
        encoded,
        without("version"),
        without("rawPath"),
        without("requestContext"),
        with("/version", "1.0".into()),
        with("/headers/host", "a b".into()),
        with("/headers/host", "api.example.com:port".into()),
        with("/headers/x-forwarded-proto", "https,http".into()),
        with("/headers/accept", "a\nb".into()),
        with("/requestContext/http/method", "GE T".into()),
    ];
    for query in ["limit= 1", "status=open\n", "status=\u{7f}", "a=\"b\" c"] {
        strange.push(with("/rawQueryString", query.into()));
    }
    for path in [
        "",
        "api/v1/jobs",
        "//api/v1/jobs",
        "/api/v1//jobs",
        "/api/v1/./jobs",
        "/x/../api/v1/jobs",
        "/api/v1/jobs/..",
        "/api/v1\\jobs",
        "/api/v1/jobs#",
        "/api/v1/jobs#?x",
        "/api/v1/jobs?status=open",
        "/%2e%2e/api/v1/jobs",
        "/api/v1/jobs\n",
        "/api/v1/\0jobs",
        "https://api.example.com/api/v1/jobs",
    ] {
        strange.push(with("/rawPath", path.into()));
    }
    strange
}

#[tokio::test]
async fn a_malformed_event_is_a_400_and_costs_nothing() {
    let app = TestApp::new().await;
    let good = good(&app);
    assert_eq!(answer(&app, &good).await.0, 200);
    app.tally.take();
    for event in strange_events(&good) {
        let (status, body) = answer(&app, &event).await;
        assert_eq!((status, &body["error"]["code"]), (400, &json!("bad_request")), "{event}");
        assert!(body["error"]["requestId"].as_str().is_some_and(|id| !id.is_empty()));
    }
    assert_eq!(app.tally.take().total(), 0);
}

#[tokio::test]
async fn an_event_without_a_usable_request_id_uses_lambdas_request_id() {
    let app = TestApp::new().await;
    for id in [Value::Null, "".into(), "a b".into(), "é".into(), "x".repeat(129).into(), "a\nb".into()] {
        let mut event = good(&app);
        event["requestContext"]["requestId"] = id;
        event["headers"]["x-api-key"] = "".into();
        assert_eq!(answer(&app, &event).await.1["error"]["requestId"], "lambda-request-id");
    }
}

#[tokio::test]
async fn the_stage_is_not_stripped_from_the_path() {
    let app = TestApp::new().await;
    let mut event = good(&app);
    event["requestContext"]["stage"] = "prod".into();
    assert_eq!(answer(&app, &event).await.0, 200);
    event["rawPath"] = "/prod/api/v1/jobs".into();
    assert_eq!(answer(&app, &event).await.0, 404);
}

#[test]
fn any_event_gets_a_response_in_our_envelope() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::new());
    let text = || prop_oneof!["\\PC{0,40}", "[/.a-z%?#\\\\ ]{0,20}", Just("/api/v1/jobs".to_owned())];
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let strategy = (text(), text(), text(), text(), text(), any::<bool>());
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&strategy, |(path, query, host, method, body, base64)| {
        let mut event = good(&app);
        event["rawPath"] = path.into();
        event["rawQueryString"] = query.into();
        event["headers"]["host"] = host.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["body"] = body.into();
        event["isBase64Encoded"] = base64.into();
        app.clock.advance(1_100);
        let (status, body) = runtime.block_on(answer(&app, &event));
        prop_assert!(matches!(status, 200 | 400 | 404 | 405), "{status} {body}");
        prop_assert_eq!(body["success"].as_bool(), Some(status == 200));
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn link_and_location_start_with_the_gateways_host_or_with_their_path() {
    let app = TestApp::new().await;
    app.job("open").await;
    app.job("open").await;
    let api = Api::new(jobs::router(), App::new(app.db.clone(), app.clock.clock()));
    for (domain, origin) in
        [(json!("api.example.com"), "https://api.example.com"), (Value::Null, ""), (json!("a b"), "")]
    {
        let mut event = good(&app);
        event["requestContext"]["domainName"] = domain;
        event["rawQueryString"] = "limit=1".into();
        let raw: Box<RawValue> = serde_json::from_value(event.clone()).unwrap();
        let page = api.answer(&raw, "lambda-request-id").await;
        let link = page.headers["link"].to_str().unwrap();
        assert!(link.starts_with(&format!("<{origin}/api/v1/jobs?limit=1&cursor=")), "{link}");

        event["rawQueryString"] = "".into();
        event["requestContext"]["http"]["method"] = "POST".into();
        event["headers"]["content-type"] = "application/json".into();
        event["body"] = r#"{"title":"Nurse"}"#.into();
        let raw: Box<RawValue> = serde_json::from_value(event).unwrap();
        let created = api.answer(&raw, "lambda-request-id").await;
        let location = created.headers["location"].to_str().unwrap();
        assert!(location.starts_with(&format!("{origin}/api/v1/jobs/0")), "{location}");
    }
}

#[tokio::test]
async fn a_docs_url_starts_with_the_gateways_host_and_no_other() {
    let app = TestApp::new().await;
    let docs_origin = async |domain: Value, scheme: &str| {
        let mut event = good(&app);
        event["rawPath"] = "/nowhere".into();
        event["headers"]["host"] = "127.0.0.1:3001".into();
        event["headers"]["x-forwarded-proto"] = scheme.into();
        event["requestContext"]["domainName"] = domain;
        let (_, body) = answer(&app, &event).await;
        body["error"]["docsUrl"].as_str().unwrap().strip_suffix("/docs/errors#not_found").unwrap().to_owned()
    };
    assert_eq!(docs_origin("api.example.com".into(), "https").await, "https://api.example.com");
    assert_eq!(docs_origin("api.example.com".into(), "HTTP").await, "http://api.example.com");
    assert_eq!(docs_origin("localhost".into(), "http").await, "http://127.0.0.1:3001", "as `sam local` has it");
    for none in [Value::Null, "".into(), "evil.example/x".into(), "a b".into(), "user@host".into()] {
        assert_eq!(docs_origin(none.clone(), "https").await, "", "{none}");
    }
}

#[tokio::test]
async fn the_stages_public_origin_overrides_the_gateways_own_name_and_the_clients_headers() {
    let app = TestApp::new().await;
    for (variable, wanted) in [
        (json!({ "publicOrigin": "https://api.example.org" }), "https://api.example.org"),
        (json!({ "publicOrigin": "gateway" }), "https://gateway.example.com"),
        (json!({}), "https://gateway.example.com"),
        (Value::Null, "https://gateway.example.com"),
    ] {
        let mut event = good(&app);
        event["rawPath"] = "/nowhere".into();
        event["stageVariables"] = variable;
        event["headers"]["host"] = "evil.example".into();
        event["requestContext"]["domainName"] = "gateway.example.com".into();
        let (_, body) = answer(&app, &event).await;
        assert_eq!(body["error"]["docsUrl"], format!("{wanted}/docs/errors#not_found"));
    }
}

#[tokio::test]
async fn every_response_has_each_security_header_exactly_once() {
    let test = TestSettings::new().await;
    let app = &test.app;
    let mut answers = Vec::new();
    for (method, path, key) in [
        ("GET", "/api/v1/jobs", Some(app.key.as_str())),
        ("HEAD", "/api/v1/jobs", Some(&app.key)),
        ("GET", "/api/v1/usage", Some(&app.key)),
        ("GET", "/api/v1/jobs", None),
        ("GET", "/api/v1/jobs?limit=0", Some(&app.key)),
        ("PATCH", "/api/v1/jobs", Some(&app.key)),
        ("GET", "/api/v1/nowhere", None),
        ("GET", "/nowhere", None),
        ("GET", "/api/v1/openapi.json", None),
        ("GET", "/", None),
        ("GET", "/docs", None),
        ("GET", "/docs/", None),
        ("GET", "/docs/nowhere", None),
        ("GET", "/settings", None),
        ("GET", "/settings/keys", None),
        ("GET", "/settings/sign-in", None),
        ("GET", "/settings/callback", None),
        ("GET", "/settings/signed-out", None),
        ("GET", "/settings/nowhere", None),
        ("POST", "/settings/keys", None),
        ("PATCH", "/settings/keys", None),
        ("GET", "/settings//keys", None),
    ] {
        let request = request(method, path, key, None);
        let response = test.gateway.handle(request, std::net::SocketAddr::from(([192, 0, 2, 1], 443))).await;
        answers.push((format!("{method} {path}"), response.headers().clone()));
    }
    for event in strange_events(&good(app)) {
        answers.push((format!("{event}"), test.answer_to(&event).await.headers));
    }
    for (what, headers) in answers {
        for (name, value) in SECURITY {
            let values: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{name} of {what}");
        }
    }
}
