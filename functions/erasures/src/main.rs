//! Starts the `erasures` function in the Lambda runtime.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    shared::schedule::run(erasures::task).await
}
