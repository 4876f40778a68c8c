//! Why a command did nothing, in the words that are printed.

use std::io;

use shared::{
    model::{key::NoRandomness, plan::Plan, role::Role, scope::Scope, value::InvalidEmail},
    store::{api_key::CreateKeyError, error::DbError},
};

/// Why nothing was done, in a sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
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
    #[error("There is no plan {0}: it is one of {plans}.", plans = all_plans())]
    UnknownPlan(String),
    #[error("There is no scope {0}: it is all, or one of {all}.", all = all_scopes())]
    UnknownScope(String),
    #[error("The organization has no key {0} that is not revoked.")]
    UnknownKey(String),
    #[error("There is no role {0}: it is one of {roles}.", roles = all_roles())]
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

fn all_plans() -> String {
    Plan::ALL.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn all_roles() -> String {
    Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}
