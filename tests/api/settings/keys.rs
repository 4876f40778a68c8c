//! Keys in the settings: creating, listing, rotating and revoking them.

use futures::{
    future::join_all,
    stream::{self, StreamExt},
};
use shared::{
    model::{
        key::{AccountId, ApiKey},
        plan::Plan,
        scope::Scope,
    },
    store::{
        activity::Actor,
        api_key::{self, NewKey},
        organization,
    },
};

use crate::{
    test_app::{UNDER_WAY, short_text},
    test_settings::{ORIGIN, PAGES, Page, SettingsClient, TestSettings, id},
};

#[tokio::test]
async fn a_key_has_exactly_the_ticked_scopes_and_is_shown_once() {
    let test = TestSettings::on(Plan::Professional).await;
    let mut browser = test.admin().await;
    let form = browser.get("/settings/keys/new").await;
    assert!(!form.shown(200).contains("checkbox\" name=\"scope\" value=\"jobs:read\" checked"), "nothing is ticked");
    for scope in Scope::ALL {
        assert!(form.body.contains(scope.about()) && form.body.contains(scope.as_str()));
    }
    let page = browser.fill(&form, "Nightly sync", &["candidates:read", "candidates:write"]).await;
    let key = page.secret();
    // No command contains the key: the shell history and the process list would keep it.
    assert_eq!(page.body.matches(&key).count(), 1, "{}", page.body);
    for part in
        ["<code class=\"language-shell\">read -rs HH_KEY</code>", "curl -H @- &quot;http://api.example.com/api/v1/"]
    {
        assert!(page.body.contains(part), "{}", page.body);
    }
    let call = async |path: &str| test.app.call("GET", path, Some(&key), None).await.status.as_u16();
    assert_eq!((call("/api/v1/candidates").await, call("/api/v1/jobs").await), (200, 403));
    for path in PAGES {
        assert!(!browser.get(path).await.shown(200).contains(&key), "{path}");
    }
    let list = browser.get("/settings/keys").await;
    for part in ["Nightly sync", &format!("hh_live_{}…{}", id(&key), &key[52..]), &test.admin, "2 of 5 used, 3 left"]
    {
        assert!(list.body.contains(part), "{part}: {}", list.body);
    }
}

#[tokio::test]
async fn presets_tick_the_scopes_that_they_name() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let ticked = async |browser: &mut SettingsClient, preset: &str| {
        let page = browser.get(&format!("/settings/keys/new?preset={preset}")).await;
        let inputs = page.shown(200).split("name=\"scope\" value=\"").skip(1);
        let ticked = inputs.filter(|rest| rest.split('>').next().unwrap().contains(" checked"));
        ticked.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let reading = ["jobs:read", "candidates:read", "pipeline:read", "applications:read"];
    assert_eq!(ticked(&mut browser, "read").await, reading);
    assert_eq!(ticked(&mut browser, "sync").await, ["candidates:read", "candidates:write"]);
    assert_eq!(ticked(&mut browser, "all").await, [""; 0]);
}

#[tokio::test]
async fn an_invalid_form_is_shown_again_with_its_input_and_creates_no_key() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce) = (form.field("token"), form.field("nonce"));
    let long = "x".repeat(201);
    for (name, scopes, life, problem) in [
        ("", &["jobs:read"][..], "none", "The name must not be empty."),
        (" ", &["jobs:read"], "none", "The name must not be blank: it has no visible characters."),
        (&long, &["jobs:read"], "none", "The name must be at most 200 characters (got 201)."),
        (
            "a\u{202e}b",
            &["jobs:read"],
            "none",
            "The name must not contain a direction control (U+202E) at character 2.",
        ),
        ("kept", &[], "30", "Choose at least one thing"),
        ("kept", &["jobs:all"], "30", "Choose at least one thing"),
        ("kept", &["jobs:read", "jobs:all"], "30", "Choose at least one thing"),
        ("kept", &["jobs:read"], "31", "Choose when the key expires."),
        ("kept", &["jobs:read"], "", "Choose when the key expires."),
    ] {
        let mut fields = vec![("token", token.as_str()), ("nonce", &nonce), ("name", name), ("expiry", life)];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let page = browser.post("/settings/keys", &fields).await;
        assert!(page.shown(422).contains(problem), "{problem}: {}", page.body);
        assert!(name != "kept" || page.body.contains("value=\"kept\""));
        assert!(page.body.contains("role=\"alert\""));
    }
    // A form that no page has generated.
    let fields = [("token", token.as_str()), ("nonce", "1"), ("name", "x"), ("expiry", "none"), ("scope", "jobs:read")];
    browser.post("/settings/keys", &fields).await.shown(403);
    let organization = organization::get(&test.app.db, &test.app.org, test.app.clock.now()).await.unwrap();
    assert_eq!(organization.keys, 1);
}

#[tokio::test]
async fn a_key_expires_at_the_chosen_time() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce) = (form.field("token"), form.field("nonce"));
    let fields =
        [("token", token.as_str()), ("nonce", &nonce), ("name", "x"), ("expiry", "30"), ("scope", "jobs:read")];
    let key = browser.post("/settings/keys", &fields).await.secret();
    assert!(browser.get("/settings/keys").await.body.contains("2026-12-24 12:00 UTC"));
    test.app.clock.set("2026-12-24T11:59:59.999Z");
    let answer = test.app.call("GET", "/api/v1/jobs", Some(&key), None).await;
    assert_eq!(answer.header("x-api-key-expires-at"), Some("2026-12-24T12:00:00.000Z"));
    test.app.clock.set("2026-12-24T12:00:00.000Z");
    assert_eq!(test.call(&key).await, 401);
    let mut browser = test.admin().await;
    assert!(browser.get("/settings/keys").await.body.contains("expired"));
    let path = format!("/settings/keys/{}/rotate", id(&key));
    browser.get(&path).await.shown(409);
    let token = browser.token().await;
    let fields = [("token", token.as_str()), ("overlap", "none"), ("expiry", "same"), ("seen", "0")];
    browser.post(&path, &fields).await.shown(409);
}

#[tokio::test]
async fn a_form_sent_twice_creates_one_key_even_concurrently() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let sent = (0..12).map(|_| {
        let (mut browser, form) = (browser.clone(), form.clone());
        async move { browser.fill(&form, "twice", &["jobs:read"]).await }
    });
    let pages = join_all(sent).await;
    let shown: Vec<&Page> = pages.iter().filter(|page| page.status == 200).collect();
    assert_eq!(shown.len(), 1);
    let key = shown[0].secret();
    for page in pages.iter().filter(|page| page.status != 200) {
        assert!(page.shown(409).contains("This key is created already") && !page.body.contains(&key));
    }
    assert_eq!(test.call(&key).await, 200);
    // Also much later, as with Back and a second press, and with another name.
    assert!(browser.fill(&form, "another", &["jobs:write"]).await.shown(409).contains("twice"));
    let organization = organization::get(&test.app.db, &test.app.org, test.app.clock.now()).await.unwrap();
    assert_eq!(organization.keys, 2);
}

#[tokio::test]
async fn exactly_one_of_fifty_concurrent_forms_on_starter_creates_a_key() {
    let test = TestSettings::on(Plan::Starter).await;
    let (db, org) = (&test.app.db, &test.app.org);
    let first = ApiKey::parse(&test.app.key).unwrap().id();
    assert!(api_key::revoke(db, org, &first, test.app.clock.now(), &Actor::operator()).await.unwrap());
    let mut browser = test.admin().await;
    let mut forms = Vec::new();
    for _ in 0..50 {
        forms.push(browser.get("/settings/keys/new").await);
    }
    // On several instances.
    let gateways = [test.fresh_gateway(), test.fresh_gateway(), test.fresh_gateway()];
    let sent = forms.into_iter().enumerate().map(|(i, form)| {
        let mut browser = browser.clone();
        browser.gateway = gateways[i % 3].clone();
        async move { browser.fill(&form, "one of fifty", &["jobs:read"]).await }
    });
    let pages: Vec<Page> = stream::iter(sent).buffer_unordered(UNDER_WAY / 2).collect().await;
    assert_eq!(pages.iter().filter(|page| page.status == 200).count(), 1);
    for page in pages.iter().filter(|page| page.status != 200) {
        assert!(page.shown(409).contains("No room for another key"), "{}", page.body);
    }
    let list = browser.get("/settings/keys").await;
    assert!(list.shown(200).contains("1 of 1 used, 0 left"));
    assert_eq!(list.body.matches("<h2>one of fifty</h2>").count(), 1);
    assert!(!list.body.contains("/settings/keys/new"));
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap_and_only_one_of_concurrent_rotations_succeeds() {
    let test = TestSettings::on(Plan::Starter).await;
    let mut browser = test.admin().await;
    let old = test.app.key.clone();
    let path = format!("/settings/keys/{}/rotate", id(&old));
    let form = browser.get(&path).await;
    let (token, seen) = (form.field("token"), form.field("seen"));
    let fields = [("token", token.as_str()), ("seen", &seen), ("overlap", "1h"), ("expiry", "same")];
    let sent = (0..8).map(|_| {
        let mut browser = browser.clone();
        let path = &path;
        async move { browser.post(path, &fields).await }
    });
    let pages = join_all(sent).await;
    let won: Vec<&Page> = pages.iter().filter(|page| page.status == 200).collect();
    assert_eq!(won.len(), 1);
    let new = won[0].secret();
    assert!(won[0].body.contains("valid until") && id(&new) == id(&old) && new != old);
    for page in pages.iter().filter(|page| page.status != 200) {
        assert!(page.shown(409).contains("The key has changed meanwhile"));
    }
    assert_eq!((test.call(&old).await, test.call(&old).await, test.call(&new).await), (200, 200, 200));
    let list = browser.get("/settings/keys").await;
    assert!(list.shown(200).contains("rotating"));
    assert!(list.body.contains(&format!("The old secret, …{}, was used 2 times since.", &old[52..])), "{}", list.body);
    let again = browser.get(&path).await;
    assert!(again.shown(200).contains("it ends with this rotation, whatever you choose"));

    test.app.clock.set("2026-11-24T13:00:00.000Z");
    assert_eq!((test.call(&old).await, test.call(&new).await), (401, 200));
    let mut browser = test.admin().await;
    let token = browser.token().await;
    assert!(!browser.get("/settings/keys").await.body.contains("rotating"));
    // A form from before the rotation no longer works, nor does an invalid choice.
    for (seen, overlap, expiry, status) in [
        ("0", "none", "same", 409),
        ("1", "2h", "same", 400),
        ("1", "", "same", 400),
        ("1", "none", "31", 400),
        ("1", "none", "", 400),
        ("x", "none", "same", 403),
        ("", "none", "same", 403),
    ] {
        let fields = [("token", token.as_str()), ("seen", seen), ("overlap", overlap), ("expiry", expiry)];
        browser.post(&path, &fields).await.shown(status);
    }
    let newest = browser
        .post(&path, &[("token", &token), ("seen", "1"), ("overlap", "none"), ("expiry", "same")])
        .await
        .secret();
    assert_eq!((test.call(&new).await, test.call(&newest).await), (401, 200));
}

#[tokio::test]
async fn a_rotation_never_extends_the_old_secret_and_can_renew_the_key() {
    let test = TestSettings::new().await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let expires_at = Some("2026-11-24T18:00:00.000Z".parse().unwrap());
    let new = NewKey { name: short_text("ends today"), scopes: vec![Scope::JobsRead], expires_at };
    let old = api_key::create(db, org, now, new, &Actor::operator()).await.unwrap();
    let old = old.reveal();
    let mut browser = test.admin().await;
    assert!(browser.get("/settings/keys").await.shown(200).contains("<strong> soon</strong>"));
    let path = format!("/settings/keys/{}/rotate", id(old));
    let form = browser.get(&path).await;
    assert!(form.shown(200).contains("2026-11-24 18:00 UTC"), "the form says when the key expires");
    let token = form.field("token");
    let fields = [("token", token.as_str()), ("seen", "0"), ("overlap", "7d"), ("expiry", "90")];
    let page = browser.post(&path, &fields).await;
    let new = page.secret();
    let valid = page.body.split("is valid until ").nth(1).unwrap();
    assert!(valid.starts_with("<time datetime=\"2026-11-24T18:00:00.000Z\""), "{valid}");
    let usage = test.app.call("GET", "/api/v1/usage", Some(old), None).await;
    assert_eq!(usage.ok(200)["key"]["expiresAt"], "2026-11-24T18:00:00.000Z", "for the secret of the request");
    let usage = test.app.call("GET", "/api/v1/usage", Some(&new), None).await;
    assert_eq!(usage.ok(200)["key"]["expiresAt"], "2027-02-22T12:00:00.000Z");
    test.app.clock.set("2026-11-24T18:00:00.000Z");
    assert_eq!((test.call(old).await, test.call(&new).await), (401, 200));
    let mut browser = test.admin().await;
    let token = browser.token().await;
    let fields = [("token", token.as_str()), ("seen", "1"), ("overlap", "none"), ("expiry", "none")];
    let newest = browser.post(&path, &fields).await.secret();
    test.app.clock.set("2030-01-01T00:00:00.000Z");
    assert_eq!((test.call(&new).await, test.call(&newest).await), (401, 200));
}

#[tokio::test]
async fn a_form_in_a_base64_event_is_read() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce) = (form.field("token"), form.field("nonce"));
    let body = format!("token={token}&nonce={nonce}&name=a%20b+c&scope=jobs%3Aread&scope=jobs%3Awrite&expiry=none");
    let fixture = include_str!("../../../events/settings-form-of-another-site.json");
    let mut event: serde_json::Value = serde_json::from_str(fixture).unwrap();
    event["rawPath"] = "/settings/keys".into();
    event["requestContext"]["domainName"] = "api.example.com".into();
    event["headers"]["origin"] = ORIGIN.into();
    event["headers"]["x-forwarded-proto"] = "http".into();
    event["cookies"] = serde_json::json!([format!("__Host-session={}", browser.cookies["__Host-session"])]);
    event["body"] = data_encoding::BASE64.encode(body.as_bytes()).into();
    event["isBase64Encoded"] = true.into();
    let page = test.answer(&event).await;
    assert!(page.shown(200).contains("“a b c” is created"));
    assert_eq!(test.call(&page.secret()).await, 200);
}

#[tokio::test]
async fn a_revoked_key_is_rejected_from_the_next_request() {
    let test = TestSettings::new().await;
    let mut browser = test.admin().await;
    assert_eq!(test.call(&test.app.key).await, 200);
    let path = format!("/settings/keys/{}/revoke", id(&test.app.key));
    let page = browser.get(&path).await;
    assert!(page.shown(200).contains("Last used") && page.body.contains("2026-11-24 12:00 UTC"));
    let fields = [("token", page.field("token"))];
    let fields = [(fields[0].0, fields[0].1.as_str())];
    let done = browser.post(&path, &fields).await;
    assert_eq!(test.call(&test.app.key).await, 401);
    assert!(browser.get(done.location()).await.shown(200).contains("is revoked. It is refused from now on."));
    // A second time is not an error, and adds no second entry.
    assert_eq!(browser.post(&path, &fields).await.status, 303);
    assert_eq!(browser.get(&path).await.location(), done.location());
    browser.get(&path.replace("revoke", "rotate")).await.shown(409);
    let activity = browser.get("/settings/activity").await;
    assert_eq!(activity.shown(200).matches("<td>revoked</td>").count(), 1);
}

#[tokio::test]
async fn pages_list_every_key_once_newest_first_in_as_many_calls_however_many_there_are() {
    let test = TestSettings::new().await;
    let mut names = Vec::new();
    let mut make = async |count: usize| {
        for _ in 0..count {
            test.app.clock.advance(1);
            let name = format!("name-{}", names.len());
            let new = NewKey { name: short_text(&name), scopes: vec![Scope::JobsRead], expires_at: None };
            let (db, now) = (&test.app.db, test.app.clock.now());
            api_key::create(db, &test.app.org, now, new, &Actor::operator()).await.unwrap();
            names.push(name);
        }
    };
    let mut browser = test.admin().await;
    make(24).await;
    test.app.tally.take();
    browser.get("/settings/keys").await.shown(200);
    let few = test.app.tally.take();
    make(26).await;
    test.app.tally.take();
    browser.get("/settings/keys").await.shown(200);
    // Only the accounts, which hold five keys each, are all read, for the number of keys and the month.
    assert_eq!(test.app.tally.take().calls, few.calls);

    let (mut walked, mut path) = (Vec::new(), "/settings/keys".to_owned());
    loop {
        let page = browser.get(&path).await;
        let found = page.shown(200).split("<h2>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        walked.extend(found);
        match page.body.split_once("href=\"/settings/keys?cursor=") {
            Some((_, rest)) => path = format!("/settings/keys?cursor={}", rest.split('"').next().unwrap()),
            None => break,
        }
    }
    let wanted: Vec<String> = names.iter().rev().cloned().chain(["test".to_owned()]).collect();
    assert_eq!(walked, wanted);
}

#[tokio::test]
async fn an_empty_list_offers_what_the_plan_and_the_role_allow() {
    let test = TestSettings::on(Plan::Professional).await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let (mut admin, mut member) = (test.admin().await, test.member().await);
    // Use another organization to see the list before the first key, since lists keep revoked keys.
    let (name, account) = (short_text("Empty"), AccountId::generate().unwrap());
    let stamp = || test.app.clock.clock().stamp();
    let other = organization::create(db, &name, Plan::Starter, &account, stamp).await.unwrap();
    assert_ne!(other, *org);
    let email = shared::model::value::Email::new(&test.admin).unwrap();
    assert!(shared::store::member::remove(db, org, now, &email, &Actor::operator()).await.unwrap());
    let role = shared::model::role::Role::Admin;
    shared::store::member::add(db, &other, now, &email, role, &Actor::operator()).await.unwrap();
    let page = admin.get("/settings/keys").await;
    for part in ["No keys yet", "Create the first one", "/settings/keys/new", "0 of 1 used, 1 left", "Empty"] {
        assert!(page.shown(200).contains(part), "{part}: {}", page.body);
    }
    organization::set_plan(db, &other, now, Plan::Free, &Actor::operator()).await.unwrap();
    let page = admin.get("/settings/keys").await;
    assert!(page.shown(200).contains("plan has no API access") && !page.body.contains("/settings/keys/new"));
    assert!(admin.get("/settings/keys/new").await.shown(409).contains("No API access"));
    assert!(member.get("/settings/keys").await.shown(200).contains("1 of 5 used, 4 left"));
    assert!(admin.get("/settings/usage").await.shown(200).contains("No keys, so no usage"));
}
