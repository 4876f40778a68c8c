//! Reads a whole JSON body into the type that its fields describe. It knows no media type and no status.

use serde_json::Value;

use crate::model::{
    field::{Detail, FromFields, Problem, Problems, Reader},
    json::{self, InvalidJson, Json},
};

/// A larger body is rejected before the key is checked.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Why a body was rejected.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBody {
    /// It is not JSON (RFC 8259), or an object in it has a duplicate name. Holds the end of a sentence about the body.
    #[error("{0}")]
    Malformed(String),
    /// Some of its fields are wrong. Every one of them is listed.
    #[error("{} invalid fields", .0.len())]
    Fields(Vec<Detail>),
}

/// Reads a body. Returns it with the value that it was read from.
pub(crate) fn read<T: FromFields>(body: &[u8]) -> Result<(T, Value), InvalidBody> {
    let Json { value, numbers } = match json::read(body) {
        Ok(json) => json,
        Err(InvalidJson::Malformed(words)) => return Err(InvalidBody::Malformed(words)),
        Err(InvalidJson::Number { field, message }) => {
            let message = format!("{field} {message}.");
            return Err(InvalidBody::Fields(vec![Detail { field, code: Problem::OutOfRange, message }]));
        }
    };
    let mut problems = Problems::default();
    for (field, message) in &numbers {
        problems.note::<()>(field, Problem::OutOfRange, message);
    }
    Ok((parse_noting(&value, problems)?, value))
}

/// Reads a body that has already been parsed as JSON.
pub fn parse<T: FromFields>(body: &Value) -> Result<T, InvalidBody> {
    parse_noting(body, Problems::default())
}

/// Like [`parse`], starting with the problems noted earlier.
fn parse_noting<T: FromFields>(body: &Value, mut problems: Problems) -> Result<T, InvalidBody> {
    let parsed = Reader::nested(body, "", &mut problems);
    match parsed {
        Some(parsed) if problems.is_empty() => Ok(parsed),
        _ => Err(InvalidBody::Fields(problems.into_details())),
    }
}
