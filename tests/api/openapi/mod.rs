//! `openapi.json` matches the code: it is generated from the code, has every route, its examples are valid, and it describes every response
//! in these tests.

mod words;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::LazyLock,
};

use axum::http::Method;
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::strange::SECURITY;
use crate::{
    every_route::{Objects, ROUTES, matches},
    test_app::{Answer, TestApp},
};

pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&fs::read_to_string(openapi::FILE).unwrap()).unwrap());

/// The validators of all schemas, by reference.
static VALIDATORS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let names = DOCUMENT["components"]["schemas"].as_object().unwrap().keys();
    names.map(|name| format!("#/components/schemas/{name}")).map(|name| (name.clone(), validator(&name))).collect()
});

fn validator(reference: &str) -> Validator {
    let schema = json!({ "$ref": reference, "components": DOCUMENT["components"] });
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

pub fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// The operation for a request, if there is one.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let (_, methods) = DOCUMENT["paths"].as_object().unwrap().iter().find(|(pattern, _)| matches(pattern, path))?;
    methods.get(method.as_str().to_lowercase())
}

/// Fails unless the response is as documented.
#[track_caller]
pub fn check(method: &Method, path: &str, answer: &Answer) {
    // The document describes unsupported methods and oversized bodies only in general.
    let Some(operation) = operation(method, path) else { return };
    let status = answer.status.as_str();
    if status == "413" && operation.get("requestBody").is_none() {
        return;
    }
    let response = resolved(&operation["responses"][status]);
    if ["204", "304"].contains(&status) {
        assert!(
            response.is_object() && response.get("content").is_none(),
            "{method} {path} does not document {status}"
        );
        assert_eq!(answer.body, Value::Null);
    } else {
        check_body(method, path, answer, response);
    }
    let documented = response["headers"].as_object().unwrap();
    let always = ["x-request-id", "etag", "location", "retry-after", "www-authenticate"];
    for name in documented.keys().map(|name| name.to_lowercase()).filter(|name| always.contains(&name.as_str())) {
        assert!(answer.headers.contains_key(&name), "{method} {path} {status} has no {name}");
    }
    let known = |name: &str| documented.keys().any(|documented| documented.eq_ignore_ascii_case(name));
    let mut plain = vec!["content-type", "content-length", "cache-control"];
    // Every response has these security headers, which are for browsers.
    plain.extend(SECURITY.map(|(name, _)| name));
    for name in answer.headers.keys().map(axum::http::HeaderName::as_str).filter(|name| !plain.contains(name)) {
        assert!(known(name), "{method} {path} {status} does not document {name}");
    }
}

#[track_caller]
fn check_body(method: &Method, path: &str, answer: &Answer, response: &Value) {
    let status = answer.status.as_str();
    let content = &response["content"]["application/json"];
    let schema =
        content["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{method} {path} does not document {status}"));
    if let Err(error) = VALIDATORS[schema].validate(&answer.body) {
        panic!("{method} {path} {status}: {error} at {}", error.instance_path());
    }
    if let Some(code) = answer.body["error"]["code"].as_str() {
        assert!(content["examples"].get(code).is_some(), "{method} {path} does not document {code}");
    }
}

#[test]
fn the_file_matches_the_code() {
    let file = fs::read_to_string(openapi::FILE).unwrap();
    assert!(file == openapi::text(), "openapi.json does not match the code: run `cargo run -p openapi`");
}

#[test]
fn every_route_is_an_operation_with_its_scope_and_a_unique_name() {
    let mut operations = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scopes = operation["security"][0]["ApiKey"].as_array().unwrap();
            operations.insert(format!("{} {path} {scopes:?}", method.to_uppercase()));
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{path}");
        }
    }
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|row| {
            let scopes: Vec<Value> = row.scope.iter().map(|scope| scope.as_str().into()).collect();
            format!("{} {} {scopes:?}", row.method, row.path)
        })
        .collect();
    assert_eq!(operations, routes);
}

/// Finds every example next to a schema in the document, as location, schema reference and example.
fn examples(value: &'static Value, at: &str, found: &mut Vec<(String, String, &'static Value)>) {
    if let Some(schema) = value["schema"]["$ref"].as_str() {
        let named = value["examples"].as_object().into_iter().flat_map(Map::values).map(|example| &example["value"]);
        found.extend(named.chain(value.get("example")).map(|example| (at.to_owned(), schema.to_owned(), example)));
    }
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| examples(member, &format!("{at}/{name}"), found));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| examples(entry, at, found)),
        _ => {}
    }
}

#[test]
fn every_request_and_response_body_has_an_example_that_its_schema_allows() {
    let mut found = Vec::new();
    examples(&DOCUMENT, "", &mut found);
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        if let Some(example) = schema.get("example") {
            found.push((name.clone(), format!("#/components/schemas/{name}"), example));
        }
    }
    for (at, schema, example) in &found {
        if let Err(error) = VALIDATORS[schema].validate(example) {
            panic!("{at}: {error} at {}", error.instance_path());
        }
    }
    let contents = fs::read_to_string(openapi::FILE).unwrap().matches("\"application/json\"").count();
    let shown: BTreeSet<&String> = found
        .iter()
        .map(|(at, ..)| at)
        .filter(|at| at.ends_with("application~1json") || at.ends_with("application/json"))
        .collect();
    assert_eq!(shown.len(), contents, "a request or response body has no example");
}

#[tokio::test]
async fn the_api_accepts_every_example_body() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES.iter().filter(|row| objects.body(row).is_some()) {
        let operation = &DOCUMENT["paths"][row.path][row.method.to_lowercase()];
        let mut example = operation["requestBody"]["content"]["application/json"]["example"].clone();
        // The examples' ids are those of the demo data.
        for (name, id) in objects.body(row).unwrap().as_object().unwrap() {
            if name.ends_with("Id") {
                example[name] = id.clone();
            }
        }
        app.call(row.method, &objects.path(row), Some(&app.key), Some(example)).await.ok(row.status);
    }
}

#[test]
fn schemas_reject_what_the_api_rejects() {
    let new_job = &VALIDATORS["#/components/schemas/NewJob"];
    for invalid in [
        json!({}),
        json!({ "title": "" }),
        json!({ "title": "x".repeat(201) }),
        json!({ "title": "x", "other": 1 }),
        json!({ "title": "x", "status": "none" }),
        json!({ "title": "x", "openings": 0 }),
        json!({ "title": "x", "salary": { "min": 1 } }),
        json!({ "title": "x", "id": "01a1abbe-a37a-7adc-8e2e-5bdf99fc6a1b" }),
    ] {
        assert!(!new_job.is_valid(&invalid), "{invalid}");
    }
    assert!(new_job.is_valid(&json!({ "title": "x", "status": null, "salary": null })));
    assert!(!VALIDATORS["#/components/schemas/JobPatch"].is_valid(&json!({ "status": null })));
}

/// Keywords that common generators and validators all support. `const` breaks openapi-generator, an unknown format fails in ajv, and a
/// `default` makes a field required in openapi-typescript.
const KEYWORDS: &[&str] = &[
    "$ref",
    "additionalProperties",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "type",
];
const FORMATS: &[&str] = &["date", "date-time", "int32", "int64", "uri", "uri-reference", "uuid"];

/// Fails if the schema uses anything that some tool can't handle.
fn check_schema(at: &str, schema: &Value) {
    for (keyword, value) in schema.as_object().unwrap() {
        let fine = match keyword.as_str() {
            // On a parameter, it is only a hint and makes no field required.
            "default" => at.ends_with("/parameters/schema"),
            "format" => FORMATS.contains(&value.as_str().unwrap()),
            // Partial matches and escapes differ between languages.
            "pattern" => value.as_str().is_some_and(|pattern| {
                let plain =
                    |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\\' | b'/' | b'"' | b'\'' | b'`');
                pattern.starts_with('^') && pattern.ends_with('$') && pattern.bytes().all(plain)
            }),
            "enum" => {
                let texts: BTreeSet<String> =
                    value.as_array().unwrap().iter().map(|one| constant_name(one.as_str().unwrap())).collect();
                schema["type"] == "string" && texts.len() >= 2 && texts.len() == value.as_array().unwrap().len()
            }
            // A nullable reference.
            "oneOf" => {
                matches!(value.as_array().unwrap().as_slice(), [one, null] if one["$ref"].is_string() && *null == json!({ "type": "null" }))
            }
            "type" => match value {
                Value::Array(types) => matches!(types.as_slice(), [one, null] if one != "null" && null == "null"),
                one => one.is_string(),
            },
            "additionalProperties" => value.is_boolean(),
            _ => KEYWORDS.contains(&keyword.as_str()),
        };
        assert!(fine, "{at}: {keyword}: {value}");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_schema(&format!("{at}/{name}"), property);
    }
    for inner in schema.get("items").into_iter().chain(schema["oneOf"].as_array().into_iter().flatten()) {
        check_schema(at, inner);
    }
}

/// The constant's name that a generator derives from an enum value.
fn constant_name(value: &str) -> String {
    value.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_uppercase()
}

/// Every top-level schema of the document, with its location.
fn schemas(value: &'static Value, at: &str, found: &mut Vec<(String, &'static Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "schema" => found.push((format!("{at}/schema"), member)),
                    "schemas" => {
                        found.extend(member.as_object().unwrap().iter().map(|(name, schema)| (name.clone(), schema)));
                    }
                    "example" | "examples" => {}
                    _ => schemas(member, &format!("{at}/{name}"), found),
                }
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| schemas(entry, at, found)),
        _ => {}
    }
}

#[test]
fn schemas_use_only_what_common_generators_and_validators_support() {
    let mut found = Vec::new();
    schemas(&DOCUMENT, "", &mut found);
    assert!(found.len() > 100);
    for (at, schema) in found {
        check_schema(&at, schema);
    }
}

/// Names that clash in generated code: with keywords and types of the languages, their default imports, and the generators' own names.
const TAKEN: &str = "
    abstract and any apiclient apiconfiguration apierror apiexception apiresponse array arraylist as assert async await base
    baseexception basemodel bigint blob body bool boolean box break byte bytes case catch char character class client clone
    collection comparable complex configuration console const context continue copy crate data date datetime debug decimal def
    default delegate delete dict dictionary directory display do document dom double drop dyn dynamic element elif else empty
    encoding end entity enum enumerable error errors event exception exec export extends extension extern false fetch field file
    final finally float fn for foreach form formatter from fromstr func function future generator global goto guid hash hashmap
    headers history http if image impl implements import in index input instanceof int integer interface into io is iterable
    iterator json kernel keyword lambda let library link list literal local location lock long loop map match math method mod
    model module move mut name namespace native navigator new next nil node none nonlocal not notification null number object
    operation operator option optional or ordering override package pair pass path pattern pop print private process promise
    property protected proxy public query raise random range record ref reference regexp request require response result return
    rust scalar screen select self selection send sequence session set short signal sized static storage string struct struct super
    switch symbol sync synchronized system table tag task text thread throw throwable throws time timestamp token trait true try
    tuple type typedef undefined union unit unsafe url use uuid value var variant vec vector virtual void volatile warning weakmap
    when where while window with worker yield
";

#[test]
fn schema_names_clash_with_nothing_in_generated_code() {
    let mut taken: BTreeSet<String> = TAKEN.split_whitespace().map(str::to_owned).collect();
    for (_, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (_, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                id.chars().all(|c| c.is_ascii_alphanumeric()) && id.starts_with(|c: char| c.is_ascii_lowercase()),
                "{id}"
            );
            // The names of types that generators derive from an operation.
            for suffix in
                ["", "Body", "Data", "Error", "Errors", "Params", "Request", "Response", "Responses", "Result"]
            {
                taken.insert(format!("{id}{suffix}").to_lowercase());
            }
            let tag = operation["tags"][0].as_str().unwrap();
            taken.extend(["Api", "Service"].map(|suffix| format!("{tag}{suffix}").to_lowercase()));
        }
    }
    // Names that differ only in case are the same file on case-insensitive file systems.
    for kind in ["schemas", "responses"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric()) && name.starts_with(|c: char| c.is_ascii_uppercase()),
                "{name}"
            );
            assert!(taken.insert(name.to_lowercase()), "{name} is taken");
        }
    }
}
