//! Usage and activity in the settings.

use shared::{
    model::{key::ApiKey, plan::Plan, role::Role, scope::Scope, value::Email},
    store::{activity::Actor, api_key, member, organization},
};

use crate::{
    test_app::TestApp,
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
        assert!(organization::set_plan(db, org, now, plan, &actor).await.unwrap());
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
    test.app.clock.set("2026-11-23T23:00:00.000Z");
    for _ in 0..62 {
        test.call(&key).await;
    }
    test.app.clock.set("2026-11-24T00:00:00.000Z");
    for _ in 0..3 {
        assert_eq!(test.call(&key).await, 200);
    }
    let mut browser = test.admin().await;
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
async fn errors_of_every_reason_are_saved_with_the_next_request_at_no_cost() {
    let test = TestSettings::on(Plan::Starter).await;
    let key = test.app.new_key_instead(&[Scope::JobsRead]).await;
    let key = key.reveal();
    let get = async || test.app.call("GET", "/api/v1/jobs", Some(key), None).await;
    get().await.ok(200);
    test.app.tally.take();
    get().await.ok(200);
    let plain = test.app.tally.take();
    // All by the jobs function, since each function remembers its own errors.
    let body = || Some(serde_json::json!({ "title": "x" }));
    for _ in 0..2 {
        let answer = test.app.call("POST", "/api/v1/jobs", Some(key), body()).await;
        answer.error(403, "insufficient_scope");
    }
    test.app.set_plan(Plan::Free).await;
    get().await.error(403, "plan_no_api_access");
    test.app.set_plan(Plan::Starter).await;
    test.app.tally.take();
    get().await.ok(200);
    assert_eq!(test.app.tally.take(), plain, "saving them is free");
    for _ in 0..54 {
        get().await.ok(200);
    }
    // The burst is used up: 60 requests, two of them with the wrong scope and one on the Free plan.
    for _ in 0..3 {
        get().await.error(429, "rate_limit_exceeded");
    }
    test.app.use_up_month(1_000).await;
    test.app.clock.advance(60_000);
    for _ in 0..2 {
        get().await.error(429, "monthly_quota_exceeded");
    }
    // A rejected update writes nothing, so an instance that has seen nothing yet learns of the limit from it.
    test.app.clock.advance(60_000);
    get().await.error(429, "monthly_quota_exceeded");
    let mut browser = test.admin().await;
    let page = browser.get("/settings/usage").await;
    let wanted = [
        (3, "rate_limit_exceeded"),
        (2, "monthly_quota_exceeded"),
        (2, "insufficient_scope"),
        (1, "plan_no_api_access"),
    ];
    for (count, code) in wanted {
        let part = format!("<strong>{count}</strong> × <a href=\"/docs/errors#{code}\">");
        assert!(page.shown(200).contains(&part), "{part}: {}", page.body);
    }
}

#[tokio::test]
async fn errors_that_could_not_be_saved_wait_for_the_next_request() {
    let test = TestSettings::on(Plan::Enterprise).await;
    let key = test.app.new_key(&[Scope::JobsRead]).await;
    let key = key.reveal();
    let get = async || test.app.call("GET", "/api/v1/jobs", Some(key), None).await;
    let body = || Some(serde_json::json!({ "title": "x" }));
    test.app.call("POST", "/api/v1/jobs", Some(key), body()).await.error(403, "insufficient_scope");
    // Other instances use up the burst, so this one's next update fails its condition.
    let others = test.fresh_gateway();
    for _ in 0..59 {
        crate::test_app::send(&others, crate::test_app::request("GET", "/api/v1/jobs", Some(key), None)).await.ok(200);
    }
    get().await.error(429, "rate_limit_exceeded");
    test.app.clock.advance(60_000);
    get().await.ok(200);
    let mut browser = test.admin().await;
    let page = browser.get("/settings/usage").await;
    for code in ["insufficient_scope", "rate_limit_exceeded"] {
        let part = format!("<strong>1</strong> × <a href=\"/docs/errors#{code}\">");
        assert!(page.shown(200).contains(&part), "{part}: {}", page.body);
    }
}

#[tokio::test]
async fn the_largest_item_of_a_key_with_a_usual_name_costs_one_write_unit() {
    let test = TestSettings::on(Plan::Starter).await;
    let mut browser = test.admin().await;
    let first = ApiKey::parse(&test.app.key).unwrap().id();
    let (db, org) = (&test.app.db, &test.app.org);
    assert!(api_key::revoke(db, org, &first, test.app.clock.now(), &Actor::operator()).await.unwrap());
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce, name) = (form.field("token"), form.field("nonce"), "n".repeat(100));
    let mut fields = vec![("token", token.as_str()), ("nonce", &nonce), ("name", &name), ("expiry", "365")];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let key = browser.post("/settings/keys", &fields).await.secret();
    let path = format!("/settings/keys/{}/rotate", id(&key));
    let fields = [("token", token.as_str()), ("seen", "0"), ("overlap", "7d"), ("expiry", "same")];
    assert_eq!(test.call(&key).await, 200);
    browser.post(&path, &fields).await.secret();
    test.app.tally.take();
    assert_eq!(test.call(&key).await, 200);
    // One unit each for the key's item and the organization's.
    assert!((test.app.tally.take().write_units - 2.0).abs() < f64::EPSILON);
}
