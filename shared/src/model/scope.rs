//! Scopes: what a key may do. A key has exactly the scopes granted to it, and write does not imply read. It knows no operation.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::{
    closed_set::closed_set,
    schema::{choice, schemas},
};

/// A scope as a type, for `Caller<JobsRead>`: a handler's signature says which scope it requires.
pub trait RequiredScope: Send + Sync + 'static {
    /// The scope that the key must have.
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident $text:literal $doc:literal)*) => {
        closed_set! {
            /// A permission of an API key.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            Scope { $(#[doc = $doc] $name = $text,)* }
        }

        schemas! {
            Scope: choice("A permission of an API key.", &[$(($text, $doc)),*]);
        }

        $(
            #[doc = concat!("Demands `", $text, "`.")]
            #[derive(Debug)]
            pub enum $name {}

            impl RequiredScope for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )*
    };
}

scopes! {
    JobsRead "jobs:read" "View jobs in your organization"
    JobsWrite "jobs:write" "Create and update jobs"
    CandidatesRead "candidates:read" "View candidate information"
    CandidatesWrite "candidates:write" "Create and update candidates"
    CandidatesDelete "candidates:delete" "Erase candidates for good"
    PipelineRead "pipeline:read" "View pipeline stages and candidate positions"
    PipelineWrite "pipeline:write" "Move candidates between pipeline stages"
    ApplicationsRead "applications:read" "View job applications"
    ApplicationsWrite "applications:write" "Create job applications and change their status"
}

impl Scope {
    /// The scope to read what this one lets a key write: `jobs:read` for `jobs:write`. `None`: there is no such scope.
    #[must_use]
    pub fn read(self) -> Option<Self> {
        let (resource, _) = self.as_str().split_once(':')?;
        Self::named(&format!("{resource}:read"))
    }

    /// The scopes that `all` grants, wherever it is offered: all except the destructive ones, which must be granted by name.
    pub fn granted_by_all() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|scope| !scope.destroys())
    }

    /// Whether it lets a key destroy data irrecoverably. The match is exhaustive, so that a new scope has to say.
    #[must_use]
    pub const fn destroys(self) -> bool {
        match self {
            Self::JobsRead
            | Self::JobsWrite
            | Self::CandidatesRead
            | Self::CandidatesWrite
            | Self::PipelineRead
            | Self::PipelineWrite
            | Self::ApplicationsRead
            | Self::ApplicationsWrite => false,
            Self::CandidatesDelete => true,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::named(text).ok_or(UnknownScope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scopes_read_scope_is_for_the_same_resource() {
        assert_eq!(Scope::CandidatesWrite.read(), Some(Scope::CandidatesRead));
        assert_eq!(Scope::PipelineRead.read(), Some(Scope::PipelineRead));
        for scope in Scope::ALL {
            let resource = scope.as_str().split(':').next();
            assert!(scope.read().is_some_and(|read| read.as_str().split(':').next() == resource), "{scope}");
        }
    }

    #[test]
    fn all_grants_read_and_write_and_nothing_destructive() {
        let granted: Vec<&str> = Scope::granted_by_all().map(Scope::as_str).collect();
        let harmless = |scope: &&str| scope.ends_with(":read") || scope.ends_with(":write");
        assert_eq!(granted, Scope::ALL.iter().map(|scope| scope.as_str()).filter(harmless).collect::<Vec<_>>());
    }
}
