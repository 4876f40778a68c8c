//! API keys: the organization, scopes, last use, and requests in this minute and today. The key itself is not stored. It knows no HTTP.

mod count;
mod create;
mod item;
mod revoke;
mod rotation;
mod summary;

pub(crate) use count::{Backlog, KeyUse, count_request};
pub use create::{CreateKeyError, NewKey, create};
pub use revoke::revoke;
pub use rotation::{Rotated, Rotation, rotate};
pub use summary::{KeyState, KeySummary, PreviousSecret, find, is_present, list, page};
