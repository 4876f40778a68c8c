//! How long to wait, and how often, before retrying after a conflict with another write. It knows no operation.

use std::time::Duration;

use crate::store::error::DbError;

/// When two writes conflict and one is in a transaction, DynamoDB rejects one of them, and the SDK does not retry it. We do, with pauses
/// that grow from the first of these to the last, until the patience runs out.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(2_500);

/// A sequence of growing pauses.
pub(crate) struct Backoff {
    ends: tokio::time::Instant,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { ends: tokio::time::Instant::now() + PATIENCE, next: FIRST_PAUSE }
    }

    /// Waits for a random time, so that conflicting writes don't conflict again. `Unavailable`: the patience has run out.
    pub(crate) async fn pause(&mut self) -> Result<(), DbError> {
        if tokio::time::Instant::now() >= self.ends {
            return Err(DbError::Unavailable("writes kept meeting each other".to_owned()));
        }
        tokio::time::sleep(self.next.mul_f64(fastrand::f64())).await;
        self.next = (self.next * 2).min(LAST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_continue_for_seconds_and_then_end() {
        let begun = tokio::time::Instant::now();
        let mut backoff = Backoff::new();
        while backoff.pause().await.is_ok() {}
        let waited = begun.elapsed();
        assert!(waited >= PATIENCE && waited < PATIENCE + LAST_PAUSE, "{waited:?}");
    }
}
