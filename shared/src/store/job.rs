//! Jobs. It knows no HTTP.

use serde::{Deserialize, Serialize};
use shared_derive::Bodies;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        id::{JobId, OrgId},
        if_match::IfMatch,
        object::Object,
        page::{Page, PageRequest},
        param::{FromParams, Params},
        value::{Count, LongText, Salary, ShortText, choices},
        write::{Write, Written},
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        item::{self, Item, string},
        list::List,
        page,
        record::{Record, revise},
        table::{self, Key, Table},
        transaction::Transaction,
        write::{self, Effect},
    },
};

choices! {
    /// Employment type.
    EmploymentType {
        /// Full-time employment.
        FullTime = "full-time",
        /// Part-time employment.
        PartTime = "part-time",
        /// Contract work.
        Contract = "contract",
        /// Temporary employment.
        Temporary = "temporary",
        /// Internship.
        Internship = "internship",
    }

    /// Where the work is done.
    WorkplaceType {
        /// On site only.
        OnSite = "on-site",
        /// Partly on site, partly remote.
        Hybrid = "hybrid",
        /// Remote only.
        Remote = "remote",
    }

    /// Status of a job. Only `open` jobs accept applications.
    JobStatus {
        /// Not published yet.
        Draft = "draft",
        /// Published, and accepting applications.
        Open = "open",
        /// Paused, and not accepting applications.
        OnHold = "on-hold",
        /// Closed: hiring has ended.
        Closed = "closed",
        /// Closed, and kept only for the record.
        Archived = "archived",
    }
}

/// A job, both as returned and as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Bodies)]
#[bodies(new = NewJob, patch = JobPatch, rest = JobRest)]
#[schema(description = "A job.")]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "01a1abbe-a37a-7adc-8e2e-5bdf99fc6a1b",
    "title": "Night shift nurse",
    "description": "Care for 24 patients, with two colleagues.",
    "location": "Hamburg, Germany",
    "department": "Intensive care",
    "employmentType": "full-time",
    "workplaceType": "on-site",
    "status": "open",
    "salary": { "min": 52000, "max": 61000, "currency": "EUR", "period": "year" },
    "openings": 2,
    "externalId": "REQ-2041",
    "openedAt": "2026-11-02T08:15:00.000Z",
    "closedAt": null,
    "createdAt": "2026-11-02T08:15:00.000Z",
    "updatedAt": "2026-11-02T08:15:00.000Z",
    "version": 1,
}))]
pub struct Job {
    /// The job's ID.
    id: JobId,
    /// Job title.
    #[body]
    title: ShortText,
    /// Job description; can have several lines.
    #[body]
    description: Option<LongText>,
    /// Where the job is located.
    #[body]
    location: Option<ShortText>,
    /// Department that the job belongs to.
    #[body]
    department: Option<ShortText>,
    /// Employment type.
    #[body(default = EmploymentType::FullTime)]
    employment_type: EmploymentType,
    #[body]
    workplace_type: Option<WorkplaceType>,
    /// Status of the job. Only `open` jobs accept applications.
    #[body(default = JobStatus::Draft)]
    status: JobStatus,
    #[body]
    salary: Option<Salary>,
    /// Number of people to hire.
    #[body]
    openings: Option<Count>,
    /// The job's ID in your own system. Not unique.
    #[body]
    external_id: Option<ShortText>,
    /// When the job was last opened; `null` if it never was.
    opened_at: Option<Timestamp>,
    /// When the job was closed or archived; `null` while it is neither.
    closed_at: Option<Timestamp>,
    /// When the job was created.
    created_at: Timestamp,
    /// When the job was last changed.
    updated_at: Timestamp,
    /// Increments on every change. The `ETag` is derived from it.
    version: u64,
}

impl Job {
    /// The job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Updates `openedAt` and `closedAt` to match the status, which was `before`.
    fn follow_status(&mut self, before: Option<JobStatus>, now: Timestamp) {
        if before == Some(self.status) {
            return;
        }
        if self.status == JobStatus::Open {
            self.opened_at = Some(now);
        }
        self.closed_at = match self.status {
            JobStatus::Closed | JobStatus::Archived => self.closed_at.or(Some(now)),
            JobStatus::Draft | JobStatus::Open | JobStatus::OnHold => None,
        };
    }
}

impl Record for Job {
    fn key(&self, org: &OrgId) -> Key {
        table::job(org, self.id)
    }

    fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        let mut item = item::write(self)?;
        let external = self.external_id.as_ref().map(|id| table::job_external_id(org, id.as_str()));
        for (name, partition) in external.into_iter().chain([table::job_status(org, self.status.as_str())]) {
            item.insert(name, string(partition));
        }
        Ok(self.key(org).with(item))
    }
}

impl Object for Job {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

impl NewJob {
    /// The job when it is created.
    fn at(self, id: JobId, now: Timestamp) -> Job {
        let rest = JobRest { id, opened_at: None, closed_at: None, created_at: now, updated_at: now, version: 1 };
        let mut job = self.with(rest);
        job.follow_status(None, now);
        job
    }

    const EXAMPLE: &str = r#"{ "title": "Night shift nurse", "status": "open", "location": "Hamburg, Germany" }"#;
}

impl JobPatch {
    const EXAMPLE: &str = r#"{ "status": "open", "openings": 3, "department": null }"#;
}

/// The query of `GET /jobs`.
#[derive(Debug)]
pub struct ListJobs {
    page: PageRequest,
    ids: Option<Vec<JobId>>,
    status: Option<JobStatus>,
    external_id: Option<ShortText>,
}

impl FromParams for ListJobs {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        let (status, external_id) = (params.choice("status"), params.text("externalId"));
        params.exclusive(&["status", "externalId"]);
        Self { page, ids: params.ids(), status, external_id }
    }
}

/// The organization's jobs, newest first, or those that the query names.
pub async fn list(db: &Db, org: &OrgId, query: ListJobs) -> Result<Page<Job>, StoreError> {
    let ListJobs { page, ids, status, external_id } = query;
    let list = match (ids, external_id) {
        (Some(ids), _) => return page::by_ids(db, ids, |id| table::job(org, id)).await,
        (None, Some(id)) => List::jobs_with(org, id.as_str()),
        (None, None) => List::jobs(org, status.map(JobStatus::as_str)),
    };
    page::read(db, &list, &page).await
}

/// The job, if the organization has it.
pub async fn get(db: &Db, org: &OrgId, id: JobId) -> Result<Option<Job>, StoreError> {
    Ok(db.get(table::job(org, id)).await?)
}

/// Creates a job.
pub async fn create(db: &Db, write: &Write, new: NewJob) -> Result<Written<Job>, StoreError> {
    let job = new.clone().at(write.stamp().into(), write.now());
    let item = write::sign(write, job.item(write.org())?);
    if write.idempotency().is_none() {
        db.create(item).await?;
        return Ok(Written::now(job));
    }
    let mut transaction = Transaction::new(db);
    let marked = write::mark(&mut transaction, write, Effect::new(job.id, job.version, job.created_at))?;
    // Not `put`: once the marker has expired, an attempt that arrives late would bring back what the job was.
    transaction.put_new(Table::Records, item)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(Written::now(job)) };
    let Some(before) = write::earlier(write, marked, &cancelled)? else {
        return Err(DbError::Unreadable("a new job's id that is taken").into());
    };
    let id = before.object()?;
    write::created_before(db, write, table::job(write.org(), id), || new.at(id, before.at)).await
}

/// Changes a job, as it was read. `None`: it is gone.
pub async fn update(
    db: &Db,
    write: &Write,
    job: Job,
    if_match: &IfMatch,
    patch: &JobPatch,
) -> Result<Option<Written<Job>>, StoreError> {
    let now = write.now();
    let change = |old: &Job| {
        let mut new = patch.applied_to(old);
        if new != *old {
            new.follow_status(Some(old.status), now);
            new.updated_at = now;
            new.version += 1;
        }
        new
    };
    revise(db, write, job, if_match, change).await
}
