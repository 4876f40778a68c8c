//! The way to DynamoDB: the client with its time-outs, typed failures, and the few calls that records are made of.
//!
//! It knows no record. What a key looks like is [`table`](crate::table)'s; what an item means is
//! [`records`](crate::records)'.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Builder, ConfigBag, Intercept, RuntimeComponents, retry::RetryConfig},
    error::{BoxError, BuildError, ProvideErrorMetadata, SdkError},
    operation::{
        put_item::PutItemError,
        transact_write_items::TransactWriteItemsError,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{
        AttributeValue, CancellationReason, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, builders::UpdateBuilder,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    exchange,
    table::{Key, List},
};

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// The SDK's own defaults have no limit for an attempt or an operation. A write takes milliseconds; an attempt that
/// takes a second is lost.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the SDK waits before it sends a call again, at the most, at first and at last. Its own default begins with up
/// to a second, which is a third of all the time there is.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_millis(400);

/// DynamoDB refuses one of two writes that meet in a transaction, and the SDK does not send such a write again. It is
/// sent again here, after pauses that grow from the first to the last of these, for as long as the patience lasts.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(2_500);

/// A page ends early rather than make an answer that Lambda can't send: 6,291,556 bytes, of which this leaves the rest
/// for names and numbers.
const MAX_PAGE_BYTES: usize = 5_000_000;

/// Why a call failed, other than by its own condition.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No answer in time, no connection, throttling, or a fault of DynamoDB's. Trying again may help.
    #[error("DynamoDB is not available: {0}")]
    Unavailable(String),
    /// DynamoDB found the request wrong, or did not grant it: a fault of ours.
    #[error("DynamoDB refused the request: {0}")]
    Refused(String),
    /// An item does not have the form its record should have. Says where, not what: the item is a tenant's.
    #[error("an item can't be read or written: {0}")]
    Unreadable(&'static str),
}

/// What came of a conditional update: the attributes that were asked for, or the item that failed the condition (`None`:
/// there was none).
pub(crate) type Conditional = Result<Item, Option<Item>>;

/// The tables, and the client that reaches them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    client: Client,
    tables: Arc<Tables>,
}

/// What the two tables are called.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Keys and organizations.
    pub access: String,
    /// Jobs, candidates, stages, applications.
    pub records: String,
}

impl Db {
    /// Reaches `tables` with the credentials, region, endpoint and HTTP client of `config`.
    #[must_use]
    pub fn new(config: &SdkConfig, tables: Tables) -> Self {
        Self::with(Builder::from(config), tables)
    }

    /// As [`new`](Self::new), from a client configuration that may have interceptors of its own.
    #[must_use]
    pub fn with(config: Builder, tables: Tables) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF).with_max_backoff(LAST_BACKOFF);
        let config = config
            .behavior_version(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(retries)
            .interceptor(CountCalls)
            .build();
        Self { client: Client::from_conf(config), tables: Arc::new(tables) }
    }

    /// Opens the connection, by asking for an item that is not there (half a read unit). Whatever comes of it is no
    /// matter: the first request would find out.
    pub(crate) async fn open_connection(&self) {
        let nothing =
            self.client.get_item().table_name(&self.tables.records).set_key(Some(crate::table::nothing().into_item()));
        let _ = tokio::time::timeout(ATTEMPT_TIMEOUT, nothing.send()).await;
    }

    /// An update of an item of the Access table, to be finished and passed to [`update`].
    pub(crate) fn update_access(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.tables.access).set_key(Some(key.into_item()))
    }

    /// An update of an item of the Records table, to be finished and passed to [`update`].
    pub(crate) fn update_record(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.tables.records).set_key(Some(key.into_item()))
    }

    /// Writes a new item. That it is there already is no failure: its id is fresh, so it was this put that wrote it, sent
    /// again after a lost answer.
    pub(crate) async fn create(&self, item: Item) -> Result<(), DbError> {
        let request = self.client.put_item().table_name(&self.tables.records).set_item(Some(item));
        match request.condition_expression(crate::table::ABSENT).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(failure(&error)),
            },
        }
    }

    /// The name of the Access table, for the writes of a transaction.
    pub(crate) fn access(&self) -> &str {
        &self.tables.access
    }

    /// The name of the Records table, for the writes of a transaction.
    pub(crate) fn records(&self) -> &str {
        &self.tables.records
    }

    /// Reads a record, strongly consistent: what was just written is found.
    pub(crate) async fn get<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>, DbError> {
        let request = self.client.get_item().table_name(&self.tables.records).set_key(Some(key.into_item()));
        let answer = request.consistent_read(true).send().await.map_err(|error| failure(&error))?;
        answer.item.map(read).transpose()
    }

    /// Reads an item of the Access table, strongly consistent.
    pub(crate) async fn get_access(&self, key: Key) -> Result<Option<Item>, DbError> {
        let request = self.client.get_item().table_name(&self.tables.access).set_key(Some(key.into_item()));
        Ok(request.consistent_read(true).send().await.map_err(|error| failure(&error))?.item)
    }

    /// Reads items of the Access table, at most 100, in whatever order.
    pub(crate) async fn get_all_access(&self, keys: Vec<Key>) -> Result<Vec<Item>, DbError> {
        let mut items = Vec::new();
        let mut patience = Patience::new();
        let mut wanted: Vec<Item> = keys.into_iter().map(Key::into_item).collect();
        while !wanted.is_empty() {
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let request = self.client.batch_get_item().request_items(&self.tables.access, built(keys)?);
            let answer = request.send().await.map_err(|error| failure(&error))?;
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            // DynamoDB answers as much as it can (16 MB, or what it has room for), and names the rest.
            wanted = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
            if !wanted.is_empty() {
                patience.pause().await?;
            }
        }
        Ok(items)
    }

    /// Reads up to `limit` rows of a list from `start` on, and whether there are more. One Query of `limit + 1` rows,
    /// because `LastEvaluatedKey` is also set on a page that ends exactly at the end; more than one only where 1 MB, which
    /// is what a Query reads at most, holds fewer rows. Fewer rows than `limit`, with more to come, only where they would
    /// not fit into an answer.
    pub(crate) async fn query(
        &self,
        list: &List,
        mut start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), DbError> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        loop {
            let answer = self
                .client
                .query()
                .table_name(if list.is_of_access() { &self.tables.access } else { &self.tables.records })
                .set_index_name(list.index().map(str::to_owned))
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", list.partition_name())
                .expression_attribute_values(":partition", string(list.partition()))
                .scan_index_forward(list.ascending())
                .consistent_read(list.is_read_consistently())
                .limit(i32::try_from(limit + 1 - rows.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| failure(&error))?;
            for row in answer.items.unwrap_or_default() {
                bytes += bytes_in_answer(&row);
                if rows.len() == limit || (bytes > MAX_PAGE_BYTES && !rows.is_empty()) {
                    return Ok((rows, true));
                }
                rows.push(row);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((rows, false));
            }
        }
    }

    /// Writes all of `writes` or none.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Result<(), Refused>, DbError> {
        let mut patience = Patience::new();
        loop {
            // The SDK adds a token of its own, so that a transaction whose answer was lost is not done twice.
            let answer = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let Err(error) = answer else { return Ok(Ok(())) };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
                return Err(failure(&error));
            };
            match Refused::sort(canceled.cancellation_reasons())? {
                Some(refused) => return Ok(Err(refused)),
                None => patience.pause().await?,
            }
        }
    }
}

/// A transaction that was not done because a condition failed: which, and what was there instead.
#[derive(Debug)]
pub(crate) struct Refused(Vec<CancellationReason>);

impl Refused {
    /// `None`: no condition failed, and the transaction may be sent again.
    fn sort(reasons: &[CancellationReason]) -> Result<Option<Self>, DbError> {
        let codes = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
        if codes().any(|code| code == CONDITION_FAILED) {
            return Ok(Some(Self(reasons.to_vec())));
        }
        let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        match codes().find(|code| !passing.contains(code)) {
            Some(code) => Err(DbError::Refused(code.to_owned())),
            None => Ok(None),
        }
    }

    /// If the condition of the write at this place failed: the item that was there, if there was one and the write asked
    /// for it.
    pub(crate) fn write(&self, at: usize) -> Option<Option<&Item>> {
        let reason = self.0.get(at).filter(|reason| reason.code() == Some(CONDITION_FAILED))?;
        Some(reason.item().filter(|item| !item.is_empty()))
    }
}

const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// How often and how long to wait for others.
pub(crate) struct Patience {
    ends: tokio::time::Instant,
    next: Duration,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { ends: tokio::time::Instant::now() + PATIENCE, next: FIRST_PAUSE }
    }

    /// Waits a while, of a random length so that those who met don't meet again. `Unavailable` when it has been long
    /// enough.
    pub(crate) async fn pause(&mut self) -> Result<(), DbError> {
        if tokio::time::Instant::now() >= self.ends {
            return Err(DbError::Unavailable("writes kept meeting each other".to_owned()));
        }
        let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        tokio::time::sleep(self.next.mul_f64(share)).await;
        self.next = (self.next * 2).min(LAST_PAUSE);
        Ok(())
    }
}

/// The difference between two states of an item, as the update that makes the second of the first: what neither names,
/// such as an attribute of a later version of this code, stays as it is.
#[derive(Debug)]
pub(crate) struct Change {
    expression: String,
    names: HashMap<String, String>,
    values: Item,
}

impl Change {
    /// The condition under which it is made: nobody has changed the item since.
    const CONDITION: &str = "#version = :version";

    /// From `old`, which was read, to `new`, of the same key.
    pub(crate) fn between(old: &Item, new: &Item) -> Self {
        let mut change = Self { expression: String::new(), names: HashMap::new(), values: Item::new() };
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for (i, (name, value)) in new.iter().filter(|(name, value)| old.get(*name) != Some(value)).enumerate() {
            change.names.insert(format!("#s{i}"), name.clone());
            change.values.insert(format!(":s{i}"), value.clone());
            set.push(format!("#s{i} = :s{i}"));
        }
        for (i, name) in old.keys().filter(|name| !new.contains_key(*name)).enumerate() {
            change.names.insert(format!("#r{i}"), name.clone());
            remove.push(format!("#r{i}"));
        }
        change.names.insert("#version".to_owned(), VERSION.to_owned());
        if let Some(version) = old.get(VERSION) {
            change.values.insert(":version".to_owned(), version.clone());
        }
        let removal = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        change.expression = format!("SET {}{removal}", set.join(", "));
        change
    }

    /// Makes the change. `false`: somebody has changed the item since it was read.
    pub(crate) async fn make(self, request: UpdateItemFluentBuilder) -> Result<bool, DbError> {
        let request = request
            .update_expression(self.expression)
            .condition_expression(Self::CONDITION)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values));
        Ok(update(request, ReturnValue::None).await?.is_ok())
    }

    /// The change as part of a transaction.
    pub(crate) fn into_part(self, update: UpdateBuilder) -> Result<TransactWriteItem, DbError> {
        let update = update
            .update_expression(self.expression)
            .condition_expression(Self::CONDITION)
            .set_expression_attribute_names(Some(self.names))
            .set_expression_attribute_values(Some(self.values));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }
}

/// The attribute that every change of a record raises.
const VERSION: &str = "version";

/// The most that an item's texts come to in Lambda's answer, where they are JSON within JSON: a quote or a backslash takes
/// four bytes there, a line break three.
fn bytes_in_answer(item: &Item) -> usize {
    item.values().map(bytes_of_value).sum()
}

fn bytes_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text
            .bytes()
            .map(|byte| match byte {
                b'"' | b'\\' => 4,
                0..0x20 => 3,
                _ => 1,
            })
            .sum(),
        AttributeValue::L(values) => values.iter().map(bytes_of_value).sum(),
        AttributeValue::M(values) => bytes_in_answer(values),
        _ => 32,
    }
}

/// Sends an update under its condition, and answers the attributes that `values` names.
pub(crate) async fn update(request: UpdateItemFluentBuilder, values: ReturnValue) -> Result<Conditional, DbError> {
    let request = request
        .return_values(values)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut patience = Patience::new();
    loop {
        let error = match request.clone().send().await {
            Ok(answer) => return Ok(Ok(answer.attributes.unwrap_or_default())),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => return Ok(Err(refused.item.clone())),
            Some(UpdateItemError::TransactionConflictException(_)) => patience.pause().await?,
            _ => return Err(failure(&error)),
        }
    }
}

/// The record that an item holds.
pub(crate) fn read<T: DeserializeOwned>(item: Item) -> Result<T, DbError> {
    // The reason is dropped: serde quotes the value it did not expect, and that is a tenant's.
    serde_dynamo::from_item(item).map_err(|_| DbError::Unreadable(std::any::type_name::<T>()))
}

/// The attributes of a record. What is `None` is left out: an attribute that isn't there costs nothing.
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

/// A text attribute, as it is stored.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A whole-number attribute.
pub(crate) fn integer<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// A part of a request that the SDK would build only with all that it must have.
pub(crate) fn built<T>(part: Result<T, BuildError>) -> Result<T, DbError> {
    part.map_err(|error| DbError::Refused(error.to_string()))
}

/// Sorts the SDK's errors into ours. DynamoDB's own messages speak of expressions and tables, not of a tenant's values.
fn failure<E: ProvideErrorMetadata>(error: &SdkError<E>) -> DbError {
    match error {
        SdkError::TimeoutError(_) => DbError::Unavailable("no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            DbError::Unavailable("no connection in time".to_owned())
        }
        SdkError::DispatchFailure(failure) => {
            let reason = failure.as_connector_error().map(|error| chain(error)).unwrap_or_default();
            DbError::Unavailable(format!("no connection: {reason}"))
        }
        SdkError::ResponseError(_) => DbError::Unavailable("no readable answer".to_owned()),
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("no code");
            let told = format!("{code}: {}", service.err().message().unwrap_or("no message"));
            let passing = matches!(
                code,
                "ThrottlingException"
                    | "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "InternalServerError"
                    | "TransactionConflictException"
                    | "TransactionInProgressException"
            );
            if passing || service.raw().status().is_server_error() {
                DbError::Unavailable(told)
            } else {
                DbError::Refused(told)
            }
        }
        _ => DbError::Refused("the request could not be built".to_owned()),
    }
}

/// An error and what it came of, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut told: Vec<String> = causes.map(ToString::to_string).collect();
    told.dedup();
    told.join(": ").replace('\n', " ")
}

/// Counts every attempt on the wire for the request that it is made for.
#[derive(Debug)]
struct CountCalls;

impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        _: &aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        exchange::count_db_call();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
    }

    #[test]
    fn a_canceled_transaction_is_refused_sent_again_or_a_fault() {
        let refused = Refused::sort(&reasons(&["None", CONDITION_FAILED, "TransactionConflict"])).unwrap().unwrap();
        assert_eq!(
            (refused.write(0), refused.write(1), refused.write(2), refused.write(3)),
            (None, Some(None), None, None)
        );
        for passing in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert!(Refused::sort(&reasons(&["None", passing])).unwrap().is_none());
        }
        for fault in ["ValidationError", "ItemCollectionSizeLimitExceeded", "DuplicateItem"] {
            assert!(matches!(Refused::sort(&reasons(&["TransactionConflict", fault])), Err(DbError::Refused(_))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_lasts_for_seconds_and_then_ends() {
        let begun = tokio::time::Instant::now();
        let mut patience = Patience::new();
        while patience.pause().await.is_ok() {}
        let waited = begun.elapsed();
        assert!(waited >= PATIENCE && waited < PATIENCE + LAST_PAUSE, "{waited:?}");
    }

    #[test]
    fn a_change_names_only_what_differs_and_leaves_what_neither_state_has() {
        let item =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), string(value))).collect();
        let old: Item = item(&[("pk", "p"), ("version", "1"), ("a", "1"), ("b", "1"), ("c", "1")]);
        let new: Item = item(&[("pk", "p"), ("version", "2"), ("a", "1"), ("b", "2")]);
        let change = Change::between(&old, &new);
        let mut names: Vec<_> = change.names.values().cloned().collect();
        names.sort();
        assert_eq!(names, ["b", "c", "version", "version"], "{change:?}");
        assert!(change.expression.starts_with("SET ") && change.expression.ends_with(" REMOVE #r0"));
        assert_eq!((&change.names["#r0"], &change.values[":version"]), (&"c".to_owned(), &string("1")));
    }

    #[test]
    fn a_text_is_measured_as_json_within_json() {
        let text = "a\"\\\n\u{e9}\u{1f319}";
        let answer = serde_json::to_string(&serde_json::to_string(text).unwrap()).unwrap();
        // The outer quotes, and the inner ones with their backslashes.
        assert_eq!(bytes_of_value(&string(text)), answer.len() - 2 - 4);
    }
}
