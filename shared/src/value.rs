//! The values that fields hold, each parsed at the door: a value that exists is valid.
//!
//! Their `Deserialize` is for rows that were stored, and takes them as they are, so that a rule made stricter later
//! leaves old rows readable.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{ArrayBuilder, Type},
    },
};

use crate::{
    body::{Field, Problems},
    error::Problem,
    operation::{Schemas, schemas, simple},
    text::{self, Found, shown},
};

mod email;
mod money;
mod url;

pub use email::InvalidEmail;
pub(crate) use money::significant_digits;
pub use money::{Amount, Currency, MAX_DIGITS, Period, Salary};

/// A short text has 1 to this many characters (Unicode scalar values).
pub const MAX_SHORT_TEXT: usize = 200;
/// A long text has up to this many characters.
pub const MAX_LONG_TEXT: usize = 20_000;
/// A URL has up to this many characters: signed links to files are long.
pub const MAX_URL: usize = 2_048;
/// A list has up to this many entries.
pub const MAX_ENTRIES: usize = 50;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// Hides the text: names and e-mails don't belong in a log.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

texts! {
    /// One line: 1 to [`MAX_SHORT_TEXT`] characters of which something can be seen, and [nothing stray](text::stray).
    ShortText
    /// Several lines: up to [`MAX_LONG_TEXT`] characters, no control characters but line breaks and tabs. What breaks a line in Word
    /// is a line feed here.
    LongText
    /// An [e-mail address](Email::new) of up to [`MAX_SHORT_TEXT`] characters, in NFC.
    Email
    /// An absolute `http` or `https` URL of up to [`MAX_URL`] characters.
    WebUrl
}

/// The text, without what [surrounds](text::trim) it, if it has between `min` and `max` characters; and how many were cut off in front.
fn text<'a>(value: &'a Value, min: usize, max: usize, at: &str, problems: &mut Problems) -> Option<(&'a str, usize)> {
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

const EMPTY: &str = "must not be empty";
const BLANK: &str = "must not be blank: nothing in it can be seen";

impl ShortText {
    /// Takes a text that is one; otherwise tells what is wrong with it in a sentence about `subject`.
    pub fn new(text: &str, subject: &str) -> Result<Self, String> {
        let mut problems = Problems::default();
        let taken = Self::parse(&Value::from(text), subject, &mut problems);
        taken.ok_or_else(|| problems.into_details().into_iter().map(|detail| detail.message).collect())
    }
}

impl Field for ShortText {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let (text, cut) = text(value, 1, MAX_SHORT_TEXT, at, problems)?;
        if !text::is_visible(text) {
            return problems.note(at, Problem::TooShort, BLANK);
        }
        if let Some(found) = text::stray(text) {
            return problems.note(at, Problem::InvalidFormat, format!("must not contain {}", found.after(cut)));
        }
        Some(Self(text.to_owned()))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

impl Field for LongText {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let (text, cut) = text(value, 0, MAX_LONG_TEXT, at, problems)?;
        // Word breaks lines and pages with the first two, mainframes lines with the last.
        let text = text.replace(['\u{b}', '\u{c}', '\u{85}'], "\n");
        let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some(found) = Found::first(&text, strange) {
            return problems.note(at, Problem::InvalidFormat, format!("must not contain {}", found.after(cut)));
        }
        Some(Self(text))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// How many: a whole number from 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Count(u32);

impl Field for Count {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        // JSON knows no whole numbers: 5, 5.0 and 0.5e1 are one number.
        let Some(count) = value.as_f64() else {
            return problems.wrong_type(at, "a whole number", value);
        };
        if count.fract() != 0.0 {
            return problems.note(at, Problem::InvalidType, format!("must be a whole number (got {value})"));
        }
        if !(1.0..=10_000.0).contains(&count) {
            return problems.note(at, Problem::OutOfRange, format!("must be from 1 to 10000 (got {value})"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 1..=10,000")]
        Some(Self(count as u32))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// Makes an enum that is written in kebab-case, is a [`Field`], and is a query parameter's value.
macro_rules! choices {
    ($($(#[doc = $doc:literal])+ $name:ident { $(#[doc = $about:literal] $variant:ident = $text:literal,)* })*) => {$(
        $crate::closed_set::closed_set! {
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
            $name { $(#[doc = $about] $variant = $text,)* }
        }

        $crate::operation::schemas! {
            $name: $crate::operation::choice(concat!($($doc),+), &[$(($text, $about)),*]);
        }

        impl $crate::value::Choice for $name {
            const TEXTS: &'static [&'static str] = &[$($text),*];

            fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text)
            }
        }

        impl $crate::body::Field for $name {
            fn parse(value: &serde_json::Value, at: &str, problems: &mut $crate::body::Problems) -> Option<Self> {
                $crate::value::parse_choice(value, at, problems)
            }

            fn describe(schemas: &mut $crate::operation::Schemas) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                schemas.refer::<Self>()
            }
        }
    )*};
}
pub(crate) use choices;

/// A value out of a closed set.
pub trait Choice: ToSchema + Sized {
    /// The set, as it is written.
    const TEXTS: &'static [&'static str];

    /// The value that is written so.
    fn find(text: &str) -> Option<Self>;
}

/// What is wrong with a text that is not in the set.
pub(crate) fn not_one_of<T: Choice>(text: &str) -> String {
    format!("must be one of {} (got \"{}\")", T::TEXTS.join(", "), shown(text))
}

pub(crate) fn parse_choice<T: Choice>(value: &Value, at: &str, problems: &mut Problems) -> Option<T> {
    let Value::String(text) = value else {
        return problems.wrong_type(at, "a string", value);
    };
    T::find(text).or_else(|| problems.note(at, Problem::InvalidValue, not_one_of::<T>(text)))
}

impl<T: Field> Field for Vec<T> {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Array(entries) = value else {
            return problems.wrong_type(at, "a list", value);
        };
        if entries.len() > MAX_ENTRIES {
            let message = format!("must have at most {MAX_ENTRIES} entries (got {})", entries.len());
            return problems.note(at, Problem::TooLong, message);
        }
        // Every entry is parsed before the first wrong one ends it: all problems are told at once.
        let parsed: Vec<Option<T>> =
            entries.iter().enumerate().map(|(i, entry)| T::parse(entry, &format!("{at}[{i}]"), problems)).collect();
        parsed.into_iter().collect()
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        ArrayBuilder::new().items(T::describe(schemas)).max_items(Some(MAX_ENTRIES)).into()
    }
}

fn text_schema(min: usize, max: usize) -> ObjectBuilder {
    simple(Type::String).min_length(Some(min)).max_length(Some(max))
}

// No patterns, and no `format` of e-mails: generators and validators each read them in a way of their own, and reject what is
// fine (tests/api/openapi.rs).
schemas! {
    ShortText: text_schema(1, MAX_SHORT_TEXT).description(Some("One line of text."));
    LongText: text_schema(0, MAX_LONG_TEXT).description(Some("Text of one or more lines."));
    Email: text_schema(1, MAX_SHORT_TEXT).description(Some("An e-mail address."));
    WebUrl: text_schema(1, MAX_URL)
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .description(Some("An http or https URL."));
    Count: simple(Type::Integer).minimum(Some(1)).maximum(Some(10_000));
}
