//! What text values have in common: a type around a string, its maximum length, and its schema. It knows no value's own rules.

use serde_json::Value;
use utoipa::openapi::{ObjectBuilder, schema::Type};

use crate::model::{
    field::{Problem, Problems},
    schema::simple,
    text,
};

/// Maximum characters (Unicode scalar values) in a short text. The minimum is 1.
pub const MAX_SHORT_TEXT: usize = 200;
/// Maximum characters in a long text.
pub const MAX_LONG_TEXT: usize = 20_000;
/// Maximum characters in a URL: signed links to files are long.
pub const MAX_URL: usize = 2_048;

/// Defines types around a string that only their own module can construct.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// Hides the text: names and email addresses don't belong in a log.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
pub(crate) use texts;

/// The [trimmed](text::trim) text, if it has `min` to `max` characters, and how many characters were cut off at the start.
pub(super) fn text<'a>(
    value: &'a Value,
    min: usize,
    max: usize,
    at: &str,
    problems: &mut Problems,
) -> Option<(&'a str, usize)> {
    let Value::String(sent) = value else {
        return problems.wrong_type(at, "a string", value);
    };
    let (text, cut) = text::trim(sent);
    let chars = text.chars().count();
    if chars < min {
        return problems.note(at, Problem::TooShort, if sent.is_empty() { EMPTY } else { BLANK });
    }
    if chars > max {
        return problems.note(at, Problem::TooLong, format!("must be at most {max} characters (got {chars})"));
    }
    Some((text, cut))
}

pub(super) const EMPTY: &str = "must not be empty";
pub(super) const BLANK: &str = "must not be blank: it has no visible characters";

// No patterns, and no `format: email`: each generator and validator interprets them differently, and rejects valid texts
// (tests/api/openapi.rs).
pub(super) fn text_schema(min: usize, max: usize) -> ObjectBuilder {
    simple(Type::String).min_length(Some(min)).max_length(Some(max))
}
