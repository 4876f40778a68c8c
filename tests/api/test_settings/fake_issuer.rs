//! An issuer that serves on loopback, and whose responses a test can alter.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
};
use data_encoding::BASE64URL_NOPAD;
use local::issuer::{self, Issuer, Person};
use serde_json::Value;

use super::ORIGIN;
use crate::test_app::TestApp;

/// Alters an issuer's response, given its endpoint and its body.
type Alteration = Box<dyn Fn(&Issuer, &str, Value) -> Value + Send + Sync>;

/// An issuer that serves on loopback, and whose responses a test can alter.
#[derive(Clone)]
pub struct FakeIssuer {
    pub issuer: Arc<Issuer>,
    alteration: Arc<Mutex<Option<Alteration>>>,
    rejection: Arc<Mutex<Option<(&'static str, &'static str)>>>,
    /// The endpoint that has moved.
    moved: Arc<Mutex<Option<&'static str>>>,
    /// How often each endpoint was called.
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl FakeIssuer {
    pub(super) async fn start(app: &TestApp, people: Vec<Person>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Arc::new(Issuer::new(&origin, vec![ORIGIN.to_owned()], people, app.clock.clock()).unwrap());
        let fake = Self {
            issuer,
            alteration: Arc::default(),
            rejection: Arc::default(),
            moved: Arc::default(),
            asked: Arc::default(),
        };
        let service = fake.router();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        fake
    }

    pub(super) fn router(&self) -> Router {
        let this = self.clone();
        issuer::router(Arc::clone(&self.issuer)).layer(middleware::from_fn(move |request, next| {
            let this = this.clone();
            async move { this.answer(request, next).await }
        }))
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let endpoint = request.uri().path().rsplit('/').next().unwrap().to_owned();
        *self.asked.lock().unwrap().entry(endpoint.clone()).or_default() += 1;
        if let Some((_, body)) = self.rejection.lock().unwrap().filter(|(of, _)| *of == endpoint) {
            return (StatusCode::BAD_REQUEST, [("content-type", "application/json")], body).into_response();
        }
        if *self.moved.lock().unwrap() == Some(endpoint.as_str()) && request.uri().query().is_none() {
            // The method and the body stay the same (RFC 9110, section 15.4.8).
            return Redirect::temporary(&format!("{}?moved", request.uri().path())).into_response();
        }
        let response = next.run(with_client(request).await).await;
        if response.status() != StatusCode::OK || ["authorize", "sign-out"].contains(&endpoint.as_str()) {
            return response;
        }
        let body = response.into_body();
        let body: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
        let body = match &*self.alteration.lock().unwrap() {
            Some(alteration) => alteration(&self.issuer, &endpoint, body),
            None => body,
        };
        ([("content-type", "application/json")], Body::from(body.to_string())).into_response()
    }

    /// From now on, `alteration` alters the response of every endpoint.
    pub fn alters_all(&self, alteration: impl Fn(&Issuer, &str, Value) -> Value + Send + Sync + 'static) {
        *self.alteration.lock().unwrap() = Some(Box::new(alteration));
    }

    /// From now on, `alteration` alters the response of the endpoint `keys`, `token` or `openid-configuration`.
    pub fn alters(&self, endpoint: &'static str, alteration: impl Fn(&Issuer, Value) -> Value + Send + Sync + 'static) {
        self.alters_all(move |issuer, of, body| if of == endpoint { alteration(issuer, body) } else { body });
    }

    /// From now on, the endpoint responds with 400 and this body.
    pub fn rejects(&self, endpoint: &'static str, body: &'static str) {
        *self.rejection.lock().unwrap() = Some((endpoint, body));
    }

    /// From now on, the endpoint redirects to a place that responds as it should.
    pub fn moves(&self, endpoint: &'static str) {
        *self.moved.lock().unwrap() = Some(endpoint);
    }

    /// From now on, `forge` makes the token from the claims that it should have.
    pub fn forges(&self, forge: impl Fn(&Issuer, Value) -> String + Send + Sync + 'static) {
        self.alters("token", move |issuer, mut body| {
            body["id_token"] = forge(issuer, claims(&body)).into();
            body
        });
    }

    pub fn asked(&self, endpoint: &str) -> u32 {
        self.asked.lock().unwrap().get(endpoint).copied().unwrap_or_default()
    }
}

/// Moves the client's credentials from the Authorization header to the form, where the development issuer expects the client id.
async fn with_client(request: Request) -> Request {
    if !request.headers().contains_key("authorization") {
        return request;
    }
    let (parts, body) = request.into_parts();
    let mut form = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    form.extend(format!("&client_id={}", issuer::CLIENT_ID).into_bytes());
    let mut request = Request::from_parts(parts, Body::from(form));
    request.headers_mut().remove("content-length");
    request
}

/// The claims of the id token in a token endpoint's response.
pub fn claims(answer: &Value) -> Value {
    let claims = answer["id_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
}
