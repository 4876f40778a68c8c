//! The admin, who makes, rotates and revokes keys, and the operator, who changes the plan and finishes what an erasure has left.

use std::{sync::Arc, time::Duration};

use erasures::{Limits, finish_overdue};
use fastrand::Rng;
use shared::{
    http::app::App,
    model::{clock::Clock, key::ApiKey, plan::Plan, write::Write},
    store::{
        activity::Actor,
        api_key::{self, CreateKeyError, Rotated, Rotation},
        db::Db,
        erasure,
        organization::{self, PlanChange},
    },
};

use tokio::time::Instant;

use crate::{
    truth::{HeldKey, Validity},
    world::{World, new_key},
};

pub struct Person {
    world: Arc<World>,
    rng: Rng,
    db: Db,
    clock: Clock,
    actor: Actor,
}

impl Person {
    pub fn new(world: &Arc<World>, mut rng: Rng) -> Self {
        let (db, clock) = (world.db(), world.clock(&mut rng));
        Self { world: Arc::clone(world), rng, db, clock, actor: Actor::operator() }
    }

    pub async fn administer(mut self, steps: usize) {
        for _ in 0..steps {
            self.world.pause(&mut self.rng, 6_000).await;
            match self.rng.u8(..3) {
                0 => self.create_key().await,
                1 => self.rotate_key().await,
                _ => self.revoke_key().await,
            }
        }
    }

    pub async fn operate(mut self, steps: usize) {
        for _ in 0..steps {
            self.world.pause(&mut self.rng, 8_000).await;
            if self.rng.bool() {
                self.finish_erasures().await;
            } else {
                let now = self.world.truth().plan.0;
                let plan = if now == Some(Plan::Free) { Plan::Enterprise } else { Plan::Free };
                self.set_plan(plan).await;
            }
        }
        if self.world.truth().plan.0 != Some(Plan::Enterprise) && self.world.truth().plan_has_changed {
            self.set_plan(Plan::Enterprise).await;
        }
    }

    async fn create_key(&mut self) {
        let created = api_key::create(&self.db, &self.world.org, self.clock.now(), new_key(), &self.actor).await;
        let mut truth = self.world.truth();
        match created {
            Ok(secret) => {
                truth.keys.push(HeldKey { secret, validity: Validity::Valid, changes: 0 });
                truth.made_key(true);
                truth.count("key created");
            }
            Err(CreateKeyError::PlanLimit(_) | CreateKeyError::TooMany) => truth.count("key refused"),
            Err(_) => {
                truth.made_key(false);
                truth.count("key unknown");
            }
        }
    }

    /// A key whose secret is valid, unless it is the last.
    fn some_key(&mut self) -> Option<ApiKey> {
        let truth = self.world.truth();
        let valid: Vec<&ApiKey> =
            truth.keys.iter().filter(|held| held.validity == Validity::Valid).map(|held| &held.secret).collect();
        if valid.len() < 2 { None } else { Some(valid[self.rng.usize(..valid.len())].clone()) }
    }

    /// Rotates a key, and again if it is unclear whether that worked: the secret was not shown.
    async fn rotate_key(&mut self) {
        let key = { self.world.truth().keys.iter().find(|held| held.validity != Validity::Ended).cloned() };
        let Some(HeldKey { secret: old, .. }) = key else { return };
        for _ in 0..3 {
            if self.rotate(&old).await {
                return;
            }
            self.world.pause(&mut self.rng, 3_000).await;
        }
    }

    /// Gives a key a new secret. Whether that worked.
    async fn rotate(&mut self, old: &ApiKey) -> bool {
        let new = ApiKey::with_id(&old.id()).unwrap();
        let was_clear = {
            let mut truth = self.world.truth();
            let was_clear =
                !truth.keys.iter().any(|held| held.secret.id() == old.id() && held.validity == Validity::Unclear);
            truth.unclear(old);
            was_clear
        };
        let rotation = Rotation { seen: None, keep_until: None, expires_at: None };
        let rotated = api_key::rotate(&self.db, &self.world.org, self.clock.now(), &new, rotation, &self.actor).await;
        let mut truth = self.world.truth();
        match rotated {
            Ok(Rotated::Done) => {
                // Where a rotation before was unclear, an older secret may have been kept.
                let others = if was_clear { Validity::Ended } else { Validity::Unclear };
                truth.clear(&new, others);
                truth.keys.push(HeldKey { secret: new, validity: Validity::Valid, changes: 0 });
                truth.count("key rotated");
            }
            Ok(other) => truth.count(format!("rotation {other:?}")),
            Err(_) => truth.count("rotation unknown"),
        }
        matches!(rotated, Ok(Rotated::Done | Rotated::Unknown))
    }

    /// Whatever has happened before, an admin gets a secret that works.
    pub async fn get_a_secret(&mut self) -> Option<HeldKey> {
        let key = { self.world.truth().keys.iter().find(|held| held.validity != Validity::Ended).cloned() };
        let is_rotated = match &key {
            Some(key) => self.rotate(&key.secret).await,
            None => false,
        };
        if !is_rotated || !self.world.truth().keys.iter().any(|held| held.validity == Validity::Valid) {
            self.create_key().await;
        }
        self.world.truth().keys.iter().find(|held| held.validity == Validity::Valid).cloned()
    }

    async fn revoke_key(&mut self) {
        let Some(key) = self.some_key() else { return };
        self.world.truth().unclear(&key);
        let revoked = api_key::revoke(&self.db, &self.world.org, &key.id(), self.clock.now(), &self.actor).await;
        let mut truth = self.world.truth();
        match revoked {
            Ok(is_first) => {
                truth.expect(is_first, || format!("{} was revoked by nobody else", key.id()));
                truth.clear(&key, Validity::Ended);
                truth.count("key revoked");
            }
            Err(_) => truth.count("revocation unknown"),
        }
    }

    async fn set_plan(&mut self, plan: Plan) {
        {
            let mut truth = self.world.truth();
            truth.plan = (None, truth.plan.1 + 1);
            truth.plan_has_changed = true;
        }
        let changed = organization::set_plan(&self.db, &self.world.org, self.clock.now(), plan, &self.actor).await;
        let mut truth = self.world.truth();
        match changed {
            Ok(PlanChange::Done) => {
                truth.plan = (Some(plan), truth.plan.1 + 1);
                truth.count(format!("plan {plan}"));
            }
            Ok(other) => truth.expect(false, || format!("a plan change was {other:?}")),
            Err(_) => truth.count("plan unknown"),
        }
    }

    /// Finishes the erasures that have begun, as far as possible.
    async fn finish_erasures(&mut self) {
        let Ok((pending, _)) = erasure::pending(&self.db, None, 100).await else { return };
        for copy in pending.into_iter().flatten() {
            let write = Write::new(copy.organization, self.clock.stamp());
            let finished = erasure::repeat(&self.db, &write, &self.actor, copy.candidate_id).await;
            self.world.truth().count(if finished.is_ok() { "erasure finished" } else { "erasure unknown" });
        }
    }

    /// Runs the function that watches over the erasures.
    pub async fn watch_erasures(&mut self) {
        let app = App::new(self.db.clone(), self.clock.clone());
        let limits = Limits::until(Instant::now() + Duration::from_secs(45));
        let done = finish_overdue(app, limits).await;
        let is_whole = done.as_ref().is_ok_and(|done| (done.failed, done.left) == (0, 0));
        self.world.truth().expect(is_whole, || format!("an erasure can't be finished: {done:?}"));
    }
}
