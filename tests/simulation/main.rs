//! A simulation of the whole API on a network that fails. Each seed is a run: instances with clocks of their own, clients, an admin and an
//! operator, and a DynamoDB that can't be relied on. After every step, and once it is quiet, the invariants must hold.
//!
//! A run needs no socket and no real time, so a seed gives the same run each time. `SIMULATE=0..5000` chooses other seeds than the usual
//! ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

mod client;
mod engine;
mod invariants;
mod network;
mod people;
mod table;
mod truth;
mod weather;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use client::Client;
use fastrand::Rng;
use network::{LATEST, Planted};
use people::Person;
use shared::model::plan::Plan;
use tokio::{task::JoinSet, time::sleep};
use weather::Weather;
use world::{Call, World};

/// What a run has shown.
#[derive(Debug)]
struct Outcome {
    wrong: BTreeSet<String>,
    outcomes: BTreeMap<String, u64>,
    calls: u64,
    trace: u64,
}

/// Runs something on a clock that moves only while everyone waits.
fn block_on<T>(seed: u64, work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // The SDK's pauses and ours are random, too.
    fastrand::seed(seed);
    runtime.block_on(work)
}

fn run(seed: u64, planted: Option<Planted>) -> Outcome {
    block_on(seed, simulate(Rng::with_seed(seed), planted))
}

async fn simulate(mut rng: Rng, planted: Option<Planted>) -> Outcome {
    let plan = [Plan::Starter, Plan::Professional, Plan::Enterprise, Plan::Enterprise][rng.usize(..4)];
    let world = World::new(&mut rng, plan, planted).await;
    let mut actors = JoinSet::new();
    for _ in 0..rng.usize(2..5) {
        actors.spawn(Client::new(&world, rng.fork()).work(12));
    }
    if rng.u8(..6) == 0 || planted == Some(Planted::ClocksApart) {
        // On one key, more than its minute has room for.
        let key = world.key(&mut rng);
        for _ in 0..2 {
            actors.spawn(Client::new(&world, rng.fork()).hurry(key.clone(), 90));
        }
    }
    actors.spawn(Person::new(&world, rng.fork()).administer(if planted.is_some() { 9 } else { 3 }));
    if plan == Plan::Enterprise {
        actors.spawn(Person::new(&world, rng.fork()).operate(3));
    }
    while let Some(ended) = actors.join_next().await {
        ended.unwrap();
    }

    // Nobody is there any more, but what is on its way still arrives.
    world.network.set_weather(Weather::CALM);
    let settled = invariants::settled(&world.truth(), &world.engine.records());
    sleep(LATEST * 2).await;
    let later = invariants::settled(&world.truth(), &world.engine.records());
    world.truth().expect(settled == later, || format!("a late attempt has changed something:\n{settled:?}\n{later:?}"));
    let mut person = Person::new(&world, rng.fork());
    let key = person.get_a_secret().await;
    world.truth().expect(key.is_some(), || "an admin can't get a secret".to_owned());
    if let Some(key) = key {
        // Its minute may be used up.
        sleep(Duration::from_mins(5)).await;
        world.send(&mut rng, &key, &Call::get("/api/v1/pipeline/stages")).await;
    }
    person.watch_erasures().await;
    world.inspect();
    let (access, records) = (world.engine.access(), world.engine.records());
    let mut truth = world.truth();
    invariants::at_the_end(&mut truth, &records);
    invariants::of_access(&mut truth, &access);
    Outcome {
        wrong: std::mem::take(&mut truth.wrong),
        outcomes: std::mem::take(&mut truth.outcomes),
        calls: world.network.calls(),
        trace: world.network.trace(),
    }
}

/// The seeds to run.
#[expect(clippy::disallowed_methods, reason = "the one setting of the simulation: scripts/simulate")]
fn seeds() -> Range<u64> {
    let chosen = std::env::var("SIMULATE").ok();
    let chosen = chosen.as_deref().map(|range| range.split_once("..").expect("SIMULATE=FROM..TO"));
    chosen.map_or(0..120, |(from, to)| from.parse().expect("a number")..to.parse().expect("a number"))
}

/// Seeds that have found a fault. Each fault has a test of its own, too, because a run changes with the code.
const KEPT: [u64; 3] = [297, 303, 481];

#[test]
fn whatever_the_network_does_nothing_is_lost_or_done_twice() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let seeds: Vec<u64> = seeds().chain(KEPT).collect();
    let (next, all) = (AtomicUsize::new(0), Mutex::new((0, BTreeMap::<String, u64>::new())));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(*seed, None);
                    assert!(outcome.wrong.is_empty(), "seed {seed}: {:#?}", outcome.wrong);
                    let mut all = all.lock().unwrap();
                    all.0 += outcome.calls;
                    for (name, count) in outcome.outcomes {
                        *all.1.entry(name).or_default() += count;
                    }
                }
            });
        }
    });
    let (calls, outcomes) = all.into_inner().unwrap();
    println!("{} seeds, {calls} calls: {outcomes:#?}", seeds.len());
}

#[test]
#[ignore = "takes minutes: scripts/try-faults"]
fn whichever_fault_strikes_whichever_call_of_a_write_it_is_done_as_often_as_the_client_hears() {
    let (table, wrong) = block_on(1, table::faults(Rng::with_seed(1)));
    for ((write, fault), heard) in table {
        println!("{write:30} {fault:20} {heard:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_protection_that_is_taken_away_is_missed() {
    for (planted, notice) in [
        (Planted::UnconditionalUpdates, "is at version"),
        (Planted::FreshTokens, "keys were created"),
        (Planted::HollowAnswers, "is there 0 times"),
        (Planted::ClocksApart, "were served"),
    ] {
        let is_noticed = |seed: &u64| run(*seed, Some(planted)).wrong.iter().any(|wrong| wrong.contains(notice));
        let seed = (0..100).find(is_noticed);
        println!("{planted:?}: seed {seed:?}");
        assert!(seed.is_some(), "{planted:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in seeds().take(6) {
        let (one, other) = (run(seed, None), run(seed, None));
        assert_eq!((one.calls, one.trace, one.outcomes), (other.calls, other.trace, other.outcomes), "seed {seed}");
    }
}
