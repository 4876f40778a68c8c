//! Starts the `settings` function in the Lambda runtime.

use std::process::ExitCode;

use settings::{Issuer, router};
use shared::http::serve::{self, Api};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    serve::run_with(|app| Ok(Api::open(router(app, Issuer::from_env()?)))).await
}
