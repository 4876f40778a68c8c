//! The whole API on one machine: a stand-in for API Gateway, an embedded DynamoDB, and demo data.
//!
//! It serves the same functions as AWS does, through the same events. Its own code covers only what AWS puts around them: [`template`]
//! reads the routes, schedules and tables of `template.yaml`, [`gateway`] turns requests into events, [`schedule`] runs what is due,
//! [`database`] is DynamoDB, and [`issuer`] is the OpenID issuer. [`host`] rejects requests for other hosts, [`cors`] adds the CORS headers, and [`demo`] writes the demo data.

pub mod cors;
pub mod database;
pub mod demo;
pub mod gateway;
pub mod host;
pub mod issuer;
pub mod schedule;
pub mod template;

use std::{collections::HashMap, io, path::PathBuf, sync::Arc};

use functions::{FUNCTIONS, Function, Trigger};
use settings::Issuer;
use shared::{
    http::{app::App, serve::Api},
    model::{body::InvalidBody, key::NoRandomness},
    schedule::Task,
    store::error::{DbError, StoreError},
};

/// The API of every function that serves requests by its `CodeUri`, each with a state of its own, like every Lambda function. `issuer`
/// signs people in to the settings.
pub fn apis(app: impl Fn() -> App, issuer: Issuer) -> HashMap<&'static str, Api> {
    let issuer = Arc::new(issuer);
    let api = |function: &Function| match function.trigger {
        Trigger::Http(make) => Some((function.code_uri, make(app(), &issuer))),
        Trigger::Schedule(_) => None,
    };
    FUNCTIONS.iter().filter_map(api).collect()
}

/// Every function that runs on a schedule by its `CodeUri`, each with a state of its own.
pub fn tasks(app: impl Fn() -> App) -> HashMap<&'static str, Task> {
    let task = |function: &Function| match function.trigger {
        Trigger::Http(_) => None,
        Trigger::Schedule(make) => Some((function.code_uri, make(app()))),
    };
    FUNCTIONS.iter().filter_map(task).collect()
}

/// Why the server can't start, in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The template is missing or not readable.
    #[error("Can't read the template {0}: {1}.")]
    TemplateUnreadable(PathBuf, io::Error),
    /// The template can't be served.
    #[error("Can't serve the template: {0}.")]
    Template(String),
    /// The data file can't be opened.
    #[error("Can't open the data file {0}: {1}.")]
    Data(PathBuf, String),
    /// The data file is not a database, or a damaged one.
    #[error("The data file {0} is damaged or belongs to another program: {REPLACE}.")]
    DataDamaged(PathBuf),
    /// The data file was written by a version with a different table layout, or by another program.
    #[error("The data file {0} has {1}, but this version reads format {FORMAT}: {REPLACE}.", FORMAT = database::FORMAT)]
    DataFormat(PathBuf, String),
    /// The port is in use.
    #[error(
        "Port {port} is already in use. Stop the program that uses it, or choose another port with {option} (0 picks a free one)."
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// The option that chooses it.
        option: &'static str,
    },
    /// The port can't be listened on for another reason, such as missing permission.
    #[error("Can't listen on port {port}: {error}. Choose another port with {option}.")]
    Port {
        /// The port.
        port: u16,
        /// The option that chooses it.
        option: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// The keys file can't be written.
    #[error("Can't write the keys file {0}: {1}.")]
    KeysFile(PathBuf, io::Error),
    /// The development issuer can't sign.
    #[error("Can't start the development issuer: {0}.")]
    Issuer(&'static str),
    /// The demo data can't be written.
    #[error("Can't write the demo data: {0}.")]
    Demo(String),
}

/// What to do about an unusable data file.
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
