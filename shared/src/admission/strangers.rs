//! What this instance remembers about secrets that it has not served. Anybody can make up a secret for a key id, which is public, and every
//! one that DynamoDB refuses costs the key's organization capacity.

use crate::{
    admission::{bounded::Bounded, decision::Rejection},
    model::{
        clock::Timestamp,
        key::{KeyHash, KeyId},
    },
    store::error::DbError,
};

/// How long an instance trusts what it has seen when it rejects a secret as invalid, or a request for its scope.
pub(super) const TRUST_MILLIS: i64 = 1_000;
/// How many unknown secrets of one key id may reach DynamoDB in a second.
const SECRETS_PER_SECOND: usize = 5;

/// The unknown secrets that were presented lately, by key id.
#[derive(Debug, Default)]
pub(super) struct Strangers(Bounded<KeyId, Stranger>);

#[derive(Debug, Default)]
struct Stranger {
    /// In Unix seconds.
    second: i64,
    /// The secrets that were let through in that second.
    asked: Vec<KeyHash>,
    /// Those of them that were invalid, and when.
    invalid: Vec<(KeyHash, Timestamp)>,
}

impl Strangers {
    /// Why a secret is not looked up: it was invalid a moment ago, or too many others were presented. The latter is no statement about the
    /// secret, which may be new.
    pub(super) fn rejects(&mut self, key: &KeyId, hash: &KeyHash, now: Timestamp) -> Option<Rejection> {
        let stranger = self.0.entry(key.clone());
        let age = |at: Timestamp| now.as_millis() - at.as_millis();
        stranger.invalid.retain(|(_, at)| (0..TRUST_MILLIS).contains(&age(*at)));
        if stranger.invalid.iter().any(|(invalid, _)| invalid == hash) {
            return Some(Rejection::InvalidKey);
        }
        if stranger.second != now.as_secs() {
            stranger.second = now.as_secs();
            stranger.asked.clear();
        }
        if stranger.asked.contains(hash) {
            return None;
        }
        if stranger.asked.len() >= SECRETS_PER_SECOND {
            return Some(Rejection::Failed(DbError::Unavailable("too many unknown secrets for a key".to_owned())));
        }
        stranger.asked.push(*hash);
        None
    }

    /// Remembers that a secret was invalid.
    pub(super) fn note(&mut self, key: &KeyId, hash: &KeyHash, now: Timestamp) {
        let invalid = &mut self.0.entry(key.clone()).invalid;
        if !invalid.iter().any(|(known, _)| known == hash) && invalid.len() < 2 * SECRETS_PER_SECOND {
            invalid.push((*hash, now));
        }
    }
}
