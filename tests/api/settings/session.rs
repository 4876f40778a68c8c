//! How long a session lasts, and who it belongs to.

use shared::{
    model::{role::Role, secret::Secret, value::Email},
    store::{activity::Actor, member},
};

use crate::test_settings::TestSettings;

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
