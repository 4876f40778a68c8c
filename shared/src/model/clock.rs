//! The time: read in one place, so that a test can set it, and written in one form. It knows no record.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};
use utoipa::openapi::{KnownFormat, SchemaFormat, schema::Type};
use uuid::{ContextV7, Uuid};

use crate::model::schema::{schemas, simple};

/// RFC 3339 in UTC, to exactly three decimal places of a second. Always 24 bytes long, so it sorts as text.
const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// 24 hours: leap seconds are ignored.
pub const DAY: Duration = Duration::from_hours(24);

/// A moment in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z, clamped to the years 1970 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        const LAST: i64 = 253_402_300_799_999;
        let nanos = i128::from(millis.clamp(0, LAST)) * 1_000_000;
        Self(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.as_secs() * 1_000 + i64::from(self.0.millisecond())
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.as_millis().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_secs(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// The calendar year and month (1–12) in UTC.
    #[must_use]
    pub fn year_month(self) -> (i32, u8) {
        (self.0.year(), self.0.month().into())
    }
}

schemas! {
    Timestamp: simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(FORMAT).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = time::error::Parse;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(PrimitiveDateTime::parse(text, FORMAT)?.assume_utc()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The source of the time, and of the identifiers that begin with it.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

struct Source {
    read: Box<dyn Fn() -> Timestamp + Send + Sync>,
    context: Mutex<ContextV7>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
            let now = OffsetDateTime::now_utc();
            Timestamp::from_millis(now.unix_timestamp() * 1_000 + i64::from(now.millisecond()))
        })
    }

    /// A clock that returns what `read` returns.
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(Source { read: Box::new(read), context: Mutex::new(ContextV7::new()) }))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0.read)()
    }

    /// The current time, with a fresh identifier that sorts after every one that this clock has issued.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let context = self.0.context.lock().unwrap_or_else(PoisonError::into_inner);
        Stamp::new(self.now(), &context)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A moment and a fresh identifier created at it: what a new record starts with.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    now: Timestamp,
    id: Uuid,
}

impl Stamp {
    /// A stamp at `now` with a random identifier that sorts after those that `context` created earlier in the same millisecond.
    fn new(now: Timestamp, context: &ContextV7) -> Self {
        let millis = now.as_millis().unsigned_abs();
        let nanos = u32::try_from(millis % 1_000).unwrap_or(0) * 1_000_000;
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(context, millis / 1_000, nanos));
        Self { now, id }
    }

    /// A stamp at `now` whose identifier is derived from `entropy`, so that demo data is the same at every start.
    #[must_use]
    pub fn seeded(now: Timestamp, entropy: [u8; 10]) -> Self {
        let id = uuid::Builder::from_unix_timestamp_millis(now.as_millis().unsigned_abs(), &entropy).into_uuid();
        Self { now, id }
    }

    /// The moment.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.now
    }

    /// The identifier, before it gets a type.
    pub(crate) fn id(self) -> Uuid {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_in_one_form_that_sorts_as_text() {
        let first = Timestamp::from_millis(1_795_478_400_005);
        assert_eq!(first.to_string(), "2026-11-24T00:00:00.005Z");
        assert_eq!(first.to_string().parse::<Timestamp>().unwrap(), first);
        assert_eq!(first.as_millis(), 1_795_478_400_005);
        assert!(first.to_string() < Timestamp::from_millis(1_795_478_400_010).to_string());
    }

    #[test]
    fn a_moment_out_of_range_is_clamped() {
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
