//! Members: people who may sign in to an organization's settings. It knows neither cookies nor the issuer's protocol.
//!
//! A member is identified by an email that the issuer has verified and, from the first sign-in on, also by the issuer's subject. So an
//! address that passes to someone else gives no access. Callers read a member's email with [`Email::of_member`].

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Serialize;

use crate::{
    model::{clock::Timestamp, id::OrgId, role::Role, value::Email},
    store::{
        activity::{self, Act, Actor, Subject},
        db::Db,
        error::DbError,
        expression::Expression,
        item::{Item, string, text},
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
    let is_there = Expression::condition(table::PRESENT);
    let mut transaction = Transaction::new(db);
    let organization = transaction.check(Table::Access, table::organization(org), is_there)?;
    transaction.put_new(Table::Access, table::member(&email.normalized()).with(item))?;
    transaction.put(Table::Access, table::member_marker(org, &email.normalized()).into_item())?;
    activity::add(&mut transaction, org, now, Act::MemberAdded, &subject(email, role), actor)?;
    match transaction.commit().await? {
        Ok(()) => Ok(()),
        Err(cancelled) if cancelled.failed(organization).is_some() => Err(AddMemberError::UnknownOrganization),
        Err(cancelled) => Err(cancelled.reject(AddMemberError::Taken)),
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
    let is_theirs =
        Expression::condition("#org = :org").names([("#org", ORGANIZATION)]).values([(":org", string(org))]);
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
    let Some(member) = of(db, org, email).await? else { return Ok(false) };
    if member.role == role {
        return Ok(true);
    }
    let change = Expression::update("SET #role = :role")
        .only_if("#org = :org")
        .names([("#role", ROLE), ("#org", ORGANIZATION)])
        .values([(":role", string(role.as_str())), (":org", string(org))]);
    let mut transaction = Transaction::new(db);
    transaction.update(Table::Access, table::member(&email.normalized()), change)?;
    activity::add(&mut transaction, org, now, Act::MemberChanged, &subject(&member.email, role), actor)?;
    Ok(transaction.commit().await?.is_ok())
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
    let bind = Expression::update("SET #issuer = :issuer, #subject = :subject, #signedIn = :now")
        .only_if(
            "attribute_exists(pk) AND (attribute_not_exists(#subject) OR (#subject = :subject AND #issuer = :issuer))",
        )
        .names([("#issuer", ISSUER), ("#subject", SUBJECT), ("#signedIn", SIGNED_IN_AT)])
        .values([(":issuer", string(identity.issuer)), (":subject", string(identity.subject)), (":now", string(now))]);
    match db.update(Table::Access, table::member(&email.normalized()), bind, ReturnValue::AllNew).await? {
        Ok(item) => Member::read(&item).map(Some),
        Err(_) => Ok(None),
    }
}

/// The member with this [normalized](Email::normalized) email.
pub(crate) async fn get(db: &Db, email: &str) -> Result<Option<Member>, DbError> {
    db.get_access(table::member(email)).await?.as_ref().map(Member::read).transpose()
}
