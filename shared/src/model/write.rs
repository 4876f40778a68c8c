//! A write: in which organization, by whom, when, and under which idempotency key. It knows no record.

use std::sync::Arc;

use crate::model::{
    clock::{Stamp, Timestamp},
    id::OrgId,
    idempotency::Idempotency,
    key::KeyId,
};

/// Who sent a write.
#[derive(Clone, Debug)]
pub struct Author {
    pub(crate) key: KeyId,
    /// The id of the request, as in `X-Request-Id`.
    pub(crate) request_id: Arc<str>,
}

/// What a write is part of.
#[derive(Clone, Debug)]
pub struct Write {
    org: OrgId,
    stamp: Stamp,
    author: Option<Author>,
    may_read: bool,
    idempotency: Option<Idempotency>,
}

impl Write {
    /// A write that no key sends, such as that of demo data. `stamp` is its moment, and the id of what it creates.
    #[must_use]
    pub fn new(org: OrgId, stamp: Stamp) -> Self {
        Self { org, stamp, author: None, may_read: true, idempotency: None }
    }

    /// The write of a key, which may or may not read what it writes.
    pub(crate) fn of(
        org: OrgId,
        stamp: Stamp,
        author: Author,
        may_read: bool,
        idempotency: Option<Idempotency>,
    ) -> Self {
        Self { org, stamp, author: Some(author), may_read, idempotency }
    }

    /// The organization.
    pub(crate) fn org(&self) -> &OrgId {
        &self.org
    }

    /// The moment of the write, with the id for what it creates.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The moment of the write.
    pub(crate) fn now(&self) -> Timestamp {
        self.stamp.now()
    }

    pub(crate) fn author(&self) -> Option<&Author> {
        self.author.as_ref()
    }

    /// Whether the key may read what it writes.
    pub(crate) fn may_read(&self) -> bool {
        self.may_read
    }

    pub(crate) fn idempotency(&self) -> Option<&Idempotency> {
        self.idempotency.as_ref()
    }
}

/// What a write returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// The object after the write, or as it is now if the write is a replay.
    pub object: T,
    /// Whether an earlier request with the same idempotency key did the write, and this one did nothing.
    pub is_replay: bool,
}

impl<T> Written<T> {
    /// What this request has written.
    pub(crate) fn now(object: T) -> Self {
        Self { object, is_replay: false }
    }

    /// What an earlier request has written.
    pub(crate) fn before(object: T) -> Self {
        Self { object, is_replay: true }
    }
}
