//! Creates a key. It shows none.

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{AccountId, ApiKey, KeyId, KeyNumber, NoRandomness},
        plan::{Allowance, Plan},
        scope::Scope,
        value::ShortText,
    },
    store::{
        account::{self, MAX_KEYS},
        activity::{self, Act, Actor, Subject},
        api_key::item::{CREATED_AT, CREATED_BY, LAST_FOUR, NAME, ORGANIZATION, SECRETS, secret},
        backoff::Backoff,
        db::Db,
        error::DbError,
        item::{Item, number, string, text},
        organization::{self, Accounts, MAX_ACCOUNTS},
        table::{self, Table},
        transaction::Transaction,
    },
};

/// How long a form's marker is kept: longer than any session, whose forms alone can be sent twice.
const FORM_KEPT_SECS: i64 = 24 * 60 * 60;
const KEY_ID: &str = "keyId";

/// The properties of a new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub name: ShortText,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// When it expires. `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// The organization has as many keys as its plan allows.
    #[error("the plan {0} allows no further key")]
    PlanLimit(Plan),
    /// The organization has as many accounts as one transaction can change.
    #[error("an organization can have at most {} keys", MAX_ACCOUNTS * MAX_KEYS)]
    TooMany,
    /// A key without a scope could do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// There is no such organization.
    #[error("there is no such organization")]
    UnknownOrganization,
    /// The form has already created this key.
    #[error("the form has created the key {0} before")]
    AlreadyCreated(KeyId),
    /// The operating system returned no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// DynamoDB failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates a key for the organization. The plan's limit on keys is exact, even if two are created at once.
pub async fn create(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    new: NewKey,
    actor: &Actor,
) -> Result<ApiKey, CreateKeyError> {
    Creation { db, org, now, new, actor, form: None }.run().await
}

/// Like [`create`], but the form with this digest creates only one key, however often it is sent.
pub async fn create_once(
    db: &Db,
    org: &OrgId,
    now: Timestamp,
    new: NewKey,
    actor: &Actor,
    form: &str,
) -> Result<ApiKey, CreateKeyError> {
    Creation { db, org, now, new, actor, form: Some(form) }.run().await
}

struct Creation<'a> {
    db: &'a Db,
    org: &'a OrgId,
    now: Timestamp,
    new: NewKey,
    actor: &'a Actor,
    form: Option<&'a str>,
}

/// The account that gets the key.
enum Place {
    /// One that has room, and the key's number in it.
    In(AccountId, KeyNumber),
    /// A new one, because those that the organization has are full.
    New(AccountId, Accounts),
}

impl Place {
    fn key(&self) -> KeyId {
        match self {
            Self::In(account, number) => KeyId::new(account, *number),
            Self::New(account, _) => KeyId::new(account, KeyNumber::FIRST),
        }
    }
}

impl Creation<'_> {
    async fn run(self) -> Result<ApiKey, CreateKeyError> {
        if self.new.scopes.is_empty() {
            return Err(CreateKeyError::NoScope);
        }
        let mut backoff = Backoff::new();
        loop {
            let place = self.place().await?;
            if let Some(key) = self.create_in(&place).await? {
                return Ok(key);
            }
            // The account has changed since it was read.
            backoff.pause().await?;
        }
    }

    /// Where the key goes. The form's own key is found first, so that a form which is sent twice hears of it although the plan has no room
    /// for another key.
    async fn place(&self) -> Result<Place, CreateKeyError> {
        if let Some(form) = self.form
            && let Some(marker) = self.db.get_access(table::form_marker(form)).await?
        {
            return Err(already_created(Some(&marker)));
        }
        let accounts = organization::accounts(self.db, self.org).await?.ok_or(CreateKeyError::UnknownOrganization)?;
        let plan = accounts.plan();
        if plan.keys().left(accounts.live_keys()) == Some(0) {
            return Err(CreateKeyError::PlanLimit(plan));
        }
        let mut with_room = accounts.all.iter().filter(|account| account.live < MAX_KEYS);
        match with_room.find_map(|account| Some(Place::In(account.id.clone(), account.next?))) {
            Some(place) => Ok(place),
            // The keys of a limited plan are in one account, so that its month is.
            None if plan.keys() != Allowance::Unlimited => Err(CreateKeyError::PlanLimit(plan)),
            None if accounts.are_all() => Err(CreateKeyError::TooMany),
            None => Ok(Place::New(AccountId::generate()?, accounts)),
        }
    }

    /// `None`: the account has changed meanwhile.
    async fn create_in(&self, place: &Place) -> Result<Option<ApiKey>, CreateKeyError> {
        let NewKey { name, scopes, expires_at } = &self.new;
        let id = place.key();
        let key = ApiKey::with_id(&id)?;
        let mut transaction = Transaction::new(self.db);
        let form = self.form.map(|form| {
            let marker = Item::from([
                (KEY_ID.to_owned(), string(&id)),
                (table::DELETE_AT.to_owned(), number(self.now.as_secs() + FORM_KEPT_SECS)),
            ]);
            transaction.put_new(Table::Access, table::form_marker(form).with(marker))
        });
        let form = form.transpose()?;
        let attributes = account::key_attributes(&key, scopes, *expires_at);
        match place {
            Place::In(account, number) => {
                let add = account::add_key(*number, attributes);
                transaction.update(Table::Access, table::account(account), add)?;
            }
            Place::New(account, others) => {
                organization::add_account(&mut transaction, self.org, others, account)?;
                let item = account::new_account(account, self.org, others.plan(), attributes);
                transaction.put_new(Table::Access, item)?;
            }
        }
        let item = Item::from([
            (ORGANIZATION.to_owned(), string(self.org)),
            (NAME.to_owned(), string(name.as_str())),
            (LAST_FOUR.to_owned(), string(key.last_four())),
            (CREATED_AT.to_owned(), string(self.now)),
            (CREATED_BY.to_owned(), string(self.actor.name())),
            (SECRETS.to_owned(), secret(&key)),
        ]);
        transaction.put_new(Table::Access, table::api_key(&id).with(item))?;
        transaction.put(Table::Access, table::api_key_marker(self.org, self.now, &id).into_item())?;
        let subject = Subject::Key { id, name: name.as_str().to_owned(), last_four: key.last_four().to_owned() };
        activity::add(&mut transaction, self.org, self.now, Act::Created, &subject, self.actor)?;
        let Err(cancelled) = transaction.commit().await? else { return Ok(Some(key)) };
        match form.and_then(|form| cancelled.failed(form)) {
            Some(marker) => Err(already_created(marker)),
            None => Ok(None),
        }
    }
}

fn already_created(marker: Option<&Item>) -> CreateKeyError {
    match marker.and_then(|marker| KeyId::parse(text(marker, KEY_ID)?)) {
        Some(key) => CreateKeyError::AlreadyCreated(key),
        None => DbError::Unreadable("a form's marker").into(),
    }
}
