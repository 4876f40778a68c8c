//! Every fixture of a request in `events/`, through the real event conversion, each on fresh demo data.
//!
//! A fixture names its key as `{plan label}`; the README's examples use `{professional all}`.

use std::{fmt::Write, fs, path::Path};

use local::{database::Embedded, demo};
use serde_json::{Value, value::RawValue};
use shared::http::{app::App, gateway_response::GatewayResponse};

use crate::{
    every_route::{ROUTES, matches},
    test_app::{START, TEMPLATE, TestClock, gateway, no_issuer},
};

/// Writes the demo data to a file, which is copied for each fixture.
fn seeded(file: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Embedded::start(Some(file), Embedded::ANY_PORT, &TEMPLATE).await.unwrap();
        demo::seed(&database.db()).await.unwrap();
    });
    // The database ends with the runtime, so the file is complete.
}

#[test]
fn each_fixture_is_answered_as_its_snapshot_says() {
    // Not a fixed one: two runs of the tests may be under way.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let seed = folder.path().join("seed.db");
    seeded(&seed);
    insta::glob!("../../events", "*.json", |fixture| {
        let copy = folder.path().join("fixture.db");
        for stale in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{stale}", copy.display()));
        }
        fs::copy(&seed, &copy).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(answer(&copy, &fs::read_to_string(fixture).unwrap()));
        insta::assert_snapshot!(answer);
    });
}

async fn answer(data: &Path, fixture: &str) -> String {
    let database = Embedded::start(Some(data), Embedded::ANY_PORT, &TEMPLATE).await.unwrap();
    let db = database.db();
    let mut text = fixture.to_owned();
    for key in demo::seed(&db).await.unwrap() {
        text = text.replace(&format!("{{{} {}}}", key.plan, key.label), &key.key);
    }
    let clock = TestClock::at(START);
    let event: Value = serde_json::from_str(&text).unwrap();
    let path = event["rawPath"].as_str().unwrap();
    let gateway = gateway(&db, &clock);
    let (function, route_key, _) =
        gateway.route(event["requestContext"]["http"]["method"].as_str().unwrap(), path).unwrap();
    assert_eq!(event["routeKey"], route_key, "API Gateway would send this fixture");
    let apis = local::apis(|| App::new(db.clone(), clock.clock()), no_issuer());
    let raw: Box<RawValue> = serde_json::from_str(&text).unwrap();
    shown(&apis[function].answer(&raw, "lambda-request-id").await)
}

/// The response as text, with the id that differs between runs replaced.
fn shown(answer: &GatewayResponse) -> String {
    let mut text = format!("{}\n", answer.status_code);
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    writeln!(text, "{}\n", headers.join("\n")).unwrap();
    let body = answer.body();
    if headers.iter().any(|header| header.starts_with("etag: W/")) {
        // A page: its text is not tested here.
        let digest = headers.iter().find_map(|header| header.strip_prefix("etag: ")).unwrap();
        return text.replace(digest, "[digest]") + if body.is_empty() { "" } else { "[base64]" };
    }
    if !headers.iter().any(|header| header == "content-type: application/json") {
        return text + if body.is_empty() { "" } else { "[page]" };
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    text += &serde_json::to_string_pretty(&body).unwrap();
    match (answer.status_code, body["data"]["id"].as_str()) {
        (201, Some(id)) => text.replace(id, "[new id]"),
        _ => text,
    }
}

#[test]
fn there_is_a_fixture_for_every_route() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let fixtures: Vec<Value> =
        files.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect();
    for row in ROUTES {
        let found = fixtures.iter().any(|event| {
            matches(row.path, event["rawPath"].as_str().unwrap())
                && event["requestContext"]["http"]["method"] == row.method
        });
        assert!(found, "{} {}", row.method, row.path);
    }
}
