//! Creates a key. It generates no secret, and shows none.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    model::{clock::Timestamp, id::OrgId, key::ApiKey, plan::Plan, scope::Scope, value::ShortText},
    store::{
        activity::{self, Act, Actor, Subject},
        api_key::item::{CREATED_AT, CREATED_BY, EXPIRES_AT, HASH, LAST_FOUR, NAME, ORGANIZATION, SCOPES, stored_hash},
        db::Db,
        error::DbError,
        item::{Item, number, string},
        organization,
        table::{self, Table},
        transaction::Transaction,
    },
};

/// The properties of a new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub name: ShortText,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// When it expires. `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// The organization has as many keys as its plan allows.
    #[error("the plan {0} allows no further key")]
    PlanLimit(Plan),
    /// A key without a scope could do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// There is no such organization.
    #[error("there is no such organization")]
    UnknownOrganization,
    /// The id is already taken: generate another key.
    #[error("the key's id is taken")]
    IdTaken,
    /// DynamoDB failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds `key` to the organization. The plan's limit on keys is exact, even if two are created at once.
pub async fn create(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    key: &ApiKey,
    new: NewKey,
    actor: &Actor,
) -> Result<(), CreateKeyError> {
    let NewKey { name, scopes, expires_at } = new;
    if scopes.is_empty() {
        return Err(CreateKeyError::NoScope);
    }
    let mut item = Item::from([
        (HASH.to_owned(), stored_hash(key)),
        (ORGANIZATION.to_owned(), string(org)),
        (SCOPES.to_owned(), AttributeValue::Ss(scopes.iter().map(ToString::to_string).collect())),
        (NAME.to_owned(), string(name.as_str())),
        (LAST_FOUR.to_owned(), string(key.last_four())),
        (CREATED_AT.to_owned(), string(now)),
        (CREATED_BY.to_owned(), string(actor.name())),
    ]);
    if let Some(expires_at) = expires_at {
        item.insert(EXPIRES_AT.to_owned(), number(expires_at.as_millis()));
    }
    let subject = Subject::Key { id: key.id(), name: name.as_str().to_owned(), last_four: key.last_four().to_owned() };
    let mut transaction = Transaction::new(db);
    let place = organization::count_key(&mut transaction, org)?;
    transaction.put_new(Table::Access, table::api_key(&key.id()).with(item))?;
    transaction.put(Table::Access, table::api_key_marker(org, now, &key.id()).into_item())?;
    activity::add(&mut transaction, org, now, Act::Created, &subject, actor)?;
    let Err(cancelled) = transaction.commit().await? else { return Ok(()) };
    match cancelled.failed(place) {
        Some(None) => Err(CreateKeyError::UnknownOrganization),
        Some(Some(item)) => {
            let plan = organization::plan(item).ok_or(DbError::Unreadable("an organization without its plan"))?;
            Err(CreateKeyError::PlanLimit(plan))
        }
        None => Err(CreateKeyError::IdTaken),
    }
}
