//! The demo data: the same at every start, and of the promised size.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicI32, Ordering},
};

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use local::{database::Embedded, demo};
use serde_json::Value;
use shared::{
    model::{clock::Clock, plan::Plan},
    store::{activity::Actor, api_key, db::Db, member, organization},
};

use crate::test_app::{START, TestClock, database, gateway, request, send};

/// Everything that a key can read, list by list.
async fn everything(db: &Db, key: &str) -> Vec<Vec<Value>> {
    let clock = TestClock::at(START);
    let gateway = gateway(db, &clock);
    let walk = async |path: &str| {
        let mut rows = Vec::new();
        let mut next = Some(format!("{path}?limit=100"));
        while let Some(page) = next {
            clock.advance(1_100);
            let answer = send(&gateway, request("GET", &page, Some(key), None)).await;
            rows.extend(answer.rows().iter().cloned());
            next = answer.next().map(|cursor| format!("{path}?limit=100&cursor={cursor}"));
        }
        rows
    };
    let jobs = walk("/api/v1/jobs").await;
    let mut applications = Vec::new();
    for job in &jobs {
        applications.extend(walk(&format!("/api/v1/jobs/{}/applications", job["id"].as_str().unwrap())).await);
    }
    let stages = walk("/api/v1/pipeline/stages").await;
    let mut positions = Vec::new();
    for stage in &stages {
        positions.push(walk(&format!("/api/v1/pipeline/stages/{}/candidates", stage["id"].as_str().unwrap())).await);
    }
    assert!(positions.iter().all(|at| !at.is_empty()), "every stage has a candidate");
    let positions = positions.concat();
    vec![jobs, walk("/api/v1/candidates").await, stages, positions, applications]
}

#[tokio::test]
async fn each_organization_has_an_admin_and_a_member_and_removed_members_stay_removed() {
    let database: Embedded = database();
    let db = database.db();
    let people = async || {
        let mut people = Vec::new();
        for organization in organization::list(&db, None, Clock::system().now()).await.unwrap().0 {
            for member in member::list(&db, &organization.id, None).await.unwrap().0 {
                people.push((organization.id, member.email));
            }
        }
        people
    };
    demo::seed(&db).await.unwrap();
    let all = people().await;
    let mut emails: Vec<&str> = all.iter().map(|(_, email)| email.as_str()).collect();
    emails.sort_unstable();
    let mut wanted: Vec<String> = demo::people().into_iter().map(|person| person.email).collect();
    wanted.sort_unstable();
    assert_eq!((emails.len(), emails), (8, wanted.iter().map(String::as_str).collect()));
    // Remove one member of one organization and all of another, as in data from before there were members.
    let (first, last) = (&all[0], &all[7]);
    let (now, actor) = (Clock::system().now(), Actor::operator());
    assert!(member::remove(&db, &first.0, now, &first.1, &actor).await.unwrap());
    for (org, email) in all.iter().filter(|(org, _)| *org == last.0) {
        assert!(member::remove(&db, org, now, email, &actor).await.unwrap());
    }
    demo::seed(&db).await.unwrap();
    let kept = people().await;
    assert_eq!(kept.len(), 7);
    assert!(!kept.iter().any(|(_, email)| *email == first.1));
}

#[tokio::test]
async fn the_keys_of_a_first_start_are_new_and_those_of_the_next_are_rotated() {
    let database: Embedded = database();
    let db = database.db();
    for start in 0..2 {
        assert_eq!(demo::seed(&db).await.unwrap().len(), 14);
        for organization in organization::list(&db, None, Clock::system().now()).await.unwrap().0 {
            for key in api_key::list(&db, &organization.id, None).await.unwrap().0 {
                assert_eq!(key.rotations, start, "{}", key.name);
            }
        }
    }
}

#[tokio::test]
async fn two_starts_create_the_same_data_of_the_promised_size() {
    let mut starts = Vec::new();
    for _ in 0..2 {
        let database: Embedded = database();
        let db = database.db();
        let keys = demo::seed(&db).await.unwrap();
        let mut seen = Vec::new();
        for plan in [Plan::Starter, Plan::Professional, Plan::Enterprise] {
            let key = keys.iter().find(|key| key.plan == plan && key.label == "all").unwrap();
            let data = everything(&db, &key.key).await;
            assert_eq!(data.iter().map(Vec::len).collect::<Vec<_>>(), [60, 250, 6, 250, 120], "{plan}");
            seen.push(data);
        }
        starts.push((seen, keys.into_iter().map(|key| key.key).collect::<BTreeSet<_>>()));
    }
    assert_eq!(starts[0].0, starts[1].0);
    assert!(starts[0].1.is_disjoint(&starts[1].1), "the keys are new at every start");
}

/// Fails every call after the first so many, like an interrupted start.
#[derive(Debug)]
struct Interrupt(AtomicI32);

impl Intercept for Interrupt {
    fn name(&self) -> &'static str {
        "Interrupt"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err("interrupted".into()) }
    }
}

#[tokio::test]
async fn the_next_start_completes_an_interrupted_one() {
    let database = database();
    for calls in [6, 1_500] {
        let config = database.config().interceptor(Interrupt(AtomicI32::new(calls)));
        assert!(demo::seed(&Db::with(config, Embedded::tables())).await.is_err());
    }
    let db = database.db();
    let keys = demo::seed(&db).await.unwrap();
    let key = keys.iter().find(|key| key.plan == Plan::Professional).unwrap();
    let sizes: Vec<usize> = everything(&db, &key.key).await.iter().map(Vec::len).collect();
    assert_eq!(sizes, [60, 250, 6, 250, 120]);
}
