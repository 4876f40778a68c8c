//! Who the activity log says ran the command.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use local::database::Embedded;

use crate::{Operator, texts};

/// Responds to one request as AWS STS does, with this status.
fn sts(status: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>{ARN}</Arn>\
         <UserId>AIDA:ada</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).unwrap();
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (endpoint, served)
}

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/Admin/ada";

#[test]
fn the_activity_log_names_who_ran_the_command() {
    let operator = Operator::new();
    let org = operator.organization("professional");
    operator.json(&["key", "create", &org, "--name", "x", "--scope", "all"]);
    let (endpoint, served) = sts("200 OK");
    let output = operator
        .command(&["organization", "set-plan", &org, "enterprise"])
        .env("AWS_ENDPOINT_URL_STS", endpoint)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", texts(&output).1);
    let asked = served.join().unwrap();
    assert!(asked.starts_with("POST / "), "{asked}");
    // A caller who can't be identified changes nothing, and gets a one-line error.
    let (endpoint, served) = sts("403 Forbidden");
    let output = operator
        .command(&["organization", "set-plan", &org, "free"])
        .env("AWS_ENDPOINT_URL_STS", endpoint)
        .output()
        .unwrap();
    served.join().unwrap();
    let (_, error) = texts(&output);
    assert!(!output.status.success() && error.lines().count() == 1, "{error}");
    assert!(error.contains("Nothing was changed") && error.contains("AWS STS"), "{error}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entries = runtime.block_on(async {
        let db = shared::store::db::Db::embedded(local::database::config(&operator.endpoint), Embedded::tables());
        let now = shared::model::clock::Clock::system().now();
        let found = shared::store::organization::find(&db, &org, now).await.unwrap().unwrap();
        assert_eq!(found.plan, shared::model::plan::Plan::Enterprise);
        shared::store::activity::page(&db, &found.id, None, 50, now).await.unwrap().0
    });
    let acts: Vec<_> =
        entries.iter().map(|entry| (entry.act.as_str(), entry.actor.name(), entry.actor.caller())).collect();
    assert_eq!(acts, [("plan-changed", "operator", Some(ARN)), ("created", "operator", Some("local"))]);
}
