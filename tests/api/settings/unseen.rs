//! Secrets that nobody saw: a key was created or rotated, but the page that shows the secret got lost. People can go on, and the programs that
//! use the key notice nothing.

use std::{sync::Arc, time::Duration};

use shared::{
    model::{clock::Timestamp, key::ApiKey, plan::Plan, scope::Scope},
    store::{
        activity::Actor,
        api_key::{self, NewKey, Rotated, Rotation},
    },
};

use crate::{
    test_app::{
        proxy::{Fault, Proxy},
        short_text,
    },
    test_settings::{Page, SettingsClient, TestSettings, id},
};

/// Settings with a signed-in admin, and what is between them and DynamoDB.
async fn settings(plan: Plan) -> (TestSettings, Proxy, SettingsClient) {
    let (mut test, proxy) = (TestSettings::on(plan).await, Proxy::default());
    test.behind(&proxy).await;
    let browser = test.admin().await;
    (test, proxy, browser)
}

/// Loses all responses to the next transaction, which is applied.
fn lose(proxy: &Proxy) {
    proxy.fail(Fault { operation: "TransactWriteItems", table: "AccessTable", times: 3, change: |_| Vec::new() });
}

/// Opens the form to rotate a key.
async fn form(browser: &mut SettingsClient, key: &str) -> Page {
    browser.get(&format!("/settings/keys/{}/rotate", id(key))).await
}

/// Sends this form to rotate a key.
async fn send(browser: &mut SettingsClient, key: &str, form: &Page, overlap: &str, expiry: &str) -> Page {
    let (token, seen) = (form.field("token"), form.field("seen"));
    let mut fields = vec![("token", token.as_str()), ("seen", &seen), ("overlap", overlap), ("expiry", expiry)];
    if form.body.contains("name=\"replaces\"") {
        fields.push(("replaces", "unused"));
    }
    browser.post(&format!("/settings/keys/{}/rotate", id(key)), &fields).await
}

async fn rotate(browser: &mut SettingsClient, key: &str, overlap: &str) -> Page {
    let form = form(browser, key).await;
    send(browser, key, &form, overlap, "same").await
}

#[tokio::test]
async fn a_rotation_whose_page_was_lost_is_repeated_and_the_secret_in_use_goes_on() {
    let (test, proxy, mut browser) = settings(Plan::Starter).await;
    let used = test.app.key.clone();
    assert_eq!(test.call(&used).await, 200);
    lose(&proxy);
    let page = rotate(&mut browser, &used, "24h").await;
    proxy.assert_failed();
    for part in ["may have been rotated", "nobody has seen the new secret", &format!("{}/rotate\"", id(&used))] {
        assert!(page.shown(503).contains(part), "{part}: {}", page.body);
    }
    // Sent once more, the form says that it was too late, and what to do.
    let lost = browser.get("/settings/keys").await;
    assert!(lost.shown(200).contains("has never been used."), "{}", lost.body);

    let again = form(&mut browser, &used).await;
    let stays = format!("and …{} stays the old secret", &used[52..]);
    for part in ["This rotation replaces only that one", &stays, "2026-11-25 12:00 UTC</time>, as it is"] {
        assert!(again.shown(200).contains(part), "{part}: {}", again.body);
    }
    let page = send(&mut browser, &used, &again, "same", "same").await;
    let new = page.secret();
    for part in ["which was never used", &used[52..], "valid until <time datetime=\"2026-11-25T12:00:00.000Z\""] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert_eq!((test.call(&used).await, test.call(&new).await), (200, 200));
    let list = browser.get("/settings/keys").await;
    assert!(list.body.contains(&format!("The old secret, …{}, was used once since.", &used[52..])), "{}", list.body);
    assert!(!list.body.contains("has never been used."));

    // Now that the new secret is in use, a rotation keeps that one.
    let newest = rotate(&mut browser, &used, "24h").await.secret();
    assert_eq!((test.call(&used).await, test.call(&new).await, test.call(&newest).await), (401, 200, 200));
}

#[tokio::test]
async fn an_unused_secret_is_rejected_once_it_is_replaced_and_the_old_one_ends_as_chosen() {
    for (first, second, ends) in [
        ("1h", "7d", Some("2026-12-01T12:00:00.000Z")),
        ("7d", "1h", Some("2026-11-24T13:00:00.000Z")),
        ("7d", "same", Some("2026-12-01T12:00:00.000Z")),
        ("7d", "none", None),
    ] {
        let (test, _proxy, mut browser) = settings(Plan::Starter).await;
        let used = test.app.key.clone();
        let unseen = rotate(&mut browser, &used, first).await.secret();
        let page = rotate(&mut browser, &used, second).await;
        let new = page.secret();
        assert_eq!((test.call(&unseen).await, test.call(&new).await), (401, 200), "{first} {second}");
        match ends {
            Some(ends) => {
                assert!(page.body.contains(&format!("valid until <time datetime=\"{ends}\"")), "{first} {second}");
                let at: Timestamp = ends.parse().unwrap();
                test.app.clock.set(&Timestamp::from_millis(at.as_millis() - 1).to_string());
                assert_eq!(test.call(&used).await, 200, "{first} {second}");
                test.app.clock.set(ends);
            }
            None => assert!(page.body.contains("is refused from now on")),
        }
        assert_eq!((test.call(&used).await, test.call(&new).await), (401, 200), "{first} {second}");
    }
}

#[tokio::test]
async fn a_repeated_rotation_never_extends_the_old_secret_beyond_the_keys_first_expiry() {
    let (test, _proxy, mut browser) = settings(Plan::Enterprise).await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let expires_at = Some("2026-11-24T18:00:00.000Z".parse().unwrap());
    let new = NewKey { name: short_text("ends today"), scopes: vec![Scope::JobsRead], expires_at };
    let used = api_key::create(db, org, now, new, &Actor::operator()).await.unwrap();
    let used = used.reveal();
    let first = form(&mut browser, used).await;
    send(&mut browser, used, &first, "1h", "90").await.secret();
    let again = form(&mut browser, used).await;
    assert!(again.shown(200).contains("But no longer than the key would have been."));
    let page = send(&mut browser, used, &again, "7d", "same").await;
    let newest = page.secret();
    assert!(page.body.contains("valid until <time datetime=\"2026-11-24T18:00:00.000Z\""), "{}", page.body);
    test.app.clock.set("2026-11-24T18:00:00.000Z");
    assert_eq!((test.call(used).await, test.call(&newest).await), (401, 200));
}

#[tokio::test]
async fn a_secret_that_was_used_even_in_the_last_moment_is_not_replaced_as_unused() {
    for by_form in [true, false] {
        for path in ["/api/v1/jobs", "/api/v1/usage"] {
            let (test, proxy, mut browser) = settings(Plan::Enterprise).await;
            let used = test.app.key.clone();
            let first = rotate(&mut browser, &used, "24h").await.secret();
            let again = form(&mut browser, &used).await;
            let (gateway, key) = (Arc::clone(&test.app.gateway), first.clone());
            proxy.before("TransactWriteItems", async move {
                let request = crate::test_app::request("GET", path, Some(&key), None);
                crate::test_app::send(&gateway, request).await.ok(200);
            });
            if by_form {
                // It promised to end only an unused secret.
                let page = send(&mut browser, &used, &again, "24h", "same").await;
                assert!(page.shown(409).contains("was used for the first time"), "{}", page.body);
                assert_eq!((test.call(&used).await, test.call(&first).await), (200, 200));
                assert!(form(&mut browser, &used).await.shown(200).contains("it ends with this rotation"));
            } else {
                // It is a rotation like any other.
                let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
                let keep_until = Some("2026-11-25T12:00:00.000Z".parse().unwrap());
                let new = ApiKey::with_id(&ApiKey::parse(&used).unwrap().id()).unwrap();
                let rotation = Rotation { keep_until, ..Rotation::default() };
                let rotated = api_key::rotate(db, org, now, &new, rotation, &Actor::operator()).await;
                assert_eq!(rotated.unwrap(), Rotated::Done);
                let statuses = (test.call(&used).await, test.call(&first).await, test.call(new.reveal()).await);
                assert_eq!(statuses, (401, 200, 200));
            }
        }
    }
}

#[tokio::test]
async fn a_form_whose_page_was_lost_says_so_when_it_is_sent_again() {
    let (test, _proxy, mut browser) = settings(Plan::Starter).await;
    let used = test.app.key.clone();
    let first = form(&mut browser, &used).await;
    send(&mut browser, &used, &first, "24h", "same").await.secret();
    let page = send(&mut browser, &used, &first, "24h", "same").await;
    for part in ["or by this form if it was sent before", "never shown to you, rotate the key again"] {
        assert!(page.shown(409).contains(part), "{part}: {}", page.body);
    }
}

#[tokio::test]
async fn on_starter_a_key_that_nobody_saw_gets_another_secret_or_is_revoked() {
    for way_out in ["rotate", "revoke"] {
        let (test, proxy, mut browser) = settings(Plan::Starter).await;
        let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
        let first = ApiKey::parse(&test.app.key).unwrap().id();
        assert!(api_key::revoke(db, org, &first, now, &Actor::operator()).await.unwrap());
        let empty = browser.get("/settings/keys/new").await;
        lose(&proxy);
        let page = browser.fill(&empty, "unseen", &["jobs:read"]).await;
        proxy.assert_failed();
        for part in ["may have been created", "rotate it for a new one, which needs no room in the plan, or revoke it"]
        {
            assert!(page.shown(503).contains(part), "{part}: {}", page.body);
        }
        let list = browser.get("/settings/keys").await;
        assert!(list.shown(200).contains("<h2>unseen</h2>") && list.body.contains("Rotating needs no room."));
        browser.get("/settings/keys/new").await.shown(409);
        // The form says the same when it is sent again, and leads to the key.
        let again = browser.fill(&empty, "unseen", &["jobs:read"]).await;
        let path = again.shown(409).split("a href=\"/settings/keys/").nth(1).unwrap().split('/').next().unwrap();
        let like_a_key = format!("hh_live_{path}");
        if way_out == "rotate" {
            let key = rotate(&mut browser, &like_a_key, "none").await.secret();
            assert_eq!((id(&key), test.call(&key).await), (path, 200));
        } else {
            let token = browser.token().await;
            let revoked = browser.post(&format!("/settings/keys/{path}/revoke"), &[("token", &token)]).await;
            assert_eq!(revoked.status, 303);
            let key = browser.make("seen", &["jobs:read"]).await.secret();
            assert_eq!(test.call(&key).await, 200);
        }
    }
}

#[tokio::test]
async fn a_revocation_whose_responses_are_lost_says_what_may_have_happened() {
    let (test, proxy, mut browser) = settings(Plan::Enterprise).await;
    let path = format!("/settings/keys/{}/revoke", id(&test.app.key));
    let token = browser.token().await;
    lose(&proxy);
    let page = browser.post(&path, &[("token", &token)]).await;
    proxy.assert_failed();
    assert!(page.shown(503).contains("The key may have been revoked"), "{}", page.body);
    assert_eq!(browser.post(&path, &[("token", &token)]).await.status, 303);
    assert_eq!(test.call(&test.app.key).await, 401);
}

#[tokio::test]
async fn slow_calls_cut_no_change_that_has_begun() {
    let (test, proxy, mut browser) = settings(Plan::Enterprise).await;
    let empty = browser.get("/settings/keys/new").await;
    let rotating = form(&mut browser, &test.app.key).await;
    let token = browser.token().await;
    // No call times out, but together they take longer than a request may.
    let clock = proxy.each_takes(Duration::from_millis(700));
    let created = browser.fill(&empty, "slow", &["jobs:read"]).await.secret();
    let rotated = send(&mut browser, &test.app.key, &rotating, "none", "same").await.secret();
    let path = format!("/settings/keys/{}/revoke", id(&created));
    let revoked = browser.post(&path, &[("token", &token)]).await;
    drop(clock);
    assert_eq!(revoked.status, 303, "{}", revoked.body);
    assert_eq!((test.call(&rotated).await, test.call(&created).await), (200, 401));
}
