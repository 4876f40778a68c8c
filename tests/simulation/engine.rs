//! DynamoDB within the process: what is sent to it is done at once, without a socket, so that the clock can stand still meanwhile.

use std::{collections::BTreeMap, fmt};

use dynoxide::{Database, DynoxideError, Result};
use local::database::{Embedded, create};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::world::TEMPLATE;

/// An item's attributes. A text or number is as it is; anything else is its JSON.
pub type Attributes = BTreeMap<String, String>;

#[derive(Clone)]
pub struct Engine(Database);

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// An empty database with the template's tables.
    pub fn new() -> Self {
        Self(create(None, &TEMPLATE).unwrap())
    }

    /// Does what `operation` asks for, and returns the status and body of the response.
    pub fn execute(&self, operation: &str, body: &str) -> (u16, String) {
        self.dispatch(operation, body)
            .map_or_else(|error| (error.status_code(), error.to_json()), |response| (200, response))
    }

    fn dispatch(&self, operation: &str, body: &str) -> Result<String> {
        match operation {
            "GetItem" => write(&self.0.get_item(read(body)?)?),
            "BatchGetItem" => write(&self.0.batch_get_item(read(body)?)?),
            "Query" => write(&self.0.query(read(body)?)?),
            "Scan" => write(&self.0.scan(read(body)?)?),
            "PutItem" => write(&self.0.put_item(read(body)?)?),
            "UpdateItem" => write(&self.0.update_item(read(body)?)?),
            "DeleteItem" => write(&self.0.delete_item(read(body)?)?),
            "TransactWriteItems" => write(&self.0.transact_write_items(read(body)?)?),
            other => panic!("the functions don't use {other}"),
        }
    }

    /// Every item of the Access table.
    pub fn access(&self) -> Vec<Attributes> {
        self.items(&Embedded::tables().access)
    }

    /// Every item of the Records table.
    pub fn records(&self) -> Vec<Attributes> {
        self.items(&Embedded::tables().records)
    }

    fn items(&self, table: &str) -> Vec<Attributes> {
        let (status, body) = self.execute("Scan", &json!({ "TableName": table }).to_string());
        assert_eq!(status, 200, "{body}");
        let mut body: Value = serde_json::from_str(&body).unwrap();
        assert!(body.get("LastEvaluatedKey").is_none(), "more than one page");
        let Value::Array(items) = body["Items"].take() else { panic!("no items") };
        items.into_iter().map(attributes).collect()
    }
}

fn attributes(item: Value) -> Attributes {
    let Value::Object(item) = item else { panic!("an item that is no object") };
    item.into_iter()
        .map(|(name, value)| {
            let plain = value.get("S").or_else(|| value.get("N")).and_then(Value::as_str).map(str::to_owned);
            (name, plain.unwrap_or_else(|| value.to_string()))
        })
        .collect()
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))
}

fn write(response: &impl Serialize) -> Result<String> {
    serde_json::to_string(response).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
