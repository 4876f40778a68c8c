//! What `template.yaml` must say, so that loosening it is a red build.

use std::{collections::BTreeSet, fs, sync::LazyLock};

use local::template::REPOSITORY_TEMPLATE;
use serde_json::{Map, Value, json};

use crate::{
    desk::Desk,
    every_route::{Objects, ROUTES},
    world::{TEMPLATE, World, no_issuer, unused_app},
};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_saphyr::from_str(&fs::read_to_string(REPOSITORY_TEMPLATE).unwrap()).unwrap());

/// Every resource of a type, with its logical id.
fn resources(kind: &str) -> Vec<(&'static String, &'static Value)> {
    let all = DOCUMENT["Resources"].as_object().unwrap();
    all.iter().filter(|(_, resource)| resource["Type"] == kind).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().map(|entry| entry.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

#[test]
fn every_route_of_the_template_is_one_that_the_table_of_routes_uses() {
    let gateway = local::gateway::Gateway::new(&TEMPLATE, unused_app, no_issuer()).unwrap();
    let id = "01900000-0000-7000-8000-000000000000";
    let used: BTreeSet<String> = ROUTES
        .iter()
        .map(|row| row.path.replace("{jobId}", id).replace("{stageId}", id).replace("{id}", id))
        .chain(
            [
                "/favicon.ico",
                "/",
                "/docs",
                "/docs/errors",
                "/llms.txt",
                "/api/v1/openapi.json",
                "/settings",
                "/settings/keys",
            ]
            .map(str::to_owned),
        )
        .map(|path| gateway.route("GET", &path).unwrap().1)
        .collect();
    let there: BTreeSet<String> = TEMPLATE
        .routes
        .iter()
        .map(
            |route| {
                if route.path == "$default" { route.path.clone() } else { format!("{} {}", route.method, route.path) }
            },
        )
        .collect();
    assert_eq!(used, there);
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_nothing_else() {
    let world = World::new().await;
    let objects = Objects::of(&world).await;
    let stages = world.stages().await;
    for (_, function) in resources("AWS::Serverless::Function") {
        let code_uri = function["Properties"]["CodeUri"].as_str().unwrap();
        if code_uri == "functions/docs" {
            assert_eq!(function["Properties"].get("Policies"), None, "the pages need no table");
            continue;
        }
        let mut done = if code_uri == "functions/settings" { done_by_settings().await } else { BTreeSet::new() };
        for row in ROUTES.iter().filter(|row| row.function == code_uri) {
            world.tally.take();
            let path = objects.path(row);
            world.call(row.method, &path, Some(&world.key), objects.body(row)).await.ok(row.status);
            // The other ways that a route can take.
            for query in ["status=open", "status=new", "email=ada@example.com"] {
                world
                    .call(row.method, &format!("{path}?{query}"), Some(&world.key), Some(json!({ "tags": ["x"] })))
                    .await;
            }
            if row.path.contains("stages/") {
                world.get(&format!("/api/v1/pipeline/stages/{}/candidates", stages[5])).await.ok(200);
            }
            done.extend(world.tally.take().actions);
        }

        let statements = function["Properties"]["Policies"][0]["Statement"].as_array().unwrap();
        let mut allowed = BTreeSet::new();
        let mut wanted_of_each = Vec::new();
        for statement in statements {
            assert_eq!(statement["Effect"], "Allow");
            if code_uri != "functions/settings" && statement["Resource"] == "AccessTable.Arn" {
                let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                assert_eq!(*keys, json!(["KEY#*", "ORG#*"]), "{code_uri} has nothing to do with members and sessions");
            }
            let resources: Vec<String> = texts(&statement["Resource"])
                .into_iter()
                .map(|resource| resource.replace(".Arn", "").replace("${", "").replace('}', ""))
                .collect();
            for action in texts(&statement["Action"]) {
                let action = action.strip_prefix("dynamodb:").unwrap();
                assert!(!action.contains('*') && action != "Scan", "{action}");
                wanted_of_each.push(resources.iter().map(|on| format!("{action} on {on}")).collect::<Vec<_>>());
                allowed.extend(resources.iter().map(|on| format!("{action} on {on}")));
            }
        }
        let missing: Vec<_> = done.difference(&allowed).collect();
        assert!(missing.is_empty(), "{code_uri} may not {missing:?}");
        let unused = wanted_of_each.iter().find(|ways| ways.iter().all(|way| !done.contains(way)));
        assert_eq!(unused, None, "{code_uri} may what it never does");
        let access: Vec<_> = allowed.iter().filter(|action| action.ends_with("AccessTable")).collect();
        // Whoever reads the keys of an organization is not who answers its records.
        let wanted: &[&str] = match code_uri {
            "functions/usage" => &["GetItem on AccessTable", "Query on AccessTable", "UpdateItem on AccessTable"],
            "functions/settings" => {
                assert_eq!(access.len(), allowed.len(), "the settings have nothing to do with records");
                continue;
            }
            _ => &["UpdateItem on AccessTable"],
        };
        assert_eq!(access, wanted);
        assert!(allowed.iter().all(|action| !action.contains('*')), "no wildcard: {allowed:?}");
    }
}

/// What a whole way through the settings asks of DynamoDB.
async fn done_by_settings() -> BTreeSet<String> {
    let desk = Desk::new().await;
    desk.world.tally.take();
    let mut browser = desk.admin().await;
    for page in ["keys", "usage", "activity", "plan"] {
        browser.get(&format!("/settings/{page}")).await.shown(200);
    }
    let key = browser.make("made", &["jobs:read"]).await.secret();
    for action in ["rotate", "revoke"] {
        let path = format!("/settings/keys/{}/{action}", &key[8..18]);
        let token = browser.get(&path).await.field("token");
        let page =
            browser.post(&path, &[("token", &token), ("seen", "0"), ("overlap", "1h"), ("expiry", "same")]).await;
        assert!(page.status == 200 || page.status == 303);
    }
    let token = browser.token().await;
    assert_eq!(browser.post("/settings/sign-out", &[("token", &token)]).await.status, 303);
    desk.world.tally.take().actions
}

#[test]
fn who_signs_in_is_told_by_a_pool_of_people_that_only_the_operator_adds_to() {
    let resources = &DOCUMENT["Resources"];
    let pool = &resources["UserPool"]["Properties"];
    assert_eq!(pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
    assert_eq!(pool["UserAttributeUpdateSettings"]["AttributesRequireVerificationBeforeUpdate"], json!(["email"]));
    assert_eq!(pool["DeletionProtection"], json!(["IsProd", "ACTIVE", "INACTIVE"]));
    let client = &resources["UserPoolClient"]["Properties"];
    assert_eq!(
        (&client["AllowedOAuthFlows"], &client["AllowedOAuthScopes"]),
        (&json!(["code"]), &json!(["openid", "email"]))
    );
    assert_eq!(client["CallbackURLs"], json!([format!("${{SettingsOrigin}}{}", settings::CALLBACK)]));
    assert_eq!(client["PreventUserExistenceErrors"], "ENABLED");
    assert!(!texts(&client["ExplicitAuthFlows"]).iter().any(|flow| flow.contains("PASSWORD")));
    let variables = resources["SettingsFunction"]["Properties"]["Environment"]["Variables"].as_object().unwrap();
    let names: Vec<_> = variables.keys().collect();
    assert_eq!(names, ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"]);
    assert_eq!(DOCUMENT["Parameters"]["OidcClientSecret"]["NoEcho"], true);
}

#[test]
fn every_function_is_built_for_lambda_published_and_given_up_on_before_lambda_does() {
    let globals = &DOCUMENT["Globals"]["Function"];
    assert_eq!((&globals["Runtime"], &globals["MemorySize"]), (&json!("provided.al2023"), &json!(512)));
    assert_eq!((&globals["AutoPublishAlias"], &globals["Timeout"]), (&json!("live"), &json!(10)));
    let ours = shared::serve::REQUEST_TIMEOUT.as_secs_f64();
    assert!(ours < globals["Timeout"].as_f64().unwrap() / 2.0, "a request is answered long before the time-out");
    let variables: Vec<_> = globals["Environment"]["Variables"].as_object().unwrap().keys().collect();
    assert_eq!(variables, ["ACCESS_TABLE", "RECORDS_TABLE", "AWS_ENDPOINT_URL_DYNAMODB"]);
    let functions = resources("AWS::Serverless::Function");
    assert_eq!(functions.len(), local::apis(unused_app, no_issuer()).len());
    for (name, function) in functions {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{name}");
        let deployment = &function["Properties"]["DeploymentPreference"];
        // `!If [IsProd, …]`
        assert_eq!(deployment["Type"], json!(["IsProd", "Canary10Percent5Minutes", "AllAtOnce"]));
        let alarms: Vec<_> = texts(&deployment["Alarms"][1]);
        let known = resources("AWS::CloudWatch::Alarm");
        assert!(
            alarms.len() == 3 && alarms.iter().all(|alarm| known.iter().any(|(name, _)| name == alarm)),
            "{alarms:?}"
        );
        let log = function["Properties"]["LoggingConfig"]["LogGroup"].as_str().unwrap();
        assert!(resources("AWS::Logs::LogGroup").iter().any(|(name, _)| *name == log), "{log}");
    }
}

#[test]
fn every_log_has_a_retention() {
    let logs = resources("AWS::Logs::LogGroup");
    assert_eq!(logs.len(), 1 + resources("AWS::Serverless::Function").len());
    for (name, log) in logs {
        assert_eq!(log["Properties"]["RetentionInDays"], "LogRetentionDays", "{name}");
    }
}

#[test]
fn the_tables_are_on_demand_recoverable_encrypted_and_kept() {
    for (name, table) in resources("AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{name}");
        assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true, "{name}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{name}");
        assert_eq!(properties["DeletionProtectionEnabled"], json!(["IsProd", true, false]), "{name}");
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            (&json!("RetainExceptOnCreate"), &json!("Retain"))
        );
    }
    let access = &DOCUMENT["Resources"]["AccessTable"]["Properties"];
    assert_eq!(access.get("GlobalSecondaryIndexes").or(access.get("StreamSpecification")), None);
}

#[test]
fn the_gateway_logs_in_json_is_throttled_and_takes_pages_of_named_origins_only() {
    let api = &DOCUMENT["Resources"]["Api"]["Properties"];
    assert_eq!(api["StageName"], "$default");
    let format: Map<String, Value> =
        serde_json::from_str(api["AccessLogSettings"]["Format"].as_str().unwrap()).unwrap();
    assert_eq!(format["requestId"], "$context.requestId");
    assert!(!format.values().any(|value| value.as_str().unwrap().contains("header")), "no key in the log");
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(api["DefaultRouteSettings"][limit].is_string(), "{limit}");
    }
    assert_eq!(api["CorsConfiguration"]["AllowOrigins"], "CorsOrigins");
    assert_eq!(DOCUMENT["Parameters"]["CorsOrigins"]["Default"], "https://none.invalid");
}

#[test]
fn alarms_watch_what_fails_and_tell_the_topic() {
    let alarms = resources("AWS::CloudWatch::Alarm");
    let mut metrics = BTreeSet::new();
    for (name, alarm) in &alarms {
        let properties = &alarm["Properties"];
        assert_eq!(properties["AlarmActions"][0], "HasAlarmTopic", "{name}");
        metrics.extend(properties["MetricName"].as_str());
        let parts = properties["Metrics"].as_array().into_iter().flatten();
        metrics.extend(parts.filter_map(|metric| metric["MetricStat"]["Metric"]["MetricName"].as_str()));
    }
    let watched = ["5xx", "Errors", "Latency", "SystemErrors", "ThrottledRequests", "Throttles"];
    assert_eq!(metrics, BTreeSet::from(watched));
    assert_eq!(
        alarms.len(),
        2 + resources("AWS::Serverless::Function").len() + 2 * resources("AWS::DynamoDB::Table").len()
    );
}

#[test]
fn the_dashboard_is_json() {
    let body = DOCUMENT["Resources"]["Dashboard"]["Properties"]["DashboardBody"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["widgets"].as_array().unwrap().len(), 4);
}
