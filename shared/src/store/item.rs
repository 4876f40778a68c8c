//! DynamoDB items: converts values to attributes and back. It knows no record and no call.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

use crate::store::error::DbError;

/// A DynamoDB item.
pub type Item = HashMap<String, AttributeValue>;

/// Reads the record in an item.
pub(crate) fn read<T: DeserializeOwned>(item: Item) -> Result<T, DbError> {
    // The cause is dropped, because serde quotes the unexpected value, which is a tenant's.
    serde_dynamo::from_item(item).map_err(|_| DbError::Unreadable(std::any::type_name::<T>()))
}

/// The attributes of a record. `None` is omitted, because a missing attribute costs nothing.
pub(crate) fn write<T: Serialize>(record: &T) -> Result<Item, DbError> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|_| DbError::Unreadable(std::any::type_name::<T>()))?;
    item.retain(|_, value| !value.is_null());
    Ok(item)
}

#[expect(clippy::needless_pass_by_value, reason = "a reference is displayed as what it refers to")]
pub(crate) fn string(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "a reference is displayed as what it refers to")]
pub(crate) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A text attribute.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// An integer attribute.
pub(crate) fn integer<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
