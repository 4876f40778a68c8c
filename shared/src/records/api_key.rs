//! A key's item: whose it is, what it may do, when it was last used, and how often in this minute and today. The key itself is
//! not in it.

mod count;
mod rotation;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use serde::Serialize;

pub(crate) use count::{KeyUse, count_request};
pub use rotation::{PreviousSecret, Rotated, Rotation, rotate};
use rotation::{ROTATED_AT, ROTATIONS};

use crate::{
    clock::Timestamp,
    db::{Db, DbError, Item, built, integer, number, string, text},
    error::ApiError,
    exchange,
    id::OrgId,
    key::{ApiKey, Grant, KeyId},
    page::{self, Cursor},
    plan::Plan,
    records::{
        activity::{self, Act, Actor, OPERATOR, Subject},
        organization,
        usage::{self, Counts, Day},
    },
    scope::Scope,
    table::{self, List},
};

const HASH: &str = "hash";
const ORGANIZATION: &str = "organizationId";
const SCOPES: &str = "scopes";
const NAME: &str = "name";
const LAST_FOUR: &str = "lastFour";
const CREATED_AT: &str = "createdAt";
const CREATED_BY: &str = "createdBy";
/// Milliseconds since 1970, so that a condition can compare it.
const EXPIRES_AT: &str = "expiresAt";
const REVOKED_AT: &str = "revokedAt";
const LAST_USED_AT: &str = "lastUsedAt";

fn grant(item: &Item) -> Result<Grant, DbError> {
    let org = text(item, ORGANIZATION).and_then(|org| OrgId::stored(org).ok());
    let scopes = item.get(SCOPES).and_then(|scopes| scopes.as_ss().ok());
    Ok(Grant {
        org: org.ok_or(DbError::Unreadable("a key without its organization"))?,
        // A scope that was taken out of the closed set grants nothing.
        scopes: scopes.into_iter().flatten().filter_map(|scope| scope.parse().ok()).collect(),
        expires_at: integer(item, EXPIRES_AT).map(Timestamp::from_millis),
    })
}

/// What a new key is made of.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From when on it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Why a key was not made.
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
    /// The id is taken already: generate another key.
    #[error("the key's id is taken")]
    IdTaken,
    /// DynamoDB failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes `key` a key of the organization. Its plan's number of keys is exact, also when two are made at once.
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
        (HASH.to_owned(), AttributeValue::B(Blob::new(key.hash().as_bytes()))),
        (ORGANIZATION.to_owned(), string(org)),
        (SCOPES.to_owned(), AttributeValue::Ss(scopes.iter().map(ToString::to_string).collect())),
        (NAME.to_owned(), string(&name)),
        (LAST_FOUR.to_owned(), string(key.last_four())),
        (CREATED_AT.to_owned(), string(now)),
        (CREATED_BY.to_owned(), string(actor.name())),
    ]);
    if let Some(expires_at) = expires_at {
        item.insert(EXPIRES_AT.to_owned(), number(expires_at.as_millis()));
    }
    let put = Put::builder()
        .table_name(db.access())
        .set_item(Some(table::api_key(&key.id()).with(item)))
        .condition_expression(table::ABSENT);
    let listed =
        Put::builder().table_name(db.access()).set_item(Some(table::api_key_marker(org, now, &key.id()).into_item()));
    let writes = vec![
        TransactWriteItem::builder().update(organization::count_key(db, org)?).build(),
        TransactWriteItem::builder().put(built(put.build())?).build(),
        TransactWriteItem::builder().put(built(listed.build())?).build(),
        activity::written(
            db,
            org,
            now,
            Act::Created,
            &Subject::Key { id: key.id(), name, last_four: key.last_four().to_owned() },
            actor,
        )?,
    ];
    let Err(refused) = db.transact(writes).await? else { return Ok(()) };
    match refused.write(0) {
        Some(None) => Err(CreateKeyError::UnknownOrganization),
        Some(Some(item)) => {
            let plan = organization::plan(item).ok_or(DbError::Unreadable("an organization without its plan"))?;
            Err(CreateKeyError::PlanLimit(plan))
        }
        None => Err(CreateKeyError::IdTaken),
    }
}

fn has_hash(item: &Item, name: &str, hash: &Blob) -> bool {
    item.get(name).and_then(|value| value.as_b().ok()) == Some(hash)
}

/// Refuses the key from the next request on, for good, and gives its place in the plan free. `false`: the organization
/// has no such key that is not revoked.
pub async fn revoke(db: &Db, org: &OrgId, id: &KeyId, now: Timestamp, actor: &Actor) -> Result<bool, DbError> {
    let Some(key) = find(db, org, id).await?.filter(|key| key.revoked_at.is_none()) else { return Ok(false) };
    let revoke = Update::builder()
        .table_name(db.access())
        .set_key(Some(table::api_key(id).into_item()))
        .update_expression("SET #revoked = :now")
        .condition_expression("#org = :org AND attribute_not_exists(#revoked)")
        .expression_attribute_names("#revoked", REVOKED_AT)
        .expression_attribute_names("#org", ORGANIZATION)
        .expression_attribute_values(":now", string(now))
        .expression_attribute_values(":org", string(org));
    let writes = vec![
        TransactWriteItem::builder().update(built(revoke.build())?).build(),
        TransactWriteItem::builder().update(organization::release_key(db, org)?).build(),
        activity::written(
            db,
            org,
            now,
            Act::Revoked,
            &Subject::Key { id: id.clone(), name: key.name, last_four: key.last_four },
            actor,
        )?,
    ];
    Ok(db.transact(writes).await?.is_ok())
}

/// A key, as its organization's admin and the operator see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySummary {
    /// The public id.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// The last four characters of the key.
    pub last_four: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom: a member's e-mail, or `operator`.
    pub created_by: String,
    /// From when on it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used; `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// How often its secret was changed.
    pub rotations: u64,
    /// When that was last done; `None`: never.
    pub rotated_at: Option<Timestamp>,
    /// The secret from before, if it was kept, also when its time is over.
    pub previous: Option<PreviousSecret>,
    /// When it was revoked; `None`: it was not.
    pub revoked_at: Option<Timestamp>,
    /// What happened on the days that are still on the item.
    #[serde(skip)]
    pub(crate) days: BTreeMap<Day, Counts>,
}

impl KeySummary {
    fn read(item: &Item) -> Result<Self, DbError> {
        let Grant { mut scopes, expires_at, .. } = grant(item)?;
        // DynamoDB sorts a set by its bytes.
        scopes.sort_unstable();
        let whole = || {
            Some(Self {
                id: table::api_key_of(item)?,
                name: text(item, NAME)?.to_owned(),
                last_four: text(item, LAST_FOUR)?.to_owned(),
                scopes,
                created_at: text(item, CREATED_AT)?.parse().ok()?,
                // A key from before this was noted was made by the operator: nobody else could.
                created_by: text(item, CREATED_BY).unwrap_or(OPERATOR).to_owned(),
                expires_at,
                last_used_at: text(item, LAST_USED_AT).and_then(|at| at.parse().ok()),
                rotations: integer(item, ROTATIONS).unwrap_or(0),
                rotated_at: text(item, ROTATED_AT).and_then(|at| at.parse().ok()),
                previous: PreviousSecret::read(item),
                revoked_at: text(item, REVOKED_AT).and_then(|at| at.parse().ok()),
                days: usage::counted(item),
            })
        };
        whole().ok_or(DbError::Unreadable("a key"))
    }

    /// Whether it is in its last days, as its answers tell then too.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.state(now).is_served() && self.expires_at.is_some_and(|at| exchange::is_soon(at, now))
    }

    /// What has become of it by `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        let is_over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if is_over(self.expires_at) {
            KeyState::Expired
        } else {
            match &self.previous {
                Some(previous) if previous.until > now => KeyState::Rotating { until: previous.until },
                _ => KeyState::Active,
            }
        }
    }
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is served.
    Active,
    /// It is served, and so is the secret from before its rotation, for a while.
    Rotating {
        /// From when on the secret from before is refused.
        until: Timestamp,
    },
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl KeyState {
    /// The state in one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rotating { .. } => "rotating",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it is served at all.
    #[must_use]
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Active | Self::Rotating { .. })
    }
}

/// The organization's key with this id. Another organization's reads like one that is not there.
pub async fn find(db: &Db, org: &OrgId, id: &KeyId) -> Result<Option<KeySummary>, DbError> {
    let Some(item) = db.get_access(table::api_key(id)).await? else { return Ok(None) };
    if grant(&item)?.org == *org { KeySummary::read(&item).map(Some) } else { Ok(None) }
}

/// Whether `key` is one of the organization's that is served, with its present secret.
pub async fn is_present(db: &Db, org: &OrgId, now: Timestamp, key: &ApiKey) -> Result<bool, DbError> {
    let Some(item) = db.get_access(table::api_key(&key.id())).await? else { return Ok(false) };
    let is_its_secret = has_hash(&item, HASH, &Blob::new(key.hash().as_bytes()));
    Ok(is_its_secret && grant(&item)?.org == *org && KeySummary::read(&item)?.state(now).is_served())
}

/// A page of the organization's keys, newest first.
pub async fn page(
    db: &Db,
    org: &OrgId,
    cursor: Option<&Cursor>,
    limit: u8,
) -> Result<(Vec<KeySummary>, Option<Cursor>), ApiError> {
    // Read backwards, the organization's own item is first in its partition.
    let first = table::organization(org).into_item();
    let (markers, next) = page::items(db, &List::latest_api_keys(org), cursor, Some(first), limit).await?;
    let mut keys = of_markers(db, &markers).await?;
    keys.reverse();
    Ok((keys, next))
}

/// The keys that the markers are of, oldest first.
async fn of_markers(db: &Db, markers: &[Item]) -> Result<Vec<KeySummary>, DbError> {
    let ids = markers.iter().filter_map(table::marked_key);
    let items = db.get_all_access(ids.map(|id| table::api_key(&id)).collect()).await?;
    let mut keys: Vec<KeySummary> = items.iter().map(KeySummary::read).collect::<Result<_, _>>()?;
    keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(keys)
}

/// Up to 100 keys of the organization, oldest first, after the one that is given; and whether there are more.
pub async fn list(db: &Db, org: &OrgId, after: Option<&KeySummary>) -> Result<(Vec<KeySummary>, bool), DbError> {
    let start = after.map(|key| table::api_key_marker(org, key.created_at, &key.id).into_item());
    let (markers, more) = db.query(&List::api_keys(org), start, 100).await?;
    Ok((of_markers(db, &markers).await?, more))
}
