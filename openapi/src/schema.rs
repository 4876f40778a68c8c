//! The published schemas: values are inlined where they are used; objects and enums have names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::contract::operation::Operation;

const PREFIX: &str = "#/components/schemas/";

/// A reference to the schema of this name.
pub fn refer(name: &str) -> Value {
    json!({ "$ref": format!("{PREFIX}{name}") })
}

/// The name of a response's envelope.
pub fn envelope_name(data: &str, is_list: bool) -> String {
    format!("{data}{}", if is_list { "List" } else { "Response" })
}

/// The `success` property. No `const`: generators would turn it into an enum, which a boolean never matches.
pub fn success(is: bool) -> Value {
    json!({ "type": "boolean", "description": format!("Always `{is}` in this response."), "example": is })
}

/// Adds the envelope of an operation's response.
pub fn add_envelope(schemas: &mut BTreeMap<String, Value>, operation: &Operation) {
    let Some(answer) = &operation.answer else { return };
    let data = refer(&answer.data);
    let success = success(true);
    let envelope = if answer.is_list {
        schemas.entry("Pagination".to_owned()).or_insert_with(pagination);
        let properties = json!({
            "success": success,
            "data": { "type": "array", "items": data, "description": "The items on this page." },
            "pagination": refer("Pagination"),
        });
        let mut page = described(&format!("A page of `{}` objects.", answer.data), &properties);
        if let (Some(kind), Some(properties)) = (&operation.ids, page["properties"].as_object_mut()) {
            let ids = |about: &str| json!({ "type": "array", "items": refer(kind), "description": about, "example": [], OPTIONAL: true });
            properties.insert(
                "missing".to_owned(),
                ids("Only with `ids`: those whose objects don't exist in your organization."),
            );
            properties.insert(
                "remaining".to_owned(),
                ids("Only with `ids`: those whose objects didn't fit into this response. Request them again."),
            );
        }
        page
    } else {
        described(&format!("A single `{}` object.", answer.data), &json!({ "success": success, "data": data }))
    };
    schemas.insert(envelope_name(&answer.data, answer.is_list), envelope);
}

/// A response object: all its properties are required.
pub fn described(about: &str, properties: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "description": about, "properties": properties, "required": names })
}

fn pagination() -> Value {
    let properties = json!({
        "hasMore": { "type": "boolean", "description": "Whether there is another page.", "example": false },
        "nextCursor": { "type": ["string", "null"], "description": "Pass it as `cursor` to get the next page; `null` exactly when `hasMore` is false.", "example": null },
        "limit": { "type": "integer", "description": "Maximum items per page.", "example": 20 },
    });
    described("How to get the next page.", &properties)
}

/// All schemas, in their published form.
pub struct Finished {
    all: BTreeMap<String, Value>,
}

impl Finished {
    /// Converts the schemas of the types to their published form.
    pub fn of(all: BTreeMap<String, Value>) -> Self {
        let raw = Self { all };
        let finish = |schema: &Value| {
            let mut schema = raw.inline(schema);
            if is_answered(&schema) {
                finish_answer(&mut schema);
            }
            schema
        };
        Self { all: raw.all.iter().map(|(name, schema)| (name.clone(), finish(schema))).collect() }
    }

    /// The schemas that have names: objects and enums.
    pub fn components(&self) -> BTreeMap<&String, &Value> {
        self.all.iter().filter(|(_, schema)| !is_value(schema)).collect()
    }

    fn referred(&self, schema: &Value) -> Option<&Value> {
        self.all.get(schema["$ref"].as_str()?.strip_prefix(PREFIX)?)
    }

    /// The schema with every reference to a value inlined.
    pub fn inline(&self, schema: &Value) -> Value {
        match schema {
            Value::Array(entries) => entries.iter().map(|entry| self.inline(entry)).collect(),
            Value::Object(members) => self.inline_object(members, schema),
            other => other.clone(),
        }
    }

    fn inline_object(&self, members: &Map<String, Value>, schema: &Value) -> Value {
        if let Some(value) = self.referred(schema).filter(|referred| is_value(referred)) {
            return with(value.clone(), members);
        }
        // A nullable value is one schema with two types.
        if let Some([other, null]) = schema["oneOf"].as_array().map(Vec::as_slice)
            && null == &json!({ "type": "null" })
        {
            let inlined = self.inline(other);
            if inlined.get("$ref").is_none() {
                let mut both = with(inlined.clone(), members);
                both["type"] = json!([inlined["type"], "null"]);
                return both;
            }
        }
        members.iter().map(|(name, member)| (name.clone(), self.inline(member))).collect::<Map<_, _>>().into()
    }

    /// An example for the schema, composed from the examples of its properties.
    pub fn example(&self, schema: &Value) -> Value {
        if let Some(example) = schema.get("example") {
            return example.clone();
        }
        if let Some(referred) = self.referred(schema) {
            return self.example(referred);
        }
        if let Some(ways) = schema["oneOf"].as_array() {
            return ways.iter().find(|way| way["type"] != "null").map_or(Value::Null, |way| self.example(way));
        }
        match schema["type"].as_str() {
            Some("object") => {
                let properties = schema["properties"].as_object().into_iter().flatten();
                properties.map(|(name, property)| (name.clone(), self.example(property))).collect::<Map<_, _>>().into()
            }
            Some("array") => json!([self.example(&schema["items"])]),
            _ => Value::Null,
        }
    }

    /// The example of an object's id.
    pub fn example_id(&self, object: &str) -> Value {
        self.all.get(object).map_or(Value::Null, |schema| schema["example"]["id"].clone())
    }
}

/// Only request bodies and the error body say whether they may have additional properties; any other object is part of a response.
fn is_answered(schema: &Value) -> bool {
    schema["type"] == "object" && schema.get("additionalProperties").is_none()
}

/// A type's `Option` means that a property can be `null`, not that it can be missing: responses omit nothing. Patterns are removed, since
/// stored data may be older than a rule.
fn finish_answer(schema: &mut Value) {
    let names: Vec<String> = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    for name in &names {
        for property in [&format!("/properties/{name}"), &format!("/properties/{name}/items")] {
            if let Some(property) = schema.pointer_mut(property).and_then(Value::as_object_mut) {
                property.remove("pattern");
                // A URL is returned as it was sent, even with characters that a URI would encode.
                if property.get("format").is_some_and(|format| format == "uri") {
                    property.remove("format");
                }
            }
        }
    }
    let required: Vec<String> =
        names.into_iter().filter(|name| !is_optional(&mut schema["properties"][name])).collect();
    schema["required"] = required.into();
}

/// Marks a property that a response may omit, until the schema is published.
const OPTIONAL: &str = "x-optional";

fn is_optional(property: &mut Value) -> bool {
    property.as_object_mut().is_some_and(|property| property.remove(OPTIONAL).is_some())
}

/// Neither an object nor an enum: clients get no named type for it.
fn is_value(schema: &Value) -> bool {
    schema["type"] != "object" && schema.get("enum").is_none()
}

/// The schema, plus what is said where it is used.
fn with(mut schema: Value, members: &Map<String, Value>) -> Value {
    for (name, member) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "$ref" | "oneOf")) {
        schema[name] = member.clone();
    }
    schema
}
