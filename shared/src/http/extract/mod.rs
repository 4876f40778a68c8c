//! What a handler takes from a request besides its caller: path, query, preconditions, idempotency key and body, each with errors in our
//! envelope. It knows no record.

mod idempotency;
mod if_match;
mod if_none_match;
mod json;
mod path;
mod query;

pub use crate::model::{if_match::IfMatch, if_none_match::IfNoneMatch};
pub use idempotency::{Once, Sent};
pub use path::Path;
pub use query::Query;
