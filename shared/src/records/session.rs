//! Sessions: who is signed in. The browser has a random id, the table its hash. A session ends 30 minutes after it was last used,
//! 8 hours after it began, at sign-out, and with its member.

use aws_sdk_dynamodb::types::ReturnValue;

use super::member::{self, Member};
use crate::{
    clock::Timestamp,
    db::{self, Db, DbError, Item, number, string, text},
    exchange,
    secret::Secret,
    table,
};

/// A session that is not used for so long is over.
const IDLE_MILLIS: i64 = 30 * 60 * 1_000;
/// A session is over after so long, however much it is used.
pub const ABSOLUTE_MILLIS: i64 = 8 * 60 * 60 * 1_000;

const MEMBER: &str = "member";
const MEMBER_SINCE: &str = "memberSince";
/// Milliseconds since 1970, so that a condition can compare it.
const IDLE_UNTIL: &str = "idleUntil";
const ENDS_AT: &str = "endsAt";

/// Begins a session of the member.
pub async fn begin(db: &Db, member: &Member, id: &Secret, now: Timestamp) -> Result<(), DbError> {
    let ends_at = now.as_millis() + ABSOLUTE_MILLIS;
    let item = Item::from([
        (MEMBER.to_owned(), string(member.email.normalized())),
        (MEMBER_SINCE.to_owned(), string(member.added_at)),
        (IDLE_UNTIL.to_owned(), number(now.as_millis() + IDLE_MILLIS)),
        (ENDS_AT.to_owned(), number(ends_at)),
        (table::DELETE_AT.to_owned(), number(ends_at / 1_000)),
    ]);
    db.put_access(table::session(&stored(id)).with(item)).await
}

/// Whose session it is, which is used by this. `None`: it is over, or never was.
pub async fn resume(db: &Db, id: &Secret, now: Timestamp) -> Result<Option<Member>, DbError> {
    let request = db
        .update_access(table::session(&stored(id)))
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
pub async fn end(db: &Db, id: &Secret) -> Result<(), DbError> {
    db.delete_access(table::session(&stored(id))).await
}

/// What the table knows it by.
fn stored(id: &Secret) -> String {
    id.derive("stored")
}
