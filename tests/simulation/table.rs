//! The table of faults and routes: what a client hears if one call of a write meets one fault, once or for good, and whether the write was
//! done as often as it heard.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    engine::Attributes,
    network::{Answer, Fate, LATEST, Refusal, Script},
    world::{Call, World},
};

const FAULTS: [(&str, Fate); 13] = {
    const NONE: Fate = Fate {
        there: Duration::from_millis(1),
        back: Duration::from_millis(1),
        is_lost: false,
        refusal: None,
        again: None,
        answer: Answer::Whole,
        breaks: false,
    };
    [
        ("request lost", Fate { is_lost: true, ..NONE }),
        ("connection refused", Fate { is_lost: true, breaks: true, ..NONE }),
        ("request late", Fate { there: Duration::from_secs(90), ..NONE }),
        ("response lost", Fate { answer: Answer::Lost, ..NONE }),
        ("connection broken", Fate { answer: Answer::Lost, breaks: true, ..NONE }),
        ("response slow", Fate { back: Duration::from_millis(700), ..NONE }),
        ("response empty", Fate { answer: Answer::Empty, ..NONE }),
        ("response cut", Fate { answer: Answer::Cut, ..NONE }),
        ("a page instead", Fate { answer: Answer::Page, ..NONE }),
        ("server error", Fate { refusal: Some(Refusal::Fault), ..NONE }),
        ("throttled", Fate { refusal: Some(Refusal::Throttled), ..NONE }),
        ("conflict", Fate { refusal: Some(Refusal::Conflict), ..NONE }),
        ("twice", Fate { again: Some(Duration::from_secs(30)), ..NONE }),
    ]
};

/// Writes, each with the name of what to look for afterwards.
const WRITES: [&str; 10] = [
    "POST job",
    "PUT job",
    "POST candidate",
    "POST candidate without e-mail",
    "PUT candidate",
    "PUT candidate's e-mail",
    "PUT move",
    "POST application",
    "PUT application",
    "DELETE candidate",
];

/// A write, and how to see how often it was done.
struct Scene {
    call: Call,
    times: Times,
}

/// How often a write was done, by the items of the Records table.
type Times = Box<dyn Fn(&[Attributes]) -> u64>;

/// Sends a request on a network without faults.
async fn calm(world: &World, rng: &mut Rng, call: Call) -> Value {
    // So that no minute is used up.
    sleep(Duration::from_secs(2)).await;
    let key = world.key(rng);
    let answer = world.send(rng, &key, &call).await.unwrap();
    assert!(answer.status.is_success(), "{call:?}: {} {}", answer.status, answer.body);
    answer.body["data"].clone()
}

fn post(path: &str, body: Value) -> Call {
    Call { method: "POST", body: Some(body), ..Call::get(path) }
}

fn put(path: String, body: Value) -> Call {
    Call { method: "PUT", body: Some(body), ..Call::get(path) }
}

/// How many items have this attribute, by a unique value.
fn with(name: &'static str, value: String) -> Times {
    Box::new(move |items| items.iter().filter(|item| item.get(name) == Some(&value)).count() as u64)
}

/// How many versions an object has had since the first.
fn versions(object: &Value) -> Times {
    let id = object["id"].as_str().unwrap().to_owned();
    Box::new(move |items| {
        let item = items.iter().find(|item| item["sk"] == id && item.contains_key("version")).unwrap();
        item["version"].parse::<u64>().unwrap() - 1
    })
}

/// Makes what a write needs.
async fn scene(world: &World, rng: &mut Rng, write: &str) -> Scene {
    let (name, jobs, candidates) = (world.name("name"), "/api/v1/jobs", "/api/v1/candidates");
    let email = format!("{name}@example.com");
    let job = json!({ "title": "Nurse", "status": "open", "externalId": name });
    let candidate = json!({ "firstName": "Ada", "externalId": name, "email": email });
    match write {
        "POST job" => return Scene { call: post(jobs, job), times: with("externalId", name) },
        "POST candidate" => return Scene { call: post(candidates, candidate), times: with("externalId", name) },
        "POST candidate without e-mail" => {
            let call = post(candidates, json!({ "firstName": "Ada", "externalId": name }));
            return Scene { call, times: with("externalId", name) };
        }
        _ => {}
    }
    let job = calm(world, rng, post(jobs, job)).await;
    let candidate = calm(world, rng, post(candidates, candidate)).await;
    let candidate_path = format!("{candidates}/{}", candidate["id"].as_str().unwrap());
    let applications = format!("{jobs}/{}/applications", job["id"].as_str().unwrap());
    let apply = post(&applications, json!({ "candidateId": candidate["id"], "source": name, "coverLetter": "Hello" }));
    let (call, times) = match write {
        "PUT job" => (put(format!("{jobs}/{}", job["id"].as_str().unwrap()), json!({ "title": name })), versions(&job)),
        "PUT candidate" => (put(candidate_path, json!({ "headline": name })), versions(&candidate)),
        "PUT candidate's e-mail" => {
            (put(candidate_path, json!({ "email": format!("new-{email}") })), versions(&candidate))
        }
        "PUT move" => {
            let stages = calm(world, rng, Call::get("/api/v1/pipeline/stages")).await;
            let path = format!("/api/v1/pipeline/candidates/{}/move", candidate["id"].as_str().unwrap());
            (put(path, json!({ "stageId": stages[1]["id"], "fromStageId": stages[0]["id"] })), versions(&candidate))
        }
        "POST application" => (apply, with("source", name)),
        "PUT application" => {
            let application = calm(world, rng, apply).await;
            let path = format!("{applications}/{}", application["id"].as_str().unwrap());
            (put(path, json!({ "status": "hired" })), versions(&application))
        }
        "DELETE candidate" => {
            calm(world, rng, apply).await;
            let id = candidate["id"].as_str().unwrap().to_owned();
            let is_gone = move |items: &[Attributes]| {
                let is_there = items.iter().any(|item| item["sk"] == id && item["pk"].ends_with("#CANDIDATE"));
                let has_letter =
                    items.iter().any(|item| item.get("candidateId") == Some(&id) && item.contains_key("coverLetter"));
                u64::from(!is_there && !has_letter)
            };
            (Call { method: "DELETE", ..Call::get(candidate_path) }, Box::new(is_gone) as _)
        }
        other => panic!("no scene for {other}"),
    };
    Scene { call, times }
}

/// How often a client heard what, by write and fault.
type Table = BTreeMap<(&'static str, &'static str), BTreeMap<String, usize>>;

/// Lets every fault strike every call of every write, and returns what was heard, by write and fault, and what was wrong.
pub async fn faults(mut rng: Rng) -> (Table, Vec<String>) {
    let (mut table, mut wrong) = (Table::new(), Vec::new());
    for write in WRITES {
        for (fault, fate) in FAULTS {
            let world = World::calm(&mut rng).await;
            for (times, is_keyed) in [(1, false), (1, true), (100, false), (100, true)] {
                for after in 0.. {
                    let Scene { mut call, times: done } = scene(&world, &mut rng, write).await;
                    call.once = is_keyed.then(|| world.name("once"));
                    let key = world.key(&mut rng);
                    world.network.play(Some(Script { after, times, fate }));
                    let answer = world.send(&mut rng, &key, &call).await.unwrap();
                    let rest = world.network.play(None);
                    if rest.is_some_and(|rest| rest.after > 0 || rest.times == times) {
                        // There is no such call.
                        break;
                    }
                    let status = answer.status.as_u16();
                    // What is late arrives now, and the client tries again.
                    sleep(LATEST).await;
                    let at_first = done(&world.engine.records());
                    let mut at_last = at_first;
                    if is_keyed && status == 503 {
                        calm(&world, &mut rng, call.clone()).await;
                        at_last = done(&world.engine.records());
                    }
                    let is_right = match status {
                        200 | 201 => at_first == 1,
                        503 => at_first <= 1 && (!is_keyed || at_last == 1),
                        _ => false,
                    };
                    let heard = format!("{status}{}", if status == 503 && at_first == 1 { ", done" } else { "" });
                    *table.entry((write, fault)).or_default().entry(heard).or_default() += 1;
                    if !is_right {
                        wrong.push(format!(
                            "{write}, {fault} {times} times after {after} calls: {status}, done {at_first}, then {at_last} times"
                        ));
                    }
                }
            }
            world.inspect();
            wrong.extend(world.truth().wrong.iter().cloned());
        }
    }
    (table, wrong)
}
