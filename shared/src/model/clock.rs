//! The time: read in one place, so that a test can set it, and written in one form. It knows no record.

use std::{
    fmt,
    ops::Range,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{Date, OffsetDateTime, Time};
use utoipa::openapi::{KnownFormat, SchemaFormat, schema::Type};
use uuid::{ContextV7, Uuid};

use crate::model::schema::{schemas, simple};

/// The form of a moment, with a zero for each digit: RFC 3339 in UTC, to exactly three decimal places of a second. Always 24 bytes long, so
/// it sorts as text.
const FORM: &[u8; 24] = b"0000-00-00T00:00:00.000Z";

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

/// The text is not a moment as we write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a moment of the form 2026-11-24T00:00:00.000Z")]
pub struct InvalidTimestamp;

// A page of a list has dozens of moments, so both directions do without the general formats of `time`, which cost ten times as much.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second, millisecond) = self.0.to_hms_milli();
        let parts = [
            (0, 4, year.unsigned_abs()),
            (5, 2, u8::from(month).into()),
            (8, 2, day.into()),
            (11, 2, hour.into()),
            (14, 2, minute.into()),
            (17, 2, second.into()),
            (20, 3, millisecond.into()),
        ];
        let mut text = *FORM;
        for (start, digits, mut rest) in parts {
            for place in text[start..start + digits].iter_mut().rev() {
                *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let text: &[u8; 24] = text.as_bytes().try_into().map_err(|_| InvalidTimestamp)?;
        let has_form = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
        if !text.iter().zip(FORM).all(has_form) {
            return Err(InvalidTimestamp);
        }
        let part =
            |places: Range<usize>| text[places].iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
        let short = |start: usize| u8::try_from(part(start..start + 2)).map_err(|_| InvalidTimestamp);
        let month = short(5)?.try_into().map_err(|_| InvalidTimestamp)?;
        let date = Date::from_calendar_date(part(0..4).into(), month, short(8)?).map_err(|_| InvalidTimestamp)?;
        let time =
            Time::from_hms_milli(short(11)?, short(14)?, short(17)?, part(20..23)).map_err(|_| InvalidTimestamp)?;
        Ok(Self(OffsetDateTime::new_utc(date, time)))
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

    /// The same identifier at another moment, for demo data.
    #[must_use]
    pub fn later(self, now: Timestamp) -> Self {
        Self { now, ..self }
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

    /// The random end of the identifier, which distinguishes the stamp from any other of the same time.
    pub(crate) fn tag(&self) -> &[u8] {
        &self.id.as_bytes()[10..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_is_written_in_one_form_that_sorts_as_text() {
        let first = Timestamp::from_millis(1_795_478_400_005);
        assert_eq!(first.to_string(), "2026-11-24T00:00:00.005Z");
        assert_eq!(first.to_string().parse::<Timestamp>().unwrap(), first);
        assert_eq!(first.as_millis(), 1_795_478_400_005);
        assert!(first.to_string() < Timestamp::from_millis(1_795_478_400_010).to_string());
    }

    proptest! {
        #[test]
        fn a_moment_is_written_as_rfc_3339_says_and_reads_back(millis in 0..=253_402_300_799_999_i64) {
            let moment = Timestamp::from_millis(millis);
            let text = moment.to_string();
            prop_assert_eq!(text.parse::<Timestamp>().unwrap(), moment);
            // An independent reading: the days before a date in the Gregorian calendar, with March as the first month.
            let part = |places: Range<usize>| text[places].parse::<i64>().unwrap();
            let (year, month, day) = (part(0..4), part(5..7), part(8..10));
            let years = year - i64::from(month <= 2);
            let days = years * 365 + years / 4 - years / 100 + years / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 719_469;
            let seconds = days * 86_400 + part(11..13) * 3_600 + part(14..16) * 60 + part(17..19);
            prop_assert_eq!(seconds * 1_000 + part(20..23), millis);
        }
    }

    #[test]
    fn a_text_in_any_other_form_is_not_a_moment() {
        assert!("2024-02-29T23:59:59.999Z".parse::<Timestamp>().is_ok());
        for strange in [
            "",
            "2026-11-24",
            "2026-11-24T00:00:00Z",
            "2026-11-24T00:00:00.000",
            "2026-11-24T00:00:00.000z",
            "2026-11-24 00:00:00.000Z",
            "2026-11-24T00:00:00,000Z",
            "2026-11-24T00:00:00.000ZZ",
            "+026-11-24T00:00:00.000Z",
            "2026-11-24T00:00:00.00éZ",
            "2026-11-24T00:00:00.00 Z",
            "2026-00-24T00:00:00.000Z",
            "2026-13-24T00:00:00.000Z",
            "2026-11-00T00:00:00.000Z",
            "2026-11-31T00:00:00.000Z",
            "2026-02-29T00:00:00.000Z",
            "2026-11-24T24:00:00.000Z",
            "2026-11-24T00:60:00.000Z",
            "2026-11-24T00:00:60.000Z",
        ] {
            assert_eq!(strange.parse::<Timestamp>(), Err(InvalidTimestamp), "{strange}");
        }
    }

    #[test]
    fn a_moment_out_of_range_is_clamped() {
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
