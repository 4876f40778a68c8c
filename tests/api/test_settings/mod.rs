//! What the tests of the settings start with: an organization with an admin and a member, an issuer whose responses a test can alter, and a
//! browser that keeps cookies.

mod fake_issuer;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
};
use local::{
    database::Embedded,
    gateway::Gateway,
    issuer::{self, Person},
};
use serde_json::Value;
use shared::{
    http::{app::App, gateway_response::GatewayResponse},
    model::{plan::Plan, role::Role, value::Email},
    store::{activity::Actor, db::Db, member},
};
use tower::ServiceExt;

pub use fake_issuer::{FakeIssuer, claims};

use crate::test_app::{ENDPOINT, TEMPLATE, TestApp, proxy::Proxy};

pub const ORIGIN: &str = "http://api.example.com";

pub const PAGES: [&str; 5] =
    ["/settings/keys", "/settings/keys/new", "/settings/usage", "/settings/activity", "/settings/plan"];

/// A key's id.
pub fn id(key: &str) -> &str {
    &key[8..18]
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
