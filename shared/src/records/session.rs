//! Sessions: who is signed in. The browser has a random id, the table its hash. A session ends 30 minutes after it was last used,
//! 8 hours after it began, at sign-out, and with its member. What has ended does not begin again.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::{
    activity::{self, Act, Actor, Subject},
    member::{self, Member},
};
use crate::{
    clock::Timestamp,
    db::{self, Db, DbError, Item, built, number, string, text},
    exchange,
    secret::Secret,
    table,
};

/// A session that is not used for so long is over.
const IDLE_MILLIS: i64 = 30 * 60 * 1_000;
/// A session is over after so long, however much it is used.
pub const ABSOLUTE_MILLIS: i64 = 8 * 60 * 60 * 1_000;

/// Two instances' clocks may differ by so much.
const CLOCKS_APART_MILLIS: i64 = 2 * 60 * 1_000;

const MEMBER: &str = "member";
const MEMBER_SINCE: &str = "memberSince";
/// Milliseconds since 1970, so that a condition can compare it.
const IDLE_UNTIL: &str = "idleUntil";
const ENDS_AT: &str = "endsAt";

/// Begins a session of the member. An id is begun once: an attempt that was delayed on its way finds the session, or the marker that
/// its [end] has left, and changes nothing.
pub async fn begin(db: &Db, member: &Member, id: &Secret, now: Timestamp, actor: &Actor) -> Result<(), DbError> {
    let ends_at = now.as_millis() + ABSOLUTE_MILLIS;
    let item = Item::from([
        (MEMBER.to_owned(), string(member.email.normalized())),
        (MEMBER_SINCE.to_owned(), string(member.added_at)),
        (IDLE_UNTIL.to_owned(), number(now.as_millis() + IDLE_MILLIS)),
        (ENDS_AT.to_owned(), number(ends_at)),
        (table::DELETE_AT.to_owned(), number(ends_at / 1_000)),
    ]);
    let item = table::session(&stored(id)).with(item);
    let put = Put::builder()
        .table_name(db.access())
        .set_item(Some(item.clone()))
        .condition_expression(table::ABSENT)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let writes = vec![
        TransactWriteItem::builder().put(built(put.build())?).build(),
        activity::written(db, member.org(), now, Act::SignedIn, &Subject::Session, actor)?,
    ];
    match db.transact(writes).await? {
        Ok(()) => {}
        // After a lost answer, another attempt finds what the first has written. Nobody has used it yet: the browser gets the id
        // only after this.
        Err(refused) if refused.write(0) == Some(Some(&item)) => {}
        Err(_) => return Err(DbError::Refused("the session's id is taken".to_owned())),
    }
    exchange::note_organization(*member.org());
    exchange::note_event("signed_in");
    Ok(())
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

/// Ends the session, if it is one: the browser begins another.
///
/// Its item stays as a marker without anything of the member, so that no late attempt can begin it again, for as long as an attempt
/// could begin one that is not over: a deleted item would leave nothing to compare with. What was never begun gets no marker, or a
/// stranger could fill the table.
pub async fn end(db: &Db, id: &Secret, now: Timestamp) -> Result<(), DbError> {
    let request = db
        .update_access(table::session(&stored(id)))
        .update_expression(TO_MARKER)
        .condition_expression(IS_BEGUN)
        .set_expression_attribute_names(Some(marker_names()))
        .expression_attribute_values(":deleteAt", marker_until(now));
    db::update(request, ReturnValue::None).await.map(drop)
}

/// Ends the session because its member wants it: [`end`] with an entry in the activity. One that is over by itself is left as it is,
/// and has none. `address`: from where.
pub async fn sign_out(db: &Db, id: &Secret, now: Timestamp, address: Option<String>) -> Result<(), DbError> {
    let Some(member) = resume(db, id, now).await? else { return Ok(()) };
    let update = Update::builder()
        .table_name(db.access())
        .set_key(Some(table::session(&stored(id)).into_item()))
        .update_expression(TO_MARKER)
        .condition_expression(IS_BEGUN)
        .set_expression_attribute_names(Some(marker_names()))
        .expression_attribute_values(":deleteAt", marker_until(now));
    let actor = Actor::member(member.email.as_str(), address);
    let writes = vec![
        TransactWriteItem::builder().update(built(update.build())?).build(),
        activity::written(db, member.org(), now, Act::SignedOut, &Subject::Session, &actor)?,
    ];
    // Where it has ended meanwhile, it was this that ended it, sent again after a lost answer, or another request of the browser.
    if db.transact(writes).await?.is_ok() {
        exchange::note_event("signed_out");
    }
    Ok(())
}

const TO_MARKER: &str = "SET #deleteAt = :deleteAt REMOVE #member, #since, #idle, #ends";
/// And has not ended: a marker has no end.
const IS_BEGUN: &str = "attribute_exists(#ends)";

fn marker_names() -> HashMap<String, String> {
    let names = [
        ("#deleteAt", table::DELETE_AT),
        ("#member", MEMBER),
        ("#since", MEMBER_SINCE),
        ("#idle", IDLE_UNTIL),
        ("#ends", ENDS_AT),
    ];
    names.map(|(name, attribute)| (name.to_owned(), attribute.to_owned())).into()
}

/// Whatever was sent before this begins no session that lasts longer.
fn marker_until(now: Timestamp) -> AttributeValue {
    number((now.as_millis() + ABSOLUTE_MILLIS + CLOCKS_APART_MILLIS) / 1_000)
}

/// What the table knows it by.
fn stored(id: &Secret) -> String {
    id.derive("stored")
}
