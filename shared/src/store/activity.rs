//! The activity log: what was done to an organization's keys, members and plan, and who signed in and out, with the actor, time and
//! address. It knows no page.
//!
//! Each entry is written in the same transaction as the change that it describes, and kept for 400 days. It contains no secret. A
//! rejected attempt has no entry, so a stranger can't write here.

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        clock::Timestamp,
        closed_set::closed_set,
        id::{CandidateId, OrgId},
        key::{KeyId, NoRandomness, random_base62},
        page::Cursor,
        plan::Plan,
        role::Role,
    },
    store::{
        db::Db,
        error::{DbError, StoreError},
        item::{Item, number, string, text},
        list::List,
        page,
        table::{self, ACTIVITY_SUFFIX_LEN, Table},
        transaction::Transaction,
    },
};

/// How long an entry is kept.
const KEPT_SECS: i64 = 400 * 24 * 60 * 60;

const ACT: &str = "act";
const KEY: &str = "keyId";
const KEY_NAME: &str = "keyName";
const LAST_FOUR: &str = "lastFour";
const MEMBER: &str = "member";
const ROLE: &str = "role";
const PLAN: &str = "plan";
const PLAN_BEFORE: &str = "planBefore";
const CANDIDATE: &str = "candidateId";
const ACTOR: &str = "actor";
const CALLER: &str = "caller";
const ADDRESS: &str = "address";

closed_set! {
    /// What can be done.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    Act {
        /// created
        Created = "created",
        /// rotated
        Rotated = "rotated",
        /// revoked
        Revoked = "revoked",
        /// member added
        MemberAdded = "member-added",
        /// member removed
        MemberRemoved = "member-removed",
        /// member changed
        MemberChanged = "member-changed",
        /// plan changed
        PlanChanged = "plan-changed",
        /// candidate erased
        CandidateErased = "candidate-erased",
        /// signed in
        SignedIn = "signed-in",
        /// signed out
        SignedOut = "signed-out",
    }
}

/// The name of an actor with direct access to the tables.
pub(crate) const OPERATOR: &str = "operator";
/// The name of an actor that is a function of ours, which nobody called.
const SYSTEM: &str = "system";
/// What the name of an actor that is a key begins with.
const KEY_ACTOR: &str = "key ";
/// The operator's identity with a local DynamoDB, which has none to show.
const LOCAL: &str = "local";

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    name: String,
    caller: Option<String>,
    address: Option<String>,
}

impl Actor {
    /// A member, by email, with the network address that the gateway saw.
    #[must_use]
    pub fn member(email: &str, address: Option<String>) -> Self {
        Self { name: email.to_owned(), caller: None, address }
    }

    /// A key, by its id.
    #[must_use]
    pub fn key(id: &KeyId) -> Self {
        Self { name: format!("{KEY_ACTOR}{id}"), caller: None, address: None }
    }

    /// The operator, with a local DynamoDB, which has no identities.
    #[must_use]
    pub fn operator() -> Self {
        Self { name: OPERATOR.to_owned(), caller: Some(LOCAL.to_owned()), address: None }
    }

    /// The operator in AWS, by ARN.
    #[must_use]
    pub fn aws(arn: &str) -> Self {
        Self { name: OPERATOR.to_owned(), caller: Some(arn.to_owned()), address: None }
    }

    /// A function that runs on a schedule.
    #[must_use]
    pub fn system() -> Self {
        Self { name: SYSTEM.to_owned(), caller: None, address: None }
    }

    /// A member's email, `key` and a key's id, `operator`, or `system`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator's identity: an ARN, or `local`. `None`: another actor, or an entry that predates this attribute.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A key.
    Key {
        /// Its id.
        id: KeyId,
        /// Its name at the time.
        name: String,
        /// Its last four characters after the change.
        last_four: String,
    },
    /// A member.
    Member {
        /// The member's email.
        email: String,
        /// The member's role after the change, or before a removal.
        role: Role,
    },
    /// The organization's plan.
    Plan {
        /// The plan before the change.
        before: Plan,
        /// The plan after the change.
        after: Plan,
    },
    /// A candidate, of whom only the id is left.
    Candidate {
        /// Their id.
        id: CandidateId,
    },
    /// The actor's own session.
    Session,
}

impl Subject {
    fn attributes(&self) -> Item {
        let attributes = match self {
            Self::Key { id, name, last_four } => {
                vec![(KEY, string(id)), (KEY_NAME, string(name)), (LAST_FOUR, string(last_four))]
            }
            Self::Member { email, role } => vec![(MEMBER, string(email)), (ROLE, string(role.as_str()))],
            Self::Plan { before, after } => vec![(PLAN_BEFORE, string(before)), (PLAN, string(after))],
            Self::Candidate { id } => vec![(CANDIDATE, string(id))],
            Self::Session => Vec::new(),
        };
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn read(act: Act, item: &Item) -> Option<Self> {
        Some(match act {
            Act::Created | Act::Rotated | Act::Revoked => Self::Key {
                id: KeyId::parse(text(item, KEY)?)?,
                name: text(item, KEY_NAME)?.to_owned(),
                last_four: text(item, LAST_FOUR)?.to_owned(),
            },
            Act::MemberAdded | Act::MemberRemoved | Act::MemberChanged => {
                Self::Member { email: text(item, MEMBER)?.to_owned(), role: Role::named(text(item, ROLE)?)? }
            }
            Act::PlanChanged => {
                Self::Plan { before: text(item, PLAN_BEFORE)?.parse().ok()?, after: text(item, PLAN)?.parse().ok()? }
            }
            Act::CandidateErased => Self::Candidate { id: text(item, CANDIDATE)?.parse().ok()? },
            Act::SignedIn | Act::SignedOut => Self::Session,
        })
    }
}

/// An entry of the activity log.
#[derive(Clone, Debug)]
pub struct Activity {
    /// When it was done.
    pub at: Timestamp,
    /// What was done.
    pub act: Act,
    /// To what.
    pub subject: Subject,
    /// By whom.
    pub actor: Actor,
}

impl Activity {
    /// `None`: this version does not know the act, but a later one, which may run alongside it, does.
    fn read(item: &Item) -> Result<Option<Self>, DbError> {
        let unreadable = DbError::Unreadable("an activity");
        let Some(act) = text(item, ACT) else { return Err(unreadable) };
        let Some(act) = Act::named(act) else { return Ok(None) };
        let whole = || {
            let actor = Actor {
                name: text(item, ACTOR)?.to_owned(),
                caller: text(item, CALLER).map(str::to_owned),
                address: text(item, ADDRESS).map(str::to_owned),
            };
            Some(Self { at: table::activity_moment(item)?, act, subject: Subject::read(act, item)?, actor })
        };
        whole().map(Some).ok_or(unreadable)
    }

    /// The network address of the actor. `None`: not a member.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.actor.address.as_deref()
    }
}

/// Adds the entry to the transaction that does what it describes.
pub(crate) fn add(
    transaction: &mut Transaction<'_>,
    org: &OrgId,
    now: Timestamp,
    act: Act,
    subject: &Subject,
    actor: &Actor,
) -> Result<(), DbError> {
    let unique =
        random_base62(ACTIVITY_SUFFIX_LEN).map_err(|NoRandomness(error)| DbError::Unavailable(error.to_string()))?;
    let mut item = subject.attributes();
    item.extend([
        (ACT.to_owned(), string(act.as_str())),
        (ACTOR.to_owned(), string(&actor.name)),
        (table::DELETE_AT.to_owned(), number(now.as_secs() + KEPT_SECS)),
    ]);
    for (name, value) in [(CALLER, &actor.caller), (ADDRESS, &actor.address)] {
        if let Some(value) = value {
            item.insert(name.to_owned(), string(value));
        }
    }
    transaction.put_new(Table::Access, table::activity(org, now, &unique).with(item)).map(drop)
}

/// A page of the organization's entries, latest first. Expired entries are left out, even if DynamoDB has not deleted them yet.
pub async fn page(
    db: &Db,
    org: &OrgId,
    cursor: Option<&Cursor>,
    limit: u8,
    now: Timestamp,
) -> Result<(Vec<Activity>, Option<Cursor>), StoreError> {
    let (items, next) = page::items(db, &List::activities(org), cursor, None, limit).await?;
    let entries: Vec<Option<Activity>> = items.iter().map(Activity::read).collect::<Result<_, _>>()?;
    let entries: Vec<Activity> = entries.into_iter().flatten().collect();
    let is_kept = |entry: &Activity| entry.at.as_secs() + KEPT_SECS > now.as_secs();
    let all_kept = entries.last().is_none_or(is_kept);
    Ok((entries.into_iter().filter(is_kept).collect(), next.filter(|_| all_kept)))
}
