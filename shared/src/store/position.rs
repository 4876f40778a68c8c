//! A candidate's position in the pipeline, which is all that `pipeline:read` shows of a candidate, and the move to another stage. It
//! knows no HTTP.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    model::{
        clock::{Stamp, Timestamp},
        field::{Fields, FromFields},
        id::{CandidateId, MoveId, OrgId, StageId},
        object::Object,
        page::{Page, PageRequest},
        value::ShortText,
    },
    store::{
        backoff::Backoff,
        db::{Conditional, Db},
        error::StoreError,
        expression::Expression,
        item::{self, number, string},
        list::List,
        page, stage,
        table::{self, Table},
    },
};

/// A candidate's position, as returned. It is read from the attributes of the candidate's item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(description = "A candidate's position in the pipeline.")]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "candidateId": "01a1d455-e078-7c1f-bac9-a1e8fece8006",
    "firstName": "Ada",
    "lastName": "Byron",
    "stageId": "019b8d62-7a81-7421-b5aa-2482ac8bd336",
    "stageEnteredAt": "2026-11-12T09:30:00.000Z",
}))]
pub struct Position {
    /// The candidate's ID.
    #[serde(rename(deserialize = "id"))]
    #[schema(rename = "candidateId")]
    candidate_id: CandidateId,
    /// First name.
    first_name: ShortText,
    /// Last name.
    last_name: ShortText,
    /// The stage that the candidate is in.
    stage_id: StageId,
    /// When the candidate entered the stage.
    stage_entered_at: Timestamp,
}

/// The positions at a stage, latest arrival first. `None`: the organization has no such stage.
pub async fn list(
    db: &Db,
    org: &OrgId,
    stage: StageId,
    page: PageRequest,
) -> Result<Option<Page<Position>>, StoreError> {
    let page = page::read(db, &List::candidates_at(org, stage), &page).await?;
    // A stage with a candidate in it exists. Only an empty list costs another read.
    if page.rows.is_empty() && stage::get(db, org, stage).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(page))
}

/// The stage to move a candidate to.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct NewMove {
    /// The stage to move to.
    stage_id: StageId,
    /// Move the candidate only if they are in this stage. If omitted or `null`, move them from any stage.
    from_stage_id: Option<StageId>,
}

impl FromFields for NewMove {
    type Object = Self;

    const READ_ONLY: &'static [&'static str] = &[];

    fn example() -> Value {
        json!({ "stageId": "019b8d62-7a81-7421-b5aa-2482ac8bd336" })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        let stage_id = fields.required("stageId");
        let from_stage_id = fields.optional("fromStageId");
        Some(Self { stage_id: stage_id?, from_stage_id })
    }
}

/// The result of a move.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
#[schema(example = json!({
    "candidateId": "01a1d455-e078-7c1f-bac9-a1e8fece8006",
    "stageId": "019b8d62-7a81-7421-b5aa-2482ac8bd336",
    "previousStageId": "019b8d62-7a80-716f-bdeb-ef12ff751aab",
    "movedAt": "2026-11-24T12:00:00.000Z",
    "changed": true,
}))]
pub struct Moved {
    /// The candidate's ID.
    candidate_id: CandidateId,
    /// The stage that the candidate is in now.
    stage_id: StageId,
    /// The stage that the candidate was in before.
    previous_stage_id: StageId,
    /// When the candidate entered the stage: now, or earlier if they were already in it.
    moved_at: Timestamp,
    /// Whether the candidate was moved; `false` if they were already in the stage.
    changed: bool,
}

impl Object for Moved {}

/// The attributes of a candidate that decide a move, and those by which a move is recognized later.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whereabouts {
    id: CandidateId,
    stage_id: StageId,
    stage_entered_at: Timestamp,
    last_move: Option<MoveId>,
    previous_stage_id: Option<StageId>,
    version: u64,
}

/// What a move depends on: where the candidate is, and that the stage exists.
#[derive(Debug)]
pub struct Departure {
    candidate: Option<Whereabouts>,
}

/// Reads what a move depends on.
pub async fn departure(db: &Db, org: &OrgId, candidate: CandidateId, to: &NewMove) -> Result<Departure, StoreError> {
    let read = async { Ok(db.get::<Whereabouts>(table::candidate(org, candidate)).await?) };
    let (_, candidate) = tokio::try_join!(stage::named(db, org, to.stage_id), read)?;
    Ok(Departure { candidate })
}

/// Moves a candidate, with one update on the condition that they have not changed since they were read: of two concurrent moves, one is
/// first and the other sees its result, and an update that arrives late does nothing. `None`: the organization has no such candidate.
///
/// `stamp` identifies the move on the candidate's item. An update that is retried after a lost response recognizes its own move, instead
/// of reporting a conflict.
pub async fn move_to(
    db: &Db,
    org: &OrgId,
    from: Departure,
    stamp: Stamp,
    to: &NewMove,
) -> Result<Option<Moved>, StoreError> {
    let NewMove { stage_id, from_stage_id } = *to;
    let Some(mut at) = from.candidate else { return Ok(None) };
    let mut backoff = Backoff::new();
    loop {
        let moved = |previous_stage_id, moved_at, changed| {
            Some(Moved { candidate_id: at.id, stage_id, previous_stage_id, moved_at, changed })
        };
        if at.last_move == Some(stamp.into()) {
            return Ok(moved(at.previous_stage_id.unwrap_or(at.stage_id), at.stage_entered_at, true));
        }
        if from_stage_id.is_some_and(|from| from != at.stage_id) {
            return Err(StoreError::StageConflict { current_stage_id: at.stage_id });
        }
        if stage_id == at.stage_id {
            return Ok(moved(at.stage_id, at.stage_entered_at, false));
        }
        at = match update(db, org, &at, stamp, stage_id).await? {
            Ok(_) => return Ok(moved(at.stage_id, stamp.now(), true)),
            Err(None) => return Ok(None),
            Err(Some(item)) => item::read(item)?,
        };
        backoff.pause().await?;
    }
}

/// Returns the current candidate if they were not moved.
async fn update(db: &Db, org: &OrgId, at: &Whereabouts, stamp: Stamp, to: StageId) -> Result<Conditional, StoreError> {
    let mut set = "SET #previous = :from, #stageId = :to, #entered = :now, #updated = :now, #move = :move".to_owned();
    let index = table::stage_arrival(org, to, stamp.now(), at.id);
    for i in 0..index.len() {
        set += &format!(", #index{i} = :index{i}");
    }
    let index = || index.iter().enumerate();
    let expression = Expression::update(format!("{set} ADD #version :one"))
        .only_if("#version = :version")
        .names(index().map(|(i, (name, _))| (format!("#index{i}"), name)))
        .names([
            ("#stageId", "stageId"),
            ("#previous", "previousStageId"),
            ("#entered", "stageEnteredAt"),
            ("#updated", "updatedAt"),
            ("#move", "lastMove"),
            ("#version", "version"),
        ])
        .values(index().map(|(i, (_, value))| (format!(":index{i}"), string(value))))
        .values([
            (":from", string(at.stage_id)),
            (":to", string(to)),
            (":now", string(stamp.now())),
            (":move", string(MoveId::from(stamp))),
            (":version", number(at.version)),
            (":one", number(1)),
        ]);
    Ok(db.update(Table::Records, table::candidate(org, at.id), expression, ReturnValue::None).await?)
}
