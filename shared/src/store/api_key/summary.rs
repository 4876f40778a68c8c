//! Keys as members of their organization, and the operator, see them. It shows no secret.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::primitives::Blob;
use serde::Serialize;

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{self, ApiKey, Grant, KeyId},
        page::Cursor,
        scope::Scope,
        window::Day,
    },
    store::{
        activity::OPERATOR,
        api_key::item::{
            CREATED_AT, CREATED_BY, HASH, LAST_FOUR, LAST_USED_AT, NAME, PREVIOUS_HASH, PREVIOUS_LAST_FOUR,
            PREVIOUS_UNTIL, PREVIOUS_USES_BEFORE, REVOKED_AT, ROTATED_AT, ROTATIONS, grant, has_hash, uses_attribute,
        },
        db::Db,
        error::{DbError, StoreError},
        item::{Item, integer, text},
        key_day::{self, Counts},
        list::List,
        page, table,
    },
};

/// A key, as members of its organization and the operator see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySummary {
    /// The public id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// The last four characters of the key.
    pub last_four: String,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it: a member's email, or `operator`.
    pub created_by: String,
    /// When it expires. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used. `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// How often it has been rotated.
    pub rotations: u64,
    /// When it was last rotated. `None`: never.
    pub rotated_at: Option<Timestamp>,
    /// The previous secret, if it was kept, even if it is no longer valid.
    pub previous: Option<PreviousSecret>,
    /// When it was revoked. `None`: it was not.
    pub revoked_at: Option<Timestamp>,
    /// The counts of the days that are still on the item.
    #[serde(skip)]
    pub(crate) days: BTreeMap<Day, Counts>,
}

impl KeySummary {
    pub(super) fn read(item: &Item) -> Result<Self, DbError> {
        let Grant { mut scopes, expires_at, .. } = grant(item)?;
        // DynamoDB sorts a set by bytes.
        scopes.sort_unstable();
        let whole = || {
            Some(Self {
                id: table::api_key_of(item)?,
                name: text(item, NAME)?.to_owned(),
                last_four: text(item, LAST_FOUR)?.to_owned(),
                scopes,
                created_at: text(item, CREATED_AT)?.parse().ok()?,
                // A key that predates this attribute was created by the operator: no one else could.
                created_by: text(item, CREATED_BY).unwrap_or(OPERATOR).to_owned(),
                expires_at,
                last_used_at: text(item, LAST_USED_AT).and_then(|at| at.parse().ok()),
                rotations: integer(item, ROTATIONS).unwrap_or(0),
                rotated_at: text(item, ROTATED_AT).and_then(|at| at.parse().ok()),
                previous: PreviousSecret::read(item),
                revoked_at: text(item, REVOKED_AT).and_then(|at| at.parse().ok()),
                days: key_day::counted(item),
            })
        };
        whole().ok_or(DbError::Unreadable("a key"))
    }

    /// Whether it expires soon, which its responses announce too.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.state(now).is_served() && self.expires_at.is_some_and(|at| key::expires_soon(at, now))
    }

    /// Its state at `now`.
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

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is valid.
    Active,
    /// It is valid, and so is its previous secret, for a time.
    Rotating {
        /// Until when the previous secret is valid.
        until: Timestamp,
    },
    /// It has expired.
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

    /// Whether the key is valid.
    #[must_use]
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Active | Self::Rotating { .. })
    }
}

/// The organization's key with this id. Another organization's key is treated like a missing one.
pub async fn find(db: &Db, org: &OrgId, id: &KeyId) -> Result<Option<KeySummary>, DbError> {
    let Some(item) = db.get_access(table::api_key(id)).await? else { return Ok(None) };
    if grant(&item)?.org == *org { KeySummary::read(&item).map(Some) } else { Ok(None) }
}

/// Whether `key` is one of the organization's valid keys, with its current secret.
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
) -> Result<(Vec<KeySummary>, Option<Cursor>), StoreError> {
    // In descending order, the organization's own item is first in its partition, so start after it.
    let first = table::organization(org).into_item();
    let (markers, next) = page::items(db, &List::latest_api_keys(org), cursor, Some(first), limit).await?;
    let mut keys = of_markers(db, &markers).await?;
    keys.reverse();
    Ok((keys, next))
}

/// The keys that the markers are for, oldest first.
async fn of_markers(db: &Db, markers: &[Item]) -> Result<Vec<KeySummary>, DbError> {
    let ids = markers.iter().filter_map(table::marked_key);
    let items = db.get_all_access(ids.map(|id| table::api_key(&id)).collect()).await?;
    let mut keys: Vec<KeySummary> = items.iter().map(KeySummary::read).collect::<Result<_, _>>()?;
    keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(keys)
}

/// Up to 100 keys of the organization, oldest first, after the given one, and whether there are more.
pub async fn list(db: &Db, org: &OrgId, after: Option<&KeySummary>) -> Result<(Vec<KeySummary>, bool), DbError> {
    let start = after.map(|key| table::api_key_marker(org, key.created_at, &key.id).into_item());
    let (markers, more) = db.query(&List::api_keys(org), start, 100).await?;
    Ok((of_markers(db, &markers).await?, more))
}

/// The secret that a key had before its last rotation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSecret {
    /// The last four characters of the whole key.
    pub last_four: String,
    /// Until when it is valid.
    pub until: Timestamp,
    /// How often it has been used since the rotation.
    pub uses: u64,
}

impl PreviousSecret {
    fn read(item: &Item) -> Option<Self> {
        let hash = item.get(PREVIOUS_HASH)?.as_b().ok()?;
        let uses: u64 = integer(item, &uses_attribute(hash.as_ref())).unwrap_or(0);
        Some(Self {
            last_four: text(item, PREVIOUS_LAST_FOUR)?.to_owned(),
            until: Timestamp::from_millis(integer(item, PREVIOUS_UNTIL)?),
            uses: uses.saturating_sub(integer(item, PREVIOUS_USES_BEFORE).unwrap_or(0)),
        })
    }
}
