//! Why a command failed, as printed.

use std::io;

use shared::{
    model::{key::NoRandomness, plan::Plan, role::Role, scope::Scope, value::InvalidEmail},
    store::{
        api_key::CreateKeyError,
        error::{DbError, StoreError},
    },
};

/// Why a command failed, in a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(
        "The table name is missing: pass {0} NAME or set {1}. `sam list stack-outputs` shows the names for a stack, and `local` prints its \
         own."
    )]
    NoTable(&'static str, &'static str),
    #[error("No AWS region is set: set AWS_REGION to the region of the stack, or to the value that `local` prints.")]
    NoRegion,
    #[error(
        "No AWS credentials found: sign in with the AWS CLI, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for `local`, to the values that it prints)."
    )]
    NoCredentials,
    #[error("Organization not found: {0}.")]
    UnknownOrganization(String),
    #[error("Unknown plan: {0}. Use one of {plans}.", plans = all_plans())]
    UnknownPlan(String),
    #[error("Unknown scope: {0}. Use all, or any of {all}.", all = all_scopes())]
    UnknownScope(String),
    #[error("The organization has no active key {0}.")]
    UnknownKey(String),
    #[error("Unknown role: {0}. Use one of {roles}.", roles = all_roles())]
    UnknownRole(String),
    #[error("\"{0}\" is not a valid email address: it {1}.")]
    NotAnEmail(String, InvalidEmail),
    #[error("{0} is already a member of an organization. A person can only belong to one.")]
    MemberTaken(String),
    #[error("The organization has no member {0}.")]
    UnknownMember(String),
    #[error(
        "Can't identify you with AWS STS, which is required because the organization's activity log records who makes each change. Nothing was changed. Check your credentials and that AWS STS is reachable: {0}."
    )]
    Unnamed(String),
    #[error("{0}")]
    Name(String),
    #[error("A key must be valid for at least 1 day.")]
    Expiry,
    #[error("The plan {0} allows {1}.")]
    PlanLimit(Plan, String),
    #[error(
        "Nothing was changed. On the plan {0}, an organization can have only as many keys as the plan allows, all of one group (the first \
         seven characters of their IDs). Revoke these first, or others instead: {1}."
    )]
    TooManyKeys(Plan, String),
    #[error("{0}.")]
    Key(CreateKeyError),
    #[error("{0}.")]
    Db(#[from] DbError),
    #[error("{0}.")]
    Store(#[from] StoreError),
    #[error("{} could not be finished. Run the command again.", erasures(*.0))]
    Erasures(usize),
    #[error("{0}.")]
    Randomness(#[from] NoRandomness),
    #[error("{0} checks failed.")]
    Unhealthy(usize),
    #[error("Can't write the output: {0}.")]
    Output(#[from] io::Error),
}

fn all_scopes() -> String {
    Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

/// Every plan, for an error or the help.
pub(crate) fn all_plans() -> String {
    Plan::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn all_roles() -> String {
    Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

fn erasures(number: usize) -> String {
    if number == 1 { "1 erasure".to_owned() } else { format!("{number} erasures") }
}
