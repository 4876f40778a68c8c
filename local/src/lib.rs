//! The whole API on one machine: a stand-in for API Gateway, an embedded DynamoDB, demo data.
//!
//! It serves the same functions as AWS does, through the same events. What it has of its own is only what AWS has
//! around them: [`template`] reads the routes and tables of `template.yaml`, [`gateway`] turns requests into events, and
//! [`database`] is DynamoDB. [`demo`] fills it.

pub mod cors;
pub mod database;
pub mod demo;
pub mod gateway;
pub mod host;
pub mod issuer;
pub mod template;

use std::{collections::HashMap, io, path::PathBuf, sync::Arc};

use functions::FUNCTIONS;
use settings::Issuer;
use shared::{
    http::{app::App, serve::Api},
    model::{body::InvalidBody, key::NoRandomness},
    store::error::{DbError, StoreError},
};

/// Every function as it is served, under its `CodeUri`, with a state of its own, as every Lambda function has. `issuer` is who signs
/// people in to the settings.
pub fn apis(app: impl Fn() -> App, issuer: Issuer) -> HashMap<&'static str, Api> {
    let issuer = Arc::new(issuer);
    FUNCTIONS.iter().map(|function| (function.code_uri, (function.api)(app(), &issuer))).collect()
}

/// Why it can't start, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The template is not there, or not readable.
    #[error("Can't read the template {0}: {1}.")]
    TemplateUnreadable(PathBuf, io::Error),
    /// The template is not one that this can serve.
    #[error("Can't serve the template: {0}.")]
    Template(String),
    /// The data file can't be reached.
    #[error("Can't open the data file {0}: {1}.")]
    Data(PathBuf, String),
    /// The data file is no database, or one that is damaged.
    #[error("The data file {0} is damaged or belongs to another program: {REPLACE}.")]
    DataDamaged(PathBuf),
    /// The data file was written by a version whose tables are laid out otherwise, or by another program.
    #[error("The data file {0} has {1}, but this version reads format {FORMAT}: {REPLACE}.", FORMAT = database::FORMAT)]
    DataFormat(PathBuf, String),
    /// The port is taken.
    #[error(
        "Port {port} is already in use. Stop the program that uses it, or choose another port with {option} (0 picks a free one)."
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// The option that chooses it.
        option: &'static str,
    },
    /// The port is not ours to take.
    #[error("Can't listen on port {port}: {error}. Choose another port with {option}.")]
    Port {
        /// The port.
        port: u16,
        /// The option that chooses it.
        option: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The keys can't be written.
    #[error("Can't write the keys file {0}: {1}.")]
    KeysFile(PathBuf, io::Error),
    /// The development issuer can't sign.
    #[error("Can't start the development issuer: {0}.")]
    Issuer(&'static str),
    /// The demo data can't be written.
    #[error("Can't write the demo data: {0}.")]
    Demo(String),
}

/// What to do about a data file that is of no use.
const REPLACE: &str = "move it away, or choose another with --data; a new file gets the demo data";

impl StartError {
    /// Why the port that `option` chose can't be listened on.
    #[must_use]
    pub fn port(option: &'static str, port: u16, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken { port, option },
            _ => Self::Port { port, option, error },
        }
    }
}

impl From<DbError> for StartError {
    fn from(error: DbError) -> Self {
        Self::Demo(error.to_string())
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Demo(error.to_string())
    }
}

impl From<InvalidBody> for StartError {
    fn from(wrong: InvalidBody) -> Self {
        Self::Demo(format!("{wrong:?}"))
    }
}

impl From<NoRandomness> for StartError {
    fn from(error: NoRandomness) -> Self {
        Self::Demo(error.to_string())
    }
}
