//! Candidates, and the marker that makes an email unique in the organization. It knows no HTTP.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::{Deserialize, Serialize};
use shared_derive::Bodies;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::{Stamp, Timestamp},
        id::{CandidateId, OrgId, StageId},
        if_match::IfMatch,
        object::Object,
        page::{InvalidCursor, Page, PageRequest},
        param::{FromParams, Params},
        value::{Email, ShortText, WebUrl},
    },
    store::{
        change,
        db::Db,
        error::{DbError, StoreError},
        expression::Expression,
        item::{self, Item, string, write},
        list::List,
        page,
        record::{Record, revise},
        stage::{self, Stage},
        table::{self, Key, Table},
        transaction::{Part, Transaction},
    },
};

/// A candidate, both as returned and as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, Bodies)]
#[bodies(new = NewCandidate, patch = CandidatePatch, rest = CandidateRest)]
#[schema(description = "A candidate.")]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "01a1d455-e078-7c1f-bac9-a1e8fece8006",
    "firstName": "Ada",
    "lastName": "Byron",
    "email": "ada.byron@example.com",
    "phone": "+49 40 1234567",
    "location": "Hamburg, Germany",
    "headline": "Intensive care nurse",
    "company": null,
    "linkedinUrl": null,
    "resumeUrl": "https://example.com/ada-byron.pdf",
    "skills": ["triage", "ventilation"],
    "tags": ["night shift"],
    "source": "website",
    "externalId": null,
    "stageId": "019b8d62-7a81-7421-b5aa-2482ac8bd336",
    "stageEnteredAt": "2026-11-12T09:30:00.000Z",
    "createdAt": "2026-11-12T09:30:00.000Z",
    "updatedAt": "2026-11-12T09:30:00.000Z",
    "version": 1,
}))]
pub struct Candidate {
    /// The candidate's ID.
    id: CandidateId,
    /// First name.
    #[body]
    first_name: ShortText,
    /// Last name.
    #[body]
    last_name: ShortText,
    /// Email address, unique in your organization. Addresses of the same mailbox count as one: case is ignored, and an
    /// internationalized domain can be written in its own script or in ASCII.
    #[body]
    email: Email,
    /// Phone number, in any format.
    #[body]
    phone: Option<ShortText>,
    /// Where the candidate lives.
    #[body]
    location: Option<ShortText>,
    /// One-line professional summary.
    #[body]
    headline: Option<ShortText>,
    /// Current employer.
    #[body]
    company: Option<ShortText>,
    /// URL of the candidate's profile on `linkedin.com`.
    #[body]
    linkedin_url: Option<WebUrl>,
    /// URL of the candidate's resume.
    #[body]
    resume_url: Option<WebUrl>,
    /// The candidate's skills.
    #[body(default)]
    skills: Vec<ShortText>,
    /// Your own tags for the candidate.
    #[body(default)]
    tags: Vec<ShortText>,
    /// Where the candidate came from, such as a job board.
    #[body]
    source: Option<ShortText>,
    /// The candidate's ID in your own system. Not unique.
    #[body]
    external_id: Option<ShortText>,
    /// The candidate's stage in the pipeline. A new candidate enters the first stage unless the body specifies another; after that,
    /// only a move changes it.
    #[body(new, optional)]
    stage_id: StageId,
    /// When the candidate entered the stage.
    stage_entered_at: Timestamp,
    /// When the candidate was created.
    created_at: Timestamp,
    /// When the candidate was last changed or moved.
    updated_at: Timestamp,
    /// Increments on every change. The `ETag` is derived from it.
    version: u64,
}

impl Candidate {
    /// The candidate's id.
    #[must_use]
    pub fn id(&self) -> CandidateId {
        self.id
    }
}

impl Record for Candidate {
    fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        let mut item = write(self)?;
        for (name, value) in table::stage_arrival(org, self.stage_id, self.stage_entered_at, self.id) {
            item.insert(name, string(value));
        }
        Ok(table::candidate(org, self.id).with(item))
    }

    /// Also replaces the email marker, if the email changes.
    async fn replace(&self, db: &Db, org: &OrgId, key: Key, new: &Self) -> Result<bool, StoreError> {
        let change = change::between(&self.item(org)?, &new.item(org)?);
        if self.email.normalized() == new.email.normalized() {
            return Ok(db.update(Table::Records, key, change, ReturnValue::None).await?.is_ok());
        }
        let is_theirs = Expression::condition("#candidate = :candidate")
            .names([("#candidate", "candidateId")])
            .values([(":candidate", string(self.id))]);
        let mut transaction = Transaction::new(db);
        let claim = claim_email(&mut transaction, org, new)?;
        transaction.update(Table::Records, key, change)?;
        transaction.delete(Table::Records, table::email_marker(org, &self.email), is_theirs)?;
        let Err(cancelled) = transaction.commit().await? else { return Ok(true) };
        match cancelled.failed(claim) {
            // Another candidate has the email. If it is this candidate's by now, the candidate has changed and is read again.
            Some(Some(marker)) => match holder(marker)? {
                holder if holder == self.id => Ok(false),
                existing_id => Err(StoreError::EmailTaken { existing_id }),
            },
            _ => Ok(false),
        }
    }
}

impl Object for Candidate {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

impl NewCandidate {
    const EXAMPLE: &str =
        r#"{ "firstName": "Ada", "lastName": "Byron", "email": "ada.byron@example.com", "skills": ["triage"] }"#;
}

impl CandidatePatch {
    const EXAMPLE: &str = r#"{ "headline": "Head nurse", "tags": ["night shift", "leads"], "phone": null }"#;
}

/// The query of `GET /candidates`.
#[derive(Debug)]
pub struct ListCandidates {
    page: PageRequest,
    email: Option<Email>,
}

impl FromParams for ListCandidates {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        Self { page, email: params.email("email") }
    }
}

/// Records which candidate has an email.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmailMarker {
    candidate_id: CandidateId,
}

/// The organization's candidates, newest first, or with the filter, the one who has the email.
pub async fn list(db: &Db, org: &OrgId, query: ListCandidates) -> Result<Page<Candidate>, StoreError> {
    let ListCandidates { page, email } = query;
    let Some(email) = email else { return page::read(db, &List::candidates(org), &page).await };
    // There is no second page, so no cursor can be valid.
    if page.cursor().is_some() {
        return Err(InvalidCursor::OnePage.into());
    }
    let rows = find_by_email(db, org, &email).await?.into_iter().collect();
    Ok(Page { rows, next: None, limit: page.limit() })
}

async fn find_by_email(db: &Db, org: &OrgId, email: &Email) -> Result<Option<Candidate>, StoreError> {
    let Some(marker) = db.get::<EmailMarker>(table::email_marker(org, email)).await? else { return Ok(None) };
    let candidate = get(db, org, marker.candidate_id).await?;
    // The email may have passed to another candidate between the two reads.
    Ok(candidate.filter(|candidate| candidate.email.normalized() == email.normalized()))
}

/// The candidate, if the organization has them.
pub async fn get(db: &Db, org: &OrgId, id: CandidateId) -> Result<Option<Candidate>, StoreError> {
    Ok(db.get(table::candidate(org, id)).await?)
}

/// The stage that a new candidate enters.
pub async fn stage_of(db: &Db, org: &OrgId, new: &NewCandidate) -> Result<Stage, StoreError> {
    match new.stage_id {
        None => stage::first(db, org).await,
        Some(id) => stage::named(db, org, id).await,
    }
}

/// Creates a candidate at a stage, and the marker of their email.
pub async fn create(
    db: &Db,
    org: &OrgId,
    stamp: Stamp,
    new: NewCandidate,
    stage: &Stage,
) -> Result<Candidate, StoreError> {
    let now = stamp.now();
    let candidate = new.with(CandidateRest {
        id: stamp.into(),
        stage_id: stage.id(),
        stage_entered_at: now,
        created_at: now,
        updated_at: now,
        version: 1,
    });
    let mut transaction = Transaction::new(db);
    let claim = claim_email(&mut transaction, org, &candidate)?;
    transaction.put(Table::Records, candidate.item(org)?)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(candidate) };
    match cancelled.failed(claim) {
        Some(Some(marker)) => Err(StoreError::EmailTaken { existing_id: holder(marker)? }),
        _ => Err(DbError::Unreadable("a taken e-mail without its marker").into()),
    }
}

/// Changes a candidate, as they were read. `None`: they are gone.
pub async fn update(
    db: &Db,
    org: &OrgId,
    candidate: Candidate,
    now: Timestamp,
    if_match: &IfMatch,
    patch: &CandidatePatch,
) -> Result<Option<Candidate>, StoreError> {
    let change = |old: &Candidate| {
        let mut new = patch.applied_to(old);
        if new != *old {
            new.updated_at = now;
            new.version += 1;
        }
        new
    };
    revise(db, org, table::candidate(org, candidate.id), candidate, if_match, change).await
}

/// Writes the email marker, on the condition that no candidate has the email.
fn claim_email(transaction: &mut Transaction<'_>, org: &OrgId, candidate: &Candidate) -> Result<Part, DbError> {
    let marker = write(&EmailMarker { candidate_id: candidate.id })?;
    transaction.put_new(Table::Records, table::email_marker(org, &candidate.email).with(marker))
}

/// The candidate that an email marker names.
fn holder(marker: &Item) -> Result<CandidateId, DbError> {
    Ok(item::read::<EmailMarker>(marker.clone())?.candidate_id)
}
