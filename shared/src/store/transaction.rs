//! Transactions: writes that all succeed or all fail. Adding a write returns a [`Part`] that identifies it, so that nobody has to count
//! positions. It knows no record.

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};

use crate::{
    model::key::{NoRandomness, random_base62},
    store::{
        backoff::Backoff,
        db::Db,
        doubt::Doubt,
        error::{DbError, built, failure},
        expression::Expression,
        item::Item,
        table::{self, Key, Table},
    },
};

const CONDITION_FAILED: &str = "ConditionalCheckFailed";
/// DynamoDB accepts up to 36 characters.
const TOKEN_LEN: usize = 24;
/// Every part requests the item that fails its condition.
const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// A transaction under construction.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    db: &'a Db,
    writes: Vec<TransactWriteItem>,
}

/// One write of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part(usize);

impl<'a> Transaction<'a> {
    pub(crate) fn new(db: &'a Db) -> Self {
        Self { db, writes: Vec::new() }
    }

    fn add(&mut self, write: TransactWriteItem) -> Part {
        self.writes.push(write);
        Part(self.writes.len() - 1)
    }

    /// Puts an item, replacing any with its key.
    pub(crate) fn put(&mut self, table: Table, item: Item) -> Result<Part, DbError> {
        let put = Put::builder().table_name(self.db.name(table)).set_item(Some(item));
        Ok(self.add(TransactWriteItem::builder().put(built(put.build())?).build()))
    }

    /// Puts an item, on the condition that none with its key exists.
    pub(crate) fn put_new(&mut self, table: Table, item: Item) -> Result<Part, DbError> {
        self.put_if(table, item, Expression::condition(table::ABSENT))
    }

    /// Puts an item, on a condition about the one that it replaces.
    pub(crate) fn put_if(&mut self, table: Table, item: Item, mut expression: Expression) -> Result<Part, DbError> {
        let put = Put::builder()
            .table_name(self.db.name(table))
            .set_item(Some(item))
            .set_condition_expression(expression.condition.take())
            .set_expression_attribute_names(expression.take_names())
            .set_expression_attribute_values(expression.take_values())
            .return_values_on_condition_check_failure(OLD);
        Ok(self.add(TransactWriteItem::builder().put(built(put.build())?).build()))
    }

    /// Updates an item.
    pub(crate) fn update(&mut self, table: Table, key: Key, mut expression: Expression) -> Result<Part, DbError> {
        let update = Update::builder()
            .table_name(self.db.name(table))
            .set_key(Some(key.into_item()))
            .set_update_expression(expression.update.take())
            .set_condition_expression(expression.condition.take())
            .set_expression_attribute_names(expression.take_names())
            .set_expression_attribute_values(expression.take_values())
            .return_values_on_condition_check_failure(OLD);
        Ok(self.add(TransactWriteItem::builder().update(built(update.build())?).build()))
    }

    /// Deletes an item.
    pub(crate) fn delete(&mut self, table: Table, key: Key, mut expression: Expression) -> Result<Part, DbError> {
        let delete = Delete::builder()
            .table_name(self.db.name(table))
            .set_key(Some(key.into_item()))
            .set_condition_expression(expression.condition.take())
            .set_expression_attribute_names(expression.take_names())
            .set_expression_attribute_values(expression.take_values())
            .return_values_on_condition_check_failure(OLD);
        Ok(self.add(TransactWriteItem::builder().delete(built(delete.build())?).build()))
    }

    /// Checks an item without writing to it.
    pub(crate) fn check(&mut self, table: Table, key: Key, mut expression: Expression) -> Result<Part, DbError> {
        let check = ConditionCheck::builder()
            .table_name(self.db.name(table))
            .set_key(Some(key.into_item()))
            .set_condition_expression(expression.condition.take())
            .set_expression_attribute_names(expression.take_names())
            .set_expression_attribute_values(expression.take_values())
            .return_values_on_condition_check_failure(OLD);
        Ok(self.add(TransactWriteItem::builder().condition_check(built(check.build())?).build()))
    }

    /// Sends the transaction, and retries it after a conflict or throttling.
    ///
    /// All attempts have the same token, by which DynamoDB recognizes a transaction that it has applied. So one whose response was lost is
    /// not applied twice, and a retry does not take its own write for another's.
    pub(crate) async fn commit(self) -> Result<Result<(), Cancelled>, DbError> {
        let token = random_base62(TOKEN_LEN).map_err(|NoRandomness(error)| DbError::Unavailable(error.to_string()))?;
        let (mut backoff, doubt) = (Backoff::new(), Doubt::default());
        loop {
            let Err(error) = self.db.send(self.writes.clone(), &token, &doubt).await else { return Ok(Ok(())) };
            let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() else {
                return Err(failure(&error));
            };
            match Cancelled::sort(canceled.cancellation_reasons())? {
                Some(reasons) => return Ok(Err(Cancelled { reasons, is_in_doubt: doubt.exists() })),
                None => backoff.pause().await?,
            }
        }
    }
}

/// A transaction that was cancelled because a condition failed, with the parts that failed and the items that failed them.
#[derive(Debug)]
pub(crate) struct Cancelled {
    reasons: Vec<CancellationReason>,
    /// An earlier attempt may still be under way.
    is_in_doubt: bool,
}

impl Cancelled {
    /// The reasons, if a condition failed. `None`: none did, and the transaction can be retried.
    fn sort(reasons: &[CancellationReason]) -> Result<Option<Vec<CancellationReason>>, DbError> {
        let codes = || reasons.iter().filter_map(CancellationReason::code).filter(|code| *code != "None");
        if codes().any(|code| code == CONDITION_FAILED) {
            return Ok(Some(reasons.to_vec()));
        }
        let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        match codes().find(|code| !passing.contains(code)) {
            Some(code) => Err(DbError::Rejected(code.to_owned())),
            None => Ok(None),
        }
    }

    /// If the condition of this part failed: the existing item, if there is one.
    pub(crate) fn failed(&self, part: Part) -> Option<Option<&Item>> {
        let reason = self.reasons.get(part.0).filter(|reason| reason.code() == Some(CONDITION_FAILED))?;
        Some(reason.item().filter(|item| !item.is_empty()))
    }

    /// The error for a condition that failed now and may hold later. If an earlier attempt is still under way, it may be executed then, so
    /// nobody can say that the write was rejected.
    pub(crate) fn reject<E: From<DbError>>(&self, error: E) -> E {
        if self.is_in_doubt {
            return DbError::Unavailable("rejected, but an earlier attempt may still be under way".to_owned()).into();
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Vec<CancellationReason> {
        codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect()
    }

    #[test]
    fn a_cancelled_transaction_failed_a_condition_or_can_be_retried_or_is_a_fault() {
        let reasons_of = |codes: &[&str]| Cancelled::sort(&reasons(codes)).unwrap().unwrap();
        let cancelled =
            Cancelled { reasons: reasons_of(&["None", CONDITION_FAILED, "TransactionConflict"]), is_in_doubt: false };
        assert_eq!(
            (
                cancelled.failed(Part(0)),
                cancelled.failed(Part(1)),
                cancelled.failed(Part(2)),
                cancelled.failed(Part(3))
            ),
            (None, Some(None), None, None)
        );
        for passing in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
            assert!(Cancelled::sort(&reasons(&["None", passing])).unwrap().is_none());
        }
        for fault in ["ValidationError", "ItemCollectionSizeLimitExceeded", "DuplicateItem"] {
            assert!(matches!(Cancelled::sort(&reasons(&["TransactionConflict", fault])), Err(DbError::Rejected(_))));
        }
    }
}
