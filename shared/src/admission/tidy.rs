//! What admission writes apart from the count: denials and uses of secrets that have ended, at most once a minute for a key, and what keeps
//! an account's item small. None of it changes a decision, and a failure is left to the next request.

use std::time::Duration;

use crate::{
    admission::{memory::Memory, reports::Write},
    store::{
        account::{self, Counting},
        api_key,
        db::Db,
        error::DbError,
        key_day,
    },
};

/// How long a request may wait for this.
const PATIENCE: Duration = Duration::from_millis(300);

/// Writes what is due about the key and its account.
pub(crate) async fn tidy(db: &Db, memory: &Memory, request: &Counting<'_>) {
    let id = request.key.id();
    let write = memory.with_reports(|reports| reports.take(&id, request.now));
    let chores = memory.take_chores(&id.account());
    if write.is_none() && chores.is_none() {
        return;
    }
    let work = async {
        match write {
            Some(Write::Denials(day, denials)) => key_day::add_denials(db, &id, day, &denials).await?,
            Some(Write::LateUses(hash, uses, last)) => api_key::add_late_uses(db, &id, &hash, uses, last).await?,
            None => {}
        }
        if let Some(chores) = chores {
            account::tidy(db, &id.account(), &chores).await?;
        }
        Ok::<(), DbError>(())
    };
    // The request has been decided. What was not written is lost, if it is a count of denials, or found again by a later request.
    drop(tokio::time::timeout(PATIENCE, work).await);
}
