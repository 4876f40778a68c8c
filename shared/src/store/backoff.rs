//! How often and how long to wait before something is tried again that another write stood in the way of.

use std::time::Duration;

use crate::store::error::DbError;

/// DynamoDB rejects one of two writes that meet in a transaction, and the SDK does not send such a write again. It is
/// sent again here, after pauses that grow from the first to the last of these, for as long as the patience lasts.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Pauses that grow.
pub(crate) struct Backoff {
    ends: tokio::time::Instant,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { ends: tokio::time::Instant::now() + PATIENCE, next: FIRST_PAUSE }
    }

    /// Waits a while, of a random length so that those who met don't meet again. `Unavailable` when it has been long
    /// enough.
    pub(crate) async fn pause(&mut self) -> Result<(), DbError> {
        if tokio::time::Instant::now() >= self.ends {
            return Err(DbError::Unavailable("writes kept meeting each other".to_owned()));
        }
        let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        tokio::time::sleep(self.next.mul_f64(share)).await;
        self.next = (self.next * 2).min(LAST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_go_on_for_seconds_and_then_end() {
        let begun = tokio::time::Instant::now();
        let mut backoff = Backoff::new();
        while backoff.pause().await.is_ok() {}
        let waited = begun.elapsed();
        assert!(waited >= PATIENCE && waited < PATIENCE + LAST_PAUSE, "{waited:?}");
    }
}
