//! Every key and every index of both tables. It knows no record's fields, except those that are part of a key.
//!
//! **Access**: includes the accounts, which every request writes, so it has no index, and a count costs one write unit.
//!
//! | Item | `pk` | `sk` |
//! |---|---|---|
//! | Account: plan, month, and the secrets, scopes and counters of up to five keys | `ACCOUNT#{account}` | `ACCOUNT` |
//! | API key: what no request needs, such as its name and who created it | `KEY#{key id}` | `KEY` |
//! | A key's day: requests once it is over, and denials, until `deleteAt` | `KEY#{key id}#DAY` | day |
//! | Form marker: the key that a form has created, until `deleteAt` | `FORM#{digest}` | `FORM` |
//! | Organization: name, accounts | `ORG#{org}` | `ORG` |
//! | Key marker: the organization has the key | `ORG#{org}` | `KEY#{created}#{key id}` |
//! | Organization marker: the organization exists | `ORGS` | org |
//! | Member: organization, role, identity at the issuer | `MEMBER#{normalized email}` | `MEMBER` |
//! | Member marker: the organization has the member | `ORG#{org}#MEMBER` | normalized email |
//! | Session: member, end; once it has ended, a marker until `deleteAt` | `SESSION#{hash of its id}` | `SESSION` |
//! | Erasure: the copy of a candidate's tombstone, until `deleteAt` | `ORG#{org}#ERASURE` | candidate |
//! | Pending erasure: an erasure that has begun, until it is finished | `ERASURES` | `{org}#{candidate}` |
//! | Activity: who did what to a key, a member, the plan or a session, until `deleteAt` | `ORG#{org}#ACTIVITY` | `{moment}#{random}` |
//!
//! **Records**: each partition key begins with the organization. Each sort key is an id that sorts by time, except those of two markers.
//!
//! | Item | `pk` | `sk` | for the indexes |
//! |---|---|---|---|
//! | Job | `ORG#{org}#JOB` | job | `statusPk`: `ORG#{org}#JOB#{status}`; `externalPk`: `ORG#{org}#JOB#EXTERNAL#{external id}` |
//! | Candidate | `ORG#{org}#CANDIDATE` | candidate | `stagePk`: `ORG#{org}#STAGE#{stage}`; `stageSk`: `{entered}#{candidate}`; `externalPk`: `ORG#{org}#CANDIDATE#EXTERNAL#{external id}` |
//! | Email marker: the candidate who has it | `ORG#{org}#EMAIL#{normalized email}` | `EMAIL` | |
//! | Stage | `ORG#{org}#STAGE` | stage | |
//! | Application | `ORG#{org}#APPLICATION` | application | `jobPk`: `ORG#{org}#JOB#{job}#APPLICATION`; `statusPk`: the same and `#{status}` |
//! | Application marker: the application's id | `ORG#{org}#CANDIDATE#{candidate}#APPLICATION` | job | |
//! | Tombstone: a candidate was erased | `ORG#{org}#TOMBSTONE` | candidate |
//! | Idempotency marker: what a write did, until `deleteAt` | `ORG#{org}#IDEMPOTENCY#{digest}` | `IDEMPOTENCY` | |
//!
//! | Access pattern | Read by |
//! |---|---|
//! | jobs, candidates, applications, newest first | Query of the partition, descending |
//! | a job's applications, newest first | Query of index `ByJob` (`jobPk`, `sk`), descending |
//! | a candidate's applications, newest first | Query of the markers, `BatchGetItem` of the applications |
//! | stages in pipeline order | Query of the partition, ascending: stages are created in pipeline order |
//! | jobs, or a job's applications, with a status, newest first | Query of index `ByStatus` (`statusPk`, `sk`), descending |
//! | jobs, or candidates, with an external id, newest first | Query of index `ByExternalId` (`externalPk`, `sk`), descending |
//! | candidates at a stage, latest arrival first | Query of index `ByStage` (`stagePk`, `stageSk`), descending |
//! | a candidate by email | Get of the marker, Get of the candidate |
//! | a key's days, latest first | Query of the partition, descending |
//! | an organization's keys, all organizations, its members, in either order | Query of the markers, `BatchGetItem` of the items |
//! | an organization's activity, latest first | Query of the partition, descending |
//! | an organization's erasures, pending erasures | Query of the partition, ascending |
//! | who is signed in | Update of the session, Get of the member |

use crate::{
    model::{
        clock::Timestamp,
        id::{ApplicationId, CandidateId, JobId, OrgId, StageId},
        key::{AccountId, KeyId},
        value::Email,
        window::Day,
    },
    store::item::{Item, string, text},
};

pub(super) const PK: &str = "pk";
pub(super) const SK: &str = "sk";
pub(super) const JOB_PK: &str = "jobPk";
pub(super) const EXTERNAL_PK: &str = "externalPk";
pub(super) const STATUS_PK: &str = "statusPk";
pub(super) const STAGE_PK: &str = "stagePk";
pub(super) const STAGE_SK: &str = "stageSk";
pub(super) const BY_JOB: &str = "ByJob";
pub(super) const BY_EXTERNAL_ID: &str = "ByExternalId";
pub(super) const BY_STATUS: &str = "ByStatus";
pub(super) const BY_STAGE: &str = "ByStage";

/// When DynamoDB may delete an item, in Unix seconds.
pub(crate) const DELETE_AT: &str = "deleteAt";

/// Random characters that distinguish the entries of one millisecond.
pub(crate) const ACTIVITY_SUFFIX_LEN: usize = 8;

/// The condition that no item with the key exists.
pub(crate) const ABSENT: &str = "attribute_not_exists(pk)";
/// The condition that an item with the key exists.
pub(crate) const PRESENT: &str = "attribute_exists(pk)";

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Keys and organizations, members, sessions, activity.
    Access,
    /// Jobs, candidates, stages, applications.
    Records,
}

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    #[expect(clippy::needless_pass_by_value, reason = "ids and literals alike")]
    pub(super) fn new(pk: String, sk: impl ToString) -> Self {
        Self { pk, sk: sk.to_string() }
    }

    /// The sort key.
    pub(crate) fn sort_key(&self) -> &str {
        &self.sk
    }

    /// The key's attributes alone.
    pub(crate) fn into_item(self) -> Item {
        Item::from([(PK.to_owned(), string(self.pk)), (SK.to_owned(), string(self.sk))])
    }

    /// The item with its key.
    pub(crate) fn with(self, mut item: Item) -> Item {
        item.extend(self.into_item());
        item
    }
}

/// A key that no item has.
pub(crate) fn nothing() -> Key {
    Key::new("NOTHING".to_owned(), "NOTHING")
}

pub(crate) fn account(id: &AccountId) -> Key {
    Key::new(format!("ACCOUNT#{id}"), "ACCOUNT")
}

/// The account that an item is, by its partition key.
pub(crate) fn account_of(item: &Item) -> Option<AccountId> {
    AccountId::parse(text(item, PK)?.strip_prefix("ACCOUNT#")?)
}

/// The key that a form has created, so that a form which is sent twice creates one.
pub(crate) fn form_marker(digest: &str) -> Key {
    Key::new(format!("FORM#{digest}"), "FORM")
}

pub(crate) fn api_key(id: &KeyId) -> Key {
    Key::new(format!("KEY#{id}"), "KEY")
}

pub(super) fn api_key_day_partition(id: &KeyId) -> String {
    format!("KEY#{id}#DAY")
}

pub(crate) fn api_key_day(id: &KeyId, day: Day) -> Key {
    Key::new(api_key_day_partition(id), day)
}

/// The day of an item of a key's day.
pub(crate) fn day_of(item: &Item) -> Option<Day> {
    text(item, SK)?.parse().ok()
}

pub(super) fn organization_partition(org: &OrgId) -> String {
    format!("ORG#{org}")
}

pub(crate) fn organization(org: &OrgId) -> Key {
    Key::new(organization_partition(org), "ORG")
}

/// The organization that an item of the Access table belongs to, by its partition key.
pub(crate) fn organization_of(item: &Item) -> Option<OrgId> {
    OrgId::stored(text(item, PK)?.strip_prefix("ORG#")?).ok()
}

/// The key that an item of the Access table belongs to, by its partition key.
pub(crate) fn api_key_of(item: &Item) -> Option<KeyId> {
    KeyId::parse(text(item, PK)?.strip_prefix("KEY#")?)
}

/// Lists the organization's keys in order of creation, without an index that a counter would write to.
pub(crate) fn api_key_marker(org: &OrgId, created: Timestamp, id: &KeyId) -> Key {
    Key::new(organization_partition(org), format!("KEY#{created}#{id}"))
}

/// The key that a marker is for. `None`: it is the organization's own item.
pub(crate) fn marked_key(marker: &Item) -> Option<KeyId> {
    text(marker, SK)?.strip_prefix("KEY#")?.split('#').nth(1).and_then(KeyId::parse)
}

pub(crate) fn member(email: &str) -> Key {
    Key::new(format!("MEMBER#{email}"), "MEMBER")
}

pub(super) fn member_partition(org: &OrgId) -> String {
    format!("{}#MEMBER", organization_partition(org))
}

/// Lists the organization's members by email.
pub(crate) fn member_marker(org: &OrgId, email: &str) -> Key {
    Key::new(member_partition(org), email)
}

/// The normalized email of the member that a marker is for.
pub(crate) fn marked_member(marker: &Item) -> Option<&str> {
    text(marker, SK)
}

pub(crate) fn session(hash: &str) -> Key {
    Key::new(format!("SESSION#{hash}"), "SESSION")
}

pub(super) fn activity_partition(org: &OrgId) -> String {
    format!("{}#ACTIVITY", organization_partition(org))
}

pub(crate) fn activity(org: &OrgId, at: Timestamp, unique: &str) -> Key {
    Key::new(activity_partition(org), format!("{at}#{unique}"))
}

/// When an activity took place.
pub(crate) fn activity_moment(item: &Item) -> Option<Timestamp> {
    text(item, SK)?.split_once('#')?.0.parse().ok()
}

pub(super) fn organizations_partition() -> String {
    "ORGS".to_owned()
}

/// Lists the organizations in order of creation.
pub(crate) fn organization_marker(org: &OrgId) -> Key {
    Key::new(organizations_partition(), org)
}

/// The organization that a marker is for.
pub(crate) fn marked_organization(marker: &Item) -> Option<OrgId> {
    OrgId::stored(text(marker, SK)?).ok()
}

pub(super) fn job_partition(org: &OrgId) -> String {
    format!("ORG#{org}#JOB")
}

pub(crate) fn job(org: &OrgId, job: JobId) -> Key {
    Key::new(job_partition(org), job)
}

pub(super) fn candidate_partition(org: &OrgId) -> String {
    format!("ORG#{org}#CANDIDATE")
}

pub(crate) fn candidate(org: &OrgId, candidate: CandidateId) -> Key {
    Key::new(candidate_partition(org), candidate)
}

pub(crate) fn email_marker(org: &OrgId, email: &Email) -> Key {
    Key::new(format!("ORG#{org}#EMAIL#{}", email.normalized()), "EMAIL")
}

pub(super) fn stage_partition(org: &OrgId) -> String {
    format!("ORG#{org}#STAGE")
}

pub(crate) fn stage(org: &OrgId, stage: StageId) -> Key {
    Key::new(stage_partition(org), stage)
}

pub(super) fn application_partition(org: &OrgId) -> String {
    format!("ORG#{org}#APPLICATION")
}

pub(crate) fn application(org: &OrgId, application: ApplicationId) -> Key {
    Key::new(application_partition(org), application)
}

pub(super) fn application_marker_partition(org: &OrgId, candidate: CandidateId) -> String {
    format!("ORG#{org}#CANDIDATE#{candidate}#APPLICATION")
}

pub(crate) fn application_marker(org: &OrgId, candidate: CandidateId, job: JobId) -> Key {
    Key::new(application_marker_partition(org, candidate), job)
}

pub(crate) fn tombstone(org: &OrgId, candidate: CandidateId) -> Key {
    Key::new(format!("ORG#{org}#TOMBSTONE"), candidate)
}

pub(super) fn erasure_partition(org: &OrgId) -> String {
    format!("{}#ERASURE", organization_partition(org))
}

pub(crate) fn erasure(org: &OrgId, candidate: CandidateId) -> Key {
    Key::new(erasure_partition(org), candidate)
}

/// The candidate that the copy of a tombstone is for.
pub(crate) fn erased_candidate(item: &Item) -> Option<CandidateId> {
    text(item, SK)?.parse().ok()
}

pub(super) fn pending_erasure_partition() -> String {
    "ERASURES".to_owned()
}

pub(crate) fn pending_erasure(org: &OrgId, candidate: CandidateId) -> Key {
    Key::new(pending_erasure_partition(), format!("{org}#{candidate}"))
}

/// The organization and the candidate that a pending erasure is for.
pub(crate) fn pending_candidate(item: &Item) -> Option<(OrgId, CandidateId)> {
    let (org, candidate) = text(item, SK)?.split_once('#')?;
    Some((OrgId::stored(org).ok()?, candidate.parse().ok()?))
}

/// `key` is the digest of the client's key.
pub(crate) fn idempotency_marker(org: &OrgId, key: &str) -> Key {
    Key::new(format!("ORG#{org}#IDEMPOTENCY#{key}"), "IDEMPOTENCY")
}

/// The attribute that adds a job to the list of its status.
pub(crate) fn job_status(org: &OrgId, status: &str) -> (String, String) {
    (STATUS_PK.to_owned(), format!("{}#{}", job_partition(org), status))
}

/// The attribute that adds a job to the list of those with an external id.
pub(crate) fn job_external_id(org: &OrgId, id: &str) -> (String, String) {
    (EXTERNAL_PK.to_owned(), format!("{}#EXTERNAL#{id}", job_partition(org)))
}

/// The attribute that adds a candidate to the list of those with an external id.
pub(crate) fn candidate_external_id(org: &OrgId, id: &str) -> (String, String) {
    (EXTERNAL_PK.to_owned(), format!("{}#EXTERNAL#{id}", candidate_partition(org)))
}

/// The attribute that adds an application to the list of its job.
pub(crate) fn application_job(org: &OrgId, job: JobId) -> (String, String) {
    (JOB_PK.to_owned(), format!("ORG#{org}#JOB#{job}#APPLICATION"))
}

/// The attribute that adds an application to the list of its job and status.
pub(crate) fn application_status(org: &OrgId, job: JobId, status: &str) -> (String, String) {
    (STATUS_PK.to_owned(), format!("{}#{status}", application_job(org, job).1))
}

/// The attributes that add a candidate to the list of a stage.
pub(crate) fn stage_arrival(
    org: &OrgId,
    stage: StageId,
    entered: Timestamp,
    candidate: CandidateId,
) -> [(String, String); 2] {
    [
        (STAGE_PK.to_owned(), stage_candidate_partition(org, stage)),
        (STAGE_SK.to_owned(), format!("{entered}#{candidate}")),
    ]
}

pub(super) fn stage_candidate_partition(org: &OrgId, stage: StageId) -> String {
    format!("{}#{stage}", stage_partition(org))
}
