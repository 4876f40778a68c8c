//! The domain of an email address: which names the public DNS can have. It knows no local part.

use std::{borrow::Cow, net::Ipv4Addr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::invalid_email::{InvalidEmail, MAX_DOMAIN_BYTES, MAX_LABEL_BYTES, Place};
use crate::model::text::{self, Found, shown};

/// The domain in lowercase ASCII. `None`: it is not a domain. Hyphens in the third and fourth positions are allowed, because such
/// domains are in use.
pub(super) fn to_ascii(domain: &str) -> Option<String> {
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    ascii.ok().map(Cow::into_owned)
}

/// Checks the domain, which follows `before` characters of the address.
pub(super) fn check_domain(domain: &str, before: usize) -> Result<(), InvalidEmail> {
    if domain.is_empty() {
        return Err(InvalidEmail::NoDomain);
    }
    if domain.starts_with('[') {
        return Err(InvalidEmail::IpAddress(shown(domain)));
    }
    // UTS 46 would ignore them, but we store and show the domain as it was sent.
    let hidden = |c: char| text::is_ignorable(c) && !text::is_joiner(c);
    if let Some(found) = Found::first(domain, hidden) {
        return Err(InvalidEmail::Domain(Place(found.after(before))));
    }
    let ascii = to_ascii(domain).ok_or_else(|| wrong_part(domain, before))?;
    match ascii.rsplit_once('.') {
        None => Err(InvalidEmail::NoDot(shown(domain))),
        Some((_, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => Err(match ascii.parse::<Ipv4Addr>() {
            Ok(_) => InvalidEmail::IpAddress(shown(domain)),
            Err(_) => InvalidEmail::NumericEnd(shown(domain)),
        }),
        Some(_) => Ok(()),
    }
}

/// Why the text is not a domain: the `idna` crate does not say.
fn wrong_part(domain: &str, before: usize) -> InvalidEmail {
    // UTS 46 treats the last three as dots too.
    const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    let alone = |text: &str| {
        let ascii = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Ignore);
        ascii.ok().map(Cow::into_owned)
    };
    if domain.ends_with(DOTS) {
        return InvalidEmail::TrailingDot;
    }
    let mut at = before;
    for label in domain.split(DOTS) {
        if label.is_empty() {
            return InvalidEmail::EmptyLabel(shown(domain));
        }
        let Some(ascii) = alone(label) else {
            if label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--")) {
                return InvalidEmail::Punycode(shown(label));
            }
            // A right-to-left letter is valid on its own, and a combining mark after a letter.
            let strange = |c: char| alone(&c.to_string()).is_none() && alone(&format!("a{c}")).is_none();
            return match Found::first(label, strange) {
                Some(found) => InvalidEmail::Domain(Place(found.after(at))),
                None => InvalidEmail::Label(shown(label)),
            };
        };
        if ascii.starts_with('-') || ascii.ends_with('-') {
            return InvalidEmail::Hyphen(shown(label));
        }
        if ascii.len() > MAX_LABEL_BYTES {
            return InvalidEmail::LabelTooLong(shown(label));
        }
        at += label.chars().count() + 1;
    }
    match alone(domain) {
        Some(ascii) if ascii.len() > MAX_DOMAIN_BYTES => InvalidEmail::DomainTooLong,
        _ => InvalidEmail::Label(shown(domain)),
    }
}
