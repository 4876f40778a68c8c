//! The release binaries, as Lambda runs them: each runs against the test's own Runtime API, which passes it events and takes its responses.
//! `scripts/test-binaries` builds them and runs these tests.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    erasure::{Story, assert_erased},
    strange::strange_events,
    test_app::{TEMPLATE, TestApp, database, no_issuer},
};
use local::{database::Embedded, demo, gateway::Gateway};
use runtime::Process;
use serde_json::{Value, json, value::RawValue};
use shared::{
    http::app::App,
    model::{
        clock::{Clock, Timestamp},
        id::JobId,
    },
    store::db::Db,
};
use tokio::net::TcpListener;

fn binary(code_uri: &str) -> PathBuf {
    let path = runtime::binary(Path::new(code_uri).file_name().unwrap().to_str().unwrap());
    assert!(path.exists(), "{} is not built: run scripts/test-binaries", path.display());
    path
}

/// A function's process, whose log goes to `log`.
async fn start(code_uri: &str, dynamodb: &str, log: Stdio) -> Process {
    let mut command = Command::new(binary(code_uri));
    command.stdout(log).stderr(Stdio::null());
    Process::start(command, dynamodb).await.unwrap()
}

/// The response to an event.
async fn invoke(process: &mut Process, event: &Value) -> Value {
    process.invoke(event).await.unwrap_or_else(|error| panic!("{error} for {event}"))
}

/// The fixtures of requests by name, with this start's demo keys in them.
fn fixtures(keys: &[demo::DemoKey]) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut fixtures: Vec<(String, Value)> = files
        .map(|path| {
            let mut text = fs::read_to_string(&path).unwrap();
            for key in keys {
                text = text.replace(&format!("{{{} {}}}", key.plan, key.label), &key.key);
            }
            (path.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    fixtures.sort_by(|a, b| a.0.cmp(&b.0));
    fixtures
}

/// A database with the demo data, a client for it, and its keys.
async fn seeded() -> (Embedded, Db, Vec<demo::DemoKey>) {
    let database = database();
    let db = database.db();
    let keys = demo::seed(&db).await.unwrap();
    (database, db, keys)
}

/// The response without what differs between runs: new ids and times, and headers that depend on the clock.
fn comparable(answer: &Value) -> Value {
    let (text, mut out, mut at) = (answer.to_string(), String::new(), 0);
    while let Some(next) = text[at..].chars().next() {
        if text.get(at..at + 24).and_then(|time| time.parse().ok()).is_some_and(is_new) {
            out += "[new time]";
            at += 24;
        } else if text.get(at..at + 36).and_then(made_at).is_some_and(is_new) {
            out += "[new id]";
            at += 36;
        } else {
            out.push(next);
            at += next.len_utf8();
        }
    }
    let mut value: Value = serde_json::from_str(&out).unwrap();
    let headers = value["headers"].as_object_mut().unwrap();
    for name in ["ratelimit", "x-ratelimit-reset", "x-ratelimit-remaining", "retry-after"] {
        if let Some(header) = headers.get_mut(name) {
            *header = "…".into();
        }
    }
    value
}

fn is_new(time: Timestamp) -> bool {
    Clock::system().now().as_millis() - time.as_millis() < 10 * 60_000
}

/// The time at the start of an id.
fn made_at(id: &str) -> Option<Timestamp> {
    id.parse::<JobId>().ok()?;
    i64::from_str_radix(&id.replace('-', "")[..12], 16).ok().map(Timestamp::from_millis)
}

#[tokio::test]
#[ignore = "needs the release binaries: scripts/test-binaries"]
async fn each_binary_responds_to_every_fixture_like_the_code_in_process_and_survives_malformed_events() {
    let ((remote, _, remote_keys), (_, db, keys)) = (seeded().await, seeded().await);
    let clock = Clock::system();
    let gateway = Gateway::new(&TEMPLATE, || App::new(db.clone(), clock.clone()), no_issuer()).unwrap();
    let apis = local::apis(|| App::new(db.clone(), clock.clone()), no_issuer());
    let mut functions = HashMap::new();
    for code_uri in apis.keys() {
        functions.insert(*code_uri, start(code_uri, remote.endpoint(), Stdio::null()).await);
    }
    for ((name, theirs), (_, ours)) in fixtures(&remote_keys).into_iter().zip(fixtures(&keys)) {
        let method = theirs["requestContext"]["http"]["method"].as_str().unwrap();
        let (code_uri, ..) = gateway.route(method, theirs["rawPath"].as_str().unwrap()).unwrap();
        let actual = invoke(functions.get_mut(code_uri).unwrap(), &theirs).await;
        let raw: Box<RawValue> = serde_json::from_value(ours).unwrap();
        let expected = serde_json::to_value(apis[code_uri].answer(&raw, "lambda-request-id").await).unwrap();
        assert_eq!(comparable(&actual), comparable(&expected), "{name}");
    }
    let good = fixtures(&remote_keys).into_iter().find(|(name, _)| name == "jobs-list.json").unwrap().1;
    for function in functions.values_mut() {
        for event in strange_events(&good) {
            assert_eq!(invoke(function, &event).await["statusCode"], 400, "{event}");
        }
    }
    assert_eq!(invoke(functions.get_mut("functions/jobs").unwrap(), &good).await["statusCode"], 200);
}

#[tokio::test]
#[ignore = "needs the release binaries: scripts/test-binaries"]
async fn with_a_dynamodb_that_accepts_but_never_responds_a_binary_starts_and_returns_503_before_lambdas_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let (_, _, keys) = seeded().await;
    let event = fixtures(&keys).into_iter().find(|(name, _)| name == "jobs-list.json").unwrap().1;
    let mut function = start("functions/jobs", &endpoint, Stdio::null()).await;
    for _ in 0..2 {
        let answer = invoke(&mut function, &event).await;
        assert_eq!(answer["statusCode"], 503);
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "service_unavailable");
    }
}

#[test]
#[ignore = "needs the release binaries: scripts/test-binaries"]
fn a_binary_without_a_variable_exits_at_startup_with_one_log_line() {
    let all = ["ACCESS_TABLE", "RECORDS_TABLE", "AWS_REGION"];
    let with_tables = functions::with_operations().map(|function| function.code_uri).chain(["functions/erasures"]);
    let with_tables = with_tables.flat_map(|code_uri| all.map(|missing| (code_uri, missing)));
    let settings = all.into_iter().chain(["OIDC_ISSUER", "OIDC_CLIENT_ID"]);
    for (code_uri, missing) in with_tables.chain(settings.map(|missing| ("functions/settings", missing))) {
        let mut command = Command::new(binary(code_uri));
        runtime::set_environment(&mut command, "127.0.0.1:1", "http://127.0.0.1:1");
        let output = command.env_remove(missing).output().unwrap();
        let (log, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!((output.status.code(), log.lines().count(), error.as_str()), (Some(1), 1, ""), "{log}");
        let line: Value = serde_json::from_str(&log).unwrap();
        assert_eq!(line["error"], format!("the environment variable {missing} is not set"));
    }
}

#[tokio::test]
#[ignore = "needs the release binaries: scripts/test-binaries"]
async fn a_binary_logs_its_version_and_lambdas_request_id_with_each_request_and_a_cold_start_only_with_the_first() {
    let (database, _, keys) = seeded().await;
    let event = fixtures(&keys).into_iter().find(|(name, _)| name == "jobs-list.json").unwrap().1;
    let mut function = start("functions/jobs", database.endpoint(), Stdio::piped()).await;
    let output = function.child.stdout.take().unwrap();
    for _ in 0..2 {
        assert_eq!(invoke(&mut function, &event).await["statusCode"], 200);
    }
    drop(function);
    let lines = io::BufReader::new(output).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let logged: Vec<_> =
        lines.map(|line| ["version", "lambdaRequestId", "coldStart"].map(|field| line[field].clone())).collect();
    let line = |cold: bool| [json!("7"), json!("lambda-request-id"), json!(cold)];
    assert_eq!(logged, [line(true), line(false)]);
}

#[tokio::test]
#[ignore = "needs the release binaries: scripts/test-binaries"]
async fn the_erasures_binary_finishes_an_unfinished_erasure_and_a_run_that_cannot_is_a_function_error() {
    let mut app = TestApp::alone().await;
    // The function has the machine's clock.
    app.clock.set(&Timestamp::from_millis(Clock::system().now().as_millis() - 11 * 60_000).to_string());
    let story = Story::unfinished(&mut app, "").await;
    let event: Value = serde_json::from_str(include_str!("../../events/schedule/erasures.json")).unwrap();
    let mut function = start("functions/erasures", &app.endpoint, Stdio::piped()).await;
    let output = function.child.stdout.take().unwrap();
    for _ in 0..2 {
        assert_eq!(invoke(&mut function, &event).await, Value::Null);
    }
    assert_erased(&app, &story).await;
    drop(function);
    let lines = io::BufReader::new(output).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let logged: Vec<_> =
        lines.map(|line| ["message", "candidateId", "found"].map(|field| line[field].clone())).collect();
    let found = [json!("an erasure was not finished in time"), json!(story.id), Value::Null];
    let run = |found: u32| [json!("run"), Value::Null, json!(found)];
    assert_eq!(logged, [found, run(1), run(0)]);

    let mut function = start("functions/erasures", "http://127.0.0.1:1", Stdio::null()).await;
    for _ in 0..2 {
        let error = function.invoke(&event).await.unwrap_err().to_string();
        assert!(error.starts_with("a function error: ") && error.contains("DynamoDB is not available: "), "{error}");
    }
}
