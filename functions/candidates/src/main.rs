//! Starts the `candidates` function in the Lambda runtime.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::http::serve::run(candidates::router()).await
}
