//! Counts the CPU instructions of a release binary with callgrind: until it is ready, and of one request once it is warm. It knows no
//! budget.
//!
//! Callgrind counts the same number on every run, up to a few percent. Its processor has no instructions for SHA-256, which is done in
//! software here: about 150,000 instructions for each call to DynamoDB that Lambda's processors need not execute.

use std::{
    io::Read,
    process::{Command, Stdio},
    time::Duration,
};

use runtime::{Process, binary};
use serde_json::Value;

use crate::Result;

/// The requests whose average is taken. A key allows 60 a minute.
const REQUESTS: u32 = 20;

/// From exec to the first request for an invocation.
pub(crate) async fn of_start(name: &str, dynamodb: &str) -> Result<u64> {
    count(name, dynamodb, &Value::Null, 0).await
}

/// Of one such request: the difference that further requests make after the first, which also fills caches. `events` are the same request
/// with two keys, one for each of the two processes that are compared.
pub(crate) async fn of_request(name: &str, dynamodb: &str, events: [Value; 2]) -> Result<u64> {
    let [once, often] = events;
    let first = count(name, dynamodb, &once, 1).await?;
    let all = count(name, dynamodb, &often, 1 + REQUESTS).await?;
    Ok(all.saturating_sub(first) / u64::from(REQUESTS))
}

/// From exec until the process has responded to `requests` events and asks for another.
async fn count(name: &str, dynamodb: &str, event: &Value, requests: u32) -> Result<u64> {
    let mut command = Command::new("/usr/bin/valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(binary(name));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = Process::start(command, dynamodb).await?;
    wait(&process).await?;
    for _ in 0..requests {
        let status = process.invoke(event).await?["statusCode"].as_u64();
        if !matches!(status, Some(200 | 201)) {
            return Err(format!("{name} responded with {status:?}").into());
        }
        wait(&process).await?;
    }
    // Stopped while it waits for an invocation, so that nothing after this is counted.
    Command::new("/bin/kill").arg(process.child.id().to_string()).status()?;
    let mut output = String::new();
    process.child.stderr.take().ok_or("valgrind without its standard error")?.read_to_string(&mut output)?;
    let count = output.lines().find_map(|line| line.split("Collected : ").nth(1));
    Ok(count.ok_or_else(|| format!("valgrind counted nothing: {output}"))?.trim().parse()?)
}

async fn wait(process: &Process) -> Result<()> {
    process.is_ready(Duration::from_mins(1)).await.map_err(|_| "a function was not ready within a minute".into())
}
