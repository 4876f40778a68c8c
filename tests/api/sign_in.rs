//! Signing in: what the issuer says is believed only when it can be verified, and a session lasts only as long as it should.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use local::issuer::{Issuer, Person};
use serde_json::{Value, json};
use shared::{
    model::{role::Role, secret::Secret, value::Email},
    store::{activity::Actor, member},
};

use crate::{
    desk::{Browser, Desk, Page, claims},
    failures::Log,
};

/// Nobody was signed in.
#[track_caller]
fn refused(page: &Page, status: u16, browser: &Browser) {
    assert_eq!(page.status, status, "{}", page.body);
    assert!(!browser.cookies.contains_key("__Host-session"), "{:?}", browser.cookies);
}

#[tokio::test]
async fn a_person_signs_in_and_arrives_at_the_page_that_was_asked_for() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let asked = browser.get("/settings/usage").await;
    assert_eq!(asked.location(), "/settings/sign-in?return=%2Fsettings%2Fusage");
    let issuer = browser.ask(asked.location()).await;
    for part in ["response_type=code", "code_challenge_method=S256", "scope=openid+email", "nonce=", "state="] {
        assert!(issuer.contains(part), "{issuer}");
    }
    let back = browser.pick(&issuer, 0).await;
    let page = browser.get(&back).await;
    assert_eq!((page.status.as_u16(), page.location()), (303, "/settings/usage"));
    let session = page.cookies().into_iter().find(|cookie| cookie.starts_with("__Host-session=")).unwrap();
    for part in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"] {
        assert!(session.contains(part) && !session.contains("Domain"), "{session}");
    }
    assert!(browser.get("/settings/usage").await.shown(200).contains(&desk.admin));
    assert!(!browser.cookies.contains_key("__Host-sign-in"), "what the sign-in needed is forgotten");
}

#[tokio::test]
async fn a_forged_token_signs_nobody_in() {
    type Change = fn(&mut Value);
    type Forge = fn(&Issuer, Value) -> String;
    let changed: [(&str, u16, Change); 23] = [
        ("issued to another client", 400, |claims| claims["azp"] = "another".into()),
        ("issued to nobody", 400, |claims| claims["azp"] = "".into()),
        ("issued to several", 400, |claims| claims["azp"] = json!(["settings"])),
        ("issued an hour ago", 400, |claims| claims["iat"] = later(claims, -60 * 60)),
        ("issued more than ten minutes ago", 400, |claims| claims["iat"] = later(claims, -10 * 60 - 1)),
        ("issued in more than five minutes", 400, |claims| claims["iat"] = later(claims, 5 * 60 + 1)),
        ("issued in a year", 400, |claims| claims["iat"] = later(claims, 365 * 24 * 60 * 60)),
        ("issued in 1970", 400, |claims| claims["iat"] = 0.into()),
        ("issued at no time", 400, |claims| claims["iat"] = Value::Null),
        ("issued at no moment", 400, |claims| claims["iat"] = "now".into()),
        ("whose e-mail Entra would vouch for", 403, |claims| {
            claims["email_verified"] = Value::Null;
            claims["xms_edov"] = true.into();
        }),
        ("another issuer's", 400, |claims| claims["iss"] = "https://elsewhere.example".into()),
        ("for another client", 400, |claims| claims["aud"] = "another".into()),
        ("for another client too", 400, |claims| claims["aud"] = json!(["settings", "another"])),
        ("for nobody", 400, |claims| claims["aud"] = json!([])),
        ("expired", 400, |claims| claims["exp"] = claims["iat"].clone()),
        ("that never expires", 400, |claims| claims["exp"] = Value::Null),
        ("with another nonce", 400, |claims| claims["nonce"] = "another".into()),
        ("without a nonce", 400, |claims| claims["nonce"] = Value::Null),
        ("without a subject", 400, |claims| claims["sub"] = Value::Null),
        ("whose e-mail is not verified", 403, |claims| claims["email_verified"] = false.into()),
        ("whose e-mail may be verified", 403, |claims| claims["email_verified"] = Value::Null),
        ("without an e-mail", 403, |claims| claims["email"] = Value::Null),
    ];
    let desk = Desk::new().await;
    for (what, status, change) in changed {
        desk.liar.forges(move |issuer, mut claims| {
            change(&mut claims);
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            issuer.sign(&claims).unwrap()
        });
        let mut browser = desk.browser();
        let page = browser.sign_in(0).await;
        let told = if status == 400 { "could not be verified" } else { "belongs to no organization" };
        assert!(page.body.contains(told), "a token {what}: {}", page.body);
        refused(&page, status, &browser);
    }

    let forged: [(&str, Forge); 5] = [
        ("another key's", |issuer, claims| {
            let other =
                Issuer::new("http://127.0.0.1:1", Vec::new(), Vec::new(), shared::model::clock::Clock::system())
                    .unwrap();
            assert_ne!(other.jwks(), issuer.jwks());
            other.sign(&claims).unwrap()
        }),
        ("nobody's", |_, claims| format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims))),
        ("an HMAC under the public key", |issuer, claims| {
            let public = issuer.jwks()["keys"][0].to_string();
            let key = EncodingKey::from_secret(public.as_bytes());
            let header = Header { kid: Some("dev".to_owned()), ..Header::new(Algorithm::HS256) };
            jsonwebtoken::encode(&header, &claims, &key).unwrap()
        }),
        ("that of other claims", |issuer, claims| {
            let signed = issuer.sign(&claims).unwrap();
            let mut other = claims.clone();
            other["email"] = "stranger@example.com".into();
            let parts: Vec<&str> = signed.split('.').collect();
            format!("{}.{}.{}", parts[0], part(&other), parts[2])
        }),
        ("cut off", |issuer, claims| {
            let signed = issuer.sign(&claims).unwrap();
            signed.rsplit_once('.').unwrap().0.to_owned() + "."
        }),
    ];
    for (what, forge) in forged {
        desk.liar.forges(forge);
        let mut browser = desk.browser();
        let page = browser.sign_in(0).await;
        assert!(page.body.contains("could not be verified"), "a signature that is {what}: {}", page.body);
        refused(&page, 400, &browser);
    }

    desk.liar.lies("token", |_, mut body| {
        body.as_object_mut().unwrap().remove("id_token");
        body
    });
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    refused(&page, 400, &browser);
    // And the issuer's own is taken, so that none of these was refused for something else, with what else may be right.
    let right: [Change; 5] = [
        |_| {},
        |claims| claims["azp"] = "settings".into(),
        |claims| claims["iat"] = later(claims, -10 * 60),
        |claims| claims["iat"] = later(claims, 5 * 60),
        |claims| claims["xms_edov"] = json!({ "odd": [] }),
    ];
    for change in right {
        desk.liar.forges(move |issuer, mut claims| {
            change(&mut claims);
            issuer.sign(&claims).unwrap()
        });
        desk.admin().await;
    }
}

/// So many seconds after the token's own time.
fn later(claims: &Value, secs: i64) -> Value {
    (claims["iat"].as_i64().unwrap() + secs).into()
}

fn part(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

#[tokio::test]
async fn an_access_token_that_is_not_the_one_the_id_token_names_signs_nobody_in() {
    let desk = Desk::new().await;
    desk.liar.forges(|issuer, mut claims| {
        claims["at_hash"] = BASE64URL_NOPAD.encode(&[0; 16]).into();
        issuer.sign(&claims).unwrap()
    });
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    refused(&page, 400, &browser);
}

#[tokio::test]
async fn a_token_signed_as_cognito_signs_is_taken() {
    let desk = Desk::new().await;
    let pem = rsa_key();
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = "rsa".into();
    jwk["use"] = "sig".into();
    desk.liar.lies_all(move |issuer, endpoint, mut body| match endpoint {
        "keys" => json!({ "keys": [jwk] }),
        "token" => {
            let mut claims = claims(&body);
            // Cognito also has this as a text, for people from elsewhere.
            claims["email_verified"] = "true".into();
            let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::RS256) };
            let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
            body["id_token"] = jsonwebtoken::encode(&header, &claims, &key).unwrap().into();
            assert!(issuer.url().starts_with("http://127.0.0.1:"));
            body
        }
        _ => body,
    });
    desk.admin().await;
}

/// A key of this run.
fn rsa_key() -> String {
    use rsa::pkcs1::EncodeRsaPrivateKey;
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).unwrap();
    key.to_pkcs1_pem(rsa::pkcs1::LineEnding::LF).unwrap().to_string()
}

#[tokio::test]
async fn who_comes_back_without_having_asked_is_not_signed_in() {
    let desk = Desk::new().await;
    let mut honest = desk.browser();
    let issuer = honest.ask("/settings/sign-in").await;
    let back = honest.pick(&issuer, 0).await;
    let (_, query) = back.split_once('?').unwrap();
    let code = query.split('&').find(|part| part.starts_with("code=")).unwrap();

    // Another browser, with the whole address; with a sign-in of its own; the right browser with no state, or a part of it.
    let mut other = desk.browser();
    let page = other.get(&back).await;
    refused(&page, 400, &other);
    other.ask("/settings/sign-in").await;
    let page = other.get(&back).await;
    refused(&page, 400, &other);
    for path in [
        format!("/settings/callback?{code}"),
        format!("/settings/callback?{code}&state="),
        format!("/settings/callback?{code}&state=x"),
    ] {
        let page = honest.get(&path).await;
        refused(&page, 400, &honest);
    }
    assert_eq!(desk.liar.asked("token"), 0, "the issuer was not even asked");
    // The code was not spent by any of that.
    assert_eq!(honest.get(&back).await.status, 303);
}

#[tokio::test]
async fn a_code_from_another_sign_in_is_refused_by_pkce() {
    let desk = Desk::new().await;
    let (mut thief, mut victim) = (desk.browser(), desk.browser());
    let issuer = victim.ask("/settings/sign-in").await;
    let stolen = victim.pick(&issuer, 0).await;
    let stolen = stolen.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap().to_owned();
    let issuer = thief.ask("/settings/sign-in").await;
    let own = thief.pick(&issuer, 2).await;
    let state = own.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
    let page = thief.get(&format!("/settings/callback?{stolen}&{state}")).await;
    refused(&page, 400, &thief);
    assert_eq!(desk.liar.asked("token"), 1, "it was the issuer that refused it");
}

#[tokio::test]
async fn a_code_signs_in_once() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let issuer = browser.ask("/settings/sign-in").await;
    let back = browser.pick(&issuer, 0).await;
    let mut again = browser.clone();
    assert_eq!(browser.get(&back).await.status, 303);
    let page = again.get(&back).await;
    refused(&page, 400, &again);
}

#[tokio::test]
async fn who_cancels_at_the_issuer_is_told_so() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let issuer = browser.ask("/settings/sign-in").await;
    let state = issuer.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
    let page = browser.get(&format!("/settings/callback?error=access_denied&error_description=%3Cb%3E&{state}")).await;
    assert!(page.shown(400).contains("was cancelled") && !page.body.contains("<b>"));
    refused(&page, 400, &browser);
}

#[tokio::test]
async fn a_stranger_and_an_address_that_has_changed_hands_open_nothing() {
    let desk = Desk::new().await;
    let mut stranger = desk.browser();
    let page = stranger.sign_in(2).await;
    refused(&page, 403, &stranger);
    desk.admin().await;
    desk.liar.forges(|issuer, mut claims| {
        claims["sub"] = "somebody-else".into();
        issuer.sign(&claims).unwrap()
    });
    let mut heir = desk.browser();
    let other = heir.sign_in(0).await;
    refused(&other, 403, &heir);
    let body = |page: &Page| page.shown(403).to_owned();
    assert_eq!(body(&page), body(&other), "neither is told more than the other");
}

#[tokio::test]
async fn an_e_mail_is_the_same_in_any_case() {
    let desk = Desk::new().await;
    desk.liar.forges(|issuer, mut claims| {
        claims["email"] = claims["email"].as_str().unwrap().to_uppercase().into();
        issuer.sign(&claims).unwrap()
    });
    desk.admin().await;
}

#[tokio::test]
async fn a_session_ends_half_an_hour_after_its_last_use_and_after_eight_hours() {
    const MINUTE: i64 = 60_000;
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    // Used every 29 minutes, it lasts: 16 times, to 7 hours and 44 minutes.
    for _ in 0..16 {
        desk.world.clock.advance(29 * MINUTE);
        browser.get("/settings/plan").await.shown(200);
    }
    desk.world.clock.advance(16 * MINUTE - 1);
    browser.get("/settings/plan").await.shown(200);
    desk.world.clock.advance(1);
    assert_eq!(browser.get("/settings/plan").await.status, 303, "eight hours are over");

    let mut browser = desk.admin().await;
    desk.world.clock.advance(30 * MINUTE - 1);
    browser.get("/settings/plan").await.shown(200);
    desk.world.clock.advance(30 * MINUTE);
    assert_eq!(browser.get("/settings/plan").await.status, 303);
    // And a form says that it was not taken.
    let page = browser.post("/settings/keys", &[("name", "x")]).await;
    assert!(page.shown(401).contains("Nothing was changed"));
}

#[tokio::test]
async fn signing_out_ends_the_session_also_for_whoever_kept_its_cookie() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let mut thief = browser.clone();
    let token = browser.token().await;
    // Nobody who is signed in is told otherwise.
    assert_eq!(browser.get("/settings/signed-out").await.location(), "/settings/keys");
    let page = browser.post("/settings/sign-out", &[("token", &token)]).await;
    assert_eq!((page.status.as_u16(), page.location()), (303, "/settings/signed-out"));
    assert!(!browser.cookies.contains_key("__Host-session"));
    browser.get("/settings/signed-out").await.shown(200);
    assert!(browser.cookies.is_empty());
    assert_eq!(thief.get("/settings/plan").await.status, 303);
}

#[tokio::test]
async fn a_member_who_is_removed_is_signed_out_and_stays_so_when_added_again() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let email = Email::new(&desk.admin).unwrap();
    let (db, org) = (&desk.world.db, &desk.world.org);
    assert!(member::remove(db, org, desk.world.clock.now(), &email, &Actor::operator()).await.unwrap());
    assert_eq!(browser.get("/settings/plan").await.status, 303);
    desk.world.clock.advance(1);
    member::add(db, org, desk.world.clock.now(), &email, Role::Admin, &Actor::operator()).await.unwrap();
    assert_eq!(browser.get("/settings/plan").await.status, 303);
    desk.admin().await;
}

#[tokio::test]
async fn a_role_is_asked_with_every_request() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let token = browser.token().await;
    let email = Email::new(&desk.admin).unwrap();
    let (db, org, now) = (&desk.world.db, &desk.world.org, desk.world.clock.now());
    assert!(member::set_role(db, org, now, &email, Role::Member, &Actor::operator()).await.unwrap());
    browser.get("/settings/plan").await.shown(200);
    browser.post("/settings/keys", &[("token", &token)]).await.shown(403);
}

#[tokio::test]
async fn a_new_sign_in_is_a_new_session_and_ends_the_one_the_browser_had() {
    let desk = Desk::new().await;
    // A session id that somebody else has planted becomes nobody's session.
    let mut browser = desk.browser();
    let planted = Secret::generate().unwrap().reveal();
    browser.cookies.insert("__Host-session".to_owned(), planted.clone());
    browser.sign_in(0).await;
    assert_ne!(browser.cookies["__Host-session"], planted);
    let mut planter = desk.browser();
    planter.cookies.insert("__Host-session".to_owned(), planted);
    assert_eq!(planter.get("/settings/plan").await.status, 303);

    let mut before = browser.clone();
    before.get("/settings/plan").await.shown(200);
    browser.sign_in(1).await;
    assert_eq!(before.get("/settings/plan").await.status, 303);
    assert!(browser.get("/settings/plan").await.shown(200).contains(&desk.member));
}

#[tokio::test]
async fn after_signing_in_nobody_is_sent_to_another_host() {
    let desk = Desk::new().await;
    let elsewhere = [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/settings//evil.example",
        "/settings@evil.example",
        "/settings.evil.example",
        "/settingsevil",
        "/settings/../docs",
        "/settings/%0d%0aset-cookie:x",
        "/settings/keys?x=1",
        "javascript:alert(1)",
        "/docs",
        "/api/v1/jobs",
        " /settings",
    ];
    for path in elsewhere {
        let mut browser = desk.browser();
        let encoded: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let page = browser.get(&format!("/settings/sign-in?return={encoded}")).await;
        refused(&page, 400, &browser);
        // Nor is a cookie believed that the browser did not get here.
        let mut browser = desk.browser();
        let issuer = browser.ask("/settings/sign-in").await;
        let back = browser.pick(&issuer, 0).await;
        let kept = browser.cookies["__Host-sign-in"].split_once('.').unwrap().0.to_owned();
        browser.cookies.insert("__Host-sign-in".to_owned(), format!("{kept}.{path}"));
        let page = browser.get(&back).await;
        refused(&page, 400, &browser);
    }
}

#[tokio::test]
async fn an_issuer_that_is_gone_is_told_and_logged_and_ends_no_session() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let log = Log::listen();
    let gone = settings::Issuer::new("http://127.0.0.1:1/dev/issuer", "settings", None);
    let (db, clock) = (desk.world.db.clone(), desk.world.clock.clock());
    let app = || shared::http::app::App::new(db.clone(), clock.clone());
    browser.gateway = std::sync::Arc::new(local::gateway::Gateway::new(&crate::world::TEMPLATE, app, gone).unwrap());
    let page = browser.get("/settings/sign-in").await;
    assert!(page.shown(503).contains("Signing in is not possible at the moment"));
    assert_eq!(log.lines().last().unwrap()["status"], 503);
    assert!(log.text().contains("Connection refused"), "{}", log.text());
    browser.get("/settings/keys").await.shown(200);
}

#[tokio::test]
async fn an_issuer_that_does_not_take_us_for_its_client_is_logged_and_not_told_as_the_persons_doing() {
    let desk = Desk::new().await;
    let log = Log::listen();
    desk.liar.refuses("token", r#"{"error":"invalid_client","error_description":"secret-in-a-description"}"#);
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    assert!(page.shown(503).contains("Signing in is not possible at the moment"));
    refused(&page, 503, &browser);
    assert!(log.text().contains("the token endpoint answered invalid_client") && !log.text().contains("secret-in-a"));
    assert_eq!(log.lines().last().unwrap()["code"], "issuer_unavailable");
}

#[tokio::test]
async fn what_comes_through_the_browser_is_never_a_failure_of_ours() {
    let desk = Desk::new().await;
    let log = Log::listen();
    let long = "x".repeat(9_000);
    for (query, code, reason) in [
        ("error=access_denied", "sign_in_cancelled", None),
        ("error=access_denied&code=x", "sign_in_cancelled", None),
        ("error=server_error", "sign_in_failed", Some("server_error")),
        ("error=temporarily_unavailable&code=x", "sign_in_failed", Some("temporarily_unavailable")),
        ("error=unauthorized_client", "sign_in_failed", Some("unauthorized_client")),
        ("error=interaction_required", "sign_in_failed", Some("interaction_required")),
        ("error=Ada+Byron,+ada@example.com", "sign_in_failed", Some("unknown")),
        ("error=%00%0d%0a", "sign_in_failed", Some("unknown")),
        ("error=", "sign_in_failed", Some("no_code")),
        ("code=", "sign_in_failed", Some("no_code")),
        ("", "sign_in_failed", Some("no_code")),
        ("code=x", "code_refused", Some("invalid_grant")),
        ("code=%00", "code_refused", Some("malformed")),
        ("code=%C3%A9", "code_refused", Some("malformed")),
        (&format!("code={long}"), "code_refused", Some("malformed")),
    ] {
        let mut browser = desk.browser();
        let issuer = browser.ask("/settings/sign-in").await;
        let state = issuer.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
        let page = browser.get(&format!("/settings/callback?{query}&{state}")).await;
        refused(&page, 400, &browser);
        let line = log.lines().pop().unwrap();
        assert_eq!((&line["level"], &line["code"]), (&json!("INFO"), &json!(code)), "{query}");
        assert_eq!(line.get("reason").and_then(Value::as_str), reason, "{query}");
        // And without the state, whatever it says.
        let page = desk.browser().get(&format!("/settings/callback?{query}")).await;
        page.shown(400);
        assert_eq!(log.lines().pop().unwrap()["code"], "sign_in_over");
    }
    assert!(!log.text().contains("ERROR") && !log.text().contains("example.com"), "{}", log.text());
    assert_eq!(desk.liar.asked("token"), 1, "only for what can be a code");
    desk.liar.refuses("token", r#"{"error":"invalid_request"}"#);
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    refused(&page, 400, &browser);
    assert_eq!(log.lines().pop().unwrap()["reason"], "invalid_request");
}

#[tokio::test]
async fn an_issuer_that_can_not_be_asked_is_not_asked_again_for_five_seconds() {
    let desk = Desk::new().await;
    desk.liar.refuses("openid-configuration", "{}");
    let asked = || desk.liar.asked("openid-configuration");
    for _ in 0..5 {
        desk.browser().get("/settings/sign-in").await.shown(503);
    }
    assert_eq!(asked(), 1);
    desk.world.clock.advance(4_999);
    desk.browser().get("/settings/sign-in").await.shown(503);
    assert_eq!(asked(), 1);
    desk.world.clock.advance(1);
    desk.browser().get("/settings/sign-in").await.shown(503);
    assert_eq!(asked(), 2);
    desk.liar.refuses("nothing", "");
    desk.browser().get("/settings/sign-in").await.shown(503);
    desk.world.clock.advance(5_000);
    desk.admin().await;
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn an_issuer_that_accepts_and_never_answers_keeps_one_visitor_waiting_and_not_the_next() {
    let desk = Desk::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = settings::Issuer::new(&format!("http://{}", listener.local_addr().unwrap()), "settings", None);
    let (db, clock) = (desk.world.db.clone(), desk.world.clock.clock());
    let app = || shared::http::app::App::new(db.clone(), clock.clone());
    let mut browser = desk.browser();
    browser.gateway = std::sync::Arc::new(local::gateway::Gateway::new(&crate::world::TEMPLATE, app, silent).unwrap());
    // All at once: they wait for the same answer.
    let begun = std::time::Instant::now();
    let visits = (0..8).map(|_| {
        let mut browser = browser.clone();
        async move { browser.get("/settings/sign-in").await }
    });
    for page in futures::future::join_all(visits).await {
        page.shown(503);
    }
    browser.get("/settings/sign-in").await.shown(503);
    assert!(begun.elapsed() < std::time::Duration::from_millis(3_500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_token_endpoint_that_never_answers_keeps_one_visitor_waiting_and_not_the_next() {
    let desk = Desk::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    desk.liar.lies("openid-configuration", move |_, mut body| {
        body["token_endpoint"] = silent.clone().into();
        body
    });
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    refused(&page, 503, &browser);
    let begun = std::time::Instant::now();
    desk.browser().get("/settings/sign-in").await.shown(503);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    desk.world.clock.advance(5_000);
    desk.browser().ask("/settings/sign-in").await;
}

#[tokio::test]
async fn who_signs_out_is_led_to_the_issuer_once_and_back() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    // Nobody else is: neither who is signed in, nor who never was.
    assert_eq!(desk.browser().get("/settings/signed-out").await.leads_to(), None);
    let token = browser.token().await;
    let page = browser.post("/settings/sign-out", &[("token", &token)]).await;
    let kept = page.cookies().into_iter().find(|cookie| cookie.starts_with("__Host-signed-out=")).unwrap();
    assert!(kept.contains("; HttpOnly") && kept.contains("; Secure") && kept.contains("; Max-Age=60"), "{kept}");
    let page = browser.get(page.location()).await;
    let url = page.leads_to().unwrap();
    let base = desk.liar.issuer.url();
    assert_eq!(
        url,
        format!(
            "{base}/sign-out?client_id=settings&post_logout_redirect_uri=http%3A%2F%2Fapi.example.com%2Fsettings%2Fsigned-out"
        )
    );
    assert!(page.shown(200).contains(&format!("href=\"{}\"", url.replace('&', "&amp;"))), "also by hand");
    assert!(!page.body.contains("id_token_hint"));
    let back = browser.sent_on_from(&url).await;
    let page = browser.get(&back).await;
    assert!(page.shown(200).contains("You are signed out"));
    assert_eq!(page.leads_to(), None, "not round and round");
}

#[tokio::test]
async fn a_session_that_is_over_by_itself_can_still_be_signed_out_of_and_twice() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let token = browser.token().await;
    let other = desk.admin().await.token().await;
    desk.world.clock.advance(60 * 60_000);
    let mut again = browser.clone();
    // Not by another site, nor with another session's token, nor by who has none.
    assert_eq!(again.post_from(None, "/settings/sign-out", &[("token", &token)]).await.status, 403);
    assert_eq!(again.post("/settings/sign-out", &[("token", &other)]).await.status, 403);
    assert_eq!(desk.browser().post("/settings/sign-out", &[("token", &token)]).await.status, 401);
    let log = Log::listen();
    for browser in [&mut browser, &mut again] {
        let page = browser.post("/settings/sign-out", &[("token", &token)]).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, "/settings/signed-out"));
        assert!(browser.get("/settings/signed-out").await.leads_to().is_some());
    }
    assert!(log.lines().iter().all(|line| line.get("event").is_none()), "nobody was signed in any more");
}

#[tokio::test]
async fn whatever_the_issuer_says_of_signing_out_or_not_the_person_is_signed_out_here() {
    for told in [
        Value::Null,
        json!(""),
        json!("/logout"),
        json!("javascript:alert(1)"),
        json!("data:text/html,x"),
        json!(7),
        json!({}),
        json!(["https://issuer.example/logout"]),
    ] {
        let desk = Desk::new().await;
        let lie = told.clone();
        desk.liar.lies("openid-configuration", move |_, mut body| {
            body["end_session_endpoint"] = lie.clone();
            body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            body
        });
        let mut browser = desk.admin().await;
        let token = browser.token().await;
        browser.post("/settings/sign-out", &[("token", &token)]).await;
        let page = browser.get("/settings/signed-out").await;
        assert!(page.shown(200).contains("may still know you"), "{told}");
        assert!(page.leads_to().is_none() && !page.body.contains("alert(1)"), "{told}: {}", page.body);
    }
    // Nor by one that can't be reached.
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let token = browser.token().await;
    browser.gateway = desk.fresh_gateway();
    desk.liar.refuses("openid-configuration", "{}");
    browser.post("/settings/sign-out", &[("token", &token)]).await;
    let log = Log::listen();
    let page = browser.get("/settings/signed-out").await;
    assert!(page.shown(200).contains("may still know you") && browser.cookies.is_empty());
    assert_eq!(log.lines()[0]["code"], "issuer_unavailable");
}

#[test]
fn where_a_session_at_the_issuer_ends_is_known_by_what_the_issuer_is() {
    use settings::vendor::sign_out_url;
    let back = "https://api.example.com/settings/signed-out";
    let encoded = "https%3A%2F%2Fapi.example.com%2Fsettings%2Fsigned-out";
    let url = |issuer: &str, authorization: &str, end_session: Option<&str>| {
        sign_out_url(issuer, &authorization.parse().unwrap(), end_session, "client 1", back).map(String::from)
    };
    let (pool, domain) = (
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf",
        "https://hh.auth.eu-central-1.amazoncognito.com",
    );
    let cognito = Some(format!("{domain}/logout?client_id=client+1&logout_uri={encoded}"));
    let authorize = format!("{domain}/oauth2/authorize");
    assert_eq!(url(pool, &authorize, None), cognito);
    // What its metadata says takes other parameters than the standard's.
    assert_eq!(url(pool, &authorize, Some(&format!("{domain}/logout"))), cognito);
    let of_its_own = "https://login.example.com/oauth2/authorize";
    assert!(url(pool, of_its_own, None).unwrap().starts_with("https://login.example.com/logout?client_id="));
    let (issuer, authorize) = ("https://issuer.example", "https://issuer.example/authorize");
    let standard = |end: &str| format!("{end}client_id=client+1&post_logout_redirect_uri={encoded}");
    for (end_session, wanted) in [
        ("https://issuer.example/logout", Some(standard("https://issuer.example/logout?"))),
        ("https://issuer.example/logout?tenant=1", Some(standard("https://issuer.example/logout?tenant=1&"))),
        ("http://issuer.example/logout", None),
        ("ftp://issuer.example/logout", None),
        ("javascript:alert(1)", None),
        ("//issuer.example/logout", None),
        ("", None),
    ] {
        assert_eq!(url(issuer, authorize, Some(end_session)), wanted, "{end_session}");
    }
    assert_eq!(url(issuer, authorize, None), None);
    // Only looks like Amazon's.
    for other in [
        "https://cognito-idp.eu-central-1.amazonaws.com.evil.example/pool",
        "https://cognito-idp.evil.example/pool",
        "https://evil.example/cognito-idp.eu-central-1.amazonaws.com",
        "http://cognito-idp.eu-central-1.amazonaws.com/pool",
        "https://cognito-idp..amazonaws.com/pool",
        "not a URL",
    ] {
        assert_eq!(url(other, authorize, None), None, "{other}");
    }
}

#[test]
fn an_e_mail_is_verified_by_who_can_know_it() {
    use settings::vendor::is_email_verified;
    let tenant = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    let external = "https://contoso.ciamlogin.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    for yes in [json!(true), json!(1), json!("1"), json!("true"), json!("True")] {
        assert!(is_email_verified(tenant, None, Some(&yes)) && is_email_verified(external, None, Some(&yes)), "{yes}");
        // What the standard has comes first, and nobody else is believed.
        assert!(!is_email_verified(tenant, Some(false), Some(&yes)));
        for other in [
            "https://issuer.example",
            "http://login.microsoftonline.com/x/v2.0",
            "https://login.microsoftonline.com.evil.example/x/v2.0",
            "https://login.microsoftonline.com:8443/x/v2.0",
            "https://evil.example/login.microsoftonline.com",
            "https://ciamlogin.com.evil.example/",
        ] {
            assert!(!is_email_verified(other, None, Some(&yes)), "{other}");
        }
    }
    for no in
        [json!(false), json!(0), json!(2), json!("0"), json!(""), json!("yes"), Value::Null, json!([true]), json!({})]
    {
        assert!(!is_email_verified(tenant, None, Some(&no)), "{no}");
    }
    assert!(!is_email_verified(tenant, None, None));
    assert!(is_email_verified("https://issuer.example", Some(true), None));
}

#[tokio::test]
async fn each_refusal_has_a_code_in_the_log_and_signing_in_and_out_are_events_there() {
    let desk = Desk::new().await;
    let log = Log::listen();
    let last = || log.lines().pop().unwrap();
    let mut browser = desk.admin().await;
    let organization = desk.world.org.to_string();
    let line = last();
    assert_eq!((&line["event"], &line["organization"]), (&json!("signed_in"), &json!(organization)));
    let token = browser.token().await;
    let key = crate::desk::id(&desk.world.key).to_owned();
    let mut member = desk.member().await;
    let (_, mut stranger) = (member.token().await, desk.browser());
    let told = |page: &Page, status: u16, code: &str| {
        assert_eq!((page.status.as_u16(), last()["code"].as_str()), (status, Some(code)), "{}", page.body);
        assert_eq!(last()["level"], "INFO");
    };
    told(&desk.browser().get("/settings/keys").await, 303, "not_signed_in");
    told(&desk.browser().post("/settings/keys", &[]).await, 401, "signed_out");
    told(&browser.post_from(None, "/settings/keys", &[("token", &token)]).await, 403, "forged_form");
    told(&member.get("/settings/keys/new").await, 403, "not_admin");
    told(&browser.get("/settings/nowhere").await, 404, "not_found");
    told(&browser.get("/settings/keys/AAAAAAAAAA/rotate").await, 404, "not_found");
    told(&browser.get("/settings/sign-out").await, 405, "method_not_allowed");
    told(&browser.get("/settings/sign-in?return=/docs").await, 400, "malformed_request");
    told(&browser.get("/settings/callback").await, 400, "sign_in_over");
    told(&browser.get("/settings/keys?cursor=x").await, 400, "invalid_cursor");
    told(&stranger.sign_in(2).await, 403, "no_member");
    let form = browser.get("/settings/keys/new").await;
    told(&browser.fill(&form, "", &[]).await, 422, "wrong_fields");
    browser.fill(&form, "made", &["jobs:read"]).await.secret();
    assert_eq!(last().get("code"), None);
    told(&browser.fill(&form, "made", &["jobs:read"]).await, 409, "already_created");
    let rotate = format!("/settings/keys/{key}/rotate");
    let fields = |seen| [("token", token.as_str()), ("seen", seen), ("overlap", "none"), ("expiry", "same")];
    told(&browser.post(&rotate, &fields("7")).await, 409, "already_rotated");
    browser.post(&format!("/settings/keys/{key}/revoke"), &[("token", &token)]).await;
    told(&browser.post(&rotate, &fields("0")).await, 409, "key_not_served");
    desk.world.set_plan(shared::model::plan::Plan::Starter).await;
    told(&browser.get("/settings/keys/new").await, 409, "plan_limit");
    desk.world.set_plan(shared::model::plan::Plan::Free).await;
    told(&browser.get("/settings/keys/new").await, 409, "no_api_access");
    browser.post("/settings/sign-out", &[("token", &token)]).await;
    let line = last();
    assert_eq!((&line["event"], &line["organization"]), (&json!("signed_out"), &json!(organization)));
    assert!(!log.text().contains('@'), "no e-mail is logged");
}

#[tokio::test]
async fn a_token_under_the_secret_that_we_share_with_the_issuer_signs_nobody_in() {
    let mut desk = Desk::new().await;
    desk.share_secret("shared with the issuer");
    // The issuer's own is taken, so that it is the signature which is refused.
    desk.admin().await;
    desk.liar.lies_all(|_, endpoint, mut body| match endpoint {
        "openid-configuration" => {
            body["id_token_signing_alg_values_supported"] = json!(["ES256", "HS256"]);
            body
        }
        "token" => {
            let key = EncodingKey::from_secret(b"shared with the issuer");
            body["id_token"] =
                jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(&body), &key).unwrap().into();
            body
        }
        _ => body,
    });
    let mut browser = desk.browser();
    browser.gateway = desk.fresh_gateway();
    let page = browser.sign_in(0).await;
    refused(&page, 400, &browser);
    assert!(page.body.contains("could not be verified"));
}

#[tokio::test]
async fn a_cookie_of_another_application_is_in_nobodys_way() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    browser.cookies.insert("a".to_owned(), "ü; b=\"; c".to_owned());
    let page = browser.sign_in(0).await;
    assert_eq!(page.status, 303, "{}", page.body);
    browser.get("/settings/plan").await.shown(200);
}

#[tokio::test]
async fn a_letter_that_only_looks_like_one_of_a_members_e_mail_is_another() {
    let desk = Desk::new().await;
    let (db, org, now) = (&desk.world.db, &desk.world.org, desk.world.clock.now());
    let kate = Email::new(&format!("kate@{org}.example")).unwrap();
    member::add(db, org, now, &kate, Role::Admin, &Actor::operator()).await.unwrap();
    let kelvin = kate.as_str().replacen('k', "\u{212a}", 1);
    assert!(Email::of_member(&kelvin).is_err());
    desk.liar.forges(move |issuer, mut claims| {
        claims["email"] = kelvin.clone().into();
        issuer.sign(&claims).unwrap()
    });
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    refused(&page, 403, &browser);
}

#[tokio::test]
async fn a_member_signs_in_however_the_issuer_writes_the_mailbox() {
    let desk = Desk::new().await;
    let (db, org, now) = (&desk.world.db, &desk.world.org, desk.world.clock.now());
    let jose = Email::of_member(&format!("jos\u{e9}@bücher.{org}.example")).unwrap();
    member::add(db, org, now, &jose, Role::Admin, &Actor::operator()).await.unwrap();
    for way in [format!("JOSE\u{301}@bücher.{org}.example"), format!("jos\u{e9}@xn--bcher-kva.{org}.example")] {
        desk.liar.forges(move |issuer, mut claims| {
            claims["email"] = way.clone().into();
            issuer.sign(&claims).unwrap()
        });
        let mut browser = desk.browser();
        assert_eq!(browser.sign_in(0).await.status, 303);
        browser.get("/settings/plan").await.shown(200);
    }
}

#[tokio::test]
async fn an_issuer_that_names_another_in_its_metadata_is_not_believed() {
    let desk = Desk::new().await;
    desk.liar.lies("openid-configuration", |_, mut body| {
        body["issuer"] = "https://elsewhere.example".into();
        body
    });
    desk.browser().get("/settings/sign-in").await.shown(503);
}

#[tokio::test]
async fn a_new_key_of_the_issuer_is_learned_and_asked_for_once_a_minute_at_most() {
    let desk = Desk::new().await;
    desk.admin().await;
    assert_eq!(desk.liar.asked("keys"), 1, "what is known is not asked again");
    let person = Person { title: String::new(), email: desk.admin.clone() };
    let next = Issuer::new("http://127.0.0.1:1", Vec::new(), vec![person], desk.world.clock.clock()).unwrap();
    let next = std::sync::Arc::new(next);
    let jwks = next.jwks().clone();
    desk.liar.lies_all(move |_, endpoint, mut body| match endpoint {
        "keys" => jwks.clone(),
        "token" => {
            body["id_token"] = next.sign(&claims(&body)).unwrap().into();
            body
        }
        _ => body,
    });
    // Within the minute, what could not be verified is not asked for again.
    let mut browser = desk.browser();
    let page = browser.sign_in(0).await;
    refused(&page, 400, &browser);
    assert_eq!(desk.liar.asked("keys"), 1);
    desk.world.clock.advance(60_000);
    desk.admin().await;
    assert_eq!(desk.liar.asked("keys"), 2);
}

#[tokio::test]
async fn the_settings_believe_no_host_but_the_gateways() {
    let desk = Desk::new().await;
    let answer = async |domain: Option<&str>, origin: &str, method: &str, path: &str| {
        let event = include_str!("../../events/settings-form-of-another-site.json");
        let mut event: Value = serde_json::from_str(event).unwrap();
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["requestContext"]["domainName"] = json!(domain);
        for header in ["host", "x-forwarded-host", "x-original-host"] {
            event["headers"][header] = "evil.example".into();
        }
        event["headers"]["origin"] = origin.into();
        desk.answer(&event).await
    };
    let page = answer(Some("api.example.com"), "", "GET", "/settings/sign-in").await;
    assert!(page.location().contains("redirect_uri=https%3A%2F%2Fapi.example.com%2Fsettings%2Fcallback"));
    assert!(!page.location().contains("evil"), "{}", page.location());
    // A form is from where the gateway says we are, whatever else names a host.
    answer(Some("api.example.com"), "https://evil.example", "POST", "/settings/keys").await.shown(403);
    answer(Some("api.example.com"), "https://api.example.com", "POST", "/settings/keys").await.shown(401);
    for nowhere in [None, Some(""), Some("a b")] {
        answer(nowhere, "", "GET", "/settings/sign-in").await.shown(400);
        answer(nowhere, "", "POST", "/settings/keys").await.shown(400);
    }
}
