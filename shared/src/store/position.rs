//! A candidate's position in the pipeline, which is all that `pipeline:read` shows of a candidate, and the move to another stage. It
//! knows no HTTP.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        field::{Fields, FromFields},
        id::{CandidateId, OrgId, StageId},
        object::Object,
        page::{Page, PageRequest},
        value::ShortText,
        write::{Write, Written},
    },
    store::{
        backoff::Backoff,
        change,
        db::Db,
        error::StoreError,
        item::{self, Item, number, string},
        list::List,
        page, stage,
        table::{self, Table},
        transaction::Transaction,
        write::{self, Effect},
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
    last_name: Option<ShortText>,
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

/// The attributes of a candidate that decide a move.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whereabouts {
    id: CandidateId,
    stage_id: StageId,
    stage_entered_at: Timestamp,
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
/// An update that is sent again after a lost response recognizes its own move by the mark on the candidate's item, instead of reporting a
/// conflict. With an idempotency key, the move is a transaction, which does that by itself.
pub async fn move_to(
    db: &Db,
    write: &Write,
    from: Departure,
    to: &NewMove,
) -> Result<Option<Written<Moved>>, StoreError> {
    let NewMove { stage_id, from_stage_id } = *to;
    let Some(mut at) = from.candidate else { return Ok(None) };
    let mut backoff = Backoff::new();
    loop {
        let moved = |previous_stage_id, moved_at, changed| Moved {
            candidate_id: at.id,
            stage_id,
            previous_stage_id,
            moved_at,
            changed,
        };
        let before = |effect: Effect| {
            let previous = effect.previous_stage.unwrap_or(stage_id);
            Some(Written::before(moved(previous, effect.at, previous != stage_id)))
        };
        if from_stage_id.is_some_and(|from| from != at.stage_id) {
            return match write::find(db, write).await? {
                Some(effect) => Ok(before(effect)),
                None => Err(StoreError::StageConflict { current_stage_id: at.stage_id }),
            };
        }
        let is_there = stage_id == at.stage_id;
        let moved_at = if is_there { at.stage_entered_at } else { write.now() };
        let now = Written::now(moved(at.stage_id, moved_at, !is_there));
        if is_there && write.idempotency().is_none() {
            return Ok(Some(now));
        }
        match leave(db, write, &at, stage_id).await? {
            Left::Done => return Ok(Some(now)),
            Left::Before(effect) => return Ok(before(effect)),
            Left::Changed(None) => return Ok(None),
            Left::Changed(Some(item)) => at = item::read(item)?,
        }
        backoff.pause().await?;
    }
}

/// How the attempt to move a candidate ended.
enum Left {
    Done,
    /// The candidate has changed since they were read. Holds their item, unless they are gone.
    Changed(Option<Item>),
    /// An earlier request with the same idempotency key moved them.
    Before(Effect),
}

/// Moves a candidate from where they were read. If they are in the stage already, only the marker of the idempotency key is written.
async fn leave(db: &Db, write: &Write, at: &Whereabouts, to: StageId) -> Result<Left, StoreError> {
    let key = table::candidate(write.org(), at.id);
    let read = Item::from([("version".to_owned(), number(at.version))]);
    let moved = change::between(&read, &write::sign_change(write, arrival(write, at, to)));
    if write.idempotency().is_none() {
        return Ok(match db.update(Table::Records, key, moved, ReturnValue::None).await? {
            Ok(_) => Left::Done,
            Err(Some(item)) if write::has_changed(write, &item) => Left::Done,
            Err(item) => Left::Changed(item),
        });
    }
    let mut transaction = Transaction::new(db);
    let is_there = at.stage_id == to;
    let (version, entered) = if is_there { (at.version, at.stage_entered_at) } else { (at.version + 1, write.now()) };
    let effect = Effect::new(at.id, version, entered).entering(to, Some(at.stage_id));
    let marked = write::mark(&mut transaction, write, effect)?;
    let candidate = if is_there {
        transaction.check(Table::Records, key, change::unchanged(&read))?
    } else {
        transaction.update(Table::Records, key, moved)?
    };
    let Err(cancelled) = transaction.commit().await? else { return Ok(Left::Done) };
    Ok(match write::earlier(write, marked, &cancelled)? {
        Some(effect) => Left::Before(effect),
        None => Left::Changed(cancelled.failed(candidate).flatten().cloned()),
    })
}

/// The attributes that a move changes.
fn arrival(write: &Write, from: &Whereabouts, to: StageId) -> Item {
    let attributes = [
        ("stageId", string(to)),
        ("stageEnteredAt", string(write.now())),
        ("updatedAt", string(write.now())),
        ("version", number(from.version + 1)),
    ];
    let index = table::stage_arrival(write.org(), to, write.now(), from.id);
    let index = index.map(|(name, value)| (name, string(value)));
    attributes.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(index).collect()
}
