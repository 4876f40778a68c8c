//! Pages: the limit, the cursor, and the answer of a list.
//!
//! A cursor is base64url of a version, a digest, and the sort position of the last row returned. The digest covers the
//! list's partition (so the organization, the list and its filters) and the position, so that a cursor that is damaged,
//! or of another list, is refused. It is no secret: whoever computes one can only move inside their own list, because
//! the partition is rebuilt from the caller.

use std::{fmt, str::FromStr};

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64URL_NOPAD;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    db::{self, Db, Item},
    envelope::json,
    error::ApiError,
    extract::{FromParams, Params},
    table::List,
    text::Found,
};

/// Rows of a page when the request does not say.
pub const DEFAULT_LIMIT: u8 = 20;
/// Rows of a page at the most.
pub const MAX_LIMIT: u8 = 100;
/// A longer text is no cursor.
pub const MAX_CURSOR_BYTES: usize = 512;
const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 8;

/// Why a text is not a cursor of a list: in sentences.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    /// It is empty.
    #[error("The cursor is empty. Leave the parameter out for the first page.")]
    Empty,
    /// It is longer than any.
    #[error("The cursor has {0} bytes, and none has more than {MAX_CURSOR_BYTES}. {PASS_ON}")]
    TooLong(usize),
    /// It has a character that none has.
    #[error("The cursor has {0}, which no cursor has. {PASS_ON}")]
    Character(String),
    /// It ends before its end.
    #[error("The cursor is incomplete. {PASS_ON}")]
    Incomplete,
    /// It is another list's, or was changed.
    #[error("The cursor was changed, or belongs to another list or to other filters. {PASS_ON}")]
    Foreign,
    /// The list has one page.
    #[error("This filter returns a single page, so it takes no cursor. Leave the parameter out.")]
    OnePage,
}

const PASS_ON: &str = "Pass nextCursor of the last answer as it stands, or start without a cursor.";

/// Where a walk goes on: opaque to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// The cursor for the rows after `position`.
    pub(crate) fn after(list: &List, position: String) -> Self {
        let mut bytes = vec![VERSION];
        bytes.extend(digest(list, &position));
        bytes.extend(position.into_bytes());
        Self(bytes)
    }

    /// The position, if this is a cursor of `list`.
    fn position(&self, list: &List) -> Result<&str, InvalidCursor> {
        let (version, rest) = self.0.split_first().ok_or(InvalidCursor::Incomplete)?;
        let (told, position) = rest.split_at_checked(DIGEST_BYTES).ok_or(InvalidCursor::Incomplete)?;
        let position = std::str::from_utf8(position).map_err(|_| InvalidCursor::Foreign)?;
        if *version == VERSION && told == digest(list, position) { Ok(position) } else { Err(InvalidCursor::Foreign) }
    }

    /// The key to go on after. `InvalidCursor` if it is not a cursor of `list`.
    fn start(&self, list: &List) -> Result<Item, ApiError> {
        Ok(list.start_key(self.position(list)?).ok_or(InvalidCursor::Foreign)?)
    }
}

fn digest(list: &List, position: &str) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update([VERSION, u8::from(list.ascending())]);
    hasher.update(list.partition());
    // A NUL is in neither, so that no other pair reads the same.
    hasher.update([0]);
    hasher.update(position);
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&hasher.finalize()[..DIGEST_BYTES]);
    digest
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
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        if text.is_empty() {
            return Err(InvalidCursor::Empty.into());
        }
        if text.len() > MAX_CURSOR_BYTES {
            return Err(InvalidCursor::TooLong(text.len()).into());
        }
        if let Some(found) = Found::first(text, |c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
            return Err(InvalidCursor::Character(found.to_string()).into());
        }
        BASE64URL_NOPAD.decode(text.as_bytes()).map(Self).map_err(|_| InvalidCursor::Incomplete.into())
    }
}

/// Which page of a list a request wants.
#[derive(Clone, Debug)]
pub struct PageRequest {
    limit: u8,
    cursor: Option<Cursor>,
    /// The list's path and filters as the client wrote them, for the `Link` to the next page.
    target: String,
}

impl PageRequest {
    pub(crate) fn new(limit: u8, cursor: Option<Cursor>, target: String) -> Self {
        Self { limit, cursor, target }
    }

    /// How many rows, 1 to [`MAX_LIMIT`].
    #[must_use]
    pub fn limit(&self) -> u8 {
        self.limit
    }

    /// This is the first page.
    pub(crate) fn is_first(&self) -> bool {
        self.cursor.is_none()
    }
}

/// A list without filters takes just the page.
impl FromParams for PageRequest {
    fn from_params(_: &mut impl Params, page: PageRequest) -> Self {
        page
    }
}

/// Reads the page of `list` that `request` wants.
pub(crate) async fn read<T: DeserializeOwned>(
    db: &Db,
    list: &List,
    request: &PageRequest,
) -> Result<Rows<T>, ApiError> {
    let (items, next) = items(db, list, request.cursor.as_ref(), None, request.limit).await?;
    Ok(Rows { rows: items.into_iter().map(db::read).collect::<Result<_, _>>()?, next })
}

/// Reads up to `limit` items of `list` after `cursor`, or without one after `first`, and where the next page goes on.
pub(crate) async fn items(
    db: &Db,
    list: &List,
    cursor: Option<&Cursor>,
    first: Option<Item>,
    limit: u8,
) -> Result<(Vec<Item>, Option<Cursor>), ApiError> {
    let start = cursor.map(|cursor| cursor.start(list)).transpose()?.or(first);
    let (items, has_more) = db.query(list, start, limit.into()).await?;
    let next = match items.last() {
        Some(row) if has_more => Some(Cursor::after(list, list.position(row)?)),
        _ => None,
    };
    Ok((items, next))
}

/// The rows of a page as they were read.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<Cursor>,
}

impl<T> Rows<T> {
    /// The answer to `request`.
    pub(crate) fn answer(self, request: &PageRequest) -> Listed<T> {
        let separator = if request.target.contains('?') { '&' } else { '?' };
        let link = self
            .next
            .as_ref()
            .map(|next| format!("<{}{separator}limit={}&cursor={next}>; rel=\"next\"", request.target, request.limit));
        let pagination = Pagination { has_more: self.next.is_some(), next_cursor: self.next, limit: request.limit };
        Listed { rows: self.rows, pagination, link }
    }
}

/// The answer of a list: its rows, where the next page is, and a `Link` to it (RFC 8288), which becomes absolute on the way out.
#[derive(Debug)]
pub struct Listed<T> {
    rows: Vec<T>,
    pagination: Pagination,
    link: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    has_more: bool,
    next_cursor: Option<Cursor>,
    limit: u8,
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<T> {
            success: bool,
            data: Vec<T>,
            pagination: Pagination,
        }
        let envelope = Envelope { success: true, data: self.rows, pagination: self.pagination };
        let mut response = json(&envelope);
        if let Some(link) = self.link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        clock::{Clock, Timestamp},
        id::{JobId, OrgId},
        records::job::JobStatus,
    };

    fn org() -> OrgId {
        OrgId::new(Clock::system().stamp())
    }

    fn start(cursor: &str, list: &List) -> Result<String, ApiError> {
        Ok(list.position(&cursor.parse::<Cursor>()?.start(list)?)?)
    }

    proptest! {
        #[test]
        fn a_cursor_gives_back_the_position_it_was_made_of(millis in 0..4_000_000_000_000_i64) {
            let list = List::jobs(&org(), None);
            let position = JobId::from(Clock::new(move || Timestamp::from_millis(millis)).stamp()).to_string();
            let cursor = Cursor::after(&list, position.clone()).to_string();
            prop_assert!(cursor.len() <= MAX_CURSOR_BYTES);
            prop_assert_eq!(start(&cursor, &list).unwrap(), position);
        }

        #[test]
        fn a_cursor_with_any_byte_changed_is_refused(at in 0..45_usize, flip in 1..=255_u8) {
            let list = List::jobs(&org(), Some(JobStatus::Open));
            let mut cursor = Cursor::after(&list, JobId::from(Clock::system().stamp()).to_string());
            prop_assert_eq!(cursor.0.len(), 45);
            cursor.0[at] ^= flip;
            prop_assert!(matches!(start(&cursor.to_string(), &list), Err(ApiError::InvalidCursor(_))));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in "\\PC{0,600}") {
            prop_assert!(matches!(start(&text, &List::jobs(&org(), None)), Err(ApiError::InvalidCursor(_))));
        }
    }

    #[test]
    fn a_cursor_that_is_none_is_told_why() {
        let (list, whole) = (List::jobs(&org(), None), "x".repeat(600));
        for (cursor, words) in [
            ("", "The cursor is empty. Leave the parameter out for the first page."),
            (&*whole, "The cursor has 600 bytes, and none has more than 512. "),
            ("a b", "The cursor has a space (U+0020) at character 2, which no cursor has. "),
            ("AVvX==", "The cursor has \"=\" (U+003D) at character 5, which no cursor has. "),
            ("AVvX…", "The cursor has \"…\" (U+2026) at character 5, which no cursor has. "),
            ("null", "The cursor is incomplete. "),
            ("AVvXa", "The cursor is incomplete. "),
            ("AAAAAAAAAAAAAAAA", "The cursor was changed, or belongs to another list or to other filters. "),
        ] {
            let Err(ApiError::InvalidCursor(wrong)) = start(cursor, &list) else { panic!("{cursor} is taken") };
            assert!(wrong.to_string().starts_with(words), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_filter_or_organization_is_refused() {
        let (org, other) = (org(), org());
        let cursor =
            Cursor::after(&List::jobs(&org, None), JobId::from(Clock::system().stamp()).to_string()).to_string();
        let refused = [List::jobs(&org, Some(JobStatus::Open)), List::candidates(&org), List::jobs(&other, None)];
        assert!(refused.iter().all(|list| matches!(start(&cursor, list), Err(ApiError::InvalidCursor(_)))));
        assert!(start(&cursor, &List::jobs(&org, None)).is_ok());
    }
}
