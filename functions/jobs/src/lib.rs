//! `/api/v1/jobs`: an organization's jobs. It decides nothing about access, and knows no table.

use axum::extract::State;
use shared::{
    contract::operation::{Doc, PARTIAL},
    http::{
        app::App,
        ask::{Ask, Later},
        caller::Caller,
        envelope::{Created, Data, Updated},
        error::ApiError,
        extract::{IfMatch, Json, Path, Query},
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
    Json(new): Json<NewJob>,
) -> Result<Created<Job>, ApiError> {
    let job = job::create(&app.db, caller.org(), app.clock.stamp(), new).await?;
    Ok(Created::at(format!("/api/v1/jobs/{}", job.id()), job))
}

/// `GET /api/v1/jobs/{id}`: returns a job.
async fn get(ask: Ask<JobsRead>, State(app): State<App>, id: Later<Path<JobId>>) -> Result<Data<Job>, ApiError> {
    let (_, job) = ask.read(id, async |org, Path(id)| job::get(&app.db, &org, id).await).await?;
    job?.map(Data).ok_or(ApiError::NotFound)
}

/// `PUT /api/v1/jobs/{id}`: changes the fields in the body.
async fn update(
    ask: Ask<JobsWrite>,
    State(app): State<App>,
    id: Later<Path<JobId>>,
    if_match: Later<IfMatch>,
    patch: Later<Json<JobPatch>>,
) -> Result<Updated<Job>, ApiError> {
    let (caller, job) = ask.read(id, async |org, Path(id)| job::get(&app.db, &org, id).await).await?;
    let (if_match, Json(patch)) = (if_match?, patch?);
    let job = job?.ok_or(ApiError::NotFound)?;
    let updated = job::update(&app.db, caller.org(), job, app.clock.now(), &if_match, &patch).await;
    Updated::shown_to(&caller, updated)
}
