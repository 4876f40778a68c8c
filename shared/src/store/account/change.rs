//! How admins and the operator change an account: the expressions, each with the condition under which it holds. It makes no call.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{AccountId, ApiKey, KeyHash, KeyNumber},
        plan::{Allowance, Plan},
        scope::Scope,
        window::{Day, Month},
    },
    store::{
        account::{
            attribute::{Attribute, LIVE, NEXT, ORGANIZATION, PLAN, REVISION, scope_letters},
            item::{Account, AccountKey},
        },
        expression::Expression,
        item::{Item, number, string},
        table,
    },
};

/// The most keys in one account: what the largest limited plan allows, so that its limits are in one item.
pub(crate) const MAX_KEYS: u64 = 5;

/// The item of a new account. `first`: the attributes of its first key, if it begins with one.
pub(crate) fn new_account(id: &AccountId, org: &OrgId, plan: Plan, first: Vec<(Attribute, AttributeValue)>) -> Item {
    let next = if first.is_empty() { Some(KeyNumber::FIRST) } else { KeyNumber::FIRST.next() };
    let mut item = Item::from([
        (ORGANIZATION.to_owned(), string(org)),
        (PLAN.to_owned(), string(plan)),
        (REVISION.to_owned(), number(1)),
        (NEXT.to_owned(), next_number(next)),
        (LIVE.to_owned(), number(u8::from(!first.is_empty()))),
    ]);
    item.extend(first.into_iter().map(|(attribute, value)| (attribute.to_string(), value)));
    table::account(id).with(item)
}

/// The attributes of a new key.
pub(crate) fn key_attributes(
    key: &ApiKey,
    scopes: &[Scope],
    expires_at: Option<Timestamp>,
) -> Vec<(Attribute, AttributeValue)> {
    let key_number = key.id().number();
    let expiry = expires_at.map(|at| (Attribute::Expiry(key_number), number(at.as_millis())));
    let attributes = [
        (Attribute::Hash(key_number), stored_hash(&key.hash())),
        (Attribute::Scopes(key_number), string(scope_letters(scopes))),
    ];
    attributes.into_iter().chain(expiry).collect()
}

/// The update that adds a key with this number, if it is the next one and the plan has room for it.
pub(crate) fn add_key(key_number: KeyNumber, attributes: Vec<(Attribute, AttributeValue)>) -> Expression {
    let (has_room, limits) = allows(Plan::keys, Some(MAX_KEYS));
    let sets: Vec<String> = (0..attributes.len()).map(|i| format!(", #a{i} = :a{i}")).collect();
    let names = attributes.iter().enumerate().map(|(i, (attribute, _))| (format!("#a{i}"), attribute.to_string()));
    Expression::update(format!("SET #next = :next{} ADD #used :one, #revision :one", sets.concat()))
        .only_if(format!("#next = :number AND ({has_room})"))
        .names([("#next", NEXT), ("#used", LIVE), ("#revision", REVISION), ("#plan", PLAN)])
        .names(names)
        .values(limits)
        .values([(":number", string(key_number)), (":next", next_number(key_number.next())), (":one", number(1))])
        .values(attributes.into_iter().enumerate().map(|(i, (_, value))| (format!(":a{i}"), value)))
}

/// The update that removes a key, on the condition that it has this secret, and these counts of days, which are filed.
pub(crate) fn remove_key(key_number: KeyNumber, key: &AccountKey, days: &[(Day, u64)]) -> Expression {
    let day_counters = || days.iter().map(|(day, _)| Attribute::Day(key_number, *day));
    let counted: Vec<String> = (0..days.len()).map(|i| format!(" AND #d{i} = :d{i}")).collect();
    Expression::update("ADD #live :less, #revision :one")
        .removing(key.attributes(key_number).into_iter().chain(day_counters()))
        .only_if(format!("#hash = :hash{}", counted.concat()))
        .names([("#live", LIVE), ("#revision", REVISION)])
        .names([("#hash", Attribute::Hash(key_number))])
        .names(day_counters().enumerate().map(|(i, counter)| (format!("#d{i}"), counter)))
        .values([(":less", number(-1)), (":one", number(1)), (":hash", stored_hash(&key.hash))])
        .values(days.iter().enumerate().map(|(i, (_, count))| (format!(":d{i}"), number(count))))
}

/// The update that changes the plan, and adds requests to the month, if the account has not been changed.
pub(crate) fn set_plan(account: &Account, plan: Plan, add: &BTreeMap<Month, u64>) -> Expression {
    let adds: Vec<String> = (0..add.len()).map(|i| format!(", #q{i} :q{i}")).collect();
    Expression::update(format!("SET #plan = :plan ADD #revision :one{}", adds.concat()))
        .only_if("#revision = :seen")
        .names([("#plan", PLAN), ("#revision", REVISION)])
        .names(add.keys().enumerate().map(|(i, month)| (format!("#q{i}"), Attribute::Month(*month))))
        .values([(":plan", string(plan)), (":one", number(1)), (":seen", number(account.revision))])
        .values(add.values().enumerate().map(|(i, count)| (format!(":q{i}"), number(count))))
}

/// The condition that the account has not been changed.
pub(crate) fn unchanged(account: &Account) -> Expression {
    Expression::condition("#revision = :seen")
        .names([("#revision", REVISION)])
        .values([(":seen", number(account.revision))])
}

/// A hash as it is stored.
pub(crate) fn stored_hash(hash: &KeyHash) -> AttributeValue {
    AttributeValue::B(Blob::new(hash.as_bytes()))
}

/// The next key's number, as stored. `None`: every number has been given out.
fn next_number(next: Option<KeyNumber>) -> AttributeValue {
    string(next.map(|next| next.to_string()).unwrap_or_default())
}

/// The condition that the counter `#used` is below what the account's `#plan` allows, and below `most`, with its values:
/// `(#plan = :starter AND (attribute_not_exists(#used) OR #used < :starterMax)) OR … OR #plan = :enterprise`.
pub(crate) fn allows(allowance: fn(Plan) -> Allowance, most: Option<u64>) -> (String, Item) {
    let mut values = Item::new();
    let mut cases = Vec::new();
    for plan in Plan::ALL {
        let limit = match (allowance(plan), most) {
            (Allowance::Limited(limit), most) => Some(limit.min(most.unwrap_or(limit))),
            (Allowance::Unlimited, most) => most,
        };
        match limit {
            Some(0) => continue,
            Some(limit) => {
                values.insert(format!(":{plan}Max"), number(limit));
                cases.push(format!("(#plan = :{plan} AND (attribute_not_exists(#used) OR #used < :{plan}Max))"));
            }
            None => cases.push(format!("#plan = :{plan}")),
        }
        values.insert(format!(":{plan}"), string(plan));
    }
    (cases.join(" OR "), values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_names_every_plan_with_its_limit() {
        let (condition, values) = allows(Plan::monthly_requests, None);
        assert_eq!(
            condition,
            "(#plan = :starter AND (attribute_not_exists(#used) OR #used < :starterMax)) OR \
             (#plan = :professional AND (attribute_not_exists(#used) OR #used < :professionalMax)) OR \
             #plan = :enterprise"
        );
        assert_eq!(values[":starterMax"], number(1_000));
        assert!(!values.contains_key(":free"));
        assert_eq!(allows(Plan::keys, Some(MAX_KEYS)).1[":enterpriseMax"], number(MAX_KEYS));
    }
}
