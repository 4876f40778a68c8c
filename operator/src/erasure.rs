//! The commands for the erasures of candidates: what was erased, what is still pending, and what has to be erased again after a restore.

use clap::Subcommand;
use serde::Serialize;
use shared::{
    model::{
        clock::Timestamp,
        id::{CandidateId, OrgId},
        page::Cursor,
        write::{Write, Written},
    },
    store::{
        activity::Actor,
        db::Db,
        erasure::{self, Copy, Erasure},
        error::{DbError, StoreError},
        organization::{self, Organization},
    },
};

use crate::{
    desk::{Desk, find},
    error::CommandError,
    output::{Output, Row},
};

/// The most erasures that are read at once.
const PAGE: u8 = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum ErasureCommand {
    /// List an organization's erasures by candidate, or all organizations' pending ones.
    List {
        /// ID of the organization.
        #[arg(required_unless_present = "pending", conflicts_with = "pending")]
        organization: Option<String>,
        /// List the erasures of all organizations that have begun but are not finished.
        #[arg(long)]
        pending: bool,
    },
    /// Finish all pending erasures, of all organizations.
    Resume,
    /// After a restore from a backup, erase again every candidate who had been erased.
    Replay {
        /// Access table that knows the erasures: the one in use before the restore, if the Access table was restored too.
        #[arg(long, value_name = "TABLE")]
        from: Option<String>,
    },
}

impl ErasureCommand {
    pub(crate) async fn run(self, desk: &Desk, output: &mut Output) -> Result<(), CommandError> {
        let Desk { db, clock, caller } = desk;
        match self {
            Self::List { organization: Some(id), .. } => {
                let org = find(db, clock, &id).await?.id;
                let read = async |cursor: Option<Cursor>| erasure::page(db, &org, cursor.as_ref(), PAGE).await;
                each(read, async |copy| Ok(output.row(&copy)?)).await
            }
            Self::List { organization: None, .. } => each_pending(db, async |copy| Ok(output.row(&copy?)?)).await,
            Self::Resume => {
                let repeat = Repeat { desk, actor: caller.actor().await?, begun: "finished" };
                let (mut failed, mut unreadable) = (0, None);
                let finish = async |copy| match copy {
                    Ok(copy) => repeat.one(copy, &mut failed, output).await,
                    Err(error) => {
                        unreadable = Some(error);
                        Ok(())
                    }
                };
                each_pending(db, finish).await?;
                unreadable.map_or_else(|| whole(failed), |error| Err(StoreError::from(error).into()))
            }
            Self::Replay { from } => {
                let repeat = Repeat { desk, actor: caller.actor().await?, begun: "erased again" };
                let from = from.map_or_else(|| db.clone(), |table| db.with_access_table(table));
                let (mut failed, mut last) = (0, None);
                loop {
                    let (organizations, more) = organization::list(&from, last.as_ref(), clock.now()).await?;
                    for Organization { id: org, .. } in &organizations {
                        let read =
                            async |cursor: Option<Cursor>| erasure::page(&from, org, cursor.as_ref(), PAGE).await;
                        each(read, async |copy| repeat.one(copy, &mut failed, output).await).await?;
                    }
                    last = organizations.last().map(|organization| organization.id);
                    if !more || last.is_none() {
                        return whole(failed);
                    }
                }
            }
        }
    }
}

/// What `resume` and `replay` do with each erasure.
struct Repeat<'a> {
    desk: &'a Desk,
    actor: Actor,
    /// What to call it if there was something left to do.
    begun: &'static str,
}

impl Repeat<'_> {
    /// Finishes an erasure, or erases again, and prints the outcome. A failure is counted, and leaves the others to be tried.
    async fn one(&self, copy: Copy, failed: &mut usize, output: &mut Output) -> Result<(), CommandError> {
        let Copy { organization, candidate_id, .. } = copy;
        let write = Write::new(organization, self.desk.clock.stamp());
        let repeated = erasure::repeat(&self.desk.db, &write, &self.actor, candidate_id).await;
        *failed += usize::from(repeated.is_err());
        let (outcome, erasure) = match repeated {
            Ok(Some(Written { object, is_replay: false })) => (self.begun.to_owned(), Some(object)),
            Ok(Some(Written { object, is_replay: true })) => ("already gone".to_owned(), Some(object)),
            Ok(None) => ("already gone".to_owned(), None),
            Err(error) => (format!("failed: {error}"), None),
        };
        Ok(output.row(&Repeated::new(organization, candidate_id, outcome, erasure))?)
    }
}

/// Fails if an erasure could not be finished.
fn whole(failed: usize) -> Result<(), CommandError> {
    if failed == 0 { Ok(()) } else { Err(CommandError::Erasures(failed)) }
}

/// Does something with each pending erasure of any organization.
async fn each_pending(
    db: &Db,
    act: impl AsyncFnMut(Result<Copy, DbError>) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    each(async |cursor: Option<Cursor>| erasure::pending(db, cursor.as_ref(), PAGE).await, act).await
}

/// Does something with each erasure, page by page.
async fn each<T>(
    read: impl AsyncFn(Option<Cursor>) -> Result<(Vec<T>, Option<Cursor>), StoreError>,
    mut act: impl AsyncFnMut(T) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let mut cursor = None;
    loop {
        let (page, next) = read(cursor).await?;
        for copy in page {
            act(copy).await?;
        }
        if next.is_none() {
            return Ok(());
        }
        cursor = next;
    }
}

impl Row for Copy {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("Organization", 36), ("Candidate", 36), ("Erased", 24), ("By", 0)];

    fn cells(&self) -> Vec<String> {
        vec![
            self.organization.to_string(),
            self.candidate_id.to_string(),
            self.erased_at.to_string(),
            self.by.as_ref().map_or("no key".to_owned(), |key| format!("key {key}")),
        ]
    }
}

/// What became of an erasure, with what its receipt says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Repeated {
    organization: OrgId,
    candidate_id: CandidateId,
    outcome: String,
    erased_at: Option<Timestamp>,
    applications_cleared: Option<usize>,
}

impl Repeated {
    fn new(organization: OrgId, candidate_id: CandidateId, outcome: String, receipt: Option<Erasure>) -> Self {
        let (erased_at, applications_cleared) =
            receipt.map(|receipt| (receipt.erased_at, receipt.applications_cleared)).unzip();
        Self { organization, candidate_id, outcome, erased_at, applications_cleared }
    }
}

impl Row for Repeated {
    const COLUMNS: &'static [(&'static str, usize)] =
        &[("Organization", 36), ("Candidate", 36), ("Erased", 24), ("Applications", 12), ("Outcome", 0)];

    fn cells(&self) -> Vec<String> {
        vec![
            self.organization.to_string(),
            self.candidate_id.to_string(),
            self.erased_at.map(|at| at.to_string()).unwrap_or_default(),
            self.applications_cleared.map(|number| number.to_string()).unwrap_or_default(),
            self.outcome.clone(),
        ]
    }
}
