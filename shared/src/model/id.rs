//! Identifiers: version 7 UUIDs (RFC 9562), lowercase and hyphenated, with a Rust type for each. It knows no record.
//!
//! A version 7 UUID begins with its creation time in milliseconds, so ids sort by age. An [`OrgId`] can't be created outside this
//! crate: a handler can only have the one that its caller's key or session proved.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use utoipa::openapi::{SchemaFormat, schema::Type};

use crate::model::{
    clock::Stamp,
    schema::{schemas, simple},
    text::Found,
};

/// The text is not a hyphenated UUID. Displays as the end of a sentence about it: "must be a UUID…".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID with hyphens{0}")]
pub struct InvalidId(Wrong);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    #[error(", 36 characters long (got {0})")]
    Length(usize),
    #[error(": unexpected {0}")]
    Character(Found),
}

impl InvalidId {
    fn of(text: &str) -> Self {
        let chars = text.chars().count();
        let is_right =
            |(i, c): (usize, char)| if matches!(i, 8 | 13 | 18 | 23) { c == '-' } else { c.is_ascii_hexdigit() };
        let strange = text.chars().enumerate().find(|place| !is_right(*place));
        match strange {
            Some((i, c)) if chars == 36 => Self(Wrong::Character(Found { c, at: i + 1 })),
            _ => Self(Wrong::Length(chars)),
        }
    }
}

fn parse(text: &str) -> Result<Uuid, InvalidId> {
    let id = Uuid::try_parse(text).map_err(|_| InvalidId::of(text))?;
    // `try_parse` also accepts braces, URNs and bare hex. Uppercase input is accepted, as RFC 9562 requires, and output is lowercase.
    let form = id.hyphenated();
    let is_one = text.eq_ignore_ascii_case(form.encode_lower(&mut Uuid::encode_buffer()));
    if is_one { Ok(id) } else { Err(InvalidId::of(text)) }
}

/// Why a text is not an id. `None`: it is one.
pub(crate) fn invalid(text: &str) -> Option<InvalidId> {
    parse(text).err()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl From<Stamp> for $name {
            fn from(stamp: Stamp) -> Self {
                Self(stamp.id())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        schemas! {
            $name: simple(Type::String).format(Some(SchemaFormat::Custom("uuid".to_owned())));
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A job's id.
    JobId
    /// A candidate's id.
    CandidateId
    /// A pipeline stage's id.
    StageId
    /// An application's id.
    ApplicationId
}

/// An organization's id. Only this crate creates one: from a key's or a member's item, or when it creates or finds an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrgId(Uuid);

impl OrgId {
    pub(crate) fn new(stamp: Stamp) -> Self {
        Self(stamp.id())
    }

    /// Reads an id stored in the Access table.
    pub(crate) fn stored(text: &str) -> Result<Self, InvalidId> {
        parse(text).map(Self)
    }
}

impl Serialize for OrgId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::{Clock, Timestamp};

    #[test]
    fn ids_of_one_process_sort_in_the_order_of_creation() {
        let clock = Clock::new(|| Timestamp::from_millis(1_795_478_400_000));
        let ids: Vec<String> = (0..1_000).map(|_| JobId::from(clock.stamp()).to_string()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.starts_with("01a20ada-2c00-7")), "{}", ids[0]);
    }

    #[test]
    fn an_id_has_one_form() {
        let id = JobId::from(Clock::system().stamp()).to_string();
        assert_eq!(id.parse::<JobId>().unwrap().to_string(), id);
        assert_eq!(id.to_uppercase().parse::<JobId>().unwrap().to_string(), id);
        for other in [id.replace('-', ""), format!("{{{id}}}"), format!("urn:uuid:{id}"), String::new()] {
            assert!(other.parse::<JobId>().is_err(), "{other}");
        }
        let told = |text: &str| text.parse::<JobId>().unwrap_err().to_string();
        assert_eq!(told("123"), "must be a UUID with hyphens, 36 characters long (got 3)");
        let strange = id.replacen(&id[..1], "ü", 1);
        assert_eq!(told(&strange), "must be a UUID with hyphens: unexpected \"ü\" (U+00FC) at character 1");
        let shifted = format!("{}-{}", &id[..7], &id[7..].replacen('-', "", 1));
        assert!(told(&shifted).ends_with(": unexpected \"-\" (U+002D) at character 8"), "{shifted}");
    }
}
