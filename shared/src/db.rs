//! The way to DynamoDB: the client with its time-outs, typed failures, and the few calls that records are made of.
//!
//! It knows no record. What a key looks like is [`table`](crate::table)'s; what an item means is
//! [`records`](crate::records)'.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Builder, ConfigBag, Intercept, RuntimeComponents},
    error::{BoxError, BuildError, ProvideErrorMetadata, SdkError},
    operation::put_item::{PutItemError, builders::PutItemFluentBuilder},
    operation::transact_write_items::TransactWriteItemsError,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, CancellationReason, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    exchange,
    page::{Cursor, PageRequest, Rows},
    table::{Key, List},
};

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// The SDK's own defaults have no limit for an attempt or an operation. A write takes milliseconds; an attempt that
/// takes a second is lost.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// DynamoDB refuses one of two writes that meet in a transaction (`TransactionConflict`), and the SDK does not try such
/// a write again.
const CONFLICT_ATTEMPTS: u32 = 4;
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

/// A Query reads at most 1 MB at a time; a page ends early rather than grow past this many of them, because Lambda
/// can't answer with more than 6 MB and JSON escapes can double a text.
const MAX_QUERIES_PER_PAGE: usize = 3;

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

/// What came of a conditional write: the item after it, or the item that failed the condition (`None`: there was none).
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
        let config =
            config.behavior_version(BehaviorVersion::latest()).timeout_config(timeouts).interceptor(CountCalls).build();
        Self { client: Client::from_conf(config), tables: Arc::new(tables) }
    }

    /// An update of an item of the Access table, to be finished and passed to [`update`].
    pub(crate) fn update_access(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.tables.access).set_key(Some(key.into_item()))
    }

    /// An update of an item of the Records table, to be finished and passed to [`update`].
    pub(crate) fn update_record(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.tables.records).set_key(Some(key.into_item()))
    }

    /// A put into the Records table: as it stands, or with a condition and passed to [`put`].
    pub(crate) fn put_record(&self, item: Item) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.tables.records).set_item(Some(item))
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

    /// Reads a page of a list, eventually consistent: one Query of `limit + 1` rows, because `LastEvaluatedKey` is also
    /// set on a page that ends exactly at the end. More than one only where 1 MB holds fewer rows than asked for.
    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        list: &List,
        page: &PageRequest,
    ) -> Result<Rows<T>, crate::error::ApiError> {
        let limit = usize::from(page.limit());
        let mut start = page.start(list)?.map(|position| list.start_key(&position)).transpose()?;
        let mut items = Vec::new();
        for _ in 0..MAX_QUERIES_PER_PAGE {
            let answer = self
                .client
                .query()
                .table_name(&self.tables.records)
                .set_index_name(list.index().map(str::to_owned))
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", list.partition_name())
                .expression_attribute_values(":partition", string(list.partition()))
                .scan_index_forward(list.ascending())
                .limit(i32::try_from(limit + 1 - items.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(|error| failure(&error))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if items.len() > limit || start.is_none() {
                break;
            }
        }
        let has_more = items.len() > limit || start.is_some();
        items.truncate(limit);
        let next = match items.last() {
            Some(row) if has_more => Some(Cursor::after(list, list.position(row)?)),
            _ => None,
        };
        Ok(Rows { rows: items.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// Writes all of `writes` or none: `Err` has a reason for each of them, in their order.
    pub(crate) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Result<(), Vec<CancellationReason>>, DbError> {
        let mut attempt = 1;
        loop {
            // The SDK adds a token of its own, so that a transaction whose answer was lost is not done twice.
            let answer = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let Err(error) = answer else { return Ok(Ok(())) };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
                return Err(failure(&error));
            };
            let reasons = canceled.cancellation_reasons();
            if reasons.iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
                return Ok(Err(reasons.to_vec()));
            }
            let codes: Vec<_> = reasons.iter().filter_map(CancellationReason::code).collect();
            if !codes.contains(&"TransactionConflict") {
                return Err(DbError::Refused(codes.join(", ")));
            }
            if attempt == CONFLICT_ATTEMPTS {
                return Err(DbError::Unavailable("transactions kept meeting each other".to_owned()));
            }
            pause(attempt).await;
            attempt += 1;
        }
    }
}

/// Sends an update under its condition. Answers all attributes: after it, or of the item that failed the condition.
pub(crate) async fn update(request: UpdateItemFluentBuilder, values: ReturnValue) -> Result<Conditional, DbError> {
    let request = request
        .return_values(values)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let mut attempt = 1;
    loop {
        let error = match request.clone().send().await {
            Ok(answer) => return Ok(Ok(answer.attributes.unwrap_or_default())),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => return Ok(Err(refused.item.clone())),
            Some(UpdateItemError::TransactionConflictException(_)) if attempt < CONFLICT_ATTEMPTS => {}
            _ => return Err(failure(&error)),
        }
        pause(attempt).await;
        attempt += 1;
    }
}

/// Sends a put. `false`: its condition failed, and nothing was written.
pub(crate) async fn put(request: PutItemFluentBuilder) -> Result<bool, DbError> {
    let mut attempt = 1;
    loop {
        let Err(error) = request.clone().send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => return Ok(false),
            Some(PutItemError::TransactionConflictException(_)) if attempt < CONFLICT_ATTEMPTS => {}
            _ => return Err(failure(&error)),
        }
        pause(attempt).await;
        attempt += 1;
    }
}

async fn pause(attempt: u32) {
    let jitter = getrandom::u32().unwrap_or(0) % 20;
    tokio::time::sleep(CONFLICT_PAUSE * attempt + Duration::from_millis(jitter.into())).await;
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
        SdkError::DispatchFailure(_) => DbError::Unavailable("no connection".to_owned()),
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
