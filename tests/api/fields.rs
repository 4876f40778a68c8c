//! Every field of every update, alone: it is set, cleared and checked, and changes nothing else. The fields and their limits come from the
//! contract, so a new field without its row here fails.

use serde_json::{Map, Value, json};

use crate::{openapi::DOCUMENT, test_app::TestApp};

/// A value of each field that no object in these tests has before.
const VALUES: &str = r#"{
    "title": "Midwife", "description": "Two\nlines", "location": "Bergen", "department": "Ward 3",
    "employmentType": "contract", "workplaceType": "remote", "status": null,
    "salary": { "min": 1, "max": 2.5, "currency": "EUR", "period": "hour" }, "openings": 3, "externalId": "X-1",
    "firstName": "Grace", "lastName": "Hopper", "email": "grace@example.com", "phone": "+47 1", "headline": "Admiral",
    "company": "Navy", "linkedinUrl": "https://www.linkedin.com/in/grace", "resumeUrl": "https://example.com/grace",
    "skills": ["COBOL"], "tags": ["navy"], "source": "referral"
}"#;

/// An object whose every field is to be updated.
struct Subject {
    path: String,
    schema: &'static Map<String, Value>,
    /// A status that it can have, and what changes with it.
    status: (&'static str, &'static [&'static str]),
}

async fn subjects(app: &TestApp) -> [Subject; 3] {
    let (job, candidate) = (app.job("draft").await, app.candidate("ada@example.com").await);
    let open = app.job("open").await;
    let application = app.application(&open, &candidate).await;
    let fields = |patch: &str| DOCUMENT["components"]["schemas"][patch]["properties"].as_object().unwrap();
    [
        Subject { path: format!("/api/v1/jobs/{job}"), schema: fields("JobPatch"), status: ("closed", &["closedAt"]) },
        Subject {
            path: format!("/api/v1/candidates/{candidate}"),
            schema: fields("CandidatePatch"),
            status: ("", &[]),
        },
        Subject {
            path: format!("/api/v1/jobs/{open}/applications/{application}"),
            schema: fields("ApplicationPatch"),
            status: ("hired", &[]),
        },
    ]
}

/// A new value of the field.
fn value(field: &str, subject: &Subject) -> Value {
    let values: Value = serde_json::from_str(VALUES).unwrap();
    match values.get(field) {
        Some(Value::Null) => subject.status.0.into(),
        Some(value) => value.clone(),
        None => panic!("{field} is new: give it a value here"),
    }
}

/// Whether the contract lets `null` clear the field.
fn is_optional(schema: &Value) -> bool {
    let has_null = |types: &Value| types.as_array().is_some_and(|types| types.contains(&json!("null")));
    has_null(&schema["type"])
        || schema["oneOf"].as_array().is_some_and(|cases| cases.contains(&json!({ "type": "null" })))
}

/// Puts the body, and returns the object as it is then, and which of its fields are no longer as before.
async fn put(app: &TestApp, path: &str, body: Value) -> (Value, Vec<String>) {
    let before = app.get(path).await.ok(200).clone();
    let answer = app.put(path, body).await;
    let after = answer.ok(200).clone();
    assert_eq!(app.get(path).await.ok(200), &after, "the response is what is stored");
    let before = before.as_object().unwrap();
    let changed = after.as_object().unwrap().iter().filter(|(name, value)| before[*name] != **value);
    let changed = changed.map(|(name, _)| name.clone()).collect();
    (after, changed)
}

#[tokio::test]
async fn every_field_of_every_update_is_set_alone_and_nothing_else_changes() {
    let app = TestApp::new().await;
    for subject in subjects(&app).await {
        for field in subject.schema.keys() {
            let wanted = value(field, &subject);
            let (after, mut changed) = put(&app, &subject.path, json!({ field: wanted })).await;
            assert_eq!(after[field], wanted, "{}", subject.path);
            let beside: &[&str] = if field == "status" { subject.status.1 } else { &[] };
            let mut expected = vec![field.as_str(), "updatedAt", "version"];
            expected.extend(beside);
            expected.sort_unstable();
            changed.sort_unstable();
            assert_eq!(changed, expected, "{}", subject.path);
        }
    }
}

#[tokio::test]
async fn null_clears_every_optional_field_alone_and_is_rejected_for_every_other() {
    let app = TestApp::new().await;
    for subject in subjects(&app).await {
        for (field, schema) in subject.schema {
            app.put(&subject.path, json!({ field: value(field, &subject) })).await.ok(200);
            let null = json!({ field: null });
            if is_optional(schema) {
                let (after, mut changed) = put(&app, &subject.path, null).await;
                let empty = if schema["type"][0] == "array" { json!([]) } else { Value::Null };
                assert_eq!(after[field], empty, "{field}");
                changed.sort_unstable();
                let mut expected = [field.as_str(), "updatedAt", "version"];
                expected.sort_unstable();
                assert_eq!(changed, expected, "{}", subject.path);
            } else {
                assert_eq!(app.put(&subject.path, null).await.problems(), [format!("{field}: required")]);
            }
        }
    }
}

#[tokio::test]
async fn a_boolean_is_no_value_of_any_field_and_is_not_read_as_null() {
    let app = TestApp::new().await;
    for subject in subjects(&app).await {
        for field in subject.schema.keys() {
            app.put(&subject.path, json!({ field: value(field, &subject) })).await.ok(200);
            for boolean in [true, false] {
                let answer = app.put(&subject.path, json!({ field: boolean })).await;
                assert_eq!(answer.problems(), [format!("{field}: invalid_type")]);
                let details = &answer.body["error"]["details"];
                assert!(details[0]["message"].as_str().unwrap().ends_with("not a boolean."), "{details}");
            }
        }
    }
    for boolean in [true, false] {
        let new = json!({ "title": "Nurse", "department": boolean });
        assert_eq!(app.post("/api/v1/jobs", new).await.problems(), ["department: invalid_type"]);
        assert_eq!(app.post("/api/v1/jobs", boolean.into()).await.problems(), [": invalid_type"]);
    }
}

/// A valid text of the field with so many characters.
fn text(field: &str, length: usize) -> String {
    let begin = match field {
        "email" => {
            // A name of 64 characters, and labels of at most 63.
            let name = format!("{}@", "n".repeat(64));
            let domain: String = (0..length - 65).map(|i| if i % 60 == 59 { '.' } else { 'd' }).collect();
            return name + &domain;
        }
        "linkedinUrl" => "https://www.linkedin.com/in/",
        "resumeUrl" => "https://example.com/",
        _ => "",
    };
    begin.to_owned() + &"x".repeat(length - begin.len())
}

#[tokio::test]
async fn every_text_list_and_number_is_accepted_up_to_its_documented_limit_and_not_beyond() {
    let app = TestApp::new().await;
    let mut checked = 0;
    for subject in subjects(&app).await {
        for (field, schema) in subject.schema {
            let mut edges = Vec::new();
            if let Some(most) = schema["maxLength"].as_u64() {
                let most = usize::try_from(most).unwrap();
                edges.push((text(field, most).into(), None));
                edges.push((text(field, most + 1).into(), Some(format!("{field}: too_long"))));
                let problem = (schema["minLength"] == 1).then(|| format!("{field}: too_short"));
                edges.push(("".into(), problem));
            }
            if let Some(most) = schema["maxItems"].as_u64() {
                let most = usize::try_from(most).unwrap();
                let longest = usize::try_from(schema["items"]["maxLength"].as_u64().unwrap()).unwrap();
                edges.push((json!(vec!["x".repeat(longest); most]), None));
                edges.push((json!(vec!["x"; most + 1]), Some(format!("{field}: too_long"))));
                edges.push((json!(["x", "x".repeat(longest + 1)]), Some(format!("{field}[1]: too_long"))));
            }
            if let (Some(least), Some(most)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64()) {
                let beyond = Some(format!("{field}: out_of_range"));
                edges.extend([(json!(least), None), (json!(most), None)]);
                edges.extend([(json!(least - 1), beyond.clone()), (json!(most + 1), beyond)]);
            }
            for (value, problem) in edges {
                let answer = app.put(&subject.path, json!({ field: value })).await;
                match problem {
                    None => assert_eq!(answer.ok(200)[field], value),
                    Some(problem) => assert_eq!(answer.problems(), [problem]),
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 58, "{checked}");
}
