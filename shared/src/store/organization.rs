//! An organization's item: its plan, how many keys it has, and how many requests it made in each month.
//!
//! The limits are not in the item but in [`plan`](crate::model::plan): each condition names the plan together with what it
//! allows, so that a change of either counts at once, and no item has to be written anew.

use aws_sdk_dynamodb::types::ReturnValue;

use serde::Serialize;

use crate::{
    model::{
        clock::{Stamp, Timestamp},
        id::OrgId,
        plan::{Allowance, Plan},
        value::ShortText,
        window::{Month, Standing},
    },
    store::{
        activity::{self, Act, Actor, Subject},
        backoff::Backoff,
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string, text},
        list::List,
        stage,
        table::{self, Table},
        transaction::{Part, Transaction},
    },
};

const NAME: &str = "name";
const PLAN: &str = "plan";
const CREATED_AT: &str = "createdAt";
const KEYS: &str = "keys";

/// What the counting of a request showed.
#[derive(Debug)]
pub(crate) struct MonthUse {
    /// `None`: the plan is unlimited.
    pub(crate) month: Option<Standing>,
    /// The month had room for the request, which is counted now.
    pub(crate) admitted: bool,
}

/// Counts a request in the month, in one conditional update that raises the counter only below what the plan allows.
/// `None`: the plan has no API access.
pub(crate) async fn count_request(db: &Db, org: &OrgId, now: Timestamp) -> Result<Option<MonthUse>, DbError> {
    let counter = Month::of(now).attribute();
    let (condition, values) = has_room(Plan::monthly_requests);
    let count = Expression::update("ADD #used :one")
        .only_if(condition)
        .names([("#used", counter.as_str()), ("#plan", PLAN)])
        .values(values)
        .values([(":one", number(1))]);
    let counted = db.update(Table::Access, table::organization(org), count, ReturnValue::AllNew).await?;
    let (item, admitted) = match counted {
        Ok(item) => (item, true),
        Err(item) => (item.unwrap_or_default(), false),
    };
    let plan = plan(&item).ok_or(DbError::Unreadable("an organization without its plan"))?;
    if !plan.has_api_access() {
        return Ok(None);
    }
    let used = integer(&item, &counter).unwrap_or(0);
    Ok(Some(MonthUse { month: Standing::of_plan(plan, used, now), admitted }))
}

/// The condition that the counter `#used` is below what the plan of the item allows, with its values:
/// `(#plan = :starter AND (attribute_not_exists(#used) OR #used < :starterMax)) OR … OR #plan = :enterprise`.
fn has_room(allowance: fn(Plan) -> Allowance) -> (String, Item) {
    let mut values = Item::new();
    let mut cases = Vec::new();
    for plan in Plan::ALL {
        match allowance(plan) {
            Allowance::Limited(0) => continue,
            Allowance::Limited(limit) => {
                values.insert(format!(":{plan}Max"), number(limit));
                cases.push(format!("(#plan = :{plan} AND (attribute_not_exists(#used) OR #used < :{plan}Max))"));
            }
            Allowance::Unlimited => cases.push(format!("#plan = :{plan}")),
        }
        values.insert(format!(":{plan}"), string(plan));
    }
    (cases.join(" OR "), values)
}

pub(crate) fn plan(item: &Item) -> Option<Plan> {
    text(item, PLAN)?.parse().ok()
}

/// Creates an organization with the six stages that every pipeline begins with. `stamp` gives a fresh id for each.
pub async fn create(db: &Db, name: &ShortText, plan: Plan, mut stamp: impl FnMut() -> Stamp) -> Result<OrgId, DbError> {
    let created = stamp();
    let org = OrgId::new(created);
    let item = Item::from([
        (NAME.to_owned(), string(name.as_str())),
        (PLAN.to_owned(), string(plan)),
        (CREATED_AT.to_owned(), string(created.now())),
        (KEYS.to_owned(), number(0)),
    ]);
    let mut transaction = Transaction::new(db);
    transaction.put_new(Table::Access, table::organization(&org).with(item))?;
    transaction.put_new(Table::Access, table::organization_marker(&org).into_item())?;
    for stage in stage::defaults(stamp) {
        transaction.put_new(Table::Records, stage.item(&org)?)?;
    }
    match transaction.commit().await? {
        Ok(()) => Ok(org),
        Err(_) => Err(DbError::Rejected("the organization's id is taken".to_owned())),
    }
}

/// Puts the organization on another plan. Its next request counts by it, but for an instance that has just found the
/// month used up, which takes notice within five seconds. The plan that it is on is no change, and no entry. `false`: there is no such
/// organization.
pub async fn set_plan(db: &Db, org: &OrgId, now: Timestamp, after: Plan, actor: &Actor) -> Result<bool, DbError> {
    let mut backoff = Backoff::new();
    loop {
        let Some(item) = db.get_access(table::organization(org)).await? else { return Ok(false) };
        let before = plan(&item).ok_or(DbError::Unreadable("an organization without its plan"))?;
        if before == after {
            return Ok(true);
        }
        let change = Expression::update("SET #plan = :after")
            .only_if("#plan = :before")
            .names([("#plan", PLAN)])
            .values([(":before", string(before)), (":after", string(after))]);
        let mut transaction = Transaction::new(db);
        transaction.update(Table::Access, table::organization(org), change)?;
        activity::add(&mut transaction, org, now, Act::PlanChanged, &Subject::Plan { before, after }, actor)?;
        if transaction.commit().await?.is_ok() {
            return Ok(true);
        }
        // Somebody else has changed it since it was read.
        backoff.pause().await?;
    }
}

/// An organization, as its operator sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// What people call it.
    pub name: String,
    /// What it has bought.
    pub plan: Plan,
    /// Keys that are not revoked.
    pub keys: u64,
    /// Requests of the month that `now` is in.
    pub requests_this_month: u64,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Organization {
    fn read(item: &Item, now: Timestamp) -> Result<Self, DbError> {
        let whole = || {
            Some(Self {
                id: table::organization_of(item)?,
                name: text(item, NAME)?.to_owned(),
                plan: plan(item)?,
                keys: integer(item, KEYS)?,
                requests_this_month: integer(item, &Month::of(now).attribute()).unwrap_or(0),
                created_at: text(item, CREATED_AT)?.parse().ok()?,
            })
        };
        whole().ok_or(DbError::Unreadable("an organization"))
    }
}

/// The organization, which there is, since its id was found.
pub async fn get(db: &Db, org: &OrgId, now: Timestamp) -> Result<Organization, DbError> {
    let item = db.get_access(table::organization(org)).await?;
    Organization::read(&item.ok_or(DbError::Unreadable("an organization that is gone"))?, now)
}

/// The organization with this id, if `id` is one and it is there.
pub async fn find(db: &Db, id: &str, now: Timestamp) -> Result<Option<Organization>, DbError> {
    let Ok(org) = OrgId::stored(id) else { return Ok(None) };
    let item = db.get_access(table::organization(&org)).await?;
    item.map(|item| Organization::read(&item, now)).transpose()
}

/// Up to 100 organizations, oldest first, after the one that is named; and whether there are more.
pub async fn list(db: &Db, after: Option<&OrgId>, now: Timestamp) -> Result<(Vec<Organization>, bool), DbError> {
    let start = after.map(|org| table::organization_marker(org).into_item());
    let (markers, more) = db.query(&List::organizations(), start, 100).await?;
    let orgs: Vec<OrgId> = markers.iter().filter_map(table::marked_organization).collect();
    let items = db.get_all_access(orgs.iter().map(table::organization).collect()).await?;
    let mut organizations: Vec<Organization> =
        items.iter().map(|item| Organization::read(item, now)).collect::<Result<_, _>>()?;
    organizations.sort_by_key(|organization| organization.id);
    Ok((organizations, more))
}

/// The organization that was created with this stamp, if it is there: how demo data that was kept is found again. A
/// stamp is no secret, but whoever has one here has the tables too.
pub async fn created_with(db: &Db, stamp: Stamp) -> Result<Option<OrgId>, DbError> {
    let org = OrgId::new(stamp);
    let item = db.get_access(table::organization(&org)).await?;
    Ok(item.map(|_| org))
}

/// When the month that `now` is in is over, and requests are counted anew.
#[must_use]
pub fn month_ends(now: Timestamp) -> Timestamp {
    Month::of(now).ends()
}

/// Counts one more key, if the plan has room for it: part of the transaction that makes the key.
pub(crate) fn count_key(transaction: &mut Transaction<'_>, org: &OrgId) -> Result<Part, DbError> {
    let (condition, values) = has_room(Plan::keys);
    let count = change_keys(1).only_if(condition).names([("#plan", PLAN)]).values(values);
    transaction.update(Table::Access, table::organization(org), count)
}

/// Counts one key less: part of the transaction that revokes it.
pub(crate) fn release_key(transaction: &mut Transaction<'_>, org: &OrgId) -> Result<Part, DbError> {
    transaction.update(Table::Access, table::organization(org), change_keys(-1))
}

fn change_keys(by: i64) -> Expression {
    Expression::update("ADD #used :by").names([("#used", KEYS)]).values([(":by", number(by))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_names_every_plan_with_what_it_allows() {
        let (condition, values) = has_room(Plan::monthly_requests);
        assert_eq!(
            condition,
            "(#plan = :starter AND (attribute_not_exists(#used) OR #used < :starterMax)) OR \
             (#plan = :professional AND (attribute_not_exists(#used) OR #used < :professionalMax)) OR \
             #plan = :enterprise"
        );
        assert_eq!(values[":starterMax"], number(1_000));
        assert!(!values.contains_key(":free"));
    }
}
