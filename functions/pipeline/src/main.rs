//! Starts the `pipeline` function in the Lambda runtime.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::serve::run(pipeline::router()).await
}
