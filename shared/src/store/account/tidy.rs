//! Keeps an account's item small: files the counts of past days, and removes counters that no request removes on its way.

use aws_sdk_dynamodb::types::ReturnValue;

use crate::{
    model::{
        key::{AccountId, KeyId, KeyNumber},
        window::Day,
    },
    store::{
        account::{
            attribute::Attribute,
            count::{names, remove},
        },
        db::Db,
        error::DbError,
        expression::Expression,
        item::number,
        key_day,
        table::{self, Table},
    },
};

/// Files the counts of past days, and removes the counters. Whatever it does not get to is done by a later call.
///
/// A count is on the day's item before it leaves the account's, and no instance counts in a day that is over for two minutes, so nothing is
/// lost or counted twice, whichever instance stops where.
pub(crate) async fn tidy(
    db: &Db,
    account: &AccountId,
    days: &[(KeyNumber, Day, u64)],
    stale: &[Attribute],
) -> Result<(), DbError> {
    for (number_of_key, day, count) in days {
        key_day::file(db, &KeyId::new(account, *number_of_key), *day, *count).await?;
        let leave = Expression::update("REMOVE #day")
            .only_if("#day = :count")
            .names([("#day", Attribute::Day(*number_of_key, *day))])
            .values([(":count", number(count))]);
        // A failed condition: another instance was faster, or a clock is further behind than we allow for.
        drop(db.update(Table::Access, table::account(account), leave, ReturnValue::None).await?);
    }
    if !stale.is_empty() {
        let sweep = Expression::update(remove(stale)).only_if(table::PRESENT).names(names(stale));
        drop(db.update(Table::Access, table::account(account), sweep, ReturnValue::None).await?);
    }
    Ok(())
}
