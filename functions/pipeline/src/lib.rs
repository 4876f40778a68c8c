//! `/api/v1/pipeline`: the stages of an organization's pipeline, and the candidates in them. It decides nothing about access, and knows no
//! table.

use axum::extract::State;
use shared::{
    contract::{error_code::ErrorCode, operation::Doc},
    http::{
        app::App,
        caller::Caller,
        envelope::Updated,
        error::ApiError,
        extract::{Json, Path, Query},
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
    caller: Caller<PipelineRead>,
    State(app): State<App>,
    Query(page): Query<PageRequest>,
) -> Result<Listed<Stage>, ApiError> {
    Ok(Listed(stage::list(&app.db, caller.org(), page).await?))
}

/// `GET /api/v1/pipeline/stages/{stageId}/candidates`: the candidates in a stage, latest arrival first.
async fn list_positions(
    caller: Caller<PipelineRead>,
    State(app): State<App>,
    Path(stage): Path<StageId>,
    Query(page): Query<PageRequest>,
) -> Result<Listed<Position>, ApiError> {
    position::list(&app.db, caller.org(), stage, page).await?.map(Listed).ok_or(ApiError::NotFound)
}

/// `PUT /api/v1/pipeline/candidates/{id}/move`: moves a candidate to a stage.
async fn move_to(
    caller: Caller<PipelineWrite>,
    State(app): State<App>,
    Path(candidate): Path<CandidateId>,
    Json(to): Json<NewMove>,
) -> Result<Updated<Moved>, ApiError> {
    let moved = position::move_to(&app.db, caller.org(), candidate, app.clock.stamp(), &to).await;
    Updated::shown_to(&caller, moved)
}
