//! The command itself, against an embedded DynamoDB that the standard AWS variables point to.

#![allow(clippy::unwrap_used, reason = "this is how a test fails")]

mod activity;
mod doctor;
mod erasure;

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use local::{
    database::Embedded,
    template::{REPOSITORY_TEMPLATE, Template},
};
use serde_json::Value;

/// Each test has its own DynamoDB, which lives as long as the process.
struct Operator {
    endpoint: String,
}

impl Operator {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let template = Template::read(Path::new(REPOSITORY_TEMPLATE)).unwrap();
                let database = Embedded::start(None, Embedded::ANY_PORT, &template).await.unwrap();
                sender.send(database.endpoint().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        Self { endpoint: receiver.recv().unwrap() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
        command.env_clear().args(words).envs([
            ("AWS_ENDPOINT_URL_DYNAMODB", self.endpoint.as_str()),
            ("AWS_REGION", "local"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("ACCESS_TABLE", "AccessTable"),
            ("RECORDS_TABLE", "RecordsTable"),
        ]);
        command
    }

    /// The JSON that it prints, line by line.
    fn json(&self, words: &[&str]) -> Vec<Value> {
        let output = self.command(&[words, &["--json"]].concat()).output().unwrap();
        let (printed, error) = texts(&output);
        assert!(output.status.success(), "{error}");
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The text that it prints without `--json`.
    fn text(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let (printed, error) = texts(&output);
        assert!(output.status.success(), "{error}");
        printed
    }

    /// The one line that it prints when it fails.
    fn failure(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        let (printed, error) = texts(&output);
        assert_eq!((output.status.code(), printed.as_str(), error.lines().count()), (Some(1), "", 1), "{error}");
        error.trim_end().to_owned()
    }

    fn organization(&self, plan: &str) -> String {
        let made = self.json(&["organization", "create", "Test", "--plan", plan]);
        made[0]["id"].as_str().unwrap().to_owned()
    }
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn an_organization_can_be_created_listed_shown_and_moved_to_another_plan() {
    let operator = Operator::new();
    let made = operator.json(&["organization", "create", "Harbour & Söhne", "--plan", "starter"]);
    let id = made[0]["id"].as_str().unwrap();
    assert_eq!(
        (&made[0]["name"], &made[0]["plan"], &made[0]["keys"]),
        (&"Harbour & Söhne".into(), &"starter".into(), &0.into())
    );
    assert_eq!(operator.json(&["organization", "show", id]), made);
    assert_eq!(operator.json(&["organization", "list"]), made);
    assert_eq!(operator.json(&["organization", "set-plan", id, "enterprise"])[0]["plan"], "enterprise");
    let table = operator.text(&["organization", "list"]);
    assert!(table.starts_with("ID ") && table.contains(id) && table.contains("enterprise"), "{table}");
}

#[test]
fn a_new_key_is_printed_once_and_can_be_listed_and_revoked() {
    let operator = Operator::new();
    let org = operator.organization("professional");
    let made = operator.json(&[
        "key",
        "create",
        &org,
        "--name",
        "sync",
        "--scope",
        "jobs:read,jobs:write",
        "--expires-in-days",
        "30",
    ]);
    let (id, key) = (made[0]["id"].as_str().unwrap(), made[0]["key"].as_str().unwrap());
    assert_eq!(made[0]["scopes"], serde_json::json!(["jobs:read", "jobs:write"]));
    assert!(shared_form(key, id));
    let printed = operator.text(&["key", "create", &org, "--name", "board", "--scope", "all"]);
    assert!(printed.starts_with("hh_live_") && printed.contains("won't be able to see it again"));
    let both = operator.json(&["key", "create", &org, "--name", "both", "--scope", "jobs:read,all"]);
    let all: Vec<&str> =
        shared::model::scope::Scope::granted_by_all().map(shared::model::scope::Scope::as_str).collect();
    assert_eq!(both[0]["scopes"], serde_json::json!(all), "what is named twice is granted once");
    operator.text(&["key", "revoke", &org, both[0]["id"].as_str().unwrap()]);

    let listed = operator.json(&["key", "list", &org]);
    assert_eq!(listed.iter().map(|key| key["name"].as_str().unwrap()).collect::<Vec<_>>(), ["sync", "board", "both"]);
    assert_eq!((&listed[0]["state"], &listed[0]["lastFour"]), (&"active".into(), &key[52..].into()));
    assert!(!operator.text(&["key", "list", &org]).contains(key));
    assert_eq!(operator.json(&["organization", "show", &org])[0]["keys"], 2);

    assert!(operator.text(&["key", "revoke", &org, id]).contains("stops working from the next request"));
    assert_eq!(operator.json(&["key", "list", &org])[0]["state"], "revoked");
    assert_eq!(operator.failure(&["key", "revoke", &org, id]), format!("The organization has no active key {id}."));
    assert_eq!(operator.json(&["organization", "show", &org])[0]["keys"], 1);
}

#[test]
fn a_member_can_be_added_listed_given_a_role_and_removed() {
    let operator = Operator::new();
    let (org, other) = (operator.organization("starter"), operator.organization("starter"));
    let add = |org: &str, email: &str, role: &str| operator.json(&["member", "add", org, email, "--role", role]);
    assert_eq!(
        add(&org, "Ada@example.com", "admin"),
        [serde_json::json!({ "email": "Ada@example.com", "role": "admin" })]
    );
    add(&org, "bob@example.com", "member");
    let listed = operator.json(&["member", "list", &org]);
    let members: Vec<_> =
        listed.iter().map(|member| (&member["email"], &member["role"], &member["signedInAt"])).collect();
    assert_eq!(
        members,
        [
            (&"Ada@example.com".into(), &"admin".into(), &Value::Null),
            (&"bob@example.com".into(), &"member".into(), &Value::Null)
        ]
    );
    assert!(operator.text(&["member", "list", &org]).contains("never"));
    let changed = operator.json(&["member", "set-role", &org, "BOB@example.com", "admin"]);
    assert_eq!(changed, [serde_json::json!({ "email": "BOB@example.com", "role": "admin" })]);
    assert_eq!(operator.json(&["member", "list", &org])[1]["role"], "admin");
    assert!(
        operator.text(&["member", "set-role", &org, "bob@example.com", "member"]).contains("now has the role member")
    );
    // A person can belong to only one organization, whatever the case of the email.
    let taken = "ADA@example.com is already a member of an organization. A person can only belong to one.";
    for org in [&org, &other] {
        assert_eq!(operator.failure(&["member", "add", org, "ADA@example.com", "--role", "member"]), taken);
    }
    let unknown = "The organization has no member ada@example.com.";
    assert_eq!(operator.failure(&["member", "remove", &other, "ada@example.com"]), unknown);
    assert!(operator.text(&["member", "remove", &org, "ada@EXAMPLE.com"]).contains("signed out"));
    assert_eq!(operator.failure(&["member", "remove", &org, "ada@example.com"]), unknown);
    assert_eq!(operator.json(&["member", "list", &org]).len(), 1);
    add(&other, "ada@example.com", "member");
}

fn shared_form(key: &str, id: &str) -> bool {
    key.len() == 56 && key.starts_with(&format!("hh_live_{id}"))
}

#[test]
fn an_unknown_or_invalid_argument_fails_in_one_line_and_changes_nothing() {
    let operator = Operator::new();
    let org = operator.organization("starter");
    let before = operator.json(&["organization", "list"]);
    let missing = "01900000-0000-7000-8000-000000000000";
    let key = ["key", "create", &org, "--name", "x", "--scope"];
    for (words, message) in [
        (
            vec!["organization", "create", "X", "--plan", "gold"],
            "Unknown plan: gold. Use one of free, starter, professional, enterprise.",
        ),
        (
            vec!["organization", "create", " ", "--plan", "free"],
            "The name must not be blank: it has no visible characters.",
        ),
        (vec!["organization", "show", missing], "Organization not found: 01900000-0000-7000-8000-000000000000."),
        (vec!["organization", "show", "ORGS"], "Organization not found: ORGS."),
        (
            vec!["organization", "set-plan", &org, "gold"],
            "Unknown plan: gold. Use one of free, starter, professional, enterprise.",
        ),
        (
            vec!["organization", "set-plan", missing, "free"],
            "Organization not found: 01900000-0000-7000-8000-000000000000.",
        ),
        (
            [&key[..], &["jobs:delete"]].concat(),
            "Unknown scope: jobs:delete. Use all, or any of jobs:read, jobs:write, candidates:read, candidates:write, candidates:delete, pipeline:read, pipeline:write, applications:read, applications:write.",
        ),
        ([&key[..], &["all", "--expires-in-days", "0"]].concat(), "A key must be valid for at least 1 day."),
        (
            vec!["key", "create", missing, "--name", "x", "--scope", "all"],
            "Organization not found: 01900000-0000-7000-8000-000000000000.",
        ),
        (
            vec!["member", "add", missing, "ada@example.com", "--role", "admin"],
            "Organization not found: 01900000-0000-7000-8000-000000000000.",
        ),
        (
            vec!["member", "add", &org, "ada@example.com", "--role", "owner"],
            "Unknown role: owner. Use one of admin, member.",
        ),
        (
            vec!["member", "add", &org, "ada", "--role", "admin"],
            "\"ada\" is not a valid email address: it must have an @ between the name and the domain.",
        ),
        (
            vec!["member", "add", &org, "\u{212a}ate@example.com", "--role", "admin"],
            "\"\u{212a}ate@example.com\" is not a valid email address: it must not contain \"\u{212a}\" (U+212A) at character 1, which looks like another letter.",
        ),
        (vec!["member", "remove", &org, "ada@example.com"], "The organization has no member ada@example.com."),
        (
            vec!["member", "set-role", &org, "ada@example.com", "admin"],
            "The organization has no member ada@example.com.",
        ),
        (vec!["member", "set-role", &org, "a@b.example", "owner"], "Unknown role: owner. Use one of admin, member."),
        (vec!["member", "list", missing], "Organization not found: 01900000-0000-7000-8000-000000000000."),
        (vec!["key", "list", missing], "Organization not found: 01900000-0000-7000-8000-000000000000."),
        (vec!["key", "revoke", &org, "nonsense"], "The organization has no active key nonsense."),
    ] {
        assert_eq!(operator.failure(&words), message);
    }
    assert_eq!(operator.json(&["organization", "list"]), before);
    operator.text(&[&key[..], &["all"]].concat());
    assert_eq!(
        operator.failure(&[&key[..], &["all"]].concat()),
        "The plan starter allows one key, and the organization already has it. Revoke it first."
    );
}

#[test]
fn with_room_for_one_key_only_one_of_two_concurrent_creations_succeeds() {
    let operator = Operator::new();
    let org = operator.organization("starter");
    for _ in 0..3 {
        let words = ["key", "create", org.as_str(), "--name", "x", "--scope", "all", "--json"];
        let children: Vec<_> = (0..2)
            .map(|_| {
                let mut command = operator.command(&words);
                thread::spawn(move || command.output().unwrap())
            })
            .collect();
        let outputs: Vec<Output> = children.into_iter().map(|child| child.join().unwrap()).collect();
        let made: Vec<&Output> = outputs.iter().filter(|output| output.status.success()).collect();
        assert_eq!(made.len(), 1);
        let key: Value = serde_json::from_slice(&made[0].stdout).unwrap();
        operator.text(&["key", "revoke", &org, key["id"].as_str().unwrap()]);
    }
    assert_eq!(operator.json(&["key", "list", &org]).len(), 3);
}

#[test]
fn a_list_shows_every_page() {
    let operator = Operator::new();
    let org = operator.organization("enterprise");
    // Created without the command, which would start a process for each.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = shared::store::db::Db::embedded(local::database::config(&operator.endpoint), Embedded::tables());
        let clock = shared::model::clock::Clock::system();
        let found = shared::store::organization::find(&db, &org, clock.now()).await.unwrap().unwrap();
        let name = |text: &str| shared::model::value::ShortText::new(text, "The name").unwrap();
        for i in 0..120 {
            let stamp = || clock.stamp();
            shared::store::organization::create(
                &db,
                &name(&format!("Org {i}")),
                shared::model::plan::Plan::Free,
                &shared::model::key::AccountId::generate().unwrap(),
                stamp,
            )
            .await
            .unwrap();
            let new = shared::store::api_key::NewKey {
                name: name(&format!("key {i}")),
                scopes: shared::model::scope::Scope::ALL.to_vec(),
                expires_at: None,
            };
            shared::store::api_key::create(
                &db,
                &found.id,
                clock.now(),
                new,
                &shared::store::activity::Actor::operator(),
            )
            .await
            .unwrap();
        }
    });
    let organizations = operator.json(&["organization", "list"]);
    assert_eq!((organizations.len(), &organizations[120]["name"]), (121, &"Org 119".into()));
    assert_eq!(operator.json(&["key", "list", &org]).len(), 120);
}

#[test]
fn table_options_work_before_and_after_the_command_and_a_missing_setting_is_reported_with_the_next_step() {
    let operator = Operator::new();
    let org = operator.organization("starter");
    let without = |missing: &[&str]| {
        let mut command = operator.command(&[]);
        for name in missing {
            command.env_remove(name);
        }
        command
    };
    let tables = ["ACCESS_TABLE", "RECORDS_TABLE"];
    let named = ["--access-table", "AccessTable", "--records-table", "RecordsTable"];
    let list = ["organization", "list", "--json"];
    for words in [[&named[..], &list].concat(), [&list[..], &named].concat(), [&list[..1], &named, &list[1..]].concat()]
    {
        let (printed, error) = texts(&without(&tables).args(&words).output().unwrap());
        assert!(printed.contains(&org), "{words:?}: {error}");
    }
    for (missing, message) in [
        ("ACCESS_TABLE", "The table name is missing: pass --access-table NAME or set ACCESS_TABLE. "),
        ("RECORDS_TABLE", "The table name is missing: pass --records-table NAME or set RECORDS_TABLE. "),
        ("AWS_REGION", "No AWS region is set: set AWS_REGION "),
        ("AWS_SECRET_ACCESS_KEY", "No AWS credentials found: "),
    ] {
        // No home directory and no instance metadata: there is nowhere else to find it.
        let mut command = without(&[missing]);
        let output = command.args(list).env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap();
        let (_, error) = texts(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.starts_with(message), "{error}");
    }
    let output = operator.command(&["organisation", "list"]).output().unwrap();
    let (_, error) = texts(&output);
    assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
    assert!(error.contains("'organization'") && error.contains("`operator --help`"), "{error}");
}

#[test]
fn a_reader_that_closes_the_pipe_is_not_an_error() {
    let operator = Operator::new();
    for _ in 0..3 {
        operator.organization("free");
    }
    let mut child =
        operator.command(&["organization", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before anything is printed.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn an_unreachable_dynamodb_is_reported_in_one_line() {
    let operator = Operator { endpoint: "http://127.0.0.1:1".to_owned() };
    assert!(operator.failure(&["organization", "list"]).starts_with("DynamoDB is not available: "));
}
