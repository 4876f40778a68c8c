//! Isolation from other organizations: keys, lists and cursors.

use axum::{body::Body, http::Request};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use shared::{
    model::{
        key::{ApiKey, KeyId},
        scope::Scope,
    },
    store::{
        activity::Actor,
        api_key::{self, Rotated, Rotation},
    },
};

use crate::{
    test_app::TestApp,
    test_settings::{Page, TestSettings, id},
};

#[tokio::test]
async fn another_organizations_keys_read_like_missing_ones_on_every_page_and_action() {
    let (test, other) = (TestSettings::new().await, TestApp::new().await);
    let mut browser = test.admin().await;
    let token = browser.token().await;
    let theirs = id(&other.key).to_owned();
    let missing = "AAAAAAAAAA";
    for action in ["rotate", "revoke"] {
        let mut bodies = Vec::new();
        other.get("/api/v1/jobs").await.ok(200);
        for key in [theirs.as_str(), missing] {
            let path = format!("/settings/keys/{key}/{action}");
            bodies.push(browser.get(&path).await.shown(404).to_owned());
            let fields = [("token", token.as_str()), ("overlap", "none"), ("expiry", "same"), ("seen", "0")];
            bodies.push(browser.post(&path, &fields).await.shown(404).to_owned());
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]));
    }
    other.new_key_instead(&[Scope::JobsRead]).await;
    let notice = browser.get(&format!("/settings/keys?revoked={theirs}")).await;
    assert_eq!(notice.body, browser.get(&format!("/settings/keys?revoked={missing}")).await.body);
    for path in ["/settings/keys", "/settings/usage", "/settings/activity"] {
        let page = browser.get(path).await;
        assert!(page.shown(200).contains(id(&test.app.key)) && !page.body.contains(&theirs), "{path}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_organizations_list_is_rejected() {
    let (test, other) = (TestSettings::new().await, TestSettings::new().await);
    for test in [&test, &other] {
        for _ in 0..21 {
            test.app.new_key(&[Scope::JobsRead]).await;
        }
    }
    let next = |page: &Page| page.body.split_once("?cursor=").unwrap().1.split('"').next().unwrap().to_owned();
    let theirs = next(&other.admin().await.get("/settings/keys").await);
    let mut browser = test.admin().await;
    let ours = next(&browser.get("/settings/keys").await);
    browser.get(&format!("/settings/keys?cursor={ours}")).await.shown(200);
    browser.get(&format!("/settings/keys?cursor={theirs}")).await.shown(400);
    browser.get(&format!("/settings/activity?cursor={ours}")).await.shown(400);
    browser.get("/settings/keys?cursor=x").await.shown(400);
}

/// A cursor in the API's own format for the list, with any position.
fn forged_cursor(partition: &str, ascending: bool, position: &str) -> String {
    let digest = Sha256::new().chain_update([1, u8::from(ascending)]).chain_update(partition);
    let digest = digest.chain_update([0]).chain_update(position).finalize();
    BASE64URL_NOPAD.encode(&[&[1], &digest[..8], position.as_bytes()].concat())
}

#[tokio::test]
async fn every_list_rejects_a_cursor_with_a_malformed_position() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let org = test.app.org;
    let moment = "2026-11-24T12:00:00.000Z";
    let job = test.app.job("open").await;
    let stage = test.app.stages().await.remove(0);
    let long = "x".repeat(300);
    let odd = ["", " ", "#", "x", "ORG", "KEY#", "\u{0}", "é", &long, moment, "KEY##", "7"];
    let settings = [
        ("/settings/keys", format!("ORG#{org}"), format!("KEY#{moment}#AbCdEf0123")),
        ("/settings/usage", format!("ORG#{org}"), format!("KEY#{moment}#AbCdEf0123")),
        ("/settings/activity", format!("ORG#{org}#ACTIVITY"), format!("{moment}#AbCdEf01")),
    ];
    for (path, partition, position) in settings {
        // A well-formed position of no row is accepted, so what follows is rejected for its position.
        browser.get(&format!("{path}?cursor={}", forged_cursor(&partition, false, &position))).await.shown(200);
        for position in odd.iter().map(ToString::to_string).chain([format!("{position}x"), position[1..].to_owned()]) {
            let cursor = forged_cursor(&partition, false, &position);
            browser.get(&format!("{path}?cursor={cursor}")).await.shown(400);
        }
    }
    let id = "01900000-0000-7000-8000-000000000000";
    let api = [
        ("/api/v1/jobs".to_owned(), format!("ORG#{org}#JOB"), false, id.to_owned()),
        ("/api/v1/jobs?status=open".to_owned(), format!("ORG#{org}#JOB#open"), false, id.to_owned()),
        ("/api/v1/candidates".to_owned(), format!("ORG#{org}#CANDIDATE"), false, id.to_owned()),
        ("/api/v1/pipeline/stages".to_owned(), format!("ORG#{org}#STAGE"), true, id.to_owned()),
        (
            format!("/api/v1/pipeline/stages/{stage}/candidates"),
            format!("ORG#{org}#STAGE#{stage}"),
            false,
            format!("{moment}#{id}"),
        ),
        (format!("/api/v1/jobs/{job}/applications"), format!("ORG#{org}#JOB#{job}#APPLICATION"), false, id.to_owned()),
    ];
    for (path, partition, ascending, position) in api {
        let with = |position: &str| {
            let separator = if path.contains('?') { '&' } else { '?' };
            format!("{path}{separator}cursor={}", forged_cursor(&partition, ascending, position))
        };
        let get = async |position: &str| {
            test.app.clock.advance(1_100);
            test.app.get(&with(position)).await
        };
        get(&position).await.ok(200);
        for position in odd.iter().map(ToString::to_string).chain([format!("{position}x"), position[1..].to_owned()]) {
            get(&position).await.error(400, "invalid_cursor");
        }
    }
}

#[tokio::test]
async fn no_api_path_reaches_the_settings() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    for path in [
        "/api/v1/../settings/keys",
        "/api/v1/%2e%2e/settings/keys",
        "/api/v1/..%2fsettings%2fkeys",
        "/api/v1/jobs/../../../settings/keys",
        "/api/v1//settings/keys",
        "/api/v1/settings/keys",
        "/docs/../settings/keys",
        "/settings/../settings/keys",
        "/SETTINGS/keys",
        "//settings/keys",
    ] {
        let request: Request<Body> = browser.request("GET", path, String::new());
        let page = browser.send(request).await;
        assert!(page.status == 400 || page.status == 404, "{path}: {}", page.status);
        assert!(!page.body.contains("hh_live_"), "{path}");
    }
    // Nor does a session give access to the API.
    let page = browser.get("/api/v1/jobs").await;
    assert_eq!(page.status, 401);
}

#[tokio::test]
async fn the_store_rejects_changes_to_another_organizations_keys_too() {
    let (test, other) = (TestSettings::new().await, TestApp::new().await);
    let id = KeyId::parse(id(&other.key)).unwrap();
    let key = ApiKey::with_id(&id).unwrap();
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let actor = Actor::member(&test.admin, None);
    assert_eq!(api_key::rotate(db, org, now, &key, Rotation::default(), &actor).await.unwrap(), Rotated::Unknown);
    assert!(!api_key::revoke(db, org, &id, now, &actor).await.unwrap());
    assert!(api_key::find(db, org, &id).await.unwrap().is_none());
    other.get("/api/v1/jobs").await.ok(200);
}
