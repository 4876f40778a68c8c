//! Keys as members of their organization, and the operator, see them. It shows no secret.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{self, AccountId, ApiKey, KeyHash, KeyId},
        page::Cursor,
        scope::Scope,
        window::{Day, Minute},
    },
    store::{
        account::{self, Account, AccountKey},
        api_key::item::{
            CREATED_AT, CREATED_BY, EXPIRES_AT, LAST_FOUR, LAST_USAGE_AT, LAST_USED_AT, LATE_USE_AT, LATE_USES, NAME,
            ORGANIZATION, PREVIOUS_EXPIRES_AT, PREVIOUS_LAST_FOUR, PREVIOUS_UNTIL, PREVIOUS_USES, REVOKED_AT,
            ROTATED_AT, ROTATIONS, SCOPES, usage_minute_of, usage_uses,
        },
        backoff::Backoff,
        db::Db,
        error::{DbError, StoreError},
        item::{Item, integer, text},
        list::List,
        page,
        table::{self, Table},
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
    /// How often its current secret was used.
    #[serde(skip)]
    pub uses: u64,
    /// How often it has been rotated.
    pub rotations: u64,
    /// When it was last rotated. `None`: never.
    pub rotated_at: Option<Timestamp>,
    /// The previous secret, if it was kept. Soon after its end, it is forgotten.
    pub previous: Option<PreviousSecret>,
    /// When it was revoked. `None`: it was not.
    pub revoked_at: Option<Timestamp>,
    /// How often a secret of the key was used after it had ended, as far as that was counted.
    pub late_uses: u64,
    /// When one last was. `None`: never.
    pub late_use_at: Option<Timestamp>,
    /// The organization.
    #[serde(skip)]
    pub(crate) org: OrgId,
    /// The counts of the days that are still on the account's item.
    #[serde(skip)]
    pub(crate) days: BTreeMap<Day, u64>,
    /// The minutes in which requests for the key's own usage are counted.
    #[serde(skip)]
    pub(crate) usage_minutes: Vec<Minute>,
}

impl KeySummary {
    /// Reads a key from its own item and its account's. `None`: the two were read at different moments, before and after a change.
    fn read(item: &Item, account: Option<&Account>) -> Result<Option<Self>, DbError> {
        let whole = || {
            let id = table::api_key_of(item)?;
            let moment = |name| text(item, name).and_then(|at| at.parse::<Timestamp>().ok());
            let millis = |name| integer(item, name).map(Timestamp::from_millis);
            let revoked_at = moment(REVOKED_AT);
            let hot = account.and_then(|account| account.keys.get(&id.number()));
            if hot.is_some() == revoked_at.is_some() {
                return Some(None);
            }
            let scopes = hot.map(|key| key.scopes.clone());
            let counted = account.map(|account| account.days_of(id.number()));
            Some(Some(Self {
                org: OrgId::stored(text(item, ORGANIZATION)?).ok()?,
                name: text(item, NAME)?.to_owned(),
                last_four: text(item, LAST_FOUR)?.to_owned(),
                scopes: scopes.or_else(|| Some(account::scopes_of(text(item, SCOPES)?)))?,
                created_at: moment(CREATED_AT)?,
                created_by: text(item, CREATED_BY)?.to_owned(),
                expires_at: hot.map_or_else(|| millis(EXPIRES_AT), |key| key.expires_at),
                last_used_at: hot
                    .map_or_else(|| moment(LAST_USED_AT), |key| key.last_used_at)
                    .max(moment(LAST_USAGE_AT)),
                uses: hot.map_or(0, |key| uses_of(item, key, &key.hash)),
                rotations: integer(item, ROTATIONS).unwrap_or(0),
                rotated_at: moment(ROTATED_AT),
                previous: PreviousSecret::read(item, hot),
                revoked_at,
                late_uses: integer(item, LATE_USES).unwrap_or(0),
                late_use_at: moment(LATE_USE_AT),
                days: counted.unwrap_or_default(),
                usage_minutes: item.keys().filter_map(|name| usage_minute_of(name)).collect(),
                id,
            }))
        };
        whole().ok_or(DbError::Unreadable("a key"))
    }

    /// Whether it expires soon, which its responses announce too.
    #[must_use]
    pub fn expires_soon(&self, now: Timestamp) -> bool {
        self.state(now).is_served() && self.expires_at.is_some_and(|at| key::expires_soon(at, now))
    }

    /// What a rotation at `now` depends on. Where a former secret is valid and the current one was never used, the current one is replaced
    /// and the former one stays.
    #[must_use]
    pub fn seen(&self, now: Timestamp) -> Seen {
        let replaces_unused = self.uses == 0 && self.previous.as_ref().is_some_and(|previous| previous.until > now);
        Seen { rotations: self.rotations, replaces_unused }
    }

    /// The latest end that a rotation can give the secret in use: when the key would have expired while that was its current secret.
    /// `former`: the secret in use is the former one. `None`: any.
    #[must_use]
    pub fn latest_end(&self, former: bool) -> Option<Timestamp> {
        if former { self.previous.as_ref()?.expires_at } else { self.expires_at }
    }

    /// Until when a rotation that is to keep the secret in use until `asked` does so. `None`: it ends.
    #[must_use]
    pub fn kept_until(&self, asked: Option<Timestamp>, former: bool) -> Option<Timestamp> {
        asked.map(|until| self.latest_end(former).map_or(until, |limit| until.min(limit)))
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

/// What a rotation depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How often the key has been rotated.
    pub rotations: u64,
    /// Whether the rotation replaces a current secret that was never used, and leaves the former one.
    pub replaces_unused: bool,
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
    let found = find_with_account(db, id).await?;
    Ok(found.map(|(key, _)| key).filter(|key| key.org == *org))
}

/// The key with this id, and its account, which may be gone if the key is revoked. The caller checks whose it is.
pub(crate) async fn find_with_account(db: &Db, id: &KeyId) -> Result<Option<(KeySummary, Option<Account>)>, DbError> {
    let (keys, mut accounts) = summaries(db, std::slice::from_ref(id)).await?;
    Ok(keys.into_iter().next().map(|key| (key, accounts.remove(&id.account()))))
}

/// The keys with these ids, in any order, without those that do not exist, and their accounts.
async fn summaries(db: &Db, ids: &[KeyId]) -> Result<(Vec<KeySummary>, BTreeMap<AccountId, Account>), DbError> {
    let mut backoff = Backoff::new();
    let account_ids: BTreeSet<AccountId> = ids.iter().map(KeyId::account).collect();
    loop {
        let wanted = account_ids.iter().map(table::account).chain(ids.iter().map(table::api_key));
        let mut accounts = BTreeMap::new();
        let mut own = Vec::new();
        for item in db.get_all(Table::Access, wanted.collect()).await? {
            match table::account_of(&item) {
                Some(id) => drop(accounts.insert(id, Account::read(&item)?)),
                None => own.push(item),
            }
        }
        let keys = own.iter().map(|item| {
            let account = table::api_key_of(item).and_then(|id| accounts.get(&id.account()));
            KeySummary::read(item, account)
        });
        if let Some(keys) = keys.collect::<Result<Option<Vec<_>>, _>>()? {
            return Ok((keys, accounts));
        }
        // A key was revoked between the reads of its two items.
        backoff.pause().await?;
    }
}

/// Whether `key` is one of the organization's valid keys, with its current secret.
pub async fn is_present(db: &Db, org: &OrgId, now: Timestamp, key: &ApiKey) -> Result<bool, DbError> {
    let id = key.id();
    let Some((summary, Some(account))) = find_with_account(db, &id).await? else { return Ok(false) };
    let is_its_secret = account.keys.get(&id.number()).is_some_and(|hot| hot.hash == key.hash());
    Ok(is_its_secret && summary.org == *org && summary.state(now).is_served())
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
    let ids: Vec<KeyId> = markers.iter().filter_map(table::marked_key).collect();
    let (mut keys, _) = summaries(db, &ids).await?;
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
    /// When the key would have expired when this was its current secret. `None`: never.
    #[serde(skip)]
    pub(crate) expires_at: Option<Timestamp>,
}

impl PreviousSecret {
    /// `hot`: the key on its account, unless it is revoked.
    fn read(item: &Item, hot: Option<&AccountKey>) -> Option<Self> {
        let last_four = text(item, PREVIOUS_LAST_FOUR)?.to_owned();
        let expires_at = integer(item, PREVIOUS_EXPIRES_AT).map(Timestamp::from_millis);
        let Some(hot) = hot else {
            let until = Timestamp::from_millis(integer(item, PREVIOUS_UNTIL)?);
            return Some(Self { last_four, until, uses: integer(item, PREVIOUS_USES).unwrap_or(0), expires_at });
        };
        let former = hot.former?;
        Some(Self { last_four, until: former.until, uses: uses_of(item, hot, &former.hash), expires_at })
    }
}

/// How often a secret was used, for requests that are counted on the account and for those about the key itself.
fn uses_of(item: &Item, hot: &AccountKey, hash: &KeyHash) -> u64 {
    let usage: u64 = integer(item, &usage_uses(hash)).unwrap_or(0);
    hot.uses_of(hash) + usage
}
