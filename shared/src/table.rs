//! Every key and every index of both tables. What is not here is not in a key.
//!
//! **Access**: items written by every request; no index, so that a count costs one write unit.
//!
//! | Item | `pk` | `sk` |
//! |---|---|---|
//! | API key: hash, scopes, requests by minute and of today | `KEY#{key id}` | `KEY` |
//! | A key's day that is over: requests, until `deleteAt` | `KEY#{key id}#DAY` | day |
//! | Organization: plan, number of keys, requests by month | `ORG#{org}` | `ORG` |
//! | Key marker: the organization has the key | `ORG#{org}` | `KEY#{created}#{key id}` |
//! | Organization marker: there is the organization | `ORGS` | org |
//! | Member: organization, role, who it is for the issuer | `MEMBER#{normalized e-mail}` | `MEMBER` |
//! | Member marker: the organization has the member | `ORG#{org}#MEMBER` | normalized e-mail |
//! | Session: whose, until when; once it has ended, a marker until `deleteAt` | `SESSION#{hash of its id}` | `SESSION` |
//! | Activity: who did what to which key, until `deleteAt` | `ORG#{org}#ACTIVITY` | `{moment}#{random}` |
//!
//! **Records**: each partition begins with the organization, each sort key is an id that sorts by time.
//!
//! | Item | `pk` | `sk` | `statusPk` | `stagePk`, `stageSk` |
//! |---|---|---|---|---|
//! | Job | `ORG#{org}#JOB` | job | `ORG#{org}#JOB#{status}` | |
//! | Candidate | `ORG#{org}#CANDIDATE` | candidate | | `ORG#{org}#STAGE#{stage}`, `{entered}#{candidate}` |
//! | E-mail marker: whose it is | `ORG#{org}#EMAIL#{normalized e-mail}` | `EMAIL` | | |
//! | Stage | `ORG#{org}#STAGE` | stage | | |
//! | Application | `ORG#{org}#JOB#{job}#APPLICATION` | application | `…#APPLICATION#{status}` | |
//! | Application marker: which one it is | `ORG#{org}#CANDIDATE#{candidate}#APPLICATION` | job | | |
//!
//! | Access pattern | Read by |
//! |---|---|
//! | jobs, candidates, a job's applications, newest first | Query of the partition, descending |
//! | stages in pipeline order | Query of the partition, ascending: stages are made in pipeline order |
//! | jobs, or a job's applications, with a status, newest first | Query of index `ByStatus` (`statusPk`, `sk`), descending |
//! | candidates at a stage, latest arrival first | Query of index `ByStage` (`stagePk`, `stageSk`), descending |
//! | a candidate by e-mail | Get of the marker, Get of the candidate |
//! | a key's days, latest first | Query of the partition, descending |
//! | an organization's keys, all organizations, its members, in either order | Query of the markers, `BatchGetItem` of the items |
//! | an organization's activity, latest first | Query of the partition, descending |
//! | who is signed in | Update of the session, Get of the member |
//!
//! The application markers also list a candidate's applications; nothing reads them that way yet.

use crate::{
    clock::Timestamp,
    db::{DbError, Item, string, text},
    id::{ApplicationId, CandidateId, JobId, OrgId, StageId},
    key::KeyId,
    records::{activity, application::ApplicationStatus, job::JobStatus, usage::Day},
    value::Email,
};

const PK: &str = "pk";
const SK: &str = "sk";
const STATUS_PK: &str = "statusPk";
const STAGE_PK: &str = "stagePk";
const STAGE_SK: &str = "stageSk";
const BY_STATUS: &str = "ByStatus";
const BY_STAGE: &str = "ByStage";

/// When DynamoDB may delete an item of the Access table, in Unix seconds.
pub(crate) const DELETE_AT: &str = "deleteAt";

/// The condition that there is no item with the key.
pub(crate) const ABSENT: &str = "attribute_not_exists(pk)";
/// The condition that there is an item with the key.
pub(crate) const PRESENT: &str = "attribute_exists(pk)";

/// Where an item lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pk: String,
    sk: String,
}

impl Key {
    #[expect(clippy::needless_pass_by_value, reason = "ids and literals alike")]
    fn new(pk: String, sk: impl ToString) -> Self {
        Self { pk, sk: sk.to_string() }
    }

    /// The key alone.
    pub(crate) fn into_item(self) -> Item {
        Item::from([(PK.to_owned(), string(self.pk)), (SK.to_owned(), string(self.sk))])
    }

    /// The item with its key.
    pub(crate) fn with(self, mut item: Item) -> Item {
        item.extend(self.into_item());
        item
    }
}

/// Where no item is.
pub(crate) fn nothing() -> Key {
    Key::new("NOTHING".to_owned(), "NOTHING")
}

pub(crate) fn api_key(id: &KeyId) -> Key {
    Key::new(format!("KEY#{id}"), "KEY")
}

fn api_key_day_partition(id: &KeyId) -> String {
    format!("KEY#{id}#DAY")
}

pub(crate) fn api_key_day(id: &KeyId, day: Day) -> Key {
    Key::new(api_key_day_partition(id), day)
}

/// The day that an item of a key's days is of.
pub(crate) fn day_of(item: &Item) -> Option<Day> {
    text(item, SK)?.parse().ok()
}

fn organization_partition(org: &OrgId) -> String {
    format!("ORG#{org}")
}

pub(crate) fn organization(org: &OrgId) -> Key {
    Key::new(organization_partition(org), "ORG")
}

/// Whose item of the Access table this is.
pub(crate) fn organization_of(item: &Item) -> Option<OrgId> {
    OrgId::stored(text(item, PK)?.strip_prefix("ORG#")?).ok()
}

/// Whose item of the Access table this is.
pub(crate) fn api_key_of(item: &Item) -> Option<KeyId> {
    KeyId::parse(text(item, PK)?.strip_prefix("KEY#")?)
}

/// Lists the organization's keys in the order they were made, without an index that a counter would touch.
pub(crate) fn api_key_marker(org: &OrgId, created: Timestamp, id: &KeyId) -> Key {
    Key::new(organization_partition(org), format!("KEY#{created}#{id}"))
}

/// The key that a marker is of; `None` for the organization's own item.
pub(crate) fn marked_key(marker: &Item) -> Option<KeyId> {
    text(marker, SK)?.strip_prefix("KEY#")?.split('#').nth(1).and_then(KeyId::parse)
}

pub(crate) fn member(email: &str) -> Key {
    Key::new(format!("MEMBER#{email}"), "MEMBER")
}

fn member_partition(org: &OrgId) -> String {
    format!("{}#MEMBER", organization_partition(org))
}

/// Lists the organization's members by e-mail.
pub(crate) fn member_marker(org: &OrgId, email: &str) -> Key {
    Key::new(member_partition(org), email)
}

/// The normalized e-mail of the member that a marker is of.
pub(crate) fn marked_member(marker: &Item) -> Option<&str> {
    text(marker, SK)
}

pub(crate) fn session(hash: &str) -> Key {
    Key::new(format!("SESSION#{hash}"), "SESSION")
}

fn activity_partition(org: &OrgId) -> String {
    format!("{}#ACTIVITY", organization_partition(org))
}

pub(crate) fn activity(org: &OrgId, at: Timestamp, unique: &str) -> Key {
    Key::new(activity_partition(org), format!("{at}#{unique}"))
}

/// When what an activity tells of was done.
pub(crate) fn activity_moment(item: &Item) -> Option<Timestamp> {
    text(item, SK)?.split_once('#')?.0.parse().ok()
}

fn organizations_partition() -> String {
    "ORGS".to_owned()
}

/// Lists the organizations in the order they were made.
pub(crate) fn organization_marker(org: &OrgId) -> Key {
    Key::new(organizations_partition(), org)
}

/// The organization that a marker is of.
pub(crate) fn marked_organization(marker: &Item) -> Option<OrgId> {
    OrgId::stored(text(marker, SK)?).ok()
}

fn job_partition(org: &OrgId) -> String {
    format!("ORG#{org}#JOB")
}

pub(crate) fn job(org: &OrgId, job: JobId) -> Key {
    Key::new(job_partition(org), job)
}

fn candidate_partition(org: &OrgId) -> String {
    format!("ORG#{org}#CANDIDATE")
}

pub(crate) fn candidate(org: &OrgId, candidate: CandidateId) -> Key {
    Key::new(candidate_partition(org), candidate)
}

pub(crate) fn email_marker(org: &OrgId, email: &Email) -> Key {
    Key::new(format!("ORG#{org}#EMAIL#{}", email.normalized()), "EMAIL")
}

fn stage_partition(org: &OrgId) -> String {
    format!("ORG#{org}#STAGE")
}

pub(crate) fn stage(org: &OrgId, stage: StageId) -> Key {
    Key::new(stage_partition(org), stage)
}

fn application_partition(org: &OrgId, job: JobId) -> String {
    format!("ORG#{org}#JOB#{job}#APPLICATION")
}

pub(crate) fn application(org: &OrgId, job: JobId, application: ApplicationId) -> Key {
    Key::new(application_partition(org, job), application)
}

pub(crate) fn application_marker(org: &OrgId, candidate: CandidateId, job: JobId) -> Key {
    Key::new(format!("ORG#{org}#CANDIDATE#{candidate}#APPLICATION"), job)
}

/// The attribute that puts a job into the list of its status.
pub(crate) fn job_status(org: &OrgId, status: JobStatus) -> (String, String) {
    (STATUS_PK.to_owned(), format!("{}#{}", job_partition(org), status.as_str()))
}

/// The attribute that puts an application into the list of its status.
pub(crate) fn application_status(org: &OrgId, job: JobId, status: ApplicationStatus) -> (String, String) {
    (STATUS_PK.to_owned(), format!("{}#{}", application_partition(org, job), status.as_str()))
}

/// The attributes that put a candidate into the list of a stage.
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

fn stage_candidate_partition(org: &OrgId, stage: StageId) -> String {
    format!("{}#{stage}", stage_partition(org))
}

/// A partition, of the table or of an index, that is read in order.
#[derive(Clone, Debug)]
pub(crate) struct List {
    kind: ListKind,
    /// Of the table or the index.
    partition: String,
    /// Of the table, where its rows lie.
    table_partition: String,
    /// Whether a text has the form that its rows' sort keys have.
    is_position: fn(&str) -> bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKind {
    /// Of the Access table, by creation.
    Markers,
    /// Of the Access table, latest first.
    Latest,
    NewestFirst,
    OldestFirst,
    ByStatus,
    ByStage,
}

/// A moment as it is stored. The parser alone takes no other form.
fn is_moment(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|at| at.to_string() == text)
}

/// Whatever the record, its id has the form of one.
fn is_id(text: &str) -> bool {
    text.parse::<JobId>().is_ok_and(|id| id.to_string() == text)
}

/// Two parts on both sides of the first `#`.
fn are_parts(text: &str, is_first: fn(&str) -> bool, is_second: fn(&str) -> bool) -> bool {
    text.split_once('#').is_some_and(|(first, second)| is_first(first) && is_second(second))
}

/// Of a key's marker.
fn is_key_marker(text: &str) -> bool {
    text.strip_prefix("KEY#").is_some_and(|rest| are_parts(rest, is_moment, |id| KeyId::parse(id).is_some()))
}

/// Of a member's marker.
fn is_member_marker(text: &str) -> bool {
    Email::new(text).is_ok_and(|email| email.normalized() == text)
}

/// Of an activity.
fn is_activity(text: &str) -> bool {
    let is_unique =
        |text: &str| text.len() == activity::UNIQUE_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    are_parts(text, is_moment, is_unique)
}

impl List {
    fn of_table(kind: ListKind, partition: String, is_position: fn(&str) -> bool) -> Self {
        Self { kind, partition: partition.clone(), table_partition: partition, is_position }
    }

    /// The markers of all organizations.
    pub(crate) fn organizations() -> Self {
        Self::of_table(ListKind::Markers, organizations_partition(), is_id)
    }

    /// The organization's item, and before it the markers of its keys.
    pub(crate) fn api_keys(org: &OrgId) -> Self {
        Self::of_table(ListKind::Markers, organization_partition(org), is_key_marker)
    }

    /// The markers of the organization's keys, latest first, and before them the organization's item.
    pub(crate) fn latest_api_keys(org: &OrgId) -> Self {
        Self::of_table(ListKind::Latest, organization_partition(org), is_key_marker)
    }

    pub(crate) fn members(org: &OrgId) -> Self {
        Self::of_table(ListKind::Markers, member_partition(org), is_member_marker)
    }

    pub(crate) fn activities(org: &OrgId) -> Self {
        Self::of_table(ListKind::Latest, activity_partition(org), is_activity)
    }

    /// The days of a key that are over.
    pub(crate) fn api_key_days(id: &KeyId) -> Self {
        let is_day = |text: &str| text.parse::<Day>().is_ok_and(|day| day.to_string() == text);
        Self::of_table(ListKind::Latest, api_key_day_partition(id), is_day)
    }

    pub(crate) fn jobs(org: &OrgId, status: Option<JobStatus>) -> Self {
        let table_partition = job_partition(org);
        match status {
            None => Self::of_table(ListKind::NewestFirst, table_partition, is_id),
            Some(status) => Self {
                kind: ListKind::ByStatus,
                partition: job_status(org, status).1,
                table_partition,
                is_position: is_id,
            },
        }
    }

    pub(crate) fn candidates(org: &OrgId) -> Self {
        Self::of_table(ListKind::NewestFirst, candidate_partition(org), is_id)
    }

    pub(crate) fn stages(org: &OrgId) -> Self {
        Self::of_table(ListKind::OldestFirst, stage_partition(org), is_id)
    }

    pub(crate) fn candidates_at(org: &OrgId, stage: StageId) -> Self {
        Self {
            kind: ListKind::ByStage,
            partition: stage_candidate_partition(org, stage),
            table_partition: candidate_partition(org),
            is_position: |text| are_parts(text, is_moment, is_id),
        }
    }

    pub(crate) fn applications(org: &OrgId, job: JobId, status: Option<ApplicationStatus>) -> Self {
        let table_partition = application_partition(org, job);
        match status {
            None => Self::of_table(ListKind::NewestFirst, table_partition, is_id),
            Some(status) => Self {
                kind: ListKind::ByStatus,
                partition: application_status(org, job, status).1,
                table_partition,
                is_position: is_id,
            },
        }
    }

    /// Whether it lies in the Access table rather than in Records.
    pub(crate) fn is_of_access(&self) -> bool {
        matches!(self.kind, ListKind::Markers | ListKind::Latest)
    }

    pub(crate) fn index(&self) -> Option<&'static str> {
        match self.kind {
            ListKind::Markers | ListKind::Latest | ListKind::NewestFirst | ListKind::OldestFirst => None,
            ListKind::ByStatus => Some(BY_STATUS),
            ListKind::ByStage => Some(BY_STAGE),
        }
    }

    pub(crate) fn partition_name(&self) -> &'static str {
        match self.kind {
            ListKind::Markers | ListKind::Latest | ListKind::NewestFirst | ListKind::OldestFirst => PK,
            ListKind::ByStatus => STATUS_PK,
            ListKind::ByStage => STAGE_PK,
        }
    }

    pub(crate) fn partition(&self) -> &str {
        &self.partition
    }

    pub(crate) fn ascending(&self) -> bool {
        matches!(self.kind, ListKind::OldestFirst | ListKind::Markers)
    }

    /// The stages are few, and a new organization's must all be there at once: a new candidate enters the first of them.
    /// What an operator has just made is to be listed. A day's count is either here or on the key's item.
    pub(crate) fn is_read_consistently(&self) -> bool {
        matches!(self.kind, ListKind::OldestFirst | ListKind::Markers | ListKind::Latest)
    }

    /// Where a row is in the list's order: its sort key.
    pub(crate) fn position(&self, row: &Item) -> Result<String, DbError> {
        let name = if self.kind == ListKind::ByStage { STAGE_SK } else { SK };
        text(row, name).map(str::to_owned).ok_or(DbError::Unreadable("a row without its sort key"))
    }

    /// `ExclusiveStartKey` for the rows after `position`: the sort key, the keys of the row in its table, and the
    /// partitions, which come from the caller and never from the cursor.
    /// `None`: the position has no form that this list's have. DynamoDB would not take every text: none that is empty, for one.
    pub(crate) fn start_key(&self, position: &str) -> Option<Item> {
        if !(self.is_position)(position) {
            return None;
        }
        let sort_key = match self.kind {
            ListKind::ByStage => position.split_once('#')?.1,
            _ => position,
        };
        let mut key = Key::new(self.table_partition.clone(), sort_key).into_item();
        key.insert(self.partition_name().to_owned(), string(&self.partition));
        if self.kind == ListKind::ByStage {
            key.insert(STAGE_SK.to_owned(), string(position));
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// Every list there is, with the sort key of a row of it.
    fn lists() -> Vec<(List, String)> {
        let clock = Clock::system();
        let (org, now) = (OrgId::new(clock.stamp()), clock.now());
        let (id, key) = (clock.stamp(), KeyId::parse("AbCdEf0123").unwrap());
        let (job, stage, candidate) = (JobId::from(id), StageId::from(id), CandidateId::from(id));
        let email = Email::new("Ada@example.com").unwrap().normalized();
        let sort_key = |key: Key| text(&key.into_item(), SK).unwrap().to_owned();
        let [_, (_, arrival)] = stage_arrival(&org, stage, now, candidate);
        vec![
            (List::organizations(), sort_key(organization_marker(&org))),
            (List::api_keys(&org), sort_key(api_key_marker(&org, now, &key))),
            (List::latest_api_keys(&org), sort_key(api_key_marker(&org, now, &key))),
            (List::members(&org), sort_key(member_marker(&org, &email))),
            (List::activities(&org), sort_key(activity(&org, now, "0aB1cD2e"))),
            (List::api_key_days(&key), sort_key(api_key_day(&key, Day::of(now)))),
            (List::jobs(&org, None), job.to_string()),
            (List::jobs(&org, Some(JobStatus::Open)), job.to_string()),
            (List::candidates(&org), job.to_string()),
            (List::stages(&org), stage.to_string()),
            (List::candidates_at(&org, stage), arrival),
            (List::applications(&org, job, None), job.to_string()),
            (List::applications(&org, job, Some(ApplicationStatus::New)), job.to_string()),
        ]
    }

    #[test]
    fn every_list_takes_the_positions_of_its_rows_and_no_other_text() {
        for (list, position) in lists() {
            assert!(list.start_key(&position).is_some(), "{list:?} {position}");
            let long = "x".repeat(500);
            let cut = &position[..position.len() - 1];
            let odd = [
                "",
                " ",
                "#",
                "##",
                "\0",
                "x",
                "ORG",
                "KEY",
                "KEY#",
                "KEY##",
                "é",
                &long,
                cut,
                &format!(" {position}"),
                &format!("{position} "),
                &format!("{position}#"),
                &format!("#{position}"),
                &format!("{position}\0"),
                &format!("{position}{position}"),
            ]
            .map(str::to_owned);
            // What is an e-mail may be a member's.
            let is_other = |odd: &String| *odd != position && Email::new(odd).is_err();
            for odd in odd.into_iter().filter(is_other) {
                assert!(list.start_key(&odd).is_none(), "{list:?} takes {odd:?}");
            }
            for (_, other) in lists().iter().filter(|(_, other)| other.len() != position.len()) {
                assert!(list.start_key(other).is_none(), "{list:?} takes {other}");
            }
        }
    }
}
