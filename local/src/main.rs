//! `cargo run -p local`: serves the whole API on one machine.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use axum::{Router, middleware, routing::any};
use clap::Parser;
use local::{
    StartError,
    database::Embedded,
    demo::{self, DemoKey},
    gateway::{self, Gateway},
    host::{self, Hosts},
    issuer, schedule,
    template::{REPOSITORY_TEMPLATE, Template},
};
use shared::{
    http::{app::App, log},
    model::{clock::Clock, key::ApiKey, plan::Plan},
    store::db::Tables,
};
use tokio::net::TcpListener;

/// Run the whole Head Honta API on this machine: an HTTP API on port 3000, an embedded DynamoDB and demo data.
#[derive(Debug, Parser)]
#[command(name = "local")]
struct Options {
    /// Port to listen on; 0 picks a free one.
    #[arg(long, value_name = "N", default_value_t = 3000)]
    port: u16,
    /// File to keep the data in. Without it, the data is in memory and is lost on exit.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Also write the demo keys to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// Port for the embedded DynamoDB, for `sam local`, the AWS CLI and other tools.
    #[arg(long, value_name = "N")]
    dynamodb_port: Option<u16>,
    /// Address for the embedded DynamoDB, so that containers can reach it. Access is not restricted.
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    dynamodb_host: Ipv4Addr,
    /// Allow web pages from this origin to call the API, like the `CorsOrigins` parameter on AWS. Can be repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
    /// Also accept requests for this host name, such as that of a tunnel or proxy. Can be repeated. By default, only loopback names are
    /// accepted, which protects against DNS rebinding.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match cli::parse::<Options>() {
        Ok(options) => options,
        Err(code) => return code,
    };
    // The log goes to standard error: people and scripts read standard output.
    let _ = tracing::subscriber::set_global_default(log::subscriber(io::stderr));
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), StartError> {
    let mut template = Template::read(Path::new(REPOSITORY_TEMPLATE))?;
    template.cors.origins.extend(options.cors_origins.iter().cloned());
    // Bind the port first: if it is taken, nothing else should have happened.
    let taken = |error| StartError::port("--port", options.port, error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let dynamodb = (options.dynamodb_host, options.dynamodb_port.unwrap_or(0));
    let database = Embedded::start(options.data.as_deref(), dynamodb, &template).await?;
    database.sweep_expired();
    let db = database.db();
    let origin = format!("http://{address}");
    let issuer = Arc::new(issuer::Issuer::new(&origin, sites(address), demo::people(), Clock::system())?);
    let app = || App::new(db.clone(), Clock::system());
    let gateway = Gateway::new(&template, app, settings::Issuer::new(issuer.url(), issuer::CLIENT_ID, None))?;
    // Keys from an earlier start are only valid with the data of that start.
    let earlier = options.keys_file.as_deref().filter(|_| options.data.is_some()).map(earlier_keys).unwrap_or_default();
    let keys = demo::seed_keeping(&db, &earlier).await?;
    if let Some(path) = &options.keys_file {
        write_keys(path, &keys).map_err(|error| StartError::KeysFile(path.clone(), error))?;
    }
    schedule::start(&template, app)?;
    // Set up before the greeting, since a reader may send a signal right after it.
    let ended = ended();
    // The reader may have closed the pipe; that is no reason to stop serving.
    let _ = greet(&mut io::stdout(), options, &database, address, &keys);

    let hosts = Hosts::new(&options.allow_host);
    let service = Router::new()
        .fallback(any(gateway::serve))
        .with_state(Arc::new(gateway))
        .merge(issuer::router(issuer))
        .layer(middleware::from_fn_with_state(Arc::new(hosts), host::check));
    axum::serve(listener, service.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(ended)
        .await
        .map_err(taken)
}

/// The origins of both names that browsers use for this machine.
fn sites(address: SocketAddr) -> Vec<String> {
    [address.to_string(), format!("localhost:{}", address.port())].map(|host| format!("http://{host}")).to_vec()
}

/// The keys that an earlier start left in the file. Skips anything that can't be parsed.
fn earlier_keys(path: &Path) -> Vec<ApiKey> {
    let rows: Vec<serde_json::Value> =
        fs::read(path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    rows.iter().filter_map(|row| ApiKey::parse(row["key"].as_str()?)).collect()
}

fn write_keys(path: &Path, keys: &[DemoKey]) -> io::Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(true);
    let mut file = file.open(path)?;
    // `mode` would not apply to a file that already exists and others can read.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let mut json = serde_json::to_vec_pretty(keys)?;
    json.push(b'\n');
    file.write_all(&json)
}

fn greet(
    out: &mut impl Write,
    options: &Options,
    database: &Embedded,
    address: SocketAddr,
    keys: &[DemoKey],
) -> io::Result<()> {
    let new = match (&options.data, &options.keys_file) {
        (Some(_), Some(_)) => "kept across restarts",
        (Some(_), None) => "new on every start unless you pass --keys-file",
        (None, _) => "new on every start",
    };
    writeln!(out, "\nThe Head Honta API is running on this machine. Demo keys, {new}:\n")?;
    writeln!(out, "  {:<33} {:<13} {:<10} Key", "Organization", "Plan", "Label")?;
    for key in keys {
        writeln!(out, "  {:<33} {:<13} {:<10} {}", key.organization, key.plan.as_str(), key.label, key.key)?;
    }
    let data = options.data.as_deref().map_or("in memory, lost on exit".to_owned(), |path| path.display().to_string());
    writeln!(out, "\nData: {data}. DynamoDB: {}.", database.endpoint())?;
    let Tables { access, records } = Embedded::tables();
    writeln!(out, "\nFor the operator command and the AWS CLI:\n")?;
    writeln!(out, "  export AWS_ENDPOINT_URL_DYNAMODB={} AWS_REGION=local", database.endpoint())?;
    writeln!(out, "  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local")?;
    writeln!(out, "  export ACCESS_TABLE={access} RECORDS_TABLE={records}")?;
    if let Some(key) = keys.iter().find(|key| key.plan == Plan::Professional) {
        writeln!(out, "\nTry it:\n")?;
        writeln!(out, "  curl -s -H \"X-API-Key: {}\" \"http://{address}/api/v1/jobs?status=open&limit=10\"", key.key)?;
        writeln!(out, "\nFor the README's examples:\n\n  export HH_KEY={}\n", key.key)?;
    }
    writeln!(out, "Guides and API explorer: http://{address}/docs\n")?;
    writeln!(
        out,
        "Settings, where you create and manage API keys (sign in as a demo user): http://{address}/settings\n"
    )?;
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// Waits for Ctrl-C (SIGINT), or SIGTERM from a process manager.
#[cfg(unix)]
fn ended() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        match signals {
            (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            // Without handlers, the system's default action still ends the process.
            _ => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
async fn ended() {
    let _ = tokio::signal::ctrl_c().await;
}
