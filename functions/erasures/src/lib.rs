//! On a schedule: finishes the erasures that were begun and not finished within ten minutes, such as by a client that did not repeat its
//! request. It knows no step of an erasure.
//!
//! Each gets a log line, which an alarm counts, because no erasure should need this. One that can't be finished does not keep the others
//! from being finished, but the run fails. Two runs at once do no harm: each step of an erasure can be done twice.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared::{
    http::{
        app::App,
        log::{self, Unfinished},
    },
    model::write::{Write, Written},
    schedule::{Done, Task},
    store::{
        activity::Actor,
        erasure::{self, Copy},
        error::{DbError, StoreError},
    },
};
use tokio::time::{Instant, timeout, timeout_at};

/// How long the client has to finish it.
pub const OVERDUE_AFTER: Duration = Duration::from_mins(10);

/// How many are read at once, and how many are finished at once.
const PAGE: u8 = 100;
const AT_ONCE: usize = 5;
/// A run that took longer to read the list would have no time left to finish any.
const LISTING_TIME: Duration = Duration::from_secs(10);

/// What a run does at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// When it ends. What it is in the middle of, the next run continues.
    pub until: Instant,
    /// How long one erasure may take, so that it does not use up the time of the others.
    pub each: Duration,
    /// After how many pending erasures it stops reading the list: more than it could finish.
    pub listed: usize,
}

impl Limits {
    /// The limits of a run that ends at this moment.
    #[must_use]
    pub fn until(until: Instant) -> Self {
        Self { until, each: Duration::from_secs(15), listed: 10_000 }
    }
}

/// The whole function.
#[must_use]
pub fn task(app: App) -> Task {
    Task::new(app, |app, until| Box::pin(finish_overdue(app, Limits::until(until))))
}

/// Finishes every overdue erasure of any organization, as far as the limits allow.
pub async fn finish_overdue(app: App, limits: Limits) -> Result<Done, StoreError> {
    let late = |_| DbError::Unavailable("the list could not be read in time".to_owned());
    let (mut overdue, more) = timeout(LISTING_TIME, overdue(&app, limits.listed)).await.map_err(late)??;
    // In a new order each time, so that those which can't be finished don't always use up the time of the same others.
    fastrand::shuffle(&mut overdue);
    let outcomes = overdue.into_iter().map(|found| finish(&app, &limits, found));
    let outcomes: Vec<Outcome> = stream::iter(outcomes).buffer_unordered(AT_ONCE).collect().await;
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    Ok(Done { found: outcomes.len(), failed: count(Outcome::Failed), left: count(Outcome::Left), more })
}

/// What became of an erasure in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Finished,
    Failed,
    Left,
}

/// The overdue ones among the first pending erasures, and whether there are further ones.
async fn overdue(app: &App, listed: usize) -> Result<(Vec<Result<Copy, DbError>>, bool), StoreError> {
    let now = app.clock.now();
    let (mut overdue, mut read, mut cursor) = (Vec::new(), 0, None);
    loop {
        let (page, next) = erasure::pending(&app.db, cursor.as_ref(), PAGE).await?;
        read += page.len();
        let is_overdue = |erasure: &Copy| erasure.erased_at.plus(OVERDUE_AFTER) < now;
        overdue.extend(page.into_iter().filter(|found| found.as_ref().map_or(true, is_overdue)));
        if next.is_none() || read >= listed {
            return Ok((overdue, next.is_some()));
        }
        cursor = next;
    }
}

/// Finishes an erasure, and logs it.
async fn finish(app: &App, limits: &Limits, found: Result<Copy, DbError>) -> Outcome {
    let now = Instant::now();
    if now >= limits.until {
        return Outcome::Left;
    }
    let erasure = match found {
        Ok(erasure) => erasure,
        Err(error) => {
            log::unfinished_erasure(None, &Unfinished::Failed(error.to_string()));
            return Outcome::Failed;
        }
    };
    let write = Write::new(erasure.organization, app.clock.stamp());
    let ends = limits.until.min(now + limits.each);
    let actor = Actor::system();
    let (outcome, became) = match timeout_at(ends, erasure::repeat(&app.db, &write, &actor, erasure.candidate_id)).await
    {
        Ok(Ok(Some(Written { is_replay: false, .. }))) => (Outcome::Finished, Unfinished::Finished),
        // By the client or another run, since the list was read; or the two tables were restored to different moments.
        Ok(Ok(_)) => (Outcome::Finished, Unfinished::FinishedBefore),
        Ok(Err(error)) => (Outcome::Failed, Unfinished::Failed(error.to_string())),
        Err(_) if ends == limits.until => (Outcome::Left, Unfinished::Left),
        Err(_) => (Outcome::Failed, Unfinished::Failed(format!("it took longer than {:?}", limits.each))),
    };
    log::unfinished_erasure(Some(&erasure), &became);
    outcome
}
