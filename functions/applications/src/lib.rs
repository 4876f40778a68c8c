//! `/api/v1/jobs/{jobId}/applications`: the applications to a job, and their status. It decides nothing about access, and knows no table.

use axum::extract::State;
use shared::{
    contract::{error_code::ErrorCode, operation::Doc},
    http::{
        app::App,
        ask::{Ask, Later},
        caller::Caller,
        envelope::{Created, Updated},
        error::ApiError,
        extract::{IfMatch, Json, Path, Query},
        listed::Listed,
        route::Routes,
    },
    model::{
        id::{ApplicationId, JobId},
        scope::{ApplicationsRead, ApplicationsWrite},
    },
    store::application::{self, Application, ApplicationPatch, ListApplications, NewApplication},
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new()
        .get(
            "/api/v1/jobs/{jobId}/applications",
            list,
            Doc::new("listApplications", "List a job's applications").about("Newest first."),
        )
        .post(
            "/api/v1/jobs/{jobId}/applications",
            create,
            Doc::new("createApplication", "Create an application")
                .about("Only open jobs accept applications, and each candidate can apply once.")
                .refuses(&[ErrorCode::JobNotOpen, ErrorCode::AlreadyApplied]),
        )
        .put(
            "/api/v1/jobs/{jobId}/applications/{id}",
            update,
            Doc::new("updateApplication", "Change an application's status"),
        )
}

/// `GET /api/v1/jobs/{jobId}/applications`: the job's applications, newest first.
async fn list(
    ask: Ask<ApplicationsRead>,
    State(app): State<App>,
    job: Later<Path<JobId>>,
    query: Later<Query<ListApplications>>,
) -> Result<Listed<Application>, ApiError> {
    let wanted = job.and_then(|job| Ok((job, query?)));
    let read = async |org, (Path(job), Query(query))| application::list(&app.db, &org, job, query).await;
    let (_, page) = ask.read(wanted, read).await?;
    page?.map(Listed).ok_or(ApiError::NotFound)
}

/// `POST /api/v1/jobs/{jobId}/applications`: creates a candidate's application to an open job.
async fn create(
    caller: Caller<ApplicationsWrite>,
    State(app): State<App>,
    Path(job): Path<JobId>,
    Json(new): Json<NewApplication>,
) -> Result<Created<Application>, ApiError> {
    let application = application::create(&app.db, caller.org(), job, app.clock.stamp(), new).await?;
    let application = application.ok_or(ApiError::NotFound)?;
    Ok(Created::at(format!("/api/v1/jobs/{job}/applications/{}", application.id()), application))
}

/// `PUT /api/v1/jobs/{jobId}/applications/{id}`: changes an application's status.
async fn update(
    ask: Ask<ApplicationsWrite>,
    State(app): State<App>,
    ids: Later<Path<(JobId, ApplicationId)>>,
    if_match: Later<IfMatch>,
    patch: Later<Json<ApplicationPatch>>,
) -> Result<Updated<Application>, ApiError> {
    let read = async |org, Path((job, id))| application::get(&app.db, &org, job, id).await;
    let (caller, application) = ask.read(ids, read).await?;
    let (if_match, Json(patch)) = (if_match?, patch?);
    let application = application?.ok_or(ApiError::NotFound)?;
    let updated = application::update(&app.db, caller.org(), application, app.clock.now(), &if_match, &patch).await;
    Updated::shown_to(&caller, updated)
}
