//! Counts the calls to DynamoDB that a request makes. It knows no table. The count belongs to the request's task, not to the process,
//! which may serve several requests at once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents},
    error::BoxError,
};

tokio::task_local! {
    static CURRENT: Arc<AtomicU32>;
}

/// The number of calls in one request, with each attempt counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<AtomicU32>);

impl Calls {
    /// Runs `work`, and counts the calls that it makes.
    pub(crate) async fn count<T>(&self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(&self.0), work).await
    }

    /// The number of calls until now.
    pub(crate) fn number(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts every attempt toward the request that makes it.
#[derive(Debug)]
pub(crate) struct CountCalls;

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
        // Outside a request (a seed, an operator's command), calls are not counted.
        let _ = CURRENT.try_with(|calls| calls.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}
