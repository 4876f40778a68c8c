//! Demo data, the same at every start except for the keys' secrets: four organizations, one per plan, each with six stages, 60 jobs, 250
//! candidates and 120 applications.
//!
//! It is written through the same bodies, rules and writes as a client's data, so a client could have created it. The seed decides every
//! id, so writing it twice, after an interrupted start, does no harm.

mod agency;

use fastrand::Rng;
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde::Serialize;
use serde_json::Value;
use shared::{
    model::{
        body,
        clock::{Clock, Stamp, Timestamp},
        field::FromFields,
        id::{ApplicationId, CandidateId, JobId, OrgId, StageId},
        if_match::IfMatch,
        key::{AccountId, ApiKey, KeyId},
        plan::Plan,
        role::Role,
        scope::Scope,
        value::{Email, ShortText},
        write::Write,
    },
    store::{
        activity::Actor,
        api_key::{self, CreateKeyError, KeySummary, NewKey, Rotated, Rotation},
        application, candidate,
        db::Db,
        error::StoreError,
        job,
        member::{self, AddMemberError},
        organization::{self, PlanChange},
    },
};

use crate::{StartError, issuer::Person};

const JOBS: u64 = 60;
const CANDIDATES: u64 = 250;
const APPLICATIONS: usize = 120;
/// Concurrent writes per organization. The embedded engine does one at a time: more would only wait for each other, and on a busy machine
/// exceed the timeout of a call.
const WRITES: usize = 2;

/// 2026-01-05T09:00:00Z, a Monday: when the organizations are created. Their data is from the 46 weeks that follow.
const BEGIN: i64 = 1_767_603_600_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A demo key, as in the keys file.
#[derive(Clone, Serialize)]
pub struct DemoKey {
    /// The organization's name.
    pub organization: &'static str,
    /// Its plan.
    pub plan: Plan,
    /// The key's name.
    pub label: String,
    /// The key's scopes.
    pub scopes: Vec<Scope>,
    /// The whole key, shown only here.
    pub key: String,
}

/// One organization of the demo data.
struct Demo {
    name: &'static str,
    plan: Plan,
    /// The account that its keys' ids begin with.
    account: &'static str,
    /// The domain of its people's email addresses, reserved for examples (RFC 2606).
    domain: &'static str,
    seed: u64,
}

const ORGANIZATIONS: [Demo; 4] = [
    Demo { name: "Birch Lane Recruiting", domain: "birch-lane.example", plan: Plan::Free, seed: 1, account: "DemoFre" },
    Demo {
        name: "Harbour Talent Partners",
        domain: "harbour-talent.example",
        plan: Plan::Starter,
        seed: 2,
        account: "DemoSta",
    },
    Demo {
        name: "Northfield Search Group",
        domain: "northfield.example",
        plan: Plan::Professional,
        seed: 3,
        account: "DemoPro",
    },
    Demo {
        name: "Meridian Workforce International",
        domain: "meridian.example",
        plan: Plan::Enterprise,
        seed: 4,
        account: "DemoEnt",
    },
];

/// Writes what is missing, and returns new keys. Leaves data that was kept and changed as it is; keys of an earlier start are no longer
/// valid.
pub async fn seed(db: &Db) -> Result<Vec<DemoKey>, StartError> {
    seed_keeping(db, &[]).await
}

/// Like [`seed`], but `earlier` keys that are still in the data stay valid. A demo key that someone has revoked stays revoked, and is not
/// returned.
pub async fn seed_keeping(db: &Db, earlier: &[ApiKey]) -> Result<Vec<DemoKey>, StartError> {
    let keys = try_join_all(ORGANIZATIONS.iter().map(|demo| demo.seed(db, earlier))).await?;
    Ok(keys.into_iter().flatten().collect())
}

/// The people who can sign in to the settings: an admin and a member of each organization.
#[must_use]
pub fn people() -> Vec<Person> {
    let of = |demo: &Demo| {
        demo.members().map(|(email, role)| Person { title: format!("{}, {}", demo.name, role.as_str()), email })
    };
    ORGANIZATIONS.iter().flat_map(of).collect()
}

/// The keys of each plan: label, scopes.
fn labels(plan: Plan) -> Vec<(String, Vec<Scope>)> {
    let all = || Scope::granted_by_all().collect::<Vec<_>>();
    let read_only = || Scope::ALL.iter().copied().filter(|scope| scope.as_str().ends_with(":read")).collect();
    let key = |label: &str, scopes| (label.to_owned(), scopes);
    match plan {
        Plan::Free | Plan::Starter => vec![key("all", all())],
        Plan::Professional => vec![
            key("all", all()),
            key("read-only", read_only()),
            key("jobs-only", vec![Scope::JobsRead, Scope::JobsWrite]),
        ],
        Plan::Enterprise => {
            let all_keys = (1..=8).map(|n| key(&if n == 1 { "all".to_owned() } else { format!("all-{n}") }, all()));
            all_keys.chain([key("erase", all().into_iter().chain([Scope::CandidatesDelete]).collect())]).collect()
        }
    }
}

impl Demo {
    async fn seed(&self, db: &Db, earlier: &[ApiKey]) -> Result<Vec<DemoKey>, StartError> {
        let (org, created, now) = match organization::created_with(db, self.origin()).await? {
            Some(org) if self.has_keys(db, &org).await? => (org, Vec::new(), Clock::system().now()),
            found => {
                let (org, created) = self.write(db, found).await?;
                (org, created, at(BEGIN))
            }
        };
        self.add_members(db, &org).await?;
        // The keys were created while the plan had room; a Free organization's key dates from before its downgrade.
        match organization::set_plan(db, &org, now, self.plan, &Actor::operator()).await? {
            PlanChange::Done => {}
            not => return Err(StartError::Demo(format!("{} can't be on its plan: {not:?}", self.name))),
        }
        let existing = self.keys(db, &org).await?;
        let mut keys = Vec::new();
        for (label, scopes) in labels(self.plan) {
            let Some(key) = existing.iter().find(|key| key.name == label) else { continue };
            if let Some(key) = present_key(db, &org, created.iter().chain(earlier), &key.id).await? {
                keys.push(DemoKey { organization: self.name, plan: self.plan, label, scopes, key });
            }
        }
        Ok(keys)
    }

    /// Adds the members if there are none. While any are left, those that someone has removed stay removed.
    async fn add_members(&self, db: &Db, org: &OrgId) -> Result<(), StartError> {
        if !member::list(db, org, None).await?.0.is_empty() {
            return Ok(());
        }
        for (email, role) in self.members() {
            let email = Email::new(&email).map_err(|wrong| StartError::Demo(format!("{email} {wrong}")))?;
            match member::add(db, org, at(BEGIN), &email, role, &Actor::operator()).await {
                Ok(()) | Err(AddMemberError::Taken) => {}
                Err(error) => return Err(StartError::Demo(error.to_string())),
            }
        }
        Ok(())
    }

    fn members(&self) -> [(String, Role); 2] {
        [Role::Admin, Role::Member].map(|role| (format!("{}@{}", role.as_str(), self.domain), role))
    }

    /// The organization's first 100 keys, oldest first: those of the demo data, and others.
    async fn keys(&self, db: &Db, org: &OrgId) -> Result<Vec<KeySummary>, StartError> {
        Ok(api_key::list(db, org, None).await?.0)
    }

    /// Whether all keys exist. They are written last, so if they exist, everything does.
    async fn has_keys(&self, db: &Db, org: &OrgId) -> Result<bool, StartError> {
        let keys = self.keys(db, org).await?;
        Ok(labels(self.plan).iter().all(|(label, _)| keys.iter().any(|key| key.name == *label)))
    }

    /// The organization's own stamp.
    fn origin(&self) -> Stamp {
        stamp(self.seed, Record::Organization, 0, BEGIN)
    }

    async fn create(&self, db: &Db) -> Result<OrgId, StartError> {
        // The organization's stamp comes first, then those of its stages.
        let mut stamps = [self.origin()].into_iter().chain((0..).map(|n| self.stage_stamp(n)));
        let next = || stamps.next().unwrap_or_else(|| self.origin());
        let plan = if self.plan == Plan::Free { Plan::Starter } else { self.plan };
        let account = AccountId::parse(self.account)
            .ok_or_else(|| StartError::Demo(format!("{} is not an account's id", self.account)))?;
        Ok(organization::create(db, &name(self.name)?, plan, &account, next).await?)
    }

    /// Writes what is missing, and returns the organization and its new keys.
    async fn write(&self, db: &Db, found: Option<OrgId>) -> Result<(OrgId, Vec<ApiKey>), StartError> {
        let org = if let Some(org) = found { org } else { self.create(db).await? };
        let rng = &mut Rng::with_seed(self.seed);
        let jobs: Vec<(Stamp, Value)> = (0..JOBS).map(|n| (self.job_stamp(n), agency::job(rng, n))).collect();
        let people = agency::people(rng, usize::try_from(CANDIDATES).unwrap_or(usize::MAX));
        let candidates: Vec<(Stamp, Value)> = (0..CANDIDATES)
            .zip(people)
            .map(|(n, mut person)| {
                person["stageId"] = self.stage(agency::stage(rng)).to_string().into();
                (self.candidate_stamp(n), person)
            })
            .collect();
        let applications = self.applications(rng, &jobs);

        each(jobs, |(stamp, body)| async move {
            job::create(db, &Write::new(org, stamp), parsed(&body)?).await?;
            Ok(())
        })
        .await?;
        each(candidates, |(stamp, body)| async move {
            let new = parsed(&body)?;
            let stage = candidate::stage_of(db, &org, &new).await?;
            match candidate::create(db, &Write::new(org, stamp), new, &stage).await {
                Ok(_) | Err(StoreError::EmailTaken { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
        each(applications, |new| async move { new.write(db, &org).await }).await?;
        let existing = self.keys(db, &org).await?;
        let mut created = Vec::new();
        for (label, scopes) in labels(self.plan) {
            if existing.iter().any(|key| key.name == label) {
                continue;
            }
            let new = NewKey { name: name(&label)?, scopes, expires_at: None };
            match api_key::create(db, &org, at(BEGIN), new, &Actor::operator()).await {
                Ok(key) => created.push(key),
                Err(CreateKeyError::PlanLimit(_)) => {}
                Err(error) => return Err(StartError::Demo(error.to_string())),
            }
        }
        Ok((org, created))
    }

    fn stage_stamp(&self, n: u64) -> Stamp {
        stamp(self.seed, Record::Stage, n, BEGIN + i64::try_from(n).unwrap_or(0))
    }

    fn stage(&self, n: u64) -> StageId {
        self.stage_stamp(n).into()
    }

    fn job_stamp(&self, n: u64) -> Stamp {
        stamp(self.seed, Record::Job, n, BEGIN + spread(n, JOBS))
    }

    fn candidate_stamp(&self, n: u64) -> Stamp {
        stamp(self.seed, Record::Candidate, n, BEGIN + spread(n, CANDIDATES))
    }

    /// A hundred candidates in turn apply to open jobs, and twenty of them to a second one.
    fn applications(&self, rng: &mut Rng, jobs: &[(Stamp, Value)]) -> Vec<NewApplication> {
        let open: Vec<JobId> =
            jobs.iter().filter(|(_, body)| body["status"] == "open").map(|(stamp, _)| JobId::from(*stamp)).collect();
        (0..APPLICATIONS)
            .map(|n| {
                let n64 = u64::try_from(n).unwrap_or(0);
                let candidate = (n64 % 100 * 7) % CANDIDATES;
                let applied = BEGIN + spread(candidate, CANDIDATES) + 3 * MINUTE;
                NewApplication {
                    job: open[(n * 3 + n / open.len()) % open.len()],
                    stamp: stamp(self.seed, Record::Application, n64, applied),
                    body: agency::application(rng, CandidateId::from(self.candidate_stamp(candidate))),
                    status: agency::application_status(rng),
                    decided: at(applied + 2 * DAY),
                }
            })
            .collect()
    }
}

/// The whole key with this id that is valid from now on: one that is known if it is in the data, else a fresh one. `None` if the key is
/// revoked.
async fn present_key(
    db: &Db,
    org: &OrgId,
    known: impl Iterator<Item = &ApiKey>,
    id: &KeyId,
) -> Result<Option<String>, StartError> {
    let now = Clock::system().now();
    for key in known.filter(|key| key.id() == *id) {
        if api_key::is_present(db, org, now, key).await? {
            return Ok(Some(key.reveal().to_owned()));
        }
    }
    let fresh = ApiKey::with_id(id)?;
    let rotated = api_key::rotate(db, org, now, &fresh, Rotation::default(), &Actor::operator()).await?;
    Ok((rotated == Rotated::Done).then(|| fresh.reveal().to_owned()))
}

struct NewApplication {
    job: JobId,
    stamp: Stamp,
    body: Value,
    status: Value,
    decided: Timestamp,
}

impl NewApplication {
    async fn write(self, db: &Db, org: &OrgId) -> Result<(), StartError> {
        match application::create(db, &Write::new(*org, self.stamp), self.job, parsed(&self.body)?).await {
            Ok(_) | Err(StoreError::AlreadyApplied { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let id = ApplicationId::from(self.stamp);
        if let Some(application) = application::get(db, org, self.job, id).await? {
            let decided = Write::new(*org, self.stamp.later(self.decided));
            application::update(db, &decided, application, &IfMatch::ANY, &parsed(&self.status)?).await?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Record {
    Organization,
    Stage,
    Job,
    Candidate,
    Application,
}

/// A stamp determined by the seed, the record type and the number.
fn stamp(seed: u64, record: Record, n: u64, millis: i64) -> Stamp {
    let mut rng = Rng::with_seed(seed << 32 | (record as u64) << 24 | n);
    let mut entropy = [0; 10];
    rng.fill(&mut entropy);
    Stamp::seeded(at(millis), entropy)
}

/// The `n`th of `all` moments, spread evenly over 45 weeks, in working hours.
fn spread(n: u64, all: u64) -> i64 {
    let (n, all) = (i64::try_from(n).unwrap_or(0), i64::try_from(all).unwrap_or(1));
    let day = n * 315 / all;
    day * DAY + (n * 37 % 480) * MINUTE + n
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn name(text: &str) -> Result<ShortText, StartError> {
    ShortText::new(text, "The name").map_err(StartError::Demo)
}

fn parsed<T: FromFields>(body: &Value) -> Result<T, StartError> {
    Ok(body::parse(body)?)
}

/// Runs `work` for each item, a few at a time.
async fn each<T, F>(items: Vec<T>, work: impl Fn(T) -> F) -> Result<(), StartError>
where
    F: Future<Output = Result<(), StartError>>,
{
    stream::iter(items.into_iter().map(work)).buffer_unordered(WRITES).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_data_is_all_in_the_past() {
        let last = BEGIN + spread(CANDIDATES - 1, CANDIDATES) + 3 * MINUTE + 2 * DAY;
        assert!(at(last).to_string().as_str() < "2026-11-24", "{}", at(last));
        assert_eq!(at(BEGIN).to_string(), "2026-01-05T09:00:00.000Z");
    }
}
