//! The operations for the endpoint reference and the examples, read from the OpenAPI document.

use serde::Serialize;
use serde_json::{Map, Value};

/// The host in every example; a script on the page replaces it with its own.
const HOST: &str = "https://api.example.com";

/// An operation, as the pages show it.
#[derive(Serialize)]
pub struct Operation {
    summary: String,
    method: String,
    path: String,
    about: String,
    scope: String,
    parameters: Vec<Field>,
    body: Vec<Field>,
    status: String,
    answer: Vec<Field>,
    answer_example: String,
    /// The other responses that are no error: for a key that can't read the object, and for a client that has it already.
    others: Vec<Other>,
    is_list: bool,
    refusals: Vec<Refusal>,
    curl: String,
}

/// A parameter, or a field of a request or response body.
#[derive(Serialize)]
struct Field {
    name: String,
    place: String,
    kind: String,
    required: bool,
    about: String,
}

/// A response that is neither the usual one nor an error.
#[derive(Serialize)]
struct Other {
    status: String,
    about: String,
}

#[derive(Serialize)]
struct Refusal {
    status: String,
    codes: Vec<String>,
}

/// Every operation, in the document's order.
pub fn operations(openapi: &Value) -> Vec<Operation> {
    let paths = openapi["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        members(methods).map(move |(method, operation)| describe(openapi, path, method, operation))
    });
    all.collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn describe(openapi: &Value, path: &str, method: &str, operation: &Value) -> Operation {
    let scope = text(&operation["security"][0]["ApiKey"][0]);
    // The last paragraph is the scope, which the page shows separately.
    let about = operation["description"].as_str().and_then(|about| about.rsplit_once("\n\n"));
    let (status, success) = members(&operation["responses"])
        .find(|(status, _)| status.starts_with('2'))
        .map_or((String::new(), &Value::Null), |(status, response)| (status.clone(), response));
    let content = &success["content"]["application/json"];
    let data = &resolve(openapi, &content["schema"])["properties"]["data"];
    let is_list = data["type"] == "array";
    let object = resolve(openapi, if is_list { &data["items"] } else { data });
    let body = &operation["requestBody"]["content"]["application/json"];
    let (refusals, successes): (Vec<_>, Vec<_>) =
        members(&operation["responses"]).partition(|(status, _)| status.starts_with(['4', '5']));
    let others = successes.into_iter().filter(|(other, _)| **other != status);
    let others =
        others.map(|(status, response)| Other { status: status.clone(), about: text(&response["description"]) });
    let others = others.collect();
    Operation {
        summary: text(&operation["summary"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        about: about.map(|(about, _)| about.to_owned()).unwrap_or_default(),
        scope,
        parameters: operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| parameter(openapi, one))
            .collect(),
        body: fields(openapi, resolve(openapi, &body["schema"]), ""),
        status,
        answer: fields(openapi, object, ""),
        answer_example: format!("{:#}", content["example"]),
        others,
        is_list,
        refusals: refusals
            .into_iter()
            .map(|(status, response)| Refusal { status: status.clone(), codes: codes(resolve(openapi, response)) })
            .collect(),
        curl: curl(path, method, operation),
    }
}

fn resolve<'a>(openapi: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|reference| openapi.pointer(reference.strip_prefix('#')?));
    reference.unwrap_or(value)
}

fn codes(response: &Value) -> Vec<String> {
    members(&response["content"]["application/json"]["examples"]).map(|(code, _)| code.clone()).collect()
}

fn parameter(openapi: &Value, parameter: &Value) -> Field {
    Field {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        kind: kind(openapi, &parameter["schema"]),
        required: parameter["required"] == true,
        about: text(&parameter["description"]),
    }
}

/// The fields of an object, each followed by its nested fields: `salary.min`.
fn fields(openapi: &Value, schema: &Value, within: &str) -> Vec<Field> {
    let required = |name: &String| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let field = |(name, property): (&String, &Value)| {
        let path = format!("{within}{name}");
        let inner = resolve(openapi, one_way(property));
        let rows = if inner["type"] == "array" { resolve(openapi, &inner["items"]) } else { inner };
        let below = fields(openapi, rows, &format!("{path}{}.", if inner["type"] == "array" { "[]" } else { "" }));
        let own = Field {
            name: path,
            place: String::new(),
            kind: kind(openapi, property),
            required: required(name),
            about: about(openapi, property),
        };
        [own].into_iter().chain(below)
    };
    members(&schema["properties"]).flat_map(field).collect()
}

/// The description of a property, or of its type: the first paragraph, without the list of values.
fn about(openapi: &Value, property: &Value) -> String {
    let words = property.get("description").or_else(|| resolve(openapi, one_way(property)).get("description"));
    let words = words.and_then(Value::as_str).and_then(|words| words.split("\n\n").next()).unwrap_or_default();
    words.replace('\n', " ")
}

/// The schema of a property when it is not `null`.
fn one_way(property: &Value) -> &Value {
    property["oneOf"].get(0).unwrap_or(property)
}

/// A schema in a few words: `text, 1–200 characters; or null`.
fn kind(openapi: &Value, schema: &Value) -> String {
    let mut words = match schema["oneOf"].as_array() {
        Some(ways) => {
            let ways =
                ways.iter().map(|way| if way["type"] == "null" { "`null`".to_owned() } else { kind(openapi, way) });
            ways.collect::<Vec<_>>().join("; or ")
        }
        None => plain_kind(openapi, resolve(openapi, schema)),
    };
    if let Some(default) = schema.get("default") {
        words += &format!("; `{}` by default", default.to_string().replace('"', ""));
    }
    words
}

fn plain_kind(openapi: &Value, schema: &Value) -> String {
    let (types, nullable) = match &schema["type"] {
        Value::Array(types) => (text(&types[0]), "; or `null`"),
        one => (text(one), ""),
    };
    let range = |least: &str, most: &str| match (&schema[least], &schema[most]) {
        (Value::Number(least), Value::Number(most)) => format!(" {least}–{most}"),
        _ => String::new(),
    };
    let words = match (types.as_str(), schema["format"].as_str()) {
        ("string", Some("uuid")) => "id".to_owned(),
        ("string", Some("date-time")) => "time".to_owned(),
        ("string", _) if schema["enum"].is_array() => {
            let values = schema["enum"].as_array().into_iter().flatten();
            format!("one of {}", values.map(|value| format!("`{}`", text(value))).collect::<Vec<_>>().join(", "))
        }
        ("string", format) => {
            let what = match format {
                Some("uri") => "URL",
                _ => "text",
            };
            match (schema["minLength"].as_u64(), schema["maxLength"].as_u64()) {
                (_, None) => what.to_owned(),
                (None | Some(0), Some(most)) => format!("{what}, up to {most} characters"),
                (Some(least), Some(most)) => format!("{what}, {least}–{most} characters"),
            }
        }
        ("integer", _) => format!("whole number{}", range("minimum", "maximum")),
        ("number", _) => format!("number{}", range("minimum", "maximum")),
        ("boolean", _) => "`true` or `false`".to_owned(),
        ("array", _) => {
            let most = schema["maxItems"].as_u64().map(|most| format!(", up to {most}")).unwrap_or_default();
            format!("list{most} of: {}", kind(openapi, &schema["items"]))
        }
        _ => "object".to_owned(),
    };
    words + nullable
}

/// The operation as a curl command to paste.
fn curl(path: &str, method: &str, operation: &Value) -> String {
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = text(&parameter["name"]);
        match parameter["in"].as_str() {
            Some("path") => {
                target = target.replace(&format!("{{{name}}}"), parameter["example"].as_str().unwrap_or("ID"));
            }
            Some("query") if name == "limit" => query.push("limit=10".to_owned()),
            Some("query") if name == "status" => query.push(format!("status={}", text(&status(operation)))),
            _ => {}
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let example = operation["requestBody"]["content"]["application/json"].get("example");
    let verb = if method == "get" { String::new() } else { format!(" -X {}", method.to_uppercase()) };
    let mut command = format!("curl -s{verb} -H \"X-API-Key: $HH_KEY\"");
    if let Some(example) = example {
        // A single quote would end the shell string; our examples have none.
        command += &format!(" -H \"Content-Type: application/json\" \\\n  -d '{example}'");
    }
    format!("{command} \\\n  \"{HOST}{target}\"")
}

/// The example of a status filter: the status of the first row of the response.
fn status(operation: &Value) -> Value {
    operation["responses"]["200"]["content"]["application/json"]["example"]["data"][0]["status"].clone()
}
