//! Jobs. It knows no HTTP.

use serde::{Deserialize, Serialize};
use shared_derive::Bodies;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::{Stamp, Timestamp},
        id::{JobId, OrgId},
        if_match::IfMatch,
        object::Object,
        page::{Page, PageRequest},
        param::{FromParams, Params},
        value::{Count, LongText, Salary, ShortText, choices},
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        item::{Item, string, write},
        list::List,
        page,
        record::{Record, revise},
        table,
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
    fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        let mut item = write(self)?;
        let (name, partition) = table::job_status(org, self.status.as_str());
        item.insert(name, string(partition));
        Ok(table::job(org, self.id).with(item))
    }
}

impl Object for Job {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

impl NewJob {
    const EXAMPLE: &str = r#"{ "title": "Night shift nurse", "status": "open", "location": "Hamburg, Germany" }"#;
}

impl JobPatch {
    const EXAMPLE: &str = r#"{ "status": "open", "openings": 3, "department": null }"#;
}

/// The query of `GET /jobs`.
#[derive(Debug)]
pub struct ListJobs {
    page: PageRequest,
    status: Option<JobStatus>,
}

impl FromParams for ListJobs {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        Self { page, status: params.choice("status") }
    }
}

/// The organization's jobs, newest first.
pub async fn list(db: &Db, org: &OrgId, query: ListJobs) -> Result<Page<Job>, StoreError> {
    page::read(db, &List::jobs(org, query.status.map(JobStatus::as_str)), &query.page).await
}

/// The job, if the organization has it.
pub async fn get(db: &Db, org: &OrgId, id: JobId) -> Result<Option<Job>, StoreError> {
    Ok(db.get(table::job(org, id)).await?)
}

/// Creates a job.
pub async fn create(db: &Db, org: &OrgId, stamp: Stamp, new: NewJob) -> Result<Job, StoreError> {
    let now = stamp.now();
    let rest =
        JobRest { id: stamp.into(), opened_at: None, closed_at: None, created_at: now, updated_at: now, version: 1 };
    let mut job = new.with(rest);
    job.follow_status(None, now);
    db.create(job.item(org)?).await?;
    Ok(job)
}

/// Changes a job, as it was read. `None`: it is gone.
pub async fn update(
    db: &Db,
    org: &OrgId,
    job: Job,
    now: Timestamp,
    if_match: &IfMatch,
    patch: &JobPatch,
) -> Result<Option<Job>, StoreError> {
    let change = |old: &Job| {
        let mut new = patch.applied_to(old);
        if new != *old {
            new.follow_status(Some(old.status), now);
            new.updated_at = now;
            new.version += 1;
        }
        new
    };
    revise(db, org, table::job(org, job.id), job, if_match, change).await
}
