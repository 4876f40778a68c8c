//! The attributes of an account's item, and the only place that names them. Their names are short, because every request pays for every
//! byte of the item, and an account of five keys is to fit into one write unit (1,024 bytes). It makes no call.
//!
//! | Attribute | Holds |
//! |---|---|
//! | `o`, `p`, `v` | organization, plan, revision: how often an admin or the operator has changed the item |
//! | `k`, `n` | the number that the next key gets, and how many keys there are |
//! | `q2026-11` | requests in a month |
//! | `h1`, `g1`, `x1` | of key number 1 (in base62): hash, scopes, and when it expires |
//! | `f1`, `e1` | the hash of its former secret, and when that ends |
//! | `l1`, `t1` | when it was last used, and the tag of that request |
//! | `m1.1zQYy`, `d1.5PB` | its requests in a minute and on a day (both in base62) |
//! | `u1.9fk2` | uses of one of its secrets |

use std::fmt;

use crate::model::{
    clock::Timestamp,
    key::{KeyHash, KeyNumber},
    scope::Scope,
    window::{Day, Minute, Month},
};

pub(super) const ORGANIZATION: &str = "o";
pub(super) const PLAN: &str = "p";
pub(super) const REVISION: &str = "v";
/// What the expressions of other files call the revision, which every change of an admin or the operator raises.
pub(crate) const REVISION_NAME: (&str, &str) = ("#revision", REVISION);
pub(super) const NEXT: &str = "k";
pub(super) const LIVE: &str = "n";
const MONTH: char = 'q';

/// An attribute of one key, or the counter of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attribute {
    Month(Month),
    Hash(KeyNumber),
    Scopes(KeyNumber),
    Expiry(KeyNumber),
    FormerHash(KeyNumber),
    FormerEnd(KeyNumber),
    LastUse(KeyNumber),
    Tag(KeyNumber),
    Minute(KeyNumber, Minute),
    Day(KeyNumber, Day),
    /// The uses of the secret whose hash begins with these bytes.
    Uses(KeyNumber, [u8; 3]),
}

impl Attribute {
    /// The counter of the uses of the secret with this hash.
    pub(crate) fn uses(number: KeyNumber, hash: &KeyHash) -> Self {
        let bytes = hash.as_bytes();
        Self::Uses(number, [bytes[0], bytes[1], bytes[2]])
    }

    /// The attribute with this name. `None`: it is the account's own, or part of the key.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut rest = name.chars();
        let kind = rest.next()?;
        let rest = rest.as_str();
        if kind == MONTH {
            return rest.parse().ok().map(Self::Month);
        }
        let (number, code) = rest.split_once('.').map_or((rest, None), |(number, code)| (number, Some(code)));
        let number = KeyNumber::parse(number)?;
        match (kind, code) {
            ('h', None) => Some(Self::Hash(number)),
            ('g', None) => Some(Self::Scopes(number)),
            ('x', None) => Some(Self::Expiry(number)),
            ('f', None) => Some(Self::FormerHash(number)),
            ('e', None) => Some(Self::FormerEnd(number)),
            ('l', None) => Some(Self::LastUse(number)),
            ('t', None) => Some(Self::Tag(number)),
            ('m', Some(code)) => Minute::of_code(code).map(|minute| Self::Minute(number, minute)),
            ('d', Some(code)) => Day::of_code(code).map(|day| Self::Day(number, day)),
            ('u', Some(code)) => {
                let bytes = data_encoding::BASE64URL_NOPAD.decode(code.as_bytes()).ok()?;
                bytes.try_into().ok().map(|bytes| Self::Uses(number, bytes))
            }
            _ => None,
        }
    }

    /// Whether it counts a minute or a month that no instance is counting any more. A day's count is filed before it is removed.
    pub(super) fn is_stale(self, now: Timestamp) -> bool {
        match self {
            Self::Minute(_, minute) => minute.is_stale(now),
            Self::Month(month) => month.is_stale(now),
            _ => false,
        }
    }

    /// Whether what was to be removed a while ago still is. A clock may have stepped back since.
    pub(crate) fn may_go(self, now: Timestamp) -> bool {
        !matches!(self, Self::Minute(..) | Self::Month(_)) || self.is_stale(now)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(month) => write!(f, "{MONTH}{month}"),
            Self::Hash(number) => write!(f, "h{number}"),
            Self::Scopes(number) => write!(f, "g{number}"),
            Self::Expiry(number) => write!(f, "x{number}"),
            Self::FormerHash(number) => write!(f, "f{number}"),
            Self::FormerEnd(number) => write!(f, "e{number}"),
            Self::LastUse(number) => write!(f, "l{number}"),
            Self::Tag(number) => write!(f, "t{number}"),
            Self::Minute(number, minute) => write!(f, "m{number}.{}", minute.code()),
            Self::Day(number, day) => write!(f, "d{number}.{}", day.code()),
            Self::Uses(number, bytes) => {
                write!(f, "u{number}.{}", data_encoding::BASE64URL_NOPAD.encode(bytes))
            }
        }
    }
}

impl From<Attribute> for String {
    fn from(attribute: Attribute) -> Self {
        attribute.to_string()
    }
}

/// A scope's letter in the item.
pub(super) const fn letter(scope: Scope) -> char {
    match scope {
        Scope::JobsRead => 'j',
        Scope::JobsWrite => 'J',
        Scope::CandidatesRead => 'c',
        Scope::CandidatesWrite => 'C',
        Scope::CandidatesDelete => 'X',
        Scope::PipelineRead => 'p',
        Scope::PipelineWrite => 'P',
        Scope::ApplicationsRead => 'a',
        Scope::ApplicationsWrite => 'A',
    }
}

/// Scopes as they are stored: one letter each.
pub(crate) fn scope_letters(scopes: &[Scope]) -> String {
    scopes.iter().copied().map(letter).collect()
}

/// The scopes that are stored as these letters.
pub(crate) fn scopes_of(letters: &str) -> Vec<Scope> {
    Scope::ALL.iter().copied().filter(|scope| letters.contains(letter(*scope))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attributes_name_is_read_as_the_attribute() {
        let now: Timestamp = "2026-11-24T10:02:00.000Z".parse().unwrap();
        for number in [KeyNumber::FIRST, KeyNumber::parse("zzz").unwrap()] {
            for attribute in [
                Attribute::Month(Month::of(now)),
                Attribute::Hash(number),
                Attribute::Scopes(number),
                Attribute::Expiry(number),
                Attribute::FormerHash(number),
                Attribute::FormerEnd(number),
                Attribute::LastUse(number),
                Attribute::Tag(number),
                Attribute::Minute(number, Minute::of(now)),
                Attribute::Day(number, Day::of(now)),
                Attribute::Uses(number, [0, 1, 255]),
            ] {
                assert_eq!(Attribute::named(&attribute.to_string()), Some(attribute));
            }
        }
        for name in [ORGANIZATION, PLAN, REVISION, NEXT, LIVE, "pk", "sk", "", "q", "m1", "h1.2", "é1"] {
            assert_eq!(Attribute::named(name), None, "{name}");
        }
    }

    #[test]
    fn every_scope_has_a_letter_of_its_own() {
        let letters: std::collections::BTreeSet<char> = Scope::ALL.iter().copied().map(letter).collect();
        assert_eq!(letters.len(), Scope::ALL.len());
    }
}
