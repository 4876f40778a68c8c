//! Values without I/O: ids, the clock and the calendar, keys, scopes, plans, windows, the types of fields, and how a body's fields are
//! read. It knows nothing about HTTP, DynamoDB or operations.

pub(crate) mod base62;
pub mod body;
pub mod clock;
pub(crate) mod closed_set;
pub mod denial;
pub(crate) mod digits;
pub mod field;
pub mod id;
pub mod idempotency;
pub mod if_match;
pub mod if_none_match;
mod json;
pub mod key;
pub mod object;
pub mod page;
pub mod param;
pub mod plan;
pub mod role;
pub(crate) mod schema;
pub mod scope;
pub mod secret;
pub(crate) mod text;
pub mod value;
pub mod window;
pub mod write;
