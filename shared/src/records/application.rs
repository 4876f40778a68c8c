//! A candidate's application to a job, and the marker that makes it the only one.

use aws_sdk_dynamodb::types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    Record,
    job::{self, JobStatus},
    revise,
};
use crate::{
    body::{Fields, FromFields},
    clock::Timestamp,
    db::{self, Db, DbError, Item, Refused, built, string, write},
    envelope::Object,
    error::{ApiError, Problem},
    extract::{FromParams, IfMatch, Params},
    id::{ApplicationId, CandidateId, JobId, OrgId, Stamp},
    page::{self, Listed, PageRequest},
    table::{self, List},
    value::{LongText, ShortText, choices},
};

choices! {
    /// What became of an application.
    ApplicationStatus {
        /// Nobody has looked at it.
        New = "new",
        /// Somebody is looking at it.
        InReview = "in-review",
        /// It is among the best.
        Shortlisted = "shortlisted",
        /// The candidate was hired.
        Hired = "hired",
        /// It was turned down.
        Rejected = "rejected",
        /// The candidate took it back.
        Withdrawn = "withdrawn",
    }
}

/// An application, as it is answered and as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// The application's id.
    id: ApplicationId,
    /// The job that was applied to.
    job_id: JobId,
    /// Who has applied: a candidate of your organization.
    candidate_id: CandidateId,
    status: ApplicationStatus,
    /// Where the application came from.
    source: Option<ShortText>,
    /// What the candidate wrote, in several lines.
    cover_letter: Option<LongText>,
    /// When the candidate applied.
    applied_at: Timestamp,
    /// When the status was last changed.
    updated_at: Timestamp,
    /// Raised by every change; the `ETag` is made of it.
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
    fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        let mut item = write(self)?;
        let (name, partition) = table::application_status(org, self.job_id, self.status);
        item.insert(name, string(partition));
        Ok(table::application(org, self.job_id, self.id).with(item))
    }
}

impl Object for Application {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

/// The body of `POST /jobs/{jobId}/applications`.
#[derive(Clone, Debug)]
pub struct NewApplication {
    candidate_id: CandidateId,
    source: Option<ShortText>,
    cover_letter: Option<LongText>,
}

impl FromFields for NewApplication {
    type Object = Application;

    const READ_ONLY: &'static [&'static str] = &["id", "jobId", "status", "appliedAt", "updatedAt", "version"];

    fn example() -> Value {
        json!({ "candidateId": "01a1d455-e078-7c1f-bac9-a1e8fece8006", "source": "website" })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        let candidate_id = fields.required("candidateId");
        let source = fields.optional("source");
        let cover_letter = fields.optional("coverLetter");
        Some(Self { candidate_id: candidate_id?, source, cover_letter })
    }
}

/// The body of `PUT /jobs/{jobId}/applications/{id}`.
#[derive(Clone, Debug)]
pub struct ApplicationPatch {
    status: Option<ApplicationStatus>,
}

impl FromFields for ApplicationPatch {
    type Object = Application;

    const READ_ONLY: &'static [&'static str] =
        &["id", "jobId", "candidateId", "source", "coverLetter", "appliedAt", "updatedAt", "version"];

    fn example() -> Value {
        json!({ "status": "shortlisted" })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        Some(Self { status: fields.keep_or_set("status") })
    }
}

/// The query of `GET /jobs/{jobId}/applications`.
#[derive(Debug)]
pub struct ListApplications {
    page: PageRequest,
    status: Option<ApplicationStatus>,
}

impl FromParams for ListApplications {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        Self { page, status: params.choice("status") }
    }
}

/// Which application a candidate made to a job.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationMarker {
    application_id: ApplicationId,
}

/// The job's applications, newest first. `None`: the organization has no such job.
pub async fn list(
    db: &Db,
    org: &OrgId,
    job: JobId,
    query: ListApplications,
) -> Result<Option<Listed<Application>>, ApiError> {
    let rows = page::read(db, &List::applications(org, job, query.status), &query.page).await?;
    // A job with applications is there. Only an empty list costs another read.
    if rows.rows.is_empty() && job::get(db, org, job).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(rows.answer(&query.page)))
}

/// Applies a candidate to an open job, once: the job's being open, the candidate's being there, the marker and the
/// application are one transaction. `None`: the organization has no such job.
pub async fn create(
    db: &Db,
    org: &OrgId,
    job: JobId,
    stamp: Stamp,
    new: NewApplication,
) -> Result<Option<Application>, ApiError> {
    let NewApplication { candidate_id, source, cover_letter } = new;
    let application = Application {
        id: stamp.into(),
        job_id: job,
        candidate_id,
        status: ApplicationStatus::New,
        source,
        cover_letter,
        applied_at: stamp.now(),
        updated_at: stamp.now(),
        version: 1,
    };
    let is_open = ConditionCheck::builder()
        .table_name(db.records())
        .set_key(Some(table::job(org, job).into_item()))
        .condition_expression("#status = :open")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":open", string(JobStatus::Open.as_str()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let is_there = ConditionCheck::builder()
        .table_name(db.records())
        .set_key(Some(table::candidate(org, candidate_id).into_item()))
        .condition_expression(table::PRESENT);
    let marker = write(&ApplicationMarker { application_id: application.id })?;
    let claim = Put::builder()
        .table_name(db.records())
        .set_item(Some(table::application_marker(org, candidate_id, job).with(marker)))
        .condition_expression(table::ABSENT)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = Put::builder().table_name(db.records()).set_item(Some(application.item(org)?));
    let writes = vec![
        TransactWriteItem::builder().condition_check(built(is_open.build())?).build(),
        TransactWriteItem::builder().condition_check(built(is_there.build())?).build(),
        TransactWriteItem::builder().put(built(claim.build())?).build(),
        TransactWriteItem::builder().put(built(put.build())?).build(),
    ];
    match db.transact(writes).await? {
        Ok(()) => Ok(Some(application)),
        Err(refused) => refusal(candidate_id, &refused),
    }
}

/// Why nobody applied, from what became of the writes: the job's check, the candidate's, the marker's put. Of several
/// reasons, the first that a client can do nothing about: a job that is not theirs, then a candidate, then that it is
/// done already.
fn refusal(candidate: CandidateId, refused: &Refused) -> Result<Option<Application>, ApiError> {
    if refused.write(0) == Some(None) {
        return Ok(None);
    }
    if refused.write(1).is_some() {
        let message = format!("candidateId names no candidate of your organization (got {candidate}).");
        return Err(ApiError::field("candidateId", Problem::NotFound, message));
    }
    match refused.write(2) {
        Some(marker) => {
            let marker: ApplicationMarker = db::read(marker.cloned().unwrap_or_default())?;
            Err(ApiError::AlreadyApplied { existing_id: marker.application_id })
        }
        None => Err(ApiError::JobNotOpen),
    }
}

/// Changes an application's status. `None`: the organization's job, if there is one, has no such application.
pub async fn update(
    db: &Db,
    org: &OrgId,
    job: JobId,
    id: ApplicationId,
    now: Timestamp,
    if_match: &IfMatch,
    patch: &ApplicationPatch,
) -> Result<Option<Application>, ApiError> {
    let change = |old: &Application| match patch.status {
        Some(status) if status != old.status => {
            Application { status, updated_at: now, version: old.version + 1, ..old.clone() }
        }
        _ => old.clone(),
    };
    revise(db, org, table::application(org, job, id), if_match, change).await
}
