//! What a handler is given: the database, the clock, and this instance's memory. And the only reader of the environment.

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
    /// The way to the tables.
    pub db: Db,
    /// The time, and new ids.
    pub clock: Clock,
    pub(crate) memory: Arc<Memory>,
}

/// Nothing of the request.
impl<S> Part for State<S> {
    fn describe(_: &mut Operation) {}
}

/// The environment lacks something or has something of no use.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// A variable that must be set is not, or is empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The HTTP client can't be built.
    #[error(transparent)]
    Tls(#[from] NoTls),
}

impl App {
    /// An instance of its own: with an empty memory.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, memory: Arc::default() }
    }

    /// The instance that runs in Lambda, or wherever the environment names: `ACCESS_TABLE` and `RECORDS_TABLE`, and of
    /// the AWS variables `AWS_REGION`, the credentials, and `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL`.
    pub fn from_env() -> Result<Self, SettingError> {
        let tables = Tables { access: required("ACCESS_TABLE")?, records: required("RECORDS_TABLE")? };
        let region = required("AWS_REGION")?;
        let endpoint = optional("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| optional("AWS_ENDPOINT_URL"));
        Ok(Self::new(connect(tables, region, endpoint)?, Clock::system()))
    }
}

/// A variable of the environment, if it is set and not empty.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable of the environment that must be set.
pub fn required(name: &'static str) -> Result<String, SettingError> {
    optional(name).ok_or(SettingError::Missing(name))
}
