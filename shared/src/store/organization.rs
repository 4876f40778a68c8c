//! Organizations: the plan, the number of keys, and the number of requests in each month. It knows no HTTP.
//!
//! The limits are not in the item but in [`plan`](crate::model::plan). Each condition names every plan with its limit, so a change to
//! either takes effect at once, and no item has to be rewritten.

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

/// The result of counting a request.
#[derive(Debug)]
pub(crate) struct MonthUse {
    /// `None`: the plan is unlimited.
    pub(crate) month: Option<Standing>,
    /// Whether the month had room for the request. If so, it has been counted.
    pub(crate) admitted: bool,
}

/// Counts a request in the month, with one conditional update that increments the counter only while it is below the plan's limit. `None`:
/// the plan has no API access.
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

/// The condition that the counter `#used` is below the limit of the item's plan, with its values:
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

/// Creates an organization with the six default stages. `stamp` supplies a fresh id for each.
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

/// Changes the organization's plan, from the next request on. An instance that has just found the month used up notices within five
/// seconds. If the organization is already on the plan, nothing is changed or logged. `false`: there is no such organization.
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
        // The plan has changed since it was read.
        backoff.pause().await?;
    }
}

/// An organization.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Its plan.
    pub plan: Plan,
    /// The number of keys that are not revoked.
    pub keys: u64,
    /// Requests in the current month.
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

/// The organization with this id. It is an error if it does not exist, since the id was found in another item.
pub async fn get(db: &Db, org: &OrgId, now: Timestamp) -> Result<Organization, DbError> {
    let item = db.get_access(table::organization(org)).await?;
    Organization::read(&item.ok_or(DbError::Unreadable("an organization that is gone"))?, now)
}

/// The organization with this id. `None`: it does not exist, or the text is not an id.
pub async fn find(db: &Db, id: &str, now: Timestamp) -> Result<Option<Organization>, DbError> {
    let Ok(org) = OrgId::stored(id) else { return Ok(None) };
    let item = db.get_access(table::organization(&org)).await?;
    item.map(|item| Organization::read(&item, now)).transpose()
}

/// Up to 100 organizations, oldest first, after the given one, and whether there are more.
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

/// The organization that was created with this stamp, if it exists. This is how demo data from an earlier run is found. A stamp is not a
/// secret, but a caller of this function can access the tables anyway.
pub async fn created_with(db: &Db, stamp: Stamp) -> Result<Option<OrgId>, DbError> {
    let org = OrgId::new(stamp);
    let item = db.get_access(table::organization(&org)).await?;
    Ok(item.map(|_| org))
}

/// When the current month ends and the count starts again from zero.
#[must_use]
pub fn month_ends(now: Timestamp) -> Timestamp {
    Month::of(now).ends()
}

/// Counts one more key, if the plan has room for it. It is part of the transaction that creates the key.
pub(crate) fn count_key(transaction: &mut Transaction<'_>, org: &OrgId) -> Result<Part, DbError> {
    let (condition, values) = has_room(Plan::keys);
    let count = change_keys(1).only_if(condition).names([("#plan", PLAN)]).values(values);
    transaction.update(Table::Access, table::organization(org), count)
}

/// Counts one key less. It is part of the transaction that revokes the key.
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
    fn the_condition_names_every_plan_with_its_limit() {
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
