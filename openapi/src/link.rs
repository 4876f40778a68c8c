//! Links from a response to the operations that take its ids. A response links to an operation when it has an id of the right type for each
//! parameter in the operation's path.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::{contract::operation::Operation, http::route::Route};

/// The parameter names in a path's pattern, in order.
pub fn path_parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// The links of each operation's response.
pub fn all(operations: &[(&str, Route, Operation)], schemas: &BTreeMap<String, Value>) -> Vec<Value> {
    let links = |(_, route, operation): &(&str, Route, Operation)| {
        let Some(answer) = &operation.answer else { return Value::Null };
        let row = if answer.is_list { "/0" } else { "" };
        let mut links = Map::new();
        if answer.is_list {
            let mut parameters = json!({ "query.cursor": "$response.body#/pagination/nextCursor" });
            for name in path_parameters(route.path) {
                parameters[format!("path.{name}")] = json!(format!("$request.path.{name}"));
            }
            for (filter, _) in &operation.query {
                parameters[format!("query.{filter}")] = json!(format!("$request.query.{filter}"));
            }
            links.insert(
                "nextPage".to_owned(),
                json!({
                    "operationId": route.doc.id,
                    "description": "The next page, while `hasMore` is true.",
                    "parameters": parameters,
                }),
            );
        }
        let ids = ids(&schemas[answer.data.as_ref()]);
        for (_, to, target) in operations.iter().filter(|(_, _, target)| !target.path.is_empty()) {
            let names = path_parameters(to.path).zip(&target.path);
            let found: Option<Map<String, Value>> = names
                .map(|(parameter, kind)| {
                    let (property, _) = ids.iter().find(|(_, of)| *of == kind)?;
                    Some((format!("path.{parameter}"), json!(format!("$response.body#/data{row}/{property}"))))
                })
                .collect();
            if let Some(parameters) = found {
                let link = json!({
                    "operationId": to.doc.id,
                    "description": format!("{}, using the IDs in this response.", to.doc.summary),
                    "parameters": parameters,
                });
                links.insert(to.doc.id.to_owned(), link);
            }
        }
        links.into()
    };
    operations.iter().map(links).collect()
}

/// The properties that are ids, each with its type; the object's own comes first.
fn ids(schema: &Value) -> Vec<(&String, &str)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut ids: Vec<(&String, &str)> = properties
        .filter_map(|(name, property)| Some((name, property["$ref"].as_str()?.rsplit('/').next()?)))
        .filter(|(_, kind)| kind.ends_with("Id"))
        .collect();
    // `previousStageId` comes last: the current id is the one to follow.
    ids.sort_by_key(|(name, _)| (name.as_str() != "id", name.starts_with("previous")));
    ids
}
