//! `cargo run -p local`: serves the whole API on one machine.

use std::{
    fs::OpenOptions,
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
    issuer,
    template::{REPOSITORY_TEMPLATE, Template},
};
use shared::{app::App, clock::Clock, log, plan::Plan};
use tokio::net::TcpListener;

/// The Head Honta API, whole, on this machine: an HTTP API on port 3000, an embedded DynamoDB, demo data.
#[derive(Debug, Parser)]
#[command(name = "local")]
struct Options {
    /// Serve on this port; 0 picks a free one.
    #[arg(long, value_name = "N", default_value_t = 3000)]
    port: u16,
    /// Keep the data in this file; without it, it is in memory and gone at the end.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Also write the demo keys to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    keys_file: Option<PathBuf>,
    /// Also serve the embedded DynamoDB on this port, for `sam local`, the AWS CLI and other tools.
    #[arg(long, value_name = "N")]
    dynamodb_port: Option<u16>,
    /// Serve the embedded DynamoDB on this address, where containers reach it. It lets everybody in.
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    dynamodb_host: Ipv4Addr,
    /// Let pages of this origin call the API from a browser, as the parameter `CorsOrigins` does on AWS; can be repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
    /// Also answer requests for this host, such as that of a tunnel or a proxy to here; may be repeated. Without it, only those for
    /// loopback's names are answered, so that no web page reaches this machine under a name of its own.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    // The log goes to standard error, so that standard output is what a person or a script waits for.
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
    // The port first: when it is taken, nothing else should have happened.
    let taken = |error| StartError::Port(options.port, error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let dynamodb = (options.dynamodb_host, options.dynamodb_port.unwrap_or(0));
    let database = Embedded::start(options.data.as_deref(), dynamodb, &template).await?;
    let db = database.db();
    let origin = format!("http://{address}");
    let issuer = Arc::new(issuer::Issuer::new(&origin, sites(address), demo::people(), Clock::system())?);
    let app = || App::new(db.clone(), Clock::system());
    let gateway = Gateway::new(&template, app, settings::Issuer::new(issuer.url(), issuer::CLIENT_ID, None))?;
    let keys = demo::seed(&db).await?;
    if let Some(path) = &options.keys_file {
        write_keys(path, &keys).map_err(|error| StartError::KeysFile(path.clone(), error))?;
    }
    // Whoever reads the output may have gone; that is no reason to stop serving.
    let _ = greet(&mut io::stdout(), options, &database, address, &keys);

    let hosts = Hosts::new(&options.allow_host);
    let service = Router::new()
        .fallback(any(gateway::serve))
        .with_state(Arc::new(gateway))
        .merge(issuer::router(issuer))
        .layer(middleware::from_fn_with_state(Arc::new(hosts), host::check));
    axum::serve(listener, service.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(ended())
        .await
        .map_err(taken)
}

/// Under both names that browsers have for this machine.
fn sites(address: SocketAddr) -> Vec<String> {
    [address.to_string(), format!("localhost:{}", address.port())].map(|host| format!("http://{host}")).to_vec()
}

fn write_keys(path: &Path, keys: &[DemoKey]) -> io::Result<()> {
    let mut file = OpenOptions::new();
    file.write(true).create(true).truncate(true);
    let mut file = file.open(path)?;
    // Also of a file that was there before and everybody could read.
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
    writeln!(out, "\nThe Head Honta API, whole, on this machine. Its demo keys, new at every start:\n")?;
    writeln!(out, "  {:<33} {:<13} {:<10} Key", "Organization", "Plan", "Label")?;
    for key in keys {
        writeln!(out, "  {:<33} {:<13} {:<10} {}", key.organization, key.plan.as_str(), key.label, key.key)?;
    }
    let data =
        options.data.as_deref().map_or("in memory, gone at the end".to_owned(), |path| path.display().to_string());
    writeln!(out, "\nData: {data}. DynamoDB: {}.", database.endpoint())?;
    if let Some(key) = keys.iter().find(|key| key.plan == Plan::Professional) {
        writeln!(out, "\nTry it:\n")?;
        writeln!(out, "  curl -s -H \"X-API-Key: {}\" \"http://{address}/api/v1/jobs?status=open&limit=10\"", key.key)?;
        writeln!(out, "\nFor the README's examples:\n\n  export HH_KEY={}\n", key.key)?;
    }
    writeln!(out, "The guides, and Swagger UI to try it in a browser: http://{address}/docs\n")?;
    writeln!(
        out,
        "Settings, to create and manage keys (sign in as one of the demo people): http://{address}/settings\n"
    )?;
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// Ctrl-C, or what a process manager sends.
async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
