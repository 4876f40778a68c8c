//! What the tests of the settings start with: an organization with an admin and a member, an issuer whose responses a test can alter, and a
//! browser that keeps cookies.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64URL_NOPAD;
use local::{
    database::Embedded,
    gateway::Gateway,
    issuer::{self, Issuer, Person},
};
use serde_json::Value;
use shared::{
    http::{app::App, gateway_response::GatewayResponse},
    model::{plan::Plan, role::Role, value::Email},
    store::{activity::Actor, db::Db, member},
};
use tower::ServiceExt;

use crate::test_app::{ENDPOINT, TEMPLATE, TestApp, proxy::Proxy};

pub const ORIGIN: &str = "http://api.example.com";

pub const PAGES: [&str; 5] =
    ["/settings/keys", "/settings/keys/new", "/settings/usage", "/settings/activity", "/settings/plan"];

/// A key's id.
pub fn id(key: &str) -> &str {
    &key[8..18]
}

/// Alters an issuer's response, given its endpoint and its body.
type Alteration = Box<dyn Fn(&Issuer, &str, Value) -> Value + Send + Sync>;

/// An issuer that serves on loopback, and whose responses a test can alter.
#[derive(Clone)]
pub struct FakeIssuer {
    pub issuer: Arc<Issuer>,
    alteration: Arc<Mutex<Option<Alteration>>>,
    rejection: Arc<Mutex<Option<(&'static str, &'static str)>>>,
    /// How often each endpoint was called.
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl FakeIssuer {
    async fn start(app: &TestApp, people: Vec<Person>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Arc::new(Issuer::new(&origin, vec![ORIGIN.to_owned()], people, app.clock.clock()).unwrap());
        let fake = Self { issuer, alteration: Arc::default(), rejection: Arc::default(), asked: Arc::default() };
        let service = fake.router();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        fake
    }

    fn router(&self) -> Router {
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

pub struct TestSettings {
    pub app: TestApp,
    pub issuer: FakeIssuer,
    pub gateway: Arc<Gateway>,
    pub admin: String,
    pub member: String,
    secret: Option<String>,
}

impl TestSettings {
    /// An organization on `plan` with one key, an admin and a member.
    pub async fn on(plan: Plan) -> Self {
        Self::with(TestApp::frozen(plan).await).await
    }

    /// The same, for this app.
    pub async fn with(app: TestApp) -> Self {
        let (admin, member) = (format!("admin@{}.example", app.org), format!("member@{}.example", app.org));
        for (email, role) in [(&admin, Role::Admin), (&member, Role::Member)] {
            let email = Email::new(email).unwrap();
            member::add(&app.db, &app.org, app.clock.now(), &email, role, &Actor::operator()).await.unwrap();
        }
        let person = |email: &str| Person { title: email.to_owned(), email: email.to_owned() };
        let stranger = "stranger@example.com";
        let issuer = FakeIssuer::start(&app, [admin.as_str(), &member, stranger].map(person).to_vec()).await;
        let gateway = Arc::new(gateway(&app, &issuer, None));
        Self { app, issuer, gateway, admin, member, secret: None }
    }

    pub async fn new() -> Self {
        Self::on(Plan::Enterprise).await
    }

    /// From now on, its functions reach DynamoDB through a proxy.
    pub async fn behind(&mut self, proxy: &Proxy) {
        self.behind_to(proxy, &ENDPOINT).await;
    }

    /// The same, with this DynamoDB.
    pub async fn behind_to(&mut self, proxy: &Proxy, upstream: &str) {
        let endpoint = proxy.start(upstream).await;
        self.app.db = Db::embedded(local::database::config(&endpoint), Embedded::tables());
        self.app.gateway = self.app.fresh_gateway();
        self.gateway = self.fresh_gateway();
    }

    /// New instances of all functions, which have seen no earlier requests.
    pub fn fresh_gateway(&self) -> Arc<Gateway> {
        Arc::new(gateway(&self.app, &self.issuer, self.secret.clone()))
    }

    /// From now on, the settings share a client secret with the issuer.
    pub fn share_secret(&mut self, secret: &str) {
        self.secret = Some(secret.to_owned());
        self.gateway = self.fresh_gateway();
    }

    /// The response to an event, bypassing the local gateway.
    pub async fn answer(&self, event: &Value) -> Page {
        let answer = self.answer_to(event).await;
        let status = StatusCode::from_u16(answer.status_code).unwrap();
        Page { status, body: answer.body(), headers: answer.headers }
    }

    /// The response as Lambda would get it.
    pub async fn answer_to(&self, event: &Value) -> GatewayResponse {
        let issuer = settings::Issuer::new(self.issuer.issuer.url(), issuer::CLIENT_ID, None);
        let apis = local::apis(|| App::new(self.app.db.clone(), self.app.clock.clock()), issuer);
        let event = serde_json::value::to_raw_value(event).unwrap();
        apis["functions/settings"].answer(&event, "test").await
    }

    pub fn browser(&self) -> SettingsClient {
        SettingsClient { gateway: Arc::clone(&self.gateway), issuer: self.issuer.router(), cookies: BTreeMap::new() }
    }

    /// A browser in which the admin is signed in.
    pub async fn admin(&self) -> SettingsClient {
        self.signed_in(0).await
    }

    /// A browser in which the member is signed in.
    pub async fn member(&self) -> SettingsClient {
        self.signed_in(1).await
    }

    /// The status of a request with the key.
    pub async fn call(&self, key: &str) -> u16 {
        self.app.call("GET", "/api/v1/jobs", Some(key), None).await.status.as_u16()
    }

    /// Every item of the organization in the Access table, and of its people's sessions, as text.
    pub async fn whole_access_table(&self) -> String {
        #[expect(clippy::disallowed_methods, reason = "a test that looks everywhere")]
        let scan = self.app.client.scan();
        let pages = scan.table_name(Embedded::tables().access).into_paginator().items().send();
        let items: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
        let bytes = items.iter().flat_map(|item| item.values()).filter_map(|value| value.as_b().ok());
        let bytes: Vec<_> = bytes.map(|bytes| String::from_utf8_lossy(bytes.as_ref()).into_owned()).collect();
        format!("{items:?} {bytes:?}")
    }

    async fn signed_in(&self, person: usize) -> SettingsClient {
        let mut browser = self.browser();
        let page = browser.sign_in(person).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, "/settings/keys"), "{}", page.body);
        browser
    }
}

fn gateway(app: &TestApp, fake: &FakeIssuer, secret: Option<String>) -> Gateway {
    let issuer = settings::Issuer::new(fake.issuer.url(), issuer::CLIENT_ID, secret);
    Gateway::new(&TEMPLATE, || App::new(app.db.clone(), app.clock.clock()), issuer).unwrap()
}

/// A browser: handles cookies, origins and forms, and leaves redirects to the test.
#[derive(Clone)]
pub struct SettingsClient {
    pub gateway: Arc<Gateway>,
    issuer: Router,
    pub cookies: BTreeMap<String, String>,
}

#[derive(Clone)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn location(&self) -> &str {
        assert!(self.headers.contains_key("location"), "{} {}", self.status, self.body);
        self.header("location")
    }

    /// The page's HTML. The response must be a page with this status.
    #[track_caller]
    pub fn shown(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8");
        &self.body
    }

    /// The value of the page's first field of this name.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&field).unwrap_or_else(|| panic!("no field {name} in {}", self.body));
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// The target of the page's automatic redirect, if it has one.
    pub fn leads_to(&self) -> Option<String> {
        let (_, rest) = self.body.split_once("<meta http-equiv=\"refresh\" content=\"0; url=")?;
        Some(rest.split_once('"').unwrap().0.replace("&amp;", "&"))
    }

    /// The key that the page shows.
    #[track_caller]
    pub fn secret(&self) -> String {
        let (_, rest) = self.shown(200).split_once("id=\"secret\">").unwrap_or_else(|| panic!("{}", self.body));
        rest.split_once('<').unwrap().0.to_owned()
    }

    /// The cookies that the response sets.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect()
    }
}

impl SettingsClient {
    pub async fn send(&mut self, request: Request) -> Page {
        let response = self.gateway.handle(request, SocketAddr::from(([192, 0, 2, 1], 443))).await;
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let page = Page { status: parts.status, headers: parts.headers, body };
        for cookie in page.cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
            }
        }
        page
    }

    pub fn request(&self, method: &str, path: &str, body: String) -> Request {
        let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        request.body(Body::from(body)).unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Page {
        let request = self.request("GET", path, String::new());
        self.send(request).await
    }

    /// The session's form token.
    pub async fn token(&mut self) -> String {
        self.get("/settings/plan").await.field("token")
    }

    /// Sends a form with this `Origin` header, or none.
    pub async fn post_from(&mut self, origin: Option<&str>, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let mut request = self.request("POST", path, body.finish());
        let headers = request.headers_mut();
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        self.send(request).await
    }

    /// Sends a form as our own pages do.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from(Some(ORIGIN), path, fields).await
    }

    /// Starts a sign-in, and returns the URL at the issuer.
    pub async fn ask(&mut self, path: &str) -> String {
        let page = self.get(path).await;
        assert_eq!(page.status, 303, "{}", page.body);
        page.location().to_owned()
    }

    /// Where the issuer redirects a browser that opens `url`.
    pub async fn sent_on_from(&self, url: &str) -> String {
        let path = url.splitn(4, '/').nth(3).unwrap();
        let request = Request::builder().uri(format!("/{path}")).body(Body::empty()).unwrap();
        let response = self.issuer.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER, "{url}");
        response.headers()["location"].to_str().unwrap().strip_prefix(ORIGIN).unwrap().to_owned()
    }

    /// Picks a person at the issuer, and returns where it redirects.
    pub async fn pick(&self, issuer: &str, person: usize) -> String {
        self.sent_on_from(&format!("{issuer}&person={person}")).await
    }

    /// Signs in, and returns the final response.
    pub async fn sign_in(&mut self, person: usize) -> Page {
        let issuer = self.ask("/settings/sign-in").await;
        let back = self.pick(&issuer, person).await;
        self.get(&back).await
    }

    /// Fills in a new form for a key, and returns the response.
    pub async fn make(&mut self, name: &str, scopes: &[&str]) -> Page {
        let form = self.get("/settings/keys/new").await;
        self.fill(&form, name, scopes).await
    }

    /// Fills in this form for a key, and returns the response.
    pub async fn fill(&mut self, form: &Page, name: &str, scopes: &[&str]) -> Page {
        let (token, nonce) = (form.field("token"), form.field("nonce"));
        let mut fields = vec![("token", token.as_str()), ("nonce", &nonce), ("name", name), ("expiry", "none")];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        self.post("/settings/keys", &fields).await
    }
}
