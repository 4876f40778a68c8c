//! `/api/v1/pipeline`: the stages of an organization's pipeline, and the candidates in them. It decides nothing about access, and knows no
//! table.

use axum::extract::State;
use shared::{
    contract::{error_code::ErrorCode, operation::Doc},
    http::{
        app::App,
        ask::{Ask, Later},
        envelope::Updated,
        error::ApiError,
        extract::{Path, Query, Sent},
        listed::Listed,
        route::Routes,
    },
    model::{
        id::{CandidateId, StageId},
        page::PageRequest,
        scope::{PipelineRead, PipelineWrite},
    },
    store::{
        position::{self, Moved, NewMove, Position},
        stage::{self, Stage},
    },
};

/// The routes of this function.
#[must_use]
pub fn router() -> Routes {
    Routes::new()
        .get(
            "/api/v1/pipeline/stages",
            list_stages,
            Doc::new("listStages", "List pipeline stages").about("In pipeline order."),
        )
        .get(
            "/api/v1/pipeline/stages/{stageId}/candidates",
            list_positions,
            Doc::new("listPositions", "List candidates in a stage").about("Most recent arrivals first."),
        )
        .put(
            "/api/v1/pipeline/candidates/{id}/move",
            move_to,
            Doc::new("moveCandidate", "Move a candidate to a stage")
                .about(
                    "If the candidate is already in the stage, nothing happens and `changed` is `false`. With `fromStageId`, \
                     the candidate is moved only if they are in that stage.",
                )
                .refuses(&[ErrorCode::StageConflict]),
        )
}

/// `GET /api/v1/pipeline/stages`: the stages, in pipeline order.
async fn list_stages(
    ask: Ask<PipelineRead>,
    State(app): State<App>,
    page: Later<Query<PageRequest>>,
) -> Result<Listed<Stage>, ApiError> {
    let (_, page) = ask.read(page, async |org, Query(page)| stage::list(&app.db, &org, page).await).await?;
    Ok(Listed(page?))
}

/// `GET /api/v1/pipeline/stages/{stageId}/candidates`: the candidates in a stage, latest arrival first.
async fn list_positions(
    ask: Ask<PipelineRead>,
    State(app): State<App>,
    stage: Later<Path<StageId>>,
    page: Later<Query<PageRequest>>,
) -> Result<Listed<Position>, ApiError> {
    let wanted = stage.and_then(|stage| Ok((stage, page?)));
    let read = async |org, (Path(stage), Query(page))| position::list(&app.db, &org, stage, page).await;
    let (_, page) = ask.read(wanted, read).await?;
    page?.map(Listed).ok_or(ApiError::NotFound)
}

/// `PUT /api/v1/pipeline/candidates/{id}/move`: moves a candidate to a stage.
async fn move_to(
    ask: Ask<PipelineWrite>,
    State(app): State<App>,
    candidate: Later<Path<CandidateId>>,
    to: Later<Sent<NewMove>>,
) -> Result<Updated<Moved>, ApiError> {
    let wanted = candidate.and_then(|candidate| Ok((candidate, to?)));
    let read = async |org, (Path(candidate), to): (_, Sent<NewMove>)| {
        (position::departure(&app.db, &org, candidate, &to.body).await, to)
    };
    let (caller, (from, Sent { body, once })) = ask.read(wanted, read).await?;
    let write = caller.write(app.clock.stamp(), once);
    Updated::shown_to(&caller, position::move_to(&app.db, &write, from?, &body).await)
}
