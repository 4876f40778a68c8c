//! Notes whether the outcome of any attempt at a call is unknown, because it got no usable response. DynamoDB may have executed it, or may
//! still do so later. It knows no table.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::FinalizerInterceptorContextRef},
    error::BoxError,
};

/// Watches the attempts at a call, with those of its repetitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// Whether there was such an attempt.
    pub(crate) fn exists(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Doubt {
    fn name(&self) -> &'static str {
        "Doubt"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // DynamoDB has done nothing where it reports an error of the request: 4xx.
        let is_refused = context.response().is_some_and(|response| response.status().is_client_error());
        let has_failed = context.output_or_error().is_none_or(|result| result.is_err());
        if has_failed && !is_refused {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
