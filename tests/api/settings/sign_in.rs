//! Signing in: from the settings to the issuer and back.

use serde_json::{Value, json};

use super::rejected;
use crate::{
    failures::Log,
    test_settings::{Page, TestSettings},
};

#[tokio::test]
async fn a_sign_in_returns_to_the_requested_page() {
    let test = TestSettings::new().await;
    let mut browser = test.browser();
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
    assert!(browser.get("/settings/usage").await.shown(200).contains(&test.admin));
    assert!(!browser.cookies.contains_key("__Host-sign-in"), "the sign-in's own cookie is removed");
}

#[tokio::test]
async fn a_callback_without_a_matching_sign_in_signs_no_one_in() {
    let test = TestSettings::new().await;
    let mut honest = test.browser();
    let issuer = honest.ask("/settings/sign-in").await;
    let back = honest.pick(&issuer, 0).await;
    let (_, query) = back.split_once('?').unwrap();
    let code = query.split('&').find(|part| part.starts_with("code=")).unwrap();

    // Another browser with the full URL; the same with its own sign-in; the right browser with no state, or a wrong one.
    let mut other = test.browser();
    let page = other.get(&back).await;
    rejected(&page, 400, &other);
    other.ask("/settings/sign-in").await;
    let page = other.get(&back).await;
    rejected(&page, 400, &other);
    for path in [
        format!("/settings/callback?{code}"),
        format!("/settings/callback?{code}&state="),
        format!("/settings/callback?{code}&state=x"),
    ] {
        let page = honest.get(&path).await;
        rejected(&page, 400, &honest);
    }
    assert_eq!(test.issuer.asked("token"), 0, "the issuer was not even called");
    // None of this used up the code.
    assert_eq!(honest.get(&back).await.status, 303);
}

#[tokio::test]
async fn pkce_rejects_a_code_from_another_sign_in() {
    let test = TestSettings::new().await;
    let (mut thief, mut victim) = (test.browser(), test.browser());
    let issuer = victim.ask("/settings/sign-in").await;
    let stolen = victim.pick(&issuer, 0).await;
    let stolen = stolen.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap().to_owned();
    let issuer = thief.ask("/settings/sign-in").await;
    let own = thief.pick(&issuer, 2).await;
    let state = own.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
    let page = thief.get(&format!("/settings/callback?{stolen}&{state}")).await;
    rejected(&page, 400, &thief);
    assert_eq!(test.issuer.asked("token"), 1, "the issuer rejected it");
}

#[tokio::test]
async fn a_code_works_once() {
    let test = TestSettings::new().await;
    let mut browser = test.browser();
    let issuer = browser.ask("/settings/sign-in").await;
    let back = browser.pick(&issuer, 0).await;
    let mut again = browser.clone();
    assert_eq!(browser.get(&back).await.status, 303);
    let page = again.get(&back).await;
    rejected(&page, 400, &again);
}

#[tokio::test]
async fn cancelling_at_the_issuer_is_reported_as_such() {
    let test = TestSettings::new().await;
    let mut browser = test.browser();
    let issuer = browser.ask("/settings/sign-in").await;
    let state = issuer.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
    let page = browser.get(&format!("/settings/callback?error=access_denied&error_description=%3Cb%3E&{state}")).await;
    assert!(page.shown(400).contains("was cancelled") && !page.body.contains("<b>"));
    rejected(&page, 400, &browser);
}

#[tokio::test]
async fn a_sign_in_never_redirects_to_another_host() {
    let test = TestSettings::new().await;
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
        let mut browser = test.browser();
        let encoded: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
        let page = browser.get(&format!("/settings/sign-in?return={encoded}")).await;
        rejected(&page, 400, &browser);
        // Nor does a cookie that we did not set.
        let mut browser = test.browser();
        let issuer = browser.ask("/settings/sign-in").await;
        let back = browser.pick(&issuer, 0).await;
        let kept = browser.cookies["__Host-sign-in"].split_once('.').unwrap().0.to_owned();
        browser.cookies.insert("__Host-sign-in".to_owned(), format!("{kept}.{path}"));
        let page = browser.get(&back).await;
        rejected(&page, 400, &browser);
    }
}

#[tokio::test]
async fn invalid_input_from_the_browser_is_never_a_failure_of_ours() {
    let test = TestSettings::new().await;
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
        let mut browser = test.browser();
        let issuer = browser.ask("/settings/sign-in").await;
        let state = issuer.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
        let page = browser.get(&format!("/settings/callback?{query}&{state}")).await;
        rejected(&page, 400, &browser);
        let line = log.lines().pop().unwrap();
        assert_eq!((&line["level"], &line["code"]), (&json!("INFO"), &json!(code)), "{query}");
        assert_eq!(line.get("reason").and_then(Value::as_str), reason, "{query}");
        // The same without the state.
        let page = test.browser().get(&format!("/settings/callback?{query}")).await;
        page.shown(400);
        assert_eq!(log.lines().pop().unwrap()["code"], "sign_in_over");
    }
    assert!(!log.text().contains("ERROR") && !log.text().contains("example.com"), "{}", log.text());
    assert_eq!(test.issuer.asked("token"), 1, "only for what can be a code");
    test.issuer.rejects("token", r#"{"error":"invalid_request"}"#);
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    rejected(&page, 400, &browser);
    assert_eq!(log.lines().pop().unwrap()["reason"], "invalid_request");
}

#[tokio::test]
async fn each_rejection_is_logged_with_a_code_and_signing_in_and_out_are_logged_as_events() {
    let test = TestSettings::new().await;
    let log = Log::listen();
    let last = || log.lines().pop().unwrap();
    let mut browser = test.admin().await;
    let organization = test.app.org.to_string();
    let line = last();
    assert_eq!((&line["event"], &line["organization"]), (&json!("signed_in"), &json!(organization)));
    let token = browser.token().await;
    let key = crate::test_settings::id(&test.app.key).to_owned();
    let mut member = test.member().await;
    let (_, mut stranger) = (member.token().await, test.browser());
    let assert_logged = |page: &Page, status: u16, code: &str| {
        assert_eq!((page.status.as_u16(), last()["code"].as_str()), (status, Some(code)), "{}", page.body);
        assert_eq!(last()["level"], "INFO");
    };
    assert_logged(&test.browser().get("/settings/keys").await, 303, "not_signed_in");
    assert_logged(&test.browser().post("/settings/keys", &[]).await, 401, "signed_out");
    assert_logged(&browser.post_from(None, "/settings/keys", &[("token", &token)]).await, 403, "forged_form");
    assert_logged(&member.get("/settings/keys/new").await, 403, "not_admin");
    assert_logged(&browser.get("/settings/nowhere").await, 404, "not_found");
    assert_logged(&browser.get("/settings/keys/AAAAAAAAAA/rotate").await, 404, "not_found");
    assert_logged(&browser.get("/settings/sign-out").await, 405, "method_not_allowed");
    assert_logged(&browser.get("/settings/sign-in?return=/docs").await, 400, "malformed_request");
    assert_logged(&browser.get("/settings/callback").await, 400, "sign_in_over");
    assert_logged(&browser.get("/settings/keys?cursor=x").await, 400, "invalid_cursor");
    assert_logged(&stranger.sign_in(2).await, 403, "no_member");
    let form = browser.get("/settings/keys/new").await;
    assert_logged(&browser.fill(&form, "", &[]).await, 422, "wrong_fields");
    browser.fill(&form, "made", &["jobs:read"]).await.secret();
    assert_eq!(last().get("code"), None);
    assert_logged(&browser.fill(&form, "made", &["jobs:read"]).await, 409, "already_created");
    let rotate = format!("/settings/keys/{key}/rotate");
    let fields = |seen| [("token", token.as_str()), ("seen", seen), ("overlap", "none"), ("expiry", "same")];
    assert_logged(&browser.post(&rotate, &fields("7")).await, 409, "already_rotated");
    browser.post(&format!("/settings/keys/{key}/revoke"), &[("token", &token)]).await;
    assert_logged(&browser.post(&rotate, &fields("0")).await, 409, "key_not_served");
    test.app.set_plan(shared::model::plan::Plan::Starter).await;
    assert_logged(&browser.get("/settings/keys/new").await, 409, "plan_limit");
    test.app.set_plan(shared::model::plan::Plan::Free).await;
    assert_logged(&browser.get("/settings/keys/new").await, 409, "no_api_access");
    browser.post("/settings/sign-out", &[("token", &token)]).await;
    let line = last();
    assert_eq!((&line["event"], &line["organization"]), (&json!("signed_out"), &json!(organization)));
    assert!(!log.text().contains('@'), "no email is logged");
}

#[tokio::test]
async fn another_applications_cookie_does_not_get_in_the_way() {
    let test = TestSettings::new().await;
    let mut browser = test.browser();
    browser.cookies.insert("a".to_owned(), "ü; b=\"; c".to_owned());
    let page = browser.sign_in(0).await;
    assert_eq!(page.status, 303, "{}", page.body);
    browser.get("/settings/plan").await.shown(200);
}

#[tokio::test]
async fn the_settings_trust_only_the_gateways_host() {
    let test = TestSettings::new().await;
    let answer = async |domain: Option<&str>, origin: &str, method: &str, path: &str| {
        let event = include_str!("../../../events/settings-form-of-another-site.json");
        let mut event: Value = serde_json::from_str(event).unwrap();
        event["rawPath"] = path.into();
        event["requestContext"]["http"]["method"] = method.into();
        event["requestContext"]["domainName"] = json!(domain);
        for header in ["host", "x-forwarded-host", "x-original-host"] {
            event["headers"][header] = "evil.example".into();
        }
        event["headers"]["origin"] = origin.into();
        test.answer(&event).await
    };
    let page = answer(Some("api.example.com"), "", "GET", "/settings/sign-in").await;
    assert!(page.location().contains("redirect_uri=https%3A%2F%2Fapi.example.com%2Fsettings%2Fcallback"));
    assert!(!page.location().contains("evil"), "{}", page.location());
    // A form's origin must be the gateway's host, whatever other headers say.
    answer(Some("api.example.com"), "https://evil.example", "POST", "/settings/keys").await.shown(403);
    answer(Some("api.example.com"), "https://api.example.com", "POST", "/settings/keys").await.shown(401);
    for nowhere in [None, Some(""), Some("a b")] {
        answer(nowhere, "", "GET", "/settings/sign-in").await.shown(400);
        answer(nowhere, "", "POST", "/settings/keys").await.shown(400);
    }
}
