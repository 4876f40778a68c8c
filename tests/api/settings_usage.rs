//! What the settings tell of how keys are used, and of what was done to them.

use shared::{
    key::ApiKey,
    plan::Plan,
    records::{activity::Actor, api_key, organization},
    scope::Scope,
};

use crate::desk::{Desk, Page, id};

#[tokio::test]
async fn activity_tells_who_did_what_from_where_and_forgets_after_400_days() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
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
    assert_eq!(rows.len(), 2);
    let wanted = format!("2026-11-24 12:00 UTC{}createdtold hh_live_{}…{}192.0.2.1", desk.admin, id(&key), &key[52..]);
    assert!(rows.contains(&wanted), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("operatorcreatedtest") && row.ends_with("—")), "{rows:?}");
    desk.world.clock.set("2027-12-29T11:59:59.999Z");
    let mut browser = desk.admin().await;
    assert_eq!(cells(&browser.get("/settings/activity").await).len(), 2);
    desk.world.clock.set("2027-12-29T12:00:00.000Z");
    assert!(browser.get("/settings/activity").await.shown(200).contains("Nothing yet"));
}

#[tokio::test]
async fn usage_tells_each_day_the_month_and_refusals_by_reason() {
    let desk = Desk::on(Plan::Starter).await;
    let key = desk.world.key.clone();
    desk.world.clock.set("2026-11-23T23:00:00.000Z");
    for _ in 0..62 {
        desk.call(&key).await;
    }
    desk.world.clock.set("2026-11-24T00:00:00.000Z");
    for _ in 0..3 {
        assert_eq!(desk.call(&key).await, 200);
    }
    let mut browser = desk.admin().await;
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
async fn refusals_of_every_reason_ride_on_the_next_request_and_cost_nothing() {
    let desk = Desk::on(Plan::Starter).await;
    let key = desk.world.new_key_instead(&[Scope::JobsRead]).await;
    let key = key.reveal();
    let get = async || desk.world.call("GET", "/api/v1/jobs", Some(key), None).await;
    get().await.ok(200);
    desk.world.tally.take();
    get().await.ok(200);
    let plain = desk.world.tally.take();
    // All of the function that reads jobs, since each function remembers for itself.
    let body = || Some(serde_json::json!({ "title": "x" }));
    for _ in 0..2 {
        let answer = desk.world.call("POST", "/api/v1/jobs", Some(key), body()).await;
        answer.error(403, "insufficient_scope");
    }
    organization::set_plan(&desk.world.db, &desk.world.org, Plan::Free).await.unwrap();
    get().await.error(403, "plan_no_api_access");
    organization::set_plan(&desk.world.db, &desk.world.org, Plan::Starter).await.unwrap();
    desk.world.tally.take();
    get().await.ok(200);
    assert_eq!(desk.world.tally.take(), plain, "what rides along is free");
    for _ in 0..54 {
        get().await.ok(200);
    }
    // The minute is used up: by now 60, two of them with the wrong scope and one without a plan.
    for _ in 0..3 {
        get().await.error(429, "rate_limit_exceeded");
    }
    desk.world.use_up_month(1_000).await;
    desk.world.clock.advance(60_000);
    for _ in 0..2 {
        get().await.error(429, "monthly_quota_exceeded");
    }
    // A refused update writes nothing; an instance that has seen nothing yet refuses by it.
    desk.world.clock.advance(60_000);
    get().await.error(429, "monthly_quota_exceeded");
    let mut browser = desk.admin().await;
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
async fn refusals_that_could_not_ride_wait_for_the_next_request() {
    let desk = Desk::on(Plan::Enterprise).await;
    let key = desk.world.new_key(&[Scope::JobsRead]).await;
    let key = key.reveal();
    let get = async || desk.world.call("GET", "/api/v1/jobs", Some(key), None).await;
    let body = || Some(serde_json::json!({ "title": "x" }));
    desk.world.call("POST", "/api/v1/jobs", Some(key), body()).await.error(403, "insufficient_scope");
    // Other instances use up the minute, so that this one's next update is refused by its condition.
    let others = desk.fresh_gateway();
    for _ in 0..59 {
        crate::world::send(&others, crate::world::request("GET", "/api/v1/jobs", Some(key), None)).await.ok(200);
    }
    get().await.error(429, "rate_limit_exceeded");
    desk.world.clock.advance(60_000);
    get().await.ok(200);
    let mut browser = desk.admin().await;
    let page = browser.get("/settings/usage").await;
    for code in ["insufficient_scope", "rate_limit_exceeded"] {
        let part = format!("<strong>1</strong> × <a href=\"/docs/errors#{code}\">");
        assert!(page.shown(200).contains(&part), "{part}: {}", page.body);
    }
}

#[tokio::test]
async fn the_largest_item_that_a_key_with_a_usual_name_has_is_charged_as_one() {
    let desk = Desk::on(Plan::Starter).await;
    let mut browser = desk.admin().await;
    let first = ApiKey::parse(&desk.world.key).unwrap().id();
    let (db, org) = (&desk.world.db, &desk.world.org);
    assert!(api_key::revoke(db, org, &first, desk.world.clock.now(), &Actor::operator()).await.unwrap());
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce, name) = (form.field("token"), form.field("nonce"), "n".repeat(100));
    let mut fields = vec![("token", token.as_str()), ("nonce", &nonce), ("name", &name), ("expiry", "365")];
    fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
    let key = browser.post("/settings/keys", &fields).await.secret();
    let path = format!("/settings/keys/{}/rotate", id(&key));
    let fields = [("token", token.as_str()), ("seen", "0"), ("overlap", "7d"), ("expiry", "same")];
    assert_eq!(desk.call(&key).await, 200);
    browser.post(&path, &fields).await.secret();
    desk.world.tally.take();
    assert_eq!(desk.call(&key).await, 200);
    // The key's item and the organization's.
    assert!((desk.world.tally.take().write_units - 2.0).abs() < f64::EPSILON);
}
