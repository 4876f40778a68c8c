//! Plans, and the only place that says what each one allows. It knows nothing about what is counted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::schema::{choice, schemas};

/// An organization's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// No API access.
    Free,
    /// One key, 1,000 requests a month.
    Starter,
    /// Five keys, 10,000 requests a month.
    Professional,
    /// Unlimited keys and requests.
    Enterprise,
}

/// A quantity that a plan may cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Up to this many.
    Limited(u64),
    /// No limit.
    Unlimited,
}

impl Allowance {
    /// How many are left. `None`: unlimited.
    #[must_use]
    pub const fn left(self, used: u64) -> Option<u64> {
        match self {
            Self::Limited(limit) => Some(limit.saturating_sub(used)),
            Self::Unlimited => None,
        }
    }
}

impl Plan {
    /// Every plan, smallest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Starter, Self::Professional, Self::Enterprise];

    /// The plan's text, used everywhere: `professional`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starter => "starter",
            Self::Professional => "professional",
            Self::Enterprise => "enterprise",
        }
    }

    /// What it includes, in one sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Free => "No API access.",
            Self::Starter => "One key, and 1,000 requests a month.",
            Self::Professional => "Five keys, and 10,000 requests a month.",
            Self::Enterprise => "Unlimited keys and requests.",
        }
    }

    /// Requests served per calendar month (UTC). `Limited(0)` is a plan without API access.
    #[must_use]
    pub const fn monthly_requests(self) -> Allowance {
        match self {
            Self::Free => Allowance::Limited(0),
            Self::Starter => Allowance::Limited(1_000),
            Self::Professional => Allowance::Limited(10_000),
            Self::Enterprise => Allowance::Unlimited,
        }
    }

    /// How many keys can be active (not revoked) at once.
    #[must_use]
    pub const fn keys(self) -> Allowance {
        match self {
            Self::Free => Allowance::Limited(0),
            Self::Starter => Allowance::Limited(1),
            Self::Professional => Allowance::Limited(5),
            Self::Enterprise => Allowance::Unlimited,
        }
    }

    /// Whether the keys of an organization on this plan may call the API at all.
    #[must_use]
    pub fn has_api_access(self) -> bool {
        self.monthly_requests() != Allowance::Limited(0)
    }
}

schemas! {
    Plan: choice("An organization's plan.", &Self::ALL.map(|plan| (plan.as_str(), plan.about())));
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such plan: must be one of free, starter, professional, enterprise")]
pub struct UnknownPlan;

impl FromStr for Plan {
    type Err = UnknownPlan;

    fn from_str(text: &str) -> Result<Self, UnknownPlan> {
        Self::ALL.into_iter().find(|plan| plan.as_str() == text).ok_or(UnknownPlan)
    }
}
