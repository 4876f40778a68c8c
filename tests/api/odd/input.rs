//! What a client, or whatever stands between it and us, could send: events made of parts that are right, nearly right, or anything at all.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{Index, select},
    strategy::Union,
};
use serde_json::{Map, Value, json};

use crate::{
    every_route::{ROUTES, Row},
    openapi::DOCUMENT,
    test_app::ORIGIN,
};

/// What the parts that are right are made of.
#[derive(Clone, Debug)]
pub struct Right {
    pub keys: Vec<String>,
    pub ids: Vec<String>,
    pub cursors: Vec<String>,
}

/// A text that is chosen from some, or made by changing one of them, or anything.
fn near(right: Vec<String>) -> BoxedStrategy<String> {
    let changed = (select(right.clone()), any::<Index>(), odd()).prop_map(|(text, at, odd)| {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len() + 1);
        chars.splice(at..(at + 1).min(chars.len()), odd.chars().take(2));
        chars.into_iter().collect()
    });
    prop_oneof![6 => select(right), 2 => changed, 1 => odd()].boxed()
}

fn near_of(right: &[&str]) -> BoxedStrategy<String> {
    near(right.iter().map(|text| (*text).to_owned()).collect())
}

/// Any text, and more often one that has gone wrong somewhere before.
fn odd() -> BoxedStrategy<String> {
    let known = [
        "", " ", "\0", "\n", "\r\nx: y", "\"", "'", "\\", "/", "..", "%", "%00", "%2e%2e", "%ff", "null", "*", ",",
        ";", "é", "e\u{301}", "\u{202e}", "\u{feff}", "\u{fffd}", "🌙", "ſ", "İ", "{}", "[]", "-1", "1e400", "00",
    ];
    let long =
        (select(vec!["x", "ü", "/", "[", "1", " "]), 1..3_000_usize).prop_map(|(text, times)| text.repeat(times));
    prop_oneof![6 => select(known.to_vec()).prop_map(str::to_owned), 3 => vec(any::<char>(), 0..20).prop_map(String::from_iter),
        3 => vec(32..127_u8, 0..30).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()), 1 => long]
    .boxed()
}

/// Any JSON, not deep.
fn json_value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        odd().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((odd(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// A value that many fields accept.
fn fine_value(right: &Right) -> BoxedStrategy<Value> {
    let texts = [
        "Nurse",
        "open",
        "draft",
        "full-time",
        "remote",
        "ada@example.com",
        "Ada@BÜCHER.example",
        "new",
        "hired",
        "https://example.com/a",
        "https://www.linkedin.com/in/ada",
        "EUR",
        "year",
    ];
    prop_oneof![
        4 => near_of(&texts).prop_map(Value::from),
        1 => near(right.ids.clone()).prop_map(Value::from),
        1 => (0..20_000_u32).prop_map(Value::from),
        1 => vec(near_of(&texts), 0..4).prop_map(Value::from),
        1 => (any::<f64>(), near_of(&["EUR", "JPY"]), near_of(&["year", "hour"]))
            .prop_map(|(min, currency, period)| json!({ "min": min, "currency": currency, "period": period })),
    ]
    .boxed()
}

/// Every name that a body can have, of every schema.
fn field_names() -> Vec<String> {
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap().values();
    schemas.filter_map(|schema| schema["properties"].as_object()).flat_map(Map::keys).cloned().collect()
}

fn json_body(right: &Right) -> BoxedStrategy<String> {
    let examples: Vec<Map<String, Value>> = DOCUMENT["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .filter_map(|operation| operation["requestBody"]["content"]["application/json"]["example"].as_object().cloned())
        .collect();
    let value = prop_oneof![3 => fine_value(right), 1 => json_value()];
    let changes = vec((near(field_names()), option::weighted(0.8, value)), 0..4);
    let object = (select(examples), changes).prop_map(|(mut object, changes)| {
        for (name, value) in changes {
            match value {
                Some(value) => object.insert(name, value),
                None => object.shift_remove(&name),
            };
        }
        Value::Object(object).to_string()
    });
    let deep = (select(vec!["[", "{\"a\":", "[{\"a\":"]), 1..400_usize).prop_map(|(text, times)| text.repeat(times));
    let whole = prop_oneof![12 => object, 2 => json_value().prop_map(|value| value.to_string()), 1 => deep, 1 => odd()];
    let damage = option::weighted(0.2, (any::<Index>(), odd()));
    (whole, damage)
        .prop_map(|(text, damage)| match damage {
            None => text,
            Some((at, odd)) => {
                let mut chars: Vec<char> = text.chars().collect();
                let at = at.index(chars.len() + 1);
                chars.splice(at..(at + 1).min(chars.len()), odd.chars());
                chars.into_iter().collect()
            }
        })
        .boxed()
}

/// A body as in an event: the text, and whether it is base64.
fn body(right: &Right) -> BoxedStrategy<(Value, bool)> {
    prop_oneof![
        2 => Just((Value::Null, false)),
        12 => json_body(right).prop_map(|text| (text.into(), false)),
        3 => json_body(right).prop_map(|text| (BASE64.encode(text.as_bytes()).into(), true)),
        3 => vec(any::<u8>(), 0..60).prop_map(|bytes| (BASE64.encode(&bytes).into(), true)),
        1 => odd().prop_map(|text| (text.into(), true)),
    ]
    .boxed()
}

fn query(right: &Right) -> BoxedStrategy<String> {
    let names = ["limit", "cursor", "status", "externalId", "ids", "email", "candidateId"];
    let cursor = vec(any::<u8>(), 0..60).prop_map(|bytes| BASE64URL_NOPAD.encode(&bytes));
    let ids = vec(near(right.ids.clone()), 0..4).prop_map(|ids| ids.join(","));
    let value = prop_oneof![
        4 => near_of(&["1", "20", "100", "101", "0", "+5", "open", "new", "a@example.com", "REQ-1"]),
        1 => near(right.cursors.clone()),
        1 => cursor,
        1 => ids,
    ];
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pairs = vec((near_of(&names), value), 0..4).prop_map(move |pairs| {
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        pairs.join("&")
    });
    prop_oneof![3 => Just(String::new()), 6 => pairs.clone(), 1 => (pairs, odd()).prop_map(|(pairs, odd)| pairs + &odd)]
        .boxed()
}

fn headers(right: &Right) -> BoxedStrategy<Map<String, Value>> {
    let header =
        |name: &'static str, values: BoxedStrategy<String>| values.prop_map(move |value| (name.to_owned(), value));
    let tags =
        ["*", "\"1\"", "\"2\"", "W/\"1\"", "1", "\"1\", \"2\"", "\"", "\"99999999999999999999\"", "\"a,b\"", "\"1\",,"];
    let once = ["a", "\"a\"", "0d4e1ab6-2ee4-4bd1-8a7c-cbb3ae3ad7f1", "a,b"];
    let types = [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-16",
        "text/plain",
        "a/b+json",
    ];
    let any_header = Union::new([
        header("if-match", near_of(&tags)).boxed(),
        header("if-none-match", near_of(&tags)).boxed(),
        header("idempotency-key", near_of(&once)).boxed(),
        header("content-type", near_of(&types)).boxed(),
        header("content-encoding", near_of(&["gzip", "identity", ""])).boxed(),
        header("x-api-key", near(right.keys.clone())).boxed(),
        header("authorization", odd()).boxed(),
        header("host", near_of(&["api.example.com", "localhost:3000", "[::1]:1"])).boxed(),
        header("x-forwarded-proto", near_of(&["https", "http", "HTTPS"])).boxed(),
        (odd(), odd()).boxed(),
    ]);
    let key = select(right.keys.clone());
    let given = (option::weighted(0.9, key), option::weighted(0.8, Just("application/json")), vec(any_header, 0..4));
    (given, any::<u8>())
        .prop_map(|((key, content_type, others), raw)| {
            let key = key.map(|key| ("x-api-key".to_owned(), key));
            let content_type = content_type.map(|of| ("content-type".to_owned(), of.to_owned()));
            let all = key.into_iter().chain(content_type).chain(others);
            all.map(|(name, value)| if raw < 16 { (name, value.into()) } else { as_header(&name, &value) }).collect()
        })
        .boxed()
}

/// A header that HTTP allows: with any other, there is no event that we could read.
fn as_header(name: &str, value: &str) -> (String, Value) {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(100).collect();
    let value: String = value.chars().filter(|c| matches!(c, ' '..='~')).collect();
    (if name.is_empty() { "x-odd".to_owned() } else { name }, value.into())
}

/// A path of the route, or another one.
fn path(row: &'static Row, right: &Right) -> BoxedStrategy<String> {
    let filled = vec(near(right.ids.clone()), 3).prop_map(|ids| {
        let mut ids = ids.into_iter();
        let segments = row.path.split('/');
        let filled: Vec<String> = segments
            .map(|segment| if segment.starts_with('{') { ids.next().unwrap_or_default() } else { segment.to_owned() })
            .collect();
        filled.join("/")
    });
    prop_oneof![20 => filled.clone(), 1 => (filled, odd()).prop_map(|(path, odd)| path + &odd), 1 => odd()].boxed()
}

/// An event for one of the routes.
pub fn event(right: &Right) -> impl Strategy<Value = (&'static Row, Value)> + use<> {
    let methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    let targets = ROUTES.iter().map(|row| {
        let method = prop_oneof![12 => Just(row.method.to_owned()), 1 => near_of(&methods)];
        (Just(row), method, path(row, right)).boxed()
    });
    let http = (Union::new(targets), query(right), headers(right), body(right));
    let members = [
        "/version",
        "/rawPath",
        "/rawQueryString",
        "/headers",
        "/cookies",
        "/requestContext",
        "/requestContext/http",
        "/requestContext/http/method",
        "/requestContext/http/sourceIp",
        "/requestContext/requestId",
        "/requestContext/domainName",
        "/requestContext/timeEpoch",
        "/stageVariables",
        "/body",
        "/isBase64Encoded",
    ];
    let damage = option::weighted(0.05, (select(members.to_vec()), json_value()));
    (http, damage).prop_map(|(((row, method, path), query, headers, (body, is_base64)), damage)| {
        let mut event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "cookies": ["a=b"],
            "requestContext": {
                "http": { "method": method, "path": path, "sourceIp": "203.0.113.7" },
                "requestId": "JKJaXmPL01HcESHA=", "stage": "$default", "timeEpoch": 1_795_521_600_000_u64,
                "domainName": ORIGIN.trim_start_matches("http://"),
            },
            "stageVariables": {}, "body": body, "isBase64Encoded": is_base64,
        });
        if let Some((member, value)) = damage {
            *event.pointer_mut(member).unwrap() = value;
        }
        (row, event)
    })
}
