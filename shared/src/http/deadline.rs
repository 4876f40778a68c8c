//! How long a request may take. It knows no route.
//!
//! A request that takes too long is given up, which is a failure in which nothing was done, unless a write was under way: the write may
//! have been applied, and what only its response shows, such as a new secret, is lost. So a handler can give a write a time of its own.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, error::Elapsed, timeout, timeout_at};

use crate::http::error::ApiError;

/// A request that takes longer gets a `503`, well before Lambda's own timeout (10 s) would end it without a response.
pub const REQUEST_TIMEOUT: Duration = Duration::from_millis(4_500);
/// What a [write](own_time) may take, from the moment when it begins. Together, the two are less than Lambda's timeout.
pub const WRITE_TIMEOUT: Duration = Duration::from_millis(4_500);

tokio::task_local! {
    static CURRENT: Arc<Mutex<Instant>>;
}

/// Runs a request until it has taken too long.
pub(crate) async fn limit<T>(request: impl Future<Output = T>) -> Result<T, Elapsed> {
    let end = Arc::new(Mutex::new(Instant::now() + REQUEST_TIMEOUT));
    let read = || *end.lock().unwrap_or_else(PoisonError::into_inner);
    let mut request = pin!(CURRENT.scope(Arc::clone(&end), request));
    loop {
        let until = read();
        match timeout_at(until, &mut request).await {
            Err(elapsed) if read() <= until => return Err(elapsed),
            // A write has begun meanwhile.
            Err(_) => {}
            Ok(response) => return Ok(response),
        }
    }
}

/// Runs a write that is to end, once it has begun. It has [`WRITE_TIMEOUT`], whatever is left of its request's time.
pub async fn own_time<T>(write: impl Future<Output = T>) -> Result<T, ApiError> {
    let end = Instant::now() + WRITE_TIMEOUT;
    // Outside a request (a test of one handler), nothing limits it.
    let _ = CURRENT.try_with(|current| *current.lock().unwrap_or_else(PoisonError::into_inner) = end);
    timeout(WRITE_TIMEOUT, write).await.map_err(|elapsed| ApiError::Unavailable(Box::new(elapsed)))
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_write_has_its_own_time_and_what_comes_after_it_has_none() {
        let begun = Instant::now();
        assert!(limit(sleep(REQUEST_TIMEOUT + SECOND)).await.is_err());
        assert_eq!(begun.elapsed(), REQUEST_TIMEOUT);

        let late = REQUEST_TIMEOUT.checked_sub(SECOND).unwrap();
        let write = async |takes| {
            sleep(late).await;
            own_time(sleep(takes)).await.is_ok()
        };
        assert!(limit(write(WRITE_TIMEOUT.checked_sub(SECOND).unwrap())).await.unwrap());
        // The handler can still tell that the write has taken too long.
        assert!(!limit(write(WRITE_TIMEOUT + SECOND)).await.unwrap());

        let begun = Instant::now();
        let endless = async {
            write(SECOND).await;
            std::future::pending::<()>().await;
        };
        assert!(limit(endless).await.is_err());
        assert_eq!(begun.elapsed(), late + WRITE_TIMEOUT);
    }
}
