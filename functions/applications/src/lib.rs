//! `/api/v1/applications` and `/api/v1/jobs/{jobId}/applications`: an organization's applications, and those to a job. It decides nothing
//! about access, and knows no table.

use axum::extract::State;
use shared::{
    contract::{error_code::ErrorCode, operation::Doc},
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
        id::{ApplicationId, JobId},
        scope::{ApplicationsRead, ApplicationsWrite},
    },
    store::application::{self, Application, ApplicationPatch, ListApplications, ListJobApplications, NewApplication},
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new()
        .get(
            "/api/v1/applications",
            list,
            Doc::new("listApplications", "List applications").about(
                "The applications to all jobs, newest first. Filter by `candidateId` for those of one candidate.",
            ),
        )
        .get(
            "/api/v1/jobs/{jobId}/applications",
            list_of_job,
            Doc::new("listJobApplications", "List a job's applications").about("Newest first."),
        )
        .post(
            "/api/v1/jobs/{jobId}/applications",
            create,
            Doc::new("createApplication", "Create an application")
                .about("Only open jobs accept applications, and each candidate can apply once.")
                .refuses(&[ErrorCode::JobNotOpen, ErrorCode::AlreadyApplied]),
        )
        .get("/api/v1/jobs/{jobId}/applications/{id}", get, Doc::new("getApplication", "Get an application"))
        .put(
            "/api/v1/jobs/{jobId}/applications/{id}",
            update,
            Doc::new("updateApplication", "Change an application's status"),
        )
}

/// `GET /api/v1/applications`: the organization's applications, newest first, or those of a candidate.
async fn list(
    ask: Ask<ApplicationsRead>,
    State(app): State<App>,
    query: Later<Query<ListApplications>>,
) -> Result<Listed<Application>, ApiError> {
    let (_, page) = ask.read(query, async |org, Query(query)| application::list(&app.db, &org, query).await).await?;
    Ok(Listed(page?))
}

/// `GET /api/v1/jobs/{jobId}/applications`: the job's applications, newest first.
async fn list_of_job(
    ask: Ask<ApplicationsRead>,
    State(app): State<App>,
    job: Later<Path<JobId>>,
    query: Later<Query<ListJobApplications>>,
) -> Result<Listed<Application>, ApiError> {
    let wanted = job.and_then(|job| Ok((job, query?)));
    let read = async |org, (Path(job), Query(query))| application::list_of_job(&app.db, &org, job, query).await;
    let (_, page) = ask.read(wanted, read).await?;
    page?.map(Listed).ok_or(ApiError::NotFound)
}

/// `POST /api/v1/jobs/{jobId}/applications`: creates a candidate's application to an open job.
async fn create(
    caller: Caller<ApplicationsWrite>,
    State(app): State<App>,
    Path(job): Path<JobId>,
    Sent { body, once }: Sent<NewApplication>,
) -> Result<Created<Application>, ApiError> {
    let write = caller.write(app.clock.stamp(), once);
    let application = application::create(&app.db, &write, job, body).await?.ok_or(ApiError::NotFound)?;
    Ok(Created::at(format!("/api/v1/jobs/{job}/applications/{}", application.object.id()), application))
}

/// `GET /api/v1/jobs/{jobId}/applications/{id}`: returns an application.
async fn get(
    ask: Ask<ApplicationsRead>,
    State(app): State<App>,
    known: IfNoneMatch,
    ids: Later<Path<(JobId, ApplicationId)>>,
) -> Result<Found<Application>, ApiError> {
    let read = async |org, Path((job, id))| application::get(&app.db, &org, job, id).await;
    let (_, application) = ask.read(ids, read).await?;
    Found::unless(&known, application?)
}

/// `PUT /api/v1/jobs/{jobId}/applications/{id}`: changes an application's status.
async fn update(
    ask: Ask<ApplicationsWrite>,
    State(app): State<App>,
    ids: Later<Path<(JobId, ApplicationId)>>,
    if_match: Later<IfMatch>,
    patch: Later<Sent<ApplicationPatch>>,
) -> Result<Updated<Application>, ApiError> {
    let read = async |org, Path((job, id))| application::get(&app.db, &org, job, id).await;
    let (caller, application) = ask.read(ids, read).await?;
    let (if_match, Sent { body, once }) = (if_match?, patch?);
    let application = application?.ok_or(ApiError::NotFound)?;
    let write = caller.write(app.clock.stamp(), once);
    Updated::shown_to(&caller, application::update(&app.db, &write, application, &if_match, &body).await)
}
