//! Requirements on the alarms, the saved queries and the dashboard of `template.yaml`.

use std::{collections::BTreeSet, fs, path::Path};

use functions::FUNCTIONS;
use local::template::REPOSITORY_TEMPLATE;
use serde_json::{Value, json};

use crate::template::{DOCUMENT, of_requests, references, resources};

#[test]
fn only_failures_of_its_own_version_roll_back_a_deployment() {
    for (name, function) in of_requests() {
        let short = name.strip_suffix("Function").unwrap();
        let resource = |suffix: &str| &DOCUMENT["Resources"][format!("{short}{suffix}")]["Properties"];
        let alarms = &function["Properties"]["DeploymentPreference"]["Alarms"];
        assert_eq!(*alarms, json!([format!("{short}Canary")]), "{name}");

        let alarm = resource("Canary");
        let version = format!("{name}.Version.Version");
        assert_eq!(alarm["AlarmName"], json!(["-", [name, version]]), "a new alarm for each version");
        assert!(!references(alarm).contains("Api"), "the Api depends on the alias, and that on this alarm");
        let [failures, errors, responses] = alarm["Metrics"].as_array().unwrap().as_slice() else { panic!() };
        assert_eq!(failures["Expression"], "errors + responses");
        let errors = &errors["MetricStat"]["Metric"];
        assert_eq!((&errors["Namespace"], &errors["MetricName"]), (&json!("AWS/Lambda"), &json!("Errors")));
        assert_eq!(
            errors["Dimensions"],
            json!([
                { "Name": "FunctionName", "Value": name },
                { "Name": "Resource", "Value": format!("${{{name}}}:live") },
                { "Name": "ExecutedVersion", "Value": version },
            ])
        );
        let responses = &responses["MetricStat"]["Metric"];
        assert_eq!(responses["Dimensions"], json!([{ "Name": "version", "Value": version }]));
        let limits = ["ComparisonOperator", "Threshold", "EvaluationPeriods", "DatapointsToAlarm", "TreatMissingData"];
        assert_eq!(
            limits.map(|limit| &alarm[limit]),
            [&json!("GreaterThanOrEqualToThreshold"), &json!(1), &json!(5), &json!(1), &json!("notBreaching")]
        );
        assert_eq!(alarm.get("AlarmActions"), None, "a single failure wakes no one");

        // What a client or another service causes is no failure of the version.
        let excused = match name.as_str() {
            "DocsFunction" => "",
            "CandidatesFunction" => r#" && $.code != "unknown_secrets" && $.code != "unfinished""#,
            "SettingsFunction" => r#" && $.code != "issuer_unavailable""#,
            _ => r#" && $.code != "unknown_secrets""#,
        };
        for (suffix, pattern, value) in [
            ("Failed", "{ $.status = 500 }".to_owned(), "1"),
            ("Unavailable", format!("{{ $.status = 503{excused} }}"), "0.25"),
        ] {
            let filter = resource(suffix);
            assert_eq!(
                (&filter["LogGroupName"], &filter["FilterPattern"]),
                (&json!(format!("{short}Logs")), &json!(pattern))
            );
            let [metric] = filter["MetricTransformations"].as_array().unwrap().as_slice() else { panic!() };
            assert_eq!(
                (&metric["MetricNamespace"], &metric["MetricName"]),
                (&responses["Namespace"], &responses["MetricName"])
            );
            assert_eq!(metric["MetricValue"], value);
            assert_eq!(metric["Dimensions"], json!([{ "Key": "version", "Value": "$.version" }]));
        }
    }
}

#[test]
fn alarms_for_people_are_few_notify_the_topic_and_are_in_the_runbook() {
    let runbook = fs::read_to_string(Path::new(REPOSITORY_TEMPLATE).with_file_name("docs/RUNBOOK.md")).unwrap();
    let mut names = BTreeSet::new();
    for (name, alarm) in resources("AWS::CloudWatch::Alarm").into_iter().filter(|(name, _)| !name.ends_with("Canary")) {
        let properties = &alarm["Properties"];
        assert_eq!(properties["AlarmActions"], json!(["HasAlarmTopic", ["AlarmTopicArn"], "AWS::NoValue"]), "{name}");
        // A watch that does not run has no data.
        let missing = if name == "ErasureRuns" { "breaching" } else { "notBreaching" };
        assert_eq!(properties["TreatMissingData"], missing, "{name}");
        assert!(runbook.contains(&format!("\n### {name}\n")), "docs/RUNBOOK.md has no paragraph on {name}");
        // CloudWatch requires a period of 60 for a query, and no linter notices.
        for metric in properties["Metrics"].as_array().into_iter().flatten() {
            let is_query = metric["Expression"].as_str().is_some_and(|text| text.starts_with("SELECT"))
                || metric["Expression"].is_array();
            assert!(!is_query || metric["Period"] == 60, "{name}");
        }
        names.insert(name.as_str());
    }
    let wanted = [
        "BudgetBurnsFast",
        "BudgetBurnsSlowly",
        "ErasureRuns",
        "FunctionThrottles",
        "GatewayThrottles",
        "Latency",
        "SignInFailures",
        "TableThrottles",
        "UnfinishedErasures",
    ];
    assert_eq!(names, BTreeSet::from(wanted));
    for (_, query) in resources("AWS::Logs::QueryDefinition") {
        let title = query["Properties"]["Name"].as_str().unwrap().strip_prefix("${AWS::StackName}/").unwrap();
        assert!(runbook.contains(&format!("*{title}*")), "docs/RUNBOOK.md does not use the query {title}");
    }
    let functions = &DOCUMENT["Resources"]["FunctionThrottles"]["Properties"]["Metrics"][0]["Expression"];
    for (name, _) in resources("AWS::Serverless::Function") {
        assert!(references(functions).contains(name.as_str()), "{name}");
    }
    let latency = &DOCUMENT["Resources"]["Latency"]["Properties"];
    assert_eq!(latency["EvaluateLowSampleCountPercentile"], "ignore");
}

#[test]
fn an_unfinished_erasure_is_an_alarm_and_so_are_three_runs_in_half_an_hour_that_failed_or_did_not_take_place() {
    let resources = &DOCUMENT["Resources"];
    let filter = &resources["ErasureUnfinished"]["Properties"];
    assert_eq!(filter["LogGroupName"], "ErasuresLogs");
    // What `shared::http::log` writes.
    assert_eq!(filter["FilterPattern"], "{ $.event = \"unfinished_erasure\" }");
    let metric = json!({ "MetricNamespace": "AWS::StackName", "MetricName": "UnfinishedErasures", "MetricValue": "1" });
    assert_eq!(filter["MetricTransformations"], json!([metric]));
    let of = |alarm: &str, names: &[&str]| {
        names.iter().map(|name| resources[alarm]["Properties"][name].clone()).collect::<Value>()
    };
    let names = ["Namespace", "MetricName", "Dimensions", "Statistic", "ComparisonOperator", "Threshold", "Period"];
    let found = json!(["AWS::StackName", "UnfinishedErasures", null, "Sum", "GreaterThanThreshold", 0, 300]);
    assert_eq!(of("UnfinishedErasures", &names), found);
    // The errors of all versions together.
    let function = json!([{ "Name": "FunctionName", "Value": "ErasuresFunction" }]);
    let failed = json!(["AWS/Lambda", "Errors", function, "Sum", "GreaterThanThreshold", 0, 300]);
    assert_eq!(of("ErasureRuns", &names), failed);
    let periods = ["DatapointsToAlarm", "EvaluationPeriods", "TreatMissingData"];
    assert_eq!(of("UnfinishedErasures", &periods), json!([null, 1, "notBreaching"]));
    assert_eq!(of("ErasureRuns", &periods), json!([3, 6, "breaching"]), "a watch that does not run has no data");
}

#[test]
fn the_dashboard_is_json_and_shows_the_errors_and_throttles_of_every_function() {
    // `!Sub [text, variables]`
    let text = DOCUMENT["Resources"]["Dashboard"]["Properties"]["DashboardBody"][0].as_str().unwrap();
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!(body["widgets"].as_array().unwrap().len(), 4);
    let functions = resources("AWS::Serverless::Function");
    assert_eq!(functions.len(), FUNCTIONS.len());
    for (name, _) in functions {
        assert_eq!(text.matches(&format!("\"${{{name}}}\"")).count(), 2, "{name}");
    }
}
