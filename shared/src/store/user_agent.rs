//! Sends calls to DynamoDB without the SDK's name and version. It knows no call.
//!
//! The SDK would describe itself in two headers of each call. Composing and signing them costs more than reading an item, and nothing reads
//! them.

use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_dynamodb::{
    config::{ConfigBag, Intercept, interceptors::BeforeSerializationInterceptorContextRef},
    error::BoxError,
};
use aws_smithy_runtime_api::client::interceptors::disable_interceptor;

/// Switches off the interceptor that adds the headers.
#[derive(Debug)]
pub(crate) struct NoUserAgent;

impl Intercept for NoUserAgent {
    fn name(&self) -> &'static str {
        "NoUserAgent"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(disable_interceptor::<UserAgentInterceptor>("nothing reads its headers"));
        Ok(())
    }
}
