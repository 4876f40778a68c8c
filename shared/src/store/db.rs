//! DynamoDB: the client with its timeouts, and the few calls that records use.
//!
//! It knows no record. Keys are defined in [`table`].

use std::{sync::Arc, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Builder, StalledStreamProtectionConfig,
        retry::{RetryConfig, RetryPartition, TokenBucket},
    },
    error::SdkError,
    operation::{
        put_item::PutItemError,
        query::builders::QueryFluentBuilder,
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput},
        update_item::UpdateItemError,
    },
    types::{KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use serde::Serialize;

use crate::store::{
    backoff::Backoff,
    calls::CountCalls,
    doubt::Doubt,
    error::{DbError, built, failure},
    expression::Expression,
    intact::{Intact, WithAttributes},
    item::{Item, string},
    list::List,
    response::{self, Readable, Row, size},
    table::{self, Key, Table},
    user_agent::NoUserAgent,
};

/// By default, the SDK limits neither an attempt nor an operation. A write takes milliseconds, so an attempt that takes a second is lost.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);
/// Both, for an embedded DynamoDB.
const EMBEDDED_TIMEOUT: Duration = Duration::from_secs(4);

/// The maximum delay before the SDK's first retry, and before any retry. By default, the first delay is up to a second, a third of the
/// operation's timeout.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_millis(400);

/// How fast the budget for retries fills up, in tokens a second. It holds 500, and a retry costs 5, or 10 if there was no useful response. So
/// an outage gets the retries of some 25 requests, and then of 5 to 10 a second from each instance. By default, it does not fill up with
/// time, but by a token for each request that succeeds at once: the first 50 requests after an outage would have no retry.
const RETRY_TOKENS_PER_SECOND: f32 = 50.0;

/// The most keys that one `BatchGetItem` takes.
const BATCH_KEYS: usize = 100;

/// A page ends early rather than exceed Lambda's response limit of 6,291,556 bytes. The difference leaves room for names and numbers.
pub(super) const MAX_PAGE_BYTES: usize = 5_000_000;

/// The outcome of a conditional update: the requested attributes, or the item that failed the condition (`None`: there was no item).
pub(crate) type Conditional = Result<Item, Option<Item>>;

/// The tables, and the client that reaches them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    client: Client,
    tables: Arc<Tables>,
}

/// The names of the two tables.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Keys and organizations, members, sessions, activity.
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

    /// Like [`new`](Self::new), from a client configuration that may have its own interceptors.
    #[must_use]
    pub fn with(config: Builder, tables: Tables) -> Self {
        Self::timed(config, tables, ATTEMPT_TIMEOUT, OPERATION_TIMEOUT)
    }

    /// Like [`with`](Self::with), for an embedded DynamoDB, which shares a machine with everything else: on a busy one, a call takes longer,
    /// and to send it again would only add to that.
    #[must_use]
    pub fn embedded(config: Builder, tables: Tables) -> Self {
        Self::timed(config, tables, EMBEDDED_TIMEOUT, EMBEDDED_TIMEOUT)
    }

    fn timed(config: Builder, tables: Tables, attempt: Duration, operation: Duration) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build();
        let retries = RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF).with_max_backoff(LAST_BACKOFF);
        let budget = TokenBucket::builder().refill_rate(RETRY_TOKENS_PER_SECOND).build();
        let config = config
            .behavior_version(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(retries)
            // By default, all clients of a process share one.
            .retry_partition(RetryPartition::custom("DynamoDB").token_bucket(budget).build())
            // The timeout of an attempt also ends a stalled one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(NoUserAgent)
            .interceptor(Intact)
            .retry_classifier(Intact)
            .interceptor(CountCalls)
            .build();
        Self { client: Client::from_conf(config), tables: Arc::new(tables) }
    }

    /// The same tables, except for another Access table, such as the one that was in use before a restore.
    #[must_use]
    pub fn with_access_table(&self, access: String) -> Self {
        let tables = Tables { access, records: self.tables.records.clone() };
        Self { client: self.client.clone(), tables: Arc::new(tables) }
    }

    /// Opens the connection, by reading an item that does not exist (half a read unit). The outcome is ignored: the first request would run
    /// into the same problem.
    pub(crate) async fn open_connection(&self) {
        let nothing =
            self.client.get_item().table_name(&self.tables.records).set_key(Some(table::nothing().into_item()));
        let _ = tokio::time::timeout(ATTEMPT_TIMEOUT, nothing.send()).await;
    }

    /// The name of a table.
    pub(crate) fn name(&self, table: Table) -> &str {
        match table {
            Table::Access => &self.tables.access,
            Table::Records => &self.tables.records,
        }
    }

    /// Writes a new item. It is not an error if the item exists: its id is fresh, so this same put wrote it and was retried after a lost
    /// response.
    pub(crate) async fn create(&self, item: Item) -> Result<(), DbError> {
        let request = self.client.put_item().table_name(&self.tables.records).set_item(Some(item));
        let request = request.condition_expression(table::ABSENT);
        let mut backoff = Backoff::new();
        loop {
            let Err(error) = request.clone().send().await else { return Ok(()) };
            match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => return Ok(()),
                Some(PutItemError::TransactionConflictException(_)) => backoff.pause().await?,
                _ => return Err(failure(&error)),
            }
        }
    }

    /// Reads a record with strong consistency, so that it finds what was just written.
    pub(crate) async fn get<T: Readable>(&self, key: Key) -> Result<Option<T>, DbError> {
        let request = self.client.get_item().table_name(&self.tables.records).set_key(Some(key.into_item()));
        response::get(request.consistent_read(true)).await
    }

    /// Reads an item of the Access table with strong consistency.
    pub(crate) async fn get_access(&self, key: Key) -> Result<Option<Item>, DbError> {
        let request = self.client.get_item().table_name(&self.tables.access).set_key(Some(key.into_item()));
        Ok(request.consistent_read(true).send().await.map_err(|error| failure(&error))?.item)
    }

    /// Reads items with strong consistency, in any order.
    pub(crate) async fn get_all(&self, table: Table, keys: Vec<Key>) -> Result<Vec<Item>, DbError> {
        let mut items = Vec::new();
        let mut backoff = Backoff::new();
        let mut wanted: Vec<Item> = keys.into_iter().map(Key::into_item).collect();
        while !wanted.is_empty() {
            let later = wanted.split_off(wanted.len().min(BATCH_KEYS));
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let request = self.client.batch_get_item().request_items(self.name(table), built(keys)?);
            let answer = request.send().await.map_err(|error| failure(&error))?;
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            // DynamoDB returns as much as it can (16 MB, or what the capacity allows), and names the rest.
            wanted = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
            if !wanted.is_empty() {
                backoff.pause().await?;
            }
            wanted.extend(later);
        }
        Ok(items)
    }

    /// Reads up to `limit` records of a list of the Records table after `start`, and whether there are more. It sends one Query for
    /// `limit + 1` rows, because `LastEvaluatedKey` is also set on a page that ends exactly at the end of the list. It sends another only
    /// if 1 MB, the most that a Query reads, holds fewer rows. It returns fewer rows than `limit`, with more to come, only if they would
    /// not fit into a response.
    pub(crate) async fn list<T: Readable + Serialize>(
        &self,
        list: &List,
        mut start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Row<T>>, bool), DbError> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        loop {
            let request = self.rows_of(list, start.take(), limit + 1 - rows.len());
            let read = response::query(request, list.sort_key_name()).await?;
            rows.extend(read.rows);
            bytes += read.bytes;
            // No text is longer in our response than twice its length in DynamoDB's.
            let fitting = if bytes * 2 > MAX_PAGE_BYTES { size::fitting(&rows, MAX_PAGE_BYTES) } else { rows.len() };
            let wanted = limit.min(fitting);
            if rows.len() > wanted {
                rows.truncate(wanted);
                return Ok((rows, true));
            }
            start = read.last_key;
            if start.is_none() {
                return Ok((rows, false));
            }
        }
    }

    /// Reads all records of a list of the Records table.
    pub(crate) async fn all<T: Readable>(&self, list: &List) -> Result<Vec<T>, DbError> {
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let request = self.rows_of(list, start, i32::MAX as usize);
            let read = response::query(request, list.sort_key_name()).await?;
            all.extend(read.rows.into_iter().map(|row: Row<T>| row.record));
            start = read.last_key;
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// Like [`list`](Self::list), for a list of the Access table. Its items are small, so they always fit into a response.
    pub(crate) async fn query(
        &self,
        list: &List,
        mut start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), DbError> {
        let mut rows = Vec::new();
        loop {
            let request = self.rows_of(list, start.take(), limit + 1 - rows.len());
            let answer = request.send().await.map_err(|error| failure(&error))?;
            rows.extend(answer.items.unwrap_or_default());
            if rows.len() > limit {
                rows.truncate(limit);
                return Ok((rows, true));
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((rows, false));
            }
        }
    }

    /// The query for up to `limit` rows of a list after `start`.
    fn rows_of(&self, list: &List, start: Option<Item>, limit: usize) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(self.name(list.table()))
            .set_index_name(list.index().map(str::to_owned))
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", list.partition_name())
            .expression_attribute_values(":partition", string(list.partition()))
            .scan_index_forward(list.ascending())
            .consistent_read(list.is_read_consistently())
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
    }

    /// Updates an item, or creates it unless the condition forbids that, and returns the attributes that `values` selects.
    pub(crate) async fn update(
        &self,
        table: Table,
        key: Key,
        mut expression: Expression,
        values: ReturnValue,
    ) -> Result<Conditional, DbError> {
        let has_attributes = values != ReturnValue::None;
        let request = self
            .client
            .update_item()
            .table_name(self.name(table))
            .set_key(Some(key.into_item()))
            .set_update_expression(expression.update.take())
            .set_condition_expression(expression.condition.take())
            .set_expression_attribute_names(expression.take_names())
            .set_expression_attribute_values(expression.take_values())
            .return_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut backoff = Backoff::new();
        loop {
            let mut attempt = request.clone().customize();
            if has_attributes {
                attempt = attempt.interceptor(WithAttributes);
            }
            let error = match attempt.send().await {
                Ok(answer) => return Ok(Ok(answer.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => return Ok(Err(failed.item.clone())),
                Some(UpdateItemError::TransactionConflictException(_)) => backoff.pause().await?,
                _ => return Err(failure(&error)),
            }
        }
    }

    /// Sends a transaction once, or again with the same token.
    pub(crate) async fn send(
        &self,
        writes: Vec<TransactWriteItem>,
        token: &str,
        doubt: &Doubt,
    ) -> Result<TransactWriteItemsOutput, SdkError<TransactWriteItemsError>> {
        let request = self.client.transact_write_items().set_transact_items(Some(writes)).client_request_token(token);
        request.customize().interceptor(doubt.clone()).send().await
    }
}
