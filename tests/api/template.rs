//! Requirements on `template.yaml`, so that loosening one fails a test.

use std::{collections::BTreeSet, fs, path::Path, sync::LazyLock, time::Duration};

use functions::{FUNCTIONS, Trigger};
use local::template::REPOSITORY_TEMPLATE;
use serde_json::{Map, Value, json};
use shared::{
    http::deadline::{REQUEST_TIMEOUT, WRITE_TIMEOUT},
    schedule::RUN_TIME,
};

use crate::{
    every_route::ROUTES,
    test_app::{TEMPLATE, no_issuer, unused_app},
};

pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_saphyr::from_str(&fs::read_to_string(REPOSITORY_TEMPLATE).unwrap()).unwrap());

/// Every resource of a type, with its logical id.
pub fn resources(resource_type: &str) -> Vec<(&'static String, &'static Value)> {
    let all = DOCUMENT["Resources"].as_object().unwrap();
    all.iter().filter(|(_, resource)| resource["Type"] == resource_type).collect()
}

pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(list) => list.iter().map(|entry| entry.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

#[test]
fn the_template_has_no_unused_route() {
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

#[test]
fn only_the_operator_adds_people_to_the_user_pool_and_they_need_a_second_factor() {
    let resources = &DOCUMENT["Resources"];
    let pool = &resources["UserPool"]["Properties"];
    assert_eq!(pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
    assert_eq!(pool["UserAttributeUpdateSettings"]["AttributesRequireVerificationBeforeUpdate"], json!(["email"]));
    assert_eq!(pool["DeletionProtection"], json!(["IsProd", "ACTIVE", "INACTIVE"]));
    // The string "ON", not YAML's boolean.
    assert_eq!((&pool["MfaConfiguration"], &pool["EnabledMfas"]), (&json!("ON"), &json!(["SOFTWARE_TOKEN_MFA"])));
    let client = &resources["UserPoolClient"]["Properties"];
    assert_eq!(
        (&client["AllowedOAuthFlows"], &client["AllowedOAuthScopes"]),
        (&json!(["code"]), &json!(["openid", "email"]))
    );
    for (urls, path) in [("CallbackURLs", settings::CALLBACK), ("LogoutURLs", settings::SIGNED_OUT)] {
        let wanted = [
            json!("HasDomain"),
            json!(format!("https://${{DomainName}}{path}")),
            json!(["HasPublicOrigin", format!("${{PublicOrigin}}{path}"), format!("https://none.invalid{path}")]),
        ];
        assert_eq!(client[urls], json!([wanted]));
    }
    assert_eq!(client["PreventUserExistenceErrors"], "ENABLED");
    assert!(!texts(&client["ExplicitAuthFlows"]).iter().any(|flow| flow.contains("PASSWORD")));
    let variables = resources["SettingsFunction"]["Properties"]["Environment"]["Variables"].as_object().unwrap();
    let names: Vec<_> = variables.keys().collect();
    assert_eq!(names, ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"]);
    // The secret is neither in the template nor on a command line, but referenced by its place in Secrets Manager.
    let secret = "{{resolve:secretsmanager:${OidcClientSecretArn}:SecretString:::${OidcClientSecretVersion}}}";
    assert_eq!(variables["OIDC_CLIENT_SECRET"], json!(["HasClientSecret", secret, ""]));
}

/// The parameters and resources that a value refers to.
pub fn references(value: &Value) -> BTreeSet<&'static str> {
    let names = ["Parameters", "Resources"].into_iter().flat_map(|part| DOCUMENT[part].as_object().unwrap().keys());
    let refers = |text: &str, name: &str| text == name || text.contains(&format!("${{{name}}}"));
    match value {
        Value::String(text) => names.filter(|name| refers(text, name)).map(String::as_str).collect(),
        Value::Array(list) => list.iter().flat_map(references).collect(),
        Value::Object(map) => map.values().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn changing_a_parameter_publishes_a_version_of_each_function_that_reads_it() {
    for (name, function) in resources("AWS::Serverless::Function") {
        let properties = &function["Properties"];
        if properties["CodeUri"] == "functions/docs" {
            continue; // It reads no variable.
        }
        let shared = &DOCUMENT["Globals"]["Function"]["Environment"]["Variables"];
        let mut read = references(&properties["Environment"]["Variables"]);
        read.extend(references(&shared["ACCESS_TABLE"]));
        if name != "SettingsFunction" {
            read.extend(references(&shared["RECORDS_TABLE"]));
        }
        // A version id belongs to one secret, so it stands for both.
        read.remove("OidcClientSecretArn");
        assert_eq!(references(&properties["VersionDescription"]), read, "{name}");
    }
}

#[test]
fn a_version_description_is_never_longer_than_lambda_allows() {
    let longest = |parameter: &str| DOCUMENT["Parameters"][parameter]["MaxLength"].as_u64().unwrap();
    let own_table = "head-honta-api-dev-RecordsTable-ABCDEFGHIJKLM".len() as u64;
    let table = longest("RecordsTableName").max(longest("AccessTableName")).max(own_table);
    let of_settings = table + longest("OidcIssuer") + longest("OidcClientId") + longest("OidcClientSecretVersion") + 3;
    assert!(of_settings <= 256 && 2 * table < 256, "{of_settings}");
}

#[test]
fn every_function_is_built_for_lambda_published_and_times_out_before_lambda_does() {
    let globals = &DOCUMENT["Globals"]["Function"];
    assert_eq!((&globals["Runtime"], &globals["MemorySize"]), (&json!("provided.al2023"), &json!(512)));
    assert_eq!((&globals["AutoPublishAlias"], &globals["Timeout"]), (&json!("live"), &json!(10)));
    let ours = (REQUEST_TIMEOUT + WRITE_TIMEOUT).as_secs_f64();
    assert!(
        ours < globals["Timeout"].as_f64().unwrap(),
        "a request and a write that begins in its last moment get their response before Lambda's timeout"
    );
    let variables: Vec<_> = globals["Environment"]["Variables"].as_object().unwrap().keys().collect();
    assert_eq!(variables, ["ACCESS_TABLE", "RECORDS_TABLE", "AWS_ENDPOINT_URL_DYNAMODB"]);
    // `!If [ShiftsTraffic, …]`
    assert_eq!(
        globals["DeploymentPreference"]["Type"],
        json!(["ShiftsTraffic", "Canary10Percent10Minutes", "AllAtOnce"])
    );
    let functions = resources("AWS::Serverless::Function");
    let declared: BTreeSet<_> =
        functions.iter().map(|(_, function)| function["Properties"]["CodeUri"].as_str().unwrap().to_owned()).collect();
    // The scripts build every folder.
    let folders = fs::read_dir(Path::new(REPOSITORY_TEMPLATE).with_file_name("functions")).unwrap();
    let folders = folders.filter_map(|entry| entry.unwrap().path().join("Cargo.toml").is_file().then_some(())).count();
    assert_eq!(folders, FUNCTIONS.len());
    assert_eq!(declared, FUNCTIONS.iter().map(|function| function.code_uri.to_owned()).collect());
    for (name, function) in functions {
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{name}");
        let logging = &function["Properties"]["LoggingConfig"];
        assert_eq!(logging["LogFormat"], "JSON", "{name}: Lambda's reports can be queried");
        let log = logging["LogGroup"].as_str().unwrap();
        assert!(resources("AWS::Logs::LogGroup").iter().any(|(name, _)| *name == log), "{log}");
    }
    for (name, function) in of_requests() {
        let anonymous = ["SettingsFunction", "DocsFunction"].contains(&name.as_str());
        let concurrency = if anonymous { "PagesConcurrency" } else { "ApiConcurrency" };
        assert_eq!(
            function["Properties"]["ReservedConcurrentExecutions"],
            json!([format!("Has{concurrency}"), concurrency, "AWS::NoValue"]),
            "{name}"
        );
    }
}

/// The functions that serve requests. All others run on a schedule.
pub fn of_requests() -> impl Iterator<Item = (&'static String, &'static Value)> {
    let is_of_requests = |(_, function): &(_, &Value)| {
        let code_uri = function["Properties"]["CodeUri"].as_str().unwrap();
        FUNCTIONS.iter().any(|it| it.code_uri == code_uri && matches!(it.trigger, Trigger::Http(_)))
    };
    resources("AWS::Serverless::Function").into_iter().filter(is_of_requests)
}

#[test]
fn the_watch_over_erasures_runs_every_five_minutes_without_retries_and_ends_before_lambdas_timeout() {
    let function = &DOCUMENT["Resources"]["ErasuresFunction"]["Properties"];
    let (timeout, every) = (Duration::from_secs(function["Timeout"].as_u64().unwrap()), Duration::from_mins(5));
    assert!(RUN_TIME + Duration::from_secs(10) <= timeout && timeout < every);
    // Where concurrency is reserved at all. Two runs at once would do no harm.
    assert_eq!(function["ReservedConcurrentExecutions"], json!(["HasApiConcurrency", 1, "AWS::NoValue"]));
    let once = json!({ "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": every.as_secs() });
    assert_eq!(function["EventInvokeConfig"], once, "the next run takes the place of a retry");
    let schedule = json!({
        "Type": "ScheduleV2",
        // By default, SAM gives the schedule the same name in every stack of the account.
        "Properties": { "ScheduleExpression": "rate(5 minutes)", "OmitName": true, "RetryPolicy": once },
    });
    assert_eq!(function["Events"].as_object().unwrap().values().collect::<Vec<_>>(), [&schedule]);
    // A canary of one run in ten would see nothing, so the new version takes over at once.
    assert_eq!(function["DeploymentPreference"], json!({ "Enabled": false }));
}

#[test]
fn every_log_group_has_a_retention() {
    let logs = resources("AWS::Logs::LogGroup");
    assert_eq!(logs.len(), 1 + resources("AWS::Serverless::Function").len());
    for (name, log) in logs {
        assert_eq!(log["Properties"]["RetentionInDays"], "LogRetentionDays", "{name}");
    }
}

#[test]
fn the_tables_are_on_demand_recoverable_encrypted_and_retained() {
    for (name, table) in resources("AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{name}");
        let recovery = json!({ "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": "RecoveryPeriodInDays" });
        assert_eq!(properties["PointInTimeRecoverySpecification"], recovery, "{name}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{name}");
        assert_eq!(properties["DeletionProtectionEnabled"], json!(["IsProd", true, false]), "{name}");
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            // Not RetainExceptOnCreate: a failed first deployment could not delete a protected table.
            (&json!("Retain"), &json!("Retain"))
        );
    }
    // What DynamoDB takes.
    let days = &DOCUMENT["Parameters"]["RecoveryPeriodInDays"];
    assert_eq!(["MinValue", "Default", "MaxValue"].map(|name| &days[name]), [&json!(1), &json!(35), &json!(35)]);
    assert_eq!(DOCUMENT["Resources"]["UserPool"]["DeletionPolicy"], "Retain");
    let access = &DOCUMENT["Resources"]["AccessTable"]["Properties"];
    assert_eq!(access.get("GlobalSecondaryIndexes").or(access.get("StreamSpecification")), None);
}

#[test]
fn the_gateway_logs_json_is_throttled_and_allows_only_configured_origins() {
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
fn routes_without_a_key_have_their_own_throttles() {
    let api = &DOCUMENT["Resources"]["Api"]["Properties"];
    let limited: BTreeSet<_> = api["RouteSettings"].as_object().unwrap().keys().cloned().collect();
    let keyed: Vec<_> = functions::with_operations().map(|function| function.code_uri).collect();
    let anonymous =
        TEMPLATE.routes.iter().filter(|route| route.path == "$default" || !keyed.contains(&route.function.as_str()));
    let anonymous: BTreeSet<_> = anonymous
        .map(|route| if route.path == "$default" { route.path.clone() } else { format!("ANY {}", route.path) })
        .collect();
    assert_eq!(limited, anonymous);
    for (route, limits) in api["RouteSettings"].as_object().unwrap() {
        assert!(limits["ThrottlingRateLimit"].as_u64() <= Some(50), "{route}");
        assert!(limits["ThrottlingBurstLimit"].as_u64() <= Some(100), "{route}");
    }
    assert!(!serde_json::to_string(api).unwrap().contains("DetailedMetrics"), "nothing reads metrics by route");
}

#[test]
fn a_custom_domain_replaces_the_gateways_own_address() {
    let resources = &DOCUMENT["Resources"];
    let api = &resources["Api"]["Properties"];
    assert_eq!(api["DisableExecuteApiEndpoint"], json!(["HasDomain", true, false]));
    let origin = json!(["HasDomain", "https://${DomainName}", ["HasPublicOrigin", "PublicOrigin", "gateway"]]);
    assert_eq!(api["StageVariables"], json!({ "publicOrigin": origin }));
    for (name, condition) in [("Domain", "HasDomain"), ("DomainMapping", "HasDomain"), ("DomainRecord", "HasZone")] {
        assert_eq!(resources[name]["Condition"], condition);
    }
}

#[test]
fn each_environment_in_samconfig_names_itself_and_builds_in_its_own_folder() {
    let config = fs::read_to_string(Path::new(REPOSITORY_TEMPLATE).with_file_name("samconfig.toml")).unwrap();
    assert_eq!(DOCUMENT["Parameters"]["Environment"].get("Default"), None);
    let overrides: Vec<_> = config.lines().filter(|line| line.starts_with("parameter_overrides")).collect();
    assert!(overrides.len() >= 3 && overrides.iter().all(|line| line.contains("\"Environment=")), "{overrides:?}");
    // `cached` only looks at a function's own folder, and would miss a change in `shared`.
    assert!(!config.contains("cached"));
    for environment in ["dev", "prod"] {
        // A build for one processor is never deployed to another.
        assert!(config.contains(&format!("build_dir = \".aws-sam/{environment}\"")));
        assert!(config.contains(&format!("template_file = \".aws-sam/{environment}/template.yaml\"")));
    }
}
