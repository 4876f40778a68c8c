//! What an answer can carry: an object, which may have a version. It knows no table and no HTTP.

use serde::Serialize;

/// What an answer can carry.
pub trait Object: Serialize {
    /// The version, for the `ETag` header, if the object has one.
    fn version(&self) -> Option<u64> {
        None
    }
}
