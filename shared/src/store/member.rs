//! Members: people who may sign in to an organization's settings. It knows neither cookies nor the issuer's protocol.
//!
//! A member is identified by an email that the issuer has verified and, from the first sign-in on, also by the issuer's subject. So an
//! address that passes to someone else gives no access. Callers read a member's email with [`Email::of_member`].

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Serialize;

use crate::{
    model::{clock::Timestamp, id::OrgId, role::Role, value::Email, window::CLOCKS_DIFFER_MILLIS},
    store::{
        activity::{self, Act, Actor, Subject},
        backoff::Backoff,
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, integer, number, string, text},
        list::List,
        table::{self, Table},
        transaction::Transaction,
    },
};

const ORGANIZATION: &str = "organizationId";
const EMAIL: &str = "email";
const ROLE: &str = "role";
const ADDED_AT: &str = "addedAt";
const ISSUER: &str = "issuer";
const SUBJECT: &str = "subject";
const SIGNED_IN_AT: &str = "signedInAt";
/// How often the member's role has changed.
const CHANGES: &str = "changes";
/// On the organization's item: how many members have ever been added.
const MEMBERS_ADDED: &str = "membersAdded";

/// A member.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    #[serde(skip)]
    org: OrgId,
    /// The email, as it was added.
    pub email: Email,
    /// What the member may do.
    pub role: Role,
    /// When the member was added.
    pub added_at: Timestamp,
    /// When the member last signed in. `None`: never.
    pub signed_in_at: Option<Timestamp>,
    #[serde(skip)]
    changes: u64,
}

impl Member {
    /// The organization that the member belongs to.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    fn read(item: &Item) -> Result<Self, DbError> {
        let whole = || {
            Some(Self {
                org: OrgId::stored(text(item, ORGANIZATION)?).ok()?,
                email: Email::stored(text(item, EMAIL)?),
                role: Role::named(text(item, ROLE)?)?,
                added_at: text(item, ADDED_AT)?.parse().ok()?,
                signed_in_at: text(item, SIGNED_IN_AT).and_then(|at| at.parse().ok()),
                changes: integer(item, CHANGES).unwrap_or(0),
            })
        };
        whole().ok_or(DbError::Unreadable("a member"))
    }
}

/// A person's identity at the issuer.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The issuer's URL.
    pub issuer: &'a str,
    /// The issuer's identifier for the person, which is never reassigned and never changes.
    pub subject: &'a str,
}

/// Why a member was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddMemberError {
    /// There is no such organization.
    #[error("there is no such organization")]
    UnknownOrganization,
    /// The email already belongs to a member of this or another organization: a person can belong to only one.
    #[error("the e-mail is a member's already")]
    Taken,
    /// DynamoDB failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Adds a member.
pub async fn add(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    email: &Email,
    role: Role,
    actor: &Actor,
) -> Result<(), AddMemberError> {
    let item = Item::from([
        (ORGANIZATION.to_owned(), string(org)),
        (EMAIL.to_owned(), string(email.as_str())),
        (ROLE.to_owned(), string(role.as_str())),
        (ADDED_AT.to_owned(), string(now)),
    ]);
    let mut backoff = Backoff::new();
    loop {
        let organization = db.get_access(table::organization(org)).await?.ok_or(AddMemberError::UnknownOrganization)?;
        let added: u64 = integer(&organization, MEMBERS_ADDED).unwrap_or(0);
        // An attempt that arrives late, after the member was removed, does not bring them back.
        let add = Expression::update("SET #added = :added")
            .only_if("attribute_exists(pk) AND (attribute_not_exists(#added) OR #added = :seen)")
            .names([("#added", MEMBERS_ADDED)])
            .values([(":seen", number(added)), (":added", number(added + 1))]);
        let mut transaction = Transaction::new(db);
        let counted = transaction.update(Table::Access, table::organization(org), add)?;
        let new = transaction.put_new(Table::Access, table::member(&email.normalized()).with(item.clone()))?;
        transaction.put(Table::Access, table::member_marker(org, &email.normalized()).into_item())?;
        activity::add(&mut transaction, org, now, Act::MemberAdded, &subject(email, role), actor)?;
        let Err(cancelled) = transaction.commit().await? else { return Ok(()) };
        if cancelled.failed(new).is_some() || cancelled.failed(counted).is_none() {
            return Err(AddMemberError::Taken);
        }
        // Another member was added meanwhile.
        backoff.pause().await?;
    }
}

fn subject(email: &Email, role: Role) -> Subject {
    Subject::Member { email: email.as_str().to_owned(), role }
}

/// The organization's member with this email.
async fn of(db: &Db, org: &OrgId, email: &Email) -> Result<Option<Member>, DbError> {
    Ok(get(db, &email.normalized()).await?.filter(|member| member.org == *org))
}

/// Removes a member, which ends their sessions. `false`: the organization has no such member.
pub async fn remove(db: &Db, org: &OrgId, now: Timestamp, email: &Email, actor: &Actor) -> Result<bool, DbError> {
    let Some(member) = of(db, org, email).await? else { return Ok(false) };
    let is_theirs = Expression::condition("#org = :org AND #addedAt = :addedAt")
        .names([("#org", ORGANIZATION), ("#addedAt", ADDED_AT)])
        .values([(":org", string(org)), (":addedAt", string(member.added_at))]);
    let mut transaction = Transaction::new(db);
    transaction.delete(Table::Access, table::member(&email.normalized()), is_theirs)?;
    transaction.delete(Table::Access, table::member_marker(org, &email.normalized()), Expression::default())?;
    activity::add(&mut transaction, org, now, Act::MemberRemoved, &subject(&member.email, member.role), actor)?;
    Ok(transaction.commit().await?.is_ok())
}

/// Gives a member another role, from the next request on. Sessions continue. If the member already has the role, nothing is changed or
/// logged. `false`: the organization has no such member.
pub async fn set_role(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    email: &Email,
    role: Role,
    actor: &Actor,
) -> Result<bool, DbError> {
    let mut backoff = Backoff::new();
    loop {
        let Some(member) = of(db, org, email).await? else { return Ok(false) };
        if member.role == role {
            return Ok(true);
        }
        let change = Expression::update("SET #role = :role, #changes = :changes")
            .only_if("#org = :org AND #addedAt = :addedAt AND (attribute_not_exists(#changes) OR #changes = :seen)")
            .names([("#role", ROLE), ("#org", ORGANIZATION), ("#addedAt", ADDED_AT), ("#changes", CHANGES)])
            .values([
                (":role", string(role.as_str())),
                (":org", string(org)),
                (":addedAt", string(member.added_at)),
                (":seen", number(member.changes)),
                (":changes", number(member.changes + 1)),
            ]);
        let mut transaction = Transaction::new(db);
        transaction.update(Table::Access, table::member(&email.normalized()), change)?;
        activity::add(&mut transaction, org, now, Act::MemberChanged, &subject(&member.email, role), actor)?;
        if transaction.commit().await?.is_ok() {
            return Ok(true);
        }
        // The member has changed since they were read.
        backoff.pause().await?;
    }
}

/// Up to 100 members of the organization, ordered by email, after the given one, and whether there are more.
pub async fn list(db: &Db, org: &OrgId, after: Option<&Member>) -> Result<(Vec<Member>, bool), DbError> {
    let start = after.map(|member| table::member_marker(org, &member.email.normalized()).into_item());
    let (markers, more) = db.query(&List::members(org), start, 100).await?;
    let keys = markers.iter().filter_map(table::marked_member).map(table::member).collect();
    let mut members: Vec<Member> =
        db.get_all(Table::Access, keys).await?.iter().map(Member::read).collect::<Result<_, _>>()?;
    members.sort_by_key(|member| member.email.normalized());
    Ok((members, more))
}

/// Signs in the member whose email the issuer has verified. The first sign-in binds the member to `identity`. `None`: there is no such
/// member, or the member is bound to another identity.
pub async fn sign_in(
    db: &Db,
    email: &Email,
    identity: Identity<'_>,
    now: Timestamp,
) -> Result<Option<Member>, DbError> {
    // An attempt that arrives late moves no sign-in back. Nor does it bind a member who was added since, perhaps somebody else with the
    // same address.
    let bind = Expression::update("SET #issuer = :issuer, #subject = :subject, #signedIn = :now")
        .only_if(
            "attribute_exists(pk) AND (attribute_not_exists(#subject) OR (#subject = :subject AND #issuer = :issuer)) \
             AND (attribute_not_exists(#signedIn) OR #signedIn < :now) AND #addedAt <= :latest",
        )
        .names([("#issuer", ISSUER), ("#subject", SUBJECT), ("#signedIn", SIGNED_IN_AT), ("#addedAt", ADDED_AT)])
        .values([
            (":issuer", string(identity.issuer)),
            (":subject", string(identity.subject)),
            (":now", string(now)),
            (":latest", string(Timestamp::from_millis(now.as_millis() + CLOCKS_DIFFER_MILLIS))),
        ]);
    match db.update(Table::Access, table::member(&email.normalized()), bind, ReturnValue::AllNew).await? {
        Ok(item) => Member::read(&item).map(Some),
        // Signed in at the same moment or later.
        Err(Some(item))
            if text(&item, ISSUER) == Some(identity.issuer) && text(&item, SUBJECT) == Some(identity.subject) =>
        {
            Member::read(&item).map(Some)
        }
        Err(_) => Ok(None),
    }
}

/// The member with this [normalized](Email::normalized) email.
pub(crate) async fn get(db: &Db, email: &str) -> Result<Option<Member>, DbError> {
    db.get_access(table::member(email)).await?.as_ref().map(Member::read).transpose()
}
