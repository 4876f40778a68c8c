//! A candidate, and the marker that makes their e-mail unique in the organization.

use aws_sdk_dynamodb::types::{Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Record, revise, stage};
use crate::{
    body::{Fields, FromFields},
    clock::Timestamp,
    db::{self, Change, Db, DbError, Item, built, string, write},
    envelope::Object,
    error::ApiError,
    extract::{FromParams, IfMatch, Params},
    id::{CandidateId, OrgId, StageId, Stamp},
    page::{self, InvalidCursor, Listed, PageRequest, Rows},
    table::{self, Key, List},
    value::{Email, ShortText, WebUrl},
};

/// A candidate, as it is answered and as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// The candidate's id.
    id: CandidateId,
    first_name: ShortText,
    last_name: ShortText,
    /// An e-mail address, unique in your organization: two that name one mailbox are one, whatever their case, and whether an
    /// internationalized domain is written in its own script or in ASCII.
    email: Email,
    phone: Option<ShortText>,
    /// Where they live.
    location: Option<ShortText>,
    /// Who they are, in a line.
    headline: Option<ShortText>,
    /// Where they work now.
    company: Option<ShortText>,
    linkedin_url: Option<WebUrl>,
    resume_url: Option<WebUrl>,
    skills: Vec<ShortText>,
    tags: Vec<ShortText>,
    /// Where you know them from.
    source: Option<ShortText>,
    /// Their id in your own system. Not unique.
    external_id: Option<ShortText>,
    /// The stage of the pipeline that they are at. A new candidate enters the first, unless the body names another; later
    /// only a move changes it.
    stage_id: StageId,
    /// When they came to the stage.
    stage_entered_at: Timestamp,
    /// When they were created.
    created_at: Timestamp,
    /// When they were last changed or moved.
    updated_at: Timestamp,
    /// Raised by every change; the `ETag` is made of it.
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

    /// With the e-mail's marker, where that changes.
    async fn replace(&self, db: &Db, org: &OrgId, key: Key, new: &Self) -> Result<bool, ApiError> {
        let change = Change::between(&self.item(org)?, &new.item(org)?);
        if self.email.normalized() == new.email.normalized() {
            return Ok(change.make(db.update_record(key)).await?);
        }
        let part = change.into_part(Update::builder().table_name(db.records()).set_key(Some(key.into_item())))?;
        let release = Delete::builder()
            .table_name(db.records())
            .set_key(Some(table::email_marker(org, &self.email).into_item()))
            .condition_expression("#candidate = :candidate")
            .expression_attribute_names("#candidate", "candidateId")
            .expression_attribute_values(":candidate", string(self.id));
        let release = TransactWriteItem::builder().delete(built(release.build())?).build();
        let Err(refused) = db.transact(vec![claim_email(db, org, new)?, part, release]).await? else { return Ok(true) };
        match refused.write(0) {
            // Somebody else has the e-mail. If it is this candidate's by now, they have changed and are read again.
            Some(Some(marker)) => match holder(marker)? {
                holder if holder == self.id => Ok(false),
                existing_id => Err(ApiError::EmailTaken { existing_id }),
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

const READ_ONLY: &[&str] = &["id", "stageEnteredAt", "createdAt", "updatedAt", "version"];

/// The body of `POST /candidates`.
#[derive(Clone, Debug)]
pub struct NewCandidate {
    first_name: ShortText,
    last_name: ShortText,
    email: Email,
    phone: Option<ShortText>,
    location: Option<ShortText>,
    headline: Option<ShortText>,
    company: Option<ShortText>,
    linkedin_url: Option<WebUrl>,
    resume_url: Option<WebUrl>,
    skills: Vec<ShortText>,
    tags: Vec<ShortText>,
    source: Option<ShortText>,
    external_id: Option<ShortText>,
    /// `None`: the pipeline's first.
    stage_id: Option<StageId>,
}

impl FromFields for NewCandidate {
    type Object = Candidate;

    const READ_ONLY: &'static [&'static str] = READ_ONLY;

    fn example() -> Value {
        json!({ "firstName": "Ada", "lastName": "Byron", "email": "ada.byron@example.com", "skills": ["triage"] })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        let first_name = fields.required("firstName");
        let last_name = fields.required("lastName");
        let email = fields.required("email");
        Some(Self {
            phone: fields.optional("phone"),
            location: fields.optional("location"),
            headline: fields.optional("headline"),
            company: fields.optional("company"),
            linkedin_url: fields.optional("linkedinUrl"),
            resume_url: fields.optional("resumeUrl"),
            skills: fields.optional_or("skills", Vec::new()),
            tags: fields.optional_or("tags", Vec::new()),
            source: fields.optional("source"),
            external_id: fields.optional("externalId"),
            stage_id: fields.optional("stageId"),
            first_name: first_name?,
            last_name: last_name?,
            email: email?,
        })
    }
}

/// The body of `PUT /candidates/{id}`: `None` leaves a field, `Some(None)` clears it.
#[derive(Clone, Debug)]
pub struct CandidatePatch {
    first_name: Option<ShortText>,
    last_name: Option<ShortText>,
    email: Option<Email>,
    phone: Option<Option<ShortText>>,
    location: Option<Option<ShortText>>,
    headline: Option<Option<ShortText>>,
    company: Option<Option<ShortText>>,
    linkedin_url: Option<Option<WebUrl>>,
    resume_url: Option<Option<WebUrl>>,
    skills: Option<Option<Vec<ShortText>>>,
    tags: Option<Option<Vec<ShortText>>>,
    source: Option<Option<ShortText>>,
    external_id: Option<Option<ShortText>>,
}

impl FromFields for CandidatePatch {
    type Object = Candidate;

    const READ_ONLY: &'static [&'static str] =
        &["id", "stageId", "stageEnteredAt", "createdAt", "updatedAt", "version"];

    fn example() -> Value {
        json!({ "headline": "Head nurse", "tags": ["night shift", "leads"], "phone": null })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        Some(Self {
            first_name: fields.keep_or_set("firstName"),
            last_name: fields.keep_or_set("lastName"),
            email: fields.keep_or_set("email"),
            phone: fields.change("phone"),
            location: fields.change("location"),
            headline: fields.change("headline"),
            company: fields.change("company"),
            linkedin_url: fields.change("linkedinUrl"),
            resume_url: fields.change("resumeUrl"),
            skills: fields.change("skills"),
            tags: fields.change("tags"),
            source: fields.change("source"),
            external_id: fields.change("externalId"),
        })
    }
}

impl CandidatePatch {
    fn applied_to(&self, old: &Candidate) -> Candidate {
        let Self {
            first_name,
            last_name,
            email,
            phone,
            location,
            headline,
            company,
            linkedin_url,
            resume_url,
            skills,
            tags,
            source,
            external_id,
        } = self.clone();
        let old = old.clone();
        Candidate {
            first_name: first_name.unwrap_or(old.first_name),
            last_name: last_name.unwrap_or(old.last_name),
            email: email.unwrap_or(old.email),
            phone: phone.unwrap_or(old.phone),
            location: location.unwrap_or(old.location),
            headline: headline.unwrap_or(old.headline),
            company: company.unwrap_or(old.company),
            linkedin_url: linkedin_url.unwrap_or(old.linkedin_url),
            resume_url: resume_url.unwrap_or(old.resume_url),
            skills: skills.map_or(old.skills, Option::unwrap_or_default),
            tags: tags.map_or(old.tags, Option::unwrap_or_default),
            source: source.unwrap_or(old.source),
            external_id: external_id.unwrap_or(old.external_id),
            ..old
        }
    }
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

/// Whose an e-mail is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmailMarker {
    candidate_id: CandidateId,
}

/// The organization's candidates, newest first; with the filter, the one who has the e-mail.
pub async fn list(db: &Db, org: &OrgId, query: ListCandidates) -> Result<Listed<Candidate>, ApiError> {
    let ListCandidates { page, email } = query;
    let rows = match email {
        None => page::read(db, &List::candidates(org), &page).await?,
        // There is no second page for a cursor to be of.
        Some(_) if !page.is_first() => return Err(InvalidCursor::OnePage.into()),
        Some(email) => Rows { rows: find_by_email(db, org, &email).await?.into_iter().collect(), next: None },
    };
    Ok(rows.answer(&page))
}

async fn find_by_email(db: &Db, org: &OrgId, email: &Email) -> Result<Option<Candidate>, ApiError> {
    let Some(marker) = db.get::<EmailMarker>(table::email_marker(org, email)).await? else { return Ok(None) };
    let candidate = get(db, org, marker.candidate_id).await?;
    // The e-mail may have gone to somebody else between the two reads.
    Ok(candidate.filter(|candidate| candidate.email.normalized() == email.normalized()))
}

/// The candidate, if the organization has them.
pub async fn get(db: &Db, org: &OrgId, id: CandidateId) -> Result<Option<Candidate>, ApiError> {
    Ok(db.get(table::candidate(org, id)).await?)
}

/// Creates a candidate, together with the marker of their e-mail.
pub async fn create(db: &Db, org: &OrgId, stamp: Stamp, new: NewCandidate) -> Result<Candidate, ApiError> {
    let NewCandidate {
        first_name,
        last_name,
        email,
        phone,
        location,
        headline,
        company,
        linkedin_url,
        resume_url,
        skills,
        tags,
        source,
        external_id,
        stage_id,
    } = new;
    let stage = match stage_id {
        None => stage::first(db, org).await?,
        Some(id) => stage::named(db, org, id).await?,
    };
    let candidate = Candidate {
        id: stamp.into(),
        first_name,
        last_name,
        email,
        phone,
        location,
        headline,
        company,
        linkedin_url,
        resume_url,
        skills,
        tags,
        source,
        external_id,
        stage_id: stage.id(),
        stage_entered_at: stamp.now(),
        created_at: stamp.now(),
        updated_at: stamp.now(),
        version: 1,
    };
    let put = Put::builder().table_name(db.records()).set_item(Some(candidate.item(org)?));
    let put = TransactWriteItem::builder().put(built(put.build())?).build();
    match db.transact(vec![claim_email(db, org, &candidate)?, put]).await? {
        Ok(()) => Ok(candidate),
        Err(refused) => match refused.write(0) {
            Some(Some(marker)) => Err(ApiError::EmailTaken { existing_id: holder(marker)? }),
            _ => Err(DbError::Unreadable("a taken e-mail without its marker").into()),
        },
    }
}

/// Changes a candidate. `None`: the organization has no such candidate.
pub async fn update(
    db: &Db,
    org: &OrgId,
    id: CandidateId,
    now: Timestamp,
    if_match: &IfMatch,
    patch: &CandidatePatch,
) -> Result<Option<Candidate>, ApiError> {
    let change = |old: &Candidate| {
        let mut new = patch.applied_to(old);
        if new != *old {
            new.updated_at = now;
            new.version += 1;
        }
        new
    };
    revise(db, org, table::candidate(org, id), if_match, change).await
}

/// The put of an e-mail's marker, on the condition that nobody has the e-mail.
fn claim_email(db: &Db, org: &OrgId, candidate: &Candidate) -> Result<TransactWriteItem, DbError> {
    let marker = write(&EmailMarker { candidate_id: candidate.id })?;
    let claim = Put::builder()
        .table_name(db.records())
        .set_item(Some(table::email_marker(org, &candidate.email).with(marker)))
        .condition_expression(table::ABSENT)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().put(built(claim.build())?).build())
}

/// Whose the e-mail of a marker is.
fn holder(marker: &Item) -> Result<CandidateId, DbError> {
    Ok(db::read::<EmailMarker>(marker.clone())?.candidate_id)
}
