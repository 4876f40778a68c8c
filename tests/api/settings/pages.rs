//! The pages of the settings: who sees what, and that no one without permission can change anything.

use std::collections::BTreeSet;

use shared::store::organization;

use crate::{
    failures::Log,
    test_settings::{ORIGIN, PAGES, TestSettings, id},
};

#[tokio::test]
async fn without_a_session_no_page_is_shown_and_no_form_accepted() {
    let test = TestSettings::new().await;
    let key = id(&test.app.key);
    let forms = [format!("/settings/keys/{key}/rotate"), format!("/settings/keys/{key}/revoke")];
    for path in PAGES.iter().map(ToString::to_string).chain(forms.clone()) {
        let page = test.browser().get(&path).await;
        assert_eq!(page.status, 303, "{path}");
        assert!(page.location().starts_with("/settings/sign-in?return="), "{path}");
        let mut browser = test.browser();
        for junk in ["x", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            browser.cookies.insert("__Host-session".to_owned(), junk.to_owned());
            assert_eq!(browser.get(&path).await.status, 303, "{path} with the session {junk}");
        }
    }
    for path in forms.iter().map(String::as_str).chain(["/settings/keys", "/settings/sign-out"]) {
        test.browser().post(path, &[("overlap", "none"), ("expiry", "same"), ("seen", "0")]).await.shown(401);
    }
    assert_eq!(test.call(&test.app.key).await, 200);
}

#[tokio::test]
async fn every_page_is_isolated_and_never_cached() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let key = id(&test.app.key).to_owned();
    let mut pages = Vec::new();
    for path in PAGES.iter().map(ToString::to_string).chain([
        format!("/settings/keys/{key}/rotate"),
        format!("/settings/keys/{key}/revoke"),
        "/settings/signed-out".to_owned(),
        "/settings/nowhere".to_owned(),
        "/settings".to_owned(),
        "/settings/sign-in".to_owned(),
        "/settings/callback".to_owned(),
    ]) {
        pages.push(browser.get(&path).await);
    }
    pages.push(browser.make("made", &["jobs:read"]).await);
    pages.push(test.browser().post("/settings/keys", &[]).await);
    pages.push(browser.post_from(None, "/settings/keys", &[]).await);
    for page in pages {
        assert_eq!(page.header("cache-control"), "no-store", "{}", page.body);
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !page.body.contains(" style=") && !page.body.contains(" onclick="));
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert!(!page.header("x-request-id").is_empty());
        assert_eq!(page.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn assets_are_cached_forever_under_the_names_in_the_pages() {
    let test = TestSettings::new().await;
    let mut browser = test.browser();
    let page = browser.get("/settings/signed-out").await;
    let assets: BTreeSet<&str> = page.body.split('"').filter(|part| part.starts_with("/settings/assets/")).collect();
    assert_eq!(assets.len(), 3);
    for path in assets {
        let asset = browser.get(path).await;
        assert_eq!(
            (asset.status.as_u16(), asset.header("cache-control")),
            (200, "public, max-age=31536000, immutable")
        );
        // The name in a page of another version.
        let parts: Vec<&str> = path.split('.').collect();
        let other = browser.get(&format!("{}.0123456789.{}", parts[0], parts[2])).await;
        assert_eq!((other.status.as_u16(), other.header("cache-control")), (200, "no-store"));
        assert_eq!(other.body, asset.body);
    }
    browser.get("/settings/assets/other.0123456789.css").await.shown(404);
}

#[tokio::test]
async fn a_member_can_read_and_change_nothing() {
    let test = TestSettings::new().await;
    let mut member = test.member().await;
    let token = member.token().await;
    let key = id(&test.app.key).to_owned();
    for path in ["/settings/keys", "/settings/usage", "/settings/activity", "/settings/plan"] {
        let page = member.get(path).await;
        let body = page.shown(200);
        assert!(!body.contains("/rotate") && !body.contains("/revoke") && !body.contains("/keys/new"), "{path}");
    }
    for path in ["/settings/keys/new", &format!("/settings/keys/{key}/rotate"), &format!("/settings/keys/{key}/revoke")]
    {
        member.get(path).await.shown(403);
    }
    let fields = [
        ("token", token.as_str()),
        ("overlap", "none"),
        ("expiry", "same"),
        ("seen", "0"),
        ("name", "x"),
        ("expiry", "none"),
        ("scope", "jobs:read"),
        ("nonce", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ];
    for path in ["/settings/keys", &format!("/settings/keys/{key}/rotate"), &format!("/settings/keys/{key}/revoke")] {
        assert!(member.post(path, &fields).await.shown(403).contains("Admins only"));
    }
    assert_eq!(test.call(&test.app.key).await, 200);
    let organization = organization::get(&test.app.db, &test.app.org, test.app.clock.now()).await.unwrap();
    assert_eq!(organization.keys, 1);
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let test = TestSettings::new().await;
    let (mut browser, mut other) = (test.admin().await, test.admin().await);
    let (token, others) = (browser.token().await, other.token().await);
    assert_ne!(token, others);
    let path = format!("/settings/keys/{}/revoke", id(&test.app.key));
    let right = [("token", token.as_str())];
    for origin in [
        None,
        Some("null"),
        Some("https://evil.example"),
        Some("https://api.example.com"),
        Some("http://api.example.com:8080"),
        Some("http://api.example.com.evil.example"),
        Some("http://evil.example/?http://api.example.com"),
        Some("http://api.example.com/"),
    ] {
        assert!(
            browser.post_from(origin, &path, &right).await.shown(403).contains("This page is out of date"),
            "{origin:?}"
        );
    }
    for wrong in ["", "x", &others, &token[1..]] {
        browser.post(&path, &[("token", wrong)]).await.shown(403);
    }
    browser.post(&path, &[]).await.shown(403);
    // As JSON, or as a type that scripts of other sites may send without a preflight.
    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let mut request = browser.request("POST", &path, format!("token={token}"));
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        request.headers_mut().insert("origin", ORIGIN.parse().unwrap());
        browser.send(request).await.shown(400);
    }
    // Nor does a GET change anything, even with a token.
    browser.get(&format!("{path}?token={token}")).await.shown(200);
    assert_eq!(browser.get(&format!("/settings/sign-out?token={token}")).await.status, 405);
    assert_eq!(test.call(&test.app.key).await, 200);
    assert_eq!(browser.post(&path, &right).await.status, 303);
    assert_eq!(test.call(&test.app.key).await, 401);
}

#[tokio::test]
async fn a_name_is_escaped_wherever_it_is_shown() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let name = "<img src=x onerror=alert(1)> \"' & </title><script>";
    let made = browser.make(name, &["jobs:read"]).await;
    let key = made.secret();
    let mut pages = vec![made];
    for path in [
        "/settings/keys".to_owned(),
        "/settings/usage".to_owned(),
        "/settings/activity".to_owned(),
        format!("/settings/keys/{}/rotate", id(&key)),
        format!("/settings/keys/{}/revoke", id(&key)),
    ] {
        pages.push(browser.get(&path).await);
    }
    let form = browser.get("/settings/keys/new").await;
    pages.push(browser.fill(&form, name, &[]).await);
    for page in pages {
        assert!(page.body.contains("&lt;img src=x onerror=alert(1)&gt;"), "{}", page.body);
        assert!(!page.body.contains("<img src=x") && !page.body.contains("<script>"), "{}", page.body);
        assert!(!page.body.contains("\"' &"), "an attribute ends where it should");
    }
}

#[tokio::test]
async fn an_unknown_path_gets_an_error_page() {
    let test = TestSettings::new().await;
    let mut browser = test.browser();
    assert_eq!(browser.get("/settings/").await.location(), "/settings/keys");
    for path in ["/settings/nowhere", "/settings/keys/", "/settings/keys/AAAAAAAAAA", "/settings/usage/2026"] {
        assert!(browser.get(path).await.shown(404).contains("There is no such page"), "{path}");
    }
    assert!(browser.get("/settings/sign-out").await.shown(405).contains("<h1>"));
}

#[tokio::test]
async fn only_the_page_that_shows_a_key_contains_all_of_it() {
    let test = TestSettings::new().await;
    let log = Log::listen();
    let mut browser = test.admin().await;
    let first = browser.make("secret", &["jobs:read"]).await.secret();
    let path = format!("/settings/keys/{}/rotate", id(&first));
    let form = browser.get(&path).await;
    let fields = [
        ("token", form.field("token")),
        ("seen", form.field("seen")),
        ("overlap", "24h".to_owned()),
        ("expiry", "same".to_owned()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let second = browser.post(&path, &fields).await.secret();
    test.call(&first).await;
    // The day is over, so its count moves to its own item.
    test.app.clock.set("2026-11-25T00:02:00.000Z");
    test.call(&second).await;
    let mut browser = test.admin().await;
    let keys = [first.as_str(), &second];
    let session = browser.cookies["__Host-session"].clone();

    let mut seen = vec![log.text(), format!("{:?}", browser.cookies)];
    for path in PAGES.iter().map(ToString::to_string).chain([path.clone(), path.replace("rotate", "revoke")]) {
        let page = browser.get(&path).await;
        assert!(!page.body.contains(&session), "{path}");
        seen.push(page.body + &format!("{:?}", page.headers));
    }
    let items = test.whole_access_table().await;
    assert!(items.contains(&format!("KEY#{}#DAY", id(&first))), "the table was read, with the days");
    assert!(!items.contains(&session) && !log.text().contains(&session), "a session is stored as its hash");
    seen.push(items);
    for text in seen {
        assert!(keys.iter().all(|key| !text.contains(key) && !text.contains(&key[18..50])));
    }
    assert!(!log.text().contains("admin@"), "no email is logged");
    let organization = test.app.org.to_string();
    assert!(
        log.lines()
            .iter()
            .any(|line| line["route"] == "/settings/usage" && line["organization"] == organization.as_str())
    );
}

#[tokio::test]
async fn unsupported_methods_change_nothing() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = browser.request(method, "/settings/keys", String::new());
        let page = browser.send(request).await;
        assert_eq!((page.status.as_u16(), page.header("allow")), (405, "GET,HEAD,POST"), "{method}");
    }
    let request = browser.request("HEAD", "/settings/keys", String::new());
    let page = browser.send(request).await;
    assert_eq!((page.status.as_u16(), page.body.as_str()), (200, ""));
}
