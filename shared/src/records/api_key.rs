//! A key's item: whose it is, what it may do, when it was last used, and how often in this minute and today. The key itself is
//! not in it.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::{
    clock::Timestamp,
    db::{self, Db, DbError, Item, built, integer, number, string, text},
    error::ApiError,
    id::OrgId,
    key::{ApiKey, Grant, KeyHash, KeyId},
    limits::{BURST_LIMIT, Minute, Riding, Standing},
    page::{self, Cursor},
    plan::Plan,
    records::{
        activity::{self, Act, Actor},
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
const ROTATIONS: &str = "rotations";
const ROTATED_AT: &str = "rotatedAt";
const PREVIOUS_HASH: &str = "previousHash";
const PREVIOUS_LAST_FOUR: &str = "previousLastFour";
/// Milliseconds since 1970, so that a condition can compare it.
const PREVIOUS_UNTIL: &str = "previousUntil";
/// Uses of the previous secret from before it was rotated.
const PREVIOUS_USES_BEFORE: &str = "previousUsesBefore";

/// Removing old counters normally rides along with the next request. A key whose every request meets a fresh instance
/// would gather them, so that each of its updates is charged for a larger item: at so many they are removed at once.
const MAX_STALE_WINDOWS: usize = 24;

/// What the counting of a request showed.
#[derive(Debug)]
pub(crate) struct KeyUse {
    pub(crate) grant: Grant,
    pub(crate) burst: Standing,
    /// The burst had room for the request, which is counted now.
    pub(crate) admitted: bool,
    /// Counters of minutes long over.
    pub(crate) stale: Vec<Minute>,
    /// The key's item, as it is now.
    item: Item,
}

impl KeyUse {
    /// The key, as its organization sees it.
    pub(crate) fn summary(&self) -> Result<KeySummary, DbError> {
        KeySummary::read(&self.item)
    }
}

/// Counts a request on the key, in one conditional update that finds the key by its id, compares the hash of the whole
/// key (or of the secret before a rotation, while that is kept), refuses a revoked or expired one, and raises the minute's
/// counter only below [`BURST_LIMIT`]; the day's counter, the secret's, the last use and what else is `riding` go along.
/// `None`: the key is not valid, whatever the reason.
pub(crate) async fn count_request(
    db: &Db,
    key: &ApiKey,
    hash: KeyHash,
    now: Timestamp,
    riding: &Riding,
) -> Result<Option<KeyUse>, DbError> {
    let hash = Blob::new(hash.as_bytes());
    // Asked again, because a clock can step back: a counter that is removed must be of no minute that still counts.
    let stale: Vec<Minute> = riding.stale.iter().copied().filter(|minute| minute.is_stale(now)).collect();
    let mut refusals = String::new();
    let mut request = db
        .update_access(table::api_key(&key.id()))
        .condition_expression(
            "(#hash = :hash OR (#previous = :hash AND #until > :now)) AND attribute_not_exists(#revoked) \
             AND (attribute_not_exists(#expires) OR #expires > :now) \
             AND (attribute_not_exists(#window) OR #window < :limit)",
        )
        .expression_attribute_names("#window", Minute::of(now).attribute())
        .expression_attribute_names("#day", Day::of(now).attribute())
        .expression_attribute_names("#lastUsed", LAST_USED_AT)
        .expression_attribute_names("#uses", uses_attribute(hash.as_ref()))
        .expression_attribute_names("#previous", PREVIOUS_HASH)
        .expression_attribute_names("#until", PREVIOUS_UNTIL)
        .expression_attribute_names("#hash", HASH)
        .expression_attribute_names("#revoked", REVOKED_AT)
        .expression_attribute_names("#expires", EXPIRES_AT)
        .expression_attribute_values(":lastUsed", string(now))
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(":hash", AttributeValue::B(hash.clone()))
        .expression_attribute_values(":now", number(now.as_millis()))
        .expression_attribute_values(":limit", number(BURST_LIMIT));
    for (i, minute) in stale.iter().enumerate() {
        request = request.expression_attribute_names(format!("#s{i}"), minute.attribute());
    }
    for (i, ((day, refusal), count)) in riding.refusals.iter().enumerate() {
        refusals += &format!(", #r{i} :r{i}");
        request = request
            .expression_attribute_names(format!("#r{i}"), refusal.attribute(*day))
            .expression_attribute_values(format!(":r{i}"), number(count));
    }
    let request = request.update_expression(format!(
        "SET #lastUsed = :lastUsed ADD #window :one, #day :one, #uses :one{refusals}{}",
        remove(&stale)
    ));

    let (item, admitted) = match db::update(request, ReturnValue::AllNew).await? {
        Ok(item) => (item, true),
        Err(Some(item)) if is_valid(&item, &hash, now) => (item, false),
        Err(_) => return Ok(None),
    };
    let used = integer(&item, &Minute::of(now).attribute()).unwrap_or(BURST_LIMIT);
    let mut stale: Vec<Minute> = item.keys().filter_map(|name| Minute::counted_by(name)).collect();
    stale.retain(|minute| minute.is_stale(now));
    // The request is counted: that its counters could not be tidied up is no reason to fail it.
    if stale.len() > MAX_STALE_WINDOWS && sweep(db, key, &stale).await.is_ok() {
        stale.clear();
    }
    stale.truncate(MAX_STALE_WINDOWS);
    let mut grant = grant(&item)?;
    if !has_hash(&item, HASH, &hash) {
        // The secret from before a rotation ends before the key does.
        let until = integer(&item, PREVIOUS_UNTIL).map(Timestamp::from_millis);
        grant.expires_at = grant.expires_at.into_iter().chain(until).min();
    }
    let mut used = KeyUse { grant, burst: Standing::of_burst(used, now), admitted, stale, item };
    if admitted {
        file_days(db, key, &mut used, now).await;
    }
    Ok(Some(used))
}

/// Moves the counts of days that are over to items of their own. Once a day, since the next request finds none.
async fn file_days(db: &Db, key: &ApiKey, used: &mut KeyUse, now: Timestamp) {
    let today = Day::of(now);
    for (day, counts) in usage::counted(&used.item).into_iter().filter(|(day, _)| *day < today) {
        // The request is counted. What could not be moved now is moved by the next.
        for attribute in usage::file(db, &key.id(), day, &counts).await.unwrap_or_default() {
            used.item.remove(&attribute);
        }
    }
}

/// Whether a refused update was refused for the burst alone.
fn is_valid(item: &Item, hash: &Blob, now: Timestamp) -> bool {
    let is_over = |name| integer(item, name).is_some_and(|at| Timestamp::from_millis(at) <= now);
    let same = has_hash(item, HASH, hash) || (has_hash(item, PREVIOUS_HASH, hash) && !is_over(PREVIOUS_UNTIL));
    same && !is_over(EXPIRES_AT) && !item.contains_key(REVOKED_AT)
}

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

fn remove(stale: &[Minute]) -> String {
    if stale.is_empty() {
        return String::new();
    }
    let names: Vec<String> = (0..stale.len()).map(|i| format!("#s{i}")).collect();
    format!(" REMOVE {}", names.join(", "))
}

async fn sweep(db: &Db, key: &ApiKey, stale: &[Minute]) -> Result<(), DbError> {
    // DynamoDB takes an expression of at most 4 KB; what is left over goes the next time.
    let stale = &stale[..stale.len().min(200)];
    let mut request = db
        .update_access(table::api_key(&key.id()))
        .update_expression(remove(stale))
        .condition_expression(table::PRESENT);
    for (i, minute) in stale.iter().enumerate() {
        request = request.expression_attribute_names(format!("#s{i}"), minute.attribute());
    }
    // Whether there still is such a key is no matter: then there is nothing to tidy up.
    db::update(request, ReturnValue::None).await.map(drop)
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
        activity::written(db, org, now, Act::Made, activity::of_new(&key.id(), &name, key), actor)?,
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

/// How a key is rotated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// How often the key had been rotated when this was decided on: a rotation since then stands in the way of this one. `None`:
    /// none does.
    pub seen: Option<u64>,
    /// Until when the secret there was so far stays valid; `None`: it is refused from the next request on.
    pub keep_until: Option<Timestamp>,
}

/// What came of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The key has the new secret.
    Done,
    /// Somebody else was quicker: the key has the secret that they were shown.
    Overtaken,
    /// The organization has no such key that is not revoked.
    Unknown,
}

/// Gives the key's id a new secret: that of `key`. The key stays one item, so that both secrets, while there are two, count on
/// one burst and one month, and the plan's number of keys is not in the way. Of two rotations at once, one is done.
pub async fn rotate(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    key: &ApiKey,
    rotation: Rotation,
    actor: &Actor,
) -> Result<Rotated, DbError> {
    let Rotation { seen, keep_until } = rotation;
    let Some(item) = db.get_access(table::api_key(&key.id())).await? else { return Ok(Rotated::Unknown) };
    let old =
        item.get(HASH).and_then(|value| value.as_b().ok()).ok_or(DbError::Unreadable("a key without its hash"))?;
    if grant(&item)?.org != *org || item.contains_key(REVOKED_AT) {
        return Ok(Rotated::Unknown);
    }
    let rotations = integer(&item, ROTATIONS).unwrap_or(0);
    if seen.is_some_and(|seen| seen != rotations) {
        return Ok(Rotated::Overtaken);
    }

    let mut request = Update::builder().table_name(db.access()).set_key(Some(table::api_key(&key.id()).into_item()));
    let mut set = "SET #hash = :hash, #lastFour = :lastFour, #rotations = :rotations, #rotatedAt = :now".to_owned();
    let mut remove: Vec<String> = Vec::new();
    if let Some(until) = keep_until {
        set +=
            ", #previous = #hash, #previousFour = #lastFour, #until = :until, #before = if_not_exists(#oldUses, :zero)";
        request = request
            .expression_attribute_names("#before", PREVIOUS_USES_BEFORE)
            .expression_attribute_values(":until", number(until.as_millis()))
            .expression_attribute_values(":zero", number(0));
    } else {
        remove.extend(["#previous", "#previousFour", "#until", "#oldUses"].map(str::to_owned));
    }
    // The secret before the last one has had its time.
    if let Some(older) = item.get(PREVIOUS_HASH).and_then(|value| value.as_b().ok()).filter(|older| *older != old) {
        remove.push("#olderUses".to_owned());
        request = request.expression_attribute_names("#olderUses", uses_attribute(older.as_ref()));
    }
    let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
    let request = request
        .update_expression(set + &remove)
        .condition_expression("#org = :org AND attribute_not_exists(#revoked) AND #hash = :old")
        .expression_attribute_names("#hash", HASH)
        .expression_attribute_names("#lastFour", LAST_FOUR)
        .expression_attribute_names("#rotations", ROTATIONS)
        .expression_attribute_names("#rotatedAt", ROTATED_AT)
        .expression_attribute_names("#previous", PREVIOUS_HASH)
        .expression_attribute_names("#previousFour", PREVIOUS_LAST_FOUR)
        .expression_attribute_names("#until", PREVIOUS_UNTIL)
        .expression_attribute_names("#oldUses", uses_attribute(old.as_ref()))
        .expression_attribute_names("#org", ORGANIZATION)
        .expression_attribute_names("#revoked", REVOKED_AT)
        .expression_attribute_values(":hash", AttributeValue::B(Blob::new(key.hash().as_bytes())))
        .expression_attribute_values(":lastFour", string(key.last_four()))
        .expression_attribute_values(":rotations", number(rotations + 1))
        .expression_attribute_values(":now", string(now))
        .expression_attribute_values(":old", AttributeValue::B(old.clone()))
        .expression_attribute_values(":org", string(org));
    let request = request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let name = text(&item, NAME).unwrap_or_default();
    let writes = vec![
        TransactWriteItem::builder().update(built(request.build())?).build(),
        activity::written(db, org, now, Act::Rotated, activity::of_new(&key.id(), name, key), actor)?,
    ];
    let Err(refused) = db.transact(writes).await? else { return Ok(Rotated::Done) };
    match refused.write(0) {
        Some(Some(item)) if !item.contains_key(REVOKED_AT) => Ok(Rotated::Overtaken),
        _ => Ok(Rotated::Unknown),
    }
}

fn has_hash(item: &Item, name: &str, hash: &Blob) -> bool {
    item.get(name).and_then(|value| value.as_b().ok()) == Some(hash)
}

/// The attribute that counts the uses of one secret, by which is told how often a rotated one is still used.
fn uses_attribute(hash: &[u8]) -> String {
    format!("s{}", HEXLOWER.encode(&hash[..hash.len().min(4)]))
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
        activity::written(db, org, now, Act::Revoked, activity::of(&key), actor)?,
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

/// The secret that a key had before it was rotated.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousSecret {
    /// The last four characters of the whole key.
    pub last_four: String,
    /// From when on it is refused.
    pub until: Timestamp,
    /// How often it was used since the rotation.
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
                created_by: text(item, CREATED_BY)?.to_owned(),
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
