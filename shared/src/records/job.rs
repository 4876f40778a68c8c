//! A job.

use serde::{Deserialize, Serialize};

use super::{Record, revise};
use crate::{
    body::{Fields, FromFields},
    clock::Timestamp,
    db::{Db, DbError, Item, string, write},
    envelope::Object,
    error::ApiError,
    extract::{FromParams, IfMatch, Params},
    id::{JobId, OrgId, Stamp},
    page::{self, Listed, PageRequest},
    table::{self, List},
    value::{Count, LongText, Salary, ShortText, choices},
};

choices! {
    /// How a job employs.
    EmploymentType {
        /// Full-time.
        FullTime = "full-time",
        /// Part-time.
        PartTime = "part-time",
        /// On contract.
        Contract = "contract",
        /// Temporary.
        Temporary = "temporary",
        /// An internship.
        Internship = "internship",
    }

    /// Where a job is done.
    WorkplaceType {
        /// On site.
        OnSite = "on-site",
        /// Partly on site.
        Hybrid = "hybrid",
        /// Anywhere.
        Remote = "remote",
    }

    /// What state a job is in. Only an open one takes applications.
    JobStatus {
        /// Not public yet.
        Draft = "draft",
        /// Public.
        Open = "open",
        /// Paused.
        OnHold = "on-hold",
        /// Over.
        Closed = "closed",
        /// Over, and out of sight.
        Archived = "archived",
    }
}

/// A job, as it is answered and as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    id: JobId,
    title: ShortText,
    description: Option<LongText>,
    location: Option<ShortText>,
    department: Option<ShortText>,
    employment_type: EmploymentType,
    workplace_type: Option<WorkplaceType>,
    status: JobStatus,
    salary: Option<Salary>,
    openings: Option<Count>,
    external_id: Option<ShortText>,
    /// When it last became open; `null` if it never was.
    opened_at: Option<Timestamp>,
    /// Since when it has been closed or archived; `null` while it is neither.
    closed_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    version: u64,
}

impl Job {
    /// The job's id.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Keeps `openedAt` and `closedAt` with the status, which was `before`.
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
        let (name, partition) = table::job_status(org, self.status);
        item.insert(name, string(partition));
        Ok(table::job(org, self.id).with(item))
    }
}

impl Object for Job {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

const READ_ONLY: &[&str] = &["id", "openedAt", "closedAt", "createdAt", "updatedAt", "version"];

/// The body of `POST /jobs`.
#[derive(Clone, Debug)]
pub struct NewJob {
    title: ShortText,
    description: Option<LongText>,
    location: Option<ShortText>,
    department: Option<ShortText>,
    employment_type: EmploymentType,
    workplace_type: Option<WorkplaceType>,
    status: JobStatus,
    salary: Option<Salary>,
    openings: Option<Count>,
    external_id: Option<ShortText>,
}

impl FromFields for NewJob {
    const READ_ONLY: &'static [&'static str] = READ_ONLY;

    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let title = fields.required("title");
        Some(Self {
            description: fields.optional("description"),
            location: fields.optional("location"),
            department: fields.optional("department"),
            employment_type: fields.optional("employmentType").unwrap_or(EmploymentType::FullTime),
            workplace_type: fields.optional("workplaceType"),
            status: fields.optional("status").unwrap_or(JobStatus::Draft),
            salary: fields.optional("salary"),
            openings: fields.optional("openings"),
            external_id: fields.optional("externalId"),
            title: title?,
        })
    }
}

/// The body of `PUT /jobs/{id}`: `None` leaves a field, `Some(None)` clears it.
#[derive(Clone, Debug)]
pub struct JobPatch {
    title: Option<ShortText>,
    description: Option<Option<LongText>>,
    location: Option<Option<ShortText>>,
    department: Option<Option<ShortText>>,
    employment_type: Option<EmploymentType>,
    workplace_type: Option<Option<WorkplaceType>>,
    status: Option<JobStatus>,
    salary: Option<Option<Salary>>,
    openings: Option<Option<Count>>,
    external_id: Option<Option<ShortText>>,
}

impl FromFields for JobPatch {
    const READ_ONLY: &'static [&'static str] = READ_ONLY;

    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            title: fields.keep_or_set("title"),
            description: fields.change("description"),
            location: fields.change("location"),
            department: fields.change("department"),
            employment_type: fields.keep_or_set("employmentType"),
            workplace_type: fields.change("workplaceType"),
            status: fields.keep_or_set("status"),
            salary: fields.change("salary"),
            openings: fields.change("openings"),
            external_id: fields.change("externalId"),
        })
    }
}

impl JobPatch {
    fn applied_to(&self, old: &Job) -> Job {
        let Self {
            title,
            description,
            location,
            department,
            employment_type,
            workplace_type,
            status,
            salary,
            openings,
            external_id,
        } = self.clone();
        let old = old.clone();
        Job {
            title: title.unwrap_or(old.title),
            description: description.unwrap_or(old.description),
            location: location.unwrap_or(old.location),
            department: department.unwrap_or(old.department),
            employment_type: employment_type.unwrap_or(old.employment_type),
            workplace_type: workplace_type.unwrap_or(old.workplace_type),
            status: status.unwrap_or(old.status),
            salary: salary.unwrap_or(old.salary),
            openings: openings.unwrap_or(old.openings),
            external_id: external_id.unwrap_or(old.external_id),
            ..old
        }
    }
}

/// The query of `GET /jobs`.
#[derive(Debug)]
pub struct ListJobs {
    page: PageRequest,
    status: Option<JobStatus>,
}

impl FromParams for ListJobs {
    const FILTERS: &'static [&'static str] = &["status"];

    fn from_params(params: &mut Params, page: PageRequest) -> Self {
        Self { page, status: params.choice("status") }
    }
}

/// The organization's jobs, newest first.
pub async fn list(db: &Db, org: &OrgId, query: ListJobs) -> Result<Listed<Job>, ApiError> {
    Ok(page::read(db, &List::jobs(org, query.status), &query.page).await?.answer(&query.page))
}

/// The job, if the organization has it.
pub async fn get(db: &Db, org: &OrgId, id: JobId) -> Result<Option<Job>, ApiError> {
    Ok(db.get(table::job(org, id)).await?)
}

/// Creates a job.
pub async fn create(db: &Db, org: &OrgId, stamp: Stamp, new: NewJob) -> Result<Job, ApiError> {
    let NewJob {
        title,
        description,
        location,
        department,
        employment_type,
        workplace_type,
        status,
        salary,
        openings,
        external_id,
    } = new;
    let mut job = Job {
        id: stamp.into(),
        title,
        description,
        location,
        department,
        employment_type,
        workplace_type,
        status,
        salary,
        openings,
        external_id,
        opened_at: None,
        closed_at: None,
        created_at: stamp.now(),
        updated_at: stamp.now(),
        version: 1,
    };
    job.follow_status(None, stamp.now());
    db.create(job.item(org)?).await?;
    Ok(job)
}

/// Changes a job. `None`: the organization has no such job.
pub async fn update(
    db: &Db,
    org: &OrgId,
    id: JobId,
    now: Timestamp,
    if_match: &IfMatch,
    patch: &JobPatch,
) -> Result<Option<Job>, ApiError> {
    let change = |old: &Job| {
        let mut new = patch.applied_to(old);
        if new != *old {
            new.follow_status(Some(old.status), now);
            new.updated_at = now;
            new.version += 1;
        }
        new
    };
    revise(db, org, table::job(org, id), if_match, change).await
}
