//! `/api/v1/candidates`: an organization's candidates. It decides nothing about access, and knows no table.

use axum::extract::State;
use shared::{
    contract::{
        error_code::ErrorCode,
        operation::{Doc, PARTIAL},
    },
    http::{
        app::App,
        ask::{Ask, Later},
        envelope::{Created, Done, Found, Updated},
        error::ApiError,
        extract::{IfMatch, IfNoneMatch, Once, Path, Query, Sent},
        listed::Listed,
        route::Routes,
    },
    model::{
        id::CandidateId,
        scope::{CandidatesDelete, CandidatesRead, CandidatesWrite},
    },
    store::{
        candidate::{self, Candidate, CandidatePatch, ListCandidates, NewCandidate},
        erasure::{self, Erasure},
    },
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
                .refuses(&[ErrorCode::EmailTaken, ErrorCode::NotFound]),
        )
        .get("/api/v1/candidates/{id}", get, Doc::new("getCandidate", "Get a candidate"))
        .put(
            "/api/v1/candidates/{id}",
            update,
            Doc::new("updateCandidate", "Update a candidate").about(PARTIAL).refuses(&[ErrorCode::EmailTaken]),
        )
        .delete(
            "/api/v1/candidates/{id}",
            erase,
            Doc::new("eraseCandidate", "Erase a candidate").about(
                "Deletes the person for good. Their applications stay, without cover letters, and still have the candidate's ID. A \
                 repeat returns the same receipt. If there are very many applications, the response is `503`: send the request again, and \
                 it continues.",
            ),
        )
}

/// `GET /api/v1/candidates`: the organization's candidates, newest first, or the one with an email.
async fn list(
    ask: Ask<CandidatesRead>,
    State(app): State<App>,
    query: Later<Query<ListCandidates>>,
) -> Result<Listed<Candidate>, ApiError> {
    let (_, page) = ask.read(query, async |org, Query(query)| candidate::list(&app.db, &org, query).await).await?;
    Ok(Listed(page?))
}

/// `POST /api/v1/candidates`: creates a candidate, in the pipeline's first stage unless the body specifies another.
async fn create(
    ask: Ask<CandidatesWrite>,
    State(app): State<App>,
    new: Later<Sent<NewCandidate>>,
) -> Result<Created<Candidate>, ApiError> {
    let read = async |org, new: Sent<NewCandidate>| (candidate::stage_of(&app.db, &org, &new.body).await, new);
    let (caller, (stage, Sent { body, once })) = ask.read(new, read).await?;
    let write = caller.write(app.clock.stamp(), once);
    let candidate = candidate::create(&app.db, &write, body, &stage?).await?;
    Ok(Created::at(format!("/api/v1/candidates/{}", candidate.object.id()), candidate))
}

/// `GET /api/v1/candidates/{id}`: returns a candidate.
async fn get(
    ask: Ask<CandidatesRead>,
    State(app): State<App>,
    known: IfNoneMatch,
    id: Later<Path<CandidateId>>,
) -> Result<Found<Candidate>, ApiError> {
    let (_, candidate) = ask.read(id, async |org, Path(id)| candidate::get(&app.db, &org, id).await).await?;
    Found::unless(&known, candidate?)
}

/// `PUT /api/v1/candidates/{id}`: changes the fields in the body.
async fn update(
    ask: Ask<CandidatesWrite>,
    State(app): State<App>,
    id: Later<Path<CandidateId>>,
    if_match: Later<IfMatch>,
    patch: Later<Sent<CandidatePatch>>,
) -> Result<Updated<Candidate>, ApiError> {
    let (caller, candidate) = ask.read(id, async |org, Path(id)| candidate::get(&app.db, &org, id).await).await?;
    let (if_match, Sent { body, once }) = (if_match?, patch?);
    let candidate = candidate?.ok_or(ApiError::NotFound)?;
    let write = caller.write(app.clock.stamp(), once);
    Updated::shown_to(&caller, candidate::update(&app.db, &write, candidate, &if_match, &body).await)
}

/// `DELETE /api/v1/candidates/{id}`: erases a candidate, or continues an erasure.
async fn erase(
    ask: Ask<CandidatesDelete>,
    State(app): State<App>,
    id: Later<Path<CandidateId>>,
    once: Later<Once>,
) -> Result<Done<Erasure>, ApiError> {
    let wanted = id.and_then(|id| Ok((id, once?)));
    let read = async |org, (Path(id), Once(once))| (erasure::read(&app.db, &org, id).await, once);
    let (caller, (departed, once)) = ask.read(wanted, read).await?;
    let write = caller.write(app.clock.stamp(), once);
    erasure::erase(&app.db, &write, &caller.actor(), departed?).await?.map(Done).ok_or(ApiError::NotFound)
}
