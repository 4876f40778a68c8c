//! A secret of the browser's: 256 bits from the operating system's random source, and what is derived from them.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::model::key::NoRandomness;

/// What one browser has and nobody else. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A fresh one.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(NoRandomness)?;
        Ok(Self(bytes))
    }

    /// Takes what has the form of one: 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }

    /// What goes into a cookie.
    #[must_use]
    pub fn reveal(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// What is derived from it for one purpose (SHA-256). It tells nothing of the secret, nor of what is derived for another.
    #[must_use]
    pub fn digest(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(purpose);
        hasher.finalize().into()
    }

    /// The same as text: 43 characters of base64url.
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
