//! What `operator doctor` finds.

use serde_json::Value;

use crate::{Operator, texts};

#[test]
fn the_doctor_compares_the_tables_with_the_template_and_fails_on_a_difference() {
    let operator = Operator::new();
    let output = operator.command(&["doctor", "--protected", "--json"]).output().unwrap();
    let (printed, error) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = |check: &str| {
        let finding = findings.iter().find(|finding| finding["check"] == check).unwrap();
        (finding["ok"].as_bool().unwrap(), finding["found"].as_str().unwrap())
    };
    assert_eq!(found("AccessTable: keys"), (true, "as in the template"));
    assert_eq!(found("AccessTable: indexes"), (true, "none, as in the template"));
    assert_eq!(found("RecordsTable: indexes"), (true, "4, ready"));
    assert_eq!(found("RecordsTable: billing"), (true, "on demand"));
    assert_eq!(found("AccessTable: time to live"), (true, "on (deleteAt)"));
    assert_eq!(found("RecordsTable: time to live"), (true, "on (deleteAt)"));
    // The embedded DynamoDB lacks these settings, like a restored table.
    assert_eq!(found("AccessTable: deletion protection"), (false, "off"));
    assert!(!found("AccessTable: point-in-time recovery").0);
    let failed = findings.iter().filter(|finding| finding["ok"] == false).count();
    assert_eq!(error.trim_end(), format!("{failed} checks failed."));
}

#[test]
fn the_doctor_finds_a_table_that_is_missing_or_swapped_with_the_other() {
    let operator = Operator::new();
    let output = operator.command(&["doctor"]).env("ACCESS_TABLE", "Nowhere").output().unwrap();
    let (printed, _) = texts(&output);
    assert!(
        printed.contains("FAIL  AccessTable: exists") && printed.contains("Nowhere: ResourceNotFoundException"),
        "{printed}"
    );

    let output =
        operator.command(&["doctor"]).env("ACCESS_TABLE", "RecordsTable").env("RECORDS_TABLE", "AccessTable").output();
    let (printed, _) = texts(&output.unwrap());
    assert!(
        ["ByJob", "ByExternalId", "ByStatus", "ByStage"]
            .iter()
            .any(|index| printed.contains(&format!("{index} is not in the template"))),
        "{printed}"
    );
    assert!(printed.contains("ByJob is missing"), "{printed}");
}

#[test]
fn the_doctor_says_why_an_issuer_is_unusable() {
    let operator = Operator::new();
    let output = operator.command(&["doctor", "--issuer", "http://127.0.0.1:1"]).output().unwrap();
    let (printed, _) = texts(&output);
    let line = printed.lines().find(|line| line.contains("OpenID issuer")).unwrap();
    assert!(line.starts_with("FAIL") && line.contains("error sending request"), "{line}");
}
