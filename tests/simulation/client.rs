//! A client of the API: it creates, changes, moves, erases and reads, and tries again when it hears nothing.

use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    truth::{Deed, End, HeldKey, Kind},
    world::{Answer, Call, World},
};

/// How often a client sends a write at most.
const ATTEMPTS: u64 = 4;

pub struct Client {
    world: Arc<World>,
    rng: Rng,
}

impl Client {
    pub fn new(world: &Arc<World>, rng: Rng) -> Self {
        Self { world: Arc::clone(world), rng }
    }

    /// Does so many things, one after the other.
    pub async fn work(mut self, steps: usize) {
        for _ in 0..steps {
            self.world.pause(&mut self.rng, 800).await;
            match self.rng.u8(..20) {
                0 | 1 => self.create_job().await,
                2 | 3 => self.create_candidate().await,
                4 | 5 => self.apply().await,
                6 | 7 => self.update(Kind::Job, "title").await,
                8 | 9 => self.update(Kind::Candidate, "headline").await,
                10 | 11 => self.change_status().await,
                12 => self.change_email().await,
                13..=15 => self.move_candidate().await,
                16 => self.erase().await,
                _ => self.read().await,
            }
        }
    }

    /// Sends requests as fast as they are answered, to use up a minute.
    pub async fn hurry(mut self, key: HeldKey, requests: usize) {
        for _ in 0..requests {
            self.world.pause(&mut self.rng, 200).await;
            self.world.send(&mut self.rng, &key, &Call::get("/api/v1/pipeline/stages")).await;
        }
    }

    /// Sends a write until its outcome is known, or patience is at an end.
    async fn write(&mut self, mut call: Call) -> (Deed, Option<Answer>) {
        let is_keyed = self.rng.u8(..3) > 0;
        call.once = is_keyed.then(|| self.world.name("once"));
        let key = self.world.key(&mut self.rng);
        let begun = Instant::now();
        let deed = |attempts, end| Deed { is_keyed, may_be_idle: false, attempts, end, begun, ended: Instant::now() };
        for attempts in 1.. {
            let answer = self.world.send(&mut self.rng, &key, &call).await;
            match answer {
                Some(answer) if answer.status.is_success() => {
                    return (deed(attempts, End::Done(answer.body["data"].clone())), Some(answer));
                }
                Some(answer) if answer.status != 503 => {
                    return (deed(attempts, End::Refused(answer.code().to_owned())), Some(answer));
                }
                _ if attempts == ATTEMPTS || self.rng.u8(..4) == 0 => return (deed(attempts, End::Unknown), None),
                _ => self.world.pause(&mut self.rng, 2_000).await,
            }
        }
        unreachable!("there is a last attempt")
    }

    fn some(&mut self, kind: Kind) -> Option<String> {
        let ids = self.world.truth().ids(kind);
        if ids.is_empty() { None } else { Some(ids[self.rng.usize(..ids.len())].clone()) }
    }

    async fn create(&mut self, kind: Kind, path: &str, external: &str, body: Value) -> Option<Answer> {
        let call = Call { method: "POST", body: Some(body), ..Call::get(path) };
        let (deed, answer) = self.write(call).await;
        let mut truth = self.world.truth();
        if let End::Done(object) = &deed.end {
            truth.expect(object["version"] == 1 || deed.is_keyed, || format!("a new {kind:?} is {object}"));
            let id = object["id"].as_str().unwrap();
            truth.know(kind, id, format!("{path}/{id}"));
        }
        truth.creations.insert(external.to_owned(), (kind, deed));
        answer
    }

    async fn create_job(&mut self) {
        let external = self.world.name("job");
        let body = json!({ "title": "Nurse", "status": "open", "externalId": external });
        self.create(Kind::Job, "/api/v1/jobs", &external, body).await;
    }

    /// Creates a candidate with an e-mail of their own, or one that others want, too.
    async fn create_candidate(&mut self) {
        let external = self.world.name("candidate");
        let is_own = self.rng.bool();
        let email = if is_own { format!("{external}@example.com") } else { self.wanted_email() };
        let body = json!({ "firstName": external, "email": email, "externalId": external });
        self.create(Kind::Candidate, "/api/v1/candidates", &external, body).await;
        let mut truth = self.world.truth();
        let (_, deed) = &truth.creations[&external];
        let is_own_conflict = matches!(&deed.end, End::Refused(code) if code == "email_taken") && is_own;
        // Who repeats a write without an idempotency key may meet their own.
        let may_meet = !deed.is_keyed && deed.attempts > 1;
        truth.expect(!is_own_conflict || may_meet, || format!("{external}'s e-mail is only their own, and taken"));
    }

    fn wanted_email(&mut self) -> String {
        format!("wanted-{}@example.com", self.rng.u8(..3))
    }

    /// Applies a candidate to a job. The letter is the application's own text.
    async fn apply(&mut self) {
        let (Some(job), Some(candidate)) = (self.some(Kind::Job), self.some(Kind::Candidate)) else { return };
        let letter = self.world.name("letter");
        let path = format!("/api/v1/jobs/{job}/applications");
        let body = json!({ "candidateId": candidate, "coverLetter": letter, "source": letter });
        self.create(Kind::Application, &path, &letter, body).await;
    }

    /// Writes a text that nobody else writes.
    async fn update(&mut self, kind: Kind, field: &str) {
        let Some(id) = self.some(kind) else { return };
        let value = self.world.name("value");
        let deed = self.put(&id, json!({ field: value })).await;
        self.world.truth().note(&id, Some(value), deed);
    }

    async fn change_status(&mut self) {
        let Some(id) = self.some(Kind::Application) else { return };
        let status = ["in-review", "shortlisted", "hired", "rejected"][self.rng.usize(..4)];
        let deed = self.put(&id, json!({ "status": status })).await;
        self.world.truth().note(&id, None, Deed { may_be_idle: true, ..deed });
    }

    /// Updates an object, at times with `If-Match`.
    async fn put(&mut self, id: &str, body: Value) -> Deed {
        let mut call = Call::get(self.world.truth().object(id).path.clone());
        if self.rng.u8(..4) == 0 {
            let key = self.world.key(&mut self.rng);
            let read = self.world.send(&mut self.rng, &key, &call).await;
            call.if_match = read.and_then(|answer| answer.body["data"]["version"].as_u64());
        }
        let (deed, _) = self.write(Call { method: "PUT", body: Some(body), ..call }).await;
        self.check_gone(id, &deed);
        deed
    }

    /// A candidate that nobody has begun to erase is found.
    fn check_gone(&self, id: &str, deed: &Deed) {
        let mut truth = self.world.truth();
        let is_gone = matches!(&deed.end, End::Refused(code) if code == "not_found");
        let may_be_gone = truth.object(id).is_leaving;
        truth.expect(!is_gone || may_be_gone, || format!("{id} is not found by a write"));
    }

    async fn change_email(&mut self) {
        let Some(id) = self.some(Kind::Candidate) else { return };
        let email =
            if self.rng.bool() { self.wanted_email() } else { format!("{}@example.com", self.world.name("new")) };
        // The phone number makes it a change in any case.
        let phone = self.world.name("phone");
        let deed = self.put(&id, json!({ "email": email, "phone": phone })).await;
        self.world.truth().note(&id, None, deed);
    }

    async fn move_candidate(&mut self) {
        let Some(id) = self.some(Kind::Candidate) else { return };
        let key = self.world.key(&mut self.rng);
        let Some(stages) = self.world.send(&mut self.rng, &key, &Call::get("/api/v1/pipeline/stages")).await else {
            return;
        };
        let Some(stages) = stages.body["data"].as_array() else { return };
        let stage = |rng: &mut Rng| stages[rng.usize(..stages.len())]["id"].clone();
        let mut body = json!({ "stageId": stage(&mut self.rng) });
        if self.rng.u8(..4) == 0 {
            body["fromStageId"] = stage(&mut self.rng);
        }
        let path = format!("/api/v1/pipeline/candidates/{id}/move");
        let (mut deed, answer) = self.write(Call { method: "PUT", body: Some(body), ..Call::get(path) }).await;
        self.check_gone(&id, &deed);
        // A candidate who was there already has not changed.
        if answer.is_some_and(|answer| answer.status.is_success() && answer.body["data"]["changed"] == false) {
            let attempts = if deed.is_keyed { 0 } else { deed.attempts - 1 };
            deed = Deed { is_keyed: false, attempts: attempts + 1, end: End::Refused(String::new()), ..deed };
        }
        self.world.truth().note(&id, None, deed);
    }

    async fn erase(&mut self) {
        let Some(id) = self.some(Kind::Candidate) else { return };
        let path = self.world.truth().object(&id).path.clone();
        self.world.truth().object(&id).is_leaving = true;
        let (deed, _) = self.write(Call { method: "DELETE", ..Call::get(path) }).await;
        self.world.truth().object(&id).erasures.push(deed);
    }

    async fn read(&mut self) {
        let kind = [Kind::Job, Kind::Candidate, Kind::Application][self.rng.usize(..3)];
        let Some(id) = self.some(kind) else { return };
        let key: HeldKey = self.world.key(&mut self.rng);
        let begun = Instant::now();
        let call = Call::get(self.world.truth().object(&id).path.clone());
        let Some(answer) = self.world.send(&mut self.rng, &key, &call).await else { return };
        let seen = match answer.status.as_u16() {
            200 => answer.body["data"]["version"].as_u64(),
            404 => None,
            _ => return,
        };
        self.world.truth().saw(&id, begun, seen);
    }
}
