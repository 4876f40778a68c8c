//! Reads a list page by page, and creates its cursors. It knows no record.
//!
//! A cursor is base64url of a version, a digest, and the sort key of the last row returned. The digest covers the version, the list's
//! direction, its partition (and so the organization, the list and its filters) and the sort key, so that a cursor that is damaged or
//! belongs to another list is rejected. The digest is not a secret: a client that computes one can only move within its own list,
//! because the partition is rebuilt from the caller.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    model::page::{ByIds, Cursor, InvalidCursor, MAX_LIMIT, Page, PageRequest},
    store::{
        db::{Db, MAX_PAGE_BYTES},
        error::StoreError,
        item::{self, Item, text},
        list::List,
        response::{Readable, Row, size},
        table::{Key, SK, Table},
    },
};

const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 8;

/// The cursor for the rows after `sort_key`.
pub(crate) fn cursor_after(list: &List, sort_key: &str) -> Cursor {
    let mut bytes = vec![VERSION];
    bytes.extend(digest(list, sort_key));
    bytes.extend(sort_key.as_bytes());
    Cursor::new(bytes)
}

/// The sort key in a cursor of `list`.
fn sort_key_of<'a>(cursor: &'a Cursor, list: &List) -> Result<&'a str, InvalidCursor> {
    let (version, rest) = cursor.as_bytes().split_first().ok_or(InvalidCursor::Incomplete)?;
    let (claimed, sort_key) = rest.split_at_checked(DIGEST_BYTES).ok_or(InvalidCursor::Incomplete)?;
    let sort_key = std::str::from_utf8(sort_key).map_err(|_| InvalidCursor::Foreign)?;
    if *version == VERSION && claimed == digest(list, sort_key) { Ok(sort_key) } else { Err(InvalidCursor::Foreign) }
}

/// The position in `list` that a cursor points to. `InvalidCursor`: it is not a cursor of `list`.
pub(crate) fn position(cursor: &Cursor, list: &List) -> Result<String, InvalidCursor> {
    start(cursor, list)?;
    sort_key_of(cursor, list).map(str::to_owned)
}

/// The key to continue after. `InvalidCursor`: it is not a cursor of `list`.
fn start(cursor: &Cursor, list: &List) -> Result<Item, InvalidCursor> {
    list.start_key(sort_key_of(cursor, list)?).ok_or(InvalidCursor::Foreign)
}

fn digest(list: &List, sort_key: &str) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update([VERSION, u8::from(list.ascending())]);
    hasher.update(list.partition());
    // Neither contains a NUL, so no other pair yields the same bytes.
    hasher.update([0]);
    hasher.update(sort_key);
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&hasher.finalize()[..DIGEST_BYTES]);
    digest
}

/// Reads the page of `list` that `request` asks for.
pub(crate) async fn read<T: Readable + Serialize>(
    db: &Db,
    list: &List,
    request: &PageRequest,
) -> Result<Page<T>, StoreError> {
    let limit = request.limit();
    let start = request.cursor().map(|cursor| start(cursor, list)).transpose()?;
    let (rows, has_more) = db.list(list, start, limit.into()).await?;
    let next = rows.last().filter(|_| has_more).map(|row| cursor_after(list, &row.sort_key));
    Ok(Page { rows: rows.into_iter().map(|row| row.record).collect(), next, limit, by_ids: None })
}

/// Reads the objects with these ids, in this order and each once. Those that don't fit into a response remain.
pub(crate) async fn by_ids<T: Readable + Serialize, I: Copy + Eq + ToString>(
    db: &Db,
    ids: Vec<I>,
    key: impl Fn(I) -> Key,
) -> Result<Page<T>, StoreError> {
    let mut wanted: Vec<I> = Vec::new();
    for id in ids {
        if !wanted.contains(&id) {
            wanted.push(id);
        }
    }
    let items = db.get_all(Table::Records, wanted.iter().map(|id| key(*id)).collect()).await?;
    let mut found: HashMap<String, Item> =
        items.into_iter().filter_map(|item| Some((text(&item, SK)?.to_owned(), item))).collect();
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for id in &wanted {
        let sort_key = id.to_string();
        match found.remove(&sort_key) {
            Some(item) => rows.push(Row { record: item::read(item)?, sort_key }),
            None => missing.push(sort_key),
        }
    }
    let fitting = size::fitting(&rows, MAX_PAGE_BYTES).min(rows.len());
    let remaining = rows.split_off(fitting).into_iter().map(|row| row.sort_key).collect();
    let rows = rows.into_iter().map(|row| row.record).collect();
    Ok(Page { by_ids: Some(ByIds { missing, remaining }), ..Page::last(rows, MAX_LIMIT) })
}

/// Reads up to `limit` items of `list`, which is in the Access table, after `cursor`, or else after `first`, and returns them with the cursor of the next page.
pub(crate) async fn items(
    db: &Db,
    list: &List,
    cursor: Option<&Cursor>,
    first: Option<Item>,
    limit: u8,
) -> Result<(Vec<Item>, Option<Cursor>), StoreError> {
    let start = cursor.map(|cursor| start(cursor, list)).transpose()?.or(first);
    let (items, has_more) = db.query(list, start, limit.into()).await?;
    let next = match items.last() {
        Some(row) if has_more => Some(cursor_after(list, &list.sort_key(row)?)),
        _ => None,
    };
    Ok((items, next))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        clock::{Clock, Timestamp},
        id::{JobId, OrgId},
    };

    fn org() -> OrgId {
        OrgId::new(Clock::system().stamp())
    }

    /// The sort key that a text yields as a cursor of the list.
    fn read(text: &str, list: &List) -> Result<String, InvalidCursor> {
        let key = start(&text.parse()?, list)?;
        Ok(list.sort_key(&key).unwrap())
    }

    proptest! {
        #[test]
        fn a_cursor_returns_the_sort_key_it_was_created_from(millis in 0..4_000_000_000_000_i64) {
            let list = List::jobs(&org(), None);
            let sort_key = JobId::from(Clock::new(move || Timestamp::from_millis(millis)).stamp()).to_string();
            let cursor = cursor_after(&list, &sort_key).to_string();
            prop_assert!(cursor.len() <= crate::model::page::MAX_CURSOR_BYTES);
            prop_assert_eq!(read(&cursor, &list).unwrap(), sort_key);
        }

        #[test]
        fn a_cursor_with_any_byte_changed_is_rejected(at in 0..45_usize, flip in 1..=255_u8) {
            let list = List::jobs(&org(), Some("open"));
            let cursor = cursor_after(&list, &JobId::from(Clock::system().stamp()).to_string());
            let mut bytes = cursor.as_bytes().to_vec();
            prop_assert_eq!(bytes.len(), 45);
            bytes[at] ^= flip;
            let cursor = Cursor::new(bytes);
            prop_assert!(read(&cursor.to_string(), &list).is_err());
        }

        #[test]
        fn any_other_text_is_rejected_without_a_panic(text in "\\PC{0,600}") {
            prop_assert!(read(&text, &List::jobs(&org(), None)).is_err());
        }
    }

    #[test]
    fn an_invalid_cursor_is_rejected_with_the_reason() {
        let (list, whole) = (List::jobs(&org(), None), "x".repeat(600));
        for (cursor, words) in [
            ("", "The cursor is empty. Omit the parameter to get the first page."),
            (&*whole, "The cursor must be at most 512 bytes (got 600). "),
            ("a b", "The cursor contains a space (U+0020) at character 2, which is not allowed. "),
            ("AVvX==", "The cursor contains \"=\" (U+003D) at character 5, which is not allowed. "),
            ("AVvX…", "The cursor contains \"…\" (U+2026) at character 5, which is not allowed. "),
            ("null", "The cursor is incomplete. "),
            ("AVvXa", "The cursor is incomplete. "),
            ("AAAAAAAAAAAAAAAA", "The cursor is invalid, or belongs to another list or filter. "),
        ] {
            let Err(wrong) = read(cursor, &list) else { panic!("{cursor} is taken") };
            assert!(wrong.to_string().starts_with(words), "{wrong}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_filter_or_organization_is_rejected() {
        let (org, other) = (org(), org());
        let cursor =
            cursor_after(&List::jobs(&org, None), &JobId::from(Clock::system().stamp()).to_string()).to_string();
        let refused = [List::jobs(&org, Some("open")), List::candidates(&org), List::jobs(&other, None)];
        assert!(refused.iter().all(|list| read(&cursor, list).is_err()));
        assert!(read(&cursor, &List::jobs(&org, None)).is_ok());
    }
}
