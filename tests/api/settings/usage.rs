//! Usage and activity in the settings.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::{
    model::{key::ApiKey, plan::Plan, role::Role, scope::Scope, value::Email},
    store::{
        activity::Actor,
        api_key::{self, NewKey, Rotated, Rotation},
        member,
        organization::{self, PlanChange},
    },
};

use crate::{
    test_app::{TestApp, short_text},
    test_settings::{Page, TestSettings, id},
};

#[tokio::test]
async fn activity_shows_who_did_what_from_where_for_400_days() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let key = browser.make("told", &["jobs:read"]).await.secret();
    let cells = |page: &Page| {
        let rows = page.shown(200).split("<tr>").skip(2);
        rows.map(|row| {
            let text: String = row.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text)).collect();
            text
        })
        .collect::<Vec<_>>()
    };
    let page = browser.get("/settings/activity").await;
    let rows = cells(&page);
    let at = "2026-11-24 12:00 UTC";
    let wanted = format!("{at}{}createdtold hh_live_{}…{}192.0.2.1", test.admin, id(&key), &key[52..]);
    assert!(rows.contains(&wanted), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("operator (local)createdtest") && row.ends_with("—")), "{rows:?}");
    assert!(rows.contains(&format!("{at}operator (local)member added{}, admin—", test.admin)), "{rows:?}");
    assert!(rows.contains(&format!("{at}{}signed in—192.0.2.1", test.admin)), "{rows:?}");
    // Two members, two keys, and the admin's sign-in.
    assert_eq!(rows.len(), 5);
    test.app.clock.set("2027-12-29T11:59:59.999Z");
    let mut browser = test.admin().await;
    assert_eq!(cells(&browser.get("/settings/activity").await).len(), 6);
    test.app.clock.set("2027-12-29T12:00:00.000Z");
    assert_eq!(cells(&browser.get("/settings/activity").await).len(), 1);
}

#[tokio::test]
async fn activity_shows_members_the_plan_and_sign_ins_and_nothing_that_was_rejected() {
    let test = TestSettings::on(Plan::Enterprise).await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let arn = "arn:aws:sts::123456789012:assumed-role/Admin/ada";
    let actor = Actor::aws(arn);
    let email = Email::new(&format!("Bob@{org}.example")).unwrap();
    let strange = Email::new(&format!("nobody@{org}.example")).unwrap();
    member::add(db, org, now, &email, Role::Member, &actor).await.unwrap();
    assert!(member::add(db, org, now, &email, Role::Admin, &actor).await.is_err());
    assert!(member::set_role(db, org, now, &email, Role::Admin, &actor).await.unwrap());
    assert!(member::set_role(db, org, now, &email, Role::Admin, &actor).await.unwrap());
    assert!(!member::set_role(db, org, now, &strange, Role::Admin, &actor).await.unwrap());
    assert!(member::remove(db, org, now, &email, &actor).await.unwrap());
    assert!(!member::remove(db, org, now, &email, &actor).await.unwrap());
    for plan in [Plan::Professional, Plan::Professional] {
        assert_eq!(organization::set_plan(db, org, now, plan, &actor).await.unwrap(), PlanChange::Done);
    }
    // Another organization's members are neither changed nor shown.
    let other = TestApp::new().await;
    assert!(!member::remove(db, &other.org, now, &Email::new(&test.admin).unwrap(), &actor).await.unwrap());
    let (mut admin, mut member) = (test.admin().await, test.member().await);
    let token = member.token().await;
    member.post("/settings/sign-out", &[("token", &token)]).await;
    member.post("/settings/sign-out", &[("token", &token)]).await;
    let mut stranger = test.browser();
    stranger.sign_in(2).await.shown(403);
    stranger.get("/settings/callback?error=server_error").await.shown(400);

    let page = admin.get("/settings/activity").await;
    let (as_admin, text) = (page.shown(200).to_owned(), |of: &str| of.replace(&org.to_string(), "org"));
    let count = |what: &str| text(&as_admin).matches(what).count();
    let by = format!("<td>operator ({arn})</td>");
    for (wanted, times) in [
        (format!("{by}<td>member added</td><td>Bob@org.example, member</td>"), 1),
        (format!("{by}<td>member changed</td><td>Bob@org.example, admin</td>"), 1),
        (format!("{by}<td>member removed</td><td>Bob@org.example, admin</td>"), 1),
        (format!("{by}<td>plan changed</td><td>from Enterprise to Professional</td>"), 1),
        ("<td>admin@org.example</td><td>signed in</td><td>—</td><td>192.0.2.1</td>".to_owned(), 1),
        ("<td>member@org.example</td><td>signed in</td><td>—</td><td>192.0.2.1</td>".to_owned(), 1),
        ("<td>member@org.example</td><td>signed out</td><td>—</td><td>192.0.2.1</td>".to_owned(), 1),
        ("<tr><td>".to_owned(), 10),
    ] {
        assert_eq!(count(&wanted), times, "{wanted}: {as_admin}");
    }
    // A member sees what was done, but neither from which address nor by which of the operator's AWS accounts.
    let as_member = test.member().await.get("/settings/activity").await;
    let as_member = as_member.shown(200);
    assert!(as_member.contains("<td>operator</td><td>member added</td>"), "{as_member}");
    for hidden in ["192.0.2.1", "IP address", "arn:", "(local)"] {
        assert!(!as_member.contains(hidden), "{hidden}: {as_member}");
    }
}

#[tokio::test]
async fn an_entry_from_a_later_version_is_skipped() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let put = test.app.client.put_item().table_name("AccessTable");
    let string = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let put = put.item("pk", string(&format!("ORG#{}#ACTIVITY", test.app.org)));
    let put = put.item("sk", string("2026-11-24T12:00:00.000Z#later000")).item("act", string("webhook-created"));
    put.item("actor", string("operator")).send().await.unwrap();
    assert!(browser.get("/settings/activity").await.shown(200).contains("signed in"));
}

#[tokio::test]
async fn usage_shows_each_day_the_month_and_errors_by_reason() {
    let test = TestSettings::on(Plan::Starter).await;
    let key = test.app.key.clone();
    // Nobody can sign in before they were added.
    let mut browser = test.admin().await;
    test.app.clock.set("2026-11-23T23:00:00.000Z");
    for _ in 0..62 {
        test.call(&key).await;
    }
    test.app.clock.set("2026-11-24T00:00:00.000Z");
    for _ in 0..3 {
        assert_eq!(test.call(&key).await, 200);
    }
    let page = browser.get("/settings/usage").await;
    for part in [
        "<title>2026-11-23: 60</title>",
        "<title>2026-11-24: 3</title>",
        "<title>2026-10-26: 0</title>",
        "<strong>63</strong> requests in 30 days",
        "<strong>63</strong> of 1,000 requests used, 937 left. It starts anew on",
        "2026-12-01 00:00 UTC",
        "<strong>2</strong> × <a href=\"/docs/errors#rate_limit_exceeded\">",
        "<th scope=\"row\">2026-11-23</th> <td>60</td><td>2</td>",
    ] {
        let plain = page.shown(200).replace("</th><td>", "</th> <td>");
        assert!(plain.contains(part), "{part}: {plain}");
    }
    assert_eq!(page.body.matches("<rect").count(), 30);
    assert!(page.body.contains("role=\"img\"") && page.body.contains("aria-label=\"Requests of test by day: 63"));
}

#[tokio::test]
async fn errors_of_every_reason_are_counted_in_at_most_one_write_a_minute() {
    let test = TestSettings::on(Plan::Starter).await;
    let key = test.app.new_key_instead(&[Scope::JobsRead]).await;
    let key = key.reveal();
    let get = async || test.app.call("GET", "/api/v1/jobs", Some(key), None).await;
    // All by the jobs function, since each function remembers its own errors.
    let body = || Some(serde_json::json!({ "title": "x" }));
    for _ in 0..2 {
        let answer = test.app.call("POST", "/api/v1/jobs", Some(key), body()).await;
        answer.error(403, "insufficient_scope");
    }
    test.app.set_plan(Plan::Free).await;
    get().await.error(403, "plan_no_api_access");
    test.app.set_plan(Plan::Starter).await;
    for _ in 0..60 {
        get().await.ok(200);
    }
    test.app.tally.take();
    for _ in 0..3 {
        get().await.error(429, "rate_limit_exceeded");
    }
    assert_eq!(test.app.tally.take().total(), 0, "one write a minute");
    test.app.use_up_month(1_000).await;
    test.app.clock.advance(60_000);
    for _ in 0..2 {
        get().await.error(429, "monthly_quota_exceeded");
    }
    assert_eq!(test.app.tally.take().total(), 2, "one call asks, and one writes");
    test.app.clock.advance(60_000);
    get().await.error(429, "monthly_quota_exceeded");
    let mut browser = test.admin().await;
    let page = browser.get("/settings/usage").await;
    let wanted = [
        (3, "rate_limit_exceeded"),
        (3, "monthly_quota_exceeded"),
        (2, "insufficient_scope"),
        (1, "plan_no_api_access"),
    ];
    for (count, code) in wanted {
        let part = format!("<strong>{count}</strong> × <a href=\"/docs/errors#{code}\">");
        assert!(page.shown(200).contains(&part), "{part}: {}", page.body);
    }
}

#[tokio::test]
async fn the_last_three_refusals_of_a_key_are_shown_with_code_and_time() {
    let test = TestSettings::on(Plan::Starter).await;
    let key = test.app.new_key_instead(&[Scope::JobsRead]).await;
    let call = async |method| {
        let body = Some(serde_json::json!({ "title": "x" }));
        test.app.call(method, "/api/v1/jobs", Some(key.reveal()), body).await
    };
    for minute in 0..4 {
        test.app.clock.set(&format!("2026-11-24T12:0{minute}:00.000Z"));
        call("POST").await.error(403, "insufficient_scope");
    }
    test.app.set_plan(Plan::Free).await;
    test.app.clock.set("2026-11-24T12:04:00.000Z");
    call("GET").await.error(403, "plan_no_api_access");
    let page = test.admin().await.get("/settings/usage").await;
    let shown = page.shown(200).split("Last refused:").nth(1).unwrap().split("</ul>").next().unwrap().to_owned();
    let codes: Vec<&str> = shown.split("<li>").skip(1).collect();
    assert_eq!(codes.len(), 3, "{shown}");
    for (line, time, code) in [
        (codes[0], "12:04", "plan_no_api_access"),
        (codes[1], "12:03", "insufficient_scope"),
        (codes[2], "12:02", "insufficient_scope"),
    ] {
        assert!(line.contains(time) && line.contains(code), "{line}");
    }
}

#[tokio::test]
async fn refusals_by_several_functions_are_shown_together() {
    let test = TestSettings::on(Plan::Starter).await;
    let key = test.app.new_key_instead(&[Scope::CandidatesRead]).await;
    // A write seldom replaces another's, so one of a few tries shows both.
    let mut shown = false;
    for _ in 0..8 {
        test.app.clock.advance(60_000);
        for path in ["/api/v1/jobs", "/api/v1/pipeline/stages"] {
            test.app.clock.advance(1);
            test.app.call("GET", path, Some(key.reveal()), None).await.error(403, "insufficient_scope");
        }
        let last = test.app.clock.now().to_string();
        let before = shared::model::clock::Timestamp::from_millis(test.app.clock.now().as_millis() - 1).to_string();
        let page = test.admin().await.get("/settings/usage").await;
        shown |= page.shown(200).contains(&last) && page.body.contains(&before);
    }
    assert!(shown);
}

#[tokio::test]
async fn the_use_of_a_secret_that_has_ended_is_shown_and_a_guess_is_not() {
    let test = TestSettings::on(Plan::Professional).await;
    let first = test.app.key.clone();
    let org = test.app.org;
    let expires_at = Some("2026-11-24T12:10:00.000Z".parse().unwrap());
    let new = NewKey { name: short_text("expires"), scopes: vec![Scope::JobsRead], expires_at };
    let actor = Actor::operator();
    let expiring = api_key::create(&test.app.db, &org, test.app.clock.now(), new, &actor).await.unwrap();
    let expiring_id = expiring.id();
    let revoked = test.app.new_key(&[Scope::JobsRead]).await;
    let now = test.app.clock.now();
    assert!(api_key::revoke(&test.app.db, &org, &revoked.id(), now, &actor).await.unwrap());
    let id_of = |key: &str| ApiKey::parse(key).unwrap().id();
    let successor = ApiKey::with_id(&id_of(&first)).unwrap();
    let rotation = Rotation::default();
    let rotated = api_key::rotate(&test.app.db, &org, now, &successor, rotation, &actor).await.unwrap();
    assert_eq!(rotated, Rotated::Done);
    test.app.clock.set("2026-11-24T12:10:00.000Z");
    for minute in 0..3 {
        test.app.clock.set(&format!("2026-11-24T12:1{minute}:00.000Z"));
        for key in [first.as_str(), expiring.reveal(), revoked.reveal()] {
            assert_eq!(test.call(key).await, 401);
        }
    }
    let late = async |id| api_key::find(&test.app.db, &org, &id).await.unwrap().unwrap().late_uses;
    for id in [id_of(&first), expiring_id.clone(), revoked.id()] {
        assert_eq!(late(id).await, 3);
    }
    test.app.call("GET", "/api/v1/usage", Some(&first), None).await.error(401, "invalid_api_key");
    assert_eq!(late(id_of(&first)).await, 4);
    test.app.clock.set("2026-11-24T12:20:00.000Z");
    let guess = ApiKey::with_id(&expiring_id).unwrap();
    assert_eq!(test.call(guess.reveal()).await, 401);
    assert_eq!(late(expiring_id).await, 3);
    let mut browser = test.admin().await;
    let page = browser.get("/settings/keys").await;
    assert_eq!(page.shown(200).matches("A secret that has ended was used 3 times, and refused.").count(), 2);
    assert_eq!(page.body.matches("A secret that has ended was used 4 times, and refused.").count(), 1);
    assert!(browser.get("/settings/usage").await.shown(200).contains("invalid_api_key"));
}

#[tokio::test]
async fn an_account_of_five_keys_costs_one_write_unit_even_after_a_year() {
    let test = TestSettings::on(Plan::Professional).await;
    let app = &test.app;
    let mut keys = vec![ApiKey::parse(&app.key).unwrap()];
    let expires_at = Some("2028-06-01T00:00:00.000Z".parse().unwrap());
    let first = keys[0].id();
    assert!(api_key::revoke(&app.db, &app.org, &first, app.clock.now(), &Actor::operator()).await.unwrap());
    keys.clear();
    for _ in 0..5 {
        let new = NewKey { name: short_text(&"n".repeat(200)), scopes: Scope::ALL.to_vec(), expires_at };
        keys.push(api_key::create(&app.db, &app.org, app.clock.now(), new, &Actor::operator()).await.unwrap());
    }
    let call = async |key: &ApiKey| {
        let answer = app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
        answer.ok(200);
    };
    // Every month for a year, and every minute until two minutes after midnight, so that two days are counted.
    for month in 1..=12 {
        app.clock.set(&format!("2027-{month:02}-15T12:00:00.000Z"));
        for key in &keys {
            call(key).await;
        }
    }
    app.clock.set("2027-12-31T23:50:00.000Z");
    let mut most = 0.0_f64;
    for minute in 0..12 {
        if minute == 8 {
            // Both of two keys' secrets are in use.
            for key in keys.clone().iter().take(2) {
                let rotation = Rotation {
                    seen: None,
                    keep_until: Some("2028-01-02T00:00:00.000Z".parse().unwrap()),
                    expires_at: None,
                };
                let successor = ApiKey::with_id(&key.id()).unwrap();
                let (org, now) = (&app.org, app.clock.now());
                let rotated = api_key::rotate(&app.db, org, now, &successor, rotation, &Actor::operator()).await;
                assert_eq!(rotated.unwrap(), Rotated::Done);
                keys.push(successor);
            }
        }
        for key in &keys {
            app.tally.take();
            call(key).await;
            // The first minute also files the days before.
            if minute > 0 {
                most = most.max(app.tally.take().write_units);
            }
        }
        app.clock.advance(60_000);
    }
    let item = app.account_item().await;
    // Soon after its end, a former secret leaves the item.
    app.clock.set("2028-01-02T00:02:00.000Z");
    // A request waits for that only for a moment, and leaves it to a later one.
    for _ in 0..5 {
        call(&keys[2]).await;
        app.clock.advance(60_000);
    }
    assert!(!app.account_item().await.keys().any(|name| name.starts_with('f') || name.starts_with('e')));
    let size: usize = item.iter().map(|(name, value)| name.len() + bytes(value)).sum();
    println!("{size} bytes in {} attributes", item.len());
    assert!((most - 1.0).abs() < f64::EPSILON, "{most} units: {size} bytes");
    assert!(size < 1_000, "{size} bytes");
}

/// The size of a value, as DynamoDB counts it.
fn bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(number) => number.trim_end_matches('0').len().div_ceil(2) + 1,
        value => panic!("{value:?} in an account"),
    }
}
