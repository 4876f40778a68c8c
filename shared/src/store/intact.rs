//! Checks that a response of DynamoDB has arrived whole, and repeats the call if it has not. It knows no table.
//!
//! DynamoDB's body is a JSON object, even if there is nothing to say or an error to report, and comes with its checksum. Whatever is in
//! between may empty or cut it, or respond itself. The SDK takes an empty body for an empty object: a write would count as done, an item as
//! missing, a list as empty.
//!
//! An empty object is the whole response to a `GetItem` of an item that does not exist, to a put, to a transaction, and to an update that was
//! to return nothing. Only its checksum shows that such a response was another one.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        http::HttpResponse,
        interceptors::{AfterDeserializationInterceptorContextRef, InterceptorContext},
        retry::{ClassifyRetry, RetryAction},
    },
    error::BoxError,
    operation::{batch_get_item::BatchGetItemOutput, query::QueryOutput, update_item::UpdateItemOutput},
};
use serde::{Deserialize, de::IgnoredAny};

/// The CRC-32 of the body, in decimal.
const CHECKSUM: &str = "x-amz-crc32";

/// Where an error's name is, if it is not in the body.
const ERROR_TYPE: &str = "x-amzn-errortype";

/// Fails an attempt whose response is damaged, and classifies that failure as one to retry.
#[derive(Debug)]
pub(crate) struct Intact;

fn check(response: &HttpResponse) -> Result<(), &'static str> {
    let body = response.body().bytes().unwrap_or_default();
    let checksum = response.headers().get(CHECKSUM).and_then(|sum| sum.parse().ok());
    if checksum.is_some_and(|sum: u32| sum != crc32fast::hash(body)) {
        return Err("a body that does not match its checksum");
    }
    if !response.status().is_success() {
        let error: Error = serde_json::from_slice(body).map_err(|_| "an error that is not a JSON object")?;
        let is_named = error.name.is_some() || response.headers().get(ERROR_TYPE).is_some();
        return if is_named { Ok(()) } else { Err("an error without its name") };
    }
    let body = body.trim_ascii();
    let is_object = body.starts_with(b"{") && body.ends_with(b"}");
    if is_object { Ok(()) } else { Err("a body that is not a JSON object") }
}

/// What every error of DynamoDB has.
#[derive(Deserialize)]
struct Error {
    #[serde(rename = "__type")]
    name: Option<IgnoredAny>,
}

impl Intercept for Intact {
    fn name(&self) -> &'static str {
        "Intact"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        check(context.response())?;
        // What these calls always return. The SDK would read its absence as an empty list.
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        let lacks_items = output.downcast_ref::<QueryOutput>().is_some_and(|output| output.items.is_none())
            || output.downcast_ref::<BatchGetItemOutput>().is_some_and(|output| output.responses.is_none());
        if lacks_items { Err("a response without its items".into()) } else { Ok(()) }
    }
}

/// The same for an update that is to return attributes.
#[derive(Debug)]
pub(crate) struct WithAttributes;

impl Intercept for WithAttributes {
    fn name(&self) -> &'static str {
        "WithAttributes"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        let lacks_attributes =
            output.downcast_ref::<UpdateItemOutput>().is_some_and(|output| output.attributes.is_none());
        if lacks_attributes { Err("a response without its attributes".into()) } else { Ok(()) }
    }
}

impl ClassifyRetry for Intact {
    fn name(&self) -> &'static str {
        "Intact"
    }

    /// A response that reports success but can't be read is damaged, like one that fails the check.
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let (Some(response), Some(Err(error))) = (context.response(), context.output_or_error()) else {
            return RetryAction::NoActionIndicated;
        };
        if response.status().is_success() || error.is_interceptor_error() {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }
}
