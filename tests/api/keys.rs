//! Keys: how they are presented, and how they are made, replaced and revoked.

use futures::future::join_all;
use shared::{
    clock::Timestamp,
    key::ApiKey,
    plan::Plan,
    records::{
        api_key::{self, CreateKeyError, NewKey},
        organization,
    },
    scope::Scope,
};

use crate::world::{World, request, send};

fn new() -> NewKey {
    NewKey { name: "test".to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None }
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_very_next_request() {
    let world = World::frozen(Plan::Enterprise).await;
    world.get("/api/v1/jobs").await.ok(200);
    let id = ApiKey::parse(&world.key).unwrap().id();
    assert!(api_key::revoke(&world.db, &world.org, &id, world.clock.now()).await.unwrap());
    world.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    assert!(!api_key::revoke(&world.db, &world.org, &id, world.clock.now()).await.unwrap());
}

#[tokio::test]
async fn a_key_is_refused_from_the_moment_it_expires() {
    let world = World::frozen(Plan::Enterprise).await;
    let key = ApiKey::generate().unwrap();
    let expires_at = Timestamp::from_millis(world.clock.now().as_millis() + 1_000);
    let new = NewKey { expires_at: Some(expires_at), ..new() };
    api_key::create(&world.db, &world.org, world.clock.now(), &key, new).await.unwrap();
    world.clock.advance(999);
    world.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
    world.clock.advance(1);
    world.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_revoked_key_reads_like_an_unknown_one_also_when_its_burst_is_used_up() {
    let world = World::frozen(Plan::Enterprise).await;
    for _ in 0..60 {
        world.get("/api/v1/jobs").await.ok(200);
    }
    let id = ApiKey::parse(&world.key).unwrap().id();
    api_key::revoke(&world.db, &world.org, &id, world.clock.now()).await.unwrap();
    let answer = send(&world.fresh_gateway(), request("GET", "/api/v1/jobs", Some(&world.key), None)).await;
    answer.error(401, "invalid_api_key");
    // An instance that knows the minute to be used up does not ask until it is over. It serves nothing either.
    world.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
    world.clock.advance(60_000);
    world.get("/api/v1/jobs").await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_key_that_expires_while_its_burst_is_used_up_is_refused_for_that_at_once() {
    let world = World::frozen(Plan::Enterprise).await;
    let key = ApiKey::generate().unwrap();
    let expires_at = Timestamp::from_millis(world.clock.now().as_millis() + 1_000);
    let new = NewKey { expires_at: Some(expires_at), ..new() };
    api_key::create(&world.db, &world.org, world.clock.now(), &key, new).await.unwrap();
    let call = async || world.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
    for _ in 0..60 {
        call().await.ok(200);
    }
    call().await.error(429, "rate_limit_exceeded");
    world.clock.advance(1_000);
    call().await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_forged_secret_counts_nothing_on_the_key_it_imitates() {
    let world = World::frozen(Plan::Enterprise).await;
    let forged = ApiKey::with_id(&ApiKey::parse(&world.key).unwrap().id()).unwrap();
    for _ in 0..70 {
        world.call("GET", "/api/v1/jobs", Some(forged.reveal()), None).await.error(401, "invalid_api_key");
    }
    let answer = world.get("/api/v1/jobs").await;
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("59"));
}

#[tokio::test]
async fn a_rotated_key_keeps_its_burst_and_the_old_secret_is_refused() {
    let world = World::frozen(Plan::Enterprise).await;
    world.get("/api/v1/jobs").await.ok(200);
    let rotated = ApiKey::with_id(&ApiKey::parse(&world.key).unwrap().id()).unwrap();
    assert!(api_key::rotate(&world.db, &world.org, &rotated).await.unwrap());
    world.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    let answer = world.call("GET", "/api/v1/jobs", Some(rotated.reveal()), None).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (200, Some("58")));
}

#[tokio::test]
async fn another_organization_can_neither_revoke_nor_rotate_a_key() {
    let (world, stranger) = (World::new().await, World::new().await);
    let id = ApiKey::parse(&world.key).unwrap().id();
    assert!(!api_key::revoke(&world.db, &stranger.org, &id, world.clock.now()).await.unwrap());
    assert!(!api_key::rotate(&world.db, &stranger.org, &ApiKey::with_id(&id).unwrap()).await.unwrap());
    world.get("/api/v1/jobs").await.ok(200);
}

#[tokio::test]
async fn the_key_is_looked_for_in_its_header_only_and_once() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.key);
    for (name, value) in [("authorization", bearer.as_str()), ("api-key", &world.key), ("cookie", &world.key)] {
        let mut other = request("GET", "/api/v1/jobs", None, None);
        other.headers_mut().insert(name, value.parse().unwrap());
        send(&world.gateway, other).await.error(401, "missing_api_key");
    }
    world.get(&format!("/api/v1/jobs?api_key={}", world.key)).await.error(400, "invalid_parameter");
    let mut twice = request("GET", "/api/v1/jobs", Some(&world.key), None);
    twice.headers_mut().append("x-api-key", world.key.parse().unwrap());
    send(&world.gateway, twice).await.error(401, "invalid_api_key");
}

#[tokio::test]
async fn a_plan_allows_as_many_keys_as_its_table_says_and_a_revoked_one_makes_room() {
    let world = World::on(Plan::Professional).await;
    let mut last = None;
    for _ in 0..4 {
        last = Some(world.new_key(Scope::ALL).await);
    }
    let sixth = ApiKey::generate().unwrap();
    let create = async || api_key::create(&world.db, &world.org, world.clock.now(), &sixth, new()).await;
    let refused = create().await.unwrap_err();
    assert_eq!(refused.to_string(), "the plan professional allows no further key");
    world.call("GET", "/api/v1/jobs", Some(sixth.reveal()), None).await.error(401, "invalid_api_key");
    api_key::revoke(&world.db, &world.org, &last.unwrap().id(), world.clock.now()).await.unwrap();
    create().await.unwrap();
    organization::set_plan(&world.db, &world.org, Plan::Free).await.unwrap();
    let another = ApiKey::generate().unwrap();
    let refused = api_key::create(&world.db, &world.org, world.clock.now(), &another, new()).await;
    assert!(matches!(refused, Err(CreateKeyError::PlanLimit(Plan::Free))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_50_concurrent_creations_on_starter_one_makes_a_key() {
    let world = World::on(Plan::Starter).await;
    let id = ApiKey::parse(&world.key).unwrap().id();
    api_key::revoke(&world.db, &world.org, &id, world.clock.now()).await.unwrap();
    let creations = (0..50).map(|_| async {
        let key = ApiKey::generate().unwrap();
        api_key::create(&world.db, &world.org, world.clock.now(), &key, new()).await
    });
    let outcomes = join_all(creations).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(CreateKeyError::PlanLimit(Plan::Starter)))));
}

#[tokio::test]
async fn a_key_is_made_with_a_scope_and_for_an_organization_that_is_there() {
    let world = World::new().await;
    let key = ApiKey::generate().unwrap();
    let none = NewKey { scopes: Vec::new(), ..new() };
    let refused = api_key::create(&world.db, &world.org, world.clock.now(), &key, none).await;
    assert!(matches!(refused, Err(CreateKeyError::NoScope)));
    let taken = ApiKey::with_id(&ApiKey::parse(&world.key).unwrap().id()).unwrap();
    let refused = api_key::create(&world.db, &world.org, world.clock.now(), &taken, new()).await;
    assert!(matches!(refused, Err(CreateKeyError::IdTaken)));
    world.get("/api/v1/jobs").await.ok(200);
}
