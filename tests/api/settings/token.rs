//! Which of the issuer's id tokens sign a person in.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use local::issuer::{Issuer, Person};
use serde_json::{Value, json};

use super::rejected;
use crate::test_settings::{TestSettings, claims};

#[tokio::test]
async fn a_forged_token_signs_no_one_in() {
    type Change = fn(&mut Value);
    type Forge = fn(&Issuer, Value) -> String;
    let changed: [(&str, u16, Change); 23] = [
        ("issued to another client", 400, |claims| claims["azp"] = "another".into()),
        ("issued to no one", 400, |claims| claims["azp"] = "".into()),
        ("issued to several", 400, |claims| claims["azp"] = json!(["settings"])),
        ("issued an hour ago", 400, |claims| claims["iat"] = later(claims, -60 * 60)),
        ("issued more than ten minutes ago", 400, |claims| claims["iat"] = later(claims, -10 * 60 - 1)),
        ("issued in more than five minutes", 400, |claims| claims["iat"] = later(claims, 5 * 60 + 1)),
        ("issued in a year", 400, |claims| claims["iat"] = later(claims, 365 * 24 * 60 * 60)),
        ("issued in 1970", 400, |claims| claims["iat"] = 0.into()),
        ("issued at no time", 400, |claims| claims["iat"] = Value::Null),
        ("issued at no moment", 400, |claims| claims["iat"] = "now".into()),
        ("whose email Entra would vouch for", 403, |claims| {
            claims["email_verified"] = Value::Null;
            claims["xms_edov"] = true.into();
        }),
        ("another issuer's", 400, |claims| claims["iss"] = "https://elsewhere.example".into()),
        ("for another client", 400, |claims| claims["aud"] = "another".into()),
        ("for another client too", 400, |claims| claims["aud"] = json!(["settings", "another"])),
        ("for no one", 400, |claims| claims["aud"] = json!([])),
        ("expired", 400, |claims| claims["exp"] = claims["iat"].clone()),
        ("that never expires", 400, |claims| claims["exp"] = Value::Null),
        ("with another nonce", 400, |claims| claims["nonce"] = "another".into()),
        ("without a nonce", 400, |claims| claims["nonce"] = Value::Null),
        ("without a subject", 400, |claims| claims["sub"] = Value::Null),
        ("whose email is not verified", 403, |claims| claims["email_verified"] = false.into()),
        ("whose email may be verified", 403, |claims| claims["email_verified"] = Value::Null),
        ("without an email", 403, |claims| claims["email"] = Value::Null),
    ];
    let test = TestSettings::new().await;
    for (what, status, change) in changed {
        test.issuer.forges(move |issuer, mut claims| {
            change(&mut claims);
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            issuer.sign(&claims).unwrap()
        });
        let mut browser = test.browser();
        let page = browser.sign_in(0).await;
        let message = if status == 400 { "could not be verified" } else { "belongs to no organization" };
        assert!(page.body.contains(message), "a token {what}: {}", page.body);
        rejected(&page, status, &browser);
    }

    let forged: [(&str, Forge); 5] = [
        ("another key's", |issuer, claims| {
            let other =
                Issuer::new("http://127.0.0.1:1", Vec::new(), Vec::new(), shared::model::clock::Clock::system())
                    .unwrap();
            assert_ne!(other.jwks(), issuer.jwks());
            other.sign(&claims).unwrap()
        }),
        ("missing", |_, claims| format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims))),
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
        test.issuer.forges(forge);
        let mut browser = test.browser();
        let page = browser.sign_in(0).await;
        assert!(page.body.contains("could not be verified"), "a signature that is {what}: {}", page.body);
        rejected(&page, 400, &browser);
    }

    test.issuer.alters("token", |_, mut body| {
        body.as_object_mut().unwrap().remove("id_token");
        body
    });
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    rejected(&page, 400, &browser);
    // The issuer's own token is accepted, with every valid variation, so none of these was rejected for another reason.
    let right: [Change; 5] = [
        |_| {},
        |claims| claims["azp"] = "settings".into(),
        |claims| claims["iat"] = later(claims, -10 * 60),
        |claims| claims["iat"] = later(claims, 5 * 60),
        |claims| claims["xms_edov"] = json!({ "odd": [] }),
    ];
    for change in right {
        test.issuer.forges(move |issuer, mut claims| {
            change(&mut claims);
            issuer.sign(&claims).unwrap()
        });
        test.admin().await;
    }
}

/// The token's own time plus `secs`.
fn later(claims: &Value, secs: i64) -> Value {
    (claims["iat"].as_i64().unwrap() + secs).into()
}

fn part(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

#[tokio::test]
async fn an_access_token_that_does_not_match_the_id_tokens_hash_signs_no_one_in() {
    let test = TestSettings::new().await;
    test.issuer.forges(|issuer, mut claims| {
        claims["at_hash"] = BASE64URL_NOPAD.encode(&[0; 16]).into();
        issuer.sign(&claims).unwrap()
    });
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    rejected(&page, 400, &browser);
}

#[tokio::test]
async fn a_token_signed_like_cognitos_is_accepted() {
    let test = TestSettings::new().await;
    let pem = rsa_key();
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = "rsa".into();
    jwk["use"] = "sig".into();
    test.issuer.alters_all(move |issuer, endpoint, mut body| match endpoint {
        "keys" => json!({ "keys": [jwk] }),
        "token" => {
            let mut claims = claims(&body);
            // Cognito sends this as a string for people from external providers.
            claims["email_verified"] = "true".into();
            let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::RS256) };
            let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
            body["id_token"] = jsonwebtoken::encode(&header, &claims, &key).unwrap().into();
            assert!(issuer.url().starts_with("http://127.0.0.1:"));
            body
        }
        _ => body,
    });
    test.admin().await;
}

/// A new key.
fn rsa_key() -> String {
    use rsa::pkcs1::EncodeRsaPrivateKey;
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).unwrap();
    key.to_pkcs1_pem(rsa::pkcs1::LineEnding::LF).unwrap().to_string()
}

#[tokio::test]
async fn a_token_signed_with_the_client_secret_signs_no_one_in() {
    let mut test = TestSettings::new().await;
    test.share_secret("shared with the issuer");
    // The issuer's own token is accepted, so it is the signature that is rejected.
    test.admin().await;
    test.issuer.alters_all(|_, endpoint, mut body| match endpoint {
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
    let mut browser = test.browser();
    browser.gateway = test.fresh_gateway();
    let page = browser.sign_in(0).await;
    rejected(&page, 400, &browser);
    assert!(page.body.contains("could not be verified"));
}

#[tokio::test]
async fn a_new_issuer_key_is_fetched_at_most_once_a_minute() {
    let test = TestSettings::new().await;
    test.admin().await;
    assert_eq!(test.issuer.asked("keys"), 1, "known keys are not fetched again");
    let person = Person { title: String::new(), email: test.admin.clone() };
    let next = Issuer::new("http://127.0.0.1:1", Vec::new(), vec![person], test.app.clock.clock()).unwrap();
    let next = std::sync::Arc::new(next);
    let jwks = next.jwks().clone();
    test.issuer.alters_all(move |_, endpoint, mut body| match endpoint {
        "keys" => jwks.clone(),
        "token" => {
            body["id_token"] = next.sign(&claims(&body)).unwrap().into();
            body
        }
        _ => body,
    });
    // Within the minute, an unverifiable token does not fetch the keys again.
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    rejected(&page, 400, &browser);
    assert_eq!(test.issuer.asked("keys"), 1);
    test.app.clock.advance(60_000);
    test.admin().await;
    assert_eq!(test.issuer.asked("keys"), 2);
}
