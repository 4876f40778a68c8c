//! The settings: what each page shows to whom, and that nothing is changed by anybody who may not.

use std::collections::BTreeSet;

use axum::{body::Body, http::Request};
use futures::future::join_all;
use shared::{
    key::{ApiKey, KeyId},
    plan::Plan,
    records::{
        activity::Actor,
        api_key::{self, NewKey, Rotated, Rotation},
        organization,
    },
    scope::Scope,
};

use crate::{
    desk::{Browser, Desk, ORIGIN, Page},
    failures::Log,
    world::World,
};

const PAGES: [&str; 5] =
    ["/settings/keys", "/settings/keys/new", "/settings/usage", "/settings/activity", "/settings/plan"];

/// The id in a key, or in its display form.
fn id(key: &str) -> &str {
    &key[8..18]
}

/// The token of the browser's session, as its forms have it.
async fn token_of(browser: &mut Browser) -> String {
    browser.get("/settings/plan").await.field("token")
}

async fn call(desk: &Desk, key: &str) -> u16 {
    desk.world.call("GET", "/api/v1/jobs", Some(key), None).await.status.as_u16()
}

#[tokio::test]
async fn no_page_is_shown_and_no_form_taken_without_a_session() {
    let desk = Desk::new().await;
    let key = id(&desk.world.key);
    let forms = [format!("/settings/keys/{key}/rotate"), format!("/settings/keys/{key}/revoke")];
    for path in PAGES.iter().map(ToString::to_string).chain(forms.clone()) {
        let page = desk.browser().get(&path).await;
        assert_eq!(page.status, 303, "{path}");
        assert!(page.location().starts_with("/settings/sign-in?return="), "{path}");
        let mut browser = desk.browser();
        for junk in ["x", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            browser.cookies.insert("__Host-session".to_owned(), junk.to_owned());
            assert_eq!(browser.get(&path).await.status, 303, "{path} with the session {junk}");
        }
    }
    for path in forms.iter().map(String::as_str).chain(["/settings/keys", "/settings/sign-out"]) {
        desk.browser().post(path, &[("overlap", "none"), ("expiry", "same"), ("seen", "0")]).await.shown(401);
    }
    assert_eq!(call(&desk, &desk.world.key).await, 200);
}

#[tokio::test]
async fn every_page_keeps_to_itself_and_is_kept_by_nobody() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let key = id(&desk.world.key).to_owned();
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
    pages.push(desk.browser().post("/settings/keys", &[]).await);
    pages.push(browser.post_from(None, "/settings/keys", &[]).await);
    for page in pages {
        assert_eq!(page.header("cache-control"), "no-store", "{}", page.body);
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !page.body.contains(" style=") && !page.body.contains(" onclick="));
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert!(!page.header("x-request-id").is_empty());
        assert_eq!(page.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_the_names_that_pages_have_for_them() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    let page = browser.get("/settings/signed-out").await;
    let assets: BTreeSet<&str> = page.body.split('"').filter(|part| part.starts_with("/settings/assets/")).collect();
    assert_eq!(assets.len(), 3);
    for path in assets {
        let asset = browser.get(path).await;
        assert_eq!(
            (asset.status.as_u16(), asset.header("cache-control")),
            (200, "public, max-age=31536000, immutable")
        );
        // As a page of another version names it.
        let parts: Vec<&str> = path.split('.').collect();
        let other = browser.get(&format!("{}.0123456789.{}", parts[0], parts[2])).await;
        assert_eq!((other.status.as_u16(), other.header("cache-control")), (200, "no-store"));
        assert_eq!(other.body, asset.body);
    }
    browser.get("/settings/assets/other.0123456789.css").await.shown(404);
}

#[tokio::test]
async fn another_organizations_keys_read_like_missing_ones_on_every_page_and_action() {
    let (desk, other) = (Desk::new().await, World::new().await);
    let mut browser = desk.admin().await;
    let token = token_of(&mut browser).await;
    let theirs = id(&other.key).to_owned();
    let missing = "AAAAAAAAAA";
    for action in ["rotate", "revoke"] {
        let mut told = Vec::new();
        other.get("/api/v1/jobs").await.ok(200);
        for key in [theirs.as_str(), missing] {
            let path = format!("/settings/keys/{key}/{action}");
            told.push(browser.get(&path).await.shown(404).to_owned());
            let fields = [("token", token.as_str()), ("overlap", "none"), ("expiry", "same"), ("seen", "0")];
            told.push(browser.post(&path, &fields).await.shown(404).to_owned());
        }
        assert!(told.iter().all(|body| *body == told[0]));
    }
    other.new_key_instead(&[Scope::JobsRead]).await;
    let notice = browser.get(&format!("/settings/keys?revoked={theirs}")).await;
    assert_eq!(notice.body, browser.get(&format!("/settings/keys?revoked={missing}")).await.body);
    for path in ["/settings/keys", "/settings/usage", "/settings/activity"] {
        let page = browser.get(path).await;
        assert!(page.shown(200).contains(id(&desk.world.key)) && !page.body.contains(&theirs), "{path}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_organizations_list_is_refused() {
    let (desk, other) = (Desk::new().await, Desk::new().await);
    for desk in [&desk, &other] {
        for _ in 0..21 {
            desk.world.new_key(&[Scope::JobsRead]).await;
        }
    }
    let next = |page: &Page| page.body.split_once("?cursor=").unwrap().1.split('"').next().unwrap().to_owned();
    let theirs = next(&other.admin().await.get("/settings/keys").await);
    let mut browser = desk.admin().await;
    let ours = next(&browser.get("/settings/keys").await);
    browser.get(&format!("/settings/keys?cursor={ours}")).await.shown(200);
    browser.get(&format!("/settings/keys?cursor={theirs}")).await.shown(400);
    browser.get(&format!("/settings/activity?cursor={ours}")).await.shown(400);
    browser.get("/settings/keys?cursor=x").await.shown(400);
}

#[tokio::test]
async fn a_member_looks_and_changes_nothing() {
    let desk = Desk::new().await;
    let mut member = desk.member().await;
    let token = token_of(&mut member).await;
    let key = id(&desk.world.key).to_owned();
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
    assert_eq!(call(&desk, &desk.world.key).await, 200);
    let organization = organization::get(&desk.world.db, &desk.world.org, desk.world.clock.now()).await.unwrap();
    assert_eq!(organization.keys, 1);
}

#[tokio::test]
async fn a_form_that_no_page_of_ours_has_sent_changes_nothing() {
    let desk = Desk::new().await;
    let (mut browser, mut other) = (desk.admin().await, desk.admin().await);
    let (token, others) = (token_of(&mut browser).await, token_of(&mut other).await);
    assert_ne!(token, others);
    let path = format!("/settings/keys/{}/revoke", id(&desk.world.key));
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
    // As JSON, or as a form that scripts of other sites may send without asking.
    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let mut request = browser.request("POST", &path, format!("token={token}"));
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        request.headers_mut().insert("origin", ORIGIN.parse().unwrap());
        browser.send(request).await.shown(400);
    }
    // Nor does a GET change anything, whatever it has.
    browser.get(&format!("{path}?token={token}")).await.shown(200);
    assert_eq!(browser.get(&format!("/settings/sign-out?token={token}")).await.status, 405);
    assert_eq!(call(&desk, &desk.world.key).await, 200);
    assert_eq!(browser.post(&path, &right).await.status, 303);
    assert_eq!(call(&desk, &desk.world.key).await, 401);
}

#[tokio::test]
async fn a_name_is_text_wherever_it_is_shown() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
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
async fn a_key_is_made_with_just_what_was_ticked_and_shown_once() {
    let desk = Desk::on(Plan::Professional).await;
    let mut browser = desk.admin().await;
    let form = browser.get("/settings/keys/new").await;
    assert!(!form.shown(200).contains("checkbox\" name=\"scope\" value=\"jobs:read\" checked"), "nothing is ticked");
    for scope in Scope::ALL {
        assert!(form.body.contains(scope.about()) && form.body.contains(scope.as_str()));
    }
    let page = browser.fill(&form, "Nightly sync", &["candidates:read", "candidates:write"]).await;
    let key = page.secret();
    assert!(page.body.contains(&format!("curl -H &quot;X-API-Key: {key}&quot;")), "{}", page.body);
    let call = async |path: &str| desk.world.call("GET", path, Some(&key), None).await.status.as_u16();
    assert_eq!((call("/api/v1/candidates").await, call("/api/v1/jobs").await), (200, 403));
    for path in PAGES {
        assert!(!browser.get(path).await.shown(200).contains(&key), "{path}");
    }
    let list = browser.get("/settings/keys").await;
    for part in ["Nightly sync", &format!("hh_live_{}…{}", id(&key), &key[52..]), &desk.admin, "2 of 5 used, 3 left"]
    {
        assert!(list.body.contains(part), "{part}: {}", list.body);
    }
}

#[tokio::test]
async fn presets_tick_what_they_say() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let ticked = async |browser: &mut Browser, preset: &str| {
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
async fn a_wrong_form_is_shown_again_with_what_was_filled_in_and_makes_no_key() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce) = (form.field("token"), form.field("nonce"));
    let long = "x".repeat(201);
    for (name, scopes, life, problem) in [
        ("", &["jobs:read"][..], "none", "The name must not be empty."),
        (" ", &["jobs:read"], "none", "The name must not be blank."),
        (&long, &["jobs:read"], "none", "The name must have at most 200 characters, not 201."),
        ("a\u{202e}b", &["jobs:read"], "none", "The name must not have line breaks, control or invisible characters."),
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
    // A form that no page has made.
    let fields = [("token", token.as_str()), ("nonce", "1"), ("name", "x"), ("expiry", "none"), ("scope", "jobs:read")];
    browser.post("/settings/keys", &fields).await.shown(403);
    let organization = organization::get(&desk.world.db, &desk.world.org, desk.world.clock.now()).await.unwrap();
    assert_eq!(organization.keys, 1);
}

#[tokio::test]
async fn a_key_expires_when_it_was_chosen_to() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce) = (form.field("token"), form.field("nonce"));
    let fields =
        [("token", token.as_str()), ("nonce", &nonce), ("name", "x"), ("expiry", "30"), ("scope", "jobs:read")];
    let key = browser.post("/settings/keys", &fields).await.secret();
    assert!(browser.get("/settings/keys").await.body.contains("2026-12-24 12:00 UTC"));
    desk.world.clock.set("2026-12-24T11:59:59.999Z");
    let answer = desk.world.call("GET", "/api/v1/jobs", Some(&key), None).await;
    assert_eq!(answer.header("x-api-key-expires-at"), Some("2026-12-24T12:00:00.000Z"));
    desk.world.clock.set("2026-12-24T12:00:00.000Z");
    assert_eq!(call(&desk, &key).await, 401);
    let mut browser = desk.admin().await;
    assert!(browser.get("/settings/keys").await.body.contains("expired"));
    let path = format!("/settings/keys/{}/rotate", id(&key));
    browser.get(&path).await.shown(409);
    let token = token_of(&mut browser).await;
    let fields = [("token", token.as_str()), ("overlap", "none"), ("expiry", "same"), ("seen", "0")];
    browser.post(&path, &fields).await.shown(409);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_key_also_at_once() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
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
    assert_eq!(call(&desk, &key).await, 200);
    // Much later too, as with Back and a second press; and with another name.
    assert!(browser.fill(&form, "another", &["jobs:write"]).await.shown(409).contains("twice"));
    let organization = organization::get(&desk.world.db, &desk.world.org, desk.world.clock.now()).await.unwrap();
    assert_eq!(organization.keys, 2);
}

#[tokio::test]
async fn of_fifty_keys_made_at_once_on_starter_there_is_exactly_one() {
    let desk = Desk::on(Plan::Starter).await;
    let (db, org) = (&desk.world.db, &desk.world.org);
    let first = ApiKey::parse(&desk.world.key).unwrap().id();
    assert!(api_key::revoke(db, org, &first, desk.world.clock.now(), &Actor::operator()).await.unwrap());
    let mut browser = desk.admin().await;
    let mut forms = Vec::new();
    for _ in 0..50 {
        forms.push(browser.get("/settings/keys/new").await);
    }
    // On several instances.
    let gateways = [desk.fresh_gateway(), desk.fresh_gateway(), desk.fresh_gateway()];
    let sent = forms.into_iter().enumerate().map(|(i, form)| {
        let mut browser = browser.clone();
        browser.gateway = gateways[i % 3].clone();
        async move { browser.fill(&form, "one of fifty", &["jobs:read"]).await }
    });
    let pages = join_all(sent).await;
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
async fn a_key_is_rotated_with_overlap_and_of_two_rotations_at_once_one_wins() {
    let desk = Desk::on(Plan::Starter).await;
    let mut browser = desk.admin().await;
    let old = desk.world.key.clone();
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
        assert!(page.shown(409).contains("rotated meanwhile"));
    }
    assert_eq!((call(&desk, &old).await, call(&desk, &old).await, call(&desk, &new).await), (200, 200, 200));
    let list = browser.get("/settings/keys").await;
    assert!(list.shown(200).contains("rotating"));
    assert!(list.body.contains(&format!("The old secret, …{}, was used 2 times since.", &old[52..])), "{}", list.body);
    let again = browser.get(&path).await;
    assert!(again.shown(200).contains("it ends with this rotation, whatever you choose"));

    desk.world.clock.set("2026-11-24T13:00:00.000Z");
    assert_eq!((call(&desk, &old).await, call(&desk, &new).await), (401, 200));
    let mut browser = desk.admin().await;
    let token = token_of(&mut browser).await;
    assert!(!browser.get("/settings/keys").await.body.contains("rotating"));
    // The form of before the rotation is of no use now; a wrong choice neither.
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
    assert_eq!((call(&desk, &new).await, call(&desk, &newest).await), (401, 200));
}

#[tokio::test]
async fn a_rotation_gives_the_old_secret_no_longer_than_the_key_had_and_can_renew_the_key() {
    let desk = Desk::new().await;
    let (db, org, now) = (&desk.world.db, &desk.world.org, desk.world.clock.now());
    let old = ApiKey::generate().unwrap();
    let expires_at = Some("2026-11-24T18:00:00.000Z".parse().unwrap());
    let new = NewKey { name: "ends today".to_owned(), scopes: vec![Scope::JobsRead], expires_at };
    api_key::create(db, org, now, &old, new, &Actor::operator()).await.unwrap();
    let old = old.reveal();
    let mut browser = desk.admin().await;
    assert!(browser.get("/settings/keys").await.shown(200).contains("<strong> soon</strong>"));
    let path = format!("/settings/keys/{}/rotate", id(old));
    let form = browser.get(&path).await;
    assert!(form.shown(200).contains("2026-11-24 18:00 UTC"), "the form tells when the key expires");
    let token = form.field("token");
    let fields = [("token", token.as_str()), ("seen", "0"), ("overlap", "7d"), ("expiry", "90")];
    let page = browser.post(&path, &fields).await;
    let new = page.secret();
    let valid = page.body.split("is valid until ").nth(1).unwrap();
    assert!(valid.starts_with("<time datetime=\"2026-11-24T18:00:00.000Z\""), "{valid}");
    let told = desk.world.call("GET", "/api/v1/usage", Some(old), None).await;
    assert_eq!(told.ok(200)["key"]["expiresAt"], "2026-11-24T18:00:00.000Z", "of the secret that asks");
    let told = desk.world.call("GET", "/api/v1/usage", Some(&new), None).await;
    assert_eq!(told.ok(200)["key"]["expiresAt"], "2027-02-22T12:00:00.000Z");
    desk.world.clock.set("2026-11-24T18:00:00.000Z");
    assert_eq!((call(&desk, old).await, call(&desk, &new).await), (401, 200));
    let mut browser = desk.admin().await;
    let token = token_of(&mut browser).await;
    let fields = [("token", token.as_str()), ("seen", "1"), ("overlap", "none"), ("expiry", "none")];
    let newest = browser.post(&path, &fields).await.secret();
    desk.world.clock.set("2030-01-01T00:00:00.000Z");
    assert_eq!((call(&desk, &new).await, call(&desk, &newest).await), (401, 200));
}

#[tokio::test]
async fn a_key_from_before_it_was_noted_who_creates_keys_is_the_operators() {
    let desk = Desk::new().await;
    let key = id(&desk.world.key).to_owned();
    let string = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let update = desk.world.client.update_item().table_name("AccessTable");
    let update = update.key("pk", string(format!("KEY#{key}"))).key("sk", string("KEY".to_owned()));
    update.update_expression("REMOVE createdBy").send().await.unwrap();
    let mut browser = desk.admin().await;
    assert!(browser.get("/settings/keys").await.shown(200).contains("by operator"));
    let path = format!("/settings/keys/{key}/revoke");
    let token = token_of(&mut browser).await;
    assert_eq!(browser.post(&path, &[("token", &token)]).await.status, 303);
}

#[tokio::test]
async fn a_form_that_the_gateway_hands_over_in_base64_is_read() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    let form = browser.get("/settings/keys/new").await;
    let (token, nonce) = (form.field("token"), form.field("nonce"));
    let body = format!("token={token}&nonce={nonce}&name=a%20b+c&scope=jobs%3Aread&scope=jobs%3Awrite&expiry=none");
    let fixture = include_str!("../../events/settings-form-of-another-site.json");
    let mut event: serde_json::Value = serde_json::from_str(fixture).unwrap();
    event["rawPath"] = "/settings/keys".into();
    event["requestContext"]["domainName"] = "api.example.com".into();
    event["headers"]["origin"] = ORIGIN.into();
    event["headers"]["x-forwarded-proto"] = "http".into();
    event["cookies"] = serde_json::json!([format!("__Host-session={}", browser.cookies["__Host-session"])]);
    event["body"] = data_encoding::BASE64.encode(body.as_bytes()).into();
    event["isBase64Encoded"] = true.into();
    let page = desk.answer(&event).await;
    assert!(page.shown(200).contains("“a b c” is created"));
    assert_eq!(call(&desk, &page.secret()).await, 200);
}

#[tokio::test]
async fn what_is_no_page_is_told_as_one() {
    let desk = Desk::new().await;
    let mut browser = desk.browser();
    assert_eq!(browser.get("/settings/").await.location(), "/settings/keys");
    for path in ["/settings/nowhere", "/settings/keys/", "/settings/keys/AAAAAAAAAA", "/settings/usage/2026"] {
        assert!(browser.get(path).await.shown(404).contains("There is no such page"), "{path}");
    }
    assert!(browser.get("/settings/sign-out").await.shown(405).contains("<h1>"));
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_next_request_on() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    assert_eq!(call(&desk, &desk.world.key).await, 200);
    let path = format!("/settings/keys/{}/revoke", id(&desk.world.key));
    let page = browser.get(&path).await;
    assert!(page.shown(200).contains("Last used") && page.body.contains("2026-11-24 12:00 UTC"));
    let fields = [("token", page.field("token"))];
    let fields = [(fields[0].0, fields[0].1.as_str())];
    let done = browser.post(&path, &fields).await;
    assert_eq!(call(&desk, &desk.world.key).await, 401);
    assert!(browser.get(done.location()).await.shown(200).contains("is revoked. It is refused from now on."));
    // Once more is no failure, and no second entry.
    assert_eq!(browser.post(&path, &fields).await.status, 303);
    assert_eq!(browser.get(&path).await.location(), done.location());
    browser.get(&path.replace("revoke", "rotate")).await.shown(409);
    let activity = browser.get("/settings/activity").await;
    assert_eq!(activity.shown(200).matches("<td>revoked</td>").count(), 1);
}

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
async fn pages_walk_every_key_once_newest_first_and_cost_the_same_however_many_there_are() {
    let desk = Desk::new().await;
    let mut names = Vec::new();
    let mut make = async |count: usize| {
        for _ in 0..count {
            desk.world.clock.advance(1);
            let key = ApiKey::generate().unwrap();
            let name = format!("name-{}", names.len());
            let new = NewKey { name: name.clone(), scopes: vec![Scope::JobsRead], expires_at: None };
            let (db, now) = (&desk.world.db, desk.world.clock.now());
            api_key::create(db, &desk.world.org, now, &key, new, &Actor::operator()).await.unwrap();
            names.push(name);
        }
    };
    let mut browser = desk.admin().await;
    make(24).await;
    desk.world.tally.take();
    browser.get("/settings/keys").await.shown(200);
    let few = desk.world.tally.take();
    make(26).await;
    desk.world.tally.take();
    browser.get("/settings/keys").await.shown(200);
    assert_eq!(desk.world.tally.take(), few);

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
async fn an_empty_list_leads_on_as_the_plan_and_the_role_allow() {
    let desk = Desk::on(Plan::Professional).await;
    let (db, org, now) = (&desk.world.db, &desk.world.org, desk.world.clock.now());
    let (mut admin, mut member) = (desk.admin().await, desk.member().await);
    // As it is before the first key: the list is of those there ever were.
    let other = organization::create(db, "Empty", Plan::Starter, || desk.world.clock.clock().stamp()).await.unwrap();
    assert_ne!(other, *org);
    let email = shared::value::Email::new(&desk.admin).unwrap();
    assert!(shared::records::member::remove(db, org, &email).await.unwrap());
    shared::records::member::add(db, &other, now, &email, shared::records::member::Role::Admin).await.unwrap();
    let page = admin.get("/settings/keys").await;
    for part in ["No keys yet", "Create the first one", "/settings/keys/new", "0 of 1 used, 1 left", "Empty"] {
        assert!(page.shown(200).contains(part), "{part}: {}", page.body);
    }
    organization::set_plan(db, &other, Plan::Free).await.unwrap();
    let page = admin.get("/settings/keys").await;
    assert!(page.shown(200).contains("plan has no API access") && !page.body.contains("/settings/keys/new"));
    assert!(admin.get("/settings/keys/new").await.shown(409).contains("No API access"));
    assert!(member.get("/settings/keys").await.shown(200).contains("1 of 5 used, 4 left"));
    assert!(admin.get("/settings/usage").await.shown(200).contains("No keys, so no usage"));
    assert!(admin.get("/settings/activity").await.shown(200).contains("Nothing yet"));
}

#[tokio::test]
async fn usage_tells_each_day_the_month_and_refusals_by_reason() {
    let desk = Desk::on(Plan::Starter).await;
    let key = desk.world.key.clone();
    desk.world.clock.set("2026-11-23T23:00:00.000Z");
    for _ in 0..62 {
        call(&desk, &key).await;
    }
    desk.world.clock.set("2026-11-24T00:00:00.000Z");
    for _ in 0..3 {
        assert_eq!(call(&desk, &key).await, 200);
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
    assert_eq!(call(&desk, &key).await, 200);
    browser.post(&path, &fields).await.secret();
    desk.world.tally.take();
    assert_eq!(call(&desk, &key).await, 200);
    // The key's item and the organization's.
    assert!((desk.world.tally.take().write_units - 2.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn no_page_log_cookie_or_item_has_a_whole_key_but_the_page_that_shows_it() {
    let desk = Desk::new().await;
    let log = Log::listen();
    let mut browser = desk.admin().await;
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
    call(&desk, &first).await;
    // The day is over, and its count in an item of its own.
    desk.world.clock.set("2026-11-25T00:00:00.000Z");
    call(&desk, &second).await;
    let mut browser = desk.admin().await;
    let keys = [first.as_str(), &second];
    let session = browser.cookies["__Host-session"].clone();

    let mut seen = vec![log.text(), format!("{:?}", browser.cookies)];
    for path in PAGES.iter().map(ToString::to_string).chain([path.clone(), path.replace("rotate", "revoke")]) {
        let page = browser.get(&path).await;
        assert!(!page.body.contains(&session), "{path}");
        seen.push(page.body + &format!("{:?}", page.headers));
    }
    let items = desk.whole_access_table().await;
    assert!(items.contains(&format!("KEY#{}#DAY", id(&first))), "the table was read, with the days");
    assert!(!items.contains(&session) && !log.text().contains(&session), "a session is stored as its hash");
    seen.push(items);
    for text in seen {
        assert!(keys.iter().all(|key| !text.contains(key) && !text.contains(&key[18..50])));
    }
    assert!(!log.text().contains("admin@"), "no e-mail is logged");
    let organization = desk.world.org.to_string();
    assert!(
        log.lines()
            .iter()
            .any(|line| line["route"] == "/settings/usage" && line["organization"] == organization.as_str())
    );
}

#[tokio::test]
async fn a_path_through_the_api_does_not_lead_to_the_settings() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
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
    // Nor does a session open the API.
    let page = browser.get("/api/v1/jobs").await;
    assert_eq!(page.status, 401);
}

#[tokio::test]
async fn methods_that_a_page_does_not_take_change_nothing() {
    let desk = Desk::new().await;
    let mut browser = desk.admin().await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request = browser.request(method, "/settings/keys", String::new());
        let page = browser.send(request).await;
        assert_eq!((page.status.as_u16(), page.header("allow")), (405, "GET,HEAD,POST"), "{method}");
    }
    let request = browser.request("HEAD", "/settings/keys", String::new());
    let page = browser.send(request).await;
    assert_eq!((page.status.as_u16(), page.body.as_str()), (200, ""));
}

#[tokio::test]
async fn another_organizations_rotation_changes_nothing_below_the_pages_either() {
    let (desk, other) = (Desk::new().await, World::new().await);
    let id = KeyId::parse(id(&other.key)).unwrap();
    let key = ApiKey::with_id(&id).unwrap();
    let (db, org, now) = (&desk.world.db, &desk.world.org, desk.world.clock.now());
    let actor = Actor::member(&desk.admin, None);
    assert_eq!(api_key::rotate(db, org, now, &key, Rotation::default(), &actor).await.unwrap(), Rotated::Unknown);
    assert!(!api_key::revoke(db, org, &id, now, &actor).await.unwrap());
    assert!(api_key::find(db, org, &id).await.unwrap().is_none());
    other.get("/api/v1/jobs").await.ok(200);
}
