//! The reasons for which a request with a valid key is denied. It knows no status and no error message.

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

    /// The name of its counter in a day's item, which is the error code in the response.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Burst => "rate_limit_exceeded",
            Self::Month => "monthly_quota_exceeded",
            Self::Scope => "insufficient_scope",
            Self::Plan => "plan_no_api_access",
        }
    }

    /// The reason with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|denial| denial.as_str() == name)
    }
}
