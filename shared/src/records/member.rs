//! Members: people who may sign in to an organization's settings. A person is known by an e-mail that the issuer has verified, and
//! from the first sign-in on by the issuer's subject too, so that an address which changes hands opens nothing. Where such an e-mail comes
//! in, [`Email::of_member`] reads it.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, ReturnValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    closed_set::closed_set,
    db::{self, Db, DbError, Item, built, string, text},
    id::OrgId,
    records::activity::{self, Act, Actor, Subject},
    table::{self, List},
    value::Email,
};

const ORGANIZATION: &str = "organizationId";
const EMAIL: &str = "email";
const ROLE: &str = "role";
const ADDED_AT: &str = "addedAt";
const ISSUER: &str = "issuer";
const SUBJECT: &str = "subject";
const SIGNED_IN_AT: &str = "signedInAt";

closed_set! {
    /// What a member may do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    Role {
        /// Makes, rotates and revokes keys.
        Admin = "admin",
        /// Looks.
        Member = "member",
    }
}

/// A member.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    #[serde(skip)]
    org: OrgId,
    /// The e-mail, as it was added.
    pub email: Email,
    /// What the member may do.
    pub role: Role,
    /// When the member was added.
    pub added_at: Timestamp,
    /// When the member last signed in; `None`: not yet.
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

/// Who signs in, as the issuer knows them.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The issuer's URL.
    pub issuer: &'a str,
    /// The issuer's name for the person: never another's, and never changed.
    pub subject: &'a str,
}

/// Why a member was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddMemberError {
    /// There is no such organization.
    #[error("there is no such organization")]
    UnknownOrganization,
    /// The e-mail is a member's already, of this organization or of another: a person belongs to one.
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
    let is_there = ConditionCheck::builder()
        .table_name(db.access())
        .set_key(Some(table::organization(org).into_item()))
        .condition_expression(table::PRESENT);
    let put = Put::builder()
        .table_name(db.access())
        .set_item(Some(table::member(&email.normalized()).with(item)))
        .condition_expression(table::ABSENT);
    let listed = Put::builder()
        .table_name(db.access())
        .set_item(Some(table::member_marker(org, &email.normalized()).into_item()));
    let writes = vec![
        TransactWriteItem::builder().condition_check(built(is_there.build())?).build(),
        TransactWriteItem::builder().put(built(put.build())?).build(),
        TransactWriteItem::builder().put(built(listed.build())?).build(),
        activity::written(db, org, now, Act::MemberAdded, &subject(email, role), actor)?,
    ];
    match db.transact(writes).await? {
        Ok(()) => Ok(()),
        Err(refused) if refused.write(0).is_some() => Err(AddMemberError::UnknownOrganization),
        Err(_) => Err(AddMemberError::Taken),
    }
}

fn subject(email: &Email, role: Role) -> Subject {
    Subject::Member { email: email.as_str().to_owned(), role }
}

/// The organization's member with this e-mail.
async fn of(db: &Db, org: &OrgId, email: &Email) -> Result<Option<Member>, DbError> {
    Ok(get(db, &email.normalized()).await?.filter(|member| member.org == *org))
}

/// Removes a member, whose sessions are over with that. `false`: the organization has no such member.
pub async fn remove(db: &Db, org: &OrgId, now: Timestamp, email: &Email, actor: &Actor) -> Result<bool, DbError> {
    let Some(member) = of(db, org, email).await? else { return Ok(false) };
    let delete = Delete::builder()
        .table_name(db.access())
        .set_key(Some(table::member(&email.normalized()).into_item()))
        .condition_expression("#org = :org")
        .expression_attribute_names("#org", ORGANIZATION)
        .expression_attribute_values(":org", string(org));
    let unlisted = Delete::builder()
        .table_name(db.access())
        .set_key(Some(table::member_marker(org, &email.normalized()).into_item()));
    let writes = vec![
        TransactWriteItem::builder().delete(built(delete.build())?).build(),
        TransactWriteItem::builder().delete(built(unlisted.build())?).build(),
        activity::written(db, org, now, Act::MemberRemoved, &subject(&member.email, member.role), actor)?,
    ];
    Ok(db.transact(writes).await?.is_ok())
}

/// Gives a member another role, from the next request on; sessions go on. The role that the member has already is no change, and no
/// entry. `false`: the organization has no such member.
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
    let change = Update::builder()
        .table_name(db.access())
        .set_key(Some(table::member(&email.normalized()).into_item()))
        .update_expression("SET #role = :role")
        .condition_expression("#org = :org")
        .expression_attribute_names("#role", ROLE)
        .expression_attribute_names("#org", ORGANIZATION)
        .expression_attribute_values(":role", string(role.as_str()))
        .expression_attribute_values(":org", string(org));
    let writes = vec![
        TransactWriteItem::builder().update(built(change.build())?).build(),
        activity::written(db, org, now, Act::MemberChanged, &subject(&member.email, role), actor)?,
    ];
    Ok(db.transact(writes).await?.is_ok())
}

/// Up to 100 members of the organization, by e-mail, after the one that is given; and whether there are more.
pub async fn list(db: &Db, org: &OrgId, after: Option<&Member>) -> Result<(Vec<Member>, bool), DbError> {
    let start = after.map(|member| table::member_marker(org, &member.email.normalized()).into_item());
    let (markers, more) = db.query(&List::members(org), start, 100).await?;
    let keys = markers.iter().filter_map(table::marked_member).map(table::member).collect();
    let mut members: Vec<Member> = db.get_all_access(keys).await?.iter().map(Member::read).collect::<Result<_, _>>()?;
    members.sort_by_key(|member| member.email.normalized());
    Ok((members, more))
}

/// The member whose e-mail the issuer has verified, bound to `identity` by this, if not before. `None`: there is no such member, or
/// the e-mail was another person's at their first sign-in.
pub async fn sign_in(
    db: &Db,
    email: &Email,
    identity: Identity<'_>,
    now: Timestamp,
) -> Result<Option<Member>, DbError> {
    let request = db
        .update_access(table::member(&email.normalized()))
        .update_expression("SET #issuer = :issuer, #subject = :subject, #signedIn = :now")
        .condition_expression(
            "attribute_exists(pk) AND (attribute_not_exists(#subject) OR (#subject = :subject AND #issuer = :issuer))",
        )
        .expression_attribute_names("#issuer", ISSUER)
        .expression_attribute_names("#subject", SUBJECT)
        .expression_attribute_names("#signedIn", SIGNED_IN_AT)
        .expression_attribute_values(":issuer", string(identity.issuer))
        .expression_attribute_values(":subject", string(identity.subject))
        .expression_attribute_values(":now", string(now));
    match db::update(request, ReturnValue::AllNew).await? {
        Ok(item) => Member::read(&item).map(Some),
        Err(_) => Ok(None),
    }
}

/// The member with this [normalized](Email::normalized) e-mail, as they are now.
pub(crate) async fn get(db: &Db, email: &str) -> Result<Option<Member>, DbError> {
    db.get_access(table::member(email)).await?.as_ref().map(Member::read).transpose()
}
