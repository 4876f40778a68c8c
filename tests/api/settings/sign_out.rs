//! Signing out, here and at the issuer.

use serde_json::{Value, json};

use crate::{failures::Log, test_settings::TestSettings};

#[tokio::test]
async fn signing_out_ends_the_session_even_for_a_thief_with_its_cookie() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let mut thief = browser.clone();
    let token = browser.token().await;
    // While signed in, no one sees the signed-out page.
    assert_eq!(browser.get("/settings/signed-out").await.location(), "/settings/keys");
    let page = browser.post("/settings/sign-out", &[("token", &token)]).await;
    assert_eq!((page.status.as_u16(), page.location()), (303, "/settings/signed-out"));
    assert!(!browser.cookies.contains_key("__Host-session"));
    browser.get("/settings/signed-out").await.shown(200);
    assert!(browser.cookies.is_empty());
    assert_eq!(thief.get("/settings/plan").await.status, 303);
}

#[tokio::test]
async fn signing_out_redirects_to_the_issuer_once_and_back() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    // No one else is redirected, such as someone who was never signed in.
    assert_eq!(test.browser().get("/settings/signed-out").await.leads_to(), None);
    let token = browser.token().await;
    let page = browser.post("/settings/sign-out", &[("token", &token)]).await;
    let kept = page.cookies().into_iter().find(|cookie| cookie.starts_with("__Host-signed-out=")).unwrap();
    assert!(kept.contains("; HttpOnly") && kept.contains("; Secure") && kept.contains("; Max-Age=60"), "{kept}");
    let page = browser.get(page.location()).await;
    let url = page.leads_to().unwrap();
    let base = test.issuer.issuer.url();
    assert_eq!(
        url,
        format!(
            "{base}/sign-out?client_id=settings&post_logout_redirect_uri=http%3A%2F%2Fapi.example.com%2Fsettings%2Fsigned-out"
        )
    );
    assert!(page.shown(200).contains(&format!("href=\"{}\"", url.replace('&', "&amp;"))), "also as a link");
    assert!(!page.body.contains("id_token_hint"));
    let back = browser.sent_on_from(&url).await;
    let page = browser.get(&back).await;
    assert!(page.shown(200).contains("You are signed out"));
    assert_eq!(page.leads_to(), None, "no redirect loop");
}

#[tokio::test]
async fn an_expired_session_can_still_be_signed_out_of_even_twice() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let token = browser.token().await;
    let other = test.admin().await.token().await;
    test.app.clock.advance(60 * 60_000);
    let mut again = browser.clone();
    // Not by another site, with another session's token, or without a session cookie.
    assert_eq!(again.post_from(None, "/settings/sign-out", &[("token", &token)]).await.status, 403);
    assert_eq!(again.post("/settings/sign-out", &[("token", &other)]).await.status, 403);
    assert_eq!(test.browser().post("/settings/sign-out", &[("token", &token)]).await.status, 401);
    let log = Log::listen();
    for browser in [&mut browser, &mut again] {
        let page = browser.post("/settings/sign-out", &[("token", &token)]).await;
        assert_eq!((page.status.as_u16(), page.location()), (303, "/settings/signed-out"));
        assert!(browser.get("/settings/signed-out").await.leads_to().is_some());
    }
    assert!(log.lines().iter().all(|line| line.get("event").is_none()), "no one was signed in any more");
}

#[tokio::test]
async fn the_person_is_signed_out_here_whatever_the_issuer_says_about_sign_out() {
    for endpoint in [
        Value::Null,
        json!(""),
        json!("/logout"),
        json!("javascript:alert(1)"),
        json!("data:text/html,x"),
        json!(7),
        json!({}),
        json!(["https://issuer.example/logout"]),
    ] {
        let test = TestSettings::new().await;
        let lie = endpoint.clone();
        test.issuer.alters("openid-configuration", move |_, mut body| {
            body["end_session_endpoint"] = lie.clone();
            body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            body
        });
        let mut browser = test.admin().await;
        let token = browser.token().await;
        browser.post("/settings/sign-out", &[("token", &token)]).await;
        let page = browser.get("/settings/signed-out").await;
        assert!(page.shown(200).contains("may still know you"), "{endpoint}");
        assert!(page.leads_to().is_none() && !page.body.contains("alert(1)"), "{endpoint}: {}", page.body);
    }
    // The same with an issuer that fails.
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let token = browser.token().await;
    browser.gateway = test.fresh_gateway();
    test.issuer.rejects("openid-configuration", "{}");
    browser.post("/settings/sign-out", &[("token", &token)]).await;
    let log = Log::listen();
    let page = browser.get("/settings/signed-out").await;
    assert!(page.shown(200).contains("may still know you") && browser.cookies.is_empty());
    assert_eq!(log.lines()[0]["code"], "issuer_unavailable");
}

#[test]
fn the_issuers_sign_out_url_depends_on_the_issuer() {
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
    // Cognito's endpoint takes other parameters than the standard, even if its metadata names it.
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
    // These only look like Amazon's.
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
