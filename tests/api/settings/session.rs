//! How long a session lasts, and who it belongs to.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use local::database::Embedded;
use shared::{
    model::{role::Role, secret::Secret, value::Email},
    store::{
        activity::{self, Actor},
        member,
    },
};

use crate::test_settings::{Page, TestSettings};

#[tokio::test]
async fn a_session_ends_half_an_hour_after_its_last_use_and_after_eight_hours() {
    const MINUTE: i64 = 60_000;
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    // Used every 29 minutes, a session lasts: 16 times, for 7 hours and 44 minutes.
    for _ in 0..16 {
        test.app.clock.advance(29 * MINUTE);
        browser.get("/settings/plan").await.shown(200);
    }
    test.app.clock.advance(16 * MINUTE - 1);
    browser.get("/settings/plan").await.shown(200);
    test.app.clock.advance(1);
    assert_eq!(browser.get("/settings/plan").await.status, 303, "eight hours are over");

    let mut browser = test.admin().await;
    test.app.clock.advance(30 * MINUTE - 1);
    browser.get("/settings/plan").await.shown(200);
    test.app.clock.advance(30 * MINUTE);
    assert_eq!(browser.get("/settings/plan").await.status, 303);
    // And a form says that it changed nothing.
    let page = browser.post("/settings/keys", &[("name", "x")]).await;
    assert!(page.shown(401).contains("Nothing was changed"));
}

#[tokio::test]
async fn a_removed_member_is_signed_out_and_stays_so_when_added_again() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let email = Email::new(&test.admin).unwrap();
    let (db, org) = (&test.app.db, &test.app.org);
    assert!(member::remove(db, org, test.app.clock.now(), &email, &Actor::operator()).await.unwrap());
    assert_eq!(browser.get("/settings/plan").await.status, 303);
    test.app.clock.advance(1);
    member::add(db, org, test.app.clock.now(), &email, Role::Admin, &Actor::operator()).await.unwrap();
    assert_eq!(browser.get("/settings/plan").await.status, 303);
    test.admin().await;
}

#[tokio::test]
async fn the_activity_log_has_the_network_address_of_who_signed_in_and_out() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let token = browser.token().await;
    browser.post("/settings/sign-out", &[("token", &token)]).await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let (entries, _) = activity::page(db, org, None, 100, now).await.unwrap();
    for act in ["signed-in", "signed-out"] {
        let of_act: Vec<_> = entries.iter().filter(|entry| entry.act.as_str() == act).collect();
        let [entry] = of_act.as_slice() else { panic!("{entries:?}") };
        assert_eq!((entry.actor.name(), entry.address()), (test.admin.as_str(), Some("192.0.2.1")));
    }
}

#[tokio::test]
async fn the_role_is_read_with_every_request() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let token = browser.token().await;
    let email = Email::new(&test.admin).unwrap();
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    assert!(member::set_role(db, org, now, &email, Role::Member, &Actor::operator()).await.unwrap());
    browser.get("/settings/plan").await.shown(200);
    browser.post("/settings/keys", &[("token", &token)]).await.shown(403);
}

#[tokio::test]
async fn a_new_sign_in_starts_a_new_session_and_ends_the_browsers_old_one() {
    let test = TestSettings::new().await;
    // A session id that someone else planted never becomes a session.
    let mut browser = test.browser();
    let planted = Secret::generate().unwrap().reveal();
    browser.cookies.insert("__Host-session".to_owned(), planted.clone());
    browser.sign_in(0).await;
    assert_ne!(browser.cookies["__Host-session"], planted);
    let mut planter = test.browser();
    planter.cookies.insert("__Host-session".to_owned(), planted);
    assert_eq!(planter.get("/settings/plan").await.status, 303);

    let mut before = browser.clone();
    before.get("/settings/plan").await.shown(200);
    browser.sign_in(1).await;
    assert_eq!(before.get("/settings/plan").await.status, 303);
    assert!(browser.get("/settings/plan").await.shown(200).contains(&test.member));
}

/// The attributes of the browser's session, as the table has them.
async fn stored(test: &TestSettings, id: &str) -> HashMap<String, AttributeValue> {
    let hash = Secret::parse(id).unwrap().derive("stored");
    let get = test.app.client.get_item().table_name(Embedded::tables().access).consistent_read(true);
    let get = get.key("pk", AttributeValue::S(format!("SESSION#{hash}")));
    get.key("sk", AttributeValue::S("SESSION".to_owned())).send().await.unwrap().item.unwrap()
}

#[tokio::test]
async fn the_browser_and_the_table_forget_a_session_when_it_must_end() {
    const HOURS: i64 = 60 * 60 * 1_000;
    let test = TestSettings::new().await;
    let cookie = |page: &Page, name: &str| {
        let is_it = |cookie: &&str| cookie.starts_with(&format!("{name}="));
        page.cookies().into_iter().find(is_it).unwrap().to_owned()
    };
    let mut browser = test.browser();
    let begun = browser.get("/settings/sign-in").await;
    assert!(cookie(&begun, "__Host-sign-in").contains("; Max-Age=600"));
    let signed_in = browser.sign_in(0).await;
    assert!(cookie(&signed_in, "__Host-session").contains("; Max-Age=28800"));
    assert!(cookie(&signed_in, "__Host-sign-in").contains("; Max-Age=0"));

    let number = |millis: i64| AttributeValue::N(millis.to_string());
    let now = test.app.clock.now().as_millis();
    let id = browser.cookies["__Host-session"].clone();
    let session = stored(&test, &id).await;
    assert_eq!(session["idleUntil"], number(now + HOURS / 2));
    assert_eq!(session["endsAt"], number(now + 8 * HOURS));
    assert_eq!(session["deleteAt"], number((now + 8 * HOURS) / 1_000), "in seconds, as DynamoDB expects it");

    // A use moves the idle end alone.
    test.app.clock.advance(HOURS / 4);
    let token = browser.token().await;
    let now = now + HOURS / 4;
    let mut used = session.clone();
    used.insert("idleUntil".to_owned(), number(now + HOURS / 2));
    assert_eq!(stored(&test, &id).await, used);

    // Signing out leaves a marker for as long as a delayed attempt to begin the session could still matter.
    browser.post("/settings/sign-out", &[("token", &token)]).await;
    let marker = stored(&test, &id).await;
    let mut names: Vec<&str> = marker.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["deleteAt", "pk", "sk"]);
    assert_eq!(marker["deleteAt"], number((now + 8 * HOURS + 2 * 60_000) / 1_000));
}
