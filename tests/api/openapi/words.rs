//! The texts of the contract: each says something, and none breaks generated code.

use serde_json::Value;

use super::{DOCUMENT, resolved};

/// Whether the text is more than white space.
fn says_something(words: &Value) -> bool {
    words.as_str().is_some_and(|words| !words.trim().is_empty())
}

/// Fails if a schema, one of its properties or a value of its enum has no description.
fn check_words(at: &str, schema: &'static Value) {
    // A schema without a description uses that of the schema it refers to.
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
fn no_text_breaks_out_of_a_comment_or_a_line_in_generated_code() {
    let mut found = Vec::new();
    texts(&DOCUMENT, &mut found);
    for text in found {
        assert!(!["*/", "\"\"\"", "\u{2028}", "\u{2029}", "\u{85}"].iter().any(|end| text.contains(end)), "{text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    }
}

#[test]
fn an_external_link_is_absolute() {
    let document: &'static Value = &DOCUMENT;
    let url = document.pointer("/externalDocs/url").and_then(Value::as_str);
    assert!(url.is_none_or(|url| url.starts_with("https://")));
}
