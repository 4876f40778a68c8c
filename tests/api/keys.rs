//! Keys: how they are sent, created, rotated and revoked.

use futures::future::join_all;
use local::database::{Embedded, config};
use shared::{
    model::{clock::Timestamp, key::ApiKey, plan::Plan, scope::Scope},
    store::{
        activity::Actor,
        api_key::{self, CreateKeyError, KeyState, KeySummary, NewKey, Rotated, Rotation, Seen},
        db::Db,
    },
};

use crate::test_app::{ENDPOINT, TestApp, request, send, short_text, unknown_key};

fn new() -> NewKey {
    NewKey { name: short_text("test"), scopes: Scope::ALL.to_vec(), expires_at: None }
}

#[tokio::test]
async fn a_revoked_key_is_rejected_from_the_next_request() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    let id = ApiKey::parse(&app.key).unwrap().id();
    assert!(api_key::revoke(&app.db, &app.org, &id, app.clock.now(), &Actor::operator()).await.unwrap());
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    assert!(!api_key::revoke(&app.db, &app.org, &id, app.clock.now(), &Actor::operator()).await.unwrap());
}

#[tokio::test]
async fn a_key_is_rejected_from_the_moment_it_expires() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let expires_at = Timestamp::from_millis(app.clock.now().as_millis() + 1_000);
    let new = NewKey { expires_at: Some(expires_at), ..new() };
    let key = api_key::create(&app.db, &app.org, app.clock.now(), new, &Actor::operator()).await.unwrap();
    app.clock.advance(999);
    app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
    app.clock.advance(1);
    app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_revoked_key_reads_like_an_unknown_one_even_when_its_burst_is_used_up() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    let id = ApiKey::parse(&app.key).unwrap().id();
    api_key::revoke(&app.db, &app.org, &id, app.clock.now(), &Actor::operator()).await.unwrap();
    let answer = send(&app.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&app.key), None)).await;
    answer.error(401, "invalid_api_key");
    // An instance that knows the burst is used up does not ask DynamoDB until the minute is over. It serves nothing, either.
    app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
    app.clock.advance(60_000);
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn usage_rejects_a_revoked_or_expired_key_before_it_checks_the_burst() {
    for ends in ["revoked", "expired", "rotated"] {
        let app = TestApp::frozen(Plan::Enterprise).await;
        let expires_at = Some(Timestamp::from_millis(app.clock.now().as_millis() + 1_000));
        let (db, org, now) = (&app.db, &app.org, app.clock.now());
        let new = NewKey { expires_at, ..new() };
        let key = api_key::create(db, org, now, new, &Actor::operator()).await.unwrap();
        let call = async || app.call("GET", "/api/v1/usage", Some(key.reveal()), None).await;
        for _ in 0..60 {
            call().await.ok(200);
        }
        call().await.error(429, "rate_limit_exceeded");
        match ends {
            "revoked" => {
                assert!(api_key::revoke(db, org, &key.id(), now, &Actor::operator()).await.unwrap());
            }
            "expired" => app.clock.advance(1_000),
            _ => assert_eq!(rotate(&app, &successor(key.reveal()), Rotation::default()).await, Rotated::Done),
        }
        let answer = call().await;
        answer.error(401, "invalid_api_key");
        assert!(answer.header("ratelimit").is_none(), "{ends}: a stranger learns nothing of limits");
    }
}

#[tokio::test]
async fn a_key_that_expires_while_its_burst_is_used_up_is_rejected_as_expired_at_once() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let expires_at = Timestamp::from_millis(app.clock.now().as_millis() + 1_000);
    let new = NewKey { expires_at: Some(expires_at), ..new() };
    let key = api_key::create(&app.db, &app.org, app.clock.now(), new, &Actor::operator()).await.unwrap();
    let call = async || app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
    for _ in 0..60 {
        call().await.ok(200);
    }
    call().await.error(429, "rate_limit_exceeded");
    app.clock.advance(1_000);
    call().await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_forged_secret_does_not_count_toward_the_key_it_imitates() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let forged = ApiKey::with_id(&ApiKey::parse(&app.key).unwrap().id()).unwrap();
    for _ in 0..70 {
        app.call("GET", "/api/v1/jobs", Some(forged.reveal()), None).await.error(401, "invalid_api_key");
    }
    let answer = app.get("/api/v1/jobs").await;
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("59"));
}

/// Another key with the same id.
fn successor(key: &str) -> ApiKey {
    ApiKey::with_id(&ApiKey::parse(key).unwrap().id()).unwrap()
}

async fn rotate(app: &TestApp, key: &ApiKey, rotation: Rotation) -> Rotated {
    api_key::rotate(&app.db, &app.org, app.clock.now(), key, rotation, &Actor::operator()).await.unwrap()
}

/// The app's key, read without the tally, which does not know this call.
async fn summary(app: &TestApp) -> KeySummary {
    let db = Db::embedded(config(&ENDPOINT), Embedded::tables());
    api_key::list(&db, &app.org, None).await.unwrap().0.swap_remove(0)
}

#[tokio::test]
async fn while_a_rotated_secret_is_kept_both_share_one_burst_and_one_month() {
    let app = TestApp::frozen(Plan::Starter).await;
    app.get("/api/v1/jobs").await.ok(200);
    let new = successor(&app.key);
    let until = "2026-11-24T13:00:00.000Z";
    let kept = Rotation {
        seen: Some(Seen { rotations: 0, replaces_unused: false }),
        keep_until: Some(until.parse().unwrap()),
        expires_at: None,
    };
    assert_eq!(rotate(&app, &new, kept).await, Rotated::Done);
    for left in (0..59).rev() {
        let key = if left % 2 == 0 { new.reveal() } else { &app.key };
        let answer = app.call("GET", "/api/v1/jobs", Some(key), None).await;
        answer.ok(200);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
        // The response to the old secret says when it expires.
        assert_eq!(answer.header("x-api-key-expires-at"), (left % 2 != 0).then_some(until));
    }
    for key in [new.reveal(), &app.key] {
        let answer = app.call("GET", "/api/v1/jobs", Some(key), None).await;
        answer.error(429, "rate_limit_exceeded");
        // The month as last seen with this secret.
        assert!(answer.header("ratelimit").unwrap().contains("\"month\";r=94"));
    }
    let key = summary(&app).await;
    let previous = key.previous.unwrap();
    assert_eq!((key.rotations, key.rotated_at, previous.uses), (1, Some(app.clock.now()), 29));
    assert_eq!((previous.last_four.as_str(), key.last_four.as_str()), (&app.key[52..], new.last_four()));
}

#[tokio::test]
async fn a_kept_secret_expires_on_time_even_on_an_instance_that_remembers_it() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let new = successor(&app.key);
    let kept = Rotation { seen: None, keep_until: Some("2026-11-24T12:00:30.000Z".parse().unwrap()), expires_at: None };
    assert_eq!(rotate(&app, &new, kept).await, Rotated::Done);
    for _ in 0..60 {
        app.get("/api/v1/jobs").await.ok(200);
    }
    app.clock.set("2026-11-24T12:00:29.999Z");
    app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
    app.clock.set("2026-11-24T12:00:30.000Z");
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    app.call("GET", "/api/v1/jobs", Some(new.reveal()), None).await.error(429, "rate_limit_exceeded");
    app.clock.set("2026-11-24T12:01:00.000Z");
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    app.call("GET", "/api/v1/jobs", Some(new.reveal()), None).await.ok(200);
}

#[tokio::test]
async fn a_second_rotation_ends_the_secret_that_the_first_kept() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (second, third) = (successor(&app.key), successor(&app.key));
    let keep = |seen| Rotation {
        seen: Some(Seen { rotations: seen, replaces_unused: false }),
        keep_until: Some("2026-12-01T12:00:00.000Z".parse().unwrap()),
        expires_at: None,
    };
    assert_eq!(rotate(&app, &second, keep(0)).await, Rotated::Done);
    for key in [&app.key, second.reveal()] {
        app.call("GET", "/api/v1/jobs", Some(key), None).await.ok(200);
    }
    assert_eq!(rotate(&app, &third, keep(1)).await, Rotated::Done);
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    for key in [&second, &third] {
        app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
    }
    assert_eq!(summary(&app).await.previous.unwrap().uses, 1);
    assert!(api_key::revoke(&app.db, &app.org, &third.id(), app.clock.now(), &Actor::operator()).await.unwrap());
    for key in [&second, &third] {
        app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.error(401, "invalid_api_key");
    }
    assert_eq!(rotate(&app, &successor(&app.key), Rotation::default()).await, Rotated::Unknown);
}

#[tokio::test]
async fn a_key_is_rotating_until_its_old_secret_ends_and_then_active_until_it_expires() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (until, expires_at) = ("2026-11-24T13:00:00.000Z", "2026-12-24T12:00:00.000Z");
    let (until, expires_at): (Timestamp, Timestamp) = (until.parse().unwrap(), expires_at.parse().unwrap());
    assert_eq!(summary(&app).await.state(app.clock.now()), KeyState::Active);
    let rotation = Rotation { seen: None, keep_until: Some(until), expires_at: Some(Some(expires_at)) };
    let second = successor(&app.key);
    assert_eq!(rotate(&app, &second, rotation).await, Rotated::Done);
    let key = summary(&app).await;
    let millis = |at: Timestamp, millis: i64| Timestamp::from_millis(at.as_millis() + millis);
    let soon = millis(expires_at, -14 * 24 * 60 * 60 * 1_000);
    for (at, state, expires_soon) in [
        (app.clock.now(), KeyState::Rotating { until }, false),
        (millis(until, -1), KeyState::Rotating { until }, false),
        (until, KeyState::Active, false),
        (millis(soon, -1), KeyState::Active, false),
        (soon, KeyState::Active, true),
        (millis(expires_at, -1), KeyState::Active, true),
        (expires_at, KeyState::Expired, false),
    ] {
        assert_eq!((key.state(at), key.expires_soon(at)), (state, expires_soon), "{at}");
    }
    // Once the new secret is used, a rotation that keeps nothing forgets the secret that another kept, and one that says so removes the expiry.
    app.call("GET", "/api/v1/jobs", Some(second.reveal()), None).await.ok(200);
    let seen = Some(Seen { rotations: 1, replaces_unused: false });
    let rotation = Rotation { seen, keep_until: None, expires_at: Some(None) };
    assert_eq!(rotate(&app, &successor(&app.key), rotation).await, Rotated::Done);
    let key = summary(&app).await;
    assert!(key.previous.is_none() && key.expires_at.is_none(), "{key:?}");
    assert!(api_key::revoke(&app.db, &app.org, &key.id, app.clock.now(), &Actor::operator()).await.unwrap());
    assert_eq!(summary(&app).await.state(app.clock.now()), KeyState::Revoked);
}

#[tokio::test]
async fn exactly_one_of_concurrent_rotations_succeeds() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let candidates: Vec<ApiKey> = (0..20).map(|_| successor(&app.key)).collect();
    let seen =
        Rotation { seen: Some(Seen { rotations: 0, replaces_unused: false }), keep_until: None, expires_at: None };
    let outcomes = join_all(candidates.iter().map(|key| rotate(&app, key, seen))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Rotated::Done).count(), 1);
    assert!(outcomes.iter().all(|outcome| *outcome != Rotated::Unknown));
    for (key, outcome) in candidates.iter().zip(outcomes) {
        // Only so many unknown secrets are looked up in a second.
        app.clock.advance(1_000);
        let status = app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.status.as_u16();
        assert_eq!(status, if outcome == Rotated::Done { 200 } else { 401 });
    }
    assert_eq!(rotate(&app, &successor(&app.key), seen).await, Rotated::Overtaken);
}

#[tokio::test]
async fn a_rotation_works_on_a_plan_without_room_for_another_key() {
    let app = TestApp::frozen(Plan::Starter).await;
    let kept = Rotation { seen: None, keep_until: Some("2026-11-25T12:00:00.000Z".parse().unwrap()), expires_at: None };
    assert_eq!(rotate(&app, &successor(&app.key), kept).await, Rotated::Done);
    app.get("/api/v1/jobs").await.ok(200);
}

#[tokio::test]
async fn a_rotated_key_keeps_its_burst_and_the_old_secret_is_rejected() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    app.get("/api/v1/jobs").await.ok(200);
    let rotated = ApiKey::with_id(&ApiKey::parse(&app.key).unwrap().id()).unwrap();
    assert_eq!(rotate(&app, &rotated, Rotation::default()).await, Rotated::Done);
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    let answer = app.call("GET", "/api/v1/jobs", Some(rotated.reveal()), None).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (200, Some("58")));
}

#[tokio::test]
async fn another_organization_can_neither_revoke_nor_rotate_a_key() {
    let (app, stranger) = (TestApp::new().await, TestApp::new().await);
    let id = ApiKey::parse(&app.key).unwrap().id();
    assert!(!api_key::revoke(&app.db, &stranger.org, &id, app.clock.now(), &Actor::operator()).await.unwrap());
    assert_eq!(rotate(&stranger, &ApiKey::with_id(&id).unwrap(), Rotation::default()).await, Rotated::Unknown);
    assert_eq!(rotate(&app, &unknown_key(), Rotation::default()).await, Rotated::Unknown);
    app.get("/api/v1/jobs").await.ok(200);
}

#[tokio::test]
async fn a_key_is_accepted_only_in_its_header_and_only_once() {
    let app = TestApp::new().await;
    let bearer = format!("Bearer {}", app.key);
    for (name, value) in [("authorization", bearer.as_str()), ("api-key", &app.key), ("cookie", &app.key)] {
        let mut other = request("GET", "/api/v1/jobs", None, None);
        other.headers_mut().insert(name, value.parse().unwrap());
        send(&app.gateway, other).await.error(401, "missing_api_key");
    }
    app.get(&format!("/api/v1/jobs?api_key={}", app.key)).await.error(400, "invalid_parameter");
    let mut twice = request("GET", "/api/v1/jobs", Some(&app.key), None);
    twice.headers_mut().append("x-api-key", app.key.parse().unwrap());
    send(&app.gateway, twice).await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_plan_limits_the_number_of_keys_and_revoking_one_makes_room() {
    let app = TestApp::on(Plan::Professional).await;
    let mut last = None;
    for _ in 0..4 {
        last = Some(app.new_key(Scope::ALL).await);
    }
    let create = async || api_key::create(&app.db, &app.org, app.clock.now(), new(), &Actor::operator()).await;
    let error = create().await.unwrap_err();
    assert_eq!(error.to_string(), "the plan professional allows no further key");
    api_key::revoke(&app.db, &app.org, &last.unwrap().id(), app.clock.now(), &Actor::operator()).await.unwrap();
    create().await.unwrap();
    app.set_plan(Plan::Free).await;
    assert!(matches!(create().await, Err(CreateKeyError::PlanLimit(Plan::Free))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_of_50_concurrent_creations_on_starter_succeeds() {
    let app = TestApp::on(Plan::Starter).await;
    let id = ApiKey::parse(&app.key).unwrap().id();
    api_key::revoke(&app.db, &app.org, &id, app.clock.now(), &Actor::operator()).await.unwrap();
    let creations =
        (0..50).map(|_| async { api_key::create(&app.db, &app.org, app.clock.now(), new(), &Actor::operator()).await });
    let outcomes = join_all(creations).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(CreateKeyError::PlanLimit(Plan::Starter)))));
}

#[tokio::test]
async fn a_key_needs_a_scope() {
    let app = TestApp::new().await;
    let none = NewKey { scopes: Vec::new(), ..new() };
    let error = api_key::create(&app.db, &app.org, app.clock.now(), none, &Actor::operator()).await;
    assert!(matches!(error, Err(CreateKeyError::NoScope)));
}

#[tokio::test]
async fn a_number_of_a_key_is_never_used_again() {
    let app = TestApp::on(Plan::Starter).await;
    let mut seen = vec![ApiKey::parse(&app.key).unwrap().id()];
    for _ in 0..5 {
        let last = seen.last().unwrap();
        assert!(api_key::revoke(&app.db, &app.org, last, app.clock.now(), &Actor::operator()).await.unwrap());
        let key = app.new_key(&[Scope::JobsRead]).await;
        app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
        assert!(!seen.contains(&key.id()));
        assert_eq!(key.id().account(), seen[0].account());
        seen.push(key.id());
    }
    assert_eq!(app.account_item().await["k"].as_s().unwrap(), "7");
}
