//! The commands for an organization's keys.

use clap::Subcommand;
use serde::Serialize;
use shared::{
    model::{
        clock::{Clock, DAY, Timestamp},
        key::KeyId,
        plan::{Allowance, Plan},
        scope::Scope,
    },
    store::{
        api_key::{self, CreateKeyError, KeySummary, NewKey},
        organization::Organization,
    },
};

use crate::{
    desk::{Desk, checked_name, each, find},
    error::CommandError,
    output::{Output, Row},
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print it. The key is shown only once.
    Create {
        /// ID of the organization.
        organization: String,
        /// Name of the key.
        #[arg(long)]
        name: String,
        /// Scopes, such as jobs:read. Separate several with commas, or repeat the option. `all` means every scope that can't destroy data.
        #[arg(long = "scope", value_delimiter = ',', required = true)]
        scopes: Vec<String>,
        /// Days until the key expires. By default, it never does.
        #[arg(long, value_name = "N")]
        expires_in_days: Option<u16>,
    },
    /// List an organization's keys, oldest first.
    List {
        /// ID of the organization.
        organization: String,
    },
    /// Revoke a key permanently, effective from the next request.
    Revoke {
        /// ID of the organization.
        organization: String,
        /// ID of the key: the ten characters after `hh_live_`.
        key: String,
    },
}

impl KeyCommand {
    pub(crate) async fn run(self, desk: &Desk, output: &mut Output) -> Result<(), CommandError> {
        let Desk { db, clock, caller } = desk;
        match self {
            Self::Create { organization, name, scopes, expires_in_days } => {
                let (name, scopes) = (checked_name(&name)?, parsed_scopes(&scopes)?);
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
                let id = KeyId::parse(&key).ok_or_else(|| CommandError::UnknownKey(key.clone()))?;
                if !api_key::revoke(db, &organization.id, &id, clock.now(), &caller.actor().await?).await? {
                    return Err(CommandError::UnknownKey(key));
                }
                if output.is_json() {
                    return Ok(output.json(&serde_json::json!({ "id": key, "revoked": true }))?);
                }
                Ok(output.text(&format!("Revoked key {key}. It stops working from the next request."))?)
            }
        }
    }
}

async fn create_key(
    Desk { db, clock, caller }: &Desk,
    organization: &Organization,
    new: NewKey,
    output: &Output,
) -> Result<(), CommandError> {
    let actor = caller.actor().await?;
    let NewKey { name, scopes, expires_at } = new.clone();
    let key = match api_key::create(db, &organization.id, clock.now(), new, &actor).await {
        Ok(key) => key,
        Err(CreateKeyError::PlanLimit(plan)) => return Err(CommandError::PlanLimit(plan, allowed_keys(plan))),
        Err(CreateKeyError::Db(error)) => return Err(error.into()),
        Err(error) => return Err(CommandError::Key(error)),
    };
    let created = CreatedKey {
        id: key.id().to_string(),
        key: key.reveal(),
        organization: organization.id.to_string(),
        name: name.as_str().to_owned(),
        scopes,
        expires_at,
    };
    if output.is_json() {
        return Ok(output.json(&created)?);
    }
    output.text(&format!("{}\n", key.reveal()))?;
    Ok(output.text("Copy the key now. You won't be able to see it again.")?)
}

fn allowed_keys(plan: Plan) -> String {
    match plan.keys() {
        Allowance::Limited(0) => "no keys".to_owned(),
        Allowance::Limited(1) => "one key, and the organization already has it. Revoke it first".to_owned(),
        Allowance::Limited(keys) => format!("{keys} keys, and the organization already has them. Revoke one first"),
        Allowance::Unlimited => "any number of keys".to_owned(),
    }
}

fn parsed_scopes(scopes: &[String]) -> Result<Vec<Scope>, CommandError> {
    let mut parsed: Vec<Scope> = Vec::new();
    for scope in scopes {
        if scope == "all" {
            parsed.extend(Scope::granted_by_all());
        } else {
            parsed.push(scope.parse().map_err(|_| CommandError::UnknownScope(scope.clone()))?);
        }
    }
    parsed.sort_unstable();
    parsed.dedup();
    Ok(parsed)
}

fn expiry(clock: &Clock, days: u16) -> Result<Timestamp, CommandError> {
    if days == 0 {
        return Err(CommandError::Expiry);
    }
    Ok(clock.now().plus(DAY * u32::from(days)))
}

/// The only output that contains a key.
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
        &[("ID", 10), ("Last 4", 6), ("Name", 24), ("State", 8), ("Created", 24), ("Expires", 24), ("Scopes", 0)];

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
