//! `/api/v1/candidates`: an organization's candidates. It decides nothing about access, and knows no table.

use axum::extract::State;
use shared::{
    contract::{
        error_code::ErrorCode,
        operation::{Doc, PARTIAL},
    },
    http::{
        app::App,
        caller::Caller,
        envelope::{Created, Data, Updated},
        error::ApiError,
        extract::{IfMatch, Json, Path, Query},
        listed::Listed,
        route::Routes,
    },
    model::{
        id::CandidateId,
        scope::{CandidatesRead, CandidatesWrite},
    },
    store::candidate::{self, Candidate, CandidatePatch, ListCandidates, NewCandidate},
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new()
        .get(
            "/api/v1/candidates",
            list,
            Doc::new("listCandidates", "List candidates")
                .about("Newest first. Filter by `email` to find one candidate."),
        )
        .post(
            "/api/v1/candidates",
            create,
            Doc::new("createCandidate", "Create a candidate")
                .about("The candidate enters the first stage of the pipeline unless `stageId` is set.")
                .refuses(&[ErrorCode::EmailTaken]),
        )
        .get("/api/v1/candidates/{id}", get, Doc::new("getCandidate", "Get a candidate"))
        .put(
            "/api/v1/candidates/{id}",
            update,
            Doc::new("updateCandidate", "Update a candidate").about(PARTIAL).refuses(&[ErrorCode::EmailTaken]),
        )
}

/// `GET /api/v1/candidates`: the organization's candidates, newest first, or the one with an email.
async fn list(
    caller: Caller<CandidatesRead>,
    State(app): State<App>,
    Query(query): Query<ListCandidates>,
) -> Result<Listed<Candidate>, ApiError> {
    Ok(Listed(candidate::list(&app.db, caller.org(), query).await?))
}

/// `POST /api/v1/candidates`: creates a candidate, in the pipeline's first stage unless the body specifies another.
async fn create(
    caller: Caller<CandidatesWrite>,
    State(app): State<App>,
    Json(new): Json<NewCandidate>,
) -> Result<Created<Candidate>, ApiError> {
    let candidate = candidate::create(&app.db, caller.org(), app.clock.stamp(), new).await?;
    Ok(Created::at(format!("/api/v1/candidates/{}", candidate.id()), candidate))
}

/// `GET /api/v1/candidates/{id}`: returns a candidate.
async fn get(
    caller: Caller<CandidatesRead>,
    State(app): State<App>,
    Path(id): Path<CandidateId>,
) -> Result<Data<Candidate>, ApiError> {
    candidate::get(&app.db, caller.org(), id).await?.map(Data).ok_or(ApiError::NotFound)
}

/// `PUT /api/v1/candidates/{id}`: changes the fields in the body.
async fn update(
    caller: Caller<CandidatesWrite>,
    State(app): State<App>,
    Path(id): Path<CandidateId>,
    if_match: IfMatch,
    Json(patch): Json<CandidatePatch>,
) -> Result<Updated<Candidate>, ApiError> {
    let updated = candidate::update(&app.db, caller.org(), id, app.clock.now(), &if_match, &patch).await;
    Updated::shown_to(&caller, updated)
}
