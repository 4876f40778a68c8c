//! The attributes of a key's own item: what no request needs. What a request needs is on its [account](crate::store::account). It makes no
//! call.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use data_encoding::HEXLOWER;

use crate::model::{
    key::{ApiKey, KeyHash},
    window::Minute,
};

pub(super) const ORGANIZATION: &str = "organizationId";
pub(super) const NAME: &str = "name";
pub(super) const LAST_FOUR: &str = "lastFour";
pub(super) const CREATED_AT: &str = "createdAt";
pub(super) const CREATED_BY: &str = "createdBy";
/// The scopes of a key that is no longer on its account, as letters.
pub(super) const SCOPES: &str = "scopes";
/// Milliseconds since 1970, of a key that is no longer on its account.
pub(super) const EXPIRES_AT: &str = "expiresAt";
pub(super) const LAST_USED_AT: &str = "lastUsedAt";
pub(super) const REVOKED_AT: &str = "revokedAt";

pub(super) const ROTATIONS: &str = "rotations";
pub(super) const ROTATED_AT: &str = "rotatedAt";
pub(super) const PREVIOUS_LAST_FOUR: &str = "previousLastFour";
/// When the key would have expired without the rotation, in milliseconds since 1970.
pub(super) const PREVIOUS_EXPIRES_AT: &str = "previousExpiresAt";
/// Milliseconds since 1970, of a key that is no longer on its account.
pub(super) const PREVIOUS_UNTIL: &str = "previousUntil";
pub(super) const PREVIOUS_USES: &str = "previousUses";

/// The hashes of every secret that the key has had, which distinguish the use of an ended secret from a guess.
pub(super) const SECRETS: &str = "secrets";
/// How often a secret that has ended was used, and when last.
pub(super) const LATE_USES: &str = "lateUses";
pub(super) const LATE_USE_AT: &str = "lateUseAt";

/// The hash of a key's secret, in a set of one.
pub(super) fn secret(key: &ApiKey) -> AttributeValue {
    AttributeValue::Bs(vec![Blob::new(key.hash().as_bytes())])
}

/// When the key was last used to ask for its own usage.
pub(super) const LAST_USAGE_AT: &str = "lastUsageAt";
const USAGE_MINUTE: &str = "usage.";

/// The counter of requests for the key's own usage in a minute.
pub(super) fn usage_minute(minute: Minute) -> String {
    format!("{USAGE_MINUTE}{}", minute.code())
}

/// The minute that an attribute counts. `None`: it is not such a counter.
pub(super) fn usage_minute_of(attribute: &str) -> Option<Minute> {
    Minute::of_code(attribute.strip_prefix(USAGE_MINUTE)?)
}

/// The counter of such requests with one secret.
pub(super) fn usage_uses(hash: &KeyHash) -> String {
    format!("uses.{}", HEXLOWER.encode(&hash.as_bytes()[..4]))
}
