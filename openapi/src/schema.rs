//! The schemas as they are published: values written out where they are used, objects and closed sets under their names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::contract::operation::Operation;

const PREFIX: &str = "#/components/schemas/";

/// A reference to the schema of this name.
pub fn refer(name: &str) -> Value {
    json!({ "$ref": format!("{PREFIX}{name}") })
}

/// What an answer's envelope is called.
pub fn envelope_name(data: &str, is_list: bool) -> String {
    format!("{data}{}", if is_list { "List" } else { "Response" })
}

/// Whether all is well. No `const`: generators make an enum of it that a boolean never is.
pub fn success(is: bool) -> Value {
    json!({ "type": "boolean", "description": format!("Always `{is}` in this response."), "example": is })
}

/// Adds the envelope that an operation answers.
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
        described(&format!("A page of `{}` objects.", answer.data), &properties)
    } else {
        described(&format!("A single `{}` object.", answer.data), &json!({ "success": success, "data": data }))
    };
    schemas.insert(envelope_name(&answer.data, answer.is_list), envelope);
}

/// An object of a response: it has all of its properties.
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

/// All schemas, finished.
pub struct Finished {
    all: BTreeMap<String, Value>,
}

impl Finished {
    /// Finishes the schemas of the types.
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

    /// The schemas that have names: objects and closed sets.
    pub fn components(&self) -> BTreeMap<&String, &Value> {
        self.all.iter().filter(|(_, schema)| !is_value(schema)).collect()
    }

    fn referred(&self, schema: &Value) -> Option<&Value> {
        self.all.get(schema["$ref"].as_str()?.strip_prefix(PREFIX)?)
    }

    /// The schema with every reference to a value replaced by what it refers to.
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
        // `null` or a value is one schema of two types.
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

    /// An example of what the schema describes, put together from those of its properties.
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

/// What may not have further properties is read; any other object is answered.
fn is_answered(schema: &Value) -> bool {
    schema["type"] == "object" && schema.get("additionalProperties").is_none()
}

/// A type's `Option` says that a property can be `null`, not that it can be missing: nothing of an answer is left out.
/// And rules that became stricter later do not hold for what was stored before.
fn finish_answer(schema: &mut Value) {
    let names: Vec<String> = schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    for name in &names {
        for property in [&format!("/properties/{name}"), &format!("/properties/{name}/items")] {
            if let Some(property) = schema.pointer_mut(property).and_then(Value::as_object_mut) {
                property.remove("pattern");
                // A URL is answered as it was sent, also with letters that a URI would encode.
                if property.get("format").is_some_and(|format| format == "uri") {
                    property.remove("format");
                }
            }
        }
    }
    schema["required"] = names.into();
}

/// Neither an object nor a closed set: it has no name of its own in clients.
fn is_value(schema: &Value) -> bool {
    schema["type"] != "object" && schema.get("enum").is_none()
}

/// The schema, and beside it what was said where it is used.
fn with(mut schema: Value, members: &Map<String, Value>) -> Value {
    for (name, member) in members.iter().filter(|(name, _)| !matches!(name.as_str(), "$ref" | "oneOf")) {
        schema[name] = member.clone();
    }
    schema
}
