//! An issuer that is unreachable, slow or wrong.

use super::rejected;
use crate::{failures::Log, test_settings::TestSettings};

#[tokio::test]
async fn an_unreachable_issuer_is_reported_and_logged_and_ends_no_session() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let log = Log::listen();
    let gone = settings::Issuer::new("http://127.0.0.1:1/dev/issuer", "settings", None);
    let (db, clock) = (test.app.db.clone(), test.app.clock.clock());
    let app = || shared::http::app::App::new(db.clone(), clock.clone());
    browser.gateway = std::sync::Arc::new(local::gateway::Gateway::new(&crate::test_app::TEMPLATE, app, gone).unwrap());
    let page = browser.get("/settings/sign-in").await;
    assert!(page.shown(503).contains("Signing in is not possible at the moment"));
    assert_eq!(log.lines().last().unwrap()["status"], 503);
    assert!(log.text().contains("Connection refused"), "{}", log.text());
    browser.get("/settings/keys").await.shown(200);
}

#[tokio::test]
async fn an_issuer_that_rejects_our_client_is_logged_and_not_blamed_on_the_person() {
    let test = TestSettings::new().await;
    let log = Log::listen();
    test.issuer.rejects("token", r#"{"error":"invalid_client","error_description":"secret-in-a-description"}"#);
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    assert!(page.shown(503).contains("Signing in is not possible at the moment"));
    rejected(&page, 503, &browser);
    assert!(log.text().contains("the token endpoint answered invalid_client") && !log.text().contains("secret-in-a"));
    assert_eq!(log.lines().last().unwrap()["code"], "issuer_unavailable");
}

#[tokio::test]
async fn a_failing_issuer_is_not_called_again_for_five_seconds() {
    let test = TestSettings::new().await;
    test.issuer.rejects("openid-configuration", "{}");
    let asked = || test.issuer.asked("openid-configuration");
    for _ in 0..5 {
        test.browser().get("/settings/sign-in").await.shown(503);
    }
    assert_eq!(asked(), 1);
    test.app.clock.advance(4_999);
    test.browser().get("/settings/sign-in").await.shown(503);
    assert_eq!(asked(), 1);
    test.app.clock.advance(1);
    test.browser().get("/settings/sign-in").await.shown(503);
    assert_eq!(asked(), 2);
    test.issuer.rejects("nothing", "");
    test.browser().get("/settings/sign-in").await.shown(503);
    test.app.clock.advance(5_000);
    test.admin().await;
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn an_issuer_that_accepts_but_never_responds_delays_only_the_visitors_who_are_already_waiting() {
    let test = TestSettings::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = settings::Issuer::new(&format!("http://{}", listener.local_addr().unwrap()), "settings", None);
    let (db, clock) = (test.app.db.clone(), test.app.clock.clock());
    let app = || shared::http::app::App::new(db.clone(), clock.clone());
    let mut browser = test.browser();
    browser.gateway =
        std::sync::Arc::new(local::gateway::Gateway::new(&crate::test_app::TEMPLATE, app, silent).unwrap());
    // All at once: they wait for the same response.
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
async fn a_token_endpoint_that_never_responds_delays_one_visitor_and_not_the_next() {
    let test = TestSettings::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    test.issuer.alters("openid-configuration", move |_, mut body| {
        body["token_endpoint"] = silent.clone().into();
        body
    });
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    rejected(&page, 503, &browser);
    let begun = std::time::Instant::now();
    test.browser().get("/settings/sign-in").await.shown(503);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    test.app.clock.advance(5_000);
    test.browser().ask("/settings/sign-in").await;
}

#[tokio::test]
async fn an_issuer_whose_metadata_names_another_issuer_is_rejected() {
    let test = TestSettings::new().await;
    test.issuer.alters("openid-configuration", |_, mut body| {
        body["issuer"] = "https://elsewhere.example".into();
        body
    });
    test.browser().get("/settings/sign-in").await.shown(503);
}

#[tokio::test]
async fn no_redirect_of_the_issuers_is_followed() {
    for endpoint in ["openid-configuration", "keys", "token"] {
        let test = TestSettings::new().await;
        test.issuer.moves(endpoint);
        let mut browser = test.browser();
        let page = match endpoint {
            "token" => browser.sign_in(0).await,
            _ => browser.get("/settings/sign-in").await,
        };
        rejected(&page, 503, &browser);
        assert_eq!(test.issuer.asked(endpoint), 1, "{endpoint}");
        // Where it leads, everything is in order.
        test.issuer.moves("nothing");
        test.app.clock.advance(5_000);
        test.admin().await;
    }
}

#[tokio::test]
async fn metadata_and_keys_are_believed_for_an_hour_but_not_before_they_were_fetched() {
    let test = TestSettings::new().await;
    let asked = || (test.issuer.asked("openid-configuration"), test.issuer.asked("keys"));
    test.admin().await;
    assert_eq!(asked(), (1, 1));
    test.app.clock.advance(60 * 60_000 - 1);
    test.admin().await;
    assert_eq!(asked(), (1, 1));
    test.app.clock.advance(1);
    test.admin().await;
    assert_eq!(asked(), (2, 2));
    test.app.clock.advance(-1);
    test.browser().ask("/settings/sign-in").await;
    assert_eq!(asked(), (3, 3), "a clock that steps back");
}
