//! After an outage of DynamoDB, single faults are retried again within seconds, and during it, retries are few.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_smithy_async::time::TimeSource;
use futures::stream::{self, StreamExt};
use local::database::Embedded;
use shared::store::db::Db;

use crate::test_app::{
    ENDPOINT, TestApp,
    proxy::{Change, Fault, Proxy, error},
};

/// The SDK's clock, which stands still until a test moves it.
#[derive(Clone, Debug, Default)]
struct SdkClock(Arc<AtomicU64>);

impl TimeSource for SdkClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + self.0.load(Ordering::SeqCst))
    }
}

const FAULT: Change = |_| error("500 Internal Server Error", "InternalServerError");

struct Outage {
    app: TestApp,
    proxy: Proxy,
    clock: SdkClock,
}

impl Outage {
    async fn new() -> Self {
        let (mut app, proxy, clock) = (TestApp::new().await, Proxy::default(), SdkClock::default());
        let config = local::database::config(&proxy.start(&ENDPOINT).await).time_source(clock.clone());
        app.db = Db::with(config, Embedded::tables());
        Self { app, proxy, clock }
    }

    fn fail(&self, times: usize) {
        self.proxy.fail(Fault { operation: "Query", table: "AccessTable", times, change: FAULT });
    }

    /// How many calls are sent for so many lists of keys, all of which fail.
    async fn attempts_of(&self, lists: usize) -> usize {
        self.fail(usize::MAX);
        self.proxy.take_sent();
        let failed = stream::iter(0..lists).map(async |_| {
            assert!(shared::store::api_key::list(&self.app.db, &self.app.org, None).await.is_err());
        });
        failed.buffer_unordered(8).collect::<()>().await;
        self.proxy.take_sent().len()
    }

    /// How many of so many lists succeed if the first call of each fails.
    async fn succeed_after_one_fault(&self, lists: usize) -> usize {
        let mut succeeded = 0;
        for _ in 0..lists {
            self.fail(1);
            succeeded += usize::from(shared::store::api_key::list(&self.app.db, &self.app.org, None).await.is_ok());
            self.proxy.assert_failed();
        }
        succeeded
    }
}

#[tokio::test]
async fn some_seconds_after_an_outage_single_faults_are_retried_as_before_it() {
    let outage = Outage::new().await;
    assert_eq!(outage.succeed_after_one_fault(12).await, 12);
    let attempts = outage.attempts_of(60).await;
    // 60 first attempts, and as many retries as the budget has.
    assert!((60 + 50..=60 + 100).contains(&attempts), "{attempts}");
    assert_eq!(outage.attempts_of(20).await, 20, "the budget is used up");
    outage.clock.0.fetch_add(3, Ordering::SeqCst);
    assert_eq!(outage.succeed_after_one_fault(12).await, 12);
}

#[tokio::test]
async fn a_long_outage_gets_few_retries() {
    let outage = Outage::new().await;
    outage.attempts_of(60).await;
    let mut retries = 0;
    for _ in 0..10 {
        outage.clock.0.fetch_add(1, Ordering::SeqCst);
        retries += outage.attempts_of(20).await - 20;
    }
    assert!((50..=100).contains(&retries), "{retries} in ten seconds");
}
