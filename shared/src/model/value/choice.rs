//! Values from a closed set. It knows none of the sets.

use serde_json::Value;
use utoipa::ToSchema;

use crate::model::{
    field::{Problem, Problems},
    text::shown,
};

/// Defines an enum that is a [`Field`](crate::model::field::Field) and can be the value of a query parameter. Its texts are kebab-case.
macro_rules! choices {
    ($($(#[doc = $doc:literal])+ $name:ident { $(#[doc = $about:literal] $variant:ident = $text:literal,)* })*) => {$(
        $crate::model::closed_set::closed_set! {
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            $name { $(#[doc = $about] $variant = $text,)* }
        }

        $crate::model::schema::schemas! {
            $name: $crate::model::schema::choice(concat!($($doc),+), &[$(($text, $about)),*]);
        }

        impl $crate::model::value::Choice for $name {
            const TEXTS: &'static [&'static str] = &[$($text),*];

            fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text)
            }
        }

        impl $crate::model::field::Field for $name {
            fn parse(value: &serde_json::Value, at: &str, problems: &mut $crate::model::field::Problems) -> Option<Self> {
                $crate::model::value::parse_choice(value, at, problems)
            }

            fn describe(schemas: &mut impl $crate::model::field::Describer) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                schemas.refer::<Self>()
            }
        }
    )*};
}
pub(crate) use choices;

/// A value from a closed set.
pub trait Choice: ToSchema + Sized {
    /// The text of each value.
    const TEXTS: &'static [&'static str];

    /// The value that has this text.
    fn find(text: &str) -> Option<Self>;
}

/// The message about a text that is not in the set.
pub(crate) fn not_one_of<T: Choice>(text: &str) -> String {
    format!("must be one of {} (got \"{}\")", T::TEXTS.join(", "), shown(text))
}

pub(crate) fn parse_choice<T: Choice>(value: &Value, at: &str, problems: &mut Problems) -> Option<T> {
    let Value::String(text) = value else {
        return problems.wrong_type(at, "a string", value);
    };
    T::find(text).or_else(|| problems.note(at, Problem::InvalidValue, not_one_of::<T>(text)))
}
