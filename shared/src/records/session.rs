//! Sessions: who is signed in. The browser has a random id, the table its hash. A session ends 30 minutes after it was last used,
//! 8 hours after it began, at sign-out, and with its member.

use std::fmt;

use aws_sdk_dynamodb::types::ReturnValue;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::member::{self, Member};
use crate::{
    clock::Timestamp,
    db::{self, Db, DbError, Item, number, string, text},
    exchange,
    key::{KeyId, NoRandomness},
    table,
};

/// A session that is not used for so long is over.
pub const IDLE_MILLIS: i64 = 30 * 60 * 1_000;
/// A session is over after so long, however much it is used.
pub const WHOLE_MILLIS: i64 = 8 * 60 * 60 * 1_000;

const MEMBER: &str = "member";
const MEMBER_SINCE: &str = "memberSince";
const BEGAN_AT: &str = "beganAt";
/// Milliseconds since 1970, so that a condition can compare it.
const IDLE_UNTIL: &str = "idleUntil";
const ENDS_AT: &str = "endsAt";

/// What the browser has: 256 bits from the operating system's random source. It is a secret, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// A fresh one.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Takes what has the form of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// What goes into the cookie.
    #[must_use]
    pub fn reveal(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// What is derived from the id for one purpose. It tells nothing of the id, nor of what is derived for another.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(purpose);
        hasher.finalize().into()
    }

    /// The id that the key of a form gets, whose `nonce` the form has: the same each time it is sent, and not to be chosen by whoever
    /// sends it.
    #[must_use]
    pub fn key_id(&self, nonce: &str) -> KeyId {
        KeyId::of_digest(&self.derive(&format!("key {nonce}")))
    }

    /// What the table knows it by.
    fn stored(&self) -> String {
        BASE64URL_NOPAD.encode(&self.derive("stored"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// Begins a session of the member.
pub async fn begin(db: &Db, member: &Member, id: &SessionId, now: Timestamp) -> Result<(), DbError> {
    let ends_at = now.as_millis() + WHOLE_MILLIS;
    let item = Item::from([
        (MEMBER.to_owned(), string(member.email.to_lowercase())),
        (MEMBER_SINCE.to_owned(), string(member.added_at)),
        (BEGAN_AT.to_owned(), string(now)),
        (IDLE_UNTIL.to_owned(), number(now.as_millis() + IDLE_MILLIS)),
        (ENDS_AT.to_owned(), number(ends_at)),
        (table::DELETE_AT.to_owned(), number(ends_at / 1_000)),
    ]);
    db.put_access(table::session(&id.stored()).with(item)).await
}

/// Whose session it is, which is used by this. `None`: it is over, or never was.
pub async fn resume(db: &Db, id: &SessionId, now: Timestamp) -> Result<Option<Member>, DbError> {
    let request = db
        .update_access(table::session(&id.stored()))
        .update_expression("SET #idle = :idle")
        .condition_expression("#idle > :now AND #ends > :now")
        .expression_attribute_names("#idle", IDLE_UNTIL)
        .expression_attribute_names("#ends", ENDS_AT)
        .expression_attribute_values(":now", number(now.as_millis()))
        .expression_attribute_values(":idle", number(now.as_millis() + IDLE_MILLIS));
    let Ok(session) = db::update(request, ReturnValue::AllNew).await? else { return Ok(None) };
    let email = text(&session, MEMBER).ok_or(DbError::Unreadable("a session without its member"))?;
    let since = text(&session, MEMBER_SINCE);
    // A member who was removed and added again is not the one who signed in.
    let member = member::get(db, email).await?.filter(|member| since == Some(member.added_at.to_string().as_str()));
    if let Some(member) = &member {
        exchange::note_organization(*member.org());
    }
    Ok(member)
}

/// Ends the session, if it is one.
pub async fn end(db: &Db, id: &SessionId) -> Result<(), DbError> {
    db.delete_access(table::session(&id.stored())).await
}
