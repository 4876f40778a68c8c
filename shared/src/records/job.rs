//! A job.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// The job's id.
    id: JobId,
    /// What it is called.
    title: ShortText,
    /// What it is about, in several lines.
    description: Option<LongText>,
    /// Where it is done.
    location: Option<ShortText>,
    /// The part of the company that it belongs to.
    department: Option<ShortText>,
    employment_type: EmploymentType,
    workplace_type: Option<WorkplaceType>,
    status: JobStatus,
    salary: Option<Salary>,
    /// How many people are wanted.
    openings: Option<Count>,
    /// Its id in your own system. Not unique.
    external_id: Option<ShortText>,
    /// When it last became open; `null` if it never was.
    opened_at: Option<Timestamp>,
    /// Since when it has been closed or archived; `null` while it is neither.
    closed_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
    /// Raised by every change; the `ETag` is made of it.
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
    type Object = Job;

    const READ_ONLY: &'static [&'static str] = READ_ONLY;

    fn example() -> Value {
        json!({ "title": "Night shift nurse", "status": "open", "location": "Hamburg, Germany" })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        let title = fields.required("title");
        Some(Self {
            description: fields.optional("description"),
            location: fields.optional("location"),
            department: fields.optional("department"),
            employment_type: fields.optional_or("employmentType", EmploymentType::FullTime),
            workplace_type: fields.optional("workplaceType"),
            status: fields.optional_or("status", JobStatus::Draft),
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
    type Object = Job;

    const READ_ONLY: &'static [&'static str] = READ_ONLY;

    fn example() -> Value {
        json!({ "status": "open", "openings": 3, "department": null })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
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
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
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
