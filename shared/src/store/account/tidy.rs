//! Keeps an account's item small: files the counts of past days, and removes former secrets that have ended, and counters that no request
//! removes on its way.

use aws_sdk_dynamodb::types::ReturnValue;

use crate::{
    model::{
        key::{AccountId, KeyId, KeyNumber},
        window::Day,
    },
    store::{
        account::{attribute::Attribute, change::stored_hash, item::Former},
        db::Db,
        error::DbError,
        expression::Expression,
        item::number,
        key_day,
        table::{self, Table},
    },
};

/// What is to be tidied up.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    /// The counts of past days.
    pub(crate) days: Vec<(KeyNumber, Day, u64)>,
    /// Secrets that have ended.
    pub(crate) ended: Vec<(KeyNumber, Former)>,
    /// Counters to remove.
    pub(crate) stale: Vec<Attribute>,
}

impl Chores {
    pub(crate) fn is_empty(&self) -> bool {
        self.days.is_empty() && self.ended.is_empty() && self.stale.is_empty()
    }
}

/// Files the counts of past days, and removes what has ended. Whatever it does not get to is done by a later call.
///
/// A count is on the day's item before it leaves the account's, and no instance counts in a day that is over for two minutes, so nothing is
/// lost or counted twice, whichever instance stops where.
pub(crate) async fn tidy(db: &Db, account: &AccountId, Chores { days, ended, stale }: &Chores) -> Result<(), DbError> {
    for (number_of_key, day, count) in days {
        key_day::file(db, &KeyId::new(account, *number_of_key), *day, *count).await?;
        let leave = Expression::update("REMOVE #day")
            .only_if("#day = :count")
            .names([("#day", Attribute::Day(*number_of_key, *day))])
            .values([(":count", number(count))]);
        // A failed condition: another instance was faster, or a clock is further behind than we allow for.
        drop(db.update(Table::Access, table::account(account), leave, ReturnValue::None).await?);
    }
    for (key_number, former) in ended {
        let leave = Expression::update("REMOVE #former, #end, #uses")
            .only_if("#former = :former AND #end = :end")
            .names([
                ("#former", Attribute::FormerHash(*key_number)),
                ("#end", Attribute::FormerEnd(*key_number)),
                ("#uses", Attribute::uses(*key_number, &former.hash)),
            ])
            .values([(":former", stored_hash(&former.hash)), (":end", number(former.until.as_millis()))]);
        // A failed condition: the key has been rotated again.
        drop(db.update(Table::Access, table::account(account), leave, ReturnValue::None).await?);
    }
    if !stale.is_empty() {
        let sweep = Expression::default().removing(stale.iter().copied()).only_if(table::PRESENT);
        drop(db.update(Table::Access, table::account(account), sweep, ReturnValue::None).await?);
    }
    Ok(())
}
