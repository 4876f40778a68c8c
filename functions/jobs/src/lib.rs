//! `/api/v1/jobs`: an organization's jobs. It decides nothing about access, and knows no table.

use axum::extract::State;
use shared::{
    contract::operation::{Doc, PARTIAL},
    http::{
        app::App,
        ask::{Ask, Later},
        caller::Caller,
        envelope::{Created, Found, Updated},
        error::ApiError,
        extract::{IfMatch, IfNoneMatch, Path, Query, Sent},
        listed::Listed,
        route::Routes,
    },
    model::{
        id::JobId,
        scope::{JobsRead, JobsWrite},
    },
    store::job::{self, Job, JobPatch, ListJobs, NewJob},
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new()
        .get("/api/v1/jobs", list, Doc::new("listJobs", "List jobs").about("Returns a page of jobs, newest first."))
        .post(
            "/api/v1/jobs",
            create,
            Doc::new("createJob", "Create a job").about("The job is a draft unless `status` is set."),
        )
        .get("/api/v1/jobs/{id}", get, Doc::new("getJob", "Get a job"))
        .put("/api/v1/jobs/{id}", update, Doc::new("updateJob", "Update a job").about(PARTIAL))
}

/// `GET /api/v1/jobs`: the organization's jobs, newest first.
async fn list(
    ask: Ask<JobsRead>,
    State(app): State<App>,
    query: Later<Query<ListJobs>>,
) -> Result<Listed<Job>, ApiError> {
    let (_, page) = ask.read(query, async |org, Query(query)| job::list(&app.db, &org, query).await).await?;
    Ok(Listed(page?))
}

/// `POST /api/v1/jobs`: creates a job.
async fn create(
    caller: Caller<JobsWrite>,
    State(app): State<App>,
    Sent { body, once }: Sent<NewJob>,
) -> Result<Created<Job>, ApiError> {
    let job = job::create(&app.db, &caller.write(app.clock.stamp(), once), body).await?;
    Ok(Created::at(format!("/api/v1/jobs/{}", job.object.id()), job))
}

/// `GET /api/v1/jobs/{id}`: returns a job.
async fn get(
    ask: Ask<JobsRead>,
    State(app): State<App>,
    known: IfNoneMatch,
    id: Later<Path<JobId>>,
) -> Result<Found<Job>, ApiError> {
    let (_, job) = ask.read(id, async |org, Path(id)| job::get(&app.db, &org, id).await).await?;
    Found::unless(&known, job?)
}

/// `PUT /api/v1/jobs/{id}`: changes the fields in the body.
async fn update(
    ask: Ask<JobsWrite>,
    State(app): State<App>,
    id: Later<Path<JobId>>,
    if_match: Later<IfMatch>,
    patch: Later<Sent<JobPatch>>,
) -> Result<Updated<Job>, ApiError> {
    let (caller, job) = ask.read(id, async |org, Path(id)| job::get(&app.db, &org, id).await).await?;
    let (if_match, Sent { body, once }) = (if_match?, patch?);
    let job = job?.ok_or(ApiError::NotFound)?;
    let write = caller.write(app.clock.stamp(), once);
    Updated::shown_to(&caller, job::update(&app.db, &write, job, &if_match, &body).await)
}
