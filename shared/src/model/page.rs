//! Pages of a list: what a request asks for, and what it gets. A cursor is opaque here: only the store knows what is in it.

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::model::text::Found;

/// Rows per page, unless the request says otherwise.
pub const DEFAULT_LIMIT: u8 = 20;
/// Maximum rows per page.
pub const MAX_LIMIT: u8 = 100;
/// A longer text can't be a cursor.
pub const MAX_CURSOR_BYTES: usize = 512;

/// Why a text is not a cursor of a list, in full sentences.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    /// It is empty.
    #[error("The cursor is empty. Omit the parameter to get the first page.")]
    Empty,
    /// It is longer than any cursor.
    #[error("The cursor must be at most {MAX_CURSOR_BYTES} bytes (got {0}). {PASS_ON}")]
    TooLong(usize),
    /// It has a character that no cursor has.
    #[error("The cursor contains {0}, which is not allowed. {PASS_ON}")]
    Character(String),
    /// It was cut off.
    #[error("The cursor is incomplete. {PASS_ON}")]
    Incomplete,
    /// It belongs to another list, or was altered.
    #[error("The cursor is invalid, or belongs to another list or filter. {PASS_ON}")]
    Foreign,
    /// The list has one page.
    #[error("This filter returns a single page, so it takes no cursor. Omit the parameter.")]
    OnePage,
}

const PASS_ON: &str = "Pass `nextCursor` from the previous response unchanged, or start without a cursor.";

/// Where the next page begins. It is opaque to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.is_empty() {
            return Err(InvalidCursor::Empty);
        }
        if text.len() > MAX_CURSOR_BYTES {
            return Err(InvalidCursor::TooLong(text.len()));
        }
        if let Some(found) = Found::first(text, |c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
            return Err(InvalidCursor::Character(found.to_string()));
        }
        BASE64URL_NOPAD.decode(text.as_bytes()).map(Self).map_err(|_| InvalidCursor::Incomplete)
    }
}

/// The page of a list that a request asks for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    limit: u8,
    cursor: Option<Cursor>,
}

impl PageRequest {
    /// Up to `limit` rows, 1 to [`MAX_LIMIT`], after the cursor or from the beginning.
    pub(crate) fn new(limit: u8, cursor: Option<Cursor>) -> Self {
        Self { limit, cursor }
    }

    /// Maximum number of rows, 1 to [`MAX_LIMIT`].
    #[must_use]
    pub fn limit(&self) -> u8 {
        self.limit
    }

    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }
}

/// A page of a list: its rows, and the cursor of the next page, if there is one.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub rows: Vec<T>,
    /// Where the next page begins. `None`: this is the last page.
    pub next: Option<Cursor>,
    /// The requested limit.
    pub limit: u8,
    /// Which of the ids in the request are not among the rows. `None`: the request did not name any.
    pub by_ids: Option<ByIds>,
}

impl<T> Page<T> {
    /// A page without a next one.
    pub(crate) fn last(rows: Vec<T>, limit: u8) -> Self {
        Self { rows, next: None, limit, by_ids: None }
    }
}

/// The requested ids whose objects a response does not contain, in the requested order.
#[derive(Debug, Serialize)]
pub struct ByIds {
    /// The organization has no such objects.
    pub missing: Vec<String>,
    /// The objects did not fit into the response.
    pub remaining: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_at_most_512_characters_of_base64url_and_is_written_as_it_was_read() {
        let longest = "A".repeat(MAX_CURSOR_BYTES);
        assert_eq!(longest.parse::<Cursor>().map(|cursor| cursor.to_string()), Ok(longest.clone()));
        assert_eq!(format!("{longest}A").parse::<Cursor>(), Err(InvalidCursor::TooLong(513)));
        assert_eq!("".parse::<Cursor>(), Err(InvalidCursor::Empty));
        assert_eq!("A".parse::<Cursor>(), Err(InvalidCursor::Incomplete));
        assert_eq!("-_".parse::<Cursor>(), Err(InvalidCursor::Incomplete), "what was cut off is not zero");
        assert_eq!("-_9A".parse::<Cursor>().map(|cursor| cursor.as_bytes().to_vec()), Ok(vec![0xfb, 0xff, 0x40]));
        for (text, found) in [("AB+D", "\"+\" (U+002B) at character 3"), ("é", "\"é\" (U+00E9) at character 1")] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor::Character(found.to_owned())));
        }
    }
}
