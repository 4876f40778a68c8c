//! Clocks that differ: an instance whose clock is ahead removes the counters of minutes that are over for it. One that is behind may still count
//! in them, and never serves more for that, up to the two minutes by which clocks may differ.

use std::{collections::BTreeMap, sync::Arc};

use shared::model::plan::Plan;

use crate::test_app::{self, Gateway, START, TestApp, TestClock, request, send};

/// How many of so many requests are served.
async fn served(instance: &Arc<Gateway>, app: &TestApp, path: &str, count: usize) -> usize {
    let mut served = 0;
    for _ in 0..count {
        let answer = send(instance, request("GET", path, Some(&app.key), None)).await;
        match answer.status.as_u16() {
            200 => served += 1,
            _ => drop(answer.error(429, "rate_limit_exceeded")),
        }
    }
    served
}

#[tokio::test]
async fn instances_whose_clocks_differ_by_up_to_two_minutes_serve_60_of_each_minute_of_either_clock() {
    // With the later clock at the first and the last moment of its minutes.
    for (path, apart_millis, moment_millis) in [
        ("/api/v1/jobs", 60_000, 0),
        ("/api/v1/jobs", 119_999, 59_999),
        ("/api/v1/jobs", 120_000, 0),
        ("/api/v1/jobs", 120_000, 59_999),
        ("/api/v1/usage", 120_000, 59_999),
    ] {
        let app = TestApp::frozen(Plan::Enterprise).await;
        let (behind, ahead) = (TestClock::at(START), TestClock::at(START));
        behind.advance(moment_millis);
        ahead.advance(moment_millis + apart_millis);
        let instances = [&behind, &ahead].map(|clock| Arc::new(test_app::gateway(&app.db, clock)));
        let minute = |clock: &TestClock| clock.now().to_string()[..16].to_owned();
        let mut by_minute: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..3 {
            // In turn, so that the one ahead sees the counters of the one behind, and would remove them with its next request.
            for count in [20, 2, 20, 20] {
                for (instance, clock) in instances.iter().zip([&behind, &ahead]) {
                    *by_minute.entry(minute(clock)).or_default() += served(instance, &app, path, count).await;
                }
            }
            behind.advance(60_000);
            ahead.advance(60_000);
        }
        for (minute, served) in by_minute {
            assert_eq!(served, 60, "{path} {minute}, {apart_millis} ms apart, at {moment_millis} ms");
        }
    }
}
