//! Applications of candidates to jobs, and the marker that limits a candidate to one per job. It knows no HTTP.

use serde::{Deserialize, Serialize};
use shared_derive::Bodies;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        id::{ApplicationId, CandidateId, JobId, OrgId},
        if_match::IfMatch,
        object::Object,
        page::{Page, PageRequest},
        param::{FromParams, Params},
        value::{LongText, ShortText, choices},
        write::{Write, Written},
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        expression::Expression,
        item::{self, Item, string},
        job::{self, JobStatus},
        list::List,
        page,
        record::{Record, revise},
        table::{self, Key, Table},
        transaction::Transaction,
        write::{self, Effect},
    },
};

choices! {
    /// Status of an application.
    ApplicationStatus {
        /// Not reviewed yet.
        New = "new",
        /// Under review.
        InReview = "in-review",
        /// On the shortlist.
        Shortlisted = "shortlisted",
        /// The candidate was hired.
        Hired = "hired",
        /// The application was rejected.
        Rejected = "rejected",
        /// The candidate withdrew the application.
        Withdrawn = "withdrawn",
    }
}

/// An application, both as returned and as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Bodies)]
#[bodies(new = NewApplication, patch = ApplicationPatch, rest = ApplicationRest)]
#[schema(description = "A candidate's application to a job.")]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "019fb8a5-79a5-73b8-8f7b-346032894602",
    "jobId": "01a1abbe-a37a-7adc-8e2e-5bdf99fc6a1b",
    "candidateId": "01a1d455-e078-7c1f-bac9-a1e8fece8006",
    "status": "new",
    "source": "website",
    "coverLetter": "I have worked nights for six years.",
    "appliedAt": "2026-11-14T07:10:00.000Z",
    "updatedAt": "2026-11-14T07:10:00.000Z",
    "version": 1,
}))]
pub struct Application {
    /// The application's ID.
    id: ApplicationId,
    /// The job that the candidate applied for.
    job_id: JobId,
    /// The candidate who applied; must belong to your organization.
    #[body(new)]
    candidate_id: CandidateId,
    /// Status of the application.
    #[body(patch)]
    status: ApplicationStatus,
    /// Where the application came from.
    #[body(new)]
    source: Option<ShortText>,
    /// Cover letter; can have several lines.
    #[body(new)]
    cover_letter: Option<LongText>,
    /// When the candidate applied.
    applied_at: Timestamp,
    /// When the status last changed.
    updated_at: Timestamp,
    /// Increments on every change. The `ETag` is derived from it.
    version: u64,
}

impl Application {
    /// The application's id.
    #[must_use]
    pub fn id(&self) -> ApplicationId {
        self.id
    }
}

impl Record for Application {
    fn key(&self, org: &OrgId) -> Key {
        table::application(org, self.id)
    }

    fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        let mut item = item::write(self)?;
        let (job, status) = (self.job_id, self.status.as_str());
        for (name, partition) in [table::application_job(org, job), table::application_status(org, job, status)] {
            item.insert(name, string(partition));
        }
        Ok(self.key(org).with(item))
    }
}

impl Object for Application {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

impl NewApplication {
    /// The application when it is created.
    fn at(self, id: ApplicationId, now: Timestamp, job_id: JobId) -> Application {
        let status = ApplicationStatus::New;
        self.with(ApplicationRest { id, job_id, status, applied_at: now, updated_at: now, version: 1 })
    }

    const EXAMPLE: &str = r#"{ "candidateId": "01a1d455-e078-7c1f-bac9-a1e8fece8006", "source": "website" }"#;
}

impl ApplicationPatch {
    const EXAMPLE: &str = r#"{ "status": "shortlisted" }"#;
}

/// The query of `GET /jobs/{jobId}/applications`.
#[derive(Debug)]
pub struct ListJobApplications {
    page: PageRequest,
    status: Option<ApplicationStatus>,
}

impl FromParams for ListJobApplications {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        Self { page, status: params.choice("status") }
    }
}

/// The query of `GET /applications`.
#[derive(Debug)]
pub struct ListApplications {
    page: PageRequest,
    ids: Option<Vec<ApplicationId>>,
    candidate: Option<CandidateId>,
}

impl FromParams for ListApplications {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        let candidate = params.id("candidateId");
        Self { page, ids: params.ids(), candidate }
    }
}

/// Records which application a candidate made to a job.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationMarker {
    application_id: ApplicationId,
}

/// The job's applications, newest first. `None`: the organization has no such job.
pub async fn list_of_job(
    db: &Db,
    org: &OrgId,
    job: JobId,
    query: ListJobApplications,
) -> Result<Option<Page<Application>>, StoreError> {
    let status = query.status.map(ApplicationStatus::as_str);
    let page = page::read(db, &List::job_applications(org, job, status), &query.page).await?;
    // A job with applications exists. Only an empty list costs another read.
    if page.rows.is_empty() && job::get(db, org, job).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(page))
}

/// The organization's applications, newest first, or those that the query names.
pub async fn list(db: &Db, org: &OrgId, query: ListApplications) -> Result<Page<Application>, StoreError> {
    let ListApplications { page, ids, candidate } = query;
    match (ids, candidate) {
        (Some(ids), _) => page::by_ids(db, ids, |id| table::application(org, id)).await,
        (None, Some(candidate)) => list_of_candidate(db, org, candidate, &page).await,
        (None, None) => page::read(db, &List::applications(org), &page).await,
    }
}

/// The candidate's applications, newest first. Their markers are sorted by job, so all of them are read, which are few and small.
async fn list_of_candidate(
    db: &Db,
    org: &OrgId,
    candidate: CandidateId,
    page: &PageRequest,
) -> Result<Page<Application>, StoreError> {
    let list = List::candidate_applications(org, candidate);
    let after = page.cursor().map(|cursor| page::position(cursor, &list)).transpose()?;
    let mut ids = ids_of_candidate(db, org, candidate).await?;
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.retain(|id| after.as_ref().is_none_or(|after| id.to_string() < *after));
    let more = ids.split_off(ids.len().min(page.limit().into()));
    let found: Page<Application> = page::by_ids(db, ids, |id| table::application(org, id)).await?;
    let Page { rows, by_ids, .. } = found;
    let has_more = !more.is_empty() || by_ids.is_some_and(|found| !found.remaining.is_empty());
    let next = rows.last().filter(|_| has_more).map(|row| page::cursor_after(&list, &row.id.to_string()));
    Ok(Page { rows, next, limit: page.limit(), by_ids: None })
}

/// The ids of all the candidate's applications, by their markers.
pub(super) async fn ids_of_candidate(
    db: &Db,
    org: &OrgId,
    candidate: CandidateId,
) -> Result<Vec<ApplicationId>, DbError> {
    let markers: Vec<ApplicationMarker> = db.all(&List::application_markers(org, candidate)).await?;
    Ok(markers.into_iter().map(|marker| marker.application_id).collect())
}

/// Creates a candidate's only application to an open job. One transaction checks that the job is open and the candidate exists, and writes
/// the marker and the application. `None`: the organization has no such job.
pub async fn create(
    db: &Db,
    write: &Write,
    job: JobId,
    new: NewApplication,
) -> Result<Option<Written<Application>>, StoreError> {
    let org = write.org();
    let application = new.clone().at(write.stamp().into(), write.now(), job);
    let (id, candidate) = (application.id, application.candidate_id);
    let is_open = Expression::condition("#status = :open")
        .names([("#status", "status")])
        .values([(":open", string(JobStatus::Open.as_str()))]);
    let marker = item::write(&ApplicationMarker { application_id: id })?;

    let mut transaction = Transaction::new(db);
    let marked = write::mark(&mut transaction, write, Effect::new(id, application.version, application.applied_at))?;
    let open_job = transaction.check(Table::Records, table::job(org, job), is_open)?;
    let is_there = Expression::condition(table::PRESENT);
    let known_candidate = transaction.check(Table::Records, table::candidate(org, candidate), is_there)?;
    let first = transaction.put_new(Table::Records, table::application_marker(org, candidate, job).with(marker))?;
    transaction.put(Table::Records, write::sign(write, application.item(org)?))?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(Some(Written::now(application))) };

    if let Some(before) = write::earlier(write, marked, &cancelled)? {
        let id = before.object()?;
        let as_created = || new.at(id, before.at, job);
        return write::created_before(db, write, table::application(org, id), as_created).await.map(Some);
    }
    // Of several reasons, return the most fundamental: first an unknown job, then an unknown candidate, then an existing application.
    if cancelled.failed(open_job) == Some(None) {
        return Ok(None);
    }
    if cancelled.failed(known_candidate).is_some() {
        let message = format!("candidateId does not match any candidate in your organization (got {candidate}).");
        return Err(StoreError::no_such("candidateId", message));
    }
    match cancelled.failed(first) {
        Some(marker) => {
            let marker: ApplicationMarker = item::read(marker.cloned().unwrap_or_default())?;
            Err(StoreError::AlreadyApplied { existing_id: marker.application_id })
        }
        None => Err(cancelled.reject(StoreError::JobNotOpen)),
    }
}

/// The application, if the organization's job has it.
pub async fn get(db: &Db, org: &OrgId, job: JobId, id: ApplicationId) -> Result<Option<Application>, StoreError> {
    let application: Option<Application> = db.get(table::application(org, id)).await?;
    Ok(application.filter(|application| application.job_id == job))
}

/// Changes the status of an application, as it was read. `None`: it is gone.
pub async fn update(
    db: &Db,
    write: &Write,
    application: Application,
    if_match: &IfMatch,
    patch: &ApplicationPatch,
) -> Result<Option<Written<Application>>, StoreError> {
    let change = |old: &Application| match patch.status {
        Some(status) if status != old.status => {
            Application { status, updated_at: write.now(), version: old.version + 1, ..old.clone() }
        }
        _ => old.clone(),
    };
    revise(db, write, application, if_match, change).await
}
