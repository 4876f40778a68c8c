//! Starts the `settings` function in the Lambda runtime.

use std::process::ExitCode;

use settings::{Issuer, api};
use shared::http::serve;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve::run_with(|app| Ok(api(app, Issuer::from_env()?))).await
}
