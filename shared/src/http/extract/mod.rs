//! What a handler takes from a request besides its caller: path, query, precondition and body, each with errors in our envelope. It
//! knows no record.

mod if_match;
mod json;
mod path;
mod query;

pub use crate::model::if_match::IfMatch;
pub use json::Json;
pub use path::Path;
pub use query::Query;
