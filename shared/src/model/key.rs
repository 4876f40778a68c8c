//! API keys: their format, generation and hash. It knows nothing about where keys are stored.
//!
//! `hh_live_` + 10 characters of public id + 32 of secret + 6 of checksum, all base62. The first seven characters of the id find the item
//! of the key's account, and the last three are the key's number in it. The checksum (CRC-32 of everything before it) lets us reject a
//! mistyped key without a database call, and lets a secret scanner distinguish a key from noise. 32 base62 characters are 190 bits from
//! the operating system's random source.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{base62, base62::DIGITS, clock::Timestamp, id::OrgId, scope::Scope};

const PREFIX: &str = "hh_live_";
const ACCOUNT_LEN: usize = 7;
const NUMBER_LEN: usize = 3;
const ID_LEN: usize = ACCOUNT_LEN + NUMBER_LEN;
const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;
const LEN: usize = PREFIX.len() + ID_LEN + SECRET_LEN + CHECKSUM_LEN;

/// A whole key, which is a secret. It has the right format and checksum. It is never stored, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// The public part of a key, which finds its item and may be logged. Rotation keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// The account that a key belongs to: the first seven characters of the key's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

/// A key's number in its account: the last three characters of its id. A number is never used again, so that a new key does not inherit
/// the counters of a revoked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyNumber(u32);

/// What a key grants: access to an organization, with which scopes, and until when.
#[derive(Clone, Debug)]
pub struct Grant {
    pub(crate) org: OrgId,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// SHA-256 of a whole key, stored in its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

/// Responses announce a key's expiry during its last 14 days.
const EXPIRY_NOTICE_MILLIS: i64 = 14 * 24 * 60 * 60 * 1_000;

/// Whether a key that expires at `at` is within [`EXPIRY_NOTICE_MILLIS`] of that.
pub(crate) fn expires_soon(at: Timestamp, now: Timestamp) -> bool {
    at.as_millis() - now.as_millis() <= EXPIRY_NOTICE_MILLIS
}

/// The operating system returned no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes from the operating system: {0}")]
pub struct NoRandomness(pub(crate) getrandom::Error);

impl ApiKey {
    /// Generates a key with a fresh secret.
    pub fn with_id(id: &KeyId) -> Result<Self, NoRandomness> {
        let mut key = format!("{PREFIX}{}{}", id.0, random_base62(SECRET_LEN)?);
        key.push_str(&checksum(&key));
        Ok(Self(key))
    }

    /// Accepts a presented key if its format and checksum are right.
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

    /// The last four characters, by which people distinguish a rotated key from its predecessor.
    #[must_use]
    pub fn last_four(&self) -> &str {
        &self.0[LEN - 4..]
    }

    /// The whole key, to be shown to its owner once.
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
    /// Accepts a key id of the right format.
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

    /// The id of the key with this number.
    #[must_use]
    pub fn new(account: &AccountId, number: KeyNumber) -> Self {
        Self(format!("{account}{number:0>NUMBER_LEN$}"))
    }

    /// The key's account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId(self.0[..ACCOUNT_LEN].to_owned())
    }

    /// The key's number in its account.
    #[must_use]
    pub fn number(&self) -> KeyNumber {
        // Three digits are always a number.
        KeyNumber::parse(&self.0[ACCOUNT_LEN..]).unwrap_or(KeyNumber::FIRST)
    }
}

impl AccountId {
    /// Generates an id.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(random_base62(ACCOUNT_LEN)?))
    }

    /// Accepts an account id of the right format.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == ACCOUNT_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        well_formed.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyNumber {
    /// The number of an account's first key.
    pub const FIRST: Self = Self(1);
    /// As many as three digits can say.
    const LAST: u32 = 62_u32.pow(3) - 1;

    /// Reads a number of one to three base62 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > NUMBER_LEN {
            return None;
        }
        base62::decode(text)?.try_into().ok().map(Self)
    }

    /// The next number. `None`: the account has given out every number.
    pub(crate) fn next(self) -> Option<Self> {
        (self.0 < Self::LAST).then_some(Self(self.0 + 1))
    }
}

/// Without leading zeros.
impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base62::encode(self.0.into()))
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

    /// The hash with these bytes. `None`: there are not 32.
    pub(crate) fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
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
        // 248 is the largest multiple of 62 that fits in a byte. With the bytes above it, some characters would be likelier than others.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        text.extend(fair.map(|byte| char::from(DIGITS[usize::from(byte % 62)])).take(len - text.len()));
    }
    Ok(text)
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> ApiKey {
        ApiKey::with_id(&KeyId::new(&AccountId::generate().unwrap(), KeyNumber::FIRST)).unwrap()
    }

    #[test]
    fn an_id_is_an_account_and_a_number_of_three_digits() {
        let account = AccountId::parse("DemoPro").unwrap();
        for (number, id) in [(1, "DemoPro001"), (62, "DemoPro010"), (KeyNumber::LAST, "DemoProzzz")] {
            let id = KeyId::parse(id).unwrap();
            assert_eq!(KeyId::new(&account, KeyNumber(number)), id);
            assert_eq!((id.account(), id.number()), (account.clone(), KeyNumber(number)));
        }
        assert_eq!(KeyNumber(62).to_string(), "10");
        assert_eq!((KeyNumber(1).next(), KeyNumber(KeyNumber::LAST).next()), (Some(KeyNumber(2)), None));
    }

    #[test]
    fn a_key_keeps_its_id_through_a_new_secret() {
        let key = key();
        let rotated = ApiKey::with_id(&key.id()).unwrap();
        assert_eq!(rotated.id(), key.id());
        assert_ne!(rotated.hash(), key.hash());
        assert_eq!(ApiKey::parse(rotated.reveal()), Some(rotated));
    }

    #[test]
    fn a_key_has_the_documented_format() {
        let key = key();
        assert_eq!(key.reveal().len(), 56);
        let head = &key.reveal()[..50];
        // The checksum, computed independently: the number in base 62, most significant digit first, in six digits.
        let mut number = u64::from(crc32fast::hash(head.as_bytes()));
        let mut digits = Vec::new();
        for _ in 0..6 {
            digits.insert(0, DIGITS[usize::try_from(number % 62).unwrap()]);
            number /= 62;
        }
        assert_eq!(number, 0);
        assert_eq!(key.reveal().as_bytes()[50..], digits);
        assert_eq!(key.id().display_form(key.last_four()), format!("hh_live_{}…{}", key.id(), &key.reveal()[52..]));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let key = key();
        assert_eq!(format!("{key:?} {:?}", key.hash()), "ApiKey(…) KeyHash(…)");
    }

    #[test]
    fn a_secret_uses_every_character_of_the_alphabet_equally_often() {
        let text = random_base62(620_000).unwrap();
        assert_eq!(text.len(), 620_000);
        for digit in DIGITS {
            // 10,000 are expected, with a standard deviation of 100: ten of them are never exceeded by chance.
            let count = text.bytes().filter(|byte| byte == digit).count();
            assert!((9_000..11_000).contains(&count), "{count} of {}", char::from(*digit));
        }
        assert_eq!(text.bytes().filter(|byte| !DIGITS.contains(byte)).count(), 0);
    }

    #[test]
    fn no_two_generated_secrets_or_accounts_are_the_same() {
        let id = KeyId::parse("DemoPro001").unwrap();
        let keys: std::collections::HashSet<_> = (0..1_000).map(|_| ApiKey::with_id(&id).unwrap().hash()).collect();
        assert_eq!(keys.len(), 1_000);
        // 62⁷ accounts: that ten are not all different happens once in 10¹¹ runs.
        let accounts: Vec<_> = (0..10).map(|_| AccountId::generate().unwrap()).collect();
        assert_eq!(accounts.iter().collect::<std::collections::HashSet<_>>().len(), 10);
        assert!(accounts.iter().all(|account| AccountId::parse(&account.to_string()).as_ref() == Some(account)));
        for len in [0, 1, 7, 32, 63, 64, 65, 200] {
            assert_eq!(random_base62(len).unwrap().len(), len);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic_and_only_a_key_is_accepted(text in "\\PC{0,80}") {
            prop_assert_eq!(ApiKey::parse(&text), None);
        }

        #[test]
        fn one_changed_character_is_rejected(at in 0..LEN, to in any::<char>()) {
            let key = key();
            let changed: String = key.reveal().chars().enumerate().map(|(i, c)| if i == at { to } else { c }).collect();
            prop_assume!(changed != key.reveal());
            prop_assert_eq!(ApiKey::parse(&changed), None);
        }

        #[test]
        fn a_truncated_or_lengthened_key_is_rejected(len in 0..LEN, tail in "[0-9A-Za-z]{1,20}") {
            let key = key();
            prop_assert_eq!(ApiKey::parse(&key.reveal()[..len]), None);
            let longer = format!("{}{tail}", key.reveal());
            prop_assert_eq!(ApiKey::parse(&longer), None);
        }
    }
}
