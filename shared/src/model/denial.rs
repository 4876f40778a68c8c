//! The reasons for which a request with a valid key is denied, and the counters of each. It knows no status and no error message.

use crate::model::window::Day;

/// Why a request with a valid key is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// The minute's requests are used up.
    Burst,
    /// The month's requests are used up.
    Month,
    /// The key lacks the scope.
    Scope,
    /// The plan has no API access.
    Plan,
}

impl Denial {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Burst, Self::Month, Self::Scope, Self::Plan];
    const PREFIX: &str = "r";

    /// The name of its counter in a day's item, which is the error code in the response.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "rate_limit_exceeded",
            Self::Month => "monthly_quota_exceeded",
            Self::Scope => "insufficient_scope",
            Self::Plan => "plan_no_api_access",
        }
    }

    /// Short, because every request pays for every byte of the key's item.
    const fn letter(self) -> &'static str {
        match self {
            Self::Burst => "b",
            Self::Month => "m",
            Self::Scope => "s",
            Self::Plan => "p",
        }
    }

    /// The attribute of a key's item that counts it on a day.
    pub(crate) fn attribute(self, day: Day) -> String {
        format!("{}{day}{}", Self::PREFIX, self.letter())
    }

    /// The day and the reason that an attribute counts. `None`: it is not a denial counter.
    pub(crate) fn counted_by(attribute: &str) -> Option<(Day, Self)> {
        let rest = attribute.strip_prefix(Self::PREFIX)?;
        let reason = Self::ALL.into_iter().find(|reason| rest.ends_with(reason.letter()))?;
        Some((rest.strip_suffix(reason.letter())?.parse().ok()?, reason))
    }
}
