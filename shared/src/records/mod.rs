//! The records: one file each, with its shape, its rules, how it lies in the table, and what reads and writes it.
//!
//! Every function takes the [`OrgId`](crate::id::OrgId) whose record it is. Absence is an `Option`; a handler decides
//! that it is an error.

pub mod api_key;
pub mod application;
pub mod candidate;
pub mod job;
pub mod organization;
pub mod position;
pub mod stage;

/// An update reads the record, changes it, and writes it under the condition that nobody else did meanwhile. After so
/// many tries it gives up with `VersionConflict`.
const UPDATE_ATTEMPTS: usize = 8;
