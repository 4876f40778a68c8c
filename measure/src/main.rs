//! Measures each release binary next to a bare echo function built with the same profile, and fails if one exceeds its budget by more than
//! a tenth. `scripts/measure` builds what it needs and runs it.
//!
//! - Instructions from exec to the first request for an invocation. They include opening the connection to DynamoDB (here over plain HTTP),
//!   which is part of the start.
//! - Compressed size of the binary, as Lambda loads it.
//! - Peak memory after a thousand successful requests for a list or a page, or a thousand runs.
//! - Instructions of a request to the warm `jobs` function, whose requests are typical: a page of 20 jobs, one job, a new job.

mod instructions;

use std::{
    error::Error,
    fs,
    io::Write,
    iter,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use flate2::{Compression, write::DeflateEncoder};
use functions::{FUNCTIONS, Function, REQUESTS, Trigger};
use local::{
    database::Embedded,
    template::{REPOSITORY_TEMPLATE, Template},
};
use runtime::{Process, binary};
use serde_json::Value;
use shared::{
    model::{
        body,
        clock::Clock,
        key::AccountId,
        plan::Plan,
        role::Role,
        scope::Scope,
        secret::Secret,
        value::{Email, ShortText},
        write,
    },
    store::{
        activity::Actor,
        api_key::{self, NewKey},
        db::Db,
        job,
        member::{self, Identity},
        organization, session,
    },
};

const PEAK_REQUESTS: usize = 1_000;
/// A key allows 60 requests a minute.
const REQUESTS_PER_KEY: usize = 50;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Cost {
    name: &'static str,
    instructions: u64,
    zipped_bytes: u64,
    peak_kib: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match measure().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<bool> {
    let template = Template::read(Path::new(REPOSITORY_TEMPLATE))?;
    let database = Embedded::start(None, Embedded::ANY_PORT, &template).await?;
    let db = database.db();
    let mut costs = Vec::new();
    for name in iter::once("echo").chain(FUNCTIONS.iter().map(Function::name)) {
        costs.push(Cost {
            name,
            instructions: instructions::of_start(name, database.endpoint()).await?,
            zipped_bytes: zipped_bytes(&binary(name))?,
            peak_kib: peak_kib(name, database.endpoint(), &db).await?,
        });
    }
    println!("{:<14}{:>14}{:>16}{:>12}", "Binary", "Instructions", "Zipped (bytes)", "Peak (KiB)");
    let mut shown = None;
    for Function { budget, .. } in
        FUNCTIONS.iter().filter(|function| shown.replace(function.budget) != Some(function.budget))
    {
        println!("{:<14}{:>14}{:>16}{:>12}", "(budget)", budget.instructions, budget.zipped_bytes, budget.peak_kib);
    }
    let mut fine = true;
    for Cost { name, instructions, zipped_bytes, peak_kib } in costs {
        println!("{name:<14}{instructions:>14}{zipped_bytes:>16}{peak_kib:>12}");
        // The echo is the baseline: it has no budget.
        let Some(Function { budget, .. }) = FUNCTIONS.iter().find(|function| function.name() == name) else { continue };
        let budgets =
            [(instructions, budget.instructions), (zipped_bytes, budget.zipped_bytes), (peak_kib, budget.peak_kib)];
        fine &= budgets.into_iter().all(is_within);
    }
    println!("\n{:<14}{:>14}{:>16}", "Request", "Instructions", "(budget)");
    let data = fill(&db).await?;
    for (request, keys) in REQUESTS.iter().zip(data.keys.chunks_exact(2)) {
        let path = request.path.replace("{id}", &data.job);
        let events = [&keys[0], &keys[1]].map(|key| event(request.method, &path, request.body, key, &data.session));
        let instructions = instructions::of_request("jobs", database.endpoint(), events).await?;
        println!("{:<14}{instructions:>14}{:>16}", request.name, request.instructions);
        fine &= is_within((instructions, request.instructions));
    }
    if !fine {
        println!("A function or a request is over its budget by more than a tenth.");
    }
    Ok(fine)
}

fn is_within((cost, budget): (u64, u64)) -> bool {
    cost <= budget + budget / 10
}

/// The data that the requests use.
struct Filled {
    keys: Vec<String>,
    job: String,
    /// The session of a signed-in member.
    session: String,
}

/// A page of jobs, enough keys for all requests, and a session, in a new organization.
async fn fill(db: &Db) -> Result<Filled> {
    let clock = Clock::system();
    let mut last = String::new();
    let name = ShortText::new("Measured", "The name")?;
    let org = organization::create(db, &name, Plan::Enterprise, &AccountId::generate()?, || clock.stamp()).await?;
    for i in 0..20 {
        let new = serde_json::json!({ "title": format!("Job {i}"), "description": "x".repeat(600), "status": "open" });
        let new = body::parse(&new)?;
        last = job::create(db, &write::Write::new(org, clock.stamp()), new).await?.object.id().to_string();
    }
    let mut keys = Vec::new();
    for _ in 0..PEAK_REQUESTS / REQUESTS_PER_KEY {
        let new =
            NewKey { name: ShortText::new("measured", "The name")?, scopes: Scope::ALL.to_vec(), expires_at: None };
        let key = api_key::create(db, &org, clock.now(), new, &Actor::operator()).await?;
        keys.push(key.reveal().to_owned());
    }
    let email = Email::new(&format!("measured@{org}.example"))?;
    let actor = Actor::operator();
    member::add(db, &org, clock.now(), &email, Role::Admin, &actor).await?;
    let identity = Identity { issuer: "http://127.0.0.1:1", subject: "measured" };
    let member = member::sign_in(db, &email, identity, clock.now()).await?.ok_or("no member")?;
    let session = Secret::generate()?;
    session::begin(db, &member, &session, clock.now(), &actor).await?;
    Ok(Filled { keys, job: last, session: session.reveal() })
}

fn zipped_bytes(binary: &Path) -> Result<u64> {
    // The headers of a zip with one entry named `bootstrap`.
    const HEADERS: u64 = 30 + 9 + 46 + 9 + 22;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(binary)?)?;
    Ok(u64::try_from(encoder.finish()?.len())? + HEADERS)
}

async fn peak_kib(name: &str, dynamodb: &str, db: &Db) -> Result<u64> {
    let Filled { keys, job, session } = fill(db).await?;
    let mut command = Command::new(binary(name));
    command.stdout(Stdio::null());
    let mut process = Process::start(command, dynamodb).await?;
    // A function on a schedule ignores the event, and its response is an error or nothing.
    let has_status =
        FUNCTIONS.iter().any(|function| function.name() == name && matches!(function.trigger, Trigger::Http(_)));
    for i in 0..PEAK_REQUESTS {
        let event = event("GET", &path(name, &job), None, &keys[i % keys.len()], &session);
        let status = process.invoke(&event).await?["statusCode"].clone();
        if has_status && status != 200 {
            return Err(format!("{name} responded with {status}").into());
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse()?)
}

/// The path of one of the function's lists or pages.
fn path(name: &str, job: &str) -> String {
    match name {
        "candidates" => "/api/v1/candidates".to_owned(),
        "pipeline" => "/api/v1/pipeline/stages".to_owned(),
        "applications" => format!("/api/v1/jobs/{job}/applications"),
        "usage" => "/api/v1/usage".to_owned(),
        "settings" => "/settings/keys".to_owned(),
        "docs" => "/docs".to_owned(),
        _ => "/api/v1/jobs".to_owned(),
    }
}

/// The gateway's event for a request.
fn event(method: &str, path: &str, body: Option<&str>, key: &str, session: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../../events/jobs-list.json")).unwrap_or_default();
    event["requestContext"]["http"]["method"] = method.into();
    event["rawPath"] = path.into();
    event["rawQueryString"] = "".into();
    event["headers"]["x-api-key"] = key.into();
    event["cookies"] = serde_json::json!([format!("__Host-session={session}")]);
    if let Some(body) = body {
        event["headers"]["content-type"] = "application/json".into();
        event["body"] = body.into();
    }
    event
}
