//! The values that fields hold, each parsed at the door: a value that exists is valid.
//!
//! Their `Deserialize` is for rows that were stored, and takes them as they are, so that a rule made stricter later
//! leaves old rows readable.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{ArrayBuilder, Type},
    },
};

use crate::{
    body::{Field, Fields, FromFields, Problems, Reader},
    error::Problem,
    operation::{Schemas, schemas, simple},
};

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
    /// One line: 1 to [`MAX_SHORT_TEXT`] characters, not blank, no control characters.
    ShortText
    /// Several lines: up to [`MAX_LONG_TEXT`] characters, no control characters but line breaks and tabs.
    LongText
    /// An e-mail address (RFC 5321) of up to [`MAX_SHORT_TEXT`] characters, with a domain that has a dot.
    Email
    /// An absolute `http` or `https` URL of up to [`MAX_URL`] characters.
    WebUrl
}

/// The text if it has between `min` and `max` characters.
fn text(value: &Value, min: usize, max: usize, at: &str, problems: &mut Problems) -> Option<String> {
    let Value::String(text) = value else {
        return problems.wrong_type(at, "a string");
    };
    let chars = text.chars().count();
    if chars < min {
        return problems.note(at, Problem::TooShort, "must not be empty");
    }
    if chars > max {
        return problems.note(at, Problem::TooLong, format!("must have at most {max} characters, not {chars}"));
    }
    Some(text.clone())
}

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
        let text = text(value, 1, MAX_SHORT_TEXT, at, problems)?;
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return problems.note(
                at,
                Problem::InvalidFormat,
                "must not have line breaks, control or invisible characters",
            );
        }
        if text.trim().is_empty() {
            return problems.note(at, Problem::TooShort, "must not be blank");
        }
        Some(Self(text))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// Line separators, and characters that show nothing or turn the direction of what follows: in one line they only
/// deceive. Joiners are not among them, which emoji and several scripts need.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl Field for LongText {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let text = text(value, 0, MAX_LONG_TEXT, at, problems)?;
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return problems.note(
                at,
                Problem::InvalidFormat,
                "must not have control characters but line breaks and tabs",
            );
        }
        Some(Self(text))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

impl Email {
    /// Takes a text that is an e-mail address.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        // A quoted local part names a mailbox that has a plain name too; it would be a second candidate.
        let plain = text.chars().count() <= MAX_SHORT_TEXT && !text.starts_with('"');
        let valid = plain && EmailAddress::parse_with_options(text, options).is_ok();
        valid.then(|| Self(text.to_owned()))
    }

    /// What two addresses share when they are the same but for case: the key of uniqueness.
    #[must_use]
    pub fn normalized(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Field for Email {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let text = text(value, 1, MAX_SHORT_TEXT, at, problems)?;
        Self::new(&text).or_else(|| problems.note(at, Problem::InvalidFormat, "must be an e-mail address"))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

impl Field for WebUrl {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let text = text(value, 1, MAX_URL, at, problems)?;
        // The parser mends much. What is stored is what was sent, so what needs mending, or would break out of an
        // attribute of a page that shows it, is refused.
        let strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>' | '`');
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let url = url::Url::parse(&text).is_ok_and(|url| url.username().is_empty() && url.password().is_none());
        if url && matches!(scheme.as_deref(), Some("http" | "https")) && !text.contains(strange) {
            return Some(Self(text));
        }
        problems.note(at, Problem::InvalidFormat, "must be an absolute http or https URL")
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
        let Some(count) = value.as_f64().filter(|count| count.fract() == 0.0) else {
            return problems.wrong_type(at, "a whole number");
        };
        if !(1.0..=10_000.0).contains(&count) {
            return problems.note(at, Problem::OutOfRange, "must be from 1 to 10000");
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 1..=10,000")]
        Some(Self(count as u32))
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// An amount of money: 0 to 999,999,999.99, to the hundredth. Kept in hundredths, so that no rounding creeps in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    const MAX: f64 = 999_999_999.99;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=MAX, whose hundredths fit")]
    fn new(amount: f64) -> Option<Self> {
        let hundredths = (amount * 100.0).round();
        let exact = (hundredths / 100.0 - amount).abs() < f64::EPSILON * amount.max(1.0);
        (exact && (0.0..=Self::MAX).contains(&amount)).then_some(Self(hundredths as u64))
    }
}

impl Field for Amount {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Some(amount) = value.as_f64() else {
            return problems.wrong_type(at, "a number");
        };
        Self::new(amount).or_else(|| {
            problems.note(at, Problem::OutOfRange, "must be a number from 0 to 999999999.99 with at most two decimals")
        })
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// A whole amount is written as a whole number: `60000`, but `18.5`.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u64(self.0 / 100)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "at most 99,999,999,999")]
            serializer.serialize_f64(self.0 as f64 / 100.0)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("not an amount"))
    }
}

/// An ISO 4217 currency code: three upper-case letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(String);

impl Field for Currency {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Value::String(code) = value else {
            return problems.wrong_type(at, "a string");
        };
        if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return problems.note(at, Problem::InvalidFormat, "must be a currency code of three capitals, such as EUR");
        }
        Some(Self(code.clone()))
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

pub(crate) fn parse_choice<T: Choice>(value: &Value, at: &str, problems: &mut Problems) -> Option<T> {
    let Value::String(text) = value else {
        return problems.wrong_type(at, "a string");
    };
    T::find(text)
        .or_else(|| problems.note(at, Problem::InvalidValue, format!("must be one of {}", T::TEXTS.join(", "))))
}

choices! {
    /// What a salary is paid for.
    Period {
        /// An hour.
        Hour = "hour",
        /// A day.
        Day = "day",
        /// A week.
        Week = "week",
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
    }
}

/// What a job pays: `min`, `max` or both, in `currency`, for a `period`. An update replaces it as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "min": 52000, "max": 61000, "currency": "EUR", "period": "year" }))]
pub struct Salary {
    /// The least that is paid, with at most two decimals. One of `min` and `max` must be given.
    min: Option<Amount>,
    /// The most that is paid, with at most two decimals; not less than `min`.
    max: Option<Amount>,
    currency: Currency,
    period: Period,
}

impl FromFields for Salary {
    type Object = Self;

    const READ_ONLY: &'static [&'static str] = &[];

    fn example() -> Value {
        json!({ "min": 52000, "max": 61000, "currency": "EUR", "period": "year" })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        let min = fields.optional::<Amount>("min");
        let max = fields.optional::<Amount>("max");
        let currency = fields.required("currency");
        let period = fields.required("period");
        match (min, max) {
            (None, None) if !fields.mentions("min") && !fields.mentions("max") => {
                fields.note("min", Problem::Required, "is needed when there is no max");
            }
            (Some(min), Some(max)) if min > max => {
                fields.note("max", Problem::OutOfRange, "must not be less than min");
            }
            _ => {}
        }
        Some(Self { min, max, currency: currency?, period: period? })
    }
}

impl Field for Salary {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        Reader::nested(value, at, problems)
    }

    fn describe(schemas: &mut Schemas) -> RefOr<Schema> {
        schemas.refer_fields::<Self>("NewSalary")
    }
}

impl<T: Field> Field for Vec<T> {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Array(entries) = value else {
            return problems.wrong_type(at, "a list");
        };
        if entries.len() > MAX_ENTRIES {
            let message = format!("must have at most {MAX_ENTRIES} entries, not {}", entries.len());
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

schemas! {
    ShortText: text_schema(1, MAX_SHORT_TEXT).pattern(Some(SHORT_TEXT_PATTERN));
    LongText: text_schema(0, MAX_LONG_TEXT).pattern(Some(LONG_TEXT_PATTERN));
    Email: text_schema(1, MAX_SHORT_TEXT).format(Some(SchemaFormat::Custom("idn-email".to_owned())));
    WebUrl: text_schema(1, MAX_URL).format(Some(SchemaFormat::Custom("uri".to_owned()))).pattern(Some(WEB_URL_PATTERN));
    Count: simple(Type::Integer).minimum(Some(1)).maximum(Some(10_000));
    Amount: simple(Type::Number).minimum(Some(0)).maximum(Some(Self::MAX)).description(Some("At most two decimals."));
    Currency: simple(Type::String).pattern(Some("^[A-Z]{3}$")).description(Some("An ISO 4217 currency code."));
}

/// One line in which something shows, without control and invisible characters.
const SHORT_TEXT_PATTERN: &str = concat!(
    r"^[^\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]*",
    r"[^\s\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]",
    r"[^\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]*$"
);
const LONG_TEXT_PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";
const WEB_URL_PATTERN: &str = "^[Hh][Tt][Tt][Pp][Ss]?://";
