//! The lists, each an ordered partition of a table or of an index, and the position of a row in one. It reads nothing itself.

use crate::{
    model::{
        clock::Timestamp,
        id::{CandidateId, JobId, OrgId, StageId},
        key::KeyId,
        value::Email,
        window::Day,
    },
    store::{
        error::DbError,
        item::{Item, string, text},
        table::{
            ACTIVITY_SUFFIX_LEN, BY_EXTERNAL_ID, BY_JOB, BY_STAGE, BY_STATUS, EXTERNAL_PK, JOB_PK, Key, PK, SK,
            STAGE_PK, STAGE_SK, STATUS_PK, Table, activity_partition, api_key_day_partition, application_job,
            application_marker_partition, application_partition, application_status, candidate_external_id,
            candidate_partition, erasure_partition, job_external_id, job_partition, job_status, member_partition,
            organization_partition, organizations_partition, pending_erasure_partition, stage_candidate_partition,
            stage_partition,
        },
    },
};

/// A partition of a table or of an index that is read in order.
#[derive(Clone, Debug)]
pub(crate) struct List {
    kind: ListKind,
    /// The partition that is read, of the table or of the index.
    partition: String,
    /// The partition of the table that contains the rows.
    table_partition: String,
    /// Whether a text has the form of its rows' sort keys.
    is_sort_key: fn(&str) -> bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKind {
    /// In the Access table, ascending.
    Markers,
    /// In the Access table, latest first.
    Latest,
    NewestFirst,
    OldestFirst,
    ByExternalId,
    ByJob,
    ByStatus,
    ByStage,
}

/// Whether it is a moment as we store it.
fn is_moment(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|at| at.to_string() == text)
}

/// Whether it is an id, of any record: all have the same form.
fn is_id(text: &str) -> bool {
    text.parse::<JobId>().is_ok_and(|id| id.to_string() == text)
}

/// Whether the parts before and after the first `#` are valid.
fn are_parts(text: &str, is_first: fn(&str) -> bool, is_second: fn(&str) -> bool) -> bool {
    text.split_once('#').is_some_and(|(first, second)| is_first(first) && is_second(second))
}

/// Whether it is the sort key of a key's marker.
fn is_key_marker(text: &str) -> bool {
    text.strip_prefix("KEY#").is_some_and(|rest| are_parts(rest, is_moment, |id| KeyId::parse(id).is_some()))
}

/// Whether it is the sort key of a member's marker.
fn is_member_marker(text: &str) -> bool {
    Email::new(text).is_ok_and(|email| email.normalized() == text)
}

/// Whether it is the sort key of an activity.
fn is_activity(text: &str) -> bool {
    let is_unique =
        |text: &str| text.len() == ACTIVITY_SUFFIX_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    are_parts(text, is_moment, is_unique)
}

impl List {
    fn of_index(kind: ListKind, partition: String, table_partition: String) -> Self {
        Self { kind, partition, table_partition, is_sort_key: is_id }
    }

    fn of_table(kind: ListKind, partition: String, is_sort_key: fn(&str) -> bool) -> Self {
        Self { kind, partition: partition.clone(), table_partition: partition, is_sort_key }
    }

    /// The markers of all organizations.
    pub(crate) fn organizations() -> Self {
        Self::of_table(ListKind::Markers, organizations_partition(), is_id)
    }

    /// The markers of the organization's keys, oldest first. The organization's own item comes after them.
    pub(crate) fn api_keys(org: &OrgId) -> Self {
        Self::of_table(ListKind::Markers, organization_partition(org), is_key_marker)
    }

    /// The markers of the organization's keys, latest first. The organization's own item comes before them.
    pub(crate) fn latest_api_keys(org: &OrgId) -> Self {
        Self::of_table(ListKind::Latest, organization_partition(org), is_key_marker)
    }

    pub(crate) fn members(org: &OrgId) -> Self {
        Self::of_table(ListKind::Markers, member_partition(org), is_member_marker)
    }

    /// The erasures of an organization.
    pub(crate) fn erasures(org: &OrgId) -> Self {
        Self::of_table(ListKind::Markers, erasure_partition(org), is_id)
    }

    /// The erasures of all organizations that are not finished.
    pub(crate) fn pending_erasures() -> Self {
        Self::of_table(ListKind::Markers, pending_erasure_partition(), |text| are_parts(text, is_id, is_id))
    }

    pub(crate) fn activities(org: &OrgId) -> Self {
        Self::of_table(ListKind::Latest, activity_partition(org), is_activity)
    }

    /// A key's past days.
    pub(crate) fn api_key_days(id: &KeyId) -> Self {
        let is_day = |text: &str| text.parse::<Day>().is_ok_and(|day| day.to_string() == text);
        Self::of_table(ListKind::Latest, api_key_day_partition(id), is_day)
    }

    pub(crate) fn jobs(org: &OrgId, status: Option<&str>) -> Self {
        let table_partition = job_partition(org);
        match status {
            None => Self::of_table(ListKind::NewestFirst, table_partition, is_id),
            Some(status) => Self::of_index(ListKind::ByStatus, job_status(org, status).1, table_partition),
        }
    }

    /// The jobs with an external id.
    pub(crate) fn jobs_with(org: &OrgId, external_id: &str) -> Self {
        Self::of_index(ListKind::ByExternalId, job_external_id(org, external_id).1, job_partition(org))
    }

    /// The candidates with an external id.
    pub(crate) fn candidates_with(org: &OrgId, external_id: &str) -> Self {
        Self::of_index(ListKind::ByExternalId, candidate_external_id(org, external_id).1, candidate_partition(org))
    }

    /// The applications of a candidate, whose ids are in the markers.
    pub(crate) fn candidate_applications(org: &OrgId, candidate: CandidateId) -> Self {
        Self::of_table(ListKind::NewestFirst, application_marker_partition(org, candidate), is_id)
    }

    /// The markers of a candidate's applications, by job.
    pub(crate) fn application_markers(org: &OrgId, candidate: CandidateId) -> Self {
        Self::of_table(ListKind::OldestFirst, application_marker_partition(org, candidate), is_id)
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
            is_sort_key: |text| are_parts(text, is_moment, is_id),
        }
    }

    pub(crate) fn applications(org: &OrgId) -> Self {
        Self::of_table(ListKind::NewestFirst, application_partition(org), is_id)
    }

    pub(crate) fn job_applications(org: &OrgId, job: JobId, status: Option<&str>) -> Self {
        let table_partition = application_partition(org);
        match status {
            None => Self::of_index(ListKind::ByJob, application_job(org, job).1, table_partition),
            Some(status) => Self::of_index(ListKind::ByStatus, application_status(org, job, status).1, table_partition),
        }
    }

    /// The table that the list is in.
    pub(crate) fn table(&self) -> Table {
        match self.kind {
            ListKind::Markers | ListKind::Latest => Table::Access,
            ListKind::NewestFirst
            | ListKind::OldestFirst
            | ListKind::ByExternalId
            | ListKind::ByJob
            | ListKind::ByStatus
            | ListKind::ByStage => Table::Records,
        }
    }

    pub(crate) fn index(&self) -> Option<&'static str> {
        match self.kind {
            ListKind::Markers | ListKind::Latest | ListKind::NewestFirst | ListKind::OldestFirst => None,
            ListKind::ByExternalId => Some(BY_EXTERNAL_ID),
            ListKind::ByJob => Some(BY_JOB),
            ListKind::ByStatus => Some(BY_STATUS),
            ListKind::ByStage => Some(BY_STAGE),
        }
    }

    pub(crate) fn partition_name(&self) -> &'static str {
        match self.kind {
            ListKind::Markers | ListKind::Latest | ListKind::NewestFirst | ListKind::OldestFirst => PK,
            ListKind::ByExternalId => EXTERNAL_PK,
            ListKind::ByJob => JOB_PK,
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

    /// Stages are few, and all of a new organization's must be visible at once, because a new candidate enters the first. An erasure must
    /// find every marker. What an operator
    /// has just created must be listed. A day's count is in the list or on the account's item.
    pub(crate) fn is_read_consistently(&self) -> bool {
        matches!(self.kind, ListKind::OldestFirst | ListKind::Markers | ListKind::Latest)
    }

    /// The attribute that the list is sorted by.
    pub(crate) fn sort_key_name(&self) -> &'static str {
        if self.kind == ListKind::ByStage { STAGE_SK } else { SK }
    }

    /// A row's position in the list, which is its sort key.
    pub(crate) fn sort_key(&self, row: &Item) -> Result<String, DbError> {
        text(row, self.sort_key_name()).map(str::to_owned).ok_or(DbError::Unreadable("a row without its sort key"))
    }

    /// `ExclusiveStartKey` for the rows after the one with this sort key. It consists of the sort key, the row's key in its table, and the
    /// partitions, which come from the caller and never from the cursor. `None`: the text does not have the form of this list's sort keys.
    /// DynamoDB would reject some texts, such as an empty one.
    pub(crate) fn start_key(&self, after: &str) -> Option<Item> {
        if !(self.is_sort_key)(after) {
            return None;
        }
        let table_sort_key = match self.kind {
            ListKind::ByStage => after.split_once('#')?.1,
            _ => after,
        };
        let mut key = Key::new(self.table_partition.clone(), table_sort_key).into_item();
        key.insert(self.partition_name().to_owned(), string(&self.partition));
        if self.kind == ListKind::ByStage {
            key.insert(STAGE_SK.to_owned(), string(after));
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::clock::Clock,
        store::table::{
            activity, api_key_day, api_key_marker, member_marker, organization_marker, pending_erasure, stage_arrival,
        },
    };

    /// Every list, with the sort key of one of its rows.
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
            (List::erasures(&org), candidate.to_string()),
            (List::pending_erasures(), sort_key(pending_erasure(&org, candidate))),
            (List::members(&org), sort_key(member_marker(&org, &email))),
            (List::activities(&org), sort_key(activity(&org, now, "0aB1cD2e"))),
            (List::api_key_days(&key), sort_key(api_key_day(&key, Day::of(now)))),
            (List::jobs(&org, None), job.to_string()),
            (List::jobs(&org, Some("open")), job.to_string()),
            (List::jobs_with(&org, "REQ#1"), job.to_string()),
            (List::candidates(&org), job.to_string()),
            (List::candidates_with(&org, "REQ#1"), job.to_string()),
            (List::candidate_applications(&org, candidate), job.to_string()),
            (List::application_markers(&org, candidate), job.to_string()),
            (List::stages(&org), stage.to_string()),
            (List::candidates_at(&org, stage), arrival),
            (List::applications(&org), job.to_string()),
            (List::job_applications(&org, job, None), job.to_string()),
            (List::job_applications(&org, job, Some("new")), job.to_string()),
        ]
    }

    #[test]
    fn every_list_accepts_the_sort_keys_of_its_rows_and_no_other_text() {
        for (list, sort_key) in lists() {
            assert!(list.start_key(&sort_key).is_some(), "{list:?} {sort_key}");
            let long = "x".repeat(500);
            let cut = &sort_key[..sort_key.len() - 1];
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
                &format!(" {sort_key}"),
                &format!("{sort_key} "),
                &format!("{sort_key}#"),
                &format!("#{sort_key}"),
                &format!("{sort_key}\0"),
                &format!("{sort_key}{sort_key}"),
            ]
            .map(str::to_owned);
            // Any email may be a member's.
            let is_other = |odd: &String| *odd != sort_key && Email::new(odd).is_err();
            for odd in odd.into_iter().filter(is_other) {
                assert!(list.start_key(&odd).is_none(), "{list:?} takes {odd:?}");
            }
            for (_, other) in lists().iter().filter(|(_, other)| other.len() != sort_key.len()) {
                assert!(list.start_key(other).is_none(), "{list:?} takes {other}");
            }
        }
    }
}
