//! The commands for organizations and their plans.

use clap::Subcommand;
use shared::{
    model::{
        key::{AccountId, KeyId},
        plan::{Allowance, Plan, UnknownPlan},
    },
    store::organization::{self, Organization, PlanChange},
};

use crate::{
    desk::{Desk, checked_name, each, find},
    error::{CommandError, all_plans},
    output::{Output, Row},
};

#[derive(Debug, Subcommand)]
pub(crate) enum OrganizationCommand {
    /// Create an organization with the six default pipeline stages.
    Create {
        /// Name of the organization.
        name: String,
        #[arg(long, help = plan_help())]
        plan: String,
    },
    /// List all organizations, oldest first.
    List,
    /// Show an organization.
    Show {
        /// ID of the organization.
        id: String,
    },
    /// Change an organization's plan, effective from its next request.
    SetPlan {
        /// ID of the organization.
        id: String,
        #[arg(help = plan_help())]
        plan: String,
    },
}

fn plan_help() -> String {
    format!("Plan: {}", all_plans())
}

impl OrganizationCommand {
    pub(crate) async fn run(self, desk: &Desk, output: &mut Output) -> Result<(), CommandError> {
        let Desk { db, clock, caller } = desk;
        match self {
            Self::Create { name, plan } => {
                let (name, plan) = (checked_name(&name)?, parsed_plan(&plan)?);
                let org = organization::create(db, &name, plan, &AccountId::generate()?, || clock.stamp()).await?;
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
                match organization::set_plan(db, &organization.id, clock.now(), plan, &actor).await? {
                    PlanChange::Done => Ok(output.row(&Organization { plan, ..organization })?),
                    PlanChange::TooManyKeys(revoke) => Err(CommandError::TooManyKeys(plan, ids(&revoke))),
                    PlanChange::Unknown => Err(CommandError::UnknownOrganization(id)),
                }
            }
        }
    }
}

fn ids(keys: &[KeyId]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn parsed_plan(plan: &str) -> Result<Plan, CommandError> {
    plan.parse().map_err(|UnknownPlan| CommandError::UnknownPlan(plan.to_owned()))
}

impl Row for Organization {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("ID", 36), ("Name", 32), ("Plan", 12), ("Keys", 9), ("This month", 14), ("Created", 24)];

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
