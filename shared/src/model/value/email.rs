//! Email addresses: which are valid, and when two are the same mailbox. It knows no field that holds one.
//!
//! A local part may have consecutive dots, or a dot before the `@`: Japanese carriers issued such addresses, and they are in use. It
//! must not be quoted: `"ada"@` is `ada@`. A domain is a name in the public DNS, in its own script or in ASCII.

use icu_normalizer::ComposingNormalizerBorrowed;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::{
    email_domain::{check_domain, to_ascii},
    invalid_email::{InvalidEmail, MAX_LOCAL_BYTES, Place},
    string::{MAX_SHORT_TEXT, text_schema, texts},
};
use crate::model::{
    field::{Describer, Field, Problem, Problems},
    schema::schemas,
    text::{self, Found},
};

texts! {
    /// An [email address](Email::new) of up to [`MAX_SHORT_TEXT`] characters, in NFC.
    Email
}

schemas! {
    Email: text_schema(1, MAX_SHORT_TEXT).description(Some("Email address."));
}

const PLAIN: &str = "!#$%&'*+-/=?^_`{|}~.";

const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();

impl Email {
    /// Accepts an email address and keeps it as it was sent, except that it is put into NFC and [trimmed](text::trim).
    pub fn new(sent: &str) -> Result<Self, InvalidEmail> {
        let (text, cut) = text::trim(sent);
        let address = NFC.normalize(text);
        let chars = address.chars().count();
        if text.is_empty() {
            return Err(InvalidEmail::Empty);
        }
        if chars > MAX_SHORT_TEXT {
            return Err(InvalidEmail::TooLong(chars));
        }
        if text.contains(['<', '>']) {
            return Err(InvalidEmail::Named);
        }
        if text.starts_with('"') {
            return Err(InvalidEmail::Quoted);
        }
        if let Some(found) = Found::first(text, |c| matches!(c, '\u{ff20}' | '\u{fe6b}')) {
            return Err(InvalidEmail::WideAt(Place(found.after(cut))));
        }
        let (local, domain) = match text.matches('@').count() {
            1 => text.split_once('@').unwrap_or_default(),
            0 => return Err(InvalidEmail::NoAt),
            ats => return Err(InvalidEmail::ManyAts(ats)),
        };
        check_local(local, cut)?;
        check_domain(domain, cut + local.chars().count() + 1)?;
        Ok(Self(address.into_owned()))
    }

    /// Accepts an address that someone signs in with. A character that normalizes to an ASCII one, as a Kelvin sign does to a k, must not
    /// give access to what belongs to the ASCII address.
    pub fn of_member(sent: &str) -> Result<Self, InvalidEmail> {
        let email = Self::new(sent)?;
        let local = sent.split('@').next().unwrap_or_default();
        match Found::first(local, |c| !c.is_ascii() && NFC.normalize(c.encode_utf8(&mut [0; 4])).is_ascii()) {
            Some(found) => Err(InvalidEmail::Lookalike(Place(found))),
            None => Ok(email),
        }
    }

    /// The address in an item, whatever rules applied when it was stored.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The form that all spellings of a mailbox share. It is the uniqueness key, and what a filter compares.
    ///
    /// It is the local part in NFC and lowercase, and the domain in ASCII according to IDNA (UTS 46).
    #[must_use]
    pub fn normalized(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        // A domain stored under earlier rules may have no ASCII form.
        let domain = to_ascii(domain).unwrap_or_else(|| domain.to_lowercase());
        format!("{}@{domain}", normalized_local(local))
    }
}

/// Normalizes twice, because lowercasing can undo NFC.
fn normalized_local(local: &str) -> String {
    NFC.normalize(&NFC.normalize(local).to_lowercase()).into_owned()
}

fn check_local(local: &str, cut: usize) -> Result<(), InvalidEmail> {
    if local.is_empty() {
        return Err(InvalidEmail::NoLocal);
    }
    if local.starts_with('.') {
        return Err(InvalidEmail::LeadingDot);
    }
    let chars: Vec<char> = local.chars().collect();
    for (i, c) in chars.iter().copied().enumerate() {
        // Scripts need joiners between two of their letters. Elsewhere, they create a different mailbox that looks the same.
        let is_inside = |i: usize| chars.get(i).is_some_and(|c| !c.is_ascii() && !text::is_ignorable(*c));
        let joins = text::is_joiner(c) && i > 0 && is_inside(i - 1) && is_inside(i + 1);
        let strange = |c: char| {
            if c.is_ascii() {
                !c.is_ascii_alphanumeric() && !PLAIN.contains(c)
            } else {
                c.is_control() || c.is_whitespace() || text::is_direction_control(c) || text::is_ignorable(c)
            }
        };
        if !joins && NFC.normalize(c.encode_utf8(&mut [0; 4])).chars().any(strange) {
            return Err(InvalidEmail::Local(Place(Found { c, at: cut + i + 1 })));
        }
    }
    // A few letters take more bytes in lowercase, and the mailbox's key must be an address too.
    match NFC.normalize(local).len().max(normalized_local(local).len()) {
        bytes if bytes > MAX_LOCAL_BYTES => Err(InvalidEmail::LocalTooLong(bytes)),
        _ => Ok(()),
    }
}

impl Field for Email {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Value::String(text) = value else {
            return problems.wrong_type(at, "a string", value);
        };
        let wrong = match Self::new(text) {
            Ok(email) => return Some(email),
            Err(wrong) => wrong,
        };
        let code = match wrong {
            InvalidEmail::Empty => Problem::TooShort,
            InvalidEmail::TooLong(_) => Problem::TooLong,
            _ => Problem::InvalidFormat,
        };
        problems.note(at, code, wrong.to_string())
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalized(text: &str) -> String {
        Email::new(text).unwrap().normalized()
    }

    #[test]
    fn all_spellings_of_a_mailbox_are_one() {
        for ways in [
            vec![
                "Ada@Example.com",
                "ada@EXAMPLE.COM",
                "ada@ｅｘａｍｐｌｅ．com",
                "ada@example。com",
                "\u{200f}ada@example.com\u{200e}",
            ],
            vec!["d@bücher.example", "D@xn--bcher-kva.example", "d@BU\u{308}CHER.example", "d@XN--BCHER-KVA.example"],
            vec!["jos\u{e9}@example.com", "jose\u{301}@example.com", "JOSE\u{301}@example.com", "JOSÉ@example.com"],
            vec!["a@faß.example", "a@xn--fa-hia.example"],
            vec!["ǰ@example.com", "j\u{30c}@example.com", "J\u{30c}@example.com"],
            vec!["\u{212a}ate@example.com", "kate@example.com"],
            vec!["квіточка@пошта.укр", "КВІТОЧКА@xn--80a1acn3a.xn--j1amh"],
            vec!["אדה@דוגמה.co.il", "אדה@xn--6dbbec0c.co.il"],
        ] {
            let forms: Vec<String> = ways.iter().map(|way| normalized(way)).collect();
            assert!(forms.iter().all(|form| *form == forms[0]), "{forms:?}");
        }
        assert_ne!(normalized("a@fass.example"), normalized("a@faß.example"));
        assert_ne!(
            normalized("ａda@example.com"),
            normalized("ada@example.com"),
            "full width is another mailbox's name"
        );
        assert_ne!(normalized("ada@example.com"), normalized("a.da@example.com"));
    }

    #[test]
    fn an_address_is_kept_as_it_was_sent_in_nfc() {
        for (sent, kept) in [
            ("Ada@Bücher.example", "Ada@Bücher.example"),
            ("jose\u{301}@example.com", "jos\u{e9}@example.com"),
            ("d@xn--bcher-kva.example", "d@xn--bcher-kva.example"),
            ("\u{202a}ada@example.com\u{202c}", "ada@example.com"),
        ] {
            assert_eq!(Email::new(sent).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn an_address_in_use_is_accepted() {
        for email in [
            "a..b@docomo.ne.jp",
            "abc.@docomo.ne.jp",
            "a...@ezweb.ne.jp",
            "ada+jobs@example.co.uk",
            "o'brien@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "1@1.example",
            "a@ab--cd.example",
            "अजय@डाटा.भारत",
            "用户@例子.广告",
            "म\u{94d}\u{200d}य@example.com",
            "a@xn--mgba3gch31f060k.example",
            &format!("{}@{}.example", "a".repeat(64), "b".repeat(63)),
        ] {
            assert!(Email::new(email).is_ok(), "{email}: {:?}", Email::new(email));
        }
    }

    #[test]
    fn an_invalid_address_is_rejected_with_the_part_that_is_wrong() {
        let long = "b".repeat(64);
        for (email, words) in [
            ("", "must not be empty"),
            ("\u{200f}", "must not be empty"),
            ("ada", "must have an @ between the name and the domain"),
            ("a@b@example.com", "must be a single address with one @ (got 2)"),
            ("a@example.com, b@example.com", "must be a single address with one @ (got 2)"),
            ("ada＠example.com", "must use a plain @ (U+0040), not \"＠\" (U+FF20) at character 4"),
            ("a＠b@example.com", "must use a plain @ (U+0040), not \"＠\" (U+FF20) at character 2"),
            ("@example.com", "must have something before the @"),
            (".ada@example.com", "must not begin with a dot"),
            ("Ada <ada@example.com>", "must be the address alone, without a name or angle brackets"),
            ("\"ada\"@example.com", "must not have quotation marks around the part before the @: remove them"),
            ("ada(work)@example.com", "must not contain \"(\" (U+0028) at character 4 (before the @)"),
            (" ada@example.com", "must not contain a space (U+0020) at character 1 (before the @)"),
            ("\u{200f} ada@example.com", "must not contain a space (U+0020) at character 2 (before the @)"),
            ("a\u{a0}b@example.com", "must not contain a space (U+00A0) at character 2 (before the @)"),
            (
                "a\u{200b}b@example.com",
                "must not contain an invisible character (U+200B) at character 2 (before the @)",
            ),
            (
                "a\u{200d}b@example.com",
                "must not contain an invisible character (U+200D) at character 2 (before the @)",
            ),
            ("a\u{37e}b@example.com", "must not contain \"\u{37e}\" (U+037E) at character 2 (before the @)"),
            ("mailto:ada@example.com", "must not contain \":\" (U+003A) at character 7 (before the @)"),
            ("ada@", "must have a domain after the @"),
            ("ada@[192.0.2.1]", "must have a domain name after the @, not the IP address [192.0.2.1]"),
            ("ada@[IPv6:2001:db8::1]", "must have a domain name after the @, not the IP address [IPv6:2001:db8::1]"),
            ("ada@192.0.2.1", "must have a domain name after the @, not the IP address 192.0.2.1"),
            ("ada@example.123", "must not have a domain that ends in a number (got example.123)"),
            ("ada@localhost", "must have a public domain after the @: localhost has no dot"),
            ("ada@example.com.", "must not end with a dot"),
            ("ada@example。com。", "must not end with a dot"),
            ("ada@example..com", "must not have an empty label in its domain: example..com has an extra dot"),
            ("ada@.example.com", "must not have an empty label in its domain: .example.com has an extra dot"),
            ("ada@exam_ple.com", "must not contain \"_\" (U+005F) at character 9 (in the domain)"),
            ("ada@example.com ", "must not contain a space (U+0020) at character 16 (in the domain)"),
            ("ada@example.com(work)", "must not contain \"(\" (U+0028) at character 16 (in the domain)"),
            ("ada@example.c\u{7}om", "must not contain a control character (U+0007) at character 14 (in the domain)"),
            (
                "ada@exa\u{ad}mple.com",
                "must not contain an invisible character (U+00AD) at character 8 (in the domain)",
            ),
            ("ada@ex\u{2488}ample.com", "must not contain \"\u{2488}\" (U+2488) at character 7 (in the domain)"),
            ("ada@-example.com", "must not start or end a label of its domain with a hyphen, as in -example"),
            ("ada@example-.com", "must not start or end a label of its domain with a hyphen, as in example-"),
            ("ada@xn--a.example", "must have a valid domain: xn--a is not valid Punycode"),
            ("ada@xn--example-.com", "must have a valid domain: xn--example- is not valid Punycode"),
        ] {
            assert_eq!(Email::new(email).unwrap_err().to_string(), words, "{email:?}");
        }
        let wrong = |email: String| Email::new(&email).unwrap_err().to_string();
        // Two bytes each, and three in lowercase.
        let grows = "\u{23a}".repeat(22);
        assert_eq!(
            wrong(format!("{grows}@example.com")),
            InvalidEmail::LocalTooLong(66).to_string(),
            "the key would be no address"
        );
        assert!(Email::new(&format!("{}@example.com", "\u{23a}".repeat(21))).is_ok());
        assert_eq!(wrong(format!("{long}a@example.com")), "must have at most 64 bytes before the @ (got 65)");
        assert!(
            wrong(format!("a@{long}.example"))
                .starts_with("must have at most 63 characters in each label of its domain")
        );
        assert_eq!(
            wrong(format!("a@{}", "ü.".repeat(60) + "example")),
            "must have at most 253 characters in its domain, encoded as ASCII"
        );
        assert_eq!(wrong(format!("a@{}example", "b.".repeat(200))), "must be at most 200 characters (got 409)");
    }

    #[test]
    fn a_members_address_does_not_impersonate_another() {
        let kelvin = Email::of_member("\u{212a}ate@example.com").unwrap_err();
        assert_eq!(
            kelvin.to_string(),
            "must not contain \"\u{212a}\" (U+212A) at character 1, which looks like another letter"
        );
        for fine in ["Kate@example.com", "jose\u{301}@example.com", "ada@bücher.example", "ada@\u{212a}ate.example"] {
            assert!(Email::of_member(fine).is_ok(), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_address_and_its_key_are_the_same_mailbox(local in "\\PC{1,30}", domain in "[\\PC&&[^@]]{1,20}") {
            for text in [format!("{local}@{domain}.example"), format!("{local}@example.com"), format!("a@{domain}.com")] {
                let Ok(email) = Email::new(&text) else { continue };
                let key = email.normalized();
                prop_assert!(key.len() <= 600);
                prop_assert!(!key.is_ascii() || key.bytes().all(|byte| byte.is_ascii_graphic()));
                let same = Email::new(email.as_str());
                prop_assert_eq!(same.as_ref(), Ok(&email));
                prop_assert_eq!(Email::new(&key).map(|email| email.normalized()), Ok(key));
            }
        }

        #[test]
        fn any_text_is_accepted_or_rejected_in_a_sentence(text in any::<String>()) {
            if let Err(wrong) = Email::new(&text) {
                prop_assert!(wrong.to_string().starts_with("must "));
            }
        }
    }
}
