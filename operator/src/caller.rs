//! Who runs the command, as the activity of the organization that it changes names them. Asked only by what changes something.

use std::time::Duration;

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_sts::error::DisplayErrorContext;
use aws_types::service_config::ServiceConfigKey;
use shared::store::activity::Actor;

use crate::error::CommandError;

/// A few requests of a person at a keyboard, who would rather hear that it does not work.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration that tells it.
#[derive(Debug)]
pub(crate) struct Caller(SdkConfig);

impl Caller {
    pub(crate) fn new(config: SdkConfig) -> Self {
        Self(config)
    }

    /// Whom AWS knows by the credentials, or `local` where the tables are in a DynamoDB of one's own, unless that has an STS of its own
    /// beside it.
    pub(crate) async fn actor(&self) -> Result<Actor, CommandError> {
        let tables = self.own_endpoint("DynamoDB");
        if tables.is_some() && [None, tables].contains(&self.own_endpoint("STS")) {
            return Ok(Actor::operator());
        }
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        let config = aws_sdk_sts::config::Builder::from(&self.0).timeout_config(timeouts).build();
        let answer = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
        let identity = answer.map_err(|error| CommandError::Unnamed(DisplayErrorContext(error).to_string()))?;
        let arn = identity.arn.ok_or_else(|| CommandError::Unnamed("the response has no ARN".to_owned()))?;
        Ok(Actor::aws(&arn))
    }

    /// The endpoint that a variable or the profile sets for the service, if it is not one of AWS's, such as a VPC's.
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
