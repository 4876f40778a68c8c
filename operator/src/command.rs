//! The commands, and the words of their refusals.

use std::io;

use clap::Subcommand;
use serde::Serialize;
use shared::{
    clock::{Clock, DAY, Timestamp},
    db::{Db, DbError},
    key::{ApiKey, KeyId, NoRandomness},
    plan::{Allowance, Plan, UnknownPlan},
    records::{
        api_key::{self, CreateKeyError, KeySummary, NewKey},
        organization::{self, Organization},
    },
    scope::Scope,
    value::{InvalidEmail, ShortText},
};

use crate::{
    caller::Caller,
    doctor::Doctor,
    member::MemberCommand,
    output::{Output, Row},
};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) caller: Caller,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Organizations and their plans.
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// An organization's keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// People who may sign in to an organization's settings.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Check a deployment: tables, recovery, the alarms' topic, the sign-in's issuer.
    Doctor(Doctor),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationCommand {
    /// Create an organization with its six stages.
    Create {
        /// What people call it.
        name: String,
        /// free, starter, professional or enterprise.
        #[arg(long)]
        plan: String,
    },
    /// List all organizations, oldest first.
    List,
    /// Show an organization.
    Show {
        /// Its id.
        id: String,
    },
    /// Put an organization on another plan, from its next request on.
    SetPlan {
        /// Its id.
        id: String,
        /// free, starter, professional or enterprise.
        plan: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key, and print it: this is the one time.
    Create {
        /// The organization's id.
        organization: String,
        /// What people call the key.
        #[arg(long)]
        name: String,
        /// What it may do, such as jobs:read; several with commas or by repeating. `all` stands for every scope that destroys nothing.
        #[arg(long = "scope", value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// From how many days on it is refused; without it, never.
        #[arg(long, value_name = "N")]
        expires_in_days: Option<u16>,
    },
    /// List an organization's keys, oldest first.
    List {
        /// The organization's id.
        organization: String,
    },
    /// Refuse a key from the next request on, for good.
    Revoke {
        /// The organization's id.
        organization: String,
        /// The key's id: the ten characters after `hh_live_`.
        key: String,
    },
}

/// Why nothing was done, in a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "The name of a table is missing: pass {0} NAME, or set {1}; `local` prints the names of its own, and `sam list stack-outputs` those of a \
         stack."
    )]
    NoTable(&'static str, &'static str),
    #[error("No AWS region is set: set AWS_REGION, to that of the stack, or for `local` as it prints.")]
    NoRegion,
    #[error(
        "There are no AWS credentials: sign in with the AWS CLI, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for `local` as it prints."
    )]
    NoCredentials,
    #[error("There is no organization {0}.")]
    UnknownOrganization(String),
    #[error("There is no plan {0}: it is one of free, starter, professional, enterprise.")]
    UnknownPlan(String),
    #[error("There is no scope {0}: it is all, or one of {all}.", all = all_scopes())]
    UnknownScope(String),
    #[error("The organization has no key {0} that is not revoked.")]
    UnknownKey(String),
    #[error("There is no role {0}: it is one of admin, member.")]
    UnknownRole(String),
    #[error("\"{0}\" is not an e-mail address: it {1}.")]
    NotAnEmail(String, InvalidEmail),
    #[error("{0} is a member of an organization already; a person belongs to one.")]
    MemberTaken(String),
    #[error("The organization has no member {0}.")]
    UnknownMember(String),
    #[error(
        "AWS does not say who you are, which the organization's activity notes with every change; nothing was changed: {0}. Check your credentials, and that AWS STS can be reached."
    )]
    Unnamed(String),
    #[error("{0}")]
    Name(String),
    #[error("A key can expire in 1 day at the earliest.")]
    Expiry,
    #[error("The plan {0} allows {1}.")]
    PlanLimit(Plan, String),
    #[error("{0}.")]
    Key(CreateKeyError),
    #[error("{0}.")]
    Db(#[from] DbError),
    #[error("{0}.")]
    Randomness(#[from] NoRandomness),
    #[error("{0} of the checks failed.")]
    Unhealthy(usize),
    #[error("The output can't be written: {0}.")]
    Output(#[from] io::Error),
}

fn all_scopes() -> String {
    Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

impl OrganizationCommand {
    pub(crate) async fn run(self, desk: &Desk, output: &mut Output) -> Result<(), Refusal> {
        let Desk { db, clock, caller } = desk;
        match self {
            Self::Create { name, plan } => {
                let (name, plan) = (checked_name(name)?, parsed_plan(&plan)?);
                let org = organization::create(db, &name, plan, || clock.stamp()).await?;
                let created = find(db, clock, &org.to_string()).await?;
                Ok(output.row(&created)?)
            }
            Self::List => {
                let read = async |last: Option<&Organization>| {
                    organization::list(db, last.map(|last| &last.id), clock.now()).await
                };
                each(read, |organization| output.row(organization)).await
            }
            Self::Show { id } => Ok(output.row(&find(db, clock, &id).await?)?),
            Self::SetPlan { id, plan } => {
                let plan = parsed_plan(&plan)?;
                let organization = find(db, clock, &id).await?;
                let actor = caller.actor().await?;
                if !organization::set_plan(db, &organization.id, clock.now(), plan, &actor).await? {
                    return Err(Refusal::UnknownOrganization(id));
                }
                Ok(output.row(&Organization { plan, ..organization })?)
            }
        }
    }
}

/// Page by page, of which `read` reads the one after a row: however many there are, a hundred are held at a time.
pub(crate) async fn each<T>(
    read: impl AsyncFn(Option<&T>) -> Result<(Vec<T>, bool), DbError>,
    mut show: impl FnMut(&T) -> io::Result<()>,
) -> Result<(), Refusal> {
    let mut last = None;
    loop {
        let (page, more) = read(last.as_ref()).await?;
        for row in &page {
            show(row)?;
        }
        last = page.into_iter().next_back();
        if !more || last.is_none() {
            return Ok(());
        }
    }
}

impl KeyCommand {
    pub(crate) async fn run(self, desk: &Desk, output: &mut Output) -> Result<(), Refusal> {
        let Desk { db, clock, caller } = desk;
        match self {
            Self::Create { organization, name, scopes, expires_in_days } => {
                let (name, scopes) = (checked_name(name)?, parsed_scopes(&scopes)?);
                let expires_at = expires_in_days.map(|days| expiry(clock, days)).transpose()?;
                let organization = find(db, clock, &organization).await?;
                let new = NewKey { name, scopes, expires_at };
                create_key(desk, &organization, new, output).await
            }
            Self::List { organization } => {
                let organization = find(db, clock, &organization).await?;
                let read = async |last: Option<&KeySummary>| api_key::list(db, &organization.id, last).await;
                each(read, |key| output.row(&ListedKey { state: key.state(clock.now()).as_str(), key: key.clone() }))
                    .await
            }
            Self::Revoke { organization, key } => {
                let organization = find(db, clock, &organization).await?;
                let id = KeyId::parse(&key).ok_or_else(|| Refusal::UnknownKey(key.clone()))?;
                if !api_key::revoke(db, &organization.id, &id, clock.now(), &caller.actor().await?).await? {
                    return Err(Refusal::UnknownKey(key));
                }
                if output.is_json() {
                    return Ok(output.json(&serde_json::json!({ "id": key, "revoked": true }))?);
                }
                Ok(output.text(&format!("The key {key} is refused from the next request on."))?)
            }
        }
    }
}

async fn create_key(
    Desk { db, clock, caller }: &Desk,
    organization: &Organization,
    new: NewKey,
    output: &Output,
) -> Result<(), Refusal> {
    let actor = caller.actor().await?;
    let key = ApiKey::generate()?;
    let told = CreatedKey {
        id: key.id().to_string(),
        key: key.reveal(),
        organization: organization.id.to_string(),
        name: new.name.clone(),
        scopes: new.scopes.clone(),
        expires_at: new.expires_at,
    };
    match api_key::create(db, &organization.id, clock.now(), &key, new, &actor).await {
        Ok(()) => {}
        Err(CreateKeyError::PlanLimit(plan)) => return Err(Refusal::PlanLimit(plan, allowed_keys(plan))),
        Err(CreateKeyError::Db(error)) => return Err(error.into()),
        Err(error) => return Err(Refusal::Key(error)),
    }
    if output.is_json() {
        return Ok(output.json(&told)?);
    }
    output.text(&format!("{}\n", key.reveal()))?;
    Ok(output.text("Keep it now: it is not shown again.")?)
}

fn allowed_keys(plan: Plan) -> String {
    match plan.keys() {
        Allowance::Limited(0) => "no key".to_owned(),
        Allowance::Limited(1) => "one key, and the organization has it: revoke it first".to_owned(),
        Allowance::Limited(keys) => format!("{keys} keys, and the organization has them: revoke one first"),
        Allowance::Unlimited => "any number of keys".to_owned(),
    }
}

pub(crate) async fn find(db: &Db, clock: &Clock, id: &str) -> Result<Organization, Refusal> {
    let found = organization::find(db, id, clock.now()).await?;
    found.ok_or_else(|| Refusal::UnknownOrganization(id.to_owned()))
}

fn checked_name(name: String) -> Result<String, Refusal> {
    ShortText::new(&name, "The name").map_err(Refusal::Name)?;
    Ok(name)
}

fn parsed_plan(plan: &str) -> Result<Plan, Refusal> {
    plan.parse().map_err(|UnknownPlan| Refusal::UnknownPlan(plan.to_owned()))
}

fn parsed_scopes(scopes: &[String]) -> Result<Vec<Scope>, Refusal> {
    let mut parsed: Vec<Scope> = Vec::new();
    for scope in scopes {
        if scope == "all" {
            parsed.extend(Scope::granted_by_all());
        } else {
            parsed.push(scope.parse().map_err(|_| Refusal::UnknownScope(scope.clone()))?);
        }
    }
    parsed.sort_unstable();
    parsed.dedup();
    Ok(parsed)
}

fn expiry(clock: &Clock, days: u16) -> Result<Timestamp, Refusal> {
    if days == 0 {
        return Err(Refusal::Expiry);
    }
    Ok(clock.now().plus(DAY * u32::from(days)))
}

impl Row for Organization {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("Id", 36), ("Name", 32), ("Plan", 12), ("Keys", 9), ("This month", 14), ("Created", 24)];

    fn cells(&self) -> Vec<String> {
        let of = |used: u64, allowed: Allowance| match allowed {
            Allowance::Limited(limit) => format!("{used}/{limit}"),
            Allowance::Unlimited => used.to_string(),
        };
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.plan.to_string(),
            of(self.keys, self.plan.keys()),
            of(self.requests_this_month, self.plan.monthly_requests()),
            self.created_at.to_string(),
        ]
    }
}

/// The one answer that has a key in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedKey<'a> {
    id: String,
    key: &'a str,
    organization: String,
    name: String,
    scopes: Vec<Scope>,
    expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct ListedKey {
    state: &'static str,
    #[serde(flatten)]
    key: KeySummary,
}

impl Row for ListedKey {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("Id", 10), ("Ends", 5), ("Name", 24), ("State", 8), ("Created", 24), ("Expires", 24), ("Scopes", 0)];

    fn cells(&self) -> Vec<String> {
        let scopes: Vec<&str> = self.key.scopes.iter().map(|scope| scope.as_str()).collect();
        vec![
            self.key.id.to_string(),
            format!("…{}", self.key.last_four),
            self.key.name.clone(),
            self.state.to_owned(),
            self.key.created_at.to_string(),
            self.key.expires_at.map_or("never".to_owned(), |at| at.to_string()),
            scopes.join(" "),
        ]
    }
}
