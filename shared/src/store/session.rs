//! Sessions: who is signed in. The browser has a random id, the table its hash. A session ends 30 minutes after it was last used,
//! 8 hours after it began, at sign-out, and with its member. What has ended does not begin again.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use crate::{
    model::{clock::Timestamp, secret::Secret},
    store::{
        activity::{self, Act, Actor, Subject},
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, number, string, text},
        member::{self, Member},
        table::{self, Table},
        transaction::Transaction,
    },
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
    let mut transaction = Transaction::new(db);
    let begin = transaction.put_new(Table::Access, item.clone())?;
    activity::add(&mut transaction, member.org(), now, Act::SignedIn, &Subject::Session, actor)?;
    match transaction.commit().await? {
        Ok(()) => Ok(()),
        // After a lost answer, another attempt finds what the first has written. Nobody has used it yet: the browser gets the id
        // only after this.
        Err(cancelled) if cancelled.failed(begin) == Some(Some(&item)) => Ok(()),
        Err(_) => Err(DbError::Rejected("the session's id is taken".to_owned())),
    }
}

/// Whose session it is, which is used by this. `None`: it is over, or never was.
pub async fn resume(db: &Db, id: &Secret, now: Timestamp) -> Result<Option<Member>, DbError> {
    let use_it = Expression::update("SET #idle = :idle")
        .only_if("#idle > :now AND #ends > :now")
        .names([("#idle", IDLE_UNTIL), ("#ends", ENDS_AT)])
        .values([(":now", number(now.as_millis())), (":idle", number(now.as_millis() + IDLE_MILLIS))]);
    let used = db.update(Table::Access, table::session(&stored(id)), use_it, ReturnValue::AllNew).await?;
    let Ok(session) = used else { return Ok(None) };
    let email = text(&session, MEMBER).ok_or(DbError::Unreadable("a session without its member"))?;
    let since = text(&session, MEMBER_SINCE);
    // A member who was removed and added again is not the one who signed in.
    Ok(member::get(db, email).await?.filter(|member| since == Some(member.added_at.to_string().as_str())))
}

/// Ends the session, if it is one: the browser begins another.
///
/// Its item stays as a marker without anything of the member, so that no late attempt can begin it again, for as long as an attempt
/// could begin one that is not over: a deleted item would leave nothing to compare with. What was never begun gets no marker, or a
/// stranger could fill the table.
pub async fn end(db: &Db, id: &Secret, now: Timestamp) -> Result<(), DbError> {
    db.update(Table::Access, table::session(&stored(id)), to_marker(now), ReturnValue::None).await.map(drop)
}

/// Ends the session because its member wants it: [`end`] with an entry in the activity. One that is over by itself is left as it is,
/// and has none. `address`: from where. Returns whose session was ended.
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
    // Where it has ended meanwhile, it was this that ended it, sent again after a lost answer, or another request of the browser.
    Ok(transaction.commit().await?.is_ok().then_some(member))
}

/// Leaves of a session a marker, if it has not ended: a marker has no end.
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

/// Whatever was sent before this begins no session that lasts longer.
fn marker_until(now: Timestamp) -> AttributeValue {
    number((now.as_millis() + ABSOLUTE_MILLIS + CLOCKS_APART_MILLIS) / 1_000)
}

/// What the table knows it by.
fn stored(id: &Secret) -> String {
    id.derive("stored")
}
