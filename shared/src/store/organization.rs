//! Organizations: the name, the plan, and the accounts that the keys and the month are in. It knows no HTTP.
//!
//! The limits are not on an item but in [`plan`](crate::model::plan). Each condition names every plan with its limit, so a change to either
//! takes effect at once, and no item has to be rewritten.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use crate::{
    model::{
        clock::{Stamp, Timestamp},
        id::OrgId,
        key::{AccountId, KeyId},
        plan::{Allowance, Plan},
        value::ShortText,
        window::Month,
    },
    store::{
        account::{self, Account},
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
const CREATED_AT: &str = "createdAt";
/// The ids of its accounts.
const ACCOUNTS: &str = "accounts";
/// How often its plan or its accounts have changed.
const CHANGES: &str = "changes";

/// The most accounts of an organization: a change of plan is one transaction, which has at most 100 parts, over all of them, the
/// organization itself and an entry of the activity log.
pub(crate) const MAX_ACCOUNTS: u64 = 98;

/// The accounts of an organization.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// There is at least one.
    pub(crate) all: Vec<Account>,
    plan: Plan,
    changes: u64,
}

impl Accounts {
    /// The organization's plan, which all accounts have.
    pub(crate) fn plan(&self) -> Plan {
        self.plan
    }

    /// How many keys they have.
    pub(crate) fn live_keys(&self) -> u64 {
        self.all.iter().map(|account| account.live).sum()
    }

    /// Requests in this month.
    fn in_month(&self, month: Month) -> u64 {
        self.all.iter().map(|account| account.in_month(month)).sum()
    }

    /// Whether there are as many as there can be.
    pub(crate) fn are_all(&self) -> bool {
        u64::try_from(self.all.len()).is_ok_and(|count| count >= MAX_ACCOUNTS)
    }
}

/// The ids of an organization's accounts.
fn account_ids(item: &Item) -> Option<Vec<AccountId>> {
    item.get(ACCOUNTS)?.as_ss().ok()?.iter().map(|id| AccountId::parse(id)).collect()
}

/// Reads the accounts of organizations.
async fn accounts_of(db: &Db, items: &[Item]) -> Result<BTreeMap<AccountId, Account>, DbError> {
    let ids: Option<Vec<Vec<AccountId>>> = items.iter().map(account_ids).collect();
    let ids = ids.ok_or(DbError::Unreadable("an organization"))?;
    let accounts = db.get_all(Table::Access, ids.iter().flatten().map(table::account).collect()).await?;
    accounts.iter().map(|item| Account::read(item).map(|account| (account.id.clone(), account))).collect()
}

/// An organization's accounts, of those that were read. `None`: one is missing.
fn accounts_in(item: &Item, read: &mut BTreeMap<AccountId, Account>) -> Option<Accounts> {
    let all: Vec<Account> = account_ids(item)?.iter().map(|id| read.remove(id)).collect::<Option<_>>()?;
    Some(Accounts { plan: all.first()?.plan, changes: integer(item, CHANGES)?, all })
}

/// The organization's item and accounts. `None`: there is no such organization.
async fn whole(db: &Db, org: &OrgId) -> Result<Option<(Item, Accounts)>, DbError> {
    let mut backoff = Backoff::new();
    loop {
        let Some(item) = db.get_access(table::organization(org)).await? else { return Ok(None) };
        let mut read = accounts_of(db, std::slice::from_ref(&item)).await?;
        if let Some(accounts) = accounts_in(&item, &mut read) {
            return Ok(Some((item, accounts)));
        }
        // An account was given up after the organization was read.
        backoff.pause().await?;
    }
}

/// The organization's accounts. `None`: there is no such organization.
pub(crate) async fn accounts(db: &Db, org: &OrgId) -> Result<Option<Accounts>, DbError> {
    Ok(whole(db, org).await?.map(|(_, accounts)| accounts))
}

/// Adds an account beside `others`, if neither they nor the plan have changed since they were read. It is part of the transaction that
/// creates the account.
pub(crate) fn add_account(
    transaction: &mut Transaction<'_>,
    org: &OrgId,
    others: &Accounts,
    account: &AccountId,
) -> Result<Part, DbError> {
    let add = Expression::update("ADD #accounts :account, #changes :one")
        .only_if("#changes = :seen")
        .names([("#accounts", ACCOUNTS), ("#changes", CHANGES)])
        .values([
            (":account", AttributeValue::Ss(vec![account.to_string()])),
            (":one", number(1)),
            (":seen", number(others.changes)),
        ]);
    transaction.update(Table::Access, table::organization(org), add)
}

/// Creates an organization with the six default stages. `stamp` supplies a fresh id for each. Its keys' ids begin with `account`.
pub async fn create(
    db: &Db,
    name: &ShortText,
    plan: Plan,
    account: &AccountId,
    mut stamp: impl FnMut() -> Stamp,
) -> Result<OrgId, DbError> {
    let created = stamp();
    let org = OrgId::new(created);
    let item = Item::from([
        (NAME.to_owned(), string(name.as_str())),
        (CREATED_AT.to_owned(), string(created.now())),
        (ACCOUNTS.to_owned(), AttributeValue::Ss(vec![account.to_string()])),
        (CHANGES.to_owned(), number(0)),
    ]);
    let mut transaction = Transaction::new(db);
    transaction.put_new(Table::Access, table::organization(&org).with(item))?;
    transaction.put_new(Table::Access, account::new_account(account, &org, plan, Vec::new()))?;
    transaction.put_new(Table::Access, table::organization_marker(&org).into_item())?;
    for stage in stage::defaults(stamp) {
        transaction.put_new(Table::Records, stage.item(&org)?)?;
    }
    match transaction.commit().await? {
        Ok(()) => Ok(org),
        Err(_) => Err(DbError::Rejected("the id of the organization or of its account is taken".to_owned())),
    }
}

/// The outcome of a change of plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanChange {
    /// The organization is on the plan.
    Done,
    /// The plan allows fewer keys, or only keys of one account. These are to be revoked first.
    TooManyKeys(Vec<KeyId>),
    /// There is no such organization.
    Unknown,
}

/// Changes the organization's plan, from the next request on. An instance that has just found the month used up notices within five
/// seconds. If the organization is already on the plan, nothing is changed or logged.
///
/// On a plan that limits the month, all keys are in one account, because that is where the month is counted. So an organization with more
/// keys than the plan allows, or with keys in several accounts, keeps its plan, unless the new one allows no request at all.
pub async fn set_plan(db: &Db, org: &OrgId, now: Timestamp, after: Plan, actor: &Actor) -> Result<PlanChange, DbError> {
    let mut backoff = Backoff::new();
    loop {
        let Some(accounts) = accounts(db, org).await? else { return Ok(PlanChange::Unknown) };
        let before = accounts.plan();
        if before == after {
            return Ok(PlanChange::Done);
        }
        let keep = match after.keys() {
            Allowance::Limited(allowed) if allowed > 0 => match kept_account(&accounts, allowed) {
                Ok(keep) => Some(keep),
                Err(others) => return Ok(PlanChange::TooManyKeys(others)),
            },
            _ => None,
        };
        let mut transaction = Transaction::new(db);
        change_accounts(&mut transaction, &accounts, after, keep)?;
        let kept = accounts.all.iter().filter(|account| keep.is_none_or(|keep| keep.id == account.id));
        let change = Expression::update("SET #accounts = :kept ADD #changes :one")
            .only_if("#changes = :seen")
            .names([("#accounts", ACCOUNTS), ("#changes", CHANGES)])
            .values([
                (":kept", AttributeValue::Ss(kept.map(|account| account.id.to_string()).collect())),
                (":one", number(1)),
                (":seen", number(accounts.changes)),
            ]);
        transaction.update(Table::Access, table::organization(org), change)?;
        activity::add(&mut transaction, org, now, Act::PlanChanged, &Subject::Plan { before, after }, actor)?;
        if transaction.commit().await?.is_ok() {
            return Ok(PlanChange::Done);
        }
        // The plan, a key or an account has changed since they were read.
        backoff.pause().await?;
    }
}

/// Changes the plan of every account. If only one of them is kept, the others, which have no keys, are deleted, and what they counted in a
/// month is added to it.
fn change_accounts(
    transaction: &mut Transaction<'_>,
    accounts: &Accounts,
    plan: Plan,
    keep: Option<&Account>,
) -> Result<(), DbError> {
    for account in &accounts.all {
        let key = table::account(&account.id);
        match keep {
            Some(keep) if keep.id != account.id => {
                transaction.delete(Table::Access, key, account::unchanged(account))?;
            }
            _ => {
                let mut add: BTreeMap<Month, u64> = BTreeMap::new();
                for other in accounts.all.iter().filter(|other| keep.is_some() && other.id != account.id) {
                    for (month, count) in &other.months {
                        *add.entry(*month).or_default() += count;
                    }
                }
                transaction.update(Table::Access, key, account::set_plan(account, plan, &add))?;
            }
        }
    }
    Ok(())
}

/// The one account that has keys, if they are not more than `allowed`. Otherwise the keys to revoke: all but the last used ones of the
/// account with most keys.
fn kept_account(accounts: &Accounts, allowed: u64) -> Result<&Account, Vec<KeyId>> {
    let keep = accounts.all.iter().max_by_key(|account| account.live).ok_or(Vec::new())?;
    let mut last_used: Vec<_> = keep.keys.iter().collect();
    last_used.sort_by_key(|(number, key)| (std::cmp::Reverse(key.last_used_at), **number));
    let too_many = last_used.iter().skip(usize::try_from(allowed).unwrap_or(usize::MAX));
    let elsewhere = accounts.all.iter().filter(|account| account.id != keep.id);
    let mut revoke: Vec<KeyId> = elsewhere
        .flat_map(|account| account.keys.keys().map(|number| KeyId::new(&account.id, *number)))
        .chain(too_many.map(|(number, _)| KeyId::new(&keep.id, **number)))
        .collect();
    revoke.sort_unstable();
    if revoke.is_empty() { Ok(keep) } else { Err(revoke) }
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
    fn read(item: &Item, accounts: &Accounts, now: Timestamp) -> Result<Self, DbError> {
        let whole = || {
            Some(Self {
                id: table::organization_of(item)?,
                name: text(item, NAME)?.to_owned(),
                plan: accounts.plan(),
                keys: accounts.live_keys(),
                requests_this_month: accounts.in_month(Month::of(now)),
                created_at: text(item, CREATED_AT)?.parse().ok()?,
            })
        };
        whole().ok_or(DbError::Unreadable("an organization"))
    }
}

/// The organization with this id. It is an error if it does not exist, since the id was found in another item.
pub async fn get(db: &Db, org: &OrgId, now: Timestamp) -> Result<Organization, DbError> {
    of_id(db, org, now).await?.ok_or(DbError::Unreadable("an organization that is gone"))
}

/// The organization with this id. `None`: it does not exist, or the text is not an id.
pub async fn find(db: &Db, id: &str, now: Timestamp) -> Result<Option<Organization>, DbError> {
    let Ok(org) = OrgId::stored(id) else { return Ok(None) };
    of_id(db, &org, now).await
}

async fn of_id(db: &Db, org: &OrgId, now: Timestamp) -> Result<Option<Organization>, DbError> {
    whole(db, org).await?.map(|(item, accounts)| Organization::read(&item, &accounts, now)).transpose()
}

/// Up to 100 organizations, oldest first, after the given one, and whether there are more.
pub async fn list(db: &Db, after: Option<&OrgId>, now: Timestamp) -> Result<(Vec<Organization>, bool), DbError> {
    let start = after.map(|org| table::organization_marker(org).into_item());
    let (markers, more) = db.query(&List::organizations(), start, 100).await?;
    let orgs: Vec<OrgId> = markers.iter().filter_map(table::marked_organization).collect();
    let items = db.get_all(Table::Access, orgs.iter().map(table::organization).collect()).await?;
    let mut read = accounts_of(db, &items).await?;
    let mut organizations = Vec::new();
    for item in &items {
        match accounts_in(item, &mut read) {
            Some(accounts) => organizations.push(Organization::read(item, &accounts, now)?),
            // It has changed between the two reads.
            None => match table::organization_of(item) {
                Some(org) => organizations.extend(of_id(db, &org, now).await?),
                None => return Err(DbError::Unreadable("an organization")),
            },
        }
    }
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
