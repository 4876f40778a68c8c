//! Reads records straight from the responses to `GetItem` and `Query`. It knows no record and no table.
//!
//! Everything else about a call stays with the SDK: signing, timeouts, retries, and the errors. Only a response that reports success is
//! read here, in the SDK's own place for that, so that it retries what can't be read.

mod body;
pub(crate) mod size;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, FrozenLayer, Intercept, RuntimePlugin, http::HttpResponse,
        interceptors::BeforeSerializationInterceptorContextRef,
    },
    error::BoxError,
    operation::{
        get_item::{GetItem, GetItemOutput, builders::GetItemFluentBuilder},
        query::{Query, QueryOutput, builders::QueryFluentBuilder},
    },
};
use aws_smithy_runtime_api::client::{
    interceptors::context::{Output, OutputOrError},
    orchestrator::OrchestratorError,
    ser_de::{DeserializeResponse, SharedResponseDeserializer},
};
use serde::de::{DeserializeOwned, IgnoredAny};

pub(crate) use crate::store::response::body::{QueryPage, Row};
use crate::store::{
    error::{DbError, failure},
    response::body::{RecordBody, RowsBody},
};

/// A record that can be read from a response.
pub(crate) trait Readable: DeserializeOwned + Send + 'static {}

impl<T: DeserializeOwned + Send + 'static> Readable for T {}

/// Sends a request for an item, and reads the record in it.
pub(crate) async fn get<T: Readable>(request: GetItemFluentBuilder) -> Result<Option<T>, DbError> {
    let reading = Reading::new(RecordBody::<T>::new());
    request.customize().interceptor(reading.clone()).send().await.map_err(|error| failure(&error))?;
    reading.finish()
}

/// Sends a query, and reads its rows. `sort_key` is the attribute that the list is sorted by.
pub(crate) async fn query<T: Readable>(
    request: QueryFluentBuilder,
    sort_key: &'static str,
) -> Result<QueryPage<T>, DbError> {
    let reading = Reading::new(RowsBody::<T>::new(sort_key));
    request.customize().interceptor(reading.clone()).send().await.map_err(|error| failure(&error))?;
    reading.finish()
}

/// An operation whose responses are read here.
trait Operation: Send + Sync + 'static {
    type Value: Send + 'static;

    /// Reads the body of a response that reports success.
    fn read(&self, body: &str) -> serde_json::Result<Self::Value>;

    /// Whether the body has the operation's form, whatever its records are.
    fn has_form(&self, body: &str) -> bool;

    /// The type of the records, for the log.
    fn record() -> &'static str;

    /// The operation's own configuration, which has the SDK's reader of responses.
    fn config() -> Option<FrozenLayer>;

    /// What the SDK sees: its own type, without the content.
    fn output() -> Output;
}

impl<T: Readable> Operation for RecordBody<T> {
    type Value = Option<T>;

    fn read(&self, body: &str) -> serde_json::Result<Option<T>> {
        body::read(body, Self::new())
    }

    fn has_form(&self, body: &str) -> bool {
        body::read(body, RecordBody::<IgnoredAny>::new()).is_ok()
    }

    fn record() -> &'static str {
        std::any::type_name::<T>()
    }

    fn config() -> Option<FrozenLayer> {
        GetItem::new().config()
    }

    fn output() -> Output {
        Output::erase(GetItemOutput::builder().build())
    }
}

impl<T: Readable> Operation for RowsBody<T> {
    type Value = QueryPage<T>;

    fn read(&self, body: &str) -> serde_json::Result<QueryPage<T>> {
        Ok(QueryPage { bytes: body.len(), ..body::read(body, self.of::<T>())? })
    }

    fn has_form(&self, body: &str) -> bool {
        body::read(body, self.of::<IgnoredAny>()).is_ok()
    }

    fn record() -> &'static str {
        std::any::type_name::<T>()
    }

    fn config() -> Option<FrozenLayer> {
        Query::new().config()
    }

    fn output() -> Output {
        Output::erase(QueryOutput::builder().set_items(Some(Vec::new())).build())
    }
}

/// Installs itself as the reader of one call's responses, and keeps what it reads.
struct Reading<O: Operation> {
    operation: Arc<O>,
    read: Arc<Mutex<Slot<O::Value>>>,
}

/// `None`: nothing was read yet.
type Slot<T> = Option<Result<T, DbError>>;

impl<O: Operation> Reading<O> {
    fn new(operation: O) -> Self {
        Self { operation: Arc::new(operation), read: Arc::default() }
    }

    /// What was read, once the call has succeeded.
    fn finish(self) -> Result<O::Value, DbError> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).take();
        read.unwrap_or(Err(DbError::Unreadable("a response that was not read")))
    }
}

impl<O: Operation> Clone for Reading<O> {
    fn clone(&self) -> Self {
        Self { operation: Arc::clone(&self.operation), read: Arc::clone(&self.read) }
    }
}

// Without what was read, which is a tenant's.
impl<O: Operation> fmt::Debug for Reading<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl<O: Operation> Intercept for Reading<O> {
    fn name(&self) -> &'static str {
        "Reading"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(SharedResponseDeserializer::new(self.clone()));
        Ok(())
    }
}

impl<O: Operation> DeserializeResponse for Reading<O> {
    fn deserialize_nonstreaming_with_config(&self, response: &HttpResponse, config: &ConfigBag) -> OutputOrError {
        let failed = |what: &'static str| OrchestratorError::response(what.into());
        if !response.status().is_success() {
            let operation = O::config();
            let sdk = operation.as_ref().and_then(|layer| layer.load::<SharedResponseDeserializer>());
            let sdk = sdk.ok_or_else(|| failed("an error that the SDK can't read"))?;
            return sdk.deserialize_nonstreaming_with_config(response, config);
        }
        let body = response.body().bytes().unwrap_or_default();
        let body = std::str::from_utf8(body).map_err(|_| failed("a body that is not UTF-8"))?;
        let read = match self.operation.read(body) {
            Ok(value) => Ok(value),
            // The body is as DynamoDB sent it, so a retry would not help. The cause is dropped, because serde quotes the unexpected value.
            Err(error) if error.is_data() && self.operation.has_form(body) => Err(DbError::Unreadable(O::record())),
            Err(_) => return Err(failed("a body that the operation does not return")),
        };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(O::output())
    }
}
