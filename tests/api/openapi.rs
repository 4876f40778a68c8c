//! `openapi.json` says what the code does: it is made of the code, has every route, its examples are right, and every answer
//! of every test here is one that it tells of.

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

/// The validators of all schemas that answers have, by their references.
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

/// The operation that answers a request, if it is one.
fn operation(method: &Method, path: &str) -> Option<&'static Value> {
    let (_, methods) = DOCUMENT["paths"].as_object().unwrap().iter().find(|(pattern, _)| matches(pattern, path))?;
    methods.get(method.as_str().to_lowercase())
}

/// Fails if the document does not tell of an answer, or tells otherwise.
#[track_caller]
pub fn check(method: &Method, path: &str, answer: &Answer) {
    // A method that the path does not take, and a body that is too large for any request, are told of in general.
    let Some(operation) = operation(method, path) else { return };
    let status = answer.status.as_str();
    if status == "413" && operation.get("requestBody").is_none() {
        return;
    }
    let response = resolved(&operation["responses"][status]);
    if status == "204" {
        assert!(response.is_object() && response.get("content").is_none(), "{method} {path} tells of no {status}");
        assert_eq!(answer.body, Value::Null);
    } else {
        check_body(method, path, answer, response);
    }
    let told = response["headers"].as_object().unwrap();
    let always = ["x-request-id", "etag", "location", "retry-after", "www-authenticate"];
    for name in told.keys().map(|name| name.to_lowercase()).filter(|name| always.contains(&name.as_str())) {
        assert!(answer.headers.contains_key(&name), "{method} {path} {status} has no {name}");
    }
    let known = |name: &str| told.keys().any(|told| told.eq_ignore_ascii_case(name));
    let mut plain = vec!["content-type", "content-length", "cache-control"];
    // These every response has, and they are for browsers.
    plain.extend(SECURITY.map(|(name, _)| name));
    for name in answer.headers.keys().map(axum::http::HeaderName::as_str).filter(|name| !plain.contains(name)) {
        assert!(known(name), "{method} {path} {status} tells of no {name}");
    }
}

#[track_caller]
fn check_body(method: &Method, path: &str, answer: &Answer, response: &Value) {
    let status = answer.status.as_str();
    let content = &response["content"]["application/json"];
    let schema = content["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{method} {path} tells of no {status}"));
    if let Err(error) = VALIDATORS[schema].validate(&answer.body) {
        panic!("{method} {path} {status}: {error} at {}", error.instance_path());
    }
    if let Some(code) = answer.body["error"]["code"].as_str() {
        assert!(content["examples"].get(code).is_some(), "{method} {path} tells of no {code}");
    }
}

#[test]
fn the_file_is_what_the_code_says() {
    let file = fs::read_to_string(openapi::FILE).unwrap();
    assert!(file == openapi::text(), "openapi.json is not what the code says: run `cargo run -p openapi`");
}

#[test]
fn every_route_is_an_operation_with_its_scope_and_a_name_of_its_own() {
    let mut told = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scopes = operation["security"][0]["ApiKey"].as_array().unwrap();
            told.insert(format!("{} {path} {scopes:?}", method.to_uppercase()));
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
    assert_eq!(told, routes);
}

/// Each schema beside an example in the document: what is told, and where.
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
fn every_body_and_every_answer_has_an_example_that_its_schema_allows() {
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
    assert_eq!(shown.len(), contents, "a body or an answer has no example");
}

#[tokio::test]
async fn every_example_body_is_one_that_the_api_takes() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    for row in ROUTES.iter().filter(|row| row.method != "GET") {
        let operation = &DOCUMENT["paths"][row.path][row.method.to_lowercase()];
        let mut example = operation["requestBody"]["content"]["application/json"]["example"].clone();
        // The ids are those of the demo data.
        for (name, id) in objects.body(row).unwrap().as_object().unwrap() {
            if name.ends_with("Id") {
                example[name] = id.clone();
            }
        }
        app.call(row.method, &objects.path(row), Some(&app.key), Some(example)).await.ok(row.status);
    }
}

#[test]
fn a_schema_refuses_what_the_api_refuses() {
    let new_job = &VALIDATORS["#/components/schemas/NewJob"];
    for refused in [
        json!({}),
        json!({ "title": "" }),
        json!({ "title": "x".repeat(201) }),
        json!({ "title": "x", "other": 1 }),
        json!({ "title": "x", "status": "none" }),
        json!({ "title": "x", "openings": 0 }),
        json!({ "title": "x", "salary": { "min": 1 } }),
        json!({ "title": "x", "id": "01a1abbe-a37a-7adc-8e2e-5bdf99fc6a1b" }),
    ] {
        assert!(!new_job.is_valid(&refused), "{refused}");
    }
    assert!(new_job.is_valid(&json!({ "title": "x", "status": null, "salary": null })));
    assert!(!VALIDATORS["#/components/schemas/JobPatch"].is_valid(&json!({ "status": null })));
}

/// What generators and validators in common use all take. `const` breaks openapi-generator, an unknown format fails in ajv, and a
/// `default` makes a field compulsory in openapi-typescript.
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

/// Fails if the schema has what some tool can't take.
fn check_schema(at: &str, schema: &Value) {
    for (keyword, value) in schema.as_object().unwrap() {
        let fine = match keyword.as_str() {
            // Of a parameter it is a hint, not a field that appears.
            "default" => at.ends_with("/parameters/schema"),
            "format" => FORMATS.contains(&value.as_str().unwrap()),
            // What is matched in part, or needs an escape, means another thing in another language.
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
            // A value, or nothing.
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

/// What a generator makes of an enum's value.
fn constant_name(value: &str) -> String {
    value.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_uppercase()
}

/// Every schema of the document that is not within another, and where it is.
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
fn schemas_use_only_what_the_common_generators_and_validators_take() {
    let mut found = Vec::new();
    schemas(&DOCUMENT, "", &mut found);
    assert!(found.len() > 100);
    for (at, schema) in found {
        check_schema(&at, schema);
    }
}

/// What generated code has under the same name: of the languages, of what they import by themselves, and of the generators.
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
fn a_schema_is_called_like_nothing_that_generated_code_has_already() {
    let mut taken: BTreeSet<String> = TAKEN.split_whitespace().map(str::to_owned).collect();
    for (_, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (_, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                id.chars().all(|c| c.is_ascii_alphanumeric()) && id.starts_with(|c: char| c.is_ascii_lowercase()),
                "{id}"
            );
            // What generators call an operation's own types.
            for suffix in
                ["", "Body", "Data", "Error", "Errors", "Params", "Request", "Response", "Responses", "Result"]
            {
                taken.insert(format!("{id}{suffix}").to_lowercase());
            }
            let tag = operation["tags"][0].as_str().unwrap();
            taken.extend(["Api", "Service"].map(|suffix| format!("{tag}{suffix}").to_lowercase()));
        }
    }
    // Names that differ in case alone are one file where case does not count.
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

/// Whether there are words, and not only space.
fn says_something(words: &Value) -> bool {
    words.as_str().is_some_and(|words| !words.trim().is_empty())
}

/// Fails if a schema, a property in it or a value of its enum has no description.
fn check_words(at: &str, schema: &'static Value) {
    // What has no words of its own has those of what it refers to.
    let inner = if schema["oneOf"].is_array() { &schema["oneOf"][0] } else { schema };
    let words = [schema, inner, resolved(inner)].map(|part| &part["description"]);
    assert!(words.into_iter().any(says_something), "{at} has no description");
    for value in schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let start = format!("- `{value}`: ");
        let mut lines = schema["description"].as_str().unwrap().lines();
        let meaning = lines.find_map(|line| line.strip_prefix(&start));
        assert!(meaning.is_some_and(|meaning| !meaning.trim().is_empty()), "{at} does not say what `{value}` means");
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_words(&format!("{at}.{name}"), property);
    }
    if schema["items"]["properties"].is_object() || schema["items"]["enum"].is_array() {
        check_words(&format!("{at}[]"), &schema["items"]);
    }
}

#[test]
fn every_property_parameter_and_enum_value_has_a_description() {
    let components = &DOCUMENT["components"];
    for (name, schema) in components["schemas"].as_object().unwrap() {
        check_words(name, schema);
    }
    for (path, methods) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let at = format!("{method} {path}: {}", parameter["name"]);
                assert!(says_something(&parameter["description"]), "{at} has no description");
                let schema = resolved(&parameter["schema"]);
                if schema["enum"].is_array() {
                    check_words(&at, schema);
                }
            }
        }
    }
    for (name, header) in components["headers"].as_object().unwrap() {
        assert!(says_something(&header["description"]), "{name} has no description");
    }
}

/// Every text of the document.
fn texts(value: &'static Value, found: &mut Vec<&'static str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(entries) => entries.iter().for_each(|entry| texts(entry, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

#[test]
fn no_text_ends_the_comment_or_the_line_that_a_generator_puts_it_in() {
    let mut found = Vec::new();
    texts(&DOCUMENT, &mut found);
    for text in found {
        assert!(!["*/", "\"\"\"", "\u{2028}", "\u{2029}", "\u{85}"].iter().any(|end| text.contains(end)), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    }
}

#[test]
fn a_link_to_the_outside_is_absolute() {
    let document: &'static Value = &DOCUMENT;
    let url = document.pointer("/externalDocs/url").and_then(Value::as_str);
    assert!(url.is_none_or(|url| url.starts_with("https://")));
}
