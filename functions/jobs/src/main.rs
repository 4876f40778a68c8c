//! Starts the `jobs` function in the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::serve::run(jobs::router()).await
}
