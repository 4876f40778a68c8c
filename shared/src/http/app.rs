//! The state of a function: the database, the clock, and this instance's memory. It is the only reader of the environment, and knows no
//! request.

use std::sync::Arc;

use axum::extract::State;

use crate::{
    admission::memory::Memory,
    contract::operation::{Operation, Part},
    model::clock::Clock,
    store::{
        connect::{NoTls, connect},
        db::{Db, Tables},
    },
};

/// The state that every handler can take.
#[derive(Clone, Debug)]
pub struct App {
    /// Reaches the tables.
    pub db: Db,
    /// Supplies the time and new ids.
    pub clock: Clock,
    pub(crate) memory: Arc<Memory>,
}

/// It takes nothing from the request.
impl<S> Part for State<S> {
    fn describe(_: &mut Operation) {}
}

/// The environment is incomplete or invalid.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A required variable is unset or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The HTTP client can't be built.
    #[error(transparent)]
    Tls(#[from] NoTls),
}

impl App {
    /// A new instance, with an empty memory.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, memory: Arc::default() }
    }

    /// Configures an instance from the environment, in Lambda or elsewhere: `ACCESS_TABLE`, `RECORDS_TABLE`, `AWS_REGION`, the AWS
    /// credentials, and optionally `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL`.
    pub fn from_env() -> Result<Self, SettingError> {
        let tables = Tables { access: required("ACCESS_TABLE")?, records: required("RECORDS_TABLE")? };
        let region = required("AWS_REGION")?;
        let endpoint = optional("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| optional("AWS_ENDPOINT_URL"));
        Ok(Self::new(connect(tables, region, endpoint)?, Clock::system()))
    }
}

/// An environment variable, if it is set and not empty.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An environment variable that must be set.
pub fn required(name: &'static str) -> Result<String, SettingError> {
    optional(name).ok_or(SettingError::Missing(name))
}
