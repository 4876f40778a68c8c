//! Counts whose responses are lost: a request that was counted is served, as far as its key is still valid.

use futures::future::join_all;
use shared::{
    model::key::ApiKey,
    store::{
        activity::Actor,
        api_key::{self, Rotation},
    },
};

use crate::{
    lost::app,
    test_app::{TestApp, proxy::Proxy},
};

#[tokio::test]
async fn a_request_whose_count_response_is_lost_is_counted_once_and_served_even_if_it_took_the_last_slot() {
    let (app, proxy) = app().await;
    for left in (0..60).rev() {
        proxy.lose("UpdateItem", "AccessTable");
        let answer = app.get("/api/v1/jobs").await;
        answer.ok(200);
        proxy.assert_failed();
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
    }
    app.get("/api/v1/jobs").await.error(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn while_others_are_counted_a_request_whose_count_response_is_lost_costs_at_most_one_more() {
    let (app, proxy) = app().await;
    let (mut served, mut lost) = (0, 0);
    for _ in 0..12 {
        proxy.lose("UpdateItem", "AccessTable");
        for answer in join_all((0..3).map(|_| app.get("/api/v1/jobs"))).await {
            answer.ok(200);
            served += 1;
        }
        proxy.assert_failed();
        lost += 1;
    }
    let left = app.get("/api/v1/jobs").await.header("x-ratelimit-remaining").unwrap().parse::<u64>().unwrap();
    let counted = 60 - left - 1;
    println!("{served} served, {lost} responses lost, {counted} counted");
    assert!((served..=served + lost).contains(&counted), "{served} served, {lost} lost, {counted} counted");
}

/// Rotates the app's key before the next count, whose response is lost, is repeated.
fn rotate_meanwhile(app: &TestApp, proxy: &Proxy) {
    let (db, org, now) = (app.db.clone(), app.org, app.clock.now());
    let successor = ApiKey::with_id(&ApiKey::parse(&app.key).unwrap().id()).unwrap();
    proxy.lose("UpdateItem", "AccessTable");
    proxy.meanwhile(async move {
        api_key::rotate(&db, &org, now, &successor, Rotation::default(), &Actor::operator()).await.unwrap();
    });
}

#[tokio::test]
async fn a_request_that_was_counted_before_its_key_was_rotated_is_served_or_rejected_but_never_a_fault() {
    // An instance that knows the key serves the request that was counted.
    let (app, proxy) = app().await;
    app.get("/api/v1/jobs").await.ok(200);
    rotate_meanwhile(&app, &proxy);
    app.get("/api/v1/jobs").await.ok(200);
    proxy.assert_failed();
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");

    // One that does not can't tell what the key was allowed to do.
    let (app, proxy) = self::app().await;
    rotate_meanwhile(&app, &proxy);
    app.get("/api/v1/jobs").await.error(401, "invalid_api_key");
    proxy.assert_failed();
}
