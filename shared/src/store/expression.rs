//! A DynamoDB expression with its names and values. It knows no table.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::store::item::Item;

/// An update, a condition, or both, with the meaning of each `#name` and `:value` in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expression {
    pub(crate) update: Option<String>,
    pub(crate) condition: Option<String>,
    names: HashMap<String, String>,
    values: Item,
}

impl Expression {
    /// An update: `SET #plan = :plan`.
    pub(crate) fn update(text: impl Into<String>) -> Self {
        Self { update: Some(text.into()), ..Self::default() }
    }

    /// A condition without an update: for a check, a put or a delete.
    pub(crate) fn condition(text: impl Into<String>) -> Self {
        Self { condition: Some(text.into()), ..Self::default() }
    }

    /// Adds a condition to the update.
    pub(crate) fn only_if(self, text: impl Into<String>) -> Self {
        Self { condition: Some(text.into()), ..self }
    }

    /// Adds the removal of these attributes to the update, if there are any. It calls them `#r0`, `#r1` and so on.
    pub(crate) fn removing<A: Into<String>>(mut self, attributes: impl IntoIterator<Item = A>) -> Self {
        for (i, attribute) in attributes.into_iter().enumerate() {
            let update = self.update.get_or_insert_default();
            *update += if i == 0 { " REMOVE " } else { ", " };
            *update += &format!("#r{i}");
            self.names.insert(format!("#r{i}"), attribute.into());
        }
        self
    }

    /// Defines names: `("#plan", "plan")`.
    pub(crate) fn names<N: Into<String>, A: Into<String>>(mut self, names: impl IntoIterator<Item = (N, A)>) -> Self {
        self.names.extend(names.into_iter().map(|(name, attribute)| (name.into(), attribute.into())));
        self
    }

    /// Defines values: `(":plan", string(plan))`.
    pub(crate) fn values<N: Into<String>>(mut self, values: impl IntoIterator<Item = (N, AttributeValue)>) -> Self {
        self.values.extend(values.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// The names as the SDK expects them: `None` rather than empty, which DynamoDB rejects.
    pub(crate) fn take_names(&mut self) -> Option<HashMap<String, String>> {
        Some(std::mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }

    /// The values, likewise.
    pub(crate) fn take_values(&mut self) -> Option<Item> {
        Some(std::mem::take(&mut self.values)).filter(|values| !values.is_empty())
    }
}
