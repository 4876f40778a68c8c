//! Plain text, of one line or several. It knows no field that holds one.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use super::string::{BLANK, MAX_LONG_TEXT, MAX_SHORT_TEXT, text, text_schema, texts};
use crate::model::{
    field::{Describer, Field, Problem, Problems},
    schema::schemas,
    text::{self, Found},
};

texts! {
    /// One line: 1 to [`MAX_SHORT_TEXT`] characters, at least one of them visible and [none stray](text::stray).
    ShortText
    /// Several lines: up to [`MAX_LONG_TEXT`] characters, without control characters other than line breaks and tabs. Word's line breaks
    /// become line feeds.
    LongText
}

impl ShortText {
    /// Accepts a valid text. The error says what is wrong in a sentence about `subject`.
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

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

impl Field for LongText {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let (text, cut) = text(value, 0, MAX_LONG_TEXT, at, problems)?;
        // The first two are Word's line and page breaks, the last is a mainframe's line break.
        let text = text.replace(['\u{b}', '\u{c}', '\u{85}'], "\n");
        let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if let Some(found) = Found::first(&text, strange) {
            return problems.note(at, Problem::InvalidFormat, format!("must not contain {}", found.after(cut)));
        }
        Some(Self(text))
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

schemas! {
    ShortText: text_schema(1, MAX_SHORT_TEXT).description(Some("A single line of text."));
    LongText: text_schema(0, MAX_LONG_TEXT).description(Some("Text of one or more lines."));
}
