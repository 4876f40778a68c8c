//! Scopes: what a key may do. A closed set; a key has exactly those given to it, and write does not imply read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    closed_set::closed_set,
    operation::{choice, schemas},
};

/// A scope as a type, for `Caller<JobsRead>`: a handler's signature says what it demands.
pub trait RequiredScope: Send + Sync + 'static {
    /// The scope that a key must have.
    const SCOPE: Scope;
}

macro_rules! scopes {
    ($($name:ident $text:literal $doc:literal)*) => {
        closed_set! {
            /// One permission of an API key.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            Scope { $(#[doc = $doc] $name = $text,)* }
        }

        schemas! {
            Scope: choice("One permission of an API key.", &[$(($text, $doc)),*]);
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
    PipelineRead "pipeline:read" "View pipeline stages and candidate positions"
    PipelineWrite "pipeline:write" "Move candidates between pipeline stages"
    ApplicationsRead "applications:read" "View job applications"
    ApplicationsWrite "applications:write" "Create job applications and change their status"
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::named(text).ok_or(UnknownScope)
    }
}
