//! Sessions: who is signed in. It knows no cookie.
//!
//! The browser has a random id, and the table has its hash. A session ends 30 minutes after its last use, 8 hours after it began, at
//! sign-out, and when its member is removed. A session that has ended can't begin again.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::{
    model::{clock::Timestamp, secret::Secret, window::CLOCKS_DIFFER_MILLIS},
    store::{
        activity::{self, Act, Actor, Subject},
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string, text},
        member::{self, Member},
        table::{self, Table},
        transaction::Transaction,
    },
};

/// How long an unused session lasts.
const IDLE_MILLIS: i64 = 30 * 60 * 1_000;
/// How long a session lasts at most, even if it is used.
pub const ABSOLUTE_MILLIS: i64 = 8 * 60 * 60 * 1_000;

const MEMBER: &str = "member";
const MEMBER_SINCE: &str = "memberSince";
/// Milliseconds since 1970, so that a condition can compare it.
const IDLE_UNTIL: &str = "idleUntil";
const ENDS_AT: &str = "endsAt";

/// Begins a session for the member. An id is used only once: a delayed attempt finds the session, or the marker that its [end] left, and
/// changes nothing.
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
    let mut transaction = Transaction::new(db);
    let begin = transaction.put_new(Table::Access, item.clone())?;
    activity::add(&mut transaction, member.org(), now, Act::SignedIn, &Subject::Session, actor)?;
    match transaction.commit().await? {
        Ok(()) => Ok(()),
        // After a lost response, a retry finds what the first attempt wrote. The session is still unused, because the browser gets the id
        // only afterwards.
        Err(cancelled) if cancelled.failed(begin) == Some(Some(&item)) => Ok(()),
        Err(_) => Err(DbError::Rejected("the session's id is taken".to_owned())),
    }
}

/// Uses a session, and returns its member. `None`: the session has ended or never existed.
pub async fn resume(db: &Db, id: &Secret, now: Timestamp) -> Result<Option<Member>, DbError> {
    // An attempt that arrives late, or an instance whose clock is behind, does not move the end of the session back.
    let use_it = Expression::update("SET #idle = :idle")
        .only_if("#idle > :now AND #ends > :now AND #idle < :idle")
        .names([("#idle", IDLE_UNTIL), ("#ends", ENDS_AT)])
        .values([(":now", number(now.as_millis())), (":idle", number(now.as_millis() + IDLE_MILLIS))]);
    let used = db.update(Table::Access, table::session(&stored(id)), use_it, ReturnValue::AllNew).await?;
    let is_over = |session: &Item| {
        let ends = |name| integer::<i64>(session, name).is_none_or(|end| end <= now.as_millis());
        ends(IDLE_UNTIL) || ends(ENDS_AT)
    };
    let session = match used {
        Ok(session) => session,
        // It was used at the same moment or later.
        Err(Some(session)) if !is_over(&session) => session,
        Err(_) => return Ok(None),
    };
    let email = text(&session, MEMBER).ok_or(DbError::Unreadable("a session without its member"))?;
    let since = text(&session, MEMBER_SINCE);
    // A member who was removed and added again must sign in again.
    Ok(member::get(db, email).await?.filter(|member| since == Some(member.added_at.to_string().as_str())))
}

/// Ends the session, if it exists, because the browser begins another.
///
/// The item stays as a marker without the member's data, so that a late attempt can't begin the session again: if the item were deleted,
/// there would be nothing to compare with. The marker is kept for as long as such an attempt could create a session that has not expired.
/// A session that never began gets no marker, or a stranger could fill the table.
pub async fn end(db: &Db, id: &Secret, now: Timestamp) -> Result<(), DbError> {
    db.update(Table::Access, table::session(&stored(id)), to_marker(now), ReturnValue::None).await.map(drop)
}

/// Ends the session at its member's request: like [`end`], but with an activity entry. A session that has already expired is left as it
/// is, without an entry. `address` is the member's network address. Returns the member whose session was ended.
pub async fn sign_out(
    db: &Db,
    id: &Secret,
    now: Timestamp,
    address: Option<String>,
) -> Result<Option<Member>, DbError> {
    let Some(member) = resume(db, id, now).await? else { return Ok(None) };
    let actor = Actor::member(member.email.as_str(), address);
    let mut transaction = Transaction::new(db);
    transaction.update(Table::Access, table::session(&stored(id)), to_marker(now))?;
    activity::add(&mut transaction, member.org(), now, Act::SignedOut, &Subject::Session, &actor)?;
    // If it has ended meanwhile, that was this transaction, retried after a lost response, or another request from the browser.
    Ok(transaction.commit().await?.is_ok().then_some(member))
}

/// Turns a session into a marker, unless it already is one: a marker has no `endsAt`.
fn to_marker(now: Timestamp) -> Expression {
    Expression::update("SET #deleteAt = :deleteAt REMOVE #member, #since, #idle, #ends")
        .only_if("attribute_exists(#ends)")
        .names([
            ("#deleteAt", table::DELETE_AT),
            ("#member", MEMBER),
            ("#since", MEMBER_SINCE),
            ("#idle", IDLE_UNTIL),
            ("#ends", ENDS_AT),
        ])
        .values([(":deleteAt", marker_until(now))])
}

/// An attempt that was sent before `now` can't begin a session that lasts longer than this.
fn marker_until(now: Timestamp) -> AttributeValue {
    number((now.as_millis() + ABSOLUTE_MILLIS + CLOCKS_DIFFER_MILLIS) / 1_000)
}

/// The session's hash, by which the table identifies it.
fn stored(id: &Secret) -> String {
    id.derive("stored")
}
