//! Collects the schemas that operations refer to, and derives a body's schema from the fields it is read from. It knows no operation.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

use crate::model::field::{Describer, Field, Fields, FromFields, Problem};

/// Schemas by type name.
#[derive(Debug, Default)]
pub struct Schemas(pub BTreeMap<String, Value>);

impl Describer for Schemas {
    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        self.0.extend(all.into_iter().map(|(name, schema)| (name, to_json(&schema))));
        Ref::from_schema_name(T::name()).into()
    }

    fn refer_fields<T: FromFields>(&mut self, name: &'static str) -> RefOr<Schema> {
        let words = to_json(&<T::Object as PartialSchema>::schema());
        let about = words.get("description").cloned();
        let mut described = Described { words, properties: Map::new(), required: Vec::new(), schemas: self };
        let _ = T::from_fields(&mut described);
        let Described { properties, required, .. } = described;
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if let Some(about) = about {
            schema["description"] = about;
        }
        self.0.insert(name.to_owned(), schema);
        Ref::from_schema_name(name).into()
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A body's fields, being described instead of read.
struct Described<'a> {
    /// The schema of the object that has these fields.
    words: Value,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    schemas: &'a mut Schemas,
}

impl Described<'_> {
    fn add<T: Field>(&mut self, name: &'static str, nullable: bool) -> &mut Value {
        let mut schema = to_json(&T::describe(self.schemas));
        if nullable {
            schema = json!({ "oneOf": [schema, { "type": "null" }] });
        }
        let word = &self.words["properties"][name];
        // A nullable field has its description on the non-null schema.
        if let Some(about) = word.get("description").or_else(|| word["oneOf"][0].get("description")) {
            schema["description"] = about.clone();
        }
        self.properties.entry(name).or_insert(schema)
    }
}

impl Fields for Described<'_> {
    fn required<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.add::<T>(name, false);
        self.required.push(name);
        None
    }

    fn optional<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.add::<T>(name, true);
        None
    }

    /// States the default in the description. With a `default` in the schema, client generators make the field required.
    fn optional_or<T: Field + Serialize>(&mut self, name: &'static str, default: T) -> T {
        let value = to_json(&default).to_string().replace('"', "");
        let schema = self.add::<T>(name, true).clone();
        // Without a description of its own, the field gets the first paragraph of its type's. The rest lists the values.
        let own = schema["description"].as_str();
        let kind = schema["oneOf"][0]["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let kind = self.schemas.0.get(kind).and_then(|kind| kind["description"].as_str()).unwrap_or_default();
        let about = own.or_else(|| kind.split("\n\n").next()).unwrap_or_default();
        let words = format!("{about} Defaults to `{value}`.");
        if let Some(schema) = self.properties.get_mut(name) {
            schema["description"] = words.trim_start().into();
        }
        default
    }

    fn keep_or_set<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.add::<T>(name, false);
        None
    }

    fn change<T: Field>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.add::<T>(name, true);
        None
    }

    fn mentions(&self, _: &str) -> bool {
        true
    }

    fn note(&mut self, _: &str, _: Problem, _: &str) {}
}
