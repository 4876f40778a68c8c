//! Candidates, and the marker that makes an email unique in the organization. It knows no HTTP.

use serde::{Deserialize, Serialize};
use shared_derive::Bodies;
use utoipa::ToSchema;

use crate::{
    model::{
        clock::Timestamp,
        id::{CandidateId, OrgId, StageId},
        if_match::IfMatch,
        object::Object,
        page::{InvalidCursor, Page, PageRequest},
        param::{FromParams, Params},
        value::{Email, ShortText, WebUrl},
        write::{Write, Written},
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        expression::Expression,
        item::{self, Item, string},
        list::List,
        page,
        record::{Record, revise},
        stage::{self, Stage},
        table::{self, Key, Table},
        transaction::{Part, Transaction},
        write::{self, Effect},
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
    last_name: Option<ShortText>,
    /// Email address, if there is one; unique in your organization. Addresses of the same mailbox count as one: case is ignored, and an
    /// internationalized domain can be written in its own script or in ASCII.
    #[body]
    email: Option<Email>,
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

    pub(super) fn email(&self) -> Option<&Email> {
        self.email.as_ref()
    }

    /// The email in the form that is unique.
    fn mailbox(&self) -> Option<String> {
        self.email.as_ref().map(Email::normalized)
    }
}

impl Record for Candidate {
    fn key(&self, org: &OrgId) -> Key {
        table::candidate(org, self.id)
    }

    fn item(&self, org: &OrgId) -> Result<Item, DbError> {
        let mut item = item::write(self)?;
        let external = self.external_id.as_ref().map(|id| table::candidate_external_id(org, id.as_str()));
        let arrival = table::stage_arrival(org, self.stage_id, self.stage_entered_at, self.id);
        for (name, value) in external.into_iter().chain(arrival) {
            item.insert(name, string(value));
        }
        Ok(self.key(org).with(item))
    }

    fn has_markers_to_change(&self, new: &Self) -> bool {
        self.mailbox() != new.mailbox()
    }

    /// The email marker passes from the old email to the new one.
    fn change_markers(
        &self,
        new: &Self,
        org: &OrgId,
        transaction: &mut Transaction<'_>,
    ) -> Result<Option<Part>, DbError> {
        let claimed = new.email.as_ref().map(|email| claim_email(transaction, org, new.id, email)).transpose()?;
        if let Some(email) = &self.email {
            release_email(transaction, org, self.id, email)?;
        }
        Ok(claimed)
    }

    /// Another candidate has the email. If it is this candidate's by now, the candidate has changed and is read again.
    fn marker_failed(&self, marker: &Item) -> Result<(), StoreError> {
        match holder(marker)? {
            holder if holder == self.id => Ok(()),
            existing_id => Err(StoreError::EmailTaken { existing_id }),
        }
    }
}

impl Object for Candidate {
    fn version(&self) -> Option<u64> {
        Some(self.version)
    }
}

impl NewCandidate {
    /// The candidate when they are created.
    fn at(self, id: CandidateId, now: Timestamp, stage: StageId) -> Candidate {
        self.with(CandidateRest {
            id,
            stage_id: stage,
            stage_entered_at: now,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

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
    ids: Option<Vec<CandidateId>>,
    email: Option<Email>,
    external_id: Option<ShortText>,
}

impl FromParams for ListCandidates {
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self {
        let (email, external_id) = (params.email("email"), params.text("externalId"));
        params.exclusive(&["email", "externalId"]);
        Self { page, ids: params.ids(), email, external_id }
    }
}

/// Records which candidate has an email.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmailMarker {
    candidate_id: CandidateId,
}

/// The organization's candidates, newest first, or those that the query names.
pub async fn list(db: &Db, org: &OrgId, query: ListCandidates) -> Result<Page<Candidate>, StoreError> {
    let ListCandidates { page, ids, email, external_id } = query;
    if let Some(ids) = ids {
        return page::by_ids(db, ids, |id| table::candidate(org, id)).await;
    }
    let Some(email) = email else {
        let list = match external_id {
            Some(id) => List::candidates_with(org, id.as_str()),
            None => List::candidates(org),
        };
        return page::read(db, &list, &page).await;
    };
    // There is no second page, so no cursor can be valid.
    if page.cursor().is_some() {
        return Err(InvalidCursor::OnePage.into());
    }
    let rows = find_by_email(db, org, &email).await?.into_iter().collect();
    Ok(Page::last(rows, page.limit()))
}

async fn find_by_email(db: &Db, org: &OrgId, email: &Email) -> Result<Option<Candidate>, StoreError> {
    let Some(marker) = db.get::<EmailMarker>(table::email_marker(org, email)).await? else { return Ok(None) };
    let candidate = get(db, org, marker.candidate_id).await?;
    // The email may have passed to another candidate between the two reads.
    Ok(candidate.filter(|candidate| candidate.mailbox() == Some(email.normalized())))
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
///
/// It is always a transaction: an attempt that arrives late must not bring back a candidate who has been erased. DynamoDB recognizes it by its
/// token for ten minutes, and no attempt is under way for longer. To check that there is no tombstone would cost two write units more.
pub async fn create(
    db: &Db,
    write: &Write,
    new: NewCandidate,
    stage: &Stage,
) -> Result<Written<Candidate>, StoreError> {
    let org = write.org();
    let candidate = new.clone().at(write.stamp().into(), write.now(), stage.id());
    let item = write::sign(write, candidate.item(org)?);
    let mut transaction = Transaction::new(db);
    let effect = Effect::new(candidate.id, candidate.version, candidate.created_at).entering(stage.id(), None);
    let marked = write::mark(&mut transaction, write, effect)?;
    let email = candidate.email.as_ref();
    let claim = email.map(|email| claim_email(&mut transaction, org, candidate.id, email)).transpose()?;
    transaction.put_new(Table::Records, item)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(Written::now(candidate)) };
    if let Some(before) = write::earlier(write, marked, &cancelled)? {
        let (id, entered) = (before.object()?, before.stage.unwrap_or(stage.id()));
        let as_created = || new.at(id, before.at, entered);
        return write::created_before(db, write, table::candidate(org, id), as_created).await;
    }
    match claim.and_then(|claim| cancelled.failed(claim)) {
        Some(Some(marker)) => Err(cancelled.reject(StoreError::EmailTaken { existing_id: holder(marker)? })),
        _ => Err(DbError::Unreadable("a new candidate's id that is taken").into()),
    }
}

/// Changes a candidate, as they were read. `None`: they are gone.
pub async fn update(
    db: &Db,
    write: &Write,
    candidate: Candidate,
    if_match: &IfMatch,
    patch: &CandidatePatch,
) -> Result<Option<Written<Candidate>>, StoreError> {
    let change = |old: &Candidate| {
        let mut new = patch.applied_to(old);
        if new != *old {
            new.updated_at = write.now();
            new.version += 1;
        }
        new
    };
    revise(db, write, candidate, if_match, change).await
}

/// Writes the email marker, on the condition that no candidate has the email.
fn claim_email(
    transaction: &mut Transaction<'_>,
    org: &OrgId,
    candidate_id: CandidateId,
    email: &Email,
) -> Result<Part, DbError> {
    let marker = item::write(&EmailMarker { candidate_id })?;
    transaction.put_new(Table::Records, table::email_marker(org, email).with(marker))
}

/// Deletes the email marker, on the condition that it is the candidate's.
pub(super) fn release_email(
    transaction: &mut Transaction<'_>,
    org: &OrgId,
    candidate_id: CandidateId,
    email: &Email,
) -> Result<Part, DbError> {
    let is_theirs = Expression::condition("#candidate = :candidate")
        .names([("#candidate", "candidateId")])
        .values([(":candidate", string(candidate_id))]);
    transaction.delete(Table::Records, table::email_marker(org, email), is_theirs)
}

/// The candidate that an email marker names.
fn holder(marker: &Item) -> Result<CandidateId, DbError> {
    Ok(item::read::<EmailMarker>(marker.clone())?.candidate_id)
}
