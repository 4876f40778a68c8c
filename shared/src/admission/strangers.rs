//! What this instance remembers about secrets that it has not served. Anybody can make up a secret for a key id, which is public, or a key
//! id for an account, and every one that DynamoDB refuses costs the account's organization capacity.

use crate::{
    admission::{bounded::Bounded, decision::Rejection},
    model::{
        clock::Timestamp,
        key::{AccountId, KeyHash, KeyId},
    },
};

/// How long an instance trusts what it has seen when it rejects a secret as invalid, or a request for its scope.
pub(super) const TRUST_MILLIS: i64 = 1_000;
/// How many unknown secrets of one key id may reach DynamoDB in a second.
const PER_KEY: usize = 5;
/// How many of one account may: each of its keys has at most two.
const PER_ACCOUNT: usize = 10;

/// The unknown secrets that were presented lately, by account.
#[derive(Debug, Default)]
pub(super) struct Strangers(Bounded<AccountId, Stranger>);

#[derive(Debug, Default)]
struct Stranger {
    /// In Unix seconds.
    second: i64,
    /// The secrets that were let through in that second.
    asked: Vec<(KeyId, KeyHash)>,
    /// Those of them that were invalid, and when.
    invalid: Vec<(KeyHash, Timestamp)>,
    /// Secrets that were found valid by a request that is not counted on the account.
    valid: Vec<KeyHash>,
}

impl Strangers {
    /// Why a secret is not looked up: it was invalid a moment ago, or too many others were presented. The latter is no statement about the
    /// secret, which may be new.
    pub(super) fn rejects(&mut self, key: &KeyId, hash: &KeyHash, now: Timestamp) -> Option<Rejection> {
        let stranger = self.0.entry(key.account());
        let age = |at: Timestamp| now.as_millis() - at.as_millis();
        stranger.invalid.retain(|(_, at)| (0..TRUST_MILLIS).contains(&age(*at)));
        if stranger.invalid.iter().any(|(invalid, _)| invalid == hash) {
            return Some(Rejection::InvalidKey);
        }
        if stranger.second != now.as_secs() {
            stranger.second = now.as_secs();
            stranger.asked.clear();
        }
        if stranger.valid.contains(hash) || stranger.asked.iter().any(|(_, asked)| asked == hash) {
            return None;
        }
        let of_key = stranger.asked.iter().filter(|(id, _)| id == key).count();
        if of_key >= PER_KEY || stranger.asked.len() >= PER_ACCOUNT {
            return Some(Rejection::UnknownSecrets);
        }
        stranger.asked.push((key.clone(), *hash));
        None
    }

    /// Remembers that a secret was valid, so that unknown ones don't keep it from being looked up.
    pub(super) fn note_valid(&mut self, key: &KeyId, hash: &KeyHash) {
        let valid = &mut self.0.entry(key.account()).valid;
        if !valid.contains(hash) {
            if valid.len() >= PER_ACCOUNT {
                valid.remove(0);
            }
            valid.push(*hash);
        }
    }

    /// Remembers that a secret was invalid.
    pub(super) fn note(&mut self, key: &KeyId, hash: &KeyHash, now: Timestamp) {
        let stranger = self.0.entry(key.account());
        stranger.valid.retain(|valid| valid != hash);
        let invalid = &mut stranger.invalid;
        if !invalid.iter().any(|(known, _)| known == hash) && invalid.len() < 2 * PER_ACCOUNT {
            invalid.push((*hash, now));
        }
    }
}
