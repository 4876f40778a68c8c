//! What was done to an organization's keys: by whom, when, from which address. Each entry is written together with what it tells
//! of, in one transaction, and kept for 400 days. It has no secret in it.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    closed_set::closed_set,
    db::{Db, DbError, Item, built, number, string, text},
    error::ApiError,
    id::OrgId,
    key::{KeyId, NoRandomness, random_base62},
    page::{self, Cursor},
    table::{self, List},
};

/// An entry is kept for so long.
const KEPT_SECS: i64 = 400 * 24 * 60 * 60;

/// Random characters that tell the entries of one millisecond apart.
pub(crate) const UNIQUE_LEN: usize = 8;

const ACT: &str = "act";
const KEY: &str = "keyId";
const KEY_NAME: &str = "keyName";
const LAST_FOUR: &str = "lastFour";
const ACTOR: &str = "actor";
const ADDRESS: &str = "address";

closed_set! {
    /// What can be done to a key.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    Act {
        /// created
        Created = "created",
        /// rotated
        Rotated = "rotated",
        /// revoked
        Revoked = "revoked",
    }
}

/// The name of whoever has the tables themselves.
pub(crate) const OPERATOR: &str = "operator";

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    name: String,
    address: Option<String>,
}

impl Actor {
    /// A member, by the e-mail, from the network address that the gateway saw.
    #[must_use]
    pub fn member(email: &str, address: Option<String>) -> Self {
        Self { name: email.to_owned(), address }
    }

    /// Whoever has the tables themselves.
    #[must_use]
    pub fn operator() -> Self {
        Self { name: OPERATOR.to_owned(), address: None }
    }

    /// The e-mail of a member, or `operator`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Activity {
    /// When it was done.
    pub at: Timestamp,
    /// What was done.
    pub act: Act,
    /// To which key.
    pub key: KeyId,
    /// What the key was called.
    pub key_name: String,
    /// How the key ended, after it was done.
    pub last_four: String,
    /// By whom.
    pub actor: Actor,
}

impl Activity {
    fn read(item: &Item) -> Result<Self, DbError> {
        let whole = || {
            Some(Self {
                at: table::activity_moment(item)?,
                act: Act::named(text(item, ACT)?)?,
                key: KeyId::parse(text(item, KEY)?)?,
                key_name: text(item, KEY_NAME)?.to_owned(),
                last_four: text(item, LAST_FOUR)?.to_owned(),
                actor: Actor { name: text(item, ACTOR)?.to_owned(), address: text(item, ADDRESS).map(str::to_owned) },
            })
        };
        whole().ok_or(DbError::Unreadable("an activity"))
    }

    /// The address it was done from; `None`: by the operator.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.actor.address.as_deref()
    }
}

/// A key, as an entry tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) id: &'a KeyId,
    pub(crate) name: &'a str,
    pub(crate) last_four: &'a str,
}

/// The entry as a part of the transaction that does what it tells of.
pub(crate) fn written(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    act: Act,
    key: Named<'_>,
    actor: &Actor,
) -> Result<TransactWriteItem, DbError> {
    let unique = random_base62(UNIQUE_LEN).map_err(|NoRandomness(error)| DbError::Unavailable(error.to_string()))?;
    let mut item = Item::from([
        (ACT.to_owned(), string(act.as_str())),
        (KEY.to_owned(), string(key.id)),
        (KEY_NAME.to_owned(), string(key.name)),
        (LAST_FOUR.to_owned(), string(key.last_four)),
        (ACTOR.to_owned(), string(&actor.name)),
        (table::DELETE_AT.to_owned(), number(now.as_secs() + KEPT_SECS)),
    ]);
    if let Some(address) = &actor.address {
        item.insert(ADDRESS.to_owned(), string(address));
    }
    let put = Put::builder()
        .table_name(db.access())
        .set_item(Some(table::activity(org, now, &unique).with(item)))
        .condition_expression(table::ABSENT);
    Ok(TransactWriteItem::builder().put(built(put.build())?).build())
}

/// A page of the organization's entries, latest first. An entry whose time is over is not told, also where DynamoDB has not deleted
/// it yet.
pub async fn page(
    db: &Db,
    org: &OrgId,
    cursor: Option<&Cursor>,
    limit: u8,
    now: Timestamp,
) -> Result<(Vec<Activity>, Option<Cursor>), ApiError> {
    let (items, next) = page::items(db, &List::activities(org), cursor, None, limit).await?;
    let entries: Vec<Activity> = items.iter().map(Activity::read).collect::<Result<_, _>>()?;
    let is_kept = |entry: &Activity| entry.at.as_secs() + KEPT_SECS > now.as_secs();
    let all_kept = entries.last().is_none_or(is_kept);
    Ok((entries.into_iter().filter(is_kept).collect(), next.filter(|_| all_kept)))
}
