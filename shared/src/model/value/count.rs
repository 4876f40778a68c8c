//! How many of something there are. It knows nothing about what is counted.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema, schema::Type};

use crate::model::{
    field::{Describer, Field, Problem, Problems},
    schema::{schemas, simple},
};

/// A count: an integer from 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Count(u32);

impl Field for Count {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        // JSON has no integer type: 5, 5.0 and 0.5e1 are the same number.
        let Some(count) = value.as_f64() else {
            return problems.wrong_type(at, "an integer", value);
        };
        if count.fract() != 0.0 {
            return problems.note(at, Problem::InvalidType, format!("must be an integer (got {value})"));
        }
        if !(1.0..=10_000.0).contains(&count) {
            return problems.note(at, Problem::OutOfRange, format!("must be from 1 to 10000 (got {value})"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 1..=10,000")]
        Some(Self(count as u32))
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

schemas! {
    Count: simple(Type::Integer).minimum(Some(1)).maximum(Some(10_000));
}
