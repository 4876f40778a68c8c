//! Accounts: their limits hold over several keys and instances, and an organization on the Enterprise plan has as many as it needs.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use local::gateway::Gateway;
use shared::{
    model::{
        key::{ApiKey, KeyId},
        plan::Plan,
        scope::Scope,
    },
    store::{
        activity::Actor,
        api_key::{self, CreateKeyError, NewKey, Rotated, Rotation},
        organization::{self, PlanChange},
    },
};

use crate::test_app::{TestApp, by_status, request, send, short_text, storm};

async fn get(instance: &Arc<Gateway>, key: &str) -> u16 {
    send(instance, request("GET", "/api/v1/jobs", Some(key), None)).await.status.as_u16()
}

/// How many of a storm's requests are answered with each status.
async fn answers(instances: &[Arc<Gateway>], keys: &[ApiKey], count: usize) -> BTreeMap<u16, usize> {
    let keys: Vec<&str> = keys.iter().map(ApiKey::reveal).collect();
    by_status(&storm(instances, &keys, count).await)
}

/// The app's key and new ones, `count` in all.
async fn keys(app: &TestApp, count: usize) -> Vec<ApiKey> {
    let mut keys = vec![ApiKey::parse(&app.key).unwrap()];
    while keys.len() < count {
        keys.push(app.new_key(Scope::ALL).await);
    }
    keys
}

/// A number attribute of the account.
async fn number(app: &TestApp, is_it: impl Fn(&str) -> bool) -> u64 {
    let item = app.account_item().await;
    item.iter().filter(|(name, _)| is_it(name)).map(|(_, value)| value.as_n().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_400_requests_at_once_over_four_instances_and_five_keys_the_100_left_in_the_month_are_served() {
    let app = TestApp::frozen(Plan::Professional).await;
    let keys = keys(&app, 5).await;
    app.use_up_month(9_900).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway(), app.fresh_gateway()];
    assert_eq!(answers(&instances, &keys, 400).await, BTreeMap::from([(200, 100), (429, 300)]));
    assert_eq!(number(&app, |name| name == "q2026-11").await, 10_000);
    // A request that the month rejected costs nothing of the burst.
    assert_eq!(number(&app, |name| name.starts_with('m')).await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_minute_is_used_up_costs_nothing_of_the_month() {
    let app = TestApp::frozen(Plan::Professional).await;
    let keys = keys(&app, 2).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway()];
    assert_eq!(answers(&instances, &keys[..1], 100).await, BTreeMap::from([(200, 60), (429, 40)]));
    assert_eq!(number(&app, |name| name == "q2026-11").await, 60);
    assert_eq!(get(&instances[0], keys[1].reveal()).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_keys_are_used_and_rotated_at_once() {
    let app = TestApp::frozen(Plan::Professional).await;
    let keys = keys(&app, 5).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway()];
    let kept = Rotation { seen: None, keep_until: Some("2026-12-01T00:00:00.000Z".parse().unwrap()), expires_at: None };
    let successors: Vec<ApiKey> = keys.iter().map(|key| ApiKey::with_id(&key.id()).unwrap()).collect();
    let rotations = join_all(successors.iter().map(|key| async {
        api_key::rotate(&app.db, &app.org, app.clock.now(), key, kept, &Actor::operator()).await.unwrap()
    }));
    let (served, rotated) = tokio::join!(answers(&instances, &keys, 100), rotations);
    assert_eq!(served, BTreeMap::from([(200, 100)]));
    assert!(rotated.iter().all(|rotated| *rotated == Rotated::Done));
    // Both secrets of each key are valid, and share its minute.
    assert_eq!(answers(&instances, &successors, 100).await, BTreeMap::from([(200, 100)]));
    assert_eq!(number(&app, |name| name == "q2026-11").await, 200);
    assert_eq!(number(&app, |name| name.starts_with('m')).await, 200);
}

#[tokio::test]
async fn an_organization_with_20_keys_can_leave_enterprise_only_for_free_until_it_has_few_enough() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let keys = keys(&app, 20).await;
    let accounts: std::collections::BTreeSet<_> = keys.iter().map(|key| key.id().account()).collect();
    assert_eq!(accounts.len(), 4, "five keys in each");
    for key in &keys {
        app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
    }
    let now = app.clock.now();
    let find = async || organization::get(&app.db, &app.org, now).await.unwrap();
    let organization = find().await;
    assert_eq!((organization.keys, organization.requests_this_month), (20, 20));

    let change = async |plan| organization::set_plan(&app.db, &app.org, now, plan, &Actor::operator()).await.unwrap();
    let PlanChange::TooManyKeys(revoke) = change(Plan::Professional).await else { panic!("20 keys on Professional") };
    assert_eq!((revoke.len(), find().await.plan), (15, Plan::Enterprise));
    let PlanChange::TooManyKeys(for_starter) = change(Plan::Starter).await else { panic!("20 keys on Starter") };
    assert_eq!(for_starter.len(), 19);

    assert_eq!(change(Plan::Free).await, PlanChange::Done);
    for key in &keys {
        app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.error(403, "plan_no_api_access");
    }
    assert_eq!(change(Plan::Professional).await, PlanChange::TooManyKeys(revoke.clone()), "not from Free, either");
    for id in &revoke {
        assert!(api_key::revoke(&app.db, &app.org, id, now, &Actor::operator()).await.unwrap());
    }
    assert_eq!(change(Plan::Professional).await, PlanChange::Done);
    // What all accounts have counted in the month stays counted.
    let organization = find().await;
    assert_eq!((organization.keys, organization.requests_this_month), (5, 20));
    let left: Vec<&ApiKey> = keys.iter().filter(|key| !revoke.contains(&key.id())).collect();
    assert_eq!(left.len(), 5);
    for (served, key) in (21..).zip(left) {
        let answer = app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
        answer.ok(200);
        let month = format!("\"month\";r={};", 10_000 - served);
        assert!(answer.header("ratelimit").unwrap().contains(&month), "{:?}", answer.header("ratelimit"));
    }
    let new = NewKey { name: short_text("sixth"), scopes: vec![Scope::JobsRead], expires_at: None };
    let sixth = api_key::create(&app.db, &app.org, now, new, &Actor::operator()).await;
    assert!(matches!(sixth, Err(CreateKeyError::PlanLimit(Plan::Professional))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_created_at_once_on_enterprise_are_all_created_and_at_most_five_are_in_an_account() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let created = join_all((0..12).map(|_| async { app.new_key(&[Scope::JobsRead]).await })).await;
    let mut by_account = BTreeMap::new();
    for key in &created {
        *by_account.entry(key.id().account()).or_insert(0) += 1;
        app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await.ok(200);
    }
    assert!(by_account.values().all(|count| *count <= 5), "{by_account:?}");
    assert_eq!(organization::get(&app.db, &app.org, app.clock.now()).await.unwrap().keys, 13);
}

#[tokio::test]
async fn a_change_of_plan_and_a_revocation_count_from_the_next_request_on_every_instance() {
    let app = TestApp::frozen(Plan::Professional).await;
    let keys = keys(&app, 2).await;
    let instances = [app.fresh_gateway(), app.fresh_gateway()];
    let limit = async |instance: &Arc<Gateway>| {
        let answer = send(instance, request("GET", "/api/v1/jobs", Some(keys[0].reveal()), None)).await;
        answer.header("ratelimit-policy").map(str::to_owned)
    };
    for instance in &instances {
        assert_eq!(limit(instance).await.unwrap(), "\"burst\";q=60;w=60, \"month\";q=10000");
    }
    app.set_plan(Plan::Enterprise).await;
    for instance in &instances {
        assert_eq!(limit(instance).await.unwrap(), "\"burst\";q=60;w=60");
    }
    assert!(api_key::revoke(&app.db, &app.org, &keys[0].id(), app.clock.now(), &Actor::operator()).await.unwrap());
    for instance in &instances {
        assert_eq!(get(instance, keys[0].reveal()).await, 401);
        assert_eq!(get(instance, keys[1].reveal()).await, 200);
    }
}

#[tokio::test]
async fn only_five_unknown_secrets_of_a_key_are_looked_up_in_a_second_and_a_served_key_is_not_affected() {
    let app = TestApp::frozen(Plan::Professional).await;
    let keys = keys(&app, 2).await;
    app.call("GET", "/api/v1/jobs", Some(keys[0].reveal()), None).await.ok(200);
    let guess = || ApiKey::with_id(&keys[0].id()).unwrap();
    let call = async |key: &ApiKey| app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
    // The key itself was unknown to this instance, too.
    for _ in 0..4 {
        call(&guess()).await.error(401, "invalid_api_key");
    }
    app.tally.take();
    for _ in 0..20 {
        let refused = call(&guess()).await;
        refused.error(503, "service_unavailable");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    assert_eq!(app.tally.take().total(), 0);
    // The key itself, and the account's other keys, are served.
    call(&keys[0]).await.ok(200);
    call(&keys[1]).await.ok(200);
    // Made-up ids of the account cost it no more than ten lookups.
    app.tally.take();
    for number in 0..30 {
        let id = KeyId::parse(&format!("{}x{number:02}", keys[0].id().account())).unwrap();
        call(&ApiKey::with_id(&id).unwrap()).await;
    }
    assert!(app.tally.take().calls["UpdateItem"] <= 10);
    // A secret that is new, such as after a rotation, waits a second.
    let successor = guess();
    let rotation = Rotation::default();
    let rotated = api_key::rotate(&app.db, &app.org, app.clock.now(), &successor, rotation, &Actor::operator()).await;
    assert_eq!(rotated.unwrap(), Rotated::Done);
    call(&successor).await.error(503, "service_unavailable");
    app.clock.advance(1_000);
    call(&successor).await.ok(200);
}

#[tokio::test]
async fn unknown_secrets_do_not_keep_a_key_from_asking_for_its_usage() {
    let app = TestApp::frozen(Plan::Professional).await;
    app.get("/api/v1/usage").await.ok(200);
    let id = ApiKey::parse(&app.key).unwrap().id();
    for _ in 0..20 {
        let guess = ApiKey::with_id(&id).unwrap();
        let answer = app.call("GET", "/api/v1/usage", Some(guess.reveal()), None).await;
        assert!(matches!(answer.status.as_u16(), 401 | 503));
    }
    app.get("/api/v1/usage").await.ok(200);
}

#[tokio::test]
async fn a_flood_with_a_revoked_secret_or_a_missing_scope_asks_dynamodb_once_a_second() {
    let app = TestApp::frozen(Plan::Professional).await;
    let keys = keys(&app, 2).await;
    let narrow = app.new_key(&[Scope::CandidatesRead]).await;
    assert!(api_key::revoke(&app.db, &app.org, &keys[1].id(), app.clock.now(), &Actor::operator()).await.unwrap());
    for (key, status) in [(&keys[1], 401), (&narrow, 403)] {
        for _ in 0..3 {
            // The first second also writes the refusal down.
            app.clock.advance(60_000);
            app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
            app.clock.advance(1_000);
            app.tally.take();
            for _ in 0..30 {
                let answer = app.call("GET", "/api/v1/jobs", Some(key.reveal()), None).await;
                assert_eq!(answer.status.as_u16(), status);
            }
            assert_eq!(app.tally.take().total(), 1);
        }
    }
}
