//! A stage of an organization's pipeline.
//!
//! Stages lie in pipeline order because their ids are made in that order. Whoever makes stages movable must first put
//! their position into a key.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    db::{Db, DbError, Item, write},
    error::ApiError,
    extract::{FromParams, Params},
    id::{OrgId, StageId, Stamp},
    page::{Listed, PageRequest},
    table::{self, List},
    value::choices,
};

choices! {
    /// What a stage means, whatever it is called.
    StageKind {
        /// Has applied.
        Applied = "applied",
        /// Is looked at.
        Screening = "screening",
        /// Is talked with.
        Interview = "interview",
        /// Has an offer.
        Offer = "offer",
        /// Was hired.
        Hired = "hired",
        /// Was rejected.
        Rejected = "rejected",
    }
}

/// A stage, as it is answered and as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    id: StageId,
    name: String,
    kind: StageKind,
    /// From 1, in pipeline order.
    position: u32,
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

/// The stages that every pipeline begins with.
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

/// `GET /pipeline/stages` takes no filter.
#[derive(Debug)]
pub struct ListStages {
    page: PageRequest,
}

impl FromParams for ListStages {
    const FILTERS: &'static [&'static str] = &[];

    fn from_params(_: &mut Params, page: PageRequest) -> Self {
        Self { page }
    }
}

/// The organization's stages in pipeline order.
pub async fn list(db: &Db, org: &OrgId, query: ListStages) -> Result<Listed<Stage>, ApiError> {
    Ok(db.query(&List::stages(org), &query.page).await?.answer(&query.page))
}

pub(crate) async fn get(db: &Db, org: &OrgId, id: StageId) -> Result<Option<Stage>, DbError> {
    db.get(table::stage(org, id)).await
}

/// The stage that a new candidate enters.
pub(crate) async fn first(db: &Db, org: &OrgId) -> Result<Stage, ApiError> {
    let page = PageRequest::new(1, None, String::new());
    let mut rows = db.query(&List::stages(org), &page).await?.rows;
    rows.pop().ok_or_else(|| DbError::Unreadable("an organization without stages").into())
}
