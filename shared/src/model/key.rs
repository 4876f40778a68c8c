//! API keys: their form, their making and their hash. It knows nothing of where keys are kept.
//!
//! `hh_live_` + 10 characters of public id + 32 of secret + 6 of checksum, all base62. The id finds the key's item; the
//! checksum (CRC-32 of all before it) lets a mistyped key be refused without asking the database, and lets a secret
//! scanner tell a key from noise. 32 base62 characters are 190 bits from the operating system's random source.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{clock::Timestamp, id::OrgId, scope::Scope};

const PREFIX: &str = "hh_live_";
const ID_LEN: usize = 10;
const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
const LEN: usize = PREFIX.len() + ID_LEN + SECRET_LEN + CHECKSUM_LEN;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A whole key: a secret, of the right shape and checksum. It is never stored, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// The public part of a key, which finds its item and may be logged. A rotated key keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// What a key gives: an organization, and what may be done in it, until when.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) org: OrgId,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// SHA-256 of a whole key: what is stored in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

/// A key's holder is told of its end in its last 14 days.
const EXPIRY_NOTICE_MILLIS: i64 = 14 * 24 * 60 * 60 * 1_000;

/// Whether a key that expires at `at` is in its last days.
pub(crate) fn expires_soon(at: Timestamp, now: Timestamp) -> bool {
    at.as_millis() - now.as_millis() <= EXPIRY_NOTICE_MILLIS
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes from the operating system: {0}")]
pub struct NoRandomness(pub(crate) getrandom::Error);

impl ApiKey {
    /// Makes a key with a fresh id.
    pub fn generate() -> Result<Self, NoRandomness> {
        Self::with_id(&KeyId(random_base62(ID_LEN)?))
    }

    /// Makes a key with a fresh secret for an id there is already.
    pub fn with_id(id: &KeyId) -> Result<Self, NoRandomness> {
        let mut key = format!("{PREFIX}{}{}", id.0, random_base62(SECRET_LEN)?);
        key.push_str(&checksum(&key));
        Ok(Self(key))
    }

    /// Takes a presented key if its shape and checksum are right.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == LEN
            && text.strip_prefix(PREFIX)?.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.ends_with(&checksum(text.get(..LEN - CHECKSUM_LEN)?));
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The public part.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(self.0.chars().skip(PREFIX.len()).take(ID_LEN).collect())
    }

    /// What is stored instead of the key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The last four characters, by which people tell a rotated key from the one before.
    #[must_use]
    pub fn last_four(&self) -> &str {
        &self.0[LEN - 4..]
    }

    /// The whole key, to be shown once to whom it belongs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl Grant {
    /// Whether the key has expired at `now`.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }
}

impl KeyId {
    /// Takes a key id of the right shape.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == ID_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.to_owned()))
    }

    /// How people recognize the key: `hh_live_` + id + `…` + its last four characters.
    #[must_use]
    pub fn display_form(&self, last_four: &str) -> String {
        format!("{PREFIX}{self}…{last_four}")
    }

    /// The id that belongs to a digest, of whose choices there are as many as of ids.
    #[must_use]
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        let digits = digest.chunks(3).take(ID_LEN);
        // Three bytes for a digit, so that no digit is noticeably likelier than another.
        let digit =
            |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number * 256 + usize::from(*byte)) % BASE62.len();
        Self(digits.map(|bytes| char::from(BASE62[digit(bytes)])).collect())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyHash {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

pub(crate) fn random_base62(len: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(len);
    let mut bytes = [0; 64];
    while text.len() < len {
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        // 248 is the largest multiple of 62 in a byte: beyond it, some characters would be likelier than others.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.map(|byte| char::from(BASE62[usize::from(byte % 62)])).take(len - text.len()));
    }
    Ok(text)
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_keeps_its_id_through_a_new_secret() {
        let key = ApiKey::generate().unwrap();
        let rotated = ApiKey::with_id(&key.id()).unwrap();
        assert_eq!(rotated.id(), key.id());
        assert_ne!(rotated.hash(), key.hash());
        assert_eq!(ApiKey::parse(rotated.reveal()), Some(rotated));
    }

    #[test]
    fn the_form_is_the_promised_one() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(key.reveal().len(), 56);
        let head = &key.reveal()[..50];
        // The reference form of the checksum: the number in base 62, most significant digit first, six digits.
        let mut number = u64::from(crc32fast::hash(head.as_bytes()));
        let mut digits = Vec::new();
        for _ in 0..6 {
            digits.insert(0, BASE62[usize::try_from(number % 62).unwrap()]);
            number /= 62;
        }
        assert_eq!(number, 0);
        assert_eq!(key.reveal().as_bytes()[50..], digits);
        assert_eq!(key.id().display_form(key.last_four()), format!("hh_live_{}…{}", key.id(), &key.reveal()[52..]));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let key = ApiKey::generate().unwrap();
        assert_eq!(format!("{key:?} {:?}", key.hash()), "ApiKey(…) KeyHash(…)");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic_and_only_a_key_is_taken(text in "\\PC{0,80}") {
            prop_assert_eq!(ApiKey::parse(&text), None);
        }

        #[test]
        fn one_changed_character_is_refused(at in 0..LEN, to in any::<char>()) {
            let key = ApiKey::generate().unwrap();
            let changed: String = key.reveal().chars().enumerate().map(|(i, c)| if i == at { to } else { c }).collect();
            prop_assume!(changed != key.reveal());
            prop_assert_eq!(ApiKey::parse(&changed), None);
        }

        #[test]
        fn a_cut_or_lengthened_key_is_refused(len in 0..LEN, tail in "[0-9A-Za-z]{1,20}") {
            let key = ApiKey::generate().unwrap();
            prop_assert_eq!(ApiKey::parse(&key.reveal()[..len]), None);
            let longer = format!("{}{tail}", key.reveal());
            prop_assert_eq!(ApiKey::parse(&longer), None);
        }
    }
}
