//! Admission against a plain model of its rules: random requests, changes by admins and the operator, and moves of the clock. Whatever
//! happens, a request is served, counted or rejected as the model says.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use fastrand::Rng;
use local::gateway::Gateway;
use shared::{
    model::{
        clock::Timestamp,
        key::ApiKey,
        plan::{Allowance, Plan},
        scope::Scope,
    },
    store::{
        activity::Actor,
        api_key::{self, CreateKeyError, NewKey, Rotated, Rotation},
        organization::{self, PlanChange},
    },
};

use crate::test_app::{Answer, TestApp, request, send, short_text};

/// Operations of one run.
const STEPS: usize = 120;
const RUNS: u64 = 12;

/// The rules, without tables, accounts or instances.
struct Model {
    plan: Plan,
    keys: Vec<ModelKey>,
    /// By month: `2026-11`.
    months: HashMap<String, u64>,
}

struct ModelKey {
    secret: ApiKey,
    former: Option<(ApiKey, Timestamp)>,
    /// Whether the secret was used.
    used: bool,
    /// Secrets that were replaced and are no longer valid.
    ended: Vec<ApiKey>,
    scopes: Vec<Scope>,
    expires_at: Option<Timestamp>,
    revoked: bool,
    /// By minute: `2026-11-24T12:00`.
    minutes: HashMap<String, u64>,
}

impl ModelKey {
    fn accepts(&self, secret: &ApiKey, now: Timestamp) -> bool {
        let is_former = self.former.as_ref().is_some_and(|(former, until)| former == secret && now < *until);
        (self.secret == *secret || is_former) && !self.revoked && self.expires_at.is_none_or(|at| now < at)
    }

    fn secrets(&self) -> Vec<&ApiKey> {
        let former = self.former.iter().map(|(former, _)| former);
        std::iter::once(&self.secret).chain(former).chain(&self.ended).collect()
    }
}

impl Model {
    fn live(&self) -> u64 {
        self.keys.iter().filter(|key| !key.revoked).count().try_into().unwrap()
    }

    /// Serves a request: what is left of the minute and the month, or the code of its rejection.
    fn request(&mut self, secret: &ApiKey, scope: Scope, now: Timestamp) -> Result<(u64, Option<u64>), &'static str> {
        let moment = now.to_string();
        let (month, minute) = (moment[..7].to_owned(), moment[..16].to_owned());
        let key = self.keys.iter_mut().find(|key| key.accepts(secret, now)).ok_or("invalid_api_key")?;
        if !key.scopes.contains(&scope) {
            return Err("insufficient_scope");
        }
        if self.plan == Plan::Free {
            return Err("plan_no_api_access");
        }
        let in_minute = key.minutes.entry(minute).or_default();
        if *in_minute >= 60 {
            return Err("rate_limit_exceeded");
        }
        let in_month = self.months.entry(month).or_default();
        let left = match self.plan.monthly_requests() {
            Allowance::Limited(limit) if *in_month >= limit => return Err("monthly_quota_exceeded"),
            Allowance::Limited(limit) => Some(limit - *in_month - 1),
            Allowance::Unlimited => None,
        };
        *in_minute += 1;
        key.used |= key.secret == *secret;
        *in_month += 1;
        Ok((60 - *in_minute, left))
    }
}

struct Run {
    app: TestApp,
    model: Model,
    rng: Rng,
    /// An instance that remembers what it has seen.
    instance: Arc<Gateway>,
    /// How often each outcome was expected.
    outcomes: BTreeMap<&'static str, u32>,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let app = TestApp::frozen(Plan::Professional).await;
        let key = ModelKey {
            secret: ApiKey::parse(&app.key).unwrap(),
            former: None,
            used: false,
            ended: Vec::new(),
            scopes: Scope::ALL.to_vec(),
            expires_at: None,
            revoked: false,
            minutes: HashMap::new(),
        };
        let model = Model { plan: Plan::Professional, keys: vec![key], months: HashMap::new() };
        let instance = app.fresh_gateway();
        Self { app, model, rng: Rng::with_seed(seed), instance, outcomes: BTreeMap::new() }
    }

    fn key(&mut self) -> usize {
        self.rng.usize(..self.model.keys.len())
    }

    async fn step(&mut self) {
        match self.rng.u8(..20) {
            0 => self.create().await,
            1 => self.revoke().await,
            2 | 3 => self.rotate().await,
            4 => self.set_plan().await,
            5 => self.burst().await,
            6 => self.use_up_month().await,
            7..=9 => self.app.clock.advance(self.rng.i64(0..90_000)),
            _ => self.request().await,
        }
    }

    async fn request(&mut self) {
        let i = self.key();
        let secrets = self.model.keys[i].secrets();
        let secret = secrets[self.rng.usize(..secrets.len())].clone();
        self.request_with(&secret).await;
    }

    async fn request_with(&mut self, secret: &ApiKey) {
        let (path, scope) = *self
            .rng
            .choice(&[("/api/v1/jobs", Scope::JobsRead), ("/api/v1/candidates", Scope::CandidatesRead)])
            .unwrap();
        let remembers = self.rng.bool();
        let instance = if remembers { Arc::clone(&self.instance) } else { self.app.fresh_gateway() };
        let answer = send(&instance, request("GET", path, Some(secret.reveal()), None)).await;
        let expected = self.model.request(secret, scope, self.app.clock.now());
        *self.outcomes.entry(expected.err().unwrap_or("served")).or_default() += 1;
        match expected {
            Ok((burst, month)) => {
                answer.ok(200);
                assert_eq!(answer.header("x-ratelimit-remaining"), Some(burst.to_string().as_str()));
                assert_eq!(month_left(&answer), month);
            }
            // An instance that remembers may name a reason that held a moment ago. It serves nothing that it should not.
            Err(code) => {
                assert_ne!(answer.status.as_u16(), 200, "{code}");
                assert!(remembers || answer.body["error"]["code"] == code, "{code}: {}", answer.body);
            }
        }
    }

    /// Nearly uses up a key's minute.
    async fn burst(&mut self) {
        let i = self.key();
        let secret = self.model.keys[i].secret.clone();
        for _ in 0..self.rng.usize(20..70) {
            self.request_with(&secret).await;
        }
    }

    async fn use_up_month(&mut self) {
        let month = self.app.clock.now().to_string()[..7].to_owned();
        let account = ApiKey::parse(&self.app.key).unwrap().id().account();
        let is_the_account = self.model.keys.iter().any(|key| !key.revoked && key.secret.id().account() == account);
        if month == "2026-11" && matches!(self.model.plan, Plan::Starter | Plan::Professional) && is_the_account {
            let used = self.rng.choice([0, 990, 998, 999, 1_000, 9_998, 10_000]).unwrap();
            self.app.use_up_month(used).await;
            self.model.months.insert(month, used);
            // An instance believes for so long that a month is used up.
            self.app.clock.advance(5_000);
        }
    }

    async fn create(&mut self) {
        let now = self.app.clock.now();
        let mut scopes = vec![Scope::JobsWrite];
        scopes.extend([Scope::JobsRead, Scope::CandidatesRead].into_iter().filter(|_| self.rng.u8(..3) > 0));
        let millis = self.rng.i64(1..600_000);
        let expires_at = self.rng.bool().then(|| Timestamp::from_millis(now.as_millis() + millis));
        let new = NewKey { name: short_text("model"), scopes: scopes.clone(), expires_at };
        let created = api_key::create(&self.app.db, &self.app.org, now, new, &Actor::operator()).await;
        if self.model.plan.keys().left(self.model.live()) == Some(0) {
            assert!(matches!(created, Err(CreateKeyError::PlanLimit(plan)) if plan == self.model.plan));
            return;
        }
        let key = ModelKey {
            secret: created.unwrap(),
            former: None,
            used: false,
            ended: Vec::new(),
            scopes,
            expires_at,
            revoked: false,
            minutes: HashMap::new(),
        };
        self.model.keys.push(key);
    }

    async fn revoke(&mut self) {
        // One key stays, so that there is always something to use.
        let i = self.key();
        if self.model.live() > 1 {
            let (id, now) = (self.model.keys[i].secret.id(), self.app.clock.now());
            let revoked = api_key::revoke(&self.app.db, &self.app.org, &id, now, &Actor::operator()).await.unwrap();
            assert_eq!(revoked, !self.model.keys[i].revoked);
            self.model.keys[i].revoked = true;
        }
    }

    async fn rotate(&mut self) {
        let i = self.key();
        let now = self.app.clock.now();
        let millis = self.rng.i64(1..300_000);
        let keep_until = self.rng.bool().then(|| Timestamp::from_millis(now.as_millis() + millis));
        let rotation = Rotation { seen: None, keep_until, expires_at: None };
        let key = &mut self.model.keys[i];
        let successor = ApiKey::with_id(&key.secret.id()).unwrap();
        let rotated = api_key::rotate(&self.app.db, &self.app.org, now, &successor, rotation, &Actor::operator()).await;
        assert_eq!(rotated.unwrap(), if key.revoked { Rotated::Unknown } else { Rotated::Done });
        if !key.revoked {
            let old = std::mem::replace(&mut key.secret, successor);
            let used = std::mem::take(&mut key.used);
            // No key's expiry changes here.
            let until = keep_until.map(|until| key.expires_at.map_or(until, |expires_at| until.min(expires_at)));
            match (key.former.take(), until) {
                // The old secret was never used, and the former one is valid: only the old one is replaced.
                (Some((former, end)), Some(until)) if !used && end > now => {
                    key.former = Some((former, until));
                    key.ended.push(old);
                }
                (former, until) => {
                    key.ended.extend(former.map(|(former, _)| former));
                    match until {
                        Some(until) => key.former = Some((old, until)),
                        None => key.ended.push(old),
                    }
                }
            }
            // So that an instance does not meet too many unknown secrets in a second.
            self.app.clock.advance(1_000);
        }
    }

    async fn set_plan(&mut self) {
        let plan = *self.rng.choice(&Plan::ALL).unwrap();
        let now = self.app.clock.now();
        let changed = organization::set_plan(&self.app.db, &self.app.org, now, plan, &Actor::operator()).await.unwrap();
        let is_allowed = match plan.keys() {
            Allowance::Limited(limit) if limit > 0 && plan != self.model.plan => {
                let accounts = self.model.keys.iter().filter(|key| !key.revoked).map(|key| key.secret.id().account());
                let accounts: BTreeSet<_> = accounts.collect();
                self.model.live() <= limit && accounts.len() <= 1
            }
            _ => true,
        };
        assert_eq!(changed == PlanChange::Done, is_allowed, "{plan}: {changed:?}");
        if is_allowed {
            self.model.plan = plan;
            self.app.clock.advance(5_000);
        }
    }

    /// What is shown agrees with the model.
    async fn check(&mut self) {
        let now = self.app.clock.now();
        let organization = organization::get(&self.app.db, &self.app.org, now).await.unwrap();
        let month = self.model.months.get(&now.to_string()[..7]).copied().unwrap_or(0);
        assert_eq!(
            (organization.plan, organization.keys, organization.requests_this_month),
            (self.model.plan, self.model.live(), month)
        );
        for key in &self.model.keys {
            let summary = api_key::find(&self.app.db, &self.app.org, &key.secret.id()).await.unwrap().unwrap();
            assert_eq!(summary.revoked_at.is_some(), key.revoked);
            let days = shared::store::usage::history(&self.app.db, &summary, now).await.unwrap();
            let shown: u64 = days.iter().map(|day| day.requests).sum();
            assert_eq!(shown, key.minutes.values().sum::<u64>());
        }
    }
}

/// What is left of the month, as the response says.
fn month_left(answer: &Answer) -> Option<u64> {
    let month = answer.header("ratelimit")?.split("\"month\";r=").nth(1)?;
    month.split(';').next()?.parse().ok()
}

#[tokio::test]
async fn whatever_happens_requests_are_served_counted_and_rejected_as_the_rules_say() {
    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..RUNS {
        let mut run = Run::new(seed).await;
        println!("seed {seed}");
        for _ in 0..STEPS {
            run.step().await;
        }
        run.check().await;
        for (outcome, count) in run.outcomes {
            *outcomes.entry(outcome).or_default() += count;
        }
    }
    println!("{outcomes:?}");
    assert!(outcomes.len() == 6 && outcomes.values().all(|count| *count >= 10), "{outcomes:?}");
}
