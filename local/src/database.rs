//! The embedded DynamoDB, with the template's tables.

use std::{io, net::Ipv4Addr, path::Path, time::Duration};

use aws_sdk_dynamodb::config::{Builder, Credentials, Region};
use dynoxide::{
    Database, DynoxideError,
    actions::{create_table::CreateTableRequest, update_time_to_live::UpdateTimeToLiveRequest},
};
use rusqlite::{Connection, ErrorCode};
use serde_json::{Map, Value, json};
use shared::store::db::{Db, Tables};
use tokio::net::TcpListener;

use crate::{StartError, template::Template};

/// Logical ids of the tables in the template, which are also their names here.
const ACCESS_TABLE: &str = "AccessTable";
const RECORDS_TABLE: &str = "RecordsTable";

/// The format of the data file, kept in the database's `user_version`. Raise it with every change of the table layout that older files
/// don't fit.
pub const FORMAT: i32 = 3;
/// How often expired items are deleted. In AWS it takes up to days.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Marks a data file as ours: the database's `application_id`.
const PROGRAM: i32 = i32::from_be_bytes(*b"HHon");

/// A DynamoDB that runs as long as the process.
#[derive(Clone)]
pub struct Embedded {
    endpoint: String,
    database: Database,
}

impl Embedded {
    /// Opens the data file, or a database in memory; creates missing tables; listens on the address and port, where port 0 picks a free
    /// one.
    pub async fn start(data: Option<&Path>, on: (Ipv4Addr, u16), template: &Template) -> Result<Self, StartError> {
        let database = create(data, template)?;
        let taken = |error| StartError::port("--dynamodb-port", on.1, error);
        let listener = TcpListener::bind(on).await.map_err(taken)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(taken)?);
        tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        Ok(Self { endpoint, database })
    }

    /// Deletes expired items now and every minute, as long as the process runs, by the machine's clock.
    pub fn sweep_expired(&self) {
        let database = self.database.clone();
        tokio::spawn(async move {
            let mut minutes = tokio::time::interval(SWEEP_EVERY);
            loop {
                minutes.tick().await;
                let database = database.clone();
                // It takes the engine's lock page by page, so requests are served meanwhile.
                let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
                if !matches!(swept, Ok(Ok(_))) {
                    tracing::warn!("expired items could not be deleted");
                }
            }
        });
    }

    /// Loopback, on any free port.
    pub const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

    /// Its URL: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The names of its tables.
    #[must_use]
    pub fn tables() -> Tables {
        Tables { access: ACCESS_TABLE.to_owned(), records: RECORDS_TABLE.to_owned() }
    }

    /// A client configuration, to which tests can add.
    #[must_use]
    pub fn config(&self) -> Builder {
        config(&self.endpoint)
    }

    /// Access to its tables.
    #[must_use]
    pub fn db(&self) -> Db {
        Db::embedded(self.config(), Self::tables())
    }
}

/// A client configuration for a DynamoDB on this machine.
#[must_use]
pub fn config(endpoint: &str) -> Builder {
    Builder::new()
        .endpoint_url(endpoint)
        .region(Region::from_static("local"))
        // The embedded DynamoDB requires signed requests, but accepts any credentials.
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
}

/// Opens the data file, or a database in memory, and creates missing tables.
pub fn create(data: Option<&Path>, template: &Template) -> Result<Database, StartError> {
    let database = open(data)?;
    for (name, properties) in &template.tables {
        create_table(&database, name, properties)?;
    }
    Ok(database)
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

/// Fails unless the data file is new, or intact and of this format. Never writes to a file that is not ours.
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
    let found = match (program, format) {
        (PROGRAM, FORMAT) => None,
        (PROGRAM, other) => Some(format!("format {other}")),
        _ => Some("no format number".to_owned()),
    };
    if let Some(found) = found {
        return Err(StartError::DataFormat(path.to_owned(), found));
    }
    let state: String = file.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if state == "ok" { Ok(()) } else { Err(StartError::DataDamaged(path.to_owned())) }
}

fn create_table(database: &Database, name: &str, properties: &Map<String, Value>) -> Result<(), StartError> {
    // AWS::DynamoDB::Table has the properties of CreateTable, and some that a local table does not need.
    let wanted = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"];
    let mut request: Map<String, Value> = properties
        .iter()
        .filter(|(key, _)| wanted.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    request.insert("TableName".to_owned(), name.into());
    let request: CreateTableRequest =
        serde_json::from_value(request.into()).map_err(|error| StartError::Template(format!("{name}: {error}")))?;
    let wrong = |error: &dyn std::fmt::Display| StartError::Template(format!("{name}: {error}"));
    match database.create_table(request) {
        Ok(_) => {}
        Err(DynoxideError::ResourceInUseException(_)) => return Ok(()),
        Err(error) => return Err(wrong(&error)),
    }
    if let Some(expiry) = properties.get("TimeToLiveSpecification") {
        let request = json!({ "TableName": name, "TimeToLiveSpecification": expiry });
        let request: UpdateTimeToLiveRequest = serde_json::from_value(request).map_err(|error| wrong(&error))?;
        database.update_time_to_live(request).map_err(|error| wrong(&error))?;
    }
    Ok(())
}
