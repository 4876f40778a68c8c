//! Accounts: the items that admission decides by. An account holds the plan and the month of its organization, and of up to five keys
//! what a request needs: the secret, the scopes, the expiry and the counters. An organization on the Enterprise plan has as many accounts
//! as its keys need. What no request needs, such as a key's name, is on other items, so that counting a request writes one unit.

mod attribute;
mod change;
mod count;
mod item;
mod tidy;

pub(crate) use attribute::{Attribute, REVISION_NAME, scope_letters, scopes_of};
pub(crate) use change::{MAX_KEYS, add_key, key_attributes, new_account, remove_key, set_plan, stored_hash, unchanged};
pub(crate) use count::{Counted, Counting, Counts, count};
pub(crate) use item::{Account, AccountKey};
pub(crate) use tidy::{Chores, tidy};

use crate::{
    model::key::AccountId,
    store::{db::Db, error::DbError, table},
};

/// The account with this id, whole.
pub(crate) async fn get(db: &Db, id: &AccountId) -> Result<Option<Account>, DbError> {
    let item = db.get_access(table::account(id)).await?;
    item.as_ref().map(Account::read).transpose()
}
