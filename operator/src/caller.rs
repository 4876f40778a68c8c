//! Identifies who runs the command, for the organization's activity log. Called only by commands that change something.

use std::time::Duration;

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_sts::error::DisplayErrorContext;
use aws_types::service_config::ServiceConfigKey;
use shared::store::activity::Actor;

use crate::error::CommandError;

/// Someone at a keyboard would rather get an error than keep waiting.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The AWS configuration that identifies the caller.
#[derive(Debug)]
pub(crate) struct Caller(SdkConfig);

impl Caller {
    pub(crate) fn new(config: SdkConfig) -> Self {
        Self(config)
    }

    /// The ARN that AWS STS returns for the credentials. With DynamoDB at an endpoint of one's own, it is `local`, unless STS has a
    /// different endpoint of its own.
    pub(crate) async fn actor(&self) -> Result<Actor, CommandError> {
        let tables = self.own_endpoint("DynamoDB");
        if tables.is_some() && [None, tables].contains(&self.own_endpoint("STS")) {
            return Ok(Actor::operator());
        }
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let config = aws_sdk_sts::config::Builder::from(&self.0).timeout_config(timeouts).build();
        let response = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
        let identity = response.map_err(|error| CommandError::Unnamed(DisplayErrorContext(error).to_string()))?;
        let arn = identity.arn.ok_or_else(|| CommandError::Unnamed("the response has no ARN".to_owned()))?;
        Ok(Actor::aws(&arn))
    }

    /// The endpoint that a variable or the profile sets for the service, unless it is one of AWS's own, such as a VPC endpoint.
    fn own_endpoint(&self, service: &str) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        let endpoint = self.0.service_config()?.load_config(key)?;
        let host = endpoint.split("://").nth(1).unwrap_or(&endpoint).split(['/', ':']).next().unwrap_or_default();
        let is_of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|domain| host.ends_with(domain));
        (!is_of_aws).then_some(endpoint)
    }
}
