//! The template allows each function exactly the DynamoDB calls that it makes, on exactly the partitions that it uses.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::{
    model::{plan::Plan, scope::Scope},
    store::{activity::Actor, api_key},
};

use crate::{
    erasure::Story,
    every_route::{Objects, ROUTES},
    overdue,
    template::{DOCUMENT, resources, texts},
    test_app::{TestApp, Touch},
    test_settings::TestSettings,
};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// One statement of a policy.
#[derive(Debug)]
struct Statement {
    sid: String,
    actions: Vec<String>,
    /// `AccessTable`, `RecordsTable/index/ByStatus`
    resources: Vec<String>,
    /// The partition keys that it is limited to.
    partitions: Option<Vec<String>>,
}

impl Statement {
    fn read(statement: &Value) -> Self {
        assert_eq!(statement["Effect"], "Allow");
        let actions = texts(&statement["Action"]).into_iter().map(|action| {
            let action = action.strip_prefix("dynamodb:").unwrap();
            assert!(!action.contains('*') && action != "Scan", "{action}");
            action.to_owned()
        });
        let partitions = statement.get("Condition").map(|condition| {
            let condition = condition.as_object().unwrap();
            // Without Null, ForAllValues would also be true for a request that names no partition.
            assert_eq!(condition.keys().collect::<Vec<_>>(), ["ForAllValues:StringLike", "Null"]);
            assert_eq!(condition["Null"], json!({ "dynamodb:LeadingKeys": "false" }));
            let globs = texts(&condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]);
            globs.into_iter().map(str::to_owned).collect()
        });
        Self {
            sid: statement["Sid"].as_str().unwrap().to_owned(),
            actions: actions.collect(),
            resources: table_resources(&statement["Resource"]),
            partitions,
        }
    }

    fn allows(&self, touch: &Touch) -> bool {
        self.actions.iter().any(|action| action == touch.action)
            && self.resources.contains(&touch.on)
            && self.partitions.as_ref().is_none_or(|globs| globs.iter().any(|glob| fits(glob, &touch.partition)))
    }
}

/// One or several of `!If [HasAccessTableName, the table of that name, the stack's own]`, each as the stack's own.
fn table_resources(value: &Value) -> Vec<String> {
    let all = value.as_array().unwrap();
    if all[0].is_array() {
        return all.iter().flat_map(table_resources).collect();
    }
    let [condition, restored, own] = all.as_slice() else { panic!("{value} is not an !If") };
    let table = condition.as_str().unwrap().strip_prefix("Has").unwrap().strip_suffix("Name").unwrap();
    let own =
        own.as_str().unwrap().replace(&format!("${{{table}.Arn}}"), table).replace(&format!("{table}.Arn"), table);
    let restored = restored.as_str().unwrap();
    let prefix = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/";
    assert_eq!(restored, format!("{prefix}${{{table}Name}}{}", own.strip_prefix(table).unwrap()));
    vec![own]
}

/// IAM's `StringLike`: `?` matches one character, `*` any number of them.
fn fits(glob: &str, text: &str) -> bool {
    let mut glob_chars = glob.chars();
    match glob_chars.next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| text.is_char_boundary(at) && fits(glob_chars.as_str(), &text[at..])),
        Some(wanted) => {
            let mut text_chars = text.chars();
            text_chars.next().is_some_and(|c| wanted == '?' || wanted == c)
                && fits(glob_chars.as_str(), text_chars.as_str())
        }
    }
}

/// Every statement of a function's policies, including managed policies.
fn statements(function: &Value) -> Vec<Statement> {
    let policies = function["Properties"]["Policies"].as_array().into_iter().flatten();
    policies
        .flat_map(|policy| match policy.as_str() {
            Some(managed) => {
                let managed = &DOCUMENT["Resources"][managed];
                assert_eq!(managed["Type"], "AWS::IAM::ManagedPolicy");
                managed["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap()
            }
            None => policy["Statement"].as_array().unwrap(),
        })
        .map(Statement::read)
        .collect()
}

/// The DynamoDB calls of each function, by its `CodeUri`.
async fn done() -> Vec<(&'static str, BTreeSet<Touch>)> {
    let mut all = vec![
        ("functions/docs", BTreeSet::new()),
        ("functions/settings", done_by_settings().await),
        ("functions/erasures", done_by_erasures().await),
    ];
    for code_uri in functions::with_operations().map(|function| function.code_uri) {
        let app = TestApp::new().await;
        let objects = Objects::of(&app).await;
        let last_stage = app.stages().await.swap_remove(5);
        let mut touches = BTreeSet::new();
        for row in ROUTES.iter().filter(|row| row.function == code_uri) {
            // A key's first request on a day files the count of the day before.
            app.clock.advance(DAY_MILLIS);
            let other = if code_uri == "functions/jobs" { Scope::CandidatesRead } else { Scope::JobsRead };
            let denied = app.new_key(&[other]).await;
            let revoked = app.new_key(Scope::ALL).await;
            assert!(
                api_key::revoke(&app.db, &app.org, &revoked.id(), app.clock.now(), &Actor::operator()).await.unwrap()
            );
            app.tally.take();
            let path = objects.path(row);
            app.call(row.method, &path, Some(&app.key), objects.body(row)).await.ok(row.status);
            // The other code paths of a route.
            let (job, candidate) = (objects.job(), objects.candidate());
            for query in [
                "status=open",
                "status=new",
                "email=ada@example.com",
                "externalId=7",
                &format!("ids={job}"),
                &format!("candidateId={candidate}"),
            ] {
                let body = Some(json!({ "tags": ["x"] }));
                app.call(row.method, &format!("{path}?{query}"), Some(&app.key), body).await;
            }
            if row.method != "GET" {
                // Once with an effect, and once with none.
                for n in 0..2 {
                    let once = format!("{} {path} {n}", row.method);
                    app.call_once(row.method, &path, &once, objects.earlier_body(row)).await;
                }
            }
            // A denial and the use of a revoked key are counted, and a change of the plan is noticed.
            for key in [&denied, &revoked] {
                app.call(row.method, &path, Some(key.reveal()), objects.body(row)).await;
            }
            let own = app.tally.take();
            app.set_plan(Plan::Free).await;
            app.set_plan(Plan::Enterprise).await;
            app.tally.take();
            touches.extend(own.touches);
            app.call(row.method, &path, Some(&app.key), objects.body(row)).await;
            if row.path.contains("stages/") {
                app.get(&format!("/api/v1/pipeline/stages/{last_stage}/candidates")).await.ok(200);
            }
            touches.extend(app.tally.take().touches);
        }
        all.push((code_uri, touches));
    }
    all
}

/// The DynamoDB calls of a visit to all parts of the settings.
async fn done_by_settings() -> BTreeSet<Touch> {
    let test = TestSettings::new().await;
    // The usage page reads past days.
    test.app.get("/api/v1/jobs").await.ok(200);
    test.app.tally.take();
    let mut browser = test.admin().await;
    for page in ["keys", "usage", "activity", "plan"] {
        browser.get(&format!("/settings/{page}")).await.shown(200);
    }
    let key = browser.make("made", &["jobs:read"]).await.secret();
    // More keys than one account holds.
    for n in 0..5 {
        browser.make(&format!("another {n}"), &["jobs:read"]).await.secret();
    }
    let mut touches = test.app.tally.take().touches;
    // The count of today leaves the account with the key.
    assert_eq!(test.call(&key).await, 200);
    test.app.tally.take();
    for action in ["rotate", "revoke"] {
        let path = format!("/settings/keys/{}/{action}", &key[8..18]);
        let token = browser.get(&path).await.field("token");
        let fields = [("token", token.as_str()), ("seen", "0"), ("overlap", "1h"), ("expiry", "same")];
        let page = browser.post(&path, &fields).await;
        assert!(page.status == 200 || page.status == 303);
    }
    let token = browser.token().await;
    assert_eq!(browser.post("/settings/sign-out", &[("token", &token)]).await.status, 303);
    touches.extend(test.app.tally.take().touches);
    touches
}

/// The DynamoDB calls for an erasure that was left unfinished, and for one whose candidate is there again.
async fn done_by_erasures() -> BTreeSet<Touch> {
    let mut app = TestApp::alone().await;
    Story::unfinished(&mut app, "").await;
    overdue::restored(&app).await;
    overdue::wait(&app);
    app.tally.take();
    assert_eq!(overdue::run(&app).await.unwrap().found, 2);
    app.tally.take().touches
}

#[tokio::test]
async fn each_function_has_exactly_the_permissions_that_it_uses() {
    let done = done().await;
    let functions = resources("AWS::Serverless::Function");
    assert_eq!(functions.len(), done.len());
    for (_, function) in functions {
        let code_uri = function["Properties"]["CodeUri"].as_str().unwrap();
        let own = &done.iter().find(|(of, _)| *of == code_uri).unwrap().1;
        let statements = statements(function);
        for touch in own {
            assert!(statements.iter().any(|statement| statement.allows(touch)), "{code_uri} may not {touch:?}");
        }
        for statement in &statements {
            let used: Vec<_> = own.iter().filter(|touch| statement.allows(touch)).collect();
            let sid = format!("{code_uri}: {}", statement.sid);
            for action in &statement.actions {
                let done = |glob: &str| used.iter().any(|touch| touch.action == action && fits(glob, &touch.partition));
                match &statement.partitions {
                    None => assert!(done("*"), "{sid} allows {action}, which is never done"),
                    Some(globs) => {
                        for glob in globs {
                            assert!(done(glob), "{sid} allows {action} on {glob}, which is never done");
                        }
                    }
                }
            }
            for resource in &statement.resources {
                assert!(used.iter().any(|touch| touch.on == *resource), "{sid} allows {resource}, which is never used");
            }
            let on_access = statement.resources.iter().any(|resource| resource == "AccessTable");
            assert!(!on_access || statement.partitions.is_some(), "{sid} allows every partition of the Access table");
        }
    }
}

/// A partition's type: its key without the ids, which are every second part: `ORG#…#MEMBER`.
fn partition_type(partition: &str) -> String {
    let parts = partition.split('#').enumerate();
    parts.map(|(at, part)| if at % 2 == 0 { part } else { "…" }).collect::<Vec<_>>().join("#")
}

#[tokio::test]
async fn no_function_may_access_a_type_of_partition_that_it_never_uses() {
    let done = done().await;
    let types = |touches: &BTreeSet<Touch>| {
        touches.iter().map(|touch| partition_type(&touch.partition)).collect::<BTreeSet<_>>()
    };
    for (_, function) in resources("AWS::Serverless::Function") {
        let code_uri = function["Properties"]["CodeUri"].as_str().unwrap();
        let own = types(&done.iter().find(|(of, _)| *of == code_uri).unwrap().1);
        for touch in done.iter().flat_map(|(_, touches)| touches).filter(|touch| touch.on == "AccessTable") {
            let allowed = statements(function).iter().any(|statement| {
                let globs = statement.partitions.as_ref();
                globs.is_some_and(|globs| globs.iter().any(|glob| fits(glob, &touch.partition)))
            });
            assert!(
                !allowed || own.contains(&partition_type(&touch.partition)),
                "{code_uri} may touch {}",
                touch.partition
            );
        }
    }
}

#[test]
fn globs_match_as_in_iam() {
    for (glob, text, wanted) in [
        ("KEY#??????????", "KEY#0123456789", true),
        ("KEY#??????????", "KEY#0123456789#DAY", false),
        ("KEY#??????????", "KEY#012345678", false),
        ("ORG#*", "ORG#x#MEMBER", true),
        ("a*c", "abbc", true),
        ("a*c", "abb", false),
        ("", "", true),
    ] {
        assert_eq!(fits(glob, text), wanted, "{glob} {text}");
    }
}
