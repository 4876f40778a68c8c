//! Lists of values. It knows no value's rules.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema, schema::ArrayBuilder};

use crate::model::field::{Describer, Field, Problem, Problems};

/// Maximum entries in a list.
pub const MAX_ENTRIES: usize = 50;

impl<T: Field> Field for Vec<T> {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Array(entries) = value else {
            return problems.wrong_type(at, "an array", value);
        };
        if entries.len() > MAX_ENTRIES {
            let message = format!("must have at most {MAX_ENTRIES} items (got {})", entries.len());
            return problems.note(at, Problem::TooLong, message);
        }
        // Parse every entry before failing on the first wrong one, so that all problems are reported at once.
        let parsed: Vec<Option<T>> =
            entries.iter().enumerate().map(|(i, entry)| T::parse(entry, &format!("{at}[{i}]"), problems)).collect();
        parsed.into_iter().collect()
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        ArrayBuilder::new().items(T::describe(schemas)).max_items(Some(MAX_ENTRIES)).into()
    }
}
