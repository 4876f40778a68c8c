//! The attributes of a key's item, other than its counters of minutes and days. It makes no call.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use data_encoding::HEXLOWER;

use crate::{
    model::{
        clock::Timestamp,
        id::OrgId,
        key::{ApiKey, Grant},
    },
    store::{
        error::DbError,
        item::{Item, integer, text},
    },
};

pub(super) const HASH: &str = "hash";
pub(super) const ORGANIZATION: &str = "organizationId";
pub(super) const SCOPES: &str = "scopes";
pub(super) const NAME: &str = "name";
pub(super) const LAST_FOUR: &str = "lastFour";
pub(super) const CREATED_AT: &str = "createdAt";
pub(super) const CREATED_BY: &str = "createdBy";
/// Milliseconds since 1970, so that a condition can compare it.
pub(super) const EXPIRES_AT: &str = "expiresAt";
pub(super) const REVOKED_AT: &str = "revokedAt";
pub(super) const LAST_USED_AT: &str = "lastUsedAt";

pub(super) const ROTATIONS: &str = "rotations";
pub(super) const ROTATED_AT: &str = "rotatedAt";
pub(super) const PREVIOUS_HASH: &str = "previousHash";
pub(super) const PREVIOUS_LAST_FOUR: &str = "previousLastFour";
/// Milliseconds since 1970, so that a condition can compare it.
pub(super) const PREVIOUS_UNTIL: &str = "previousUntil";
/// Uses of the previous secret before the rotation.
pub(super) const PREVIOUS_USES_BEFORE: &str = "previousUsesBefore";

pub(super) fn grant(item: &Item) -> Result<Grant, DbError> {
    let org = text(item, ORGANIZATION).and_then(|org| OrgId::stored(org).ok());
    let scopes = item.get(SCOPES).and_then(|scopes| scopes.as_ss().ok());
    Ok(Grant {
        org: org.ok_or(DbError::Unreadable("a key without its organization"))?,
        // A scope that was removed from the closed set grants nothing.
        scopes: scopes.into_iter().flatten().filter_map(|scope| scope.parse().ok()).collect(),
        expires_at: integer(item, EXPIRES_AT).map(Timestamp::from_millis),
    })
}

/// Whether the attribute holds this hash.
pub(super) fn has_hash(item: &Item, name: &str, hash: &Blob) -> bool {
    item.get(name).and_then(|value| value.as_b().ok()) == Some(hash)
}

/// The stored hash of a key.
pub(super) fn stored_hash(key: &ApiKey) -> AttributeValue {
    AttributeValue::B(Blob::new(key.hash().as_bytes()))
}

/// The attribute that counts the uses of one secret, which shows how often the previous one is still used.
pub(super) fn uses_attribute(hash: &[u8]) -> String {
    format!("s{}", HEXLOWER.encode(&hash[..hash.len().min(4)]))
}
