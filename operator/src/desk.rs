//! What the commands share: the tables, the clock, the caller, and lookups of what an argument names.

use std::io;

use shared::{
    model::{clock::Clock, value::ShortText},
    store::{
        db::Db,
        error::DbError,
        organization::{self, Organization},
    },
};

use crate::{caller::Caller, error::CommandError};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) caller: Caller,
}

pub(crate) async fn find(db: &Db, clock: &Clock, id: &str) -> Result<Organization, CommandError> {
    let found = organization::find(db, id, clock.now()).await?;
    found.ok_or_else(|| CommandError::UnknownOrganization(id.to_owned()))
}

pub(crate) fn checked_name(name: &str) -> Result<ShortText, CommandError> {
    ShortText::new(name, "The name").map_err(CommandError::Name)
}

/// Shows all rows, page by page; `read` returns the page after a given row. Holds one page of at most a hundred rows at a time.
pub(crate) async fn each<T>(
    read: impl AsyncFn(Option<&T>) -> Result<(Vec<T>, bool), DbError>,
    mut show: impl FnMut(&T) -> io::Result<()>,
) -> Result<(), CommandError> {
    let mut last = None;
    loop {
        let (page, more) = read(last.as_ref()).await?;
        for row in &page {
            show(row)?;
        }
        last = page.into_iter().next_back();
        if !more || last.is_none() {
            return Ok(());
        }
    }
}
