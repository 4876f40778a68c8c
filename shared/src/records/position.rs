//! Where a candidate is in the pipeline: what `pipeline:read` may see of a candidate, and the move to another stage.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};

use super::stage;
use crate::{
    body::{Fields, FromFields},
    clock::Timestamp,
    db::{self, Db, Item, number, string},
    error::{ApiError, Problem},
    extract::{FromParams, Params},
    id::{CandidateId, OrgId, StageId},
    page::{Listed, PageRequest},
    table::{self, List},
    value::ShortText,
};

/// A candidate's position, as it is answered, read from the attributes of the candidate's item.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    #[serde(rename(deserialize = "id"))]
    candidate_id: CandidateId,
    first_name: ShortText,
    last_name: ShortText,
    stage_id: StageId,
    stage_entered_at: Timestamp,
}

/// The query of `GET /pipeline/stages/{stageId}/candidates`, which takes no filter.
#[derive(Debug)]
pub struct ListPositions {
    page: PageRequest,
}

impl FromParams for ListPositions {
    const FILTERS: &'static [&'static str] = &[];

    fn from_params(_: &mut Params, page: PageRequest) -> Self {
        Self { page }
    }
}

/// The positions at a stage, latest arrival first. `None`: the organization has no such stage.
pub async fn list(
    db: &Db,
    org: &OrgId,
    stage: StageId,
    query: ListPositions,
) -> Result<Option<Listed<Position>>, ApiError> {
    let rows = db.query(&List::candidates_at(org, stage), &query.page).await?;
    // A stage with somebody at it is there. Only an empty one costs another read.
    if rows.rows.is_empty() && stage::get(db, org, stage).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(rows.answer(&query.page)))
}

/// The body of `PUT /pipeline/candidates/{id}/move`.
#[derive(Clone, Debug)]
pub struct Move {
    stage_id: StageId,
    /// Where the candidate must be for the move to be made; `None`: anywhere.
    from_stage_id: Option<StageId>,
}

impl FromFields for Move {
    const READ_ONLY: &'static [&'static str] = &[];

    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let stage_id = fields.required("stageId");
        let from_stage_id = fields.optional("fromStageId");
        Some(Self { stage_id: stage_id?, from_stage_id })
    }
}

/// What came of a move.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
pub struct Moved {
    candidate_id: CandidateId,
    stage_id: StageId,
    previous_stage_id: StageId,
    /// When the candidate came to the stage: now, or before if they were there already.
    moved_at: Timestamp,
    changed: bool,
}

/// The attributes of a candidate that a move turns on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct At {
    stage_id: StageId,
    stage_entered_at: Timestamp,
}

/// Moves a candidate, in one conditional update: of two moves at once, one is first and the other sees it. `None`: the
/// organization has no such candidate.
pub async fn move_to(
    db: &Db,
    org: &OrgId,
    candidate: CandidateId,
    now: Timestamp,
    to: &Move,
) -> Result<Option<Moved>, ApiError> {
    let Move { stage_id, from_stage_id } = *to;
    if stage::get(db, org, stage_id).await?.is_none() {
        return Err(ApiError::field("stageId", Problem::NotFound, "There is no such stage in your pipeline."));
    }
    let moved = |previous_stage_id, moved_at, changed| {
        Some(Moved { candidate_id: candidate, stage_id, previous_stage_id, moved_at, changed })
    };
    match update(db, org, candidate, now, to).await? {
        Ok(before) => Ok(moved(db::read::<At>(before)?.stage_id, now, true)),
        Err(None) => Ok(None),
        Err(Some(item)) => {
            let at: At = db::read(item)?;
            if from_stage_id.is_some_and(|from| from != at.stage_id) {
                return Err(ApiError::StageConflict { current_stage_id: at.stage_id });
            }
            Ok(moved(at.stage_id, at.stage_entered_at, false))
        }
    }
}

/// Answers the candidate as they were before the move, or as they are if it was not made.
async fn update(
    db: &Db,
    org: &OrgId,
    candidate: CandidateId,
    now: Timestamp,
    to: &Move,
) -> Result<Result<Item, Option<Item>>, ApiError> {
    let Move { stage_id, from_stage_id } = *to;
    let mut condition = "attribute_exists(#stageId) AND #stageId <> :to".to_owned();
    let mut set = "SET #stageId = :to, #entered = :now, #updated = :now".to_owned();
    let mut request = db.update_record(table::candidate(org, candidate));
    if let Some(from) = from_stage_id {
        condition += " AND #stageId = :from";
        request = request.expression_attribute_values(":from", string(from));
    }
    for (i, (name, value)) in table::stage_arrival(org, stage_id, now, candidate).into_iter().enumerate() {
        set += &format!(", #index{i} = :index{i}");
        request = request
            .expression_attribute_names(format!("#index{i}"), name)
            .expression_attribute_values(format!(":index{i}"), string(value));
    }
    let request = request
        .update_expression(format!("{set} ADD #version :one"))
        .condition_expression(condition)
        .expression_attribute_names("#stageId", "stageId")
        .expression_attribute_names("#entered", "stageEnteredAt")
        .expression_attribute_names("#updated", "updatedAt")
        .expression_attribute_names("#version", "version")
        .expression_attribute_values(":to", string(stage_id))
        .expression_attribute_values(":now", string(now))
        .expression_attribute_values(":one", number(1));
    Ok(db::update(request, ReturnValue::AllOld).await?)
}
