//! The stages of an organization's pipeline. It knows no HTTP.
//!
//! Stages are stored in pipeline order because their ids are created in that order. To make stages movable, first put their position into a
//! key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    model::{
        clock::{Stamp, Timestamp},
        id::{OrgId, StageId},
        page::{Page, PageRequest},
        value::choices,
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        item::{Item, write},
        list::List,
        page, table,
    },
};

choices! {
    /// Type of a pipeline stage, independent of its name.
    StageKind {
        /// The candidate has applied.
        Applied = "applied",
        /// The candidate is being screened.
        Screening = "screening",
        /// The candidate is being interviewed.
        Interview = "interview",
        /// The candidate has an offer.
        Offer = "offer",
        /// The candidate was hired.
        Hired = "hired",
        /// The candidate was rejected.
        Rejected = "rejected",
    }
}

/// A stage, both as returned and as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(description = "A stage in the pipeline.")]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "019b8d62-7a81-7421-b5aa-2482ac8bd336",
    "name": "Screening",
    "kind": "screening",
    "position": 2,
    "createdAt": "2026-01-05T09:00:00.000Z",
}))]
pub struct Stage {
    /// The stage's ID.
    id: StageId,
    /// Name of the stage.
    name: String,
    /// Type of the stage, independent of its name.
    kind: StageKind,
    /// Position in the pipeline, starting at 1.
    position: u32,
    /// When the stage was created.
    created_at: Timestamp,
}

impl Stage {
    /// The stage's id.
    #[must_use]
    pub fn id(&self) -> StageId {
        self.id
    }

    pub(crate) fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        Ok(table::stage(org, self.id).with(write(self)?))
    }
}

/// The default stages of a new pipeline.
pub(crate) fn defaults(mut stamp: impl FnMut() -> Stamp) -> impl Iterator<Item = Stage> {
    let stages = [
        ("Applied", StageKind::Applied),
        ("Screening", StageKind::Screening),
        ("Interview", StageKind::Interview),
        ("Offer", StageKind::Offer),
        ("Hired", StageKind::Hired),
        ("Rejected", StageKind::Rejected),
    ];
    (1..).zip(stages).map(move |(position, (name, kind))| {
        let stamp = stamp();
        Stage { id: stamp.into(), name: name.to_owned(), kind, position, created_at: stamp.now() }
    })
}

/// The organization's stages in pipeline order.
pub async fn list(db: &Db, org: &OrgId, page: PageRequest) -> Result<Page<Stage>, StoreError> {
    page::read(db, &List::stages(org), &page).await
}

/// The stage, if the organization has it.
pub(crate) async fn get(db: &Db, org: &OrgId, id: StageId) -> Result<Option<Stage>, DbError> {
    db.get(table::stage(org, id)).await
}

/// The stage that a body names as `stageId`.
pub(crate) async fn named(db: &Db, org: &OrgId, id: StageId) -> Result<Stage, StoreError> {
    let missing =
        || StoreError::no_such("stageId", format!("stageId does not match any stage in your pipeline (got {id})."));
    get(db, org, id).await?.ok_or_else(missing)
}

/// The stage that a new candidate enters.
pub(crate) async fn first(db: &Db, org: &OrgId) -> Result<Stage, StoreError> {
    let (mut rows, _) = db.list(&List::stages(org), None, 1).await?;
    let first = rows.pop().ok_or(DbError::Unreadable("an organization without stages"))?;
    Ok(first.record)
}
