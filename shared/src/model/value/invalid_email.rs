//! Why a text is not an email address. It knows no address.

use std::fmt;

use super::string::MAX_SHORT_TEXT;
use crate::model::text::Found;

/// RFC 5321, section 4.5.3.1.1, counted in UTF-8.
pub(super) const MAX_LOCAL_BYTES: usize = 64;
/// RFC 1035, section 2.3.4.
pub(super) const MAX_LABEL_BYTES: usize = 63;
/// RFC 1035, section 2.3.4: 255, less the first label's length byte and the root's.
pub(super) const MAX_DOMAIN_BYTES: usize = 253;

/// Why a text is not an email address. Displays as the end of a sentence about the field: "must not be empty".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// Nothing, or only characters that are trimmed.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`MAX_SHORT_TEXT`].
    #[error("must be at most {MAX_SHORT_TEXT} characters (got {0})")]
    TooLong(usize),
    /// `Ada <ada@example.com>`.
    #[error("must be the address alone, without a name or angle brackets")]
    Named,
    /// `"ada"@example.com`.
    #[error("must not have quotation marks around the part before the @: remove them")]
    Quoted,
    /// No `@`.
    #[error("must have an @ between the name and the domain")]
    NoAt,
    /// Several `@`.
    #[error("must be a single address with one @ (got {0})")]
    ManyAts(usize),
    /// A full-width `＠`, as East Asian input methods produce it.
    #[error("must use a plain @ (U+0040), not {0}")]
    WideAt(Place),
    /// Nothing before the `@`.
    #[error("must have something before the @")]
    NoLocal,
    /// Longer than a local part can be.
    #[error("must have at most {MAX_LOCAL_BYTES} bytes before the @ (got {0})")]
    LocalTooLong(usize),
    /// `.ada@example.com`, which no provider issues.
    #[error("must not begin with a dot")]
    LeadingDot,
    /// A character that no local part has.
    #[error("must not contain {0} (before the @)")]
    Local(Place),
    /// A character that normalizes to an ASCII one, in an address that someone signs in with.
    #[error("must not contain {0}, which looks like another letter")]
    Lookalike(Place),
    /// Nothing after the `@`.
    #[error("must have a domain after the @")]
    NoDomain,
    /// `ada@[192.0.2.1]`, `ada@192.0.2.1`.
    #[error("must have a domain name after the @, not the IP address {0}")]
    IpAddress(String),
    /// `ada@example.123`.
    #[error("must not have a domain that ends in a number (got {0})")]
    NumericEnd(String),
    /// `ada@localhost`.
    #[error("must have a public domain after the @: {0} has no dot")]
    NoDot(String),
    /// `ada@example.com.`
    #[error("must not end with a dot")]
    TrailingDot,
    /// `ada@example..com`, `ada@.example.com`.
    #[error("must not have an empty label in its domain: {0} has an extra dot")]
    EmptyLabel(String),
    /// A character that no domain has.
    #[error("must not contain {0} (in the domain)")]
    Domain(Place),
    /// `-example`, `example-`.
    #[error("must not start or end a label of its domain with a hyphen, as in {0}")]
    Hyphen(String),
    /// More than DNS allows, in ASCII.
    #[error(
        "must have at most {MAX_LABEL_BYTES} characters in each label of its domain, encoded as ASCII; {0} is longer"
    )]
    LabelTooLong(String),
    /// More than DNS allows, in ASCII.
    #[error("must have at most {MAX_DOMAIN_BYTES} characters in its domain, encoded as ASCII")]
    DomainTooLong,
    /// `xn--` followed by something that is not Punycode, or not the Punycode of a name.
    #[error("must have a valid domain: {0} is not valid Punycode")]
    Punycode(String),
    /// A label that UTS 46 does not allow.
    #[error("must have a valid domain: {0} is not a valid internationalized name (UTS 46)")]
    Label(String),
}

/// A character and its position in the text as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub(super) Found);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
