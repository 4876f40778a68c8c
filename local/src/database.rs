//! The embedded DynamoDB, and its tables as the template has them.

use std::{io, net::Ipv4Addr, path::Path};

use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
use dynoxide::{Database, DynoxideError, actions::create_table::CreateTableRequest};
use rusqlite::{Connection, ErrorCode};
use serde_json::{Map, Value};
use shared::store::db::{Db, Tables};
use tokio::net::TcpListener;

use crate::{StartError, template::Template};

/// Logical ids of the tables in the template; here they are also their names.
const ACCESS_TABLE: &str = "AccessTable";
const RECORDS_TABLE: &str = "RecordsTable";

/// The format of the data file: raise it with every change of how items lie in the tables that makes older ones unreadable. It is the
/// `user_version` of the database.
pub const FORMAT: i32 = 1;
/// Whose the data file is: the `application_id` of the database.
const PROGRAM: i32 = i32::from_be_bytes(*b"HHon");

/// A DynamoDB that serves for as long as the process lives.
#[derive(Clone, Debug)]
pub struct Embedded {
    endpoint: String,
}

impl Embedded {
    /// Opens the data file, or a database in memory; creates the tables that are not there yet; serves on the address and
    /// port, of which 0 is any that is free.
    pub async fn start(data: Option<&Path>, on: (Ipv4Addr, u16), template: &Template) -> Result<Self, StartError> {
        let database = open(data)?;
        for (name, properties) in &template.tables {
            create_table(&database, name, properties)?;
        }
        let taken = |error| StartError::port("--dynamodb-port", on.1, error);
        let listener = TcpListener::bind(on).await.map_err(taken)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(taken)?);
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        Ok(Self { endpoint })
    }

    /// On loopback, on any port that is free.
    pub const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

    /// Where it serves: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What its tables are called.
    #[must_use]
    pub fn tables() -> Tables {
        Tables { access: ACCESS_TABLE.to_owned(), records: RECORDS_TABLE.to_owned() }
    }

    /// A client's configuration. Tests add to it what they measure with.
    #[must_use]
    pub fn config(&self) -> Builder {
        config(&self.endpoint)
    }

    /// The way to its tables.
    #[must_use]
    pub fn db(&self) -> Db {
        Db::with(self.config(), Self::tables())
    }
}

/// The configuration of a client of a DynamoDB on this machine.
#[must_use]
pub fn config(endpoint: &str) -> Builder {
    Builder::new()
        .endpoint_url(endpoint)
        .region(Region::from_static("local"))
        // The embedded DynamoDB wants requests that are signed, by whomever.
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
}

fn open(data: Option<&Path>) -> Result<Database, StartError> {
    let Some(path) = data else {
        return Database::memory().map_err(|error| StartError::Data("in memory".into(), error.to_string()));
    };
    let unreadable = |why: &str| StartError::Data(path.to_owned(), why.to_owned());
    let name = path.to_str().ok_or_else(|| unreadable("its name is not UTF-8"))?;
    check(path)?;
    Database::new(name).map_err(|error| unreadable(error.to_string().trim_end_matches('.')))
}

/// Fails unless the data file is new, or whole and of this format. Nothing is written to one that is not ours.
fn check(path: &Path) -> Result<(), StartError> {
    let unreadable = |why: String| StartError::Data(path.to_owned(), why);
    match path.metadata() {
        Ok(found) if found.is_dir() => return Err(unreadable("it is a directory".to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
            if let Some(folder) = folder {
                return Err(unreadable(format!("there is no directory {}", folder.display())));
            }
        }
        Err(error) => return Err(unreadable(error.to_string())),
    }
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StartError::DataDamaged(path.to_owned()),
        _ => unreadable(error.to_string()),
    };
    let file = Connection::open(path).map_err(failed)?;
    let number = |pragma: &str| file.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map_err(failed);
    let objects: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let (program, format) = (number("application_id")?, number("user_version")?);
    if objects == 0 && (program, format) == (0, 0) {
        file.pragma_update(None, "application_id", PROGRAM).map_err(failed)?;
        return file.pragma_update(None, "user_version", FORMAT).map_err(failed);
    }
    let told = match (program, format) {
        (PROGRAM, FORMAT) => None,
        (PROGRAM, other) => Some(format!("format {other}")),
        _ => Some("no format number".to_owned()),
    };
    if let Some(told) = told {
        return Err(StartError::DataFormat(path.to_owned(), told));
    }
    let state: String = file.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if state == "ok" { Ok(()) } else { Err(StartError::DataDamaged(path.to_owned())) }
}

fn create_table(database: &Database, name: &str, properties: &Map<String, Value>) -> Result<(), StartError> {
    // The properties of AWS::DynamoDB::Table are those of CreateTable, but for some that a machine has no use for.
    let wanted = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"];
    let mut request: Map<String, Value> = properties
        .iter()
        .filter(|(key, _)| wanted.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    request.insert("TableName".to_owned(), name.into());
    let request: CreateTableRequest =
        serde_json::from_value(request.into()).map_err(|error| StartError::Template(format!("{name}: {error}")))?;
    match database.create_table(request) {
        Ok(_) | Err(DynoxideError::ResourceInUseException(_)) => Ok(()),
        Err(error) => Err(StartError::Template(format!("{name}: {error}"))),
    }
}
