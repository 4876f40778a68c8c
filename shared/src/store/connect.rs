//! Builds the DynamoDB client of the functions: the roots it trusts and the credentials it uses. It reads no setting from the
//! environment except those credentials.

use aws_config::{BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

use crate::store::db::{Db, Tables};

/// The root certificates of Amazon's services: Amazon Root CA 1 to 4. (A fifth, Starfield's, has cross-signed the first of them for clients
/// that know only it.) Reading the system's hundreds of roots would cost more than the rest of a cold start.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The HTTP client can't be built.
#[derive(Debug, thiserror::Error)]
#[error("no TLS client: {0}")]
pub struct NoTls(String);

/// Reaches the tables in `region`, or at `endpoint`, with the credentials in the AWS environment variables.
pub(crate) fn connect(tables: Tables, region: String, endpoint: Option<String>) -> Result<Db, NoTls> {
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
        .build()
        .map_err(|error| NoTls(error.to_string()))?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .http_client(http);
    config.set_endpoint_url(endpoint);
    Ok(Db::new(&config.build(), tables))
}
