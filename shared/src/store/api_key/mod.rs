//! API keys, as people manage them: created, rotated, revoked and shown. The key itself is not stored. Whether a request with one is served
//! is decided by [admission](crate::admission), from the key's [account](crate::store::account). It knows no HTTP.

mod create;
mod item;
mod late_use;
mod revoke;
mod rotation;
mod summary;
mod usage;

pub use create::{CreateKeyError, NewKey, create, create_once};
pub(crate) use late_use::add_late_uses;
pub use revoke::revoke;
pub use rotation::{Rotated, Rotation, rotate};
pub(crate) use summary::find_with_account;
pub use summary::{KeyState, KeySummary, PreviousSecret, Seen, find, is_present, list, page};
pub(crate) use usage::count_usage_request;
