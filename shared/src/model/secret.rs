//! A browser's secret: 256 bits from the operating system's random source, and what is derived from them. It knows no cookie's name.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::model::key::NoRandomness;

/// A secret that only one browser has. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Generates a secret.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Accepts a text of the right format: 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// The secret as text, to be put into a cookie.
    #[must_use]
    pub fn reveal(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// A value derived for one purpose (SHA-256). It reveals nothing about the secret, or about the values derived for other purposes.
    #[must_use]
    pub fn digest(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(purpose);
        hasher.finalize().into()
    }

    /// The same value as text: 43 characters of base64url.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> String {
        BASE64URL_NOPAD.encode(&self.digest(purpose))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_secret_is_43_characters_that_use_every_bit_and_is_never_generated_twice() {
        let secrets: Vec<Secret> = (0..1_000).map(|_| Secret::generate().unwrap()).collect();
        let texts: HashSet<String> = secrets.iter().map(Secret::reveal).collect();
        assert_eq!(texts.len(), 1_000);
        assert!(texts.iter().all(|text| text.len() == 43));
        for at in 0..256 {
            // 500 are expected, with a standard deviation of 16: twelve of them are never exceeded by chance.
            let set = secrets.iter().filter(|secret| secret.0[at / 8] >> (at % 8) & 1 == 1).count();
            assert!((300..700).contains(&set), "bit {at} is set in {set}");
        }
    }

    #[test]
    fn only_a_whole_secret_is_read_and_it_is_the_one_that_was_written() {
        let secret = Secret::generate().unwrap();
        let text = secret.reveal();
        assert_eq!(Secret::parse(&text), Some(secret));
        for wrong in ["", "x", &text[1..], &format!("{text}A"), &format!("{text}="), &text.replace(&text[..1], "+")] {
            assert_eq!(Secret::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_derived_differs_by_secret_and_by_purpose_and_hides_the_secret() {
        let (secret, other) = (Secret([7; 32]), Secret([8; 32]));
        let derived = [secret.derive("form"), secret.derive("state"), other.derive("form"), secret.reveal()];
        assert_eq!(derived.iter().collect::<HashSet<_>>().len(), 4);
        // SHA-256 of the secret and the purpose, computed elsewhere.
        assert_eq!(secret.derive("form"), "lOl5O0EQfK4OkTqzd89wTfI0ydAPRcbXeiZCY-DAhv8");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
