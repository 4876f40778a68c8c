//! An OpenID issuer for development: you pick one of the demo people, without a password. It exists only in this crate, which listens on
//! loopback only. Even so, its tokens are signed and short-lived and its codes work once, so that the sign-in code under test is the code
//! that runs on AWS.

mod view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use data_encoding::BASE64URL_NOPAD;
use form_urlencoded::byte_serialize;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::model::clock::Clock;

use crate::StartError;

/// Its path.
pub const PATH: &str = "/dev/issuer";
/// The settings' client id.
pub const CLIENT_ID: &str = "settings";
const KEY_ID: &str = "dev";
/// How long a code is valid. It works once.
const CODE_SECS: i64 = 60;
const TOKEN_SECS: i64 = 5 * 60;

/// A person to sign in as.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name on the page.
    pub title: String,
    /// Their verified email, which the subject is derived from.
    pub email: String,
}

/// The issuer.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    /// The client's origins.
    sites: Vec<String>,
    people: Vec<Person>,
    clock: Clock,
    key: EncodingKey,
    jwks: Value,
    /// What each outstanding code was issued for.
    codes: Mutex<HashMap<String, Code>>,
}

#[derive(Debug)]
struct Code {
    person: Person,
    callback: String,
    challenge: String,
    nonce: Option<String>,
    expires_at: i64,
}

impl Issuer {
    /// An issuer at `origin`, with a new key. It redirects only to the settings at `sites`, such as `http://127.0.0.1:3000`.
    pub fn new(origin: &str, sites: Vec<String>, people: Vec<Person>, clock: Clock) -> Result<Self, StartError> {
        let broken = |_| StartError::Issuer("no key could be made");
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let key = EncodingKey::from_ec_der(pkcs8.map_err(broken)?.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256)
            .map_err(|_| StartError::Issuer("the key could not be written as a JWK"))?;
        jwk.common.key_id = Some(KEY_ID.to_owned());
        Ok(Self {
            url: format!("{origin}{PATH}"),
            sites,
            people,
            clock,
            jwks: json!({ "keys": [jwk] }),
            key,
            codes: Mutex::default(),
        })
    }

    /// Its issuer identifier, as in discovery and in tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its public keys.
    #[must_use]
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// Its metadata (OpenID Connect Discovery 1.0).
    #[must_use]
    pub fn metadata(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "end_session_endpoint": format!("{url}/sign-out"),
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": ["openid", "email"],
        })
    }

    /// The claims of an id token for a person who has just signed in.
    #[must_use]
    pub fn claims(&self, person: &Person, nonce: Option<&str>) -> Value {
        let now = self.clock.now().as_secs();
        json!({
            "iss": self.url,
            "sub": format!("dev-{}", person.email),
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + TOKEN_SECS,
            "nonce": nonce,
            "email": person.email,
            "email_verified": true,
        })
    }

    /// A token with these claims, signed with its key. `None` if signing fails.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> Option<String> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).ok()
    }

    /// A code for the person, bound to the request to `authorize`. `None` if there is no randomness.
    fn issue(&self, person: &Person, request: &Request) -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let code = BASE64URL_NOPAD.encode(&bytes);
        let now = self.clock.now().as_secs();
        let given = Code {
            person: person.clone(),
            callback: request.get("redirect_uri").to_owned(),
            challenge: request.get("code_challenge").to_owned(),
            nonce: Some(request.get("nonce").to_owned()).filter(|nonce| !nonce.is_empty()),
            expires_at: now + CODE_SECS,
        };
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, code| code.expires_at > now);
        codes.insert(code.clone(), given);
        Some(code)
    }

    /// The id token for a code. Works once, and only with the verifier behind its challenge (RFC 7636).
    fn redeem(&self, request: &Request) -> Option<String> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let code = codes.remove(request.get("code"))?;
        drop(codes);
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(request.get("code_verifier")));
        let fine = code.expires_at > self.clock.now().as_secs()
            && request.get("client_id") == CLIENT_ID
            && request.get("redirect_uri") == code.callback
            && challenge == code.challenge;
        if fine { self.sign(&self.claims(&code.person, code.nonce.as_deref())) } else { None }
    }

    /// Whether the address is on one of the client's origins, at this path.
    fn knows(&self, address: &str, path: &str) -> bool {
        self.sites.iter().any(|site| address.strip_prefix(site.as_str()) == Some(path))
    }

    /// What is wrong with a request to `authorize`, if anything.
    fn objection(&self, request: &Request) -> Option<&'static str> {
        if request.get("client_id") != CLIENT_ID {
            Some("Unknown client_id.")
        } else if !self.knows(request.get("redirect_uri"), settings::CALLBACK) {
            Some("This redirect_uri is not registered for the client.")
        } else if request.get("response_type") != "code" || request.get("code_challenge_method") != "S256" {
            Some("Only the authorization code flow with PKCE (S256) is supported.")
        } else {
            None
        }
    }
}

/// The fields of a query or a form.
struct Request(HashMap<String, String>);

impl Request {
    fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Its endpoints.
pub fn router(issuer: Arc<Issuer>) -> Router {
    Router::new()
        .route(
            "/dev/issuer/.well-known/openid-configuration",
            get(async |State(issuer): State<Arc<Issuer>>| json_response(&issuer.metadata())),
        )
        .route("/dev/issuer/keys", get(async |State(issuer): State<Arc<Issuer>>| json_response(&issuer.jwks)))
        .route("/dev/issuer/authorize", get(authorize))
        .route("/dev/issuer/token", post(token))
        .route("/dev/issuer/sign-out", get(sign_out))
        .with_state(issuer)
}

fn json_response(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// Shows the people to pick from; once `person` is set, redirects to the client with a code.
async fn authorize(State(issuer): State<Arc<Issuer>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let request = Request::parse(&query);
    let mut response = if let Some(objection) = issuer.objection(&request) {
        view::rejected(objection)
    } else {
        let back = |result: &str| {
            Redirect::to(&format!("{}?{result}&state={}", request.get("redirect_uri"), encoded(request.get("state"))))
        };
        let person = request.get("person").parse::<usize>().ok().and_then(|at| issuer.people.get(at));
        match person {
            Some(person) => match issuer.issue(person, &request) {
                Some(code) => back(&format!("code={code}")).into_response(),
                None => back("error=server_error").into_response(),
            },
            None if request.get("person") == "none" => back("error=access_denied").into_response(),
            None => {
                let people = issuer.people.iter().map(|person| (person.title.as_str(), person.email.as_str()));
                view::page(&view::people(people, &format!("{PATH}/authorize?{query}"))).into_response()
            }
        }
    };
    view::add_headers(&mut response);
    response
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// Redirects to the client (OpenID Connect RP-Initiated Logout 1.0). There is no session to end: the issuer asks who you are each time.
async fn sign_out(State(issuer): State<Arc<Issuer>>, RawQuery(query): RawQuery) -> Response {
    let request = Request::parse(&query.unwrap_or_default());
    let back = request.get("post_logout_redirect_uri");
    let mut response = if request.get("client_id") != CLIENT_ID {
        view::rejected("Unknown client_id.")
    } else if !issuer.knows(back, settings::SIGNED_OUT) {
        view::rejected("This post_logout_redirect_uri is not registered for the client.")
    } else if request.get("state").is_empty() {
        Redirect::to(back).into_response()
    } else {
        Redirect::to(&format!("{back}?state={}", encoded(request.get("state")))).into_response()
    };
    view::add_headers(&mut response);
    response
}

async fn token(State(issuer): State<Arc<Issuer>>, body: String) -> Response {
    let request = Request::parse(&body);
    let mut response = match issuer.redeem(&request) {
        Some(token) if request.get("grant_type") == "authorization_code" => json_response(&json!({
            "access_token": "opens-nothing",
            "token_type": "Bearer",
            "expires_in": TOKEN_SECS,
            "id_token": token,
        })),
        _ => (StatusCode::BAD_REQUEST, json_response(&json!({ "error": "invalid_grant" }))).into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn authorize_redirects_only_to_registered_addresses_and_only_with_pkce() {
        let callback = "http://127.0.0.1:3000/settings/callback".to_owned();
        let person = Person { title: "admin".to_owned(), email: "admin@example.com".to_owned() };
        let issuer = Issuer::new(
            "http://127.0.0.1:3000",
            vec!["http://127.0.0.1:3000".to_owned()],
            vec![person],
            Clock::system(),
        )
        .unwrap();
        let router = router(Arc::new(issuer));
        let right = [
            ("client_id", CLIENT_ID),
            ("redirect_uri", callback.as_str()),
            ("response_type", "code"),
            ("code_challenge_method", "S256"),
            ("code_challenge", "x"),
            ("state", "a&b"),
            ("person", "0"),
        ];
        let ask = async |fields: &[(&str, &str)]| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let uri = format!("{PATH}/authorize?{}", query.extend_pairs(fields).finish());
            let request = axum::http::Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
            (response.status().as_u16(), location)
        };
        let (status, location) = ask(&right).await;
        let location = location.unwrap();
        assert!(
            status == 303 && location.starts_with(&format!("{callback}?code=")) && location.ends_with("&state=a%26b")
        );
        for (at, wrong) in [
            (0, "another"),
            (1, "http://127.0.0.1:3000/settings/callback/"),
            (1, "http://evil.example/settings/callback"),
            (1, ""),
            (2, "token"),
            (3, "plain"),
        ] {
            let mut fields = right;
            fields[at].1 = wrong;
            assert_eq!(ask(&fields).await, (400, None), "{} {wrong}", fields[at].0);
        }
        let mut unknown = right;
        unknown[6].1 = "7";
        assert_eq!(ask(&unknown).await, (200, None), "an unknown person can't be picked");
    }

    #[tokio::test]
    async fn sign_out_redirects_only_to_registered_addresses() {
        let sites = vec!["http://127.0.0.1:3000".to_owned()];
        let router =
            router(Arc::new(Issuer::new("http://127.0.0.1:3000", sites, Vec::new(), Clock::system()).unwrap()));
        let ask = async |client: &str, back: &str, state: &str| {
            let back = encoded(back);
            let uri = format!("{PATH}/sign-out?client_id={client}&post_logout_redirect_uri={back}&state={state}");
            let request = axum::http::Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
            (response.status().as_u16(), location)
        };
        let right = "http://127.0.0.1:3000/settings/signed-out";
        assert_eq!(ask(CLIENT_ID, right, "").await, (303, Some(right.to_owned())));
        assert_eq!(ask(CLIENT_ID, right, "a%26b").await, (303, Some(format!("{right}?state=a%26b"))));
        assert_eq!(ask("another", right, "").await, (400, None));
        for wrong in [
            "",
            "http://evil.example/settings/signed-out",
            "http://127.0.0.1:3000",
            "http://127.0.0.1:3000/settings/callback",
            "http://127.0.0.1:3000/settings/signed-out/",
            "http://127.0.0.1:3000.evil.example/settings/signed-out",
        ] {
            assert_eq!(ask(CLIENT_ID, wrong, "").await, (400, None), "{wrong}");
        }
    }
}
