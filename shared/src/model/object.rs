//! An object that a response can carry, which may have a version. It knows no table and no HTTP.

use serde::Serialize;

/// An object that a response can carry.
pub trait Object: Serialize {
    /// The object's version, for the `ETag` header. `None`: it has no version.
    fn version(&self) -> Option<u64> {
        None
    }
}
