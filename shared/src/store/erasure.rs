//! The erasure of a candidate: everything that says who they are is deleted, and their applications stay as numbers. It knows no HTTP.
//!
//! The order leaves no gap. One transaction deletes the candidate and their email marker, and leaves a tombstone, which is pending. From then
//! on no application of theirs can begin, because it checks that the candidate exists. Then the cover letters of all their applications are
//! deleted, which their markers name. Then the tombstone is completed. An erasure that stops in between is continued by the same request, by
//! the function that watches over the pending ones, or by the operator.
//!
//! The tombstone has no personal data. A copy of it is in the Access table, because restoring the Records table from a backup brings back
//! the candidate and loses the tombstone: the copies say what has to be erased again.

use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        id::{ApplicationId, CandidateId, OrgId},
        object::Object,
        page::Cursor,
        write::{Write, Written},
    },
    store::{
        activity::{self, Act, Actor, Subject},
        application,
        candidate::{self, Candidate},
        change,
        db::Db,
        error::{DbError, StoreError},
        expression::Expression,
        item::{self, Item, number, string, text},
        list::List,
        page,
        record::Record,
        table::{self, DELETE_AT, Table},
        transaction::Transaction,
        write::{self, Effect},
    },
};

/// How long the copy of a tombstone is kept: longer than any backup of the Records table.
const COPY_KEPT: Duration = Duration::from_hours(24 * 400);

/// How many applications one request clears at most, and how many at once. The rest is left to the next one.
const CLEARED_AT_MOST: usize = 100;
const CLEARED_AT_ONCE: usize = 10;

/// What was erased, as returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(description = "The receipt of an erasure.")]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "candidateId": "01a1d455-e078-7c1f-bac9-a1e8fece8006",
    "erasedAt": "2026-11-24T12:00:00.000Z",
    "applicationsCleared": 2,
}))]
pub struct Erasure {
    /// The candidate's ID, which no longer leads anywhere.
    pub candidate_id: CandidateId,
    /// When the candidate was erased.
    pub erased_at: Timestamp,
    /// The number of the candidate's applications, which have lost their cover letters and stay otherwise.
    pub applications_cleared: usize,
}

impl Object for Erasure {}

/// What is left of a candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tombstone {
    id: CandidateId,
    /// The version of the erasure, which is one more than that of the candidate.
    version: u64,
    erased_at: Timestamp,
    /// Whether applications may still have cover letters.
    #[serde(default)]
    pending: bool,
    /// How many applications were cleared by requests that did not finish.
    #[serde(default)]
    cleared: usize,
    /// The number of applications, once all were cleared.
    applications_cleared: Option<usize>,
}

/// A candidate who is to be erased, and what is left of them if they were before.
#[derive(Debug)]
pub struct Departed {
    id: CandidateId,
    candidate: Option<Candidate>,
    tombstone: Option<Tombstone>,
}

/// Reads what an erasure begins with.
pub async fn read(db: &Db, org: &OrgId, id: CandidateId) -> Result<Departed, StoreError> {
    let tombstone = async { Ok(db.get::<Tombstone>(table::tombstone(org, id)).await?) };
    let (candidate, tombstone) = tokio::try_join!(candidate::get(db, org, id), tombstone)?;
    Ok(Departed { id, candidate, tombstone })
}

/// Erases a candidate, or continues their erasure. `None`: the organization has and had no such candidate. `Unfinished`: they have more
/// applications than one request can clear, and the next one continues.
pub async fn erase(
    db: &Db,
    write: &Write,
    actor: &Actor,
    departed: Departed,
) -> Result<Option<Written<Erasure>>, StoreError> {
    let org = write.org();
    let Departed { id, mut candidate, tombstone } = departed;
    let mut is_replay = false;
    let tombstone = loop {
        let Some(old) = candidate else {
            // Erased before: by an earlier request with the same idempotency key, or by another.
            is_replay = is_replay || write::find(db, write).await?.is_some();
            break match tombstone {
                Some(tombstone) => tombstone,
                None => match db.get(table::tombstone(org, id)).await? {
                    Some(tombstone) => tombstone,
                    None => return Ok(None),
                },
            };
        };
        match begin(db, write, actor, &old).await? {
            Begun::Done(tombstone) => break tombstone,
            Begun::Before => is_replay = true,
            Begun::Changed => {}
        }
        candidate = candidate::get(db, org, id).await?;
        if is_replay && candidate.is_some() {
            return Err(DbError::Unreadable("a candidate whose erasure has a marker").into());
        }
    };
    let erasure = finish(db, write, tombstone).await?;
    Ok(Some(if is_replay { Written::before(erasure) } else { Written::now(erasure) }))
}

/// How the first transaction of an erasure ended.
enum Begun {
    Done(Tombstone),
    /// The candidate has changed since they were read.
    Changed,
    /// An earlier request with the same idempotency key has erased them.
    Before,
}

/// Deletes the candidate and their email marker, and leaves the tombstone, its copies and an entry in the activity log.
async fn begin(db: &Db, write: &Write, actor: &Actor, old: &Candidate) -> Result<Begun, StoreError> {
    let (org, now, id) = (write.org(), write.now(), old.id());
    let version = old.version().unwrap_or_default() + 1;
    let tombstone = Tombstone { id, version, erased_at: now, pending: true, cleared: 0, applications_cleared: None };
    let mut transaction = Transaction::new(db);
    let marked = write::mark(&mut transaction, write, Effect::new(id, version, now))?;
    transaction.delete(Table::Records, old.key(org), change::unchanged(&old.item(org)?))?;
    if let Some(email) = old.email() {
        candidate::release_email(&mut transaction, org, id, email)?;
    }
    let item = write::sign(write, item::write(&tombstone)?);
    transaction.put(Table::Records, table::tombstone(org, id).with(item))?;
    let copy = Item::from([
        ("erasedAt".to_owned(), string(now)),
        (DELETE_AT.to_owned(), number(now.plus(COPY_KEPT).as_secs())),
    ]);
    let copy = write::sign(write, copy);
    transaction.put(Table::Access, table::erasure(org, id).with(copy.clone()))?;
    transaction.put(Table::Access, table::pending_erasure(org, id).with(copy))?;
    activity::add(&mut transaction, org, now, Act::CandidateErased, &Subject::Candidate { id }, actor)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(Begun::Done(tombstone)) };
    Ok(if write::earlier(write, marked, &cancelled)?.is_some() { Begun::Before } else { Begun::Changed })
}

/// Clears the applications of an erased candidate, and completes the tombstone.
async fn finish(db: &Db, write: &Write, tombstone: Tombstone) -> Result<Erasure, StoreError> {
    let (org, id) = (write.org(), tombstone.id);
    let receipt =
        |applications_cleared| Erasure { candidate_id: id, erased_at: tombstone.erased_at, applications_cleared };
    if let Some(cleared) = tombstone.applications_cleared {
        return Ok(receipt(cleared));
    }
    // No application of theirs can begin any more, so these are all.
    let ids = application::ids_of_candidate(db, org, id).await?;
    let done = tombstone.cleared.min(ids.len());
    let until = ids.len().min(done + CLEARED_AT_MOST);
    clear(db, write, &ids[done..until]).await?;
    let is_whole = until == ids.len();
    let key = table::tombstone(org, id);
    if !is_whole {
        let progress = Expression::update("SET #cleared = :cleared")
            .only_if("attribute_exists(#pending) AND (attribute_not_exists(#cleared) OR #cleared < :cleared)")
            .names([("#cleared", "cleared"), ("#pending", "pending")])
            .values([(":cleared", number(until))]);
        // Another request may have completed it meanwhile, which the next one finds.
        let _ = db.update(Table::Records, key, progress, ReturnValue::None).await?;
        return Err(StoreError::Unfinished);
    }
    let whole = Expression::update("SET #applications = :applications REMOVE #pending, #cleared")
        .only_if(table::PRESENT)
        .names([("#applications", "applicationsCleared"), ("#pending", "pending"), ("#cleared", "cleared")])
        .values([(":applications", number(ids.len()))]);
    let mut transaction = Transaction::new(db);
    transaction.update(Table::Records, key, whole)?;
    transaction.delete(Table::Access, table::pending_erasure(org, id), Expression::default())?;
    match transaction.commit().await? {
        Ok(()) => Ok(receipt(ids.len())),
        Err(_) => Err(DbError::Unreadable("an erasure without its tombstone").into()),
    }
}

/// Deletes the cover letters of applications. One that has none is left alone.
async fn clear(db: &Db, write: &Write, ids: &[ApplicationId]) -> Result<(), DbError> {
    let clear_one = |id: &ApplicationId| {
        let key = table::application(write.org(), *id);
        let update = write::signed(write, "ADD #version :one REMOVE #letter")
            .only_if("attribute_exists(#letter)")
            .names([("#letter", "coverLetter"), ("#version", "version")])
            .values([(":one", number(1))]);
        async move { db.update(Table::Records, key, update, ReturnValue::None).await.map(drop) }
    };
    stream::iter(ids.iter().map(clear_one)).buffer_unordered(CLEARED_AT_ONCE).try_collect().await
}

/// An erasure, by its copy in the Access table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// The organization.
    pub organization: OrgId,
    /// The candidate.
    pub candidate_id: CandidateId,
    /// When they were erased.
    pub erased_at: Timestamp,
    /// The id of the key that erased them.
    pub by: Option<String>,
}

impl Copy {
    fn read(organization: OrgId, candidate_id: Option<CandidateId>, item: &Item) -> Result<Self, DbError> {
        let erased_at = text(item, "erasedAt").and_then(|at| at.parse().ok());
        let by = text(item, "by").map(str::to_owned);
        match (candidate_id, erased_at) {
            (Some(candidate_id), Some(erased_at)) => Ok(Self { organization, candidate_id, erased_at, by }),
            _ => Err(DbError::Unreadable("the copy of a tombstone")),
        }
    }
}

/// A page of the organization's erasures, by candidate.
pub async fn page(
    db: &Db,
    org: &OrgId,
    cursor: Option<&Cursor>,
    limit: u8,
) -> Result<(Vec<Copy>, Option<Cursor>), StoreError> {
    let (items, next) = page::items(db, &List::erasures(org), cursor, None, limit).await?;
    let read = |item: &Item| Copy::read(*org, table::erased_candidate(item), item);
    Ok((items.iter().map(read).collect::<Result<_, _>>()?, next))
}

/// A page of the erasures of all organizations that are not finished. One that can't be read does not hide the others.
pub async fn pending(
    db: &Db,
    cursor: Option<&Cursor>,
    limit: u8,
) -> Result<(Vec<Result<Copy, DbError>>, Option<Cursor>), StoreError> {
    let (items, next) = page::items(db, &List::pending_erasures(), cursor, None, limit).await?;
    let read = |item: &Item| {
        let (org, candidate) = table::pending_candidate(item).ok_or(DbError::Unreadable("a pending erasure"))?;
        Copy::read(org, Some(candidate), item)
    };
    Ok((items.iter().map(read).collect(), next))
}

/// Finishes an erasure, however many requests it takes, and takes it off the list of pending ones. If the candidate is there again, such as
/// after a restore from a backup, they are erased again. `is_replay`: there was nothing left to do. `None`: there is neither the candidate
/// nor a tombstone, so nothing is left of them in this table.
pub async fn repeat(
    db: &Db,
    write: &Write,
    actor: &Actor,
    id: CandidateId,
) -> Result<Option<Written<Erasure>>, StoreError> {
    let mut is_replay = true;
    let outcome = loop {
        let departed = read(db, write.org(), id).await?;
        is_replay =
            is_replay && departed.candidate.is_none() && departed.tombstone.as_ref().is_none_or(|it| !it.pending);
        match erase(db, write, actor, departed).await {
            Err(StoreError::Unfinished) => {}
            outcome => break outcome?,
        }
    };
    // An erasure that is finished is not pending, unless the two tables were restored to different moments.
    let mut transaction = Transaction::new(db);
    transaction.delete(Table::Access, table::pending_erasure(write.org(), id), Expression::default())?;
    if transaction.commit().await?.is_err() {
        return Err(DbError::Unreadable("a pending erasure").into());
    }
    Ok(outcome.map(|written| Written { is_replay, ..written }))
}
