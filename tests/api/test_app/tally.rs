//! Counts the calls to DynamoDB: how many, which items, and what they cost.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{
            BeforeSerializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
            BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
        },
    },
    error::BoxError,
    operation::{
        batch_get_item::BatchGetItemInput, delete_item::DeleteItemInput, get_item::GetItemInput,
        put_item::PutItemInput, query::QueryInput, transact_write_items::TransactWriteItemsInput,
        update_item::UpdateItemInput,
    },
    types::{AttributeValue, ReturnConsumedCapacity, TransactWriteItem},
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use serde_json::Value;

/// Counts every call to DynamoDB and the capacity that DynamoDB says it consumed.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Bill>>);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bill {
    /// Attempts on the wire, by operation.
    pub calls: BTreeMap<&'static str, u32>,
    /// How many calls waited for one another: the length of the longest chain in which each call began after the one before had ended.
    pub in_a_row: u32,
    pub read_units: f64,
    pub write_units: f64,
    /// What IAM must allow; a transaction needs the permissions of each of its writes.
    pub touches: BTreeSet<Touch>,
}

/// A call's place in the longest chain that it is part of, from its beginning to its end.
#[derive(Clone, Copy, Debug)]
struct Place(u32);

impl Storable for Place {
    type Storer = StoreReplace<Self>;
}

/// An action on a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    /// `PutItem`
    pub action: &'static str,
    /// `RecordsTable`, or `RecordsTable/index/ByStatus`
    pub on: String,
    /// The partition key's value: `KEY#0123456789`
    pub partition: String,
}

impl Bill {
    pub fn total(&self) -> u32 {
        self.calls.values().sum()
    }
}

impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<String> = self.calls.iter().map(|(name, count)| format!("{count} {name}")).collect();
        write!(f, "{} calls, {} in a row ({}), ", self.total(), self.in_a_row, calls.join(", "))?;
        write!(f, "{} write units, {} read units", self.write_units, self.read_units)
    }
}

impl Tally {
    /// What was counted since the last call.
    pub fn take(&self) -> Bill {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What IAM must allow for this call.
fn touches(context: &BeforeSerializationInterceptorContextMut<'_>) -> Vec<Touch> {
    let input = context.input();
    let touch = |action, on: Option<&str>, key: Option<&HashMap<String, AttributeValue>>| {
        let partition = key.unwrap()["pk"].as_s().unwrap().clone();
        Touch { action, on: on.unwrap().to_owned(), partition }
    };
    if let Some(input) = input.downcast_ref::<QueryInput>() {
        let index = input.index_name().map(|index| format!("/index/{index}")).unwrap_or_default();
        let partition = input.expression_attribute_values().unwrap()[":partition"].as_s().unwrap().clone();
        return vec![Touch { action: "Query", on: format!("{}{index}", input.table_name().unwrap()), partition }];
    }
    if let Some(input) = input.downcast_ref::<BatchGetItemInput>() {
        let tables = input.request_items().unwrap().iter();
        let keys = tables.flat_map(|(table, wanted)| wanted.keys().iter().map(move |key| (table, key)));
        return keys.map(|(table, key)| touch("BatchGetItem", Some(table), Some(key))).collect();
    }
    if let Some(input) = input.downcast_ref::<TransactWriteItemsInput>() {
        let write = |write: &TransactWriteItem| {
            let put = write.put().map(|put| touch("PutItem", Some(put.table_name()), Some(put.item())));
            let update = write.update().map(|it| touch("UpdateItem", Some(it.table_name()), Some(it.key())));
            let delete = write.delete().map(|it| touch("DeleteItem", Some(it.table_name()), Some(it.key())));
            let check =
                write.condition_check().map(|it| touch("ConditionCheckItem", Some(it.table_name()), Some(it.key())));
            put.or(update).or(delete).or(check).unwrap()
        };
        return input.transact_items().iter().map(write).collect();
    }
    macro_rules! simple {
        ($($input:ty => $action:literal $key:ident)*) => {$(
            if let Some(input) = input.downcast_ref::<$input>() {
                return vec![touch($action, input.table_name(), input.$key())];
            }
        )*};
    }
    simple! {
        DeleteItemInput => "DeleteItem" key
        GetItemInput => "GetItem" key
        PutItemInput => "PutItem" item
        UpdateItemInput => "UpdateItem" key
    }
    panic!("a call to DynamoDB that this tally does not know");
}

impl Intercept for Tally {
    fn name(&self) -> &'static str {
        "Tally"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let place = self.0.lock().unwrap().in_a_row + 1;
        config.interceptor_state().store_put(Place(place));
        Ok(())
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        macro_rules! ask {
            ($($input:ty)*) => {$(
                if let Some(input) = input.downcast_mut::<$input>() {
                    input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
                }
            )*};
        }
        ask! { BatchGetItemInput DeleteItemInput GetItemInput PutItemInput QueryInput UpdateItemInput TransactWriteItemsInput }
        self.0.lock().unwrap().touches.extend(touches(context));
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let name = ["BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem", "TransactWriteItems"];
        let name = name.into_iter().find(|name| target.ends_with(&format!(".{name}"))).unwrap_or("Other");
        *self.0.lock().unwrap().calls.entry(name).or_default() += 1;
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Place(place)) = config.load::<Place>() {
            let mut bill = self.0.lock().unwrap();
            bill.in_a_row = bill.in_a_row.max(*place);
        }
        // From the body, because the SDK does not see all of every response.
        let Some((Ok(_), response)) = context.output_or_error().zip(context.response()) else { return Ok(()) };
        let body: Value = serde_json::from_slice(response.body().bytes().unwrap())?;
        let capacity = &body["ConsumedCapacity"];
        // An object, or one for each table.
        let units: f64 = std::iter::once(capacity)
            .chain(capacity.as_array().into_iter().flatten())
            .filter_map(|capacity| capacity["CapacityUnits"].as_f64())
            .sum();
        let mut bill = self.0.lock().unwrap();
        if ["BatchGetItem", "GetItem", "Query"].contains(&config.load::<Metadata>().unwrap().name()) {
            bill.read_units += units;
        } else {
            bill.write_units += units;
        }
        Ok(())
    }
}
